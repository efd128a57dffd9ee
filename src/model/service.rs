//! Services of one environment: what runs, how it is reached, what it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::address::{Family, parse_range_or_host};
use crate::inventory;
use crate::inventory::chart::Ingress;
use crate::inventory::record::Map;
use crate::inventory::service::{Kind, PortTable, Protocol, Strategy, TrafficPolicy};
use crate::inventory::value::{OneOrMany, Scalar, Text};
use crate::model::cluster::{NameKind, check_name, gpus, list, name_fault, optional, report_unknown, texts};
use crate::model::marks::Annotations;
use crate::model::container::{Container, lower_containers, lower_sidecar_probes, report_unmounted};
use crate::model::pod::{Files, Pod, Rbac, lower_files, lower_pod, lower_rbac};
use crate::model::probe::{Asked, Probe, lower_probes};
use crate::model::references::{QuantityValue, Resolver};
use crate::model::stack::{Around, Claim, Stack, known_secret, quantities};
use crate::model::volume::{ClaimTemplate, Source, Volume, lower_volumes};
use crate::model::workload::{Autoscale, Budget, Job, claim_templates, lower_workload};
use crate::model::{BAD_NAME, BAD_PORT, BAD_VALUE};
use crate::source::{Span, Spanned};

/// `ip = "auto"`: any address of a pool.
pub const AUTO: &str = "auto";

/// Something that runs.
#[derive(Clone, Debug, Serialize)]
pub struct Service {
    /// Its name in the inventory.
    pub key: String,
    /// Its name in Kubernetes.
    pub name: String,
    /// The stack it belongs to; empty if that does not exist.
    pub stack: String,
    /// Its namespace.
    pub namespace: String,
    /// What it is.
    pub description: Option<String>,
    /// The image.
    pub image: Spanned<String>,
    /// `Deployment`, `StatefulSet`, `DaemonSet`, `Job` or `CronJob`.
    pub kind: Kind,
    /// How many pods, unless its kind or its autoscaler decides.
    pub replicas: Option<Spanned<i64>>,
    /// How the number of pods follows the load.
    pub autoscale: Option<Autoscale>,
    /// How many pods must stay while nodes are drained.
    pub disruption_budget: Option<Budget>,
    /// How a job runs.
    pub job: Option<Job>,
    /// Containers that Kubernetes starts before its own, in order: those that prepare, then native sidecars.
    pub init_containers: Vec<Container>,
    /// Containers beside its own.
    pub sidecars: Vec<Container>,
    /// Settings of its pods.
    pub pod: Pod,
    /// What its pods may do with the Kubernetes API.
    pub rbac: Option<Rbac>,
    /// Small files of its container.
    pub files: Files,
    /// Claims that each of its pods gets for itself.
    pub claim_templates: Vec<ClaimTemplate>,
    /// What becomes of them.
    pub claim_retention: Json,
    /// The command.
    pub command: Vec<String>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its own variables, each after those it uses as `$(NAME)`.
    pub env: Vec<EnvVar>,
    /// Variables that come from secrets.
    pub secret_env: Vec<SecretEnv>,
    /// Ports, by name.
    pub ports: Vec<Port>,
    /// The port that its URL points at.
    pub main_port: Option<String>,
    /// `LoadBalancer`, `NodePort` or `ClusterIP`.
    pub service_type: &'static str,
    /// Its load balancer.
    pub load_balancer: Option<LoadBalancer>,
    /// Requests and limits.
    pub resources: Resources,
    /// The same with its GPUs, in Kubernetes' spelling.
    pub container_resources: Json,
    /// What is mounted, by name.
    pub volumes: Vec<Volume>,
    /// How its health is told.
    pub probe: Option<Probe>,
    /// Host names, in full.
    pub hosts: Vec<Spanned<String>>,
    /// The path it is routed by.
    pub path: Spanned<String>,
    /// Hosts and path as a rule of Traefik.
    pub traefik_rule: String,
    /// What must be ready before it, among what is on.
    pub depends_on: Vec<Dependency>,
    /// What it connects to, among what is on.
    pub talks_to: Vec<Dependency>,
    /// What else it connects to.
    pub egress: Vec<Egress>,
    /// Where Prometheus finds its metrics.
    pub monitor: Option<Monitor>,
    /// The node it must run on.
    pub node: Option<Spanned<String>>,
    /// Labels of the nodes it may run on, with the node's own name if it must run there.
    pub node_selector: BTreeMap<String, String>,
    /// Taints it tolerates.
    pub tolerations: Vec<Json>,
    /// GPUs.
    pub gpus: BTreeMap<String, i64>,
    /// Whether it shares its node's network.
    pub host_network: Option<Spanned<bool>>,
    /// The container's security context.
    pub security_context: Option<Spanned<Json>>,
    /// The pod's security context.
    pub pod_security_context: Option<Spanned<Json>>,
    /// Its service account.
    pub service_account: Option<String>,
    /// Whether it gets the service account's token.
    pub automount_token: bool,
    /// How pods are replaced.
    pub strategy: Strategy,
    /// How long it may take to stop, in seconds.
    pub termination_grace_period: Option<i64>,
    /// Labels of its objects and pods: the recommended ones, the stack's and its own.
    pub labels: BTreeMap<String, String>,
    /// Its own pod annotations.
    pub annotations: BTreeMap<String, String>,
    /// The annotations of its objects.
    pub annotated: Annotations,
    /// Changes to its objects, by kind.
    #[serde(skip)]
    pub patches: Vec<(Spanned<String>, Json)>,
    /// Where people reach it.
    pub url: String,
    /// Where other services reach it.
    pub internal_url: String,
    /// Whether `url` is a link that people outside the cluster can open.
    pub external: bool,
    /// How many services of its stack must be ready before it, one after the other.
    pub wave: usize,
    /// NetworkPolicy rules of what may reach it; `None` where its stack is not isolated.
    pub ingress_rules: Option<Vec<Json>>,
    /// NetworkPolicy rules of what it may reach.
    pub egress_rules: Option<Vec<Json>>,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// A variable.
#[derive(Clone, Debug, Serialize)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The place of its value.
    #[serde(skip)]
    pub place: Span,
}

