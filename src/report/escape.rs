//! Text that others wrote, made safe to print.

use std::borrow::Cow;

use crate::source::{begins_command, is_deceptive};

/// A longer message is cut: nobody reads it, and a name may be as long as a file.
const LONGEST: usize = 1000;

/// More lines of help than this are cut.
const MOST_LINES: usize = 20;

/// `text` on one line, with every character that a terminal or a log viewer might obey or hide
/// (controls, line ends, direction overrides, zero-width characters) spelled as an escape such as
/// `\u{1b}`, and what the runner of a workflow would obey (`##[error]`) broken by one. Longer than 1000 characters
/// is cut.
pub fn visible(text: &str) -> Cow<'_, str> {
    let short = first_chars(text, LONGEST);
    if short.len() == text.len() && !text.contains("##") && !text.chars().any(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let mut spelled = spell(short);
    if short.len() < text.len() {
        spelled.push_str("...");
    }
    Cow::Owned(spelled)
}

/// As [`visible`], but keeps line ends.
pub(super) fn visible_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').take(MOST_LINES).map(|line| no_command(visible(line))).collect();
    lines.join("\n")
}

/// The runner of a GitHub workflow obeys `::error::` at the start of a line, blanks before it or not.
fn no_command(line: Cow<'_, str>) -> Cow<'_, str> {
    let text = line.trim_start();
    if !text.starts_with("::") {
        return line;
    }
    let blanks = line.len() - text.len();
    Cow::Owned(format!("{}\\u{{3a}}{}", &line[..blanks], &text[1..]))
}

/// As [`visible`] for a piece of source: never cut, and a tab is four columns wide.
pub(super) fn visible_source(text: &str) -> String {
    spell(&text.replace('\t', "    "))
}

fn spell(text: &str) -> String {
    let mut spelled = String::with_capacity(text.len());
    for c in text.chars() {
        if is_deceptive(c) {
            spelled.extend(c.escape_default());
        } else if c == '[' && begins_command(&spelled) {
            spelled.extend(c.escape_unicode());
        } else {
            spelled.push(c);
        }
    }
    spelled
}

fn first_chars(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

/// JSON text whose strings spell such characters as `\uXXXX`: the same value, harmless on a screen.
pub fn visible_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && is_deceptive(c) || c == '[' && begins_command(&safe) {
            let units =
                c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            safe.push_str(&units);
        } else {
            safe.push(c);
        }
    }
    safe
}
