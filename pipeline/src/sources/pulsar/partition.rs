//! One partition: read in order, handed to ingest with its place, settled, acknowledged.

use std::sync::Arc;
use std::time::Duration;

use smartpulse_connectors::retry::{Remedy, Row, remedy};
use smartpulse_connectors::{PulsarFault, PulsarReader, Reached, Read, Received, Why};
use smartpulse_operators::change::{Change, RefusedBatch};
use smartpulse_operators::offset::{Offset, Place, PulsarPlace};
use smartpulse_serve::doors::message::{self, ReadSave, Sender, SentSave, Unusable};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};
use uuid::Uuid;

use super::Topic;
use super::counts::Counted;
use super::letters::Letters;
use super::window::Window;
use crate::ingest::Backfill;
use crate::ingest::messages::{Judged, Message, Teller};

/// Between two acknowledgements: a broker keeps where a subscription stands about once a second.
const ACKNOWLEDGING: Duration = Duration::from_millis(200);
/// Acknowledgements between two looks at the figures of the subscription.
const LOOK: u32 = 10;

/// Messages that are kept until it is known whether the topic is the one that was read, at most: more than a broker
/// delivers again in a second, which is how often it keeps where a subscription stands.
const UNPROVEN: usize = 20_000;

/// One partition of a topic.
pub(super) struct Partition {
    topic: Arc<Topic>,
    /// Its name in full.
    name: String,
    /// The names under which its places are remembered.
    reached_name: Arc<str>,
    settled_name: Arc<str>,
    reached: Reached,
    /// Everything of the topic was lost once: what comes may be known by its batch alone.
    is_anew: bool,
    window: Window,
    /// Messages that look like known ones, until it is known that the topic is the one that was read.
    unproven: Vec<Received>,
    /// The end of the newest entry that is settled and not acknowledged.
    to_acknowledge: Option<PulsarPlace>,
    tell: UnboundedSender<Judged>,
    told: UnboundedReceiver<Judged>,
    counted: Counted,
}

impl Partition {
    /// A partition that goes on from where the folder says.
    pub(super) fn new(topic: Arc<Topic>, name: String) -> Partition {
        let (tell, told) = mpsc::unbounded_channel();
        let reached_name: Arc<str> = format!("pulsar {} {name}", topic.connection.name).into();
        let settled_name: Arc<str> = format!("{reached_name} settled").into();
        let place = |name: &Arc<str>| match topic.offsets.get(name) {
            Some(Place::Pulsar(place)) => Some(*place),
            _ => None,
        };
        let reached = place(&reached_name);
        // Of a topic that was made anew since, it would say nothing.
        let settled = place(&settled_name)
            .filter(|settled| reached.is_some_and(|reached| settled.order() <= reached.order()));
        Partition {
            name,
            reached_name,
            settled_name,
            reached: Reached(reached),
            is_anew: false,
            window: Window::after(settled),
            unproven: Vec::new(),
            to_acknowledge: None,
            tell,
            told,
            counted: Counted::default(),
            topic,
        }
    }

