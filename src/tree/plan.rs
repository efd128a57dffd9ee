//! Writing, pruning and "is it stale?" are one comparison of what is wanted with what stands.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use crate::tree::signature::{Parts, Seal, same_body};
use crate::tree::{Signed, Tree, TreePath, looks_signed, signature};

/// What stands at a path below the output folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A regular file and all of its text.
    File(String),
    /// A file of ours that nobody has changed. Its text is read again if another is wanted.
    Ours(Seal),
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
pub struct Existing {
    entries: BTreeMap<TreePath, Entry>,
    passed: Vec<(String, &'static str)>,
}

impl Existing {
    /// Adds what stands at `path`.
    pub fn insert(&mut self, path: TreePath, entry: Entry) {
        self.entries.insert(path, entry);
    }

    /// What stands at `path`.
    pub fn get(&self, path: &TreePath) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// The text files that carry no signature of ours: what people put beside our files, ordered by path.
    pub fn hand_written(&self) -> impl Iterator<Item = (&TreePath, &str)> {
        self.entries.iter().filter_map(|(path, entry)| match entry {
            Entry::File(text) if !looks_signed(text.as_bytes()) => Some((path, text.as_str())),
            _ => None,
        })
    }

    /// The files whose text is not known, and why: those with names that bayplan gives no file come last. A folder
    /// ends in a slash.
    pub fn unread(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let unread = self.entries.iter().filter_map(|(path, entry)| match entry {
            Entry::NotUtf8 => Some((path.as_str(), "is not UTF-8")),
            Entry::TooLarge => {
                Some((path.as_str(), "is larger than the limit for files that bayplan did not write"))
            }
            Entry::Symlink => Some((path.as_str(), "is a symbolic link, and bayplan follows none")),
            _ => None,
        });
        unread.chain(self.passed.iter().map(|(path, reason)| (path.as_str(), *reason)))
    }

    /// Adds what is not looked into, and why.
    pub fn pass_over(&mut self, passed: Vec<(String, &'static str)>) {
        self.passed = passed;
    }

    /// Paths and what stands there, ordered by path.
    pub fn iter(&self) -> std::collections::btree_map::Iter<'_, TreePath, Entry> {
        self.entries.iter()
    }
}

impl FromIterator<(TreePath, Entry)> for Existing {
    fn from_iter<I: IntoIterator<Item = (TreePath, Entry)>>(entries: I) -> Self {
        Self { entries: entries.into_iter().collect(), passed: Vec::new() }
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
    /// Another kustomization beside a wanted one: kustomize builds no folder that has two.
    SecondKustomization,
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
    /// what never was ours is not. `read` gives the text of a file that is known by its seal; none if it has gone.
    pub fn compare(wanted: &Tree, existing: &Existing, force: bool, read: ReadAgain<'_>) -> Self {
        let mut plan = Self { conflicts: case_twins(wanted), ..Self::default() };
        let blocked = plan.find_blocked_folders(wanted, existing);
        let files: Vec<(&TreePath, &str)> = wanted.iter().collect();
        let signed: Vec<Option<(String, Option<Entry>)>> = files
            .par_iter()
            .map(|(path, content)| {
                let entry = existing.get(path);
                let after = signed_anew(path, &wanted.origin, content, entry)?;
                Some((after, entry.and_then(|entry| known(path, entry, read))))
            })
            .collect();
        for ((path, _), after) in files.into_iter().zip(signed) {
            if !blocked.is_empty() && path.folders().any(|folder| blocked.contains(&folder)) {
                continue;
            }
            match after {
                Some((after, again)) => {
                    let entry = again.as_ref().or_else(|| existing.get(path));
                    plan.place(path, after, entry, force || wanted.shared.contains(path));
                }
                None => drop(plan.unchanged.insert(path.clone())),
            }
        }
        for (path, entry) in existing.iter().filter(|(path, _)| !wanted.contains(path)) {
            let again = known(path, entry, read);
            plan.retire(path, again.as_ref().unwrap_or(entry), wanted, force);
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
                Some(Entry::File(_) | Entry::Ours(_) | Entry::NotUtf8 | Entry::TooLarge) => {
                    Trouble::FileOnTheWay
                }
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
            // What was ours and cannot be read again has gone.
            None | Some(Entry::Ours(_)) => {
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

    fn retire(&mut self, path: &TreePath, entry: &Entry, wanted: &Tree, force: bool) {
        let Entry::File(before) = entry else { return };
        let whose = signature(before);
        if whose == Signed::Foreign && is_second_kustomization(path, wanted) {
            self.conflicts.entry(path.clone()).or_insert(Trouble::SecondKustomization);
        } else if whose == Signed::Ours || (whose == Signed::Edited && force) {
            self.remove.insert(path.clone(), before.clone());
        } else if whose == Signed::Edited {
            let trouble = Trouble::Edited { before: before.clone(), after: None };
            self.conflicts.entry(path.clone()).or_insert(trouble);
        }
    }
}

/// Reads a file of the output folder again.
pub type ReadAgain<'r> = &'r (dyn Fn(&TreePath) -> Option<String> + Sync);

/// What is known by its seal, with all of its text.
fn known(path: &TreePath, entry: &Entry, read: ReadAgain<'_>) -> Option<Entry> {
    matches!(entry, Entry::Ours(_)).then(|| read(path).map(Entry::File)).flatten()
}

/// kustomize reads any of three names.
fn is_second_kustomization(path: &TreePath, wanted: &Tree) -> bool {
    let beside = || path.parent()?.join("kustomization.yaml").ok();
    ["kustomization.yml", "Kustomization"].contains(&path.name())
        && beside().is_some_and(|beside| wanted.contains(&beside))
}

/// The whole file; none if it stands so already, byte by byte.
fn signed_anew(path: &TreePath, origin: &str, content: &str, entry: Option<&Entry>) -> Option<String> {
    let parts = Parts::new(path, origin, content);
    let stands = match entry {
        Some(Entry::File(before)) => parts.are(before),
        Some(Entry::Ours(seal)) => parts.have(seal),
        _ => false,
    };
    (!stands).then(|| parts.joined())
}

/// Git may check out CRLF; that alone must not make a tree stale.
fn same_but_for_line_endings(before: &str, after: &str) -> bool {
    before == after || (before.contains('\r') && before.replace("\r\n", "\n") == after)
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
