//! What environments share: the cluster, its network, nodes, storage and charts.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;
use serde_json::Value as Json;

use crate::address::{Family, Range, parse_cidr, parse_range_or_host};
use crate::diagnostic::Diagnostic;
use crate::inventory;
use crate::inventory::network::{Cni, Role};
use crate::inventory::record::Map;
use crate::inventory::stack::Layer;
use crate::inventory::storage::{Backend, BindingMode, ReclaimPolicy};
use crate::inventory::value::{AddressText, OneOrMany, PodSecurity, RangeText, Text};
use crate::model::argocd::customize;
use crate::model::flux::substitutes;
use crate::model::gitops::{Gitops, brings_along};
use crate::model::machine;
use crate::model::policy::{PodSecurityLevels, lower_pod_security};
use crate::model::references::{QuantityValue, Resolver};
use crate::model::{BAD_NAME, BAD_VALUE, CONFLICTING_KEYS, UNKNOWN_REFERENCE};
use crate::quantity::Quantity;
use crate::source::{Span, Spanned};

/// The cluster's name, if the inventory gives none.
pub const DEFAULT_NAME: &str = "cluster";
/// The cluster's DNS domain, if the inventory gives none.
pub const DEFAULT_DOMAIN: &str = "cluster.local";
/// The Kubernetes version, if the inventory gives none.
pub const DEFAULT_KUBERNETES: &str = "1.34";

/// What is true of the whole cluster.
#[derive(Clone, Debug, Serialize)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Its Kubernetes version, as written.
    pub kubernetes: String,
    /// The version as numbers.
    #[serde(skip)]
    pub version: (u32, u32),
    /// Its DNS domain.
    pub domain: String,
    /// Networks of pods.
    pub pod_cidrs: Vec<Spanned<Range>>,
    /// Networks of ClusterIPs; the first one's family is what Services get by default.
    pub service_cidrs: Vec<Spanned<Range>>,
    /// Where the API server answers, as written.
    pub api_endpoint: Option<String>,
    /// The address in it, if it has one.
    #[serde(skip)]
    pub api_address: Option<Spanned<IpAddr>>,
    /// Virtual addresses of the control plane.
    pub vips: Vec<Spanned<IpAddr>>,
    /// Its time zone.
    pub timezone: Option<String>,
    /// Where the ConfigMap of these facts lives: with the engine that applies the infrastructure, else in `default`.
    pub inventory_namespace: String,
}

impl Cluster {
    /// The families that a Service can have; both if the inventory does not say.
    pub fn service_families(&self) -> Vec<Family> {
        self.service_cidrs.iter().map(|cidr| cidr.value.family()).collect()
    }
}

/// The network that the nodes stand in.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Network {
    /// Its networks.
    pub lan: Vec<Spanned<Range>>,
    /// The routers.
    pub gateways: Vec<Spanned<IpAddr>>,
    /// Whether Cilium keeps the policies, which can name hosts then.
    pub cilium: bool,
    /// The name servers that machines ask.
    pub dns: Vec<IpAddr>,
    /// What DHCP gives out.
    pub dhcp: Vec<Spanned<Range>>,
    /// Other machines' addresses, by name.
    pub reserved: Vec<Reserved>,
    /// What the inventory knows of the cluster and its network, as variables.
    pub facts: BTreeMap<String, String>,
    /// Who has which single address, in order of addresses.
    pub addresses: Vec<AddressRow>,
}

/// An address and who has it.
#[derive(Clone, Debug, Serialize)]
pub struct AddressRow {
    /// The address.
    pub address: IpAddr,
    /// Who has it, in words.
    pub owner: String,
    /// The environment it is had in; none for what environments share.
    pub environment: Option<String>,
    /// The pool that a load balancer's comes from.
    pub pool: Option<String>,
    /// Where the inventory says so, as its path.
    pub subject: String,
}

/// Addresses of another machine.
#[derive(Clone, Debug, Serialize)]
pub struct Reserved {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<Spanned<IpAddr>>,
}