    /// Runs until told to stop.
    pub(super) async fn run(mut self) {
        let mut row = Row::default();
        let mut stopping = self.topic.stopping.clone();
        loop {
            let before = self.counted.messages;
            let followed = tokio::select! {
                followed = Box::pin(self.follow()) => followed,
                _ = stopping.wait_for(|stop| *stop) => return,
            };
            let Err(fault) = followed;
            match &fault {
                PulsarFault::MadeAnew(problem) => {
                    warn!(
                        topic = self.name,
                        problem, "what was read of it is gone: it is read from its beginning"
                    );
                    (self.reached, self.is_anew) = (Reached(None), true);
                    self.window.begin_anew();
                    self.to_acknowledge = None;
                }
                PulsarFault::Again(problem) => info!(topic = self.name, problem, "looked at anew"),
                _ => self.topic.client.lost().await,
            }
            let (times, is_news) =
                row.add(fault.trouble(), fault.to_string(), self.counted.messages > before);
            if is_news && matches!(fault, PulsarFault::Unreachable { .. }) {
                warn!(topic = self.name, problem = %fault, "pulsar is not read");
            }
            if times > 1 || matches!(fault, PulsarFault::Unreachable { .. }) {
                self.topic.troubled(&self.name, Some(fault.to_string()));
            }
            let (Remedy::Again(pause) | Remedy::Anew(pause)) =
                remedy(fault.trouble(), times, rand::random());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Reads and settles until something fails.
    async fn follow(&mut self) -> Result<std::convert::Infallible, PulsarFault> {
        let topic = Arc::clone(&self.topic);
        let client = topic.client.get().await?;
        let from = (self.reached, self.window.settled());
        let opening = PulsarReader::open(&client, &self.name, &topic.settings, &topic.reader, from);
        let mut reader = Box::pin(opening).await?;
        self.topic.troubled(&self.name, None);
        // They come again.
        self.unproven.clear();
        let mut letters = Letters::to(&client, topic.settings.letters());
        let mut tick = tokio::time::interval(ACKNOWLEDGING);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ticks = 0;
        loop {
            if letters.is_free()
                && let Some((number, letter)) = self.window.letter(&self.name)
            {
                letters.begin(number, letter);
            }
            tokio::select! {
                biased;
                Some(judged) = self.told.recv() => self.judged(&judged),
                written = letters.next() => self.written(written),
                _ = tick.tick() => {
                    ticks += 1;
                    self.acknowledge(&mut reader).await?;
                    if ticks % LOOK == 1 {
                        self.counted.backlog = reader.backlog().await.or(self.counted.backlog);
                    }
                    self.counted.under_way = self.window.oldest();
                    self.topic.counted(&self.name, self.counted.clone());
                }
                read = reader.next(), if !self.window.is_full() => {
                    let read = read?;
                    self.take(read, reader.is_proven()).await?;
                }
            }
        }
    }

    fn judged(&mut self, judged: &Judged) {
        self.window.judged(judged.number, &judged.refused);
        self.settle();
    }

    fn settle(&mut self) {
        self.to_acknowledge = self.window.settle().or(self.to_acknowledge);
    }

    /// Acknowledges what is settled, once it is known that the topic is the one that was read.
    async fn acknowledge(&mut self, reader: &mut PulsarReader) -> Result<(), PulsarFault> {
        match self.to_acknowledge.take_if(|_| reader.is_proven()) {
            Some(place) => reader.acknowledge(place).await,
            None => Ok(()),
        }
    }

    fn written(&mut self, written: Result<u64, Option<PulsarFault>>) {
        match written {
            Ok(number) => {
                self.counted.letters += 1;
                self.window.written(number);
                self.settle();
                self.topic.troubled(&self.name, None);
            }
            Err(None) => {}
            Err(Some(fault)) => self.topic.troubled(&self.name, Some(fault.to_string())),
        }
    }

    /// Takes what was read; `is_proven` says that it is of the topic that was read before.
    async fn take(&mut self, read: Read, is_proven: bool) -> Result<(), PulsarFault> {
        let is_known = matches!(read, Read::Known(_));
        if is_proven || !is_known || self.unproven.len() >= UNPROVEN {
            // Of another topic they would be new, and none of them a dead letter.
            for message in std::mem::take(&mut self.unproven) {
                self.take_known(message)?;
            }
        }
        match read {
            Read::New(message) => self.take_new(message).await,
            Read::Known(message) => {
                self.counted.repeated += 1;
                if is_proven || self.window.knows(&message.place) {
                    return self.take_known(message);
                }
                self.unproven.push(message);
                Ok(())
            }
            Read::Unreadable(from, upto) => {
                let message = format!(
                    "what lies from {from} to before {upto} cannot be decompressed or taken apart"
                );
                let code = "UNREADABLE_MESSAGE".to_owned();
                let why = Why { code, message, field: None, slots: None, is_part: false };
                let received = Received { place: from, ends_entry: true, ..Received::default() };
                self.counted.refused += 1;
                self.window.known(received, Some(why));
                Ok(())
            }
        }
    }

    /// Hands a message on, with its place.
    async fn take_new(&mut self, message: Received) -> Result<(), PulsarFault> {
        let place = message.place;
        self.counted.messages += 1;
        self.counted.bytes += message.body.len() as u64;
        self.counted.newest = Some(message.published);
        // Asked first: where that fails, the message is as new as it was.
        let is_there = self.is_anew && self.batch(&place)?.is_some();
        self.reached = Reached(Some(place));
        if is_there {
            return self.take_known(message);
        }
        let (change, number) = match self.read(&message) {
            Ok(read) => {
                self.counted.values += read.values as u64;
                let number = self.window.ask(message, &read);
                (Change::Save(read.save), number)
            }
            Err(unusable) => {
                self.counted.refused += 1;
                let code = unusable.code.clone();
                let number = self.window.refuse(message, unusable);
                (Change::Refused(RefusedBatch { code, values: 0, recorded: None }), number)
            }
        };
        let offset = |name: &Arc<str>, place| Offset {
            source: Arc::clone(name),
            place: Place::Pulsar(place),
        };
        let settled = self.window.settled().map(|place| offset(&self.settled_name, place));
        let offsets = [offset(&self.reached_name, place)].into_iter().chain(settled).collect();
        let teller = Teller { to: self.tell.clone(), number };
        let kept = Vec::new();
        let message = Message { changes: vec![change], spooled: None, kept, offsets, teller };
        let sent = self.topic.backfill.send(Backfill::Message(Box::new(message))).await;
        sent.map_err(|_| PulsarFault::Unreachable {
            doing: "handing a message on",
            problem: "the engine has stopped".to_owned(),
        })
    }

    /// A message that was taken in before: settled, or refused by a process that could not say so any more.
    fn take_known(&mut self, message: Received) -> Result<(), PulsarFault> {
        if self.window.knows(&message.place) {
            let is_settled = self
                .window
                .settled()
                .is_some_and(|settled| message.place.order() <= settled.order());
            if is_settled && message.ends_entry {
                self.to_acknowledge = self
                    .to_acknowledge
                    .filter(|newest| newest.order() > message.place.order())
                    .or(Some(message.place));
            }
            return Ok(());
        }
        let stored = self.batch(&message.place)?;
        let why = match (self.read(&message), stored) {
            // It was of use then.
            (Err(_), Some(_)) => None,
            (Err(unusable), None) => {
                let Unusable { code, message, field } = unusable;
                Some(Why { code, message, field, slots: None, is_part: false })
            }
            (Ok(read), stored) => {
                let stored = stored.unwrap_or(0);
                let all = (read.values + read.refused.len()) as u64;
                (stored < all).then(|| Why {
                    code: "REFUSED".to_owned(),
                    message: format!("{} of {all} values were refused, by a process that ended before it could say why", all - stored),
                    field: None,
                    slots: None,
                    is_part: stored > 0,
                })
            }
        };
        self.window.known(message, why);
        self.settle();
        Ok(())
    }

    /// Values stored of the batch that a message at `place` became.
    fn batch(&self, place: &PulsarPlace) -> Result<Option<u64>, PulsarFault> {
        let found = self.topic.archive.batch_of_id(self.batch_id(place));
        let found = found.map_err(|problem| PulsarFault::Unreachable {
            doing: "looking for a batch",
            problem: problem.to_string(),
        })?;
        Ok(found.map(|record| record.saved + record.skipped))
    }

    /// The save in a message.
    fn read(&self, message: &Received) -> Result<ReadSave, Unusable> {
        let Topic { settings, rules, read_model, connection, .. } = &*self.topic;
        let sent = SentSave {
            properties: &message.properties,
            key: message.key.as_deref().filter(|_| !message.is_key_encoded),
            body: &message.body,
            provider: settings.provider.as_deref(),
        };
        let sender = Sender {
            id: self.batch_id(&message.place),
            source_batch: format!("{}@{}", self.name, message.place),
            user: format!("pulsar:{}", connection.name),
            roles: &settings.roles,
        };
        message::read(&sent, sender, rules, &read_model.snapshot().reference)
    }

    /// The batch's id follows from where the message lies, and from what tells it from another one there.
    fn batch_id(&self, place: &PulsarPlace) -> Uuid {
        let name = format!("{}@{place}#{:x}", self.reached_name, place.mark);
        Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes())
    }
}
