//! Where an address may lie: the LAN, the networks of pods and services, and the ends of a network.

use std::net::{IpAddr, Ipv4Addr};

use crate::address::{Pairs, Range, RangeSet, parse_cidr, sweep};
use crate::check::addresses::{
    ADDRESS_OUTSIDE_LAN, MOST_PARTNERS, NETWORK_ADDRESS, OVERLAPPING_CIDRS, sweep_claims,
};
use crate::diagnostic::Diagnostics;
use crate::inventory::load_balancer::Provider;
use crate::model::Model;
use crate::model::claims::{AddressClaim, ClaimKind};

/// The networks of pods and services must be nobody else's. Of a network and what lies in it only the network is
/// named, so that one wrong CIDR is one finding.
pub fn networks(model: &Model, found: &mut Diagnostics) {
    let is_network = |kind: ClaimKind| matches!(kind, ClaimKind::Pods | ClaimKind::Services);
    let mut wanted = Pairs::NONE;
    for kind in ClaimKind::ALL {
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
pub fn network_address(model: &Model, claim: &AddressClaim, found: &mut Diagnostics) {
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
pub fn outside_lan(model: &Model, claim: &AddressClaim, found: &mut Diagnostics) {
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
pub fn unreachable(model: &Model, claim: &AddressClaim, found: &mut Diagnostics) {
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
