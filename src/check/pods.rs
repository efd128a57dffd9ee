//! Keys of a service that are right each for itself, and make pods that the API server refuses.

use crate::check::objects::said_place;
use crate::check::placement::patched;
use crate::diagnostic::Diagnostics;
use crate::inventory::node::{Node, Table, Value};
use crate::inventory::service::Kind;
use crate::model::rollout::PROGRESS_DEADLINE;
use crate::model::service::Service;
use crate::model::workload::ends;
use crate::model::{BAD_VALUE, Environment, Model};
use crate::object::naming::qualified_fault;
use crate::source::{Span, Spanned};

/// So many domains are tried for a short name, and so long may their list be, with the spaces between them.
const MOST_SEARCHES: (usize, usize) = (32, 2048);

/// Labels that a Job gives to its pods by itself.
const OF_JOBS: &[&str] =
    &["batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "controller-uid", "job-name"];

/// What only processes of one node share.
const OF_PROCESSES: &[&str] = &["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."];

/// Runs every rule about pods that are never made.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for (pattern, faults) in RULES {
        for place in model.everywhere(pattern) {
            let faults = place.node.table().map(faults).unwrap_or_default();
            faults.into_iter().for_each(|fault| report(&place.subject(), fault, found));
        }
    }
    for environment in &model.environments {
        for service in environment.services() {
            let whole = Whole { model, environment, service };
            for rule in RULES_OF_WHOLE {
                rule(&whole).into_iter().for_each(|fault| report(&service.subject(), fault, found));
            }
        }
    }
}

fn report(subject: &str, (span, message): Fault, found: &mut Diagnostics) {
    found.push(BAD_VALUE.at(span, "refused by Kubernetes", message).about(subject));
}

/// What a finding says: where, and why.
type Fault = (Span, String);

/// A rule about what one table says, and the tables that it is about.
type Rule = (&'static str, fn(&Table) -> Vec<Fault>);

const RULES: &[Rule] = &[
    ("services.*.dns", searches),
    ("services.*.field-env", told),
    ("services.*.sidecars.*.field-env", told),
    ("services.*.rbac.rules.[]", mixed),
    ("services.*.rbac.cluster-rules.[]", mixed),
];

/// A service as an environment has it: the defaults may say one half of a fault, and the environment the other.
struct Whole<'m> {
    model: &'m Model,
    environment: &'m Environment,
    service: &'m Service,
}

const RULES_OF_WHOLE: &[fn(&Whole<'_>) -> Vec<Fault>] =
    &[processes, job_labels, deadlines, unmasked, host_sysctls, pages];

impl Whole<'_> {
    /// The place of what the service's table says.
    fn place(&self, path: &[&str]) -> Option<Span> {
        let path: Vec<&str> = ["services", &self.service.key].iter().chain(path).copied().collect();
        self.model.place_of(&self.environment.name, &path)
    }
}

/// The elements of a list, if there is one.
fn items<'m>(table: &'m Table, key: &str) -> &'m [Node] {
    match table.get(key).map(|entry| &entry.node.value) {
        Some(Value::Array(items)) => items,
        _ => &[],
    }
}

/// Who sees all processes of the node sees those of the pod.
fn processes(whole: &Whole<'_>) -> Vec<Fault> {
    let pod = &whole.service.pod;
    let sees = pod.host_pid.filter(|flag| flag.value && pod.share_process_namespace);
    let fault = sees.map(|flag| {
        let span = whole.place(&["share-process-namespace"]).unwrap_or(flag.span);
        (span, "`share-process-namespace` and `host-pid` exclude each other".to_owned())
    });
    fault.into_iter().collect()
}

fn job_labels(whole: &Whole<'_>) -> Vec<Fault> {
    let service = whole.service;
    if !ends(service.kind) {
        return Vec::new();
    }
    let owned = service.labels.keys().filter(|key| OF_JOBS.contains(key));
    let fault = |key: &str| {
        let path = ["services", &service.key, "labels", key];
        let span = whole.model.key_of(&whole.environment.name, &path).unwrap_or(service.place);
        (span, format!("the label `{key}` is for the Job itself to set"))
    };
    owned.map(fault).collect()
}

