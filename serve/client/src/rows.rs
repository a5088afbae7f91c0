//! The rows that updates lead to, and whether each update fits them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::canonical;
use crate::update::{Delta, Key, Row, Update};

/// The rows that a stream has told of so far: key to value, both as one text each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    epoch: Option<u64>,
    rows: BTreeMap<Key, Box<str>>,
}

/// Why an update does not fit the rows it was applied to: something was lost, or came twice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowsFault {
    /// The old value of a delta is not the one held.
    #[error("epoch {epoch}: {key} was {told}, but {held} is held", told = word(.told), held = word(.held))]
    Mismatch {
        /// The epoch of the update.
        epoch: u64,
        /// The row.
        key: Key,
        /// The old value in the delta.
        told: Option<String>,
        /// The value held.
        held: Option<String>,
    },
    /// A row stands twice in one snapshot.
    #[error("epoch {epoch}: {key} stands twice")]
    Repeated {
        /// The epoch of the snapshot.
        epoch: u64,
        /// The row.
        key: Key,
    },
    /// The update leads to an epoch that is not behind the one held.
    #[error("epoch {epoch} came after epoch {held}")]
    Backwards {
        /// The epoch of the update.
        epoch: u64,
        /// The epoch held.
        held: u64,
    },
    /// Deltas came before a snapshot, or lead from an epoch that has not been reached.
    #[error("epoch {epoch} leads from rows that are not held")]
    Unfounded {
        /// The epoch of the update.
        epoch: u64,
    },
}

impl Rows {
    /// No rows yet.
    pub fn new() -> Rows {
        Rows::default()
    }

    /// Applies an update whole, or not at all.
    pub fn apply(&mut self, update: &Update) -> Result<(), RowsFault> {
        match update {
            Update::Snapshot { epoch, rows } => self.replace(*epoch, rows),
            Update::Delta { from_epoch, epoch, deltas } => self.change(*from_epoch, *epoch, deltas),
            Update::Progress { epoch, .. } => {
                let held = self.epoch.ok_or(RowsFault::Unfounded { epoch: *epoch })?;
                if *epoch < held {
                    return Err(RowsFault::Backwards { epoch: *epoch, held });
                }
                self.epoch = Some(*epoch);
                Ok(())
            }
            // They stay until the snapshot that follows replaces them.
            Update::Resync { .. } => Ok(()),
        }
    }

    /// The epoch they show; none before the first snapshot.
    pub fn epoch(&self) -> Option<u64> {
        self.epoch
    }

    /// The value of a row.
    pub fn get(&self, key: &Key) -> Option<Value> {
        self.rows.get(key).and_then(|text| serde_json::from_str(text).ok())
    }

    /// All rows, each value as its text, in the order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Key, &str)> {
        self.rows.iter().map(|(key, text)| (key, &**text))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn replace(&mut self, epoch: u64, rows: &[Row]) -> Result<(), RowsFault> {
        let mut fresh = BTreeMap::new();
        for row in rows {
            if fresh.insert(row.key.clone(), canonical::text(&row.value).into()).is_some() {
                return Err(RowsFault::Repeated { epoch, key: row.key.clone() });
            }
        }
        *self = Rows { epoch: Some(epoch), rows: fresh };
        Ok(())
    }

    fn change(
        &mut self,
        from_epoch: Option<u64>,
        epoch: u64,
        deltas: &[Delta],
    ) -> Result<(), RowsFault> {
        let held = self.epoch.ok_or(RowsFault::Unfounded { epoch })?;
        if epoch <= held {
            return Err(RowsFault::Backwards { epoch, held });
        }
        if from_epoch.is_some_and(|from| from > held) {
            return Err(RowsFault::Unfounded { epoch });
        }
        for delta in deltas {
            let told = delta.old.as_ref().map(canonical::text);
            let held = self.rows.get(&delta.key);
            if told.as_deref() != held.map(|text| &**text) {
                let (key, held) = (delta.key.clone(), held.map(ToString::to_string));
                return Err(RowsFault::Mismatch { epoch, key, told, held });
            }
        }
        for delta in deltas {
            match &delta.new {
                Some(new) => self.rows.insert(delta.key.clone(), canonical::text(new).into()),
                None => self.rows.remove(&delta.key),
            };
        }
        self.epoch = Some(epoch);
        Ok(())
    }
}

