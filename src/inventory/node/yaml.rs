//! Reading YAML into the same tree, and its faults as people would say them.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned as YamlSpanned};

use super::{Entry, Node, Table, Value, YAML_DEPTH_LIMIT};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::SYNTAX;
use crate::object::read::limit_words;
use crate::source::{FileId, Source, Span};

/// Reads YAML into the same tree, and whether it could be read: YAML stops at its first syntax error.
pub fn from_yaml(source: &Source, file: FileId, found: &mut Diagnostics) -> (Node, bool) {
    let text = &*source.text;
    let whole = Span::new(file, 0..text.len());
    let empty = || Node::new(whole, Value::Table(Table::default()));
    if text.trim().is_empty() {
        return (empty(), true);
    }
    let limits = serde_saphyr::options! { budget: serde_saphyr::budget! { max_depth: YAML_DEPTH_LIMIT } };
    match serde_saphyr::from_str_with_options::<YamlSpanned<YamlNode>>(text, limits) {
        Ok(node) => (yaml_node(node, &Characters::new(text), file), true),
        Err(error) => {
            let offsets = Characters::new(text);
            let at = error.location().map_or(0, |location| offsets.byte_at(location));
            found.push(yaml_fault(source, file, at, &yaml_words(&error.to_string())));
            (empty(), false)
        }
    }
}

/// A syntax error where people see it: at the tab, at the quote that opens, with the key that was there before.
fn yaml_fault(source: &Source, file: FileId, at: usize, words: &str) -> Diagnostic {
    let text = &*source.text;
    let said =
        |at: usize, message: &str| SYNTAX.at(Span::new(file, at..at + 1), "", format!("not YAML: {message}"));
    let line = &text[source.line_around(at)];
    if words.contains("tab") {
        let tab = text.get(at.saturating_sub(1)..).and_then(|rest| rest.find('\t'));
        let tab = tab.map_or(at, |tab| at.saturating_sub(1) + tab);
        return said(tab, "a tab, where YAML takes only blanks").help("indent with blanks");
    }
    if words.contains("quoted scalar")
        && let Some(quote) = open_quote(text, at)
    {
        return said(quote, "a string without its closing quote");
    }
    if words.ends_with("is given twice") {
        let key = words.trim_end_matches(" is given twice").trim_matches('`');
        let diagnostic =
            said(at, words).help(format!("give `{key}` once: keep one of the two, or rename one"));
        return match earlier_key(text, at, key) {
            Some(first) => diagnostic.because(Span::new(file, first..first + key.len()), "first given here"),
            None => diagnostic,
        };
    }
    let diagnostic = said(at, words);
    let flow = words.starts_with("while parsing a flow");
    if flow && line.contains("${") {
        diagnostic.help("within `{ }` and `[ ]`, put a reference into quotes: \"${…}\"")
    } else if words.starts_with("mapping values are not allowed") || words.starts_with("unexpected character")
    {
        diagnostic.help("put text with such characters into quotes")
    } else {
        diagnostic
    }
}

/// The quote before a place that is not closed on its line.
fn open_quote(text: &str, at: usize) -> Option<usize> {
    let mut end = at.min(text.len());
    let before = text.get(..end)?;
    for line in before.lines().rev().take(OPEN_LINES) {
        let start = end.saturating_sub(line.len());
        let opens = [": \"", ": '", "- \"", "- '"].iter().filter_map(|open| line.rfind(open)).max();
        if let Some(open) = opens.map(|open| open + 2)
            && !line[open + 1..].contains(&line[open..=open])
        {
            return Some(start + open);
        }
        // The end of the line before.
        end = start.saturating_sub(1);
        if text.as_bytes().get(end.wrapping_sub(1)) == Some(&b'\r') {
            end -= 1;
        }
    }
    None
}

/// An open quote is looked for in so many lines.
const OPEN_LINES: usize = 1000;

/// The same key before a place, in the same block.
fn earlier_key(text: &str, at: usize, key: &str) -> Option<usize> {
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let indent = at - start;
    let mut end = start;
    for line in text[..start].split_inclusive('\n').rev() {
        let begin = end - line.len();
        end = begin;
        let rest = line.trim_start_matches(' ');
        let depth = line.len() - rest.len();
        if rest.trim().is_empty() || rest.starts_with('#') || depth > indent {
            continue;
        }
        if depth < indent {
            return None;
        }
        if rest.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')) {
            return Some(begin + depth);
        }
    }
    None
}

