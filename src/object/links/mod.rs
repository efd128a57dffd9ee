//! What objects need of others, and what they offer: names, ports, pods by their labels.

mod flux;
mod issuers;
mod offers;
mod pods;
mod routes;

use std::sync::Arc;

use crate::object::names::{self, Folder, Wait};
use crate::object::path::{Here, PackedPath};
use crate::object::sense::pod_template;
use crate::object::{Id, Value, api_version};

/// What objects of one file need and offer.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// What they offer.
    pub offers: Vec<Offer>,
    /// What they need of objects elsewhere.
    pub needs: Vec<Need>,
    /// What each is, by number.
    pub ids: Vec<(usize, Id)>,
    /// What they wait for.
    pub waits: Vec<Wait>,
    /// The folders that they apply.
    pub folders: Vec<Folder>,
}

/// What an object offers.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// The namespace it says itself.
    pub namespace: Option<String>,
    /// What.
    pub what: Offered,
}

/// What an object offers.
#[derive(Clone, Debug, PartialEq)]
pub enum Offered {
    /// Its name, under a kind, with its keys, sorted, where they are known.
    Name(&'static str, String, Option<Vec<String>>),
    /// A Service with its ports, by name and number and sorted, and its labels.
    Service(String, Vec<String>, Labels),
    /// Pods with these labels, and ports, sorted.
    Pods(Labels, Vec<String>),
}

/// Labels, sorted. A Service and its pods mostly have the same.
pub type Labels = Arc<[(String, String)]>;

/// The namespace that something is looked for in.
#[derive(Clone, Debug, PartialEq)]
pub enum Within {
    /// That of the folder which the object is built in.
    Folder,
    /// This one.
    Namespace(String),
    /// Where cert-manager looks for what a ClusterIssuer names: no object says which it is.
    ClusterResources,
}

impl Within {
    fn of(namespace: Option<String>) -> Self {
        namespace.map_or(Self::Folder, Self::Namespace)
    }
}

/// What an object needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Need {
    /// Which object of the file.
    pub object: usize,
    /// Where it says so.
    pub path: PackedPath,
    /// Where it is looked for.
    pub within: Within,
    /// What.
    pub what: Needed,
    /// Whether a setting is what usually gives the name.
    pub set: bool,
    /// Whether Flux reads it, in a namespace that holds little else.
    pub of_flux: bool,
}

/// What an object needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Needed {
    /// An object of this kind and name, and a key of it.
    Name(&'static str, String, Option<String>),
    /// A port of a Service, by name or number.
    Port(String, String),
    /// Pods with these labels, and a port of theirs by name.
    Pods(Labels, Option<String>),
    /// Services with these labels, and a port of theirs by name.
    Services(Labels, Option<String>),
}

impl Links {
    /// Reads the objects of one file. What they find in each other is no need, unless they are very many.
    pub fn of(objects: &[Value]) -> Self {
        let mut reader = Reader { links: Self::default(), object: 0, namespace: None };
        for (number, object) in objects.iter().enumerate() {
            reader.object = number;
            let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
            reader.namespace = namespace.filter(|name| !is_open(name)).map(str::to_owned);
            reader.offers(object);
            reader.needs(object);
            reader.others(object);
        }
        let Self { mut offers, mut needs, mut ids, waits, folders } = reader.links;
        if needs.len().saturating_mul(offers.len()) <= MOST_PAIRS {
            needs.retain(|need| !offers.iter().any(|offer| offer.meets(need)));
        }
        // They are kept for all files until the end.
        offers.shrink_to_fit();
        needs.shrink_to_fit();
        ids.shrink_to_fit();
        Self { offers, needs, ids, waits, folders }
    }
}

/// How many needs and offers of one file are held against one another.
const MOST_PAIRS: usize = 1_000_000;

impl Offer {
    /// Whether this is what is needed, as far as one of a file can tell.
    fn meets(&self, need: &Need) -> bool {
        let same = match (&self.namespace, &need.within) {
            (None, Within::Folder) => true,
            (Some(own), Within::Namespace(said)) => own == said,
            _ => false,
        };
        same && self.what.meets(&need.what)
    }
}

