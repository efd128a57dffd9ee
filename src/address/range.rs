//! One run of addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An unbroken run of addresses of one family, both ends included. A /8 is one value of this type.
///
/// Orders by family, then first, then last address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    family: Family,
    // As numbers, so that sorting and arithmetic are one thing for both families. `first <= last`.
    first: u128,
    last: u128,
}

impl Range {
    /// The addresses from `first` to `last`; none if they are of two families or the wrong way round.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        let ((family, first), (other, last)) = (number(first), number(last));
        if family != other {
            return None;
        }
        Self::of_numbers(family, first, last)
    }

    /// Just `address`.
    pub fn single(address: IpAddr) -> Self {
        let (family, number) = number(address);
        Self { family, first: number, last: number }
    }

    /// The CIDR of this prefix length that holds `address`; none if the prefix is too long for the family.
    pub fn around(address: IpAddr, prefix: u8) -> Option<Self> {
        let (family, number) = number(address);
        let host_bits = low_bits(family.bits().checked_sub(prefix)?);
        Some(Self { family, first: number & !host_bits, last: number | host_bits })
    }

    pub(super) fn of_numbers(family: Family, first: u128, last: u128) -> Option<Self> {
        (first <= last).then_some(Self { family, first, last })
    }

    pub(super) fn numbers(self) -> (u128, u128) {
        (self.first, self.last)
    }

    /// The lowest address.
    pub fn first(self) -> IpAddr {
        self.family.address(self.first)
    }

    /// The highest address.
    pub fn last(self) -> IpAddr {
        self.family.address(self.last)
    }

    /// IPv4 or IPv6; the same for every address of the range.
    pub fn family(self) -> Family {
        self.family
    }

    /// Whether it is one address only.
    pub fn is_single(self) -> bool {
        self.first == self.last
    }

    /// How many addresses; `u128::MAX` for all of IPv6, which has one more.
    pub fn len(self) -> u128 {
        (self.last - self.first).saturating_add(1)
    }

    /// Never: a range holds at least one address.
    pub fn is_empty(self) -> bool {
        false
    }

    /// Whether `address` lies inside. An address of the other family never does.
    pub fn contains(self, address: IpAddr) -> bool {
        let (family, number) = number(address);
        self.family == family && (self.first..=self.last).contains(&number)
    }

    /// Whether every address of `other` lies inside.
    pub fn covers(self, other: Self) -> bool {
        self.family == other.family && self.first <= other.first && other.last <= self.last
    }

    /// Whether at least one address is in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.family == other.family && self.first <= other.last && other.first <= self.last
    }

    /// The addresses that are in both.
    pub fn intersection(self, other: Self) -> Option<Self> {
        if self.family != other.family {
            return None;
        }
        Self::of_numbers(self.family, self.first.max(other.first), self.last.min(other.last))
    }

    /// The prefix length, if the range is exactly one CIDR. A single address is a /32 or /128.
    pub fn prefix(self) -> Option<u8> {
        let differing = self.first ^ self.last;
        let all_ones = differing & differing.wrapping_add(1) == 0;
        let aligned = self.first & differing == 0;
        let host_bits = u8::try_from(differing.count_ones()).ok()?;
        (all_ones && aligned).then(|| self.family.bits().saturating_sub(host_bits))
    }

    /// The range as `address/prefix`, if it is exactly one CIDR: a single address, too.
    pub fn cidr(self) -> Option<String> {
        Some(format!("{}/{}", self.first(), self.prefix()?))
    }

    /// The address that stands for the subnet itself: of an IPv4 CIDR up to /30 the network address, of
    /// an IPv6 CIDR up to /126 the subnet-router anycast address (RFC 4291, 2.6.1; RFC 6164 frees /127).
    /// None if the range is not exactly one CIDR.
    pub fn network(self) -> Option<IpAddr> {
        (self.prefix()? <= self.family.bits() - 2).then(|| self.first())
    }

    /// The broadcast address of an IPv4 CIDR up to /30. None for IPv6, for /31 (RFC 3021) and /32, and if
    /// the range is not exactly one CIDR.
    pub fn broadcast(self) -> Option<IpAddr> {
        (self.family == Family::V4 && self.prefix()? <= 30).then(|| self.last())
    }
}

/// The shortest usual spelling: the bare address, the CIDR if it is exactly one, or `first-last`.
impl serde::Serialize for Range {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix() {
            _ if self.is_single() => self.first().fmt(f),
            Some(prefix) => write!(f, "{}/{prefix}", self.first()),
            None => write!(f, "{}-{}", self.first(), self.last()),
        }
    }
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// 32-bit addresses.
    V4,
    /// 128-bit addresses.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// How many bits an address has, which is also the longest prefix: 32 or 128.
    pub fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    pub(super) fn address(self, number: u128) -> IpAddr {
        match self {
            // Numbers of this family come from IPv4 addresses, so nothing is cut off.
            Self::V4 => IpAddr::V4(Ipv4Addr::from_bits(number as u32)),
            Self::V6 => IpAddr::V6(Ipv6Addr::from_bits(number)),
        }
    }
}

/// `IPv4` or `IPv6`.
impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// An address as its family and a number that sorts like it.
pub(super) fn number(address: IpAddr) -> (Family, u128) {
    match address {
        IpAddr::V4(v4) => (Family::V4, u128::from(v4.to_bits())),
        IpAddr::V6(v6) => (Family::V6, v6.to_bits()),
    }
}

