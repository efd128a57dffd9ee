//! The Pod Security Standards, as the API server's own admission has them: what a pod may not ask for, and what it
//! must say (kubernetes.io/docs/concepts/security/pod-security-standards, and `pod-security-admission/policy` of
//! Kubernetes for what changed with which version).

use crate::object::Value;
use crate::object::path::{Here, Path};
use crate::object::schema::cut;

/// A standard that a namespace enforces. The one that allows everything is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standard {
    /// Known privilege escalations are refused.
    Baseline,
    /// Hardened pods only.
    Restricted,
}

/// What a standard has against a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breach {
    /// Where in the pod's template.
    pub path: Path,
    /// The container, if it is one's.
    pub container: Option<String>,
    /// What is asked for, or what must be said.
    pub what: String,
    /// Whether it must be said.
    pub demanded: bool,
}

/// What the standard of a minor version of Kubernetes has against the pods of a template.
pub fn breaches(template: &Value, standard: Standard, minor: u32) -> Vec<Breach> {
    let pod = &template["spec"];
    let mut judge = Judge {
        restricted: standard == Standard::Restricted,
        minor,
        own_users: minor >= 35 && pod["hostUsers"] == false,
        windows: minor >= 25 && pod["os"]["name"] == "windows",
        container: None,
        found: Vec::new(),
    };
    judge.template(template);
    judge.found
}

/// Capabilities that the baseline lets a container add. The runtime may know them by other names, the standard not.
const CAPABILITIES: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Kernel settings that are a pod's own, and since which minor version the standard lets it have them.
const SYSCTLS: &[(&str, u32)] = &[
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.tcp_wmem", 32),
];

/// SELinux types, likewise.
const SELINUX_TYPES: &[(&str, u32)] = &[
    ("", 0),
    ("container_t", 0),
    ("container_init_t", 0),
    ("container_kvm_t", 0),
    ("container_engine_t", 31),
];

