//! What only the whole tree shows: two objects of one identity, circles of waiting, folders that are not there.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use crate::check::manifests::Manifest;
use crate::check::objects::{CIRCULAR_WAIT, DANGLING_REFERENCE, DUPLICATE_OBJECT, Finding, title, titled};
use crate::diagnostic::Code;
use crate::model::Model;
use crate::object::Id;
use crate::object::names::Wait;
use crate::object::path::{Path, Step};
use crate::render::cycles::cycles;
use crate::render::judge::Found;
use crate::render::links::{Linked, Manual};
use crate::render::plan::Job;
use crate::render::{folder_of, kinds};
use crate::tree::{Tree, TreePath};

/// Everything that is applied.
pub(super) struct Whole<'m> {
    pub model: &'m Model,
    pub jobs: &'m [Job<'m>],
    pub linked: &'m [Linked],
    pub written: &'m [Manual<'m>],
}

/// Who makes an object: a job or a hand-written file, by number, and which of its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Maker {
    Job(usize, usize),
    File(usize, usize),
}

/// The kind, namespace and name of an object that waits or is waited for.
type Waiting<'m> = (&'m str, &'m str, &'m str);

/// So many names of a circle are told.
const MOST_NAMES: usize = 12;

impl<'m> Whole<'m> {
    /// A finding about an object that a job has made.
    pub fn found(&self, at: usize, object: usize, finding: Finding) -> Found {
        let one = &self.linked[at];
        let kind = one.id(object).map(|id| id.kind.clone()).unwrap_or_default();
        Found { job: one.job, object, kind, finding }
    }

    /// Every object, with the namespace that it gets where it names none.
    fn all(&self) -> impl Iterator<Item = (Maker, &'m str, &'m Id)> {
        let (linked, written) = (self.linked, self.written);
        let made = linked.iter().enumerate().flat_map(|(at, one)| {
            let ids = one.links.ids.iter();
            ids.map(move |(object, id)| (Maker::Job(at, *object), one.namespace.as_str(), id))
        });
        let beside = written.iter().enumerate().flat_map(|(at, one)| {
            let ids = one.links.ids.iter();
            ids.map(move |(object, id)| (Maker::File(at, *object), one.namespace.as_str(), id))
        });
        made.chain(beside)
    }

    fn title(&self, maker: Maker) -> String {
        match maker {
            Maker::Job(at, object) => self.linked[at].id(object).map(titled).unwrap_or_default(),
            Maker::File(at, object) => {
                self.written[at].manifest.documents.get(object).map(title).unwrap_or_default()
            }
        }
    }

    /// Objects of one identity that different places make. Namespaces are shared.
    pub fn twins(&self) -> Vec<(Maker, Finding)> {
        let count = self.linked.iter().map(|one| one.links.ids.len()).sum();
        let mut first: IndexMap<(&str, &str, &str, &str), Maker, RandomState> =
            IndexMap::with_capacity_and_hasher(count, RandomState::default());
        let mut found = Vec::new();
        for (maker, own, id) in self.all().filter(|(_, _, id)| id.kind != "Namespace") {
            let of_cluster = kinds::is_cluster_scoped(&id.group, &id.kind);
            let namespace = match maker {
                _ if of_cluster => "",
                // The overlay's kustomization sets it, whatever the file says.
                Maker::File(..) if !own.is_empty() => own,
                _ => id.namespace.as_deref().unwrap_or(own),
            };
            let other = *first.entry((&id.group, &id.kind, namespace, &id.name)).or_insert(maker);
            if other != maker && !self.is_one(other, maker) {
                let place = self.place(other);
                let message =
                    format!("{} `{}`: `metadata.name`: {place} makes the same object", id.kind, id.name);
                found.push((maker, finding(&DUPLICATE_OBJECT, path(&["metadata", "name"]), message)));
            }
        }
        found
    }

    /// Whether two makers are one file for two environments, or two of one build: that is told of elsewhere.
    fn is_one(&self, one: Maker, other: Maker) -> bool {
        match (one, other) {
            (Maker::Job(one, _), Maker::Job(other, _)) => {
                let job = |at: usize| &self.jobs[self.linked[at].job];
                // Environments that share a namespace are somebody's choice, such as one cluster for each.
                let shared = job(one).environment != job(other).environment
                    && self.linked[one].namespace == self.linked[other].namespace;
                shared || folder_of(job(one), self.model) == folder_of(job(other), self.model)
            }
            (Maker::File(one, first), Maker::File(other, second)) => {
                first == second && self.written[one].manifest.path == self.written[other].manifest.path
            }
            _ => false,
        }
    }

    fn place(&self, maker: Maker) -> String {
        match maker {
            Maker::Job(at, _) => {
                let job = &self.jobs[self.linked[at].job];
                format!("template `{}` for {}", job.template, job.what_for(self.model))
            }
            Maker::File(at, _) => format!("`out/{}`", self.written[at].manifest.path),
        }
    }

