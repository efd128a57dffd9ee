//! Strategic merge, as kustomize does it.
//!
//! The rules are kustomize's own (`kyaml/yaml/walk` and `merge2`, the same in 5.5 and 5.8), down to
//! what it does with lists whose elements lack a merge key: [`crate::object::patch`] uses this model
//! to know what a patch will make of its base. `tests/kustomize.rs` holds the model to the real tool.

mod proof;

use std::fmt;

use crate::object::emit::is_plain;
use crate::object::{Map, Value};

pub(crate) use proof::makes;

/// Why a patch does not fit its base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeError(String);

impl fmt::Display for MergeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MergeError {}

/// `base` with `patch` applied as `kustomize build` does it; `None` if the patch deletes the object.
///
/// Elements that a patch names come first in a keyed list, in the patch's order; the others follow.
/// Errors: a map where the other has a list or a scalar, an unknown `$patch` directive, more than
/// 1,000 elements in a list with merge keys, an element without its key.
pub fn apply(base: &Value, patch: &Value) -> Result<Option<Value>, MergeError> {
    run(base, patch, Order::PatchFirst)
}

/// `base` with `patch` merged in by the same rules, but elements keep their places and new ones
/// follow at the end: for a person's partial object on top of a rendered one.
pub fn merge(base: &Value, patch: &Value) -> Result<Option<Value>, MergeError> {
    run(base, patch, Order::BaseFirst)
}

/// [`apply`] for a value inside an object.
pub(crate) fn apply_at(base: &Value, patch: &Value, kind: Kind) -> Result<Option<Value>, MergeError> {
    walk(Some(base.clone()), Some(patch.clone()), Some(kind), Order::PatchFirst)
}

fn run(base: &Value, patch: &Value, order: Order) -> Result<Option<Value>, MergeError> {
    walk(Some(base.clone()), Some(patch.clone()), None, order)
}

/// Whose elements come first in a merged list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    PatchFirst,
    BaseFirst,
}

/// What the merge needs to know of a Kubernetes type: the fields that lead to a list with merge keys.
/// Fields that are not named hold nothing of the sort.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Type {
    fields: &'static [Field],
}

#[derive(Debug, PartialEq, Eq)]
struct Field {
    name: &'static str,
    kind: Kind,
}

/// The shape of a field, or of the value that a walk has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A map of this type.
    Map(&'static Type),
    /// A list whose elements are told apart by these keys, with elements of this type.
    Keyed(&'static [&'static str], &'static Type),
    /// A list of scalars that is merged as a set.
    Set,
}

impl Type {
    pub(crate) fn field(&self, name: &str) -> Option<Kind> {
        self.fields.iter().find(|field| field.name == name).map(|field| field.kind)
    }
}

const fn map(name: &'static str, of: &'static Type) -> Field {
    Field { name, kind: Kind::Map(of) }
}

const fn keyed(name: &'static str, keys: &'static [&'static str], of: &'static Type) -> Field {
    Field { name, kind: Kind::Keyed(keys, of) }
}

const fn set(name: &'static str) -> Field {
    Field { name, kind: Kind::Set }
}

static NOTHING: Type = Type { fields: &[] };

static METADATA: Type = Type { fields: &[set("finalizers"), keyed("ownerReferences", &["uid"], &NOTHING)] };

static OBJECT: Type = Type { fields: &[map("metadata", &METADATA)] };

static CONTAINER: Type = Type {
    fields: &[
        keyed("env", &["name"], &NOTHING),
        keyed("ports", &["containerPort", "protocol"], &NOTHING),
        keyed("volumeDevices", &["devicePath"], &NOTHING),
        keyed("volumeMounts", &["mountPath"], &NOTHING),
    ],
};

static EPHEMERAL_CONTAINER: Type = Type {
    fields: &[
        keyed("env", &["name"], &NOTHING),
        keyed("volumeDevices", &["devicePath"], &NOTHING),
        keyed("volumeMounts", &["mountPath"], &NOTHING),
    ],
};

static VOLUME: Type = Type { fields: &[map("ephemeral", &EPHEMERAL_VOLUME)] };

static EPHEMERAL_VOLUME: Type = Type { fields: &[map("volumeClaimTemplate", &OBJECT)] };

static POD_SPEC: Type = Type {
    fields: &[
        keyed("containers", &["name"], &CONTAINER),
        keyed("ephemeralContainers", &["name"], &EPHEMERAL_CONTAINER),
        keyed("hostAliases", &["ip"], &NOTHING),
        keyed("imagePullSecrets", &["name"], &NOTHING),
        keyed("initContainers", &["name"], &CONTAINER),
        keyed("topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"], &NOTHING),
        keyed("volumes", &["name"], &VOLUME),
    ],
};