/// Volumes that a restricted pod may have. Of images none is sure.
const VOLUMES: &[&str] = &[
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Whether an annotation says the seccomp profile of a pod or of one of its containers, as it was said before 1.19.
fn is_seccomp(key: &str, pod: &Value) -> bool {
    let named = |name: &str| {
        ["containers", "initContainers"]
            .iter()
            .any(|list| items(&pod[*list]).any(|(_, one)| one["name"] == name))
    };
    key == "seccomp.security.alpha.kubernetes.io/pod"
        || key.strip_prefix("container.seccomp.security.alpha.kubernetes.io/").is_some_and(named)
}

/// The profiles that such an annotation may say.
fn is_seccomp_profile(value: &str) -> bool {
    matches!(value, "runtime/default" | "docker/default") || value.starts_with("localhost/")
}

struct Judge {
    restricted: bool,
    minor: u32,
    /// Whether the pod's users are not the node's, where the standards heed that.
    own_users: bool,
    windows: bool,
    /// The container that is looked at.
    container: Option<String>,
    found: Vec<Breach>,
}

fn items(list: &Value) -> impl Iterator<Item = (usize, &Value)> {
    list.as_array().into_iter().flatten().enumerate()
}

fn words(list: &Value) -> impl Iterator<Item = &str> {
    items(list).filter_map(|(_, word)| word.as_str())
}

impl Judge {
    fn add(&mut self, here: &Here<'_>, what: impl Into<String>, demanded: bool) {
        let container = self.container.clone();
        self.found.push(Breach { path: here.path(), container, what: what.into(), demanded });
    }

    fn refuse(&mut self, here: &Here<'_>, what: impl Into<String>) {
        self.add(here, what, false);
    }

    fn template(&mut self, template: &Value) {
        let root = Here::ROOT;
        let (spec, metadata) = (root.key("spec"), root.key("metadata"));
        let pod = &template["spec"];
        for (key, what) in [
            ("hostNetwork", "the host's network"),
            ("hostPID", "the host's process ids"),
            ("hostIPC", "the host's IPC"),
        ] {
            if pod[key] == true {
                self.refuse(&spec.key(key), what);
            }
        }
        self.volumes(&pod["volumes"], &spec.key("volumes"));
        self.context(&pod["securityContext"], &spec.key("securityContext"));
        self.sysctls(&pod["securityContext"], &spec.key("securityContext"));
        for key in ["containers", "initContainers"] {
            let list = spec.key(key);
            for (at, container) in items(&pod[key]) {
                self.container = Some(container["name"].as_str().unwrap_or_default().to_owned());
                self.one(container, &pod["securityContext"], &list.index(at));
            }
        }
        self.container = None;
        let annotations = metadata.key("annotations");
        for (key, value) in template["metadata"]["annotations"].as_object().into_iter().flatten() {
            let profile = key.starts_with("container.apparmor.security.beta.kubernetes.io/");
            if profile && *value == "unconfined" {
                self.refuse(&annotations.key(key), "no AppArmor profile");
            }
            if self.minor < 19 && is_seccomp(key, pod) && !value.as_str().is_some_and(is_seccomp_profile) {
                self.refuse(&annotations.key(key), "no seccomp profile");
            }
        }
    }

    fn volumes(&mut self, volumes: &Value, here: &Here<'_>) {
        for (at, volume) in items(volumes) {
            let here = here.index(at);
            let sources = volume.as_object().into_iter().flatten();
            let source =
                sources.filter(|(key, value)| *key != "name" && !value.is_null()).map(|(key, _)| key);
            for kind in source {
                match kind.as_str() {
                    "hostPath" => {
                        let path = volume["hostPath"]["path"].as_str().unwrap_or_default();
                        self.refuse(&here, format!("the host's path `{}`", cut(path)));
                    }
                    "nfs" if self.restricted => self.refuse(&here, "an NFS volume without a claim"),
                    other if self.restricted && !VOLUMES.contains(&other) => {
                        self.refuse(&here, format!("a volume of the kind `{}`", cut(other)));
                    }
                    _ => {}
                }
            }
        }
    }

    fn one(&mut self, container: &Value, of_pod: &Value, here: &Here<'_>) {
        let ports = here.key("ports");
        for (at, port) in items(&container["ports"]) {
            if let Some(port) = port["hostPort"].as_i64().filter(|port| *port != 0) {
                self.refuse(&ports.index(at).key("hostPort"), format!("host port {port}"));
            }
        }
        let (own, at) = (&container["securityContext"], here.key("securityContext"));
        if own["privileged"] == true {
            self.refuse(&at.key("privileged"), "a privileged container");
        }
        self.capabilities(&own["capabilities"], &at.key("capabilities"));
        let unmasked = own["procMount"].as_str().is_some_and(|mount| mount != "Default");
        if unmasked && (self.restricted || !self.own_users) {
            self.refuse(&at.key("procMount"), "an unmasked /proc");
        }
        self.context(own, &at);
        self.hosts(container, here);
        if self.restricted {
            self.hardened(own, of_pod, &at);
        }
    }

    fn capabilities(&mut self, capabilities: &Value, here: &Here<'_>) {
        for name in words(&capabilities["add"]) {
            let hardened = self.restricted && self.minor >= 22;
            let free = CAPABILITIES.contains(&name) && (!hardened || name == "NET_BIND_SERVICE");
            if !free {
                self.refuse(&here.key("add"), format!("the capability `{}`", cut(name)));
            }
        }
    }

    /// What pods and containers say alike.
    fn context(&mut self, context: &Value, here: &Here<'_>) {
        for (key, what) in
            [("seccompProfile", "no seccomp profile"), ("appArmorProfile", "no AppArmor profile")]
        {
            let heeded = key != "seccompProfile" || self.minor >= 19;
            if heeded && context[key]["type"] == "Unconfined" {
                self.refuse(&here.key(key), what);
            }
        }
        let options = &context["seLinuxOptions"];
        let text = |key: &str| options[key].as_str().unwrap_or_default();
        let known = SELINUX_TYPES.iter().any(|(word, since)| *word == text("type") && *since <= self.minor);
        if !known || !text("user").is_empty() || !text("role").is_empty() {
            self.refuse(&here.key("seLinuxOptions"), "SELinux options of its own");
        }
        if context["windowsOptions"]["hostProcess"] == true {
            self.refuse(&here.key("windowsOptions"), "a host process");
        }
        if self.restricted && !self.own_users {
            if context["runAsUser"] == 0 && self.minor >= 23 {
                self.refuse(&here.key("runAsUser"), "to run as root");
            }
            if context["runAsNonRoot"] == false {
                self.refuse(&here.key("runAsNonRoot"), "to be allowed to run as root");
            }
        }
    }

    fn sysctls(&mut self, context: &Value, here: &Here<'_>) {
        let names = items(&context["sysctls"]).filter_map(|(_, sysctl)| sysctl["name"].as_str());
        for name in names {
            if !SYSCTLS.iter().any(|(safe, since)| *safe == name && *since <= self.minor) {
                self.refuse(&here.key("sysctls"), format!("the kernel setting `{}`", cut(name)));
            }
        }
    }

    /// Since 1.34 the kubelet may be sent to no other host than the pod.
    fn hosts(&mut self, container: &Value, here: &Here<'_>) {
        if self.minor < 34 {
            return;
        }
        let lifecycle = here.key("lifecycle");
        let probes = ["livenessProbe", "readinessProbe", "startupProbe"];
        let probes = probes.map(|key| (&container[key], here.key(key)));
        let hooks = ["postStart", "preStop"].map(|key| (&container["lifecycle"][key], lifecycle.key(key)));
        for (handler, at) in probes.into_iter().chain(hooks) {
            for key in ["httpGet", "tcpSocket"] {
                let host = handler[key]["host"].as_str().unwrap_or_default();
                if !host.is_empty() {
                    self.refuse(&at.key(key).key("host"), format!("to ask the host `{}`", cut(host)));
                }
            }
        }
    }

    /// What a restricted container must say, or its pod for it.
    fn hardened(&mut self, own: &Value, of_pod: &Value, here: &Here<'_>) {
        let either = |key: &str| [own, of_pod].into_iter().find(|context| !context[key].is_null());
        let escalates = self.minor >= 8 && !self.windows;
        if own["allowPrivilegeEscalation"] == true && escalates {
            self.refuse(&here.key("allowPrivilegeEscalation"), "privilege escalation");
        }
        let profile =
            either("seccompProfile").is_some_and(|context| context["seccompProfile"]["type"].is_string());
        let dropped = words(&own["capabilities"]["drop"]).any(|name| name == "ALL");
        let demands = [
            ("`runAsNonRoot = true`", self.own_users || either("runAsNonRoot").is_some()),
            ("`seccompProfile.type = \"RuntimeDefault\"`", self.minor < 19 || self.windows || profile),
            (
                "`allowPrivilegeEscalation = false`",
                !escalates || own["allowPrivilegeEscalation"].is_boolean(),
            ),
            ("`capabilities.drop = [\"ALL\"]`", self.minor < 22 || self.windows || dropped),
        ];
        for (demand, _) in demands.into_iter().filter(|(_, said)| !said) {
            self.add(here, demand, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Standard, breaches};
    use serde_json::{Value, json};

    fn whats(pod: &Value, standard: Standard, minor: u32) -> Vec<String> {
        breaches(&json!({ "spec": pod }), standard, minor).into_iter().map(|breach| breach.what).collect()
    }

    #[test]
    fn what_is_allowed_depends_on_the_version() {
        let sysctl =
            json!({"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_keepalive_time", "value": "1"}]}});
        assert_eq!(
            whats(&sysctl, Standard::Baseline, 28),
            ["the kernel setting `net.ipv4.tcp_keepalive_time`"]
        );
        assert!(whats(&sysctl, Standard::Baseline, 29).is_empty());
        let probe =
            json!({"containers": [{"name": "a", "livenessProbe": {"httpGet": {"host": "x", "port": 1}}}]});
        assert_eq!(whats(&probe, Standard::Baseline, 34), ["to ask the host `x`"]);
        assert!(whats(&probe, Standard::Baseline, 33).is_empty());
        let label = json!({"securityContext": {"seLinuxOptions": {"type": "container_engine_t"}}});
        assert_eq!(whats(&label, Standard::Baseline, 30).len(), 1);
        assert!(whats(&label, Standard::Baseline, 31).is_empty());
    }

    #[test]
    fn older_standards_demand_less() {
        let bare =
            json!({"securityContext": {"runAsNonRoot": true, "runAsUser": 0}, "containers": [{"name": "a"}]});
        let count = |minor: u32| whats(&bare, Standard::Restricted, minor).len();
        assert_eq!([7, 8, 18, 19, 21, 22, 23].map(count), [0, 1, 1, 2, 2, 3, 4]);
        let annotated = json!({"metadata": {"annotations": {
            "seccomp.security.alpha.kubernetes.io/pod": "unconfined",
            "container.seccomp.security.alpha.kubernetes.io/a": "unconfined",
            "container.seccomp.security.alpha.kubernetes.io/b": "unconfined",
        }}, "spec": {"containers": [{"name": "a"}]}});
        let found = |minor: u32| breaches(&annotated, Standard::Baseline, minor).len();
        assert_eq!([found(18), found(19)], [2, 0]);
    }

    #[test]
    fn names_of_capabilities_have_no_prefix() {
        let adds = |name: &str| json!({"containers": [{"name": "a", "securityContext": {"capabilities": {"add": [name]}}}]});
        assert_eq!(whats(&adds("CAP_CHOWN"), Standard::Baseline, 34), ["the capability `CAP_CHOWN`"]);
        assert!(whats(&adds("CHOWN"), Standard::Baseline, 34).is_empty());
    }

    #[test]
    fn a_pod_speaks_for_its_containers() {
        let own = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
        let pod = |context: Value| json!({"securityContext": context, "containers": [{"name": "a", "securityContext": own}]});
        let said = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
        assert!(whats(&pod(said), Standard::Restricted, 34).is_empty());
        assert_eq!(whats(&pod(json!({})), Standard::Restricted, 34).len(), 2);
        let users = json!({"hostUsers": false, "securityContext": {"runAsUser": 0, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "a", "securityContext": own}]});
        assert!(whats(&users, Standard::Restricted, 35).is_empty());
        assert_eq!(whats(&users, Standard::Restricted, 34).len(), 2);
    }
}
