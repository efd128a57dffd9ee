//! What load balancers ask for: families, and pools that serve them.

use std::net::IpAddr;

use crate::address::Family;
use crate::check::addresses::{
    ADDRESSES_FROM_TWO_POOLS, POOL_REFUSES_SERVICE, SAME_FAMILY_ADDRESSES, UNSERVED_ADDRESS_FAMILY,
};
use crate::check::serving::{lets_have, namespaces_of_gateway, serves, serves_another};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::load_balancer::Provider;
use crate::model::Model;
use crate::model::balancer::LoadBalancer;
use crate::model::load_balancer::Pool;
use crate::model::service::Service;
use crate::source::Spanned;

/// Whoever asks for addresses.
struct Asker<'m> {
    /// In words: "service `web`".
    who: String,
    subject: String,
    addresses: &'m [Spanned<IpAddr>],
}

/// What one load balancer asks for must be something that it can be given.
pub fn requests(model: &Model, found: &mut Diagnostics) {
    let families = model.cluster.service_families();
    // Cilium and kube-vip give as many addresses as are asked for, from wherever they are.
    let one_of_each = model.load_balancer.provider == Provider::Metallb;
    for environment in &model.environments {
        for service in environment.services() {
            let Some(balancer) = &service.load_balancer else { continue };
            let who = format!("service `{}`", service.key);
            let asker = Asker { who, subject: service.subject(), addresses: &balancer.addresses };
            unserved_family(model, &asker, &families, found);
            if one_of_each {
                families_of(&asker, found);
                two_pools(model, &asker, found);
            }
            refused(model, service, balancer, &environment.namespace_suffix, found);
        }
    }
    for chart in &model.charts {
        for addresses in chart.addresses.values() {
            let subject = format!("charts.{}", chart.name);
            let asker = Asker { who: format!("chart `{}`", chart.name), subject, addresses };
            // Several addresses of a chart may be those of several Services.
            unserved_family(model, &asker, &families, found);
            refused_another(model, &asker, &chart.namespace, &[&chart.namespace], found);
        }
    }
    let gateway = model.ingress.as_ref().and_then(|ingress| ingress.written_gateway.as_ref());
    if let Some(gateway) = gateway {
        let (who, subject) = (format!("Gateway `{}`", gateway.name), "ingress.gateway".to_owned());
        let asker = Asker { who, subject, addresses: &gateway.addresses };
        unserved_family(model, &asker, &families, found);
        if one_of_each {
            families_of(&asker, found);
            two_pools(model, &asker, found);
        }
        refused_another(model, &asker, &gateway.namespace, &namespaces_of_gateway(model), found);
    }
}

/// Of what is no service of the inventory a pool knows the namespace alone.
fn refused_another(
    model: &Model,
    asker: &Asker<'_>,
    namespace: &str,
    namespaces: &[&str],
    found: &mut Diagnostics,
) {
    for address in asker.addresses {
        let pool = model.pool_of(address.value).filter(|pool| !serves_another(pool, namespaces));
        if let Some(pool) = pool {
            let who = format!("{} in namespace `{namespace}`", asker.who);
            found.push(refusal(model, pool, address, &who).about(&asker.subject));
        }
    }
}

fn families_of(asker: &Asker<'_>, found: &mut Diagnostics) {
    let family = |address: &Spanned<IpAddr>| Family::of(address.value);
    for (at, address) in asker.addresses.iter().enumerate() {
        // The same one twice is a duplicate.
        let second =
            |first: &&Spanned<IpAddr>| family(first) == family(address) && first.value != address.value;
        let Some(first) = asker.addresses[..at].iter().find(second) else { continue };
        let message = format!(
            "{} asks for two {} addresses; MetalLB gives one of each family",
            asker.who,
            family(address)
        );
        found.push(
            SAME_FAMILY_ADDRESSES
                .at(address.span, "the second of its family", message)
                .because(first.span, "the first")
                .about(&asker.subject)
                .help("keep one address of each family"),
        );
        return;
    }
}

