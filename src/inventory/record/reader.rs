//! What reading carries along.

use std::sync::Arc;

use super::decode::Field;
use crate::diagnostic::Diagnostics;
use crate::inventory::node::{Node, Table, Value};
use crate::inventory::unread::Unread;
use crate::source::Span;

/// What reading carries along: where it is, and what it found.
#[derive(Debug, Default)]
pub struct Reader {
    /// What was found so far.
    pub found: Diagnostics,
    /// Which keys could not be read.
    pub unread: Unread,
    /// The whole inventory: what an environment's tables are laid over.
    pub root: Option<Arc<Node>>,
    pub(super) path: Vec<String>,
    /// What the key that is being read means.
    pub(super) doc: &'static str,
}

impl Reader {
    /// The dotted path of the table that is being read.
    pub fn path(&self) -> String {
        self.path.join(".")
    }

    /// Reads one level deeper, under `key`.
    pub fn within<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(key.to_owned());
        let value = read(self);
        self.path.pop();
        value
    }

    /// Reads the value of a key that means `doc`.
    pub fn meaning<T>(&mut self, doc: &'static str, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.doc, doc);
        let value = read(self);
        self.doc = outer;
        value
    }

    /// Reads a key of a table, which means `doc`. There are a thousand such keys: this is there once for each type.
    #[inline(never)]
    pub fn key<T: Field>(&mut self, table: &Table, key: &str, doc: &'static str) -> T {
        match table.get(key) {
            Some(entry) => {
                self.meaning(doc, |reader| reader.within(key, |reader| T::read(Some(&entry.node), reader)))
            }
            None => T::read(None, self),
        }
    }

    /// Reads at the same place, with findings of its own.
    pub fn apart<T>(&self, read: impl FnOnce(&mut Self) -> T) -> (T, Diagnostics, Unread) {
        let mut own =
            Self { root: self.root.clone(), path: self.path.clone(), doc: self.doc, ..Self::default() };
        let value = read(&mut own);
        (value, own.found, own.unread)
    }

    /// Notes which keys of the table that has been read could not be.
    pub fn note_table(&mut self, place: Span, keys: &[String]) {
        if !self.unread.is_empty() {
            self.unread.add_table(place, &self.path.join("."), keys);
        }
    }

    /// Notes that the value that is being read cannot be.
    pub(super) fn note_unread(&mut self) {
        let path = self.path();
        self.unread.add(&path);
    }

    /// Whether an environment's table of this path is laid over one of the defaults, which has what it leaves out.
    pub(super) fn has_default(&self) -> bool {
        let ["environments", _, path @ ..] = &self.path.iter().map(String::as_str).collect::<Vec<_>>()[..]
        else {
            return false;
        };
        let Some(mut node) = self.root.as_deref() else { return false };
        for key in path {
            match node.table().and_then(|table| table.get(key)) {
                Some(entry) => node = &entry.node,
                None => return false,
            }
        }
        !path.is_empty() && !matches!(node.value, Value::Boolean(false))
    }
}
