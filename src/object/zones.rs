//! The time zones that there are: Kubernetes, Argo CD and every libc know them by the names of the tz database.

use std::sync::LazyLock;

use crate::spelling::nearest;

/// Zones and the older names that lead to them (tzdata 2025b), in order.
static ZONES: LazyLock<Vec<&'static str>> = LazyLock::new(|| include_str!("zones.txt").lines().collect());

/// Whether Go's `time.LoadLocation` finds a zone of this name wherever it runs: the case of letters counts, and
/// `Local` is another one on every machine.
pub fn is_time_zone(text: &str) -> bool {
    ZONES.binary_search(&text).is_ok()
}

/// The zone that was probably meant: in other letters, of a place without its area, an offset from UTC, or misspelt.
pub fn meant(text: &str) -> Option<String> {
    let bare = text.trim().replace(' ', "_");
    let place = |zone: &&&str| zone.rsplit('/').next().is_some_and(|place| place.eq_ignore_ascii_case(&bare));
    let same = ZONES.iter().find(|zone| zone.eq_ignore_ascii_case(&bare));
    let known = |zone: &&'static str| (*zone).to_owned();
    let there = same.map(known).or_else(|| offset(&bare)).or_else(|| ZONES.iter().find(place).map(known));
    there.or_else(|| {
        // Of an abbreviation nobody knows which country's is meant.
        let named = bare.contains('/') || bare.len() > 5;
        named.then(|| nearest(&bare, ZONES.iter().copied()).map(str::to_owned)).flatten()
    })
}

/// `UTC+2` by its name in the database, where the sign says how far UTC is ahead.
fn offset(text: &str) -> Option<String> {
    let rest = ["UTC", "GMT"].iter().find_map(|start| text.strip_prefix(start))?;
    let (sign, hours) = rest.split_at_checked(1)?;
    let sign = match sign {
        "+" => '-',
        "-" => '+',
        _ => return None,
    };
    let hours: u8 = hours.trim_end_matches(":00").parse().ok()?;
    Some(format!("Etc/GMT{sign}{hours}")).filter(|zone| is_time_zone(zone))
}

#[cfg(test)]
mod tests {
    use super::{ZONES, is_time_zone, meant};

    #[test]
    fn zones_are_in_order() {
        assert!(ZONES.is_sorted() && ZONES.len() > 590);
    }

    #[test]
    fn zones_and_what_was_meant() {
        for zone in ["Europe/Berlin", "UTC", "Etc/UTC", "US/Eastern", "America/Argentina/Ushuaia", "CET"] {
            assert!(is_time_zone(zone), "{zone}");
        }
        for (text, zone) in [
            ("europe/berlin", Some("Europe/Berlin")),
            ("Europe/Berlin ", Some("Europe/Berlin")),
            ("Berlin", Some("Europe/Berlin")),
            ("America/New York", Some("America/New_York")),
            ("Europe/Berln", Some("Europe/Berlin")),
            ("GMT+2", Some("Etc/GMT-2")),
            ("UTC-11:00", Some("Etc/GMT+11")),
            ("CEST", None),
            ("Local", None),
            ("Mars/Olympus", None),
            ("", None),
        ] {
            assert!(!is_time_zone(text), "{text}");
            assert_eq!(meant(text).as_deref(), zone, "{text}");
        }
    }
}
