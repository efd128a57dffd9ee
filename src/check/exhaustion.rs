//! Whether the pools have an address for everyone who asks for any.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;

use crate::address::{Family, Range, RangeSet};
use crate::check::addresses::{POOL_EXHAUSTED, ranges_of};
use crate::check::matching::Matching;
use crate::check::placement::patched;
use crate::check::serving::serves;
use crate::check::sharing::{Asking, PortPair, ports_of, unlike};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::load_balancer::Provider;
use crate::model::claims::ClaimKind;
use crate::model::load_balancer::Pool;
use crate::model::service::Service;
use crate::model::{Environment, Model};

/// Of one key, at most this many addresses are tried for another service to join.
const MOST_SHARED: usize = 64;

/// One service of one environment that wants any address.
struct Wanting<'m> {
    asking: Asking<'m>,
    environment: &'m Environment,
    choice: Rc<Choice>,
}

/// What a service may choose from, and all that are like it.
#[derive(Default)]
struct Choice {
    /// The pools that may serve it.
    eligible: Vec<usize>,
    /// The slots that its address may come from.
    slots: Slots,
}

/// Slots: the addresses of one family in one pool, two slots for each pool.
type Slots = Rc<[usize]>;

fn slot(pool: usize, family: Family) -> usize {
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
    let (together, alone) = demands(model, &wanting);
    let (shared, unshared) = (assign(&together, left.clone()), assign(&alone, left));
    // Sharing may bind two services to a full pool where each alone finds room elsewhere.
    let unplaced = if unshared.len() < shared.len() { unshared } else { shared };
    for first in unplaced {
        found.push(exhaustion(model, &wanting[first]));
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

/// One address that is wanted, by one service or by several that share it.
struct Demand {
    /// Who wants it, or first of several.
    first: usize,
    slots: Slots,
}

/// An address that services with one key share.
struct Shared<'m> {
    slots: Slots,
    first: Asking<'m>,
    ports: BTreeSet<PortPair>,
    /// The demand for it; none for a fixed address.
    demand: Option<usize>,
}

impl Shared<'_> {
    /// The slots that are left to it if one more joins; `None` if that one cannot.
    fn with(&self, model: &Model, wanting: &Wanting<'_>, slots: &[usize]) -> Option<Slots> {
        let both: Slots =
            self.slots.iter().copied().filter(|slot| slots.binary_search(slot).is_ok()).collect();
        let provider = model.load_balancer.provider;
        let fits = !both.is_empty()
            && unlike(provider, self.first, wanting.asking).is_none()
            && self.ports.is_disjoint(&ports_of(model, wanting.asking.0));
        fits.then_some(both)
    }
}

/// The addresses that are wanted: as few as sharing allows, and as many as there would be without it. A service that
/// joins a fixed address wants none.
fn demands<'m>(model: &'m Model, wanting: &[Wanting<'m>]) -> (Vec<Demand>, Vec<Demand>) {
    let (mut together, mut alone): (Vec<Demand>, Vec<Demand>) = (Vec::new(), Vec::new());
    let mut shared = fixed_with_keys(model);
    for (first, wanting) in wanting.iter().enumerate() {
        let key = wanting.asking.1.share_key.as_ref().map(|key| key.value.as_str()).unwrap_or_default();
        // A pool of kube-vip shares without a key.
        let by_pool = shared_slots(model, wanting);
        let (key, slots) = if by_pool.is_empty() { (key, &wanting.choice.slots) } else { ("*", &by_pool) };
        let taken = shared.entry(key).or_default();
        let joins = taken.iter_mut().find_map(|shared| {
            let slots = shared.with(model, wanting, slots)?;
            Some((shared, slots))
        });
        if let Some((shared, slots)) = joins {
            shared.ports.extend(ports_of(model, wanting.asking.0));
            let Some(demand) = shared.demand else { continue };
            shared.slots = Rc::clone(&slots);
            together[demand].slots = slots;
        } else {
            if !key.is_empty() && taken.len() < MOST_SHARED {
                let (ports, demand) = (ports_of(model, wanting.asking.0), Some(together.len()));
                taken.push(Shared { slots: Rc::clone(slots), first: wanting.asking, ports, demand });
            }
            together.push(Demand { first, slots: Rc::clone(&wanting.choice.slots) });
        }
        alone.push(Demand { first, slots: Rc::clone(&wanting.choice.slots) });
    }
    (together, alone)
}

