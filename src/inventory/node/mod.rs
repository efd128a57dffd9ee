//! The inventory file as a tree of values with their places, before it means anything.
//!
//! TOML and YAML end up in the same tree, so everything above knows one form.

mod table;
mod toml;
mod yaml;

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::source::Span;

pub use self::table::{Entry, Table};
pub use self::toml::{from_toml, from_whole_toml};
pub use self::yaml::from_yaml;

/// Tables and lists nest at most this deep.
pub const DEPTH_LIMIT: usize = 64;

/// The same for YAML, whose reader needs much of the stack for each level: 2 MiB are enough for this many.
pub const YAML_DEPTH_LIMIT: usize = 32;

/// A value and where it stands. A table written as `[header]` has the header's place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The place of the value.
    pub span: Span,
    /// The value.
    pub value: Value,
    /// How a number or truth value is spelt, where it would be written otherwise: `8.20`, `0x1F`, `022`, `yes`. Seldom,
    /// and a node is small without.
    spelt: Option<Box<Spelling>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Spelling(Box<str>);

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string.
    String(Box<str>),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A TOML date or time, as written.
    Datetime(Box<str>),
    /// A list.
    Array(Box<[Node]>),
    /// A table, in the order of the file.
    Table(Table),
    /// A key of YAML without a value: `production:` under `environments:` is an empty table.
    Null,
}

impl Node {
    /// The value's type, in words for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::String(_) => "a string",
            Value::Integer(_) => "a whole number",
            Value::Float(_) if self.has_leading_zero() => "a number with a leading zero",
            Value::Float(_) => "a number with a fraction",
            Value::Boolean(_) => "true or false",
            Value::Datetime(_) => "a date",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
            Value::Null => "a key without a value",
        }
    }

    /// A node whose value says all that is to know.
    pub fn new(span: Span, value: Value) -> Self {
        Self { span, value, spelt: None }
    }

    /// The text that a single value stands for: a number keeps the spelling it has in the file.
    pub fn scalar(&self) -> Option<Cow<'_, str>> {
        if let Some(spelling) = &self.spelt {
            return Some(Cow::Borrowed(&spelling.0));
        }
        match &self.value {
            Value::String(text) => Some(Cow::Borrowed(text)),
            _ => self.number_text().map(Cow::Owned),
        }
    }

    /// Whether this is a whole number such as YAML's `0400`, which some take for octal.
    pub fn has_leading_zero(&self) -> bool {
        let digits = |text: &str| text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        matches!(self.value, Value::Float(_))
            && self.spelt.as_deref().is_some_and(|spelling| digits(&spelling.0))
    }

    /// A number or truth value in its plainest spelling.
    pub fn number_text(&self) -> Option<String> {
        match &self.value {
            Value::Integer(number) => Some(number.to_string()),
            Value::Float(number) => Some(number.to_string()),
            Value::Boolean(flag) => Some(flag.to_string()),
            _ => None,
        }
    }

    /// With the spelling that a number or truth value has in the file.
    fn spelt_as(mut self, spelling: Option<&str>) -> Self {
        let plain = self.number_text();
        self.spelt = spelling
            .filter(|_| plain.is_some())
            .filter(|text| plain.as_deref() != Some(text))
            .map(|text| Box::new(Spelling(text.into())));
        self
    }

    /// The entries, if this is a table.
    pub fn table(&self) -> Option<&Table> {
        static EMPTY: LazyLock<Table> = LazyLock::new(Table::default);
        match &self.value {
            Value::Table(table) => Some(table),
            Value::Null => Some(&EMPTY),
            _ => None,
        }
    }

    /// The text, if this is a string.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Calls `read` with every value that is no list and no table, the keys that lead to it, and the place of the last
    /// of them, or in a list its own; in no order that matters.
    pub fn each_scalar<'n>(&'n self, read: &mut impl FnMut(&[&'n str], Span, &'n Self)) {
        self.walk(&mut Vec::new(), self.span, read);
    }

    /// Nesting is bounded by the reader's own limit.
    fn walk<'n>(
        &'n self,
        path: &mut Vec<&'n str>,
        key: Span,
        read: &mut impl FnMut(&[&'n str], Span, &'n Self),
    ) {
        match &self.value {
            Value::Array(items) => items.iter().for_each(|item| item.walk(path, item.span, read)),
            Value::Table(table) => {
                // A list of `{ name, value }` is a map in Kubernetes' spelling: the name is the key.
                let name = table.get("name").and_then(|entry| entry.node.text());
                for (word, entry) in table.iter() {
                    path.push(name.filter(|_| word == "value").unwrap_or(word));
                    entry.node.walk(path, entry.key, read);
                    path.pop();
                }
            }
            _ => read(path, key, self),
        }
    }

    /// What stands at a path of keys below this node.
    pub fn find<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Node> {
        path.into_iter().try_fold(self, |node, key| node.table()?.get(key).map(|entry| &entry.node))
    }
}
