//! What a namespace lets happen: its Pod Security Standards, which directions of its network are closed, and the
//! ends of the flows that services name.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::address::parse_range_or_host;
use crate::inventory;
use crate::inventory::policy::{AllowFrom as AllowFromSetting, EgressRule, Isolate, PodSecuritySetting};
use crate::inventory::service::Protocol;
use crate::inventory::value::{PodSecurity, Text};
use crate::model::environment::Around;
use crate::model::naming::{NameKind, check_name, report_unknown};
use crate::model::port::check_port;
use crate::model::references::Resolver;
use crate::model::service::Dependency;
use crate::model::texts::Texts;
use crate::model::{BAD_ADDRESS, BAD_VALUE};
use crate::source::{Span, Spanned};

/// The Pod Security Standards of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PodSecurityLevels {
    /// Pods that do not fit are refused.
    pub enforce: Option<PodSecurity>,
    /// Pods that do not fit are noted in the audit log.
    pub audit: Option<PodSecurity>,
    /// Whoever applies pods that do not fit is warned.
    pub warn: Option<PodSecurity>,
    /// The version of the standards, if one is fixed.
    pub version: Option<String>,
}

impl PodSecurityLevels {
    /// The stricter of both, for a namespace that two stacks share.
    #[must_use]
    pub fn stricter(&self, other: &Self) -> Self {
        Self {
            enforce: self.enforce.max(other.enforce),
            audit: self.audit.max(other.audit),
            warn: self.warn.max(other.warn),
            version: self.version.clone().or_else(|| other.version.clone()),
        }
    }

    /// The namespace's labels.
    pub fn labels(&self) -> Texts {
        let mut labels = Texts::new();
        for (mode, level) in [("enforce", self.enforce), ("audit", self.audit), ("warn", self.warn)] {
            let Some(level) = level else { continue };
            let key = format!("pod-security.kubernetes.io/{mode}");
            if let Some(version) = &self.version {
                labels.insert(format!("{key}-version"), version.clone());
            }
            labels.insert(key, level.word().to_owned());
        }
        labels
    }
}

/// Lowers `pod-security`. What enforces a standard audits and warns by it, unless the inventory says otherwise.
pub fn lower_pod_security(
    resolver: &mut Resolver<'_>,
    setting: Option<&PodSecuritySetting>,
) -> PodSecurityLevels {
    let Some(PodSecuritySetting(table)) = setting else { return PodSecurityLevels::default() };
    let level = |level: &Option<Spanned<PodSecurity>>| level.as_ref().map(|level| level.value);
    let enforce = level(&table.enforce);
    let version = table.version.as_ref().map(|text| resolver.text(text));
    if let Some(version) = version.as_ref().filter(|version| !is_version(version)) {
        resolver.found.push(
            BAD_VALUE
                .at(version.span, "not a version", format!("`{version}` is no version of the standards"))
                .help("write `latest`, or major and minor such as \"v1.34\""),
        );
    }
    PodSecurityLevels {
        enforce,
        audit: level(&table.audit).or(enforce),
        warn: level(&table.warn).or(enforce),
        version: version.map(|version| version.value),
    }
}

fn is_version(text: &str) -> bool {
    let fits = |minor: &str| minor.parse::<u16>().is_ok_and(|number| number.to_string() == minor);
    text == "latest" || text.strip_prefix("v1.").is_some_and(fits)
}

/// Which directions of a namespace's network are closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Closed {
    /// What comes in.
    pub ingress: bool,
    /// What goes out.
    pub egress: bool,
}

impl Closed {
    /// Whether any direction is.
    pub fn any(self) -> bool {
        self.ingress || self.egress
    }
}

/// Lowers `isolate`.
pub fn lower_isolate(isolate: Option<&Spanned<Isolate>>) -> Closed {
    let isolate = isolate.map_or(Isolate::None, |isolate| isolate.value);
    Closed {
        ingress: matches!(isolate, Isolate::Ingress | Isolate::Both),
        egress: matches!(isolate, Isolate::Egress | Isolate::Both),
    }
}

