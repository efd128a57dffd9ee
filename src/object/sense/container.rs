//! One container: what it is told, what it listens on, what it mounts.

use super::pod::Pod;
use super::{
    BAD_DATA_KEY, Sense, TWICE, again, field, flag, has, is_data_key, items, names, quantity, said, text,
};
use crate::object::Value;
use crate::object::naming::is_label_key;
use crate::object::path::Here;
use crate::object::schema::cut;
use crate::quantity::Quantity;

/// What a variable can be told of its pod.
const OF_POD: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.host",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// What a file can be told of its pod.
const OF_POD_IN_FILE: &[&str] =
    &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

const BAD_VARIABLE: &str = "is no name of a variable: letters of ASCII without `=`";

impl Sense<'_> {
    pub(super) fn container(&mut self, container: &Value, pod: &Pod<'_>, here: &Here<'_>) {
        self.full(container, "image", here);
        for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
            self.within(container, key, here, |sense, probe, here| {
                sense.probe(probe, key, items(container, "ports"), here);
            });
        }
        self.within(container, "lifecycle", here, |sense, lifecycle, here| {
            sense.within(lifecycle, "postStart", here, |sense, hook, here| sense.hook(hook, pod.grace, here));
            sense.within(lifecycle, "preStop", here, |sense, hook, here| sense.hook(hook, pod.grace, here));
        });
        self.each(container, "env", here, Self::variable);
        self.each(container, "envFrom", here, |sense, from, here| {
            sense.either(from, &["configMapRef", "secretRef"], true, here);
            sense.fits(from, "prefix", is_variable, BAD_VARIABLE, here);
            sense.within(from, "configMapRef", here, |sense, of, here| sense.named(of, "name", here));
            sense.within(from, "secretRef", here, |sense, of, here| sense.named(of, "name", here));
        });
        self.port_names(items(container, "ports"), &here.key("ports"));
        self.within(container, "resources", here, |sense, resources, here| {
            sense.resources(resources, here);
            sense.each(resources, "claims", here, |sense, claim, here| {
                if let Some(name) = said(claim, "name").filter(|name| !pod.devices.contains(name)) {
                    sense.fault(&here.key("name"), format!("the pod has no resource claim `{}`", cut(name)));
                }
            });
        });
        self.resize(container, here);
        self.within(container, "securityContext", here, |sense, context, here| {
            sense.context(context, false, here);
            if text(context, "procMount") == Some("Unmasked") && !pod.own_users {
                sense.fault(&here.key("procMount"), "`Unmasked` needs `hostUsers: false`");
            }
        });
        self.mounts(container, pod, here);
    }

    fn variable(&mut self, variable: &Value, here: &Here<'_>) {
        self.fits(variable, "name", is_variable, BAD_VARIABLE, here);
        let full = variable.get("value").and_then(Value::as_str).is_some_and(|value| !value.is_empty());
        if full && has(variable, "valueFrom") {
            self.fault(here, "`value` and `valueFrom` exclude each other");
        }
        self.within(variable, "valueFrom", here, |sense, from, here| {
            let kinds = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
            sense.either(from, &kinds, true, here);
            sense.within(from, "fieldRef", here, |sense, of, here| sense.field_ref(of, OF_POD, here));
            sense.within(from, "resourceFieldRef", here, Self::resource_ref);
            for key in ["configMapKeyRef", "secretKeyRef"] {
                sense.within(from, key, here, |sense, of, here| {
                    sense.named(of, "name", here);
                    sense.full(of, "key", here);
                    sense.fits(of, "key", is_data_key, BAD_DATA_KEY, here);
                });
            }
        });
    }

    /// A field of the pod itself.
    fn field_ref(&mut self, of: &Value, known: &[&str], here: &Here<'_>) {
        if said(of, "apiVersion").is_some_and(|version| version != "v1") {
            self.fault(&here.key("apiVersion"), "must be `v1`");
        }
        let Some(path) = text(of, "fieldPath") else { return };
        let subscript = path.strip_suffix("']").and_then(|path| path.split_once("['"));
        let here = here.key("fieldPath");
        match subscript {
            Some(("metadata.labels", key)) if is_label_key(key) => {}
            Some(("metadata.annotations", key)) if is_label_key(&key.to_ascii_lowercase()) => {}
            Some(("metadata.labels" | "metadata.annotations", key)) => {
                self.fault(&here, format!("`{}` {}", cut(key), super::BAD_KEY));
            }
            None if known.contains(&path) => {}
            _ => {
                let list: Vec<String> = known.iter().map(|one| format!("`{one}`")).collect();
                let message = format!(
                    "`{}` cannot be told: it is one of {}, `metadata.labels['KEY']`, `metadata.annotations['KEY']`",
                    cut(path),
                    list.join(", ")
                );
                self.fault(&here, message);
            }
        }
    }

    /// What a container asks for, or may use.
    fn resource_ref(&mut self, of: &Value, here: &Here<'_>) {
        self.full(of, "resource", here);
        let Some(whole) = said(of, "resource") else { return };
        let name = whole.strip_prefix("limits.").or(whole.strip_prefix("requests."));
        match name {
            Some("cpu" | "memory" | "ephemeral-storage") => {}
            Some(name) if name.starts_with("hugepages-") => {}
            _ => {
                self.fault(
                    &here.key("resource"),
                    format!("`{}` cannot be told: `limits` or `requests`, of `cpu`, `memory`, `ephemeral-storage` or `hugepages-…`", cut(whole)),
                );
                return;
            }
        }
        let divisor = quantity(field(of, "divisor")).filter(|divisor| *divisor != Quantity::ZERO);
        let cpu = name == Some("cpu");
        if divisor.is_some_and(|divisor| !is_divisor(divisor, cpu)) {
            let message = match cpu {
                true => "must be `1` or `1m`",
                false => "must be `1` of something: `1`, `1k`, `1Ki`, `1M`, `1Mi` …",
            };
            self.fault(&here.key("divisor"), message);
        }
    }

    /// The files of a volume that tell of the pod.
    pub(super) fn downward(&mut self, source: &Value, here: &Here<'_>) {
        self.each(source, "items", here, |sense, item, here| {
            sense.local_path(item, "path", here);
            sense.bounds(item, "mode", 0, 0o777, here);
            sense.either(item, &["fieldRef", "resourceFieldRef"], true, here);
            sense.within(item, "fieldRef", here, |sense, of, here| sense.field_ref(of, OF_POD_IN_FILE, here));
            sense.within(item, "resourceFieldRef", here, |sense, of, here| {
                if !has(of, "containerName") || field(of, "containerName") == "" {
                    sense.fault(here, "`containerName` is missing");
                }
                sense.resource_ref(of, here);
            });
        });
    }

    /// Names within a list of ports.
    pub(super) fn port_names(&mut self, ports: &[Value], here: &Here<'_>) {
        for at in again(ports, |port| said(port, "name")) {
            let name = said(&ports[at], "name").unwrap_or_default();
            let index = here.index(at);
            self.fault(&index.key("name"), format!("the name `{}` stands twice", cut(name)));
        }
    }

    fn resize(&mut self, container: &Value, here: &Here<'_>) {
        let place = (container, "resizePolicy", Some("resourceName"));
        self.once(place, |policy| text(policy, "resourceName"), TWICE, here);
        self.each(container, "resizePolicy", here, |sense, policy, here| {
            let name = text(policy, "resourceName");
            if !matches!(name, Some("cpu" | "memory") | None) {
                sense.fault(&here.key("resourceName"), "must be `cpu` or `memory`");
            }
            if !matches!(text(policy, "restartPolicy"), Some("NotRequired" | "RestartContainer") | None) {
                sense.fault(&here.key("restartPolicy"), "must be `NotRequired` or `RestartContainer`");
            }
        });
    }

    fn mounts(&mut self, container: &Value, pod: &Pod<'_>, here: &Here<'_>) {
        let privileged = flag(field(container, "securityContext"), "privileged") == Some(true);
        for key in ["volumeMounts", "volumeDevices"] {
            self.each(container, key, here, |sense, mount, here| {
                if let Some(name) = text(mount, "name")
                    && !pod.volumes.contains(name)
                    && !pod.claims.contains(name)
                {
                    sense.fault(&here.key("name"), format!("the pod has no volume `{}`", cut(name)));
                }
                if text(mount, "mountPropagation") == Some("Bidirectional") && !privileged {
                    sense
                        .fault(&here.key("mountPropagation"), "`Bidirectional` needs a privileged container");
                }
                sense.sub_path(mount, here);
            });
        }
        let mounted = names(container, "volumeMounts");
        self.each(container, "volumeDevices", here, |sense, device, here| {
            sense.full(device, "devicePath", here);
            let name = text(device, "name");
            if name.is_some_and(|name| pod.volumes.contains(name) && !pod.claimed.contains(name)) {
                sense.fault(&here.key("name"), "must be a volume of a claim");
            }
            if name.is_some_and(|name| mounted.contains(name)) {
                sense.fault(&here.key("name"), "is in `volumeMounts`, too");
            }
        });
        let place = (container, "volumeMounts", Some("mountPath"));
        self.once(place, |mount| said(mount, "mountPath"), TWICE, here);
    }

    fn sub_path(&mut self, mount: &Value, here: &Here<'_>) {
        if said(mount, "subPath").is_some() && said(mount, "subPathExpr").is_some() {
            self.fault(&here.key("subPathExpr"), "`subPath` and `subPathExpr` exclude each other");
        }
        for key in ["subPath", "subPathExpr"] {
            if said(mount, key)
                .is_some_and(|path| path.starts_with('/') || path.split('/').any(|step| step == ".."))
            {
                self.fault(
                    &here.key(key),
                    "must be a path within the volume: no `/` before it, no `..` in it",
                );
            }
        }
        let recursive = said(mount, "recursiveReadOnly").filter(|word| *word != "Disabled");
        if recursive.is_some() && said(mount, "mountPropagation").is_some_and(|word| word != "None") {
            self.fault(&here.key("mountPropagation"), "cannot be given with `recursiveReadOnly`");
        }
        if recursive.is_some() && flag(mount, "readOnly") != Some(true) {
            self.fault(&here.key("recursiveReadOnly"), "needs `readOnly: true`");
        }
    }
}

/// Printable letters of ASCII.
fn is_variable(name: &str) -> bool {
    !name.contains('=') && name.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

fn is_divisor(divisor: Quantity, cpu: bool) -> bool {
    let units: &[&str] = match cpu {
        true => &["1", "1m"],
        false => &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"],
    };
    units.iter().any(|unit| Quantity::parse(unit).is_ok_and(|unit| unit == divisor))
}
