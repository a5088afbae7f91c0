//! The notes of `powercut.c`: every call that changed a file or folder, in order, with how it ended.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

/// Bytes of a note's head.
const HEAD: usize = 40;

/// A call that took effect. Paths are relative to the root; files are named by their inode.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    /// A file was made; without a path where it has no name.
    Create {
        path: String,
        file: u64,
    },
    Write {
        file: u64,
        offset: u64,
        data: Vec<u8>,
    },
    Size {
        file: u64,
        size: u64,
    },
    /// Content of a file, or entries of a folder.
    Sync {
        file: u64,
    },
    SyncAll,
    Rename {
        from: String,
        to: String,
    },
    Unlink {
        path: String,
    },
    MakeFolder {
        path: String,
        file: u64,
    },
}

/// The calls of a process.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    pub(crate) done: Vec<Operation>,
    /// The call during which the process was killed, as if it had taken effect; inodes are not known.
    pub(crate) unfinished: Option<Operation>,
}

struct Note<'n> {
    kind: u8,
    path: String,
    other: String,
    file: u64,
    offset: u64,
    length: i64,
    data: &'n [u8],
}

impl Operations {
    /// Reads the notes in `path`; there are none where nothing was changed.
    pub(crate) fn read(path: &Path) -> Result<Operations> {
        let bytes = if path.exists() { std::fs::read(path)? } else { Vec::new() };
        let mut rest = &bytes[..];
        let mut operations = Operations::default();
        let mut open: Option<Note<'_>> = None;
        // A note that is cut off belongs to a call that was not made yet.
        while let Some(note) = take(&mut rest)? {
            match (note.kind, open.take()) {
                (b'R', Some(begun)) if note.length >= 0 => {
                    operations.done.extend(begun.ended(note.length, note.file)?);
                }
                // It failed: nothing was changed.
                (b'R', Some(_)) => {}
                (b'R', None) => bail!("a result without a call"),
                (_, None) => open = Some(note),
                (_, Some(begun)) => bail!("the call {} has no result", char::from(begun.kind)),
            }
        }
        if let Some(begun) = open {
            let length = i64::try_from(begun.data.len())?;
            operations.unfinished = begun.ended(length, 0)?;
        }
        Ok(operations)
    }

    /// How often `path` was renamed.
    pub(crate) fn moves_of(&self, path: &str) -> u64 {
        let moved =
            |done: &&Operation| matches!(done, Operation::Rename { from, .. } if from == path);
        self.done.iter().filter(moved).count() as u64
    }
}

impl Note<'_> {
    /// The operation, when the call returned `result` and was about `file`.
    fn ended(self, result: i64, file: u64) -> Result<Option<Operation>> {
        Ok(Some(match self.kind {
            b'C' => Operation::Create { path: self.path, file },
            b'W' => {
                let data =
                    self.data.get(..usize::try_from(result)?).context("more than was given")?;
                Operation::Write { file: self.file, offset: self.offset, data: data.to_vec() }
            }
            b'T' => Operation::Size { file: self.file, size: u64::try_from(self.length)? },
            b'F' => Operation::Sync { file: self.file },
            b'G' => Operation::SyncAll,
            b'N' => Operation::Rename { from: self.path, to: self.other },
            b'U' => Operation::Unlink { path: self.path },
            b'M' => Operation::MakeFolder { path: self.path, file },
            b'V' => bail!("a change that the file layer cannot follow: {}", self.path),
            other => bail!("a note of kind {other}"),
        }))
    }
}

/// The next note, none at the end or where it is cut off.
fn take<'n>(rest: &mut &'n [u8]) -> Result<Option<Note<'n>>> {
    let Some((head, behind)) = rest.split_at_checked(HEAD) else { return Ok(None) };
    let word = |at: usize| u64::from_ne_bytes(std::array::from_fn(|index| head[at + index]));
    let half = |at: usize| usize::from(u16::from_ne_bytes([head[at], head[at + 1]]));
    let Some((path, behind)) = behind.split_at_checked(half(4)) else { return Ok(None) };
    let Some((other, behind)) = behind.split_at_checked(half(6)) else { return Ok(None) };
    let Some((data, behind)) = behind.split_at_checked(usize::try_from(word(32))?) else {
        return Ok(None);
    };
    *rest = behind;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).context("a path in UTF-8");
    let (path, other) = (text(path)?, text(other)?);
    let dots = |path: &str| path.split('/').any(|name| [".", ".."].contains(&name));
    ensure!(head[0] == b'V' || !dots(&path) && !dots(&other), "{path} is no plain path");
    let length = word(24).cast_signed();
    Ok(Some(Note { kind: head[0], path, other, file: word(8), offset: word(16), length, data }))
}
