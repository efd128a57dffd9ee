//! The line by which a rendered file is known, mostly its first: whose it is, and whether anybody has changed it.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::tree::TreePath;

const MARK: &str = "Made by bayplan from ";
pub(super) const DIGEST: &str = "sha256:";
/// Half of SHA-256 is beyond accident, and the line stays short.
const DIGEST_DIGITS: usize = 32;

/// Whose a file is, by its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// The signature fits what follows.
    Ours,
    /// There is a signature, but it is not the one of what follows: a person changed the file.
    Edited,
    /// No signature: somebody's.
    Foreign,
}

/// Formats of data that have no comments.
const WITHOUT_COMMENTS: [&str; 6] = ["json", "jsonl", "ndjson", "geojson", "csv", "tsv"];

/// How comments begin and end, by the endings of file names. All others have `#`.
const COMMENTS: [(&str, &str, &[&str]); 7] = [
    ("<!-- ", " -->", &["md", "html", "htm", "xhtml", "xml", "svg"]),
    (
        "// ",
        "",
        &[
            "c",
            "cpp",
            "cue",
            "go",
            "groovy",
            "h",
            "java",
            "js",
            "json5",
            "jsonc",
            "jsonnet",
            "kt",
            "libsonnet",
            "mjs",
            "proto",
            "rs",
            "ts",
        ],
    ),
    ("/* ", " */", &["css"]),
    ("-- ", "", &["lua", "sql"]),
    ("; ", "", &["ini"]),
    ("rem ", "", &["bat", "cmd"]),
    (".. ", "", &["rst"]),
];

/// A first line that has to stay the first is at most so long.
const LONGEST_HEAD: usize = 256;

/// Whether a file of this name can hold a comment line.
pub fn can_be_signed(path: &TreePath) -> bool {
    !WITHOUT_COMMENTS.contains(&ending(path).as_str())
}

fn ending(path: &TreePath) -> String {
    path.name().rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default()
}

/// A file as it is to stand: what has to be its first line, the signature, and the rest.
pub(super) struct Parts<'c> {
    head: &'c str,
    line: String,
    body: &'c str,
}

impl<'c> Parts<'c> {
    /// Signs `content`. The line names `origin` and the digest of `content`, for LF content the start of what
    /// `tail -n +2 FILE | sha256sum` prints unless the line is the second. It names no version of the program.
    pub fn new(path: &TreePath, origin: &str, content: &'c str) -> Self {
        let ending = ending(path);
        let of_ending = COMMENTS.iter().find(|(.., endings)| endings.contains(&ending.as_str()));
        let (mut open, mut close) = of_ending.map_or(("# ", ""), |(open, close, _)| (*open, *close));
        let (mut head, mut body) = content.split_at(head_length(content.as_bytes()));
        if is_front_matter(head) {
            match ending.as_str() {
                "md" => (open, close) = ("# ", ""),
                _ => (head, body) = ("", content),
            }
        }
        let digest = digest("", content);
        let line = format!("{open}{MARK}{origin}: edit that, not this file. {DIGEST}{digest}{close}\n");
        Self { head, line, body }
    }

    /// Whether `text` is this file, byte by byte.
    pub fn are(&self, text: &str) -> bool {
        let rest = text.strip_prefix(self.head).and_then(|rest| rest.strip_prefix(self.line.as_str()));
        rest == Some(self.body)
    }

    /// Whether a seal is that of this file.
    pub fn have(&self, seal: &Seal) -> bool {
        let length = self.head.len() + self.line.len() + self.body.len();
        length == seal.length && self.line.strip_suffix('\n') == Some(&*seal.line)
    }

    /// The whole file.
    pub fn joined(&self) -> String {
        [self.head, &self.line, self.body].concat()
    }
}

/// What a file of ours that nobody has changed is known by: all of its text need not be held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    line: Box<str>,
    length: usize,
}

