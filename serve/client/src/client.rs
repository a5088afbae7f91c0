//! Requests: sent, tried again where that is safe, and their answers.

use std::io::Read as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use flate2::read::GzDecoder;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, IF_NONE_MATCH,
};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::answer::{Answer, Raw, Read};
use crate::base::Base;
use crate::cache::Cache;
use crate::call::Call;
use crate::error::{Error, Lost};
use crate::follower::Follower;
use crate::line::{Line, Sent};
use crate::lines::Lines;
use crate::options::Options;
use crate::save::{Save, Saved, Withdrawn};
use crate::subscription::Subscription;
use crate::update::Token;

/// A client of one service. Clones share connections and the answers kept.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

/// What clones of a client share.
pub(crate) struct Inner {
    pub(crate) base: Base,
    pub(crate) options: Options,
    authorization: Option<HeaderValue>,
    lines: Lines,
    cache: Mutex<Cache>,
}

impl Client {
    /// A client of the service at `base_url`, such as `http://127.0.0.1:8080`.
    pub fn new(base_url: &str) -> Result<Client, Error> {
        Client::with_options(base_url, Options::default())
    }

    /// The same, told how to go about it.
    pub fn with_options(base_url: &str, options: Options) -> Result<Client, Error> {
        let authorization = options.token.as_ref().map(|token| {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"));
            value.iter_mut().for_each(|value| value.set_sensitive(true));
            value.map_err(|_| Error::Token)
        });
        let cache = Mutex::new(Cache::new(options.cache_entries, options.cache_bytes));
        let inner = Inner {
            base: Base::parse(base_url)?,
            authorization: authorization.transpose()?,
            options,
            lines: Lines::default(),
            cache,
        };
        Ok(Client { inner: Arc::new(inner) })
    }

    /// Reads `path`, which may have a query. The copy kept of an earlier answer is shown to the server and
    /// taken where it is confirmed.
    pub async fn get(&self, path: &str) -> Result<Read, Error> {
        let held = self.cache().get(path);
        let none_match = held.as_ref().and_then(|read| read.etag.clone());
        let raw = self.raw(&Call { none_match, ..Call::get(path) }).await?;
        let read = match held {
            Some(held) if raw.status == StatusCode::NOT_MODIFIED => confirmed(held, raw)?,
            _ => Read::from_raw(raw),
        };
        self.cache().put(path, &read);
        Ok(read)
    }

    /// Saves forecasts or actuals: durable and visible when the answer is there. A save of which nothing was
    /// taken is an answer too, [`Saved::is_refused`].
    pub async fn save(&self, save: &Save) -> Result<Saved, Error> {
        let call = Call::change(Method::POST, save.path()).with_gzip_json(&save.body()?)?;
        match self.call(&call).await {
            Ok(answer) => Saved::from_answer(answer),
            Err(Error::Refused(refusal)) if refusal.status == 422 && refusal.data.is_array() => {
                let (epoch, data, additional) = (refusal.epoch, refusal.data, refusal.additional);
                Saved::from_answer(Answer { epoch, data, additional })
            }
            Err(error) => Err(error),
        }
    }

    /// Withdraws a batch: what won before returns everywhere. Again changes nothing.
    pub async fn withdraw(&self, batch: Uuid) -> Result<Withdrawn, Error> {
        let path = format!("/api/v2.0/batches/{batch}");
        Withdrawn::from_answer(self.call(&Call::change(Method::DELETE, path)).await?)
    }

