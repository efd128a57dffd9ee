//! Resources: what a pod asks for, against its own limits, its namespace's, a node and all nodes.

use std::collections::BTreeMap;

use crate::check::placement::{Objection, nodes, objection, patched, pods};
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::inventory::policy::QuotaScope;
use crate::inventory::service::Kind;
use crate::model::container::{Part, Role};
use crate::model::node::Node;
use crate::model::references::QuantityValue;
use crate::model::service::{Resources, Service};
use crate::model::stack::{Limits, Stack};
use crate::model::workload::ends;
use crate::model::{Environment, Model};
use crate::quantity::Quantity;
use crate::source::{Span, Spanned};

codes! { Resources:
    /// A request that the limit does not cover.
    REQUEST_OVER_LIMIT = ("request-over-limit", Error, "a request that is greater than its limit");
    /// A request or limit that the namespace's LimitRange refuses.
    OUTSIDE_LIMIT_RANGE = ("outside-limit-range", Error, "a request or limit that its namespace's `limits` refuse");
    /// A LimitRange that Kubernetes refuses.
    CONTRADICTING_LIMITS = ("contradicting-limits", Error, "`limits` of a stack that contradict each other");
    /// A GPU or the like that is not limited to what it requests.
    UNEVEN_DEVICE = ("uneven-device", Error, "a device whose request is not its limit");
    /// An amount that must have been meant in another unit.
    MISTAKEN_UNIT = ("mistaken-unit", Warning, "an amount of memory or storage that is counted in bytes, or in parts of them");
    /// A pod that no node can take.
    POD_FITS_NO_NODE = ("pod-fits-no-node", Error, "a pod that no node can take");
    /// A namespace that asks for more than its quota.
    OVER_QUOTA = ("over-quota", Error, "a stack asks for more than its quota");
    /// A pod that a quota refuses because it says nothing.
    UNCOUNTED_UNDER_QUOTA = ("uncounted-under-quota", Error, "a pod without the request or limit that its stack's quota counts");
    /// More requests than the nodes have.
    REQUESTS_EXCEED_NODES = ("requests-exceed-nodes", Warning, "all pods together ask for more than the nodes have");
    /// More requests than the nodes have without the largest.
    NO_SPARE_NODE = ("no-spare-node", Warning, "without the largest node the others cannot take all pods");
    /// A folder in memory that nothing bounds.
    UNBOUNDED_MEMORY_FOLDER = ("unbounded-memory-folder", Warning, "a folder in memory without a size, in a pod without a memory limit");
}

/// Runs every rule about resources.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for environment in &model.environments {
        for stack in &environment.stacks {
            contradicting_limits(stack, found);
            claim_units(stack, found);
        }
        for (stack, service) in placed(environment) {
            for part in service.containers() {
                request_over_limit(stack, service, &part, found);
                outside_limit_range(stack, service, &part, found);
                uneven_devices(service, &part, found);
                units(service, &part, found);
            }
            template_units(service, found);
            fits_no_node(model, stack, service, found);
            memory_folders(stack, service, found);
        }
    }
    node_units(model, found);
    quotas(model, found);
    capacity(model, found);
}

/// Every service, with its stack if that is known.
fn placed(environment: &Environment) -> impl Iterator<Item = (Option<&Stack>, &Service)> {
    let in_stacks = environment
        .stacks
        .iter()
        .flat_map(|stack| stack.services.iter().map(move |service| (Some(stack), service.as_ref())));
    in_stacks.chain(environment.strays.iter().map(|service| (None, service.as_ref())))
}

type Amount = Spanned<QuantityValue>;

/// As people write amounts of this resource.
fn shown(resource: &str, amount: Quantity) -> String {
    if resource.ends_with("cpu") { amount.as_cpu() } else { amount.to_string() }
}

fn limits_of(stack: Option<&Stack>) -> Option<&Limits> {
    stack.and_then(|stack| stack.limits.as_ref())
}

