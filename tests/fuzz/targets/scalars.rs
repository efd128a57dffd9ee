//! Short texts: addresses, amounts, times, paths, the signature line.

use bayplan::address::{Range, parse_cidr, parse_host, parse_pool_entry, parse_range, parse_range_or_host};
use bayplan::cron;
use bayplan::duration::seconds;
use bayplan::quantity::Quantity;
use bayplan::template::{Route, VARIABLES};
use bayplan::tree::{SIGNATURE_START, Seal, Signed, TreePath, looks_signed, sign, signature};

use super::{Target, lines, text};
use crate::trail::Trail;

/// A message is one line, however long the text that it is about.
const LONGEST_MESSAGE: usize = 2000;

fn assert_readable(message: &str) {
    assert!(message.len() < LONGEST_MESSAGE, "{} bytes of message", message.len());
}

pub const ADDRESSES: Target = Target {
    name: "addresses",
    short: 5_000,
    longest: 2000,
    seeds: || {
        lines(&[
            "10.0.0.1",
            "10.0.0.0/24",
            "10.0.0.1-10.0.0.9",
            "10.0.0.1 - 10.0.0.9",
            "10.0.0.1-9",
            "010.0.0.1",
            "fd00::1",
            "fd00::/64",
            "fd00::1-fd00::ff",
            "::ffff:10.0.0.1",
            "fe80::1%eth0",
            "[fd00::1]:80",
            "10.0.0.1:80",
            "https://10.0.0.1/x",
            "0.0.0.0/0",
            "::/0",
            "255.255.255.255",
            "10.0.0.5/255.255.255.0",
            "10.0.0.5/24",
            "10.0.0.*",
            "10,0,0,1",
            "a.example.com",
            "１０.0.0.1",
            "10.0.0.1/33",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ])
    },
    words: &[
        "10.0.0.", "255", "256", "/24", "/0", "/128", "::", "fd00:", "-", " - ", "ffff", "%eth0", ":80",
        "http://",
    ],
    run: addresses,
};

type ParseRange = fn(&str) -> Result<Range, bayplan::address::BadAddress>;

fn addresses(input: &[u8], trail: &mut Trail) {
    let text = text(input);
    match parse_host(&text) {
        Ok(address) => assert_eq!(parse_host(&address.to_string()), Ok(address)),
        Err(bad) => {
            assert_readable(&bad.reason);
            trail.note("host", &bad.reason);
            if let Some(meant) = &bad.suggestion {
                assert!(parse_host(meant).is_ok(), "`{meant}` is suggested for `{text}`");
            }
        }
    }
    let readers: [(&str, ParseRange); 4] = [
        ("cidr", parse_cidr),
        ("range", parse_range),
        ("pool", parse_pool_entry),
        ("range or host", parse_range_or_host),
    ];
    for (name, parse) in readers {
        match parse(&text) {
            Ok(range) => assert_range(range),
            Err(bad) => {
                assert_readable(&bad.reason);
                trail.note(name, &bad.reason);
                if let Some(meant) = &bad.suggestion {
                    assert!(parse(meant).is_ok(), "{name}: `{meant}` is suggested for `{text}`");
                }
            }
        }
    }
}

fn assert_range(range: Range) {
    assert!(range.contains(range.first()) && range.contains(range.last()) && range.covers(range));
    assert_eq!(parse_range_or_host(&range.to_string()), Ok(range));
    if let Some(prefix) = range.prefix() {
        assert_eq!(Range::around(range.last(), prefix), Some(range));
        assert_eq!(parse_cidr(&format!("{}/{prefix}", range.first())), Ok(range));
    }
}

