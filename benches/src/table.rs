//! The rows of a run, each beside its references: as a table for people and as one object of JSON.
//!
//! Names and fields are fixed by the interface; what a row says beyond them stands in `more`.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::figures::{Percentiles, median, quartiles};
use crate::machine::Machine;

/// Which of two values is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    /// The greater: rates.
    More,
    /// The smaller: times, bytes.
    Less,
}

/// A quantity as measured several times.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measured {
    /// What stands for all runs: the median, of a latency the p50 of all samples.
    pub(crate) value: f64,
    /// One value a run.
    pub(crate) runs: Vec<f64>,
    /// Of a latency, in microseconds.
    pub(crate) percentiles: Option<Percentiles>,
}

/// A row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    name: String,
    unit: &'static str,
    better: Better,
    measured: Measured,
    references: Vec<(&'static str, Measured)>,
    more: Map<String, Value>,
    /// Words for people.
    remarks: Vec<String>,
}

/// The rows of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
}

impl Measured {
    /// The median of some runs.
    pub(crate) fn of(runs: Vec<f64>) -> Measured {
        Measured { value: median(&runs), runs, percentiles: None }
    }

    /// A latency: the samples of each run, in microseconds.
    pub(crate) fn latency(runs: &[Vec<u32>]) -> Measured {
        let all = Percentiles::of(&runs.concat());
        let runs = runs.iter().map(|samples| Percentiles::of(samples).p50).collect();
        Measured { value: all.p50, runs, percentiles: Some(all) }
    }

    fn fields(&self) -> Map<String, Value> {
        let (low, high) = quartiles(&self.runs);
        let mut fields = Map::new();
        fields.insert("value".to_owned(), json!(self.value));
        fields.insert("spread".to_owned(), json!(high - low));
        fields.insert("quartiles".to_owned(), json!([low, high]));
        fields.insert("runs".to_owned(), json!(self.runs.len()));
        fields.insert("values".to_owned(), json!(self.runs));
        if let Some(percentiles) = self.percentiles {
            fields.extend(object(percentiles));
        }
        fields
    }
}

impl Row {
    /// A row without references.
    pub(crate) fn new(
        name: impl Into<String>,
        unit: &'static str,
        better: Better,
        measured: Measured,
    ) -> Row {
        let (references, more, remarks) = (Vec::new(), Map::new(), Vec::new());
        Row { name: name.into(), unit, better, measured, references, more, remarks }
    }

    /// And beside it a reference of the same run.
    pub(crate) fn beside(mut self, name: &'static str, measured: Measured) -> Row {
        self.references.push((name, measured));
        self
    }

    /// And what else there is to know, for programs.
    pub(crate) fn with(mut self, name: &str, value: impl Serialize) -> Row {
        self.more.insert(name.to_owned(), json!(value));
        self
    }

    /// And what else there is to know, for people.
    pub(crate) fn remark(mut self, words: impl Into<String>) -> Row {
        self.remarks.push(words.into());
        self
    }

    /// The reference that is hardest to reach.
    fn strongest(&self) -> Option<&(&'static str, Measured)> {
        self.references.iter().reduce(|best, other| {
            let is_better = match self.better {
                Better::More => other.1.value > best.1.value,
                Better::Less => other.1.value < best.1.value,
            };
            if is_better { other } else { best }
        })
    }

    fn ratio(&self, reference: &Measured) -> Option<f64> {
        (reference.value > 0.0).then(|| self.measured.value / reference.value)
    }

    fn json(&self) -> Value {
        let mut row = self.measured.fields();
        row.insert("name".to_owned(), json!(self.name));
        row.insert("unit".to_owned(), json!(self.unit));
        let references = self.references.iter().map(|(name, measured)| {
            let mut fields = measured.fields();
            fields.insert("name".to_owned(), json!(name));
            fields.insert("ratio".to_owned(), json!(self.ratio(measured)));
            Value::Object(fields)
        });
        row.insert("references".to_owned(), references.collect());
        let strongest = self.strongest();
        row.insert("reference".to_owned(), json!(strongest.map(|(name, _)| name)));
        let value = strongest.map(|(_, measured)| measured.value);
        row.insert("referenceValue".to_owned(), json!(value));
        let ratio = strongest.and_then(|(_, measured)| self.ratio(measured));
        row.insert("ratio".to_owned(), json!(ratio));
        for (name, value) in &self.more {
            row.entry(name.clone()).or_insert_with(|| value.clone());
        }
        Value::Object(row)
    }

