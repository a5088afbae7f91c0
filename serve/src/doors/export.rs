//! `GET /api/v2.0/export/{view}`: a view at one epoch as files, packed into one body.
//!
//! The files are written before the first byte is sent, so whatever fails is a refusal with its status; a
//! body that ends without its last frame was cut off.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Uri};
use axum::response::Response;
use http_body::Frame;
use smartpulse_operators::time::{Instant, Period, Zone};
use tokio::sync::mpsc;

use super::desk::Desk;
use super::path::{ViewPath, provider};
use super::reading::completeness;
use super::refusal::Refusal;
use super::words::Words;
use crate::export::{ExportRequest, ExportView, Exported};

const EXPORT_WORDS: [&str; 9] = [
    "valid_at",
    "known_at",
    "from",
    "to",
    "period",
    "provider",
    "completeness",
    "at_epoch",
    "min_epoch",
];

/// `GET`
pub(crate) async fn export(
    State(desk): State<Arc<Desk>>,
    ViewPath(view): ViewPath,
    uri: Uri,
) -> Result<Response, Refusal> {
    let words = Words::read(&uri, &EXPORT_WORDS)?;
    let request = request(view, &words)?;
    let snapshot = desk.snapshot_for(&words).await?;
    let epoch = snapshot.epoch;
    let Exported { valid_at, known_at, pieces } = desk.export(request, snapshot).await?;
    let mut response = Response::new(Body::new(Pieces(pieces)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-smartpulse-epoch", HeaderValue::from(epoch.0));
    let instants = [("x-smartpulse-valid-at", Some(valid_at)), ("x-smartpulse-known-at", known_at)];
    for (name, instant) in instants {
        // The text of an instant is plain; without one there is no header.
        let text = instant.and_then(|at: Instant| HeaderValue::from_str(&at.to_string()).ok());
        if let Some(text) = text {
            headers.insert(name, text);
        }
    }
    Ok(response)
}

fn request(view: ExportView, words: &Words) -> Result<ExportRequest, Refusal> {
    // What is exported is of many units: without an offset, times are UTC.
    let zone = Zone::utc();
    let period = |text: &str| {
        let period = text.parse().ok().and_then(Period::new);
        period.ok_or_else(|| Refusal::field("period", "must be minutes that divide a day"))
    };
    let request = ExportRequest {
        view,
        valid_at: words.time("valid_at", &zone)?,
        known_at: words.time("known_at", &zone)?,
        from: words.time("from", &zone)?,
        to: words.time("to", &zone)?,
        period: words.get("period").map(period).transpose()?,
        provider: words.get("provider").map(|key| provider("provider", key)).transpose()?,
        completeness: words.get("completeness").map_or(Ok(0.0), completeness)?,
    };
    if let (Some(from), Some(to)) = (request.from, request.to)
        && from > to
    {
        return Err(Refusal::field("from", "must not be after `to`"));
    }
    Ok(request)
}

/// A body of pieces as they come. It is dropped when the caller goes away, which their sender notices.
struct Pieces(mpsc::Receiver<Bytes>);

impl axum::body::HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}
