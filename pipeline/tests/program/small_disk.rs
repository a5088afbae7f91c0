//! A disk that can be filled: a small tmpfs, which only root may mount.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// A disk of its own.
pub(crate) struct Disk {
    folder: TempDir,
}

impl Disk {
    pub(crate) fn mount(size: &str) -> Disk {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk { folder };
        disk.tell("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]);
        disk
    }

    pub(crate) fn grow(&self, size: &str) {
        self.tell("mount", &["-o", &format!("remount,size={size}")]);
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn tell(&self, word: &str, arguments: &[&str]) {
        let done = Command::new(word).args(arguments).arg(self.folder.path()).output().unwrap();
        assert!(
            done.status.success(),
            "this test mounts a small tmpfs and must be allowed to (root on Linux): {word}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a failing test may leave a process behind that is still ending.
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}
