//! What the demonstration does at which step: a function of the number of the step alone.
//!
//! A step is about a second. Within the first minute everything that a console can show has happened once;
//! after ten minutes the rare things become rarer, so that a folder that runs for weeks stays readable.

/// Steps after which the rare things become rarer.
const CALM: u64 = 600;

/// What is done at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Some plant's curve is issued again.
    Reissue,
    /// The curve of the plant a newcomer is sent to.
    Spotlight,
    /// Some slots are corrected by hand.
    Correction,
    /// A version that counts only from some time after the save.
    Future,
    /// Metered values of some quarter hours are stated anew.
    Restatement,
    /// The batch of that step is withdrawn.
    Withdrawal(u64),
    /// The sale of that number.
    Sale(u64),
    /// The sale of that number is undone.
    Return(u64),
}

/// Something that recurs: first at step `first`, then every so many steps, later on more rarely.
struct Beat {
    first: u64,
    every: u64,
    later: u64,
}

const SALES: Beat = Beat { first: 8, every: 20, later: 60 };
const WITHDRAWALS: Beat = Beat { first: 22, every: 30, later: 60 };
/// Not in step with every fourth withdrawal, or each of its batches would be withdrawn.
const SPOTLIGHTS: Beat = Beat { first: 12, every: 30, later: 420 };
const FUTURES: Beat = Beat { first: 15, every: 40, later: 120 };
const RESTATEMENTS: Beat = Beat { first: 17, every: 25, later: 60 };
const CORRECTIONS: Beat = Beat { first: 4, every: 12, later: 24 };

/// A batch is withdrawn so many steps after its save, or some more.
const REGRETTED_AFTER: u64 = 8;
/// Among so many steps there is a re-issue.
const REGRETTED_WITHIN: u64 = 8;

impl Beat {
    /// How often it has been before, if it is at `step`.
    fn turn(&self, step: u64) -> Option<u64> {
        let (from, every, before) =
            if step < CALM { (0, self.every, 0) } else { (CALM, self.later, CALM / self.every) };
        let into = step - from;
        (into % every == self.first).then(|| before + into / every)
    }
}

/// What is done at `step`.
pub(super) fn deed(step: u64) -> Deed {
    if let Some(turn) = SALES.turn(step) {
        return traded(turn);
    }
    match WITHDRAWALS.turn(step).and_then(|turn| regretted(step, turn)) {
        Some(regretted) => Deed::Withdrawal(regretted),
        None => saved(step),
    }
}

/// Sales and returns by turns: a plant comes back three turns after it was sold.
fn traded(turn: u64) -> Deed {
    match turn {
        1 => Deed::Reissue,
        turn if turn.is_multiple_of(2) => Deed::Sale(turn / 2),
        turn => Deed::Return((turn - 3) / 2),
    }
}

/// The step whose batch is withdrawn at `step`: every fourth turn one in the spotlight, where there is one.
fn regretted(step: u64, turn: u64) -> Option<u64> {
    let newest = step.checked_sub(REGRETTED_AFTER)?;
    let recent = || (newest.saturating_sub(REGRETTED_WITHIN)..=newest).rev();
    let is = |wanted: Deed| move |step: &u64| is_save(*step) && saved(*step) == wanted;
    let spotlight = recent().find(is(Deed::Spotlight)).filter(|_| turn.is_multiple_of(4));
    spotlight.or_else(|| recent().find(is(Deed::Reissue)))
}

fn is_save(step: u64) -> bool {
    SALES.turn(step).is_none() && WITHDRAWALS.turn(step).is_none()
}

/// What is saved at a step at which nothing is sold or withdrawn.
fn saved(step: u64) -> Deed {
    let first = [
        (&SPOTLIGHTS, Deed::Spotlight),
        (&FUTURES, Deed::Future),
        (&RESTATEMENTS, Deed::Restatement),
        (&CORRECTIONS, Deed::Correction),
    ];
    let due = first.into_iter().find(|(beat, _)| beat.turn(step).is_some());
    due.map_or(Deed::Reissue, |(_, deed)| deed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_happens_within_a_minute_and_most_of_it_is_re_issues() {
        let deeds: Vec<Deed> = (0..60).map(deed).collect();
        let count = |is: fn(&Deed) -> bool| deeds.iter().filter(|deed| is(deed)).count();
        assert_eq!(count(|deed| matches!(deed, Deed::Sale(_))), 2);
        assert_eq!(count(|deed| matches!(deed, Deed::Withdrawal(_))), 2);
        assert!(deeds[22] == Deed::Withdrawal(12) && deeds[12] == Deed::Spotlight);
        for rare in [Deed::Future, Deed::Restatement, Deed::Correction] {
            assert!(deeds.contains(&rare), "{rare:?}");
        }
        assert!(count(|deed| *deed == Deed::Reissue) > 35);
    }

    #[test]
    fn what_is_withdrawn_was_issued_just_before_and_once_only() {
        let mut withdrawn = Vec::new();
        let (mut spotlights, mut others) = (0, 0);
        for step in 0..100_000 {
            let Deed::Withdrawal(regretted) = deed(step) else { continue };
            assert!((8..=16).contains(&(step - regretted)), "{step}: {regretted}");
            match deed(regretted) {
                Deed::Spotlight => spotlights += 1,
                Deed::Reissue => others += 1,
                other => panic!("{step}: {other:?}"),
            }
            withdrawn.push(regretted);
        }
        withdrawn.dedup();
        assert_eq!(withdrawn.len(), spotlights + others);
        assert!(spotlights > 50 && others > 1_000, "{spotlights} {others}");
        let all = (0..100_000).filter(|step| deed(*step) == Deed::Spotlight).count();
        assert!(spotlights * 3 < all, "most of the spotlight's batches stay");
    }

    #[test]
    fn a_sale_is_undone_three_turns_later() {
        let steps = |wanted: Deed| (0..5_000).find(|step| deed(*step) == wanted);
        assert_eq!((steps(Deed::Sale(0)), steps(Deed::Return(0))), (Some(8), Some(68)));
        for sale in 1..40 {
            let (sold, returned) = (steps(Deed::Sale(sale)), steps(Deed::Return(sale)));
            let apart = returned.unwrap() - sold.unwrap();
            assert!((60..=180).contains(&apart), "{sale}: {apart}");
        }
    }
}
