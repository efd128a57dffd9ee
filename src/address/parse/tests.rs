use super::{
    BadAddress, LONGEST, parse_cidr, parse_host, parse_pool_entry, parse_range, parse_range_or_host,
};
use crate::address::Range;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use std::fmt::Debug;
use std::net::IpAddr;

/// Holds a parser to a list of (text, reason, suggestion); no suggestion is an empty one.
fn refuses<T: Debug>(parse: fn(&str) -> Result<T, BadAddress>, cases: &[(&str, &str, &str)]) {
    for (text, reason, suggestion) in cases {
        let bad = parse(text).expect_err(text);
        assert_eq!((bad.reason.as_str(), bad.suggestion.as_deref().unwrap_or("")), (*reason, *suggestion));
    }
}

#[test]
fn reads_hosts_however_they_are_spelled() {
    for (text, plain) in [
        ("10.69.1.165", "10.69.1.165"),
        ("0.0.0.0", "0.0.0.0"),
        ("fd00:0:0::1", "fd00::1"),
        ("FD00::A", "fd00::a"),
        ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
    ] {
        assert_eq!(parse_host(text).map(|ip| ip.to_string()).as_deref(), Ok(plain));
    }
}

#[test]
fn says_what_is_wrong_with_a_host() {
    refuses(
        parse_host,
        &[
            ("", "the address is empty", ""),
            ("   ", "the address is empty", ""),
            (" 10.0.0.1\n", "` 10.0.0.1\\n` has blanks around it", "10.0.0.1"),
            (" nas ", "` nas ` has blanks around it", ""),
            ("10.0.0.300", "`10.0.0.300` is not an IPv4 address: 300 is over 255", ""),
            ("010.0.0.1", "`010.0.0.1` is not an IPv4 address: leading zero in octet `010`", "10.0.0.1"),
            ("10.0.0.001", "`10.0.0.001` is not an IPv4 address: leading zero in octet `001`", "10.0.0.1"),
            ("10.0.0", "`10.0.0` is not an IPv4 address: it has 3 octets instead of 4", ""),
            ("167772161", "`167772161` is not an IPv4 address: it has 1 octet instead of 4", ""),
            ("10..0.1", "`10..0.1` is not an IPv4 address: an octet is missing between its dots", ""),
            (
                "10.0.0.1.",
                "`10.0.0.1.` is not an IPv4 address: an octet is missing between its dots",
                "10.0.0.1",
            ),
            ("10,0,0,1", "`10,0,0,1` is not an IP address", "10.0.0.1"),
            ("my.nas-box", "`my.nas-box` is not an IP address", ""),
            ("1٢.0.0.1", "`1٢.0.0.1` is not an IP address", ""),
            ("10.0.0.1/24", "`10.0.0.1/24` is a CIDR, not one address", "10.0.0.1"),
            ("10.0.0.1-10.0.0.9", "`10.0.0.1-10.0.0.9` is a range, not one address", ""),
            ("10.0.0.1:8080", "`10.0.0.1:8080` is an address with a port", "10.0.0.1"),
            ("[fd00::1]:443", "`[fd00::1]:443` is an address with a port", "fd00::1"),
            ("[fd00::1]", "`[fd00::1]` is an address in brackets", "fd00::1"),
            ("http://10.0.0.01:80/x", "`http://10.0.0.01:80/x` is a URL, not an address", "10.0.0.1"),
            ("https://[fd00::1]:80", "`https://[fd00::1]:80` is a URL, not an address", "fd00::1"),
            (
                "fe80::1%eth0",
                "`fe80::1%eth0` is an address with a zone, which holds on one machine only",
                "fe80::1",
            ),
            ("::ffff:10.0.0.1", "`::ffff:10.0.0.1` is an IPv4 address in IPv6 dress", "10.0.0.1"),
            ("::ffff:a00:1", "`::ffff:a00:1` is an IPv4 address in IPv6 dress", "10.0.0.1"),
            ("fd00::1::2", "`fd00::1::2` is not an IPv6 address: `::` may stand once", ""),
            ("fd00:::2", "`fd00:::2` is not an IPv6 address: `::` may stand once", ""),
            ("fd00::g", "`fd00::g` is not an IPv6 address: `g` is not a hexadecimal number", ""),
            ("fd00::12345", "`fd00::12345` is not an IPv6 address: `12345` has more than 4 digits", ""),
            ("fd00::1.2.3", "`fd00::1.2.3` is not an IPv6 address: `1.2.3` is not an IPv4 address", ""),
            ("1:2:3", "`1:2:3` is not an IPv6 address: it has 3 groups instead of 8", ""),
            (
                "1:2:3:4:5:6:7:8::",
                "`1:2:3:4:5:6:7:8::` is not an IPv6 address: it has too many groups beside `::`",
                "",
            ),
        ],
    );
}

