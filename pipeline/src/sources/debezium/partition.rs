//! One partition: read in order, told what may be acknowledged. What is no envelope becomes a dead letter at once.

use std::sync::Arc;
use std::time::Duration;

use smartpulse_connectors::retry::{Remedy, Row, remedy};
use smartpulse_connectors::{
    DeadLetter, DeadLetters, Ended, Envelope, EnvelopeFault, EnvelopeReader, PulsarClient,
    PulsarFault, PulsarReader, PulsarTopic, Reached, Read, Received, TableName, TopicEnd, Why,
};
use smartpulse_operators::offset::PulsarPlace;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use super::super::pulsar::Client;

/// Between two looks whether everything has been read, where that is asked for.
const LOOKING: Duration = Duration::from_millis(200);
/// Those between two looks at the figures of the subscription.
const FIGURES: u32 = 10;

/// What a partition is told. It begins once it has been told to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Orders {
    /// The round of reading: with a greater one it begins again at `from`.
    pub(super) round: u64,
    /// How far it has been taken in.
    pub(super) from: Option<PulsarPlace>,
    /// Whether there is room for more.
    pub(super) may_read: bool,
    /// What may be acknowledged, with all before it.
    pub(super) settled: Option<PulsarPlace>,
    /// The number of a look whether everything has been read.
    pub(super) look: u64,
}

/// What a partition has to say.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) partition: usize,
    pub(super) round: u64,
    pub(super) said: Said,
}

#[derive(Debug)]
pub(super) enum Said {
    /// It is there, and takes orders. None: of transactions.
    Joined(String, Option<TableName>, watch::Sender<Orders>),
    /// A message.
    Message(Mail),
    /// It is another topic than before.
    Anew,
    /// It was read to its end after that look was asked for.
    AtEnd(u64),
    /// Messages that the broker holds.
    Backlog(u64),
    /// A dead letter was written.
    Letter,
    /// It is in trouble, or no longer.
    Trouble(Option<String>),
}

/// A message of a partition.
#[derive(Debug)]
pub(super) struct Mail {
    pub(super) place: PulsarPlace,
    pub(super) ends_entry: bool,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Change(Box<Envelope>, Option<String>),
    Ended(Ended),
    /// Nothing that matters, or what has been taken in before.
    Nothing,
}

/// What all partitions share.
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) reader: String,
    pub(super) items: mpsc::Sender<Item>,
}

/// One partition.
pub(super) struct Partition {
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) topic: PulsarTopic,
    pub(super) table: Option<TableName>,
    pub(super) shared: Arc<Shared>,
    pub(super) orders: watch::Receiver<Orders>,
    round: u64,
    reached: Option<PulsarPlace>,
    /// What looks like something known, until it is known that the topic is the one that was read.
    unproven: Vec<(PulsarPlace, bool)>,
    /// What was settled of a topic that is no more: it says nothing of this one.
    stale: Option<PulsarPlace>,
    envelopes: EnvelopeReader,
}

/// It has been told to stop: nobody hears it any more.
struct Unheard;

impl Partition {
    pub(super) fn new(
        (index, name): (usize, String),
        topic: PulsarTopic,
        table: Option<TableName>,
        shared: &Arc<Shared>,
        orders: watch::Receiver<Orders>,
    ) -> Partition {
        let shared = Arc::clone(shared);
        let (round, reached, unproven, stale) = (0, None, Vec::new(), None);
        let envelopes = EnvelopeReader::default();
        Partition {
            index,
            name,
            topic,
            table,
            shared,
            orders,
            round,
            reached,
            unproven,
            stale,
            envelopes,
        }
    }

    /// Reads for as long as anybody hears it.
    pub(super) async fn run(mut self) {
        let mut row = Row::default();
        while self.orders.wait_for(|orders| orders.round > 0).await.is_ok() {
            self.begin();
            let before = self.reached;
            let fault = match Box::pin(self.follow()).await {
                Ok(Ok(())) => continue,
                Ok(Err(Unheard)) => return,
                Err(fault) => fault,
            };
            match &fault {
                PulsarFault::MadeAnew(problem) => {
                    warn!(
                        topic = self.name,
                        problem, "what was read of it is gone: it is read from its beginning"
                    );
                    (self.reached, self.stale) = (None, self.orders.borrow().settled);
                    if self.say(Said::Anew).await.is_err() {
                        return;
                    }
                }
                PulsarFault::Again(problem) => info!(topic = self.name, problem, "looked at anew"),
                _ => self.shared.client.lost().await,
            }
            let (times, is_news) =
                row.add(fault.trouble(), fault.to_string(), self.reached != before);
            let is_away = matches!(fault, PulsarFault::Unreachable { .. });
            if is_news && is_away {
                warn!(topic = self.name, problem = %fault, "pulsar is not read");
            }
            if (times > 1 || is_away)
                && self.say(Said::Trouble(Some(fault.to_string()))).await.is_err()
            {
                return;
            }
            let (Remedy::Again(pause) | Remedy::Anew(pause)) =
                remedy(fault.trouble(), times, rand::random());
            tokio::time::sleep(pause).await;
        }
    }

    /// Takes the orders of a new round.
    fn begin(&mut self) {
        let orders = self.orders.borrow_and_update();
        if orders.round != self.round {
            (self.round, self.reached) = (orders.round, orders.from);
        }
        // They come again.
        self.unproven.clear();
    }

