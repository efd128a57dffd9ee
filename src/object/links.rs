//! What objects need of others, and what they offer: names, ports, pods by their labels.

use crate::object::names::{self, Folder, OF_CLUSTER, Wait};
use crate::object::schema::{Here, Path};
use crate::object::sense::pod_template;
use crate::object::{Id, Map, Value, api_version};

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

/// Labels, sorted.
pub type Labels = Vec<(String, String)>;

/// What an object needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Need {
    /// Which object of the file.
    pub object: usize,
    /// Where it says so.
    pub path: Path,
    /// The namespace it is looked for in, where that is said.
    pub namespace: Option<String>,
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
        self.namespace == need.namespace && self.what.meets(&need.what)
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
    fn offer(&mut self, what: Offered) {
        self.links.offers.push(Offer { namespace: self.namespace.clone(), what });
    }

    fn name(&mut self, kind: &'static str, name: Option<&str>, keys: Option<Vec<String>>) {
        let Some(name) = name else { return };
        let what = Offered::Name(kind, name.to_owned(), keys);
        match OF_CLUSTER.contains(&kind) {
            true => self.links.offers.push(Offer { namespace: Some(String::new()), what }),
            false => self.offer(what),
        }
    }

    /// What a table says of names, and what is more than a name.
    fn others(&mut self, object: &Value) {
        let Some(id) = Id::of(object) else { return };
        for name in names::of(object, &id.group, &id.kind) {
            self.links.needs.push(Need {
                object: self.object,
                path: name.path,
                namespace: name.namespace.or_else(|| self.namespace.clone()),
                what: Needed::Name(name.kind, name.name, None),
                set: true,
                of_flux: name.of_flux,
            });
        }
        self.links.waits.extend(names::waits(object, self.object, &id));
        self.links.folders.extend(names::folders(object, self.object, &id));
        self.links.ids.push((self.object, id));
    }

    fn offers(&mut self, object: &Value) {
        let (kind, group) = kind_and_group(object);
        let name = object.pointer("/metadata/name").and_then(Value::as_str);
        let at = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        match (group, kind) {
            ("", "ConfigMap") => self.name("ConfigMap", name, Some(keys(object, &["data", "binaryData"]))),
            ("", "Secret") => {
                let clear = !object.as_object().is_some_and(|members| members.contains_key("sops"));
                self.name("Secret", name, clear.then(|| keys(object, &["data", "stringData"])));
            }
            ("bitnami.com", "SealedSecret") => {
                self.name("Secret", at("/spec/template/metadata/name").or(name), sealed_keys(object));
            }
            ("external-secrets.io", "ExternalSecret") => {
                self.name("Secret", at("/spec/target/name").or(name), external_keys(object));
            }
            ("cert-manager.io", "Certificate") => self.name("Secret", at("/spec/secretName"), None),
            ("", "Service") => {
                let ports = items(object, &["spec", "ports"]).iter();
                let ports = ports.flat_map(|port| [port.get("name"), port.get("port")]).flatten();
                let ports = sorted(ports.map(scalar));
                let labels = labels(object.pointer("/metadata/labels"));
                self.offer(Offered::Service(name.unwrap_or_default().to_owned(), ports, labels));
            }
            _ => {
                if let Some(known) = NAMED.iter().find(|known| **known == (group, kind)) {
                    self.name(known.1, name, None);
                }
            }
        }
        let notes = object.pointer("/metadata/annotations");
        let issuers = ["cert-manager.io/cluster-issuer", "cert-manager.io/issuer"];
        if notes.is_some_and(|notes| issuers.iter().any(|issuer| notes.get(issuer).is_some())) {
            for name in names::of(object, group, kind).iter().filter(|name| name.kind == "Secret") {
                self.name("Secret", Some(&name.name), None);
            }
        }
        if kind == "StatefulSet" {
            self.claims_of_template(object, name.unwrap_or_default());
        }
        if let Some((template, _)) = pod_template(object) {
            let ports = containers(template).flat_map(|(_, _, container)| items(container, &["ports"]));
            let ports = sorted(ports.filter_map(|port| port.get("name")?.as_str()).map(str::to_owned));
            self.offer(Offered::Pods(labels(template.pointer("/metadata/labels")), ports));
        }
    }

    fn claims_of_template(&mut self, set: &Value, name: &str) {
        let replicas = set.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1).min(100);
        for claim in items(set, &["spec", "volumeClaimTemplates"]) {
            let of = claim.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            for replica in 0..replicas {
                self.name("PersistentVolumeClaim", Some(&format!("{of}-{name}-{replica}")), None);
            }
        }
    }

    fn need(&mut self, here: &Here<'_>, namespace: Option<&str>, what: Needed) {
        let names = match &what {
            Needed::Name(_, name, _) => is_open(name),
            Needed::Port(service, port) => is_open(service) || is_open(port),
            Needed::Pods(labels, _) | Needed::Services(labels, _) => {
                labels.iter().any(|(_, value)| is_open(value))
            }
        };
        if !names {
            let namespace = namespace.map(str::to_owned).or_else(|| self.namespace.clone());
            let (object, path) = (self.object, here.path());
            self.links.needs.push(Need { object, path, namespace, what, set: false, of_flux: false });
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
        if let Some((template, steps)) = pod_template(object) {
            self.below(template, steps, &root, &mut |reader, template, here| {
                if let Some(pod) = template.get("spec") {
                    reader.pod(pod, &here.key("spec"));
                }
            });
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

    /// Walks down the steps that lead to a pod template.
    fn below(
        &mut self,
        value: &Value,
        steps: &[&str],
        here: &Here<'_>,
        then: &mut dyn FnMut(&mut Self, &Value, &Here<'_>),
    ) {
        match steps.split_first() {
            Some((step, rest)) => self.below(value, rest, &here.key(step), then),
            None => then(self, value, here),
        }
    }

    fn pod(&mut self, pod: &Value, here: &Here<'_>) {
        if let Some(account) = pod.get("serviceAccountName").and_then(Value::as_str)
            && !["", "default"].contains(&account)
        {
            let what = Needed::Name("ServiceAccount", account.to_owned(), None);
            self.need(&here.key("serviceAccountName"), None, what);
        }
        each(pod, "imagePullSecrets", here, &mut |item, here| self.named("Secret", item, "name", here));
        each(pod, "volumes", here, &mut |volume, here| self.volume(volume, here));
        for (list, number, container) in containers_of(pod) {
            let list_at = here.key(list);
            self.container(container, &list_at.index(number));
        }
    }

    fn volume(&mut self, volume: &Value, here: &Here<'_>) {
        if let Some(map) = volume.get("configMap") {
            self.named("ConfigMap", map, "name", &here.key("configMap"));
        }
        if let Some(secret) = volume.get("secret") {
            self.named("Secret", secret, "secretName", &here.key("secret"));
        }
        if let Some(claim) = volume.get("persistentVolumeClaim") {
            self.named("PersistentVolumeClaim", claim, "claimName", &here.key("persistentVolumeClaim"));
        }
        if let Some(projected) = volume.get("projected") {
            each(projected, "sources", &here.key("projected"), &mut |source, here| {
                for (member, kind) in [("configMap", "ConfigMap"), ("secret", "Secret")] {
                    if let Some(named) = source.get(member) {
                        self.named(kind, named, "name", &here.key(member));
                    }
                }
            });
        }
    }

    fn container(&mut self, container: &Value, here: &Here<'_>) {
        each(container, "env", here, &mut |variable, here| {
            let from_at = here.key("valueFrom");
            for (member, kind) in [("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")] {
                if let Some(named) = variable.get("valueFrom").and_then(|from| from.get(member)) {
                    self.named(kind, named, "name", &from_at.key(member));
                }
            }
        });
        each(container, "envFrom", here, &mut |from, here| {
            for (member, kind) in [("configMapRef", "ConfigMap"), ("secretRef", "Secret")] {
                if let Some(named) = from.get(member) {
                    self.named(kind, named, "name", &here.key(member));
                }
            }
        });
    }

    fn service(&mut self, spec: &Value, here: &Here<'_>) {
        let labels = labels(spec.get("selector"));
        if labels.is_empty() {
            return;
        }
        self.need(&here.key("selector"), None, Needed::Pods(labels.clone(), None));
        each(spec, "ports", here, &mut |port, here| {
            if let Some(name) = port.get("targetPort").and_then(Value::as_str) {
                let what = Needed::Pods(labels.clone(), Some(name.to_owned()));
                self.need(&here.key("targetPort"), None, what);
            }
        });
    }

    fn selector(&mut self, spec: &Value, here: &Here<'_>) {
        let selector = spec.get("selector");
        let labels = labels(selector.and_then(|selector| selector.get("matchLabels")));
        if !labels.is_empty() {
            let at = here.key("selector");
            self.need(&at.key("matchLabels"), None, Needed::Pods(labels, None));
        }
    }

    /// What Prometheus asks: Services or pods of one namespace, and a port of theirs.
    fn monitor(&mut self, spec: &Value, here: &Here<'_>) {
        let selector = spec.get("selector");
        let labels = labels(selector.and_then(|selector| selector.get("matchLabels")));
        let namespaces = spec.get("namespaceSelector");
        let names = namespaces.map_or(&[][..], |namespaces| items(namespaces, &["matchNames"]));
        let any = namespaces.is_some_and(|namespaces| namespaces.get("any").is_some());
        if labels.is_empty() || any || names.len() > 1 {
            return;
        }
        let namespace = names.first().and_then(Value::as_str);
        let of_pods = spec.get("podMetricsEndpoints").is_some();
        let all = if of_pods { Needed::Pods } else { Needed::Services };
        let at = here.key("selector");
        self.need(&at.key("matchLabels"), namespace, all(labels.clone(), None));
        each(spec, "endpoints", here, &mut |endpoint, here| {
            if let Some(port) = endpoint.get("port").and_then(Value::as_str) {
                let what = Needed::Services(labels.clone(), Some(port.to_owned()));
                self.need(&here.key("port"), namespace, what);
            }
        });
        each(spec, "podMetricsEndpoints", here, &mut |endpoint, here| {
            if let Some(port) = endpoint.get("port").and_then(Value::as_str) {
                let what = Needed::Pods(labels.clone(), Some(port.to_owned()));
                self.need(&here.key("port"), namespace, what);
            }
        });
    }

    fn scaled(&mut self, target: &Value, here: &Here<'_>) {
        let kind = target.get("kind").and_then(Value::as_str).unwrap_or_default();
        if let Some((_, known)) = NAMED.iter().find(|(group, known)| *group == "apps" && *known == kind) {
            self.named(known, target, "name", here);
        }
    }

    /// A Service, and its port.
    fn backend(
        &mut self,
        service: Option<&str>,
        port: Option<&Value>,
        namespace: Option<&str>,
        here: &Here<'_>,
    ) {
        let Some(service) = service else { return };
        self.need(&here.key("name"), namespace, Needed::Name("Service", service.to_owned(), None));
        if let Some(port) = port {
            let what = Needed::Port(service.to_owned(), scalar(port));
            self.need(&here.key("port"), namespace, what);
        }
    }

    fn ingress(&mut self, spec: &Value, here: &Here<'_>) {
        let backend = |reader: &mut Self, holder: &Value, key: &'static str, here: &Here<'_>| {
            let Some(service) = holder.get(key).and_then(|backend| backend.get("service")) else { return };
            let port = service.get("port").and_then(|port| port.get("number").or_else(|| port.get("name")));
            let at = here.key(key);
            reader.backend(service.get("name").and_then(Value::as_str), port, None, &at.key("service"));
        };
        backend(self, spec, "defaultBackend", here);
        each(spec, "rules", here, &mut |rule, here| {
            if let Some(http) = rule.get("http") {
                each(http, "paths", &here.key("http"), &mut |path, here| {
                    backend(self, path, "backend", here);
                });
            }
        });
    }

    fn traefik(&mut self, spec: &Value, here: &Here<'_>) {
        each(spec, "routes", here, &mut |route, here| {
            each(route, "services", here, &mut |service, here| {
                let text = |key: &str| service.get(key).and_then(Value::as_str);
                if matches!(text("kind"), None | Some("Service")) {
                    self.backend(text("name"), service.get("port"), text("namespace"), here);
                }
            });
            each(route, "middlewares", here, &mut |middleware, here| {
                let text = |key: &str| middleware.get(key).and_then(Value::as_str);
                // `name@provider` is none of Kubernetes'.
                if let Some(name) = text("name").filter(|name| !name.contains('@')) {
                    let what = Needed::Name("Middleware", name.to_owned(), None);
                    self.need(&here.key("name"), text("namespace"), what);
                }
            });
        });
    }

    fn gateway(&mut self, spec: &Value, here: &Here<'_>) {
        each(spec, "rules", here, &mut |rule, here| {
            each(rule, "backendRefs", here, &mut |backend, here| {
                let text = |key: &str| backend.get(key).and_then(Value::as_str);
                if matches!(text("kind"), None | Some("Service")) {
                    self.backend(text("name"), backend.get("port"), text("namespace"), here);
                }
            });
        });
    }

    fn waits(&mut self, kind: &'static str, spec: &Value, here: &Here<'_>) {
        each(spec, "dependsOn", here, &mut |other, here| {
            let text = |key: &str| other.get(key).and_then(Value::as_str);
            if let Some(name) = text("name") {
                self.need(&here.key("name"), text("namespace"), Needed::Name(kind, name.to_owned(), None));
            }
        });
    }

    fn source(&mut self, spec: &Value, here: &Here<'_>) {
        if let Some(source) = spec.get("sourceRef") {
            self.flux(source, &here.key("sourceRef"));
        }
    }

    /// An object of Flux, by kind and name.
    fn flux(&mut self, reference: &Value, here: &Here<'_>) {
        let text = |key: &str| reference.get(key).and_then(Value::as_str);
        let kind = text("kind").unwrap_or_default();
        let known = NAMED.iter().find(|(group, known)| group.starts_with("source.") && *known == kind);
        if let (Some((_, kind)), Some(name)) = (known, text("name")) {
            self.need(&here.key("name"), text("namespace"), Needed::Name(kind, name.to_owned(), None));
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

/// Calls `then` with each element of a list and its place.
fn each(value: &Value, key: &str, here: &Here<'_>, then: &mut dyn FnMut(&Value, &Here<'_>)) {
    let list = here.key(key);
    for (number, item) in items(value, &[key]).iter().enumerate() {
        then(item, &list.index(number));
    }
}

fn containers(template: &Value) -> impl Iterator<Item = (&'static str, usize, &Value)> {
    template.get("spec").into_iter().flat_map(containers_of)
}

fn containers_of(pod: &Value) -> impl Iterator<Item = (&'static str, usize, &Value)> {
    let lists = ["initContainers", "containers", "ephemeralContainers"].into_iter();
    lists.flat_map(move |list| {
        items(pod, &[list]).iter().enumerate().map(move |(number, container)| (list, number, container))
    })
}

fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn keys(object: &Value, members: &[&str]) -> Vec<String> {
    let maps = members.iter().filter_map(|member| object.get(*member)?.as_object());
    sorted(maps.flat_map(Map::keys).cloned())
}

/// The keys of the Secret that a SealedSecret becomes; unknown if it adds to one.
fn sealed_keys(object: &Value) -> Option<Vec<String>> {
    let notes = object.pointer("/spec/template/metadata/annotations");
    let adds = notes.is_some_and(|notes| notes.get("sealedsecrets.bitnami.com/patch").is_some());
    let spec = object.get("spec").filter(|_| !adds)?;
    let mut all = keys(spec, &["encryptedData"]);
    all.extend(spec.get("template").map(|template| keys(template, &["data"])).unwrap_or_default());
    (!all.is_empty()).then(|| sorted(all))
}

/// The keys of the Secret that an ExternalSecret makes, if it names each of them.
fn external_keys(object: &Value) -> Option<Vec<String>> {
    let spec = object.get("spec")?;
    let at = |pointer: &str| spec.pointer(pointer).is_some_and(|value| !value.is_null());
    let shared =
        spec.pointer("/target/creationPolicy").and_then(Value::as_str).is_some_and(|word| word != "Owner");
    if shared || at("/dataFrom") || at("/target/template") {
        return None;
    }
    let data = spec.get("data").and_then(Value::as_array)?;
    let keys: Option<Vec<String>> =
        data.iter().map(|one| one.get("secretKey")?.as_str().map(str::to_owned)).collect();
    keys.map(sorted)
}

fn sorted(texts: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut texts: Vec<String> = texts.into_iter().collect();
    texts.sort_unstable();
    texts
}

fn labels(map: Option<&Value>) -> Labels {
    let entries = map.and_then(Value::as_object).into_iter().flatten();
    let mut labels: Labels = entries.map(|(key, value)| (key.clone(), scalar(value))).collect();
    labels.sort();
    labels
}
