//! What Kubernetes refuses although every field is of the right type: fields that contradict each other.

use crate::object::bundle::Kind;
use crate::object::formats::{is_dns_label, is_dns_name, is_label_key, is_label_value};
use crate::object::schema::{Fault, Here, cut};
use crate::object::{Map, Value};
use crate::quantity::Quantity;

/// Adds what is wrong with an object as a whole.
pub(super) fn judge(object: &Value, kind: &Kind, faults: &mut Vec<Fault>) {
    let mut sense = Sense { faults };
    if !kind.version.starts_with("kustomize.config.k8s.io/") {
        sense.metadata(object, kind);
    }
    let root = Here::ROOT;
    if let Some(spec) = object.get("spec") {
        sense.spec(spec, kind.name, &root.key("spec"));
    }
    if matches!((kind.version, kind.name), ("v1", "ConfigMap" | "Secret")) {
        sense.keys(object);
    }
}

/// The pod template of a workload, with the steps that lead to it. A Pod is its own.
pub fn pod_template<'v>(object: &'v Value) -> Option<(&'v Value, &'static [&'static str])> {
    let steps: &'static [&'static str] = match object.get("kind")?.as_str()? {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => &["spec", "template"],
        "CronJob" => &["spec", "jobTemplate", "spec", "template"],
        "Pod" => &[],
        _ => return None,
    };
    let template = steps.iter().try_fold(object, |value, step| value.get(step))?;
    Some((template, steps))
}

struct Sense<'f> {
    faults: &'f mut Vec<Fault>,
}

/// The elements of a list; none if there is none.
fn items<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str)
}

fn has(value: &Value, key: &str) -> bool {
    value.get(key).is_some_and(|value| !value.is_null())
}

/// A text that Flux fills in later.
fn is_open(text: &str) -> bool {
    text.contains("${")
}

