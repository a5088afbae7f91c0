//! A stream that goes on: it connects, reads, and after a cut resumes behind the last whole epoch.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use crate::answer::Raw;
use crate::client::{Client, read_whole};
use crate::error::{Error, Lost};
use crate::group::Groups;
use crate::line::Line;
use crate::retry::BackOff;
use crate::sse::{Parsed, Parser};
use crate::subscription::Subscription;
use crate::update::{Token, Update};

/// The whole of a stream's read buffer: there may be thousands of streams, and the head of the answer must
/// fit it.
const READ_BYTES: usize = 4_096;
/// Bytes of the body of a refusal.
const REFUSAL_BYTES: usize = 64 << 10;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Follows a subscription. Nothing happens unless it is polled: it is no task and starts none, and what the
/// server sends meanwhile waits in the socket until the server thinks its reader too slow.
pub struct Follower {
    client: Client,
    path: String,
    groups: Groups,
    parser: Parser,
    link: Link,
    /// Whole epochs that have come and have not been asked for: those of one read at most.
    told: VecDeque<Update>,
    /// What ended the connection, behind all that was told before.
    fault: Option<Error>,
    /// Tries since something was told.
    attempt: u32,
    /// What the server wants to be between two connections.
    server_wait: Option<Duration>,
    connections: u64,
}

/// How it stands with the connection.
enum Link {
    /// There is none, and nothing to wait for.
    Down,
    Waiting(Pin<Box<Sleep>>),
    Opening(Pin<Box<dyn Future<Output = Result<Box<Feed>, Error>> + Send>>),
    Open(Box<Feed>),
}

/// A connection on which events come.
struct Feed {
    line: Line,
    body: Incoming,
    silence: Pin<Box<Sleep>>,
}

impl Follower {
    pub(crate) fn new(
        client: Client,
        subscription: Subscription,
        token: Option<Token>,
    ) -> Follower {
        let options = &client.inner.options;
        Follower {
            path: subscription.path(),
            groups: Groups::new(token, options.group_bytes),
            parser: Parser::new(options.event_bytes),
            client,
            link: Link::Down,
            told: VecDeque::new(),
            fault: None,
            attempt: 0,
            server_wait: None,
            connections: 0,
        }
    }

    /// Waits for the next update, through as many cuts as there are. May be dropped while it waits: nothing
    /// is lost.
    ///
    /// An error is what another try would not mend: a refusal, or a stream that breaks its rules. Who asks
    /// again tries again, at once.
    pub async fn next(&mut self) -> Result<Update, Error> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The same as a poll, for those who drive many at once.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Update, Error>> {
        loop {
            if let Some(update) = self.told.pop_front() {
                self.attempt = 0;
                return Poll::Ready(Ok(update));
            }
            if let Some(fault) = self.fault.take() {
                self.fall(fault)?;
            }
            match &mut self.link {
                Link::Down => self.open(),
                Link::Waiting(wait) => {
                    ready!(wait.as_mut().poll(context));
                    self.open();
                }
                Link::Opening(opening) => match ready!(opening.as_mut().poll(context)) {
                    Ok(feed) => {
                        self.connections += 1;
                        self.link = Link::Open(feed);
                    }
                    Err(fault) => self.fault = Some(fault),
                },
                Link::Open(feed) => {
                    let wait = self.client.inner.options.silence_wait;
                    match ready!(feed.poll_part(wait, context)) {
                        Ok(part) => self.fault = self.take(&part).err(),
                        Err(fault) => self.fault = Some(fault),
                    }
                }
            }
        }
    }

    /// Cuts the connection now; the next call connects again and resumes.
    pub fn cut(&mut self) {
        self.hang_up();
        self.fault = None;
    }

    /// Up to where everything has come: behind it another follower may go on.
    pub fn token(&self) -> Option<&Token> {
        self.groups.token()
    }

