//! The inventory file as a tree of values with their places, before it means anything.
//!
//! TOML and YAML end up in the same tree, so everything above knows one form.

use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned as YamlSpanned};
use toml::de::{DeTable, DeValue};

use crate::diagnostic::Diagnostics;
use crate::inventory::{SYNTAX, TOO_MUCH};
use crate::source::{FileId, Span};

/// Tables and lists nest at most this deep.
pub const DEPTH_LIMIT: usize = 64;

/// A value and where it stands. A table written as `[header]` has the header's place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The place of the value.
    pub span: Span,
    /// The value.
    pub value: Value,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string.
    String(String),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A TOML date or time, as written.
    Datetime(String),
    /// A list.
    Array(Vec<Node>),
    /// A table, in the order of the file.
    Table(Table),
}

/// The entries of a table: each name, where the name stands, and its value.
pub type Table = IndexMap<String, Entry>;

/// One entry of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The place of the key.
    pub key: Span,
    /// The value.
    pub node: Node,
}

impl Node {
    /// The value's type, in words for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::String(_) => "a string",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number with a fraction",
            Value::Boolean(_) => "true or false",
            Value::Datetime(_) => "a date",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// The entries, if this is a table.
    pub fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
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

    /// What stands at a path of keys below this node.
    pub fn find<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Node> {
        path.into_iter().try_fold(self, |node, key| node.table()?.get(key).map(|entry| &entry.node))
    }
}

/// Reads TOML. Every syntax error is reported (the first of each line); what could be read is returned.
pub fn from_toml(text: &str, file: FileId, found: &mut Diagnostics) -> Node {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut lines = Vec::new();
    for error in &errors {
        let range = error.span().unwrap_or(0..0);
        let line = text[..text.floor_char_boundary(range.start)].matches('\n').count();
        if lines.contains(&line) || lines.len() >= SYNTAX_ERRORS_SHOWN {
            continue;
        }
        lines.push(line);
        let message = error.message().lines().next().unwrap_or_default().to_owned();
        let mut diagnostic = SYNTAX.at(Span::new(file, range.clone()), "", format!("not TOML: {message}"));
        if message.contains("duplicate key") {
            diagnostic = explain_duplicate(diagnostic, &root, &text[range.clone()], range.start, file);
        }
        found.push(diagnostic);
    }
    let span = Span::new(file, root.span());
    Node { span, value: Value::Table(toml_table(root.into_inner(), file, 0, found)) }
}

/// An unclosed bracket makes a dozen follow-up errors; more than this many help nobody.
const SYNTAX_ERRORS_SHOWN: usize = 5;

fn explain_duplicate(
    diagnostic: crate::diagnostic::Diagnostic,
    root: &toml::Spanned<DeTable<'_>>,
    name: &str,
    again: usize,
    file: FileId,
) -> crate::diagnostic::Diagnostic {
    fn first(table: &DeTable<'_>, name: &str, again: usize, depth: usize) -> Option<std::ops::Range<usize>> {
        let mut best: Option<std::ops::Range<usize>> = None;
        for (key, value) in table.iter() {
            if key.get_ref() == name && key.span().start < again {
                best = best.filter(|b| b.start > key.span().start).or(Some(key.span()));
            }
            if let (DeValue::Table(inner), true) = (value.get_ref(), depth < DEPTH_LIMIT)
                && let Some(found) = first(inner, name, again, depth + 1)
            {
                best = best.filter(|b| b.start > found.start).or(Some(found));
            }
        }
        best
    }
    let name = name.trim().trim_matches(['"', '\'']);
    match first(root.get_ref(), name, again, 0) {
        Some(range) => diagnostic
            .because(Span::new(file, range), "first given here")
            .help(format!("give `{name}` once: keep one of the two, or rename one")),
        None => diagnostic,
    }
}

fn toml_table(table: DeTable<'_>, file: FileId, depth: usize, found: &mut Diagnostics) -> Table {
    table
        .into_iter()
        .map(|(key, value)| {
            let key_span = Span::new(file, key.span());
            (
                key.into_inner().into_owned(),
                Entry { key: key_span, node: toml_node(value, file, depth + 1, found) },
            )
        })
        .collect()
}

fn toml_node(node: toml::Spanned<DeValue<'_>>, file: FileId, depth: usize, found: &mut Diagnostics) -> Node {
    let span = Span::new(file, node.span());
    let too_deep = depth > DEPTH_LIMIT;
    if too_deep {
        found.push(TOO_MUCH.at(span, "", format!("tables and lists nest deeper than {DEPTH_LIMIT} levels")));
    }
    let value = match node.into_inner() {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => {
                found.push(SYNTAX.at(span, "", "this whole number does not fit in 64 bits"));
                Value::Integer(0)
            }
        },
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Boolean(flag),
        DeValue::Datetime(date) => Value::Datetime(date.to_string()),
        DeValue::Array(_) | DeValue::Table(_) if too_deep => Value::Boolean(false),
        DeValue::Array(items) => {
            Value::Array(items.into_iter().map(|item| toml_node(item, file, depth + 1, found)).collect())
        }
        DeValue::Table(table) => Value::Table(toml_table(table, file, depth, found)),
    };
    Node { span, value }
}

