//! What a router's connections come from: its pods, its nodes, or Cilium itself.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::inventory::service::Protocol;
use crate::model::Model;
use crate::model::flows::peers::{nodes, some_pods};
use crate::model::flows::{one_port, open_ports};
use crate::model::port::Port;
use crate::model::service::Service;
use crate::model::texts::Texts;

/// Who connects for a router, as a policy names it.
pub enum Router {
    /// Peers of a NetworkPolicy.
    Peers(Vec<Json>),
    /// What only Cilium's policies can name: an identity that no selector and no address finds (cilium/cilium#36509).
    Entities(&'static [&'static str]),
}

/// Who connects for the router. Pods on their nodes' network have the nodes' addresses.
pub fn router(model: &Model) -> Router {
    let Some(router) = &model.ingress else {
        return Router::Peers(vec![some_pods(None, &Texts::new())]);
    };
    if router.by_cilium {
        Router::Entities(&["ingress"])
    } else if router.on_host && model.network.cilium {
        Router::Entities(&["host", "remote-node"])
    } else if router.on_host {
        Router::Peers(nodes(model))
    } else {
        Router::Peers(vec![some_pods(router.namespace.as_deref(), &router.pod_labels)])
    }
}

/// The ports, by name, that the router connects to: for hosts, for whatever comes in by an entry point, and to ask
/// who is there.
pub fn routed_ports<'s>(service: &'s Service, model: &Model) -> impl Iterator<Item = &'s str> {
    let of_hosts = service.routes.iter().filter_map(|route| route.port.as_str());
    let asked = asked_ports(service, model);
    let connected = move |port: &&Port| {
        let entered = port.entry_point.is_some() || port.listener.is_some();
        entered || (port.protocol == Protocol::Tcp && asked.contains(&port.port.value))
    };
    of_hosts.chain(service.ports.iter().filter(connected).map(|port| port.name.as_str()))
}

/// The ports at which middlewares ask who is there, by any name that the service has in the cluster.
fn asked_ports(service: &Service, model: &Model) -> BTreeSet<i64> {
    let asked = model.ingress.as_ref().map(|ingress| &ingress.asked).filter(|asked| !asked.is_empty());
    let Some(asked) = asked else { return BTreeSet::new() };
    let near = format!("{}.{}", service.name, service.namespace);
    let full = format!("{near}.svc.{}", model.cluster.domain);
    let hosts = [&near, &format!("{near}.svc"), &full];
    hosts.into_iter().filter_map(|host| asked.get(host.as_str())).flatten().copied().collect()
}

/// What a service's CiliumNetworkPolicy lets in.
pub fn from_router(service: &Service, model: &Model) -> Vec<Json> {
    let Router::Entities(entities) = router(model) else { return Vec::new() };
    let open = open_ports(service);
    let mut ports: Vec<Json> = Vec::new();
    for port in routed_ports(service, model).flat_map(|name| one_port(service, name)) {
        if !ports.contains(&port) && !open.contains(&port) {
            ports.push(port);
        }
    }
    from_entities(entities, &ports)
}

/// Rules that let entities reach some ports; none for no ports.
pub fn from_entities(entities: &[&str], ports: &[Json]) -> Vec<Json> {
    let rule = |ports: Json| json!({ "fromEntities": entities, "toPorts": [ports] });
    of_cilium(ports).into_iter().map(rule).collect()
}

/// Cilium takes at most so many ports at once.
const MOST_PORTS: usize = 40;

/// Ports as Cilium takes them: their numbers are texts, and there are not too many at once.
pub fn of_cilium(ports: &[Json]) -> Vec<Json> {
    let text = |port: &Json| json!({ "port": port["port"].to_string(), "protocol": port["protocol"] });
    let some = |ports: &[Json]| json!({ "ports": ports.iter().map(text).collect::<Vec<_>>() });
    ports.chunks(MOST_PORTS).map(some).collect()
}
