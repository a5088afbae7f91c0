//! What every request passes: admission, trace id, envelope, content coding, metrics, the log.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{ALLOW, CONTENT_ENCODING};
use axum::http::{self, HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::Behind;
use super::answer::{Answer, Conditions, Written, X_TRACE_ID};
use super::caller::Caller;
use super::desk::Desk;
use super::refusal::Refusal;

/// Shorter bodies are sent as they are: coding saves no packet.
const LEAST_CODED_BYTES: usize = 1_024;
/// The trace of a caller's own system (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Longest trace id taken from a caller: it goes into every log line.
const TRACE_CHARS: usize = 64;

/// What a door knows of the request beyond its words and body.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Who asks.
    pub(crate) caller: Caller,
    /// What copy they hold, and which coding they take.
    pub(crate) conditions: Conditions,
    /// The route that matched.
    pub(crate) route: Option<MatchedPath>,
}

/// A request under way.
struct Begun {
    started: tokio::time::Instant,
    trace: String,
    method: &'static str,
    conditions: Conditions,
}

/// The answer to a read that was asked before in the same words, by somebody who may ask.
pub(crate) fn again<B>(request: &http::Request<B>, desk: &Desk) -> Option<Response> {
    let uri = Some(request.uri()).filter(|_| request.method() == Method::GET)?;
    let asked = desk.asked.find(uri)?;
    let caller = Caller::admit(request.headers(), uri, &desk.doors.rules).ok()?;
    let begun = Begun::with(request, desk);
    let answer = asked.answer(desk, &begun.conditions)?;
    let answer = answer.write(&begun.conditions, &begun.trace, desk.newest_epoch());
    let response = written(answer, &begun.conditions, true);
    Some(begun.end(asked.route(), caller.identity, response, desk))
}

/// Runs one request.
pub(crate) async fn exchange(
    State(desk): State<Arc<Desk>>,
    mut request: Request,
    next: Next,
) -> Response {
    let begun = Begun::with(&request, &desk);
    let route = request.extensions().get::<MatchedPath>().cloned();
    let admitted = Caller::admit(request.headers(), request.uri(), &desk.doors.rules);
    let identity = admitted.as_ref().map_or("none", |caller| caller.identity);
    let Begun { conditions, trace, .. } = &begun;
    let response = match admitted {
        Ok(caller) => {
            let call = Call { caller, conditions: conditions.clone(), route: route.clone() };
            request.extensions_mut().insert(call);
            let response = match &desk.doors.behind {
                Behind::Engine(_) => next.run(request).await,
                Behind::Elsewhere(elsewhere) => elsewhere.answer(request, next, trace, &desk).await,
            };
            finish(response, conditions, trace, &desk)
        }
        Err(refusal) => written(refusal.write(trace, desk.newest_epoch()), conditions, false),
    };
    begun.end(route.as_ref(), identity, response, &desk)
}

impl Begun {
    fn with<B>(request: &http::Request<B>, desk: &Desk) -> Begun {
        let headers = request.headers();
        Begun {
            started: tokio::time::Instant::now(),
            trace: trace_id(headers).unwrap_or_else(|| desk.fresh_id().to_string()),
            method: known_method(request.method()),
            conditions: Conditions::read(headers),
        }
    }

    /// Counts and logs the answer.
    fn end(
        self,
        route: Option<&MatchedPath>,
        identity: &str,
        response: Response,
        desk: &Desk,
    ) -> Response {
        let Begun { started, trace, method, .. } = self;
        let route = route.map_or("unmatched", MatchedPath::as_str);
        let took = started.elapsed();
        let status = response.status().as_u16();
        desk.meters.answered(method, route, status, took);
        let ms = took.as_micros() as f64 / 1_000.0;
        // Reads that went well are counted; a line for each would be most of the log and a good part of the
        // work.
        if method == "GET" && status < 400 {
            tracing::debug!(method, route, status, ms, trace, identity, "request");
        } else {
            tracing::info!(method, route, status, ms, trace, identity, "request");
        }
        response
    }
}

/// Writes what the door left in the response.
fn finish(mut response: Response, conditions: &Conditions, trace: &str, desk: &Desk) -> Response {
    let newest = desk.newest_epoch();
    if let Some(answer) = response.extensions_mut().remove::<Answer>() {
        // The tag of a versioned read names its coding, so its coding may not depend on its length.
        let is_versioned = answer.is_versioned();
        return written(answer.write(conditions, trace, newest), conditions, is_versioned);
    }
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        let mut answer = written(refusal.write(trace, newest), conditions, false);
        if let Some(allow) = response.headers_mut().remove(ALLOW) {
            answer.headers_mut().insert(ALLOW, allow);
        }
        return answer;
    }
    // A body that is streamed is what its door made it.
    if let Ok(trace) = HeaderValue::from_str(trace) {
        response.headers_mut().insert(X_TRACE_ID, trace);
    }
    response
}

fn written(
    (status, mut headers, written): (StatusCode, HeaderMap, Written),
    conditions: &Conditions,
    always_coded: bool,
) -> Response {
    let mut body = match written {
        Written::Plain(body) => body,
        Written::Coded(body) => return response(status, headers, Body::from(body)),
    };
    let worth_it = always_coded || body.len() >= LEAST_CODED_BYTES;
    if let Some(coding) = conditions.coding.filter(|_| worth_it && !body.is_empty()) {
        // Coding into memory does not fail; if it did, the plain body is as good.
        if let Ok(coded) = coding.encode(&body) {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.word()));
            body = coded;
        }
    }
    let body = if status == StatusCode::NOT_MODIFIED {
        // A length of zero would be a statement on the copy the caller holds; a stream has none.
        Body::from_stream(Body::empty().into_data_stream())
    } else {
        Body::from(body)
    };
    response(status, headers, body)
}

fn response(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The caller's own trace id: `X-Trace-Id`, else that of `traceparent`.
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let plain = |id: &&str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=TRACE_CHARS).contains(&id.len()) && id.bytes().all(fits)
    };
    let parent = || {
        let id = text(TRACEPARENT)?.split('-').nth(1)?;
        let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_id && id.bytes().any(|byte| byte != b'0')).then_some(id)
    };
    text(X_TRACE_ID).filter(plain).or_else(parent).map(str::to_owned)
}

/// The method as a label: callers may invent methods, and each would be a series of its own.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}
