//! The files the rules are held against: those git knows or would add, else all that is not built.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// A text file of the repository, named from its root with slashes.
pub(crate) struct Text {
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file that is UTF-8 text.
pub(crate) fn texts() -> Vec<Text> {
    let root = root();
    let paths = listed_by_git(&root).unwrap_or_else(|| {
        let mut paths = Vec::new();
        walk(&root, "", &mut paths);
        paths
    });
    let read = |path: String| Some(Text { text: fs::read_to_string(root.join(&path)).ok()?, path });
    let texts: Vec<Text> = paths.into_iter().filter_map(read).collect();
    let sees_itself = texts.iter().any(|file| file.path == "pipeline/tests/style.rs");
    assert!(sees_itself, "the files of the repository are not found from {}", root.display());
    texts
}

fn root() -> PathBuf {
    match env::var_os("CARGO_MANIFEST_DIR") {
        Some(package) => Path::new(&package).join(".."),
        None => env::current_dir().expect("the current folder exists"),
    }
}

/// Tracked files and those that would be added; None where there is no git or no repository.
fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").arg("-C").arg(root).args(list).output().ok()?;
    let paths = String::from_utf8(output.stdout).expect("file names are UTF-8");
    let paths: Vec<String> = paths.split_terminator('\0').map(str::to_owned).collect();
    (output.status.success() && !paths.is_empty()).then_some(paths)
}

fn walk(root: &Path, folder: &str, paths: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(folder)).expect("a folder can be read").flatten() {
        let name = entry.file_name().into_string().expect("file names are UTF-8");
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_folder {
            paths.push(path);
        } else if !["target", ".git", ".venv", "node_modules", "__pycache__"]
            .contains(&name.as_str())
            && path != "data"
        {
            walk(root, &path, paths);
        }
    }
}
