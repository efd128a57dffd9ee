//! Reads inputs and the old tree, applies a plan. The only file I/O of the program besides `cli`.

mod beside;
mod folder;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use anyhow::{Context, Result, anyhow, bail};
use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

pub use beside::{read_beside, write_signed};

use bayplan::tree::{Entry, Existing, Plan, SIGNATURE_START, TreePath, looks_signed};
use folder::{Folder, Kind};

/// The largest inventory, in bytes.
pub const MAX_INVENTORY: u64 = 64 << 20;
/// The largest template, in bytes.
pub const MAX_TEMPLATE: u64 = 1 << 20;
/// How many templates a folder may hold.
pub const MAX_TEMPLATES: usize = 10_000;
/// The largest file that can be one of ours, in bytes.
pub const MAX_OURS: u64 = 64 << 20;
/// How many bytes all templates of a folder may have together.
pub const MAX_ALL_TEMPLATES: u64 = 64 << 20;
/// How many bytes of the output folder are held in memory, at most.
const MAX_READ: u64 = 1 << 30;
/// How many files and folders the output folder may hold: more, and it is the wrong folder.
const MAX_ENTRIES: usize = 1_000_000;

/// Reads the inventory, as [`read_text`] does, but through no symbolic link that leads out of the folder it stands in:
/// a message shows lines of it, and in a repository anybody may have made the link.
///
/// # Errors
///
/// As [`read_text`]'s, and if there is such a link.
pub fn read_inventory(path: &Path) -> Result<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_symlink()
        && let (Ok(target), Ok(folder)) = (path.canonicalize(), folder.canonicalize())
        && !is_own(&folder, &target)
    {
        bail!(
            "`{}` is a symbolic link out of its folder: name the file that it leads to with --inventory",
            path.display()
        );
    }
    read_text(path, MAX_INVENTORY)
}

/// Whether a file lies below a folder, and is not Git's own.
fn is_own(folder: &Path, target: &Path) -> bool {
    let is_git = |part: std::path::Component<'_>| part.as_os_str().eq_ignore_ascii_case(".git");
    target.strip_prefix(folder).is_ok_and(|below| !below.components().any(is_git))
}

/// Reads a text file of at most `limit` bytes, following symbolic links. A byte order mark is dropped.
/// Errors name the file: missing, a folder, a pipe or device (never waits), too large, not UTF-8 (and where).
pub fn read_text(path: &Path, limit: u64) -> Result<String> {
    let shown = path.display();
    let found = std::fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow!("there is no file `{shown}`"),
        _ => anyhow!(error).context(format!("cannot read `{shown}`")),
    })?;
    if found.is_dir() {
        bail!("`{shown}` is a folder, not a file");
    }
    if !found.is_file() {
        bail!("`{shown}` is no regular file (a pipe, socket or device)");
    }
    let file = open_input(path).with_context(|| format!("cannot read `{shown}`"))?;
    into_text(file, limit).map_err(|fault| fault.told(&shown.to_string(), limit))
}

#[cfg(unix)]
fn open_input(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    // Should a pipe have taken the file's place since the look at it, opening must not wait.
    Ok(open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?.into())
}

#[cfg(not(unix))]
fn open_input(path: &Path) -> io::Result<File> {
    File::open(path)
}

enum Fault {
    Io(io::Error),
    Special,
    TooLarge,
    NotUtf8(usize),
}

impl Fault {
    fn told(self, shown: &str, limit: u64) -> anyhow::Error {
        match self {
            Self::Io(error) => anyhow!(error).context(format!("cannot read `{shown}`")),
            Self::Special => anyhow!("`{shown}` is no regular file"),
            Self::TooLarge => anyhow!("`{shown}` is larger than {} MiB", limit >> 20),
            Self::NotUtf8(at) => anyhow!("`{shown}` is not UTF-8: see byte {at}, counted from 0"),
        }
    }
}

