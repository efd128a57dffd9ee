//! Dashboards of Grafana, from files beside the inventory.

use serde::Serialize;
use serde_json::Value as Json;

use crate::inventory;
use crate::inventory::stack::Layer;
use crate::inventory::value::{Engine, Text};
use crate::model::UNREADABLE_FILE;
use crate::model::environment::Around;
use crate::model::naming::{NameKind, check_name};
use crate::model::references::Resolver;
use crate::model::texts::{Texts, optional};
use crate::object::emit::unsafe_text;

/// A dashboard of Grafana.
#[derive(Clone, Debug, Serialize)]
pub struct Dashboard {
    /// Its name in the inventory.
    pub name: String,
    /// Its file's name in the ConfigMap.
    pub key: String,
    /// The dashboard, as its file says it.
    pub json: String,
    /// Labels of the ConfigMap.
    pub labels: Texts,
    /// Annotations of the ConfigMap.
    pub annotations: Texts,
}

/// A ConfigMap holds a mebibyte in all; its key and the rest need some of it.
const LARGEST_DASHBOARD: usize = (1 << 20) - 4096;

/// Lowers the dashboards of a stack. A file that cannot be read or is no JSON is reported.
pub fn lower_dashboards(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    table: &inventory::stack::Stack,
) -> Vec<Dashboard> {
    let layer = table.layer.as_ref().map_or(Layer::Apps, |layer| layer.value);
    let engine = around.model.gitops.as_ref().map(|gitops| gitops.engine_of(layer));
    let monitoring = &around.model.monitoring;
    let mut dashboards = Vec::new();
    for (name, entry) in &table.dashboards {
        let Some(table) = entry.value.on() else { continue };
        check_name(resolver, name, entry.key, "a dashboard", NameKind::Label);
        let Some(file) = &table.file else { continue };
        let Some(json) = dashboard_of(resolver, file) else { continue };
        let folder = optional(resolver, table.folder.as_ref());
        // Grafana's own variables look like Flux's.
        let mut annotations = Texts::new();
        if engine == Some(Engine::Flux) {
            annotations.insert("kustomize.toolkit.fluxcd.io/substitute", "disabled");
        }
        annotations.extend(folder.map(|folder| (monitoring.folder_annotation.clone(), folder)));
        dashboards.push(Dashboard {
            key: format!("{name}.json"),
            name: name.clone(),
            json,
            labels: monitoring.dashboard_labels.clone(),
            annotations,
        });
    }
    dashboards
}

fn dashboard_of(resolver: &mut Resolver<'_>, file: &Text) -> Option<String> {
    match resolver.inventory.files.get(file).and_then(|(_, source)| dashboard_text(&source.text)) {
        Ok(json) => Some(json),
        Err(reason) => {
            resolver.found.push(
                UNREADABLE_FILE
                    .at(file.span, reason.clone(), format!("file `{file}` cannot be used: {reason}"))
                    .help("name a JSON file below the inventory's folder, as Grafana exports it"),
            );
            None
        }
    }
}

fn dashboard_text(text: &str) -> Result<String, String> {
    if text.len() > LARGEST_DASHBOARD {
        return Err("it is larger than a ConfigMap may be (1 MiB)".to_owned());
    }
    match serde_json::from_str::<Json>(text) {
        Ok(Json::Object(_)) => {}
        Ok(_) => return Err("it is no dashboard: not a JSON object".to_owned()),
        Err(error) => return Err(format!("it is no JSON: {error}")),
    }
    let text = text.replace("\r\n", "\n");
    match unsafe_text(&text) {
        Some(c) => {
            Err(format!("it holds the character U+{:04X}, which kustomize cannot carry", u32::from(c)))
        }
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::dashboard_text;

    #[test]
    fn dashboards_are_json_objects() {
        assert_eq!(dashboard_text("{\r\n}").unwrap(), "{\n}");
        for bad in ["", "[]", "1", "{", "{\"a\": \"\u{fffe}\"}"] {
            assert!(dashboard_text(bad).is_err(), "{bad}");
        }
    }
}