/// A machine of the cluster.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<Spanned<IpAddr>>,
    /// Its network interface.
    pub interface: Option<String>,
    /// The disk to install on.
    pub disk: Option<String>,
    /// What it does.
    pub role: Role,
    /// Whether ordinary pods may run on it.
    pub schedulable: bool,
    /// Processors, if known.
    pub cpu: Option<Spanned<QuantityValue>>,
    /// Memory, if known.
    pub memory: Option<Spanned<QuantityValue>>,
    /// GPUs, by resource name.
    pub gpus: BTreeMap<String, i64>,
    /// Its labels, with those that every node has.
    pub labels: BTreeMap<String, String>,
    /// Its taints.
    pub taints: Vec<Taint>,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value; may be empty.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// An NFS server.
#[derive(Clone, Debug, Serialize)]
pub struct Nfs {
    /// Its name.
    pub name: String,
    /// Its address or host name.
    pub server: Spanned<String>,
    /// The address, if it is one.
    #[serde(skip)]
    pub address: Option<Spanned<IpAddr>>,
    /// Its exports: name to path.
    pub exports: BTreeMap<String, Spanned<String>>,
    /// Mount options.
    pub mount_options: Vec<String>,
}

/// A path on an NFS server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NfsPath {
    /// The server's address or name.
    pub server: String,
    /// The path on it.
    pub path: String,
    /// Mount options.
    pub mount_options: Vec<String>,
}