impl Sense<'_> {
    fn fault(&mut self, here: &Here<'_>, message: impl Into<String>) {
        self.faults.push(Fault { path: here.path(), message: message.into(), help: None, unsure: false });
    }

    fn metadata(&mut self, object: &Value, kind: &Kind) {
        let root = Here::ROOT;
        let here = root.key("metadata");
        let metadata = object.get("metadata").unwrap_or(&Value::Null);
        match text(metadata, "name") {
            Some(name) => self.name(name, kind, &here),
            None if has(metadata, "generateName") || has(metadata, "name") => {}
            None => self.fault(&here, "`name` is missing"),
        }
        if let Some(namespace) =
            text(metadata, "namespace").filter(|name| !is_open(name) && !is_dns_label(name))
        {
            self.fault(&here.key("namespace"), format!("`{}` is no namespace's name", cut(namespace)));
        }
        self.labels(metadata, &here);
    }

    fn labels(&mut self, metadata: &Value, here: &Here<'_>) {
        for (field, values) in [("labels", true), ("annotations", false)] {
            let entries = metadata.get(field).and_then(Value::as_object);
            for (key, value) in entries.into_iter().flatten() {
                let list = here.key(field);
                let here = list.key(key);
                if !is_open(key) && !is_label_key(key) {
                    self.fault(&here, "is no key that Kubernetes takes: a name of at most 63 letters, digits, `-`, `_` and `.`, with or without a domain and `/` before it");
                }
                let bad = value.as_str().filter(|text| values && !is_open(text) && !is_label_value(text));
                if let Some(bad) = bad {
                    self.fault(
                        &here,
                        format!(
                            "`{}` is no label's value: at most 63 letters, digits, `-`, `_` and `.`",
                            cut(bad)
                        ),
                    );
                }
            }
        }
    }

    fn name(&mut self, name: &str, kind: &Kind, here: &Here<'_>) {
        let here = here.key("name");
        if is_open(name) {
            return;
        }
        let core = kind.version == "v1";
        let (fits, wanted) = match kind.name {
            "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" => {
                (!name.is_empty() && !name.contains(['/', '%']), "anything without `/` and `%`")
            }
            "Namespace" | "Service" if core => {
                (is_dns_label(name), "at most 63 lower-case letters, digits and `-`")
            }
            _ => (is_dns_name(name), "lower-case letters, digits, `-` and `.`"),
        };
        if !fits {
            self.fault(&here, format!("`{}` is no name: {wanted}", cut(name)));
        }
    }

    fn spec(&mut self, spec: &Value, kind: &str, here: &Here<'_>) {
        match kind {
            "Pod" => self.pod(spec, &[], kind, here),
            "Deployment" | "DaemonSet" | "ReplicaSet" | "Job" => self.template(spec, kind, here),
            "StatefulSet" => self.template(spec, kind, here),
            "CronJob" => {
                if let Some(job) = spec.pointer("/jobTemplate/spec") {
                    let template = here.key("jobTemplate");
                    self.template(job, "Job", &template.key("spec"));
                }
            }
            "Service" => self.service(spec, here),
            "HorizontalPodAutoscaler" => self.autoscaler(spec, here),
            "PodDisruptionBudget" => self.either(spec, &["minAvailable", "maxUnavailable"], false, here),
            "Ingress" => self.ingress(spec, here),
            "PersistentVolumeClaim" if has(spec, "accessModes") && items(spec, "accessModes").is_empty() => {
                self.fault(&here.key("accessModes"), "must not be empty");
            }
            "HelmRelease" => self.either(spec, &["chart", "chartRef"], true, here),
            "Application"
                if !has(spec, "source") && !has(spec, "sources") && !has(spec, "sourceHydrator") =>
            {
                self.fault(here, "`source` is missing, and so is `sources`");
            }
            _ => {}
        }
    }

    /// At most one of some fields; exactly one if one is needed.
    fn either(&mut self, value: &Value, keys: &[&str], needed: bool, here: &Here<'_>) {
        let given: Vec<&str> = keys.iter().copied().filter(|key| has(value, key)).collect();
        if given.len() > 1 {
            self.fault(&here.key(given[1]), format!("`{}` and `{}` exclude each other", given[0], given[1]));
        }
        if needed && given.is_empty() && value.is_object() {
            let list: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
            self.fault(here, format!("one of {} is needed", list.join(", ")));
        }
    }

    /// What holds a pod template: the selector and the strategy beside it.
    fn template(&mut self, spec: &Value, kind: &str, here: &Here<'_>) {
        let Some(template) = spec.get("template") else { return };
        let labels = template.pointer("/metadata/labels");
        let selected = spec.pointer("/selector/matchLabels").and_then(Value::as_object);
        let differs =
            |(key, value): (&String, &Value)| labels.and_then(|labels| labels.get(key)) != Some(value);
        if kind != "Job" && selected.is_some_and(|selected| selected.iter().any(differs)) {
            let selector = here.key("selector");
            self.fault(&selector.key("matchLabels"), "does not select the pods of its own template");
        }
        if kind == "Deployment"
            && spec.pointer("/strategy/type").and_then(Value::as_str) == Some("Recreate")
            && spec.pointer("/strategy/rollingUpdate").is_some_and(|update| !update.is_null())
        {
            let strategy = here.key("strategy");
            self.fault(&strategy.key("rollingUpdate"), "cannot be given where `type` is `Recreate`");
        }
        let claims = items(spec, "volumeClaimTemplates");
        let claims: Vec<&str> = claims
            .iter()
            .filter_map(|claim| claim.pointer("/metadata/name").and_then(Value::as_str))
            .collect();
        let at = here.key("template");
        if let Some(metadata) = template.get("metadata") {
            self.labels(metadata, &at.key("metadata"));
        }
        if let Some(pod) = template.get("spec") {
            self.pod(pod, &claims, kind, &at.key("spec"));
        }
    }

    fn pod(&mut self, pod: &Value, claims: &[&str], kind: &str, here: &Here<'_>) {
        self.restart_policy(pod, kind, here);
        if has(pod, "containers") && items(pod, "containers").is_empty() && pod["containers"].is_array() {
            self.fault(&here.key("containers"), "must not be empty");
        }
        let volumes = here.key("volumes");
        for (at, volume) in items(pod, "volumes").iter().enumerate() {
            self.volume(volume, &volumes.index(at));
        }
        let known: Vec<&str> =
            items(pod, "volumes").iter().filter_map(|volume| text(volume, "name")).collect();
        let mut names: Vec<&str> = Vec::new();
        for field in ["initContainers", "containers"] {
            let list = here.key(field);
            for (at, container) in items(pod, field).iter().enumerate() {
                let here = list.index(at);
                if let Some(name) = text(container, "name") {
                    if field == "containers" && names.contains(&name) {
                        self.fault(&here.key("name"), format!("`{}` is an init container, too", cut(name)));
                    }
                    if field == "initContainers" {
                        names.push(name);
                    }
                }
                self.container(container, &here);
                self.mounts(container, &known, claims, &here);
            }
        }
    }

    fn restart_policy(&mut self, pod: &Value, kind: &str, here: &Here<'_>) {
        let policy = text(pod, "restartPolicy");
        match (kind, policy) {
            ("Job", None) => {
                self.fault(here, "`restartPolicy` is missing: a Job needs `OnFailure` or `Never`")
            }
            ("Job", Some("Always")) => {
                self.fault(&here.key("restartPolicy"), "cannot be `Always` in a Job: `OnFailure` or `Never`");
            }
            ("Deployment" | "DaemonSet" | "StatefulSet" | "ReplicaSet", Some("Never" | "OnFailure")) => {
                self.fault(&here.key("restartPolicy"), format!("must be `Always` in a {kind}"));
            }
            _ => {}
        }
    }

    /// A volume has a name and one source.
    fn volume(&mut self, volume: &Value, here: &Here<'_>) {
        let Some(members) = volume.as_object() else { return };
        let sources: Vec<&str> = sources(members, "name").collect();
        match sources.as_slice() {
            [] => self.fault(here, "has no source, such as `persistentVolumeClaim` or `emptyDir`"),
            [_] => {}
            [first, second, ..] => {
                self.fault(&here.key(second), format!("`{first}` and `{second}` exclude each other"))
            }
        }
    }

    fn container(&mut self, container: &Value, here: &Here<'_>) {
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            if let Some(given) = container.get(probe) {
                self.either(given, &["exec", "httpGet", "tcpSocket", "grpc"], true, &here.key(probe));
            }
        }
        let env = here.key("env");
        for (at, variable) in items(container, "env").iter().enumerate() {
            let full = text(variable, "value").is_some_and(|value| !value.is_empty());
            if full && has(variable, "valueFrom") {
                self.fault(&env.index(at), "`value` and `valueFrom` exclude each other");
            }
            if let Some(from) = variable.get("valueFrom") {
                let kinds = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
                let index = env.index(at);
                self.either(from, &kinds, true, &index.key("valueFrom"));
            }
        }
        self.names(items(container, "ports"), &here.key("ports"));
        if let Some(resources) = container.get("resources") {
            self.resources(resources, &here.key("resources"));
        }
    }

    /// Names within a list of ports.
    fn names(&mut self, ports: &[Value], here: &Here<'_>) {
        let mut seen: Vec<&str> = Vec::new();
        for (at, port) in ports.iter().enumerate() {
            let Some(name) = text(port, "name") else { continue };
            if seen.contains(&name) {
                let index = here.index(at);
                self.fault(&index.key("name"), format!("the name `{}` stands twice", cut(name)));
            }
            seen.push(name);
        }
    }

    fn resources(&mut self, resources: &Value, here: &Here<'_>) {
        let list = |key: &str| resources.get(key).and_then(Value::as_object);
        let (Some(requests), Some(limits)) = (list("requests"), list("limits")) else { return };
        for (name, request) in requests {
            let amounts = (quantity(request), limits.get(name).and_then(quantity));
            if let (Some(request), Some(limit)) = amounts
                && request > limit
            {
                let field = here.key("requests");
                self.fault(&field.key(name), format!("is over the limit of {limit}"));
            }
        }
    }

    fn mounts(&mut self, container: &Value, volumes: &[&str], claims: &[&str], here: &Here<'_>) {
        let list = here.key("volumeMounts");
        for (at, mount) in items(container, "volumeMounts").iter().enumerate() {
            let Some(name) = text(mount, "name") else { continue };
            if !is_open(name) && !volumes.contains(&name) && !claims.contains(&name) {
                let index = list.index(at);
                self.fault(&index.key("name"), format!("the pod has no volume `{}`", cut(name)));
            }
        }
    }

    fn service(&mut self, spec: &Value, here: &Here<'_>) {
        let ports = items(spec, "ports");
        let at = here.key("ports");
        let kind = text(spec, "type").unwrap_or("ClusterIP");
        if kind == "ExternalName" {
            if !has(spec, "externalName") {
                self.fault(here, "`externalName` is missing");
            }
        } else if ports.is_empty() && text(spec, "clusterIP") != Some("None") {
            self.fault(here, "`ports` is missing");
        }
        for (index, port) in ports.iter().enumerate() {
            let here = at.index(index);
            if ports.len() > 1 && !has(port, "name") {
                self.fault(&here, "`name` is missing: a Service of several ports needs one for each");
            }
            if kind == "ClusterIP" && port.get("nodePort").is_some_and(|port| port.as_u64() > Some(0)) {
                self.fault(&here.key("nodePort"), "cannot be given where `type` is `ClusterIP`");
            }
        }
        self.names(ports, &at);
    }

    fn autoscaler(&mut self, spec: &Value, here: &Here<'_>) {
        let bound = |key: &str| spec.get(key).and_then(Value::as_i64);
        if let (Some(low), Some(high)) = (bound("minReplicas"), bound("maxReplicas"))
            && low > high
        {
            self.fault(&here.key("minReplicas"), format!("is over `maxReplicas`, {high}"));
        }
    }

    fn ingress(&mut self, spec: &Value, here: &Here<'_>) {
        if let Some(backend) = spec.get("defaultBackend") {
            self.backend(backend, &here.key("defaultBackend"));
        } else if items(spec, "rules").is_empty() {
            self.fault(here, "`rules` is missing, and so is `defaultBackend`");
        }
        let rules = here.key("rules");
        for (at, rule) in items(spec, "rules").iter().enumerate() {
            let (index, none) = (rules.index(at), Value::Null);
            let http = index.key("http");
            let paths = http.key("paths");
            for (at, path) in items(rule.get("http").unwrap_or(&none), "paths").iter().enumerate() {
                if let Some(backend) = path.get("backend") {
                    let index = paths.index(at);
                    self.backend(backend, &index.key("backend"));
                }
            }
        }
    }

    fn backend(&mut self, backend: &Value, here: &Here<'_>) {
        self.either(backend, &["service", "resource"], true, here);
        if let Some(service) = backend.get("service") {
            let at = here.key("service");
            match service.get("port") {
                Some(port) => self.either(port, &["name", "number"], true, &at.key("port")),
                None => self.fault(&at, "`port` is missing"),
            }
        }
    }

    /// The keys of a ConfigMap or Secret are file names.
    fn keys(&mut self, object: &Value) {
        let root = Here::ROOT;
        for field in ["data", "stringData", "binaryData"] {
            let list = root.key(field);
            for key in object.get(field).and_then(Value::as_object).into_iter().flat_map(Map::keys) {
                let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
                if !is_open(key) && (key.is_empty() || key.len() > 253 || !key.bytes().all(inner)) {
                    self.fault(&list.key(key), "is no key: letters, digits, `-`, `_` and `.`");
                }
            }
        }
    }
}

/// The members of a map that are there, but one.
fn sources<'v>(members: &'v Map, but: &'static str) -> impl Iterator<Item = &'v str> {
    members.iter().filter(move |(key, value)| *key != but && !value.is_null()).map(|(key, _)| key.as_str())
}

fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => Quantity::parse(text).ok(),
        Value::Number(number) => Quantity::parse(&number.to_string()).ok(),
        _ => None,
    }
}
