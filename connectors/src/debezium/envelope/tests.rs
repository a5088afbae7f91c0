//! Messages as a real engine wrote them, shortened to what matters.

use super::*;

const CREATED: &str = r#"{"before":null,"after":{"id":10,"n":"JxA="},"source":{"version":"3.3.1.Final","connector":"postgresql",
 "name":"s","ts_ms":1795863375893,"snapshot":"false","db":"postgres","sequence":"[null,\"22224208\"]","schema":"public",
 "table":"t","txId":733,"lsn":22224208,"xmin":null},"transaction":{"id":"733:22224208","total_order":1,
 "data_collection_order":1},"op":"c","ts_ms":1795863376121}"#;
const SCHEMA: &str = r#"{"type":"struct","fields":[{"type":"struct","fields":[{"type":"int32","field":"id"},{"type":"bytes",
 "name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"4"},"field":"n"}],"field":"after"}]}"#;

#[test]
fn a_change_is_the_same_with_its_schema_and_without() {
    let mut reader = EnvelopeReader::default();
    let plain = reader.change(CREATED.as_bytes()).unwrap().unwrap();
    assert_eq!(plain.operation, Operation::Create);
    assert_eq!(plain.table, TableName::parse("public.t").unwrap());
    assert_eq!(plain.transaction, Some(TransactionMark { number: 733, order: 1 }));
    assert_eq!((plain.lsn, plain.snapshot), (22_224_208, SnapshotMark::None));
    assert_eq!(plain.committed, Instant(1_795_863_375_893_000));
    assert!(plain.is_first);
    assert!(plain.before.is_none() && plain.after.as_ref().unwrap()["id"] == 10);
    let wrapped = format!(r#"{{"schema":{SCHEMA},"payload":{CREATED}}}"#);
    for _ in 0..2 {
        let told = reader.change(wrapped.as_bytes()).unwrap().unwrap();
        let forms = told.forms.clone().unwrap();
        assert_eq!(forms["n"], ColumnForm::Decimal { scale: 4 });
        assert_eq!(forms["id"], ColumnForm::Plain);
        assert_eq!(Envelope { forms: None, ..told }, plain);
    }
}

#[test]
fn what_is_no_envelope_is_told_by_field_and_rule() {
    let mut reader = EnvelopeReader::default();
    for nothing in ["", "null", r#"{"schema":null,"payload":null}"#] {
        assert_eq!(reader.change(nothing.as_bytes()), Ok(None), "{nothing}");
    }
    for (from, to, field) in [
        (r#""op":"c","#, "", "op"),
        (r#""connector":"postgresql""#, r#""connector":"mysql""#, "source.connector"),
        (r#""table":"t","#, "", "source.table"),
        (r#""lsn":22224208,"#, "", "source.lsn"),
        (r#""id":"733:22224208""#, r#""id":"733""#, "transaction.id"),
        (r#""after":{"id":10,"n":"JxA="}"#, r#""after":null"#, "before or after"),
        (r#""total_order":1"#, r#""total_order":"1""#, "the envelope"),
        ("}}", "}", "the message"),
    ] {
        let (message, _) = (CREATED.replacen(from, to, 1), ());
        let message = if field == "the message" { &message[..40] } else { message.as_str() };
        assert_eq!(reader.change(message.as_bytes()).unwrap_err().field, field, "{message}");
    }
    let deleted = CREATED.replace(r#""op":"c""#, r#""op":"d""#);
    let said = reader.change(deleted.as_bytes()).unwrap_err().to_string();
    assert!(said.contains("REPLICA IDENTITY"), "{said}");
    assert_eq!(reader.change(&[0xff]).unwrap_err().field, "the message");
}

#[test]
fn the_end_of_a_transaction_counts_its_changes() {
    let ended = r#"{"status":"END","id":"733:22224680","event_count":4,"data_collections":[{"data_collection":"public.t",
        "event_count":2},{"data_collection":"other.u","event_count":2}],"ts_ms":1795863375893}"#;
    let ended = Ended::read(ended.as_bytes()).unwrap().unwrap();
    assert_eq!((ended.number, ended.lsn), (733, 22_224_680));
    let count = |table: &str| ended.changes[&TableName::parse(table).unwrap()];
    assert_eq!((count("t"), count("other.u")), (2, 2));
    let begins =
        r#"{"status":"BEGIN","id":"733:1","event_count":null,"data_collections":null,"ts_ms":1}"#;
    assert_eq!(Ended::read(begins.as_bytes()), Ok(None));
    let empty = r#"{"schema":{},"payload":{"status":"END","id":"9:5","event_count":0,"data_collections":[],"ts_ms":1}}"#;
    assert!(Ended::read(empty.as_bytes()).unwrap().unwrap().changes.is_empty());
    for (message, field) in [
        ("{}", "status"),
        (r#"{"status":"END","id":"x"}"#, "id"),
        (
            r#"{"status":"END","id":"1:2","data_collections":[{"data_collection":"","event_count":1}]}"#,
            "data_collection",
        ),
        ("[", "the message"),
    ] {
        assert_eq!(Ended::read(message.as_bytes()).unwrap_err().field, field, "{message}");
    }
}

#[test]
fn rows_that_were_read_say_which_they_are() {
    let mark = |word: &str| snapshot_mark(Some(&Value::from(word)));
    let words = ["false", "first", "true", "last_in_data_collection", "last", "incremental"];
    use SnapshotMark::{Incremental, Last, None, Within};
    assert_eq!(words.map(mark), [None, Within, Within, Within, Last, Incremental]);
    assert_eq!(snapshot_mark(Option::None), None);
}