/// A variable that comes from a secret.
#[derive(Clone, Debug, Serialize)]
pub struct SecretEnv {
    /// Its name.
    pub name: String,
    /// The Secret's name in Kubernetes.
    pub secret: String,
    /// The key in it.
    pub key: String,
    /// Whether it may be missing.
    pub optional: bool,
}

/// A port.
#[derive(Clone, Debug, Serialize)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The Service's port.
    pub port: Spanned<i64>,
    /// The container's port.
    pub target_port: i64,
    /// Whether an earlier port leads to the same one: the container lists it once.
    pub again: bool,
    /// The sidecar that listens on it, if it is not the service's own container.
    pub container: Option<String>,
    /// The protocol.
    pub protocol: Protocol,
    /// The port on every node.
    pub node_port: Option<Spanned<i64>>,
    /// The port on the pod's node.
    pub host_port: Option<Spanned<i64>>,
    /// What is spoken on it.
    pub app_protocol: Option<String>,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// A load balancer's request.
#[derive(Clone, Debug, Serialize)]
pub struct LoadBalancer {
    /// The addresses asked for; none for any of a pool.
    pub addresses: Vec<Spanned<IpAddr>>,
    /// The reference that each came by, if it did.
    #[serde(skip)]
    pub references: Vec<Option<String>>,
    /// Addresses were asked for, and none of them could be read: reported.
    #[serde(skip)]
    pub unread: bool,
    /// The place of `ip`.
    #[serde(skip)]
    pub place: Span,
    /// The pool asked for.
    pub pool: Option<Spanned<String>>,
    /// The sharing key.
    pub share_key: Option<Spanned<String>>,
    /// Traffic goes only to nodes that run a pod.
    pub local: bool,
    /// The annotations that ask MetalLB for all that.
    pub annotations: BTreeMap<String, String>,
    /// `RequireDualStack` or `SingleStack`, where the cluster's default would not do.
    pub ip_family_policy: Option<&'static str>,
    /// `IPv4`, `IPv6`, where the cluster's default would not do.
    pub ip_families: Vec<&'static str>,
}

/// Requests and limits, by resource.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Resources {
    /// What is set aside.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, Spanned<QuantityValue>>,
    /// What may be used at most.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Spanned<QuantityValue>>,
}

/// A thing that another one waits for or talks to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dependency {
    /// Its name in the inventory.
    pub name: Spanned<String>,
    /// Whether it is a chart, not a service.
    pub chart: bool,
}

/// What a service connects to outside.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Egress {
    /// Every public address.
    Internet,
    /// The LAN.
    Lan,
    /// A network.
    Network(String),
}

/// Where Prometheus finds metrics.
#[derive(Clone, Debug, Serialize)]
pub struct Monitor {
    /// The port's name.
    pub port: Spanned<String>,
    /// The path.
    pub path: String,
    /// How often.
    pub interval: String,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Labels of the ServiceMonitor: the service's, and the one that its reader looks for.
    pub labels: BTreeMap<String, String>,
}

