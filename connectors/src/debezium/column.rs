//! Values of columns as Debezium writes them, back to the texts of Postgres.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use smartpulse_operators::time::Instant;

use super::settings::{DebeziumDecimals, DebeziumTimes};

/// Microseconds in a day.
const DAY: i64 = 86_400_000_000;
/// What stands for the moments before and after all others (`PGStatement` of the Postgres driver for Java), in whatever
/// a column counts.
const INFINITY: [i64; 2] = [9_223_372_036_825_200_000, 9_223_372_036_825_200];
const BEFORE_ALL: [i64; 2] = [-9_223_372_036_832_400_000, -9_223_372_036_832_400];

/// The type of a column whose values do not tell it, as a mapping declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// `numeric(p,s)`.
    Numeric {
        /// Digits behind the point.
        scale: u32,
    },
    /// `timestamp(p)`, without a zone.
    Timestamp {
        /// Digits of its seconds behind the point.
        digits: u32,
    },
    /// `timestamptz`.
    Zoned,
    /// `date`.
    Date,
}

/// What a value in an envelope means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnForm {
    /// What it says.
    Plain,
    /// Base64 of an unscaled number in big-endian two's complement.
    Decimal {
        /// Digits behind the point.
        scale: u32,
    },
    /// A wall-clock time, counted from 1970.
    Epoch {
        /// In how many parts of a second.
        per_second: i64,
    },
    /// An instant, in ISO 8601.
    Zoned,
    /// Days since 1970.
    Days,
}

/// A value of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// No value.
    Null,
    /// As it was before: too long to be repeated.
    Unchanged,
    /// As Postgres writes it.
    Text(String),
}

impl ColumnType {
    /// Reads `numeric(p,s)`, `timestamp(p)`, `timestamptz` or `date`.
    #[must_use]
    pub fn parse(text: &str) -> Option<ColumnType> {
        let text: String = text.chars().filter(|letter| *letter != ' ').collect();
        let (name, inner) = match text.split_once('(') {
            Some((name, rest)) => (name, Some(rest.strip_suffix(')')?)),
            None => (text.as_str(), None),
        };
        match (name, inner) {
            ("numeric" | "decimal", Some(inner)) => {
                let scale = inner.split_once(',').map_or("0", |(_, scale)| scale);
                let scale = scale.parse().ok().filter(|scale| *scale <= 1_000)?;
                Some(ColumnType::Numeric { scale })
            }
            ("timestamp", None) => Some(ColumnType::Timestamp { digits: 6 }),
            ("timestamp", Some(digits)) => {
                let digits = digits.parse().ok().filter(|digits| *digits <= 6)?;
                Some(ColumnType::Timestamp { digits })
            }
            ("timestamptz", None) => Some(ColumnType::Zoned),
            ("date", None) => Some(ColumnType::Date),
            _ => None,
        }
    }

    /// How its values come where no schema says so.
    #[must_use]
    pub fn form(self, decimals: DebeziumDecimals, times: DebeziumTimes) -> ColumnForm {
        match self {
            ColumnType::Numeric { scale } => match decimals {
                DebeziumDecimals::Precise => ColumnForm::Decimal { scale },
                DebeziumDecimals::String | DebeziumDecimals::Double => ColumnForm::Plain,
            },
            ColumnType::Timestamp { digits } => {
                let per_second = match times {
                    DebeziumTimes::Adaptive if digits > 3 => 1_000_000,
                    DebeziumTimes::Adaptive | DebeziumTimes::Connect => 1_000,
                    DebeziumTimes::Microseconds => 1_000_000,
                    DebeziumTimes::Nanoseconds => 1_000_000_000,
                };
                ColumnForm::Epoch { per_second }
            }
            ColumnType::Zoned => ColumnForm::Zoned,
            ColumnType::Date => ColumnForm::Days,
        }
    }
}

impl ColumnForm {
    /// How values come that a schema describes: by the name of what they mean, and its scale.
    #[must_use]
    pub fn of_schema(name: &str, scale: Option<u32>) -> ColumnForm {
        let epoch = |per_second| ColumnForm::Epoch { per_second };
        match name {
            "org.apache.kafka.connect.data.Decimal" => {
                ColumnForm::Decimal { scale: scale.unwrap_or(0) }
            }
            "io.debezium.time.Timestamp"
            | "org.apache.kafka.connect.data.Timestamp"
            | "io.debezium.time.IsoTimestamp" => epoch(1_000),
            "io.debezium.time.MicroTimestamp" => epoch(1_000_000),
            "io.debezium.time.NanoTimestamp" => epoch(1_000_000_000),
            "io.debezium.time.ZonedTimestamp" => ColumnForm::Zoned,
            "io.debezium.time.Date" | "org.apache.kafka.connect.data.Date" => ColumnForm::Days,
            _ => ColumnForm::Plain,
        }
    }