/// Reads YAML into the same tree. YAML stops at its first syntax error.
pub fn from_yaml(text: &str, file: FileId, found: &mut Diagnostics) -> Node {
    let whole = Span::new(file, 0..text.len());
    let empty = || Node { span: whole, value: Value::Table(Table::new()) };
    if text.trim().is_empty() {
        return empty();
    }
    match serde_saphyr::from_str::<YamlSpanned<YamlNode>>(text) {
        Ok(node) => yaml_node(node, &Characters::new(text), file),
        Err(error) => {
            let offsets = Characters::new(text);
            let at = error.location().map_or(0, |location| offsets.byte_at(location));
            let message = error.to_string();
            let message = message.lines().next().unwrap_or_default();
            found.push(SYNTAX.at(Span::new(file, at..at + 1), "", format!("not YAML: {message}")));
            empty()
        }
    }
}

/// YAML locations count characters; spans count bytes.
struct Characters<'a> {
    text: &'a str,
    lines: Vec<usize>,
}

impl<'a> Characters<'a> {
    fn new(text: &'a str) -> Self {
        let starts = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1);
        Self { text, lines: std::iter::once(0).chain(starts).collect() }
    }

    fn byte_at(&self, location: Location) -> usize {
        let line = usize::try_from(location.line()).unwrap_or(1).saturating_sub(1);
        let column = usize::try_from(location.column()).unwrap_or(1).saturating_sub(1);
        let start = self.lines.get(line).copied().unwrap_or(self.text.len());
        let rest = &self.text[start..];
        start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
    }

    /// The scalar that begins at a location, to its end on that line.
    fn scalar(&self, location: Location) -> std::ops::Range<usize> {
        let start = self.byte_at(location);
        let line = self.text[start..].lines().next().unwrap_or_default();
        let length = match line.chars().next() {
            Some(quote @ ('"' | '\'')) => line[1..].find(quote).map_or(line.len(), |end| end + 2),
            Some('[' | '{') => 1,
            _ => {
                let end = [": ", " #", ", ", "]", "}"].iter().filter_map(|stop| line.find(stop)).min();
                line[..end.unwrap_or(line.len())].trim_end().trim_end_matches([':', ',']).len()
            }
        };
        start..start + length
    }
}

#[derive(Clone, Debug)]
enum YamlNode {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    String(String),
    Array(Vec<YamlSpanned<YamlNode>>),
    Table(Vec<(YamlSpanned<String>, YamlSpanned<YamlNode>)>),
}

impl<'de> Deserialize<'de> for YamlNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(YamlVisitor)
    }
}

struct YamlVisitor;

impl<'de> Visitor<'de> for YamlVisitor {
    type Value = YamlNode;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a YAML value")
    }
    fn visit_unit<E>(self) -> Result<YamlNode, E> {
        Ok(YamlNode::Null)
    }
    fn visit_none<E>(self) -> Result<YamlNode, E> {
        Ok(YamlNode::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<YamlNode, D::Error> {
        deserializer.deserialize_any(self)
    }
    fn visit_bool<E>(self, value: bool) -> Result<YamlNode, E> {
        Ok(YamlNode::Boolean(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<YamlNode, E> {
        Ok(YamlNode::Integer(value))
    }
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<YamlNode, E> {
        i64::try_from(value)
            .map(YamlNode::Integer)
            .map_err(|_| E::custom("this whole number does not fit in 64 bits"))
    }
    fn visit_f64<E>(self, value: f64) -> Result<YamlNode, E> {
        Ok(YamlNode::Float(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<YamlNode, E> {
        Ok(YamlNode::String(value.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<YamlNode, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(YamlNode::Array(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<YamlNode, A::Error> {
        let mut table = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            table.push(entry);
        }
        Ok(YamlNode::Table(table))
    }
}

fn yaml_node(node: YamlSpanned<YamlNode>, offsets: &Characters<'_>, file: FileId) -> Node {
    let span = Span::new(file, offsets.scalar(node.referenced));
    let value = match node.value {
        // A key without a value is an empty table: `production:` under `environments:`.
        YamlNode::Null => Value::Table(Table::new()),
        YamlNode::Boolean(flag) => Value::Boolean(flag),
        YamlNode::Integer(number) => Value::Integer(number),
        YamlNode::Float(number) => Value::Float(number),
        YamlNode::String(text) => Value::String(text),
        YamlNode::Array(items) => {
            Value::Array(items.into_iter().map(|item| yaml_node(item, offsets, file)).collect())
        }
        YamlNode::Table(entries) => Value::Table(
            entries
                .into_iter()
                .map(|(key, node)| {
                    let key_span = Span::new(file, offsets.scalar(key.referenced));
                    let mut node = yaml_node(node, offsets, file);
                    // As in TOML, a table's own place is the name that opens it.
                    if matches!(node.value, Value::Table(_)) {
                        node.span = key_span;
                    }
                    (key.value, Entry { key: key_span, node })
                })
                .collect(),
        ),
    };
    Node { span, value }
}
