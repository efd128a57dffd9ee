//! Security: secrets in clear text, images that move, and what pods ask of their node.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::check::placement::patched;
use crate::check::secrets::{Telling, is_no_secret, looks_chosen, looks_random, shape, telling};
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::inventory::value::PodSecurity;
use crate::model::container::Part;
use crate::model::route::Route;
use crate::model::secret::Secret;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::volume::Source;
use crate::model::written::Written;
use crate::model::{Environment, Model};
use crate::source::Span;

codes! { Security:
    /// A secret that everybody can read who reads the inventory.
    PLAINTEXT_SECRET = ("plaintext-secret", Error, "a secret stands in clear text");
    /// An image that is another one tomorrow.
    FLOATING_IMAGE_TAG = ("floating-image-tag", Warning, "an image tag that moves from one image to the next");
    /// A chart that is another one tomorrow.
    FLOATING_CHART_VERSION = ("floating-chart-version", Warning, "a chart version that is a range, or moves");
    /// Two ways to say which user runs the program.
    USER_ID_CLASH = ("user-id-clash", Warning, "`PUID` beside `runAsUser`: an image that changes its user must start as root");
    /// More of the host than the namespace allows.
    HOST_ACCESS_FORBIDDEN = ("host-access-forbidden", Error, "a pod asks for what its namespace's pod security level forbids");
    /// Less hardened than the namespace demands.
    UNHARDENED_POD = ("unhardened-pod", Warning, "a pod lacks what its `restricted` namespace demands");
    /// A container runtime's socket in a pod.
    CONTAINER_SOCKET_MOUNTED = ("container-socket-mounted", Warning, "a pod mounts its node's container socket, which is as good as root");
    /// A secret that nobody reads.
    UNUSED_SECRET = ("unused-secret", Warning, "a secret that no service reads");
    /// A key of a secret that nobody reads.
    UNUSED_SECRET_KEY = ("unused-secret-key", Warning, "a key of a secret that no service reads");
    /// A repository over a connection that anybody can change.
    UNENCRYPTED_REPOSITORY = ("unencrypted-repository", Warning, "a repository is read over an unencrypted connection");
}

/// Runs every rule about security.
pub fn check(model: &Model, found: &mut Diagnostics) {
    plaintext_secrets(model, found);
    for environment in &model.environments {
        for stack in &environment.stacks {
            for service in &stack.services {
                user_ids(model, environment, stack, service, found);
                pod_security(model, environment, stack, service, found);
            }
        }
        for service in environment.services() {
            for part in
                service.containers().filter(|part| part.table.is_none() || part.image != &service.image)
            {
                floating_tag(service, &part, found);
            }
            sockets(service, found);
        }
    }
    for chart in &model.charts {
        floating_version(model, &chart.name, &chart.version, chart.place, found);
        unencrypted(model, &["charts", &chart.name, "repository"], &chart.repository, chart.place, found);
    }
    if let Some(gitops) = &model.gitops {
        unencrypted(model, &["gitops", "repository"], &gitops.repository, gitops.place, found);
    }
    unused_secrets(model, found);
}

/// Tables below which a name may announce a secret. Elsewhere only the shape of the text counts.
const TELLING_TABLES: &[&str] = &["env", "values", "patch", "substitute", "args", "command", "files"];

fn plaintext_secrets(model: &Model, found: &mut Diagnostics) {
    let names = secret_names(model);
    let mut secrets: Vec<(Diagnostic, Span)> = Vec::new();
    model.each_text(|written| {
        if let Some((what, name)) = secret(&written, &names) {
            secrets.push((plaintext(&written, what, name), written.span));
        }
    });
    for (diagnostic, span) in secrets {
        found.hide(span);
        found.push(diagnostic);
    }
}

/// Names and keys of declared secrets: a text that is one of them points at a secret.
fn secret_names(model: &Model) -> BTreeSet<&str> {
    let secrets = model
        .environments
        .iter()
        .flat_map(|environment| &environment.stacks)
        .flat_map(|stack| &stack.secrets);
    let names = secrets.flat_map(|secret| {
        let keys = secret.keys.iter().map(|key| key.value.as_str());
        keys.chain([secret.name.as_str(), secret.key.as_str()])
    });
    names.collect()
}