/// A storage class.
#[derive(Clone, Debug, Serialize)]
pub struct StorageClass {
    /// Its name.
    pub name: String,
    /// What keeps the data.
    pub backend: Backend,
    /// The export behind it.
    pub nfs: Option<NfsPath>,
    /// Whether claims without a class get it.
    pub default: bool,
    /// Given one, the object is written.
    pub provisioner: Option<String>,
    /// The provisioner's parameters.
    pub parameters: BTreeMap<String, String>,
    /// What happens to a volume when its claim goes.
    pub reclaim_policy: ReclaimPolicy,
    /// When a volume is made.
    pub volume_binding_mode: BindingMode,
    /// Whether claims may grow.
    pub allow_volume_expansion: bool,
    /// Mount options.
    pub mount_options: Vec<String>,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// A Helm chart.
#[derive(Clone, Debug, Serialize)]
pub struct Chart {
    /// Its name in the inventory.
    pub name: String,
    /// The repository.
    pub repository: String,
    /// Whether that is an OCI registry.
    pub oci: bool,
    /// The chart's name in the repository.
    pub chart: String,
    /// Its version.
    pub version: String,
    /// The namespace it is installed in.
    pub namespace: Spanned<String>,
    /// Whether the tree writes that namespace with this chart: not one that the cluster or an engine brings
    /// along, and only with the first chart in it.
    pub writes_namespace: bool,
    /// The Helm release.
    pub release: String,
    /// The namespace of the objects that tell Flux to install it: its own, unless only the chart makes that one.
    pub release_namespace: String,
    /// Labels of its namespace, with its Pod Security Standard.
    pub namespace_labels: BTreeMap<String, String>,
    /// What it is for.
    pub description: Option<String>,
    /// The Pod Security Standard of its namespace.
    pub pod_security: Option<PodSecurity>,
    /// The same, with those that only warn.
    pub pod_security_levels: PodSecurityLevels,
    /// Its values.
    pub values: Json,
    /// How Flux releases it.
    pub flux: crate::model::flux::Release,
    /// How Argo CD installs it.
    pub argocd: crate::model::sources::OfChart,
    /// How Argo CD's Application of it is synced.
    pub sync: crate::model::argocd::Sync,
    /// The load balancer addresses it asks for.
    pub addresses: BTreeMap<String, Vec<Spanned<IpAddr>>>,
    /// Charts that must be ready before it, by name.
    pub depends_on: Vec<Spanned<String>>,
    /// How many charts must be ready before it, one after the other.
    pub wave: usize,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// A map of plain texts with references replaced.
pub fn texts(resolver: &mut Resolver<'_>, map: &Map<inventory::value::Scalar>) -> BTreeMap<String, String> {
    map.iter().map(|(key, entry)| (key.clone(), resolver.text(&entry.value.0).value)).collect()
}

/// A list of plain texts with references replaced.
pub fn list(resolver: &mut Resolver<'_>, list: &[Text]) -> Vec<String> {
    list.iter().map(|text| resolver.text(text).value).collect()
}

/// An optional text with references replaced.
pub fn optional(resolver: &mut Resolver<'_>, text: Option<&Text>) -> Option<String> {
    text.map(|text| resolver.text(text).value)
}

/// Lowers `[cluster]`.
pub fn lower_cluster(resolver: &mut Resolver<'_>, gitops: Option<&Gitops>) -> Cluster {
    let absent = inventory::network::Cluster::default();
    let table = resolver.inventory.tables.cluster.as_ref().unwrap_or(&absent);
    let kubernetes = table.kubernetes.as_ref().map(|text| resolver.text(text));
    let version = kubernetes.as_ref().map(|text| (text, kubernetes_version(text)));
    if let Some((text, None)) = &version {
        resolver.found.push(
            BAD_VALUE
                .at(text.span, "not major.minor", format!("`{text}` is not a Kubernetes version"))
                .help("write major and minor, such as \"1.34\""),
        );
    }
    let version = version.and_then(|(_, version)| version);
    let endpoint = table.api_endpoint.as_ref().map(|text| resolver.text(text));
    // A reference to a node's address is that node's own claim.
    let own = !table.api_endpoint.as_ref().is_some_and(|text| text.contains("${"));
    let api_address = endpoint.as_ref().filter(|_| own).and_then(|endpoint| {
        let host = Spanned::new(host_of(endpoint).to_owned(), endpoint.span);
        if like_an_address(&host) { resolver.address(&AddressText(host)) } else { None }
    });
    Cluster {
        name: optional(resolver, table.name.as_ref()).unwrap_or_else(|| DEFAULT_NAME.to_owned()),
        kubernetes: kubernetes.map_or_else(|| DEFAULT_KUBERNETES.to_owned(), |text| text.value),
        version: version.unwrap_or((1, 34)),
        domain: optional(resolver, table.domain.as_ref()).unwrap_or_else(|| DEFAULT_DOMAIN.to_owned()),
        pod_cidrs: cidrs(resolver, table.pod_cidr.as_ref()),
        service_cidrs: cidrs(resolver, table.service_cidr.as_ref()),
        api_endpoint: endpoint.map(|text| text.value),
        api_address,
        vips: addresses(resolver, table.vip.as_ref()),
        timezone: optional(resolver, table.timezone.as_ref()),
        inventory_namespace: gitops.map_or("default", |gitops| gitops.engine_namespace()).to_owned(),
    }
}

/// `1.34` or `v1.34.2` as numbers.
fn kubernetes_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix('v').unwrap_or(text).split('.').map(str::parse);
    let version = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    numbers.all(|number| number.is_ok()).then_some(version)
}

/// The host in `https://host:port/…`, `host:port` or `host`; IPv6 without its brackets.
fn host_of(endpoint: &str) -> &str {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    if let Some(bracketed) = authority.strip_prefix('[') {
        return bracketed.split(']').next().unwrap_or_default();
    }
    match authority.matches(':').count() {
        1 => authority.split(':').next().unwrap_or_default(),
        _ => authority,
    }
}

fn cidrs(
    resolver: &mut Resolver<'_>,
    texts: Option<&OneOrMany<inventory::value::CidrText>>,
) -> Vec<Spanned<Range>> {
    let texts = texts.map(|texts| texts.0.as_slice()).unwrap_or_default();
    texts.iter().filter_map(|text| resolver.range(&text.0, parse_cidr)).collect()
}

fn ranges(resolver: &mut Resolver<'_>, texts: &[RangeText]) -> Vec<Spanned<Range>> {
    texts.iter().filter_map(|text| resolver.range(&text.0, parse_range_or_host)).collect()
}

/// Addresses of a key that takes one or many.
pub fn addresses(
    resolver: &mut Resolver<'_>,
    texts: Option<&OneOrMany<AddressText>>,
) -> Vec<Spanned<IpAddr>> {
    let texts = texts.map(|texts| texts.0.as_slice()).unwrap_or_default();
    texts.iter().filter_map(|text| resolver.address(text)).collect()
}

/// Lowers `[network]`.
pub fn lower_network(resolver: &mut Resolver<'_>, charts: &[Chart]) -> Network {
    let tables = &resolver.inventory.tables;
    let cilium = tables.cilium.is_some() || charts.iter().any(|chart| chart.chart == "cilium");
    let Some(table) = &tables.network else { return Network { cilium, ..Network::default() } };
    let reserved = table.reserved.iter();
    Network {
        cilium: table.cni.map_or(cilium, |cni| cni.value == Cni::Cilium),
        lan: cidrs(resolver, table.lan.as_ref()),
        gateways: addresses(resolver, table.gateway.as_ref()),
        dns: table.dns.iter().filter_map(|text| Some(resolver.address(text)?.value)).collect(),
        dhcp: ranges(resolver, table.dhcp.as_ref().map(|dhcp| dhcp.0.as_slice()).unwrap_or_default()),
        reserved: reserved
            .map(|(name, entry)| Reserved {
                name: name.clone(),
                addresses: addresses(resolver, Some(&entry.value)),
            })
            .collect(),
        facts: BTreeMap::new(),
        addresses: Vec::new(),
    }
}

/// Lowers `[nodes]`.
pub fn lower_nodes(resolver: &mut Resolver<'_>) -> Vec<Node> {
    let tables = &resolver.inventory.tables.nodes;
    let role = |node: &inventory::network::Node| node.role.as_ref().map_or(Role::Worker, |role| role.value);
    let has_worker = tables.values().any(|node| role(node) == Role::Worker);
    tables
        .iter()
        .map(|(name, entry)| {
            let table = &entry.value;
            check_name(resolver, name, entry.key, "a node", NameKind::Subdomain);
            let role = role(table);
            let ordinary = role == Role::Worker || !has_worker;
            Node {
                addresses: node_addresses(resolver, name, table),
                interface: machine::interface(resolver, table.interface.as_ref()),
                disk: machine::disk(resolver, table.disk.as_ref()),
                role,
                schedulable: table.schedulable.as_ref().map_or(ordinary, |flag| flag.value),
                cpu: table.cpu.as_ref().and_then(|text| resolver.quantity(text)),
                memory: table.memory.as_ref().and_then(|text| resolver.quantity(text)),
                gpus: gpus(table.gpu.as_ref()),
                labels: node_labels(resolver, name, role, &table.labels),
                taints: table.taints.iter().filter_map(|text| taint(resolver, text)).collect(),
                name: name.clone(),
                place: entry.key,
            }
        })
        .collect()
}

fn node_addresses(
    resolver: &mut Resolver<'_>,
    name: &str,
    table: &inventory::network::Node,
) -> Vec<Spanned<IpAddr>> {
    match (&table.ip, table.ips.as_slice()) {
        (Some(ip), [first, ..]) => resolver.found.push(
            CONFLICTING_KEYS
                .at(first.0.span, "and here again", format!("node `{name}` has both `ip` and `ips`"))
                .because(ip.0.span, "one is given here")
                .help("keep `ips` for an address of each family, else `ip`"),
        ),
        (None, []) => resolver.found.push(
            inventory::MISSING_KEY
                .at(table.span, "`ip` is missing here", format!("`nodes.{name}` needs `ip`"))
                .help("add `ip`: its address"),
        ),
        _ => {}
    }
    let texts = table.ip.iter().chain(&table.ips);
    texts.filter_map(|text| resolver.address(text)).collect()
}

/// GPUs by resource name.
pub fn gpus(gpu: Option<&inventory::network::Gpu>) -> BTreeMap<String, i64> {
    let counts = gpu.into_iter().flat_map(|gpu| gpu.0.iter());
    counts.map(|(name, count)| (name.clone(), count.value.value)).filter(|(_, count)| *count > 0).collect()
}

fn node_labels(
    resolver: &mut Resolver<'_>,
    name: &str,
    role: Role,
    own: &Map<inventory::value::Scalar>,
) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([("kubernetes.io/hostname".to_owned(), name.to_owned())]);
    if role == Role::ControlPlane {
        labels.insert("node-role.kubernetes.io/control-plane".to_owned(), String::new());
    }
    labels.extend(texts(resolver, own));
    labels
}

