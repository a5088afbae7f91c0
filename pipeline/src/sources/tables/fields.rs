//! The fields of a row by name, whatever columns they come from.

use std::borrow::Cow;
use std::collections::BTreeMap;

use smartpulse_connectors::{Field, Moment, TableMapping, TableName, postgres_moment};
use smartpulse_operators::time::Instant;
use smartpulse_operators::unit::{Unit, UnitType};

/// A row by column; none where it has no value.
pub(in crate::sources) type Row = BTreeMap<String, Option<String>>;

/// Names by table and key.
pub(in crate::sources) type Names = BTreeMap<TableName, BTreeMap<String, String>>;

/// Why a row says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sources) struct RowFault {
    pub(in crate::sources) field: String,
    pub(in crate::sources) rule: &'static str,
}

impl std::fmt::Display for RowFault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} must be {}", self.field, self.rule)
    }
}

pub(in crate::sources) fn fault(field: &str, rule: &'static str) -> RowFault {
    RowFault { field: field.to_owned(), rule }
}

/// A row with what its table means.
#[derive(Clone, Copy)]
pub(in crate::sources) struct Fields<'r> {
    pub(in crate::sources) mapping: &'r TableMapping,
    pub(in crate::sources) row: &'r Row,
    pub(in crate::sources) names: &'r Names,
}

impl<'r> Fields<'r> {
    /// The text of a field; none where there is no value.
    pub(in crate::sources) fn text(&self, field: &str) -> Option<Cow<'r, str>> {
        match self.mapping.fields.get(field)? {
            Field::Value(value) => Some(Cow::Borrowed(value)),
            Field::Column { column, names: None, .. } => {
                self.row.get(column)?.as_deref().map(Cow::Borrowed)
            }
            Field::Column { column, names: Some(table), .. } => {
                let key = self.row.get(column)?.as_deref()?;
                self.names.get(table)?.get(key).map(|name| Cow::Borrowed(name.as_str()))
            }
        }
    }

    pub(in crate::sources) fn owned(&self, field: &str) -> Option<String> {
        self.text(field).map(Cow::into_owned).filter(|text| !text.is_empty())
    }

    /// The unit that two fields name.
    pub(in crate::sources) fn unit(
        &self,
        type_field: &str,
        no_field: &str,
    ) -> Result<Unit, RowFault> {
        let unit_type = self.text(type_field).and_then(|text| UnitType::parse(&text));
        let unit_type = unit_type.ok_or_else(|| fault(type_field, "PP, CMP or GRP"))?;
        let unit_no = self.text(no_field).and_then(|text| Unit::parse_no(&text));
        let unit_no = unit_no.ok_or_else(|| fault(no_field, "a positive integer"))?;
        Ok(Unit { unit_type, unit_no })
    }

    /// The moment in a field; none where there is no value.
    pub(in crate::sources) fn moment(&self, field: &str) -> Result<Option<Moment>, RowFault> {
        let Some(text) = self.text(field) else { return Ok(None) };
        let zone = match self.mapping.fields.get(field) {
            Some(Field::Column { zone, .. }) => zone.as_ref(),
            _ => None,
        };
        let moment = postgres_moment(&text, zone);
        moment.map(Some).ok_or_else(|| fault(field, "an instant that is there once"))
    }

    /// From when on something holds: always, where nothing is said.
    pub(in crate::sources) fn beginning(&self, field: &str) -> Result<Instant, RowFault> {
        match self.moment(field)? {
            None | Some(Moment::Beginning) => Ok(Instant::MIN),
            Some(Moment::At(instant)) => Ok(instant),
            Some(Moment::End) => Err(fault(field, "an instant, not infinity")),
        }
    }

    /// Until when something holds; none: for ever.
    pub(in crate::sources) fn end(&self, field: &str) -> Result<Option<Instant>, RowFault> {
        match self.moment(field)? {
            None | Some(Moment::End) => Ok(None),
            Some(Moment::At(instant)) => Ok(Some(instant)),
            Some(Moment::Beginning) => Err(fault(field, "an instant, not -infinity")),
        }
    }

    /// A truth value; `usual` where there is none.
    pub(in crate::sources) fn flag(&self, field: &str, usual: bool) -> Result<bool, RowFault> {
        match self.text(field).as_deref() {
            None => Ok(usual),
            Some("t" | "true" | "1") => Ok(true),
            Some("f" | "false" | "0") => Ok(false),
            Some(_) => Err(fault(field, "true or false")),
        }
    }
}
