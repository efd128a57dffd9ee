//! Variables whose values stand elsewhere: in the pod itself, in ConfigMaps, in whole sets.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::inventory::record::Map;
use crate::inventory::value::Text;
use crate::model::BAD_VALUE;
use crate::model::cluster::{NameKind, check_name};
use crate::model::references::Resolver;
use crate::model::service::check_env_name;
use crate::model::stack::{Stack, known_secret};
use crate::source::{Span, Spanned};

/// A variable whose value stands elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourcedEnv {
    /// Its name.
    pub name: String,
    /// Where its value stands, in Kubernetes' spelling.
    pub from: Json,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// Whole sets of variables.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sets {
    /// The sets, in Kubernetes' spelling.
    pub env_from: Vec<Json>,
    /// The Secrets among them, by their names in Kubernetes.
    pub secrets: BTreeSet<String>,
}

/// What Kubernetes tells a container of its own pod.
const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Lowers variables that come from fields of the pod and from keys of ConfigMaps.
pub fn lower_sourced_env(
    resolver: &mut Resolver<'_>,
    fields: &Map<Text>,
    config_maps: &Map<Text>,
) -> Vec<SourcedEnv> {
    let mut variables = Vec::new();
    for (name, entry) in fields {
        check_env_name(resolver, name, entry.key);
        let field = resolver.text(&entry.value);
        if let Some(from) = field_of(resolver, &field) {
            variables.push(SourcedEnv { name: name.clone(), from, place: entry.key });
        }
    }
    for (name, entry) in config_maps {
        check_env_name(resolver, name, entry.key);
        let text = resolver.text(&entry.value);
        let Some((map, key)) = text.split_once('/').filter(|(map, key)| !map.is_empty() && !key.is_empty())
        else {
            resolver.found.push(
                BAD_VALUE
                    .at(text.span, "no key of a ConfigMap", format!("`{text}` is no key of a ConfigMap"))
                    .help("write `NAME/KEY`"),
            );
            continue;
        };
        check_name(resolver, map, text.span, "a ConfigMap", NameKind::Subdomain);
        let from = json!({ "configMapKeyRef": { "name": map, "key": key } });
        variables.push(SourcedEnv { name: name.clone(), from, place: entry.key });
    }
    variables
}

fn field_of(resolver: &mut Resolver<'_>, field: &Spanned<String>) -> Option<Json> {
    let amount = field.split_once('.').filter(|(what, _)| ["requests", "limits"].contains(what));
    let known = ["cpu", "memory", "ephemeral-storage"];
    if amount.is_some_and(|(_, resource)| known.contains(&resource) || resource.starts_with("hugepages-")) {
        return Some(json!({ "resourceFieldRef": { "resource": field.value } }));
    }
    let entry =
        ["metadata.labels['", "metadata.annotations['"].iter().find_map(|start| field.strip_prefix(start));
    let named = entry.and_then(|rest| rest.strip_suffix("']")).is_some_and(|key| !key.is_empty());
    if named || FIELDS.contains(&field.as_str()) {
        return Some(json!({ "fieldRef": { "fieldPath": field.value } }));
    }
    let known = FIELDS.join(", ");
    resolver.found.push(
        BAD_VALUE
            .at(field.span, "no such field", format!("`{field}` is nothing that Kubernetes tells a container"))
            .help(format!(
                "there are {known}, metadata.labels['KEY'], metadata.annotations['KEY'], and requests and limits such as limits.memory"
            )),
    );
    None
}

/// Lowers whole sets of variables.
pub fn lower_env_from(resolver: &mut Resolver<'_>, stack: Option<&Stack>, written: &[Text]) -> Sets {
    let mut sets = Sets::default();
    for written in written {
        let text = resolver.text(written);
        let named = |name: &str| Spanned::new(name.to_owned(), text.span);
        match text.split_once('/') {
            Some(("config-map", name)) => {
                check_name(resolver, name, text.span, "a ConfigMap", NameKind::Subdomain);
                sets.env_from.push(json!({ "configMapRef": { "name": name } }));
            }
            Some(("secret", name)) => {
                if let Some(secret) = known_secret(resolver, stack, &named(name)) {
                    sets.secrets.insert(secret.name.clone());
                    sets.env_from.push(json!({ "secretRef": { "name": secret.name } }));
                }
            }
            _ => resolver.found.push(
                BAD_VALUE
                    .at(text.span, "neither", format!("`{text}` names neither a ConfigMap nor a secret"))
                    .help("write `config-map/NAME` or `secret/NAME`"),
            ),
        }
    }
    sets
}
