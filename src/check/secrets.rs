//! What a secret looks like: the shapes of known tokens, names that tell, values that are none.

use std::ops::Range;

/// Known tokens: what they begin with, how many characters of their alphabet follow at least, and what they are.
const TOKENS: &[(&str, usize, &str)] = &[
    ("ghp_", 30, "a GitHub token"),
    ("gho_", 30, "a GitHub token"),
    ("ghu_", 30, "a GitHub token"),
    ("ghs_", 30, "a GitHub token"),
    ("ghr_", 30, "a GitHub token"),
    ("github_pat_", 20, "a GitHub token"),
    ("glpat-", 20, "a GitLab token"),
    ("xoxb-", 10, "a Slack token"),
    ("xoxp-", 10, "a Slack token"),
    ("xoxa-", 10, "a Slack token"),
    ("xoxr-", 10, "a Slack token"),
    ("xoxs-", 10, "a Slack token"),
    ("xapp-", 10, "a Slack token"),
    ("AKIA", 16, "an AWS access key"),
    ("ASIA", 16, "an AWS access key"),
    ("claim-", 20, "a Plex claim token"),
    ("sk-", 20, "an API key"),
    ("sk_live_", 16, "a Stripe key"),
    ("rk_live_", 16, "a Stripe key"),
    ("AIza", 35, "a Google API key"),
    ("npm_", 36, "an npm token"),
    ("pypi-AgE", 30, "a PyPI token"),
    ("hf_", 30, "a Hugging Face token"),
    ("dckr_pat_", 20, "a Docker token"),
    ("dop_v1_", 60, "a DigitalOcean token"),
    ("tskey-", 16, "a Tailscale key"),
    ("hvs.", 20, "a Vault token"),
    ("SG.", 40, "a SendGrid key"),
    ("AGE-SECRET-KEY-1", 50, "an age key"),
];

/// Bytes of the shortest known token. All other shapes but that of a password in a URL are longer.
const SHORTEST: usize = 15;

/// What kind of secret a text holds, by its shape alone.
pub fn shape(text: &str) -> Option<&'static str> {
    // Every text of an inventory comes by here, and most are short.
    let long = || {
        if text.contains("PRIVATE KEY-----") && text.contains("-----BEGIN") {
            return Some("a private key");
        }
        token(text)
            .or_else(|| jwt(text).map(|_| "a signed token (JWT)"))
            .or_else(|| is_telegram(text).then_some("a Telegram bot's token"))
            .or_else(|| is_webhook(text).then_some("a webhook's address"))
    };
    let known = if text.len() < SHORTEST { None } else { long() };
    known.or_else(|| url_password(text).then_some("a password in a URL"))
}

fn in_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// The first of the known tokens that a text holds.
fn token(text: &str) -> Option<&'static str> {
    known_tokens(text, '.').map(|(_, token)| token).min_by_key(|(place, _)| *place).map(|(_, what)| what)
}

/// The known tokens of a text, and where each begins: where a word does, to which `joint` belongs.
fn known_tokens(text: &str, joint: char) -> impl Iterator<Item = (usize, (usize, &'static str))> {
    let mut fresh = true;
    let words = text.char_indices().filter(move |(_, c)| {
        let is_start = fresh && in_token(*c);
        fresh = !(in_token(*c) || *c == joint);
        is_start
    });
    let long = words.map(|(at, _)| at).take_while(|at| text.len() - at >= SHORTEST);
    long.filter_map(|at| Some((at, token_at(&text[at..])?)))
}

/// Where a text holds what no report shows: known and signed tokens, and passwords in URLs.
pub fn shown_by_none(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    if text.len() >= SHORTEST {
        // In `${services.NAME.url}`, too.
        for (at, _) in known_tokens(text, '-') {
            // Of one run, the first hides the others.
            if found.last().is_none_or(|last| last.end <= at) {
                found.push(at..run_end(text, at));
            }
        }
        found.extend(jwt(text));
    }
    if text.contains('@') {
        found.extend(text.match_indices("://").filter_map(|(at, _)| password_at(text, at + 3)));
    }
    found
}

/// The token that a text begins with, and its place among the known ones: the prefix, and enough after it that is
/// not just words. A token has a digit, or letters of both cases.
fn token_at(text: &str) -> Option<(usize, &'static str)> {
    TOKENS.iter().enumerate().find_map(|(place, (start, least, what))| {
        let body: &str = text.strip_prefix(start)?;
        let body = &body[..body.floor_char_boundary(LONGEST)];
        let body = &body[..run_end(body, 0)];
        let mixed = body.contains(|c: char| c.is_ascii_lowercase())
            && body.contains(|c: char| c.is_ascii_uppercase());
        let lone = !start.starts_with("AKIA") && !start.starts_with("ASIA")
            || (body.len() == *least && body.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()));
        let is_token = body.len() >= *least && lone && (mixed || body.contains(|c: char| c.is_ascii_digit()));
        is_token.then_some((place, *what))
    })
}

