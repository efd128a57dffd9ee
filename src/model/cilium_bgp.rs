//! BGP as Cilium speaks it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::address::Family;
use crate::inventory::cilium_bgp::{CiliumBgp, CiliumPeer};
use crate::inventory::value::Duration;
use crate::model::BAD_VALUE;
use crate::model::bgp::{check_bounds, is_community};
use crate::model::load_balancer::{Pool, known_nodes};
use crate::model::naming::{NameKind, check_name, optional_name};
use crate::model::node::Node;
use crate::model::port::check_port;
use crate::model::references::Resolver;
use crate::model::texts::texts;
use crate::source::Span;

/// How Cilium announces addresses by BGP.
#[derive(Clone, Debug, Serialize)]
pub struct Bgp {
    /// Our autonomous system.
    pub my_asn: i64,
    /// The routers, by name.
    pub peers: Vec<Peer>,
    /// Nodes; none means all.
    pub nodes: Vec<String>,
    /// Labels of nodes.
    pub node_selector: BTreeMap<String, String>,
    /// The families of the pools: `ipv4`, `ipv6`.
    pub families: Vec<&'static str>,
    /// What the routes carry.
    pub communities: Communities,
    /// How iBGP peers rank the routes.
    pub local_pref: Option<i64>,
}

/// BGP communities by how Cilium writes them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Communities {
    /// Two numbers.
    pub standard: Vec<String>,
    /// Names that everybody knows.
    pub well_known: Vec<String>,
    /// Three numbers.
    pub large: Vec<String>,
}

/// A router. Times are in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Its autonomous system.
    pub peer_asn: i64,
    /// Its address.
    pub peer_address: Option<String>,
    /// Its port.
    pub peer_port: Option<i64>,
    /// When a silent session counts as dead.
    pub hold_time: Option<i64>,
    /// How often a keepalive is sent.
    pub keepalive_time: Option<i64>,
    /// How long is waited until a connection is tried again.
    pub connect_time: Option<i64>,
    /// How many hops away it may be.
    pub ebgp_multi_hop: Option<i64>,
    /// How long it keeps the routes while Cilium restarts.
    pub graceful_restart: Option<i64>,
    /// The Secret that signs the session.
    pub password_secret: Option<String>,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// Lowers `cilium.bgp`.
pub fn lower(resolver: &mut Resolver<'_>, table: &CiliumBgp, nodes: &[Node], pools: &[Pool]) -> Bgp {
    check_bounds(resolver, table.my_asn, 1..=i64::from(u32::MAX), "an autonomous system number");
    check_bounds(resolver, table.local_pref, 0..=i64::from(u32::MAX), "a local preference");
    let has = |family: Family| {
        pools.is_empty()
            || pools.iter().flat_map(|pool| &pool.addresses).any(|range| range.family() == family)
    };
    let families = [(Family::V4, "ipv4"), (Family::V6, "ipv6")];
    Bgp {
        my_asn: table.my_asn.map(|number| number.value).unwrap_or_default(),
        peers: table
            .peers
            .iter()
            .map(|(name, entry)| lower_peer(resolver, name, &entry.value, entry.key))
            .collect(),
        nodes: known_nodes(resolver, &table.nodes, nodes),
        node_selector: texts(resolver, &table.node_selector),
        families: families.into_iter().filter(|(family, _)| has(*family)).map(|(_, word)| word).collect(),
        communities: lower_communities(resolver, table),
        local_pref: table.local_pref.map(|rank| rank.value),
    }
}

fn lower_peer(resolver: &mut Resolver<'_>, name: &str, peer: &CiliumPeer, place: Span) -> Peer {
    check_name(resolver, name, place, "a peer", NameKind::Subdomain);
    check_bounds(resolver, peer.peer_asn, 1..=i64::from(u32::MAX), "an autonomous system number");
    check_bounds(resolver, peer.ebgp_multi_hop, 1..=255, "a number of hops");
    check_port(resolver, peer.peer_port.as_ref());
    let address = peer.peer_address.as_ref().and_then(|text| resolver.address(text));
    Peer {
        name: name.to_owned(),
        peer_asn: peer.peer_asn.map(|number| number.value).unwrap_or_default(),
        peer_address: address.map(|address| address.to_string()),
        peer_port: peer.peer_port.map(|port| port.value),
        hold_time: whole_seconds(resolver, peer.hold_time.as_ref(), 3, 65_535),
        keepalive_time: whole_seconds(resolver, peer.keepalive_time.as_ref(), 1, 65_535),
        connect_time: whole_seconds(resolver, peer.connect_time.as_ref(), 1, i64::from(i32::MAX)),
        ebgp_multi_hop: peer.ebgp_multi_hop.map(|hops| hops.value),
        graceful_restart: whole_seconds(resolver, peer.graceful_restart.as_ref(), 1, 4095),
        password_secret: optional_name(
            resolver,
            peer.password_secret.as_ref(),
            "a Secret",
            NameKind::Subdomain,
        ),
        place,
    }
}

/// Cilium counts whole seconds.
fn whole_seconds(resolver: &mut Resolver<'_>, time: Option<&Duration>, least: i64, most: i64) -> Option<i64> {
    let time = time?;
    let seconds = time.seconds();
    #[allow(clippy::cast_possible_truncation)]
    let whole = seconds as i64;
    if seconds.fract() != 0.0 || !(least..=most).contains(&whole) {
        resolver.found.push(
            BAD_VALUE
                .at(time.0.span, "out of bounds", format!("Cilium cannot wait for `{}` here", time.0))
                .help(format!("give whole seconds from \"{least}s\" to \"{most}s\"")),
        );
    }
    Some(whole)
}

const WELL_KNOWN: &[&str] = &[
    "internet",
    "planned-shut",
    "accept-own",
    "route-filter-translated-v4",
    "route-filter-v4",
    "route-filter-translated-v6",
    "route-filter-v6",
    "llgr-stale",
    "no-llgr",
    "blackhole",
    "no-export",
    "no-advertise",
    "no-export-subconfed",
    "no-peer",
];

fn lower_communities(resolver: &mut Resolver<'_>, table: &CiliumBgp) -> Communities {
    let mut communities = Communities::default();
    for text in &table.communities {
        let value = resolver.text(text);
        if WELL_KNOWN.contains(&value.as_str()) {
            communities.well_known.push(value.value);
        } else if let Some(large) = value.strip_prefix("large:").filter(|_| is_community(&value)) {
            communities.large.push(large.to_owned());
        } else if is_community(&value) {
            communities.standard.push(value.value);
        } else {
            resolver.found.push(
                BAD_VALUE
                    .at(value.span, "not a community", format!("`{value}` is not a BGP community"))
                    .help("write two numbers up to 65535, such as \"65535:65282\", a large one, \"large:64500:1:2\", or a name such as \"no-export\""),
            );
        }
    }
    communities
}
