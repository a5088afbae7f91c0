//! `GET /api/v2.0/stream`: several views as server-sent events, from a snapshot or from where a caller was.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::Response;
use http_body::Frame;
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::quantity::Measure;
use smartpulse_operators::series::{Kind, Provider};
use smartpulse_operators::time::{CivilTime, Instant, Period, Zone};
use smartpulse_operators::total::Total;
use smartpulse_operators::unit::{Unit, UnitType};
use uuid::Uuid;

use super::desk::Desk;
use super::path;
use super::reading::completeness;
use super::refusal::Refusal;
use super::words::Words;
use crate::snapshot::Snapshot;
use crate::stream::follower::{Beginning, Follower};
use crate::stream::picture::most_rows;
use crate::stream::selection::{Selection, View};
use crate::window::{Window, zone_of};

const WORDS: [&str; 7] =
    ["from", "to", "period", "measure-unit", "completeness", "lastEventId", "min_epoch"];
const SELECTORS: [&str; 7] = ["view", "provider", "unitType", "unitNo", "dimension", "key", "kind"];
/// Values that all selectors of a stream may have together: it is looked up under each of them.
const MAX_SELECTORS: usize = 1_000;

/// `GET`
pub(crate) async fn follow(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Refusal> {
    let words = Words::read_lists(&uri, &WORDS, &SELECTORS)?;
    let snapshot = desk.snapshot(words.min_epoch()?).await?;
    let selection = selection(&words, &snapshot)?;
    let beginning = beginning(&desk, &headers, &words, snapshot.epoch)?;
    if let Beginning::Snapshot(_) = beginning {
        let (given, bound) = (most_rows(&selection, &snapshot), desk.doors.rules.stream_rows);
        if given > bound {
            return Err(Refusal::StreamTooLarge { given, bound });
        }
    }
    let streams = &desk.doors.streams;
    let bound = desk.doors.rules.streams;
    let place = streams.join(selection, bound).ok_or_else(|| Refusal::Busy {
        code: "TOO_MANY_STREAMS",
        message: format!("{bound} streams are open, which is the bound `streams`"),
    })?;
    let clock = Arc::clone(&desk);
    // Between two epochs nothing is due: the clock goes on and nothing changes.
    let clock = Box::new(move |shown: Instant| {
        let goes_on = clock.doors.read_model.clock_goes_on() && !clock.is_clock_held();
        if goes_on { shown.max(clock.now()) } else { shown }
    });
    let closing = desk.doors.closing.clone();
    let follower = Follower::begin(streams, place, &beginning, closing, clock);
    let mut response = Response::new(Body::new(Events::of(follower)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that gathers what comes in pieces would hold back what is live.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.insert("x-smartpulse-epoch", HeaderValue::from(snapshot.epoch.0));
    Ok(response)
}

/// What the words ask for.
fn selection(words: &Words, snapshot: &Snapshot) -> Result<Selection, Refusal> {
    let given: usize = SELECTORS.iter().map(|name| words.list(name).count()).sum();
    if given > MAX_SELECTORS {
        let rule = format!("{given} selectors are given; a stream takes at most {MAX_SELECTORS}");
        return Err(Refusal::field("query", rule));
    }
    let views: BTreeSet<View> = set(words, "view", "latest, actuals, totals or units", |text| {
        View::ALL.into_iter().find(|view| view.word().eq_ignore_ascii_case(text))
    })?;
    if views.is_empty() {
        return Err(Refusal::field("view", "is required: latest, actuals, totals or units"));
    }
    let providers = words.list("provider").map(|key| path::provider("provider", key));
    let number = |text: &str| text.parse::<u64>().ok().filter(|it| (1..1 << 63).contains(it));
    let mut selection = Selection {
        views,
        providers: providers.collect::<Result<BTreeSet<Provider>, Refusal>>()?,
        unit_types: set(words, "unitType", "PP, CMP or GRP", UnitType::parse)?,
        unit_nos: set(words, "unitNo", "a positive whole number", number)?,
        dimensions: set(words, "dimension", "company, group, region, plant_type or all", |text| {
            Total::DIMENSIONS.into_iter().find(|word| word.eq_ignore_ascii_case(text))
        })?,
        totals: None,
        kinds: set(words, "kind", "forecast or actual", Kind::parse)?,
        window: Window::default(),
        period: None,
        measure: Measure::default(),
        completeness: words.get("completeness").map(completeness).transpose()?.map(f64::to_bits),
    };
    if selection.kinds.is_empty() {
        selection.kinds.insert(Kind::Forecast);
    }
    selection.totals = totals(words, &selection.dimensions)?;
    selection.window = window(words, &selection, snapshot)?;
    if let Some(text) = words.get("period") {
        let period = text.parse().ok().and_then(Period::new);
        let rule = "must be minutes that divide a day; days and months are read, not followed";
        selection.period = Some(period.ok_or_else(|| Refusal::field("period", rule))?);
    }
    if let Some(text) = words.get("measure-unit") {
        let rule = "must be 0 to 3, kW, MW, kWh or MWh";
        let measure = Measure::parse(text);
        selection.measure =
            measure.ok_or_else(|| Refusal::coded("MEASURE_UNIT", "measure-unit", rule))?;
    }
    Ok(selection)
}

/// The values of a selector.
fn set<T: Ord>(
    words: &Words,
    name: &'static str,
    rule: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<BTreeSet<T>, Refusal> {
    let parsed = words.list(name).map(|text| {
        parse(text.trim()).ok_or_else(|| Refusal::field(name, format!("must be {rule}")))
    });
    parsed.collect()
}

/// The totals that are named by their keys.
fn totals(
    words: &Words,
    dimensions: &BTreeSet<&'static str>,
) -> Result<Option<BTreeSet<Total>>, Refusal> {
    if words.list("key").next().is_none() {
        return Ok(None);
    }
    let mut named = BTreeSet::new();
    for key in words.list("key") {
        let all = Total::DIMENSIONS.iter();
        let within = all.filter(|word| dimensions.is_empty() || dimensions.contains(*word));
        let before = named.len();
        let found: Vec<Total> = within.filter_map(|word| Total::parse(word, key)).collect();
        if found.is_empty() && before == named.len() {
            return Err(Refusal::field("key", format!("`{key}` is no key of these dimensions")));
        }
        named.extend(found);
    }
    Ok(Some(named))
}

/// Local times are those of the unit, where the stream is of one.
fn window(words: &Words, selection: &Selection, snapshot: &Snapshot) -> Result<Window, Refusal> {
    let unit: Option<Unit> = match selection.named_units().as_deref() {
        Some([unit]) => Some(*unit),
        _ => None,
    };
    let time = |name: &'static str| -> Result<Option<Instant>, Refusal> {
        let zone = unit.map_or_else(Zone::utc, |unit| zone_of(&snapshot.reference, unit));
        let Some(instant) = words.time(name, &zone)? else { return Ok(None) };
        // What has an offset is the same instant in every zone.
        let is_local = words.get(name).is_some_and(|text| CivilTime::parse(text).is_some());
        if is_local && unit.is_none() {
            return Err(Refusal::field(name, "must carry an offset in a stream of several units"));
        }
        Ok(Some(instant))
    };
    let window = Window { from: time("from")?, to: time("to")? };
    if let (Some(from), Some(to)) = (window.from, window.to)
        && from > to
    {
        return Err(Refusal::field("from", "must not be after `to`"));
    }
    Ok(window)
}

/// Where the caller wants to go on, if it can.
fn beginning(
    desk: &Desk,
    headers: &HeaderMap,
    words: &Words,
    newest: Epoch,
) -> Result<Beginning, Refusal> {
    let header = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let given = header.or_else(|| words.get("lastEventId")).map(str::trim);
    let Some(text) = given.filter(|text| !text.is_empty()) else {
        return Ok(Beginning::Snapshot(None));
    };
    let token = text.rsplit_once('.').and_then(|(incarnation, epoch)| {
        Some((incarnation.parse::<Uuid>().ok()?, Epoch(epoch.parse().ok()?)))
    });
    let rule = "must be a token of this service: {incarnation}.{epoch}";
    let (incarnation, epoch) = token.ok_or_else(|| Refusal::field("Last-Event-ID", rule))?;
    let read_model = &desk.doors.read_model;
    Ok(if incarnation != read_model.incarnation() {
        Beginning::Snapshot(Some("the token is of another incarnation"))
    } else if epoch > newest {
        Beginning::Snapshot(Some("the token is ahead of this service"))
    } else if read_model.between(epoch, newest).is_none() {
        Beginning::Snapshot(Some("the epoch of the token is not retained any more"))
    } else {
        Beginning::After(epoch)
    })
}

/// The body of a stream: asks its follower for the next bytes when the connection can take some.
struct Events {
    next: Step,
}

/// The next bytes, and the follower to go on with; none when the stream has ended.
type Step = Pin<Box<dyn Future<Output = Option<(Bytes, Follower)>> + Send>>;

impl Events {
    fn of(follower: Follower) -> Events {
        Events { next: Box::pin(step(follower)) }
    }
}

async fn step(mut follower: Follower) -> Option<(Bytes, Follower)> {
    let bytes = follower.next().await?;
    Some((bytes, follower))
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.next.as_mut().poll(context).map(|told| {
            told.map(|(bytes, follower)| {
                self.next = Box::pin(step(follower));
                Ok(Frame::data(bytes))
            })
        })
    }
}
