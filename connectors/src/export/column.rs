//! Rows become columns: the distinct values of a row group, and for each row the key of its value.
//!
//! Nothing is allocated for a row: keys are kept as runs, and distinct texts lie in one arena that is the
//! dictionary page as it will be written.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use smartpulse_operators::quantity::{NULL as NO_VALUE, Quantity};

/// Most distinct powers that are worth a dictionary. Powers in whole kW have few, and are then written
/// faster and in two thirds of the bytes; where there are more, the attempt ends here, early.
const FEW_POWERS: usize = 16_384;

/// The key of a row without a value.
pub(super) const NO_KEY: u32 = u32::MAX;

fn hash_of(value: impl Hash) -> u64 {
    FixedState::default().hash_one(value)
}

/// A key for each row, as (key, rows) stretches.
#[derive(Default)]
pub(super) struct Runs(Vec<(u32, u32)>);

impl Runs {
    pub(super) fn push(&mut self, key: u32) {
        match self.0.last_mut() {
            Some((last, rows)) if *last == key => *rows += 1,
            _ => self.0.push((key, 1)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u32)> + Clone {
        self.0.iter().copied()
    }
}

/// Distinct texts, numbered in the order in which they first came.
#[derive(Default)]
pub(super) struct Texts {
    /// Length (four bytes, little endian) and bytes of each: Parquet's plain encoding.
    plain: Vec<u8>,
    starts: Vec<u32>,
    keys: HashTable<u32>,
}

impl Texts {
    pub(super) fn key(&mut self, text: &str) -> u32 {
        let Texts { plain, starts, keys } = self;
        let same = |key: &u32| text_at(plain, starts[*key as usize]) == text.as_bytes();
        if let Some(key) = keys.find(hash_of(text.as_bytes()), same) {
            return *key;
        }
        let key = self.append(text);
        let Texts { plain, starts, keys } = self;
        keys.insert_unique(hash_of(text.as_bytes()), key, |key| {
            hash_of(text_at(plain, starts[*key as usize]))
        });
        key
    }

    pub(super) fn optional_key(&mut self, text: Option<&str>) -> u32 {
        text.map_or(NO_KEY, |text| self.key(text))
    }

    /// The key of a text that did not come before in this row group (of one that did: a second key).
    pub(super) fn append(&mut self, text: &str) -> u32 {
        let key = self.starts.len() as u32;
        self.starts.push(self.plain.len() as u32);
        self.plain.extend_from_slice(&(text.len() as u32).to_le_bytes());
        self.plain.extend_from_slice(text.as_bytes());
        key
    }

    pub(super) fn plain(&self) -> &[u8] {
        &self.plain
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.starts.iter().map(|start| text_at(&self.plain, *start))
    }
}

fn text_at(plain: &[u8], start: u32) -> &[u8] {
    let (length, rest) = plain[start as usize..].split_at(size_of::<u32>());
    let length = length.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    &rest[..length]
}

/// Distinct numbers (instants are microseconds), numbered in the order in which they first came.
#[derive(Default)]
pub(super) struct Numbers {
    values: Vec<i64>,
    keys: HashTable<u32>,
}

impl Numbers {
    pub(super) fn key(&mut self, number: i64) -> u32 {
        let Numbers { values, keys } = self;
        if let Some(key) = keys.find(hash_of(number), |key| values[*key as usize] == number) {
            return *key;
        }
        let key = self.append(number);
        let Numbers { values, keys } = self;
        keys.insert_unique(hash_of(number), key, |key| hash_of(values[*key as usize]));
        key
    }

    pub(super) fn optional_key(&mut self, number: Option<i64>) -> u32 {
        number.map_or(NO_KEY, |number| self.key(number))
    }

    /// The key of a number that did not come before in this row group (of one that did: a second key).
    pub(super) fn append(&mut self, number: i64) -> u32 {
        self.values.push(number);
        self.values.len() as u32 - 1
    }

    pub(super) fn values(&self) -> &[i64] {
        &self.values
    }
}

/// A text for each row, or none.
#[derive(Default)]
pub(super) struct TextColumn {
    pub(super) texts: Texts,
    pub(super) keys: Runs,
}

impl TextColumn {
    pub(super) fn push(&mut self, text: Option<&str>) {
        self.keys.push(self.texts.optional_key(text));
    }
}

/// A number for each row, or none.
#[derive(Default)]
pub(super) struct NumberColumn {
    pub(super) numbers: Numbers,
    pub(super) keys: Runs,
}

impl NumberColumn {
    pub(super) fn push(&mut self, number: Option<i64>) {
        self.keys.push(self.numbers.optional_key(number));
    }
}

/// Powers of the rows, in megawatts when written.
#[derive(Default)]
pub(super) struct Powers(Vec<i64>);

impl Powers {
    pub(super) fn push(&mut self, power: Option<Quantity>) {
        self.0.push(power.map_or(NO_VALUE, |power| power.0));
    }

    pub(super) fn rows(&self) -> usize {
        self.0.len()
    }

    /// (0 or 1, rows) stretches without and with a value.
    pub(super) fn presence(&self) -> impl Iterator<Item = (u32, u32)> {
        self.0
            .chunk_by(|a, b| (*a == NO_VALUE) == (*b == NO_VALUE))
            .map(|stretch| (u32::from(stretch.first() != Some(&NO_VALUE)), stretch.len() as u32))
    }

    /// The same as keys into their distinct values (hundredths of a kW), where those are few.
    pub(super) fn keyed(&self) -> Option<NumberColumn> {
        let most = FEW_POWERS.min(self.0.len() / 2);
        let mut column = NumberColumn::default();
        for power in &self.0 {
            column.push((*power != NO_VALUE).then_some(*power));
            if column.numbers.values().len() > most {
                return None;
            }
        }
        Some(column)
    }

    /// Those that are values.
    pub(super) fn iter(&self) -> impl Iterator<Item = Quantity> {
        self.0.iter().filter(|power| **power != NO_VALUE).map(|power| Quantity(*power))
    }
}

/// True or false of each row, eight to a byte: Parquet's plain encoding.
#[derive(Default)]
pub(super) struct Flags {
    bits: Vec<u8>,
    rows: usize,
}

impl Flags {
    pub(super) fn push(&mut self, flag: bool) {
        if self.rows.is_multiple_of(8) {
            self.bits.push(0);
        }
        if let Some(last) = self.bits.last_mut() {
            *last |= u8::from(flag) << (self.rows % 8);
        }
        self.rows += 1;
    }

    pub(super) fn plain(&self) -> &[u8] {
        &self.bits
    }

    /// The least and the greatest of them, false before true.
    pub(super) fn bounds(&self) -> (bool, bool) {
        let set: u32 = self.bits.iter().map(|byte| byte.count_ones()).sum();
        (set as usize == self.rows, set > 0)
    }
}
