//! GitOps: what the engines are told of the repository and of times, and what they refuse.

use std::sync::Arc;

use crate::diagnostic::{Diagnostics, codes};
use crate::duration::seconds;
use crate::inventory::secret::SecretProvider;
use crate::inventory::value::Engine;
use crate::model::flux::apply::{Apply, HealthCheck, Times, apply};
use crate::model::gitops::Gitops;
use crate::model::idle::starts;
use crate::model::secret::Secret;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::workload::ends;
use crate::model::{Environment, Model};
use crate::source::Span;

codes! { Gitops:
    /// Flux waits longer than it compares.
    TIMEOUT_OVER_INTERVAL = ("timeout-over-interval", Warning, "Flux's timeout is not below its interval");
    /// A start that Flux does not wait for.
    START_OVER_TIMEOUT = ("start-over-timeout", Warning, "a pod may take longer to start than Flux waits for it");
    /// A retry that comes no sooner.
    RETRY_OVER_INTERVAL = ("retry-over-interval", Warning, "a retry that waits longer than what it should be sooner than");
    /// A repository that no engine can read.
    BAD_REPOSITORY = ("bad-repository", Error, "a repository address that the engine refuses");
    /// A revision that is no branch or tag.
    BAD_REVISION = ("bad-revision", Error, "a revision that is no branch or tag");
    /// A path out of the repository.
    BAD_TREE_PATH = ("bad-tree-path", Error, "a path of the tree that leads out of the repository");
    /// Encrypted files that nobody decrypts.
    UNDECRYPTED_SECRET = ("undecrypted-secret", Error, "a SOPS-encrypted secret that its engine does not decrypt");
}

/// Runs every rule about GitOps.
pub fn check(model: &Model, found: &mut Diagnostics) {
    chart_repositories(model, found);
    source_repositories(model, found);
    let Some(gitops) = &model.gitops else { return };
    times(model, gitops, found);
    repository(model, gitops, found);
    revision(model, gitops, found);
    tree_path(model, gitops, found);
    let charts = model.chart_secrets.iter().map(|chart| &chart.secret);
    encrypted_secrets(gitops, gitops.infrastructure, charts, found);
    for environment in &model.environments {
        for stack in &environment.stacks {
            let engine = gitops.engine_of(stack.layer);
            encrypted_secrets(gitops, engine, stack.secrets.iter(), found);
            if engine == Engine::Flux {
                flux_times(&stack.flux, &stack.flux.times, Some(stack), found);
                slow_starts(model, environment, stack, found);
            }
        }
    }
}

/// The place of a key of `[gitops]`, or of the table.
pub(super) fn place(model: &Model, gitops: &Gitops, path: &[&str]) -> Span {
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

/// Told once for each stack, at its slowest service. What comes up later is well, but until then Flux reports a failure,
/// and whatever depends on the stack waits for the next try.
fn slow_starts(model: &Model, environment: &Environment, stack: &Stack, found: &mut Diagnostics) {
    let Some(apply) = stack.delivery.as_ref().map(|delivery| &delivery.apply) else { return };
    let Some(timeout) = seconds(&apply.timeout).filter(|_| !apply.suspend) else { return };
    let awaited = |service: &&Arc<Service>| {
        let named = |check: &HealthCheck| {
            check.kind == service.kind.object_kind() && check.name.value == service.name
        };
        starts(service) && !ends(service.kind) && (apply.wait || apply.health_checks.iter().any(named))
    };
    let slowest = stack.services.iter().filter(awaited).max_by_key(|service| service.longest_start);
    let Some(service) = slowest.filter(|service| service.longest_start as f64 > timeout) else { return };
    let place = ["startup-probe", "liveness-probe", "probe"]
        .iter()
        .find_map(|probe| model.place_of(&environment.name, &["services", &service.key, probe, "startup"]));
    let message = format!(
        "pods of service `{}` may take {} seconds to start, and Flux waits {} for the health of stack `{}`",
        service.key, service.longest_start, apply.timeout, stack.name
    );
    found.push(
        START_OVER_TIMEOUT
            .at(place.unwrap_or(service.place), "longer than Flux waits", message)
            .about(service.subject())
            .help(format!(
                "give the stack more time: `stacks.{}.flux = {{ timeout = \"…\", interval = \"…\" }}`, the interval above the timeout",
                stack.name
            )),
    );
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
        let path = url.strip_prefix("oci://").and_then(|rest| rest.split_once('/'));
        if path.is_some_and(|(_, path)| path.contains(|c: char| c.is_ascii_uppercase()))
            && !url.contains("${")
        {
            let (host, path) = path.unwrap_or_default();
            found.push(
                BAD_REPOSITORY
                    .at(
                        span,
                        "capitals",
                        format!("`{url}` is no repository of a registry: those are in lower case"),
                    )
                    .about(format!("charts.{}", chart.name))
                    .help(format!("write `oci://{host}/{}`", path.to_ascii_lowercase())),
            );
        }
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