/// What a text gives away, in words, and under which name; `None` if nothing.
fn secret<'w>(written: &Written<'w>, names: &BTreeSet<&str>) -> Option<(&'static str, &'w str)> {
    let (last, above) = written.path.split_last()?;
    if let Some(what) = shape(written.text) {
        return Some((what, last));
    }
    if !above.iter().chain([last]).any(|key| TELLING_TABLES.contains(key)) {
        return None;
    }
    let variable = above.contains(&"env");
    let plain =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let assigned = written.text.split_once('=').filter(|(name, _)| plain(name));
    // The lines of a file: `name = value`, `name: value`.
    let lines = written.text.lines().filter(|_| above.contains(&"files"));
    let settings = lines.filter_map(|line| {
        let (name, text) = line.split_once(['=', ':'])?;
        Some((name.trim(), text.trim().trim_matches(['"', '\'', ',']))).filter(|(name, _)| plain(name))
    });
    let candidates = [assigned, Some((*last, written.text))].into_iter().flatten().chain(settings);
    candidates.filter(|(_, text)| !is_no_secret(text) && !names.contains(text)).find_map(|(name, text)| {
        match telling(name)? {
            Telling::Password => Some(("a password", name)),
            // A variable holds the key itself; chart values often hold the name of an object that does.
            Telling::Key if variable && looks_chosen(text) => Some(("a key or token", name)),
            Telling::Key => looks_random(text).then_some(("a key or token", name)),
        }
    })
}

/// The label is at the key: the text itself is shown by no report.
fn plaintext(written: &Written<'_>, what: &str, name: &str) -> Diagnostic {
    let path = written.path;
    let owner = match path {
        ["environments", environment, table @ ("services" | "stacks"), owner, ..] => {
            vec![format!("{table}.{owner}"), format!("environments.{environment}")]
        }
        [table, owner, ..] => vec![format!("{table}.{owner}")],
        [table] => vec![(*table).to_owned()],
        [] => Vec::new(),
    };
    let message = match owner.first() {
        Some(owner) => format!("{what} stands in clear text in `{name}` of `{owner}`"),
        None => format!("{what} stands in clear text in the inventory"),
    };
    let help = match path {
        ["services", _, "env", ..] | ["environments", _, "services", _, "env", ..] => {
            format!("declare a secret with a key for it under `[secrets]`, write `secret-env.{name} = \"SECRET/KEY\"`, and change what has been in clear text")
        }
        ["stacks", ..] | ["environments", _, "env", ..] => {
            "declare it under `[secrets]` and give it to each service by `secret-env`; change what has been in clear text".to_owned()
        }
        ["charts", ..] => "name an existing Secret, or write `${NAME}` and let Flux fill it in (`gitops.flux.substitute-from`); change what has been in clear text".to_owned(),
        _ => "keep it in a Secret, and change what has been in clear text".to_owned(),
    };
    let diagnostic = PLAINTEXT_SECRET.at(written.key, "not for everybody's eyes", message);
    owner.into_iter().fold(diagnostic, Diagnostic::about).help(help)
}

/// Tags that publishers move on to the next image.
const FLOATING_TAGS: &[&str] = &[
    "alpha",
    "beta",
    "canary",
    "dev",
    "develop",
    "development",
    "edge",
    "latest",
    "lts",
    "main",
    "mainline",
    "master",
    "nightly",
    "preview",
    "rc",
    "release",
    "rolling",
    "snapshot",
    "stable",
    "testing",
    "unstable",
];

fn floating_tag(service: &Service, part: &Part<'_>, found: &mut Diagnostics) {
    let image = part.image.value.as_str();
    let named = part.named(&service.key);
    let last = image.rsplit('/').next().unwrap_or_default();
    if image.is_empty() || image.contains('@') || last.contains("${") {
        return;
    }
    let (message, label) = match last.split_once(':') {
        None => (format!("image `{image}` of {named} has no tag: `latest` is meant"), "no tag"),
        Some((_, tag)) if floats(tag) => (
            format!("tag `{tag}` of {named} moves from one image to the next"),
            "may be another image tomorrow",
        ),
        Some(_) => return,
    };
    found.push(
        FLOATING_IMAGE_TAG
            .at(part.image.span, label, message)
            .about(service.subject())
            .help("name a version, such as `:1.2.3`, or a digest"),
    );
}

/// `latest`, and with a suffix that is no version: `latest-alpine`, `nightly-debian`.
fn floats(tag: &str) -> bool {
    let first = tag.split(['-', '_']).next().unwrap_or_default();
    FLOATING_TAGS.contains(&first) && !tag.contains(|c: char| c.is_ascii_digit())
}