fn taint(resolver: &mut Resolver<'_>, text: &Text) -> Option<Taint> {
    let written = resolver.text(text);
    let parsed = written.rsplit_once(':').and_then(|(pair, effect)| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let known = ["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect);
        let taint = Taint { key: key.to_owned(), value: value.to_owned(), effect: effect.to_owned() };
        (known && !key.is_empty()).then_some(taint)
    });
    if parsed.is_none() {
        resolver.found.push(
            BAD_VALUE
                .at(written.span, "not a taint", format!("`{written}` is not a taint"))
                .help("write `key=value:NoSchedule` or `key:NoSchedule` (or PreferNoSchedule, NoExecute)"),
        );
    }
    parsed
}

/// Lowers `[charts]`.
pub fn lower_charts(resolver: &mut Resolver<'_>, gitops: Option<&Gitops>) -> Vec<Chart> {
    let tables = &resolver.inventory.tables.charts;
    let mut namespaces = std::collections::BTreeSet::new();
    let escaping = substitutes(resolver, Layer::Infrastructure, None);
    let charts = tables
        .iter()
        .map(|(name, entry)| {
            check_name(resolver, name, entry.key, "a chart", NameKind::Label);
            resolver.escaping = escaping;
            let mut chart = resolver.within_chart(name, |resolver| lower_chart(resolver, name, &entry.value));
            chart.place = entry.key;
            if !chart.namespace.is_empty() {
                check_name(resolver, &chart.namespace, chart.namespace.span, "a namespace", NameKind::Label);
            }
            chart.release_namespace = release_namespace(gitops, &chart.namespace);
            chart.writes_namespace =
                !brings_along(gitops, &chart.namespace) && namespaces.insert(chart.namespace.value.clone());
            if let Some(gitops) = gitops {
                chart.sync = gitops.argocd.extras.of_chart(name, &chart.chart);
                if chart.chart == "argo-cd" {
                    customize(&mut chart.values, &gitops.argocd.extras);
                }
            }
            let of_argocd = entry.value.argocd.as_ref();
            chart.argocd = resolver.within_chart(name, |resolver| {
                crate::model::sources::lower_of_chart(resolver, gitops, name, of_argocd, &chart.values)
            });
            chart
        })
        .collect();
    resolver.escaping = false;
    charts
}

