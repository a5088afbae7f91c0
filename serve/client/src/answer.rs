//! What the server answers: the envelope taken apart, and the headers that matter.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ETAG, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::Error;

/// Characters of a body that is no envelope, kept as the message of a refusal.
const MESSAGE_CHARS: usize = 500;

/// The answer to a change, or to a read that is not kept.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The epoch at which the change is visible, or that the answer shows.
    pub epoch: Option<u64>,
    /// What the envelope holds; null where it holds nothing.
    pub data: Value,
    /// What the envelope adds: `epoch`, `sequence`, `recorded`.
    pub additional: Map<String, Value>,
}

/// The answer to a read.
#[derive(Clone, Debug)]
pub struct Read {
    /// The body, decoded.
    pub body: Bytes,
    /// The epoch it shows; one that was confirmed shows the epoch of the confirmation.
    pub epoch: Option<u64>,
    /// `X-SmartPulse-Known-At`: the instant used, where one was asked for.
    pub known_at: Option<String>,
    /// `X-Cache-Level`: where the server had it from.
    pub cache_level: Option<String>,
    /// `ETag`; equal tags are equal bytes.
    pub etag: Option<String>,
    /// Whether the server confirmed the copy kept here (304) and sent no body.
    pub is_revalidated: bool,
}

/// What the server refused, and why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the server refused: {status} {code} {message}")]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The code, such as `VALIDATION_ERROR`; empty where the body is no envelope.
    pub code: String,
    /// Its words.
    pub message: String,
    /// The id under which the server logged it.
    pub trace_id: Option<String>,
    /// The epoch when it was refused.
    pub epoch: Option<u64>,
    /// After how long to come again.
    pub retry_after: Option<Duration>,
    /// What else the envelope adds: fields, slots, bounds.
    pub additional: Map<String, Value>,
    /// What the envelope holds: of a save of which nothing was taken, why, slot by slot.
    pub data: Value,
}

/// An answer as it came, whole and decoded.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Envelope {
    message: String,
    additional_data: Map<String, Value>,
    data: Value,
}

impl Read {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value, Error> {
        serde_json::from_slice(&self.body).map_err(Error::unreadable)
    }

    /// What its envelope holds; null where it holds nothing.
    pub fn data(&self) -> Result<Value, Error> {
        let envelope: Envelope = serde_json::from_slice(&self.body).map_err(Error::unreadable)?;
        Ok(envelope.data)
    }

    pub(crate) fn from_raw(raw: Raw) -> Read {
        Read {
            epoch: raw.epoch(),
            known_at: raw.text("x-smartpulse-known-at"),
            cache_level: raw.text("x-cache-level"),
            etag: raw.text(ETAG.as_str()),
            is_revalidated: false,
            body: raw.body,
        }
    }
}

impl Raw {
    /// A header as text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    }

    pub(crate) fn epoch(&self) -> Option<u64> {
        self.text("x-smartpulse-epoch").and_then(|text| text.parse().ok())
    }

    /// An answer that is no refusal.
    pub(crate) fn answer(self) -> Result<Answer, Error> {
        let epoch = self.epoch();
        if self.body.is_empty() {
            return Ok(Answer { epoch, data: Value::Null, additional: Map::new() });
        }
        let envelope: Envelope = serde_json::from_slice(&self.body).map_err(Error::unreadable)?;
        let Envelope { additional_data: additional, data, .. } = envelope;
        let named = additional.get("epoch").and_then(Value::as_u64);
        Ok(Answer { epoch: named.or(epoch), data, additional })
    }

    /// The refusal it is.
    pub(crate) fn refusal(self) -> Refusal {
        let envelope = serde_json::from_slice(&self.body).unwrap_or_else(|_| Envelope {
            message: String::from_utf8_lossy(&self.body).chars().take(MESSAGE_CHARS).collect(),
            ..Envelope::default()
        });
        let Envelope { message, additional_data: additional, data } = envelope;
        let code = additional.get("code").and_then(Value::as_str).unwrap_or_default().to_owned();
        // A date, the other form, is not of this service.
        let seconds = self.text(RETRY_AFTER.as_str()).and_then(|text| text.trim().parse().ok());
        Refusal {
            status: self.status.as_u16(),
            code,
            message,
            trace_id: self.text("x-trace-id"),
            epoch: additional.get("epoch").and_then(Value::as_u64).or(self.epoch()),
            retry_after: seconds.map(Duration::from_secs),
            additional,
            data,
        }
    }
}
