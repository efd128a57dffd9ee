//! Ports of a service, and what they speak.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::json;

use crate::inventory;
use crate::inventory::record::Map;
use crate::inventory::service::{PortTable, Protocol};
use crate::model::balancer::LoadBalancer;
use crate::model::ingress::Ingress;
use crate::model::references::Resolver;
use crate::model::route::Route;
use crate::model::texts::{Texts, optional};
use crate::model::{BAD_NAME, BAD_PORT, BAD_VALUE};
use crate::object::naming::port_name_fault;
use crate::source::{Span, Spanned};

/// A port.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The Service's port.
    pub port: Spanned<i64>,
    /// The container's port.
    pub target_port: i64,
    /// Whether another port leads to the same one and is listed by the container, which lists it once.
    pub again: bool,
    /// The sidecar that listens on it, if it is not the service's own container.
    pub container: Option<String>,
    /// The protocol.
    pub protocol: Protocol,
    /// The port on every node.
    pub node_port: Option<Spanned<i64>>,
    /// The port on the pod's node.
    pub host_port: Option<Spanned<i64>>,
    /// Whether it stays off the service's own address and the nodes'.
    pub internal: bool,
    /// What is spoken on it.
    pub app_protocol: Option<String>,
    /// Traefik's entry point that leads to it.
    pub entry_point: Option<Box<Spanned<String>>>,
    /// The Gateway's listener that leads to it.
    pub listener: Option<Box<Spanned<String>>>,
    /// The kind of that route.
    pub route_kind: Option<&'static str>,
    /// The host names of its TLS.
    pub sni: Vec<Spanned<String>>,
    /// Whether the inventory gives them for this port.
    #[serde(skip)]
    pub told_names: bool,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// A port with its name, as it is written.
pub type Written<'t> = (&'t str, &'t PortTable);

/// The port that a service's URL points at: the one that is called `http`, `https` or `web`, else the lowest number,
/// of TCP rather than UDP.
pub fn main_port(service: &inventory::service::Service) -> Option<Written<'_>> {
    main_of(service, |_| true)
}

/// The same of the ports that its own address opens.
pub fn outside_port(service: &inventory::service::Service) -> Option<Written<'_>> {
    main_of(service, |table| !is_internal(table))
}

fn main_of(service: &inventory::service::Service, among: impl Fn(&PortTable) -> bool) -> Option<Written<'_>> {
    let all = service.ports.iter().map(|(name, entry)| (name.as_str(), &entry.value.0));
    let ports = || all.clone().filter(|(_, table)| among(table));
    let named = ["http", "https", "web"].iter().find_map(|name| ports().find(|(port, _)| port == name));
    named.or_else(|| {
        let numbered = ports().filter_map(|(name, table)| Some((number(table)?, name, table)));
        let first = numbered.min_by_key(|(number, _, table)| (is_udp(table), *number));
        first.map(|(_, name, table)| (name, table))
    })
}

/// Whether any port is opened, by a sidecar or by itself: without one there is no Service.
pub fn opens_ports(service: &inventory::service::Service) -> bool {
    let mut sidecars = service.sidecars.values().filter_map(|sidecar| sidecar.value.on());
    !service.ports.is_empty() || sidecars.any(|sidecar| !sidecar.ports.is_empty())
}

/// The number of a port.
pub fn number_of(port: Option<Written<'_>>) -> Option<i64> {
    port.and_then(|(_, table)| number(table))
}

fn is_internal(table: &PortTable) -> bool {
    table.internal.is_some_and(|flag| flag.value)
}

fn number(table: &PortTable) -> Option<i64> {
    table.port.as_ref().map(|port| port.value)
}

fn is_udp(table: &PortTable) -> bool {
    table.protocol.is_some_and(|protocol| protocol.value == Protocol::Udp)
}

