//! Stacks of one environment: namespaces, shared settings, claims, secrets and the services in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::inventory;
use crate::inventory::policy::QuotaScope;
use crate::inventory::stack::Layer;
use crate::inventory::value::PodSecurity;
use crate::model::alerts::{Alerts, lower_alerts};
use crate::model::backup::{Backup, Failover, lower_backups, lower_failover};
use crate::model::dashboards::{Dashboard, lower_dashboards};
use crate::model::delivery::Delivery;
use crate::model::env::check_env_name;
use crate::model::environment::Around;
use crate::model::flows::Solvers;
use crate::model::flux::substitutes;
use crate::model::gitops::brings_along;
use crate::model::marks::secure;
use crate::model::naming::{NameKind, check_name, name_fault, report_unknown};
use crate::model::patches::{OfStack, lower_patches};
use crate::model::policy::{Closed, PodSecurityLevels, lower_isolate, lower_pod_security};
use crate::model::references::{QuantityValue, Resolver};
use crate::model::secret::{Secret, SecretStore, lower_secrets, lower_stores};
use crate::model::service::Service;
use crate::model::storage::{Claim, Home, lower_claims};
use crate::model::texts::{Texts, optional, texts};
use crate::model::{Environment, Model, UNKNOWN_REFERENCE, named};
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
    /// The Pod Security Standard that its namespace enforces: the strictest of the stacks in it.
    pub pod_security: Option<PodSecurity>,
    /// The standards of its namespace, with those that only warn.
    pub pod_security_levels: PodSecurityLevels,
    /// Whether only named flows are let through, in one direction at least.
    pub isolate: bool,
    /// Which directions of its network are closed.
    pub closed: Closed,
    /// Who may reach cert-manager's solvers in its namespace, where that is closed and an issuer asks for them.
    pub solvers: Option<Solvers>,
    /// What Prometheus warns of.
    pub alerts: Option<Alerts>,
    /// Dashboards of Grafana, by name.
    pub dashboards: Vec<Dashboard>,
    /// Variables that every service gets.
    pub env: BTreeMap<String, String>,
    /// A digest of them, which pods carry so that a change restarts them.
    pub env_digest: Option<String>,
    /// Storage that services mount, by name.
    pub claims: Vec<Claim>,
    /// The ResourceQuota.
    pub quota: BTreeMap<String, Spanned<QuantityValue>>,
    /// Which pods it counts; none means all.
    pub quota_scopes: Vec<Spanned<QuotaScope>>,
    /// The LimitRange.
    pub limits: Option<Limits>,
    /// Secrets that services read from, by name.
    pub secrets: Vec<Secret>,
    /// Where the External Secrets operator finds them, for this stack alone.
    pub secret_stores: Vec<SecretStore>,
    /// Copies of its claims elsewhere, by claim.
    pub backups: Vec<Backup>,
    /// The other node that it can run on.
    pub failover: Option<Failover>,
    /// Labels for every object, with the recommended ones.
    pub labels: Texts,
    /// Labels for the namespace: those, and its Pod Security Standard.
    pub namespace_labels: Texts,
    /// Annotations for the namespace.
    pub annotations: Texts,
    /// Where its services and the NFS exports are, as variables.
    pub network: BTreeMap<String, String>,
    /// Stacks that must be ready before it.
    pub after_stacks: Vec<Spanned<String>>,
    /// Charts that must be ready before it.
    pub after_charts: Vec<Spanned<String>>,
    /// How many stacks must be ready before it, one after the other.
    pub wave: usize,
    /// Changes to its objects, by kind or kind and name.
    #[serde(skip)]
    pub patches: Vec<(Spanned<String>, serde_json::Value)>,
    /// The same for each of its services.
    #[serde(skip)]
    pub patches_of_services: OfStack,
    /// What the inventory says of its Application.
    #[serde(skip)]
    pub argocd: crate::model::argocd::OfStack,
    /// How Flux applies it.
    #[serde(skip)]
    pub flux: crate::model::flux::apply::Apply,
    /// How it is applied, if the inventory says by whom.
    pub delivery: Option<Delivery>,
    /// The services in it, by name.
    #[serde(skip)]
    pub services: Vec<Arc<Service>>,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

impl Stack {
    /// What findings about it are about: its table.
    pub fn subject(&self) -> String {
        format!("stacks.{}", self.name)
    }

