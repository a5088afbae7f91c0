use smartpulse_connectors::*;
use smartpulse_operators::{batch::*, quantity::*, series::*, time::*, unit::*};
fn main() {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let days = if mode == "many" { 0 } else { 12 };
    let series: Vec<Series> = (0..10_000u64)
        .map(|i| Series {
            kind: Kind::Forecast,
            unit: Unit { unit_type: UnitType::PowerPlant, unit_no: i / 3 + 1 },
            provider: Provider::parse(
                ["FinalForecast", "UserForecast", "ForecastImport"][i as usize % 3],
            )
            .unwrap(),
            period: Period::new(15).unwrap(),
        })
        .collect();
    let batches: Vec<Batch> = (0..20_000u64)
        .map(|i| Batch {
            id: uuid::Uuid::from_u128(i as u128 * 0x1234567890abcdef1234567),
            sequence: Sequence(i),
            recorded: Instant(1_700_000_000_000_000 + i as i64 * 1_000_003),
            valid_after: Instant(1_700_000_000_000_000 + i as i64 * 1_000_003),
            provider: series[0].provider.clone(),
            user: None,
            note: None,
            source_batch: Some(format!("2026-01/batch-{i}")),
            skips_existing_check: false,
        })
        .collect();
    let stamp =
        ExportStamp { epoch: Epoch(7), valid_at: Instant(1_700_000_000_000_000), known_at: None };
    let mut seed = 1u64;
    let t = std::time::Instant::now();
    let mut e = LatestExport::create(
        std::path::Path::new(&format!("/tmp/pq/outs/{}", std::process::id())),
        "latest",
        stamp,
    )
    .unwrap();
    let p = Period::new(15).unwrap();
    for d in 0..days {
        let day = Day(20000 + d);
        e.begin(Kind::Forecast, day).unwrap();
        for (i, s) in series.iter().enumerate() {
            let mut level = 0i64;
            for q in 0..96 {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let r = (seed >> 33) as i64;
                let value = match mode.as_str() {
                    "kw" => {
                        level += r % 2001 - 1000;
                        level.abs() * 10
                    }
                    "int" => {
                        level += r % 41 - 20;
                        level.abs() * 100_000
                    }
                    _ => r % 2_000_000,
                };
                let b = if mode == "alt" { i * 2 + (q & 1) } else { i * 2 + q / 48 };
                e.write(LatestRow {
                    series: s,
                    delivery_start: day.slot_start(p, q),
                    value: Quantity(value),
                    batch: &batches[b],
                })
                .unwrap();
            }
        }
    }
    let a = t.elapsed().as_secs_f64();
    if mode == "many" {
        for d in 100..5100 {
            let day = Day(d);
            e.begin(Kind::Actual, day).unwrap();
            for (i, s) in series.iter().take(16).enumerate() {
                let s = Series { kind: Kind::Actual, ..s.clone() };
                for q in 0..96 {
                    e.write(LatestRow {
                        series: &s,
                        delivery_start: day.slot_start(p, q),
                        value: Quantity(q as i64 * 7 + d as i64),
                        batch: &batches[(i + d as usize * 16) % 20000],
                    })
                    .unwrap();
                }
            }
        }
    }
    let a = t.elapsed().as_secs_f64();
    let n = e.finish().unwrap();
    let s = t.elapsed().as_secs_f64();
    let bytes: u64 = std::process::Command::new("du")
        .args(["-sb", &format!("/tmp/pq/outs/{}/latest", std::process::id())])
        .output()
        .map(|o| String::from_utf8(o.stdout).unwrap().split('\t').next().unwrap().parse().unwrap())
        .unwrap();
    println!(
        "{mode}: {:.2} M rows/s ({:.2} before finish), {:.2} bytes/row",
        n as f64 / s / 1e6,
        n as f64 / a / 1e6,
        bytes as f64 / n as f64
    );
}
