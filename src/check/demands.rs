//! How many addresses those who want any of them need at least, however they share.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::address::Family;
use crate::check::exhaustion::{Wanting, Who, slot};
use crate::check::sharing::{Bond, PortPair, asking, bond, ports_of, ports_of_gateway};
use crate::inventory::load_balancer::Provider;
use crate::model::Model;
use crate::model::claims::{AddressClaim, ClaimKind};

/// One address that is wanted.
pub struct Demand {
    /// By whom: an index.
    pub by: usize,
    /// The places that it may come from.
    pub places: Vec<usize>,
}

/// Who may share addresses with one another as far as their ports differ.
#[derive(Default)]
struct Group {
    /// Who wants any: indexes.
    wanting: Vec<usize>,
    /// The fixed addresses that they may join.
    fixed: BTreeMap<IpAddr, Fixed>,
}

/// A fixed address that others may join.
struct Fixed {
    slot: usize,
    ports: BTreeSet<PortPair>,
}

/// The addresses that are surely wanted, and how many each place has. Nobody is sure of more: of those that may share,
/// who have one port in common need an address each, and all others may ride along with them. A fixed address that they
/// may join, and that does not have this port yet, has room for one of them: a place beside the slots.
pub fn demands(model: &Model, wanting: &[Wanting<'_>], mut left: Vec<u128>) -> (Vec<Demand>, Vec<u128>) {
    let mut groups = fixed(model);
    let mut demands: Vec<Demand> = Vec::new();
    for (by, one) in wanting.iter().enumerate() {
        // Whom no pool serves nobody can take along.
        match bond_of(model, one).filter(|_| !one.choice.slots.is_empty()) {
            Some(bond) => groups.entry(bond).or_default().wanting.push(by),
            None => demands.push(Demand { by, places: one.choice.slots.clone() }),
        }
    }
    for group in groups.values() {
        for (some, fixed) in apart(group, wanting) {
            demands.extend(of_those(model, wanting, &some, &fixed, &mut left));
        }
    }
    demands.sort_by_key(|demand| demand.by);
    (demands, left)
}

/// With whom somebody may share. A pool of kube-vip shares without a key, and only addresses of IPv4.
fn bond_of<'m>(model: &Model, wanting: &Wanting<'m>) -> Option<Bond<'m>> {
    if model.load_balancer.provider == Provider::KubeVip {
        let shares = |at: &usize| shared_by_pool(model, *at);
        return wanting.choice.slots.iter().any(shares).then_some(Bond::Pool);
    }
    match wanting.who {
        Who::Service(asking, _) => bond(asking),
        Who::Gateway(_) => None,
    }
}

/// Whether the addresses of a slot are shared by their pool.
fn shared_by_pool(model: &Model, at: usize) -> bool {
    at.is_multiple_of(2) && model.pools()[at / 2].allow_share
}

/// The fixed addresses that others may join, by who may.
fn fixed(model: &Model) -> BTreeMap<Bond<'_>, Group> {
    let mut groups: BTreeMap<Bond<'_>, Group> = BTreeMap::new();
    for claim in model.claims.iter().filter(|claim| claim.kind == ClaimKind::LoadBalancer) {
        let address = claim.range.first();
        let Some(slot) = model.pool_at(address).map(|pool| slot(pool, Family::of(address))) else { continue };
        let asking = claim.service.and_then(|place| asking(model, place));
        let bond = match model.load_balancer.provider {
            Provider::KubeVip => shared_by_pool(model, slot).then_some(Bond::Pool),
            _ => asking.and_then(bond),
        };
        let Some(bond) = bond else { continue };
        let of_address = groups.entry(bond).or_default().fixed.entry(address);
        let fixed = of_address.or_insert_with(|| Fixed { slot, ports: BTreeSet::new() });
        fixed.ports.extend(ports_of_claim(model, claim));
    }
    groups
}

