//! Policies of namespaces: flows that nothing closes, pods that no policy holds, limits of pods and claims.

use std::collections::{BTreeMap, BTreeSet};

use crate::address::parse_cidr;
use crate::check::movers::own_claims;
use crate::check::placement::patched;
use crate::check::resources::{
    Amount, CONTRADICTING_LIMITS, OUTSIDE_LIMIT_RANGE, Reading, limit, of_pod, request, shown,
};
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::inventory::policy::QuotaScope;
use crate::model::CONFLICTING_KEYS;
use crate::model::flows::{is_open, routed_ports};
use crate::model::ingress::Ingress;
use crate::model::policy::{AllowFrom, End};
use crate::model::service::Service;
use crate::model::stack::{Limits, Stack};
use crate::model::{Environment, Model};
use crate::quantity::Quantity;

codes! { Security:
    /// `egress` or `allow-from` where that direction is open anyway.
    UNNEEDED_FLOW = ("unneeded-flow", Warning, "`egress` or `allow-from` where the stack's network is open anyway");
    /// A pod on the host's network in an isolated stack.
    UNISOLATED_POD = ("unisolated-pod", Warning, "a pod on its node's network in an isolated stack, where no network policy holds");
    /// An address in `allow-from` that the pods never see.
    MASKED_SOURCE = ("masked-source", Warning, "`allow-from` names a client whose address the load balancer replaces by a node's");
    /// A namespace that nobody names.
    OPEN_TO_EVERY_NAMESPACE = ("open-to-every-namespace", Warning, "an isolated service that every namespace may reach, as nobody says where the router or Prometheus runs");
    /// A host's name where no policy can say it.
    HOST_NAME_IN_POLICY = ("host-name-in-policy", Error, "`egress` names a host, and only Cilium's policies can");
    /// `audit` or `warn` of pod security below `enforce`.
    WEAKER_THAN_ENFORCED = ("weaker-than-enforced", Warning, "`audit` or `warn` of pod security is weaker than `enforce`, so it never says anything");
}

/// Runs every rule about the policies of namespaces.
pub fn check(model: &Model, found: &mut Diagnostics) {
    open_to_every_namespace(model, found);
    for environment in &model.environments {
        let flows = flows_closed_by_others(environment);
        for stack in &environment.stacks {
            weaker_than_enforced(model, environment, stack, found);
            quota_scopes(stack, found);
            if let Some(limits) = &stack.limits {
                contradicting(stack, limits, found);
                claims_outside(stack, limits, found);
            }
            for service in &stack.services {
                if !model.unread.at(&["stacks", &stack.name, "isolate"]) {
                    unneeded_flow(stack, service, &flows, found);
                }
                host_names(model, stack, service, found);
                unisolated_pod(stack, service, found);
                masked_source(model, stack, service, found);
                pods_outside(stack, service, found);
            }
        }
    }
}

/// Namespaces that some stack closes: its policies hold for all of it.
fn flows_closed_by_others(environment: &Environment) -> BTreeMap<&str, (bool, bool)> {
    let mut closed: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
    for stack in &environment.stacks {
        let entry = closed.entry(stack.namespace.value.as_str()).or_default();
        entry.0 |= stack.closed.ingress;
        entry.1 |= stack.closed.egress;
    }
    closed
}

fn unneeded_flow(
    stack: &Stack,
    service: &Service,
    closed: &BTreeMap<&str, (bool, bool)>,
    found: &mut Diagnostics,
) {
    let (ingress, egress) = closed.get(stack.namespace.value.as_str()).copied().unwrap_or_default();
    let of_egress = service.egress.first().filter(|_| !egress).map(|rule| ("egress", rule.place));
    let of_ingress = service.allow_from.first().filter(|_| !ingress).map(|rule| ("allow-from", rule.place));
    for (key, place) in of_egress.into_iter().chain(of_ingress) {
        let isolate = if key == "egress" { "egress" } else { "ingress" };
        let message =
            format!("`{key}` of service `{}` opens what stack `{}` does not close", service.key, stack.name);
        found.push(
            UNNEEDED_FLOW
                .at(place, "has no effect", message)
                .because(stack.place, "its network is open in this direction")
                .about(service.subject())
                .help(format!(
                    "close it with `stacks.{}.isolate = \"{isolate}\"` (or true), or drop `{key}`",
                    stack.name
                )),
        );
    }
}

