//! How many pods a service has and how they run: jobs, scaling, budgets; and what does not go with its kind.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::diagnostic::Diagnostic;
use crate::inventory::MISSING_KEY;
use crate::inventory::service::{Kind, Service as Table};
use crate::inventory::value::{Duration, OrOff};
use crate::inventory::workload::{
    Concurrency, DisruptionBudget, Job as WrittenJob, Restart, Retention, Share, UnhealthyPodEviction,
};
use crate::model::environment::Around;
use crate::model::naming::one_of;
use crate::model::pod::check_counts;
use crate::model::references::Resolver;
use crate::model::rollout::check_share;
use crate::model::volume::{ClaimTemplate, Source, Volume};
use crate::model::zone::lower_time_zone;
use crate::model::{BAD_VALUE, CONFLICTING_KEYS};
use crate::object::zones::is_time_zone;
use crate::source::{Span, Spanned};

/// How a job runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Job {
    /// When, for a cron job.
    pub schedule: Option<Spanned<String>>,
    /// The time zone of the schedule.
    pub time_zone: Option<String>,
    /// `Allow`, `Forbid` or `Replace`.
    pub concurrency: &'static str,
    /// Whether no runs are started.
    pub suspend: bool,
    /// How many failures are tried again.
    pub backoff_limit: Option<i64>,
    /// How long a run may take, in seconds.
    pub deadline: Option<i64>,
    /// How late a run may start, in seconds.
    pub starting_deadline: Option<i64>,
    /// How many successful runs are kept.
    pub keep_successful: Option<i64>,
    /// How many failed runs are kept.
    pub keep_failed: Option<i64>,
    /// How long a finished run is kept, in seconds.
    pub ttl: Option<i64>,
    /// How many pods must end with success.
    pub completions: Option<i64>,
    /// How many pods run at a time.
    pub parallelism: Option<i64>,
    /// `Never` or `OnFailure`.
    pub restart: &'static str,
    /// The place of `ttl`.
    #[serde(skip)]
    pub ttl_place: Option<Span>,
}

/// How the number of pods follows the load.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Autoscale {
    /// The least pods.
    pub min: i64,
    /// The most pods.
    pub max: Spanned<i64>,
    /// The share of each resource that is to be used, in percent.
    pub targets: Vec<Target>,
    /// What else it follows, in Kubernetes' spelling.
    pub metrics: Vec<Json>,
    /// How fast it scales.
    pub behavior: Json,
    /// The place of the table.
    #[serde(skip)]
    pub place: Span,
}

/// The share of a resource that is to be used.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Target {
    /// `cpu` or `memory`.
    pub resource: &'static str,
    /// In percent of what is requested.
    pub percent: i64,
    /// Where it is asked for.
    #[serde(skip)]
    pub place: Span,
}

/// How many pods must stay while nodes are drained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Budget {
    /// At least so many stay.
    pub min_available: Json,
    /// At most so many go.
    pub max_unavailable: Json,
    /// Whether unhealthy pods may go.
    pub unhealthy_pod_eviction: Option<&'static str>,
    /// The same, for rules.
    #[serde(skip)]
    pub least: Option<Share>,
    /// The same, for rules.
    #[serde(skip)]
    pub most: Option<Share>,
}

/// What a service says of the number of its pods and how they run.
#[derive(Clone, Debug)]
pub struct Workload {
    /// For jobs.
    pub job: Option<Job>,
    /// The autoscaler.
    pub autoscale: Option<Autoscale>,
    /// The budget.
    pub budget: Option<Budget>,
    /// What becomes of claims made from templates.
    pub claim_retention: Option<Box<Json>>,
}

/// Whether its pods end by themselves.
pub fn ends(kind: Kind) -> bool {
    matches!(kind, Kind::Job | Kind::CronJob)
}

/// Lowers what a service says of the number of its pods and how they run.
pub fn lower_workload(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    key: &str,
    table: &Table,
    kind: Kind,
    place: Span,
) -> Workload {
    if around.complete {
        report_kind(resolver, key, table, kind, place);
    }
    Workload {
        job: ends(kind).then(|| lower_job(resolver, around, table, kind)),
        autoscale: lower_autoscale(resolver, table),
        budget: lower_budget(resolver, around, table),
        claim_retention: lower_retention(resolver, around, table),
    }
}

/// The claims that each pod of a service gets for itself.
pub fn claim_templates(volumes: &[Volume]) -> Vec<ClaimTemplate> {
    let templates = volumes.iter().filter_map(|volume| match &volume.source {
        Source::ClaimTemplate(template) => Some(template.as_ref().clone()),
        _ => None,
    });
    templates.collect()
}

