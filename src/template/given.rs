//! Values that a caller gives to templates: known to be bounded, so that naming one costs nothing.

use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectExt, ObjectRepr, ValueKind};

/// A map of the caller's.
#[derive(Debug)]
struct GivenMap(IndexMap<Box<str>, Value>);

/// A list of the caller's.
#[derive(Debug)]
struct GivenList(Vec<Value>);

impl Object for GivenMap {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).cloned()
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.mapped_key_value_enumerator(|map| {
            Box::new(map.0.iter().map(|(key, value)| (Value::from(&**key), value.clone())))
        })
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
}

impl Object for GivenList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
}

/// The same value, marked as the caller's with all that is in it. Maps keep their order; keys that are no texts
/// become texts.
pub fn given(value: &Value) -> Value {
    match value.kind() {
        ValueKind::Map if !is_given(value) => {
            let pairs = value.as_object().and_then(|object| object.try_iter_pairs());
            given_map(pairs.into_iter().flatten().map(|(key, item)| (key.to_string(), given(&item))))
        }
        ValueKind::Seq | ValueKind::Iterable if !is_given(value) => {
            given_list(value.try_iter().into_iter().flatten().map(|item| given(&item)))
        }
        _ => value.clone(),
    }
}

/// A map of values that are the caller's already.
pub fn given_map(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    let entries = entries.into_iter().map(|(key, value)| (key.into_boxed_str(), value));
    Value::from_object(GivenMap(entries.collect()))
}

/// A list of values that are the caller's already.
pub fn given_list(items: impl IntoIterator<Item = Value>) -> Value {
    Value::from_object(GivenList(items.into_iter().collect()))
}

/// Whether a value is the caller's.
pub(super) fn is_given(value: &Value) -> bool {
    value.downcast_object_ref::<GivenMap>().is_some() || value.downcast_object_ref::<GivenList>().is_some()
}
