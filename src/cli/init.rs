//! `bayplan init`
use super::Exit;
use anyhow::Result;
use std::path::Path;
/// Writes.
pub fn run(_folder: &Path, _quiet: bool) -> Result<Exit> {
    Ok(Exit::Clean)
}
