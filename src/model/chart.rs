//! Helm charts that the inventory installs.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;
use serde_json::Value as Json;

use crate::inventory;
use crate::inventory::stack::Layer;
use crate::inventory::value::PodSecurity;
use crate::model::argocd::customize;
use crate::model::cluster::addresses;
use crate::model::flux::substitutes;
use crate::model::gitops::{Gitops, brings_along};
use crate::model::naming::{NameKind, check_name, known_only, optional_name};
use crate::model::policy::{PodSecurityLevels, lower_pod_security};
use crate::model::references::Resolver;
use crate::model::texts::{Texts, optional};
use crate::model::{BAD_NAME, BAD_VALUE};
use crate::source::{Span, Spanned};

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
    /// The same as a tag of a registry, which knows no `+`: Helm writes it as `_`.
    pub tag: String,
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
    pub namespace_labels: Texts,
    /// What it is for.
    pub description: Option<String>,
    /// The Pod Security Standard of its namespace.
    pub pod_security: Option<PodSecurity>,
    /// The same, with those that only warn.
    pub pod_security_levels: PodSecurityLevels,
    /// Its values.
    pub values: Json,
    /// How Flux releases it.
    pub flux: crate::model::flux::release::Release,
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
    /// Whether it comes up with what stands in `infrastructure/configs`, and not before.
    pub late: bool,
    /// Whether Flux leaves it alone, or what it waits for: nothing may wait for it.
    #[serde(skip)]
    pub stuck: bool,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// Lowers `[charts]`.
pub fn lower_charts(resolver: &mut Resolver<'_>, gitops: Option<&Gitops>) -> Vec<Chart> {
    let tables = &resolver.inventory.tables.charts;
    let mut namespaces = std::collections::BTreeSet::new();
    let escaping = substitutes(gitops, Layer::Infrastructure, None);
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
    for (key, text) in [("chart", &table.chart), ("version", &table.version)] {
        if let Some(text) = text.as_ref().filter(|text| text.is_empty()) {
            let message = format!("`{key}` of chart `{name}` is empty");
            let finding = BAD_VALUE.at(text.span, "nothing", message).about(format!("charts.{name}"));
            resolver.found.push(finding.help(match key {
                "chart" => "name the chart as its repository does",
                _ => "write the version in full, such as \"1.2.3\"",
            }));
        }
    }
    let version = optional(resolver, table.version.as_ref()).unwrap_or_default();
    Chart {
        oci: repository.starts_with("oci://"),
        repository: repository.trim_end_matches('/').to_owned(),
        chart: optional(resolver, table.chart.as_ref()).unwrap_or_default(),
        tag: version.replace('+', "_"),
        version,
        namespace: namespace.unwrap_or_default(),
        writes_namespace: false,
        release_namespace: String::new(),
        namespace_labels: Texts::new(),
        release: release_name(resolver, name, table),
        description: optional(resolver, table.description.as_ref()),
        pod_security: pod_security_levels.enforce,
        pod_security_levels,
        values: values.unwrap_or(Json::Null),
        flux: crate::model::flux::release::lower_release(
            resolver,
            table.flux.as_ref(),
            &format!("charts.{name}"),
        ),
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
        late: false,
        stuck: false,
        name: name.to_owned(),
        place: table.span,
    }
}
