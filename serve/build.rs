//! Embeds the console where it was built: `cargo xtask` names its folder in `SMARTPULSE_CONSOLE`. Without it
//! the program says how to get one and serves everything else.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-env-changed=SMARTPULSE_CONSOLE");
    let mut files = Vec::new();
    if let Some(folder) = env::var_os("SMARTPULSE_CONSOLE").filter(|folder| !folder.is_empty()) {
        let folder = PathBuf::from(folder);
        println!("cargo:rerun-if-changed={}", folder.display());
        gather(&folder, &folder, &mut files)?;
    }
    files.sort();
    let mut text = "pub(crate) const FILES: &[(&str, &[u8])] = &[\n".to_owned();
    for (name, path) in files {
        println!("cargo:rerun-if-changed={}", path.display());
        writeln!(text, "    ({name:?}, include_bytes!({:?})),", path.display().to_string())
            .map_err(io::Error::other)?;
    }
    text.push_str("];\n");
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo names no OUT_DIR"))?;
    fs::write(Path::new(&out).join("console.rs"), text)
}

/// The files below `folder` by their names relative to `root`.
fn gather(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            gather(root, &path, files)?;
        } else if let Ok(name) = path.strip_prefix(root) {
            files.push((name.to_string_lossy().replace('\\', "/"), path.clone()));
        }
    }
    Ok(())
}