/// Keys that a service has, and kinds that have no use for them.
fn report_kind(resolver: &mut Resolver<'_>, key: &str, table: &Table, kind: Kind, place: Span) {
    let schedule = table.schedule.as_ref().and_then(OrOff::on);
    let unread = |name: &str| resolver.inventory.unread.at(&["services", key, name]);
    if unread("kind") {
        return report_both(resolver, key, table);
    }
    if kind == Kind::CronJob && schedule.is_none() && !unread("schedule") {
        let at = table.kind.as_ref().map_or(place, |kind| kind.span);
        resolver.found.push(
            MISSING_KEY
                .at(at, "when?", format!("`services.{key}` is a cron-job, and needs `schedule`"))
                .help("add `schedule`, such as \"0 3 * * *\"")
                .about(format!("services.{key}")),
        );
    }
    let misplaced = misplaced(table, kind, schedule.map(|text| text.span));
    for (name, span, help) in misplaced.into_iter().filter_map(|(name, span, help)| Some((name, span?, help)))
    {
        let message = format!("service `{key}` is a {}, which has no use for `{name}`", kind.word());
        let mut diagnostic = CONFLICTING_KEYS.at(span, format!("not for a {}", kind.word()), message);
        if let Some(kind) = &table.kind {
            diagnostic = diagnostic.because(kind.span, "this kind");
        }
        resolver.found.push(diagnostic.help(help).about(format!("services.{key}")));
    }
    report_both(resolver, key, table);
}

/// An environment may scale what has a fixed number by default: the autoscaler wins. Else one of them is in vain.
fn report_both(resolver: &mut Resolver<'_>, key: &str, table: &Table) {
    let default = resolver.inventory.tables.services.get(key).map(|entry| &entry.value);
    let own = resolver.environment().and_then(|(_, environment)| environment.services.get(key));
    let (Some(autoscale), Some(replicas)) = (table.autoscale.as_ref().and_then(OrOff::on), table.replicas)
    else {
        return;
    };
    let scales = |table: &Table| table.autoscale.as_ref().is_some_and(|autoscale| autoscale.on().is_some());
    let by_default = default.is_some_and(|table| table.replicas.is_some() && scales(table));
    if by_default || own.is_some_and(|own| own.value.replicas.is_some()) {
        resolver.found.push(both(key, replicas.span, autoscale.span));
    }
}

fn both(key: &str, replicas: Span, autoscale: Span) -> Diagnostic {
    CONFLICTING_KEYS
        .at(replicas, "a number", format!("service `{key}` has both `replicas` and `autoscale`"))
        .because(autoscale, "and a range")
        .help("drop `replicas`, or take the autoscaler away: `autoscale = false`")
        .about(format!("services.{key}"))
}

/// Each key that does not go with the kind: its name, its place if it is there, and what to do.
fn misplaced(
    table: &Table,
    kind: Kind,
    schedule: Option<Span>,
) -> Vec<(&'static str, Option<Span>, &'static str)> {
    let job = table.job.as_ref().and_then(OrOff::on);
    let autoscale = table.autoscale.as_ref().and_then(OrOff::on).map(|table| table.span);
    let budget = table.disruption_budget.as_ref().and_then(OrOff::on).map(|table| table.span);
    let retention = table.claim_retention.as_ref().and_then(OrOff::on).map(|table| table.span);
    let templates = table.volumes.values().filter_map(|entry| entry.value.on()?.claim_template.as_ref());
    let mut keys = Vec::new();
    if kind != Kind::CronJob {
        keys.push(("schedule", schedule, "write `kind = \"cron-job\"`, or drop it"));
    }
    if !ends(kind) {
        keys.push(("job", job.map(|job| job.span), "write `kind = \"job\"` or `\"cron-job\"`, or drop it"));
    }
    if kind == Kind::Job {
        keys.extend(job.into_iter().flat_map(only_by_the_clock));
    }
    if kind != Kind::StatefulSet {
        let help = "write `kind = \"stateful-set\"`, or mount a claim of the stack";
        keys.extend(templates.map(|template| ("claim-template", Some(template.span), help)));
        keys.push(("claim-retention", retention, "drop it: only claims of a `claim-template` have it"));
    } else {
        let hostname = table.hostname.as_ref().map(|text| text.span);
        keys.push(("hostname", hostname, "drop it: each of its pods has a name of its own, such as `db-0`"));
    }
    if ends(kind) || kind == Kind::DaemonSet {
        keys.push(("autoscale", autoscale, "drop it, or use another kind"));
        keys.push(("disruption-budget", budget, "drop it: draining a node does not wait for such pods"));
    }
    if ends(kind) {
        keys.extend(only_for_what_stays(table));
    }
    keys
}

