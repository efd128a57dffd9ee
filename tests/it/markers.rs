//! What a case expects, written as comments under the lines concerned.
//!
//! ```toml
//! ip = "192.168.1.61"
//! #    -------------- already claimed here
//! ip = "192.168.1.61"
//! #    ^^^^^^^^^^^^^^ error[duplicate-address]: 192.168.1.61 is claimed twice
//! # help: 192.168.1.62 is free
//! ```
//!
//! A marker concerns the nearest line above that is not a marker. Carets are the columns of a finding, after them
//! comes a part of its message; a `# help:` line below holds a part of its help. Dashes are the columns of another
//! place of any finding, after them comes a part of what is said there, or nothing.
//! A `#` that touches the carets stands for the one it hides, in column 1. Columns that cannot be drawn so are
//! written as numbers, the second one exclusive: `# @2..9 error[…]: …`, `# @2..9 - …`.
//! A place that runs over several lines counts up to the end of its first line, an empty one is one column wide.
//!
//! Markers are taken out before the inventory is read, so they may stand anywhere, even in a broken file.

use std::fmt::Write;

use bayplan::diagnostic::{Diagnostic, Diagnostics, Label, Level};
use bayplan::source::Source;

/// A line (from 1, markers not counted) and its columns (from 1, the end exclusive).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: usize,
    pub start: usize,
    pub end: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Finding { level: Level, rule: String, help: Option<String> },
    Other,
}

#[derive(Clone, Debug)]
struct Marker {
    place: Place,
    kind: Kind,
    text: String,
}

/// A case: the inventory without its markers, and the markers.
pub struct Case {
    pub text: String,
    markers: Vec<Marker>,
}

impl Case {
    /// Takes the markers out of a text.
    pub fn read(text: &str) -> Self {
        let mut case = Case { text: String::new(), markers: Vec::new() };
        let mut line = 0;
        let mut last_was_marker = false;
        for raw in text.split_inclusive('\n') {
            if let Some(marker) = marker(raw.trim_end(), line) {
                case.markers.push(marker);
                last_was_marker = true;
            } else if let Some(help) = raw.trim().strip_prefix("# help: ").filter(|_| last_was_marker) {
                if let Some(Marker { kind: Kind::Finding { help: slot, .. }, .. }) = case.markers.last_mut() {
                    *slot = Some(help.to_owned());
                }
            } else {
                case.text.push_str(raw);
                line += 1;
                last_was_marker = false;
            }
        }
        case
    }

    /// Whether the case expects no finding.
    pub fn is_silent(&self) -> bool {
        self.rules().next().is_none()
    }

    /// The rules whose findings are expected.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.markers.iter().filter_map(|marker| match &marker.kind {
            Kind::Finding { rule, .. } => Some(rule.as_str()),
            Kind::Other => None,
        })
    }

    /// What differs between the markers and the findings; empty if nothing does.
    pub fn compare(&self, source: &Source, found: &Diagnostics) -> String {
        let mut report = String::new();
        let mut left: Vec<&Marker> = self.markers.iter().collect();
        for diagnostic in found.iter() {
            match left.iter().position(|marker| meets(marker, diagnostic, source)) {
                Some(at) => {
                    left.remove(at);
                }
                None => {
                    let place = place(source, main_label(diagnostic));
                    let _ = writeln!(report, "  found, but not marked, at line {}:", place.line);
                    let _ = writeln!(report, "{}", excerpt(source, place));
                    report.push_str(&finding_marker(source, diagnostic));
                }
            }
        }
        for marker in left {
            let met = match marker.kind {
                Kind::Finding { .. } => false,
                Kind::Other => others(found)
                    .any(|label| place(source, label) == marker.place && label.text.contains(&marker.text)),
            };
            if !met {
                let _ = writeln!(report, "  marked, but not found, at line {}:", marker.place.line);
                let _ = writeln!(report, "{}", excerpt(source, marker.place));
                let _ = writeln!(report, "{}", write_marker(marker));
            }
        }
        report
    }
}

/// The text with a marker for everything that was found.
pub fn bless(source: &Source, found: &Diagnostics) -> String {
    let mut below: Vec<(usize, String)> = Vec::new();
    for diagnostic in found.iter() {
        below.push((place(source, main_label(diagnostic)).line, finding_marker(source, diagnostic)));
    }
    for label in others(found) {
        let marker = Marker { place: place(source, label), kind: Kind::Other, text: first_line(&label.text) };
        let line = (marker.place.line, format!("{}\n", write_marker(&marker)));
        if !below.contains(&line) {
            below.push(line);
        }
    }
    let mut text = String::new();
    for (at, line) in source.text.split_inclusive('\n').enumerate() {
        text.push_str(line);
        if below.iter().any(|(line, _)| *line == at + 1) && !line.ends_with('\n') {
            text.push('\n');
        }
        text.extend(below.iter().filter(|(line, _)| *line == at + 1).map(|(_, marker)| marker.as_str()));
    }
    let last = source.text.split_inclusive('\n').count();
    text.extend(below.iter().filter(|(line, _)| *line > last).map(|(_, marker)| marker.as_str()));
    text
}