/// The slots of a service whose pools share by themselves: kube-vip's, of IPv4.
fn shared_slots(model: &Model, wanting: &Wanting<'_>) -> Slots {
    let shares = |at: &usize| at.is_multiple_of(2) && model.pools()[at / 2].allow_share;
    wanting.choice.slots.iter().copied().filter(shares).collect()
}

/// By sharing key, the fixed addresses that others may join.
fn fixed_with_keys(model: &Model) -> BTreeMap<&str, Vec<Shared<'_>>> {
    let mut shared: BTreeMap<&str, BTreeMap<IpAddr, Shared<'_>>> = BTreeMap::new();
    for service in model.services() {
        let Some(balancer) = &service.load_balancer else { continue };
        let Some(key) = balancer.share_key.as_ref().filter(|key| !key.is_empty()) else { continue };
        let address = balancer.addresses.first().map(|address| address.value);
        let Some((address, pool)) = address.and_then(|address| Some((address, model.pool_at(address)?)))
        else {
            continue;
        };
        let slots = Rc::from([slot(pool, Family::of(address))]);
        let new = || Shared { slots, first: (service, balancer), ports: BTreeSet::new(), demand: None };
        let of_key = shared.entry(key.value.as_str()).or_default();
        of_key.entry(address).or_insert_with(new).ports.extend(ports_of(model, service));
    }
    shared
        .into_iter()
        .map(|(key, addresses)| (key, addresses.into_values().take(MOST_SHARED).collect()))
        .collect()
}

/// Who wants any address. A service that every pool in question refuses is told of by `pool-refuses-service`.
fn wanting(model: &Model) -> Vec<Wanting<'_>> {
    // Pools that name services choose among those; to all others every service of a namespace is the same.
    let named: BTreeSet<&str> =
        model.pools().iter().flat_map(|pool| &pool.services).map(|name| name.value.as_str()).collect();
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
                .or_insert_with(|| choice(model, service, asked, suffix, &families).map(Rc::new));
            let choice = choice.as_ref().map(Rc::clone);
            wanting.extend(choice.map(|choice| Wanting { asking: (service, balancer), environment, choice }));
        }
    }
    wanting
}

/// What a service may choose from; `None` if every pool in question refuses it.
fn choice(
    model: &Model,
    service: &Service,
    asked: Option<&str>,
    suffix: &str,
    families: &[Family],
) -> Option<Choice> {
    let may = |pool: &Pool| match asked {
        Some(name) => pool.name == name,
        None => pool.auto_assign,
    };
    let in_question = || model.pools().iter().enumerate().filter(|(_, pool)| may(pool));
    let serving = in_question().filter(|(_, pool)| serves(model, pool, service, suffix));
    let eligible: Vec<usize> = serving.map(|(at, _)| at).collect();
    if eligible.is_empty() && in_question().next().is_some() {
        return None;
    }
    let slots = eligible.iter().flat_map(|at| families.iter().map(|family| slot(*at, *family))).collect();
    Some(Choice { eligible, slots })
}

/// The family of a Service that asks for none: the first one of the cluster's. Either, where nobody says.
fn families(model: &Model, service: &Service) -> Vec<Family> {
    match model.cluster.service_families().first() {
        Some(first) if !patched(service, &["ipFamilies", "ipFamilyPolicy"]) => vec![*first],
        _ => vec![Family::V4, Family::V6],
    }
}

/// Gives every demand a place in one of its slots, and returns who first wants what none is left for.
fn assign(demands: &[Demand], left: Vec<u128>) -> Vec<usize> {
    let mut matching = Matching::new(left);
    let unplaced = demands.iter().filter(|demand| !matching.place(&demand.slots));
    unplaced.map(|demand| demand.first).collect()
}

fn exhaustion(model: &Model, wanting: &Wanting<'_>) -> Diagnostic {
    let pools = model.pools();
    let (service, balancer) = wanting.asking;
    let who = match model.environments.len() {
        1 => format!("service `{}`", service.key),
        _ => format!("service `{}` in {}", service.key, wanting.environment.name),
    };
    let families = families(model, service);
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
    let mut diagnostic = POOL_EXHAUSTED.at(balancer.place, "asks for any address", message);
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
    diagnostic.about(service.subject()).help(help)
}
