//! The JSON Schema of the inventory, made from the same declarations that read it.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::inventory::Tables;
use crate::inventory::record::{Record, Schemas};

/// The schema (draft 7, which TOML and YAML editors understand), with a description for every key. What an
/// environment leaves out of a table stands in the defaults: there nothing is required.
pub fn inventory_schema() -> Value {
    let mut root = tables_schema();
    let strict = root["definitions"].clone();
    let mut left = Vec::new();
    for key in ["services", "stacks"] {
        point_to_loose(&mut root["definitions"]["Environment"]["properties"][key], &mut left);
    }
    while let Some(name) = left.pop() {
        let loose = format!("{name}{LOOSE}");
        if !root["definitions"][&loose].is_null() {
            continue;
        }
        let mut table = strict[&name].clone();
        table.as_object_mut().and_then(|table| table.remove("required"));
        point_to_loose(&mut table, &mut left);
        root["definitions"][loose] = table;
    }
    root
}

/// What the name of a table ends in where it is laid over the defaults.
const LOOSE: &str = "InEnvironment";

/// Lets every pointer lead to the loose form of its table, and notes which tables need one.
fn point_to_loose(schema: &mut Value, tables: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(path) if key == "$ref" => {
                        tables.push(path.trim_start_matches("#/definitions/").to_owned());
                        path.push_str(LOOSE);
                    }
                    value => point_to_loose(value, tables),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| point_to_loose(item, tables)),
        _ => {}
    }
}

/// The schema of the tables as they stand outside environments.
pub fn tables_schema() -> Value {
    let mut schemas = Schemas::default();
    schemas.of::<Tables>();
    let mut root = schemas.0.remove(Tables::NAME).unwrap_or_default();
    root["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    root["title"] = json!("bayplan inventory");
    root["definitions"] = json!(schemas.0);
    for (table, key, bounds) in bounds() {
        for (name, number) in [("minimum", bounds.start()), ("maximum", bounds.end())] {
            root["definitions"][table]["properties"][key][name] = json!(number);
        }
    }
    root
}

/// The numbers that make sense, where not all do: table, key, first and last.
fn bounds() -> Vec<(&'static str, &'static str, RangeInclusive<i64>)> {
    let port = 1..=65_535;
    let asn = 1..=i64::from(u32::MAX);
    let count = 0..=i64::from(i32::MAX);
    vec![
        ("PortTable", "port", port.clone()),
        ("PortTable", "target-port", port.clone()),
        ("PortTable", "host-port", port.clone()),
        ("PortTable", "node-port", 30_000..=32_767),
        ("Peer", "peer-port", port),
        ("Peer", "my-asn", asn.clone()),
        ("Peer", "peer-asn", asn),
        ("Service", "replicas", count.clone()),
        ("Service", "termination-grace-period", count.clone()),
        ("Probe", "failures", 1..=i64::from(i32::MAX)),
        ("Job", "backoff-limit", count.clone()),
        ("Job", "keep-successful", count.clone()),
        ("Job", "keep-failed", count.clone()),
        ("Job", "completions", count.clone()),
        ("Job", "parallelism", count),
        ("Autoscale", "min", 1..=i64::from(i32::MAX)),
        ("Autoscale", "max", 1..=i64::from(i32::MAX)),
        ("Autoscale", "cpu", 1..=i64::from(i32::MAX)),
        ("Autoscale", "memory", 1..=i64::from(i32::MAX)),
        ("SpreadTable", "max-skew", 1..=i64::from(i32::MAX)),
        ("Backoff", "factor", 1..=i64::from(i32::MAX)),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{bounds, inventory_schema};

    #[test]
    fn bounds_are_of_whole_numbers() {
        let schema = inventory_schema();
        for (table, key, bounds) in bounds() {
            let found = &schema["definitions"][table]["properties"][key];
            assert_eq!(found["type"], "integer", "{table}.{key}");
            assert_eq!((found["minimum"].as_i64(), found["maximum"].as_i64()), {
                (Some(*bounds.start()), Some(*bounds.end()))
            });
        }
    }

    #[test]
    fn every_key_is_described() {
        let mut count = 0;
        each_table(&inventory_schema(), &mut |properties| {
            for (key, schema) in properties {
                let description = schema["description"].as_str().unwrap_or_default();
                assert!(description.ends_with(['.', '…']), "{key}: {description:?}");
                count += 1;
            }
        });
        assert!(count > 150, "{count}");
    }

    fn each_table(schema: &Value, see: &mut impl FnMut(&serde_json::Map<String, Value>)) {
        match schema {
            Value::Object(map) => {
                if let Some(Value::Object(properties)) = map.get("properties") {
                    see(properties);
                }
                map.values().for_each(|value| each_table(value, see));
            }
            Value::Array(items) => items.iter().for_each(|item| each_table(item, see)),
            _ => {}
        }
    }
}
