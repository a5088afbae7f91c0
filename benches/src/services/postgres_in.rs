//! `postgres-drain`: rows of transactions of 96 that an engine takes from the log of a Postgres, journaled, decided,
//! visible and confirmed, beside a bare loop over the same log with the same transport that discards them.
//! `postgres-subscriber-latency`: from the commit of such a transaction until a subscriber has it.
//! `postgres-large-transaction`: rows of one transaction of more than 2 GB of log, and the memory that it takes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use pgwire_replication::{ReplicationClient, ReplicationConfig, ReplicationEvent};
use smartpulse_client::{Client, Subscription, Update, View};
use smartpulse_connectors::{POSTGRES_LEGACY_SCHEMA, PostgresSession, PostgresSettings};
use smartpulse_services::Postgres;

use crate::clock::{micros, now};
use crate::machine::resident_bytes;
use crate::plan::{Plan, say};
use crate::server::Server;
use crate::table::{Better, Measured, Row, Table, number};
use crate::wire::Line;

const DRAIN: &str = "postgres-drain";
const LATENCY: &str = "postgres-subscriber-latency";
const LARGE: &str = "postgres-large-transaction";
/// Bytes of log that the name promises, of a run that is not quick.
const LARGE_LOG: u64 = 2 << 30;
const PLANTS: u64 = 1_000;
/// Rows of a transaction: a day of quarter hours.
const SLOTS: u64 = 96;
/// What comes before the clock runs.
const WARM_UP: u64 = 5;
/// Row changes offered each second while the subscriber is measured.
const RATE: f64 = 2_000.0;
const LOOK: Duration = Duration::from_millis(2);
const HANG: Duration = Duration::from_secs(300);

pub(super) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    if plan.wants(DRAIN) {
        drain(plan, table)?;
    }
    if plan.wants(LATENCY) {
        latency(plan, table)?;
    }
    if plan.wants(LARGE) {
        large(plan, table)?;
    }
    Ok(())
}

/// A server with the legacy tables and plants, and a procedure that writes transactions.
fn server() -> Result<Postgres> {
    let server = Postgres::start()?;
    server.sql(POSTGRES_LEGACY_SCHEMA)?;
    server.sql(&format!(
        "INSERT INTO power_plant (id, name) SELECT n, 'plant ' || n FROM generate_series(1, {PLANTS}) n; \
         CREATE PROCEDURE work(first int, count int) LANGUAGE plpgsql AS $$ BEGIN \
         FOR i IN first..first + count - 1 LOOP {} COMMIT; END LOOP; END $$;",
        statement("i")
    ))?;
    Ok(server)
}

/// The statement that writes the rows of transaction `i`, whose values follow from it.
fn statement(i: &str) -> String {
    format!(
        "INSERT INTO t004forecast SELECT gen_random_uuid(), 'PP', {i} % {PLANTS} + 1, \
         timestamp '2099-06-01' + slot * interval '15 min', timestamp '2099-06-01' + (slot + 1) * interval '15 min', \
         'UserForecast', timestamp '2026-01-01' + {i} * interval '1 ms', ({i} + slot) % 4000 / 4.0 \
         FROM generate_series(0, {}) slot, (SELECT gen_random_uuid()) batch;",
        SLOTS - 1
    )
    .replacen("gen_random_uuid()", "batch.gen_random_uuid", 1)
}

fn setting(server: &Postgres, slot: &str) -> String {
    format!("[{{url={:?}, slot={slot:?}}}]", server.url())
}

fn start(plan: &Plan, data: &Path, server: &Postgres, slot: &str) -> Result<Server> {
    Server::start_with(plan, data, |command| {
        command.arg("--accept-clock").env("SMARTPULSE_POSTGRES", setting(server, slot));
    })
}

