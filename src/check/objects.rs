//! Objects, as Kubernetes will see them: those that templates make, and those that people wrote into the tree.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use crate::check::manifests::{Manifest, is_kustomization};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, codes};
use crate::inventory::node::{Node as Raw, Value as Written};
use crate::model::service::Service;
use crate::model::{Environment, Model};
use crate::object::path::{Path, Step};
use crate::object::place::Documents;
use crate::object::schema::{Fault, Verdict, judge, judge_value};
use crate::object::{Id, Map, Value};
use crate::source::Span;
use crate::tree::TreePath;

codes! {
    /// Kubernetes would not take it.
    INVALID_OBJECT = ("invalid-object", Templates, Error, "an object that Kubernetes refuses: an unknown field, a wrong type or value, something missing");
    /// A newer definition may have it.
    UNKNOWN_FIELD = ("unknown-field", Templates, Warning, "a field that a custom kind does not have, as far as its definition is known");
    /// It was not checked.
    UNKNOWN_KIND = ("unknown-kind", Templates, Warning, "an object of a kind that is not known here, and so was not checked");
    /// No such thing in this cluster.
    UNSERVED_VERSION = ("unserved-version", Templates, Error, "an API version that the cluster no longer serves, or does not serve yet");
    /// Two makers, and one of them loses.
    DUPLICATE_OBJECT = ("duplicate-object", Templates, Error, "two places of the tree make the same object");
    /// Flux applies none of them.
    CIRCULAR_WAIT = ("circular-wait", Gitops, Error, "objects of Flux wait for each other in a circle");
    /// A name that leads nowhere.
    DANGLING_REFERENCE = ("dangling-reference", References, Warning, "an object names another that neither the tree nor the inventory has");
}

/// Whether a rule is about objects: then not all is found before they are rendered.
pub fn is_of_objects(code: &Code) -> bool {
    CODES.iter().any(|own| own.name == code.name)
}

/// What is wrong with an object, before its place is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The rule.
    pub code: &'static Code,
    /// Where in the object.
    pub path: Path,
    /// The whole message.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    /// The name that leads nowhere: where the inventory has it, it may come from there.
    pub name: Option<String>,
}

impl Finding {
    /// With its place.
    pub fn at(&self, span: Span, label: impl Into<String>) -> Diagnostic {
        let diagnostic = self.code.at(span, label, self.message.clone());
        match &self.help {
            Some(help) => diagnostic.help(help.clone()),
            None => diagnostic,
        }
    }
}

/// `Deployment `web``, for messages.
pub fn title(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
    named(text("/kind"), text("/metadata/name"))
}

/// The same of an object that is known by its identity.
pub fn titled(id: &Id) -> String {
    named(&id.kind, &id.name)
}

fn named(kind: &str, name: &str) -> String {
    let name: String = name.escape_debug().take(80).collect();
    format!("{kind} `{name}`")
}

/// The minor version of Kubernetes that the cluster runs.
pub fn minor(model: &Model) -> Option<u32> {
    (model.cluster.version.0 == 1).then_some(model.cluster.version.1)
}

/// Judges an object by itself.
pub fn findings(object: &Value, minor: Option<u32>) -> Vec<Finding> {
    match judge(object, minor) {
        Verdict::Checked(faults) => {
            let title = || title(object);
            let finding = |fault: Fault| Finding {
                code: if fault.unsure { &UNKNOWN_FIELD } else { &INVALID_OBJECT },
                message: match fault.path.0.is_empty() {
                    true => format!("{}: {}", title(), fault.message),
                    false => format!("{}: `{}`: {}", title(), fault.path, fault.message),
                },
                path: fault.path,
                help: fault.help,
                name: None,
            };
            faults.into_iter().map(finding).collect()
        }
        Verdict::Unserved { field, reason, help } => {
            let path = Path(vec![Step::Key(field.to_owned())]);
            let message = format!("{}: `{field}`: {reason}", title(object));
            vec![Finding { code: &UNSERVED_VERSION, path, message, help, name: None }]
        }
        Verdict::Unknown => {
            let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
            let message = format!(
                "`{}` `{}` is not known here: nothing of it was checked",
                text("apiVersion"),
                text("kind")
            );
            let path = Path(vec![Step::Key("kind".to_owned())]);
            vec![Finding { code: &UNKNOWN_KIND, path, message, help: None, name: None }]
        }
    }
}

