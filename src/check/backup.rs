//! Backups and failover: schedules that can be read, secrets that can open what they are for, data that comes along.

use std::collections::{BTreeMap, BTreeSet};

use crate::cron;
use crate::diagnostic::{Diagnostics, codes};
use crate::inventory::backup::{CopyMethod, Mover, Replication};
use crate::inventory::storage::Backend;
use crate::model::backup::{Backup, Failover};
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::volume::{Source, Volume};
use crate::model::{Environment, Model};
use crate::source::{Span, Spanned};

codes! { Storage:
    /// A schedule that no cron reads.
    BAD_SCHEDULE = ("bad-schedule", Error, "a schedule that cron cannot read");
    /// Two backups in one place.
    SHARED_BACKUP_REPOSITORY = ("shared-backup-repository", Error, "two claims are backed up to one place");
    /// A secret without what the mover asks for.
    INCOMPLETE_BACKUP_SECRET = ("incomplete-backup-secret", Error, "the secret of a backup lacks a key that its mover asks for");
    /// A snapshot that the storage cannot make.
    UNSUPPORTED_COPY_METHOD = ("unsupported-copy-method", Error, "a snapshot or clone of storage that can make none");
    /// Pods that stay while their data moves.
    PINNED_AGAINST_FAILOVER = ("pinned-against-failover", Error, "a service mounts data that moves with its stack, and stays on its node");
    /// Two Syncthings that have not met.
    UNPAIRED_SYNCTHING = ("unpaired-syncthing", Warning, "copies of a failover by Syncthing that do not know each other, and differ");
    /// Data that stays on the node that is gone.
    UNMOVABLE_CLAIM = ("unmovable-claim", Error, "a stack can fail over, and a claim of it is on the disk of one node");
}

/// Runs every rule about backups and failover.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for environment in &model.environments {
        for stack in &environment.stacks {
            for backup in &stack.backups {
                schedule(&backup.schedule, &stack.claim_subject(&backup.claim), found);
                copy_method(stack, backup, found);
                secret_keys(stack, backup, found);
            }
            shared(environment, stack, found);
            failover(stack, found);
        }
    }
    shared_entries(model, found);
    borrowed_ids(model, found);
    shared_locations(model, found);
    for one in model.velero.iter().flat_map(|velero| &velero.schedules) {
        schedule_or_interval(&one.schedule, &format!("velero.schedules.{}", one.name), found);
    }
}

/// Reports a schedule that VolSync cannot read.
fn schedule(schedule: &Spanned<String>, about: &str, found: &mut Diagnostics) {
    report_schedule(schedule, cron::parse(schedule), about, found);
}

/// Reports a schedule that Kubernetes or Velero cannot read.
pub fn schedule_or_interval(schedule: &Spanned<String>, about: &str, found: &mut Diagnostics) {
    report_schedule(schedule, cron::parse_or_interval(schedule), about, found);
}

fn report_schedule(
    schedule: &Spanned<String>,
    parsed: Result<(), String>,
    about: &str,
    found: &mut Diagnostics,
) {
    // What did not resolve has been reported.
    if schedule.is_empty() && schedule.span == Span::default() {
        return;
    }
    let parsed = parsed.and_then(|()| match cron::never(schedule) {
        true => Err("none of its months has such a day, so it never comes".to_owned()),
        false => Ok(()),
    });
    if let Err(why) = parsed {
        let message = format!("`{schedule}` is no schedule: {why}");
        found.push(
            BAD_SCHEDULE
                .at(schedule.span, "not a cron schedule", message)
                .about(about)
                .help("write minute, hour, day of the month, month and day of the week: `30 3 * * *` is every night at half past three"),
        );
    }
}

