//! The REST doors: one pure function from what they need to a service.
//!
//! A request passes `exchange` (admission, trace id, envelope, encoding, log), then one door, which only
//! translates: words and bodies into domain values, snapshots and replies into answers. A refusal of any
//! door is a `refusal::Refusal`, which alone knows its status.

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, Uri};
use axum::middleware;
use axum::routing::{get, post};
use tokio::sync::{mpsc, watch};

use crate::attached::Attached;
use crate::clock_hold::ClockHold;
use crate::command::{Command, Lookup};
use crate::read_model::ReadModel;
use crate::stream::Streams;
use desk::Desk;
pub use elsewhere::Elsewhere;
pub use front::Front;
use refusal::Refusal;
pub use rules::DoorRules;
use smartpulse_operators::time::Instant;

mod answer;
mod asked;
mod axes;
mod batches;
mod body;
mod caller;
mod clock_text;
mod coding;
mod console;
mod curve_text;
mod desk;
mod elsewhere;
mod encoded;
mod exchange;
mod export;
mod fragments;
mod front;
mod history;
mod latest;
mod link_meters;
mod locks;
mod memberships;
pub mod message;
mod meters;
mod multi;
mod normalized;
mod path;
mod properties;
mod reading;
mod refusal;
mod resampled;
mod rows_now;
mod rules;
mod save;
mod save_answer;
mod save_body;
mod save_columns;
mod save_shape;
mod shaped_save;
mod statement;
mod status;
mod stream;
mod told;
mod totals;
pub(crate) mod units;
mod words;

#[cfg(test)]
mod tests;

/// What the doors stand on.
#[derive(Clone)]
pub struct Doors {
    /// Where answers come from.
    pub read_model: Arc<ReadModel>,
    /// Who decides and remembers.
    pub behind: Behind,
    /// Systems the service is attached to.
    pub attached: Vec<Arc<Attached>>,
    /// What the doors allow.
    pub rules: DoorRules,
    /// Who follows what. Its `dispatch` runs elsewhere.
    pub streams: Arc<Streams>,
    /// Becomes true when the doors close: streams end by it.
    pub closing: watch::Receiver<bool>,
    /// The wall clock: for batch and trace ids and for the age of a change, never for a decision.
    pub now: fn() -> Instant,
}

/// Who decides and remembers: the engine in this process, or one elsewhere.
#[derive(Clone)]
pub enum Behind {
    /// The engine in this process.
    Engine(EngineQueues),
    /// This is a replica.
    Elsewhere(Box<Elsewhere>),
}

/// How the engine in this process is spoken to.
#[derive(Clone)]
pub struct EngineQueues {
    /// Where changes go; bounded, a full queue is answered with 503.
    pub commands: mpsc::Sender<Command>,
    /// Where questions to the history store go; bounded likewise.
    pub lookups: mpsc::Sender<Lookup>,
    /// Whether the clock is held, and how it is released.
    pub hold: ClockHold,
}

/// All doors.
pub fn router(doors: Doors) -> Front {
    let desk = Arc::new(Desk::new(doors));
    let forecasts = "/api/v2.0/production-forecast/{provider}/{unitType}/{unitNo}/forecasts";
    let routes = Router::new()
        .route(forecasts, post(save::forecasts))
        .route(&format!("{forecasts}/latest"), get(latest::forecasts))
        .route(&format!("{forecasts}/history"), get(history::history))
        .route(&format!("{forecasts}/evolution"), get(history::evolution))
        .route(&format!("{forecasts}/latest-by-date"), get(latest::by_date))
        .route(&format!("{forecasts}/latest-by-production-time-offset"), get(latest::by_offset))
        .route("/api/v2.0/production-forecast/GetLatestMulti", post(multi::latest))
        .route("/api/v2.0/production-forecast/multi", post(multi::latest))
        .route("/api/v2.0/totals/{dimension}/{key}/{provider}", get(totals::show))
        .route("/api/v2.0/actuals/{unitType}/{unitNo}", get(latest::actuals).post(save::actuals))
        .route("/api/v2.0/batches/{id}", get(batches::show).delete(batches::withdraw))
        .route("/api/v2.0/units", get(units::list))
        .route("/api/v2.0/units/{unitType}/{unitNo}", get(units::show).put(units::put))
        .route(
            "/api/v2.0/units/{unitType}/{unitNo}/properties/{key}",
            get(properties::show).put(properties::put).delete(properties::delete),
        )
        .route(
            "/api/v2.0/memberships",
            get(memberships::list).put(memberships::put).delete(memberships::delete),
        )
        .route("/api/v2.0/locks", get(locks::list).post(locks::set))
        .route("/api/v2.0/locks/{id}", axum::routing::delete(locks::release))
        .route("/api/v2.0/export/{view}", get(export::export))
        .route("/api/v2.0/stream", get(stream::follow))
        .route("/api/v2.0/status", get(status::status))
        .route("/api/v2.0/clock/release", post(status::release_clock))
        .route("/health/live", get(status::live))
        .route("/health/ready", get(status::ready))
        .route("/metrics", get(status::metrics))
        .route("/", get(console::page))
        .route("/assets/{*file}", get(console::file))
        .route("/{file}", get(console::file))
        .fallback(no_such_door)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&desk), exchange::exchange))
        .with_state(Arc::clone(&desk));
    Front::new(desk, routes)
}

async fn no_such_door(uri: Uri) -> Refusal {
    Refusal::NotFound(format!("there is nothing at {}", uri.path()))
}

async fn no_such_method(method: Method) -> Refusal {
    Refusal::NoSuchMethod(method.to_string())
}
