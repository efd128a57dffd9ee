//! The output folder becomes what a plan says: all of it, or nothing.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use bayplan::tree::{Entry, Plan, TreePath};

use super::folder::{Folder, Kind};
use super::lock::Lock;
use super::survey::read_entry;
use super::{child, open_below, shown};

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// New files.
    pub created: usize,
    /// Files with new contents.
    pub changed: usize,
    /// Files that went.
    pub removed: usize,
    /// Files that stood as wanted and were not touched.
    pub unchanged: usize,
    /// Folders that went because the last file in them did.
    pub folders_removed: usize,
}

/// Makes the output folder what `plan` says, conflicts apart: a caller that has any should not get here.
///
/// Every new content is written beside its target and flushed, then everything is looked at once more, then the
/// files are renamed, then the unwanted ones removed. An error before the first rename leaves the folder as it
/// was; a kill at any time leaves each file old or new, and the next run removes what was staged.
pub fn apply(lock: &Lock, plan: &Plan) -> Result<Report> {
    remove_leftovers(&lock.root, None)?;
    let run = Run { lock, plan, writes: writes_of(plan) };
    let mut made = BTreeSet::new();
    if let Err(error) = run.stage(&mut made).and_then(|()| run.expect_as_compared()) {
        run.unstage(&made);
        return Err(error.context(format!("nothing was changed in `{}`", lock.path.display())));
    }
    let folders_removed = run.commit(&made)?;
    Ok(Report {
        created: plan.create.len(),
        changed: plan.change.len(),
        removed: plan.remove.len(),
        unchanged: plan.unchanged.len(),
        folders_removed,
    })
}

/// A file that is to be written.
struct Staged<'a> {
    /// Where to.
    path: &'a TreePath,
    /// All of it.
    text: &'a str,
    /// Its name until everything is there.
    name: String,
}

fn writes_of(plan: &Plan) -> Vec<Staged<'_>> {
    let created = plan.create.iter().map(|(path, after)| (path, after.as_str()));
    let changed = plan.change.iter().map(|(path, change)| (path, change.after.as_str()));
    let writes = created.chain(changed).enumerate();
    writes.map(|(n, (path, text))| Staged { path, text, name: staged_name(n) }).collect()
}

/// Staging waits for the disk, not for the processor: many waiting at once share one flush of the journal.
const STAGING_THREADS: usize = 16;
/// Files of one folder that a thread stages before it takes more, where there are many.
const BATCH: usize = 8;

struct Run<'a> {
    lock: &'a Lock,
    plan: &'a Plan,
    writes: Vec<Staged<'a>>,
}