/// The number of the port that a service's URL points at.
pub fn main_port(service: &inventory::service::Service) -> Option<i64> {
    let ports: Vec<(&str, &PortTable)> =
        service.ports.iter().map(|(name, entry)| (name.as_str(), &entry.value.0)).collect();
    let named = ["http", "https", "web"].iter().find_map(|name| ports.iter().find(|(port, _)| port == name));
    let number = |table: &PortTable| table.port.as_ref().map(|port| port.value);
    match named {
        Some((_, table)) => number(table),
        None => ports.iter().filter_map(|(_, table)| number(table)).min(),
    }
}

/// `https` if the main port says so, by name or number.
pub fn scheme(service: &inventory::service::Service) -> &'static str {
    let main = main_port(service);
    let named = service.ports.iter().find(|(_, entry)| entry.0.port.as_ref().map(|port| port.value) == main);
    let secure = main == Some(443) || named.is_some_and(|(name, _)| name == "https");
    if secure { "https" } else { "http" }
}

/// `http://host:port`, without a port that the scheme implies; an IPv6 host gets its brackets.
pub fn url(scheme: &str, host: &str, port: Option<i64>) -> String {
    let host = if host.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
    match port {
        Some(port) if !matches!((scheme, port), ("http", 80) | ("https", 443)) => {
            format!("{scheme}://{host}:{port}")
        }
        _ => format!("{scheme}://{host}"),
    }
}

/// The first host name, as written.
pub fn first_host(service: &inventory::service::Service) -> Option<&str> {
    service.host.as_ref()?.on()?.0.first().map(|host| host.value.as_str())
}

/// Whether a browser can open what the main port speaks: its name, its `app-protocol` or an `http` probe says so.
fn speaks_http(service: &inventory::service::Service) -> bool {
    let main = main_port(service);
    let port = service.ports.iter().find(|(_, entry)| entry.0.port.as_ref().map(|port| port.value) == main);
    let says_so = port.is_some_and(|(name, entry)| {
        let protocol = entry.0.app_protocol.as_ref().is_some_and(|protocol| protocol.starts_with("http"));
        ["http", "https", "web"].contains(&name.as_str()) || protocol
    });
    let probe = service.probe.as_ref().and_then(|probe| probe.on());
    says_so || probe.is_some_and(|probe| probe.http.is_some() && probe.port.is_none())
}

/// Hosts are reached over TLS if certificates are issued for them, if every entry point is a secure one (a route
/// with TLS answers on no other), or if the Gateway's listener is called so.
pub fn ingress_scheme(ingress: &Ingress) -> &'static str {
    let points = &ingress.entry_points;
    let secure = !points.is_empty() && points.iter().all(|point| point.value.contains("secure"));
    let listener = ingress.gateway.as_ref().and_then(|gateway| gateway.split('/').nth(2));
    let listens = listener.is_some_and(|name| name.contains("https"));
    if ingress.issuer.is_some() || secure || listens { "https" } else { "http" }
}

