//! What environments share: the cluster and its network.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::address::{Family, Range, parse_cidr, parse_range_or_host};
use crate::inventory;
use crate::inventory::network::Cni;
use crate::inventory::value::{AddressText, OneOrMany, RangeText, Text};
use crate::model::chart::Chart;
use crate::model::endpoint::check_endpoint;
use crate::model::gitops::Gitops;
use crate::model::naming::{NameKind, check_name};
use crate::model::nfs::like_an_address;
use crate::model::references::{QuantityValue, Resolver};
use crate::model::zone::lower_time_zone;
use crate::model::{BAD_NAME, BAD_VALUE};
use crate::object::emit::unsafe_text;
use crate::quantity::Quantity;
use crate::source::{Spanned, is_deceptive};

/// The cluster's name, if the inventory gives none.
pub const DEFAULT_NAME: &str = "cluster";

/// The cluster's DNS domain, if the inventory gives none.
pub const DEFAULT_DOMAIN: &str = "cluster.local";

/// The Kubernetes version, if the inventory gives none.
pub const DEFAULT_KUBERNETES: &str = "1.34";
/// The same as numbers.
const DEFAULT_VERSION: (u32, u32) = (1, 34);

/// What is true of the whole cluster.
#[derive(Clone, Debug, Serialize)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Its Kubernetes version, as written.
    pub kubernetes: String,
    /// The version as numbers.
    #[serde(skip)]
    pub version: (u32, u32),
    /// Its DNS domain.
    pub domain: String,
    /// Networks of pods.
    pub pod_cidrs: Vec<Spanned<Range>>,
    /// Networks of ClusterIPs; the first one's family is what Services get by default.
    pub service_cidrs: Vec<Spanned<Range>>,
    /// Where the API server answers, as written.
    pub api_endpoint: Option<String>,
    /// The address in it, if it has one.
    #[serde(skip)]
    pub api_address: Option<Spanned<IpAddr>>,
    /// Virtual addresses of the control plane.
    pub vips: Vec<Spanned<IpAddr>>,
    /// Its time zone.
    pub timezone: Option<String>,
    /// Where the ConfigMap of these facts lives: with the engine that applies the infrastructure, else in `default`.
    pub inventory_namespace: String,
}

impl Cluster {
    /// The families that a Service can have; both if the inventory does not say.
    pub fn service_families(&self) -> Vec<Family> {
        self.service_cidrs.iter().map(|cidr| cidr.value.family()).collect()
    }
}

/// The network that the nodes stand in.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Network {
    /// Its networks.
    pub lan: Vec<Spanned<Range>>,
    /// The routers.
    pub gateways: Vec<Spanned<IpAddr>>,
    /// Whether Cilium keeps the policies, which can name hosts then.
    pub cilium: bool,
    /// The name servers that machines ask.
    pub dns: Vec<Spanned<IpAddr>>,
    /// What DHCP gives out.
    pub dhcp: Vec<Spanned<Range>>,
    /// Other machines' addresses, by name.
    pub reserved: Vec<Reserved>,
    /// What the inventory knows of the cluster and its network, as variables.
    pub facts: BTreeMap<String, String>,
    /// Who has which single address, in order of addresses.
    pub addresses: Vec<AddressRow>,
}

/// An address and who has it.
#[derive(Clone, Debug, Serialize)]
pub struct AddressRow {
    /// The address.
    pub address: IpAddr,
    /// Who has it, in words.
    pub owner: String,
    /// The environment it is had in; none for what environments share.
    pub environment: Option<String>,
    /// The pool that a load balancer's comes from.
    pub pool: Option<String>,
    /// Where the inventory says so, as its path.
    pub subject: String,
}

/// Addresses of another machine.
#[derive(Clone, Debug, Serialize)]
pub struct Reserved {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<Spanned<IpAddr>>,
}

