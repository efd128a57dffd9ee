//! Ways: the places that addresses lead through which are nothing but a reference.

use super::parts::only_reference;
use super::{LONGEST_WAY, Resolver};
use crate::inventory::node::{Node, Value};
use crate::source::Span;

impl Resolver<'_> {
    /// The way of the address that was read at a place: see [`Resolver::way_of`].
    pub fn way_at(&self, span: Span) -> &[String] {
        self.ways.get(&span).map(Vec::as_slice).unwrap_or_default()
    }

    /// Where a string leads that is one reference and nothing else: the path that it names, the path that stands
    /// there if that is one reference again, and so on. Empty for a text of its own, even one that is put together
    /// with references: that is a fact of its own.
    pub fn way_of(&self, text: &str) -> Vec<String> {
        let mut way: Vec<String> = Vec::new();
        let mut next = only_reference(text);
        while let Some(path) = next.filter(|_| way.len() < LONGEST_WAY) {
            way.push(path.to_owned());
            next = self.text_at(path).and_then(only_reference);
        }
        way
    }

    /// Remembers the way of an address whose text is read piece by piece.
    pub fn note_way(&mut self, span: Span, text: &str) {
        let way = self.way_of(text);
        if !way.is_empty() {
            self.ways.insert(span, way);
        }
    }

    /// The string at a path, its own references still in place.
    fn text_at(&self, path: &str) -> Option<&str> {
        let keys: Vec<&str> = path.split('.').collect();
        let first = match keys.as_slice() {
            ["services", name, "ip"] => {
                return Some(&self.service(name)?.ip.as_ref()?.on()?.0.first()?.0.value);
            }
            ["nodes", name, "ip"] => self.node(&["nodes", name, "ips", "0"]),
            _ => None,
        };
        match &self.node(&keys).or(first)?.value {
            Value::String(text) => Some(text),
            Value::Array(items) => match &**items {
                [Node { value: Value::String(text), .. }] => Some(text),
                _ => None,
            },
            _ => None,
        }
    }
}
