//! Where pods can run and how many there are: what the scheduler would say, as far as the inventory knows.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::check::affinity;
use crate::inventory::network::Role;
use crate::inventory::service::Kind;
use crate::model::Model;
use crate::model::node::{Node, Taint};
use crate::model::service::Service;
use crate::model::volume::Source;

/// The taint that keeps ordinary pods off a control plane.
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";
/// Labels of control planes: kubeadm and Talos leave their value empty, k3s and RKE2 write `true`.
const ROLES: [&str; 3] = [CONTROL_PLANE, "node-role.kubernetes.io/etcd", "node-role.kubernetes.io/master"];
/// The label by which each node is a place of its own.
const HOSTNAME: &str = "kubernetes.io/hostname";
/// The taint of a cordoned node.
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Whether two lists of nodes, each in the model's order, have one in common.
pub fn meet(one: &[&Node], other: &[&Node]) -> bool {
    let (few, many) = if one.len() < other.len() { (one, other) } else { (other, one) };
    few.iter().any(|node| many.binary_search_by(|known| known.name.cmp(&node.name)).is_ok())
}

/// Why a pod cannot run on a node, whatever its size.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Objection {
    /// The node is none of those that the pod's affinity asks for.
    Affinity,
    /// The node has not this label.
    Label(String),
    /// A claim that the pod mounts is on another node's disk.
    Claim(String),
    /// The node has no label of this name, over which the pods are spread.
    Spread(String),
    /// The pod does not tolerate this taint.
    Taint(String),
}

/// The nodes that a service's pods can run on, in the model's order: they may, and have what is mounted. `None` where
/// the inventory cannot tell: it declares no nodes, or a patch decides.
pub fn nodes<'m>(model: &'m Model, service: &Service) -> Option<Vec<&'m Node>> {
    let mut open = allowed(model, service)?;
    if local_claims(service).next().is_some() {
        if patched(service, &["volumes"]) || local_claims(service).any(|(_, node)| model.node(node).is_none())
        {
            return None;
        }
        open.retain(|node| local_claims(service).all(|(_, home)| home == node.name));
    }
    Some(open)
}

/// Claims that a service mounts and that are on one node's disk: their names, and the node's.
fn local_claims(service: &Service) -> impl Iterator<Item = (&str, &str)> {
    service.volumes.iter().filter_map(|volume| match &volume.source {
        Source::Claim { name, node: Some(node), .. } => Some((name.as_str(), node.as_str())),
        _ => None,
    })
}

/// The nodes that a service's pods may run on, by labels and taints, whatever they mount; otherwise as [`nodes`].
pub fn allowed<'m>(model: &'m Model, service: &Service) -> Option<Vec<&'m Node>> {
    let unsure = patched(service, &["nodeSelector", "affinity", "tolerations", "nodeName", "schedulerName"]);
    let pinned = service.node_selector.get(HOSTNAME);
    let pinned_to = pinned.and_then(|name| model.node(name));
    // A node that does not exist has been reported.
    let unknown = pinned.is_some() && pinned_to.is_none();
    if model.nodes.is_empty() || unsure || unknown {
        return None;
    }
    let candidates = pinned_to.map_or(model.nodes.as_slice(), std::slice::from_ref);
    let open: Vec<&Node> =
        candidates.iter().filter(|node| repelled(model, service, node).is_none()).collect();
    let doubtful = |node: &&Node| affinity::chooses(model, service, node).is_none();
    (!open.iter().any(doubtful)).then_some(open)
}

/// Whether a patch of the service says anything of one of these keys.
pub fn patched(service: &Service, words: &[&str]) -> bool {
    service.patches.name(words) || service.patches_of_stack.iter().any(|patches| patches.name(words))
}

/// How many pods a service has at most: for a daemon set one on each node that it may run on.
pub fn pods(model: &Model, service: &Service) -> u64 {
    let bounded = |count: i64| u64::try_from(count).unwrap_or(0).min(1_000_000);
    match (service.kind, &service.autoscale, &service.job) {
        (Kind::DaemonSet, ..) => allowed(model, service).map_or(1, |nodes| nodes.len() as u64),
        (_, _, Some(job)) if job.suspend => 0,
        (_, _, Some(job)) => bounded(job.parallelism.unwrap_or(1)),
        (_, Some(autoscale), _) => bounded(autoscale.max.value),
        _ => service.replicas.map_or(1, |replicas| bounded(replicas.value)),
    }
}

/// Whether the affinity of a service's pods lets no two of them run on one node.
pub fn keeps_apart(service: &Service) -> bool {
    let affinity = service.pod.affinity.as_ref().map_or(&Json::Null, |affinity| &affinity.value);
    let terms = affinity["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"].as_array();
    terms.into_iter().flatten().any(|term| {
        let known = ["labelSelector", "topologyKey"];
        let plain = term.as_object().is_some_and(|term| term.keys().all(|key| known.contains(&key.as_str())));
        let selector = term["labelSelector"].as_object();
        let labels = &term["labelSelector"]["matchLabels"];
        let alone = selector.is_some_and(|selector| selector.keys().all(|key| key == "matchLabels"));
        let mut wanted = labels.as_object().into_iter().flatten();
        let own = wanted.all(|(key, value)| service.labels.get(key).is_some_and(|own| value == own));
        plain && alone && labels.is_object() && own && term["topologyKey"] == HOSTNAME
    })
}

