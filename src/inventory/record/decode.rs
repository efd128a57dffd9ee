//! Types that values of the inventory are read as: words and numbers, lists, tables with keys of the user's own.

use std::ops::Deref;

use litemap::LiteMap;
use rayon::prelude::{ParallelIterator, ParallelSlice};
use serde_json::{Value as Json, json};

use super::faults::{check_key, check_text};
use super::reader::Reader;
use super::schemas::Schemas;
use crate::diagnostic::Diagnostics;
use crate::inventory::node::{Entry, Node, Value};
use crate::inventory::unread::Unread;
use crate::source::{Span, Spanned};

/// A type that a node can be read as.
pub trait Decode: Sized + Clone + Send {
    /// Reads a value. `None` after reporting why it cannot be.
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self>;

    /// The JSON Schema of the values that [`Decode::decode`] accepts.
    fn schema(schemas: &mut Schemas) -> Json;

    /// This value with an environment's own laid over it. Tables merge key by key, all else is replaced.
    fn merged(&self, over: &Self) -> Self {
        over.clone()
    }
}

/// A key of a table: optional, a list, or a map; absent ones are empty.
pub trait Field: Sized {
    /// Reads the value of the key, if it is there.
    fn read(node: Option<&Node>, reader: &mut Reader) -> Self;
    /// The JSON Schema of the value.
    fn schema(schemas: &mut Schemas) -> Json;
    /// This value with an environment's own laid over it.
    fn merged(&self, over: &Self) -> Self;
}

impl<T: Decode> Field for Option<T> {
    fn read(node: Option<&Node>, reader: &mut Reader) -> Self {
        node.and_then(|node| T::decode(node, reader))
    }
    fn schema(schemas: &mut Schemas) -> Json {
        T::schema(schemas)
    }
    fn merged(&self, over: &Self) -> Self {
        match (self, over) {
            (Some(base), Some(over)) => Some(base.merged(over)),
            (base, None) => base.clone(),
            (None, over) => over.clone(),
        }
    }
}

/// A list that a table may hold. An environment that gives an empty one takes the default's items away.
#[derive(Clone, Debug, PartialEq)]
pub struct List<T>(Option<Box<[T]>>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> List<T> {
    /// The items, if the list is there at all: `[]` says something, too.
    pub fn given(&self) -> Option<&[T]> {
        self.0.as_deref()
    }
}

impl<T> Deref for List<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        self.given().unwrap_or_default()
    }
}

impl<T> From<Vec<T>> for List<T> {
    fn from(items: Vec<T>) -> Self {
        Self(Some(items.into()))
    }
}

impl<'l, T> IntoIterator for &'l List<T> {
    type Item = &'l T;
    type IntoIter = std::slice::Iter<'l, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Decode> Field for List<T> {
    fn read(node: Option<&Node>, reader: &mut Reader) -> Self {
        Self(node.and_then(|node| Vec::decode(node, reader)).map(Into::into))
    }
    fn schema(schemas: &mut Schemas) -> Json {
        Vec::<T>::schema(schemas)
    }
    fn merged(&self, over: &Self) -> Self {
        if over.0.is_some() { over.clone() } else { self.clone() }
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::Array(items) = &node.value else {
            reader.wrong_type(node, "a list");
            return None;
        };
        let items = items.iter().enumerate();
        let read =
            items.filter_map(|(at, item)| reader.within(&at.to_string(), |reader| T::decode(item, reader)));
        Some(read.collect())
    }
    fn schema(schemas: &mut Schemas) -> Json {
        json!({ "type": "array", "items": T::schema(schemas) })
    }
}

/// A large value that most tables do without.
impl<T: Decode> Decode for Box<T> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        T::decode(node, reader).map(Self::new)
    }
    fn schema(schemas: &mut Schemas) -> Json {
        T::schema(schemas)
    }
    fn merged(&self, over: &Self) -> Self {
        Self::new((**self).merged(over))
    }
}

/// An entry of a [`Map`]: the value and the place of its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<T> {
    /// Where the name stands.
    pub key: Span,
    /// The value.
    pub value: T,
}

impl<T> Deref for Named<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// A table whose keys the user chooses. Sorted, so that the order of the file changes nothing; most have one entry or
/// two, for which a tree would set aside room for eleven.
pub type Map<T> = LiteMap<String, Named<T>>;

impl<T: Decode> Field for Map<T> {
    fn read(node: Option<&Node>, reader: &mut Reader) -> Self {
        node.and_then(|node| Self::decode(node, reader)).unwrap_or_default()
    }
    fn schema(schemas: &mut Schemas) -> Json {
        <Self as Decode>::schema(schemas)
    }
    fn merged(&self, over: &Self) -> Self {
        Decode::merged(self, over)
    }
}

type Entries<T> = Vec<(String, Named<T>)>;

/// Long tables are read in parts of so many entries, at the same time.
const PART: usize = 128;

fn decode_entries<T: Decode>(entries: &[(&str, &Entry)], reader: &mut Reader) -> Entries<T> {
    let mut read = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        check_key(name, entry.key, reader);
        let value = reader.within(name, |reader| T::decode(&entry.node, reader));
        read.extend(value.map(|value| ((*name).to_owned(), Named { key: entry.key, value })));
    }
    read
}

impl<T: Decode> Decode for Map<T> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Some(table) = node.table() else {
            reader.wrong_type(node, "a table");
            return None;
        };
        let mut entries: Vec<(&str, &Entry)> = table.iter().collect();
        entries.sort_unstable_by_key(|(name, _)| *name);
        let parts: Vec<(Entries<T>, Diagnostics, Unread)> = match entries.len() {
            0..PART => {
                vec![(decode_entries(&entries, reader), Diagnostics::default(), Unread::default())]
            }
            _ => entries.par_chunks(PART).map(|part| reader.apart(|own| decode_entries(part, own))).collect(),
        };
        let mut read = Entries::with_capacity(entries.len());
        for (part, found, unread) in parts {
            reader.found.absorb(found);
            reader.unread.absorb(unread);
            read.extend(part);
        }
        Some(Self::from_sorted_store_unchecked(read))
    }
    fn schema(schemas: &mut Schemas) -> Json {
        json!({ "type": "object", "additionalProperties": T::schema(schemas) })
    }
    fn merged(&self, over: &Self) -> Self {
        let mut merged = self.clone();
        for (name, entry) in over {
            let value = match self.get(name) {
                Some(base) => base.value.merged(&entry.value),
                None => entry.value.clone(),
            };
            merged.insert(name.clone(), Named { key: entry.key, value });
        }
        merged
    }
}

impl Decode for Spanned<bool> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.value {
            Value::Boolean(flag) => Some(Self::new(flag, node.span)),
            _ => {
                reader.wrong_type(node, "true or false");
                None
            }
        }
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({ "type": "boolean" })
    }
}

impl Decode for Spanned<i64> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.value {
            Value::Integer(number) => Some(Self::new(number, node.span)),
            _ => {
                reader.wrong_type(node, "a whole number");
                None
            }
        }
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({ "type": "integer" })
    }
}

impl Decode for Spanned<String> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::String(text) = &node.value else {
            reader.wrong_type(node, "a string");
            return None;
        };
        check_text(text, node.span, reader);
        Some(Self::new(text.to_string(), node.span))
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({ "type": "string" })
    }
}
