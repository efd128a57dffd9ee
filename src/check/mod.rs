//! The rules. Each is a function from the model to findings; none prints, none stops the others.

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
pub mod settings;
pub mod storage;
pub mod workloads;

use crate::check::settings::Levels;
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
    workloads::check,
    security::check,
    gitops::check,
];

/// What those rules report: a judgement on a whole model, which settings may change.
const FINDINGS_OF_RULES: &[&[&Code]] = &[
    addresses::CODES,
    pools::CODES,
    ports::CODES,
    resources::CODES,
    storage::CODES,
    workloads::CODES,
    security::CODES,
    gitops::CODES,
    manifests::CODES,
];

/// Every code of this floor.
pub fn codes() -> impl Iterator<Item = &'static Code> {
    FINDINGS_OF_RULES.iter().chain(&[allow::CODES, settings::CODES]).copied().flatten().copied()
}

/// Runs every rule. `found` is what reading and resolving have found: it counts, too, and findings that the
/// inventory allows are taken out of all of it. `asked` is how rules count for whoever asks, whatever the inventory
/// says of them.
pub fn check(
    model: Model,
    found: Diagnostics,
    known: &[&'static Code],
    asked: &Levels,
) -> Outcome<Option<Checked>> {
    let mut diagnostics = found;
    for rules in FAMILIES {
        rules(&model, &mut diagnostics);
    }
    diagnostics.sort();
    allow::apply(&model, &mut diagnostics, known);
    settings::apply(&model, &mut diagnostics, known, asked);
    let value = (!diagnostics.has_errors()).then(|| Checked(model));
    Outcome { value, diagnostics }
}
