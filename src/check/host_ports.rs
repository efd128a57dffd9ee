//! Ports of nodes: each is there once on each node.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::check::holders::{Holder, each_service, taken_twice};
use crate::check::matching::Matching;
use crate::check::placement::{nodes, patched};
use crate::check::ports::{HOST_PORT_CLASH, word};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::load_balancer::Provider;
use crate::inventory::service::Kind;
use crate::model::Model;
use crate::model::service::Service;
use crate::model::workload::ends;
use crate::source::{Span, Spanned};

/// The label by which k3s is told on which nodes servicelb runs; without one, on all.
const SERVICELB_NODE: &str = "svccontroller.k3s.cattle.io/enablelb";
/// What the pods of servicelb tolerate.
const TOLERATED: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/// For so many whose pods find no node it is looked who has taken it.
const MOST_MET: usize = 16;

/// Ports of nodes: those that a port asks for, on the host's network all, and with servicelb those of every service
/// with an address, which it opens on every node (klipper-lb: a daemon set with a `hostPort` for each port).
pub fn host_port_clashes(model: &Model, found: &mut Diagnostics) {
    let mut groups: BTreeMap<String, Vec<Holder>> = BTreeMap::new();
    let mut opened: BTreeMap<String, Holder> = BTreeMap::new();
    let servicelb = model.load_balancer.provider == Provider::Servicelb;
    each_service(model, |environment, service| {
        let on_host = service.host_network.is_some_and(|flag| flag.value);
        let mut own: BTreeSet<String> = BTreeSet::new();
        let running = OnceCell::new();
        for port in &service.ports {
            if servicelb && service.load_balancer.is_some() && !port.internal {
                let holder = Holder { environment, service, span: port.port.span };
                opened.entry(word(port.port.value, port.protocol)).or_insert(holder);
            }
            let wanted = match port.host_port {
                None if on_host => Some(Spanned::new(port.target_port, port.port.span)),
                wanted => wanted,
            };
            let Some(wanted) = wanted else { continue };
            let number = word(wanted.value, port.protocol);
            let nodes = running.get_or_init(|| nodes(model, service).map(|nodes| nodes.len()));
            crowded((service, *nodes), &number, wanted.span, found);
            if own.insert(number.clone()) {
                groups.entry(number).or_default().push(Holder { environment, service, span: wanted.span });
            } else if port.host_port.is_some() && !on_host {
                let message = format!("service `{}` takes port {number} of a node twice", service.key);
                found.push(
                    HOST_PORT_CLASH
                        .at(wanted.span, "taken already", message)
                        .about(service.subject())
                        .help("give each of its ports another `host-port`"),
                );
            }
        }
    });
    let mut running = Running { model, known: BTreeMap::new(), kept: 0 };
    for (number, mut holders) in groups {
        // One alone has room: it counts no more pods than nodes.
        if holders.len() == 1 && !opened.contains_key(&number) {
            continue;
        }
        holders.sort_by_key(|holder| (holder.span, holder.environment.place));
        clashes(model, &number, opened.get(&number), &holders, &mut running, found);
    }
}

/// Where services may run, so that it need not be found out for each of their ports anew.
struct Running<'m> {
    model: &'m Model,
    known: BTreeMap<*const Service, Option<Rc<[usize]>>>,
    kept: usize,
}

/// So many nodes are kept for all services together.
const MOST_KEPT: usize = 10_000_000;

impl Running<'_> {
    fn nodes(&mut self, service: &Service) -> Option<Rc<[usize]>> {
        if let Some(known) = self.known.get(&std::ptr::from_ref(service)) {
            return known.clone();
        }
        let found = nodes(self.model, service).map(|nodes| -> Rc<[usize]> {
            nodes.iter().filter_map(|node| place(self.model, &node.name)).collect()
        });
        self.kept += found.as_ref().map_or(0, |nodes| nodes.len());
        if self.kept <= MOST_KEPT {
            self.known.insert(std::ptr::from_ref(service), found.clone());
        }
        found
    }
}

/// Pods of one service that want a port of a node.
struct Wanting<'h, 'm> {
    holder: &'h Holder<'m>,
    /// The nodes that they may run on, by their place in the model.
    nodes: Rc<[usize]>,
    /// How many there are at least, and no more than nodes: more are [`crowded`].
    pods: usize,
}

