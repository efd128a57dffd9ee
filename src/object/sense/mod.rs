//! What Kubernetes refuses although every field is of the right type: values out of bounds, and fields that
//! contradict each other. `tests/objects` has what a real server says of each.

mod affinity;
mod autoscaler;
mod container;
mod data;
mod flux;
mod gateway;
mod monitor;
mod pod;
mod probe;
mod rbac;
mod resources;
mod selector;
mod service;
mod storage;
mod volume;
mod workload;

use std::collections::BTreeSet;

use crate::object::bundle::Kind;
use crate::object::naming::{
    is_data_key, is_dns_label, is_dns_name, is_label_key, is_label_value, is_service_name,
};
use crate::object::path::Here;
use crate::object::schema::{Fault, cut};
use crate::object::{Map, Value};
use crate::quantity::Quantity;

/// Adds what is wrong with an object as a whole.
pub(super) fn judge(object: &Value, kind: &Kind, minor: Option<u32>, faults: &mut Vec<Fault>) {
    let mut sense = Sense { minor, faults };
    if !kind.version.starts_with("kustomize.config.k8s.io/") {
        sense.metadata(object, kind);
    }
    let root = Here::ROOT;
    if let Some(spec) = object.get("spec") {
        let name = field(object, "metadata").get("name");
        sense.spec(spec, kind.name, name, &root.key("spec"));
    }
    match (kind.version, kind.name) {
        ("v1", "ConfigMap" | "Secret") => sense.data(object, kind.name == "Secret"),
        ("v1", "Namespace") => sense.pod_security(object),
        (version, "Kustomization") if version.starts_with("kustomize.toolkit.fluxcd.io/") => {
            sense.within(object, "spec", &root, Sense::flux_kustomization);
        }
        ("discovery.k8s.io/v1", "EndpointSlice") => sense.endpoints(object),
        ("networking.k8s.io/v1", "Ingress") => sense.ingress_class(object),
        ("storage.k8s.io/v1", "StorageClass") => sense.storage_class(object),
        ("rbac.authorization.k8s.io/v1", _) => sense.rbac(object, kind.name),
        _ => {}
    }
}

/// Adds what is wrong with a value that is no object: its type says what it is.
pub(super) fn judge_value(value: &Value, of: &str, minor: Option<u32>, faults: &mut Vec<Fault>) {
    let mut sense = Sense { minor, faults };
    match of {
        "api.core.v1.SecurityContext" => sense.context(value, false, &Here::ROOT),
        "api.core.v1.PodSecurityContext" => {
            sense.context(value, true, &Here::ROOT);
            sense.sysctls(value, &NONE, &Here::ROOT);
        }
        "api.core.v1.Toleration" => sense.toleration(value, &Here::ROOT),
        "api.core.v1.Affinity" => sense.affinity(value, &Here::ROOT),
        "autoscaling/v2 HorizontalPodAutoscaler spec.metrics" => sense.metric(value, &Here::ROOT),
        "autoscaling/v2 HorizontalPodAutoscaler spec.behavior" => sense.behavior(value, &Here::ROOT),
        "monitoring.coreos.com/v1 ServiceMonitor spec.endpoints.relabelings" => {
            sense.relabeling(value, &Here::ROOT);
        }
        "traefik.io/v1alpha1 Middleware spec" => sense.middleware(value, &Here::ROOT),
        "traefik.io/v1alpha1 Middleware spec.headers" => sense.set_headers(value, &Here::ROOT),
        _ => {}
    }
}

/// The pod template of a workload, with the steps that lead to it. A Pod is its own.
pub fn pod_template(object: &Value) -> Option<(&Value, &'static [&'static str])> {
    let steps: &'static [&'static str] = match object.get("kind")?.as_str()? {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => &["spec", "template"],
        "CronJob" => &["spec", "jobTemplate", "spec", "template"],
        "Pod" => &[],
        _ => return None,
    };
    let template = steps.iter().try_fold(object, |value, step| value.get(step))?;
    Some((template, steps))
}

