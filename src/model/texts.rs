//! Texts of the inventory as it is meant: one, several, or some by name.

use std::sync::Arc;

use litemap::LiteMap;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use crate::inventory::record::Map;
use crate::inventory::value::{PassthroughTable, Scalar, Text};
use crate::model::references::Resolver;
use crate::source::Spanned;

/// Texts by name, in the order of the names. For labels and annotations, of which every service has several
/// with few entries each, mostly those of its stack, which they share.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Texts(LiteMap<Arc<str>, Arc<str>>);

impl Texts {
    /// None.
    pub const fn new() -> Self {
        Self(LiteMap::new_vec())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|text| &**text)
    }

    /// Every text with its name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (&**name, &**text))
    }

    /// Whether there is one of this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Every name.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// Gives a name this text.
    pub fn insert(&mut self, name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) {
        // Most stay alone.
        if self.is_empty() {
            self.0 = LiteMap::with_capacity(1);
        }
        self.0.insert(name.into(), text.into());
    }

    /// Adds a text, unless there is one of this name.
    pub fn add(&mut self, name: &str, text: &str) {
        if !self.contains_key(name) {
            self.insert(name, text);
        }
    }

    /// Adds all of these, except where there is one of that name.
    pub fn add_all(&mut self, others: &Self) {
        let own = std::mem::take(&mut self.0);
        self.0 = LiteMap::with_capacity(others.0.len() + own.len());
        self.0.extend(others.0.iter().map(|(name, text)| (Arc::clone(name), Arc::clone(text))));
        self.0.extend(own);
    }

    /// Adds all of these, in place of those of the same names.
    pub fn extend<N: Into<Arc<str>>, T: Into<Arc<str>>>(&mut self, others: impl IntoIterator<Item = (N, T)>) {
        self.0.extend(others.into_iter().map(|(name, text)| (name.into(), text.into())));
    }
}

impl IntoIterator for Texts {
    type Item = (Arc<str>, Arc<str>);
    type IntoIter = std::vec::IntoIter<(Arc<str>, Arc<str>)>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_tuple_vec().into_iter()
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Texts {
    fn from(texts: [(&str, &str); N]) -> Self {
        Self(texts.into_iter().map(|(name, text)| (name.into(), text.into())).collect())
    }
}

impl FromIterator<(String, String)> for Texts {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(texts: I) -> Self {
        Self(texts.into_iter().map(|(name, text)| (name.into(), text.into())).collect())
    }
}

/// A map, even where there is none: the list's own way is a list then.
impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
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
