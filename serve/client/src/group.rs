//! From events to whole epochs: pure, an event in, at most one update out.
//!
//! A group counts when its last event has come, the one with the id. Until then it is held here, within a
//! bound, and a connection that is cut takes it away. The epochs of one connection and of all that resume
//! from it only rise, which is checked on the way.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::sse::Event;
use crate::update::{Cause, Delta, Key, Row, Token, Update, View};

/// Why events are no stream of epochs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupFault {
    /// The data of an event are not what its name says.
    #[error("the data of a `{event}` event cannot be read: {reason}")]
    Unreadable {
        /// The event's name.
        event: String,
        /// What is wrong.
        reason: String,
    },
    /// An event stands where it must not.
    #[error("a `{event}` event of epoch {epoch} stands where it must not: {reason}")]
    Misplaced {
        /// The event's name.
        event: String,
        /// Its epoch.
        epoch: u64,
        /// The rule it breaks.
        reason: &'static str,
    },
    /// The id of an event is no token of its epoch.
    #[error("`{id}` is no id of epoch {epoch}")]
    Id {
        /// The id; empty where there is none.
        id: String,
        /// The epoch of the event.
        epoch: u64,
    },
    /// The data of an unfinished group are over the bound.
    #[error("epoch {epoch} is over the bound of {bound} bytes before its end")]
    TooLarge {
        /// Its epoch.
        epoch: u64,
        /// The bound.
        bound: usize,
    },
}

/// Puts events together into epochs.
#[derive(Debug)]
pub(crate) struct Groups {
    token: Option<Token>,
    open: Open,
    /// Bytes of data in the open group.
    bytes: usize,
    bound: usize,
}

/// The group whose end has not come.
#[derive(Debug)]
enum Open {
    None,
    Snapshot { epoch: u64, rows: Vec<Row> },
    Delta { from_epoch: Option<u64>, epoch: u64, deltas: Vec<Delta> },
}

#[derive(Deserialize)]
struct ProgressData {
    epoch: u64,
    clock: Option<String>,
}

#[derive(Deserialize)]
struct RowsData {
    epoch: u64,
    view: View,
    rows: Vec<RowData>,
}

#[derive(Deserialize)]
struct RowData {
    key: Value,
    new: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeltaData {
    from_epoch: Option<u64>,
    epoch: u64,
    view: View,
    deltas: Vec<OneDelta>,
}

#[derive(Deserialize)]
struct OneDelta {
    key: Value,
    old: Option<Value>,
    new: Option<Value>,
    #[serde(default)]
    causes: Vec<Cause>,
}

#[derive(Deserialize)]
struct ResyncData {
    reason: String,
}

impl Groups {
    /// Goes on behind `token`; without one a snapshot comes first. Data of an open group may be `bound` bytes.
    pub(crate) fn new(token: Option<Token>, bound: usize) -> Groups {
        Groups { token, open: Open::None, bytes: 0, bound }
    }

    /// Up to where everything has come.
    pub(crate) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// The connection was cut: what came of an unfinished group is no more.
    pub(crate) fn cut(&mut self) {
        self.open = Open::None;
        self.bytes = 0;
    }

    /// Takes an event; what it completes. One whose name is not known says nothing.
    pub(crate) fn take(&mut self, event: Event) -> Result<Option<Update>, GroupFault> {
        match event.name.as_str() {
            "snapshot-begin" => self.begin_snapshot(&event),
            "rows" => self.rows(&event),
            "snapshot-end" => self.end_snapshot(event),
            "delta" => self.delta(event),
            "progress" => self.progress(event),
            "must-resync" => self.resync(&event),
            _ => Ok(None),
        }
    }

    fn begin_snapshot(&mut self, event: &Event) -> Result<Option<Update>, GroupFault> {
        let epoch = read::<ProgressData>(event)?.epoch;
        if !matches!(self.open, Open::None) {
            return Err(misplaced(event, epoch, "another group has not ended"));
        }
        self.open = Open::Snapshot { epoch, rows: Vec::new() };
        Ok(None)
    }

