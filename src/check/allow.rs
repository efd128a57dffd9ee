//! `[[allow]]`: findings that are known and accepted, each with its reason.

use std::collections::BTreeSet;

use crate::check::settings::unchangeable;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, codes, nearest};
use crate::model::{Allow, Model};
use crate::source::{Span, Spanned};

codes! {
    /// An entry that accepts nothing.
    UNUSED_ALLOW = ("unused-allow", Inventory, Warning, "an `[[allow]]` entry that no finding needs");
    /// An entry for a rule that does not exist.
    UNKNOWN_RULE = ("unknown-rule", Inventory, Error, "the name of a rule that does not exist");
}

/// Takes out what is allowed, and reports entries that allow nothing: those for rules that are `judged` by now.
/// `accepted` are the places of those that have allowed something; more are added.
pub fn apply(
    model: &Model,
    diagnostics: &mut Diagnostics,
    known: &[&'static Code],
    judged: impl Fn(&Code) -> bool,
    accepted: &mut BTreeSet<Span>,
) {
    let mut used: Vec<Vec<bool>> = model.allow.iter().map(|allow| vec![false; allow.on.len()]).collect();
    diagnostics.retain(|diagnostic| {
        if unchangeable(diagnostic.code) {
            return true;
        }
        let mut keep = true;
        for (allow, used) in model.allow.iter().zip(&mut used) {
            if allow.rule.value != diagnostic.code.name {
                continue;
            }
            for (on, used) in allow.on.iter().zip(used) {
                if diagnostic.subjects.iter().any(|subject| covers(on, subject)) {
                    accepted.insert(on.span);
                    *used = true;
                    keep = false;
                }
            }
        }
        keep
    });
    for (allow, used) in model.allow.iter().zip(&used) {
        match known.iter().find(|code| code.name == allow.rule.value) {
            Some(code) if !judged(code) => {}
            None if judged(&UNKNOWN_RULE) => diagnostics.push(unknown_rule(&allow.rule, known)),
            None => {}
            Some(code) if unchangeable(code) => diagnostics.push(UNUSED_ALLOW.at(
                allow.rule.span,
                "cannot be accepted",
                format!("`{}` cannot be accepted: nothing could be rendered without it", allow.rule),
            )),
            Some(_) => {
                let unused =
                    allow.on.iter().zip(used).filter(|(on, used)| !**used && !accepted.contains(&on.span));
                for (on, _) in unused {
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

/// A rule that does not exist, with the nearest that does.
pub fn unknown_rule(rule: &Spanned<String>, known: &[&'static Code]) -> Diagnostic {
    let diagnostic = UNKNOWN_RULE.at(rule.span, "no such rule", format!("there is no rule `{rule}`"));
    let names = || known.iter().map(|code| code.name);
    // A rule is often called by the first words of its name.
    let mut longer = names().filter(|name| !rule.is_empty() && name.starts_with(rule.as_str()));
    let only = longer.next().filter(|_| longer.next().is_none());
    match nearest(rule, names()).or(only) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help("`bayplan rules` lists them"),
    }
}

fn report_unused(allow: &Allow, on: &Spanned<String>, diagnostics: &mut Diagnostics) {
    diagnostics.push(
        UNUSED_ALLOW
            .at(on.span, "nothing to accept", format!("`{}` is not reported on `{on}`", allow.rule))
            .help("take it out, so that it cannot hide a new finding"),
    );
}