/// A Pod, a pod template.
static POD: Type = Type { fields: &[map("metadata", &METADATA), map("spec", &POD_SPEC)] };

static WITH_TEMPLATE: Type = Type { fields: &[map("template", &POD)] };

static POD_TEMPLATE: Type = Type { fields: &[map("metadata", &METADATA), map("template", &POD)] };

/// Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, a job template.
static WORKLOAD: Type = Type { fields: &[map("metadata", &METADATA), map("spec", &WITH_TEMPLATE)] };

static CRON_JOB_SPEC: Type = Type { fields: &[map("jobTemplate", &WORKLOAD)] };

static CRON_JOB: Type = Type { fields: &[map("metadata", &METADATA), map("spec", &CRON_JOB_SPEC)] };

static SERVICE_SPEC: Type = Type { fields: &[keyed("ports", &["port", "protocol"], &NOTHING)] };

static SERVICE: Type = Type { fields: &[map("metadata", &METADATA), map("spec", &SERVICE_SPEC)] };

static SERVICE_ACCOUNT: Type =
    Type { fields: &[map("metadata", &METADATA), keyed("secrets", &["name"], &NOTHING)] };

static WEBHOOKS: Type =
    Type { fields: &[map("metadata", &METADATA), keyed("webhooks", &["name"], &NOTHING)] };

static NODE_SPEC: Type = Type { fields: &[set("podCIDRs")] };

static NODE: Type = Type { fields: &[map("metadata", &METADATA), map("spec", &NODE_SPEC)] };

static CSI_NODE_SPEC: Type = Type { fields: &[keyed("drivers", &["name"], &NOTHING)] };

static CSI_NODE: Type = Type { fields: &[map("metadata", &METADATA), map("spec", &CSI_NODE_SPEC)] };

/// The type of an object. `None` for custom resources and for whatever is newer than Kubernetes
/// 1.21, the schema in every kustomize so far: their lists are replaced whole.
pub(crate) fn type_of(api_version: &str, kind: &str) -> Option<&'static Type> {
    let of = match (api_version, kind) {
        ("apps/v1", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") => &WORKLOAD,
        ("batch/v1", "Job") | ("v1", "ReplicationController") => &WORKLOAD,
        ("batch/v1" | "batch/v1beta1", "CronJob") => &CRON_JOB,
        ("v1", "Pod") => &POD,
        ("v1", "PodTemplate") => &POD_TEMPLATE,
        ("v1", "Service") => &SERVICE,
        ("v1", "ServiceAccount") => &SERVICE_ACCOUNT,
        ("v1", "Node") => &NODE,
        ("storage.k8s.io/v1" | "storage.k8s.io/v1beta1", "CSINode") => &CSI_NODE,
        (
            "admissionregistration.k8s.io/v1" | "admissionregistration.k8s.io/v1beta1",
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration",
        ) => &WEBHOOKS,
        _ if is_plain_kind(api_version, kind) => &OBJECT,
        _ => return None,
    };
    Some(of)
}

/// Kinds that have merge keys in `metadata` alone.
fn is_plain_kind(api_version: &str, kind: &str) -> bool {
    PLAIN_KINDS.iter().any(|(versions, kinds)| versions.contains(&api_version) && kinds.contains(&kind))
}

type Kinds = (&'static [&'static str], &'static [&'static str]);

