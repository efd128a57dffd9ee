//! Which service may talk to which: the rules of NetworkPolicies for isolated stacks.
//!
//! A direction that a stack closes stays closed but for these rules, so a service without one needs no policy of
//! its own. Volumes need no rule: the node mounts them. Nor do probes: a node always reaches its own pods.

mod opened;
mod peers;
mod router;

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::diagnostic::Diagnostics;
use crate::inventory::TOO_MUCH;
use crate::inventory::ingress::IngressProvider;
use crate::inventory::network::Role;
use crate::model::flows::opened::{Opened, anybody};
use crate::model::flows::peers::{
    anywhere, block, following, internet, name_servers, namespace, nodes, shared, single, some_pods,
};
use crate::model::flows::router::{Router, from_entities, from_router, of_cilium};
use crate::model::policy::End;
use crate::model::port::{Port, named};
use crate::model::service::Service;
use crate::model::{Environment, Model};

pub use opened::Rule;
pub use router::routed_ports;

/// The label by which policies choose a service's pods.
const NAME_LABEL: &str = "app.kubernetes.io/name";
/// Where the API server listens on its node.
const API_SERVER_PORT: i64 = 6443;
/// Where DNS is asked.
const DNS_PORT: i64 = 53;

/// The most peers that the rules of all environments may name, each time counted.
const PEERS_LIMIT: usize = 1_000_000;

/// Gives every service of an isolated stack its rules. `times` is how many environments there are, the defaults counted.
pub fn open(environment: &mut Environment, model: &Model, times: usize, found: &mut Diagnostics) {
    let Some(isolated) = environment.stacks.iter().find(|stack| stack.isolate) else { return };
    let Some(mut rules) = rules(environment, model, PEERS_LIMIT / times.max(1)) else {
        let message = format!(
            "the flows of isolated stacks are more than the limit of {PEERS_LIMIT} peers in the rules of all environments"
        );
        let help = "name whole stacks in `talks-to` and `allow-from`, not each service, or split the inventory in two";
        return found.push(TOO_MUCH.at(isolated.place, "isolated", message).help(help));
    };
    let solvers = solvers(environment, model);
    for stack in environment.stacks.iter_mut().filter(|stack| stack.closed.ingress) {
        stack.solvers = solvers.get(stack.namespace.as_str()).cloned();
    }
    let isolated = environment.stacks.iter_mut().filter(|stack| stack.isolate);
    for service in isolated.flat_map(|stack| &mut stack.services) {
        if let Some(rules) = rules.remove(&service.key) {
            let service = Arc::make_mut(service);
            let given = [("Ingress", &rules.ingress), ("Egress", &rules.egress)];
            service.policy_types =
                given.into_iter().filter(|(_, rules)| rules.is_some()).map(|(word, _)| word).collect();
            service.ingress_rules = rules.ingress;
            service.egress_rules = rules.egress;
            service.host_rules = rules.hosts;
            service.router_rules = rules.router;
        }
    }
}

/// The rules of one service; none for a direction that is open, or closed altogether.
struct Rules {
    ingress: Option<Vec<Rule>>,
    egress: Option<Vec<Rule>>,
    hosts: Vec<Json>,
    router: Vec<Json>,
}

/// Who may reach the pods by which cert-manager answers for a host (HTTP-01).
#[derive(Clone, Debug, Default, Serialize)]
pub struct Solvers {
    /// The rules of their NetworkPolicy.
    pub ingress_rules: Vec<Rule>,
    /// The rules of their CiliumNetworkPolicy.
    pub router_rules: Vec<Json>,
}

/// Where cert-manager's solvers listen.
const SOLVER_PORT: i64 = 8089;

/// The namespaces of certificates whose issuer has the router ask a pod, which cert-manager starts beside them.
fn solvers(environment: &Environment, model: &Model) -> BTreeMap<String, Solvers> {
    let Some(router) = &model.ingress else { return BTreeMap::new() };
    let written = router.certificates.iter();
    let written = written.map(|one| (one.namespace.as_str(), one.issuer.as_str(), one.kind));
    let of_services = environment.services().flat_map(|service| &service.routes);
    let of_routes = router.routes.iter().chain(of_services).filter_map(|route| {
        let tls = route.tls.as_ref()?;
        Some((route.namespace.as_str(), tls.issuer.as_deref()?, tls.issuer_kind?))
    });
    let of_routes = of_routes.filter(|_| router.provider != IngressProvider::Gateway);
    let ports = vec![json!({ "port": SOLVER_PORT, "protocol": "TCP" })];
    let solvers = match router::router(model) {
        Router::Peers(peers) => {
            let left = Cell::new(usize::MAX);
            let mut opened = Opened::new(&left);
            opened.add(shared(peers), ports);
            Solvers { ingress_rules: opened.into_rules("from"), ..Solvers::default() }
        }
        Router::Entities(entities) => {
            Solvers { router_rules: from_entities(entities, &ports), ..Solvers::default() }
        }
    };
    written
        .chain(of_routes)
        .filter(|(_, issuer, kind)| router.answers(issuer, *kind))
        .map(|(namespace, ..)| (namespace.to_owned(), solvers.clone()))
        .collect()
}