impl Seal {
    /// The seal of a file that stands as it was signed, byte by byte; none of any other.
    pub fn of(text: &str) -> Option<Self> {
        // What a signature does not look at.
        let exact = !text.contains('\r') && !text.starts_with('\u{feff}') && text.ends_with('\n');
        let (_, line, _) = parts(text).filter(|_| exact && signature(text) == Signed::Ours)?;
        Some(Self { line: line.into(), length: text.len() })
    }
}

/// The whole file: `content` with the signature before it, or behind a first line that has to stay the first.
pub fn sign(path: &TreePath, origin: &str, content: &str) -> String {
    Parts::new(path, origin, content).joined()
}

/// The length of a first line that no comment may stand before: a script's, XML's, or the one that opens the front
/// matter of Markdown.
fn head_length(text: &[u8]) -> usize {
    let start = &text[..text.len().min(LONGEST_HEAD)];
    let Some(end) = start.iter().position(|byte| *byte == b'\n') else { return 0 };
    let line = start[..end].trim_ascii_end();
    let stays = line.starts_with(b"#!")
        || (line.starts_with(b"<?xml") && line.ends_with(b"?>"))
        || line == FRONT_MATTER.as_bytes();
    if stays { end + 1 } else { 0 }
}

/// What opens the front matter of Markdown.
const FRONT_MATTER: &str = "---";

fn is_front_matter(head: &str) -> bool {
    head.trim_end() == FRONT_MATTER
}

/// The parts of a file that claims a signature: what stands before it, its line, what follows.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let at = if has_mark(text.as_bytes()) { 0 } else { head_length(text.as_bytes()) };
    let (head, rest) = text.split_at(at);
    let (line, body) = rest.split_once('\n').unwrap_or((rest, ""));
    has_mark(line.as_bytes()).then_some((head, line, body))
}

/// Reads the signature of a file and holds it against the rest. Line endings do not count, neither does a byte
/// order mark or a missing last newline. A signature that is cut short or garbled is never ours.
pub fn signature(text: &str) -> Signed {
    let Some((head, line, body)) = parts(text) else { return Signed::Foreign };
    match digest_in(line) {
        Some(written) if written == digest(head, body) => Signed::Ours,
        _ => Signed::Edited,
    }
}

/// Whether two signed files are the same but for their signatures.
pub(super) fn same_body(one: &str, other: &str) -> bool {
    let body = |text| parts(text).map(|(head, _, body)| digest(head, body));
    body(one) == body(other)
}

/// Whether a file that begins with these bytes claims a signature. [`SIGNATURE_START`] bytes are enough, so
/// that files of other people need not be read.
pub fn looks_signed(start: &[u8]) -> bool {
    let start = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start);
    has_mark(start) || has_mark(&start[head_length(start)..])
}

fn has_mark(line: &[u8]) -> bool {
    let opens = COMMENTS.iter().map(|(open, ..)| *open).chain(["# "]);
    let mut texts = opens.filter_map(|open| line.strip_prefix(open.as_bytes()));
    texts.any(|text| text.starts_with(MARK.as_bytes()))
}

/// How many bytes [`looks_signed`] looks at, at most.
pub const SIGNATURE_START: usize = LONGEST_HEAD + 32;

fn digest_in(line: &str) -> Option<&str> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let closed = COMMENTS.iter().find(|(open, close, _)| !close.is_empty() && line.starts_with(open));
    let line = line.strip_suffix(closed.map_or("", |(_, close, _)| close))?;
    let (_, digest) = line.rsplit_once(DIGEST)?;
    (digest.len() == DIGEST_DIGITS).then_some(digest)
}

/// Over the lines of both, each ended by one LF. The first ends in one, if it is anything.
fn digest(head: &str, body: &str) -> String {
    let mut hash = Sha256::new();
    for part in [head, body] {
        if part.ends_with('\n') && !part.contains('\r') {
            hash.update(part);
            continue;
        }
        for line in part.lines() {
            hash.update(line);
            hash.update("\n");
        }
    }
    let mut digits = String::with_capacity(DIGEST_DIGITS);
    for byte in hash.finalize().iter().take(DIGEST_DIGITS / 2) {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}