static PLAIN_KINDS: [Kinds; 20] = [
    (
        &["v1"],
        &[
            "Binding",
            "ConfigMap",
            "Endpoints",
            "Event",
            "LimitRange",
            "Namespace",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "ResourceQuota",
            "Secret",
        ],
    ),
    (&["apiextensions.k8s.io/v1", "apiextensions.k8s.io/v1beta1"], &["CustomResourceDefinition"]),
    (&["apiregistration.k8s.io/v1", "apiregistration.k8s.io/v1beta1"], &["APIService"]),
    (&["apps/v1"], &["ControllerRevision"]),
    (&["autoscaling/v1", "autoscaling/v2beta1", "autoscaling/v2beta2"], &["HorizontalPodAutoscaler"]),
    (&["autoscaling/v1"], &["Scale"]),
    (&["certificates.k8s.io/v1", "certificates.k8s.io/v1beta1"], &["CertificateSigningRequest"]),
    (&["coordination.k8s.io/v1", "coordination.k8s.io/v1beta1"], &["Lease"]),
    (&["discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"], &["EndpointSlice"]),
    (&["events.k8s.io/v1", "events.k8s.io/v1beta1"], &["Event"]),
    (&["extensions/v1beta1"], &["Ingress"]),
    (&["flowcontrol.apiserver.k8s.io/v1beta1"], &["FlowSchema", "PriorityLevelConfiguration"]),
    (&["networking.k8s.io/v1", "networking.k8s.io/v1beta1"], &["Ingress", "IngressClass"]),
    (&["networking.k8s.io/v1"], &["NetworkPolicy"]),
    (&["node.k8s.io/v1", "node.k8s.io/v1beta1"], &["RuntimeClass"]),
    (&["policy/v1", "policy/v1beta1"], &["PodDisruptionBudget"]),
    (&["policy/v1beta1"], &["Eviction", "PodSecurityPolicy"]),
    (
        &["rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io/v1beta1"],
        &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
    ),
    (&["scheduling.k8s.io/v1", "scheduling.k8s.io/v1beta1"], &["PriorityClass"]),
    (
        &["storage.k8s.io/v1", "storage.k8s.io/v1beta1"],
        &["CSIDriver", "CSIStorageCapacity", "StorageClass", "VolumeAttachment"],
    ),
];

/// The type of a map that looks like an object, wherever it stands: kustomize takes an object inside
/// a custom resource for one, too.
fn type_of_map(value: &Value) -> Option<&'static Type> {
    type_of(value.get("apiVersion")?.as_str()?, value.get("kind")?.as_str()?)
}

/// Merges one place. `Some(Null)` is a null that stays, `None` a value that goes.
fn walk(
    base: Option<Value>,
    patch: Option<Value>,
    kind: Option<Kind>,
    order: Order,
) -> Result<Option<Value>, MergeError> {
    if patch.is_none() && base.as_ref().is_some_and(|base| stays(base, kind)) {
        return Ok(base);
    }
    let present = |value: &Option<Value>| value.as_ref().is_some_and(|value| !value.is_null());
    if present(&base) && present(&patch) {
        check_shapes(base.as_ref(), patch.as_ref())?;
    }
    match if present(&base) { &base } else { &patch } {
        Some(Value::Array(_)) => match kind {
            Some(Kind::Keyed(keys, of)) => merge_list(base, patch, keys, Some(Kind::Map(of)), order),
            Some(Kind::Set) => merge_list(base, patch, &[""], None, order),
            _ => Ok(patch.or(base).filter(|value| !value.is_null())),
        },
        Some(Value::Object(_)) => merge_map(base, patch, kind, order),
        Some(Value::Null) | None => Ok(base.filter(|_| patch.is_none())),
        Some(_) => Ok(merge_scalar(base, patch, order).filter(|value| !value.is_null())),
    }
}

/// Whether a value that no patch names comes out as it went in: there is no list with merge keys in it.
fn stays(value: &Value, kind: Option<Kind>) -> bool {
    match (value, kind) {
        (Value::Array(_), Some(Kind::Keyed(..) | Kind::Set)) => false,
        (Value::Object(map), kind) => {
            let of = if let Some(Kind::Map(of)) = kind { Some(of) } else { type_of_map(value) };
            map.iter().all(|(key, value)| stays(value, of.and_then(|of| of.field(key))))
        }
        _ => true,
    }
}

/// Kustomize keeps the quotes of the base: a number or a boolean on a quoted text becomes a text.
fn merge_scalar(base: Option<Value>, patch: Option<Value>, order: Order) -> Option<Value> {
    match (&base, &patch) {
        (Some(Value::String(old)), Some(new @ (Value::Bool(_) | Value::Number(_))))
            if order == Order::PatchFirst && !is_plain(old) =>
        {
            Some(Value::String(new.to_string()))
        }
        _ => patch.or(base),
    }
}

