//! The tree as a value: safe paths, wanted contents, signatures, and how the disk differs from them.
//! Nothing here touches the disk: writing, pruning and "is it stale?" are one comparison, [`Plan::compare`].

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};
use sha2::{Digest, Sha256};
use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};

use crate::diagnostic::{Code, Diagnostic, Diagnostics, codes};
use crate::source::{Source, Sources, Span, begins_command};

codes! {
    /// A file that carries our signature was changed by a person.
    HAND_EDITED_FILE = ("hand-edited-file", Tree, Error, "a rendered file was changed by hand, so rendering would lose the change");
    /// Something that bayplan did not write stands where a file is wanted.
    PATH_TAKEN = ("path-taken", Tree, Error, "something that bayplan did not write stands where a file is to be rendered");
    /// A symbolic link stands at a wanted path or on the way to it.
    SYMLINK_IN_TREE = ("symlink-in-tree", Tree, Error, "a symbolic link stands where a file or folder is to be rendered");
    /// Two wanted paths are one on a file system that ignores case.
    PATHS_DIFFER_IN_CASE_ONLY = ("paths-differ-in-case-only", Tree, Error, "two rendered paths differ only in upper and lower case: on macOS and Windows they are one");
}

/// A path below the output folder that is safe on every system a repository is checked out on:
/// relative, `/` between components, unable to climb out. Orders by components, so the files of a
/// folder stand together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TreePath(String);

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
        self.0.rsplit_once('/').map(|(folder, _)| Self(folder.to_owned()))
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

impl Ord for TreePath {
    /// By components. No byte of a path is below the slash that ends one, once that counts as nothing.
    fn cmp(&self, other: &Self) -> Ordering {
        let weight = |byte: u8| if byte == b'/' { 0 } else { byte };
        let (one, two) = (self.0.as_bytes(), other.0.as_bytes());
        let differs = one.iter().zip(two).find(|(one, two)| one != two);
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
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The files that a run wants to stand in the output folder: contents without the signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The inventory's file name, named in every signature.
    origin: String,
    files: BTreeMap<TreePath, String>,
    /// Files that others change, too, and that were read back: a change is no reason to keep them.
    shared: BTreeSet<TreePath>,
}

impl Tree {
    /// An empty tree, made from the inventory of this file name (folders before it are dropped).
    pub fn new(origin: &str) -> Self {
        let name = origin.rsplit(['/', '\\']).next().unwrap_or(origin);
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' };
        Self {
            origin: name.chars().take(40).map(plain).collect(),
            files: BTreeMap::new(),
            shared: BTreeSet::new(),
        }
    }

    /// Adds a file that others change, too, whose contents have been read back into `content`.
    pub fn insert_shared(&mut self, path: TreePath, content: String) {
        self.shared.insert(path.clone());
        self.insert(path, content);
    }

    /// Adds a file; hands back the content that stood at this path before, if any.
    pub fn insert(&mut self, path: TreePath, content: impl Into<String>) -> Option<String> {
        self.files.insert(path, content.into())
    }

    /// The wanted content of a file.
    pub fn get(&self, path: &TreePath) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether a file is wanted.
    pub fn contains(&self, path: &TreePath) -> bool {
        self.files.contains_key(path)
    }

    /// Files and contents, ordered by path.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&TreePath, &str)> {
        self.files.iter().map(|(path, content)| (path, content.as_str()))
    }

    /// How many files are wanted.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// No file at all.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Every folder that a wanted file needs.
    fn folders(&self) -> BTreeSet<TreePath> {
        let mut parents: Vec<&str> =
            self.files.keys().filter_map(|path| Some(path.0.rsplit_once('/')?.0)).collect();
        // Files of one folder follow one another.
        parents.dedup();
        let parents = parents.into_iter().map(|parent| TreePath(parent.to_owned()));
        parents.flat_map(|parent| parent.folders().chain([parent.clone()]).collect::<Vec<_>>()).collect()
    }

    /// The signature line says where a file comes from: `inventory.toml` or as [`Tree::new`] was told.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

const MARK: &str = "Made by bayplan from ";
const DIGEST: &str = "sha256:";
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
    let name = path.name().to_ascii_lowercase();
    let html = [".md", ".html", ".htm"].iter().any(|end| name.ends_with(end));
    let (open, close) = if html { ("<!--", " -->") } else { ("#", "") };
    let digest = digest(content);
    format!("{open} {MARK}{origin}: edit that, not this file. {DIGEST}{digest}{close}\n{content}")
}

