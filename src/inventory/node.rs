//! The inventory file as a tree of values with their places, before it means anything.
//!
//! TOML and YAML end up in the same tree, so everything above knows one form.

use std::borrow::Cow;
use std::sync::LazyLock;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned as YamlSpanned};
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::{SYNTAX, TOO_MUCH};
use crate::object::read::limit_words;
use crate::source::{FileId, Span};

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
    /// How a number or truth value is spelt, where it would be written otherwise: `8.20`, `0x1F`, `022`, `yes`.
    pub spelt: Option<Box<str>>,
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
    Table(Box<Table>),
    /// A key of YAML without a value: `production:` under `environments:` is an empty table.
    Null,
}

/// The entries of a table: each name, where the name stands, and its value.
pub type Table = IndexMap<String, Entry, RandomState>;

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
        if let Some(spelt) = &self.spelt {
            return Some(Cow::Borrowed(spelt));
        }
        match &self.value {
            Value::String(text) => Some(Cow::Borrowed(text)),
            _ => self.number_text().map(Cow::Owned),
        }
    }

    /// Whether this is a whole number such as YAML's `0400`, which some take for octal.
    pub fn has_leading_zero(&self) -> bool {
        let digits = |text: &str| text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        matches!(self.value, Value::Float(_)) && self.spelt.as_deref().is_some_and(digits)
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
            .map(Into::into);
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

    /// What stands at a path of keys below this node.
    pub fn find<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Node> {
        path.into_iter().try_fold(self, |node, key| node.table()?.get(key).map(|entry| &entry.node))
    }
}

/// Reads TOML. Every syntax error is reported (the first of each line); what could be read is returned.
/// Whether it can be judged: of a file with keys in the wrong tables only the syntax is worth a word.
pub fn from_toml(text: &str, file: FileId, found: &mut Diagnostics) -> (Node, bool) {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut sound = true;
    let mut shown: Vec<&str> = Vec::new();
    let mut again: Option<&str> = None;
    for error in &errors {
        let range = error.span().unwrap_or(0..0);
        let range =
            text.floor_char_boundary(range.start)..text.ceil_char_boundary(range.end.max(range.start));
        let message = error.message().lines().next().unwrap_or_default();
        let line = line_around(text, range.start);
        let header = line.trim_start().starts_with('[').then_some(line);
        let duplicate = message.contains("duplicate key");
        sound &= duplicate && header.is_none();
        let seen = shown.iter().any(|seen| std::ptr::eq(*seen, line));
        // The keys of a table that is given twice are given twice because of it.
        if seen || shown.len() >= SYNTAX_ERRORS_SHOWN || (duplicate && header.is_none() && again.is_some()) {
            continue;
        }
        again = header.filter(|_| duplicate);
        shown.push(line);
        let place = Span::new(file, range.clone());
        found.push(match (duplicate, header) {
            (true, Some(_)) => second_table(text, line, place),
            (true, None) => second_key(&root, text[range.clone()].trim(), place),
            (false, _) => {
                let (what, help) = plain_words(message, line, text[range.start..].chars().next());
                let diagnostic = SYNTAX.at(place, "", format!("not TOML: {what}"));
                match help {
                    Some(help) => diagnostic.help(help),
                    None => diagnostic,
                }
            }
        });
    }
    let span = Span::new(file, root.span());
    (Node::new(span, Value::Table(Box::new(toml_table(root.into_inner(), (text, file), 0, found)))), sound)
}

/// An unclosed bracket makes a dozen follow-up errors; more than this many help nobody.
const SYNTAX_ERRORS_SHOWN: usize = 5;

fn line_around(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    &text[start..end]
}

