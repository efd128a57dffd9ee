//! What services ask of the load balancer: families, pools that serve them, and whether there is enough for all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::address::Family;
use crate::check::addresses::{
    ADDRESSES_FROM_TWO_POOLS, POOL_EXHAUSTED, POOL_REFUSES_SERVICE, SAME_FAMILY_ADDRESSES,
    UNSERVED_ADDRESS_FAMILY, available, pool_of, ranges_of,
};
use crate::check::sharing::{Asking, PortPair, ports_of, unlike};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::load_balancer::Provider;
use crate::model::balancer::LoadBalancer;
use crate::model::claims::ClaimKind;
use crate::model::load_balancer::Pool;
use crate::model::service::Service;
use crate::model::{Environment, Model};
use crate::source::Spanned;

/// What one service asks for must be something that the load balancer can give to it.
pub fn requests(model: &Model, found: &mut Diagnostics) {
    let families = model.cluster.service_families();
    for environment in &model.environments {
        for service in environment.services() {
            let Some(balancer) = &service.load_balancer else { continue };
            unserved_family(model, service, balancer, &families, found);
            // Cilium and kube-vip give as many addresses as are asked for, from wherever they are.
            if model.load_balancer.provider == Provider::Metallb {
                families_of(service, balancer, found);
                two_pools(model, service, balancer, found);
            }
            let suffix = &environment.namespace_suffix;
            refused(model, service, balancer, suffix, found);
        }
    }
    for chart in &model.charts {
        for address in chart.addresses.values().flatten() {
            let Some(pool) = pool_of(model, address.value).filter(|_| gates_addresses(model)) else {
                continue;
            };
            if !pool.namespaces.is_empty()
                && !pool.namespaces.iter().any(|name| name.value == chart.namespace.value)
            {
                let who = format!("chart `{}` in namespace `{}`", chart.name, chart.namespace);
                found.push(refusal(pool, address, &who).about(format!("charts.{}", chart.name)));
            }
        }
    }
}

fn families_of(service: &Service, balancer: &LoadBalancer, found: &mut Diagnostics) {
    let family = |address: &Spanned<IpAddr>| Family::of(address.value);
    for (at, address) in balancer.addresses.iter().enumerate() {
        let Some(first) = balancer.addresses[..at].iter().find(|first| family(first) == family(address))
        else {
            continue;
        };
        found.push(
            SAME_FAMILY_ADDRESSES
                .at(
                    address.span,
                    "the second of its family",
                    format!(
                        "service `{}` asks for two {} addresses; MetalLB gives one of each family",
                        service.key,
                        family(address)
                    ),
                )
                .because(first.span, "the first")
                .about(service.subject())
                .help("keep one address of each family"),
        );
        return;
    }
}

fn unserved_family(
    model: &Model,
    service: &Service,
    balancer: &LoadBalancer,
    families: &[Family],
    found: &mut Diagnostics,
) {
    if families.is_empty() {
        return;
    }
    for address in balancer.addresses.iter().filter(|address| !families.contains(&Family::of(address.value)))
    {
        let family = Family::of(address.value);
        let mut diagnostic = UNSERVED_ADDRESS_FAMILY.at(
            address.span,
            format!("an {family} address"),
            format!("service `{}` asks for an {family} address, but the cluster's services have none of that family", service.key),
        );
        for cidr in &model.cluster.service_cidrs {
            diagnostic = diagnostic.because(cidr.span, "ClusterIPs come from here");
        }
        found.push(
            diagnostic.about(service.subject()).help(format!(
                "add an {family} network to `cluster.service-cidr`, or choose another address"
            )),
        );
    }
}

fn two_pools(model: &Model, service: &Service, balancer: &LoadBalancer, found: &mut Diagnostics) {
    let [first, second] = balancer.addresses.as_slice() else { return };
    let (Some(one), Some(two)) = (pool_of(model, first.value), pool_of(model, second.value)) else { return };
    if one.name != two.name {
        found.push(
            ADDRESSES_FROM_TWO_POOLS
                .at(
                    second.span,
                    format!("of pool `{}`", two.name),
                    format!("service `{}` asks for addresses of two pools, `{}` and `{}`; MetalLB takes both from one", service.key, one.name, two.name),
                )
                .because(first.span, format!("of pool `{}`", one.name))
                .about(service.subject())
                .help("put a range of each family into one pool"),
        );
    }
}

