//! Workloads: jobs that never end or never stop coming, scaling and budgets that cannot work, containers of one pod
//! that are in each other's way.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::check::backup::schedule_or_interval;
use crate::check::names::DUPLICATE_NAME;
use crate::check::placement::patched;
use crate::check::ports::DUPLICATE_PORT;
use crate::check::resources::request;
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::inventory::service::{Kind, Protocol};
use crate::model::container::{Part, Role};
use crate::model::port::{Port, named};
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::workload::{Budget, ends};
use crate::model::{Model, UNKNOWN_REFERENCE};
use crate::source::Span;

codes! {
    /// A budget that no drain gets past.
    BLOCKING_DISRUPTION_BUDGET = ("blocking-disruption-budget", Resources, Warning, "a disruption budget that lets no pod go, so that nodes cannot be drained");
    /// A target without what it is a share of.
    AUTOSCALE_WITHOUT_REQUEST = ("autoscale-without-request", Resources, Error, "an autoscaler that aims at a share of a request which is not made");
    /// A job whose pods have a container that stays.
    ENDLESS_JOB = ("endless-job", Resources, Error, "a job with a sidecar that never ends, so that the job never does");
    /// A job that is deleted and made again, for ever.
    RERUNNING_JOB = ("rerunning-job", Gitops, Warning, "a job that Kubernetes deletes when it is done, and that the engine then makes anew");
    /// `replicas` of a daemon set.
    IGNORED_REPLICAS = ("ignored-replicas", Resources, Warning, "`replicas` on a daemon set, which runs one pod on every node");
    /// TCP where there is none.
    NOT_A_TCP_PORT = ("not-a-tcp-port", PortsAndNames, Warning, "a probe, monitor or host leads to a port of UDP or SCTP");
    /// Rights to do everything.
    BROAD_PERMISSIONS = ("broad-permissions", Security, Warning, "a service that may do everything with everything in the Kubernetes API");
}

/// Runs every rule about workloads.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for environment in &model.environments {
        for stack in &environment.stacks {
            for service in &stack.services {
                scaling(stack, service, found);
                following(model, &environment.name, stack, service, found);
                rerunning(model, stack, service, found);
            }
        }
        for service in environment.services() {
            if let Some(when) = service.job.as_ref().and_then(|job| job.schedule.as_ref()) {
                schedule_or_interval(when, &service.subject(), found);
            }
            budget(service, found);
            endless(service, found);
            ignored_replicas(service, found);
            permissions(service, found);
            container_names(service, found);
            pod_ports(service, found);
            not_tcp(service, found);
        }
    }
}

/// A share of the pods, rounded up as Kubernetes does.
fn share(percent: i64, pods: i64) -> i64 {
    percent.saturating_mul(pods).saturating_add(99) / 100
}

/// Why a budget lets nobody go while there are so many pods, and where it says so.
fn blocks(budget: &Budget, pods: i64) -> Option<(Span, String)> {
    if let Some(least) = &budget.least {
        let stay = if least.percent { share(least.number, pods) } else { least.number };
        let why = format!("at least {} of {pods} must stay", least.text.value);
        return (stay >= pods).then_some((least.text.span, why));
    }
    let most = budget.most.as_ref()?;
    (most.number == 0).then(|| (most.text.span, "none may go".to_owned()))
}

fn budget(service: &Service, found: &mut Diagnostics) {
    let Some(budget) = &service.disruption_budget else { return };
    let least = service.autoscale.as_ref().map(|autoscale| autoscale.min);
    let pods = least.or(service.replicas.map(|replicas| replicas.value)).unwrap_or(1);
    if pods < 1 || patched(service, &["replicas", "minAvailable", "maxUnavailable"]) {
        return;
    }
    let Some((span, why)) = blocks(budget, pods) else { return };
    let message = format!("the disruption budget of service `{}` lets no pod go: {why}", service.key);
    let help = match pods {
        1 => "drop it, write `max-unavailable = 1`, or run more than one pod",
        _ => "write `max-unavailable = 1`",
    };
    let diagnostic = BLOCKING_DISRUPTION_BUDGET.at(span, "nodes cannot be drained", message);
    let said = service.autoscale.as_ref().map(|autoscale| autoscale.place);
    let said =
        said.or(service.replicas.map(|replicas| replicas.span)).filter(|place| *place != service.place);
    let diagnostic = match said {
        Some(place) => {
            diagnostic.because(place, if pods == 1 { "one pod".to_owned() } else { format!("{pods} pods") })
        }
        None => diagnostic,
    };
    found.push(diagnostic.about(service.subject()).help(help));
}

