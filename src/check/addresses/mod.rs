//! Addresses: one sweep over every claim, and one table that says what two kinds in one place mean.

mod in_pools;
mod networks;
mod offers;
mod overlaps;
mod unused;

use std::collections::BTreeSet;

use crate::address::Claim;
use crate::check::addresses::in_pools::{asked_pool, outside_pools};
use crate::check::addresses::networks::{network_address, networks, outside_lan, unreachable};
pub use crate::check::addresses::offers::Offers;
use crate::check::addresses::overlaps::overlaps;
pub use crate::check::addresses::overlaps::ranges_of;
use crate::check::addresses::unused::unused_addresses;
use crate::check::exhaustion::exhausted;
use crate::check::requests::requests;
use crate::check::sharing::shared_addresses;
use crate::diagnostic::{Diagnostics, codes};
use crate::model::Model;
use crate::model::claims::AddressClaim;
use crate::source::Span;

codes! { Addresses:
    /// Two things have one address.
    DUPLICATE_ADDRESS = ("duplicate-address", Error, "two things have one address");
    /// A pool holds the address of a machine.
    POOL_HOLDS_HOST = ("pool-holds-host", Error, "a load balancer pool holds the address of a node, a NAS, the gateway or another machine");
    /// Two pool entries overlap: MetalLB refuses the whole configuration.
    OVERLAPPING_POOLS = ("overlapping-pools", Error, "two entries of load balancer pools overlap");
    /// The DHCP server may give out addresses of a pool.
    POOL_IN_DHCP = ("pool-in-dhcp", Error, "a load balancer pool overlaps what DHCP gives out");
    /// Two DHCP ranges overlap.
    OVERLAPPING_DHCP = ("overlapping-dhcp", Error, "two DHCP ranges overlap");
    /// A machine has a fixed address that DHCP may give to another.
    HOST_IN_DHCP = ("host-in-dhcp", Warning, "a machine's fixed address lies in what DHCP gives out");
    /// A load balancer asks for an address that DHCP may give to a machine.
    ADDRESS_IN_DHCP = ("address-in-dhcp", Error, "a load balancer's address lies in what DHCP gives out");
    /// The pods' or services' network overlaps something else.
    OVERLAPPING_CIDRS = ("overlapping-cidrs", Error, "the network of pods or services overlaps another network or address");
    /// An address outside every network of the LAN.
    ADDRESS_OUTSIDE_LAN = ("address-outside-lan", Error, "an address lies outside the LAN");
    /// A load balancer asks for an address that no pool has.
    ADDRESS_OUTSIDE_POOLS = ("address-outside-pools", Error, "a load balancer's address lies in no pool, or not in the one asked for");
    /// The first or last address of a network.
    NETWORK_ADDRESS = ("network-address", Error, "an address is its network's own or its broadcast address");
    /// More services want an address than the pools have.
    POOL_EXHAUSTED = ("pool-exhausted", Error, "more services ask for any address than the pools have left");
    /// A pool serves only some namespaces or services.
    POOL_REFUSES_SERVICE = ("pool-refuses-service", Error, "a pool does not serve the namespace or service that asks for its address");
    /// A service asks for more than one address of a family.
    SAME_FAMILY_ADDRESSES = ("same-family-addresses", Error, "a service asks for two addresses of one family");
    /// The two addresses of a dual-stack service.
    ADDRESSES_FROM_TWO_POOLS = ("addresses-from-two-pools", Error, "the two addresses of a dual-stack service lie in different pools");
    /// A chart's address that its values do not name.
    UNUSED_ADDRESS = ("unused-address", Warning, "an entry of a chart's `addresses` that nothing names");
    /// The cluster has no ClusterIPs of that family.
    UNSERVED_ADDRESS_FAMILY = ("unserved-address-family", Error, "a load balancer's address is of a family that the cluster's services do not have");
}

/// One claim is compared with at most this many others of each kind, so that a million alike stay affordable.
pub const MOST_PARTNERS: usize = 16;

/// Runs every rule about addresses.
pub fn check(model: &Model, found: &mut Diagnostics) {
    let mut offers = Offers::new(model);
    overlaps(model, &mut offers, found);
    shared_addresses(model, &mut offers, found);
    networks(model, found);
    // An address that several environments have by default is judged once where it stands, and once for each pool that
    // is asked for.
    let mut judged: BTreeSet<Span> = BTreeSet::new();
    let mut judged_for: BTreeSet<(Span, Option<Span>)> = BTreeSet::new();
    for claim in model.claims.iter().filter(|claim| !claim.told) {
        if judged.insert(claim.span) {
            network_address(model, claim, found);
            outside_lan(model, claim, found);
            unreachable(model, claim, found);
        }
        if judged_for.insert((claim.span, asked_pool(model, claim).map(|pool| pool.span))) {
            outside_pools(model, claim, &mut offers, found);
        }
    }
    requests(model, found);
    exhausted(model, found);
    unused_addresses(model, found);
}

/// What another claim stands for takes no part.
fn sweep_claims(model: &Model) -> Vec<Claim> {
    let class = |claim: &AddressClaim| if claim.told { u8::MAX } else { claim.kind as u8 };
    model.claims.iter().map(|claim| Claim { range: claim.range, class: class(claim) }).collect()
}
