//! Strategic merge, as kustomize does it.
//!
//! The rules are kustomize's own (`kyaml/yaml/walk` and `merge2`, the same in 5.5 and 5.8), down to
//! what it does with lists whose elements lack a merge key: [`crate::object::patch`] uses this model
//! to know what a patch will make of its base. `tests/kustomize.rs` holds the model to the real tool.

mod lists;
mod proof;
mod types;

use std::fmt;

use crate::object::emit::is_plain;
use crate::object::{Map, Value};

use lists::merge_elements;
use types::type_of_map;

pub(crate) use lists::{LONGEST_LIST, element_keys};
pub(crate) use proof::makes;
pub(crate) use types::{Kind, Type, type_of};

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

/// [`merge`] with a person's patch, which need not say what it is for: what the object is it stays.
pub fn amend(object: &Value, patch: &Value) -> Result<Option<Value>, MergeError> {
    let mut whole = Map::new();
    for identity in ["apiVersion", "kind", "metadata"] {
        if let Some(value) = object.get(identity) {
            whole.insert(identity.to_owned(), value.clone());
        }
    }
    for (member, value) in patch.as_object().into_iter().flatten() {
        match (whole.get_mut(member), value) {
            (Some(Value::Object(known)), Value::Object(more)) => known.extend(more.clone()),
            _ => drop(whole.insert(member.clone(), value.clone())),
        }
    }
    merge(object, &Value::Object(whole))
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
