//! BGP as MetalLB speaks it: peers, BFD profiles and communities.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::Serialize;

use crate::inventory::load_balancer::{Bgp, DynamicAsn};
use crate::inventory::value::Duration;
use crate::model::BAD_VALUE;
use crate::model::load_balancer::known_nodes;
use crate::model::naming::{NameKind, check_name, known_only, one_of, optional_name};
use crate::model::node::{Node, node_selectors};
use crate::model::port::check_port;
use crate::model::references::Resolver;
use crate::model::texts::optional;
use crate::source::{Span, Spanned};

/// A BGP peer.
#[derive(Clone, Debug, Serialize)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Our autonomous system.
    pub my_asn: i64,
    /// Its autonomous system.
    pub peer_asn: Option<i64>,
    /// `internal` or `external`, where its number is not told.
    pub dynamic_asn: Option<DynamicAsn>,
    /// Its address; empty if it is found on an interface.
    pub peer_address: Option<String>,
    /// The interface it is found on.
    pub interface: Option<String>,
    /// Its port.
    pub peer_port: Option<i64>,
    /// When a silent session counts as dead.
    pub hold_time: Option<String>,
    /// How often a keepalive is sent.
    pub keepalive_time: Option<String>,
    /// How long a connection is waited for.
    pub connect_time: Option<String>,
    /// The BFD profile.
    pub bfd_profile: Option<String>,
    /// More than one hop away.
    pub ebgp_multi_hop: Option<bool>,
    /// The address the session is opened from.
    pub source_address: Option<String>,
    /// The cluster's router ID.
    pub router_id: Option<String>,
    /// The VRF of the session.
    pub vrf: Option<String>,
    /// The nodes that talk to it; none means all.
    pub nodes: Vec<String>,
    /// Label sets of nodes that talk to it.
    pub node_selectors: Vec<BTreeMap<String, String>>,
    /// The Secret that signs the session.
    pub password_secret: Option<String>,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// How fast a lost peer is noticed. Times are in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct BfdProfile {
    /// Its name.
    pub name: String,
    /// How often packets may come in.
    pub receive_interval: Option<i64>,
    /// How often packets are sent.
    pub transmit_interval: Option<i64>,
    /// How many packets may be lost.
    pub detect_multiplier: Option<i64>,
    /// How often echo packets may come.
    pub echo_interval: Option<i64>,
    /// Whether echo packets are sent.
    pub echo_mode: Option<bool>,
    /// Whether the peer has to speak first.
    pub passive_mode: Option<bool>,
    /// The least time to live.
    pub minimum_ttl: Option<i64>,
}

/// Reports a number that is out of bounds.
pub fn check_bounds(
    resolver: &mut Resolver<'_>,
    number: Option<Spanned<i64>>,
    bounds: RangeInclusive<i64>,
    what: &str,
) {
    let Some(number) = number.filter(|number| !bounds.contains(&number.value)) else { return };
    let (first, last) = (bounds.start(), bounds.end());
    resolver.found.push(
        BAD_VALUE
            .at(number.span, format!("not {what}"), format!("{number} is not {what}: {first} to {last}"))
            .help(format!("give a number from {first} to {last}")),
    );
}

/// Milliseconds, with a finding if there are too few or too many.
fn milliseconds(resolver: &mut Resolver<'_>, time: Option<&Duration>) -> Option<i64> {
    let time = time?;
    #[allow(clippy::cast_possible_truncation)]
    let milliseconds = (time.seconds() * 1000.0).round() as i64;
    if !(10..=60_000).contains(&milliseconds) {
        resolver.found.push(
            BAD_VALUE
                .at(time.0.span, "out of bounds", format!("`{}` is no interval of BFD", time.0))
                .help("give a time from \"10ms\" to \"60s\""),
        );
    }
    Some(milliseconds)
}

/// Lowers `metallb.bgp.bfd-profiles`.
pub fn lower_bfd_profiles(resolver: &mut Resolver<'_>, bgp: &Bgp) -> Vec<BfdProfile> {
    bgp.bfd_profiles
        .iter()
        .map(|(name, entry)| {
            let profile = &entry.value;
            check_name(resolver, name, entry.key, "a BFD profile", NameKind::Subdomain);
            check_bounds(resolver, profile.detect_multiplier, 2..=255, "a multiplier of BFD");
            check_bounds(resolver, profile.minimum_ttl, 1..=254, "a time to live of BFD");
            BfdProfile {
                receive_interval: milliseconds(resolver, profile.receive_interval.as_ref()),
                transmit_interval: milliseconds(resolver, profile.transmit_interval.as_ref()),
                detect_multiplier: profile.detect_multiplier.map(|number| number.value),
                echo_interval: milliseconds(resolver, profile.echo_interval.as_ref()),
                echo_mode: profile.echo_mode.map(|flag| flag.value),
                passive_mode: profile.passive_mode.map(|flag| flag.value),
                minimum_ttl: profile.minimum_ttl.map(|number| number.value),
                name: name.clone(),
            }
        })
        .collect()
}

