//! Where the tree is committed, and who applies it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::inventory;
use crate::inventory::stack::Layer;
use crate::inventory::value::{Duration, Engine};
use crate::model::BAD_VALUE;
use crate::model::cluster::DEFAULT_NAME;
use crate::model::delivery::Delivery;
use crate::model::flux::apply::{Time, Times};
use crate::model::marks::kept_by;
use crate::model::naming::{NameKind, optional_name};
use crate::model::references::Resolver;
use crate::model::texts::{Texts, optional, texts};
use crate::source::Span;

/// Where the tree is committed, and who applies it.
#[derive(Clone, Debug, Serialize)]
pub struct Gitops {
    /// The Git repository.
    pub repository: String,
    /// The branch or tag.
    pub revision: String,
    /// Where the tree stands in the repository, without slashes at its ends; empty is the repository itself.
    pub path: String,
    /// What leads from the repository to the tree: nothing, or the path with a slash.
    pub prefix: String,
    /// Who applies the infrastructure.
    pub infrastructure: Engine,
    /// Who applies the stacks.
    pub apps: Engine,
    /// Annotations of what stays when it leaves the tree: the AppProject, and the infrastructure's namespaces. What is
    /// in them is not known here: keys that a controller has made, claims that Helm leaves behind.
    pub kept: Texts,
    /// How Argo CD does it.
    pub argocd: Argocd,
    /// How Flux does it.
    pub flux: Flux,
    /// What is applied of the infrastructure, in order.
    pub deliveries: Vec<Delivery>,
    /// The place of the table.
    #[serde(skip)]
    pub place: Span,
}

/// How Argo CD applies the tree.
#[derive(Clone, Debug, Serialize)]
pub struct Argocd {
    /// Whether it applies anything of the tree.
    pub applies: bool,
    /// Its namespace.
    pub namespace: String,
    /// The AppProject.
    pub project: String,
    /// Delete what left the tree.
    pub prune: bool,
    /// Undo changes made by hand.
    pub self_heal: bool,
    /// How often a failed sync is tried again.
    pub retry_limit: i64,
    /// The first wait.
    pub retry_duration: String,
    /// By what the wait grows.
    pub retry_factor: i64,
    /// The longest wait.
    pub retry_max_duration: String,
    /// The cluster that it deploys to.
    pub server: String,
    /// The cluster that it runs in, where its own objects are.
    pub own_server: &'static str,
    /// The wave of the ApplicationSet of stacks.
    pub set_wave: usize,
    /// Deleting an Application deletes what it deployed.
    pub cascade: bool,
    /// The repositories that it needs: of the tree, and of charts.
    pub repositories: Vec<String>,
    /// The namespaces that it may deploy to; `*` for any.
    pub destinations: Vec<String>,
    /// The cluster-scoped kinds that it deploys, if they are not left to what is rendered: group and kind.
    pub cluster_kinds: Vec<ClusterKind>,
    /// What it is told beside the order.
    #[serde(flatten)]
    pub extras: crate::model::argocd::Extras,
}

/// A cluster-scoped kind that Argo CD may deploy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClusterKind {
    /// Its API group; empty for the core group, `*` for any.
    pub group: &'static str,
    /// The kind; `*` for any.
    pub kind: &'static str,
}

/// How Flux applies the tree.
#[derive(Clone, Debug, Serialize)]
pub struct Flux {
    /// Whether it applies anything of the tree.
    pub applies: bool,
    /// The revision as a GitRepository names it: a `branch`, `tag`, `commit` or `name`.
    pub reference: BTreeMap<&'static str, String>,
    /// Its namespace.
    pub namespace: String,
    /// How often the cluster is compared.
    pub interval: String,
    /// How soon a failure is tried again.
    pub retry_interval: String,
    /// How long health is waited for.
    pub timeout: String,
    /// How encrypted files are read.
    pub decryption: Option<Decryption>,
    /// Where the values of `${NAME}` come from.
    pub substitute_from: Vec<SubstituteFrom>,
    /// Values of `${NAME}`.
    pub substitute: BTreeMap<String, String>,
    /// The Secret that opens the repository.
    pub secret: Option<String>,
    /// What it is told beside the order.
    #[serde(flatten)]
    pub extras: crate::model::flux::Extras,
    /// The same times for rules, and where the table gives them.
    #[serde(skip)]
    pub times: Times,
}

/// How encrypted files are read.
#[derive(Clone, Debug, Serialize)]
pub struct Decryption {
    /// By what.
    pub provider: &'static str,
    /// The Secret with the key.
    pub secret: String,
}

