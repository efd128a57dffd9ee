//! People's own changes to objects, by kind, or by kind and name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::inventory::record::Map;
use crate::inventory::value::PassthroughTable;
use crate::model::references::Resolver;
use crate::source::Spanned;

/// Changes, each with the objects that it is for. Most services have none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patches(Option<Box<Changes>>);

#[derive(Clone, Debug, PartialEq)]
struct Changes {
    list: Vec<(Spanned<String>, Json)>,
    /// Every key and text that stands in one.
    words: BTreeSet<String>,
}

/// The changes of a stack as its services see them, which share them.
#[derive(Clone, Debug, Default)]
pub struct OfStack {
    for_all: Arc<Patches>,
    for_one: BTreeMap<String, Arc<Patches>>,
}

impl Patches {
    /// These changes.
    pub fn new(list: Vec<(Spanned<String>, Json)>) -> Self {
        if list.is_empty() {
            return Self::default();
        }
        let mut words = BTreeSet::new();
        list.iter().for_each(|(_, change)| note(change, &mut words));
        Self(Some(Box::new(Changes { list, words })))
    }

    /// The changes, in the inventory's order.
    pub fn iter(&self) -> std::slice::Iter<'_, (Spanned<String>, Json)> {
        self.0.as_ref().map_or(&[][..], |changes| &changes.list).iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether one says anything of one of these keys.
    pub fn name(&self, words: &[&str]) -> bool {
        let says = |changes: &Changes| words.iter().any(|word| changes.words.contains(*word));
        self.0.as_deref().is_some_and(says)
    }
}

impl OfStack {
    /// The changes of a stack.
    pub fn new(list: &[(Spanned<String>, Json)]) -> Self {
        let mut for_all = Vec::new();
        let mut for_one: BTreeMap<String, Vec<(Spanned<String>, Json)>> = BTreeMap::new();
        for patch in list {
            match patch.0.split_once('/') {
                Some((_, name)) => for_one.entry(name.to_owned()).or_default().push(patch.clone()),
                None => for_all.push(patch.clone()),
            }
        }
        let for_one = for_one.into_iter().map(|(name, list)| (name, Arc::new(Patches::new(list)))).collect();
        Self { for_all: Arc::new(Patches::new(for_all)), for_one }
    }

    /// Those that change the objects of a service.
    pub fn of(&self, name: &str) -> Vec<Arc<Patches>> {
        let own = self.for_one.get(name);
        let all = Some(&self.for_all).filter(|all| !all.is_empty());
        all.into_iter().chain(own).cloned().collect()
    }
}

/// Changes with their references replaced.
pub fn lower_patches(
    resolver: &mut Resolver<'_>,
    table: &Map<PassthroughTable>,
) -> Vec<(Spanned<String>, Json)> {
    let patches = table.iter();
    patches
        .map(|(target, entry)| (Spanned::new(target.clone(), entry.key), resolver.value(&entry.value.0)))
        .collect()
}

fn note(change: &Json, words: &mut BTreeSet<String>) {
    match change {
        Json::String(text) => {
            words.insert(text.clone());
        }
        Json::Array(items) => items.iter().for_each(|item| note(item, words)),
        Json::Object(members) => members.iter().for_each(|(key, value)| {
            if !words.contains(key) {
                words.insert(key.clone());
            }
            note(value, words);
        }),
        _ => {}
    }
}
