//! GitOps: who applies what, in which order, and what the engines refuse.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostic, Diagnostics, codes, nearest};
use crate::duration::seconds;
use crate::inventory::secret::SecretProvider;
use crate::inventory::service::Kind;
use crate::inventory::stack::Layer;
use crate::inventory::value::Engine;
use crate::model::chart::Chart;
use crate::model::flux::apply::{Apply, Times, apply};
use crate::model::gitops::Gitops;
use crate::model::secret::Secret;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::{Environment, Model};
use crate::source::Span;

codes! { Gitops:
    /// Flux waits longer than it compares.
    TIMEOUT_OVER_INTERVAL = ("timeout-over-interval", Warning, "Flux's timeout is not below its interval");
    /// A retry that comes no sooner.
    RETRY_OVER_INTERVAL = ("retry-over-interval", Warning, "a retry that waits longer than what it should be sooner than");
    /// `${NAME}` that Flux refuses.
    UNDEFINED_VARIABLE = ("undefined-variable", Error, "`${NAME}` that Flux has no value for: strict substitution fails");
    /// `${NAME}` that nobody replaces.
    UNSUBSTITUTED_VARIABLE = ("unsubstituted-variable", Warning, "`${NAME}` in what nobody substitutes: it arrives as it stands");
    /// A repository that no engine can read.
    BAD_REPOSITORY = ("bad-repository", Error, "a repository address that the engine refuses");
    /// A revision that is no branch or tag.
    BAD_REVISION = ("bad-revision", Error, "a revision that is no branch or tag");
    /// A path out of the repository.
    BAD_TREE_PATH = ("bad-tree-path", Error, "a path of the tree that leads out of the repository");
    /// Encrypted files that nobody decrypts.
    UNDECRYPTED_SECRET = ("undecrypted-secret", Error, "a SOPS-encrypted secret that its engine does not decrypt");
    /// Waves that nothing waits for.
    WAVES_WITHOUT_HEALTH = ("waves-without-health", Warning, "an order of Argo CD Applications that nothing waits for");
    /// A job whose turn nobody keeps.
    UNORDERED_JOB = ("unordered-job", Warning, "a job that comes before others of its stack, which Flux applies all at once");
    /// Two engines in one line.
    DEPENDENCY_ACROSS_ENGINES = ("dependency-across-engines", Warning, "a dependency on what another engine applies, which nothing waits for");
    /// Objects where their controller does not look.
    OBJECTS_OUT_OF_SIGHT = ("objects-out-of-sight", Warning, "objects in a namespace where their controller does not look");
    /// Two writers of one storage class.
    TWO_OWNERS = ("two-owners", Error, "a chart and the tree write one object");
    /// A level that nothing applies.
    UNAPPLIED_POD_SECURITY = ("unapplied-pod-security", Warning, "a `pod-security` on a namespace that something else writes");
}

/// Runs every rule about GitOps.
pub fn check(model: &Model, found: &mut Diagnostics) {
    two_owners(model, found);
    unapplied_levels(model, found);
    chart_repositories(model, found);
    source_repositories(model, found);
    metallb_out_of_sight(model, found);
    let Some(gitops) = &model.gitops else { return };
    times(model, gitops, found);
    repository(model, gitops, found);
    revision(model, gitops, found);
    tree_path(model, gitops, found);
    argocd_out_of_sight(model, gitops, found);
    let charts = model.chart_secrets.iter().map(|chart| &chart.secret);
    encrypted_secrets(gitops, gitops.infrastructure, charts, found);
    for environment in &model.environments {
        for stack in &environment.stacks {
            let engine = gitops.engine_of(stack.layer);
            encrypted_secrets(gitops, engine, stack.secrets.iter(), found);
            flux_times(&stack.flux, &stack.flux.times, Some(stack), found);
            orders(model, gitops, environment, stack, found);
            unordered_jobs(gitops, stack, found);
        }
    }
    variables(model, gitops, found);
}

/// The place of a key of `[gitops]`, or of the table.
fn place(model: &Model, gitops: &Gitops, path: &[&str]) -> Span {
    let path: Vec<&str> = ["gitops"].iter().chain(path).copied().collect();
    model.place_of("", &path).unwrap_or(gitops.place)
}

