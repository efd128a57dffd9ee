//! Findings for programs: a shape that stays. Fields may be added to version 1, never changed.
//!
//! `end` is exclusive; lines and columns count from 1, columns in characters. `help` is always
//! there, `null` if there is nothing to say. `labels` has the primary place first and may be empty.

use serde_json::{Value, json};

use super::escape::visible_json;
use super::positions;
use crate::diagnostic::{Diagnostic, Label, Level};
use crate::source::Sources;

/// The document, indented, with a line end.
pub(super) fn render(found: &[&Diagnostic], sources: &Sources) -> String {
    let count = |level| found.iter().filter(|diagnostic| diagnostic.level == level).count();
    let document = json!({
        "version": 1,
        "diagnostics": found.iter().map(|one| diagnostic(one, sources)).collect::<Vec<_>>(),
        "summary": { "errors": count(Level::Error), "warnings": count(Level::Warning) },
    });
    visible_json(&format!("{document:#}\n"))
}

fn diagnostic(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    json!({
        "rule": diagnostic.code.name,
        "level": diagnostic.level,
        "message": diagnostic.message,
        "labels": diagnostic.labels.iter().map(|one| label(one, sources)).collect::<Vec<_>>(),
        "help": diagnostic.help,
    })
}

fn label(label: &Label, sources: &Sources) -> Value {
    let (start, end) = positions(label, sources);
    json!({
        "file": sources.get(label.span.file).path,
        "primary": label.primary,
        "text": label.text,
        "start": start,
        "end": end,
    })
}
