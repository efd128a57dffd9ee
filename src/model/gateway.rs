//! The Gateway that routes attach to: named, or written here with its listeners and address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::diagnostic::Diagnostic;
use crate::inventory;
use crate::inventory::ingress::{GatewayTable, IssuerKind, ListenerProtocol};
use crate::model::balancer::annotations;
use crate::model::certificates::Certificate;
use crate::model::chart::Chart;
use crate::model::cluster::addresses;
use crate::model::ingress::too_many;
use crate::model::naming::{NameKind, check_host, check_name, optional_name, report_unknown};
use crate::model::port::check_port;
use crate::model::references::Resolver;
use crate::model::texts::{Texts, texts};
use crate::model::{BAD_VALUE, CONFLICTING_KEYS, Model};
use crate::source::{Span, Spanned};

/// A Gateway has at most this many listeners: its kind says so.
const MOST_LISTENERS: usize = 64;

/// Classes whose controllers make a Service of type LoadBalancer for each Gateway: Cilium's, that of Envoy Gateway as its
/// manual names it, and Istio's. What others do is not known: Traefik's Gateways are served by the Service of its chart.
const WITH_LOAD_BALANCER: [&str; 3] = ["cilium", ENVOY, "istio"];

const ENVOY: &str = "eg";

/// Where Envoy Gateway makes those Services, if nobody says otherwise.
pub const NAMESPACE_OF_ENVOY: &str = "envoy-gateway-system";

/// Annotations of a Gateway that tell its Service's type or address (Istio hands them on).
const OF_THE_SERVICE: [&str; 4] = ["service-type", "metallb", "ipam.cilium.io", "kube-vip"];

/// A Gateway that is written.
#[derive(Clone, Debug, Serialize)]
pub struct Gateway {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: Spanned<String>,
    /// Its class.
    pub class: String,
    /// The addresses that it asks the load balancer for.
    pub addresses: Vec<Spanned<IpAddr>>,
    /// Whether it asks for none.
    #[serde(skip)]
    pub any_address: bool,
    /// Annotations of its load balancer's Service.
    pub service_annotations: Texts,
    /// Its listeners, by name.
    pub listeners: Vec<Listener>,
    /// Its annotations.
    pub annotations: Texts,
    /// The place of its table.
    #[serde(skip)]
    pub place: Span,
}

/// A listener of the Gateway.
#[derive(Clone, Debug, Serialize)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// Its port.
    pub port: i64,
    /// What it speaks.
    pub protocol: ListenerProtocol,
    /// The host names it serves.
    pub hostname: Option<String>,
    /// The Secrets with its certificates.
    pub secrets: Vec<String>,
}

/// A Gateway that routes attach to.
#[derive(Clone, Debug, Serialize)]
pub struct GatewayName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// One of its listeners.
    pub listener: Option<String>,
}

impl Gateway {
    /// Whether Envoy Gateway serves it.
    pub fn is_envoys(&self) -> bool {
        self.class == ENVOY
    }
}

impl Model {
    /// The Gateway, if its controller is known to make a load balancer for it alone.
    pub fn gateway_with_load_balancer(&self) -> Option<&Gateway> {
        let gateway = self.ingress.as_ref()?.written_gateway.as_ref()?;
        let on_host = |chart: &Chart| {
            chart.chart == "cilium" && chart.values["gatewayAPI"]["hostNetwork"]["enabled"] == true
        };
        let told = |key: &str| OF_THE_SERVICE.iter().any(|part| key.contains(part));
        let known = WITH_LOAD_BALANCER.contains(&gateway.class.as_str())
            && !gateway.annotations.keys().any(told)
            && !self.charts.iter().any(on_host);
        known.then_some(gateway)
    }

    /// The same, if it takes whatever address the load balancer gives it.
    pub fn gateway_for_any_address(&self) -> Option<&Gateway> {
        self.gateway_with_load_balancer().filter(|gateway| gateway.any_address)
    }
}