impl Run<'_> {
    fn stage(&self, made: &mut BTreeSet<TreePath>) -> Result<()> {
        if self.writes.is_empty() {
            return Ok(());
        }
        let mut parents: Vec<TreePath> = self.writes.iter().filter_map(|write| write.path.parent()).collect();
        parents.dedup();
        let folders: BTreeSet<TreePath> =
            parents.iter().flat_map(TreePath::folders).chain(parents.iter().cloned()).collect();
        for path in folders {
            if self.make_folder(&path)? {
                made.insert(path);
            }
        }
        // Of few files none waits for another.
        let batch = (self.writes.len() / STAGING_THREADS / 4).clamp(1, BATCH);
        at_once(&self.of_one_folder(batch), |batch| self.stage_batch(batch))
    }

    /// What is to be written, each time of one folder, and at most so much.
    fn of_one_folder(&self, most: usize) -> Vec<&[Staged<'_>]> {
        let folders = self.writes.chunk_by(|one, next| one.path.folder() == next.path.folder());
        folders.flat_map(|writes| writes.chunks(most)).collect()
    }

    fn make_folder(&self, path: &TreePath) -> Result<bool> {
        let made = self.folder_of(path)?.make(path.name());
        match made {
            Ok(()) => Ok(true),
            // If it is a link or a file, opening it will say so.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error).with_context(|| format!("cannot make `{}`", self.shown(path))),
        }
    }

    /// Files of one folder. Nothing is allocated: that would cost every thread a heap of its own.
    fn stage_batch(&self, batch: &[Staged<'_>]) -> Result<()> {
        let Some(first) = batch.first() else { return Ok(()) };
        let folder = self.folder_of(first.path)?;
        for Staged { path, text, name } in batch {
            let write = || {
                let mut file = folder.write_new(name)?;
                file.write_all(text.as_bytes())?;
                file.sync_all()
            };
            write().with_context(|| format!("cannot write `{}`", self.shown(path)))?;
        }
        Ok(())
    }

    /// Somebody may have saved a file since it was compared.
    fn expect_as_compared(&self) -> Result<()> {
        self.plan.create.par_iter().try_for_each_init(Last::default, |last, (path, _)| {
            self.expect(path, self.same_folder_of(path, last)?.kind(path.name())?.is_none())
        })?;
        for (path, change) in &self.plan.change {
            self.expect_text(path, &change.before)?;
        }
        for (path, before) in &self.plan.remove {
            self.expect_text(path, before)?;
            let writable = self.folder_of(path)?.expect_writable();
            writable.with_context(|| format!("cannot remove `{}`", self.shown(path)))?;
        }
        Ok(())
    }

    fn expect_text(&self, path: &TreePath, before: &str) -> Result<()> {
        let folder = self.folder_of(path)?;
        let stands = folder.kind(path.name())? == Some(Kind::File)
            && matches!(read_entry(&folder, path.name())?, Entry::File(now) if now == before);
        self.expect(path, stands)
    }

    fn expect(&self, path: &TreePath, holds: bool) -> Result<()> {
        if holds {
            return Ok(());
        }
        bail!("`{}` was changed by somebody while bayplan was at work: run it again", self.shown(path))
    }

    fn unstage(&self, made: &BTreeSet<TreePath>) {
        // What cannot be removed now, the next run removes: the fault itself is what the user must hear.
        for Staged { path, name, .. } in &self.writes {
            if let Ok(folder) = self.folder_of(path) {
                let _ = folder.remove(name);
            }
        }
        for path in made.iter().rev() {
            if let Ok(folder) = self.folder_of(path) {
                let _ = folder.remove_folder(path.name());
            }
        }
    }

    fn commit(&self, made: &BTreeSet<TreePath>) -> Result<usize> {
        let mut touched: BTreeSet<Option<TreePath>> = made.iter().map(TreePath::parent).collect();
        let renamed = AtomicUsize::new(0);
        let renames = self.of_one_folder(usize::MAX);
        let done: Result<()> = renames.par_iter().try_for_each_init(Last::default, |last, writes| {
            writes.iter().try_for_each(|Staged { path, name, .. }| {
                self.rename(name, path, last)?;
                renamed.fetch_add(1, Ordering::Relaxed);
                Ok(())
            })
        });
        if let Err(error) = done {
            self.unstage(&BTreeSet::new());
            let (count, all) = (renamed.into_inner(), self.writes.len());
            return Err(error.context(format!("{count} of {all} files are already written: run again")));
        }
        touched.extend(renames.iter().filter_map(|writes| writes.first()).map(|write| write.path.parent()));
        for path in self.plan.remove.keys() {
            let removed = self.folder_of(path)?.remove(path.name());
            removed.with_context(|| format!("cannot remove `{}`", self.shown(path)))?;
            touched.insert(path.parent());
        }
        let emptied = self.plan.remove.keys().map(|path| self.remove_empty_folders(path, &mut touched)).sum();
        let touched: Vec<Option<TreePath>> = touched.into_iter().collect();
        at_once(&touched, |folder| self.sync(folder.as_ref()))?;
        Ok(emptied)
    }

    fn rename(&self, staged: &str, path: &TreePath, last: &mut Last) -> Result<()> {
        let renamed = self.same_folder_of(path, last)?.rename(staged, path.name());
        renamed.with_context(|| format!("cannot replace `{}`", self.shown(path)))
    }

    /// From the folder of a removed file upwards, as long as nothing else is in them.
    fn remove_empty_folders(&self, path: &TreePath, touched: &mut BTreeSet<Option<TreePath>>) -> usize {
        let mut count = 0;
        let mut at = path.parent();
        while let Some(folder) = at {
            let Ok(above) = self.folder_of(&folder) else { break };
            if above.remove_folder(folder.name()).is_err() {
                break;
            }
            count += 1;
            at = folder.parent();
            touched.remove(&Some(folder));
            touched.insert(at.clone());
        }
        count
    }

    fn sync(&self, at: Option<&TreePath>) -> Result<()> {
        let name = || shown(&self.lock.path, at);
        let names = at.into_iter().flat_map(TreePath::components);
        let folder = open_below(&self.lock.root, names);
        match folder.with_context(|| format!("cannot open `{}`", name()))? {
            None => self.lock.root.sync(),
            Some(folder) => folder.sync(),
        }
        .with_context(|| format!("cannot flush `{}`", name()))
    }

    /// The folder that holds `path`, opened from the top, through no link.
    fn folder_of(&self, path: &TreePath) -> Result<Holder<'_>> {
        let folder = self.open_folder_of(path)?;
        Ok(folder.map_or(Holder::Root(&self.lock.root), Holder::Below))
    }

    /// The same, but as files come folder by folder, the last one stays open for the next.
    fn same_folder_of<'l>(&'l self, path: &TreePath, last: &'l mut Last) -> Result<&'l Folder> {
        if last.folder.is_none() || last.at.as_deref() != path.folder() {
            *last = Last { at: path.folder().map(str::to_owned), folder: self.open_folder_of(path)? };
        }
        Ok(last.folder.as_ref().unwrap_or(&self.lock.root))
    }

    fn open_folder_of(&self, path: &TreePath) -> Result<Option<Folder>> {
        let names = path.folder().into_iter().flat_map(|folder| folder.split('/'));
        let folder = open_below(&self.lock.root, names);
        folder.with_context(|| format!("cannot open the folder of `{}`", self.shown(path)))
    }

    fn shown(&self, path: &TreePath) -> String {
        shown(&self.lock.path, Some(path))
    }
}

