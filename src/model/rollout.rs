//! How a service's pods are replaced, in detail, and in which order a stateful set starts them.

use std::sync::{Arc, LazyLock};

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::inventory::service::{Kind, Service as Table, Strategy};
use crate::inventory::value::OrOff;
use crate::inventory::workload::{PodManagement, Rollout as Written, Share};
use crate::model::references::Resolver;
use crate::model::service::check_count;
use crate::model::workload::{ends, whole};
use crate::model::{BAD_VALUE, CONFLICTING_KEYS};
use crate::source::{Span, Spanned};

/// How pods are replaced.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Rollout {
    /// `rollingUpdate`, in Kubernetes' spelling.
    pub rolling_update: Arc<Json>,
    /// Whether the inventory says how many pods may be replaced at a time.
    #[serde(skip)]
    pub asks_for_steps: bool,
    /// How long a new pod must be ready until it counts, in seconds.
    pub min_ready: Option<i64>,
    /// How long a Deployment may make no progress, in seconds.
    pub progress_deadline: Option<i64>,
    /// How many old revisions are kept.
    pub history: Option<i64>,
    /// `OrderedReady` or `Parallel`.
    pub pod_management: Option<&'static str>,
}

impl Rollout {
    /// Whether a Deployment of so many pods stops an old one before a new one is ready. Kubernetes rounds a share down.
    pub fn takes_away_first(&self, pods: i64) -> bool {
        let share = match &self.rolling_update["maxUnavailable"] {
            Json::Null => Some(25),
            Json::String(text) => text.trim_end_matches('%').parse::<i64>().ok(),
            count => return count.as_i64().is_some_and(|count| count > 0),
        };
        let stops = share.is_some_and(|share| share.saturating_mul(pods) / 100 > 0);
        // Kubernetes takes one away where neither rounds to anything.
        stops || [json!(0), json!("0%")].contains(&self.rolling_update["maxSurge"])
    }
}

/// Kubernetes' own defaults, but ours: what nobody has applied stays when the strategy becomes Recreate, and is refused
/// beside it.
static OF_DEPLOYMENTS: LazyLock<Arc<Json>> =
    LazyLock::new(|| Arc::new(json!({ "maxSurge": "25%", "maxUnavailable": "25%" })));

/// A Deployment counts as failed after so many seconds without progress, if nothing else is said.
pub const PROGRESS_DEADLINE: i64 = 600;
/// What a pod needs beside its start: a node, its images, its volumes.
const BEFORE_THE_START: i64 = 300;

/// Gives a Deployment whose pods may take long to start the time to do so, unless the inventory says it.
pub fn give_time(rollout: &mut Rollout, kind: Kind, longest_start: i64) {
    let needed = longest_start.saturating_add(rollout.min_ready.unwrap_or(0));
    if kind == Kind::Deployment && longest_start > 0 && needed >= PROGRESS_DEADLINE {
        let deadline = needed.saturating_add(BEFORE_THE_START).min(i64::from(i32::MAX));
        rollout.progress_deadline.get_or_insert(deadline);
    }
}

/// Lowers how pods are replaced.
pub fn lower_rollout(resolver: &mut Resolver<'_>, key: &str, table: &Table, kind: Kind) -> Rollout {
    let mut rollout = Rollout {
        pod_management: table.pod_management.map(|word| match word.value {
            PodManagement::Ordered => "OrderedReady",
            PodManagement::Parallel => "Parallel",
        }),
        ..Rollout::default()
    };
    report_misplaced(resolver, key, table, kind);
    if kind == Kind::Deployment {
        rollout.rolling_update = Arc::clone(&OF_DEPLOYMENTS);
    }
    let Some(written) = table.rollout.as_ref().and_then(OrOff::on) else { return rollout };
    check_count(resolver, written.partition.as_ref(), "pods");
    check_count(resolver, written.history.as_ref(), "revisions");
    report_standstill(resolver, key, written, kind);
    let mut update = rollout.rolling_update.as_object().cloned().unwrap_or_default();
    for (name, share) in [("maxSurge", &written.max_surge), ("maxUnavailable", &written.max_unavailable)] {
        if let Some(share) = share {
            // A deployment may have its pods more than twice meanwhile.
            check_share(resolver, share, name == "maxUnavailable" || kind == Kind::DaemonSet);
            update.insert(name.to_owned(), share.json());
            rollout.asks_for_steps = true;
        }
    }
    let surges = written.max_surge.as_ref().is_some_and(|share| share.number != 0);
    if kind == Kind::DaemonSet && surges && written.max_unavailable.is_none() {
        // A DaemonSet may do only one of the two.
        update.insert("maxUnavailable".to_owned(), json!(0));
    }
    if let Some(partition) = written.partition {
        update.insert("partition".to_owned(), json!(partition.value));
        rollout.asks_for_steps = true;
    }
    if !update.is_empty() {
        rollout.rolling_update = Arc::new(Json::Object(update));
    }
    rollout.min_ready = whole(written.min_ready.as_ref());
    rollout.progress_deadline = whole(written.progress_deadline.as_ref());
    rollout.history = written.history.map(|count| count.value);
    rollout
}

