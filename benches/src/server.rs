//! `smartpulse serve` as a process of its own, with the settings it has when nobody gives any.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::clock::now;
use crate::plan::Plan;
use crate::wire::Line;

/// Between two looks whether it is there: far below what a start takes.
const LOOK: Duration = Duration::from_millis(2);
/// How long a start may take before it counts as hung.
const START: Duration = Duration::from_secs(600);
/// The line that says where it listens begins so.
const LISTENING: &str = "listening on http://";

/// A running service; killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    begun: Instant,
}

/// The program, without settings from the environment.
pub(crate) fn program(plan: &Plan) -> Command {
    let mut command = Command::new(&plan.program);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("SMARTPULSE_") {
            command.env_remove(name);
        }
    }
    command
}

impl Server {
    /// Starts it on `data` and waits until it says where it listens. Its log goes to a file beside the
    /// folder, as it would under a supervisor.
    pub(crate) fn start(plan: &Plan, data: &Path) -> Result<Server> {
        Server::start_with(plan, data, |command| {
            command.arg("--accept-clock");
        })
    }

    /// The same, the command changed by `configure`.
    pub(crate) fn start_with(
        plan: &Plan,
        data: &Path,
        configure: impl FnOnce(&mut Command),
    ) -> Result<Server> {
        let log = data.with_extension("log");
        let words = File::create(&log).with_context(|| format!("{}", log.display()))?;
        let mut command = program(plan);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        configure(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(words);
        let begun = now();
        let child = command.spawn().context("smartpulse cannot be started")?;
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Server { child, address: unknown, begun };
        server.address = server.listening(&log)?;
        Ok(server)
    }

    fn listening(&mut self, log: &PathBuf) -> Result<SocketAddr> {
        loop {
            let words = fs::read_to_string(log).unwrap_or_default();
            let mut lines = words.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            if let Some(address) = lines.find_map(|line| line.strip_prefix(LISTENING)) {
                return address.trim().parse().with_context(|| format!("address {address}"));
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("smartpulse serve ended ({status}): {words}");
            }
            ensure!(self.begun.elapsed() < START, "smartpulse serve does not start: {words}");
            thread::sleep(LOOK);
        }
    }

    /// How long it has been from its start until it says that it is ready.
    pub(crate) fn ready(&self) -> Result<Duration> {
        let mut line = Line::open(self.address)?;
        while line.get("/health/ready")?.status != 200 {
            ensure!(self.begun.elapsed() < START, "smartpulse serve does not become ready");
            thread::sleep(LOOK);
        }
        Ok(self.begun.elapsed())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it without a word, as `kill -9` does.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Tells it to stop and waits until everything is at rest.
    pub(crate) fn stop(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "smartpulse serve ended with {status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