fn only_by_the_clock(job: &WrittenJob) -> Vec<(&'static str, Option<Span>, &'static str)> {
    let help = "write `kind = \"cron-job\"`, or drop it";
    vec![
        ("job.time-zone", job.time_zone.as_ref().map(|text| text.span), help),
        ("job.concurrency", job.concurrency.map(|word| word.span), help),
        ("job.starting-deadline", job.starting_deadline.as_ref().map(|time| time.0.span), help),
        ("job.keep-successful", job.keep_successful.map(|count| count.span), help),
        ("job.keep-failed", job.keep_failed.map(|count| count.span), help),
    ]
}

fn only_for_what_stays(table: &Table) -> Vec<(&'static str, Option<Span>, &'static str)> {
    let drop = "drop it: a job runs to its end, and nobody asks whether it is ready";
    let probe = |probe: &Option<OrOff<crate::inventory::service::Probe>>| {
        probe.as_ref().and_then(OrOff::on).map(|probe| probe.span)
    };
    let host = table.host.as_ref().and_then(OrOff::on).and_then(|hosts| hosts.0.first());
    let address = table.ip.as_ref().and_then(OrOff::on).and_then(|addresses| addresses.0.first());
    vec![
        (
            "replicas",
            table.replicas.map(|count| count.span),
            "write `job.parallelism` or `job.completions`, or drop it",
        ),
        ("strategy", table.strategy.map(|word| word.span), "drop it: each run has pods of its own"),
        ("probe", probe(&table.probe), drop),
        ("readiness-probe", probe(&table.readiness_probe), drop),
        ("liveness-probe", probe(&table.liveness_probe), drop),
        ("startup-probe", probe(&table.startup_probe), drop),
        ("host", host.map(|host| host.span), "drop it: it is not there when people come"),
        ("ip", address.map(|address| address.0.span), "drop it: it is not there when people come"),
    ]
}

/// Whole seconds: at least one, if it is any time at all.
pub fn whole(time: Option<&Duration>) -> Option<i64> {
    time.map(|time| {
        let least = i64::from(time.seconds() > 0.0);
        (time.seconds().round() as i64).clamp(least, i64::from(i32::MAX))
    })
}

fn lower_job(resolver: &mut Resolver<'_>, around: &Around<'_>, table: &Table, kind: Kind) -> Job {
    let absent = WrittenJob::default();
    let written = table.job.as_ref().and_then(OrOff::on).unwrap_or(&absent);
    check_counts(
        resolver,
        &[
            (written.backoff_limit, "failures"),
            (written.keep_successful, "runs"),
            (written.keep_failed, "runs"),
            (written.completions, "pods"),
            (written.parallelism, "pods"),
        ],
    );
    let by_the_clock = kind == Kind::CronJob;
    Job {
        schedule: by_the_clock.then(|| lower_schedule(resolver, table)).flatten(),
        time_zone: by_the_clock.then(|| time_zone(resolver, around, written)).flatten(),
        concurrency: match written.concurrency.map_or(Concurrency::Forbid, |word| word.value) {
            Concurrency::Allow => "Allow",
            Concurrency::Forbid => "Forbid",
            Concurrency::Replace => "Replace",
        },
        suspend: written.suspend.is_some_and(|flag| flag.value),
        backoff_limit: written.backoff_limit.map(|count| count.value),
        deadline: whole(written.deadline.as_ref()),
        starting_deadline: whole(written.starting_deadline.as_ref()),
        keep_successful: written.keep_successful.map(|count| count.value),
        keep_failed: written.keep_failed.map(|count| count.value),
        ttl: whole(written.ttl.as_ref()),
        completions: written.completions.map(|count| count.value),
        parallelism: written.parallelism.map(|count| count.value),
        restart: match written.restart.map_or(Restart::OnFailure, |word| word.value) {
            Restart::Never => "Never",
            Restart::OnFailure => "OnFailure",
        },
        ttl_place: written.ttl.as_ref().map(|time| time.0.span),
    }
}

fn lower_schedule(resolver: &mut Resolver<'_>, table: &Table) -> Option<Spanned<String>> {
    Some(resolver.text(table.schedule.as_ref()?.on()?))
}

/// CronJobs have a time zone since Kubernetes 1.25.
fn time_zone(resolver: &mut Resolver<'_>, around: &Around<'_>, written: &WrittenJob) -> Option<String> {
    let cluster = &around.model.cluster;
    let Some(zone) = written.time_zone.as_ref().map(|text| lower_time_zone(resolver, text)) else {
        return cluster.timezone.clone().filter(|zone| cluster.version >= (1, 25) && is_time_zone(zone));
    };
    if is_time_zone(&zone) && cluster.version < (1, 25) {
        let message = format!("cron jobs of Kubernetes {} have no time zone", cluster.kubernetes);
        resolver.found.push(
            BAD_VALUE
                .at(zone.span, "since Kubernetes 1.25", message)
                .help("drop it, and write `schedule` in UTC"),
        );
    }
    Some(zone.value)
}

