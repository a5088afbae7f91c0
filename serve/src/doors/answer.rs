//! What a door answers, before it is written: the envelope, the version of a read, and when a caller that
//! has it already hears so.

use std::sync::Arc;

use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, REFERRER_POLICY, RETRY_AFTER, VARY,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::fmt::rfc2822;
use serde_json::{Map, Value, json};
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::time::Instant;

use super::coding::Coding;
use super::console::File;
use super::fragments::Fragment;
use super::refusal::Refusal;
use crate::command::Reply;

/// What a door answers.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The epoch it shows, where it is not the newest.
    pub(crate) epoch: Option<Epoch>,
    content: Content,
    version: Option<Version>,
    /// What was known when, where that was asked for.
    known_at: Option<Instant>,
    level: Level,
}

/// Where an answer comes from: what `X-Cache-Level` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Made from the snapshot.
    Snapshot,
    /// Made earlier from the same versions.
    Encoded,
    /// From the history store.
    Database,
}

#[derive(Clone, Debug)]
enum Content {
    /// A successful read: `data` as JSON text.
    Read(String),
    /// A successful read that is kept encoded.
    Encoded(Arc<Fragment>),
    /// A change, done or refused slot by slot.
    Change { message: String, data: String, additional: Map<String, Value> },
    /// Something without an envelope.
    Page { content_type: &'static str, text: String },
    /// A file of the console.
    File(File),
    /// The caller has it already.
    Nothing,
}

/// What tells two answers to one request apart.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// Equal tags: equal bytes.
    pub(crate) tag: blake3::Hash,
    /// When it last changed, once that is long enough ago.
    pub(crate) modified: Option<Instant>,
}

/// What a request says of the copy it holds and of the bytes it takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    /// The coding of the answer.
    pub(crate) coding: Option<Coding>,
    none_match: Option<String>,
    modified_since: Option<Instant>,
}

impl Conditions {
    pub(crate) fn read(headers: &HeaderMap) -> Conditions {
        let tags: Vec<&str> =
            headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).collect();
        let since = headers.get(IF_MODIFIED_SINCE).and_then(|value| value.to_str().ok());
        let parser = rfc2822::DateTimeParser::new();
        Conditions {
            coding: Coding::accepted(headers),
            none_match: (!tags.is_empty()).then(|| tags.join(",")),
            modified_since: since
                .and_then(|text| parser.parse_timestamp(text).ok())
                .map(Instant::from),
        }
    }

    /// Whether the copy the caller holds is this version. `If-None-Match` decides where present.
    fn holds(&self, version: &Version) -> bool {
        if let Some(tags) = &self.none_match {
            let own = entity_tag(version, self.coding);
            let same = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == own;
            return tags.split(',').map(str::trim).any(same);
        }
        let (Some(since), Some(modified)) = (self.modified_since, version.modified) else {
            return false;
        };
        modified.0.div_euclid(1_000_000) <= since.0.div_euclid(1_000_000)
    }
}

fn entity_tag(version: &Version, coding: Option<Coding>) -> String {
    let tag = version.tag.to_hex();
    // 128 bits: nobody forges an answer of their own to fit.
    format!("\"{}-{}\"", &tag[..32], coding.map_or("plain", Coding::word))
}

impl Answer {
    /// A read of known version: `data` is only written where the caller has not got it already.
    pub(crate) fn versioned(
        conditions: &Conditions,
        epoch: Epoch,
        version: Version,
        data: impl FnOnce() -> String,
    ) -> Answer {
        let (status, content) = if conditions.holds(&version) {
            (StatusCode::NOT_MODIFIED, Content::Nothing)
        } else {
            (StatusCode::OK, Content::Read(data()))
        };
        Answer {
            status,
            epoch: Some(epoch),
            content,
            version: Some(version),
            known_at: None,
            level: Level::Snapshot,
        }
    }

    /// A read that is kept encoded.
    pub(crate) fn encoded(
        conditions: &Conditions,
        epoch: Epoch,
        fragment: Arc<Fragment>,
        modified: Option<Instant>,
    ) -> Answer {
        let version = Version { tag: fragment.tag, modified };
        let mut answer = Answer::versioned(conditions, epoch, version, String::new);
        if answer.status == StatusCode::OK {
            answer.content = Content::Encoded(fragment);
        }
        answer
    }

