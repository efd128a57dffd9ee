//! Texts of a certain kind: durations, names, schedules. Each is taken as Kubernetes or its controller takes it.

use std::net::IpAddr;

use crate::cron;
use crate::object::Value;
use crate::object::naming::{is_dns_label, is_dns_name, is_port_name};
use crate::object::schema::whole;

/// What a text must be to be taken, and the test itself.
type Format = (&'static str, &'static str, fn(&str) -> bool);

/// Every format by name, with what it is in words.
const FORMATS: &[Format] = &[
    ("absolute-path", "a path that begins with `/`", |text| text.starts_with('/')),
    ("base64", "base64", is_base64),
    ("cidr", "a network in CIDR form", is_cidr),
    ("cluster-ip", "an IP address or `None`", |text| text.is_empty() || text == "None" || is_ip(text)),
    ("cron", "a schedule of five fields, such as `0 3 * * *`", is_cron),
    ("dns-label", "lower-case letters, digits and `-`, at most 63", is_dns_label),
    ("dns-name", "lower-case letters, digits, `-` and `.`", is_dns_name),
    ("duration", "a duration such as `10m` or `1h30m`", is_duration),
    ("env-name", "a name without `=`", |text| !text.is_empty() && !text.contains('=')),
    ("host-path-type", "a type of host path", is_host_path_type),
    ("int-or-percent", "a number or a percentage such as `25%`", is_percent),
    ("ip", "an IP address", is_ip),
    ("medium", "`Memory`, `HugePages` or nothing", |text| {
        text.is_empty() || text == "Memory" || text.starts_with("HugePages")
    }),
    ("not-empty", "a text that is not empty", |text| !text.is_empty()),
    ("port-name", "at most 15 lower-case letters, digits and `-`, a letter among them", is_port_name),
    ("prometheus-duration", "a duration such as `30s` or `1m`", is_prometheus_duration),
    ("seconds", "seconds, or a duration such as `2m`", |text| is_whole(text) || is_duration(text)),
    ("target-port", "a port from 1 to 65535 or the name of one", is_port_name),
    ("time", "a time such as `2026-01-31T12:00:00Z`", is_time),
];

/// Whether a format of this name exists.
pub fn known(name: &str) -> bool {
    FORMATS.iter().any(|(known, _, _)| *known == name)
}

/// Whether an empty text stands for none where such a text may be left out.
pub fn may_be_empty(name: &str) -> bool {
    ["absolute-path", "dns-label", "dns-name", "ip", "port-name", "target-port"].contains(&name)
}

/// What a value should be and is not.
pub fn fault(name: &str, value: &Value) -> Option<&'static str> {
    let (_, what, test) = FORMATS.iter().find(|(known, _, _)| *known == name)?;
    let fits = match (name, value) {
        ("target-port", Value::Number(number)) => {
            whole(number).is_some_and(|port| (1..65536).contains(&port))
        }
        ("int-or-percent", Value::Number(number)) => {
            whole(number).is_some_and(|count| (0..=i64::from(i32::MAX)).contains(&count))
        }
        (_, Value::String(text)) => test(text),
        _ => false,
    };
    (!fits).then_some(*what)
}

fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

fn is_cidr(text: &str) -> bool {
    text.parse::<ipnet::IpNet>().is_ok()
}

fn is_base64(text: &str) -> bool {
    let text: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
    let body = text.iter().take_while(|byte| **byte != b'=').count();
    text.len().is_multiple_of(4)
        && text.len() - body <= 2
        && text[..body].iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        && text[body..].iter().all(|byte| *byte == b'=')
}

fn is_percent(text: &str) -> bool {
    text.strip_suffix('%').is_some_and(is_whole)
}

fn is_host_path_type(text: &str) -> bool {
    ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"]
        .contains(&text)
}

fn is_whole(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// As Go reads one: numbers with units; a bare number only if it is zero.
fn is_duration(text: &str) -> bool {
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    rest == "0" || units(rest, &["ns", "us", "µs", "ms", "s", "m", "h"])
}

fn is_prometheus_duration(text: &str) -> bool {
    text.is_empty() || text == "0" || units(text, &["ms", "s", "m", "h", "d", "w", "y"])
}

/// Numbers, each followed by one of some units.
fn units(text: &str, known: &[&str]) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let after = &rest[digits..];
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        if digits == 0 || rest[..digits].parse::<f64>().is_err() || !known.contains(&&after[..end]) {
            return false;
        }
        rest = &after[end..];
    }
    !text.is_empty()
}

fn is_time(text: &str) -> bool {
    let digit = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let mark = |at: usize, c: u8| text.as_bytes().get(at) == Some(&c);
    (0..4).all(digit)
        && mark(4, b'-')
        && mark(7, b'-')
        && (mark(10, b'T') || mark(10, b't'))
        && mark(13, b':')
}

/// What robfig/cron reads, after a time zone or not.
fn is_cron(text: &str) -> bool {
    let text = match text.strip_prefix("TZ=").or_else(|| text.strip_prefix("CRON_TZ=")) {
        Some(rest) => rest.split_once(' ').map_or("", |(_, rest)| rest),
        None => text,
    };
    match text.strip_prefix("@every ") {
        Some(interval) => is_duration(interval),
        None => cron::parse(text).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::fault;
    use serde_json::json;

    #[test]
    fn texts_are_taken_as_kubernetes_takes_them() {
        let cases = [
            (
                "duration",
                vec!["10m", "1h30m", "0s", "1.5h", "300ms", "0"],
                vec!["5", "10 m", "m", "1d", "", "1h30"],
            ),
            ("prometheus-duration", vec!["30s", "1m", "1d"], vec!["30", "1.s.", "x"]),
            (
                "cron",
                vec!["0 3 * * *", "*/5 * * * *", "0 0 1,15 * MON-FRI", "@daily", "@every 500ms"],
                vec![
                    "0 3 * *",
                    "61 * * * *",
                    "@often",
                    "a b c d e",
                    "* * * * 7",
                    "9-5 * * * *",
                    "0 0 * mon *",
                ],
            ),
            ("port-name", vec!["http", "web-1"], vec!["Http", "1234", "sixteen-letters-", "a--b", ""]),
            ("dns-label", vec!["a", "a-1"], vec!["A", "a.b", "-a", "a-", ""]),
            ("cidr", vec!["10.0.0.0/8", "fd00::/64"], vec!["10.0.0.0", "10.0.0.0/33"]),
            ("base64", vec!["", "aGk=", "aHVudGVyMg=="], vec!["a", "aG!=", "===="]),
            ("int-or-percent", vec!["25%"], vec!["25", "%", "a%"]),
            ("time", vec!["2026-01-31T12:00:00Z"], vec!["yesterday", "2026-01-31"]),
        ];
        for (name, right, wrong) in cases {
            right.iter().for_each(|text| assert_eq!(fault(name, &json!(text)), None, "{name} {text}"));
            wrong.iter().for_each(|text| assert!(fault(name, &json!(text)).is_some(), "{name} {text}"));
        }
        assert_eq!(fault("target-port", &json!(80)), None);
        assert!(fault("target-port", &json!(0)).is_some() && fault("ip", &json!(1)).is_some());
    }
}
