//! What one engine is told, and the other would have to hear; what an engine is told of things that are not there.

use std::collections::BTreeSet;

use crate::check::owners::TWO_OWNERS;
use crate::diagnostic::{Diagnostic, Diagnostics, codes, nearest};
use crate::inventory::value::Engine;
use crate::model::flux::tell::{BESIDE_CHARTS, made_for};
use crate::model::gitops::Gitops;
use crate::model::stack::Stack;
use crate::model::{Environment, Model, UNKNOWN_REFERENCE};
use crate::source::Span;
use crate::spelling::listed;

codes! { Gitops:
    /// A table for an engine that does not apply what it stands at.
    IGNORED_SETTINGS = ("ignored-settings", Warning, "settings for an engine that does not apply what they are about");
}

/// Runs these rules.
pub fn check(model: &Model, found: &mut Diagnostics) {
    let Some(gitops) = &model.gitops else { return };
    charts(model, gitops, found);
    for environment in &model.environments {
        for stack in &environment.stacks {
            settings(model, gitops, environment, stack, found);
            health_checks(environment, stack, found);
        }
    }
    whole_engines(model, gitops, found);
    differences(model, gitops, found);
    windows(model, gitops, found);
    notifications(model, gitops, found);
    if gitops.uses_flux() {
        targets(model, gitops, found);
    }
}

fn charts(model: &Model, gitops: &Gitops, found: &mut Diagnostics) {
    let engine = gitops.infrastructure;
    let key = if engine == Engine::Flux { "argocd" } else { "flux" };
    for chart in &model.charts {
        if let Some(span) = model.key_of("", &["charts", &chart.name, key]) {
            let what = format!("chart `{}`", chart.name);
            found.push(ignored(&what, key, engine, span, gitops).about(format!("charts.{}", chart.name)));
        }
    }
}

fn settings(
    model: &Model,
    gitops: &Gitops,
    environment: &Environment,
    stack: &Stack,
    found: &mut Diagnostics,
) {
    let engine = gitops.engine_of(stack.layer);
    let key = if engine == Engine::Flux { "argocd" } else { "flux" };
    if let Some(span) = model.key_of(&environment.name, &["stacks", &stack.name, key]) {
        let what = format!("stack `{}`", stack.name);
        found.push(ignored(&what, key, engine, span, gitops).about(stack.subject()));
    }
}

/// Tables for an engine that applies nothing at all.
fn whole_engines(model: &Model, gitops: &Gitops, found: &mut Diagnostics) {
    let (key, who) = match (gitops.uses_argocd(), gitops.uses_flux()) {
        (false, true) => ("argocd", "Flux"),
        (true, false) => ("flux", "Argo CD"),
        _ => return,
    };
    if let Some(span) = model.key_of("", &["gitops", key]) {
        let message = format!("{who} applies everything, and `gitops.{key}` is not for it");
        let finding = IGNORED_SETTINGS.at(span, "has no effect", message).about("gitops");
        found.push(finding.because(gitops.place, "who applies what").help("drop it"));
    }
}

/// Flux compares nothing but what it applies, and leaves other fields alone by itself: it has no such list.
fn differences(model: &Model, gitops: &Gitops, found: &mut Diagnostics) {
    let key = "ignore-differences";
    // Every environment has a stack in the same layer.
    let of_stack = |name: &str| {
        let mut stacks = model.environments.iter().flat_map(|environment| &environment.stacks);
        stacks.find(|stack| stack.name == name).map(|stack| gitops.engine_of(stack.layer))
    };
    let of_service = |name: &str| {
        let mut services = model.environments.iter().flat_map(|environment| environment.services());
        services.find(|service| service.key == name).and_then(|service| of_stack(&service.stack))
    };
    let by_flux = |engine: Option<Engine>| engine == Some(Engine::Flux);
    for scoped in &gitops.argocd.extras.differences {
        if scoped.everywhere() && gitops.apps == Engine::Flux && gitops.infrastructure == Engine::Flux {
            found.push(ignored("everything", key, Engine::Flux, scoped.place, gitops).about("gitops"));
        }
        let charts = scoped.charts.iter().filter(|_| gitops.infrastructure == Engine::Flux);
        let charts = charts.map(|name| (format!("chart `{name}`"), name.span));
        let stacks = scoped.stacks.iter().filter(|name| by_flux(of_stack(name)));
        let stacks = stacks.map(|name| (format!("stack `{name}`"), name.span));
        let services = scoped.services.iter().filter(|name| by_flux(of_service(name)));
        let services = services.map(|name| (format!("the stack of service `{name}`"), name.span));
        for (what, span) in charts.chain(stacks).chain(services) {
            found.push(ignored(&what, key, Engine::Flux, span, gitops).about("gitops"));
        }
    }
}

fn ignored(what: &str, key: &str, engine: Engine, span: Span, gitops: &Gitops) -> Diagnostic {
    let named = if engine == Engine::Flux { "Flux" } else { "Argo CD" };
    let diagnostic = IGNORED_SETTINGS.at(
        span,
        "has no effect",
        format!("{named} applies {what}, and `{key}` is not for it"),
    );
    diagnostic.because(gitops.place, "who applies what").help("drop it")
}

