//! The program as a process: started on a folder, stopped by a signal, its words kept.
//!
//! A server listens on a port the system chooses and says which; nothing here waits for a fixed time.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::client::Client;

/// How long a start may take: far beyond what any does, so that a hang fails instead of hanging.
const START: Duration = Duration::from_secs(120);

/// A running `serve`; killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    words: Arc<Mutex<String>>,
    reading: Option<JoinHandle<()>>,
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; none when a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it wrote to standard output.
    pub(crate) output: String,
    /// What it said on standard error.
    pub(crate) words: String,
}

impl Ended {
    /// The JSON line at the end of the output.
    pub(crate) fn json(&self) -> serde_json::Value {
        let line = self.output.lines().last().unwrap_or_else(|| panic!("no output: {self:?}"));
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Itself, having failed with every one of `words` in what it said last.
    pub(crate) fn failed_saying(self, words: &[&str]) -> Ended {
        let last = self.words.split_once("smartpulse: ").map_or("", |(_, last)| last);
        assert_eq!(self.code, Some(1), "{self:?}");
        for word in words {
            assert!(last.contains(word), "no `{word}` in: {}", self.words);
        }
        self
    }

    /// Itself, having succeeded.
    pub(crate) fn succeeded(self) -> Ended {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

/// The variable that says how much journal a start applies again to have past epochs at hand. None of it here,
/// so that what lies in snapshots and store is what is gone on from; who tests the ring takes it away.
pub(crate) const REFILL: &str = "SMARTPULSE_TEST_REFILL_BYTES";

/// The program, without settings from the environment.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smartpulse"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SMARTPULSE_") {
            command.env_remove(name);
        }
    }
    command.env(REFILL, "0");
    command
}

/// Runs a command on the folder `data` to its end.
pub(crate) fn run<A: AsRef<OsStr>>(data: &Path, arguments: impl IntoIterator<Item = A>) -> Ended {
    let mut command = program();
    command.args(arguments).arg("--data").arg(data);
    finish(&mut command)
}

/// Runs `command` to its end.
pub(crate) fn finish(command: &mut Command) -> Ended {
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes UTF-8");
    Ended { code: output.status.code(), output: text(output.stdout), words: text(output.stderr) }
}

impl Server {
    /// Starts `serve` on `data`.
    pub(crate) fn start(data: &Path) -> Server {
        Self::start_with(data, |_| {})
    }

    /// The same, the command changed by `configure`.
    pub(crate) fn start_with(data: &Path, configure: impl FnOnce(&mut Command)) -> Server {
        Self::try_start(data, configure).unwrap_or_else(|ended| panic!("did not start: {ended:?}"))
    }

    /// The same, or how it ended instead.
    pub(crate) fn try_start(
        data: &Path,
        configure: impl FnOnce(&mut Command),
    ) -> Result<Server, Ended> {
        let mut command = program();
        command.env("SMARTPULSE_LISTEN", "127.0.0.1:0").args(["serve", "--data"]).arg(data);
        configure(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (listens, listening) = mpsc::channel();
        let words = Arc::<Mutex<String>>::default();
        let reading = child.stderr.take().map(|stderr| {
            let words = Arc::clone(&words);
            std::thread::spawn(move || keep_words(stderr, &words, &listens))
        });
        match wait_for_address(&listening) {
            Some(address) => Ok(Server { child, address, words, reading }),
            None => Err(end(child, reading, &words)),
        }
    }

    /// A client of its own connections.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has said on standard error so far.
    pub(crate) fn words(&self) -> String {
        self.words.lock().expect("the reader does not panic").clone()
    }

    /// A line of `/proc/PID/status` in kB, such as `VmHWM`.
    pub(crate) fn memory_kb(&self, line: &str) -> u64 {
        memory_kb(self.child.id(), line)
    }

    /// Tells it to stop and waits for its end.
    pub(crate) fn stop(mut self) -> Ended {
        kill_process(pid(&self.child), Signal::TERM).expect("the process is ours");
        self.wait()
    }

    /// Stops its time: it holds its connections and does nothing.
    pub(crate) fn pause(&self) {
        kill_process(pid(&self.child), Signal::STOP).expect("the process is ours");
    }

    /// Lets it go on after a pause.
    pub(crate) fn resume(&self) {
        kill_process(pid(&self.child), Signal::CONT).expect("the process is ours");
    }

    /// Ends it without a word.
    pub(crate) fn kill(mut self) -> Ended {
        self.child.kill().expect("the process is ours");
        self.wait()
    }

    /// Waits for it to end by itself.
    pub(crate) fn wait(&mut self) -> Ended {
        let code = self.child.wait().expect("the process is ours").code();
        if let Some(reading) = self.reading.take() {
            reading.join().expect("the reader does not panic");
        }
        Ended { code, output: String::new(), words: self.words() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line of `/proc/PID/status` in kB.
pub(crate) fn memory_kb(pid: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    let number = found.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no {line} in: {status}"))
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

fn keep_words(stderr: ChildStderr, words: &Mutex<String>, listens: &Sender<SocketAddr>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if let Some(address) = line.strip_prefix("listening on http://") {
            // Nobody waits any more when this fails.
            let _ = listens.send(address.parse().expect("an address"));
        }
        let mut words = words.lock().expect("the test does not panic while it reads");
        words.push_str(&line);
        words.push('\n');
    }
}

/// The address, or none when the process has ended before it said one.
fn wait_for_address(listening: &Receiver<SocketAddr>) -> Option<SocketAddr> {
    match listening.recv_timeout(START) {
        Ok(address) => Some(address),
        Err(mpsc::RecvTimeoutError::Disconnected) => None,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("no server after {START:?}"),
    }
}

fn end(mut child: Child, reading: Option<JoinHandle<()>>, words: &Mutex<String>) -> Ended {
    let mut output = String::new();
    if let Some(stdout) = &mut child.stdout {
        stdout.read_to_string(&mut output).expect("the program writes UTF-8");
    }
    let code = child.wait().expect("the process is ours").code();
    if let Some(reading) = reading {
        reading.join().expect("the reader does not panic");
    }
    let words = words.lock().expect("the reader does not panic").clone();
    Ended { code, output, words }
}
