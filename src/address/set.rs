//! Many ranges as one set.

use super::range::{Family, Range, number};
use std::net::IpAddr;

/// A set of addresses of both families, kept as ranges. Two sets with the same addresses are equal, however
/// they were put together. Used to offer a free address: `pools.minus(&taken).first()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet {
    // Sorted, disjoint, and never adjacent: what touches is one range.
    ranges: Vec<Range>,
}

/// Ranges in any order, overlapping or not. Takes n log n.
impl FromIterator<Range> for RangeSet {
    fn from_iter<I: IntoIterator<Item = Range>>(ranges: I) -> Self {
        let mut sorted: Vec<Range> = ranges.into_iter().collect();
        sorted.sort_unstable();
        let mut ranges: Vec<Range> = Vec::new();
        for range in sorted {
            match ranges.last_mut().and_then(|last| Some((joined(*last, range)?, last))) {
                Some((both, last)) => *last = both,
                None => ranges.push(range),
            }
        }
        Self { ranges }
    }
}

/// `a` and `b` as one range if they overlap or touch. `a` must not start after `b`.
fn joined(a: Range, b: Range) -> Option<Range> {
    let ((first, a_last), (b_first, b_last)) = (a.numbers(), b.numbers());
    if a.family() != b.family() || a_last.saturating_add(1) < b_first {
        return None;
    }
    Range::of_numbers(a.family(), first, a_last.max(b_last))
}

impl RangeSet {
    /// The addresses of one family.
    #[must_use]
    pub fn of_family(&self, family: Family) -> Self {
        self.ranges.iter().copied().filter(|range| range.family() == family).collect()
    }

    /// The addresses that are here and not in `taken`. Takes n log n.
    pub fn minus(&self, taken: &Self) -> Self {
        let mut left = Vec::new();
        let mut cuts = taken.ranges.as_slice();
        for range in &self.ranges {
            cuts = &cuts[ended_before(cuts, *range)..];
            cut_out(*range, cuts, &mut left);
        }
        Self { ranges: left }
    }

    /// The addresses that are in both. Takes n log n.
    pub fn intersect(&self, other: &Self) -> Self {
        let mut ranges = Vec::new();
        let mut others = other.ranges.as_slice();
        for range in &self.ranges {
            others = &others[ended_before(others, *range)..];
            ranges.extend(others.iter().map_while(|other| range.intersection(*other)));
        }
        Self { ranges }
    }

    /// Whether `address` is in it. Takes log n.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.at_or_after(address).is_some_and(|range| range.contains(address))
    }

    /// The lowest address, IPv4 before IPv6.
    pub fn first(&self) -> Option<IpAddr> {
        self.ranges.first().map(|range| range.first())
    }

    /// The member closest to `address`, of its family: itself or the next one after it, or, if there is
    /// none, the last one before it.
    pub fn nearest(&self, address: IpAddr) -> Option<IpAddr> {
        let (family, _) = number(address);
        if let Some(after) = self.at_or_after(address) {
            return Some(after.first().max(address));
        }
        self.ranges.iter().rfind(|range| range.family() == family).map(|range| range.last())
    }

    /// How many addresses; saturates at `u128::MAX`.
    pub fn len(&self) -> u128 {
        self.ranges.iter().fold(0, |sum, range| sum.saturating_add(range.len()))
    }

    /// Whether no address is in it.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The ranges, sorted, disjoint and as few as possible.
    pub fn iter(&self) -> impl Iterator<Item = Range> + '_ {
        self.ranges.iter().copied()
    }

    /// Every address in order, one by one. A set may hold more of them than anyone can count: take a few.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.iter().flat_map(|range| {
            let (first, last) = range.numbers();
            (first..=last).map(move |number| range.family().address(number))
        })
    }

    /// The first range that ends at or after `address` and is of its family.
    fn at_or_after(&self, address: IpAddr) -> Option<Range> {
        let key = number(address);
        let at = self.ranges.partition_point(|range| (range.family(), range.numbers().1) < key);
        self.ranges.get(at).copied().filter(|range| range.family() == key.0)
    }
}

/// How many of the sorted `ranges` end before `range` begins.
fn ended_before(ranges: &[Range], range: Range) -> usize {
    let begin = (range.family(), range.numbers().0);
    ranges.partition_point(|other| (other.family(), other.numbers().1) < begin)
}

/// Adds to `left` what remains of `range` after the sorted `cuts`, none of which ends before it.
fn cut_out(range: Range, cuts: &[Range], left: &mut Vec<Range>) {
    let (mut first, last) = range.numbers();
    for cut in cuts.iter().take_while(|cut| cut.overlaps(range)) {
        let (cut_first, cut_last) = cut.numbers();
        if cut_first > first {
            left.extend(Range::of_numbers(range.family(), first, cut_first - 1));
        }
        match cut_last.checked_add(1) {
            Some(next) => first = next,
            None => return,
        }
    }
    left.extend(Range::of_numbers(range.family(), first, last));
}

