//! Puts transactions together from what the partitions say, and takes them in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use smartpulse_connectors::retry::{Remedy, Row, remedy};
use smartpulse_connectors::{
    DebeziumSettings, Ended, Envelope, Operation, PostgresFault, TableName,
};
use smartpulse_operators::offset::{Place, PulsarPlace};
use smartpulse_operators::time::Instant;
use smartpulse_serve::attached::Standing;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tracing::warn;

use super::super::tables::Intake;
use super::assembly::{Assembly, EndVerdict, Lacking, Verdict};
use super::ledger::{Ledger, Of};
use super::partition::{Item, Mail, Orders, Said, What};
use super::pieces::Pieces;
use super::rows::{Saying, Shapes, Unread};
use super::taking::take;

/// Between two looks at what may be acknowledged.
const SETTLING: Duration = Duration::from_millis(100);
/// Those between two looks at how things stand.
const SHOWING: u32 = 10;
/// Looks after which it is said that changes of a transaction do not come, after which rows that are read as they are
/// take their place, and after which the topics of tables are left to whoever reads that of transactions.
pub(super) const PATIENCE: u32 = 50;

/// A partition, as what is read of it stands.
pub(super) struct Joined {
    pub(super) table: Option<TableName>,
    /// Under which it is remembered how far it was taken in.
    pub(super) offset: Arc<str>,
    pub(super) orders: watch::Sender<Orders>,
    pub(super) ledger: Ledger,
    pub(super) taken_in: Option<PulsarPlace>,
    /// The newest look after which it was read to its end.
    pub(super) at_end: u64,
    /// Where in the log the newest change of a transaction lies that came: rows that were read as they were before it lie
    /// before it here as well.
    pub(super) passed: u64,
    pub(super) backlog: u64,
}

