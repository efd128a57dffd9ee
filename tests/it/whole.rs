//! What holds for every inventory: the same facts give the same bytes, and every file is ours and sound.

use std::collections::BTreeSet;
use std::fs;

use bayplan::inventory::schema::tables_schema;
use bayplan::object::Value;
use bayplan::object::emit::emit_documents;
use bayplan::object::read::read_documents;
use bayplan::tree::{Signed, Tree, sign, signature};
use serde_json::Map;

use crate::bayplan::Desk;
use crate::inventories::{Sample, all, folder};
use crate::overlays::as_yaml;
use crate::perturb::Dice;

#[test]
fn a_second_render_touches_nothing() {
    for sample in all() {
        let desk = Desk::with(&sample.text);
        let beside = bayplan::wanted_files(&sample.inputs());
        for path in &beside {
            desk.write(path, &fs::read_to_string(folder().join(path)).unwrap());
        }
        desk.ok("render");
        let first = desk.files("out");
        let said = desk.ok("render");
        assert!(said.err.contains("all up to date"), "{}: {}", sample.name, said.err);
        assert!(first == desk.files("out"), "{}: a file was written again", sample.name);
        let tree = sample.tree();
        let names: Vec<String> = tree.iter().map(|(path, _)| path.to_string()).collect();
        assert_eq!(desk.names("out"), names, "{}: only ours", sample.name);
        assert_eq!(
            desk.names(".").len(),
            names.len() + 1 + beside.len(),
            "{}: nothing beside the tree",
            sample.name
        );
    }
}

#[test]
fn the_order_of_tables_and_keys_does_not_matter() {
    let mut dice = Dice(20_260_301);
    for sample in all() {
        let tree = sample.tree();
        for _ in 0..4 {
            let shuffled = shuffled(&sample.value(), &mut dice);
            let text = toml::to_string(&shuffled).unwrap();
            let other = Sample::new(&sample.name, "inventory.toml", text);
            assert_same(&tree, &other.tree(), &sample.name);
        }
    }
}

fn shuffled(value: &Value, dice: &mut Dice) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            let mut out = Map::new();
            while !entries.is_empty() {
                let (key, value) = entries.swap_remove(dice.below(entries.len()));
                out.insert(key.clone(), shuffled(value, dice));
            }
            Value::Object(out)
        }
        Value::Array(items) => items.iter().map(|item| shuffled(item, dice)).collect(),
        other => other.clone(),
    }
}

#[test]
fn an_inventory_in_yaml_gives_the_same_tree() {
    for sample in all() {
        let yaml = as_yaml(&sample.name, &sample.value());
        let (one, other) = (sample.tree(), yaml.tree());
        assert_eq!((one.origin(), other.origin()), ("inventory.toml", "inventory.yaml"));
        assert_same(&one, &other, &sample.name);
    }
}

fn assert_same(one: &Tree, other: &Tree, what: &str) {
    let paths = |tree: &Tree| tree.iter().map(|(path, _)| path.to_string()).collect::<Vec<_>>();
    assert_eq!(paths(one), paths(other), "{what}");
    for ((path, one), (_, other)) in one.iter().zip(other.iter()) {
        let diff = similar::TextDiff::from_lines(one, other);
        assert!(one == other, "{what}: {path}\n{}", diff.unified_diff());
    }
}

