//! Systems that the views are written to. Each has a thread of its own that follows the read model as any reader
//! does: one that is slow or dead is behind, and stops neither the engine nor another one.

mod pulsar;
mod redis;

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use smartpulse_connectors::Writer;
use smartpulse_serve::attached::{Attached, Direction};
use smartpulse_serve::read_model::ReadModel;
use tokio::sync::watch;
use tracing::error;
use uuid::Uuid;

use crate::config::Config;
use crate::ingest::clock::MachineClocks;
use crate::service::Service;

/// All sinks of a service.
pub struct Sinks {
    links: Vec<Arc<Attached>>,
    threads: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

/// What a sink works with.
struct Work {
    read_model: Arc<ReadModel>,
    writer: Writer,
    link: Arc<Attached>,
    stopping: watch::Receiver<bool>,
}

impl Sinks {
    /// Starts the sinks that the configuration names.
    #[must_use]
    pub fn start(service: &Service, config: &Config, clocks: MachineClocks) -> Sinks {
        let is_live = service.read_model.clock_goes_on();
        let (stop, stopping) = watch::channel(false);
        let incarnation = service.read_model.incarnation();
        let mut sinks = Sinks { links: Vec::new(), threads: Vec::new(), stop };
        let work = |link: &Arc<Attached>| Work {
            read_model: Arc::clone(&service.read_model),
            writer: Writer { incarnation, id: Uuid::now_v7(), is_live, now: clocks.now },
            link: Arc::clone(link),
            stopping: stopping.clone(),
        };
        for settings in &config.redis {
            let link = Attached::new(Direction::Sink, "redis", &settings.name);
            let (settings, work) = (settings.clone(), work(&link));
            sinks.begin(link, move || {
                alone(redis::run(settings, work));
            });
        }
        for connection in &config.pulsar {
            for deltas in &connection.deltas {
                let name = format!("{}/{}", connection.name, deltas.topic);
                let link = Attached::new(Direction::Sink, "pulsar", &name);
                let (connection, deltas, work) = (connection.clone(), deltas.clone(), work(&link));
                sinks.begin(link, move || {
                    alone(pulsar::run(connection, deltas, work));
                });
            }
        }
        sinks
    }

    fn begin(&mut self, link: Arc<Attached>, run: impl FnOnce() + Send + 'static) {
        self.links.push(link);
        self.threads.push(thread::spawn(run));
    }

    /// How each stands.
    #[must_use]
    pub fn links(&self) -> Vec<Arc<Attached>> {
        self.links.clone()
    }

    /// Lets each write what has closed, as far as it is reached at once, and ends them.
    pub fn stop(self) {
        self.stop.send_replace(true);
        for thread in self.threads {
            if thread.join().is_err() {
                error!("a sink has panicked; its message is in the log");
            }
        }
    }
}

/// Runs a task on a runtime of its own; none where there is no runtime.
pub(crate) fn alone<T>(task: impl Future<Output = T>) -> Option<T> {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => Some(runtime.block_on(task)),
        Err(problem) => {
            error!(%problem, "a link to another system cannot be started");
            None
        }
    }
}
