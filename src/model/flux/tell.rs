//! Whom Flux tells what happened, and who may make it look.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::diagnostic::nearest;
use crate::inventory;
use crate::inventory::flux as written;
use crate::inventory::record::{Map, Named};
use crate::inventory::value::Text;
use crate::model::BAD_VALUE;
use crate::model::chart::Chart;
use crate::model::flux::{Extras, on};
use crate::model::naming::{NameKind, check_name, optional_name};
use crate::model::patterns;
use crate::model::references::Resolver;
use crate::model::texts::{list, optional};
use crate::source::Span;

/// An object that events come from, or that is made to look.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    /// Its API version, for Receivers.
    pub api_version: &'static str,
    /// Its kind.
    pub kind: String,
    /// Its name; `*` for all.
    pub name: String,
    /// Its namespace; empty for Flux's.
    pub namespace: Option<String>,
    /// Where the inventory names it, if it does.
    #[serde(skip)]
    pub place: Option<Span>,
}

/// Whom Flux tells what happened.
#[derive(Clone, Debug, Serialize)]
pub struct Notification {
    /// Its name.
    pub name: String,
    /// The kind of service.
    pub r#type: String,
    /// The channel.
    pub channel: Option<String>,
    /// The address.
    pub address: Option<String>,
    /// The Secret.
    pub secret: Option<String>,
    /// From where on.
    pub severity: &'static str,
    /// What is listened to.
    pub sources: Vec<Target>,
    /// What is not told.
    pub exclude: Vec<String>,
    /// What is put before.
    pub summary: Option<String>,
    /// Whether nothing is told.
    pub suspend: bool,
}

/// A webhook.
#[derive(Clone, Debug, Serialize)]
pub struct Receiver {
    /// Its name.
    pub name: String,
    /// Who calls.
    pub r#type: String,
    /// About what.
    pub events: Vec<String>,
    /// The Secret.
    pub secret: String,
    /// What is made to look.
    pub resources: Vec<Target>,
}

/// Kinds that Flux's objects point to, and their API versions.
const KINDS: &[(&str, &str)] = &[
    ("Bucket", "source.toolkit.fluxcd.io/v1"),
    ("GitRepository", "source.toolkit.fluxcd.io/v1"),
    ("HelmChart", "source.toolkit.fluxcd.io/v1"),
    ("HelmRelease", "helm.toolkit.fluxcd.io/v2"),
    ("HelmRepository", "source.toolkit.fluxcd.io/v1"),
    ("ImagePolicy", "image.toolkit.fluxcd.io/v1"),
    ("ImageRepository", "image.toolkit.fluxcd.io/v1"),
    ("ImageUpdateAutomation", "image.toolkit.fluxcd.io/v1"),
    ("Kustomization", "kustomize.toolkit.fluxcd.io/v1"),
    ("OCIRepository", "source.toolkit.fluxcd.io/v1"),
];

/// An object by its kind, and by `name` or `namespace/name`; all of them without.
pub fn target(kind: &str, name: Option<&str>) -> Target {
    let api_version = KINDS.iter().find(|(known, _)| *known == kind).map_or("", |(_, version)| *version);
    let (namespace, name) = match name.and_then(|name| name.split_once('/')) {
        Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
        None => (None, name.unwrap_or("*").to_owned()),
    };
    Target { api_version, kind: kind.to_owned(), name, namespace, place: None }
}

/// Kinds of which there are none but for charts, beside each of which they live.
pub const BESIDE_CHARTS: &[&str] = &["HelmChart", "HelmRelease", "HelmRepository"];

/// What Flux has for a chart that it installs: kinds and names.
pub fn made_for(chart: &Chart) -> Vec<(&'static str, String)> {
    let mut made = vec![("HelmRelease", chart.name.clone())];
    match chart.oci {
        true => made.push(("OCIRepository", chart.name.clone())),
        false => {
            made.push(("HelmRepository", chart.name.clone()));
            made.push(("HelmChart", format!("{}-{}", chart.release_namespace, chart.name)));
        }
    }
    made
}

/// Gives what charts have their namespaces. `charts` are those that Flux installs. What none of them has is left
/// without for the rules, where the inventory names it.
pub fn find_beside_charts(extras: &mut Extras, charts: &[Chart]) {
    let mut named: BTreeMap<(&str, String), &str> = BTreeMap::new();
    let mut of_kind: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for chart in charts {
        for (kind, name) in made_for(chart) {
            named.insert((kind, name), &chart.release_namespace);
            of_kind.entry(kind).or_default().insert(&chart.release_namespace);
        }
    }
    let notifications = extras.notifications.iter_mut().map(|notification| &mut notification.sources);
    let receivers = extras.receivers.iter_mut().map(|receiver| &mut receiver.resources);
    for targets in notifications.chain(receivers) {
        let mut seen = BTreeSet::new();
        for target in std::mem::take(targets) {
            if !seen.insert((target.kind.clone(), target.namespace.clone(), target.name.clone())) {
                continue;
            }
            let namespaces: Vec<&str> = match target.name.as_str() {
                _ if target.namespace.is_some() => Vec::new(),
                "*" => of_kind.get(target.kind.as_str()).into_iter().flatten().copied().collect(),
                name => named.get(&(target.kind.as_str(), name.to_owned())).into_iter().copied().collect(),
            };
            let elsewhere = !BESIDE_CHARTS.contains(&target.kind.as_str()) || target.place.is_some();
            if namespaces.is_empty() && elsewhere {
                targets.push(target);
                continue;
            }
            let beside = |namespace: &str| Target { namespace: Some(namespace.to_owned()), ..target.clone() };
            targets.extend(namespaces.into_iter().map(beside));
        }
    }
}

