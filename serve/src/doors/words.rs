//! Query words: names in any case and spelling (`no-details`, `noDetails`), each known to its door.

use axum::extract::Query;
use axum::http::Uri;
use serde_json::Value;
use smartpulse_operators::batch::Epoch;
use smartpulse_operators::time::{Instant, Zone};

use super::clock_text::read_time;
use super::refusal::Refusal;

/// The query words of a request.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    /// Name as the door spells it, and value.
    given: Vec<(&'static str, String)>,
}

impl Words {
    /// The words of `uri`, all of them among `known`, each once.
    pub(crate) fn read(uri: &Uri, known: &[&'static str]) -> Result<Words, Refusal> {
        Words::read_lists(uri, known, &[])
    }

    /// The same where those of `lists` may repeat.
    pub(crate) fn read_lists(
        uri: &Uri,
        known: &[&'static str],
        lists: &[&'static str],
    ) -> Result<Words, Refusal> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| Refusal::field("query", error.body_text()))?;
        let mut given: Vec<(&'static str, String)> = Vec::new();
        for (name, value) in pairs.0 {
            let mut words = known.iter().chain(lists);
            let Some(word) = words.find(|word| is_same(word, &name)) else {
                return Err(Refusal::field(name, "is no query word of this door"));
            };
            if !lists.contains(word) && given.iter().any(|(before, _)| before == word) {
                return Err(Refusal::field(*word, "is given twice"));
            }
            given.push((word, value));
        }
        Ok(Words { given })
    }

    /// The words of a JSON object, as a body holds them; none: no words.
    pub(crate) fn from_json(
        query: Option<&Value>,
        known: &[&'static str],
    ) -> Result<Words, Refusal> {
        let rule = "must be an object of query words";
        let mut given: Vec<(&'static str, String)> = Vec::new();
        let Some(query) = query else { return Ok(Words { given }) };
        for (name, value) in query.as_object().ok_or_else(|| Refusal::field("query", rule))? {
            // The name that legacy clients have for it.
            let asked = if plain(name) == "shouldremovedetails" { "no-details" } else { name };
            let Some(word) = known.iter().find(|word| plain(word) == plain(asked)) else {
                return Err(Refusal::field(
                    format!("query.{name}"),
                    "is no query word of this door",
                ));
            };
            let value = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                Value::Array(_) | Value::Object(_) => {
                    return Err(Refusal::field(
                        format!("query.{name}"),
                        "must be text or a number",
                    ));
                }
            };
            if given.iter().any(|(before, _)| before == word) {
                return Err(Refusal::field(format!("query.{name}"), "is given twice"));
            }
            given.push((word, value));
        }
        Ok(Words { given })
    }

    /// The value of a word.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|(word, _)| *word == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a word that may repeat.
    pub(crate) fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.given.iter().filter(move |(word, _)| *word == name).map(|(_, value)| value.as_str())
    }

    /// All words with their values.
    pub(crate) fn all(&self) -> &[(&'static str, String)] {
        &self.given
    }

    /// A word that is on where it stands alone or says so.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("" | "true" | "1") => Ok(true),
            Some(_) => Err(Refusal::field(name, "must be true or false")),
        }
    }

    /// A time with an offset, or local to `zone`.
    pub(crate) fn time(&self, name: &str, zone: &Zone) -> Result<Option<Instant>, Refusal> {
        let Some(text) = self.get(name) else { return Ok(None) };
        // A `+` that was not escaped arrives as a blank: `2026-01-01T00:00:00 03:00`.
        let offset = text.rfind(' ').filter(|at| *at > 11);
        let mended = offset.map(|at| format!("{}+{}", &text[..at], &text[at + 1..]));
        let text = mended.as_deref().unwrap_or(text);
        read_time(text, zone).map(Some).map_err(|fault| fault.refusal(name, text))
    }

    /// `min_epoch`.
    pub(crate) fn min_epoch(&self) -> Result<Option<Epoch>, Refusal> {
        self.epoch("min_epoch")
    }

    /// `at_epoch`.
    pub(crate) fn at_epoch(&self) -> Result<Option<Epoch>, Refusal> {
        self.epoch("at_epoch")
    }

    /// Whether an epoch is named, by either word.
    pub(crate) fn name_an_epoch(&self) -> bool {
        self.get("min_epoch").is_some() || self.get("at_epoch").is_some()
    }

    fn epoch(&self, name: &str) -> Result<Option<Epoch>, Refusal> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let epoch = text.parse().map_err(|_| Refusal::field(name, "must be an epoch"))?;
        Ok(Some(Epoch(epoch)))
    }
}

/// A name without case and joints.
pub(crate) fn plain(name: &str) -> String {
    plain_chars(name).collect()
}

/// Whether two names differ in case and joints alone.
fn is_same(one: &str, other: &str) -> bool {
    plain_chars(one).eq(plain_chars(other))
}

fn plain_chars(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase())
}
