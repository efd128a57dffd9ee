//! Values in their holes, and values of the engine as JSON.

use minijinja::Value;
use minijinja::value::ValueKind;
use serde_json::{Map, Number, Value as Json};

use super::marker::{Part, has_marker, parts};
use super::skeleton::{Key, Node};
use super::{DEPTH_LIMIT, Fault, FaultKind, OBJECT_LIMIT, insert, json_kind};

/// Puts values into holes, and turns the engine's values into JSON, within one budget.
pub(in crate::template) struct Filler<'a> {
    holes: &'a [Value],
    left: usize,
}

impl<'a> Filler<'a> {
    /// For one render, whose holes these are.
    pub(in crate::template) fn new(holes: &'a [Value]) -> Self {
        Self { holes, left: OBJECT_LIMIT }
    }

    /// How many bytes and nodes it has made.
    pub(in crate::template) fn spent(&self) -> usize {
        OBJECT_LIMIT - self.left
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Fault> {
        self.left = self.left.checked_sub(bytes + 1).ok_or_else(|| {
            Fault::new(FaultKind::Limit, "the object limit of 32 MiB for one template is exceeded")
        })?;
        Ok(())
    }

    pub(super) fn node(&mut self, node: &Node) -> Result<Json, Fault> {
        self.spend(0)?;
        match node {
            Node::Fixed(json) => {
                self.spend(weight(json))?;
                Ok(json.clone())
            }
            Node::Hole { index, line } => self.whole(*index).map_err(|fault| fault.at(*line)),
            Node::Text { parts, line } => {
                self.text(parts, 0).map(Json::String).map_err(|fault| fault.at(*line))
            }
            Node::List(nodes) => nodes.iter().map(|node| self.node(node)).collect(),
            Node::Map(entries) => self.map(entries),
        }
    }

    fn map(&mut self, entries: &[(Key, Node)]) -> Result<Json, Fault> {
        let mut object = Map::with_capacity(entries.len());
        for (key, node) in entries {
            let (key, line) = match key {
                Key::Fixed { text, line } => (text.clone(), *line),
                Key::Parts { parts, line } => (self.text(parts, 0).map_err(|fault| fault.at(*line))?, *line),
            };
            let value = self.node(node)?;
            insert(&mut object, key, value).map_err(|fault| fault.at(line))?;
        }
        Ok(Json::Object(object))
    }

    fn hole(&self, index: usize) -> Result<&'a Value, Fault> {
        self.holes.get(index).ok_or_else(marked)
    }

    /// A hole that is a scalar of its own. What a condition left out (`{{ x if y }}`) is null.
    fn whole(&mut self, index: usize) -> Result<Json, Fault> {
        match self.hole(index)? {
            value if value.is_undefined() => Ok(Json::Null),
            value => self.json(value, 0),
        }
    }

    fn text(&mut self, parts: &[Part], depth: usize) -> Result<String, Fault> {
        let mut joined = String::new();
        for part in parts {
            match part {
                Part::Literal(text) => {
                    self.spend(text.len())?;
                    joined.push_str(text);
                }
                Part::Hole(index) => joined.push_str(&self.scalar(self.hole(*index)?, depth)?),
            }
        }
        Ok(joined)
    }

    /// What a key with markers stands for.
    pub(in crate::template) fn key(&mut self, text: &str) -> Option<String> {
        parts(text).and_then(|parts| self.text(&parts, 0)).ok()
    }

    /// A value as part of a text: scalars only.
    pub(in crate::template) fn scalar(&mut self, value: &Value, depth: usize) -> Result<String, Fault> {
        if value.is_undefined() {
            return Ok(String::new());
        }
        match self.json(value, depth)? {
            Json::String(text) => Ok(text),
            Json::Null => {
                Err(Fault::new(FaultKind::Value, "nothing (`none`) cannot stand inside a text or key"))
            }
            scalar @ (Json::Bool(_) | Json::Number(_)) => Ok(scalar.to_string()),
            other => {
                let message =
                    format!("{} cannot stand inside a text or key: only a scalar can", json_kind(&other));
                Err(Fault::new(FaultKind::Value, message))
            }
        }
    }

    /// A value of the engine as JSON, with its own type.
    pub(in crate::template) fn json(&mut self, value: &Value, depth: usize) -> Result<Json, Fault> {
        if depth > DEPTH_LIMIT {
            return Err(Fault::new(
                FaultKind::Limit,
                format!("the depth limit of {DEPTH_LIMIT} levels is exceeded"),
            ));
        }
        self.spend(0)?;
        match value.kind() {
            ValueKind::None => Ok(Json::Null),
            ValueKind::Bool => Ok(Json::Bool(value.is_true())),
            ValueKind::Number => number(value).map(Json::Number),
            ValueKind::String => self.string(value, depth).map(Json::String),
            ValueKind::Seq | ValueKind::Iterable => self.list(value, depth),
            ValueKind::Map => self.entries(value, depth),
            ValueKind::Undefined => {
                Err(Fault::new(FaultKind::Undefined, "a list or map holds an undefined value"))
            }
            _ => Err(Fault::new(
                FaultKind::Value,
                "a function, macro or module is no value: call it with `()`",
            )),
        }
    }

    fn string(&mut self, value: &Value, depth: usize) -> Result<String, Fault> {
        let text = value.as_str().unwrap_or_default();
        if !has_marker(text) {
            self.spend(text.len())?;
            return Ok(text.to_owned());
        }
        // Safe strings come from the engine itself: what a macro or a `set` block wrote.
        match value.is_safe() {
            true => self.text(&parts(text)?, depth + 1),
            false => Err(marked()),
        }
    }

    fn list(&mut self, value: &Value, depth: usize) -> Result<Json, Fault> {
        let items = value.try_iter().map_err(|_| Fault::new(FaultKind::Value, "a value cannot be listed"))?;
        let mut list = Vec::new();
        for item in items {
            list.push(self.json(&item, depth + 1)?);
        }
        Ok(Json::Array(list))
    }

    fn entries(&mut self, value: &Value, depth: usize) -> Result<Json, Fault> {
        let pairs = value.as_object().and_then(|object| object.try_iter_pairs());
        let mut object = Map::new();
        for (key, item) in pairs.into_iter().flatten() {
            let key = self.scalar(&key, depth + 1)?;
            let item = self.json(&item, depth + 1)?;
            insert(&mut object, key, item)?;
        }
        Ok(Json::Object(object))
    }
}

fn marked() -> Fault {
    Fault::new(
        FaultKind::Value,
        "a text holds the characters U+F8F0 or U+F8F1, which stand for values here: either the inventory has \
         them, or the output of a macro or `set` block was joined with `~`; print the parts side by side instead",
    )
}

fn number(value: &Value) -> Result<Number, Fault> {
    let number = if value.is_integer() {
        value.as_i64().map(Number::from).or_else(|| u64::try_from(value.clone()).ok().map(Number::from))
    } else {
        f64::try_from(value.clone()).ok().and_then(Number::from_f64)
    };
    number.ok_or_else(|| Fault::new(FaultKind::Value, format!("the number {value} does not fit Kubernetes")))
}

fn weight(json: &Json) -> usize {
    match json {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(|item| weight(item) + 1).sum(),
        Json::Object(entries) => entries.iter().map(|(key, item)| key.len() + weight(item) + 1).sum(),
        Json::Null | Json::Bool(_) | Json::Number(_) => 0,
    }
}