/// What a container may use, and whether it says so itself: its limit, else the namespace's default.
pub fn limit<'s>(stack: Option<&'s Stack>, resources: &'s Resources, resource: &str) -> Option<&'s Amount> {
    let own = resources.limits.get(resource);
    own.or_else(|| limits_of(stack)?.default.get(resource)).or_else(|| limits_of(stack)?.max.get(resource))
}

/// What a container asks for. Kubernetes takes its own limit for a missing request before the namespace's defaults
/// are looked at.
pub fn request<'s>(stack: Option<&'s Stack>, resources: &'s Resources, resource: &str) -> Option<&'s Amount> {
    let own = resources.requests.get(resource).or_else(|| resources.limits.get(resource));
    let limits = limits_of(stack);
    own.or_else(|| limits?.default_request.get(resource))
        .or_else(|| limits?.default.get(resource))
        .or_else(|| limits?.max.get(resource))
        .or_else(|| limits?.min.get(resource))
}

/// What a container asks for or may use, by one of the two functions above.
type Reading = for<'s> fn(Option<&'s Stack>, &'s Resources, &str) -> Option<&'s Amount>;

/// What a pod asks for or may use.
struct PodAmount {
    sum: Quantity,
    /// Where most of it is asked for.
    span: Span,
    /// Whether every container says so.
    complete: bool,
}

/// Kubernetes' rule: all containers that run together, or the greediest of those that prepare, whichever is more.
/// `None` if no container says anything.
fn of_pod(stack: Option<&Stack>, service: &Service, resource: &str, read: Reading) -> Option<PodAmount> {
    let (mut together, mut before, mut complete) = (Quantity::ZERO, Quantity::ZERO, true);
    let mut most: Option<(Quantity, Span)> = None;
    for part in service.containers() {
        let Some(amount) = read(stack, part.resources, resource) else {
            complete = false;
            continue;
        };
        match part.role {
            Role::Init => before = before.max(amount.amount),
            Role::Native | Role::Beside => together = together.saturating_add(amount.amount),
        }
        if most.is_none_or(|(greatest, _)| amount.amount > greatest) {
            most = Some((amount.amount, amount.span));
        }
    }
    most.map(|(_, span)| PodAmount { sum: together.max(before), span, complete })
}

fn request_over_limit(stack: Option<&Stack>, service: &Service, part: &Part<'_>, found: &mut Diagnostics) {
    for (resource, wanted) in &part.resources.requests {
        let Some(most) = limit(stack, part.resources, resource) else { continue };
        if wanted.amount <= most.amount {
            continue;
        }
        let own = part.resources.limits.contains_key(resource);
        let (label, whose) = match own {
            true => ("the limit", "its limit"),
            false => ("the limit of whoever gives none", "the limit that its namespace gives it"),
        };
        let message = format!(
            "{} requests {} {resource}, more than {whose} of {}",
            part.named(&service.key),
            wanted.text,
            most.text
        );
        found.push(
            REQUEST_OVER_LIMIT
                .at(wanted.span, "more than the limit", message)
                .because(most.span, label)
                .about(service.subject())
                .help(format!("request at most {}, or raise the limit to {}", most.text, wanted.text)),
        );
    }
}

fn outside_limit_range(stack: Option<&Stack>, service: &Service, part: &Part<'_>, found: &mut Diagnostics) {
    let Some(limits) = limits_of(stack) else { return };
    let resources = [("requests", &part.resources.requests), ("limits", &part.resources.limits)];
    for (what, amounts) in resources {
        for (resource, amount) in amounts {
            let over = limits.max.get(resource).filter(|max| amount.amount > max.amount);
            let under = limits.min.get(resource).filter(|min| amount.amount < min.amount);
            // A request over its own limit is one fault, not two.
            let said = what == "requests"
                && part.resources.limits.get(resource).is_some_and(|most| amount.amount > most.amount);
            let bound = over
                .filter(|_| !said)
                .map(|max| (max, "more", "most"))
                .or(under.map(|min| (min, "less", "least")));
            let Some((bound, more, most)) = bound else { continue };
            found.push(
                OUTSIDE_LIMIT_RANGE
                    .at(
                        amount.span,
                        format!("{more} than {}", bound.text),
                        format!(
                            "{} {} {} {resource}, {more} than a container of its stack may",
                            part.named(&service.key),
                            if what == "requests" { "requests" } else { "is limited to" },
                            amount.text
                        ),
                    )
                    .because(bound.span, format!("the {most}"))
                    .about(service.subject())
                    .help(format!("the {most} is {}", bound.text)),
            );
        }
    }
}

