//! People's own patches: a service's for its object of a kind, a stack's for all of a kind or for one by name.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::model::Model;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::object::merge::merge;
use crate::object::order::tidy;
use crate::object::{Id, Map, Value};
use crate::render::PATCH_WITHOUT_OBJECT;
use crate::source::{Span, Spanned};

/// Merges a stack's patches onto the objects of one of its files.
pub fn of_stack(stack: &Stack, objects: &mut [Value]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if stack.patches.is_empty() {
        return found;
    }
    let named = places(objects);
    for (target, patch) in &stack.patches {
        for at in named.get(target.as_str()).into_iter().flatten() {
            let object = &mut objects[*at];
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

/// Merges a service's patches onto its objects, each onto the one of the service's name or the first of that kind.
pub fn of_service(service: &Service, objects: &mut [Value]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if service.patches.is_empty() {
        return found;
    }
    let places = places(objects);
    for (kind, patch) in &service.patches {
        let own = places.get(&format!("{kind}/{}", service.name)).or_else(|| places.get(kind.as_str()));
        // Only a stack's patches are for one by name.
        let own = own.filter(|_| !kind.contains('/'));
        let (label, message, help) = match own.and_then(|places| places.first()) {
            None => {
                let kinds: Vec<&str> =
                    places.keys().map(String::as_str).filter(|name| !name.contains('/')).collect();
                let message = format!("service `{}` has no {kind} to patch", service.key);
                ("no such object", message, Some(format!("it has {}", kinds.join(", "))))
            }
            Some(at) => match patched(&objects[*at], patch) {
                Ok(Some(merged)) => {
                    objects[*at] = tidy(merged);
                    continue;
                }
                Ok(None) => {
                    let message = format!("the patch of service `{}` deletes its {kind}", service.key);
                    ("deletes the object", message, None)
                }
                Err(error) => {
                    let message = format!(
                        "the patch of service `{}` cannot be merged into its {kind}: {error}",
                        service.key
                    );
                    ("cannot be merged", message, None)
                }
            },
        };
        let mut diagnostic = PATCH_WITHOUT_OBJECT.at(kind.span, label, message).about(service.subject());
        diagnostic.help = help;
        found.push(diagnostic);
    }
    found
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

/// For so many patches of nothing it is said what may be meant: a stranger's inventory may be long.
const MOST_GUESSES: usize = 100;

/// Reports patches of objects that are nowhere in their stack, once for each. `there` has what stacks with patches
/// have, by environment and stack.
pub fn report_unmet(
    model: &Model,
    there: &BTreeMap<(usize, usize), BTreeSet<String>>,
    diagnostics: &mut Diagnostics,
) {
    let (mut reported, none): (BTreeSet<Span>, _) = (BTreeSet::new(), BTreeSet::new());
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
    let message = format!("stack `{}` has no {target} to patch", stack.name);
    let near = nearest(target, names.iter().filter(|_| guess).map(String::as_str));
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let kinds: Vec<&str> =
                names.iter().map(String::as_str).filter(|name| !name.contains('/')).collect();
            format!("it has {}", kinds.join(", "))
        }
    };
    let diagnostic = PATCH_WITHOUT_OBJECT.at(target.span, "no such object", message);
    diagnostic.about(stack.subject()).help(help)
}

/// An object with a user's patch merged onto it, the way kustomize would.
fn patched(object: &Value, patch: &Value) -> Result<Option<Value>, String> {
    let mut whole = Map::new();
    for identity in ["apiVersion", "kind", "metadata"] {
        if let Some(value) = object.get(identity) {
            whole.insert(identity.to_owned(), value.clone());
        }
    }
    let mut whole = Value::Object(whole);
    if let (Some(target), Some(patch)) = (whole.as_object_mut(), patch.as_object()) {
        for (member, value) in patch {
            match (target.get_mut(member), value) {
                (Some(Value::Object(known)), Value::Object(more)) => known.extend(more.clone()),
                _ => drop(target.insert(member.clone(), value.clone())),
            }
        }
    }
    merge(object, &whole).map_err(|error| error.to_string())
}