fn floating_version(model: &Model, name: &str, version: &str, place: Span, found: &mut Diagnostics) {
    let range = version.contains(['*', '^', '~', '>', '<', '|', ',', ' ']);
    let open = version.split('.').any(|part| part.eq_ignore_ascii_case("x")) || version == "latest";
    let short = !version.is_empty()
        && version.trim_start_matches('v').split('.').count() < 3
        && version.trim_start_matches('v').split('.').all(|part| part.parse::<u64>().is_ok());
    if version.contains("${") || !(range || open || short) {
        return;
    }
    let span = model.place_of("", &["charts", name, "version"]).unwrap_or(place);
    found.push(
        FLOATING_CHART_VERSION
            .at(
                span,
                "may be another chart tomorrow",
                format!("version `{version}` of chart `{name}` is not one version"),
            )
            .about(format!("charts.{name}"))
            .help("write the version in full, such as \"1.2.3\""),
    );
}

fn unencrypted(model: &Model, path: &[&str], url: &str, place: Span, found: &mut Diagnostics) {
    if !(url.starts_with("http://") || url.starts_with("git://")) {
        return;
    }
    let span = model.place_of("", path).unwrap_or(place);
    let owner = path[..path.len() - 1].join(".");
    found.push(
        UNENCRYPTED_REPOSITORY
            .at(
                span,
                "anybody on the way can change it",
                format!("the repository of `{owner}` is read without encryption"),
            )
            .about(owner)
            .help("use `https://`"),
    );
}

/// Images whose start-up script changes to `PUID` and needs root for it.
fn changes_user(image: &str) -> bool {
    ["linuxserver/", "hotio/"].iter().any(|publisher| image.contains(publisher))
}

/// The user of a security context: where, and who.
struct RunAs<'m> {
    span: Span,
    key: &'m str,
}

fn run_as<'m>(model: &Model, environment: &Environment, service: &'m Service) -> Option<RunAs<'m>> {
    let contexts = [
        ("security-context", &service.security_context),
        ("pod-security-context", &service.pod_security_context),
    ];
    contexts.into_iter().find_map(|(table, context)| {
        let context = context.as_ref()?;
        let set = |key: &str| match &context.value[key] {
            Json::Number(number) => number.as_i64() != Some(0),
            flag => *flag == Json::Bool(true),
        };
        let key = ["runAsUser", "runAsNonRoot"].into_iter().find(|key| set(key))?;
        let path = ["services", &service.key, table, key];
        Some(RunAs { span: model.place_of(&environment.name, &path).unwrap_or(context.span), key })
    })
}

fn user_ids(
    model: &Model,
    environment: &Environment,
    stack: &Stack,
    service: &Service,
    found: &mut Diagnostics,
) {
    let Some(user) = run_as(model, environment, service) else { return };
    let own = service.env.iter().find(|variable| variable.name == "PUID").map(|variable| variable.place);
    // A stack gives PUID to all its services; only some images heed it.
    let shared = || {
        let of_environment = model.place_of("", &["environments", &environment.name, "env", "PUID"]);
        let of_stack = model.place_of(&environment.name, &["stacks", &stack.name, "env", "PUID"]);
        let given = stack.env.contains_key("PUID") && changes_user(&service.image);
        given.then(|| of_environment.or(of_stack).unwrap_or(stack.place))
    };
    let Some(puid) = own.or_else(shared) else { return };
    let message = format!("service `{}` has `PUID` and `{}` both", service.key, user.key);
    found.push(
        USER_ID_CLASH
            .at(user.span, "starts as this user", message)
            .because(puid, "and changes to this one, which only root can")
            .about(service.subject())
            .help("images with `PUID` start as root and change by themselves: drop `runAsUser`, or use an image without `PUID`"),
    );
}

