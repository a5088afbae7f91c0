//! The house style, as far as a machine can see it: which crate may know which, how files are named and
//! how long they are, and what must never be in them.
//!
//! Each rule reads the files git knows or would add, so a breach shows before the commit. Formatting and
//! what can be said about code itself (long functions, clocks, prints) is left to rustfmt and clippy.
//! Forbidden words are put together from parts here, or the rules would find themselves.

#[path = "style/manifest.rs"]
mod manifest;
#[path = "style/repository.rs"]
mod repository;

use std::collections::BTreeSet;

use manifest::{Crate, Entry, crates, entries};
use repository::{Text, read, texts};

const LINES_AT_MOST: usize = 500;
const GENERATED: &str = "@generated";
const BANNED_NAMES: [&str; 11] = [
    "util", "utils", "common", "helper", "helpers", "types", "manager", "managers", "handler",
    "handlers", "misc",
];
const UNFINISHED: [&str; 5] = [
    concat!("#[ign", "ore"),
    concat!(", ign", "ore)]"),
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
    concat!("db", "g!("),
];
const UNFINISHED_WORDS: [&str; 2] = [concat!("FIX", "ME"), concat!("XX", "X")];
const DEFAULT_REGISTRY: &str =
    concat!("registry+https://git", "hub.com/rust-lang/cra", "tes.io-index");
/// Package registries and code hosts, by the end of their names.
const HOSTS: [&str; 14] = [
    concat!("git", "hub.com"),
    concat!("github", "usercontent.com"),
    concat!("git", "lab.com"),
    concat!("bit", "bucket.org"),
    concat!("code", "berg.org"),
    concat!("cra", "tes.io"),
    concat!("py", "pi.org"),
    concat!("python", "hosted.org"),
    concat!("npm", "js.org"),
    concat!("npm", "js.com"),
    concat!("maven", ".org"),
    concat!("repo.maven.", "apache.org"),
    concat!("proxy.", "golang.org"),
    concat!("deb.", "debian.org"),
];

#[test]
fn crates_depend_in_one_direction() {
    let crates = crates();
    let ours: BTreeSet<&str> = crates.iter().map(|krate| krate.name.as_str()).collect();
    let mut breaches = Vec::new();
    for Crate { manifest, folder, dependencies, .. } in &crates {
        let allowed: &[&str] = match folder.as_str() {
            "operators" | "serve/client" | "services" => &[],
            "xtask" => &["smartpulse-services"],
            "connectors" | "datasets" | "serve" => &["smartpulse-operators"],
            "pipeline" | "benches" => continue,
            _ => {
                breaches.push(format!("{manifest}: say in {} which crates it may know", file!()));
                continue;
            }
        };
        for name in dependencies.iter().filter(|name| ours.contains(name.as_str())) {
            if !allowed.contains(&name.as_str()) {
                breaches.push(format!("{manifest}: must not depend on {name}"));
            }
        }
    }
    report(
        "operators and the client know no crate of ours; connectors, datasets and serve know operators alone",
        &breaches,
    );
}

#[test]
fn timely_is_named_in_operators_and_pipeline_alone() {
    let mut breaches = Vec::new();
    for Crate { manifest, folder, dependencies, .. } in crates() {
        let may = ["operators", "pipeline", "benches"].contains(&folder.as_str());
        if !may && dependencies.contains("timely") {
            breaches.push(format!("{manifest}: depends on timely"));
        }
    }
    report("only operators and pipeline depend on timely", &breaches);
}

#[test]
fn files_are_short() {
    let mut breaches = Vec::new();
    for Text { path, text } in
        texts().iter().filter(|file| has_extension(&file.path, &["rs", "py", "ts", "tsx"]))
    {
        let lines = text.lines().count();
        if lines > LINES_AT_MOST && !text.lines().take(5).any(|line| line.contains(GENERATED)) {
            breaches.push(format!("{path}: {lines} lines"));
        }
    }
    report(
        "a source file has at most 500 lines, unless it opens with the generated mark",
        &breaches,
    );
}

#[test]
fn rust_files_say_what_they_are() {
    let files = texts();
    let silent = files
        .iter()
        .filter(|file| has_extension(&file.path, &["rs"]) && !file.text.starts_with("//!"));
    report(
        "a Rust file begins with //! and what it is for",
        &silent.map(|file| file.path.clone()).collect::<Vec<_>>(),
    );
}

#[test]
fn names_are_of_the_domain() {
    let mut breaches = Vec::new();
    for Text { path, text } in texts().iter().filter(|file| is_source(&file.path)) {
        if path.ends_with("/mod.rs") {
            breaches
                .push(format!("{path}: a module folder foo/ has foo.rs beside it, never mod.rs"));
        }
        if let Some(name) = path.split('/').find_map(banned_name) {
            breaches.push(format!("{path}: \"{name}\" says nothing"));
        }
        if !has_extension(path, &["rs"]) {
            continue;
        }
        for module in text.lines().filter_map(module_name) {
            if let Some(name) = banned_name(module) {
                breaches.push(format!("{path}: mod {module}: \"{name}\" says nothing"));
            }
        }
    }
    report("files, folders and modules are named after what they hold", &breaches);
}