/// The autoscaler counts what all containers that run together request, and gives up if one says nothing.
fn scaling(stack: &Stack, service: &Service, found: &mut Diagnostics) {
    let Some(autoscale) = &service.autoscale else { return };
    if patched(service, &["resources", "containers", "metrics"]) {
        return;
    }
    for target in &autoscale.targets {
        let mut running = service.containers().filter(|part| part.role != Role::Init);
        let Some(silent) =
            running.find(|part| request(Some(stack), part.resources, target.resource).is_none())
        else {
            continue;
        };
        found.push(without_request(service, target.resource, target.place, &silent));
    }
}

/// The same for targets in Kubernetes' own spelling. One container's use is that of a container that is there.
fn following(model: &Model, environment: &str, stack: &Stack, service: &Service, found: &mut Diagnostics) {
    let Some(autoscale) = service.autoscale.as_ref().filter(|autoscale| !autoscale.metrics.is_empty()) else {
        return;
    };
    if patched(service, &["resources", "containers", "initContainers", "metrics"]) {
        return;
    }
    let path = ["services", &service.key, "autoscale", "metrics"];
    let place = model.place_of(environment, &path).unwrap_or(autoscale.place);
    for metric in &autoscale.metrics {
        let of_one = metric["type"] == "ContainerResource";
        let source = match metric["type"].as_str() {
            Some("Resource") => &metric["resource"],
            Some("ContainerResource") => &metric["containerResource"],
            _ => continue,
        };
        let named = |part: &Part<'_>| {
            source["container"] == part.table.map_or(service.name.as_str(), |(_, name)| name)
        };
        let running = service.containers().filter(|part| part.role != Role::Init && (!of_one || named(part)));
        let running: Vec<Part<'_>> = running.collect();
        let resource = source["name"].as_str().unwrap_or_default();
        if let Some(name) = source["container"].as_str().filter(|_| of_one && running.is_empty()) {
            let message = format!("service `{}` scales by its container `{name}`, and has none", service.key);
            let help = "name a container that runs all the time: the service's own has the service's name";
            found.push(
                UNKNOWN_REFERENCE.at(place, "no such container", message).about(service.subject()).help(help),
            );
            continue;
        }
        if source["target"]["type"] != "Utilization" {
            continue;
        }
        let silent = running.iter().find(|part| request(Some(stack), part.resources, resource).is_none());
        if let Some(silent) = silent {
            found.push(without_request(service, resource, place, silent));
        }
    }
}

fn without_request(service: &Service, resource: &str, place: Span, silent: &Part<'_>) -> Diagnostic {
    let message = format!(
        "service `{}` scales by its use of {resource}, and {} requests none",
        service.key,
        silent.named(&service.key)
    );
    AUTOSCALE_WITHOUT_REQUEST
        .at(place, "a share of nothing", message)
        .because(silent.place, format!("requests no {resource}"))
        .about(service.subject())
        .help(format!("add `resources.requests.{resource}`, or scale by something else"))
}

fn endless(service: &Service, found: &mut Diagnostics) {
    if !ends(service.kind) {
        return;
    }
    for sidecar in &service.sidecars {
        let message =
            format!("service `{}` never ends: its sidecar `{}` does not", service.key, sidecar.name);
        found.push(
            ENDLESS_JOB
                .at(sidecar.place, "runs on when the job is done", message)
                .about(service.subject())
                .help("add `native = true`: Kubernetes ends such a sidecar with the job (since 1.29)"),
        );
    }
}

/// Both engines make what is missing: a job that is gone runs again.
fn rerunning(model: &Model, stack: &Stack, service: &Service, found: &mut Diagnostics) {
    let ttl = service.job.as_ref().and_then(|job| job.ttl_place).filter(|_| service.kind == Kind::Job);
    let (Some(gitops), Some(ttl)) = (&model.gitops, ttl) else { return };
    if stack.delivery.is_none() {
        return;
    }
    let message = format!(
        "job `{}` is deleted when it is done, and made anew because it is missing: it runs again and again",
        service.key
    );
    found.push(
        RERUNNING_JOB
            .at(ttl, "deleted after that", message)
            .because(gitops.place, "who makes it anew")
            .about(service.subject())
            .help("drop `ttl`: one finished job costs nothing"),
    );
}