/// Reads the first line of a file and holds it against the rest. Line endings do not count, neither does a
/// byte order mark or a missing last newline. A signature that is cut short or garbled is never ours.
pub fn signature(text: &str) -> Signed {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (line, body) = text.split_once('\n').unwrap_or((text, ""));
    if !looks_signed(line.as_bytes()) {
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
    let start = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start);
    let comment = start.strip_prefix(b"<!-- ").or_else(|| start.strip_prefix(b"# "));
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
fn digest(content: &str) -> String {
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

/// What stands at a path below the output folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A regular file and all of its text.
    File(String),
    /// A regular file that is not UTF-8.
    NotUtf8,
    /// A regular file too large to be one of ours.
    TooLarge,
    /// A symbolic link, wherever it leads.
    Symlink,
    /// A folder.
    Folder,
    /// A pipe, a socket, a device.
    Special,
}

/// What stands in the output folder, as far as it matters: everything at a wanted path or on the way to one,
/// every file that claims a signature, and what people put beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Existing(BTreeMap<TreePath, Entry>);

impl Existing {
    /// Adds what stands at `path`.
    pub fn insert(&mut self, path: TreePath, entry: Entry) {
        self.0.insert(path, entry);
    }

    /// What stands at `path`.
    pub fn get(&self, path: &TreePath) -> Option<&Entry> {
        self.0.get(path)
    }

    /// The text files that carry no signature of ours: what people put beside our files, ordered by path.
    pub fn hand_written(&self) -> impl Iterator<Item = (&TreePath, &str)> {
        self.0.iter().filter_map(|(path, entry)| match entry {
            Entry::File(text) if !looks_signed(text.as_bytes()) => Some((path, text.as_str())),
            _ => None,
        })
    }

    /// Paths and what stands there, ordered by path.
    pub fn iter(&self) -> std::collections::btree_map::Iter<'_, TreePath, Entry> {
        self.0.iter()
    }
}

impl FromIterator<(TreePath, Entry)> for Existing {
    fn from_iter<I: IntoIterator<Item = (TreePath, Entry)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

/// A file that is to be written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What stands there.
    pub before: String,
    /// What is wanted, signature line and all.
    pub after: String,
}

/// What stands in the way of a wanted file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A person changed a file of ours: what it says, and what is wanted instead (none: the file is to go).
    Edited {
        /// The file as it stands.
        before: String,
        /// The wanted file, signature line and all.
        after: Option<String>,
    },
    /// A file without our signature.
    Foreign,
    /// A file that is not UTF-8 or too large.
    NotText,
    /// A folder where a file is wanted.
    Folder,
    /// A pipe, a socket, a device.
    Special,
    /// A file where a folder is wanted.
    FileOnTheWay,
    /// A symbolic link.
    Symlink,
    /// A wanted file stands where another wanted file needs a folder.
    WantedTwice,
    /// Another wanted path that differs only in case.
    CaseTwin(TreePath),
}

/// What a run would do to the output folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// New files, signature line and all.
    pub create: BTreeMap<TreePath, String>,
    /// Files of ours that say something else; with `force`, those that a person changed, too.
    pub change: BTreeMap<TreePath, Change>,
    /// Files that already stand as wanted.
    pub unchanged: BTreeSet<TreePath>,
    /// Files of ours that nobody wants any more, and what they say.
    pub remove: BTreeMap<TreePath, String>,
    /// What must not be touched, by the path where it stands. While there is any, a render writes nothing.
    pub conflicts: BTreeMap<TreePath, Trouble>,
}

impl Plan {
    /// Compares what is wanted with what stands. With `force`, files of ours that a person changed are replaced;
    /// what never was ours is not.
    pub fn compare(wanted: &Tree, existing: &Existing, force: bool) -> Self {
        let mut plan = Self { conflicts: case_twins(wanted), ..Self::default() };
        let blocked = plan.find_blocked_folders(wanted, existing);
        let files: Vec<(&TreePath, &str)> = wanted.iter().collect();
        let signed: Vec<String> =
            files.par_iter().map(|(path, content)| sign(path, &wanted.origin, content)).collect();
        for ((path, _), after) in files.into_iter().zip(signed) {
            if blocked.is_empty() || !path.folders().any(|folder| blocked.contains(&folder)) {
                plan.place(path, after, existing.get(path), force || wanted.shared.contains(path));
            }
        }
        for (path, entry) in existing.iter().filter(|(path, _)| !wanted.contains(path)) {
            plan.retire(path, entry, force);
        }
        plan
    }

    /// Whether the output folder differs from what is wanted, conflicts included.
    pub fn is_stale(&self) -> bool {
        !(self.create.is_empty()
            && self.change.is_empty()
            && self.remove.is_empty()
            && self.conflicts.is_empty())
    }