fn unserved_family(model: &Model, asker: &Asker<'_>, families: &[Family], found: &mut Diagnostics) {
    if families.is_empty() {
        return;
    }
    for address in asker.addresses.iter().filter(|address| !families.contains(&Family::of(address.value))) {
        let family = Family::of(address.value);
        let message = format!(
            "{} asks for an {family} address, but the cluster's services have none of that family",
            asker.who
        );
        let mut diagnostic =
            UNSERVED_ADDRESS_FAMILY.at(address.span, format!("an {family} address"), message);
        for cidr in &model.cluster.service_cidrs {
            diagnostic = diagnostic.because(cidr.span, "ClusterIPs come from here");
        }
        found.push(
            diagnostic.about(&asker.subject).help(format!(
                "add an {family} network to `cluster.service-cidr`, or choose another address"
            )),
        );
    }
}

fn two_pools(model: &Model, asker: &Asker<'_>, found: &mut Diagnostics) {
    let [first, second] = asker.addresses else { return };
    let (Some(one), Some(two)) = (model.pool_of(first.value), model.pool_of(second.value)) else { return };
    if one.name == two.name {
        return;
    }
    let message = format!(
        "{} asks for addresses of two pools, `{}` and `{}`; MetalLB takes both from one",
        asker.who, one.name, two.name
    );
    found.push(
        ADDRESSES_FROM_TWO_POOLS
            .at(second.span, format!("of pool `{}`", two.name), message)
            .because(first.span, format!("of pool `{}`", one.name))
            .about(&asker.subject)
            .help("put a range of each family into one pool"),
    );
}

fn refused(model: &Model, service: &Service, balancer: &LoadBalancer, suffix: &str, found: &mut Diagnostics) {
    let subject = service.subject();
    let who = format!("service `{}` in namespace `{}`", service.key, service.namespace);
    for address in &balancer.addresses {
        let Some(pool) = model.pool_of(address.value) else { continue };
        if !lets_have(model, pool, service, suffix) {
            found.push(refusal(model, pool, address, &who).about(&subject));
        }
    }
    if !balancer.addresses.is_empty() || balancer.unread {
        return;
    }
    let asked =
        balancer.pool.as_ref().and_then(|name| model.pools().iter().find(|pool| pool.name == name.value));
    if let (Some(pool), Some(name)) = (asked, &balancer.pool) {
        if !serves(model, pool, service, suffix) {
            found.push(refusal(model, pool, name, &who).about(&subject));
        }
    } else if asked.is_none() && !model.pools().is_empty() {
        let mut automatic = model.pools().iter().filter(|pool| pool.auto_assign).peekable();
        let pool = automatic.peek().copied();
        if let Some(pool) = pool.filter(|_| !automatic.any(|pool| serves(model, pool, service, suffix))) {
            found.push(
                refusal(model, pool, &Spanned::new("any address", balancer.place), &who).about(&subject),
            );
        }
    }
}

fn refusal<T: std::fmt::Display>(model: &Model, pool: &Pool, wanted: &Spanned<T>, who: &str) -> Diagnostic {
    let limits: Vec<&str> =
        pool.namespaces.iter().chain(&pool.services).map(|name| name.value.as_str()).collect();
    let (why, help) = match model.load_balancer.provider {
        Provider::KubeVip => (
            "; what others have of it is not seen, and given out again",
            "choose an address outside it, or add a pool of this `namespace` or one without any",
        ),
        _ => (
            "",
            "choose an address of a pool that serves it, or add it to the pool's `namespaces` or `services`",
        ),
    };
    POOL_REFUSES_SERVICE
        .at(wanted.span, format!("asked for by {who}"), format!("pool `{}` does not serve {who}", pool.name))
        .because(pool.place, format!("serves only {}{why}", limits.join(", ")))
        .about(pool.subject.clone())
        .help(help)
}
