//! Values that a caller gives to templates: known to be bounded, so that naming one costs nothing.

mod record;
mod serializer;
mod watched;

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectExt, ObjectRepr, ValueKind};
use serde::Serialize;

use record::GivenRecord;
pub use record::given_record;
use serializer::Given;
pub use watched::Watched;

/// A map of the caller's, in its own order.
#[derive(Debug)]
struct GivenMap {
    keys: Arc<Keys>,
    /// A value for each key.
    values: Vec<Value>,
}

/// The keys of a map: all values of one struct share them. Few are searched from the front.
#[derive(Debug)]
struct Keys {
    names: Vec<Value>,
    /// The same, where they are the names of a struct's fields.
    fields: Vec<&'static str>,
    /// Their tags with their places, in order, where there are many.
    by_tag: Vec<(u64, u32)>,
}

/// Up to this many keys a look at each is as quick as a search.
const SHORT: usize = 8;

/// A list of the caller's.
#[derive(Debug)]
struct GivenList(Vec<Value>);

impl Keys {
    fn new(names: Vec<Value>, fields: Vec<&'static str>) -> Self {
        let mut by_tag = Vec::new();
        if names.len() > SHORT {
            let tags = names.iter().map(|name| tag(name.as_str().unwrap_or_default()));
            by_tag = tags.zip(0..).collect();
            by_tag.sort_unstable();
        }
        Self { names, fields, by_tag }
    }

    fn of_fields(fields: Vec<&'static str>) -> Self {
        Self::new(fields.iter().map(|field| Value::from(*field)).collect(), fields)
    }

    fn place(&self, key: &str) -> Option<usize> {
        let is_it = |at: &usize| match self.fields.get(*at) {
            Some(field) => *field == key,
            None => self.names.get(*at).is_some_and(|name| name.as_str() == Some(key)),
        };
        if self.by_tag.is_empty() {
            return (0..self.names.len()).find(is_it);
        }
        let wanted = tag(key);
        let first = self.by_tag.partition_point(|(tag, _)| *tag < wanted);
        let alike = self.by_tag[first..].iter().take_while(|(tag, _)| *tag == wanted);
        alike.map(|(_, at)| *at as usize).find(is_it)
    }
}

impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        let pairs = || self.names.iter().zip(&other.names);
        std::ptr::eq(self, other)
            || self.names.len() == other.names.len()
                && pairs().all(|(one, other)| one.as_str() == other.as_str())
    }
}

impl GivenMap {
    fn new(entries: Vec<(Value, Value)>) -> Self {
        let (names, values) = entries.into_iter().unzip();
        Self { keys: Arc::new(Keys::new(names, Vec::new())), values }
    }

    fn get(&self, key: &str) -> Option<Value> {
        self.keys.place(key).map(|at| self.values[at].clone())
    }

    fn entries(&self) -> impl Iterator<Item = (Value, Value)> + '_ {
        self.keys.names.iter().cloned().zip(self.values.iter().cloned())
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
        self.mapped_key_value_enumerator(|map| Box::new(map.entries()))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.values.len())
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