/// Flux runs before Argo CD does: that one's namespace comes with its chart.
fn release_namespace(gitops: Option<&Gitops>, namespace: &str) -> String {
    match gitops {
        Some(gitops) if namespace == gitops.argocd.namespace => gitops.flux.namespace.clone(),
        _ => namespace.to_owned(),
    }
}

/// Helm takes release names of at most so many characters.
const LONGEST_RELEASE: usize = 53;

fn release_name(resolver: &mut Resolver<'_>, name: &str, table: &inventory::chart::Chart) -> String {
    let own = optional_name(resolver, table.release.as_ref(), "a Helm release", NameKind::Subdomain);
    let release = own.unwrap_or_else(|| name.to_owned());
    if release.len() > LONGEST_RELEASE {
        let shown: String = release.chars().take(80).collect();
        let message =
            format!("`{shown}` cannot name a Helm release: it is longer than {LONGEST_RELEASE} characters");
        let span = table.release.as_ref().map_or(table.span, |text| text.span);
        let finding = BAD_NAME.at(span, "too long for Helm", message).about(format!("charts.{name}"));
        resolver.found.push(finding.help("give it a shorter `release`"));
    }
    release
}

fn lower_chart(resolver: &mut Resolver<'_>, name: &str, table: &inventory::chart::Chart) -> Chart {
    let charts = &resolver.inventory.tables.charts;
    let repository = optional(resolver, table.repository.as_ref()).unwrap_or_default();
    let namespace = table.namespace.as_ref().map(|text| resolver.text(text));
    let values = table.values.as_ref().map(|values| resolver.value(&values.0));
    let depends_on = table.depends_on.iter().map(|text| resolver.text(text)).collect::<Vec<_>>();
    let pod_security_levels = lower_pod_security(resolver, table.pod_security.as_ref());
    Chart {
        oci: repository.starts_with("oci://"),
        repository: repository.trim_end_matches('/').to_owned(),
        chart: optional(resolver, table.chart.as_ref()).unwrap_or_default(),
        version: optional(resolver, table.version.as_ref()).unwrap_or_default(),
        namespace: namespace.unwrap_or_default(),
        writes_namespace: false,
        release_namespace: String::new(),
        namespace_labels: BTreeMap::new(),
        release: release_name(resolver, name, table),
        description: optional(resolver, table.description.as_ref()),
        pod_security: pod_security_levels.enforce,
        pod_security_levels,
        values: values.unwrap_or(Json::Null),
        flux: crate::model::flux::lower_release(resolver, table.flux.as_ref()),
        argocd: crate::model::sources::OfChart::default(),
        sync: crate::model::argocd::Sync::default(),
        addresses: table
            .addresses
            .iter()
            .map(|(key, entry)| (key.clone(), addresses(resolver, Some(&entry.value))))
            .collect(),
        depends_on: known_only(
            resolver,
            depends_on,
            "chart",
            |name| charts.contains_key(name),
            || charts.keys().map(String::as_str).collect(),
        ),
        wave: 0,
        name: name.to_owned(),
        place: table.span,
    }
}

