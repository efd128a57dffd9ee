//! How Flux releases a chart.

use serde::Serialize;

use crate::inventory::flux::{self as written, DriftDetection, ReleaseStrategy};
use crate::model::flux::{on, written_time};
use crate::model::naming::{NameKind, optional_name};
use crate::model::pointers::check_pointers;
use crate::model::references::Resolver;
use crate::model::texts::{list, optional};
use crate::model::{BAD_VALUE, CONFLICTING_KEYS};

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

/// Lowers how a chart is released.
pub fn lower_release(
    resolver: &mut Resolver<'_>,
    table: Option<&written::ChartFlux>,
    about: &str,
) -> Release {
    let absent = written::ChartFlux::default();
    let table = table.unwrap_or(&absent);
    let steps =
        [&table.install, &table.upgrade].map(|step| step.as_ref().and_then(|step| step.timeout.as_ref()));
    for none in
        steps.into_iter().chain([table.timeout.as_ref()]).flatten().filter(|time| time.seconds() == 0.0)
    {
        let message = "Helm gets no time at all";
        let diagnostic = BAD_VALUE.at(none.0.span, "over before it begins", message).about(about);
        resolver.found.push(diagnostic.help("give it a few minutes, such as \"5m\""));
    }
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
        drift_ignore: lower_drift(resolver, &table.drift_ignore, about),
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

fn lower_drift(
    resolver: &mut Resolver<'_>,
    tables: &[written::DriftIgnore],
    about: &str,
) -> Vec<DriftIgnore> {
    let lower = |one: &written::DriftIgnore| {
        let paths = one.paths.as_ref().map(|paths| paths.0.as_slice()).unwrap_or_default();
        check_pointers(resolver, paths, about);
        DriftIgnore {
            paths: list(resolver, paths),
            kind: optional(resolver, one.kind.as_ref()),
            name: optional(resolver, one.name.as_ref()),
        }
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
