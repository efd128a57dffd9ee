//! Bases and overlays: an overlay is the difference between its environment and the defaults.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::ParallelSliceMut;
use serde_json::json;

use crate::diagnostic::Diagnostic;
use crate::model::{Environment, Model};
use crate::object::emit::emit;
use crate::object::patch::{Patch, deletion, difference};
use crate::object::{Id, Value, api_version};
use crate::render::files::both_make;
use crate::render::kustomization::Kustomization;
use crate::render::plan::Job;
use crate::render::{Made, Read, Rendered, Run, emit_objects};
use crate::source::{FileId, Span};
use crate::template::TEMPLATE_PATH;
use crate::tree::TreePath;

/// A file of a stack: what renders it for the defaults and for each environment.
#[derive(Debug)]
pub struct LayeredFile<'j, 'a> {
    /// The folder above `base` and `overlays`.
    pub folder: &'j str,
    /// The file's name.
    pub name: &'j str,
    /// The jobs, each with its number. Those of one template follow one another, the base first.
    pub jobs: Vec<(usize, &'j Job<'a>)>,
}

type Versions<'v> = BTreeMap<Option<usize>, (&'v Job<'v>, Version)>;

/// What a file has for an environment, or for the base.
enum Version {
    /// The same as the base.
    Same,
    /// Objects of its own.
    Own(Vec<Value>),
}