#[test]
fn nothing_is_left_unfinished() {
    let mut breaches = Vec::new();
    for Text { path, text } in texts().iter().filter(|file| is_source(&file.path)) {
        for (number, line) in (1..).zip(text.lines()) {
            let patterns = UNFINISHED.iter().filter(|pattern| line.contains(**pattern));
            for found in patterns.chain(UNFINISHED_WORDS.iter().filter(|word| has_word(line, word)))
            {
                breaches.push(format!("{path}:{number}: {found}"));
            }
        }
    }
    report(
        "no test is skipped, nothing is marked as still to be done, no debug output stays",
        &breaches,
    );
}

#[test]
fn the_lock_file_knows_the_default_registry_alone() {
    let lock = read("Cargo.lock");
    let sources: Vec<&str> =
        lock.lines().filter_map(|line| line.strip_prefix("source = ")).collect();
    assert!(!sources.is_empty(), "Cargo.lock: no source found, this rule has gone blind");
    let foreign: BTreeSet<&str> =
        sources.into_iter().filter(|name| name.trim_matches('"') != DEFAULT_REGISTRY).collect();
    report(
        "every package of Cargo.lock comes from the default registry",
        &foreign.iter().map(|source| format!("Cargo.lock: {source}")).collect::<Vec<_>>(),
    );
}

#[test]
fn every_crate_takes_the_lints_and_forbids_unsafe() {
    let root = read("Cargo.toml");
    let forbids = |entry: Entry<'_>| {
        (entry.section, entry.key, entry.value)
            == ("workspace.lints.rust", "unsafe_code", "\"forbid\"")
    };
    let mut breaches = Vec::new();
    if !entries(&root).into_iter().any(forbids) {
        breaches
            .push("Cargo.toml: [workspace.lints.rust] lacks unsafe_code = \"forbid\"".to_owned());
    }
    for Crate { manifest, .. } in crates().into_iter().filter(|krate| !krate.takes_workspace_lints)
    {
        breaches.push(format!("{manifest}: lacks [lints] workspace = true"));
    }
    report("the lints stand once, in the workspace, and hold for every crate", &breaches);
}

#[test]
fn a_module_folder_has_its_file_beside_it() {
    let files = texts();
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut breaches = BTreeSet::new();
    for path in paths.iter().filter(|path| has_extension(path, &["rs"])) {
        let Some((folder, _)) = path.rsplit_once('/') else { continue };
        let is_root = ["src", "src/bin", "tests", "benches", "examples"]
            .iter()
            .any(|root| folder == *root || folder.ends_with(&format!("/{root}")));
        if is_root || paths.contains(format!("{folder}/Cargo.toml").as_str()) {
            continue;
        }
        let owners = [format!("{folder}.rs"), format!("{folder}/main.rs")];
        if !owners.iter().any(|owner| paths.contains(owner.as_str())) {
            breaches.insert(format!("{folder}/: there is no {folder}.rs"));
        }
    }
    report(
        "a folder of modules foo/ has foo.rs beside it",
        &breaches.into_iter().collect::<Vec<_>>(),
    );
}

#[test]
fn no_file_names_a_registry_or_a_code_host() {
    let mut breaches = Vec::new();
    for Text { path, text } in texts() {
        let name = path.rsplit('/').next().unwrap_or_default();
        if name == "Cargo.lock" || name.starts_with("LICENSE") {
            continue;
        }
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.to_lowercase();
            for host in HOSTS.iter().filter(|host| line.contains(**host)) {
                breaches.push(format!("{path}:{number}: {host}"));
            }
        }
    }
    report(
        "where packages and code come from is the machine's configuration, not a file's",
        &breaches,
    );
}

fn report(rule: &str, breaches: &[String]) {
    assert!(breaches.is_empty(), "\nrule: {rule}\n  {}\n", breaches.join("\n  "));
}

/// A banned word among those a name is made of.
fn banned_name(name: &str) -> Option<&str> {
    name.split(['_', '-', '.']).find(|word| BANNED_NAMES.contains(&word.to_lowercase().as_str()))
}

fn module_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let declared = match line.strip_prefix("pub") {
        Some(rest) => rest.trim_start_matches(|letter| letter != ' ').trim_start(),
        None => line,
    };
    declared.strip_prefix("mod ")?.split([' ', ';', '{']).next()
}

fn has_extension(path: &str, extensions: &[&str]) -> bool {
    path.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
}

fn is_source(path: &str) -> bool {
    has_extension(path, &["rs", "py", "ts", "tsx", "js", "mjs", "css", "html", "sh"])
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|letter: char| !letter.is_alphanumeric()).any(|found| found == word)
}
