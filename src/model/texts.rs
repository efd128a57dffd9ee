//! Texts of the inventory as it is meant: one, several, or some by name.

use std::ops::{Deref, DerefMut};

use litemap::LiteMap;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use crate::inventory::record::Map;
use crate::inventory::value::{PassthroughTable, Scalar, Text};
use crate::model::references::Resolver;
use crate::source::Spanned;

/// Texts by name, in the order of the names. For labels and annotations, of which every service has several
/// with few entries each: a tree would set aside room for eleven.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Texts(LiteMap<String, String>);

impl Texts {
    /// None.
    pub const fn new() -> Self {
        Self(LiteMap::new_vec())
    }

    /// Adds a text, unless there is one of this name.
    pub fn add(&mut self, name: &str, text: &str) {
        if !self.contains_key(name) {
            self.insert(name.to_owned(), text.to_owned());
        }
    }

    /// Adds all of these, except where there is one of that name.
    pub fn add_all(&mut self, others: &Texts) {
        let own = std::mem::take(&mut self.0);
        let others = others.iter().map(|(name, text)| (name.clone(), text.clone()));
        // The later one of a name stays.
        self.0 = others.chain(own).collect();
    }
}

impl Deref for Texts {
    type Target = LiteMap<String, String>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Texts {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<const N: usize> From<[(String, String); N]> for Texts {
    fn from(texts: [(String, String); N]) -> Self {
        texts.into_iter().collect()
    }
}

impl FromIterator<(String, String)> for Texts {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(texts: I) -> Self {
        Self(texts.into_iter().collect())
    }
}

impl IntoIterator for Texts {
    type Item = (String, String);
    type IntoIter = std::vec::IntoIter<(String, String)>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_tuple_vec().into_iter()
    }
}

impl<'t> IntoIterator for &'t Texts {
    type Item = (&'t String, &'t String);
    type IntoIter = <&'t LiteMap<String, String> as IntoIterator>::IntoIter;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// A map, even where there is none: the list's own way is a list then.
impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

/// A map of plain texts with references replaced.
pub fn texts<T: FromIterator<(String, String)>>(resolver: &mut Resolver<'_>, map: &Map<Scalar>) -> T {
    map.iter().map(|(key, entry)| (key.clone(), resolver.text(&entry.value.0).value)).collect()
}

/// A list of plain texts with references replaced.
pub fn list(resolver: &mut Resolver<'_>, list: &[Text]) -> Vec<String> {
    list.iter().map(|text| resolver.text(text).value).collect()
}

/// An optional text with references replaced.
pub fn optional(resolver: &mut Resolver<'_>, text: Option<&Text>) -> Option<String> {
    text.map(|text| resolver.text(text).value)
}

/// A table in Kubernetes' spelling, references replaced.
pub fn passthrough(resolver: &mut Resolver<'_>, table: Option<&PassthroughTable>) -> Option<Spanned<Json>> {
    table.map(|table| Spanned::new(resolver.value(&table.0), table.0.0.span))
}