fn into_text(file: File, limit: u64) -> Result<String, Fault> {
    let bytes = into_bytes(file, limit)?;
    let mut text = String::from_utf8(bytes).map_err(|e| Fault::NotUtf8(e.utf8_error().valid_up_to()))?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

fn into_bytes(file: File, limit: u64) -> Result<Vec<u8>, Fault> {
    let found = file.metadata().map_err(Fault::Io)?;
    if !found.is_file() {
        return Err(Fault::Special);
    }
    if found.len() > limit {
        return Err(Fault::TooLarge);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0));
    // It may grow while it is read.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(Fault::Io)?;
    if bytes.len() as u64 > limit { Err(Fault::TooLarge) } else { Ok(bytes) }
}

/// Opens a folder that the user named; none if there is nothing. Errors if it is no folder or a symbolic link.
fn open_named(path: &Path) -> Result<Option<Folder>> {
    let shown = path.display();
    match Folder::at(path) {
        Ok(folder) => Ok(Some(folder)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let plain: PathBuf = path.components().collect();
            match std::fs::symlink_metadata(plain) {
                Ok(found) if found.is_symlink() => {
                    bail!("`{shown}` is a symbolic link: name the folder that it leads to")
                }
                Ok(found) if !found.is_dir() => bail!("`{shown}` is not a folder"),
                _ => Err(error).with_context(|| format!("cannot open the folder `{shown}`")),
            }
        }
    }
}

/// Reads every `*.j2` below `dir`, ordered by path; none if there is no such folder. What begins with a dot is
/// passed over. Errors on a symbolic link, a name that is no [`TreePath`], too many or too large files.
pub fn read_templates(dir: &Path) -> Result<Option<Vec<(TreePath, String)>>> {
    let Some(root) = open_named(dir)? else { return Ok(None) };
    let mut templates = Vec::new();
    read_templates_in(&root, None, dir, &mut templates, &mut 0)?;
    templates.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(Some(templates))
}

fn read_templates_in(
    folder: &Folder,
    at: Option<&TreePath>,
    dir: &Path,
    templates: &mut Vec<(TreePath, String)>,
    bytes: &mut u64,
) -> Result<()> {
    for (name, kind) in folder.list().with_context(|| format!("cannot list `{}`", shown(dir, at)))? {
        let is_template = name.ends_with(".j2");
        if name.starts_with('.') || (kind == Kind::File && !is_template) {
            continue;
        }
        let path =
            child(at, &name).map_err(|bad| anyhow!("`{}/{}`: {bad}", shown(dir, at), name.escape_debug()))?;
        let full = shown(dir, Some(&path));
        match kind {
            Kind::Symlink => bail!("`{full}` is a symbolic link; templates must be files of their own"),
            Kind::Special => bail!("`{full}` is no regular file"),
            Kind::Folder => {
                let below = folder.open(&name).with_context(|| format!("cannot open `{full}`"))?;
                read_templates_in(&below, Some(&path), dir, templates, bytes)?;
            }
            Kind::File if templates.len() == MAX_TEMPLATES => {
                bail!("`{}` holds more than {MAX_TEMPLATES} templates", dir.display())
            }
            Kind::File => {
                let file = folder.read(&name).with_context(|| format!("cannot read `{full}`"))?;
                let text = into_text(file, MAX_TEMPLATE).map_err(|fault| fault.told(&full, MAX_TEMPLATE))?;
                *bytes += text.len() as u64;
                if *bytes > MAX_ALL_TEMPLATES {
                    bail!(
                        "the templates in `{}` are larger than {} MiB",
                        dir.display(),
                        MAX_ALL_TEMPLATES >> 20
                    );
                }
                templates.push((path, text));
            }
        }
    }
    Ok(())
}