/// Lowers one service. What cannot be resolved is reported and left out.
pub fn lower_service(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    stack: Option<&Stack>,
    key: &str,
    table: &inventory::service::Service,
    place: Span,
) -> Service {
    let name = table.name.as_ref().map(|text| resolver.text(text));
    let name = name.unwrap_or_else(|| Spanned::new(key.to_owned(), place));
    check_name(resolver, &name, name.span, "a service", NameKind::ServiceLabel);
    for (number, what) in [(&table.replicas, "pods"), (&table.termination_grace_period, "seconds")] {
        check_count(resolver, number.as_ref(), what);
    }
    for count in table.gpu.iter().flat_map(|gpu| gpu.0.values()) {
        check_count(resolver, Some(&count.value), "GPUs");
    }
    let mut ports = lower_ports(resolver, &table.ports);
    let main_port = main_port(table)
        .and_then(|number| ports.iter().find(|port| port.port.value == number))
        .map(|port| port.name.clone());
    let mut volumes = lower_volumes(resolver, around, stack, table);
    let kind = table.kind.as_ref().map_or(Kind::Deployment, |kind| kind.value);
    let workload = lower_workload(resolver, around, key, table, kind, place);
    let (mut init_containers, mut sidecars) = lower_containers(resolver, around, stack, table, &volumes);
    for container in init_containers.iter().chain(&sidecars) {
        ports.extend(container.ports.iter().cloned());
    }
    for containers in [&mut init_containers, &mut sidecars] {
        lower_sidecar_probes(resolver, table, &ports, containers);
    }
    if around.complete {
        report_unmounted(resolver, key, &volumes, &[&init_containers, &sidecars]);
    }
    let files = lower_files(resolver, &table.files, &name, &mut volumes);
    let namespace = stack.map(|stack| stack.namespace.value.clone()).unwrap_or_default();
    let rbac = lower_rbac(resolver, table, &name, &namespace);
    let asked = Asked {
        probe: table.probe.as_ref(),
        readiness: table.readiness_probe.as_ref(),
        liveness: table.liveness_probe.as_ref(),
        startup: table.startup_probe.as_ref(),
    };
    let one_node = stack.is_some_and(|stack| mounts_one_node(stack, &volumes));
    let load_balancer = lower_load_balancer(resolver, around, table);
    let hosts = lower_hosts(resolver, table);
    let fixed = load_balancer.as_ref().is_some_and(|balancer| !balancer.addresses.is_empty());
    let host_network = table.host_network;
    let fact = |resolver: &mut Resolver<'_>, fact: &str| {
        let reference = Text::new(format!("${{services.{key}.{fact}}}"), place);
        resolver.quiet_text(&reference)
    };
    let path = table.path.as_ref().map(|text| resolver.text(text));
    let path = path.unwrap_or_else(|| Spanned::new("/".to_owned(), place));
    let gpus = gpus(table.gpu.as_ref());
    let resources = lower_resources(resolver, table.resources.as_ref());
    Service {
        stack: stack.map(|stack| stack.name.clone()).unwrap_or_default(),
        namespace,
        description: optional(resolver, table.description.as_ref()),
        service_type: service_type(load_balancer.as_ref(), &ports),
        image: table.image.as_ref().map(|text| resolver.text(text)).unwrap_or_default(),
        replicas: match kind {
            Kind::DaemonSet => table.replicas,
            Kind::Job | Kind::CronJob => None,
            _ if workload.autoscale.is_some() => None,
            _ => Some(table.replicas.unwrap_or(Spanned::new(1, place))),
        },
        command: list(resolver, &table.command),
        args: list(resolver, &table.args),
        env: lower_env(resolver, &table.env),
        secret_env: lower_secret_env(resolver, stack, &table.secret_env),
        main_port: main_port.clone(),
        container_resources: container_resources(&resources, &gpus),
        resources,
        probe: lower_probes(resolver, &asked, &ports, None, main_port.as_deref()),
        pod: lower_pod(resolver, stack, table),
        traefik_rule: traefik_rule(&hosts, &path),
        path,
        depends_on: lower_dependencies(resolver, around, &table.depends_on),
        talks_to: lower_dependencies(resolver, around, &table.talks_to),
        egress: table.egress.iter().filter_map(|text| lower_egress(resolver, text)).collect(),
        monitor: lower_monitor(resolver, table, main_port.as_deref()),
        node: lower_node(resolver, around, table),
        node_selector: lower_node_selector(resolver, table),
        tolerations: table.tolerations.iter().map(|table| resolver.value(&table.0)).collect(),
        gpus,
        security_context: passthrough(resolver, table.security_context.as_ref()),
        pod_security_context: passthrough(resolver, table.pod_security_context.as_ref()),
        service_account: match &rbac {
            Some(rbac) => Some(rbac.account.value.clone()),
            None => optional(resolver, table.service_account.as_ref()),
        },
        automount_token: table.automount_token.map_or(rbac.is_some(), |flag| flag.value),
        strategy: match table.strategy {
            Some(strategy) => strategy.value,
            None if one_node || host_network.is_some_and(|flag| flag.value) => Strategy::Recreate,
            None if ports.iter().any(|port| port.host_port.is_some()) => Strategy::Recreate,
            None => Strategy::RollingUpdate,
        },
        termination_grace_period: table.termination_grace_period.map(|seconds| seconds.value),
        labels: texts(resolver, &table.labels),
        annotations: texts(resolver, &table.annotations),
        annotated: Annotations::default(),
        patches: table
            .patch
            .iter()
            .map(|(kind, entry)| (Spanned::new(kind.clone(), entry.key), resolver.value(&entry.value.0)))
            .collect(),
        url: fact(resolver, "url"),
        internal_url: fact(resolver, "internal-url"),
        external: (fixed && speaks_http(table)) || (!hosts.is_empty() && around.model.ingress.is_some()),
        wave: 0,
        ingress_rules: None,
        egress_rules: None,
        key: key.to_owned(),
        name: name.value,
        claim_templates: claim_templates(&volumes),
        claim_retention: workload.claim_retention,
        autoscale: workload.autoscale,
        disruption_budget: workload.budget,
        job: workload.job,
        init_containers,
        sidecars,
        files,
        rbac,
        kind,
        ports,
        load_balancer,
        volumes,
        hosts,
        host_network,
        place,
    }
}

