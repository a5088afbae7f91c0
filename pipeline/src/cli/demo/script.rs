//! What the demonstration asks for at a step: a function of the seed, the step, the time and what is known of
//! memberships. It reads no clock and keeps nothing, so that a test can look at any step.

use smartpulse_datasets::LivingFleet;
use smartpulse_operators::batch::{Batch, Sequence};
use smartpulse_operators::change::{BatchName, Change, Checks, Entry, Save, Withdrawal};
use smartpulse_operators::reference::Reference;
use smartpulse_operators::series::Provider;
use smartpulse_operators::time::Instant;
use uuid::Uuid;

use super::schedule::{Deed, deed};
use super::wording::{self, Signed};
use super::{meters, sales};

/// What the demonstration's saves are held to: what those of the local caller are.
const CHECKS: Checks = Checks { gates: true, limits: true, locks: true, past_role: true };

/// The plant a newcomer is sent to, by its place in the fleet.
pub(super) const SPOTLIGHT: usize = 6;

/// Microseconds in a second.
pub(super) const SECOND: i64 = 1_000_000;
/// How long a version for the future waits.
const FUTURE: i64 = 30 * SECOND;
/// Parts of a step that draw or save on their own have numbers below this.
const PARTS: u64 = 32;

/// The play: a fleet, the plants of it that are tended, and when it began.
pub(super) struct Script {
    pub(super) fleet: LivingFleet,
    /// Places of plants in the fleet.
    pub(super) tended: Vec<usize>,
    begun: Instant,
}

/// A step and the time since the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) step: u64,
    pub(super) since: Instant,
    pub(super) now: Instant,
}

/// Changes that become visible together: statements before the last one, mostly none.
pub(super) type Act = Vec<Change>;

impl Script {
    pub(super) fn new(fleet: LivingFleet, tended: Vec<usize>, begun: Instant) -> Script {
        Script { fleet, tended, begun }
    }

    /// What is asked for at `moment`, in this order; nothing where no plant is tended.
    pub(super) fn acts(&mut self, moment: Moment, reference: &Reference) -> Vec<Act> {
        if self.tended.is_empty() {
            return Vec::new();
        }
        let mut acts = meters::read(self, moment);
        acts.extend(self.deed(moment, reference));
        acts
    }

    fn deed(&mut self, moment: Moment, reference: &Reference) -> Option<Act> {
        match deed(moment.step) {
            Deed::Reissue => self.reissue(moment),
            Deed::Spotlight => self.spotlight(moment),
            Deed::Correction => self.correction(moment),
            Deed::Future => self.future(moment),
            Deed::Restatement => meters::restated(self, moment),
            Deed::Withdrawal(step) => Some(vec![self.withdrawal(step, moment.step)]),
            Deed::Sale(number) => match sales::sale(number, moment.now, reference) {
                Some(sale) => Some(sale.into()),
                None => self.reissue(moment),
            },
            Deed::Return(number) => match sales::returned(number, reference) {
                changes if changes.is_empty() => self.reissue(moment),
                changes => Some(changes),
            },
        }
    }

    /// A save of `entries`; none where there is no value.
    pub(super) fn save(
        &self,
        (step, part): (u64, u64),
        provider: Provider,
        valid_after: Instant,
        (user, note): Signed,
        entries: Vec<Entry>,
    ) -> Option<Act> {
        let batch = Batch {
            id: self.batch_id(step, part),
            sequence: Sequence(0),
            recorded: Instant::MIN,
            valid_after,
            provider,
            user,
            note,
            source_batch: None,
            skips_existing_check: false,
        };
        let is_empty = entries.is_empty();
        let (path, refused) = (None, Vec::new());
        let save = Save { batch, checks: CHECKS, path, entries, refused };
        (!is_empty).then(|| vec![Change::Save(save)])
    }

    fn withdrawal(&self, regretted: u64, step: u64) -> Change {
        Change::Withdrawal(Withdrawal {
            batch: BatchName::Id(self.batch_id(regretted, 0)),
            recorded: Instant::MIN,
            checks: CHECKS,
            user: Some(wording::person(self.draw(step, 1, u64::MAX)).to_owned()),
        })
    }

    /// A number in `0..bound`, the same for the same run, step and part.
    pub(super) fn draw(&self, step: u64, part: u64, bound: u64) -> u64 {
        let run = self.begun.0 as u64;
        self.fleet.draw(run.wrapping_mul(PARTS).wrapping_add(step * PARTS + part), bound)
    }

    /// The id of the batch that a part of a step saves: as fresh ones are, but known beforehand.
    fn batch_id(&self, step: u64, part: u64) -> Uuid {
        let bits = [0, 1].map(|half| {
            self.fleet.draw(self.draw(step, PARTS - 1 - half, u64::MAX) ^ part, u64::MAX)
        });
        let mut random = [0; 10];
        random[..8].copy_from_slice(&bits[0].to_be_bytes());
        random[8..].copy_from_slice(&bits[1].to_be_bytes()[..2]);
        let millis = self.begun.0.div_euclid(1_000) as u64 + step * 1_000;
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

/// When a version announced at `now` begins to count.
pub(super) fn announced(now: Instant) -> Instant {
    Instant((now.0 + FUTURE).div_euclid(SECOND) * SECOND)
}
