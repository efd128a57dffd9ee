//! The sweep: what two claims on one address mean, which of them is at fault, and the way out.

use crate::address::{Pairs, Range, RangeSet, sweep};
use crate::check::addresses::{
    ADDRESS_IN_DHCP, DUPLICATE_ADDRESS, HOST_IN_DHCP, MOST_PARTNERS, OVERLAPPING_DHCP, OVERLAPPING_POOLS,
    Offers, POOL_HOLDS_HOST, POOL_IN_DHCP, sweep_claims,
};
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::model::Model;
use crate::model::claims::{AddressClaim, ClaimKind};

/// What it means that a claim of one kind overlaps a claim of another.
fn meaning(one: ClaimKind, other: ClaimKind) -> Option<&'static Code> {
    use ClaimKind::{Dhcp, Host, LoadBalancer, Pool};
    Some(match (one.min(other), one.max(other)) {
        (Pool, Pool) => &OVERLAPPING_POOLS,
        (Dhcp, Pool) => &POOL_IN_DHCP,
        (Pool, Host) => &POOL_HOLDS_HOST,
        (Dhcp, Dhcp) => &OVERLAPPING_DHCP,
        (Dhcp, Host) => &HOST_IN_DHCP,
        (Dhcp, LoadBalancer) => &ADDRESS_IN_DHCP,
        (Host, Host | LoadBalancer) => &DUPLICATE_ADDRESS,
        // Pods and services: `networks`. Two load balancers: `shared_addresses`.
        _ => return None,
    })
}

/// The sweep: every pair that means something, once.
pub fn overlaps(model: &Model, offers: &mut Offers<'_>, found: &mut Diagnostics) {
    let mut wanted = Pairs::NONE;
    for one in ClaimKind::ALL {
        for other in ClaimKind::ALL.into_iter().filter(|other| meaning(one, *other).is_some()) {
            wanted = wanted.with(one as u8, other as u8);
        }
    }
    let mut pairs: Vec<(&'static Code, &AddressClaim, &AddressClaim)> = Vec::new();
    sweep(&sweep_claims(model), &wanted, MOST_PARTNERS, &mut |one, other| {
        let (one, other) = (&model.claims[one], &model.claims[other]);
        let Some(code) = meaning(one.kind, other.kind).filter(|_| !told_by_its_keys(model, one, other))
        else {
            return;
        };
        let (fault, cause) = fault_and_cause(one, other);
        pairs.push((code, fault, cause));
    });
    pairs.sort_by_key(|(code, fault, cause)| (fault.span, code.name, cause.span, fault.service));
    // Who takes an address that two others have is at fault once, and so is who takes it in several environments.
    pairs.dedup_by(|(code, fault, cause), (earlier, before, other)| {
        let one_fault = code.name == DUPLICATE_ADDRESS.name || cause.span == other.span;
        one_fault && code.name == earlier.name && fault.span == before.span
    });
    let (hosts, dhcp) = (ranges_of(model, ClaimKind::Host), ranges_of(model, ClaimKind::Dhcp));
    for (code, fault, cause) in pairs {
        let taken = match code.name {
            "pool-holds-host" => &hosts,
            "pool-in-dhcp" => &dhcp,
            _ => &[cause.range].into_iter().collect(),
        };
        found.push(overlap(model, code, fault, cause, taken, offers));
    }
}

/// A node with `ip` and `ips` is told of that, whatever stands in them.
fn told_by_its_keys(model: &Model, one: &AddressClaim, other: &AddressClaim) -> bool {
    let node = one.subject.strip_prefix("nodes.").filter(|_| one.subject == other.subject);
    node.is_some_and(|name| {
        ["ip", "ips"].iter().all(|key| model.place_of("", &["nodes", name, key]).is_some())
    })
}

/// Everything that is claimed for one purpose.
pub fn ranges_of(model: &Model, kind: ClaimKind) -> RangeSet {
    model.claims.iter().filter(|claim| claim.kind == kind).map(|claim| claim.range).collect()
}

/// The primary place is where the mending is likely to be done: the pool that holds a machine, the address in a
/// DHCP range, the load balancer on a machine's address, else what stands later in the file.
fn fault_and_cause<'c>(
    one: &'c AddressClaim,
    other: &'c AddressClaim,
) -> (&'c AddressClaim, &'c AddressClaim) {
    let by_kind = |kind: ClaimKind| if one.kind == kind { (one, other) } else { (other, one) };
    match (one.kind.min(other.kind), one.kind.max(other.kind)) {
        (ClaimKind::Dhcp, ClaimKind::Pool) | (ClaimKind::Pool, ClaimKind::Host) => by_kind(ClaimKind::Pool),
        (ClaimKind::Dhcp, ClaimKind::Host) => by_kind(ClaimKind::Host),
        (ClaimKind::Dhcp | ClaimKind::Host, ClaimKind::LoadBalancer) => by_kind(ClaimKind::LoadBalancer),
        _ if one.span > other.span => (one, other),
        _ => (other, one),
    }
}

