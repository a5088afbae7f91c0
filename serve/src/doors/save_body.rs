//! The body of a save as it is written: names in any case, long or short, numbers as exact text.
//!
//! Nothing is judged here beyond the form of the JSON; `save_shape` does that, with the field's path.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use smartpulse_operators::time::Instant;

use super::refusal::Refusal;

/// The body of a save.
#[derive(Debug, Default)]
pub(crate) struct SaveBody<'b> {
    pub(crate) entries: Option<Option<Vec<EntryBody<'b>>>>,
    /// A number or a word, as it is written.
    pub(crate) measure: Option<&'b str>,
    pub(crate) note: Option<Option<Text<'b>>>,
    pub(crate) valid_after: Option<Option<Text<'b>>>,
    /// Old clients send `userId`; who saved is known from the token alone.
    pub(super) unbelieved: Option<IgnoredAny>,
}

/// One curve of it.
#[derive(Debug, Default)]
pub(crate) struct EntryBody<'b> {
    pub(crate) unit_type: Option<Option<Text<'b>>>,
    pub(crate) unit_no: Option<Option<i64>>,
    pub(crate) period: Option<i64>,
    pub(crate) predictions: Option<Option<Vec<PredictionBody<'b>>>>,
    /// The legacy normalised form: slots by their index from the first delivery.
    pub(crate) normalized: Option<Option<Vec<PredictionBody<'b>>>>,
    pub(crate) first_start: Option<Option<Text<'b>>>,
    /// Notes, providers and create dates of the normalised form: the save itself says them.
    pub(super) unbelieved: [Option<IgnoredAny>; 3],
    pub(crate) apply_final_forecast: Option<Option<bool>>,
    pub(crate) conform_upper_limit: Option<Option<bool>>,
}

/// One value of it.
#[derive(Debug, Default)]
pub(crate) struct PredictionBody<'b> {
    pub(crate) start: Option<Text<'b>>,
    /// The start where it is no text but a cell of a column.
    pub(crate) at: Option<Instant>,
    /// Slots from the first delivery, in the normalised form.
    pub(crate) index: Option<i64>,
    /// Places of create date, note and provider in the normalised form.
    pub(super) unbelieved: [Option<IgnoredAny>; 3],
    /// A number of any size, or `null`, as it is written.
    pub(crate) value: Option<&'b str>,
}

/// A string, borrowed from the body where it holds no escape.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'b>(#[serde(borrow)] pub(crate) Cow<'b, str>);

impl<'b> SaveBody<'b> {
    /// Reads a body.
    pub(crate) fn parse(bytes: &'b [u8]) -> Result<SaveBody<'b>, Refusal> {
        // Once for all of it, not string by string; where it is no text, the bytes tell the place.
        let parsed = match str::from_utf8(bytes) {
            Ok(text) => serde_json::from_str::<Object<SaveBody<'b>>>(text),
            Err(_) => serde_json::from_slice(bytes),
        };
        parsed.map(|object| object.0).map_err(|error| unreadable(&error))
    }
}

/// The refusal of a body that is no JSON of the expected form, with the place.
pub(crate) fn unreadable(error: &serde_json::Error) -> Refusal {
    let message = error.to_string();
    Refusal::Unreadable { message, line: error.line(), column: error.column() }
}

/// An object whose fields are known by name in any case.
trait Fields<'b>: Default {
    /// What the object is, for messages.
    const NAME: &'static str;

    /// Reads the value of the field `name`; false where there is no such field.
    fn field<A: MapAccess<'b>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error>;
}

/// Reads a `T` from a JSON object.
struct Object<T>(T);

impl<'b, T: Fields<'b>> Deserialize<'b> for Object<T> {
    fn deserialize<D: Deserializer<'b>>(deserializer: D) -> Result<Object<T>, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'b, T: Fields<'b>> Visitor<'b> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(T::NAME)
    }

    fn visit_map<A: MapAccess<'b>>(self, mut map: A) -> Result<Object<T>, A::Error> {
        let mut object = T::default();
        while let Some(Text(name)) = map.next_key()? {
            if !object.field(&name, &mut map)? {
                return Err(A::Error::custom(format!("unknown field `{name}` in {}", T::NAME)));
            }
        }
        Ok(Object(object))
    }
}