    /// `PUT` of a JSON statement.
    pub async fn put(&self, path: &str, body: &impl Serialize) -> Result<Answer, Error> {
        self.call(&Call::change(Method::PUT, path).with_json(body)?).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: &impl Serialize) -> Result<Answer, Error> {
        self.call(&Call::change(Method::POST, path).with_json(body)?).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Result<Answer, Error> {
        self.call(&Call::change(Method::DELETE, path)).await
    }

    /// Any request, tried again where that is safe; nothing is kept of its answer.
    pub async fn call(&self, call: &Call) -> Result<Answer, Error> {
        self.raw(call).await?.answer()
    }

    /// The service's status: incarnation, epoch, clock, counts.
    pub async fn status(&self) -> Result<Value, Error> {
        Ok(self.call(&Call::get("/api/v2.0/status")).await?.data)
    }

    /// Follows `subscription` from a snapshot on.
    pub fn follow(&self, subscription: Subscription) -> Follower {
        Follower::new(self.clone(), subscription, None)
    }

    /// Follows `subscription` behind the epoch of `token`, up to which the caller holds the rows.
    pub fn follow_after(&self, subscription: Subscription, token: Token) -> Follower {
        Follower::new(self.clone(), subscription, Some(token))
    }

    /// Sends `call` until there is an answer that is no refusal, or no sense in another try.
    async fn raw(&self, call: &Call) -> Result<Raw, Error> {
        let mut attempt = 0;
        loop {
            let error = match self.once(call).await {
                Ok(raw) if raw.status.is_success() => return Ok(raw),
                Ok(raw) if raw.status == StatusCode::NOT_MODIFIED && call.none_match.is_some() => {
                    return Ok(raw);
                }
                Ok(raw) => Error::Refused(Box::new(raw.refusal())),
                Err(error) => error,
            };
            let happened = error.happened(call.is_repeatable());
            let retry = self.inner.options.back_off.retry(attempt, happened);
            let Some(wait) = retry.draw() else { return Err(error) };
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// One try.
    async fn once(&self, call: &Call) -> Result<Raw, Error> {
        let Inner { base, options, lines, .. } = &*self.inner;
        let request = self.inner.request(call)?;
        let mut line = match lines.take().await {
            Some(line) => line,
            None => Line::open(base, options, None).await?,
        };
        let exchange = async {
            let (head, body) = line.send(request).await?.into_parts();
            let body = read_whole(&mut line, body, options.answer_bytes).await?;
            Ok((head, body))
        };
        let exchange = tokio::time::timeout(options.answer_wait, exchange).await;
        let (head, body) = exchange.map_err(|_| Error::Lost(Lost::Silent)).and_then(|it| it)?;
        lines.keep(line).await;
        let coding = head.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
        let body = match coding {
            None | Some(b"identity") => body,
            Some(b"gzip") => unpacked(&body, options.answer_bytes)?,
            Some(other) => {
                let name = String::from_utf8_lossy(other);
                return Err(Error::unreadable(format!("its coding is {name}")));
            }
        };
        Ok(Raw { status: head.status, headers: head.headers, body })
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.inner.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// `call` as it is sent.
    fn request(&self, call: &Call) -> Result<Request<Sent>, Error> {
        let mut request = self.bare(call.method.clone(), &call.path)?;
        let headers = request.headers_mut();
        if self.options.takes_gzip {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let texts = [
            (IF_NONE_MATCH.as_str(), call.none_match.as_deref()),
            ("idempotency-key", call.key.as_deref()),
            (CONTENT_TYPE.as_str(), call.body.as_ref().map(|_| "application/json")),
            (CONTENT_ENCODING.as_str(), call.is_gzip.then_some("gzip")),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                headers.insert(name, HeaderValue::from_str(text).map_err(Error::unreadable)?);
            }
        }
        *request.body_mut() = Full::new(call.body.clone().unwrap_or_default());
        Ok(request)
    }

    /// A request of this client without a body.
    pub(crate) fn bare(&self, method: Method, path: &str) -> Result<Request<Sent>, Error> {
        let mut request = Request::new(Sent::default());
        *request.method_mut() = method;
        *request.uri_mut() = self.base.target(path)?;
        let host = HeaderValue::from_str(&self.base.authority).map_err(Error::unreadable)?;
        request.headers_mut().insert(HOST, host);
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }
}

/// The copy kept here, as the server has just confirmed it.
fn confirmed(held: Read, raw: Raw) -> Result<Read, Error> {
    let confirmation = Read::from_raw(raw);
    if confirmation.etag.is_some() && confirmation.etag != held.etag {
        return Err(Error::unreadable("a 304 names another tag than was asked for"));
    }
    let (body, etag) = (held.body, held.etag);
    Ok(Read { body, etag, is_revalidated: true, ..confirmation })
}

/// A body up to `bound` bytes.
pub(crate) async fn read_whole(
    line: &mut Line,
    mut body: Incoming,
    bound: usize,
) -> Result<Bytes, Error> {
    let mut whole = BytesMut::new();
    while let Some(part) = std::future::poll_fn(|it| line.poll_part(&mut body, it)).await {
        let part = part?;
        if whole.len() + part.len() > bound {
            return Err(Error::TooLarge { bound });
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}

fn unpacked(body: &Bytes, bound: usize) -> Result<Bytes, Error> {
    let mut whole = Vec::new();
    let most = u64::try_from(bound).unwrap_or(u64::MAX).saturating_add(1);
    GzDecoder::new(&body[..]).take(most).read_to_end(&mut whole).map_err(Error::unreadable)?;
    if whole.len() > bound {
        return Err(Error::TooLarge { bound });
    }
    Ok(whole.into())
}
