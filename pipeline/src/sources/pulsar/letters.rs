//! Writes dead letters one after another, beside the reading: where they cannot be written, reading goes on until as
//! many messages are under way as may be.

use std::pin::Pin;

use smartpulse_connectors::retry::{Remedy, Row, remedy};
use smartpulse_connectors::{DeadLetter, DeadLetters, PulsarClient, PulsarFault};

/// A letter on its way: the writer again, and the number of the message.
type Writing = Pin<Box<dyn Future<Output = (Option<DeadLetters>, Result<u64, PulsarFault>)>>>;

/// What writes letters to one topic.
pub(super) struct Letters {
    client: PulsarClient,
    topic: String,
    writer: Option<DeadLetters>,
    writing: Option<Writing>,
    resting: Option<Pin<Box<tokio::time::Sleep>>>,
    row: Row,
}

impl Letters {
    pub(super) fn to(client: &PulsarClient, topic: String) -> Letters {
        let (client, row) = (client.clone(), Row::default());
        Letters { client, topic, writer: None, writing: None, resting: None, row }
    }

    /// Whether the next letter may be begun.
    pub(super) fn is_free(&self) -> bool {
        self.writing.is_none() && self.resting.is_none()
    }

    /// Begins to write a letter; `number` is its message's.
    pub(super) fn begin(&mut self, number: u64, letter: DeadLetter) {
        let (client, topic, writer) = (self.client.clone(), self.topic.clone(), self.writer.take());
        self.writing = Some(Box::pin(async move {
            let mut writer = match writer {
                Some(writer) => writer,
                None => match Box::pin(DeadLetters::open(&client, &topic)).await {
                    Ok(writer) => writer,
                    Err(fault) => return (None, Err(fault)),
                },
            };
            match Box::pin(writer.write(&letter)).await {
                Ok(()) => (Some(writer), Ok(number)),
                // One that failed is not used again: its topic may have moved.
                Err(fault) => (None, Err(fault)),
            }
        }));
    }

    /// The number of the message whose letter is written next.
    ///
    /// # Errors
    /// Why it is not yet; none when it may be begun again.
    pub(super) async fn next(&mut self) -> Result<u64, Option<PulsarFault>> {
        if let Some(resting) = &mut self.resting {
            resting.await;
            self.resting = None;
            return Err(None);
        }
        let Some(writing) = &mut self.writing else { std::future::pending().await };
        let (writer, written) = writing.await;
        (self.writing, self.writer) = (None, writer);
        written.map_err(|fault| {
            let (times, _) = self.row.add(fault.trouble(), fault.to_string(), false);
            let (Remedy::Again(pause) | Remedy::Anew(pause)) =
                remedy(fault.trouble(), times, rand::random());
            self.resting = Some(Box::pin(tokio::time::sleep(pause)));
            Some(fault)
        })
    }
}