/// The API server refuses a LimitRange whose values are not in this order.
fn contradicting_limits(stack: &Stack, found: &mut Diagnostics) {
    let Some(limits) = &stack.limits else { return };
    let rising = [
        ("min", &limits.min),
        ("default-request", &limits.default_request),
        ("default", &limits.default),
        ("max", &limits.max),
    ];
    for (at, (low, lows)) in rising.iter().enumerate() {
        for (high, highs) in &rising[at + 1..] {
            for (resource, less) in lows.iter() {
                let Some(more) = highs.get(resource).filter(|more| more.amount < less.amount) else {
                    continue;
                };
                let code = match (*low, *high) {
                    ("default-request", "default") => &REQUEST_OVER_LIMIT,
                    _ => &CONTRADICTING_LIMITS,
                };
                found.push(
                    code.at(
                        less.span,
                        format!("more than `{high}`"),
                        format!(
                            "`{low}` {resource} of stack `{}` is {}, more than its `{high}` of {}",
                            stack.name, less.text, more.text
                        ),
                    )
                    .because(more.span, format!("`{high}`"))
                    .about(stack.subject())
                    .help(format!("`{low}` must be at most `{high}`")),
                );
            }
        }
    }
}

/// Devices cannot be overcommitted: Kubernetes wants a limit, and a request that equals it.
fn uneven_devices(service: &Service, part: &Part<'_>, found: &mut Diagnostics) {
    for (resource, wanted) in &part.resources.requests {
        // `hugepages-` and names with a domain that is not Kubernetes' own.
        let device = resource.contains('/') && !resource.starts_with("kubernetes.io/");
        if !device || (part.table.is_none() && service.gpus.contains_key(resource)) {
            continue;
        }
        let most = part.resources.limits.get(resource);
        if most.is_some_and(|most| most.amount == wanted.amount) {
            continue;
        }
        let message = format!(
            "{} requests {} of `{resource}` without the same limit",
            part.named(&service.key),
            wanted.text
        );
        let mut diagnostic = UNEVEN_DEVICE.at(wanted.span, "must be the limit, too", message);
        if let Some(most) = most {
            diagnostic = diagnostic.because(most.span, "the limit");
        }
        found.push(
            diagnostic
                .about(service.subject())
                .help(format!("write `limits.\"{resource}\" = \"{}\"`", wanted.text)),
        );
    }
}

/// Kubernetes reads `512m` of memory as half a byte and `512` as bytes: who means so little says it in `k` or `Ki`.
fn too_small(resource: &str, amount: &Amount) -> bool {
    let bytes = ["memory", "storage", "ephemeral-storage"].contains(&resource);
    let unit = amount.text.trim().ends_with(|c: char| c.is_ascii_digit() || "mun".contains(c));
    bytes && unit && amount.amount > Quantity::ZERO && amount.amount < Quantity::from_integer(1 << 20)
}

fn mistaken(resource: &str, amount: &Amount, whose: &str) -> Diagnostic {
    let text = amount.text.trim();
    let digits: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let label = match text.ends_with('m') {
        true => "`m` is a thousandth, here of a byte",
        false => "counted in bytes",
    };
    MISTAKEN_UNIT
        .at(amount.span, label, format!("{resource} of {whose} is {text}: less than one mebibyte"))
        .help(format!("write `{digits}Mi` or `{digits}Gi`"))
}