/// A number whose lowest `count` bits are set.
fn low_bits(count: u8) -> u128 {
    u128::MAX.checked_shr(128 - u32::from(count.min(128))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Family, Range};
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use std::net::IpAddr;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn range(first: &str, last: &str) -> Range {
        Range::new(ip(first), ip(last)).unwrap()
    }

    #[test]
    fn ends_must_be_of_one_family_and_in_order() {
        assert_eq!(Range::new(ip("10.0.0.2"), ip("10.0.0.1")), None);
        assert_eq!(Range::new(ip("0.0.0.1"), ip("::2")), None);
        assert_eq!(Range::new(ip("::1"), ip("0.0.0.2")), None);
        assert!(range("10.0.0.1", "10.0.0.1").is_single());
    }

    #[test]
    fn shows_itself_in_the_shortest_usual_spelling() {
        for (first, last, shown) in [
            ("10.0.0.7", "10.0.0.7", "10.0.0.7"),
            ("10.0.0.0", "10.0.0.255", "10.0.0.0/24"),
            ("10.0.0.0", "10.0.0.1", "10.0.0.0/31"),
            ("10.0.0.1", "10.0.0.2", "10.0.0.1-10.0.0.2"),
            ("10.0.0.1", "10.0.0.255", "10.0.0.1-10.0.0.255"),
            ("10.0.0.0", "10.0.0.254", "10.0.0.0-10.0.0.254"),
            ("10.0.1.0", "10.0.2.255", "10.0.1.0-10.0.2.255"),
            ("0.0.0.0", "255.255.255.255", "0.0.0.0/0"),
            ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"),
            ("fd00::", "fd00::ffff", "fd00::/112"),
        ] {
            assert_eq!(range(first, last).to_string(), shown);
        }
    }

    #[test]
    fn counts_addresses_and_saturates() {
        assert_eq!(range("10.0.0.0", "10.255.255.255").len(), 1 << 24);
        assert_eq!(Range::around(ip("::"), 1).map(Range::len), Some(1 << 127));
        assert_eq!(Range::around(ip("::"), 0).map(Range::len), Some(u128::MAX));
    }

    #[test]
    fn a_prefix_cannot_be_longer_than_an_address() {
        assert_eq!(Range::around(ip("10.0.0.1"), 33), None);
        assert_eq!(Range::around(ip("::1"), 129), None);
        assert_eq!(Range::around(ip("10.0.0.1"), 32), Some(Range::single(ip("10.0.0.1"))));
    }

    #[test]
    fn knows_network_and_broadcast_addresses() {
        let ends = |text: &str, prefix| {
            let range = Range::around(ip(text), prefix).unwrap();
            (range.network(), range.broadcast())
        };
        assert_eq!(ends("10.0.0.9", 24), (Some(ip("10.0.0.0")), Some(ip("10.0.0.255"))));
        assert_eq!(ends("10.0.0.5", 30), (Some(ip("10.0.0.4")), Some(ip("10.0.0.7"))));
        assert_eq!(ends("10.0.0.9", 31), (None, None));
        assert_eq!(ends("10.0.0.9", 32), (None, None));
        assert_eq!(ends("fd00::9", 64), (Some(ip("fd00::")), None));
        assert_eq!(ends("fd00::9", 127), (None, None));
        assert_eq!(ends("fd00::9", 128), (None, None));
        assert_eq!(range("10.0.0.1", "10.0.0.9").network(), None);
        assert_eq!(range("10.0.0.1", "10.0.0.255").broadcast(), None);
    }

    #[test]
    fn families_never_meet() {
        let (v4, v6) = (range("0.0.0.0", "255.255.255.255"), range("::", "::ffff:ffff"));
        assert!(!v4.overlaps(v6) && !v6.covers(v4) && !v4.contains(ip("::1")));
        assert_eq!(v4.intersection(v6), None);
        assert_eq!((v4.family(), v6.family()), (Family::V4, Family::V6));
        assert!(v4 < v6);
    }

    proptest! {
        #[test]
        fn a_cidr_has_the_prefix_it_was_made_with(address: IpAddr, prefix in 0u8..=128) {
            if let Some(range) = Range::around(address, prefix) {
                prop_assert_eq!(range.prefix(), Some(prefix));
                prop_assert!(range.contains(address));
            } else {
                prop_assert!(prefix > 32 && address.is_ipv4());
            }
        }

        #[test]
        fn overlap_is_what_counting_says(a in any::<[u8; 2]>(), b in any::<[u8; 2]>()) {
            let of = |[x, y]: [u8; 2]| range(&format!("::{:x}", x.min(y)), &format!("::{:x}", x.max(y)));
            let (a, b) = (of(a), of(b));
            let both: Vec<u128> =
                (0..=255).filter(|n| a.contains(Family::V6.address(*n)) && b.contains(Family::V6.address(*n))).collect();
            prop_assert_eq!(a.overlaps(b), !both.is_empty());
            prop_assert_eq!(a.intersection(b).map_or(0, Range::len), both.len() as u128);
            prop_assert_eq!(a.covers(b), both.len() as u128 == b.len());
        }
    }
}
