//! Files beside the tree: those that the inventory names, and those of an export.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use bayplan::tree::TreePath;

use super::{read_below, read_text};

/// Larger files than this are not read. A ConfigMap holds no more.
const MAX_FILE: u64 = 1 << 20;

/// Reads a file by its path below the inventory's folder; says why if it cannot be. No symbolic link is followed.
///
/// # Errors
///
/// If it is not there, or is too large or no text.
pub fn read_beside(folder: &Path, path: &str) -> std::result::Result<String, String> {
    let path = TreePath::parse(path).map_err(|bad| format!("its path {}", bad.reason))?;
    match read_below(folder, &path, MAX_FILE) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err("it is not there".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Writes a file into `folder`, which is made if it is missing, over one that begins with `signature`. Any other is
/// kept. The file is there as a whole or as it was.
///
/// # Errors
///
/// If a symbolic link is in the way to the folder (of an absolute path: at its end), if somebody else's file is in
/// the way, or if it cannot be written.
pub fn write_signed(folder: &Path, name: &str, text: &str, signature: &str) -> Result<()> {
    if let Some(link) = link_on_the_way(folder) {
        bail!("`{}` is a symbolic link: name the folder that it leads to", link.display());
    }
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    let target = folder.join(name);
    let shown = target.display();
    if target.is_symlink() {
        bail!("`{shown}` is in the way: it is a symbolic link");
    }
    if target.symlink_metadata().is_ok() {
        let old = read_text(&target, MAX_FILE)?;
        if !old.starts_with(signature) {
            bail!("`{shown}` is in the way, and is no file of an earlier export");
        }
        if old == text {
            return Ok(());
        }
    }
    let staged = folder.join(format!(".{name}.bayplan-new"));
    let _ = std::fs::remove_file(&staged);
    std::fs::write(&staged, text).with_context(|| format!("cannot write `{shown}`"))?;
    std::fs::rename(&staged, &target).with_context(|| format!("cannot write `{shown}`"))
}

/// A relative path leads through a repository, in which anybody may have made links; the owner of the machine makes
/// those of absolute ones.
fn link_on_the_way(folder: &Path) -> Option<PathBuf> {
    // `x/` names what the link `x` leads to; its components do not end in a slash.
    let folder: PathBuf = folder.components().collect();
    let above = if folder.is_absolute() { 1 } else { usize::MAX };
    folder.ancestors().take(above).find(|path| path.is_symlink()).map(Path::to_owned)
}
