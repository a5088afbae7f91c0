//! Puts transactions together from what the partitions say, and takes them in.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use smartpulse_connectors::retry::{Remedy, Row, remedy};
use smartpulse_connectors::{
    DebeziumSettings, Ended, Envelope, Operation, PostgresFault, TableName,
};
use smartpulse_operators::offset::{Offset, Place, PostgresPlace, PulsarPlace};
use smartpulse_serve::attached::Standing;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tracing::warn;

use super::super::tables::Intake;
use super::super::tables::kept::{Followed, Keeper};
use super::assembly::{Assembly, EndVerdict, Kept, KeptChange, Lacking, Unfinished, Verdict};
use super::ledger::{Ledger, Of};
use super::partition::{Item, Mail, Orders, Said, What};
use super::pieces::Pieces;
use super::rows::{Saying, Shapes, Unread};

/// Between two looks at what may be acknowledged.
const SETTLING: Duration = Duration::from_millis(100);
/// Those between two looks at how things stand.
const SHOWING: u32 = 10;
/// Those after which it is said that changes of a transaction do not come, and after which rows that are read as they
/// are take their place: they come behind them.
const PATIENCE: u32 = 50;

/// A partition, as what is read of it stands.
pub(super) struct Joined {
    table: Option<TableName>,
    /// Under which it is remembered how far it was taken in.
    offset: Arc<str>,
    orders: watch::Sender<Orders>,
    ledger: Ledger,
    taken_in: Option<PulsarPlace>,
    /// Messages behind a row that has to wait.
    stalled: VecDeque<Mail>,
    /// The newest look after which it was read to its end.
    at_end: u64,
    backlog: u64,
}

/// Puts the transactions of a database together.
pub(super) struct Follower {
    pub(super) intake: Intake,
    settings: DebeziumSettings,
    offsets: BTreeMap<Arc<str>, Place>,
    pub(super) shapes: Shapes,
    pub(super) partitions: BTreeMap<usize, Joined>,
    troubles: BTreeMap<usize, String>,
    pub(super) assembly: Assembly,
    pub(super) pieces: Pieces,
    round: u64,
    looks: u64,
    /// Rows of transactions that wait, held in memory.
    held: usize,
    lacking: Option<(Lacking, u32)>,
    stalled_for: u32,
    letters: u64,
}

/// What comes to pass, or why it cannot.
pub(super) type Passed = Result<(), PostgresFault>;

impl Follower {
    pub(super) fn new(
        settings: &DebeziumSettings,
        intake: Intake,
        offsets: BTreeMap<Arc<str>, Place>,
    ) -> Follower {
        let mut follower = Follower {
            shapes: Shapes::new(settings, &intake.mapping),
            intake,
            settings: settings.clone(),
            offsets,
            partitions: BTreeMap::new(),
            troubles: BTreeMap::new(),
            assembly: Assembly::default(),
            pieces: Pieces::default(),
            round: 0,
            looks: 0,
            held: 0,
            lacking: None,
            stalled_for: 0,
            letters: 0,
        };
        follower.begin_again();
        follower
    }

    /// Runs for as long as there are partitions.
    pub(super) async fn run(mut self, items: &mut mpsc::Receiver<Item>) {
        let mut row = Row::default();
        loop {
            let before = self.intake.counted.transactions;
            let Err(fault) = Box::pin(self.follow(items)).await else { return };
            let is_new = self.intake.counted.transactions > before;
            let (times, is_news) = row.add(fault.trouble(), fault.to_string(), is_new);
            if is_news {
                warn!(source = %self.intake.source, problem = %fault, "debezium is not read");
            }
            self.intake.stands(Standing::Degraded(fault.to_string()));
            let (Remedy::Again(pause) | Remedy::Anew(pause)) =
                remedy(fault.trouble(), times, rand::random());
            tokio::time::sleep(pause).await;
            self.begin_again();
        }
    }

