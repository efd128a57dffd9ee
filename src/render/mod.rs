//! A checked model and the templates become a tree.
//!
//! Every route of the template folder is rendered for whatever its path loops over. What lies under `base/` is
//! rendered for the inventory's defaults and for each environment: the defaults are the base, the difference is
//! the overlay. Kustomizations list what was rendered beside them.

mod context;
mod cycles;
mod files;
mod judge;
mod kinds;
mod kustomization;
mod links;
mod misplaced;
mod overlay;
mod patches;
mod plan;
mod whole;

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::Value as Named;
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use crate::check::Checked;
use crate::check::manifests::Manifest;
use crate::diagnostic::{Diagnostic, Diagnostics, Family, Outcome, codes};
use crate::model::{Model, images};
use crate::object::emit::emit_documents;
use crate::object::order::tidy;
use crate::object::{Id, Value};
use crate::progress::Progress;
use crate::render::context::{Contexts, Names};
use crate::render::files::Files;
use crate::render::judge::{Found, Locator};
use crate::render::kinds::Applied;
use crate::render::kustomization::Kustomization;
use crate::render::links::Linked;
use crate::render::misplaced::misplaced;
use crate::render::overlay::{LayeredFile, Overlays};
use crate::render::patches::{Targets, There};
use crate::render::plan::{Job, Place};
use crate::source::{FileId, Span};
use crate::template::{Engine, Kind, Origin, TemplateSet};
use crate::tree::{Tree, TreePath};

codes! {
    /// Two templates make one file, or one object.
    DUPLICATE_OUTPUT = ("duplicate-output", Templates, Error, "two templates make the same file, or the same object in one build");
    /// An object without a name or kind, or in a namespace where its folder does not lead.
    MISPLACED_OBJECT = ("misplaced-object", Templates, Error, "a template makes an object without kind or name, or one for another namespace than its stack's");
    /// A `patch` that nothing fits.
    PATCH_WITHOUT_OBJECT = ("patch-without-object", References, Error, "a `patch` for a kind of object that the service does not have, that cannot be merged, or that deletes nothing");
}

/// So many findings have their places in templates looked for; the others are about the template as a whole.
const MOST_PLACES: usize = 500;

/// What rendering needs beside the model.
#[derive(Clone, Copy, Debug)]
pub struct Templates<'a> {
    /// The templates, as files.
    pub set: &'a TemplateSet,
    /// The templates, compiled.
    pub engine: &'a Engine,
}

/// One file, rendered: objects, or text.
#[derive(Clone, Debug)]
enum Rendered {
    Objects(Vec<Value>),
    Text(String),
}

