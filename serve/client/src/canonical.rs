//! One text for one JSON value: fields in the order of their names, nothing between them.

use std::collections::BTreeMap;

use serde_json::Value;

/// The text of `value`, the same however its fields were ordered.
pub(crate) fn text(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            // The map's own order hangs on a feature that any crate of a build may set.
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            let mut separator = '{';
            for (name, value) in sorted {
                text.push(separator);
                separator = ',';
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write(value, text);
            }
            text.push_str(if separator == '{' { "{}" } else { "}" });
        }
        Value::Array(items) => {
            let mut separator = '[';
            for item in items {
                text.push(separator);
                separator = ',';
                write(item, text);
            }
            text.push_str(if separator == '[' { "[]" } else { "]" });
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_blanks_make_no_difference() {
        let read = |json: &str| text(&serde_json::from_str(json).unwrap());
        let one = read(r#"{ "b": [1, {"y": null, "x": "a\"b"}, []], "a": {} }"#);
        assert_eq!(one, r#"{"a":{},"b":[1,{"x":"a\"b","y":null},[]]}"#);
        assert_eq!(read(r#"{"a":{},"b":[1,{"x":"a\u0022b","y":null},[]]}"#), one);
    }
}