/// `Kind`, `Kind/name` or `Kind/namespace/name`.
fn targets(resolver: &mut Resolver<'_>, texts: &[Text], about: &str) -> Vec<Target> {
    let mut targets = Vec::new();
    for text in texts {
        let text = resolver.text(text);
        let (kind, name) =
            text.split_once('/').map_or((text.as_str(), None), |(kind, name)| (kind, Some(name)));
        if !KINDS.iter().any(|(known, _)| *known == kind) {
            let near = nearest(kind, KINDS.iter().map(|(known, _)| *known));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    format!("known: {}", KINDS.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", "))
                }
            };
            let message = format!("Flux has no kind `{kind}`");
            resolver.found.push(BAD_VALUE.at(text.span, "no such kind", message).about(about).help(help));
            continue;
        }
        targets.push(Target { place: Some(text.span), ..target(kind, name) });
    }
    targets
}

/// The services that Flux's Provider knows.
const PROVIDERS: &[&str] = &[
    "alertmanager",
    "azuredevops",
    "azureeventhub",
    "bitbucket",
    "bitbucketserver",
    "datadog",
    "discord",
    "generic",
    "generic-hmac",
    "gitea",
    "giteapullrequestcomment",
    "github",
    "githubdispatch",
    "githubpullrequestcomment",
    "gitlab",
    "gitlabmergerequestcomment",
    "googlechat",
    "googlepubsub",
    "grafana",
    "lark",
    "matrix",
    "msteams",
    "nats",
    "opsgenie",
    "otel",
    "pagerduty",
    "rocket",
    "sentry",
    "slack",
    "telegram",
    "webex",
    "zulip",
];

/// The callers that Flux's Receiver knows and that a secret guards.
const RECEIVERS: &[&str] = &[
    "acr",
    "bitbucket",
    "cdevents",
    "dockerhub",
    "gcr",
    "generic",
    "generic-hmac",
    "github",
    "gitlab",
    "harbor",
    "nexus",
    "quay",
];

/// One of the words that Flux knows; reported if it is another.
fn one_word(resolver: &mut Resolver<'_>, text: Option<&Text>, what: &str, known: &[&str]) -> String {
    let Some(word) = text.map(|text| resolver.text(text)) else { return String::new() };
    if !word.is_empty() && !known.contains(&word.as_str()) {
        let near = nearest(&word, known.iter().copied());
        let help = match near {
            _ if ["gitea", "forgejo"].contains(&word.as_str()) => {
                "write `github`: Gitea and Forgejo call as GitHub does".to_owned()
            }
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", known.join(", ")),
        };
        let message = format!("Flux has no {what} of type `{word}`");
        resolver.found.push(BAD_VALUE.at(word.span, "no such type", message).about("gitops.flux").help(help));
    }
    word.value
}

/// Lowers `[gitops.flux.notifications]`.
pub fn lower_notifications(
    resolver: &mut Resolver<'_>,
    tables: &Map<written::FluxNotification>,
) -> Vec<Notification> {
    let lower = |(name, entry): (&String, &Named<written::FluxNotification>)| {
        check_name(resolver, name, entry.key, "a notification", NameKind::Label);
        let about = "gitops.flux";
        let mut sources = targets(resolver, &entry.sources, about);
        if entry.sources.is_empty() {
            sources = vec![target("Kustomization", None), target("HelmRelease", None)];
        }
        if entry.address.is_none() && entry.secret.is_none() {
            let message = format!("notification `{name}` has nowhere to go");
            let diagnostic = inventory::MISSING_KEY.at(entry.span, "neither address nor secret", message);
            resolver.found.push(diagnostic.about(about).help("add `address`, or `secret` if it is one"));
        }
        let exclude = entry.exclude.iter();
        Notification {
            name: name.clone(),
            r#type: one_word(resolver, entry.r#type.as_ref(), "notification", PROVIDERS),
            channel: optional(resolver, entry.channel.as_ref()),
            address: optional(resolver, entry.address.as_ref()),
            secret: optional_name(resolver, entry.secret.as_ref(), "a Secret", NameKind::Subdomain),
            severity: entry.severity.as_ref().map_or("info", |severity| severity.value.word()),
            sources,
            exclude: exclude
                .filter_map(|text| patterns::regex(resolver, Some(text)))
                .map(|text| text.value)
                .collect(),
            summary: optional(resolver, entry.summary.as_ref()),
            suspend: on(entry.suspend.as_ref()),
        }
    };
    tables.iter().map(lower).collect()
}

/// Lowers `[gitops.flux.receivers]`. One that names nothing makes Flux look at what `own` says.
pub fn lower_receivers(
    resolver: &mut Resolver<'_>,
    tables: &Map<written::FluxReceiver>,
    own: impl Fn() -> Vec<Target>,
) -> Vec<Receiver> {
    let lower = |(name, entry): (&String, &Named<written::FluxReceiver>)| {
        check_name(resolver, name, entry.key, "a receiver", NameKind::Label);
        let r#type = one_word(resolver, entry.r#type.as_ref(), "receiver", RECEIVERS);
        let mut events = list(resolver, &entry.events);
        if events.is_empty() && r#type == "github" {
            events = vec!["ping".to_owned(), "push".to_owned()];
        }
        let resources = targets(resolver, &entry.resources, "gitops.flux");
        Receiver {
            name: name.clone(),
            events,
            secret: optional_name(resolver, entry.secret.as_ref(), "a Secret", NameKind::Subdomain)
                .unwrap_or_default(),
            resources: if entry.resources.is_empty() { own() } else { resources },
            r#type,
        }
    };
    tables.iter().map(lower).collect()
}