/// The rules of all services; none if they name more than so many peers.
fn rules(environment: &Environment, model: &Model, most: usize) -> Option<BTreeMap<String, Rules>> {
    let by_key: BTreeMap<&str, Target<'_>> =
        environment.services().map(|service| (service.key.as_str(), Target::new(service))).collect();
    let mut talkers: BTreeMap<&str, Vec<&Service>> = BTreeMap::new();
    for service in environment.services() {
        for target in service.talks_to.iter().filter(|target| !target.chart) {
            talkers.entry(target.name.value.as_str()).or_default().push(service);
        }
    }
    let stacks: BTreeMap<&str, &str> = environment
        .stacks
        .iter()
        .map(|stack| (stack.name.as_str(), stack.namespace.value.as_str()))
        .collect();
    let namespaces = stacks.values().copied().collect();
    let around = Around {
        suffix: &environment.namespace_suffix,
        model,
        stacks,
        namespaces,
        by_key,
        nodes: OnceCell::new(),
        by_address: OnceCell::new(),
        left: Cell::new(most.saturating_add(1)),
    };
    let mut rules = BTreeMap::new();
    for stack in environment.stacks.iter().filter(|stack| stack.isolate) {
        // Policies do not hold for pods on the host's network.
        for service in stack.services.iter().filter(|service| !on_host(service)) {
            let callers = talkers.get(service.key.as_str()).map(Vec::as_slice).unwrap_or_default();
            let own = Rules {
                ingress: some(stack.closed.ingress.then(|| around.ingress(service, callers))),
                egress: some(stack.closed.egress.then(|| around.egress(service))),
                hosts: if stack.closed.egress { hosts(service) } else { Vec::new() },
                router: if stack.closed.ingress { from_router(service, model) } else { Vec::new() },
            };
            rules.insert(service.key.clone(), own);
            if around.left.get() == 0 {
                return None;
            }
        }
    }
    Some(rules)
}

/// No rule says no more than that the direction is closed, which the stack's own policy does.
fn some(rules: Option<Vec<Rule>>) -> Option<Vec<Rule>> {
    rules.filter(|rules| !rules.is_empty())
}

fn on_host(service: &Service) -> bool {
    service.host_network.is_some_and(|flag| flag.value)
}

/// What rules are made from.
struct Around<'m> {
    suffix: &'m str,
    model: &'m Model,
    stacks: BTreeMap<&'m str, &'m str>,
    namespaces: BTreeSet<&'m str>,
    by_key: BTreeMap<&'m str, Target<'m>>,
    nodes: OnceCell<Vec<Arc<Json>>>,
    /// The services at each address of a load balancer.
    by_address: OnceCell<BTreeMap<IpAddr, Vec<&'m str>>>,
    /// How many peers may be named yet.
    left: Cell<usize>,
}

/// A service as others name it: from its own namespace, and from elsewhere.
struct Target<'m> {
    service: &'m Service,
    near: OnceCell<Arc<Json>>,
    far: OnceCell<Arc<Json>>,
}

impl<'m> Target<'m> {
    fn new(service: &'m Service) -> Self {
        Self { service, near: OnceCell::new(), far: OnceCell::new() }
    }
}

impl<'m> Around<'m> {
    fn ingress(&self, service: &Service, callers: &[&Service]) -> Vec<Rule> {
        let open = open_ports(service);
        if is_open(service) {
            // Nothing needs a rule of its own beside that.
            return vec![anybody(open)];
        }
        let mut opened = Opened::new(&self.left);
        for allowed in &service.allow_from {
            let ports = numbers(service.ports.iter().filter(|port| allowed.opens(&port.name)));
            // A service without ports is reached by none: to open all would be another thing.
            if !ports.is_empty() {
                opened.add(self.peers(&allowed.from), ports);
            }
        }
        let callers = callers.iter().filter_map(|caller| self.by_key.get(caller.key.as_str()));
        let from = callers.flat_map(|caller| self.pods(service, caller));
        let all = numbers(&service.ports);
        if !all.is_empty() {
            opened.add(from, all);
        }
        if let Router::Peers(peers) = router::router(self.model) {
            let peers = shared(peers);
            for port in routed_ports(service, self.model) {
                opened.add(peers.iter().cloned(), one_port(service, port));
            }
        }
        for port in service.monitor.iter().flat_map(|monitor| monitor.ports()) {
            let scraper = &self.model.monitoring;
            let peer = some_pods(scraper.namespace.as_deref(), &scraper.pod_labels);
            opened.add([Arc::new(peer)], one_port(service, port));
        }
        let mut rules = opened.into_rules("from");
        if !open.is_empty() {
            rules.insert(0, anybody(open));
        }
        rules
    }

