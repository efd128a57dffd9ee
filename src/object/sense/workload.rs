//! What makes pods: its selector, how it replaces them, and when they have ended.

use std::collections::BTreeSet;

use super::{BAD_LABEL, BAD_NAME, Sense, field, flag, has, items, members, names, said, text};
use crate::object::Value;
use crate::object::naming::{is_dns_label, is_dns_name};
use crate::object::path::Here;
use crate::object::schema::cut;
use crate::object::zones::is_time_zone;

/// Labels that a Job gives to its pods by itself.
const OF_JOBS: &[&str] =
    &["batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "controller-uid", "job-name"];

/// So many pods an indexed Job may have at a time, and so many in all if it counts failures of each.
const MOST_INDEXES: i64 = 100_000;

const SHARE: &str = "must be a share of 100% at most";

impl Sense<'_> {
    pub(super) fn workload(&mut self, spec: &Value, kind: &str, here: &Here<'_>) {
        self.label_selector(spec, "selector", here);
        self.template(spec, kind, here);
        self.bounds(spec, "minReadySeconds", 0, i64::MAX, here);
        match kind {
            "Deployment" => self.deployment(spec, here),
            "DaemonSet" => self.daemon_set(spec, here),
            "StatefulSet" => self.stateful_set(spec, here),
            _ => {}
        }
    }

    fn deployment(&mut self, spec: &Value, here: &Here<'_>) {
        let number = |key: &str, else_: i64| spec.get(key).map_or(Some(else_), Value::as_i64);
        if let (Some(deadline), Some(ready)) =
            (number("progressDeadlineSeconds", 600), number("minReadySeconds", 0))
            && deadline <= ready
        {
            let key = if has(spec, "progressDeadlineSeconds") {
                "progressDeadlineSeconds"
            } else {
                "minReadySeconds"
            };
            self.fault(
                &here.key(key),
                format!(
                    "`progressDeadlineSeconds`, {deadline}, must be more than `minReadySeconds`, {ready}"
                ),
            );
        }
        self.within(spec, "strategy", here, |sense, strategy, here| {
            if text(strategy, "type") == Some("Recreate") && has(strategy, "rollingUpdate") {
                sense.fault(&here.key("rollingUpdate"), "cannot be given where `type` is `Recreate`");
            }
            sense.within(strategy, "rollingUpdate", here, |sense, update, here| {
                if is_none(update, "maxSurge") && is_none(update, "maxUnavailable") {
                    sense.fault(
                        here,
                        "`maxSurge` and `maxUnavailable` cannot both be 0: no pod could be replaced",
                    );
                }
                sense.share(update, "maxUnavailable", here);
            });
        });
    }

    fn daemon_set(&mut self, spec: &Value, here: &Here<'_>) {
        self.within(spec, "updateStrategy", here, |sense, strategy, here| {
            if text(strategy, "type") == Some("OnDelete") {
                return;
            }
            sense.within(strategy, "rollingUpdate", here, |sense, update, here| {
                let surge = has(update, "maxSurge") && !is_none(update, "maxSurge");
                let missing = !is_none(update, "maxUnavailable");
                if surge && missing {
                    sense.fault(here, "`maxSurge` needs `maxUnavailable: 0`");
                } else if !surge && !missing {
                    sense.fault(
                        here,
                        "`maxSurge` and `maxUnavailable` cannot both be 0: no pod could be replaced",
                    );
                }
                sense.share(update, "maxUnavailable", here);
                sense.share(update, "maxSurge", here);
            });
        });
    }

    fn stateful_set(&mut self, spec: &Value, here: &Here<'_>) {
        self.fits(spec, "serviceName", is_dns_name, BAD_NAME, here);
        self.within(spec, "updateStrategy", here, |sense, strategy, here| {
            if text(strategy, "type") == Some("OnDelete") && has(strategy, "rollingUpdate") {
                sense.fault(&here.key("rollingUpdate"), "cannot be given where `type` is `OnDelete`");
            }
            sense.within(strategy, "rollingUpdate", here, |sense, update, here| {
                sense.bounds(update, "partition", 0, i64::MAX, here);
                sense.share(update, "maxUnavailable", here);
            });
        });
        self.within(spec, "ordinals", here, |sense, ordinals, here| {
            sense.bounds(ordinals, "start", 0, i64::MAX, here);
        });
        self.within(spec, "persistentVolumeClaimRetentionPolicy", here, |sense, policy, here| {
            for key in ["whenDeleted", "whenScaled"] {
                if said(policy, key).is_some_and(|word| !matches!(word, "Retain" | "Delete")) {
                    sense.fault(&here.key(key), "must be `Retain` or `Delete`");
                }
            }
        });
        self.each(spec, "volumeClaimTemplates", here, |sense, claim, here| {
            sense.within(claim, "metadata", here, |sense, metadata, here| {
                // A volume of the pod is named after it.
                sense.fits(metadata, "name", is_dns_label, BAD_LABEL, here);
            });
            sense.within(claim, "spec", here, Self::claim);
        });
    }

    /// A share of the pods.
    fn share(&mut self, update: &Value, key: &str, here: &Here<'_>) {
        let share = text(update, key).and_then(|text| text.strip_suffix('%')?.parse::<u64>().ok());
        if share.is_some_and(|share| share > 100) {
            self.fault(&here.key(key), SHARE);
        }
    }

    pub(super) fn budget(&mut self, spec: &Value, here: &Here<'_>) {
        self.either(spec, &["minAvailable", "maxUnavailable"], false, here);
        self.share(spec, "minAvailable", here);
        self.share(spec, "maxUnavailable", here);
        self.label_selector(spec, "selector", here);
    }

    /// What holds a pod template: the selector and the claims beside it.
    fn template(&mut self, spec: &Value, kind: &str, here: &Here<'_>) {
        let Some(template) = spec.get("template") else { return };
        let at = here.key("template");
        let labels = field(field(template, "metadata"), "labels");
        let selector = field(spec, "selector");
        let mut selected = members(selector, "matchLabels");
        let own_selector = kind != "Job" || flag(spec, "manualSelector") == Some(true);
        if own_selector && selected.any(|(key, value)| labels.get(key) != Some(value)) {
            let selector = here.key("selector");
            self.fault(&selector.key("matchLabels"), "does not select the pods of its own template");
        } else if kind != "Job"
            && selector.is_object()
            && members(selector, "matchLabels").next().is_none()
            && items(selector, "matchExpressions").is_empty()
        {
            self.fault(
                &here.key("selector"),
                "selects every pod: it must select those of its template alone",
            );
        } else if own_selector && !expressions_fit(selector, labels) {
            let selector = here.key("selector");
            self.fault(&selector.key("matchExpressions"), "does not select the pods of its own template");
        }
        if let Some(metadata) = template.get("metadata") {
            self.labels(metadata, &at.key("metadata"));
            self.pod_annotations(template, &at);
        }
        if let Some(pod) = template.get("spec") {
            let claims: BTreeSet<&str> = items(spec, "volumeClaimTemplates")
                .iter()
                .filter_map(|claim| text(field(claim, "metadata"), "name"))
                .collect();
            self.pod(pod, &claims, kind, &at.key("spec"));
        }
    }

    pub(super) fn cron_job(&mut self, spec: &Value, here: &Here<'_>) {
        for key in ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
            self.bounds(spec, key, 0, i64::MAX, here);
        }
        if text(spec, "schedule").is_some_and(|schedule| schedule.contains("TZ")) {
            self.fault(&here.key("schedule"), "cannot have a time zone: write `timeZone`");
        }
        if text(spec, "timeZone").is_some_and(|zone| !zone.is_empty() && !is_time_zone(zone)) {
            self.fault(&here.key("timeZone"), "must be a place, such as `Europe/Berlin`");
        }
        self.within(spec, "jobTemplate", here, |sense, template, here| {
            if let Some(metadata) = template.get("metadata") {
                sense.labels(metadata, &here.key("metadata"));
            }
            sense.within(template, "spec", here, |sense, job, here| {
                if flag(job, "manualSelector") == Some(true) {
                    sense.fault(&here.key("manualSelector"), "cannot be given in a CronJob");
                }
                sense.job(job, None, here);
            });
        });
    }

    pub(super) fn job(&mut self, spec: &Value, name: Option<&Value>, here: &Here<'_>) {
        self.template(spec, "Job", here);
        for key in
            ["activeDeadlineSeconds", "ttlSecondsAfterFinished", "backoffLimitPerIndex", "maxFailedIndexes"]
        {
            self.bounds(spec, key, 0, i64::MAX, here);
        }
        if flag(spec, "manualSelector") != Some(true) {
            if has(spec, "selector") {
                self.fault(&here.key("selector"), "is for the Job itself to set");
            }
            let template = here.key("template");
            let metadata = template.key("metadata");
            let labels = metadata.key("labels");
            let given = field(field(field(spec, "template"), "metadata"), "labels");
            for label in OF_JOBS.iter().filter(|label| has(given, label)) {
                if !label.ends_with("job-name") || given.get(label) != name {
                    self.fault(&labels.key(label), "is for the Job itself to set");
                }
            }
        } else if !has(spec, "selector") {
            self.fault(here, "`selector` is missing: `manualSelector` needs one");
        }
        self.full(spec, "managedBy", here);
        let why = "is no controller: a domain, `/` and a name, of 63 letters at most";
        self.fits(spec, "managedBy", is_controller, why, here);
        self.indexes(spec, here);
        self.failures(spec, here);
    }

    /// A Job whose pods have numbers.
    fn indexes(&mut self, spec: &Value, here: &Here<'_>) {
        let number = |key: &str| spec.get(key).and_then(Value::as_i64);
        if text(spec, "completionMode") != Some("Indexed") {
            for key in ["backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"] {
                if has(spec, key) {
                    self.fault(&here.key(key), "needs `completionMode: Indexed`");
                }
            }
            return;
        }
        if !has(spec, "completions") && has(spec, "parallelism") {
            self.fault(here, "`completions` is missing: `completionMode: Indexed` needs it");
        }
        self.bounds(spec, "parallelism", 0, MOST_INDEXES, here);
        if has(spec, "maxFailedIndexes") && !has(spec, "backoffLimitPerIndex") {
            self.fault(&here.key("maxFailedIndexes"), "needs `backoffLimitPerIndex`");
        }
        if let (Some(failed), Some(all)) = (number("maxFailedIndexes"), number("completions"))
            && failed > all
        {
            self.fault(&here.key("maxFailedIndexes"), format!("is over `completions`, {all}"));
        }
        self.within(spec, "successPolicy", here, |sense, policy, here| {
            if items(policy, "rules").is_empty() {
                sense.fault(here, "`rules` has no rule");
            }
            sense.each(policy, "rules", here, |sense, rule, here| {
                if !has(rule, "succeededIndexes") && !has(rule, "succeededCount") {
                    sense.fault(here, "one of `succeededIndexes`, `succeededCount` is needed");
                }
                sense.bounds(rule, "succeededCount", 0, number("completions").unwrap_or(i64::MAX), here);
                let last = said(rule, "succeededIndexes").and_then(|list| list.rsplit([',', '-']).next());
                let last = last.and_then(|last| last.parse::<i64>().ok());
                if let (Some(last), Some(all)) = (last, number("completions"))
                    && last >= all
                {
                    sense.fault(&here.key("succeededIndexes"), format!("there are {all} of them, from 0 on"));
                }
            });
        });
        if many_indexes(spec) && number("parallelism").is_some_and(|count| count > 10_000) {
            self.fault(&here.key("parallelism"), "must be 10000 at most, where `completions` is over 100000");
        }
        if many_indexes(spec) && number("maxFailedIndexes").is_none_or(|most| most > 10_000) {
            self.fault(
                &here.key("maxFailedIndexes"),
                "must be given, and be 10000 at most, where `completions` is over 100000",
            );
        }
    }

    fn failures(&mut self, spec: &Value, here: &Here<'_>) {
        let policy = field(spec, "podFailurePolicy");
        let pod = field(field(spec, "template"), "spec");
        if policy.is_object() && text(pod, "restartPolicy").is_some_and(|policy| policy != "Never") {
            self.fault(&here.key("podFailurePolicy"), "needs pods of `restartPolicy: Never`");
        }
        if policy.is_object() && said(spec, "podReplacementPolicy").is_some_and(|word| word != "Failed") {
            self.fault(&here.key("podReplacementPolicy"), "must be `Failed` with a `podFailurePolicy`");
        }
        let at = here.key("podFailurePolicy");
        let (containers, before) = (names(pod, "containers"), names(pod, "initContainers"));
        self.each(policy, "rules", &at, |sense, rule, here| {
            let conditions = !items(rule, "onPodConditions").is_empty();
            match (has(rule, "onExitCodes"), conditions) {
                (true, true) => {
                    sense.fault(
                        &here.key("onPodConditions"),
                        "`onExitCodes` and `onPodConditions` exclude each other",
                    );
                }
                (false, false) => sense.fault(here, "one of `onExitCodes`, `onPodConditions` is needed"),
                _ => {}
            }
            if text(rule, "action") == Some("FailIndex") && !has(spec, "backoffLimitPerIndex") {
                sense.fault(&here.key("action"), "`FailIndex` needs `backoffLimitPerIndex`");
            }
            sense.each(rule, "onPodConditions", here, |sense, condition, here| {
                sense.label_key(condition, "type", here);
                if said(condition, "status").is_some_and(|word| !matches!(word, "True" | "False" | "Unknown"))
                {
                    sense.fault(&here.key("status"), "must be `\"True\"`, `\"False\"` or `\"Unknown\"`");
                }
            });
            sense.within(rule, "onExitCodes", here, |sense, codes, here| {
                let values = items(codes, "values");
                if values.is_empty() {
                    sense.fault(&here.key("values"), "must not be empty");
                }
                if !values.is_sorted_by(|one, other| one.as_i64() < other.as_i64()) {
                    sense.fault(&here.key("values"), "must rise: each once, the least first");
                }
                if text(codes, "operator") == Some("In") && values.iter().any(|code| code.as_i64() == Some(0))
                {
                    sense.fault(&here.key("values"), "cannot have 0 in it: that is no failure");
                }
                if let Some(name) = said(codes, "containerName")
                    && !containers.contains(name)
                    && !before.contains(name)
                {
                    sense.fault(
                        &here.key("containerName"),
                        format!("the pod has no container `{}`", cut(name)),
                    );
                }
            });
        });
    }
}