impl Run<'_> {
    /// Renders a file for the base and every environment, and says each environment by its difference.
    pub fn layered(&self, file: &LayeredFile<'_, '_>, made: &mut Made) {
        let mut versions: Versions<'_> = BTreeMap::new();
        let mut base: Option<(&Job<'_>, Read)> = None;
        // Nobody applies a base: it is judged as what an environment has of it.
        let mut judged: Option<usize> = None;
        let mut texts: BTreeMap<&str, (FileId, String)> = BTreeMap::new();
        for (number, job) in &file.jobs {
            if base.as_ref().is_some_and(|(base, read)| self.same(base, read, job)) {
                self.progress.step();
                if let Some((_, Version::Own(objects))) = versions.get(&None) {
                    made.noted.note(self.model, job, objects);
                    match judged {
                        Some(at) => made.noted.link_again(self.model, at, *number, job),
                        None => {
                            judged = Some(made.noted.linked.len());
                            made.noted.judge(self.model, *number, job, objects);
                        }
                    }
                    versions.insert(job.environment, (job, Version::Same));
                }
                continue;
            }
            match self.one(job) {
                (read, Ok(Rendered::Objects(objects))) => {
                    base = if job.environment.is_none() { Some((job, read)) } else { base };
                    if objects.is_empty() {
                        continue;
                    }
                    made.noted.note(self.model, job, &objects);
                    if job.environment.is_some() {
                        made.noted.judge(self.model, *number, job, &objects);
                        if let Some((_, Version::Own(base))) = versions.get(&None) {
                            made.faults.extend(
                                self.other_version(job, base, &objects).map(|one| (*number, vec![one])),
                            );
                        }
                    }
                    if let Some((other, _)) = versions.insert(job.environment, (job, Version::Own(objects))) {
                        let path = format!("{}/base/{}", file.folder, file.name);
                        let fault = both_make(path, other.file, job.file, self.templates.set);
                        made.faults.push((*number, vec![fault]));
                    }
                }
                (_, Ok(Rendered::Text(text))) => {
                    let text = if text.trim().is_empty() { String::new() } else { text };
                    match job.environment {
                        None => drop(texts.insert(job.template, (job.file, text))),
                        Some(_) if texts.get(job.template).map_or("", |(_, text)| text) == text => {}
                        Some(_) => made.faults.push((*number, vec![self.text_differs(job)])),
                    }
                }
                (_, Err(faults)) => made.faults.push((*number, faults)),
            }
        }
        self.write(file, &versions, made);
        for (template, text) in texts.into_values().filter(|(_, text)| !text.is_empty()) {
            made.text(file, template, text);
        }
    }

    /// kustomize finds the object that a patch is for by its version, too.
    fn other_version(&self, job: &Job<'_>, base: &[Value], objects: &[Value]) -> Option<Diagnostic> {
        // Nearly always all of them stand where they stood.
        if base.iter().map(api_version).eq(objects.iter().map(api_version)) {
            return None;
        }
        let versions: BTreeMap<Id, Option<&str>> =
            base.iter().filter_map(|old| Some((Id::of(old)?, api_version(old)))).collect();
        let id = objects.iter().find_map(|object| {
            let id = Id::of(object)?;
            let differs = versions.get(&id).is_some_and(|version| *version != api_version(object));
            differs.then_some(id)
        })?;
        let message = format!(
            "template `{}` makes {id} in another version for {} than for the defaults: no overlay can change `apiVersion`",
            job.template,
            job.what_for(self.model)
        );
        Some(
            TEMPLATE_PATH
                .at(Span::new(job.file, 0..0), "", message)
                .help("write the same `apiVersion` for all environments"),
        )
    }

    /// Text has no overlay: kustomize builds objects only.
    fn text_differs(&self, job: &Job<'_>) -> Diagnostic {
        let message = format!(
            "template `{}` makes text that differs between the defaults and {}: text has no overlays",
            job.template,
            job.what_for(self.model)
        );
        let beside = job.template.rsplit_once("/base/").map_or("apps/{stack}", |(folder, _)| folder);
        TEMPLATE_PATH
            .at(Span::new(job.file, 0..0), "", message)
            .help(format!("put it under `{beside}/overlays/{{environment}}/`"))
    }

    /// Whether `job` would make what `base` has made: its template has read nothing that differs.
    fn same(&self, base: &Job<'_>, read: &Read, job: &Job<'_>) -> bool {
        let patches = |job: &Job<'_>| job.service(self.model).map(|service| &service.patches);
        let of_stack = |job: &Job<'_>| job.stack(self.model).map(|stack| &stack.patches);
        let namespace = |job: &Job<'_>| job.stack(self.model).map(|stack| &stack.namespace.value);
        base.template == job.template
            && job.environment.is_some()
            && patches(base) == patches(job)
            && of_stack(base) == of_stack(job)
            && self.targets.same(base, job)
            && !(read.says_namespace && namespace(base) != namespace(job))
            && self.contexts.same(&read.names, job)
    }

    fn write(&self, file: &LayeredFile<'_, '_>, versions: &Versions<'_>, made: &mut Made) {
        let base: &[Value] = match versions.get(&None) {
            Some((_, Version::Own(objects))) => objects,
            _ => &[],
        };
        let Ok(base_path) = TreePath::parse(&format!("{}/base", file.folder)) else { return };
        if let Some((job, _)) = versions.get(&None) {
            made.base(&base_path, file.name, base, job.file);
        }
        let Made { files, overlays, .. } = made;
        for part in &mut overlays_on(base_path, self.model, overlays).parts {
            let version = versions.get(&Some(part.environment));
            let mut overlay = Overlay { path: &part.path, kustomization: &mut part.kustomization, files };
            match version {
                Some((_, Version::Same)) => {}
                Some((job, Version::Own(objects))) => overlay.write_file(file.name, job.file, base, objects),
                None => base.iter().for_each(|object| overlay.delete(object)),
            }
            if let Some((job, _)) = version {
                let stack = job.stack(self.model);
                part.kustomization.namespace = stack.map(|stack| stack.namespace.value.clone());
                part.there = true;
            }
        }
    }
}

impl Made {
    fn base(&mut self, folder: &TreePath, name: &str, objects: &[Value], template: FileId) {
        let Ok(path) = folder.join(name) else { return };
        self.files.push((path, emit_objects(objects), template));
        self.folder(folder).resource(name, objects, template);
    }

    /// Text is the same for all environments: only the base has it.
    fn text(&mut self, file: &LayeredFile<'_, '_>, template: FileId, text: String) {
        if let Ok(path) = TreePath::parse(&format!("{}/base/{}", file.folder, file.name)) {
            self.files.push((path, text, template));
        }
    }
}

/// The overlays of a stack, on its base.
#[derive(Debug)]
pub struct Overlays {
    base: TreePath,
    parts: Vec<OverlayPart>,
}

/// The overlay of one environment.
#[derive(Debug)]
struct OverlayPart {
    environment: usize,
    path: TreePath,
    kustomization: Kustomization,
    /// Whether the environment has any of the stack's files. One that has none has no overlay.
    there: bool,
}

