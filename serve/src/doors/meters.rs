//! Figures of the doors and the engine in Prometheus' text form.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use foldhash::fast::FixedState;
use papaya::HashMap;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::desk::Desk;
use super::link_meters::LinkMeters;

/// Upper bounds of the latency histogram in seconds: a hit takes microseconds, a save a disk's sync.
const BUCKETS: [f64; 12] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];

/// Upper bounds of the age histogram in seconds: how long encoded answers go on being of use.
const AGES: [f64; 7] = [0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0];

/// The figures.
pub(crate) struct Meters {
    registry: Registry,
    requests: Family<Answered, Counter>,
    /// Handles of the figures of each route: what is counted at each request is found without making text.
    routes: HashMap<String, RouteMeters, FixedState>,
    blocks: Counter,
    encoded_hits: Counter,
    encoded_misses: Counter,
    encoded_ages: Histogram,
    encoded_bytes: Gauge,
    retained: Family<Held, Gauge>,
    streams: Family<Streaming, Gauge>,
    stream_bytes: Gauge,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    epoch: Gauge,
    clock: Gauge,
    ready: Gauge,
    journal_bytes: Gauge,
    history_lag: Gauge,
    batches: Gauge,
    series_days: Gauge,
    values: Family<Fate, Gauge>,
    positions: Family<Source, Gauge>,
    links: LinkMeters,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Held {
    what: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Streaming {
    what: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

/// The figures of a route.
struct RouteMeters {
    seconds: Histogram,
    /// By method and status.
    requests: HashMap<(&'static str, u16), Counter, FixedState>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fate {
    fate: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Source {
    source: String,
}

impl Default for Meters {
    fn default() -> Meters {
        let mut meters = Meters {
            registry: Registry::with_prefix("smartpulse"),
            requests: Family::default(),
            routes: HashMap::default(),
            blocks: Counter::default(),
            encoded_hits: Counter::default(),
            encoded_misses: Counter::default(),
            encoded_ages: Histogram::new(AGES),
            encoded_bytes: Gauge::default(),
            retained: Family::default(),
            streams: Family::default(),
            stream_bytes: Gauge::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            epoch: Gauge::default(),
            clock: Gauge::default(),
            ready: Gauge::default(),
            journal_bytes: Gauge::default(),
            history_lag: Gauge::default(),
            batches: Gauge::default(),
            series_days: Gauge::default(),
            values: Family::default(),
            positions: Family::default(),
            links: LinkMeters::default(),
        };
        let registry = &mut meters.registry;
        registry.register("http_requests", "Requests answered", meters.requests.clone());
        registry.register(
            "blocks_visited",
            "Blocks that reads looked at: days of series, and days of totals",
            meters.blocks.clone(),
        );
        registry.register(
            "encoded_hits",
            "Reads given from encoded answers",
            meters.encoded_hits.clone(),
        );
        registry.register(
            "encoded_misses",
            "Reads whose answer was made",
            meters.encoded_misses.clone(),
        );
        registry.register(
            "encoded_age_seconds",
            "Age of an encoded answer when it was given",
            meters.encoded_ages.clone(),
        );
        registry.register("encoded_bytes", "Encoded answers held", meters.encoded_bytes.clone());
        registry.register("retained", "Past epochs held", meters.retained.clone());
        registry.register("streams", "Streams, and what became of them", meters.streams.clone());
        registry.register(
            "stream_queued_bytes",
            "Encoded deltas that wait for followers",
            meters.stream_bytes.clone(),
        );
        registry.register("http_seconds", "Time to the answer", meters.seconds.clone());
        registry.register("epoch", "Newest closed epoch", meters.epoch.clone());
        registry.register("clock_seconds", "Clock of that epoch", meters.clock.clone());
        registry.register("ready", "1 when ready", meters.ready.clone());
        registry.register("journal_bytes", "Bytes of the journal", meters.journal_bytes.clone());
        registry.register(
            "history_lag_epochs",
            "Epochs that the history store is behind",
            meters.history_lag.clone(),
        );
        registry.register("batches", "Batches accepted", meters.batches.clone());
        registry.register("series_days", "Series days held", meters.series_days.clone());
        registry.register("values", "Values by what became of them", meters.values.clone());
        registry.register("source_position", "Position of a source", meters.positions.clone());
        meters.links.register(registry);
        meters
    }
}

impl Meters {
    /// A read looked at a block.
    pub(crate) fn visited_block(&self) {
        self.blocks.inc();
    }

    /// An encoded answer of that age was given.
    pub(crate) fn gave_encoded(&self, age: Duration) {
        self.encoded_hits.inc();
        self.encoded_ages.observe(age.as_secs_f64());
    }

    /// An answer was made and encoded.
    pub(crate) fn made_encoded(&self) {
        self.encoded_misses.inc();
    }

    /// Counts an answered request.
    pub(crate) fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let routes = self.routes.pin();
        let of_route = match routes.get(route) {
            Some(known) => known,
            None => routes.get_or_insert_with(route.to_owned(), || RouteMeters {
                seconds: self.seconds.get_or_create(&Route { route: route.to_owned() }).clone(),
                requests: HashMap::default(),
            }),
        };
        of_route.seconds.observe(took.as_secs_f64());
        let requests = of_route.requests.pin();
        let answered = || Answered { method: method.to_owned(), route: route.to_owned(), status };
        let counter = || self.requests.get_or_create(&answered()).clone();
        requests.get_or_insert_with((method, status), counter).inc();
    }

    /// Sets the figures of what is held for readers and followers.
    fn live(&self, desk: &Desk) {
        self.encoded_bytes.set(gauge(desk.fragments.bytes()));
        let (epochs, bytes, oldest) = desk.doors.read_model.retained();
        let held = [("epochs", epochs as u64), ("bytes", bytes as u64), ("oldest_epoch", oldest.0)];
        for (what, count) in held {
            self.retained.get_or_create(&Held { what }).set(gauge(count));
        }
        let streams = &desk.doors.streams;
        let (cohorts, queued) = streams.sizes();
        self.stream_bytes.set(gauge(queued));
        let counts = &streams.counts;
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let streaming = [
            ("open", count(&counts.open)),
            ("cohorts", cohorts as u64),
            ("deltas_encoded", count(&counts.encoded)),
            ("deltas_folded", count(&counts.folded)),
            ("left_behind", count(&counts.left_behind)),
            ("resyncs", count(&counts.resyncs)),
            ("dispatched_epoch", streams.dispatched().0),
        ];
        for (what, count) in streaming {
            self.streams.get_or_create(&Streaming { what }).set(gauge(count));
        }
    }

    /// All figures as text, the engine's as of the newest snapshot.
    pub(crate) fn text(&self, desk: &Desk) -> String {
        let snapshot = desk.doors.read_model.snapshot();
        let is_ready = desk.ready().is_ok();
        self.live(desk);
        let figures = &snapshot.figures;
        self.epoch.set(gauge(snapshot.epoch.0));
        self.clock.set(snapshot.clock.0.div_euclid(1_000_000));
        self.ready.set(is_ready.into());
        self.journal_bytes.set(gauge(figures.journal_bytes));
        self.history_lag.set(gauge(figures.history_lag_epochs));
        self.batches.set(gauge(figures.batches));
        self.series_days.set(gauge(snapshot.series_days() as u64));
        let values =
            [("saved", figures.saved), ("skipped", figures.skipped), ("refused", figures.refused)];
        for (fate, count) in values {
            self.values.get_or_create(&Fate { fate: fate.to_owned() }).set(gauge(count));
        }
        for (source, position) in &figures.sources {
            let source = Source { source: source.clone() };
            self.positions.get_or_create(&source).set(gauge(*position));
        }
        self.links.set(&desk.doors.attached, &snapshot);
        let mut page = String::new();
        // Writing into a string cannot fail.
        let _ = text::encode(&mut page, &self.registry);
        page
    }
}

pub(super) fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
