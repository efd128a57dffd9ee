//! Objects of the Prometheus operator: what their definitions say, and for what it passes over a whole monitor.

use super::{Sense, field};
use crate::object::Value;
use crate::object::path::Here;

/// Actions that write a label, and so need its name.
const WRITING: [&str; 6] = ["replace", "hashmod", "lowercase", "uppercase", "keepequal", "dropequal"];

impl Sense<'_> {
    /// What Prometheus asks, and what it makes of the answers.
    pub(super) fn monitor(&mut self, spec: &Value, here: &Here<'_>) {
        self.label_selector(spec, "selector", here);
        for key in ["labelLimit", "sampleLimit", "targetLimit"] {
            self.bounds(spec, key, 0, i64::MAX, here);
        }
        for list in ["endpoints", "podMetricsEndpoints"] {
            self.each(spec, list, here, |sense, endpoint, here| {
                for key in ["interval", "scrapeTimeout"] {
                    sense.fits(
                        endpoint,
                        key,
                        is_falling,
                        "is no duration of Prometheus: whole numbers, the greatest unit first",
                        here,
                    );
                }
                for key in ["metricRelabelings", "relabelings"] {
                    sense.each(endpoint, key, here, Self::relabeling);
                }
            });
        }
    }

    /// `ValidateRelabelConfig` of the operator. What is wrong costs the whole monitor.
    pub(super) fn relabeling(&mut self, one: &Value, here: &Here<'_>) {
        self.bounds(one, "modulus", 0, i64::MAX, here);
        let given = one.get("action").and_then(Value::as_str).filter(|action| !action.is_empty());
        let action = given.unwrap_or("replace").to_ascii_lowercase();
        let action = action.as_str();
        if WRITING.contains(&action) && field(one, "targetLabel").as_str().is_none_or(str::is_empty) {
            self.fault(here, format!("`{action}` needs `targetLabel`"));
        }
        if action == "hashmod"
            && one.get("modulus").and_then(Value::as_i64).is_none_or(|modulus| modulus == 0)
        {
            self.fault(here, "`hashmod` needs a `modulus` of 1 or more");
        }
        let (useless, only): (&[&str], _) = match action {
            "lowercase" | "uppercase" => (&["replacement"], "no `replacement`"),
            "keepequal" | "dropequal" => {
                (&["regex", "modulus", "separator", "replacement"], "only `sourceLabels` and `targetLabel`")
            }
            "labeldrop" | "labelkeep" => {
                (&["sourceLabels", "targetLabel", "modulus", "separator", "replacement"], "only `regex`")
            }
            _ => (&[], ""),
        };
        if let Some(key) = useless.iter().find(|key| differs(field(one, key), key)) {
            self.fault(&here.key(key), format!("`{action}` takes {only}"));
        }
    }
}

/// Whether a key of a relabeling says anything but its default.
fn differs(value: &Value, key: &str) -> bool {
    let default = match key {
        "regex" => "(.*)",
        "separator" => ";",
        "replacement" => "$1",
        _ => "",
    };
    match value {
        Value::Null => false,
        Value::String(text) => text != default,
        Value::Array(items) => !items.is_empty(),
        other => other.as_i64() != Some(0),
    }
}

/// Whole numbers with units, the greatest first.
fn is_falling(text: &str) -> bool {
    const UNITS: [&str; 7] = ["y", "w", "d", "h", "m", "s", "ms"];
    let (mut rest, mut last) = (text, None);
    while !rest.is_empty() && text != "0" {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let after = &rest[digits..];
        let end = after.find(|letter: char| letter.is_ascii_digit()).unwrap_or(after.len());
        let unit = UNITS.iter().position(|unit| *unit == &after[..end]);
        if digits == 0 || unit.is_none() || unit <= last {
            return false;
        }
        (rest, last) = (&after[end..], unit);
    }
    true
}
