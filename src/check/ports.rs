//! Ports and names: numbers, names and hosts that only one thing can have, and those that nobody has.

use std::collections::BTreeMap;

use crate::check::placement::{meet, nodes, patched, within};
use crate::check::routes::route_key;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, codes, nearest};
use crate::inventory::service::Kind;
use crate::model::policy::{Closed, End};
use crate::model::port::Port;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::workload::ends;
use crate::model::{Environment, Model};
use crate::source::{Span, Spanned};

codes! { PortsAndNames:
    /// One number and protocol twice in one service.
    DUPLICATE_PORT = ("duplicate-port", Error, "a service lists one port number and protocol twice");
    /// One node port twice in the cluster.
    DUPLICATE_NODE_PORT = ("duplicate-node-port", Error, "two services want one node port");
    /// Pods that want one port of one node.
    HOST_PORT_CLASH = ("host-port-clash", Error, "pods that must share a node want one port of it");
    /// A host port beside the host's network that is another number.
    MISMATCHED_HOST_PORT = ("mismatched-host-port", Error, "on the host's network, a host port that is not the container's port");
    /// One Kubernetes name twice in one namespace.
    DUPLICATE_NAME = ("duplicate-name", Error, "two things of one kind have one name in one namespace");
    /// One host and path twice in the cluster.
    DUPLICATE_HOST = ("duplicate-host", Error, "two services are routed by one host and path");
    /// A probe or monitor names a port that the service does not open.
    UNKNOWN_PORT = ("unknown-port", Error, "a probe or monitor names a port that the service does not open");
    /// An address or a host for a service without ports.
    MISSING_PORT = ("missing-port", Warning, "a service with an address or a host opens no port");
    /// Two environments of a stack, or an open and an isolated stack, in one namespace.
    SHARED_NAMESPACE = ("shared-namespace", Error, "one stack in two environments, or an isolated and an open stack, have one namespace");
    /// Two deliveries of one name.
    DUPLICATE_DELIVERY = ("duplicate-delivery", Error, "two stacks and environments make one name for the engine");
    /// A name that is too long for what Kubernetes makes of it.
    OVERLONG_NAME = ("overlong-name", Error, "a name that is too long for what is derived from it");
    /// One variable twice in one container.
    DUPLICATE_VARIABLE = ("duplicate-variable", Error, "a variable stands in `env` and in `secret-env`");
    /// `replicas` of a daemon set.
    IGNORED_REPLICAS = ("ignored-replicas", Warning, "`replicas` on a daemon set, which runs one pod on every node");
    /// `host` without `[ingress]`.
    UNROUTED_HOST = ("unrouted-host", Warning, "a `host` that nothing routes, because there is no `[ingress]`");
    /// `talks-to` a service that nobody can reach.
    TALKS_TO_NO_PORT = ("talks-to-no-port", Warning, "`talks-to` names a service that opens no port");
    /// A URL that the network policies do not let through.
    BLOCKED_CONNECTION = ("blocked-connection", Warning, "a service is told where another is, and the isolated network lets nothing through");
}

/// One thing is compared with at most this many others, so that a million alike stay affordable.
const MOST_PARTNERS: usize = 16;

/// Runs every rule about ports and names.
pub fn check(model: &Model, found: &mut Diagnostics) {
    let hints = hints(model);
    for environment in &model.environments {
        for service in environment.services() {
            duplicate_ports(service, found);
            mismatched_host_ports(service, found);
            unknown_ports(service, found);
            missing_port(service, found);
            duplicate_variables(model, environment, service, found);
            ignored_replicas(service, found);
            unrouted_host(model, service, found);
            overlong_service_name(service, found);
        }
        connections(environment, &hints, found);
        duplicate_names(environment, found);
        overlong_deliveries(environment, found);
    }
    duplicate_releases(model, found);
    duplicate_node_ports(model, found);
    host_port_clashes(model, found);
    duplicate_hosts(model, found);
    shared_namespaces(model, found);
    duplicate_deliveries(model, found);
}

fn word(port: i64, protocol: crate::inventory::service::Protocol) -> String {
    format!("{port}/{}", protocol.word())
}

