//! Paths below the output folder that are safe wherever a repository is checked out.

use std::cmp::Ordering;
use std::fmt;

/// A path below the output folder that is safe on every system a repository is checked out on:
/// relative, `/` between components, unable to climb out. Orders by components, so the files of a
/// folder stand together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TreePath(pub(super) String);

/// Why a text is no [`TreePath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPath {
    /// A predicate, as in "the path …": `holds a backslash`.
    pub reason: &'static str,
}

impl fmt::Display for BadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the path {}", self.reason)
    }
}

impl std::error::Error for BadPath {}

/// The longest path in bytes; below what any system refuses, and a bound on how deep a tree goes.
pub const MAX_PATH: usize = 1024;
/// The longest component in bytes, as common file systems have it.
pub const MAX_COMPONENT: usize = 255;

impl TreePath {
    /// Checks `text`. Errors on whatever some system, Git or a terminal would read differently.
    pub fn parse(text: &str) -> Result<Self, BadPath> {
        let refuse = |reason| Err(BadPath { reason });
        if text.is_empty() {
            return refuse("is empty");
        }
        if text.len() > MAX_PATH {
            return refuse("is longer than 1024 bytes");
        }
        if text.starts_with('/') {
            return refuse("begins with a slash");
        }
        match text.split('/').find_map(fault_of_component) {
            Some(reason) => refuse(reason),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// This path with `more` below it. Errors as [`TreePath::parse`] does.
    pub fn join(&self, more: &str) -> Result<Self, BadPath> {
        if more.starts_with('/') {
            return Err(BadPath { reason: "begins with a slash" });
        }
        Self::parse(&format!("{}/{more}", self.0))
    }

    /// The folder that holds it; none at the top.
    pub fn parent(&self) -> Option<Self> {
        self.folder().map(|folder| Self(folder.to_owned()))
    }

    /// The path of the folder it is in, as text; none at the top.
    pub fn folder(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(folder, _)| folder)
    }

    /// The last component.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(self.as_str(), |(_, name)| name)
    }

    /// The components from the top; at least one.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The folders on the way to it, from the top.
    pub fn folders(&self) -> impl Iterator<Item = Self> {
        self.0.match_indices('/').map(|(at, _)| Self(self.0[..at].to_owned()))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Bytes that are compared at once.
const STEP: usize = 16;

impl Ord for TreePath {
    /// By components. No byte of a path is below the slash that ends one, once that counts as nothing.
    fn cmp(&self, other: &Self) -> Ordering {
        let weight = |byte: u8| if byte == b'/' { 0 } else { byte };
        let (one, two) = (self.0.as_bytes(), other.0.as_bytes());
        // Paths of a tree begin alike for long: that is passed over in larger steps.
        let steps = one.chunks_exact(STEP).zip(two.chunks_exact(STEP));
        let alike = STEP * steps.take_while(|(one, two)| one == two).count();
        let differs = one[alike..].iter().zip(&two[alike..]).find(|(one, two)| one != two);
        differs.map_or(one.len().cmp(&two.len()), |(one, two)| weight(*one).cmp(&weight(*two)))
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn fault_of_component(name: &str) -> Option<&'static str> {
    match name {
        "" => return Some("has an empty component"),
        "." | ".." => return Some("has a `.` or `..` component"),
        _ => {}
    }
    if name.len() > MAX_COMPONENT {
        return Some("has a component longer than 255 bytes");
    }
    if name.contains('\\') {
        return Some("holds a backslash");
    }
    if name.contains(char::is_control) {
        return Some("holds a control character");
    }
    if name.contains(is_invisible) {
        return Some("holds an invisible character");
    }
    fault_on_windows(name).or_else(|| fault_of_owner(name))
}

/// <https://learn.microsoft.com/windows/win32/fileio/naming-a-file>
fn fault_on_windows(name: &str) -> Option<&'static str> {
    if name.contains(['<', '>', ':', '"', '|', '?', '*']) {
        return Some("holds one of `< > : \" | ? *`, which Windows forbids");
    }
    if name.ends_with(['.', ' ']) {
        return Some("has a component that ends in a dot or a space, which Windows drops");
    }
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_lowercase();
    let numbered = |device: &str| {
        stem.strip_prefix(device).is_some_and(|n| matches!(n, "¹" | "²" | "³") || one_digit(n))
    };
    let device = matches!(stem.as_str(), "con" | "prn" | "aux" | "nul" | "conin$" | "conout$");
    (device || numbered("com") || numbered("lpt"))
        .then_some("has a component that Windows keeps for a device")
}

fn one_digit(text: &str) -> bool {
    text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Git's folder runs hooks, and NTFS reads `git~1` as another name for it.
fn fault_of_owner(name: &str) -> Option<&'static str> {
    if name.eq_ignore_ascii_case(".git") || name.eq_ignore_ascii_case("git~1") {
        return Some("has a component that belongs to Git");
    }
    name.starts_with(".bayplan").then_some("has a component that bayplan uses for its own work")
}

/// Characters that show as nothing or turn the line around: a path or a diff with them is not what it seems.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
