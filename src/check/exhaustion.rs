//! Whether the pools have an address for everyone who asks for any.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::address::{Family, Range, RangeSet};
use crate::check::addresses::{POOL_EXHAUSTED, ranges_of};
use crate::check::demands::demands;
use crate::check::matching::Matching;
use crate::check::placement::patched;
use crate::check::serving::{namespaces_of_gateway, serves, serves_another};
use crate::check::sharing::Asking;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::load_balancer::Provider;
use crate::model::claims::ClaimKind;
use crate::model::gateway::Gateway;
use crate::model::load_balancer::Pool;
use crate::model::service::Service;
use crate::model::{Environment, Model};
use crate::source::Span;

/// Who wants any address.
pub struct Wanting<'m> {
    /// Who that is.
    pub who: Who<'m>,
    /// What it may choose from.
    pub choice: Rc<Choice>,
}

/// Who asks for an address.
#[derive(Clone, Copy)]
pub enum Who<'m> {
    /// One service of one environment.
    Service(Asking<'m>, &'m Environment),
    /// The Gateway, whose controller makes a load balancer for it.
    Gateway(&'m Gateway),
}

/// What a service may choose from, and all that are like it.
#[derive(Default)]
pub struct Choice {
    /// The pools that may serve it.
    eligible: Vec<usize>,
    /// The slots that its address may come from.
    pub slots: Vec<usize>,
}

/// A slot: the addresses of one family in one pool, two slots for each pool.
pub fn slot(pool: usize, family: Family) -> usize {
    pool * 2 + usize::from(family == Family::V6)
}

/// `ip = "auto"` takes what is left. Services with one key share an address as far as they are let. Which pool a
/// service gets its address from is up to the load balancer, by priorities and by who came first, so only those are
/// reported for whom nothing is left however the others are placed.
pub fn exhausted(model: &Model, found: &mut Diagnostics) {
    let pools = model.pools();
    if pools.is_empty() {
        return;
    }
    let used: Vec<Range> =
        ranges_of(model, ClaimKind::LoadBalancer).iter().chain(model.lan_ends().iter()).collect();
    let used: RangeSet = used.into_iter().collect();
    let left: Vec<u128> = pools.iter().flat_map(|pool| left_of(pool, &used)).collect();
    // Those with the fewest to choose from first: they cannot go elsewhere.
    let mut wanting = wanting(model);
    wanting.sort_by_key(|wanting| wanting.choice.slots.len());
    let (demands, left) = demands(model, &wanting, left);
    let mut matching = Matching::new(left);
    for demand in demands.iter().filter(|demand| !matching.place(&demand.places)) {
        found.push(exhaustion(model, &wanting[demand.by]));
    }
}

/// How many addresses of each family a pool has left. Of one that could not be read nobody knows.
fn left_of(pool: &Pool, used: &RangeSet) -> [u128; 2] {
    if pool.unread {
        return [u128::MAX; 2];
    }
    let free = pool.available().minus(used);
    let count = |family: Family| {
        let ranges = free.iter().filter(|range| range.family() == family);
        ranges.fold(0_u128, |sum, range| sum.saturating_add(range.len()))
    };
    [count(Family::V4), count(Family::V6)]
}

/// Who wants any address. A service that every pool in question refuses is told of by `pool-refuses-service`.
fn wanting(model: &Model) -> Vec<Wanting<'_>> {
    // Pools that name services choose among those; to all others every service of a namespace is the same.
    let named: BTreeSet<&str> =
        model.pools().iter().flat_map(|pool| &pool.services).map(|name| name.value.as_str()).collect();
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, pool) in model.pools().iter().enumerate() {
        by_name.entry(pool.name.as_str()).or_default().push(at);
    }
    let auto: Vec<usize> = (0..model.pools().len()).filter(|at| model.pools()[*at].auto_assign).collect();
    let mut choices: BTreeMap<_, Option<Rc<Choice>>> = BTreeMap::new();
    let mut wanting = Vec::new();
    for environment in &model.environments {
        for service in environment.services() {
            let Some(balancer) = service
                .load_balancer
                .as_ref()
                .filter(|balancer| balancer.addresses.is_empty() && !balancer.unread)
            else {
                continue;
            };
            let families = families(model, service);
            let asked = balancer.pool.as_ref().map(|name| name.value.as_str());
            let own = named.get(service.key.as_str()).copied();
            let suffix = environment.namespace_suffix.as_str();
            let choice = choices
                .entry((asked, service.namespace.as_str(), suffix, own, families.len()))
                .or_insert_with(|| {
                    let in_question = match asked {
                        Some(name) => by_name.get(name).map(Vec::as_slice).unwrap_or_default(),
                        None => auto.as_slice(),
                    };
                    choice(model, service, in_question, suffix, &families).map(Rc::new)
                });
            let choice = choice.as_ref().map(Rc::clone);
            let who = Who::Service((service, balancer), environment);
            wanting.extend(choice.map(|choice| Wanting { who, choice }));
        }
    }
    wanting.extend(gateway(model));
    wanting
}