fn permissions(service: &Service, found: &mut Diagnostics) {
    let Some(rbac) = &service.rbac else { return };
    let rules = rbac.rules.iter().chain(&rbac.cluster_rules);
    for (at, (rule, place)) in rules.zip(&rbac.places).enumerate() {
        let any = |key: &str| {
            rule[key].as_array().into_iter().flatten().filter_map(Json::as_str).any(|word| word == "*")
        };
        if !any("verbs") || !any("resources") {
            continue;
        }
        let place_word = if at < rbac.rules.len() { "its namespace" } else { "the whole cluster" };
        let message = format!("service `{}` may do everything with everything in {place_word}", service.key);
        found.push(
            BROAD_PERMISSIONS
                .at(*place, "every verb on every resource", message)
                .about(service.subject())
                .help("name the resources and verbs that it needs: `resources = [\"pods\"], verbs = [\"get\", \"list\", \"watch\"]`"),
        );
    }
}

fn container_names(service: &Service, found: &mut Diagnostics) {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::from([(service.name.as_str(), service.place)]);
    for container in service.init_containers.iter().chain(&service.sidecars) {
        let Some(first) = seen.get(container.name.as_str()).filter(|_| !container.name.is_empty()) else {
            seen.insert(&container.name, container.place);
            continue;
        };
        let message = format!("two containers of service `{}` are named `{}`", service.key, container.name);
        found.push(
            DUPLICATE_NAME
                .at(container.place, format!("`{}` again", container.name), message)
                .because(*first, format!("already `{}`", container.name))
                .about(service.subject())
                .help("give it another name: a service's own container has the service's"),
        );
    }
}

/// The containers of a pod have one network: a port is listened on once, and its name is the Service's.
fn pod_ports(service: &Service, found: &mut Diagnostics) {
    let mut names: BTreeMap<&str, &Port> = BTreeMap::new();
    let mut numbers: BTreeMap<(i64, &str), &Port> = BTreeMap::new();
    for port in &service.ports {
        let name = names.entry(&port.name).or_insert(port);
        if name.place != port.place {
            let message = format!("two ports of service `{}` are named `{}`", service.key, port.name);
            found.push(
                DUPLICATE_PORT
                    .at(port.place, format!("`{}` again", port.name), message)
                    .because(name.place, "this one, too")
                    .about(service.subject())
                    .help("the Service opens both: give one of them another name"),
            );
        }
        let number = numbers.entry((port.target_port, port.protocol.word())).or_insert(port);
        if number.container != port.container {
            let message = format!(
                "two containers of service `{}` listen on {}/{}",
                service.key,
                port.target_port,
                port.protocol.word()
            );
            found.push(
                DUPLICATE_PORT
                    .at(port.place, "taken in this pod", message)
                    .because(number.place, "by another container")
                    .about(service.subject())
                    .help(
                        "the containers of a pod share its network: let one of them listen on another port",
                    ),
            );
        }
    }
}

/// Probes, Prometheus and routers speak TCP. A server of DNS may well listen to both by one number.
fn not_tcp(service: &Service, found: &mut Diagnostics) {
    let beside = service.init_containers.iter().chain(&service.sidecars).map(|container| &container.probe);
    let probes = std::iter::once(&service.probe).chain(beside).flatten().flat_map(|probe| &probe.ports);
    let probes =
        probes.map(|(key, name)| (format!("`{key}` of service `{}`", service.key), &name.value, name.span));
    let monitor = service.monitor.iter().flat_map(|monitor| monitor.ports());
    let monitor =
        monitor.map(|name| (format!("`monitor` of service `{}`", service.key), &name.value, name.span));
    let routed = service.routes.iter().filter_map(|route| {
        let host = route.hosts.first()?;
        let port = named(&service.ports, route.port.as_str()?)?;
        Some((format!("host `{host}`"), &port.name, host.span))
    });
    for (who, name, span) in probes.chain(monitor).chain(routed) {
        let Some(port) = named(&service.ports, name) else { continue };
        let mut others = service.ports.iter().filter(|other| other.protocol == Protocol::Tcp);
        if port.protocol == Protocol::Tcp || others.any(|other| other.target_port == port.target_port) {
            continue;
        }
        let message = format!("{who} leads to port `{name}`, which is {}", port.protocol.word());
        found.push(
            NOT_A_TCP_PORT
                .at(span, "speaks TCP", message)
                .because(port.place, port.protocol.word())
                .about(service.subject())
                .help("name another port; if this one answers over TCP as well, add a port of the same number without `protocol`"),
        );
    }
}

fn ignored_replicas(service: &Service, found: &mut Diagnostics) {
    if let Some(replicas) = service.replicas.filter(|_| service.kind == Kind::DaemonSet) {
        found.push(
            IGNORED_REPLICAS
                .at(
                    replicas.span,
                    "has no effect",
                    format!("service `{}` is a daemon set: it runs one pod on every node", service.key),
                )
                .about(service.subject())
                .help("drop `replicas`, or use `kind = \"deployment\"`"),
        );
    }
}