/// The ports of whoever has an address. Those of a chart are unknown.
fn ports_of_claim(model: &Model, claim: &AddressClaim) -> BTreeSet<PortPair> {
    if let Some(place) = claim.service {
        return ports_of(model, model.service_at(place));
    }
    let gateway = model.ingress.as_ref().and_then(|ingress| ingress.written_gateway.as_ref());
    let own = gateway.filter(|_| claim.subject == "ingress.gateway");
    own.map(|gateway| ports_of_gateway(model, gateway)).unwrap_or_default()
}

fn ports_of_wanting(model: &Model, wanting: &Wanting<'_>) -> BTreeSet<PortPair> {
    match wanting.who {
        Who::Service((service, _), _) => ports_of(model, service),
        Who::Gateway(gateway) => ports_of_gateway(model, gateway),
    }
}

/// Those of a group that have no slot in common with the others share nothing with them.
fn apart<'g>(group: &'g Group, wanting: &[Wanting<'_>]) -> Vec<(Vec<usize>, Vec<&'g Fixed>)> {
    let mut leads: BTreeMap<usize, usize> = BTreeMap::new();
    for by in &group.wanting {
        let mut slots = wanting[*by].choice.slots.iter();
        let Some(first) = slots.next() else { continue };
        let mut first = root(&mut leads, *first);
        for slot in slots {
            let other = root(&mut leads, *slot);
            // The lesser leads.
            leads.insert(first.max(other), first.min(other));
            first = first.min(other);
        }
    }
    let mut parts: BTreeMap<usize, (Vec<usize>, Vec<&Fixed>)> = BTreeMap::new();
    for by in &group.wanting {
        let Some(first) = wanting[*by].choice.slots.first() else { continue };
        parts.entry(root(&mut leads, *first)).or_default().0.push(*by);
    }
    for fixed in group.fixed.values() {
        if let Some((_, joined)) = parts.get_mut(&root(&mut leads, fixed.slot)) {
            joined.push(fixed);
        }
    }
    parts.into_values().collect()
}

/// The slot that stands for all that are joined with this one.
fn root(leads: &mut BTreeMap<usize, usize>, slot: usize) -> usize {
    let mut at = slot;
    while let Some(next) = leads.get(&at).copied().filter(|next| *next != at) {
        at = next;
    }
    leads.insert(slot, at);
    at
}

/// Those with the port that most have.
fn of_those(
    model: &Model,
    wanting: &[Wanting<'_>],
    some: &[usize],
    fixed: &[&Fixed],
    left: &mut Vec<u128>,
) -> Vec<Demand> {
    let mut count: BTreeMap<PortPair, usize> = BTreeMap::new();
    let ports: Vec<BTreeSet<PortPair>> =
        some.iter().map(|by| ports_of_wanting(model, &wanting[*by])).collect();
    // A fixed address that has the port has no room for it.
    for port in ports.iter().chain(fixed.iter().map(|fixed| &fixed.ports)).flatten() {
        *count.entry(*port).or_default() += 1;
    }
    let wanted: BTreeSet<PortPair> = ports.iter().flatten().copied().collect();
    let most = wanted.into_iter().max_by_key(|port| (count[port], std::cmp::Reverse(*port)));
    let mut rooms: BTreeMap<usize, usize> = BTreeMap::new();
    for fixed in fixed.iter().filter(|fixed| most.is_none_or(|port| !fixed.ports.contains(&port))) {
        let room = *rooms.entry(fixed.slot).or_insert_with(|| {
            left.push(0);
            left.len() - 1
        });
        left[room] += 1;
    }
    let has = |ports: &BTreeSet<PortPair>| most.is_none_or(|port| ports.contains(&port));
    let all = some.iter().zip(&ports).filter(|(_, ports)| has(ports));
    // Who has no port at all can ride along with anybody.
    let sure = if most.is_none() { 1 } else { some.len() };
    all.take(sure)
        .map(|(by, _)| {
            let slots = &wanting[*by].choice.slots;
            let joined = slots.iter().filter_map(|slot| rooms.get(slot).copied());
            Demand { by: *by, places: slots.iter().copied().chain(joined).collect() }
        })
        .collect()
}
