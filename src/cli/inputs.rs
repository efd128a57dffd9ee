//! Finding and reading what a run depends on.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bayplan::check::manifests::{HandWritten, Unread};
use bayplan::model::images;
use bayplan::source::Source;
use bayplan::tree::{Entry, Existing, TreePath};
use bayplan::{Inputs, wanted_files};

use super::args::Input;
use crate::disk::{read_again, read_beside, read_inventory, read_templates};

/// The names that are looked for, the first one first.
pub const NAMES: [&str; 3] = ["inventory.toml", "inventory.yaml", "inventory.yml"];

/// An inventory that was found: its path as messages show it, and the folder it stands in.
#[derive(Debug)]
pub struct Found {
    /// The path.
    pub path: PathBuf,
    /// The folder.
    pub folder: PathBuf,
}

/// The inventory that `--inventory` names, else the nearest one here or above.
///
/// # Errors
///
/// If there is none, or there are two in one folder.
pub fn find(input: &Input) -> Result<Found> {
    if let Some(path) = &input.inventory {
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        return Ok(Found { path: path.clone(), folder });
    }
    let here = std::env::current_dir().context("cannot tell the current folder")?;
    let mut above = PathBuf::new();
    for folder in here.ancestors() {
        let mut there = NAMES.iter().filter(|name| folder.join(name).is_file());
        if let Some(name) = there.next() {
            if let Some(other) = there.next() {
                bail!("`{name}` and `{other}` stand side by side: name one of them with --inventory");
            }
            return Ok(Found { path: above.join(name), folder: above });
        }
        above.push("..");
    }
    bail!(
        "there is no inventory.toml here or in a folder above; \
         name one with --inventory"
    )
}

/// Reads the inventory and the user's templates.
///
/// # Errors
///
/// If one cannot be read, is larger than bayplan takes, or is not UTF-8.
pub fn read(found: &Found, input: &Input) -> Result<Inputs> {
    let text = read_inventory(&found.path)?;
    let mut inputs = Inputs::new(&found.path.display().to_string(), &text);
    for path in wanted_files(&inputs) {
        let shown = found.folder.join(&path).display().to_string();
        inputs.add_file(&path, read_beside(&found.folder, &path).map(|text| Source::new(shown, text)));
    }
    let folder = input.templates.clone().unwrap_or_else(|| found.folder.join("templates"));
    let own = read_templates(&folder)?;
    if own.is_none() && input.templates.is_some() {
        bail!("there is no folder `{}`", folder.display());
    }
    for (path, text) in own.unwrap_or_default() {
        let file = inputs.sources.add(Source::new(format!("{}/{path}", folder.display()), text));
        inputs.templates.push((path, file));
    }
    Ok(inputs)
}

/// Adds what people put into the output folder by hand, and what Flux wrote there.
///
/// # Errors
///
/// If that cannot be read.
pub fn add_hand_written(inputs: &mut Inputs, existing: &Existing, out: &Path) -> Result<()> {
    for (path, text) in existing.hand_written() {
        let file = inputs.sources.add(Source::new(format!("{}/{path}", out.display()), text));
        inputs.hand_written.push(HandWritten { path: path.clone(), file });
    }
    for (path, reason) in existing.unread() {
        let file = inputs.sources.add(Source::new(format!("{}/{path}", out.display()), ""));
        inputs.unread.push(Unread { file, path: path.to_owned(), reason });
    }
    inputs.rendered = existing.iter().next().map(|_| out.display().to_string());
    let images = TreePath::parse(images::FILE).ok();
    let text = match images.as_ref().and_then(|path| Some((path, existing.get(path)?))) {
        Some((_, Entry::File(text))) => Some(text.clone()),
        Some((path, Entry::Ours(_))) => read_again(out, path)?,
        _ => None,
    };
    if let Some(text) = text {
        let path = format!("{}/{}", out.display(), images::FILE);
        inputs.image_updates = Some(inputs.sources.add(Source::new(path, text)));
    }
    Ok(())
}
