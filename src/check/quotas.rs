//! Quotas: what all pods of a stack take together.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::movers::{greatest_copy, own_claims};
use crate::check::placement::{patched, pods};
use crate::check::resources::{Amount, Reading, limit, of_pod, request, shown};
use crate::check::rollouts::{starts_first, stuck};
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::inventory::policy::QuotaScope;
use crate::inventory::service::Kind;
use crate::model::container::Part;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::workload::ends;
use crate::model::{Environment, Model};
use crate::quantity::Quantity;
use crate::source::Span;

codes! { Resources:
    /// A namespace that asks for more than its quota.
    OVER_QUOTA = ("over-quota", Error, "a stack asks for more than its quota");
    /// A pod that a quota refuses because it says nothing.
    UNCOUNTED_UNDER_QUOTA = ("uncounted-under-quota", Error, "a pod without the request or limit that its stack's quota counts");
    /// A key of a quota that nothing ever counts against.
    UNENFORCED_QUOTA = ("unenforced-quota", Warning, "a quota of what Kubernetes never counts");
}

/// A sum over a quota, and where.
type Excess<'m> = (&'m Environment, &'m Stack, Use<'m>);

/// Runs every rule about quotas.
pub fn check(model: &Model, found: &mut Diagnostics) {
    // A sum that is the same wherever the stack runs is one finding.
    let mut over: BTreeMap<(String, String, Span), Vec<Excess<'_>>> = BTreeMap::new();
    for environment in &model.environments {
        for stack in &environment.stacks {
            let mut told = BTreeSet::new();
            for (key, most) in &stack.quota {
                found.extend(unenforced(stack, key, most));
                let sum = match stored(model, stack, key) {
                    Some(sum) => Some(Use { sum, steady: Quantity::ZERO, most: None }),
                    None => used(model, stack, key, most, found),
                };
                let Some(sum) = sum else { continue };
                if sum.sum > most.amount {
                    let group = (stack.name.clone(), key.clone(), most.span);
                    over.entry(group).or_default().push((environment, stack, sum));
                } else {
                    let crowded = no_room_to_roll(model, stack, (key, most), sum.steady);
                    let crowded =
                        crowded.into_iter().filter(|(service, _)| told.insert(service.key.as_str()));
                    found.extend(crowded.map(|(_, diagnostic)| diagnostic));
                }
            }
        }
    }
    for ((name, key, _), places) in over {
        let runs = model
            .environments
            .iter()
            .filter(|environment| environment.stacks.iter().any(|stack| stack.name == name));
        let same =
            places.iter().all(|(_, _, sum)| sum.sum == places[0].2.sum) && places.len() == runs.count();
        for (environment, stack, sum) in places.iter().take(if same { 1 } else { usize::MAX }) {
            let place = if same || model.environments.len() == 1 {
                String::new()
            } else {
                format!(" in `{}`", environment.name)
            };
            found.push(over_quota(stack, &key, sum, &place));
        }
    }
}

/// What all pods of a stack take of a quota's key, and who takes most; `None` for keys that the tree does not decide.
struct Use<'s> {
    sum: Quantity,
    /// Without what ends by itself.
    steady: Quantity,
    most: Option<(Quantity, &'s Service)>,
}

/// What one service takes of a quota's key; `None` for keys that the tree does not decide. `Err` if a pod says nothing
/// of what the quota counts: Kubernetes asks that of CPU and memory alone.
fn taken(stack: &Stack, service: &Service, key: &str, count: u64) -> Option<Result<Quantity, ()>> {
    let whole = |count: u64| Some(Ok(Quantity::from_integer(i64::try_from(count).unwrap_or(i64::MAX))));
    if matches!(key, "pods" | "count/pods") {
        return whole(count);
    }
    if let Some((resource, read)) = of_containers(key) {
        let must_say = matches!(resource, "cpu" | "memory") && count > 0;
        return Some(match of_pod(Some(stack), service, resource, read) {
            Some(amount) if amount.complete || !must_say => Ok(amount.sum.saturating_times(count)),
            _ if must_say => Err(()),
            _ => Ok(Quantity::ZERO),
        });
    }
    whole(made(service, key)?)
}

/// Whether a quota's key is about pods: only such keys have scopes.
fn is_of_pods(key: &str) -> bool {
    matches!(key, "pods" | "count/pods") || of_containers(key).is_some()
}

/// The resource of containers that a quota's key sums up, and what of it.
fn of_containers(key: &str) -> Option<(&str, Reading)> {
    let (resource, read): (&str, Reading) = match key.split_once('.') {
        Some(("requests", resource)) => (resource, request),
        Some(("limits", resource @ ("cpu" | "memory" | "ephemeral-storage"))) => (resource, limit),
        _ => (key, request),
    };
    let device = resource.contains('/') && resource.len() < key.len();
    let known = matches!(resource, "cpu" | "memory" | "ephemeral-storage");
    (known || device || resource.starts_with("hugepages-")).then_some((resource, read))
}

