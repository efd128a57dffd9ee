//! What Flux is told beside the order: where it reads, how it applies each folder, whom it tells.

pub mod apply;
pub mod release;
pub mod tell;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::inventory;
use crate::inventory::flux::{self as written, DeletionPolicy};
use crate::inventory::gitops::Flux as Table;
use crate::inventory::stack::Layer;
use crate::inventory::value::{Duration, Engine, OrOff};
use crate::model::flux::tell::{Notification, Receiver, lower_notifications, lower_receivers, target};
use crate::model::gitops::Gitops;
use crate::model::images::{ImageUpdate, ImageUpdates, lower_updates};
use crate::model::naming::{NameKind, optional_name};
use crate::model::patterns;
use crate::model::references::Resolver;
use crate::model::texts::{list, optional};
use crate::model::{BAD_VALUE, CONFLICTING_KEYS};
use crate::source::Spanned;

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
