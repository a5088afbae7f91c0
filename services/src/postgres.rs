//! Postgres 15 or newer, with logical replication. It refuses to run as root, so there it runs as the user its
//! package makes.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::Signal;

use crate::ServiceError;
use crate::install;
use crate::processes::Process;
use crate::server::{DATA, Folder, Launch, Ready, Server, free_port};

const VERSIONS: &str = "/usr/lib/postgresql";
/// The least version with the publications that are read here.
const LEAST_VERSION: u32 = 15;
const PACKAGE: &str = "postgresql";
/// The user that the package makes, and that owns every database here.
const USER: &str = "postgres";
/// What replication needs, and enough places for what the tests open at once.
const SETTINGS: [&str; 9] = [
    "listen_addresses=127.0.0.1",
    "wal_level=logical",
    "max_wal_senders=16",
    "max_replication_slots=16",
    "max_connections=100",
    "fsync=on",
    "log_min_messages=warning",
    "timezone=UTC",
    "logging_collector=off",
];

/// A Postgres server with the database `postgres`.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    port: u16,
}

/// The folder of the programs, installed where they are missing.
///
/// # Errors
/// [`ServiceError::Missing`].
pub fn installed() -> Result<PathBuf, ServiceError> {
    let newest = || {
        let versions = fs::read_dir(VERSIONS).ok()?.flatten();
        let numbers = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let usable = numbers.filter(|version| {
            *version >= LEAST_VERSION && programs(*version).join("initdb").is_file()
        });
        usable.max().map(programs)
    };
    if let Some(found) = newest() {
        return Ok(found);
    }
    let expected = programs(LEAST_VERSION).join("initdb");
    install::program(&expected.display().to_string(), &[PACKAGE])?;
    newest().ok_or_else(|| ServiceError::Missing {
        program: "postgres".to_owned(),
        remedy: format!("version {LEAST_VERSION} or newer is needed in {VERSIONS}"),
    })
}

fn programs(version: u32) -> PathBuf {
    Path::new(VERSIONS).join(version.to_string()).join("bin")
}

impl Postgres {
    /// Starts one in a folder of its own.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn start() -> Result<Postgres, ServiceError> {
        Postgres::in_folder(Folder::passing("postgres")?, free_port()?)
    }

    pub(crate) fn in_folder(folder: Folder, port: u16) -> Result<Postgres, ServiceError> {
        let programs = installed()?;
        let user = user()?;
        let path = folder.path().to_owned();
        if let Some((user, group)) = user {
            chown(&path, Some(user), Some(group)).map_err(ServiceError::at(&path))?;
        }
        let data = path.join(DATA).display().to_string();
        let make = ["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "-D", &data];
        let prepare = Some((programs.join("initdb"), make.map(str::to_owned).into()));
        let sockets = format!("unix_socket_directories={}", path.display());
        let port_setting = format!("port={port}");
        let settings = SETTINGS.into_iter().chain([sockets.as_str(), port_setting.as_str()]);
        let settings = settings.flat_map(|setting| ["-c", setting]);
        let mut arguments = vec!["-D".to_owned(), data];
        arguments.extend(settings.map(str::to_owned));
        let asked = ["-q", "-h", "127.0.0.1", "-p", &port.to_string(), "-U", USER];
        let ready = Ready::Command(programs.join("pg_isready"), asked.map(str::to_owned).into());
        let (name, program) = ("postgres", programs.join("postgres"));
        // An interrupt ends its sessions; asked politely it would wait for them for ever.
        let end = Signal::INT;
        let launch = Launch { name, program, arguments, ready, prepare, user, end };
        Ok(Postgres { server: Server::start(launch, folder)?, port })
    }

    /// Where it is found, as its superuser without a password.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process, to hurt it.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// Where one of its databases is found, likewise.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        url_of(self.port, database)
    }

    /// What a statement gives, a row a line, columns apart by `|`.
    ///
    /// # Errors
    /// [`ServiceError::Command`] with the server's words.
    pub fn sql(&self, statement: &str) -> Result<String, ServiceError> {
        self.script("postgres", statement)
    }

    /// What statements give in one of its databases; each is a transaction of its own where they begin none.
    ///
    /// # Errors
    /// [`ServiceError::Command`] with the server's words.
    pub fn script(&self, database: &str, statements: &str) -> Result<String, ServiceError> {
        script_at(self.port, database, statements)
    }

    /// From now on it speaks TLS as well; gives the file of the certificate that its own is known by.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn speak_tls(&self) -> Result<PathBuf, ServiceError> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]);
        let made = made.map_err(|problem| ServiceError::Command {
            command: "making a certificate".to_owned(),
            said: problem.to_string(),
        })?;
        let folder = self.server.folder();
        let own = |name: &str, text: &str| -> Result<PathBuf, ServiceError> {
            let path = folder.join(name);
            let at = ServiceError::at(&path);
            let made = fs::write(&path, text).and_then(|()| {
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
                let owner = fs::metadata(folder)?;
                chown(&path, Some(owner.uid()), Some(owner.gid()))
            });
            made.map_err(at)?;
            Ok(path)
        };
        let certificate = own("certificate.pem", &made.cert.pem())?;
        let key = own("key.pem", &made.signing_key.serialize_pem())?;
        self.sql(&format!(
            "ALTER SYSTEM SET ssl_cert_file = '{}'; ALTER SYSTEM SET ssl_key_file = '{}'; \
             ALTER SYSTEM SET ssl = on; SELECT pg_reload_conf();",
            certificate.display(),
            key.display()
        ))?;
        Ok(certificate)
    }

    pub(crate) fn leave(self) -> Option<(Process, Signal)> {
        self.server.leave()
    }
}

/// What statements give in a database of the server at `port`, which may be hurt meanwhile.
///
/// # Errors
/// [`ServiceError::Command`] with the server's words.
pub fn script_at(port: u16, database: &str, statements: &str) -> Result<String, ServiceError> {
    let beginning: String = statements.chars().take(200).collect();
    let failed = |said| ServiceError::Command { command: beginning.clone(), said };
    let gone = |problem: std::io::Error| failed(problem.to_string());
    let mut psql = Command::new(installed()?.join("psql"));
    psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
    psql.args(["-d", &url_of(port, database), "-f", "-"]);
    psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = psql.spawn().map_err(gone)?;
    let output = thread::scope(|scope| {
        let input = running.stdin.take();
        // One that ends early reads no further: what it says of that is what counts.
        let write = move || input.map(|mut input| input.write_all(statements.as_bytes()));
        scope.spawn(write);
        running.wait_with_output()
    });
    let output = output.map_err(gone)?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

fn url_of(port: u16, database: &str) -> String {
    format!("postgres://{USER}@127.0.0.1:{port}/{database}")
}

/// The user and group it runs as, where this process is root.
fn user() -> Result<Option<(u32, u32)>, ServiceError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = "/etc/passwd";
    let text = fs::read_to_string(users).map_err(ServiceError::at(users))?;
    let own = text.lines().find_map(|line| {
        let mut fields = line.strip_prefix(USER)?.strip_prefix(":")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    let missing = || ServiceError::Missing {
        program: format!("the user {USER}"),
        remedy: format!("the package {PACKAGE} makes it"),
    };
    own.map(Some).ok_or_else(missing)
}
