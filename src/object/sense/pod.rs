//! What a pod is as a whole: its containers side by side, what it shares with its node, how it looks up names.

use std::collections::BTreeSet;

use super::{
    BAD_KEY, BAD_LABEL, BAD_NAME, NONE, Sense, TWICE, field, flag, has, is_open, items, members, names,
    not_a_label_value, said, text,
};
use crate::object::Value;
use crate::object::naming::{is_dns_label, is_dns_name, is_label_key, is_label_value, search_fault};
use crate::object::path::Here;
use crate::object::schema::cut;

/// As many domains are tried for a short name, and so long may their list be.
const MOST_SEARCHES: (usize, usize) = (32, 2048);

/// What only processes of one node share.
const OF_PROCESSES: &[&str] = &["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."];

/// What a container of Windows cannot be told, and what only it can.
const NOT_IN_WINDOWS: &[&str] = &[
    "appArmorProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "runAsGroup",
    "runAsUser",
    "seLinuxOptions",
    "seccompProfile",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "sysctls",
];

/// What the parts of a pod have to know of the rest.
pub(super) struct Pod<'p> {
    /// The names of its volumes.
    pub volumes: BTreeSet<&'p str>,
    /// The names of those that are claims, whether theirs or their own.
    pub claimed: BTreeSet<&'p str>,
    /// The names of claims that are made for it.
    pub claims: &'p BTreeSet<&'p str>,
    /// How long it may take to end.
    pub grace: i64,
    /// Whether its users are not those of the node.
    pub own_users: bool,
    /// The names of what it asks the node's drivers for.
    pub devices: BTreeSet<&'p str>,
}