/// Whether two values of the caller's are the same in all that a template can see, the order of maps included.
pub fn same(one: &Value, other: &Value) -> bool {
    if let (Some(one), Some(other)) = (one.as_str(), other.as_str()) {
        return one == other;
    }
    if let (Some(one), Some(other)) =
        (one.downcast_object_ref::<GivenMap>(), other.downcast_object_ref::<GivenMap>())
    {
        let pairs = || one.values.iter().zip(&other.values);
        return std::ptr::eq(one, other)
            || one.keys == other.keys && pairs().all(|(value, other)| same(value, other));
    }
    if let (Some(one), Some(other)) =
        (one.downcast_object_ref::<GivenList>(), other.downcast_object_ref::<GivenList>())
    {
        return std::ptr::eq(one, other)
            || one.0.len() == other.0.len()
                && one.0.iter().zip(&other.0).all(|(one, other)| same(one, other));
    }
    if let (Some(one), Some(other)) =
        (one.downcast_object_ref::<GivenRecord>(), other.downcast_object_ref::<GivenRecord>())
    {
        return one.is_same(other);
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
    if own.keys != known.keys {
        return map.clone();
    }
    let pairs = own.values.iter().zip(&known.values);
    let values = pairs.map(|(value, like)| if same(value, like) { like } else { value });
    Value::from_object(GivenMap { keys: Arc::clone(&known.keys), values: values.cloned().collect() })
}

/// A value of the caller's. Maps keep their order; keys that are no texts become texts.
pub fn given(value: &impl Serialize) -> Value {
    part(value, Given::Whole)
}

fn part(value: &impl Serialize, wanted: Given) -> Value {
    value.serialize(wanted).unwrap_or_else(Value::from)
}

/// The members of a struct or map of the caller's, in its order.
pub fn given_members(value: &impl Serialize) -> Vec<(Value, Value)> {
    given(value).downcast_object::<GivenMap>().map(|map| map.entries().collect()).unwrap_or_default()
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
        || value.downcast_object_ref::<GivenRecord>().is_some()
        || value.downcast_object_ref::<Watched>().is_some()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{GivenMap, Watched, given, given_record, same};
    use minijinja::Value;
    use serde::Serialize;

    #[derive(Debug, Clone, Serialize)]
    struct Pod {
        name: &'static str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        args: Vec<&'static str>,
        labels: std::collections::BTreeMap<&'static str, &'static str>,
    }

    fn pod(name: &'static str, args: &[&'static str]) -> Arc<Pod> {
        Arc::new(Pod { name, args: args.to_vec(), labels: [("app", name)].into() })
    }

    #[test]
    fn a_record_reads_as_the_whole_does() {
        for pod in [pod("web", &["--all"]), pod("api", &[]), pod("web", &["--all", "--new"])] {
            let (whole, record) = (given(&*pod), given_record(Arc::clone(&pod)));
            for _ in 0..2 {
                assert_eq!(format!("{record:?}"), format!("{whole:?}"));
                for key in ["name", "args", "labels", "none"] {
                    let read = |value: &Value| value.get_attr(key).unwrap();
                    assert!(same(&read(&record), &read(&whole)) || read(&whole).is_undefined(), "{key}");
                }
            }
        }
    }

    #[test]
    fn records_are_the_same_if_all_their_members_are() {
        let record = |name, args: &[&'static str]| given_record(pod(name, args));
        assert!(same(&record("web", &["--all"]), &record("web", &["--all"])));
        assert!(!same(&record("web", &["--all"]), &record("api", &["--all"])));
        assert!(!same(&record("web", &["--all"]), &record("web", &[])));
    }

    #[test]
    fn what_was_not_read_makes_no_difference() {
        let record = given_record(pod("web", &["--all"]));
        let watched = Watched::new(&record).unwrap();
        let read = |key: &str| Value::from_dyn_object(Arc::clone(&watched)).get_attr(key).unwrap();
        let other = given_record(pod("api", &["--all"]));
        read("args");
        assert!(watched.reads_same(&other));
        read("labels");
        assert!(!watched.reads_same(&other));
        assert!(watched.reads_same(&given_record(pod("web", &["--all"]))));
        read("none");
        assert!(!watched.reads_same(&given_record(pod("web", &["--all"]))));
        assert!(watched.reads_same(&record));
    }

    #[test]
    fn keys_of_a_kind_are_kept_once() {
        let map = |value: &Value| value.downcast_object::<GivenMap>().unwrap();
        let (one, other) = (given(&*pod("web", &["--all"])), given(&*pod("api", &["--new"])));
        assert!(Arc::ptr_eq(&map(&one).keys, &map(&other).keys));
    }
}
