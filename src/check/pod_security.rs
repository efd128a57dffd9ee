//! The Pod Security Standards: what a namespace's level forbids, and what it demands.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::check::objects::{minor, written_place};
use crate::diagnostic::{Diagnostics, codes};
use crate::inventory::service::Kind;
use crate::inventory::value::PodSecurity;
use crate::model::container::{Container, Part, Role};
use crate::model::policy::PodSecurityLevels;
use crate::model::port::Port;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::volume::Volume;
use crate::model::{Environment, Model};
use crate::object::merge::amend;
use crate::object::path::Step;
use crate::object::pod_security::{Breach, Standard, breaches};
use crate::object::sense::pod_template;
use crate::source::{Span, Spanned};

codes! { Security:
    /// More of the host than the namespace allows.
    HOST_ACCESS_FORBIDDEN = ("host-access-forbidden", Error, "a pod asks for what its namespace's pod security level forbids");
    /// Less hardened than the namespace demands.
    UNHARDENED_POD = ("unhardened-pod", Error, "a pod lacks what its `restricted` namespace demands");
}

/// Runs every rule about the levels of namespaces.
pub fn check(model: &Model, found: &mut Diagnostics) {
    // Environments share what they do not change.
    let mut sound = BTreeSet::new();
    for environment in &model.environments {
        for stack in &environment.stacks {
            let Some(namespace) = namespace(model, environment, stack) else { continue };
            for service in &stack.services {
                let judged = (Arc::as_ptr(service), namespace.word, namespace.minor);
                if sound.contains(&judged) {
                    continue;
                }
                let faults = faults(&namespace, service);
                if faults.is_empty() {
                    sound.insert(judged);
                } else {
                    report(model, environment, (&namespace, service), &faults, found);
                }
            }
        }
    }
}

/// What a namespace enforces.
pub(super) struct Namespace {
    pub(super) standard: Standard,
    pub(super) word: &'static str,
    /// The minor version of the standards.
    pub(super) minor: u32,
    pub(super) place: Span,
}

/// The level that the namespace enforces: the stack's, or that of the chart that writes the namespace.
pub(super) fn namespace(model: &Model, environment: &Environment, stack: &Stack) -> Option<Namespace> {
    let (levels, place): (&PodSecurityLevels, Span) = if stack.pod_security.is_some() {
        let path = ["stacks", &stack.name, "pod-security"];
        let place = model.place_of(&environment.name, &path).unwrap_or(stack.place);
        (&stack.pod_security_levels, place)
    } else {
        let chart = model
            .charts
            .iter()
            .find(|chart| chart.namespace.value == stack.namespace.value && chart.writes_namespace)?;
        let path = ["charts", &chart.name, "pod-security"];
        (&chart.pod_security_levels, model.place_of("", &path).unwrap_or(chart.place))
    };
    let level = levels.enforce?;
    let standard = match level {
        PodSecurity::Privileged => return None,
        PodSecurity::Baseline => Standard::Baseline,
        PodSecurity::Restricted => Standard::Restricted,
    };
    // A namespace may keep to older standards; of newer ones a cluster knows nothing.
    let fixed = levels.version.as_ref().and_then(|version| version.strip_prefix("v1.")?.parse().ok());
    let own = minor(model).unwrap_or(u32::MAX);
    Some(Namespace {
        standard,
        word: level.word(),
        minor: fixed.map_or(own, |fixed: u32| fixed.min(own)),
        place,
    })
}

/// So many faults of one service are told one by one.
const MOST_TOLD: usize = 16;

/// A fault against the Pod Security Standards.
struct Fault {
    breach: Breach,
    /// The last patch, if only patches ask for it.
    patch: Option<Span>,
}

