//! Ports: numbers that only one thing can have, and those that nobody opens.

use std::collections::BTreeMap;

use crate::check::holders::{Holder, each_service, report_clashes, taken_twice};
use crate::check::host_ports::host_port_clashes;
use crate::check::placement::patched;
use crate::check::router_ports::router_ports;
use crate::diagnostic::{Diagnostics, codes, nearest};
use crate::model::Model;
use crate::model::port::Port;
use crate::model::service::Service;

codes! { PortsAndNames:
    /// One number and protocol twice in one service.
    DUPLICATE_PORT = ("duplicate-port", Error, "a service lists one port number and protocol twice");
    /// One node port twice in the cluster.
    DUPLICATE_NODE_PORT = ("duplicate-node-port", Error, "two services want one node port");
    /// Pods that want one port of one node.
    HOST_PORT_CLASH = ("host-port-clash", Error, "pods that must share a node want one port of it");
    /// A host port beside the host's network that is another number.
    MISMATCHED_HOST_PORT = ("mismatched-host-port", Error, "on the host's network, a host port that is not the container's port");
    /// A probe or monitor names a port that the service does not open.
    UNKNOWN_PORT = ("unknown-port", Error, "a probe or monitor names a port that the service does not open");
    /// An address or a host for a service without ports.
    MISSING_PORT = ("missing-port", Warning, "a service with an address or a host opens no port");
}

/// Runs every rule about ports.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for environment in &model.environments {
        for service in environment.services() {
            duplicate_ports(service, found);
            mismatched_host_ports(service, found);
            unknown_ports(model, service, found);
            missing_port(model, service, found);
        }
    }
    duplicate_node_ports(model, found);
    host_port_clashes(model, found);
    router_ports(model, found);
}

/// A port and its protocol, as people say it.
pub fn word(port: i64, protocol: crate::inventory::service::Protocol) -> String {
    format!("{port}/{}", protocol.word())
}

fn duplicate_ports(service: &Service, found: &mut Diagnostics) {
    let mut ports: Vec<&Port> = service.ports.iter().collect();
    ports.sort_by_key(|port| port.port.span);
    let mut seen: BTreeMap<(i64, &str), &Port> = BTreeMap::new();
    for port in ports {
        let Some(first) = seen.insert((port.port.value, port.protocol.word()), port) else { continue };
        seen.insert((port.port.value, port.protocol.word()), first);
        // Two containers that listen on one port are told of that.
        if first.container != port.container && first.target_port == port.target_port {
            continue;
        }
        let number = word(port.port.value, port.protocol);
        found.push(
            DUPLICATE_PORT
                .at(
                    port.port.span,
                    format!("`{}` is {number} again", port.name),
                    format!(
                        "service `{}` lists port {number} twice: as `{}` and as `{}`",
                        service.key, first.name, port.name
                    ),
                )
                .because(first.port.span, format!("`{}` is {number}", first.name))
                .about(service.subject())
                .help("give one of them another number or protocol, or drop it"),
        );
    }
}

/// Kubernetes refuses a pod whose host port differs from the container's on the host's network.
fn mismatched_host_ports(service: &Service, found: &mut Diagnostics) {
    let Some(flag) = service.host_network.filter(|flag| flag.value) else { return };
    for port in &service.ports {
        let Some(host) = port.host_port.filter(|host| host.value != port.target_port) else { continue };
        found.push(
            MISMATCHED_HOST_PORT
                .at(
                    host.span,
                    format!("the container listens on {}", port.target_port),
                    format!(
                        "`{}` of service `{}` wants host port {host}, but on the host's network it is {}",
                        port.name, service.key, port.target_port
                    ),
                )
                .because(flag.span, "the host's network")
                .about(service.subject())
                .help("drop `host-port`: on the host's network every port is the host's"),
        );
    }
}