impl Offered {
    /// Whether this is what is needed.
    pub fn meets(&self, need: &Needed) -> bool {
        match (self, need) {
            (Self::Name(kind, name, keys), Needed::Name(wanted, other, key)) => {
                let has_key = |key: &String| keys.as_ref().is_none_or(|keys| keys.binary_search(key).is_ok());
                kind == wanted && name == other && key.as_ref().is_none_or(has_key)
            }
            (Self::Service(name, ..), Needed::Name("Service", other, _)) => name == other,
            (Self::Service(name, ports, _), Needed::Port(other, port)) => {
                name == other && ports.binary_search(port).is_ok()
            }
            (Self::Pods(labels, ports), Needed::Pods(wanted, port))
            | (Self::Service(_, ports, labels), Needed::Services(wanted, port)) => {
                wanted.iter().all(|label| labels.binary_search(label).is_ok())
                    && port.as_ref().is_none_or(|port| ports.binary_search(port).is_ok())
            }
            _ => false,
        }
    }
}

struct Reader {
    links: Links,
    object: usize,
    namespace: Option<String>,
}

impl Reader {
    /// The labels of an object or of its pods: those of the one before, if they are the same.
    fn labels(&self, map: Option<&Value>) -> Labels {
        let labels = labels(map);
        let known = self.links.offers.iter().rev().find_map(|offer| match &offer.what {
            Offered::Service(.., known) | Offered::Pods(known, _) => Some(known),
            Offered::Name(..) => None,
        });
        known.filter(|known| **known == labels).cloned().unwrap_or(labels)
    }

    fn offer(&mut self, what: Offered) {
        self.links.offers.push(Offer { namespace: self.namespace.clone(), what });
    }

    /// What a table says of names, and what is more than a name.
    fn others(&mut self, object: &Value) {
        let Some(id) = Id::of(object) else { return };
        for name in names::of(object, &id.group, &id.kind) {
            self.links.needs.push(Need {
                object: self.object,
                path: PackedPath::from(&name.path),
                within: Within::of(name.namespace.or_else(|| self.namespace.clone())),
                what: Needed::Name(name.kind, name.name, None),
                set: true,
                of_flux: name.of_flux,
            });
        }
        self.links.waits.extend(names::waits(object, self.object, &id));
        self.links.folders.extend(names::folders(object, self.object, &id));
        self.links.ids.push((self.object, id));
    }

    fn need(&mut self, here: &Here<'_>, namespace: Option<&str>, what: Needed) {
        let namespace = namespace.map(str::to_owned).or_else(|| self.namespace.clone());
        self.need_within(here, Within::of(namespace), what);
    }

    fn need_within(&mut self, here: &Here<'_>, within: Within, what: Needed) {
        let names = match &what {
            Needed::Name(_, name, _) => is_open(name),
            Needed::Port(service, port) => is_open(service) || is_open(port),
            Needed::Pods(labels, _) | Needed::Services(labels, _) => {
                labels.iter().any(|(_, value)| is_open(value))
            }
        };
        if !names {
            let (object, path) = (self.object, here.packed());
            self.links.needs.push(Need { object, path, within, what, set: false, of_flux: false });
        }
    }

    /// The object that a member names.
    fn named(&mut self, kind: &'static str, map: &Value, member: &'static str, here: &Here<'_>) {
        let optional = map.get("optional").and_then(Value::as_bool) == Some(true);
        if let Some(name) =
            map.get(member).and_then(Value::as_str).filter(|name| !name.is_empty() && !optional)
        {
            let key = map.get("key").and_then(Value::as_str).map(str::to_owned);
            self.need(&here.key(member), None, Needed::Name(kind, name.to_owned(), key));
        }
    }

