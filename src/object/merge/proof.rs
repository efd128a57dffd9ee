//! Whether a patch makes what it should, without making it: only what it touches is copied.

use super::lists::member_text;
use super::types::{Kind, Type, type_of_map};
use super::{DIRECTIVE, Order, stays, walk};
use crate::object::{Map, Value};

/// Whether [`super::apply`] makes `target` of `base` and `patch`.
pub(crate) fn makes(base: &Value, patch: &Value, target: &Value) -> bool {
    comes_out(Some(base), Some(patch), Some(target), None)
}

fn comes_out(
    base: Option<&Value>,
    patch: Option<&Value>,
    target: Option<&Value>,
    kind: Option<Kind>,
) -> bool {
    match (base, patch, target) {
        (Some(base), None, _) if stays(base, kind) => Some(base) == target,
        (Some(base @ Value::Object(old)), None, Some(Value::Object(new))) => {
            members(old, &Map::new(), new, base, kind)
        }
        (Some(base @ Value::Object(old)), Some(Value::Object(changes)), Some(Value::Object(new)))
            if !changes.contains_key(DIRECTIVE) =>
        {
            members(old, changes, new, base, kind)
        }
        (Some(Value::Array(old)), None, Some(Value::Array(new))) => {
            lists(old, &[], new, kind).unwrap_or_else(|| walked(base, patch, target, kind))
        }
        (Some(Value::Array(old)), Some(Value::Array(changes)), Some(Value::Array(new))) => {
            lists(old, changes, new, kind).unwrap_or_else(|| walked(base, patch, target, kind))
        }
        _ => walked(base, patch, target, kind),
    }
}

fn members(old: &Map, changes: &Map, new: &Map, base: &Value, kind: Option<Kind>) -> bool {
    let of = if let Some(Kind::Map(of)) = kind { Some(of) } else { type_of_map(base) };
    let kind = |key: &str| of.and_then(|of| of.field(key));
    let added = |(key, _): &(&String, &Value)| !old.contains_key(*key);
    old.iter().all(|(key, value)| comes_out(Some(value), changes.get(key), new.get(key), kind(key)))
        && changes
            .iter()
            .filter(added)
            .all(|(key, value)| comes_out(None, Some(value), new.get(key), kind(key)))
        && new.iter().filter(added).all(|(key, _)| changes.contains_key(key))
}

/// Whether a list comes out, where that is plain to see.
fn lists(old: &[Value], changes: &[Value], new: &[Value], kind: Option<Kind>) -> Option<bool> {
    match (kind?, old, changes) {
        (Kind::Keyed([key], of), ..) if are_named(old, key) && are_named(changes, key) => {
            Some(elements(old, changes, new, key, of))
        }
        // Nothing else can take its place.
        (Kind::Keyed([key, ..], of), [old], []) if !member_text(old, key).is_empty() => {
            Some(matches!(new, [new] if comes_out(Some(old), None, Some(new), Some(Kind::Map(of)))))
        }
        _ => None,
    }
}

/// Whether the elements of a list are told apart by one text, each of them once.
fn are_named(list: &[Value], key: &str) -> bool {
    let is_first = |at: usize, name: &str| list[..at].iter().all(|other| name_of(other, key) != Some(name));
    list.len() <= MOST_NAMED
        && list.iter().enumerate().all(|(at, element)| {
            let name = name_of(element, key).filter(|name| !name.is_empty());
            name.is_some_and(|name| is_first(at, name)) && element.get(DIRECTIVE).is_none()
        })
}

/// Each is held against all others: longer lists are rare, and walked.
const MOST_NAMED: usize = 64;

fn name_of<'v>(element: &'v Value, key: &str) -> Option<&'v str> {
    element.get(key)?.as_str()
}

/// Elements that the patch names come first, in its order; the others follow.
fn elements(old: &[Value], changes: &[Value], new: &[Value], key: &str, of: &'static Type) -> bool {
    fn find<'v>(list: &'v [Value], key: &str, name: Option<&str>) -> Option<&'v Value> {
        list.iter().find(|element| name_of(element, key) == name)
    }
    let rest = old.iter().filter(|element| find(changes, key, name_of(element, key)).is_none());
    let mut order = changes.iter().chain(rest).map(|element| name_of(element, key));
    let fits = |element: &Value| {
        let name = name_of(element, key);
        order.next() == Some(name)
            && comes_out(find(old, key, name), find(changes, key, name), Some(element), Some(Kind::Map(of)))
    };
    new.iter().all(fits) && order.next().is_none()
}

fn walked(base: Option<&Value>, patch: Option<&Value>, target: Option<&Value>, kind: Option<Kind>) -> bool {
    let made = walk(base.cloned(), patch.cloned(), kind, Order::PatchFirst);
    made.is_ok_and(|made| made.as_ref() == target)
}