/// Waits until the engine follows the log.
fn following(line: &mut Line) -> Result<()> {
    let asked = now();
    while !String::from_utf8_lossy(line.get("/api/v2.0/status")?.body).contains("\"following\"") {
        ensure!(asked.elapsed() < HANG, "the log is not followed");
        std::thread::sleep(LOOK);
    }
    Ok(())
}

fn drain(plan: &Plan, table: &mut Table) -> Result<()> {
    let server = server()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let transactions = plan.sized(8_000, 1_500);
    let room = plan.room()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=plan.sized(7_u64, 3) {
        server.sql("TRUNCATE t004forecast")?;
        let data = room.path().join(format!("data-{round}"));
        let (slot, bare_slot) = (format!("ours_{round}"), format!("bare_{round}"));
        // The engine reads the tables and leaves; then the work is done, and waits in the log for both.
        let engine = start(plan, &data, &server, &slot)?;
        following(&mut Line::open(engine.address())?)?;
        engine.stop()?;
        server.sql(&format!(
            "SELECT pg_create_logical_replication_slot('{bare_slot}', 'pgoutput')"
        ))?;
        let first = round * transactions;
        server.sql(&format!("CALL work({first}, {transactions})"))?;
        server.sql("CHECKPOINT")?;
        let our = engine_drains(plan, &data, (&server, &slot), first, transactions)?;
        let bare = runtime.block_on(bare(&server, &bare_slot, transactions))?;
        server.sql(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active",
        )?;
        std::fs::remove_dir_all(&data).ok();
        say(&format!("{DRAIN}: round {round}: {} rows/s, bare {}", number(our), number(bare)));
        // The first warms the server up.
        if round > 0 {
            ours.push(our);
            theirs.push(bare);
        }
    }
    let row = Row::new(DRAIN, "rows/s", Better::More, Measured::of(ours));
    let row = row.beside("bare-loop", Measured::of(theirs)).remark(format!(
        "{} transactions of {SLOTS} rows; durable, visible, checked; server and reader share the machine",
        number(transactions as f64),
    ));
    table.add(row);
    Ok(())
}

/// Rows a second of an engine: from when the first of them are visible until all are.
fn engine_drains(
    plan: &Plan,
    data: &Path,
    (server, slot): (&Postgres, &str),
    first: u64,
    transactions: u64,
) -> Result<f64> {
    let engine = start(plan, data, server, slot)?;
    let mut line = Line::open(engine.address())?;
    let mut visible = |least: u64| -> Result<(u64, std::time::Instant)> {
        let asked = now();
        loop {
            let batches = line.get("/api/v2.0/status")?.number("batches")?;
            if batches >= least {
                return Ok((batches, now()));
            }
            ensure!(asked.elapsed() < HANG, "{batches} of {least} transactions are visible");
            std::thread::sleep(LOOK);
        }
    };
    let (warm, begun) = visible(transactions / WARM_UP)?;
    let (last, ended) = visible(transactions)?;
    ensure!(last == transactions, "{last} batches of {transactions} transactions");
    let mut line = Line::open(engine.address())?;
    for transaction in (first + transactions - PLANTS..first + transactions).step_by(37) {
        check(&mut line, transaction)?;
    }
    engine.stop()?;
    Ok(((last - warm) * SLOTS) as f64 / ended.duration_since(begun).as_secs_f64())
}

/// Compares what is shown of the plant of a transaction, the last of that plant, with what it wrote.
fn check(line: &mut Line, transaction: u64) -> Result<()> {
    let plant = transaction % PLANTS + 1;
    let path = format!(
        "/api/v2.0/production-forecast/UserForecast/PP/{plant}/forecasts/latest\
         ?from=2099-06-01T00:00:00Z&to=2099-06-02T00:00:00Z&no-details=true"
    );
    let answer: serde_json::Value = serde_json::from_slice(line.get(&path)?.success()?.body)?;
    let shown = answer["data"][0]["predictions"].as_array().context("no predictions")?;
    ensure!(shown.len() as u64 == SLOTS, "{} slots of {SLOTS}", shown.len());
    for (row, slot) in shown.iter().zip(0..) {
        let expected = ((transaction + slot) % 4_000) as f64 / 4.0;
        ensure!(row["v"].as_f64() == Some(expected), "plant {plant}: {row} instead of {expected}");
    }
    Ok(())
}