/// Reads a field that may stand only once, in whatever spelling.
fn once<'b, T: Deserialize<'b>, A: MapAccess<'b>>(
    place: &mut Option<T>,
    name: &str,
    map: &mut A,
) -> Result<bool, A::Error> {
    refuse_second(place, name)?;
    *place = Some(map.next_value().map_err(|error| within(name, &error))?);
    Ok(true)
}

/// The same for a value that is kept as it is written.
fn written<'b, A: MapAccess<'b>>(
    place: &mut Option<&'b str>,
    name: &str,
    map: &mut A,
) -> Result<bool, A::Error> {
    refuse_second(place, name)?;
    let value: &RawValue = map.next_value().map_err(|error| within(name, &error))?;
    *place = Some(value.get());
    Ok(true)
}

/// The same for a list of objects, or null.
fn list<'b, T: Fields<'b>, A: MapAccess<'b>>(
    place: &mut Option<Option<Vec<T>>>,
    name: &str,
    map: &mut A,
) -> Result<bool, A::Error> {
    refuse_second(place, name)?;
    let objects: Option<Vec<Object<T>>> = map.next_value().map_err(|error| within(name, &error))?;
    *place = Some(objects.map(|list| list.into_iter().map(|object| object.0).collect()));
    Ok(true)
}

/// The same error with the field it is in; line and column at its end are kept.
fn within<E: Error>(name: &str, error: &E) -> E {
    E::custom(format_args!("{name}: {error}"))
}

fn refuse_second<T, E: Error>(place: &Option<T>, name: &str) -> Result<(), E> {
    match place {
        Some(_) => Err(E::custom(format!("field `{name}` is given twice"))),
        None => Ok(()),
    }
}

fn is(name: &str, spellings: &[&str]) -> bool {
    spellings.iter().any(|spelling| name.eq_ignore_ascii_case(spelling))
}

impl<'b> Fields<'b> for SaveBody<'b> {
    const NAME: &'static str = "a save";

    fn field<A: MapAccess<'b>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            _ if is(name, &["unitForecastList"]) => list(&mut self.entries, name, map),
            _ if is(name, &["measureUnit", "mu"]) => written(&mut self.measure, name, map),
            _ if is(name, &["note"]) => once(&mut self.note, name, map),
            _ if is(name, &["validAfter"]) => once(&mut self.valid_after, name, map),
            _ if is(name, &["userId"]) => once(&mut self.unbelieved, name, map),
            _ => Ok(false),
        }
    }
}

impl<'b> Fields<'b> for EntryBody<'b> {
    const NAME: &'static str = "an entry of unitForecastList";

    fn field<A: MapAccess<'b>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            _ if is(name, &["unitNo"]) => once(&mut self.unit_no, name, map),
            _ if is(name, &["unitType"]) => once(&mut self.unit_type, name, map),
            _ if is(name, &["period"]) => once(&mut self.period, name, map),
            _ if is(name, &["predictions"]) => list(&mut self.predictions, name, map),
            _ if is(name, &["normalizedPredictions"]) => list(&mut self.normalized, name, map),
            _ if is(name, &["fds", "firstDeliveryStart"]) => once(&mut self.first_start, name, map),
            _ if is(name, &["cs", "createDates"]) => once(&mut self.unbelieved[0], name, map),
            _ if is(name, &["bns", "batchNotes"]) => once(&mut self.unbelieved[1], name, map),
            _ if is(name, &["ps", "providers"]) => once(&mut self.unbelieved[2], name, map),
            _ if is(name, &["applyFinalForecast"]) => {
                once(&mut self.apply_final_forecast, name, map)
            }
            _ if is(name, &["conformUpperLimit"]) => once(&mut self.conform_upper_limit, name, map),
            _ => Ok(false),
        }
    }
}

impl<'b> Fields<'b> for PredictionBody<'b> {
    const NAME: &'static str = "a prediction";

    fn field<A: MapAccess<'b>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            _ if is(name, &["ds", "deliveryStart"]) => once(&mut self.start, name, map),
            _ if is(name, &["v", "value"]) => written(&mut self.value, name, map),
            _ if is(name, &["idx", "index"]) => once(&mut self.index, name, map),
            _ if is(name, &["ci"]) => once(&mut self.unbelieved[0], name, map),
            _ if is(name, &["bni"]) => once(&mut self.unbelieved[1], name, map),
            _ if is(name, &["pi"]) => once(&mut self.unbelieved[2], name, map),
            _ => Ok(false),
        }
    }
}
