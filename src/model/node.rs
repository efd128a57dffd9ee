//! The machines of the cluster.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::inventory;
use crate::inventory::network::Role;
use crate::inventory::record::Map;
use crate::inventory::value::Text;
use crate::model::machine;
use crate::model::naming::{NameKind, check_name, once};
use crate::model::references::{QuantityValue, Resolver};
use crate::model::service::check_count;
use crate::model::texts::{Texts, texts};
use crate::model::{BAD_VALUE, CONFLICTING_KEYS};
use crate::source::{Span, Spanned};

/// A machine of the cluster.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<Spanned<IpAddr>>,
    /// Its network interface.
    pub interface: Option<String>,
    /// The disk to install on.
    pub disk: Option<String>,
    /// What it does.
    pub role: Role,
    /// Whether ordinary pods may run on it.
    pub schedulable: bool,
    /// Processors, if known.
    pub cpu: Option<Spanned<QuantityValue>>,
    /// Memory, if known.
    pub memory: Option<Spanned<QuantityValue>>,
    /// GPUs, by resource name.
    pub gpus: BTreeMap<String, i64>,
    /// Its labels, with those that every node has.
    pub labels: Texts,
    /// Its taints.
    pub taints: Vec<Taint>,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value; may be empty.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// Lowers `[nodes]`.
pub fn lower_nodes(resolver: &mut Resolver<'_>) -> Vec<Node> {
    let tables = &resolver.inventory.tables.nodes;
    let role = |node: &inventory::network::Node| node.role.as_ref().map_or(Role::Worker, |role| role.value);
    let has_worker = tables.values().any(|node| role(node) == Role::Worker);
    tables
        .iter()
        .map(|(name, entry)| {
            let table = &entry.value;
            check_name(resolver, name, entry.key, "a node", NameKind::Host);
            for count in table.gpu.iter().flat_map(|gpu| gpu.0.values()) {
                check_count(resolver, Some(&count.value), "GPUs");
            }
            let role = role(table);
            let ordinary = role == Role::Worker || !has_worker;
            Node {
                addresses: node_addresses(resolver, name, table),
                interface: machine::interface(resolver, table.interface.as_ref()),
                disk: machine::disk(resolver, table.disk.as_ref()),
                role,
                schedulable: table.schedulable.as_ref().map_or(ordinary, |flag| flag.value),
                cpu: table.cpu.as_ref().and_then(|text| resolver.quantity(text)),
                memory: table.memory.as_ref().and_then(|text| resolver.quantity(text)),
                gpus: gpus(table.gpu.as_ref()),
                labels: node_labels(resolver, name, role, &table.labels),
                taints: table.taints.iter().filter_map(|text| taint(resolver, text)).collect(),
                name: name.clone(),
                place: entry.key,
            }
        })
        .collect()
}

fn node_addresses(
    resolver: &mut Resolver<'_>,
    name: &str,
    table: &inventory::network::Node,
) -> Vec<Spanned<IpAddr>> {
    match (&table.ip, &*table.ips) {
        (Some(ip), [first, ..]) => resolver.found.push(
            CONFLICTING_KEYS
                .at(first.0.span, "and here again", format!("node `{name}` has both `ip` and `ips`"))
                .because(ip.0.span, "one is given here")
                .help("keep `ips` for an address of each family, else `ip`"),
        ),
        // One that is there and cannot be read has been told.
        (None, []) if resolver.inventory.unread.at(&["nodes", name]) => {}
        (None, []) => resolver.found.push(
            inventory::MISSING_KEY
                .at(table.span, "`ip` is missing here", format!("`nodes.{name}` needs `ip`"))
                .help("add `ip`: its address"),
        ),
        _ => {}
    }
    let texts = table.ip.iter().chain(&table.ips);
    texts.filter_map(|text| resolver.address(text)).collect()
}

/// GPUs by resource name.
pub fn gpus(gpu: Option<&inventory::network::Gpu>) -> BTreeMap<String, i64> {
    let counts = gpu.into_iter().flat_map(|gpu| gpu.0.iter());
    counts.map(|(name, count)| (name.clone(), count.value.value)).filter(|(_, count)| *count > 0).collect()
}

fn node_labels(
    resolver: &mut Resolver<'_>,
    name: &str,
    role: Role,
    own: &Map<inventory::value::Scalar>,
) -> Texts {
    let mut labels = Texts::from([("kubernetes.io/hostname", name)]);
    if role == Role::ControlPlane {
        labels.insert("node-role.kubernetes.io/control-plane", String::new());
    }
    labels.extend(texts::<Texts>(resolver, own));
    labels
}

/// Sets of labels of nodes, each once.
pub fn node_selectors(
    resolver: &mut Resolver<'_>,
    written: &[Map<inventory::value::Scalar>],
) -> Vec<BTreeMap<String, String>> {
    once(written.iter().map(|labels| texts(resolver, labels)).collect(), BTreeMap::clone)
}

fn taint(resolver: &mut Resolver<'_>, text: &Text) -> Option<Taint> {
    let written = resolver.text(text);
    let parsed = written.rsplit_once(':').and_then(|(pair, effect)| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let known = ["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect);
        let taint = Taint { key: key.to_owned(), value: value.to_owned(), effect: effect.to_owned() };
        (known && !key.is_empty()).then_some(taint)
    });
    if parsed.is_none() {
        resolver.found.push(
            BAD_VALUE
                .at(written.span, "not a taint", format!("`{written}` is not a taint"))
                .help("write `key=value:NoSchedule` or `key:NoSchedule` (or PreferNoSchedule, NoExecute)"),
        );
    }
    parsed
}
