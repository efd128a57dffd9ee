//! Where a value stands: files, byte ranges, lines and columns.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::{Arc, OnceLock};

/// Names one of the files that a run has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A byte range in one file. Orders by file, then by place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The range `start..end` of `file`. Files over 4 GiB are refused long before this.
    pub fn new(file: FileId, range: Range<usize>) -> Self {
        Self { file, start: clamped(range.start), end: clamped(range.end) }
    }

    /// A narrower range inside this one, by byte offsets from its start.
    pub fn narrow(self, range: Range<usize>) -> Self {
        let clamp = |n: usize| self.start.saturating_add(clamped(n)).min(self.end);
        Self { file: self.file, start: clamp(range.start), end: clamp(range.end) }
    }
}

/// A value and the place it was read from. Equality looks at both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spanned<T> {
    /// What the file says.
    pub value: T,
    /// Where it says so.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// `value`, read at `span`.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// The same place with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Display> fmt::Display for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// One text that a run has read, under the path that messages show.
#[derive(Clone, Debug)]
pub struct Source {
    /// As messages show it: relative to where the command was called.
    pub path: String,
    /// The whole text, shared by all copies.
    pub text: Arc<str>,
    /// Where each line begins.
    lines: Vec<u32>,
    /// How many characters stand before each block, once somebody asks: a line may be as long as the text.
    counts: OnceLock<Vec<u32>>,
}

/// After so many bytes characters are counted anew.
const BLOCK: usize = 512;

/// Whether a `[` behind `before` would begin a command: the runners of GitHub and Azure obey `##[error]` and
/// `##vso[…]` wherever they stand in a line of their log.
pub fn begins_command(before: &str) -> bool {
    let ends = |mark: &str| {
        before
            .len()
            .checked_sub(mark.len())
            .and_then(|at| before.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(mark))
    };
    ends("##") || ends("##vso")
}

/// Whether a terminal or viewer might act on `c`, or hide it, instead of showing it.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fdd0}'..='\u{fdef}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// A line and a column, both from 1. The column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Source {
    /// `text`, shown as `path`.
    pub fn new(path: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let starts = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(starts).map(clamped).collect();
        Self { path: path.into(), text, lines, counts: OnceLock::new() }
    }

    /// The line and column of a byte offset; offsets past the end count as the end.
    pub fn position(&self, offset: u32) -> Position {
        let line = self.line_number(offset as usize);
        let end = self.floor(offset as usize);
        let start = (self.lines[line - 1] as usize).min(end);
        let column = if end - start < BLOCK {
            characters(&self.text.as_bytes()[start..end])
        } else {
            self.characters_before(end) - self.characters_before(start)
        };
        Position { line, column: column + 1 }
    }

    /// The number of the line that a byte offset stands in, from 1.
    pub fn line_number(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start as usize <= offset).max(1)
    }

    /// The line that a byte offset stands in, without its line end.
    pub fn line_around(&self, offset: usize) -> Range<usize> {
        let number = self.line_number(offset);
        let end = self.lines.get(number).map_or(self.text.len(), |next| *next as usize - 1);
        self.lines[number - 1] as usize..end
    }

    /// Where the line of a number begins, from 1; the end if there are not so many.
    pub fn line_start(&self, number: usize) -> usize {
        self.lines.get(number.saturating_sub(1)).map_or(self.text.len(), |start| *start as usize)
    }

    fn characters_before(&self, offset: usize) -> usize {
        let counts = self.counts.get_or_init(|| counts(&self.text));
        let block = offset / BLOCK;
        counts[block] as usize + characters(&self.text.as_bytes()[block * BLOCK..offset])
    }

    /// The text of a span, clamped to the file and to whole characters.
    pub fn slice(&self, span: Span) -> &str {
        &self.text[self.range(span)]
    }

    /// A span as a byte range that is safe to slice with.
    pub fn range(&self, span: Span) -> Range<usize> {
        let start = self.floor(span.start as usize);
        start..self.floor(span.end as usize).max(start)
    }

    /// The same text with stars in place of some spans: as long, so that every place stays where it is.
    #[must_use]
    pub fn masked<'s>(&self, secrets: impl IntoIterator<Item = &'s Span>) -> Self {
        let mut secrets = secrets.into_iter().peekable();
        if secrets.peek().is_none() {
            return self.clone();
        }
        let mut text = self.text.to_string();
        for secret in secrets {
            let range = self.range(*secret);
            text.replace_range(range.clone(), &stars(&self.text[range]));
        }
        Self { text: text.into(), ..self.clone() }
    }

    fn floor(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset.min(self.text.len()))
    }
}