fn duplicate_ports(service: &Service, found: &mut Diagnostics) {
    let mut ports: Vec<&Port> = service.ports.iter().collect();
    ports.sort_by_key(|port| port.port.span);
    let mut seen: BTreeMap<(i64, &str), &Port> = BTreeMap::new();
    for port in ports {
        let Some(first) = seen.insert((port.port.value, port.protocol.word()), port) else { continue };
        seen.insert((port.port.value, port.protocol.word()), first);
        let number = word(port.port.value, port.protocol);
        found.push(
            DUPLICATE_PORT
                .at(
                    port.port.span,
                    format!("`{}` is {number} again", port.name),
                    format!(
                        "service `{}` lists port {number} twice: as `{}` and as `{}`",
                        service.key, first.name, port.name
                    ),
                )
                .because(first.port.span, format!("`{}` is {number}", first.name))
                .about(service.subject())
                .help("give one of them another number or protocol, or drop it"),
        );
    }
}

/// Kubernetes refuses a pod whose host port differs from the container's on the host's network.
fn mismatched_host_ports(service: &Service, found: &mut Diagnostics) {
    let Some(flag) = service.host_network.filter(|flag| flag.value) else { return };
    for port in &service.ports {
        let Some(host) = port.host_port.filter(|host| host.value != port.target_port) else { continue };
        found.push(
            MISMATCHED_HOST_PORT
                .at(
                    host.span,
                    format!("the container listens on {}", port.target_port),
                    format!(
                        "`{}` of service `{}` wants host port {host}, but on the host's network it is {}",
                        port.name, service.key, port.target_port
                    ),
                )
                .because(flag.span, "the host's network")
                .about(service.subject())
                .help("drop `host-port`: on the host's network every port is the host's"),
        );
    }
}

fn unknown_ports(service: &Service, found: &mut Diagnostics) {
    let beside = service.init_containers.iter().chain(&service.sidecars).map(|container| &container.probe);
    let probes = std::iter::once(&service.probe).chain(beside).flatten().flat_map(|probe| &probe.ports);
    let monitor = service.monitor.iter().flat_map(|monitor| monitor.ports()).map(|port| ("monitor", port));
    let allowed = service.allow_from.iter().flat_map(|allowed| &allowed.ports);
    let monitor = monitor.chain(allowed.map(|port| ("allow-from", port)));
    for (key, name) in probes.map(|(key, name)| (*key, name)).chain(monitor) {
        if service.ports.iter().any(|port| port.name == name.value) {
            continue;
        }
        let diagnostic = UNKNOWN_PORT
            .at(
                name.span,
                "nobody listens there",
                format!("`{key}` of service `{}` asks port `{name}`, which it does not open", service.key),
            )
            .about(service.subject());
        found.push(diagnostic.help(which_port(service, name)));
    }
}

fn which_port(service: &Service, name: &str) -> String {
    let names = || service.ports.iter().map(|port| port.name.as_str());
    let by_number = service.ports.iter().find(|port| port.port.value.to_string() == name);
    match (by_number, nearest(name, names())) {
        (Some(port), _) => format!("name it: `{}`", port.name),
        (None, Some(near)) => format!("did you mean `{near}`?"),
        (None, None) if service.ports.is_empty() => format!("add it: `ports.{name} = …`"),
        (None, None) => format!("it opens {}", names().collect::<Vec<_>>().join(", ")),
    }
}

/// A Service object needs a port, so one with an address or a route does.
fn missing_port(service: &Service, found: &mut Diagnostics) {
    if !service.ports.is_empty() || patched(service, &["ports"]) {
        return;
    }
    let address = service.load_balancer.as_ref().map(|balancer| (balancer.place, "an address"));
    let host = service.hosts.first().map(|host| (host.span, "a host"));
    if let Some((span, what)) = address.or(host) {
        found.push(
            MISSING_PORT
                .at(
                    span,
                    "leads to no port",
                    format!("service `{}` has {what} and opens no port", service.key),
                )
                .about(service.subject())
                .help("add the port that it listens on: `ports.http = 8080`"),
        );
    }
}