/// How many objects of a kind the tree makes for a service.
fn made(service: &Service, key: &str) -> Option<u64> {
    let kind = |kind: Kind| u64::from(service.kind == kind);
    Some(match key.strip_prefix("count/").unwrap_or(key) {
        "services" => {
            // A stateful set has another one, which gives its pods their names.
            let external = u64::from(service.external_service.is_some());
            u64::from(!service.ports.is_empty()) + external + kind(Kind::StatefulSet)
        }
        "configmaps" => u64::from(!service.files.data.is_empty()),
        "services.loadbalancers" => u64::from(service.load_balancer.is_some()),
        // Every port of such a Service takes a node port, whether it asks for one or not.
        "services.nodeports" => service.outside_ports().count() as u64,
        _ if !key.starts_with("count/") => return None,
        "deployments.apps" => kind(Kind::Deployment),
        "statefulsets.apps" => kind(Kind::StatefulSet),
        "daemonsets.apps" => kind(Kind::DaemonSet),
        "cronjobs.batch" => kind(Kind::CronJob),
        "jobs.batch" => kind(Kind::Job),
        "horizontalpodautoscalers.autoscaling" => u64::from(service.autoscale.is_some()),
        "poddisruptionbudgets.policy" => u64::from(service.disruption_budget.is_some()),
        "networkpolicies.networking.k8s.io" => u64::from(!service.policy_types.is_empty()),
        "serviceaccounts" => u64::from(service.rbac.is_some()),
        "roles.rbac.authorization.k8s.io" | "rolebindings.rbac.authorization.k8s.io" => {
            u64::from(service.rbac.as_ref().is_some_and(|rbac| !rbac.rules.is_empty()))
        }
        _ => return None,
    })
}

/// How many objects of a kind the tree makes for a stack beside those of its services, and how many Kubernetes makes by
/// itself in every namespace: `kube-root-ca.crt`, and the service account `default`.
fn beside(stack: &Stack, key: &str) -> (u64, i64) {
    let said = |says: bool| u64::from(says);
    match key.strip_prefix("count/").unwrap_or(key) {
        "configmaps" => {
            let shared = said(!stack.env.is_empty()) + said(!stack.network.is_empty());
            (shared + stack.dashboards.len() as u64, 1)
        }
        "serviceaccounts" => (0, 1),
        "networkpolicies.networking.k8s.io" if stack.isolate => {
            let movers = !stack.backups.is_empty() || stack.failover.is_some();
            let solvers = stack.solvers.as_ref().is_some_and(|solvers| !solvers.ingress_rules.is_empty());
            (1 + said(stack.closed.egress) + said(movers) + said(solvers), 0)
        }
        _ => (0, 0),
    }
}

/// What claims take of a quota's key: those of the stack, and those that each pod gets for itself.
fn stored(model: &Model, stack: &Stack, key: &str) -> Option<Quantity> {
    let size = |size: &Option<Amount>| size.as_ref().map_or(Quantity::ZERO, |size| size.amount);
    // What somebody else makes is not known; what can fail over is there twice.
    let made = stack.claims.iter().filter(|claim| !claim.existing);
    let own = made.map(|claim| (claim.class.as_deref(), size(&claim.size), claim.copies.len() as u64));
    let templates = stack.services.iter().flat_map(|service| {
        let count = if service.claim_templates.is_empty() { 0 } else { pods(model, service) };
        service
            .claim_templates
            .iter()
            .map(move |template| (template.class.as_deref(), size(&template.size), count))
    });
    let (wanted, what) = match key.split_once(".storageclass.storage.k8s.io/") {
        Some((class, what)) => (Some(class), what),
        None => (None, key.strip_prefix("count/").unwrap_or(key)),
    };
    let movers = own_claims(stack).into_iter().map(|claim| (claim.class, claim.size, 1));
    let movers = movers.chain(greatest_copy(stack).map(|(class, size)| (class, size, 1)));
    let claims =
        own.chain(templates).chain(movers).filter(|(class, ..)| wanted.is_none() || *class == wanted);
    match what {
        "persistentvolumeclaims" => {
            let count = claims.fold(0_u64, |sum, (.., count)| sum.saturating_add(count));
            Some(Quantity::from_integer(i64::try_from(count).unwrap_or(i64::MAX)))
        }
        "requests.storage" => {
            Some(claims.fold(Quantity::ZERO, |sum, (_, size, count)| {
                sum.saturating_add(size.saturating_times(count))
            }))
        }
        _ => None,
    }
}

/// Whether a quota with scopes counts a service's pods. They have no deadline.
fn in_scope(stack: &Stack, service: &Service) -> bool {
    // Nothing of it is as good as none said.
    let says = |part: &Part<'_>, resource: &str| {
        let (stack, own) = (Some(stack), part.resources);
        let amounts = [request(stack, own, resource), limit(stack, own, resource)];
        amounts.into_iter().flatten().any(|amount| amount.amount > Quantity::ZERO)
    };
    let best_effort = !service.containers().any(|part| says(&part, "cpu") || says(&part, "memory"));
    stack.quota_scopes.iter().all(|scope| match scope.value {
        QuotaScope::Terminating => false,
        QuotaScope::NotTerminating => true,
        QuotaScope::BestEffort => best_effort,
        QuotaScope::NotBestEffort => !best_effort,
    })
}

