//! The routes to a service: the one of its own `host`, and those under `routes`.

use crate::inventory;
use crate::inventory::MISSING_KEY;
use crate::inventory::ingress::ServiceRoute;
use crate::inventory::value::{OneOrMany, Text};
use crate::model::environment::Around;
use crate::model::host::full_hosts;
use crate::model::ingress::{Ingress, lower_paths, too_many};
use crate::model::middleware::position;
use crate::model::naming::{NameKind, check_name, report_unknown};
use crate::model::port::{Port, behind, named};
use crate::model::references::Resolver;
use crate::model::route::{Route, Wanted, lower_route};
use crate::model::stack::{Stack, known_secret};
use crate::source::{Span, Spanned};

/// A service has at most so many routes beside its own.
const MOST_ROUTES: usize = 32;

/// What routes have to know of the service that they lead to.
pub struct Reached<'s> {
    /// Its name in the inventory.
    pub key: &'s str,
    /// Its name in Kubernetes.
    pub name: &'s Spanned<String>,
    /// Its own host names, in full.
    pub hosts: &'s [Spanned<String>],
    /// Its own paths.
    pub paths: &'s [Spanned<String>],
    /// All of its ports.
    pub ports: &'s [Port],
    /// The one that its URL points at.
    pub main_port: Option<&'s str>,
}

/// The routes of a service, where something routes hosts: its own first.
pub fn lower_routes(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    stack: Option<&Stack>,
    table: &inventory::service::Service,
    service: &Reached<'_>,
) -> Vec<Route> {
    let Some(ingress) = &around.model.ingress else { return Vec::new() };
    let mut routes: Vec<Route> = Vec::new();
    if !service.hosts.is_empty() {
        let wanted = Wanted {
            name: &service.name.value,
            owner: format!("service `{}`", service.key),
            hosts: service.hosts.to_vec(),
            paths: service.paths.to_vec(),
            middlewares: &table.middlewares,
            strip_prefix: table.strip_prefix,
            tls: table.tls.as_deref(),
            beside: None,
            place: service.name.span,
            subject: format!("services.{}", service.key),
        };
        let route = lower_route(resolver, ingress, wanted);
        reach_secrets(resolver, ingress, stack, &table.middlewares);
        routes.push(lead(route, ingress, stack, service, service.main_port));
    }
    let more = table.routes.iter().filter_map(|(name, entry)| Some((name, entry.key, entry.value.on()?)));
    for (at, (name, place, own)) in more.enumerate() {
        if at == MOST_ROUTES {
            too_many(resolver, Some(place), MOST_ROUTES, "routes of one service");
            break;
        }
        let beside = routes.first().filter(|_| own.host.is_none() && own.tls.is_none());
        let asked = Asked { name, place, table: own, beside };
        let Some(route) = lower_one(resolver, ingress, stack, table, service, &asked) else { continue };
        let port = own.port.as_ref().map(|text| resolver.text(text));
        if let Some(port) = port.as_ref().filter(|port| named(service.ports, port).is_none()) {
            let known: Vec<&str> = service.ports.iter().map(|port| port.name.as_str()).collect();
            report_unknown(resolver, port, "port", &known);
            continue;
        }
        let port = port.as_ref().map(|port| port.value.as_str()).or(service.main_port);
        routes.push(lead(route, ingress, stack, service, port));
    }
    routes
}

/// A route as it is asked for.
struct Asked<'r> {
    name: &'r str,
    place: Span,
    table: &'r ServiceRoute,
    /// The service's own route, where hosts and TLS are the same.
    beside: Option<&'r Route>,
}

fn lower_one(
    resolver: &mut Resolver<'_>,
    ingress: &Ingress,
    stack: Option<&Stack>,
    table: &inventory::service::Service,
    service: &Reached<'_>,
    asked: &Asked<'_>,
) -> Option<Route> {
    let (name, place, own) = (asked.name, asked.place, asked.table);
    let path = format!("services.{}.routes.{name}", service.key);
    check_name(resolver, name, place, "a route", NameKind::Label);
    let hosts = match &own.host {
        Some(OneOrMany(hosts)) => full_hosts(resolver, hosts),
        // Whatever is wrong with them here is wrong because of this route.
        None => service.hosts.iter().map(|host| Spanned::new(host.value.clone(), place)).collect(),
    };
    if hosts.is_empty() {
        resolver.found.push(
            MISSING_KEY
                .at(
                    place,
                    "`host` is missing here",
                    format!("`{path}` needs `host`, as its service has none"),
                )
                .about(format!("services.{}", service.key))
                .help("add `host`, here or to the service"),
        );
        return None;
    }
    let paths = own.path.as_ref().map(|OneOrMany(paths)| paths.as_slice()).unwrap_or_default();
    let paths = lower_paths(resolver, paths, place);
    let middlewares = own.middlewares.given().unwrap_or(&table.middlewares);
    let wanted = Wanted {
        name: &format!("{}-{name}", service.name.value),
        owner: format!("service `{}`", service.key),
        hosts,
        paths,
        middlewares,
        strip_prefix: own.strip_prefix,
        tls: own.tls.as_deref().or(table.tls.as_deref()),
        beside: asked.beside,
        place,
        subject: format!("services.{}", service.key),
    };
    let route = lower_route(resolver, ingress, wanted);
    reach_secrets(resolver, ingress, stack, middlewares);
    Some(route)
}

fn lead(
    mut route: Route,
    ingress: &Ingress,
    stack: Option<&Stack>,
    service: &Reached<'_>,
    port: Option<&str>,
) -> Route {
    route.namespace = stack.map(|stack| stack.namespace.value.clone()).unwrap_or_default();
    behind(route, port.and_then(|port| named(service.ports, port)), ingress, &service.name.value)
}

/// A Secret of another stack is out of reach; one that the inventory does not declare is taken at its word.
fn reach_secrets(resolver: &mut Resolver<'_>, ingress: &Ingress, stack: Option<&Stack>, names: &[Text]) {
    for text in names {
        let middleware = position(&ingress.middlewares, &text.value);
        let secret = middleware.and_then(|at| ingress.middlewares[at].secret.as_ref());
        let declared = &resolver.inventory.tables.secrets;
        if let Some(secret) = secret.filter(|secret| declared.contains_key(&secret.value)) {
            known_secret(resolver, stack, &Spanned::new(secret.value.clone(), text.span));
        }
    }
}
