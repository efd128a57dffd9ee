//! Autoscalers: what they follow, and how fast.

use super::{Sense, field, has, is_positive, is_segment, items, quantity, said, text};
use crate::object::Value;
use crate::object::path::Here;

/// What each type of metric is told by.
const SOURCES: &[(&str, &str)] = &[
    ("ContainerResource", "containerResource"),
    ("External", "external"),
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
];

const BAD_SEGMENT: &str = "cannot have `/` or `%` in it";

impl Sense<'_> {
    pub(super) fn autoscaler(&mut self, spec: &Value, here: &Here<'_>) {
        let bound = |key: &str| spec.get(key).and_then(Value::as_i64);
        if let (Some(low), Some(high)) = (bound("minReplicas"), bound("maxReplicas"))
            && low > high
        {
            self.fault(&here.key("minReplicas"), format!("is over `maxReplicas`, {high}"));
        }
        let outside = |one: &Value| has(one, "object") || has(one, "external");
        if bound("minReplicas") == Some(0) && !items(spec, "metrics").iter().any(outside) {
            self.fault(
                &here.key("minReplicas"),
                "must be 1 or more: no pods use nothing that could be measured",
            );
        }
        self.within(spec, "scaleTargetRef", here, |sense, target, here| {
            sense.reference(target, here);
            if said(target, "apiVersion").is_some_and(|version| version.split('/').count() != 2) {
                sense.fault(&here.key("apiVersion"), "must be a group and a version, such as `apps/v1`");
            } else if !has(target, "apiVersion") || field(target, "apiVersion") == "" {
                sense.fault(here, "`apiVersion` is missing");
            }
        });
        self.each(spec, "metrics", here, Self::metric);
        self.within(spec, "behavior", here, Self::behavior);
    }

    pub(super) fn behavior(&mut self, behavior: &Value, here: &Here<'_>) {
        self.within(behavior, "scaleUp", here, Self::scaling);
        self.within(behavior, "scaleDown", here, Self::scaling);
    }

    fn scaling(&mut self, rules: &Value, here: &Here<'_>) {
        self.bounds(rules, "stabilizationWindowSeconds", 0, 3600, here);
        self.filled(rules, "policies", here);
        self.each(rules, "policies", here, |sense, policy, here| {
            sense.bounds(policy, "value", 1, i64::MAX, here);
            sense.bounds(policy, "periodSeconds", 1, 1800, here);
        });
        if quantity(field(rules, "tolerance")).is_some_and(|share| share.is_negative()) {
            self.fault(&here.key("tolerance"), "must not be negative");
        }
    }

    /// Another object, by kind and name.
    fn reference(&mut self, object: &Value, here: &Here<'_>) {
        for key in ["kind", "name"] {
            self.full(object, key, here);
            self.fits(object, key, is_segment, BAD_SEGMENT, here);
        }
    }

    pub(super) fn metric(&mut self, metric: &Value, here: &Here<'_>) {
        let own = SOURCES.iter().find(|(kind, _)| text(metric, "type") == Some(kind));
        let Some((kind, own)) = own else { return };
        for (_, other) in SOURCES.iter().filter(|(_, other)| other != own && has(metric, other)) {
            self.fault(&here.key(other), format!("cannot be given where `type` is `{kind}`"));
        }
        if !has(metric, own) {
            self.fault(here, format!("`{own}` is missing"));
        }
        self.within(metric, own, here, |sense, source, here| {
            sense.full(source, "name", here);
            sense.full(source, "container", here);
            sense.within(source, "describedObject", here, Self::reference);
            sense.within(source, "metric", here, |sense, metric, here| {
                sense.full(metric, "name", here);
                sense.fits(metric, "name", is_segment, BAD_SEGMENT, here);
            });
            sense.within(source, "target", here, |sense, target, here| sense.target(target, own, here));
        });
    }

    /// How much is aimed at: by one measure, and that fits what is measured.
    fn target(&mut self, target: &Value, of: &str, here: &Here<'_>) {
        self.bounds(target, "averageUtilization", 1, i64::MAX, here);
        for key in ["averageValue", "value"] {
            if quantity(field(target, key)).is_some_and(|amount| !is_positive(amount)) {
                self.fault(&here.key(key), "must be more than 0");
            }
        }
        match of {
            "resource" | "containerResource" => {
                self.either(target, &["averageUtilization", "averageValue"], true, here);
            }
            "pods" if !has(target, "averageValue") => self.fault(here, "`averageValue` is missing"),
            "external" => self.either(target, &["averageValue", "value"], true, here),
            "object" if !has(target, "averageValue") && !has(target, "value") => {
                self.fault(here, "`value` is missing, and so is `averageValue`");
            }
            _ => {}
        }
    }
}