/// Without a namespace, the rules for the router and for Prometheus let every pod of the cluster in. Told once for
/// each of them, at the first service.
fn open_to_every_namespace(model: &Model, found: &mut Diagnostics) {
    let stacks = || model.environments.iter().flat_map(|environment| &environment.stacks);
    let closed = || {
        stacks().filter(|stack| stack.closed.ingress).flat_map(|stack| {
            let services = stack.services.iter().filter(|service| is_closed(service));
            services.map(move |service| (stack, service))
        })
    };
    let unknown = |router: &Ingress| router.namespace.is_none() && !router.by_cilium;
    let routed = |service: &Service| routed_ports(service, model).next().is_some();
    let by_router = model.ingress.as_ref().filter(|router| unknown(router)).and_then(|_| {
        let (stack, service) = closed().find(|(_, service)| routed(service))?;
        let place = service.hosts.first().map_or(service.place, |host| host.span);
        Some((stack, service, place, "its router", "ingress"))
    });
    let by_prometheus = Some(&model.monitoring).filter(|monitoring| monitoring.namespace.is_none());
    let by_prometheus = by_prometheus.and_then(|_| {
        let (stack, service) = closed().find(|(_, service)| service.monitor.is_some())?;
        let place = model.key_of("", &["services", &service.key, "monitor"]).unwrap_or(service.place);
        Some((stack, service, place, "Prometheus", "monitoring"))
    });
    for (stack, service, place, whom, table) in by_router.into_iter().chain(by_prometheus) {
        let message = format!(
            "service `{}` of an isolated stack lets every namespace in: nobody says in which one {whom} runs",
            service.key
        );
        found.push(
            OPEN_TO_EVERY_NAMESPACE
                .at(place, format!("for {whom}"), message)
                .because(stack.place, "this stack is isolated")
                .about(service.subject())
                .help(format!("write `{table}.namespace`, or declare its chart in `charts`")),
        );
    }
}

/// Whether policies hold for it, and do not let everybody in anyway.
fn is_closed(service: &Service) -> bool {
    !service.host_network.is_some_and(|flag| flag.value) && !is_open(service)
}

/// A policy of Kubernetes knows addresses only, and a host's may change at any time.
fn host_names(model: &Model, stack: &Stack, service: &Service, found: &mut Diagnostics) {
    if model.network.cilium || !stack.closed.egress {
        return;
    }
    for rule in &service.egress {
        let End::Host(name) = &rule.to else { continue };
        let message = format!(
            "service `{}` may connect to `{name}`, and policies of Kubernetes cannot name hosts",
            service.key
        );
        found
            .push(HOST_NAME_IN_POLICY.at(rule.place, "a host's name", message).about(service.subject()).help(
            "write `internet` or the host's network; if the cluster has Cilium, `network.cni = \"cilium\"`",
        ));
    }
}

fn unisolated_pod(stack: &Stack, service: &Service, found: &mut Diagnostics) {
    let Some(flag) = service.host_network.filter(|flag| flag.value && stack.isolate) else { return };
    let message = format!(
        "service `{}` is on its node's network, where the policies of stack `{}` do not hold",
        service.key, stack.name
    );
    found.push(
        UNISOLATED_POD
            .at(flag.span, "no policy holds here", message)
            .because(stack.place, "this stack is isolated")
            .about(service.subject())
            .help("use `host-port` or an `ip` instead, or a stack of its own without `isolate`"),
    );
}

/// With the traffic policy Cluster a client's address is lost on the way: a policy sees a node's.
fn masked_source(model: &Model, stack: &Stack, service: &Service, found: &mut Diagnostics) {
    let Some(balancer) = service.load_balancer.as_ref().filter(|balancer| !balancer.local) else { return };
    if !stack.closed.ingress || model.nodes.is_empty() {
        return;
    }
    let by_balancer = |allowed: &&AllowFrom| service.outside_ports().any(|port| allowed.opens(&port.name));
    for allowed in service.allow_from.iter().filter(by_balancer) {
        let End::Network(network) = &allowed.from else { continue };
        let Ok(range) = parse_cidr(network) else { continue };
        let mut nodes = model.nodes.iter().flat_map(|node| &node.addresses);
        if nodes.any(|address| range.contains(address.value)) {
            continue;
        }
        let message = format!(
            "clients in {network} reach service `{}` with a node's address, which `allow-from` does not let in",
            service.key
        );
        found.push(
            MASKED_SOURCE
                .at(allowed.place, "never seen by the policy", message)
                .because(balancer.place, "its load balancer replaces the client's address")
                .about(service.subject())
                .help("set `external-traffic-policy = \"Local\"`, which keeps the client's address"),
        );
    }
}

