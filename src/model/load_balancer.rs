//! Load balancers: the pools, whoever gives out their addresses, and how the network learns of them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::address::{Range, parse_pool_entry};
use crate::inventory;
use crate::inventory::load_balancer::{Advertise, Provider};
use crate::inventory::node::Value;
use crate::inventory::value::Text;
use crate::model::bgp::{
    BfdProfile, Peer, check_bounds, is_community, lower_bfd_profiles, lower_communities, lower_peers,
};
use crate::model::chart::Chart;
use crate::model::cilium_bgp;
use crate::model::gitops::{Gitops, brings_along};
use crate::model::naming::{NameKind, check_name, known_only, optional_name};
use crate::model::node::{Node, node_selectors};
use crate::model::references::Resolver;
use crate::model::service::Service;
use crate::model::texts::{list, texts};
use crate::model::{BAD_VALUE, CONFLICTING_KEYS, Environment, Model};
use crate::source::{Span, Spanned};

/// MetalLB's namespace, if the inventory gives none.
pub const DEFAULT_METALLB: &str = "metallb-system";

/// The load balancer of the cluster.
#[derive(Clone, Debug, Serialize)]
pub struct LoadBalancing {
    /// What gives services their addresses.
    pub provider: Provider,
}

/// MetalLB.
#[derive(Clone, Debug, Serialize)]
pub struct Metallb {
    /// Its namespace.
    pub namespace: String,
    /// Whether the chart of this inventory's MetalLB creates that namespace, or the tree must.
    pub writes_namespace: bool,
    /// The prefix of its Service annotations: `metallb.io` from version 0.14.9 on, before that
    /// `metallb.universe.tf` (metallb#2495).
    pub annotation_prefix: &'static str,
    /// The pools, by name.
    pub pools: Vec<Pool>,
    /// The BGP peers, by name.
    pub peers: Vec<Peer>,
    /// The BFD profiles, by name.
    pub bfd_profiles: Vec<BfdProfile>,
    /// BGP communities, by name.
    pub communities: BTreeMap<String, String>,
}

/// A pool of addresses.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Where it stands in the inventory, as a path.
    #[serde(skip)]
    pub subject: String,
    /// Its entries, canonically written.
    pub addresses: Vec<Spanned<Range>>,
    /// The same as MetalLB reads them: a single address is a network, too.
    pub entries: Vec<String>,
    /// The same as Cilium reads them: networks, or first and last.
    pub blocks: Vec<Block>,
    /// Whether it serves `ip = "auto"`.
    pub auto_assign: bool,
    /// Whether .0 and .255 are left out.
    pub avoid_buggy_ips: bool,
    /// Announced by ARP and NDP.
    pub l2: bool,
    /// Announced by BGP.
    pub bgp: bool,
    /// The nodes that announce it; none means all.
    pub nodes: Vec<String>,
    /// Label sets of nodes that announce it.
    pub node_selectors: Vec<BTreeMap<String, String>>,
    /// Interfaces of the L2 announcement; none means all.
    pub interfaces: Vec<String>,
    /// The namespaces it serves, as written; none means all.
    pub namespaces: Vec<Spanned<String>>,
    /// The same as they are in the cluster, with the environments' suffixes.
    pub real_namespaces: Vec<String>,
    /// The services it serves; none means all.
    pub services: Vec<Spanned<String>>,
    /// Their names in Kubernetes.
    pub service_names: Vec<String>,
    /// Which pool is used first.
    pub priority: Option<i64>,
    /// The peers it is announced to; none means all.
    pub peers: Vec<String>,
    /// BGP communities of its routes: names and values.
    pub communities: Vec<String>,
    /// How long the prefix of an announced IPv4 route is.
    pub aggregation_length: Option<Spanned<i64>>,
    /// How long the prefix of an announced IPv6 route is.
    pub aggregation_length_v6: Option<Spanned<i64>>,
    /// How iBGP peers rank its routes.
    pub local_pref: Option<i64>,
    /// The first and last address of a network are not given out (Cilium).
    pub skips_ends: bool,
    /// Some of its addresses could not be read, which has been reported: what it holds is not known.
    #[serde(skip)]
    pub unread: bool,
    /// Services may share its addresses without a key (kube-vip).
    pub allow_share: bool,
    /// How many of its addresses nothing else has: what is left for `ip = "auto"` and for later.
    pub left: u64,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// An entry of a pool, as a network or by its ends.
#[derive(Clone, Debug, Serialize)]
pub struct Block {
    /// The network.
    pub cidr: Option<String>,
    /// The first address.
    pub start: Option<String>,
    /// The last address.
    pub stop: Option<String>,
}

