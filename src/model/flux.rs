//! What Flux is told beside the order: where it reads, how it applies each folder, whom it tells.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::duration::seconds;
use crate::inventory;
use crate::inventory::flux::{self as written, DeletionPolicy, DriftDetection, ReleaseStrategy};
use crate::inventory::gitops::Flux as Table;
use crate::inventory::record::Map;
use crate::inventory::stack::Layer;
use crate::inventory::value::{Duration, Engine, OrOff, Text};
use crate::model::gitops::{Gitops, SubstituteFrom};
use crate::model::images::{ImageUpdate, ImageUpdates, lower_updates};
use crate::model::naming::{NameKind, check_name, optional_name};
use crate::model::patterns;
use crate::model::references::Resolver;
use crate::model::texts::{Texts, list, optional, texts};
use crate::model::{BAD_VALUE, CONFLICTING_KEYS};
use crate::source::{Span, Spanned};

/// How Flux applies one folder of the tree.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Apply {
    /// How often it compares.
    pub interval: String,
    /// How soon a failure is tried again.
    pub retry_interval: String,
    /// How long health is waited for.
    pub timeout: String,
    /// Whether for the health of everything.
    pub wait: bool,
    /// For whose health instead.
    pub health_checks: Vec<HealthCheck>,
    /// Whether what left the tree is deleted.
    pub prune: bool,
    /// Whether what cannot be changed is made anew.
    pub force: bool,
    /// Whether it is left alone.
    pub suspend: bool,
    /// What becomes of objects when the Kustomization goes.
    pub deletion_policy: Option<&'static str>,
    /// As whom.
    pub service_account: Option<String>,
    /// Values of `${NAME}`.
    pub substitute: BTreeMap<String, String>,
    /// Where more come from.
    pub substitute_from: Vec<SubstituteFrom>,
    /// The same times for rules, and where the stack's own table gives them.
    #[serde(skip)]
    pub times: Times,
}

/// How often Flux looks, and how long it waits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// How often it compares.
    pub interval: Time,
    /// How soon a failure is tried again.
    pub retry_interval: Time,
    /// How long health is waited for.
    pub timeout: Time,
}

/// A time as rules compare it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Time {
    /// How long it is.
    pub seconds: f64,
    /// Where it is written; none for what holds anyway.
    pub place: Option<Span>,
}

impl Time {
    /// A time as it holds, and as a table gives it, if it does.
    pub fn of(text: &str, written: Option<&Duration>) -> Self {
        Self { seconds: seconds(text).unwrap_or_default(), place: written.map(|time| time.0.span) }
    }
}

/// An object that must be healthy, as Flux has it.
#[derive(Clone, Debug, Serialize)]
pub struct HealthCheck {
    /// The API version.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: Spanned<String>,
    /// The namespace.
    pub namespace: String,
}

/// What Flux reads of the Git repository, and whom it tells.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Extras {
    /// The GitRepository's fields beside those that all have.
    pub source: Source,
    /// Whom Flux tells, by name.
    pub notifications: Vec<Notification>,
    /// Webhooks, by name.
    pub receivers: Vec<Receiver>,
    /// Images that Flux keeps up to date.
    pub images: Vec<ImageUpdate>,
    /// How it commits them.
    pub image_updates: Option<ImageUpdates>,
    /// As whom everything is applied.
    pub service_account: Option<String>,
    /// What becomes of objects when a Kustomization goes.
    pub deletion_policy: Option<&'static str>,
}

/// What Flux reads of the Git repository.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Source {
    /// How often.
    pub interval: Option<String>,
    /// What instead of the revision.
    pub reference: Option<BTreeMap<&'static str, String>>,
    /// What is left out.
    pub ignore: Option<String>,
    /// What is fetched.
    pub sparse: Vec<String>,
    /// Whether submodules are.
    pub submodules: bool,
}

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

/// How a chart is released.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Release {
    /// How often it is compared.
    pub interval: Option<String>,
    /// How long each step may take.
    pub timeout: Option<String>,
    /// How often the repository is asked.
    pub source_interval: String,
    /// The Secret that opens the repository.
    pub source_secret: Option<String>,
    /// Whether it is left alone.
    pub suspend: bool,
    /// How it is installed.
    pub install: Step,
    /// How it is upgraded.
    pub upgrade: Step,
    /// What is done about drift.
    pub drift_detection: Option<&'static str>,
    /// What may drift.
    pub drift_ignore: Vec<DriftIgnore>,
    /// Where more values come from.
    pub values_from: Vec<ValuesFrom>,
    /// As whom.
    pub service_account: Option<String>,
}

