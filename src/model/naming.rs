//! Names: whether Kubernetes takes them, and what is said of those that nobody has declared.

use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::inventory;
use crate::inventory::value::Text;
use crate::model::references::Resolver;
use crate::model::{BAD_NAME, CONFLICTING_KEYS, UNKNOWN_REFERENCE};
use crate::object::naming::{host_fault, label_fault, service_fault, subdomain_fault};
use crate::source::{Span, Spanned};
use crate::spelling::listed;

/// Keeps the names that exist, each once, and reports the others.
pub fn known_only<'k>(
    resolver: &mut Resolver<'_>,
    names: Vec<Spanned<String>>,
    what: &str,
    exists: impl Fn(&str) -> bool,
    known: impl Fn() -> Vec<&'k str>,
) -> Vec<Spanned<String>> {
    let (there, missing): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| exists(name));
    for name in missing {
        report_unknown(resolver, &name, what, &known());
    }
    once(there, |name| name.value.clone())
}

/// A list without what stands in it again: MetalLB refuses its whole configuration for that.
pub fn once<T, K: Ord>(list: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = BTreeSet::new();
    list.into_iter().filter(|item| seen.insert(key(item))).collect()
}

/// Reports a name that nothing has.
pub fn report_unknown(resolver: &mut Resolver<'_>, name: &Spanned<String>, what: &str, known: &[&str]) {
    report_undeclared(resolver, name, what, known, &format!("the inventory declares no {what}"));
}

/// The same, with what helps where nothing of the sort is declared.
pub fn report_undeclared(
    resolver: &mut Resolver<'_>,
    name: &Spanned<String>,
    what: &str,
    known: &[&str],
    none: &str,
) {
    let (kind, place) =
        what.split_once(" of ").map_or((what, String::new()), |(kind, of)| (kind, format!(" of {of}")));
    let message = format!("there is no {kind} `{name}`{place}");
    let diagnostic = UNKNOWN_REFERENCE.at(name.span, format!("no such {what}"), message);
    let help = match resolver.guess(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => none.to_owned(),
        None => format!("declared: {}", listed(known.iter().copied())),
    };
    resolver.found.push(diagnostic.help(help));
}

/// What Kubernetes asks of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// RFC 1123 label: lower-case letters, digits and `-`, at most 63.
    Label,
    /// RFC 1035 label: as before, and beginning with a letter. Services need it.
    ServiceLabel,
    /// RFC 1123 subdomain: such labels joined by dots, at most 253 altogether.
    Subdomain,
    /// A subdomain that DNS carries: at most 63 between two dots.
    Host,
}

/// Reports a name that Kubernetes refuses.
pub fn check_name(resolver: &mut Resolver<'_>, name: &str, span: Span, what: &str, kind: NameKind) {
    let Some(reason) = name_fault(name, kind) else { return };
    let shown: String = name.chars().take(80).collect();
    let mut diagnostic = BAD_NAME.at(span, "not a name", format!("`{shown}` cannot name {what}: {reason}"));
    let mended = mend_name(name, kind);
    if !mended.is_empty() && mended != name {
        diagnostic = diagnostic.help(format!("write `{mended}`"));
    }
    resolver.found.push(diagnostic);
}

/// Why Kubernetes refuses a name, if it does.
pub fn name_fault(name: &str, kind: NameKind) -> Option<&'static str> {
    match kind {
        NameKind::Label => label_fault(name),
        NameKind::ServiceLabel => service_fault(name),
        NameKind::Subdomain => subdomain_fault(name),
        NameKind::Host => host_fault(name),
    }
}

fn mend_name(name: &str, kind: NameKind) -> String {
    if kind == NameKind::Host
        && let Some(host) = mend_host(name)
    {
        return host;
    }
    let keep_dots = matches!(kind, NameKind::Subdomain | NameKind::Host);
    let mapped: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || (c == '.' && keep_dots) { c } else { '-' })
        .take(if keep_dots { 253 } else { 63 })
        .collect();
    let trimmed = mapped.trim_matches(['-', '.']).to_owned();
    match kind {
        NameKind::ServiceLabel if trimmed.starts_with(|c: char| c.is_ascii_digit()) => format!("s{trimmed}"),
        _ if name_fault(&trimmed, kind).is_some() => String::new(),
        _ => trimmed,
    }
}

/// The host of a URL, without port and path, in lower case.
fn mend_host(text: &str) -> Option<String> {
    let rest = text.trim().split_once("://").map_or(text.trim(), |(_, rest)| rest);
    let host = rest.split(['/', ':']).next()?.trim_end_matches('.').to_lowercase();
    let meant = host.contains('.') || host == text.to_lowercase();
    (meant && host_fault(&host).is_none()).then_some(host)
}

/// Reports what is no host name; a wildcard is one where `wildcards` are.
pub fn check_host(resolver: &mut Resolver<'_>, host: &Spanned<String>, wildcards: bool) {
    // What Flux fills in later is not known yet.
    if resolver.escaping && host.contains("${") {
        return;
    }
    let wildcard = host.strip_prefix("*.").filter(|_| wildcards);
    let name = wildcard.unwrap_or(host);
    if host.parse::<std::net::IpAddr>().is_ok() {
        let message = format!("`{host}` is an address, and no host name");
        let finding = BAD_NAME.at(host.span, "not a host name", message);
        resolver.found.push(finding.help("give it a name that your DNS knows"));
    } else if let Some(reason) = host_fault(name) {
        let message = format!("`{host}` is not a host name: {reason}");
        let finding = BAD_NAME.at(host.span, "not a host name", message);
        resolver.found.push(match mend_host(name) {
            Some(mended) if wildcard.is_some() => finding.help(format!("write `*.{mended}`")),
            Some(mended) => finding.help(format!("write `{mended}`")),
            None => finding,
        });
    }
}

/// An optional name of an object, references replaced; reported if Kubernetes refuses it. What Flux fills in later is
/// not known yet.
pub fn optional_name(
    resolver: &mut Resolver<'_>,
    text: Option<&Text>,
    what: &str,
    kind: NameKind,
) -> Option<String> {
    let name = resolver.text(text?);
    if !name.contains("${") {
        check_name(resolver, &name, name.span, what, kind);
    }
    Some(name.value)
}

/// Of keys that exclude each other exactly one must be given; reported if none or more than one is. `what` is the
/// table they stand in, `place` where, `subject` whose it is. Whether it is so.
pub fn one_of(
    resolver: &mut Resolver<'_>,
    given: &[(&str, Option<Span>)],
    what: &str,
    place: Span,
    subject: Option<&str>,
) -> bool {
    let keys = || given.iter().map(|(key, _)| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    let mut there = given.iter().filter_map(|(key, span)| Some((key, (*span)?)));
    let diagnostic = match (there.next(), there.next()) {
        (Some(_), None) => return true,
        (Some((first, first_span)), Some((second, second_span))) => CONFLICTING_KEYS
            .at(second_span, "and this", format!("{what} has both `{first}` and `{second}`"))
            .because(first_span, "this")
            .help("keep one of them"),
        // One that was meant and cannot be read has been told already.
        (None, _) if resolver.inventory.unread.in_table(place, given.iter().map(|(key, _)| *key)) => {
            return false;
        }
        (None, _) => inventory::MISSING_KEY
            .at(place, "does not say which", format!("{what} has none of {}", keys()))
            .help(format!("add one of {}", keys())),
    };
    resolver.found.push(subject.into_iter().fold(diagnostic, Diagnostic::about));
    false
}
