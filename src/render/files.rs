//! What was rendered, put where it goes: files, kustomizations beside them, and what is there twice.

use std::collections::BTreeMap;
use std::fmt;

use rayon::prelude::{IntoParallelRefIterator, ParallelIterator, ParallelSliceMut};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::object::Id;
use crate::render::kustomization::{self, Kustomization};
use crate::render::overlay::{Overlays, build_on_bases};
use crate::render::{DUPLICATE_OUTPUT, Made, Noted, with_count};
use crate::source::{FileId, Span};
use crate::template::{Origin, TemplateSet};
use crate::tree::{Tree, TreePath};

/// The tree in the making.
pub struct Files<'a> {
    pub(super) tree: Tree,
    set: &'a TemplateSet,
    /// Each file with the template it comes from, as they were made.
    made: Vec<(TreePath, String, FileId)>,
    /// What each of them adds to the kustomization of its folder.
    folders: Vec<(TreePath, Kustomization)>,
    overlays: Vec<Overlays>,
}

impl<'a> Files<'a> {
    pub fn new(origin: &str, set: &'a TemplateSet) -> Self {
        Self { tree: Tree::new(origin), set, made: Vec::new(), folders: Vec::new(), overlays: Vec::new() }
    }

    pub fn add(&mut self, made: Made, faults: &mut Vec<(usize, Vec<Diagnostic>)>, noted: &mut Noted) {
        self.made.extend(made.files);
        self.folders.extend(made.folders);
        self.overlays.extend(made.overlays);
        faults.extend(made.faults);
        noted.absorb(made.noted);
    }

    /// Puts the files into the tree once all are there. Of one path the first stays.
    pub fn settle(&mut self, faults: &mut Vec<(usize, Vec<Diagnostic>)>) {
        // One look at each neighbour, where looking each of them up would compare it with many.
        self.made.par_sort_by(|(one, ..), (other, ..)| one.cmp(other));
        let mut last: Option<(TreePath, FileId)> = None;
        let files = std::mem::take(&mut self.made).into_iter().filter_map(|(path, text, template)| {
            if let Some((_, first)) = last.as_ref().filter(|(known, _)| *known == path) {
                faults.push((usize::MAX, vec![both_make(&path, *first, template, self.set)]));
                return None;
            }
            last = Some((path.clone(), template));
            Some((path, text))
        });
        self.tree.fill(files);
    }

    /// Adds the kustomizations.
    pub fn into_tree(self, hand_written: &[TreePath], diagnostics: &mut Diagnostics) -> Tree {
        let Self { mut tree, folders, overlays, set, .. } = self;
        let mut folders = by_folder(folders);
        build_on_bases(overlays, &mut folders);
        let mut beside: BTreeMap<&str, Vec<&TreePath>> = BTreeMap::new();
        for file in hand_written {
            beside.entry(file.folder().unwrap_or_default()).or_default().push(file);
        }
        for (folder, kustomization) in &mut folders {
            if let Some(manifests) = beside.get(folder.as_str()) {
                kustomization.hand_written(manifests, &tree);
            }
        }
        diagnostics.extend(twins(&folders, set));
        let folders: Vec<(TreePath, Kustomization)> = folders.into_iter().collect();
        let texts: Vec<String> = folders.par_iter().map(|(_, kustomization)| kustomization.text()).collect();
        for ((folder, _), text) in folders.iter().zip(texts) {
            if let Ok(path) = folder.join(kustomization::NAME) {
                tree.insert(path, text);
            }
        }
        tree
    }
}

/// What the files of each folder add to its kustomization, in one.
fn by_folder(mut parts: Vec<(TreePath, Kustomization)>) -> BTreeMap<TreePath, Kustomization> {
    parts.par_sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut folders: Vec<(TreePath, Kustomization)> = Vec::new();
    for (path, part) in parts {
        match folders.last_mut().filter(|(last, _)| *last == path) {
            Some((_, folder)) => folder.absorb(part),
            None => folders.push((path, part)),
        }
    }
    folders.into_iter().collect()
}

/// Two templates that make one file. A person can change his own: that one is named first.
pub fn both_make(path: impl fmt::Display, one: FileId, other: FileId, set: &TemplateSet) -> Diagnostic {
    let (first, second) = if is_own(one, set) { (one, other) } else { (other, one) };
    let name = |file| set.by_file(file).map_or("", |listed| listed.path);
    let at = Span::new(first, 0..0);
    if first == second {
        return DUPLICATE_OUTPUT.at(at, "", format!("template `{}` makes `{path}` twice", name(first)));
    }
    let message = format!("two templates make `{path}`: `{}` and `{}`", name(first), name(second));
    DUPLICATE_OUTPUT.at(at, "this one", message).because(Span::new(second, 0..0), "and this one")
}

fn is_own(file: FileId, set: &TemplateSet) -> bool {
    set.by_file(file).is_some_and(|listed| listed.origin != Origin::BuiltIn)
}

/// Objects that the build of a folder gets twice, which kustomize refuses: each fault once, however many folders
/// have it.
fn twins(folders: &BTreeMap<TreePath, Kustomization>, set: &TemplateSet) -> Vec<Diagnostic> {
    let mut found: BTreeMap<(&Id, Vec<FileId>), (&TreePath, bool, usize)> = BTreeMap::new();
    for (folder, kustomization) in folders {
        let base = kustomization.base(folder).and_then(|base| folders.get(&base));
        for (id, mut makers) in kustomization.twins(base) {
            let times = makers.len();
            makers.sort_by_key(|file| (!is_own(*file, set), *file));
            let with_base = kustomization.own(id) < times;
            found.entry((id, makers)).and_modify(|(.., more)| *more += 1).or_insert((folder, with_base, 0));
        }
    }
    let told = found.into_iter().map(|((id, makers), (folder, with_base, more))| {
        let message = format!("the build of `{folder}` gets {id} {} times", makers.len());
        with_count(twin(&makers, message, with_base), more)
    });
    told.collect()
}

fn twin(makers: &[FileId], message: String, with_base: bool) -> Diagnostic {
    let first = makers.first().copied().unwrap_or_default();
    let mut diagnostic = DUPLICATE_OUTPUT.at(Span::new(first, 0..0), "", message);
    let mut others: Vec<FileId> = makers.iter().copied().filter(|file| *file != first).collect();
    others.dedup();
    for other in others.into_iter().take(4) {
        diagnostic = diagnostic.because(Span::new(other, 0..0), "and here");
    }
    if with_base {
        return diagnostic.help(
            "an overlay has what its base has: let the template under `base/` say what an environment changes",
        );
    }
    diagnostic
}