/// The parser's words for the commonest mistakes, as people would say it, and how to mend them.
fn plain_words(message: &str, line: &str, next: Option<char>) -> (String, Option<&'static str>) {
    let value = line.split_once('=').map(|(_, value)| value.trim()).unwrap_or_default();
    let word = value.split(|c: char| c.is_whitespace() || ",]}#".contains(c)).next().unwrap_or_default();
    if let Some(help) = meant_flag(word) {
        return (format!("`{word}` is no truth value"), Some(help));
    }
    if value.starts_with(['“', '”', '„', '‘', '’', '«']) {
        return ("typographic quotes".to_owned(), Some("TOML knows the plain ones: key = \"value\""));
    }
    let bare = value.starts_with(|c: char| c.is_ascii_alphanumeric());
    if message.starts_with("string values must be quoted") && value.is_empty() {
        return ("a value is missing after `=`".to_owned(), None);
    }
    let number =
        ["invalid float", "invalid integer", "invalid datetime", "invalid number", "unexpected key or value"];
    if message.starts_with("string values must be quoted")
        || (bare && number.iter().any(|start| message.starts_with(start)))
    {
        return ("text stands without quotes".to_owned(), Some("put text into quotes: key = \"value\""));
    }
    if message.starts_with("key with no value") {
        let colon = line.contains(':') && !line.contains('=');
        let help = if colon { "TOML writes `key = value`, not `key: value`" } else { "write `key = value`" };
        return ("a key without a value".to_owned(), Some(help));
    }
    if message.contains("recurs") {
        return (format!("it nests deeper than the limit of {DEPTH_LIMIT} levels"), None);
    }
    if next.is_some_and(|c| c.is_control() && !"\r\n".contains(c)) {
        let help = "write it as an escape such as \\u001b, or leave it out";
        return ("a control character".to_owned(), Some(help));
    }
    if message.starts_with("invalid basic string") || message.starts_with("invalid literal string") {
        return ("a string without its closing quote".to_owned(), None);
    }
    if message.starts_with("missing escaped value") {
        let help = "a backslash begins an escape: double it, or use single quotes";
        return ("an unknown escape after `\\`".to_owned(), Some(help));
    }
    (message.to_owned(), None)
}

/// `true` or `false` in another spelling.
fn meant_flag(word: &str) -> Option<&'static str> {
    match word.to_lowercase().as_str() {
        "true" | "false" if word.chars().all(|c| c.is_ascii_lowercase()) => None,
        "true" | "yes" | "on" => Some("write `true`; if a text is meant, put it into quotes"),
        "false" | "no" | "off" => Some("write `false`; if a text is meant, put it into quotes"),
        _ => None,
    }
}

fn second_table(text: &str, line: &str, place: Span) -> Diagnostic {
    let header = line.split('#').next().unwrap_or_default().trim();
    let help = "put its keys into one table, or rename one";
    let mut start = 0;
    for earlier in text.split_inclusive('\n') {
        if std::ptr::eq(earlier.as_ptr(), line.as_ptr()) {
            break;
        }
        if earlier.split('#').next().unwrap_or_default().trim() == header {
            let at = start + earlier.len() - earlier.trim_start().len();
            let first = Span::new(place.file, at..at + header.len());
            let message = format!("not TOML: the table `{header}` is given twice");
            return SYNTAX.at(place, "given again", message).because(first, "first given here").help(help);
        }
        start += earlier.len();
    }
    let message = format!("not TOML: what `{header}` begins is already given, in another way");
    SYNTAX.at(place, "given again", message).help(help)
}

fn second_key(root: &toml::Spanned<DeTable<'_>>, name: &str, place: Span) -> Diagnostic {
    type Place = std::ops::Range<usize>;
    /// The last key of this name before the second one.
    fn first(table: &DeTable<'_>, name: &str, again: usize, depth: usize) -> Option<Place> {
        let mut best: Option<Place> = None;
        for (key, value) in table.iter() {
            let here = (key.get_ref() == name && key.span().start < again).then(|| key.span());
            let below = match value.get_ref() {
                DeValue::Table(inner) if depth < DEPTH_LIMIT => first(inner, name, again, depth + 1),
                _ => None,
            };
            best = [best, here, below].into_iter().flatten().max_by_key(|place| place.start);
        }
        best
    }
    let name = name.trim_matches(['"', '\'']);
    let diagnostic = SYNTAX
        .at(place, "given again", format!("not TOML: `{name}` is given twice"))
        .help(format!("give `{name}` once: keep one of the two, or rename one"));
    match first(root.get_ref(), name, place.start as usize, 0) {
        Some(range) => diagnostic.because(Span::new(place.file, range), "first given here"),
        None => diagnostic,
    }
}

