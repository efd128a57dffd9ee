//! Which claims on one address are one fact told twice.
//!
//! A reference alone proves little: two nodes that both say `ip = "${network.reserved.nas}"` are two machines on
//! one address. Of the claims on an address one stands for another in these cases, and in no others:
//!
//! - A **reserved** address only holds a place. Whoever takes it by a reference, a machine or a load balancer, has
//!   it from then on, and the reserved one is dropped: that address alone, not the others of a list. Two who take it
//!   clash with each other.
//! - An **NFS server** or the **API endpoint** names a machine. One that refers to a machine, or to what that machine
//!   refers to, is told by it; a worker is no place for the API endpoint, though.
//! - Any other **machine** is told by the one that it refers to, except a node: two nodes are two machines. So is what
//!   a node refers to told by the node.
//! - A machine that refers to a **load balancer** is told by it (an NFS server that runs in the cluster), nodes
//!   excepted.
//! - The **load balancer** of a chart or of the Gateway is told by the one that it refers to, and by a service that
//!   refers to it: the Gateway's address and that of the chart which serves it. Of two services each has a Service of
//!   its own: they have to share. So has a Gateway whose controller makes one for each (Envoy Gateway, Cilium, Istio),
//!   and a chart is not the Gateway's if `ingress.chart` names another one.
//! - A load balancer that refers to a **node** has that node's address from servicelb, or from whatever gives out
//!   addresses where the inventory has no load balancer. With servicelb no reference is needed.
//!
//! What refers to something else, or is put together with references, claims its address like any other.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::inventory::load_balancer::Provider;
use crate::model::Model;
use crate::model::claims::{AddressClaim, ClaimKind};

/// Of so many claims on one address that are no services' each stands for itself: something else is wrong there.
const MOST: usize = 64;

/// Marks the claims that another one stands for, and drops the reserved addresses that somebody takes.
pub fn tell(model: &Model, claims: &mut Vec<AddressClaim>) {
    let mut groups: BTreeMap<IpAddr, Vec<usize>> = BTreeMap::new();
    for (at, claim) in claims.iter().enumerate() {
        if matches!(claim.kind, ClaimKind::Host | ClaimKind::LoadBalancer) {
            groups.entry(claim.range.first()).or_default().push(at);
        }
    }
    let mut taken: Vec<usize> = Vec::new();
    for all in groups.into_values() {
        tell_of_nodes(model, claims, &all);
        // Services are told by no service, so that a thousand that share an address are held against few.
        let few: Vec<usize> = all.iter().copied().filter(|at| claims[*at].service.is_none()).collect();
        if few.len() > MOST || all.iter().all(|at| claims[*at].way.is_empty()) {
            continue;
        }
        let reserved: Vec<usize> =
            few.iter().copied().filter(|at| part(&claims[*at]) == Part::Reserved).collect();
        let is_taken = |at: &usize| all.iter().any(|taker| takes(&claims[*taker], &claims[*at]));
        let (gone, held) = reserved.iter().copied().partition(is_taken);
        let group = Group { model, claims, reserved, held };
        let told = all.iter().copied().filter(|at| match claims[*at].service {
            Some(_) => group.tells(&few, *at),
            None => group.tells(&all, *at),
        });
        let told: Vec<usize> = told.collect();
        told.into_iter().for_each(|at| claims[at].told = true);
        taken.extend::<Vec<usize>>(gone);
    }
    taken.sort_unstable();
    let mut at = 0;
    claims.retain(|_| {
        at += 1;
        taken.binary_search(&(at - 1)).is_err()
    });
}

/// What a claim is to those on the same address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Reserved,
    Node,
    /// An NFS server: what it names is a machine that may stand elsewhere.
    Server,
    /// The API endpoint.
    Endpoint,
    /// The gateway, or the virtual address of the control plane.
    Machine,
    Balancer,
}

fn part(claim: &AddressClaim) -> Part {
    let table = claim.subject.split('.').next().unwrap_or_default();
    match (claim.kind, table) {
        (ClaimKind::LoadBalancer, _) => Part::Balancer,
        (_, "nodes") => Part::Node,
        (_, "nfs") => Part::Server,
        _ if claim.subject == "cluster.api-endpoint" => Part::Endpoint,
        _ if claim.subject.starts_with("network.reserved.") => Part::Reserved,
        _ => Part::Machine,
    }
}

