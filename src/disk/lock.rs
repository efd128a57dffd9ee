//! One run at a time.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use super::folder::Folder;
use super::open_named;

/// The right to change an output folder: one run at a time. Ends with the value, or with the process.
pub struct Lock {
    pub(super) root: Folder,
    pub(super) path: PathBuf,
    /// The system holds the lock as long as this is open.
    held: File,
    /// A lock file that is to be removed.
    has_file: bool,
    /// The output folder and those around it that were made for this run, from within: each goes again if nothing came
    /// into it.
    made: Vec<PathBuf>,
}

/// Only where a folder itself cannot be locked (Windows, some network file systems).
const LOCK_FILE: &str = ".bayplan.lock";

impl Lock {
    /// Takes the lock of the output folder `root`, which is made if it is missing. Errors at once if another
    /// run holds it. The folder itself is locked, so nothing lies about in it, even after a kill.
    pub fn take(root: &Path) -> Result<Self> {
        if let Some(folder) = open_named(root)? {
            return Self::hold(folder, root, Vec::new());
        }
        let made = missing(root);
        std::fs::create_dir_all(root).with_context(|| format!("cannot make `{}`", root.display()))?;
        let folder = open_named(root)?.with_context(|| format!("`{}` vanished", root.display()))?;
        Self::hold(folder, root, made)
    }

    fn hold(root: Folder, path: &Path, made: Vec<PathBuf>) -> Result<Self> {
        let locked = root.handle().map_err(std::fs::TryLockError::Error).and_then(|handle| {
            handle.try_lock()?;
            Ok(handle)
        });
        let (held, has_file) = match locked {
            Ok(handle) => (handle, false),
            Err(std::fs::TryLockError::WouldBlock) => return Err(busy(path)),
            Err(std::fs::TryLockError::Error(_)) => (lock_file(&root, path)?, true),
        };
        Ok(Self { root, path: path.to_owned(), held, has_file, made })
    }
}

/// The folders of a path that are not there, the innermost first.
fn missing(root: &Path) -> Vec<PathBuf> {
    let folders = root.ancestors().filter(|folder| !folder.as_os_str().is_empty());
    folders.take_while(|folder| !folder.exists()).map(Path::to_owned).collect()
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
        for folder in &self.made {
            let _ = std::fs::remove_dir(folder);
        }
    }
}