    fn find_blocked_folders(&mut self, wanted: &Tree, existing: &Existing) -> BTreeSet<TreePath> {
        let folders = wanted.folders();
        let mut blocked = BTreeSet::new();
        for folder in folders {
            let trouble = match existing.get(&folder) {
                _ if wanted.contains(&folder) => Trouble::WantedTwice,
                Some(Entry::Symlink) => Trouble::Symlink,
                Some(Entry::File(_) | Entry::NotUtf8 | Entry::TooLarge) => Trouble::FileOnTheWay,
                Some(Entry::Special) => Trouble::Special,
                Some(Entry::Folder) | None => continue,
            };
            self.conflicts.insert(folder.clone(), trouble);
            blocked.insert(folder);
        }
        blocked
    }

    fn place(&mut self, path: &TreePath, after: String, entry: Option<&Entry>, force: bool) {
        let trouble = match entry {
            None => {
                self.create.insert(path.clone(), after);
                return;
            }
            Some(Entry::File(before)) => return self.place_over(path, before, after, force),
            Some(Entry::NotUtf8 | Entry::TooLarge) => Trouble::NotText,
            Some(Entry::Symlink) => Trouble::Symlink,
            Some(Entry::Folder) => Trouble::Folder,
            Some(Entry::Special) => Trouble::Special,
        };
        self.conflicts.entry(path.clone()).or_insert(trouble);
    }

    fn place_over(&mut self, path: &TreePath, before: &str, after: String, force: bool) {
        if same_but_for_line_endings(before, &after) {
            self.unchanged.insert(path.clone());
            return;
        }
        let trouble = match signature(before) {
            Signed::Edited if !force && !same_body(before, &after) => {
                Trouble::Edited { before: before.to_owned(), after: Some(after) }
            }
            Signed::Foreign => Trouble::Foreign,
            Signed::Ours | Signed::Edited => {
                self.change.insert(path.clone(), Change { before: before.to_owned(), after });
                return;
            }
        };
        self.conflicts.entry(path.clone()).or_insert(trouble);
    }

    fn retire(&mut self, path: &TreePath, entry: &Entry, force: bool) {
        let Entry::File(before) = entry else { return };
        let whose = signature(before);
        if whose == Signed::Ours || (whose == Signed::Edited && force) {
            self.remove.insert(path.clone(), before.clone());
        } else if whose == Signed::Edited {
            let trouble = Trouble::Edited { before: before.clone(), after: None };
            self.conflicts.entry(path.clone()).or_insert(trouble);
        }
    }
}

/// Git may check out CRLF; that alone must not make a tree stale.
fn same_but_for_line_endings(before: &str, after: &str) -> bool {
    before == after || (before.contains('\r') && before.replace("\r\n", "\n") == after)
}

fn same_body(before: &str, after: &str) -> bool {
    let body = |text: &str| digest(text.split_once('\n').map_or("", |(_, body)| body));
    body(before) == body(after)
}

fn case_twins(wanted: &Tree) -> BTreeMap<TreePath, Trouble> {
    let mut paths = wanted.folders();
    paths.extend(wanted.files.keys().cloned());
    let mut spellings: BTreeMap<String, TreePath> = BTreeMap::new();
    let mut twins = BTreeMap::new();
    for path in paths {
        let folded = path.as_str().to_lowercase();
        match spellings.get(&folded) {
            Some(first) => drop(twins.insert(path, Trouble::CaseTwin(first.clone()))),
            None => drop(spellings.insert(folded, path)),
        }
    }
    twins
}

impl Plan {
    /// The conflicts as findings. Adds one source for each, shown as `folder/path`: for a hand-edited file its
    /// text, with the label at the first line that differs; for anything else an empty text and an empty span,
    /// since only the path matters. Control characters in the text are for the reporter to escape.
    pub fn report(&self, folder: &str, sources: &mut Sources) -> Diagnostics {
        let mut found = Diagnostics::default();
        for (path, trouble) in &self.conflicts {
            found.push(trouble.report(path, folder, sources));
        }
        found
    }
}

impl Trouble {
    fn report(&self, path: &TreePath, folder: &str, sources: &mut Sources) -> Diagnostic {
        let text = if let Self::Edited { before, .. } = self { before.as_str() } else { "" };
        let file = sources.add(Source::new(below(folder, path), text));
        let span = Span::new(file, self.first_difference());
        let (code, label, message) = self.words(path);
        let finding = code.at(span, label, message).help(self.help());
        match self {
            Self::CaseTwin(other) => {
                let file = sources.add(Source::new(below(folder, other), ""));
                finding.because(Span::new(file, 0..0), "the other one")
            }
            _ => finding,
        }
    }