fn units(service: &Service, part: &Part<'_>, found: &mut Diagnostics) {
    for (resource, amount) in part.resources.requests.iter().chain(&part.resources.limits) {
        if too_small(resource, amount) {
            found.push(mistaken(resource, amount, &part.named(&service.key)).about(service.subject()));
        }
    }
}

fn template_units(service: &Service, found: &mut Diagnostics) {
    for template in &service.claim_templates {
        if let Some(size) = template.size.as_ref().filter(|size| too_small("storage", size)) {
            let diagnostic = mistaken("the size", size, &format!("claims of service `{}`", service.key));
            found.push(diagnostic.about(service.subject()));
        }
    }
}

fn claim_units(stack: &Stack, found: &mut Diagnostics) {
    for claim in &stack.claims {
        if let Some(size) = claim.size.as_ref().filter(|size| too_small("storage", size)) {
            let diagnostic = mistaken("the size", size, &format!("claim `{}`", claim.name));
            found.push(diagnostic.about(stack.claim_subject(&claim.name)));
        }
    }
    let limits = stack.limits.iter().flat_map(|limits| {
        limits.default.iter().chain(&limits.default_request).chain(&limits.max).chain(&limits.min)
    });
    for (resource, amount) in limits.filter(|(resource, amount)| too_small(resource, amount)) {
        let diagnostic = mistaken(resource, amount, &format!("`limits` of stack `{}`", stack.name));
        found.push(diagnostic.about(stack.subject()));
    }
}

fn node_units(model: &Model, found: &mut Diagnostics) {
    for node in &model.nodes {
        if let Some(memory) = node.memory.as_ref().filter(|memory| too_small("memory", memory)) {
            let diagnostic = mistaken("memory", memory, &format!("node `{}`", node.name));
            found.push(diagnostic.about(format!("nodes.{}", node.name)));
        }
    }
}

/// What a node must have for a pod: resource, amount and where it is asked for.
fn wants(stack: Option<&Stack>, service: &Service) -> Vec<(String, Quantity, Span)> {
    let named = ["cpu", "memory"].into_iter().filter_map(|resource| {
        let wanted = of_pod(stack, service, resource, request)?;
        Some((resource.to_owned(), wanted.sum, wanted.span))
    });
    let gpus = service
        .gpus
        .iter()
        .map(|(name, count)| (name.clone(), Quantity::from_integer(*count), service.place));
    named.chain(gpus).collect()
}

/// What a node has of a resource; `None` if the inventory does not say. A node that names no GPU has none as soon as
/// the inventory says anything of what nodes have.
fn has(model: &Model, node: &Node, resource: &str) -> Option<Quantity> {
    match resource {
        "cpu" => node.cpu.as_ref().map(|cpu| cpu.amount),
        "memory" => node.memory.as_ref().map(|memory| memory.amount),
        _ => {
            let said = model
                .nodes
                .iter()
                .any(|node| node.cpu.is_some() || node.memory.is_some() || !node.gpus.is_empty());
            let count = node.gpus.get(resource).copied();
            (said || count.is_some()).then(|| Quantity::from_integer(count.unwrap_or(0)))
        }
    }
}

