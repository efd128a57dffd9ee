//! YAML with holes: parsed once, filled often.
//!
//! A hole is written into the text as a marker (`OPEN` number `CLOSE`); the value stays aside. A scalar that
//! is one unquoted marker becomes the value, with its own type. Any other scalar with markers becomes a
//! string, joined from its parts. Values meet the tree only after parsing.

mod fill;
mod marker;
mod skeleton;

use std::fmt;

use serde_json::map::Entry;
use serde_json::{Map, Value as Json};

pub(super) use fill::Filler;
pub(super) use marker::{has_marker, literals, readable, set_marker};
pub(super) use skeleton::Skeleton;

#[cfg(test)]
pub(super) use marker::{CLOSE, OPEN};

/// How deep a value or a rendered tree may be.
pub(super) const DEPTH_LIMIT: usize = 64;
/// How many bytes and nodes one render's objects may come to.
pub(super) const OBJECT_LIMIT: usize = 32 * 1024 * 1024;

/// What kind of fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// The text is not YAML, or the YAML is not an object.
    Yaml,
    /// A value cannot stand where it does.
    Value,
    /// A value does not exist.
    Undefined,
    /// More than is allowed.
    Limit,
}

/// What is wrong with rendered text, and in which of its lines (from 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    pub(super) line: Option<usize>,
    pub(super) message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl Fault {
    pub(super) fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, line: None, message: message.into() }
    }

    fn at(mut self, line: usize) -> Self {
        self.line = self.line.or(Some(line));
        self
    }
}

fn insert(object: &mut Map<String, Json>, key: String, value: Json) -> Result<(), Fault> {
    match object.entry(key) {
        Entry::Vacant(place) => {
            place.insert(value);
        }
        Entry::Occupied(known) => {
            let message = format!("the key `{}` stands twice in one mapping", shown(known.key()));
            return Err(Fault::new(FaultKind::Yaml, message));
        }
    }
    Ok(())
}

fn json_kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "nothing",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "a map",
    }
}

fn shown(text: &str) -> String {
    text.escape_debug().take(80).collect()
}
