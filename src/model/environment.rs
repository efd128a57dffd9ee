//! One environment: its stacks, and the services in them, lowered in parts at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rayon::prelude::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use crate::inventory::value::Text;
use crate::inventory::{self, MISSING_KEY};
use crate::model::flux::substitutes;
use crate::model::marks::mark_environment;
use crate::model::naming::{NameKind, check_name, name_fault, report_unknown};
use crate::model::references::Resolver;
use crate::model::secret::{report_homeless, secrets_of_stacks};
use crate::model::service::{Service, lower_service};
use crate::model::stack::{Stack, lower_stacks};
use crate::model::texts::optional;
use crate::model::waves::order_environment;
use crate::model::{BAD_NAME, Environment, Model, flows};
use crate::source::{Span, Spanned};

/// What lowering the services of an environment needs to know of it.
#[derive(Debug)]
pub struct Around<'m> {
    /// What environments share.
    pub model: &'m Model,
    /// The services that are on.
    pub on: BTreeSet<String>,
    /// Those of them that open a port, by stack.
    pub reachable: BTreeMap<String, Vec<String>>,
    /// Those whose claims are to be backed up, by stack.
    pub saved: BTreeMap<String, Vec<String>>,
    /// The secrets that live in stacks, by stack.
    pub secrets: BTreeMap<&'m str, Vec<&'m str>>,
    /// Whether missing keys are reported: not for the base, if environments may add them.
    pub complete: bool,
}

/// Lowers one environment, or the base.
pub fn lower_environment<'a>(
    resolver: &mut Resolver<'a>,
    model: &Model,
    name: Option<&'a str>,
) -> Environment {
    let mut environment = lower_head(resolver, name);
    let tables = &resolver.inventory.tables;
    let on = services_on(resolver);
    let around = Around {
        model,
        reachable: of_stacks(resolver, &on, |service| !service.ports.is_empty()),
        saved: of_stacks(resolver, &on, |service| service.backup.is_some()),
        secrets: secrets_of_stacks(&tables.secrets),
        on,
        complete: name.is_some() || tables.environments.is_empty(),
    };
    environment.stacks = lower_stacks(resolver, &around, &environment);
    let mut services = lower_services(resolver, &around, &environment.stacks);
    for stack in &mut environment.stacks {
        stack.services = services.remove(&stack.name).unwrap_or_default();
    }
    environment.strays = services.into_values().flatten().collect();
    flows::open(&mut environment, model, tables.environments.len() + 1, &mut resolver.found);
    let circles = order_environment(&mut environment);
    if around.complete {
        resolver.found.absorb(circles);
    }
    mark_environment(&mut environment, model);
    environment.names_itself = resolver.names_environment();
    environment
}

/// What an environment says of itself, without its stacks.
pub fn lower_head<'a>(resolver: &mut Resolver<'a>, name: Option<&'a str>) -> Environment {
    resolver.enter(name);
    let mut environment = Environment { name: name.unwrap_or_default().to_owned(), ..Environment::default() };
    if let Some((name, table)) = resolver.environment() {
        let tables = &resolver.inventory.tables;
        environment.place = tables.environments.get(name).map_or(Span::default(), |table| table.key);
        environment.description = optional(resolver, table.description.as_ref());
        environment.domain = optional(resolver, table.domain.as_ref());
        environment.namespace_suffix = lower_suffix(resolver, table.namespace_suffix.as_ref());
        check_name(resolver, name, environment.place, "an environment", NameKind::Label);
    }
    environment
}

/// What is added to every namespace; reported if no namespace may end so, and left out then.
fn lower_suffix(resolver: &mut Resolver<'_>, suffix: Option<&Text>) -> String {
    let Some(suffix) = suffix.map(|suffix| resolver.text(suffix)) else { return String::new() };
    let Some(reason) = name_fault(&format!("x{suffix}"), NameKind::Label) else { return suffix.value };
    let message = format!("no namespace can end in `{suffix}`: {reason}");
    resolver.found.push(
        BAD_NAME
            .at(suffix.span, "not part of a name", message)
            .help("lower-case letters, digits and `-`, such as \"-staging\""),
    );
    String::new()
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

/// The services of some sort, by stack.
fn of_stacks(
    resolver: &Resolver<'_>,
    on: &BTreeSet<String>,
    wanted: fn(&inventory::service::Service) -> bool,
) -> BTreeMap<String, Vec<String>> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in on {
        let table = resolver.service(name).filter(|table| wanted(table));
        if let Some(stack) = table.and_then(|table| table.stack.as_ref()) {
            names.entry(stack.value.clone()).or_default().push(name.clone());
        }
    }
    names
}

/// Services are lowered in so many parts, at the same time.
const PARTS: usize = 8;

fn lower_services(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    stacks: &[Stack],
) -> BTreeMap<String, Vec<Arc<Service>>> {
    let by_name: BTreeMap<&str, &Stack> = stacks.iter().map(|stack| (stack.name.as_str(), stack)).collect();
    let names: Vec<&str> = around.on.iter().map(String::as_str).collect();
    let parts: Vec<&[&str]> = names.chunks(names.len().div_ceil(PARTS).max(1)).collect();
    let resolvers = resolver.divided(parts.len());
    let lowered: Vec<(Vec<Arc<Service>>, Resolver<'_>)> = parts
        .into_par_iter()
        .zip(resolvers)
        .map(|(names, mut own)| (lower_part(&mut own, around, &by_name, names), own))
        .collect();
    let mut services: BTreeMap<String, Vec<Arc<Service>>> = BTreeMap::new();
    for (part, own) in lowered {
        resolver.absorb(own);
        for service in part {
            match services.get_mut(&service.stack) {
                Some(known) => known.push(service),
                None => drop(services.insert(service.stack.clone(), vec![service])),
            }
        }
    }
    services
}

fn lower_part(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    stacks: &BTreeMap<&str, &Stack>,
    names: &[&str],
) -> Vec<Arc<Service>> {
    let tables = &resolver.inventory.tables.services;
    let changed = resolver.changed_services();
    let mut services = Vec::with_capacity(names.len());
    for (name, entry) in names.iter().filter_map(|name| Some((*name, tables.get(*name)?))) {
        let table = changed.get(name).unwrap_or(&entry.value);
        let stack_name = table.stack.as_ref().map(|stack| stack.value.as_str()).unwrap_or_default();
        let stack = stacks.get(stack_name).copied();
        if around.complete {
            report_missing(resolver, name, entry, table);
        }
        let gitops = around.model.gitops.as_ref();
        resolver.escaping =
            stack.is_some_and(|stack| substitutes(gitops, stack.layer, resolver.stack(stack_name)));
        services.push(Arc::new(lower_service(resolver, around, stack, name, table, entry.key)));
        resolver.escaping = false;
    }
    services
}

fn report_missing(
    resolver: &mut Resolver<'_>,
    name: &str,
    entry: &inventory::record::Named<Box<inventory::service::Service>>,
    table: &inventory::service::Service,
) {
    let stacks = &resolver.inventory.tables.stacks;
    for (key, text, help) in [
        ("stack", &table.stack, "the stack it belongs to"),
        ("image", &table.image, "the container image with its tag"),
    ] {
        match text {
            // One that is there and cannot be read has been told.
            None if resolver.inventory.unread.at(&["services", name, key]) => {}
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
    report_homeless(resolver);
}