/// So much of a known token tells that it is one.
const LONGEST: usize = 1024;

/// Where a run of what tokens are made of ends.
fn run_end(text: &str, at: usize) -> usize {
    text[at..].find(|c: char| !in_token(c) && c != '.').map_or(text.len(), |length| at + length)
}

/// The first signed token of a text, with what stands before it in the same run.
fn jwt(text: &str) -> Option<Range<usize>> {
    let mut from = 0;
    while let Some(start) = text[from..].find("eyJ").map(|found| from + found) {
        let end = run_end(text, start);
        if ends_in_jwt(&text[start..end]) {
            return Some(start..end);
        }
        from = end;
    }
    None
}

/// Whether a run ends in three parts that are a head, a body and a signature; other words may stand before the head.
fn ends_in_jwt(run: &str) -> bool {
    let mut parts = run.rsplit('.');
    let (Some(signature), Some(body), Some(head)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let head = head.find("eyJ").map(|at| &head[at..]).unwrap_or_default();
    body.starts_with("eyJ") && [head, body, signature].iter().all(|part| part.len() >= SHORTEST_PART)
}

/// No part of a signed token is shorter.
const SHORTEST_PART: usize = 10;

fn is_telegram(text: &str) -> bool {
    let (number, key) = text.trim().split_once(':').unwrap_or_default();
    let number = number.trim_start_matches(|c: char| !c.is_ascii_digit());
    (8..=10).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && key.len() == 35
        && key.chars().all(in_token)
}

fn is_webhook(text: &str) -> bool {
    ["hooks.slack.com/services/T", "discord.com/api/webhooks/", "discordapp.com/api/webhooks/"]
        .iter()
        .any(|start| text.split_once(start).is_some_and(|(_, rest)| rest.len() >= 20 && !rest.contains("${")))
}

/// `scheme://user:password@host` with a password that is meant.
fn url_password(text: &str) -> bool {
    text.contains('@') && text.match_indices("://").any(|(at, _)| password_at(text, at + 3).is_some())
}

/// The password of the URL whose authority begins here.
fn password_at(text: &str, start: usize) -> Option<Range<usize>> {
    let authority = text[start..].split(['/', '?', '#', ' ', '"', '\'', '\n']).next().unwrap_or_default();
    let (user, _) = authority.rsplit_once('@')?;
    let (name, password) = user.split_once(':')?;
    let from = start + name.len() + 1;
    (!is_no_secret(password)).then(|| from..from + password.len())
}

/// How every name that announces a secret ends.
const ENDS: [&str; 9] =
    ["PASSWORD", "PASSWD", "PASSPHRASE", "PASS", "PWD", "SECRET", "TOKEN", "KEY", "CREDENTIALS"];

/// Whether a name announces a secret: `DB_PASSWORD`, `apiKey`, `--auth-token`.
pub fn telling(name: &str) -> Option<Telling> {
    let bare = name.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).as_bytes();
    let ends =
        |end: &[u8]| bare.len() >= end.len() && bare[bare.len() - end.len()..].eq_ignore_ascii_case(end);
    // Most names need no more of a look.
    if !ENDS.iter().any(|end| ends(end.as_bytes())) {
        return None;
    }
    let words = words(name);
    let last = |count: usize| words[words.len().saturating_sub(count)..].join("_");
    let (one, two) = (last(1), last(2));
    if words.iter().any(|word| ["EXISTING", "PUBLIC", "PULL"].contains(&word.as_str())) {
        return None;
    }
    // `PGPASSWORD` is how PostgreSQL's own programs call it.
    let strong = ["PASSWORD", "PASSWD", "PASSPHRASE"].iter().any(|end| one.ends_with(end))
        || one == "PASS"
        || (one == "PWD" && words.len() > 1);
    if strong {
        return Some(Telling::Password);
    }
    let keys = [
        "API_KEY",
        "PRIVATE_KEY",
        "SECRET_KEY",
        "ACCESS_KEY",
        "AUTH_KEY",
        "ENCRYPTION_KEY",
        "MASTER_KEY",
        "SIGNING_KEY",
        "PRESHARED_KEY",
        "LICENSE_KEY",
    ];
    let key = ["SECRET", "TOKEN", "APIKEY", "CREDENTIALS", "AUTHKEY"].contains(&one.as_str())
        || keys.contains(&two.as_str());
    key.then_some(Telling::Key)
}

