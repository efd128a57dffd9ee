//! Claims that one node can mount, or one pod: whether their pods can be there together.

use std::collections::BTreeMap;

use crate::check::placement::{allowed, meet, nodes, patched, pods};
use crate::diagnostic::{Diagnostics, codes};
use crate::inventory::backup::CopyMethod;
use crate::inventory::service::Kind;
use crate::inventory::stack::AccessMode;
use crate::model::Model;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::storage::Claim;
use crate::model::volume::{Source, Volume};
use crate::model::workload::ends;

codes! { Storage:
    /// Several pods of one service on a claim for one node.
    SINGLE_NODE_CLAIM_REPLICAS = ("single-node-claim-replicas", Error, "several pods of a service mount a claim that only one node can mount");
    /// Pods of two services on a claim for one node.
    SINGLE_NODE_CLAIM_SHARED = ("single-node-claim-shared", Error, "services on different nodes mount a claim that only one node can mount");
}

/// Runs every rule about claims of one node.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for stack in model.environments.iter().flat_map(|environment| &environment.stacks) {
        for service in &stack.services {
            replicas(model, stack, service, found);
        }
        shared_claims(model, stack, found);
        read_meanwhile(model, stack, found);
    }
}

/// The claims of its stack that a service mounts, each once, with the mount.
pub(super) fn mounted<'s>(
    stack: &'s Stack,
    service: &'s Service,
) -> impl Iterator<Item = (&'s Claim, &'s Volume)> {
    service.volumes.iter().filter(|volume| !volume.again).filter_map(|volume| match &volume.source {
        Source::Claim { name, .. } => Some((stack.claim(name)?, volume)),
        _ => None,
    })
}

pub(super) fn only_one_pod(claim: &Claim) -> bool {
    claim.access_modes.iter().all(|mode| *mode == AccessMode::ReadWriteOncePod)
}

fn replicas(model: &Model, stack: &Stack, service: &Service, found: &mut Diagnostics) {
    let count = pods(model, service);
    if count < 2 && service.kind != Kind::DaemonSet {
        return;
    }
    let daemons = service.kind == Kind::DaemonSet;
    let open = if daemons { allowed(model, service) } else { nodes(model, service) };
    let several = if daemons { open.as_ref().is_none_or(|open| open.len() > 1) } else { count > 1 };
    if !several || patched(service, &["volumes", "volumeClaimTemplates", "replicas"]) {
        return;
    }
    for (claim, volume) in mounted(stack, service).filter(|(claim, _)| claim.one_node()) {
        // All pods on one node: they can share what one node mounts.
        if open.as_ref().is_some_and(|open| open.len() == 1) && !only_one_pod(claim) {
            continue;
        }
        let who = if daemons { "a pod on every node".to_owned() } else { format!("{count} pods") };
        let can = if only_one_pod(claim) { "pod" } else { "node" };
        let said = service.autoscale.as_ref().map(|autoscale| autoscale.max).or(service.replicas);
        let span = said.filter(|_| !daemons).map_or(service.place, |count| count.span);
        let message = format!(
            "{who} of service `{}` mount claim `{}`, which only one {can} can mount",
            service.key, claim.name
        );
        found.push(
            SINGLE_NODE_CLAIM_REPLICAS
                .at(span, who, message)
                .because(volume.place, "mounted here")
                .because(claim.place, format!("for one {can}: {}", words(claim)))
                .about(service.subject())
                .help(
                    "run one pod, or give the claim `access-modes = [\"ReadWriteMany\"]` on storage that can",
                ),
        );
    }
}

fn words(claim: &Claim) -> String {
    claim.access_modes.iter().map(|mode| mode.word()).collect::<Vec<_>>().join(", ")
}

/// Services that can never meet on one node, or that may not meet in one pod. Whether those that are free to meet do
/// so is the scheduler's matter.
fn shared_claims(model: &Model, stack: &Stack, found: &mut Diagnostics) {
    let mut users: BTreeMap<&str, Vec<(&Service, &Claim, &Volume)>> = BTreeMap::new();
    for service in stack.services.iter().filter(|service| pods(model, service) > 0) {
        for (claim, volume) in mounted(stack, service).filter(|(claim, _)| claim.one_node()) {
            users.entry(&claim.name).or_default().push((service, claim, volume));
        }
    }
    for mut users in users.into_values() {
        users.sort_by_key(|(_, _, volume)| volume.place);
        for (at, (service, claim, volume)) in users.iter().enumerate().skip(1) {
            let apart = users[..at]
                .iter()
                .take(16)
                .find(|(other, ..)| only_one_pod(claim) || apart(model, other, service));
            let Some((other, _, first)) = apart else { continue };
            let can = if only_one_pod(claim) { "pod" } else { "node" };
            let why = if only_one_pod(claim) { "" } else { " and they run on different nodes" };
            let message = format!(
                "services `{}` and `{}` mount claim `{}`, which only one {can} can mount{why}",
                other.key, service.key, claim.name
            );
            found.push(
                SINGLE_NODE_CLAIM_SHARED
                    .at(volume.place, format!("mounted by `{}`", service.key), message)
                    .because(first.place, format!("mounted by `{}`", other.key))
                    .because(claim.place, format!("for one {can}: {}", words(claim)))
                    .about(service.subject())
                    .about(other.subject())
                    .help("run both on one node, or give the claim `access-modes = [\"ReadWriteMany\"]` on storage that can"),
            );
        }
    }
}

/// A backup that reads a claim itself does so while the service has it, and is one pod more.
fn read_meanwhile(model: &Model, stack: &Stack, found: &mut Diagnostics) {
    let mut users: BTreeMap<&str, (&Service, &Volume)> = BTreeMap::new();
    for service in stack.services.iter().filter(|service| pods(model, service) > 0 && !ends(service.kind)) {
        for (claim, volume) in mounted(stack, service).filter(|(claim, _)| only_one_pod(claim)) {
            users.entry(&claim.name).or_insert((service, volume));
        }
    }
    let direct =
        stack.backups.iter().filter(|backup| !backup.paused && backup.copy_method == CopyMethod::Direct);
    for backup in direct {
        let Some((service, volume)) = users.get(backup.claim.as_str()) else { continue };
        let Some(claim) = stack.claim(&backup.claim) else { continue };
        let message = format!(
            "service `{}` and its backup mount claim `{}`, which only one pod can mount",
            service.key, claim.name
        );
        found.push(
            SINGLE_NODE_CLAIM_SHARED
                .at(backup.place, "reads the claim itself", message)
                .because(volume.place, format!("mounted by `{}`", service.key))
                .because(claim.place, format!("for one pod: {}", words(claim)))
                .about(stack.claim_subject(&claim.name))
                .help("write `copy-method = \"Snapshot\"` if the storage can make one, or `access-modes = [\"ReadWriteOnce\"]`"),
        );
    }
}

fn apart(model: &Model, one: &Service, other: &Service) -> bool {
    let (Some(a), Some(b)) = (nodes(model, one), nodes(model, other)) else { return false };
    !a.is_empty() && !b.is_empty() && !meet(&a, &b)
}
