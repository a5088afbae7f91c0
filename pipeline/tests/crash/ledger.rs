//! What was asked for and what was acknowledged: the oracle of a trial.
//!
//! Every save has a value of its own, so that a value that is shown names its save. An acknowledged save must
//! stay for good. One without an answer may have been taken in or not, until its value has been seen: from
//! then on it must stay too.

use std::collections::BTreeMap;

use smartpulse_operators::time::Instant;

/// Slots of the one day of deliveries: hours.
pub(crate) const SLOTS: u8 = 24;
/// The provider of all saves.
pub(crate) const PROVIDER: &str = "CrashSuite";

/// Names a save: its value in hundredths of a MW.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark(pub(crate) u64);

/// A save.
#[derive(Clone, Debug)]
pub(crate) struct Save {
    pub(crate) unit: u64,
    /// First slot, and the one behind the last.
    pub(crate) slots: (u8, u8),
    /// An issue time of its own, long before.
    pub(crate) valid_after: Option<Instant>,
    /// With a key it is asked again until there is an answer; the repetition is the same save.
    pub(crate) key: Option<String>,
    /// The first and the newest run that it was sent to: it was taken in between, if at all.
    pub(crate) runs: (u64, u64),
    pub(crate) accepted: Option<Accepted>,
    pub(crate) withdrawal: Withdrawal,
}

/// What is known of a save that was taken in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Accepted {
    /// It was answered.
    Acknowledged(Receipt),
    /// Its value was seen, with this `recorded`.
    Seen(Instant),
}

/// The answer to a save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) batch: String,
    pub(crate) sequence: u64,
    pub(crate) recorded: Instant,
    pub(crate) epoch: u64,
    pub(crate) saved: u64,
}

/// What is known of a save's withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Withdrawal {
    None,
    /// Asked for, without an answer yet.
    Asked,
    /// Answered, or seen.
    Done,
}

/// All saves by their marks.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) saves: BTreeMap<Mark, Save>,
    /// The units are described: that was acknowledged too.
    pub(crate) has_units: bool,
    /// The newest epoch of any answer.
    pub(crate) epoch: u64,
}

impl Save {
    /// Path and body of the request.
    pub(crate) fn request(&self, mark: Mark) -> (String, String) {
        let path = format!("/api/v2.0/production-forecast/{PROVIDER}/PP/{}/forecasts", self.unit);
        let value = format!("{}.{:02}", mark.0 / 100, mark.0 % 100);
        let predictions: Vec<String> = (self.slots.0..self.slots.1)
            .map(|slot| format!(r#"{{"ds":"{}","v":{value}}}"#, start(slot)))
            .collect();
        let valid_after = self.valid_after.map(|at| format!(r#","validAfter":"{at}""#));
        let body = format!(
            r#"{{"unitForecastList":[{{"period":60,"predictions":[{}]}}]{}}}"#,
            predictions.join(","),
            valid_after.unwrap_or_default()
        );
        (path, body)
    }

    pub(crate) fn values(&self) -> u64 {
        u64::from(self.slots.1 - self.slots.0)
    }

    pub(crate) fn receipt(&self) -> Option<&Receipt> {
        match &self.accepted {
            Some(Accepted::Acknowledged(receipt)) => Some(receipt),
            _ => None,
        }
    }

    fn touches(&self, unit: u64, slot: u8) -> bool {
        self.unit == unit && (self.slots.0..self.slots.1).contains(&slot)
    }

    /// Which of two saves of a slot wins, where both were taken in: the later issued, then the later taken in.
    fn order(&self) -> Option<(Instant, Instant)> {
        let recorded = match self.accepted.as_ref()? {
            Accepted::Acknowledged(receipt) => receipt.recorded,
            Accepted::Seen(recorded) => *recorded,
        };
        Some((self.valid_after.unwrap_or(recorded), recorded))
    }

    /// Whether `self`, taken in and standing, hides `other` in a slot of both.
    fn hides(&self, other: &Save) -> bool {
        let (Some(own), Withdrawal::None) = (self.order(), self.withdrawal) else { return false };
        match other.order() {
            Some(order) => own > order,
            // Nobody knows when it was taken in, only that it was not after the run it was sent to.
            None => match (self.valid_after, other.valid_after) {
                (None, None) => self.runs.0 > other.runs.1,
                (None, Some(_)) => true,
                (Some(_), None) => false,
                (Some(own), Some(order)) => {
                    own > order || (own == order && self.runs.0 > other.runs.1)
                }
            },
        }
    }
}

impl Ledger {
    /// Whether a slot may show the value of `mark`, or nothing; else why not.
    pub(crate) fn may_show(&self, unit: u64, slot: u8, mark: Option<Mark>) -> Result<(), String> {
        let mut here = self.saves.iter().filter(|(_, save)| save.touches(unit, slot));
        let place = format!("unit {unit}, slot {slot}");
        let Some(mark) = mark else {
            let stands = here
                .find(|(_, save)| save.accepted.is_some() && save.withdrawal == Withdrawal::None);
            return match stands {
                Some((mark, save)) => {
                    Err(format!("{place} shows nothing: lost is {mark:?} {save:?}"))
                }
                None => Ok(()),
            };
        };
        let shown = self.saves.get(&mark).filter(|save| save.touches(unit, slot));
        let shown =
            shown.ok_or_else(|| format!("{place} shows {mark:?}, which nobody saved there"))?;
        if shown.withdrawal == Withdrawal::Done {
            return Err(format!("{place} shows {mark:?}, which was withdrawn: {shown:?}"));
        }
        match here.find(|(_, save)| save.hides(shown)) {
            Some((newer, save)) => {
                Err(format!("{place} shows {mark:?} {shown:?}: lost is {newer:?} {save:?}"))
            }
            None => Ok(()),
        }
    }

    /// Remembers that a value was seen: its save was taken in and must stay.
    pub(crate) fn saw(&mut self, mark: Mark, recorded: Instant) {
        if let Some(save) = self.saves.get_mut(&mark) {
            save.accepted.get_or_insert(Accepted::Seen(recorded));
        }
    }

    /// The receipts of all acknowledged saves, in order of sequences.
    pub(crate) fn receipts<'l>(&'l self) -> Vec<(Mark, &'l Receipt)> {
        let named = |(mark, save): (&Mark, &'l Save)| Some((*mark, save.receipt()?));
        let mut receipts: Vec<_> = self.saves.iter().filter_map(named).collect();
        receipts.sort_unstable_by_key(|(_, receipt)| receipt.sequence);
        receipts
    }
}

/// Start of a slot.
pub(crate) fn start(slot: u8) -> String {
    format!("2040-06-01T{slot:02}:00:00Z")
}
