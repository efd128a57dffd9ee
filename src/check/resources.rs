//! Resources: what a pod asks for, against its own limits and its namespace's.

use crate::check::placement::patched;
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::model::container::{Part, Role};
use crate::model::references::QuantityValue;
use crate::model::service::{Resources, Service};
use crate::model::stack::{Limits, Stack};
use crate::model::volume::Source;
use crate::model::{Environment, Model};
use crate::quantity::Quantity;
use crate::source::{Span, Spanned};

codes! { Resources:
    /// A request that the limit does not cover.
    REQUEST_OVER_LIMIT = ("request-over-limit", Error, "a request that is greater than its limit");
    /// A request or limit that the namespace's LimitRange refuses.
    OUTSIDE_LIMIT_RANGE = ("outside-limit-range", Error, "a request or limit that its namespace's `limits` refuse");
    /// A LimitRange that Kubernetes refuses.
    CONTRADICTING_LIMITS = ("contradicting-limits", Error, "`limits` of a stack that contradict each other");
    /// A GPU or the like that is not limited to what it requests.
    UNEVEN_DEVICE = ("uneven-device", Error, "a device whose request is not its limit");
    /// An amount that must have been meant in another unit.
    MISTAKEN_UNIT = ("mistaken-unit", Warning, "an amount of memory or storage that is counted in bytes, or in parts of them");
    /// A folder in memory that nothing bounds.
    UNBOUNDED_MEMORY_FOLDER = ("unbounded-memory-folder", Warning, "a folder in memory without a size, in a pod without a memory limit");
}

/// Runs every rule about resources.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for environment in &model.environments {
        for stack in &environment.stacks {
            contradicting_limits(stack, found);
            claim_units(stack, found);
        }
        for (stack, service) in placed(environment) {
            for part in service.containers() {
                request_over_limit(stack, service, &part, found);
                outside_limit_range(stack, service, &part, found);
                uneven_devices(service, &part, found);
                units(service, &part, found);
            }
            template_units(service, found);
            memory_folders(stack, service, found);
        }
    }
    node_units(model, found);
}

/// Every service, with its stack if that is known.
pub(super) fn placed(environment: &Environment) -> impl Iterator<Item = (Option<&Stack>, &Service)> {
    let in_stacks = environment
        .stacks
        .iter()
        .flat_map(|stack| stack.services.iter().map(move |service| (Some(stack), service.as_ref())));
    in_stacks.chain(environment.strays.iter().map(|service| (None, service.as_ref())))
}

pub(super) type Amount = Spanned<QuantityValue>;

/// As people write amounts of this resource.
pub(super) fn shown(resource: &str, amount: Quantity) -> String {
    if resource.ends_with("cpu") { amount.as_cpu() } else { amount.to_string() }
}

fn limits_of(stack: Option<&Stack>) -> Option<&Limits> {
    stack.and_then(|stack| stack.limits.as_ref())
}

/// What a container may use, and whether it says so itself: its limit, else the namespace's default.
pub fn limit<'s>(stack: Option<&'s Stack>, resources: &'s Resources, resource: &str) -> Option<&'s Amount> {
    let own = resources.limits.get(resource);
    own.or_else(|| limits_of(stack)?.default.get(resource)).or_else(|| limits_of(stack)?.max.get(resource))
}

/// What a container asks for. Kubernetes takes its own limit for a missing request before the namespace's defaults
/// are looked at.
pub fn request<'s>(stack: Option<&'s Stack>, resources: &'s Resources, resource: &str) -> Option<&'s Amount> {
    let own = resources.requests.get(resource).or_else(|| resources.limits.get(resource));
    let limits = limits_of(stack);
    own.or_else(|| limits?.default_request.get(resource))
        .or_else(|| limits?.default.get(resource))
        .or_else(|| limits?.max.get(resource))
        .or_else(|| limits?.min.get(resource))
}

/// What a container asks for or may use, by one of the two functions above.
pub(super) type Reading = for<'s> fn(Option<&'s Stack>, &'s Resources, &str) -> Option<&'s Amount>;

/// What a pod asks for or may use.
pub(super) struct PodAmount {
    pub(super) sum: Quantity,
    /// Where most of it is asked for.
    pub(super) span: Span,
    /// Whether every container says so.
    pub(super) complete: bool,
}