/// GPUs are counted by their limits.
fn container_resources(resources: &Resources, gpus: &BTreeMap<String, i64>) -> Json {
    let mut json = json!(resources);
    for (name, count) in gpus {
        json["limits"][name] = json!(count.to_string());
    }
    json
}

/// Requests and limits.
pub fn lower_resources(
    resolver: &mut Resolver<'_>,
    table: Option<&inventory::service::Resources>,
) -> Resources {
    table.map_or_else(Resources::default, |resources| Resources {
        requests: quantities(resolver, &resources.requests),
        limits: quantities(resolver, &resources.limits),
    })
}

fn service_type(load_balancer: Option<&LoadBalancer>, ports: &[Port]) -> &'static str {
    match load_balancer {
        Some(_) => "LoadBalancer",
        None if ports.iter().any(|port| port.node_port.is_some()) => "NodePort",
        None => "ClusterIP",
    }
}

/// ``Host(`a`) || Host(`b`)``, with the path if it is not the root. A wildcard stands for one label.
fn traefik_rule(hosts: &[Spanned<String>], path: &str) -> String {
    let host = |host: &Spanned<String>| match host.strip_prefix("*.") {
        Some(domain) => format!("HostRegexp(`^[^.]+\\.{}$`)", domain.replace('.', "\\.")),
        None => format!("Host(`{host}`)"),
    };
    let hosts: Vec<String> = hosts.iter().map(host).collect();
    let hosts_rule = hosts.join(" || ");
    match path {
        "/" => hosts_rule,
        // Quoted, because a path may hold a backtick.
        path => {
            let all = if hosts.len() > 1 { format!("({hosts_rule})") } else { hosts_rule };
            format!("{all} && PathPrefix({path:?})")
        }
    }
}

/// A table in Kubernetes' spelling, references replaced.
pub fn passthrough(
    resolver: &mut Resolver<'_>,
    table: Option<&inventory::value::PassthroughTable>,
) -> Option<Spanned<Json>> {
    table.map(|table| Spanned::new(resolver.value(&table.0), table.0.0.span))
}

fn mounts_one_node(stack: &Stack, volumes: &[Volume]) -> bool {
    volumes.iter().any(|volume| match &volume.from {
        Source::Claim { name, .. } => {
            stack.claims.iter().find(|claim| claim.name == *name).is_some_and(Claim::one_node)
        }
        _ => false,
    })
}

/// Each variable after those it uses as `$(NAME)`, because Kubernetes expands only what stands before; else by name.
pub fn lower_env(resolver: &mut Resolver<'_>, map: &Map<Scalar>) -> Vec<EnvVar> {
    for (name, entry) in map {
        check_env_name(resolver, name, entry.key);
    }
    let variables: Vec<EnvVar> = map
        .iter()
        .map(|(name, entry)| {
            let value = resolver.text(&entry.value.0);
            EnvVar { name: name.clone(), value: value.value, place: value.span }
        })
        .collect();
    let index: BTreeMap<&str, usize> =
        variables.iter().enumerate().map(|(at, variable)| (variable.name.as_str(), at)).collect();
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); variables.len()];
    let mut waits: Vec<usize> = vec![0; variables.len()];
    for (at, variable) in variables.iter().enumerate() {
        let names = variable.value.split("$(").skip(1).filter_map(|rest| rest.split_once(')'));
        let used: BTreeSet<usize> = names.filter_map(|(name, _)| index.get(name).copied()).collect();
        for other in used.into_iter().filter(|other| *other != at) {
            users[other].push(at);
            waits[at] += 1;
        }
    }
    let mut ready: BTreeSet<usize> = (0..variables.len()).filter(|at| waits[*at] == 0).collect();
    let mut left: BTreeSet<usize> = (0..variables.len()).collect();
    let mut ordered: Vec<EnvVar> = Vec::with_capacity(variables.len());
    // In a circle nothing is ready: the first by name goes first.
    while let Some(at) = ready.pop_first().or_else(|| left.first().copied()) {
        if !left.remove(&at) {
            continue;
        }
        ordered.push(variables[at].clone());
        for user in &users[at] {
            waits[*user] -= 1;
            if waits[*user] == 0 {
                ready.insert(*user);
            }
        }
    }
    ordered
}

