//! The export door: what it asks of the engine, and that it hands bytes through as they are.

use smartpulse_operators::time::Instant;
use tokio::sync::mpsc;

use super::engine::Stage;
use crate::export::{ExportRefusal, ExportRequest, ExportView, Exported};
use crate::snapshot::Snapshot;

/// The request in words, in two pieces; a provider named after a refusal is refused.
pub(super) fn answer(
    request: &ExportRequest,
    snapshot: &Snapshot,
) -> Result<Exported, ExportRefusal> {
    match request.provider.as_ref().map(|provider| provider.key()) {
        Some("TooMany") => return Err(ExportRefusal::TooMany(2)),
        Some("DiskFull") => return Err(ExportRefusal::DiskFull),
        Some("Failed") => return Err(ExportRefusal::Failed("no such file".to_owned())),
        _ => {}
    }
    let (sender, pieces) = mpsc::channel(2);
    for piece in [format!("{:?} ", snapshot.epoch), format!("{request:?}")] {
        sender.try_send(piece.into()).unwrap();
    }
    let valid_at = request.valid_at.unwrap_or(snapshot.clock);
    Ok(Exported { valid_at, known_at: request.known_at, pieces })
}

#[tokio::test]
async fn an_export_is_asked_for_in_the_words_of_the_door() {
    let stage = Stage::new().await;
    let path = "/api/v2.0/export/Totals?validAt=2026-03-01T00:00:00%2B03:00&known-at=2026-02-01&from=2026-01-01\
                &to=2026-01-02T00:00:00Z&period=30&provider=UserForecast&completeness=0.5&at_epoch=3";
    let heard = stage.get(path).await;
    assert_eq!(heard.status, 200, "{}", heard.text());
    assert_eq!(heard.header("content-type"), Some("application/octet-stream"));
    assert_eq!(heard.header("x-smartpulse-epoch"), Some("3"));
    assert_eq!(heard.header("x-smartpulse-valid-at"), Some("2026-02-28T21:00:00Z"));
    assert_eq!(heard.header("x-smartpulse-known-at"), Some("2026-02-01T00:00:00Z"));
    assert!(heard.header("x-trace-id").is_some());
    let asked = ExportRequest {
        view: ExportView::Totals,
        valid_at: Instant::parse("2026-02-28T21:00:00Z"),
        known_at: Instant::parse("2026-02-01T00:00:00Z"),
        from: Instant::parse("2026-01-01T00:00:00Z"),
        to: Instant::parse("2026-01-02T00:00:00Z"),
        period: smartpulse_operators::time::Period::new(30),
        provider: smartpulse_operators::series::Provider::parse("UserForecast"),
        completeness: 0.5,
    };
    assert_eq!(heard.text(), format!("Epoch(3) {asked:?}"));
}

#[tokio::test]
async fn what_cannot_be_exported_is_refused_by_name() {
    let stage = Stage::new().await;
    for (path, code, status) in [
        ("books", "VALIDATION_ERROR", 400),
        ("latest?zone=UTC", "VALIDATION_ERROR", 400),
        ("latest?period=day", "VALIDATION_ERROR", 400),
        ("latest?completeness=2", "VALIDATION_ERROR", 400),
        ("latest?from=2026-01-02&to=2026-01-01", "VALIDATION_ERROR", 400),
        ("latest?valid_at=soon", "VALIDATION_ERROR", 400),
        ("latest?at_epoch=x", "VALIDATION_ERROR", 400),
        ("latest?provider=TooMany", "EXPORTS_BUSY", 503),
        ("latest?provider=DiskFull", "DISK_FULL", 503),
        ("latest?provider=Failed", "EXPORT_FAILED", 503),
    ] {
        let heard = stage.get(&format!("/api/v2.0/export/{path}")).await;
        assert_eq!(heard.code(), (status, code.to_owned()), "{path}: {}", heard.text());
        assert_eq!(heard.header("retry-after").is_some(), status == 503, "{path}");
    }
}
