//! The same by differential dataflow over rows of points: `reduce` to the newest of each slot, values and
//! counts moved into the difference, a count a company. The natural way to write it, not the fastest.

use std::time::Duration;

use differential_dataflow::input::{Input as _, InputSession};
use differential_dataflow::operators::CountTotal as _;
use timely::dataflow::ProbeHandle;
use timely::worker::Worker;

use super::flat::Point;
use crate::clock::now;

/// Plants a company, as in the workload.
const PLANTS_A_COMPANY: u64 = 20;

/// Series and slot of a point.
type Key = (u32, u32);
/// Order and value of a point.
type Said = ((i64, u64), i64);

/// A dataflow of points.
pub(crate) struct DifferentialPoints {
    input: InputSession<u64, (Key, Said), isize>,
    probe: ProbeHandle<u64>,
    epoch: u64,
}

impl DifferentialPoints {
    pub(crate) fn build(worker: &mut Worker) -> DifferentialPoints {
        let (input, probe) = worker.dataflow::<u64, _, _>(|scope| {
            let (input, said) = scope.new_collection::<(Key, Said), isize>();
            let latest =
                said.reduce_named("newest of a slot", |_, said: &[(&Said, isize)], output| {
                    // Sorted by order: the last one counts.
                    if let Some((newest, _)) = said.last() {
                        output.push((newest.1, 1_isize));
                    }
                });
            let sums = latest.explode(|((series, slot), value)| {
                let point = Point { series, slot, order: (0, 0), value };
                let company = ((point.plant() - 1) / PLANTS_A_COMPANY) as u32;
                let sum = (value as isize, 1_isize);
                point.reports().then_some(((company, point.voice(), slot), sum))
            });
            let probe = ProbeHandle::new();
            sums.count_total().probe_with(&probe);
            (input, probe)
        });
        DifferentialPoints { input, probe, epoch: 0 }
    }

    /// Takes the points of a tick in and waits until it has closed.
    pub(crate) fn apply(&mut self, worker: &mut Worker, points: &[Point]) -> Duration {
        let begun = now();
        for point in points {
            self.input.update(((point.series, point.slot), (point.order, point.value)), 1);
        }
        self.epoch += 1;
        self.input.advance_to(self.epoch);
        self.input.flush();
        worker.step_while(|| self.probe.less_than(&self.epoch));
        begun.elapsed()
    }
}