/// Reports a number of pods, or a share of them, that is out of bounds. A share of what is there ends at 100%.
pub(super) fn check_share(resolver: &mut Resolver<'_>, share: &Share, of_present: bool) {
    if !share.percent {
        let number = Spanned::new(share.number, share.text.span);
        check_count(resolver, Some(&number), "pods");
    } else if of_present && share.number > 100 {
        let message = format!("{} is more than all pods", share.text);
        resolver.found.push(
            BAD_VALUE.at(share.text.span, "more than 100%", message).help("give a share from 0% to 100%"),
        );
    }
}

/// Kubernetes refuses a rollout that may neither add a pod nor take one away.
fn report_standstill(resolver: &mut Resolver<'_>, key: &str, written: &Written, kind: Kind) {
    let none =
        |share: &Option<Share>, default: i64| share.as_ref().map_or(default, |share| share.number) == 0;
    // A daemon set takes one away and adds none, if nothing is said.
    let (surge, gone) = if kind == Kind::DaemonSet { (0, 1) } else { (1, 1) };
    let both = !none(&written.max_surge, 0) && !none(&written.max_unavailable, 0);
    if kind == Kind::DaemonSet && both {
        let message = format!("`rollout` of daemon-set `{key}` adds pods and takes others away");
        resolver.found.push(
            BAD_VALUE
                .at(written.span, "only one of the two", message)
                .help("leave out `max-surge` or `max-unavailable`"),
        );
    }
    if kind == Kind::StatefulSet || !none(&written.max_surge, surge) || !none(&written.max_unavailable, gone)
    {
        return;
    }
    let message = format!("`rollout` of service `{key}` lets no pod be added and none be taken away");
    resolver.found.push(
        BAD_VALUE
            .at(written.span, "nothing can be replaced", message)
            .help("allow one of them: `max-unavailable = 1`"),
    );
}

/// Each key that does not go with the kind or the strategy.
fn report_misplaced(resolver: &mut Resolver<'_>, key: &str, table: &Table, kind: Kind) {
    let mut misplaced: Vec<(&str, Option<Span>, String)> = Vec::new();
    let not_for = format!("not for a {}", kind.word());
    if kind != Kind::StatefulSet {
        misplaced.push(("pod-management", table.pod_management.map(|word| word.span), not_for.clone()));
    }
    let written = table.rollout.as_ref().and_then(OrOff::on);
    if let Some(rollout) = written.filter(|_| ends(kind)) {
        misplaced.push(("rollout", Some(rollout.span), not_for));
    } else if let Some(rollout) = written {
        let surge = rollout.max_surge.as_ref().map(|share| share.text.span);
        let unavailable = rollout.max_unavailable.as_ref().map(|share| share.text.span);
        let deadline = rollout.progress_deadline.as_ref().map(|time| time.0.span);
        let recreated = kind == Kind::Deployment
            && table.strategy.is_some_and(|strategy| strategy.value == Strategy::Recreate);
        match kind {
            // `maxUnavailable` of a stateful set is behind a feature gate.
            Kind::StatefulSet => misplaced.extend([
                ("rollout.max-surge", surge, not_for.clone()),
                ("rollout.max-unavailable", unavailable, not_for.clone()),
            ]),
            _ => {
                misplaced.push((
                    "rollout.partition",
                    rollout.partition.map(|count| count.span),
                    not_for.clone(),
                ));
                if recreated {
                    let label = "not with `strategy = \"recreate\"`".to_owned();
                    misplaced.push(("rollout.max-surge", surge, label.clone()));
                    misplaced.push(("rollout.max-unavailable", unavailable, label));
                }
            }
        }
        if kind != Kind::Deployment {
            misplaced.push(("rollout.progress-deadline", deadline, not_for));
        }
    }
    for (name, span, label) in misplaced {
        let Some(span) = span else { continue };
        resolver.found.push(
            CONFLICTING_KEYS
                .at(span, label, format!("service `{key}` has no use for `{name}`"))
                .help("drop it")
                .about(format!("services.{key}")),
        );
    }
}
