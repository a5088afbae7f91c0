//! Sums and members as they lie in Redis.
//!
//! The day of a total is MessagePack, an array of `[minutes, plants, sums, counts]`, one a grid of its plants:
//! `plants` is how many have that grid, `sums` are little-endian 8-byte integers in hundredths of a kW, `counts` (the
//! plants that report) 4-byte ones, each one a slot. A total on a finer grid repeats each sum; what all grids say is
//! added up, and a slot in which nothing reports is not there.
//!
//! Members are an array of `[minute, change, edges]`, minutes counted from 1970, the least: always. Changes are added
//! up from the first on. An edge joins the grid of its day also where nothing changes on balance: that grid is the
//! greatest common divisor of the plants' grids and of the minutes of the day with edges; the members of a slot are
//! those at its start.

use std::sync::Arc;

use serde_bytes::ByteBuf;
use smartpulse_operators::time::Period;
use smartpulse_operators::timeline::Timeline;
use smartpulse_operators::totals::sums::{DaySums, OnGrid};

use super::day::numbers;

type GridForm = (u16, i64, ByteBuf, ByteBuf);

/// The bytes of the day of a total.
pub(crate) fn encode(sums: &DaySums) -> Vec<u8> {
    let form = |on: OnGrid| -> GridForm {
        let sums: Vec<u8> = on.sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
        let counts = on.counts.iter().flat_map(|count| (*count as i32).to_le_bytes());
        (
            on.grid.minutes(),
            on.plants,
            ByteBuf::from(sums),
            ByteBuf::from(counts.collect::<Vec<u8>>()),
        )
    };
    let forms: Vec<GridForm> = sums.grids().map(form).collect();
    // Numbers and bytes serialise into memory.
    rmp_serde::to_vec(&forms).unwrap_or_default()
}

/// The day of those bytes; none where they are damaged.
pub(crate) fn decode(bytes: &[u8]) -> Option<Arc<DaySums>> {
    let forms: Vec<GridForm> = rmp_serde::from_slice(bytes).ok()?;
    let on_grid = |(minutes, plants, sums, counts): GridForm| {
        let grid = Period::new(minutes)?;
        let sums: Vec<i64> = numbers(&sums, i64::from_le_bytes).collect();
        let counts: Vec<i64> = numbers(&counts, i32::from_le_bytes).map(i64::from).collect();
        let fits = sums.len() == grid.slots() && counts.len() == grid.slots();
        fits.then_some(OnGrid { grid, plants, sums, counts })
    };
    let grids = forms.into_iter().map(on_grid).collect::<Option<Vec<_>>>()?;
    Some(Arc::new(DaySums::of_grids(grids)))
}

/// The bytes of who belongs to a total.
pub(crate) fn encode_members(timeline: &Timeline) -> Vec<u8> {
    let steps: Vec<(i64, i64, i64)> = timeline.steps().collect();
    // Numbers serialise into memory.
    rmp_serde::to_vec(&steps).unwrap_or_default()
}

/// Who belongs to it; none where the bytes are damaged.
pub(crate) fn decode_members(bytes: &[u8]) -> Option<Arc<Timeline>> {
    let steps: Vec<(i64, i64, i64)> = rmp_serde::from_slice(bytes).ok()?;
    Some(Arc::new(Timeline::of_steps(steps)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use smartpulse_operators::quantity::NULL;
    use smartpulse_operators::resolve::Values;
    use smartpulse_operators::stretches::Stretches;
    use smartpulse_operators::time::{Day, Instant};

    #[test]
    fn sums_and_members_come_out_as_they_went_in() {
        let held = Stretches::always();
        let until = Stretches::between(Instant(0), Some(Instant(90 * 60_000_000)));
        let (mut sums, mut timeline) = (DaySums::default(), Timeline::default());
        assert_eq!(decode(&encode(&sums)).as_deref(), Some(&sums));
        let far = [i64::from(i32::MAX) * 5, -7, NULL, 12];
        let day = (0..96).map(|slot| far[slot % 4]).collect::<Vec<_>>();
        sums.add(Values::Wide(&day), &held, Day(0), 1);
        sums.add(Values::Narrow(&[5; 24]), &until, Day(0), 1);
        timeline.add(&held, 1);
        timeline.add(&until, 1);
        assert_eq!(sums.grids().map(|on| on.grid.minutes()).collect::<Vec<_>>(), [15, 30]);
        assert_eq!(decode(&encode(&sums)).as_deref(), Some(&sums));
        assert_eq!(decode_members(&encode_members(&timeline)).as_deref(), Some(&timeline));
        let encoded = encode(&sums);
        assert_eq!(decode(&encoded[..encoded.len() - 1]), None);
        let short: Vec<GridForm> = vec![(15, 1, ByteBuf::from([0; 8]), ByteBuf::from([0; 4]))];
        assert_eq!(decode(&rmp_serde::to_vec(&short).unwrap()), None);
    }
}