/// Kubernetes takes any printable name without `=`; people mean letters, digits, `_`, `-` and `.`.
fn check_env_name(resolver: &mut Resolver<'_>, name: &str, span: Span) {
    let fine = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if name.is_empty() || !name.chars().all(fine) || name.starts_with(|c: char| c.is_ascii_digit()) {
        resolver.found.push(BAD_NAME.at(
            span,
            "not a variable's name",
            format!("`{name}` cannot name a variable: letters, digits, `_`, `-` and `.`, not beginning with a digit"),
        ));
    }
}

/// Variables that come from secrets. Those of unknown ones are reported and left out.
pub fn lower_secret_env(
    resolver: &mut Resolver<'_>,
    stack: Option<&Stack>,
    map: &Map<inventory::service::SecretKey>,
) -> Vec<SecretEnv> {
    let mut variables = Vec::new();
    for (name, entry) in map {
        check_env_name(resolver, name, entry.key);
        let reference = &entry.value.0;
        let (Some(secret), Some(key)) = (&reference.secret, &reference.key) else { continue };
        let (secret, key) = (resolver.text(secret), resolver.text(key));
        let Some(known) = known_secret(resolver, stack, &secret) else { continue };
        if !known.keys.is_empty() && !known.keys.iter().any(|declared| declared.value == key.value) {
            let keys: Vec<&str> = known.keys.iter().map(|key| key.value.as_str()).collect();
            report_unknown(resolver, &key, &format!("key of secret `{}`", known.key), &keys);
            continue;
        }
        variables.push(SecretEnv {
            name: name.clone(),
            secret: known.name.clone(),
            key: key.value,
            optional: reference.optional.is_some_and(|flag| flag.value),
        });
    }
    variables
}

/// The ports of a container.
pub fn lower_ports(resolver: &mut Resolver<'_>, map: &Map<inventory::service::Port>) -> Vec<Port> {
    let mut ports = Vec::new();
    for (name, entry) in map {
        check_port_name(resolver, name, entry.key);
        let table = &entry.value.0;
        for number in [&table.port, &table.target_port, &table.host_port].into_iter().flatten() {
            check_port(resolver, number, 1..=65535, "a port");
        }
        if let Some(number) = &table.node_port {
            check_port(resolver, number, 30000..=32767, "a node port");
        }
        let Some(port) = table.port else { continue };
        let target_port = table.target_port.map_or(port.value, |target| target.value);
        let protocol = table.protocol.map_or(Protocol::Tcp, |protocol| protocol.value);
        ports.push(Port {
            name: name.clone(),
            port,
            target_port,
            again: ports
                .iter()
                .any(|other: &Port| other.target_port == target_port && other.protocol == protocol),
            container: None,
            protocol,
            node_port: table.node_port,
            host_port: table.host_port,
            app_protocol: optional(resolver, table.app_protocol.as_ref()),
            place: entry.key,
        });
    }
    ports
}

fn check_port(
    resolver: &mut Resolver<'_>,
    number: &Spanned<i64>,
    range: std::ops::RangeInclusive<i64>,
    what: &str,
) {
    if !range.contains(&number.value) {
        let (first, last) = (range.start(), range.end());
        resolver.found.push(
            BAD_PORT
                .at(number.span, format!("not {what}"), format!("{number} is not {what}: {first} to {last}"))
                .help(format!("give a number from {first} to {last}")),
        );
    }
}

/// Reports a number that cannot count anything.
pub fn check_count(resolver: &mut Resolver<'_>, number: Option<&Spanned<i64>>, what: &str) {
    if let Some(number) = number.filter(|number| !(0..=i64::from(i32::MAX)).contains(&number.value)) {
        resolver.found.push(
            BAD_VALUE
                .at(number.span, "cannot be meant", format!("{number} is no number of {what}"))
                .help(format!("give a number from 0 to {}", i32::MAX)),
        );
    }
}

/// IANA service names (RFC 6335), as Kubernetes asks of port names.
fn check_port_name(resolver: &mut Resolver<'_>, name: &str, span: Span) {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let reason = if name.len() > 15 {
        "it is longer than 15 characters"
    } else if name.is_empty() || !name.chars().all(allowed) {
        "only lower-case letters, digits and `-` are allowed"
    } else if !name.chars().any(|c| c.is_ascii_lowercase()) {
        "it has no letter"
    } else if name.starts_with('-') || name.ends_with('-') || name.contains("--") {
        "`-` stands between letters or digits, one at a time"
    } else {
        return;
    };
    resolver.found.push(BAD_NAME.at(span, "not a name", format!("`{name}` cannot name a port: {reason}")));
}