fn refused(model: &Model, service: &Service, balancer: &LoadBalancer, suffix: &str, found: &mut Diagnostics) {
    let subject = service.subject();
    let who = format!("service `{}` in namespace `{}`", service.key, service.namespace);
    for address in &balancer.addresses {
        let Some(pool) = pool_of(model, address.value).filter(|_| gates_addresses(model)) else { continue };
        if !serves(model, pool, service, suffix) {
            found.push(refusal(pool, address, &who).about(&subject));
        }
    }
    if !balancer.addresses.is_empty() || balancer.unread {
        return;
    }
    let asked =
        balancer.pool.as_ref().and_then(|name| model.pools().iter().find(|pool| pool.name == name.value));
    if let (Some(pool), Some(name)) = (asked, &balancer.pool) {
        if !serves(model, pool, service, suffix) {
            found.push(refusal(pool, name, &who).about(&subject));
        }
    } else if asked.is_none() && !model.pools().is_empty() {
        let mut automatic = model.pools().iter().filter(|pool| pool.auto_assign).peekable();
        let pool = automatic.peek().copied();
        if let Some(pool) = pool.filter(|_| !automatic.any(|pool| serves(model, pool, service, suffix))) {
            found.push(refusal(pool, &Spanned::new("any address", balancer.place), &who).about(&subject));
        }
    }
}

/// Whether a pool decides who may ask for one of its addresses by name. kube-vip's only give out.
fn gates_addresses(model: &Model) -> bool {
    model.load_balancer.provider != Provider::KubeVip
}

/// Whether a pool's service allocation lets a service in: its namespace, with or without the environment's suffix,
/// and its name.
fn serves(model: &Model, pool: &Pool, service: &Service, suffix: &str) -> bool {
    if model.load_balancer.provider == Provider::KubeVip {
        let own = |pool: &Pool| pool.namespaces.iter().any(|name| name.value == service.namespace);
        return own(pool) || (pool.namespaces.is_empty() && !model.pools().iter().any(own));
    }
    let plain = service.namespace.strip_suffix(suffix).unwrap_or(&service.namespace);
    let namespace = pool.namespaces.is_empty()
        || pool.namespaces.iter().any(|name| name.value == service.namespace || name.value == plain);
    let named = pool.services.is_empty() || pool.services.iter().any(|name| name.value == service.key);
    namespace && named
}

fn refusal<T: std::fmt::Display>(pool: &Pool, wanted: &Spanned<T>, who: &str) -> Diagnostic {
    let limits: Vec<&str> =
        pool.namespaces.iter().chain(&pool.services).map(|name| name.value.as_str()).collect();
    POOL_REFUSES_SERVICE
        .at(wanted.span, format!("asked for by {who}"), format!("pool `{}` does not serve {who}", pool.name))
        .because(pool.place, format!("serves only {}", limits.join(", ")))
        .about(pool.subject.clone())
        .help(
            "choose an address of a pool that serves it, or add it to the pool's `namespaces` or `services`",
        )
}

/// One service of one environment that wants any address.
struct Wanting<'m> {
    asking: Asking<'m>,
    environment: &'m Environment,
    /// The pools that may serve it.
    eligible: Vec<usize>,
}

/// `ip = "auto"` takes what is left. Services with one key share an address as far as they are let.
pub fn exhausted(model: &Model, found: &mut Diagnostics) {
    let (pools, provider) = (model.pools(), model.load_balancer.provider);
    if pools.is_empty() {
        return;
    }
    let fixed = ranges_of(model, ClaimKind::LoadBalancer);
    let mut left: Vec<u128> = pools.iter().map(|pool| available(pool).minus(&fixed).len()).collect();
    let mut shared = addresses_with_keys(model);
    // Those with the fewest pools to choose from first: they cannot go elsewhere.
    let mut wanting = wanting(model);
    wanting.sort_by_key(|wanting| wanting.eligible.len());
    for wanting in wanting {
        let Wanting { asking, eligible, .. } = &wanting;
        let key = asking.1.share_key.as_ref().map(|key| key.value.as_str()).unwrap_or_default();
        // A pool of kube-vip shares without a key.
        let by_pool = eligible.iter().any(|pool| pools[*pool].allow_share);
        let key = if by_pool { "*" } else { key };
        let taken = shared.entry(key).or_default();
        let joined = taken
            .iter_mut()
            .find(|shared| eligible.contains(&shared.pool) && shared.admits(provider, *asking));
        if let Some(shared) = joined {
            shared.ports.extend(ports_of(provider, asking.0));
            continue;
        }
        match eligible.iter().find(|pool| left[**pool] > 0) {
            Some(pool) => {
                left[*pool] -= 1;
                if !key.is_empty() && taken.len() < MOST_SHARED {
                    taken.push(Shared { pool: *pool, first: *asking, ports: ports_of(provider, asking.0) });
                }
            }
            None => found.push(exhaustion(model, &wanting)),
        }
    }
}

