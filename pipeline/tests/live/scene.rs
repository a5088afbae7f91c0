//! A server on a folder of its own, plants with owners, and what REST shows of them.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use smartpulse_client::{BackOff, Client, Entry, Options, Prediction, Save, Saved, Unit};
use tempfile::TempDir;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::process::{REFILL, Server};

/// The provider of all forecasts here.
pub(crate) const PROVIDER: &str = "UserForecast";
/// The days of delivery: far ahead, so that no gate is closed.
pub(crate) const DAYS: u32 = 2;
pub(crate) const FROM: &str = "2099-06-01T00:00:00Z";
pub(crate) const TO: &str = "2099-06-03T00:00:00Z";
/// Far beyond what anything here takes: what hangs fails instead.
pub(crate) const HANG: Duration = Duration::from_secs(180);

/// The crowd needs the machine for itself.
static MACHINE: RwLock<()> = RwLock::const_new(());

/// A part of the machine.
pub(crate) async fn share_machine() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().await
}

/// All of it.
pub(crate) async fn own_machine() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().await
}

/// A server that may be killed and started again on its folder.
pub(crate) struct Scene {
    server: Option<Server>,
    room: TempDir,
    settings: Vec<(&'static str, String)>,
}

impl Scene {
    /// Starts a server with these settings, on a new folder.
    pub(crate) fn open(settings: &[(&'static str, String)]) -> Scene {
        let room = tempfile::tempdir().expect("room for a folder");
        let mut scene = Scene { server: None, room, settings: settings.to_vec() };
        scene.start();
        scene
    }

    /// Where it listens now.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server().address()
    }

    /// A client of the server that runs now.
    pub(crate) fn client(&self) -> Client {
        client(self.address(), |_| {})
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().expect("it runs")
    }

    /// Kills the server with everything in flight, and starts it again: elsewhere.
    pub(crate) fn kill_and_start(&mut self) {
        let ended = self.server.take().expect("it runs").kill();
        assert_eq!(ended.code, None, "{ended:?}");
        self.start();
    }

    /// Stops the server as it should be stopped, with whoever is connected, and starts it again: elsewhere.
    pub(crate) fn stop_and_start(&mut self) {
        self.server.take().expect("it runs").stop().succeeded();
        self.start();
    }

    /// Ends the server as it should end.
    pub(crate) fn close(mut self) {
        self.server.take().expect("it runs").stop().succeeded();
    }

    fn start(&mut self) {
        let configure = |command: &mut Command| {
            // A start fills the ring again, as it does for everybody; requests are not logged one by one.
            command.env_remove(REFILL);
            command.env("SMARTPULSE_LOG", "warn");
            command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        };
        self.server = Some(Server::start_with(&self.room.path().join("data"), configure));
    }
}

/// A client of `address` that is patient with a server that is being started again.
pub(crate) fn client(address: SocketAddr, tell: impl FnOnce(&mut Options)) -> Client {
    let back_off = BackOff {
        first: Duration::from_millis(5),
        longest: Duration::from_millis(50),
        tries: 2_000,
    };
    let mut options = Options { back_off, ..Options::default() };
    tell(&mut options);
    Client::with_options(&format!("http://{address}"), options).expect("an address is a base")
}

/// Makes units known, such as `PP/1`.
pub(crate) async fn make_units(client: &Client, units: impl IntoIterator<Item = String>) {
    for unit in units {
        let body = json!({ "name": format!("unit {unit}") });
        client.put(&format!("/api/v2.0/units/{unit}"), &body).await.expect("a unit");
    }
}

/// A membership from the hour `from` of the first day on, up to `to`; without one always.
pub(crate) fn membership(
    (parent, parent_no): (&str, u64),
    (child, child_no): (&str, u64),
    from: Option<u32>,
    to: Option<u32>,
) -> Value {
    let mut body = json!({
        "parentType": parent, "parentNo": parent_no, "childType": child, "childNo": child_no,
    });
    for (name, hour) in [("validFrom", from), ("validTo", to)] {
        if let Some(hour) = hour {
            body[name] = json!(start(60, hour));
        }
    }
    body
}

/// The start of slot `slot` of `period` minutes, counted from the first day on.
pub(crate) fn start(period: u32, slot: u32) -> String {
    let minute = period * slot;
    let (day, minute) = (1 + minute / 1_440, minute % 1_440);
    format!("2099-06-{day:02}T{:02}:{:02}:00Z", minute / 60, minute % 60)
}

/// Saves values in hundredths of a MW, or nulls, by slot; nothing of it is refused.
pub(crate) async fn save(
    client: &Client,
    plant: u64,
    period: u32,
    slots: impl IntoIterator<Item = (u32, Option<i32>)>,
) -> Saved {
    let saved = client.save(&forecasts(plant, period, slots)).await.expect("a save");
    assert!(!saved.is_refused(), "{saved:?}");
    saved
}

/// A save of values in hundredths of a MW.
pub(crate) fn forecasts(
    plant: u64,
    period: u32,
    slots: impl IntoIterator<Item = (u32, Option<i32>)>,
) -> Save {
    let value = |value: i32| f64::from(value) / 100.0;
    let prediction =
        |(slot, v): (u32, Option<i32>)| Prediction::new(start(period, slot), v.map(value));
    let predictions: Vec<Prediction> = slots.into_iter().map(prediction).collect();
    let period = u16::try_from(period).expect("a period is short");
    Save::forecasts(Unit::plant(plant), PROVIDER, vec![Entry::new(period, predictions)])
}

/// A number of JSON as hundredths of a kW, which is exact.
pub(crate) fn hundredths(v: &Value) -> i64 {
    (v.as_f64().expect("a number") * 100_000.0).round() as i64
}
