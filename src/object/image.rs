//! References to images, by the grammar of `distribution/reference`, which kubelet and every runtime keep to.

/// A name with its registry has at most so many characters (`NameTotalLengthMax`).
const LONGEST_NAME: usize = 255;
/// A tag has at most so many.
const LONGEST_TAG: usize = 128;

/// Name, tag and the longest digest together.
const LONGEST: usize = LONGEST_NAME + LONGEST_TAG + 160;

/// Why a text is no reference, and what was probably meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadImage {
    /// As the end of a sentence.
    pub reason: String,
    /// The reference that was meant.
    pub meant: Option<String>,
}

/// Reads a reference: `[registry[:port]/]path[:tag][@digest]`.
///
/// # Errors
///
/// The first thing that is wrong with it. A kubelet says `InvalidImageName` of such a text, for ever.
pub fn check(text: &str) -> Result<(), BadImage> {
    let Err(reason) = parse(text) else { return Ok(()) };
    let meant = mended(text).filter(|meant| parse(meant).is_ok());
    Err(BadImage { reason, meant })
}

fn parse(text: &str) -> Result<(), String> {
    if text.len() > LONGEST {
        return Err("it is longer than any image is called".to_owned());
    }
    if text.contains(char::is_whitespace) {
        return Err("it holds a blank".to_owned());
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(format!("an image is named without `{scheme}://`"));
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    if let Some(digest) = digest {
        check_digest(digest)?;
    }
    // What follows the last `/` has no port: a colon there begins the tag.
    let last = rest.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match rest[last..].find(':') {
        Some(at) => (&rest[..last + at], Some(&rest[last + at + 1..])),
        None => (rest, None),
    };
    if let Some(tag) = tag {
        check_tag(tag)?;
    }
    check_name(name)
}

fn check_digest(digest: &str) -> Result<(), String> {
    let Some((algorithm, hex)) = digest.split_once(':') else {
        return Err("after `@` stands a digest, such as `sha256:` and 64 hexadecimal digits".to_owned());
    };
    let wanted = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return Err(format!("`{algorithm}` is no digest that registries know: `sha256` is")),
    };
    let digits = hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if hex.len() != wanted || !digits {
        return Err(format!("its digest `{algorithm}:` has {wanted} hexadecimal digits, in lower case"));
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<(), String> {
    let inner = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if tag.is_empty() {
        return Err("its tag is empty".to_owned());
    }
    if tag.contains(':') {
        return Err(format!("`{tag}` is more than one tag"));
    }
    if !tag.chars().all(inner) || tag.starts_with(['.', '-']) {
        return Err(format!("`{tag}` is no tag: letters, digits, `_`, `.` and `-`, the last two not first"));
    }
    if tag.len() > LONGEST_TAG {
        return Err(format!("its tag is longer than {LONGEST_TAG} characters"));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("it has no name".to_owned());
    }
    if name.len() > LONGEST_NAME {
        return Err(format!("its name is longer than {LONGEST_NAME} characters"));
    }
    let (registry, path) = match name.split_once('/') {
        Some((first, path)) if is_registry(first) => (Some(first), path),
        _ => (None, name),
    };
    if let Some(registry) = registry {
        check_registry(registry)?;
    }
    if registry.is_none() && path.len() == 64 && path.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("64 hexadecimal digits are an image's own ID, not its name".to_owned());
    }
    path.split('/').try_for_each(check_part)
}

/// What the first part of a name must look like to be taken for a registry (`splitDockerDomain`).
fn is_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

fn check_registry(registry: &str) -> Result<(), String> {
    let (host, port) = match registry.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if address.parse::<std::net::Ipv6Addr>().is_ok() => (None, port),
            _ => return Err(format!("`{registry}` is no registry: an IPv6 address stands in brackets")),
        },
        None => {
            let end = registry.find(':').unwrap_or(registry.len());
            (Some(&registry[..end]), &registry[end..])
        }
    };
    let inner = |part: &str| {
        let ends = !part.starts_with('-') && !part.ends_with('-');
        !part.is_empty() && ends && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    if host.is_some_and(|host| !host.split('.').all(inner)) {
        return Err(format!("`{registry}` is no registry: a host name, with or without a port"));
    }
    let digits = |port: &str| port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    if !port.is_empty() && !digits(port) {
        return Err(format!("`{}` is no port of a registry", port.trim_start_matches(':')));
    }
    Ok(())
}

/// Letters and digits, between them `.`, `_`, `__` or any number of `-`.
fn check_part(part: &str) -> Result<(), String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if part.is_empty() {
        return Err("a part of its name is empty: it has a `/` too many".to_owned());
    }
    if part.contains(|c: char| c.is_ascii_uppercase()) {
        return Err("only its registry and tag may have capital letters".to_owned());
    }
    if let Some(c) = part.chars().find(|c| !inner(*c) && !"._-".contains(*c)) {
        return Err(format!("`{c}` cannot stand in its name"));
    }
    let separators = part.split(inner);
    let fine = |between: &str| matches!(between, "" | "." | "_" | "__") || between.chars().all(|c| c == '-');
    if !part.starts_with(inner) || !part.ends_with(inner) || !separators.into_iter().all(fine) {
        return Err(format!("in `{part}`, `.`, `_` and `-` stand one at a time between letters and digits"));
    }
    Ok(())
}

/// Without blanks, scheme and an empty tag, the name in lower case.
fn mended(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let text = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    let text = text.trim_end_matches([':', '/', '@']);
    let slash = text.rfind('/').map_or(0, |at| at + 1);
    let end = text[slash..].find([':', '@']).map_or(text.len(), |at| slash + at);
    let (name, rest) = text.split_at(end);
    Some(format!("{}{rest}", name.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn references_that_runtimes_take() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for image in [
            "nginx",
            "nginx:1.29.1",
            "plexinc/pms-docker:1.42.1",
            "docker.io/library/nginx",
            "r.lan:5000/a/b",
            "localhost/a:B_1",
            "Registry.Example.org/a:1",
            "[fd00::1]:5000/a:1",
            "a.b/c__d/e-f--g.h:1",
            &format!("nginx@{digest}"),
            &format!("r.lan:5000/a/b:1@{digest}"),
        ] {
            assert_eq!(check(image), Ok(()), "{image}");
        }
    }

    #[test]
    fn references_that_they_refuse() {
        for (image, reason, meant) in [
            ("https://docker.io/a/b:1", "named without", Some("docker.io/a/b:1")),
            ("a/b: 1", "a blank", Some("a/b:1")),
            ("a/b:1 ", "a blank", Some("a/b:1")),
            ("PlexInc/pms:1", "capital letters", Some("plexinc/pms:1")),
            ("a/b:", "tag is empty", Some("a/b")),
            ("a/b:1:2", "more than one tag", None),
            ("a/b@sha256:abc", "64 hexadecimal", None),
            ("a/b@1.2", "stands a digest", None),
            ("a/b@md5:00", "no digest that", None),
            ("a//b", "a `/` too many", None),
            ("a/b:-1", "is no tag", None),
            ("a..b/c/d:1", "is no registry", None),
            ("a.b:x/c", "no port", None),
            ("a_-b", "one at a time", None),
            ("a+b", "`+` cannot", None),
            ("", "no name", None),
            (":1", "no name", None),
        ] {
            let bad = check(image).unwrap_err();
            assert!(bad.reason.contains(reason), "{image}: {}", bad.reason);
            assert_eq!(bad.meant.as_deref(), meant, "{image}");
        }
        assert!(check(&"a".repeat(256)).is_err() && check(&"a".repeat(64)).is_err());
    }
}
