//! How answers and refusals are written: status, headers, body.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, LAST_MODIFIED,
    REFERRER_POLICY, RETRY_AFTER, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;
use jiff::fmt::rfc2822;
use serde_json::{Map, Value, json};
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::time::Instant;

use super::{Answer, Conditions, Content, Level, entity_tag};
use crate::doors::console::File;
use crate::doors::refusal::Refusal;

/// The trace id of a request.
pub(crate) const X_TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");
const X_CACHE_LEVEL: HeaderName = HeaderName::from_static("x-cache-level");
const X_EPOCH: HeaderName = HeaderName::from_static("x-smartpulse-epoch");
const X_KNOWN_AT: HeaderName = HeaderName::from_static("x-smartpulse-known-at");
/// Headers of an answer, so that their map is made once; what it is served with adds a few.
const HEADERS: usize = 12;

/// A body as it was written.
#[derive(Debug)]
pub(crate) enum Written {
    /// Not coded yet.
    Plain(Vec<u8>),
    /// As it is sent.
    Coded(Bytes),
}

impl Answer {
    /// Headers and plain body.
    pub(crate) fn write(
        self,
        conditions: &Conditions,
        trace: &str,
        newest: Epoch,
    ) -> (StatusCode, HeaderMap, Written) {
        let mut headers = HeaderMap::with_capacity(HEADERS);
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        if let Some(version) = &self.version {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
            let level = match self.level {
                Level::Snapshot => "snapshot",
                Level::Encoded => "encoded",
                Level::Database => "database",
            };
            headers.insert(X_CACHE_LEVEL, HeaderValue::from_static(level));
            insert(&mut headers, ETAG, &entity_tag(version, conditions.coding));
            let printer = rfc2822::DateTimePrinter::new();
            let date = |at: Instant| printer.timestamp_to_rfc9110_string(&at.timestamp()).ok();
            if let Some(date) = version.modified.and_then(date) {
                insert(&mut headers, LAST_MODIFIED, &date);
            }
        } else {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        let epoch = self.epoch.unwrap_or(newest);
        headers.insert(X_EPOCH, HeaderValue::from(epoch.0));
        if let Some(known_at) = self.known_at {
            insert(&mut headers, X_KNOWN_AT, &known_at.to_string());
        }
        insert(&mut headers, X_TRACE_ID, trace);
        let (content_type, body) = match self.content {
            Content::Nothing => return (self.status, headers, Written::Plain(Vec::new())),
            Content::Encoded(fragment) => {
                let (body, coding) = fragment.body(conditions.coding);
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
                if let Some(coding) = coding {
                    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.word()));
                }
                return (self.status, headers, Written::Coded(body));
            }
            Content::Page { content_type, text } => (content_type, text.into_bytes()),
            Content::File(file) => {
                file.write(&mut headers);
                (file.content_type, file.bytes.to_vec())
            }
            Content::Read(data) => {
                (JSON, envelope(self.status, "OK", None, &Map::new(), Some(&data)))
            }
            Content::Change { message, data, mut additional } => {
                additional.entry("epoch").or_insert_with(|| json!(epoch.0));
                (JSON, envelope(self.status, &message, Some(trace), &additional, Some(&data)))
            }
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        (self.status, headers, Written::Plain(body))
    }
}

impl File {
    /// Headers of a file: one whose name changes with its content is never asked for again.
    fn write(&self, headers: &mut HeaderMap) {
        let kept = "public, max-age=31536000, immutable";
        let cached = if self.is_named_by_content { kept } else { "no-cache" };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(cached));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(self.policy));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
}

impl Refusal {
    /// Headers and plain body.
    pub(crate) fn write(&self, trace: &str, newest: Epoch) -> (StatusCode, HeaderMap, Written) {
        let mut headers = HeaderMap::new();
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(X_EPOCH, HeaderValue::from(newest.0));
        insert(&mut headers, X_TRACE_ID, trace);
        match self {
            Refusal::Busy { .. } => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Refusal::Unauthorized => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                // By this one a browser asks its user: the password is the token.
                let basic = "Basic realm=\"SmartPulse\", charset=\"UTF-8\"";
                headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(basic));
            }
            _ => {}
        }
        let mut additional = self.additional();
        additional.insert("epoch".to_owned(), json!(newest.0));
        let body = envelope(self.status(), &self.to_string(), Some(trace), &additional, None);
        (self.status(), headers, Written::Plain(body))
    }
}

const JSON: &str = "application/json; charset=utf-8";

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The legacy envelope around `data`, which is JSON already; what is absent is left out.
fn envelope(
    status: StatusCode,
    message: &str,
    trace: Option<&str>,
    additional: &Map<String, Value>,
    data: Option<&str>,
) -> Vec<u8> {
    let (code, is_error) = (status.as_u16(), !status.is_success());
    let message = Value::from(message);
    let mut text = format!(r#"{{"statusCode":{code},"isError":{is_error},"message":{message}"#);
    text.reserve(data.map_or(0, str::len) + 64);
    if let Some(trace) = trace {
        text.push_str(&format!(r#","traceId":{}"#, Value::from(trace)));
    }
    if !additional.is_empty() {
        text.push_str(r#","additionalData":"#);
        text.push_str(&Value::Object(additional.clone()).to_string());
    }
    if let Some(data) = data {
        text.push_str(r#","data":"#);
        text.push_str(data);
    }
    text.push('}');
    text.into_bytes()
}
