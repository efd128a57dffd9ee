//! Load balancers that ask for one address: right only if whatever gives it out lets them share it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::check::addresses::{DUPLICATE_ADDRESS, MOST_PARTNERS, Offers};
use crate::check::ports::HOST_PORT_CLASH;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::ingress::ListenerProtocol;
use crate::inventory::load_balancer::Provider;
use crate::model::Model;
use crate::model::balancer::LoadBalancer;
use crate::model::claims::{AddressClaim, ClaimKind, ServicePlace};
use crate::model::gateway::{Gateway, Listener};
use crate::model::service::Service;
use crate::source::Span;

/// Load balancers that ask for one address.
pub fn shared_addresses(model: &Model, offers: &mut Offers<'_>, found: &mut Diagnostics) {
    if model.load_balancer.provider == Provider::Servicelb {
        return node_ports_of_servicelb(model, found);
    }
    let mut groups: BTreeMap<IpAddr, Vec<&AddressClaim>> = BTreeMap::new();
    let balancers = model.claims.iter().filter(|claim| claim.kind == ClaimKind::LoadBalancer && !claim.told);
    for claim in balancers {
        groups.entry(claim.range.first()).or_default().push(claim);
    }
    for (address, mut claims) in groups.into_iter().filter(|(_, claims)| claims.len() > 1) {
        claims.sort_by_key(|claim| (claim.span, claim.service));
        // Of many, each is compared with the first few, and with whoever has one of its ports first.
        let mut ports: BTreeMap<PortPair, &AddressClaim> = BTreeMap::new();
        let mut owners: BTreeMap<&str, &AddressClaim> = BTreeMap::new();
        let mut twice: BTreeSet<Span> = BTreeSet::new();
        for (at, claim) in claims.iter().enumerate() {
            // Of what is written twice the second one clashes with nobody else.
            let first = *owners.entry(&claim.owner).or_insert(claim);
            if first.span != claim.span {
                if twice.insert(claim.span) {
                    found.push(written_twice(address, first, claim));
                }
                continue;
            }
            let own = claim.service.map(|place| ports_of(model, model.service_at(place))).unwrap_or_default();
            let rivals = own.iter().filter_map(|port| ports.get(port).copied());
            let mut earlier = claims[..at].iter().copied().take(MOST_PARTNERS).chain(rivals);
            let clash = earlier.find_map(|other| Some((other, unshareable(model, other, claim)?)));
            if let Some((other, reason)) = clash {
                found.push(duplicate(model, address, other, claim, &reason, offers));
            }
            for port in own {
                ports.entry(port).or_insert(claim);
            }
        }
    }
}

fn duplicate(
    model: &Model,
    address: IpAddr,
    first: &AddressClaim,
    second: &AddressClaim,
    reason: &str,
    offers: &mut Offers<'_>,
) -> Diagnostic {
    let message = format!("{address} is claimed twice: by {} and by {}{reason}", first.owner, second.owner);
    let label = format!("claimed here by {}", second.owner);
    let mut diagnostic = DUPLICATE_ADDRESS.at(second.span, label, message);
    if first.span == second.span {
        // An environment has taken the default address over: the second place is the environment itself.
        let environments: BTreeSet<_> =
            [first, second].iter().filter_map(|claim| Some(claim.service?.environment)).collect();
        for environment in environments {
            let environment = &model.environments[environment];
            diagnostic = diagnostic
                .because(environment.place, format!("{} has it from the default", environment.name));
        }
    } else {
        diagnostic = diagnostic.because(first.span, format!("already claimed here by {}", first.owner));
    }
    diagnostic = diagnostic.about(&second.subject).about(&first.subject);
    let way_out = match first.span == second.span {
        true => Some("give one environment an address of its own, or `ip = false`".to_owned()),
        false => served_gateway(model, first, second),
    };
    match (offers.near(second), way_out) {
        (Some(free), None) => diagnostic.help(format!("{free} is free")),
        (Some(free), Some(way_out)) => diagnostic.help(format!("{way_out}; {free} is free")),
        (None, None) => diagnostic,
        (None, Some(way_out)) => diagnostic.help(way_out),
    }
}

/// One list has it twice.
fn written_twice(address: IpAddr, first: &AddressClaim, second: &AddressClaim) -> Diagnostic {
    DUPLICATE_ADDRESS
        .at(second.span, "once more", format!("{} has {address} twice", second.owner))
        .because(first.span, "the first time")
        .about(&second.subject)
        .help("drop one of them")
}

