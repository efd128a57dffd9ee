//! What the inventory means: defaults filled, environments merged, references replaced, facts derived.
//!
//! Nothing after this floor asks the inventory again or decides policy: rules read these types, templates
//! see them by the same names. What does not resolve is reported and left out, so that rules see the rest.

pub mod alerts;
pub mod argocd;
pub mod backup;
pub mod balancer;
pub mod bgp;
pub mod certificates;
pub mod chart;
pub mod cilium_bgp;
pub mod claims;
pub mod cluster;
pub mod container;
pub mod dashboards;
pub mod delivery;
pub mod endpoint;
pub mod env;
pub mod environment;
pub mod external;
pub mod facts;
pub mod flows;
pub mod flux;
pub mod gateway;
pub mod gitops;
pub mod host;
pub mod idle;
pub mod images;
pub mod ingress;
pub mod kube_vip;
pub mod listeners;
pub mod load_balancer;
pub mod machine;
pub mod marks;
pub mod middleware;
pub mod monitoring;
pub mod naming;
pub mod nfs;
pub mod node;
pub mod patches;
pub mod patterns;
pub mod pod;
pub mod pointers;
pub mod policy;
pub mod pool;
pub mod port;
pub mod priority;
pub mod probe;
pub mod references;
pub mod rollout;
pub mod route;
pub mod routes;
pub mod secret;
pub mod service;
pub mod service_backup;
pub mod sops;
pub mod sources;
pub mod stack;
pub mod steps;
pub mod storage;
pub mod storage_class;
pub mod syncthing;
pub mod texts;
pub mod undeclared;
pub mod values_file;
pub mod velero;
pub mod volume;
pub mod waves;
pub mod workload;
pub mod written;
pub mod zone;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use serde::Serialize;

use crate::address::Lookup;
use crate::diagnostic::{Diagnostics, Outcome, codes};
use crate::inventory::gitops::Setting;
use crate::inventory::reread::Reread;
use crate::inventory::stack::Layer;
use crate::inventory::unread::Unread;
use crate::inventory::value::Engine;
use crate::inventory::{Inventory, MISSING_KEY};
use crate::model::chart::Chart;
use crate::model::claims::AddressClaim;
use crate::model::cluster::{Cluster, Network};
use crate::model::external::Externals;
use crate::model::flux::tell::find_beside_charts;
use crate::model::gitops::Gitops;
use crate::model::ingress::Ingress;
use crate::model::kube_vip::KubeVip;
use crate::model::load_balancer::{Cilium, LoadBalancing, Metallb};
use crate::model::monitoring::Monitoring;
use crate::model::nfs::Nfs;
use crate::model::node::Node;
use crate::model::references::Resolver;
use crate::model::secret::{ChartSecret, SecretStore};
use crate::model::service::Service;
use crate::model::sops::Sops;
use crate::model::stack::Stack;
use crate::model::storage_class::StorageClass;
use crate::model::velero::Velero;
use crate::source::{Span, Spanned};

codes! {
    /// An address, range or network that cannot be read.
    BAD_ADDRESS = ("bad-address", Addresses, Error, "an address, range or network that cannot be read");
    /// A quantity that cannot be read.
    BAD_QUANTITY = ("bad-quantity", Resources, Error, "a quantity that Kubernetes cannot read");
    /// A number that is no port.
    BAD_PORT = ("bad-port", PortsAndNames, Error, "a number that is no port, or no node port");
    /// A name that Kubernetes refuses.
    BAD_NAME = ("bad-name", PortsAndNames, Error, "a name that Kubernetes refuses");
    /// A value that cannot be meant.
    BAD_VALUE = ("bad-value", Inventory, Error, "a value that the key cannot have");
    /// A name or `${…}` that leads nowhere.
    UNKNOWN_REFERENCE = ("unknown-reference", References, Error, "a name or `${…}` that leads nowhere");
    /// `${…}` that leads to a service which is off.
    REFERENCE_TO_ABSENT_SERVICE = ("reference-to-absent-service", References, Warning, "`${…}` that leads to a service which is off in that environment");
    /// `${…}` that leads back to itself.
    REFERENCE_CYCLE = ("reference-cycle", References, Error, "`${…}` that leads back to itself");
    /// Things that wait for each other.
    DEPENDENCY_CYCLE = ("dependency-cycle", References, Error, "things that depend on each other in a circle");
    /// An order that no engine can keep.
    UNORDERABLE_DEPENDENCY = ("unorderable-dependency", References, Error, "a dependency on a later layer, which no engine can order");
    /// A file that the inventory names.
    UNREADABLE_FILE = ("unreadable-file", References, Error, "a file that the inventory names cannot be read, or is not what it must be");
    /// Two keys that say the same thing, or contradict each other.
    CONFLICTING_KEYS = ("conflicting-keys", Inventory, Error, "keys of one table that exclude each other");
}