/// The other end of a flow.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Whoever it is.
    Anywhere,
    /// Every public address.
    Internet,
    /// The LAN.
    Lan,
    /// The cluster's machines.
    Nodes,
    /// The API server.
    ApiServer,
    /// A network.
    Network(String),
    /// Hosts by name, which only Cilium's policies can say; `*` stands for one label or a part of it.
    Host(String),
    /// A namespace, before the environment's suffix or with it.
    Namespace(String),
    /// The namespace of a stack.
    Stack(String),
    /// The namespace of a chart.
    Chart(String),
}

/// What a service connects to outside its cluster's services.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Egress {
    /// Where to.
    pub to: End,
    /// The ports there; none means all.
    pub ports: Vec<i64>,
    /// Their protocol.
    pub protocol: Protocol,
    /// Where the inventory says so.
    #[serde(skip)]
    pub place: Span,
}

/// Who else may reach a service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AllowFrom {
    /// From where.
    pub from: End,
    /// The ports that are open to it, by name; none means all of the service.
    pub ports: Vec<Spanned<String>>,
    /// Where the inventory says so.
    #[serde(skip)]
    pub place: Span,
}

impl AllowFrom {
    /// Whether a port of this name is open to it.
    pub fn opens(&self, port: &str) -> bool {
        self.ports.is_empty() || self.ports.iter().any(|name| name.value == port)
    }
}

const EGRESS_WORDS: &[&str] = &["internet", "lan", "nodes", "api-server"];
const INGRESS_WORDS: &[&str] = &["anywhere", "lan", "nodes"];

/// Lowers `egress`, and what of `talks-to` is no service or chart. What leads nowhere is reported and left out.
pub fn lower_egress(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    table: &inventory::service::Service,
) -> Vec<Egress> {
    let mut rules = Vec::new();
    for EgressRule(rule) in &table.egress {
        let Some(to) = rule.to.as_ref().map(|text| resolver.text(text)) else { continue };
        rule.ports.iter().for_each(|port| check_port(resolver, Some(port)));
        let Some(end) = lower_end(resolver, around, &to, EGRESS_WORDS) else { continue };
        let protocol = rule.protocol.map_or(Protocol::Tcp, |protocol| protocol.value);
        let ports = rule.ports.iter().map(|port| port.value).collect();
        rules.push(Egress { to: end, ports, protocol, place: to.span });
    }
    for text in table.talks_to.iter().filter(|text| text.starts_with("namespaces.")) {
        let name = resolver.text(text);
        if let Some(to) = lower_end(resolver, around, &name, &[]) {
            rules.push(Egress { to, ports: Vec::new(), protocol: Protocol::Tcp, place: name.span });
        }
    }
    rules
}

/// Lowers `allow-from`.
pub fn lower_allow_from(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    table: &inventory::service::Service,
) -> Vec<AllowFrom> {
    let mut rules = Vec::new();
    for AllowFromSetting(rule) in &table.allow_from {
        let Some(from) = rule.from.as_ref().map(|text| resolver.text(text)) else { continue };
        let ports = rule.ports.iter().map(|port| resolver.text(port)).collect();
        if let Some(end) = lower_end(resolver, around, &from, INGRESS_WORDS) {
            rules.push(AllowFrom { from: end, ports, place: from.span });
        }
    }
    rules
}