fn times(model: &Model, gitops: &Gitops, found: &mut Diagnostics) {
    if gitops.uses_flux() {
        flux_times(&apply(&gitops.flux), &gitops.flux.times, None, found);
    }
    let argocd = &gitops.argocd;
    let over = seconds(&argocd.retry_duration) > seconds(&argocd.retry_max_duration);
    if gitops.uses_argocd() && over {
        let message = format!(
            "Argo CD waits {} before the first retry, and at most {}",
            argocd.retry_duration, argocd.retry_max_duration
        );
        let span = place(model, gitops, &["argocd", "retry", "backoff", "duration"]);
        let diagnostic = RETRY_OVER_INTERVAL.at(span, "longer than the longest", message);
        found.push(diagnostic.about("gitops").help("raise `max-duration`, or lower `duration`"));
    }
}

/// The times of Flux for everything, or for one stack: told at the table that gives them.
fn flux_times(apply: &Apply, times: &Times, stack: Option<&Stack>, found: &mut Diagnostics) {
    let Times { interval, retry_interval, timeout } = times;
    let about = stack.map_or("gitops".to_owned(), Stack::subject);
    if let Some(place) = timeout.place.or(interval.place)
        && timeout.seconds >= interval.seconds
    {
        let whose =
            stack.map_or("health".to_owned(), |stack| format!("the health of stack `{}`", stack.name));
        let message =
            format!("Flux waits {} for {whose} and compares every {}", apply.timeout, apply.interval);
        let mut diagnostic = TIMEOUT_OVER_INTERVAL.at(place, "not below the interval", message);
        if let Some(interval) = interval.place.filter(|interval| *interval != place) {
            diagnostic = diagnostic.because(interval, "the interval");
        }
        found.push(diagnostic.about(about.clone()).help("make the timeout shorter than the interval"));
    }
    if let Some(place) = retry_interval.place
        && retry_interval.seconds > interval.seconds
    {
        let whose = stack.map_or(String::new(), |stack| format!(" of stack `{}`", stack.name));
        let message = format!(
            "Flux tries a failure{whose} again after {}, and compares every {} anyway",
            apply.retry_interval, apply.interval
        );
        let diagnostic = RETRY_OVER_INTERVAL.at(place, "longer than the interval", message);
        found.push(diagnostic.about(about).help("make the retry interval shorter than the interval"));
    }
}

/// Flux's schema takes `http`, `https` and `ssh` URLs only; Argo CD takes Git's `user@host:path`, too.
fn repository(model: &Model, gitops: &Gitops, found: &mut Diagnostics) {
    let url = gitops.repository.as_str();
    if url.is_empty() && model.place_of("", &["gitops", "repository"]).is_none() || url.contains("${") {
        return;
    }
    let schemes = ["https://", "http://", "ssh://"];
    let known = schemes.iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| rest.len() > 1));
    let (user, path) = url.split_once(':').unwrap_or_default();
    let short = user.contains('@') && !path.is_empty() && !path.starts_with("//");
    if known || (short && !gitops.uses_flux()) {
        return;
    }
    let (label, help) = match short {
        true => ("Flux does not know this form", format!("write `ssh://{user}/{path}`")),
        false => ("not a URL", format!("write `https://{}`", url.trim_start_matches('/'))),
    };
    let message = format!(
        "`{url}` is no repository that {} can read",
        if gitops.uses_flux() { "Flux" } else { "Argo CD" }
    );
    found.push(
        BAD_REPOSITORY.at(place(model, gitops, &["repository"]), label, message).about("gitops").help(help),
    );
}

fn chart_repositories(model: &Model, found: &mut Diagnostics) {
    for chart in &model.charts {
        let url = chart.repository.as_str();
        let known = ["https://", "http://", "oci://"].iter().any(|scheme| url.starts_with(scheme));
        let Some(span) = model.place_of("", &["charts", &chart.name, "repository"]) else { continue };
        if !known && !url.contains("${") {
            let message = format!("`{url}` is no chart repository");
            found.push(
                BAD_REPOSITORY
                    .at(span, "not a URL", message)
                    .about(format!("charts.{}", chart.name))
                    .help("write `https://…`, or `oci://…` for a registry"),
            );
        }
    }
}

