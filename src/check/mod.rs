//! The rules. Each is a function from the model to findings; none prints, none stops the others.

/// Declares the codes of a family and their list.
macro_rules! codes {
    ($family:ident: $($(#[doc = $doc:literal])+ $id:ident = ($name:literal, $level:ident, $summary:literal);)+) => {
        $($(#[doc = $doc])+
        pub const $id: Code = Code {
            name: $name,
            family: crate::diagnostic::Family::$family,
            level: crate::diagnostic::Level::$level,
            summary: $summary,
        };)+
        /// The codes of this family.
        pub const CODES: &[&Code] = &[$(&$id),+];
    };
}

pub mod addresses;
pub mod allow;
pub mod gitops;
pub mod manifests;
pub mod placement;
pub mod pools;
pub mod ports;
pub mod resources;
pub mod secrets;
pub mod security;
pub mod storage;

use crate::diagnostic::{Code, Diagnostics, Outcome};
use crate::model::Model;

/// A model that no rule objects to. Only [`check`] makes one, and only it can be rendered.
#[derive(Clone, Debug)]
pub struct Checked(Model);

impl Checked {
    /// The model.
    pub fn model(&self) -> &Model {
        &self.0
    }
}

/// A family of rules.
type Rules = fn(&Model, &mut Diagnostics);

/// Every family, in the order of the manual.
const FAMILIES: &[Rules] = &[
    addresses::check,
    pools::check,
    ports::check,
    resources::check,
    storage::check,
    security::check,
    gitops::check,
];

/// The codes of each family.
pub const CODES: &[&[&Code]] = &[
    addresses::CODES,
    pools::CODES,
    ports::CODES,
    resources::CODES,
    storage::CODES,
    security::CODES,
    gitops::CODES,
    manifests::CODES,
    allow::CODES,
];

/// Runs every rule. `found` is what reading and resolving have found: it counts, too, and findings that the
/// inventory allows are taken out of all of it.
pub fn check(model: Model, found: Diagnostics, known: &[&'static Code]) -> Outcome<Option<Checked>> {
    let mut diagnostics = found;
    for rules in FAMILIES {
        rules(&model, &mut diagnostics);
    }
    diagnostics.sort();
    allow::apply(&model, &mut diagnostics, known);
    let value = (!diagnostics.has_errors()).then(|| Checked(model));
    Outcome { value, diagnostics }
}