#[test]
fn every_file_is_signed_and_reads_as_it_was_written() {
    for sample in all() {
        let tree = sample.tree();
        for (path, content) in tree.iter() {
            let text = sign(path, tree.origin(), content);
            assert_eq!(signature(&text), Signed::Ours, "{}: {path}", sample.name);
            // Flux finds what it may change by comments, which the emitter does not know.
            if path.as_str() == "flux/images.yaml" {
                assert!(!read_documents(&text).unwrap().is_empty());
            } else if path.name().ends_with(".yaml") {
                let objects = read_documents(&text).unwrap();
                assert!(!objects.is_empty(), "{}: {path} is empty", sample.name);
                let again = emit_documents(&objects.iter().collect::<Vec<_>>());
                assert_eq!(again, content, "{}: {path}", sample.name);
                assert_second_reader_agrees(&text, &objects, path.as_str());
            } else if path.name().ends_with(".values") {
                // A chart reads them, not kustomize.
                assert_second_reader_agrees(&text, &read_documents(&text).unwrap(), path.as_str());
            } else {
                assert!(["README.md", "sops.config"].contains(&path.name()), "{}: {path}", sample.name);
            }
        }
    }
}

/// A YAML reader that shares no code with ours.
fn assert_second_reader_agrees(text: &str, objects: &[Value], path: &str) {
    use serde::Deserialize;
    let documents = serde_yaml::Deserializer::from_str(text);
    let read: Vec<Value> = documents.map(|document| Value::deserialize(document).unwrap()).collect();
    assert_eq!(read, objects, "{path}");
}

#[test]
fn nothing_in_a_tree_is_an_unfinished_thought() {
    for sample in all() {
        let tree = sample.tree();
        // A patch says null for what goes.
        for (path, content) in tree.iter().filter(|(path, _)| !path.as_str().contains("/overlays/")) {
            assert!(content.ends_with('\n') && !content.ends_with("\n\n"), "{}: end of {path}", sample.name);
            for line in content.lines() {
                let what = format!("{}: {path}: `{line}`", sample.name);
                assert_eq!(line, line.trim_end(), "{what}");
                let empty = [": null", ": {}", ": []", ": \"\"", ": undefined", ": none"];
                let meant = [
                    "podSelector: {}",
                    "namespaceSelector: {}",
                    "storageClassName: \"\"",
                    "emptyDir: {}",
                    "group: \"\"",
                    "gress: []",
                    "tls: {}",
                    "selfSigned: {}",
                ];
                assert!(
                    !empty.iter().any(|end| line.ends_with(end))
                        || meant.iter().any(|end| line.ends_with(end)),
                    "{what}"
                );
            }
        }
    }
}

/// An inventory key that no sample uses is a key that no test has seen rendered.
#[test]
fn the_inventories_use_every_key() {
    let schema = tables_schema();
    let mut used = BTreeSet::new();
    for sample in all() {
        walk(&schema, &schema, &sample.value(), &mut used);
    }
    let mut unused = Vec::new();
    for (name, table) in schema["definitions"].as_object().unwrap() {
        for key in table["properties"].as_object().unwrap().keys() {
            if !used.contains(&(name.clone(), key.clone())) {
                unused.push(format!("{name}.{key}"));
            }
        }
    }
    assert!(unused.is_empty(), "no inventory under {} uses {unused:?}", folder().display());
}

/// Notes which keys of which table a value uses.
fn walk(root: &Value, schema: &Value, value: &Value, used: &mut BTreeSet<(String, String)>) {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/definitions/")) {
        let table = &root["definitions"][name];
        for (key, inner) in value.as_object().into_iter().flatten() {
            if let Some(schema) = table["properties"].get(key) {
                used.insert((name.to_owned(), key.clone()));
                walk(root, schema, inner, used);
            }
        }
        return;
    }
    for schema in ["anyOf", "allOf", "oneOf"].iter().filter_map(|key| schema[*key].as_array()).flatten() {
        walk(root, schema, value, used);
    }
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let schema = schema["properties"].get(key).or_else(|| schema.get("additionalProperties"));
                schema.into_iter().for_each(|schema| walk(root, schema, inner, used));
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter().for_each(|item| walk(root, schema, item, used));
            }
        }
        _ => {}
    }
}

/// The inventories are what people copy from: each says at its head what it is for.
#[test]
fn every_inventory_says_what_it_is() {
    for sample in all() {
        assert!(sample.text.starts_with('#'), "{}", sample.name);
    }
}