    /// Reads everything again that has not been taken in.
    fn begin_again(&mut self) {
        self.round += 1;
        let place = self.intake.place;
        let system = self.settings.system.unwrap_or(0);
        self.assembly = Assembly::after(system, place.map_or(0, |place| place.lsn));
        self.pieces = Pieces::new(place.is_none_or(|place| place.is_reading));
        (self.held, self.lacking, self.stalled_for) = (0, None, 0);
        for joined in self.partitions.values_mut() {
            (joined.ledger, joined.at_end) = (Ledger::default(), 0);
            joined.stalled.clear();
            let from = joined.taken_in;
            let round = self.round;
            joined.orders.send_replace(Orders { round, from, may_read: true, ..Orders::default() });
        }
    }

    /// Follows until something fails; without a fault nobody is there any more.
    async fn follow(&mut self, items: &mut mpsc::Receiver<Item>) -> Passed {
        let mut tick = tokio::time::interval(SETTLING);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ticks = 0_u32;
        loop {
            tokio::select! {
                biased;
                Some(judged) = self.intake.told.recv() => self.intake.judged(&judged),
                _ = tick.tick() => {
                    ticks = ticks.wrapping_add(1);
                    Box::pin(self.settle()).await?;
                    if ticks % SHOWING == 1 {
                        self.show();
                    }
                }
                item = items.recv(), if !self.intake.window.is_full() => {
                    let Some(item) = item else { return Ok(()) };
                    Box::pin(self.hear(item)).await?;
                }
            }
        }
    }

    async fn hear(&mut self, item: Item) -> Passed {
        let Item { partition, round, said } = item;
        match said {
            Said::Joined(name, table, orders) => {
                return self.join(partition, &name, table, orders);
            }
            Said::Trouble(trouble) => {
                match trouble {
                    Some(trouble) => drop(self.troubles.insert(partition, trouble)),
                    None => drop(self.troubles.remove(&partition)),
                }
                return Ok(());
            }
            _ => {}
        }
        let Some(joined) = self.partitions.get_mut(&partition) else { return Ok(()) };
        match said {
            Said::Backlog(held) => joined.backlog = held,
            Said::Letter => {
                self.letters += 1;
                self.intake.counted.refused += 1;
            }
            // Of before everything was begun again.
            _ if round != self.round => {}
            Said::AtEnd(look) => joined.at_end = look,
            Said::Anew => {
                (joined.ledger, joined.taken_in) = (Ledger::default(), None);
                joined.stalled.clear();
                self.assembly.lose(partition);
                self.pieces.piece.places.remove(&partition);
            }
            Said::Message(mail) => self.message(partition, mail).await?,
            Said::Joined(..) | Said::Trouble(_) => {}
        }
        Ok(())
    }

    fn join(
        &mut self,
        partition: usize,
        name: &str,
        table: Option<TableName>,
        orders: watch::Sender<Orders>,
    ) -> Passed {
        if table.is_none() && self.partitions.values().any(|joined| joined.table.is_none()) {
            return Err(PostgresFault::Unfit {
                problem: format!("the topic of transactions has several partitions ({name})"),
                remedy: "give it one: the order in which transactions ended is lost otherwise"
                    .to_owned(),
            });
        }
        let offset: Arc<str> = format!("debezium {} {name}", self.settings.name).into();
        let taken_in = match self.offsets.get(&offset) {
            Some(Place::Pulsar(place)) => Some(*place),
            _ => None,
        };
        let (round, from) = (self.round, taken_in);
        orders.send_replace(Orders { round, from, may_read: true, ..Orders::default() });
        let joined = Joined {
            table,
            offset,
            orders,
            ledger: Ledger::default(),
            taken_in,
            stalled: VecDeque::new(),
            at_end: 0,
            backlog: 0,
        };
        self.partitions.insert(partition, joined);
        Ok(())
    }

    async fn message(&mut self, partition: usize, mail: Mail) -> Passed {
        let Some(joined) = self.partitions.get_mut(&partition) else { return Ok(()) };
        if joined.ledger.knows(&mail.place) {
            return Ok(());
        }
        let read = match &mail.what {
            What::Change(row, _) if row.operation == Operation::Read => Some(row.lsn),
            _ => None,
        };
        let is_read = read.is_some();
        let waits = read.is_some_and(|lsn| self.assembly.holds_before(lsn));
        if waits || !joined.stalled.is_empty() {
            // What lies before it comes first.
            joined.stalled.push_back(mail);
            self.allow();
            return Ok(());
        }
        let Mail { place, ends_entry, what } = mail;
        let of = match what {
            What::Nothing => Of::Nothing,
            What::Ended(ended) => self.ended(ended, (partition, place))?,
            What::Change(change, key) if is_read => {
                self.read_as_it_is(&change, key.as_deref(), (partition, place))?
            }
            What::Change(change, key) => {
                self.changed(&change, key.as_deref(), (partition, place))?
            }
        };
        if let Some(joined) = self.partitions.get_mut(&partition) {
            joined.ledger.add(place, ends_entry, of);
        }
        if matches!(of, Of::Piece(_)) {
            return self.pass_pieces_on().await;
        }
        self.advance().await
    }

