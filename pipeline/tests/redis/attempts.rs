//! An epoch whose first attempt is broken off behind its hashes and before its commit: the next attempt says all of it.

use std::sync::Arc;

use smartpulse_connectors::{
    RedisFault, RedisReplica, RedisSettings, RedisSink, ReplicaNews, Writer,
};
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::change::Change;
use smartpulse_operators::closed::{ClosedEpoch, Figures};
use smartpulse_operators::reference::Reference;
use smartpulse_operators::series::{Kind, Provider, Series, SeriesId};
use smartpulse_operators::time::{Day, Instant, Period};
use smartpulse_operators::total::Total;
use smartpulse_operators::totals::sums::DaySums;
use smartpulse_operators::totals::{TotalChanges, TotalKey};
use smartpulse_operators::unit::{Property, Unit, UnitType};
use smartpulse_services::Redis;
use smartpulse_services::redis::Persistence;
use uuid::Uuid;

const STATE: &str = "sp:{stream}:state";

fn plant(unit_no: u64) -> Unit {
    Unit { unit_type: UnitType::PowerPlant, unit_no }
}

fn epoch(number: u64) -> ClosedEpoch {
    ClosedEpoch::nothing(Epoch(number), Instant(number as i64), Figures::default())
}

/// What is said of plants up to that one.
fn said_of(plants: u64) -> Arc<Reference> {
    let mut reference = Reference::default();
    for unit_no in 1..=plants {
        reference.apply(&Change::Property(Property {
            unit: plant(unit_no),
            key: "market".to_owned(),
            value: Some("EPIAS".to_owned()),
            recorded: Instant(1),
        }));
    }
    Arc::new(reference)
}

async fn next(replica: &mut RedisReplica) -> ClosedEpoch {
    loop {
        if let ReplicaNews::Epoch(closed) = replica.next().await.unwrap() {
            return *closed;
        }
    }
}

#[tokio::test]
async fn the_next_attempt_says_all_that_the_broken_one_did() {
    let redis = Redis::start(Persistence::None).unwrap();
    let settings = RedisSettings { urls: vec![redis.url()], ..RedisSettings::default() };
    let (incarnation, id) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let writer = Writer { incarnation, id, is_live: true, now: || Instant(1) };
    let mut sink = RedisSink::open(&settings, writer, Epoch(1)).await.unwrap();
    let whole = ClosedEpoch { reference: Some(said_of(1)), ..epoch(1) };
    sink.fill(&whole, None).await.unwrap();
    let shown = (Uuid::nil(), Epoch(0));
    let (mut replica, read) = RedisReplica::open(&settings, shown).await.unwrap();
    assert_eq!(read.reference.as_deref(), Some(&*said_of(1)));

    let period = Period::new(15).unwrap();
    let provider = Provider::parse("P").unwrap();
    let series = Series { kind: Kind::Forecast, unit: plant(2), provider, period };
    let new_series = vec![(SeriesId(0), Arc::new(series))];
    let second = ClosedEpoch { reference: Some(said_of(2)), new_series, ..epoch(2) };
    let set_writer = |id: &str| redis.command(&["HSET", STATE, "writer", id]).unwrap();
    set_writer("somebody else");
    let broken = sink.write(&second, &|_| None).await.unwrap_err();
    assert!(matches!(broken, RedisFault::Superseded(_)), "{broken}");
    set_writer(&id.to_string());
    // More has closed since.
    let third = ClosedEpoch { reference: Some(said_of(3)), ..second };
    let third = ClosedEpoch { epoch: Epoch(3), ..third };
    sink.write(&third, &|_| None).await.unwrap();
    let closed = next(&mut replica).await;
    assert_eq!(closed.epoch, Epoch(3));
    assert_eq!(closed.reference.as_deref(), Some(&*said_of(3)));
    assert_eq!(closed.new_series.len(), 1);

    // Everything again, the same series in it: it is not new to whoever knows it.
    let whole = ClosedEpoch { epoch: Epoch(4), ..third };
    sink.fill(&whole, Some(&whole)).await.unwrap();
    let closed = next(&mut replica).await;
    assert_eq!((closed.epoch, closed.new_series.len()), (Epoch(4), 0));
    sink.beat(Epoch(4)).await.unwrap();
}

#[tokio::test]
async fn names_go_with_what_they_name() {
    let redis = Redis::start(Persistence::None).unwrap();
    let settings = RedisSettings { urls: vec![redis.url()], ..RedisSettings::default() };
    let (incarnation, id) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let writer = Writer { incarnation, id, is_live: true, now: || Instant(1) };
    let mut sink = RedisSink::open(&settings, writer, Epoch(1)).await.unwrap();
    let (total, provider) = (Total::Region("North".into()), Provider::parse("P").unwrap());
    let key = TotalKey { total, kind: Kind::Forecast, provider, day: Day(0) };
    let with = |number, sums: Option<DaySums>| {
        let days = vec![(key.clone(), sums.map(Arc::new))];
        let totals = vec![TotalChanges { days, timelines: Vec::new() }];
        ClosedEpoch { reference: Some(said_of(1)), totals, ..epoch(number) }
    };
    sink.fill(&with(1, Some(DaySums::default())), None).await.unwrap();
    let names = || redis.command(&["HKEYS", "sp:{stream}:totals"]).unwrap();
    assert_eq!(names(), "{region:North}:total:forecast:P");
    // Nobody is in it any more. Its hash goes in its time, whatever is written by then.
    sink.write(&with(2, None), &|_| None).await.unwrap();
    let nobody = ClosedEpoch { reference: Some(said_of(1)), ..epoch(2) };
    sink.fill(&nobody, None).await.unwrap();
    assert_eq!(names(), "");
    redis.command(&["DEL", "sp:{region:North}:total:forecast:P"]).unwrap();
    let (_, read) = RedisReplica::open(&settings, (Uuid::nil(), Epoch(0))).await.unwrap();
    assert_eq!(read.epoch, Epoch(2));
}