/// Of one key, at most this many addresses are tried for another service to join.
const MOST_SHARED: usize = 64;

/// An address that services with one key share.
struct Shared<'m> {
    pool: usize,
    first: Asking<'m>,
    ports: BTreeSet<PortPair>,
}

impl Shared<'_> {
    fn admits(&self, provider: Provider, asking: Asking<'_>) -> bool {
        unlike(provider, self.first, asking).is_none()
            && self.ports.is_disjoint(&ports_of(provider, asking.0))
    }
}

/// By sharing key, the fixed addresses that others may join.
fn addresses_with_keys(model: &Model) -> BTreeMap<&str, Vec<Shared<'_>>> {
    let mut shared: BTreeMap<&str, BTreeMap<IpAddr, Shared<'_>>> = BTreeMap::new();
    let pool_at = |address: IpAddr| {
        model.pools().iter().position(|pool| pool.addresses.iter().any(|entry| entry.contains(address)))
    };
    for environment in &model.environments {
        for service in environment.services() {
            let Some(balancer) = &service.load_balancer else { continue };
            let Some(key) = balancer.share_key.as_ref().filter(|key| !key.is_empty()) else { continue };
            let address = balancer.addresses.first().map(|address| address.value);
            let Some((address, pool)) = address.and_then(|address| Some((address, pool_at(address)?))) else {
                continue;
            };
            let of_key = shared.entry(key.value.as_str()).or_default();
            let new = || Shared { pool, first: (service, balancer), ports: BTreeSet::new() };
            of_key
                .entry(address)
                .or_insert_with(new)
                .ports
                .extend(ports_of(model.load_balancer.provider, service));
        }
    }
    shared
        .into_iter()
        .map(|(key, addresses)| (key, addresses.into_values().take(MOST_SHARED).collect()))
        .collect()
}

/// Who wants any address. A service that every pool in question refuses has been reported by [`refused`].
fn wanting(model: &Model) -> Vec<Wanting<'_>> {
    let pools = model.pools();
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
            let may = |pool: &Pool| match &balancer.pool {
                Some(name) => pool.name == name.value,
                None => pool.auto_assign,
            };
            let serving = |pool: &Pool| serves(model, pool, service, &environment.namespace_suffix);
            let in_question: Vec<usize> = (0..pools.len()).filter(|at| may(&pools[*at])).collect();
            let eligible: Vec<usize> =
                in_question.iter().copied().filter(|at| serving(&pools[*at])).collect();
            if eligible.is_empty() && !in_question.is_empty() {
                continue;
            }
            wanting.push(Wanting { asking: (service, balancer), environment, eligible });
        }
    }
    wanting
}

fn exhaustion(model: &Model, wanting: &Wanting<'_>) -> Diagnostic {
    let pools = model.pools();
    let (service, balancer) = wanting.asking;
    let who = match model.environments.len() {
        1 => format!("service `{}`", service.key),
        _ => format!("service `{}` in {}", service.key, wanting.environment.name),
    };
    let message = match wanting.eligible.as_slice() {
        [] => format!("no pool gives {who} an address by itself"),
        [one] => format!("pool `{}` has no address left for {who}", pools[*one].name),
        _ => format!("no pool has an address left for {who}"),
    };
    let mut diagnostic = POOL_EXHAUSTED.at(balancer.place, "asks for any address", message);
    for pool in wanting.eligible.iter().take(4) {
        diagnostic = diagnostic
            .because(pools[*pool].place, "every address of this pool is taken")
            .about(pools[*pool].subject.clone());
    }
    let help = match wanting.eligible.as_slice() {
        [] => "set `auto-assign = true` on a pool, name a `pool`, or give a fixed address",
        _ if model.load_balancer.provider == Provider::KubeVip => {
            "enlarge the pool, or set `allow-share = true` on it: services whose ports differ then share an address"
        }
        _ => "enlarge the pool, or let services share an address with `share-ip`",
    };
    diagnostic.about(service.subject()).help(help)
}