fn report(
    model: &Model,
    environment: &Environment,
    (namespace, service): (&Namespace, &Service),
    faults: &[Fault],
    found: &mut Diagnostics,
) {
    let place = |fault: &Fault| match fault.patch {
        Some(last) => in_patch(model, environment, service, &fault.breach, last),
        None => place(model, environment, service, &fault.breach),
    };
    let (lacking, faults): (Vec<&Fault>, Vec<&Fault>) =
        faults.iter().partition(|fault| fault.breach.demanded);
    // What one container lacks, others mostly do, too.
    let of_first = lacking.iter().filter(|fault| fault.breach.container == lacking[0].breach.container);
    let lacks: Vec<&str> = of_first.map(|fault| fault.breach.what.as_str()).collect();
    let word = namespace.word;
    if let Some((first, others)) = faults.split_first() {
        let told = faults.iter().take(MOST_TOLD);
        let mut wants: Vec<String> = told.map(|fault| fault.breach.what.clone()).collect();
        if faults.len() > MOST_TOLD {
            wants.push(format!("and {} things more", faults.len() - MOST_TOLD));
        }
        let message = format!(
            "service `{}` wants {}, which its namespace's level `{word}` forbids",
            service.key,
            wants.join(", ")
        );
        let mut diagnostic = HOST_ACCESS_FORBIDDEN.at(place(first), "forbidden", message);
        for fault in others.iter().take(MOST_TOLD) {
            diagnostic = diagnostic.because(place(fault), "forbidden, too");
        }
        let also = if lacks.is_empty() {
            String::new()
        } else {
            format!("; `{word}` demands {}, too", lacks.join(", "))
        };
        found.push(
            diagnostic
                .because(namespace.place, "the level")
                .about(service.subject())
                .help(format!("do without, or move it to a stack whose `pod-security` allows it{also}")),
        );
    } else if let Some(first) = lacking.first() {
        let name = first.breach.container.as_deref().unwrap_or_default();
        let whose = match part_of(service, name) {
            Some(part) => part.named(&service.key),
            None => format!("container `{name}` of service `{}`", service.key),
        };
        let message =
            format!("{whose} lacks {}, which its namespace's level `{word}` demands", lacks.join(", "));
        found.push(
            UNHARDENED_POD
                .at(place(first), "Kubernetes refuses its pods", message)
                .because(namespace.place, "the level")
                .about(service.subject())
                .help("add it to `security-context`, or lower the stack's `pod-security`"),
        );
    }
}

/// What the namespace has against a service's pods. What patches add stands in them, and what they mend is none.
fn faults(namespace: &Namespace, service: &Service) -> Vec<Fault> {
    let judge = |template: &Json| breaches(template, namespace.standard, namespace.minor);
    let template = template(service);
    let own = judge(&template);
    let Some((patched, last)) = patched(&template, service) else {
        return own.into_iter().map(|breach| Fault { breach, patch: None }).collect();
    };
    let known: BTreeSet<(&str, Option<&str>)> =
        own.iter().map(|breach| (breach.what.as_str(), breach.container.as_deref())).collect();
    let fault = |breach: Breach| {
        let patch = !known.contains(&(breach.what.as_str(), breach.container.as_deref()));
        Fault { breach, patch: patch.then_some(last) }
    };
    let of_patched = pod_template(&patched).map(|(template, _)| judge(template));
    of_patched.into_iter().flatten().map(fault).collect()
}

/// What the standards look at in a service's pods, as they are rendered.
fn template(service: &Service) -> Json {
    let context =
        |context: Option<&Spanned<Json>>| context.map_or(Json::Null, |context| context.value.clone());
    let mut containers = vec![object([
        ("name", text(&service.name)),
        ("ports", ports(&service.ports, None)),
        ("lifecycle", service.pod.lifecycle.clone()),
        ("securityContext", context(service.security_context.as_deref())),
    ])];
    let other = |container: &Container| {
        object([
            ("name", text(&container.name)),
            ("ports", ports(&container.ports, Some(&container.name))),
            ("lifecycle", container.lifecycle.clone()),
            ("securityContext", context(container.security_context.as_ref())),
        ])
    };
    containers.extend(service.sidecars.iter().map(other));
    let flag = |flag: Option<Spanned<bool>>| flag.map_or(Json::Null, |flag| Json::Bool(flag.value));
    let volumes = service.volumes.iter().filter(|volume| !volume.again);
    let pod = object([
        ("containers", Json::Array(containers)),
        ("initContainers", list(service.init_containers.iter().map(other))),
        ("volumes", list(volumes.filter_map(volume))),
        ("hostNetwork", flag(service.host_network)),
        ("hostPID", flag(service.pod.host_pid)),
        ("hostIPC", flag(service.pod.host_ipc)),
        ("securityContext", context(service.pod_security_context.as_deref())),
    ]);
    let annotations = service.annotated.pod.iter().map(|(key, value)| (key.to_owned(), Json::from(value)));
    let metadata = object([("annotations", Json::Object(annotations.collect()))]);
    object([("metadata", metadata), ("spec", pod)])
}

fn text(text: &str) -> Json {
    Json::String(text.to_owned())
}

/// An object of the fields that say something.
fn object<const N: usize>(fields: [(&str, Json); N]) -> Json {
    let said = fields.into_iter().filter(|(_, value)| !value.is_null());
    Json::Object(said.map(|(key, value)| (key.to_owned(), value)).collect())
}

fn list(items: impl Iterator<Item = Json>) -> Json {
    let items: Vec<Json> = items.collect();
    if items.is_empty() { Json::Null } else { Json::Array(items) }
}

fn volume(volume: &Volume) -> Option<Json> {
    let Ok(Json::Object(mut fields)) = serde_json::to_value(&volume.source) else { return None };
    fields.insert("name".to_owned(), text(&volume.name));
    Some(Json::Object(fields))
}

