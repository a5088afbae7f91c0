//! A curve as JSON text, written slot by slot: what a batch says of its rows is written once a batch.

use serde_json::Value;
use smartpulse_operators::batch::Batch;
use smartpulse_operators::quantity::{Measure, Quantity};
use smartpulse_operators::series::Series;
use smartpulse_operators::time::Instant;

use super::clock_text::ClockText;

/// The word of a measure unit in answers.
pub(crate) fn measure_word(measure: Measure) -> &'static str {
    match measure {
        Measure::KiloWatt => "kW",
        Measure::MegaWatt => "MW",
        Measure::KiloWattHour => "kWh",
        Measure::MegaWattHour => "MWh",
    }
}

/// One slot of a curve that has a value.
#[derive(Clone, Debug)]
pub(crate) struct Row<B> {
    pub(crate) start: Instant,
    pub(crate) value: i64,
    /// The batch of the row shown, owned or borrowed.
    pub(crate) shown: B,
}

/// How curves are written.
#[derive(Clone, Debug)]
pub(crate) struct CurveText {
    pub(crate) measure: Measure,
    pub(crate) clock: ClockText,
    /// With create date, note and provider of each row.
    pub(crate) details: bool,
    /// What rows have in common is written once: the legacy normalised form.
    pub(crate) normalized: bool,
}

impl CurveText {
    /// Appends the element of `series` with its `rows`.
    pub(crate) fn write<B: AsRef<Batch>>(
        &self,
        series: &Series,
        rows: &[Row<B>],
        text: &mut String,
    ) {
        if self.normalized {
            return super::normalized::write(self, series, rows, text);
        }
        let measure = measure_word(self.measure);
        let provider = Value::from(series.provider.key()).to_string();
        let (unit_type, unit_no) = (series.unit.unit_type.word(), series.unit.unit_no);
        let period = series.period.minutes();
        text.reserve(128 + rows.len() * 128);
        text.push_str(&format!(
            r#"{{"unitType":"{unit_type}","unitNo":{unit_no},"providerKey":{provider},"#
        ));
        text.push_str(&format!(r#""period":{period},"measureUnit":"{measure}","predictions":["#));
        let mut tail: (Option<&Batch>, String) = (None, String::new());
        for (index, row) in rows.iter().enumerate() {
            let shown = row.shown.as_ref();
            if tail.0.is_none_or(|batch| !std::ptr::eq(batch, shown)) {
                tail = (Some(shown), self.tail(shown, &provider, measure));
            }
            text.push_str(if index == 0 { r#"{"ds":""# } else { r#",{"ds":""# });
            self.clock.write(row.start, text);
            text.push_str(r#"","v":"#);
            Quantity(row.value).write_in(self.measure, series.period, text);
            text.push_str(&tail.1);
        }
        text.push_str("]}");
    }

    /// What follows the value in each row of `batch`.
    fn tail(&self, batch: &Batch, provider: &str, measure: &str) -> String {
        let mut text = String::new();
        if self.details {
            text.push_str(r#","c":""#);
            self.clock.write(batch.recorded, &mut text);
            text.push('"');
            if let Some(note) = &batch.note {
                text.push_str(&format!(r#","bn":{}"#, Value::from(note.as_str())));
            }
            text.push_str(&format!(r#","pk":{provider}"#));
        }
        text.push_str(&format!(r#","mu":"{measure}"}}"#));
        text
    }
}