/// How a chart is installed or upgraded.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Step {
    /// What becomes of CRDs.
    pub crds: &'static str,
    /// What follows a failure.
    pub strategy: &'static str,
    /// How often it is undone and tried again.
    pub retries: Option<i64>,
    /// How soon it is tried again.
    pub retry_interval: Option<String>,
    /// How long it may take.
    pub timeout: Option<String>,
    /// Whether Helm does not wait.
    pub disable_wait: bool,
}

/// What may drift.
#[derive(Clone, Debug, Serialize)]
pub struct DriftIgnore {
    /// The fields.
    pub paths: Vec<String>,
    /// The kind.
    pub kind: Option<String>,
    /// The name.
    pub name: Option<String>,
}

/// Where values come from.
#[derive(Clone, Debug, Serialize)]
pub struct ValuesFrom {
    kind: &'static str,
    name: String,
    #[serde(rename = "valuesKey")]
    key: Option<String>,
    #[serde(rename = "targetPath")]
    target_path: Option<String>,
    /// None is required.
    optional: Option<bool>,
}

fn written_time(time: Option<&Duration>) -> Option<String> {
    time.map(|time| time.0.value.clone())
}

fn on(flag: Option<&Spanned<bool>>) -> bool {
    flag.is_some_and(|flag| flag.value)
}

fn policy(word: Option<&Spanned<DeletionPolicy>>) -> Option<&'static str> {
    word.map(|word| match word.value {
        DeletionPolicy::MirrorPrune => "MirrorPrune",
        DeletionPolicy::Delete => "Delete",
        DeletionPolicy::WaitForTermination => "WaitForTermination",
        DeletionPolicy::Orphan => "Orphan",
    })
}

/// Whether Flux replaces `${NAME}` in what a layer, or a stack of it, has.
pub fn substitutes(gitops: Option<&Gitops>, layer: Layer, stack: Option<&inventory::stack::Stack>) -> bool {
    let Some(gitops) = gitops.filter(|gitops| gitops.engine_of(layer) == Engine::Flux) else { return false };
    let all = !gitops.flux.substitute.is_empty() || !gitops.flux.substitute_from.is_empty();
    match stack.and_then(|stack| stack.flux.as_ref()).and_then(|flux| flux.substitute.as_ref()) {
        Some(OrOff::Off(_)) => false,
        Some(OrOff::On(own)) => all || !own.is_empty(),
        None => all,
    }
}

/// Lowers what `[gitops.flux]` says beside the order. `revision` is what is applied of the repository, resolved.
pub fn lower(resolver: &mut Resolver<'_>, table: &Table, name: &str, revision: &str) -> Extras {
    let own_repository = || vec![target("GitRepository", Some(name))];
    let source = table.source.as_ref().map(|source| lower_source(resolver, source, revision));
    Extras {
        source: source.unwrap_or_default(),
        notifications: lower_notifications(resolver, &table.notifications),
        receivers: lower_receivers(resolver, &table.receivers, own_repository),
        images: Vec::new(),
        image_updates: Some(lower_updates(resolver, table)),
        service_account: optional_name(
            resolver,
            table.service_account.as_ref(),
            "a service account",
            NameKind::Subdomain,
        ),
        deletion_policy: policy(table.deletion_policy.as_ref()),
    }
}

fn lower_source(resolver: &mut Resolver<'_>, table: &written::FluxSource, revision: &str) -> Source {
    let gitops = resolver.inventory.tables.gitops.as_ref();
    if let (Some(revision), Some(semver)) =
        (gitops.and_then(|gitops| gitops.revision.as_ref()), &table.semver)
    {
        let message = "`semver` chooses a tag, and `gitops.revision` names what is applied";
        let diagnostic = CONFLICTING_KEYS.at(semver.span, "and this", message).because(revision.span, "this");
        resolver.found.push(diagnostic.about("gitops").help("keep one of them"));
    }
    if let (Some(commit), Some(semver)) = (&table.commit, &table.semver) {
        let message = "`commit` and `semver` both say what is applied";
        let diagnostic = CONFLICTING_KEYS.at(semver.span, "and this", message).because(commit.span, "this");
        resolver.found.push(diagnostic.about("gitops").help("keep one of them"));
    }
    let commit = table.commit.as_ref().map(|text| resolver.text(text));
    if let Some(commit) = &commit
        && (commit.len() != 40 || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()))
    {
        let message = format!("`{commit}` is no commit");
        let diagnostic = BAD_VALUE.at(commit.span, "not 40 hexadecimal digits", message).about("gitops");
        resolver.found.push(diagnostic.help("write all digits of it, as `git rev-parse` does"));
    }
    let semver = patterns::versions(resolver, table.semver.as_ref()).map(|range| range.value);
    let reference = match (commit, semver) {
        // Flux fetches a commit from the branch that has it.
        (Some(commit), _) => {
            Some(BTreeMap::from([("branch", revision.to_owned()), ("commit", commit.value)]))
        }
        (None, Some(semver)) => Some(BTreeMap::from([("semver", semver)])),
        (None, None) => None,
    };
    Source {
        interval: written_time(table.interval.as_ref()),
        reference,
        ignore: optional(resolver, table.ignore.as_ref()),
        sparse: list(resolver, &table.sparse),
        submodules: on(table.submodules.as_ref()),
    }
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

