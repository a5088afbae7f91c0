//! Requests that carry a key and come again.

use std::sync::PoisonError;

use smartpulse_serve::command::{Command, Idempotency, Refusal};

use super::{Ingest, IngestError};

impl Ingest {
    /// The command, unless its request was answered before, is under way, or its key was used otherwise.
    pub(super) fn without_answer(&self, command: Command) -> Result<Option<Command>, IngestError> {
        let Some(Idempotency { scope, body }) = command.idempotency else {
            return Ok(Some(command));
        };
        let mut in_flight = self.start.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((first_body, waiting)) = in_flight.get_mut(&scope) {
            if *first_body == body {
                waiting.push(command.reply);
            } else {
                let _ = command.reply.send(Err(Refusal::KeyReused));
            }
            return Ok(None);
        }
        if let Some((first_body, reply)) = self.start.archive.answer(&scope)?
            && self.place.remembers(reply.recorded)
        {
            let answer = if first_body == body { Ok(reply) } else { Err(Refusal::KeyReused) };
            let _ = command.reply.send(answer);
            return Ok(None);
        }
        in_flight.insert(scope, (body, Vec::new()));
        Ok(Some(command))
    }

    pub(super) fn forget(&self, idempotency: Option<Idempotency>, refusal: &Refusal) {
        let Some(Idempotency { scope, .. }) = idempotency else { return };
        let mut in_flight = self.start.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        for waiting in in_flight.remove(&scope).into_iter().flat_map(|(_, waiting)| waiting) {
            let _ = waiting.send(Err(refusal.clone()));
        }
    }
}
