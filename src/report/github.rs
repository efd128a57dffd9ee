//! Workflow commands: GitHub shows them beside the lines of a pull request.
//!
//! A command is one line, so the escapes below are what keeps a name in an inventory from giving
//! the runner a command of its own.

use super::escape::{visible, visible_lines};
use super::{main_label, other_labels, positions};
use crate::diagnostic::{Diagnostic, Label, Level};
use crate::source::Sources;

/// One command for each finding.
pub(super) fn render(found: &[&Diagnostic], sources: &Sources) -> String {
    found.iter().map(|diagnostic| command(diagnostic, sources)).collect()
}

fn command(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let level = match diagnostic.level {
        Level::Error => "error",
        Level::Warning => "warning",
    };
    let place = main_label(diagnostic).map(|label| place(label, sources)).unwrap_or_default();
    let title = property(diagnostic.code.name);
    format!("::{level} {place}title={title}::{}\n", data(&message(diagnostic, sources)))
}

/// Columns are left out of a finding over several lines: GitHub refuses them there.
fn place(label: &Label, sources: &Sources) -> String {
    let (start, end) = positions(label, sources);
    let file = property(&visible(&sources.get(label.span.file).path));
    let lines = format!("file={file},line={},endLine={},", start.line, end.line);
    if start.line == end.line {
        format!("{lines}col={},endColumn={},", start.column, end.column)
    } else {
        lines
    }
}

fn message(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let mut lines = vec![visible(&diagnostic.message).into_owned()];
    let here = main_label(diagnostic).filter(|label| !label.text.is_empty());
    lines.extend(here.map(|label| visible(&label.text).into_owned()));
    lines.extend(other_labels(diagnostic).map(|label| elsewhere(label, sources)));
    lines.extend(diagnostic.help.iter().map(|help| format!("help: {}", visible_lines(help))));
    lines.join("\n")
}

fn elsewhere(label: &Label, sources: &Sources) -> String {
    let (start, _) = positions(label, sources);
    let path = visible(&sources.get(label.span.file).path);
    format!("{path}:{}:{}: {}", start.line, start.column, visible(&label.text))
}

/// The runner's escapes for the text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The runner's escapes for a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
