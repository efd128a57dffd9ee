//! From serde straight to given values: no map is built twice.

use std::fmt;

use minijinja::value::Value;
use minijinja::{Error, ErrorKind};
use serde::ser::{
    self, Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple,
    SerializeTupleStruct, Serializer,
};

use super::{given_list, given_map};

/// Turns what is serialized into a given value.
pub(super) struct Given;

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

/// The entries of a list or a map so far.
pub(super) struct List(Vec<Value>);

pub(super) struct Entries {
    entries: Vec<(Value, Value)>,
    key: Value,
}

fn entries(length: usize) -> Entries {
    Entries { entries: Vec::with_capacity(length), key: Value::UNDEFINED }
}

impl SerializeSeq for List {
    type Ok = Value;
    type Error = Fault;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        self.0.push(value.serialize(Given)?);
        Ok(())
    }

    fn end(self) -> Result<Value, Fault> {
        Ok(given_list(self.0))
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
        let key = key.serialize(Given)?;
        self.key = if key.as_str().is_some() { key } else { Value::from(key.to_string()) };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        let key = std::mem::replace(&mut self.key, Value::UNDEFINED);
        self.entries.push((key, value.serialize(Given)?));
        Ok(())
    }

    fn end(self) -> Result<Value, Fault> {
        Ok(given_map(self.entries))
    }
}

impl SerializeStruct for Entries {
    type Ok = Value;
    type Error = Fault;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Fault> {
        self.entries.push((Value::from(key), value.serialize(Given)?));
        Ok(())
    }

    fn end(self) -> Result<Value, Fault> {
        Ok(given_map(self.entries))
    }
}

impl Serializer for Given {
    type Ok = Value;
    type Error = Fault;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = Impossible<Value, Fault>;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
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
        Ok(given_map(vec![(Value::from(variant), value.serialize(Given)?)]))
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
        Err(Fault(format!("`{name}::{variant}` is nothing that templates can read")))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Entries, Fault> {
        Ok(entries(length.unwrap_or(0)))
    }

    fn serialize_struct(self, _name: &'static str, length: usize) -> Result<Entries, Fault> {
        Ok(entries(length))
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
