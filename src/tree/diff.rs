//! What a run would change, as a unified diff.

use std::collections::BTreeMap;
use std::fmt::Write;

use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};

use crate::source::begins_command;
use crate::tree::path::is_invisible;
use crate::tree::report::below;
use crate::tree::{Change, Plan, TreePath, Trouble};

/// Where a diff goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// To eyes, in a terminal or the log of a workflow: control and invisible characters and what the runner would
    /// obey are escaped, CRLF shows as LF.
    Terminal,
    /// To a program: every byte as it stands, so that `git apply` takes it.
    Pipe,
}

impl Plan {
    /// What a run would do, as a unified diff ordered by path. `folder` is put before each path (as seen from
    /// where the patch is to be applied; may be empty). Conflicts are not in it.
    pub fn diff(&self, folder: &str, medium: Medium) -> String {
        let mut texts: BTreeMap<&TreePath, (Side<'_>, Side<'_>)> = BTreeMap::new();
        for (path, after) in &self.create {
            texts.insert(path, (Side::Absent, Side::Text(after)));
        }
        for (path, Change { before, after }) in &self.change {
            texts.insert(path, (Side::Text(before), Side::Text(after)));
        }
        for (path, before) in &self.remove {
            texts.insert(path, (Side::Text(before), Side::Absent));
        }
        join_diffs(folder, medium, texts)
    }

    /// What `force` would do to files that a person changed, in the form of [`Plan::diff`].
    pub fn diff_of_edits(&self, folder: &str, medium: Medium) -> String {
        let edits = self.conflicts.iter().filter_map(|(path, trouble)| match trouble {
            Trouble::Edited { before, after } => {
                let after = after.as_deref().map_or(Side::Absent, Side::Text);
                Some((path, (Side::Text(before), after)))
            }
            _ => None,
        });
        join_diffs(folder, medium, edits)
    }
}

#[derive(Clone, Copy)]
enum Side<'a> {
    Absent,
    Text(&'a str),
}

impl<'a> Side<'a> {
    fn text(self) -> &'a str {
        if let Self::Text(text) = self { text } else { "" }
    }

    /// Git ends a name that holds a space with a tab, so that a date cannot be mistaken for part of it.
    fn header(self, letter: char, path: &str) -> String {
        let end = if path.contains(' ') { "\t" } else { "" };
        match self {
            Self::Absent => "/dev/null".to_owned(),
            Self::Text(_) => format!("{letter}/{path}{end}"),
        }
    }
}

fn join_diffs<'a>(
    folder: &str,
    medium: Medium,
    texts: impl IntoIterator<Item = (&'a TreePath, (Side<'a>, Side<'a>))>,
) -> String {
    let mut out = String::new();
    for (path, (before, after)) in texts {
        let path = below(folder, path);
        let text = match medium {
            Medium::Terminal => before.text().replace("\r\n", "\n"),
            Medium::Pipe => before.text().to_owned(),
        };
        write_diff(&mut out, &path, (before, &text), (after, after.text()));
    }
    if medium == Medium::Terminal { escape(&out) } else { out }
}

fn write_diff(out: &mut String, path: &str, before: (Side<'_>, &str), after: (Side<'_>, &str)) {
    let old: Vec<&str> = before.1.split_inclusive('\n').collect();
    let new: Vec<&str> = after.1.split_inclusive('\n').collect();
    let hunks = group_diff_ops(compare_lines(&old, &new), CONTEXT);
    if hunks.iter().all(Vec::is_empty) {
        return;
    }
    let _ = writeln!(out, "--- {}\n+++ {}", before.0.header('a', path), after.0.header('b', path));
    for hunk in hunks {
        write_hunk(out, &hunk, &old, &new);
    }
}

const CONTEXT: usize = 3;
/// Myers takes time in lines times differences: a file changed beyond this is shown as wholly replaced.
const MAX_COMPARED_LINES: usize = 10_000;

fn compare_lines(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    if old.len().max(new.len()) <= MAX_COMPARED_LINES {
        return capture_diff_slices(Algorithm::Myers, old, new);
    }
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let rest = old[start..].iter().rev().zip(new[start..].iter().rev());
    let end = rest.take_while(|(a, b)| a == b).count();
    let (old_len, new_len) = (old.len() - start - end, new.len() - start - end);
    let middle = if old_len.max(new_len) <= MAX_COMPARED_LINES {
        capture_diff_slices(Algorithm::Myers, &old[start..start + old_len], &new[start..start + new_len])
            .into_iter()
            .map(|op| moved(op, start))
            .collect()
    } else {
        vec![DiffOp::Replace { old_index: start, old_len, new_index: start, new_len }]
    };
    let equal = |old_index, new_index, len| DiffOp::Equal { old_index, new_index, len };
    let first = equal(0, 0, start);
    let last = equal(start + old_len, start + new_len, end);
    let pieces = std::iter::once(first).chain(middle).chain([last]);
    pieces.filter(|op| !(op.old_range().is_empty() && op.new_range().is_empty())).collect()
}

fn moved(op: DiffOp, by: usize) -> DiffOp {
    let (old, new) = (op.old_range(), op.new_range());
    let (old_index, new_index) = (old.start + by, new.start + by);
    match op {
        DiffOp::Equal { len, .. } => DiffOp::Equal { old_index, new_index, len },
        DiffOp::Delete { old_len, .. } => DiffOp::Delete { old_index, old_len, new_index },
        DiffOp::Insert { new_len, .. } => DiffOp::Insert { old_index, new_index, new_len },
        DiffOp::Replace { old_len, new_len, .. } => {
            DiffOp::Replace { old_index, old_len, new_index, new_len }
        }
    }
}

fn write_hunk(out: &mut String, hunk: &[DiffOp], old: &[&str], new: &[&str]) {
    let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { return };
    let old_range = hunk_range(first.old_range().start..last.old_range().end);
    let new_range = hunk_range(first.new_range().start..last.new_range().end);
    let _ = writeln!(out, "@@ -{old_range} +{new_range} @@");
    for op in hunk {
        match op {
            DiffOp::Equal { .. } => write_lines(out, ' ', &old[op.old_range()]),
            DiffOp::Delete { .. } | DiffOp::Insert { .. } | DiffOp::Replace { .. } => {
                write_lines(out, '-', &old[op.old_range()]);
                write_lines(out, '+', &new[op.new_range()]);
            }
        }
    }
}

/// Counts from 1; an empty range names the line before it.
fn hunk_range(range: std::ops::Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start + 1),
        n => format!("{},{n}", range.start + 1),
    }
}

fn write_lines(out: &mut String, sign: char, lines: &[&str]) {
    for line in lines {
        out.push(sign);
        out.push_str(line);
        if !line.ends_with('\n') {
            out.push_str("\n\\ No newline at end of file\n");
        }
    }
}

/// A file on disk may hold what moves the cursor, hides text or gives the runner of a workflow a command: that is
/// `::error::` at the start of a line, blanks before it or not, and `##[error]` anywhere.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at_start = true;
    for c in text.chars() {
        let command = at_start && c == ':' || c == '[' && begins_command(&out);
        if matches!(c, '\n' | '\t') || !(c.is_control() || is_invisible(c) || command) {
            out.push(c);
        } else {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
        at_start = c == '\n' || at_start && c.is_whitespace();
    }
    out
}
