//! Services of one environment: what runs, how it is reached, what it needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use litemap::LiteMap;
use serde::Serialize;
use serde_json::Value as Json;

use crate::inventory;
use crate::inventory::service::{Kind, Strategy};
use crate::inventory::value::{OneOrMany, Text};
use crate::model::BAD_VALUE;
use crate::model::balancer::{LoadBalancer, lower_load_balancer};
use crate::model::container::{Container, lower_containers, lower_sidecar_probes, report_unmounted};
use crate::model::env::{EnvVar, SecretEnv, SourcedEnv, lower_env, lower_secret_env, lower_sourced_env};
use crate::model::environment::Around;
use crate::model::flows::Rule;
use crate::model::host::lower_hosts;
use crate::model::ingress::lower_paths;
use crate::model::listeners::attach;
use crate::model::marks::Annotations;
use crate::model::monitoring::{Monitor, Ports, lower_monitor};
use crate::model::naming::{NameKind, check_name, optional_name, report_unknown};
use crate::model::node::gpus;
use crate::model::patches::{Patches, lower_patches};
use crate::model::pod::{Files, Pod, Rbac, lower_files, lower_pod, lower_rbac};
use crate::model::policy::{AllowFrom, Egress, lower_allow_from, lower_egress, lower_talks_to};
use crate::model::port::{
    ExternalService, Port, check_host_network, lower_ports, main_port, service_types, speaks_http,
};
use crate::model::probe::{Asked, Probe, lower_probes};
use crate::model::references::{QuantityValue, Resolver};
use crate::model::rollout::{Rollout, give_time, lower_rollout};
use crate::model::route::{Route, rule};
use crate::model::routes::{Reached, lower_routes};
use crate::model::stack::{Stack, quantities};
use crate::model::storage::Claim;
use crate::model::texts::{Texts, list, optional, passthrough, texts};
use crate::model::volume::{ClaimTemplate, Source, Volume, lower_volumes};
use crate::model::workload::{Autoscale, Budget, Job, claim_templates, lower_workload};
use crate::quantity::Quantity;
use crate::source::{Span, Spanned};