/// Kubernetes' rule: all containers that run together, or the greediest of those that prepare, whichever is more.
/// `None` if no container says anything.
pub(super) fn of_pod(
    stack: Option<&Stack>,
    service: &Service,
    resource: &str,
    read: Reading,
) -> Option<PodAmount> {
    let (mut together, mut before, mut complete) = (Quantity::ZERO, Quantity::ZERO, true);
    let mut most: Option<(Quantity, Span)> = None;
    for part in service.containers() {
        let Some(amount) = read(stack, part.resources, resource) else {
            complete = false;
            continue;
        };
        match part.role {
            Role::Init => before = before.max(amount.amount),
            Role::Native | Role::Beside => together = together.saturating_add(amount.amount),
        }
        if most.is_none_or(|(greatest, _)| amount.amount > greatest) {
            most = Some((amount.amount, amount.span));
        }
    }
    most.map(|(_, span)| PodAmount { sum: together.max(before), span, complete })
}

fn request_over_limit(stack: Option<&Stack>, service: &Service, part: &Part<'_>, found: &mut Diagnostics) {
    for (resource, wanted) in &part.resources.requests {
        let Some(most) = limit(stack, part.resources, resource) else { continue };
        if wanted.amount <= most.amount {
            continue;
        }
        let own = part.resources.limits.contains_key(resource);
        let (label, whose) = match own {
            true => ("the limit", "its limit"),
            false => ("the limit of whoever gives none", "the limit that its namespace gives it"),
        };
        let message = format!(
            "{} requests {} {resource}, more than {whose} of {}",
            part.named(&service.key),
            wanted.text,
            most.text
        );
        found.push(
            REQUEST_OVER_LIMIT
                .at(wanted.span, "more than the limit", message)
                .because(most.span, label)
                .about(service.subject())
                .help(format!("request at most {}, or raise the limit to {}", most.text, wanted.text)),
        );
    }
}

fn outside_limit_range(stack: Option<&Stack>, service: &Service, part: &Part<'_>, found: &mut Diagnostics) {
    let Some(limits) = limits_of(stack) else { return };
    let resources = [("requests", &part.resources.requests), ("limits", &part.resources.limits)];
    for (what, amounts) in resources {
        for (resource, amount) in amounts {
            let over = limits.max.get(resource).filter(|max| amount.amount > max.amount);
            let under = limits.min.get(resource).filter(|min| amount.amount < min.amount);
            // A request over its own limit is one fault, not two.
            let said = what == "requests"
                && part.resources.limits.get(resource).is_some_and(|most| amount.amount > most.amount);
            let bound = over
                .filter(|_| !said)
                .map(|max| (max, "more", "most"))
                .or(under.map(|min| (min, "less", "least")));
            let Some((bound, more, most)) = bound else { continue };
            found.push(
                OUTSIDE_LIMIT_RANGE
                    .at(
                        amount.span,
                        format!("{more} than {}", bound.text),
                        format!(
                            "{} {} {} {resource}, {more} than a container of its stack may",
                            part.named(&service.key),
                            if what == "requests" { "requests" } else { "is limited to" },
                            amount.text
                        ),
                    )
                    .because(bound.span, format!("the {most}"))
                    .about(service.subject())
                    .help(format!("the {most} is {}", bound.text)),
            );
        }
    }
}

/// The API server refuses a LimitRange whose values are not in this order.
fn contradicting_limits(stack: &Stack, found: &mut Diagnostics) {
    let Some(limits) = &stack.limits else { return };
    let rising = [
        ("min", &limits.min),
        ("default-request", &limits.default_request),
        ("default", &limits.default),
        ("max", &limits.max),
    ];
    for (at, (low, lows)) in rising.iter().enumerate() {
        for (high, highs) in &rising[at + 1..] {
            for (resource, less) in lows.iter() {
                let Some(more) = highs.get(resource).filter(|more| more.amount < less.amount) else {
                    continue;
                };
                let code = match (*low, *high) {
                    ("default-request", "default") => &REQUEST_OVER_LIMIT,
                    _ => &CONTRADICTING_LIMITS,
                };
                found.push(
                    code.at(
                        less.span,
                        format!("more than `{high}`"),
                        format!(
                            "`{low}` {resource} of stack `{}` is {}, more than its `{high}` of {}",
                            stack.name, less.text, more.text
                        ),
                    )
                    .because(more.span, format!("`{high}`"))
                    .about(stack.subject())
                    .help(format!("`{low}` must be at most `{high}`")),
                );
            }
        }
    }
}