/// What Applications take along from elsewhere.
fn source_repositories(model: &Model, found: &mut Diagnostics) {
    let of_charts =
        model.charts.iter().map(|chart| (format!("charts.{}", chart.name), &chart.argocd.sources));
    let stacks = model.environments.iter().flat_map(|environment| &environment.stacks);
    let of_stacks = stacks.map(|stack| (stack.subject(), &stack.argocd.sources));
    for (about, source) in of_charts
        .chain(of_stacks)
        .flat_map(|(about, sources)| sources.iter().map(move |one| (about.clone(), one)))
    {
        let url = source.written.as_str();
        let schemes: &[&str] = if source.is_chart {
            &["https://", "http://", "oci://"]
        } else {
            &["https://", "http://", "ssh://"]
        };
        let short = !source.is_chart && url.split_once(':').is_some_and(|(user, _)| user.contains('@'));
        if short || schemes.iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
        {
            continue;
        }
        found.push(
            BAD_REPOSITORY
                .at(
                    source.written.span,
                    "not a URL",
                    format!("`{url}` is no repository that Argo CD can read"),
                )
                .about(about)
                .help(format!("write one of {}", schemes.join("…, ") + "…")),
        );
    }
}

/// As `git check-ref-format` has it, as far as people get it wrong.
fn revision(model: &Model, gitops: &Gitops, found: &mut Diagnostics) {
    let name = gitops.revision.as_str();
    let reason = if name.is_empty() {
        "it is empty"
    } else if name == "HEAD" && gitops.uses_flux() {
        "Flux wants a branch by its name"
    } else if name.contains(|c: char| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(c))
        || name.contains("..")
    {
        "no branch or tag has such a name"
    } else if name.starts_with(['/', '-']) || name.ends_with(['/', '.']) {
        "no branch or tag begins or ends so"
    } else {
        return;
    };
    let span = place(model, gitops, &["revision"]);
    let message = format!("`{name}` is no revision: {reason}");
    found.push(
        BAD_REVISION
            .at(span, "not a branch or tag", message)
            .about("gitops")
            .help("name a branch or tag, such as \"main\""),
    );
}

fn tree_path(model: &Model, gitops: &Gitops, found: &mut Diagnostics) {
    if gitops.path.split('/').any(|part| part == "..") {
        let message = format!("the tree stands at `{}`, outside the repository", gitops.path);
        let diagnostic = BAD_TREE_PATH.at(place(model, gitops, &["path"]), "climbs out", message);
        found.push(
            diagnostic
                .about("gitops")
                .help("give the folder as seen from the root of the repository, such as \"out\""),
        );
    }
}

/// Argo CD applies what it finds; Flux decrypts if it is told how.
fn encrypted_secrets<'m>(
    gitops: &Gitops,
    engine: Engine,
    secrets: impl Iterator<Item = &'m Secret>,
    found: &mut Diagnostics,
) {
    let (message, help) = match engine {
        Engine::Argocd => (
            "Argo CD applies it and does not decrypt SOPS",
            "use another `provider`, such as \"sealed-secrets\"; accept this finding if Argo CD has a plugin for it, such as KSOPS",
        ),
        Engine::Flux if gitops.flux.decryption.is_none() => (
            "Flux is not told how to decrypt it",
            "add `gitops.flux.decryption = { provider = \"sops\", secret = \"sops-age\" }`",
        ),
        Engine::Flux => return,
    };
    for secret in secrets.filter(|secret| secret.provider == SecretProvider::Sops) {
        let diagnostic = UNDECRYPTED_SECRET.at(
            secret.place,
            "encrypted with SOPS",
            format!("secret `{}` arrives encrypted: {message}", secret.key),
        );
        let diagnostic =
            diagnostic.because(gitops.place, "who applies it").about(format!("secrets.{}", secret.key));
        found.push(diagnostic.help(help));
    }
}

