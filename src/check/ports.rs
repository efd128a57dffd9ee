//! Ports: numbers that only one thing can have, and those that nobody opens.

use std::collections::BTreeMap;

use crate::check::holders::{Holder, each_service, report_clashes, taken_twice};
use crate::check::placement::{meet, nodes, patched, within};
use crate::diagnostic::{Diagnostics, codes, nearest};
use crate::inventory::service::Kind;
use crate::model::Model;
use crate::model::port::Port;
use crate::model::service::Service;
use crate::model::workload::ends;
use crate::source::{Span, Spanned};

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
}

fn word(port: i64, protocol: crate::inventory::service::Protocol) -> String {
    format!("{port}/{}", protocol.word())
}

fn duplicate_ports(service: &Service, found: &mut Diagnostics) {
    let mut ports: Vec<&Port> = service.ports.iter().collect();
    ports.sort_by_key(|port| port.port.span);
    let mut seen: BTreeMap<(i64, &str), &Port> = BTreeMap::new();
    for port in ports {
        let Some(first) = seen.insert((port.port.value, port.protocol.word()), port) else { continue };
        seen.insert((port.port.value, port.protocol.word()), first);
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
    if unread || !service.ports.is_empty() || patched(service, &["ports"]) {
        return;
    }
    let address = service.load_balancer.as_ref().map(|balancer| (balancer.place, "an address"));
    let host = service.hosts.first().map(|host| (host.span, "a host"));
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

/// The API server gives a node port to one Service, whatever the protocol; one Service may use it for TCP and UDP.
fn duplicate_node_ports(model: &Model, found: &mut Diagnostics) {
    let mut groups: BTreeMap<i64, Vec<Holder>> = BTreeMap::new();
    let mut within: Vec<(&Service, &Port)> = Vec::new();
    each_service(model, |environment, service| {
        let mut seen: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
        for port in &service.ports {
            let Some(node_port) = port.node_port else { continue };
            let protocols = seen.entry(node_port.value).or_default();
            if protocols.contains(&port.protocol.word()) {
                within.push((service, port));
            } else if protocols.is_empty() {
                let holder = Holder { environment, service, span: node_port.span };
                groups.entry(node_port.value).or_default().push(holder);
            }
            protocols.push(port.protocol.word());
        }
    });
    for (service, port) in within {
        let message =
            format!("service `{}` lists node port {} twice", service.key, port.node_port.unwrap_or_default());
        let span = port.node_port.map_or(port.place, |port| port.span);
        found.push(DUPLICATE_NODE_PORT.at(span, "again", message).about(service.subject()));
    }
    let report = |number: &i64, first: &Holder<'_>, second: &Holder<'_>| {
        taken_twice(&DUPLICATE_NODE_PORT, &format!("node port {number}"), first, second)
            .help("leave `node-port` out and Kubernetes chooses one, or give another from 30000 to 32767")
    };
    report_clashes(groups, |_, _| true, report, found);
}

/// Ports of nodes: those that a port asks for, and on the host's network all.
fn host_port_clashes(model: &Model, found: &mut Diagnostics) {
    let mut groups: BTreeMap<String, Vec<Holder>> = BTreeMap::new();
    each_service(model, |environment, service| {
        let on_host = service.host_network.is_some_and(|flag| flag.value);
        let mut own: Vec<String> = Vec::new();
        for port in &service.ports {
            let wanted = match port.host_port {
                None if on_host => Some(Spanned::new(port.target_port, port.port.span)),
                wanted => wanted,
            };
            let Some(wanted) = wanted else { continue };
            let number = word(wanted.value, port.protocol);
            crowded(model, service, &number, wanted.span, found);
            if own.contains(&number) && port.host_port.is_some() && !on_host {
                let message = format!("service `{}` takes port {number} of a node twice", service.key);
                found.push(
                    HOST_PORT_CLASH
                        .at(wanted.span, "taken already", message)
                        .about(service.subject())
                        .help("give each of its ports another `host-port`"),
                );
            }
            if !own.contains(&number) {
                groups.entry(number.clone()).or_default().push(Holder {
                    environment,
                    service,
                    span: wanted.span,
                });
                own.push(number);
            }
        }
    });
    let report = |number: &String, first: &Holder<'_>, second: &Holder<'_>| {
        taken_twice(&HOST_PORT_CLASH, &format!("port {number} of a node"), first, second)
            .help("give one of them another port, or other nodes")
    };
    report_clashes(groups, |first, second| must_meet(model, first.service, second.service), report, found);
}

/// More pods than nodes, each of which has the port once.
fn crowded(model: &Model, service: &Service, number: &str, span: Span, found: &mut Diagnostics) {
    let most = service.autoscale.as_ref().map(|autoscale| autoscale.max);
    let (Some(nodes), Some(replicas)) = (nodes(model, service), most.or(service.replicas)) else { return };
    let wanted = usize::try_from(replicas.value).unwrap_or(0);
    if service.kind != Kind::DaemonSet && !nodes.is_empty() && wanted > nodes.len() {
        found.push(
            HOST_PORT_CLASH
                .at(
                    span,
                    "free once on each node",
                    format!(
                        "{wanted} pods of service `{}` want port {number} of a node, and {} may run them",
                        service.key,
                        if nodes.len() == 1 {
                            "one node".to_owned()
                        } else {
                            format!("{} nodes", nodes.len())
                        }
                    ),
                )
                .because(replicas.span, format!("{wanted} pods"))
                .about(service.subject())
                .help("use fewer replicas, a daemon set, or a load balancer address instead"),
        );
    }
}

/// Whether pods of two services cannot but meet on a node: one fills all nodes that the other may run on.
fn must_meet(model: &Model, one: &Service, other: &Service) -> bool {
    let daemons = |service: &Service| service.kind == Kind::DaemonSet;
    let (Some(a), Some(b)) = (nodes(model, one), nodes(model, other)) else {
        let anywhere = |service: &Service| {
            service.node_selector.is_empty() && !patched(service, &["nodeSelector", "affinity", "nodeName"])
        };
        return model.nodes.is_empty() && daemons(one) && daemons(other) && anywhere(one) && anywhere(other);
    };
    let pods = |service: &Service| {
        let least = service.autoscale.as_ref().map(|autoscale| autoscale.min);
        least.or(service.replicas.map(|replicas| replicas.value)).unwrap_or(1).max(0) as usize
    };
    // What ends may have ended.
    if ends(one.kind)
        || ends(other.kind)
        || a.is_empty()
        || b.is_empty()
        || pods(one) == 0
        || pods(other) == 0
    {
        return false;
    }
    let fills = |service: &Service, count: usize| daemons(service) || pods(service) >= count;
    (daemons(one) && daemons(other) && meet(&a, &b))
        || (fills(one, a.len()) && within(&b, &a))
        || (fills(other, b.len()) && within(&a, &b))
}
