//! The steps of the infrastructure: which charts come up before pools, issuers and secrets, and which need them.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::inventory::secret::SecretProvider;
use crate::model::Model;
use crate::model::chart::Chart;

/// Charts whose Service is a LoadBalancer unless their values say otherwise.
const ROUTERS: &[&str] = &["contour", "haproxy-ingress", "ingress-nginx", "kong", "traefik"];

/// Finds the charts that are not up before what stands in `infrastructure/configs` is: those that ask for an address
/// of its pools, or wait for a secret of it, and those that wait for such a chart. Needs the charts' waves.
pub fn part_charts(model: &mut Model) {
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
