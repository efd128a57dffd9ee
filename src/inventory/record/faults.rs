//! What cannot be read, in words, and how to mend it.

use super::reader::Reader;
use crate::diagnostic::nearest;
use crate::inventory::node::{Node, Value};
use crate::inventory::places::elsewhere;
use crate::inventory::{BAD_TEXT, MISSING_KEY, UNKNOWN_KEY, WRONG_TYPE};
use crate::object::emit::{unsafe_key, unsafe_text};
use crate::source::Span;

impl Reader {
    /// Reports a value of the wrong type or outside its closed set of words.
    pub fn wrong_type(&mut self, node: &Node, wanted: &str) {
        let (label, not) = match &node.value {
            Value::Null => ("has no value".to_owned(), "and has no value".to_owned()),
            // A text where texts of another form are wanted. Whoever writes a secret itself is not quoted.
            Value::String(text) if takes_texts(wanted) && text.len() <= 80 && !self.is_secret() => {
                ("none of these".to_owned(), format!("not `{text}`"))
            }
            Value::String(_) if takes_texts(wanted) => {
                ("none of these".to_owned(), "not another text".to_owned())
            }
            _ => (format!("this is {}", node.kind()), format!("not {}", node.kind())),
        };
        let mended = || self.command(node, wanted).or_else(|| mended(node, wanted));
        let help = self.port_by_name(node, wanted).or_else(|| Some(format!("write {}", mended()?)));
        self.refuse(node, label, &format!("must be {wanted}, {not}"), help);
    }

    /// Reports a value that cannot be read: `message` says why, after the name of its key.
    pub fn refuse(&mut self, node: &Node, label: String, message: &str, help: Option<String>) {
        self.note_unread();
        let what =
            if self.path.is_empty() { "the inventory".to_owned() } else { format!("`{}`", self.path()) };
        let diagnostic = WRONG_TYPE.at(node.span, label, format!("{what} {message}"));
        self.found.push(match help {
            Some(help) => diagnostic.help(help),
            None if self.doc.is_empty() => diagnostic,
            None => diagnostic.help(lower_first(self.doc.trim().trim_end_matches('.'))),
        });
    }

    fn is_secret(&self) -> bool {
        self.path.iter().any(|key| key == "secret-env")
    }

    /// A command line as the words of a list, or for a shell if it takes one to read it.
    fn command(&self, node: &Node, wanted: &str) -> Option<String> {
        let line = self.path.last().is_some_and(|key| key == "command" || key == "args");
        let text = node.text().filter(|text| line && wanted == "a list" && text.len() <= 80)?;
        let plain = |c: char| c.is_alphanumeric() || " -_./:=,@%+".contains(c);
        if text.chars().all(plain) {
            let words: Vec<String> = text.split_whitespace().map(|word| format!("\"{word}\"")).collect();
            return Some(format!("[{}]", words.join(", ")));
        }
        let quotable = !text.contains(['\'', '\n']);
        quotable.then(|| format!("[\"sh\", \"-c\", '{text}']"))
    }

    /// The name of the port of this number, where a port goes by its name.
    fn port_by_name(&self, node: &Node, wanted: &str) -> Option<String> {
        let Value::Integer(number) = node.value else { return None };
        let of_ports =
            self.doc.split(|c: char| !c.is_alphabetic()).any(|word| ["port", "ports"].contains(&word));
        if wanted != "a string" || !of_ports || !self.doc.contains(", by name") {
            return None;
        }
        let at = self.path.iter().rposition(|key| key == "services")?;
        let service = self.path.get(at + 1)?;
        let ports = self.root.as_deref()?.find(["services", service, "ports"]).and_then(Node::table);
        let is_it = |node: &Node| node.find(["port"]).unwrap_or(node).value == Value::Integer(number);
        let named = ports.into_iter().flatten().find(|(_, entry)| is_it(&entry.node));
        Some(match named {
            Some((name, _)) => format!("name it as in `ports`: \"{name}\""),
            None => format!("name it as in `ports`: with `ports.http = {number}`, \"http\""),
        })
    }

    fn unknown_key(&mut self, key: &str, span: Span, known: &[String]) {
        let place =
            if self.path.is_empty() { "the inventory".to_owned() } else { format!("`{}`", self.path()) };
        let near = nearest(key, known.iter().map(String::as_str));
        self.within(near.unwrap_or(key), Self::note_unread);
        let here = known.join(", ");
        let help = match (near, elsewhere(key)) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, Some(places)) => format!("it is a key of {places}; known here: {here}"),
            (None, None) => format!("known here: {here}"),
        };
        self.found.push(
            UNKNOWN_KEY.at(span, "not a known key", format!("unknown key `{key}` in {place}")).help(help),
        );
    }
}