struct Sense<'f> {
    /// The minor version of Kubernetes, if it is known.
    minor: Option<u32>,
    faults: &'f mut Vec<Fault>,
}

static NONE: Value = Value::Null;

/// What stands in a field; nothing if it is not there.
fn field<'v>(value: &'v Value, key: &str) -> &'v Value {
    value.get(key).unwrap_or(&NONE)
}

/// The elements of a list; none if there is none.
fn items<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The places of elements that share what tells them apart with an earlier one. A stranger's list may be long, so that
/// no element is held against all others.
fn again<'v, K: Ord>(list: &'v [Value], key: impl Fn(&'v Value) -> Option<K>) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let keys = list.iter().enumerate().filter_map(|(at, one)| Some((at, key(one)?)));
    keys.filter_map(|(at, key)| (!seen.insert(key)).then_some(at)).collect()
}

/// The names of a list's elements.
fn names<'v>(value: &'v Value, key: &str) -> BTreeSet<&'v str> {
    items(value, key).iter().filter_map(|one| text(one, "name")).collect()
}

/// The members of a map; none if there is none.
fn members<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = (&'v str, &'v Value)> {
    value.get(key).and_then(Value::as_object).into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

/// A text that is not filled in later.
fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str).filter(|text| !is_open(text))
}

/// The same, if it says anything: to Kubernetes an empty text mostly is none.
fn said<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    text(value, key).filter(|text| !text.is_empty())
}

fn flag(value: &Value, key: &str) -> Option<bool> {
    value.get(key).and_then(Value::as_bool)
}

fn has(value: &Value, key: &str) -> bool {
    value.get(key).is_some_and(|value| !value.is_null())
}

/// A text that Flux fills in later.
fn is_open(text: &str) -> bool {
    text.contains("${")
}

/// What can be a step of a URL.
fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.contains(['/', '%'])
}

const BAD_NAME: &str = "is no name: lower-case letters, digits, `-` and `.`";
const BAD_LABEL: &str = "is no name: at most 63 lower-case letters, digits and `-`";
const BAD_KEY: &str = "is no key that Kubernetes takes: a name of at most 63 letters, digits, `-`, `_` and `.`, with or without a domain and `/` before it";
const BAD_DATA_KEY: &str = "is no key: letters, digits, `-`, `_` and `.`";
const EMPTY: &str = "must not be empty";
const TWICE: &str = "stands twice in this list";

/// The annotations of one object, keys and values together.
const MOST_ANNOTATIONS: usize = 256 << 10;