fn lower_hosts(resolver: &mut Resolver<'_>, table: &inventory::service::Service) -> Vec<Spanned<String>> {
    let written: &[Text] = table
        .host
        .as_ref()
        .and_then(|host| host.on())
        .map(|OneOrMany(hosts)| hosts.as_slice())
        .unwrap_or_default();
    let domain = resolver.environment().and_then(|(_, environment)| environment.domain.as_ref());
    let domain = domain.map(|domain| resolver.text(domain).value);
    let mut hosts = Vec::new();
    for host in written {
        let mut host = resolver.text(host);
        if let Some(domain) = domain.as_ref().filter(|_| !host.contains('.')) {
            host = host.map(|host| format!("{host}.{domain}"));
        }
        let name = host.strip_prefix("*.").unwrap_or(&host);
        if let Some(reason) = name_fault(name, NameKind::Subdomain) {
            resolver.found.push(BAD_NAME.at(
                host.span,
                "not a host name",
                format!("`{host}` is not a host name: {reason}"),
            ));
        }
        hosts.push(host);
    }
    hosts
}

fn lower_load_balancer(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    table: &inventory::service::Service,
) -> Option<LoadBalancer> {
    let OneOrMany(written) = table.ip.as_ref()?.on()?;
    let first = written.first()?;
    let place = first.0.span;
    let fixed: Vec<_> = written.iter().filter(|text| text.0.value != AUTO).collect();
    if fixed.len() != written.len() && written.len() > 1 {
        resolver.found.push(
            BAD_VALUE
                .at(place, "`auto` beside addresses", "`ip` lists `auto` beside addresses")
                .help("give `ip = \"auto\"`, or the addresses"),
        );
    }
    let unread = !fixed.is_empty();
    let mut addresses = Vec::new();
    let mut references = Vec::new();
    for text in fixed {
        if let Some(address) = resolver.address(text) {
            addresses.push(address);
            references.push(Resolver::reference_path(&text.0).map(str::to_owned));
        }
    }
    let pool = table.pool.as_ref().map(|text| resolver.text(text)).and_then(|pool| {
        let pools = &around.model.metallb.pools;
        if pools.iter().any(|known| known.name == pool.value) {
            return Some(pool);
        }
        let known = resolver.known(pools.iter().map(|pool| pool.name.as_str()));
        report_unknown(resolver, &pool, "pool", &known);
        None
    });
    let share_key = table.share_ip.as_ref().map(|text| resolver.text(text));
    let (ip_family_policy, ip_families) = families(&addresses, &around.model.cluster.service_families());
    let prefix = around.model.metallb.annotation_prefix;
    Some(LoadBalancer {
        annotations: annotations(prefix, &addresses, pool.as_ref(), share_key.as_ref()),
        unread: unread && addresses.is_empty(),
        addresses,
        references,
        place,
        pool,
        share_key,
        local: table.external_traffic_policy.is_some_and(|policy| policy.value == TrafficPolicy::Local),
        ip_family_policy,
        ip_families,
    })
}

fn annotations(
    prefix: &str,
    addresses: &[Spanned<IpAddr>],
    pool: Option<&Spanned<String>>,
    share_key: Option<&Spanned<String>>,
) -> BTreeMap<String, String> {
    let written: Vec<String> = addresses.iter().map(|address| address.to_string()).collect();
    let mut annotations = BTreeMap::new();
    if !written.is_empty() {
        annotations.insert(format!("{prefix}/loadBalancerIPs"), written.join(","));
    }
    if let Some(pool) = pool {
        annotations.insert(format!("{prefix}/address-pool"), pool.value.clone());
    }
    if let Some(key) = share_key {
        annotations.insert(format!("{prefix}/allow-shared-ip"), key.value.clone());
    }
    annotations
}

/// MetalLB gives addresses only if their families are those of the Service's ClusterIPs, so a request that
/// differs from the cluster's first family has to say so.
fn families(addresses: &[Spanned<IpAddr>], cluster: &[Family]) -> (Option<&'static str>, Vec<&'static str>) {
    let word = |family: Family| if family == Family::V4 { "IPv4" } else { "IPv6" };
    let wanted: Vec<Family> = addresses.iter().map(|address| Family::of(address.value)).collect();
    match wanted.as_slice() {
        [first, second] if first != second => (Some("RequireDualStack"), vec![word(*first), word(*second)]),
        [only] if cluster.first().is_some_and(|first| first != only) => {
            (Some("SingleStack"), vec![word(*only)])
        }
        _ => (None, Vec::new()),
    }
}