    fn ended(&mut self, ended: Ended, from: (usize, PulsarPlace)) -> Result<Of, PostgresFault> {
        let (number, lsn) = (ended.number, ended.lsn);
        match self.assembly.end(ended, from) {
            EndVerdict::New => {}
            EndVerdict::Known => self.intake.counted.repeated += 1,
            EndVerdict::Disordered => {
                return Err(PostgresFault::Unreadable(format!(
                    "transaction {number} ended at {lsn}, before one that came before it: one engine alone may \
                     write the topic of transactions"
                )));
            }
        }
        Ok(Of::Transaction(number))
    }

    /// Takes a change of a transaction.
    fn changed(
        &mut self,
        change: &Envelope,
        key: Option<&str>,
        from: (usize, PulsarPlace),
    ) -> Result<Of, PostgresFault> {
        if change.operation == Operation::Other {
            return Ok(Of::Nothing);
        }
        let Some(mark) = change.transaction else {
            return Err(PostgresFault::Unfit {
                problem: format!("changes of {} come without their transactions", change.table),
                remedy: "set provide.transaction.metadata=true in Debezium".to_owned(),
            });
        };
        let of = Of::Transaction(mark.number);
        if self.assembly.change(mark, change.lsn, &change.table, from) != Verdict::New {
            return Ok(of);
        }
        let said = self.said(change, key)?;
        let Some(transaction) = self.assembly.get(mark.number) else { return Ok(of) };
        let before = transaction.open.held();
        take(&mut self.intake, said, mark.order, &mut transaction.open, &mut transaction.kept)?;
        let held = transaction.open.held();
        self.held = (self.held + held).saturating_sub(before);
        Ok(of)
    }

    /// What an envelope says; of what cannot be read, that it was refused.
    pub(super) fn said(
        &mut self,
        change: &Envelope,
        key: Option<&str>,
    ) -> Result<Saying, PostgresFault> {
        match self.shapes.read(change, key) {
            Ok(Saying::Half(learned, new, fault)) => {
                self.intake.remark_row(&change.table, key.unwrap_or_default(), &fault);
                Ok(Saying::Row(learned, None, new))
            }
            Ok(said) => Ok(said),
            Err(Unread::Row(fault)) => {
                self.intake.remark_row(&change.table, key.unwrap_or_default(), &fault);
                Ok(Saying::Nothing)
            }
            Err(Unread::Table(fault)) => Err(fault),
        }
    }

    /// Takes in what is whole, in the order in which it ended.
    async fn advance(&mut self) -> Passed {
        loop {
            let shapes = &self.shapes;
            match self.assembly.next(|table| shapes.is_mapped(table)) {
                None => break,
                Some(Err(lacking)) => {
                    let is_same = self.lacking.as_ref().is_some_and(|(known, _)| *known == lacking);
                    if !is_same {
                        self.lacking = Some((lacking, 0));
                    }
                    self.allow();
                    return Ok(());
                }
                Some(Ok(_)) if !self.are_pieces_in().await? => return Ok(()),
                Some(Ok(_)) => {}
            }
            self.lacking = None;
            let Some((ended, transaction)) = self.assembly.take() else { break };
            self.held = self.held.saturating_sub(transaction.open.held());
            self.take_in(&ended, transaction).await?;
            while self.intake.window.is_full() {
                let Some(judged) = self.intake.told.recv().await else { break };
                self.intake.judged(&judged);
            }
        }
        self.lacking = None;
        self.allow();
        Ok(())
    }

