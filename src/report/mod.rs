//! Findings as text: for people, for programs, for code hosts.
//!
//! Each format is one file and one function from findings and sources to a string. Nothing here
//! prints, knows a terminal or an environment variable, and nothing below knows a colour.

mod escape;
mod excerpt;
mod github;
mod json;
pub mod page;
mod sarif;
mod secrecy;
mod text;

use std::str::FromStr;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Label};
use crate::source::{Position, Sources};

pub use escape::{visible, visible_json};
pub use text::Style;

/// How findings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: excerpts of the source with the places marked.
    #[default]
    Text,
    /// The stable shape for programs, `version` 1.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Workflow commands that GitHub shows as annotations.
    Github,
}

impl Format {
    /// Every format, in the order that help texts list them.
    pub const ALL: [Self; 4] = [Self::Text, Self::Json, Self::Sarif, Self::Github];

    /// The name that `--format` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Sarif => "sarif",
            Self::Github => "github",
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let format = Self::ALL.into_iter().find(|format| format.name() == name);
        format.ok_or_else(|| format!("no format is called `{}`", visible(name)))
    }
}

/// The findings in `format`, in file order and each once. `rules` are all that could have been
/// reported (only SARIF lists them); `style` is for `Format::Text`. Without findings, text and
/// GitHub annotations are empty, while JSON and SARIF are whole documents.
pub fn render(
    format: Format,
    diagnostics: &Diagnostics,
    sources: &Sources,
    rules: &[&'static Code],
    style: Style,
) -> String {
    let found = in_file_order(diagnostics);
    let hidden = secrecy::places(&found, diagnostics.hidden(), sources);
    let discreet: Vec<_> = found.into_iter().map(|one| secrecy::discreet(one, &hidden, sources)).collect();
    let found: Vec<&Diagnostic> = discreet.iter().map(AsRef::as_ref).collect();
    let masked = (!hidden.is_empty()).then(|| sources.masked(&hidden));
    let sources = masked.as_ref().unwrap_or(sources);
    match format {
        Format::Text => text::render(&found, sources, style),
        Format::Json => json::render(&found, sources),
        Format::Sarif => sarif::render(&found, sources, rules),
        Format::Github => github::render(&found, sources),
    }
}

fn in_file_order(diagnostics: &Diagnostics) -> Vec<&Diagnostic> {
    let mut found: Vec<&Diagnostic> = diagnostics.iter().collect();
    found.sort_by(|a, b| (a.primary(), a.code.name, &a.message).cmp(&(b.primary(), b.code.name, &b.message)));
    found.dedup();
    found
}

/// Where a finding is said to be: its first primary label, or else its first.
fn main_label(diagnostic: &Diagnostic) -> Option<&Label> {
    diagnostic.labels.iter().find(|label| label.primary).or(diagnostic.labels.first())
}

/// The labels besides the main one.
fn other_labels(diagnostic: &Diagnostic) -> impl Iterator<Item = &Label> {
    let main = main_label(diagnostic);
    diagnostic.labels.iter().filter(move |label| !main.is_some_and(|main| std::ptr::eq(main, *label)))
}

/// First and one-past-last position of a label; clamped to its file.
fn positions(label: &Label, sources: &Sources) -> (Position, Position) {
    let source = sources.get(label.span.file);
    let range = source.range(label.span);
    let place = |offset: usize| source.position(u32::try_from(offset).unwrap_or(u32::MAX));
    (place(range.start), place(range.end))
}

#[cfg(test)]
mod tests;