/// Renders the whole tree. `hand_written` are the files of other people in the output folder: manifests among
/// them are listed by the kustomization beside them. `origin` is the inventory's file name.
pub fn render(
    checked: &Checked,
    templates: Templates<'_>,
    hand_written: &[Manifest],
    origin: &str,
    progress: &Progress,
) -> Outcome<Option<Tree>> {
    let model = checked.model();
    let mut diagnostics = Diagnostics::default();
    let (jobs, contexts) =
        rayon::join(|| plan::jobs(model, templates.set, &mut diagnostics), || Contexts::new(model));
    progress.expect(jobs.len());
    let targets = Targets::new(model, &jobs, |job| identities(&contexts, templates, job));
    let run = Run { model, contexts: &contexts, templates, targets: &targets, progress };
    let (plain, layered) = sorted(&jobs);
    let (late, plain): (Vec<_>, Vec<_>) = plain.into_iter().partition(|(_, job)| is_late(job));
    // The longest of all, the README, is plain: it is begun at once.
    let (plain, layered) = rayon::join(
        || made(&plain, |(number, job), made| run.plain(*number, job, made)),
        || made(&layered, |file, made| run.layered(file, made)),
    );
    let mut files = Files::new(origin, templates.set);
    let (mut faults, mut noted) = (Vec::new(), Noted::default());
    for made in plain.into_iter().chain(layered) {
        files.add(made, &mut faults, &mut noted);
    }
    let contexts = contexts.after(&noted.applied);
    let run = Run { model, contexts: &contexts, templates, targets: &targets, progress };
    for (number, job) in late {
        let mut made = Made::default();
        run.plain(number, job, &mut made);
        files.add(made, &mut faults, &mut noted);
    }
    if let Some(exhausted) = exhausted(templates) {
        return Outcome { value: None, diagnostics: exhausted };
    }
    files.settle(&mut faults);
    faults.iter().filter_map(|(number, _)| jobs.get(*number)).for_each(|job| noted.there.lack(job));
    patches::report_unmet(model, &noted.there, &mut diagnostics);
    insert_images(model, &mut files.tree);
    faults.sort_by_key(|(number, _)| *number);
    diagnostics.extend(counted(faults.into_iter().flat_map(|(_, faults)| faults)));
    // What stands in the way of a file is no second object: the comparison with the disk says what it is.
    let hand_written: Vec<&Manifest> =
        hand_written.iter().filter(|manifest| !files.tree.contains(&manifest.path)).collect();
    let listed = hand_written.iter().filter(|manifest| manifest.is_listed());
    let listed: Vec<TreePath> = listed.map(|manifest| manifest.path.clone()).collect();
    let mut found = Diagnostics::default();
    let into_tree = || files.into_tree(&listed, &mut diagnostics);
    let (tree, dangling) = links::dangling(model, &jobs, &noted.linked, &hand_written, into_tree, &mut found);
    noted.found.extend(dangling);
    found.absorb(judge::placed(&Locator { model, contexts: &contexts, templates }, &jobs, noted.found));
    found.extend(templates.set.unused());
    checked.accept(&mut found);
    diagnostics.absorb(found);
    rayon::spawn(|| drop((contexts, noted.linked)));
    diagnostics.sort();
    let value = (!diagnostics.has_errors()).then_some(tree);
    Outcome { value, diagnostics }
}

/// Jobs for plain files, each with its number, and what a stack's base and overlays have of each file.
fn sorted<'j, 'a>(jobs: &'j [Job<'a>]) -> (Vec<(usize, &'j Job<'a>)>, Vec<LayeredFile<'j, 'a>>) {
    let mut plain = Vec::new();
    let mut layered: BTreeMap<(&str, &str), Vec<(usize, &Job<'_>)>> = BTreeMap::new();
    for (number, job) in jobs.iter().enumerate() {
        match job.place.layer() {
            None => plain.push((number, job)),
            Some(layer) => layered.entry(layer).or_default().push((number, job)),
        }
    }
    plain.sort_by_key(|(_, job)| Kind::of(job.template) == Kind::Objects);
    let layered = layered.into_iter().map(|((folder, name), jobs)| LayeredFile { folder, name, jobs });
    (plain, layered.collect())
}

/// Renders at the same time: what neighbours make goes into one list, as there are thousands of them.
fn made<T: Sync>(all: &[T], render: impl Fn(&T, &mut Made) + Sync) -> Vec<Made> {
    let add = |mut made, one| {
        render(one, &mut made);
        made
    };
    all.par_iter().fold(Made::default, add).collect()
}

/// What rendering some files has made.
#[derive(Debug, Default)]
struct Made {
    /// Files, each with the template it comes from.
    files: Vec<(TreePath, String, FileId)>,
    /// What the kustomizations of folders have to list.
    folders: Vec<(TreePath, Kustomization)>,
    /// What the kustomizations of overlays have to list and to change.
    overlays: Vec<Overlays>,
    /// What went wrong, by the number of its job.
    faults: Vec<(usize, Vec<Diagnostic>)>,
    /// What others have to know of its objects.
    noted: Noted,
}

impl Made {
    /// What the kustomization of a folder has to list: that of the file before, mostly.
    fn folder(&mut self, path: &TreePath) -> &mut Kustomization {
        if self.folders.last().is_none_or(|(last, _)| last != path) {
            self.folders.push((path.clone(), Kustomization::default()));
        }
        let last = self.folders.len() - 1;
        &mut self.folders[last].1
    }
}

/// What is said of all objects once they are there.
#[derive(Debug, Default)]
struct Noted {
    /// The kinds that Argo CD applies.
    applied: Applied,
    /// The objects that stacks and services with patches have.
    there: There,
    /// What Kubernetes would say.
    found: Vec<Found>,
    /// What objects need of each other.
    linked: Vec<Linked>,
}

impl Noted {
    fn note(&mut self, model: &Model, job: &Job<'_>, objects: &[Value]) {
        self.applied.note(model, job, objects);
        self.there.note(model, job, objects);
    }

    /// What is to be said of what a job has made, where it is applied.
    fn judge(&mut self, model: &Model, number: usize, job: &Job<'_>, objects: &[Value]) {
        self.found.extend(judge::judge(model, number, objects));
        self.linked.push(links::linked(model, number, job, objects));
    }

    /// What one environment has of a base, another has in its own namespace: what it needs is looked for there.
    fn link_again(&mut self, model: &Model, first: usize, number: usize, job: &Job<'_>) {
        let again = self.linked.get(first).and_then(|first| first.again(model, number, job));
        self.linked.extend(again);
    }

    fn absorb(&mut self, other: Self) {
        self.applied.absorb(other.applied);
        self.found.extend(other.found);
        self.linked.extend(other.linked);
        self.there.absorb(other.there);
    }
}

/// What all renders share.
#[derive(Clone, Copy)]
struct Run<'a> {
    model: &'a Model,
    contexts: &'a Contexts,
    templates: Templates<'a>,
    targets: &'a Targets<'a>,
    progress: &'a Progress,
}