/// Lowers `metallb.bgp.communities`.
pub fn lower_communities(resolver: &mut Resolver<'_>, bgp: &Bgp) -> BTreeMap<String, String> {
    let mut communities = BTreeMap::new();
    for (name, entry) in &bgp.communities {
        let value = resolver.text(&entry.value);
        if !is_community(&value) {
            resolver.found.push(
                BAD_VALUE
                    .at(value.span, "not a community", format!("`{value}` is not a BGP community"))
                    .help("write two numbers up to 65535, such as \"65535:65282\", or a large one: \"large:64500:1:2\""),
            );
        }
        communities.insert(name.clone(), value.value);
    }
    communities
}

/// `65535:65282`, or `large:64500:1:2`.
pub fn is_community(text: &str) -> bool {
    match text.strip_prefix("large:") {
        Some(large) => is_numbers::<u32>(large, 3),
        None => is_numbers::<u16>(text, 2),
    }
}

fn is_numbers<T: std::str::FromStr>(text: &str, count: usize) -> bool {
    let mut parts = text.split(':');
    let numbers = parts.by_ref().take(count);
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()) && part.parse::<T>().is_ok();
    numbers.filter(|part| plain(part)).count() == count && parts.next().is_none()
}

/// Lowers `metallb.bgp.peers`.
pub fn lower_peers(
    resolver: &mut Resolver<'_>,
    bgp: &Bgp,
    nodes: &[Node],
    profiles: &[BfdProfile],
) -> Vec<Peer> {
    bgp.peers
        .iter()
        .map(|(name, entry)| {
            let peer = &entry.value;
            check_name(resolver, name, entry.key, "a peer", NameKind::Subdomain);
            check_peer(resolver, name, peer);
            let time = |time: &Option<Duration>| time.as_ref().map(|time| time.0.value.clone());
            let mut address = |text: Option<&crate::inventory::value::AddressText>| {
                text.and_then(|text| resolver.address(text)).map(|address| address.to_string())
            };
            Peer {
                my_asn: peer.my_asn.map(|number| number.value).unwrap_or_default(),
                peer_asn: peer.peer_asn.map(|number| number.value),
                dynamic_asn: peer.dynamic_asn.map(|word| word.value),
                peer_address: address(peer.peer_address.as_ref()),
                source_address: address(peer.source_address.as_ref()),
                router_id: address(peer.router_id.as_ref()),
                interface: optional(resolver, peer.interface.as_ref()),
                peer_port: peer.peer_port.map(|number| number.value),
                hold_time: time(&peer.hold_time),
                keepalive_time: time(&peer.keepalive_time),
                connect_time: time(&peer.connect_time),
                bfd_profile: known_profile(resolver, peer, profiles),
                ebgp_multi_hop: peer.ebgp_multi_hop.map(|flag| flag.value),
                vrf: optional(resolver, peer.vrf.as_ref()),
                nodes: known_nodes(resolver, &peer.nodes, nodes),
                node_selectors: node_selectors(resolver, &peer.node_selectors),
                password_secret: optional_name(
                    resolver,
                    peer.password_secret.as_ref(),
                    "a Secret",
                    NameKind::Subdomain,
                ),
                name: name.clone(),
                place: entry.key,
            }
        })
        .collect()
}

fn known_profile(
    resolver: &mut Resolver<'_>,
    peer: &crate::inventory::load_balancer::Peer,
    profiles: &[BfdProfile],
) -> Option<String> {
    let name = resolver.text(peer.bfd_profile.as_ref()?);
    let known = known_only(
        resolver,
        vec![name],
        "BFD profile",
        |name| profiles.iter().any(|profile| profile.name == name),
        || profiles.iter().map(|profile| profile.name.as_str()).collect(),
    );
    known.into_iter().next().map(|name| name.value)
}

/// What can be wrong with one peer by itself.
fn check_peer(resolver: &mut Resolver<'_>, name: &str, peer: &crate::inventory::load_balancer::Peer) {
    let what = format!("peer `{name}`");
    let asn = [
        ("peer-asn", peer.peer_asn.map(|number| number.span)),
        ("dynamic-asn", peer.dynamic_asn.map(|word| word.span)),
    ];
    let place = [
        ("peer-address", peer.peer_address.as_ref().map(|text| text.0.span)),
        ("interface", peer.interface.as_ref().map(|text| text.span)),
    ];
    for given in [asn, place] {
        one_of(resolver, &given, &what, peer.span, None);
    }
    for number in [peer.my_asn, peer.peer_asn] {
        check_bounds(resolver, number, 1..=i64::from(u32::MAX), "an autonomous system number");
    }
    check_port(resolver, peer.peer_port.as_ref());
    let router_id = peer.router_id.as_ref().and_then(|text| resolver.address(text));
    if let Some(id) = router_id.filter(|id| id.value.is_ipv6()) {
        resolver.found.push(
            BAD_VALUE
                .at(id.span, "an IPv6 address", format!("`{id}` is no router ID"))
                .help("write an IPv4 address; it need not belong to any machine"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::is_community;

    #[test]
    fn communities_are_two_numbers_or_three_large_ones() {
        for text in ["65535:65282", "0:0", "large:4294967295:1:2"] {
            assert!(is_community(text), "{text}");
        }
        for text in ["", "1", "65536:1", "1:2:3", "large:1:2", "+1:2", "large:1:2:3:4", "no-export"] {
            assert!(!is_community(text), "{text}");
        }
    }
}