/// What a stack waits for by name: it works within Flux, in Argo CD only with the health of Applications, and never
/// from one engine to the other, but that Flux hands over to Argo CD when the charts are up.
fn orders(model: &Model, gitops: &Gitops, environment: &Environment, stack: &Stack, found: &mut Diagnostics) {
    let engine = gitops.engine_of(stack.layer);
    for name in &stack.after_stacks {
        let Some(other) = environment.stacks.iter().find(|other| other.name == name.value) else { continue };
        let of_other = gitops.engine_of(other.layer);
        if of_other != engine {
            let what = format!("stack `{name}`");
            found.push(across(stack, engine, of_other, &what, name.span, gitops));
        } else if engine == Engine::Argocd {
            found.extend(without_waves(gitops, stack, name, name.span));
            found.extend(without_health(model, stack, name, name.span));
        }
    }
    for name in &stack.after_charts {
        if engine == Engine::Flux && gitops.infrastructure == Engine::Argocd {
            let what = format!("chart `{name}`");
            found.push(across(stack, engine, gitops.infrastructure, &what, name.span, gitops));
        }
    }
}

/// Flux orders Kustomizations, and a stack is one of them. What runs on finds what it needs in the end, as it is
/// started again until it does; a job that others need done first has no second chance, nor has one that may not fail.
fn unordered_jobs(gitops: &Gitops, stack: &Stack, found: &mut Diagnostics) {
    if gitops.engine_of(stack.layer) != Engine::Flux {
        return;
    }
    let own: BTreeMap<&str, &Service> =
        stack.services.iter().map(|service| (service.key.as_str(), service.as_ref())).collect();
    for service in &stack.services {
        let waits = service.depends_on.iter().filter(|dependency| !dependency.chart);
        for name in waits.map(|dependency| &dependency.name) {
            let Some(other) = own.get(name.as_str()) else { continue };
            let fails = service.job.as_ref().is_some_and(|job| job.backoff_limit == Some(0));
            let what = match other.kind {
                Kind::Job => "job",
                _ if fails => "service",
                _ => continue,
            };
            let message = format!(
                "service `{}` does not wait for {what} `{name}`: Flux applies all of stack `{}` at once",
                service.key, stack.name
            );
            let help = match other.kind {
                Kind::Job => {
                    format!("give `{name}` and what it needs a stack of their own, whose end Flux waits for")
                }
                _ => "let it try again: raise `backoff-limit`".to_owned(),
            };
            found.push(
                UNORDERED_JOB
                    .at(name.span, "started at the same time", message)
                    .because(other.place, "what it needs")
                    .about(service.subject())
                    .help(help),
            );
        }
    }
}

fn across(
    stack: &Stack,
    engine: Engine,
    other: Engine,
    what: &str,
    span: Span,
    gitops: &Gitops,
) -> Diagnostic {
    let named = |engine: Engine| if engine == Engine::Flux { "Flux" } else { "Argo CD" };
    let message = format!(
        "stack `{}` of {} waits for {what} of {}, and neither waits for the other",
        stack.name,
        named(engine),
        named(other)
    );
    DEPENDENCY_ACROSS_ENGINES
        .at(span, format!("applied by {}", named(other)), message)
        .because(gitops.place, "who applies what")
        .about(stack.subject())
        .help("have both applied by one engine, or make the program wait for what it needs")
}

/// An ApplicationSet knows no waves: it makes all its Applications at once, unless it is told to go step by step.
fn without_waves(gitops: &Gitops, stack: &Stack, name: &str, span: Span) -> Option<Diagnostic> {
    let extras = &gitops.argocd.extras;
    if !extras.application_set || extras.rolling_sync {
        return None;
    }
    let message = format!(
        "stack `{}` does not wait for stack `{name}`: the ApplicationSet starts all stacks at once",
        stack.name
    );
    let diagnostic = WAVES_WITHOUT_HEALTH.at(span, "started together", message);
    Some(
        diagnostic
            .because(gitops.place, "its style")
            .about(stack.subject())
            .help("write `gitops.argocd.rolling-sync = true`, or leave out `style`: Applications have waves"),
    )
}

