//! A Pulsar broker with its bookie and metadata in one process, as its makers ship it for one machine.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use ureq::Agent;

use crate::ServiceError;
use crate::install;
use crate::processes::Process;
use crate::server::{Folder, Launch, Ready, Server, free_port, write};

const POM: &str = include_str!("../java/broker.pom.xml");
const LOGGING: &str = include_str!("../java/log4j2.xml");
/// What Java 17 keeps to itself unless it is opened.
const OPENED: [&str; 9] = [
    "java.base/java.io",
    "java.base/java.util.zip",
    "java.base/java.nio",
    "java.base/java.lang",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.platform",
    "java.base/sun.net",
    "java.management/sun.management",
];
const OPENED_TOO: &str = "jdk.management/com.sun.management.internal";
const HEAP: [&str; 2] = ["-Xmx768m", "-XX:MaxDirectMemorySize=512m"];
/// A broker of a test lives for a minute: what compiles it to run fast for days costs more than it gives.
const BRIEF: [&str; 2] = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];
/// How long the broker may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// What one machine needs: one copy of everything, no balancing, acknowledgements of single messages of a
/// batch kept. A bookie takes no more by itself once a hundredth of the disk is left, or less than a file of its log may
/// grow to (a gigabyte, unless it is told otherwise): what tests write is small, and fits where that much is not left.
const SETTINGS: &str = "\
clusterName=standalone
bindAddress=127.0.0.1
advertisedAddress=127.0.0.1
allowLoopback=true
metadataStoreUrl=
configurationMetadataStoreUrl=
managedLedgerDefaultEnsembleSize=1
managedLedgerDefaultWriteQuorum=1
managedLedgerDefaultAckQuorum=1
loadBalancerEnabled=false
diskUsageThreshold=0.9999
diskUsageWarnThreshold=0.9998
diskUsageLwmThreshold=0.9998
logSizeLimit=16777216
minUsableSizeForEntryLogCreation=33554432
minUsableSizeForIndexFileCreation=33554432
minUsableSizeForHighPriorityWrites=33554432
acknowledgmentAtBatchIndexLevelEnabled=true
brokerDeduplicationEnabled=true
brokerShutdownTimeoutMs=5000
";

/// A Pulsar broker.
#[derive(Debug)]
pub struct Pulsar {
    server: Server,
    port: u16,
    web_port: u16,
}

/// Java, and the folder of the broker's jars, gathered where they are missing.
///
/// # Errors
/// [`ServiceError`].
pub fn installed() -> Result<(PathBuf, PathBuf), ServiceError> {
    Ok((java()?, install::jars("pulsar", POM)?))
}

/// Java 17 or newer.
pub(crate) fn java() -> Result<PathBuf, ServiceError> {
    let own = std::env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin/java"));
    match own.filter(|program| program.is_file()) {
        Some(program) => Ok(program),
        None => install::program("/usr/bin/java", &["openjdk-17-jdk-headless"]),
    }
}

impl Pulsar {
    /// Starts one in a folder of its own.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn start() -> Result<Pulsar, ServiceError> {
        Pulsar::in_folder(Folder::passing("pulsar")?, free_port()?, free_port()?)
    }

    /// Starts one that tells its clients to come to another port: `in_front` is given the port it listens on, and
    /// gives the one that clients are told.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn start_behind(in_front: impl FnOnce(u16) -> u16) -> Result<Pulsar, ServiceError> {
        let port = free_port()?;
        let told = in_front(port);
        let more = format!(
            "advertisedListeners=front:pulsar://127.0.0.1:{told}\ninternalListenerName=front\n"
        );
        Pulsar::with_settings(Folder::passing("pulsar")?, port, free_port()?, &more)
    }

    pub(crate) fn in_folder(
        folder: Folder,
        port: u16,
        web_port: u16,
    ) -> Result<Pulsar, ServiceError> {
        Pulsar::with_settings(folder, port, web_port, "")
    }

    fn with_settings(
        folder: Folder,
        port: u16,
        web_port: u16,
        more: &str,
    ) -> Result<Pulsar, ServiceError> {
        let (program, jars) = installed()?;
        let path = folder.path().to_owned();
        let settings =
            format!("{SETTINGS}brokerServicePort={port}\nwebServicePort={web_port}\n{more}");
        write(&path.join("broker.conf"), &settings)?;
        write(&path.join("log4j2.xml"), LOGGING)?;
        let mut arguments: Vec<String> = HEAP.map(str::to_owned).into();
        if cfg!(debug_assertions) {
            arguments.extend(BRIEF.map(str::to_owned));
        }
        for package in OPENED.into_iter().chain([OPENED_TOO]) {
            arguments.extend(["--add-opens".to_owned(), format!("{package}=ALL-UNNAMED")]);
        }
        let at = |name: &str| path.join(name).display().to_string();
        arguments.extend([
            format!("-Dlog4j2.configurationFile={}", at("log4j2.xml")),
            "-cp".to_owned(),
            format!("{}/*", jars.display()),
            "org.apache.pulsar.PulsarStandaloneStarter".to_owned(),
            "--config".to_owned(),
            at("broker.conf"),
            // Neither functions nor the stream storage: topics are all that is used.
            "-nfw".to_owned(),
            "-nss".to_owned(),
            "--metadata-dir".to_owned(),
            at("data/metadata"),
            "--bookkeeper-dir".to_owned(),
            at("data/bookkeeper"),
            "--bookkeeper-port".to_owned(),
            free_port()?.to_string(),
        ]);
        let ready = Ready::Http(format!("http://127.0.0.1:{web_port}/admin/v2/brokers/health"));
        let (name, end) = ("pulsar", Signal::TERM);
        let launch = Launch { name, program, arguments, ready, prepare: None, user: None, end };
        Ok(Pulsar { server: Server::start(launch, folder)?, port, web_port })
    }

    /// Where clients find it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("pulsar://127.0.0.1:{}", self.port)
    }

    /// Where its administration is found.
    #[must_use]
    pub fn admin_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.web_port)
    }

    /// The process, to hurt it.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    pub(crate) fn leave(self) -> Option<(Process, Signal)> {
        self.server.leave()
    }
}

/// What a GET is answered, if that is 200.
///
/// # Errors
/// [`ServiceError::Command`] with the status.
pub fn get(url: &str) -> Result<Vec<u8>, ServiceError> {
    let failed = |problem: ureq::Error| ServiceError::Command {
        command: format!("GET {url}"),
        said: problem.to_string(),
    };
    let mut answer = agent().get(url).call().map_err(failed)?;
    answer.body_mut().read_to_vec().map_err(failed)
}

/// Sends a PUT with a JSON body.
///
/// # Errors
/// [`ServiceError::Command`] with the status.
pub fn put(url: &str, json: &str) -> Result<(), ServiceError> {
    let failed = |problem: ureq::Error| ServiceError::Command {
        command: format!("PUT {url}"),
        said: problem.to_string(),
    };
    let request = agent().put(url).header("content-type", "application/json");
    request.send(json).map(drop).map_err(failed)
}

/// No proxy: the answers come from this machine whatever the environment says.
fn agent() -> Agent {
    Agent::config_builder().proxy(None).timeout_global(Some(ANSWER_WAIT)).build().into()
}