/// The whole inventory, resolved.
#[derive(Clone, Debug, Serialize)]
pub struct Model {
    /// What is true of the whole cluster.
    pub cluster: Cluster,
    /// The network that the nodes stand in.
    pub network: Network,
    /// The machines, by name.
    pub nodes: Vec<Node>,
    /// What gives services their addresses.
    pub load_balancer: LoadBalancing,
    /// MetalLB's pools and how they are announced.
    pub metallb: Metallb,
    /// Cilium's pools and how they are announced.
    pub cilium: Cilium,
    /// kube-vip's pools.
    pub kube_vip: KubeVip,
    /// NFS servers, by name.
    pub nfs: Vec<Nfs>,
    /// Storage classes, by name.
    pub storage_classes: Vec<StorageClass>,
    /// PriorityClasses, by name.
    pub priority_classes: Vec<priority::PriorityClass>,
    /// How host names are routed, if the inventory says.
    pub ingress: Option<Ingress>,
    /// Prometheus and Grafana, as stacks see them.
    pub monitoring: Monitoring,
    /// Helm charts, by name.
    pub charts: Vec<Chart>,
    /// Secrets in the namespaces of charts, by name.
    pub chart_secrets: Vec<ChartSecret>,
    /// Where the External Secrets operator finds secrets, for every namespace.
    pub secret_stores: Vec<SecretStore>,
    /// Who can read what SOPS encrypts, if the inventory says.
    pub sops: Option<Sops>,
    /// Backups of whole namespaces, if the inventory says.
    pub velero: Option<Velero>,
    /// Where the tree is committed and who applies it, if the inventory says.
    pub gitops: Option<Gitops>,
    /// The inventory's defaults: what bases are rendered from. Never deployed by itself.
    #[serde(skip)]
    pub base: Environment,
    /// What is deployed, by name. At least one.
    #[serde(skip)]
    pub environments: Vec<Environment>,
    /// Every address, range and network that something claims.
    #[serde(skip)]
    pub claims: Vec<AddressClaim>,
    /// How rules count.
    #[serde(skip)]
    pub checks: Vec<Check>,
    /// Findings that are accepted.
    #[serde(skip)]
    pub allow: Vec<Allow>,
    /// Objects that are made elsewhere.
    #[serde(skip)]
    pub external: Externals,
    /// What Flux wrote last, by service.
    #[serde(skip)]
    pub image_updates: BTreeMap<String, Spanned<String>>,
    /// Which keys of it could not be read.
    #[serde(skip)]
    pub unread: Arc<Unread>,
    /// The inventory as it is written: for places, and for rules about what stands in the file.
    #[serde(skip)]
    pub written: Reread,
    /// The place of the inventory's `[gitops]`, or of the file.
    #[serde(skip)]
    pub place: Span,
    /// Which pool holds an address, once somebody has asked.
    #[serde(skip)]
    pool_lookup: OnceLock<Lookup>,
    /// Which labels the inventory gives to nodes, once somebody has asked.
    #[serde(skip)]
    node_labels: OnceLock<BTreeSet<String>>,
}

/// One deployment of the stacks.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Environment {
    /// Its name; empty for the base.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The domain that host names without a dot got.
    pub domain: Option<String>,
    /// What is added to every namespace; may be empty.
    pub namespace_suffix: String,
    /// Whether any of its services waits for something.
    pub has_dependencies: bool,
    /// The stacks that are deployed in it, by name.
    #[serde(skip)]
    pub stacks: Vec<Stack>,
    /// Whether a text in it says which environment it is.
    #[serde(skip)]
    pub names_itself: bool,
    /// Services without a known stack: reported, and kept so that rules see them.
    #[serde(skip)]
    pub strays: Vec<Arc<Service>>,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// How the findings of a rule count.
#[derive(Clone, Debug)]
pub struct Check {
    /// The rule.
    pub rule: Spanned<String>,
    /// What it is set to.
    pub setting: Spanned<Setting>,
}

/// A finding that is known and accepted.
#[derive(Clone, Debug)]
pub struct Allow {
    /// The rule.
    pub rule: Spanned<String>,
    /// What it is accepted on.
    pub on: Vec<Spanned<String>>,
    /// The place of the entry.
    pub place: Span,
}

