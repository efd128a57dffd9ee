//! What Kubernetes calls a name, a label or a key (`k8s.io/apimachinery/pkg/util/validation`), in one place.
//!
//! Each function says why a text is none of its kind, as the end of a sentence, or nothing.

/// The longest label of DNS, and the longest name of a label.
const LABEL: usize = 63;
/// The longest subdomain of DNS.
const SUBDOMAIN: usize = 253;
/// The longest name of a port (RFC 6335).
const PORT_NAME: usize = 15;

/// Why a text is no label of RFC 1123: the name of a namespace, a container or a volume.
pub fn label_fault(text: &str) -> Option<&'static str> {
    part_fault(text, "only lower-case letters, digits and `-` are allowed")
        .or_else(|| (text.len() > LABEL).then_some("it is longer than 63 characters"))
}

/// Why a text is no subdomain of RFC 1123, the name of most objects. Only the whole is limited, not its parts.
pub fn subdomain_fault(text: &str) -> Option<&'static str> {
    parts_fault(text).or_else(|| (text.len() > SUBDOMAIN).then_some("it is longer than 253 characters"))
}

/// Why a text is no host name: a subdomain whose parts DNS can carry.
pub fn host_fault(text: &str) -> Option<&'static str> {
    let long = |text: &str| text.split('.').any(|part| part.len() > LABEL);
    subdomain_fault(text).or_else(|| long(text).then_some("a part of it is longer than 63 characters"))
}

/// Why a text is no domain to search: a subdomain whose parts may have underscores, but not end with one.
pub fn search_fault(text: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = |part: &str| {
        let part = part.strip_prefix('_').unwrap_or(part);
        part.starts_with(plain) && part.ends_with(plain) && part.chars().all(|c| plain(c) || "-_".contains(c))
    };
    if !text.split('.').all(fits) {
        Some("only parts of lower-case letters, digits, `-` and `_` are allowed, with `.` between them")
    } else {
        (text.len() > SUBDOMAIN).then_some("it is longer than 253 characters")
    }
}

/// Why a text is no name of a Service: a label of RFC 1035, which begins with a letter.
pub fn service_fault(text: &str) -> Option<&'static str> {
    let digit = text.starts_with(|c: char| c.is_ascii_digit());
    label_fault(text).or_else(|| digit.then_some("a Service's name begins with a letter"))
}

/// Why a text is no name of a container's port (RFC 6335).
pub fn port_name_fault(text: &str) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.len() > PORT_NAME {
        Some("it is longer than 15 characters")
    } else if text.is_empty() || !text.chars().all(allowed) {
        Some("only lower-case letters, digits and `-` are allowed")
    } else if !text.chars().any(|c| c.is_ascii_lowercase()) {
        Some("it has no letter")
    } else if text.starts_with('-') || text.ends_with('-') || text.contains("--") {
        Some("`-` stands between letters or digits, one at a time")
    } else {
        None
    }
}

/// Why a text is no qualified name: a word, with or without a domain and `/` before it. The key of a label.
pub fn qualified_fault(text: &str) -> Option<&'static str> {
    let (domain, word) = match text.split_once('/') {
        Some((domain, word)) => (Some(domain), word),
        None => (None, text),
    };
    if domain.is_some_and(|domain| subdomain_fault(domain).is_some()) {
        return Some("before the `/` stands a domain: lower-case letters, digits, `-` and `.`");
    }
    word_fault(word)
}

/// Why a text is no value of a label: a word, or nothing.
pub fn label_value_fault(text: &str) -> Option<&'static str> {
    if text.is_empty() { None } else { word_fault(text) }
}

/// Why a text is no key of a ConfigMap or Secret, which may become the name of a file.
pub fn data_key_fault(text: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if text.is_empty() || !text.chars().all(plain) {
        Some(WORD)
    } else if text.len() > SUBDOMAIN {
        Some("it is longer than 253 characters")
    } else if text == "." || text.starts_with("..") {
        Some("it would lead out of its folder")
    } else {
        None
    }
}

/// What a word is made of.
pub const WORD: &str = "only letters, digits, `-`, `_` and `.` are allowed";

