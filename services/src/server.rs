//! A service as a process: how it is started, when it is ready, how it is hurt and how it ends.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::ServiceError;
use crate::install::run;
use crate::processes::{Process, signal_family};

/// Between two looks at a service that starts or ends.
const PAUSE: Duration = Duration::from_millis(50);
/// Looks before a start has failed: three minutes, many times what a broker takes on a busy machine.
const LOOKS_FOR_READY: u32 = 3_600;
/// Looks before an end is forced: half a minute.
const LOOKS_FOR_THE_END: u32 = 600;
/// Of its log, shown when it does not start.
const SAID_BYTES: usize = 4_000;
/// How long one question may take.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// The folder, in that of the service, of what it keeps.
pub(crate) const DATA: &str = "data";

/// How a service is started.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) ready: Ready,
    /// What makes its `data` where there is none; without it an empty folder is.
    pub(crate) prepare: Option<(PathBuf, Vec<String>)>,
    /// The user and group it runs as, where not those of this process.
    pub(crate) user: Option<(u32, u32)>,
    /// What asks it to end after what is under way.
    pub(crate) end: Signal,
}

/// How a service says that it is ready.
#[derive(Clone, Debug)]
pub(crate) enum Ready {
    /// It answers these bytes on its port with those.
    Answers { port: u16, asked: &'static [u8], expected: &'static [u8] },
    /// The command succeeds.
    Command(PathBuf, Vec<String>),
    /// It answers a GET with 200.
    Http(String),
    /// Its log holds these words.
    Says(&'static str),
}

/// A folder of a service: removed with its handle, or left standing.
#[derive(Debug)]
pub(crate) enum Folder {
    /// Of a test.
    Passing(Option<TempDir>),
    /// Of a developer.
    Kept(PathBuf),
}

/// A running service.
#[derive(Debug)]
pub struct Server {
    launch: Launch,
    folder: Folder,
    child: Option<Child>,
    process: Option<Process>,
}

impl Folder {
    /// A folder for a test.
    pub(crate) fn passing(name: &str) -> Result<Folder, ServiceError> {
        let folder = tempfile::Builder::new().prefix(&format!("smartpulse-{name}-")).tempdir();
        Ok(Folder::Passing(Some(folder.map_err(ServiceError::at(std::env::temp_dir()))?)))
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Folder::Passing(Some(folder)) => folder.path(),
            Folder::Passing(None) => Path::new(""),
            Folder::Kept(path) => path,
        }
    }
}

impl Server {
    /// Starts it and waits until it is ready. What it writes lies in `folder`, what it says in `log`.
    pub(crate) fn start(launch: Launch, folder: Folder) -> Result<Server, ServiceError> {
        let mut server = Server { launch, folder, child: None, process: None };
        server.start_again()?;
        Ok(server)
    }