/// Argo CD takes an Application for healthy at once unless its health is restored (argo-cd#5585). Told only where
/// the inventory has Argo CD's chart and so decides its settings.
fn without_health(model: &Model, stack: &Stack, name: &str, span: Span) -> Option<Diagnostic> {
    let chart = model.charts.iter().find(|chart| chart.chart == "argo-cd")?;
    let values = chart.values.to_string();
    if model.gitops.as_ref().is_some_and(|gitops| gitops.argocd.extras.application_set) {
        return None;
    }
    if values.contains("argoproj.io_Application")
        || values.contains("argoproj.io/Application")
        || values.contains("${")
    {
        return None;
    }
    let message = format!(
        "stack `{}` does not wait for stack `{name}`: Argo CD takes every Application for healthy",
        stack.name
    );
    let diagnostic = WAVES_WITHOUT_HEALTH.at(span, "only started before", message);
    Some(
        diagnostic
            .because(chart.place, "its settings")
            .about(stack.subject())
            .help("restore the health of Applications: `gitops.argocd.health-customization = true`"),
    )
}

fn argocd_out_of_sight(model: &Model, gitops: &Gitops, found: &mut Diagnostics) {
    let chart = model.charts.iter().find(|chart| chart.chart == "argo-cd" && gitops.uses_argocd());
    let Some(chart) = chart.filter(|chart| chart.namespace.value != gitops.argocd.namespace) else { return };
    let values = chart.values.to_string();
    if !values.contains("application.namespaces") && !values.contains("namespaceOverride") {
        let span = place(model, gitops, &["argocd", "namespace"]);
        found.push(out_of_sight(
            chart,
            "Applications",
            &gitops.argocd.namespace,
            span,
            "gitops",
            "gitops.argocd.namespace",
        ));
    }
}

/// MetalLB reads pools from its own namespace only.
fn metallb_out_of_sight(model: &Model, found: &mut Diagnostics) {
    let chart = model.charts.iter().find(|chart| chart.chart == "metallb" && !model.metallb.pools.is_empty());
    let Some(chart) = chart.filter(|chart| chart.namespace.value != model.metallb.namespace) else { return };
    let span = model.place_of("", &["metallb", "namespace"]);
    let span = span.unwrap_or_else(|| model.metallb.pools.first().map_or(chart.place, |pool| pool.place));
    found.push(out_of_sight(chart, "pools", &model.metallb.namespace, span, "metallb", "metallb.namespace"));
}

fn out_of_sight(
    chart: &Chart,
    what: &str,
    namespace: &str,
    span: Span,
    about: &str,
    key: &str,
) -> Diagnostic {
    let message = format!(
        "{what} are written to namespace `{namespace}`, and chart `{}` looks in `{}`",
        chart.name, chart.namespace
    );
    OBJECTS_OUT_OF_SIGHT
        .at(span, format!("{what} go to `{namespace}`"), message)
        .because(chart.namespace.span, "installed here")
        .about(about)
        .help(format!("write `{key} = \"{}\"`", chart.namespace))
}

/// The NFS provisioner's chart writes a class of its own unless it is told not to.
fn two_owners(model: &Model, found: &mut Diagnostics) {
    for class in model.storage_classes.iter().filter(|class| class.provisioner.is_some()) {
        for chart in &model.charts {
            let table = &chart.values["storageClass"];
            if table["name"] != class.name.as_str() || table["create"] == false {
                continue;
            }
            let path = ["charts", &chart.name, "values", "storageClass", "name"];
            let message = format!(
                "storage class `{}` is written by the tree and by chart `{}`",
                class.name, chart.name
            );
            found.push(
                TWO_OWNERS
                    .at(class.place, "written, because it has a `provisioner`", message)
                    .because(model.place_of("", &path).unwrap_or(chart.place), "written by the chart")
                    .about(format!("storage-classes.{}", class.name))
                    .about(format!("charts.{}", chart.name))
                    .help("drop `provisioner`, or set the chart's `storageClass.create = false`"),
            );
        }
    }
}