/// Something that runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    /// Which newer ones Flux takes.
    #[serde(skip)]
    pub image_policy: Option<Box<crate::model::images::ImagePolicy>>,
    /// `Deployment`, `StatefulSet`, `DaemonSet`, `Job` or `CronJob`.
    pub kind: Kind,
    /// How many pods, unless its kind or its autoscaler decides.
    pub replicas: Option<Spanned<i64>>,
    /// How the number of pods follows the load.
    pub autoscale: Option<Box<Autoscale>>,
    /// How many pods must stay while nodes are drained.
    pub disruption_budget: Option<Box<Budget>>,
    /// How a job runs.
    pub job: Option<Box<Job>>,
    /// Containers that Kubernetes starts before its own, in order: those that prepare, then native sidecars.
    pub init_containers: Vec<Container>,
    /// Containers beside its own.
    pub sidecars: Vec<Container>,
    /// Settings of its pods.
    pub pod: Arc<Pod>,
    /// What its pods may do with the Kubernetes API.
    pub rbac: Option<Box<Rbac>>,
    /// Small files of its container.
    pub files: Arc<Files>,
    /// Claims that each of its pods gets for itself.
    pub claim_templates: Vec<ClaimTemplate>,
    /// What becomes of them.
    pub claim_retention: Option<Box<Json>>,
    /// The command.
    pub command: Vec<String>,
    /// Its arguments.
    pub args: Vec<String>,
    /// The folder that its container starts in.
    pub working_dir: Option<String>,
    /// Variables whose values stand elsewhere.
    pub sourced_env: Vec<SourcedEnv>,
    /// How its pods are replaced, in detail.
    pub rollout: Rollout,
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
    /// The Service beside it for what is reached from outside, where some ports are internal.
    pub external_service: Option<Box<ExternalService>>,
    /// Its load balancer.
    pub load_balancer: Option<Box<LoadBalancer>>,
    /// Requests and limits.
    pub resources: Arc<Resources>,
    /// The same with its GPUs.
    pub container_resources: Arc<Resources>,
    /// What is mounted, by name.
    pub volumes: Vec<Volume>,
    /// How its health is told.
    pub probe: Option<Box<Probe>>,
    /// How long its pods may take to start, in seconds.
    #[serde(skip)]
    pub longest_start: i64,
    /// Host names, in full.
    pub hosts: Vec<Spanned<String>>,
    /// The first path it is routed by.
    pub path: Spanned<String>,
    /// Hosts and path as a rule of Traefik.
    pub traefik_rule: String,
    /// How hosts lead to it, where something routes them: first by its own `host`, then by its `routes`.
    pub routes: Vec<Route>,
    /// What must be ready before it, among what is on.
    pub depends_on: Vec<Dependency>,
    /// What it connects to, among what is on.
    pub talks_to: Vec<Dependency>,
    /// What else it connects to.
    pub egress: Vec<Egress>,
    /// Who else may reach it.
    pub allow_from: Vec<AllowFrom>,
    /// Where Prometheus finds its metrics.
    pub monitor: Option<Box<Monitor>>,
    /// The node it must run on.
    pub node: Option<Spanned<String>>,
    /// Labels of the nodes it may run on, with the node's own name if it must run there.
    pub node_selector: Texts,
    /// Taints it tolerates.
    pub tolerations: Vec<Json>,
    /// GPUs.
    pub gpus: BTreeMap<String, i64>,
    /// Whether it shares its node's network.
    pub host_network: Option<Spanned<bool>>,
    /// The container's security context.
    pub security_context: Option<Box<Spanned<Json>>>,
    /// The pod's security context.
    pub pod_security_context: Option<Box<Spanned<Json>>>,
    /// Its service account.
    pub service_account: Option<String>,
    /// Whether it gets the service account's token.
    pub automount_token: bool,
    /// How pods are replaced.
    pub strategy: Strategy,
    /// How long it may take to stop, in seconds.
    pub termination_grace_period: Option<i64>,
    /// Labels of its objects and pods: the recommended ones, the stack's and its own.
    pub labels: Texts,
    /// Its own pod annotations.
    pub annotations: Texts,
    /// The annotations of its objects.
    pub annotated: Annotations,
    /// Changes to its objects, by kind.
    #[serde(skip)]
    pub patches: Patches,
    /// Changes that its stack makes to all objects of a kind, or to one of its own name.
    #[serde(skip)]
    pub patches_of_stack: Vec<Arc<Patches>>,
    /// Where people reach it; empty if nobody does.
    pub url: String,
    /// Where other services reach it; empty if it opens no port.
    pub internal_url: String,
    /// Whether `url` is a link that people outside the cluster can open.
    pub external: bool,
    /// How many services of its stack must be ready before it, one after the other.
    pub wave: usize,
    /// `Ingress`, `Egress`: which rules it has. Without any it needs no policy of its own.
    pub policy_types: Vec<&'static str>,
    /// NetworkPolicy rules of what may reach it; `None` where its stack does not close that direction, or nothing may.
    pub ingress_rules: Option<Vec<Rule>>,
    /// NetworkPolicy rules of what it may reach.
    pub egress_rules: Option<Vec<Rule>>,
    /// Rules of a CiliumNetworkPolicy about the hosts that it may reach.
    pub host_rules: Vec<Json>,
    /// What its CiliumNetworkPolicy lets in, where no other policy can name the router.
    pub router_rules: Vec<Json>,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

impl Service {
    /// What findings about it are about: its table.
    pub fn subject(&self) -> String {
        format!("services.{}", self.key)
    }

    /// The ports that its own address opens, or every node: all but the internal ones, if it has either.
    pub fn outside_ports(&self) -> impl Iterator<Item = &Port> {
        let is_reached =
            self.load_balancer.is_some() || self.ports.iter().any(|port| port.node_port.is_some());
        self.ports.iter().filter(move |port| is_reached && !port.internal)
    }
}

/// Amounts by resource.
pub type Quantities = LiteMap<String, Spanned<QuantityValue>>;

/// Requests and limits, by resource.
#[derive(Clone, Debug, PartialEq, Default, Serialize)]
pub struct Resources {
    /// What is set aside.
    #[serde(skip_serializing_if = "LiteMap::is_empty")]
    pub requests: Quantities,
    /// What may be used at most.
    #[serde(skip_serializing_if = "LiteMap::is_empty")]
    pub limits: Quantities,
}

/// Requests and limits with GPUs, which are counted by their limits.
fn with_gpus(resources: &Arc<Resources>, gpu: Option<&inventory::network::Gpu>) -> Arc<Resources> {
    let mut whole = Arc::clone(resources);
    for (name, count) in gpu.into_iter().flat_map(|gpu| gpu.0.iter()) {
        let count = count.value;
        if count.value > 0 {
            let amount = QuantityValue {
                text: count.value.to_string().into(),
                amount: Quantity::from_integer(count.value),
            };
            Arc::make_mut(&mut whole).limits.insert(name.clone(), Spanned::new(amount, count.span));
        }
    }
    whole
}

