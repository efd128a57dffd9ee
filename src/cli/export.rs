//! `bayplan export`: what the machines themselves are told.

use std::path::Path;

use anyhow::{Result, anyhow};
use bayplan::export::{SIGNATURE, k3s, talos};
use bayplan::{catalog, check, report};

use super::args::{Input, Target, When};
use super::{Exit, inputs, print, say, stderr_style, tell};
use crate::disk::write_signed;

/// Writes one file for each node, to a folder or to standard output.
///
/// # Errors
///
/// If the inventory lacks what is to be exported, or a file cannot be written.
pub fn run(target: Target, input: &Input, out: Option<&Path>, quiet: bool, color: When) -> Result<Exit> {
    let found = inputs::find(input)?;
    let inputs = inputs::read(&found, input)?;
    let outcome = check(&inputs);
    let Some(checked) = outcome.value else {
        let style = stderr_style(color);
        let format = bayplan::report::Format::Text;
        tell(&report::render(format, &outcome.diagnostics, &inputs.sources, catalog::codes(), style));
        return Ok(Exit::Findings);
    };
    let files = match target {
        Target::Talos => talos::export(checked.model()),
        Target::K3s => k3s::export(checked.model()),
    };
    let files = files.map_err(|reason| anyhow!(reason))?;
    let Some(out) = out else {
        let texts: Vec<&str> = files.iter().map(|file| file.text.as_str()).collect();
        print(&texts.join("---\n"))?;
        return Ok(Exit::Clean);
    };
    for file in &files {
        write_signed(out, &file.name, &file.text, SIGNATURE)?;
    }
    say(quiet, &format!("{}: {} files", out.display(), files.len()));
    Ok(Exit::Clean)
}