impl Block {
    /// As it is written: to Cilium a network is something else than the same addresses by their ends.
    fn of(range: Range, network: bool) -> Self {
        let cidr = range.cidr().filter(|_| network);
        let by_ends = cidr.is_none();
        let end = |address: IpAddr| by_ends.then(|| address.to_string());
        Self { start: end(range.first()), stop: end(range.last()), cidr }
    }
}

/// Cilium as a load balancer.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cilium {
    /// The pools, by name.
    pub pools: Vec<Pool>,
    /// The apiVersion of its pools and of BGP: `cilium.io/v2` from version 1.18 on.
    pub pool_api: &'static str,
    /// Whether TCP and UDP may have one port of a shared address: from version 1.17 on (cilium#34691).
    #[serde(skip)]
    pub tells_protocols: bool,
    /// How addresses are announced by ARP and NDP, if they are.
    pub l2: Option<CiliumL2>,
    /// How they are announced by BGP, if they are.
    pub bgp: Option<cilium_bgp::Bgp>,
}

/// How Cilium announces addresses by ARP and NDP.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CiliumL2 {
    /// Interfaces, as regular expressions; none means all.
    pub interfaces: Vec<String>,
    /// Nodes; none means all.
    pub nodes: Vec<String>,
    /// Labels of nodes.
    pub node_selector: BTreeMap<String, String>,
}

impl Model {
    /// Whether what gives services their addresses tells TCP from UDP where two share one.
    pub fn tells_protocols(&self) -> bool {
        match self.load_balancer.provider {
            Provider::Metallb | Provider::Servicelb => true,
            Provider::Cilium => self.cilium.tells_protocols,
            Provider::KubeVip => false,
        }
    }

    /// The pools of whatever gives services their addresses.
    pub fn pools(&self) -> &[Pool] {
        match self.load_balancer.provider {
            Provider::Metallb => &self.metallb.pools,
            Provider::Cilium => &self.cilium.pools,
            Provider::KubeVip => &self.kube_vip.pools,
            Provider::Servicelb => &[],
        }
    }

    /// The same, to be told more.
    pub fn pools_mut(&mut self) -> &mut [Pool] {
        match self.load_balancer.provider {
            Provider::Metallb => &mut self.metallb.pools,
            Provider::Cilium => &mut self.cilium.pools,
            Provider::KubeVip => &mut self.kube_vip.pools,
            Provider::Servicelb => &mut [],
        }
    }
}

/// Lowers `[metallb]`.
pub fn lower_metallb(
    resolver: &mut Resolver<'_>,
    nodes: &[Node],
    charts: &[Chart],
    gitops: Option<&Gitops>,
) -> Metallb {
    let absent = inventory::load_balancer::Metallb::default();
    let table = resolver.inventory.tables.metallb.as_ref().unwrap_or(&absent);
    let namespace = optional_name(resolver, table.namespace.as_ref(), "a namespace", NameKind::Label)
        .unwrap_or_else(|| DEFAULT_METALLB.to_owned());
    let bgp = table.bgp.as_ref();
    let bfd_profiles = bgp.map(|bgp| lower_bfd_profiles(resolver, bgp)).unwrap_or_default();
    let communities = bgp.map(|bgp| lower_communities(resolver, bgp)).unwrap_or_default();
    let peers = bgp.map(|bgp| lower_peers(resolver, bgp, nodes, &bfd_profiles)).unwrap_or_default();
    let pools = table.pools.iter();
    let chart = charts.iter().find(|chart| chart.chart == "metallb");
    Metallb {
        writes_namespace: charts.iter().all(|chart| chart.namespace.value != namespace)
            && !brings_along(gitops, &namespace),
        namespace,
        annotation_prefix: match chart.and_then(|chart| version_of(&chart.version)) {
            Some(version) if version < [0, 14, 9] => "metallb.universe.tf",
            _ => "metallb.io",
        },
        pools: pools
            .map(|(name, entry)| {
                let mut pool = lower_pool(resolver, name, &entry.value, nodes, (&peers, &communities));
                pool.place = entry.key;
                pool
            })
            .collect(),
        peers,
        bfd_profiles,
        communities,
    }
}

/// `v0.14.9` as numbers; a pre-release counts as its release.
pub fn version_of(text: &str) -> Option<[u32; 3]> {
    let core = text.trim_start_matches('v').split(['-', '+']).next()?;
    let mut numbers = core.split('.').map(|number| number.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or(0)])
}