/// Keeps the names that exist and reports the others.
pub fn known_only<'k>(
    resolver: &mut Resolver<'_>,
    names: Vec<Spanned<String>>,
    what: &str,
    exists: impl Fn(&str) -> bool,
    known: impl Fn() -> Vec<&'k str>,
) -> Vec<Spanned<String>> {
    let (there, missing): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| exists(name));
    for name in missing {
        report_unknown(resolver, &name, what, &known());
    }
    there
}

/// Reports a name that nothing has.
pub fn report_unknown(resolver: &mut Resolver<'_>, name: &Spanned<String>, what: &str, known: &[&str]) {
    report_undeclared(resolver, name, what, known, &format!("the inventory declares no {what}"));
}

/// The same, with what helps where nothing of the sort is declared.
pub fn report_undeclared(
    resolver: &mut Resolver<'_>,
    name: &Spanned<String>,
    what: &str,
    known: &[&str],
    none: &str,
) {
    let (kind, place) =
        what.split_once(" of ").map_or((what, String::new()), |(kind, of)| (kind, format!(" of {of}")));
    let message = format!("there is no {kind} `{name}`{place}");
    let diagnostic = UNKNOWN_REFERENCE.at(name.span, format!("no such {what}"), message);
    let help = match resolver.guess(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => none.to_owned(),
        None => format!("declared: {}", known.iter().take(12).copied().collect::<Vec<_>>().join(", ")),
    };
    resolver.found.push(diagnostic.help(help));
}

/// Lowers `[nfs]`.
pub fn lower_nfs(resolver: &mut Resolver<'_>) -> Vec<Nfs> {
    let tables = &resolver.inventory.tables.nfs;
    tables
        .iter()
        .map(|(name, entry)| {
            let table = &entry.value;
            let server = table.server.as_ref().map(|text| resolver.text(&text.0)).unwrap_or_default();
            let own = table.server.as_ref().is_some_and(|text| !text.0.contains("${"));
            let exports = table.exports.iter();
            Nfs {
                address: if own { nfs_address(resolver, &server) } else { None },
                server,
                exports: exports.map(|(key, entry)| (key.clone(), resolver.text(&entry.value))).collect(),
                mount_options: list(resolver, &table.mount_options),
                name: name.clone(),
            }
        })
        .collect()
}