/// Lowers a Gateway that is written.
pub fn lower_gateway(
    resolver: &mut Resolver<'_>,
    table: &GatewayTable,
    certificates: &mut Vec<Certificate>,
    issuer: Option<&str>,
) -> Gateway {
    let name = table.name.as_ref().map(|text| resolver.text(text)).unwrap_or_default();
    let namespace = table.namespace.as_ref().map(|text| resolver.text(text)).unwrap_or_default();
    for (text, what, kind) in
        [(&name, "a Gateway", NameKind::Subdomain), (&namespace, "a namespace", NameKind::Label)]
    {
        if !text.is_empty() {
            check_name(resolver, text, text.span, what, kind);
        }
    }
    let mut listeners = Vec::new();
    let over = table.listeners.values().nth(MOST_LISTENERS).map(|entry| entry.key);
    too_many(resolver, over, MOST_LISTENERS, "listeners of one Gateway");
    for (key, entry) in table.listeners.iter().take(MOST_LISTENERS) {
        check_name(resolver, key, entry.key, "a listener", NameKind::Subdomain);
        listeners.push(lower_listener(
            resolver,
            (&name, &namespace),
            (key, &entry.value),
            certificates,
            issuer,
        ));
    }
    check_apart(resolver, table, &listeners);
    if listeners.is_empty() {
        listeners = default_listeners(&namespace, certificates);
        if issuer.is_some() && listeners.iter().all(|one| one.protocol == ListenerProtocol::Http) {
            resolver.found.push(without_https(table));
        }
    }
    let issued = listeners.iter().filter(|one| one.secrets == [listener_secret(&name, &one.name)]);
    let own = issued.filter_map(|one| {
        Some(Certificate {
            name: listener_secret(&name, &one.name),
            namespace: namespace.clone(),
            secret: listener_secret(&name, &one.name),
            hosts: vec![one.hostname.clone()?],
            issuer: issuer?.to_owned(),
            kind: IssuerKind::ClusterIssuer,
            default: false,
        })
    });
    certificates.extend(own);
    Gateway {
        class: optional_name(resolver, table.class.as_ref(), "a GatewayClass", NameKind::Subdomain)
            .unwrap_or_default(),
        addresses: addresses(resolver, table.ip.as_ref()),
        any_address: table.ip.is_none(),
        service_annotations: Texts::new(),
        listeners,
        annotations: texts(resolver, &table.annotations),
        place: table.span,
        name: name.value,
        namespace,
    }
}

/// An issuer signs for the listeners that have a host name, and there is none.
fn without_https(table: &GatewayTable) -> Diagnostic {
    let message = "`ingress.issuer` signs for no one: the Gateway listens to plain HTTP only";
    inventory::MISSING_KEY
        .at(table.span, "no listener for HTTPS", message)
        .about("ingress.gateway")
        .help("add `listeners.https = { hostname = \"*.example.org\" }` with your domain, or drop the issuer")
}

/// Listeners of one port speak the same, each for a host name of its own.
fn check_apart(resolver: &mut Resolver<'_>, table: &GatewayTable, listeners: &[Listener]) {
    // UDP has ports of its own; HTTPS and TLS are told apart by the name that a client asks for.
    let alike = |one: &Listener, other: &Listener| {
        let by_name = [ListenerProtocol::Https, ListenerProtocol::Tls];
        one.protocol == other.protocol || by_name.contains(&one.protocol) && by_name.contains(&other.protocol)
    };
    let mut seen: BTreeMap<(i64, bool, &str), &Listener> = BTreeMap::new();
    let mut ports: BTreeMap<(i64, bool), &Listener> = BTreeMap::new();
    for listener in listeners {
        let udp = listener.protocol == ListenerProtocol::Udp;
        let port = *ports.entry((listener.port, udp)).or_insert(listener);
        let other = *seen
            .entry((listener.port, udp, listener.hostname.as_deref().unwrap_or_default()))
            .or_insert(listener);
        let why = if !alike(port, listener) {
            Some((port, "speaks something else"))
        } else if other.name != listener.name {
            Some((other, "serves the same hosts"))
        } else {
            None
        };
        let place = |listener: &Listener| table.listeners.get(&listener.name).map(|entry| entry.key);
        if let Some((other, why)) = why
            && let (Some(span), Some(first)) = (place(listener), place(other))
        {
            let message = format!(
                "listener `{}` is on port {} where listener `{}` {why}",
                listener.name, listener.port, other.name
            );
            resolver.found.push(
                CONFLICTING_KEYS
                    .at(span, "cannot be told apart", message)
                    .because(first, "from this")
                    .about("ingress.gateway")
                    .help("give one of them another `port`, or a `hostname` of its own"),
            );
        }
    }
}

