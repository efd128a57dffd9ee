//! Traefik's middlewares: what each does, in Traefik's spelling. A route carries a copy of those it names, because
//! Traefik takes none from another namespace unless it is told to.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::inventory::ingress::{Ingress, Middleware as Table};
use crate::inventory::value::Text;
use crate::model::BAD_VALUE;
use crate::model::naming::{NameKind, check_name, known_only, one_of};
use crate::model::patterns;
use crate::model::references::Resolver;
use crate::model::texts::list;
use crate::source::{Span, Spanned};

/// A middleware, as declared.
#[derive(Clone, Debug, Serialize)]
pub struct Middleware {
    /// Its name.
    pub name: String,
    /// Its spec, without the names of a chain.
    pub spec: Json,
    /// The Secret it reads, by its name in the inventory.
    #[serde(skip)]
    pub secret: Option<Spanned<String>>,
    /// The middlewares it chains.
    #[serde(skip)]
    pub chain: Vec<Spanned<String>>,
    /// Whether it keeps strangers out.
    #[serde(skip)]
    pub guards: bool,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// A middleware of one route.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Copy {
    /// Its name in Kubernetes: the route's and its own.
    pub name: String,
    /// Its spec.
    pub spec: Json,
}

/// Lowers `ingress.middlewares`.
pub fn lower_middlewares(resolver: &mut Resolver<'_>, ingress: &Ingress) -> Vec<Middleware> {
    let tables = &ingress.middlewares;
    tables
        .iter()
        .map(|(name, entry)| {
            check_name(resolver, name, entry.key, "a middleware", NameKind::Label);
            check_one(resolver, name, entry);
            let table = &entry.value;
            let chain = table.chain.iter().map(|text| resolver.text(text)).collect();
            let chain = known_only(
                resolver,
                chain,
                "middleware",
                |name| tables.contains_key(name),
                || tables.keys().map(String::as_str).collect(),
            );
            let spec = spec(resolver, table);
            Middleware {
                guards: guards(&spec),
                spec,
                secret: table
                    .basic_auth
                    .as_ref()
                    .and_then(|auth| auth.secret.as_ref())
                    .map(|text| resolver.text(text)),
                chain,
                name: name.clone(),
                place: entry.key,
            }
        })
        .collect()
}

fn check_one(resolver: &mut Resolver<'_>, name: &str, table: &Table) {
    let given = [
        ("basic-auth", table.basic_auth.as_ref().map(|table| table.span)),
        ("forward-auth", table.forward_auth.as_ref().map(|table| table.span)),
        ("ip-allow-list", table.ip_allow_list.as_ref().map(|table| table.span)),
        ("rate-limit", table.rate_limit.as_ref().map(|table| table.span)),
        ("redirect-scheme", table.redirect_scheme.as_ref().map(|table| table.span)),
        ("redirect-regex", table.redirect_regex.as_ref().map(|table| table.span)),
        ("headers", table.headers.as_ref().map(|table| table.0.0.span)),
        ("strip-prefix", table.strip_prefix.first().map(|text| text.span)),
        ("chain", table.chain.first().map(|text| text.span)),
        ("spec", table.spec.as_ref().map(|table| table.0.0.span)),
    ];
    check_texts(resolver, name, table);
    let subject = format!("ingress.middlewares.{name}");
    one_of(resolver, &given, &format!("middleware `{name}`"), table.span, Some(&subject));
}