    async fn take_in(&mut self, ended: &Ended, transaction: Unfinished) -> Passed {
        let Unfinished { open, mut kept, places, .. } = transaction;
        let place = self.place(ended.lsn, false);
        let beside = self.beside(&places);
        kept.sort_by_key(|kept| kept.order);
        let take_kept = |keeper: &mut Keeper, into: &mut Followed| take_kept(&kept, keeper, into);
        self.intake.commit(open, (place, beside), ended.committed, take_kept).await
    }

    /// A place of the log.
    pub(super) fn place(&self, lsn: u64, is_reading: bool) -> PostgresPlace {
        PostgresPlace { system: self.settings.system.unwrap_or(0), lsn, is_reading }
    }

    /// Places of partitions up to which everything is taken in.
    pub(super) fn beside(&mut self, places: &BTreeMap<usize, PulsarPlace>) -> Vec<Offset> {
        let mut beside = Vec::new();
        for (partition, place) in places {
            if let Some(joined) = self.partitions.get_mut(partition) {
                joined.taken_in = Some(*place);
                let (source, place) = (Arc::clone(&joined.offset), Place::Pulsar(*place));
                beside.push(Offset { source, place });
            }
        }
        beside
    }

    /// Lets partitions read, or not: where much waits already, only what the next transaction lacks is read.
    fn allow(&mut self) {
        let is_much = self.held >= self.intake.rows_at_most;
        let lacking = self.lacking.as_ref().map(|(lacking, _)| &lacking.table);
        for joined in self.partitions.values() {
            let is_needed = joined.table.as_ref().is_none_or(|table| Some(table) == lacking);
            let may_read = joined.stalled.is_empty() && (!is_much || is_needed);
            joined.orders.send_if_modified(|orders| {
                let is_other = orders.may_read != may_read;
                orders.may_read = may_read;
                is_other
            });
        }
    }

    /// Asks all partitions whether they have been read to their ends; the number of the look.
    pub(super) fn look(&mut self) -> u64 {
        self.looks += 1;
        for joined in self.partitions.values() {
            joined.orders.send_modify(|orders| orders.look = self.looks);
        }
        self.looks
    }

    /// Whether every topic has been found, and all of it read after that look.
    pub(super) fn is_all_read(&self, look: u64) -> bool {
        let found: BTreeSet<Option<&TableName>> =
            self.partitions.values().map(|joined| joined.table.as_ref()).collect();
        let mut mapped = self.intake.mapping.tables.iter().map(|mapped| Some(&mapped.table));
        mapped.all(|table| found.contains(&table))
            && found.contains(&None)
            && self.partitions.values().all(|it| it.at_end >= look && it.stalled.is_empty())
    }

    /// Lets go what is settled, and looks after what waits.
    async fn settle(&mut self) -> Passed {
        self.pass_pieces_on_if_idle().await?;
        self.advance().await?;
        if let Some((_, times)) = &mut self.lacking {
            *times += 1;
        }
        if self.assembly.is_empty() && self.intake.window.is_empty() {
            self.intake.window.reached(self.assembly.taken_in);
        }
        let Follower { partitions, assembly, intake, pieces, .. } = self;
        let settled = intake.window.settled();
        let is_settled = |assembly: &Assembly, of| match of {
            Of::Nothing => true,
            Of::Piece(number) => number <= pieces.settled,
            Of::Transaction(number) if assembly.is_waiting(number) => false,
            Of::Transaction(number) => assembly.end_of(number).is_none_or(|end| end <= settled),
        };
        for joined in partitions.values_mut() {
            while let Some(number) = joined.ledger.passed_over(|of| is_settled(assembly, of)) {
                // It ended before what is behind it, and has been taken in: it came again.
                if assembly.forget(number).is_none() {
                    break;
                }
                intake.counted.repeated += 1;
            }
            if let Some(place) = joined.ledger.settle(|of| is_settled(assembly, of)) {
                joined.orders.send_modify(|orders| orders.settled = Some(place));
            }
        }
        self.resume().await
    }