/// Two entries of one name break server-side apply, and only one of them would count.
fn duplicate_variables(model: &Model, environment: &Environment, service: &Service, found: &mut Diagnostics) {
    for part in service.containers() {
        let mut first: BTreeMap<&str, Span> =
            part.env.iter().map(|variable| (variable.name.as_str(), variable.place)).collect();
        let sourced = part.sourced_env.iter();
        let sourced = sourced.map(|variable| (&variable.name, variable.place, "and from elsewhere"));
        let secret = part.secret_env.iter().map(|variable| {
            let mut path = vec!["services", service.key.as_str()];
            path.extend(part.table.into_iter().flat_map(|(table, name)| [table, name]));
            path.extend(["secret-env", variable.name.as_str()]);
            let place = model.key_of(&environment.name, &path).unwrap_or(part.place);
            (&variable.name, place, "and from a secret")
        });
        for (name, place, label) in secret.chain(sourced) {
            let Some(given) = first.insert(name, place) else { continue };
            found.push(
                DUPLICATE_VARIABLE
                    .at(
                        place,
                        label,
                        format!("variable `{name}` of {} is given twice", part.named(&service.key)),
                    )
                    .because(given, "given here")
                    .about(service.subject())
                    .help("keep one of them; a secret belongs in `secret-env`"),
            );
        }
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

fn unrouted_host(model: &Model, service: &Service, found: &mut Diagnostics) {
    let Some(host) = service.hosts.first().filter(|_| model.ingress.is_none()) else { return };
    found.push(
        UNROUTED_HOST
            .at(
                host.span,
                "nothing routes it",
                format!("nothing routes host `{host}` to service `{}`", service.key),
            )
            .about(service.subject())
            .help("say what routes hosts: `[ingress]` with `provider`, or drop `host`"),
    );
}

/// Pods of a StatefulSet carry its name and a revision of 11 characters in a label, which takes 63
/// (kubernetes#64023). A CronJob's runs are named for it and the minute.
fn overlong_service_name(service: &Service, found: &mut Diagnostics) {
    const LONGEST: usize = 52;
    let length = service.name.len();
    let reason = match service.kind {
        Kind::StatefulSet => "a stateful set: its pods' labels add 11 characters",
        Kind::CronJob => "a cron job: its runs' names add 11 characters",
        _ => return,
    };
    if length > LONGEST && length <= 63 {
        found.push(
            OVERLONG_NAME
                .at(
                    service.place,
                    format!("{length} characters"),
                    format!("`{}` is too long for {reason}", service.name),
                )
                .about(service.subject())
                .help(format!("at most {LONGEST} characters")),
        );
    }
}

/// Both engines put the name of what they deliver into a label.
fn overlong_deliveries(environment: &Environment, found: &mut Diagnostics) {
    for stack in &environment.stacks {
        let Some(delivery) = &stack.delivery else { continue };
        if delivery.name.len() > 63 && stack.name.len() <= 63 && environment.name.len() <= 63 {
            found.push(
                OVERLONG_NAME
                    .at(
                        stack.place,
                        format!("with `{}` {} characters", environment.name, delivery.name.len()),
                        format!("`{}` is too long for a label, which takes 63 characters", delivery.name),
                    )
                    .because(environment.place, "the environment")
                    .about(stack.subject())
                    .help("shorten the name of the stack or of the environment"),
            );
        }
    }
}

/// What `talks-to` says against what services are told of one another.
fn connections(environment: &Environment, hints: &[Hint], found: &mut Diagnostics) {
    let services: BTreeMap<&str, &Service> =
        environment.services().map(|service| (service.key.as_str(), service)).collect();
    for service in services.values() {
        for target in service.talks_to.iter().filter(|target| !target.chart) {
            let open = services.get(target.name.value.as_str()).is_none_or(|other| !other.ports.is_empty());
            if !open {
                let message =
                    format!("service `{}` talks to `{}`, which opens no port", service.key, target.name);
                let diagnostic = TALKS_TO_NO_PORT.at(target.name.span, "no port", message);
                found.push(
                    diagnostic.about(service.subject()).help(format!("add `services.{}.ports`", target.name)),
                );
            }
        }
    }
    let closed_stacks: BTreeMap<&str, Closed> =
        environment.stacks.iter().map(|stack| (stack.name.as_str(), stack.closed)).collect();
    if !closed_stacks.values().any(|closed| closed.any()) {
        return;
    }
    for hint in
        hints.iter().filter(|hint| hint.environment.as_ref().is_none_or(|name| *name == environment.name))
    {
        let Some(service) = services.get(hint.service.as_str()) else { continue };
        for target in hint.targets.iter().filter_map(|name| services.get(name.as_str())) {
            if target.key != service.key && blocked(&closed_stacks, service, target) {
                found.push(blocked_connection(service, target, hint.span));
            }
        }
    }
}

/// A variable that tells a service where others are.
struct Hint {
    environment: Option<String>,
    service: String,
    targets: Vec<String>,
    span: Span,
}

fn hints(model: &Model) -> Vec<Hint> {
    let mut hints = Vec::new();
    model.each_text(|written| {
        let (environment, service) = match written.path {
            ["services", key, "env", _] => (None, *key),
            ["environments", name, "services", key, "env", _] => (Some((*name).to_owned()), *key),
            _ => return,
        };
        let targets: Vec<String> = told_of(written.text).into_iter().map(str::to_owned).collect();
        if !targets.is_empty() {
            hints.push(Hint { environment, service: service.to_owned(), targets, span: written.span });
        }
    });
    hints
}

/// The services whose address inside the cluster a text refers to.
fn told_of(text: &str) -> Vec<&str> {
    let parts = text.split("${services.").skip(1);
    let paths = parts.filter_map(|part| part.split_once('}')?.0.split_once('.'));
    paths.filter(|(_, fact)| ["internal-url", "internal-host"].contains(fact)).map(|(name, _)| name).collect()
}

/// Policies let through what `talks-to` names, and what `egress` and `allow-from` say by a network or namespace.
fn blocked(stacks: &BTreeMap<&str, Closed>, service: &Service, target: &Service) -> bool {
    let closed = |service: &Service| stacks.get(service.stack.as_str()).copied().unwrap_or_default();
    let named = service.talks_to.iter().any(|other| !other.chart && other.name.value == target.key);
    let by_network =
        service.egress.iter().any(|egress| matches!(egress.to, End::Network(_) | End::Namespace(_)));
    let out = closed(service).egress && !by_network;
    let outside = target.load_balancer.is_some() || target.ports.iter().any(|port| port.node_port.is_some());
    let lets_in = match target.allow_from.as_slice() {
        [] => outside,
        // Who the service's address in the cluster is told to is seldom told by a network: namespaces count.
        allowed => allowed.iter().any(|allowed| match &allowed.from {
            End::Stack(stack) => *stack == service.stack,
            End::Namespace(name) => service.namespace.starts_with(name.as_str()),
            End::Anywhere | End::Network(_) => true,
            _ => false,
        }),
    };
    !named && (out || (closed(target).ingress && !lets_in))
}

fn blocked_connection(service: &Service, target: &Service, span: Span) -> Diagnostic {
    let message = format!(
        "service `{}` is told where `{}` is, and the isolated network does not let it through",
        service.key, target.key
    );
    BLOCKED_CONNECTION
        .at(span, format!("leads to `{}`", target.key), message)
        .because(target.place, "reached only by who names it in `talks-to`")
        .about(service.subject())
        .help(format!("add `{}` to `services.{}.talks-to`", target.key, service.key))
}

/// A thing with a name: kind, namespace and name, then in words, subject and place.
type Named<'m> = ((&'static str, &'m str, &'m str), String, Span);

