//! Reading addresses, CIDRs and ranges as people write them, and saying what was meant.
//!
//! The standard library decides what an address is; what stands here beyond that finds words for a refusal.
//! A suggestion always parses where it is suggested.

use super::range::{Family, Range};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// Why a text is not the address, CIDR or range that it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadAddress {
    /// What is wrong, lower case, without a full stop, the text in backticks and cut if it is very long.
    pub reason: String,
    /// What was probably meant. It parses.
    pub suggestion: Option<String>,
}

impl BadAddress {
    /// How to mend it, as a sentence for a diagnostic's help.
    pub fn help(&self) -> Option<String> {
        self.suggestion.as_ref().map(|suggestion| format!("write `{suggestion}`"))
    }

    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), suggestion: None }
    }

    fn meant(self, suggestion: Option<String>) -> Self {
        Self { suggestion, ..self }
    }
}

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for BadAddress {}

/// One address: a node, a gateway, a load-balancer. No mask, port, zone, or name.
///
/// # Errors
/// Whatever is not an IPv4 address in four plain decimal octets or an IPv6 address, and IPv4-mapped IPv6
/// addresses, which Kubernetes reads as IPv4.
pub fn parse_host(text: &str) -> Result<IpAddr, BadAddress> {
    well_kept(text, parse_host)?;
    match text.parse() {
        Ok(IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
            Some(v4) => {
                let bad = BadAddress::new(format!("{} is an IPv4 address in IPv6 dress", shown(text)));
                Err(bad.meant(Some(v4.to_string())))
            }
            None => Ok(IpAddr::V6(v6)),
        },
        Ok(v4) => Ok(v4),
        Err(_) => Err(not_a_host(text)),
    }
}

/// A subnet as `address/prefix`, without host bits behind the mask.
///
/// # Errors
/// Whatever is not that; a bare address, too: MetalLB wants `/32` or `/128` written out.
pub fn parse_cidr(text: &str) -> Result<Range, BadAddress> {
    well_kept(text, parse_cidr)?;
    let Some((host, mask)) = text.split_once('/').filter(|_| !text.contains("://")) else {
        return Err(not_a_cidr(text));
    };
    let address = parse_host(host).map_err(|bad| {
        let meant = bad.suggestion.and_then(|host| mended(text, parse_cidr, format!("{host}/{mask}")));
        BadAddress::new(bad.reason).meant(meant)
    })?;
    if let Some((fault, prefix)) = fault_in_prefix(mask) {
        let bad = BadAddress::new(format!("{fault} in {}", shown(text)));
        return Err(bad.meant(mended(text, parse_cidr, format!("{host}/{prefix}"))));
    }
    let Some(subnet) = mask.parse().ok().and_then(|prefix| Range::around(address, prefix)) else {
        let (family, most) = (Family::of(address), Family::of(address).bits());
        let reason = format!("{}: {} is over {most}, the longest prefix of {family}", shown(text), cut(mask));
        return Err(BadAddress::new(reason));
    };
    if subnet.first() == address {
        return Ok(subnet);
    }
    let bad = BadAddress::new(format!("{} has host bits behind its mask", shown(text)));
    Err(bad.meant(Some(format!("{}/{mask}", subnet.first()))))
}

/// A range as `first-last`, both ends included. Blanks around either end are fine, as MetalLB trims them.
///
/// # Errors
/// Whatever is not that: ends of two families or the wrong way round, a CIDR, a bare address.
pub fn parse_range(text: &str) -> Result<Range, BadAddress> {
    well_kept(text.trim(), parse_range)?;
    let Some((first, last)) = text.split_once('-') else {
        return Err(not_a_range(text.trim()));
    };
    let (first, last) = (first.trim(), last.trim());
    let end = |written: &str, mend: &dyn Fn(String) -> String| {
        parse_host(written).map_err(|bad| {
            let meant = bad.suggestion.and_then(|end| mended(text, parse_range, mend(end)));
            BadAddress::new(format!("{}: {}", shown(text.trim()), bad.reason)).meant(meant)
        })
    };
    let first_ip = end(first, &|mend| format!("{mend}-{last}"))?;
    let last_ip = match last_octet_only(first_ip, last) {
        Some(bad) => return Err(bad),
        None => end(last, &|mend| format!("{first}-{mend}"))?,
    };
    if Family::of(first_ip) != Family::of(last_ip) {
        return Err(BadAddress::new(format!(
            "{} goes from one address family to the other",
            shown(text.trim())
        )));
    }
    Range::new(first_ip, last_ip).ok_or_else(|| {
        let bad = BadAddress::new(format!("{} ends before it begins", shown(text.trim())));
        bad.meant(Some(format!("{last_ip}-{first_ip}")))
    })
}

