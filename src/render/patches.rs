//! People's own patches: a service's for its object of a kind, a stack's for all of a kind or for one by name.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::model::Model;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::object::merge::amend;
use crate::object::order::tidy;
use crate::object::{Id, Value};
use crate::render::PATCH_WITHOUT_OBJECT;
use crate::source::Spanned;
use crate::spelling::MOST_GUESSES;

/// Merges a stack's patches onto the objects of one of its files.
pub fn of_stack(stack: &Stack, objects: &mut [Value]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if stack.patches.is_empty() {
        return found;
    }
    let places = places(objects);
    for (target, patch) in &stack.patches {
        for at in places.get(target.as_str()).into_iter().flatten() {
            let fault = change(&mut objects[*at], patch, target, &format!("stack `{}`", stack.name));
            found.extend(fault.map(|fault| fault.about(stack.subject())));
        }
    }
    found
}

/// Merges a service's patches onto its objects, each onto the one of the service's name or the first of that kind.
pub fn of_service(service: &Service, objects: &mut [Value]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if service.patches.is_empty() {
        return found;
    }
    let places = places(objects);
    let whose = format!("service `{}`", service.key);
    for (kind, patch) in service.patches.iter() {
        let own = places.get(&format!("{kind}/{}", service.name)).or_else(|| places.get(kind.as_str()));
        // Only a stack's patches are for one by name.
        let at = own.filter(|_| !kind.contains('/')).and_then(|places| places.first());
        let fault = match at {
            Some(at) => change(&mut objects[*at], patch, kind, &whose),
            None => Some(none_of(kind, &whose, places.keys())),
        };
        found.extend(fault.map(|fault| fault.about(service.subject())));
    }
    found
}

/// Merges a patch onto an object; the fault, if it cannot be.
fn change(object: &mut Value, patch: &Value, target: &Spanned<String>, whose: &str) -> Option<Diagnostic> {
    let (label, message) = match amend(object, patch) {
        Ok(Some(merged)) => {
            *object = tidy(merged);
            return None;
        }
        Ok(None) => ("deletes the object", format!("the patch of {whose} deletes its {target}")),
        Err(error) => {
            ("cannot be merged", format!("the patch of {whose} cannot be merged into its {target}: {error}"))
        }
    };
    Some(PATCH_WITHOUT_OBJECT.at(target.span, label, message))
}

/// A patch that fits none of these, which are kinds, and kinds with names.
fn none_of<'n>(target: &Spanned<String>, whose: &str, names: impl Iterator<Item = &'n String>) -> Diagnostic {
    let kinds: Vec<&str> = names.map(String::as_str).filter(|name| !name.contains('/')).collect();
    let message = format!("{whose} has no {target} to patch");
    PATCH_WITHOUT_OBJECT
        .at(target.span, "no such object", message)
        .help(format!("it has {}", kinds.join(", ")))
}

/// The places of objects, by kind, and by kind and name.
fn places(objects: &[Value]) -> BTreeMap<String, Vec<usize>> {
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, object) in objects.iter().enumerate() {
        if let Some(id) = Id::of(object) {
            places.entry(format!("{}/{}", id.kind, id.name)).or_default().push(at);
            places.entry(id.kind).or_default().push(at);
        }
    }
    places
}

/// Reports patches of objects that are nowhere in their stack, once for each. `there` has what stacks with patches
/// have, by environment and stack.
pub fn report_unmet(
    model: &Model,
    there: &BTreeMap<(usize, usize), BTreeSet<String>>,
    diagnostics: &mut Diagnostics,
) {
    let (mut reported, none) = (BTreeSet::new(), BTreeSet::new());
    for (at, environment) in model.environments.iter().enumerate() {
        for (index, stack) in environment.stacks.iter().enumerate() {
            let names = there.get(&(at, index)).unwrap_or(&none);
            for (target, _) in stack.patches.iter().filter(|(target, _)| !names.contains(&target.value)) {
                let guess = reported.len() < MOST_GUESSES;
                if reported.insert(target.span) {
                    diagnostics.push(unmet(stack, target, names, guess));
                }
            }
        }
    }
}

fn unmet(stack: &Stack, target: &Spanned<String>, names: &BTreeSet<String>, guess: bool) -> Diagnostic {
    let diagnostic = none_of(target, &format!("stack `{}`", stack.name), names.iter()).about(stack.subject());
    match nearest(target, names.iter().filter(|_| guess).map(String::as_str)) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}
