//! VolSync's movers: pods that copy a stack's claims, and claims of their own. What a namespace asks of pods and claims
//! it asks of these, too, and the inventory never wrote them.

use serde_json::{Value as Json, json};

use crate::check::pod_security::{UNHARDENED_POD, namespace};
use crate::check::quotas::UNCOUNTED_UNDER_QUOTA;
use crate::check::resources::{OUTSIDE_LIMIT_RANGE, limit, request};
use crate::diagnostic::Diagnostics;
use crate::inventory::backup::{CopyMethod, Mover as Carrier};
use crate::model::service::Resources;
use crate::model::stack::Stack;
use crate::model::{Environment, Model};
use crate::object::pod_security::breaches;
use crate::quantity::Quantity;
use crate::source::Span;

/// Runs every rule about movers.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for environment in &model.environments {
        for stack in &environment.stacks {
            // What one mover of a stack lacks, the others mostly do, too.
            if let Some(mover) = movers(stack).next() {
                unhardened(model, environment, stack, &mover, found);
                unbounded(stack, &mover, found);
            }
        }
    }
}

/// A pod that copies.
struct Mover<'s> {
    what: String,
    context: &'s Json,
    place: Span,
}

/// Who copies the claims of a stack.
fn movers(stack: &Stack) -> impl Iterator<Item = Mover<'_>> {
    let backups = stack.backups.iter().filter(|backup| !backup.paused).map(|backup| Mover {
        what: format!("what backs claim `{}` up", backup.claim),
        context: &backup.mover_security_context,
        place: backup.place,
    });
    let failover = stack.failover.as_ref().filter(|failover| !failover.paused);
    let failover = failover.filter(|_| stack.claims.iter().any(|claim| claim.on_both));
    let failover = failover.map(|failover| Mover {
        what: format!("what copies the claims of stack `{}`", stack.name),
        context: &failover.mover_security_context,
        place: failover.place,
    });
    backups.chain(failover)
}

/// VolSync gives a container's own part of what a restricted namespace demands, and leaves the pod's to whoever asks
/// for the copy (volsync.readthedocs.io, "Permission model").
fn unhardened(
    model: &Model,
    environment: &Environment,
    stack: &Stack,
    mover: &Mover<'_>,
    found: &mut Diagnostics,
) {
    let Some(namespace) = namespace(model, environment, stack) else { return };
    let own = json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
    let container = json!({ "name": "mover", "securityContext": own });
    let template = json!({ "spec": { "securityContext": mover.context, "containers": [container] } });
    let breaches = breaches(&template, namespace.standard, namespace.minor);
    if breaches.is_empty() {
        return;
    }
    let lacks: Vec<&str> = breaches.iter().filter(|one| one.demanded).map(|one| one.what.as_str()).collect();
    let wants: Vec<&str> = breaches.iter().filter(|one| !one.demanded).map(|one| one.what.as_str()).collect();
    let word = namespace.word;
    let why = match (wants.as_slice(), lacks.as_slice()) {
        ([], lacks) => format!("lacks {}, which its namespace's level `{word}` demands", lacks.join(", ")),
        (wants, _) => format!("wants {}, which its namespace's level `{word}` forbids", wants.join(", ")),
    };
    found.push(
        UNHARDENED_POD
            .at(mover.place, "Kubernetes refuses VolSync's pods", format!("{} {why}", mover.what))
            .because(namespace.place, "the level")
            .about(stack.subject())
            .help("say it in `mover-security-context`: `{ runAsNonRoot = true, runAsUser = 1000, seccompProfile = { type = \"RuntimeDefault\" } }`"),
    );
}

