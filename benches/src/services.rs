//! Rows that need a service beside the platform: with `--services` only. Each service is a real one, started here on
//! the loopback.

mod epochs;
mod postgres_in;
mod pulsar_in;
mod pulsar_out;
mod redis_out;
mod replica;

use anyhow::Result;

use crate::plan::Plan;
use crate::table::Table;

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    if !plan.services {
        return Ok(());
    }
    redis_out::rows(plan, table)?;
    replica::rows(plan, table)?;
    pulsar_in::rows(plan, table)?;
    pulsar_out::rows(plan, table)?;
    postgres_in::rows(plan, table)
}