/// A server that looks like an address must be one; anything else is a host name.
fn nfs_address(resolver: &mut Resolver<'_>, server: &Spanned<String>) -> Option<Spanned<IpAddr>> {
    if like_an_address(server) {
        return resolver
            .range(server, |text| crate::address::parse_host(text).map(Range::single))
            .map(|range| range.map(Range::first));
    }
    check_name(resolver, server, server.span, "a server", NameKind::Subdomain);
    None
}

/// Names have letters and no colons.
fn like_an_address(host: &str) -> bool {
    host.contains(':') || host.chars().all(|c| c.is_ascii_digit() || ".-/".contains(c))
}

/// An NFS export named as `server/export`; reported and `None` if there is none.
pub fn nfs_path(resolver: &mut Resolver<'_>, servers: &[Nfs], written: &Spanned<String>) -> Option<NfsPath> {
    let (server, export) = written.split_once('/').unwrap_or((written, ""));
    if export.is_empty() {
        let known = servers.iter().find(|nfs| nfs.name == server).map(|nfs| nfs.exports.keys());
        let known: Vec<String> =
            known.into_iter().flatten().take(6).map(|export| format!("`{server}/{export}`")).collect();
        let help = match known.is_empty() {
            true => "write the server and the export: `server/export`".to_owned(),
            false => format!("write the server and the export: {}", known.join(", ")),
        };
        resolver.found.push(
            UNKNOWN_REFERENCE
                .at(written.span, "no export", format!("`{written}` does not name an NFS export"))
                .help(help),
        );
        return None;
    }
    let Some(nfs) = servers.iter().find(|nfs| nfs.name == server) else {
        let known = resolver.known(servers.iter().map(|nfs| nfs.name.as_str()));
        report_unknown(resolver, &Spanned::new(server.to_owned(), written.span), "NFS server", &known);
        return None;
    };
    let Some(path) = nfs.exports.get(export) else {
        let known = resolver.known(nfs.exports.keys().map(String::as_str));
        let what = format!("export of NFS server `{server}`");
        report_unknown(resolver, &Spanned::new(export.to_owned(), written.span), &what, &known);
        return None;
    };
    Some(NfsPath {
        server: nfs.server.value.clone(),
        path: path.value.clone(),
        mount_options: nfs.mount_options.clone(),
    })
}

/// Lowers `[storage-classes]`.
pub fn lower_storage_classes(resolver: &mut Resolver<'_>, servers: &[Nfs]) -> Vec<StorageClass> {
    let tables = &resolver.inventory.tables.storage_classes;
    tables
        .iter()
        .map(|(name, entry)| {
            let table = &entry.value;
            check_name(resolver, name, entry.key, "a storage class", NameKind::Subdomain);
            let backend = table.backend.as_ref().map_or(Backend::Block, |backend| backend.value);
            let nfs = table.nfs.as_ref().map(|text| resolver.text(text));
            let late = match backend {
                Backend::Local => BindingMode::WaitForFirstConsumer,
                _ => BindingMode::Immediate,
            };
            StorageClass {
                nfs: nfs.and_then(|written| nfs_path(resolver, servers, &written)),
                default: table.default.as_ref().is_some_and(|flag| flag.value),
                provisioner: optional(resolver, table.provisioner.as_ref()),
                parameters: texts(resolver, &table.parameters),
                reclaim_policy: table
                    .reclaim_policy
                    .as_ref()
                    .map_or(ReclaimPolicy::Delete, |policy| policy.value),
                volume_binding_mode: table.volume_binding_mode.as_ref().map_or(late, |mode| mode.value),
                allow_volume_expansion: table.allow_volume_expansion.as_ref().is_some_and(|flag| flag.value),
                mount_options: list(resolver, &table.mount_options),
                backend,
                name: name.clone(),
                place: entry.key,
            }
        })
        .collect()
}

