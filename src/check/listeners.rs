//! Ports behind listeners of the Gateway: what the listener does not speak, what two ports want.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Diagnostics, codes, nearest};
use crate::inventory::ingress::{IngressProvider, ListenerProtocol};
use crate::inventory::service::Protocol;
use crate::model::gateway::{Gateway, Listener};
use crate::model::ingress::Ingress;
use crate::model::port::Port;
use crate::model::route::matches;
use crate::model::service::Service;
use crate::model::{Model, UNKNOWN_REFERENCE};
use crate::source::Span;
use crate::spelling::listed;

codes! { PortsAndNames:
    /// A listener that cannot lead to the port.
    WRONG_LISTENER = ("wrong-listener", Error, "a port that its listener of the Gateway cannot lead to");
    /// One listener for two ports that it cannot tell apart.
    DUPLICATE_LISTENER = ("duplicate-listener", Error, "a listener of the Gateway that two ports want, and that cannot tell them apart");
}

/// Runs every rule about listeners.
pub fn check(model: &Model, found: &mut Diagnostics) {
    let gateway = model.ingress.as_ref().filter(|ingress| ingress.provider == IngressProvider::Gateway);
    let mut taken: BTreeMap<(&str, &str), (Span, &str)> = BTreeMap::new();
    for environment in &model.environments {
        for service in environment.services() {
            for port in service.ports.iter().filter(|port| port.listener.is_some()) {
                match fault(gateway, service, port) {
                    Some(finding) => found.push(finding.about(service.subject())),
                    None => twice(service, port, &mut taken, found),
                }
            }
        }
    }
}

/// Why the listener cannot lead to the port.
fn fault(gateway: Option<&Ingress>, service: &Service, port: &Port) -> Option<Diagnostic> {
    let listener = port.listener.as_ref()?;
    let what = format!("port `{}` of service `{}`", port.name, service.key);
    let wrong = |label: &str, message: String, help: &str| {
        Some(WRONG_LISTENER.at(listener.span, label, message).help(help))
    };
    let Some(ingress) = gateway else {
        let message = format!("{what} names a listener of a Gateway, and none routes here");
        let help = "set `ingress.provider = \"gateway\"`; Traefik's own word for it is `entry-point`";
        return wrong("nobody reads it", message, help);
    };
    if port.protocol == Protocol::Sctp {
        let message = format!("{what} speaks SCTP, for which a Gateway has no routes");
        return wrong("no route for SCTP", message, "give the service an `ip`");
    }
    if let Some(finding) = ingress.written_gateway.as_ref().and_then(|own| unfit(own, port, &what)) {
        return Some(finding);
    }
    if port.route_kind == Some("TLSRoute") && port.sni.is_empty() {
        let message = format!("{what} is behind a listener for TLS, and has no host name");
        return wrong("by which name?", message, "add `sni`: the names that clients ask for");
    }
    if port.route_kind != Some("TLSRoute") && port.told_names {
        let message = format!("{what} has `sni`, and listener `{listener}` sees no names");
        return wrong("sees no names", message, "drop `sni`, or let the listener speak `TLS`");
    }
    None
}

/// What the listener of a Gateway that is written here does not do.
fn unfit(gateway: &Gateway, port: &Port, what: &str) -> Option<Diagnostic> {
    let listener = port.listener.as_ref()?;
    let names = || gateway.listeners.iter().map(|listener| listener.name.as_str());
    let Some(own) = gateway.listeners.iter().find(|own| own.name == listener.value) else {
        let message = format!("Gateway `{}` has no listener `{listener}`", gateway.name);
        let help = match nearest(listener, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", listed(names())),
        };
        return Some(UNKNOWN_REFERENCE.at(listener.span, "no such listener", message).help(help));
    };
    if let Some(message) = unspoken(own, port, what) {
        let help = "give the Gateway a listener of the port's own protocol: `TCP`, `UDP` or `TLS`";
        return Some(WRONG_LISTENER.at(listener.span, "speaks something else", message).help(help));
    }
    let served = |name: &str| own.hostname.as_deref().is_none_or(|pattern| matches(pattern, name));
    let stranger = port.sni.iter().find(|name| !served(name))?;
    let message = format!("listener `{listener}` does not serve `{stranger}`");
    let help = "give the listener a `hostname` that covers it, or none";
    Some(WRONG_LISTENER.at(stranger.span, "not under its `hostname`", message).help(help))
}

fn unspoken(own: &Listener, port: &Port, what: &str) -> Option<String> {
    let udp = port.protocol == Protocol::Udp;
    let fits = match own.protocol {
        ListenerProtocol::Http | ListenerProtocol::Https => false,
        ListenerProtocol::Udp => udp,
        ListenerProtocol::Tcp | ListenerProtocol::Tls => !udp,
    };
    let speaks = port.protocol.word();
    (!fits).then(|| {
        format!("{what} speaks {speaks}, and listener `{}` speaks {}", own.name, own.protocol.word())
    })
}

/// A listener for TCP or UDP leads to one port, one for TLS to one for each name.
fn twice<'m>(
    service: &'m Service,
    port: &'m Port,
    taken: &mut BTreeMap<(&'m str, &'m str), (Span, &'m str)>,
    found: &mut Diagnostics,
) {
    let Some(listener) = &port.listener else { return };
    let names: Vec<(&str, Span)> = match port.sni.as_slice() {
        [] => vec![("", listener.span)],
        names => names.iter().map(|name| (name.value.as_str(), name.span)).collect(),
    };
    for (name, span) in names {
        let Some((first, other)) = taken.insert((listener.value.as_str(), name), (span, &service.key)) else {
            continue;
        };
        let of_name = if name.is_empty() { String::new() } else { format!(" for `{name}`") };
        let message = format!(
            "listener `{listener}` leads to service `{other}`{of_name} already, and service `{}` wants it, too",
            service.key
        );
        let mut finding = DUPLICATE_LISTENER.at(span, "taken already", message);
        if first != span {
            finding = finding.because(first, format!("wanted here by service `{other}`"));
        }
        found.push(finding.about(service.subject()).help(if name.is_empty() {
            "give the Gateway another listener, and name that; an environment can say so for itself"
        } else {
            "give each a name of its own"
        }));
        return;
    }
}
