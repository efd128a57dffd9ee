//! `bayplan check`: every rule.

use std::sync::Arc;

use anyhow::Result;
use bayplan::findings as all_findings;

use super::args::{Findings, Input, Output, When};
use super::progress::watched;
use super::{Exit, inputs, report, say, stdout_style, take_part};
use crate::disk::read_existing;

/// Checks the inventory and reports what was found.
pub fn run(input: &Input, output: &Output, findings: &Findings, quiet: bool, color: When) -> Result<Exit> {
    let found = inputs::find(input)?;
    let mut inputs = inputs::read(&found, input)?;
    let out = output.out.clone().unwrap_or_else(|| found.folder.join("out"));
    take_part();
    let (existing, ()) = rayon::join(|| read_existing(&out), || inputs.parse_ahead());
    inputs::add_hand_written(&mut inputs, &existing?, &out)?;
    inputs.levels = findings.levels()?;
    let progress = Arc::clone(&inputs.progress);
    let diagnostics = watched(&progress, quiet, || all_findings(&mut inputs));
    report(findings.format, &diagnostics, inputs.sources, stdout_style(color))?;
    if diagnostics.is_empty() {
        say(quiet, &format!("{}: nothing to object to", found.path.display()));
    }
    Ok(Exit::of(&diagnostics, findings.deny_warnings()))
}