/// One finding of the sweep. `taken` is what the range at fault must do without.
fn overlap(
    model: &Model,
    code: &'static Code,
    fault: &AddressClaim,
    cause: &AddressClaim,
    taken: &RangeSet,
    offers: &mut Offers<'_>,
) -> Diagnostic {
    let shared = fault.range.intersection(cause.range).unwrap_or(fault.range);
    let message = match code.name {
        "duplicate-address" if fault.subject == cause.subject => {
            format!("{} has {shared} twice", fault.owner)
        }
        "duplicate-address" => {
            format!("{shared} is claimed twice: by {} and by {}", cause.owner, fault.owner)
        }
        "pool-holds-host" => format!("{} holds {shared}, the address of {}", fault.owner, cause.owner),
        "overlapping-pools" if fault.subject == cause.subject => {
            format!("{} holds {shared} twice", fault.owner)
        }
        "overlapping-pools" => format!("{} and {} both hold {shared}", cause.owner, fault.owner),
        "pool-in-dhcp" => format!("{} holds {shared}, which DHCP gives out too", fault.owner),
        "overlapping-dhcp" => format!("two DHCP ranges both hold {shared}"),
        _ => format!("{shared} of {} lies in the DHCP range {}", fault.owner, cause.range),
    };
    let diagnostic = code
        .at(fault.span, format!("{} claims {}", fault.owner, fault.range), message)
        .because(cause.span, format!("{} claims {}", cause.owner, cause.range))
        .about(&fault.subject)
        .about(&cause.subject);
    match code.name {
        "pool-holds-host" | "pool-in-dhcp" | "overlapping-dhcp" | "overlapping-pools" => {
            diagnostic.help(cut_around(fault.range, taken))
        }
        "host-in-dhcp" => diagnostic.help(
            "move the machine out of the range, or reserve its address in the DHCP server and cut the range",
        ),
        "duplicate-address" if fault.subject == cause.subject => diagnostic.help("drop one of them"),
        _ => match (offers.near(fault), one_fact(model, fault, cause)) {
            (Some(free), None) => diagnostic.help(format!("{free} is free")),
            (Some(free), Some(fact)) => diagnostic.help(format!("{free} is free; {fact}")),
            (None, Some(fact)) => diagnostic.help(fact),
            (None, None) if code.name == DUPLICATE_ADDRESS.name => {
                diagnostic.help("give one of them an address of its own")
            }
            (None, None) => diagnostic,
        },
    }
}

/// Two that are one and the same say so by a reference.
fn one_fact(model: &Model, fault: &AddressClaim, cause: &AddressClaim) -> Option<String> {
    let refers = |who: &AddressClaim, to: &AddressClaim| {
        let written = reference(model, who, to)?;
        Some(format!("if {} and {} are one and the same, write `{written}`", who.owner, to.owner))
    };
    refers(fault, cause).or_else(|| refers(cause, fault))
}

/// How a claim says that it is the other one: what [`crate::model::claims`] takes for one fact, and no more.
fn reference(model: &Model, who: &AddressClaim, to: &AddressClaim) -> Option<String> {
    let key = match who.subject.split('.').next().unwrap_or_default() {
        _ if who.kind == ClaimKind::LoadBalancer && !who.subject.starts_with("charts.") => "ip",
        "nodes" => "ip",
        "nfs" => "server",
        _ => match who.subject.as_str() {
            "network.gateway" => "gateway",
            "cluster.vip" => "vip",
            "cluster.api-endpoint" => "api-endpoint",
            _ => return None,
        },
    };
    let fact = match (key, to.subject.split('.').next().unwrap_or_default()) {
        _ if to.subject.starts_with("network.reserved.") => {
            format!("${{{}{}}}", to.subject, item(model, to))
        }
        ("server", "nodes" | "services") => format!("${{{}.ip}}", to.subject),
        ("gateway", "nodes") if !in_list(model, to) => format!("${{{}.ip}}", to.subject),
        ("server" | "api-endpoint", _) if to.subject == "network.gateway" => "${network.gateway}".to_owned(),
        _ => return None,
    };
    Some(match key {
        "api-endpoint" => format!("{key} = \"https://{fact}:6443\""),
        _ if in_list(model, who) => fact,
        _ => format!("{key} = \"{fact}\""),
    })
}

/// Which one it is of several reserved addresses, as a reference says it.
fn item(model: &Model, claim: &AddressClaim) -> String {
    let path: Vec<&str> = claim.subject.splitn(3, '.').collect();
    let at = model.item_of(&path, claim.span);
    at.map(|at| format!(".{at}")).unwrap_or_default()
}

/// Whether it stands in the `ips` of a node.
fn in_list(model: &Model, claim: &AddressClaim) -> bool {
    let node = claim.subject.strip_prefix("nodes.");
    node.is_some_and(|name| model.place_of("", &["nodes", name, "ips"]).is_some())
}

/// How to write a range without some addresses.
fn cut_around(range: Range, without: &RangeSet) -> String {
    let whole: RangeSet = [range].into_iter().collect();
    let left: Vec<String> = whole.minus(without).iter().take(9).map(entry).collect();
    match left.len() {
        0 => "the whole entry is taken: drop it, or move it to other addresses".to_owned(),
        1..=8 => format!("write instead: {}", left.join(", ")),
        _ => "leave out what is taken, or move the entry to other addresses".to_owned(),
    }
}

/// A range as a pool entry: never a bare address.
fn entry(range: Range) -> String {
    format!("\"{}\"", range.cidr().unwrap_or_else(|| range.to_string()))
}
