//! Who a rule of a NetworkPolicy means: pods, namespaces, networks.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::address::{Family, Range};
use crate::model::Model;
use crate::model::service::Service;
use crate::model::texts::Texts;

/// What the internet is not, when a service may reach "the internet": private, link-local and shared networks
/// (RFC 1918, RFC 3927, RFC 6598; RFC 4193 and RFC 4291 for IPv6).
const NOT_INTERNET_V4: &[&str] =
    &["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"];
const NOT_INTERNET_V6: &[&str] = &["fc00::/7", "fe80::/10"];

/// The label that every namespace has.
const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";

/// To be named by many rules.
pub fn shared(peers: Vec<Json>) -> Vec<Arc<Json>> {
    peers.into_iter().map(Arc::new).collect()
}

/// The nodes' addresses; any address where the inventory has no nodes.
pub fn nodes(model: &Model) -> Vec<Json> {
    let addresses = model.nodes.iter().flat_map(|node| &node.addresses);
    let blocks: Vec<Json> = addresses.map(|address| block(&single(address.value))).collect();
    if blocks.is_empty() { anywhere(model) } else { blocks }
}

/// The name servers that a service's pods are told to ask beside the cluster's own.
pub fn name_servers(service: &Service) -> impl Iterator<Item = IpAddr> {
    let servers = service.pod.dns_config["nameservers"].as_array().into_iter().flatten();
    servers.filter_map(|server| server.as_str()?.parse().ok())
}

/// Every address.
pub fn anywhere(model: &Model) -> Vec<Json> {
    let six = has_ipv6(model).then_some("::/0");
    std::iter::once("0.0.0.0/0").chain(six).map(block).collect()
}

/// A namespace by its name; without one, every namespace.
pub fn namespace(name: Option<&str>) -> Json {
    match name {
        Some(name) => json!({ "matchLabels": { NAMESPACE_LABEL: name } }),
        None => json!({}),
    }
}

/// Pods of a namespace: all of them, or those with some labels.
pub fn some_pods(name: Option<&str>, labels: &Texts) -> Json {
    let mut peer = json!({ "namespaceSelector": namespace(name) });
    if !labels.is_empty() {
        peer["podSelector"] = json!({ "matchLabels": labels });
    }
    peer
}

/// The addresses of a network.
pub fn block(cidr: &str) -> Json {
    json!({ "ipBlock": { "cidr": cidr } })
}

/// An address as a network of its own.
pub fn single(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 })
}

/// The address after this one.
pub fn following(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|next| IpAddr::V4(next.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|next| IpAddr::V6(next.into())),
    }
}

/// Whether pods have IPv6.
pub fn has_ipv6(model: &Model) -> bool {
    model.cluster.pod_cidrs.iter().any(|cidr| cidr.family() == Family::V6)
}

/// Every address but the private ones and those of the cluster and its LAN, which may be public.
pub fn internet(model: &Model) -> Vec<Json> {
    let of = |family: Family, private: &[&str]| -> Vec<String> {
        let own = [&model.network.lan, &model.cluster.pod_cidrs, &model.cluster.service_cidrs];
        let own = own.into_iter().flatten().map(|range| range.value);
        let known: Vec<Range> =
            private.iter().filter_map(|cidr| crate::address::parse_cidr(cidr).ok()).collect();
        let more = own
            .filter(|range| range.family() == family && !known.iter().any(|known| known.covers(*range)))
            .map(|range| range.to_string());
        let mut except: Vec<String> = private.iter().map(|cidr| (*cidr).to_owned()).chain(more).collect();
        except.dedup();
        except
    };
    let mut blocks =
        vec![json!({ "ipBlock": { "cidr": "0.0.0.0/0", "except": of(Family::V4, NOT_INTERNET_V4) } })];
    if has_ipv6(model) {
        let except = of(Family::V6, NOT_INTERNET_V6);
        blocks.push(json!({ "ipBlock": { "cidr": "::/0", "except": except } }));
    }
    blocks
}
