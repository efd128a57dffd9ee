//! The tree as a value: safe paths, wanted contents, signatures, and how the disk differs from them.
//! Nothing here touches the disk: writing, pruning and "is it stale?" are one comparison, [`Plan::compare`].

mod diff;
mod path;
mod plan;
mod report;
mod signature;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use diff::Medium;
pub use path::{BadPath, MAX_COMPONENT, MAX_PATH, TreePath};
pub use plan::{Change, Entry, Existing, Plan, ReadAgain, Trouble};
pub use report::{CODES, HAND_EDITED_FILE, PATH_TAKEN, PATHS_DIFFER_IN_CASE_ONLY, SYMLINK_IN_TREE};
pub use signature::{SIGNATURE_START, Seal, Signed, can_be_signed, looks_signed, sign, signature};

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

    /// Adds files to an empty tree: ordered by path, and each path once, they are put there in one go.
    pub fn fill(&mut self, files: impl IntoIterator<Item = (TreePath, String)>) {
        self.files = files.into_iter().collect();
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
