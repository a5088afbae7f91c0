//! `durable-points`: the point workload through journal, engine, read model and history store of a whole
//! service, from memory. Filling the fleet is the warm-up.

use anyhow::Result;

use crate::fill::Fill;
use crate::plan::{Plan, say};
use crate::said::Said;
use crate::table::{Better, Measured, Row, Table, number};

const NAME: &str = "durable-points";

pub(crate) fn rows(plan: &Plan, table: &mut Table) -> Result<()> {
    if !plan.wants(NAME) {
        return Ok(());
    }
    let said = plan.sized(
        Said { plants: 5_000, ticks: 1_000, tick_points: 10_000 },
        Said { plants: 250, ticks: 300, tick_points: 10_000 },
    );
    let mut rates = Vec::new();
    let (mut compared, mut remark) = (0, String::new());
    for run in 1..=plan.sized(3, 2) {
        let room = plan.room()?;
        let data = room.path().join("data");
        let (_, filled) = Fill { data, said, stops: true }.run()?;
        let rate = filled.points as f64 / filled.seconds;
        say(&format!("{NAME}: run {run}: {} points/s", number(rate)));
        rates.push(rate);
        compared = filled.compared;
        remark = format!(
            "{} points on {} live ones; {:.2} cores busy; history at rest {:.2} s later; every live value checked",
            number(filled.points as f64),
            number(filled.compared as f64),
            filled.cpu_seconds / filled.seconds,
            filled.rest_seconds
        );
    }
    let row = Row::new(NAME, "points/s", Better::More, Measured::of(rates));
    table.add(row.with("valuesChecked", compared).remark(remark));
    Ok(())
}
