//! GPUs and the like: whether there are enough of them, and one to spare while a pod is replaced.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::capacity::REQUESTS_EXCEED_NODES;
use crate::check::placement::{nodes, patched, pods};
use crate::check::rollouts::{self, starts_first};
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::inventory::service::Kind;
use crate::model::Model;
use crate::model::container::Role;
use crate::model::node::Node;
use crate::model::service::Service;
use crate::model::volume::Source;
use crate::model::workload::ends;
use crate::quantity::Quantity;

codes! { Resources:
    /// A stick is plugged into one machine.
    UNPINNED_DEVICE = ("unpinned-device", Warning, "a pod mounts a device that is plugged into one node, and may run on another");
}

/// Runs every rule about devices. They are counted only where some node says that it has any.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for service in model.services() {
        found.extend(unpinned(model, service));
    }
    count(model, found);
}

fn count(model: &Model, found: &mut Diagnostics) {
    let mut nodes: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
    for node in &model.nodes {
        for device in node.gpus.keys() {
            nodes.entry(device).or_default().push(node);
        }
    }
    if nodes.is_empty() {
        return;
    }
    for (device, wanting) in wanting(model) {
        let Some(nodes) = nodes.get(device) else { continue };
        let there = total(nodes.iter().map(|node| has(node, device)));
        let wanted = total(wanting.iter().map(|one| one.each.saturating_times(one.pods)));
        if wanted > there {
            found.extend(too_few(nodes, device, &wanting, wanted, there));
            continue;
        }
        for one in wanting.iter().filter(|one| one.each > there.saturating_sub(wanted)) {
            found.extend(stuck(one, device, there));
        }
    }
}

fn total(counts: impl Iterator<Item = Quantity>) -> Quantity {
    counts.fold(Quantity::ZERO, Quantity::saturating_add)
}

fn has(node: &Node, device: &str) -> Quantity {
    Quantity::from_integer(node.gpus.get(device).copied().unwrap_or(0))
}

/// How many a pod has while it runs: in the service's own container, and in those beside it.
fn held(service: &Service, device: &str) -> Quantity {
    let parts = service.containers().filter(|part| part.role != Role::Init);
    total(parts.filter_map(|part| part.resources.limits.get(device)).map(|limit| limit.amount))
}

/// A service that holds devices for as long as it runs.
struct Wanting<'m> {
    service: &'m Service,
    /// How many a pod has.
    each: Quantity,
    pods: u64,
}

/// Who wants which device. What ends gives back what it has.
fn wanting(model: &Model) -> BTreeMap<&str, Vec<Wanting<'_>>> {
    let services = model.environments.iter().flat_map(|environment| environment.services());
    let services =
        services.filter(|service| !ends(service.kind) && !patched(service, &["resources", "replicas"]));
    let mut wanting: BTreeMap<&str, Vec<Wanting<'_>>> = BTreeMap::new();
    for service in services {
        let devices: BTreeSet<&String> =
            service.containers().flat_map(|part| part.resources.limits.keys()).collect();
        for device in devices {
            let (each, pods) = (held(service, device), pods(model, service));
            if each > Quantity::ZERO && pods > 0 {
                wanting.entry(device).or_default().push(Wanting { service, each, pods });
            }
        }
    }
    wanting
}

fn too_few(
    nodes: &[&Node],
    device: &str,
    wanting: &[Wanting<'_>],
    wanted: Quantity,
    there: Quantity,
) -> Option<Diagnostic> {
    let node = nodes.iter().max_by_key(|node| has(node, device))?;
    let most = wanting.iter().max_by_key(|one| one.each.saturating_times(one.pods))?;
    // One pod that no node can take has been reported.
    if wanting.iter().all(|one| one.each > has(node, device)) {
        return None;
    }
    let message = format!("all pods together ask for {wanted} {device}, and the nodes have {there}");
    let diagnostic = REQUESTS_EXCEED_NODES
        .at(node.place, "the most are here", message)
        .because(most.service.place, format!("asks for most: service `{}`", most.service.key));
    Some(diagnostic.about("nodes").help("ask for less, or switch something off in an environment"))
}

fn stuck(one: &Wanting<'_>, device: &str, there: Quantity) -> Option<Diagnostic> {
    let why = format!("too few of the {there} {device} are free");
    starts_first(one.service, one.pods).then(|| rollouts::stuck(one.service, &why, None))
}

/// What is plugged into one machine: sticks and dongles. Every machine has graphics, TUN or KVM of its own.
const PLUGGED: &[&str] = &["/dev/apex_", "/dev/bus/usb", "/dev/serial/", "/dev/ttyACM", "/dev/ttyUSB"];

/// On another node the folder of the host is not there, or an empty one is made. Who chooses nodes in any way knows
/// which have the device.
fn unpinned(model: &Model, service: &Service) -> Option<Diagnostic> {
    let plugged = |path: &str| PLUGGED.iter().any(|device| path.starts_with(device));
    let device = service.volumes.iter().find_map(|volume| match &volume.source {
        Source::HostPath(host) if plugged(&host.path) => Some((volume, &host.path)),
        _ => None,
    });
    let (volume, path) = device?;
    let chosen = !service.node_selector.is_empty() || service.pod.affinity.is_some();
    if chosen || service.kind == Kind::DaemonSet || patched(service, &["volumes"]) {
        return None;
    }
    let open = nodes(model, service).filter(|open| open.len() > 1)?;
    let message = format!(
        "service `{}` mounts `{path}`, which is plugged into one node, and {} nodes may run it",
        service.key,
        open.len()
    );
    Some(
        UNPINNED_DEVICE
            .at(volume.place, "a device of one node", message)
            .about(service.subject())
            .help("write `node = \"NAME\"`, or a `node-selector` with a label of the nodes that have it"),
    )
}
