//! Load balancers that ask for one address: right only if whatever gives it out lets them share it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::check::addresses::{DUPLICATE_ADDRESS, MOST_PARTNERS, Offers};
use crate::check::ports::HOST_PORT_CLASH;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::load_balancer::Provider;
use crate::model::Model;
use crate::model::balancer::LoadBalancer;
use crate::model::claims::{AddressClaim, ClaimKind, ServicePlace};
use crate::model::service::Service;

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
        for (at, claim) in claims.iter().enumerate() {
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

/// The Gateway and the chart that serves it have one load balancer, if a reference says so.
fn served_gateway(model: &Model, first: &AddressClaim, second: &AddressClaim) -> Option<String> {
    let gateway = [first, second].into_iter().find(|claim| claim.subject == "ingress.gateway")?;
    let other = if gateway.span == first.span { second } else { first };
    let name = other.subject.strip_prefix("charts.")?;
    let chart = model.charts.iter().find(|chart| chart.name == name)?;
    let (key, addresses) =
        chart.addresses.iter().find(|(_, list)| list.iter().any(|one| one.span == other.span))?;
    let item = match addresses.as_slice() {
        [_] => String::new(),
        list => format!(".{}", list.iter().position(|one| one.span == other.span)?),
    };
    Some(format!(
        "if chart `{name}` serves {}, write `ip = \"${{charts.{name}.addresses.{key}{item}}}\"`",
        gateway.owner
    ))
}

/// servicelb opens every port of a load balancer on every node: of two services with one port the second waits for
/// ever.
fn node_ports_of_servicelb(model: &Model, found: &mut Diagnostics) {
    let mut taken: BTreeMap<PortPair, (&Service, &str)> = BTreeMap::new();
    for environment in &model.environments {
        for service in environment.services().filter(|service| service.load_balancer.is_some()) {
            for port in &service.ports {
                let pair = (port.port.value, port.protocol.word());
                let Some((first, other)) = taken.get(&pair).copied() else {
                    taken.insert(pair, (service, &environment.name));
                    continue;
                };
                let what = format!("port {}/{} of every node", pair.0, pair.1);
                let message = match first.key == service.key {
                    true => {
                        format!("service `{}` wants {what} in {other} and in {}", first.key, environment.name)
                    }
                    false => format!("services `{}` and `{}` both want {what}", first.key, service.key),
                };
                let place = first
                    .ports
                    .iter()
                    .find(|own| (own.port.value, own.protocol.word()) == pair)
                    .map_or(first.place, |own| own.port.span);
                let mut diagnostic =
                    HOST_PORT_CLASH.at(port.port.span, "taken by servicelb already", message);
                if place != port.port.span {
                    diagnostic = diagnostic.because(place, format!("wanted here by service `{}`", first.key));
                }
                let diagnostic = diagnostic.about(service.subject());
                found.push(
                    diagnostic
                        .about(format!("services.{}", first.key))
                        .help("give one of them another port, or no `ip`: a route by `host` needs none"),
                );
            }
        }
    }
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
    service.ports.iter().map(pair).collect()
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

/// The service at a place, with its load balancer.
pub fn asking(model: &Model, place: ServicePlace) -> Option<Asking<'_>> {
    let service = model.service_at(place);
    Some((service, service.load_balancer.as_ref()?))
}