fn check_shapes(base: Option<&Value>, patch: Option<&Value>) -> Result<(), MergeError> {
    let (base, patch) = (shape(base), shape(patch));
    if base == patch {
        return Ok(());
    }
    Err(MergeError(format!("{patch} cannot be merged into {base}")))
}

fn shape(value: Option<&Value>) -> &'static str {
    match value {
        Some(Value::Object(_)) => "a map",
        Some(Value::Array(_)) => "a list",
        _ => "a scalar",
    }
}

/// What a patch wants done with the place where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

/// Takes the `$patch` directive out of a map or out of a list of maps.
fn take_directive(patch: &mut Value) -> Result<Directive, MergeError> {
    let found = match patch {
        Value::Object(map) => map.shift_remove(DIRECTIVE),
        Value::Array(list) => take_list_directive(list),
        _ => None,
    };
    match found.as_ref().map(|value| value.as_str()) {
        None | Some(Some("merge")) => Ok(Directive::Merge),
        Some(Some("replace")) => Ok(Directive::Replace),
        Some(Some("delete")) => Ok(Directive::Delete),
        Some(_) => Err(MergeError("unknown `$patch` directive".to_owned())),
    }
}

const DIRECTIVE: &str = "$patch";

/// In a list the directive is an element of its own. One with other keys is about that element.
fn take_list_directive(list: &mut Vec<Value>) -> Option<Value> {
    let first =
        list.iter().find_map(|element| element.as_object().filter(|map| map.contains_key(DIRECTIVE)))?;
    let directive = first.get(DIRECTIVE).filter(|_| first.len() == 1)?.clone();
    list.retain(|element| element.get(DIRECTIVE) != Some(&directive) && !is_empty(element));
    Some(directive)
}

/// Null and the empty map, which kustomize takes for no list element at all.
fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(Map::is_empty)
}

fn merge_map(
    base: Option<Value>,
    patch: Option<Value>,
    kind: Option<Kind>,
    order: Order,
) -> Result<Option<Value>, MergeError> {
    let of = match kind {
        Some(Kind::Map(of)) => Some(of),
        _ => base.as_ref().and_then(type_of_map).or_else(|| patch.as_ref().and_then(type_of_map)),
    };
    let mut patch = patch;
    let directive = patch.as_mut().map_or(Ok(Directive::Merge), take_directive)?;
    if directive == Directive::Delete || matches!(patch, Some(Value::Null)) {
        return Ok(None);
    }
    let base = match base.filter(|base| !base.is_null()) {
        Some(base) if directive == Directive::Merge => Some(base),
        _ => patch.clone(),
    };
    let (Some(Value::Object(base)), patch) = (base, patch) else { return Ok(None) };
    let patch = match patch {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    };
    merge_members(base, patch, of, order).map(|map| Some(Value::Object(map)))
}

/// Every member is walked, patched or not: merging changes some lists that no patch names.
fn merge_members(
    base: Map,
    mut patch: Map,
    of: Option<&'static Type>,
    order: Order,
) -> Result<Map, MergeError> {
    let mut merged = Map::new();
    for (key, value) in base {
        let kind = of.and_then(|of| of.field(&key));
        if let Some(value) = walk(Some(value), patch.shift_remove(&key), kind, order)? {
            merged.insert(key, value);
        }
    }
    for (key, value) in patch {
        let kind = of.and_then(|of| of.field(&key));
        if let Some(value) = walk(None, Some(value), kind, order)? {
            merged.insert(key, value);
        }
    }
    Ok(merged)
}

