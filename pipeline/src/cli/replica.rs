//! `smartpulse serve --from-redis URL`: the doors of a replica, until a signal stops it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use smartpulse_serve::doors::{Behind, DoorRules, Elsewhere};

use super::Shared;
use super::open_doors::{Opening, open_doors};
use super::settled::ring;
use crate::config::Config;
use crate::ingest::clock::MachineClocks;
use crate::replica::{Options, Over, Replica};

/// Runs the command. Where another data folder begins to write, everything begins anew: whoever follows comes back
/// with a token of the other incarnation, and is told so.
///
/// # Errors
/// Doors that cannot be opened.
pub(super) fn run(shared: &Shared, config: &Config, clocks: MachineClocks) -> anyhow::Result<()> {
    loop {
        let options = Options {
            redis: config.replica.settings(),
            ring: ring(config),
            stale: Duration::from_secs(config.replica.stale_seconds),
        };
        let replica = Replica::start(options);
        let wait = DoorRules::default().reply_wait;
        let elsewhere = Elsewhere::at(config.replica.engine.as_deref(), wait);
        let elsewhere = elsewhere.ok().context("replica.engine is no address")?;
        let opening = Opening {
            read_model: Arc::clone(&replica.read_model),
            behind: Behind::Elsewhere(Box::new(elsewhere)),
            attached: vec![Arc::clone(&replica.link)],
        };
        let doors = match open_doors(opening, config, clocks) {
            Ok(doors) => doors,
            Err(fault) => {
                replica.stop();
                return Err(fault);
            }
        };
        let signals = doors.signals();
        shared.say(&format!("listening on http://{}", doors.address));
        let mut over = None;
        doors.wait(signals, async { over = Some(replica.over().await) });
        drop(doors);
        replica.stop();
        match over {
            Some(Over::OtherIncarnation) => {
                shared.say("another data folder writes there: beginning anew")
            }
            Some(Over::Panicked) => anyhow::bail!("the replica has panicked"),
            None => {
                shared.say("stopping");
                return Ok(());
            }
        }
    }
}
