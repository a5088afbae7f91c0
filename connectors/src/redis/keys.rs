//! Names of keys, and what their texts stand for.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use smartpulse_operators::series::{Kind, Provider, Series};
use smartpulse_operators::time::Period;
use smartpulse_operators::total::Total;
use smartpulse_operators::unit::{Unit, UnitType};

/// What is written as it is in a key; all else as `%XX` of its UTF-8 bytes.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A total of one kind and provider: its days are one hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TotalSeries {
    pub(crate) total: Total,
    pub(crate) kind: Kind,
    pub(crate) provider: Provider,
}

/// The keys of one engine.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Keys {
        Keys { prefix: prefix.to_owned() }
    }

    /// The hash of what a name of [`series_name`] or [`total_name`] stands for.
    pub(crate) fn of(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    /// The stream of epochs.
    pub(crate) fn stream(&self) -> String {
        self.of("{stream}")
    }

    /// How far it is, and whose it is.
    pub(crate) fn state(&self) -> String {
        self.of("{stream}:state")
    }

    /// Names of series with their ids and newest versions.
    pub(crate) fn series(&self) -> String {
        self.of("{stream}:series")
    }

    /// Names of totals with their newest versions.
    pub(crate) fn totals(&self) -> String {
        self.of("{stream}:totals")
    }

    /// Who belongs to totals.
    pub(crate) fn members(&self) -> String {
        self.of("{stream}:members")
    }

    /// What is said of units.
    pub(crate) fn units(&self) -> String {
        self.of("{stream}:units")
    }

    /// Withdrawn batches.
    pub(crate) fn withdrawn(&self) -> String {
        self.of("{stream}:withdrawn")
    }

    /// All that lies in the slot of the stream, the state first.
    pub(crate) fn beside_the_stream(&self) -> [String; 7] {
        [
            self.state(),
            self.stream(),
            self.series(),
            self.totals(),
            self.members(),
            self.units(),
            self.withdrawn(),
        ]
    }

    /// Every channel of patches, as a pattern.
    pub(crate) fn all_channels(&self) -> String {
        format!("__dataChanged:{}/*", self.prefix)
    }

    /// The channel of the patches of a series.
    pub(crate) fn channel(&self, series: &Series) -> String {
        let Series { kind, unit, provider, period } = series;
        let (word, number) = (unit.unit_type.word(), unit.unit_no);
        let (kind, provider) = (kind.word(), encoded(provider.key()));
        let minutes = period.minutes();
        format!("__dataChanged:{}/{word}/{number}:{kind}:{provider}/{minutes}", self.prefix)
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

fn decoded(text: &str) -> Option<String> {
    Some(percent_decode_str(text).decode_utf8().ok()?.into_owned())
}

/// `{PP:100}:forecast:PROVIDER:15`; the braces make a cluster keep the hashes of a unit together.
pub(crate) fn series_name(series: &Series) -> String {
    let Series { kind, unit, provider, period } = series;
    let (kind, provider, minutes) = (kind.word(), encoded(provider.key()), period.minutes());
    format!("{{{}}}:{kind}:{provider}:{minutes}", unit_name(*unit))
}

/// The series of a name.
pub(crate) fn series_of(name: &str) -> Option<Series> {
    let (unit, rest) = name.strip_prefix('{')?.split_once("}:")?;
    let mut words = rest.split(':');
    let series = Series {
        unit: unit_of(unit)?,
        kind: Kind::parse(words.next()?)?,
        provider: Provider::parse(&decoded(words.next()?)?)?,
        period: Period::new(words.next()?.parse().ok()?)?,
    };
    words.next().is_none().then_some(series)
}

/// `PP:100`
pub(crate) fn unit_name(unit: Unit) -> String {
    format!("{}:{}", unit.unit_type.word(), unit.unit_no)
}

/// The unit of a name.
pub(crate) fn unit_of(name: &str) -> Option<Unit> {
    let (word, number) = name.split_once(':')?;
    Some(Unit { unit_type: UnitType::parse(word)?, unit_no: Unit::parse_no(number)? })
}

/// `company:17`, `region:North%20Sea`
pub(crate) fn members_name(total: &Total) -> String {
    format!("{}:{}", total.dimension(), encoded(&total.key()))
}

/// The total of a name.
pub(crate) fn members_of(name: &str) -> Option<Total> {
    let (dimension, key) = name.split_once(':')?;
    Total::parse(dimension, &decoded(key)?)
}

/// `{company:17}:total:forecast:PROVIDER`
pub(crate) fn total_name(total: &TotalSeries) -> String {
    let TotalSeries { total, kind, provider } = total;
    let (kind, provider) = (kind.word(), encoded(provider.key()));
    format!("{{{}}}:total:{kind}:{provider}", members_name(total))
}

/// The total of a name.
pub(crate) fn total_of(name: &str) -> Option<TotalSeries> {
    let (total, rest) = name.strip_prefix('{')?.split_once("}:total:")?;
    let (kind, provider) = rest.split_once(':')?;
    Some(TotalSeries {
        total: members_of(total)?,
        kind: Kind::parse(kind)?,
        provider: Provider::parse(&decoded(provider)?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_one_thing_whatever_its_words() {
        for key in ["FinalForecast", "a:b}{c", "  ", "Übung %41", "x/y?*"].map(Provider::parse) {
            let Some(provider) = key else { continue };
            for unit_type in [UnitType::PowerPlant, UnitType::Company, UnitType::Group] {
                let unit = Unit { unit_type, unit_no: u64::MAX >> 1 };
                let period = Period::new(15).unwrap();
                let series =
                    Series { kind: Kind::Actual, unit, provider: provider.clone(), period };
                let name = series_name(&series);
                assert_eq!(series_of(&name).as_ref(), Some(&series), "{name}");
                assert_eq!(name.matches(['{', '}']).count(), 2, "{name}");
            }
            let text = provider.key();
            for total in [
                Total::All,
                Total::Group(3),
                Total::Region(text.into()),
                Total::PlantType(text.into()),
            ] {
                let series =
                    TotalSeries { total, kind: Kind::Forecast, provider: provider.clone() };
                assert_eq!(total_of(&total_name(&series)).as_ref(), Some(&series));
            }
        }
        for name in ["", "{PP:1}", "{PP:0}:forecast:P:15", "{PP:1}:forecast:P:7", "{PP:1}:f:P:15:2"]
        {
            assert_eq!(series_of(name), None, "{name}");
        }
    }
}
