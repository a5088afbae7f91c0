//! The messages of one partition that are under way: handed to ingest and not decided, or refused and not yet a dead
//! letter. What lies before them all is settled, and only that may be acknowledged.

use std::collections::VecDeque;

use smartpulse_connectors::{DeadLetter, Received, Why};
use smartpulse_operators::offset::PulsarPlace;
use smartpulse_operators::unit::Unit;
use smartpulse_serve::command::SlotDecision;
use smartpulse_serve::doors::message::{ReadSave, RefusedSlot, Unusable};

/// Messages under way at most: two ticks of the largest kind, so that one gathers while another is decided.
const MESSAGES: usize = 20_000;
/// Their bytes at most: a message is kept until it is known that it need not become a dead letter.
const BYTES: usize = 64 << 20;
/// Slots that a dead letter names; more tell nothing more.
const SLOTS: usize = 50;

/// Messages under way, in order.
#[derive(Debug, Default)]
pub(super) struct Window {
    items: VecDeque<Item>,
    /// Number of the first of them; further ones follow it.
    first: u64,
    bytes: usize,
    /// How many are to become dead letters: mostly none, and then nobody looks for one.
    letters: usize,
    settled: Option<PulsarPlace>,
}

#[derive(Debug)]
struct Item {
    message: Received,
    state: State,
    /// It is of a topic that is no more: it is decided, but its place says nothing.
    is_gone: bool,
}

#[derive(Debug)]
enum State {
    /// A save, handed to ingest: whose its entries are, how many values they have, and what was refused before.
    Asked {
        units: Vec<Unit>,
        values: usize,
        refused: Vec<RefusedSlot>,
    },
    /// It cannot be used, which is being journaled.
    Useless(Why),
    /// To be written as a dead letter.
    Letter(Why),
    Settled,
}

impl Window {
    /// A window behind what is settled.
    pub(super) fn after(settled: Option<PulsarPlace>) -> Window {
        Window { settled, ..Window::default() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.items.len() >= MESSAGES || self.bytes >= BYTES
    }

    /// The newest place before which everything is settled, itself included.
    pub(super) fn settled(&self) -> Option<PulsarPlace> {
        self.settled
    }

    /// When the oldest message under way was sent, in milliseconds since 1970.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.items.front().map(|item| item.message.published)
    }

    /// Whether a message is under way or settled.
    pub(super) fn knows(&self, place: &PulsarPlace) -> bool {
        let is_settled = self.settled.is_some_and(|settled| place.order() <= settled.order());
        let newest = self.items.back().filter(|newest| !newest.is_gone);
        is_settled || newest.is_some_and(|newest| place.order() <= newest.message.place.order())
    }

    /// Adds a save that is handed to ingest; the number by which it is judged.
    pub(super) fn ask(&mut self, message: Received, read: &ReadSave) -> u64 {
        let units = read.save.entries.iter().map(|entry| entry.unit).collect();
        let (values, refused) = (read.values, read.refused.clone());
        let state = State::Asked { units, values, refused };
        self.push(message, state)
    }

    /// Adds a message that cannot be used; a dead letter once it is judged.
    pub(super) fn refuse(&mut self, message: Received, unusable: Unusable) -> u64 {
        self.push(message, State::Useless(why(unusable)))
    }

    /// Adds a message whose fate is known: settled, or a dead letter.
    pub(super) fn known(&mut self, message: Received, why: Option<Why>) {
        self.letters += usize::from(why.is_some());
        let state = why.map_or(State::Settled, State::Letter);
        self.push(message, state);
    }

    fn push(&mut self, message: Received, state: State) -> u64 {
        self.bytes += message.body.len();
        self.items.push_back(Item { message, state, is_gone: false });
        self.first + self.items.len() as u64 - 1
    }

    /// The topic was made anew: what is under way is decided, but none of it may be acknowledged.
    pub(super) fn begin_anew(&mut self) {
        self.items.iter_mut().for_each(|item| item.is_gone = true);
        self.settled = None;
    }

    /// Takes what was decided of a message.
    pub(super) fn judged(&mut self, number: u64, slots: &[SlotDecision]) {
        let Some(item) = self.item(number) else { return };
        item.state = match std::mem::replace(&mut item.state, State::Settled) {
            State::Useless(why) => State::Letter(why),
            State::Asked { units, values, refused } => {
                let decided = slots.iter().filter_map(|slot| {
                    let (start, outcome) = (slot.start, slot.outcome);
                    Some(RefusedSlot { unit: *units.get(slot.entry as usize)?, start, outcome })
                });
                let all: Vec<RefusedSlot> = refused.into_iter().chain(decided).collect();
                match why_refused(&all, slots.len() < values) {
                    Some(why) => State::Letter(why),
                    None => State::Settled,
                }
            }
            other => other,
        };
        let is_letter = matches!(item.state, State::Letter(_));
        self.letters += usize::from(is_letter);
    }

    fn item(&mut self, number: u64) -> Option<&mut Item> {
        let place = number.checked_sub(self.first)?;
        self.items.get_mut(usize::try_from(place).ok()?)
    }

    /// The first message that is to become a dead letter, with its number.
    pub(super) fn letter(&self, topic: &str) -> Option<(u64, DeadLetter)> {
        if self.letters == 0 {
            return None;
        }
        let items = self.items.iter().zip(self.first..);
        items.into_iter().find_map(|(item, number)| match &item.state {
            State::Letter(why) => Some((
                number,
                DeadLetter {
                    message: item.message.clone(),
                    topic: topic.to_owned(),
                    why: why.clone(),
                },
            )),
            _ => None,
        })
    }

    /// A dead letter is written.
    pub(super) fn written(&mut self, number: u64) {
        if let Some(item) = self.item(number) {
            item.state = State::Settled;
            self.letters -= 1;
        }
    }