    /// The folder of what it writes.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file of what it says.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder().join("log")
    }

    /// Starts it on what it wrote before, and waits until it is ready.
    ///
    /// # Errors
    /// [`ServiceError::NotReady`].
    pub fn start_again(&mut self) -> Result<(), ServiceError> {
        self.kill();
        self.prepare()?;
        let log = self.log();
        let output = OpenOptions::new().create(true).append(true).open(&log);
        let output = output.map_err(ServiceError::at(&log))?;
        let errors = output.try_clone().map_err(ServiceError::at(&log))?;
        let mut command = Command::new(&self.launch.program);
        command.args(&self.launch.arguments).current_dir(self.folder()).stdin(Stdio::null());
        // A group of its own: an interrupt at the terminal is for the one who started it.
        command.stdout(output).stderr(errors).process_group(0);
        if let Some((user, group)) = self.launch.user {
            command.uid(user).gid(group);
        }
        let child = command.spawn().map_err(ServiceError::at(&self.launch.program))?;
        self.process = Process::of(child.id() as i32);
        self.child = Some(child);
        self.await_ready()
    }

    /// Kills it, throws away what it wrote, and starts it again on the same ports.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn start_empty(&mut self) -> Result<(), ServiceError> {
        self.kill();
        remove(&self.folder().join(DATA))?;
        self.start_again()
    }

    /// Kills it and all its processes at once, as a machine that loses power does, and waits until none lives.
    pub fn kill(&mut self) {
        let family = self.process.take().map_or(Vec::new(), Process::family);
        family.iter().for_each(|process| process.signal(Signal::KILL));
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
        for _ in 0..LOOKS_FOR_THE_END {
            if !family.iter().any(|process| process.lives()) {
                return;
            }
            thread::sleep(PAUSE);
        }
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self) {
        if let Some(process) = self.process {
            signal_family(process, Signal::CONT);
            process.signal(self.launch.end);
            self.await_end();
        }
        self.kill();
    }

    /// Stops the time of all its processes: it holds its connections and answers nobody.
    pub fn pause(&self) {
        if let Some(process) = self.process {
            signal_family(process, Signal::STOP);
        }
    }

    /// Lets it go on after a pause.
    pub fn resume(&self) {
        if let Some(process) = self.process {
            signal_family(process, Signal::CONT);
        }
    }

    /// Its first process, while it runs.
    #[must_use]
    pub fn process(&self) -> Option<Process> {
        self.process.filter(|process| process.lives())
    }

    /// Leaves it running after this process; what asks it to end.
    pub(crate) fn leave(mut self) -> Option<(Process, Signal)> {
        // A child that is not waited for is the system's.
        self.child = None;
        self.process.take().map(|process| (process, self.launch.end))
    }

    /// Makes its `data` where there is none.
    fn prepare(&self) -> Result<(), ServiceError> {
        let data = self.folder().join(DATA);
        if data.exists() {
            return Ok(());
        }
        let Some((program, arguments)) = &self.launch.prepare else {
            return fs::create_dir_all(&data).map_err(ServiceError::at(&data));
        };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder());
        if let Some((user, group)) = self.launch.user {
            command.uid(user).gid(group);
        }
        // Half of it would be taken for a whole.
        run(&mut command).inspect_err(|_| drop(remove(&data)))
    }

    fn await_ready(&mut self) -> Result<(), ServiceError> {
        for _ in 0..LOOKS_FOR_READY {
            if self.launch.ready.holds(&self.log()) {
                return Ok(());
            }
            if let Some(child) = &mut self.child
                && let Ok(Some(status)) = child.try_wait()
            {
                return Err(self.not_ready(&format!("has ended ({status})")));
            }
            thread::sleep(PAUSE);
        }
        Err(self.not_ready("is not ready in time"))
    }

    fn not_ready(&self, problem: &str) -> ServiceError {
        let (name, problem) = (self.launch.name.to_owned(), problem.to_owned());
        ServiceError::NotReady { name, problem, said: self.said_last() }
    }

    /// The end of its log.
    pub(crate) fn said_last(&self) -> String {
        let said = fs::read(self.log()).unwrap_or_default();
        let last = &said[said.len().saturating_sub(SAID_BYTES)..];
        String::from_utf8_lossy(last).into_owned()
    }

    fn await_end(&mut self) {
        for _ in 0..LOOKS_FOR_THE_END {
            let has_ended = |child: &mut Child| matches!(child.try_wait(), Ok(Some(_)));
            if self.child.as_mut().is_none_or(has_ended) {
                return;
            }
            thread::sleep(PAUSE);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Where it is left standing, there is no process here any more.
        self.kill();
        if thread::panicking()
            && let Folder::Passing(folder) = &mut self.folder
            && let Some(folder) = folder.take()
        {
            let path = folder.keep();
            let _ = writeln!(std::io::stderr(), "{}: see {}", self.launch.name, path.display());
        }
    }
}

impl Ready {
    fn holds(&self, log: &Path) -> bool {
        match self {
            Ready::Answers { port, asked, expected } => {
                ask(*port, asked, expected.len()).is_ok_and(|answer| answer == *expected)
            }
            Ready::Command(program, arguments) => {
                let mut command = Command::new(program);
                command.args(arguments).stdin(Stdio::null());
                command.stdout(Stdio::null()).stderr(Stdio::null());
                command.status().is_ok_and(|status| status.success())
            }
            Ready::Http(url) => crate::pulsar::get(url).is_ok(),
            Ready::Says(words) => fs::read_to_string(log).is_ok_and(|said| said.contains(words)),
        }
    }
}

/// A port of the loopback that nobody listens on.
pub(crate) fn free_port() -> Result<u16, ServiceError> {
    let problem = |source| ServiceError::Io { path: "a port of 127.0.0.1".into(), source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(problem)?;
    Ok(listener.local_addr().map_err(problem)?.port())
}

/// What a service answers to `asked`, up to so many bytes.
pub(crate) fn ask(port: u16, asked: &[u8], bytes: usize) -> std::io::Result<Vec<u8>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WAIT)?;
    stream.set_read_timeout(Some(ANSWER_WAIT))?;
    stream.write_all(asked)?;
    let mut answer = vec![0; bytes];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// Removes a folder, if it is there.
pub(crate) fn remove(folder: &Path) -> Result<(), ServiceError> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(ServiceError::at(folder))?;
    }
    Ok(())
}

/// Writes a file of a service.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), ServiceError> {
    let mut file = File::create(path).map_err(ServiceError::at(path))?;
    file.write_all(text.as_bytes()).map_err(ServiceError::at(path))
}