/// The text of a file somewhere below `root`; none if there is none. No symbolic link is followed on the way.
///
/// # Errors
///
/// If a link or anything else that is no folder or file is on the way, or the file is too large or not UTF-8.
pub fn read_below(root: &Path, path: &TreePath, limit: u64) -> Result<Option<String>> {
    let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    let root = root.canonicalize().with_context(|| format!("cannot open the folder `{}`", root.display()))?;
    let Some(mut folder) = open_named(&root)? else { return Ok(None) };
    for above in path.folders() {
        match folder.kind(above.name()).with_context(|| format!("cannot look at `{above}`"))? {
            None => return Ok(None),
            Some(Kind::Folder) => {}
            Some(_) => bail!("`{above}` is no folder of its own: links are not followed"),
        }
        folder = folder.open(above.name()).with_context(|| format!("cannot open `{above}`"))?;
    }
    match folder.kind(path.name()).with_context(|| format!("cannot look at `{path}`"))? {
        None => return Ok(None),
        Some(Kind::File) => {}
        Some(_) => bail!("`{path}` is no file of its own: links are not followed"),
    }
    let file = folder.read(path.name()).with_context(|| format!("cannot read `{path}`"))?;
    into_text(file, limit).map(Some).map_err(|fault| fault.told(path.as_str(), limit))
}

fn child(at: Option<&TreePath>, name: &str) -> Result<TreePath, bayplan::tree::BadPath> {
    at.map_or_else(|| TreePath::parse(name), |folder| folder.join(name))
}

fn shown(root: &Path, at: Option<&TreePath>) -> String {
    match at {
        Some(path) => format!("{}/{path}", root.display()),
        None => root.display().to_string(),
    }
}

/// Writes a file below `root`, which is made if it is missing. Whatever is there already is kept, and false returned.
/// Follows no symbolic link below `root`.
pub fn write_new(root: &Path, path: &TreePath, text: &str) -> Result<bool> {
    let full = shown(root, Some(path));
    std::fs::create_dir_all(root).with_context(|| format!("cannot make `{}`", root.display()))?;
    let mut folder = open_named(root)?.with_context(|| format!("`{}` vanished", root.display()))?;
    let mut names: Vec<&str> = path.components().collect();
    let name = names.pop().unwrap_or_default();
    for below in names {
        match folder.make(below) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("cannot make the folder of `{full}`"));
            }
            _ => {}
        }
        folder = folder.open(below).with_context(|| format!("cannot open the folder of `{full}`"))?;
    }
    let mut file = match folder.write_new(name) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        file => file.with_context(|| format!("cannot write `{full}`"))?,
    };
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write `{full}`"))?;
    Ok(true)
}

/// Reads what stands in the output folder: our files, and what other people put beside them unless it is large.
/// Follows no symbolic link, enters no `.git`. A folder that is not there is empty. Needs no lock: files are only
/// ever replaced as a whole.
pub fn read_existing(root: &Path) -> Result<Existing> {
    let Some(folder) = open_named(root)? else { return Ok(Existing::default()) };
    let survey = Survey { root, entries: AtomicUsize::new(0), bytes: AtomicU64::new(0) };
    Ok(survey.read(&folder)?.into_iter().collect())
}

struct Survey<'a> {
    root: &'a Path,
    entries: AtomicUsize,
    bytes: AtomicU64,
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
            // A name that we would never write is never ours.
            let Ok(path) = child(at, &name) else { continue };
            let entry = match kind {
                Kind::Symlink => Some(Entry::Symlink),
                Kind::Special => Some(Entry::Special),
                Kind::File => self.read_file(folder, &path)?,
                Kind::Folder => Some(Entry::Folder),
            };
            entries.extend(entry.map(|entry| (path, entry)));
        }
        Ok(entries)
    }

    fn enter(&self, root: &Folder, path: &TreePath) -> Result<Entries> {
        match open_below(root, Some(path)) {
            Ok(Some(folder)) => self.list(&folder, Some(path)),
            Ok(None) => Ok(Entries::new()),
            Err(error) if may_skip(&error) => Ok(Entries::new()),
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
                Ok(Some(Entry::File(text)))
            }
            Ok(entry) => Ok(Some(entry)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) if may_skip(&error) => Ok(Some(Entry::NotUtf8)),
            Err(error) => {
                Err(error).with_context(|| format!("cannot read `{}`", shown(self.root, Some(path))))
            }
        }
    }
}