fn used<'s>(
    model: &Model,
    stack: &'s Stack,
    key: &str,
    quota: &Amount,
    found: &mut Diagnostics,
) -> Option<Use<'s>> {
    let of_pods = is_of_pods(key);
    if !of_pods && !stack.quota_scopes.is_empty() {
        return None;
    }
    let mut total = Use { sum: Quantity::ZERO, steady: Quantity::ZERO, most: None };
    // What ends by itself does not all run at once: there must be room for the greatest of it.
    let mut passing = Quantity::ZERO;
    for service in stack.services.iter().filter(|service| in_scope(stack, service)) {
        if of_pods && patched(service, &["resources", "containers", "replicas"]) {
            continue;
        }
        match taken(stack, service, key, pods(model, service))? {
            Ok(amount) => {
                match ends(service.kind) && of_pods && key != "count/pods" {
                    true => passing = passing.max(amount),
                    false => total.sum = total.sum.saturating_add(amount),
                }
                if amount > total.most.map_or(Quantity::ZERO, |(most, _)| most) {
                    total.most = Some((amount, service));
                }
            }
            Err(()) => {
                let message = format!(
                    "service `{}` does not say its `{key}`, which the quota of stack `{}` counts",
                    service.key, stack.name
                );
                found.push(
                    UNCOUNTED_UNDER_QUOTA
                        .at(service.place, "Kubernetes refuses its pods", message)
                        .because(quota.span, "the quota")
                        .about(service.subject())
                        .about(stack.subject())
                        .help(format!("add it to `resources`, or to `stacks.{}.limits`", stack.name)),
                );
            }
        }
    }
    let (own, by_kubernetes) = beside(stack, key);
    total.sum = total.sum.saturating_add(Quantity::from_integer(i64::try_from(own).unwrap_or(i64::MAX)));
    if total.sum > Quantity::ZERO {
        total.sum = total.sum.saturating_add(Quantity::from_integer(by_kubernetes));
    }
    total.steady = total.sum;
    total.sum = total.sum.saturating_add(passing);
    Some(total)
}

/// A rollout that adds a pod before it takes one away needs room for one more. How many pods an autoscaler has is not
/// known.
fn no_room_to_roll<'s>(
    model: &Model,
    stack: &'s Stack,
    (key, most): (&str, &Amount),
    steady: Quantity,
) -> Vec<(&'s Service, Diagnostic)> {
    if !is_of_pods(key) || stack.services.iter().any(|service| service.autoscale.is_some()) {
        return Vec::new();
    }
    let crowded = stack.services.iter().filter(|service| {
        let each = taken(stack, service, key, 1).and_then(Result::ok).unwrap_or_default();
        each > Quantity::ZERO
            && steady.saturating_add(each) > most.amount
            && in_scope(stack, service)
            && !patched(service, &["resources", "containers", "replicas"])
            && starts_first(service, pods(model, service))
    });
    let why = format!("the quota of stack `{}` has no room for its `{key}`", stack.name);
    crowded
        .map(|service| {
            let diagnostic = stuck(service, &why, Some((most.span, "the quota"))).about(stack.subject());
            (service.as_ref(), diagnostic)
        })
        .collect()
}

/// Kubernetes takes any key with a domain, and counts requests of devices alone.
fn unenforced(stack: &Stack, key: &str, most: &Amount) -> Option<Diagnostic> {
    let device = key.strip_prefix("limits.").unwrap_or(key);
    let counted = key.starts_with("requests.") || key.starts_with("count/") || key.contains(".storageclass.");
    if counted || !device.contains('/') || key.contains("kubernetes.io/") {
        return None;
    }
    let message = format!("the quota of stack `{}` has `{key}`, which Kubernetes never counts", stack.name);
    let diagnostic = UNENFORCED_QUOTA.at(most.span, "holds nobody back", message).about(stack.subject());
    Some(diagnostic.help(format!("write `\"requests.{device}\"`")))
}

fn over_quota(stack: &Stack, key: &str, sum: &Use<'_>, place: &str) -> Diagnostic {
    let most = &stack.quota[key];
    let message = format!(
        "stack `{}` takes {} of `{key}`{place}, and its quota is {}",
        stack.name,
        shown(key, sum.sum),
        most.text
    );
    let diagnostic =
        OVER_QUOTA.at(most.span, format!("{} is taken", shown(key, sum.sum)), message).about(stack.subject());
    let diagnostic = match sum.most {
        Some((amount, service)) => {
            diagnostic.because(service.place, format!("takes most: {}", shown(key, amount)))
        }
        None => diagnostic,
    };
    diagnostic.help(format!("raise the quota to {}, or ask for less", shown(key, sum.sum)))
}