    fn first_difference(&self) -> std::ops::Range<usize> {
        let Self::Edited { before, after } = self else { return 0..0 };
        // The signature always differs, and says nothing: it is shown only when the file is to go.
        let wanted = after.as_deref().map(|text| text.lines().skip(1));
        let Some(mut wanted) = wanted else { return 0..before.lines().next().map_or(0, str::len) };
        let mut at = before.find('\n').map_or(before.len(), |end| end + 1);
        for line in before.split_inclusive('\n').skip(1) {
            let bare = line.trim_end_matches(['\r', '\n']);
            if wanted.next() != Some(bare) {
                return at..at + bare.len();
            }
            at += line.len();
        }
        at..at
    }

    fn words(&self, path: &TreePath) -> (&'static Code, &'static str, String) {
        let taken = |label, what: &str| {
            (&PATH_TAKEN, label, format!("`{path}` is to be rendered, but {what} stands there"))
        };
        match self {
            Self::Edited { after: Some(_), .. } => (
                &HAND_EDITED_FILE,
                "differs from what the inventory says from here on",
                format!("`{path}` was changed by hand since it was rendered"),
            ),
            Self::Edited { after: None, .. } => (
                &HAND_EDITED_FILE,
                "this signature no longer fits the file",
                format!("`{path}` is no longer wanted, but was changed by hand since it was rendered"),
            ),
            Self::Foreign => taken("has no bayplan signature", "a file that bayplan did not write"),
            Self::NotText => taken("not UTF-8, or too large", "a file that bayplan did not write"),
            Self::Folder => taken("a folder", "a folder"),
            Self::Special => taken("neither file nor folder", "a pipe, socket or device"),
            Self::FileOnTheWay => taken("a file", "a file where a folder is needed"),
            Self::WantedTwice => taken("wanted as a file and as a folder", "another rendered file"),
            Self::Symlink => (
                &SYMLINK_IN_TREE,
                "a symbolic link",
                format!("`{path}` is a symbolic link, and bayplan writes through none"),
            ),
            Self::CaseTwin(other) => (
                &PATHS_DIFFER_IN_CASE_ONLY,
                "one of the two",
                format!("`{path}` and `{other}` differ only in upper and lower case"),
            ),
        }
    }

    fn help(&self) -> &'static str {
        match self {
            Self::Edited { after: Some(_), .. } => {
                "move the change into the inventory or a template; `--force` drops it"
            }
            Self::Edited { after: None, .. } => {
                "remove the file, or delete its first line to keep it as your own; `--force` removes it"
            }
            Self::Foreign | Self::NotText | Self::Folder | Self::Special | Self::FileOnTheWay => {
                "move it elsewhere, or delete it"
            }
            Self::Symlink => "replace the link by a real file or folder",
            Self::WantedTwice | Self::CaseTwin(_) => {
                "rename one of the two in the inventory or the templates"
            }
        }
    }
}