/// Folders of a node and exports of a NAS have no snapshots in Kubernetes.
fn copy_method(stack: &Stack, backup: &Backup, found: &mut Diagnostics) {
    let Some(claim) = stack.claim(&backup.claim) else { return };
    let on = match claim.backend {
        Some(Backend::Local) => "a local disk",
        Some(Backend::Nfs) => "NFS",
        _ => return,
    };
    if backup.copy_method == CopyMethod::Direct {
        return;
    }
    let word = backup.copy_method.word();
    found.push(
        UNSUPPORTED_COPY_METHOD
            .at(
                backup.place,
                word,
                format!("claim `{}` is on {on}, of which there is no {}", claim.name, word.to_lowercase()),
            )
            .because(claim.place, format!("on {on}"))
            .about(stack.claim_subject(&claim.name))
            .help("write `copy-method = \"Direct\"`: the files are read while the service goes on writing"),
    );
}

fn secret_keys(stack: &Stack, backup: &Backup, found: &mut Diagnostics) {
    let wanted: &[&str] = match backup.mover {
        Mover::Restic => &["RESTIC_REPOSITORY", "RESTIC_PASSWORD"],
        Mover::Rclone => &["rclone.conf"],
        Mover::RsyncTls => &["psk.txt"],
    };
    let about = stack.claim_subject(&backup.claim);
    lacking(stack, &backup.secret_key, wanted, backup.mover.word(), &about, found);
}

fn lacking(
    stack: &Stack,
    name: &Spanned<String>,
    wanted: &[&str],
    mover: &str,
    about: &str,
    found: &mut Diagnostics,
) {
    let Some(secret) = stack.secret(name) else { return };
    let lacks: Vec<&str> =
        wanted.iter().copied().filter(|key| !secret.keys.iter().any(|known| known.value == *key)).collect();
    if lacks.is_empty() || secret.external.as_ref().is_some_and(|external| external.extract.is_some()) {
        return;
    }
    let message =
        format!("secret `{}` has no {}, which {mover} asks for", secret.key, lacks.join(" and no "));
    found.push(
        INCOMPLETE_BACKUP_SECRET
            .at(name.span, format!("no {}", lacks.join(", no ")), message)
            .because(secret.place, "the secret")
            .about(about)
            .help(format!("add {} to its `keys`, and their values to its file", lacks.join(" and "))),
    );
}

/// restic would find the other claim's files in its repository, rclone would delete them.
fn shared(environment: &Environment, stack: &Stack, found: &mut Diagnostics) {
    let mut places: BTreeMap<_, &Backup> = BTreeMap::new();
    let mut backups: Vec<&Backup> = stack.backups.iter().collect();
    backups.sort_by_key(|backup| backup.place);
    for backup in backups {
        let place = match backup.mover {
            Mover::RsyncTls => (backup.address.as_deref().unwrap_or_default(), "", None, backup.port),
            Mover::Restic => (backup.secret.as_str(), "", None, None),
            Mover::Rclone => {
                (backup.secret.as_str(), backup.rclone_path.as_str(), backup.rclone_section.as_deref(), None)
            }
        };
        let Some(first) = places.get(&place) else {
            places.insert(place, backup);
            continue;
        };
        let message = format!(
            "claims `{}` and `{}` of stack `{}` are backed up to one place",
            first.claim, backup.claim, stack.name
        );
        let help = match backup.mover {
            Mover::Restic => "give each claim a secret with a RESTIC_REPOSITORY of its own",
            Mover::Rclone => "give each claim an `rclone-path` of its own",
            Mover::RsyncTls => "give each claim an `address` of its own: a destination has one volume",
        };
        let span = if backup.secret_key.span == first.secret_key.span {
            backup.place
        } else {
            backup.secret_key.span
        };
        found.push(
            SHARED_BACKUP_REPOSITORY
                .at(span, format!("claim `{}`", backup.claim), message)
                .because(first.place, format!("claim `{}`", first.claim))
                .about(stack.claim_subject(&backup.claim))
                .about(format!("environments.{}", environment.name))
                .help(help),
        );
    }
}

