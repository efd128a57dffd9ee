//! How Flux applies one folder of the tree: when, as whom, and for what it waits.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::duration::seconds;
use crate::inventory::flux as written;
use crate::inventory::value::{Duration, OrOff};
use crate::model::CONFLICTING_KEYS;
use crate::model::flux::{on, policy};
use crate::model::gitops::{Flux, SubstituteFrom};
use crate::model::naming::{NameKind, optional_name};
use crate::model::references::Resolver;
use crate::model::texts::{optional, texts};
use crate::source::{Span, Spanned};

/// How Flux applies one folder of the tree.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Apply {
    /// How often it compares.
    pub interval: String,
    /// How soon a failure is tried again.
    pub retry_interval: String,
    /// How long health is waited for.
    pub timeout: String,
    /// Whether for the health of everything.
    pub wait: bool,
    /// For whose health instead.
    pub health_checks: Vec<HealthCheck>,
    /// Whether the inventory says what is waited for.
    #[serde(skip)]
    pub says_wait: bool,
    /// Whether what left the tree is deleted.
    pub prune: bool,
    /// Whether what cannot be changed is made anew.
    pub force: bool,
    /// Whether it is left alone.
    pub suspend: bool,
    /// What becomes of objects when the Kustomization goes.
    pub deletion_policy: Option<&'static str>,
    /// As whom.
    pub service_account: Option<String>,
    /// Values of `${NAME}`.
    pub substitute: BTreeMap<String, String>,
    /// Where more come from.
    pub substitute_from: Vec<SubstituteFrom>,
    /// The same times for rules, and where the stack's own table gives them.
    #[serde(skip)]
    pub times: Times,
}

/// How often Flux looks, and how long it waits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// How often it compares.
    pub interval: Time,
    /// How soon a failure is tried again.
    pub retry_interval: Time,
    /// How long health is waited for.
    pub timeout: Time,
}

/// A time as rules compare it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Time {
    /// How long it is.
    pub seconds: f64,
    /// Where it is written; none for what holds anyway.
    pub place: Option<Span>,
}

impl Time {
    /// A time as it holds, and as a table gives it, if it does.
    pub fn of(text: &str, written: Option<&Duration>) -> Self {
        Self { seconds: seconds(text).unwrap_or_default(), place: written.map(|time| time.0.span) }
    }
}

/// An object that must be healthy, as Flux has it.
#[derive(Clone, Debug, Serialize)]
pub struct HealthCheck {
    /// The API version.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: Spanned<String>,
    /// The namespace.
    pub namespace: String,
}

/// How Flux applies a folder that nothing is said of. `gitops` is what holds for all.
pub fn apply(gitops: &Flux) -> Apply {
    Apply {
        interval: gitops.interval.clone(),
        retry_interval: gitops.retry_interval.clone(),
        timeout: gitops.timeout.clone(),
        wait: true,
        prune: true,
        deletion_policy: gitops.extras.deletion_policy,
        service_account: gitops.extras.service_account.clone(),
        substitute: gitops.substitute.clone(),
        substitute_from: gitops.substitute_from.clone(),
        ..Apply::default()
    }
}

/// How Flux applies a stack.
pub fn lower_stack(
    resolver: &mut Resolver<'_>,
    all: &Flux,
    table: Option<&written::StackFlux>,
    namespace: &str,
) -> Apply {
    let mut apply = apply(all);
    let Some(table) = table else { return apply };
    let set = |target: &mut String, time: Option<&Duration>| {
        if let Some(time) = time {
            target.clone_from(&time.0.value);
        }
        Time::of(target, time)
    };
    apply.times = Times {
        interval: set(&mut apply.interval, table.interval.as_ref()),
        retry_interval: set(&mut apply.retry_interval, table.retry_interval.as_ref()),
        timeout: set(&mut apply.timeout, table.timeout.as_ref()),
    };
    apply.health_checks = health_checks(resolver, &table.health_checks, namespace);
    apply.wait = table.wait.as_ref().map_or(table.health_checks.is_empty(), |flag| flag.value);
    apply.says_wait = table.wait.is_some() || !table.health_checks.is_empty();
    if let (Some(wait), Some(first)) =
        (table.wait.as_ref().filter(|wait| wait.value), table.health_checks.first())
    {
        let message = "`wait = true` waits for everything, and ignores `health-checks`";
        let diagnostic = CONFLICTING_KEYS.at(wait.span, "and this", message).because(first.span, "this");
        resolver.found.push(diagnostic.help("keep one of them"));
    }
    apply.prune = table.prune.as_ref().is_none_or(|flag| flag.value);
    apply.force = on(table.force.as_ref());
    apply.suspend = on(table.suspend.as_ref());
    apply.deletion_policy = policy(table.deletion_policy.as_ref()).or(apply.deletion_policy);
    apply.service_account =
        optional_name(resolver, table.service_account.as_ref(), "a service account", NameKind::Subdomain)
            .or(apply.service_account);
    match &table.substitute {
        Some(OrOff::Off(_)) => {
            apply.substitute.clear();
            apply.substitute_from.clear();
        }
        Some(OrOff::On(own)) => {
            // They stand in the Kustomization, and Flux looks for no variables in them.
            let own: Vec<_> = resolver.unescaped(|resolver| texts(resolver, own));
            apply.substitute.extend(own);
        }
        None => {}
    }
    apply
}

fn health_checks(
    resolver: &mut Resolver<'_>,
    tables: &[written::HealthCheck],
    namespace: &str,
) -> Vec<HealthCheck> {
    let lower = |check: &written::HealthCheck| HealthCheck {
        api_version: optional(resolver, check.api_version.as_ref()).unwrap_or_else(|| "apps/v1".to_owned()),
        kind: optional(resolver, check.kind.as_ref()).unwrap_or_default(),
        name: check.name.as_ref().map(|name| resolver.text(name)).unwrap_or_default(),
        namespace: namespace.to_owned(),
    };
    tables.iter().map(lower).collect()
}