/// Lowers `[load-balancer]`: the one table with pools says it, if nothing else does.
pub fn lower_load_balancer(resolver: &mut Resolver<'_>) -> LoadBalancing {
    let tables = &resolver.inventory.tables;
    let asked = tables.load_balancer.as_ref().and_then(|table| table.provider);
    let mut there = [
        (Provider::Metallb, tables.metallb.as_ref().map(|table| table.span)),
        (Provider::Cilium, tables.cilium.as_ref().map(|table| table.span)),
        (Provider::KubeVip, tables.kube_vip.as_ref().map(|table| table.span)),
    ]
    .into_iter()
    .filter_map(|(provider, span)| Some((provider, span?)));
    let first = there.next();
    let provider = asked.map(|asked| asked.value).or(first.map(|(provider, _)| provider));
    let provider = provider.unwrap_or(Provider::Metallb);
    let other = first.into_iter().chain(there).find(|(other, _)| *other != provider);
    if let Some((other, span)) = other {
        let message =
            format!("addresses come from {}, and `{}` has a table, too", provider.word(), other.word());
        let diagnostic = CONFLICTING_KEYS.at(span, "not used", message);
        let diagnostic = match asked {
            Some(asked) => diagnostic.because(asked.span, "asked for here"),
            None => diagnostic,
        };
        resolver.found.push(diagnostic.help("keep the table of the load balancer that the cluster has"));
    }
    LoadBalancing { provider }
}

/// Lowers `[cilium]`.
pub fn lower_cilium(resolver: &mut Resolver<'_>, nodes: &[Node], charts: &[Chart]) -> Cilium {
    let Some(table) = resolver.inventory.tables.cilium.as_ref() else { return Cilium::default() };
    let chart = charts.iter().find(|chart| chart.chart == "cilium");
    let version = chart.and_then(|chart| version_of(&chart.version));
    let old = version.is_some_and(|version| version < [1, 18, 0]);
    let l2 = match table.l2.as_ref().map(|l2| l2.on()) {
        Some(None) => None,
        Some(Some(l2)) => Some(CiliumL2 {
            interfaces: list(resolver, &l2.interfaces),
            nodes: known_nodes(resolver, &l2.nodes, nodes),
            node_selector: texts(resolver, &l2.node_selector),
        }),
        None => table.bgp.is_none().then(CiliumL2::default),
    };
    let table_of_bgp = table.bgp.as_ref();
    let pools = table.pools.iter();
    let pools: Vec<Pool> = pools
        .map(|(name, entry)| {
            let table = &entry.value;
            let mut pool = plain_pool(resolver, ["cilium", name], &table.addresses, entry.key);
            pool.namespaces = table.namespaces.iter().map(|text| resolver.text(text)).collect();
            pool.services = known_services(resolver, &table.services);
            pool.skips_ends = table.allow_first_last_ips.is_some_and(|flag| !flag.value);
            pool.l2 = l2.is_some();
            pool.bgp = table_of_bgp.is_some();
            pool
        })
        .collect();
    Cilium {
        pool_api: if old { "cilium.io/v2alpha1" } else { "cilium.io/v2" },
        tells_protocols: version.is_some_and(|version| version >= [1, 17, 0]),
        bgp: table_of_bgp.map(|bgp| cilium_bgp::lower(resolver, bgp, nodes, &pools)),
        pools,
        l2,
    }
}

/// MetalLB takes no bare address.
fn pool_entry(range: &Range) -> String {
    range.cidr().unwrap_or_else(|| range.to_string())
}

/// Tells every pool which namespaces and Services of the cluster it serves: an inventory names a namespace
/// before the environments' suffix or with it.
pub fn serve_namespaces(model: &mut Model) {
    let (environments, charts) = (&model.environments, &model.charts);
    for pool in model.metallb.pools.iter_mut().chain(&mut model.cilium.pools) {
        for wanted in &pool.namespaces {
            let real = environments.iter().flat_map(|environment| {
                let suffixed = format!("{}{}", wanted.value, environment.namespace_suffix);
                let of_stacks = environment.stacks.iter().map(|stack| &stack.namespace.value);
                of_stacks.filter(move |name| **name == suffixed || **name == wanted.value).cloned()
            });
            let before = pool.real_namespaces.len();
            pool.real_namespaces.extend(real);
            let of_a_chart = charts.iter().any(|chart| chart.namespace.value == wanted.value);
            if of_a_chart || pool.real_namespaces.len() == before {
                pool.real_namespaces.push(wanted.value.clone());
            }
        }
        let services = environments.iter().flat_map(Environment::services);
        let served = services.filter(|service| pool.services.iter().any(|key| key.value == service.key));
        let name = |service: &Service| match &service.external_service {
            Some(external) => external.name.clone(),
            None => service.name.clone(),
        };
        pool.service_names = served.map(name).collect();
        for names in [&mut pool.real_namespaces, &mut pool.service_names] {
            names.sort();
            names.dedup();
        }
    }
}

/// The nodes that are named, those that exist.
pub fn known_nodes(resolver: &mut Resolver<'_>, texts: &[Text], nodes: &[Node]) -> Vec<String> {
    let names = texts.iter().map(|text| resolver.text(text)).collect();
    let known = known_only(
        resolver,
        names,
        "node",
        |name| nodes.iter().any(|node| node.name == name),
        || nodes.iter().map(|node| node.name.as_str()).collect(),
    );
    known.into_iter().map(|name| name.value).collect()
}