impl Run<'_> {
    /// A file that stands in one place.
    fn plain(&self, number: usize, job: &Job<'_>, made: &mut Made) {
        match (self.one(job).1, &job.place) {
            (Ok(Rendered::Text(text)), Place::Plain(path)) if !text.trim().is_empty() => {
                made.files.push((path.clone(), text, job.file));
            }
            (Ok(Rendered::Objects(objects)), Place::Plain(path)) if !objects.is_empty() => {
                made.noted.note(self.model, job, &objects);
                made.noted.judge(self.model, number, job, &objects);
                made.files.push((path.clone(), emit_objects(&objects), job.file));
                if let Some(folder) = path.parent() {
                    let stack = job.stack(self.model).filter(|_| job.in_overlay());
                    let namespace = stack.map(|stack| stack.namespace.value.clone());
                    let kustomization = made.folder(&folder);
                    kustomization.resource(path.name(), &objects, job.file);
                    kustomization.namespace = namespace.or(kustomization.namespace.take());
                }
            }
            (Err(faults), _) => made.faults.push((number, faults)),
            _ => {}
        }
    }

    /// One job: what it makes, and what it read for that.
    fn one(&self, job: &Job<'_>) -> (Read, Result<Rendered, Vec<Diagnostic>>) {
        self.progress.step();
        let names = self.contexts.of(job);
        let context = Named::from_dyn_object(Arc::clone(&names));
        let mut rendered = run(self.model, &context, self.templates, self.targets, job);
        let mut says_namespace = false;
        // The overlay's kustomization sets it.
        if let (true, Ok(Rendered::Objects(objects))) = (job.in_overlay(), &mut rendered) {
            for object in objects {
                says_namespace |= strip_namespace(object);
            }
        }
        (Read { names, says_namespace }, rendered)
    }
}

/// What a job depends on.
struct Read {
    /// What its template read.
    names: Arc<Names>,
    /// Whether any of its objects says which namespace it is for.
    says_namespace: bool,
}

