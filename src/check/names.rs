//! Names: those that only one thing can have, those that are too long, and hosts that nobody routes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::check::holders::{Holder, each_service, report_clashes, taken_twice};
use crate::check::routes::{pairs, route_key};
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::inventory::service::Kind;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::{BAD_NAME, Environment, Model};
use crate::source::Span;

codes! { PortsAndNames:
    /// One Kubernetes name twice in one namespace.
    DUPLICATE_NAME = ("duplicate-name", Error, "two things of one kind have one name in one namespace");
    /// One host and path twice in the cluster.
    DUPLICATE_HOST = ("duplicate-host", Error, "two services are routed by one host and path");
    /// Two deliveries of one name.
    DUPLICATE_DELIVERY = ("duplicate-delivery", Error, "two stacks and environments make one name for the engine");
    /// A name that is too long for what Kubernetes makes of it.
    OVERLONG_NAME = ("overlong-name", Error, "a name that is too long for what is derived from it");
    /// One variable twice in one container.
    DUPLICATE_VARIABLE = ("duplicate-variable", Error, "a variable stands in `env` and in `secret-env`");
    /// `host` without `[ingress]`.
    UNROUTED_HOST = ("unrouted-host", Warning, "a `host` that nothing routes, because there is no `[ingress]`");
}

/// Runs every rule about names.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for environment in &model.environments {
        for service in environment.services() {
            duplicate_variables(model, environment, service, found);
            unrouted_host(model, environment, service, found);
            overlong_service_name(service, found);
        }
        duplicate_names(environment, found);
        second_names(environment, found);
        taken_services(environment, found);
        overlong_deliveries(environment, found);
    }
    taken_files(model, found);
    duplicate_releases(model, found);
    duplicate_hosts(model, found);
    duplicate_deliveries(model, found);
}

/// Files that every stack's base may have beside those of its services.
pub const OF_STACKS: [&str; 11] = [
    "alerts",
    "backups",
    "claims",
    "dashboards",
    "env",
    "external-secrets",
    KUSTOMIZATION,
    "namespace",
    "network",
    "network-policies",
    "quota",
];
/// Files of the infrastructure beside those of charts.
pub const OF_INFRASTRUCTURE: [&str; 3] = [KUSTOMIZATION, "priority-classes", "storage-classes"];
const KUSTOMIZATION: &str = "kustomization";

/// Services and charts that are called as another file of their folder is.
fn taken_files(model: &Model, found: &mut Diagnostics) {
    let mut told = BTreeSet::new();
    let services = model.services().chain(model.base.services());
    let services = services.filter(|service| OF_STACKS.contains(&service.key.as_str()));
    for service in services.filter(|service| told.insert(service.key.as_str())) {
        let (subject, keeps) =
            (service.subject(), format!("`name = \"{}\"` keeps what Kubernetes calls it", service.name));
        found.push(taken_file("service", &service.key, service.place, subject, &keeps));
    }
    for chart in model.charts.iter().filter(|chart| OF_INFRASTRUCTURE.contains(&chart.name.as_str())) {
        let (subject, keeps) = (
            format!("charts.{}", chart.name),
            format!("`release = \"{}\"` keeps what Helm calls it", chart.release),
        );
        found.push(taken_file("chart", &chart.name, chart.place, subject, &keeps));
    }
}

fn taken_file(what: &str, name: &str, place: Span, subject: String, keeps: &str) -> Diagnostic {
    let message =
        format!("{what} `{name}` would be written to `{name}.yaml`, which its folder has for something else");
    BAD_NAME
        .at(place, "the name of another file", message)
        .about(subject)
        .help(format!("call it otherwise in the inventory; {keeps}"))
}

