//! Places that pods are spread over: a label of nodes tells them apart.

use crate::check::holders::each_service;
use crate::check::placement::{Label, has_own_label, label, patched, pods};
use crate::diagnostic::{Diagnostics, codes};
use crate::model::service::Service;
use crate::model::{Environment, Model};

codes! { Resources:
    /// A spread that keeps every pod waiting.
    SPREAD_OVER_MISSING_LABEL = ("spread-over-missing-label", Warning, "pods that must be spread over a label which no node of the inventory has");
}

/// Runs the rule about spreads. A label of the inventory's own that no node has is told with other reasons why no node
/// takes a pod; this one may yet come from a cloud or an operator.
pub fn check(model: &Model, found: &mut Diagnostics) {
    if model.nodes.iter().any(has_own_label) {
        each_service(model, |environment, service| missing_labels(model, environment, service, found));
    }
}

fn missing_labels(model: &Model, environment: &Environment, service: &Service, found: &mut Diagnostics) {
    if service.pod.spread.is_empty() || pods(model, service) == 0 {
        return;
    }
    if patched(service, &["topologySpreadConstraints", "schedulerName"]) {
        return;
    }
    let place = model.place_of(&environment.name, &["services", &service.key, "spread"]);
    let forced = service.pod.spread.iter().filter(|spread| spread["whenUnsatisfiable"] == "DoNotSchedule");
    for key in forced.filter_map(|spread| spread["topologyKey"].as_str()) {
        if model.nodes.iter().any(|node| label(model, node, key) != Label::Unknown) {
            continue;
        }
        let message = format!(
            "no node has the label `{key}`, over which pods of service `{}` must be spread",
            service.key
        );
        found.push(
            SPREAD_OVER_MISSING_LABEL
                .at(place.unwrap_or(service.place), "no node has it", message)
                .about(service.subject())
                .help("give the nodes this label under `labels`; if a cloud or an operator does, say so in `[[allow]]`"),
        );
    }
}