fn duplicate_names(environment: &Environment, found: &mut Diagnostics) {
    let services = environment.services().filter(|service| !service.namespace.is_empty()).map(|service| {
        ((("service"), service.namespace.as_str(), service.name.as_str()), service.subject(), service.place)
    });
    let secrets = environment.stacks.iter().flat_map(|stack| {
        stack.secrets.iter().map(|secret| {
            let key = ("secret", stack.namespace.as_str(), secret.name.as_str());
            (key, format!("secrets.{}", secret.key), secret.place)
        })
    });
    let accounts = environment.services().filter_map(|service| {
        let account = &service.rbac.as_ref()?.account;
        let key = ("service account", service.namespace.as_str(), account.value.as_str());
        Some((key, service.subject(), account.span))
    });
    report_names(services.chain(secrets).chain(accounts).collect(), found);
}

fn duplicate_releases(model: &Model, found: &mut Diagnostics) {
    let releases = model.charts.iter().map(|chart| {
        let key = ("release", chart.namespace.as_str(), chart.release.as_str());
        (key, format!("charts.{}", chart.name), chart.place)
    });
    report_names(releases.collect(), found);
}

fn report_names(mut named: Vec<Named<'_>>, found: &mut Diagnostics) {
    named.sort_by_key(|(key, _, span)| (*key, *span));
    for group in named.chunk_by(|a, b| a.0 == b.0) {
        let ((kind, namespace, name), first, place) = &group[0];
        for (_, second, span) in &group[1..] {
            found.push(
                DUPLICATE_NAME
                    .at(
                        *span,
                        format!("`{name}` again"),
                        format!("two {kind}s are named `{name}` in namespace `{namespace}`: `{first}` and `{second}`"),
                    )
                    .because(*place, format!("already `{name}`"))
                    .about(second)
                    .about(first)
                    .help("give one of them another name"),
            );
        }
    }
}