/// So many pods that their failures are counted for some only.
fn many_indexes(spec: &Value) -> bool {
    let all = spec.get("completions").and_then(Value::as_i64);
    has(spec, "backoffLimitPerIndex") && all.is_some_and(|all| all > MOST_INDEXES)
}

/// Who else looks after a Job: `example.org/controller`.
fn is_controller(name: &str) -> bool {
    let parts = name.split_once('/');
    name.len() <= 63 && parts.is_some_and(|(domain, path)| is_dns_name(domain) && !path.is_empty())
}

/// A number or share that is none.
fn is_none(update: &Value, key: &str) -> bool {
    match field(update, key) {
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.strip_suffix('%').and_then(|share| share.parse().ok()) == Some(0_u64),
        _ => false,
    }
}

/// Whether labels are what the expressions of a selector ask for.
fn expressions_fit(selector: &Value, labels: &Value) -> bool {
    items(selector, "matchExpressions").iter().all(|one| {
        let Some(key) = text(one, "key") else { return true };
        let own = labels.get(key);
        let listed = own.is_some_and(|own| items(one, "values").contains(own));
        match text(one, "operator") {
            Some("In") => listed,
            Some("NotIn") => !listed,
            Some("Exists") => own.is_some(),
            Some("DoesNotExist") => own.is_none(),
            _ => true,
        }
    })
}
