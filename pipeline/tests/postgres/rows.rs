//! Statements that add rows of forecasts.

/// A row of forecasts of one batch for hour `hour` of 2026-03-01.
pub(crate) fn row(batch: u32, plant: u32, hour: u32, valid_after: u32, value: &str) -> String {
    format!(
        "('00000000-0000-0000-0000-{batch:012}', 'PP', {plant}, timestamp '2026-03-01' + interval '{hour} hours', \
         timestamp '2026-03-01' + interval '{} hours', 'Desk', timestamp '2026-01-01' + interval '{valid_after} min', \
         {value})",
        hour + 1
    )
}

pub(crate) fn insert(rows: &[String]) -> String {
    format!("INSERT INTO t004forecast VALUES {};\n", rows.join(", "))
}

/// Statements that add `hours` hours to each of three plants as of an instant.
pub(crate) fn many(batch: u32, hours: u32, valid_after: u32) -> String {
    format!(
        "INSERT INTO t004forecast SELECT '00000000-0000-0000-0000-{batch:012}', 'PP', plant, \
         timestamp '2026-03-01' + slot * interval '1 hour', timestamp '2026-03-01' + (slot + 1) * interval '1 hour', \
         'Desk', timestamp '2026-01-01' + interval '{valid_after} min', slot + plant / 10.0 + {batch} \
         FROM generate_series(0, {}) slot, generate_series(1, 3) plant;\n",
        hours - 1
    )
}
