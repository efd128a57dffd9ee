//! Reading TOML, and its faults as people would say them.

mod parts;

use std::ops::Range;

use ::toml::de::{DeTable, DeValue, Error};

use super::{DEPTH_LIMIT, Entry, Node, Table, Value};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::{SYNTAX, TOO_MUCH};
use crate::source::{FileId, Source, Span};

/// An inventory in TOML may hold so many values: each takes over a hundred bytes once it is read.
pub const VALUE_LIMIT: usize = 2_000_000;

/// Reads TOML. Every syntax error is reported (the first of each line); what could be read is returned.
/// Whether it can be judged: of a file with keys in the wrong tables only the syntax is worth a word.
pub fn from_toml(source: &Source, file: FileId, found: &mut Diagnostics) -> (Node, bool) {
    let text = &*source.text;
    // Each value is behind one of these, but for the first of a list.
    let values = text.bytes().filter(|byte| matches!(byte, b',' | b'=')).count();
    if values > VALUE_LIMIT {
        let message =
            format!("the inventory holds about {values} values, more than the limit of {VALUE_LIMIT}");
        let help = "split the inventory in two, each with an output folder of its own";
        found.push(TOO_MUCH.at(Span::new(file, 0..0), "", message).help(help));
        return (Node::new(Span::new(file, 0..text.len()), Value::Table(Table::default())), false);
    }
    match parts::read(text, file) {
        Some(root) => (root, true),
        None => from_whole_toml(source, file, found),
    }
}

/// The same as a whole, on this thread alone, however much it is: what is short or at fault, or has been read before.
pub fn from_whole_toml(source: &Source, file: FileId, found: &mut Diagnostics) -> (Node, bool) {
    let text = &*source.text;
    let (root, errors) = DeTable::parse_recoverable(text);
    let sound = report(&errors, &root, source, file, found);
    let span = Span::new(file, root.span());
    let table = toml_table(root.into_inner(), Place { text, file, start: 0 }, 0, found);
    (Node::new(span, Value::Table(table)), sound)
}

/// Tells of the first error of each line, and whether the file can be judged.
fn report(
    errors: &[Error],
    root: &::toml::Spanned<DeTable<'_>>,
    source: &Source,
    file: FileId,
    found: &mut Diagnostics,
) -> bool {
    let text = &*source.text;
    let mut sound = true;
    let mut shown: Vec<Range<usize>> = Vec::new();
    let mut again = false;
    let (mut place, mut is_header) = (0..0, false);
    for error in errors {
        let range = error.span().unwrap_or(0..0);
        let range =
            text.floor_char_boundary(range.start)..text.ceil_char_boundary(range.end.max(range.start));
        let message = error.message().lines().next().unwrap_or_default();
        // One line may have very many errors: it is looked at once.
        let around = source.line_around(range.start);
        if around != place {
            is_header = text[around.clone()].trim_start().starts_with('[');
            place = around;
        }
        let duplicate = message.contains("duplicate key");
        sound &= duplicate && !is_header;
        // The keys of a table that is given twice are given twice because of it.
        let follows = duplicate && !is_header && again;
        if follows || shown.len() >= SYNTAX_ERRORS_SHOWN || shown.contains(&place) {
            continue;
        }
        again = duplicate && is_header;
        shown.push(place.clone());
        let line = &text[place.clone()];
        let span = Span::new(file, range.clone());
        found.push(match (duplicate, is_header) {
            (true, true) => second_table(text, line, span),
            (true, false) => second_key(root, text[range.clone()].trim(), span),
            (false, _) => not_toml(message, line, text[range.start..].chars().next(), span),
        });
    }
    sound
}

fn not_toml(message: &str, line: &str, next: Option<char>, place: Span) -> Diagnostic {
    let (what, help) = plain_words(message, line, next);
    let diagnostic = SYNTAX.at(place, "", format!("not TOML: {what}"));
    match help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// An unclosed bracket makes a dozen follow-up errors; more than this many help nobody.
const SYNTAX_ERRORS_SHOWN: usize = 5;

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

fn second_key(root: &::toml::Spanned<DeTable<'_>>, name: &str, place: Span) -> Diagnostic {
    /// The last key of this name before the second one.
    fn first(table: &DeTable<'_>, name: &str, again: usize, depth: usize) -> Option<Range<usize>> {
        let mut best: Option<Range<usize>> = None;
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

/// A text that was read, as part of a file.
#[derive(Clone, Copy)]
struct Place<'t> {
    text: &'t str,
    file: FileId,
    /// Where in the file it begins.
    start: usize,
}

impl Place<'_> {
    fn span(&self, range: &Range<usize>) -> Span {
        Span::new(self.file, self.start + range.start..self.start + range.end)
    }
}

fn toml_table(table: DeTable<'_>, place: Place<'_>, depth: usize, found: &mut Diagnostics) -> Table {
    table
        .into_iter()
        .map(|(key, value)| {
            let key_span = place.span(&key.span());
            let node = toml_node(value, place, depth + 1, found);
            (key.into_inner().into(), Entry::new(key_span, node))
        })
        .collect()
}

fn toml_node(
    node: ::toml::Spanned<DeValue<'_>>,
    place: Place<'_>,
    depth: usize,
    found: &mut Diagnostics,
) -> Node {
    let range = node.span();
    let span = place.span(&range);
    let too_deep = depth > DEPTH_LIMIT;
    if too_deep {
        found.push(TOO_MUCH.at(span, "", format!("tables and lists nest deeper than {DEPTH_LIMIT} levels")));
    }
    let value = match node.into_inner() {
        DeValue::String(text) => Value::String(text.into()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => {
                found.push(SYNTAX.at(span, "", "this whole number does not fit in 64 bits"));
                Value::Integer(0)
            }
        },
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Boolean(flag),
        DeValue::Datetime(date) => Value::Datetime(date.to_string().into()),
        DeValue::Array(_) | DeValue::Table(_) if too_deep => Value::Boolean(false),
        DeValue::Array(items) => {
            Value::Array(items.into_iter().map(|item| toml_node(item, place, depth + 1, found)).collect())
        }
        DeValue::Table(table) => Value::Table(toml_table(table, place, depth, found)),
    };
    let spelling =
        matches!(value, Value::Integer(_) | Value::Float(_)).then(|| place.text.get(range)).flatten();
    let spelling = spelling.filter(|text| !is_plain_number(text));
    // `1_000` is a thousand: the line only helps the eye.
    let spelling = spelling.map(|text| text.replace('_', ""));
    Node::new(span, value).spelt_as(spelling.as_deref())
}

/// Whether a number stands as everybody would write it, as almost all do.
fn is_plain_number(text: &str) -> bool {
    !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{VALUE_LIMIT, from_toml};
    use crate::diagnostic::Diagnostics;
    use crate::inventory::TOO_MUCH;
    use crate::source::{FileId, Source};

    #[test]
    fn a_heap_of_values_is_not_read() {
        let text = format!("junk = [{}]", "1,".repeat(VALUE_LIMIT));
        let mut found = Diagnostics::default();
        let (root, sound) = from_toml(&Source::new("inventory.toml", text), FileId::default(), &mut found);
        assert!(!sound && root.table().is_some_and(|table| table.is_empty()));
        assert!(found.iter().map(|finding| finding.code.name).eq([TOO_MUCH.name]));
    }
}
