//! What a door answers, before it is written: the envelope, the version of a read, and when a caller that
//! has it already hears so.

use std::sync::Arc;

use axum::http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::fmt::rfc2822;
use serde_json::{Map, Value, json};
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::time::Instant;

use super::coding::Coding;
use super::console::File;
use super::fragments::Fragment;
use crate::command::Reply;

mod written;

pub(crate) use written::{Written, X_TRACE_ID};

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
}

impl IntoResponse for Answer {
    /// Only carries itself: `exchange` writes it, with the trace id.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
