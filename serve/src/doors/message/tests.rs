//! Columns say what JSON says, in every type a column may have; what is wrong is named by field and rule.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray, TimestampMillisecondArray, UInt16Array,
};
use arrow_ipc::writer::{FileWriter, StreamWriter};

use super::*;

const STARTS: [i64; 3] = [4_083_955_200_000, 4_083_958_800_000, 4_083_962_400_000];

fn sender() -> Sender<'static> {
    Sender { id: Uuid::nil(), source_batch: "s".to_owned(), user: "u".to_owned(), roles: &[] }
}

fn property(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn read_with(
    body: &[u8],
    properties: &[(String, String)],
    key: Option<&str>,
) -> Result<ReadSave, Unusable> {
    let sent = SentSave { properties, key, body, provider: Some("P") };
    read(&sent, sender(), &DoorRules::default(), &Reference::default())
}

fn columns(columns: Vec<(&str, ArrayRef)>, as_file: bool) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    if as_file {
        let mut writer = FileWriter::try_new(&mut bytes, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
    } else {
        let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
    }
    bytes
}

fn arrow() -> Vec<(String, String)> {
    vec![property("Content-Type", "application/vnd.apache.arrow.stream")]
}

#[test]
fn columns_of_every_type_say_what_json_says() {
    let json = br#"{"unitForecastList":[{"period":60,"predictions":[
        {"ds":"2099-06-01T00:00:00Z","v":1.5},{"ds":"2099-06-01T01:00:00Z","v":null},
        {"ds":"2099-06-01T02:00:00Z","v":-3}]}]}"#;
    let expected = read_with(json, &[], Some("PP:4")).unwrap();
    let starts: [ArrayRef; 3] = [
        Arc::new(TimestampMillisecondArray::from(STARTS.to_vec())),
        Arc::new(
            TimestampMicrosecondArray::from(STARTS.map(|start| start * 1_000).to_vec())
                .with_timezone("+03:00"),
        ),
        Arc::new(StringArray::from(vec![
            "2099-06-01T03:00:00+03:00",
            "2099-06-01T01:00:00Z",
            "2099-06-01 02:00:00",
        ])),
    ];
    let values: [ArrayRef; 4] = [
        Arc::new(Float64Array::from(vec![Some(1.5), None, Some(-3.0)])),
        Arc::new(Float32Array::from(vec![Some(1.5), None, Some(-3.0)])),
        Arc::new(
            Decimal128Array::from(vec![Some(1_500), None, Some(-3_000)])
                .with_precision_and_scale(12, 3)
                .unwrap(),
        ),
        Arc::new(StringArray::from(vec![Some("1.5"), None, Some("-3")])),
    ];
    let periods: [ArrayRef; 2] =
        [Arc::new(Int64Array::from(vec![60; 3])), Arc::new(UInt16Array::from(vec![60; 3]))];
    for start in &starts {
        for value in &values {
            for period in &periods {
                for as_file in [false, true] {
                    let body = columns(
                        vec![
                            ("Delivery_Start", Arc::clone(start)),
                            ("value", Arc::clone(value)),
                            ("period_minutes", Arc::clone(period)),
                            ("other", Arc::clone(value)),
                        ],
                        as_file,
                    );
                    let read = read_with(&body, &arrow(), Some("PP/4"));
                    assert_eq!(read.as_ref(), Ok(&expected), "{start:?} {value:?} {period:?}");
                }
            }
        }
    }
}

#[test]
fn rows_of_several_units_and_periods_are_entries_in_the_order_of_their_first_rows() {
    let body = columns(
        vec![
            ("delivery_start", Arc::new(TimestampMillisecondArray::from(STARTS.to_vec()))),
            ("value", Arc::new(Int32Array::from(vec![1, 2, 3]))),
            ("period_minutes", Arc::new(Int32Array::from(vec![60, 15, 60]))),
            ("unit_no", Arc::new(Int32Array::from(vec![7, 7, 7]))),
            ("unit_type", Arc::new(StringArray::from(vec!["CMP", "CMP", "CMP"]))),
        ],
        false,
    );
    let mut properties = arrow();
    properties.extend([
        property("measureunit", "kW"),
        property("note", "n"),
        property("PROVIDER", "Q"),
    ]);
    properties.push(property("shouldSkipExistingCheck", "TRUE"));
    let ReadSave { save, values, refused } = read_with(&body, &properties, Some("GRP:1")).unwrap();
    assert_eq!((values, refused.len()), (3, 0));
    let entries: Vec<(u64, u16, usize)> = save
        .entries
        .iter()
        .map(|entry| (entry.unit.unit_no, entry.period.minutes(), entry.curve.len()))
        .collect();
    assert_eq!(entries, [(7, 60, 2), (7, 15, 1)]);
    assert_eq!(save.path.map(|unit| unit.to_string()), Some("GRP 1".to_owned()));
    let batch = &save.batch;
    assert_eq!((batch.provider.key(), batch.note.as_deref()), ("Q", Some("n")));
    assert!(batch.skips_existing_check && save.checks.gates && !save.checks.past_role);
}

#[test]
fn what_is_wrong_with_columns_is_named() {
    let start: ArrayRef = Arc::new(TimestampMillisecondArray::from(STARTS.to_vec()));
    let value: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]));
    let period: ArrayRef = Arc::new(Int32Array::from(vec![60; 3]));
    let nan: ArrayRef = Arc::new(Float64Array::from(vec![1.0, f64::NAN, 3.0]));
    let words: ArrayRef = Arc::new(StringArray::from(vec!["1", "2x", "3"]));
    let holes: ArrayRef = Arc::new(Int32Array::from(vec![Some(60), None, Some(60)]));
    let fraction: ArrayRef = Arc::new(Float64Array::from(vec![60.5; 3]));
    let count: ArrayRef = Arc::new(Int64Array::from(STARTS.to_vec()));
    let own = |start: &ArrayRef, value: &ArrayRef, period: &ArrayRef| {
        columns(
            vec![
                ("delivery_start", Arc::clone(start)),
                ("value", Arc::clone(value)),
                ("period_minutes", Arc::clone(period)),
            ],
            false,
        )
    };
    let whole = own(&start, &value, &period);
    for (body, field) in [
        (own(&start, &nan, &period), "unitForecastList[0].predictions[1].v"),
        (own(&start, &words, &period), "unitForecastList[0].predictions[1].v"),
        (own(&start, &value, &holes), "period_minutes[1]"),
        (own(&start, &value, &fraction), "period_minutes"),
        (own(&count, &value, &period), "delivery_start"),
        (columns(vec![("delivery_start", start), ("value", value)], false), "period_minutes"),
    ] {
        let unusable = read_with(&body, &arrow(), Some("PP:1")).unwrap_err();
        assert_eq!(unusable.field.as_deref(), Some(field), "{unusable:?}");
    }
    // Every byte of a body cut off or altered gives an answer, never more than a refusal.
    for place in 0..whole.len() {
        let _ = read_with(&whole[..place], &arrow(), Some("PP:1"));
        let mut altered = whole.clone();
        altered[place] ^= 0x55;
        let _ = read_with(&altered, &arrow(), Some("PP:1"));
    }
    let rules = DoorRules { max_values: 2, ..DoorRules::default() };
    let properties = arrow();
    let sent =
        SentSave { properties: &properties, key: Some("PP:1"), body: &whole, provider: Some("P") };
    let refused = read(&sent, sender(), &rules, &Reference::default()).unwrap_err();
    assert_eq!(refused.code, "TOO_MANY_VALUES");
}
