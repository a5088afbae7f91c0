//! The messages of a partition that have been read and not acknowledged, by what they belong to: the changes of a
//! transaction in a partition lie beside each other, so there are few runs of them, however many they are.

use std::collections::VecDeque;

use smartpulse_operators::offset::PulsarPlace;

/// What messages belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// Nothing that anybody waits for.
    Nothing,
    /// The transaction of that number.
    Transaction(u64),
    /// A piece of tables that are read as they are.
    Piece(u64),
}

#[derive(Debug)]
struct Run {
    of: Of,
    /// The newest of its messages that ends an entry: only whole entries are acknowledged.
    ended: Option<PulsarPlace>,
    /// Whether one of its messages had not come before.
    is_new: bool,
    /// Up to where in the log everything had been taken in when it began.
    since: u64,
}

/// The messages of a partition, in order.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    runs: VecDeque<Run>,
    newest: Option<PulsarPlace>,
}

impl Ledger {
    /// Whether a message has been read here before.
    pub(super) fn knows(&self, place: &PulsarPlace) -> bool {
        self.newest.is_some_and(|newest| place.order() <= newest.order())
    }

    /// Adds a message; `is_new` says that it had not come before, `since` up to where everything has been taken in.
    pub(super) fn add(
        &mut self,
        (place, ends_entry): (PulsarPlace, bool),
        of: Of,
        (is_new, since): (bool, u64),
    ) {
        self.newest = Some(place);
        let ended = ends_entry.then_some(place);
        match self.runs.back_mut().filter(|run| run.of == of) {
            Some(run) => {
                run.ended = ended.or(run.ended);
                run.is_new |= is_new;
            }
            None => self.runs.push_back(Run { of, ended, is_new, since }),
        }
    }

    /// Drops what is settled; the end of the newest entry that may be acknowledged with all before it.
    pub(super) fn settle(&mut self, is_settled: impl Fn(Of) -> bool) -> Option<PulsarPlace> {
        let mut ended = None;
        while let Some(run) = self.runs.pop_front_if(|run| is_settled(run.of)) {
            ended = run.ended.or(ended);
        }
        ended
    }

    /// The transaction that the oldest message belongs to, where one lies behind it that came for the first time and ended
    /// since: transactions lie in a partition in the order in which they ended, so the oldest has ended before, and has
    /// come again. `end_of` gives where one ended that is settled.
    pub(super) fn passed_over(&self, end_of: impl Fn(u64) -> Option<u64>) -> Option<u64> {
        let mut runs = self.runs.iter();
        let first = runs.next()?;
        let Of::Transaction(number) = first.of else { return None };
        let has_passed = runs.filter(|run| run.is_new).any(|run| match run.of {
            Of::Transaction(other) => end_of(other).is_some_and(|end| end > first.since),
            _ => false,
        });
        has_passed.then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(entry: u64, index: u32) -> PulsarPlace {
        PulsarPlace { ledger: 1, entry, index, mark: 0 }
    }

    fn ended(place: Option<PulsarPlace>) -> Option<(u64, u32)> {
        place.map(|place| (place.entry, place.index))
    }

    #[test]
    fn only_whole_entries_before_which_all_is_settled_may_be_acknowledged() {
        let mut ledger = Ledger::default();
        for (entry, index, is_last, of) in [
            (0, 0, true, Of::Nothing),
            (1, 0, false, Of::Transaction(7)),
            (1, 1, false, Of::Transaction(7)),
            (1, 2, true, Of::Transaction(8)),
            (2, 0, true, Of::Transaction(8)),
            (3, 0, true, Of::Piece(1)),
        ] {
            ledger.add((place(entry, index), is_last), of, (true, 50));
        }
        assert!(ledger.knows(&place(3, 0)) && !ledger.knows(&place(3, 1)));
        let nothing = |of| of == Of::Nothing;
        assert_eq!(ended(ledger.settle(nothing)), Some((0, 0)));
        let seventh = |of| matches!(of, Of::Nothing | Of::Transaction(7));
        let ended_at = |lsn| move |number| (number == 8).then_some(lsn);
        assert_eq!(ledger.passed_over(|_| None), None, "nothing behind it has ended");
        assert_eq!(ledger.passed_over(ended_at(50)), None, "it ended before");
        assert_eq!(ledger.passed_over(ended_at(51)), Some(7));
        let eighth = |of| matches!(of, Of::Nothing | Of::Transaction(8));
        assert_eq!(ended(ledger.settle(seventh)), None, "its entry goes on with another");
        assert_eq!(ended(ledger.settle(eighth)), Some((2, 0)));
        assert_eq!(ended(ledger.settle(|_| true)), Some((3, 0)));
        assert_eq!(ended(ledger.settle(|_| true)), None);
        assert!(ledger.knows(&place(3, 0)));
    }

    #[test]
    fn what_came_again_says_nothing_of_what_lies_before_it() {
        let mut ledger = Ledger::default();
        ledger.add((place(0, 0), true), Of::Transaction(5), (true, 40));
        ledger.add((place(1, 0), true), Of::Transaction(4), (false, 40));
        assert_eq!(ledger.passed_over(|number| (number == 4).then_some(45)), None);
    }
}