/// Only a Deployment has a deadline, ten minutes if nothing else is said.
fn deadlines(whole: &Whole<'_>) -> Vec<Fault> {
    let service = whole.service;
    let ready = service.rollout.min_ready.unwrap_or(0);
    if service.kind != Kind::Deployment
        || service.rollout.progress_deadline.unwrap_or(PROGRESS_DEADLINE) > ready
    {
        return Vec::new();
    }
    let span =
        whole.place(&["rollout", "progress-deadline"]).or_else(|| whole.place(&["rollout", "min-ready"]));
    let message = "`progress-deadline` must be longer than `min-ready`, or no rollout succeeds";
    vec![(span.unwrap_or(service.place), message.to_owned())]
}

/// Only a pod whose root is not the node's may see all of `/proc`.
fn unmasked(whole: &Whole<'_>) -> Vec<Fault> {
    if patched(whole.service, &["hostUsers"]) {
        return Vec::new();
    }
    let contexts = whole.service.containers().filter_map(|part| Some((part, part.security_context?)));
    let all = contexts.filter(|(_, context)| context.value["procMount"] == "Unmasked");
    all.map(|(part, context)| {
        let mut path: Vec<&str> = part.table.into_iter().flat_map(|(table, name)| [table, name]).collect();
        path.extend(["security-context", "procMount"]);
        let message = "`procMount = \"Unmasked\"` needs a pod with users of its own: `hostUsers: false`";
        (whole.place(&path).unwrap_or(context.span), message.to_owned())
    })
    .collect()
}

/// What a pod shares with its node it cannot change.
fn host_sysctls(whole: &Whole<'_>) -> Vec<Fault> {
    let service = whole.service;
    let Some(context) = &service.pod_security_context else { return Vec::new() };
    let shares = |flag: Option<Spanned<bool>>| flag.is_some_and(|flag| flag.value);
    let names = context.value["sysctls"].as_array().into_iter().flatten();
    let fault = |name: &str| {
        let why = if name.starts_with("net.") && shares(service.host_network) {
            "host-network"
        } else if OF_PROCESSES.iter().any(|prefix| name.starts_with(prefix)) && shares(service.pod.host_ipc) {
            "host-ipc"
        } else {
            return None;
        };
        let list = ["services", &service.key, "pod-security-context"];
        let own = [&["environments", &whole.environment.name], &list[..]].concat();
        let span = said_place(whole.model, &own, name).or_else(|| said_place(whole.model, &list, name));
        Some((span.unwrap_or(context.span), format!("`{name}` is its node's, with `{why} = true`")))
    };
    names.filter_map(|one| one["name"].as_str()).filter_map(fault).collect()
}

fn searches(dns: &Table) -> Vec<Fault> {
    let all = items(dns, "searches");
    let length: usize = all.iter().filter_map(Node::text).map(|domain| domain.len() + 1).sum();
    let place = dns
        .get("searches")
        .map(|entry| &entry.node)
        .filter(|_| all.len() > MOST_SEARCHES.0 || length > MOST_SEARCHES.1 + 1);
    let message = "`searches` may be 32 domains at most, with 2048 letters in all";
    place.map(|node| (node.span, message.to_owned())).into_iter().collect()
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

fn mixed(rule: &Table) -> Vec<Fault> {
    let other =
        ["resources", "apiGroups", "resourceNames"].into_iter().find(|key| !items(rule, key).is_empty());
    let urls = rule.get("nonResourceURLs").filter(|_| !items(rule, "nonResourceURLs").is_empty());
    let message = |other| format!("`nonResourceURLs` and `{other}` exclude each other: write two rules");
    urls.zip(other).map(|(urls, other)| (urls.key, message(other))).into_iter().collect()
}

fn pages(whole: &Whole<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for part in whole.service.containers() {
        let lists = || [&part.resources.requests, &part.resources.limits].into_iter().flatten();
        let others = lists().any(|(name, _)| name == "cpu" || name == "memory");
        let pages = lists().find(|(name, _)| name.starts_with("hugepages-")).filter(|_| !others);
        let message = "huge pages need `cpu` or `memory` beside them";
        faults.extend(pages.map(|(_, amount)| (amount.span, message.to_owned())));
    }
    faults
}
