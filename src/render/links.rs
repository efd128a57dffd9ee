//! Whether what objects name is there: in the tree, in what people put into it, or elsewhere as the inventory says.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::manifests::Manifest;
use crate::check::objects::{self, DANGLING_REFERENCE, Finding, title};
use crate::diagnostic::Diagnostics;
use crate::model::Model;
use crate::model::stack::Stack;
use crate::object::Value;
use crate::object::links::{Labels, Links, Need, Needed, Offer, Offered};
use crate::render::judge::Found;
use crate::render::plan::Job;
use crate::spelling::nearest;
use crate::tree::TreePath;

/// What the objects of one job need and offer, with what is needed to tell of it.
#[derive(Clone, Debug)]
pub(super) struct Linked {
    /// The job, by number.
    pub job: usize,
    /// The namespace of objects that name none.
    namespace: String,
    /// The kind and name of each object that needs something, by number.
    titles: BTreeMap<usize, (String, String)>,
    links: Links,
}

/// Reads what a job has made.
pub(super) fn linked(model: &Model, number: usize, job: &Job<'_>, objects: &[Value]) -> Linked {
    let namespace = job.stack(model).map_or("", |stack| stack.namespace.value.as_str());
    let links = Links::of(objects);
    let kind = |at: usize| objects[at].get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    let titles =
        links.needs.iter().map(|need| (need.object, (kind(need.object), title(&objects[need.object]))));
    Linked { job: number, namespace: namespace.to_owned(), titles: titles.collect(), links }
}

/// Everything that is offered, by namespace.
#[derive(Default)]
struct There<'l> {
    names: BTreeMap<(&'static str, &'l str), BTreeMap<&'l str, &'l Offered>>,
    services: BTreeMap<&'l str, BTreeMap<&'l str, &'l Offered>>,
    /// Pods by one of their labels.
    pods: BTreeMap<(&'l str, &'l str, &'l str), Vec<&'l Offered>>,
}

impl<'l> There<'l> {
    fn add(&mut self, namespace: &'l str, offered: &'l Offered) {
        match offered {
            Offered::Name(kind, name, _) => {
                self.names.entry((kind, namespace)).or_default().insert(name, offered);
            }
            Offered::Service(name, _) => {
                self.services.entry(namespace).or_default().insert(name, offered);
            }
            Offered::Pods(labels, _) => {
                for (key, value) in labels {
                    self.pods.entry((namespace, key, value)).or_default().push(offered);
                }
            }
        }
    }

    fn pods(&self, namespace: &str, labels: &Labels) -> Vec<&'l Offered> {
        let lists = labels.iter().map(|(key, value)| {
            self.pods.get(&(namespace, key.as_str(), value.as_str())).map_or(&[][..], Vec::as_slice)
        });
        let fewest = lists.min_by_key(|list| list.len()).unwrap_or_default();
        let all = Needed::Pods(labels.clone(), None);
        fewest.iter().copied().filter(|offered| offered.meets(&all)).collect()
    }

    /// What is wrong, in words, and what may be meant.
    fn fault(&self, namespace: &str, needed: &Needed) -> Option<(String, Option<String>)> {
        let known = |names: Option<&BTreeMap<&'l str, &'l Offered>>, name: &str| {
            let names = names.into_iter().flat_map(BTreeMap::keys).copied();
            nearest(name, names).map(|near| format!("did you mean `{near}`?"))
        };
        match needed {
            Needed::Name(kind, name, key) => {
                let names = match *kind {
                    "Service" => self.services.get(namespace),
                    kind => self.names.get(&(kind, namespace)),
                };
                let Some(offered) = names.and_then(|names| names.get(name.as_str())) else {
                    let of = if namespace.is_empty() {
                        String::new()
                    } else {
                        format!(" in namespace `{namespace}`")
                    };
                    return Some((format!("there is no {kind} `{name}`{of}"), known(names, name)));
                };
                let key = key.as_ref()?;
                let Offered::Name(_, _, Some(keys)) = offered else { return None };
                let near = || nearest(key, keys.iter().map(String::as_str));
                (!keys.contains(key)).then(|| {
                    (
                        format!("{kind} `{name}` has no key `{key}`"),
                        near().map(|near| format!("did you mean `{near}`?")),
                    )
                })
            }
            Needed::Port(service, port) => {
                // A Service that is not there is told of once.
                let Some(Offered::Service(_, ports)) = self.services.get(namespace)?.get(service.as_str())
                else {
                    return None;
                };
                let near = || nearest(port, ports.iter().map(String::as_str));
                (!ports.contains(port)).then(|| {
                    (
                        format!("Service `{service}` has no port `{port}`"),
                        near().map(|near| format!("did you mean `{near}`?")),
                    )
                })
            }
            Needed::Pods(labels, port) => {
                let pods = self.pods(namespace, labels);
                let Some(port) = port else {
                    let list: Vec<String> =
                        labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                    return pods
                        .is_empty()
                        .then(|| (format!("no pod has the labels `{}`", list.join(",")), None));
                };
                let found = pods
                    .iter()
                    .any(|offered| matches!(offered, Offered::Pods(_, ports) if ports.contains(port)));
                (!pods.is_empty() && !found)
                    .then(|| (format!("no container of its pods has a port `{port}`"), None))
            }
        }
    }
}