pub const QUANTITIES: Target = Target {
    name: "quantities",
    short: 5_000,
    longest: 400,
    seeds: || {
        lines(&[
            "1",
            "500m",
            "16Gi",
            "1.5",
            "1e3",
            "1E3",
            "1E",
            "-1",
            "+1",
            ".5",
            "5.",
            "1e-9",
            "0.1n",
            "1Ki",
            "4GB",
            "4 Gi",
            "100u",
            "9223372036854775807",
            "9223372036854775808Ei",
            "1e99",
            "0x10",
            "1,5",
            "١",
            "16gi",
            "0.0000000001",
            "-0.5Ki",
        ])
    },
    words: &[
        "Ki",
        "Mi",
        "Gi",
        "Ti",
        "Pi",
        "Ei",
        "n",
        "u",
        "m",
        "k",
        "M",
        "G",
        "T",
        "P",
        "E",
        "e",
        "e-",
        "0000000",
        "999999999",
    ],
    run: quantities,
};

fn quantities(input: &[u8], trail: &mut Trail) {
    let text = text(input);
    match Quantity::parse(&text) {
        Ok(amount) => {
            trail.note("fine", &amount.to_string());
            assert_eq!(Quantity::parse(&amount.to_string()), Ok(amount));
            assert_eq!(Quantity::parse(&amount.as_cpu()), Ok(amount));
            let _ = (
                amount.saturating_times(u64::MAX),
                amount.checked_add(amount),
                amount.saturating_sub(amount),
            );
        }
        Err(bad) => {
            assert_readable(&bad.reason);
            trail.note("bad", &bad.reason);
            for meant in &bad.suggestions {
                assert!(Quantity::parse(meant).is_ok(), "`{meant}` is suggested for `{text}`");
            }
        }
    }
}

pub const DURATIONS: Target = Target {
    name: "durations",
    short: 5_000,
    longest: 500,
    seeds: || {
        lines(&[
            "30s",
            "5m",
            "1h30m",
            "1.5h",
            "100ms",
            "0s",
            "",
            "1",
            "-5m",
            "1d",
            "999999999h",
            ".5s",
            "5.m",
            "1e3s",
        ])
    },
    words: &["ms", "s", "m", "h", ".", "99999999999999999999", "1h", "30m"],
    run: durations,
};

/// `time.ParseDuration` counts nanoseconds in an `int64`.
const LONGEST_DURATION: f64 = 9_223_372_037.0;

fn durations(input: &[u8], trail: &mut Trail) {
    if let Some(seconds) = seconds(&text(input)) {
        assert!((0.0..=LONGEST_DURATION).contains(&seconds), "{seconds}");
        trail.note("fine", &"x".repeat(seconds.log10().max(0.0) as usize));
    }
}

pub const SCHEDULES: Target = Target {
    name: "schedules",
    short: 5_000,
    longest: 2000,
    seeds: || {
        lines(&[
            "0 3 * * *",
            "*/15 * * * *",
            "0 0 1 jan sun",
            "@daily",
            "@every 5m",
            "1,2,3 0-23/2 ? * mon-fri",
            "60 0 * * *",
            "0 3 * *",
            "5-1 * * * *",
            "*/0 * * * *",
        ])
    },
    words: &["*", "*/5", "1-5", "mon", "dec", "@daily", ",", "/", "-", "?", "4294967296", "L", "#"],
    run: schedules,
};

fn schedules(input: &[u8], trail: &mut Trail) {
    if let Err(reason) = cron::parse(&text(input)) {
        trail.note("schedule", &reason);
    }
}

pub const PATHS: Target = Target {
    name: "paths",
    short: 5_000,
    longest: 1200,
    seeds: || {
        lines(&[
            "apps/media/base/plex.yaml",
            "apps/{stack}/base/{service}.yaml.j2",
            "../x",
            "/etc/passwd",
            "a//b",
            "a/./b",
            ".git/config",
            "con.yaml",
            "a\\b",
            "a:b",
            "x.j2",
            "_p.j2",
            "{node}.txt.j2",
            "{stack",
            "GIT~1/x",
            ".bayplan-1-2.tmp",
            "a./b",
            "a /b",
        ])
    },
    words: &[
        "..",
        "../",
        "/",
        "{stack}",
        "{service}",
        "{environment}",
        "{chart}",
        ".yaml.j2",
        ".git",
        "nul",
        "com1",
        "\\",
        "C:",
    ],
    run: paths,
};

