//! Who claims which address: every value of the inventory that names one, as a range with an owner and a place.

mod of_values;
mod one_facts;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::address::Range;
use crate::inventory::load_balancer::Provider;
use crate::inventory::network::Role;
use crate::model::references::Resolver;
use crate::model::service::Service;
use crate::model::{Environment, Model};
use crate::source::{Span, Spanned};

/// What a claim is for. The pair of kinds of two overlapping claims decides what that means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ClaimKind {
    /// A network that machines stand in.
    Lan,
    /// The pods' network.
    Pods,
    /// The ClusterIPs' network.
    Services,
    /// What DHCP gives out.
    Dhcp,
    /// An entry of a load balancer pool.
    Pool,
    /// An address that a machine has: a node, a NAS, a router, a reserved one, a virtual one.
    Host,
    /// An address that a load balancer asks for.
    LoadBalancer,
}

impl ClaimKind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::Lan, Self::Pods, Self::Services, Self::Dhcp, Self::Pool, Self::Host, Self::LoadBalancer];
}

/// A range that something claims.
#[derive(Clone, Debug)]
pub struct AddressClaim {
    /// The range.
    pub range: Range,
    /// What for.
    pub kind: ClaimKind,
    /// By whom, in words: "node `w1`".
    pub owner: String,
    /// By whom, as an inventory path: `nodes.w1`.
    pub subject: String,
    /// Where the inventory says so.
    pub span: Span,
    /// The pool's index, for [`ClaimKind::Pool`].
    pub pool: Option<usize>,
    /// The service, for the load balancer of one.
    pub service: Option<ServicePlace>,
    /// The paths that its text leads to, if it is nothing but a reference.
    pub way: Vec<String>,
    /// Another claim stands for it: it is the same fact, not a second one.
    pub told: bool,
}

/// A service of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServicePlace {
    /// Index of the environment.
    pub environment: usize,
    /// Index of the stack in it; `None` for a service without a known stack.
    pub stack: Option<usize>,
    /// Index of the service in the stack, or among the strays.
    pub service: usize,
}

impl Environment {
    /// Every service that is on, with and without a known stack.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.stacks.iter().flat_map(|stack| &stack.services).chain(&self.strays).map(Arc::as_ref)
    }
}

impl Model {
    /// Every service of every environment.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.environments.iter().flat_map(Environment::services)
    }

    /// The service at a place.
    pub fn service_at(&self, place: ServicePlace) -> &Service {
        let environment = &self.environments[place.environment];
        match place.stack {
            Some(stack) => &environment.stacks[stack].services[place.service],
            None => &environment.strays[place.service],
        }
    }
}

