use smartpulse_datasets::*;
use smartpulse_operators::change::*;
use smartpulse_operators::quantity::*;
use std::collections::BTreeMap;
fn main() {
    for path in std::env::args().skip(1) {
        let mut refused: BTreeMap<String, u64> = BTreeMap::new();
        let mut sums: Vec<String> = vec![];
        let (mut values, mut total, mut clock) = (0u64, 0i128, i64::MIN);
        let run = || -> Result<(), SourceError> {
            let source = Source::parse(&path, std::path::Path::new("/work/shared/datasets"))?;
            let rules = ReplayRules { checks: Checks::default(), round_digits: None, skips_existing_check: false, allowed_periods: vec![5,10,15,30,60], value_bound: Quantity::DEFAULT_BOUND, spill_dir: "/tmp/spilltest".into(), sort_bytes: 3000 };
            for c in source.open(&rules)? {
                match c? {
                    Change::Save(s) => {
                        clock = clock.max(s.batch.recorded.0);
                        for e in &s.entries { values += e.curve.len() as u64; e.curve.for_each_day(e.period, |_, _, v| for x in v { if *x != ABSENT && *x != NULL { total += *x as i128 } }); }
                        for (o, n) in &s.refused { *refused.entry(o.code().unwrap().into()).or_default() += n; }
                        sums.push(s.batch.source_batch.unwrap_or_default());
                    }
                    Change::Refused(b) => *refused.entry(b.code).or_default() += b.values,
                    _ => {}
                }
            }
            Ok(())
        };
        let mut run = run;
        if let Err(e) = run() { println!("{path}\t{e}"); continue }
        println!("{path}\t{refused:?}\t{values}\t{total}\t{clock}\t{}", sums.join("|"));
    }
}