/// A thing that another one waits for or talks to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dependency {
    /// Its name in the inventory.
    pub name: Spanned<String>,
    /// Whether it is a chart, not a service.
    pub chart: bool,
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
    let main_port = main_port(table).map(|(name, _)| name);
    let main_port = main_port.filter(|name| ports.iter().any(|port| port.name == *name)).map(str::to_owned);
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
    let beside = &mut [init_containers.as_mut_slice(), sidecars.as_mut_slice()];
    let files = lower_files(resolver, &table.files, &name, &mut volumes, beside);
    let namespace = stack.map(|stack| stack.namespace.value.clone()).unwrap_or_default();
    let rbac = lower_rbac(resolver, table, &name, &namespace).map(Box::new);
    let asked = Asked {
        probe: table.probe.as_ref(),
        readiness: table.readiness_probe.as_ref(),
        liveness: table.liveness_probe.as_ref(),
        startup: table.startup_probe.as_ref(),
        unread_ports: resolver.inventory.unread.at(&["services", key, "ports"]),
    };
    let one_node = stack.is_some_and(|stack| mounts_one_node(stack, &volumes));
    let load_balancer = lower_load_balancer(resolver, around, table).map(Box::new);
    let hosts = lower_hosts(resolver, table);
    attach(resolver, around.model.ingress.as_ref(), table, &hosts, &mut ports);
    let (service_type, external_service) = service_types(&name, load_balancer.as_deref(), &ports);
    let fixed = load_balancer.as_ref().is_some_and(|balancer| !balancer.addresses.is_empty());
    let host_network = table.host_network;
    check_host_network(resolver, &ports, host_network);
    let [mut url, mut internal_url] = resolver.urls(key, table);
    // Without a port there is no Service.
    if ports.is_empty() {
        url = if url == internal_url { String::new() } else { url };
        internal_url = String::new();
    }
    let paths = table.path.as_ref().map(|OneOrMany(paths)| paths.as_slice()).unwrap_or_default();
    let paths = lower_paths(resolver, paths, place);
    let reached = Reached {
        key,
        name: &name,
        hosts: &hosts,
        paths: &paths,
        ports: &ports,
        main_port: main_port.as_deref(),
    };
    let routes = lower_routes(resolver, around, stack, table, &reached);
    let path = paths.first().cloned().unwrap_or_default();
    let gpus = gpus(table.gpu.as_ref());
    let resources = Arc::new(lower_resources(resolver, table.resources.as_deref()));
    let probe = lower_probes(resolver, &asked, &ports, None, main_port.as_deref());
    let read = Ports { all: &ports, main: main_port.as_deref() };
    let monitor = lower_monitor(resolver, around, stack, table, read).map(Box::new);
    let mut rollout = lower_rollout(resolver, key, table, kind);
    let probes = init_containers.iter().chain(&sidecars).map(|container| &container.probe).chain([&probe]);
    let longest_start = probes.flatten().map(|probe| probe.longest_start()).max().unwrap_or(0);
    give_time(&mut rollout, kind, longest_start);
    let strategy = match table.strategy {
        Some(strategy) => strategy.value,
        // Who says how many may go at a time means that they are replaced one by one.
        None if rollout.asks_for_steps => Strategy::RollingUpdate,
        None if one_node || host_network.is_some_and(|flag| flag.value) => Strategy::Recreate,
        None if ports.iter().any(|port| port.host_port.is_some()) => Strategy::Recreate,
        None => Strategy::RollingUpdate,
    };
    Service {
        stack: stack.map(|stack| stack.name.clone()).unwrap_or_default(),
        namespace,
        description: optional(resolver, table.description.as_ref()),
        service_type,
        external_service,
        image: crate::model::images::image(resolver, key, table),
        image_policy: table
            .image_policy
            .as_ref()
            .map(|policy| Box::new(crate::model::images::lower_policy(resolver, policy))),
        replicas: match kind {
            Kind::DaemonSet => table.replicas,
            Kind::Job | Kind::CronJob => None,
            _ if workload.autoscale.is_some() => None,
            _ => Some(table.replicas.unwrap_or(Spanned::new(1, place))),
        },
        command: list(resolver, &table.command),
        args: list(resolver, &table.args),
        working_dir: optional(resolver, table.working_dir.as_ref()),
        sourced_env: lower_sourced_env(resolver, &table.field_env, &table.config_map_env),
        rollout,
        env: lower_env(resolver, &table.env),
        secret_env: lower_secret_env(resolver, stack, &table.secret_env),
        main_port: main_port.clone(),
        container_resources: with_gpus(&resources, table.gpu.as_ref()),
        resources,
        probe,
        longest_start,
        pod: lower_pod(resolver, around, stack, table),
        traefik_rule: rule(&hosts, &paths),
        routes,
        path,
        depends_on: lower_dependencies(resolver, around, &table.depends_on),
        talks_to: lower_talks_to(resolver, around, key, &table.talks_to, |resolver, names| {
            lower_dependencies(resolver, around, names)
        }),
        egress: lower_egress(resolver, around, table),
        allow_from: lower_allow_from(resolver, around, table),
        monitor,
        node: lower_node(resolver, around, table).or_else(|| active_node(stack, table, kind)),
        node_selector: lower_node_selector(resolver, table, active_node(stack, table, kind)),
        tolerations: table.tolerations.iter().map(|table| resolver.value(&table.0)).collect(),
        gpus,
        security_context: passthrough(resolver, table.security_context.as_ref()).map(Box::new),
        pod_security_context: passthrough(resolver, table.pod_security_context.as_ref()).map(Box::new),
        service_account: match &rbac {
            Some(rbac) => Some(rbac.account.value.clone()),
            None => optional_name(
                resolver,
                table.service_account.as_ref(),
                "a service account",
                NameKind::Subdomain,
            ),
        },
        automount_token: table.automount_token.map_or(rbac.is_some(), |flag| flag.value),
        strategy,
        termination_grace_period: table.termination_grace_period.map(|seconds| seconds.value),
        labels: texts(resolver, &table.labels),
        annotations: texts(resolver, &table.annotations),
        annotated: Annotations::default(),
        patches_of_stack: stack.map(|stack| stack.patches_of_services.of(&name)).unwrap_or_default(),
        patches: Patches::new(lower_patches(resolver, &table.patch)),
        url,
        internal_url,
        external: (fixed && speaks_http(table)) || (!hosts.is_empty() && around.model.ingress.is_some()),
        wave: 0,
        policy_types: Vec::new(),
        ingress_rules: None,
        egress_rules: None,
        host_rules: Vec::new(),
        router_rules: Vec::new(),
        key: key.to_owned(),
        name: name.value,
        claim_templates: claim_templates(&volumes),
        claim_retention: workload.claim_retention,
        autoscale: workload.autoscale.map(Box::new),
        disruption_budget: workload.budget.map(Box::new),
        job: workload.job.map(Box::new),
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

/// Requests and limits.
pub fn lower_resources(
    resolver: &mut Resolver<'_>,
    table: Option<&inventory::service::Resources>,
) -> Resources {
    // Every service has some: room for as many as there are, and no more.
    let mut exact = |map| {
        let mut known: Vec<_> = quantities(resolver, map);
        known.sort_by(|(one, _), (other, _)| one.cmp(other));
        known.shrink_to_fit();
        Quantities::from_sorted_store_unchecked(known)
    };
    table.map_or_else(Resources::default, |resources| Resources {
        requests: exact(&resources.requests),
        limits: exact(&resources.limits),
    })
}

fn mounts_one_node(stack: &Stack, volumes: &[Volume]) -> bool {
    volumes.iter().any(|volume| match &volume.source {
        Source::Claim { name, .. } => stack.claim(name).is_some_and(Claim::one_node),
        _ => false,
    })
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

/// The node that runs the stack of a failover, for a service that names none itself.
fn active_node(
    stack: Option<&Stack>,
    table: &inventory::service::Service,
    kind: Kind,
) -> Option<Spanned<String>> {
    let failover = stack?.failover.as_ref()?;
    let free = table.node.is_none() && kind != Kind::DaemonSet;
    free.then(|| Spanned::new(failover.active.clone(), failover.place))
}

fn lower_node_selector(
    resolver: &mut Resolver<'_>,
    table: &inventory::service::Service,
    active: Option<Spanned<String>>,
) -> Texts {
    let mut selector: Texts = texts(resolver, &table.node_selector);
    if let Some(node) = &table.node {
        selector.insert("kubernetes.io/hostname", resolver.text(node).value);
    }
    if let Some(node) = active {
        selector.insert("kubernetes.io/hostname", node.value);
    }
    selector
}
