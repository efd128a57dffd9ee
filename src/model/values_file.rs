//! `values-file`: a chart's values that stand in a file of their own are laid under its `values`, as if they stood there.

use std::sync::Arc;

use crate::diagnostic::Diagnostics;
use crate::inventory::node::{Entry, Node, Value, from_yaml};
use crate::inventory::record::{Decode, Reader};
use crate::inventory::value::{Passthrough, PassthroughTable};
use crate::inventory::{Inventory, TOO_MUCH, weight};
use crate::model::UNREADABLE_FILE;
use crate::source::{FileId, Source, Span};

/// What the values of all such files may weigh: each chart has its own of a file that several name.
const VALUES_LIMIT: usize = 64 << 20;

/// Lays the files' contents under the values of their charts. What is in them is found at its own place. Whether they
/// are not too much.
pub fn graft(inventory: &mut Inventory, found: &mut Diagnostics) -> bool {
    let mut weight = 0usize;
    let mut grafts: Vec<(String, Node)> = Vec::new();
    for (name, chart) in &mut inventory.tables.charts {
        let Some(path) = &chart.value.values_file else { continue };
        let file = match is_yaml(path) {
            true => inventory.files.get(path),
            false => Err("its name does not end in `.yaml`".to_owned()),
        };
        let (file, source) = match file {
            Ok(file) => file,
            Err(reason) => {
                found.push(
                    UNREADABLE_FILE
                        .at(path.span, reason.clone(), format!("file `{path}` cannot be used: {reason}"))
                        .about(format!("charts.{name}"))
                        .help(
                            "name a YAML file below the inventory's folder, such as \"values/traefik.yaml\"",
                        ),
                );
                continue;
            }
        };
        let Some(under) = read(name, file, source, found) else { continue };
        weight = weight.saturating_add(weight::of(&under.0.0));
        if weight > VALUES_LIMIT {
            let limit = VALUES_LIMIT >> 20;
            let message = format!("the values files of all charts are more than the limit of {limit} MiB");
            let help = "write only what differs from the chart's own values, or split the inventory in two";
            found.push(TOO_MUCH.at(path.span, "more than the limit with this one", message).help(help));
            return false;
        }
        let values = match &chart.value.values {
            Some(own) => under.merged(own),
            None => under,
        };
        grafts.push((name.clone(), values.0.0.clone()));
        chart.value.values = Some(values);
    }
    if grafts.is_empty() {
        return true;
    }
    inventory.text = None;
    let root = Arc::make_mut(&mut inventory.root);
    for (name, values) in grafts {
        let chart = table(root, "charts").and_then(|charts| table(charts, &name));
        if let Some(Value::Table(chart)) = chart.map(|chart| &mut chart.value) {
            let key = chart.get("values").or_else(|| chart.get("values-file")).map(|entry| entry.key);
            let key = key.unwrap_or_else(|| Span::new(inventory.file, 0..0));
            chart.insert("values", Entry::new(key, values));
        }
    }
    true
}

fn table<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    match &mut node.value {
        Value::Table(table) => table.get_mut(key).map(|entry| &mut entry.node),
        _ => None,
    }
}

fn read(chart: &str, file: FileId, source: &Source, found: &mut Diagnostics) -> Option<PassthroughTable> {
    let (node, sound) = from_yaml(source, file, found);
    if !sound {
        return None;
    }
    let mut reader = Reader::default();
    let values = reader.within("charts", |reader| {
        reader.within(chart, |reader| {
            reader.within("values-file", |reader| PassthroughTable::decode(&node, reader))
        })
    });
    found.absorb(reader.found);
    // An empty file is an empty table.
    values.or_else(|| node.table().map(|_| PassthroughTable(Passthrough(node.clone()))))
}

fn is_yaml(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml")
}