/// An entry of a MetalLB pool: a CIDR or a range.
///
/// # Errors
/// Whatever is neither; a bare address, too, with `/32` or `/128` suggested.
pub fn parse_pool_entry(text: &str) -> Result<Range, BadAddress> {
    match looks_like_range(text) {
        true => parse_range(text),
        false => parse_cidr(text),
    }
}

/// An entry of a list of addresses that may be ranges, CIDRs or single addresses, such as a DHCP server's.
///
/// # Errors
/// Whatever is none of these.
pub fn parse_range_or_host(text: &str) -> Result<Range, BadAddress> {
    match looks_like_range(text) {
        true => parse_range(text),
        false if text.contains('/') && !text.contains("://") => parse_cidr(text),
        false => parse_host(text).map(Range::single),
    }
}

/// The longest text worth reading: two IPv6 addresses with blanks between fit twice.
const LONGEST: usize = 160;

/// Refuses what is wrong with any text: nothing there, far too long, blanks around it, a typographic dash.
fn well_kept<T>(text: &str, parse: fn(&str) -> Result<T, BadAddress>) -> Result<(), BadAddress> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(BadAddress::new("the address is empty"));
    }
    if trimmed.len() > LONGEST {
        return Err(BadAddress::new(format!("{} is too long for an address", shown(trimmed))));
    }
    if trimmed.len() < text.len() {
        let bad = BadAddress::new(format!("{} has blanks around it", shown(text)));
        return Err(bad.meant(mended(text, parse, trimmed.to_owned())));
    }
    if text.contains(DASHES) {
        let bad = BadAddress::new(format!("{} has a dash in it that is not `-`", shown(text)));
        return Err(bad.meant(mended(text, parse, text.replace(DASHES, "-"))));
    }
    Ok(())
}

/// What word processors make of a hyphen.
const DASHES: [char; 6] = ['\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}', '\u{2212}'];

/// `candidate` if it parses, else what its own refusal suggests. It must be shorter than `text`, so that
/// mending one thing after the other comes to an end.
fn mended<T>(text: &str, parse: fn(&str) -> Result<T, BadAddress>, candidate: String) -> Option<String> {
    if candidate.len() >= text.len() {
        return None;
    }
    match parse(&candidate) {
        Ok(_) => Some(candidate),
        Err(bad) => bad.suggestion,
    }
}

/// A hyphen makes a range, except in a URL and in a name such as `my-nas`.
fn looks_like_range(text: &str) -> bool {
    let Some((first, _)) = text.split_once('-').or_else(|| text.split_once(DASHES)) else {
        return false;
    };
    let address_like = first.contains(':')
        || first.contains('.') && first.trim_start().starts_with(|c: char| c.is_ascii_digit());
    address_like && !text.contains("://")
}

/// What is wrong with a text that the standard library refuses as an address.
fn not_a_host(text: &str) -> BadAddress {
    let colons = text.bytes().filter(|byte| *byte == b':').count();
    let (reason, candidate) = if let Some((_, rest)) = text.split_once("://") {
        ("a URL, not an address", before(rest, &['/', '?', '#']))
    } else if let Some((inner, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let reason = if rest.is_empty() { "an address in brackets" } else { "an address with a port" };
        (reason, inner)
    } else if text.contains('/') {
        ("a CIDR, not one address", before(text, &['/']))
    } else if text.contains('%') {
        ("an address with a zone, which holds on one machine only", before(text, &['%']))
    } else if looks_like_range(text) {
        return BadAddress::new(format!("{} is a range, not one address", shown(text)));
    } else if colons == 1 && text.contains('.') {
        ("an address with a port", before(text, &[':']))
    } else if colons > 0 {
        return BadAddress::new(format!("{} is not an IPv6 address: {}", shown(text), fault_in_v6(text)));
    } else {
        return not_a_v4(text);
    };
    BadAddress::new(format!("{} is {reason}", shown(text))).meant(mended(
        text,
        parse_host,
        candidate.to_owned(),
    ))
}

/// The part of `text` before the first of `ends`.
fn before<'a>(text: &'a str, ends: &[char]) -> &'a str {
    text.split_once(ends).map_or(text, |(before, _)| before)
}