    /// Its claim of this name.
    pub fn claim(&self, name: &str) -> Option<&Claim> {
        named(&self.claims, name, |claim| &claim.name)
    }

    /// Its secret of this name in the inventory.
    pub fn secret(&self, key: &str) -> Option<&Secret> {
        named(&self.secrets, key, |secret| &secret.key)
    }

    /// What findings about one of its claims are about.
    pub fn claim_subject(&self, claim: &str) -> String {
        format!("{}.claims.{claim}", self.subject())
    }
}

/// What containers get that ask for nothing.
#[derive(Clone, Debug, Serialize)]
pub struct Limits {
    /// Whether any of them is about containers; one without any says so, too.
    pub of_containers: bool,
    /// Limits of containers that give none.
    pub default: BTreeMap<String, Spanned<QuantityValue>>,
    /// Requests of containers that give none.
    pub default_request: BTreeMap<String, Spanned<QuantityValue>>,
    /// The most that one container may ask for.
    pub max: BTreeMap<String, Spanned<QuantityValue>>,
    /// The least that one container may ask for.
    pub min: BTreeMap<String, Spanned<QuantityValue>>,
    /// The most that one pod may ask for.
    pub pod_max: BTreeMap<String, Spanned<QuantityValue>>,
    /// The least that one pod may ask for.
    pub pod_min: BTreeMap<String, Spanned<QuantityValue>>,
    /// The largest claim.
    pub claim_max: Option<Spanned<QuantityValue>>,
    /// The smallest claim.
    pub claim_min: Option<Spanned<QuantityValue>>,
}

/// Labels namespaces. Of stacks that share one, the one that is applied first writes it, with the strictest of their Pod
/// Security Standards.
pub fn share_namespaces(model: &mut Model) {
    share(std::slice::from_mut(&mut model.base));
    share(&mut model.environments);
    // An engine would apply the Gateway before the stack that brings its namespace, which is reported.
    if let Some(ingress) = model.ingress.as_mut().filter(|_| model.gitops.is_none()) {
        let stacks = model.environments.iter().flat_map(|environment| &environment.stacks);
        let written: BTreeSet<&str> =
            stacks.filter(|stack| stack.writes_namespace).map(|stack| stack.namespace.as_str()).collect();
        ingress.namespaces.retain(|namespace| !written.contains(namespace.as_str()));
    }
}

fn share(environments: &mut [Environment]) {
    let mut stacks: Vec<&mut Stack> =
        environments.iter_mut().flat_map(|environment| &mut environment.stacks).collect();
    let mut levels: BTreeMap<String, PodSecurityLevels> = BTreeMap::new();
    for stack in &stacks {
        let level = levels.entry(stack.namespace.value.clone()).or_default();
        *level = level.stricter(&stack.pod_security_levels);
    }
    stacks.sort_by_key(|stack| (stack.layer, stack.wave));
    let mut written = BTreeSet::new();
    for stack in stacks {
        stack.pod_security_levels = levels.get(&stack.namespace.value).cloned().unwrap_or_default();
        stack.pod_security = stack.pod_security_levels.enforce;
        stack.writes_namespace &= written.insert(stack.namespace.value.clone());
        stack.namespace_labels = stack.labels.clone();
        secure(&mut stack.namespace_labels, &stack.pod_security_levels);
    }
}

