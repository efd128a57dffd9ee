//! The Pod Security Standards: what a namespace's level forbids, and what it demands.

use serde_json::Value as Json;

use crate::check::placement::patched;
use crate::diagnostic::{Diagnostics, codes};
use crate::inventory::value::PodSecurity;
use crate::model::container::Part;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::volume::Source;
use crate::model::{Environment, Model};
use crate::source::Span;

codes! { Security:
    /// More of the host than the namespace allows.
    HOST_ACCESS_FORBIDDEN = ("host-access-forbidden", Error, "a pod asks for what its namespace's pod security level forbids");
    /// Less hardened than the namespace demands.
    UNHARDENED_POD = ("unhardened-pod", Warning, "a pod lacks what its `restricted` namespace demands");
}

/// Runs every rule about the levels of namespaces.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for environment in &model.environments {
        for stack in &environment.stacks {
            for service in &stack.services {
                pod_security(model, environment, stack, service, found);
            }
        }
    }
}

/// A fault against the Pod Security Standards, and where it stands.
struct Fault {
    what: String,
    span: Span,
}

/// The level that the namespace enforces: the stack's, or that of the chart that writes the namespace.
fn level(model: &Model, environment: &Environment, stack: &Stack) -> Option<(PodSecurity, Span)> {
    if let Some(level) = stack.pod_security {
        let path = ["stacks", &stack.name, "pod-security"];
        return Some((level, model.place_of(&environment.name, &path).unwrap_or(stack.place)));
    }
    let chart = model
        .charts
        .iter()
        .find(|chart| chart.namespace.value == stack.namespace.value && chart.writes_namespace)?;
    let path = ["charts", &chart.name, "pod-security"];
    Some((chart.pod_security?, model.place_of("", &path).unwrap_or(chart.place)))
}

fn pod_security(
    model: &Model,
    environment: &Environment,
    stack: &Stack,
    service: &Service,
    found: &mut Diagnostics,
) {
    let Some((level, place)) = level(model, environment, stack) else { return };
    if level == PodSecurity::Privileged {
        return;
    }
    let at = |path: &[&str], otherwise: Span| {
        let path: Vec<&str> = ["services", &service.key].iter().chain(path).copied().collect();
        model.place_of(&environment.name, &path).unwrap_or(otherwise)
    };
    let mut faults = baseline(service, &at);
    let mut lacking = None;
    if level == PodSecurity::Restricted {
        faults.extend(restricted(service, &at));
        let parts = service.containers().map(|part| (part, missing(service, &part)));
        lacking = parts.into_iter().find(|(_, lacks)| !lacks.is_empty());
    }
    let lacks = lacking.as_ref().map(|(_, lacks)| lacks.as_slice()).unwrap_or_default();
    let word = level.word();
    if let Some(first) = faults.first() {
        let wants: Vec<&str> = faults.iter().map(|fault| fault.what.as_str()).collect();
        let message = format!(
            "service `{}` wants {}, which its namespace's level `{word}` forbids",
            service.key,
            wants.join(", ")
        );
        let mut diagnostic = HOST_ACCESS_FORBIDDEN.at(first.span, "forbidden", message);
        for fault in &faults[1..] {
            diagnostic = diagnostic.because(fault.span, "forbidden, too");
        }
        let also = if lacks.is_empty() {
            String::new()
        } else {
            format!("; `{word}` demands {}, too", lacks.join(", "))
        };
        found.push(
            diagnostic
                .because(place, "the level")
                .about(service.subject())
                .help(format!("do without, or move it to a stack whose `pod-security` allows it{also}")),
        );
    } else if let Some((part, lacks)) = &lacking {
        let span = part.security_context.map_or(part.place, |context| context.span);
        let message = format!(
            "{} lacks {}, which its namespace's level `restricted` demands",
            part.named(&service.key),
            lacks.join(", ")
        );
        found.push(
            UNHARDENED_POD
                .at(span, "Kubernetes refuses its pods", message)
                .because(place, "the level")
                .about(service.subject())
                .help("add it to `security-context`, or lower the stack's `pod-security`"),
        );
    }
}