/// An object whose keys are the values of `${NAME}`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SubstituteFrom {
    /// Its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Whether it may be missing.
    pub optional: bool,
}

impl Gitops {
    /// Who applies the stacks of a layer.
    pub fn engine_of(&self, layer: Layer) -> Engine {
        if layer == Layer::Apps { self.apps } else { self.infrastructure }
    }

    /// The namespace of the engine that applies the infrastructure.
    pub fn engine_namespace(&self) -> &str {
        match self.infrastructure {
            Engine::Argocd => &self.argocd.namespace,
            Engine::Flux => &self.flux.namespace,
        }
    }

    /// Whether Argo CD applies anything.
    pub fn uses_argocd(&self) -> bool {
        self.infrastructure == Engine::Argocd || self.apps == Engine::Argocd
    }

    /// Whether Flux applies anything.
    pub fn uses_flux(&self) -> bool {
        self.infrastructure == Engine::Flux || self.apps == Engine::Flux
    }
}

/// What Argo CD calls the cluster that it runs in.
const OWN_CLUSTER: &str = "https://kubernetes.default.svc";

/// Namespaces that every cluster has.
const SYSTEM_NAMESPACES: &[&str] = &["default", "kube-system", "kube-public", "kube-node-lease"];

/// Whether the cluster or an engine brings a namespace along.
pub fn brings_along(gitops: Option<&Gitops>, namespace: &str) -> bool {
    let engines = gitops.map(|gitops| [gitops.argocd.namespace.as_str(), gitops.flux.namespace.as_str()]);
    let engines = engines.unwrap_or(["argocd", "flux-system"]);
    SYSTEM_NAMESPACES.contains(&namespace) || engines.contains(&namespace)
}

/// Lowers `[gitops]`.
pub fn lower(resolver: &mut Resolver<'_>) -> Option<Gitops> {
    let table = resolver.inventory.tables.gitops.as_ref()?;
    let infrastructure = table.infrastructure.as_ref().or(table.apps.as_ref());
    let apps = table.apps.as_ref().or(table.infrastructure.as_ref());
    let path = optional(resolver, table.path.as_ref()).unwrap_or_else(|| "out".to_owned());
    let path = path.trim_start_matches("./").trim_matches('/').to_owned();
    let path = if path == "." { String::new() } else { path };
    let revision = optional(resolver, table.revision.as_ref()).unwrap_or_else(|| "main".to_owned());
    let infrastructure = infrastructure.map_or(Engine::Flux, |engine| engine.value);
    let mut gitops = Gitops {
        repository: optional(resolver, table.repository.as_ref()).unwrap_or_default(),
        prefix: if path.is_empty() { String::new() } else { format!("{path}/") },
        path,
        infrastructure,
        kept: kept_by(infrastructure),
        apps: apps.map_or(Engine::Flux, |engine| engine.value),
        argocd: lower_argocd(resolver, table.argocd.as_ref()),
        flux: lower_flux(resolver, table.flux.as_ref(), &revision),
        revision,
        deliveries: Vec::new(),
        place: table.span,
    };
    gitops.argocd.applies = gitops.uses_argocd();
    gitops.flux.applies = gitops.uses_flux();
    Some(gitops)
}

fn lower_argocd(resolver: &mut Resolver<'_>, table: Option<&inventory::gitops::Argocd>) -> Argocd {
    let absent = inventory::gitops::Argocd::default();
    let table = table.unwrap_or(&absent);
    let cluster = resolver.inventory.tables.cluster.as_ref().and_then(|cluster| cluster.name.as_ref());
    let cluster = optional_name(resolver, cluster, "a cluster that is delivered to", NameKind::Subdomain);
    let project = optional_name(resolver, table.project.as_ref(), "an AppProject", NameKind::Subdomain);
    let retry = table.retry.clone().unwrap_or_default();
    let backoff = retry.backoff.unwrap_or_default();
    Argocd {
        applies: false,
        repositories: Vec::new(),
        destinations: Vec::new(),
        cluster_kinds: Vec::new(),
        extras: crate::model::argocd::lower(resolver, table),
        namespace: optional_name(resolver, table.namespace.as_ref(), "a namespace", NameKind::Label)
            .unwrap_or_else(|| "argocd".to_owned()),
        project: project.or(cluster).unwrap_or_else(|| DEFAULT_NAME.to_owned()),
        prune: table.prune.as_ref().is_none_or(|flag| flag.value),
        self_heal: table.self_heal.as_ref().is_none_or(|flag| flag.value),
        retry_limit: retry.limit.map_or(10, |limit| limit.value),
        retry_duration: written(backoff.duration.as_ref(), "5s"),
        retry_factor: backoff.factor.map_or(2, |factor| factor.value),
        retry_max_duration: written(backoff.max_duration.as_ref(), "3m"),
        server: lower_server(resolver, table),
        own_server: OWN_CLUSTER,
        set_wave: 0,
        cascade: table.cascade.as_ref().is_none_or(|flag| flag.value),
    }
}

