//! Backups that services ask for: of every claim that they mount.

use std::collections::{BTreeMap, BTreeSet};

use crate::inventory;
use crate::inventory::backup::BackupTable;
use crate::inventory::value::OrOff;
use crate::model::environment::Around;
use crate::model::references::Resolver;
use crate::model::{BAD_VALUE, CONFLICTING_KEYS};

/// What the services of a stack say of the claims that they mount, by claim.
pub fn of_services(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    stack: &str,
    claims: &inventory::record::Map<inventory::stack::Claim>,
) -> BTreeMap<String, BackupTable> {
    let mut wanted: BTreeMap<String, (String, BackupTable)> = BTreeMap::new();
    for name in around.saved.get(stack).into_iter().flatten() {
        let Some((table, mounted)) = asked(resolver, name) else { continue };
        let about = format!("services.{name}");
        if let Some(restore) = &table.restore {
            resolver.found.push(
                CONFLICTING_KEYS
                    .at(
                        restore.span,
                        "every claim of it at once",
                        format!("the `backup` of service `{name}` has `restore`, which is for one claim"),
                    )
                    .about(about.clone())
                    .help("write it into the `backup` of the claim that is to be fetched back"),
            );
        }
        if mounted.is_empty() {
            resolver.found.push(
                BAD_VALUE
                    .at(
                        table.span,
                        "nothing to save",
                        format!("service `{name}` mounts no claim, and has a `backup`"),
                    )
                    .about(about.clone())
                    .help("mount a claim with `volumes`, or drop it"),
            );
        }
        for claim in mounted {
            // What a claim says of itself counts for it, key by key; `false` leaves it out.
            if !claims.contains_key(&claim) {
                continue;
            }
            let Some((first, other)) = wanted.get(&claim) else {
                wanted.insert(claim, (name.clone(), table.clone()));
                continue;
            };
            if claims[&claim].backup.is_none() {
                resolver.found.push(
                    CONFLICTING_KEYS
                        .at(
                            table.span,
                            "saved once more",
                            format!("services `{first}` and `{name}` both save claim `{claim}`"),
                        )
                        .because(other.span, format!("by service `{first}`"))
                        .about(about.clone())
                        .help(format!(
                            "write `backup` into `stacks.{stack}.claims.{claim}`: what it says counts"
                        )),
                );
            }
        }
    }
    wanted.into_iter().map(|(claim, (_, table))| (claim, table)).collect()
}

/// The backup of a service, and the claims that it mounts.
fn asked(resolver: &Resolver<'_>, name: &str) -> Option<(BackupTable, BTreeSet<String>)> {
    let service = resolver.service(name)?;
    let table = service.backup.as_ref().and_then(OrOff::on)?.0.clone();
    let volumes = service.volumes.values().filter_map(|entry| entry.value.on());
    let claims = volumes.filter_map(|volume| volume.claim.as_ref());
    Some((table, claims.map(|claim| resolver.quiet_text(claim)).collect()))
}
