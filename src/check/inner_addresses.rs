//! Addresses inside the cluster that stand in texts: `NAME.NAMESPACE.svc`, and the port behind it.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::placement::patched;
use crate::diagnostic::{Diagnostic, Diagnostics, codes, nearest};
use crate::model::Model;
use crate::model::cluster::DEFAULT_DOMAIN;
use crate::model::service::Service;
use crate::source::Span;
use crate::spelling::MOST_GUESSES;

codes! { PortsAndNames:
    /// Nobody answers there.
    UNANSWERED_ADDRESS = ("unanswered-address", Warning, "a text names a service of the inventory, and a port that it does not open, or its name or namespace mistyped");
}

/// Runs the rule about addresses inside the cluster. What stands in the namespaces of charts is theirs.
pub fn check(model: &Model, found: &mut Diagnostics) {
    let mut mentioned: Vec<(Span, Vec<String>, Mention)> = Vec::new();
    model.each_text(|written| {
        if written.text.contains(".svc") && written.path.last() != Some(&"description") {
            let all = mentions(written.text, &model.cluster.domain).into_iter();
            mentioned.extend(all.map(|mention| (written.span, written.subjects(), mention)));
        }
    });
    if mentioned.is_empty() {
        return;
    }
    let known = Known::of(model);
    let mut guesses = 0;
    for (span, subjects, mention) in mentioned {
        let Some(diagnostic) = known.judge(model, span, &mention, &mut guesses) else { continue };
        found.push(subjects.into_iter().fold(diagnostic, Diagnostic::about));
    }
}

/// An address of a Service, as a text names it.
#[derive(Debug, PartialEq)]
struct Mention {
    name: String,
    namespace: String,
    port: Option<i64>,
}

/// The addresses of Services in a text; not those that are put together with references, nor those of single pods.
fn mentions(text: &str, domain: &str) -> Vec<Mention> {
    let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let glued = |c: char| c.is_alphanumeric() || ".-_}$*%".contains(c);
    let last = |text: &'_ str| text.len() - text.trim_end_matches(label).len();
    let read = |(at, _): (usize, &str)| {
        let before = &text[..at];
        let (rest, namespace) = before.split_at(before.len() - last(before));
        let rest = rest.strip_suffix('.')?;
        let (front, name) = rest.split_at(rest.len() - last(rest));
        if name.is_empty() || namespace.is_empty() || front.ends_with(glued) {
            return None;
        }
        let after = &text[at + ".svc".len()..];
        let whole = [domain, DEFAULT_DOMAIN]
            .into_iter()
            .find_map(|domain| after.strip_prefix('.')?.strip_prefix(domain));
        let after = whole.unwrap_or(after);
        let after = after.strip_prefix('.').unwrap_or(after);
        if after.starts_with(glued) {
            return None;
        }
        let digits = after.strip_prefix(':').map(|port| {
            let end = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
            if port[end..].starts_with(glued) { "" } else { &port[..end] }
        });
        let port = digits.and_then(|digits| digits.parse().ok());
        Some(Mention { name: name.to_owned(), namespace: namespace.to_owned(), port })
    };
    text.match_indices(".svc").filter_map(read).collect()
}

/// The services of the inventory, by namespace and name.
struct Known<'m> {
    own: BTreeMap<&'m str, BTreeMap<&'m str, Vec<&'m Service>>>,
    of_charts: BTreeSet<&'m str>,
}

impl<'m> Known<'m> {
    fn of(model: &'m Model) -> Self {
        let mut own: BTreeMap<&str, BTreeMap<&str, Vec<&Service>>> = BTreeMap::new();
        for service in model.services() {
            let names = own.entry(service.namespace.as_str()).or_default();
            names.entry(service.name.as_str()).or_default().push(service);
            if let Some(external) = &service.external_service {
                names.entry(external.name.as_str()).or_default().push(service);
            }
        }
        let of_charts = model.charts.iter().map(|chart| chart.namespace.value.as_str()).collect();
        Self { own, of_charts }
    }

