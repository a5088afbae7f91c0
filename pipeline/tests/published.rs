//! Public data through the whole program, against sums computed straight from its files: area and all totals
//! of RTS-GMLC, energy of Elexon's settlement periods, and the 13 regions of EIA-930 against US48.
#![allow(clippy::unwrap_used, reason = "a step that cannot go on fails its test where it stands")]
#![allow(clippy::print_stdout, reason = "the figures a run prints")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

fn smartpulse<A: AsRef<OsStr>>(data: &Path, arguments: impl IntoIterator<Item = A>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smartpulse"));
    command.args(arguments).arg("--data").arg(data).arg("--quiet");
    run(command.env("SMARTPULSE_DATASETS", datasets()));
}

fn published<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) {
    let python = std::env::var_os("SMARTPULSE_PYTHON")
        .expect("SMARTPULSE_PYTHON must name a Python with pyarrow; `cargo xtask test` makes one");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/published/published.py");
    run(Command::new(python).arg(script).args(arguments));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    println!("{told}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{told}\n{errors}", output.status);
}

fn datasets() -> PathBuf {
    let named = std::env::var_os("SMARTPULSE_DATASETS").map(PathBuf::from);
    let folder = named
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/datasets"));
    assert!(folder.is_dir(), "SMARTPULSE_DATASETS: there are no data sets at {}", folder.display());
    folder.canonicalize().unwrap()
}

fn export(data: &Path, view: &str, out: &Path, flags: &[&str]) {
    let out = out.to_str().unwrap();
    smartpulse(data, [&["export", view, "--out", out], flags].concat());
}

#[test]
fn areas_and_all_of_rts_gmlc_are_the_sums_of_its_files() {
    let room = tempfile::tempdir().unwrap();
    let (data, out) = (room.path().join("data"), room.path().join("out"));
    smartpulse(&data, ["replay", "rts-gmlc"]);
    export(&data, "totals", &out, &["--provider", "DayAhead", "--period", "60"]);
    published([OsStr::new("rts"), datasets().as_os_str(), out.as_os_str()]);
}

#[test]
fn settlement_periods_of_elexon_have_the_energy_of_their_segments() {
    let room = tempfile::tempdir().unwrap();
    let (data, out) = (room.path().join("data"), room.path().join("out"));
    smartpulse(&data, ["replay", "elexon-pn"]);
    export(&data, "resolved", &out, &["--period", "30"]);
    published([OsStr::new("elexon"), datasets().as_os_str(), out.as_os_str()]);
}

#[test]
fn the_regions_of_eia_930_add_up_to_us48_as_often_as_its_provenance_says() {
    let room = tempfile::tempdir().unwrap();
    let (data, out) = (room.path().join("data"), room.path().join("out"));
    let parents = room.path().join("parents");
    published([OsStr::new("eia-parents"), parents.as_os_str(), datasets().as_os_str()]);
    smartpulse(&data, [OsStr::new("replay"), parents.as_os_str()]);
    smartpulse(&data, ["replay", "eia930-vintages:2020"]);
    for view in ["totals", "latest"] {
        export(&data, view, &out, &["--provider", "EIA", "--valid-at", "2020-12-31T00:00:00Z"]);
    }
    published([OsStr::new("eia"), datasets().as_os_str(), out.as_os_str()]);
}
