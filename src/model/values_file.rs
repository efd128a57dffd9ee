//! `values-file`: a chart's values that stand in a file of their own are laid under its `values`, as if they stood there.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::Diagnostics;
use crate::inventory::Inventory;
use crate::inventory::node::{Entry, Node, Value, from_yaml};
use crate::inventory::record::{Decode, Reader};
use crate::inventory::value::{Passthrough, PassthroughTable};
use crate::model::{BAD_VALUE, UNKNOWN_REFERENCE};
use crate::source::{FileId, Source, Span};

/// The files that the charts of an inventory name, by what they name them. For whoever reads them.
pub fn wanted(inventory: &Inventory) -> Vec<&str> {
    let charts = inventory.tables.charts.values();
    charts.filter_map(|chart| chart.values_file.as_ref()).map(|text| text.value.as_str()).collect()
}

/// Lays the files' contents under the values of their charts. What is in them is found at its own place.
pub fn graft(inventory: &mut Inventory, files: &BTreeMap<&str, (FileId, &Source)>, found: &mut Diagnostics) {
    let mut grafts: Vec<(String, Node)> = Vec::new();
    for (name, chart) in &mut inventory.tables.charts {
        let Some(path) = &chart.value.values_file else { continue };
        let about = format!("charts.{name}");
        if let Some(reason) = fault(path) {
            let diagnostic =
                BAD_VALUE.at(path.span, "not a file of this folder", format!("`{path}` {reason}"));
            found.push(
                diagnostic
                    .about(about)
                    .help("name a file beside the inventory, such as \"values/traefik.yaml\""),
            );
            continue;
        }
        let Some((file, source)) = files.get(path.value.as_str()) else {
            let message = format!("there is no file `{path}` beside the inventory");
            found.push(
                UNKNOWN_REFERENCE
                    .at(path.span, "no such file", message)
                    .about(about)
                    .help("write it, or drop the key"),
            );
            continue;
        };
        let Some(under) = read(name, *file, source, found) else { continue };
        let values = match &chart.value.values {
            Some(own) => under.merged(own),
            None => under,
        };
        grafts.push((name.clone(), values.0.0.clone()));
        chart.value.values = Some(values);
    }
    let root = Arc::make_mut(&mut inventory.root);
    for (name, values) in grafts {
        let chart = table(root, "charts").and_then(|charts| table(charts, &name));
        if let Some(Value::Table(chart)) = chart.map(|chart| &mut chart.value) {
            let key = chart.get("values").or_else(|| chart.get("values-file")).map(|entry| entry.key);
            let key = key.unwrap_or_else(|| Span::new(inventory.file, 0..0));
            chart.insert("values".to_owned(), Entry { key, node: values });
        }
    }
}

fn table<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    match &mut node.value {
        Value::Table(table) => table.get_mut(key).map(|entry| &mut entry.node),
        _ => None,
    }
}

fn read(chart: &str, file: FileId, source: &Source, found: &mut Diagnostics) -> Option<PassthroughTable> {
    let (node, sound) = from_yaml(&source.text, file, found);
    if !sound {
        return None;
    }
    let mut reader = Reader::default();
    let values = reader.within("charts", |reader| {
        reader.within(chart, |reader| {
            reader.within("values-file", |reader| PassthroughTable::decode(&node, reader))
        })
    });
    found.extend(reader.found);
    // An empty file is an empty table.
    values.or_else(|| node.table().map(|_| PassthroughTable(Passthrough(node.clone()))))
}

/// Why a path cannot be that of a file in the inventory's folder.
fn fault(path: &str) -> Option<&'static str> {
    match path {
        _ if path.starts_with('/') => Some("begins at the root of the disk"),
        _ if path.contains(['\\', ':']) || path.chars().any(char::is_control) => Some("is not a plain path"),
        _ if path.contains("${") => Some("is read before references are replaced"),
        _ if path.split('/').any(|part| part == "..") => Some("leads out of the inventory's folder"),
        _ if path.split('/').any(|part| matches!(part, "" | ".")) => Some("has an empty part or `.`"),
        _ if !path.ends_with(".yaml") && !path.ends_with(".yml") => Some("is no YAML file"),
        _ => None,
    }
}
