//! Where the play takes place: the queue of live changes, as the doors use it, and what readers see.

use std::sync::Arc;

use smartpulse_operators::change::{BatchName, Change};
use smartpulse_operators::reference::Reference;
use smartpulse_operators::time::Instant;
use smartpulse_serve::command::{Command, Done, Reply};
use smartpulse_serve::read_model::ReadModel;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, warn};

use super::script::Act;
use crate::service::Service;

/// A running service, seen by the play.
pub(super) struct Stage {
    commands: mpsc::Sender<Command>,
    read_model: Arc<ReadModel>,
}

impl Stage {
    pub(super) fn of(service: &Service) -> Stage {
        let read_model = Arc::clone(&service.read_model);
        Stage { commands: service.commands.clone(), read_model }
    }

    /// What is said of units.
    pub(super) fn reference(&self) -> Arc<Reference> {
        Arc::clone(&self.read_model.snapshot().reference)
    }

    /// Asks for an act and waits until it is visible or refused; whether the service goes on. Who is refused
    /// goes on with the next act: a full disk or a held clock comes to an end.
    pub(super) fn perform(&self, mut act: Act) -> bool {
        let Some(change) = act.pop() else { return true };
        let what = described(&change);
        let (reply, answer) = oneshot::channel();
        let command = Command { before: act, change, idempotency: None, reply };
        if self.commands.blocking_send(command).is_err() {
            return false;
        }
        match answer.blocking_recv() {
            Ok(Ok(reply)) => debug!(epoch = reply.epoch.0, refused = refused(&reply), "{what}"),
            Ok(Err(refusal)) => warn!(%refusal, "the demonstration was refused: {what}"),
            // The service has stopped.
            Err(_) => return false,
        }
        true
    }
}

/// Slots that were not stored, or 1 for a withdrawal without effect.
fn refused(reply: &Reply) -> usize {
    match &reply.done {
        Done::Saved(saved) => saved.slots.iter().filter(|slot| !slot.outcome.is_stored()).count(),
        Done::WithdrawalRefused(slots) => slots.len(),
        Done::UnknownBatch | Done::Withdrawn { already: true } => 1,
        Done::Withdrawn { already: false } | Done::Stated { .. } => 0,
    }
}

fn described(change: &Change) -> String {
    match change {
        Change::Save(save) => {
            let values: usize = save.entries.iter().map(|entry| entry.curve.len()).sum();
            let first = save.entries.first().map(|entry| entry.unit.to_string());
            let (first, others) = (first.unwrap_or_default(), save.entries.len().saturating_sub(1));
            let provider = save.batch.provider.key();
            format!("{provider} saves {values} values of {first} and {others} other curves")
        }
        Change::Membership(membership) if membership.valid_from == Instant::MIN => {
            format!("{} stays with {}", membership.child, membership.parent)
        }
        Change::Membership(membership) => {
            format!("{} is sold to {}", membership.child, membership.parent)
        }
        Change::Withdrawal(withdrawal) => match &withdrawal.batch {
            BatchName::Id(id) => format!("batch {id} is withdrawn"),
            BatchName::Source(key) => format!("batch {key} is withdrawn"),
        },
        _ => "a statement".to_owned(),
    }
}
