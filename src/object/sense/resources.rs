//! Amounts: what containers ask for and may use, and what a namespace allows.

use super::{Sense, TWICE, field, has, is_open, is_positive, items, members, quantity, said, text};
use crate::object::Value;
use crate::object::naming::is_label_key;
use crate::object::path::Here;
use crate::object::schema::cut;
use crate::quantity::Quantity;

impl Sense<'_> {
    /// What a container asks for and may use.
    pub(super) fn resources(&mut self, resources: &Value, here: &Here<'_>) {
        let (mut pages, mut others) = (false, false);
        for list in ["limits", "requests"] {
            let at = here.key(list);
            for (name, value) in members(resources, list) {
                others |= matches!(name, "cpu" | "memory");
                pages |= name.starts_with("hugepages-");
                if let Some(fault) = of_container(name) {
                    self.fault(&at.key(name), fault);
                } else if let Some(fault) = quantity(value).and_then(|amount| amount_fault(name, amount)) {
                    self.fault(&at.key(name), fault);
                }
            }
        }
        if pages && !others {
            self.fault(here, "huge pages need `cpu` or `memory` beside them");
        }
        self.within_limits(resources, here);
    }

    /// What a pod's containers together ask for and may use.
    pub(super) fn pod_resources(&mut self, resources: &Value, here: &Here<'_>) {
        for list in ["limits", "requests"] {
            let at = here.key(list);
            for (name, _) in members(resources, list) {
                if !matches!(name, "cpu" | "memory") && !name.starts_with("hugepages-") {
                    self.fault(
                        &at.key(name),
                        "cannot be given for a whole pod: only `cpu`, `memory` and huge pages",
                    );
                }
            }
        }
        self.within_limits(resources, here);
    }

    /// No request is over its limit; of what cannot be lent it is the limit.
    fn within_limits(&mut self, resources: &Value, here: &Here<'_>) {
        let limits = field(resources, "limits");
        let at = here.key("requests");
        for (name, request) in members(resources, "requests") {
            let limit = limits.get(name).and_then(quantity);
            let (Some(request), lent) = (quantity(request), is_lent(name)) else { continue };
            match limit {
                Some(limit) if request > limit => {
                    self.fault(&at.key(name), format!("is over the limit of {limit}"));
                }
                Some(limit) if !lent && request != limit => {
                    self.fault(&at.key(name), format!("must be the limit of {limit}: it cannot be shared"));
                }
                None if !lent && !limits.get(name).is_some_and(Value::is_string) => {
                    self.fault(&at.key(name), "needs the same limit: it cannot be shared");
                }
                _ => {}
            }
        }
    }

    pub(super) fn limit_range(&mut self, spec: &Value, here: &Here<'_>) {
        self.once((spec, "limits", Some("type")), |limit| text(limit, "type"), TWICE, here);
        self.each(spec, "limits", here, |sense, limit, here| {
            let kind = text(limit, "type");
            for list in
                ["default", "defaultRequest", "max", "min"].into_iter().filter(|_| kind == Some("Container"))
            {
                let at = here.key(list);
                for (name, value) in members(limit, list) {
                    if let Some(fault) = of_container(name) {
                        sense.fault(&at.key(name), fault);
                    } else if let Some(fault) = quantity(value).and_then(|amount| limit_fault(name, amount)) {
                        sense.fault(&at.key(name), fault);
                    }
                }
            }
            if kind == Some("Pod") {
                for key in ["default", "defaultRequest"].into_iter().filter(|key| has(limit, key)) {
                    sense.fault(&here.key(key), "cannot be given where `type` is `Pod`");
                }
            }
            if kind == Some("PersistentVolumeClaim") {
                let storage = |key: &str| has(field(limit, key), "storage");
                if !storage("min") && !storage("max") {
                    sense.fault(here, "needs `min.storage` or `max.storage`");
                }
            }
            sense.ordered(limit, here);
        });
    }

    /// The least is not over the default request, that not over the default, and that not over the most.
    fn ordered(&mut self, limit: &Value, here: &Here<'_>) {
        const ORDER: [&str; 4] = ["min", "defaultRequest", "default", "max"];
        for (at, upper) in ORDER.iter().enumerate() {
            for (name, value) in members(limit, upper) {
                let Some(most) = quantity(value) else { continue };
                for lower in &ORDER[..at] {
                    let least = field(limit, lower).get(name).and_then(quantity);
                    if least.is_some_and(|least| least > most) {
                        let list = here.key(lower);
                        self.fault(&list.key(name), format!("is over `{upper}`, {most}"));
                    }
                }
            }
        }
        for (name, _) in members(limit, "defaultRequest") {
            let both = |key: &str| field(limit, key).get(name).and_then(quantity);
            if let (Some(request), Some(default)) = (both("defaultRequest"), both("default"))
                && !is_lent(name)
                && request < default
            {
                let list = here.key("defaultRequest");
                self.fault(&list.key(name), format!("must be `default`, {default}: it cannot be shared"));
            }
        }
        self.within(limit, "maxLimitRequestRatio", here, |sense, ratios, here| {
            for (name, value) in ratios.as_object().into_iter().flatten() {
                if quantity(value).is_some_and(|ratio| ratio < Quantity::from_integer(1)) {
                    sense.fault(&here.key(name), "must be 1 or more");
                }
            }
        });
    }

    pub(super) fn quota(&mut self, spec: &Value, here: &Here<'_>) {
        let scopes = items(spec, "scopes");
        for [one, other] in [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]] {
            if scopes.iter().any(|scope| scope == one) && scopes.iter().any(|scope| scope == other) {
                self.fault(&here.key("scopes"), format!("`{one}` and `{other}` exclude each other"));
            }
        }
        self.within(spec, "scopeSelector", here, |sense, selector, here| {
            sense.each(selector, "matchExpressions", here, |sense, one, here| {
                let none = items(one, "values").is_empty();
                match said(one, "operator") {
                    Some("In" | "NotIn") if none => sense.fault(&here.key("operator"), "needs `values`"),
                    Some("Exists" | "DoesNotExist") if !none => {
                        sense.fault(&here.key("values"), "cannot be given with this `operator`");
                    }
                    _ => {}
                }
                let by_name =
                    matches!(said(one, "scopeName"), Some("PriorityClass" | "VolumeAttributesClass"));
                if !by_name && said(one, "operator").is_some_and(|word| word != "Exists") {
                    sense.fault(&here.key("operator"), "must be `Exists` for this `scopeName`");
                }
            });
        });
        let at = here.key("hard");
        for (name, value) in members(spec, "hard") {
            if !is_open(name) && !is_quota(name) {
                self.fault(&at.key(name), "is nothing that a quota can be of");
            }
            let Some(amount) = quantity(value) else { continue };
            let counted = COUNTED.contains(&name)
                || name.starts_with("count/")
                || name.ends_with("/persistentvolumeclaims")
                || is_extended(name) && !name.starts_with("requests.") && !name.contains("storage");
            if amount.is_negative() {
                self.fault(&at.key(name), "must not be negative");
            } else if counted && !amount.is_whole() {
                self.fault(&at.key(name), "must be a whole number: it is counted");
            }
        }
    }
}