    /// A read of `elements`, whose version is their text.
    pub(crate) fn told(conditions: &Conditions, epoch: Epoch, elements: &[String]) -> Answer {
        let text = format!("[{}]", elements.join(","));
        let version = Version { tag: blake3::hash(text.as_bytes()), modified: None };
        Answer::versioned(conditions, epoch, version, || text)
    }

    /// A read whose version is its own text.
    pub(crate) fn read(conditions: &Conditions, epoch: Epoch, data: &Value) -> Answer {
        let text = data.to_string();
        let version = Version { tag: blake3::hash(text.as_bytes()), modified: None };
        Answer::versioned(conditions, epoch, version, || text)
    }

    /// A read of what changes all the time: no version.
    pub(crate) fn current(epoch: Epoch, data: &Value) -> Answer {
        let content = Content::Read(data.to_string());
        Answer {
            status: StatusCode::OK,
            epoch: Some(epoch),
            content,
            version: None,
            known_at: None,
            level: Level::Snapshot,
        }
    }

    /// A change that was taken in whole.
    pub(crate) fn done(reply: &Reply, data: &Value) -> Answer {
        let additional = json!({
            "epoch": reply.epoch.0,
            "recorded": reply.recorded.to_string(),
        });
        Answer::change(StatusCode::OK, "OK", data.to_string(), additional).at(reply.epoch)
    }

    /// A change that was decided: `data` and `additional` say what became of it.
    pub(crate) fn change(
        status: StatusCode,
        message: &str,
        data: String,
        additional: Value,
    ) -> Answer {
        let additional = match additional {
            Value::Object(additional) => additional,
            _ => Map::new(),
        };
        let content = Content::Change { message: message.to_owned(), data, additional };
        Answer {
            status,
            epoch: None,
            content,
            version: None,
            known_at: None,
            level: Level::Snapshot,
        }
    }

    /// Something without an envelope.
    pub(crate) fn page(status: StatusCode, content_type: &'static str, text: String) -> Answer {
        let content = Content::Page { content_type, text };
        Answer {
            status,
            epoch: None,
            content,
            version: None,
            known_at: None,
            level: Level::Snapshot,
        }
    }

    /// A file of the console.
    pub(crate) fn file(file: File) -> Answer {
        let mut answer = Answer::page(StatusCode::OK, file.content_type, String::new());
        answer.content = Content::File(file);
        answer
    }

    /// The same, showing `epoch`.
    pub(crate) fn at(self, epoch: Epoch) -> Answer {
        Answer { epoch: Some(epoch), ..self }
    }

    /// The same, as known at an instant.
    pub(crate) fn with_known_at(self, known_at: Option<Instant>) -> Answer {
        Answer { known_at, ..self }
    }

    /// The same, from that level.
    pub(crate) fn of_level(self, level: Level) -> Answer {
        Answer { level, ..self }
    }

    /// Whether it carries a tag.
    pub(crate) fn is_versioned(&self) -> bool {
        self.version.is_some()
    }

    /// Headers and plain body.
    pub(crate) fn write(
        self,
        conditions: &Conditions,
        trace: &str,
        newest: Epoch,
    ) -> (StatusCode, HeaderMap, Written) {
        let mut headers = HeaderMap::new();
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        if let Some(version) = &self.version {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
            let level = match self.level {
                Level::Snapshot => "snapshot",
                Level::Encoded => "encoded",
                Level::Database => "database",
            };
            headers.insert("x-cache-level", HeaderValue::from_static(level));
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
        insert(&mut headers, "x-smartpulse-epoch", &epoch.0.to_string());
        if let Some(known_at) = self.known_at {
            insert(&mut headers, "x-smartpulse-known-at", &known_at.to_string());
        }
        insert(&mut headers, "x-trace-id", trace);
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

/// A body as it was written.
#[derive(Debug)]
pub(crate) enum Written {
    /// Not coded yet.
    Plain(Vec<u8>),
    /// As it is sent.
    Coded(Bytes),
}

impl Refusal {
    /// Headers and plain body.
    pub(crate) fn write(&self, trace: &str, newest: Epoch) -> (StatusCode, HeaderMap, Written) {
        let mut headers = HeaderMap::new();
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        insert(&mut headers, "x-smartpulse-epoch", &newest.0.to_string());
        insert(&mut headers, "x-trace-id", trace);
        match self {
            Refusal::Busy { .. } => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Refusal::Unauthorized => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
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

fn insert(headers: &mut HeaderMap, name: impl axum::http::header::IntoHeaderName, value: &str) {
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

impl IntoResponse for Answer {
    /// Only carries itself: `exchange` writes it, with the trace id.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