/// What a port speaks, as the scheme of a URL: its `app-protocol` or its name says so, else it is HTTP.
pub fn scheme(port: Option<Written<'_>>) -> &'static str {
    let Some((name, table)) = port else { return "http" };
    let protocol = table.app_protocol.as_ref().map(|text| text.value.as_str());
    protocol.and_then(spoken).or_else(|| spoken(name)).unwrap_or(match number(table) {
        _ if is_udp(table) => "udp",
        Some(443) => "https",
        _ => "http",
    })
}

/// The scheme of a protocol, by the name that ports and `app-protocol` call it.
fn spoken(name: &str) -> Option<&'static str> {
    let word = name.strip_prefix("kubernetes.io/").unwrap_or(name);
    // `dns-tcp` beside `dns`: two ports of one number have two names.
    let plain = ["-tcp", "-udp"].iter().find_map(|end| word.strip_suffix(end));
    Some(match plain.unwrap_or(word) {
        "http" | "h2c" | "ws" | "web" | "http2" => "http",
        "https" | "wss" => "https",
        "postgres" | "postgresql" => "postgres",
        "mysql" | "mariadb" => "mysql",
        "redis" | "valkey" => "redis",
        "mongo" | "mongodb" => "mongodb",
        "amqp" => "amqp",
        "mqtt" => "mqtt",
        "mqtts" => "mqtts",
        "nats" => "nats",
        "ldap" => "ldap",
        "ldaps" => "ldaps",
        "smtp" => "smtp",
        "smtps" => "smtps",
        "imap" => "imap",
        "imaps" => "imaps",
        "ftp" => "ftp",
        "sftp" => "sftp",
        "ssh" => "ssh",
        "rtsp" => "rtsp",
        "irc" => "irc",
        "dns" => "dns",
        "grpc" => "grpc",
        "tcp" => "tcp",
        "udp" => "udp",
        _ => return None,
    })
}

/// `http://host:port`, without a port that the scheme implies; an IPv6 host gets its brackets.
pub fn url(scheme: &str, host: &str, port: Option<i64>) -> String {
    let host = if host.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
    match port {
        Some(port) if !matches!((scheme, port), ("http", 80) | ("https", 443)) => {
            format!("{scheme}://{host}:{port}")
        }
        _ => format!("{scheme}://{host}"),
    }
}

/// Whether a browser can open what the service's own address leads to: the name of the port, its `app-protocol` or an
/// `http` probe says so.
pub fn speaks_http(service: &inventory::service::Service) -> bool {
    let outside = outside_port(service);
    let says_so = outside.is_some_and(|(name, table)| {
        let protocol = table.app_protocol.as_ref().is_some_and(|protocol| protocol.starts_with("http"));
        ["http", "https", "web"].contains(&name) || protocol
    });
    let probe = service.probe.as_ref().and_then(|probe| probe.on());
    let is_main = || outside.map(|(name, _)| name) == main_port(service).map(|(name, _)| name);
    says_so || (probe.is_some_and(|probe| probe.http.is_some() && probe.port.is_none()) && is_main())
}

/// Leads a route to a port of the service.
pub fn behind(mut route: Route, port: Option<&Port>, ingress: &Ingress, name: &str) -> Route {
    route.port_number = port.map(|port| port.port.value);
    route.port = json!(port.map(|port| &port.name));
    name.clone_into(&mut route.service);
    if let Some((scheme, protocol)) = port.and_then(spoken_to_routers) {
        route.scheme = Some(scheme);
        if let Some(protocol) = protocol.filter(|_| ingress.is_nginx()) {
            let key = "nginx.ingress.kubernetes.io/backend-protocol";
            route.annotations.insert(key.to_owned(), protocol.to_owned());
        }
    }
    route
}

/// What routers have to be told of a port that does not speak plain HTTP/1.1, as Traefik and ingress-nginx call it:
/// its `app-protocol` says so, else its name, else its number.
fn spoken_to_routers(port: &Port) -> Option<(&'static str, Option<&'static str>)> {
    let of_name = if port.name.starts_with("https") { "https" } else { port.name.as_str() };
    let word = port.app_protocol.as_deref().unwrap_or(of_name);
    Some(match word.strip_prefix("kubernetes.io/").unwrap_or(word) {
        "https" | "wss" => ("https", Some("HTTPS")),
        "grpcs" => ("https", Some("GRPCS")),
        "grpc" => ("h2c", Some("GRPC")),
        "h2c" => ("h2c", None),
        _ if port.app_protocol.is_none() && port.port.value == 443 && spoken(&port.name).is_none() => {
            ("https", Some("HTTPS"))
        }
        _ => return None,
    })
}

