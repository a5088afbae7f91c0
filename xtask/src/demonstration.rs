//! A demonstration that runs beside the task, on a port and in a folder of its own.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use ureq::Agent;

/// Between two looks at something that is awaited.
const PAUSE: Duration = Duration::from_millis(200);
/// Looks before giving up: a minute, many times what closing a small folder takes.
const LOOKS_FOR_THE_END: u32 = 300;
/// An answer that takes longer is a fault; it also bounds the wait for a server that hangs.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Of the program's output, shown when something went wrong.
const LOG_LINES_SHOWN: usize = 200;

/// A running demonstration. It is killed when dropped before it has ended.
pub(crate) struct Demonstration {
    child: Child,
    agent: Agent,
    address: String,
    log: PathBuf,
}

/// What a GET was answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Demonstration {
    /// Starts the program with everything it writes below `folder`.
    pub(crate) fn start(program: &Path, folder: &Path) -> Result<Self> {
        let log = folder.join("output.log");
        let output =
            File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
        let address = free_address()?;
        let child = Command::new(program)
            .current_dir(folder)
            .arg("--data")
            .arg(folder.join("data"))
            .args(["--listen", &address])
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("the log cannot be shared")?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        // No proxy: the answers come from this machine whatever the environment says.
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(ANSWER_TIMEOUT))
            .build()
            .into();
        Ok(Self { child, agent, address, log })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// An answer of any status, or an error where nobody answers.
    pub(crate) fn get(&self, path: &str) -> Result<Answer> {
        let asked = || format!("GET {path}");
        let mut response =
            self.agent.get(format!("http://{}{path}", self.address)).call().with_context(asked)?;
        let body = response.body_mut().read_to_string().with_context(asked)?;
        Ok(Answer { status: response.status().as_u16(), body })
    }

    /// The `data` of an answer that must be 200.
    pub(crate) fn get_data(&self, path: &str) -> Result<Value> {
        let Answer { status, body } = self.get(path)?;
        if status != 200 {
            bail!("GET {path}: {status} {body}");
        }
        let mut envelope: Value =
            serde_json::from_str(&body).with_context(|| format!("GET {path}: {body}"))?;
        Ok(envelope["data"].take())
    }

    /// Waits between two looks, and fails if the program has ended meanwhile.
    pub(crate) fn pause(&mut self) -> Result<()> {
        thread::sleep(PAUSE);
        if let Some(status) = self.ended()? {
            bail!("the demonstration has ended by itself ({status})");
        }
        Ok(())
    }

    /// Asks it to stop, as a service manager would, and waits until it has.
    pub(crate) fn stop(&mut self) -> Result<ExitStatus> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)
            .context("SIGTERM cannot be sent")?;
        for _ in 0..LOOKS_FOR_THE_END {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            thread::sleep(PAUSE);
        }
        bail!("the demonstration has not stopped {:?} after SIGTERM", PAUSE * LOOKS_FOR_THE_END)
    }

    /// The end of what the program has written.
    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let skipped = log.lines().count().saturating_sub(LOG_LINES_SHOWN);
        log.lines().skip(skipped).collect::<Vec<_>>().join("\n")
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("the demonstration cannot be looked after")
    }
}

impl Drop for Demonstration {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback address nobody listens on. Another program could take it before ours does; then ours says so.
fn free_address() -> Result<String> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no loopback port is free")?;
    Ok(listener.local_addr().context("a bound port has no address")?.to_string())
}