/// Whether texts of some form are wanted, as the examples before a table show.
fn takes_texts(wanted: &str) -> bool {
    wanted.split('{').next().is_some_and(|words| words.contains(['"', '`']))
}

/// A value of the wrong type as it was probably meant.
fn mended(node: &Node, wanted: &str) -> Option<String> {
    let text = node.scalar().filter(|text| text.len() <= 40 && !text.contains(['"', '\\']))?;
    let is_text = node.text().is_some();
    match wanted {
        "a string" => match text.strip_prefix("0o") {
            Some(octal) if !is_text => Some(format!("\"0{octal}\"")),
            _ => Some(format!("\"{text}\"")),
        },
        "a list" if is_text => Some(format!("[\"{text}\"]")),
        "a whole number" if node.has_leading_zero() => {
            Some(text.trim_start_matches('0').to_owned()).filter(|digits| !digits.is_empty())
        }
        _ if wanted.starts_with("true") => match text.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some("true".to_owned()),
            "false" | "no" | "off" | "0" => Some("false".to_owned()),
            _ => None,
        },
        _ if is_text && (wanted == "a whole number" || wanted.starts_with("a port number")) => {
            text.parse::<i64>().ok().map(|number| format!("{number} without quotes"))
        }
        _ => None,
    }
}

/// Refuses characters that no YAML writer can carry through kustomize.
pub fn check_text(text: &str, span: Span, reader: &mut Reader) {
    if let Some(c) = unsafe_text(text) {
        let path = reader.path();
        let what = format!("the character U+{:04X}", u32::from(c));
        let message = format!("`{path}` holds {what}, which kustomize cannot carry");
        reader.found.push(BAD_TEXT.at(span, what, message).help("write it without"));
    }
}

/// Refuses keys that no YAML writer can carry through kustomize.
pub fn check_key(key: &str, span: Span, reader: &mut Reader) {
    if let Some(what) = unsafe_key(key) {
        let path = reader.path();
        let place = if path.is_empty() { "the inventory".to_owned() } else { format!("`{path}`") };
        reader.found.push(BAD_TEXT.at(
            span,
            what.clone(),
            format!("a key of {place} cannot be carried: {what}"),
        ));
    }
}

/// Reports the keys of a table that its record does not know.
pub fn report_unknown(node: &Node, known: &[String], reader: &mut Reader) {
    let Some(table) = node.table() else { return };
    for (key, entry) in table {
        if !known.iter().any(|name| name == key) {
            reader.unknown_key(key, entry.key, known);
        }
    }
}

/// Reports a key that must be there. A table that `merges` need not repeat what the defaults say.
pub fn report_missing(node: &Node, key: &str, doc: &str, merges: bool, reader: &mut Reader) {
    if merges && reader.has_default() {
        return;
    }
    let path = reader.path();
    if reader.unread.at(&[&path, key]) {
        return;
    }
    let first = doc.trim().split(". ").next().unwrap_or_default().trim_end_matches('.');
    reader.found.push(
        MISSING_KEY
            .at(node.span, format!("`{key}` is missing here"), format!("`{path}` needs `{key}`"))
            .help(format!("add `{key}`: {}", lower_first(first))),
    );
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    let next_is_upper = text.chars().nth(1).is_some_and(char::is_uppercase);
    match letters.next() {
        Some(first) if !next_is_upper => first.to_lowercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

/// Reports a word outside a closed set.
pub fn report_word(node: &Node, words: &[&str], meanings: &[&str], reader: &mut Reader) {
    let Some(word) = node.text() else {
        return reader.wrong_type(node, &format!("one of {}", words.join(", ")));
    };
    let path = reader.path();
    reader.note_unread();
    let folded = word.to_lowercase().replace(['_', ' '], "-");
    let near = words.iter().find(|known| known.replace('-', "") == folded.replace('-', "")).copied();
    let near = near.or_else(|| nearest(&folded, words.iter().copied()));
    let diagnostic = WRONG_TYPE.at(
        node.span,
        format!("none of {}", words.join(", ")),
        format!("`{path}` must be one of {}, not `{word}`", words.join(", ")),
    );
    let meant = words
        .iter()
        .zip(meanings)
        .map(|(word, meaning)| format!("`{word}`: {}", lower_first(meaning.trim().trim_end_matches('.'))));
    let diagnostic = diagnostic.help(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => meant.collect::<Vec<_>>().join("; "),
    });
    reader.found.push(diagnostic);
}