fn unknown_ports(model: &Model, service: &Service, found: &mut Diagnostics) {
    let beside = service.init_containers.iter().chain(&service.sidecars).map(|container| &container.probe);
    let probes = std::iter::once(&service.probe).chain(beside).flatten().flat_map(|probe| &probe.ports);
    let monitor = service.monitor.iter().flat_map(|monitor| monitor.ports()).map(|port| ("monitor", port));
    let allowed = service.allow_from.iter().flat_map(|allowed| &allowed.ports);
    let monitor = monitor.chain(allowed.map(|port| ("allow-from", port)));
    for (key, name) in probes.map(|(key, name)| (*key, name)).chain(monitor) {
        let unread = || model.unread.at(&["services", &service.key, "ports", name.as_str()]);
        if service.ports.iter().any(|port| port.name == name.value) || unread() {
            continue;
        }
        let diagnostic = UNKNOWN_PORT
            .at(
                name.span,
                "nobody listens there",
                format!("`{key}` of service `{}` asks port `{name}`, which it does not open", service.key),
            )
            .about(service.subject());
        found.push(diagnostic.help(which_port(service, name)));
    }
}

fn which_port(service: &Service, name: &str) -> String {
    let names = || service.ports.iter().map(|port| port.name.as_str());
    let by_number = service.ports.iter().find(|port| port.port.value.to_string() == name);
    match (by_number, nearest(name, names())) {
        (Some(port), _) => format!("name it: `{}`", port.name),
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) if service.ports.is_empty() => format!("add it: `ports.{name} = …`"),
        (None, None) => format!("it opens {}", names().collect::<Vec<_>>().join(", ")),
    }
}

/// A Service object needs a port, so one with an address or a route does.
fn missing_port(model: &Model, service: &Service, found: &mut Diagnostics) {
    let unread = model.unread.at(&["services", &service.key, "ports"]);
    if unread || patched(service, &["ports"]) {
        return;
    }
    if let Some(first) = service.ports.first() {
        return only_internal_ports(service, first, found);
    }
    let address = service.load_balancer.as_ref().map(|balancer| (balancer.place, "an address"));
    let mut hosts = service.hosts.iter().chain(service.routes.iter().flat_map(|route| &route.hosts));
    let host = hosts.next().map(|host| (host.span, "a host"));
    if let Some((span, what)) = address.or(host) {
        found.push(
            MISSING_PORT
                .at(
                    span,
                    "leads to no port",
                    format!("service `{}` has {what} and opens no port", service.key),
                )
                .about(service.subject())
                .help("add the port that it listens on: `ports.http = 8080`"),
        );
    }
}

/// An address that no port of the service is for.
fn only_internal_ports(service: &Service, first: &Port, found: &mut Diagnostics) {
    let balancer = service.load_balancer.as_ref().filter(|_| service.outside_ports().next().is_none());
    let Some(balancer) = balancer else { return };
    let message = format!("service `{}` has an address, and every port of it is internal", service.key);
    found.push(
        MISSING_PORT
            .at(balancer.place, "leads to no port", message)
            .because(first.place, "only the cluster reaches it")
            .about(service.subject())
            .help("drop `ip`, or `internal` of the port that the address is for"),
    );
}

/// The API server gives a node port to one Service, whatever the protocol; one Service may use it for TCP and UDP.
fn duplicate_node_ports(model: &Model, found: &mut Diagnostics) {
    let mut groups: BTreeMap<i64, Vec<Holder>> = BTreeMap::new();
    let mut within: Vec<(&Service, &Port, &Port)> = Vec::new();
    each_service(model, |environment, service| {
        let mut seen: BTreeMap<i64, Vec<&Port>> = BTreeMap::new();
        for port in &service.ports {
            let Some(node_port) = port.node_port else { continue };
            let before = seen.entry(node_port.value).or_default();
            if let Some(first) = before.iter().find(|first| first.protocol == port.protocol) {
                within.push((service, first, port));
            } else if before.is_empty() {
                let holder = Holder { environment, service, span: node_port.span };
                groups.entry(node_port.value).or_default().push(holder);
            }
            before.push(port);
        }
    });
    for (service, first, port) in within {
        let message =
            format!("service `{}` lists node port {} twice", service.key, port.node_port.unwrap_or_default());
        let span = |port: &Port| port.node_port.map_or(port.place, |port| port.span);
        found.push(
            DUPLICATE_NODE_PORT
                .at(span(port), "again", message)
                .because(span(first), "wanted here")
                .about(service.subject())
                .help("give one of them another node port, or leave it to Kubernetes"),
        );
    }
    let report = |number: &i64, first: &Holder<'_>, second: &Holder<'_>| {
        taken_twice(&DUPLICATE_NODE_PORT, &format!("node port {number}"), first, second)
            .help("leave `node-port` out and Kubernetes chooses one, or give another from 30000 to 32767")
    };
    report_clashes(groups, report, found);
}
