//! Texts that Kubernetes spells strictly and the inventory hands on: labels, annotations, names of resources.
//!
//! They are looked at where they are written, so that a finding shows the very word.

use std::borrow::Cow;

use crate::diagnostic::Diagnostics;
use crate::inventory::node::{Node, Value};
use crate::model::written::Place;
use crate::model::{BAD_VALUE, Model};
use crate::object::naming::{WORD, data_key_fault, label_value_fault, qualified_fault, search_fault};
use crate::quantity::Quantity;
use crate::source::Span;

/// Annotations of one object are at most so long, all together.
const MOST_ANNOTATIONS: usize = 256 * 1024;

/// Why a word is none of its kind, if it is not.
type Judge = fn(&str, &Node) -> Option<String>;

/// Keys of tables: where, what they are called, and why one is none.
const KEYS: &[(&str, &str, Judge)] = &[
    ("services.*.labels", "a label", label),
    ("services.*.node-selector", "a node's label", label),
    ("services.*.monitor.labels", "a label", label),
    ("services.*.annotations", "an annotation", annotation),
    ("services.*.resources.requests", "a container's resource", container_resource),
    ("services.*.resources.limits", "a container's resource", container_resource),
    ("services.*.gpu", "a container's resource", container_resource),
    ("services.*.sidecars.*.resources.requests", "a container's resource", container_resource),
    ("services.*.sidecars.*.resources.limits", "a container's resource", container_resource),
    ("services.*.init-containers.[].resources.requests", "a container's resource", container_resource),
    ("services.*.init-containers.[].resources.limits", "a container's resource", container_resource),
    ("services.*.probe.headers", "a header", header),
    ("services.*.readiness-probe.headers", "a header", header),
    ("services.*.liveness-probe.headers", "a header", header),
    ("services.*.startup-probe.headers", "a header", header),
    ("stacks.*.labels", "a label", label),
    ("stacks.*.annotations", "an annotation", annotation),
    ("stacks.*.claims.*.annotations", "an annotation", annotation),
    ("stacks.*.quota", "counted by a quota", quota),
    ("stacks.*.limits.default", "a container's resource", container_resource),
    ("stacks.*.limits.default-request", "a container's resource", container_resource),
    ("stacks.*.limits.max", "a container's resource", container_resource),
    ("stacks.*.limits.min", "a container's resource", container_resource),
    ("stacks.*.limits.pod.max", "a pod's resource", container_resource),
    ("stacks.*.limits.pod.min", "a pod's resource", container_resource),
    ("stacks.*.alerts.labels", "a label of Prometheus", variable),
    ("stacks.*.alerts.rules.*.labels", "a label of Prometheus", variable),
    ("stacks.*.flux.substitute", "a variable of Flux", variable),
    ("gitops.flux.substitute", "a variable of Flux", variable),
    ("nodes.*.labels", "a node's label", label),
    ("metallb.pools.*.node-selectors.[]", "a node's label", label),
    ("metallb.bgp.peers.*.node-selectors.[]", "a node's label", label),
    ("cilium.l2.node-selector", "a node's label", label),
    ("ingress.annotations", "an annotation", annotation),
    ("ingress.gateway.annotations", "an annotation", annotation),
    ("services.*.dns.options", "an option of the resolver", |key, _| {
        key.is_empty().then(|| "it is empty".to_owned())
    }),
    ("monitoring.labels", "a label", label),
    ("monitoring.pod-labels", "a label", label),
    ("monitoring.dashboard-labels", "a label", label),
    ("gitops.argocd.notifications.subscribe", "a trigger", annotation_part),
    ("gitops.argocd.notifications.subscribe.*", "a service that tells", annotation_part),
    ("gitops.argocd.notifications.config", "a key of a ConfigMap", config_key),
];

/// Single values, likewise.
const VALUES: &[(&str, &str, Judge)] = &[
    ("stacks.*.part-of", "a label's value", |_, node| label_value(node)),
    ("services.*.ports.*.app-protocol", "a protocol", |_, node| qualified_text(node, false)),
    ("storage-classes.*.provisioner", "a provisioner", |_, node| qualified_text(node, true)),
    ("services.*.config-map-env.*", "a key of a ConfigMap", key_behind_slash),
    ("services.*.dns.searches.[]", "a domain", domain),
    ("services.*.spread.[]", "a label of nodes", full),
    ("services.*.spread.[].key", "a label of nodes", full),
    ("services.*.volumes.*.host-path", "a path on a node", full),
    ("services.*.volumes.*.host-path.path", "a path on a node", full),
    ("services.*.volumes.*.items.*", "a path in a volume", path_in_volume),
    ("monitoring.folder-annotation", "an annotation", |_, node| qualified_text(node, true)),
];

/// Reports words that Kubernetes refuses.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for (pattern, what, judge) in KEYS {
        for place in model.everywhere(pattern) {
            let Some(table) = place.node.table() else { continue };
            for (key, entry) in table {
                report(&place, entry.key, key, what, judge(key, &entry.node), found);
            }
            if *what == "an annotation" {
                too_long(&place, found);
            }
        }
    }
    for (pattern, what, judge) in VALUES {
        for place in model.everywhere(pattern) {
            let text = scalar(place.node).unwrap_or_default();
            report(&place, place.node.span, &text, what, judge("", place.node), found);
        }
    }
}

fn report(
    place: &Place<'_>,
    span: Span,
    word: &str,
    what: &str,
    reason: Option<String>,
    found: &mut Diagnostics,
) {
    let Some(reason) = reason else { return };
    let shown: String = word.chars().take(80).collect();
    let message = format!("`{shown}` cannot be {what}: {reason}");
    found.push(BAD_VALUE.at(span, "refused by Kubernetes", message).about(place.subject()));
}

