//! Whether what objects name is there: in the tree, in what people put into it, or elsewhere as the inventory says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use crate::check::manifests::Manifest;
use crate::check::objects::{self, DANGLING_REFERENCE, Finding, Places, title, titled};
use crate::diagnostic::Diagnostics;
use crate::inventory::node::{Node, Value as Written};
use crate::model::Model;
use crate::model::stack::Stack;
use crate::object::links::{Links, Need, Needed, Offered, Within};
use crate::object::{Id, Value};
use crate::render::judge::Found;
use crate::render::plan::Job;
use crate::render::whole::{Maker, Whole};
use crate::spelling::{MOST_GUESSES, nearest};
use crate::tree::{Tree, TreePath};

/// What the objects of one job need and offer, with what is needed to tell of it.
#[derive(Clone, Debug)]
pub(super) struct Linked {
    /// The job, by number.
    pub job: usize,
    /// The namespace of objects that name none.
    pub namespace: String,
    /// What they need and offer.
    pub links: Arc<Links>,
}

impl Linked {
    /// The same objects in another environment; none if that has the same namespace, where they are once.
    pub fn again(&self, model: &Model, number: usize, job: &Job<'_>) -> Option<Self> {
        let namespace = job.stack(model).map_or("", |stack| stack.namespace.value.as_str());
        (namespace != self.namespace).then(|| Self {
            job: number,
            namespace: namespace.to_owned(),
            links: Arc::clone(&self.links),
        })
    }

    /// What an object is.
    pub fn id(&self, object: usize) -> Option<&Id> {
        let at = self.links.ids.binary_search_by_key(&object, |(at, _)| *at).ok()?;
        Some(&self.links.ids[at].1)
    }
}

/// Reads what a job has made.
pub(super) fn linked(model: &Model, number: usize, job: &Job<'_>, objects: &[Value]) -> Linked {
    let namespace = job.stack(model).map_or("", |stack| stack.namespace.value.as_str());
    Linked { job: number, namespace: namespace.to_owned(), links: Arc::new(Links::of(objects)) }
}

/// Everything that is offered, by namespace.
#[derive(Default)]
struct There<'l> {
    /// The labels that anything is chosen by.
    selected: BTreeSet<&'l str>,
    names: BTreeMap<(&'static str, &'l str), BTreeMap<&'l str, &'l Offered>>,
    services: BTreeMap<&'l str, BTreeMap<&'l str, &'l Offered>>,
    /// Pods by one of their labels.
    pods: Labelled<'l>,
    /// Services by one of theirs.
    labelled: Labelled<'l>,
}

/// So many names of one file that lead nowhere are told: a stranger's files may be long.
const MOST_TOLD: usize = 1_000;
/// Among so many of one namespace that share a label it is looked for those that a selector wants.
const MOST_ALIKE: usize = 1_000;

/// The labels that something is chosen by.
fn selected(what: &Needed) -> impl Iterator<Item = &str> {
    let labels = match what {
        Needed::Pods(labels, _) | Needed::Services(labels, _) => &labels[..],
        _ => &[],
    };
    labels.iter().map(|(key, _)| key.as_str())
}

/// What has labels, by namespace and one of them.
type Labelled<'l> = BTreeMap<(&'l str, &'l str, &'l str), Vec<&'l Offered>>;

impl<'l> There<'l> {
    fn add(&mut self, namespace: &'l str, offered: &'l Offered) {
        match offered {
            Offered::Name(kind, name, _) => {
                self.names.entry((kind, namespace)).or_default().insert(name, offered);
            }
            Offered::Service(name, _, labels) => {
                self.services.entry(namespace).or_default().insert(name, offered);
                for (key, value) in labels.iter().filter(|(key, _)| self.selected.contains(key.as_str())) {
                    self.labelled.entry((namespace, key, value)).or_default().push(offered);
                }
            }
            Offered::Pods(labels, _) => {
                for (key, value) in labels.iter().filter(|(key, _)| self.selected.contains(key.as_str())) {
                    self.pods.entry((namespace, key, value)).or_default().push(offered);
                }
            }
        }
    }

