//! Random work on the tables of forecasts.

use std::fmt::Write as _;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

/// Plants that forecasts are written for.
pub(crate) const PLANTS: u64 = 6;
/// Their providers. Rows of the last are written once, and never changed.
pub(crate) const PROVIDERS: [&str; 3] = ["UserForecast", "Desk", ONCE];
/// Whose rows are never changed.
pub(crate) const ONCE: &str = "Once";

/// Writes transactions; of no slot two rows have the same instant.
pub(crate) struct Desk {
    random: ChaCha8Rng,
    written: u64,
}

/// The statements that make the plants.
pub(crate) fn plants() -> String {
    let mut text = "INSERT INTO power_plant_type VALUES (1, 'wind'), (2, 'solar');\n".to_owned();
    for plant in 1..=PLANTS {
        let _ = writeln!(
            text,
            "INSERT INTO power_plant (id, name, type_id, installed_power_mw, region) \
             VALUES ({plant}, 'Plant {plant}', {}, 1000000.5, 'TR{}');\n\
             INSERT INTO company_power_plants (company_id, power_plant_id, valid_from) \
             VALUES ({}, {plant}, '2020-01-01');",
            plant % 2 + 1,
            plant % 3 + 1,
            plant % 2 + 1,
        );
    }
    text.push_str(
        "INSERT INTO group_company (group_id, company_id, start_date) \
         VALUES (1, 1, '2020-01-01'), (1, 2, '2020-01-01');\n",
    );
    text
}

impl Desk {
    /// `from` tells desks of one database apart.
    pub(crate) fn new(seed: u64, from: u64) -> Desk {
        Desk { random: ChaCha8Rng::seed_from_u64(seed), written: from * 1_000_000 }
    }

    /// A transaction: a batch of a few curves; now and then rows of before are changed or deleted.
    pub(crate) fn transaction(&mut self) -> String {
        let batch = Uuid::from_u128(self.random.random());
        let mut text = format!(
            "BEGIN;\nINSERT INTO t004forecast_batch_info (batch_id, note, user_id) \
             VALUES ('{batch}', 'n {}', {});\n",
            self.written,
            self.random.random_range(1..9)
        );
        for _ in 0..self.random.random_range(1..=3) {
            text.push_str(&self.curve(batch));
        }
        self.written += 1;
        let hour = self.random.random_range(0..48);
        let _ = writeln!(
            text,
            "INSERT INTO t004forecast VALUES ('{batch}', 'PP', {}, timestamp '2026-03-01' + interval '{hour} hours', \
             timestamp '2026-03-01' + interval '{} hours', '{ONCE}', timestamp '2026-01-01' + interval '{} ms', {});",
            self.random.random_range(1..=PLANTS),
            hour + 1,
            self.written,
            self.written % 1_000_000
        );
        match self.random.random_range(0..12) {
            0 => {
                let _ = writeln!(
                    text,
                    "UPDATE t004forecast SET prediction_value = {} WHERE unit_no = {} AND \
                     provider_key <> '{ONCE}' AND delivery_start < timestamp '2026-03-01' + interval '5 hours';",
                    self.random.random_range(0..100),
                    self.random.random_range(1..=PLANTS)
                );
            }
            // The oldest rows alone: what they said is superseded, or they are all there is.
            1 => {
                let _ = writeln!(
                    text,
                    "UPDATE t004forecast SET delivery_start = delivery_start + interval '100 days', \
                     delivery_end = delivery_end + interval '100 days' WHERE unit_no = {} AND \
                     provider_key <> '{ONCE}' AND delivery_start < timestamp '2026-03-01' + interval '2 hours';",
                    self.random.random_range(1..=PLANTS)
                );
            }
            2 => text.push_str("SAVEPOINT s; DELETE FROM t004forecast; ROLLBACK TO s;\n"),
            _ => {}
        }
        text.push_str(if self.random.random_range(0..15) == 0 {
            "ROLLBACK;\n"
        } else {
            "COMMIT;\n"
        });
        text
    }

    /// Rows of one plant and provider, as of an instant of their own.
    fn curve(&mut self, batch: Uuid) -> String {
        self.written += 1;
        let (plant, provider) =
            (self.random.random_range(1..=PLANTS), PROVIDERS[self.random.random_range(0..2)]);
        let minutes = [15, 60][self.random.random_range(0..2)];
        let (first, slots) = (self.random.random_range(0..40), self.random.random_range(1..30));
        let mut rows = Vec::new();
        for slot in first..first + slots {
            let value = match self.random.random_range(0..20) {
                0 => "NULL".to_owned(),
                _ => format!(
                    "{}.{:04}",
                    self.random.random_range(-50..900),
                    self.random.random_range(0..10_000)
                ),
            };
            let start = slot * minutes;
            rows.push(format!(
                "('{batch}', 'PP', {plant}, timestamp '2026-03-01' + interval '{start} min', \
                 timestamp '2026-03-01' + interval '{} min', '{provider}', \
                 timestamp '2026-01-01' + interval '{} ms', {value})",
                start + minutes,
                self.written
            ));
        }
        format!("INSERT INTO t004forecast VALUES {} ON CONFLICT DO NOTHING;\n", rows.join(", "))
    }

    pub(crate) fn transactions(&mut self, count: u32) -> String {
        (0..count).map(|_| self.transaction()).collect()
    }
}