/// What vanished meanwhile is gone; what we may not read is not ours.
fn may_skip(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied)
}

fn read_entry(folder: &Folder, name: &str) -> io::Result<Entry> {
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

/// Other people's files are read up to this size: manifests are far smaller, and data does not matter.
const MAX_THEIRS: u64 = 1 << 20;

/// The right to change an output folder: one run at a time. Ends with the value, or with the process.
pub struct Lock {
    root: Folder,
    path: PathBuf,
    /// The system holds the lock as long as this is open.
    held: File,
    /// A lock file that is to be removed.
    has_file: bool,
    /// The output folder was made for this run, and goes again if nothing came into it.
    made_root: bool,
}

/// Only where a folder itself cannot be locked (Windows, some network file systems).
const LOCK_FILE: &str = ".bayplan.lock";

impl Lock {
    /// Takes the lock of the output folder `root`, which is made if it is missing. Errors at once if another
    /// run holds it. The folder itself is locked, so nothing lies about in it, even after a kill.
    pub fn take(root: &Path) -> Result<Self> {
        let made_root = !root.exists();
        if let Some(folder) = open_named(root)? {
            return Self::hold(folder, root, made_root);
        }
        std::fs::create_dir_all(root).with_context(|| format!("cannot make `{}`", root.display()))?;
        let folder = open_named(root)?.with_context(|| format!("`{}` vanished", root.display()))?;
        Self::hold(folder, root, made_root)
    }

    fn hold(root: Folder, path: &Path, made_root: bool) -> Result<Self> {
        let locked = root.handle().map_err(std::fs::TryLockError::Error).and_then(|handle| {
            handle.try_lock()?;
            Ok(handle)
        });
        let (held, has_file) = match locked {
            Ok(handle) => (handle, false),
            Err(std::fs::TryLockError::WouldBlock) => return Err(busy(path)),
            Err(std::fs::TryLockError::Error(_)) => (lock_file(&root, path)?, true),
        };
        Ok(Self { root, path: path.to_owned(), held, has_file, made_root })
    }
}

fn lock_file(root: &Folder, path: &Path) -> Result<File> {
    let file = root.open_or_make(LOCK_FILE);
    let file = file.with_context(|| format!("cannot make `{}/{LOCK_FILE}`", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(busy(path)),
        Err(std::fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock `{}`", path.display()))
        }
    }
}

fn busy(path: &Path) -> anyhow::Error {
    anyhow!("another bayplan is writing to `{}`: wait until it has finished", path.display())
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A process that was started meanwhile may still hold the same open file: without this, the lock would
        // outlive the value until that process has begun its own work.
        let _ = self.held.unlock();
        // What cannot be tidied up here does no harm: the next run takes both as they are.
        if self.has_file {
            let _ = self.root.remove(LOCK_FILE);
        }
        if self.made_root {
            let _ = std::fs::remove_dir(&self.path);
        }
    }
}

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

fn writes_of(plan: &Plan) -> Vec<(&TreePath, &str)> {
    let created = plan.create.iter().map(|(path, after)| (path, after.as_str()));
    let changed = plan.change.iter().map(|(path, change)| (path, change.after.as_str()));
    created.chain(changed).collect()
}

/// Staging waits for the disk, not for the processor: many waiting at once share one flush of the journal.
const STAGING_THREADS: usize = 16;

struct Run<'a> {
    lock: &'a Lock,
    plan: &'a Plan,
    /// Targets and whole contents. The position of a file here names its staged copy.
    writes: Vec<(&'a TreePath, &'a str)>,
}