impl Environment {
    /// The same stacks in another environment.
    fn under(&self, head: Self) -> Self {
        let (stacks, strays) = (self.stacks.clone(), self.strays.clone());
        Self { stacks, strays, has_dependencies: self.has_dependencies, ..head }
    }
}

impl Model {
    /// The chart of this name.
    pub fn chart(&self, name: &str) -> Option<&Chart> {
        named(&self.charts, name, |chart| &chart.name)
    }

    /// The node of this name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        named(&self.nodes, name, |node| &node.name)
    }

    /// Whether the inventory gives any node a label of this name.
    pub fn labels_nodes(&self, label: &str) -> bool {
        let labels = || self.nodes.iter().flat_map(|node| node.labels.keys().map(str::to_owned)).collect();
        self.node_labels.get_or_init(labels).contains(label)
    }

    /// The storage class of this name.
    pub fn storage_class(&self, name: &str) -> Option<&StorageClass> {
        named(&self.storage_classes, name, |class| &class.name)
    }

    /// Namespaces that the cluster or an engine brings along. They are never written: pruning one would take
    /// everything in it along.
    pub fn brings_along(&self, namespace: &str) -> bool {
        gitops::brings_along(self.gitops.as_ref(), namespace)
    }
}

/// The one of this name in a list in the order of names, as tables of the inventory are read.
pub fn named<'l, T>(list: &'l [T], name: &str, name_of: impl Fn(&T) -> &str) -> Option<&'l T> {
    let at = list.binary_search_by(|one| name_of(one).cmp(name));
    at.ok().map(|at| &list[at])
}

/// The name of the environment of an inventory that declares none.
pub const ONLY_ENVIRONMENT: &str = "default";

/// Resolves an inventory: one [`Environment`] for the defaults and one for each declared; none if its texts grow
/// beyond all measure.
pub fn resolve(inventory: &Inventory) -> Outcome<Option<Model>> {
    let mut resolver = Resolver::new(inventory);
    let shared = &mut resolver;
    let gitops = gitops::lower(shared);
    let cluster = cluster::lower_cluster(shared, gitops.as_ref());
    let nodes = node::lower_nodes(shared);
    let charts = chart::lower_charts(shared, gitops.as_ref());
    let network = cluster::lower_network(shared, &charts);
    cluster::one_network_of_each_family(shared, &cluster, &network);
    let sops = sops::lower(shared);
    shared.escaping = flux::substitutes(gitops.as_ref(), Layer::Infrastructure, None);
    let chart_secrets = secret::lower_chart_secrets(shared, &charts);
    let secret_stores = secret::lower_stores(shared, None);
    let load_balancer = load_balancer::lower_load_balancer(shared);
    let metallb = load_balancer::lower_metallb(shared, &nodes, &charts, gitops.as_ref());
    let cilium = load_balancer::lower_cilium(shared, &nodes, &charts);
    let kube_vip = kube_vip::lower_kube_vip(shared);
    let nfs = nfs::lower_nfs(shared);
    let storage_classes = storage_class::lower_storage_classes(shared, &nfs);
    let priority_classes = priority::lower_priority_classes(shared);
    let ingress = ingress::lower_ingress(shared, &charts, gitops.as_ref());
    shared.escaping = false;
    let monitoring = monitoring::lower_monitoring(shared, &charts);
    let checks = lower_checks(inventory);
    let external = external::lower(shared);
    let allow = lower_allow(inventory, &mut shared.found);
    let mut model = Model {
        cluster,
        network,
        nodes,
        load_balancer,
        metallb,
        cilium,
        kube_vip,
        nfs,
        storage_classes,
        priority_classes,
        ingress,
        monitoring,
        charts,
        chart_secrets,
        secret_stores,
        sops,
        velero: None,
        gitops,
        base: Environment::default(),
        environments: Vec::new(),
        claims: Vec::new(),
        checks,
        allow,
        external,
        image_updates: inventory.image_updates.clone(),
        unread: Arc::clone(&inventory.unread),
        written: Reread::Kept(
            Arc::clone(&inventory.root),
            inventory.text.clone().map(|text| (text, inventory.file)),
        ),
        place: inventory.tables.gitops.as_ref().map_or(inventory.root.span, |gitops| gitops.span),
        pool_lookup: OnceLock::new(),
        node_labels: OnceLock::new(),
    };
    gateway::ask_for_addresses(&mut model);
    (model.base, model.environments) = lower_environments(&mut resolver, &model);
    environment::report_undeclared(&mut resolver);
    resolver.escaping = flux::substitutes(model.gitops.as_ref(), Layer::Infrastructure, None);
    model.velero = velero::lower(&mut resolver, &model);
    resolver.escaping = false;
    waves::order_charts(&mut model, &mut resolver.found);
    steps::part_charts(&mut model, &mut resolver.found);
    stack::share_namespaces(&mut model);
    load_balancer::serve_namespaces(&mut model);
    delivery::plan(&mut model);
    let updates = images::gather(&model);
    if let Some(gitops) = model.gitops.as_mut() {
        gitops.flux.extras.images = updates;
        let by_flux = gitops.infrastructure == Engine::Flux;
        find_beside_charts(&mut gitops.flux.extras, if by_flux { &model.charts } else { &[] });
    }
    marks::mark_charts(&mut model);
    facts::gather(&mut model);
    model.claims = claims::gather(&model, &resolver);
    facts::count_left(&mut model);
    model.network.addresses = facts::addresses(&model);
    match resolver.outgrown() {
        Some(diagnostics) => Outcome { value: None, diagnostics },
        None => Outcome { value: Some(model), diagnostics: resolver.found },
    }
}

