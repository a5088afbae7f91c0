//! Named places at which a test may kill the process: around everything that makes data durable.
//!
//! `SMARTPULSE_FAILPOINT=NAME:N` kills the process (SIGKILL, nothing is flushed) at the N-th pass of NAME;
//! `SMARTPULSE_FAILPOINT_LOG=FILE` appends the name of each place when it is first passed. Without these
//! variables a pass is one load of a static. Sizes that make some places rare can be made small ([`bytes()`]).

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A place in the life of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failpoint {
    JournalAppend,
    JournalAppended,
    JournalSynced,
    TickDecided,
    TickPublished,
    HistoryWrite,
    HistoryWritten,
    SnapshotWritten,
    SnapshotRenamed,
    SegmentStarted,
}

impl Failpoint {
    /// Every place, in the order in which a tick passes them.
    pub const ALL: [Failpoint; 10] = [
        Failpoint::JournalAppend,
        Failpoint::JournalAppended,
        Failpoint::JournalSynced,
        Failpoint::TickDecided,
        Failpoint::TickPublished,
        Failpoint::HistoryWrite,
        Failpoint::HistoryWritten,
        Failpoint::SnapshotWritten,
        Failpoint::SnapshotRenamed,
        Failpoint::SegmentStarted,
    ];

    /// Its name in the environment variable.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Failpoint::JournalAppend => "journal-append",
            Failpoint::JournalAppended => "journal-appended",
            Failpoint::JournalSynced => "journal-synced",
            Failpoint::TickDecided => "tick-decided",
            Failpoint::TickPublished => "tick-published",
            Failpoint::HistoryWrite => "history-write",
            Failpoint::HistoryWritten => "history-written",
            Failpoint::SnapshotWritten => "snapshot-written",
            Failpoint::SnapshotRenamed => "snapshot-renamed",
            Failpoint::SegmentStarted => "segment-started",
        }
    }
}

struct Plan {
    kill_at: Option<(String, u64)>,
    log: Option<PathBuf>,
    passes: [AtomicU64; Failpoint::ALL.len()],
}

/// Passes a place; does not return where the environment says to die here.
pub fn pass(place: Failpoint) {
    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
    let Some(plan) = PLAN.get_or_init(read_plan) else { return };
    let count = plan.passes[place as usize].fetch_add(1, Ordering::Relaxed) + 1;
    if count == 1
        && let Some(log) = &plan.log
        && let Ok(mut file) = OpenOptions::new().create(true).append(true).open(log)
    {
        // A log line that cannot be written shows in the test that counts them.
        let _ = writeln!(file, "{}", place.name());
    }
    if plan.kill_at.as_ref().is_some_and(|(name, at)| name == place.name() && *at == count) {
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

/// A size in bytes: `usual`, unless the variable `name` gives another. Only the crash suite sets one, so that
/// what happens once in many megabytes happens in a short run.
#[must_use]
pub fn bytes(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn read_plan() -> Option<Plan> {
    let kill_at = std::env::var("SMARTPULSE_FAILPOINT").ok().and_then(|text| {
        let (name, count) = text.split_once(':')?;
        Some((name.to_owned(), count.parse().ok()?))
    });
    let log = std::env::var_os("SMARTPULSE_FAILPOINT_LOG").map(PathBuf::from);
    (kill_at.is_some() || log.is_some()).then(|| Plan { kill_at, log, passes: Default::default() })
}
