//! `[[allow]]`: findings that are known and accepted, each with its reason.

use crate::diagnostic::{Code, Diagnostics, Family, Level, nearest};
use crate::model::{Allow, Model};
use crate::source::Spanned;

/// An entry that accepts nothing.
pub const UNUSED_ALLOW: Code = Code {
    name: "unused-allow",
    family: Family::Inventory,
    level: Level::Warning,
    summary: "an `[[allow]]` entry that no finding needs",
};

/// An entry for a rule that does not exist.
pub const UNKNOWN_RULE: Code = Code {
    name: "unknown-rule",
    family: Family::Inventory,
    level: Level::Error,
    summary: "the name of a rule that does not exist",
};

/// The codes of this file.
pub const CODES: &[&Code] = &[&UNUSED_ALLOW, &UNKNOWN_RULE];

/// Findings of these families are about the file itself: nothing can be built on it, so nothing allows them.
const NEVER_ALLOWED: &[Family] = &[Family::Inventory, Family::References];

/// Takes out what is allowed, and reports entries that allow nothing.
pub fn apply(model: &Model, diagnostics: &mut Diagnostics, known: &[&'static Code]) {
    let mut used: Vec<Vec<bool>> = model.allow.iter().map(|allow| vec![false; allow.on.len()]).collect();
    diagnostics.retain(|diagnostic| {
        if NEVER_ALLOWED.contains(&diagnostic.code.family) {
            return true;
        }
        let mut keep = true;
        for (allow, used) in model.allow.iter().zip(&mut used) {
            if allow.rule.value != diagnostic.code.name {
                continue;
            }
            for (on, used) in allow.on.iter().zip(used) {
                if diagnostic.subjects.iter().any(|subject| covers(on, subject)) {
                    *used = true;
                    keep = false;
                }
            }
        }
        keep
    });
    for (allow, used) in model.allow.iter().zip(&used) {
        match known.iter().find(|code| code.name == allow.rule.value) {
            None => report_unknown(allow, diagnostics, known),
            Some(code) if NEVER_ALLOWED.contains(&code.family) => diagnostics.push(UNUSED_ALLOW.at(
                allow.rule.span,
                "cannot be accepted",
                format!("`{}` is about the inventory itself and cannot be accepted", allow.rule),
            )),
            Some(_) => {
                for (on, _) in allow.on.iter().zip(used).filter(|(_, used)| !**used) {
                    report_unused(allow, on, diagnostics);
                }
            }
        }
    }
    diagnostics.sort();
}

/// `services.plex` covers itself and what is below it; a trailing `*` stands for anything.
fn covers(on: &str, subject: &str) -> bool {
    match on.strip_suffix('*') {
        Some(start) => subject.starts_with(start),
        None => subject.strip_prefix(on).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')),
    }
}

fn report_unknown(allow: &Allow, diagnostics: &mut Diagnostics, known: &[&'static Code]) {
    let diagnostic =
        UNKNOWN_RULE.at(allow.rule.span, "no such rule", format!("there is no rule `{}`", allow.rule));
    let near = nearest(&allow.rule, known.iter().map(|code| code.name));
    diagnostics.push(match near {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    });
}

fn report_unused(allow: &Allow, on: &Spanned<String>, diagnostics: &mut Diagnostics) {
    diagnostics.push(
        UNUSED_ALLOW
            .at(on.span, "nothing to accept", format!("`{}` is not reported on `{on}`", allow.rule))
            .help("take it out, so that it cannot hide a new finding"),
    );
}
