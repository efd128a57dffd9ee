//! A stack's own `patch`: by kind for all its objects of that kind, by kind and name for one.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::model::Model;
use crate::model::stack::Stack;
use crate::object::order::tidy;
use crate::object::{Id, Value};
use crate::render::{PATCH_WITHOUT_OBJECT, patched};
use crate::source::Span;

/// Merges a stack's patches onto the objects of one of its files.
pub fn apply(stack: &Stack, objects: &mut [Value]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (target, patch) in &stack.patches {
        for object in objects.iter_mut().filter(|object| meets(target, object)) {
            let fault = match patched(object, patch) {
                Ok(Some(merged)) => {
                    *object = tidy(merged);
                    continue;
                }
                Ok(None) => "deletes the object".to_owned(),
                Err(error) => error,
            };
            let message =
                format!("the patch of stack `{}` cannot be merged into its {target}: {fault}", stack.name);
            let diagnostic = PATCH_WITHOUT_OBJECT.at(target.span, "cannot be merged", message);
            found.push(diagnostic.about(stack.subject()));
        }
    }
    found
}

fn meets(target: &str, object: &Value) -> bool {
    let Some(id) = Id::of(object) else { return false };
    match target.split_once('/') {
        Some((kind, name)) => id.kind == kind && id.name == name,
        None => id.kind == target,
    }
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
                if reported.insert(target.span) {
                    diagnostics.push(unmet(stack, target, target.span, names));
                }
            }
        }
    }
}

fn unmet(stack: &Stack, target: &str, span: Span, names: &BTreeSet<String>) -> Diagnostic {
    let message = format!("stack `{}` has no {target} to patch", stack.name);
    let near = nearest(target, names.iter().map(String::as_str));
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let kinds: Vec<&str> =
                names.iter().map(String::as_str).filter(|name| !name.contains('/')).collect();
            format!("it has {}", kinds.join(", "))
        }
    };
    let diagnostic = PATCH_WITHOUT_OBJECT.at(span, "no such object", message);
    diagnostic.about(stack.subject()).help(help)
}