impl Run<'_> {
    fn stage(&self, made: &mut BTreeSet<TreePath>) -> Result<()> {
        if self.writes.is_empty() {
            return Ok(());
        }
        let mut parents: Vec<TreePath> = self.writes.iter().filter_map(|(path, _)| path.parent()).collect();
        parents.dedup();
        let folders: BTreeSet<TreePath> =
            parents.iter().flat_map(TreePath::folders).chain(parents.iter().cloned()).collect();
        for path in folders {
            if self.make_folder(&path)? {
                made.insert(path);
            }
        }
        let threads = STAGING_THREADS.min(self.writes.len());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        pool.install(|| {
            let writes = self.writes.par_iter().enumerate();
            writes.try_for_each_init(Last::default, |last, (n, write)| self.stage_file(n, *write, last))
        })
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

    fn stage_file(&self, n: usize, (path, text): (&TreePath, &str), last: &mut Last) -> Result<()> {
        let folder = self.same_folder_of(path, last)?;
        let write = || {
            let mut file = folder.write_new(&staged_name(n))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().with_context(|| format!("cannot write `{}`", self.shown(path)))
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
        for (n, (path, _)) in self.writes.iter().enumerate() {
            if let Ok(folder) = self.folder_of(path) {
                let _ = folder.remove(&staged_name(n));
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
        let mut last = Last::default();
        for (n, (path, _)) in self.writes.iter().enumerate() {
            if let Err(error) = self.rename(n, path, &mut last) {
                self.unstage(&BTreeSet::new());
                let share = format!("{n} of {} files are already written: run again", self.writes.len());
                return Err(error.context(share));
            }
            touched.insert(path.parent());
        }
        for path in self.plan.remove.keys() {
            let removed = self.folder_of(path)?.remove(path.name());
            removed.with_context(|| format!("cannot remove `{}`", self.shown(path)))?;
            touched.insert(path.parent());
        }
        let emptied = self.plan.remove.keys().map(|path| self.remove_empty_folders(path, &mut touched)).sum();
        for folder in &touched {
            self.sync(folder.as_ref())?;
        }
        Ok(emptied)
    }

    fn rename(&self, n: usize, path: &TreePath, last: &mut Last) -> Result<()> {
        let renamed = self.same_folder_of(path, last)?.rename(&staged_name(n), path.name());
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
        let folder = open_below(&self.lock.root, at).with_context(|| format!("cannot open `{}`", name()))?;
        match folder {
            None => self.lock.root.sync(),
            Some(folder) => folder.sync(),
        }
        .with_context(|| format!("cannot flush `{}`", name()))
    }

    /// The folder that holds `path`, opened from the top, through no link.
    fn folder_of(&self, path: &TreePath) -> Result<Holder<'_>> {
        let parent = path.parent();
        let folder = open_below(&self.lock.root, parent.as_ref())
            .with_context(|| format!("cannot open the folder of `{}`", self.shown(path)))?;
        Ok(folder.map_or(Holder::Root(&self.lock.root), Holder::Below))
    }

    /// The same, but as files come folder by folder, the last one stays open for the next.
    fn same_folder_of<'l>(&'l self, path: &TreePath, last: &'l mut Last) -> Result<&'l Folder> {
        let parent = path.parent();
        if last.folder.is_none() || last.at != parent {
            let folder = open_below(&self.lock.root, parent.as_ref())
                .with_context(|| format!("cannot open the folder of `{}`", self.shown(path)))?;
            *last = Last { at: parent, folder };
        }
        Ok(last.folder.as_ref().unwrap_or(&self.lock.root))
    }

    fn shown(&self, path: &TreePath) -> String {
        shown(&self.lock.path, Some(path))
    }
}

/// The folder below the root that was opened last.
#[derive(Default)]
struct Last {
    at: Option<TreePath>,
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

fn open_below(root: &Folder, at: Option<&TreePath>) -> io::Result<Option<Folder>> {
    let mut folder: Option<Folder> = None;
    for name in at.into_iter().flat_map(TreePath::components) {
        folder = Some(folder.as_ref().unwrap_or(root).open(name)?);
    }
    Ok(folder)
}

/// Numbered, not random: the lock keeps other runs away, and a file is only ever made where none is.
fn staged_name(n: usize) -> String {
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

#[cfg(test)]
mod tests;