impl Sense<'_> {
    pub(super) fn pod(&mut self, pod: &Value, claims: &BTreeSet<&str>, kind: &str, here: &Here<'_>) {
        self.restart_policy(pod, kind, here);
        self.filled(pod, "containers", here);
        self.each(pod, "volumes", here, Self::volume);
        let whole = Pod {
            volumes: names(pod, "volumes"),
            claimed: items(pod, "volumes")
                .iter()
                .filter(|volume| has(volume, "persistentVolumeClaim") || has(volume, "ephemeral"))
                .filter_map(|volume| text(volume, "name"))
                .collect(),
            claims,
            grace: pod.get("terminationGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(30),
            own_users: flag(pod, "hostUsers") == Some(false),
            devices: names(pod, "resourceClaims"),
        };
        self.containers(pod, &whole, here);
        self.host(pod, here);
        self.names(pod, here);
        self.dns(pod, here);
        self.each(pod, "tolerations", here, Self::toleration);
        self.spread(pod, here);
        self.within(pod, "affinity", here, Self::affinity);
        self.within(pod, "securityContext", here, |sense, context, here| {
            sense.context(context, true, here);
            sense.sysctls(context, pod, here);
        });
        self.within(pod, "resources", here, Self::pod_resources);
        self.each(pod, "resourceClaims", here, |sense, claim, here| {
            sense.either(claim, &["resourceClaimName", "resourceClaimTemplateName"], true, here);
        });
        self.system(pod, here);
        if has(pod, "overhead") && !has(pod, "runtimeClassName") {
            self.fault(&here.key("overhead"), "is for a runtime class to set");
        }
    }

    fn restart_policy(&mut self, pod: &Value, kind: &str, here: &Here<'_>) {
        let policy = text(pod, "restartPolicy");
        match (kind, policy) {
            ("Job", None) if !has(pod, "restartPolicy") => {
                self.fault(here, "`restartPolicy` is missing: a Job needs `OnFailure` or `Never`");
            }
            ("Job", Some("Always")) => {
                self.fault(&here.key("restartPolicy"), "cannot be `Always` in a Job: `OnFailure` or `Never`");
            }
            ("Deployment" | "DaemonSet" | "StatefulSet" | "ReplicaSet", Some("Never" | "OnFailure")) => {
                self.fault(&here.key("restartPolicy"), format!("must be `Always` in a {kind}"));
            }
            _ => {}
        }
        match kind {
            "Deployment" | "DaemonSet" | "StatefulSet" | "ReplicaSet"
                if has(pod, "activeDeadlineSeconds") =>
            {
                self.fault(&here.key("activeDeadlineSeconds"), format!("cannot be given in a {kind}"));
            }
            _ => self.bounds(pod, "activeDeadlineSeconds", 1, i64::from(i32::MAX), here),
        }
        if kind != "Pod" && !items(pod, "ephemeralContainers").is_empty() {
            self.fault(&here.key("ephemeralContainers"), "cannot be given before the pod runs");
        }
    }

    fn containers(&mut self, pod: &Value, whole: &Pod<'_>, here: &Here<'_>) {
        let own_network = flag(pod, "hostNetwork") != Some(true);
        let first = names(pod, "initContainers");
        let mut ports = BTreeSet::new();
        for field in ["initContainers", "containers"] {
            self.each(pod, field, here, |sense, container, here| {
                if field == "initContainers" {
                    ports.clear();
                    sense.ends(container, here);
                } else if let Some(name) = text(container, "name").filter(|name| first.contains(name)) {
                    sense.fault(&here.key("name"), format!("`{}` is an init container, too", cut(name)));
                }
                sense.container(container, whole, here);
                sense.host_ports(container, own_network, &mut ports, here);
            });
            ports.clear();
        }
    }

    /// What ends before the others start is not probed.
    fn ends(&mut self, container: &Value, here: &Here<'_>) {
        if has(container, "restartPolicy") {
            return;
        }
        for key in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if has(container, key) {
                self.fault(
                    &here.key(key),
                    "cannot be given in an init container without `restartPolicy: Always`",
                );
            }
        }
    }

    /// A node has each of its ports once; on its network, a container's ports are the node's.
    fn host_ports<'p>(
        &mut self,
        container: &Value,
        own_network: bool,
        seen: &mut BTreeSet<(u64, String)>,
        here: &Here<'p>,
    ) {
        self.each(container, "ports", here, |sense, port, here| {
            let number = |key: &str| port.get(key).and_then(Value::as_u64).filter(|port| *port > 0);
            let own = number("containerPort");
            let Some(host) = number("hostPort").or(own.filter(|_| !own_network)) else { return };
            if !own_network && own.is_some_and(|own| own != host) {
                sense.fault(&here.key("hostPort"), "must be `containerPort` on the node's network");
            }
            let rest =
                [text(port, "protocol").unwrap_or("TCP"), text(port, "hostIP").unwrap_or_default()].join(" ");
            if !seen.insert((host, rest)) && number("hostPort").is_some() {
                sense.fault(&here.key("hostPort"), format!("port {host} of the node is taken in this pod"));
            }
        });
    }

    /// What a pod shares with its node.
    fn host(&mut self, pod: &Value, here: &Here<'_>) {
        if flag(pod, "shareProcessNamespace") == Some(true) && flag(pod, "hostPID") == Some(true) {
            self.fault(
                &here.key("shareProcessNamespace"),
                "`hostPID` and `shareProcessNamespace` exclude each other",
            );
        }
        if flag(pod, "hostUsers") == Some(false) {
            let shares = ["hostNetwork", "hostPID", "hostIPC"];
            for key in shares.into_iter().filter(|key| flag(pod, key) == Some(true)) {
                self.fault(&here.key(key), "cannot be `true` where `hostUsers` is `false`");
            }
        }
    }

    fn names(&mut self, pod: &Value, here: &Here<'_>) {
        self.fits(pod, "subdomain", is_dns_label, BAD_LABEL, here);
        self.fits(pod, "nodeName", is_dns_name, BAD_NAME, here);
        self.fits(pod, "runtimeClassName", is_dns_name, BAD_NAME, here);
        self.label_map(pod, "nodeSelector", here);
        self.each(pod, "hostAliases", here, |sense, alias, here| {
            sense.each(alias, "hostnames", here, |sense, name, here| match name.as_str() {
                Some(name) if !is_open(name) && !is_dns_name(name) => {
                    sense.fault(here, format!("`{}` {BAD_NAME}", cut(name)));
                }
                _ => {}
            });
        });
        for (list, key) in [("readinessGates", "conditionType"), ("schedulingGates", "name")] {
            self.each(pod, list, here, |sense, gate, here| sense.label_key(gate, key, here));
        }
        self.within(pod, "securityContext", here, |sense, context, here| {
            if said(context, "seLinuxChangePolicy")
                .is_some_and(|word| !matches!(word, "MountOption" | "Recursive"))
            {
                sense.fault(&here.key("seLinuxChangePolicy"), "must be `MountOption` or `Recursive`");
            }
        });
        self.once((pod, "schedulingGates", None), |gate| text(gate, "name"), TWICE, here);
    }

    fn dns(&mut self, pod: &Value, here: &Here<'_>) {
        let config = field(pod, "dnsConfig");
        if text(pod, "dnsPolicy") == Some("None") && items(config, "nameservers").is_empty() {
            self.fault(
                &here.key("dnsPolicy"),
                "`None` needs `dnsConfig.nameservers`: there is nobody to ask",
            );
        }
        let at = here.key("dnsConfig");
        if items(config, "nameservers").len() > 3 {
            self.fault(&at.key("nameservers"), "may be three at most");
        }
        let searches = items(config, "searches");
        let length: usize = searches.iter().filter_map(Value::as_str).map(|name| name.len() + 1).sum();
        if searches.len() > MOST_SEARCHES.0 || length > MOST_SEARCHES.1 + 1 {
            self.fault(&at.key("searches"), "may be 32 domains at most, with 2048 letters in all");
        }
        self.each(config, "searches", &at, |sense, domain, here| {
            let Some(domain) = domain.as_str().filter(|domain| !is_open(domain) && *domain != ".") else {
                return;
            };
            if search_fault(domain.strip_suffix('.').unwrap_or(domain)).is_some() {
                sense.fault(here, format!("`{}` is no domain", cut(domain)));
            }
        });
        self.each(config, "options", &at, |sense, option, here| {
            if !has(option, "name") || field(option, "name") == "" {
                sense.fault(here, "`name` is missing");
            }
        });
    }

    pub(super) fn toleration(&mut self, toleration: &Value, here: &Here<'_>) {
        let operator = said(toleration, "operator");
        self.fits(toleration, "key", is_label_key, BAD_KEY, here);
        let keyless = !has(toleration, "key") || field(toleration, "key") == "";
        if keyless && operator != Some("Exists") {
            self.fault(here, "needs a `key`, or `operator: Exists` for all");
        }
        if has(toleration, "tolerationSeconds") && text(toleration, "effect") != Some("NoExecute") {
            self.fault(&here.key("tolerationSeconds"), "needs `effect: NoExecute`");
        }
        match operator {
            Some("Exists") if said(toleration, "value").is_some() => {
                self.fault(&here.key("value"), "cannot be given where `operator` is `Exists`");
            }
            Some("Exists") => {}
            Some(word @ ("Gt" | "Lt")) if self.minor.is_some_and(|minor| minor < 35) => {
                self.fault(&here.key("operator"), format!("`{word}` is there from Kubernetes 1.35 on"));
            }
            _ => {
                if let Some(bad) = said(toleration, "value").filter(|value| !is_label_value(value)) {
                    self.fault(&here.key("value"), not_a_label_value(bad));
                }
            }
        }
    }

    fn spread(&mut self, pod: &Value, here: &Here<'_>) {
        let key =
            |one| Some((field(one, "topologyKey").as_str()?, field(one, "whenUnsatisfiable").as_str()?));
        let twice = "is for a `topologyKey` and `whenUnsatisfiable` that stand in this list already";
        self.once((pod, "topologySpreadConstraints", None), key, twice, here);
        self.each(pod, "topologySpreadConstraints", here, |sense, one, here| {
            sense.bounds(one, "maxSkew", 1, i64::MAX, here);
            sense.bounds(one, "minDomains", 1, i64::MAX, here);
            sense.full(one, "topologyKey", here);
            if has(one, "minDomains") && text(one, "whenUnsatisfiable") == Some("ScheduleAnyway") {
                sense.fault(&here.key("minDomains"), "needs `whenUnsatisfiable: DoNotSchedule`");
            }
            sense.label_selector(one, "labelSelector", here);
            sense.own_labels(one, here);
        });
    }

    /// The security context of a container, or of all of them.
    pub(super) fn context(&mut self, context: &Value, of_pod: bool, here: &Here<'_>) {
        for key in ["seccompProfile", "appArmorProfile"] {
            self.within(context, key, here, |sense, profile, here| {
                let name = profile.get("localhostProfile").and_then(Value::as_str);
                match (text(profile, "type"), name) {
                    (Some("Localhost"), None | Some("")) => {
                        sense.fault(here, "`localhostProfile` is missing");
                    }
                    (Some("Localhost"), Some(name)) => {
                        let leaves = name.starts_with('/') || name.split('/').any(|step| step == "..");
                        if key == "seccompProfile" && leaves && !is_open(name) {
                            sense.fault(
                                &here.key("localhostProfile"),
                                "must be a path below the node's folder of profiles",
                            );
                        }
                        if key == "appArmorProfile" && name.trim() != name {
                            sense.fault(&here.key("localhostProfile"), "must not have spaces around it");
                        }
                    }
                    (Some("RuntimeDefault" | "Unconfined"), Some(_)) => {
                        sense.fault(&here.key("localhostProfile"), "needs `type: Localhost`");
                    }
                    _ => {}
                }
            });
        }
        if of_pod {
            return;
        }
        if flag(context, "allowPrivilegeEscalation") == Some(false) {
            let admin = items(field(context, "capabilities"), "add").iter().any(|one| one == "CAP_SYS_ADMIN");
            if flag(context, "privileged") == Some(true) || admin {
                let why = if admin { "the capability `CAP_SYS_ADMIN`" } else { "`privileged`" };
                self.fault(&here.key("allowPrivilegeEscalation"), format!("cannot be `false` with {why}"));
            }
        }
    }

    pub(super) fn sysctls(&mut self, context: &Value, pod: &Value, here: &Here<'_>) {
        let mut seen = BTreeSet::new();
        self.each(context, "sysctls", here, |sense, one, here| {
            sense.full(one, "name", here);
            let Some(name) = said(one, "name") else { return };
            let here = here.key("name");
            if !is_sysctl(name) {
                sense.fault(&here, format!("`{}` is no sysctl", cut(name)));
            } else if !seen.insert(name.to_owned()) {
                sense.fault(&here, format!("`{}` stands twice in this list", cut(name)));
            }
            let name = name.replace('/', ".");
            let shares = |key: &str| flag(pod, key) == Some(true);
            if shares("hostNetwork") && name.starts_with("net.") {
                sense.fault(&here, "is the node's where `hostNetwork` is `true`");
            }
            if shares("hostIPC") && OF_PROCESSES.iter().any(|prefix| name.starts_with(prefix)) {
                sense.fault(&here, "is the node's where `hostIPC` is `true`");
            }
        });
    }

    /// What depends on the operating system.
    fn system(&mut self, pod: &Value, here: &Here<'_>) {
        let context = field(pod, "securityContext");
        let at = here.key("securityContext");
        match text(field(pod, "os"), "name") {
            Some("linux") if has(context, "windowsOptions") => {
                self.fault(&at.key("windowsOptions"), "cannot be given in a pod of Linux");
            }
            Some("windows") => {
                for key in NOT_IN_WINDOWS.iter().filter(|key| has(context, key)) {
                    self.fault(&at.key(key), "cannot be given in a pod of Windows");
                }
            }
            Some("linux") | None => {}
            Some(other) => {
                let os = here.key("os");
                self.fault(
                    &os.key("name"),
                    format!("cannot be `{}`: it is one of `linux`, `windows`", cut(other)),
                );
            }
        }
    }

    /// Annotations of a pod that Kubernetes itself reads.
    pub(super) fn pod_annotations(&mut self, template: &Value, here: &Here<'_>) {
        let metadata = here.key("metadata");
        let at = metadata.key("annotations");
        let pod = field(template, "spec");
        let containers: BTreeSet<&str> =
            names(pod, "containers").into_iter().chain(names(pod, "initContainers")).collect();
        for (key, value) in members(field(template, "metadata"), "annotations") {
            let Some(value) = value.as_str().filter(|value| !is_open(value)) else { continue };
            match key {
                "controller.kubernetes.io/pod-deletion-cost" => {
                    let whole = value.parse::<i32>().is_ok() && !value.starts_with('+');
                    if !whole || value.len() > 1 && value.starts_with('0') || value.starts_with("-0") {
                        self.fault(&at.key(key), format!("must be a whole number, and is `{}`", cut(value)));
                    }
                }
                "kubernetes.io/config.mirror" => {
                    self.fault(&at.key(key), "is for Kubernetes itself to set");
                }
                _ => {
                    self.app_armor(key, value, &containers, &at);
                    self.seccomp(key, value, pod, &at);
                }
            }
        }
    }

    /// Which profile a container has, as it was told before there was a field for it.
    fn app_armor(&mut self, key: &str, value: &str, containers: &BTreeSet<&str>, here: &Here<'_>) {
        let Some(name) = key.strip_prefix("container.apparmor.security.beta.kubernetes.io/") else { return };
        if !containers.contains(name) {
            self.fault(&here.key(key), format!("the pod has no container `{}`", cut(name)));
        }
        if !matches!(value, "" | "runtime/default" | "unconfined") && !value.starts_with("localhost/") {
            self.fault(&here.key(key), "must be `runtime/default`, `unconfined` or `localhost/…`");
        }
    }

    /// The same of seccomp: pods are refused whose annotation and field differ.
    fn seccomp(&mut self, key: &str, value: &str, pod: &Value, here: &Here<'_>) {
        let owner = match key.strip_prefix("container.seccomp.security.alpha.kubernetes.io/") {
            Some(name) => {
                let lists = ["containers", "initContainers"].map(|list| items(pod, list));
                lists.into_iter().flatten().find(|container| text(container, "name") == Some(name))
            }
            None if key == "seccomp.security.alpha.kubernetes.io/pod" => Some(pod),
            None => None,
        };
        let profile = owner.map_or(&NONE, |owner| field(field(owner, "securityContext"), "seccompProfile"));
        let same = match text(profile, "type") {
            Some("Unconfined") => value == "unconfined",
            Some("RuntimeDefault") => matches!(value, "runtime/default" | "docker/default"),
            Some("Localhost") => value.strip_prefix("localhost/") == text(profile, "localhostProfile"),
            _ => true,
        };
        if !same {
            self.fault(&here.key(key), "is another profile than `seccompProfile` has");
        }
    }
}

/// Parts of lower-case letters, digits, `-` and `_`, with `.` or `/` between them.
fn is_sysctl(name: &str) -> bool {
    name.len() <= 253
        && name.split(['.', '/']).all(|part| {
            let outer = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            let bytes = part.as_bytes();
            bytes.iter().all(|byte| outer(byte) || matches!(byte, b'-' | b'_'))
                && bytes.first().is_some_and(outer)
                && bytes.last().is_some_and(outer)
        })
}