fn fits_no_node(model: &Model, stack: Option<&Stack>, service: &Service, found: &mut Diagnostics) {
    let Some(open) = nodes(model, service) else { return };
    if pods(model, service) == 0 && service.kind != Kind::DaemonSet {
        return;
    }
    if open.is_empty() {
        found.push(refused_everywhere(model, service));
        return;
    }
    if patched(service, &["resources", "containers"]) {
        return;
    }
    let wants = wants(stack, service);
    let lacking = |node: &Node| -> Vec<usize> {
        let short = |(resource, amount, _): &(String, Quantity, Span)| {
            has(model, node, resource).is_some_and(|has| has < *amount)
        };
        wants.iter().enumerate().filter(|(_, want)| short(want)).map(|(at, _)| at).collect()
    };
    // The node that comes nearest lacks least, and of what it lacks it has most.
    let nearest = open.iter().map(|node| (lacking(node), *node)).min_by_key(|(lacks, node)| {
        let first = lacks.first().and_then(|at| has(model, node, &wants[*at].0));
        (lacks.len(), std::cmp::Reverse(first), node.name.clone())
    });
    let Some((lacks, node)) = nearest.filter(|(lacks, _)| !lacks.is_empty()) else { return };
    let absent = lacks.iter().all(|at| has(model, node, &wants[*at].0) == Some(Quantity::ZERO));
    let asked: Vec<String> =
        lacks.iter().map(|at| format!("{} {}", shown(&wants[*at].0, wants[*at].1), wants[*at].0)).collect();
    let there: Vec<String> = lacks
        .iter()
        .map(|at| shown(&wants[*at].0, has(model, node, &wants[*at].0).unwrap_or_default()))
        .collect();
    let message = format!("service `{}` asks for {}, which no node has", service.key, asked.join(" and "));
    found.push(
        POD_FITS_NO_NODE
            .at(wants[lacks[0]].2, "more than any node that may run it", message)
            .because(node.place, format!("the nearest: it has {}", there.join(" and ")))
            .about(service.subject())
            .help(match absent {
                true => "say which node has it: `gpu = 1` at the node".to_owned(),
                false => format!("ask for at most what `{}` has, {}", node.name, there.join(" and ")),
            }),
    );
}

fn refused_everywhere(model: &Model, service: &Service) -> Diagnostic {
    let mut reasons: BTreeMap<Objection, Vec<&Node>> = BTreeMap::new();
    let pinned = service.node.as_ref().map(|name| name.value.as_str());
    for node in model.nodes.iter().filter(|node| pinned.is_none_or(|name| node.name == name)) {
        if let Some(reason) = objection(model, service, node) {
            reasons.entry(reason).or_default().push(node);
        }
    }
    let labels = reasons.keys().any(|reason| matches!(reason, Objection::Label(_)));
    let taints = reasons.keys().any(|reason| matches!(reason, Objection::Taint(_)));
    let help = match (labels, taints) {
        (true, false) => "give a node this label, or choose another",
        (false, _) if pinned.is_some() => {
            "choose another node, let pods on this one (`schedulable = true`), or tolerate its taint under `tolerations`"
        }
        _ => "tolerate the taint under `tolerations`, or let pods on a node that has none",
    };
    let told: Vec<String> = reasons
        .iter()
        .take(4)
        .map(|(reason, nodes)| {
            let who = match nodes.as_slice() {
                [node] => format!("node `{}`", node.name),
                nodes if nodes.len() == model.nodes.len() => "every node".to_owned(),
                nodes => format!("{} nodes", nodes.len()),
            };
            let plural = nodes.len() > 1 && nodes.len() != model.nodes.len();
            match (reason, plural) {
                (Objection::Label(label), true) => format!("{who} lack the label `{label}`"),
                (Objection::Label(label), false) => format!("{who} lacks the label `{label}`"),
                (Objection::Taint(taint), true) => format!("{who} have the taint `{taint}`"),
                (Objection::Taint(taint), false) => format!("{who} has the taint `{taint}`"),
            }
        })
        .collect();
    let span = service.node.as_ref().map(|node| node.span);
    let diagnostic = POD_FITS_NO_NODE.at(
        span.unwrap_or(service.place),
        "no node takes it",
        format!("no node takes pods of service `{}`: {}", service.key, told.join(", ")),
    );
    let diagnostic = match service.node.as_ref().and_then(|name| model.node(name)) {
        Some(node) => diagnostic.because(node.place, "this node"),
        None => diagnostic,
    };
    diagnostic.about(service.subject()).help(help)
}

/// A folder in memory counts against the pod's memory limit; without one it can fill the node.
fn memory_folders(stack: Option<&Stack>, service: &Service, found: &mut Diagnostics) {
    if limit(stack, &service.resources, "memory").is_some() || patched(service, &["resources", "containers"])
    {
        return;
    }
    for volume in &service.volumes {
        let folder = &volume.source["emptyDir"];
        if folder["medium"] == "Memory" && folder.get("sizeLimit").is_none() {
            let message =
                format!("folder `{}` of service `{}` can fill its node's memory", volume.name, service.key);
            found.push(
                UNBOUNDED_MEMORY_FOLDER
                    .at(volume.place, "in memory, of any size", message)
                    .about(service.subject())
                    .help("give it a size: `empty-dir = { memory = true, size = \"256Mi\" }`"),
            );
        }
    }
}

