//! A statement on a unit as it is written: a flat object, or the same fields as query words.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use smartpulse_operators::quantity::{Decimal, Measure, Quantity};
use smartpulse_operators::time::{Instant, Period, Zone};
use smartpulse_operators::unit::Unit;

use super::clock_text::read_time;
use super::path;
use super::refusal::Refusal;
use super::save_body::{Text, unreadable};
use super::words::Words;

/// Longest text of a statement: names and reasons, not documents.
const TEXT_CHARS: usize = 255;

/// The fields of a statement; nulls are left out.
#[derive(Debug, Default)]
pub(crate) struct Statement {
    fields: Vec<(&'static str, String)>,
}

impl Statement {
    /// Reads a JSON object whose fields are all among `known`.
    pub(crate) fn parse(body: &[u8], known: &[&'static str]) -> Result<Statement, Refusal> {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let statement =
            Known(known).deserialize(&mut deserializer).map_err(|error| unreadable(&error))?;
        deserializer.end().map_err(|error| unreadable(&error))?;
        Ok(statement)
    }

    /// Takes query words as fields.
    pub(crate) fn from_words(words: &Words) -> Statement {
        Statement { fields: words.all().to_vec() }
    }

    /// A field as it was given.
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.as_str())
    }

    /// A text of at most 255 characters that is not blank.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let Some(text) = self.raw(name) else { return Ok(None) };
        if text.trim().is_empty() || text.chars().count() > TEXT_CHARS {
            return Err(Refusal::field(name, "must be 1 to 255 characters, not all blank"));
        }
        Ok(Some(text))
    }

    /// A time with an offset, or local to `zone`.
    pub(crate) fn time(&self, name: &str, zone: &Zone) -> Result<Option<Instant>, Refusal> {
        let Some(text) = self.raw(name) else { return Ok(None) };
        read_time(text, zone).map(Some).map_err(|fault| fault.refusal(name, text))
    }

    /// A power in MW of at most `bound`.
    pub(crate) fn megawatts(
        &self,
        name: &str,
        bound: Quantity,
    ) -> Result<Option<Quantity>, Refusal> {
        let Some(text) = self.raw(name) else { return Ok(None) };
        megawatts(text, bound)
            .map(Some)
            .ok_or_else(|| Refusal::field(name, "must be a number of MW within the value bound"))
    }

    /// The unit that two fields name.
    pub(crate) fn unit(&self, type_field: &str, no_field: &str) -> Result<Unit, Refusal> {
        let field = |name: &str| self.raw(name).unwrap_or_default();
        path::unit((type_field, field(type_field)), (no_field, field(no_field)))
    }
}

/// `text` as a power in MW, if it is a number within `bound`.
pub(crate) fn megawatts(text: &str, bound: Quantity) -> Option<Quantity> {
    let power = Decimal::parse(text).ok()?.to_quantity(Measure::MegaWatt, Period::new(60)?).ok()?;
    (power.0.abs() <= bound.0).then_some(power)
}

/// Reads a statement whose fields are known.
struct Known<'k>(&'k [&'static str]);

impl<'b> DeserializeSeed<'b> for Known<'_> {
    type Value = Statement;

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<Statement, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'b> Visitor<'b> for Known<'_> {
    type Value = Statement;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an object of {}", self.0.join(", "))
    }

    fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<Statement, A::Error> {
        let mut statement = Statement::default();
        let mut seen = Vec::new();
        while let Some(Text(name)) = map.next_key()? {
            let known = self.0.iter().find(|field| field.eq_ignore_ascii_case(&name));
            let Some(field) = known.copied() else {
                return Err(A::Error::custom(format!("unknown field `{name}`")));
            };
            if seen.contains(&field) {
                return Err(A::Error::custom(format!("field `{field}` is given twice")));
            }
            seen.push(field);
            let raw: &RawValue = map.next_value()?;
            if let Some(value) = scalar(field, raw.get())? {
                statement.fields.push((field, value.into_owned()));
            }
        }
        Ok(statement)
    }
}

/// A text, or a number as it is written; none for null.
fn scalar<'t, E: Error>(field: &str, json: &'t str) -> Result<Option<Cow<'t, str>>, E> {
    match json.as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b'"') => {
            serde_json::from_str(json).map(Some).map_err(|error| E::custom(error.to_string()))
        }
        Some(b'-' | b'0'..=b'9') => Ok(Some(Cow::Borrowed(json))),
        _ => Err(E::custom(format!("field `{field}` must be a text or a number"))),
    }
}