fn weaker_than_enforced(model: &Model, environment: &Environment, stack: &Stack, found: &mut Diagnostics) {
    let own = model.place_of(&environment.name, &["stacks", &stack.name, "pod-security"]);
    let (Some(place), Some(enforce)) = (own, stack.pod_security_levels.enforce) else { return };
    let levels = &stack.pod_security_levels;
    for (mode, level) in [("audit", levels.audit), ("warn", levels.warn)] {
        let Some(level) = level.filter(|level| *level < enforce) else { continue };
        let key = model.place_of(&environment.name, &["stacks", &stack.name, "pod-security", mode]);
        let message = format!(
            "stack `{}` enforces {} and has `{mode}` at {}, which says nothing of what is let in",
            stack.name,
            enforce.word(),
            level.word()
        );
        found.push(
            WEAKER_THAN_ENFORCED
                .at(key.unwrap_or(place), "weaker than what is enforced", message)
                .about(stack.subject())
                .help(format!("drop `{mode}`, or make it stricter than `enforce`")),
        );
    }
}

/// What the API server asks of a quota with scopes.
fn quota_scopes(stack: &Stack, found: &mut Diagnostics) {
    let scopes = &stack.quota_scopes;
    let has = |wanted: QuotaScope| scopes.iter().find(|scope| scope.value == wanted);
    let about = stack.subject();
    for (one, other) in [
        (QuotaScope::Terminating, QuotaScope::NotTerminating),
        (QuotaScope::BestEffort, QuotaScope::NotBestEffort),
    ] {
        let (Some(one), Some(other)) = (has(one), has(other)) else { continue };
        let message = format!("no pod is both {} and {}", one.word(), other.word());
        found.push(
            CONFLICTING_KEYS
                .at(other.span, "excludes the other", message)
                .because(one.span, "named here")
                .about(about.clone())
                .help("keep one of them"),
        );
    }
    let best_effort = has(QuotaScope::BestEffort).is_some();
    let counted = |key: &str| match best_effort {
        true => key == "pods",
        false => {
            let resource =
                key.strip_prefix("requests.").or_else(|| key.strip_prefix("limits.")).unwrap_or(key);
            key == "pods" || ["cpu", "memory"].contains(&resource)
        }
    };
    let Some(scope) = scopes.first() else { return };
    for (key, amount) in stack.quota.iter().filter(|(key, _)| !counted(key)) {
        found.push(
            CONFLICTING_KEYS
                .at(amount.span, "cannot be counted", format!("a quota with scopes cannot count `{key}`"))
                .because(scope.span, "has scopes")
                .about(about.clone())
                .help(match best_effort {
                    true => "with `BestEffort` only `pods` can be counted",
                    false => "only pods, CPU and memory can be counted",
                }),
        );
    }
}

fn contradicting(stack: &Stack, limits: &Limits, found: &mut Diagnostics) {
    let of_pods = limits
        .pod_min
        .iter()
        .filter_map(|(resource, min)| Some((resource.as_str(), min, limits.pod_max.get(resource)?)));
    let of_claims = limits.claim_min.iter().zip(&limits.claim_max).map(|(min, max)| ("storage", min, max));
    for (resource, min, max) in of_pods.chain(of_claims).filter(|(_, min, max)| min.amount > max.amount) {
        let message = format!(
            "`limits` of stack `{}` have `min` {} {resource} over `max` {}",
            stack.name, min.text, max.text
        );
        found.push(
            CONTRADICTING_LIMITS
                .at(min.span, "more than the most", message)
                .because(max.span, "the most")
                .about(stack.subject())
                .help("swap them"),
        );
    }
}

/// Which bound an amount breaks, and how.
fn broken<'a>(
    amount: Quantity,
    min: Option<&'a Amount>,
    max: Option<&'a Amount>,
) -> Option<(&'a Amount, &'static str)> {
    let over = max.filter(|max| amount > max.amount).map(|max| (max, "more"));
    over.or_else(|| min.filter(|min| amount < min.amount).map(|min| (min, "less")))
}

