//! Finding and reading what a run depends on.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bayplan::Inputs;
use bayplan::source::{Source, Sources};

use super::args::Input;
use crate::disk::read_text;

/// The names that are looked for, the first one first.
const NAMES: [&str; 3] = ["inventory.toml", "inventory.yaml", "inventory.yml"];

/// An inventory larger than this is refused: no cluster's facts fill it.
const INVENTORY_LIMIT: u64 = 64 << 20;

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
/// If there is none.
pub fn find(input: &Input) -> Result<Found> {
    if let Some(path) = &input.inventory {
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        return Ok(Found { path: path.clone(), folder });
    }
    let here = std::env::current_dir().context("cannot tell the current folder")?;
    let mut above = PathBuf::new();
    for folder in here.ancestors() {
        if let Some(name) = NAMES.iter().find(|name| folder.join(name).is_file()) {
            return Ok(Found { path: above.join(name), folder: above });
        }
        above.push("..");
    }
    bail!(
        "there is no inventory.toml here or in a folder above; \
         name one with --inventory"
    )
}

/// Reads the inventory.
///
/// # Errors
///
/// If it cannot be read, is larger than 64 MiB or is not UTF-8.
pub fn read(found: &Found) -> Result<Inputs> {
    let text = read_text(&found.path, INVENTORY_LIMIT)?;
    let mut sources = Sources::default();
    let inventory = sources.add(Source::new(found.path.display().to_string(), text));
    Ok(Inputs { sources, inventory })
}