    fn egress(&self, service: &Service) -> Vec<Rule> {
        let mut opened = Opened::new(&self.left);
        for target in &service.talks_to {
            if target.chart {
                let name = self.model.chart(&target.name).map(|chart| chart.namespace.value.as_str());
                opened.add([Arc::new(json!({ "namespaceSelector": namespace(name) }))], Vec::new());
            } else if let Some(other) = self.by_key.get(target.name.value.as_str()) {
                let ports = numbers(&other.service.ports);
                if !ports.is_empty() {
                    opened.add(self.pods(service, other), ports);
                }
            }
        }
        for target in &service.egress {
            let number = |port: &i64| json!({ "port": port, "protocol": target.protocol.word() });
            let mut ports: Vec<Json> = target.ports.iter().map(number).collect();
            if target.to == End::ApiServer && ports.is_empty() {
                ports = api_server_ports();
            }
            opened.add(self.peers(&target.to), ports);
        }
        if service.automount_token {
            opened.add(self.peers(&End::ApiServer), api_server_ports());
        }
        self.names(service, &mut opened);
        opened.into_rules("to")
    }

    /// Whom a service's pods ask for names beside the cluster's own DNS. What their node asks stands on the node alone:
    /// that may be anywhere. At the address of a service its pods answer, and a policy sees these.
    fn names(&self, service: &Service, opened: &mut Opened<'_>) {
        if service.pod.dns_policy == Some("Default") {
            opened.add(self.peers(&End::Anywhere), dns_ports());
        }
        for server in name_servers(service) {
            opened.add([Arc::new(block(&single(server)))], dns_ports());
            for other in self.at_address(server) {
                let asked = other.service.outside_ports().filter(|port| port.port.value == DNS_PORT);
                let ports = numbers(asked);
                if !ports.is_empty() {
                    opened.add(self.pods(service, other), ports);
                }
            }
        }
    }

    /// The services that have an address; several may share one.
    fn at_address(&self, address: IpAddr) -> impl Iterator<Item = &Target<'m>> {
        let by_address = self.by_address.get_or_init(|| {
            let mut by_address: BTreeMap<IpAddr, Vec<&'m str>> = BTreeMap::new();
            for (key, target) in &self.by_key {
                let balancer = target.service.load_balancer.iter();
                for own in balancer.flat_map(|balancer| &balancer.addresses) {
                    by_address.entry(own.value).or_default().push(key);
                }
            }
            by_address
        });
        by_address.get(&address).into_iter().flatten().filter_map(|key| self.by_key.get(key))
    }

    /// Another service's pods, as seen from this service's namespace; on the host's network they have a node's
    /// address.
    fn pods(&self, service: &Service, target: &Target<'_>) -> Vec<Arc<Json>> {
        let other = target.service;
        if on_host(other) {
            return self.peers(&End::Nodes);
        }
        let pods = || json!({ "matchLabels": { NAME_LABEL: other.name } });
        let peer = match service.namespace == other.namespace {
            true => target.near.get_or_init(|| Arc::new(json!({ "podSelector": pods() }))),
            false => target.far.get_or_init(|| {
                let namespace = namespace(Some(&other.namespace));
                Arc::new(json!({ "namespaceSelector": namespace, "podSelector": pods() }))
            }),
        };
        vec![Arc::clone(peer)]
    }

    fn peers(&self, end: &End) -> Vec<Arc<Json>> {
        match end {
            // Nobody is asked for these any more.
            _ if self.left.get() == 0 => Vec::new(),
            End::Nodes => self.nodes.get_or_init(|| shared(self.written(end))).clone(),
            _ => shared(self.written(end)),
        }
    }

    fn written(&self, end: &End) -> Vec<Json> {
        let model = self.model;
        match end {
            End::Anywhere => anywhere(model),
            End::Internet => internet(model),
            End::Lan => model.network.lan.iter().map(|lan| block(&lan.to_string())).collect(),
            End::Nodes => nodes(model),
            End::ApiServer => self.api_server(),
            End::Network(network) => vec![block(network)],
            // A policy of Kubernetes cannot say it: see `hosts`.
            End::Host(_) => Vec::new(),
            End::Namespace(name) => self.namespaces(name),
            End::Stack(name) => {
                let real = self.stacks.get(name.as_str());
                real.map(|name| json!({ "namespaceSelector": namespace(Some(name)) })).into_iter().collect()
            }
            End::Chart(name) => {
                let name = model.chart(name).map(|chart| chart.namespace.value.as_str());
                vec![json!({ "namespaceSelector": namespace(name) })]
            }
        }
    }

    /// A namespace as it is called in the cluster: an inventory names it before the environment's suffix or with it.
    fn namespaces(&self, name: &str) -> Vec<Json> {
        let suffixed = format!("{name}{}", self.suffix);
        let known = |wanted: &str| self.namespaces.contains(wanted);
        let real = if !known(name) && known(&suffixed) { &suffixed } else { name };
        vec![json!({ "namespaceSelector": namespace(Some(real)) })]
    }

    /// The API server's own addresses, and the one that the cluster knows it by: some network plugins look at a
    /// packet before its address is replaced, most after.
    fn api_server(&self) -> Vec<Json> {
        let model = self.model;
        let declared = model.nodes.iter().any(|node| node.role == Role::ControlPlane);
        let machines = model.nodes.iter().filter(|node| !declared || node.role == Role::ControlPlane);
        let mut blocks: Vec<Json> = machines
            .flat_map(|node| &node.addresses)
            .chain(&model.cluster.vips)
            .map(|address| block(&single(address.value)))
            .collect();
        if blocks.is_empty() {
            return self.written(&End::Anywhere);
        }
        for cidr in &model.cluster.service_cidrs {
            blocks.extend(following(cidr.value.first()).map(|address| block(&single(address))));
        }
        blocks
    }
}