    /// The lines of the row for people.
    pub(crate) fn lines(&self) -> String {
        let mut text = line(&self.name, self.unit, &self.measured, None);
        for (name, measured) in &self.references {
            let name = format!("  {name}");
            text.push_str(&line(&name, self.unit, measured, self.ratio(measured)));
        }
        for remark in &self.remarks {
            text.push_str(&format!("    {remark}\n"));
        }
        text
    }
}

impl Table {
    /// Adds a row.
    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Takes over the rows of another table.
    pub(crate) fn extend(&mut self, other: Table) {
        self.rows.extend(other.rows);
    }

    /// All rows for people.
    pub(crate) fn text(&self) -> String {
        let head = format!(
            "{:<26} {:>14} {:>30}  {:>5}  {}\n",
            "row", "median", "quartiles of the runs", "runs", "unit"
        );
        self.rows.iter().fold(head, |text, row| text + &row.lines())
    }

    /// All rows for programs.
    pub(crate) fn json(&self, machine: &Machine, quick: bool) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
        json!({ "machine": machine, "quick": quick, "rows": rows })
    }
}

fn line(name: &str, unit: &str, measured: &Measured, ratio: Option<f64>) -> String {
    let (low, high) = quartiles(&measured.runs);
    let spread = format!("{} .. {}", number(low), number(high));
    let (value, runs) = (number(measured.value), measured.runs.len());
    let mut line = format!("{name:<26} {value:>14} {spread:>30}  {runs:>5}  {unit}");
    if let Some(Percentiles { p50: _, p99, p999 }) = measured.percentiles {
        line.push_str(&format!("; p99 {}, p999 {}", number(p99), number(p999)));
    }
    if let Some(ratio) = ratio {
        line.push_str(&format!("; ratio {ratio:.3}"));
    }
    line + "\n"
}

/// A number with as many digits as mean something.
pub(crate) fn number(value: f64) -> String {
    if value.abs() < 100.0 {
        return format!("{value:.3}");
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        let left = digits.len() - place;
        if place > 0 && left.is_multiple_of(3) && digits.as_bytes()[place - 1] != b'-' {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn object(value: impl Serialize) -> Map<String, Value> {
    match json!(value) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_reference_is_repeated() {
        let row =
            Row::new("export-rows", "rows/s", Better::More, Measured::of(vec![6.0, 8.0, 7.0]))
                .beside("pyarrow", Measured::of(vec![5.0]))
                .beside("polars", Measured::of(vec![10.0]))
                .with("checked", 3)
                .with("value", "is not overwritten");
        let json = row.json();
        assert_eq!((&json["name"], &json["value"]), (&json!("export-rows"), &json!(7.0)));
        assert_eq!((&json["runs"], &json["quartiles"][0]), (&json!(3), &json!(6.5)));
        assert_eq!((&json["reference"], &json["referenceValue"]), (&json!("polars"), &json!(10.0)));
        assert_eq!((&json["ratio"], &json["references"][0]["ratio"]), (&json!(0.7), &json!(1.4)));
        assert_eq!(json["checked"], 3);
    }

    #[test]
    fn of_times_the_shortest_is_the_strongest() {
        let measured = Measured::latency(&[vec![10, 20, 30], vec![40]]);
        let row = Row::new("save-latency-25", "µs", Better::Less, measured)
            .beside("a", Measured::of(vec![5.0]))
            .beside("b", Measured::of(vec![4.0]));
        let json = row.json();
        assert_eq!((&json["reference"], &json["ratio"]), (&json!("b"), &json!(5.0)));
        assert_eq!((&json["p50"], &json["value"]), (&json!(20.0), &json!(20.0)));
        assert_eq!((&json["p99"], &json["p999"]), (&json!(40.0), &json!(40.0)));
        assert_eq!(json["values"], json!([20.0, 40.0]));
    }

    #[test]
    fn a_row_without_references_says_so() {
        let json = Row::new("restart-10m", "s", Better::Less, Measured::of(vec![2.0])).json();
        assert_eq!((&json["references"], &json["ratio"]), (&json!([]), &Value::Null));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(12.3456), "12.346");
        assert_eq!(number(1_234_567.8), "1,234,568");
        assert_eq!(number(-123_456.0), "-123,456");
        assert_eq!(number(100.0), "100");
    }
}
