//! Markers: what stands for a value in rendered text.

use super::{Fault, FaultKind};

/// Begins a marker. Private-use: YAML takes it for a letter, people do not type it.
pub(in crate::template) const OPEN: char = '\u{F8F0}';
/// Ends a marker.
pub(in crate::template) const CLOSE: char = '\u{F8F1}';

/// Makes `text` what stands for hole number `index`. There are hundreds in a render: it need not be a new one.
pub(in crate::template) fn set_marker(text: &mut String, index: usize) {
    text.clear();
    text.push(OPEN);
    text.push_str(itoa::Buffer::new().format(index));
    text.push(CLOSE);
}

/// Whether the text holds a marker or a piece of one.
pub(in crate::template) fn has_marker(text: &str) -> bool {
    // Both begin with the bytes EF A3: one search for the pair is quicker than one for each character.
    !text.is_ascii() && text.as_bytes().windows(3).any(|bytes| matches!(bytes, [0xEF, 0xA3, 0xB0 | 0xB1]))
}

/// Rendered text for messages, in one line: `{{…}}` for each hole, cut, control characters escaped.
pub(in crate::template) fn readable(text: &str) -> String {
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
pub(super) enum Part {
    Literal(String),
    Hole(usize),
}

/// Splits text at its markers. Broken markers are an error: only captured text that was cut up has them.
pub(super) fn parts(text: &str) -> Result<Vec<Part>, Fault> {
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

/// The text of a rendered line between its markers.
pub(in crate::template) fn literals(line: &str) -> impl Iterator<Item = &str> {
    let pieces = line.split(OPEN).enumerate();
    let outside = pieces.map(|(index, piece)| match index {
        0 => piece,
        _ => piece.split_once(CLOSE).map_or("", |(_, after)| after),
    });
    outside.map(str::trim).filter(|literal| !literal.is_empty())
}