/// What is handed to Kubernetes as it stands, and the type that it must have.
const HANDED: &[(&str, &str)] = &[
    ("services.*.security-context", "api.core.v1.SecurityContext"),
    ("services.*.sidecars.*.security-context", "api.core.v1.SecurityContext"),
    ("services.*.init-containers.*.security-context", "api.core.v1.SecurityContext"),
    ("services.*.init-containers.[].security-context", "api.core.v1.SecurityContext"),
    ("services.*.pod-security-context", "api.core.v1.PodSecurityContext"),
    ("stacks.*.claims.*.backup.mover-security-context", "api.core.v1.PodSecurityContext"),
    ("stacks.*.failover.mover-security-context", "api.core.v1.PodSecurityContext"),
    ("backup.mover-security-context", "api.core.v1.PodSecurityContext"),
    ("services.*.tolerations.[]", "api.core.v1.Toleration"),
    ("services.*.affinity", "api.core.v1.Affinity"),
    ("services.*.autoscale.metrics.[]", "autoscaling/v2 HorizontalPodAutoscaler spec.metrics"),
    ("services.*.autoscale.behavior", "autoscaling/v2 HorizontalPodAutoscaler spec.behavior"),
    ("services.*.monitor.relabelings.[]", RELABELING),
    ("services.*.monitor.metric-relabelings.[]", RELABELING),
    ("services.*.monitor.endpoints.[].relabelings.[]", RELABELING),
    ("services.*.monitor.endpoints.[].metric-relabelings.[]", RELABELING),
    ("ingress.middlewares.*.headers", "traefik.io/v1alpha1 Middleware spec.headers"),
    ("ingress.middlewares.*.spec", "traefik.io/v1alpha1 Middleware spec"),
];

const RELABELING: &str = "monitoring.coreos.com/v1 ServiceMonitor spec.endpoints.relabelings";

/// Judges what is handed to Kubernetes as the inventory has it: nothing needs to be rendered for that.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for (pattern, of) in HANDED {
        for place in model.everywhere(pattern).iter().filter(|place| place.node.table().is_some()) {
            // A cluster may have newer definitions than are known here: of that the objects tell.
            let sure = |fault: &Fault| !fault.unsure;
            for fault in judge_value(&plain(place.node), of, minor(model)).into_iter().filter(sure) {
                let span = walked(place.node, &fault.path).unwrap_or(place.key);
                let key = pattern.trim_end_matches(".[]").rsplit('.').next().unwrap_or_default();
                found.push(handed((key, of), fault, &place.subject(), span));
            }
        }
    }
    for environment in &model.environments {
        for service in environment.services() {
            halves(model, environment, service, found);
        }
    }
}

fn handed((key, of): (&str, &str), fault: Fault, subject: &str, span: Span) -> Diagnostic {
    let inner = if fault.path.0.is_empty() { String::new() } else { format!("`{}`: ", fault.path) };
    let message = format!("`{key}` of `{subject}`: {inner}{}", fault.message);
    let help = fault.help.or_else(|| other_context(of, &fault.path));
    let finding = Finding { code: &INVALID_OBJECT, path: fault.path, message, help, name: None };
    finding.at(span, "Kubernetes refuses it").about(subject)
}

/// Security contexts of which the defaults say one half and the environment the other: what is wrong with the whole,
/// and with neither.
fn halves(model: &Model, environment: &Environment, service: &Service, found: &mut Diagnostics) {
    let of_pod = service.pod_security_context.as_deref();
    let of_pod = of_pod.map(|whole| (vec!["pod-security-context"], whole, "api.core.v1.PodSecurityContext"));
    let of_parts = service.containers().filter_map(|part| {
        let mut path: Vec<&str> = part.table.into_iter().flat_map(|(table, name)| [table, name]).collect();
        path.push("security-context");
        Some((path, part.security_context?, "api.core.v1.SecurityContext"))
    });
    for (path, whole, of) in of_parts.chain(of_pod) {
        let default = [&["services", &service.key], path.as_slice()].concat();
        let own = [&["environments", &environment.name], default.as_slice()].concat();
        let find = |path: &[&str]| model.written.find(path.iter().copied());
        let (Some(default_half), Some(own_half)) = (find(&default), find(&own)) else { continue };
        let minor = minor(model);
        let told: Vec<Fault> =
            [default_half, own_half].iter().flat_map(|half| judge_value(&plain(half), of, minor)).collect();
        for fault in judge_value(&whole.value, of, minor).into_iter().filter(|fault| !told.contains(fault)) {
            let span = walked(own_half, &fault.path).or_else(|| walked(default_half, &fault.path));
            let key = path.last().copied().unwrap_or_default();
            found.push(handed((key, of), fault, &service.subject(), span.unwrap_or(whole.span)));
        }
    }
}

