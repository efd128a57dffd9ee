//! Lists whose elements are told apart by keys.

use super::types::Kind;
use super::{Directive, MergeError, Order, is_empty, take_directive, walk};
use crate::object::Value;

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

pub(super) fn merge_elements(
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
pub(super) fn member_text(element: &Value, key: &str) -> String {
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