/// The overlays on a base: those of the file before, mostly.
fn overlays_on<'o>(base: TreePath, model: &Model, overlays: &'o mut Vec<Overlays>) -> &'o mut Overlays {
    if overlays.last().is_none_or(|last| last.base != base) {
        let folder = base.parent();
        let part = |(environment, of): (usize, &Environment)| {
            let path = folder.as_ref()?.join(&format!("overlays/{}", of.name)).ok()?;
            Some(OverlayPart { environment, path, kustomization: Kustomization::default(), there: false })
        };
        let parts = model.environments.iter().enumerate().filter_map(part).collect();
        overlays.push(Overlays { base, parts });
    }
    let last = overlays.len() - 1;
    &mut overlays[last]
}

/// Adds the overlays to the other folders, each on its base if there is one.
pub fn build_on_bases(mut overlays: Vec<Overlays>, folders: &mut BTreeMap<TreePath, Kustomization>) {
    overlays.par_sort_by(|one, other| one.base.cmp(&other.base));
    let mut overlays = overlays.into_iter().peekable();
    while let Some(mut all) = overlays.next() {
        while let Some(more) = overlays.next_if(|more| more.base == all.base) {
            for (part, more) in all.parts.iter_mut().zip(more.parts) {
                part.there |= more.there;
                part.kustomization.absorb(more.kustomization);
            }
        }
        let has_base = folders.contains_key(&all.base);
        for part in all.parts.into_iter().filter(|part| part.there) {
            let folder = folders.entry(part.path).or_default();
            folder.absorb(part.kustomization);
            if has_base {
                folder.bases.insert("../../base".to_owned());
            }
        }
    }
}

struct Overlay<'t> {
    path: &'t TreePath,
    kustomization: &'t mut Kustomization,
    files: &'t mut Vec<(TreePath, String, FileId)>,
}

impl Overlay<'_> {
    /// One file of the base, in this environment: patches for what differs, deletions for what is off, and a file
    /// of its own for what only this environment has.
    fn write_file(&mut self, name: &str, template: FileId, base: &[Value], target: &[Value]) {
        // The places of objects, of each identity the first one last.
        let mut left: BTreeMap<Id, Vec<usize>> = BTreeMap::new();
        for (at, object) in target.iter().enumerate().rev() {
            if let Some(id) = key(object) {
                left.entry(id).or_default().push(at);
            }
        }
        let mut patches = Vec::new();
        for old in base {
            let Some(id) = key(old) else { continue };
            match left.get_mut(&id).and_then(Vec::pop) {
                Some(at) => self.patch(old, &target[at], &mut patches),
                None => self.delete(old),
            }
        }
        let stem = name.strip_suffix(".yaml").unwrap_or(name);
        if !patches.is_empty() {
            let file = format!("{stem}.patch.yaml");
            self.insert(&file, template, emit_objects(&patches));
            self.kustomization.patch_file(&file);
        }
        let left: BTreeSet<usize> = left.into_values().flatten().collect();
        if !left.is_empty() {
            let own: Vec<Value> = left.into_iter().map(|at| target[at].clone()).collect();
            self.insert(name, template, emit_objects(&own));
            self.kustomization.resource(name, &own, template);
        }
    }

    fn patch(&mut self, old: &Value, new: &Value, patches: &mut Vec<Value>) {
        let mut new = Cow::Borrowed(new);
        // A Namespace is renamed by the kustomization's own `namespace`.
        if old.get("kind").and_then(Value::as_str) == Some("Namespace")
            && let Some(id) = Id::of(old).filter(|id| id.group.is_empty())
        {
            new.to_mut()["metadata"]["name"] = json!(id.name);
        }
        match difference(old, &new) {
            None => {}
            Some(Patch::Strategic(patch)) => patches.push(patch),
            Some(Patch::Json6902(operations)) => {
                let Some(id) = Id::of(old) else { return };
                self.kustomization.inline_patch(&id, &emit(&Value::Array(operations)));
            }
        }
    }

    /// Deletions stand in the kustomization itself: kustomize 5.5 fails on a patch file that goes on after one, and
    /// the reader sees at once what this environment does without.
    fn delete(&mut self, old: &Value) {
        self.kustomization.deletion(&emit(&deletion(old)));
    }

    fn insert(&mut self, name: &str, template: FileId, content: String) {
        if let Ok(path) = self.path.join(name) {
            self.files.push((path, content, template));
        }
    }
}

/// What makes an object of the base and one of an environment the same. A stack writes one Namespace, whatever its
/// name there.
fn key(object: &Value) -> Option<Id> {
    let id = Id::of(object)?;
    let is_namespace = id.kind == "Namespace" && id.group.is_empty();
    Some(if is_namespace { Id { name: String::new(), ..id } } else { id })
}
