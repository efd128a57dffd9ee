//! People's own patches: a service's for its object of a kind, a stack's for all of a kind or for one by name.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use crate::diagnostic::{Diagnostic, Diagnostics, Level, nearest};
use crate::model::Model;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::object::merge::amend;
use crate::object::order::tidy;
use crate::object::path::{Path, Step};
use crate::object::{Id, Value};
use crate::render::PATCH_WITHOUT_OBJECT;
use crate::render::plan::Job;
use crate::source::{Span, Spanned};
use crate::spelling::MOST_GUESSES;
use crate::template::Kind;

/// Merges a stack's patches onto the objects of one of its files.
pub fn of_stack(stack: &Stack, objects: &mut [Value]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if stack.patches.is_empty() {
        return found;
    }
    let places = places(objects);
    for (target, patch) in &stack.patches {
        for at in places.get(target.as_str()).into_iter().flatten() {
            // Of a patch for all of a kind some have nothing to delete.
            let for_one = target.contains('/');
            let whose = format!("stack `{}`", stack.name);
            let fault = change(&mut objects[*at], patch, target, &whose, for_one);
            found.extend(fault.map(|fault| fault.about(stack.subject())));
        }
    }
    found
}

/// A service in an environment, or in the defaults, by number: its environment, its stack, itself.
type Of = (Option<usize>, usize, usize);

/// Which of several templates makes the object that a service's patch is for: the one of the service's name, else
/// the first of that kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Targets<'a>(BTreeMap<Of, BTreeMap<&'a str, &'a str>>);

impl<'a> Targets<'a> {
    /// Looks through what services with patches have in several files; `identities` renders a job for that.
    pub fn new(model: &'a Model, jobs: &[Job<'a>], identities: impl Fn(&Job<'a>) -> Vec<Id> + Sync) -> Self {
        let mut files: BTreeMap<Of, Vec<&Job<'a>>> = BTreeMap::new();
        for job in jobs.iter().filter(|job| Kind::of(job.template) == Kind::Objects) {
            if job.service(model).is_some_and(|service| !service.patches.is_empty())
                && let Some(of) = of(job)
            {
                files.entry(of).or_default().push(job);
            }
        }
        files.retain(|_, jobs| jobs.len() > 1);
        let targets = files.into_par_iter().filter_map(|(of, jobs)| {
            let service = jobs.first()?.service(model)?;
            let made: Vec<(&str, Vec<Id>)> = jobs.iter().map(|job| (job.template, identities(job))).collect();
            let kinds = service.patches.iter().map(|(kind, _)| kind.value.as_str());
            Some((of, kinds.filter_map(|kind| Some((kind, target(kind, service, &made)?))).collect()))
        });
        Self(targets.collect())
    }

    /// Whether another file has the object that a patch is for.
    fn elsewhere(&self, job: &Job<'_>, kind: &str) -> bool {
        let targets = of(job).and_then(|of| self.0.get(&of));
        targets.and_then(|targets| targets.get(kind)).is_some_and(|template| *template != job.template)
    }

    /// Whether the same file of a service is patched in the same way.
    pub fn same(&self, one: &Job<'_>, other: &Job<'_>) -> bool {
        let targets = |job| of(job).and_then(|of| self.0.get(&of));
        targets(one) == targets(other)
    }
}

fn of(job: &Job<'_>) -> Option<Of> {
    job.in_overlay().then_some((job.environment, job.stack?, job.service_at()?))
}

fn target<'a>(kind: &str, service: &Service, made: &[(&'a str, Vec<Id>)]) -> Option<&'a str> {
    let of_kind = |own: bool| {
        let is_it = move |id: &Id| id.kind == kind && (!own || id.name == service.name);
        made.iter().find(|(_, ids)| ids.iter().any(is_it)).map(|(template, _)| *template)
    };
    of_kind(true).or_else(|| of_kind(false))
}