/// What the autoscaler aims at if nothing is said.
const DEFAULT_TARGET: i64 = 80;

fn lower_autoscale(resolver: &mut Resolver<'_>, table: &Table) -> Option<Autoscale> {
    let written = table.autoscale.as_ref()?.on()?;
    let max = written.max?;
    let least = Spanned::new(1, written.span);
    let min = written.min.unwrap_or(least);
    for (count, what) in [(min, "the least pods"), (max, "the most pods")] {
        if !(1..=i64::from(i32::MAX)).contains(&count.value) {
            resolver.found.push(
                BAD_VALUE
                    .at(count.span, "at least 1", format!("{count} cannot be {what} of an autoscaler"))
                    .help("give 1 or more"),
            );
        }
    }
    if min.value > max.value {
        resolver.found.push(
            BAD_VALUE
                .at(
                    min.span,
                    "more than the most",
                    format!("`autoscale` has at least {min} pods and at most {max}"),
                )
                .because(max.span, "the most")
                .help("swap them, or raise `max`"),
        );
    }
    let mut targets = Vec::new();
    for (resource, percent) in [("cpu", written.cpu), ("memory", written.memory)] {
        let Some(percent) = percent else { continue };
        if !(1..=i64::from(i32::MAX)).contains(&percent.value) {
            resolver.found.push(
                BAD_VALUE
                    .at(
                        percent.span,
                        "no share",
                        format!("{percent} is no share of the requested {resource} in percent"),
                    )
                    .help("give a number such as 80"),
            );
        }
        targets.push(Target { resource, percent: percent.value, place: percent.span });
    }
    if targets.is_empty() && written.metrics.is_empty() {
        targets.push(Target { resource: "cpu", percent: DEFAULT_TARGET, place: written.span });
    }
    let behavior = written.behavior.as_ref().map_or(Json::Null, |behavior| resolver.value(&behavior.0));
    let metrics = written.metrics.iter().map(|metric| resolver.value(&metric.0)).collect();
    Some(Autoscale { min: min.value, max, targets, metrics, behavior, place: written.span })
}

fn lower_budget(resolver: &mut Resolver<'_>, around: &Around<'_>, table: &Table) -> Option<Budget> {
    let written: &DisruptionBudget = table.disruption_budget.as_ref()?.on()?;
    let given = [
        ("min-available", written.min_available.as_ref().map(|share| share.text.span)),
        ("max-unavailable", written.max_unavailable.as_ref().map(|share| share.text.span)),
    ];
    one_of(resolver, &given, "`disruption-budget`", written.span, None);
    let shares = [&written.min_available, &written.max_unavailable];
    for share in shares.into_iter().flatten() {
        check_share(resolver, share, true);
    }
    // Nothing follows from what cannot be meant.
    let [least, most] =
        shares.map(|share| share.clone().filter(|share| !share.percent || share.number <= 100));
    if let Some(eviction) = written.unhealthy_pod_eviction {
        since(resolver, around, (1, 27), eviction.span, "unhealthy-pod-eviction");
    }
    let json = |share: &Option<Share>| share.as_ref().map_or(Json::Null, Share::json);
    Some(Budget {
        min_available: json(&written.min_available),
        max_unavailable: json(&written.max_unavailable),
        unhealthy_pod_eviction: written.unhealthy_pod_eviction.map(|word| match word.value {
            UnhealthyPodEviction::IfHealthyBudget => "IfHealthyBudget",
            UnhealthyPodEviction::AlwaysAllow => "AlwaysAllow",
        }),
        least,
        most,
    })
}

fn lower_retention(resolver: &mut Resolver<'_>, around: &Around<'_>, table: &Table) -> Option<Box<Json>> {
    let written = table.claim_retention.as_ref().and_then(OrOff::on)?;
    since(resolver, around, (1, 27), written.span, "claim-retention");
    let word = |retention: Option<Spanned<Retention>>| match retention.map(|word| word.value) {
        Some(Retention::Delete) => "Delete",
        _ => "Retain",
    };
    Some(Box::new(
        json!({ "whenDeleted": word(written.when_deleted), "whenScaled": word(written.when_scaled) }),
    ))
}

/// Reports a key that the cluster's Kubernetes does not know yet.
pub fn since(resolver: &mut Resolver<'_>, around: &Around<'_>, first: (u32, u32), span: Span, key: &str) {
    let cluster = &around.model.cluster;
    if cluster.version < first {
        let (major, minor) = first;
        resolver.found.push(
            BAD_VALUE
                .at(
                    span,
                    format!("since Kubernetes {major}.{minor}"),
                    format!("Kubernetes {} has no `{key}`", cluster.kubernetes),
                )
                .help(format!("drop `{key}`, or raise `cluster.kubernetes`")),
        );
    }
}