    /// Pods or Services with all of these labels; none if they are too many to look at.
    fn chosen(&self, namespace: &str, needed: &Needed) -> Option<Vec<&'l Offered>> {
        let (of, labels, all) = match needed {
            Needed::Services(labels, _) => (&self.labelled, labels, Needed::Services(labels.clone(), None)),
            Needed::Pods(labels, _) => (&self.pods, labels, Needed::Pods(labels.clone(), None)),
            _ => return None,
        };
        let lists = labels.iter().map(|(key, value)| {
            of.get(&(namespace, key.as_str(), value.as_str())).map_or(&[][..], Vec::as_slice)
        });
        let fewest = lists.min_by_key(|list| list.len()).unwrap_or_default();
        let few = fewest.len() <= MOST_ALIKE;
        few.then(|| fewest.iter().copied().filter(|offered| offered.meets(&all)).collect())
    }

    /// What is wrong, in words, and what may be meant if that is asked.
    fn fault(&self, namespace: &str, needed: &Needed, guess: bool) -> Option<(String, Option<String>)> {
        let known = |names: Option<&BTreeMap<&'l str, &'l Offered>>, name: &str| {
            let names = names.filter(|_| guess).into_iter().flat_map(BTreeMap::keys).copied();
            nearest(name, names).map(|near| format!("did you mean `{near}`?"))
        };
        let among = |name: &str, known: &[String]| {
            let known = known.iter().filter(|_| guess).map(String::as_str);
            nearest(name, known).map(|near| format!("did you mean `{near}`?"))
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
                let missing = keys.binary_search(key).is_err();
                missing.then(|| (format!("{kind} `{name}` has no key `{key}`"), among(key, keys)))
            }
            Needed::Port(service, port) => {
                // A Service that is not there is told of once.
                let Some(Offered::Service(_, ports, _)) = self.services.get(namespace)?.get(service.as_str())
                else {
                    return None;
                };
                let missing = ports.binary_search(port).is_err();
                missing.then(|| (format!("Service `{service}` has no port `{port}`"), among(port, ports)))
            }
            Needed::Pods(labels, port) | Needed::Services(labels, port) => {
                let chosen = self.chosen(namespace, needed)?;
                let of_pods = matches!(needed, Needed::Pods(..));
                let Some(port) = port else {
                    let list: Vec<String> =
                        labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                    let what = if of_pods { "pod" } else { "Service" };
                    return chosen
                        .is_empty()
                        .then(|| (format!("no {what} has the labels `{}`", list.join(",")), None));
                };
                let found = chosen.iter().any(|offered| match offered {
                    Offered::Pods(_, ports) | Offered::Service(_, ports, _) => {
                        ports.binary_search(port).is_ok()
                    }
                    Offered::Name(..) => false,
                });
                let whose = if of_pods { "container of its pods" } else { "Service that it asks" };
                (!chosen.is_empty() && !found).then(|| (format!("no {whose} has a port `{port}`"), None))
            }
        }
    }
}

/// Reports what is needed and not there: of jobs as what they found, of hand-written files with its place. Meanwhile
/// the tree is made, which the last of it needs.
pub(super) fn dangling(
    model: &Model,
    jobs: &[Job<'_>],
    linked: &[Linked],
    manifests: &[&Manifest],
    into_tree: impl FnOnce() -> Tree + Send,
    diagnostics: &mut Diagnostics,
) -> (Tree, Vec<Found>) {
    let written = hand_written(model, manifests);
    let elsewhere = elsewhere(model);
    let whole = Whole { model, jobs, linked, written: &written };
    let (tree, (judged, mut found, mut others)) = rayon::join(into_tree, || {
        let judged = Judged::new(model, linked, &written, &elsewhere);
        let (found, (mut others, circles)) = rayon::join(
            || linked.par_iter().flat_map_iter(|one| judged.of_job(one)).collect::<Vec<Found>>(),
            || rayon::join(|| whole.twins(), || whole.circles()),
        );
        others.extend(circles);
        (judged, found, others)
    });
    others.extend(whole.lost_folders(manifests, &tree));
    let mut of_files: BTreeMap<usize, Vec<(usize, Finding)>> = BTreeMap::new();
    for (maker, finding) in others {
        match maker {
            Maker::Job(at, object) => found.push(whole.found(at, object, finding)),
            Maker::File(at, object) => of_files.entry(at).or_default().push((object, finding)),
        }
    }
    for (at, file) in written.iter().enumerate() {
        let title = |object| file.manifest.documents.get(object).map(title);
        let needed = judged.of_file(&file.links, &file.namespace, &title);
        // The places of a file take much more room than its text: those of one at a time are held.
        let places = Places::of(file.manifest);
        for (object, finding) in of_files.remove(&at).unwrap_or_default().into_iter().chain(needed) {
            let span = places.span(object, &finding.path);
            diagnostics.push(finding.at(span, "").about(format!("out/{}", file.manifest.path)));
        }
    }
    (tree, found)
}

/// What an object is, in words, for those few of which something is told.
type Title<'t> = &'t dyn Fn() -> String;

struct Judged<'m> {
    model: &'m Model,
    there: There<'m>,
    /// The kinds of which the tree has any.
    kinds: BTreeSet<&'static str>,
    /// What settings of the inventory say.
    said: OnceLock<BTreeSet<&'m str>>,
    namespaces: BTreeSet<&'m str>,
    /// The namespace of cert-manager's chart, if the inventory tells of Secrets there: else nobody knows which there are.
    told_secrets: Option<&'m str>,
}

