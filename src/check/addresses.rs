//! Addresses: one sweep over every claim, and one table that says what two kinds in one place mean.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use crate::address::{Claim, Family, Pairs, Range, RangeSet, parse_cidr, sweep};
use crate::check::exhaustion::exhausted;
use crate::check::requests::requests;
use crate::check::serving::may_take;
use crate::check::sharing::{asking, shared_addresses};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, codes};
use crate::inventory::load_balancer::Provider;
use crate::model::Model;
use crate::model::claims::{AddressClaim, ClaimKind};
use crate::source::{Span, Spanned};

codes! { Addresses:
    /// Two things have one address.
    DUPLICATE_ADDRESS = ("duplicate-address", Error, "two things have one address");
    /// A pool holds the address of a machine.
    POOL_HOLDS_HOST = ("pool-holds-host", Error, "a load balancer pool holds the address of a node, a NAS, the gateway or another machine");
    /// Two pool entries overlap: MetalLB refuses the whole configuration.
    OVERLAPPING_POOLS = ("overlapping-pools", Error, "two entries of load balancer pools overlap");
    /// The DHCP server may give out addresses of a pool.
    POOL_IN_DHCP = ("pool-in-dhcp", Error, "a load balancer pool overlaps what DHCP gives out");
    /// Two DHCP ranges overlap.
    OVERLAPPING_DHCP = ("overlapping-dhcp", Error, "two DHCP ranges overlap");
    /// A machine has a fixed address that DHCP may give to another.
    HOST_IN_DHCP = ("host-in-dhcp", Warning, "a machine's fixed address lies in what DHCP gives out");
    /// A load balancer asks for an address that DHCP may give to a machine.
    ADDRESS_IN_DHCP = ("address-in-dhcp", Error, "a load balancer's address lies in what DHCP gives out");
    /// The pods' or services' network overlaps something else.
    OVERLAPPING_CIDRS = ("overlapping-cidrs", Error, "the network of pods or services overlaps another network or address");
    /// An address outside every network of the LAN.
    ADDRESS_OUTSIDE_LAN = ("address-outside-lan", Error, "an address lies outside the LAN");
    /// A load balancer asks for an address that no pool has.
    ADDRESS_OUTSIDE_POOLS = ("address-outside-pools", Error, "a load balancer's address lies in no pool, or not in the one asked for");
    /// The first or last address of a network.
    NETWORK_ADDRESS = ("network-address", Error, "an address is its network's own or its broadcast address");
    /// More services want an address than the pools have.
    POOL_EXHAUSTED = ("pool-exhausted", Error, "more services ask for any address than the pools have left");
    /// A pool serves only some namespaces or services.
    POOL_REFUSES_SERVICE = ("pool-refuses-service", Error, "a pool does not serve the namespace or service that asks for its address");
    /// A service asks for more than one address of a family.
    SAME_FAMILY_ADDRESSES = ("same-family-addresses", Error, "a service asks for two addresses of one family");
    /// The two addresses of a dual-stack service.
    ADDRESSES_FROM_TWO_POOLS = ("addresses-from-two-pools", Error, "the two addresses of a dual-stack service lie in different pools");
    /// The cluster has no ClusterIPs of that family.
    UNSERVED_ADDRESS_FAMILY = ("unserved-address-family", Error, "a load balancer's address is of a family that the cluster's services do not have");
}

/// One claim is compared with at most this many others of each kind, so that a million alike stay affordable.
pub const MOST_PARTNERS: usize = 16;

/// At most this many free addresses are looked for in one run.
const MOST_OFFERS: usize = 256;