/// How much a name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// Whatever stands there is a password.
    Password,
    /// A key or token, or the name of one: it must look like chance.
    Key,
}

/// The words of a name in capitals, whether it is written `A_B`, `a-b`, `a.b` or `aB`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower = false;
    for c in name.chars() {
        let split = !c.is_ascii_alphanumeric() || (lower && c.is_ascii_uppercase());
        if split && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if c.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(c.to_ascii_uppercase());
        }
        lower = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Words that stand for a secret that is yet to come, or for a setting.
const PLACEHOLDERS: &[&str] = &[
    "auto",
    "basic",
    "default",
    "disabled",
    "enabled",
    "external",
    "false",
    "file",
    "forms",
    "nil",
    "no",
    "none",
    "null",
    "off",
    "on",
    "optional",
    "required",
    "true",
    "undefined",
    "unset",
    "yes",
];
/// Parts of a text that stands for one.
const STANDS_FOR: &[&str] = &[
    "changeme",
    "change-me",
    "change_me",
    "placeholder",
    "replaceme",
    "replace-me",
    "replace_me",
    "todo",
    "fixme",
    "redacted",
    "your-",
    "your_",
    "xxxx",
    "****",
    "<",
    "{{",
    "$(",
    "${",
    "op://",
    "vault:",
    "ref+",
    "enc[",
    "secretkeyref",
];

/// Whether a text is no secret whatever its name: nothing, a placeholder, a reference, a path, a number, a switch.
pub fn is_no_secret(text: &str) -> bool {
    let text = text.trim();
    let lower = text.to_lowercase();
    text.is_empty()
        || PLACEHOLDERS.contains(&lower.as_str())
        || STANDS_FOR.iter().any(|part| lower.contains(part))
        || ["/", "./", "../", "~", "$", "file:", "http://", "https://"]
            .iter()
            .any(|start| text.starts_with(start))
        || text.parse::<f64>().is_ok()
        || text.chars().all(|c| !c.is_alphanumeric())
}

/// Whether a text looks drawn by chance rather than chosen: long enough, of several kinds of characters, and with
/// over three bits for each. Names of objects are words.
pub fn looks_random(text: &str) -> bool {
    let text = text.trim();
    let kinds = [
        text.contains(|c: char| c.is_ascii_digit()),
        text.contains(|c: char| c.is_ascii_lowercase()),
        text.contains(|c: char| c.is_ascii_uppercase()),
    ];
    let several = kinds.into_iter().filter(|kind| *kind).count() > 1;
    text.len() >= 8
        && !text.contains(char::is_whitespace)
        && several
        && digits_spread(text)
        && bits(text) > 2.5
}

/// Whether a text is one long word, as somebody may choose for a secret. Names of objects have words with dashes.
pub fn looks_chosen(text: &str) -> bool {
    let text = text.trim();
    text.len() >= 8 && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#%&*+=_@".contains(c))
}

/// Names such as `media-2` or `tls-secret-v1` have their digits at one place; chance spreads them.
fn digits_spread(text: &str) -> bool {
    let kind = |c: char| (c.is_ascii_digit(), c.is_ascii_uppercase(), !c.is_ascii_alphanumeric());
    let kinds: Vec<_> = text.chars().map(kind).collect();
    let changes = kinds.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let separators = text.chars().filter(|c| !c.is_ascii_alphanumeric()).count();
    changes.saturating_sub(2 * separators) >= 2 || (text.len() >= 16 && separators == 0)
}

