//! A failover by Syncthing: who keeps which copy, and whom each knows.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::inventory;
use crate::inventory::MISSING_KEY;
use crate::model::backup::Failover;
use crate::model::naming::report_unknown;
use crate::model::references::{QuantityValue, Resolver};
use crate::model::storage::Claim;
use crate::model::{BAD_VALUE, Model};
use crate::source::{Span, Spanned};

/// What keeps the copies of a stack's claims alike, in both directions.
#[derive(Clone, Debug, Serialize)]
pub struct Syncthing {
    /// The class of the volumes with its keys and settings.
    pub config_class: Option<String>,
    /// Their size.
    pub config_size: Option<Spanned<QuantityValue>>,
    /// One for each copy.
    pub devices: Vec<Device>,
    /// The namespace from which VolSync asks and tells them, if the inventory installs it.
    pub controller: Option<String>,
}

/// The Syncthing that keeps one copy of a claim.
#[derive(Clone, Debug, Serialize)]
pub struct Device {
    /// The copy, by its name in Kubernetes.
    pub name: String,
    /// The devices that it connects to; none as long as their IDs are not known, or while copying rests.
    pub peers: Vec<Peer>,
    /// Its own ID, if the inventory has it.
    #[serde(skip)]
    pub id: Option<String>,
    /// Its claim, by its name in the inventory.
    #[serde(skip)]
    pub claim: String,
}

/// A device as another one knows it.
#[derive(Clone, Debug, Serialize)]
pub struct Peer {
    /// Its ID.
    pub id: String,
    /// Where it listens: the Service that VolSync makes for it.
    pub address: String,
}

/// Lowers what Syncthing alone needs to know.
pub fn lower_syncthing(
    resolver: &mut Resolver<'_>,
    model: &Model,
    failover: &Failover,
    table: &inventory::backup::Failover,
    claims: &[Claim],
    stack: &str,
) -> Syncthing {
    let ids = lower_ids(resolver, failover, table, claims);
    let id = |copy: &str| ids.get(copy).map(|id| id.value.clone());
    let mut devices = Vec::new();
    for claim in claims.iter().filter(|claim| claim.on_both) {
        for copy in &claim.copies {
            let others = claim.copies.iter().filter(|other| other.name != copy.name && !failover.paused);
            let peers = others.filter_map(|other| {
                let address = format!("tcp://volsync-{}-data:22000", other.name);
                Some(Peer { id: id(&other.name)?, address })
            });
            devices.push(Device {
                name: copy.name.clone(),
                peers: peers.collect(),
                id: id(&copy.name),
                claim: claim.name.clone(),
            });
        }
    }
    let controller = model.charts.iter().find(|chart| chart.chart == "volsync");
    Syncthing {
        config_class: config_class(resolver, model, table, stack),
        config_size: table.config_size.as_ref().and_then(|size| resolver.quantity(size)),
        devices,
        controller: controller.map(|chart| chart.namespace.value.clone()),
    }
}

/// The data's own class, which VolSync would take, provisions nothing: those volumes are folders of the nodes.
fn config_class(
    resolver: &mut Resolver<'_>,
    model: &Model,
    table: &inventory::backup::Failover,
    stack: &str,
) -> Option<String> {
    let known: Vec<&str> = model.storage_classes.iter().map(|class| class.name.as_str()).collect();
    if let Some(given) = table.config_class.as_ref().map(|text| resolver.text(text)) {
        if !known.is_empty() && !known.contains(&given.as_str()) {
            report_unknown(resolver, &given, "storage class", &known);
        }
        return Some(given.value);
    }
    let default = model.storage_classes.iter().find(|class| class.default).map(|class| class.name.clone());
    if default.is_none() {
        resolver.found.push(
            MISSING_KEY
                .at(
                    table.span,
                    "`config-class` is missing here",
                    format!("Syncthing of stack `{stack}` has no storage class for its keys and settings"),
                )
                .about(format!("stacks.{stack}.failover"))
                .help("add `config-class`: a storage class that makes volumes, such as k3s' `local-path`"),
        );
    }
    default
}