fn lower_dependencies(resolver: &mut Resolver<'_>, around: &Around<'_>, names: &[Text]) -> Vec<Dependency> {
    let services = &resolver.inventory.tables.services;
    let mut dependencies = Vec::new();
    for name in names {
        let name = resolver.text(name);
        if services.contains_key(&name.value) {
            if around.on.contains(&name.value) {
                dependencies.push(Dependency { name, chart: false });
            }
        } else if around.model.chart(&name).is_some() {
            dependencies.push(Dependency { name, chart: true });
        } else {
            let charts = around.model.charts.iter().map(|chart| chart.name.as_str());
            let known = resolver.known(services.keys().map(String::as_str).chain(charts));
            report_unknown(resolver, &name, "service or chart", &known);
        }
    }
    dependencies
}

fn lower_egress(resolver: &mut Resolver<'_>, text: &Text) -> Option<Egress> {
    let written = resolver.text(text);
    match written.as_str() {
        "internet" => return Some(Egress::Internet),
        "lan" => return Some(Egress::Lan),
        _ => {}
    }
    match parse_range_or_host(&written) {
        Ok(range) => match range.prefix() {
            Some(prefix) => return Some(Egress::Network(format!("{}/{prefix}", range.first()))),
            None => resolver.found.push(
                BAD_VALUE
                    .at(
                        written.span,
                        "not a network",
                        format!("`{written}` is a range, and a policy takes networks"),
                    )
                    .help("write it as networks such as 192.168.1.64/28"),
            ),
        },
        Err(_) => resolver.found.push(
            BAD_VALUE
                .at(
                    written.span,
                    "nowhere",
                    format!("`{written}` is neither `internet`, `lan` nor a network"),
                )
                .help("for another service, use `talks-to`"),
        ),
    }
    None
}

fn lower_monitor(
    resolver: &mut Resolver<'_>,
    table: &inventory::service::Service,
    main_port: Option<&str>,
) -> Option<Monitor> {
    let monitor = &table.monitor.as_ref()?.on()?.0;
    let port = monitor.port.as_ref().map(|text| resolver.text(text));
    let port = port.or_else(|| Some(Spanned::new(main_port?.to_owned(), monitor.span)));
    let Some(port) = port else {
        resolver.found.push(
            BAD_VALUE
                .at(monitor.span, "no port", "`monitor` needs a port, and the service has none")
                .help("add the port to `ports`"),
        );
        return None;
    };
    Some(Monitor {
        port,
        path: optional(resolver, monitor.path.as_ref()).unwrap_or_else(|| "/metrics".to_owned()),
        interval: monitor
            .interval
            .as_ref()
            .map_or_else(|| "30s".to_owned(), |interval| interval.0.value.clone()),
        scheme: if monitor.tls.is_some_and(|flag| flag.value) { "https" } else { "http" },
        labels: BTreeMap::new(),
    })
}

fn lower_node(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    table: &inventory::service::Service,
) -> Option<Spanned<String>> {
    let node = resolver.text(table.node.as_ref()?);
    if around.model.node(&node).is_none() {
        let known = resolver.known(around.model.nodes.iter().map(|node| node.name.as_str()));
        report_unknown(resolver, &node, "node", &known);
        return None;
    }
    Some(node)
}

fn lower_node_selector(
    resolver: &mut Resolver<'_>,
    table: &inventory::service::Service,
) -> BTreeMap<String, String> {
    let mut selector = texts(resolver, &table.node_selector);
    if let Some(node) = &table.node {
        selector.insert("kubernetes.io/hostname".to_owned(), resolver.text(node).value);
    }
    selector
}

#[cfg(test)]
mod tests {
    use super::traefik_rule;
    use crate::source::{FileId, Span, Spanned};

    #[test]
    fn hosts_and_path_are_one_rule() {
        let rule = |hosts: &[&str], path: &str| {
            let span = Span::new(FileId(0), 0..0);
            let hosts: Vec<_> = hosts.iter().map(|host| Spanned::new((*host).to_owned(), span)).collect();
            traefik_rule(&hosts, path)
        };
        assert_eq!(rule(&["a.lab"], "/"), "Host(`a.lab`)");
        assert_eq!(rule(&["a.lab"], "/x"), "Host(`a.lab`) && PathPrefix(\"/x\")");
        assert_eq!(
            rule(&["a.lab", "*.b.lab"], "/`\""),
            "(Host(`a.lab`) || HostRegexp(`^[^.]+\\.b\\.lab$`)) && PathPrefix(\"/`\\\"\")"
        );
    }
}
