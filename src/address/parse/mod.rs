//! Reading addresses, CIDRs and ranges as people write them, and saying what was meant.
//!
//! The standard library decides what an address is; what stands here beyond that finds words for a refusal.
//! A suggestion always parses where it is suggested.

mod refusal;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;

use self::refusal::{cut, fault_in_prefix, last_octet_only, not_a_cidr, not_a_host, not_a_range, shown};
use super::range::{Family, Range};

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