/// Lowers `[cluster]`.
pub fn lower_cluster(resolver: &mut Resolver<'_>, gitops: Option<&Gitops>) -> Cluster {
    let absent = inventory::network::Cluster::default();
    let table = resolver.inventory.tables.cluster.as_ref().unwrap_or(&absent);
    let kubernetes = table.kubernetes.as_ref().map(|text| resolver.text(text));
    let version = kubernetes.as_ref().map(|text| (text, kubernetes_version(text)));
    if let Some((text, None)) = &version {
        resolver.found.push(
            BAD_VALUE
                .at(text.span, "not major.minor", format!("`{text}` is not a Kubernetes version"))
                .help("write major and minor, such as \"1.34\""),
        );
    }
    let version = version.and_then(|(_, version)| version);
    let endpoint = table.api_endpoint.as_ref().map(|text| resolver.text(text));
    endpoint.iter().for_each(|endpoint| check_endpoint(resolver, endpoint));
    if let Some(text) = &table.api_endpoint {
        resolver.note_way(text.span, host_of(text));
    }
    let referring = table.api_endpoint.as_ref().is_some_and(|text| text.contains("${"));
    let api_address = endpoint.as_ref().and_then(|endpoint| {
        let host = Spanned::new(host_of(endpoint).to_owned(), endpoint.span);
        // A reference that leads nowhere has been reported.
        let read = like_an_address(&host) && !(host.is_empty() && referring);
        if read { resolver.address(&AddressText(host)) } else { None }
    });
    Cluster {
        name: lower_name(resolver, table.name.as_ref(), gitops.is_some()),
        kubernetes: kubernetes.map_or_else(|| DEFAULT_KUBERNETES.to_owned(), |text| text.value),
        version: version.unwrap_or(DEFAULT_VERSION),
        domain: lower_domain(resolver, table.domain.as_ref()),
        pod_cidrs: cidrs(resolver, table.pod_cidr.as_ref()),
        service_cidrs: cidrs(resolver, table.service_cidr.as_ref()),
        api_endpoint: endpoint.map(|text| text.value),
        api_address,
        vips: addresses(resolver, table.vip.as_ref()),
        timezone: table.timezone.as_ref().map(|zone| lower_time_zone(resolver, zone).value),
        inventory_namespace: gitops.map_or("default", |gitops| gitops.engine_namespace()).to_owned(),
    }
}

/// People may call their cluster as they like, in one line that shows all that it says. Where an engine delivers to it,
/// the name is an object's, and is `judged` as one there.
fn lower_name(resolver: &mut Resolver<'_>, written: Option<&Text>, judged: bool) -> String {
    let Some(name) = written.map(|text| resolver.text(text)) else { return DEFAULT_NAME.to_owned() };
    // What no YAML carries has been told.
    if !judged && name.contains(is_deceptive) && unsafe_text(&name).is_none() {
        let message = "the cluster's name has line ends or characters that do not show";
        resolver.found.push(BAD_NAME.at(name.span, "not a name", message).help("write it in one line"));
    }
    name.value
}

fn lower_domain(resolver: &mut Resolver<'_>, written: Option<&Text>) -> String {
    let Some(domain) = written.map(|text| resolver.text(text)) else { return DEFAULT_DOMAIN.to_owned() };
    if !domain.is_empty() {
        let name = domain.strip_suffix('.').unwrap_or(&domain);
        check_name(resolver, name, domain.span, "a domain of DNS", NameKind::Host);
    }
    domain.value
}

/// The version of Kubernetes as the inventory writes it, or the usual one: for whoever reads before `[cluster]` is
/// resolved.
pub fn version(inventory: &inventory::Inventory) -> (u32, u32) {
    let text = inventory.tables.cluster.as_ref().and_then(|table| table.kubernetes.as_ref());
    text.and_then(|text| kubernetes_version(&text.value)).unwrap_or(DEFAULT_VERSION)
}

/// `1.34` or `v1.34.2` as numbers.
fn kubernetes_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix('v').unwrap_or(text).split('.').map(str::parse);
    let version = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    numbers.all(|number| number.is_ok()).then_some(version)
}

