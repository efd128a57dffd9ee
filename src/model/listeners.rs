//! Ports that a listener of the Gateway leads to, whatever is spoken on them.

use crate::inventory;
use crate::inventory::ingress::{IngressProvider, ListenerProtocol};
use crate::inventory::service::Protocol;
use crate::inventory::value::OneOrMany;
use crate::model::host::full_hosts;
use crate::model::ingress::Ingress;
use crate::model::port::Port;
use crate::model::references::Resolver;
use crate::source::Spanned;

/// Tells every port with a listener what kind of route leads to it: what a Gateway that is written here speaks, else
/// what the port does. TLS is told by host names.
pub fn attach(
    resolver: &mut Resolver<'_>,
    ingress: Option<&Ingress>,
    table: &inventory::service::Service,
    hosts: &[Spanned<String>],
    ports: &mut [Port],
) {
    let gateway = ingress.filter(|ingress| ingress.provider == IngressProvider::Gateway);
    for port in ports {
        let Some(written) = table.ports.get(&port.name).map(|entry| &entry.value.0) else { continue };
        let Some(listener) = written.listener.as_ref().map(|text| resolver.text(text)) else { continue };
        let names = written.sni.as_ref().map(|OneOrMany(names)| full_hosts(resolver, names));
        port.told_names = names.is_some();
        let spoken = gateway.and_then(|ingress| ingress.written_gateway.as_ref()).and_then(|gateway| {
            let mut listeners = gateway.listeners.iter();
            listeners.find(|one| one.name == listener.value).map(|one| one.protocol)
        });
        let spoken = spoken.unwrap_or(match port.protocol {
            Protocol::Udp => ListenerProtocol::Udp,
            _ if port.told_names => ListenerProtocol::Tls,
            _ => ListenerProtocol::Tcp,
        });
        if spoken == ListenerProtocol::Tls {
            port.sni = names.unwrap_or_else(|| hosts.to_vec());
        }
        port.route_kind = gateway.and(match spoken {
            ListenerProtocol::Tls => Some("TLSRoute"),
            ListenerProtocol::Tcp => Some("TCPRoute"),
            ListenerProtocol::Udp => Some("UDPRoute"),
            ListenerProtocol::Http | ListenerProtocol::Https => None,
        });
        port.listener = Some(Box::new(listener));
    }
}