    fn rows(&mut self, event: &Event) -> Result<Option<Update>, GroupFault> {
        let data: RowsData = read(event)?;
        self.count(event, data.epoch)?;
        let Open::Snapshot { epoch, rows } = &mut self.open else {
            return Err(misplaced(event, data.epoch, "no snapshot has begun"));
        };
        if *epoch != data.epoch {
            return Err(misplaced(event, data.epoch, "the snapshot is of another epoch"));
        }
        let view = data.view;
        let row = |row: RowData| Row { view, key: Key::new(&row.key), value: row.new };
        rows.extend(data.rows.into_iter().map(row));
        Ok(None)
    }

    fn end_snapshot(&mut self, event: Event) -> Result<Option<Update>, GroupFault> {
        let end = read::<ProgressData>(&event)?.epoch;
        match std::mem::replace(&mut self.open, Open::None) {
            Open::Snapshot { epoch, rows } if epoch == end => {
                self.bytes = 0;
                self.token = Some(token(event.id, epoch)?);
                Ok(Some(Update::Snapshot { epoch, rows }))
            }
            _ => Err(misplaced(&event, end, "no snapshot of this epoch has begun")),
        }
    }

    fn delta(&mut self, event: Event) -> Result<Option<Update>, GroupFault> {
        let data: DeltaData = read(&event)?;
        self.require_later(&event, data.epoch)?;
        self.count(&event, data.epoch)?;
        if matches!(self.open, Open::None) {
            let (from_epoch, epoch) = (data.from_epoch, data.epoch);
            self.open = Open::Delta { from_epoch, epoch, deltas: Vec::new() };
        }
        let Open::Delta { from_epoch, epoch, deltas } = &mut self.open else {
            return Err(misplaced(&event, data.epoch, "a snapshot has not ended"));
        };
        if (*from_epoch, *epoch) != (data.from_epoch, data.epoch) {
            return Err(misplaced(&event, data.epoch, "the group before has not ended"));
        }
        let view = data.view;
        deltas.extend(data.deltas.into_iter().map(|one| Delta {
            view,
            key: Key::new(&one.key),
            old: one.old,
            new: one.new,
            causes: one.causes,
        }));
        if event.id.is_none() {
            return Ok(None);
        }
        self.token = Some(token(event.id, data.epoch)?);
        self.bytes = 0;
        match std::mem::replace(&mut self.open, Open::None) {
            Open::Delta { from_epoch, epoch, deltas } => {
                Ok(Some(Update::Delta { from_epoch, epoch, deltas }))
            }
            Open::None | Open::Snapshot { .. } => Ok(None),
        }
    }

    fn progress(&mut self, event: Event) -> Result<Option<Update>, GroupFault> {
        let ProgressData { epoch, clock } = read(&event)?;
        if !matches!(self.open, Open::None) {
            return Err(misplaced(&event, epoch, "a group has not ended"));
        }
        match &self.token {
            None => return Err(misplaced(&event, epoch, "no snapshot has come")),
            Some(held) if epoch < held.epoch() => {
                return Err(misplaced(&event, epoch, "a later epoch has been told"));
            }
            Some(_) => {}
        }
        self.token = Some(token(event.id, epoch)?);
        Ok(Some(Update::Progress { epoch, clock }))
    }

    fn resync(&mut self, event: &Event) -> Result<Option<Update>, GroupFault> {
        let ResyncData { reason } = read(event)?;
        self.cut();
        // Whoever is cut before the snapshot has come begins with one, without being told again.
        self.token = None;
        Ok(Some(Update::Resync { reason }))
    }

    fn count(&mut self, event: &Event, epoch: u64) -> Result<(), GroupFault> {
        self.bytes += event.data.len();
        let bound = self.bound;
        if self.bytes > bound { Err(GroupFault::TooLarge { epoch, bound }) } else { Ok(()) }
    }

