//! What the machines themselves are told, from the same facts: machine configuration for Talos, and for k3s.
//!
//! Written for the machines, not for the cluster: nothing of this is in the tree, and nothing here touches it.

pub mod k3s;
pub mod talos;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value as Json, json};

use crate::inventory::network::Role;
use crate::model::Model;
use crate::model::endpoint;
use crate::model::node::Node;
use crate::object::emit::emit;
use crate::report::visible;

/// One file of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// The first words of every exported file: by them a later export knows that it may write anew.
pub const SIGNATURE: &str = "# Made by bayplan export";

/// Labels that a machine may not give itself: Kubernetes refuses them from a kubelet.
fn is_refused(label: &str) -> bool {
    let Some((prefix, _)) = label.split_once('/') else { return false };
    let is_of = |domain: &str| prefix == domain || prefix.ends_with(&format!(".{domain}"));
    let allowed = is_of("kubelet.kubernetes.io") || is_of("node.kubernetes.io") || is_known(label);
    (is_of("kubernetes.io") || is_of("k8s.io")) && !allowed
}

fn is_known(label: &str) -> bool {
    [
        "kubernetes.io/hostname",
        "kubernetes.io/arch",
        "kubernetes.io/os",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    ]
    .contains(&label)
}

/// The labels that a machine gives itself: without its name, which it knows, and those that are refused.
fn labels(node: &Node) -> BTreeMap<&str, &str> {
    node.labels.iter().filter(|(key, _)| !is_refused(key) && *key != "kubernetes.io/hostname").collect()
}

/// What is left to be done by hand, as a comment: labels that only an administrator may give.
fn by_hand(node: &Node) -> String {
    let role = "node-role.kubernetes.io/control-plane";
    let refused = node.labels.iter().filter(|(key, _)| is_refused(key) && *key != role);
    let line = |(key, value): (&str, &str)| {
        let command = format!("kubectl label node {} {key}={value}", node.name);
        format!("#   {}\n", visible(&command))
    };
    let lines: String = refused.map(line).collect();
    match lines.is_empty() {
        true => lines,
        false => format!("# A machine may not give itself these labels. Once it has joined:\n{lines}"),
    }
}

/// The taints of a machine: key, value and effect.
fn taints(node: &Node) -> Vec<(&str, &str, &str)> {
    let own = node.taints.iter();
    own.map(|taint| (taint.key.as_str(), taint.value.as_str(), taint.effect.as_str())).collect()
}

/// Where machines find the API server.
fn endpoint(model: &Model) -> Option<String> {
    let cluster = &model.cluster;
    let bracketed = |address: IpAddr| match address {
        IpAddr::V6(v6) => format!("[{v6}]"),
        IpAddr::V4(v4) => v4.to_string(),
    };
    let written = cluster.api_endpoint.as_deref().and_then(|text| Some(endpoint::read(text).ok()?.url()));
    let vip = cluster.vips.first().map(|address| address.value);
    let first = control_planes(model).next().and_then(|node| node.addresses.first());
    let address = vip.or(first.map(|address| address.value));
    written.or_else(|| Some(format!("https://{}:6443", bracketed(address?))))
}

fn control_planes(model: &Model) -> impl Iterator<Item = &Node> {
    model.nodes.iter().filter(|node| node.role == Role::ControlPlane)
}

/// The names and addresses that the API server's certificate must be good for.
fn certificate_names(model: &Model) -> Vec<String> {
    let host = endpoint(model).map(|url| {
        let authority = url.trim_start_matches("https://").to_owned();
        let host = authority.rsplit_once(':').map_or(authority.as_str(), |(host, _)| host);
        host.trim_matches(['[', ']']).to_owned()
    });
    let mut names: Vec<String> = host.into_iter().collect();
    names.extend(model.cluster.vips.iter().map(|vip| vip.to_string()));
    names.extend(control_planes(model).flat_map(|node| &node.addresses).map(|address| address.to_string()));
    let mut seen: Vec<String> = Vec::new();
    names.retain(|name| {
        let new = !seen.contains(name);
        seen.push(name.clone());
        new
    });
    names
}

/// The network plugin that a chart of the inventory brings along, if one does.
fn brings_network(model: &Model) -> bool {
    let known = ["cilium", "tigera-operator", "calico", "antrea", "kube-router"];
    model.charts.iter().any(|chart| known.contains(&chart.chart.as_str()))
}

/// A map without what is absent or empty.
fn present(entries: Vec<(&str, Json)>) -> Json {
    let is_there = |value: &Json| match value {
        Json::Null => false,
        Json::Array(items) => !items.is_empty(),
        Json::Object(map) => !map.is_empty(),
        _ => true,
    };
    let entries = entries.into_iter().filter(|(_, value)| is_there(value));
    Json::Object(entries.map(|(key, value)| (key.to_owned(), value)).collect())
}

fn strings<T: ToString>(items: impl IntoIterator<Item = T>) -> Json {
    json!(items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>())
}

fn file(model: &Model, node: &Node, what: &str, more: &str, value: &Json) -> File {
    // One line, whatever the names are: what follows them is configuration.
    let (name, cluster, comment) = (visible(&node.name), visible(&model.cluster.name), by_hand(node));
    let text = format!("{SIGNATURE} {what}: {name} of {cluster}.\n{more}{comment}{}", emit(value));
    File { name: format!("{}.yaml", node.name), text }
}

#[cfg(test)]
mod tests {
    use super::is_refused;

    #[test]
    fn a_kubelet_may_not_give_itself_every_label() {
        for refused in ["node-role.kubernetes.io/worker", "kubernetes.io/role", "x.k8s.io/a"] {
            assert!(is_refused(refused), "{refused}");
        }
        for fine in ["disk", "example.org/disk", "topology.kubernetes.io/zone", "node.kubernetes.io/type"] {
            assert!(!is_refused(fine), "{fine}");
        }
    }
}