/// The defaults, and what is deployed. Most clusters have an environment that changes nothing: it and the defaults
/// are lowered once.
fn lower_environments<'a>(resolver: &mut Resolver<'a>, model: &Model) -> (Environment, Vec<Environment>) {
    let declared = &resolver.inventory.tables.environments;
    let (alike, mut wanted): (Vec<_>, Vec<_>) =
        declared.keys().map(|name| Some(name.as_str())).partition(|name| changes_nothing(resolver, *name));
    let stand_in = alike.first().copied().flatten();
    wanted.push(stand_in);
    let mut lowered = lower_each(resolver, model, wanted);
    let base = match lowered.get(&stand_in) {
        // Texts with `${environment.name}` differ even so.
        Some(environment) if stand_in.is_some() && environment.names_itself => {
            let others = alike.into_iter().skip(1).chain([None]).collect();
            lowered.extend(lower_each(resolver, model, others));
            lowered.remove(&None).unwrap_or_default()
        }
        Some(environment) => environment.under(Environment::default()),
        None => Environment::default(),
    };
    let mut environments: Vec<Environment> = declared
        .keys()
        .map(|name| match lowered.remove(&Some(name.as_str())) {
            Some(environment) => environment,
            None => base.under(environment::lower_head(resolver, Some(name))),
        })
        .collect();
    if environments.is_empty() {
        environments
            .push(base.under(Environment { name: ONLY_ENVIRONMENT.to_owned(), ..Environment::default() }));
    }
    (base, environments)
}

fn changes_nothing(resolver: &Resolver<'_>, name: Option<&str>) -> bool {
    let table = name.and_then(|name| resolver.inventory.tables.environments.get(name));
    table.is_some_and(|table| table.value.changes_nothing())
}

fn lower_each<'a>(
    resolver: &mut Resolver<'a>,
    model: &Model,
    names: Vec<Option<&'a str>>,
) -> BTreeMap<Option<&'a str>, Environment> {
    let inventory = resolver.inventory;
    let lower = |name: Option<&'a str>| {
        let mut own = Resolver::new(inventory);
        (name, environment::lower_environment(&mut own, model, name), own)
    };
    let lowered: Vec<_> = names.into_par_iter().map(lower).collect();
    lowered
        .into_iter()
        .map(|(name, environment, own)| {
            resolver.absorb(own);
            (name, environment)
        })
        .collect()
}

fn lower_checks(inventory: &Inventory) -> Vec<Check> {
    let entries = inventory.tables.checks.iter();
    entries
        .map(|(rule, entry)| Check { rule: Spanned::new(rule.clone(), entry.key), setting: entry.value })
        .collect()
}

/// An empty reason is none: whoever reads the entry in a year would have to guess.
fn lower_allow(inventory: &Inventory, found: &mut Diagnostics) -> Vec<Allow> {
    let reasons = inventory.tables.allow.iter().filter_map(|entry| entry.reason.as_ref());
    for reason in reasons.filter(|reason| reason.trim().is_empty()) {
        found.push(
            MISSING_KEY
                .at(reason.span, "says nothing", "an `[[allow]]` entry gives no reason")
                .help("say in a few words why the finding is accepted, and until when"),
        );
    }
    let entries = inventory.tables.allow.iter();
    let complete = entries.filter_map(|entry| Some((entry, entry.rule.as_ref()?, entry.on.as_ref()?)));
    complete
        .map(|(entry, rule, on)| Allow { rule: rule.clone(), on: on.0.clone(), place: entry.span })
        .collect()
}