/// What building each folder must give: the objects as the templates make them for each overlay and each plain
/// folder, before bases and patches are computed. Bases are left out: nobody applies one.
pub fn deployed(checked: &Checked, templates: Templates<'_>) -> Outcome<BTreeMap<TreePath, Vec<Value>>> {
    let mut diagnostics = Diagnostics::default();
    let mut folders: BTreeMap<TreePath, Vec<Value>> = BTreeMap::new();
    for (job, rendered) in rendered(checked.model(), templates, &mut diagnostics) {
        if let (Rendered::Objects(mut objects), Some(folder)) = (rendered, folder_of(&job, checked.model())) {
            if let Some(stack) = job.stack(checked.model()).filter(|_| job.in_overlay()) {
                objects.iter_mut().for_each(|object| put_into(object, &stack.namespace.value));
            }
            folders.entry(folder).or_default().extend(objects);
        }
    }
    folders.retain(|_, objects| !objects.is_empty());
    Outcome { value: folders, diagnostics }
}

/// The folder whose build has what a job makes; none for a base.
fn folder_of(job: &Job<'_>, model: &Model) -> Option<TreePath> {
    match &job.place {
        Place::Plain(path) => path.parent(),
        Place::Layered(_) => {
            let (folder, _) = job.place.layer()?;
            let environment = &model.environments[job.environment?];
            TreePath::parse(&format!("{folder}/overlays/{}", environment.name)).ok()
        }
    }
}

/// Every job and what it made; what went wrong is reported.
fn rendered<'a>(
    model: &Model,
    templates: Templates<'a>,
    diagnostics: &mut Diagnostics,
) -> Vec<(Job<'a>, Rendered)> {
    let contexts = Contexts::new(model);
    let jobs = plan::jobs(model, templates.set, diagnostics);
    let targets = Targets::new(model, &jobs, |job| identities(&contexts, templates, job));
    let render = |contexts: &Contexts, job: &Job<'_>| {
        run(model, &Named::from_dyn_object(contexts.of(job)), templates, &targets, job)
    };
    let (late, early): (Vec<Job<'_>>, Vec<Job<'_>>) = jobs.into_iter().partition(|job| is_late(job));
    let mut outcomes: Vec<Result<Rendered, Vec<Diagnostic>>> =
        early.par_iter().map(|job| render(&contexts, job)).collect();
    let mut noted = Noted::default();
    for (job, outcome) in early.iter().zip(&outcomes) {
        if let Ok(Rendered::Objects(objects)) = outcome {
            noted.note(model, job, objects);
        }
    }
    let contexts = contexts.after(&noted.applied);
    outcomes.extend(late.iter().map(|job| render(&contexts, job)));
    if let Some(exhausted) = exhausted(templates) {
        diagnostics.absorb(exhausted);
        return Vec::new();
    }
    let jobs: Vec<Job<'_>> = early.into_iter().chain(late).collect();
    let mut made = Vec::with_capacity(jobs.len());
    let mut faults = Vec::new();
    for (job, outcome) in jobs.into_iter().zip(outcomes) {
        match outcome {
            Ok(rendered) => made.push((job, rendered)),
            Err(found) => faults.extend(found),
        }
    }
    diagnostics.extend(counted(faults));
    patches::report_unmet(model, &noted.there, diagnostics);
    made
}

/// That all templates together do more than they may: the one finding then, as the others depend on who was first. It
/// is told of a template that is the user's.
fn exhausted(templates: Templates<'_>) -> Option<Diagnostics> {
    let listed = || templates.set.list().filter(|template| !template.partial);
    let own = listed().find(|template| template.origin != Origin::BuiltIn).or_else(|| listed().next())?;
    let exhausted = templates.engine.exhausted(templates.set.get(own.path)?.file)?;
    let mut diagnostics = Diagnostics::default();
    diagnostics.push(exhausted);
    Some(diagnostics)
}

/// The first of all faults that are alike, with the number of the others.
fn counted(found: impl IntoIterator<Item = Diagnostic>) -> Vec<Diagnostic> {
    let mut faults: Vec<(Diagnostic, usize)> = Vec::new();
    let mut seen = BTreeMap::new();
    found.into_iter().for_each(|fault| count(fault, &mut faults, &mut seen));
    faults.into_iter().map(|(fault, more)| with_count(fault, more)).collect()
}

