//! Epochs in which whole days change, for rows that measure how fast what closed goes out: all series change once a
//! round, in several epochs.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use smartpulse_operators::batch::{Batch, Epoch, Sequence};
use smartpulse_operators::block::{DayBlock, DayState};
use smartpulse_operators::chunk::{Revision, SeriesDay};
use smartpulse_operators::closed::{ClosedEpoch, Figures};
use smartpulse_operators::series::{Kind, Provider, Series, SeriesId};
use smartpulse_operators::time::{Day, Instant, Period};
use smartpulse_operators::unit::{Unit, UnitType};
use smartpulse_serve::read_model::ReadModel;
use smartpulse_serve::ring::RingBounds;
use uuid::Uuid;

pub(super) const SLOTS: usize = 96;
/// Series, each with one day that changes; all of them in some epochs.
pub(super) const SERIES: u32 = 5_000;
pub(super) const EPOCHS: u32 = 10;

/// An epoch and what it says.
pub(super) type Said = (u64, Vec<(SeriesDay, Arc<DayBlock>)>);

/// A read model and what is published in it.
pub(super) struct Epochs {
    pub(super) read_model: ReadModel,
    pub(super) series: Vec<Arc<Series>>,
    /// The newest epoch that was made.
    pub(super) newest: u64,
}

impl Epochs {
    /// One that knows the series, at epoch 1.
    pub(super) fn begin() -> Result<Epochs> {
        let ring = RingBounds { bytes: 1 << 30, age: i64::MAX };
        let read_model = ReadModel::new(Some(Uuid::from_u128(1)), "measured", ring);
        let provider = Provider::parse("UserForecast").context("a provider")?;
        let period = Period::new(15).context("a period")?;
        let series = |number: u32| {
            let unit = Unit { unit_type: UnitType::PowerPlant, unit_no: u64::from(number) + 1 };
            Arc::new(Series { kind: Kind::Forecast, unit, provider: provider.clone(), period })
        };
        let series: Vec<Arc<Series>> = (0..SERIES).map(series).collect();
        read_model.publish(ClosedEpoch {
            new_series: (0..).map(SeriesId).zip(series.iter().cloned()).collect(),
            ..ClosedEpoch::nothing(Epoch(1), Instant(1), Figures::default())
        });
        Ok(Epochs { read_model, series, newest: 1 })
    }

    /// A day as one batch says it, other values each time.
    fn block(&self, series: u32, epoch: u64) -> Arc<DayBlock> {
        let batch = Batch {
            id: Uuid::from_u128(u128::from(epoch)),
            sequence: Sequence(epoch * u64::from(SERIES) + u64::from(series)),
            recorded: Instant(epoch as i64),
            valid_after: Instant(epoch as i64),
            provider: self.series[series as usize].provider.clone(),
            user: None,
            note: None,
            source_batch: None,
            skips_existing_check: false,
        };
        let value = |slot: i64| {
            (i64::from(series) * 7_919 + slot * 104_729 + epoch as i64 * 31) % 5_000_000
        };
        let values = (0..SLOTS as i64).map(value).collect();
        let revision = Revision { batch: Arc::new(batch), first: 0, values };
        DayBlock::of(&DayState::fold(SLOTS, &[revision]), Vec::new())
    }

    /// The blocks of one round, by epoch.
    pub(super) fn round(&mut self) -> Vec<Said> {
        let epochs = (0..EPOCHS).map(|part| {
            let epoch = self.newest + 1 + u64::from(part);
            let of = |place: u32| place * EPOCHS + part;
            let numbers = (0..SERIES / EPOCHS).map(of);
            let day = |number| ((SeriesId(number), Day(0)), self.block(number, epoch));
            (epoch, numbers.map(day).collect())
        });
        let epochs: Vec<Said> = epochs.collect();
        self.newest += u64::from(EPOCHS);
        epochs
    }

    /// Publishes an epoch.
    pub(super) fn publish(&self, (epoch, blocks): Said) {
        self.read_model.publish(ClosedEpoch {
            blocks,
            ..ClosedEpoch::nothing(Epoch(epoch), Instant(epoch as i64), Figures::default())
        });
    }
}