/// One end as it is written: a word, a table's name, or a network.
fn lower_end(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    written: &Spanned<String>,
    words: &[&str],
) -> Option<End> {
    if words.contains(&written.as_str()) {
        return word(resolver, around, written);
    }
    match written.split_once('.') {
        Some(("namespaces", name)) => {
            check_name(resolver, name, written.span, "a namespace", NameKind::Label);
            return Some(End::Namespace(name.to_owned()));
        }
        Some(("stacks", name)) if words == INGRESS_WORDS => return known_stack(resolver, written, name),
        Some(("charts", name)) if words == INGRESS_WORDS => {
            return known_chart(resolver, around, written, name);
        }
        _ => {}
    }
    match parse_range_or_host(written) {
        Ok(range) => match range.prefix() {
            Some(prefix) => return Some(End::Network(format!("{}/{prefix}", range.first()))),
            None => resolver.found.push(
                BAD_VALUE
                    .at(
                        written.span,
                        "not a network",
                        format!("`{written}` is a range, and a policy takes networks"),
                    )
                    .help("write it as networks such as 192.168.1.64/28"),
            ),
        },
        Err(bad) if looks_like_network(written) => {
            let mut diagnostic = BAD_ADDRESS.at(written.span, "cannot be read", &bad.reason);
            diagnostic.help = bad.help();
            resolver.found.push(diagnostic);
        }
        Err(_) if words == EGRESS_WORDS && !names_a_table(written) && looks_like_host(written) => {
            return host(resolver, around, written);
        }
        Err(_) => {
            let known: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            let (others, help): (&str, &str) = match words {
                EGRESS_WORDS => {
                    ("`namespaces.NAME`, a network nor a host name", "for another service, use `talks-to`")
                }
                _ => (
                    "`namespaces.NAME`, `stacks.NAME`, `charts.NAME` nor a network",
                    "a service that connects to this one says so in its own `talks-to`",
                ),
            };
            let table = written.split_once('.').and_then(|(table, name)| {
                Some((crate::diagnostic::nearest(table, ["namespaces", "stacks", "charts"])?, name))
            });
            let help = match table.filter(|(table, _)| words == INGRESS_WORDS || *table == "namespaces") {
                Some((table, name)) => format!("did you mean `{table}.{name}`?"),
                None => help.to_owned(),
            };
            let message = format!("`{written}` is neither {}, {others}", known.join(", "));
            resolver.found.push(BAD_VALUE.at(written.span, "nowhere", message).help(help));
        }
    }
    None
}

/// Whether a text is meant for a network: only they have a slash behind digits, dots and colons.
fn looks_like_network(text: &str) -> bool {
    let front = text.split_once('/').map(|(front, _)| front).unwrap_or_default();
    front.contains(['.', ':']) && front.chars().all(|c| c.is_ascii_hexdigit() || ".:".contains(c))
}

/// `stacks.NAME` and the like: meant for `talks-to`.
fn names_a_table(text: &str) -> bool {
    ["stacks", "charts", "services"].iter().any(|table| text.split('.').next() == Some(table))
}