/// What a namespace has so many of.
const COUNTED: &[&str] = &[
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];

/// What a quota can be of: amounts, what is counted, and anything with a domain.
fn is_quota(name: &str) -> bool {
    let bare = name.strip_prefix("requests.").or(name.strip_prefix("limits.")).unwrap_or(name);
    let pages = bare.starts_with("hugepages-") && !name.starts_with("limits.");
    let amount = pages || matches!(bare, "cpu" | "memory" | "ephemeral-storage");
    amount
        || name == "requests.storage"
        || COUNTED.contains(&name)
        || name.contains('/') && is_label_key(name)
}

/// Why a container cannot ask for a resource of this name.
fn of_container(name: &str) -> Option<String> {
    if name.contains("${") {
        return None;
    }
    let fault = match name.split_once('/') {
        None if matches!(name, "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-") => {
            return None;
        }
        None => {
            "is nothing that a node has: `cpu`, `memory`, `ephemeral-storage`, or a device with its domain, such as `nvidia.com/gpu`"
        }
        Some(_) if is_label_key(name) && !name.starts_with("requests.") => return None,
        Some(_) => "is no name of a resource",
    };
    Some(format!("`{}` {fault}", cut(name)))
}

fn limit_fault(name: &str, amount: Quantity) -> Option<String> {
    if name.starts_with("hugepages-") && !amount.is_negative() { None } else { amount_fault(name, amount) }
}

fn amount_fault(name: &str, amount: Quantity) -> Option<String> {
    if amount.is_negative() {
        return Some("must not be negative".to_owned());
    }
    if is_extended(name) && !amount.is_whole() {
        return Some("must be a whole number: it is counted".to_owned());
    }
    let size = name.strip_prefix("hugepages-")?;
    let page = Quantity::parse(size).ok().filter(|page| is_positive(*page));
    let whole = page.is_some_and(|page| amount.is_multiple_of(page)) && is_positive(amount);
    (!whole).then(|| format!("must be a multiple of {size}, the size of a page"))
}

/// What a driver brings: it has a domain that is not Kubernetes' own.
fn is_extended(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/")
}

/// Whether more may be promised than there is.
fn is_lent(name: &str) -> bool {
    !is_extended(name) && !name.starts_with("hugepages-")
}
