//! Logins that a route asks for: Secrets that Traefik cannot take names and passwords from, and ways around them, as
//! whoever asks a service's own address or a node meets no middleware.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::placement::patched;
use crate::check::secret_files::wanted;
use crate::diagnostic::{Diagnostics, codes};
use crate::model::middleware::{Middleware, asks_for_login};
use crate::model::port::{Port, named};
use crate::model::route::Route;
use crate::model::secret::Secret;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::{BAD_VALUE, Environment, Model};
use crate::source::Span;

codes! { Security:
    /// A login that another way leads around.
    BYPASSED_LOGIN = ("bypassed-login", Warning, "a service's own address or a node opens the port that its route asks a login for");
}

/// Runs every rule about logins.
pub fn check(model: &Model, found: &mut Diagnostics) {
    unusable_secrets(model, found);
    for environment in &model.environments {
        for stack in &environment.stacks {
            for service in &stack.services {
                bypassed_logins(model, environment, (stack, service), found);
            }
        }
    }
}

/// Secrets of `basic-auth` that Traefik refuses.
fn unusable_secrets(model: &Model, found: &mut Diagnostics) {
    let middlewares = model.ingress.iter().flat_map(|ingress| &ingress.middlewares);
    let reading: Vec<_> =
        middlewares.filter_map(|middleware| Some((middleware, middleware.secret.as_ref()?))).collect();
    if reading.is_empty() {
        return;
    }
    let secrets: BTreeMap<&str, &Secret> =
        wanted(model).into_iter().map(|one| (one.secret.key.as_str(), one.secret)).collect();
    for (middleware, name) in reading {
        if let Some(secret) = secrets.get(name.as_str()) {
            unusable_secret(model, middleware, (secret, name.span), found);
        }
    }
}

fn unusable_secret(
    model: &Model,
    middleware: &Middleware,
    (secret, span): (&Secret, Span),
    found: &mut Diagnostics,
) {
    let path = ["secrets", &secret.key, "keys"];
    let whole = secret.external.as_ref().is_some_and(|external| external.extract.is_some());
    if whole || model.unread.at(&path) {
        return;
    }
    let Some((label, fault)) = key_fault(secret) else { return };
    let message = format!("middleware `{}` reads secret `{}`, which {fault}", middleware.name, secret.key);
    found.push(
        BAD_VALUE
            .at(span, label, message)
            .because(model.place_of("", &path).unwrap_or(secret.place), "its keys")
            .about(format!("ingress.middlewares.{}", middleware.name))
            .about(format!("secrets.{}", secret.key))
            .help("give it one key, `users`, or `type = \"kubernetes.io/basic-auth\"` with the keys `username` and `password`"),
    );
}

/// Traefik takes the only key of a Secret, whatever it is called, and of Kubernetes' own type for logins the name and
/// the password.
fn key_fault(secret: &Secret) -> Option<(&'static str, String)> {
    let has = |wanted: &str| secret.keys.iter().any(|key| key.value == wanted);
    // Which keys it has may be known to nobody here.
    if secret.keys.is_empty() {
        return None;
    }
    if secret.kind.as_ref().is_some_and(|kind| kind.value == "kubernetes.io/basic-auth") {
        let lacking = ["username", "password"].into_iter().find(|key| !has(key))?;
        return Some(("a name and a password", format!("has no key `{lacking}`")));
    }
    let count = secret.keys.len();
    (count > 1).then(|| ("more than one key", format!("has {count} keys, and Traefik takes one only")))
}

