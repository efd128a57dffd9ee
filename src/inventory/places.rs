//! Where each key stands: who writes one into the wrong table is told the right one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::Value as Json;

use crate::inventory::schema::tables_schema;

/// The tables that have each key, the nearest to the top first.
static PLACES: LazyLock<BTreeMap<String, Vec<String>>> = LazyLock::new(|| {
    let schema = tables_schema();
    let mut places = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut tables = vec![(String::new(), &schema)];
    // Level by level, so that a table is named where it stands first.
    while !tables.is_empty() {
        let mut deeper = Vec::new();
        for (path, table) in tables {
            for (key, value) in table["properties"].as_object().into_iter().flatten() {
                let at = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                places.entry(key.clone()).or_insert_with(Vec::new).push(path.clone());
                inner(&schema, value, &at, &mut seen, &mut deeper);
            }
        }
        tables = deeper;
    }
    places
});

/// Up to this many tables are named.
const SHOWN: usize = 3;

/// The tables that have a key, in words; none if there are none, or too many to be of help.
pub fn elsewhere(key: &str) -> Option<String> {
    let places = PLACES.get(key).filter(|places| places.len() <= SHOWN)?;
    let named = places.iter().map(|path| match path.as_str() {
        "" => "the inventory itself".to_owned(),
        path => format!("`{path}`"),
    });
    Some(named.collect::<Vec<_>>().join(" and "))
}

/// The tables that a value holds, each once.
fn inner<'s>(
    root: &'s Json,
    value: &'s Json,
    path: &str,
    seen: &mut BTreeSet<&'s str>,
    found: &mut Vec<(String, &'s Json)>,
) {
    match value {
        Json::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("$ref", Json::String(pointer)) => {
                        let name = pointer.trim_start_matches("#/definitions/");
                        if seen.insert(name) {
                            found.push((path.to_owned(), &root["definitions"][name]));
                        }
                    }
                    ("additionalProperties", value) => {
                        inner(root, value, &format!("{path}.NAME"), seen, found);
                    }
                    ("allOf" | "anyOf" | "items", value) => inner(root, value, path, seen, found),
                    _ => {}
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| inner(root, item, path, seen, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::elsewhere;

    #[test]
    fn a_key_is_found_where_it_stands_first() {
        assert_eq!(elsewhere("domain").as_deref(), Some("`cluster` and `environments.NAME`"));
        assert_eq!(
            elsewhere("depends-on").as_deref(),
            Some("`stacks.NAME` and `services.NAME` and `charts.NAME`")
        );
        assert_eq!(elsewhere("nothing"), None);
        // Nobody is helped by ten places.
        assert_eq!(elsewhere("name"), None);
    }
}
