//! Namespaces: what one may be shared by, and whose names meet in one.

use std::collections::BTreeMap;

use crate::check::names::DUPLICATE_NAME;
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::model::stack::Stack;
use crate::model::{Environment, Model};
use crate::source::Span;

codes! { PortsAndNames:
    /// Two environments of a stack, or an open and an isolated stack, in one namespace.
    SHARED_NAMESPACE = ("shared-namespace", Error, "one stack in two environments, or an isolated and an open stack, have one namespace");
}

/// Runs these rules.
pub fn check(model: &Model, found: &mut Diagnostics) {
    shared_namespaces(model, found);
    names_across_environments(model, found);
}

/// Stacks may share a namespace: the first of them writes it. What cannot be shared is one stack with itself, in
/// two environments that an engine applies, and a closed network with an open one.
fn shared_namespaces(model: &Model, found: &mut Diagnostics) {
    let mut groups: BTreeMap<&str, Vec<(&Environment, &Stack)>> = BTreeMap::new();
    for environment in &model.environments {
        for stack in &environment.stacks {
            groups.entry(&stack.namespace).or_default().push((environment, stack));
        }
    }
    for (namespace, mut stacks) in groups {
        stacks.sort_by_key(|(environment, stack)| (stack.namespace.span, environment.place));
        let mut seen: BTreeMap<&str, &Environment> = BTreeMap::new();
        for (here, stack) in &stacks {
            let there = seen.entry(&stack.name).or_insert(here);
            if there.name != here.name && model.gitops.is_some() {
                found.push(one_stack_twice(namespace, stack, there, here));
            }
        }
        let (_, first) = stacks[0];
        if let Some((_, second)) = stacks.iter().find(|(_, stack)| stack.closed != first.closed) {
            found.push(open_and_closed(namespace, first, second));
        }
        if let Some((_, closed)) =
            stacks.iter().find(|(_, stack)| stack.closed.ingress || stack.closed.egress)
        {
            found.extend(closed_to_others(model, namespace, closed));
        }
    }
}

/// The policies of an isolated stack hold for every pod of its namespace: also for those that the inventory says nothing
/// of.
fn closed_to_others(model: &Model, namespace: &str, stack: &Stack) -> Option<Diagnostic> {
    let chart = model.charts.iter().find(|chart| chart.namespace.value == namespace);
    let theirs = match chart {
        Some(chart) => format!("the pods of chart `{}`", chart.name),
        None if model.brings_along(namespace) && namespace != "default" => {
            "what the cluster itself runs there".to_owned()
        }
        None => return None,
    };
    let message = format!("isolated stack `{}` closes namespace `{namespace}` to {theirs}, too", stack.name);
    let mut diagnostic = SHARED_NAMESPACE.at(stack.namespace.span, "closed for all its pods", message);
    if let Some(chart) = chart {
        diagnostic = diagnostic
            .because(chart.namespace.span, "the chart's namespace")
            .about(format!("charts.{}", chart.name));
    }
    Some(
        diagnostic.about(stack.subject()).help("give the stack a namespace of its own, or do not isolate it"),
    )
}

fn one_stack_twice(namespace: &str, stack: &Stack, there: &Environment, here: &Environment) -> Diagnostic {
    SHARED_NAMESPACE
        .at(
            here.place,
            format!("`{namespace}` again"),
            format!(
                "stack `{}` has namespace `{namespace}` in `{}` and in `{}`",
                stack.name, there.name, here.name
            ),
        )
        .because(there.place, format!("`{namespace}` here"))
        .because(stack.namespace.span, "from the default")
        .about(format!("environments.{}", here.name))
        .about(stack.subject())
        .help(format!("give `{}` a `namespace-suffix`, such as \"-{}\"", here.name, here.name))
}

fn open_and_closed(namespace: &str, first: &Stack, second: &Stack) -> Diagnostic {
    let word = |stack: &Stack| match (stack.closed.ingress, stack.closed.egress) {
        (false, false) => "open",
        (true, false) => "closed to what comes in",
        (false, true) => "closed to what goes out",
        (true, true) => "isolated",
    };
    let message = format!(
        "stacks `{}` and `{}` share namespace `{namespace}`, but one is {} and one is {}",
        first.name,
        second.name,
        word(first),
        word(second)
    );
    SHARED_NAMESPACE
        .at(second.namespace.span, format!("stack `{}` is {}", second.name, word(second)), message)
        .because(first.namespace.span, format!("stack `{}` is {}", first.name, word(first)))
        .about(format!("stacks.{}", second.name))
        .about(format!("stacks.{}", first.name))
        .help("set `isolate` alike on both, or give one of them another namespace: the policies hold for all of it")
}

/// Whose name it is: in which environment and stack, its subject and place.
struct Owner<'m> {
    environment: &'m Environment,
    stack: &'m Stack,
    subject: String,
    place: Span,
}

/// Environments live in one cluster: stack `web-staging` in one of them and `web`, in another that adds `-staging`, may
/// have one namespace. One stack in two environments of a namespace is told elsewhere.
fn names_across_environments(model: &Model, found: &mut Diagnostics) {
    let mut named: BTreeMap<(&str, &str, &str), Vec<Owner<'_>>> = BTreeMap::new();
    for environment in &model.environments {
        for stack in &environment.stacks {
            let services = stack.services.iter().map(|one| ("service", &one.name, one.subject(), one.place));
            let claims = stack.claims.iter();
            let claims = claims.map(|one| {
                ("claim", &one.name, format!("stacks.{}.claims.{}", stack.name, one.name), one.place)
            });
            for (kind, name, subject, place) in services.chain(claims) {
                let owner = Owner { environment, stack, subject, place };
                named.entry((kind, &stack.namespace, name)).or_default().push(owner);
            }
        }
    }
    for ((kind, namespace, name), owners) in named {
        let Some((first, others)) = owners.split_first() else { continue };
        let apart = |one: &&Owner<'_>| {
            one.environment.name != first.environment.name && one.stack.name != first.stack.name
        };
        if let Some(second) = others.iter().find(apart) {
            let message = format!(
                "two {kind}s are named `{name}` in namespace `{namespace}`: `{}` in `{}` and `{}` in `{}`",
                first.subject, first.environment.name, second.subject, second.environment.name
            );
            found.push(
                DUPLICATE_NAME
                    .at(second.place, format!("`{name}` again"), message)
                    .because(first.place, format!("already `{name}`"))
                    .about(&second.subject)
                    .about(&first.subject)
                    .help("rename one of the stacks, or give it another `namespace`"),
            );
        }
    }
}