fn merge_list(
    base: Option<Value>,
    patch: Option<Value>,
    keys: &[&str],
    element: Option<Kind>,
    order: Order,
) -> Result<Option<Value>, MergeError> {
    let mut patch = patch;
    let present = base.as_ref().is_some_and(|base| !base.is_null());
    if present && matches!(patch, Some(Value::Null)) {
        return Ok(None);
    }
    let mut base = if present { base } else { patch.clone() };
    if present {
        match patch.as_mut().map_or(Ok(Directive::Merge), take_directive)? {
            Directive::Delete => return Ok(None),
            Directive::Replace => base.clone_from(&patch),
            Directive::Merge => {}
        }
    }
    let patch = match patch {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    let Some(Value::Array(base)) = base else { return Ok(None) };
    merge_elements(base, &patch, keys, element, order).map(|list| Some(Value::Array(list)))
}

/// What kustomize does with elements that lack their key is nothing that anybody wants.
fn check_keys<'a>(mut elements: impl Iterator<Item = &'a Value>, key: &str) -> Result<(), MergeError> {
    match elements.any(|element| !key.is_empty() && member_text(element, key).is_empty()) {
        true => Err(MergeError(format!("an element without `{key}` in a list that is merged by it"))),
        false => Ok(()),
    }
}

/// Merging takes the square of the length, here as in kustomize.
pub(crate) const LONGEST_LIST: usize = 1000;

/// The values of an element's merge keys, `""` where it lacks one.
type Key = Vec<String>;

fn merge_elements(
    mut base: Vec<Value>,
    patch: &[Value],
    keys: &[&str],
    element: Option<Kind>,
    order: Order,
) -> Result<Vec<Value>, MergeError> {
    if base.len() + patch.len() > LONGEST_LIST {
        return Err(MergeError(format!("more than {LONGEST_LIST} elements in a list with merge keys")));
    }
    check_keys(base.iter().chain(patch), keys[0])?;
    let wanted = distinct_keys(&base, patch, keys, order);
    let used = used_keys(&wanted, keys);
    let mut merged = Vec::new();
    for key in &wanted {
        let key = used_values(key, keys, &used);
        let Some(value) = merge_element(&mut base, patch, &used, &key, element, order)? else { continue };
        place(&mut merged, Some(value), &used, &key);
    }
    if wanted.is_empty() {
        return Ok(base);
    }
    Ok(match order {
        Order::PatchFirst => append(merged, base, &used),
        Order::BaseFirst => append(base, merged, &used),
    })
}

/// The keys of all elements, each once, in the order of the result.
fn distinct_keys(base: &[Value], patch: &[Value], keys: &[&str], order: Order) -> Vec<Key> {
    let (first, second) = match order {
        Order::PatchFirst => (patch, base),
        Order::BaseFirst => (base, patch),
    };
    let mut seen = std::collections::BTreeSet::new();
    let all = element_keys(first, keys).into_iter().chain(element_keys(second, keys));
    let mut distinct: Vec<Key> = all.filter(|key| seen.insert(key.clone())).collect();
    if keys.len() > 1 {
        unite_keys(&mut distinct);
    }
    distinct
}

/// The values of the merge keys of each element, `""` where it lacks one.
pub(crate) fn element_keys(list: &[Value], keys: &[&str]) -> Vec<Vec<String>> {
    list.iter().map(|element| keys.iter().map(|key| member_text(element, key)).collect()).collect()
}

/// The text by which kustomize compares a key. The key `""` stands for the element itself.
fn member_text(element: &Value, key: &str) -> String {
    let value = if key.is_empty() { Some(element) } else { element.get(key) };
    value.map_or_else(String::new, scalar_text)
}

fn scalar_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        _ => String::new(),
    }
}

/// Port 53 without a protocol and port 53 of UDP are one port for kustomize.
fn unite_keys(keys: &mut [Key]) {
    for i in 0..keys.len() {
        for j in 0..keys.len() {
            if let Some(united) = unite(&keys[i], &keys[j]) {
                keys[i].clone_from(&united);
                keys[j] = united;
            }
        }
    }
}

fn unite(one: &[String], other: &[String]) -> Option<Key> {
    let fits = |(a, b): (&String, &String)| a == b || a.is_empty() || b.is_empty();
    let common = one.iter().zip(other).any(|(a, b)| a == b);
    let united = || one.iter().zip(other).map(|(a, b)| if a.is_empty() { b } else { a }.clone()).collect();
    (common && one.iter().zip(other).all(fits)).then(united)
}

/// The merge keys that at least one element has; all of them if none has any.
fn used_keys<'a>(wanted: &[Key], keys: &[&'a str]) -> Vec<&'a str> {
    let has = |index: usize| wanted.iter().any(|values| values.get(index).is_some_and(|v| !v.is_empty()));
    let used: Vec<&str> =
        keys.iter().enumerate().filter(|(index, _)| has(*index)).map(|(_, key)| *key).collect();
    if used.is_empty() { keys.to_vec() } else { used }
}

