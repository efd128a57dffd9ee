//! `/etc/rancher/k3s/config.yaml`, one for each node.

use std::net::IpAddr;

use serde_json::{Value as Json, json};

use crate::address::Family;
use crate::export::{
    File, brings_network, certificate_names, control_planes, endpoint, file, labels, present, strings, taints,
};
use crate::inventory::ingress::IngressProvider;
use crate::inventory::load_balancer::Provider;
use crate::inventory::network::Role;
use crate::model::Model;
use crate::model::node::Node;
use crate::model::storage_class::StorageClass;

/// The storage class that k3s brings along, and its provisioner.
const LOCAL_PATH: (&str, &str) = ("local-path", "rancher.io/local-path");
/// What keeps ordinary pods away from a control plane; k3s leaves that to whoever sets it up.
const CONTROL_PLANE_TAINT: (&str, &str) = ("node-role.kubernetes.io/control-plane", "NoSchedule");

/// The files, by name of the node.
///
/// # Errors
///
/// If there is no node, or none that runs the control plane.
pub fn export(model: &Model) -> Result<Vec<File>, String> {
    if control_planes(model).next().is_none() {
        return Err("the inventory has no node with `role = \"control-plane\"`".to_owned());
    }
    model.nodes.iter().try_for_each(|node| check_families(model, node))?;
    Ok(model.nodes.iter().map(|node| config(model, node)).collect())
}

/// k3s does not start where `node-ip` lacks a family that the networks of pods and services have.
fn check_families(model: &Model, node: &Node) -> Result<(), String> {
    let cidrs = model.cluster.pod_cidrs.iter().chain(&model.cluster.service_cidrs);
    let mut families = cidrs.map(|cidr| cidr.family());
    let has = |family: &Family| node.addresses.iter().any(|address| Family::of(address.value) == *family);
    match families.find(|family| !has(family)) {
        Some(family) if !node.addresses.is_empty() => Err(format!(
            "node `{}` has no {family} address, which pods or services have: k3s would not start; give it one in `ips`",
            node.name
        )),
        _ => Ok(()),
    }
}

/// The node's addresses, those of the cluster's first family first: k3s takes it for the primary one.
fn addresses(model: &Model, node: &Node) -> Vec<String> {
    let cidrs = model.cluster.pod_cidrs.iter().chain(&model.cluster.service_cidrs);
    let first = cidrs.map(|cidr| cidr.family()).next();
    let mut addresses: Vec<IpAddr> = node.addresses.iter().map(|address| address.value).collect();
    addresses.sort_by_key(|address| first.is_some_and(|first| Family::of(*address) != first));
    addresses.iter().map(IpAddr::to_string).collect()
}

fn config(model: &Model, node: &Node) -> File {
    let server = node.role == Role::ControlPlane;
    let founder = founder(model).is_some_and(|first| first.name == node.name);
    let several = control_planes(model).count() > 1;
    let mut entries = vec![
        ("node-name", json!(node.name)),
        ("node-ip", json!(joined(addresses(model, node).into_iter()))),
        ("node-label", labels_of(node)),
        ("node-taint", taints_of(node)),
        ("server", if founder { Json::Null } else { json!(endpoint(model)) }),
    ];
    if server {
        entries.push(("cluster-init", if founder && several { json!(true) } else { Json::Null }));
        entries.extend(of_servers(model));
    }
    let token = match founder {
        true => "# Place it at /etc/rancher/k3s/config.yaml. This one founds the cluster.\n",
        false => {
            "# Place it at /etc/rancher/k3s/config.yaml, with K3S_TOKEN or `token-file`: no secret stands here.\n"
        }
    };
    file(model, node, "k3s", token, &present(entries))
}

/// The server that is there before all others: the one that they are told to join at, else the first.
fn founder(model: &Model) -> Option<&Node> {
    let url = endpoint(model).unwrap_or_default();
    let host = url.trim_start_matches("https://").rsplit_once(':').map_or("", |(host, _)| host);
    let address = host.trim_matches(['[', ']']);
    let has = |node: &&Node| node.addresses.iter().any(|own| own.to_string() == address);
    control_planes(model).find(has).or_else(|| control_planes(model).next())
}

/// What every server must say alike.
fn of_servers(model: &Model) -> Vec<(&'static str, Json)> {
    let facts = &model.cluster;
    let own_network = brings_network(model);
    vec![
        ("cluster-cidr", json!(joined(facts.pod_cidrs.iter().map(|cidr| cidr.to_string())))),
        ("service-cidr", json!(joined(facts.service_cidrs.iter().map(|cidr| cidr.to_string())))),
        ("cluster-domain", json!(facts.domain)),
        ("tls-san", strings(certificate_names(model))),
        ("disable", json!(disabled(model))),
        ("flannel-backend", if own_network { json!("none") } else { Json::Null }),
        ("disable-network-policy", if own_network { json!(true) } else { Json::Null }),
    ]
}

/// What k3s brings along and the inventory has of its own: two of a kind would fight over the same things.
fn disabled(model: &Model) -> Vec<&'static str> {
    let has_chart = |name: &str| model.charts.iter().any(|chart| chart.chart == name);
    let other_router =
        model.ingress.as_ref().is_some_and(|ingress| ingress.provider != IngressProvider::Traefik);
    let own = |class: &StorageClass| {
        class.name == LOCAL_PATH.0 || class.provisioner.as_deref() == Some(LOCAL_PATH.1)
    };
    let other_default = model.storage_classes.iter().any(|class| class.default && !own(class));
    let in_use = model.storage_classes.iter().any(own);
    let mut disabled = Vec::new();
    let mut add = |what, wanted: bool| disabled.extend(wanted.then_some(what));
    // MetalLB is what an inventory has that says nothing.
    let other_balancer = matches!(model.load_balancer.provider, Provider::Cilium | Provider::KubeVip)
        || !model.pools().is_empty();
    add("servicelb", other_balancer || has_chart("metallb") || has_chart("kube-vip"));
    add("traefik", has_chart("traefik") || other_router);
    add("local-storage", other_default && !in_use);
    add("metrics-server", has_chart("metrics-server"));
    disabled
}

fn joined(items: impl Iterator<Item = String>) -> Option<String> {
    let items: Vec<String> = items.collect();
    (!items.is_empty()).then(|| items.join(","))
}

fn labels_of(node: &Node) -> Json {
    json!(labels(node).into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>())
}

fn taints_of(node: &Node) -> Json {
    let mut written: Vec<String> =
        taints(node).into_iter().map(|(key, value, effect)| format!("{key}={value}:{effect}")).collect();
    let closed = node.role == Role::ControlPlane && !node.schedulable;
    let has = node.taints.iter().any(|taint| taint.key == CONTROL_PLANE_TAINT.0);
    if closed && !has {
        let (key, effect) = CONTROL_PLANE_TAINT;
        written.insert(0, format!("{key}:{effect}"));
    }
    json!(written)
}