    fn require_later(&self, event: &Event, epoch: u64) -> Result<(), GroupFault> {
        match &self.token {
            None if matches!(self.open, Open::None) => {
                Err(misplaced(event, epoch, "no snapshot has come"))
            }
            Some(held) if epoch <= held.epoch() && matches!(self.open, Open::None) => {
                Err(misplaced(event, epoch, "it has been told before"))
            }
            _ => Ok(()),
        }
    }
}

fn read<T: DeserializeOwned>(event: &Event) -> Result<T, GroupFault> {
    serde_json::from_str(&event.data).map_err(|error| GroupFault::Unreadable {
        event: event.name.clone(),
        reason: error.to_string(),
    })
}

fn misplaced(event: &Event, epoch: u64, reason: &'static str) -> GroupFault {
    GroupFault::Misplaced { event: event.name.clone(), epoch, reason }
}

fn token(id: Option<String>, epoch: u64) -> Result<Token, GroupFault> {
    let parsed = id.as_deref().and_then(Token::parse).filter(|token| token.epoch() == epoch);
    parsed.ok_or_else(|| GroupFault::Id { id: id.unwrap_or_default(), epoch })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BOUND: usize = 2_000;

    fn event(name: &str, data: &Value, id: Option<&str>) -> Event {
        let id = id.map(str::to_owned);
        Event { name: name.to_owned(), data: data.to_string(), id }
    }

    fn begin(epoch: u64) -> Event {
        event("snapshot-begin", &json!({ "epoch": epoch, "incarnation": "i", "clock": "Z" }), None)
    }

    fn rows(epoch: u64) -> Event {
        let rows = json!([{ "key": { "b": 1, "a": 2 }, "old": null, "new": { "v": 1 } }]);
        event("rows", &json!({ "epoch": epoch, "view": "latest", "rows": rows }), None)
    }

    fn end(epoch: u64) -> Event {
        event("snapshot-end", &json!({ "epoch": epoch, "clock": "Z" }), Some(&id(epoch)))
    }

    fn delta(from: Option<u64>, epoch: u64, view: &str, id: Option<&str>) -> Event {
        let causes = json!([{ "type": "batch", "id": "x" }, { "type": "dream", "id": "y" }]);
        let deltas = json!([{ "key": { "a": 2, "b": 1 }, "old": { "v": 1 }, "new": null, "causes": causes }]);
        let mut data = json!({ "epoch": epoch, "view": view, "deltas": deltas });
        if let Some(from) = from {
            data["fromEpoch"] = json!(from);
        }
        event("delta", &data, id)
    }

    fn progress(epoch: u64) -> Event {
        event("progress", &json!({ "epoch": epoch, "clock": "Z" }), Some(&id(epoch)))
    }

    fn id(epoch: u64) -> String {
        format!("i.{epoch}")
    }

    fn started() -> Groups {
        let mut groups = Groups::new(None, BOUND);
        for event in [begin(4), rows(4), end(4)] {
            groups.take(event).unwrap();
        }
        groups
    }

    #[test]
    fn a_group_counts_with_its_last_event() {
        let mut groups = Groups::new(None, BOUND);
        assert_eq!(groups.take(begin(4)), Ok(None));
        assert_eq!(groups.take(rows(4)), Ok(None));
        assert_eq!(groups.token(), None);
        let Ok(Some(Update::Snapshot { epoch: 4, rows })) = groups.take(end(4)) else { panic!() };
        assert_eq!(rows[0].key.text(), r#"{"a":2,"b":1}"#);
        assert_eq!(groups.token().unwrap().text(), "i.4");
        assert_eq!(groups.take(delta(None, 6, "latest", None)), Ok(None));
        assert_eq!(groups.token().unwrap().epoch(), 4);
        let last = groups.take(delta(None, 6, "totals", Some("i.6")));
        let Ok(Some(Update::Delta { from_epoch: None, epoch: 6, deltas })) = last else { panic!() };
        assert_eq!((deltas[0].view, deltas[1].view), (View::Latest, View::Totals));
        assert_eq!(deltas[0].key, rows[0].key);
        let kinds: Vec<CauseKind> = deltas[0].causes.iter().map(|cause| cause.kind).collect();
        assert_eq!(kinds, [CauseKind::Batch, CauseKind::Other]);
        let told = groups.take(progress(9)).unwrap().unwrap();
        assert_eq!((told.epoch(), groups.token().unwrap().epoch()), (Some(9), 9));
    }

    use crate::update::CauseKind;

    #[test]
    fn what_was_cut_is_thrown_away() {
        let mut groups = started();
        groups.take(delta(None, 5, "latest", None)).unwrap();
        groups.cut();
        assert_eq!(groups.token().unwrap().epoch(), 4);
        let whole = groups.take(delta(Some(4), 6, "latest", Some("i.6"))).unwrap();
        let Some(Update::Delta { from_epoch: Some(4), deltas, .. }) = whole else { panic!() };
        assert_eq!(deltas.len(), 1);
        let mut groups = Groups::new(None, BOUND);
        groups.take(begin(4)).unwrap();
        groups.take(rows(4)).unwrap();
        groups.cut();
        groups.take(begin(5)).unwrap();
        let Ok(Some(Update::Snapshot { rows, .. })) = groups.take(end(5)) else { panic!() };
        assert!(rows.is_empty());
    }

    #[test]
    fn a_resync_forgets_the_token() {
        let mut groups = started();
        groups.take(delta(None, 5, "latest", None)).unwrap();
        let told =
            groups.take(event("must-resync", &json!({ "reason": "old", "epoch": 57 }), None));
        assert_eq!(told, Ok(Some(Update::Resync { reason: "old".to_owned() })));
        assert_eq!(groups.token(), None);
        groups.take(begin(2)).unwrap();
        let whole = groups.take(end(2)).unwrap();
        assert_eq!(whole, Some(Update::Snapshot { epoch: 2, rows: Vec::new() }));
    }

    #[test]
    fn what_breaks_the_rules_is_refused() {
        let faults = |events: Vec<Event>| {
            let mut groups = started();
            events.into_iter().try_for_each(|event| groups.take(event).map(|_| ())).unwrap_err()
        };
        let is_misplaced = |fault| matches!(fault, GroupFault::Misplaced { .. });
        assert!(is_misplaced(faults(vec![rows(4)])));
        assert!(is_misplaced(faults(vec![end(4)])));
        assert!(is_misplaced(faults(vec![begin(5), rows(6)])));
        assert!(is_misplaced(faults(vec![begin(5), end(6)])));
        assert!(is_misplaced(faults(vec![begin(5), progress(5)])));
        assert!(is_misplaced(faults(vec![begin(5), delta(None, 5, "latest", None)])));
        assert!(is_misplaced(faults(vec![delta(None, 4, "latest", None)])));
        assert!(is_misplaced(faults(vec![progress(3)])));
        let open = delta(None, 5, "latest", None);
        assert!(is_misplaced(faults(vec![open.clone(), delta(None, 6, "latest", None)])));
        assert!(is_misplaced(faults(vec![open.clone(), delta(Some(4), 5, "latest", None)])));
        assert!(is_misplaced(faults(vec![open, progress(5)])));
        let is_id = |fault| matches!(fault, GroupFault::Id { .. });
        assert!(is_id(faults(vec![delta(None, 5, "latest", Some("i.6"))])));
        assert!(is_id(faults(vec![event("progress", &json!({ "epoch": 5 }), None)])));
        let is_unreadable = |fault| matches!(fault, GroupFault::Unreadable { .. });
        assert!(is_unreadable(faults(vec![delta(None, 5, "dreams", None)])));
        assert!(is_unreadable(faults(vec![event("delta", &json!([]), None)])));
        let without = Groups::new(None, BOUND).take(delta(None, 5, "latest", None)).unwrap_err();
        assert!(is_misplaced(without));
        assert_eq!(started().take(event("later-days", &json!(1), None)), Ok(None));
    }

    #[test]
    fn an_unfinished_group_is_bounded() {
        let mut groups = started();
        groups.take(begin(5)).unwrap();
        let fault = (0..BOUND).find_map(|_| groups.take(rows(5)).err());
        assert_eq!(fault, Some(GroupFault::TooLarge { epoch: 5, bound: BOUND }));
    }
}
