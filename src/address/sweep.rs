//! Every overlap among many claims, in one pass.

use super::range::{Family, Range};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// A range that somebody wants, and what kind of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The addresses wanted. A /8 is one claim.
    pub range: Range,
    /// The kind, below 16. What the numbers mean is the caller's affair; a higher one takes no part.
    pub class: u8,
}

/// Calls `found(earlier, arriving)` for the indices of every two claims that overlap and whose classes are
/// a wanted pair.
///
/// Claims arrive sorted by family, first address, the wider one first, then index. Each arriving claim is
/// told of at most `most` earlier ones of each class, those of the lowest indices, so that a million equal
/// claims stay a million calls and not half a billion. Takes n log n, and the calls.
pub fn sweep(claims: &[Claim], wanted: &Pairs, most: usize, found: &mut impl FnMut(usize, usize)) {
    let mut active = Active::default();
    for arriving in in_order(claims, wanted) {
        let Claim { range, class } = claims[arriving];
        active.drop_ended(range);
        for partner in wanted.partners(class) {
            active.classes[partner].iter().take(most).for_each(|earlier| found(*earlier, arriving));
        }
        active.add(range, usize::from(class), arriving);
    }
}

/// The indices of the claims that some pair wants, in the order of their arrival.
fn in_order(claims: &[Claim], wanted: &Pairs) -> impl Iterator<Item = usize> {
    let taking_part = claims.iter().enumerate().filter(|(_, claim)| wanted.mask(claim.class) != 0);
    let mut keys: Vec<(Family, u128, Reverse<u128>, usize)> = taking_part
        .map(|(index, Claim { range, .. })| {
            let (first, last) = range.numbers();
            (range.family(), first, Reverse(last), index)
        })
        .collect();
    keys.sort_unstable();
    keys.into_iter().map(|(_, _, _, index)| index)
}

/// The claims that have begun and not ended yet. As claims arrive in order, every one of them overlaps the
/// claim that arrives next.
#[derive(Default)]
struct Active {
    /// Indices, by class.
    classes: [BTreeSet<usize>; CLASSES],
    /// What ends first comes out first.
    ends: BinaryHeap<Reverse<(Family, u128, usize, usize)>>,
}

impl Active {
    fn add(&mut self, range: Range, class: usize, index: usize) {
        self.classes[class].insert(index);
        self.ends.push(Reverse((range.family(), range.numbers().1, class, index)));
    }

    fn drop_ended(&mut self, arriving: Range) {
        let begin = (arriving.family(), arriving.numbers().0);
        while let Some(Reverse((family, last, class, index))) = self.ends.peek().copied() {
            if (family, last) >= begin {
                break;
            }
            self.ends.pop();
            self.classes[class].remove(&index);
        }
    }
}

/// How many classes there are.
const CLASSES: usize = 16;

/// Which classes are to be compared with which. The others cost nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pairs([u16; CLASSES]);

impl Pairs {
    /// No pair: the start for [`Pairs::with`].
    pub const NONE: Self = Self([0; CLASSES]);
    /// Every class with every class, itself included.
    pub const ALL: Self = Self([u16::MAX; CLASSES]);

    /// The same and the pair of `a` and `b`, whichever arrives first. Both below 16; `a` may be `b`.
    pub const fn with(mut self, a: u8, b: u8) -> Self {
        if (a as usize) < CLASSES && (b as usize) < CLASSES {
            self.0[a as usize] |= 1 << b;
            self.0[b as usize] |= 1 << a;
        }
        self
    }

    fn mask(&self, class: u8) -> u16 {
        self.0.get(usize::from(class)).copied().unwrap_or(0)
    }

