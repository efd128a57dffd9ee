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

/// Turns what is serialized into a given value.
#[derive(Clone, Copy)]
pub(super) enum Given {
    /// All of it.
    Whole,
    /// Of a struct only the keys: a map without values.
    Keys,
    /// Of a struct only the member at this place.
    Member(usize),
}

/// Why serializing ends early.
#[derive(Debug)]
pub(super) enum Fault {
    /// The one member that was wanted: the others need not be looked at.
    Member(Value),
    /// A value that no template could read.
    Unreadable(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(value) => value.fmt(f),
            Self::Unreadable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Fault {}

impl ser::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Unreadable(message.to_string())
    }
}

impl From<Fault> for Value {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Member(value) => value,
            Fault::Unreadable(why) => Self::from(Error::new(ErrorKind::BadSerialization, why)),
        }
    }
}

/// The elements of a list so far.
pub(super) struct List(Vec<Value>);

/// The entries of a map so far.
pub(super) struct Entries {
    names: Vec<Value>,
    values: Vec<Value>,
}

thread_local! {
    /// The keys of each struct that this thread has met, as it was written last: fields may be left out.
    static KEYS: RefCell<BTreeMap<&'static str, Arc<Keys>>> = const { RefCell::new(BTreeMap::new()) };
}

/// The fields of a struct so far.
pub(super) struct Fields {
    wanted: Given,
    name: &'static str,
    /// The keys that it has so far in common with the last one of its name.
    keys: Option<Arc<Keys>>,
    /// Its own, from the first on that differs.
    own: Vec<&'static str>,
    values: Vec<Value>,
    /// How many there were.
    count: usize,
}

impl Fields {
    #[inline(never)]
    fn take<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Fault> {
        if matches!(self.wanted, Given::Member(_)) {
            return Err(Fault::Member(value.serialize(Given::Whole)?));
        }
        self.note(key);
        if !matches!(self.wanted, Given::Keys) {
            self.values.push(value.serialize(Given::Whole)?);
        }
        Ok(())
    }

    fn note(&mut self, key: &'static str) {
        let at = self.count - 1;
        match &self.keys {
            Some(keys) if keys.fields.get(at) == Some(&key) => {}
            Some(keys) => {
                self.own = keys.fields.iter().take(at).copied().chain([key]).collect();
                self.keys = None;
            }
            None => self.own.push(key),
        }
    }

    fn into_keys(self) -> Arc<Keys> {
        match self.keys {
            Some(keys) if keys.fields.len() == self.count => keys,
            Some(keys) => remember(self.name, keys.fields[..self.count].to_vec()),
            None => remember(self.name, self.own),
        }
    }
}

impl SerializeStruct for Fields {
    type Ok = Value;
    type Error = Fault;

    // Most calls pass over a member: a few instructions, where the rest is out of the way.
    #[inline(always)]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Fault> {
        self.count += 1;
        match self.wanted {
            Given::Member(at) if at + 1 != self.count => Ok(()),
            _ => self.take(key, value),
        }
    }

    fn end(mut self) -> Result<Value, Fault> {
        let values = std::mem::take(&mut self.values);
        match self.wanted {
            // There are not so many.
            Given::Member(_) => Ok(Value::default()),
            Given::Whole | Given::Keys => Ok(Value::from_object(GivenMap { keys: self.into_keys(), values })),
        }
    }
}

fn remember(name: &'static str, fields: Vec<&'static str>) -> Arc<Keys> {
    let keys = Arc::new(Keys::of_fields(fields));
    KEYS.with_borrow_mut(|known| known.insert(name, Arc::clone(&keys)));
    keys
}

impl SerializeSeq for List {
    type Ok = Value;
    type Error = Fault;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        self.0.push(value.serialize(Given::Whole)?);
        Ok(())
    }

    fn end(self) -> Result<Value, Fault> {
        Ok(Value::from_object(GivenList(self.0)))
    }
}

impl SerializeTuple for List {
    type Ok = Value;
    type Error = Fault;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Value, Fault> {
        SerializeSeq::end(self)
    }
}

impl SerializeTupleStruct for List {
    type Ok = Value;
    type Error = Fault;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Value, Fault> {
        SerializeSeq::end(self)
    }
}

impl SerializeMap for Entries {
    type Ok = Value;
    type Error = Fault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fault> {
        let key = key.serialize(Given::Whole)?;
        self.names.push(if key.as_str().is_some() { key } else { Value::from(key.to_string()) });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        self.values.push(value.serialize(Given::Whole)?);
        Ok(())
    }

    fn end(self) -> Result<Value, Fault> {
        Ok(Value::from_object(GivenMap { keys: shared_keys(self.names), values: self.values }))
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

impl Serializer for Given {
    type Ok = Value;
    type Error = Fault;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = Impossible<Value, Fault>;
    type SerializeMap = Entries;
    type SerializeStruct = Fields;
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
        Ok(Value::from(value))
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
        Ok(given_map(vec![(Value::from(variant), value.serialize(Given::Whole)?)]))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<List, Fault> {
        Ok(List(Vec::with_capacity(length.unwrap_or(0))))
    }

    fn serialize_tuple(self, length: usize) -> Result<List, Fault> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _name: &'static str, length: usize) -> Result<List, Fault> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeTupleVariant, Fault> {
        Err(Fault::Unreadable(format!("`{name}::{variant}` is nothing that templates can read")))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Entries, Fault> {
        let room = || Vec::with_capacity(length.unwrap_or(0));
        Ok(Entries { names: room(), values: room() })
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Fields, Fault> {
        let known = || KEYS.with_borrow(|known| known.get(name).cloned());
        let (keys, values) = match self {
            Self::Whole => (known(), Vec::with_capacity(length)),
            Self::Keys => (known(), Vec::new()),
            Self::Member(_) => (None, Vec::new()),
        };
        Ok(Fields { wanted: self, name, keys, own: Vec::new(), values, count: 0 })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Self::SerializeStructVariant, Fault> {
        Err(Fault::Unreadable(format!("`{name}::{variant}` is nothing that templates can read")))
    }
}
