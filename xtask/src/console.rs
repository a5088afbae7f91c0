//! The console: built with Node 20 from `serve/console`, embedded by the build of the program, and driven in
//! a headless Chromium by its tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use blake3::Hasher;

use crate::project;

/// The variable by which the build of `serve` hears where the console lies.
pub(crate) const VARIABLE: &str = "SMARTPULSE_CONSOLE";
/// The least version of Node.
const NODE_MAJOR: u32 = 20;
/// Where Debian puts the browser.
const CHROMIUM: &str = "/usr/bin/chromium";
/// What is made here and does not make it.
const MADE: [&str; 3] = ["node_modules", "dist", "pictures"];

/// The built console; none where there is no Node, which is said.
pub(crate) fn built_if_possible() -> Result<Option<PathBuf>> {
    if !has_node() {
        eprintln!(
            "xtask: no Node from {NODE_MAJOR} on was found, so the program is built without its console; \
             everything else is served"
        );
        return Ok(None);
    }
    built().map(Some)
}

/// The built console, built again where its sources have changed.
pub(crate) fn built() -> Result<PathBuf> {
    if !has_node() {
        bail!("the console needs Node from {NODE_MAJOR} on: `node --version` says otherwise");
    }
    let folder = folder();
    let dist = folder.join("dist");
    let stamp = project::target()?.join("console.stamp");
    let digest = digest(&folder)?;
    if dist.join("index.html").is_file() && fs::read_to_string(&stamp).is_ok_and(|it| it == digest)
    {
        return Ok(dist);
    }
    eprintln!("xtask: building the console");
    install(&folder)?;
    npm(&folder, &["run", "--silent", "build"])?;
    fs::create_dir_all(project::target()?).context("target/ cannot be made")?;
    fs::write(&stamp, digest).context("target/console.stamp cannot be written")?;
    Ok(dist)
}

/// The console's own tests; with `program`, those that drive it in a browser.
pub(crate) fn test(program: &Path) -> Result<()> {
    let folder = folder();
    install(&folder)?;
    npm(&folder, &["test", "--silent"])?;
    let chromium = chromium()?;
    let artefacts = project::target()?.join("console-artefacts");
    let status = Command::new("npm")
        .current_dir(&folder)
        .args(["run", "--silent", "e2e"])
        .env("SMARTPULSE_BINARY", program)
        .env("SMARTPULSE_CHROMIUM", chromium)
        .env("SMARTPULSE_ARTEFACTS", &artefacts)
        .stdin(Stdio::null())
        .status()
        .context("npm cannot be started")?;
    project::require("the console in a browser", status)
        .with_context(|| format!("pictures of what failed lie in {}", artefacts.display()))
}

fn folder() -> PathBuf {
    project::root().join("serve/console")
}

fn has_node() -> bool {
    let version = Command::new("node").arg("--version").stderr(Stdio::null()).output();
    let Ok(version) = version else { return false };
    let text = String::from_utf8_lossy(&version.stdout);
    let major = text.trim().trim_start_matches('v').split('.').next().map(str::parse::<u32>);
    matches!(major, Some(Ok(major)) if major >= NODE_MAJOR)
}

/// Installs exactly what the lock file names, unless that is there.
fn install(folder: &Path) -> Result<()> {
    let lock = fs::read(folder.join("package-lock.json")).context("there is no lock file")?;
    let stamp = folder.join("node_modules/.installed");
    let digest = blake3::hash(&lock).to_hex().to_string();
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == digest) {
        return Ok(());
    }
    npm(folder, &["ci", "--no-audit", "--no-fund"])?;
    fs::write(&stamp, digest).context("node_modules cannot be written")
}

fn npm(folder: &Path, arguments: &[&str]) -> Result<()> {
    let mut npm = Command::new("npm");
    // Standard output belongs to the program that is started in the end.
    npm.current_dir(folder).args(arguments).stdin(Stdio::null()).stdout(std::io::stderr());
    let status = npm.status().context("npm cannot be started")?;
    project::require(&format!("npm {}", arguments.join(" ")), status)
}

/// The browser, from the system's packages where it is not there yet.
fn chromium() -> Result<PathBuf> {
    let path = PathBuf::from(CHROMIUM);
    if path.is_file() {
        return Ok(path);
    }
    eprintln!("xtask: installing chromium");
    smartpulse_services::install::program(CHROMIUM, &["chromium"])
        .context("the tests of the console need chromium")
}

/// Changes with any source of the console.
fn digest(folder: &Path) -> Result<String> {
    let mut files = Vec::new();
    gather(folder, folder, &mut files)?;
    files.sort();
    let mut hash = Hasher::new();
    for file in files {
        let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
        hash.update(file.to_string_lossy().as_bytes());
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(&bytes);
    }
    Ok(hash.finalize().to_hex().to_string())
}

fn gather(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let is_made = folder == root && MADE.iter().any(|made| entry.file_name() == *made);
        match entry.file_type()?.is_dir() {
            _ if is_made => {}
            true => gather(root, &entry.path(), files)?,
            false => files.push(entry.path()),
        }
    }
    Ok(())
}