impl Sense<'_> {
    fn fault(&mut self, here: &Here<'_>, message: impl Into<String>) {
        self.faults.push(Fault { path: here.path(), message: message.into(), help: None, unsure: false });
    }

    /// Judges every element of a list.
    fn each(
        &mut self,
        value: &Value,
        key: &str,
        here: &Here<'_>,
        mut judge: impl FnMut(&mut Self, &Value, &Here<'_>),
    ) {
        let list = here.key(key);
        for (at, item) in items(value, key).iter().enumerate() {
            judge(self, item, &list.index(at));
        }
    }

    /// Judges what stands in a field, if it is a map.
    fn within(
        &mut self,
        value: &Value,
        key: &str,
        here: &Here<'_>,
        judge: impl FnOnce(&mut Self, &Value, &Here<'_>),
    ) {
        if let Some(inner) = value.get(key).filter(|inner| inner.is_object()) {
            judge(self, inner, &here.key(key));
        }
    }

    /// No element of a list shares with an earlier one what tells them apart: that is in a field of it, or in several.
    fn once<'v, K: Ord>(
        &mut self,
        (value, list, field): (&'v Value, &str, Option<&str>),
        key: impl Fn(&'v Value) -> Option<K>,
        message: &str,
        here: &Here<'_>,
    ) {
        let list_at = here.key(list);
        for at in again(items(value, list), key) {
            let element = list_at.index(at);
            match field {
                Some(field) => self.fault(&element.key(field), message),
                None => self.fault(&element, message),
            }
        }
    }

    /// A number within bounds.
    fn bounds(&mut self, value: &Value, key: &str, low: i64, high: i64, here: &Here<'_>) {
        let number = value.get(key).and_then(Value::as_i64);
        if let Some(number) = number.filter(|number| !(low..=high).contains(number)) {
            let message = match high {
                i64::MAX => format!("must be {low} or more, and is {number}"),
                _ => format!("must be from {low} to {high}, and is {number}"),
            };
            self.fault(&here.key(key), message);
        }
    }

    /// A text that is there and says nothing.
    fn full(&mut self, value: &Value, key: &str, here: &Here<'_>) {
        if value.get(key).and_then(Value::as_str) == Some("") {
            self.fault(&here.key(key), EMPTY);
        }
    }

    /// A list that is there and has no elements.
    fn filled(&mut self, value: &Value, key: &str, here: &Here<'_>) {
        if value.get(key).and_then(Value::as_array).is_some_and(Vec::is_empty) {
            self.fault(&here.key(key), EMPTY);
        }
    }

    /// A text that must fit, if it says anything.
    fn fits(&mut self, value: &Value, key: &str, fits: fn(&str) -> bool, why: &str, here: &Here<'_>) {
        if let Some(bad) = said(value, key).filter(|text| !fits(text)) {
            self.fault(&here.key(key), format!("`{}` {why}", cut(bad)));
        }
    }

    /// The name of another object: there, and a name.
    fn named(&mut self, value: &Value, key: &str, here: &Here<'_>) {
        self.full(value, key, here);
        self.fits(value, key, is_dns_name, BAD_NAME, here);
    }

    /// At most one of some fields; exactly one if one is needed.
    fn either(&mut self, value: &Value, keys: &[&str], needed: bool, here: &Here<'_>) {
        let mut given = keys.iter().copied().filter(|key| has(value, key));
        match (given.next(), given.next()) {
            (Some(first), Some(second)) => {
                self.fault(&here.key(second), format!("`{first}` and `{second}` exclude each other"));
            }
            (None, _) if needed && value.is_object() => {
                let list: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
                self.fault(here, format!("one of {} is needed", list.join(", ")));
            }
            _ => {}
        }
    }

    fn metadata(&mut self, object: &Value, kind: &Kind) {
        let root = Here::ROOT;
        let here = root.key("metadata");
        let metadata = field(object, "metadata");
        match metadata.get("name").and_then(Value::as_str) {
            Some(name) => self.name(name, kind, &here),
            None if has(metadata, "generateName") || has(metadata, "name") => {}
            None => self.fault(&here, "`name` is missing"),
        }
        if let Some(namespace) = text(metadata, "namespace").filter(|name| !is_dns_label(name)) {
            self.fault(&here.key("namespace"), format!("`{}` is no namespace's name", cut(namespace)));
        }
        self.labels(metadata, &here);
    }

    fn labels(&mut self, metadata: &Value, here: &Here<'_>) {
        self.label_map(metadata, "labels", here);
        let list = here.key("annotations");
        let mut size = 0;
        for (key, value) in members(metadata, "annotations") {
            size += key.len() + value.as_str().map_or(0, str::len);
            if !is_open(key) && !is_annotation_key(key) {
                self.fault(&list.key(key), BAD_KEY);
            }
        }
        self.each(metadata, "finalizers", here, |sense, one, here| {
            if one.as_str().is_some_and(|name| !is_open(name) && !is_label_key(name)) {
                sense.fault(here, BAD_KEY);
            }
        });
        if size > MOST_ANNOTATIONS {
            self.fault(&list, format!("are {size} bytes, and no object may have more than 256 KiB of them"));
        }
    }

    /// Keys and values of labels.
    fn label_map(&mut self, value: &Value, key: &str, here: &Here<'_>) {
        let list = here.key(key);
        for (key, value) in members(value, key) {
            if !is_open(key) && !is_label_key(key) {
                self.fault(&list.key(key), BAD_KEY);
            }
            let bad = value.as_str().filter(|text| !is_open(text) && !is_label_value(text));
            if let Some(bad) = bad {
                self.fault(&list.key(key), not_a_label_value(bad));
            }
        }
    }

    fn name(&mut self, name: &str, kind: &Kind, here: &Here<'_>) {
        let here = here.key("name");
        if is_open(name) {
            return;
        }
        let core = kind.version == "v1";
        let (fits, wanted) = match kind.name {
            "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" => {
                (is_segment(name), "anything without `/` and `%`")
            }
            "Namespace" if core => (is_dns_label(name), "at most 63 lower-case letters, digits and `-`"),
            "Service" if core => {
                (is_service_name(name), "at most 63 lower-case letters, digits and `-`, a letter first")
            }
            "StatefulSet" => (is_dns_label(name), "at most 63 lower-case letters, digits and `-`"),
            "PriorityClass" => {
                (is_dns_name(name) && !name.starts_with("system-"), "`system-` is for Kubernetes itself")
            }
            "CronJob" => {
                (is_dns_name(name) && name.len() <= 52, "at most 52 lower-case letters, digits, `-` and `.`")
            }
            "Job" => {
                (is_dns_name(name) && name.len() <= 63, "at most 63 lower-case letters, digits, `-` and `.`")
            }
            _ => (is_dns_name(name), "lower-case letters, digits, `-` and `.`"),
        };
        if !fits {
            self.fault(&here, format!("`{}` is no name: {wanted}", cut(name)));
        }
    }

    fn spec(&mut self, spec: &Value, kind: &str, name: Option<&Value>, here: &Here<'_>) {
        match kind {
            "Pod" => self.pod(spec, &BTreeSet::new(), kind, here),
            "Deployment" | "DaemonSet" | "ReplicaSet" | "StatefulSet" => self.workload(spec, kind, here),
            "Job" => self.job(spec, name, here),
            "CronJob" => self.cron_job(spec, here),
            "Service" => self.service(spec, here),
            "HorizontalPodAutoscaler" => self.autoscaler(spec, here),
            "PodDisruptionBudget" => self.budget(spec, here),
            "Ingress" => self.ingress(spec, here),
            "NetworkPolicy" => self.network_policy(spec, here),
            "PersistentVolumeClaim" => self.claim(spec, here),
            "PersistentVolume" => self.persistent_volume(spec, here),
            "LimitRange" => self.limit_range(spec, here),
            "ResourceQuota" => self.quota(spec, here),
            "HelmRelease" => self.helm_release(spec, here),
            "GitRepository" | "HelmRepository" => self.flux_source(spec, kind, here),
            "Middleware" => self.middleware(spec, here),
            "ServiceMonitor" | "PodMonitor" => self.monitor(spec, here),
            "CiliumNetworkPolicy" | "CiliumClusterwideNetworkPolicy" => self.cilium_policy(spec, here),
            "HTTPRoute" => self.route(spec, here),
            "Gateway" => self.gateway(spec, here),
            "Provider" => self.provider(spec, here),
            "Application"
                if !has(spec, "source") && !has(spec, "sources") && !has(spec, "sourceHydrator") =>
            {
                self.fault(here, "`source` is missing, and so is `sources`");
            }
            _ => {}
        }
    }
}

/// Capital letters are taken in an annotation's domain.
fn is_annotation_key(key: &str) -> bool {
    is_label_key(key)
        || key.bytes().any(|byte| byte.is_ascii_uppercase()) && is_label_key(&key.to_ascii_lowercase())
}

fn not_a_label_value(bad: &str) -> String {
    format!("`{}` is no label's value: at most 63 letters, digits, `-`, `_` and `.`", cut(bad))
}

/// The members of a map that are there, but one.
fn sources<'v>(members: &'v Map, but: &'static str) -> impl Iterator<Item = &'v str> {
    members.iter().filter(move |(key, value)| *key != but && !value.is_null()).map(|(key, _)| key.as_str())
}

fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => Quantity::parse(text).ok(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Some(Quantity::from_integer(whole)),
            None => Quantity::parse(&number.to_string()).ok(),
        },
        _ => None,
    }
}

/// More than nothing.
fn is_positive(quantity: Quantity) -> bool {
    quantity > Quantity::ZERO
}