fn assert_stays_below(path: &str) {
    assert!(!path.starts_with(['/', '\\']) && !path.contains('\0'), "{path}");
    assert!(path.split(['/', '\\']).all(|part| !matches!(part, "" | "." | "..")), "{path}");
}

fn paths(input: &[u8], trail: &mut Trail) {
    let text = text(input);
    match TreePath::parse(&text) {
        Ok(path) => {
            assert_stays_below(path.as_str());
            assert_eq!(path.components().collect::<Vec<_>>().join("/"), *text);
            assert!(path.folders().all(|folder| TreePath::parse(folder.as_str()).is_ok()));
        }
        Err(bad) => trail.note("path", bad.reason),
    }
    if let Ok(below) = TreePath::parse("a").unwrap().join(&text) {
        assert!(below.as_str().starts_with("a/"));
        assert_stays_below(below.as_str());
    }
    match Route::parse(&text) {
        Ok(route) => expand(&route, trail),
        Err(bad) => {
            assert_readable(&bad.message);
            trail.note("route", &bad.message);
        }
    }
    let route = Route::parse("apps/{stack}/{service}.yaml.j2").unwrap();
    let values = [("stack", &*text), ("service", "x")].into();
    match route.expand(&values) {
        Ok(path) => assert_stays_below(&path),
        Err(bad) => assert_readable(&bad.message),
    }
}

fn expand(route: &Route, trail: &mut Trail) {
    let values = VARIABLES.iter().map(|name| (*name, "x")).collect();
    match route.expand(&values) {
        Ok(path) => assert_stays_below(&path),
        Err(bad) => trail.note("expanded", &bad.message),
    }
}

pub const SIGNATURES: Target = Target {
    name: "signatures",
    short: 5_000,
    longest: 2000,
    seeds: || {
        let signed =
            |path: &str| sign(&TreePath::parse(path).unwrap(), "inventory.toml", "a: 1\nb: 2\n").into_bytes();
        let mut seeds = lines(&[
            "a: 1\n",
            "\u{feff}a\r\n",
            "",
            "# Made by bayplan from ",
            "<!-- Made by bayplan from x -->",
        ]);
        seeds.extend([signed("a.yaml"), signed("a.md")]);
        seeds
    },
    words: &["# Made by bayplan from ", "<!-- ", " -->", "sha256:", "\r\n", "\n", "\u{feff}"],
    run: signatures,
};

fn signatures(input: &[u8], trail: &mut Trail) {
    let text = text(input);
    let found = signature(&text);
    trail.note("text", &format!("{found:?}"));
    let start = &text.as_bytes()[..text.len().min(SIGNATURE_START)];
    assert_eq!(looks_signed(start), found != Signed::Foreign);
    for path in ["a.yaml", "a.md"] {
        let path = TreePath::parse(path).unwrap();
        let signed = sign(&path, "inventory.toml", &text);
        assert_eq!(signature(&signed), Signed::Ours);
        if !text.contains('\r') {
            assert_eq!(signature(&signed.replace('\n', "\r\n")), Signed::Ours);
        }
        assert_eq!(signature(&format!("\u{feff}{signed}")), Signed::Ours);
        assert_ne!(signature(&format!("{signed}\nmore\n")), Signed::Ours);
        assert_ne!(signature(&format!("{signed}x")), Signed::Ours);
        let (line, body) = signed.split_once('\n').unwrap();
        let cut: String = line.chars().take(line.chars().count() - 1).collect();
        // How a line ends does not count.
        assert!(line.ends_with('\r') || signature(&format!("{cut}\n{body}")) != Signed::Ours);
        let exact = !text.contains('\r') && text.ends_with('\n');
        assert_eq!(Seal::of(&signed).is_some(), exact || text.is_empty());
        assert!(Seal::of(&format!("\u{feff}{signed}")).is_none());
    }
}
