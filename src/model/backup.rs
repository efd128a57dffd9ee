//! Backups of claims by VolSync, and failover between two nodes.

use serde::Serialize;
use serde_json::Value as Json;

use crate::cron;
use crate::inventory;
use crate::inventory::MISSING_KEY;
use crate::inventory::backup::{BackupTable, CopyMethod, Mover, Replication, Retain};
use crate::inventory::record::Decode;
use crate::inventory::storage::Backend;
use crate::inventory::value::{OrOff, PassthroughTable, Text};
use crate::model::environment::Around;
use crate::model::naming::{NameKind, optional_name, report_unknown};
use crate::model::port::check_port;
use crate::model::references::{QuantityValue, Resolver};
use crate::model::service_backup::of_services;
use crate::model::stack::{Stack, known_secret};
use crate::model::storage::Claim;
use crate::model::syncthing::{Syncthing, lower_syncthing};
use crate::model::texts::optional;
use crate::model::{BAD_VALUE, CONFLICTING_KEYS, Model};
use crate::source::{Span, Spanned};

/// A copy of a claim elsewhere, made by schedule.
#[derive(Clone, Debug, Serialize)]
pub struct Backup {
    /// The claim, by its name in the inventory.
    pub claim: String,
    /// The claim that is read, by its name in Kubernetes.
    pub source: String,
    /// What carries the data.
    pub mover: Mover,
    /// The Secret that opens the destination.
    pub secret: String,
    /// When.
    pub schedule: Spanned<String>,
    /// Whether it rests.
    pub paused: bool,
    /// How many versions are kept: `daily` and so on.
    pub retain: Vec<(&'static str, i64)>,
    /// What is read meanwhile.
    pub copy_method: CopyMethod,
    /// The class of the copy.
    pub class: Option<String>,
    /// The class of the snapshot.
    pub snapshot_class: Option<String>,
    /// The size of restic's cache.
    pub cache: Option<Spanned<QuantityValue>>,
    /// The class of restic's cache.
    pub cache_class: Option<String>,
    /// After how many days restic prunes.
    pub prune_interval_days: i64,
    /// The section of rclone.conf.
    pub rclone_section: Option<String>,
    /// The path there.
    pub rclone_path: String,
    /// Where the other cluster listens.
    pub address: Option<String>,
    /// The port there.
    pub port: Option<i64>,
    /// The mover's security context.
    pub mover_security_context: Json,
    /// Whenever it changes, the data is fetched back.
    pub restore: Option<String>,
    /// The point in time that is fetched back.
    pub restore_as_of: Option<String>,
    /// The secret by its name in the inventory, for rules.
    #[serde(skip)]
    pub secret_key: Spanned<String>,
    /// Where the inventory says how, for rules.
    #[serde(skip)]
    pub place: Span,
}

/// Two nodes that can both run a stack.
#[derive(Clone, Debug, Serialize)]
pub struct Failover {
    /// The usual node.
    pub primary: String,
    /// The other.
    pub standby: String,
    /// The one that runs the stack.
    pub active: String,
    /// The one that gets the data.
    pub passive: String,
    /// What copies.
    pub mover: Replication,
    /// Syncthing's own, where it copies.
    pub syncthing: Option<Syncthing>,
    /// When data is copied.
    pub schedule: Spanned<String>,
    /// The Secret that both ends share.
    pub secret: Option<String>,
    /// Whether copying rests.
    pub paused: bool,
    /// The movers' security context.
    pub mover_security_context: Json,
    /// The secret by its name in the inventory, for rules.
    #[serde(skip)]
    pub secret_key: Spanned<String>,
    /// The place of the table.
    #[serde(skip)]
    pub place: Span,
}

/// Lowers a stack's failover. Without two nodes there is none.
pub fn lower_failover(
    resolver: &mut Resolver<'_>,
    model: &Model,
    table: Option<&OrOff<inventory::backup::Failover>>,
) -> Option<Failover> {
    let table = table?.on()?;
    let primary = known_node(resolver, model, table.primary.as_ref()?)?;
    let standby = known_node(resolver, model, table.standby.as_ref()?)?;
    if primary.value == standby.value {
        resolver.found.push(
            BAD_VALUE
                .at(standby.span, "the same node", format!("`{primary}` cannot stand in for itself"))
                .because(primary.span, "the primary")
                .help("name another node"),
        );
        return None;
    }
    let active = table.active.as_ref().map(|text| resolver.text(text)).unwrap_or_else(|| primary.clone());
    if active.value != primary.value && active.value != standby.value {
        resolver.found.push(
            BAD_VALUE
                .at(
                    active.span,
                    "neither of the two",
                    format!("`{active}` is neither the primary nor the standby"),
                )
                .because(primary.span, "the primary")
                .because(standby.span, "the standby")
                .help(format!("write `active = \"{primary}\"` or `active = \"{standby}\"`")),
        );
        return None;
    }
    let passive = if active.value == primary.value { &standby } else { &primary };
    let schedule = table.schedule.as_ref().map(|text| spelled_out(resolver, text));
    Some(Failover {
        passive: passive.value.clone(),
        primary: primary.value.clone(),
        standby: standby.value,
        active: active.value,
        mover: table.mover.map_or(Replication::RsyncTls, |mover| mover.value),
        syncthing: None,
        schedule: schedule.unwrap_or_else(|| Spanned::new("*/15 * * * *".to_owned(), table.span)),
        secret: None,
        paused: table.paused.is_some_and(|flag| flag.value),
        mover_security_context: context(resolver, table.mover_security_context.as_ref()),
        secret_key: table.secret.as_ref().map(|text| resolver.text(text)).unwrap_or_default(),
        place: table.span,
    })
}

fn known_node(
    resolver: &mut Resolver<'_>,
    model: &Model,
    name: &inventory::value::Text,
) -> Option<Spanned<String>> {
    let name = resolver.text(name);
    if model.node(&name).is_some() {
        return Some(name);
    }
    let known = resolver.known(model.nodes.iter().map(|node| node.name.as_str()));
    report_unknown(resolver, &name, "node", &known);
    None
}

fn context(resolver: &mut Resolver<'_>, table: Option<&PassthroughTable>) -> Json {
    table.map(|table| resolver.value(&table.0)).unwrap_or_default()
}

/// Adds what copies a stack's claims: backups, and the secret of its failover.
pub fn lower_backups(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    stack: &mut Stack,
    table: &inventory::stack::Stack,
) {
    if let Some(mut failover) = stack.failover.take() {
        if !failover.secret_key.is_empty() {
            failover.secret =
                known_secret(resolver, Some(stack), &failover.secret_key).map(|secret| secret.name.clone());
        }
        if let Some(table) = table.failover.as_ref().and_then(OrOff::on) {
            report_useless(resolver, &failover, table, &stack.name, around.complete);
            if failover.mover == Replication::Syncthing {
                let known =
                    lower_syncthing(resolver, around.model, &failover, table, &stack.claims, &stack.name);
                failover.syncthing = Some(known);
            }
        }
        stack.failover = Some(failover);
    }
    let defaults = resolver.inventory.tables.backup.clone().unwrap_or_default();
    if let Some(restore) = &defaults.restore {
        resolver.found.push(
            CONFLICTING_KEYS
                .at(
                    restore.span,
                    "every claim at once",
                    "`[backup]` has `restore`, which would fetch every claim back".to_owned(),
                )
                .help("write it into the `backup` of the claim that is to be fetched back"),
        );
    }
    let by_services = of_services(resolver, around, &stack.name, &table.claims);
    let mut backups = Vec::new();
    for claim in &stack.claims {
        let Some(entry) = table.claims.get(&claim.name) else { continue };
        let shared = by_services.get(&claim.name);
        let (merged, place) = match (shared, &entry.backup) {
            (_, Some(OrOff::Off(_))) | (None, None) => continue,
            (Some(shared), None) => (defaults.merged(shared), shared.span),
            (None, Some(OrOff::On(own))) => (defaults.merged(&own.0), own.0.span),
            (Some(shared), Some(OrOff::On(own))) => (defaults.merged(shared).merged(&own.0), own.0.span),
        };
        backups.extend(lower_backup(resolver, stack, claim, &merged, place, around.complete));
    }
    stack.backups = backups;
}

/// rsync opens its connection with a secret and goes by a schedule; Syncthing does neither.
fn report_useless(
    resolver: &mut Resolver<'_>,
    failover: &Failover,
    table: &inventory::backup::Failover,
    stack: &str,
    complete: bool,
) {
    let syncthing = failover.mover == Replication::Syncthing;
    if !syncthing && table.secret.is_none() && complete {
        resolver.found.push(
            MISSING_KEY
                .at(table.span, "`secret` is missing here", format!("`stacks.{stack}.failover` needs `secret`"))
                .about(format!("stacks.{stack}.failover"))
                .help("add `secret`: the secret with the key `psk.txt` that both ends share; or `mover = \"syncthing\"`"),
        );
    }
    let of_rsync = [
        ("schedule", table.schedule.as_ref().map(|text| text.span)),
        ("secret", table.secret.as_ref().map(|text| text.span)),
    ];
    let of_syncthing = [
        ("config-class", table.config_class.as_ref().map(|text| text.span)),
        ("config-size", table.config_size.as_ref().map(|size| size.0.span)),
        ("ids", table.ids.values().next().map(|entry| entry.key)),
    ];
    let (useless, mover) =
        if syncthing { (&of_rsync[..], "syncthing") } else { (&of_syncthing[..], "rsync-tls") };
    for (key, span) in useless.iter().filter_map(|(key, span)| Some((key, (*span)?))) {
        resolver.found.push(
            CONFLICTING_KEYS
                .at(span, "without effect", format!("`{key}` is not for a failover by {mover}"))
                .about(format!("stacks.{stack}.failover"))
                .help(format!("drop `{key}`")),
        );
    }
}

fn lower_backup(
    resolver: &mut Resolver<'_>,
    stack: &Stack,
    claim: &Claim,
    table: &BackupTable,
    place: Span,
    complete: bool,
) -> Option<Backup> {
    let about = stack.claim_subject(&claim.name);
    let Some(secret) = &table.secret else {
        if complete {
            resolver.found.push(
                MISSING_KEY
                    .at(place, "where to?", format!("the backup of claim `{}` has no `secret`", claim.name))
                    .about(about)
                    .help("add `secret`: a secret of the stack with RESTIC_REPOSITORY and RESTIC_PASSWORD"),
            );
        }
        return None;
    };
    let secret = resolver.text(secret);
    let known = known_secret(resolver, Some(stack), &secret)?;
    let mover = table.mover.map_or(Mover::Restic, |mover| mover.value);
    let rclone_section = optional(resolver, table.rclone_section.as_ref());
    let address = optional(resolver, table.address.as_ref());
    let lacks = match mover {
        Mover::Rclone if rclone_section.is_none() => {
            Some(("rclone-section", "the name in brackets in rclone.conf"))
        }
        Mover::RsyncTls if address.is_none() => {
            Some(("address", "where the other cluster's ReplicationDestination listens"))
        }
        _ => None,
    };
    if let Some((key, what)) = lacks.filter(|_| complete) {
        let message = format!("the backup of claim `{}` by {} has no `{key}`", claim.name, mover.word());
        resolver.found.push(
            MISSING_KEY
                .at(place, format!("no `{key}`"), message)
                .about(about)
                .help(format!("add `{key}`: {what}")),
        );
    }
    if let (Mover::RsyncTls, Some(restore)) = (mover, &table.restore) {
        resolver.found.push(
            CONFLICTING_KEYS
                .at(
                    restore.span,
                    "nothing to fetch",
                    format!("claim `{}` has `restore`, and rsync only sends", claim.name),
                )
                .help("copy the other way from the other cluster: it has a `backup` of its own"),
        );
    }
    check_port(resolver, table.port.as_ref());
    for days in table.prune_interval_days.iter().filter(|days| days.value < 1) {
        resolver.found.push(BAD_VALUE.at(
            days.span,
            "less than one",
            format!("`{days}` is no number of days"),
        ));
    }
    let schedule = table.schedule.as_ref().map(|text| spelled_out(resolver, text));
    let default_copy =
        if claim.backend == Some(Backend::Block) { CopyMethod::Snapshot } else { CopyMethod::Direct };
    Some(Backup {
        claim: claim.name.clone(),
        source: claim.mounted.clone(),
        secret: known.name.clone(),
        schedule: schedule.unwrap_or_else(|| Spanned::new(nightly(&stack.name, &claim.name), place)),
        paused: table.paused.is_some_and(|flag| flag.value),
        retain: retain(resolver, table.retain.as_ref()),
        copy_method: table.copy_method.map_or(default_copy, |method| method.value),
        class: optional_name(resolver, table.class.as_ref(), "a storage class", NameKind::Subdomain),
        snapshot_class: optional_name(
            resolver,
            table.snapshot_class.as_ref(),
            "a snapshot class",
            NameKind::Subdomain,
        ),
        cache: table.cache.as_ref().and_then(|size| resolver.quantity(size)),
        cache_class: optional_name(
            resolver,
            table.cache_class.as_ref(),
            "a storage class",
            NameKind::Subdomain,
        ),
        prune_interval_days: table.prune_interval_days.map_or(14, |days| days.value),
        rclone_path: optional(resolver, table.rclone_path.as_ref())
            .unwrap_or_else(|| format!("{}/{}", stack.namespace.value, claim.name)),
        rclone_section,
        address,
        port: table.port.map(|port| port.value),
        mover_security_context: context(resolver, table.mover_security_context.as_ref()),
        restore: optional(resolver, table.restore.as_ref()),
        restore_as_of: point_in_time(resolver, table.restore_as_of.as_ref()),
        mover,
        secret_key: secret,
        place,
    })
}

/// A point in time as RFC 3339 has it: VolSync takes no other.
fn point_in_time(resolver: &mut Resolver<'_>, text: Option<&Text>) -> Option<String> {
    let time = resolver.text(text?);
    if !time.contains("${") && !is_point_in_time(&time) {
        let message = format!("`{time}` is no point in time");
        let finding = BAD_VALUE.at(time.span, "cannot be read", message);
        resolver.found.push(finding.help("write date, time and zone: `2026-01-31T03:00:00Z`"));
    }
    Some(time.value)
}

fn is_point_in_time(text: &str) -> bool {
    let shape = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                wanted => byte == wanted,
            })
    };
    let Some((time, rest)) = text.split_at_checked(19) else { return false };
    let rest =
        rest.strip_prefix('.').map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    let number = |from: usize| text.get(from..from + 2).and_then(|text| text.parse::<u32>().ok());
    let within = |from: usize, least: u32, most: u32| {
        number(from).is_some_and(|number| (least..=most).contains(&number))
    };
    shape(time, "0000-00-00T00:00:00")
        && (rest == "Z" || shape(rest, "+00:00") || shape(rest, "-00:00"))
        && within(5, 1, 12)
        && within(8, 1, 31)
        && within(11, 0, 23)
        && within(14, 0, 59)
        && within(17, 0, 59)
}