/// Why a service's pods cannot run on a node.
pub fn objection(model: &Model, service: &Service, node: &Node) -> Option<Objection> {
    let elsewhere = local_claims(service).find(|(_, home)| *home != node.name);
    let elsewhere = elsewhere.map(|(claim, _)| Objection::Claim(claim.to_owned()));
    elsewhere.or_else(|| repelled(model, service, node))
}

/// Why a service's pods may not run on a node.
fn repelled(model: &Model, service: &Service, node: &Node) -> Option<Objection> {
    let lacks = |key: &str, value: &str| match label(model, node, key) {
        Label::Value(own) => own != value,
        Label::None => true,
        Label::Some | Label::Unknown => false,
    };
    let missing = service.node_selector.iter().find(|(key, value)| lacks(key, value));
    if let Some((key, value)) = missing {
        return Some(Objection::Label(format!("{key}={value}")));
    }
    let uneven = service.pod.spread.iter().filter(|one| one["whenUnsatisfiable"] == "DoNotSchedule");
    let mut keys = uneven.filter_map(|one| one["topologyKey"].as_str());
    let apart = keys.find(|key| label(model, node, key) == Label::None);
    if let Some(key) = apart.filter(|_| !patched(service, &["topologySpreadConstraints"])) {
        return Some(Objection::Spread(key.to_owned()));
    }
    if affinity::chooses(model, service, node) == Some(false) {
        return Some(Objection::Affinity);
    }
    let implied = implied_taint(node);
    let tolerations = OnceCell::new();
    let repelled = node.taints.iter().chain(&implied).find(|taint| {
        let own = taint.key == UNSCHEDULABLE && service.kind == Kind::DaemonSet;
        let tolerates = || tolerations.get_or_init(|| Tolerations::of(service)).has(taint);
        taint.effect != "PreferNoSchedule" && !own && !tolerates()
    });
    repelled.map(|taint| match taint.value.as_str() {
        "" => Objection::Taint(format!("{}:{}", taint.key, taint.effect)),
        value => Objection::Taint(format!("{}={value}:{}", taint.key, taint.effect)),
    })
}

/// What the inventory knows of one label of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label<'m> {
    /// Its value.
    Value(&'m str),
    /// It is there, with whatever value.
    Some,
    /// It is not there.
    None,
    /// Nobody says.
    Unknown,
}

/// Keys with a domain belong to Kubernetes, a cloud, an operator or a discovery service. An inventory that gives such a
/// label to no node says nothing about it; a bare key is the inventory's own to give.
pub(super) fn label<'m>(model: &Model, node: &'m Node, key: &str) -> Label<'m> {
    let controls = |node: &Node| node.role == Role::ControlPlane;
    match node.labels.get(key) {
        _ if ROLES.contains(&key) && controls(node) => Label::Some,
        Some(value) => Label::Value(value),
        // Without a declared control plane any node may be one.
        None if ROLES.contains(&key) && !model.labels_nodes(CONTROL_PLANE) => Label::Unknown,
        None if ROLES.contains(&key) || key == HOSTNAME => Label::None,
        None if key.contains('/') && !model.labels_nodes(key) => Label::Unknown,
        None => Label::None,
    }
}

/// Whether the inventory gives a node a label beside those that Kubernetes gives to every node of its kind.
pub(super) fn has_own_label(node: &Node) -> bool {
    node.labels.keys().any(|key| key != HOSTNAME && !ROLES.contains(&key))
}

/// The taint that keeps ordinary pods off a node that is not schedulable.
fn implied_taint(node: &Node) -> Option<Taint> {
    let key = if node.role == Role::ControlPlane { CONTROL_PLANE } else { UNSCHEDULABLE };
    let taint = || Taint { key: key.to_owned(), value: String::new(), effect: "NoSchedule".to_owned() };
    (!node.schedulable).then(taint)
}

/// What a service tolerates: keys, values and effects. No value is any (`Exists`), then no key is any key; no effect is
/// every effect.
struct Tolerations<'s>(BTreeSet<(&'s str, Option<&'s str>, &'s str)>);

impl<'s> Tolerations<'s> {
    fn of(service: &'s Service) -> Self {
        let tolerations = service.tolerations.iter().map(|toleration| {
            let text = |key: &str| toleration.get(key).and_then(Json::as_str).unwrap_or_default();
            let value = (text("operator") != "Exists").then(|| text("value"));
            (text("key"), value, text("effect"))
        });
        Self(tolerations.collect())
    }

    fn has(&self, taint: &Taint) -> bool {
        let kinds = [("", None), (&taint.key, None), (&taint.key, Some(taint.value.as_str()))];
        kinds.iter().any(|(key, value)| {
            ["", &taint.effect].iter().any(|effect| self.0.contains(&(*key, *value, *effect)))
        })
    }
}