/// Lowers the stacks of an environment that are on, without their services.
pub fn lower_stacks(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    environment: &Environment,
) -> Vec<Stack> {
    let tables = &resolver.inventory.tables.stacks;
    tables
        .iter()
        .filter_map(|(name, entry)| {
            let stack = resolver.stack(name)?.clone();
            if stack.enabled.as_ref().is_some_and(|flag| !flag.value) {
                return None;
            }
            check_name(resolver, name, entry.key, "a stack", NameKind::Label);
            resolver.escaping = substitutes(around.model.gitops.as_ref(), layer_of(&stack), Some(&stack));
            let lowered = lower_stack(resolver, around, environment, name, &stack, entry.key);
            resolver.escaping = false;
            Some(lowered)
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
    let mut env: BTreeMap<String, String> = texts(resolver, &table.env);
    table.env.iter().for_each(|(name, entry)| check_env_name(resolver, name, entry.key));
    if let Some((_, own)) = resolver.environment() {
        own.env.iter().for_each(|(name, entry)| check_env_name(resolver, name, entry.key));
        env.extend(texts::<Vec<_>>(resolver, &own.env));
    }
    let (after_stacks, after_charts) = lower_order(resolver, around, &table.depends_on);
    let failover = lower_failover(resolver, model, table.failover.as_ref());
    let home = Home { stack: name, namespace: &namespace, failover: failover.as_ref() };
    let pod_security_levels = lower_pod_security(resolver, table.pod_security.as_ref());
    let closed = lower_isolate(table.isolate.as_ref());
    let by_a_chart = model.charts.iter().any(|chart| chart.namespace.value == namespace.value);
    let patches = lower_patches(resolver, &table.patch);
    let mut stack = Stack {
        writes_namespace: !by_a_chart && !brings_along(model.gitops.as_ref(), &namespace),
        description: optional(resolver, table.description.as_ref()),
        part_of: optional(resolver, table.part_of.as_ref()).unwrap_or_else(|| name.to_owned()),
        layer: layer_of(table),
        pod_security: pod_security_levels.enforce,
        pod_security_levels,
        isolate: closed.any(),
        closed,
        solvers: None,
        alerts: lower_alerts(resolver, table.alerts.as_ref()),
        dashboards: lower_dashboards(resolver, around, table),
        env_digest: (!env.is_empty()).then(|| digest(&env)),
        env,
        claims: lower_claims(resolver, around, &table.claims, home),
        quota: quantities(resolver, &table.quota),
        quota_scopes: table.quota_scopes.to_vec(),
        limits: table.limits.as_ref().map(|limits| lower_limits(resolver, limits)),
        secrets: lower_secrets(resolver, around.secrets.get(name).map_or(&[], Vec::as_slice), name),
        secret_stores: lower_stores(resolver, Some(name)),
        backups: Vec::new(),
        failover: failover.clone(),
        labels: texts(resolver, &table.labels),
        namespace_labels: Texts::new(),
        network: BTreeMap::new(),
        annotations: texts(resolver, &table.annotations),
        after_stacks,
        after_charts,
        wave: 0,
        patches_of_services: OfStack::new(&patches),
        patches,
        argocd: crate::model::argocd::lower_stack(resolver, table.argocd.as_ref(), name),
        flux: model.gitops.as_ref().map_or_else(Default::default, |gitops| {
            crate::model::flux::apply::lower_stack(resolver, &gitops.flux, table.flux.as_ref(), &namespace)
        }),
        delivery: None,
        services: Vec::new(),
        name: name.to_owned(),
        namespace: namespace.clone(),
        place,
    };
    lower_backups(resolver, around, &mut stack, table);
    stack
}

fn lower_limits(resolver: &mut Resolver<'_>, limits: &inventory::stack::Limits) -> Limits {
    let (pod, pvc) = (limits.pod.clone().unwrap_or_default(), limits.pvc.clone().unwrap_or_default());
    let of_pods = limits.pod.is_some() || limits.pvc.is_some();
    let containers = [&limits.default, &limits.default_request, &limits.max, &limits.min];
    Limits {
        of_containers: !of_pods || containers.iter().any(|map| !map.is_empty()),
        default: quantities(resolver, &limits.default),
        default_request: quantities(resolver, &limits.default_request),
        max: quantities(resolver, &limits.max),
        min: quantities(resolver, &limits.min),
        pod_max: quantities(resolver, &pod.max),
        pod_min: quantities(resolver, &pod.min),
        claim_max: pvc.max.as_ref().and_then(|size| resolver.quantity(size)),
        claim_min: pvc.min.as_ref().and_then(|size| resolver.quantity(size)),
    }
}

fn layer_of(table: &inventory::stack::Stack) -> Layer {
    table.layer.as_ref().map_or(Layer::Apps, |layer| layer.value)
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
pub fn quantities<C: FromIterator<(String, Spanned<QuantityValue>)>>(
    resolver: &mut Resolver<'_>,
    map: &inventory::record::Map<inventory::value::QuantityText>,
) -> C {
    map.iter().filter_map(|(key, entry)| Some((key.clone(), resolver.quantity(&entry.value)?))).collect()
}

/// The secret of this name in the service's own stack; reported if there is none.
pub fn known_secret<'s>(
    resolver: &mut Resolver<'_>,
    stack: Option<&'s Stack>,
    name: &Spanned<String>,
) -> Option<&'s Secret> {
    let stack = stack?;
    if let Some(secret) = stack.secret(name) {
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