/// Claims of the stack, and those that each pod of a stateful set gets for itself.
fn claims_outside(stack: &Stack, limits: &Limits, found: &mut Diagnostics) {
    let own = stack.claims.iter().filter(|claim| !claim.existing);
    let own = own.map(|claim| (format!("claim `{}` asks", claim.name), &claim.size, stack.subject()));
    let templates = stack.services.iter().flat_map(|service| {
        service.claim_templates.iter().map(move |template| {
            let whose = format!("claims `{}` of service `{}` ask", template.name, service.key);
            (whose, &template.size, service.subject())
        })
    });
    let written = own.chain(templates).filter_map(|(who, size, subject)| {
        let size = size.as_ref()?;
        Some((who, size.amount, size.text.to_string(), size.span, subject))
    });
    let made = own_claims(stack).into_iter().map(|claim| {
        (format!("{} asks", claim.what), claim.size, claim.size.to_string(), claim.place, stack.subject())
    });
    for (who, amount, text, span, subject) in written.chain(made) {
        let bound = broken(amount, limits.claim_min.as_ref(), limits.claim_max.as_ref());
        let Some((bound, more)) = bound else { continue };
        let message = format!("{who} for {text}, {more} than a claim of its stack may");
        found.push(
            OUTSIDE_LIMIT_RANGE
                .at(span, format!("{more} than {}", bound.text), message)
                .because(bound.span, "the bound")
                .about(subject)
                .help(format!("ask for {}, or change `limits.pvc`", bound.text)),
        );
    }
}

/// The least and the most that a pod may ask for, against the sum of what its containers do.
fn pods_outside(stack: &Stack, service: &Service, found: &mut Diagnostics) {
    let Some(limits) = &stack.limits else { return };
    if patched(service, &["resources", "containers"]) {
        return;
    }
    let bounded: BTreeSet<&String> = limits.pod_min.keys().chain(limits.pod_max.keys()).collect();
    for resource in bounded {
        let (min, max) = (limits.pod_min.get(resource), limits.pod_max.get(resource));
        let of = |read: Reading| of_pod(Some(stack), service, resource, read);
        let (asked, most) = (of(request), of(limit));
        let mut said = None;
        for (verb, amount) in [("is limited to", &most), ("requests", &asked)] {
            // A request that is nothing but the limit is one fault, not two.
            let Some(amount) = amount.as_ref().filter(|amount| said != Some(amount.span)) else { continue };
            let Some((bound, more)) = broken(amount.sum, min, max) else { continue };
            said = Some(amount.span);
            found.push(
                OUTSIDE_LIMIT_RANGE
                    .at(
                        amount.span,
                        format!("{more} than {}", bound.text),
                        format!(
                            "service `{}` {verb} {} {resource}{}, {more} than a pod of its stack may",
                            service.key,
                            shown(resource, amount.sum),
                            if service.containers().count() > 1 { " in all" } else { "" },
                        ),
                    )
                    .because(bound.span, "the bound")
                    .about(service.subject())
                    .help(format!("use {}, or change `limits.pod`", bound.text)),
            );
        }
        let silent = [
            ("limit", "limits", max.filter(|_| most.is_none())),
            ("request", "requests", min.filter(|_| asked.is_none())),
        ];
        for (what, table, bound) in silent {
            if let Some(bound) = bound {
                found.push(silent_pod(stack, service, (what, table, resource), bound));
            }
        }
    }
}

/// A LimitRange with a most for pods refuses every pod without a limit of that resource, one with a least those
/// without a request.
fn silent_pod(
    stack: &Stack,
    service: &Service,
    (what, table, resource): (&str, &str, &str),
    bound: &Amount,
) -> Diagnostic {
    let message = format!(
        "service `{}` has no {what} of {resource}, which `limits.pod` of stack `{}` asks for",
        service.key, stack.name
    );
    let default = if what == "limit" { "default" } else { "default-request" };
    OUTSIDE_LIMIT_RANGE
        .at(service.place, format!("no {what}"), message)
        .because(
            bound.span,
            format!("the {} that a pod may ask for", if what == "limit" { "most" } else { "least" }),
        )
        .about(service.subject())
        .help(format!("add `resources.{table}.{resource}`, or `limits.{default}` of the stack"))
}