/// Workloads come from services; of other kinds nothing is known here.
fn health_checks(environment: &Environment, stack: &Stack, found: &mut Diagnostics) {
    let names = || {
        environment
            .services()
            .filter(|service| service.stack == stack.name)
            .map(|service| service.name.as_str())
    };
    for check in &stack.flux.health_checks {
        let workload = check.api_version == "apps/v1";
        if !workload || names().any(|name| name == check.name.value) {
            continue;
        }
        let message = format!("stack `{}` has no {} `{}`", stack.name, check.kind, check.name);
        let diagnostic = UNKNOWN_REFERENCE.at(check.name.span, "no such service", message);
        found.push(diagnostic.about(stack.subject()).help(match nearest(&check.name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("its services: {}", listed(names())),
        }));
    }
}

/// A window for an Application that there is not never opens for anybody.
fn windows(model: &Model, gitops: &Gitops, found: &mut Diagnostics) {
    let stacks = model.environments.iter().flat_map(|environment| &environment.stacks);
    let deliveries = stacks.filter_map(|stack| stack.delivery.as_ref()).chain(&gitops.deliveries);
    let mut known: Vec<&str> = deliveries.map(|delivery| delivery.name.as_str()).collect();
    known.extend(model.charts.iter().map(|chart| chart.name.as_str()));
    known.push(&model.cluster.name);
    for name in gitops.argocd.extras.sync_windows.iter().flat_map(|window| &window.names) {
        if name.contains(['*', '?', '[', '{', '!']) || known.contains(&name.value.as_str()) {
            continue;
        }
        let diagnostic = UNKNOWN_REFERENCE.at(
            name.span,
            "no such Application",
            format!("there is no Application `{name}`"),
        );
        found.push(diagnostic.about("gitops").help(match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "Applications are named `STACK-ENVIRONMENT`; `*` stands for anything".to_owned(),
        }));
    }
}

/// The chart of Argo CD writes the settings of its notifications unless it is told not to.
fn notifications(model: &Model, gitops: &Gitops, found: &mut Diagnostics) {
    let Some(chart) = model.charts.iter().find(|chart| chart.chart == "argo-cd") else { return };
    let table = &chart.values["notifications"];
    if gitops.argocd.extras.notifications.is_empty()
        || table["enabled"] == false
        || table["cm"]["create"] == false
    {
        return;
    }
    let span = model.key_of("", &["gitops", "argocd", "notifications", "config"]).unwrap_or(gitops.place);
    let message =
        format!("ConfigMap `argocd-notifications-cm` is written by the tree and by chart `{}`", chart.name);
    let diagnostic =
        TWO_OWNERS.at(span, "written by the tree", message).because(chart.place, "written by the chart");
    found.push(diagnostic.about("gitops").about(format!("charts.{}", chart.name)).help(
        "set the chart's `notifications.cm.create = false`, or give it the contents as `notifications`",
    ));
}

/// What Flux is told to listen to or to look at, and what it does not have. People may have Kustomizations of their own
/// beside those of the tree: only a name that is all but one of those is a fault.
fn targets(model: &Model, gitops: &Gitops, found: &mut Diagnostics) {
    let stacks = model.environments.iter().flat_map(|environment| &environment.stacks);
    let deliveries = stacks.filter_map(|stack| stack.delivery.as_ref()).chain(&gitops.deliveries);
    let deliveries = deliveries.filter(|delivery| delivery.engine == Engine::Flux);
    let kustomizations: BTreeSet<&str> = deliveries.map(|delivery| delivery.name.as_str()).collect();
    let extras = &gitops.flux.extras;
    let sources = extras.notifications.iter().flat_map(|notification| &notification.sources);
    let resources = extras.receivers.iter().flat_map(|receiver| &receiver.resources);
    for target in sources.chain(resources).filter(|target| target.namespace.is_none()) {
        let Some(place) = target.place else { continue };
        let (kind, name) = (target.kind.as_str(), target.name.as_str());
        let of_chart = BESIDE_CHARTS.contains(&kind);
        let near = match kind {
            "Kustomization" if name != "*" && !kustomizations.contains(name) => {
                nearest(name, kustomizations.iter().copied()).map(str::to_owned)
            }
            _ if of_chart && gitops.infrastructure == Engine::Flux => {
                let made = model.charts.iter().flat_map(made_for).filter(|(of, _)| *of == kind);
                let names: Vec<String> = made.map(|(_, name)| name).collect();
                nearest(name, names.iter().map(String::as_str)).map(str::to_owned)
            }
            _ => None,
        };
        if near.is_none() && !of_chart {
            continue;
        }
        let message = match name {
            "*" => format!("Flux has no {kind} for any chart"),
            _ => format!("Flux has no {kind} `{name}`"),
        };
        let elsewhere = format!("one that is made elsewhere is `{kind}/NAMESPACE/{name}`");
        found.push(UNKNOWN_REFERENCE.at(place, "not in the tree", message).about("gitops.flux").help(
            match near {
                Some(near) => format!("did you mean `{kind}/{near}`? {elsewhere}"),
                None => elsewhere,
            },
        ));
    }
}
