//! What a replica does not know itself is asked of its engine: changes, what was known when, whole exports.
//!
//! A request goes on as it came, the caller's own token with it: a replica gives nobody rights. What comes back
//! is the engine's answer, not a word changed.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderName, ORIGIN, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use axum::http::uri::{Authority, PathAndQuery, Scheme};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::answer::X_TRACE_ID;
use super::desk::Desk;
use super::refusal::Refusal;

/// How long the engine may take to be reached: longer means that it is not there.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an export may take to begin, a little longer than the engine allows itself.
const EXPORT_WAIT: Duration = Duration::from_secs(3_660);
/// How long an idle connection to the engine is kept.
const IDLE: Duration = Duration::from_secs(30);
/// Headers that speak of one connection, not of the request.
const OF_THE_CONNECTION: [HeaderName; 8] = [
    HeaderName::from_static("keep-alive"),
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// Doors that are read by POST.
const READ_BY_POST: [&str; 2] =
    ["/api/v2.0/production-forecast/GetLatestMulti", "/api/v2.0/production-forecast/multi"];

/// Where a replica asks for what it does not know.
#[derive(Clone, Debug)]
pub struct Elsewhere {
    engine: Option<Authority>,
    client: Client<HttpConnector, Body>,
    wait: Duration,
}

impl Elsewhere {
    /// The engine at `http://HOST:PORT`, which may take `wait` for an answer to begin; or none.
    ///
    /// # Errors
    /// The rule that the address breaks.
    pub fn at(engine: Option<&str>, wait: Duration) -> Result<Elsewhere, &'static str> {
        let authority = |text: &str| {
            let uri = text.parse::<Uri>().ok()?;
            let is_plain = uri.scheme() == Some(&Scheme::HTTP) && matches!(uri.path(), "" | "/");
            uri.authority().filter(|_| is_plain && uri.query().is_none()).cloned()
        };
        let engine = engine.map(|text| authority(text).ok_or("http://HOST:PORT")).transpose()?;
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Elsewhere { engine, client, wait })
    }

    /// The answer of a replica: its own, or its engine's.
    pub(crate) async fn answer(
        &self,
        request: Request,
        next: Next,
        trace: &str,
        desk: &Desk,
    ) -> Response {
        let path = request.uri().path();
        if !desk.has_begun() && path.starts_with("/api/") && path != "/api/v2.0/status" {
            return Refusal::Busy {
                code: "NOT_READY",
                message: "the replica has not read an epoch yet".to_owned(),
            }
            .into_response();
        }
        if is_the_engines(request.method(), request.uri()) {
            let (parts, body) = request.into_parts();
            return self.pass_on(parts, body, trace).await;
        }
        // What its door finds it does not know goes on as it came.
        let (parts, body) = request.into_parts();
        let mut copy = parts.clone();
        let is_read = parts.method == Method::GET || parts.method == Method::HEAD;
        if is_read {
            // A body that nobody reads does not go on, nor what is said of it.
            copy.headers.remove(CONTENT_LENGTH);
            copy.headers.remove(CONTENT_ENCODING);
        }
        let body = if is_read {
            Bytes::new()
        } else {
            match self.whole(body, desk).await {
                Ok(body) => body,
                Err(refusal) => return refusal.into_response(),
            }
        };
        let response = next.run(Request::from_parts(parts, Body::from(body.clone()))).await;
        match response.extensions().get::<Refusal>() {
            Some(Refusal::AtTheEngine) => self.pass_on(copy, Body::from(body), trace).await,
            Some(Refusal::EpochNotRetained(_)) if self.engine.is_some() => {
                self.pass_on(copy, Body::from(body), trace).await
            }
            _ => response,
        }
    }

    async fn whole(&self, body: Body, desk: &Desk) -> Result<Bytes, Refusal> {
        let bound = desk.doors.rules.body_bytes;
        let read = Limited::new(body, bound).collect();
        match tokio::time::timeout(desk.doors.rules.body_wait, read).await {
            Err(_) => Err(Refusal::Broken("it took too long".to_owned())),
            Ok(Err(problem)) if problem.is::<http_body_util::LengthLimitError>() => {
                Err(Refusal::BodyTooLarge { bound })
            }
            Ok(Err(problem)) => Err(Refusal::Broken(problem.to_string())),
            Ok(Ok(body)) => Ok(body.to_bytes()),
        }
    }

    async fn pass_on(&self, parts: request::Parts, body: Body, trace: &str) -> Response {
        let Some(engine) = &self.engine else {
            return Refusal::Busy {
                code: "NO_ENGINE",
                message:
                    "this is a replica: it shows the newest values; changes and what was known \
                          when are the engine's, which is not configured here (replica.engine)"
                        .to_owned(),
            }
            .into_response();
        };
        let (method, uri) = (parts.method, parts.uri);
        let words = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let target = Uri::builder().scheme(Scheme::HTTP).authority(engine.clone());
        let Ok(target) = target.path_and_query(words).build() else {
            return Refusal::NotFound(format!("there is nothing at {words}")).into_response();
        };
        let mut headers = parts.headers;
        let_go(&mut headers);
        // The replica has judged both; to the engine the replica is the caller.
        headers.remove(ORIGIN);
        headers.remove(HOST);
        if let Ok(trace) = HeaderValue::from_str(trace) {
            headers.insert(X_TRACE_ID, trace);
        }
        let is_export = target.path().starts_with("/api/v2.0/export/");
        let mut request = Request::new(body);
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) =
            (method, target, headers);
        let wait = if is_export { EXPORT_WAIT } else { self.wait };
        match tokio::time::timeout(wait, self.client.request(request)).await {
            Ok(Ok(response)) => {
                let (mut parts, body) = response.into_parts();
                let_go(&mut parts.headers);
                Response::from_parts(parts, Body::new(body))
            }
            Ok(Err(problem)) => unreachable_engine(&problem.to_string()),
            Err(_) => {
                unreachable_engine("it gave no answer in time; what was asked may yet be done")
            }
        }
    }
}