    /// How many connections there have been.
    pub fn connections(&self) -> u64 {
        self.connections
    }

    /// Whether there is a connection now, as far as is known.
    pub fn is_connected(&self) -> bool {
        matches!(self.link, Link::Open(_))
    }

    fn open(&mut self) {
        let token = self.groups.token().map(|token| token.text().to_owned());
        self.link = Link::Opening(Box::pin(open(self.client.clone(), self.path.clone(), token)));
    }

    /// Lets the connection go, and with it what came of an unfinished epoch.
    fn hang_up(&mut self) {
        self.link = Link::Down;
        self.groups.cut();
        self.parser = Parser::new(self.client.inner.options.event_bytes);
    }

    /// The connection is gone: another one after a wait, or the caller is told.
    fn fall(&mut self, fault: Error) -> Result<(), Error> {
        self.hang_up();
        let retry = self.back_off().retry(self.attempt, fault.happened(true));
        let Some(wait) = retry.draw() else { return Err(fault) };
        self.attempt = self.attempt.saturating_add(1);
        self.link = Link::Waiting(Box::pin(sleep(wait)));
        Ok(())
    }

    /// As for requests, but without an end, and no sooner than the server wants it.
    fn back_off(&self) -> BackOff {
        let BackOff { first, longest, .. } = self.client.inner.options.back_off;
        // The wait is drawn from the upper half of what is given.
        let first = self.server_wait.map_or(first, |wait| wait.saturating_mul(2));
        BackOff { first, longest, tries: u32::MAX }
    }

    fn take(&mut self, part: &[u8]) -> Result<(), Error> {
        let mut parsed = Vec::new();
        let outcome = self.parser.push(part, &mut parsed);
        for one in parsed {
            match one {
                Parsed::Retry(wait) => self.server_wait = Some(wait),
                Parsed::Event(event) => self.told.extend(self.groups.take(event)?),
            }
        }
        Ok(outcome?)
    }
}

impl Feed {
    /// The next bytes, or why there will be none.
    fn poll_part(
        &mut self,
        wait: Duration,
        context: &mut Context<'_>,
    ) -> Poll<Result<Bytes, Error>> {
        match self.line.poll_part(&mut self.body, context) {
            Poll::Ready(Some(part)) => {
                self.silence.as_mut().reset(Instant::now() + wait);
                Poll::Ready(part)
            }
            Poll::Ready(None) => Poll::Ready(Err(Error::Lost(Lost::Ended))),
            Poll::Pending => {
                ready!(self.silence.as_mut().poll(context));
                Poll::Ready(Err(Error::Lost(Lost::Silent)))
            }
        }
    }
}

async fn open(client: Client, path: String, token: Option<String>) -> Result<Box<Feed>, Error> {
    let inner = &client.inner;
    let mut request = inner.bare(Method::GET, &path)?;
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    if let Some(token) = token {
        let token = HeaderValue::from_str(&token).map_err(Error::unreadable)?;
        request.headers_mut().insert(LAST_EVENT_ID, token);
    }
    let mut line = Line::open(&inner.base, &inner.options, Some(READ_BYTES)).await?;
    let wait = inner.options.silence_wait;
    let answer = tokio::time::timeout(wait, async {
        let (head, body) = line.send(request).await?.into_parts();
        if head.status != StatusCode::OK {
            let body = read_whole(&mut line, body, REFUSAL_BYTES).await?;
            let raw = Raw { status: head.status, headers: head.headers, body };
            return Err(Error::Refused(Box::new(raw.refusal())));
        }
        let kind = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        if !kind.starts_with(b"text/event-stream") {
            return Err(Error::unreadable("the answer is no stream of events"));
        }
        Ok(body)
    });
    let body = answer.await.map_err(|_| Error::Lost(Lost::Silent)).and_then(|answer| answer)?;
    Ok(Box::new(Feed { line, body, silence: Box::pin(sleep(wait)) }))
}
