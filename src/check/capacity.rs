//! Capacity: what pods ask for, against one node and all nodes.

use std::collections::BTreeMap;

use crate::check::placement::{Objection, allowed, keeps_apart, meet, nodes, objection, patched, pods};
use crate::check::resources::{of_pod, placed, request, shown};
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::inventory::network::DEFAULT_GPU;
use crate::inventory::service::Kind;
use crate::model::Model;
use crate::model::node::Node;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::volume::{Source, Volume};
use crate::model::workload::ends;
use crate::quantity::Quantity;
use crate::source::Span;

codes! { Resources:
    /// A pod that no node can take.
    POD_FITS_NO_NODE = ("pod-fits-no-node", Error, "a pod that no node can take");
    /// More requests than the nodes have.
    REQUESTS_EXCEED_NODES = ("requests-exceed-nodes", Warning, "all pods together ask for more than the nodes have");
    /// More requests than the nodes have without the largest.
    NO_SPARE_NODE = ("no-spare-node", Warning, "without the largest node the others cannot take all pods");
}

/// Runs every rule about capacity.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for environment in &model.environments {
        for (stack, service) in placed(environment) {
            fits_no_node(model, stack, service, found);
        }
    }
    capacity(model, found);
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
    if let Some(diagnostic) = too_many_apart(model, service, &open) {
        found.push(diagnostic);
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
    if open.iter().any(|node| lacking(node).is_empty()) {
        return;
    }
    // The node that comes nearest lacks least, and of what it lacks it has most.
    let nearest = open.iter().map(|node| (lacking(node), *node)).min_by_key(|(lacks, node)| {
        let first = lacks.first().and_then(|at| has(model, node, &wants[*at].0));
        (lacks.len(), std::cmp::Reverse(first), node.name.as_str())
    });
    let Some((lacks, node)) = nearest else { return };
    let absent = lacks.iter().all(|at| has(model, node, &wants[*at].0) == Some(Quantity::ZERO));
    let asked: Vec<String> =
        lacks.iter().map(|at| format!("{} {}", shown(&wants[*at].0, wants[*at].1), wants[*at].0)).collect();
    let there: Vec<String> = lacks
        .iter()
        .map(|at| shown(&wants[*at].0, has(model, node, &wants[*at].0).unwrap_or_default()))
        .collect();
    let whose = if open.len() < model.nodes.len() { "no node that can run it" } else { "no node" };
    let message = format!("service `{}` asks for {}, which {whose} has", service.key, asked.join(" and "));
    found.push(
        POD_FITS_NO_NODE
            .at(wants[lacks[0]].2, "more than any node that may run it", message)
            .because(node.place, format!("the nearest: it has {}", there.join(" and ")))
            .about(service.subject())
            .help(match absent {
                true => absent_device(&wants[lacks[0]].0),
                false => format!("ask for at most what `{}` has, {}", node.name, there.join(" and ")),
            }),
    );
}

/// Which node has a device is for the inventory to say; a plain number is NVIDIA's.
fn absent_device(resource: &str) -> String {
    match resource {
        DEFAULT_GPU => "say which node has it: `gpu = 1` at the node".to_owned(),
        other => format!("say which node has it: `gpu = {{ \"{other}\" = 1 }}` at the node"),
    }
}

/// Pods that keep apart have one node each.
fn too_many_apart(model: &Model, service: &Service, open: &[&Node]) -> Option<Diagnostic> {
    let count = pods(model, service);
    let affinity = service.pod.affinity.as_ref()?;
    let known = service.kind != Kind::DaemonSet && !patched(service, &["replicas"]);
    if !known || !keeps_apart(service) || count <= open.len() as u64 {
        return None;
    }
    let most = service.autoscale.as_ref().map(|autoscale| autoscale.max).or(service.replicas);
    let there = if open.len() == 1 { "one node".to_owned() } else { format!("{} nodes", open.len()) };
    let message =
        format!("{count} pods of service `{}` keep apart, and only {there} can run one", service.key);
    Some(
        POD_FITS_NO_NODE
            .at(most.map_or(service.place, |count| count.span), format!("{count} pods"), message)
            .because(affinity.span, "keeps them apart")
            .about(service.subject())
            .help("run fewer of them, or only prefer that they keep apart: `preferredDuringSchedulingIgnoredDuringExecution`"),
    )
}

