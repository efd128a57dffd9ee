//! BGP as MetalLB takes it: what it refuses in a peer, between peers, and in an advertisement. It refuses the whole
//! configuration with it, and announces nothing new until it is mended.

use std::collections::{BTreeMap, BTreeSet};

use crate::address::{Family, Range};
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::duration::seconds;
use crate::inventory::load_balancer::{DynamicAsn, Provider};
use crate::model::Model;
use crate::model::bgp::Peer;
use crate::model::cilium_bgp::Peer as CiliumPeer;
use crate::model::load_balancer::Pool;
use crate::model::node::Node;
use crate::source::{Span, Spanned};

codes! { Addresses:
    /// A peer whose settings contradict each other.
    BAD_BGP_PEER = ("bad-bgp-peer", Error, "a BGP peer with settings that the load balancer refuses");
    /// Two peers of one node that cannot both be.
    CONFLICTING_BGP_PEERS = ("conflicting-bgp-peers", Error, "two BGP peers of one node that the load balancer does not take together");
    /// Routes longer than the pool is wide.
    BAD_AGGREGATION = ("bad-aggregation", Error, "an aggregation length that announces more than the pool holds");
    /// A key of BGP where nothing is announced by it.
    IGNORED_BGP_KEY = ("ignored-bgp-key", Warning, "a key for BGP on a pool that is not announced by it");
}

/// Runs every rule about BGP.
pub fn check(model: &Model, found: &mut Diagnostics) {
    match model.load_balancer.provider {
        Provider::Metallb => {}
        Provider::Cilium => return of_cilium(model, found),
        _ => return,
    }
    for peer in &model.metallb.peers {
        timers(model, peer, found);
        hops(model, peer, found);
    }
    pairs(model, found);
    echoes(model, found);
    for pool in &model.metallb.pools {
        aggregation(pool, found);
        unused_keys(model, pool, found);
    }
}

/// What Cilium refuses: a keepalive after the hold time, and two sessions with one router.
fn of_cilium(model: &Model, found: &mut Diagnostics) {
    let Some(bgp) = &model.cilium.bgp else { return };
    let place = |peer: &CiliumPeer, key: &str| {
        model.place_of("", &["cilium", "bgp", "peers", &peer.name, key]).unwrap_or(peer.place)
    };
    let mut routers: BTreeMap<&str, &CiliumPeer> = BTreeMap::new();
    for peer in &bgp.peers {
        let about = format!("cilium.bgp.peers.{}", peer.name);
        // What the peer is not told is Cilium's default.
        if peer.keepalive_time.unwrap_or(30) > peer.hold_time.unwrap_or(90).max(3) {
            let key = if peer.keepalive_time.is_some() { "keepalive-time" } else { "hold-time" };
            let message = format!("peer `{}` is dead before the next keepalive is sent", peer.name);
            found.push(
                BAD_BGP_PEER
                    .at(place(peer, key), "longer than the hold time", message)
                    .about(&about)
                    .help("make `keepalive-time` a third of `hold-time`"),
            );
        }
        if peer.peer_asn == bgp.my_asn && peer.ebgp_multi_hop.is_some() {
            let message = format!(
                "peer `{}` is of the cluster's own autonomous system, and `ebgp-multi-hop` is set",
                peer.name
            );
            found.push(
                BAD_BGP_PEER
                    .at(place(peer, "ebgp-multi-hop"), "not for iBGP", message)
                    .about(&about)
                    .help("drop it: it is for peers of another autonomous system"),
            );
        }
        let Some(address) = peer.peer_address.as_deref() else { continue };
        if let Some(first) = routers.insert(address, peer) {
            let message = format!("peers `{}` and `{}` are one router", first.name, peer.name);
            found.push(
                CONFLICTING_BGP_PEERS
                    .at(place(peer, "peer-address"), "is there twice", message)
                    .because(place(first, "peer-address"), format!("of peer `{}`", first.name))
                    .about(&about)
                    .help("keep one of them"),
            );
        }
    }
}

fn place(model: &Model, peer: &Peer, key: &str) -> Span {
    model.place_of("", &["metallb", "bgp", "peers", &peer.name, key]).unwrap_or(peer.place)
}

fn subject(peer: &Peer) -> String {
    format!("metallb.bgp.peers.{}", peer.name)
}

