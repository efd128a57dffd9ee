//! YAML with holes: parsed once, filled often.
//!
//! A hole is written into the text as a marker (`OPEN` number `CLOSE`); the value stays aside. A scalar that
//! is one unquoted marker becomes the value, with its own type. Any other scalar with markers becomes a
//! string, joined from its parts. Values meet the tree only after parsing.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use minijinja::Value;
use minijinja::value::ValueKind;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value as Json};
use serde_saphyr::{MessageFormatter as _, Spanned};

/// Begins a marker. Private-use: YAML takes it for a letter, people do not type it.
pub(super) const OPEN: char = '\u{F8F0}';
/// Ends a marker.
pub(super) const CLOSE: char = '\u{F8F1}';

/// How deep a value or a rendered tree may be.
pub(super) const DEPTH_LIMIT: usize = 64;
/// How many bytes and nodes one render's objects may come to.
pub(super) const OBJECT_LIMIT: usize = 32 * 1024 * 1024;
/// How many nodes one render's YAML may have before its holes are filled.
const NODE_LIMIT: usize = 1_000_000;

/// How many nodes aliases may repeat.
const ALIAS_LIMIT: usize = 100_000;

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

/// Makes `text` what stands for hole number `index`. There are hundreds in a render: it need not be a new one.
pub(super) fn set_marker(text: &mut String, index: usize) {
    text.clear();
    // Writing to a string cannot fail.
    let _ = write!(text, "{OPEN}{index}{CLOSE}");
}

/// Whether the text holds a marker or a piece of one.
pub(super) fn has_marker(text: &str) -> bool {
    // Both begin with the bytes EF A3: one search for the pair is quicker than one for each character.
    text.as_bytes().windows(3).any(|bytes| matches!(bytes, [0xEF, 0xA3, 0xB0 | 0xB1]))
}

/// Rendered text for messages, in one line: `{{…}}` for each hole, cut, control characters escaped.
pub(super) fn readable(text: &str) -> String {
    let mut shown = String::new();
    let mut in_hole = false;
    for c in text.trim().chars() {
        match c {
            OPEN => in_hole = true,
            CLOSE => {
                in_hole = false;
                shown.push_str("{{…}}");
            }
            _ if in_hole => {}
            '"' | '\'' | '\\' => shown.push(c),
            c => shown.extend(c.escape_debug()),
        }
        if shown.len() > 160 {
            shown.push('…');
            break;
        }
    }
    shown
}

/// A piece of a scalar.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Literal(String),
    Hole(usize),
}

/// Splits text at its markers. Broken markers are an error: only captured text that was cut up has them.
fn parts(text: &str) -> Result<Vec<Part>, Fault> {
    let broken = || Fault::new(FaultKind::Value, "the output of a macro or a `set` block was cut up");
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find([OPEN, CLOSE]) {
        let (literal, marked) = rest.split_at(at);
        let (number, after) =
            marked.strip_prefix(OPEN).and_then(|inside| inside.split_once(CLOSE)).ok_or_else(broken)?;
        if !literal.is_empty() {
            found.push(Part::Literal(literal.to_owned()));
        }
        found.push(Part::Hole(number.parse().map_err(|_| broken())?));
        rest = after;
    }
    if !rest.is_empty() {
        found.push(Part::Literal(rest.to_owned()));
    }
    Ok(found)
}

/// Rendered text, parsed, with its holes still open.
#[derive(Debug)]
pub(super) struct Skeleton {
    documents: Vec<(usize, Node)>,
}

#[derive(Debug)]
enum Node {
    /// Has no hole in it.
    Fixed(Json),
    /// Becomes the value itself.
    Hole {
        index: usize,
        line: usize,
    },
    /// Becomes a string.
    Text {
        parts: Vec<Part>,
        line: usize,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Debug)]
enum Key {
    Fixed(String),
    Parts { parts: Vec<Part>, line: usize },
}