/// Capabilities that the baseline lets a container add.
const BASELINE_CAPABILITIES: &[&str] = &[
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

/// Kernel settings that are a pod's own.
const SAFE_SYSCTLS: &[&str] = &[
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

const SELINUX_TYPES: &[&str] =
    &["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

/// A security context: the keys that lead to it, and what it holds.
struct Context<'s> {
    path: Vec<&'s str>,
    value: &'s Json,
    span: Span,
}

/// The security contexts of a service: its own container's, its pods', and those of the other containers.
fn contexts(service: &Service) -> Vec<Context<'_>> {
    let pod = service.pod_security_context.as_ref();
    let pod = pod.map(|context| Context {
        path: vec!["pod-security-context"],
        value: &context.value,
        span: context.span,
    });
    let own = service.containers().filter_map(|part| {
        let context = part.security_context?;
        let mut path: Vec<&str> = part.table.into_iter().flat_map(|(table, name)| [table, name]).collect();
        path.push("security-context");
        Some(Context { path, value: &context.value, span: context.span })
    });
    let mut contexts: Vec<Context<'_>> = own.collect();
    contexts.splice(contexts.len().min(1)..contexts.len().min(1), pod);
    contexts
}

/// The baseline of the Pod Security Standards (kubernetes.io/docs/concepts/security/pod-security-standards).
fn baseline(service: &Service, at: &impl Fn(&[&str], Span) -> Span) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |what: String, span: Span| faults.push(Fault { what, span });
    let flags = [
        (service.host_network, "the host's network"),
        (service.pod.host_pid, "the host's process ids"),
        (service.pod.host_ipc, "the host's IPC"),
    ];
    for (flag, what) in flags.into_iter().filter_map(|(flag, what)| Some((flag?, what))) {
        if flag.value {
            add(what.to_owned(), flag.span);
        }
    }
    for volume in &service.volumes {
        if let Source::HostPath(path) = &volume.from {
            add(format!("the host's path `{path}`"), volume.place);
        }
    }
    for port in service.ports.iter().filter_map(|port| port.host_port) {
        add(format!("host port {port}"), port.span);
    }
    for Context { path, value: context, span } in contexts(service) {
        let at = |keys: &[&str], span: Span| at(&[&path, keys].concat(), span);
        if context["privileged"] == true {
            add("a privileged container".to_owned(), at(&["privileged"], span));
        }
        for name in strings(&context["capabilities"]["add"]) {
            if !BASELINE_CAPABILITIES.contains(&name.trim_start_matches("CAP_")) {
                add(format!("the capability `{name}`"), at(&["capabilities", "add"], span));
            }
        }
        if context["procMount"].as_str().is_some_and(|mount| mount != "Default") {
            add("an unmasked /proc".to_owned(), at(&["procMount"], span));
        }
        if context["seccompProfile"]["type"] == "Unconfined" {
            add("no seccomp profile".to_owned(), at(&["seccompProfile"], span));
        }
        if context["appArmorProfile"]["type"] == "Unconfined" {
            add("no AppArmor profile".to_owned(), at(&["appArmorProfile"], span));
        }
        let options = &context["seLinuxOptions"];
        let kind = options["type"].as_str().unwrap_or_default();
        if !SELINUX_TYPES.contains(&kind) || options.get("user").is_some() || options.get("role").is_some() {
            add("SELinux options of its own".to_owned(), at(&["seLinuxOptions"], span));
        }
        if context["windowsOptions"]["hostProcess"] == true {
            add("a host process".to_owned(), at(&["windowsOptions"], span));
        }
        let sysctls = context["sysctls"].as_array().into_iter().flatten();
        for name in
            sysctls.filter_map(|sysctl| sysctl["name"].as_str()).filter(|name| !SAFE_SYSCTLS.contains(name))
        {
            add(format!("the kernel setting `{name}`"), at(&["sysctls"], span));
        }
    }
    for (kind, patch) in service.patches.iter().chain(&service.patches_of_stack) {
        for (key, what) in [
            ("hostNetwork", "the host's network"),
            ("hostPID", "the host's process ids"),
            ("hostIPC", "the host's IPC"),
            ("privileged", "a privileged container"),
        ] {
            if holds_true(patch, key) {
                add(what.to_owned(), kind.span);
            }
        }
    }
    faults
}

fn strings(list: &Json) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Json::as_str)
}

/// Whether a key is `true` anywhere in a value. The reader bounds the nesting.
fn holds_true(value: &Json, key: &str) -> bool {
    match value {
        Json::Object(table) => {
            table.iter().any(|(word, value)| (word == key && *value == true) || holds_true(value, key))
        }
        Json::Array(items) => items.iter().any(|item| holds_true(item, key)),
        _ => false,
    }
}

/// What the restricted level forbids beside the baseline.
fn restricted(service: &Service, at: &impl Fn(&[&str], Span) -> Span) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |what: String, span: Span| faults.push(Fault { what, span });
    for volume in &service.volumes {
        if let Source::Nfs(_) = &volume.from {
            add("an NFS volume without a claim".to_owned(), volume.place);
        }
    }
    for Context { path, value: context, span } in contexts(service) {
        let at = |keys: &[&str], span: Span| at(&[&path, keys].concat(), span);
        for name in strings(&context["capabilities"]["add"]) {
            let bare = name.trim_start_matches("CAP_");
            if BASELINE_CAPABILITIES.contains(&bare) && bare != "NET_BIND_SERVICE" {
                add(format!("the capability `{name}`"), at(&["capabilities", "add"], span));
            }
        }
        if context["allowPrivilegeEscalation"] == true {
            add("privilege escalation".to_owned(), at(&["allowPrivilegeEscalation"], span));
        }
        if context["runAsUser"] == 0 {
            add("to run as root".to_owned(), at(&["runAsUser"], span));
        }
        if context["runAsNonRoot"] == false {
            add("to be allowed to run as root".to_owned(), at(&["runAsNonRoot"], span));
        }
    }
    faults
}

/// What the restricted level demands and a container does not say.
fn missing(service: &Service, part: &Part<'_>) -> Vec<&'static str> {
    if patched(service, &["securityContext", "containers"]) {
        return Vec::new();
    }
    let own = part.security_context.map_or(&Json::Null, |context| &context.value);
    let pod = service.pod_security_context.as_ref().map_or(&Json::Null, |context| &context.value);
    let either = |key: &str| own.get(key).or_else(|| pod.get(key)).unwrap_or(&Json::Null);
    let profile = either("seccompProfile")["type"].as_str().unwrap_or_default();
    let dropped = strings(&own["capabilities"]["drop"]).any(|name| name == "ALL");
    let demands = [
        ("`runAsNonRoot = true`", either("runAsNonRoot").is_boolean()),
        ("`seccompProfile.type = \"RuntimeDefault\"`", !profile.is_empty()),
        ("`allowPrivilegeEscalation = false`", own["allowPrivilegeEscalation"].is_boolean()),
        ("`capabilities.drop = [\"ALL\"]`", dropped),
    ];
    demands.into_iter().filter(|(_, said)| !said).map(|(demand, _)| demand).collect()
}