/// What a service may choose from; `None` if every pool in question refuses it.
fn choice(
    model: &Model,
    service: &Service,
    in_question: &[usize],
    suffix: &str,
    families: &[Family],
) -> Option<Choice> {
    let serving = in_question.iter().filter(|at| serves(model, &model.pools()[**at], service, suffix));
    let eligible: Vec<usize> = serving.copied().collect();
    if eligible.is_empty() && !in_question.is_empty() {
        return None;
    }
    Some(Choice { slots: slots_of(&eligible, families), eligible })
}

fn slots_of(eligible: &[usize], families: &[Family]) -> Vec<usize> {
    eligible.iter().flat_map(|at| families.iter().map(|family| slot(*at, *family))).collect()
}

/// The Gateway, if it wants any address. Where no pool is known to serve it nobody knows what it gets.
fn gateway(model: &Model) -> Option<Wanting<'_>> {
    let gateway = model.gateway_for_any_address()?;
    let namespaces = namespaces_of_gateway(model);
    let may = |pool: &Pool| pool.auto_assign && serves_another(pool, &namespaces);
    let pools = model.pools().iter().enumerate();
    let eligible: Vec<usize> = pools.filter(|(_, pool)| may(pool)).map(|(at, _)| at).collect();
    let slots = slots_of(&eligible, &families_by_default(model));
    let choice = Rc::new(Choice { eligible, slots });
    (!choice.eligible.is_empty()).then_some(Wanting { who: Who::Gateway(gateway), choice })
}

/// The family of a Service that asks for none: the first one of the cluster's. Either, where nobody says.
fn families(model: &Model, service: &Service) -> Vec<Family> {
    match patched(service, &["ipFamilies", "ipFamilyPolicy"]) {
        true => vec![Family::V4, Family::V6],
        false => families_by_default(model),
    }
}

fn families_by_default(model: &Model) -> Vec<Family> {
    match model.cluster.service_families().first() {
        Some(first) => vec![*first],
        None => vec![Family::V4, Family::V6],
    }
}

fn exhaustion(model: &Model, wanting: &Wanting<'_>) -> Diagnostic {
    let pools = model.pools();
    let (who, subject, place, families) = named(model, wanting.who);
    // The family is named where a pool has addresses of another one.
    let other = |at: &usize| pools[*at].addresses.iter().any(|range| !families.contains(&range.family()));
    let of_family = match families.as_slice() {
        [family] if wanting.choice.eligible.iter().any(other) => format!("{family} "),
        _ => String::new(),
    };
    let message = match wanting.choice.eligible.as_slice() {
        [] => format!("no pool gives {who} an address by itself"),
        [one] => format!("pool `{}` has no {of_family}address left for {who}", pools[*one].name),
        _ => format!("no pool has an {of_family}address left for {who}"),
    };
    let taken = match of_family.as_str() {
        "" => "every address of this pool is taken".to_owned(),
        _ => format!("it has no {of_family}address left"),
    };
    let mut diagnostic = POOL_EXHAUSTED.at(place, "asks for any address", message);
    for pool in wanting.choice.eligible.iter().take(4) {
        diagnostic =
            diagnostic.because(pools[*pool].place, taken.clone()).about(pools[*pool].subject.clone());
    }
    let shares = wanting.choice.eligible.iter().any(|at| pools[*at].allow_share);
    let help = match wanting.choice.eligible.as_slice() {
        [] => "set `auto-assign = true` on a pool, name a `pool`, or give a fixed address",
        _ if shares => "enlarge the pool, or give services ports that differ: they then share an address",
        _ if model.load_balancer.provider == Provider::KubeVip => {
            "enlarge the pool, or set `allow-share = true` on it: services whose ports differ then share an address"
        }
        _ => "enlarge the pool, or let services share an address with `share-ip`",
    };
    diagnostic.about(subject).help(help)
}

/// In words, as an inventory path, where it asks, and for which families.
fn named(model: &Model, who: Who<'_>) -> (String, String, Span, Vec<Family>) {
    match who {
        Who::Service((service, balancer), environment) => {
            let who = match model.environments.len() {
                1 => format!("service `{}`", service.key),
                _ => format!("service `{}` in {}", service.key, environment.name),
            };
            (who, service.subject(), balancer.place, families(model, service))
        }
        Who::Gateway(gateway) => {
            let who = format!("Gateway `{}`", gateway.name);
            (who, "ingress.gateway".to_owned(), gateway.place, families_by_default(model))
        }
    }
}
