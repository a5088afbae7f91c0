//! File descriptors: every connection takes one, and what a shell allows is often less than is configured.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Descriptors beside those of connections: journal, store, snapshots, exports.
const OTHERS: u64 = 512;

/// Asks the system for as many descriptors as `connections` need; says so where it gives fewer.
pub(super) fn allow(connections: usize) {
    let wanted = connections as u64 + OTHERS;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return;
    }
    let most = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum });
    if raised.is_err() || most < wanted {
        warn!(
            allowed = if raised.is_ok() { most } else { current.unwrap_or(0) },
            wanted, "the system allows fewer open files than `connections` needs: raise its limit"
        );
    }
}