fn unreachable_engine(problem: &str) -> Response {
    let message = format!("the engine cannot be reached: {problem}");
    Refusal::Busy { code: "ENGINE_UNREACHABLE", message }.into_response()
}

/// Whether a replica leaves the request to its engine without a look.
fn is_the_engines(method: &Method, uri: &Uri) -> bool {
    let is_read = method == Method::GET
        || method == Method::HEAD
        || (method == Method::POST && READ_BY_POST.contains(&uri.path()))
        || method == Method::OPTIONS;
    !is_read && uri.path().starts_with("/api/")
}

/// Lets headers go that speak of one connection: these alone. What a caller names in `Connection` stays, or it could
/// have its own token taken away on the way and be somebody else to the engine.
fn let_go(headers: &mut HeaderMap) {
    for name in &OF_THE_CONNECTION {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_the_engines() {
        let of = |method: Method, uri: &str| is_the_engines(&method, &uri.parse().unwrap());
        assert!(!of(Method::GET, "/api/v2.0/units"));
        assert!(!of(Method::POST, READ_BY_POST[0]));
        assert!(of(Method::POST, "/api/v2.0/locks"));
        assert!(of(Method::DELETE, "/api/v2.0/batches/1"));
        assert!(!of(Method::POST, "/assets/x"));
    }

    #[test]
    fn an_engine_has_a_plain_address() {
        let at = |text| Elsewhere::at(Some(text), CONNECT).map(|it| it.engine.unwrap().to_string());
        assert_eq!(at("http://127.0.0.1:80"), Ok("127.0.0.1:80".to_owned()));
        assert_eq!(at("http://engine:8080/"), Ok("engine:8080".to_owned()));
        for text in
            ["engine:8080", "https://engine", "http://engine/api", "http://", "", "http://a?b"]
        {
            assert!(at(text).is_err(), "{text}");
        }
    }
}