    /// Objects of Flux that wait for each other: one circle of all that do.
    pub fn circles(&self) -> Vec<(Maker, Finding)> {
        let waits = self.waits();
        let all: Vec<&Waiting<'_>> = waits.keys().collect();
        let after = waits.values().map(|list| {
            list.iter().filter_map(|(other, ..)| all.binary_search(&other).ok()).collect::<Vec<_>>()
        });
        let circles = cycles(&after.collect::<Vec<_>>());
        let told = circles.iter().filter_map(|circle| {
            let (first, last) = (all[*circle.first()?], all[*circle.last()?]);
            let (_, maker, wait) = waits[last].iter().find(|(other, ..)| other == first)?;
            let names: Vec<&str> = circle.iter().map(|at| all[*at].2).collect();
            let (title, way) = (self.title(*maker), way_around(&names));
            let message = format!("{title}: `{}`: it waits for itself: {way}", wait.path);
            Some((*maker, finding(&CIRCULAR_WAIT, wait.path.clone(), message)))
        });
        told.collect()
    }

    /// What each object of Flux waits for, who makes it, and where it says so.
    fn waits(&self) -> BTreeMap<Waiting<'m>, Vec<(Waiting<'m>, Maker, &'m Wait)>> {
        let (linked, written) = (self.linked, self.written);
        let made = linked.iter().enumerate().flat_map(|(at, one)| {
            one.links.waits.iter().map(move |wait| (Maker::Job(at, wait.object), wait))
        });
        let beside = written.iter().enumerate().flat_map(|(at, one)| {
            one.links.waits.iter().map(move |wait| (Maker::File(at, wait.object), wait))
        });
        let mut waits: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (maker, wait) in made.chain(beside) {
            let kind = wait.id.kind.as_str();
            let own = (kind, wait.id.namespace.as_deref().unwrap_or(""), wait.id.name.as_str());
            let other = (kind, wait.namespace.as_deref().unwrap_or(""), wait.name.as_str());
            waits.entry(own).or_default().push((other, maker, wait));
        }
        waits
    }

    /// Folders of this tree that are applied and not there. Of other folders of the repository nothing is known.
    pub fn lost_folders(&self, manifests: &[&Manifest], tree: &Tree) -> Vec<(Maker, Finding)> {
        let Some(gitops) = &self.model.gitops else { return Vec::new() };
        let made = self.linked.iter().enumerate().flat_map(|(at, one)| {
            one.links.folders.iter().map(move |folder| (Maker::Job(at, folder.object), folder))
        });
        let beside = self.written.iter().enumerate().flat_map(|(at, one)| {
            one.links.folders.iter().map(move |folder| (Maker::File(at, folder.object), folder))
        });
        let known = folders(tree.iter().map(|(path, _)| path).chain(manifests.iter().map(|one| &one.path)));
        let own = |repository: &str| {
            [&gitops.repository, &self.model.cluster.name].iter().any(|own| *own == repository)
        };
        let mut found = Vec::new();
        for (maker, folder) in made.chain(beside).filter(|(_, folder)| own(&folder.repository)) {
            let parts: Vec<&str> =
                folder.folder.split('/').filter(|part| !["", "."].contains(part)).collect();
            let whole = format!("{}/", parts.join("/"));
            let Some(inside) = whole.strip_prefix(&gitops.prefix) else { continue };
            let inside = inside.trim_end_matches('/');
            if !inside.is_empty() && !parts.contains(&"..") && !known.contains(inside) {
                let message =
                    format!("{}: `{}`: the tree has no folder `{inside}`", self.title(maker), folder.path);
                found.push((maker, finding(&DANGLING_REFERENCE, folder.path.clone(), message)));
            }
        }
        found
    }
}

/// `a → b → a`. Of a long circle the first names, and how many more there are.
fn way_around(names: &[&str]) -> String {
    let mut way = names[..names.len().min(MOST_NAMES)].join(" → ");
    if names.len() > MOST_NAMES {
        way += &format!(" → {} more", names.len() - MOST_NAMES);
    }
    format!("{way} → {}", names.first().unwrap_or(&""))
}

/// Every folder that a file is in, near or far.
fn folders<'p>(paths: impl Iterator<Item = &'p TreePath>) -> BTreeSet<&'p str> {
    let mut folders = BTreeSet::new();
    for path in paths {
        let mut rest = path.as_str();
        while let Some((folder, _)) = rest.rsplit_once('/') {
            if !folders.insert(folder) {
                break;
            }
            rest = folder;
        }
    }
    folders
}

fn finding(code: &'static Code, path: Path, message: String) -> Finding {
    Finding { code, path, message, help: None, name: None }
}

fn path(keys: &[&str]) -> Path {
    Path(keys.iter().map(|key| Step::Key((*key).to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::way_around;

    #[test]
    fn of_a_long_circle_the_first_names_are_told() {
        assert_eq!(way_around(&["a"]), "a → a");
        let names: Vec<String> = (0..100).map(|at| format!("k{at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let way = way_around(&names);
        assert!(way.starts_with("k0 → k1 → ") && way.ends_with(" → k11 → 88 more → k0"), "{way}");
    }
}
