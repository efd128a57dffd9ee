//! Routes: hosts that two things want or no listener serves, chains in a circle, a dashboard for everyone.

use std::collections::BTreeMap;

use crate::check::ports::{DUPLICATE_HOST, UNROUTED_HOST};
use crate::diagnostic::{Diagnostics, codes};
use crate::inventory::ingress::ListenerProtocol;
use crate::model::ingress::{Gateway, Ingress};
use crate::model::middleware::Middleware;
use crate::model::route::Route;
use crate::model::{DEPENDENCY_CYCLE, Model, UNORDERABLE_DEPENDENCY};
use crate::source::{Span, Spanned};

codes! {
    /// A host that no listener of the Gateway serves.
    UNSERVED_HOST = ("unserved-host", PortsAndNames, Error, "a host that no listener of the Gateway serves");
    /// Traefik's dashboard without anything that asks who is there.
    OPEN_DASHBOARD = ("open-dashboard", Security, Warning, "Traefik's dashboard is open to whoever reaches its host");
}

/// Runs every rule about routes.
pub fn check(model: &Model, found: &mut Diagnostics) {
    let Some(ingress) = &model.ingress else { return unrouted_charts(model, found) };
    duplicate_hosts(model, ingress, found);
    open_dashboard(ingress, found);
    circles(&ingress.middlewares, found);
    later_namespaces(model, ingress, found);
    if let Some(gateway) = &ingress.written_gateway {
        for route in routes_of_services(model).chain(&ingress.routes) {
            unserved_host(route, gateway, found);
        }
    }
}

fn routes_of_services(model: &Model) -> impl Iterator<Item = &Route> {
    model
        .services()
        .filter(|service| service.main_port.is_some())
        .filter_map(|service| service.route.as_ref())
}

fn unrouted_charts(model: &Model, found: &mut Diagnostics) {
    for chart in &model.charts {
        let Some(span) = model.place_of("", &["charts", &chart.name, "route", "host"]) else { continue };
        let message = format!("nothing routes the host of chart `{}`", chart.name);
        found.push(
            UNROUTED_HOST
                .at(span, "nothing routes it", message)
                .about(format!("charts.{}", chart.name))
                .help("say what routes hosts: `[ingress]` with `provider`, or drop `route`"),
        );
    }
}

/// What is compared of a route: a host in lower case and a path without the last slash.
pub fn route_key(host: &str, path: &str) -> String {
    format!("{}{}", host.to_lowercase(), path.trim_end_matches('/'))
}

/// Routes of charts and the dashboard against those of services and each other; services among themselves are told
/// by environment elsewhere.
fn duplicate_hosts(model: &Model, ingress: &Ingress, found: &mut Diagnostics) {
    if ingress.routes.is_empty() {
        return;
    }
    let mut taken: BTreeMap<String, (Span, String)> = BTreeMap::new();
    for route in model.services().filter_map(|service| service.route.as_ref()) {
        for (host, path) in pairs(route) {
            taken.entry(route_key(host, path)).or_insert_with(|| (host.span, route.subject.clone()));
        }
    }
    for route in &ingress.routes {
        for (host, path) in pairs(route) {
            let key = route_key(host, path);
            let Some((first, subject)) = taken.get(&key) else {
                taken.insert(key, (host.span, route.subject.clone()));
                continue;
            };
            let message = format!("host `{key}` is taken twice: by `{subject}` and by `{}`", route.subject);
            found.push(
                DUPLICATE_HOST
                    .at(host.span, format!("wanted here by `{}`", route.subject), message)
                    .because(*first, format!("already taken here by `{subject}`"))
                    .about(&route.subject)
                    .about(subject)
                    .help("give one of them another host or path"),
            );
        }
    }
}

fn pairs(route: &Route) -> impl Iterator<Item = (&Spanned<String>, &str)> {
    route.hosts.iter().flat_map(|host| route.paths.iter().map(move |path| (host, path.value.as_str())))
}