    fn needs(&mut self, object: &Value) {
        let root = Here::ROOT;
        if let Some((template, steps)) = pod_template(object)
            && let Some(pod) = template.get("spec")
        {
            below(steps, &root, &mut |here| self.pod(pod, &here.key("spec")));
        }
        let here = root.key("spec");
        let Some(spec) = object.get("spec") else { return };
        match kind_and_group(object) {
            ("Service", "") => self.service(spec, &here),
            ("Ingress", "networking.k8s.io") => self.ingress(spec, &here),
            ("IngressRoute" | "IngressRouteTCP" | "IngressRouteUDP", "traefik.io") => {
                self.traefik(spec, &here);
            }
            (
                "HTTPRoute" | "GRPCRoute" | "TCPRoute" | "UDPRoute" | "TLSRoute",
                "gateway.networking.k8s.io",
            ) => {
                self.gateway(spec, &here);
            }
            ("Middleware", "traefik.io") => self.middleware(spec, &here),
            (kind @ ("ClusterIssuer" | "Issuer"), "cert-manager.io") => {
                self.issuer(spec, kind == "ClusterIssuer", &here);
            }
            ("ReplicationSource", "volsync.backube") => {
                self.named("PersistentVolumeClaim", spec, "sourcePVC", &here);
            }
            ("PodDisruptionBudget", "policy") => self.selector(spec, &here),
            ("ServiceMonitor" | "PodMonitor", "monitoring.coreos.com") => self.monitor(spec, &here),
            ("HorizontalPodAutoscaler", "autoscaling") => {
                if let Some(target) = spec.get("scaleTargetRef") {
                    self.scaled(target, &here.key("scaleTargetRef"));
                }
            }
            ("Kustomization", "kustomize.toolkit.fluxcd.io") => {
                self.waits("Kustomization", spec, &here);
                self.source(spec, &here);
            }
            ("HelmRelease", "helm.toolkit.fluxcd.io") => {
                self.waits("HelmRelease", spec, &here);
                if let Some(chart) = spec.pointer("/chart/spec") {
                    let chart_at = here.key("chart");
                    self.source(chart, &chart_at.key("spec"));
                }
                if let Some(chart) = spec.get("chartRef") {
                    self.flux(chart, &here.key("chartRef"));
                }
            }
            ("Alert", "notification.toolkit.fluxcd.io") => {
                if let Some(provider) = spec.get("providerRef") {
                    self.named("Provider", provider, "name", &here.key("providerRef"));
                }
            }
            ("ImagePolicy", "image.toolkit.fluxcd.io") => {
                if let Some(repository) = spec.get("imageRepositoryRef") {
                    let namespace = repository.get("namespace").and_then(Value::as_str);
                    let at = here.key("imageRepositoryRef");
                    if let Some(name) = repository.get("name").and_then(Value::as_str) {
                        let what = Needed::Name("ImageRepository", name.to_owned(), None);
                        self.need(&at.key("name"), namespace, what);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Kinds that others name, beside those with keys.
const NAMED: &[(&str, &str)] = &[
    ("", "PersistentVolume"),
    ("", "PersistentVolumeClaim"),
    ("", "ServiceAccount"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("argoproj.io", "AppProject"),
    ("cert-manager.io", "ClusterIssuer"),
    ("cert-manager.io", "Issuer"),
    ("cilium.io", "CiliumBGPPeerConfig"),
    ("external-secrets.io", "ClusterSecretStore"),
    ("external-secrets.io", "SecretStore"),
    ("gateway.networking.k8s.io", "Gateway"),
    ("helm.toolkit.fluxcd.io", "HelmRelease"),
    ("image.toolkit.fluxcd.io", "ImageRepository"),
    ("kustomize.toolkit.fluxcd.io", "Kustomization"),
    ("metallb.io", "BFDProfile"),
    ("metallb.io", "BGPPeer"),
    ("metallb.io", "IPAddressPool"),
    ("notification.toolkit.fluxcd.io", "Provider"),
    ("rbac.authorization.k8s.io", "Role"),
    ("source.toolkit.fluxcd.io", "Bucket"),
    ("source.toolkit.fluxcd.io", "GitRepository"),
    ("source.toolkit.fluxcd.io", "HelmChart"),
    ("source.toolkit.fluxcd.io", "HelmRepository"),
    ("source.toolkit.fluxcd.io", "OCIRepository"),
    ("traefik.io", "Middleware"),
    ("velero.io", "BackupStorageLocation"),
];

fn kind_and_group(object: &Value) -> (&str, &str) {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    let group =
        api_version(object).and_then(|version| version.rsplit_once('/')).map_or("", |(group, _)| group);
    (kind, group)
}

fn is_open(text: &str) -> bool {
    text.contains("${")
}

fn items<'v>(value: &'v Value, path: &[&str]) -> &'v [Value] {
    let found = path.iter().try_fold(value, |value, step| value.get(step));
    found.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Calls `then` with the place that steps lead to.
fn below(steps: &[&str], here: &Here<'_>, then: &mut dyn FnMut(&Here<'_>)) {
    match steps.split_first() {
        Some((step, rest)) => below(rest, &here.key(step), then),
        None => then(here),
    }
}

/// Calls `then` with each element of a list and its place.
fn each(value: &Value, key: &str, here: &Here<'_>, then: &mut dyn FnMut(&Value, &Here<'_>)) {
    let list = here.key(key);
    for (number, item) in items(value, &[key]).iter().enumerate() {
        then(item, &list.index(number));
    }
}

fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn sorted(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut texts: Vec<String> = texts.into_iter().collect();
    texts.sort_unstable();
    texts
}

fn labels(map: Option<&Value>) -> Labels {
    let entries = map.and_then(Value::as_object).into_iter().flatten();
    let mut labels: Vec<_> = entries.map(|(key, value)| (key.clone(), scalar(value))).collect();
    labels.sort();
    labels.into()
}