/// Devices cannot be overcommitted: Kubernetes wants a limit, and a request that equals it.
fn uneven_devices(service: &Service, part: &Part<'_>, found: &mut Diagnostics) {
    for (resource, wanted) in &part.resources.requests {
        // `hugepages-` and names with a domain that is not Kubernetes' own.
        let device = resource.contains('/') && !resource.starts_with("kubernetes.io/");
        if !device {
            continue;
        }
        let most = part.resources.limits.get(resource);
        if most.is_some_and(|most| most.amount == wanted.amount) {
            continue;
        }
        let message = format!(
            "{} requests {} of `{resource}` without the same limit",
            part.named(&service.key),
            wanted.text
        );
        let mut diagnostic = UNEVEN_DEVICE.at(wanted.span, "must be the limit, too", message);
        if let Some(most) = most {
            diagnostic = diagnostic.because(most.span, "the limit");
        }
        found.push(
            diagnostic
                .about(service.subject())
                .help(format!("write `limits.\"{resource}\" = \"{}\"`", wanted.text)),
        );
    }
}

/// Kubernetes reads `512m` of memory as half a byte and `512` as bytes: who means so little says it in `k` or `Ki`.
fn too_small(resource: &str, amount: &Amount) -> bool {
    let bytes = ["memory", "storage", "ephemeral-storage"].contains(&resource);
    let unit = amount.text.trim().ends_with(|c: char| c.is_ascii_digit() || "mun".contains(c));
    bytes && unit && amount.amount > Quantity::ZERO && amount.amount < Quantity::from_integer(1 << 20)
}

fn mistaken(resource: &str, amount: &Amount, whose: &str) -> Diagnostic {
    let text = amount.text.trim();
    let digits: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let label = match text.ends_with('m') {
        true => "`m` is a thousandth, here of a byte",
        false => "counted in bytes",
    };
    MISTAKEN_UNIT
        .at(amount.span, label, format!("{resource} of {whose} is {text}: less than one mebibyte"))
        .help(format!("write `{digits}Mi` or `{digits}Gi`"))
}

fn units(service: &Service, part: &Part<'_>, found: &mut Diagnostics) {
    for (resource, amount) in part.resources.requests.iter().chain(&part.resources.limits) {
        if too_small(resource, amount) {
            found.push(mistaken(resource, amount, &part.named(&service.key)).about(service.subject()));
        }
    }
}

fn template_units(service: &Service, found: &mut Diagnostics) {
    for template in &service.claim_templates {
        if let Some(size) = template.size.as_ref().filter(|size| too_small("storage", size)) {
            let diagnostic = mistaken("the size", size, &format!("claims of service `{}`", service.key));
            found.push(diagnostic.about(service.subject()));
        }
    }
}

fn claim_units(stack: &Stack, found: &mut Diagnostics) {
    for claim in &stack.claims {
        if let Some(size) = claim.size.as_ref().filter(|size| too_small("storage", size)) {
            let diagnostic = mistaken("the size", size, &format!("claim `{}`", claim.name));
            found.push(diagnostic.about(stack.claim_subject(&claim.name)));
        }
    }
    let limits = stack.limits.iter().flat_map(|limits| {
        limits.default.iter().chain(&limits.default_request).chain(&limits.max).chain(&limits.min)
    });
    for (resource, amount) in limits.filter(|(resource, amount)| too_small(resource, amount)) {
        let diagnostic = mistaken(resource, amount, &format!("`limits` of stack `{}`", stack.name));
        found.push(diagnostic.about(stack.subject()));
    }
}

fn node_units(model: &Model, found: &mut Diagnostics) {
    for node in &model.nodes {
        if let Some(memory) = node.memory.as_ref().filter(|memory| too_small("memory", memory)) {
            let diagnostic = mistaken("memory", memory, &format!("node `{}`", node.name));
            found.push(diagnostic.about(format!("nodes.{}", node.name)));
        }
    }
}

/// A folder in memory counts against the pod's memory limit; without one it can fill the node.
fn memory_folders(stack: Option<&Stack>, service: &Service, found: &mut Diagnostics) {
    if limit(stack, &service.resources, "memory").is_some() || patched(service, &["resources", "containers"])
    {
        return;
    }
    for volume in &service.volumes {
        let Source::EmptyDir(folder) = &volume.source else { continue };
        if folder.medium == Some("Memory") && folder.size_limit.is_none() {
            let message =
                format!("folder `{}` of service `{}` can fill its node's memory", volume.name, service.key);
            found.push(
                UNBOUNDED_MEMORY_FOLDER
                    .at(volume.place, "in memory, of any size", message)
                    .about(service.subject())
                    .help("give it a size: `empty-dir = { memory = true, size = \"256Mi\" }`"),
            );
        }
    }
}
