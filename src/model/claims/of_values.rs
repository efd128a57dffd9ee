//! Load balancer addresses that stand in the values of charts, under the keys by which whatever gives them out is asked.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::address::Range;
use crate::inventory::node::{Node, Value};
use crate::model::Model;
use crate::model::claims::{AddressClaim, ClaimKind, claim};
use crate::source::Spanned;

/// Annotations of MetalLB, Cilium and kube-vip, and the fields of Services that charts hand on.
const ASKING: &[&str] = &[
    "io.cilium/lb-ipam-ips",
    "kube-vip.io/loadbalancerIPs",
    "lbipam.cilium.io/ips",
    "loadBalancerIP",
    "loadBalancerIPs",
    "metallb.io/loadBalancerIPs",
    "metallb.universe.tf/loadBalancerIPs",
];
/// Beside one of these an address is meant to be another's, too.
const SHARING: &[&str] = &[
    "io.cilium/lb-ipam-sharing-key",
    "lbipam.cilium.io/sharing-key",
    "metallb.io/allow-shared-ip",
    "metallb.universe.tf/allow-shared-ip",
];

/// Claims each of them once for its chart: not what `addresses` has already, nor what is given by a reference.
pub fn gather(model: &Model, claims: &mut Vec<AddressClaim>) {
    for chart in &model.charts {
        let Some(values) = model.written.find(["charts", &chart.name, "values"]) else { continue };
        let mut asked = Vec::new();
        read(values, &mut asked);
        let own = chart.addresses.values().flatten();
        let mut known: BTreeSet<IpAddr> = own.map(|address| address.value).collect();
        let owner = format!("the values of chart `{}`", chart.name);
        let subject = format!("charts.{}", chart.name);
        for address in asked.into_iter().filter(|address| known.insert(address.value)) {
            claims.push(claim(&address.map(Range::single), ClaimKind::LoadBalancer, &owner, &subject));
        }
    }
}

/// What is switched off asks for nothing, and so does a Service of another type. Nesting is bounded by the reader.
fn read(node: &Node, asked: &mut Vec<Spanned<IpAddr>>) {
    match &node.value {
        Value::Array(items) => items.iter().for_each(|item| read(item, asked)),
        Value::Table(table) => {
            let value = |key: &str| table.get(key).map(|entry| &entry.node);
            let off = value("enabled").is_some_and(|flag| flag.value == Value::Boolean(false));
            let another = |word: &str| ["ClusterIP", "ExternalName", "NodePort"].contains(&word);
            if off || value("type").and_then(Node::text).is_some_and(another) {
                return;
            }
            let shared = SHARING.iter().any(|key| table.contains_key(key));
            for (key, entry) in table.iter() {
                match ASKING.contains(&key) {
                    true if shared => {}
                    true => read_addresses(&entry.node, asked),
                    false => read(&entry.node, asked),
                }
            }
        }
        _ => {}
    }
}

/// One address, or several with commas or in a list.
fn read_addresses(node: &Node, asked: &mut Vec<Spanned<IpAddr>>) {
    match &node.value {
        Value::Array(items) => items.iter().for_each(|item| read_addresses(item, asked)),
        Value::String(text) => {
            let addresses = text.split(',').filter_map(|part| part.trim().parse().ok());
            asked.extend(addresses.map(|address| Spanned::new(address, node.span)));
        }
        _ => {}
    }
}
