//! Processes as the kernel tells of them: who descends from whom, and whether a number still means the
//! process it meant. A service is stopped with all its descendants: Postgres forks one for each connection.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

/// A process: its number alone may be another's later, together with its start it is unmistakable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// When it started, in ticks since the machine did.
    pub started: u64,
}

/// What `/proc/PID/stat` says.
struct Stat {
    parent: i32,
    started: u64,
    is_gone: bool,
}

impl Process {
    /// The process of that number, while it lives.
    #[must_use]
    pub fn of(pid: i32) -> Option<Process> {
        let stat = stat(pid)?;
        (!stat.is_gone).then_some(Process { pid, started: stat.started })
    }

    /// Whether it still lives.
    #[must_use]
    pub fn lives(self) -> bool {
        Process::of(self.pid) == Some(self)
    }

    /// It and all that descend from it, ancestors first.
    #[must_use]
    pub fn family(self) -> Vec<Process> {
        let mut family = vec![self];
        let all = all();
        let mut next = 0;
        while let Some(ancestor) = family.get(next).copied() {
            let children = all.iter().filter(|(parent, _)| *parent == ancestor.pid);
            family.extend(children.map(|(_, child)| *child));
            next += 1;
        }
        family
    }

    /// Sends it a signal, if it still lives.
    pub fn signal(self, signal: Signal) {
        if self.lives()
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            // It may end in this moment, which is what most signals ask for.
            let _ = kill_process(pid, signal);
        }
    }
}

/// Sends a signal to a process and all that descend from it.
pub fn signal_family(ancestor: Process, signal: Signal) {
    ancestor.family().into_iter().for_each(|process| process.signal(signal));
}

/// Every process with its parent's number.
fn all() -> Vec<(i32, Process)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let processes = names.filter_map(|name| {
        let pid = name.parse().ok()?;
        let stat = stat(pid)?;
        Some((stat.parent, Process { pid, started: stat.started }))
    });
    processes.collect()
}

fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; the fields after it are counted from the third.
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    Some(Stat {
        is_gone: matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}