/// Security contexts have keys of the pod, and keys of a container: which has the one that this has not.
fn other_context(of: &str, path: &Path) -> Option<String> {
    let [Step::Key(key)] = path.0.as_slice() else { return None };
    let of_pods =
        ["fsGroup", "fsGroupChangePolicy", "supplementalGroups", "supplementalGroupsPolicy", "sysctls"];
    let of_containers =
        ["allowPrivilegeEscalation", "capabilities", "privileged", "procMount", "readOnlyRootFilesystem"];
    match of {
        "api.core.v1.SecurityContext" if of_pods.contains(&key.as_str()) => {
            Some("it is the whole pod's: write it in the service's `pod-security-context`".to_owned())
        }
        "api.core.v1.PodSecurityContext" if of_containers.contains(&key.as_str()) => {
            Some("it is each container's: write it in `security-context`".to_owned())
        }
        _ => None,
    }
}

/// A node without its places; nesting is bounded by the reader.
fn plain(node: &Raw) -> Value {
    match &node.value {
        Written::String(text) | Written::Datetime(text) => Value::from(&**text),
        Written::Integer(number) => Value::from(*number),
        Written::Float(number) => Value::from(*number),
        Written::Boolean(flag) => Value::from(*flag),
        Written::Array(items) => items.iter().map(plain).collect(),
        Written::Null => Value::Object(serde_json::Map::new()),
        Written::Table(table) => {
            Value::Object(table.iter().map(|(key, entry)| (key.to_owned(), plain(&entry.node))).collect())
        }
    }
}

/// The place of a path below a node: of the key, or of the element.
fn walked(node: &Raw, path: &Path) -> Option<Span> {
    let mut span = None;
    let mut here = node;
    for step in &path.0 {
        let next = match (&here.value, step) {
            (Written::Table(table), Step::Key(key)) => table.get(key).map(|entry| (entry.key, &entry.node)),
            (Written::Array(items), Step::Index(index)) => items.get(*index).map(|item| (item.span, item)),
            _ => None,
        };
        let Some((at, next)) = next else { break };
        (span, here) = (Some(at), next);
    }
    span
}

/// Where the inventory has the last name of a path, below a place of its own.
pub fn written_place(model: &Model, root: &[&str], path: &Path) -> Option<Span> {
    let node = model.written.find(root.iter().copied())?;
    search(node, path.keys().next_back()?, 0)
}

fn search(node: &Raw, name: &str, depth: usize) -> Option<Span> {
    match &node.value {
        Written::Table(table) if depth < 32 => {
            let own = table.get(name).map(|entry| entry.key);
            own.or_else(|| table.values().find_map(|entry| search(&entry.node, name, depth + 1)))
        }
        Written::Array(items) if depth < 32 => items.iter().find_map(|item| search(item, name, depth + 1)),
        _ => None,
    }
}

/// Where the inventory says a text, below a place of its own.
pub fn said_place(model: &Model, root: &[&str], text: &str) -> Option<Span> {
    let node = model.written.find(root.iter().copied())?;
    said(node, text, PROSE, 0).or_else(|| said(node, text, &[], 0))
}

/// Keys whose texts name no object, though they may be called as one.
const PROSE: &[&str] = &["env", "labels", "annotations", "description", "args", "command", "image"];

fn said(node: &Raw, text: &str, passing: &[&str], depth: usize) -> Option<Span> {
    match &node.value {
        Written::String(own) if **own == *text || in_two_parts(own, text) => Some(node.span),
        Written::Table(table) if depth < 32 => {
            let entries = table.iter().filter(|(key, _)| !passing.contains(key));
            entries.map(|(_, entry)| &entry.node).find_map(|node| said(node, text, passing, depth + 1))
        }
        Written::Array(items) if depth < 32 => {
            items.iter().find_map(|item| said(item, text, passing, depth + 1))
        }
        _ => None,
    }
}

/// Names stand before a key (`NAME/KEY`), or after a kind (`config-map/NAME`).
fn in_two_parts(own: &str, name: &str) -> bool {
    own.split_once('/')
        .is_some_and(|(first, second)| first == name || (second == name && first == "config-map"))
}

