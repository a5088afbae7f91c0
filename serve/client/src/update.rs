//! What a stream tells: whole epochs of rows.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canonical;

/// A view of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum View {
    /// Forecasts: the own series of every unit.
    Latest,
    /// Metered production.
    Actuals,
    /// Sums of plants.
    Totals,
    /// Master data.
    Units,
}

/// Whole epochs, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// All rows as of `epoch`; they replace what was held.
    Snapshot {
        /// The epoch.
        epoch: u64,
        /// Every row there is.
        rows: Vec<Row>,
    },
    /// What changed up to `epoch`.
    Delta {
        /// The epoch from which the deltas lead, where the server folded several into one.
        from_epoch: Option<u64>,
        /// The epoch to which they lead.
        epoch: u64,
        /// The rows that changed, each once.
        deltas: Vec<Delta>,
    },
    /// Everything up to `epoch` has been told.
    Progress {
        /// The epoch.
        epoch: u64,
        /// The server's clock then, RFC 3339.
        clock: Option<String>,
    },
    /// The server cannot go on from where the client was; a snapshot follows.
    Resync {
        /// Why.
        reason: String,
    },
}

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The view it is of.
    pub view: View,
    /// Whose value it is.
    pub key: Key,
    /// `{"v", "validAfter", "recorded", "batchId"}` as saved, `{"v", "coverage"}` at a period,
    /// `{"v", "members", "reporting", "coverage"}` of a total (MW unless asked otherwise), or a unit.
    pub value: Value,
}

/// A row that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Delta {
    /// The view it is of.
    pub view: View,
    /// Whose value it is.
    pub key: Key,
    /// What it was; none: there was no row.
    pub old: Option<Value>,
    /// What it is; none: there is no row any more.
    pub new: Option<Value>,
    /// Up to eight of what made it change.
    pub causes: Vec<Cause>,
}

/// What made a row change.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Cause {
    /// What it was.
    #[serde(rename = "type")]
    pub kind: CauseKind,
    /// Which one, such as the batch's id.
    pub id: String,
}

/// What makes rows change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CauseKind {
    /// A save.
    Batch,
    /// A batch withdrawn.
    Withdrawal,
    /// A plant or company that belongs elsewhere.
    Membership,
    /// Master data.
    Unit,
    /// A version that begins to count, or slots that leave the window.
    Clock,
    /// Something this client does not know.
    #[serde(other)]
    Other,
}

/// Whose value a row is: an object as one text, its fields in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Box<str>);

/// How far a stream was followed: `{incarnation}.{epoch}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    text: String,
    epoch: u64,
}

impl View {
    /// As the query spells it.
    pub fn word(self) -> &'static str {
        match self {
            View::Latest => "latest",
            View::Actuals => "actuals",
            View::Totals => "totals",
            View::Units => "units",
        }
    }
}

impl Update {
    /// The epoch it leads to; none for one that only announces a snapshot.
    pub fn epoch(&self) -> Option<u64> {
        match self {
            Update::Snapshot { epoch, .. }
            | Update::Delta { epoch, .. }
            | Update::Progress { epoch, .. } => Some(*epoch),
            Update::Resync { .. } => None,
        }
    }
}

impl Key {
    /// The key that is this object.
    pub fn new(key: &Value) -> Key {
        Key(canonical::text(key).into())
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// One of its fields; null where it has none of that name.
    pub fn field(&self, name: &str) -> Value {
        let key: Value = serde_json::from_str(&self.0).unwrap_or_default();
        key[name].clone()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Token {
    /// The token that is this text.
    pub fn parse(text: &str) -> Option<Token> {
        let (incarnation, epoch) = text.rsplit_once('.')?;
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        let epoch = epoch.parse().ok().filter(|_| is_plain && !incarnation.is_empty())?;
        Some(Token { text: text.to_owned(), epoch })
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The last epoch that came whole.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_incarnation_and_epoch() {
        let token = Token::parse("0198-ab.c.41").unwrap();
        assert_eq!((token.text(), token.epoch()), ("0198-ab.c.41", 41));
        for text in ["", "41", ".41", "a.", "a.-1", "a.x", "a b.1", "a\r\nb.1"] {
            assert_eq!(Token::parse(text), None, "{text}");
        }
    }
}
