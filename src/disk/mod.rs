//! Reads inputs and the old tree, applies a plan. The only file I/O of the program besides `cli`.

mod apply;
mod beside;
mod folder;
mod lock;
mod survey;

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

pub use apply::{Report, apply};
pub use beside::{read_beside, write_signed};
pub use lock::Lock;
pub use survey::{read_again, read_existing};

use bayplan::template::looks_meant;
use bayplan::tree::TreePath;
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

/// Reads the inventory, as [`read_text`] does, but through no symbolic link that leads out of the folder it stands in:
/// a message shows lines of it, and in a repository anybody may have made the link.
///
/// # Errors
///
/// As [`read_text`]'s, and if there is such a link.
pub fn read_inventory(path: &Path) -> Result<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let own = || Some(is_own(&folder.canonicalize().ok()?, &path.canonicalize().ok()?));
    if path.is_symlink() && own() != Some(true) {
        bail!(
            "`{}` is a symbolic link out of its folder, or to nothing: name the file itself with --inventory",
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

/// Reads every `*.j2` below `dir`, ordered by path; none if there is no such folder. What begins with a dot, or ends
/// otherwise, is passed over; of what may be meant as a template the path is there, without text. Errors on a symbolic link, a name that is no [`TreePath`], too many or too large files.
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
        if name.starts_with('.') || (matches!(kind, Kind::File | Kind::Nameless) && !is_template) {
            if kind == Kind::File && templates.len() < MAX_TEMPLATES && looks_meant(&name) {
                templates.extend(child(at, &name).ok().map(|path| (path, String::new())));
            }
            continue;
        }
        let path =
            child(at, &name).map_err(|bad| anyhow!("`{}/{}`: {bad}", shown(dir, at), name.escape_debug()))?;
        let full = shown(dir, Some(&path));
        match kind {
            Kind::Symlink => bail!("`{full}` is a symbolic link; templates must be files of their own"),
            Kind::Special => bail!("`{full}` is no regular file"),
            Kind::Nameless => bail!("`{full}` has a name that is not UTF-8"),
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
                // Git may check out CRLF; what is rendered is the same everywhere.
                let text = if text.contains('\r') { text.replace("\r\n", "\n") } else { text };
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

/// The folder below the root that these names lead to, through no link; none if there are no names.
fn open_below<'n>(root: &Folder, names: impl Iterator<Item = &'n str>) -> io::Result<Option<Folder>> {
    let mut folder: Option<Folder> = None;
    for name in names {
        folder = Some(folder.as_ref().unwrap_or(root).open(name)?);
    }
    Ok(folder)
}

#[cfg(test)]
mod tests;