/// Reports what is needed and not there: of jobs as what they found, of hand-written files with its place.
pub(super) fn dangling(
    model: &Model,
    linked: &[Linked],
    manifests: &[Manifest],
    diagnostics: &mut Diagnostics,
) -> Vec<Found> {
    let written = hand_written(model, manifests);
    let elsewhere = elsewhere(model);
    let mut there = There::default();
    let of_namespace =
        |own: &'_ str, offer: &Offer| offer.namespace.clone().unwrap_or_else(|| own.to_owned());
    let mut offered: Vec<(String, &Offered)> = Vec::new();
    for one in linked {
        offered
            .extend(one.links.offers.iter().map(|offer| (of_namespace(&one.namespace, offer), &offer.what)));
    }
    for file in &written {
        offered.extend(
            file.links.offers.iter().map(|offer| (of_namespace(&file.namespace, offer), &offer.what)),
        );
    }
    for (namespace, what) in &offered {
        there.add(namespace, what);
    }
    for (namespace, what) in &elsewhere {
        there.add(namespace, what);
    }
    let judged = Judged { model, there, namespaces: judged_namespaces(model) };
    let mut found = Vec::new();
    for one in linked {
        for need in &one.links.needs {
            let Some((kind, title)) = one.titles.get(&need.object) else { continue };
            if let Some(finding) = judged.finding(title, &one.namespace, need) {
                found.push(Found { job: one.job, object: need.object, kind: kind.clone(), finding });
            }
        }
    }
    for file in &written {
        for need in &file.links.needs {
            let title = file.manifest.documents.get(need.object).map(title).unwrap_or_default();
            if let Some(finding) = judged.finding(&title, &file.namespace, need) {
                let span = objects::span(file.manifest, need.object, &need.path);
                diagnostics.push(finding.at(span, "").about(format!("out/{}", file.manifest.path)));
            }
        }
    }
    found
}

struct Judged<'m> {
    model: &'m Model,
    there: There<'m>,
    namespaces: BTreeSet<&'m str>,
}

impl Judged<'_> {
    fn finding(&self, title: &str, own: &str, need: &Need) -> Option<Finding> {
        let namespace = need.namespace.as_deref().unwrap_or(own);
        let flux =
            matches!(&need.what, Needed::Name(kind, name, _) if is_of_flux(kind) && name != "flux-system");
        if !flux && !self.namespaces.contains(namespace) {
            return None;
        }
        let (message, near) = self.there.fault(namespace, &need.what)?;
        if let Needed::Name(kind, name, _) = &need.what
            && self.model.external.iter().any(|one| one.value.is(kind, namespace, name))
        {
            return None;
        }
        let help = near.or_else(|| match &need.what {
            Needed::Name(kind, name, None) => Some(format!(
                "if it is made elsewhere, say so at the top of the inventory: `external = [\"{kind}/{}/{name}\"]`",
                self.everywhere(namespace)
            )),
            _ => None,
        });
        let message = format!("{title}: `{}`: {message}", need.path);
        let name = match &need.what {
            Needed::Name(_, name, None) | Needed::Port(name, _) => Some(name.clone()),
            _ => None,
        };
        Some(Finding { code: &DANGLING_REFERENCE, path: need.path.clone(), message, help, name })
    }

    /// A stack's namespace, as one pattern for all environments.
    fn everywhere(&self, namespace: &str) -> String {
        let all = || self.model.environments.iter().flat_map(|environment| &environment.stacks);
        let stack = all().find(|stack| stack.namespace.value == namespace).map(|stack| stack.name.as_str());
        let base = self.model.base.stacks.iter().find(|one| Some(one.name.as_str()) == stack);
        let Some(base) = base.map(|base| base.namespace.value.as_str()) else { return namespace.to_owned() };
        let others = all().filter(|one| Some(one.name.as_str()) == stack);
        let differ = others.clone().any(|one| one.namespace.value != base);
        match differ && others.into_iter().all(|one| one.namespace.value.starts_with(base)) {
            true => format!("{base}*"),
            false => namespace.to_owned(),
        }
    }
}

