//! Which nodes a pod's affinity asks for: what Kubernetes would say of each, as far as the inventory knows its labels.

use serde_json::Value as Json;

use crate::check::placement::{Label, label};
use crate::model::Model;
use crate::model::node::Node;
use crate::model::service::Service;

/// Whether the required node affinity of a service's pods takes a node; `None` where the inventory cannot tell. What
/// is only preferred forbids nothing.
pub(super) fn chooses(model: &Model, service: &Service, node: &Node) -> Option<bool> {
    let affinity = service.pod.affinity.as_ref().and_then(|affinity| affinity.value.get("nodeAffinity"));
    let required = affinity.and_then(|node| node.get("requiredDuringSchedulingIgnoredDuringExecution"));
    let Some(required) = required else { return Some(true) };
    let terms = required.get("nodeSelectorTerms").and_then(Json::as_array)?;
    any(terms.iter().map(|term| term_takes(model, node, term)))
}

/// One of several is enough.
fn any(answers: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let all = answers.map(|answer| answer.map(|yes| !yes));
    every(all).map(|none| !none)
}

fn every(answers: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut certain = true;
    for answer in answers {
        match answer {
            Some(false) => return Some(false),
            Some(true) => {}
            None => certain = false,
        }
    }
    certain.then_some(true)
}

fn term_takes(model: &Model, node: &Node, term: &Json) -> Option<bool> {
    let list = |key: &str| term.get(key).and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let (expressions, fields) = (list("matchExpressions"), list("matchFields"));
    // Kubernetes: a term without any matches nothing.
    if expressions.is_empty() && fields.is_empty() {
        return Some(false);
    }
    let by_labels = expressions.iter().map(|one| {
        let key = one.get("key").and_then(Json::as_str)?;
        fits(one, label(model, node, key))
    });
    let by_fields = fields.iter().map(|one| match one.get("key").and_then(Json::as_str) {
        Some("metadata.name") => fits(one, Label::Value(&node.name)),
        _ => None,
    });
    every(by_labels.chain(by_fields))
}

fn fits(expression: &Json, label: Label<'_>) -> Option<bool> {
    let values: Vec<&str> = expression
        .get("values")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    // What Flux fills in is not known yet.
    if label == Label::Unknown || values.iter().any(|value| value.contains("${")) {
        return None;
    }
    let known = |label: Label<'_>, answer: &dyn Fn(&str) -> bool| match label {
        Label::Value(own) => Some(answer(own)),
        Label::None => Some(false),
        Label::Some | Label::Unknown => None,
    };
    let number = |text: &str| text.parse::<i64>().ok();
    let bound = values.first().and_then(|value| number(value));
    match (expression.get("operator").and_then(Json::as_str)?, label) {
        // A control plane is one, whatever the value.
        ("In", Label::Some) => Some(true),
        ("In", label) => known(label, &|own| values.contains(&own)),
        ("NotIn", label) => known(label, &|own| values.contains(&own)).map(|within| !within),
        ("Exists", label) => Some(label != Label::None),
        ("DoesNotExist", label) => Some(label == Label::None),
        ("Gt", label) => known(label, &|own| number(own) > bound && number(own).is_some()),
        ("Lt", label) => known(label, &|own| number(own) < bound && number(own).is_some()),
        _ => None,
    }
}
