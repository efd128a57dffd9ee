//! From serde straight to given values: no map is built twice.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{Error, ErrorKind};
use serde::ser::{
    self, Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple,
    SerializeTupleStruct, Serializer,
};

use super::{GivenList, GivenMap, Keys, given_map, tag};

/// Turns what is serialized into a given value: into the very one that is given with it wherever it is the same.
#[derive(Clone, Copy)]
pub(super) struct Given<'l>(pub Option<&'l Value>);

/// A value that no template could read.
#[derive(Debug)]
pub(super) struct Fault(String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl ser::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Error::new(ErrorKind::BadSerialization, fault.0)
    }
}

/// Values one after the other, each beside the one in its place that it may be the same as. Nothing is kept before
/// the first that differs.
struct Row<'l> {
    like: &'l [Value],
    length: usize,
    /// How many there are.
    count: usize,
    /// All of them, once one differs.
    own: Option<Vec<Value>>,
}

impl<'l> Row<'l> {
    /// `length` is how many there will be, as far as anybody knows.
    fn new(like: &'l [Value], length: usize) -> Self {
        Self { like, length, count: 0, own: None }
    }

    /// What the next value may be the same as.
    fn next(&self) -> Option<&'l Value> {
        self.like.get(self.count)
    }

    fn push(&mut self, value: Value) {
        let same = self.next().is_some_and(|like| is_that(&value, like));
        match &mut self.own {
            Some(own) => own.push(value),
            None if same => {}
            None => self.own().push(value),
        }
        self.count += 1;
    }

    fn own(&mut self) -> &mut Vec<Value> {
        let Self { like, length, count, own } = self;
        own.get_or_insert_with(|| {
            let mut values = Vec::with_capacity((*length).max(*count + 1));
            values.extend(like.iter().take(*count).cloned());
            values
        })
    }

    /// Whether all values are those that they were held against.
    fn is_same(&self) -> bool {
        self.own.is_none() && self.count == self.like.len()
    }

    fn into_values(mut self) -> Vec<Value> {
        std::mem::take(self.own())
    }
}

/// Whether a value is the other one, or a plain one like it.
fn is_that(one: &Value, other: &Value) -> bool {
    match (one.as_object(), other.as_object()) {
        (None, None) => super::same(one, other),
        (Some(_), Some(_)) => {
            let maps = (one.downcast_object_ref::<GivenMap>(), other.downcast_object_ref::<GivenMap>());
            let lists = (one.downcast_object_ref::<GivenList>(), other.downcast_object_ref::<GivenList>());
            matches!(maps, (Some(one), Some(other)) if std::ptr::eq(one, other))
                || matches!(lists, (Some(one), Some(other)) if std::ptr::eq(one, other))
        }
        _ => false,
    }
}

/// The elements of a list so far.
pub(super) struct List<'l> {
    like: Option<&'l Value>,
    row: Row<'l>,
}

/// The entries of a map so far.
pub(super) struct Entries<'l> {
    like: Option<&'l Value>,
    names: Row<'l>,
    values: Row<'l>,
}

thread_local! {
    /// The keys of each struct that this thread has met, as it was written last: fields may be left out.
    static KEYS: RefCell<BTreeMap<&'static str, Arc<Keys>>> = const { RefCell::new(BTreeMap::new()) };
}

/// The fields of a struct so far.
pub(super) struct Fields<'l> {
    name: &'static str,
    like: Option<&'l Value>,
    /// The keys that it has so far in common with what it is like, or with the last one of its name.
    keys: Option<Arc<Keys>>,
    /// Its own, from the first on that differs.
    own: Vec<&'static str>,
    row: Row<'l>,
}

impl SerializeStruct for Fields<'_> {
    type Ok = Value;
    type Error = Fault;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Fault> {
        let at = self.row.count;
        match &self.keys {
            Some(keys) if keys.fields.get(at) == Some(&key) => {}
            Some(keys) => {
                self.own = keys.fields.iter().take(at).copied().chain([key]).collect();
                self.keys = None;
                // From here on the other's fields are others.
                self.row.like = &self.row.like[..at.min(self.row.like.len())];
            }
            None => self.own.push(key),
        }
        let value = value.serialize(Given(self.row.next()))?;
        self.row.push(value);
        Ok(())
    }

    fn end(self) -> Result<Value, Fault> {
        let Self { name, like, keys, own, row } = self;
        let count = row.count;
        let keys = match keys {
            Some(keys) if keys.fields.len() == count => match like.filter(|_| row.is_same()) {
                Some(like) => return Ok(like.clone()),
                None => keys,
            },
            Some(keys) => remember(name, keys.fields[..count].to_vec()),
            None => remember(name, own),
        };
        Ok(Value::from_object(GivenMap { keys, values: row.into_values() }))
    }
}

fn remember(name: &'static str, fields: Vec<&'static str>) -> Arc<Keys> {
    let keys = Arc::new(Keys::of_fields(fields));
    KEYS.with_borrow_mut(|known| known.insert(name, Arc::clone(&keys)));
    keys
}

impl SerializeSeq for List<'_> {
    type Ok = Value;
    type Error = Fault;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        let value = value.serialize(Given(self.row.next()))?;
        self.row.push(value);
        Ok(())
    }

    fn end(self) -> Result<Value, Fault> {
        match self.like.filter(|_| self.row.is_same()) {
            Some(like) => Ok(like.clone()),
            None => Ok(Value::from_object(GivenList(self.row.into_values()))),
        }
    }
}

impl SerializeTuple for List<'_> {
    type Ok = Value;
    type Error = Fault;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Value, Fault> {
        SerializeSeq::end(self)
    }
}