/// The hold time is 0 or at least 3 seconds, and no shorter than the keepalive; connections wait whole seconds.
fn timers(model: &Model, peer: &Peer, found: &mut Diagnostics) {
    let time = |text: &Option<String>| text.as_deref().and_then(seconds);
    let mut refuse = |key: &str, label: &str, message: String, help: &str| {
        let diagnostic = BAD_BGP_PEER.at(place(model, peer, key), label, message);
        found.push(diagnostic.about(subject(peer)).help(help));
    };
    let hold = time(&peer.hold_time);
    if hold.is_some_and(|hold| hold > 0.0 && hold < 3.0) {
        let message = format!("peer `{}` is held for less than 3 seconds", peer.name);
        refuse("hold-time", "too short", message, "write 0s for no limit, or at least \"3s\"");
    }
    // What the peer is not told is MetalLB's default.
    if let (Some(keepalive), Some(hold)) = (time(&peer.keepalive_time), hold.or(Some(90.0)))
        && keepalive > hold
    {
        let message = format!("peer `{}` is dead before the next keepalive is sent", peer.name);
        refuse("keepalive-time", "longer than the hold time", message, "make it a third of `hold-time`");
    }
    let connect = time(&peer.connect_time);
    if connect.is_some_and(|connect| !(1.0..=65535.0).contains(&connect) || connect.fract() != 0.0) {
        let message = format!("peer `{}` cannot wait that long for a connection", peer.name);
        refuse("connect-time", "not 1 to 65535 seconds", message, "write whole seconds, such as \"10s\"");
    }
}

/// Peers of one autonomous system are next to each other.
fn hops(model: &Model, peer: &Peer, found: &mut Diagnostics) {
    let internal = peer.peer_asn == Some(peer.my_asn) || peer.dynamic_asn == Some(DynamicAsn::Internal);
    if internal && peer.ebgp_multi_hop == Some(true) {
        let message = format!(
            "peer `{}` is of the cluster's own autonomous system, and `ebgp-multi-hop` is set",
            peer.name
        );
        found.push(
            BAD_BGP_PEER
                .at(place(model, peer, "ebgp-multi-hop"), "not for iBGP", message)
                .about(subject(peer))
                .help("drop it: it is for peers of another autonomous system"),
        );
    }
}

/// MetalLB's `validateConfig`: no echo packets to a peer that hears of IPv6 addresses.
fn echoes(model: &Model, found: &mut Diagnostics) {
    let echo: BTreeSet<&str> = model
        .metallb
        .bfd_profiles
        .iter()
        .filter(|profile| profile.echo_mode == Some(true))
        .map(|profile| profile.name.as_str())
        .collect();
    let v6 = |pool: &&Pool| pool.bgp && pool.addresses.iter().any(|range| range.family() == Family::V6);
    let pools: Vec<&Pool> = model.metallb.pools.iter().filter(v6).collect();
    // A pool that names no peer is told to all.
    let open = pools.iter().find(|pool| pool.peers.is_empty());
    let mut told: BTreeMap<&str, &Pool> = BTreeMap::new();
    for pool in &pools {
        for peer in &pool.peers {
            told.entry(peer).or_insert(pool);
        }
    }
    for peer in &model.metallb.peers {
        let Some(profile) = peer.bfd_profile.as_deref().filter(|name| echo.contains(name)) else { continue };
        let Some(pool) = told.get(peer.name.as_str()).or(open) else { continue };
        let message = format!(
            "profile `{profile}` of peer `{}` sends echo packets, and pool `{}` announces IPv6 addresses to it",
            peer.name, pool.name
        );
        found.push(
            BAD_BGP_PEER
                .at(place(model, peer, "bfd-profile"), "not with IPv6", message)
                .because(pool.place, "this pool")
                .about(subject(peer))
                .help("give the peer a profile without `echo-mode`, or the pool other `peers`"),
        );
    }
}

/// The nodes that talk to a peer, as numbers; `None` is every node.
fn nodes_of(model: &Model, peer: &Peer) -> Option<BTreeSet<usize>> {
    if peer.nodes.is_empty() && peer.node_selectors.is_empty() {
        return None;
    }
    let chosen = |node: &Node| {
        let by_labels = |wanted: &BTreeMap<String, String>| {
            wanted.iter().all(|(key, value)| node.labels.get(key) == Some(value))
        };
        peer.nodes.contains(&node.name) || peer.node_selectors.iter().any(by_labels)
    };
    let nodes = model.nodes.iter().take(MOST_NODES).enumerate();
    Some(nodes.filter(|(_, node)| chosen(node)).map(|(at, _)| at).collect())
}

/// Whether some node talks to both.
fn meet(one: Option<&BTreeSet<usize>>, other: Option<&BTreeSet<usize>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(nodes), None) | (None, Some(nodes)) => !nodes.is_empty(),
        (Some(one), Some(other)) => !one.is_disjoint(other),
    }
}

/// Peers are looked for on at most this many nodes.
const MOST_NODES: usize = 512;

/// Of so many peers the first are compared with all others.
const MOST_COMPARED: usize = 256;

/// One peer is compared with at most this many others.
const MOST_PARTNERS: usize = 16;

fn pairs(model: &Model, found: &mut Diagnostics) {
    let peers = &model.metallb.peers;
    let nodes: Vec<Option<BTreeSet<usize>>> = peers.iter().map(|peer| nodes_of(model, peer)).collect();
    for (at, second) in peers.iter().enumerate() {
        let met = |first: &usize| meet(nodes[*first].as_ref(), nodes[at].as_ref());
        let mut earlier = (0..at.min(MOST_COMPARED)).filter(met).take(MOST_PARTNERS);
        found.extend(earlier.find_map(|first| clash(model, &peers[first], second)));
    }
}