/// What Kubernetes asks of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// RFC 1123 label: lower-case letters, digits and `-`, at most 63.
    Label,
    /// RFC 1035 label: as before, and beginning with a letter. Services need it.
    ServiceLabel,
    /// RFC 1123 subdomain: labels joined by dots, at most 253.
    Subdomain,
}

/// Reports a name that Kubernetes refuses.
pub fn check_name(resolver: &mut Resolver<'_>, name: &str, span: Span, what: &str, kind: NameKind) {
    let Some(reason) = name_fault(name, kind) else { return };
    let shown: String = name.chars().take(80).collect();
    let mut diagnostic = BAD_NAME.at(span, "not a name", format!("`{shown}` cannot name {what}: {reason}"));
    let mended = mend_name(name, kind);
    if !mended.is_empty() && mended != name {
        diagnostic = diagnostic.help(format!("write `{mended}`"));
    }
    resolver.found.push(diagnostic);
}

/// Why Kubernetes refuses a name, if it does.
pub fn name_fault(name: &str, kind: NameKind) -> Option<&'static str> {
    let label_fault = |label: &str| {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        match label {
            "" => Some("it has an empty part"),
            _ if !label.chars().all(allowed) => Some("only lower-case letters, digits and `-` are allowed"),
            _ if label.starts_with('-') || label.ends_with('-') => Some("it begins or ends with `-`"),
            _ if label.len() > 63 => Some("it is longer than 63 characters"),
            _ => None,
        }
    };
    match kind {
        _ if name.is_empty() => Some("it is empty"),
        NameKind::Label => label_fault(name),
        NameKind::ServiceLabel => label_fault(name).or_else(|| {
            name.starts_with(|c: char| c.is_ascii_digit()).then_some("a Service's name begins with a letter")
        }),
        NameKind::Subdomain if name.len() > 253 => Some("it is longer than 253 characters"),
        NameKind::Subdomain => name.split('.').find_map(label_fault),
    }
}

fn mend_name(name: &str, kind: NameKind) -> String {
    let keep_dots = kind == NameKind::Subdomain;
    let mapped: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || (c == '.' && keep_dots) { c } else { '-' })
        .take(63)
        .collect();
    let trimmed = mapped.trim_matches(['-', '.']).to_owned();
    match kind {
        NameKind::ServiceLabel if trimmed.starts_with(|c: char| c.is_ascii_digit()) => format!("s{trimmed}"),
        _ if name_fault(&trimmed, kind).is_some() => String::new(),
        _ => trimmed,
    }
}

/// An amount for sums; absent counts as nothing.
pub fn amount(quantity: Option<&Spanned<QuantityValue>>) -> Option<Quantity> {
    quantity.map(|quantity| quantity.value.amount)
}

/// An optional name of an object, references replaced; reported if Kubernetes refuses it. What Flux fills in later is
/// not known yet.
pub fn optional_name(
    resolver: &mut Resolver<'_>,
    text: Option<&Text>,
    what: &str,
    kind: NameKind,
) -> Option<String> {
    let name = resolver.text(text?);
    if !name.contains("${") {
        check_name(resolver, &name, name.span, what, kind);
    }
    Some(name.value)
}

/// Of keys that exclude each other exactly one must be given. `what` is the table they stand in, `place` where.
///
/// # Errors
/// The finding, if none or more than one is.
pub fn one_of(given: &[(&str, Option<Span>)], what: &str, place: Span) -> Result<(), Diagnostic> {
    let keys: Vec<String> = given.iter().map(|(key, _)| format!("`{key}`")).collect();
    let mut there = given.iter().filter_map(|(key, span)| Some((key, (*span)?)));
    match (there.next(), there.next()) {
        (Some(_), None) => Ok(()),
        (Some((first, first_span)), Some((second, second_span))) => Err(CONFLICTING_KEYS
            .at(second_span, "and this", format!("{what} has both `{first}` and `{second}`"))
            .because(first_span, "this")
            .help("keep one of them")),
        (None, _) => Err(inventory::MISSING_KEY
            .at(place, "does not say which", format!("{what} has none of {}", keys.join(", ")))
            .help(format!("add one of {}", keys.join(", ")))),
    }
}