/// Templates directly in `argocd/` are rendered after all others, and see the kinds of objects that those made.
fn is_late(job: &Job<'_>) -> bool {
    job.template.strip_prefix("argocd/").is_some_and(|name| !name.contains('/'))
}

/// A template fails in the same way for one service after the other: that is one fault. Keeps the first of each,
/// and counts the others.
fn count(
    fault: Diagnostic,
    faults: &mut Vec<(Diagnostic, usize)>,
    seen: &mut BTreeMap<(&'static str, Option<Span>), usize>,
) {
    let place = fault.labels.first().map(|label| label.span);
    match seen.get(&(fault.code.name, place)) {
        Some(first) if fault.code.family == Family::Templates => faults[*first].1 += 1,
        _ => {
            seen.insert((fault.code.name, place), faults.len());
            faults.push((fault, 0));
        }
    }
}

fn with_count(mut fault: Diagnostic, more: usize) -> Diagnostic {
    if more > 0 {
        fault.message.push_str(&format!(", and {more} more time{}", if more == 1 { "" } else { "s" }));
    }
    fault
}

fn run(
    model: &Model,
    context: &Named,
    templates: Templates<'_>,
    targets: &Targets<'_>,
    job: &Job<'_>,
) -> Result<Rendered, Vec<Diagnostic>> {
    let what_for = job.what_for(model);
    if Kind::of(job.template) != Kind::Objects {
        let text = templates.engine.text(job.template, context, &what_for).map_err(|found| vec![found])?;
        return Ok(Rendered::Text(text));
    }
    let objects = templates.engine.objects(job.template, context, &what_for).map_err(|found| vec![found])?;
    let mut objects: Vec<Value> = objects.into_iter().map(tidy).collect();
    let misplaced = misplaced(model, job, &what_for, &objects);
    let mut found = Vec::new();
    if !misplaced.is_empty() {
        let rendition = templates.engine.rendition(job.template, context);
        for (count, one) in misplaced.into_iter().enumerate() {
            let rendition = rendition.as_ref().filter(|_| count < MOST_PLACES);
            found.push(one.diagnostic(job, rendition));
        }
    }
    if let Some(stack) = job.stack(model).filter(|_| job.in_overlay()) {
        found.extend(patches::of_stack(stack, &mut objects));
    }
    if let Some(service) = job.service(model).filter(|_| job.in_overlay()) {
        found.extend(patches::of_service(service, targets, job, &mut objects));
    }
    if found.is_empty() { Ok(Rendered::Objects(objects)) } else { Err(found) }
}

/// What a job makes, if it can be rendered.
fn identities(contexts: &Contexts, templates: Templates<'_>, job: &Job<'_>) -> Vec<Id> {
    let context = Named::from_dyn_object(contexts.of(job));
    let objects = templates.engine.objects(job.template, &context, "").unwrap_or_default();
    objects.iter().filter_map(Id::of).collect()
}

/// What the overlay's kustomization does.
fn put_into(object: &mut Value, namespace: &str) {
    let of_cluster = Id::of(object).is_some_and(|id| kinds::is_cluster_scoped(&id.group, &id.kind));
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut).filter(|_| !of_cluster)
    {
        metadata.insert("namespace".to_owned(), Value::from(namespace));
    }
}

fn strip_namespace(object: &mut Value) -> bool {
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    metadata.is_some_and(|metadata| metadata.shift_remove("namespace").is_some())
}

/// The file that Flux writes new images to, and that is read back.
fn insert_images(model: &Model, tree: &mut Tree) {
    let Some(gitops) = model.gitops.as_ref().filter(|gitops| gitops.uses_flux()) else { return };
    let flux = &gitops.flux;
    if !flux.extras.images.is_empty()
        && let Ok(path) = TreePath::parse(images::FILE)
    {
        tree.insert_shared(path, images::file(&flux.extras.images, &flux.namespace));
    }
}

/// Objects as the documents of one file.
fn emit_objects(objects: &[Value]) -> String {
    emit_documents(&objects.iter().collect::<Vec<_>>())
}