/// The certificate of a listener that names none, and the Secret it is kept in. It is written, not asked for by an
/// annotation of the Gateway: cert-manager would then make one for each listener, whosever Secret it names.
fn listener_secret(gateway: &str, listener: &str) -> String {
    format!("{gateway}-{listener}-tls")
}

/// Plain HTTP, and HTTPS with the certificates of the Gateway's namespace.
fn default_listeners(namespace: &str, certificates: &[Certificate]) -> Vec<Listener> {
    let own = certificates.iter().filter(|certificate| certificate.namespace.value == namespace);
    let secrets: Vec<String> = own.map(|certificate| certificate.secret.clone()).collect();
    let listener = |name: &str, port, protocol, secrets| Listener {
        name: name.to_owned(),
        port,
        protocol,
        hostname: None,
        secrets,
    };
    let mut listeners = vec![listener("http", 80, ListenerProtocol::Http, Vec::new())];
    if !secrets.is_empty() {
        listeners.push(listener("https", 443, ListenerProtocol::Https, secrets));
    }
    listeners
}

fn lower_listener(
    resolver: &mut Resolver<'_>,
    (gateway, namespace): (&str, &str),
    (name, table): (&str, &inventory::ingress::Listener),
    certificates: &[Certificate],
    issuer: Option<&str>,
) -> Listener {
    let protocol = listener_protocol(table);
    let hostname = table.hostname.as_ref().map(|text| resolver.text(text));
    hostname.iter().for_each(|host| check_host(resolver, host, true));
    let own: Vec<&Certificate> =
        certificates.iter().filter(|certificate| certificate.namespace.value == namespace).collect();
    let mut secrets: Vec<String> =
        optional_name(resolver, table.secret.as_ref(), "a Secret", NameKind::Subdomain).into_iter().collect();
    if let Some(wanted) = table.certificate.as_ref().map(|text| resolver.text(text)) {
        match own.iter().find(|certificate| certificate.name == wanted.value) {
            Some(certificate) => secrets.push(certificate.secret.clone()),
            None => {
                let known = own.iter().map(|certificate| certificate.name.as_str()).collect::<Vec<_>>();
                report_unknown(resolver, &wanted, "certificate of the Gateway's namespace", &known);
            }
        }
    }
    let given = table.certificate.is_some() || table.secret.is_some();
    if protocol == ListenerProtocol::Https && !given {
        match (issuer, &hostname) {
            (Some(_), Some(_)) => secrets.push(listener_secret(gateway, name)),
            _ => resolver.found.push(
                inventory::MISSING_KEY
                    .at(
                        table.span,
                        "no certificate",
                        format!("listener `{name}` speaks HTTPS without a certificate"),
                    )
                    .help("add `certificate` or `secret`; with `ingress.issuer` a `hostname` is enough"),
            ),
        }
    }
    if let Some(key) = table.certificate.as_ref().or(table.secret.as_ref())
        && protocol == ListenerProtocol::Http
    {
        let message = format!("listener `{name}` speaks HTTP and has a certificate");
        resolver.found.push(
            CONFLICTING_KEYS
                .at(key.span, "shown to nobody", message)
                .about("ingress.gateway")
                .help("drop it, or set `protocol = \"HTTPS\"`"),
        );
    }
    check_port(resolver, table.port.as_ref());
    check_protocol(resolver, name, protocol, table);
    let default = if protocol == ListenerProtocol::Http { 80 } else { 443 };
    Listener {
        name: name.to_owned(),
        port: table.port.map_or(default, |port| port.value),
        protocol,
        hostname: hostname.map(|host| host.value),
        secrets,
    }
}