/// Where restic's repository stands in a secret store, if the secret comes from one.
fn entry<'m>(stack: &'m Stack, backup: &Backup) -> Option<(&'m str, &'m str, Option<&'m str>)> {
    let secret = stack.secret(&backup.secret_key.value)?;
    let external = secret.external.as_ref().filter(|external| external.store_kind == "ClusterSecretStore")?;
    if let Some(entry) = &external.extract {
        return Some((&external.store, entry, None));
    }
    let key = external.data.iter().find(|item| item.key == "RESTIC_REPOSITORY")?;
    Some((&external.store, &key.remote, key.property.as_deref()))
}

/// What is sealed differs by environment; an entry of a store is the same for all that read it.
fn shared_entries(model: &Model, found: &mut Diagnostics) {
    let mut entries = BTreeMap::new();
    for environment in &model.environments {
        for stack in &environment.stacks {
            for backup in stack.backups.iter().filter(|backup| backup.mover == Mover::Restic) {
                let Some(entry) = entry(stack, backup) else { continue };
                let (first, other, first_backup) =
                    *entries.entry(entry).or_insert((environment, stack, backup));
                // Two claims of one namespace have been compared by their secret.
                if first_backup.secret == backup.secret && first.name == environment.name {
                    continue;
                }
                let message = format!(
                    "claims `{}` of namespace `{}` and `{}` of `{}` are backed up to one repository: entry `{}` of store `{}` names it",
                    first_backup.claim, other.namespace, backup.claim, stack.namespace, entry.1, entry.0
                );
                found.push(
                    SHARED_BACKUP_REPOSITORY
                        .at(backup.place, format!("in environment `{}`", environment.name), message)
                        .because(first_backup.place, format!("in environment `{}`", first.name))
                        .about(stack.claim_subject(&backup.claim))
                        .help("switch it off in one environment with `backup = false`, or give it another `secret` there"),
                );
            }
        }
    }
}

/// Two of Velero's locations in one folder would prune each other's backups.
fn shared_locations(model: &Model, found: &mut Diagnostics) {
    let mut places = BTreeMap::new();
    for location in model.velero.iter().flat_map(|velero| &velero.locations) {
        let place = (&location.provider, &location.bucket, &location.prefix, &location.config);
        let Some(first) = places.insert(place, location) else { continue };
        let message =
            format!("locations `{}` and `{}` are one folder of one bucket", first.name, location.name);
        found.push(
            SHARED_BACKUP_REPOSITORY
                .at(location.place, "the same place", message)
                .because(first.place, "a location")
                .about(format!("velero.locations.{}", location.name))
                .help("give each a `prefix` of its own, or keep one"),
        );
    }
}

/// What a service mounts of its stack's claims, by name.
fn mounted(service: &Service) -> impl Iterator<Item = (&Volume, &str)> {
    service.volumes.iter().filter_map(|volume| match &volume.source {
        Source::Claim { name, .. } => Some((volume, name.as_str())),
        _ => None,
    })
}

/// The failover gives its node to services that have none of their own; daemon sets have none at all.
fn moves(service: &Service, failover: &Failover) -> bool {
    service.node.as_ref().is_some_and(|node| node.span == failover.place)
}

fn pinned(stack: &Stack, failover: &Failover, found: &mut Diagnostics) {
    let on_both = |name: &str| stack.claims.iter().any(|claim| claim.on_both && claim.name == name);
    for service in stack.services.iter().filter(|service| !moves(service, failover)) {
        let Some((volume, _)) = mounted(service).find(|(_, name)| on_both(name)) else { continue };
        let (span, why) = match &service.node {
            Some(node) => (node.span, format!("stays on node `{node}`")),
            None => (service.place, "runs on every node".to_owned()),
        };
        let message = format!("service `{}` mounts what moves with its stack, and {why}", service.key);
        found.push(
            PINNED_AGAINST_FAILOVER
                .at(span, "does not move along", message)
                .because(volume.place, "mounted here")
                .because(failover.place, "the failover")
                .about(service.subject())
                .help("drop `node`: the failover says where the stack runs; or mount something else"),
        );
    }
}

