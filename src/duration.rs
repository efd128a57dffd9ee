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
