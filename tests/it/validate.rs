//! As much of JSON Schema as the inventory's uses, so that a test can hold it to the reader.

use bayplan::duration::seconds;
use serde_json::Value;

/// Where a value breaks the schema; empty if it does not.
pub fn violations(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, value, "", &mut found);
    found
}

fn check(root: &Value, schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    if let Some(target) = schema["$ref"].as_str() {
        let target = root.pointer(target.trim_start_matches('#')).expect("a definition");
        check(root, target, value, path, found);
    }
    let fits = |schema: &Value| {
        let mut inner = Vec::new();
        check(root, schema, value, path, &mut inner);
        inner.is_empty()
    };
    if schema["allOf"].as_array().is_some_and(|all| !all.iter().all(fits))
        || schema["anyOf"].as_array().is_some_and(|any| !any.iter().any(fits))
    {
        found.push(format!("{path}: no alternative fits"));
    }
    if schema.get("const").is_some_and(|fixed| fixed != value)
        || schema["enum"].as_array().is_some_and(|words| !words.contains(value))
        || !has_type(&schema["type"], value)
        || schema["pattern"]
            .as_str()
            .is_some_and(|pattern| value.as_str().is_some_and(|text| !matches(pattern, text)))
        || value.as_i64().is_some_and(|number| {
            schema["minimum"].as_i64().is_some_and(|least| number < least)
                || schema["maximum"].as_i64().is_some_and(|most| number > most)
        })
    {
        found.push(format!("{path}: {value} does not fit"));
    }
    match value {
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                check(root, &schema["items"], item, &format!("{path}.{at}"), found);
            }
        }
        Value::Object(table) => check_table(root, schema, table, path, found),
        _ => {}
    }
}

fn check_table(
    root: &Value,
    schema: &Value,
    table: &serde_json::Map<String, Value>,
    path: &str,
    found: &mut Vec<String>,
) {
    for (key, value) in table {
        let inner = schema["properties"].get(key).or_else(|| schema.get("additionalProperties"));
        match inner {
            Some(Value::Bool(false)) => found.push(format!("{path}: unknown key {key}")),
            Some(inner) if inner.is_object() => check(root, inner, value, &format!("{path}.{key}"), found),
            _ => {}
        }
    }
    for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !table.contains_key(key) {
            found.push(format!("{path}: {key} is missing"));
        }
    }
}

/// The patterns that the schema has, by hand: a crate for two of them would be too much.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern {
        "^[^/]+/.+$" => {
            text.split_once('/').is_some_and(|(secret, key)| !secret.is_empty() && !key.is_empty())
        }
        r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$" => seconds(text).is_some(),
        "^[0-9]{1,9}%?$" => {
            let number = text.strip_suffix('%').unwrap_or(text);
            (1..=9).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        other => panic!("a pattern that this test does not know: {other}"),
    }
}

fn has_type(kind: &Value, value: &Value) -> bool {
    match kind {
        Value::Array(kinds) => kinds.iter().any(|kind| has_type(kind, value)),
        Value::String(kind) => match kind.as_str() {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("type {other}"),
        },
        _ => true,
    }
}
