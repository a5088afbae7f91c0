//! What services are installed from: Debian's packages, and jars by Maven. Nothing is installed twice, and
//! two processes that want the same wait for each other.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::ServiceError;

/// Says that Debian's packages must not start their services: those here are started by hand.
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// Says that the package of Postgres must not make a cluster of its own.
const CLUSTER_POLICY: &str = "/etc/postgresql-common/createcluster.conf";
/// Of what a command said, shown when it failed.
const SAID_BYTES: usize = 2_000;

/// The folder of what is installed for services: `target/services`.
#[must_use]
pub fn home() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"));
    target.join("services")
}

/// Everything that any service here needs.
///
/// # Errors
/// [`ServiceError`] naming what is missing and what to do.
pub fn everything() -> Result<(), ServiceError> {
    crate::redis::installed()?;
    crate::postgres::installed()?;
    crate::pulsar::installed()?;
    crate::debezium::installed()?;
    Ok(())
}

/// The path of a program that one of Debian's packages brings, installed where it is missing.
///
/// # Errors
/// [`ServiceError::Missing`] where it cannot be installed.
pub fn program(path: &str, packages: &[&str]) -> Result<PathBuf, ServiceError> {
    let program = PathBuf::from(path);
    if program.is_file() {
        return Ok(program);
    }
    let _held = lock()?;
    if !program.is_file() {
        let remedy = format!("as root, `apt-get install {}`", packages.join(" "));
        let missing = || ServiceError::Missing { program: path.to_owned(), remedy };
        if !rustix::process::geteuid().is_root() {
            return Err(missing());
        }
        let guards = [
            Guard::write(POLICY, "#!/bin/sh\nexit 101\n"),
            Guard::write(CLUSTER_POLICY, "create_main_cluster = false\n"),
        ];
        let outcome = apt(packages);
        drop(guards);
        outcome?;
        if !program.is_file() {
            return Err(missing());
        }
    }
    Ok(program)
}

/// Installs Debian's packages; root only.
///
/// # Errors
/// [`ServiceError::Command`].
pub fn apt(packages: &[&str]) -> Result<(), ServiceError> {
    run(Command::new("apt-get").arg("update"))?;
    let install = ["install", "--yes", "--no-install-recommends"];
    let environment = ("DEBIAN_FRONTEND", "noninteractive");
    run(Command::new("apt-get").args(install).args(packages).env(environment.0, environment.1))
}

/// The folder of the jars that a Maven file of that name asks for, gathered once.
///
/// # Errors
/// [`ServiceError`].
pub fn jars(name: &str, pom: &str) -> Result<PathBuf, ServiceError> {
    let maven = maven()?;
    let _held = lock()?;
    let folder = home().join(name);
    let (file, jars) = (folder.join("pom.xml"), folder.join("lib"));
    let stamp = folder.join("gathered.xml");
    // Written last: what was cut short is never taken for a whole.
    if fs::read_to_string(&stamp).is_ok_and(|gathered| gathered == pom) {
        return Ok(jars);
    }
    fs::create_dir_all(&folder).map_err(ServiceError::at(&folder))?;
    fs::write(&file, pom).map_err(ServiceError::at(&file))?;
    let goal = ["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"];
    run(Command::new(maven)
        .current_dir(&folder)
        .args(goal)
        .arg(format!("-DoutputDirectory={}", jars.display())))?;
    fs::write(&stamp, pom).map_err(ServiceError::at(&stamp))?;
    Ok(jars)
}

/// Maven, wherever it is found; else Debian's.
fn maven() -> Result<PathBuf, ServiceError> {
    let found = run(Command::new("mvn").arg("--version")).is_ok();
    if found { Ok(PathBuf::from("mvn")) } else { program("/usr/bin/mvn", &["maven"]) }
}

/// Runs a command to its end.
///
/// # Errors
/// [`ServiceError::Command`] with what it said last.
pub fn run(command: &mut Command) -> Result<(), ServiceError> {
    let text = format!("{command:?}");
    let failed = |said| ServiceError::Command { command: text.clone(), said };
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|problem| failed(problem.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let last = &said[said.len().saturating_sub(SAID_BYTES)..];
    Err(failed(format!("{}, {}", output.status, String::from_utf8_lossy(last).trim())))
}

/// Held while something is installed.
fn lock() -> Result<File, ServiceError> {
    let path = home().join("install.lock");
    fs::create_dir_all(home()).map_err(ServiceError::at(home()))?;
    let file = File::create(&path).map_err(ServiceError::at(&path))?;
    file.lock().map_err(ServiceError::at(&path))?;
    Ok(file)
}

/// A file that is there while something is installed, unless the machine has one of its own.
struct Guard(Option<PathBuf>);

impl Guard {
    fn write(path: &str, text: &str) -> Guard {
        use std::os::unix::fs::PermissionsExt as _;
        let path = PathBuf::from(path);
        let is_ours = !path.exists()
            && path.parent().is_some_and(|folder| fs::create_dir_all(folder).is_ok())
            && fs::write(&path, text).is_ok()
            && fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).is_ok();
        Guard(is_ours.then_some(path))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}