/// Each port behind a login is told at the first route that leads to it.
fn bypassed_logins(
    model: &Model,
    environment: &Environment,
    (stack, service): (&Stack, &Service),
    found: &mut Diagnostics,
) {
    let asks = |route: &&Route| route.copies.iter().any(|copy| asks_for_login(&copy.spec));
    let mut told = BTreeSet::new();
    for route in service.routes.iter().filter(asks) {
        let Some(port) = route.port.as_str().and_then(|name| named(&service.ports, name)) else { continue };
        if !told.insert(port.name.as_str()) {
            continue;
        }
        for way in ways(stack, service, port) {
            let path = ["services", &service.key, "middlewares"];
            let own = model.place_of(&environment.name, &path).filter(|_| route.name == service.name);
            let span = own.unwrap_or(route.place);
            let message =
                format!("service `{}` asks for a login on its host, and {}", service.key, way.opens);
            found.push(
                BYPASSED_LOGIN
                    .at(span, "only the route passes it", message)
                    .because(way.place, way.label)
                    .about(service.subject())
                    .help(way.help),
            );
        }
    }
}

/// A way to a port that leads around its route.
struct Way {
    /// What opens the port, and to whom.
    opens: String,
    place: Span,
    label: &'static str,
    help: String,
}

const UNASKED: &str = "whoever asks here is not asked";

/// Every way to a port that is open to everybody. An isolated stack that says who may come is let be, but on the
/// node's network no policy holds.
fn ways(stack: &Stack, service: &Service, port: &Port) -> Vec<Way> {
    let guarded = stack.closed.ingress && !service.allow_from.is_empty();
    let mut ways = Vec::new();
    if !guarded && !patched(service, &["ports"]) {
        ways.extend(by_address(service, port).or_else(|| by_node_port(service, port)));
        ways.extend(by_host_port(port));
    }
    if !patched(service, &["hostNetwork"]) {
        ways.extend(by_host_network(service, port));
    }
    ways
}

/// The service's own address opens every port that is not internal.
fn by_address(service: &Service, port: &Port) -> Option<Way> {
    let balancer = service.load_balancer.as_ref().filter(|_| !port.internal)?;
    Some(Way {
        opens: format!("its address opens port {} to everybody", port.port),
        place: balancer.place,
        label: UNASKED,
        help: match service.outside_ports().count() {
            1 => without("ip"),
            _ => format!("keep the port off the address: {}", internal(port)),
        },
    })
}

/// One node port is enough for Kubernetes to give each port that is not internal one, too.
fn by_node_port(service: &Service, port: &Port) -> Option<Way> {
    let others = || service.ports.iter().filter(|other| other.name != port.name);
    let other = others().find_map(|other| other.node_port);
    if let Some(own) = port.node_port {
        return Some(Way {
            opens: format!("every node opens its port {} to everybody as {own}", port.port),
            place: own.span,
            label: UNASKED,
            help: match other {
                None => without("node-port"),
                Some(_) => {
                    format!("keep the port off the nodes: `internal = true` instead of `node-port = {own}`")
                }
            },
        });
    }
    Some(Way {
        opens: format!(
            "every node opens its port {} to everybody, by a number that Kubernetes chooses",
            port.port
        ),
        place: other.filter(|_| !port.internal)?.span,
        label: "the other ports get a node port, too",
        help: format!("keep the port off the nodes: {}", internal(port)),
    })
}

fn by_host_port(port: &Port) -> Option<Way> {
    let own = port.host_port?;
    Some(Way {
        opens: format!("its node opens port {own} to everybody"),
        place: own.span,
        label: UNASKED,
        help: without("host-port"),
    })
}

/// A program on its node's network listens on the node's own addresses.
fn by_host_network(service: &Service, port: &Port) -> Option<Way> {
    let flag = service.host_network.filter(|flag| flag.value)?;
    Some(Way {
        opens: format!("its node opens port {} to everybody", port.target_port),
        place: flag.span,
        label: "on the node's network every port is open",
        help: "drop `host-network`, and give the ports that need it a `host-port` of their own".to_owned(),
    })
}

fn without(key: &str) -> String {
    format!(
        "drop `{key}` if the host is enough, or isolate the stack and say in `allow-from` who may reach the port"
    )
}

fn internal(port: &Port) -> String {
    format!("`internal = true` beside the number of `ports.{}`", port.name)
}