impl<'m> Judged<'m> {
    fn new(
        model: &'m Model,
        linked: &'m [Linked],
        written: &'m [Manual<'m>],
        elsewhere: &'m [(String, Offered)],
    ) -> Self {
        let all = || {
            let rendered = linked.iter().map(|one| (one.namespace.as_str(), one.links.as_ref()));
            rendered.chain(written.iter().map(|file| (file.namespace.as_str(), file.links.as_ref())))
        };
        let needs = all().flat_map(|(_, links)| &links.needs);
        let mut there =
            There { selected: needs.flat_map(|need| selected(&need.what)).collect(), ..There::default() };
        let mut kinds = BTreeSet::new();
        for (own, offer) in all().flat_map(|(own, links)| links.offers.iter().map(move |offer| (own, offer)))
        {
            there.add(offer.namespace.as_deref().unwrap_or(own), &offer.what);
            if let Offered::Name(kind, ..) = offer.what {
                kinds.insert(kind);
            }
        }
        if let Some(ingress) = &model.ingress {
            kinds.extend(ingress.gateway.iter().map(|_| "Gateway"));
            kinds.extend(ingress.issuer.iter().flat_map(|_| ["ClusterIssuer", "Issuer"]));
        }
        for (namespace, what) in elsewhere {
            there.add(namespace, what);
        }
        Self {
            model,
            there,
            kinds,
            said: OnceLock::new(),
            namespaces: judged_namespaces(model),
            told_secrets: model.secrets_of_issuers(),
        }
    }

    fn of_job<'j>(&'j self, one: &'j Linked) -> impl Iterator<Item = Found> + use<'j, 'm> {
        let title = |object| one.id(object).map(titled);
        let found = self.of_file(&one.links, &one.namespace, &title).into_iter();
        found.map(move |(object, finding)| {
            let kind = one.id(object).map(|id| id.kind.clone()).unwrap_or_default();
            Found { job: one.job, object, kind, finding }
        })
    }

    /// What the objects of one file need and nobody has, each with its object's number.
    fn of_file(
        &self,
        links: &Links,
        namespace: &str,
        title: &dyn Fn(usize) -> Option<String>,
    ) -> Vec<(usize, Finding)> {
        let mut told: Vec<(usize, Finding)> = Vec::new();
        for need in &links.needs {
            let title = || title(need.object).unwrap_or_default();
            let finding = self.finding(&title, namespace, need, told.len() < MOST_GUESSES);
            let Some(finding) = finding else { continue };
            if told.len() == MOST_TOLD {
                let last = told.last_mut().map(|(_, last)| &mut last.message);
                last.into_iter()
                    .for_each(|message| message.push_str(", and there are more in the same file"));
                break;
            }
            told.push((need.object, finding));
        }
        told
    }

    /// Whether a setting of the inventory says this name.
    fn is_said(&self, name: &str) -> bool {
        let said = self.said.get_or_init(|| {
            let mut said = BTreeSet::new();
            say(&self.model.written, &mut said, 0);
            said
        });
        said.contains(name)
    }

    fn finding(&self, title: Title<'_>, own: &str, need: &Need, guess: bool) -> Option<Finding> {
        let namespace = match &need.within {
            Within::Folder => own,
            Within::Namespace(said) => said,
            Within::ClusterResources => return self.fault(title, self.told_secrets?, need, guess),
        };
        if let Needed::Name(kind, ..) = &need.what {
            let whole = IF_ANY.contains(kind);
            if whole {
                let any = self.kinds.contains(kind);
                return any.then(|| self.fault(title, namespace, need, guess)).flatten();
            }
        }
        let flux = need.of_flux
            || matches!(&need.what, Needed::Name(kind, name, _) if is_of_flux(kind) && name != "flux-system");
        if !flux && !self.namespaces.contains(namespace) {
            return None;
        }
        self.fault(title, namespace, need, guess)
    }

    fn fault(&self, title: Title<'_>, namespace: &str, need: &Need, guess: bool) -> Option<Finding> {
        let (message, near) = self.there.fault(namespace, &need.what, guess)?;
        // A setting that names a Secret says that there is one.
        if let Needed::Name(_, name, _) = &need.what
            && need.set
            && self.is_said(name)
        {
            return None;
        }
        if let Needed::Name(kind, name, _) = &need.what
            && self.model.external.is(kind, namespace, name)
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
        let path = need.path.path();
        let message = format!("{}: `{path}`: {message}", title());
        let name = match &need.what {
            Needed::Name(_, name, _) | Needed::Port(name, _) => Some(name.clone()),
            _ => None,
        };
        Some(Finding { code: &DANGLING_REFERENCE, path, message, help, name })
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

/// Kinds of which a tree has all that are needed, or none: then a platform has them.
const IF_ANY: &[&str] = &[
    "AppProject",
    "BFDProfile",
    "BGPPeer",
    "BackupStorageLocation",
    "CiliumBGPPeerConfig",
    "ClusterIssuer",
    "ClusterSecretStore",
    "Gateway",
    "IPAddressPool",
    "Issuer",
    "PersistentVolume",
    "SecretStore",
];

/// Tables of the inventory that are handed on: what they name is theirs to prove.
const HANDED_ON: &[&str] = &["annotations", "env", "labels", "patch", "values"];

/// The texts that settings of the inventory say.
fn say<'w>(node: &'w Node, said: &mut BTreeSet<&'w str>, depth: usize) {
    match &node.value {
        _ if depth > 32 => {}
        Written::Table(table) => {
            let own = table.iter().filter(|(key, _)| !HANDED_ON.contains(key));
            own.for_each(|(_, entry)| say(&entry.node, said, depth + 1));
        }
        Written::Array(items) => items.iter().for_each(|item| say(item, said, depth + 1)),
        Written::String(text) => drop(said.insert(text)),
        _ => {}
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
        for secret in &stack.secrets {
            let mut keys: Vec<String> = secret.keys.iter().map(|key| key.value.clone()).collect();
            keys.sort_unstable();
            offer(Offered::Name("Secret", secret.name.clone(), (!keys.is_empty()).then_some(keys)));
        }
        let existing = stack.claims.iter().filter(|claim| claim.existing);
        existing.for_each(|claim| offer(name("PersistentVolumeClaim", &claim.mounted)));
        // Kubernetes puts these into each.
        offer(name("ConfigMap", "kube-root-ca.crt"));
        offer(name("ServiceAccount", "default"));
    }
    let of_charts = model.chart_secrets.iter();
    offered.extend(of_charts.map(|one| (one.namespace.clone(), name("Secret", &one.secret.name))));
    offered.extend(model.environments.iter().flat_map(|environment| &environment.stacks).flat_map(|stack| {
        stack.claims.iter().map(|claim| (String::new(), name("PersistentVolume", &claim.mounted)))
    }));
    if let Some(gateway) = model.ingress.as_ref().and_then(|ingress| ingress.gateway.as_ref()) {
        offered.push((gateway.namespace.clone(), name("Gateway", &gateway.name)));
    }
    if let Some(gitops) = &model.gitops {
        offered.push((gitops.argocd.namespace.clone(), name("AppProject", "default")));
    }
    offered
}

/// A hand-written file, in one namespace that it is applied to.
pub(super) struct Manual<'m> {
    /// The file.
    pub manifest: &'m Manifest,
    /// The namespace of objects that name none.
    pub namespace: String,
    /// What they need and offer.
    pub links: Arc<Links>,
}

/// Hand-written files, for each namespace that they are applied to.
fn hand_written<'m>(model: &Model, manifests: &[&'m Manifest]) -> Vec<Manual<'m>> {
    let patches = objects::patches(manifests.iter().copied());
    let mut written = Vec::new();
    for manifest in manifests.iter().filter(|one| one.is_listed() && !patches.contains(one.path.as_str())) {
        let links = Arc::new(Links::of(&manifest.documents));
        let namespaces = namespaces_of(model, &manifest.path).into_iter();
        written.extend(namespaces.map(|namespace| Manual { manifest, namespace, links: Arc::clone(&links) }));
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
