//! What only one can have, and who has it.

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::model::service::Service;
use crate::model::{Environment, Model};
use crate::source::Span;

/// Who has something that only one can have.
#[derive(Clone, Copy)]
pub(super) struct Holder<'m> {
    pub(super) environment: &'m Environment,
    pub(super) service: &'m Service,
    pub(super) span: Span,
}

/// Calls `read` with every service and its environment.
pub(super) fn each_service<'m>(model: &'m Model, mut read: impl FnMut(&'m Environment, &'m Service)) {
    for environment in &model.environments {
        for service in environment.services() {
            read(environment, service);
        }
    }
}

/// Two holders of one thing. Of two environments of one service the environments are named; two services clash
/// alike in every environment, so none is.
pub(super) fn taken_twice(
    code: &'static Code,
    what: &str,
    first: &Holder<'_>,
    second: &Holder<'_>,
) -> Diagnostic {
    let (one, two) = (&first.service.key, &second.service.key);
    let (here, there) = (&second.environment, &first.environment);
    let diagnostic = if one != two {
        let message = format!("{what} is taken twice: by service `{one}` and by service `{two}`");
        code.at(second.span, format!("wanted here by service `{two}`"), message)
            .because(first.span, format!("already taken here by service `{one}`"))
            .about(second.service.subject())
    } else if here.name == there.name {
        let message = format!("{what} is taken twice by service `{two}`");
        code.at(second.span, "again", message).because(first.span, "taken here")
    } else {
        let (a, b) = (&there.name, &here.name);
        let message = format!("{what} is taken twice: by service `{one}` in `{a}` and in `{b}`");
        let diagnostic = code.at(second.span, format!("wanted in `{b}`"), message);
        match first.span == second.span {
            true => {
                diagnostic.because(there.place, "has it from the default").because(here.place, "has it, too")
            }
            false => diagnostic.because(first.span, format!("taken in `{a}`")),
        }
    };
    diagnostic.about(first.service.subject())
}

/// Each holder against the first one, in file order.
pub(super) fn report_clashes<'m, T: Ord + std::fmt::Display>(
    mut groups: BTreeMap<T, Vec<Holder<'m>>>,
    report: impl Fn(&T, &Holder<'m>, &Holder<'m>) -> Diagnostic,
    found: &mut Diagnostics,
) {
    for (thing, holders) in &mut groups {
        holders.sort_by_key(|holder| (holder.span, holder.environment.place));
        let Some((first, others)) = holders.split_first() else { continue };
        for second in others {
            found.push(report(thing, first, second));
        }
    }
}