    /// Drops what is settled; the end of the newest entry that may be acknowledged with all before it.
    pub(super) fn settle(&mut self) -> Option<PulsarPlace> {
        let mut ended = None;
        while let Some(item) = self.items.pop_front_if(|item| matches!(item.state, State::Settled))
        {
            self.first += 1;
            self.bytes -= item.message.body.len();
            if !item.is_gone {
                self.settled = Some(item.message.place);
                ended = item.message.ends_entry.then_some(item.message.place).or(ended);
            }
        }
        ended
    }
}

fn why(unusable: Unusable) -> Why {
    let Unusable { code, message, field } = unusable;
    Why { code, message, field, slots: None, is_part: false }
}

/// Why a save did not go in whole: by the rule of its first refused slot.
fn why_refused(slots: &[RefusedSlot], is_part: bool) -> Option<Why> {
    let first = slots.first()?;
    let named = slots.iter().take(SLOTS).map(|slot| {
        serde_json::json!({
            "unitType": slot.unit.unit_type.word(),
            "unitNo": slot.unit.unit_no,
            "ds": slot.start.to_string(),
            "code": slot.outcome.code(),
        })
    });
    let named: Vec<serde_json::Value> = named.collect();
    let message = match is_part {
        true => format!("{} of its values were refused", slots.len()),
        false => "every value was refused".to_owned(),
    };
    Some(Why {
        code: first.outcome.code().unwrap_or_default().to_owned(),
        message,
        field: None,
        slots: Some(serde_json::Value::Array(named).to_string()),
        is_part,
    })
}

#[cfg(test)]
mod tests {
    use smartpulse_operators::outcome::Outcome;
    use smartpulse_operators::time::Instant;
    use smartpulse_operators::unit::UnitType;

    use super::*;

    fn message(entry: u64, index: u32, messages: u32) -> Received {
        let place = PulsarPlace { ledger: 1, entry, index, mark: 0 };
        Received {
            place,
            ends_entry: index + 1 == messages,
            body: vec![0; 10],
            ..Received::default()
        }
    }

    fn unusable() -> Unusable {
        Unusable { code: "X".to_owned(), message: "m".to_owned(), field: None }
    }

    fn order(place: Option<PulsarPlace>) -> Option<(u64, u32)> {
        place.map(|place| (place.entry, place.index))
    }

    #[test]
    fn only_whole_entries_of_which_everything_is_settled_may_be_acknowledged() {
        let mut window = Window::after(None);
        let numbers: Vec<u64> = [(0, 0, 1), (1, 0, 3), (1, 1, 3), (1, 2, 3), (2, 0, 1)]
            .map(|(entry, index, messages)| {
                window.refuse(message(entry, index, messages), unusable())
            })
            .into();
        assert_eq!((numbers.as_slice(), window.settle()), (&[0, 1, 2, 3, 4][..], None));
        assert!(window.letter("t").is_none(), "what is not journaled is no letter yet");
        for number in [0, 1, 2, 4] {
            window.judged(number, &[]);
            assert_eq!(window.letter("t").map(|(first, _)| first), Some(number));
            window.written(number);
        }
        assert_eq!(order(window.settle()), Some((0, 0)), "one message of the batch is not judged");
        assert_eq!(order(window.settled()), Some((1, 1)));
        window.judged(3, &[]);
        window.written(3);
        assert_eq!(order(window.settle()), Some((2, 0)));
        assert!(window.items.is_empty() && window.bytes == 0);
        assert_eq!(window.refuse(message(3, 0, 1), unusable()), 5, "numbers go on");
    }

    #[test]
    fn what_is_under_way_or_settled_is_known_until_the_topic_is_another() {
        let mut window = Window::after(Some(message(4, 0, 1).place));
        window.refuse(message(5, 0, 1), unusable());
        let knows = |window: &Window, entry| window.knows(&message(entry, 0, 1).place);
        assert_eq!([3, 4, 5, 6].map(|entry| knows(&window, entry)), [true, true, true, false]);
        window.begin_anew();
        assert_eq!([0, 4, 5].map(|entry| knows(&window, entry)), [false; 3]);
        window.judged(0, &[]);
        window.written(0);
        assert_eq!((window.settle(), window.settled()), (None, None), "its place says nothing now");
    }

    #[test]
    fn a_letter_says_which_slots_were_refused_and_whether_all_were() {
        let unit = Unit { unit_type: UnitType::PowerPlant, unit_no: 7 };
        let slot = |hour: i64| SlotDecision {
            entry: 0,
            start: Instant(hour * 3_600_000_000),
            outcome: Outcome::Locked,
            clipped: None,
        };
        for (values, slots, is_part) in
            [(3, vec![slot(0), slot(1)], true), (1, vec![slot(5)], false)]
        {
            let mut window = Window::after(None);
            let state = State::Asked { units: vec![unit], values, refused: Vec::new() };
            let number = window.push(message(0, 0, 1), state);
            window.judged(number, &slots);
            let (_, letter) = window.letter("t").unwrap();
            assert_eq!((letter.why.code.as_str(), letter.why.is_part), ("LOCKED", is_part));
            let named: serde_json::Value =
                serde_json::from_str(&letter.why.slots.unwrap()).unwrap();
            assert_eq!(named.as_array().map(Vec::len), Some(slots.len()));
            assert_eq!(named[0]["unitNo"], 7);
        }
        let mut window = Window::after(None);
        let state = State::Asked { units: vec![unit], values: 2, refused: Vec::new() };
        window.push(message(0, 0, 1), state);
        window.judged(0, &[]);
        assert_eq!(order(window.settle()), Some((0, 0)), "what went in whole is no letter");
    }
}
