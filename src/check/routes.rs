//! Routes: hosts that two things want or no listener serves, chains in a circle, a dashboard for everyone.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::holders::each_service;
use crate::check::names::{DUPLICATE_HOST, UNROUTED_HOST};
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::inventory::ingress::{IngressProvider, ListenerProtocol};
use crate::inventory::node::{Node, Value};
use crate::model::gateway::Gateway;
use crate::model::ingress::Ingress;
use crate::model::middleware::{Middleware, position};
use crate::model::route::Route;
use crate::model::service::Service;
use crate::model::{DEPENDENCY_CYCLE, Model, UNORDERABLE_DEPENDENCY};
use crate::source::{Span, Spanned};

codes! {
    /// A host that no listener of the Gateway serves.
    UNSERVED_HOST = ("unserved-host", PortsAndNames, Error, "a host that no listener of the Gateway serves");
    /// One entry point for two ports, or for HTTP and a port.
    DUPLICATE_ENTRY_POINT = ("duplicate-entry-point", PortsAndNames, Error, "an entry point of Traefik that two ports want, or that serves hosts");
    /// A key of a route where there is none.
    UNUSED_ROUTE_KEY = ("unused-route-key", PortsAndNames, Warning, "a key of a route on a service without `host`, or `strip-prefix` without `path`");
    /// A certificate that is never issued.
    UNPROVABLE_WILDCARD = ("unprovable-wildcard", PortsAndNames, Warning, "a wildcard host whose issuer proves names by HTTP only");
    /// Traefik's dashboard without anything that asks who is there.
    OPEN_DASHBOARD = ("open-dashboard", Security, Warning, "Traefik's dashboard is open to whoever reaches its host");
}

/// Runs every rule about routes.
pub fn check(model: &Model, found: &mut Diagnostics) {
    unused_keys(model, found);
    unused_strip(model, found);
    entry_points(model, found);
    let Some(ingress) = &model.ingress else { return unrouted_charts(model, found) };
    duplicate_hosts(model, ingress, found);
    unprovable_wildcards(model, ingress, found);
    open_dashboard(ingress, found);
    circles(&ingress.middlewares, found);
    later_namespaces(model, ingress, found);
    if let Some(gateway) = &ingress.written_gateway {
        for route in routes_of_services(model).chain(&ingress.routes) {
            unserved_host(route, gateway, found);
        }
    }
}

/// Nobody can answer for every name below a domain: an authority signs wildcards by DNS only.
fn unprovable_wildcards(model: &Model, ingress: &Ingress, found: &mut Diagnostics) {
    let mut report = |host: &str, issuer: &str, span: Span, about: &str| {
        let message = format!("issuer `{issuer}` proves names by HTTP only, and `{host}` is a wildcard");
        let diagnostic = UNPROVABLE_WILDCARD.at(span, "never issued", message).about(about);
        found.push(
            diagnostic.help(format!("add `dns01` to `ingress.issuers.{issuer}.acme`, or name the hosts")),
        );
    };
    let is_wildcard = |host: &&str| host.starts_with("*.");
    for one in ingress.certificates.iter().filter(|one| ingress.only_answers(&one.issuer, one.kind)) {
        let written = model.place_of("", &["ingress", "certificates", &one.name, "hosts"]);
        for host in one.hosts.iter().map(String::as_str).filter(is_wildcard) {
            report(host, &one.issuer, written.unwrap_or(one.namespace.span), "ingress");
        }
    }
    for route in routes_of_services(model).chain(&ingress.routes) {
        let tls = route.tls.as_ref().filter(|_| ingress.provider != IngressProvider::Gateway);
        let issuer = tls.and_then(|tls| Some((tls.issuer.as_deref()?, tls.issuer_kind?)));
        let Some((issuer, _)) = issuer.filter(|(name, kind)| ingress.only_answers(name, *kind)) else {
            continue;
        };
        for host in route.hosts.iter().filter(|host| is_wildcard(&host.as_str())) {
            report(host, issuer, host.span, &route.subject);
        }
    }
}