/// Puts the transactions of a database together.
pub(super) struct Follower {
    pub(super) intake: Intake,
    pub(super) settings: DebeziumSettings,
    offsets: BTreeMap<Arc<str>, Place>,
    pub(super) shapes: Shapes,
    pub(super) partitions: BTreeMap<usize, Joined>,
    pub(super) troubles: BTreeMap<usize, String>,
    pub(super) assembly: Assembly,
    pub(super) pieces: Pieces,
    round: u64,
    pub(super) looks: u64,
    /// Rows of transactions that wait, held in memory.
    pub(super) held: usize,
    pub(super) lacking: Option<(Lacking, u32)>,
    pub(super) letters: u64,
    /// Places of transactions that say nothing here, to be remembered with the next that does.
    pub(super) unremembered: BTreeMap<usize, PulsarPlace>,
    /// Another partition of the topic of transactions.
    divided: Option<String>,
    /// Looks since the topic of transactions could be read; only who reads it reads the others.
    pub(super) away: Option<u32>,
    /// Looks since a message came.
    pub(super) quiet: u32,
    /// Where the newest transaction began that is the first of its engine, and for which all has been read that lies before
    /// it.
    pub(super) cleared: Option<u64>,
    /// Up to where in the log transactions have been taken in, of those that came.
    pub(super) stream: u64,
    /// Where the tables were read last, as far as is known: what ended before may be in them, or may not.
    pub(super) compared_up_to: u64,
    /// And until when: the place that Debezium names may be one of before it began to read.
    pub(super) compared_until: Instant,
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
            letters: 0,
            unremembered: BTreeMap::new(),
            divided: None,
            away: Some(0),
            quiet: 0,
            cleared: None,
            stream: 0,
            compared_up_to: 0,
            compared_until: Instant::MIN,
        };
        if let Some(Place::Postgres(place)) = follower.offsets.get(&*follower.until_name()) {
            follower.compared_until = Instant(place.lsn as i64);
        }
        if let Some(Place::Postgres(place)) = follower.offsets.get(&*follower.stream_name()) {
            follower.stream = place.lsn;
        }
        follower.begin_again();
        follower
    }

    /// Runs for as long as there are partitions.
    pub(super) async fn run(mut self, items: &mut mpsc::Receiver<Item>) {
        let mut row = Row::default();
        loop {
            let before = self.intake.counted.transactions;
            let Err(fault) = Box::pin(self.follow(items)).await else { return };
            // What has been handed on is known when it comes again, and known things are acknowledged.
            if self.intake.settle_all().await.is_err() {
                return;
            }
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
    pub(super) fn begin_again(&mut self) {
        self.round += 1;
        let place = self.intake.place;
        let system = self.settings.system.unwrap_or(0);
        self.assembly = Assembly::after(system, self.stream);
        self.compared_up_to = place.map_or(0, |place| place.lsn).max(self.compared_up_to);
        self.pieces = Pieces::new(place.is_none_or(|place| place.is_reading));
        (self.held, self.lacking, self.quiet) = (0, None, 0);
        self.unremembered.clear();
        let is_away = self.away.is_some();
        for joined in self.partitions.values_mut() {
            (joined.ledger, joined.at_end, joined.passed) = (Ledger::default(), 0, 0);
            let (from, look) = (joined.taken_in, self.looks);
            let round = if is_away && joined.table.is_some() { 0 } else { self.round };
            let orders = Orders { round, from, look, may_read: true, ..Orders::default() };
            joined.orders.send_replace(orders);
        }
    }

    /// Follows until something fails; without a fault nobody is there any more.
    async fn follow(&mut self, items: &mut mpsc::Receiver<Item>) -> Passed {
        let mut tick = tokio::time::interval(SETTLING);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ticks = 0_u32;
        if let Some(name) = &self.divided {
            return Err(PostgresFault::Unfit {
                problem: format!("the topic of transactions has several partitions ({name})"),
                remedy: "give it one: the order in which transactions ended is lost otherwise"
                    .to_owned(),
            });
        }
        loop {
            tokio::select! {
                biased;
                Some(judged) = self.intake.told.recv() => self.intake.judged(&judged),
                _ = tick.tick() => {
                    ticks = ticks.wrapping_add(1);
                    Box::pin(self.settle(ticks)).await?;
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
                self.join(partition, &name, table, orders);
                return Ok(());
            }
            Said::Trouble(trouble) => {
                let of = self.partitions.get(&partition);
                if of.is_some_and(|joined| joined.table.is_none()) {
                    self.hold_on(trouble.is_none()).await?;
                }
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
                (joined.at_end, joined.passed) = (0, 0);
                joined.orders.send_modify(|orders| orders.settled = None);
                self.assembly.lose(partition);
                self.pieces.piece.places.remove(&partition);
                self.pieces.places.remove(&partition);
                self.unremembered.remove(&partition);
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
    ) {
        if table.is_none() && self.partitions.values().any(|joined| joined.table.is_none()) {
            self.divided = Some(name.to_owned());
            return;
        }
        let offset: Arc<str> = format!("debezium {} {name}", self.settings.name).into();
        let taken_in = match self.offsets.get(&offset) {
            Some(Place::Pulsar(place)) => Some(*place),
            _ => None,
        };
        let round = if self.away.is_some() && table.is_some() { 0 } else { self.round };
        let (from, look) = (taken_in, self.looks);
        orders.send_replace(Orders { round, from, look, may_read: true, ..Orders::default() });
        let joined = Joined {
            table,
            offset,
            orders,
            ledger: Ledger::default(),
            taken_in,
            at_end: 0,
            passed: 0,
            backlog: 0,
        };
        self.partitions.insert(partition, joined);
    }

    /// The topic of transactions can be read, or cannot: the others are read by who reads it.
    async fn hold_on(&mut self, is_read: bool) -> Passed {
        match (is_read, self.away.take()) {
            (false, None) => self.away = Some(1),
            (false, away) => self.away = away,
            (true, Some(0)) => {
                let tables = self.partitions.values().filter(|joined| joined.table.is_some());
                let round = self.round;
                tables.for_each(|joined| joined.orders.send_modify(|orders| orders.round = round));
            }
            (true, Some(looks)) if looks >= PATIENCE => {
                self.intake.settle_all().await?;
                self.begin_again();
            }
            (true, _) => {}
        }
        Ok(())
    }

    pub(super) async fn message(&mut self, partition: usize, mail: Mail) -> Passed {
        let Some(joined) = self.partitions.get_mut(&partition) else { return Ok(()) };
        if joined.ledger.knows(&mail.place) {
            return Ok(());
        }
        let is_read =
            matches!(&mail.what, What::Change(row, _) if row.operation == Operation::Read);
        self.quiet = 0;
        let repeated = self.intake.counted.repeated;
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
        let is_new = self.intake.counted.repeated == repeated;
        if let Some(joined) = self.partitions.get_mut(&partition) {
            let known = (is_new, self.assembly.taken_in);
            joined.ledger.add((place, ends_entry), of, known);
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
            self.intake.counted.repeated += 1;
            return Ok(of);
        }
        if let Some(joined) = self.partitions.get_mut(&from.0) {
            joined.passed = joined.passed.max(change.lsn);
        }
        let said = self.said(change, key)?;
        let Some(transaction) = self.assembly.get(mark.number) else { return Ok(of) };
        transaction.is_first |= change.is_first;
        let before = transaction.held();
        take(&mut self.intake, said, mark.order, &mut transaction.open, &mut transaction.kept)?;
        let held = transaction.held();
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
    pub(super) async fn advance(&mut self) -> Passed {
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
                Some(Ok(_)) => {}
            }
            let first = self.assembly.first_began();
            if first.is_some() && first != self.cleared && !self.pieces.is_open {
                // Tables were read before it, and nothing need have come of that yet.
                (self.pieces.is_open, self.pieces.look) = (true, None);
            }
            if !self.are_pieces_in().await? {
                return Ok(());
            }
            self.lacking = None;
            let Some((ended, transaction)) = self.assembly.take() else { break };
            self.held = self.held.saturating_sub(transaction.held());
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
}