/// Shannon's entropy, in bits for each byte.
fn bits(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let length = text.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / length)
        .map(|share| -share * share.log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::{SHORTEST, TOKENS, Telling, is_no_secret, jwt, looks_random, shape, shown_by_none, telling};

    #[test]
    fn tokens_are_known_by_their_shape() {
        // Put together here, so that no scanner of this repository takes them for real.
        let body = "0123456789abcdefghijklmnopqrstuvwxyzABCD";
        for (start, length) in
            [("ghp_", 36), ("claim-", 20), ("sk-", 24), ("xoxb-", 20), ("glpat-", 20), ("AIza", 35)]
        {
            let token = format!("{start}{}", &body[..length]);
            assert!(shape(&token).is_some(), "{token}");
            assert!(shape(&format!("--token={token} --more")).is_some());
            assert!(shape(&format!("x{token}")).is_none());
        }
        assert!(shape(&format!("AKIA{}", "ABCDEFGH12345678")).is_some());
        assert!(shape("postgres://app:hunter2@db:5432/app").is_some());
        assert!(shape(&format!("-----BEGIN RSA PRIVATE KEY-----\n{body}")).is_some());
        for text in [
            "claim-name",
            "task-list-of-the-whole-family-and-more",
            "sk-this-is-only-a-long-name-of-words",
            "postgres://app:${DB}@db/app",
            "https://example.org/a:b@c",
            "http://host:8080/path",
            "disk-local-path-provisioner-one",
            "AKIAXYZ",
        ] {
            assert_eq!(shape(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_by_none_is_the_secret_alone() {
        let token = format!("ghp_{}", "0123456789abcdefghijklmnopqrstuvwxyzABCD");
        let text = format!("no chart `{token}`, nor https://me:hunter2@h/x");
        let shown: Vec<&str> = shown_by_none(&text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(shown, [token.as_str(), "hunter2"]);
        assert_eq!(shown_by_none("service `plex` of https://me@h/x"), []);
    }

    #[test]
    fn no_token_is_shorter_than_the_shortest() {
        let lengths = TOKENS.iter().map(|(start, least, _)| start.len() + least);
        assert_eq!(lengths.min(), Some(SHORTEST));
    }

    #[test]
    fn names_tell_by_their_last_words() {
        for name in [
            "PASSWORD",
            "DB_PASSWORD",
            "PGPASSWORD",
            "adminPassword",
            "--db-password",
            "smtp.pass",
            "MYSQL_PWD",
        ] {
            assert_eq!(telling(name), Some(Telling::Password), "{name}");
        }
        for name in [
            "API_KEY",
            "apiKey",
            "RADARR__AUTH__APIKEY",
            "clientSecret",
            "BOT_TOKEN",
            "WIREGUARD_PRIVATE_KEY",
        ] {
            assert_eq!(telling(name), Some(Telling::Key), "{name}");
        }
        for name in [
            "PWD",
            "PASSWORD_FILE",
            "secretName",
            "existingSecret",
            "TOKEN_URL",
            "BYPASS",
            "COMPASS",
            "KEY",
            "PUBLIC_KEY",
            "imagePullSecret",
            "passwordKey",
            "",
        ] {
            assert_eq!(telling(name), None, "{name}");
        }
    }

    #[test]
    fn signed_tokens_are_found_in_their_run() {
        let token = "eyJhbGciOiJI.eyJzdWIiOiIx.dBjftJeZ4CVP";
        for (text, range) in [
            (format!("Bearer {token} x"), Some(7..45)),
            (format!("x.eyJ.{token}"), Some(2..44)),
            (format!("{token}.more-than-three"), None),
            ("eyJhbGciOiJI.eyJzdWIiOiIx".to_owned(), None),
        ] {
            assert_eq!(jwt(&text), range, "{text}");
        }
    }

    #[test]
    fn runs_of_what_tokens_begin_with_are_looked_through_once() {
        for piece in ["eyJ", "eyJ.", "ghp_.", "glpat-", "AKIA.", "eyJhbGciOiJI."] {
            let text = piece.repeat(400_000 / piece.len());
            assert_eq!(shape(&text), None, "{piece}");
            shown_by_none(&text);
        }
    }

    #[test]
    fn what_stands_for_a_secret_is_none() {
        for text in [
            "",
            "changeme",
            "<your password>",
            "${DB_PASSWORD}",
            "$(DB)",
            "/run/secrets/db",
            "true",
            "1234",
            "***",
            "{{ x }}",
            "file:/x",
        ] {
            assert!(is_no_secret(text), "{text}");
        }
        for text in ["hunter2", "s3cr3t!", "correct horse battery staple"] {
            assert!(!is_no_secret(text), "{text}");
        }
    }

    #[test]
    fn names_do_not_look_random() {
        for text in [
            "media-stack-secrets",
            "wildcard-tls-v2",
            "db-credentials",
            "default",
            "plex-2",
            "my-app-secret-1",
        ] {
            assert!(!looks_random(text), "{text}");
        }
        for text in ["9f86d081884c7d65", "k3J9sLq2Zx81", "a1b2c3d4e5f6", "dGhpc2lzYXNlY3JldA"] {
            assert!(looks_random(text), "{text}");
        }
    }
}