/// Who has something that only one can have.
#[derive(Clone, Copy)]
struct Holder<'m> {
    environment: &'m Environment,
    service: &'m Service,
    span: Span,
}

/// Calls `read` with every service and its environment.
fn each_service<'m>(model: &'m Model, mut read: impl FnMut(&'m Environment, &'m Service)) {
    for environment in &model.environments {
        for service in environment.services() {
            read(environment, service);
        }
    }
}

/// Two holders of one thing. Of two environments of one service the environments are named; two services clash
/// alike in every environment, so none is.
fn taken_twice(code: &'static Code, what: &str, first: &Holder<'_>, second: &Holder<'_>) -> Diagnostic {
    let (one, two) = (&first.service.key, &second.service.key);
    let (here, there) = (&second.environment, &first.environment);
    let diagnostic = if one != two {
        let message = format!("{what} is taken twice: by service `{one}` and by service `{two}`");
        code.at(second.span, format!("wanted here by service `{two}`"), message)
            .because(first.span, format!("already taken here by service `{one}`"))
            .about(second.service.subject())
    } else if here.name == there.name {
        let message = format!("{what} is taken twice by service `{two}`");
        code.at(second.span, "again", message).because(first.span, "taken here")
    } else {
        let (a, b) = (&there.name, &here.name);
        let message = format!("{what} is taken twice: by service `{one}` in `{a}` and in `{b}`");
        let diagnostic = code.at(second.span, format!("wanted in `{b}`"), message);
        match first.span == second.span {
            true => {
                diagnostic.because(there.place, "has it from the default").because(here.place, "has it, too")
            }
            false => diagnostic.because(first.span, format!("taken in `{a}`")),
        }
    };
    diagnostic.about(first.service.subject())
}

/// Each holder against those before it, in file order; the first clash is reported.
fn report_clashes<'m, T: Ord + std::fmt::Display>(
    mut groups: BTreeMap<T, Vec<Holder<'m>>>,
    clash: impl Fn(&Holder<'m>, &Holder<'m>) -> bool,
    report: impl Fn(&T, &Holder<'m>, &Holder<'m>) -> Diagnostic,
    found: &mut Diagnostics,
) {
    for (thing, holders) in &mut groups {
        holders.sort_by_key(|holder| (holder.span, holder.environment.place));
        for (at, second) in holders.iter().enumerate().skip(1) {
            if let Some(first) = holders[..at].iter().take(MOST_PARTNERS).find(|first| clash(first, second)) {
                found.push(report(thing, first, second));
            }
        }
    }
}

/// The API server gives a node port to one Service, whatever the protocol; one Service may use it for TCP and UDP.
fn duplicate_node_ports(model: &Model, found: &mut Diagnostics) {
    let mut groups: BTreeMap<i64, Vec<Holder>> = BTreeMap::new();
    let mut within: Vec<(&Service, &Port)> = Vec::new();
    each_service(model, |environment, service| {
        let mut seen: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
        for port in &service.ports {
            let Some(node_port) = port.node_port else { continue };
            let protocols = seen.entry(node_port.value).or_default();
            if protocols.contains(&port.protocol.word()) {
                within.push((service, port));
            } else if protocols.is_empty() {
                let holder = Holder { environment, service, span: node_port.span };
                groups.entry(node_port.value).or_default().push(holder);
            }
            protocols.push(port.protocol.word());
        }
    });
    for (service, port) in within {
        let message =
            format!("service `{}` lists node port {} twice", service.key, port.node_port.unwrap_or_default());
        let span = port.node_port.map_or(port.place, |port| port.span);
        found.push(DUPLICATE_NODE_PORT.at(span, "again", message).about(service.subject()));
    }
    let report = |number: &i64, first: &Holder<'_>, second: &Holder<'_>| {
        taken_twice(&DUPLICATE_NODE_PORT, &format!("node port {number}"), first, second)
            .help("leave `node-port` out and Kubernetes chooses one, or give another from 30000 to 32767")
    };
    report_clashes(groups, |_, _| true, report, found);
}