fn sockets(service: &Service, found: &mut Diagnostics) {
    const SOCKETS: &[&str] = &["docker.sock", "containerd.sock", "crio.sock", "podman.sock"];
    for volume in &service.volumes {
        let Source::HostPath(path) = &volume.from else { continue };
        if SOCKETS.iter().any(|socket| path.trim_end_matches('/').ends_with(socket)) {
            let message =
                format!("service `{}` mounts `{path}`: whoever breaks into it has the node", service.key);
            found.push(
                CONTAINER_SOCKET_MOUNTED
                    .at(volume.place, "as good as root on the node", message)
                    .about(service.subject())
                    .help("use what the Kubernetes API offers instead, or a proxy that lets only reading through"),
            );
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

/// A secret of a stack, and the keys that services read; `None` stands for all of them.
struct Reading<'m> {
    stack: &'m Stack,
    secret: &'m Secret,
    keys: Option<BTreeSet<&'m str>>,
}

fn unused_secrets(model: &Model, found: &mut Diagnostics) {
    let values: String = model.charts.iter().map(|chart| chart.values.to_string()).collect();
    let mut readings: BTreeMap<&str, Reading<'_>> = BTreeMap::new();
    for stack in model.environments.iter().flat_map(|environment| &environment.stacks) {
        let patches = stack.services.iter().flat_map(|service| &service.patches);
        let patches: String = patches.chain(&stack.patches).map(|(_, patch)| patch.to_string()).collect();
        let stores: String = stack.secret_stores.iter().map(|store| store.provider.to_string()).collect();
        let copied = stack.backups.iter().map(|backup| &backup.secret_key.value);
        let copied: BTreeSet<&String> =
            copied.chain(stack.failover.iter().map(|failover| &failover.secret_key.value)).collect();
        let routes = stack.services.iter().filter_map(|service| service.route.as_deref());
        let routes: BTreeSet<&str> = routes.flat_map(read_by_route).collect();
        for secret in &stack.secrets {
            let reading = readings.entry(&secret.key).or_insert_with(|| Reading {
                stack,
                secret,
                keys: Some(BTreeSet::new()),
            });
            let named = [&values, &patches, &stores].iter().any(|text| text.contains(&secret.name))
                || routes.contains(secret.name.as_str());
            if stack.services.is_empty() || named || copied.contains(&secret.key) {
                reading.keys = None;
            }
        }
        for service in &stack.services {
            let monitored = service.monitor.iter().flat_map(|monitor| &monitor.endpoints);
            let monitored = monitored.flat_map(|endpoint| &endpoint.secrets).map(|(name, key)| (name, key));
            let variables = service.containers().flat_map(|part| part.secret_env);
            let variables = variables.map(|variable| (&variable.secret, &variable.key));
            for (name, key) in variables.chain(monitored) {
                let secret = stack.secrets.iter().find(|secret| secret.name == *name);
                let reading = secret.and_then(|secret| readings.get_mut(secret.key.as_str()));
                if let Some(keys) = reading.and_then(|reading| reading.keys.as_mut()) {
                    keys.insert(key);
                }
            }
            let mounted = service.volumes.iter().filter_map(|volume| match &volume.from {
                Source::Secret(name) => Some(name),
                _ => None,
            });
            for name in mounted.chain(service.whole_secrets()) {
                let secret = stack.secrets.iter().find(|secret| secret.name == *name);
                if let Some(reading) = secret.and_then(|secret| readings.get_mut(secret.key.as_str())) {
                    reading.keys = None;
                }
            }
        }
    }
    for reading in readings.values() {
        report_unused(model, reading, found);
    }
}

/// The Secrets that a route reads: its certificate's, and those of its middlewares.
fn read_by_route(route: &Route) -> impl Iterator<Item = &str> {
    let certificate = route.tls.iter().filter_map(|tls| tls.secret.as_deref());
    let specs = route.copies.iter().map(|copy| &copy.spec);
    let users = specs.flat_map(|spec| ["basicAuth", "digestAuth"].map(|kind| spec[kind]["secret"].as_str()));
    certificate.chain(users.flatten())
}

fn report_unused(model: &Model, reading: &Reading<'_>, found: &mut Diagnostics) {
    let Some(keys) = &reading.keys else { return };
    let secret = reading.secret;
    let about = format!("secrets.{}", secret.key);
    if keys.is_empty() {
        let message = format!("no service reads secret `{}`", secret.key);
        let diagnostic = UNUSED_SECRET.at(secret.place, "nobody reads it", message).about(about);
        found.push(diagnostic.help("read it with `secret-env` or a volume, or drop it"));
        return;
    }
    // A key that is named for a service of the stack is kept there for it, though its program has it from elsewhere.
    let services = || {
        model
            .environments
            .iter()
            .flat_map(|environment| &environment.stacks)
            .filter(|stack| stack.name == reading.stack.name)
            .flat_map(|stack| &stack.services)
    };
    for key in secret.keys.iter().filter(|key| !keys.contains(key.value.as_str())) {
        let owned = services().any(|service| {
            key.strip_prefix(service.key.as_str()).is_some_and(|rest| rest.starts_with(['-', '_', '.']))
        });
        if owned {
            continue;
        }
        let message = format!("no service reads key `{key}` of secret `{}`", secret.key);
        let diagnostic = UNUSED_SECRET_KEY.at(key.span, "nobody reads it", message);
        found.push(diagnostic.about(about.clone()).help("read it with `secret-env`, or drop it"));
    }
}
