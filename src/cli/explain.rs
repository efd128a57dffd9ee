//! `bayplan explain`: the page of a rule.

use anyhow::{Context, Result};
use bayplan::catalog;
use bayplan::report::page;

use super::args::When;
use super::{Exit, print, stdout_style};

/// Prints the page of `rule`.
///
/// # Errors
///
/// If there is no such rule, or the page cannot be written.
pub fn run(rule: &str, color: When) -> Result<Exit> {
    let code = catalog::codes().iter().find(|code| code.name == rule);
    let code = code.with_context(|| format!("there is no rule `{rule}`"))?;
    print(&page::render(code, stdout_style(color)))?;
    Ok(Exit::Clean)
}