/// Pods of a StatefulSet carry its name and a revision of 11 characters in a label, which takes 63
/// (kubernetes#64023). A CronJob's runs are named for it and the minute. Of 63 characters is a Service's name, too.
fn overlong_service_name(service: &Service, found: &mut Diagnostics) {
    let length = service.name.len();
    let (longest, reason) = match service.kind {
        Kind::StatefulSet => (52, "a stateful set: its pods' labels add 11 characters"),
        Kind::CronJob => (52, "a cron job: its runs' names add 11 characters"),
        _ if service.external_service.is_some() => {
            (54, "a service with internal ports: the Service for the others adds `-external`")
        }
        _ => return,
    };
    if length > longest && length <= 63 {
        found.push(
            OVERLONG_NAME
                .at(
                    service.place,
                    format!("{length} characters"),
                    format!("`{}` is too long for {reason}", service.name),
                )
                .about(service.subject())
                .help(format!("at most {longest} characters")),
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

fn duplicate_names(environment: &Environment, found: &mut Diagnostics) {
    let services = environment.services().filter(|service| !service.namespace.is_empty()).map(|service| {
        (("service", service.namespace.as_str(), Cow::from(&service.name)), service.subject(), service.place)
    });
    let secrets = environment.stacks.iter().flat_map(|stack| {
        stack.secrets.iter().map(|secret| {
            let key = ("secret", stack.namespace.as_str(), Cow::from(&secret.name));
            (key, format!("secrets.{}", secret.key), secret.place)
        })
    });
    let accounts = environment.services().filter_map(|service| {
        let account = &service.rbac.as_ref()?.account;
        let key = ("service account", service.namespace.as_str(), Cow::from(&account.value));
        Some((key, service.subject(), account.span))
    });
    report_names(services.chain(secrets).chain(accounts).chain(routes(environment)).collect(), found);
}

/// Routes whose names others could have: services have one name each, but for what `routes` adds to them.
fn routes(environment: &Environment) -> Vec<Named<'_>> {
    let all = || environment.services().filter(|service| !service.namespace.is_empty());
    if all().all(|service| service.routes.iter().all(|route| route.name == service.name)) {
        return Vec::new();
    }
    let mut names = Vec::new();
    for service in all() {
        for route in &service.routes {
            let key = |name| ("route", service.namespace.as_str(), name);
            names.push((key(Cow::from(&route.name)), service.subject(), route.place));
            if route.redirect {
                let name = Cow::from(format!("{}-redirect", route.name));
                names.push((key(name), service.subject(), route.place));
            }
        }
    }
    names
}

/// A stateful set has a second Service, by which its pods get their names, and a service with internal ports one for
/// the others.
fn second_names(environment: &Environment, found: &mut Diagnostics) {
    let reached = environment.services().filter(|service| !service.ports.is_empty());
    let reached: BTreeMap<(&str, &str), &Service> =
        reached.map(|service| ((service.namespace.as_str(), service.name.as_str()), service)).collect();
    let headless = environment.services().filter(|service| service.kind == Kind::StatefulSet).map(|set| {
        let gives = format!("the stateful set `{}` gives the Service of its pods", set.key);
        (set, format!("{}-headless", set.name), gives, "a stateful set")
    });
    let external = environment.services().filter_map(|owner| {
        let gives = format!("service `{}` gives the Service of its ports for the outside", owner.key);
        Some((owner, owner.external_service.as_ref()?.name.clone(), gives, "some ports are internal"))
    });
    for (owner, name, gives, why) in headless.chain(external) {
        let Some(service) = reached.get(&(owner.namespace.as_str(), name.as_str())) else { continue };
        let message = format!("service `{}` has the name that {gives}", service.key);
        found.push(
            DUPLICATE_NAME
                .at(service.place, format!("`{name}` again"), message)
                .because(owner.place, format!("{why}: there is a Service `{name}`"))
                .about(service.subject())
                .about(owner.subject())
                .help("give one of them another name"),
        );
    }
}

fn duplicate_releases(model: &Model, found: &mut Diagnostics) {
    let releases = model.charts.iter().map(|chart| {
        let key = ("release", chart.namespace.as_str(), Cow::from(&chart.release));
        (key, format!("charts.{}", chart.name), chart.place)
    });
    report_names(releases.collect(), found);
}

/// A thing with a name: kind, namespace and name, then in words, subject and place.
type Named<'m> = ((&'static str, &'m str, Cow<'m, str>), String, Span);

fn report_names(mut named: Vec<Named<'_>>, found: &mut Diagnostics) {
    named.sort_by(|one, other| (&one.0, one.2).cmp(&(&other.0, other.2)));
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

/// Environments live in one cluster, behind one router.
fn duplicate_hosts(model: &Model, found: &mut Diagnostics) {
    if model.ingress.is_none() {
        return;
    }
    let mut groups: BTreeMap<String, Vec<Holder>> = BTreeMap::new();
    each_service(model, |environment, service| {
        for (host, path) in service.routes.iter().flat_map(pairs) {
            let route = route_key(host, path);
            groups.entry(route).or_default().push(Holder { environment, service, span: host.span });
        }
    });
    let report = |route: &String, first: &Holder<'_>, second: &Holder<'_>| {
        taken_twice(&DUPLICATE_HOST, &format!("host `{route}`"), first, second)
            .help("give one of them another `host` or `path`; an environment's `domain` sets its hosts apart")
    };
    report_clashes(groups, report, found);
}

/// Services that the cluster brings along, which nobody may take over: namespace and name.
const OF_THE_CLUSTER: [(&str, &str, &str); 2] = [
    ("default", "kubernetes", "by which pods reach the API server"),
    ("kube-system", "kube-dns", "by which pods look up names"),
];

fn taken_services(environment: &Environment, found: &mut Diagnostics) {
    for service in environment.services().filter(|service| !service.ports.is_empty()) {
        let taken = OF_THE_CLUSTER
            .iter()
            .find(|(namespace, name, _)| service.namespace == *namespace && service.name == *name);
        let Some((namespace, name, what)) = taken else { continue };
        let message =
            format!("service `{}` would take over Service `{namespace}/{name}`, {what}", service.key);
        found.push(
            DUPLICATE_NAME
                .at(service.place, "the cluster's own", message)
                .about(service.subject())
                .help("give it another name, or its stack another namespace"),
        );
    }
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

fn unrouted_host(model: &Model, environment: &Environment, service: &Service, found: &mut Diagnostics) {
    if model.ingress.is_some() {
        return;
    }
    let host = service.hosts.first().map(|host| (host.span, format!("host `{host}`"), "host"));
    let routes = || model.key_of(&environment.name, &["services", &service.key, "routes"]);
    let wanted = host.or_else(|| Some((routes()?, "any of the routes".to_owned(), "routes")));
    let Some((span, what, key)) = wanted else { return };
    let message = format!("nothing routes {what} to service `{}`", service.key);
    found.push(
        UNROUTED_HOST
            .at(span, "nothing routes it", message)
            .about(service.subject())
            .help(format!("say what routes hosts: `[ingress]` with `provider`, or drop `{key}`")),
    );
}