    fn partners(&self, class: u8) -> impl Iterator<Item = usize> + use<> {
        let mask = self.mask(class);
        (0..CLASSES).filter(move |partner| mask & (1 << partner) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Claim, Pairs, Range, Reverse, sweep};
    use crate::address::parse_range_or_host;
    use proptest::collection::vec;
    use proptest::prelude::{Strategy, prop_assert_eq, proptest};
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    fn claim(text: &str, class: u8) -> Claim {
        Claim { range: parse_range_or_host(text).unwrap(), class }
    }

    fn swept(claims: &[Claim], wanted: &Pairs, most: usize) -> Vec<(usize, usize)> {
        let mut pairs = Vec::new();
        sweep(claims, wanted, most, &mut |earlier, arriving| pairs.push((earlier, arriving)));
        pairs
    }

    #[test]
    fn finds_what_overlaps_and_nothing_else() {
        let claims = [
            claim("10.0.0.20", 1),
            claim("10.0.0.0/24", 0),
            claim("10.0.0.20", 1),
            claim("10.0.1.0", 1),
            claim("10.0.0.255", 1),
            claim("::a00:14", 1),
        ];
        assert_eq!(swept(&claims, &Pairs::ALL, 9), [(1, 0), (1, 2), (0, 2), (1, 4)]);
    }

    #[test]
    fn touching_ends_overlap_and_neighbours_do_not() {
        let claims = [claim("10.0.0.1-10.0.0.5", 0), claim("10.0.0.5-10.0.0.9", 0), claim("10.0.0.10", 0)];
        assert_eq!(swept(&claims, &Pairs::ALL, 9), [(0, 1)]);
    }

    #[test]
    fn the_wider_of_two_that_start_together_comes_first() {
        let claims = [claim("10.0.0.0", 0), claim("10.0.0.0/30", 0), claim("10.0.0.0/8", 0)];
        assert_eq!(swept(&claims, &Pairs::ALL, 9), [(2, 1), (1, 0), (2, 0)]);
    }

    #[test]
    fn only_wanted_pairs_are_reported() {
        let claims =
            [claim("10.0.0.0/24", 0), claim("10.0.0.7", 1), claim("10.0.0.7", 1), claim("10.0.0.7", 2)];
        assert_eq!(swept(&claims, &Pairs::NONE.with(1, 1), 9), [(1, 2)]);
        assert_eq!(swept(&claims, &Pairs::NONE.with(2, 0), 9), [(0, 3)]);
        assert_eq!(swept(&claims, &Pairs::NONE, 9), []);
    }

    #[test]
    fn classes_beyond_the_last_take_no_part() {
        let claims =
            [claim("10.0.0.7", 16), claim("10.0.0.7", 255), claim("10.0.0.7", 15), claim("10.0.0.7", 15)];
        assert_eq!(swept(&claims, &Pairs::ALL, 9), [(2, 3)]);
        assert_eq!(Pairs::NONE.with(16, 0).with(3, 200), Pairs::NONE);
    }

    #[test]
    fn equal_claims_are_told_of_the_first_few_only() {
        let claims = vec![claim("10.0.0.7", 3); 50_000];
        let pairs = swept(&claims, &Pairs::ALL, 2);
        assert_eq!(pairs.len(), 2 * 50_000 - 3);
        assert_eq!(pairs[..5], [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3)]);
    }

    fn some_claims() -> impl Strategy<Value = Vec<Claim>> {
        let address = |v6: bool, n: u8| match v6 {
            true => IpAddr::V6(Ipv6Addr::from_bits(u128::from(n))),
            false => IpAddr::V4(Ipv4Addr::from_bits(u32::from(n))),
        };
        let claim = (0u8..4, 0u8..40, 0u8..12, 0u8..16).prop_map(move |(kind, first, more, class)| Claim {
            range: Range::new(address(kind == 0, first), address(kind == 0, first + more)).unwrap(),
            class: class / 3,
        });
        vec(claim, 0..40)
    }

    fn some_pairs() -> impl Strategy<Value = Pairs> {
        vec((0u8..6, 0u8..6), 0..20)
            .prop_map(|pairs| pairs.iter().fold(Pairs::NONE, |all, (a, b)| all.with(*a, *b)))
    }

    /// Every claim with every other, as the description has it.
    fn naive(claims: &[Claim], wanted: &Pairs, most: usize) -> Vec<(usize, usize)> {
        let arrival =
            |n: usize| (claims[n].range.family(), claims[n].range.first(), Reverse(claims[n].range), n);
        let mut pairs = Vec::new();
        for arriving in 0..claims.len() {
            for class in (0..16).filter(|class| wanted.mask(claims[arriving].class) & (1 << class) != 0) {
                let earlier = (0..claims.len())
                    .filter(|n| arrival(*n) < arrival(arriving) && claims[*n].class == class)
                    .filter(|n| claims[*n].range.overlaps(claims[arriving].range));
                pairs.extend(earlier.take(most).map(|earlier| (earlier, arriving)));
            }
        }
        pairs.sort_unstable();
        pairs
    }

    proptest! {
        #[test]
        fn says_what_comparing_all_says(claims in some_claims(), wanted in some_pairs(), few in 0usize..4) {
            for (wanted, most) in [(&wanted, usize::MAX), (&wanted, few), (&Pairs::ALL, usize::MAX)] {
                let mut pairs = swept(&claims, wanted, most);
                pairs.sort_unstable();
                prop_assert_eq!(pairs, naive(&claims, wanted, most));
            }
        }
    }
}