/// Merges a service's patches onto its objects in one file, each onto the one of the service's name or the first of
/// that kind.
pub fn of_service(
    service: &Service,
    targets: &Targets<'_>,
    job: &Job<'_>,
    objects: &mut [Value],
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if service.patches.is_empty() {
        return found;
    }
    let places = places(objects);
    let whose = format!("service `{}`", service.key);
    // Only a stack's patches are for one by name.
    let patches = service.patches.iter().filter(|(kind, _)| !kind.contains('/'));
    for (kind, patch) in patches.filter(|(kind, _)| !targets.elsewhere(job, kind)) {
        let own = places.get(&format!("{kind}/{}", service.name)).or_else(|| places.get(kind.as_str()));
        if let Some(at) = own.and_then(|places| places.first()) {
            let fault = change(&mut objects[*at], patch, kind, &whose, true);
            found.extend(fault.map(|fault| fault.about(service.subject())));
        }
    }
    found
}

/// Merges a patch onto an object; the fault, if it cannot be, or if it is for this one alone and deletes nothing.
fn change(
    object: &mut Value,
    patch: &Value,
    target: &Spanned<String>,
    whose: &str,
    for_one: bool,
) -> Option<Diagnostic> {
    let (label, message) = match amend(object, patch) {
        Ok(Some(merged)) => {
            let idle = for_one.then(|| idle_deletion(object, patch, &merged)).flatten();
            *object = tidy(merged);
            return idle.map(|path| deletes_nothing(target, whose, &path));
        }
        Ok(None) => ("deletes the object", format!("the patch of {whose} deletes its {target}")),
        Err(error) => {
            ("cannot be merged", format!("the patch of {whose} cannot be merged into its {target}: {error}"))
        }
    };
    Some(PATCH_WITHOUT_OBJECT.at(target.span, label, message))
}

fn deletes_nothing(target: &Spanned<String>, whose: &str, path: &Path) -> Diagnostic {
    let message = format!("the patch of {whose} deletes what its {target} does not have: `{path}`");
    let mut diagnostic = PATCH_WITHOUT_OBJECT.at(target.span, "deletes nothing", message);
    diagnostic.level = Level::Warning;
    diagnostic.help("an element is found by all of its keys, ports of a Service by `port` and `protocol`: name them all, or drop it")
}

/// For so many deletions of one patch it is looked whether they find anything.
const MOST_DELETIONS: usize = 16;

/// The first `$patch: delete` without which all would be the same.
fn idle_deletion(object: &Value, patch: &Value, merged: &Value) -> Option<Path> {
    let mut deletions = Vec::new();
    find_deletions(patch, &mut Vec::new(), &mut deletions);
    deletions.into_iter().take(MOST_DELETIONS).find(|path| {
        let mut without = patch.clone();
        take_out(&mut without, &path.0);
        amend(object, &without).is_ok_and(|same| same.as_ref() == Some(merged))
    })
}

/// Nesting is bounded by the reader of the inventory.
fn find_deletions(patch: &Value, steps: &mut Vec<Step>, found: &mut Vec<Path>) {
    let mut below = |step: Step, value: &Value| {
        steps.push(step);
        find_deletions(value, steps, found);
        steps.pop();
    };
    match patch {
        Value::Object(map) if map.get("$patch").is_some_and(|word| word == "delete") => {
            found.push(Path(steps.clone()));
        }
        Value::Object(map) => map.iter().for_each(|(key, value)| below(Step::Key(key.clone()), value)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(at, value)| below(Step::Index(at), value));
        }
        _ => {}
    }
}

/// Takes out what a path leads to.
fn take_out(value: &mut Value, path: &[Step]) {
    let Some((step, rest)) = path.split_first() else { return };
    let last = rest.is_empty();
    match (value, step) {
        (Value::Object(map), Step::Key(key)) if last => {
            map.remove(key);
        }
        (Value::Object(map), Step::Key(key)) => {
            map.get_mut(key).into_iter().for_each(|inner| take_out(inner, rest));
        }
        (Value::Array(list), Step::Index(at)) if last => {
            list.remove(*at);
        }
        (Value::Array(list), Step::Index(at)) => {
            list.get_mut(*at).into_iter().for_each(|inner| take_out(inner, rest));
        }
        _ => {}
    }
}