fn too_long(place: &Place<'_>, found: &mut Diagnostics) {
    let table = place.node.table().into_iter().flatten();
    let length: usize = table
        .map(|(key, entry)| key.len() + scalar(&entry.node).map_or(0, |text| text.len()))
        .fold(0, usize::saturating_add);
    if length > MOST_ANNOTATIONS {
        let message = "annotations of more than 256 KiB, which is all that Kubernetes takes";
        found.push(BAD_VALUE.at(place.key, "too long", message).about(place.subject()));
    }
}

/// The text that a scalar becomes, unless a reference is still in it.
fn scalar(node: &Node) -> Option<String> {
    node.scalar().filter(|text| !text.contains("${")).map(Cow::into_owned)
}

fn label(key: &str, node: &Node) -> Option<String> {
    label_key(key).or_else(|| {
        label_value(node)
            .map(|reason| format!("its value `{}` is none: {reason}", scalar(node).unwrap_or_default()))
    })
}

fn label_key(key: &str) -> Option<String> {
    (!key.contains("${")).then(|| qualified_fault(key)).flatten().map(str::to_owned)
}

/// Capital letters are taken in an annotation's domain, and in no label's.
fn annotation(key: &str, _: &Node) -> Option<String> {
    label_key(&key.to_ascii_lowercase())
}

/// What stands behind `subscribe.` in an annotation's key.
fn annotation_part(key: &str, _: &Node) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (key.is_empty() || !key.chars().all(plain)).then(|| WORD.to_owned())
}

fn config_key(key: &str, _: &Node) -> Option<String> {
    data_key_fault(key).map(str::to_owned)
}

fn variable(key: &str, _: &Node) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let bad = key.is_empty() || !key.chars().all(plain) || key.starts_with(|c: char| c.is_ascii_digit());
    bad.then(|| "only letters, digits and `_` are allowed, no digit first".to_owned())
}

fn header(key: &str, _: &Node) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (key.is_empty() || !key.chars().all(plain)).then(|| "only letters, digits and `-` are allowed".to_owned())
}

/// `NAME/KEY`.
fn key_behind_slash(_: &str, node: &Node) -> Option<String> {
    let text = scalar(node)?;
    let (_, key) = text.split_once('/')?;
    config_key(key, node)
}

fn full(_: &str, node: &Node) -> Option<String> {
    scalar(node).filter(String::is_empty).map(|_| "it is empty".to_owned())
}

fn path_in_volume(_: &str, node: &Node) -> Option<String> {
    let path = scalar(node)?;
    // What leads out of the volume is told elsewhere.
    let hidden = path.starts_with("..") && path.split('/').all(|step| step != "..");
    let hidden = hidden.then(|| "it must not begin with `..`".to_owned());
    hidden.or_else(|| full("", node))
}

fn domain(_: &str, node: &Node) -> Option<String> {
    let text = scalar(node)?;
    let fault = search_fault(text.strip_suffix('.').unwrap_or(&text));
    fault.filter(|_| text != ".").map(str::to_owned)
}

fn label_value(node: &Node) -> Option<String> {
    label_value_fault(&scalar(node)?).map(str::to_owned)
}

fn qualified_text(node: &Node, any_case: bool) -> Option<String> {
    let text = scalar(node)?;
    qualified_fault(&if any_case { text.to_lowercase() } else { text }).map(str::to_owned)
}

fn container_resource(key: &str, node: &Node) -> Option<String> {
    let standard = ["cpu", "memory", "ephemeral-storage"].contains(&key) || key.starts_with("hugepages-");
    if standard || key.contains("${") {
        return None;
    }
    match key.split_once('/') {
        None => Some(
            "`cpu`, `memory`, `ephemeral-storage`, `hugepages-SIZE` or one with a domain, such as `nvidia.com/gpu`"
                .to_owned(),
        ),
        Some((domain, _)) if domain == "kubernetes.io" || domain.ends_with(".kubernetes.io") => {
            Some("Kubernetes has none of this name".to_owned())
        }
        Some((domain, _)) if domain.starts_with("requests.") => {
            Some("only a quota says `requests.`".to_owned())
        }
        Some(_) => qualified_fault(key).map(str::to_owned).or_else(|| fraction(node)),
    }
}

const QUOTAS: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];

const COUNTS: &[&str] = &[
    "pods",
    "persistentvolumeclaims",
    "resourcequotas",
    "services",
    "services.loadbalancers",
    "services.nodeports",
    "replicationcontrollers",
    "secrets",
    "configmaps",
];

fn quota(key: &str, node: &Node) -> Option<String> {
    if QUOTAS.contains(&key)
        || key.contains("${")
        || key.strip_prefix("requests.").unwrap_or(key).starts_with("hugepages-")
    {
        None
    } else if COUNTS.contains(&key) {
        fraction(node)
    } else if key.contains('/') {
        let counted = if key.starts_with("count/") { fraction(node) } else { None };
        qualified_fault(key).map(str::to_owned).or(counted)
    } else {
        let near = crate::diagnostic::nearest(key, QUOTAS.iter().chain(COUNTS).copied());
        Some(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("kinds of objects are counted as `count/{key}.GROUP`"),
        })
    }
}

/// Some things come whole.
fn fraction(node: &Node) -> Option<String> {
    if let Value::Float(number) = &node.value {
        return Some(format!("{number} is no whole number"));
    }
    let Value::String(text) = &node.value else { return None };
    let amount = Quantity::parse(text).ok()?;
    (!amount.is_whole()).then(|| format!("{text} is no whole number"))
}