fn ports(ports: &[Port], container: Option<&str>) -> Json {
    let own = ports.iter().filter(|port| !port.again && (container.is_some() || port.container.is_none()));
    list(own.map(|port| {
        object([
            ("containerPort", json!(port.target_port)),
            ("protocol", text(port.protocol.word())),
            ("hostPort", port.host_port.map_or(Json::Null, |host| json!(host.value))),
        ])
    }))
}

/// The workload with its patches, and the place of the last; `None` without any, or where they do not fit.
fn patched(template: &Json, service: &Service) -> Option<(Json, Span)> {
    let kind = service.kind.object_kind();
    let of_stack = service.patches_of_stack.iter().flat_map(|patches| patches.iter());
    let patches = of_stack.chain(service.patches.iter());
    let mut patches = patches.filter(|(target, _)| target.split('/').next() == Some(kind)).peekable();
    patches.peek()?;
    let spec = match service.kind {
        Kind::CronJob => json!({ "jobTemplate": { "spec": { "template": template } } }),
        _ => json!({ "template": template }),
    };
    let mut whole = json!({
        "apiVersion": service.kind.api_version(),
        "kind": kind,
        "metadata": { "name": service.name },
        "spec": spec,
    });
    let mut last = None;
    for (target, patch) in patches {
        whole = amend(&whole, patch).ok()??;
        last = Some(target.span);
    }
    Some((whole, last?))
}

/// The place in a patch of the service itself, or else its last patch.
fn in_patch(
    model: &Model,
    environment: &Environment,
    service: &Service,
    breach: &Breach,
    last: Span,
) -> Span {
    let kind = service.kind.object_kind();
    let own = ["environments", &environment.name, "services", &service.key, "patch", kind];
    let roots: [&[&str]; 2] = [&own, &own[2..]];
    roots.into_iter().find_map(|root| written_place(model, root, &breach.path)).unwrap_or(last)
}

/// The container of a service by its name in the pod.
fn part_of<'s>(service: &'s Service, name: &str) -> Option<Part<'s>> {
    service.containers().find(|part| match part.table {
        None => name == service.name,
        Some((_, own)) => name == own,
    })
}

/// Where the inventory says what a breach is about.
fn place(model: &Model, environment: &Environment, service: &Service, breach: &Breach) -> Span {
    let keys: Vec<&str> = breach.path.keys().collect();
    let index = breach.path.0.iter().rev().find_map(|step| match step {
        Step::Index(index) => Some(*index),
        Step::Key(_) => None,
    });
    let at = |path: &[&str], otherwise: Span| {
        let path: Vec<&str> = ["services", &service.key].iter().chain(path).copied().collect();
        model.place_of(&environment.name, &path).unwrap_or(otherwise)
    };
    let part = breach.container.as_ref().and_then(|name| part_of(service, name));
    let table: Vec<&str> =
        part.and_then(|part| part.table).into_iter().flat_map(|(table, name)| [table, name]).collect();
    let whose = part.map_or(service.place, |part| part.place);
    let flag = |flag: &Option<Spanned<bool>>| flag.map_or(service.place, |flag| flag.span);
    match keys.as_slice() {
        ["spec", "hostNetwork"] => flag(&service.host_network),
        ["spec", "hostPID"] => flag(&service.pod.host_pid),
        ["spec", "hostIPC"] => flag(&service.pod.host_ipc),
        ["spec", "volumes", ..] => {
            let volumes = service.volumes.iter().filter(|volume| !volume.again && volume.source.is_of_pod());
            index.and_then(|index| volumes.map(|volume| volume.place).nth(index)).unwrap_or(service.place)
        }
        ["spec", "securityContext", rest @ ..] => {
            let context = service.pod_security_context.as_ref().map_or(service.place, |context| context.span);
            at(&[&["pod-security-context"], rest].concat(), context)
        }
        ["spec", _, "securityContext", rest @ ..] => {
            let context = part.and_then(|part| part.security_context).map_or(whose, |context| context.span);
            if breach.demanded {
                return context;
            }
            at(&[table.as_slice(), &["security-context"], rest].concat(), context)
        }
        ["spec", _, "ports", "hostPort"] => {
            let container = part.filter(|part| part.role != Role::Init && part.table.is_some());
            let container = container.and_then(|part| part.table).map(|(_, name)| name);
            let mut own =
                service.ports.iter().filter(|port| !port.again && port.container.as_deref() == container);
            let port = index.and_then(|index| own.nth(index)?.host_port);
            port.map_or(whose, |port| port.span)
        }
        ["spec", _, "lifecycle", ..] => at(&[table.as_slice(), &["lifecycle"]].concat(), whose),
        ["metadata", "annotations", key] => at(&["annotations", key], service.place),
        _ => whose,
    }
}
