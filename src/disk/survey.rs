//! What stands in the output folder.

use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use bayplan::tree::{Entry, Existing, SIGNATURE_START, Seal, TreePath, looks_signed};

use super::folder::{Folder, Kind};
use super::{MAX_OURS, child, open_below, open_named, shown};

/// How many files and folders the output folder may hold: more, and it is the wrong folder.
const MAX_ENTRIES: usize = 1_000_000;
/// How many bytes of the output folder are held in memory, at most.
const MAX_READ: u64 = 1 << 30;

/// Reads what stands in the output folder: our files, and what other people put beside them unless it is large.
/// Follows no symbolic link, enters no `.git`. A folder that is not there is empty. Needs no lock: files are only
/// ever replaced as a whole.
pub fn read_existing(root: &Path) -> Result<Existing> {
    let Some(folder) = open_named(root)? else { return Ok(Existing::default()) };
    let survey = Survey {
        root,
        entries: AtomicUsize::new(0),
        bytes: AtomicU64::new(0),
        passed: Mutex::new(Vec::new()),
    };
    let mut existing: Existing = survey.read(&folder)?.into_iter().collect();
    let mut passed = survey.passed.into_inner().unwrap_or_else(PoisonError::into_inner);
    passed.sort_unstable();
    existing.pass_over(passed);
    Ok(existing)
}

/// Reads a file of the output folder again; none if it has gone, or is no text any more.
pub fn read_again(root: &Path, path: &TreePath) -> Result<Option<String>> {
    let read = || {
        let Some(folder) = open_named(root)? else { return Ok(None) };
        let above = path.parent();
        let folder = match &above {
            Some(above) => open_below(&folder, above.components())?,
            None => Some(folder),
        };
        folder.map(|folder| read_entry(&folder, path.name())).transpose().map_err(anyhow::Error::from)
    };
    match read() {
        Ok(Some(Entry::File(text))) => Ok(Some(text)),
        Ok(_) => Ok(None),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read `{}`", shown(root, Some(path)))),
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::NotFound)
}

struct Survey<'a> {
    root: &'a Path,
    entries: AtomicUsize,
    bytes: AtomicU64,
    /// What is passed over because of its name.
    passed: Mutex<Vec<(String, &'static str)>>,
}

/// What stands in some folders.
type Entries = Vec<(TreePath, Entry)>;

impl Survey<'_> {
    /// Everything below the root. Level by level, so that many folders are read at once and few are open.
    fn read(&self, root: &Folder) -> Result<Entries> {
        let mut entries = self.list(root, None)?;
        let mut known = 0;
        while known < entries.len() {
            let folders = entries[known..].par_iter().filter(|(_, entry)| *entry == Entry::Folder);
            let below: Vec<Entries> =
                folders.map(|(path, _)| self.enter(root, path)).collect::<Result<_>>()?;
            known = entries.len();
            entries.extend(below.into_iter().flatten());
        }
        Ok(entries)
    }

    fn list(&self, folder: &Folder, at: Option<&TreePath>) -> Result<Entries> {
        let items = folder.list().with_context(|| format!("cannot list `{}`", shown(self.root, at)))?;
        if self.entries.fetch_add(items.len(), Ordering::Relaxed) + items.len() > MAX_ENTRIES {
            bail!("`{}` holds over {MAX_ENTRIES} files: is it the output folder?", self.root.display());
        }
        let mut entries = Entries::with_capacity(items.len());
        for (name, kind) in items {
            // A name that we would never write is never ours; but it may be a manifest's.
            let path = match child(at, &name) {
                Ok(path) => path,
                Err(bad) => {
                    self.pass_over(at, &name, kind, bad.reason);
                    continue;
                }
            };
            let entry = match kind {
                Kind::Nameless => {
                    self.pass_over(at, &name, kind, "has a name that is not UTF-8");
                    None
                }
                Kind::Symlink => Some(Entry::Symlink),
                Kind::Special => Some(Entry::Special),
                Kind::File => self.read_file(folder, &path)?,
                Kind::Folder => Some(Entry::Folder),
            };
            entries.extend(entry.map(|entry| (path, entry)));
        }
        Ok(entries)
    }

    /// Remembers what is not looked into.
    fn pass_over(&self, at: Option<&TreePath>, name: &str, kind: Kind, reason: &'static str) {
        if name.starts_with('.') {
            return;
        }
        let above = at.map(|at| format!("{at}/")).unwrap_or_default();
        let below = if kind == Kind::Folder { "/" } else { "" };
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.push((format!("{above}{name}{below}"), reason));
    }

    fn enter(&self, root: &Folder, path: &TreePath) -> Result<Entries> {
        match open_below(root, path.components()) {
            Ok(Some(folder)) => self.list(&folder, Some(path)),
            Ok(None) => Ok(Entries::new()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Entries::new()),
            // What may not be read may be ours, or a manifest that a kustomization has to list.
            Err(error) => {
                Err(error).with_context(|| format!("cannot open `{}`", shown(self.root, Some(path))))
            }
        }
    }

    fn read_file(&self, folder: &Folder, path: &TreePath) -> Result<Option<Entry>> {
        match read_entry(folder, path.name()) {
            Ok(Entry::File(text)) => {
                let length = text.len() as u64;
                if self.bytes.fetch_add(length, Ordering::Relaxed) + length > MAX_READ {
                    bail!("`{}` holds over {} MiB of rendered files", self.root.display(), MAX_READ >> 20);
                }
                // Mostly all of them stand as they are wanted: their texts would be as much again as the tree.
                Ok(Some(Seal::of(&text).map_or_else(|| Entry::File(text), Entry::Ours)))
            }
            Ok(entry) => Ok(Some(entry)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(error).with_context(|| format!("cannot read `{}`", shown(self.root, Some(path))))
            }
        }
    }
}

pub(super) fn read_entry(folder: &Folder, name: &str) -> io::Result<Entry> {
    let file = folder.read(name)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Ok(Entry::Special);
    }
    if found.len() > MAX_OURS {
        return Ok(Entry::TooLarge);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0));
    (&file).take(SIGNATURE_START as u64).read_to_end(&mut bytes)?;
    if found.len() > MAX_THEIRS && !looks_signed(&bytes) {
        return Ok(Entry::TooLarge);
    }
    file.take(MAX_OURS).read_to_end(&mut bytes)?;
    Ok(String::from_utf8(bytes).map_or(Entry::NotUtf8, Entry::File))
}

/// Other people's files are read up to this size: bundles of CRDs have a few MiB, and data does not matter.
const MAX_THEIRS: u64 = 8 << 20;