/// Judges what people wrote into the tree. Patches that a kustomization of theirs names are no objects.
pub fn hand_written(manifests: &[Manifest], model: &Model, found: &mut Diagnostics) {
    let patches = patches(manifests);
    for manifest in manifests.iter().filter(|manifest| !patches.contains(manifest.path.as_str())) {
        let places = Places::of(manifest);
        for (number, document) in manifest.documents.iter().enumerate() {
            let whole = with_kind(document, &manifest.path);
            let Some(object) = whole.as_ref() else { continue };
            for finding in findings(object, minor(model)) {
                found.push(
                    finding
                        .at(places.span(number, &finding.path), "")
                        .about(format!("out/{}", manifest.path)),
                );
            }
        }
    }
}

/// The places of values in a hand-written file. It is read again for the first that is asked for.
pub struct Places<'m> {
    manifest: &'m Manifest,
    documents: OnceCell<Option<Documents>>,
}

impl<'m> Places<'m> {
    /// Those of a file.
    pub fn of(manifest: &'m Manifest) -> Self {
        Self { manifest, documents: OnceCell::new() }
    }

    /// The place of a value in one of the file's objects.
    pub fn span(&self, document: usize, path: &Path) -> Span {
        let text = &self.manifest.text;
        let (document, above) = match self.manifest.places.get(document) {
            Some((document, above)) => (*document, above.0.as_slice()),
            None => (document, [].as_slice()),
        };
        let path = &Path([above, &path.0].concat());
        let documents = self.documents.get_or_init(|| Documents::read(text, &|key| key));
        let place = documents.as_ref().and_then(|documents| documents.find(text, document, path));
        Span::new(self.manifest.file, place.map_or(0..0, |place| place.range))
    }
}

/// What can be judged: an object; not what SOPS has encrypted, nor a file of values. A kustomization need not say
/// what it is.
fn with_kind(document: &Value, path: &TreePath) -> Option<Value> {
    let members = document.as_object()?;
    if members.contains_key("sops") {
        return None;
    }
    if !is_kustomization(path.name()) {
        return (members.contains_key("apiVersion") && members.contains_key("kind"))
            .then(|| document.clone());
    }
    let mut whole = Map::new();
    whole.insert("apiVersion".to_owned(), "kustomize.config.k8s.io/v1beta1".into());
    whole.insert("kind".to_owned(), "Kustomization".into());
    whole.extend(members.clone());
    Some(Value::Object(whole))
}

/// The files that kustomizations of people's own name as patches.
pub fn patches<'m>(manifests: impl IntoIterator<Item = &'m Manifest>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for manifest in manifests.into_iter().filter(|manifest| is_kustomization(manifest.path.name())) {
        let folder = manifest.path.parent();
        for document in &manifest.documents {
            for name in patch_files(document) {
                let path = match &folder {
                    Some(folder) => format!("{folder}/{}", name.trim_start_matches("./")),
                    None => name.trim_start_matches("./").to_owned(),
                };
                found.insert(path);
            }
        }
    }
    found
}

fn patch_files(kustomization: &Value) -> impl Iterator<Item = &str> {
    let list = |key: &str| kustomization.get(key).and_then(Value::as_array).into_iter().flatten();
    let named =
        list("patches").chain(list("patchesJson6902")).filter_map(|patch| patch.get("path")?.as_str());
    let listed = ["patchesStrategicMerge", "configurations", "transformers", "generators", "replacements"];
    let plain = listed.into_iter().flat_map(move |key| {
        kustomization.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    });
    named.chain(plain)
}

#[cfg(test)]
mod tests {
    use super::findings;
    use serde_json::json;

    #[test]
    fn a_message_names_the_object_and_the_field() {
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
            "spec": {"ports": [{"port": 80, "nodeport": 1}]}});
        let found = findings(&service, Some(34));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].message, "Service `web`: `spec.ports[0].nodeport`: unknown field");
        assert_eq!(found[0].help.as_deref(), Some("did you mean `nodePort`?"));
    }

    #[test]
    fn what_may_be_newer_is_a_warning() {
        let pool = |field: &str| {
            json!({"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool",
            "metadata": {"name": "lan"}, "spec": {"addresses": ["10.0.0.0/24"], field: true}})
        };
        assert_eq!(findings(&pool("autoAsign"), None)[0].code.name, "invalid-object");
        assert_eq!(findings(&pool("entirelyNewThing"), None)[0].code.name, "unknown-field");
        assert!(findings(&pool("autoAssign"), None).is_empty());
    }
}
