//! Runs of the program and of the oracle, for comparison.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_smartpulse");

/// The oracle: Python with pyarrow, as `cargo xtask test` installs it.
pub(crate) struct Oracle {
    python: PathBuf,
    scripts: PathBuf,
}

/// What a random folder wants to be asked.
pub(crate) struct Asked(Value);

/// A folder that was replayed.
pub(crate) struct Replayed {
    pub(crate) data: PathBuf,
    /// The JSON line.
    pub(crate) counts: Value,
    /// Highest resident memory, in kB.
    pub(crate) peak_kb: u64,
}

/// The oracle, or a panic that says how to get it.
pub(crate) fn oracle() -> Oracle {
    let python = std::env::var_os("SMARTPULSE_PYTHON").map(PathBuf::from);
    let python = python.unwrap_or_else(|| {
        panic!("SMARTPULSE_PYTHON must name a Python with pyarrow, polars and duckdb; `cargo xtask test` makes one")
    });
    Oracle { python, scripts: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle") }
}

impl Oracle {
    /// Writes the random folder of `seed`.
    pub(crate) fn random_folder(&self, seed: u64, out: &Path, options: &[&str]) -> Asked {
        let mut command = self.script("random_folder.py");
        let output = run(command.arg(seed.to_string()).arg(out).args(options));
        Asked(last_json(&output))
    }

    /// What differs between an export and brute force, counts included; empty when nothing does.
    pub(crate) fn compare(
        &self,
        folder: &Path,
        out: &Path,
        counts: &Value,
        rules: &[String],
        instants: &[String],
    ) -> String {
        let counts_file = out.with_extension("counts.json");
        std::fs::write(&counts_file, counts.to_string()).unwrap();
        let mut command = self.script("compare.py");
        command.arg(folder).arg(out).arg("--counts").arg(&counts_file).args(rules).args(instants);
        differences(&mut command)
    }

    /// What differs between exports, each with its flags, and brute force; empty when nothing does.
    pub(crate) fn compare_each(
        &self,
        folder: &Path,
        exports: &[(PathBuf, Vec<String>)],
        counts: &Value,
        rules: &[String],
    ) -> String {
        let counts_file = folder.with_extension("counts.json");
        std::fs::write(&counts_file, counts.to_string()).unwrap();
        let list = folder.with_extension("exports");
        std::fs::write(&list, lines(exports)).unwrap();
        let mut command = self.script("compare.py");
        command.arg(folder).arg("--each").arg(&list).arg("--counts").arg(&counts_file).args(rules);
        differences(&mut command)
    }

    /// What differs between exports, each with its flags, and the doors of a service on the same folder.
    pub(crate) fn compare_doors(
        &self,
        address: SocketAddr,
        exports: &[(PathBuf, Vec<String>)],
    ) -> String {
        let list = exports[0].0.with_extension("doors");
        std::fs::write(&list, lines(exports)).unwrap();
        let mut command = self.script("doors_equal_exports.py");
        differences(command.arg(address.to_string()).arg(&list))
    }

    /// Counts of a direct comparison of EIA releases.
    pub(crate) fn eia_counts(&self, releases: &str) -> Value {
        last_json(&run(self.script("eia.py").arg("--datasets").arg(eia()).arg(releases)))
    }

    /// What differs between an export of EIA releases and the files as known at an instant.
    pub(crate) fn eia_compare(&self, releases: &str, known_at: &str, out: &Path) -> String {
        let mut command = self.script("eia.py");
        command
            .arg("--datasets")
            .arg(eia())
            .arg(releases)
            .args(["--as-of", known_at, "--compare"])
            .arg(out);
        differences(&mut command)
    }

    /// Reads a view with pandas, polars and DuckDB; they must agree on the number of rows.
    pub(crate) fn read_everywhere(&self, view: &Path) {
        run(self.script("read_everywhere.py").arg(view));
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(self.scripts.join(name));
        command
    }
}

impl Asked {
    /// The flags of the replay.
    pub(crate) fn rules(&self) -> Vec<String> {
        let mut rules = Vec::new();
        if let Some(enforce) = self.0["enforce"].as_str().filter(|text| !text.is_empty()) {
            rules.extend(["--enforce".to_owned(), enforce.to_owned()]);
        }
        if let Some(digits) = self.0["round"].as_u64() {
            rules.extend(["--round".to_owned(), digits.to_string()]);
        }
        if self.0["skip_existing_check"] == true {
            rules.push("--skip-existing-check".to_owned());
        }
        rules
    }

    /// Flags of a read of `resolved` or `totals`: the period of that turn, and how complete it must be.
    pub(crate) fn reading(&self, turn: usize) -> Vec<String> {
        let periods = self.0["periods"].as_array().unwrap();
        let mut flags = Vec::new();
        if let Some(period) = periods[turn % periods.len()].as_u64() {
            flags.extend(["--period".to_owned(), period.to_string()]);
        }
        if let Some(completeness) = self.0["completeness"].as_f64().filter(|_| turn % 2 == 1) {
            flags.extend(["--completeness".to_owned(), completeness.to_string()]);
        }
        flags
    }

    /// The flags of the exports: the end, each axis alone, both together.
    pub(crate) fn instants(&self) -> Vec<Vec<String>> {
        let list = |key: &str| -> Vec<String> {
            let values = self.0[key].as_array().cloned().unwrap_or_default();
            values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
        };
        let (valid_at, known_at) = (list("valid_at"), list("known_at"));
        let mut instants = vec![Vec::new()];
        instants.extend(valid_at.iter().map(|at| vec!["--valid-at".to_owned(), at.clone()]));
        instants.extend(known_at.iter().map(|at| vec!["--known-at".to_owned(), at.clone()]));
        for (valid_at, known_at) in valid_at.iter().zip(known_at.iter().rev()) {
            let both = ["--valid-at", valid_at, "--known-at", known_at];
            instants.push(both.map(str::to_owned).to_vec());
        }
        instants
    }
}

impl Replayed {
    /// Replays `source` into `data`.
    pub(crate) fn run(source: &Path, data: &Path, workers: usize, rules: &[String]) -> Replayed {
        let mut command = Command::new(PROGRAM);
        command.arg("replay").arg(source).arg("--data").arg(data).args(rules);
        command.args(["--json", "--quiet", "--workers", &workers.to_string()]);
        command.env("SMARTPULSE_DATASETS", datasets());
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut peak_kb = 0;
        while child.try_wait().unwrap().is_none() {
            peak_kb = peak_kb.max(resident_kb(child.id()));
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "replay of {}: {}", source.display(), output.status);
        Replayed { data: data.to_owned(), counts: last_json(&output), peak_kb }
    }

    /// Replays `source` into `data`, killed again and again until it is through.
    pub(crate) fn killed(source: &Path, data: &Path, rules: &[String], seed: u64) -> Replayed {
        for kill in 0..4 {
            let mut command = Command::new(PROGRAM);
            command.arg("replay").arg(source).arg("--data").arg(data).args(rules).arg("--quiet");
            let mut child = command.spawn().unwrap();
            let wait = 5 + (seed * 37 + kill * 23) % 120;
            std::thread::sleep(std::time::Duration::from_millis(wait));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        Replayed::run(source, data, 1, rules)
    }

    /// The hashes of every view.
    pub(crate) fn hashes(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let hashes = self.counts["hashes"].as_object().unwrap();
        hashes.iter().map(|(view, hash)| (view.clone(), text(hash))).collect()
    }

    /// Exports a view.
    pub(crate) fn export(&self, view: &str, out: &Path, instants: &[String]) {
        let mut command = Command::new(PROGRAM);
        command.args(["export", view, "--quiet", "--data"]).arg(&self.data).arg("--out").arg(out);
        run(command.args(instants));
    }

    /// Checks the folder.
    pub(crate) fn check(&self) {
        run(Command::new(PROGRAM).args(["check", "--quiet", "--data"]).arg(&self.data));
    }
}

/// Exports with their flags, a JSON list a line.
fn lines(exports: &[(PathBuf, Vec<String>)]) -> String {
    let line = |(out, flags): &(PathBuf, Vec<String>)| {
        let mut words = vec![out.display().to_string()];
        words.extend(flags.iter().cloned());
        serde_json::to_string(&words).unwrap()
    };
    exports.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Every file below `folder` with its bytes.
pub(crate) fn bytes_of(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn datasets() -> PathBuf {
    let named = std::env::var_os("SMARTPULSE_DATASETS").map(PathBuf::from);
    let folder = named
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/datasets"));
    assert!(folder.is_dir(), "SMARTPULSE_DATASETS: there are no data sets at {}", folder.display());
    folder
}

fn eia() -> PathBuf {
    datasets().join("eia930_vintages")
}

fn resident_kb(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    output
}

fn differences(command: &mut Command) -> String {
    let output = command.output().unwrap();
    match output.status.code() {
        Some(0) => String::new(),
        _ => format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

fn last_json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.trim_end().lines().next_back().unwrap_or_default();
    serde_json::from_str(line).or_else(|_| serde_json::from_str(&text)).unwrap()
}