/// Rows a second of a loop that discards them.
async fn bare(server: &Postgres, slot: &str, transactions: u64) -> Result<f64> {
    let mut configuration =
        ReplicationConfig::new("127.0.0.1", "postgres", "", "postgres", slot, "smartpulse");
    configuration.port = server.port();
    let mut client = ReplicationClient::connect(configuration).await?;
    let (mut ended, mut bytes, mut begun) = (0, 0, now());
    while ended < transactions {
        match client.recv().await?.context("the log has ended")? {
            ReplicationEvent::XLogData { data, .. } => bytes += data.len(),
            ReplicationEvent::Commit { end_lsn, .. } => {
                ended += 1;
                client.update_applied_lsn(end_lsn);
                if ended == transactions / WARM_UP {
                    begun = now();
                }
            }
            _ => {}
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(bytes > 0, "the log is empty");
    client.shutdown().await?;
    Ok(((transactions - transactions / WARM_UP) * SLOTS) as f64 / seconds)
}

fn latency(plan: &Plan, table: &mut Table) -> Result<()> {
    let server = server()?;
    let room = plan.room()?;
    let engine = start(plan, &room.path().join("data"), &server, "latency")?;
    following(&mut Line::open(engine.address())?)?;
    let mut runs = Vec::new();
    let each = plan.sized(150_u64, 40);
    for round in 0..=plan.sized(6_u64, 3) {
        let seen = commits_seen(&engine, &server, round * each, each)?;
        // The first warms everything up.
        if round > 0 {
            runs.push(seen);
        }
        say(&format!("{LATENCY}: round {round}"));
    }
    let measured = Measured::latency(&runs);
    let percentiles = measured.percentiles.unwrap_or_default();
    let remark = format!(
        "transactions of {SLOTS} rows, {RATE} rows a second; from when the commit was sent until the subscriber had \
         it; p50 {:.2} ms, p99 {:.2} ms",
        percentiles.p50 / 1_000.0,
        percentiles.p99 / 1_000.0
    );
    table.add(Row::new(LATENCY, "µs", Better::Less, measured).remark(remark));
    engine.stop()
}

/// Microseconds from when each commit was sent until a subscriber had it.
fn commits_seen(engine: &Server, server: &Postgres, first: u64, count: u64) -> Result<Vec<u32>> {
    let client = Client::new(&format!("http://{}", engine.address()))?;
    let (begun, beginning) = mpsc::channel();
    let listening = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(listen(client, count, &begun))
    });
    beginning.recv().map_err(|_| anyhow!("the subscriber has ended"))?;
    let settings = PostgresSettings { url: server.url(), ..PostgresSettings::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sent = runtime.block_on(async {
        let mut session = Box::pin(PostgresSession::open(&settings)).await?;
        let mut sent: BTreeMap<u64, Vec<std::time::Instant>> = BTreeMap::new();
        let start = tokio::time::Instant::from_std(now());
        for (transaction, place) in (first..first + count).zip(0_u32..) {
            let due = Duration::from_secs_f64(SLOTS as f64 / RATE) * place;
            tokio::time::sleep_until(start + due).await;
            let work = format!("BEGIN; {}", statement(&transaction.to_string()));
            session.execute("working", &work).await?;
            sent.entry(transaction % PLANTS + 1).or_default().push(now());
            session.execute("committing", "COMMIT").await?;
        }
        anyhow::Ok(sent)
    })?;
    let mut arrived = listening.join().map_err(|_| anyhow!("the subscriber has panicked"))??;
    let mut seen = Vec::new();
    for (plant, sent) in sent {
        let arrived = arrived.remove(&plant).context("a plant that was never told")?;
        ensure!(arrived.len() == sent.len(), "plant {plant} was told {} times", arrived.len());
        seen.extend(arrived.iter().zip(&sent).map(|(at, sent)| micros(at.duration_since(*sent))));
    }
    Ok(seen)
}

/// When each plant was told of, until `count` tellings.
async fn listen(
    client: Client,
    count: u64,
    begun: &mpsc::Sender<()>,
) -> Result<BTreeMap<u64, Vec<std::time::Instant>>> {
    let subscription = Subscription::to(View::Latest)
        .provider("UserForecast")
        .between("2099-06-01T00:00:00Z", "2099-06-02T00:00:00Z");
    let mut follower = client.follow(subscription);
    let mut arrived: BTreeMap<u64, Vec<std::time::Instant>> = BTreeMap::new();
    let mut told = 0;
    while told < count {
        let update = tokio::time::timeout(HANG, follower.next()).await??;
        let at = now();
        match update {
            // Who waited for the beginning may have given up.
            Update::Snapshot { .. } => drop(begun.send(())),
            Update::Delta { deltas, .. } => {
                let plants: std::collections::BTreeSet<u64> =
                    deltas.iter().filter_map(|delta| delta.key.field("unitNo").as_u64()).collect();
                for plant in plants {
                    arrived.entry(plant).or_default().push(at);
                    told += 1;
                }
            }
            Update::Progress { .. } => {}
            Update::Resync { reason } => anyhow::bail!("the stream began anew: {reason}"),
        }
    }
    Ok(arrived)
}

/// One transaction of more log than there is memory for.
fn large(plan: &Plan, table: &mut Table) -> Result<()> {
    let server = server()?;
    let room = plan.room()?;
    let data = room.path().join("data");
    let engine = start(plan, &data, &server, "large")?;
    let mut line = Line::open(engine.address())?;
    following(&mut line)?;
    let idle = resident_bytes(engine.pid())?;
    let transactions: u64 = plan.sized(90_000, 4_000);
    let position = || -> Result<u64> {
        let text = server.sql("SELECT pg_current_wal_lsn() - '0/0'")?;
        text.parse().context("a place of the log")
    };
    let before = position()?;
    let work = statement("i")
        .replace(") batch;", &format!(") batch, generate_series(0, {}) i;", transactions - 1));
    // One batch for each of them, by its number.
    let work = work.replace("batch.gen_random_uuid", "lpad(to_hex(i), 32, '0')::uuid");
    server.sql(&work)?;
    let committed = now();
    // The connection of before has been idle for too long.
    let mut line = Line::open(engine.address())?;
    let log = position()? - before;
    ensure!(plan.quick || log >= LARGE_LOG, "only {log} bytes of log");
    let (mut peak, epoch) = (idle, line.get("/api/v2.0/status")?.number("epoch")?);
    while line.get("/api/v2.0/status")?.number("batches")? < transactions {
        ensure!(committed.elapsed() < 3 * HANG, "the transaction is not visible");
        peak = peak.max(resident_bytes(engine.pid())?);
        std::thread::sleep(10 * LOOK);
    }
    let seconds = committed.elapsed().as_secs_f64();
    let epochs = line.get("/api/v2.0/status")?.number("epoch")? - epoch;
    for transaction in (transactions - PLANTS..transactions).step_by(37) {
        check(&mut line, transaction)?;
    }
    let rows = transactions * SLOTS;
    let row = Row::new(LARGE, "rows/s", Better::More, Measured::of(vec![rows as f64 / seconds]));
    table.add(row.with("logBytes", log).with("peakBytes", peak).with("idleBytes", idle).remark(format!(
        "{} rows, {:.2} GB of log in one transaction, {epochs} epoch; resident {} MB before, {} MB at most; one run, \
         from the commit until it was visible, checked",
        number(rows as f64),
        log as f64 / 1e9,
        idle >> 20,
        peak >> 20,
    )));
    engine.stop()
}
