//! Rendered text as it is parsed: with its holes still open.

use std::borrow::Cow;
use std::ops::Range;

use minijinja::Value;
use serde_json::{Map, Value as Json};
use serde_saphyr::{MessageFormatter as _, Spanned};

use super::fill::Filler;
use super::marker::{Part, has_marker, parts, readable};
use super::{DEPTH_LIMIT, Fault, FaultKind, OBJECT_LIMIT, insert, json_kind};
use crate::object::yaml::Raw;

/// How many nodes one render's YAML may have before its holes are filled.
const NODE_LIMIT: usize = 1_000_000;

/// How many nodes aliases may repeat.
const ALIAS_LIMIT: usize = 100_000;

/// Rendered text, parsed, with its holes still open.
#[derive(Debug)]
pub(in crate::template) struct Skeleton {
    documents: Vec<(usize, Node)>,
}

#[derive(Debug)]
pub(super) enum Node {
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
pub(super) enum Key {
    Fixed { text: String, line: usize },
    Parts { parts: Vec<Part>, line: usize },
}

impl Skeleton {
    /// Parses rendered text. Empty documents vanish.
    pub(in crate::template) fn parse(text: &str) -> Result<Skeleton, Fault> {
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

    /// The objects with these values in the holes, and how many bytes and nodes they are. Each must be a mapping; nulls
    /// vanish.
    pub(in crate::template) fn fill(&self, holes: &[Value]) -> Result<(Vec<Json>, usize), Fault> {
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
        Ok((objects, filler.spent()))
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
    let (line, range) = (line(&raw), range(&raw));
    Ok(match raw.value {
        Raw::Scalar(Json::String(scalar)) if has_marker(&scalar) => {
            // The place of a quoted scalar begins with the quote, that of a block ends behind its line break: only
            // a marker that stands plainly has a place of its own text.
            let plain = text.get(range) == Some(&scalar);
            match parts(&scalar).map_err(|fault| fault.at(line))?.as_slice() {
                [Part::Hole(index)] if plain => Node::Hole { index: *index, line },
                parts => Node::Text { parts: parts.to_vec(), line },
            }
        }
        Raw::Scalar(scalar) => Node::Fixed(scalar),
        Raw::List(items) => list(items, text)?,
        Raw::Map(entries) => map(entries, text)?,
    })
}

fn range<T>(at: &Spanned<T>) -> Range<usize> {
    let span = at.defined.span();
    let place = span.byte_offset().zip(span.byte_len());
    place.map(|(start, length)| to_usize(start)..to_usize(start.saturating_add(length))).unwrap_or_default()
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
            false => Key::Fixed { text: key.value, line },
        };
        nodes.push((key, node(value, text)?));
    }
    let fixed = |entry: &(Key, Node)| matches!(entry, (Key::Fixed { .. }, Node::Fixed(_)));
    if !nodes.iter().all(fixed) {
        return Ok(Node::Map(nodes));
    }
    let mut object = Map::with_capacity(nodes.len());
    for (key, value) in nodes {
        if let (Key::Fixed { text, line }, Node::Fixed(value)) = (key, value) {
            // `1` and `"1"` differ for the parser, and are one key for Kubernetes.
            insert(&mut object, text, value).map_err(|fault| fault.at(line))?;
        }
    }
    Ok(Node::Fixed(Json::Object(object)))
}