impl Skeleton {
    /// Parses rendered text. Empty documents vanish.
    pub(super) fn parse(text: &str) -> Result<Skeleton, Fault> {
        // A block at the very end must have its line break, or it would look plain.
        let text: &str =
            &if text.ends_with('\n') { Cow::Borrowed(text) } else { Cow::Owned(format!("{text}\n")) };
        let mut options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_depth: DEPTH_LIMIT,
                max_nodes: NODE_LIMIT,
                max_events: 4 * NODE_LIMIT,
                max_total_scalar_bytes: OBJECT_LIMIT,
                max_recorded_anchor_events: ALIAS_LIMIT,
            },
            legacy_octal_numbers: true,
            with_snippet: false,
        };
        options.alias_limits.max_total_replayed_events = ALIAS_LIMIT;
        let parsed: Vec<Spanned<Raw>> =
            serde_saphyr::from_multiple_with_options(text, options).map_err(|error| yaml_fault(&error))?;
        let documents = parsed.into_iter().map(|raw| Ok((line(&raw), node(raw, text)?)));
        Ok(Skeleton { documents: documents.collect::<Result<_, Fault>>()? })
    }

    /// The objects with these values in the holes. Each must be a mapping; nulls vanish.
    pub(super) fn fill(&self, holes: &[Value]) -> Result<Vec<Json>, Fault> {
        let mut filler = Filler::new(holes);
        let mut objects = Vec::with_capacity(self.documents.len());
        for (line, document) in &self.documents {
            match filler.node(document)? {
                Json::Null => {}
                object @ Json::Object(_) => objects.push(object),
                other => {
                    let message = format!("a document must be a mapping, this is {}", json_kind(&other));
                    return Err(Fault::new(FaultKind::Yaml, message).at(*line));
                }
            }
        }
        Ok(objects)
    }
}

fn yaml_fault(error: &serde_saphyr::Error) -> Fault {
    let mut cause = error.without_snippet();
    while let serde_saphyr::Error::AliasError { error, .. } = cause {
        cause = error;
    }
    let limit = matches!(
        cause,
        serde_saphyr::Error::Budget { .. }
            | serde_saphyr::Error::AliasReplayLimitExceeded { .. }
            | serde_saphyr::Error::AliasExpansionLimitExceeded { .. }
    );
    let kind = if limit { FaultKind::Limit } else { FaultKind::Yaml };
    let line = error.location().map(|location| to_usize(location.line()));
    let why = readable(&serde_saphyr::UserMessageFormatter.format_message(cause));
    let message = match cause {
        serde_saphyr::Error::NullIntoString { .. } => "a key is empty or no scalar".to_owned(),
        _ if limit => format!("a limit on YAML is exceeded: {why}"),
        _ => format!("this is not YAML: {why}"),
    };
    Fault { kind, line, message }
}

fn line<T>(at: &Spanned<T>) -> usize {
    to_usize(at.defined.line())
}

fn node(raw: Spanned<Raw>, text: &str) -> Result<Node, Fault> {
    let line = line(&raw);
    Ok(match &raw.value {
        Raw::Text(scalar) if has_marker(scalar) => {
            match parts(scalar).map_err(|fault| fault.at(line))?.as_slice() {
                [Part::Hole(index)] if stands_plain(&raw, scalar, text) => Node::Hole { index: *index, line },
                parts => Node::Text { parts: parts.to_vec(), line },
            }
        }
        Raw::Text(_) | Raw::Scalar(_) => Node::Fixed(match raw.value {
            Raw::Text(scalar) => Json::String(scalar),
            Raw::Scalar(scalar) => scalar,
            Raw::List(_) | Raw::Map(_) => Json::Null,
        }),
        Raw::List(_) | Raw::Map(_) => match raw.value {
            Raw::List(items) => list(items, text)?,
            Raw::Map(entries) => map(entries, text)?,
            Raw::Text(_) | Raw::Scalar(_) => Node::Fixed(Json::Null),
        },
    })
}

/// Whether a scalar that is one marker stands in the text without quotes and not as a block: the place of a
/// quoted scalar begins with the quote, that of a block scalar ends behind its line break.
fn stands_plain(raw: &Spanned<Raw>, marker: &str, text: &str) -> bool {
    let span = raw.defined.span();
    let place = span.byte_offset().zip(span.byte_len());
    let range = place.map(|(start, length)| to_usize(start)..to_usize(start.saturating_add(length)));
    range.and_then(|range| text.get(range)) == Some(marker)
}

fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn list(items: Vec<Spanned<Raw>>, text: &str) -> Result<Node, Fault> {
    let nodes = items.into_iter().map(|item| node(item, text)).collect::<Result<Vec<_>, _>>()?;
    if nodes.iter().all(|node| matches!(node, Node::Fixed(_))) {
        let fixed =
            nodes.into_iter().filter_map(|node| if let Node::Fixed(json) = node { Some(json) } else { None });
        return Ok(Node::Fixed(Json::Array(fixed.collect())));
    }
    Ok(Node::List(nodes))
}

fn map(entries: Vec<(Spanned<String>, Spanned<Raw>)>, text: &str) -> Result<Node, Fault> {
    let mut nodes = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let line = line(&key);
        let key = match has_marker(&key.value) {
            true => Key::Parts { parts: parts(&key.value).map_err(|fault| fault.at(line))?, line },
            false => Key::Fixed(key.value),
        };
        nodes.push((key, node(value, text)?));
    }
    let fixed = |entry: &(Key, Node)| matches!(entry, (Key::Fixed(_), Node::Fixed(_)));
    if !nodes.iter().all(fixed) {
        return Ok(Node::Map(nodes));
    }
    let mut object = Map::with_capacity(nodes.len());
    for (key, value) in nodes {
        if let (Key::Fixed(key), Node::Fixed(value)) = (key, value) {
            // `1` and `"1"` differ for the parser, and are one key for Kubernetes.
            insert(&mut object, key, value)?;
        }
    }
    Ok(Node::Fixed(Json::Object(object)))
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

/// Puts values into holes, and turns the engine's values into JSON, within one budget.
pub(super) struct Filler<'a> {
    holes: &'a [Value],
    left: usize,
}

impl<'a> Filler<'a> {
    /// For one render, whose holes these are.
    pub(super) fn new(holes: &'a [Value]) -> Self {
        Self { holes, left: OBJECT_LIMIT }
    }

    /// How many bytes and nodes it has made.
    pub(super) fn spent(&self) -> usize {
        OBJECT_LIMIT - self.left
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Fault> {
        self.left = self.left.checked_sub(bytes + 1).ok_or_else(|| {
            Fault::new(FaultKind::Limit, "the object limit of 32 MiB for one template is exceeded")
        })?;
        Ok(())
    }

    fn node(&mut self, node: &Node) -> Result<Json, Fault> {
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
                Key::Fixed(key) => (key.clone(), None),
                Key::Parts { parts, line } => {
                    (self.text(parts, 0).map_err(|fault| fault.at(*line))?, Some(*line))
                }
            };
            let value = self.node(node)?;
            insert(&mut object, key, value).map_err(|fault| match line {
                Some(line) => fault.at(line),
                None => fault,
            })?;
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
    pub(super) fn key(&mut self, text: &str) -> Option<String> {
        parts(text).and_then(|parts| self.text(&parts, 0)).ok()
    }

    /// A value as part of a text: scalars only.
    pub(super) fn scalar(&mut self, value: &Value, depth: usize) -> Result<String, Fault> {
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
    pub(super) fn json(&mut self, value: &Value, depth: usize) -> Result<Json, Fault> {
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

/// A YAML node as it was read.
enum Raw {
    Scalar(Json),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Json::Null))
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Json::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Json::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Json::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Json::from(value)))
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Raw, E> {
        i64::try_from(value).map(|value| Raw::Scalar(Json::from(value))).map_err(|_| too_large())
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Raw, E> {
        u64::try_from(value).map(|value| Raw::Scalar(Json::from(value))).map_err(|_| too_large())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Raw, E> {
        Number::from_f64(value).map(|value| Raw::Scalar(Json::Number(value))).ok_or_else(too_large)
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        // Keys are texts as they are written: `on` and `1` stay so, as nobody means the key `true`.
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

fn too_large<E: serde::de::Error>() -> E {
    E::custom("a number does not fit Kubernetes: put it in quotes if it is a text")
}
