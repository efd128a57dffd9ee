//! Who writes an object, and who looks for it: two writers, none, and controllers that look elsewhere.

use std::collections::BTreeSet;

use crate::check::gitops::place;
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::model::Model;
use crate::model::chart::Chart;
use crate::model::gitops::Gitops;
use crate::source::Span;

codes! { Gitops:
    /// Objects where their controller does not look.
    OBJECTS_OUT_OF_SIGHT = ("objects-out-of-sight", Warning, "objects in a namespace where their controller does not look");
    /// Two writers of one storage class.
    TWO_OWNERS = ("two-owners", Error, "a chart and the tree write one object");
    /// A level that nothing applies.
    UNAPPLIED_POD_SECURITY = ("unapplied-pod-security", Warning, "a `pod-security` on a namespace that something else writes");
}

/// Runs every rule about who writes what.
pub fn check(model: &Model, found: &mut Diagnostics) {
    two_owners(model, found);
    unapplied_levels(model, found);
    metallb_out_of_sight(model, found);
    if let Some(gitops) = &model.gitops {
        argocd_out_of_sight(model, gitops, found);
    }
}

fn argocd_out_of_sight(model: &Model, gitops: &Gitops, found: &mut Diagnostics) {
    let chart = model.charts.iter().find(|chart| chart.chart == "argo-cd" && gitops.uses_argocd());
    let Some(chart) = chart.filter(|chart| chart.namespace.value != gitops.argocd.namespace) else { return };
    let values = chart.values.to_string();
    if !values.contains("application.namespaces") && !values.contains("namespaceOverride") {
        let span = place(model, gitops, &["argocd", "namespace"]);
        found.push(out_of_sight(
            chart,
            "Applications",
            &gitops.argocd.namespace,
            span,
            "gitops",
            "gitops.argocd.namespace",
        ));
    }
}

/// MetalLB reads pools from its own namespace only.
fn metallb_out_of_sight(model: &Model, found: &mut Diagnostics) {
    let chart = model.charts.iter().find(|chart| chart.chart == "metallb" && !model.metallb.pools.is_empty());
    let Some(chart) = chart.filter(|chart| chart.namespace.value != model.metallb.namespace) else { return };
    let span = model.place_of("", &["metallb", "namespace"]);
    let span = span.unwrap_or_else(|| model.metallb.pools.first().map_or(chart.place, |pool| pool.place));
    found.push(out_of_sight(chart, "pools", &model.metallb.namespace, span, "metallb", "metallb.namespace"));
}

fn out_of_sight(
    chart: &Chart,
    what: &str,
    namespace: &str,
    span: Span,
    about: &str,
    key: &str,
) -> Diagnostic {
    let message = format!(
        "{what} are written to namespace `{namespace}`, and chart `{}` looks in `{}`",
        chart.name, chart.namespace
    );
    OBJECTS_OUT_OF_SIGHT
        .at(span, format!("{what} go to `{namespace}`"), message)
        .because(chart.namespace.span, "installed here")
        .about(about)
        .help(format!("write `{key} = \"{}\"`", chart.namespace))
}

/// The NFS provisioner's chart writes a class of its own unless it is told not to.
fn two_owners(model: &Model, found: &mut Diagnostics) {
    for class in model.storage_classes.iter().filter(|class| class.provisioner.is_some()) {
        for chart in &model.charts {
            let table = &chart.values["storageClass"];
            if table["name"] != class.name.as_str() || table["create"] == false {
                continue;
            }
            let path = ["charts", &chart.name, "values", "storageClass", "name"];
            let message = format!(
                "storage class `{}` is written by the tree and by chart `{}`",
                class.name, chart.name
            );
            found.push(
                TWO_OWNERS
                    .at(class.place, "written, because it has a `provisioner`", message)
                    .because(model.place_of("", &path).unwrap_or(chart.place), "written by the chart")
                    .about(format!("storage-classes.{}", class.name))
                    .about(format!("charts.{}", chart.name))
                    .help("drop `provisioner`, or set the chart's `storageClass.create = false`"),
            );
        }
    }
}

/// A namespace has one writer, and its level is the writer's.
fn unapplied_levels(model: &Model, found: &mut Diagnostics) {
    let writer = |namespace: &str| {
        model.charts.iter().find(|chart| chart.writes_namespace && chart.namespace.value == namespace)
    };
    for chart in model.charts.iter().filter(|chart| !chart.writes_namespace) {
        let Some(level) = chart.pod_security else { continue };
        let written = writer(&chart.namespace);
        if written.and_then(|writer| writer.pod_security) != Some(level) {
            let path = ["charts", &chart.name, "pod-security"];
            let span = model.place_of("", &path).unwrap_or(chart.place);
            found.push(unapplied(&chart.namespace, span, written, &format!("charts.{}", chart.name)));
        }
    }
    let stacks = || model.environments.iter().flat_map(|environment| &environment.stacks);
    let shared: BTreeSet<&str> =
        stacks().filter(|stack| stack.writes_namespace).map(|stack| stack.namespace.as_str()).collect();
    for environment in &model.environments {
        for stack in environment.stacks.iter().filter(|stack| !stack.writes_namespace) {
            let Some(level) = stack.pod_security else { continue };
            // Of stacks that share a namespace, one writes it with the strictest level of all.
            if shared.contains(stack.namespace.as_str()) {
                continue;
            }
            let written = writer(&stack.namespace);
            if written.and_then(|writer| writer.pod_security) != Some(level) {
                let path = ["stacks", &stack.name, "pod-security"];
                let span = model.place_of(&environment.name, &path).unwrap_or(stack.place);
                found.push(unapplied(&stack.namespace, span, written, &stack.subject()));
            }
        }
    }
}

fn unapplied(namespace: &str, span: Span, writer: Option<&Chart>, about: &str) -> Diagnostic {
    let (message, help) = match writer {
        Some(chart) => (
            format!("namespace `{namespace}` gets its level from chart `{}`, not from here", chart.name),
            format!("write it at `charts.{}`", chart.name),
        ),
        None => (
            format!("namespace `{namespace}` is not written, so it gets no level from here"),
            "drop it, and label the namespace where it is made".to_owned(),
        ),
    };
    let diagnostic = UNAPPLIED_POD_SECURITY.at(span, "has no effect", message);
    let diagnostic = match writer {
        Some(chart) => diagnostic.because(chart.place, "writes the namespace"),
        None => diagnostic,
    };
    diagnostic.about(about).help(help)
}