    /// Goes on with rows that waited for what lies before them.
    async fn resume(&mut self) -> Passed {
        let stalled = |joined: &Joined| joined.stalled.front().map(first_lsn);
        let Some(lsn) = self.partitions.values().filter_map(stalled).max() else {
            self.stalled_for = 0;
            return Ok(());
        };
        self.stalled_for += 1;
        if self.assembly.holds_before(lsn) && self.stalled_for > PATIENCE {
            // What they say is as of later: of what does not come, nothing is missing then.
            let dropped = self.assembly.supersede(lsn);
            (self.held, self.lacking) = (self.assembly.held(), None);
            if dropped > 0 {
                warn!(source = %self.intake.source, transactions = dropped,
                    "transactions that have not come whole are taken over by the tables as they are read anew");
            }
        }
        if self.assembly.holds_before(lsn) {
            return Ok(());
        }
        self.stalled_for = 0;
        let waiting: Vec<usize> = self.partitions.keys().copied().collect();
        for partition in waiting {
            let Some(joined) = self.partitions.get_mut(&partition) else { continue };
            let mut stalled = std::mem::take(&mut joined.stalled);
            while let Some(mail) = stalled.pop_front() {
                self.message(partition, mail).await?;
                if let Some(joined) = self.partitions.get_mut(&partition)
                    && !joined.stalled.is_empty()
                {
                    joined.stalled.append(&mut stalled);
                }
            }
        }
        self.allow();
        Ok(())
    }

    fn show(&mut self) {
        let backlog = self.partitions.values().map(|joined| joined.backlog).sum();
        let tables = self.partitions.values().filter_map(|joined| joined.table.as_ref());
        self.intake.counted.tables = tables.collect::<BTreeSet<_>>().len() as u64;
        self.intake.counted.more = vec![
            ("backlog", backlog),
            ("partitions", self.partitions.len() as u64),
            ("waiting", self.assembly.len() as u64),
            ("deadLetters", self.letters),
        ];
        let late = self.lacking.as_ref().filter(|(_, times)| *times >= PATIENCE);
        let late = late.map(|(lacking, _)| {
            let Lacking { number, table, come, counted } = lacking;
            format!(
                "transaction {number}: {come} of {counted} changes of {table} have come; where the others are lost, let \
                 Debezium take a snapshot"
            )
        });
        let standing = match self.troubles.values().next().cloned().or(late) {
            Some(trouble) => Standing::Degraded(trouble),
            None if self.pieces.is_open && self.pieces.lsn > 0 => Standing::Filling,
            None => Standing::Following,
        };
        self.intake.counted.waiting = self.assembly.oldest().map(|ended| ended.committed);
        self.intake.stands(standing);
    }
}

/// Where in the log a row is that waits.
fn first_lsn(mail: &Mail) -> u64 {
    match &mail.what {
        What::Change(change, _) => change.lsn,
        _ => 0,
    }
}

/// Takes what a change says into its transaction.
pub(super) fn take(
    intake: &mut Intake,
    said: Saying,
    order: u64,
    open: &mut super::super::tables::whole::Open,
    kept: &mut Vec<Kept>,
) -> Passed {
    let (learned, said) = match said {
        Saying::Row(learned, old, new) => {
            let tuples = (old.as_ref().map(|row| row.tuple()), new.as_ref().map(|row| row.tuple()));
            intake.change(&learned, (tuples.0.as_ref(), tuples.1.as_ref()), order, open)?;
            (learned, KeptChange::Row(old, new))
        }
        Saying::Empty(learned) => {
            intake.empty(&learned, order, open)?;
            (learned, KeptChange::Empty)
        }
        Saying::Half(..) | Saying::Nothing => return Ok(()),
    };
    if learned.is_kept {
        kept.push(Kept { order, learned, said });
    }
    Ok(())
}

/// Takes rows of master data in.
pub(super) fn take_kept(kept: &[Kept], keeper: &mut Keeper, into: &mut Followed) -> Passed {
    for Kept { learned, said, .. } in kept {
        let table = &learned.table;
        match said {
            KeptChange::Row(old, new) => {
                keeper.identify(table, &learned.key, into);
                let old = old.as_ref().map(|row| row.tuple());
                let new = new.as_ref().map(|row| row.tuple());
                keeper.take(table, &learned.columns, old.as_deref(), new.as_deref(), into);
            }
            KeptChange::Empty => keeper.empty(table, into),
        }
    }
    Ok(())
}
