//! The inventory's facts as flat keys, for the ConfigMaps that other tools read.
//!
//! Keys are names of variables, so that Flux can substitute them and pods can import them.

use std::collections::BTreeMap;
use std::fmt::Display;

use sha2::{Digest, Sha256};

use crate::model::chart::Chart;
use crate::model::claims::{AddressClaim, ClaimKind};
use crate::model::cluster::{AddressRow, Cluster, Network};
use crate::model::load_balancer::Pool;
use crate::model::nfs::Nfs;
use crate::model::node::Node;
use crate::model::stack::Stack;
use crate::model::{Environment, Model};

/// Variables, by name.
pub type Facts = BTreeMap<String, String>;

/// Gives the network its facts.
pub fn gather(model: &mut Model) {
    let mut facts = Facts::new();
    of_cluster(&mut facts, &model.cluster);
    of_network(&mut facts, &model.network);
    of_nodes(&mut facts, &model.nodes);
    of_pools(&mut facts, model.pools());
    of_nfs(&mut facts, &model.nfs);
    of_charts(&mut facts, &model.charts);
    for environment in &model.environments {
        of_services(&mut facts, environment);
    }
    model.network.facts = facts;
}

fn of_cluster(facts: &mut Facts, cluster: &Cluster) {
    put(facts, &["cluster_name"], &cluster.name);
    put(facts, &["cluster_domain"], &cluster.domain);
    put(facts, &["kubernetes_version"], &cluster.kubernetes);
    put_all(facts, &["pod_cidr"], &cluster.pod_cidrs);
    put_all(facts, &["service_cidr"], &cluster.service_cidrs);
    put_all(facts, &["api_endpoint"], cluster.api_endpoint.as_slice());
    put_all(facts, &["api_vip"], &cluster.vips);
    put_all(facts, &["timezone"], cluster.timezone.as_slice());
}

fn of_network(facts: &mut Facts, network: &Network) {
    put_all(facts, &["lan"], &network.lan);
    put_all(facts, &["gateway"], &network.gateways);
    put_all(facts, &["dhcp"], &network.dhcp);
    for reserved in &network.reserved {
        put_all(facts, &["reserved", &reserved.name], &reserved.addresses);
    }
}

fn of_nodes(facts: &mut Facts, nodes: &[Node]) {
    for node in nodes {
        put_all(facts, &["node", &node.name], &node.addresses);
    }
}

fn of_pools(facts: &mut Facts, pools: &[Pool]) {
    for pool in pools {
        put_all(facts, &["pool", &pool.name], &pool.entries);
    }
}

fn of_nfs(facts: &mut Facts, servers: &[Nfs]) {
    for nfs in servers {
        put(facts, &["nfs", &nfs.name, "server"], &nfs.server);
        for (export, path) in &nfs.exports {
            put(facts, &["nfs", &nfs.name, "path", export], path);
        }
    }
}

fn of_charts(facts: &mut Facts, charts: &[Chart]) {
    for chart in charts {
        for (name, addresses) in &chart.addresses {
            put_all(facts, &["chart", &chart.name, name], addresses);
        }
    }
}

fn of_services(facts: &mut Facts, environment: &Environment) {
    for service in environment.services() {
        let balancer = service.load_balancer.as_ref();
        let addresses = balancer.map(|balancer| balancer.addresses.as_slice()).unwrap_or_default();
        put_all(facts, &["service", &environment.name, &service.name], addresses);
    }
}

/// Where a stack's services are, and the exports.
pub fn of_stack(stack: &Stack, servers: &[Nfs]) -> Facts {
    let mut facts = Facts::new();
    for service in stack.services.iter().filter(|service| !service.ports.is_empty()) {
        put(&mut facts, &[&service.name, "url"], &service.url);
        put(&mut facts, &[&service.name, "internal_url"], &service.internal_url);
    }
    of_nfs(&mut facts, servers);
    facts
}

/// Every single address of the model with its owner, in order.
pub fn addresses(model: &Model) -> Vec<AddressRow> {
    let single = |claim: &&AddressClaim| matches!(claim.kind, ClaimKind::Host | ClaimKind::LoadBalancer);
    let mut claims: Vec<&AddressClaim> =
        model.claims.iter().filter(single).filter(|claim| claim.service.is_some() || !claim.told).collect();
    claims.sort_by_key(|claim| (claim.range, &claim.owner));
    claims.into_iter().map(|claim| row(model, claim)).collect()
}

/// Counts what each pool has left for those who ask later.
pub fn count_left(model: &mut Model) {
    let free = model.free_in_pools();
    for (pool, free) in model.pools_mut().iter_mut().zip(free) {
        pool.left = u64::try_from(free.len()).unwrap_or(u64::MAX);
    }
}

fn row(model: &Model, claim: &AddressClaim) -> AddressRow {
    let pool = model.pool_of(claim.range.first()).filter(|_| claim.kind == ClaimKind::LoadBalancer);
    let place = claim.service;
    AddressRow {
        address: claim.range.first(),
        owner: match place {
            Some(place) => format!("service `{}`", model.service_at(place).key),
            None => claim.owner.clone(),
        },
        environment: place.map(|place| model.environments[place.environment].name.clone()),
        pool: pool.map(|pool| pool.name.clone()),
        subject: claim.subject.clone(),
    }
}

/// Several values are joined by commas; none leave no key.
fn put_all<T: Display>(facts: &mut Facts, words: &[&str], values: &[T]) {
    if !values.is_empty() {
        let written: Vec<String> = values.iter().map(ToString::to_string).collect();
        put(facts, words, &written.join(","));
    }
}

/// Two names that come to the same key: the second gets a digest of what it is made from.
fn put(facts: &mut Facts, words: &[&str], value: &str) {
    let name = words.join("_");
    let mut key = variable(&name);
    if facts.contains_key(&key) {
        let digest = Sha256::digest(name.as_bytes());
        key.extend(digest.iter().take(4).map(|byte| format!("_{byte:02X}")));
    }
    facts.insert(key, value.to_owned());
}

/// A name of letters, digits and `_`, not beginning with a digit. ConfigMaps take at most 253 characters.
fn variable(name: &str) -> String {
    let fine = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = name.chars().map(fine).take(240).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::{Facts, put, variable};

    #[test]
    fn keys_are_names_of_variables() {
        assert_eq!(variable("node_talos-l7v.3rn"), "NODE_TALOS_L7V_3RN");
        assert_eq!(variable("3d-printer_url"), "_3D_PRINTER_URL");
        assert_eq!(variable("ü"), "_");
    }

    #[test]
    fn names_that_look_alike_stay_apart() {
        let mut facts = Facts::new();
        for (name, value) in [("a-b", "1"), ("a_b", "2"), ("a.b", "3")] {
            put(&mut facts, &["node", name], value);
        }
        let mut values: Vec<&str> = facts.values().map(String::as_str).collect();
        values.sort_unstable();
        assert_eq!(values, ["1", "2", "3"]);
        assert_eq!(facts["NODE_A_B"], "1");
        assert!(facts.keys().all(|key| key.starts_with("NODE_A_B")));
    }
}
