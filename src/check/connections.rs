//! Connections between services: those that nothing answers, and those that network policies do not let through.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::model::policy::{Closed, End};
use crate::model::references::referred;
use crate::model::service::Service;
use crate::model::{Environment, Model};
use crate::source::Span;

codes! { PortsAndNames:
    /// `talks-to` a service that nobody can reach.
    TALKS_TO_NO_PORT = ("talks-to-no-port", Warning, "`talks-to` names a service that opens no port");
    /// A URL that the network policies do not let through.
    BLOCKED_CONNECTION = ("blocked-connection", Warning, "a service is told where another is, and the isolated network lets nothing through");
}

/// Runs every rule about connections.
pub fn check(model: &Model, found: &mut Diagnostics) {
    let hints = hints(model);
    for environment in &model.environments {
        connections(model, environment, &hints, found);
    }
}

/// What `talks-to` says against what services are told of one another.
fn connections(model: &Model, environment: &Environment, hints: &[Hint], found: &mut Diagnostics) {
    let services: BTreeMap<&str, &Service> =
        environment.services().map(|service| (service.key.as_str(), service)).collect();
    for service in services.values() {
        for target in service.talks_to.iter().filter(|target| !target.chart) {
            let open = services.get(target.name.value.as_str()).is_none_or(|other| !other.ports.is_empty());
            let unread = || model.unread.at(&["services", target.name.value.as_str(), "ports"]);
            if !open && !unread() {
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
    let paths = referred(text).filter_map(|path| path.strip_prefix("services.")?.split_once('.'));
    paths.filter(|(_, fact)| ["internal-url", "internal-host"].contains(fact)).map(|(name, _)| name).collect()
}

/// Policies let through what `talks-to` names, and what `egress` and `allow-from` say by a network or namespace.
fn blocked(stacks: &BTreeMap<&str, Closed>, service: &Service, target: &Service) -> bool {
    let closed = |service: &Service| stacks.get(service.stack.as_str()).copied().unwrap_or_default();
    let named = service.talks_to.iter().any(|other| !other.chart && other.name.value == target.key);
    let by_network =
        service.egress.iter().any(|egress| matches!(egress.to, End::Network(_) | End::Namespace(_)));
    let out = closed(service).egress && !by_network;
    let main = target.main_port.as_deref();
    let outside = target.outside_ports().any(|port| main.is_none_or(|main| main == port.name));
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
