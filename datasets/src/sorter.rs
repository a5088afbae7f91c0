//! Sorting more than fits into memory: rows are gathered into batches and batches put in the order of
//! `recorded`, whatever order a file has and however large it is.
//!
//! Items collect in memory up to a budget, are written to disk as sorted runs, and are merged when read.
//! Both the gathering of rows and the ordering of changes use it. Runs are unlinked files: a killed replay
//! leaves none behind.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};
use std::vec;

use serde::Serialize;
use serde::de::DeserializeOwned;

use self::run::{Run, RunReader, RunWriter};
use crate::error::SourceError;

mod run;

/// Runs of one generation that are merged into one of the next: bounds the open files (each generation
/// holds fewer than this) while every item is rewritten only once a generation.
const FAN_IN: usize = 64;

/// Takes items in any order; [`Sorter::finish`] gives them back by key. Equal keys keep their order.
pub(crate) struct Sorter<K, V> {
    budget: usize,
    held: usize,
    items: Vec<(K, V)>,
    /// By generation, oldest run first.
    generations: Vec<Vec<Run>>,
    dir: PathBuf,
    taken: u64,
}

impl<K, V> Sorter<K, V>
where
    K: Ord + Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    /// A sorter that holds about `budget` bytes and spills into `dir`.
    pub(crate) fn new(budget: usize, dir: &Path) -> Sorter<K, V> {
        Sorter {
            budget,
            held: 0,
            items: Vec::new(),
            generations: Vec::new(),
            dir: dir.to_owned(),
            taken: 0,
        }
    }

    /// Takes an item that occupies about `bytes`.
    pub(crate) fn push(&mut self, key: K, value: V, bytes: usize) -> Result<(), SourceError> {
        self.items.push((key, value));
        self.taken += 1;
        self.held += bytes + size_of::<(K, V)>();
        if self.held > self.budget { self.spill() } else { Ok(()) }
    }

    /// Number of items taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// All items in the order of their keys.
    pub(crate) fn finish(mut self) -> Result<Sorted<K, V>, SourceError> {
        self.items.sort_by(|one, other| one.0.cmp(&other.0));
        // Of equal keys the older item stands in the older generation, there in the older run.
        let runs = self.generations.into_iter().rev().flatten();
        let mut streams: Vec<Stream<K, V>> = runs.map(Stream::run).collect();
        streams.push(Stream::Memory(self.items.into_iter()));
        Sorted::merge(streams, self.dir)
    }

    fn spill(&mut self) -> Result<(), SourceError> {
        self.items.sort_by(|one, other| one.0.cmp(&other.0));
        self.held = 0;
        let items = Stream::Memory(std::mem::take(&mut self.items).into_iter());
        let run = self.write_run(vec![items])?;
        self.keep(0, run)
    }

    fn keep(&mut self, generation: usize, run: Run) -> Result<(), SourceError> {
        if generation == self.generations.len() {
            self.generations.push(Vec::new());
        }
        self.generations[generation].push(run);
        if self.generations[generation].len() < FAN_IN {
            return Ok(());
        }
        let runs = std::mem::take(&mut self.generations[generation]);
        let merged = self.write_run(runs.into_iter().map(Stream::run).collect())?;
        self.keep(generation + 1, merged)
    }

    fn write_run(&self, streams: Vec<Stream<K, V>>) -> Result<Run, SourceError> {
        let failed = |source| SourceError::Spill { dir: self.dir.clone(), source };
        let mut writer = RunWriter::create(&self.dir).map_err(failed)?;
        let mut items = Sorted::merge(streams, self.dir.clone())?;
        while let Some(item) = items.next_item()? {
            writer.write(&item).map_err(failed)?;
        }
        writer.finish().map_err(failed)
    }
}

/// The items of a [`Sorter`] in order.
pub(crate) struct Sorted<K, V> {
    streams: Vec<Stream<K, V>>,
    /// The value at the head of each stream; its key is in `keys`.
    values: Vec<Option<V>>,
    keys: BinaryHeap<Reverse<(K, usize)>>,
    dir: PathBuf,
}

impl<K: Ord + DeserializeOwned, V: DeserializeOwned> Sorted<K, V> {
    fn merge(streams: Vec<Stream<K, V>>, dir: PathBuf) -> Result<Sorted<K, V>, SourceError> {
        let values = streams.iter().map(|_| None).collect();
        let mut sorted = Sorted { streams, values, keys: BinaryHeap::new(), dir };
        for index in 0..sorted.streams.len() {
            sorted.advance(index)?;
        }
        Ok(sorted)
    }

    /// The item of the least key.
    pub(crate) fn next_item(&mut self) -> Result<Option<(K, V)>, SourceError> {
        let Some(Reverse((key, index))) = self.keys.pop() else { return Ok(None) };
        let value = self.values[index].take();
        self.advance(index)?;
        Ok(value.map(|value| (key, value)))
    }

    fn advance(&mut self, index: usize) -> Result<(), SourceError> {
        let next = match &mut self.streams[index] {
            Stream::Memory(items) => items.next(),
            Stream::Disk(run) => {
                run.read().map_err(|source| SourceError::Spill { dir: self.dir.clone(), source })?
            }
        };
        if let Some((key, value)) = next {
            self.values[index] = Some(value);
            self.keys.push(Reverse((key, index)));
        }
        Ok(())
    }
}

enum Stream<K, V> {
    Memory(vec::IntoIter<(K, V)>),
    Disk(RunReader),
}

impl<K, V> Stream<K, V> {
    fn run(run: Run) -> Stream<K, V> {
        Stream::Disk(run.into_reader())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(budget: usize, keys: impl Iterator<Item = u32>) -> Vec<(u32, u64)> {
        let dir = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(budget, dir.path());
        for (place, key) in keys.enumerate() {
            sorter.push(key, place as u64, 0).unwrap();
        }
        let mut items = sorter.finish().unwrap();
        std::iter::from_fn(|| items.next_item().unwrap()).collect()
    }

    #[test]
    fn runs_of_several_generations_give_what_memory_gives() {
        // 7,919 is prime to 2,500, so the keys come shuffled, each of the 2,500 twice.
        let keys = || (0..5_000_u32).map(|place| place.wrapping_mul(7_919) % 2_500);
        let in_memory = sorted(usize::MAX, keys());
        let mut expected: Vec<(u32, u64)> = keys().zip(0..).collect();
        expected.sort_by_key(|item| item.0);
        assert_eq!(in_memory, expected);
        // A budget of nothing writes every item as a run: over 64² of them, three generations.
        assert_eq!(sorted(0, keys()), in_memory);
        assert_eq!(sorted(1_000, keys()), in_memory);
    }
}