/// Movers have neither requests nor limits but those that the namespace gives.
fn unbounded(stack: &Stack, mover: &Mover<'_>, found: &mut Diagnostics) {
    let none = Resources::default();
    let says = |key: &str| match key.strip_prefix("limits.") {
        Some(resource) => limit(Some(stack), &none, resource).is_some(),
        None => request(Some(stack), &none, key.strip_prefix("requests.").unwrap_or(key)).is_some(),
    };
    let counted = |key: &str| {
        let resource = key.strip_prefix("limits.").or_else(|| key.strip_prefix("requests.")).unwrap_or(key);
        ["cpu", "memory", "ephemeral-storage"].contains(&resource)
    };
    let help = format!(
        "give what says nothing a share: `stacks.{}.limits.default` and `default-request`",
        stack.name
    );
    let scoped = !stack.quota_scopes.is_empty();
    let quota = stack.quota.iter().find(|(key, _)| !scoped && counted(key) && !says(key));
    if let Some((key, most)) = quota {
        let message = format!(
            "{} does not say its `{key}`, which the quota of stack `{}` counts",
            mover.what, stack.name
        );
        found.push(
            UNCOUNTED_UNDER_QUOTA
                .at(mover.place, "Kubernetes refuses VolSync's pods", message)
                .because(most.span, "the quota")
                .about(stack.subject())
                .help(help.clone()),
        );
    }
    let Some(limits) = &stack.limits else { return };
    let most = limits.pod_max.iter().find(|(resource, _)| limit(Some(stack), &none, resource).is_none());
    let least = limits.pod_min.iter().find(|(resource, _)| request(Some(stack), &none, resource).is_none());
    let bound = most.map(|bound| ("limit", bound)).or(least.map(|bound| ("request", bound)));
    if let Some((what, (resource, amount))) = bound {
        let message = format!(
            "{} has no {what} of {resource}, which `limits.pod` of stack `{}` asks for",
            mover.what, stack.name
        );
        found.push(
            OUTSIDE_LIMIT_RANGE
                .at(mover.place, "Kubernetes refuses VolSync's pods", message)
                .because(amount.span, "the bound")
                .about(stack.subject())
                .help(help),
        );
    }
}

/// A claim that VolSync makes for itself.
pub(super) struct OwnClaim<'s> {
    /// What it is for, with a verb to come.
    pub(super) what: String,
    /// Its class, if the inventory says.
    pub(super) class: Option<&'s str>,
    pub(super) size: Quantity,
    pub(super) place: Span,
}

/// Caches and settings, which stay. VolSync's own size for both is 1Gi.
pub(super) fn own_claims(stack: &Stack) -> Vec<OwnClaim<'_>> {
    let usual = Quantity::from_integer(1 << 30);
    let mut claims = Vec::new();
    for backup in stack.backups.iter().filter(|backup| !backup.paused && backup.mover == Carrier::Restic) {
        let cache = |what: String| OwnClaim {
            what,
            class: backup.cache_class.as_deref(),
            size: backup.cache.as_ref().map_or(usual, |size| size.amount),
            place: backup.cache.as_ref().map_or(backup.place, |size| size.span),
        };
        claims.push(cache(format!("restic's cache for claim `{}`", backup.claim)));
        if backup.restore.is_some() {
            claims.push(cache(format!("restic's cache to fetch claim `{}` back", backup.claim)));
        }
    }
    let failover = stack.failover.as_ref().filter(|failover| !failover.paused);
    if let Some((failover, syncthing)) = failover.and_then(|one| Some((one, one.syncthing.as_ref()?))) {
        claims.extend(syncthing.devices.iter().map(|device| OwnClaim {
            what: format!("Syncthing's settings for `{}`", device.name),
            class: syncthing.config_class.as_deref(),
            size: syncthing.config_size.as_ref().map_or(usual, |size| size.amount),
            place: syncthing.config_size.as_ref().map_or(failover.place, |size| size.span),
        }));
    }
    claims
}

/// The greatest of the copies that are read instead of a claim, each for as long as that takes: its class and size.
pub(super) fn greatest_copy(stack: &Stack) -> Option<(Option<&str>, Quantity)> {
    let read =
        stack.backups.iter().filter(|backup| !backup.paused && backup.copy_method != CopyMethod::Direct);
    let copies = read.filter_map(|backup| {
        let claim = stack.claim(&backup.claim)?;
        let size = claim.size.as_ref().map_or(Quantity::ZERO, |size| size.amount);
        Some((backup.class.as_deref().or(claim.class.as_deref()), size))
    });
    copies.max_by_key(|(_, size)| *size)
}
