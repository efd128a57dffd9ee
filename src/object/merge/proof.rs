//! Whether a patch makes what it should, without making it: only what it touches is copied.

use super::{DIRECTIVE, Kind, Order, member_text, stays, type_of_map, walk};
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
        (Some(Value::Array(old)), Some(Value::Array(changes)), Some(Value::Array(new))) => {
            match only(old, changes, new, kind) {
                Some((old, change, new, of)) => comes_out(Some(old), Some(change), Some(new), of),
                None => walked(base, patch, target, kind),
            }
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

/// The elements of lists that hold nothing but the same one: most pods have one container.
type Only<'v> = (&'v Value, &'v Value, &'v Value, Option<Kind>);

fn only<'v>(
    old: &'v [Value],
    changes: &'v [Value],
    new: &'v [Value],
    kind: Option<Kind>,
) -> Option<Only<'v>> {
    let (Some(Kind::Keyed([key], of)), [old], [change], [new]) = (kind, old, changes, new) else {
        return None;
    };
    let name = member_text(old, key);
    let same = !name.is_empty() && name == member_text(change, key) && change.get(DIRECTIVE).is_none();
    same.then_some((old, change, new, Some(Kind::Map(of))))
}

fn walked(base: Option<&Value>, patch: Option<&Value>, target: Option<&Value>, kind: Option<Kind>) -> bool {
    let made = walk(base.cloned(), patch.cloned(), kind, Order::PatchFirst);
    made.is_ok_and(|made| made.as_ref() == target)
}
