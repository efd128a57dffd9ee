//! The steps of the infrastructure: which charts come up before pools, issuers and secrets, and which need them.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::diagnostic::Diagnostics;
use crate::inventory::ingress::IngressProvider;
use crate::inventory::load_balancer::Provider;
use crate::inventory::secret::SecretProvider;
use crate::model::chart::Chart;
use crate::model::{Model, UNORDERABLE_DEPENDENCY};

/// Charts whose Service is a LoadBalancer unless their values say otherwise.
const ROUTERS: &[&str] = &["contour", "haproxy-ingress", "ingress-nginx", "kong", "traefik"];

/// Finds the charts that are not up before what stands in `infrastructure/configs` is: those that ask for an address
/// of its pools, or wait for a secret of it, and those that wait for such a chart. Needs the charts' waves.
pub fn part_charts(model: &mut Model, found: &mut Diagnostics) {
    let pools = !model.pools().is_empty();
    let of_configs = [SecretProvider::ExternalSecrets, SecretProvider::SealedSecrets];
    let secrets = model.chart_secrets.iter().filter(|chart| of_configs.contains(&chart.secret.provider));
    let wanting: BTreeSet<String> = secrets.map(|secret| secret.chart.clone()).collect();
    let needs = |chart: &Chart| wanting.contains(&chart.name) || pools && asks_for_address(chart);
    let late = with_dependents(&model.charts, needs);
    let stuck = with_dependents(&model.charts, |chart| chart.flux.suspend);
    for ((chart, late), stuck) in model.charts.iter_mut().zip(late).zip(stuck) {
        chart.late = late;
        chart.stuck = stuck;
    }
    if model.gitops.is_some() {
        circles(model, found);
    }
}

/// `configs` is applied once the kinds of its objects are known. A chart that brings such a kind comes up along with it,
/// even if it wants something of it; but not if it waits for another that does.
fn circles(model: &Model, found: &mut Diagnostics) {
    for chart in model.charts.iter().filter(|chart| brings_kinds(model, chart)) {
        for name in &chart.depends_on {
            let Some(other) = model.charts.iter().find(|other| other.name == name.value && other.late) else {
                continue;
            };
            let message = format!(
                "chart `{}` waits for chart `{name}`, which waits for an address or a secret of `infrastructure/configs`, and that for the kinds which `{}` brings",
                chart.name, chart.name
            );
            found.push(
                UNORDERABLE_DEPENDENCY
                    .at(name.span, "never up", message)
                    .because(other.place, "waits for what `configs` holds")
                    .about(format!("charts.{}", chart.name))
                    .help(format!(
                        "leave the dependency out, or let `{name}` do without that address or secret"
                    )),
            );
        }
    }
}

/// Whether `infrastructure/configs` holds objects of kinds that a chart brings.
fn brings_kinds(model: &Model, chart: &Chart) -> bool {
    let ingress = model.ingress.as_ref();
    let secrets_by = |provider| model.chart_secrets.iter().any(|chart| chart.secret.provider == provider);
    match chart.chart.as_str() {
        "metallb" => model.load_balancer.provider == Provider::Metallb && !model.pools().is_empty(),
        "cilium" => model.load_balancer.provider == Provider::Cilium && !model.pools().is_empty(),
        "cert-manager" => {
            ingress.is_some_and(|ingress| !ingress.issuers.is_empty() || !ingress.certificates.is_empty())
        }
        "external-secrets" => secrets_by(SecretProvider::ExternalSecrets) || !model.secret_stores.is_empty(),
        "sealed-secrets" => secrets_by(SecretProvider::SealedSecrets),
        "velero" => model.velero.is_some(),
        "traefik" => ingress.is_some_and(|ingress| {
            ingress.provider == IngressProvider::Traefik && !ingress.routes.is_empty()
        }),
        _ => false,
    }
}

/// Whether a chart asks a load balancer for an address. Helm, Flux and Argo CD take it for up only with one.
fn asks_for_address(chart: &Chart) -> bool {
    let silent = || ROUTERS.contains(&chart.chart.as_str()) && chart.values["service"]["type"].is_null();
    !chart.addresses.is_empty() || silent() || says_load_balancer(&chart.values)
}

fn says_load_balancer(value: &Json) -> bool {
    match value {
        Json::String(text) => text == "LoadBalancer",
        Json::Array(list) => list.iter().any(says_load_balancer),
        Json::Object(table) => table.values().any(says_load_balancer),
        _ => false,
    }
}

/// Whether each chart is such a one, or waits for one.
fn with_dependents(charts: &[Chart], is_one: impl Fn(&Chart) -> bool) -> Vec<bool> {
    let mut order: Vec<usize> = (0..charts.len()).collect();
    order.sort_by_key(|at| charts[*at].wave);
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let mut found = vec![false; charts.len()];
    for at in order {
        let chart = &charts[at];
        found[at] = is_one(chart) || chart.depends_on.iter().any(|name| names.contains(name.as_str()));
        if found[at] {
            names.insert(&chart.name);
        }
    }
    found
}
