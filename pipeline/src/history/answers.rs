//! Answers remembered for repetitions of a request: seven days and a million, whichever is less.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fjall::{Keyspace, OwnedWriteBatch};
use smartpulse_operators::time::Instant;
use smartpulse_serve::command::{Idempotency, Reply};

/// How long an answer is remembered: seven days, in minutes.
pub const REMEMBERED_MINUTES: i64 = 7 * 24 * 60;
/// Most answers remembered; the oldest go first.
const MAX_ANSWERS: u64 = 1_000_000;
/// Old answers dropped with each write: more than one, so that the bound is reached again.
const DROPPED_A_WRITE: usize = 64;

/// The remembered answers.
#[derive(Clone)]
pub(super) struct Answers {
    /// Scope of a request → (digest of its body, answer).
    by_scope: Keyspace,
    /// (recorded, scope) of every answer, to find the oldest.
    by_age: Keyspace,
    count: Arc<AtomicU64>,
}

impl Answers {
    pub(super) fn new(by_scope: Keyspace, by_age: Keyspace) -> Result<Answers, fjall::Error> {
        let count = by_age.len()? as u64;
        Ok(Answers { by_scope, by_age, count: Arc::new(AtomicU64::new(count)) })
    }

    /// The digest of the body and the answer remembered for a scope; none where it cannot be read.
    pub(super) fn get(&self, scope: &[u8; 32]) -> Result<Option<Vec<u8>>, fjall::Error> {
        Ok(self.by_scope.get(scope)?.map(|bytes| bytes.to_vec()))
    }

    /// Adds `answers` to a write and drops what is too old or too much.
    pub(super) fn write(
        &self,
        answers: &[(Idempotency, Reply)],
        batch: &mut OwnedWriteBatch,
    ) -> Result<(), fjall::Error> {
        let Some(newest) = answers.iter().map(|(_, reply)| reply.recorded).max() else {
            return Ok(());
        };
        for (idempotency, reply) in answers {
            // A reply is plain data: writing it to memory cannot fail.
            let bytes = postcard::to_stdvec(&(idempotency.body, reply)).unwrap_or_default();
            batch.insert(&self.by_scope, idempotency.scope, bytes);
            batch.insert(&self.by_age, age_key(reply.recorded, &idempotency.scope), []);
        }
        let mut count =
            self.count.fetch_add(answers.len() as u64, Ordering::Relaxed) + answers.len() as u64;
        let forgotten = age_key(newest.plus_minutes(-REMEMBERED_MINUTES), &[0; 32]);
        for item in self.by_age.iter().take(DROPPED_A_WRITE) {
            let key = item.key()?;
            if count <= MAX_ANSWERS && *key >= forgotten[..] {
                break;
            }
            if let Some(scope) = key.get(8..) {
                batch.remove(&self.by_scope, scope);
            }
            batch.remove(&self.by_age, key);
            count -= 1;
        }
        self.count.store(count, Ordering::Relaxed);
        Ok(())
    }
}

fn age_key(recorded: Instant, scope: &[u8; 32]) -> [u8; 40] {
    let mut key = [0; 40];
    key[..8].copy_from_slice(&((recorded.0 as u64) ^ (1 << 63)).to_be_bytes());
    key[8..].copy_from_slice(scope);
    key
}