/// Gathers every claim of the model.
pub fn gather(model: &Model, resolver: &Resolver<'_>) -> Vec<AddressClaim> {
    let mut claims = Vec::new();
    gather_networks(model, &mut claims);
    gather_hosts(model, &mut claims);
    gather_charts(model, &mut claims);
    of_values::gather(model, &mut claims);
    gather_gateway(model, &mut claims);
    for claim in &mut claims {
        claim.way = resolver.way_at(claim.span).to_vec();
    }
    for (environment, _) in model.environments.iter().enumerate() {
        gather_services(model, environment, &mut claims);
    }
    gather_named(model, &mut claims);
    // To kube-vip 0.0.0.0 is a wish for an address from DHCP.
    if model.load_balancer.provider == Provider::KubeVip {
        let any = Range::single(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        claims.retain(|claim| claim.kind != ClaimKind::LoadBalancer || claim.range != any);
    }
    one_facts::tell(model, &mut claims);
    claims
}

fn claim(range: &Spanned<Range>, kind: ClaimKind, owner: &str, subject: &str) -> AddressClaim {
    AddressClaim {
        range: range.value,
        kind,
        owner: owner.to_owned(),
        subject: subject.to_owned(),
        span: range.span,
        pool: None,
        service: None,
        way: Vec::new(),
        told: false,
    }
}

fn host(address: &Spanned<IpAddr>, owner: &str, subject: &str) -> AddressClaim {
    claim(&address.map(Range::single), ClaimKind::Host, owner, subject)
}

fn gather_networks(model: &Model, claims: &mut Vec<AddressClaim>) {
    let network = &model.network;
    for range in &network.lan {
        claims.push(claim(range, ClaimKind::Lan, "the LAN", "network.lan"));
    }
    for range in &model.cluster.pod_cidrs {
        claims.push(claim(range, ClaimKind::Pods, "the pods' network", "cluster.pod-cidr"));
    }
    for range in &model.cluster.service_cidrs {
        claims.push(claim(range, ClaimKind::Services, "the services' network", "cluster.service-cidr"));
    }
    for range in &network.dhcp {
        claims.push(claim(range, ClaimKind::Dhcp, "the DHCP range", "network.dhcp"));
    }
    for (index, pool) in model.pools().iter().enumerate() {
        let owner = format!("pool `{}`", pool.name);
        for range in &pool.addresses {
            let claim = claim(range, ClaimKind::Pool, &owner, &pool.subject);
            claims.push(AddressClaim { pool: Some(index), ..claim });
        }
    }
}

fn gather_hosts(model: &Model, claims: &mut Vec<AddressClaim>) {
    for address in &model.network.gateways {
        claims.push(host(address, "the gateway", "network.gateway"));
    }
    for reserved in &model.network.reserved {
        let subject = format!("network.reserved.{}", reserved.name);
        for address in &reserved.addresses {
            claims.push(host(address, &format!("reserved `{}`", reserved.name), &subject));
        }
    }
    for node in &model.nodes {
        for address in &node.addresses {
            claims.push(host(address, &format!("node `{}`", node.name), &format!("nodes.{}", node.name)));
        }
    }
    for nfs in &model.nfs {
        if let Some(address) = &nfs.address {
            claims.push(host(address, &format!("NFS server `{}`", nfs.name), &format!("nfs.{}", nfs.name)));
        }
    }
    for vip in &model.cluster.vips {
        claims.push(host(vip, "the control plane", "cluster.vip"));
    }
    // An API endpoint on a control plane's own address, or on the virtual one, is theirs; on a worker's it is a
    // mistake. Without a declared control plane any node may be one.
    let endpoint = model.cluster.api_address.as_ref();
    let declared = model.nodes.iter().any(|node| node.role == Role::ControlPlane);
    let control_planes = model.nodes.iter().filter(|node| !declared || node.role == Role::ControlPlane);
    let own: Vec<IpAddr> = control_planes
        .flat_map(|node| &node.addresses)
        .chain(&model.cluster.vips)
        .map(|address| address.value)
        .collect();
    let known = |address: &IpAddr| own.contains(address);
    if let Some(address) = endpoint.filter(|address| !known(address)) {
        claims.push(host(address, "the API endpoint", "cluster.api-endpoint"));
    }
}

/// Machines that are only named, name servers and BGP peers, where they stand in the LAN or in a pool and nothing of the
/// inventory has their address. A chart that has it may say so in its values alone.
fn gather_named(model: &Model, claims: &mut Vec<AddressClaim>) {
    let dns = model
        .network
        .dns
        .iter()
        .map(|address| (*address, "the name server".to_owned(), "network.dns".to_owned()));
    let named: Vec<(Spanned<IpAddr>, String, String)> = dns.chain(bgp_peers(model)).collect();
    if named.is_empty() {
        return;
    }
    let single = |claim: &&AddressClaim| matches!(claim.kind, ClaimKind::Host | ClaimKind::LoadBalancer);
    let mut had: BTreeSet<IpAddr> = claims.iter().filter(single).map(|claim| claim.range.first()).collect();
    let values: Vec<String> = model.charts.iter().map(|chart| chart.values.to_string()).collect();
    for (address, owner, subject) in named {
        let ours = model.network.lan.iter().any(|lan| lan.contains(address.value))
            || model.pool_of(address.value).is_some();
        let text = address.to_string();
        let of_chart = values.iter().any(|values| values.contains(&text));
        if ours && !of_chart && had.insert(address.value) {
            claims.push(host(&address, &owner, &subject));
        }
    }
}

/// The routers that addresses are announced to.
fn bgp_peers(model: &Model) -> Vec<(Spanned<IpAddr>, String, String)> {
    let of_metallb = model.metallb.peers.iter().map(|peer| ("metallb", &peer.name, &peer.peer_address));
    let of_cilium = model.cilium.bgp.iter().flat_map(|bgp| &bgp.peers);
    let of_cilium = of_cilium.map(|peer| ("cilium", &peer.name, &peer.peer_address));
    let placed = of_metallb.chain(of_cilium).filter_map(|(table, name, address)| {
        let address = address.as_deref()?.parse().ok()?;
        let place = model.place_of("", &[table, "bgp", "peers", name, "peer-address"])?;
        let subject = format!("{table}.bgp.peers.{name}");
        Some((Spanned::new(address, place), format!("BGP peer `{name}`"), subject))
    });
    placed.collect()
}

fn gather_charts(model: &Model, claims: &mut Vec<AddressClaim>) {
    for chart in &model.charts {
        for (name, addresses) in &chart.addresses {
            for address in addresses {
                let owner = format!("`{name}` of chart `{}`", chart.name);
                let subject = format!("charts.{}", chart.name);
                let range = address.map(Range::single);
                claims.push(claim(&range, ClaimKind::LoadBalancer, &owner, &subject));
            }
        }
    }
}

fn gather_gateway(model: &Model, claims: &mut Vec<AddressClaim>) {
    let gateway = model.ingress.as_ref().and_then(|ingress| ingress.written_gateway.as_ref());
    for (gateway, address) in gateway.iter().flat_map(|one| one.addresses.iter().map(move |it| (one, it))) {
        let owner = format!("the Gateway `{}`", gateway.name);
        let range = address.map(Range::single);
        claims.push(claim(&range, ClaimKind::LoadBalancer, &owner, "ingress.gateway"));
    }
}

fn gather_services(model: &Model, environment: usize, claims: &mut Vec<AddressClaim>) {
    let table = &model.environments[environment];
    let several = model.environments.len() > 1;
    let placed = table.stacks.iter().enumerate().flat_map(|(stack, table)| {
        let services = table.services.iter().enumerate();
        services.map(move |(at, service)| {
            (service, ServicePlace { environment, stack: Some(stack), service: at })
        })
    });
    let strays = table.strays.iter().enumerate();
    let strays =
        strays.map(|(at, service)| (service, ServicePlace { environment, stack: None, service: at }));
    for (service, place) in placed.chain(strays) {
        let Some(balancer) = &service.load_balancer else { continue };
        for (address, way) in balancer.addresses.iter().zip(&balancer.ways) {
            let owner = match several {
                true => format!("service `{}` in {}", service.key, table.name),
                false => format!("service `{}`", service.key),
            };
            let range = address.map(Range::single);
            claims.push(AddressClaim {
                service: Some(place),
                way: way.clone(),
                ..claim(&range, ClaimKind::LoadBalancer, &owner, &service.subject())
            });
        }
    }
}
