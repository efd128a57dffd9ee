//! bayplan: one typed inventory of a Kubernetes cluster, checked and rendered into a Git tree.
//!
//! The stages, in order: [`inventory`] (what the file says), [`model`] (what it means), [`check`] (what is wrong
//! with it). The library computes: it reads no file, prints nothing and knows no clock.

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod address;
pub mod catalog;
pub mod check;
pub mod diagnostic;
pub mod inventory;
pub mod model;
pub mod object;
pub mod quantity;
pub mod report;
pub mod source;
pub mod tree;

use crate::check::Checked;
use crate::diagnostic::Outcome;
use crate::source::{FileId, Sources};

/// Everything that a run depends on.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The texts that were read.
    pub sources: Sources,
    /// Which of them is the inventory.
    pub inventory: FileId,
}

/// Reads the inventory, resolves it and runs every rule. A syntax error that puts the rest in doubt is all that is
/// said.
pub fn check(inputs: &Inputs) -> Outcome<Option<Checked>> {
    let parsed = inventory::parse(inputs.sources.get(inputs.inventory), inputs.inventory);
    if !parsed.value.sound {
        return Outcome { value: None, diagnostics: parsed.diagnostics };
    }
    let resolved = model::resolve(&parsed.value);
    let mut found = parsed.diagnostics;
    found.extend(resolved.diagnostics);
    check::check(resolved.value, found, catalog::codes())
}