#[test]
fn says_what_is_wrong_with_a_cidr() {
    assert_eq!(parse_cidr("10.0.0.0/8").map(Range::len), Ok(1 << 24));
    assert_eq!(parse_cidr("::/0").map(|range| range.to_string()).as_deref(), Ok("::/0"));
    refuses(
        parse_cidr,
        &[
            ("10.0.0.1", "`10.0.0.1` is one address, not a CIDR", "10.0.0.1/32"),
            ("fd00::1", "`fd00::1` is one address, not a CIDR", "fd00::1/128"),
            ("10.0.0.01", "`10.0.0.01` is not an IPv4 address: leading zero in octet `01`", "10.0.0.1/32"),
            ("10.69.1.200/28", "`10.69.1.200/28` has host bits behind its mask", "10.69.1.192/28"),
            ("fd00::1/64", "`fd00::1/64` has host bits behind its mask", "fd00::/64"),
            (
                "010.0.0.5/24",
                "`010.0.0.5` is not an IPv4 address: leading zero in octet `010`",
                "10.0.0.0/24",
            ),
            ("10.0.0.0/33", "`10.0.0.0/33`: 33 is over 32, the longest prefix of IPv4", ""),
            ("fd00::/999", "`fd00::/999`: 999 is over 128, the longest prefix of IPv6", ""),
            ("10.0.0.0/", "`` is not a prefix length in `10.0.0.0/`", ""),
            ("10.0.0.0/+8", "`+8` is not a prefix length in `10.0.0.0/+8`", ""),
            ("10.0.0.0 / 24", "`10.0.0.0 ` has blanks around it", "10.0.0.0/24"),
            ("10.0.0.0/024", "leading zero in prefix length `024` in `10.0.0.0/024`", "10.0.0.0/24"),
            (
                "10.0.0.9/255.255.255.0",
                "a netmask instead of a prefix length in `10.0.0.9/255.255.255.0`",
                "10.0.0.0/24",
            ),
            ("10.0.0.0/255.0.255.0", "`255.0.255.0` is not a prefix length in `10.0.0.0/255.0.255.0`", ""),
            ("10.0.0.0-10.0.0.255", "`10.0.0.0-10.0.0.255` is a range, not a CIDR", "10.0.0.0/24"),
            ("10.0.0.1-10.0.0.255", "`10.0.0.1-10.0.0.255` is a range, not a CIDR", ""),
            ("http://10.0.0.1/", "`http://10.0.0.1/` is a URL, not an address", "10.0.0.1/32"),
        ],
    );
}

#[test]
fn reads_ranges_as_metallb_does() {
    for text in ["10.0.0.1-10.0.0.9", " 10.0.0.1 - 10.0.0.9\t"] {
        assert_eq!(parse_range(text).map(|range| range.to_string()).as_deref(), Ok("10.0.0.1-10.0.0.9"));
    }
    assert_eq!(parse_range("fd00::1-fd00::1").map(Range::len), Ok(1));
}

#[test]
fn says_what_is_wrong_with_a_range() {
    refuses(
        parse_range,
        &[
            ("", "the address is empty", ""),
            ("10.0.0.9-10.0.0.1", "`10.0.0.9-10.0.0.1` ends before it begins", "10.0.0.1-10.0.0.9"),
            ("10.0.0.1-fd00::1", "`10.0.0.1-fd00::1` goes from one address family to the other", ""),
            ("10.0.0.10-20", "the end of a range is a whole address, not `20`", "10.0.0.10-10.0.0.20"),
            ("10.0.0.10-5", "the end of a range is a whole address, not `5`", ""),
            ("10.0.0.1-", "`10.0.0.1-`: the address is empty", ""),
            (
                "10.0.0.1-10.0.0.300",
                "`10.0.0.1-10.0.0.300`: `10.0.0.300` is not an IPv4 address: 300 is over 255",
                "",
            ),
            (
                "10.0.0.01-10.0.0.09",
                "`10.0.0.01-10.0.0.09`: `10.0.0.01` is not an IPv4 address: leading zero in octet `01`",
                "10.0.0.1-10.0.0.9",
            ),
            (
                "10.0.0.1–10.0.0.9",
                "`10.0.0.1–10.0.0.9` has a dash in it that is not `-`",
                "10.0.0.1-10.0.0.9",
            ),
            (
                "10.0.0.1-10.0.0.5-10.0.0.9",
                "`10.0.0.1-10.0.0.5-10.0.0.9`: `10.0.0.5-10.0.0.9` is a range, not one address",
                "",
            ),
            ("10.0.0.0/30", "`10.0.0.0/30` is a CIDR, not a range", "10.0.0.0-10.0.0.3"),
            ("::/80", "`::/80` is a CIDR, not a range", ""),
            ("10.0.0.1", "`10.0.0.1` is one address, not a range", "10.0.0.1-10.0.0.1"),
        ],
    );
}

