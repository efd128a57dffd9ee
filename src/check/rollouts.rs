//! Rollouts: new pods that have to start before the old ones give back what only so many can have.

use crate::check::one_node::{mounted, only_one_pod};
use crate::check::placement::{allowed, keeps_apart, nodes, patched, pods};
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::inventory::service::{Kind, Strategy};
use crate::model::Model;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::source::Span;

codes! { Resources:
    /// A rollout that waits for what its own old pod holds.
    STUCK_ROLLOUT = ("stuck-rollout", Warning, "a new pod that has to start before the old one gives back what only one can have");
}

/// Runs every rule about rollouts, but those about devices and quotas, which stand with these.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for stack in model.environments.iter().flat_map(|environment| &environment.stacks) {
        for service in &stack.services {
            found.extend(claim(model, stack, service).or_else(|| place(model, service)));
        }
    }
}

/// Whether a new pod starts while so many old ones run on.
pub(super) fn starts_first(service: &Service, pods: u64) -> bool {
    service.kind == Kind::Deployment
        && service.strategy == Strategy::RollingUpdate
        && pods > 0
        && !patched(service, &["strategy", "maxSurge", "maxUnavailable"])
        && !service.rollout.takes_away_first(i64::try_from(pods).unwrap_or(i64::MAX))
}

/// A rollout that never ends: why, and of what there is too little.
pub(super) fn stuck(service: &Service, why: &str, because: Option<(Span, &str)>) -> Diagnostic {
    let message =
        format!("a new pod of service `{}` starts before the old one stops, and {why}", service.key);
    let diagnostic = STUCK_ROLLOUT.at(service.place, "its next version would wait for ever", message);
    let diagnostic = match because {
        Some((place, label)) => diagnostic.because(place, label),
        None => diagnostic,
    };
    let help = match service.kind {
        Kind::DaemonSet => "leave out `max-surge`, or write `rollout = { max-unavailable = 1 }`",
        _ => "write `strategy = \"recreate\"`, or `rollout = { max-surge = 0, max-unavailable = 1 }`",
    };
    diagnostic.about(service.subject()).help(help)
}

/// Of several pods on such a claim is told elsewhere.
fn claim(model: &Model, stack: &Stack, service: &Service) -> Option<Diagnostic> {
    let one = pods(model, service) == 1 && starts_first(service, 1) && !patched(service, &["volumes"]);
    let (claim, volume) = mounted(stack, service).find(|(claim, _)| one && only_one_pod(claim))?;
    let why = format!("only one pod can mount claim `{}`", claim.name);
    Some(stuck(service, &why, Some((volume.place, "mounted here"))))
}

/// A node has each of its ports once, and pods that keep apart have one node each.
fn place(model: &Model, service: &Service) -> Option<Diagnostic> {
    let on_host = service.host_network.is_some_and(|flag| flag.value);
    let port = service.ports.iter().find(|port| on_host || port.host_port.is_some());
    let why = match port {
        Some(port) => {
            let number = port.host_port.map_or(port.target_port, |port| port.value);
            format!("it waits for port {number} of its node")
        }
        None if keeps_apart(service) => "its pods keep apart, with no node left for it".to_owned(),
        None => return None,
    };
    let because = port.map(|port| (port.host_port.map_or(port.place, |port| port.span), "of the node"));
    if patched(service, &["ports", "hostNetwork", "affinity", "replicas"]) {
        return None;
    }
    if service.kind == Kind::DaemonSet {
        let surge = &service.rollout.rolling_update["maxSurge"];
        let some = surge.as_i64().is_some_and(|count| count > 0)
            || surge.as_str().is_some_and(|share| !share.starts_with('0'));
        let runs = allowed(model, service).is_none_or(|nodes| !nodes.is_empty());
        return (some && runs && port.is_some()).then(|| stuck(service, &why, because));
    }
    let count = pods(model, service);
    let full = nodes(model, service).is_some_and(|nodes| nodes.len() as u64 == count);
    (full && starts_first(service, count)).then(|| stuck(service, &why, because))
}