fn target(kind: &str, name: Option<&str>) -> Target {
    let api_version = KINDS.iter().find(|(known, _)| *known == kind).map_or("", |(_, version)| *version);
    let (namespace, name) = match name.and_then(|name| name.split_once('/')) {
        Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
        None => (None, name.unwrap_or("*").to_owned()),
    };
    Target { api_version, kind: kind.to_owned(), name, namespace }
}

/// `Kind`, `Kind/name` or `Kind/namespace/name`. HelmReleases and their sources live beside their charts.
fn targets(resolver: &mut Resolver<'_>, texts: &[Text], about: &str) -> Vec<Target> {
    let mut targets = Vec::new();
    for text in texts {
        let text = resolver.text(text);
        let (kind, name) =
            text.split_once('/').map_or((text.as_str(), None), |(kind, name)| (kind, Some(name)));
        if !KINDS.iter().any(|(known, _)| *known == kind) {
            let near = crate::diagnostic::nearest(kind, KINDS.iter().map(|(known, _)| *known));
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
        targets.push(target(kind, name));
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
        let near = crate::diagnostic::nearest(&word, known.iter().copied());
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

fn lower_notifications(
    resolver: &mut Resolver<'_>,
    tables: &Map<written::FluxNotification>,
) -> Vec<Notification> {
    let lower = |(name, entry): (&String, &inventory::record::Named<written::FluxNotification>)| {
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

fn lower_receivers(
    resolver: &mut Resolver<'_>,
    tables: &Map<written::FluxReceiver>,
    own: impl Fn() -> Vec<Target>,
) -> Vec<Receiver> {
    let lower = |(name, entry): (&String, &inventory::record::Named<written::FluxReceiver>)| {
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

/// How Flux applies a folder that nothing is said of. `gitops` is what holds for all.
pub fn apply(gitops: &crate::model::gitops::Flux) -> Apply {
    Apply {
        interval: gitops.interval.clone(),
        retry_interval: gitops.retry_interval.clone(),
        timeout: gitops.timeout.clone(),
        wait: true,
        prune: true,
        deletion_policy: gitops.extras.deletion_policy,
        service_account: gitops.extras.service_account.clone(),
        substitute: gitops.substitute.clone(),
        substitute_from: gitops.substitute_from.clone(),
        ..Apply::default()
    }
}

/// How Flux applies a stack.
pub fn lower_stack(
    resolver: &mut Resolver<'_>,
    all: &crate::model::gitops::Flux,
    table: Option<&written::StackFlux>,
    namespace: &str,
) -> Apply {
    let mut apply = apply(all);
    let Some(table) = table else { return apply };
    let set = |target: &mut String, time: Option<&Duration>| {
        if let Some(time) = time {
            target.clone_from(&time.0.value);
        }
        Time::of(target, time)
    };
    apply.times = Times {
        interval: set(&mut apply.interval, table.interval.as_ref()),
        retry_interval: set(&mut apply.retry_interval, table.retry_interval.as_ref()),
        timeout: set(&mut apply.timeout, table.timeout.as_ref()),
    };
    apply.health_checks = health_checks(resolver, &table.health_checks, namespace);
    apply.wait = table.wait.as_ref().map_or(table.health_checks.is_empty(), |flag| flag.value);
    if let (Some(wait), Some(first)) =
        (table.wait.as_ref().filter(|wait| wait.value), table.health_checks.first())
    {
        let message = "`wait = true` waits for everything, and ignores `health-checks`";
        let diagnostic = CONFLICTING_KEYS.at(wait.span, "and this", message).because(first.span, "this");
        resolver.found.push(diagnostic.help("keep one of them"));
    }
    apply.prune = table.prune.as_ref().is_none_or(|flag| flag.value);
    apply.force = on(table.force.as_ref());
    apply.suspend = on(table.suspend.as_ref());
    apply.deletion_policy = policy(table.deletion_policy.as_ref()).or(apply.deletion_policy);
    apply.service_account =
        optional_name(resolver, table.service_account.as_ref(), "a service account", NameKind::Subdomain)
            .or(apply.service_account);
    match &table.substitute {
        Some(OrOff::Off(_)) => {
            apply.substitute.clear();
            apply.substitute_from.clear();
        }
        Some(OrOff::On(own)) => {
            // They stand in the Kustomization, and Flux looks for no variables in them.
            let own: Texts = resolver.unescaped(|resolver| texts(resolver, own));
            apply.substitute.extend(own);
        }
        None => {}
    }
    apply
}

fn health_checks(
    resolver: &mut Resolver<'_>,
    tables: &[written::HealthCheck],
    namespace: &str,
) -> Vec<HealthCheck> {
    let lower = |check: &written::HealthCheck| HealthCheck {
        api_version: optional(resolver, check.api_version.as_ref()).unwrap_or_else(|| "apps/v1".to_owned()),
        kind: optional(resolver, check.kind.as_ref()).unwrap_or_default(),
        name: check.name.as_ref().map(|name| resolver.text(name)).unwrap_or_default(),
        namespace: namespace.to_owned(),
    };
    tables.iter().map(lower).collect()
}

/// Lowers how a chart is released.
pub fn lower_release(resolver: &mut Resolver<'_>, table: Option<&written::ChartFlux>) -> Release {
    let absent = written::ChartFlux::default();
    let table = table.unwrap_or(&absent);
    Release {
        interval: written_time(table.interval.as_ref()),
        timeout: written_time(table.timeout.as_ref()),
        source_interval: written_time(table.source_interval.as_ref()).unwrap_or_else(|| "24h".to_owned()),
        source_secret: optional_name(resolver, table.source_secret.as_ref(), "a Secret", NameKind::Subdomain),
        suspend: on(table.suspend.as_ref()),
        install: lower_step(resolver, table.install.as_ref()),
        upgrade: lower_step(resolver, table.upgrade.as_ref()),
        drift_detection: table.drift_detection.as_ref().map(|word| match word.value {
            DriftDetection::Enabled => "enabled",
            DriftDetection::Warn => "warn",
            DriftDetection::Disabled => "disabled",
        }),
        drift_ignore: lower_drift(resolver, &table.drift_ignore),
        values_from: table.values_from.iter().map(|from| lower_values_from(resolver, from)).collect(),
        service_account: optional_name(
            resolver,
            table.service_account.as_ref(),
            "a service account",
            NameKind::Subdomain,
        ),
    }
}

fn lower_step(resolver: &mut Resolver<'_>, table: Option<&written::ReleaseStep>) -> Step {
    let absent = written::ReleaseStep::default();
    let table = table.unwrap_or(&absent);
    let strategy = table.strategy.as_ref().map_or(ReleaseStrategy::Retry, |word| word.value);
    let remediates = strategy == ReleaseStrategy::Remediate;
    let useless = match remediates {
        true => table.retry_interval.as_ref().map(|time| (time.0.span, "retry-interval", "remediate")),
        false => table.retries.as_ref().map(|count| (count.span, "retries", "retry")),
    };
    if let Some((span, key, word)) = useless {
        let message = format!("`{key}` means nothing to the strategy `{word}`");
        let help = match remediates {
            true => "drop it, or write `strategy = \"retry\"`",
            false => "drop it: `retry` goes on without end; or write `strategy = \"remediate\"`",
        };
        resolver.found.push(CONFLICTING_KEYS.at(span, "has no effect", message).help(help));
    }
    Step {
        crds: table.crds.as_ref().map_or("CreateReplace", |word| match word.value {
            written::Crds::Create => "Create",
            written::Crds::CreateReplace => "CreateReplace",
            written::Crds::Skip => "Skip",
        }),
        strategy: if remediates { "RemediateOnFailure" } else { "RetryOnFailure" },
        retries: remediates.then(|| table.retries.as_ref().map_or(3, |count| count.value)),
        retry_interval: written_time(table.retry_interval.as_ref()),
        timeout: written_time(table.timeout.as_ref()),
        disable_wait: on(table.disable_wait.as_ref()),
    }
}

fn lower_drift(resolver: &mut Resolver<'_>, tables: &[written::DriftIgnore]) -> Vec<DriftIgnore> {
    let lower = |one: &written::DriftIgnore| DriftIgnore {
        paths: one.paths.as_ref().map(|paths| list(resolver, &paths.0)).unwrap_or_default(),
        kind: optional(resolver, one.kind.as_ref()),
        name: optional(resolver, one.name.as_ref()),
    };
    tables.iter().map(lower).collect()
}

fn lower_values_from(resolver: &mut Resolver<'_>, from: &written::ValuesFrom) -> ValuesFrom {
    ValuesFrom {
        kind: from.kind.as_ref().map_or("Secret", |kind| kind.value.word()),
        name: optional(resolver, from.name.as_ref()).unwrap_or_default(),
        key: optional(resolver, from.key.as_ref()),
        target_path: optional(resolver, from.target_path.as_ref()),
        optional: on(from.optional.as_ref()).then_some(true),
    }
}