/// Texts that Traefik takes and then does nothing with.
fn check_texts(resolver: &mut Resolver<'_>, name: &str, table: &Table) {
    let url = |text: &str| ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    let scheme = |text: &str| ["http", "https"].contains(&text);
    let path = |text: &str| text.starts_with('/');
    let address = table.forward_auth.as_ref().and_then(|auth| auth.address.as_ref());
    let to = table.redirect_scheme.as_ref().and_then(|redirect| redirect.scheme.as_ref());
    let mut check = |text: &Text, fits: &dyn Fn(&str) -> bool, what: &str, help: &str| {
        let text = resolver.text(text);
        if !fits(&text) && !text.starts_with("${") {
            let message = format!("`{text}` of middleware `{name}` is no {what}");
            let finding = BAD_VALUE.at(text.span, "matches nothing", message).help(help);
            resolver.found.push(finding.about(format!("ingress.middlewares.{name}")));
        }
    };
    if let Some(text) = address {
        check(
            text,
            &url,
            "URL",
            "write it whole: `http://authelia.auth.svc.cluster.local:9091/api/authz/forward-auth`",
        );
    }
    if let Some(text) = to {
        check(text, &scheme, "scheme that Traefik serves", "write `https`");
    }
    for text in &table.strip_prefix {
        check(text, &path, "prefix of any path", "paths begin with `/`");
    }
}

/// Whether a spec asks who is there, or where they come from.
fn guards(spec: &Json) -> bool {
    asks_for_login(spec) || ["ipAllowList", "plugin"].iter().any(|kind| spec.get(kind).is_some())
}

/// Whether a spec asks who is there.
pub fn asks_for_login(spec: &Json) -> bool {
    ["basicAuth", "digestAuth", "forwardAuth"].iter().any(|kind| spec.get(kind).is_some())
}

/// The hosts that middlewares ask who is there, and at which ports.
pub fn asked(all: &[Middleware]) -> BTreeMap<String, BTreeSet<i64>> {
    let mut asked: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    let addresses = all.iter().filter_map(|middleware| middleware.spec["forwardAuth"]["address"].as_str());
    for (host, port) in addresses.filter_map(host_and_port) {
        asked.entry(host.to_owned()).or_default().insert(port);
    }
    asked
}

/// Where a URL of HTTP leads.
fn host_and_port(url: &str) -> Option<(&str, i64)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, if scheme == "https" { 443 } else { 80 }),
    };
    Some((host.trim_end_matches('.'), port))
}

fn spec(resolver: &mut Resolver<'_>, table: &Table) -> Json {
    if let Some(auth) = &table.basic_auth {
        let secret = auth.secret.as_ref().map(|text| resolver.text(text).value).unwrap_or_default();
        let realm = auth.realm.as_ref().map(|text| resolver.text(text).value);
        let hidden = auth.remove_header.map(|flag| flag.value);
        return json!({ "basicAuth": { "secret": secret_name(resolver, &secret), "realm": realm, "removeHeader": hidden } });
    }
    if let Some(auth) = &table.forward_auth {
        let address = auth.address.as_ref().map(|text| resolver.text(text).value);
        let headers = some(list(resolver, &auth.auth_response_headers));
        let trust = auth.trust_forward_header.map(|flag| flag.value);
        return json!({ "forwardAuth": { "address": address, "authResponseHeaders": headers, "trustForwardHeader": trust } });
    }
    if let Some(allow) = &table.ip_allow_list {
        return json!({ "ipAllowList": { "sourceRange": sources(resolver, allow) } });
    }
    if let Some(limit) = &table.rate_limit {
        let number = |number: Option<Spanned<i64>>| number.map(|number| number.value);
        let period = limit.period.as_ref().map(|period| period.0.value.clone());
        for number in [limit.average, limit.burst] {
            crate::model::bgp::check_bounds(
                resolver,
                number,
                0..=i64::from(i32::MAX),
                "a number of requests",
            );
        }
        return json!({ "rateLimit": { "average": number(limit.average), "burst": number(limit.burst), "period": period } });
    }
    if let Some(redirect) = &table.redirect_scheme {
        let scheme = redirect.scheme.as_ref().map(|text| resolver.text(text).value);
        let port = redirect.port.map(|port| port.value.to_string());
        let permanent = redirect.permanent.map(|flag| flag.value);
        return json!({ "redirectScheme": { "scheme": scheme, "port": port, "permanent": permanent } });
    }
    if let Some(redirect) = &table.redirect_regex {
        let regex = patterns::regex(resolver, redirect.regex.as_ref()).map(|regex| regex.value);
        let replacement = redirect.replacement.as_ref().map(|text| resolver.text(text).value);
        let permanent = redirect.permanent.map(|flag| flag.value);
        return json!({ "redirectRegex": { "regex": regex, "replacement": replacement, "permanent": permanent } });
    }
    if let Some(headers) = &table.headers {
        return json!({ "headers": resolver.value(&headers.0) });
    }
    if !table.strip_prefix.is_empty() {
        return json!({ "stripPrefix": { "prefixes": list(resolver, &table.strip_prefix) } });
    }
    table.spec.as_ref().map_or_else(|| json!({}), |spec| resolver.value(&spec.0))
}