/// The API server of a cluster: Argo CD looks it up as it stands, so that the name of a cluster finds none.
fn lower_server(resolver: &mut Resolver<'_>, table: &inventory::gitops::Argocd) -> String {
    let Some(server) = table.server.as_ref().map(|text| resolver.text(text)) else {
        return OWN_CLUSTER.to_owned();
    };
    if !["https://", "http://"].iter().any(|scheme| server.starts_with(scheme)) && !server.contains("${") {
        let message = format!("`{server}` is no API server");
        let diagnostic = BAD_VALUE.at(server.span, "not a URL", message).about("gitops");
        resolver.found.push(diagnostic.help(format!(
            "write the address that Argo CD knows the cluster by: `https://…`; its own is \"{OWN_CLUSTER}\""
        )));
    }
    server.value
}

/// A version is a tag, forty hexadecimal digits are a commit, `refs/…` is a full name; all else is a branch.
fn revision_kind(revision: &str) -> &'static str {
    let version = revision.strip_prefix('v').unwrap_or(revision);
    let is_version = version.contains('.')
        && version.split(['.', '-', '+']).take(2).all(|part| part.parse::<u32>().is_ok());
    match revision {
        _ if revision.starts_with("refs/") => "name",
        _ if revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit()) => "commit",
        _ if is_version => "tag",
        _ => "branch",
    }
}

fn written(duration: Option<&Duration>, default: &str) -> String {
    duration.map_or_else(|| default.to_owned(), |duration| duration.0.value.clone())
}

fn lower_flux(resolver: &mut Resolver<'_>, table: Option<&inventory::gitops::Flux>, revision: &str) -> Flux {
    let absent = inventory::gitops::Flux::default();
    let table = table.unwrap_or(&absent);
    let name = resolver.inventory.tables.cluster.as_ref().and_then(|cluster| cluster.name.as_ref());
    let name = optional(resolver, name).unwrap_or_else(|| DEFAULT_NAME.to_owned());
    let extras = crate::model::flux::lower(resolver, table, &name, revision);
    let whole = BTreeMap::from([(revision_kind(revision), revision.to_owned())]);
    let interval = written(table.interval.as_ref(), "10m");
    let retry_interval = written(table.retry_interval.as_ref(), "1m");
    let timeout = written(table.timeout.as_ref(), "5m");
    Flux {
        applies: false,
        times: Times {
            interval: Time::of(&interval, table.interval.as_ref()),
            retry_interval: Time::of(&retry_interval, table.retry_interval.as_ref()),
            timeout: Time::of(&timeout, table.timeout.as_ref()),
        },
        interval,
        retry_interval,
        timeout,
        reference: extras.source.reference.clone().unwrap_or(whole),
        extras,
        namespace: optional_name(resolver, table.namespace.as_ref(), "a namespace", NameKind::Label)
            .unwrap_or_else(|| "flux-system".to_owned()),
        decryption: table.decryption.as_ref().map(|decryption| Decryption {
            provider: decryption.provider.as_ref().map_or("sops", |provider| provider.value.word()),
            secret: optional_name(resolver, decryption.secret.as_ref(), "a Secret", NameKind::Subdomain)
                .unwrap_or_default(),
        }),
        substitute_from: table
            .substitute_from
            .iter()
            .map(|from| SubstituteFrom {
                kind: from.kind.as_ref().map_or("Secret", |kind| kind.value.word()),
                name: optional(resolver, from.name.as_ref()).unwrap_or_default(),
                optional: from.optional.as_ref().is_some_and(|flag| flag.value),
            })
            .collect(),
        substitute: texts(resolver, &table.substitute),
        secret: optional_name(resolver, table.secret.as_ref(), "a Secret", NameKind::Subdomain),
    }
}

#[cfg(test)]
mod tests {
    use super::revision_kind;

    #[test]
    fn revisions_are_told_apart() {
        for (revision, kind) in [
            ("main", "branch"),
            ("release-1.2", "branch"),
            ("1", "branch"),
            ("v1.2.3", "tag"),
            ("1.2.3-rc.1", "tag"),
            ("refs/tags/main", "name"),
            ("0123456789abcdef0123456789abcdef01234567", "commit"),
        ] {
            assert_eq!(revision_kind(revision), kind, "{revision}");
        }
    }
}
