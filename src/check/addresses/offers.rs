//! Free addresses, offered in place of those that clash.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::address::{Family, Range, RangeSet};
use crate::check::addresses::in_pools::partners_pool;
use crate::check::serving::may_take;
use crate::model::Model;
use crate::model::claims::{AddressClaim, ClaimKind};
use crate::source::Span;

/// At most this many free addresses are looked for in one run.
const MOST_OFFERS: usize = 256;

/// Addresses that are still free in the pools, each offered once.
pub struct Offers<'m> {
    model: &'m Model,
    pools: Vec<RangeSet>,
    left: usize,
    /// What each place was offered: two findings on one address name one way out.
    made: BTreeMap<Span, IpAddr>,
}

impl<'m> Offers<'m> {
    /// Nothing is offered yet.
    pub fn new(model: &'m Model) -> Self {
        Self { model, pools: model.free_in_pools(), left: MOST_OFFERS, made: BTreeMap::new() }
    }

    /// The free address nearest to what a load balancer asks for, of a pool that may serve it. Machines are not offered
    /// any: theirs are not taken from pools.
    pub fn near(&mut self, claim: &AddressClaim) -> Option<IpAddr> {
        if claim.kind != ClaimKind::LoadBalancer || self.left == 0 {
            return None;
        }
        if let Some(made) = self.made.get(&claim.span) {
            return Some(*made);
        }
        let wanted = claim.range.first();
        let family = claim.range.family();
        let in_family =
            |free: &RangeSet| free.nearest(wanted).filter(|address| Family::of(*address) == family);
        let distance = |address: IpAddr| match (address, wanted) {
            (IpAddr::V4(a), IpAddr::V4(b)) => u128::from(u32::from(a).abs_diff(u32::from(b))),
            (IpAddr::V6(a), IpAddr::V6(b)) => u128::from(a).abs_diff(u128::from(b)),
            _ => u128::MAX,
        };
        let partner = partners_pool(self.model, claim);
        let serving = self.pools.iter().zip(self.model.pools()).enumerate();
        let serving = serving.filter(|(at, _)| partner.is_none_or(|partner| partner == *at));
        let serving =
            serving.filter(|(_, (_, pool))| may_take(self.model, pool, claim)).map(|(_, (free, _))| free);
        let offers = serving.filter_map(in_family);
        let best = offers.min_by_key(|address| distance(*address))?;
        let taken: RangeSet = [Range::single(best)].into_iter().collect();
        self.pools.iter_mut().for_each(|free| *free = free.minus(&taken));
        self.left -= 1;
        self.made.insert(claim.span, best);
        Some(best)
    }
}