/// The parser's message without its own line and column, and without advice to programmers.
fn yaml_words(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let words = match line.strip_prefix("error: line ").and_then(|rest| rest.split_once(": ")) {
        Some((_, words)) => words,
        None => line.strip_prefix("error: ").unwrap_or(line),
    };
    if let Some(limit) = limit_words(words, YAML_DEPTH_LIMIT) {
        return limit;
    }
    let known = [
        ("multiple YAML documents", "an inventory is one document, and here a second begins"),
        ("recursive references", "an alias leads back to itself"),
        ("cannot deserialize null into string", "a key must be text"),
    ];
    if let Some((_, plain)) = known.iter().find(|(start, _)| words.starts_with(start)) {
        return (*plain).to_owned();
    }
    match words.strip_prefix("duplicate mapping key: ") {
        Some(rest) => format!("`{}` is given twice", rest.split(", set ").next().unwrap_or_default()),
        None => words.to_owned(),
    }
}

/// YAML locations count characters; spans count bytes.
struct Characters<'a> {
    text: &'a str,
    /// The number of the first character of each line.
    lines: Vec<usize>,
    /// The byte of every [`STRIDE`]th character, so that a line of a megabyte is not counted again for each value.
    bytes: Vec<usize>,
}

/// How many characters lie between two that are remembered.
const STRIDE: usize = 128;
/// A scalar is looked at this far to find its end.
const SCALAR_SHOWN: usize = 1024;

impl<'a> Characters<'a> {
    fn new(text: &'a str) -> Self {
        let mut lines = vec![0];
        let mut bytes = Vec::new();
        for (number, (at, c)) in text.char_indices().enumerate() {
            if number % STRIDE == 0 {
                bytes.push(at);
            }
            if c == '\n' {
                lines.push(number + 1);
            }
        }
        Self { text, lines, bytes }
    }

    fn byte_at(&self, location: Location) -> usize {
        let line = usize::try_from(location.line()).unwrap_or(1).saturating_sub(1);
        let column = usize::try_from(location.column()).unwrap_or(1).saturating_sub(1);
        let Some(start) = self.lines.get(line) else { return self.text.len() };
        let number = start.saturating_add(column);
        let Some(near) = self.bytes.get(number / STRIDE) else { return self.text.len() };
        let rest = &self.text[*near..];
        near + rest.char_indices().nth(number % STRIDE).map_or(rest.len(), |(at, _)| at)
    }

    /// How a number or truth value at a location is written, unless a tag stands before it.
    fn spelling(&self, location: Location, value: &Value) -> Option<&'a str> {
        let first: fn(char) -> bool = match value {
            Value::Integer(_) | Value::Float(_) => |c| c.is_ascii_digit() || "+-.".contains(c),
            Value::Boolean(_) => |c| c.is_ascii_alphabetic(),
            _ => return None,
        };
        let text = &self.text[self.byte_at(location)..];
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c)));
        Some(&text[..end.unwrap_or(text.len())]).filter(|text| text.starts_with(first))
    }

    /// The scalar that begins at a location, to its end on that line.
    fn scalar(&self, location: Location) -> std::ops::Range<usize> {
        let start = self.byte_at(location);
        let end = self.text.floor_char_boundary(start + SCALAR_SHOWN);
        let line = self.text[start..end].lines().next().unwrap_or_default();
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
        YamlNode::Null => Value::Null,
        YamlNode::Boolean(flag) => Value::Boolean(flag),
        YamlNode::Integer(number) => Value::Integer(number),
        YamlNode::Float(number) => Value::Float(number),
        YamlNode::String(text) => Value::String(text.into()),
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
                    if matches!(node.value, Value::Table(_) | Value::Null) {
                        node.span = key_span;
                    }
                    (key.value.into(), Entry::new(key_span, node))
                })
                .collect(),
        ),
    };
    let spelling = offsets.spelling(node.defined, &value);
    Node::new(span, value).spelt_as(spelling)
}