    async fn say(&self, said: Said) -> Result<(), Unheard> {
        let item = Item { partition: self.index, round: self.round, said };
        self.shared.items.send(item).await.map_err(|_| Unheard)
    }

    /// Reads until there is a new round, or something fails.
    async fn follow(&mut self) -> Result<Result<(), Unheard>, PulsarFault> {
        let client = self.shared.client.get().await?;
        let from = (Reached(self.reached), self.reached);
        let opening =
            PulsarReader::open(&client, &self.name, &self.topic, &self.shared.reader, from);
        let mut reader = Box::pin(opening).await?;
        if self.say(Said::Trouble(None)).await.is_err() {
            return Ok(Err(Unheard));
        }
        let mut tick = tokio::time::interval(LOOKING);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut ticks, mut looked, mut acknowledged) = (0_u32, 0, None);
        let mut end: Option<(u64, TopicEnd)> = None;
        loop {
            let orders = self.orders.borrow_and_update().clone();
            if orders.round != self.round {
                return Ok(Ok(()));
            }
            let is_other = orders.settled != acknowledged && orders.settled != self.stale;
            if let Some(place) = orders.settled.filter(|_| is_other && reader.is_proven()) {
                reader.acknowledge(place).await?;
                acknowledged = orders.settled;
            }
            let heard = tokio::select! {
                biased;
                changed = self.orders.changed() => changed.map_err(|_| Unheard),
                _ = tick.tick() => {
                    ticks += 1;
                    if orders.look > looked {
                        // Asked once: what comes later was not there when it was looked for.
                        let asked = match end.take().filter(|(look, _)| *look == orders.look) {
                            Some((_, asked)) => asked,
                            None => reader.end(&client).await?,
                        };
                        if reader.is_at(&asked).await {
                            looked = orders.look;
                            if self.say(Said::AtEnd(looked)).await.is_err() {
                                return Ok(Err(Unheard));
                            }
                        }
                        end = Some((orders.look, asked));
                    }
                    match ticks % FIGURES {
                        1 => match reader.backlog().await {
                            Some(held) => self.say(Said::Backlog(held)).await,
                            None => Ok(()),
                        },
                        _ => Ok(()),
                    }
                }
                read = reader.next(), if orders.may_read => {
                    let read = read?;
                    self.take(read, reader.is_proven(), &client).await?
                }
            };
            if heard.is_err() {
                return Ok(Err(Unheard));
            }
        }
    }

    /// Takes what was read; `is_proven` says that it is of the topic that was read before.
    async fn take(
        &mut self,
        read: Read,
        is_proven: bool,
        client: &PulsarClient,
    ) -> Result<Result<(), Unheard>, PulsarFault> {
        if is_proven || !matches!(read, Read::Known(_)) {
            for (place, ends_entry) in std::mem::take(&mut self.unproven) {
                if self.mail(place, ends_entry, What::Nothing).await.is_err() {
                    return Ok(Err(Unheard));
                }
            }
        }
        let message = match read {
            Read::Known(message) if is_proven => {
                return Ok(self.mail(message.place, message.ends_entry, What::Nothing).await);
            }
            Read::Known(message) => {
                self.unproven.push((message.place, message.ends_entry));
                return Ok(Ok(()));
            }
            Read::Unreadable(from, upto) => {
                let problem = format!(
                    "what lies from {from} to before {upto} cannot be decompressed or taken apart"
                );
                let received = Received { place: from, ends_entry: true, ..Received::default() };
                self.letter(received, "UNREADABLE_MESSAGE", problem, None, client).await?;
                return Ok(self.say(Said::Letter).await);
            }
            Read::New(message) => message,
        };
        let (place, ends_entry) = (message.place, message.ends_entry);
        let what = match self.understood(&message) {
            Ok(what) => what,
            Err(fault) => {
                let said = format!("{fault}: it is no envelope of Debezium");
                self.letter(message, "NO_ENVELOPE", said, Some(fault.field), client).await?;
                if self.say(Said::Letter).await.is_err() {
                    return Ok(Err(Unheard));
                }
                What::Nothing
            }
        };
        self.reached = Some(place);
        Ok(self.mail(place, ends_entry, what).await)
    }

    fn understood(&mut self, message: &Received) -> Result<What, EnvelopeFault> {
        let what = match self.table {
            Some(_) => self
                .envelopes
                .change(&message.body)?
                .map(|change| What::Change(Box::new(change), message.text_key())),
            None => Ended::read(&message.body)?.map(What::Ended),
        };
        Ok(what.unwrap_or(What::Nothing))
    }

    async fn mail(&self, place: PulsarPlace, ends_entry: bool, what: What) -> Result<(), Unheard> {
        self.say(Said::Message(Mail { place, ends_entry, what })).await
    }

    /// Writes a dead letter; it is there for good when this returns.
    async fn letter(
        &self,
        message: Received,
        code: &str,
        said: String,
        field: Option<String>,
        client: &PulsarClient,
    ) -> Result<(), PulsarFault> {
        warn!(topic = self.name, place = %message.place, problem = said, "a message becomes a dead letter");
        let why = Why { code: code.to_owned(), message: said, field, slots: None, is_part: false };
        let letter = DeadLetter { message, topic: self.name.clone(), why };
        let mut letters = Box::pin(DeadLetters::open(client, &self.topic.letters())).await?;
        Box::pin(letters.write(&letter)).await
    }
}
