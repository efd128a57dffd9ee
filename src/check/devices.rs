//! GPUs and the like: whether there are enough of them, and one to spare while a pod is replaced.

use std::collections::BTreeSet;

use crate::check::placement::{patched, pods};
use crate::check::resources::REQUESTS_EXCEED_NODES;
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::inventory::service::{Kind, Strategy};
use crate::model::Model;
use crate::model::service::Service;
use crate::model::workload::ends;

codes! { Resources:
    /// A rollout that waits for a device that its own old pod holds.
    STUCK_ROLLOUT = ("stuck-rollout", Warning, "a new pod that has to start before the old one gives its GPU back");
}

/// Runs every rule about devices. They are counted only where some node says that it has any.
pub fn check(model: &Model, found: &mut Diagnostics) {
    let devices: BTreeSet<&String> = model.nodes.iter().flat_map(|node| node.gpus.keys()).collect();
    for device in devices {
        let there: i64 = model.nodes.iter().filter_map(|node| node.gpus.get(device)).fold(0, sum);
        let wanting: Vec<Wanting<'_>> = wanting(model, device);
        let wanted = wanting.iter().map(|one| &one.all).fold(0, sum);
        if wanted > there {
            found.extend(too_few(model, device, &wanting, wanted, there));
            continue;
        }
        for one in wanting.iter().filter(|one| one.each > there - wanted) {
            found.extend(stuck(one, device, there));
        }
    }
}

fn sum(sum: i64, count: &i64) -> i64 {
    sum.saturating_add(*count)
}

/// A service that holds devices for as long as it runs.
struct Wanting<'m> {
    service: &'m Service,
    /// How many a pod has.
    each: i64,
    /// How many all its pods have.
    all: i64,
}

/// What ends gives back what it has.
fn wanting<'m>(model: &'m Model, device: &str) -> Vec<Wanting<'m>> {
    let services = model.environments.iter().flat_map(|environment| environment.services());
    let services =
        services.filter(|service| !ends(service.kind) && !patched(service, &["resources", "replicas"]));
    let mut wanting = Vec::new();
    for service in services {
        let each = service.gpus.get(device).copied().unwrap_or(0);
        let count = i64::try_from(pods(model, service)).unwrap_or(i64::MAX);
        let all = each.saturating_mul(count);
        if all > 0 {
            wanting.push(Wanting { service, each, all });
        }
    }
    wanting
}

fn too_few(
    model: &Model,
    device: &str,
    wanting: &[Wanting<'_>],
    wanted: i64,
    there: i64,
) -> Option<Diagnostic> {
    let node = model.nodes.iter().max_by_key(|node| node.gpus.get(device).copied().unwrap_or(0))?;
    let most = wanting.iter().max_by_key(|one| one.all)?;
    // One pod that no node can take has been reported.
    if wanting.iter().all(|one| one.each > node.gpus.get(device).copied().unwrap_or(0)) {
        return None;
    }
    let message = format!("all pods together ask for {wanted} {device}, and the nodes have {there}");
    let diagnostic = REQUESTS_EXCEED_NODES
        .at(node.place, "the most are here", message)
        .because(most.service.place, format!("asks for most: service `{}`", most.service.key));
    Some(diagnostic.about("nodes").help("ask for less, or switch something off in an environment"))
}

fn stuck(one: &Wanting<'_>, device: &str, there: i64) -> Option<Diagnostic> {
    let service = one.service;
    let rolls = service.kind == Kind::Deployment && service.strategy == Strategy::RollingUpdate;
    if !rolls || patched(service, &["strategy"]) || service.rollout.takes_away_first(one.all / one.each) {
        return None;
    }
    let message = format!(
        "a new pod of service `{}` starts before the old one stops, and too few of the {there} {device} are free",
        service.key
    );
    let diagnostic = STUCK_ROLLOUT.at(service.place, "its next version would wait for ever", message);
    let help = "write `strategy = \"recreate\"`, or `rollout = { max-surge = 0, max-unavailable = 1 }`";
    Some(diagnostic.about(format!("services.{}", service.key)).help(help))
}