impl SerializeTupleStruct for List<'_> {
    type Ok = Value;
    type Error = Fault;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Value, Fault> {
        SerializeSeq::end(self)
    }
}

impl SerializeMap for Entries<'_> {
    type Ok = Value;
    type Error = Fault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fault> {
        let key = key.serialize(Given(self.names.next()))?;
        self.names.push(if key.as_str().is_some() { key } else { Value::from(key.to_string()) });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        let value = value.serialize(Given(self.values.next()))?;
        self.values.push(value);
        Ok(())
    }

    fn end(self) -> Result<Value, Fault> {
        let keys = match self.like.filter(|_| self.names.is_same()) {
            Some(like) if self.values.is_same() => return Ok(like.clone()),
            like => like.and_then(|like| Some(Arc::clone(&like.downcast_object_ref::<GivenMap>()?.keys))),
        };
        let keys = keys.unwrap_or_else(|| shared_keys(self.names.into_values()));
        Ok(Value::from_object(GivenMap { keys, values: self.values.into_values() }))
    }
}

/// Most services have the same labels and the same kinds of resources: so many sets of keys are kept by each thread.
const SETS: usize = 512;

thread_local! {
    /// Keys of maps that this thread has met, by the tag of the first and their number.
    static SETS_OF_KEYS: RefCell<BTreeMap<(u64, usize), Arc<Keys>>> = const { RefCell::new(BTreeMap::new()) };
}

fn shared_keys(names: Vec<Value>) -> Arc<Keys> {
    let first = names.first().and_then(Value::as_str).unwrap_or_default();
    let at = (tag(first), names.len());
    SETS_OF_KEYS.with_borrow_mut(|sets| {
        if let Some(known) = sets.get(&at)
            && known.names.iter().zip(&names).all(|(one, other)| one.as_str() == other.as_str())
        {
            return Arc::clone(known);
        }
        let keys = Arc::new(Keys::new(names, Vec::new()));
        if sets.len() < SETS {
            sets.insert(at, Arc::clone(&keys));
        }
        keys
    })
}

impl<'l> Serializer for Given<'l> {
    type Ok = Value;
    type Error = Fault;
    type SerializeSeq = List<'l>;
    type SerializeTuple = List<'l>;
    type SerializeTupleStruct = List<'l>;
    type SerializeTupleVariant = Impossible<Value, Fault>;
    type SerializeMap = Entries<'l>;
    type SerializeStruct = Fields<'l>;
    type SerializeStructVariant = Impossible<Value, Fault>;

    fn serialize_bool(self, value: bool) -> Result<Value, Fault> {
        Ok(Value::from(value))
    }

    fn serialize_i8(self, value: i8) -> Result<Value, Fault> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<Value, Fault> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<Value, Fault> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<Value, Fault> {
        Ok(Value::from(value))
    }

    fn serialize_u8(self, value: u8) -> Result<Value, Fault> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<Value, Fault> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<Value, Fault> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<Value, Fault> {
        Ok(Value::from(value))
    }

    fn serialize_f32(self, value: f32) -> Result<Value, Fault> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<Value, Fault> {
        Ok(Value::from(value))
    }

    fn serialize_char(self, value: char) -> Result<Value, Fault> {
        Ok(Value::from(value))
    }

    fn serialize_str(self, value: &str) -> Result<Value, Fault> {
        let same = self.0.filter(|like| like.as_str() == Some(value));
        Ok(same.map_or_else(|| Value::from(value), Value::clone))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Value, Fault> {
        Ok(Value::from_bytes(value.to_owned()))
    }

    fn serialize_none(self) -> Result<Value, Fault> {
        Ok(Value::from(()))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Fault> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Fault> {
        Ok(Value::from(()))
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value, Fault> {
        Ok(Value::from(()))
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, Fault> {
        Ok(Value::from(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Value, Fault> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Fault> {
        Ok(given_map(vec![(Value::from(variant), value.serialize(Given(None))?)]))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<List<'l>, Fault> {
        let list = self.0.and_then(|like| like.downcast_object_ref::<GivenList>());
        let values = list.map(|list| list.0.as_slice()).unwrap_or_default();
        Ok(List { like: self.0.filter(|_| list.is_some()), row: Row::new(values, length.unwrap_or(0)) })
    }

    fn serialize_tuple(self, length: usize) -> Result<List<'l>, Fault> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _name: &'static str, length: usize) -> Result<List<'l>, Fault> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleVariant, Fault> {
        Err(Fault(format!("`{name}::{variant}` is nothing that templates can read")))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Entries<'l>, Fault> {
        let map = self.0.and_then(|like| like.downcast_object_ref::<GivenMap>());
        let names = map.map(|map| map.keys.names.as_slice()).unwrap_or_default();
        let values = map.map(|map| map.values.as_slice()).unwrap_or_default();
        let length = length.unwrap_or(0);
        let (names, values) = (Row::new(names, length), Row::new(values, length));
        Ok(Entries { like: self.0.filter(|_| map.is_some()), names, values })
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Fields<'l>, Fault> {
        let map = self.0.and_then(|like| like.downcast_object_ref::<GivenMap>());
        let keys = match map {
            Some(map) => Some(Arc::clone(&map.keys)),
            None => KEYS.with_borrow(|known| known.get(name).cloned()),
        };
        let values = map.map(|map| map.values.as_slice()).unwrap_or_default();
        let like = self.0.filter(|_| map.is_some());
        Ok(Fields { name, like, keys, own: Vec::new(), row: Row::new(values, length) })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeStructVariant, Fault> {
        Err(Fault(format!("`{name}::{variant}` is nothing that templates can read")))
    }
}