/// A namespace has one writer, and its level is the writer's.
fn unapplied_levels(model: &Model, found: &mut Diagnostics) {
    let writer = |namespace: &str| {
        model.charts.iter().find(|chart| chart.writes_namespace && chart.namespace.value == namespace)
    };
    for chart in model.charts.iter().filter(|chart| !chart.writes_namespace) {
        let Some(level) = chart.pod_security else { continue };
        let written = writer(&chart.namespace);
        if written.and_then(|writer| writer.pod_security) != Some(level) {
            let path = ["charts", &chart.name, "pod-security"];
            let span = model.place_of("", &path).unwrap_or(chart.place);
            found.push(unapplied(&chart.namespace, span, written, &format!("charts.{}", chart.name)));
        }
    }
    let stacks = || model.environments.iter().flat_map(|environment| &environment.stacks);
    let shared: BTreeSet<&str> =
        stacks().filter(|stack| stack.writes_namespace).map(|stack| stack.namespace.as_str()).collect();
    for environment in &model.environments {
        for stack in environment.stacks.iter().filter(|stack| !stack.writes_namespace) {
            let Some(level) = stack.pod_security else { continue };
            // Of stacks that share a namespace, one writes it with the strictest level of all.
            if shared.contains(stack.namespace.as_str()) {
                continue;
            }
            let written = writer(&stack.namespace);
            if written.and_then(|writer| writer.pod_security) != Some(level) {
                let path = ["stacks", &stack.name, "pod-security"];
                let span = model.place_of(&environment.name, &path).unwrap_or(stack.place);
                found.push(unapplied(&stack.namespace, span, written, &stack.subject()));
            }
        }
    }
}

fn unapplied(namespace: &str, span: Span, writer: Option<&Chart>, about: &str) -> Diagnostic {
    let (message, help) = match writer {
        Some(chart) => (
            format!("namespace `{namespace}` gets its level from chart `{}`, not from here", chart.name),
            format!("write it at `charts.{}`", chart.name),
        ),
        None => (
            format!("namespace `{namespace}` is not written, so it gets no level from here"),
            "drop it, and label the namespace where it is made".to_owned(),
        ),
    };
    let diagnostic = UNAPPLIED_POD_SECURITY.at(span, "has no effect", message);
    let diagnostic = match writer {
        Some(chart) => diagnostic.because(chart.place, "writes the namespace"),
        None => diagnostic,
    };
    diagnostic.about(about).help(help)
}

/// Flux replaces `${NAME}` in all it applies once it has values to choose from, and fails for one it does not know
/// (strict since kustomize-controller 1.9). What it applies otherwise, and what Argo CD applies, arrives as it stands.
fn variables(model: &Model, gitops: &Gitops, found: &mut Diagnostics) {
    let all = apply(&gitops.flux);
    let stacks = model.environments.iter().flat_map(|environment| &environment.stacks);
    let layers = Layers {
        services: model
            .environments
            .iter()
            .flat_map(|environment| &environment.stacks)
            .flat_map(|stack| stack.services.iter().map(move |service| (service.key.as_str(), stack)))
            .collect(),
        stacks: stacks.map(|stack| (stack.name.as_str(), stack)).collect(),
    };
    let mut reports = Vec::new();
    model.each_text(|written| {
        let named = names(written.text);
        let open = unclosed(written.text);
        if named.is_empty() && open.is_none() {
            return;
        }
        let Some((owner, stack)) = owner(&layers, written.path) else { return };
        let layer = stack.map_or(Layer::Infrastructure, |stack| stack.layer);
        let flux = stack.map_or(&all, |stack| &stack.flux);
        let substitutes = !flux.substitute.is_empty() || !flux.substitute_from.is_empty();
        let engine = gitops.engine_of(layer);
        let replaced = engine == Engine::Flux && substitutes;
        if let Some(open) = open.filter(|_| replaced) {
            reports.push(never_closed(open, written.span, &owner));
        } else if !replaced && whole_variable(written.text) && takes_no_shell(written.path) {
            reports.push(unsubstituted(written.text, written.span, &owner, engine, gitops));
        } else if replaced && flux.substitute_from.is_empty() {
            let unknown = named.into_iter().find(|name| !flux.substitute.contains_key(*name));
            if let Some(name) = unknown {
                reports.push(undefined(name, written.span, &owner, &flux.substitute));
            }
        }
    });
    found.extend(reports);
}

/// The stack of everything that is deployed anywhere.
struct Layers<'m> {
    services: BTreeMap<&'m str, &'m Stack>,
    stacks: BTreeMap<&'m str, &'m Stack>,
}