fn not_a_v4(text: &str) -> BadAddress {
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        let dotted = text.replace(',', ".");
        let bad = BadAddress::new(format!("{} is not an IP address", shown(text)));
        return bad.meant(dotted.parse::<IpAddr>().is_ok().then_some(dotted));
    }
    let octets: Vec<&str> = text.split('.').collect();
    let (fault, candidate) = if octets.iter().any(|octet| octet.is_empty()) {
        ("an octet is missing between its dots".to_owned(), text.trim_matches('.').to_owned())
    } else if octets.len() != 4 {
        (format!("it has {} instead of 4", counted(octets.len(), "octet")), String::new())
    } else {
        (
            fault_in_octets(&octets),
            octets.iter().map(|octet| plain_number(octet)).collect::<Vec<_>>().join("."),
        )
    };
    let bad = BadAddress::new(format!("{} is not an IPv4 address: {fault}", shown(text)));
    bad.meant(mended(text, parse_host, candidate))
}

/// What is wrong with four octets of digits.
fn fault_in_octets(octets: &[&str]) -> String {
    let over = octets.iter().find(|octet| plain_number(octet).parse::<u8>().is_err());
    let padded = octets.iter().find(|octet| plain_number(octet) != **octet);
    match (over, padded) {
        (Some(over), _) => format!("{} is over 255", cut(over)),
        (None, Some(padded)) => format!("leading zero in octet {}", shown(padded)),
        (None, None) => "its octets are not plain numbers".to_owned(),
    }
}

/// Digits without leading zeros.
fn plain_number(digits: &str) -> &str {
    let plain = digits.trim_start_matches('0');
    if plain.is_empty() { "0" } else { plain }
}

fn fault_in_v6(text: &str) -> String {
    let groups: Vec<&str> = text.split(':').collect();
    let hex = |group: &str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.contains(":::") || text.matches("::").count() > 1 {
        return "`::` may stand once".to_owned();
    }
    if let Some(group) = groups.iter().find(|group| !hex(group) && !group.contains('.')) {
        return format!("{} is not a hexadecimal number", shown(group));
    }
    if let Some(group) = groups.iter().find(|group| group.contains('.') && group.parse::<Ipv4Addr>().is_err())
    {
        return format!("{} is not an IPv4 address", shown(group));
    }
    if let Some(group) = groups.iter().find(|group| hex(group) && group.len() > 4) {
        return format!("{} has more than 4 digits", shown(group));
    }
    match text.contains("::") {
        true => "it has too many groups beside `::`".to_owned(),
        false => {
            let filled = groups.iter().filter(|group| !group.is_empty()).count();
            format!("it has {} instead of 8", counted(filled, "group"))
        }
    }
}

/// A bare address or a range where a CIDR is wanted.
fn not_a_cidr(text: &str) -> BadAddress {
    if looks_like_range(text) {
        let bad = BadAddress::new(format!("{} is a range, not a CIDR", shown(text)));
        let cidr = |range: Range| range.prefix().map(|prefix| format!("{}/{prefix}", range.first()));
        return bad.meant(parse_range(text).ok().and_then(cidr));
    }
    let alone = |address: IpAddr| format!("{address}/{}", Family::of(address).bits());
    match parse_host(text) {
        Ok(address) => {
            let bad = BadAddress::new(format!("{} is one address, not a CIDR", shown(text)));
            bad.meant(Some(alone(address)))
        }
        Err(bad) => {
            let meant = bad.suggestion.and_then(|host| host.parse().ok()).map(alone);
            BadAddress::new(bad.reason).meant(meant)
        }
    }
}