/// Runs every rule about addresses.
pub fn check(model: &Model, found: &mut Diagnostics) {
    let mut offers = Offers::new(model);
    overlaps(model, &mut offers, found);
    shared_addresses(model, &mut offers, found);
    networks(model, found);
    // An address that several environments have by default is judged once where it stands, and once for each pool that
    // is asked for.
    let mut judged: BTreeSet<Span> = BTreeSet::new();
    let mut judged_for: BTreeSet<(Span, Option<Span>)> = BTreeSet::new();
    for claim in model.claims.iter().filter(|claim| !claim.told) {
        if judged.insert(claim.span) {
            network_address(model, claim, found);
            outside_lan(model, claim, found);
            unreachable(model, claim, found);
        }
        if judged_for.insert((claim.span, asked_pool(model, claim).map(|pool| pool.span))) {
            outside_pools(model, claim, &mut offers, found);
        }
    }
    requests(model, found);
    exhausted(model, found);
}

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

const KINDS: [ClaimKind; 7] = [
    ClaimKind::Lan,
    ClaimKind::Pods,
    ClaimKind::Services,
    ClaimKind::Dhcp,
    ClaimKind::Pool,
    ClaimKind::Host,
    ClaimKind::LoadBalancer,
];

/// What another claim stands for takes no part.
fn sweep_claims(model: &Model) -> Vec<Claim> {
    let class = |claim: &AddressClaim| if claim.told { u8::MAX } else { claim.kind as u8 };
    model.claims.iter().map(|claim| Claim { range: claim.range, class: class(claim) }).collect()
}

