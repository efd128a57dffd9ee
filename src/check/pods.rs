//! Keys of a service that are right each for itself, and make pods that the API server refuses.

use crate::check::handed::{Fault, items, judge};
use crate::diagnostic::Diagnostics;
use crate::duration::seconds;
use crate::inventory::node::{Node, Table, Value};
use crate::model::Model;
use crate::object::naming::qualified_fault;
use crate::quantity::Quantity;

/// So many domains are tried for a short name, and so long may their list be, with the spaces between them.
const MOST_SEARCHES: (usize, usize) = (32, 2048);

/// Labels that a Job gives to its pods by itself.
const OF_JOBS: &[&str] =
    &["batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "controller-uid", "job-name"];

/// Resources, of every container.
const RESOURCES: &[&str] = &[
    "services.*.resources",
    "services.*.sidecars.*.resources",
    "services.*.init-containers.[].resources",
    "services.*.init-containers.*.resources",
];

/// Runs every rule about pods that are never made.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for (pattern, faults) in RULES {
        judge(model, pattern, *faults, found);
    }
    for pattern in RESOURCES {
        judge(model, pattern, pages, found);
    }
}

/// A rule, and the tables that it is about.
type Rule = (&'static str, fn(&Table) -> Vec<Fault>);

const RULES: &[Rule] = &[
    ("services.*", processes),
    ("services.*", job_labels),
    ("services.*.dns", searches),
    ("services.*", deadlines),
    ("services.*.field-env", told),
    ("services.*.sidecars.*.field-env", told),
    ("services.*.volumes.*.claim-template", template),
    ("services.*.rbac.cluster-rules.[]", mixed),
];

fn node<'m>(table: &'m Table, key: &str) -> Option<&'m Node> {
    table.get(key).map(|entry| &entry.node)
}

fn text<'m>(table: &'m Table, key: &str) -> Option<&'m str> {
    node(table, key)?.text().filter(|text| !text.contains("${"))
}

fn is_on(table: &Table, key: &str) -> bool {
    node(table, key).is_some_and(|node| node.value == Value::Boolean(true))
}

/// Who sees all processes of the node sees those of the pod.
fn processes(service: &Table) -> Vec<Fault> {
    let shared =
        node(service, "share-process-namespace").filter(|_| is_on(service, "share-process-namespace"));
    let fault = shared
        .filter(|_| is_on(service, "host-pid"))
        .map(|node| (node.span, "`share-process-namespace` and `host-pid` exclude each other".to_owned()));
    fault.into_iter().collect()
}

fn job_labels(service: &Table) -> Vec<Fault> {
    if !matches!(text(service, "kind"), Some("job" | "cron-job")) {
        return Vec::new();
    }
    let labels = node(service, "labels").and_then(Node::table).into_iter().flatten();
    let owned = labels.filter(|(key, _)| OF_JOBS.contains(&key.as_str()));
    owned.map(|(key, entry)| (entry.key, format!("the label `{key}` is for the Job itself to set"))).collect()
}

fn searches(dns: &Table) -> Vec<Fault> {
    let all = items(dns, "searches");
    let length: usize = all.iter().filter_map(Node::text).map(|domain| domain.len() + 1).sum();
    let place = node(dns, "searches").filter(|_| all.len() > MOST_SEARCHES.0 || length > MOST_SEARCHES.1 + 1);
    let message = "`searches` may be 32 domains at most, with 2048 letters in all";
    place.map(|node| (node.span, message.to_owned())).into_iter().collect()
}

/// Only a Deployment has a deadline, ten minutes if nothing else is said. An environment says what differs only.
fn deadlines(service: &Table) -> Vec<Fault> {
    let none = Vec::new;
    let Some(rollout) = node(service, "rollout").and_then(Node::table) else { return none() };
    let whole = service.contains_key("stack") || rollout.contains_key("progress-deadline");
    if !whole || text(service, "kind").is_some_and(|kind| kind != "deployment") {
        return none();
    }
    let length = |key: &str| text(rollout, key).and_then(seconds);
    let Some(ready) = length("min-ready") else { return none() };
    let deadline = length("progress-deadline").unwrap_or(600.0);
    let place = node(rollout, "progress-deadline").or(node(rollout, "min-ready"));
    let message = "`progress-deadline` must be longer than `min-ready`, or no rollout succeeds";
    place.filter(|_| deadline <= ready).map(|node| (node.span, message.to_owned())).into_iter().collect()
}

/// Labels and annotations that a variable is told.
fn told(fields: &Table) -> Vec<Fault> {
    let fault = |node: &Node| {
        let path = node.text().filter(|path| !path.contains("${"))?;
        let key = path.strip_suffix("']")?;
        let reason = match (key.strip_prefix("metadata.annotations['"), key.strip_prefix("metadata.labels['"))
        {
            (Some(key), _) => qualified_fault(&key.to_ascii_lowercase()),
            (_, Some(key)) => qualified_fault(key),
            _ => None,
        };
        Some((node.span, format!("`{path}` names no label or annotation: {}", reason?)))
    };
    fields.values().filter_map(|entry| fault(&entry.node)).collect()
}

fn template(claim: &Table) -> Vec<Fault> {
    let mut faults = Vec::new();
    let size = text(claim, "size").and_then(|size| Quantity::parse(size).ok());
    if let Some(node) = node(claim, "size").filter(|_| size.is_some_and(|size| size <= Quantity::ZERO)) {
        faults.push((node.span, "a claim must have a size of more than 0".to_owned()));
    }
    let modes = items(claim, "access-modes");
    let alone = modes.iter().find(|mode| mode.text() == Some("ReadWriteOncePod"));
    if let Some(alone) = alone.filter(|_| modes.len() > 1) {
        faults.push((alone.span, "`ReadWriteOncePod` excludes every other access mode".to_owned()));
    }
    faults
}

fn mixed(rule: &Table) -> Vec<Fault> {
    let other =
        ["resources", "apiGroups", "resourceNames"].into_iter().find(|key| !items(rule, key).is_empty());
    let urls = rule.get("nonResourceURLs").filter(|_| !items(rule, "nonResourceURLs").is_empty());
    let message = |other| format!("`nonResourceURLs` and `{other}` exclude each other: write two rules");
    urls.zip(other).map(|(urls, other)| (urls.key, message(other))).into_iter().collect()
}

fn pages(resources: &Table) -> Vec<Fault> {
    let lists = || ["requests", "limits"].into_iter().filter_map(|key| node(resources, key)?.table());
    let others = lists().any(|list| list.contains_key("cpu") || list.contains_key("memory"));
    let pages = lists().flatten().find(|(key, _)| key.starts_with("hugepages-"));
    let message = "huge pages need `cpu` or `memory` beside them";
    pages.filter(|_| !others).map(|(_, entry)| (entry.key, message.to_owned())).into_iter().collect()
}