/// Why FRR cannot have two peers on one node: it has one router ID, one own number in each VRF, one session with
/// each address.
fn clash(model: &Model, first: &Peer, second: &Peer) -> Option<Diagnostic> {
    let one_vrf = first.vrf == second.vrf;
    let (key, what, help) = if one_vrf && first.my_asn != second.my_asn {
        (
            "my-asn",
            "have different numbers of the cluster's own",
            "give both one `my-asn`, or each a `vrf` or nodes of its own",
        )
    } else if first.router_id != second.router_id {
        ("router-id", "have different router IDs", "give all peers of a node one `router-id`, or none")
    } else if one_vrf && first.peer_address.is_some() && first.peer_address == second.peer_address {
        ("peer-address", "are one router", "keep one of them, or give each nodes of its own")
    } else if one_vrf && first.interface.is_some() && first.interface == second.interface {
        ("interface", "are on one interface", "keep one of them, or give each nodes of its own")
    } else {
        return None;
    };
    let message = format!("peers `{}` and `{}` {what}, and a node talks to both", first.name, second.name);
    let diagnostic = CONFLICTING_BGP_PEERS
        .at(place(model, second, key), "differs, or is there twice", message)
        .because(place(model, first, key), format!("of peer `{}`", first.name));
    Some(diagnostic.about(subject(second)).about(subject(first)).help(help))
}

/// An announced network must lie inside an entry: of each entry, the widest network in it.
fn aggregation(pool: &Pool, found: &mut Diagnostics) {
    let lengths = [(Family::V4, &pool.aggregation_length), (Family::V6, &pool.aggregation_length_v6)];
    for (family, length) in lengths {
        let Some(length) = length.filter(|_| pool.bgp) else { continue };
        let entries = pool.addresses.iter().filter(|entry| entry.family() == family);
        let narrow = entries
            .map(|entry| (entry, widest(entry.value)))
            .find(|(_, widest)| length.value < i64::from(*widest));
        if let Some((entry, widest)) = narrow {
            found.push(too_wide(pool, length, entry, widest));
        }
    }
}

fn too_wide(pool: &Pool, length: Spanned<i64>, entry: &Spanned<Range>, widest: u8) -> Diagnostic {
    let message = format!(
        "pool `{}` announces networks of /{length}, and {} holds no more than a /{widest}",
        pool.name, entry.value
    );
    BAD_AGGREGATION
        .at(length.span, "wider than the pool", message)
        .because(entry.span, format!("its widest network is a /{widest}"))
        .about(&pool.subject)
        .help(format!("write {widest} or more, or give the pool the whole /{length}"))
}

/// The prefix of the widest network inside a range.
fn widest(range: Range) -> u8 {
    let bits = range.family().bits();
    (0..=bits).find(|prefix| holds_network(range, *prefix)).unwrap_or(bits)
}

fn holds_network(range: Range, prefix: u8) -> bool {
    // The network around the first address, or the one after it.
    let around = Range::around(range.first(), prefix);
    let fits = |network: Option<Range>| network.is_some_and(|network| range.covers(network));
    fits(around)
        || fits(
            around.and_then(|network| next(network.last())).and_then(|first| Range::around(first, prefix)),
        )
}

fn next(address: std::net::IpAddr) -> Option<std::net::IpAddr> {
    match address {
        std::net::IpAddr::V4(v4) => {
            u32::from(v4).checked_add(1).map(|next| std::net::IpAddr::V4(next.into()))
        }
        std::net::IpAddr::V6(v6) => {
            u128::from(v6).checked_add(1).map(|next| std::net::IpAddr::V6(next.into()))
        }
    }
}

/// Keys of a BGPAdvertisement on a pool that has none would be written nowhere.
fn unused_keys(model: &Model, pool: &Pool, found: &mut Diagnostics) {
    let keys = ["peers", "communities", "aggregation-length", "aggregation-length-v6", "local-pref"];
    for key in keys.into_iter().filter(|_| !pool.bgp) {
        let Some(span) = model.place_of("", &["metallb", "pools", &pool.name, key]) else { continue };
        let message =
            format!("`{key}` of pool `{}` is for BGP, and the pool is not announced by it", pool.name);
        found.push(
            IGNORED_BGP_KEY
                .at(span, "has no effect", message)
                .about(&pool.subject)
                .help("write `advertise = \"bgp\"`, or drop the key"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::widest;
    use crate::address::parse_pool_entry;

    #[test]
    fn the_widest_network_of_a_range() {
        let widest = |text: &str| widest(parse_pool_entry(text).unwrap());
        assert_eq!(widest("10.0.0.0/24"), 24);
        assert_eq!(widest("10.0.0.1-10.0.0.254"), 26);
        assert_eq!(widest("10.0.0.7/32"), 32);
        assert_eq!(widest("10.0.0.1-10.0.0.2"), 32);
        assert_eq!(widest("0.0.0.0-255.255.255.255"), 0);
        assert_eq!(widest("fd00::10-fd00::2f"), 124);
    }
}