/// What all pods of a stack take of a quota's key, and who takes most; `None` for keys that the tree does not decide.
struct Use<'s> {
    sum: Quantity,
    most: Option<(Quantity, &'s Service)>,
}

/// What one service takes of a quota's key. `Err` if a pod says nothing of what the quota counts.
fn taken(model: &Model, stack: &Stack, service: &Service, key: &str) -> Option<Result<Quantity, ()>> {
    let count = pods(model, service);
    let whole = |count: u64| Some(Ok(Quantity::from_integer(i64::try_from(count).unwrap_or(i64::MAX))));
    let stack = Some(stack);
    let of = |resource: &str, read: Reading| match of_pod(stack, service, resource, read) {
        Some(amount) if amount.complete => Some(Ok(amount.sum.saturating_times(count))),
        _ if count == 0 => Some(Ok(Quantity::ZERO)),
        _ => Some(Err(())),
    };
    match key {
        "cpu" | "memory" => of(key, request),
        "requests.cpu" | "requests.memory" | "requests.ephemeral-storage" => {
            of(&key["requests.".len()..], request)
        }
        "limits.cpu" | "limits.memory" | "limits.ephemeral-storage" => of(&key["limits.".len()..], limit),
        "pods" | "count/pods" => whole(count),
        "services" | "count/services" => whole(u64::from(!service.ports.is_empty())),
        "services.loadbalancers" => whole(u64::from(service.load_balancer.is_some())),
        "services.nodeports" => {
            let own = service.ports.iter().filter(|port| port.node_port.is_some()).count();
            // Every port of a load balancer takes a node port, too.
            whole(if service.load_balancer.is_some() { service.ports.len() } else { own } as u64)
        }
        "count/deployments.apps" => whole(u64::from(service.kind == Kind::Deployment)),
        "count/statefulsets.apps" => whole(u64::from(service.kind == Kind::StatefulSet)),
        "count/daemonsets.apps" => whole(u64::from(service.kind == Kind::DaemonSet)),
        "count/cronjobs.batch" => whole(u64::from(service.kind == Kind::CronJob)),
        _ => {
            let device = key.strip_prefix("requests.").filter(|device| device.contains('/'))?;
            let gpus = service.gpus.get(device).map(|count| Quantity::from_integer(*count));
            let own = service.resources.limits.get(device).map(|amount| amount.amount);
            Some(Ok(gpus.or(own).unwrap_or_default().saturating_times(count)))
        }
    }
}

/// What claims take of a quota's key: those of the stack, and those that each pod gets for itself.
fn stored(model: &Model, stack: &Stack, key: &str) -> Option<Quantity> {
    let size = |size: &Option<Amount>| size.as_ref().map_or(Quantity::ZERO, |size| size.amount);
    // What somebody else makes is not known; what can fail over is there twice.
    let made = stack.claims.iter().filter(|claim| !claim.existing);
    let own = made.map(|claim| (claim.class.as_deref(), size(&claim.size), claim.copies.len() as u64));
    let templates = stack.services.iter().flat_map(|service| {
        let count = if service.claim_templates.is_empty() { 0 } else { pods(model, service) };
        service
            .claim_templates
            .iter()
            .map(move |template| (template.class.as_deref(), size(&template.size), count))
    });
    let (wanted, what) = match key.split_once(".storageclass.storage.k8s.io/") {
        Some((class, what)) => (Some(class), what),
        None => (None, key.strip_prefix("count/").unwrap_or(key)),
    };
    let claims = own.chain(templates).filter(|(class, ..)| wanted.is_none() || *class == wanted);
    match what {
        "persistentvolumeclaims" => {
            let count = claims.fold(0_u64, |sum, (.., count)| sum.saturating_add(count));
            Some(Quantity::from_integer(i64::try_from(count).unwrap_or(i64::MAX)))
        }
        "requests.storage" => {
            Some(claims.fold(Quantity::ZERO, |sum, (_, size, count)| {
                sum.saturating_add(size.saturating_times(count))
            }))
        }
        _ => None,
    }
}