/// The host in `https://host:port/…`, `host:port` or `host`; IPv6 without its brackets.
fn host_of(endpoint: &str) -> &str {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    if let Some(bracketed) = authority.strip_prefix('[') {
        return bracketed.split(']').next().unwrap_or_default();
    }
    match authority.matches(':').count() {
        1 => authority.split(':').next().unwrap_or_default(),
        _ => authority,
    }
}

/// Of `service-cidr` the API server takes one network of each family, and of `pod-cidr` the controller manager. Cilium
/// has pools of its own for pods, of as many networks as one likes.
pub fn one_network_of_each_family(resolver: &mut Resolver<'_>, cluster: &Cluster, network: &Network) {
    let pods = cluster.pod_cidrs.iter().filter(|_| !network.cilium);
    for (key, cidrs) in
        [("pod-cidr", pods.collect()), ("service-cidr", cluster.service_cidrs.iter().collect())]
    {
        let cidrs: Vec<&Spanned<Range>> = cidrs;
        for (at, second) in cidrs.iter().enumerate() {
            let family = second.family();
            let Some(first) = cidrs[..at].iter().find(|first| first.family() == family) else { continue };
            // Two that overlap are told of that.
            if cidrs[..at].iter().any(|first| first.overlaps(second.value)) {
                continue;
            }
            let message = format!("`cluster.{key}` has two {family} networks, and takes one of each family");
            resolver.found.push(
                BAD_VALUE
                    .at(second.span, format!("the second of {family}"), message)
                    .because(first.span, "the first")
                    .about(format!("cluster.{key}"))
                    .help("keep one network of each family, large enough for all"),
            );
        }
    }
}

fn cidrs(
    resolver: &mut Resolver<'_>,
    texts: Option<&OneOrMany<inventory::value::CidrText>>,
) -> Vec<Spanned<Range>> {
    let texts = texts.map(|texts| texts.0.as_slice()).unwrap_or_default();
    texts.iter().filter_map(|text| resolver.range(&text.0, parse_cidr)).collect()
}

fn ranges(resolver: &mut Resolver<'_>, texts: &[RangeText]) -> Vec<Spanned<Range>> {
    texts.iter().filter_map(|text| resolver.range(&text.0, parse_range_or_host)).collect()
}

/// Addresses of a key that takes one or many.
pub fn addresses(
    resolver: &mut Resolver<'_>,
    texts: Option<&OneOrMany<AddressText>>,
) -> Vec<Spanned<IpAddr>> {
    let texts = texts.map(|texts| texts.0.as_slice()).unwrap_or_default();
    texts.iter().filter_map(|text| resolver.address(text)).collect()
}

/// Lowers `[network]`.
pub fn lower_network(resolver: &mut Resolver<'_>, charts: &[Chart]) -> Network {
    let tables = &resolver.inventory.tables;
    let cilium = tables.cilium.is_some() || charts.iter().any(|chart| chart.chart == "cilium");
    let Some(table) = &tables.network else { return Network { cilium, ..Network::default() } };
    let reserved = table.reserved.iter();
    Network {
        cilium: table.cni.map_or(cilium, |cni| cni.value == Cni::Cilium),
        lan: cidrs(resolver, table.lan.as_ref()),
        gateways: addresses(resolver, table.gateway.as_ref()),
        dns: table.dns.iter().filter_map(|text| resolver.address(text)).collect(),
        dhcp: ranges(resolver, table.dhcp.as_ref().map(|dhcp| dhcp.0.as_slice()).unwrap_or_default()),
        reserved: reserved
            .map(|(name, entry)| Reserved {
                name: name.clone(),
                addresses: addresses(resolver, Some(&entry.value)),
            })
            .collect(),
        facts: BTreeMap::new(),
        addresses: Vec::new(),
    }
}

/// An amount for sums; absent counts as nothing.
pub fn amount(quantity: Option<&Spanned<QuantityValue>>) -> Option<Quantity> {
    quantity.map(|quantity| quantity.value.amount)
}
