//! Patches of Talos machine configuration, one for each node: `talosctl machineconfig patch`.

use std::net::IpAddr;

use serde_json::{Map, Value as Json, json};

use crate::export::{
    File, brings_network, certificate_names, endpoint, file, labels, present, strings, taints,
};
use crate::inventory::network::Role;
use crate::model::Model;
use crate::model::node::Node;

/// Talos gives control planes this label, and load balancers then leave them out: MetalLB announces nothing there.
const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// The patches, by name of the node.
///
/// # Errors
///
/// If an address lies in no network of the LAN: Talos wants to know how large its network is.
pub fn export(model: &Model) -> Result<Vec<File>, String> {
    if model.nodes.is_empty() {
        return Err("the inventory has no `nodes`".to_owned());
    }
    model.nodes.iter().map(|node| Ok(file(model, node, "talos", "", &patch(model, node)?))).collect()
}

fn patch(model: &Model, node: &Node) -> Result<Json, String> {
    let control_plane = node.role == Role::ControlPlane;
    let machine = present(vec![
        ("certSANs", if control_plane { strings(certificate_names(model)) } else { Json::Null }),
        ("kubelet", kubelet(model, node)),
        ("network", network(model, node)?),
        ("install", present(vec![("disk", json!(node.disk))])),
        ("nodeLabels", node_labels(model, node)),
        ("nodeTaints", if control_plane { node_taints(node) } else { Json::Null }),
    ]);
    Ok(json!({ "machine": machine, "cluster": cluster(model, node) }))
}

/// The kubelet takes its address from the LAN, never from a bridge or a VPN.
fn kubelet(model: &Model, node: &Node) -> Json {
    let holds =
        |range: &crate::address::Range| node.addresses.iter().any(|address| range.contains(address.value));
    let subnets = model.network.lan.iter().map(|lan| lan.value).filter(holds);
    // A worker may not change its taints once it has joined, so it brings them along.
    let taints = taints(node).into_iter().map(|(key, value, effect)| format!("{key}={value}:{effect}"));
    let taints: Vec<String> = taints.filter(|_| node.role == Role::Worker).collect();
    let taints = (!taints.is_empty()).then(|| json!({ "register-with-taints": taints.join(",") }));
    present(vec![("extraArgs", json!(taints)), ("nodeIP", present(vec![("validSubnets", strings(subnets))]))])
}

fn network(model: &Model, node: &Node) -> Result<Json, String> {
    let mut interface = Map::new();
    match &node.interface {
        Some(name) => interface.insert("interface".to_owned(), json!(name)),
        None => interface.insert("deviceSelector".to_owned(), json!({ "physical": true })),
    };
    let addresses: Vec<String> = node
        .addresses
        .iter()
        .map(|address| with_length(model, node, address.value))
        .collect::<Result<_, _>>()?;
    interface.insert("addresses".to_owned(), json!(addresses));
    let routes = routes(model, node);
    if !routes.is_empty() {
        interface.insert("routes".to_owned(), json!(routes));
    }
    let vip = model.cluster.vips.first().filter(|_| node.role == Role::ControlPlane);
    if let Some(vip) = vip {
        interface.insert("vip".to_owned(), json!({ "ip": vip.to_string() }));
    }
    Ok(present(vec![
        ("hostname", json!(node.name)),
        ("interfaces", json!([interface])),
        ("nameservers", strings(model.network.dns.iter())),
    ]))
}

/// An address with the length of its network's prefix.
fn with_length(model: &Model, node: &Node, address: IpAddr) -> Result<String, String> {
    let lan = model.network.lan.iter().find(|lan| lan.contains(address));
    match lan.and_then(|lan| lan.prefix()) {
        Some(prefix) => Ok(format!("{address}/{prefix}")),
        None => Err(format!("{address} of node `{}` lies in no network of `network.lan`", node.name)),
    }
}

/// A default route by each router that stands in a network of the node's.
fn routes(model: &Model, node: &Node) -> Vec<Json> {
    let reaches = |gateway: IpAddr| {
        let lan = model.network.lan.iter().find(|lan| lan.contains(gateway));
        lan.is_some_and(|lan| node.addresses.iter().any(|address| lan.contains(address.value)))
    };
    let gateways = model.network.gateways.iter().map(|gateway| gateway.value);
    let route = |gateway: IpAddr| {
        let network = if gateway.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
        json!({ "network": network, "gateway": gateway.to_string() })
    };
    gateways.filter(|gateway| reaches(*gateway)).map(route).collect()
}

fn node_labels(model: &Model, node: &Node) -> Json {
    let mut own: Map<String, Json> =
        labels(node).into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect();
    if node.role == Role::ControlPlane && announces(model, node) {
        own.insert(EXCLUDED.to_owned(), json!({ "$patch": "delete" }));
    }
    Json::Object(own)
}

/// Whether MetalLB may announce addresses from a node: its speakers run where pods may.
fn announces(model: &Model, node: &Node) -> bool {
    let named = |pool: &crate::model::load_balancer::Pool| {
        pool.nodes.is_empty() && pool.node_selectors.is_empty() && node.schedulable
            || pool.nodes.contains(&node.name)
            || pool
                .node_selectors
                .iter()
                .any(|set| set.iter().all(|(key, value)| node.labels.get(key) == Some(value)))
    };
    model.metallb.pools.iter().any(named)
}

fn node_taints(node: &Node) -> Json {
    let taint =
        |(key, value, effect): (&str, &str, &str)| (key.to_owned(), json!(format!("{value}:{effect}")));
    Json::Object(taints(node).into_iter().map(taint).collect())
}

/// What all machines must say alike; the rest only where the control plane runs.
fn cluster(model: &Model, node: &Node) -> Json {
    let facts = &model.cluster;
    let only = |value: Json| if node.role == Role::ControlPlane { value } else { Json::Null };
    let network = present(vec![
        ("cni", if brings_network(model) { json!({ "name": "none" }) } else { Json::Null }),
        ("dnsDomain", json!(facts.domain)),
        ("podSubnets", strings(facts.pod_cidrs.iter())),
        ("serviceSubnets", strings(facts.service_cidrs.iter())),
    ]);
    present(vec![
        ("clusterName", json!(facts.name)),
        ("controlPlane", present(vec![("endpoint", json!(endpoint(model)))])),
        ("network", network),
        ("apiServer", only(present(vec![("certSANs", strings(certificate_names(model)))]))),
        ("allowSchedulingOnControlPlanes", only(json!(node.schedulable.then_some(true)))),
    ])
}