/// A sum over a quota, and where.
type Excess<'m> = (&'m Environment, &'m Stack, Use<'m>);

fn quotas(model: &Model, found: &mut Diagnostics) {
    // A sum that is the same wherever the stack runs is one finding.
    let mut over: BTreeMap<(String, String, Span), Vec<Excess<'_>>> = BTreeMap::new();
    for environment in &model.environments {
        for stack in &environment.stacks {
            for (key, most) in &stack.quota {
                let sum = match stored(model, stack, key) {
                    Some(sum) => Some(Use { sum, most: None }),
                    None => used(model, stack, key, most, found),
                };
                if let Some(sum) = sum.filter(|sum| sum.sum > most.amount) {
                    let group = (stack.name.clone(), key.clone(), most.span);
                    over.entry(group).or_default().push((environment, stack, sum));
                }
            }
        }
    }
    for ((name, key, _), places) in over {
        let runs = model
            .environments
            .iter()
            .filter(|environment| environment.stacks.iter().any(|stack| stack.name == name));
        let same =
            places.iter().all(|(_, _, sum)| sum.sum == places[0].2.sum) && places.len() == runs.count();
        for (environment, stack, sum) in places.iter().take(if same { 1 } else { usize::MAX }) {
            let place = if same || model.environments.len() == 1 {
                String::new()
            } else {
                format!(" in `{}`", environment.name)
            };
            found.push(over_quota(stack, &key, sum, &place));
        }
    }
}

/// Whether a quota with scopes counts a service's pods. They have no deadline.
fn in_scope(stack: &Stack, service: &Service) -> bool {
    let says = |part: &Part<'_>, resource: &str| {
        let (stack, own) = (Some(stack), part.resources);
        request(stack, own, resource).is_some() || limit(stack, own, resource).is_some()
    };
    let best_effort = !service.containers().any(|part| says(&part, "cpu") || says(&part, "memory"));
    stack.quota_scopes.iter().all(|scope| match scope.value {
        QuotaScope::Terminating => false,
        QuotaScope::NotTerminating => true,
        QuotaScope::BestEffort => best_effort,
        QuotaScope::NotBestEffort => !best_effort,
    })
}

fn used<'s>(
    model: &Model,
    stack: &'s Stack,
    key: &str,
    quota: &Amount,
    found: &mut Diagnostics,
) -> Option<Use<'s>> {
    let mut total = Use { sum: Quantity::ZERO, most: None };
    // What ends by itself does not all run at once: there must be room for the greatest of it.
    let mut passing = Quantity::ZERO;
    for service in stack.services.iter().filter(|service| in_scope(stack, service)) {
        if patched(service, &["resources", "containers", "replicas"]) {
            continue;
        }
        match taken(model, stack, service, key)? {
            Ok(amount) => {
                match ends(service.kind) && !key.starts_with("count/") {
                    true => passing = passing.max(amount),
                    false => total.sum = total.sum.saturating_add(amount),
                }
                if total.most.is_none_or(|(most, _)| amount > most) {
                    total.most = Some((amount, service));
                }
            }
            Err(()) => {
                let message = format!(
                    "service `{}` does not say its `{key}`, which the quota of stack `{}` counts",
                    service.key, stack.name
                );
                found.push(
                    UNCOUNTED_UNDER_QUOTA
                        .at(service.place, "Kubernetes refuses its pods", message)
                        .because(quota.span, "the quota")
                        .about(service.subject())
                        .about(stack.subject())
                        .help(format!("add it to `resources`, or to `stacks.{}.limits`", stack.name)),
                );
            }
        }
    }
    total.sum = total.sum.saturating_add(passing);
    Some(total)
}

