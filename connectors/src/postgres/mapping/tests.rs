//! What can be meant, and what is refused.

use super::*;

#[test]
fn the_legacy_mapping_is_one_and_ships_every_table() {
    let mapping = Mapping::parse(LEGACY).unwrap();
    let inputs: BTreeSet<Input> = mapping.tables.iter().map(|table| table.input).collect();
    assert_eq!(inputs.len(), 10, "every input has a table");
    assert!(mapping.tables.is_sorted_by_key(|table| table.input));
}

#[test]
fn a_mapping_that_cannot_be_meant_is_refused_with_table_and_field() {
    let of = |input: &str, fields: &str| {
        format!("[[table]]\ntable = \"t\"\ninput = \"{input}\"\n[table.fields]\n{fields}\n")
    };
    let membership = "parent_type = { value = \"CMP\" }\nparent_no = \"c\"\n\
                      child_type = { value = \"PP\" }\n";
    for (text, words) in [
        (String::new(), "maps no table"),
        (of("nothing", ""), "unknown variant"),
        (of("memberships", membership), "public.t: child_no is missing"),
        (
            of("memberships", &format!("{membership}child_no = \"p\"\nuntil = \"u\"")),
            "until is no field",
        ),
        (
            of("names", "key = \"k\"\nname = { value = \"n\", column = \"c\" }"),
            "name must be a column",
        ),
        (of("names", "key = \"k\"\nname = { column = \"c\", zone = \"Nowhere\" }"), "no IANA zone"),
        (
            of("units", "unit_type = \"a\"\nunit_no = { column = \"b\", names = \"n\" }"),
            "must be a table with input",
        ),
        (
            of(
                "forecasts",
                "unit_type = \"a\"\nunit_no = \"b\"\nprovider = \"c\"\ndelivery_start = \"d\"\nvalue = \"e\"",
            ),
            "delivery_end or period_minutes",
        ),
    ] {
        let said = Mapping::parse(&text).unwrap_err();
        assert!(said.contains(words), "{said}");
    }
}
