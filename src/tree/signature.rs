//! The first line of a rendered file: whose it is, and whether anybody has changed it.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::tree::TreePath;

const MARK: &str = "Made by bayplan from ";
pub(super) const DIGEST: &str = "sha256:";
/// Half of SHA-256 is beyond accident, and the line stays short.
const DIGEST_DIGITS: usize = 32;

/// Whose a file is, by its first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// The signature fits what follows.
    Ours,
    /// There is a signature, but it is not the one of what follows: a person changed the file.
    Edited,
    /// No signature: somebody's.
    Foreign,
}

/// Whether a file of this name can begin with a comment line. JSON cannot.
pub fn can_be_signed(path: &TreePath) -> bool {
    !path.name().to_ascii_lowercase().ends_with(".json")
}

/// The whole file: the signature line, then `content`. The line names `origin` and the digest of `content`,
/// for LF content the start of what `tail -n +2 FILE | sha256sum` prints. It names no version of the program.
pub fn sign(path: &TreePath, origin: &str, content: &str) -> String {
    [&signature_line(path, origin, content), content].concat()
}

/// The first line of [`sign`], line end and all.
pub(super) fn signature_line(path: &TreePath, origin: &str, content: &str) -> String {
    let name = path.name().to_ascii_lowercase();
    let html = [".md", ".html", ".htm"].iter().any(|end| name.ends_with(end));
    let (open, close) = if html { ("<!--", " -->") } else { ("#", "") };
    let digest = digest(content);
    format!("{open} {MARK}{origin}: edit that, not this file. {DIGEST}{digest}{close}\n")
}

/// Reads the first line of a file and holds it against the rest. Line endings do not count, neither does a
/// byte order mark or a missing last newline. A signature that is cut short or garbled is never ours.
pub fn signature(text: &str) -> Signed {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (line, body) = text.split_once('\n').unwrap_or((text, ""));
    if !has_mark(line.as_bytes()) {
        return Signed::Foreign;
    }
    match digest_in(line) {
        Some(written) if written == digest(body) => Signed::Ours,
        _ => Signed::Edited,
    }
}

/// Whether a file that begins with these bytes claims a signature. [`SIGNATURE_START`] bytes are enough, so
/// that files of other people need not be read.
pub fn looks_signed(start: &[u8]) -> bool {
    has_mark(start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start))
}

fn has_mark(line: &[u8]) -> bool {
    let comment = line.strip_prefix(b"<!-- ").or_else(|| line.strip_prefix(b"# "));
    comment.is_some_and(|text| text.starts_with(MARK.as_bytes()))
}

/// How many bytes [`looks_signed`] looks at, at most.
pub const SIGNATURE_START: usize = 32;

fn digest_in(line: &str) -> Option<&str> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let line = if line.starts_with("<!--") { line.strip_suffix(" -->")? } else { line };
    let (_, digest) = line.rsplit_once(DIGEST)?;
    (digest.len() == DIGEST_DIGITS).then_some(digest)
}

/// Over the lines, each ended by one LF.
pub(super) fn digest(content: &str) -> String {
    let mut hash = Sha256::new();
    if content.ends_with('\n') && !content.contains('\r') {
        hash.update(content);
    } else {
        for line in content.lines() {
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
