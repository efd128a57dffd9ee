//! Rules of NetworkPolicies in the making.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value as Json, json};

/// One rule: peers, under `from` or `to`, and the ports that are open to them. Rules share their peers. No peers are
/// all peers, and no ports all ports.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    key: &'static str,
    peers: Vec<Arc<Json>>,
    ports: Vec<Json>,
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.peers.is_empty() {
            map.serialize_entry(self.key, &self.peers)?;
        }
        if !self.ports.is_empty() {
            map.serialize_entry("ports", &self.ports)?;
        }
        map.end()
    }
}

/// What anybody may reach.
pub fn anybody(ports: Vec<Json>) -> Rule {
    Rule { key: "from", peers: Vec::new(), ports }
}

/// Rules in the making: peers by the ports that are open to them, so that alike ports make one rule.
pub struct Opened<'l> {
    rules: Vec<Making>,
    by_ports: BTreeMap<String, usize>,
    left: &'l Cell<usize>,
}

/// Ports, and the peers that they are open to, each once.
struct Making {
    ports: Vec<Json>,
    peers: Vec<Arc<Json>>,
    seen: BTreeSet<String>,
}

impl<'l> Opened<'l> {
    /// No rules yet; `left` is how many peers they may name.
    pub fn new(left: &'l Cell<usize>) -> Self {
        Self { rules: Vec::new(), by_ports: BTreeMap::new(), left }
    }

    /// Opens ports to peers.
    pub fn add(&mut self, peers: impl IntoIterator<Item = Arc<Json>>, ports: Vec<Json>) {
        let mut peers = peers.into_iter().peekable();
        if peers.peek().is_none() {
            return;
        }
        let at = *self.by_ports.entry(json!(ports).to_string()).or_insert(self.rules.len());
        if at == self.rules.len() {
            self.rules.push(Making { ports, peers: Vec::new(), seen: BTreeSet::new() });
        }
        let rule = &mut self.rules[at];
        for peer in peers {
            // All is given up once none are left.
            if self.left.get() == 0 {
                return;
            }
            self.left.set(self.left.get() - 1);
            if rule.seen.insert(peer.to_string()) {
                rule.peers.push(peer);
            }
        }
    }

    /// As rules whose peers stand under `key`.
    pub fn into_rules(self, key: &'static str) -> Vec<Rule> {
        let rule = |mut rule: Making| {
            let seen = rule.seen;
            rule.peers.retain(|peer| !within(peer, &seen));
            Rule { key, peers: rule.peers, ports: rule.ports }
        };
        self.rules.into_iter().map(rule).collect()
    }
}

/// Pods of a namespace that is let in as a whole need no word of their own.
fn within(peer: &Json, seen: &BTreeSet<String>) -> bool {
    peer.get("podSelector").is_some()
        && peer
            .get("namespaceSelector")
            .is_some_and(|namespace| seen.contains(&json!({ "namespaceSelector": namespace }).to_string()))
}