/// The port of this name.
pub fn named<'p>(ports: &'p [Port], name: &str) -> Option<&'p Port> {
    ports.iter().find(|port| port.name == name)
}

/// A port as its container lists it: of several that lead to the same one, only one is.
pub fn listed<'p>(port: &'p Port, among: &'p [Port]) -> &'p Port {
    let same = |other: &&Port| {
        let number = |port: &Port| (port.target_port, port.protocol.word());
        !other.again && number(other) == number(port) && other.container == port.container
    };
    if port.again { among.iter().find(same).unwrap_or(port) } else { port }
}

/// Whether whoever asks the port over HTTP has to do so over TLS, as routers are told.
pub fn speaks_https(port: &Port) -> bool {
    spoken_to_routers(port).is_some_and(|(scheme, _)| scheme == "https")
}

/// A second Service, for what is reached from outside the cluster where not all ports are. The first one has every port
/// and is what the cluster knows the service by.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExternalService {
    /// Its name.
    pub name: String,
    /// `LoadBalancer` or `NodePort`.
    pub service_type: &'static str,
    /// Its labels: the service's, with its own name, so that no ServiceMonitor finds the pods twice.
    pub labels: Texts,
}

/// The type of the Service with all ports, and the one beside it, if some ports are internal and others are not.
pub fn service_types(
    name: &str,
    load_balancer: Option<&LoadBalancer>,
    ports: &[Port],
) -> (&'static str, Option<Box<ExternalService>>) {
    let service_type = match load_balancer {
        Some(_) => "LoadBalancer",
        None if ports.iter().any(|port| port.node_port.is_some()) => "NodePort",
        None => return (CLUSTER_IP, None),
    };
    if !ports.iter().any(|port| port.internal) {
        return (service_type, None);
    }
    let is_left = ports.iter().any(|port| !port.internal);
    let name = format!("{name}-external");
    let external = || ExternalService { name, service_type, labels: Texts::new() };
    (CLUSTER_IP, is_left.then(|| Box::new(external())))
}

const CLUSTER_IP: &str = "ClusterIP";

/// The ports of a container.
pub fn lower_ports(resolver: &mut Resolver<'_>, map: &Map<inventory::service::Port>) -> Vec<Port> {
    let mut ports = Vec::with_capacity(map.len());
    for (name, entry) in map {
        check_port_name(resolver, name, entry.key);
        let table = &entry.value.0;
        for number in [&table.port, &table.target_port, &table.host_port] {
            check_port(resolver, number.as_ref());
        }
        check_range(resolver, table.node_port.as_ref(), 30000..=32767, "a node port");
        check_internal(resolver, name, table);
        let Some(port) = table.port else { continue };
        let target_port = table.target_port.map_or(port.value, |target| target.value);
        let protocol = table.protocol.map_or(Protocol::Tcp, |protocol| protocol.value);
        ports.push(Port {
            name: name.clone(),
            port,
            target_port,
            again: false,
            container: None,
            protocol,
            node_port: table.node_port,
            host_port: table.host_port,
            internal: is_internal(table),
            app_protocol: optional(resolver, table.app_protocol.as_ref()),
            entry_point: table.entry_point.as_ref().map(|text| Box::new(resolver.text(text))),
            listener: None,
            route_kind: None,
            sni: Vec::new(),
            told_names: false,
            place: entry.key,
        });
    }
    list_once(resolver, &mut ports);
    ports
}

/// Of the ports that lead to one of the container, it lists the first that asks for a port of the node, else the first.
fn list_once(resolver: &mut Resolver<'_>, ports: &mut [Port]) {
    let mut listed: BTreeMap<(i64, &str), usize> = BTreeMap::new();
    for (at, port) in ports.iter().enumerate() {
        let first = listed.entry((port.target_port, port.protocol.word())).or_insert(at);
        let Some(wanted) = port.host_port.filter(|_| *first != at) else { continue };
        match ports[*first].host_port {
            None => *first = at,
            Some(other) if other.value == wanted.value => {}
            Some(other) => report_two_host_ports(resolver, port, wanted.span, other.span),
        }
    }
    let listed: BTreeSet<usize> = listed.into_values().collect();
    for (at, port) in ports.iter_mut().enumerate() {
        port.again = !listed.contains(&at);
    }
}