fn over_quota(stack: &Stack, key: &str, sum: &Use<'_>, place: &str) -> Diagnostic {
    let most = &stack.quota[key];
    let message = format!(
        "stack `{}` takes {} of `{key}`{place}, and its quota is {}",
        stack.name,
        shown(key, sum.sum),
        most.text
    );
    let diagnostic =
        OVER_QUOTA.at(most.span, format!("{} is taken", shown(key, sum.sum)), message).about(stack.subject());
    let diagnostic = match sum.most {
        Some((amount, service)) => {
            diagnostic.because(service.place, format!("takes most: {}", shown(key, amount)))
        }
        None => diagnostic,
    };
    diagnostic.help(format!("raise the quota to {}, or ask for less", shown(key, sum.sum)))
}

/// The sum of all requests against all nodes that take ordinary pods. Silent unless all of them say what they have.
fn capacity(model: &Model, found: &mut Diagnostics) {
    let workers: Vec<&Node> = model.nodes.iter().filter(|node| node.schedulable).collect();
    for resource in ["cpu", "memory"] {
        let amounts: Option<Vec<(Quantity, &Node)>> =
            workers.iter().map(|node| Some((has(model, node, resource)?, *node))).collect();
        let Some(amounts) = amounts.filter(|amounts| !amounts.is_empty()) else { continue };
        let total = amounts.iter().fold(Quantity::ZERO, |sum, (amount, _)| sum.saturating_add(*amount));
        let Some((largest, node)) = amounts.iter().max_by_key(|(amount, node)| (*amount, &node.name)) else {
            continue;
        };
        let (asked, most) = asked(model, resource);
        let Some((_, service, span)) = most else { continue };
        let rest = total.saturating_sub(*largest);
        if asked > total {
            let message = format!(
                "all pods together ask for {} {resource}, and the nodes have {}",
                shown(resource, asked),
                shown(resource, total)
            );
            found.push(
                REQUESTS_EXCEED_NODES
                    .at(node.place, format!("the largest of {} nodes", workers.len()), message)
                    .because(span, format!("asks for most: service `{}`", service.key))
                    .about("nodes")
                    .help("ask for less, switch something off in an environment, or add a node"),
            );
        } else if asked > rest && workers.len() > 1 {
            let message = format!(
                "without node `{}` the others have {} {resource}, and all pods together ask for {}",
                node.name,
                shown(resource, rest),
                shown(resource, asked)
            );
            found.push(
                NO_SPARE_NODE
                    .at(node.place, format!("has {} {resource}", shown(resource, *largest)), message)
                    .because(span, format!("asks for most: service `{}`", service.key))
                    .about(format!("nodes.{}", node.name))
                    .help("some pods would stay down while it is: ask for less, or add a node"),
            );
        }
    }
}

/// What all pods of all environments ask for, and the service that asks for most.
fn asked<'m>(model: &'m Model, resource: &str) -> (Quantity, Option<(Quantity, &'m Service, Span)>) {
    let mut sum = Quantity::ZERO;
    let mut most: Option<(Quantity, &Service, Span)> = None;
    for environment in &model.environments {
        for (stack, service) in placed(environment) {
            // What ends by itself does not run all the time.
            let wanted = of_pod(stack, service, resource, request).filter(|_| !ends(service.kind));
            let Some(wanted) = wanted else { continue };
            // What only tolerated nodes can take is not taken from the others.
            let free = service.node_selector.is_empty() && service.tolerations.is_empty();
            let elsewhere = !free
                && nodes(model, service).is_some_and(|nodes| nodes.iter().all(|node| !node.schedulable));
            if elsewhere {
                continue;
            }
            let amount = wanted.sum.saturating_times(pods(model, service));
            sum = sum.saturating_add(amount);
            if most.as_ref().is_none_or(|(greatest, ..)| amount > *greatest) {
                most = Some((amount, service, wanted.span));
            }
        }
    }
    (sum, most)
}