/// How many characters begin in some bytes of a text.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| !matches!(byte, 0x80..=0xbf)).count()
}

/// How many characters begin before each block of a text.
fn counts(text: &str) -> Vec<u32> {
    let sums = text.as_bytes().chunks(BLOCK).scan(0, |sum, block| {
        *sum += characters(block);
        Some(*sum)
    });
    std::iter::once(0).chain(sums).map(clamped).collect()
}

fn clamped(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// As many bytes, characters and lines as `text` has. Quotes at its ends stay.
fn stars(text: &str) -> String {
    let quote = |c: char| c == '"' || c == '\'';
    let start = text.len() - text.trim_start_matches(quote).len();
    let end = text.trim_end_matches(quote).len().max(start);
    let star = |(at, c): (usize, char)| match c.len_utf8() {
        _ if at < start || at >= end || c == '\n' || c == '\r' => c,
        1 => '*',
        2 => '·',
        3 => '•',
        _ => '𝌆',
    };
    text.char_indices().map(star).collect()
}

/// What the paths of built-in templates begin with.
pub const BUILT_IN: &str = "(built in)/";

/// Every text that a run has read. Spans point into it.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// Adds a text and returns its name.
    pub fn add(&mut self, source: Source) -> FileId {
        self.0.push(source);
        FileId(clamped(self.0.len() - 1))
    }

    /// The same texts with stars in place of some spans.
    #[must_use]
    pub fn masked(&self, secrets: &[Span]) -> Self {
        let masked =
            self.0.iter().zip(0..).map(|(source, file)| {
                source.masked(secrets.iter().filter(|secret| secret.file == FileId(file)))
            });
        Self(masked.collect())
    }

    /// Gives the files other paths. Built-in templates keep theirs: they are no files.
    pub fn rename(&mut self, name: impl Fn(&str) -> String) {
        for source in self.0.iter_mut().filter(|source| !source.path.starts_with(BUILT_IN)) {
            source.path = name(&source.path);
        }
    }

    /// The text that `id` names. `id` must come from [`Sources::add`] on this value.
    pub fn get(&self, id: FileId) -> &Source {
        &self.0[id.0 as usize]
    }
}

/// Templates and reports see the value alone.
impl<T: serde::Serialize> serde::Serialize for Spanned<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, Source};

    /// Lines short and long, with characters of one byte to four on and beside the ends of blocks.
    fn text() -> String {
        let long = "aß日🐳".repeat(BLOCK);
        [&"x".repeat(BLOCK - 1), "", "ß\r", &long, &long[1..], "", "end"].join("\n")
    }

    #[test]
    fn places_in_long_lines_are_those_that_counting_finds() {
        for text in [text(), text() + "\n", String::new()] {
            let source = Source::new("t", text.clone());
            for offset in 0..text.len() + 3 {
                let end = text.floor_char_boundary(offset.min(text.len()));
                let before = &text[..end];
                let start = before.rfind('\n').map_or(0, |at| at + 1);
                let position = source.position(offset as u32);
                assert_eq!(position.line, before.matches('\n').count() + 1, "{offset}");
                assert_eq!(position.column, before[start..].chars().count() + 1, "{offset}");
                let line = text[end..].find('\n').map_or(text.len(), |at| end + at);
                assert_eq!(source.line_around(offset), start..line, "{offset}");
            }
        }
    }

    #[test]
    fn lines_begin_where_their_numbers_say() {
        let source = Source::new("t", "a\r\n\nb");
        assert_eq!([0, 1, 2, 3, 4].map(|number| source.line_start(number)), [0, 0, 3, 4, 5]);
    }
}