/// A schedule in numbers: VolSync's kinds refuse names and lists of ranges.
fn spelled_out(resolver: &mut Resolver<'_>, text: &Text) -> Spanned<String> {
    let written = resolver.text(text);
    Spanned::new(cron::spelled_out(&written), written.span)
}

/// Between two and four at night, at a minute that depends on the claim's name: not all at once.
fn nightly(stack: &str, claim: &str) -> String {
    let sum = stack.bytes().chain(*b"/").chain(claim.bytes());
    let sum = sum.fold(5381_u32, |sum, byte| sum.wrapping_mul(33) ^ u32::from(byte));
    format!("{} {} * * *", sum % 60, 2 + sum / 60 % 2)
}

fn retain(resolver: &mut Resolver<'_>, table: Option<&Retain>) -> Vec<(&'static str, i64)> {
    let Some(table) = table else { return vec![("daily", 7), ("weekly", 4), ("monthly", 6)] };
    let given = [
        ("hourly", table.hourly),
        ("daily", table.daily),
        ("weekly", table.weekly),
        ("monthly", table.monthly),
        ("yearly", table.yearly),
    ];
    for count in given.iter().filter_map(|(_, count)| *count).filter(|count| count.value < 0) {
        resolver.found.push(BAD_VALUE.at(
            count.span,
            "below nothing",
            format!("`{count}` is no number of versions"),
        ));
    }
    given.into_iter().filter_map(|(name, count)| Some((name, count?.value))).collect()
}

#[cfg(test)]
mod tests {
    use super::is_point_in_time;

    #[test]
    fn points_in_time() {
        for good in ["2026-01-31T03:00:00Z", "2026-01-31T03:00:00.25Z", "2026-01-31T23:59:59+01:00"] {
            assert!(is_point_in_time(good), "{good}");
        }
        for bad in [
            "",
            "2026-01-31",
            "2026-01-31 03:00:00Z",
            "2026-13-31T03:00:00Z",
            "2026-01-31T03:00:00",
            "é026-01-31T03:00:00Z",
        ] {
            assert!(!is_point_in_time(bad), "{bad}");
        }
    }
}