    /// The text that Postgres has for a value; `unavailable` stands for what was too long to be repeated.
    ///
    /// # Errors
    /// What the value must be.
    pub fn told(self, value: &Value, unavailable: &str) -> Result<Told, &'static str> {
        if is_unavailable(value, unavailable) {
            return Ok(Told::Unchanged);
        }
        let text = match (self, value) {
            (_, Value::Null) => return Ok(Told::Null),
            (ColumnForm::Decimal { scale }, Value::String(written)) => {
                decimal(written, i64::from(scale)).ok_or("base64 of a number")?
            }
            (ColumnForm::Epoch { per_second }, Value::Number(count)) => {
                let count = count.as_i64().ok_or("a whole number")?;
                moment(count, per_second).ok_or("an instant of the years 1 to 9998")?
            }
            (ColumnForm::Epoch { .. }, Value::String(written)) => {
                written.replacen('T', " ", 1).trim_end_matches('Z').to_owned()
            }
            (ColumnForm::Days, Value::Number(days)) => {
                let days = days.as_i64().and_then(|days| days.checked_mul(DAY));
                let text = days.map(|at| Instant(at).to_string());
                let date = text.as_deref().and_then(|text| text.split_once('T'));
                date.ok_or("days since 1970")?.0.to_owned()
            }
            (ColumnForm::Zoned, Value::String(written)) => zoned(written),
            (_, Value::Object(parts)) => match (parts.get("scale"), parts.get("value")) {
                (Some(scale), Some(Value::String(written))) if parts.len() == 2 => {
                    let scale = scale.as_i64().ok_or("a number with its scale")?;
                    decimal(written, scale).ok_or("a number with its scale")?
                }
                _ => value.to_string(),
            },
            (_, value) => plain(value),
        };
        Ok(Told::Text(text))
    }
}

fn is_unavailable(value: &Value, unavailable: &str) -> bool {
    match value {
        Value::String(text) => text == unavailable || *text == STANDARD.encode(unavailable),
        Value::Array(items) => items.len() == 1 && is_unavailable(&items[0], unavailable),
        _ => false,
    }
}

/// A number of which base64 holds the unscaled bytes, big-endian and in two's complement.
fn decimal(written: &str, scale: i64) -> Option<String> {
    let bytes = STANDARD.decode(written).ok().filter(|bytes| !bytes.is_empty())?;
    let is_negative = bytes[0] & 0x80 != 0;
    let mut magnitude = bytes;
    if is_negative {
        let mut carry = true;
        for byte in magnitude.iter_mut().rev() {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    let mut digits = digits(&magnitude);
    if scale <= 0 {
        let zeros = usize::try_from(-scale).ok().filter(|zeros| *zeros <= 1_000)?;
        if digits != "0" {
            digits.extend(std::iter::repeat_n('0', zeros));
        }
    } else {
        let scale = usize::try_from(scale).ok().filter(|scale| *scale <= 20_000)?;
        let short = (scale + 1).saturating_sub(digits.len());
        digits.insert_str(0, &"0".repeat(short));
        digits.insert(digits.len() - scale, '.');
    }
    Some(if is_negative { format!("-{digits}") } else { digits })
}

/// The decimal digits of a big-endian number.
fn digits(bytes: &[u8]) -> String {
    const PART: u64 = 1_000_000_000;
    // Least first.
    let mut parts: Vec<u64> = vec![0];
    for byte in bytes {
        let mut carry = u64::from(*byte);
        for part in &mut parts {
            let sum = *part * 256 + carry;
            (*part, carry) = (sum % PART, sum / PART);
        }
        if carry > 0 {
            parts.push(carry);
        }
    }
    let mut parts = parts.into_iter().rev();
    let mut text = parts.next().unwrap_or(0).to_string();
    for part in parts {
        text.push_str(&format!("{part:09}"));
    }
    text
}

/// A wall-clock time as Postgres writes it.
fn moment(count: i64, per_second: i64) -> Option<String> {
    if INFINITY.contains(&count) && (count == INFINITY[0] || per_second == 1_000) {
        return Some("infinity".to_owned());
    }
    if BEFORE_ALL.contains(&count) && (count == BEFORE_ALL[0] || per_second == 1_000) {
        return Some("-infinity".to_owned());
    }
    let micro = i128::from(count) * 1_000_000 / i128::from(per_second);
    let micro = i64::try_from(micro).ok()?;
    let text = Instant(micro).to_string();
    // What the calendar does not have is not written like this.
    Instant::parse(&text)?;
    Some(text.strip_suffix('Z')?.replacen('T', " ", 1))
}

/// An instant as Postgres writes it in UTC; a wall-clock time likewise, without a zone.
fn zoned(written: &str) -> String {
    match Instant::parse(written) {
        Some(instant) => {
            instant.to_string().replacen('T', " ", 1).trim_end_matches('Z').to_owned() + "+00"
        }
        None => written.replacen('T', " ", 1),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Bool(true) => "t".to_owned(),
        Value::Bool(false) => "f".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(item).collect();
            format!("{{{}}}", items.join(","))
        }
        Value::Number(number) if number.is_f64() => real(number.as_f64().unwrap_or_default()),
        other => other.to_string(),
    }
}

/// No object is this.
const UNUSED: &str = "\0";

/// An item of an array (Postgres documentation, "Array Input and Output Syntax").
fn item(value: &Value) -> String {
    let text = match value {
        Value::Null => return "NULL".to_owned(),
        Value::Array(_) => return plain(value),
        // A number whose digits behind the point differ from item to item.
        Value::Object(_) => match ColumnForm::Plain.told(value, UNUSED) {
            Ok(Told::Text(text)) => text,
            _ => value.to_string(),
        },
        other => plain(other),
    };
    let is_plain = !text.is_empty()
        && !text.eq_ignore_ascii_case("null")
        && !text.contains(|letter: char| "{}\",\\".contains(letter) || letter.is_whitespace());
    if is_plain {
        return text;
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The shortest text that is read back as the same, with an exponent where Postgres has one.
fn real(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-4..1e15).contains(&size) {
        return value.to_string();
    }
    let text = format!("{value:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{exponent:0>2}")
}

#[cfg(test)]
#[path = "column/tests.rs"]
mod tests;