fn lower_pool(
    resolver: &mut Resolver<'_>,
    name: &str,
    table: &inventory::load_balancer::Pool,
    nodes: &[Node],
    (peers, communities): (&[Peer], &BTreeMap<String, String>),
) -> Pool {
    let advertise = table.advertise.as_ref().map(|modes| modes.0.iter().map(|mode| mode.value).collect());
    let advertise: Vec<Advertise> = advertise.unwrap_or_else(|| vec![Advertise::L2]);
    let peer_names = table.peers.iter().map(|text| resolver.text(text)).collect();
    let peer_names = known_only(
        resolver,
        peer_names,
        "BGP peer",
        |name| peers.iter().any(|peer| peer.name == name),
        || peers.iter().map(|peer| peer.name.as_str()).collect(),
    );
    check_bounds(resolver, table.local_pref, 0..=i64::from(u32::MAX), "a local preference");
    check_bounds(resolver, table.aggregation_length, 0..=32, "the length of an IPv4 prefix");
    check_bounds(resolver, table.aggregation_length_v6, 0..=128, "the length of an IPv6 prefix");
    Pool {
        auto_assign: table.auto_assign.as_ref().is_none_or(|flag| flag.value),
        avoid_buggy_ips: table.avoid_buggy_ips.as_ref().is_some_and(|flag| flag.value),
        l2: advertise.contains(&Advertise::L2),
        bgp: advertise.contains(&Advertise::Bgp),
        nodes: known_nodes(resolver, &table.nodes, nodes),
        node_selectors: node_selectors(resolver, &table.node_selectors),
        interfaces: list(resolver, &table.interfaces),
        namespaces: table.namespaces.iter().map(|text| resolver.text(text)).collect(),
        services: known_services(resolver, &table.services),
        priority: table.priority.as_ref().map(|priority| priority.value),
        peers: peer_names.into_iter().map(|peer| peer.value).collect(),
        communities: known_communities(resolver, &table.communities, communities),
        aggregation_length: table.aggregation_length,
        aggregation_length_v6: table.aggregation_length_v6,
        local_pref: table.local_pref.map(|rank| rank.value),
        ..plain_pool(resolver, ["metallb", name], &table.addresses, table.span)
    }
}

/// A pool of which only the addresses are known.
pub fn plain_pool(
    resolver: &mut Resolver<'_>,
    [owner, name]: [&str; 2],
    addresses: &[inventory::value::RangeText],
    place: Span,
) -> Pool {
    check_name(resolver, name, place, "a pool", NameKind::Subdomain);
    let written = resolver.inventory.root.find([owner, "pools", name, "addresses"]);
    if written.is_some_and(|node| matches!(&node.value, Value::Array(items) if items.is_empty())) {
        resolver.found.push(
            BAD_VALUE
                .at(place, "no addresses", format!("pool `{name}` holds no addresses"))
                .help("give it a range such as \"192.168.1.60-192.168.1.69\""),
        );
    }
    let count = match written.map(|node| &node.value) {
        Some(Value::Array(items)) => items.len(),
        _ => 0,
    };
    let mut blocks = Vec::new();
    let ranges = addresses.iter().filter_map(|text| {
        let mut network = false;
        let range = resolver.range(&text.0, |text| {
            network = text.contains('/');
            parse_pool_entry(text)
        })?;
        blocks.push(Block::of(range.value, network));
        Some(range)
    });
    let addresses: Vec<Spanned<Range>> = ranges.collect();
    Pool {
        entries: addresses.iter().map(|range| pool_entry(range)).collect(),
        blocks,
        unread: addresses.is_empty() || addresses.len() != count,
        addresses,
        subject: format!("{owner}.pools.{name}"),
        auto_assign: true,
        name: name.to_owned(),
        place,
        ..Pool::default()
    }
}

fn known_services(resolver: &mut Resolver<'_>, texts: &[Text]) -> Vec<Spanned<String>> {
    let services = &resolver.inventory.tables.services;
    let names = texts.iter().map(|text| resolver.text(text)).collect();
    known_only(
        resolver,
        names,
        "service",
        |name| services.contains_key(name),
        || services.keys().map(String::as_str).collect(),
    )
}

/// Names of communities, or communities.
fn known_communities(
    resolver: &mut Resolver<'_>,
    texts: &[Text],
    communities: &BTreeMap<String, String>,
) -> Vec<String> {
    let names = texts.iter().map(|text| resolver.text(text)).collect();
    let known = known_only(
        resolver,
        names,
        "community",
        |name| communities.contains_key(name) || is_community(name),
        || communities.keys().map(String::as_str).collect(),
    );
    known.into_iter().map(|name| name.value).collect()
}