/// The sweep: every pair that means something, once.
fn overlaps(model: &Model, offers: &mut Offers<'_>, found: &mut Diagnostics) {
    let mut wanted = Pairs::NONE;
    for one in KINDS {
        for other in KINDS.into_iter().filter(|other| meaning(one, *other).is_some()) {
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

/// The networks of pods and services must be nobody else's. Of a network and what lies in it only the network is
/// named, so that one wrong CIDR is one finding.
fn networks(model: &Model, found: &mut Diagnostics) {
    let is_network = |kind: ClaimKind| matches!(kind, ClaimKind::Pods | ClaimKind::Services);
    let mut wanted = Pairs::NONE;
    for kind in KINDS {
        wanted = wanted.with(ClaimKind::Pods as u8, kind as u8).with(ClaimKind::Services as u8, kind as u8);
    }
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    sweep(&sweep_claims(model), &wanted, MOST_PARTNERS, &mut |one, other| {
        let network_first = is_network(model.claims[one].kind) || !is_network(model.claims[other].kind);
        pairs.push(if network_first { (one, other) } else { (other, one) });
    });
    pairs.sort_by_key(|(network, other)| {
        let other = &model.claims[*other];
        (*network, std::cmp::Reverse(other.range.len()), other.kind, other.span)
    });
    let mut named: Vec<(usize, Range)> = Vec::new();
    for (network, other) in pairs {
        let (one, two) = (&model.claims[network], &model.claims[other]);
        let covered = named.iter().any(|(at, range)| *at == network && range.covers(two.range));
        if covered {
            continue;
        }
        named.push((network, two.range));
        let (second, first) = if one.span > two.span { (one, two) } else { (two, one) };
        found.push(
            OVERLAPPING_CIDRS
                .at(
                    second.span,
                    format!("{} is {}", second.owner, second.range),
                    format!("{} {} overlaps {} {}", second.owner, second.range, first.owner, first.range),
                )
                .because(first.span, format!("{} is {}", first.owner, first.range))
                .about(&second.subject)
                .about(&first.subject)
                .help("choose networks that nothing else uses; pods and services are often 10.244.0.0/16 and 10.96.0.0/12"),
        );
    }
}

/// The network's own and its broadcast address belong to no machine; .0 and .255 to no load balancer where the
/// pool avoids them.
fn network_address(model: &Model, claim: &AddressClaim, found: &mut Diagnostics) {
    if !matches!(claim.kind, ClaimKind::Host | ClaimKind::LoadBalancer) {
        return;
    }
    let address = claim.range.first();
    let lan = model
        .network
        .lan
        .iter()
        .find(|lan| lan.value.network() == Some(address) || lan.value.broadcast() == Some(address));
    if let Some(lan) = lan {
        let which = if lan.network() == Some(address) { "network" } else { "broadcast" };
        found.push(
            NETWORK_ADDRESS
                .at(
                    claim.span,
                    format!("claimed by {}", claim.owner),
                    format!("{address} is the {which} address of {}", lan.value),
                )
                .because(lan.span, "the network")
                .about(&claim.subject)
                .help("choose an address inside the network"),
        );
        return;
    }
    kept_back(model, claim, found);
    let buggy = matches!(address, IpAddr::V4(v4) if matches!(v4.octets()[3], 0 | 255));
    let asked_for = buggy && claim.kind == ClaimKind::LoadBalancer;
    let mut pools = model.pools().iter().filter(|_| asked_for);
    if let Some(pool) = pools.find(|pool| pool.avoid_buggy_ips && pool.holds(address)) {
        found.push(
            NETWORK_ADDRESS
                .at(
                    claim.span,
                    format!("asked for by {}", claim.owner),
                    format!("{address} ends in .0 or .255, which pool `{}` leaves out", pool.name),
                )
                .because(pool.place, "`avoid-buggy-ips` is set here")
                .about(&claim.subject),
        );
    }
}

/// The ends of a network of Cilium's, where the pool keeps them back.
fn kept_back(model: &Model, claim: &AddressClaim, found: &mut Diagnostics) {
    let address = claim.range.first();
    let mut pools = model.pools().iter().filter(|_| claim.kind == ClaimKind::LoadBalancer);
    let pool = pools.find(|pool| pool.keeps_back(address));
    if let Some(pool) = pool {
        let message = format!("{address} is the first or last address of a network of pool `{}`", pool.name);
        found.push(
            NETWORK_ADDRESS
                .at(claim.span, format!("asked for by {}", claim.owner), message)
                .because(pool.place, "`allow-first-last-ips` is false here")
                .about(&claim.subject)
                .help("choose an address between them"),
        );
    }
}

/// Machines, DHCP and what is announced by ARP must lie in the LAN. What is announced by BGP need not.
fn outside_lan(model: &Model, claim: &AddressClaim, found: &mut Diagnostics) {
    let lans = &model.network.lan;
    let family = claim.range.family();
    if !lans.iter().any(|lan| lan.family() == family) {
        return;
    }
    let judged = match claim.kind {
        ClaimKind::Host | ClaimKind::Dhcp => true,
        ClaimKind::Pool => claim.pool.is_some_and(|pool| model.pools()[pool].l2),
        // It may lie in a pool that could not be read, and be announced by BGP.
        ClaimKind::LoadBalancer => {
            model.pool_of(claim.range.first()).is_none() && !model.pools().iter().any(|pool| pool.unread)
        }
        ClaimKind::Lan | ClaimKind::Pods | ClaimKind::Services => false,
    };
    let within: RangeSet = lans.iter().map(|lan| lan.value).collect();
    let outside = [claim.range].into_iter().collect::<RangeSet>().minus(&within);
    if !judged || outside.is_empty() {
        return;
    }
    let shown: Vec<String> =
        lans.iter().filter(|lan| lan.family() == family).map(|lan| lan.to_string()).collect();
    let what = if outside.len() == claim.range.len() {
        claim.range.to_string()
    } else {
        format!("part of {}", claim.range)
    };
    let mut diagnostic = ADDRESS_OUTSIDE_LAN.at(
        claim.span,
        format!("claimed by {}", claim.owner),
        format!("{what} lies outside the LAN {}", shown.join(", ")),
    );
    for lan in lans.iter().filter(|lan| lan.family() == family).take(4) {
        diagnostic = diagnostic.because(lan.span, "the LAN");
    }
    found
        .push(diagnostic.about(&claim.subject).help("mend the address, or add its network to `network.lan`"));
}

/// Networks that no address of a load balancer is reached in, and what they are.
const UNREACHABLE: [(&str, &str); 6] = [
    ("0.0.0.0/8", "this host, whichever it is"),
    ("127.0.0.0/8", "each machine itself"),
    ("224.0.0.0/4", "groups of machines"),
    ("255.255.255.255/32", "everyone on the network"),
    ("::/127", "each machine itself"),
    ("ff00::/8", "groups of machines"),
];

/// A pool of such addresses, where it is not told already that they lie outside the LAN.
fn unreachable(model: &Model, claim: &AddressClaim, found: &mut Diagnostics) {
    let Some(pool) = claim.pool.map(|pool| &model.pools()[pool]) else { return };
    let family = claim.range.family();
    if pool.l2 && model.network.lan.iter().any(|lan| lan.family() == family) {
        return;
    }
    let named = UNREACHABLE.iter().filter_map(|(text, what)| Some((parse_cidr(text).ok()?, what)));
    // To kube-vip's cloud provider 0.0.0.0 is a wish for an address from DHCP.
    let wish = model.load_balancer.provider == Provider::KubeVip
        && claim.range == Range::single(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let mut reached = named.filter(|(range, _)| !wish && range.overlaps(claim.range));
    let Some((range, what)) = reached.next() else { return };
    let message = format!("{} holds addresses of {range}: they stand for {what}", claim.owner);
    found.push(
        ADDRESS_OUTSIDE_LAN
            .at(claim.span, "no load balancer is reached there", message)
            .about(&claim.subject)
            .help("give the pool addresses of your network"),
    );
}

/// A load balancer can only have an address of a pool. An inventory without pools leaves that to others.
fn outside_pools(model: &Model, claim: &AddressClaim, offers: &mut Offers<'_>, found: &mut Diagnostics) {
    if claim.kind != ClaimKind::LoadBalancer {
        return;
    }
    match model.load_balancer.provider {
        Provider::Servicelb => return outside_nodes(model, claim, found),
        // A fixed address is kube-vip's own affair: its pools only give out.
        Provider::KubeVip => return,
        _ if model.pools().is_empty() => return,
        _ => {}
    }
    let address = claim.range.first();
    let asked = asked_pool(model, claim);
    let holding = model.pool_of(address);
    let diagnostic = match (holding, asked) {
        (Some(pool), Some(asked)) if pool.name != asked.value => ADDRESS_OUTSIDE_POOLS
            .at(
                claim.span,
                format!("an address of pool `{}`", pool.name),
                format!("{address} is not in pool `{asked}`, which {} asks for", claim.owner),
            )
            .because(asked.span, "this pool is asked for"),
        (Some(_), _) => return,
        // What is in a pool that could not be read is anybody's guess.
        (None, _) if model.pools().iter().any(|pool| pool.unread) => return,
        (None, _) => {
            let pools = match model.pools() {
                [one] => format!("pool `{}`", one.name),
                few if few.len() <= 5 => {
                    few.iter().map(|pool| format!("`{}`", pool.name)).collect::<Vec<_>>().join(", ")
                }
                many => format!("any of {} pools", many.len()),
            };
            let message = format!("{address} of {} lies outside {pools}", claim.owner);
            let mut diagnostic =
                ADDRESS_OUTSIDE_POOLS.at(claim.span, "no pool can give this address", message);
            for pool in model.pools().iter().take(4) {
                let entries: Vec<String> =
                    pool.addresses.iter().take(6).map(|entry| entry.to_string()).collect();
                diagnostic =
                    diagnostic.because(pool.place, format!("`{}` holds {}", pool.name, entries.join(", ")));
            }
            diagnostic
        }
    };
    let diagnostic = diagnostic.about(&claim.subject);
    found.push(match offers.near(claim) {
        Some(free) => diagnostic.help(format!("{free} is free")),
        None => diagnostic,
    });
}

/// The pool that a service asks for by its name.
fn asked_pool<'m>(model: &'m Model, claim: &AddressClaim) -> Option<&'m Spanned<String>> {
    asking(model, claim.service?)?.1.pool.as_ref()
}

/// servicelb has no addresses but those of the nodes.
fn outside_nodes(model: &Model, claim: &AddressClaim, found: &mut Diagnostics) {
    let address = claim.range.first();
    let mut own = model.nodes.iter().flat_map(|node| &node.addresses);
    if model.nodes.is_empty() || own.any(|own| own.value == address) {
        return;
    }
    let message = format!("{address} of {} is no node's address, and servicelb has no others", claim.owner);
    let diagnostic = ADDRESS_OUTSIDE_POOLS.at(claim.span, "no node has it", message).about(&claim.subject);
    found.push(diagnostic.help("write `ip = \"auto\"`, or a node's address as `\"${nodes.NAME.ip}\"`"));
}

/// The pool that the other address of a dual-stack load balancer lies in: MetalLB gives both from one.
fn partners_pool(model: &Model, claim: &AddressClaim) -> Option<usize> {
    if model.load_balancer.provider != Provider::Metallb {
        return None;
    }
    let gateway = model.ingress.as_ref().and_then(|ingress| ingress.written_gateway.as_ref());
    let addresses = match claim.service {
        Some(place) => asking(model, place).map(|(_, balancer)| &balancer.addresses),
        None => gateway.filter(|_| claim.subject == "ingress.gateway").map(|gateway| &gateway.addresses),
    };
    let others = addresses.into_iter().flatten().filter(|address| address.span != claim.span);
    let mut others = others.filter(|address| Family::of(address.value) != claim.range.family());
    others.find_map(|address| model.pool_at(address.value))
}

/// Addresses that are still free in the pools, each offered once.
pub struct Offers<'m> {
    model: &'m Model,
    pools: Vec<RangeSet>,
    left: usize,
    /// What each place was offered: two findings on one address name one way out.
    made: BTreeMap<Span, IpAddr>,
}

impl<'m> Offers<'m> {
    fn new(model: &'m Model) -> Self {
        Self { model, pools: model.free_in_pools(), left: MOST_OFFERS, made: BTreeMap::new() }
    }

    /// The free address nearest to what a load balancer asks for, of a pool that may serve it. Machines are not offered
    /// any: theirs are not taken from pools.
    pub fn near(&mut self, claim: &AddressClaim) -> Option<IpAddr> {
        if claim.kind != ClaimKind::LoadBalancer || self.left == 0 {
            return None;
        }
        if let Some(made) = self.made.get(&claim.span) {
            return Some(*made);
        }
        let wanted = claim.range.first();
        let family = claim.range.family();
        let in_family =
            |free: &RangeSet| free.nearest(wanted).filter(|address| Family::of(*address) == family);
        let distance = |address: IpAddr| match (address, wanted) {
            (IpAddr::V4(a), IpAddr::V4(b)) => u128::from(u32::from(a).abs_diff(u32::from(b))),
            (IpAddr::V6(a), IpAddr::V6(b)) => u128::from(a).abs_diff(u128::from(b)),
            _ => u128::MAX,
        };
        let partner = partners_pool(self.model, claim);
        let serving = self.pools.iter().zip(self.model.pools()).enumerate();
        let serving = serving.filter(|(at, _)| partner.is_none_or(|partner| partner == *at));
        let serving =
            serving.filter(|(_, (_, pool))| may_take(self.model, pool, claim)).map(|(_, (free, _))| free);
        let offers = serving.filter_map(in_family);
        let best = offers.min_by_key(|address| distance(*address))?;
        let taken: RangeSet = [Range::single(best)].into_iter().collect();
        self.pools.iter_mut().for_each(|free| *free = free.minus(&taken));
        self.left -= 1;
        self.made.insert(claim.span, best);
        Some(best)
    }
}