fn word_fault(word: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let end = |c: char| c.is_ascii_alphanumeric();
    if word.is_empty() || !word.chars().all(plain) {
        Some(WORD)
    } else if word.len() > LABEL {
        Some("it is longer than 63 characters")
    } else if !word.starts_with(end) || !word.ends_with(end) {
        Some("it begins and ends with a letter or digit")
    } else {
        None
    }
}

fn parts_fault(text: &str) -> Option<&'static str> {
    let allowed = "only lower-case letters, digits, `-` and `.` are allowed";
    if text.is_empty() {
        return Some("it is empty");
    }
    text.split('.').find_map(|part| match part {
        "" => Some("it has an empty part"),
        part => part_fault(part, allowed),
    })
}

fn part_fault(part: &str, allowed: &'static str) -> Option<&'static str> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if part.is_empty() {
        Some("it is empty")
    } else if !part.chars().all(inner) {
        Some(allowed)
    } else if part.starts_with('-') || part.ends_with('-') {
        Some("it begins or ends with `-`")
    } else {
        None
    }
}

/// A label of RFC 1123.
pub fn is_dns_label(text: &str) -> bool {
    label_fault(text).is_none()
}

/// A subdomain of RFC 1123.
pub fn is_dns_name(text: &str) -> bool {
    subdomain_fault(text).is_none()
}

/// The name of a Service.
pub fn is_service_name(text: &str) -> bool {
    service_fault(text).is_none()
}

/// The name of a container's port.
pub fn is_port_name(text: &str) -> bool {
    port_name_fault(text).is_none()
}

/// The key of a label or annotation.
pub fn is_label_key(text: &str) -> bool {
    qualified_fault(text).is_none()
}

/// The value of a label.
pub fn is_label_value(text: &str) -> bool {
    label_value_fault(text).is_none()
}

/// The key of a ConfigMap or Secret.
pub fn is_data_key(text: &str) -> bool {
    data_key_fault(text).is_none()
}

#[cfg(test)]
mod tests {
    use super::{
        data_key_fault, host_fault, is_dns_label, is_dns_name, is_label_key, is_label_value, is_port_name,
        is_service_name, qualified_fault, subdomain_fault,
    };

    #[test]
    fn names_of_objects() {
        assert!(is_dns_label("a-1") && is_dns_label(&"a".repeat(63)));
        assert!(["", "A", "a.b", "-a", "a-", &"a".repeat(64)].iter().all(|text| !is_dns_label(text)));
        assert!(is_dns_name("a.b-c.d") && is_dns_name(&"a".repeat(253)));
        assert!(["", "A", "a..b", ".a", "a.-b", &"a".repeat(254)].iter().all(|text| !is_dns_name(text)));
        assert!(is_service_name("a1") && !is_service_name("1a"));
        assert!(["http", "web-1"].iter().all(|text| is_port_name(text)));
        assert!(
            ["", "Http", "1234", "sixteen-letters-", "a--b", "-a"].iter().all(|text| !is_port_name(text))
        );
    }

    #[test]
    fn a_part_is_short_only_where_dns_must_carry_it() {
        let long = "a".repeat(64);
        assert_eq!(subdomain_fault(&long), None);
        assert_eq!(host_fault(&long), Some("a part of it is longer than 63 characters"));
    }

    #[test]
    fn keys_and_values() {
        for good in ["a", "A.b_c-1", "example.org/a", "a.b-c/D", "app.kubernetes.io/name", "a_b"] {
            assert_eq!(qualified_fault(good), None, "{good}");
        }
        for bad in ["", "a b", "-a", "a.", "/a", "A/b", "a/", "a/b/c", "a..b/c", &"a".repeat(64)] {
            assert!(!is_label_key(bad), "{bad}");
        }
        assert!(
            is_label_value("") && is_label_value("v1.2_x") && !is_label_value("-a") && !is_label_value("a b")
        );
        assert!(["a", "A_b-c.d", ".a", "-"].iter().all(|key| data_key_fault(key).is_none()));
        assert!(
            ["", ".", "..", "..a", "a/b", &"a".repeat(254)].iter().all(|key| data_key_fault(key).is_some())
        );
    }
}