/// Ports of nodes: those that a port asks for, and on the host's network all.
fn host_port_clashes(model: &Model, found: &mut Diagnostics) {
    let mut groups: BTreeMap<String, Vec<Holder>> = BTreeMap::new();
    each_service(model, |environment, service| {
        let on_host = service.host_network.is_some_and(|flag| flag.value);
        let mut own: Vec<String> = Vec::new();
        for port in &service.ports {
            let wanted = match port.host_port {
                None if on_host => Some(Spanned::new(port.target_port, port.port.span)),
                wanted => wanted,
            };
            let Some(wanted) = wanted else { continue };
            let number = word(wanted.value, port.protocol);
            crowded(model, service, &number, wanted.span, found);
            if own.contains(&number) && port.host_port.is_some() && !on_host {
                let message = format!("service `{}` takes port {number} of a node twice", service.key);
                found.push(
                    HOST_PORT_CLASH
                        .at(wanted.span, "taken already", message)
                        .about(service.subject())
                        .help("give each of its ports another `host-port`"),
                );
            }
            if !own.contains(&number) {
                groups.entry(number.clone()).or_default().push(Holder {
                    environment,
                    service,
                    span: wanted.span,
                });
                own.push(number);
            }
        }
    });
    let report = |number: &String, first: &Holder<'_>, second: &Holder<'_>| {
        taken_twice(&HOST_PORT_CLASH, &format!("port {number} of a node"), first, second)
            .help("give one of them another port, or other nodes")
    };
    report_clashes(groups, |first, second| must_meet(model, first.service, second.service), report, found);
}

/// More pods than nodes, each of which has the port once.
fn crowded(model: &Model, service: &Service, number: &str, span: Span, found: &mut Diagnostics) {
    let most = service.autoscale.as_ref().map(|autoscale| autoscale.max);
    let (Some(nodes), Some(replicas)) = (nodes(model, service), most.or(service.replicas)) else { return };
    let wanted = usize::try_from(replicas.value).unwrap_or(0);
    if service.kind != Kind::DaemonSet && !nodes.is_empty() && wanted > nodes.len() {
        found.push(
            HOST_PORT_CLASH
                .at(
                    span,
                    "free once on each node",
                    format!(
                        "{wanted} pods of service `{}` want port {number} of a node, and {} may run them",
                        service.key,
                        if nodes.len() == 1 {
                            "one node".to_owned()
                        } else {
                            format!("{} nodes", nodes.len())
                        }
                    ),
                )
                .because(replicas.span, format!("{wanted} pods"))
                .about(service.subject())
                .help("use fewer replicas, a daemon set, or a load balancer address instead"),
        );
    }
}

/// Whether pods of two services cannot but meet on a node: one fills all nodes that the other may run on.
fn must_meet(model: &Model, one: &Service, other: &Service) -> bool {
    let daemons = |service: &Service| service.kind == Kind::DaemonSet;
    let (Some(a), Some(b)) = (nodes(model, one), nodes(model, other)) else {
        let anywhere = |service: &Service| {
            service.node_selector.is_empty() && !patched(service, &["nodeSelector", "affinity", "nodeName"])
        };
        return model.nodes.is_empty() && daemons(one) && daemons(other) && anywhere(one) && anywhere(other);
    };
    let pods = |service: &Service| {
        let least = service.autoscale.as_ref().map(|autoscale| autoscale.min);
        least.or(service.replicas.map(|replicas| replicas.value)).unwrap_or(1).max(0) as usize
    };
    // What ends may have ended.
    if ends(one.kind)
        || ends(other.kind)
        || a.is_empty()
        || b.is_empty()
        || pods(one) == 0
        || pods(other) == 0
    {
        return false;
    }
    let fills = |service: &Service, count: usize| daemons(service) || pods(service) >= count;
    (daemons(one) && daemons(other) && meet(&a, &b))
        || (fills(one, a.len()) && within(&b, &a))
        || (fills(other, b.len()) && within(&a, &b))
}

/// Environments live in one cluster, behind one router.
fn duplicate_hosts(model: &Model, found: &mut Diagnostics) {
    if model.ingress.is_none() {
        return;
    }
    let mut groups: BTreeMap<String, Vec<Holder>> = BTreeMap::new();
    each_service(model, |environment, service| {
        let paths = service.route.iter().flat_map(|route| &route.paths);
        for (host, path) in paths.flat_map(|path| service.hosts.iter().map(move |host| (host, path))) {
            let route = route_key(host, path);
            groups.entry(route).or_default().push(Holder { environment, service, span: host.span });
        }
    });
    let report = |route: &String, first: &Holder<'_>, second: &Holder<'_>| {
        taken_twice(&DUPLICATE_HOST, &format!("host `{route}`"), first, second)
            .help("give one of them another `host` or `path`; an environment's `domain` sets its hosts apart")
    };
    report_clashes(groups, |_, _| true, report, found);
}

