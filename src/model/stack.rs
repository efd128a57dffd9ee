//! Stacks of one environment: namespaces, shared settings, claims, secrets and the services in them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::inventory::stack::{AccessMode, Layer, SecretProvider};
use crate::inventory::storage::Backend;
use crate::inventory::value::PodSecurity;
use crate::inventory::{self, MISSING_KEY};
use crate::model::cluster::{
    NameKind, NfsPath, check_name, name_fault, nfs_path, optional, report_unknown, texts,
};
use crate::model::delivery::Delivery;
use crate::model::gitops::brings_along;
use crate::model::references::{QuantityValue, Resolver};
use crate::model::service::{Service, lower_service};
use crate::model::{CONFLICTING_KEYS, Environment, Model, UNKNOWN_REFERENCE, flows};
use crate::source::{Span, Spanned};

/// A namespace of services in one environment.
#[derive(Clone, Debug, Serialize)]
pub struct Stack {
    /// Its name in the inventory.
    pub name: String,
    /// Its namespace, with the environment's suffix.
    pub namespace: Spanned<String>,
    /// Whether the tree writes that namespace: not one that the cluster, an engine or a chart brings along.
    pub writes_namespace: bool,
    /// What it is for.
    pub description: Option<String>,
    /// The application it is part of.
    pub part_of: String,
    /// The layer it belongs to.
    pub layer: Layer,
    /// The Pod Security Standard of its namespace: the strictest of the stacks in it.
    pub pod_security: Option<PodSecurity>,
    /// Whether only named flows are let through.
    pub isolate: bool,
    /// Variables that every service gets.
    pub env: BTreeMap<String, String>,
    /// A digest of them, which pods carry so that a change restarts them.
    pub env_digest: Option<String>,
    /// Storage that services mount, by name.
    pub claims: Vec<Claim>,
    /// The ResourceQuota.
    pub quota: BTreeMap<String, Spanned<QuantityValue>>,
    /// The LimitRange.
    pub limits: Option<Limits>,
    /// Secrets that services read from, by name.
    pub secrets: Vec<Secret>,
    /// Labels for every object, with the recommended ones.
    pub labels: BTreeMap<String, String>,
    /// Labels for the namespace: those, and its Pod Security Standard.
    pub namespace_labels: BTreeMap<String, String>,
    /// Annotations for the namespace.
    pub annotations: BTreeMap<String, String>,
    /// Where its services and the NFS exports are, as variables.
    pub network: BTreeMap<String, String>,
    /// Stacks that must be ready before it.
    pub after_stacks: Vec<Spanned<String>>,
    /// Charts that must be ready before it.
    pub after_charts: Vec<Spanned<String>>,
    /// How many stacks must be ready before it, one after the other.
    pub wave: usize,
    /// How it is applied, if the inventory says by whom.
    pub delivery: Option<Delivery>,
    /// The services in it, by name.
    #[serde(skip)]
    pub services: Vec<Service>,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// Storage that services mount.
#[derive(Clone, Debug, Serialize)]
pub struct Claim {
    /// Its name.
    pub name: String,
    /// Its size.
    pub size: Option<Spanned<QuantityValue>>,
    /// How it may be mounted.
    pub access_modes: Vec<AccessMode>,
    /// The storage class; the inventory's default class if it names none. An empty one asks for no provisioning.
    pub class: Option<String>,
    /// The export behind it, if it has a volume of its own.
    pub nfs: Option<NfsPath>,
    /// The volume of its own, named for the namespace because volumes are the cluster's.
    pub volume: Option<String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// What keeps the data, if the inventory knows.
    #[serde(skip)]
    pub backend: Option<Backend>,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

impl Claim {
    /// Whether pods on two nodes cannot have it mounted at once.
    pub fn one_node(&self) -> bool {
        self.access_modes
            .iter()
            .all(|mode| matches!(mode, AccessMode::ReadWriteOnce | AccessMode::ReadWriteOncePod))
    }
}

/// What containers get that ask for nothing.
#[derive(Clone, Debug, Serialize)]
pub struct Limits {
    /// Limits of containers that give none.
    pub default: BTreeMap<String, Spanned<QuantityValue>>,
    /// Requests of containers that give none.
    pub default_request: BTreeMap<String, Spanned<QuantityValue>>,
    /// The most that one container may ask for.
    pub max: BTreeMap<String, Spanned<QuantityValue>>,
    /// The least that one container may ask for.
    pub min: BTreeMap<String, Spanned<QuantityValue>>,
}

/// A Secret that services read from.
#[derive(Clone, Debug, Serialize)]
pub struct Secret {
    /// Its name in the inventory.
    pub key: String,
    /// Its name in Kubernetes.
    pub name: String,
    /// How it gets there.
    pub provider: SecretProvider,
    /// Its keys.
    pub keys: Vec<Spanned<String>>,
    /// What it is for.
    pub description: Option<String>,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// What lowering the services of an environment needs to know of it.
#[derive(Debug)]
pub struct Around<'m> {
    /// What environments share.
    pub model: &'m Model,
    /// The services that are on.
    pub on: BTreeSet<String>,
    /// Whether missing keys are reported: not for the base, if environments may add them.
    pub complete: bool,
}

/// Lowers one environment, or the base.
pub fn lower_environment<'a>(
    resolver: &mut Resolver<'a>,
    model: &Model,
    name: Option<&'a str>,
) -> Environment {
    resolver.enter(name);
    let tables = &resolver.inventory.tables;
    let around = Around {
        model,
        on: services_on(resolver),
        complete: name.is_some() || tables.environments.is_empty(),
    };
    let mut environment = Environment { name: name.unwrap_or_default().to_owned(), ..Environment::default() };
    if let Some((name, table)) = resolver.environment() {
        environment.place = tables.environments[name].key;
        environment.description = optional(resolver, table.description.as_ref());
        environment.domain = optional(resolver, table.domain.as_ref());
        environment.namespace_suffix =
            optional(resolver, table.namespace_suffix.as_ref()).unwrap_or_default();
        check_name(resolver, name, environment.place, "an environment", NameKind::Label);
    }
    environment.stacks = lower_stacks(resolver, &around, &environment);
    let mut services = lower_services(resolver, &around, &environment.stacks);
    for stack in &mut environment.stacks {
        stack.services = services.remove(&stack.name).unwrap_or_default();
    }
    environment.strays = services.into_values().flatten().collect();
    flows::open(&mut environment, model);
    environment
}

/// Of stacks that share a namespace, the one that is applied first writes it, with the strictest of their
/// Pod Security Standards.
pub fn share_namespaces(model: &mut Model) {
    share(std::slice::from_mut(&mut model.base));
    share(&mut model.environments);
}

fn share(environments: &mut [Environment]) {
    let mut stacks: Vec<&mut Stack> =
        environments.iter_mut().flat_map(|environment| &mut environment.stacks).collect();
    let mut levels: BTreeMap<String, Option<PodSecurity>> = BTreeMap::new();
    for stack in &stacks {
        let level = levels.entry(stack.namespace.value.clone()).or_default();
        *level = (*level).max(stack.pod_security);
    }
    stacks.sort_by_key(|stack| (stack.layer, stack.wave));
    let mut written = BTreeSet::new();
    for stack in stacks {
        stack.pod_security = levels.get(&stack.namespace.value).copied().flatten();
        stack.writes_namespace &= written.insert(stack.namespace.value.clone());
    }
}

/// Gives the only environment its name.
pub fn rename_environment(environment: &mut Environment, name: &str) {
    name.clone_into(&mut environment.name);
}

/// The services that are deployed: neither they nor their stacks are switched off.
fn services_on(resolver: &Resolver<'_>) -> BTreeSet<String> {
    let names = resolver.inventory.tables.services.keys();
    names
        .filter(|name| {
            let Some(service) = resolver.service(name) else { return false };
            let stack = service.stack.as_ref().and_then(|stack| resolver.stack(stack));
            let on = |flag: Option<&Spanned<bool>>| flag.is_none_or(|flag| flag.value);
            on(service.enabled.as_ref()) && on(stack.and_then(|stack| stack.enabled.as_ref()))
        })
        .cloned()
        .collect()
}

fn lower_stacks(resolver: &mut Resolver<'_>, around: &Around<'_>, environment: &Environment) -> Vec<Stack> {
    let tables = &resolver.inventory.tables.stacks;
    tables
        .iter()
        .filter_map(|(name, entry)| {
            let stack = resolver.stack(name)?.clone();
            if stack.enabled.as_ref().is_some_and(|flag| !flag.value) {
                return None;
            }
            check_name(resolver, name, entry.key, "a stack", NameKind::Label);
            Some(lower_stack(resolver, around, environment, name, &stack, entry.key))
        })
        .collect()
}

fn lower_stack(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    environment: &Environment,
    name: &str,
    table: &inventory::stack::Stack,
    place: Span,
) -> Stack {
    let namespace = table.namespace.as_ref().map(|text| resolver.text(text));
    let namespace = namespace.unwrap_or_else(|| Spanned::new(name.to_owned(), place));
    let namespace = namespace.map(|namespace| namespace + &environment.namespace_suffix);
    // A stack's own name that cannot be a namespace's has been reported.
    if namespace.span != place || name_fault(name, NameKind::Label).is_none() {
        check_name(resolver, &namespace, namespace.span, "a namespace", NameKind::Label);
    }
    let model = around.model;
    let mut env = texts(resolver, &table.env);
    if let Some((_, own)) = resolver.environment() {
        env.extend(texts(resolver, &own.env));
    }
    let (after_stacks, after_charts) = lower_order(resolver, around, &table.depends_on);
    let by_a_chart = model.charts.iter().any(|chart| chart.namespace.value == namespace.value);
    Stack {
        writes_namespace: !by_a_chart && !brings_along(model.gitops.as_ref(), &namespace),
        description: optional(resolver, table.description.as_ref()),
        part_of: optional(resolver, table.part_of.as_ref()).unwrap_or_else(|| name.to_owned()),
        layer: table.layer.as_ref().map_or(Layer::Apps, |layer| layer.value),
        pod_security: table.pod_security.as_ref().map(|level| level.value),
        isolate: table.isolate.as_ref().is_some_and(|flag| flag.value),
        env_digest: (!env.is_empty()).then(|| digest(&env)),
        env,
        claims: lower_claims(resolver, model, &table.claims, &namespace),
        quota: quantities(resolver, &table.quota),
        limits: table.limits.as_ref().map(|limits| Limits {
            default: quantities(resolver, &limits.default),
            default_request: quantities(resolver, &limits.default_request),
            max: quantities(resolver, &limits.max),
            min: quantities(resolver, &limits.min),
        }),
        secrets: lower_secrets(resolver, name),
        labels: texts(resolver, &table.labels),
        namespace_labels: BTreeMap::new(),
        network: BTreeMap::new(),
        annotations: texts(resolver, &table.annotations),
        after_stacks,
        after_charts,
        wave: 0,
        delivery: None,
        services: Vec::new(),
        name: name.to_owned(),
        namespace,
        place,
    }
}

/// Ten hexadecimal digits that change with any variable or file.
pub fn digest(env: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    for (key, value) in env {
        for part in [key, value] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
    }
    hash.finalize().iter().take(5).map(|byte| format!("{byte:02x}")).collect()
}

/// What a stack waits for: stacks and charts. A stack that is off is dropped.
fn lower_order(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    names: &[inventory::value::Text],
) -> (Vec<Spanned<String>>, Vec<Spanned<String>>) {
    let stacks = &resolver.inventory.tables.stacks;
    let (mut after_stacks, mut after_charts) = (Vec::new(), Vec::new());
    for name in names {
        let name = resolver.text(name);
        if stacks.contains_key(&name.value) {
            let off =
                resolver.stack(&name).and_then(|stack| stack.enabled.as_ref()).is_some_and(|on| !on.value);
            if !off {
                after_stacks.push(name);
            }
        } else if around.model.chart(&name).is_some() {
            after_charts.push(name);
        } else {
            let charts = around.model.charts.iter().map(|chart| chart.name.as_str());
            let known = resolver.known(stacks.keys().map(String::as_str).chain(charts));
            report_unknown(resolver, &name, "stack or chart", &known);
        }
    }
    (after_stacks, after_charts)
}

/// A map of quantities; those that cannot be read are reported and left out.
pub fn quantities(
    resolver: &mut Resolver<'_>,
    map: &inventory::record::Map<inventory::value::QuantityText>,
) -> BTreeMap<String, Spanned<QuantityValue>> {
    map.iter().filter_map(|(key, entry)| Some((key.clone(), resolver.quantity(&entry.value)?))).collect()
}

fn lower_claims(
    resolver: &mut Resolver<'_>,
    model: &Model,
    tables: &inventory::record::Map<inventory::stack::Claim>,
    namespace: &str,
) -> Vec<Claim> {
    tables
        .iter()
        .map(|(name, entry)| {
            check_name(resolver, name, entry.key, "a claim", NameKind::Subdomain);
            let mut claim = lower_claim(resolver, model, name, &entry.value, namespace);
            claim.place = entry.key;
            claim
        })
        .collect()
}

fn lower_claim(
    resolver: &mut Resolver<'_>,
    model: &Model,
    name: &str,
    table: &inventory::stack::Claim,
    namespace: &str,
) -> Claim {
    if let (Some(class), Some(nfs)) = (&table.class, &table.nfs) {
        resolver.found.push(
            CONFLICTING_KEYS
                .at(nfs.span, "an export of its own", format!("claim `{name}` has both `class` and `nfs`"))
                .because(class.span, "a storage class")
                .help("keep `class` to have a volume made, `nfs` to use an existing export"),
        );
    }
    let written = table.nfs.as_ref().map(|text| resolver.text(text));
    let has_export = written.is_some();
    let nfs = written.and_then(|written| nfs_path(resolver, &model.nfs, &written));
    let class = table.class.as_ref().map(|text| resolver.text(text));
    let class = class.and_then(|class| known_class(resolver, model, class));
    let class = if has_export { Some(String::new()) } else { class.or_else(|| default_class(model)) };
    let backend = match (&nfs, &class) {
        (Some(_), _) => Some(Backend::Nfs),
        (None, Some(class)) => model.storage_class(class).map(|class| class.backend),
        (None, None) => None,
    };
    let modes: Vec<AccessMode> = table.access_modes.iter().map(|mode| mode.value).collect();
    Claim {
        size: table.size.as_ref().and_then(|size| resolver.quantity(size)),
        access_modes: if modes.is_empty() { vec![AccessMode::ReadWriteOnce] } else { modes },
        class,
        nfs,
        volume: has_export.then(|| format!("{namespace}-{name}")),
        annotations: texts(resolver, &table.annotations),
        backend,
        name: name.to_owned(),
        place: table.span,
    }
}

/// The class of claims that name none.
pub fn default_class(model: &Model) -> Option<String> {
    model.storage_classes.iter().find(|class| class.default).map(|class| class.name.clone())
}

/// A storage class that exists; reported if it does not.
pub fn known_class(resolver: &mut Resolver<'_>, model: &Model, class: Spanned<String>) -> Option<String> {
    // An inventory that declares no class at all leaves them to the cluster.
    if model.storage_classes.is_empty() || model.storage_class(&class).is_some() {
        return Some(class.value);
    }
    let known = resolver.known(model.storage_classes.iter().map(|class| class.name.as_str()));
    report_unknown(resolver, &class, "storage class", &known);
    None
}

fn lower_secrets(resolver: &mut Resolver<'_>, stack: &str) -> Vec<Secret> {
    let tables = &resolver.inventory.tables.secrets;
    tables
        .iter()
        .filter(|(_, entry)| entry.stack.as_ref().is_some_and(|name| name.value == stack))
        .map(|(key, entry)| {
            let name = optional(resolver, entry.name.as_ref()).unwrap_or_else(|| key.clone());
            check_name(resolver, &name, entry.key, "a Secret", NameKind::Subdomain);
            Secret {
                provider: entry.provider.as_ref().map_or(SecretProvider::Manual, |provider| provider.value),
                keys: entry.keys.iter().map(|text| resolver.text(text)).collect(),
                description: optional(resolver, entry.description.as_ref()),
                name,
                key: key.clone(),
                place: entry.key,
            }
        })
        .collect()
}

fn lower_services(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    stacks: &[Stack],
) -> BTreeMap<String, Vec<Service>> {
    let tables = &resolver.inventory.tables.services;
    let by_name: BTreeMap<&str, &Stack> = stacks.iter().map(|stack| (stack.name.as_str(), stack)).collect();
    let mut services: BTreeMap<String, Vec<Service>> = BTreeMap::new();
    for (name, entry) in tables {
        if !around.on.contains(name) {
            continue;
        }
        let Some(table) = resolver.service(name).cloned() else { continue };
        let stack_name = table.stack.as_ref().map(|stack| stack.value.as_str()).unwrap_or_default();
        let stack = by_name.get(stack_name).copied();
        if around.complete {
            report_missing(resolver, name, entry, &table);
        }
        let service = lower_service(resolver, around, stack, name, &table, entry.key);
        services.entry(stack_name.to_owned()).or_default().push(service);
    }
    services
}

fn report_missing(
    resolver: &mut Resolver<'_>,
    name: &str,
    entry: &inventory::record::Named<inventory::service::Service>,
    table: &inventory::service::Service,
) {
    let stacks = &resolver.inventory.tables.stacks;
    for (key, text, help) in [
        ("stack", &table.stack, "the stack it belongs to"),
        ("image", &table.image, "the container image with its tag"),
    ] {
        match text {
            None => resolver.found.push(
                MISSING_KEY
                    .at(
                        entry.span,
                        format!("`{key}` is missing here"),
                        format!("`services.{name}` needs `{key}`"),
                    )
                    .help(format!("add `{key}`: {help}"))
                    .about(format!("services.{name}")),
            ),
            Some(stack) if key == "stack" && !stacks.contains_key(&stack.value) => {
                let known = resolver.known(stacks.keys().map(String::as_str));
                report_unknown(resolver, stack, "stack", &known);
            }
            Some(_) => {}
        }
    }
}

/// Reports what environments and secrets say of stacks and services that nobody declares.
pub fn report_undeclared(resolver: &mut Resolver<'_>) {
    let tables = &resolver.inventory.tables;
    let services: Vec<&str> = tables.services.keys().map(String::as_str).collect();
    let stacks: Vec<&str> = tables.stacks.keys().map(String::as_str).collect();
    for environment in tables.environments.values() {
        for (name, entry) in &environment.services {
            if !tables.services.contains_key(name) {
                report_unknown(resolver, &Spanned::new(name.clone(), entry.key), "service", &services);
            }
        }
        for (name, entry) in &environment.stacks {
            if !tables.stacks.contains_key(name) {
                report_unknown(resolver, &Spanned::new(name.clone(), entry.key), "stack", &stacks);
            }
        }
    }
    for secret in tables.secrets.values() {
        if let Some(stack) = secret.stack.as_ref().filter(|stack| !tables.stacks.contains_key(&stack.value)) {
            report_unknown(resolver, stack, "stack", &stacks);
        }
    }
}

/// The secret of this name in the service's own stack; reported if there is none.
pub fn known_secret<'s>(
    resolver: &mut Resolver<'_>,
    stack: Option<&'s Stack>,
    name: &Spanned<String>,
) -> Option<&'s Secret> {
    let stack = stack?;
    if let Some(secret) = stack.secrets.iter().find(|secret| secret.key == name.value) {
        return Some(secret);
    }
    let elsewhere =
        resolver.inventory.tables.secrets.get(&name.value).and_then(|secret| secret.stack.as_ref());
    match elsewhere {
        Some(other) => {
            let message =
                format!("secret `{name}` lives in stack `{other}`, out of reach of stack `{}`", stack.name);
            resolver.found.push(
                UNKNOWN_REFERENCE
                    .at(name.span, "another namespace's secret", message)
                    .because(other.span, "declared for this stack")
                    .help(format!("declare a secret with `stack = \"{}\"`", stack.name)),
            );
        }
        None => {
            let known = resolver.known(stack.secrets.iter().map(|secret| secret.key.as_str()));
            report_unknown(resolver, name, "secret", &known);
        }
    }
    None
}
