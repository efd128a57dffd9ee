//! Pools whose addresses are given out and then announced by nobody.

use crate::diagnostic::{Diagnostics, codes};
use crate::inventory::load_balancer::Provider;
use crate::model::Model;
use crate::model::load_balancer::Pool;

codes! { Addresses:
    /// A pool that no advertisement announces.
    UNANNOUNCED_POOL = ("unannounced-pool", Warning, "a pool whose addresses are given out and announced to nobody");
}

/// MetalLB gives out addresses of a pool that no advertisement selects, and nobody can reach them.
pub fn check(model: &Model, found: &mut Diagnostics) {
    if model.load_balancer.provider != Provider::Metallb {
        return silent_cilium(model, found);
    }
    for pool in model.pools() {
        let Some((key, reason, help)) = silence(model, pool) else { continue };
        let span = model.place_of("", &["metallb", "pools", &pool.name, key]).unwrap_or(pool.place);
        found.push(
            UNANNOUNCED_POOL
                .at(span, reason, format!("nobody announces the addresses of pool `{}`: {reason}", pool.name))
                .about(pool.subject.clone())
                .help(help),
        );
    }
}

/// Cilium answers for addresses only where its chart is told to.
fn silent_cilium(model: &Model, found: &mut Diagnostics) {
    if model.load_balancer.provider != Provider::Cilium {
        return;
    }
    silent_bgp(model, found);
    let Some(chart) = model.charts.iter().find(|chart| chart.chart == "cilium") else { return };
    let wanted = [
        (model.cilium.l2.is_some(), "l2announcements", "or `cilium.l2 = false` if BGP announces them"),
        (model.cilium.bgp.is_some(), "bgpControlPlane", "or drop `cilium.bgp`"),
    ];
    for (_, key, instead) in wanted.into_iter().filter(|(wanted, ..)| *wanted) {
        if chart.values[key]["enabled"] == true {
            continue;
        }
        let span = model.place_of("", &["charts", &chart.name, "values"]).unwrap_or(chart.place);
        let message =
            format!("chart `{}` does not announce addresses: `{key}.enabled` is not set", chart.name);
        found.push(
            UNANNOUNCED_POOL
                .at(span, format!("`{key}.enabled` is not set"), message)
                .about(format!("charts.{}", chart.name))
                .help(format!("write `values.{key}.enabled = true`, {instead}")),
        );
    }
}

/// BGP without a router.
fn silent_bgp(model: &Model, found: &mut Diagnostics) {
    let Some(bgp) = model.cilium.bgp.as_ref().filter(|bgp| bgp.peers.is_empty()) else { return };
    if model.cilium.l2.is_some() {
        return;
    }
    let Some(span) = model.place_of("", &["cilium", "bgp"]) else { return };
    let message =
        format!("AS {} announces the addresses of its pools to nobody: there is no peer", bgp.my_asn);
    found.push(
        UNANNOUNCED_POOL
            .at(span, "it has no peer", message)
            .about("cilium.bgp")
            .help("add the router under `cilium.bgp.peers`"),
    );
}

/// The key that silences a pool, why, and what to write instead.
fn silence(model: &Model, pool: &Pool) -> Option<(&'static str, &'static str, &'static str)> {
    if !pool.l2 && !pool.bgp {
        let help = "write `advertise = \"l2\"`, or \"bgp\" with `metallb.bgp.peers`";
        return Some(("advertise", "`advertise` is empty", help));
    }
    if !pool.l2 && model.metallb.peers.is_empty() {
        let help = "add the router under `metallb.bgp.peers`, or write `advertise = \"l2\"`";
        return Some(("advertise", "it is announced by BGP, and there is no peer", help));
    }
    let chosen = |selector: &std::collections::BTreeMap<String, String>| {
        // Labels that no node of the inventory has may be set by the cluster.
        let known = |key: &String| model.nodes.iter().any(|node| node.labels.contains_key(key));
        !selector.keys().all(known)
            || model
                .nodes
                .iter()
                .any(|node| selector.iter().all(|(key, value)| node.labels.get(key) == Some(value)))
    };
    let selectors = !pool.node_selectors.is_empty() && pool.nodes.is_empty() && !model.nodes.is_empty();
    if selectors && !pool.node_selectors.iter().any(chosen) {
        return Some(("node-selectors", "no node has these labels", "name labels that a node has"));
    }
    None
}
