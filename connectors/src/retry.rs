//! What is done after something failed: one rule for every link to another system.
//!
//! Pauses grow twofold and are drawn at random from the whole of each (full jitter), so that many that lost the
//! same server do not come back to it at one instant.

use std::time::Duration;

/// The first pause, at most.
const FIRST: Duration = Duration::from_millis(200);
/// No pause is longer: who mends a server at night waits no longer than this for the links to be back.
const LONGEST: Duration = Duration::from_secs(5);
/// Between two looks for what somebody else is about to write.
const BETWEEN_GLANCES: Duration = Duration::from_millis(300);
/// Between two looks whether another engine has gone.
const BETWEEN_LOOKS: Duration = Duration::from_secs(30);

/// What failed, by what can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The other system cannot be reached, or refuses for now.
    Unreachable,
    /// What was said to it before is there no more.
    Lost,
    /// Somebody else does what this link is for.
    Superseded,
    /// What it says cannot be understood.
    Unreadable,
    /// What is looked for is not there yet.
    NotYet,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Do the same again after a pause.
    Again(Duration),
    /// Begin from the beginning after a pause.
    Anew(Duration),
}

/// Troubles in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    last: Option<(Trouble, String)>,
    times: u32,
}

impl Row {
    /// Adds one; `is_new` says that something went well since the last. Gives how many of its kind came in a row,
    /// and whether it says something that the last did not.
    pub fn add(&mut self, trouble: Trouble, said: String, is_new: bool) -> (u32, bool) {
        let is_same_kind = self.last.as_ref().is_some_and(|(last, _)| *last == trouble);
        let is_same = self.last.as_ref().is_some_and(|(_, last)| *last == said);
        self.times = if is_same_kind && !is_new { self.times.saturating_add(1) } else { 1 };
        self.last = Some((trouble, said));
        (self.times, is_new || !is_same)
    }
}

/// What to do after `trouble` that came `times` in a row, this one included; `chance` is drawn from 0 to 1.
#[must_use]
pub fn remedy(trouble: Trouble, times: u32, chance: f64) -> Remedy {
    let doublings = times.saturating_sub(1).min(16);
    let longest = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    let pause = longest.mul_f64(chance.clamp(0.0, 1.0));
    match trouble {
        Trouble::Unreachable => Remedy::Again(pause),
        Trouble::NotYet => {
            Remedy::Again(BETWEEN_GLANCES.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0))
        }
        // The first time there is nothing to wait for.
        Trouble::Lost if times <= 1 => Remedy::Anew(Duration::ZERO),
        Trouble::Lost | Trouble::Unreadable => Remedy::Anew(pause),
        Trouble::Superseded => {
            Remedy::Anew(BETWEEN_LOOKS.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_are_drawn_from_the_whole_of_it() {
        let pause = |times, chance| match remedy(Trouble::Unreachable, times, chance) {
            Remedy::Again(pause) => pause.as_millis(),
            Remedy::Anew(_) => panic!("what cannot be reached is tried again"),
        };
        assert_eq!(
            [1, 2, 3, 5, 6, u32::MAX].map(|times| pause(times, 1.0)),
            [200, 400, 800, 3_200, 5_000, 5_000]
        );
        assert_eq!([0.0, 0.5, 2.0].map(|chance| pause(2, chance)), [0, 200, 400]);
    }

    #[test]
    fn what_was_lost_is_written_anew_at_once_and_somebody_else_is_left_in_peace() {
        assert_eq!(remedy(Trouble::Lost, 1, 1.0), Remedy::Anew(Duration::ZERO));
        assert_eq!(remedy(Trouble::Lost, 2, 1.0), Remedy::Anew(Duration::from_millis(400)));
        assert_eq!(remedy(Trouble::Unreadable, 1, 1.0), Remedy::Anew(Duration::from_millis(200)));
        let glance = Remedy::Again(Duration::from_millis(300));
        assert_eq!(remedy(Trouble::NotYet, 9, 1.0), glance);
        assert_eq!(remedy(Trouble::Superseded, 9, 0.0), Remedy::Anew(Duration::from_secs(15)));
    }

    #[test]
    fn a_trouble_of_another_kind_is_the_first_of_its_row() {
        let mut row = Row::default();
        let mut add = |trouble, said: &str, is_new| row.add(trouble, said.to_owned(), is_new);
        assert_eq!(add(Trouble::Unreachable, "a", false), (1, true));
        assert_eq!(add(Trouble::Unreachable, "a", false), (2, false));
        assert_eq!(add(Trouble::Unreachable, "b", false), (3, true));
        assert_eq!(add(Trouble::Lost, "c", false), (1, true));
        assert_eq!(add(Trouble::Lost, "c", true), (1, true));
    }
}