/// Syncthing makes its ID up when it first runs: until the inventory has it, nobody connects.
fn unpaired(stack: &Stack, failover: &Failover, found: &mut Diagnostics) {
    let devices = failover.syncthing.iter().flat_map(|syncthing| &syncthing.devices);
    let strangers: Vec<_> = devices.filter(|device| device.id.is_none()).collect();
    let Some(first) = strangers.first() else { return };
    let lacking: Vec<String> = strangers
        .iter()
        .map(|device| {
            let node = device.name.strip_prefix(device.claim.as_str()).unwrap_or_default();
            format!("`ids.{}.{}`", device.claim, node.trim_start_matches('-'))
        })
        .collect();
    let message = format!(
        "the copies of stack `{}` are not kept alike yet: its failover has no {}",
        stack.name,
        lacking.join(", no ")
    );
    found.push(
        UNPAIRED_SYNCTHING
            .at(failover.place, "they do not know each other", message)
            .about(format!("stacks.{}.failover", stack.name))
            .help(format!(
                "apply the tree, then write what `kubectl -n {} get replicationsource {} -o jsonpath='{{.status.syncthing.ID}}'` prints, and so on",
                stack.namespace, first.name
            )),
    );
}

/// An environment inherits IDs that are another one's: its own Syncthings have others.
fn borrowed_ids(model: &Model, found: &mut Diagnostics) {
    let mut owners: BTreeMap<&str, (&Environment, &Stack)> = BTreeMap::new();
    for environment in &model.environments {
        for stack in &environment.stacks {
            let Some(failover) = stack.failover.as_ref().filter(|failover| !failover.paused) else {
                continue;
            };
            let devices = failover.syncthing.iter().flat_map(|syncthing| &syncthing.devices);
            let mut borrowed = None;
            for id in devices.filter_map(|device| device.id.as_deref()) {
                let (owner, other) = *owners.entry(id).or_insert((environment, stack));
                if owner.name != environment.name || other.name != stack.name {
                    borrowed = Some((owner, other));
                }
            }
            let Some((owner, other)) = borrowed else { continue };
            let message = format!(
                "namespaces `{}` and `{}` have Syncthings of their own, and the inventory gives them the same IDs",
                other.namespace, stack.namespace
            );
            found.push(
                UNPAIRED_SYNCTHING
                    .at(failover.place, format!("in environment `{}`", environment.name), message)
                    .because(other.place, format!("in environment `{}`", owner.name))
                    .about(format!("stacks.{}.failover", stack.name))
                    .about(format!("environments.{}", environment.name))
                    .help("give each environment its own `ids`, or `failover = false` where it needs none"),
            );
        }
    }
}

fn failover(stack: &Stack, found: &mut Diagnostics) {
    let Some(failover) = &stack.failover else { return };
    let about = stack.subject();
    match failover.mover {
        Replication::RsyncTls => {
            schedule(&failover.schedule, &about, found);
            lacking(stack, &failover.secret_key, &["psk.txt"], "rsync over TLS", &about, found);
        }
        Replication::Syncthing => unpaired(stack, failover, found),
    }
    pinned(stack, failover, found);
    // A claim that only pods mount that stay where they are keeps nothing from moving.
    let names = |moving: bool| -> BTreeSet<&str> {
        let services = stack.services.iter().filter(|service| moves(service, failover) == moving);
        services.flat_map(|service| mounted(service)).map(|(_, name)| name).collect()
    };
    let (moving, staying) = (names(true), names(false));
    for claim in &stack.claims {
        let stays = staying.contains(claim.name.as_str()) && !moving.contains(claim.name.as_str());
        if claim.backend != Some(Backend::Local) || claim.on_both || stays {
            continue;
        }
        let message = format!(
            "stack `{}` can fail over to `{}`, and claim `{}` stays on one node's disk",
            stack.name, failover.standby, claim.name
        );
        found.push(
            UNMOVABLE_CLAIM
                .at(claim.place, "on one node", message)
                .because(failover.place, "the failover")
                .about(stack.claim_subject(&claim.name))
                .help("write `local = \"/srv/FOLDER\"` for a folder on both nodes, which is copied; or move it to storage that both reach"),
        );
    }
}