/// Keys that say how a host is routed, on a service that has none in any environment.
fn unused_keys(model: &Model, found: &mut Diagnostics) {
    let routed: BTreeSet<&str> = model
        .services()
        .chain(model.base.services())
        .filter(|service| !service.hosts.is_empty())
        .map(|service| service.key.as_str())
        .collect();
    for environment in &model.environments {
        for service in environment.services().filter(|service| !routed.contains(service.key.as_str())) {
            // What `routes` do not say for themselves they have from the service.
            let handed_on = !service.routes.is_empty();
            for key in ["path", "middlewares", "strip-prefix", "tls"] {
                if handed_on && ["middlewares", "tls"].contains(&key) {
                    continue;
                }
                let path = ["services", &service.key, key];
                let Some(span) = model.key_of(&environment.name, &path) else { continue };
                let message = format!("service `{}` has `{key}` and no `host`", service.key);
                let finding = UNUSED_ROUTE_KEY.at(span, "has no effect", message);
                found.push(finding.about(service.subject()).help("add `host`, or drop the key"));
            }
        }
    }
}

/// An entry point leads to one port: TCP without TLS and UDP tell nothing by which Traefik could choose.
fn entry_points(model: &Model, found: &mut Diagnostics) {
    let ingress = model.ingress.as_ref();
    let traefik = ingress.filter(|ingress| ingress.provider == IngressProvider::Traefik);
    let mut taken: BTreeMap<&str, (Span, &str)> = BTreeMap::new();
    for environment in &model.environments {
        for service in environment.services() {
            for port in &service.ports {
                let Some(point) = &port.entry_point else { continue };
                let subject = service.subject();
                let serves_hosts = ["web", "websecure"].contains(&point.as_str())
                    || traefik.is_some_and(|ingress| ingress.entry_points.contains(&point.value));
                let first = taken.get(point.as_str()).copied();
                let (label, message) = if traefik.is_none() {
                    let message = format!(
                        "port `{}` of service `{}` names an entry point of Traefik, which routes nothing here",
                        port.name, service.key
                    );
                    ("nobody reads it", message)
                } else if serves_hosts {
                    (
                        "serves hosts",
                        format!(
                            "entry point `{point}` serves hosts, and cannot lead to port `{}` alone",
                            port.name
                        ),
                    )
                } else if let Some((_, other)) = first {
                    (
                        "taken already",
                        format!(
                            "entry point `{point}` leads to service `{other}` already, and service `{}` wants it, too",
                            service.key
                        ),
                    )
                } else {
                    taken.insert(point, (point.span, &service.key));
                    continue;
                };
                let mut finding = DUPLICATE_ENTRY_POINT.at(point.span, label, message).about(subject);
                if let Some((span, other)) = first.filter(|(span, _)| *span != point.span) {
                    finding = finding.because(span, format!("wanted here by service `{other}`"));
                }
                found.push(finding.help(match traefik {
                    None => "set `ingress.provider = \"traefik\"`, or give the service an `ip`",
                    Some(_) => "open another entry point in Traefik's values, and name that",
                }));
            }
        }
    }
}

/// `strip-prefix` on a service that no environment routes by a path.
fn unused_strip(model: &Model, found: &mut Diagnostics) {
    let all = || model.services().chain(model.base.services());
    let pathed = |route: &Route| route.paths.iter().any(|path| !path.trim_end_matches('/').is_empty());
    let own = |service: &'_ &Service| !service.hosts.is_empty();
    let with_path: BTreeSet<&str> = all()
        .filter(own)
        .filter(|service| service.routes.first().is_some_and(pathed))
        .map(|service| service.key.as_str())
        .collect();
    let routed = all().filter(own).filter(|service| !service.routes.is_empty());
    let keys: BTreeSet<&str> = routed.map(|service| service.key.as_str()).collect();
    for key in keys.difference(&with_path) {
        let path = ["services", *key, "strip-prefix"];
        let asked = model.written.find(path).is_some_and(|node| matches!(node.value, Value::Boolean(true)));
        let Some(span) = model.key_of("", &path).filter(|_| asked) else { continue };
        found.push(nothing_to_strip(span, key, &format!("service `{key}`")));
    }
    each_service(model, |environment, service| {
        if service.routes.is_empty() {
            return;
        }
        let table = model.written.find(["services", &service.key, "routes"]).and_then(Node::table);
        for name in table.into_iter().flat_map(|table| table.keys()) {
            let own = |key| ["services", &service.key, "routes", name, key];
            let asked = model.written.find(own("strip-prefix"));
            let asked = asked.filter(|node| matches!(node.value, Value::Boolean(true)));
            let pathed = model.key_of(&environment.name, &own("path")).is_some();
            if let Some(node) = asked.filter(|_| !pathed) {
                let route = format!("route `{name}` of service `{}`", service.key);
                found.push(nothing_to_strip(node.span, &service.key, &route));
            }
        }
    });
}

