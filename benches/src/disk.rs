//! What the disk takes to make a record durable: the reference of every save.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::clock::{micros, now};

/// A file that grows by records, each durable before the next.
pub(crate) struct Syncs {
    file: File,
    record: Vec<u8>,
}

impl Syncs {
    /// One in `folder`, with records of so many bytes.
    pub(crate) fn create(folder: &Path, record_bytes: usize) -> Result<Syncs> {
        let path = folder.join("syncs");
        let file = File::create(&path).with_context(|| format!("{}", path.display()))?;
        Ok(Syncs { file, record: vec![0x5a; record_bytes] })
    }

    /// Appends `count` records, each with its `fdatasync`; microseconds of each.
    pub(crate) fn take(&mut self, count: usize) -> Result<Vec<u32>> {
        let mut took = Vec::with_capacity(count);
        for _ in 0..count {
            let begun = now();
            self.file.write_all(&self.record)?;
            self.file.sync_data()?;
            took.push(micros(begun.elapsed()));
        }
        Ok(took)
    }
}
