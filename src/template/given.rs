//! Values that a caller gives to templates: known to be bounded, so that naming one costs nothing.

mod serializer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectExt, ObjectRepr, ValueKind};
use serde::Serialize;

use serializer::Given;

/// A map of the caller's, in its own order. Short ones are searched from the front.
#[derive(Debug)]
struct GivenMap {
    entries: Vec<(Value, Value)>,
    /// The tags of the keys with the places of their entries, in order, where there are many.
    by_tag: Vec<(u64, u32)>,
}

/// Up to this many entries a look at each is as quick as a search.
const SHORT: usize = 8;

/// A list of the caller's.
#[derive(Debug)]
struct GivenList(Vec<Value>);

impl GivenMap {
    fn new(entries: Vec<(Value, Value)>) -> Self {
        let mut by_tag = Vec::new();
        if entries.len() > SHORT {
            let tags = entries.iter().map(|(key, _)| tag(key.as_str().unwrap_or_default()));
            by_tag = tags.zip(0..).collect();
            by_tag.sort_unstable();
        }
        Self { entries, by_tag }
    }

    fn place(&self, key: &str) -> Option<usize> {
        let is_it = |at: &usize| self.entries.get(*at).is_some_and(|(known, _)| known.as_str() == Some(key));
        if self.by_tag.is_empty() {
            return (0..self.entries.len()).find(is_it);
        }
        let wanted = tag(key);
        let first = self.by_tag.partition_point(|(tag, _)| *tag < wanted);
        let alike = self.by_tag[first..].iter().take_while(|(tag, _)| *tag == wanted);
        alike.map(|(_, at)| *at as usize).find(is_it)
    }

    fn get(&self, key: &str) -> Option<Value> {
        self.place(key).map(|at| self.entries[at].1.clone())
    }
}

/// A number that hardly two keys of one map have in common: the length and both ends of the text.
fn tag(key: &str) -> u64 {
    let bytes = key.as_bytes();
    let three = |part: &[u8]| part.iter().take(3).fold(0_u64, |tag, byte| tag << 8 | u64::from(*byte));
    let end = &bytes[bytes.len().saturating_sub(3)..];
    (bytes.len() as u64 & 0xFFFF) << 48 | three(bytes) << 24 | three(end)
}

impl Object for GivenMap {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.get(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.mapped_key_value_enumerator(|map| Box::new(map.entries.iter().cloned()))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.entries.len())
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

/// A map of the caller's that remembers which of its members one render has read.
#[derive(Debug)]
pub struct Watched {
    map: Arc<GivenMap>,
    /// For each member; the last one stands for whatever concerns them all.
    read: Box<[AtomicBool]>,
}

impl Watched {
    /// Watches `map`; none if that is no map of the caller's.
    pub fn new(map: &Value) -> Option<Arc<Self>> {
        let map = map.downcast_object::<GivenMap>()?;
        let read = (0..=map.entries.len()).map(|_| AtomicBool::new(false)).collect();
        Some(Arc::new(Self { map, read }))
    }

    /// Whether all that was read is the same in `other`, so that the same would be made of it.
    pub fn reads_same(&self, other: &Value) -> bool {
        let Some(other) = other.downcast_object_ref::<GivenMap>() else { return false };
        if self.is_read(self.map.entries.len()) || self.map.entries.len() != other.entries.len() {
            return false;
        }
        let pairs = self.map.entries.iter().zip(&other.entries).enumerate();
        let mut read = pairs.filter(|(at, _)| self.is_read(*at));
        read.all(|(_, ((key, value), (other_key, other)))| key == other_key && same(value, other))
    }

    fn is_read(&self, at: usize) -> bool {
        self.read.get(at).is_none_or(|read| read.load(Relaxed))
    }

    fn note(&self, at: Option<usize>) {
        if let Some(read) = self.read.get(at.unwrap_or(self.map.entries.len())) {
            read.store(true, Relaxed);
        }
    }

    fn get(&self, key: &str) -> Option<Value> {
        let at = self.map.place(key);
        self.note(at);
        at.map(|at| self.map.entries[at].1.clone())
    }
}

impl Object for Watched {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.get(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.note(None);
        self.mapped_key_value_enumerator(|this| Box::new(this.map.entries.iter().cloned()))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.map.entries.len())
    }
}

/// Whether two values of the caller's are the same in all that a template can see, the order of maps included.
pub fn same(one: &Value, other: &Value) -> bool {
    if let (Some(one), Some(other)) = (one.as_str(), other.as_str()) {
        return one == other;
    }
    if let (Some(one), Some(other)) =
        (one.downcast_object_ref::<GivenMap>(), other.downcast_object_ref::<GivenMap>())
    {
        let pairs = || one.entries.iter().zip(&other.entries);
        return std::ptr::eq(one, other)
            || one.entries.len() == other.entries.len()
                && pairs().all(|((key, value), (other_key, other))| key == other_key && same(value, other));
    }
    if let (Some(one), Some(other)) =
        (one.downcast_object_ref::<GivenList>(), other.downcast_object_ref::<GivenList>())
    {
        return std::ptr::eq(one, other)
            || one.0.len() == other.0.len()
                && one.0.iter().zip(&other.0).all(|(one, other)| same(one, other));
    }
    let plain = matches!(one.kind(), ValueKind::None | ValueKind::Bool | ValueKind::Number);
    plain && one.kind() == other.kind() && one.is_integer() == other.is_integer() && one == other
}

/// `map` with the members of `like` in the place of those that are the same: what two maps share is kept once.
pub fn shared(map: &Value, like: &Value) -> Value {
    let (Some(own), Some(known)) =
        (map.downcast_object_ref::<GivenMap>(), like.downcast_object_ref::<GivenMap>())
    else {
        return map.clone();
    };
    if same(map, like) {
        return like.clone();
    }
    let share = |(at, (key, value)): (usize, &(Value, Value))| match known.entries.get(at) {
        Some((other, like)) if key == other && same(value, like) => (key.clone(), like.clone()),
        _ => (key.clone(), value.clone()),
    };
    given_map(own.entries.iter().enumerate().map(share).collect())
}

/// A value of the caller's. Maps keep their order; keys that are no texts become texts.
pub fn given(value: &impl Serialize) -> Value {
    value.serialize(Given).unwrap_or_else(|fault| Value::from(minijinja::Error::from(fault)))
}

/// The members of a struct or map of the caller's, in its order.
pub fn given_members(value: &impl Serialize) -> Vec<(Value, Value)> {
    given(value).downcast_object::<GivenMap>().map(|map| map.entries.clone()).unwrap_or_default()
}

/// A map of values that are the caller's already. No key may stand in it twice.
pub fn given_map(entries: Vec<(Value, Value)>) -> Value {
    Value::from_object(GivenMap::new(entries))
}

/// A list of values that are the caller's already.
pub fn given_list(items: impl IntoIterator<Item = Value>) -> Value {
    Value::from_object(GivenList(items.into_iter().collect()))
}

/// Whether a value is the caller's.
pub(super) fn is_given(value: &Value) -> bool {
    value.downcast_object_ref::<GivenMap>().is_some()
        || value.downcast_object_ref::<GivenList>().is_some()
        || value.downcast_object_ref::<Watched>().is_some()
}