fn is_of_flux(kind: &str) -> bool {
    let kinds = [
        "Bucket",
        "GitRepository",
        "HelmChart",
        "HelmRelease",
        "HelmRepository",
        "ImageRepository",
        "Kustomization",
        "OCIRepository",
        "Provider",
    ];
    kinds.contains(&kind)
}

/// The namespaces of stacks. Where a chart or the cluster itself brings more, nobody knows what is there.
fn judged_namespaces(model: &Model) -> BTreeSet<&str> {
    let stacks = model.environments.iter().flat_map(|environment| &environment.stacks);
    let namespaces = stacks.map(|stack| stack.namespace.value.as_str());
    let by_chart = |namespace: &str| model.charts.iter().any(|chart| chart.namespace.value == namespace);
    namespaces.filter(|namespace| !by_chart(namespace) && !model.brings_along(namespace)).collect()
}

/// What the inventory declares and the tree does not hold.
fn elsewhere(model: &Model) -> Vec<(String, Offered)> {
    let mut offered = Vec::new();
    let name = |kind: &'static str, name: &str| Offered::Name(kind, name.to_owned(), None);
    for stack in model.environments.iter().flat_map(|environment| &environment.stacks) {
        let mut offer = |what: Offered| offered.push((stack.namespace.value.clone(), what));
        stack.secrets.iter().for_each(|secret| offer(name("Secret", &secret.name)));
        let existing = stack.claims.iter().filter(|claim| claim.existing);
        existing.for_each(|claim| offer(name("PersistentVolumeClaim", &claim.mounted)));
        offer(name("ConfigMap", "kube-root-ca.crt"));
    }
    offered
}

struct Written<'m> {
    manifest: &'m Manifest,
    namespace: String,
    links: Links,
}

/// Hand-written files, for each namespace that they are applied to.
fn hand_written<'m>(model: &Model, manifests: &'m [Manifest]) -> Vec<Written<'m>> {
    let patches = objects::patches(manifests);
    let mut written = Vec::new();
    for manifest in manifests.iter().filter(|one| one.is_listed() && !patches.contains(one.path.as_str())) {
        for namespace in namespaces_of(model, &manifest.path) {
            written.push(Written { manifest, namespace, links: Links::of(&manifest.documents) });
        }
    }
    written
}

/// The namespaces of what stands in a stack's folder; an empty one elsewhere.
fn namespaces_of(model: &Model, path: &TreePath) -> Vec<String> {
    let parts: Vec<&str> = path.as_str().split('/').collect();
    let (environment, stack) = match parts.as_slice() {
        [.., stack, "base", _] => (None, *stack),
        [.., stack, "overlays", environment, _] => (Some(*environment), *stack),
        _ => return vec![String::new()],
    };
    let environments = model.environments.iter();
    let environments = environments.filter(|one| environment.is_none_or(|name| one.name == name));
    let is_it = |one: &&Stack| one.name == stack;
    let stacks = environments.filter_map(|environment| environment.stacks.iter().find(is_it));
    let namespaces: BTreeSet<&str> = stacks.map(|stack| stack.namespace.value.as_str()).collect();
    namespaces.into_iter().map(str::to_owned).collect()
}
