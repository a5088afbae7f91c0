//! Where a dataflow ends: one operator takes what all of its views say, and knows how far all have closed.
//! Rows are grouped by their own time and released when the epoch has closed: a message may come early, or
//! an epoch in several.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, Stream};

/// The end of a dataflow while it is built. A probe and a capture for each view would be four operators, and
/// each operator costs a part of every tick.
pub(crate) struct Ending<'s> {
    builder: OperatorBuilder<'s, u64>,
    inputs: Vec<Box<dyn FnMut()>>,
}

/// Rows of a view that wait for their epoch to close.
pub(crate) struct Outputs<D>(Rc<RefCell<Messages<D>>>);

/// Rows with their times.
type Messages<D> = Vec<(u64, Vec<D>)>;

/// How far all views have closed.
pub(crate) struct Closed(Rc<Cell<u64>>);

impl<'s> Ending<'s> {
    pub(crate) fn of(scope: Scope<'s, u64>) -> Ending<'s> {
        let builder = OperatorBuilder::new("end".to_owned(), scope);
        Ending { builder, inputs: Vec::new() }
    }

    /// Takes a view.
    pub(crate) fn take<D: Clone + 'static>(&mut self, view: Stream<'s, u64, Vec<D>>) -> Outputs<D> {
        let mut input = self.builder.new_input(view, Pipeline);
        let outputs = Outputs(Rc::default());
        let waiting = Rc::clone(&outputs.0);
        self.inputs.push(Box::new(move || {
            input.for_each_stamp(|stamp, messages| {
                let time = stamp.stamp().iter().copied().max().unwrap_or_default();
                for rows in messages {
                    waiting.borrow_mut().push((time, std::mem::take(rows)));
                }
            });
        }));
        outputs
    }

    /// Ends it.
    pub(crate) fn close(self) -> Closed {
        let Ending { builder, mut inputs } = self;
        let closed = Rc::new(Cell::new(0));
        let open = Rc::clone(&closed);
        builder.build(move |_| {
            move |frontiers| {
                inputs.iter_mut().for_each(|input| input());
                let times = frontiers.iter().flat_map(|frontier| frontier.frontier().to_owned());
                open.set(times.min().unwrap_or(u64::MAX));
            }
        });
        Closed(closed)
    }
}

impl Closed {
    /// Whether nothing more comes of `epoch`.
    pub(crate) fn has_passed(&self, epoch: u64) -> bool {
        self.0.get() > epoch
    }
}

impl<D> Outputs<D> {
    /// All rows up to `epoch`, which has closed.
    pub(crate) fn closed(&self, epoch: u64) -> Vec<D> {
        let mut waiting = self.0.borrow_mut();
        let mut rows = Vec::new();
        for (_, mut more) in waiting.extract_if(.., |(time, _)| *time <= epoch) {
            if rows.is_empty() { rows = more } else { rows.append(&mut more) }
        }
        rows
    }
}
