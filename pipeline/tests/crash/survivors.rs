//! What survives a power cut of that which was not synced: all, nothing, the beginning, or some pages.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::content::Content;

/// A file or folder, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) usize);

/// The entries of a folder.
pub(crate) type Entries = BTreeMap<String, Id>;

/// A change of a file's content.
#[derive(Debug)]
pub(crate) enum Edit {
    Write { offset: u64, data: Vec<u8> },
    Size(u64),
}

/// A change of a folder's entries.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Named(String, Id),
    Unnamed(String),
    Renamed(String, String),
}

/// How a power cut treats what was not synced.
#[derive(Debug)]
pub(crate) enum Luck<'r> {
    /// All of it is lost.
    None,
    /// Drawn: for all together, or for each file and folder.
    Drawn(&'r mut ChaCha8Rng),
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Lost,
    Kept,
    /// Some first changes, and the beginning of the one after them.
    Beginning,
    /// Any pages; those lost between others hold what was synced, or zeros.
    Pages,
}

/// Draws what survives one power cut.
pub(crate) struct Survivors<'r> {
    random: Option<&'r mut ChaCha8Rng>,
    all: Option<Fate>,
}

impl<'r> Survivors<'r> {
    pub(crate) fn of(luck: Luck<'r>) -> Survivors<'r> {
        match luck {
            Luck::None => Survivors { random: None, all: Some(Fate::Lost) },
            Luck::Drawn(random) => {
                let all = match random.random_range(0..8) {
                    0 | 1 => Some(Fate::Lost),
                    2 => Some(Fate::Kept),
                    _ => None,
                };
                Survivors { random: Some(random), all }
            }
        }
    }

    fn fate(&mut self) -> Fate {
        let fates = [Fate::Lost, Fate::Kept, Fate::Beginning, Fate::Pages];
        self.all.unwrap_or_else(|| fates[self.below(fates.len() - 1)])
    }

    /// A number up to `most`.
    fn below(&mut self, most: usize) -> usize {
        self.random.as_mut().map_or(0, |random| random.random_range(0..=most))
    }

    /// What is left of a file.
    pub(crate) fn content(&mut self, synced: &Content, since: &[Edit]) -> Content {
        let mut left = synced.clone();
        if since.is_empty() {
            return left;
        }
        match self.fate() {
            Fate::Lost => {}
            Fate::Kept => since.iter().for_each(|edit| edit.apply(&mut left)),
            Fate::Beginning => {
                let (whole, rest) = since.split_at(self.below(since.len()));
                whole.iter().for_each(|edit| edit.apply(&mut left));
                if let Some(Edit::Write { offset, data }) = rest.first() {
                    left.put(*offset, &data[..self.below(data.len())]);
                }
            }
            Fate::Pages => self.some_pages(&mut left, since),
        }
        left
    }

    fn some_pages(&mut self, left: &mut Content, since: &[Edit]) {
        let mut all = left.clone();
        since.iter().for_each(|edit| edit.apply(&mut all));
        let size = if self.below(3) == 0 { left.size() } else { all.size() };
        for page in all.pages_with(left) {
            if self.below(1) == 0 {
                left.set_page(page, all.page(page));
            }
        }
        // Cuts off pages that lie behind the end.
        left.resize(size);
    }

    /// How many of so many changes of a folder's entries are left: the first ones.
    pub(crate) fn entries(&mut self, since: usize) -> usize {
        match self.all {
            Some(Fate::Lost) => 0,
            Some(Fate::Kept) => since,
            _ => self.below(since),
        }
    }
}

impl Edit {
    pub(crate) fn apply(&self, content: &mut Content) {
        match self {
            Edit::Write { offset, data } => content.put(*offset, data),
            Edit::Size(size) => content.resize(*size),
        }
    }
}

impl Entry {
    pub(crate) fn apply(&self, entries: &mut Entries) -> Result<()> {
        match self {
            Entry::Named(name, id) => drop(entries.insert(name.clone(), *id)),
            Entry::Unnamed(name) => drop(entries.remove(name).context("a name that is not there")?),
            Entry::Renamed(name, other) => {
                let id = entries.remove(name).context("a name that is not there")?;
                entries.insert(other.clone(), id);
            }
        }
        Ok(())
    }
}
