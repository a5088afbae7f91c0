//! Why a door gave no answer: one enum, one mapping to status, code and what the envelope adds.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::outcome::Outcome;
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::Unit;

use crate::command;
use crate::export::ExportRefusal;

/// Why a door gave no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The body is no JSON of the expected form.
    #[error("the body cannot be read: {message}")]
    Unreadable { message: String, line: usize, column: usize },
    /// The body did not arrive whole.
    #[error("the body did not arrive whole: {0}")]
    Broken(String),
    /// Fields or query words break a rule.
    #[error("Validation Error")]
    Invalid(Vec<FieldFault>),
    /// A header is missing or breaks a rule.
    #[error("{0}")]
    BadHeader(String),
    /// The token is missing, wrong, or not one.
    #[error("a bearer token is needed, and this is none that is accepted")]
    Unauthorized,
    /// The request came under a name or from a page that is not this machine's.
    #[error("{0}")]
    Foreign(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The door does not know the method.
    #[error("this door knows no {0}")]
    NoSuchMethod(String),
    /// The idempotency key was used for something else.
    #[error("this Idempotency-Key was used with another body")]
    KeyReused,
    /// Slots that are locked or closed refuse the withdrawal.
    #[error("the batch wins slots that are locked or closed; nothing was withdrawn")]
    WithdrawalRefused(Vec<(Unit, Instant, Outcome)>),
    /// The body, decoded or not, is over the bound.
    #[error("the decoded body is over the bound of {bound} bytes")]
    BodyTooLarge { bound: usize },
    /// More values than a save may hold.
    #[error("a save holds at most {bound} values, this one {given}")]
    TooManyValues { given: usize, bound: usize },
    /// A content type or encoding that no door reads.
    #[error("{0}")]
    MediaType(String),
    /// A local time that is no single instant.
    #[error("{field}: {text} is {} in that zone", if *.ambiguous { "ambiguous" } else { "nonexistent" })]
    LocalTime { field: String, text: String, ambiguous: bool },
    /// An epoch that is no longer kept.
    #[error("epoch {} is not retained any more; known_at reads what was known then", .0.0)]
    EpochNotRetained(Epoch),
    /// A read over the bound.
    #[error(
        "the read covers {given} units × slots; the bound read_bound is {bound}: `smartpulse export` reads any range"
    )]
    ReadTooLarge { given: u64, bound: u64 },
    /// A stream of more rows than one may begin with.
    #[error(
        "the stream begins with {given} rows; the bound stream_rows is {bound}: narrow it by its selectors"
    )]
    StreamTooLarge { given: u64, bound: u64 },
    /// A replica does not know it: its engine is asked.
    #[error("this is a replica: only its engine knows that")]
    AtTheEngine,
    /// Try again later.
    #[error("{message}")]
    Busy { code: &'static str, message: String },
}

/// A field or query word that breaks a rule.
#[derive(Clone, Debug)]
pub(crate) struct FieldFault {
    /// Its path, such as `unitForecastList[3].predictions[17].ds`.
    pub(crate) field: String,
    /// The rule.
    pub(crate) rule: String,
    /// The code of the rule, where it has one of its own.
    pub(crate) code: Option<&'static str>,
}

impl Refusal {
    /// One field that breaks a rule.
    pub(crate) fn field(field: impl Into<String>, rule: impl Into<String>) -> Refusal {
        Refusal::Invalid(vec![FieldFault { field: field.into(), rule: rule.into(), code: None }])
    }

    /// The same in an element of a list, whose place leads every field.
    pub(crate) fn within(self, place: &str) -> Refusal {
        match self {
            Refusal::Invalid(mut faults) => {
                faults
                    .iter_mut()
                    .for_each(|fault| fault.field = format!("{place}.{}", fault.field));
                Refusal::Invalid(faults)
            }
            Refusal::LocalTime { field, text, ambiguous } => {
                Refusal::LocalTime { field: format!("{place}.{field}"), text, ambiguous }
            }
            other => other,
        }
    }

