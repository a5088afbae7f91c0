//! The references of the doors: bare axum, with nothing behind it but what the comparison asks for.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::load::work::plant_file;
use crate::role::{self, Player, Role};

const JSON: [(axum::http::HeaderName, &str); 1] =
    [(CONTENT_TYPE, "application/json; charset=utf-8")];

/// What it serves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Bare {
    /// Bytes that are there before anybody asks, by plant.
    Prebuilt { bodies: PathBuf, plants: u64 },
    /// Saves: parses each body, appends it to a file in that folder and syncs it.
    Syncing { folder: PathBuf },
}

impl Bare {
    /// Starts it in a process of its own, and says where it listens.
    pub(crate) fn start(&self) -> Result<(Player, SocketAddr)> {
        let mut player = Player::start(Role::Bare, self)?;
        let address = player.hear()?;
        Ok((player, address))
    }
}

/// This process as a reference.
pub(crate) fn play() -> Result<()> {
    let bare: Bare = role::told()?.context("nothing to do")?;
    let router = match bare {
        Bare::Prebuilt { bodies, plants } => prebuilt(&bodies, plants)?,
        Bare::Syncing { folder } => syncing(&folder)?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))))?;
    let address = listener.local_addr()?;
    // As in the service: an answer goes out at once.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    runtime.spawn(async { axum::serve(listener, router).await });
    role::say(&address)?;
    role::told::<Value>()?;
    runtime.shutdown_background();
    Ok(())
}

fn prebuilt(bodies: &std::path::Path, plants: u64) -> Result<Router> {
    let body = |plant| anyhow::Ok(Bytes::from(fs::read(bodies.join(plant_file(plant)))?));
    let all: Vec<Bytes> = (1..=plants).map(body).collect::<Result<_>>()?;
    let path = "/api/v2.0/production-forecast/UserForecast/PP/{unitNo}/forecasts/latest";
    Ok(Router::new().route(path, get(one_of)).with_state(Arc::new(all)))
}

async fn one_of(State(all): State<Arc<Vec<Bytes>>>, Path(plant): Path<usize>) -> Response {
    match plant.checked_sub(1).and_then(|place| all.get(place)) {
        Some(body) => (JSON, body.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A save as far as a reader of JSON has to know it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<'b> {
    #[serde(borrow)]
    unit_forecast_list: Vec<Curve<'b>>,
}

#[derive(Deserialize)]
struct Curve<'b> {
    #[serde(borrow)]
    predictions: Vec<Prediction<'b>>,
}

#[derive(Deserialize)]
struct Prediction<'b> {
    #[serde(borrow)]
    ds: Cow<'b, str>,
    v: Option<f64>,
}

/// Where bodies go.
struct Kept {
    file: Mutex<File>,
    synced: File,
    values: AtomicU64,
}

fn syncing(folder: &std::path::Path) -> Result<Router> {
    let file = File::create(folder.join("bodies"))?;
    let (synced, values) = (file.try_clone()?, AtomicU64::new(0));
    let kept = Arc::new(Kept { file: Mutex::new(file), synced, values });
    let path = "/api/v2.0/production-forecast/UserForecast/PP/{unitNo}/forecasts";
    Ok(Router::new().route(path, post(keep)).route("/values", get(count)).with_state(kept))
}

/// Parses, appends, syncs, answers. Syncs of several requests may go side by side, as the disk lets them.
async fn keep(State(kept): State<Arc<Kept>>, body: Bytes) -> Response {
    let Ok(save) = serde_json::from_slice::<Body<'_>>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let all = save.unit_forecast_list.iter().flat_map(|curve| &curve.predictions);
    let values = all.filter(|it| it.v.is_some() && !it.ds.is_empty()).count() as u64;
    drop(save);
    let writing = tokio::task::spawn_blocking(move || {
        kept.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&body)?;
        kept.synced.sync_data()?;
        kept.values.fetch_add(values, Ordering::Relaxed);
        std::io::Result::Ok(())
    });
    match writing.await {
        Ok(Ok(())) => (JSON, format!(r#"{{"savedCount":{values}}}"#)).into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn count(State(kept): State<Arc<Kept>>) -> String {
    format!(r#"{{"values":{}}}"#, kept.values.load(Ordering::Relaxed))
}
