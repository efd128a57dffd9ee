//! `bayplan check`: every rule.

use anyhow::Result;
use bayplan::{catalog, findings as all_findings, report};

use super::args::{Findings, Input, When};
use super::{Exit, inputs, print, say, stdout_style};

/// Checks the inventory and reports what was found.
pub fn run(input: &Input, findings: &Findings, quiet: bool, color: When) -> Result<Exit> {
    let found = inputs::find(input)?;
    let mut inputs = inputs::read(&found, input)?;
    inputs.levels = findings.levels()?;
    let diagnostics = all_findings(&mut inputs);
    print(&report::render(
        findings.format,
        &diagnostics,
        &inputs.sources,
        catalog::codes(),
        stdout_style(color),
    ))?;
    if diagnostics.is_empty() {
        say(quiet, &format!("{}: nothing to object to", found.path.display()));
    }
    Ok(Exit::of(&diagnostics, findings.deny_warnings()))
}
