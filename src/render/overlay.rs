//! Bases and overlays: an overlay is the difference between its environment and the defaults.

use std::collections::BTreeMap;

use serde_json::json;

use crate::model::Model;
use crate::object::emit::emit;
use crate::object::patch::{Patch, deletion, difference};
use crate::object::{Id, Value};
use crate::render::emit_objects;
use crate::render::kustomization::Kustomization;
use crate::render::plan::Job;
use crate::source::FileId;
use crate::tree::TreePath;

/// What was rendered for one stack: each file for the defaults and for each environment.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    files: BTreeMap<String, File>,
    stacks: BTreeMap<Option<usize>, usize>,
}

#[derive(Clone, Debug, Default)]
struct File {
    template: FileId,
    versions: BTreeMap<Option<usize>, Vec<Value>>,
}

impl Layers {
    /// Adds the objects of one file in one environment, or in the base.
    pub fn add(&mut self, file: &str, environment: Option<usize>, objects: Vec<Value>, job: &Job<'_>) {
        let entry = self.files.entry(file.to_owned()).or_default();
        entry.template = job.file;
        entry.versions.insert(environment, objects);
        self.stacks.extend(job.stack.map(|stack| (environment, stack)));
    }

    /// The base, and an overlay for each environment that has the stack.
    pub fn write(&self, folder: &str, model: &Model) -> Written {
        let mut written = Written::default();
        let has_base = self.files.values().any(|file| file.versions.contains_key(&None));
        if has_base && let Ok(base) = TreePath::parse(&format!("{folder}/base")) {
            self.write_base(&base, &mut written);
        }
        for (at, environment) in model.environments.iter().enumerate() {
            let Some(stack) = self.stacks.get(&Some(at)) else { continue };
            let Ok(path) = TreePath::parse(&format!("{folder}/overlays/{}", environment.name)) else {
                continue;
            };
            let mut kustomization = Kustomization::default();
            kustomization.namespace = Some(environment.stacks[*stack].namespace.value.clone());
            kustomization.bases.extend(has_base.then(|| "../../base".to_owned()));
            let mut overlay = Overlay { path: &path, kustomization, files: &mut written.files };
            for (name, file) in &self.files {
                let none = Vec::new();
                let base = file.versions.get(&None).unwrap_or(&none);
                let target = file.versions.get(&Some(at)).unwrap_or(&none);
                overlay.write_file(name, file.template, base, target);
            }
            let kustomization = overlay.kustomization;
            written.folders.push((path, kustomization));
        }
        written
    }

    fn write_base(&self, base: &TreePath, written: &mut Written) {
        let mut kustomization = Kustomization::default();
        for (name, file) in &self.files {
            let Some(objects) = file.versions.get(&None) else { continue };
            let Ok(path) = base.join(name) else { continue };
            kustomization.resource(name, objects, file.template);
            written.files.push((path, emit_objects(objects), file.template));
        }
        written.folders.push((base.clone(), kustomization));
    }
}

/// The files and kustomizations of one stack. Each file with the template it comes from.
#[derive(Debug, Default)]
pub struct Written {
    /// Path, content and template.
    pub files: Vec<(TreePath, String, FileId)>,
    /// The kustomization of each folder.
    pub folders: Vec<(TreePath, Kustomization)>,
}

struct Overlay<'t> {
    path: &'t TreePath,
    kustomization: Kustomization,
    files: &'t mut Vec<(TreePath, String, FileId)>,
}

impl Overlay<'_> {
    /// One file of the base, in this environment: patches for what differs, deletions for what is off, and a file
    /// of its own for what only this environment has.
    fn write_file(&mut self, name: &str, template: FileId, base: &[Value], target: &[Value]) {
        let mut left: Vec<(Id, &Value)> =
            target.iter().filter_map(|object| Some((key(object)?, object))).collect();
        let mut patches = Vec::new();
        for old in base {
            let Some(id) = key(old) else { continue };
            let at = left.iter().position(|(other, _)| *other == id);
            match at.map(|at| left.remove(at).1) {
                Some(new) => self.patch(old, new, &mut patches),
                None => self.delete(old),
            }
        }
        let stem = name.strip_suffix(".yaml").unwrap_or(name);
        if !patches.is_empty() {
            let file = format!("{stem}.patch.yaml");
            self.insert(&file, template, emit_objects(&patches));
            self.kustomization.patch_file(&file);
        }
        if !left.is_empty() {
            let own: Vec<Value> = left.into_iter().map(|(_, object)| object.clone()).collect();
            self.insert(name, template, emit_objects(&own));
            self.kustomization.resource(name, &own, template);
        }
    }

    fn patch(&mut self, old: &Value, new: &Value, patches: &mut Vec<Value>) {
        let Some(id) = Id::of(old) else { return };
        let mut new = new.clone();
        // A Namespace is renamed by the kustomization's own `namespace`.
        if id.kind == "Namespace" && id.group.is_empty() {
            new["metadata"]["name"] = json!(id.name);
        }
        match difference(old, &new) {
            None => {}
            Some(Patch::Strategic(patch)) => patches.push(patch),
            Some(Patch::Json6902(operations)) => {
                self.kustomization.inline_patch(&id, &emit(&Value::Array(operations)));
            }
        }
    }

    /// Deletions stand in the kustomization itself: kustomize 5.5 fails on a patch file that goes on after one, and
    /// the reader sees at once what this environment does without.
    fn delete(&mut self, old: &Value) {
        if let Some(id) = Id::of(old) {
            self.kustomization.inline_patch(&id, &emit(&deletion(old)));
        }
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
