//! Rows that are kept: what the log leaves out is known from them.

use super::*;

const MAPPING: &str = "\
[[table]]
table = \"types\"
input = \"names\"
[table.fields]
key = \"id\"
name = \"name\"
[[table]]
table = \"plants\"
input = \"units\"
[table.fields]
unit_type = { value = \"PP\" }
unit_no = \"id\"
name = \"name\"
plant_type = { column = \"type\", names = \"types\" }
[[table]]
table = \"owners\"
input = \"memberships\"
[table.fields]
parent_type = { value = \"CMP\" }
parent_no = \"company\"
child_type = { value = \"PP\" }
child_no = \"plant\"
";

fn keeper(kept: &BTreeMap<Arc<str>, Rows>) -> Keeper {
    let mapping = Arc::new(Mapping::parse(MAPPING).unwrap());
    Keeper::new("s", &mapping, kept, || 7)
}

fn columns(names: &[&str]) -> Vec<(String, bool)> {
    names.iter().map(|name| ((*name).to_owned(), *name == "id")).collect()
}

/// Tells a keeper of a row, and gives what follows in short.
fn tell(
    keeper: &mut Keeper,
    table: &str,
    old: Option<&[Datum<'_>]>,
    new: Option<&[Datum<'_>]>,
    into: &mut Followed,
) {
    let names: &[&str] = match table {
        "types" => &["id", "name"],
        "plants" => &["id", "name", "type"],
        _ => &["id", "company", "plant"],
    };
    let table = TableName::parse(table).unwrap();
    keeper.identify(&table, &["id".to_owned()], into);
    keeper.take(&table, &columns(names), old, new, into);
}

fn short(changes: &[Change]) -> Vec<String> {
    let one = |change: &Change| match change {
        Change::Unit(unit) => {
            format!("{} {} {}", unit.unit, unit.name, unit.plant_type.as_deref().unwrap_or("-"))
        }
        Change::Membership(it) => {
            format!("{}{} {}", if it.deleted { "not " } else { "" }, it.parent, it.child)
        }
        other => format!("{other:?}"),
    };
    changes.iter().map(one).collect()
}

#[test]
fn a_row_that_changes_is_completed_by_what_is_known_of_it() {
    use Datum::{Null, Text, Unchanged};
    let mut keeper = keeper(&BTreeMap::new());
    let mut into = Followed::default();
    tell(&mut keeper, "plants", None, Some(&[Text("1"), Text("one"), Text("5")]), &mut into);
    assert_eq!(short(&into.changes), ["PP 1 one -"], "the name of its type is not there yet");
    let mut into = Followed::default();
    tell(&mut keeper, "types", None, Some(&[Text("5"), Text("wind")]), &mut into);
    assert_eq!(short(&into.changes), ["PP 1 one wind"]);
    let mut into = Followed::default();
    tell(&mut keeper, "plants", None, Some(&[Text("1"), Unchanged, Null]), &mut into);
    assert_eq!(short(&into.changes), ["PP 1 one -"]);
    assert_eq!(into.kept.len(), 1);

    let mut into = Followed::default();
    tell(&mut keeper, "owners", None, Some(&[Text("9"), Text("3"), Text("1")]), &mut into);
    tell(&mut keeper, "owners", None, Some(&[Text("9"), Text("4"), Text("1")]), &mut into);
    // By its key alone, which changes.
    tell(
        &mut keeper,
        "owners",
        Some(&[Text("9"), Null, Null]),
        Some(&[Text("8"), Unchanged, Text("2")]),
        &mut into,
    );
    tell(&mut keeper, "owners", Some(&[Text("8"), Null, Null]), None, &mut into);
    assert_eq!(
        short(&into.changes),
        [
            "CMP 3 PP 1",
            "not CMP 3 PP 1",
            "CMP 4 PP 1",
            "not CMP 4 PP 1",
            "CMP 4 PP 2",
            "not CMP 4 PP 2"
        ]
    );
    let mut into = Followed::default();
    tell(&mut keeper, "owners", Some(&[Text("8"), Null, Null]), None, &mut into);
    assert_eq!(short(&into.changes), [""; 0], "it was not there");
}

#[test]
fn what_is_journaled_makes_the_same_keeper_under_any_key() {
    use Datum::{Null, Text};
    let mut first = keeper(&BTreeMap::new());
    let mut into = Followed::default();
    tell(&mut first, "owners", None, Some(&[Text("9"), Text("3"), Text("1")]), &mut into);
    let mut kept: BTreeMap<Arc<str>, Rows> = BTreeMap::new();
    let journal = |kept: &mut BTreeMap<Arc<str>, Rows>, rows: Vec<KeptRow>| {
        for KeptRow { table, key, row } in rows {
            let table = kept.entry(table).or_default();
            match row {
                Some(row) => drop(table.insert(key, row)),
                None => drop(table.remove(&key)),
            }
        }
    };
    journal(&mut kept, into.kept);
    // From now on the log names rows otherwise.
    let mut second = keeper(&kept);
    let table = TableName::parse("owners").unwrap();
    let mut into = Followed::default();
    second.identify(&table, &["company".to_owned(), "plant".to_owned()], &mut into);
    let named = [Null, Text("3"), Text("1")];
    second.take(&table, &columns(&["id", "company", "plant"]), Some(&named), None, &mut into);
    assert_eq!(short(&into.changes), ["not CMP 3 PP 1"]);
    journal(&mut kept, into.kept);
    assert!(kept.values().all(BTreeMap::is_empty), "{kept:?}");
}