/// Whose text it is, and with which stack it arrives. Only texts that go into objects.
fn owner<'m>(layers: &Layers<'m>, path: &[&str]) -> Option<(String, Option<&'m Stack>)> {
    match path {
        ["charts", name, "values", ..] => Some((format!("charts.{name}"), None)),
        ["services", name, key, ..] | ["environments", _, "services", name, key, ..]
            if WRITTEN_OUT.contains(key) =>
        {
            Some((format!("services.{name}"), Some(*layers.services.get(name)?)))
        }
        ["stacks", name, "env", ..] | ["environments", _, "stacks", name, "env", ..] => {
            Some((format!("stacks.{name}"), Some(*layers.stacks.get(name)?)))
        }
        _ => None,
    }
}

/// The keys of a service whose texts go into objects as they are.
const WRITTEN_OUT: &[&str] =
    &["env", "args", "command", "patch", "image", "files", "sidecars", "init-containers"];

/// Arguments and commands may be scripts, whose `${NAME}` is the shell's.
fn takes_no_shell(path: &[&str]) -> bool {
    path.iter().any(|key| ["env", "values"].contains(key))
}

fn whole_variable(text: &str) -> bool {
    text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).is_some_and(is_name)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The names that Flux would look up: `${NAME}` without a default. `$${` is a plain `${`, whoever applies the tree.
fn names(text: &str) -> Vec<&str> {
    text.match_indices("${")
        .filter(|(at, _)| !text[..*at].ends_with('$'))
        .filter_map(|(at, _)| text[at + 2..].split_once('}').map(|(name, _)| name))
        .filter(|name| is_name(name))
        .collect()
}

/// What follows a `${` without a `}` behind it. With a dot it is no variable.
fn unclosed(text: &str) -> Option<&str> {
    let (before, open) = text.rsplit_once("${")?;
    let end = open.find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c))).unwrap_or(open.len());
    let ours = open[..end].contains('.');
    (!before.ends_with('$') && !open.contains('}') && !ours).then(|| &open[..end])
}

fn never_closed(name: &str, span: Span, owner: &str) -> Diagnostic {
    let message = format!("`${{{name}` of `{owner}` is not closed, and Flux replaces variables");
    let help = format!("write `${{{name}}}`, or `$${{{name}` for a plain `${{{name}`");
    UNDEFINED_VARIABLE.at(span, "the whole kustomization fails", message).about(owner).help(help)
}

fn undefined(name: &str, span: Span, owner: &str, known: &BTreeMap<String, String>) -> Diagnostic {
    let message = format!("Flux has no value for `${{{name}}}` of `{owner}`");
    let near = nearest(name, known.keys().map(String::as_str));
    let help = match near {
        Some(near) => format!("did you mean `${{{near}}}`?"),
        None => {
            format!("add `gitops.flux.substitute.{name}`, or write `$${{{name}}}` for a plain `${{{name}}}`")
        }
    };
    UNDEFINED_VARIABLE.at(span, "the whole kustomization fails", message).about(owner).help(help)
}

fn unsubstituted(text: &str, span: Span, owner: &str, engine: Engine, gitops: &Gitops) -> Diagnostic {
    let (message, help) = match engine {
        Engine::Argocd => (
            format!("nothing replaces `{text}` of `{owner}`: Argo CD applies it as it stands"),
            "give it by a Secret (`secret-env`), write the value, or `$${…}` if the program is to see it so",
        ),
        Engine::Flux => (
            format!("nothing replaces `{text}` of `{owner}`: Flux has no values to choose from"),
            "say where values come from: `gitops.flux.substitute-from`",
        ),
    };
    let diagnostic = UNSUBSTITUTED_VARIABLE.at(span, "arrives as it stands", message);
    diagnostic.because(gitops.place, "who applies it").about(owner).help(help)
}

#[cfg(test)]
mod tests {
    use super::{names, unclosed, whole_variable};

    #[test]
    fn variables_are_found_as_flux_finds_them() {
        assert_eq!(names("a ${A} ${B_2} ${c.d} ${E:-x} $F ${ G }"), ["A", "B_2"]);
        assert!(names("$${A}").is_empty());
        assert!(names("$$${A}").is_empty() && names("${A").is_empty());
        assert_eq!(unclosed("a ${B} ${A"), Some("A"));
        assert!(["${A}", "$${A", "${a.b", "${A:-x} }"].iter().all(|text| unclosed(text).is_none()));
        assert!(
            whole_variable("${A}")
                && !whole_variable("x${A}")
                && !whole_variable("$${A}")
                && !whole_variable("${a.b}")
        );
    }
}
