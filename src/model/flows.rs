//! Which service may talk to which: the rules of NetworkPolicies for isolated stacks.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::address::Family;
use crate::model::service::{Egress, Service};
use crate::model::{Environment, Model};

/// What the internet is not, when a service may reach "the internet": private, link-local and shared networks
/// (RFC 1918, RFC 3927, RFC 6598; RFC 4193 and RFC 4291 for IPv6).
const NOT_INTERNET_V4: &[&str] =
    &["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"];
const NOT_INTERNET_V6: &[&str] = &["fc00::/7", "fe80::/10"];

/// The label by which policies choose a service's pods.
const NAME_LABEL: &str = "app.kubernetes.io/name";
/// The label that every namespace has.
const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";

/// Gives every service of an isolated stack its rules.
pub fn open(environment: &mut Environment, model: &Model) {
    if !environment.stacks.iter().any(|stack| stack.isolate) {
        return;
    }
    let rules: BTreeMap<String, (Vec<Json>, Vec<Json>)> = {
        let by_key: BTreeMap<&str, &Service> =
            environment.services().map(|service| (service.key.as_str(), service)).collect();
        let mut talkers: BTreeMap<&str, Vec<&Service>> = BTreeMap::new();
        for service in environment.services() {
            for target in service.talks_to.iter().filter(|target| !target.chart) {
                talkers.entry(target.name.value.as_str()).or_default().push(service);
            }
        }
        let isolated = environment.stacks.iter().filter(|stack| stack.isolate);
        isolated
            .flat_map(|stack| &stack.services)
            .map(|service| {
                let callers = talkers.get(service.key.as_str()).map(Vec::as_slice).unwrap_or_default();
                (service.key.clone(), (ingress(service, callers, model), egress(service, &by_key, model)))
            })
            .collect()
    };
    for service in
        environment.stacks.iter_mut().filter(|stack| stack.isolate).flat_map(|stack| &mut stack.services)
    {
        if let Some((ingress, egress)) = rules.get(&service.key) {
            service.ingress_rules = Some(ingress.clone());
            service.egress_rules = Some(egress.clone());
        }
    }
}

fn ingress(service: &Service, callers: &[&Service], model: &Model) -> Vec<Json> {
    let mut rules = Vec::new();
    if service.load_balancer.is_some() || service.ports.iter().any(|port| port.node_port.is_some()) {
        // Traffic through a load balancer comes with a node's address or a client's: any source.
        rules.push(json!({ "ports": ports(service) }));
    }
    let from: Vec<Json> = callers.iter().map(|caller| peer(service, caller)).collect();
    if !from.is_empty() && !service.ports.is_empty() {
        rules.push(json!({ "from": from, "ports": ports(service) }));
    }
    let router = model.ingress.as_ref().filter(|_| !service.hosts.is_empty());
    let main = service.main_port.as_deref();
    for port in service.ports.iter().filter(|port| port.entry_point.is_some()) {
        let router = model.ingress.as_ref().and_then(|ingress| ingress.namespace.as_deref());
        rules.push(json!({
            "from": [{ "namespaceSelector": namespace(router) }],
            "ports": one_port(service, &port.name),
        }));
    }
    if let (Some(router), Some(port)) = (router, main) {
        rules.push(json!({
            "from": [{ "namespaceSelector": namespace(router.namespace.as_deref()) }],
            "ports": one_port(service, port),
        }));
    }
    if let Some(monitor) = &service.monitor {
        rules.push(json!({
            "from": [{ "namespaceSelector": namespace(monitoring(model).as_deref()) }],
            "ports": one_port(service, &monitor.port),
        }));
    }
    rules
}

/// The namespace of the chart that brings Prometheus along.
fn monitoring(model: &Model) -> Option<String> {
    let chart = model
        .charts
        .iter()
        .find(|chart| ["kube-prometheus-stack", "prometheus"].contains(&chart.chart.as_str()));
    chart.map(|chart| chart.namespace.value.clone())
}

/// A namespace by its name; without one, every namespace.
fn namespace(name: Option<&str>) -> Json {
    match name {
        Some(name) => json!({ "matchLabels": { NAMESPACE_LABEL: name } }),
        None => json!({}),
    }
}

/// Another service's pods, as seen from this service's namespace.
fn peer(service: &Service, other: &Service) -> Json {
    let pods = json!({ "matchLabels": { NAME_LABEL: other.name } });
    if service.namespace == other.namespace {
        return json!({ "podSelector": pods });
    }
    json!({ "namespaceSelector": namespace(Some(&other.namespace)), "podSelector": pods })
}

/// Policies see the pods' ports, not the Service's.
fn ports(service: &Service) -> Vec<Json> {
    service
        .ports
        .iter()
        .map(|port| json!({ "port": port.target_port, "protocol": port.protocol.word() }))
        .collect()
}

fn one_port(service: &Service, name: &str) -> Vec<Json> {
    let port = service.ports.iter().find(|port| port.name == name);
    port.map(|port| json!({ "port": port.target_port, "protocol": port.protocol.word() }))
        .into_iter()
        .collect()
}

fn egress(service: &Service, by_key: &BTreeMap<&str, &Service>, model: &Model) -> Vec<Json> {
    let mut rules = Vec::new();
    for target in &service.talks_to {
        if target.chart {
            let name = model.chart(&target.name).map(|chart| chart.namespace.value.as_str());
            rules.push(json!({ "to": [{ "namespaceSelector": namespace(name) }] }));
        } else if let Some(other) = by_key.get(target.name.value.as_str()) {
            rules.push(json!({ "to": [peer(service, other)], "ports": ports(other) }));
        }
    }
    for target in &service.egress {
        let blocks = match target {
            Egress::Internet => internet(model),
            Egress::Lan => model
                .network
                .lan
                .iter()
                .map(|lan| json!({ "ipBlock": { "cidr": lan.to_string() } }))
                .collect(),
            Egress::Network(network) => vec![json!({ "ipBlock": { "cidr": network } })],
        };
        if !blocks.is_empty() {
            rules.push(json!({ "to": blocks }));
        }
    }
    rules
}

fn internet(model: &Model) -> Vec<Json> {
    let mut blocks = vec![json!({ "ipBlock": { "cidr": "0.0.0.0/0", "except": NOT_INTERNET_V4 } })];
    let families = model.cluster.pod_cidrs.iter().map(|cidr| cidr.family());
    if families.into_iter().any(|family| family == Family::V6) {
        blocks.push(json!({ "ipBlock": { "cidr": "::/0", "except": NOT_INTERNET_V6 } }));
    }
    blocks
}