/// What a Gateway refuses of a listener that does not speak HTTP.
fn check_protocol(
    resolver: &mut Resolver<'_>,
    name: &str,
    protocol: ListenerProtocol,
    table: &inventory::ingress::Listener,
) {
    let opaque = matches!(protocol, ListenerProtocol::Tcp | ListenerProtocol::Udp);
    if opaque && table.port.is_none() {
        resolver.found.push(
            inventory::MISSING_KEY
                .at(table.span, "`port` is missing here", format!("listener `{name}` needs `port`"))
                .help("add `port`"),
        );
    }
    let certified = opaque || protocol == ListenerProtocol::Tls;
    let useless = [
        ("hostname", table.hostname.as_ref().filter(|_| opaque)),
        ("certificate", table.certificate.as_ref().filter(|_| certified)),
        ("secret", table.secret.as_ref().filter(|_| certified)),
    ];
    for (key, text) in useless {
        let Some(text) = text else { continue };
        let message = format!("listener `{name}` speaks {}, and `{key}` is not for that", protocol.word());
        let help = if protocol == ListenerProtocol::Tls {
            "drop it: TLS is passed on as it is, and the service has the certificate"
        } else {
            "drop it, or let it speak `HTTPS`"
        };
        resolver.found.push(CONFLICTING_KEYS.at(text.span, "not used", message).help(help));
    }
}

/// What a listener speaks.
pub fn listener_protocol(listener: &inventory::ingress::Listener) -> ListenerProtocol {
    let certified = listener.certificate.is_some() || listener.secret.is_some();
    let default = if certified { ListenerProtocol::Https } else { ListenerProtocol::Http };
    listener.protocol.map_or(default, |protocol| protocol.value)
}

/// A Gateway by its name; reported and `None` if it is none.
pub fn gateway_name(resolver: &mut Resolver<'_>, written: &Spanned<String>) -> Option<GatewayName> {
    let parts: Vec<&str> = written.split('/').collect();
    let (namespace, name, listener) = match parts.as_slice() {
        [namespace, name] => (namespace, name, None),
        [namespace, name, listener] => (namespace, name, Some(*listener)),
        _ => {
            resolver.found.push(
                BAD_VALUE
                    .at(written.span, "not a Gateway's name", format!("`{written}` does not name a Gateway"))
                    .help("write `namespace/name` or `namespace/name/listener`"),
            );
            return None;
        }
    };
    for (part, what, kind) in [
        (Some(*namespace), "a namespace", NameKind::Label),
        (Some(*name), "a Gateway", NameKind::Subdomain),
        (listener, "a listener", NameKind::Subdomain),
    ] {
        if let Some(part) = part {
            check_name(resolver, part, written.span, what, kind);
        }
    }
    let listener = listener.map(str::to_owned);
    Some(GatewayName { namespace: (*namespace).to_owned(), name: (*name).to_owned(), listener })
}

/// Has the Gateway's Service ask the load balancer for its addresses.
pub fn ask_for_addresses(model: &mut Model) {
    let gateway = model.ingress.as_ref().and_then(|ingress| ingress.written_gateway.as_ref());
    let asked = gateway.map(|gateway| annotations(model, &gateway.addresses, None, None)).unwrap_or_default();
    let ingress = model.ingress.as_mut();
    if let Some(gateway) = ingress.and_then(|ingress| ingress.written_gateway.as_mut()) {
        gateway.service_annotations = asked;
    }
}
