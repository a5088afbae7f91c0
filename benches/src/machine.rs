//! The machine a run was made on, and what its processes took of it: read from `/proc`.

use std::fs;
use std::num::NonZero;
use std::thread;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// Units of processor time in a second: what Linux tells programs, whatever its own timer does.
const TICKS_A_SECOND: f64 = 100.0;

/// What the numbers depend on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// Model of the processor.
    pub(crate) kind: String,
    /// Cores this process may use.
    pub(crate) cores: usize,
    #[serde(rename = "memoryBytes")]
    pub(crate) memory_bytes: u64,
    /// Kernel.
    pub(crate) system: String,
}

impl Machine {
    /// This one.
    pub(crate) fn read() -> Machine {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (processors, memory) = (text("/proc/cpuinfo"), text("/proc/meminfo"));
        let kilobytes =
            field(&memory, "MemTotal").and_then(|it| it.split(' ').next()?.parse().ok());
        Machine {
            kind: field(&processors, "model name").unwrap_or("unknown").to_owned(),
            cores: thread::available_parallelism().map_or(1, NonZero::get),
            memory_bytes: kilobytes.unwrap_or(0_u64) * 1_024,
            system: text("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

/// What stands behind the first `name:` of a file of such lines.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

/// Processor seconds that a process has taken, user and system, threads that have ended included.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    ticks(&text).map(|ticks| ticks / TICKS_A_SECOND).with_context(|| format!("{path}: {text}"))
}

/// Bytes of memory that a process holds, pages of files it has mapped included.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    let kilobytes = field(&text, "VmRSS").and_then(|it| it.split(' ').next()?.parse().ok());
    kilobytes.map(|it: u64| it * 1_024).with_context(|| format!("{path}: {text}"))
}

/// User and system time of a line of `/proc/PID/stat`. The name before may hold blanks and brackets.
fn ticks(stat: &str) -> Option<f64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stand_behind_the_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 9 0 0 0 120 30 0 0 20 0 9 0 5 6 7";
        assert_eq!(ticks(stat), Some(150.0));
        assert_eq!(ticks("7"), None);
    }

    #[test]
    fn a_field_is_what_stands_behind_its_name() {
        let text = "processor\t: 0\nmodel name\t: A B @ 2 GHz\nMemTotal:       24 kB\n";
        assert_eq!(field(text, "model name"), Some("A B @ 2 GHz"));
        assert_eq!(field(text, "MemTotal"), Some("24 kB"));
        assert_eq!(field(text, "flags"), None);
    }

    #[test]
    fn this_process_has_taken_time_and_memory() {
        assert!(cpu_seconds(std::process::id()).unwrap() >= 0.0);
        assert!(resident_bytes(std::process::id()).unwrap() > 0);
        assert!(Machine::read().cores > 0);
    }
}
