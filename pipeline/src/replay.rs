//! `replay`: a data set through the normal ingest path, resumed where a killed run stopped.
//!
//! The folder's journal says how many changes of the source it has; those are passed over, and the source
//! gives the same changes in the same order again. The clock follows the data.

use std::time::Duration;

use smartpulse_datasets::{Changes, SourceError};
use smartpulse_operators::change::Position;
use smartpulse_operators::time::Instant;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use crate::ingest::Backfill;

/// Which part of a source is taken in, and how fast.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Course {
    /// Changes recorded before are left out (statements that were always known are not).
    pub from: Option<Instant>,
    /// The replay ends before the first change recorded from here on.
    pub to: Option<Instant>,
    /// The replay ends after so many changes of the source.
    pub limit: Option<u64>,
    /// Data time that passes in a second; none: as fast as it goes.
    pub speed: Option<f64>,
}

/// Why a replay ended early.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The source cannot be read; what came before is taken in.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The service takes nothing more; its own fault says why.
    #[error("the service has stopped")]
    Stopped,
}

/// Sends the changes of a source that the folder does not have yet, and returns when all are visible.
/// `done` changes are passed over; `sent` hears the count of each change sent.
///
/// # Errors
/// [`ReplayError`]; everything sent before is taken in.
pub fn feed(
    source: &str,
    changes: &mut Changes,
    done: u64,
    course: Course,
    backfill: &mpsc::Sender<Backfill>,
    mut sent: impl FnMut(u64),
) -> Result<(), ReplayError> {
    let mut upto = 0;
    let mut earlier: Option<Instant> = None;
    let mut fault = None;
    for change in changes.by_ref() {
        let change = match change {
            Ok(change) => change,
            Err(problem) => {
                fault = Some(problem);
                break;
            }
        };
        let recorded = change.recorded();
        if course.to.is_some_and(|to| recorded >= to)
            || course.limit.is_some_and(|limit| upto >= limit)
        {
            break;
        }
        upto += 1;
        let left_out = recorded != Instant::MIN && course.from.is_some_and(|from| recorded < from);
        if upto <= done || left_out {
            continue;
        }
        if let (Some(speed), Some(earlier)) =
            (course.speed, earlier.filter(|_| recorded != Instant::MIN))
        {
            pace(earlier, recorded, speed);
        }
        earlier = Some(recorded).filter(|recorded| *recorded != Instant::MIN).or(earlier);
        let position = Position { source: source.to_owned(), upto };
        let change = Backfill::Change(Box::new(change), position);
        backfill.blocking_send(change).map_err(|_| ReplayError::Stopped)?;
        sent(upto);
    }
    let (flush, flushed) = oneshot::channel();
    backfill.blocking_send(Backfill::Flush(flush)).map_err(|_| ReplayError::Stopped)?;
    flushed.blocking_recv().map_err(|_| ReplayError::Stopped)?;
    fault.map_or(Ok(()), |problem| Err(problem.into()))
}

fn pace(earlier: Instant, recorded: Instant, speed: f64) {
    let micros = recorded.0.saturating_sub(earlier.0).max(0) as f64 / speed;
    std::thread::sleep(Duration::from_micros(micros as u64));
}