fn used_values(values: &[String], keys: &[&str], used: &[&str]) -> Key {
    keys.iter().zip(values).filter(|(key, _)| used.contains(key)).map(|(_, value)| value.clone()).collect()
}

/// Merges the elements that `key` names. The one in `base` changes with it, or goes.
fn merge_element(
    base: &mut Vec<Value>,
    patch: &[Value],
    keys: &[&str],
    key: &[String],
    kind: Option<Kind>,
    order: Order,
) -> Result<Option<Value>, MergeError> {
    let at = position(base, keys, key);
    let patched = position(patch, keys, key).map(|at| patch[at].clone());
    let directive = patched.clone().as_mut().map_or(Ok(Directive::Merge), take_directive)?;
    let old = at.map(|at| match directive {
        // What comes of it is put back below.
        Directive::Merge => std::mem::take(&mut base[at]),
        Directive::Replace | Directive::Delete => base[at].clone(),
    });
    let merged = walk(old, patched, kind, order)?;
    let Some(mut merged) = merged.filter(|merged| !is_empty(merged)) else {
        place(base, None, keys, key);
        return Ok(None);
    };
    complete_keys(&mut merged, keys, key);
    if let (Some(at), Directive::Merge) = (at, directive) {
        base[at].clone_from(&merged);
    }
    Ok(Some(merged))
}

/// The first element with this key. Keys without a value do not count.
fn position(list: &[Value], keys: &[&str], values: &[String]) -> Option<usize> {
    let fits = |(key, value): (&&str, &String)| key.is_empty() || !value.is_empty();
    let given: Vec<_> = keys.iter().zip(values).filter(|pair| fits(*pair)).collect();
    list.iter().position(|element| given.iter().all(|(key, value)| member_text(element, key) == **value))
}

fn complete_keys(element: &mut Value, keys: &[&str], values: &[String]) {
    let Value::Object(map) = element else { return };
    for (key, value) in keys.iter().zip(values) {
        if !value.is_empty() && !map.contains_key(*key) {
            map.insert((*key).to_owned(), Value::String(value.clone()));
        }
    }
}

/// Puts `element` in the place of those with its key, or at the end; without an element, removes them.
fn place(list: &mut Vec<Value>, element: Option<Value>, keys: &[&str], values: &[String]) {
    let mut left = element;
    let mut placed: Option<usize> = None;
    let mut kept: Vec<Value> = Vec::with_capacity(list.len() + 1);
    for old in list.drain(..) {
        if has_key(&old, keys, values) {
            let again = placed.map(|at| kept[at].clone());
            placed = placed.or(left.is_some().then_some(kept.len()));
            kept.extend(again.or_else(|| left.take()));
        } else if !is_empty(&old) {
            kept.push(old);
        }
    }
    kept.extend(left);
    *list = kept;
}

/// An empty value fits any; keys beyond the last value are not asked for.
fn has_key(element: &Value, keys: &[&str], values: &[String]) -> bool {
    if keys == [""] {
        return values.first().is_some_and(|value| scalar_text(element) == *value);
    }
    let fits = |(key, value): (&&str, &String)| {
        element.get(*key).is_some_and(|found| value.is_empty() || scalar_text(found) == *value)
    };
    keys.iter().zip(values).all(fits)
}