/// The IDs by the copies they are of.
fn lower_ids(
    resolver: &mut Resolver<'_>,
    failover: &Failover,
    table: &inventory::backup::Failover,
    claims: &[Claim],
) -> BTreeMap<String, Spanned<String>> {
    let mut ids: BTreeMap<String, Spanned<String>> = BTreeMap::new();
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    let on_both = || claims.iter().filter(|claim| claim.on_both).map(|claim| claim.name.as_str());
    let nodes = [failover.primary.as_str(), failover.standby.as_str()];
    for (claim, of_nodes) in &table.ids {
        if !on_both().any(|name| name == claim) {
            let known = resolver.known(on_both());
            let name = Spanned::new(claim.clone(), of_nodes.key);
            report_unknown(resolver, &name, "claim of this failover", &known);
            continue;
        }
        for (node, text) in &of_nodes.value {
            if !nodes.contains(&node.as_str()) {
                let name = Spanned::new(node.clone(), text.key);
                report_unknown(resolver, &name, "node of this failover", &nodes);
                continue;
            }
            let id = resolver.text(text);
            if let Err(why) = check_id(&id) {
                let message = format!("`{id}` is no ID of Syncthing: {why}");
                resolver.found.push(BAD_VALUE.at(id.span, "not an ID", message).help(
                    "copy it as `status.syncthing.ID` of the ReplicationSource has it: eight groups of seven",
                ));
                continue;
            }
            if let Some(first) = seen.insert(id.value.clone(), id.span) {
                resolver.found.push(
                    BAD_VALUE
                        .at(id.span, "the same ID", format!("`{id}` is given twice"))
                        .because(first, "given here, too")
                        .help("each copy has a Syncthing with an ID of its own"),
                );
                continue;
            }
            ids.insert(format!("{claim}-{node}"), id);
        }
    }
    ids
}

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// VolSync compares IDs as they are written, so only Syncthing's own spelling will do. Every fourteenth letter
/// is a check of the thirteen before it.
fn check_id(id: &str) -> Result<(), &'static str> {
    let groups: Vec<&str> = id.split('-').collect();
    if groups.len() != 8 || groups.iter().any(|group| group.len() != 7) {
        return Err("an ID has eight groups of seven letters");
    }
    let place = |byte: u8| LETTERS.iter().position(|letter| *letter == byte);
    let letters: Option<Vec<usize>> = groups.concat().bytes().map(place).collect();
    let letters = letters.ok_or("it has A to Z and 2 to 7 only")?;
    let fits =
        letters.chunks(14).all(|part| part.split_last().is_some_and(|(last, rest)| *last == check(rest)));
    if fits { Ok(()) } else { Err("a letter is wrong, by its check letters") }
}

/// The check letter of a part, after Luhn.
fn check(part: &[usize]) -> usize {
    let weigh = |(at, letter): (usize, &usize)| letter * (1 + at % 2);
    let sum: usize = part.iter().enumerate().map(weigh).map(|weight| weight / 32 + weight % 32).sum();
    (32 - sum % 32) % 32
}

#[cfg(test)]
mod tests {
    use super::check_id;

    #[test]
    fn ids_are_checked_letter_by_letter() {
        let id = "GVONGZX-6FVQPEY-4QWTVLK-TXNJUHA-5UGA625-UBC7HZQ-P5BG2XJ-EHJ4XQ3";
        assert_eq!(check_id(id), Ok(()));
        assert!(check_id(&id.replace("GVO", "GOV")).is_err());
        assert!(check_id(&id.to_lowercase()).is_err());
        assert!(check_id(&id.replace('-', "")).is_err());
        assert!(check_id("ä").is_err());
        assert!(check_id("ääää-").is_err());
    }
}