/// Rules of Cilium about hosts, alike ports together.
fn hosts(service: &Service) -> Vec<Json> {
    let mut by_ports: Vec<(Vec<Json>, Vec<Json>)> = Vec::new();
    for target in &service.egress {
        let End::Host(name) = &target.to else { continue };
        let key = if name.contains('*') { "matchPattern" } else { "matchName" };
        let number = |port: &i64| json!({ "port": port, "protocol": target.protocol.word() });
        let ports: Vec<Json> = target.ports.iter().map(number).collect();
        let host = json!({ key: name });
        match by_ports.iter_mut().find(|(known, _)| *known == ports) {
            Some((_, hosts)) if hosts.contains(&host) => {}
            Some((_, hosts)) => hosts.push(host),
            None => by_ports.push((ports, vec![host])),
        }
    }
    let rule = |(ports, hosts): (Vec<Json>, Vec<Json>)| {
        let some = of_cilium(&ports);
        match some.is_empty() {
            true => json!({ "toFQDNs": hosts }),
            false => json!({ "toFQDNs": hosts, "toPorts": some }),
        }
    };
    by_ports.into_iter().map(rule).collect()
}

/// The ports that anybody may reach unless somebody is named: by a node's address or one of the service's own. Traffic
/// through a load balancer comes with a node's address or a client's: any source.
pub fn open_ports(service: &Service) -> Vec<Json> {
    if !service.allow_from.is_empty() {
        return Vec::new();
    }
    let on_nodes = service.ports.iter().filter(|port| port.host_port.is_some());
    numbers(service.outside_ports().chain(on_nodes))
}

/// Whether anybody may reach every port.
pub fn is_open(service: &Service) -> bool {
    let open = open_ports(service);
    !open.is_empty() && open.len() == numbers(&service.ports).len()
}

/// Policies see the pods' ports, not the Service's: two of these may lead to one of those.
fn numbers<'p>(ports: impl IntoIterator<Item = &'p Port>) -> Vec<Json> {
    let mut seen = BTreeSet::new();
    let ports = ports.into_iter().filter(|port| seen.insert((port.target_port, port.protocol.word())));
    ports.map(number).collect()
}

fn number(port: &Port) -> Json {
    json!({ "port": port.target_port, "protocol": port.protocol.word() })
}

fn one_port(service: &Service, name: &str) -> Vec<Json> {
    named(&service.ports, name).map(number).into_iter().collect()
}

fn dns_ports() -> Vec<Json> {
    ["UDP", "TCP"].iter().map(|protocol| json!({ "port": DNS_PORT, "protocol": protocol })).collect()
}

fn api_server_ports() -> Vec<Json> {
    [443, API_SERVER_PORT].iter().map(|port| json!({ "port": port, "protocol": "TCP" })).collect()
}
