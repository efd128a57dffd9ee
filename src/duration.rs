//! Durations, as Go writes them.

/// Go counts nanoseconds in an `int64`: some 292 years.
const LONGEST: f64 = i64::MAX as f64 / 1e9;

/// Go's `time.ParseDuration` as far as Flux and Argo CD accept it: `ms`, `s`, `m`, `h`, no sign.
pub fn seconds(text: &str) -> Option<f64> {
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let written = &rest[..digits];
        let number: f64 = written.parse().ok()?;
        if written.starts_with('.') || written.ends_with('.') {
            return None;
        }
        let unit = &rest[digits..];
        let (size, length) = match unit {
            unit if unit.starts_with("ms") => (0.001, 2),
            unit if unit.starts_with('s') => (1.0, 1),
            unit if unit.starts_with('m') => (60.0, 1),
            unit if unit.starts_with('h') => (3600.0, 1),
            _ => return None,
        };
        total += number * size;
        rest = &unit[length..];
    }
    (!text.is_empty() && total < LONGEST).then_some(total)
}

/// The numbers and units of a text, blanks aside: `1d 12 hours` is (1, d) and (12, hours).
fn parts(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, left) = after.split_at(end);
        if number.is_empty() || (unit.is_empty() && !left.is_empty()) {
            return None;
        }
        parts.push((number, unit));
        rest = left.trim_start();
    }
    (!parts.is_empty()).then_some(parts)
}

/// The first unit of a text that is none.
pub fn unknown_unit(text: &str) -> Option<&str> {
    let known = |unit: &str| ["", "ms", "s", "m", "h"].contains(&unit);
    parts(text)?.into_iter().map(|(_, unit)| unit).find(|unit| !known(unit))
}

/// The duration that was meant by a text which is none: days are hours, a number alone is seconds.
pub fn meant(text: &str) -> Option<String> {
    let mut meant = String::new();
    for (number, unit) in parts(text)? {
        let unit = unit.to_lowercase();
        let (factor, unit) = match unit.as_str() {
            "ms" => (1, "ms"),
            "" | "s" | "sec" | "secs" | "second" | "seconds" => (1, "s"),
            "m" | "min" | "mins" | "minute" | "minutes" => (1, "m"),
            "h" | "hr" | "hrs" | "hour" | "hours" => (1, "h"),
            "d" | "day" | "days" => (24, "h"),
            "w" | "week" | "weeks" => (7 * 24, "h"),
            _ => return None,
        };
        match factor {
            1 => meant.push_str(number),
            factor => meant.push_str(&number.parse::<u32>().ok()?.checked_mul(factor)?.to_string()),
        }
        meant.push_str(unit);
    }
    seconds(&meant).map(|_| meant)
}

#[cfg(test)]
mod tests {
    use super::{meant, seconds, unknown_unit};

    #[test]
    fn what_is_no_duration_and_which_was_meant() {
        for (text, unit, duration) in [
            ("1d", Some("d"), Some("24h")),
            ("10 s", None, Some("10s")),
            ("1min", Some("min"), Some("1m")),
            ("2 weeks", Some("weeks"), Some("336h")),
            ("1h 30 minutes", Some("minutes"), Some("1h30m")),
            ("10", None, Some("10s")),
            ("1y", Some("y"), None),
            ("soon", None, None),
            ("", None, None),
            ("1.s", None, None),
        ] {
            assert_eq!(seconds(text), None, "{text}");
            assert_eq!((unknown_unit(text), meant(text).as_deref()), (unit, duration), "{text}");
        }
    }
}