/// A patch that fits none of these, which are kinds, and kinds with names.
fn none_of<'n>(target: &Spanned<String>, whose: &str, names: impl Iterator<Item = &'n String>) -> Diagnostic {
    let kinds: Vec<&str> = names.map(String::as_str).filter(|name| !name.contains('/')).collect();
    let message = format!("{whose} has no {target} to patch");
    let diagnostic = PATCH_WITHOUT_OBJECT.at(target.span, "no such object", message);
    if kinds.is_empty() { diagnostic } else { diagnostic.help(format!("it has {}", kinds.join(", "))) }
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

/// Whose objects: a stack's in an environment, or those of one of its services, by number.
type Owner = (usize, usize, Option<usize>);

/// The objects that stacks and services with patches have, by kind, and by kind and name.
#[derive(Debug, Default)]
pub struct There {
    names: BTreeMap<Owner, BTreeSet<String>>,
    /// What is not known as a whole, for something of it could not be rendered.
    lacking: BTreeSet<Owner>,
}

impl There {
    /// Notes what a job has made.
    pub fn note(&mut self, model: &Model, job: &Job<'_>, objects: &[Value]) {
        let (Some(environment), Some(stack), true) = (job.environment, job.stack, job.in_overlay()) else {
            return;
        };
        if job.stack(model).is_some_and(|stack| !stack.patches.is_empty()) {
            let names = self.names.entry((environment, stack, None)).or_default();
            for id in objects.iter().filter_map(Id::of) {
                names.insert(format!("{}/{}", id.kind, id.name));
                names.insert(id.kind);
            }
        }
        if job.service(model).is_some_and(|service| !service.patches.is_empty()) {
            let names = self.names.entry((environment, stack, job.service_at())).or_default();
            names.extend(objects.iter().filter_map(Id::of).map(|id| id.kind));
        }
    }

    /// Notes that a job has failed.
    pub fn lack(&mut self, job: &Job<'_>) {
        if let (Some(environment), Some(stack)) = (job.environment, job.stack) {
            self.lacking.extend([(environment, stack, None), (environment, stack, job.service_at())]);
        }
    }

    /// Adds what another has noted.
    pub fn absorb(&mut self, other: Self) {
        for (owner, names) in other.names {
            self.names.entry(owner).or_default().extend(names);
        }
        self.lacking.extend(other.lacking);
    }

    /// The objects of a stack or service; none if they are not known as a whole.
    fn of(&self, owner: Owner) -> Option<Cow<'_, BTreeSet<String>>> {
        let names = || self.names.get(&owner).map_or_else(Cow::default, Cow::Borrowed);
        (!self.lacking.contains(&owner)).then(names)
    }
}

/// Reports patches of objects that are nowhere in their stack or service, once for each.
pub fn report_unmet(model: &Model, there: &There, diagnostics: &mut Diagnostics) {
    let mut unmet = Unmet { reported: BTreeSet::new(), diagnostics };
    for (at, environment) in model.environments.iter().enumerate() {
        for (index, stack) in environment.stacks.iter().enumerate() {
            if let Some(names) = there.of((at, index, None)) {
                let targets = stack.patches.iter().map(|(target, _)| target);
                unmet.report(targets, &names, &format!("stack `{}`", stack.name), &stack.subject());
            }
            let services = stack.services.iter().enumerate();
            for (own, service) in services.filter(|(_, service)| !service.patches.is_empty()) {
                if let Some(names) = there.of((at, index, Some(own))) {
                    let targets = service.patches.iter().map(|(target, _)| target);
                    unmet.report(targets, &names, &format!("service `{}`", service.key), &service.subject());
                }
            }
        }
    }
}

struct Unmet<'d> {
    reported: BTreeSet<Span>,
    diagnostics: &'d mut Diagnostics,
}

impl Unmet<'_> {
    fn report<'t>(
        &mut self,
        targets: impl Iterator<Item = &'t Spanned<String>>,
        names: &BTreeSet<String>,
        whose: &str,
        subject: &str,
    ) {
        for target in targets.filter(|target| !names.contains(&target.value)) {
            let guess = self.reported.len() < MOST_GUESSES;
            if self.reported.insert(target.span) {
                let diagnostic = none_of(target, whose, names.iter()).about(subject);
                let near = nearest(target, names.iter().filter(|_| guess).map(String::as_str));
                self.diagnostics.push(match near {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                    None => diagnostic,
                });
            }
        }
    }
}