#[cfg(test)]
mod tests {
    use super::{Range, RangeSet};
    use crate::address::parse_range_or_host;
    use proptest::collection::vec;
    use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};
    use std::collections::BTreeSet;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    fn set(ranges: &[&str]) -> RangeSet {
        ranges.iter().map(|text| parse_range_or_host(text).unwrap()).collect()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn shown(set: &RangeSet) -> Vec<String> {
        set.iter().map(|range| range.to_string()).collect()
    }

    #[test]
    fn what_overlaps_or_touches_is_one_range() {
        let set = set(&[
            "10.0.0.6",
            "10.0.0.4-10.0.0.5",
            "10.0.0.0/30",
            "10.0.0.2-10.0.0.3",
            "10.0.0.7",
            "10.0.0.9",
        ]);
        assert_eq!(shown(&set), ["10.0.0.0/29", "10.0.0.9"]);
    }

    #[test]
    fn families_stay_apart() {
        let set = set(&["255.255.255.255", "::", "fd00::1"]);
        assert_eq!(shown(&set), ["255.255.255.255", "::", "fd00::1"]);
        assert_eq!(set.nearest(ip("1.1.1.1")), Some(ip("255.255.255.255")));
        assert_eq!(set.nearest(ip("ff00::")), Some(ip("fd00::1")));
    }

    #[test]
    fn offers_what_is_free() {
        let pools = set(&["10.0.0.150-10.0.0.165", "fd00::/64"]);
        let free = pools.minus(&set(&["10.0.0.150-10.0.0.152", "10.0.0.160", "fd00::"]));
        assert_eq!(shown(&free)[..2], ["10.0.0.153-10.0.0.159", "10.0.0.161-10.0.0.165"]);
        assert_eq!(free.first(), Some(ip("10.0.0.153")));
        assert_eq!(free.nearest(ip("10.0.0.160")), Some(ip("10.0.0.161")));
        assert_eq!(free.nearest(ip("10.0.0.1")), Some(ip("10.0.0.153")));
        assert_eq!(free.nearest(ip("10.0.0.200")), Some(ip("10.0.0.165")));
        assert_eq!(free.nearest(ip("fd00::")), Some(ip("fd00::1")));
        assert_eq!(free.addresses().nth(12), Some(ip("fd00::1")));
    }

    #[test]
    fn the_ends_of_the_number_line_hold() {
        let all = set(&["0.0.0.0/0", "::/0"]);
        assert_eq!(all.len(), u128::MAX);
        assert!(all.minus(&all).is_empty());
        assert_eq!(all.intersect(&all), all);
        let ends = set(&["0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]);
        assert_eq!(all.minus(&all.minus(&ends)), ends);
        assert_eq!(RangeSet::default().nearest(ip("::")), None);
    }

    /// A small universe: sixteen addresses at the end of IPv4 and the first sixteen of IPv6.
    fn address(n: u8) -> IpAddr {
        match n {
            0..16 => IpAddr::V4(Ipv4Addr::from_bits(u32::MAX - 15 + u32::from(n))),
            _ => IpAddr::V6(Ipv6Addr::from_bits(u128::from(n - 16))),
        }
    }

    fn some_ranges() -> impl Strategy<Value = Vec<Range>> {
        vec((0u8..32, 0u8..5), 0..10).prop_map(|pairs| {
            pairs
                .iter()
                .filter_map(|(n, more)| Range::new(address(*n), address((n + more).min(31))))
                .collect()
        })
    }

    fn members(ranges: &[Range]) -> BTreeSet<IpAddr> {
        (0..32).map(address).filter(|ip| ranges.iter().any(|range| range.contains(*ip))).collect()
    }

    proptest! {
        #[test]
        fn algebra_is_what_counting_says(a in some_ranges(), b in some_ranges(), n in 0u8..32) {
            let (counted_a, counted_b) = (members(&a), members(&b));
            let (a, b): (RangeSet, RangeSet) = (a.into_iter().collect(), b.into_iter().collect());
            let counted = |set: &RangeSet| set.addresses().collect::<BTreeSet<_>>();
            prop_assert_eq!(&counted(&a), &counted_a);
            prop_assert_eq!(a.len(), counted_a.len() as u128);
            prop_assert_eq!(counted(&a.minus(&b)), &counted_a - &counted_b);
            prop_assert_eq!(counted(&a.intersect(&b)), &counted_a & &counted_b);
            prop_assert_eq!(a.contains(address(n)), counted_a.contains(&address(n)));
            prop_assert_eq!(a.first(), counted_a.first().copied());
            let ours = |ip: &&IpAddr| ip.is_ipv4() == address(n).is_ipv4();
            let near = counted_a.range(address(n)..).find(ours).or_else(|| counted_a.iter().rfind(ours));
            prop_assert_eq!(a.nearest(address(n)), near.copied());
        }

        #[test]
        fn results_are_normal(a in some_ranges(), b in some_ranges()) {
            let (a, b): (RangeSet, RangeSet) = (a.into_iter().collect(), b.into_iter().collect());
            for set in [a.minus(&b), a.intersect(&b)] {
                prop_assert_eq!(&set.iter().collect::<RangeSet>(), &set);
            }
            prop_assert!(a.minus(&b).intersect(&b).is_empty());
        }
    }
}