/// The Gateway and the chart that serves it have one load balancer, if a reference says so.
fn served_gateway(model: &Model, first: &AddressClaim, second: &AddressClaim) -> Option<String> {
    let gateway = [first, second].into_iter().find(|claim| claim.subject == "ingress.gateway")?;
    let other = if gateway.span == first.span { second } else { first };
    let name = other.subject.strip_prefix("charts.")?;
    let serving = model.ingress.as_ref().and_then(|ingress| ingress.chart.as_deref());
    if serving.is_some_and(|serving| serving != name) {
        return None;
    }
    let chart = model.charts.iter().find(|chart| chart.name == name)?;
    let named = chart.addresses.iter().find(|(_, list)| list.iter().any(|one| one.span == other.span));
    let Some((key, addresses)) = named else {
        return Some(format!(
            "if chart `{name}` serves {}, write the address once under `charts.{name}.addresses`, and refer to it from both",
            gateway.owner
        ));
    };
    let item = match addresses.as_slice() {
        [_] => String::new(),
        list => format!(".{}", list.iter().position(|one| one.span == other.span)?),
    };
    Some(format!(
        "if chart `{name}` serves {}, write `ip = \"${{charts.{name}.addresses.{key}{item}}}\"`",
        gateway.owner
    ))
}

/// A port that servicelb opens on every node.
struct NodePort<'m> {
    pair: PortPair,
    place: Span,
    /// In words: "service `web`".
    owner: String,
    subject: String,
    environment: &'m str,
}

/// servicelb opens every port of a load balancer on every node: of two with one port the second waits for ever.
fn node_ports_of_servicelb(model: &Model, found: &mut Diagnostics) {
    let mut taken: BTreeMap<PortPair, NodePort<'_>> = BTreeMap::new();
    for port in node_ports(model) {
        let Some(first) = taken.get(&port.pair) else {
            taken.insert(port.pair, port);
            continue;
        };
        let what = format!("port {}/{} of every node", port.pair.0, port.pair.1);
        let message = match first.subject == port.subject {
            true => {
                format!("{} wants {what} in {} and in {}", first.owner, first.environment, port.environment)
            }
            false => format!("{} and {} both want {what}", first.owner, port.owner),
        };
        let mut diagnostic = HOST_PORT_CLASH.at(port.place, "taken by servicelb already", message);
        if first.place != port.place {
            diagnostic = diagnostic.because(first.place, format!("wanted here by {}", first.owner));
        }
        found.push(
            diagnostic
                .about(port.subject)
                .about(first.subject.clone())
                .help("give one of them another port, or no `ip`: a route by `host` needs none"),
        );
    }
}

/// The ports of all load balancers: the Gateway's first, which every environment has.
fn node_ports(model: &Model) -> Vec<NodePort<'_>> {
    let mut ports: Vec<NodePort<'_>> = Vec::new();
    if let Some(gateway) = model.gateway_with_load_balancer() {
        let of_listeners: BTreeMap<PortPair, &Listener> =
            gateway.listeners.iter().rev().map(|one| ((one.port, transport(one)), one)).collect();
        ports.extend(of_listeners.into_iter().map(|(pair, listener)| {
            NodePort {
                pair,
                place: model
                    .place_of("", &["ingress", "gateway", "listeners", &listener.name])
                    .unwrap_or(gateway.place),
                owner: format!("the Gateway `{}`", gateway.name),
                subject: "ingress.gateway".to_owned(),
                environment: "",
            }
        }));
    }
    for environment in &model.environments {
        for service in environment.services().filter(|service| service.load_balancer.is_some()) {
            ports.extend(service.outside_ports().map(|port| NodePort {
                pair: (port.port.value, port.protocol.word()),
                place: port.port.span,
                owner: format!("service `{}`", service.key),
                subject: service.subject(),
                environment: &environment.name,
            }));
        }
    }
    ports
}

/// Why two load balancers cannot share an address; `None` if they can. Of a chart's load balancers the ports are
/// unknown, so nothing shares with them.
fn unshareable(model: &Model, one: &AddressClaim, other: &AddressClaim) -> Option<String> {
    let (Some(a), Some(b)) = (one.service, other.service) else {
        return Some(String::new());
    };
    objection(model, asking(model, a)?, asking(model, b)?)
}

/// A service and the load balancer it asks for.
pub type Asking<'m> = (&'m Service, &'m LoadBalancer);