fn marker(raw: &str, line: usize) -> Option<Marker> {
    let indent = raw.chars().take_while(|c| *c == ' ').count();
    let after = raw[indent..].strip_prefix('#')?;
    let (start, end, mark, text) = match after.trim_start().strip_prefix('@') {
        Some(numbers) => {
            let (columns, rest) = numbers.split_once(' ')?;
            let (start, end) = columns.split_once("..")?;
            let (mark, text) = match rest.strip_prefix('-') {
                Some(text) => ('-', text),
                None => ('^', rest),
            };
            (start.parse().ok()?, end.parse().ok()?, mark, text)
        }
        None => {
            let gap = after.chars().take_while(|c| *c == ' ').count();
            let mark = after[gap..].chars().next().filter(|c| matches!(c, '^' | '-'))?;
            let width = after[gap..].chars().take_while(|c| *c == mark).count();
            let first = indent + 1 + gap + 1;
            let hidden = usize::from(gap == 0);
            (first - hidden, first + width, mark, &after[gap + width..])
        }
    };
    let place = Place { line, start, end };
    let text = text.trim();
    if mark == '-' {
        return Some(Marker { place, kind: Kind::Other, text: text.to_owned() });
    }
    let (level, rest) = match text.strip_prefix("error[") {
        Some(rest) => (Level::Error, rest),
        None => (Level::Warning, text.strip_prefix("warning[")?),
    };
    let (rule, text) = rest.split_once(']')?;
    let text = text.strip_prefix(':').unwrap_or(text).trim().to_owned();
    Some(Marker { place, kind: Kind::Finding { level, rule: rule.to_owned(), help: None }, text })
}

fn meets(marker: &Marker, diagnostic: &Diagnostic, source: &Source) -> bool {
    let Kind::Finding { level, rule, help } = &marker.kind else { return false };
    let helps = |part: &String| diagnostic.help.as_ref().is_some_and(|help| help.contains(part));
    *level == diagnostic.level
        && rule == diagnostic.code.name
        && marker.place == place(source, main_label(diagnostic))
        && diagnostic.message.contains(&marker.text)
        && help.as_ref().is_none_or(helps)
}

fn main_label(diagnostic: &Diagnostic) -> &Label {
    diagnostic.labels.iter().find(|label| label.primary).expect("a finding has a primary place")
}

fn others(found: &Diagnostics) -> impl Iterator<Item = &Label> {
    found.iter().flat_map(|diagnostic| &diagnostic.labels).filter(|label| !label.primary)
}

/// Where a label is drawn.
fn place(source: &Source, label: &Label) -> Place {
    let start = source.position(label.span.start);
    let end = source.position(label.span.end);
    let end = match end.line == start.line {
        true => end.column,
        false => line_of(source, start.line).chars().count() + 1,
    };
    Place { line: start.line, start: start.column, end: end.max(start.column + 1) }
}

fn line_of(source: &Source, line: usize) -> &str {
    source.text.lines().nth(line - 1).unwrap_or_default()
}

/// The line of a place, cut so that a hostile one does not fill the screen.
fn excerpt(source: &Source, place: Place) -> String {
    line_of(source, place.line.max(1)).chars().take(200).collect()
}

fn finding_marker(source: &Source, diagnostic: &Diagnostic) -> String {
    let kind = Kind::Finding {
        level: diagnostic.level,
        rule: diagnostic.code.name.to_owned(),
        help: diagnostic.help.as_deref().map(first_line),
    };
    let place = place(source, main_label(diagnostic));
    let marker = Marker { place, kind, text: first_line(&diagnostic.message) };
    format!("{}\n", write_marker(&marker))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn write_marker(marker: &Marker) -> String {
    let Place { start, end, .. } = marker.place;
    let width = end - start;
    let mark = if marker.kind == Kind::Other { "-" } else { "^" };
    let columns = match start {
        _ if start == 2 || end > 160 || (start, width) == (1, 1) => {
            format!("# @{start}..{end}{}", if mark == "-" { " -" } else { "" })
        }
        1 => format!("#{}", mark.repeat(width - 1)),
        _ => format!("#{}{}", " ".repeat(start - 2), mark.repeat(width)),
    };
    match &marker.kind {
        Kind::Other => format!("{columns} {}", marker.text).trim_end().to_owned(),
        Kind::Finding { level, rule, help } => {
            let level = if *level == Level::Error { "error" } else { "warning" };
            let help = help.as_ref().map(|help| format!("\n# help: {help}")).unwrap_or_default();
            format!("{columns} {level}[{rule}]: {}{help}", marker.text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Case, Kind, Place, write_marker};

    const TEXT: &str = "\
a = 1
#^^^^ error[one]: first
b = 2
#   ^ warning[two]: second
# help: mend it
[c]
# @2..3 error[three]: third
#-- there
# a plain comment
";

    #[test]
    fn markers_are_taken_out_and_understood() {
        let case = Case::read(TEXT);
        assert_eq!(case.text, "a = 1\nb = 2\n[c]\n# a plain comment\n");
        let places: Vec<_> = case.markers.iter().map(|marker| marker.place).collect();
        let place = |line, start, end| Place { line, start, end };
        assert_eq!(places, [place(1, 1, 6), place(2, 5, 6), place(3, 2, 3), place(3, 1, 4)]);
        assert_eq!(case.rules().collect::<Vec<_>>(), ["one", "two", "three"]);
        assert!(matches!(&case.markers[1].kind, Kind::Finding { help: Some(help), .. } if help == "mend it"));
    }

    #[test]
    fn what_is_written_is_read_again() {
        for marker in &Case::read(TEXT).markers {
            let again = Case::read(&format!("{}\n", write_marker(marker)));
            assert_eq!(again.markers[0].kind, marker.kind);
            let (start, end) = (again.markers[0].place.start, again.markers[0].place.end);
            assert_eq!((start, end), (marker.place.start, marker.place.end), "{marker:?}");
        }
    }
}
