//! Where a value stands: files, byte ranges, lines and columns.

use std::fmt;
use std::ops::Deref;

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
    pub fn new(file: FileId, range: std::ops::Range<usize>) -> Self {
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { file, start: clamp(range.start), end: clamp(range.end) }
    }

    /// A narrower range inside this one, by byte offsets from its start.
    pub fn narrow(self, range: std::ops::Range<usize>) -> Self {
        let clamp = |n: usize| self.start.saturating_add(u32::try_from(n).unwrap_or(u32::MAX)).min(self.end);
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
    /// The whole text.
    pub text: String,
    lines: Vec<u32>,
}

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
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let starts = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1);
        let lines =
            std::iter::once(0).chain(starts).map(|at| u32::try_from(at).unwrap_or(u32::MAX)).collect();
        Self { path: path.into(), text, lines }
    }

    /// The line and column of a byte offset; offsets past the end count as the end.
    pub fn position(&self, offset: u32) -> Position {
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let start = self.lines[line - 1] as usize;
        let end = self.floor(offset as usize);
        Position { line, column: self.text[start.min(end)..end].chars().count() + 1 }
    }

    /// The text of a span, clamped to the file and to whole characters.
    pub fn slice(&self, span: Span) -> &str {
        &self.text[self.range(span)]
    }

    /// A span as a byte range that is safe to slice with.
    pub fn range(&self, span: Span) -> std::ops::Range<usize> {
        let start = self.floor(span.start as usize);
        start..self.floor(span.end as usize).max(start)
    }

    /// The same text with stars in place of some spans: as long, so that every place stays where it is.
    #[must_use]
    pub fn masked<'s>(&self, secrets: impl IntoIterator<Item = &'s Span>) -> Self {
        let mut masked = self.clone();
        for secret in secrets {
            let range = self.range(*secret);
            masked.text.replace_range(range.clone(), &stars(&self.text[range]));
        }
        masked
    }

    fn floor(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset.min(self.text.len()))
    }
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
        FileId(u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX))
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