/// Whether one claim on an address leads to the other by references.
fn leads(one: &AddressClaim, other: &AddressClaim) -> bool {
    let within = |path: &str| {
        // What an environment changes may be named under it.
        let path = match path.strip_prefix("environments.").and_then(|rest| rest.split_once('.')) {
            Some((_, rest)) => rest,
            None => path,
        };
        let rest = path.strip_prefix(other.subject.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    one.subject != other.subject && one.way.iter().any(|path| within(path))
}

/// Whether a claim takes a reserved address: does more than name the machine that has it.
fn takes(claim: &AddressClaim, reserved: &AddressClaim) -> bool {
    !matches!(part(claim), Part::Reserved | Part::Server | Part::Endpoint) && leads(claim, reserved)
}

/// The claims on one address.
struct Group<'g> {
    model: &'g Model,
    claims: &'g [AddressClaim],
    /// The reserved ones.
    reserved: Vec<usize>,
    /// Those of them that nobody takes.
    held: Vec<usize>,
}

impl Group<'_> {
    /// Whether one of `others` stands for the claim at `at`.
    fn tells(&self, others: &[usize], at: usize) -> bool {
        others.iter().any(|other| *other != at && self.stands_for(*other, at))
    }

    fn stands_for(&self, other: usize, claim: usize) -> bool {
        let (claim, place, other) = (&self.claims[claim], other, &self.claims[other]);
        let (to, from) = (leads(claim, other), leads(other, claim));
        match (part(claim), part(other)) {
            (Part::Node, _) | (Part::Endpoint, Part::Node) => false,
            (Part::Balancer, Part::Node) => to && no_load_balancer(self.model),
            (Part::Balancer, Part::Balancer) if claim.service.is_some() => false,
            (Part::Balancer, Part::Balancer) if self.apart_from_gateway(claim, other) => false,
            (Part::Balancer, Part::Balancer) if other.service.is_some() => to || from,
            (Part::Balancer, Part::Balancer) => to && !from,
            (Part::Balancer, _) => false,
            (_, Part::Balancer) => to,
            (Part::Reserved, Part::Reserved) => to && !from,
            (_, Part::Reserved) => to && self.held.contains(&place),
            (Part::Server, Part::Node) | (Part::Server | Part::Endpoint, Part::Machine) => {
                to || from || self.meet(claim, other)
            }
            (_, Part::Node) => to || from,
            _ => to && !from,
        }
    }

    /// Whether the one is the Gateway, and the other surely not what serves it: its controller makes it a load balancer of
    /// its own, which at most a chart names, or another chart serves the hosts.
    fn apart_from_gateway(&self, one: &AddressClaim, other: &AddressClaim) -> bool {
        let gateway = |claim: &AddressClaim| claim.subject == "ingress.gateway";
        let other = match (gateway(one), gateway(other)) {
            (true, false) => other,
            (false, true) => one,
            _ => return false,
        };
        match other.subject.strip_prefix("charts.") {
            Some(chart) => {
                let serving = self.model.ingress.as_ref().and_then(|ingress| ingress.chart.as_deref());
                serving.is_some_and(|serving| serving != chart)
            }
            None => self.model.gateway_with_load_balancer().is_some(),
        }
    }

    /// Whether two claims lead to one reserved address.
    fn meet(&self, one: &AddressClaim, other: &AddressClaim) -> bool {
        let mut reserved = self.reserved.iter().map(|at| &self.claims[*at]);
        reserved.any(|reserved| leads(one, reserved) && leads(other, reserved))
    }
}

/// Whether the inventory says nothing of what gives out addresses.
fn no_load_balancer(model: &Model) -> bool {
    model.pools().is_empty() && matches!(model.load_balancer.provider, Provider::Metallb | Provider::Cilium)
}

/// With servicelb a load balancer has the addresses of the nodes.
fn tell_of_nodes(model: &Model, claims: &mut [AddressClaim], group: &[usize]) {
    let of_node = group.iter().any(|at| part(&claims[*at]) == Part::Node);
    if !of_node || model.load_balancer.provider != Provider::Servicelb {
        return;
    }
    for at in group {
        let claim = &mut claims[*at];
        claim.told |= claim.kind == ClaimKind::LoadBalancer;
    }
}