fn some(list: Vec<String>) -> Option<Vec<String>> {
    (!list.is_empty()).then_some(list)
}

fn sources(resolver: &mut Resolver<'_>, allow: &crate::inventory::ingress::IpAllowList) -> Vec<String> {
    let mut sources = Vec::new();
    for text in &allow.source_range {
        let Some(range) = resolver.range(text, crate::address::parse_range_or_host) else { continue };
        match range.prefix() {
            Some(_) if range.is_single() => sources.push(range.first().to_string()),
            Some(prefix) => sources.push(format!("{}/{prefix}", range.first())),
            None => resolver.found.push(
                BAD_VALUE
                    .at(
                        text.span,
                        "not a network",
                        format!("`{}` is a range, and Traefik takes networks", text.value),
                    )
                    .help("write it as networks such as 192.168.1.64/28"),
            ),
        }
    }
    sources
}

/// A Secret's name in Kubernetes: that of one in the inventory, else as it stands.
fn secret_name(resolver: &mut Resolver<'_>, name: &str) -> String {
    let own = resolver.inventory.tables.secrets.get(name).and_then(|secret| secret.name.as_ref());
    own.map_or_else(|| name.to_owned(), |own| resolver.text(own).value)
}

/// Where a middleware stands among all, which are sorted by name.
pub fn position(all: &[Middleware], name: &str) -> Option<usize> {
    all.binary_search_by(|middleware| middleware.name.as_str().cmp(name)).ok()
}

/// A route carries at most this many copies.
pub const MOST_COPIES: usize = 32;

/// The middlewares that some lead to by their chains, each once and before those it chains; no more than one over
/// the limit. Chains in a circle are reported by the rules.
fn reached<'m>(all: &'m [Middleware], names: &[Spanned<String>]) -> Vec<&'m Middleware> {
    let find = |name: &Spanned<String>| position(all, name);
    let mut next: Vec<usize> = names.iter().filter_map(find).rev().collect();
    let mut reached: Vec<usize> = Vec::new();
    while let Some(at) = next.pop() {
        if reached.len() <= MOST_COPIES && !reached.contains(&at) {
            reached.push(at);
            next.extend(all[at].chain.iter().filter_map(find).rev());
        }
    }
    reached.into_iter().map(|at| &all[at]).collect()
}

/// The copies that a route carries: of what it names, and of what that chains.
pub fn copies(all: &[Middleware], names: &[Spanned<String>], route: &str) -> Vec<Copy> {
    reached(all, names)
        .into_iter()
        .map(|middleware| Copy {
            name: copy_name(route, &middleware.name),
            spec: match middleware.chain.as_slice() {
                [] => middleware.spec.clone(),
                chain => {
                    let names = chain.iter().map(|name| json!({ "name": copy_name(route, name) }));
                    json!({ "chain": { "middlewares": names.collect::<Vec<Json>>() } })
                }
            },
        })
        .collect()
}

/// The name of a route's own copy.
pub fn copy_name(route: &str, middleware: &str) -> String {
    format!("{route}-{middleware}")
}

/// Whether any of these middlewares, or of those they chain, keeps strangers out.
pub fn any_guards(all: &[Middleware], names: &[Spanned<String>]) -> bool {
    reached(all, names).iter().any(|middleware| middleware.guards)
}
