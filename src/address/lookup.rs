//! Which of many ranges holds an address.

use super::range::{Family, Range, number};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Finds who holds an address, without asking each.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// Where the holders change, in order, and the lowest of those from there on.
    steps: Vec<((Family, u128), Option<usize>)>,
}

/// Ranges with the number of their holder, in any order, overlapping or not. Takes n log n.
impl FromIterator<(Range, usize)> for Lookup {
    fn from_iter<I: IntoIterator<Item = (Range, usize)>>(ranges: I) -> Self {
        let mut changes = Vec::new();
        for (range, holder) in ranges {
            let (first, last) = range.numbers();
            changes.push(((range.family(), first), holder, true));
            // Nothing is behind the last address there is.
            changes.extend(last.checked_add(1).map(|behind| ((range.family(), behind), holder, false)));
        }
        changes.sort_unstable();
        // How many ranges of each holder are open.
        let mut open: BTreeMap<usize, usize> = BTreeMap::new();
        let mut steps: Vec<((Family, u128), Option<usize>)> = Vec::new();
        for (at, holder, begins) in changes {
            let ranges = open.entry(holder).or_default();
            if begins {
                *ranges += 1;
            } else {
                *ranges = ranges.saturating_sub(1);
            }
            if *ranges == 0 {
                open.remove(&holder);
            }
            let lowest = open.keys().next().copied();
            match steps.last_mut() {
                Some((last, holder)) if *last == at => *holder = lowest,
                _ => steps.push((at, lowest)),
            }
        }
        Self { steps }
    }
}

impl Lookup {
    /// The lowest of those that hold an address.
    pub fn holder(&self, address: IpAddr) -> Option<usize> {
        let address = number(address);
        let behind = self.steps.partition_point(|(at, _)| *at <= address);
        self.steps[..behind].last()?.1
    }
}

#[cfg(test)]
mod tests {
    use super::Lookup;
    use crate::address::Range;
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert_eq, proptest};
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    /// Sixteen addresses at the end of IPv4, and as many at the end of IPv6.
    fn address(n: u8) -> IpAddr {
        match n {
            0..16 => IpAddr::V4(Ipv4Addr::from_bits(u32::MAX - 15 + u32::from(n))),
            _ => IpAddr::V6(Ipv6Addr::from_bits(u128::MAX - 31 + u128::from(n))),
        }
    }

    proptest! {
        #[test]
        fn it_names_whom_asking_each_would_name(ranges in vec((0u8..32, 0u8..6, 0usize..4), 0..12)) {
            let ranges: Vec<(Range, usize)> = ranges
                .into_iter()
                .filter_map(|(n, more, holder)| {
                    Some((Range::new(address(n), address((n + more).min(31)))?, holder))
                })
                .collect();
            let lookup: Lookup = ranges.iter().copied().collect();
            for one in (0..32).map(address) {
                let holding = ranges.iter().filter(|(range, _)| range.contains(one));
                prop_assert_eq!(lookup.holder(one), holding.map(|(_, holder)| *holder).min());
            }
        }
    }
}
