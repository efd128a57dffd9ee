//! Why a text is no address, in words, and what was probably meant.

use std::net::{IpAddr, Ipv4Addr};

use super::{BadAddress, looks_like_range, mended, parse_cidr, parse_host, parse_range};
use crate::address::range::{Family, Range};

/// What is wrong with a text that the standard library refuses as an address.
pub(super) fn not_a_host(text: &str) -> BadAddress {
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
pub(super) fn not_a_cidr(text: &str) -> BadAddress {
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
pub(super) fn fault_in_prefix(mask: &str) -> Option<(String, String)> {
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
pub(super) fn not_a_range(text: &str) -> BadAddress {
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
pub(super) fn last_octet_only(first: IpAddr, last: &str) -> Option<BadAddress> {
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
pub(super) fn shown(text: &str) -> String {
    format!("`{}`", cut(text))
}

/// The first part of `text`, with what a terminal would not show spelled out.
pub(super) fn cut(text: &str) -> String {
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
