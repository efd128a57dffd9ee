//! A load balancer's address is one of a pool, and of the pool that is asked for.

use crate::address::Family;
use crate::check::addresses::{ADDRESS_OUTSIDE_POOLS, Offers};
use crate::check::sharing::asking;
use crate::diagnostic::Diagnostics;
use crate::inventory::load_balancer::Provider;
use crate::model::Model;
use crate::model::claims::{AddressClaim, ClaimKind};
use crate::source::Spanned;

/// A load balancer can only have an address of a pool. An inventory without pools leaves that to others.
pub fn outside_pools(model: &Model, claim: &AddressClaim, offers: &mut Offers<'_>, found: &mut Diagnostics) {
    if claim.kind != ClaimKind::LoadBalancer {
        return;
    }
    match model.load_balancer.provider {
        Provider::Servicelb => return outside_nodes(model, claim, found),
        // A fixed address is kube-vip's own affair: its pools only give out.
        Provider::KubeVip => return,
        _ if model.pools().is_empty() => return,
        _ => {}
    }
    let address = claim.range.first();
    let asked = asked_pool(model, claim);
    let holding = model.pool_of(address);
    let diagnostic = match (holding, asked) {
        (Some(pool), Some(asked)) if pool.name != asked.value => ADDRESS_OUTSIDE_POOLS
            .at(
                claim.span,
                format!("an address of pool `{}`", pool.name),
                format!("{address} is not in pool `{asked}`, which {} asks for", claim.owner),
            )
            .because(asked.span, "this pool is asked for"),
        (Some(_), _) => return,
        // What is in a pool that could not be read is anybody's guess.
        (None, _) if model.pools().iter().any(|pool| pool.unread) => return,
        (None, _) => {
            let pools = match model.pools() {
                [one] => format!("pool `{}`", one.name),
                few if few.len() <= 5 => {
                    few.iter().map(|pool| format!("`{}`", pool.name)).collect::<Vec<_>>().join(", ")
                }
                many => format!("any of {} pools", many.len()),
            };
            let message = format!("{address} of {} lies outside {pools}", claim.owner);
            let mut diagnostic =
                ADDRESS_OUTSIDE_POOLS.at(claim.span, "no pool can give this address", message);
            for pool in model.pools().iter().take(4) {
                let entries: Vec<String> =
                    pool.addresses.iter().take(6).map(|entry| entry.to_string()).collect();
                diagnostic =
                    diagnostic.because(pool.place, format!("`{}` holds {}", pool.name, entries.join(", ")));
            }
            diagnostic
        }
    };
    let diagnostic = diagnostic.about(&claim.subject);
    found.push(match offers.near(claim) {
        Some(free) => diagnostic.help(format!("{free} is free")),
        None => diagnostic,
    });
}

/// The pool that a service asks for by its name.
pub fn asked_pool<'m>(model: &'m Model, claim: &AddressClaim) -> Option<&'m Spanned<String>> {
    asking(model, claim.service?)?.1.pool.as_ref()
}

/// servicelb has no addresses but those of the nodes.
fn outside_nodes(model: &Model, claim: &AddressClaim, found: &mut Diagnostics) {
    let address = claim.range.first();
    let mut own = model.nodes.iter().flat_map(|node| &node.addresses);
    if model.nodes.is_empty() || own.any(|own| own.value == address) {
        return;
    }
    let message = format!("{address} of {} is no node's address, and servicelb has no others", claim.owner);
    let diagnostic = ADDRESS_OUTSIDE_POOLS.at(claim.span, "no node has it", message).about(&claim.subject);
    found.push(diagnostic.help("write `ip = \"auto\"`, or a node's address as `\"${nodes.NAME.ip}\"`"));
}

/// The pool that the other address of a dual-stack load balancer lies in: MetalLB gives both from one.
pub fn partners_pool(model: &Model, claim: &AddressClaim) -> Option<usize> {
    if model.load_balancer.provider != Provider::Metallb {
        return None;
    }
    let gateway = model.ingress.as_ref().and_then(|ingress| ingress.written_gateway.as_ref());
    let addresses = match claim.service {
        Some(place) => asking(model, place).map(|(_, balancer)| &balancer.addresses),
        None => gateway.filter(|_| claim.subject == "ingress.gateway").map(|gateway| &gateway.addresses),
    };
    let others = addresses.into_iter().flatten().filter(|address| address.span != claim.span);
    let mut others = others.filter(|address| Family::of(address.value) != claim.range.family());
    others.find_map(|address| model.pool_at(address.value))
}
