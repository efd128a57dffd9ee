//! The few lines of a source that a finding needs, safe to print and of bounded length.
//!
//! The drawing crate is given only these lines: characters spelled out, long lines cut around what
//! is marked. So neither a long file nor a one-line file of a megabyte costs more than its labels.

use std::ops::Range;

use super::escape::{visible, visible_source};
use crate::diagnostic::Label;
use crate::source::{FileId, Source, Sources};

/// Labels of one file that are further apart than this many lines are drawn apart.
const FURTHEST: usize = 2000;

/// A span over more lines than this is shown at its first line.
const MOST_LINES: usize = 20;

/// A line longer than this many bytes is cut around its marks.
const WIDEST: usize = 400;

/// How much of a cut line is shown before the first mark.
const BEFORE: usize = 40;

/// Some lines of one file, with the labels that stand in them.
pub(super) struct Excerpt<'a> {
    /// `path:line:column` of what the reader should look at first.
    pub place: String,
    /// The lines. Only those near a label have their text; the others are empty.
    pub text: String,
    /// The number of the first line.
    pub first_line: usize,
    /// Byte ranges of `text`, and what is to be said of them.
    pub marks: Vec<(Range<usize>, &'a Label)>,
}

/// One excerpt for each group of labels near one another: that of the first label in `labels`
/// first, the others in file order.
pub(super) fn excerpts<'a>(labels: &[&'a Label], sources: &Sources) -> Vec<Excerpt<'a>> {
    let mut spots: Vec<Spot> = labels.iter().map(|label| spot(label, sources)).collect();
    spots.sort_by_key(|spot| (spot.file, spot.range.start, spot.range.end));
    let near =
        |a: &Spot, b: &Spot| a.file == b.file && b.first_line - a.last_line.min(b.first_line) <= FURTHEST;
    let mut groups: Vec<&[Spot]> = spots.chunk_by(near).collect();
    groups.sort_by_key(|group| !group.iter().any(|spot| holds(labels, spot)));
    groups.into_iter().map(|group| excerpt(group, sources)).collect()
}

fn holds(labels: &[&Label], spot: &Spot) -> bool {
    labels.first().is_some_and(|first| std::ptr::eq(*first, spot.label))
}

/// A label with its place worked out.
struct Spot<'a> {
    label: &'a Label,
    file: FileId,
    range: Range<usize>,
    first_line: usize,
    last_line: usize,
}

fn spot<'a>(label: &'a Label, sources: &Sources) -> Spot<'a> {
    let source = sources.get(label.span.file);
    let mut range = source.range(label.span);
    // What ends with a line end would otherwise be drawn into the next line.
    range.end = range.start + source.text[range.clone()].trim_end_matches(['\n', '\r']).len();
    let first_line = source.line_number(range.start);
    let mut last_line = source.line_number(range.end);
    if last_line - first_line > MOST_LINES {
        range.end = source.line_around(range.start).end;
        last_line = first_line;
    }
    Spot { label, file: label.span.file, range, first_line, last_line }
}

fn excerpt<'a>(spots: &[Spot<'a>], sources: &Sources) -> Excerpt<'a> {
    let main = spots.iter().find(|spot| spot.label.primary).unwrap_or(&spots[0]);
    let source = sources.get(main.file);
    let position = source.position(u32::try_from(main.range.start).unwrap_or(u32::MAX));
    let first_line = spots.iter().map(|spot| spot.first_line).min().unwrap_or(1);
    let (text, ranges) = draw_lines(source, spots, first_line);
    Excerpt {
        place: format!("{}:{}:{}", visible(&source.path), position.line, position.column),
        text,
        first_line,
        marks: ranges.into_iter().zip(spots.iter().map(|spot| spot.label)).collect(),
    }
}

/// The lines from `first_line` to the last that a spot touches, and where each spot is in them.
fn draw_lines(source: &Source, spots: &[Spot], first_line: usize) -> (String, Vec<Range<usize>>) {
    let last_line = spots.iter().map(|spot| spot.last_line).max().unwrap_or(first_line);
    let start = spots.iter().map(|spot| spot.range.start).min().unwrap_or(0);
    let mut line = source.line_around(start);
    let mut text = String::new();
    let mut ranges = vec![0..0; spots.len()];
    for number in first_line..=last_line {
        if spots.iter().any(|spot| (spot.first_line..=spot.last_line + 1).contains(&number)) {
            draw_line(source, line.clone(), spots, &mut text, &mut ranges);
        }
        if number < last_line {
            text.push('\n');
            line = source.line_around((line.end + 1).min(source.text.len()));
        }
    }
    // The drawing crate knows no empty last line.
    if text.is_empty() || text.ends_with('\n') {
        text.push(' ');
    }
    (text, ranges)
}

fn draw_line(
    source: &Source,
    line: Range<usize>,
    spots: &[Spot],
    text: &mut String,
    ranges: &mut [Range<usize>],
) {
    let shown = window(source, &line, spots);
    if shown.start > line.start {
        text.push_str("...");
    }
    let from = text.len();
    let drawn = |offset: usize| {
        from + visible_source(&source.text[shown.start..offset.clamp(shown.start, shown.end)]).len()
    };
    for (spot, range) in spots.iter().zip(ranges) {
        if touches(&line, spot.range.start) {
            range.start = drawn(spot.range.start);
        }
        if touches(&line, spot.range.end) {
            range.end = drawn(spot.range.end);
        }
    }
    text.push_str(&visible_source(&source.text[shown.clone()]));
    if source.text[shown.end..line.end] != *"\r" && shown.end < line.end {
        text.push_str("...");
    }
}

/// Whether the line holds `offset`, its end included.
fn touches(line: &Range<usize>, offset: usize) -> bool {
    (line.start..=line.end).contains(&offset)
}

/// The part of a line that is shown: all of it, or what surrounds its first mark.
fn window(source: &Source, line: &Range<usize>, spots: &[Spot]) -> Range<usize> {
    let text = &source.text;
    let end = line.start + text[line.clone()].trim_end_matches('\r').len();
    if line.len() <= WIDEST {
        return line.start..end;
    }
    let marks = spots.iter().flat_map(|spot| [spot.range.start, spot.range.end]);
    let first = marks.filter(|at| touches(line, *at)).min().unwrap_or(line.start);
    let start = text.floor_char_boundary(first.saturating_sub(BEFORE).max(line.start)).min(end);
    start..text.floor_char_boundary((start + WIDEST).min(end)).max(start)
}