    /// One field that breaks a rule with a code of its own.
    pub(crate) fn coded(
        code: &'static str,
        field: impl Into<String>,
        rule: impl Into<String>,
    ) -> Refusal {
        let fault = FieldFault { field: field.into(), rule: rule.into(), code: Some(code) };
        Refusal::Invalid(vec![fault])
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Refusal::Unreadable { .. }
            | Refusal::Broken(_)
            | Refusal::Invalid(_)
            | Refusal::BadHeader(_) => StatusCode::BAD_REQUEST,
            Refusal::Unauthorized => StatusCode::UNAUTHORIZED,
            Refusal::Foreign(_) => StatusCode::FORBIDDEN,
            Refusal::NotFound(_) => StatusCode::NOT_FOUND,
            Refusal::NoSuchMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::KeyReused | Refusal::WithdrawalRefused(_) => StatusCode::CONFLICT,
            Refusal::EpochNotRetained(_) => StatusCode::GONE,
            Refusal::BodyTooLarge { .. } | Refusal::TooManyValues { .. } => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Refusal::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::LocalTime { .. }
            | Refusal::ReadTooLarge { .. }
            | Refusal::StreamTooLarge { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::Busy { .. } | Refusal::AtTheEngine => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(crate) fn code(&self) -> &'static str {
        match self {
            Refusal::Unreadable { .. } => "UNREADABLE_BODY",
            Refusal::Broken(_) => "BROKEN_BODY",
            Refusal::Invalid(faults) => {
                faults.iter().find_map(|fault| fault.code).unwrap_or("VALIDATION_ERROR")
            }
            Refusal::BadHeader(_) => "BAD_HEADER",
            Refusal::Unauthorized => "UNAUTHORIZED",
            Refusal::Foreign(_) => "FORBIDDEN",
            Refusal::NotFound(_) => "NOT_FOUND",
            Refusal::NoSuchMethod(_) => "METHOD_NOT_ALLOWED",
            Refusal::KeyReused => "KEY_REUSED",
            Refusal::WithdrawalRefused(_) => "WITHDRAWAL_REFUSED",
            Refusal::BodyTooLarge { .. } => "BODY_TOO_LARGE",
            Refusal::TooManyValues { .. } => "TOO_MANY_VALUES",
            Refusal::MediaType(_) => "UNSUPPORTED_MEDIA_TYPE",
            Refusal::LocalTime { ambiguous: true, .. } => "AMBIGUOUS_LOCAL_TIME",
            Refusal::LocalTime { .. } => "NONEXISTENT_LOCAL_TIME",
            Refusal::EpochNotRetained(_) => "EPOCH_NOT_RETAINED",
            Refusal::ReadTooLarge { .. } => "READ_TOO_LARGE",
            Refusal::StreamTooLarge { .. } => "STREAM_TOO_LARGE",
            Refusal::AtTheEngine => "NO_ENGINE",
            Refusal::Busy { code, .. } => code,
        }
    }

    /// What the envelope's `additionalData` says of it.
    pub(crate) fn additional(&self) -> Map<String, Value> {
        let mut additional = Map::new();
        additional.insert("code".to_owned(), json!(self.code()));
        match self {
            Refusal::Unreadable { line, column, .. } => {
                additional.insert("line".to_owned(), json!(line));
                additional.insert("column".to_owned(), json!(column));
            }
            Refusal::Invalid(faults) => {
                let mut fields: Map<String, Value> = Map::new();
                for fault in faults {
                    let rules = fields.entry(fault.field.clone()).or_insert_with(|| json!([]));
                    if let Value::Array(rules) = rules {
                        rules.push(json!(fault.rule));
                    }
                }
                additional.insert("fields".to_owned(), Value::Object(fields));
            }
            Refusal::LocalTime { field, .. } => {
                additional.insert("fields".to_owned(), json!({ field: [self.to_string()] }));
            }
            Refusal::WithdrawalRefused(slots) => {
                let slot = |(unit, start, outcome): &(Unit, Instant, Outcome)| {
                    json!({
                        "unitType": unit.unit_type.word(),
                        "unitNo": unit.unit_no,
                        "ds": start.to_string(),
                        "code": outcome.code(),
                    })
                };
                let slots: Vec<Value> = slots.iter().map(slot).collect();
                additional.insert("slots".to_owned(), Value::Array(slots));
            }
            Refusal::ReadTooLarge { bound, .. } => {
                additional.insert("bound".to_owned(), json!("read_bound"));
                additional.insert("limit".to_owned(), json!(bound));
            }
            Refusal::StreamTooLarge { bound, .. } => {
                additional.insert("bound".to_owned(), json!("stream_rows"));
                additional.insert("limit".to_owned(), json!(bound));
            }
            Refusal::BodyTooLarge { bound } | Refusal::TooManyValues { bound, .. } => {
                additional.insert("limit".to_owned(), json!(bound));
            }
            _ => {}
        }
        additional
    }
}

impl From<command::Refusal> for Refusal {
    fn from(refusal: command::Refusal) -> Refusal {
        let message = refusal.to_string();
        let code = match refusal {
            command::Refusal::QueueFull => "QUEUE_FULL",
            command::Refusal::DiskFull => "DISK_FULL",
            command::Refusal::ClockHeld => "CLOCK_HELD",
            command::Refusal::NoChanges(_) => "NO_CHANGES",
            command::Refusal::KeyReused => return Refusal::KeyReused,
        };
        Refusal::Busy { code, message }
    }
}

impl From<ExportRefusal> for Refusal {
    fn from(refusal: ExportRefusal) -> Refusal {
        let message = refusal.to_string();
        let code = match refusal {
            ExportRefusal::TooMany(_) => "EXPORTS_BUSY",
            ExportRefusal::DiskFull => "DISK_FULL",
            ExportRefusal::Failed(_) => "EXPORT_FAILED",
        };
        Refusal::Busy { code, message }
    }
}

impl IntoResponse for Refusal {
    /// Only carries itself: `exchange` writes the envelope, with the trace id.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
