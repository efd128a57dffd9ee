//! What pools hold, what they give out, and what of it is free.

use std::net::IpAddr;

use crate::address::{Family, Range, RangeSet};
use crate::model::Model;
use crate::model::claims::ClaimKind;
use crate::model::load_balancer::Pool;

/// Of more addresses than a /8 has, those that end in .0 and .255 are not looked up one by one.
const MOST_SINGLED_OUT: u128 = 1 << 24;

impl Pool {
    /// Whether an address lies in it, given out or not.
    pub fn holds(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|entry| entry.contains(address))
    }

    /// Everything that lies in it.
    pub fn all(&self) -> RangeSet {
        self.addresses.iter().map(|entry| entry.value).collect()
    }

    /// The addresses that it gives out.
    pub fn available(&self) -> RangeSet {
        let all = self.all();
        let ends: RangeSet = self
            .addresses
            .iter()
            .zip(&self.blocks)
            .flat_map(|(entry, block)| {
                let network = block.cidr.is_some();
                self.ends(entry.value, network).into_iter().map(Range::single)
            })
            .collect();
        all.minus(&ends).minus(&self.buggy())
    }

    /// Whether an address is the first or last of one of its networks, and kept back (Cilium). What is written by its
    /// ends has none: all of it is given out.
    pub fn keeps_back(&self, address: IpAddr) -> bool {
        let mut entries = self.addresses.iter().zip(&self.blocks);
        entries.any(|(entry, block)| self.ends(entry.value, block.cidr.is_some()).contains(&address))
    }

    fn ends(&self, entry: Range, network: bool) -> Vec<IpAddr> {
        let held = self.skips_ends && network && entry.len() > 2;
        if held { vec![entry.first(), entry.last()] } else { Vec::new() }
    }

    /// The IPv4 addresses that end in .0 and .255, where it leaves them out (MetalLB).
    fn buggy(&self) -> RangeSet {
        let fours =
            self.addresses.iter().map(|entry| entry.value).filter(|entry| entry.family() == Family::V4);
        let fours: RangeSet = fours.collect();
        if !self.avoid_buggy_ips || fours.len() > MOST_SINGLED_OUT {
            return RangeSet::default();
        }
        let bounds = fours.iter().filter_map(|range| match (range.first(), range.last()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => Some((first.to_bits() >> 8, last.to_bits() >> 8)),
            _ => None,
        });
        let ends = bounds.flat_map(|(first, last)| (first..=last).flat_map(|net| [net << 8, net << 8 | 255]));
        let ends: RangeSet = ends.map(|bits| Range::single(IpAddr::V4(bits.into()))).collect();
        ends.intersect(&fours)
    }
}

impl Model {
    /// The pool that holds an address; of several the first.
    pub fn pool_of(&self, address: IpAddr) -> Option<&Pool> {
        self.pools().get(self.pool_at(address)?)
    }

    /// Which of the pools that is.
    pub fn pool_at(&self, address: IpAddr) -> Option<usize> {
        let pools = || self.pools().iter().enumerate();
        let ranges =
            || pools().flat_map(|(at, pool)| pool.addresses.iter().map(move |entry| (entry.value, at)));
        self.pool_lookup.get_or_init(|| ranges().collect()).holder(address)
    }

    /// The network and broadcast addresses of the LAN: no use to anybody.
    pub fn lan_ends(&self) -> RangeSet {
        let lans = self.network.lan.iter().flat_map(|lan| [lan.network(), lan.broadcast()]);
        lans.flatten().map(Range::single).collect()
    }

    /// Addresses that nothing new may take, pools aside.
    pub fn taken(&self) -> RangeSet {
        let claimed =
            self.claims.iter().filter(|claim| !matches!(claim.kind, ClaimKind::Pool | ClaimKind::Lan));
        claimed.map(|claim| claim.range).chain(self.lan_ends().iter()).collect()
    }

    /// What is free in each pool, in their order: what a new service could ask for. Families that Services cannot have
    /// are left out.
    pub fn free_in_pools(&self) -> Vec<RangeSet> {
        let taken = self.taken();
        let families = self.cluster.service_families();
        let served = |range: &Range| families.is_empty() || families.contains(&range.family());
        let free = |pool: &Pool| pool.available().minus(&taken).iter().filter(served).collect();
        self.pools().iter().map(free).collect()
    }
}