fn open_dashboard(ingress: &Ingress, found: &mut Diagnostics) {
    let Some(open) = ingress.dashboard.filter(|guarded| !guarded.value) else { return };
    found.push(
        OPEN_DASHBOARD
            .at(
                open.span,
                "asks nobody who they are",
                "Traefik's dashboard has no middleware that asks who is there",
            )
            .about("ingress.dashboard")
            .help(
                "declare `ingress.middlewares.auth` with `basic-auth`, and write `middlewares = [\"auth\"]`",
            ),
    );
}

/// Traefik drops a chain that leads back to itself.
fn circles(all: &[Middleware], found: &mut Diagnostics) {
    for middleware in all {
        let mut seen: Vec<&str> = Vec::new();
        let mut next: Vec<&str> = middleware.chain.iter().map(|name| name.value.as_str()).collect();
        while let Some(name) = next.pop() {
            if name == middleware.name {
                let message = format!("middleware `{name}` leads back to itself");
                found.push(
                    DEPENDENCY_CYCLE
                        .at(middleware.place, "a chain in a circle", message)
                        .about(format!("ingress.middlewares.{name}"))
                        .help("take one of the names out of `chain`"),
                );
                break;
            }
            if !seen.contains(&name) {
                seen.push(name);
                let chained = all.iter().find(|other| other.name == name);
                next.extend(chained.iter().flat_map(|other| &other.chain).map(|name| name.value.as_str()));
            }
        }
    }
}

/// The Gateway and certificates are applied before any stack is: a namespace that a stack brings is not there yet.
fn later_namespaces(model: &Model, ingress: &Ingress, found: &mut Diagnostics) {
    let gateway =
        ingress.written_gateway.iter().map(|gateway| (&gateway.namespace, "ingress.gateway".to_owned()));
    let certificates = ingress.certificates.iter();
    let certificates = certificates.map(|one| (&one.namespace, format!("ingress.certificates.{}", one.name)));
    for (namespace, subject) in gateway.chain(certificates) {
        let stacks = model.environments.iter().flat_map(|environment| &environment.stacks);
        let mut own = stacks.filter(|stack| stack.namespace.value == namespace.value);
        if let Some(stack) = own.find(|stack| stack.writes_namespace) {
            let message = format!(
                "`{subject}` is in namespace `{}`, which stack `{}` brings later",
                namespace.value, stack.name
            );
            found.push(
                UNORDERABLE_DEPENDENCY
                    .at(namespace.span, "not there yet", message)
                    .because(stack.namespace.span, "brought by this stack")
                    .about(subject)
                    .help("name a chart's namespace, or one of its own"),
            );
        }
    }
}

fn unserved_host(route: &Route, gateway: &Gateway, found: &mut Diagnostics) {
    let speaks = |protocol| gateway.listeners.iter().any(|listener| listener.protocol == protocol);
    let mut refuse = |host: &Spanned<String>, label: &str, message: String, help: &str| {
        found.push(UNSERVED_HOST.at(host.span, label, message).about(&route.subject).help(help));
    };
    if let Some(host) = &route.unserved {
        let word = if route.tls.is_some() { "HTTPS" } else { "HTTP" };
        let message = format!("no listener of Gateway `{}` serves `{host}` by {word}", gateway.name);
        refuse(
            host,
            "served by no listener",
            message,
            "add a listener with this `hostname`, or one without any",
        );
    } else if let Some(host) =
        route.hosts.first().filter(|_| route.redirect && !speaks(ListenerProtocol::Http))
    {
        let message = format!(
            "`{host}` cannot be sent on to HTTPS: no listener of Gateway `{}` speaks HTTP",
            gateway.name
        );
        let help = "add `ingress.gateway.listeners.http`, or drop `redirect-http`";
        refuse(host, "reached by HTTPS alone", message, help);
    }
}
