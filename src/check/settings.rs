//! How rules count: `[checks]` in the inventory, and what the command line says above it.

use std::collections::BTreeMap;

use crate::check::{allow, codes_of_rules};
use crate::diagnostic::{Code, Diagnostics, Level, codes};
use crate::inventory::gitops::Setting;
use crate::model::{Check, Model};

codes! {
    /// A setting for a rule that must stay an error.
    UNCHANGEABLE_LEVEL = ("unchangeable-level", Inventory, Warning, "a rule is to count for less, and nothing could be rendered without it");
}

/// How rules count, by name.
pub type Levels = BTreeMap<String, Setting>;

/// Whether a rule must stay an error: what it finds leaves a hole in the model, in the templates or in the tree, so
/// nothing right can be rendered over it.
pub fn unchangeable(code: &Code) -> bool {
    let judged = codes_of_rules().any(|rule| rule.name == code.name);
    code.level == Level::Error && !judged
}

/// Gives every finding the level that is asked for, or else that of the inventory; those that are off go.
pub fn apply(model: &Model, diagnostics: &mut Diagnostics, known: &[&'static Code], asked: &Levels) {
    for check in &model.checks {
        match known.iter().find(|code| code.name == check.rule.value) {
            None => diagnostics.push(allow::unknown_rule(&check.rule, known)),
            Some(code) if unchangeable(code) && check.setting.value != Setting::Error => {
                report_unchangeable(check, diagnostics);
            }
            Some(_) => {}
        }
    }
    set_levels(model, diagnostics, known, asked);
}

/// The same without a word about the settings themselves.
pub fn set_levels(model: &Model, diagnostics: &mut Diagnostics, known: &[&'static Code], asked: &Levels) {
    let changeable = |rule: &str| known.iter().any(|code| code.name == rule && !unchangeable(code));
    let settings = model.checks.iter().filter(|check| changeable(&check.rule.value));
    let mut levels: Levels = settings.map(|check| (check.rule.value.clone(), check.setting.value)).collect();
    levels.extend(asked.iter().map(|(rule, setting)| (rule.clone(), *setting)));
    diagnostics.retain(|diagnostic| {
        match levels.get(diagnostic.code.name).filter(|_| !unchangeable(diagnostic.code)) {
            Some(Setting::Off) => return false,
            Some(Setting::Error) => diagnostic.level = Level::Error,
            Some(Setting::Warning) => diagnostic.level = Level::Warning,
            None => {}
        }
        true
    });
    diagnostics.sort();
}

fn report_unchangeable(check: &Check, diagnostics: &mut Diagnostics) {
    let message = format!("`{}` stays an error: nothing could be rendered without it", check.rule);
    diagnostics.push(
        UNCHANGEABLE_LEVEL
            .at(check.setting.span, "has no effect", message)
            .help("take it out, and mend what the rule reports"),
    );
}