#[test]
fn a_pool_takes_cidrs_and_ranges_only() {
    let pool = |text| parse_pool_entry(text).map(|range| range.to_string());
    assert_eq!(pool("10.69.1.150/32").as_deref(), Ok("10.69.1.150"));
    assert_eq!(pool("10.69.1.152-10.69.1.162").as_deref(), Ok("10.69.1.152-10.69.1.162"));
    refuses(
        parse_pool_entry,
        &[
            ("10.69.1.150", "`10.69.1.150` is one address, not a CIDR", "10.69.1.150/32"),
            (
                "10.0.0.1—10.0.0.9",
                "`10.0.0.1—10.0.0.9` has a dash in it that is not `-`",
                "10.0.0.1-10.0.0.9",
            ),
        ],
    );
}

#[test]
fn a_dhcp_entry_may_be_anything() {
    for (text, plain) in [
        ("10.69.1.200-10.69.1.254", "10.69.1.200-10.69.1.254"),
        ("10.69.1.0/25", "10.69.1.0/25"),
        ("fd00::1", "fd00::1"),
    ] {
        assert_eq!(parse_range_or_host(text).map(|range| range.to_string()).as_deref(), Ok(plain));
    }
    let bad = parse_range_or_host("http://10.0.0.1/").unwrap_err();
    assert_eq!(bad.help().as_deref(), Some("write `10.0.0.1`"));
}

#[test]
fn long_and_strange_texts_are_cut_in_the_reason() {
    for text in ["9".repeat(1 << 20), "[".repeat(LONGEST), "http://".repeat(22), "\u{202e}\0é".repeat(30)] {
        for parse in [parse_cidr, parse_range, parse_pool_entry, parse_range_or_host] {
            let bad = parse(&text).unwrap_err();
            assert!(bad.reason.len() < 1200 && !bad.reason.contains(char::is_control), "{}", bad.reason);
        }
    }
}

/// Texts that are nearly addresses.
fn near_misses() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ \\[]{0,2}(http://)?[0-9a-f.:%/ ,–-]{0,24}(/[0-9.]{0,14})?",
        r"(::ffff:)?(0?[0-9]{1,3}\.){3}0?[0-9]{1,3}( ?[-/–] ?((0?[0-9]{1,3}\.){3})?[0-9]{1,3})?( |:80)?",
        r"\[?([0-9a-f]{1,4}:){1,8}:?[0-9a-f]{0,4}\]?( ?[-/] ?([0-9a-f]{1,4}:){0,4}:?[0-9]{1,3})?",
    ]
}

fn suggestion_parses<T: Debug>(parse: fn(&str) -> Result<T, BadAddress>, text: &str) -> bool {
    match parse(text) {
        Err(BadAddress { suggestion: Some(suggestion), .. }) => parse(&suggestion).is_ok(),
        _ => true,
    }
}

fn mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some())
}

proptest! {
    #[test]
    fn whatever_is_suggested_parses(text in near_misses()) {
        prop_assert!(suggestion_parses(parse_host, &text));
        for parse in [parse_cidr, parse_range, parse_pool_entry, parse_range_or_host] {
            prop_assert!(suggestion_parses(parse, &text));
        }
    }

    #[test]
    fn hosts_are_what_the_standard_library_says(text in near_misses()) {
        prop_assert_eq!(parse_host(&text).ok(), text.parse().ok().filter(|ip| !mapped(*ip)));
    }

    #[test]
    fn ranges_survive_being_written(a: IpAddr, b: IpAddr, prefix in 0u8..=128) {
        let ranges = [Range::new(a, b), Range::new(b, a), Range::around(a, prefix), Some(Range::single(a))];
        for range in ranges.into_iter().flatten().filter(|range| !mapped(range.first()) && !mapped(range.last())) {
            prop_assert_eq!(parse_range_or_host(&range.to_string()), Ok(range));
        }
    }
}
