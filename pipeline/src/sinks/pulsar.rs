//! A topic of Pulsar: each epoch as a message a subject, in order; everything anew where the ring no longer has what
//! the topic lacks.

use std::time::Duration;

use smartpulse_connectors::retry::{Remedy, Row, remedy};
use smartpulse_connectors::{
    DeltaMessage, PulsarDeltas, PulsarFault, PulsarSettings, PulsarSink, Resume, connect,
};
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::time::Instant;
use smartpulse_serve::attached::Standing;
use smartpulse_serve::stream::sending::{Next, Parcel, Sending};
use tracing::{info, warn};

use super::Work;

/// How long the last epochs may take to be written when the service stops.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Runs until told to stop.
pub(super) async fn run(connection: PulsarSettings, deltas: PulsarDeltas, mut work: Work) {
    let Some(sending) = Sending::of(deltas.views.iter().map(String::as_str)) else { return };
    let (mut row, mut is_lost) = (Row::default(), false);
    loop {
        let before = work.link.state().epoch;
        let mut stopping = work.stopping.clone();
        let last_words = async {
            // Who is gone stops nothing.
            let _ = stopping.wait_for(|stop| *stop).await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        let followed = tokio::select! {
            followed = Box::pin(follow(&connection, &deltas, &sending, &mut is_lost, &work)) => followed,
            () = last_words => return,
        };
        let Err(fault) = followed else { return };
        is_lost |= matches!(fault, PulsarFault::MadeAnew(_));
        let went_well = work.link.state().epoch > before;
        let (times, is_news) = row.add(fault.trouble(), fault.to_string(), went_well);
        if is_news {
            warn!(topic = deltas.topic, problem = %fault, "pulsar does not follow");
        }
        work.link.stands(Standing::Degraded(fault.to_string()));
        let (Remedy::Again(pause) | Remedy::Anew(pause)) =
            remedy(fault.trouble(), times, rand::random());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = work.stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Brings the topic up to date and keeps it so, until told to stop.
async fn follow(
    connection: &PulsarSettings,
    deltas: &PulsarDeltas,
    sending: &Sending,
    is_lost: &mut bool,
    work: &Work,
) -> Result<(), PulsarFault> {
    let client = Box::pin(connect(connection)).await?;
    let incarnation = work.read_model.incarnation();
    let mut sink =
        Box::pin(PulsarSink::open(&client, deltas, incarnation, (work.writer.now)())).await?;
    let mut at = match sink.resume() {
        Resume::After(epoch) if !*is_lost => epoch,
        _ => Box::pin(fill(&mut sink, sending, work)).await?,
    };
    *is_lost = false;
    let mut closings = work.read_model.closings();
    let mut stopping = work.stopping.clone();
    loop {
        closings.borrow_and_update();
        Box::pin(catch_up(&mut sink, &mut at, sending, work)).await?;
        let is_over = tokio::select! {
            changed = closings.changed() => changed.is_err(),
            _ = stopping.wait_for(|stop| *stop) => true,
        };
        if is_over {
            // The service has stopped: these are the last epochs.
            return Box::pin(catch_up(&mut sink, &mut at, sending, work)).await;
        }
    }
}

/// Sends what has closed since `at`.
async fn catch_up(
    sink: &mut PulsarSink,
    at: &mut Epoch,
    sending: &Sending,
    work: &Work,
) -> Result<(), PulsarFault> {
    let mut clock = work.read_model.snapshot().clock;
    loop {
        match sending.after(&work.read_model, *at) {
            Next::Nothing => break,
            Next::Lost => *at = fill(sink, sending, work).await?,
            Next::Epoch(epoch, then, parcels) => {
                sink.send(epoch, parcels.into_iter().map(message).collect()).await?;
                (*at, clock) = (epoch, then);
                tokio::task::yield_now().await;
            }
        }
    }
    sink.flush().await?;
    told(sink, *at, clock, work);
    Ok(())
}

/// Sends everything.
async fn fill(sink: &mut PulsarSink, sending: &Sending, work: &Work) -> Result<Epoch, PulsarFault> {
    work.link.stands(Standing::Filling);
    let snapshot = work.read_model.snapshot();
    let epoch = snapshot.epoch;
    sink.begin_anew(epoch).await?;
    for parcel in sending.whole(work.read_model.incarnation(), &snapshot) {
        sink.row(epoch, message(parcel)).await?;
    }
    sink.end_anew(epoch).await?;
    info!(epoch = epoch.0, "pulsar has everything");
    told(sink, epoch, snapshot.clock, work);
    Ok(epoch)
}

fn message(parcel: Parcel) -> DeltaMessage {
    let Parcel { key, view, body } = parcel;
    DeltaMessage { key, view, body }
}

fn told(sink: &PulsarSink, epoch: Epoch, clock: Instant, work: &Work) {
    let sent = sink.sent();
    let counts = vec![
        ("messages", sent.messages),
        ("bytes", sent.bytes),
        ("epochs", sent.epochs),
        ("resyncs", sent.resyncs),
    ];
    work.link.went(epoch, clock, counts);
}