fn nothing_to_strip(span: Span, key: &str, what: &str) -> Diagnostic {
    UNUSED_ROUTE_KEY
        .at(span, "has no effect", format!("{what} has `strip-prefix` and no `path`"))
        .about(format!("services.{key}"))
        .help("add `path`, or drop the key")
}

fn routes_of_services(model: &Model) -> impl Iterator<Item = &Route> {
    let routes = model.services().flat_map(|service| &service.routes);
    routes.filter(|route| route.port_number.is_some())
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
    for route in model.services().flat_map(|service| &service.routes) {
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

/// The hosts and paths of a route.
pub fn pairs(route: &Route) -> impl Iterator<Item = (&Spanned<String>, &str)> {
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

/// Traefik drops a chain that leads back to itself. What leads nowhere, and what nothing leads to, is no part of a
/// circle; once all such are taken away, the circles are left.
fn circles(all: &[Middleware], found: &mut Diagnostics) {
    let mut edges: Vec<(usize, usize)> = Vec::new();
    for (at, middleware) in all.iter().enumerate() {
        edges.extend(middleware.chain.iter().filter_map(|name| Some((at, position(all, name)?))));
    }
    let forward = peel(all.len(), &edges);
    let back: Vec<(usize, usize)> = edges.iter().map(|(from, to)| (*to, *from)).collect();
    let back = peel(all.len(), &back);
    for (at, middleware) in all.iter().enumerate().filter(|(at, _)| forward[*at] && back[*at]) {
        let name = &all[at].name;
        found.push(
            DEPENDENCY_CYCLE
                .at(
                    middleware.place,
                    "a chain in a circle",
                    format!("middleware `{name}` leads back to itself"),
                )
                .about(format!("ingress.middlewares.{name}"))
                .help("take one of the names out of `chain`"),
        );
    }
}

/// Which of so many are left once all that lead nowhere are taken away, one after the other.
fn peel(count: usize, edges: &[(usize, usize)]) -> Vec<bool> {
    let mut out = vec![0_usize; count];
    let mut into: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (from, to) in edges {
        out[*from] += 1;
        into[*to].push(*from);
    }
    let mut left = vec![true; count];
    let mut ends: Vec<usize> = (0..count).filter(|at| out[*at] == 0).collect();
    while let Some(at) = ends.pop() {
        left[at] = false;
        for from in &into[at] {
            out[*from] -= 1;
            if out[*from] == 0 {
                ends.push(*from);
            }
        }
    }
    left
}

/// The Gateway and certificates are applied before any stack is: a namespace that a stack brings is not there yet.
/// Told once for a namespace, and not where nobody says who applies what.
fn later_namespaces(model: &Model, ingress: &Ingress, found: &mut Diagnostics) {
    if model.gitops.is_none() {
        return;
    }
    let mut told = BTreeSet::new();
    let gateway =
        ingress.written_gateway.iter().map(|gateway| (&gateway.namespace, "ingress.gateway".to_owned()));
    let certificates = ingress.certificates.iter();
    let certificates = certificates.map(|one| (&one.namespace, format!("ingress.certificates.{}", one.name)));
    for (namespace, subject) in gateway.chain(certificates) {
        let stacks = model.environments.iter().flat_map(|environment| &environment.stacks);
        let mut own = stacks.filter(|stack| stack.namespace.value == namespace.value);
        if let Some(stack) = own.find(|stack| stack.writes_namespace)
            && told.insert(namespace.value.as_str())
        {
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
