//! Variables of containers: plain ones, those of secrets, and those whose values stand elsewhere: in the pod itself, in
//! ConfigMaps, in whole sets.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::diagnostic::Level;
use crate::inventory;
use crate::inventory::record::Map;
use crate::inventory::value::{Scalar, Text};
use crate::model::cluster::version;
use crate::model::naming::{NameKind, check_name};
use crate::model::references::Resolver;
use crate::model::secret::Keys;
use crate::model::stack::{Stack, known_secret};
use crate::model::{BAD_NAME, BAD_VALUE};
use crate::source::{Span, Spanned};

/// A variable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The place of its value.
    #[serde(skip)]
    pub place: Span,
}

/// A variable that comes from a secret.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SecretEnv {
    /// Its name.
    pub name: String,
    /// The Secret's name in Kubernetes.
    pub secret: String,
    /// The key in it.
    pub key: String,
    /// Whether it may be missing.
    pub optional: bool,
}

/// Each variable after those it uses as `$(NAME)`, because Kubernetes expands only what stands before; else by name.
pub fn lower_env(resolver: &mut Resolver<'_>, map: &Map<Scalar>) -> Vec<EnvVar> {
    for (name, entry) in map {
        check_variable(resolver, name, entry.key);
    }
    let variables: Vec<EnvVar> = map
        .iter()
        .map(|(name, entry)| {
            let value = resolver.text(&entry.value.0);
            EnvVar { name: name.clone(), value: value.value, place: value.span }
        })
        .collect();
    if !variables.iter().any(|variable| variable.value.contains("$(")) {
        return variables;
    }
    let index: BTreeMap<&str, usize> =
        variables.iter().enumerate().map(|(at, variable)| (variable.name.as_str(), at)).collect();
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); variables.len()];
    let mut waits: Vec<usize> = vec![0; variables.len()];
    for (at, variable) in variables.iter().enumerate() {
        let names = variable.value.split("$(").skip(1).filter_map(|rest| rest.split_once(')'));
        let used: BTreeSet<usize> = names.filter_map(|(name, _)| index.get(name).copied()).collect();
        for other in used.into_iter().filter(|other| *other != at) {
            users[other].push(at);
            waits[at] += 1;
        }
    }
    let mut ready: BTreeSet<usize> = (0..variables.len()).filter(|at| waits[*at] == 0).collect();
    let mut left: BTreeSet<usize> = (0..variables.len()).collect();
    let mut ordered: Vec<EnvVar> = Vec::with_capacity(variables.len());
    // In a circle nothing is ready: the first by name goes first.
    while let Some(at) = ready.pop_first().or_else(|| left.first().copied()) {
        if !left.remove(&at) {
            continue;
        }
        ordered.push(variables[at].clone());
        for user in &users[at] {
            waits[*user] -= 1;
            if waits[*user] == 0 {
                ready.insert(*user);
            }
        }
    }
    ordered
}

/// A variable of a container. Since 1.32 Kubernetes takes any printable name without `=`, which hardly a shell can read.
fn check_variable(resolver: &mut Resolver<'_>, name: &str, span: Span) {
    let printable =
        !name.is_empty() && name.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=');
    if is_usual(name) || version(resolver.inventory) < (1, 32) {
        return check_env_name(resolver, name, span);
    }
    if !printable {
        let message = format!("`{name}` cannot name a variable: printable letters of ASCII without `=`");
        resolver.found.push(BAD_NAME.at(span, "not a variable's name", message));
        return;
    }
    let message = format!("`{name}` is a name of a variable that few programs can read");
    let mut diagnostic = BAD_NAME.at(span, "not usual", message);
    diagnostic.level = Level::Warning;
    resolver.found.push(diagnostic.help("use letters, digits, `_`, `-` and `.`, not beginning with a digit"));
}

/// What everybody takes for a variable's name.
fn is_usual(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    !name.is_empty() && name.chars().all(fine) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// A variable that may be the key of a ConfigMap, too: people mean letters, digits, `_`, `-` and `.`.
pub fn check_env_name(resolver: &mut Resolver<'_>, name: &str, span: Span) {
    if !is_usual(name) {
        resolver.found.push(BAD_NAME.at(
            span,
            "not a variable's name",
            format!("`{name}` cannot name a variable: letters, digits, `_`, `-` and `.`, not beginning with a digit"),
        ));
    }
}

/// Variables that come from secrets. Those of unknown ones are reported and left out.
pub fn lower_secret_env(
    resolver: &mut Resolver<'_>,
    stack: Option<&Stack>,
    map: &Map<inventory::service::SecretKey>,
) -> Vec<SecretEnv> {
    let mut variables = Vec::new();
    let mut keys: BTreeMap<&str, Keys<'_>> = BTreeMap::new();
    for (name, entry) in map {
        check_variable(resolver, name, entry.key);
        let reference = &entry.value.0;
        let (Some(secret), Some(key)) = (&reference.secret, &reference.key) else { continue };
        let (secret, key) = (resolver.text(secret), resolver.text(key));
        let Some(known) = known_secret(resolver, stack, &secret) else { continue };
        if !keys.entry(&known.key).or_insert_with(|| Keys::of(known)).has(resolver, &key) {
            continue;
        }
        variables.push(SecretEnv {
            name: name.clone(),
            secret: known.name.clone(),
            key: key.value,
            optional: reference.optional.is_some_and(|flag| flag.value),
        });
    }
    variables
}

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
        check_variable(resolver, name, entry.key);
        let field = resolver.text(&entry.value);
        if let Some(from) = field_of(resolver, &field) {
            variables.push(SourcedEnv { name: name.clone(), from, place: entry.key });
        }
    }
    for (name, entry) in config_maps {
        check_variable(resolver, name, entry.key);
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
