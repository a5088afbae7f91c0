//! Which rows of a transaction count.

use smartpulse_operators::quantity::Quantity;

use super::super::gathered::Gathered;
use super::*;

fn reader() -> ValueReader {
    let bound = Quantity::DEFAULT_BOUND;
    ValueReader::new(ValueRules { round_digits: None, bound }, &[15, 60])
}

fn layout() -> Layout {
    let mapping = smartpulse_connectors::Mapping::parse(
        "[[table]]\ntable = \"t\"\ninput = \"forecasts\"\n[table.fields]\nunit_type = { value = \"PP\" }\n\
         unit_no = \"no\"\nprovider = { value = \"P\" }\ndelivery_start = \"start\"\ndelivery_end = \"end\"\n\
         valid_after = \"since\"\nvalue = \"value\"\nbatch = \"batch\"\n",
    )
    .unwrap();
    let columns = ["no", "start", "end", "since", "value", "batch"].map(str::to_owned);
    Layout::of(&"d".into(), &mapping.tables[0], &columns, false).unwrap()
}

/// A row as the log tells it; `-` is no value.
fn row(text: &str) -> Vec<Datum<'_>> {
    text.split(',').map(|cell| if cell == "-" { Datum::Null } else { Datum::Text(cell) }).collect()
}

#[test]
fn of_rows_that_come_twice_the_last_state_counts() {
    let (mut reader, layout) = (reader(), layout());
    let mut states = |rows: &[(&str, bool)]| -> Vec<(bool, Vec<Reading>)> {
        let mut gathered = Gathered::default();
        // What comes first need not have been first.
        let rows: Vec<_> = rows.iter().enumerate().rev().collect();
        for (order, (text, is_deleted)) in rows {
            let (header, said, slot) =
                reader.read(&layout, row(text).as_slice(), *is_deleted).unwrap();
            gathered.add(header, said, (order as u64, slot), *is_deleted);
        }
        let groups = gathered.groups().into_iter();
        groups
            .map(|group| {
                let is_deleted = group.is_deleted;
                (is_deleted, group.into_slots().into_iter().map(|slot| slot.reading).collect())
            })
            .collect()
    };
    let one = "7,2026-01-01 00:00:00,2026-01-01 01:00:00,2026-01-01,1,b";
    let two = "7,2026-01-01 00:00:00,2026-01-01 01:00:00,2026-01-01,2,b";
    let key = "7,2026-01-01 00:00:00,2026-01-01 01:00:00,2026-01-01,-,b";
    let value = |mw: i64| Reading::Value(mw * 100_000);
    assert_eq!(states(&[(one, false), (two, false)]), [(false, vec![value(2)])]);
    assert_eq!(states(&[(one, false), (key, true)]), [(true, vec![Reading::WITHDRAWN])]);
    assert_eq!(states(&[(key, true), (two, false)]), [(false, vec![value(2)])]);
    assert_eq!(
        states(&[(key, true), (two, false), (key, true)]),
        [(true, vec![Reading::WITHDRAWN])]
    );
    assert_eq!(
        states(&[(key, false)]),
        [(false, vec![Reading::WITHDRAWN])],
        "a row without a value"
    );
    let other = one.replace(",b", ",c");
    assert_eq!(
        states(&[(&other, false), (key, true)]),
        [(true, vec![Reading::WITHDRAWN]), (false, vec![value(1)])],
        "rows of two batches"
    );
}

#[test]
fn what_cannot_be_read_is_named_by_field_and_rule() {
    let (mut reader, layout) = (reader(), layout());
    for (text, field) in [
        ("0,2026-01-01,2026-01-01 01:00:00,2026-01-01,1,b", "unit_no"),
        ("7,-,2026-01-01 01:00:00,2026-01-01,1,b", "delivery_start"),
        ("7,2026-01-01,-,2026-01-01,1,b", "delivery_end"),
        ("7,2026-01-01,2026-01-01 00:10:00,2026-01-01,1,b", "delivery_end"),
        ("7,2026-01-01,2025-12-31 23:00:00,2026-01-01,1,b", "delivery_end"),
        ("7,2026-01-01,2026-01-01 01:00:00,infinity,1,b", "valid_after"),
    ] {
        let problem = reader.read(&layout, row(text).as_slice(), false).unwrap_err();
        assert_eq!(problem.field, field, "{text}");
    }
    let (header, _, slot) = reader
        .read(&layout, row("7,2026-01-01,2026-01-01 01:00:00,-,x,-").as_slice(), false)
        .unwrap();
    assert_eq!((header.valid_after, header.batch, slot.reading), (None, None, Reading::Unreadable));
}