fn toml_table(table: DeTable<'_>, place: (&str, FileId), depth: usize, found: &mut Diagnostics) -> Table {
    table
        .into_iter()
        .map(|(key, value)| {
            let key_span = Span::new(place.1, key.span());
            (
                key.into_inner().into_owned(),
                Entry { key: key_span, node: toml_node(value, place, depth + 1, found) },
            )
        })
        .collect()
}

/// `place` is the file and its text.
fn toml_node(
    node: toml::Spanned<DeValue<'_>>,
    place: (&str, FileId),
    depth: usize,
    found: &mut Diagnostics,
) -> Node {
    let range = node.span();
    let span = Span::new(place.1, range.clone());
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
            Value::Array(items.into_iter().map(|item| toml_node(item, place, depth + 1, found)).collect())
        }
        DeValue::Table(table) => Value::Table(Box::new(toml_table(table, place, depth, found))),
    };
    let spelling = matches!(value, Value::Integer(_) | Value::Float(_)).then(|| place.0.get(range)).flatten();
    let spelling = spelling.filter(|text| !is_plain_number(text));
    // `1_000` is a thousand: the line only helps the eye.
    let spelling = spelling.map(|text| text.replace('_', ""));
    Node::new(span, value).spelt_as(spelling.as_deref())
}

/// Whether a number stands as everybody would write it, as almost all do.
fn is_plain_number(text: &str) -> bool {
    !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads YAML into the same tree, and whether it could be read: YAML stops at its first syntax error.
pub fn from_yaml(text: &str, file: FileId, found: &mut Diagnostics) -> (Node, bool) {
    let whole = Span::new(file, 0..text.len());
    let empty = || Node::new(whole, Value::Table(Box::default()));
    if text.trim().is_empty() {
        return (empty(), true);
    }
    let limits = serde_saphyr::options! { budget: serde_saphyr::budget! { max_depth: YAML_DEPTH_LIMIT } };
    match serde_saphyr::from_str_with_options::<YamlSpanned<YamlNode>>(text, limits) {
        Ok(node) => (yaml_node(node, &Characters::new(text), file), true),
        Err(error) => {
            let offsets = Characters::new(text);
            let at = error.location().map_or(0, |location| offsets.byte_at(location));
            found.push(yaml_fault(text, file, at, &yaml_words(&error.to_string())));
            (empty(), false)
        }
    }
}

/// A syntax error where people see it: at the tab, at the quote that opens, with the key that was there before.
fn yaml_fault(text: &str, file: FileId, at: usize, words: &str) -> Diagnostic {
    let said =
        |at: usize, message: &str| SYNTAX.at(Span::new(file, at..at + 1), "", format!("not YAML: {message}"));
    let line = line_around(text, at.min(text.len()));
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
        YamlNode::String(text) => Value::String(text),
        YamlNode::Array(items) => {
            Value::Array(items.into_iter().map(|item| yaml_node(item, offsets, file)).collect())
        }
        YamlNode::Table(entries) => Value::Table(Box::new(
            entries
                .into_iter()
                .map(|(key, node)| {
                    let key_span = Span::new(file, offsets.scalar(key.referenced));
                    let mut node = yaml_node(node, offsets, file);
                    // As in TOML, a table's own place is the name that opens it.
                    if matches!(node.value, Value::Table(_) | Value::Null) {
                        node.span = key_span;
                    }
                    (key.value, Entry { key: key_span, node })
                })
                .collect(),
        )),
    };
    let spelling = offsets.spelling(node.defined, &value);
    Node::new(span, value).spelt_as(spelling)
}