fn refused_everywhere(model: &Model, service: &Service) -> Diagnostic {
    let mut reasons: BTreeMap<Objection, Vec<&Node>> = BTreeMap::new();
    let pinned = service.node.as_ref().map(|name| name.value.as_str());
    for node in model.nodes.iter().filter(|node| pinned.is_none_or(|name| node.name == name)) {
        if let Some(reason) = objection(model, service, node) {
            reasons.entry(reason).or_default().push(node);
        }
    }
    let labels = reasons.keys().any(|reason| matches!(reason, Objection::Label(_) | Objection::Spread(_)));
    let taints = reasons.keys().any(|reason| matches!(reason, Objection::Taint(_)));
    let claims = reasons.keys().any(|reason| matches!(reason, Objection::Claim(_)));
    let help = match (labels, taints) {
        _ if claims => "let it run where the disk is, or keep the data on storage that other nodes reach",
        _ if reasons.contains_key(&Objection::Affinity) => {
            "give a node the labels that `affinity` asks for under `requiredDuringSchedulingIgnoredDuringExecution`, or ask for others"
        }
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
                (Objection::Affinity, true) => format!("{who} are not what its `affinity` asks for"),
                (Objection::Affinity, false) => format!("{who} is not what its `affinity` asks for"),
                (Objection::Label(label), true) => format!("{who} lack the label `{label}`"),
                (Objection::Label(label), false) => format!("{who} lacks the label `{label}`"),
                (Objection::Claim(claim), true) => format!("{who} have no disk with claim `{claim}`"),
                (Objection::Claim(claim), false) => format!("{who} has no disk with claim `{claim}`"),
                (Objection::Spread(key), true) => {
                    format!("{who} lack the label `{key}`, over which they are spread")
                }
                (Objection::Spread(key), false) => {
                    format!("{who} lacks the label `{key}`, over which they are spread")
                }
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
        let (all, most) = asked(model, resource, None);
        let Some((_, service, span)) = most else { continue };
        if all > total {
            let message = format!(
                "all pods together ask for {} {resource}, and the nodes have {}",
                shown(resource, all),
                shown(resource, total)
            );
            found.push(
                REQUESTS_EXCEED_NODES
                    .at(node.place, format!("the largest of {} nodes", workers.len()), message)
                    .because(span, format!("asks for most: service `{}`", service.key))
                    .about("nodes")
                    .help("ask for less, switch something off in an environment, or add a node"),
            );
        } else if workers.len() > 1 {
            let rest = total.saturating_sub(*largest);
            found.extend(no_spare(model, resource, (node, *largest), rest, all));
        }
    }
}

/// Without a node the others have so much left, and the pods that they could take ask for more.
fn no_spare(
    model: &Model,
    resource: &str,
    (node, has): (&Node, Quantity),
    rest: Quantity,
    all: Quantity,
) -> Option<Diagnostic> {
    if all <= rest {
        return None;
    }
    let (movable, most) = asked(model, resource, Some(node));
    let (_, service, span) = most.filter(|_| movable > rest)?;
    let whose = if movable == all { "all pods together" } else { "the pods that are not tied to it" };
    let message = format!(
        "without node `{}` the others have {} {resource}, and {whose} ask for {}",
        node.name,
        shown(resource, rest),
        shown(resource, movable)
    );
    Some(
        NO_SPARE_NODE
            .at(node.place, format!("has {} {resource}", shown(resource, has)), message)
            .because(span, format!("asks for most: service `{}`", service.key))
            .about(format!("nodes.{}", node.name))
            .help("some pods would stay down while it is: ask for less, or add a node"),
    )
}

/// What the pods of all environments ask for, and the service that asks for most. Those that only a lost node can take
/// are left out: no room elsewhere helps them.
fn asked<'m>(
    model: &'m Model,
    resource: &str,
    lost: Option<&Node>,
) -> (Quantity, Option<(Quantity, &'m Service, Span)>) {
    let mut sum = Quantity::ZERO;
    let mut most: Option<(Quantity, &Service, Span)> = None;
    for environment in &model.environments {
        for (stack, service) in placed(environment) {
            // What ends by itself does not run all the time.
            let wanted = of_pod(stack, service, resource, request).filter(|_| !ends(service.kind));
            let Some(wanted) = wanted else { continue };
            let homes = homes(model, service);
            // What only tolerated nodes can take is not taken from the others.
            if homes.as_ref().is_some_and(|nodes| nodes.iter().all(|node| !node.schedulable)) {
                continue;
            }
            let with_it = lost.is_some_and(|lost| match (&homes, service.kind) {
                (Some(nodes), _) if nodes.iter().all(|node| node.name == lost.name) => true,
                (_, Kind::DaemonSet) => allowed(model, service).is_some_and(|nodes| meet(&nodes, &[lost])),
                _ => false,
            });
            let pods = match (with_it, service.kind) {
                (true, Kind::DaemonSet) => pods(model, service).saturating_sub(1),
                (true, _) => 0,
                (false, _) => pods(model, service),
            };
            let amount = wanted.sum.saturating_times(pods);
            sum = sum.saturating_add(amount);
            if pods > 0 && most.as_ref().is_none_or(|(greatest, ..)| amount > *greatest) {
                most = Some((amount, service, wanted.span));
            }
        }
    }
    (sum, most)
}

/// The nodes that have what a service's pods need beside room; `None` where it needs nothing that not all have, or the
/// inventory cannot tell.
fn homes<'m>(model: &'m Model, service: &Service) -> Option<Vec<&'m Node>> {
    let local = |volume: &Volume| matches!(volume.source, Source::Claim { node: Some(_), .. });
    let anywhere = service.node_selector.is_empty()
        && service.tolerations.is_empty()
        && service.gpus.is_empty()
        && service.pod.affinity.is_none()
        && !service.volumes.iter().any(local);
    if anywhere {
        return None;
    }
    let mut open = nodes(model, service)?;
    let has_it = |node: &Node, (device, count): (&String, &i64)| {
        has(model, node, device).is_none_or(|has| has >= Quantity::from_integer(*count))
    };
    open.retain(|node| service.gpus.iter().all(|device| has_it(node, device)));
    (!open.is_empty()).then_some(open)
}