fn below(folder: &str, path: &TreePath) -> String {
    match folder.trim_end_matches('/') {
        "" if folder.is_empty() => path.to_string(),
        folder => format!("{folder}/{path}"),
    }
}

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
fn escape(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{
        Change, DIGEST, Entry, Existing, Medium, Plan, Signed, Tree, TreePath, Trouble, can_be_signed,
        escape, sign, signature,
    };
    use crate::source::Sources;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).unwrap()
    }

    fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new("inventory.toml");
        for (name, content) in files {
            tree.insert(path(name), *content);
        }
        tree
    }

    fn signed(name: &str, content: &str) -> String {
        sign(&path(name), "inventory.toml", content)
    }

    fn standing(files: &[(&str, Entry)]) -> Existing {
        files.iter().map(|(name, entry)| (path(name), entry.clone())).collect()
    }

    fn text(content: impl Into<String>) -> Entry {
        Entry::File(content.into())
    }

    fn names<T>(map: &std::collections::BTreeMap<TreePath, T>) -> Vec<&str> {
        map.keys().map(TreePath::as_str).collect()
    }

    #[test]
    fn paths_that_some_system_reads_differently_are_refused() {
        let long = "a".repeat(256);
        let deep = "a/".repeat(600) + "a";
        for bad in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "./a",
            "a\\b",
            "a\0",
            "a\nb",
            "a\u{1b}[0m",
            "a\u{85}",
            "C:/a",
            "a:b",
            "a?",
            "a*",
            "a|b",
            "a\"b",
            "a<b",
            "a.",
            "a ",
            "con",
            "CON.yaml",
            "a/Nul",
            "com1.yaml",
            "LPT9",
            "COM¹",
            "aux .yaml",
            ".git",
            "a/.GIT/hooks",
            "GIT~1",
            ".bayplan-1-2.tmp",
            ".bayplan.lock",
            "a\u{202e}b",
            "a\u{200b}",
            "\u{feff}a",
            &long,
            &deep,
        ] {
            assert!(TreePath::parse(bad).is_err(), "{bad:?}");
        }
        for good in [
            "a",
            "apps/web/base/web.yaml",
            "{stack}.yaml",
            ".github/x",
            "com10",
            "console",
            "ü/é",
            "a b",
            "…",
        ] {
            assert_eq!(path(good).as_str(), good);
        }
    }

    #[test]
    fn a_path_knows_its_parts_and_cannot_climb() {
        let p = path("a/b/c.yaml");
        assert_eq!((p.name(), p.parent()), ("c.yaml", Some(path("a/b"))));
        assert_eq!(p.folders().collect::<Vec<_>>(), [path("a"), path("a/b")]);
        assert_eq!(path("a").parent(), None);
        assert_eq!(path("a").join("b/c"), Ok(path("a/b/c")));
        for bad in ["", "..", "/etc", "b/../../c"] {
            assert!(path("a").join(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn paths_order_by_component() {
        // By bytes, `a-b` would stand between `a` and what is in it.
        assert!(path("a/z") < path("a-b"));
        assert!(path("a") < path("a/b"));
    }

    #[test]
    fn a_signature_is_one_plain_line_with_the_digest_of_the_rest() {
        let file = signed("a.yaml", "a: 1\n");
        // printf 'a: 1\n' | sha256sum
        let expected = "# Made by bayplan from inventory.toml: edit that, not this file. \
                        sha256:37b128c59f1f5097f73f82691cb519f1\na: 1\n";
        assert_eq!(file, expected);
        let markdown = signed("README.MD", "# Hi\n");
        let line = markdown.lines().next().unwrap();
        assert!(
            line.starts_with("<!-- Made by bayplan ") && line.ends_with(" -->") && line.len() < 120,
            "{line}"
        );
        assert_eq!(signature(&file), Signed::Ours);
        assert_eq!(signature(&markdown), Signed::Ours);
        assert!(!can_be_signed(&path("a.JSON")) && can_be_signed(&path("a.yaml")));
    }

    #[test]
    fn the_origin_is_a_bare_tame_name() {
        assert_eq!(Tree::new("/home/me/x/lab.yaml").origin(), "lab.yaml");
        assert_eq!(Tree::new("C:\\x\\lab.toml").origin(), "lab.toml");
        assert_eq!(Tree::new("a\n--> sha256:b").origin(), "a-----sha256-b");
        assert!(signed("a.yaml", "").lines().next().unwrap().len() < 120);
        assert!(sign(&path("a.md"), Tree::new(&"x".repeat(999)).origin(), "").len() < 150);
    }

    #[test]
    fn line_endings_a_mark_and_the_last_newline_do_not_count() {
        let file = signed("a.yaml", "a: 1\nb: 2\n");
        for same in [
            file.replace('\n', "\r\n"),
            format!("\u{feff}{file}"),
            file.trim_end().to_owned(),
            file.replace('\n', "\r\n").trim_end().to_owned(),
        ] {
            assert_eq!(signature(&same), Signed::Ours, "{same:?}");
        }
        assert_eq!(signature(&signed("a.yaml", "")), Signed::Ours);
        assert_eq!(signature(signed("a.yaml", "").trim_end()), Signed::Ours);
    }

    #[test]
    fn whatever_a_person_does_to_a_file_shows() {
        let file = signed("a.yaml", "a: 1\nb: 2\n");
        for edited in [
            file.replace("b: 2", "b: 3"),
            format!("{file}\n"),
            format!("{file}c: 3\n"),
            file.replace("a: 1\n", ""),
            file.replace("a: 1\n", "a: 1\r\r\n"),
            file.replace("a: 1", "a: 1 "),
            file.replacen("sha256:", "sha256:0", 1),
            file.replacen("sha256:", "sha255:", 1),
            file.lines().next().unwrap().to_owned(),
        ] {
            assert_eq!(signature(&edited), Signed::Edited, "{edited:?}");
        }
        for foreign in ["", "\n", "a: 1\n", "# Made by hand\n", &format!("---\n{file}"), &format!(" {file}")]
        {
            assert_eq!(signature(foreign), Signed::Foreign, "{foreign:?}");
        }
    }

    #[test]
    fn a_signature_cut_short_is_never_ours() {
        let file = signed("a.md", "");
        for end in 0..file.trim_end().len() {
            assert_ne!(signature(&file[..end]), Signed::Ours, "{:?}", &file[..end]);
        }
    }

    #[test]
    fn a_plan_sorts_files_by_what_is_to_be_done() {
        let wanted =
            tree(&[("new.yaml", "n\n"), ("old.yaml", "2\n"), ("same.yaml", "s\n"), ("crlf.yaml", "a\nb\n")]);
        let existing = standing(&[
            ("old.yaml", text(signed("old.yaml", "1\n"))),
            ("same.yaml", text(signed("same.yaml", "s\n"))),
            ("crlf.yaml", text(signed("crlf.yaml", "a\nb\n").replace('\n', "\r\n"))),
            ("gone/gone.yaml", text(signed("gone/gone.yaml", "g\n"))),
            ("gone", Entry::Folder),
            ("hand.yaml", text("mine\n")),
            ("link.yaml", Entry::Symlink),
            ("pipe", Entry::Special),
            ("blob", Entry::NotUtf8),
        ]);
        for force in [false, true] {
            let plan = Plan::compare(&wanted, &existing, force);
            assert_eq!(names(&plan.create), ["new.yaml"]);
            assert_eq!(names(&plan.change), ["old.yaml"]);
            assert_eq!(names(&plan.remove), ["gone/gone.yaml"]);
            assert_eq!(
                plan.unchanged.iter().map(TreePath::as_str).collect::<Vec<_>>(),
                ["crlf.yaml", "same.yaml"]
            );
            assert!(plan.conflicts.is_empty() && plan.is_stale());
        }
    }

    #[test]
    fn what_stands_as_wanted_is_not_stale() {
        let wanted = tree(&[("a.yaml", "a\n")]);
        let existing = standing(&[("a.yaml", text(signed("a.yaml", "a\n"))), ("b.yaml", text("mine"))]);
        let plan = Plan::compare(&wanted, &existing, false);
        assert!(!plan.is_stale());
        assert_eq!(plan.diff("out", Medium::Pipe), "");
        assert!(!Plan::compare(&Tree::new("x"), &Existing::default(), false).is_stale());
    }

    #[test]
    fn hand_edits_are_kept_unless_forced() {
        let edited = |name| text(signed(name, "old\n").replace("old\n", "by hand\n"));
        let existing = standing(&[("a.yaml", edited("a.yaml")), ("gone.yaml", edited("gone.yaml"))]);
        let wanted = tree(&[("a.yaml", "2\n")]);
        let plan = Plan::compare(&wanted, &existing, false);
        assert_eq!(names(&plan.conflicts), ["a.yaml", "gone.yaml"]);
        assert!(plan.change.is_empty() && plan.remove.is_empty() && plan.is_stale());
        assert_eq!(plan.diff("", Medium::Pipe), "");
        let edits = plan.diff_of_edits("", Medium::Pipe);
        assert!(edits.contains("-by hand\n") && edits.contains("+2\n"), "{edits}");

        let forced = Plan::compare(&wanted, &existing, true);
        assert!(forced.conflicts.is_empty());
        assert_eq!((names(&forced.change), names(&forced.remove)), (vec!["a.yaml"], vec!["gone.yaml"]));
    }

    #[test]
    fn only_a_stale_signature_over_the_wanted_body_is_mended() {
        let stale = signed("a.yaml", "old\n").replace("old\n", "2\n");
        let plan = Plan::compare(&tree(&[("a.yaml", "2\n")]), &standing(&[("a.yaml", text(stale))]), false);
        assert_eq!((names(&plan.change), plan.conflicts.len()), (vec!["a.yaml"], 0));
    }

    #[test]
    fn a_file_of_somebody_else_is_never_replaced() {
        let wanted = tree(&[("a.yaml", "1\n"), ("b.yaml", "1\n")]);
        let existing = standing(&[("a.yaml", text("mine\n")), ("b.yaml", Entry::NotUtf8)]);
        for force in [false, true] {
            let plan = Plan::compare(&wanted, &existing, force);
            assert_eq!(plan.conflicts[&path("a.yaml")], Trouble::Foreign);
            assert_eq!(plan.conflicts[&path("b.yaml")], Trouble::NotText);
            assert!(plan.change.is_empty());
        }
    }

    #[test]
    fn no_force_goes_through_links_folders_and_pipes() {
        let wanted = tree(&[
            ("dir/a.yaml", "1\n"),
            ("dir/sub/b.yaml", "1\n"),
            ("file/a.yaml", "1\n"),
            ("folder", "1\n"),
            ("link.yaml", "1\n"),
            ("pipe", "1\n"),
            ("x", "1\n"),
            ("x/y", "1\n"),
        ]);
        let existing = standing(&[
            ("dir", Entry::Symlink),
            ("file", text("f")),
            ("folder", Entry::Folder),
            ("link.yaml", Entry::Symlink),
            ("pipe", Entry::Special),
        ]);
        let plan = Plan::compare(&wanted, &existing, true);
        let expected = [
            ("dir", Trouble::Symlink),
            ("file", Trouble::FileOnTheWay),
            ("folder", Trouble::Folder),
            ("link.yaml", Trouble::Symlink),
            ("pipe", Trouble::Special),
            ("x", Trouble::WantedTwice),
        ];
        let found: Vec<_> =
            plan.conflicts.iter().map(|(path, trouble)| (path.as_str(), trouble.clone())).collect();
        assert_eq!(found, expected);
        assert_eq!((names(&plan.create), plan.change.len()), (vec!["x"], 0));
    }

    #[test]
    fn paths_that_differ_in_case_only_are_found_in_folders_too() {
        let wanted = tree(&[("Apps/a.yaml", ""), ("apps/b.yaml", ""), ("c.yaml", ""), ("C.yaml", "")]);
        let plan = Plan::compare(&wanted, &Existing::default(), false);
        assert_eq!(plan.conflicts[&path("apps")], Trouble::CaseTwin(path("Apps")));
        assert_eq!(plan.conflicts[&path("c.yaml")], Trouble::CaseTwin(path("C.yaml")));
        assert_eq!(plan.conflicts.len(), 2);
    }

    #[test]
    fn a_finding_points_at_the_first_line_that_differs() {
        let edited = signed("a.yaml", "a: 1\nb: 2\nc: 3\n").replace("b: 2", "b: by hand");
        let wanted = tree(&[("a.yaml", "a: 1\nb: 2\nc: 4\n"), ("l.yaml", ""), ("T", ""), ("t", "")]);
        let existing = standing(&[("a.yaml", text(edited)), ("l.yaml", Entry::Symlink)]);
        let mut sources = Sources::default();
        let found = Plan::compare(&wanted, &existing, false).report("out/", &mut sources);
        let places: Vec<_> = found
            .iter()
            .map(|finding| {
                let source = sources.get(finding.primary().file);
                (finding.code.name, source.path.as_str(), source.slice(finding.primary()))
            })
            .collect();
        assert_eq!(
            places,
            [
                ("hand-edited-file", "out/a.yaml", "b: by hand"),
                ("symlink-in-tree", "out/l.yaml", ""),
                ("paths-differ-in-case-only", "out/t", ""),
            ]
        );
        assert_eq!(found.iter().map(|f| f.labels.len()).collect::<Vec<_>>(), [1, 1, 2]);
    }

    #[test]
    fn a_diff_is_what_git_would_write() {
        let plan = Plan {
            create: [(path("a b.yaml"), "x\n".to_owned())].into(),
            change: [(
                path("c.yaml"),
                Change { before: "1\n2\n3\n4\n5\n6".into(), after: "1\n2\n3\n4\n5\n7\n".into() },
            )]
            .into(),
            remove: [(path("b.yaml"), "y\r\nz\n".to_owned())].into(),
            ..Plan::default()
        };
        let expected = "--- /dev/null\n+++ b/out/a b.yaml\t\n@@ -0,0 +1 @@\n+x\n\
                        --- a/out/b.yaml\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-y\r\n-z\n\
                        --- a/out/c.yaml\n+++ b/out/c.yaml\n@@ -3,4 +3,4 @@\n 3\n 4\n 5\n\
                        -6\n\\ No newline at end of file\n+7\n";
        assert_eq!(plan.diff("out", Medium::Pipe), expected);
        assert_eq!(plan.diff("out", Medium::Terminal), expected.replace('\r', ""));
    }

    #[test]
    fn a_terminal_sees_no_control_characters() {
        assert_eq!(escape("a\u{1b}[31m\tb\n\r\u{7f}\u{202e}é"), "a\\u{1b}[31m\tb\n\\u{d}\\u{7f}\\u{202e}é");
    }

    /// Checks a diff by applying it, hunk by hunk.
    fn patched(before: &str, diff: &str) -> String {
        let old: Vec<&str> = before.split_inclusive('\n').collect();
        let (mut out, mut at) = (String::new(), 0);
        let mut lines = diff.split_inclusive('\n').skip(2).peekable();
        while let Some(line) = lines.next() {
            if let Some(head) = line.strip_prefix("@@ -") {
                let range = head.split(' ').next().unwrap();
                let (start, len) = range.split_once(',').unwrap_or((range, "1"));
                let start: usize = start.parse().unwrap();
                let start = if len == "0" { start } else { start - 1 };
                out.extend(old[at..start].iter().copied());
                at = start;
                continue;
            }
            let bare = lines.next_if(|next| next.starts_with('\\')).is_some();
            let body = if bare { line[1..].trim_end_matches('\n') } else { &line[1..] };
            if !line.starts_with('+') {
                assert_eq!(old[at], body);
                at += 1;
            }
            if !line.starts_with('-') {
                out.push_str(body);
            }
        }
        out.extend(old[at..].iter().copied());
        out
    }

    fn diff_of(before: &str, after: &str) -> String {
        let change = Change { before: before.to_owned(), after: after.to_owned() };
        Plan { change: [(path("x"), change)].into(), ..Plan::default() }.diff("", Medium::Pipe)
    }

    #[test]
    fn a_diff_of_huge_files_is_coarse_but_right() {
        let line = |n: usize, what: &str| format!("{what} {n}\n");
        let head: String = (0..9_000).map(|n| line(n, "same")).collect();
        let one: String = (0..11_000).map(|n| line(n, "old")).collect();
        let two: String = (0..10_500).map(|n| line(n, "new")).collect();
        for (before, after) in [
            (format!("{head}{one}{head}"), format!("{head}{two}{head}")),
            (format!("{head}a\n{head}"), format!("{head}b\nc\n{head}")),
            (one.clone(), format!("{one}more\n")),
        ] {
            assert_eq!(patched(&before, &diff_of(&before, &after)), after);
        }
        assert!(diff_of(&format!("{head}a\n{head}"), &format!("{head}b\n{head}")).lines().count() < 12);
    }

    proptest! {
        #[test]
        fn any_text_makes_a_path_or_an_error(text in any::<String>()) {
            if let Ok(path) = TreePath::parse(&text) {
                prop_assert!(path.components().all(|c| !c.is_empty() && c != "." && c != ".." && !c.contains('\0')));
                prop_assert_eq!(TreePath::parse(path.as_str()), Ok(path));
            }
        }

        #[test]
        fn what_is_signed_is_ours_and_stays_so_with_crlf(content in "([a-z:é ]{0,6}\n){0,6}[a-z]{0,3}") {
            let file = signed("a.yaml", &content);
            prop_assert_eq!(signature(&file), Signed::Ours);
            prop_assert_eq!(signature(&file.replace('\n', "\r\n")), Signed::Ours);
        }

        #[test]
        fn any_text_has_a_signature_or_none(text in any::<String>(), cut in 0usize..200) {
            prop_assert_eq!(signature(&text), Signed::Foreign);
            let file = signed("a.yaml", &text);
            let start = &file[..file.floor_char_boundary(cut)];
            prop_assert!(start.contains(DIGEST) || signature(start) != Signed::Ours);
        }

        #[test]
        fn a_diff_patches_one_text_into_the_other(
            before in "([ab]\r?\n){0,12}[ab]?", after in "([ab]\r?\n){0,12}[ab]?",
        ) {
            if before != after {
                prop_assert_eq!(patched(&before, &diff_of(&before, &after)), after);
            }
        }

        #[test]
        fn a_plan_done_is_a_plan_with_nothing_to_do(
            wanted in proptest::collection::btree_map("[ab](/[ab]){0,2}", "[xy\n]{0,4}", 0..5),
            stands in proptest::collection::btree_map("[ab](/[ab]){0,2}", "[xy\n]{0,4}", 0..5),
        ) {
            let pairs: Vec<(&str, &str)> = wanted.iter().map(|(p, c)| (p.as_str(), c.as_str())).collect();
            let tree = tree(&pairs);
            let mut existing: Existing =
                stands.iter().map(|(name, content)| (path(name), text(signed(name, content)))).collect();
            let plan = Plan::compare(&tree, &existing, false);
            if plan.conflicts.is_empty() {
                existing = existing.iter().filter(|(p, _)| !plan.remove.contains_key(*p))
                    .map(|(p, e)| (p.clone(), e.clone())).collect();
                for (path, after) in &plan.create { existing.insert(path.clone(), Entry::File(after.clone())); }
                for (path, change) in &plan.change { existing.insert(path.clone(), Entry::File(change.after.clone())); }
                prop_assert!(!Plan::compare(&tree, &existing, false).is_stale());
            }
        }
    }
}