/// Labels of letters, digits and hyphens, at least two, the last with a letter; `*` may stand for parts of a label.
fn looks_like_host(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let fits = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*');
        (1..=63).contains(&label.len()) && label.bytes().all(inner)
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253
        && name.contains('.')
        && name.split('.').all(fits)
        && last.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// A host's name. Those of the cluster have other addresses than their pods, so Cilium never lets them through.
fn host(resolver: &mut Resolver<'_>, around: &Around<'_>, written: &Spanned<String>) -> Option<End> {
    let name = written.strip_suffix('.').unwrap_or(written).to_ascii_lowercase();
    let domain = around.model.cluster.domain.as_str();
    let inside = name.ends_with(".svc") || name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    if inside {
        resolver.found.push(
            BAD_VALUE
                .at(written.span, "inside the cluster", format!("`{written}` is a Service of the cluster"))
                .help("name the service or chart in `talks-to`, which lets its pods through"),
        );
        return None;
    }
    Some(End::Host(name))
}

fn word(resolver: &mut Resolver<'_>, around: &Around<'_>, written: &Spanned<String>) -> Option<End> {
    let unknown = match written.as_str() {
        "anywhere" => return Some(End::Anywhere),
        "internet" => return Some(End::Internet),
        "api-server" => return Some(End::ApiServer),
        "lan" if around.model.network.lan.is_empty() => "network.lan",
        "nodes" if around.model.nodes.is_empty() => "nodes",
        "lan" => return Some(End::Lan),
        _ => return Some(End::Nodes),
    };
    resolver.found.push(
        BAD_VALUE
            .at(written.span, "leads nowhere", format!("`{written}` is empty: there is no `{unknown}`"))
            .help(format!("add `{unknown}`, or write the network itself")),
    );
    None
}

fn known_stack(resolver: &mut Resolver<'_>, written: &Spanned<String>, name: &str) -> Option<End> {
    let stacks = &resolver.inventory.tables.stacks;
    if stacks.contains_key(name) {
        return Some(End::Stack(name.to_owned()));
    }
    let known: Vec<&str> = stacks.keys().map(String::as_str).collect();
    report_unknown(resolver, &Spanned::new(name.to_owned(), written.span), "stack", &known);
    None
}

fn known_chart(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    written: &Spanned<String>,
    name: &str,
) -> Option<End> {
    if around.model.chart(name).is_some() {
        return Some(End::Chart(name.to_owned()));
    }
    let known: Vec<&str> = around.model.charts.iter().map(|chart| chart.name.as_str()).collect();
    report_unknown(resolver, &Spanned::new(name.to_owned(), written.span), "chart", &known);
    None
}

/// Lowers `talks-to`: services and charts by name, `charts.NAME`, and every service of `stacks.NAME`.
pub fn lower_talks_to(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    key: &str,
    names: &[Text],
    plain: impl Fn(&mut Resolver<'_>, &[Text]) -> Vec<Dependency>,
) -> Vec<Dependency> {
    let mut targets: Vec<Dependency> = Vec::new();
    let mut seen: BTreeSet<(String, bool)> = BTreeSet::new();
    for text in names {
        let added = match text.split_once('.') {
            Some(("namespaces", _)) => Vec::new(),
            Some(("charts", name)) => known_chart(resolver, around, text, name)
                .map(|_| Dependency { name: Spanned::new(name.to_owned(), text.span), chart: true })
                .into_iter()
                .collect(),
            Some(("stacks", name)) => services_of(resolver, around, key, text, name),
            _ => plain(resolver, std::slice::from_ref(text)),
        };
        for target in added {
            if seen.insert((target.name.value.clone(), target.chart)) {
                targets.push(target);
            }
        }
    }
    targets
}

/// All services of a larger stack are not opened by one word: policies would grow with the square of it.
const LARGEST_STACK: usize = 256;

/// The other services of a stack that are on and can be reached.
fn services_of(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    key: &str,
    text: &Text,
    stack: &str,
) -> Vec<Dependency> {
    if known_stack(resolver, text, stack).is_none() {
        return Vec::new();
    }
    let services = around.reachable.get(stack).map(Vec::as_slice).unwrap_or_default();
    if services.len() > LARGEST_STACK {
        let message = format!("stack `{stack}` has {} services, too many to open all", services.len());
        resolver
            .found
            .push(BAD_VALUE.at(text.span, "too many", message).help("name the services that it connects to"));
        return Vec::new();
    }
    let dependency = |name: &String| Dependency { name: Spanned::new(name.clone(), text.span), chart: false };
    services.iter().filter(|name| name.as_str() != key).map(dependency).collect()
}

#[cfg(test)]
mod tests {
    use super::looks_like_host;

    #[test]
    fn hosts_have_a_dot_and_a_top_level() {
        for name in ["example.org", "*.example.org", "a-b_c.example.org.", "s3.eu-*.example.com"] {
            assert!(looks_like_host(name), "{name}");
        }
        let long = format!("{}.org", "a.".repeat(130));
        for name in [
            "",
            ".",
            "prowlarr",
            "1.2.3.4",
            "10.0.0.300",
            "a..b",
            "-",
            "exa mple.org",
            "é.org",
            "a.b:c",
            &long,
        ] {
            assert!(!looks_like_host(name), "{name}");
        }
    }
}