    fn judge(&self, model: &Model, span: Span, mention: &Mention, guesses: &mut usize) -> Option<Diagnostic> {
        let Mention { name, namespace, port } = mention;
        let external = model.external.is("Service", namespace, name);
        if external || self.of_charts.contains(namespace.as_str()) || model.brings_along(namespace) {
            return None;
        }
        let services = self.own.get(namespace.as_str());
        if let Some(same) = services.and_then(|services| services.get(name.as_str())) {
            return port.and_then(|port| no_port(name, same, port, span));
        }
        *guesses += 1;
        if *guesses > MOST_GUESSES {
            return None;
        }
        let (label, message, near) = match services {
            Some(services) => {
                // A stateful set has a Service that gives its pods names.
                let headless = name.strip_suffix("-headless").is_some_and(|name| services.contains_key(name));
                let near =
                    nearest(name, services.keys().copied()).filter(|near| !headless && mistyped(name, near));
                let message = format!("there is no service `{name}` in namespace `{namespace}`");
                ("no such service", message, format!("{}.{namespace}", near?))
            }
            None => {
                let having = self.own.iter().filter(|(_, services)| services.contains_key(name.as_str()));
                let near = nearest(namespace, having.map(|(namespace, _)| *namespace));
                let near = near.filter(|near| mistyped(namespace, near));
                let message = format!("no stack has a namespace `{namespace}` for service `{name}`");
                ("no such namespace", message, format!("{name}.{}", near?))
            }
        };
        Some(UNANSWERED_ADDRESS.at(span, label, message).help(format!(
            "did you mean `{near}.svc`? If it is made elsewhere: `external = [\"Service/{namespace}/{name}\"]`"
        )))
    }
}

/// Names that differ in a number are two names; operators add a part to one that is there: `immich-rw` leads to the
/// database of CloudNativePG that is called as a service is.
fn mistyped(name: &str, near: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    let longer = name.strip_prefix(near).is_some_and(|part| part.starts_with('-'));
    !longer && letters(name) != letters(near)
}

fn no_port(name: &str, services: &[&Service], port: i64, span: Span) -> Option<Diagnostic> {
    // By the second name of a service its internal ports are not reached.
    let opened = |service: &Service| -> Vec<i64> {
        let all = service.ports.iter().filter(|own| service.name == name || !own.internal);
        all.map(|own| own.port.value).collect()
    };
    let closed = |service: &&Service| {
        let own = opened(service);
        !own.contains(&port) && !own.is_empty() && !patched(service, &["ports"])
    };
    let service = services.first().filter(|_| services.iter().all(closed))?;
    let is_internal = service.ports.iter().any(|own| own.port.value == port);
    let message = match is_internal {
        true => format!("Service `{name}` has no port {port}: service `{}` keeps it inside", service.key),
        false => format!("service `{}` opens no port {port}", service.key),
    };
    let ports: Vec<String> = opened(service).iter().take(8).map(i64::to_string).collect();
    let (url, ports) = (&service.key, ports.join(", "));
    Some(
        UNANSWERED_ADDRESS
            .at(span, "no such port", message)
            .because(service.place, format!("opens {ports}"))
            .help(format!("`${{services.{url}.internal-url}}` is always right")),
    )
}

#[cfg(test)]
mod tests {
    use super::{Mention, mentions};

    #[test]
    fn addresses_are_found_in_texts() {
        let one = |name: &str, namespace: &str, port| Mention {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            port,
        };
        for (text, expected) in [
            ("http://a.b.svc.cluster.local:80/x", vec![one("a", "b", Some(80))]),
            ("a.b.svc:5432,c.b.svc.home.lan.", vec![one("a", "b", Some(5432)), one("c", "b", None)]),
            ("u:p@a-1.b.svc/db", vec![one("a-1", "b", None)]),
            ("pod-0.a.b.svc:80", vec![]),
            ("${x}.b.svc:80 a.${y}.svc", vec![]),
            ("a.b.svc.example.org:1", vec![]),
            ("a.b.svc:80${x}", vec![one("a", "b", None)]),
            ("file.svc x.svcs .svc", vec![]),
        ] {
            assert_eq!(mentions(text, "home.lan"), expected, "{text}");
        }
    }
}
