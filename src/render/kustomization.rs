//! Kustomizations: each lists what was rendered beside it, so that it can never be out of step.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::object::emit::emit;
use crate::object::{Id, Map, Value};
use crate::source::FileId;
use crate::tree::{Tree, TreePath};

/// The name that kustomize looks for.
pub const NAME: &str = "kustomization.yaml";

/// A kustomization in the making.
#[derive(Clone, Debug, Default)]
pub struct Kustomization {
    /// The namespace of all its objects.
    pub namespace: Option<String>,
    /// The bases that it builds on, as relative folders.
    pub bases: BTreeSet<String>,
    resources: Vec<String>,
    patches: Vec<Value>,
    /// What its files make, and the template of each: lists, for most parts of a folder add one file.
    objects: Vec<(Id, FileId)>,
}

impl Kustomization {
    /// A file of objects beside it.
    pub fn resource(&mut self, name: &str, objects: &[Value], template: FileId) {
        self.resources.push(name.to_owned());
        self.objects.extend(objects.iter().filter_map(Id::of).map(|id| (id, template)));
    }

    /// Takes over what another part of the same folder lists.
    pub fn absorb(&mut self, other: Self) {
        self.namespace = other.namespace.or(self.namespace.take());
        self.bases.extend(other.bases);
        self.resources.extend(other.resources);
        self.patches.extend(other.patches);
        self.objects.extend(other.objects);
    }

    /// A file of patches beside it.
    pub fn patch_file(&mut self, name: &str) {
        self.patches.push(json!({ "path": name }));
    }

    /// A patch that stands in the kustomization itself, and says itself which object it is for.
    pub fn deletion(&mut self, patch: &str) {
        self.patches.push(json!({ "patch": patch }));
    }

    /// A patch that stands in the kustomization itself, for one object.
    pub fn inline_patch(&mut self, target: &Id, patch: &str) {
        let mut chosen = Map::new();
        if !target.group.is_empty() {
            chosen.insert("group".to_owned(), json!(target.group));
        }
        chosen.insert("kind".to_owned(), json!(target.kind));
        // kustomize takes the name as a regular expression.
        chosen.insert("name".to_owned(), json!(target.name.replace('.', "\\.")));
        self.patches.push(json!({ "target": chosen, "patch": patch }));
    }

    /// Lists the manifests that people put beside ours.
    pub fn hand_written(&mut self, manifests: &[&TreePath], tree: &Tree) {
        let beside = manifests.iter().filter(|file| !tree.contains(file));
        self.resources.extend(beside.map(|file| file.name().to_owned()));
    }

    /// The folder of its base.
    pub fn base(&self, folder: &TreePath) -> Option<TreePath> {
        self.bases.first().and_then(|_| folder.parent()?.parent()?.join("base").ok())
    }

    /// Objects of one identity, its base's included, with the templates that make them.
    pub fn twins<'k>(&'k self, base: Option<&'k Self>) -> Vec<(&'k Id, Vec<FileId>)> {
        let mut objects: Vec<&(Id, FileId)> = self.objects.iter().collect();
        objects.sort_by_key(|(id, _)| id);
        let mut alike: BTreeMap<&Id, Vec<FileId>> = BTreeMap::new();
        for same in objects.chunk_by(|(one, _), (other, _)| one == other) {
            if base.is_some() || same.len() > 1 {
                alike.insert(&same[0].0, same.iter().map(|(_, file)| *file).collect());
            }
        }
        if !alike.is_empty() {
            for (id, file) in base.into_iter().flat_map(|base| &base.objects) {
                alike.entry(id).and_modify(|files| files.push(*file));
            }
        }
        alike.into_iter().filter(|(_, files)| files.len() > 1).collect()
    }

    /// How many objects of this identity its own files make.
    pub fn own(&self, id: &Id) -> usize {
        self.objects.iter().filter(|(own, _)| own == id).count()
    }

    /// The file's content.
    pub fn text(&self) -> String {
        let mut kustomization =
            json!({ "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization" });
        if let Some(namespace) = &self.namespace {
            kustomization["namespace"] = json!(namespace);
        }
        let own: BTreeSet<&String> = self.resources.iter().collect();
        let resources: Vec<&String> = self.bases.iter().chain(own).collect();
        kustomization["resources"] = json!(resources);
        if !self.patches.is_empty() {
            kustomization["patches"] = json!(self.patches);
        }
        emit(&kustomization)
    }
}