/// Stacks may share a namespace: the first of them writes it. What cannot be shared is one stack with itself, in
/// two environments that an engine applies, and a closed network with an open one.
fn shared_namespaces(model: &Model, found: &mut Diagnostics) {
    let mut groups: BTreeMap<&str, Vec<(&Environment, &Stack)>> = BTreeMap::new();
    for environment in &model.environments {
        for stack in &environment.stacks {
            groups.entry(&stack.namespace).or_default().push((environment, stack));
        }
    }
    for (namespace, mut stacks) in groups {
        stacks.sort_by_key(|(environment, stack)| (stack.namespace.span, environment.place));
        let mut seen: BTreeMap<&str, &Environment> = BTreeMap::new();
        for (here, stack) in &stacks {
            let there = seen.entry(&stack.name).or_insert(here);
            if there.name != here.name && model.gitops.is_some() {
                found.push(one_stack_twice(namespace, stack, there, here));
            }
        }
        let (_, first) = stacks[0];
        if let Some((_, second)) = stacks.iter().find(|(_, stack)| stack.closed != first.closed) {
            found.push(open_and_closed(namespace, first, second));
        }
    }
}

fn one_stack_twice(namespace: &str, stack: &Stack, there: &Environment, here: &Environment) -> Diagnostic {
    SHARED_NAMESPACE
        .at(
            here.place,
            format!("`{namespace}` again"),
            format!(
                "stack `{}` has namespace `{namespace}` in `{}` and in `{}`",
                stack.name, there.name, here.name
            ),
        )
        .because(there.place, format!("`{namespace}` here"))
        .because(stack.namespace.span, "from the default")
        .about(format!("environments.{}", here.name))
        .about(stack.subject())
        .help(format!("give `{}` a `namespace-suffix`, such as \"-{}\"", here.name, here.name))
}

fn open_and_closed(namespace: &str, first: &Stack, second: &Stack) -> Diagnostic {
    let word = |stack: &Stack| match (stack.closed.ingress, stack.closed.egress) {
        (false, false) => "open",
        (true, false) => "closed to what comes in",
        (false, true) => "closed to what goes out",
        (true, true) => "isolated",
    };
    let message = format!(
        "stacks `{}` and `{}` share namespace `{namespace}`, but one is {} and one is {}",
        first.name,
        second.name,
        word(first),
        word(second)
    );
    SHARED_NAMESPACE
        .at(second.namespace.span, format!("stack `{}` is {}", second.name, word(second)), message)
        .because(first.namespace.span, format!("stack `{}` is {}", first.name, word(first)))
        .about(format!("stacks.{}", second.name))
        .about(format!("stacks.{}", first.name))
        .help("set `isolate` alike on both, or give one of them another namespace: the policies hold for all of it")
}

/// Stack `a-b` in `c` and stack `a` in `b-c` are both `a-b-c`.
fn duplicate_deliveries(model: &Model, found: &mut Diagnostics) {
    let own = model.gitops.iter().flat_map(|gitops| &gitops.deliveries);
    let taken: Vec<&str> = own.map(|delivery| delivery.name.as_str()).collect();
    let mut seen: BTreeMap<&str, (&Environment, &Stack)> = BTreeMap::new();
    for environment in &model.environments {
        for stack in &environment.stacks {
            let Some(delivery) = &stack.delivery else { continue };
            let name = delivery.name.as_str();
            let first = seen.insert(name, (environment, stack));
            let message = format!(
                "stack `{}` in `{}` is delivered as `{name}`, which is taken",
                stack.name, environment.name
            );
            let diagnostic = DUPLICATE_DELIVERY
                .at(stack.place, format!("with `{}` it makes `{name}`", environment.name), message)
                .about(stack.subject())
                .help("rename the stack or the environment");
            if let Some((other, first)) = first {
                let label = format!("with `{}` it makes `{name}`, too", other.name);
                found.push(diagnostic.because(first.place, label));
            } else if taken.contains(&name) {
                found.push(diagnostic);
            }
        }
    }
}