fn report_two_host_ports(resolver: &mut Resolver<'_>, port: &Port, span: Span, first: Span) {
    let message = format!(
        "port `{}` wants another port of the node for {}, which the container lists once",
        port.name, port.target_port
    );
    resolver.found.push(
        BAD_VALUE
            .at(span, "one too many", message)
            .because(first, "this one is listed")
            .help("drop one `host-port`, or let the program listen on another port, too"),
    );
}

/// Reports an internal port that asks for a port of the nodes.
fn check_internal(resolver: &mut Resolver<'_>, name: &str, table: &PortTable) {
    let Some(internal) = table.internal.filter(|flag| flag.value) else { return };
    for (key, number) in [("node-port", &table.node_port), ("host-port", &table.host_port)] {
        let Some(number) = number else { continue };
        let message = format!("port `{name}` is internal, and `{key}` opens it on nodes");
        resolver.found.push(
            BAD_VALUE
                .at(number.span, "opens it to the outside", message)
                .because(internal.span, "only the cluster reaches it")
                .help(format!("drop `{key}` or `internal`")),
        );
    }
}

/// Reports internal ports of pods on their node's network, where every port is the node's.
pub fn check_host_network(resolver: &mut Resolver<'_>, ports: &[Port], host_network: Option<Spanned<bool>>) {
    let Some(flag) = host_network.filter(|flag| flag.value) else { return };
    for port in ports.iter().filter(|port| port.internal) {
        let message = format!("port `{}` is internal, and the node's network opens it on nodes", port.name);
        resolver.found.push(
            BAD_VALUE
                .at(port.place, "open to the outside", message)
                .because(flag.span, "the node's network")
                .help("drop `internal` or `host-network`"),
        );
    }
}

/// Reports a number that is no port.
pub fn check_port(resolver: &mut Resolver<'_>, number: Option<&Spanned<i64>>) {
    check_range(resolver, number, 1..=65535, "a port");
}

fn check_range(
    resolver: &mut Resolver<'_>,
    number: Option<&Spanned<i64>>,
    range: std::ops::RangeInclusive<i64>,
    what: &str,
) {
    if let Some(number) = number.filter(|number| !range.contains(&number.value)) {
        let (first, last) = (range.start(), range.end());
        resolver.found.push(
            BAD_PORT
                .at(number.span, format!("not {what}"), format!("{number} is not {what}: {first} to {last}"))
                .help(format!("give a number from {first} to {last}")),
        );
    }
}

fn check_port_name(resolver: &mut Resolver<'_>, name: &str, span: Span) {
    if let Some(reason) = port_name_fault(name) {
        let message = format!("`{name}` cannot name a port: {reason}");
        resolver.found.push(BAD_NAME.at(span, "not a name", message));
    }
}

#[cfg(test)]
mod tests {
    use super::{main_port, scheme};
    use crate::inventory::parse;
    use crate::source::{FileId, Source};

    #[test]
    fn the_main_port_is_found_with_its_name() {
        for (ports, name, speaks) in [
            ("{ https = 443, h3 = { port = 443, protocol = \"UDP\" } }", Some("https"), "https"),
            ("{ a = { port = 53, protocol = \"UDP\" }, b = 8080 }", Some("b"), "http"),
            ("{ dns = { port = 53, protocol = \"UDP\" }, dns-tcp = 53 }", Some("dns-tcp"), "dns"),
            ("{ game = { port = 7777, protocol = \"UDP\" } }", Some("game"), "udp"),
            ("{ z = 80, y = 90, web = 9000 }", Some("web"), "http"),
            ("{}", None, "http"),
        ] {
            let text = format!("[services.a]\nstack = \"s\"\nimage = \"a:1\"\nports = {ports}\n");
            let inventory = parse(&Source::new("inventory.toml", text), FileId(0)).value;
            let service = &inventory.tables.services.get("a").unwrap().value;
            assert_eq!(main_port(service).map(|(name, _)| name), name, "{ports}");
            assert_eq!(scheme(main_port(service)), speaks, "{ports}");
        }
    }
}