/// A port and its protocol, which is empty where it does not count.
pub type PortPair = (i64, &'static str);

/// What no other service on the same address may have.
pub fn ports_of(model: &Model, service: &Service) -> BTreeSet<PortPair> {
    let told = model.tells_protocols();
    let pair =
        |port: &crate::model::port::Port| (port.port.value, if told { port.protocol.word() } else { "" });
    service.outside_ports().map(pair).collect()
}

/// The same of the Gateway's load balancer: the ports of its listeners.
pub fn ports_of_gateway(model: &Model, gateway: &Gateway) -> BTreeSet<PortPair> {
    let told = model.tells_protocols();
    gateway
        .listeners
        .iter()
        .map(|listener| (listener.port, if told { transport(listener) } else { "" }))
        .collect()
}

fn transport(listener: &Listener) -> &'static str {
    if listener.protocol == ListenerProtocol::Udp { "UDP" } else { "TCP" }
}

/// Why two services cannot share an address; `None` if they can.
fn objection(model: &Model, one: Asking<'_>, other: Asking<'_>) -> Option<String> {
    if let Some(reason) = unlike(model.load_balancer.provider, one, other) {
        return Some(reason);
    }
    let (ports, others) = (ports_of(model, one.0), ports_of(model, other.0));
    let both: Vec<String> = ports
        .intersection(&others)
        .map(
            |(port, protocol)| {
                if protocol.is_empty() { format!("port {port}") } else { format!("{protocol}/{port}") }
            },
        )
        .collect();
    let why = if model.tells_protocols() { "" } else { " whatever the protocol is" };
    (!both.is_empty()).then(|| format!("; both listen on {}, so they cannot share it{why}", both.join(", ")))
}

/// Why two services cannot share an address whatever their ports are. MetalLB: `sharingOK`, `checkSharing` and
/// `BackendKey` in its allocator. Cilium: `isCompatible` of LB-IPAM. kube-vip compares ports alone; a key says that
/// two services mean to share.
pub fn unlike(provider: Provider, one: Asking<'_>, other: Asking<'_>) -> Option<String> {
    let ((a, a_balancer), (b, b_balancer)) = (one, other);
    // Addresses of a pool that shares need no key.
    let by_pool = |balancer: &LoadBalancer| provider == Provider::KubeVip && balancer.addresses.is_empty();
    if by_pool(a_balancer) && by_pool(b_balancer) {
        return None;
    }
    match (&a_balancer.share_key, &b_balancer.share_key) {
        (None, None) => return Some(String::new()),
        (Some(one), Some(two)) if one.value != two.value => {
            return Some(format!("; their sharing keys differ (`{one}` and `{two}`)"));
        }
        (Some(one), Some(_)) if one.is_empty() => {
            return Some("; an empty `share-ip` shares nothing".to_owned());
        }
        (Some(_), Some(_)) => {}
        _ => return Some("; only one of them has `share-ip`".to_owned()),
    }
    if provider == Provider::KubeVip {
        return None;
    }
    if a_balancer.local != b_balancer.local {
        return Some(match provider {
            Provider::Cilium => "; sharing needs one external traffic policy for both".to_owned(),
            _ => "; sharing needs the external traffic policy Cluster on both".to_owned(),
        });
    }
    if a_balancer.local && (&a.name, &a.namespace) != (&b.name, &b.namespace) {
        return Some(
            "; with the external traffic policy Local both must have the same pods behind them".to_owned(),
        );
    }
    None
}

/// Who may share an address as far as ports let them: two of one bond, if [`unlike`] has no word against them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bond<'m> {
    /// By the pool, without a key (kube-vip).
    Pool,
    /// By a key; with the external traffic policy Local only those with the same pods: name and namespace.
    Key(&'m str, Option<(&'m str, &'m str)>),
}

/// What binds a service to others by its key.
pub fn bond<'m>((service, balancer): Asking<'m>) -> Option<Bond<'m>> {
    let key = balancer.share_key.as_ref().filter(|key| !key.is_empty())?;
    let pods = (service.name.as_str(), service.namespace.as_str());
    Some(Bond::Key(&key.value, balancer.local.then_some(pods)))
}

/// The service at a place, with its load balancer.
pub fn asking(model: &Model, place: ServicePlace) -> Option<Asking<'_>> {
    let service = model.service_at(place);
    Some((service, service.load_balancer.as_ref()?))
}
