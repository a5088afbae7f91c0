//! What the manifests say: as much TOML as the rules on crates need, and no more.

use std::collections::BTreeSet;

use crate::repository::read;

/// What the manifest of a workspace crate says.
pub(crate) struct Crate {
    pub(crate) manifest: String,
    pub(crate) folder: String,
    pub(crate) name: String,
    /// Normal, dev and build dependencies, on every platform, by the names of their packages.
    pub(crate) dependencies: BTreeSet<String>,
    pub(crate) takes_workspace_lints: bool,
}

/// One `key = value` of a TOML file.
pub(crate) struct Entry<'a> {
    pub(crate) section: &'a str,
    pub(crate) key: &'a str,
    pub(crate) value: &'a str,
}

/// The members of the workspace.
pub(crate) fn crates() -> Vec<Crate> {
    let root = read("Cargo.toml");
    let (_, members) = root.split_once("members = [").expect("Cargo.toml: lists the members");
    let (members, _) = members.split_once(']').expect("Cargo.toml: the list of members ends");
    let members = members
        .split(',')
        .map(|member| member.trim().trim_matches('"'))
        .filter(|member| !member.is_empty());
    let crates: Vec<Crate> = members.map(read_crate).collect();
    assert!(
        !crates.is_empty(),
        "Cargo.toml: no members found, the rules on crates have gone blind"
    );
    crates
}

pub(crate) fn entries(toml: &str) -> Vec<Entry<'_>> {
    let mut section = "";
    let mut entries = Vec::new();
    for line in toml.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = header;
        } else if let Some((key, value)) = line.split_once('=')
            && !line.starts_with('#')
        {
            entries.push(Entry { section, key: key.trim(), value: value.trim() });
        }
    }
    entries
}

fn read_crate(folder: &str) -> Crate {
    let manifest = format!("{folder}/Cargo.toml");
    let text = read(&manifest);
    let mut name = String::new();
    let mut dependencies = BTreeSet::new();
    let mut takes_workspace_lints = false;
    for Entry { section, key, value } in entries(&text) {
        match (section, key, value) {
            ("package", "name", value) => value.trim_matches('"').clone_into(&mut name),
            ("lints", "workspace", "true") => takes_workspace_lints = true,
            _ => dependencies.extend(dependency_names(section, key, value)),
        }
    }
    Crate { manifest, folder: folder.to_owned(), name, dependencies, takes_workspace_lints }
}

/// `a.workspace = true` or `a = { package = "b" }` below `[…dependencies]`, or a key of `[…dependencies.a]`.
fn dependency_names(section: &str, key: &str, value: &str) -> Vec<String> {
    let plain = |name: &str| name.trim_matches(['"', '\'']).to_owned();
    if section.ends_with("dependencies") {
        let given = key.split('.').next().unwrap_or(key);
        let renamed = value.split_once("package = \"").and_then(|(_, rest)| rest.split('"').next());
        std::iter::once(given).chain(renamed).map(plain).collect()
    } else if let Some((_, given)) = section.rsplit_once("dependencies.") {
        let renamed = (key == "package").then_some(value);
        std::iter::once(given).chain(renamed).map(plain).collect()
    } else {
        Vec::new()
    }
}
