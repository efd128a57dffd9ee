//! The order of deployment: what waits for what, and where nobody keeps the order that the inventory asks for.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::inventory::service::Kind;
use crate::inventory::value::Engine;
use crate::model::gitops::Gitops;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::{Environment, Model};
use crate::source::Span;

codes! { Gitops:
    /// Waves that nothing waits for.
    WAVES_WITHOUT_HEALTH = ("waves-without-health", Warning, "an order of Argo CD Applications that nothing waits for");
    /// A job whose turn nobody keeps.
    UNORDERED_JOB = ("unordered-job", Warning, "a job that comes before others of its stack, which Flux applies all at once");
    /// Two engines in one line.
    DEPENDENCY_ACROSS_ENGINES = ("dependency-across-engines", Warning, "a dependency on what another engine applies, which nothing waits for");
}

/// Runs every rule about the order of deployment.
pub fn check(model: &Model, found: &mut Diagnostics) {
    let Some(gitops) = &model.gitops else { return };
    for environment in &model.environments {
        for stack in &environment.stacks {
            orders(model, gitops, environment, stack, found);
            unordered_jobs(gitops, stack, found);
        }
    }
}

/// What a stack waits for by name: it works within Flux, in Argo CD only with the health of Applications, and never
/// from one engine to the other, but that Flux hands over to Argo CD when the charts are up.
fn orders(model: &Model, gitops: &Gitops, environment: &Environment, stack: &Stack, found: &mut Diagnostics) {
    let engine = gitops.engine_of(stack.layer);
    for name in &stack.after_stacks {
        let Some(other) = environment.stacks.iter().find(|other| other.name == name.value) else { continue };
        let of_other = gitops.engine_of(other.layer);
        if of_other != engine {
            let what = format!("stack `{name}`");
            found.push(across(stack, engine, of_other, &what, name.span, gitops));
        } else if engine == Engine::Argocd {
            found.extend(without_waves(gitops, stack, name, name.span));
            found.extend(without_health(model, stack, name, name.span));
        }
    }
    for name in &stack.after_charts {
        if engine == Engine::Flux && gitops.infrastructure == Engine::Argocd {
            let what = format!("chart `{name}`");
            found.push(across(stack, engine, gitops.infrastructure, &what, name.span, gitops));
        }
    }
}

/// Flux orders Kustomizations, and a stack is one of them. What runs on finds what it needs in the end, as it is
/// started again until it does; a job that others need done first has no second chance, nor has one that may not fail.
fn unordered_jobs(gitops: &Gitops, stack: &Stack, found: &mut Diagnostics) {
    if gitops.engine_of(stack.layer) != Engine::Flux {
        return;
    }
    let own: BTreeMap<&str, &Service> =
        stack.services.iter().map(|service| (service.key.as_str(), service.as_ref())).collect();
    for service in &stack.services {
        let waits = service.depends_on.iter().filter(|dependency| !dependency.chart);
        for name in waits.map(|dependency| &dependency.name) {
            let Some(other) = own.get(name.as_str()) else { continue };
            let fails = service.job.as_ref().is_some_and(|job| job.backoff_limit == Some(0));
            let what = match other.kind {
                Kind::Job => "job",
                _ if fails => "service",
                _ => continue,
            };
            let message = format!(
                "service `{}` does not wait for {what} `{name}`: Flux applies all of stack `{}` at once",
                service.key, stack.name
            );
            let help = match other.kind {
                Kind::Job => {
                    format!("give `{name}` and what it needs a stack of their own, whose end Flux waits for")
                }
                _ => "let it try again: raise `backoff-limit`".to_owned(),
            };
            found.push(
                UNORDERED_JOB
                    .at(name.span, "started at the same time", message)
                    .because(other.place, "what it needs")
                    .about(service.subject())
                    .help(help),
            );
        }
    }
}

fn across(
    stack: &Stack,
    engine: Engine,
    other: Engine,
    what: &str,
    span: Span,
    gitops: &Gitops,
) -> Diagnostic {
    let named = |engine: Engine| if engine == Engine::Flux { "Flux" } else { "Argo CD" };
    let message = format!(
        "stack `{}` of {} waits for {what} of {}, and neither waits for the other",
        stack.name,
        named(engine),
        named(other)
    );
    DEPENDENCY_ACROSS_ENGINES
        .at(span, format!("applied by {}", named(other)), message)
        .because(gitops.place, "who applies what")
        .about(stack.subject())
        .help("have both applied by one engine, or make the program wait for what it needs")
}

/// An ApplicationSet knows no waves: it makes all its Applications at once, unless it is told to go step by step.
fn without_waves(gitops: &Gitops, stack: &Stack, name: &str, span: Span) -> Option<Diagnostic> {
    let extras = &gitops.argocd.extras;
    if !extras.application_set || extras.rolling_sync {
        return None;
    }
    let message = format!(
        "stack `{}` does not wait for stack `{name}`: the ApplicationSet starts all stacks at once",
        stack.name
    );
    let diagnostic = WAVES_WITHOUT_HEALTH.at(span, "started together", message);
    Some(
        diagnostic
            .because(gitops.place, "its style")
            .about(stack.subject())
            .help("write `gitops.argocd.rolling-sync = true`, or leave out `style`: Applications have waves"),
    )
}

/// Argo CD takes an Application for healthy at once unless its health is restored (argo-cd#5585). Told only where
/// the inventory has Argo CD's chart and so decides its settings.
fn without_health(model: &Model, stack: &Stack, name: &str, span: Span) -> Option<Diagnostic> {
    let chart = model.charts.iter().find(|chart| chart.chart == "argo-cd")?;
    let values = chart.values.to_string();
    if model.gitops.as_ref().is_some_and(|gitops| gitops.argocd.extras.application_set) {
        return None;
    }
    if values.contains("argoproj.io_Application")
        || values.contains("argoproj.io/Application")
        || values.contains("${")
    {
        return None;
    }
    let message = format!(
        "stack `{}` does not wait for stack `{name}`: Argo CD takes every Application for healthy",
        stack.name
    );
    let diagnostic = WAVES_WITHOUT_HEALTH.at(span, "only started before", message);
    Some(
        diagnostic
            .because(chart.place, "its settings")
            .about(stack.subject())
            .help("restore the health of Applications: `gitops.argocd.health-customization = true`"),
    )
}