/// Why what stands behind a slash is not a plain number, and the number that was meant.
fn fault_in_prefix(mask: &str) -> Option<(String, String)> {
    if let Some(prefix) = mask.parse().ok().and_then(prefix_of_mask) {
        return Some(("a netmask instead of a prefix length".to_owned(), prefix.to_string()));
    }
    if mask.is_empty() || !mask.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((format!("{} is not a prefix length", shown(mask)), mask.trim().to_owned()));
    }
    let plain = plain_number(mask);
    (plain != mask).then(|| (format!("leading zero in prefix length {}", shown(mask)), plain.to_owned()))
}

/// The prefix length that a netmask such as `255.255.255.0` means.
fn prefix_of_mask(mask: Ipv4Addr) -> Option<u32> {
    let bits = mask.to_bits();
    (bits.leading_ones() + bits.trailing_zeros() == 32).then(|| bits.leading_ones())
}

/// A CIDR or a bare address where a range is wanted.
fn not_a_range(text: &str) -> BadAddress {
    if text.contains('/') && !text.contains("://") {
        return match parse_cidr(text) {
            // `::/80` ends in an IPv4-mapped address, which nobody reads.
            Ok(range) => BadAddress::new(format!("{} is a CIDR, not a range", shown(text))).meant(
                Some(format!("{}-{}", range.first(), range.last()))
                    .filter(|range| parse_range(range).is_ok()),
            ),
            Err(bad) => bad.meant(None),
        };
    }
    match parse_host(text) {
        Ok(address) => BadAddress::new(format!("{} is one address, not a range", shown(text)))
            .meant(Some(format!("{address}-{address}"))),
        Err(bad) => BadAddress::new(bad.reason).meant(bad.suggestion.map(|host| format!("{host}-{host}"))),
    }
}

/// `10.0.0.10-20`: people shorten the end to its last octet, MetalLB does not read that.
fn last_octet_only(first: IpAddr, last: &str) -> Option<BadAddress> {
    let (IpAddr::V4(v4), false) = (first, last.is_empty() || last.len() > 3) else {
        return None;
    };
    if !last.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let [a, b, c, _] = v4.octets();
    let end = last.parse().ok().map(|d| Ipv4Addr::new(a, b, c, d)).filter(|end| v4 <= *end);
    let bad = BadAddress::new(format!("the end of a range is a whole address, not {}", shown(last)));
    Some(bad.meant(end.map(|end| format!("{first}-{end}"))))
}

/// `1 octet`, `3 octets`.
fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// `text` in backticks, cut if it is very long.
fn shown(text: &str) -> String {
    format!("`{}`", cut(text))
}

/// The first part of `text`, with what a terminal would not show spelled out.
fn cut(text: &str) -> String {
    const MOST: usize = 60;
    let plain = |c: char| -> String {
        match c {
            '"' | '\'' | '\\' => c.to_string(),
            _ => c.escape_debug().to_string(),
        }
    };
    let mut cut: String = text.chars().take(MOST).map(plain).collect();
    if text.chars().nth(MOST).is_some() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
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
            assert_eq!(
                (bad.reason.as_str(), bad.suggestion.as_deref().unwrap_or("")),
                (*reason, *suggestion)
            );
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
                (
                    "10.0.0.001",
                    "`10.0.0.001` is not an IPv4 address: leading zero in octet `001`",
                    "10.0.0.1",
                ),
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
                (
                    "10.0.0.01",
                    "`10.0.0.01` is not an IPv4 address: leading zero in octet `01`",
                    "10.0.0.1/32",
                ),
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
                (
                    "10.0.0.0/255.0.255.0",
                    "`255.0.255.0` is not a prefix length in `10.0.0.0/255.0.255.0`",
                    "",
                ),
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
        for text in ["9".repeat(1 << 20), "[".repeat(LONGEST), "http://".repeat(22), "\u{202e}\0é".repeat(30)]
        {
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
}