/// The folder below the root that was opened last.
#[derive(Default)]
struct Last {
    at: Option<String>,
    folder: Option<Folder>,
}

enum Holder<'a> {
    Root(&'a Folder),
    Below(Folder),
}

impl std::ops::Deref for Holder<'_> {
    type Target = Folder;
    fn deref(&self) -> &Folder {
        match self {
            Self::Root(folder) => folder,
            Self::Below(folder) => folder,
        }
    }
}

/// Does `work` on everything, by many threads at once; ends early with the first fault.
fn at_once<T: Sync>(all: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    let (next, fault) = (AtomicUsize::new(0), Mutex::new(None));
    let take = || {
        while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = work(one) {
                next.store(all.len(), Ordering::Relaxed);
                fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..STAGING_THREADS.min(all.len()) {
            // With fewer threads it only takes longer.
            let _ = thread::Builder::new().spawn_scoped(scope, take);
        }
        take();
    });
    fault.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Numbered, not random: the lock keeps other runs away, and a file is only ever made where none is.
pub(super) fn staged_name(n: usize) -> String {
    format!(".bayplan-{}-{n}.tmp", std::process::id())
}

fn is_staged_name(name: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let middle = name.strip_prefix(".bayplan-").and_then(|rest| rest.strip_suffix(".tmp"));
    middle.and_then(|text| text.split_once('-')).is_some_and(|(pid, n)| number(pid) && number(n))
}

/// What a killed run left behind. Only safe under the lock.
fn remove_leftovers(folder: &Folder, at: Option<&TreePath>) -> Result<()> {
    // A folder that may not be listed holds nothing of ours.
    for (name, kind) in folder.list().unwrap_or_default() {
        if kind == Kind::File && is_staged_name(&name) {
            folder
                .remove(&name)
                .with_context(|| format!("cannot remove `{name}` of a run that was killed"))?;
        }
        let Ok(path) = child(at, &name) else { continue };
        if kind == Kind::Folder
            && let Ok(below) = folder.open(&name)
        {
            remove_leftovers(&below, Some(&path))?;
        }
    }
    Ok(())
}