fn word(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("nothing")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::update::View;

    fn key(name: &str) -> Key {
        Key::new(&json!({ "ds": name }))
    }

    fn snapshot(epoch: u64, rows: &[(&str, i64)]) -> Update {
        let row = |(name, v): &(&str, i64)| Row {
            view: View::Latest,
            key: key(name),
            value: json!({ "v": v }),
        };
        Update::Snapshot { epoch, rows: rows.iter().map(row).collect() }
    }

    fn delta(from_epoch: Option<u64>, epoch: u64, name: &str, change: [Option<i64>; 2]) -> Update {
        let [old, new] = change.map(|v| v.map(|v| json!({ "v": v })));
        let delta = Delta { view: View::Latest, key: key(name), old, new, causes: Vec::new() };
        Update::Delta { from_epoch, epoch, deltas: vec![delta] }
    }

    #[test]
    fn updates_fold_and_a_snapshot_replaces() {
        let mut rows = Rows::new();
        rows.apply(&snapshot(4, &[("a", 1), ("b", 2)])).unwrap();
        rows.apply(&delta(None, 5, "a", [Some(1), Some(3)])).unwrap();
        rows.apply(&delta(Some(5), 8, "b", [Some(2), None])).unwrap();
        rows.apply(&delta(None, 9, "c", [None, Some(4)])).unwrap();
        rows.apply(&Update::Progress { epoch: 12, clock: None }).unwrap();
        rows.apply(&Update::Resync { reason: String::new() }).unwrap();
        let held: Vec<_> = rows.iter().collect();
        assert_eq!(held, [(&key("a"), r#"{"v":3}"#), (&key("c"), r#"{"v":4}"#)]);
        assert_eq!((rows.epoch(), rows.get(&key("a"))), (Some(12), Some(json!({ "v": 3 }))));
        rows.apply(&snapshot(2, &[("b", 2)])).unwrap();
        assert_eq!((rows.epoch(), rows.len()), (Some(2), 1), "another incarnation begins anew");
    }

    #[test]
    fn what_was_lost_or_came_twice_shows_and_changes_nothing() {
        let mut rows = Rows::new();
        let early = delta(None, 5, "a", [None, Some(1)]);
        assert_eq!(rows.apply(&early), Err(RowsFault::Unfounded { epoch: 5 }));
        rows.apply(&snapshot(4, &[("a", 1)])).unwrap();
        let before = rows.clone();
        let lost = rows.apply(&delta(None, 6, "a", [Some(2), Some(3)])).unwrap_err();
        assert_eq!(lost.to_string(), r#"epoch 6: {"ds":"a"} was {"v":2}, but {"v":1} is held"#);
        let absent = rows.apply(&delta(None, 6, "b", [Some(2), None])).unwrap_err();
        assert!(absent.to_string().ends_with("but nothing is held"), "{absent}");
        let again = rows.apply(&delta(None, 4, "a", [Some(1), Some(2)]));
        assert_eq!(again, Err(RowsFault::Backwards { epoch: 4, held: 4 }));
        let later = rows.apply(&delta(Some(5), 6, "a", [Some(1), Some(2)]));
        assert_eq!(later, Err(RowsFault::Unfounded { epoch: 6 }));
        let past = rows.apply(&Update::Progress { epoch: 3, clock: None });
        assert_eq!(past, Err(RowsFault::Backwards { epoch: 3, held: 4 }));
        let twice = rows.apply(&snapshot(5, &[("a", 1), ("a", 1)]));
        assert_eq!(twice, Err(RowsFault::Repeated { epoch: 5, key: key("a") }));
        assert_eq!(rows, before);
    }
}