/// Adds `more` to `list`, each element in the place of the one with its key. With several keys
/// kustomize takes it out first and adds it at the end, twice if it lacks the second key.
fn append(mut list: Vec<Value>, more: Vec<Value>, keys: &[&str]) -> Vec<Value> {
    for element in more {
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            match element.get(key) {
                _ if key.is_empty() => values.push(scalar_text(&element)),
                Some(value) => values.push(scalar_text(value)),
                None => list.push(element.clone()),
            }
        }
        if keys.len() > 1 {
            place(&mut list, None, keys, &values);
        }
        place(&mut list, Some(element), keys, &values);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::{apply, merge};
    use crate::object::Value;
    use serde_json::json;

    fn pod(spec: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec})
    }

    fn applied(base: &Value, patch: &Value) -> Value {
        apply(&pod(base), &pod(patch)).unwrap().unwrap()["spec"].clone()
    }

    fn merged(base: &Value, patch: &Value) -> Value {
        merge(&pod(base), &pod(patch)).unwrap().unwrap()["spec"].clone()
    }

    #[test]
    fn patched_elements_come_first_for_kustomize_and_stay_for_people() {
        let base = json!({"containers": [{"name": "a", "image": "x"}, {"name": "b"}]});
        let patch = json!({"containers": [{"name": "b", "image": "y"}, {"name": "c"}]});
        let first =
            json!({"containers": [{"name": "b", "image": "y"}, {"name": "c"}, {"name": "a", "image": "x"}]});
        let kept =
            json!({"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}, {"name": "c"}]});
        assert_eq!(applied(&base, &patch), first);
        assert_eq!(merged(&base, &patch), kept);
    }

    #[test]
    fn nulls_and_directives_remove() {
        let base =
            json!({"a": 1, "b": {"c": 1, "d": 2}, "volumes": [{"name": "x", "emptyDir": {}}, {"name": "y"}]});
        let patch = json!({"a": null, "b": {"c": null},
            "volumes": [{"name": "x", "emptyDir": null, "hostPath": {"path": "/"}}, {"name": "y", "$patch": "delete"}]});
        let expected = json!({"b": {"d": 2}, "volumes": [{"name": "x", "hostPath": {"path": "/"}}]});
        assert_eq!(applied(&base, &patch), expected);
        assert_eq!(applied(&base, &json!({"b": {"$patch": "replace", "e": {}}}))["b"], json!({"e": {}}));
        assert_eq!(
            applied(&base, &json!({"volumes": [{"$patch": "replace"}, {"name": "z"}]}))["volumes"],
            json!([{"name": "z"}])
        );
        let whole = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "$patch": "delete"});
        assert_eq!(apply(&pod(&base), &whole), Ok(None));
    }

    #[test]
    fn lists_of_custom_resources_are_replaced() {
        let base = json!({"apiVersion": "x.io/v1", "kind": "X", "spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
        let patch = json!({"spec": {"containers": [{"name": "b", "x": null}]}});
        let expected = json!([{"name": "b", "x": null}]);
        assert_eq!(apply(&base, &patch).unwrap().unwrap()["spec"]["containers"], expected);
    }

    #[test]
    fn ports_are_told_apart_by_protocol_and_keep_their_places() {
        let ports =
            json!([{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]);
        let base = json!({"containers": [{"name": "a", "ports": ports}]});
        let more = json!([{"containerPort": 53, "protocol": "UDP", "name": "dns"}, {"containerPort": 80, "protocol": "TCP"}]);
        let patch = json!({"containers": [{"name": "a", "ports": more}]});
        let expected = json!([{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 53, "protocol": "TCP"},
            {"containerPort": 53, "protocol": "UDP", "name": "dns"}]);
        assert_eq!(applied(&base, &patch)["containers"][0]["ports"], expected);
    }

    #[test]
    fn any_patch_unites_elements_of_one_key() {
        let base = json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "X", "value": "2"}]}]});
        let spoiled = applied(&base, &json!({"x": 1}));
        assert_eq!(spoiled["containers"][0]["env"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn kustomize_keeps_the_quotes_of_the_base() {
        let (base, patch) = (json!({"a": "8080", "b": "http", "c": 1}), json!({"a": 80, "b": 80, "c": "1"}));
        assert_eq!(applied(&base, &patch), json!({"a": "80", "b": 80, "c": "1"}));
        assert_eq!(merged(&base, &patch), json!({"a": 80, "b": 80, "c": "1"}));
    }

    #[test]
    fn endless_lists_are_refused() {
        let env: Vec<Value> = (0..2000).map(|n| json!({"name": n.to_string()})).collect();
        assert!(apply(&pod(&json!({"containers": [{"name": "a", "env": env}]})), &pod(&json!({}))).is_err());
    }

    #[test]
    fn maps_and_lists_do_not_mix() {
        let error = apply(&pod(&json!({"a": {}})), &pod(&json!({"a": []}))).unwrap_err();
        assert_eq!(error.to_string(), "a list cannot be merged into a map");
        assert!(apply(&pod(&json!({"a": {}})), &pod(&json!({"a": {"$patch": "what"}}))).is_err());
    }
}
