//! Selectors: of labels, of nodes, and the keys of labels that stand beside them.

use std::collections::BTreeSet;

use super::{BAD_KEY, EMPTY, Sense, field, has, is_open, items, not_a_label_value, said, text};
use crate::object::Value;
use crate::object::naming::{is_dns_name, is_label_key, is_label_value};
use crate::object::path::Here;
use crate::object::schema::cut;

impl Sense<'_> {
    /// A selector of labels in a field.
    pub(super) fn label_selector(&mut self, value: &Value, key: &str, here: &Here<'_>) {
        self.within(value, key, here, Self::selector);
    }

    pub(super) fn selector(&mut self, selector: &Value, here: &Here<'_>) {
        self.label_map(selector, "matchLabels", here);
        self.each(selector, "matchExpressions", here, |sense, one, here| {
            sense.requirement(one, here);
            sense.label_values(one, here);
        });
    }

    /// A key, an operator, and as many values as that needs.
    fn requirement(&mut self, one: &Value, here: &Here<'_>) {
        let values = items(one, "values").len();
        match text(one, "operator") {
            Some("In" | "NotIn") if values == 0 => {
                self.fault(&here.key("operator"), "needs `values`");
            }
            Some("Exists" | "DoesNotExist") if values > 0 => {
                self.fault(&here.key("values"), "cannot be given with this `operator`");
            }
            Some("Gt" | "Lt") if values != 1 => {
                self.fault(&here.key("operator"), "needs exactly one value");
            }
            _ => {}
        }
        self.label_key(one, "key", here);
    }

    fn label_values(&mut self, one: &Value, here: &Here<'_>) {
        self.each(one, "values", here, |sense, value, here| {
            let bad = value.as_str().filter(|value| !is_open(value) && !is_label_value(value));
            if let Some(bad) = bad {
                sense.fault(here, not_a_label_value(bad));
            }
        });
    }

    /// The key of a label, in a field that must say one.
    pub(super) fn label_key(&mut self, value: &Value, key: &str, here: &Here<'_>) {
        self.full(value, key, here);
        self.fits(value, key, is_label_key, BAD_KEY, here);
    }

    /// The keys of labels whose values the pod itself has.
    pub(super) fn own_labels(&mut self, value: &Value, here: &Here<'_>) {
        for key in ["matchLabelKeys", "mismatchLabelKeys"] {
            if items(value, key).is_empty() {
                continue;
            }
            if !has(value, "labelSelector") {
                self.fault(&here.key(key), "needs a `labelSelector`");
            }
            let both = key == "mismatchLabelKeys";
            let others: BTreeSet<&str> =
                items(value, "matchLabelKeys").iter().filter_map(Value::as_str).collect();
            let expressions = items(field(value, "labelSelector"), "matchExpressions").iter();
            let expressed: BTreeSet<&str> = expressions.filter_map(|one| said(one, "key")).collect();
            self.each(value, key, here, |sense, one, here| {
                let Some(label) = one.as_str().filter(|label| !is_open(label)) else { return };
                if !is_label_key(label) {
                    sense.fault(here, BAD_KEY);
                }
                if both && others.contains(label) {
                    sense.fault(here, format!("`{}` is in `matchLabelKeys`, too", cut(label)));
                }
                if !both && expressed.contains(label) {
                    sense.fault(here, format!("`{}` is in `labelSelector`, too", cut(label)));
                }
            });
        }
    }

    /// One of the terms that nodes are chosen by.
    pub(super) fn node_term(&mut self, term: &Value, here: &Here<'_>) {
        self.each(term, "matchExpressions", here, |sense, one, here| {
            sense.requirement(one, here);
            sense.label_values(one, here);
        });
        self.each(term, "matchFields", here, |sense, one, here| {
            if text(one, "key").is_some_and(|key| key != "metadata.name") {
                sense.fault(&here.key("key"), "must be `metadata.name`: nodes have no other field here");
            }
            let one_value = items(one, "values").len() == 1;
            if !matches!(text(one, "operator"), Some("In" | "NotIn") | None) {
                sense.fault(&here.key("operator"), "must be `In` or `NotIn`");
            } else if !one_value {
                sense.fault(here, "needs exactly one value");
            }
            sense.each(one, "values", here, |sense, value, here| {
                let bad = value.as_str().is_some_and(|name| !is_open(name) && !is_dns_name(name));
                if bad {
                    sense.fault(here, "is no node's name");
                }
            });
        });
    }

    /// Terms of which one must hold.
    pub(super) fn node_selector(&mut self, selector: &Value, here: &Here<'_>) {
        if has(selector, "nodeSelectorTerms") && items(selector, "nodeSelectorTerms").is_empty() {
            self.fault(&here.key("nodeSelectorTerms"), EMPTY);
        }
        self.each(selector, "nodeSelectorTerms", here, Self::node_term);
    }
}