/// Each service's pods are given nodes, in file order. Whose pods find none free, however the others are placed, is
/// told beside the one that it meets.
fn clashes(
    model: &Model,
    number: &str,
    opened: Option<&Holder<'_>>,
    holders: &[Holder<'_>],
    running: &mut Running<'_>,
    found: &mut Diagnostics,
) {
    let mut matching = Matching::new(vec![1; model.nodes.len().max(1)]);
    let mut placed: Vec<Wanting<'_, '_>> = Vec::new();
    let mut unplaced = 0;
    let by_servicelb = opened.map(|holder| {
        let nodes: Rc<[usize]> = nodes_of_servicelb(model).into();
        Wanting { holder, pods: nodes.len(), nodes }
    });
    let wanting = holders.iter().filter_map(|holder| wanting(running, holder));
    for wanting in by_servicelb.into_iter().chain(wanting) {
        let fitting = (0..wanting.pods).take_while(|_| matching.place(&wanting.nodes)).count();
        if fitting == wanting.pods {
            placed.push(wanting);
            continue;
        }
        matching.take_away(&wanting.nodes, fitting as u128);
        unplaced += 1;
        let others = if unplaced <= MOST_MET { placed.as_slice() } else { &[] };
        // One that alone leaves no room: the two together have more pods than nodes.
        let fills = |other: &&Wanting<'_, '_>| {
            let together = wanting.nodes.len() + other.nodes.len() - common(&wanting.nodes, &other.nodes);
            wanting.pods + other.pods > together
        };
        found.push(match others.iter().find(fills) {
            Some(other) => {
                let by_servicelb = opened.is_some_and(|opened| std::ptr::eq(opened, other.holder));
                let what = format!("port {number} of a node");
                taken_twice(&HOST_PORT_CLASH, &what, other.holder, wanting.holder).help(match by_servicelb {
                    true => "servicelb opens the ports of a service with an `ip` on every node: give one of them another port, or the first no `ip`",
                    false => "give one of them another port, or other nodes",
                })
            }
            None => crowded_out(number, &wanting, others),
        });
    }
}

/// No single service leaves it without a node, but all together do.
fn crowded_out(number: &str, wanting: &Wanting<'_, '_>, placed: &[Wanting<'_, '_>]) -> Diagnostic {
    let Holder { service, span, .. } = wanting.holder;
    let count =
        |count: usize, one: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") };
    let pods = count(wanting.pods, "pod");
    let message = format!(
        "port {number} is not free for {pods} of service `{}`: other services take it on the {} that may run them",
        service.key,
        if wanting.nodes.len() == 1 { "node".to_owned() } else { count(wanting.nodes.len(), "node") },
    );
    let label = format!("wanted here by service `{}`", service.key);
    let mut diagnostic = HOST_PORT_CLASH.at(*span, label, message).about(service.subject());
    let others = placed.iter().filter(|other| common(&wanting.nodes, &other.nodes) > 0);
    for other in others.take(4) {
        let key = &other.holder.service.key;
        diagnostic = diagnostic
            .because(other.holder.span, format!("taken by {} of service `{key}`", count(other.pods, "pod")))
            .about(other.holder.service.subject());
    }
    diagnostic.help("give one of them another port, other nodes, or fewer replicas")
}

/// How many nodes are in both lists, which are in order.
fn common(one: &[usize], other: &[usize]) -> usize {
    let (few, many) = if one.len() < other.len() { (one, other) } else { (other, one) };
    few.iter().filter(|node| many.binary_search(node).is_ok()).count()
}

/// The pods that a service cannot do without; `None` if nobody knows where they run, or they may have ended.
fn wanting<'h, 'm>(running: &mut Running<'_>, holder: &'h Holder<'m>) -> Option<Wanting<'h, 'm>> {
    let (model, service) = (running.model, holder.service);
    let daemons = service.kind == Kind::DaemonSet;
    if model.nodes.is_empty() {
        // Daemons that run anywhere meet wherever there is a node.
        let anywhere =
            service.node_selector.is_empty() && !patched(service, &["nodeSelector", "affinity", "nodeName"]);
        return (daemons && anywhere).then(|| Wanting { holder, nodes: [0].into(), pods: 1 });
    }
    let nodes = running.nodes(service)?;
    let least = service.autoscale.as_ref().map(|autoscale| autoscale.min);
    let least = least.or(service.replicas.map(|replicas| replicas.value)).unwrap_or(1);
    let pods = if daemons { nodes.len() } else { usize::try_from(least).unwrap_or(0).min(nodes.len()) };
    (!ends(service.kind) && pods > 0).then_some(Wanting { holder, nodes, pods })
}

fn place(model: &Model, name: &str) -> Option<usize> {
    model.nodes.binary_search_by(|node| node.name.as_str().cmp(name)).ok()
}

/// The nodes on which servicelb opens ports.
pub(super) fn nodes_of_servicelb(model: &Model) -> Vec<usize> {
    if model.nodes.is_empty() {
        return vec![0];
    }
    let told = model.nodes.iter().any(|node| node.labels.contains_key(SERVICELB_NODE));
    let runs = |at: &usize| {
        let node = &model.nodes[*at];
        let tolerated = |key: &str, effect: &str| TOLERATED.contains(&key) || effect == "PreferNoSchedule";
        node.taints.iter().all(|taint| tolerated(&taint.key, &taint.effect))
            && (!told || node.labels.get(SERVICELB_NODE).is_some_and(|value| value == "true"))
    };
    (0..model.nodes.len()).filter(runs).collect()
}

/// More pods than nodes that may run them, each of which has the port once.
fn crowded((service, nodes): (&Service, Option<usize>), number: &str, span: Span, found: &mut Diagnostics) {
    let most = service.autoscale.as_ref().map(|autoscale| autoscale.max);
    let (Some(nodes), Some(replicas)) = (nodes, most.or(service.replicas)) else { return };
    let wanted = usize::try_from(replicas.value).unwrap_or(0);
    if service.kind != Kind::DaemonSet && nodes > 0 && wanted > nodes {
        found.push(
            HOST_PORT_CLASH
                .at(
                    span,
                    "free once on each node",
                    format!(
                        "{wanted} pods of service `{}` want port {number} of a node, and {} may run them",
                        service.key,
                        if nodes == 1 { "one node".to_owned() } else { format!("{nodes} nodes") }
                    ),
                )
                .because(replicas.span, format!("{wanted} pods"))
                .about(service.subject())
                .help("use fewer replicas, a daemon set, or a load balancer address instead"),
        );
    }
}
