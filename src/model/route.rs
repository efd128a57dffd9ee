//! One route: the hosts and paths that lead to a Service, through which middlewares, with whose certificate.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::inventory::ingress::{IngressProvider, IssuerKind, ListenerProtocol, Tls};
use crate::inventory::value::Text;
use crate::model::gateway::Listener;
use crate::model::ingress::{Ingress, too_many};
use crate::model::middleware::{Copy, MOST_COPIES, copies, copy_name, position};
use crate::model::naming::{NameKind, known_only, optional_name};
use crate::model::references::Resolver;
use crate::model::texts::Texts;
use crate::model::{BAD_VALUE, CONFLICTING_KEYS};
use crate::source::{Span, Spanned};

/// A route, whatever kind of object it becomes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Route {
    /// The name of its objects.
    pub name: String,
    /// Their namespace.
    pub namespace: String,
    /// Their labels.
    pub labels: Texts,
    /// The annotations of the Ingress, IngressRoute or HTTPRoute.
    pub annotations: Texts,
    /// The annotations of the other objects.
    pub other_annotations: Texts,
    /// Host names, in full.
    pub hosts: Vec<Spanned<String>>,
    /// Paths.
    pub paths: Vec<Spanned<String>>,
    /// Paths that one rule of an HTTPRoute serves: it can take away only one.
    pub path_groups: Vec<Vec<String>>,
    /// Paths as an Ingress has them: as regular expressions where a prefix is taken away.
    pub ingress_paths: Vec<String>,
    /// Hosts and paths as a rule of Traefik.
    pub rule: String,
    /// The Service behind it.
    pub service: String,
    /// `TraefikService`, for what Traefik brings itself.
    pub service_kind: Option<&'static str>,
    /// The Service's port, by name or number.
    pub port: Json,
    /// The Service's port, by number.
    pub port_number: Option<i64>,
    /// What is spoken to the service behind it, as Traefik calls it: plain HTTP if nothing else is said.
    pub scheme: Option<&'static str>,
    /// Traefik's entry points.
    pub entry_points: Vec<String>,
    /// The entry points that send clients on to HTTPS.
    pub redirect_points: Vec<String>,
    /// Whether plain HTTP is answered with a redirect.
    pub redirect: bool,
    /// A host that no listener of the Gateway serves.
    #[serde(skip)]
    pub unserved: Option<Spanned<String>>,
    /// The listeners of the Gateway; `none` attaches to all.
    pub listeners: Vec<Option<String>>,
    /// The listeners that send clients on to HTTPS.
    pub redirect_listeners: Vec<String>,
    /// The middlewares it passes, first to last.
    pub middlewares: Vec<String>,
    /// Their objects.
    pub copies: Vec<Copy>,
    /// Whether the path is taken away.
    pub strip_prefix: bool,
    /// Its TLS.
    pub tls: Option<RouteTls>,
    /// Its paths and TLS, as an object of the inventory.
    #[serde(skip)]
    pub subject: String,
    /// The place of its first host.
    #[serde(skip)]
    pub place: Span,
}

/// Where a route's certificate comes from; nothing at all is the router's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RouteTls {
    /// The Secret.
    pub secret: Option<String>,
    /// The issuer that fills the Secret.
    pub issuer: Option<String>,
    /// What kind of issuer that is.
    pub issuer_kind: Option<IssuerKind>,
    /// Traefik's resolver.
    pub cert_resolver: Option<String>,
}

/// What a route is made from.
#[derive(Debug)]
pub struct Wanted<'w> {
    /// The name of its objects.
    pub name: &'w str,
    /// Who wants it, for messages: service `plex`.
    pub owner: String,
    /// Host names, in full.
    pub hosts: Vec<Spanned<String>>,
    /// Paths.
    pub paths: Vec<Spanned<String>>,
    /// Middlewares, as written.
    pub middlewares: &'w [Text],
    /// Whether the path is taken away.
    pub strip_prefix: Option<Spanned<bool>>,
    /// TLS, as written.
    pub tls: Option<&'w Tls>,
    /// Another route of the same hosts, which asks for their certificate and sends clients on to HTTPS.
    pub beside: Option<&'w Route>,
    /// The place of whatever wants it.
    pub place: Span,
    /// Where it stands in the inventory, as a path.
    pub subject: String,
}

/// Decides everything about a route but what is behind it.
pub fn lower_route(resolver: &mut Resolver<'_>, ingress: &Ingress, wanted: Wanted<'_>) -> Route {
    let traefik = ingress.provider == IngressProvider::Traefik;
    let named = route_middlewares(resolver, ingress, &wanted);
    let strip_prefix = wanted.strip_prefix.is_some_and(|flag| flag.value) && any_path(&wanted.paths);
    check_rewrite(resolver, ingress, &wanted);
    check_paths(resolver, ingress, &wanted);
    check_route_limits(resolver, ingress, &wanted, strip_prefix);
    let tls_on = wanted.tls.map_or(ingress.tls, Tls::on);
    let tls = match wanted.beside.and_then(|beside| beside.tls.as_ref()) {
        Some(shared) => Some(RouteTls { issuer: None, issuer_kind: None, ..shared.clone() }),
        None => route_tls(resolver, ingress, &wanted, tls_on),
    };
    let redirect = ingress.redirect_http && tls_on && !is_sent_on(ingress, wanted.beside);
    let mut middlewares: Vec<String> = named.iter().map(|name| copy_name(wanted.name, name)).collect();
    let mut copies = copies(&ingress.middlewares, &named, wanted.name);
    let over = wanted.middlewares.first().filter(|_| copies.len() > MOST_COPIES).map(|text| text.span);
    too_many(resolver, over, MOST_COPIES, "middlewares before one route");
    let mut add = |name: &str, spec: Json| {
        let name = copy_name(wanted.name, name);
        copies.push(Copy { name: name.clone(), spec });
        name
    };
    if traefik && strip_prefix {
        let prefixes: Vec<&str> = wanted
            .paths
            .iter()
            .map(|path| path.trim_end_matches('/'))
            .filter(|path| !path.is_empty())
            .collect();
        middlewares.push(add("strip-path", json!({ "stripPrefix": { "prefixes": prefixes } })));
    }
    if traefik && redirect {
        add("redirect-https", json!({ "redirectScheme": { "scheme": "https", "permanent": true } }));
    }
    let (entry_points, redirect_points) = entry_points(ingress, wanted.tls, tls_on, redirect);
    let unserved = unserved(ingress, &wanted.hosts, tls_on);
    let (listeners, redirect_listeners) = listeners(ingress, &wanted.hosts, wanted.tls, tls_on);
    let over = listeners.len().max(redirect_listeners.len()) > MOST_PARENTS;
    too_many(resolver, over.then_some(wanted.place), MOST_PARENTS, "listeners for one route");
    Route {
        name: wanted.name.to_owned(),
        namespace: String::new(),
        labels: Texts::new(),
        annotations: own_annotations(ingress, tls.as_ref(), strip_prefix, redirect),
        other_annotations: Texts::new(),
        path_groups: path_groups(&wanted.paths, strip_prefix),
        ingress_paths: wanted.paths.iter().map(|path| ingress_path(path, strip_prefix)).collect(),
        rule: rule(&wanted.hosts, &wanted.paths),
        hosts: wanted.hosts,
        paths: wanted.paths,
        service: String::new(),
        service_kind: None,
        port: Json::Null,
        port_number: None,
        scheme: None,
        entry_points,
        redirect_points,
        redirect,
        unserved,
        listeners,
        redirect_listeners,
        middlewares,
        copies,
        strip_prefix,
        tls,
        subject: wanted.subject,
        place: wanted.place,
    }
}

/// Whether another route sends on whoever asks for the hosts by plain HTTP, whatever the path. An Ingress says it for
/// its own paths only.
fn is_sent_on(ingress: &Ingress, beside: Option<&Route>) -> bool {
    let any = |route: &Route| route.redirect && route.paths.iter().any(|path| path.value == "/");
    ingress.provider != IngressProvider::Ingress && beside.is_some_and(any)
}

/// A plain Ingress has no words for it; ingress-nginx reads an annotation.
fn check_rewrite(resolver: &mut Resolver<'_>, ingress: &Ingress, wanted: &Wanted<'_>) {
    let class = ingress.class.as_deref().unwrap_or("nginx");
    let untold = ingress.provider == IngressProvider::Ingress && !ingress.is_nginx();
    if let Some(flag) = wanted.strip_prefix.filter(|flag| flag.value && untold) {
        let message = format!("`strip-prefix` of {} does not know how class `{class}` is told", wanted.owner);
        resolver.found.push(
            BAD_VALUE
                .at(flag.span, "said by an annotation of nginx", message)
                .about(&wanted.subject)
                .help("drop it, and write the router's own annotation under `ingress.annotations`"),
        );
    }
}

/// An HTTPRoute has at most so many hosts, rules and parents: its kind says so.
const MOST_HOSTS: usize = 16;
const MOST_RULES: usize = 16;
const MOST_PARENTS: usize = 32;

fn check_route_limits(
    resolver: &mut Resolver<'_>,
    ingress: &Ingress,
    wanted: &Wanted<'_>,
    strip_prefix: bool,
) {
    if ingress.provider != IngressProvider::Gateway {
        return;
    }
    let over = wanted.hosts.get(MOST_HOSTS).map(|host| host.span);
    too_many(resolver, over, MOST_HOSTS, "hosts of one route");
    let over = wanted.paths.get(MOST_RULES).filter(|_| strip_prefix).map(|path| path.span);
    too_many(resolver, over, MOST_RULES, "paths that are taken away by one route");
}

/// Reports paths that no request has, or that Kubernetes refuses.
fn check_paths(resolver: &mut Resolver<'_>, ingress: &Ingress, wanted: &Wanted<'_>) {
    for path in &wanted.paths {
        let fault = path_fault(path)
            .or_else(|| Some("it has what a URL escapes").filter(|_| is_escaped(ingress.provider, path)));
        if let Some(reason) = fault {
            let message = format!("`{path}` is no path of {}: {reason}", wanted.owner);
            let finding = BAD_VALUE.at(path.span, "not a path", message).about(&wanted.subject);
            resolver.found.push(finding.help("write it as the address bar shows it: `/photos`"));
        }
    }
}

/// Why no router serves a path, if none does.
fn path_fault(path: &str) -> Option<&'static str> {
    let lower = path.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    if !path.starts_with('/') {
        Some("it does not begin with `/`")
    } else if has(&["//", "/./", "/../"]) || lower.ends_with("/.") || lower.ends_with("/..") {
        Some("browsers and routers shorten `//`, `/.` and `/..`")
    } else if has(&["%2f"]) {
        Some("it has an escaped `/`")
    } else if has(&["#"]) {
        Some("what follows `#` stays in the browser")
    } else {
        None
    }
}

/// A Gateway compares paths as they are sent: escaped.
fn is_escaped(provider: IngressProvider, path: &str) -> bool {
    let hex = |at: usize| path.as_bytes().get(at).is_some_and(u8::is_ascii_hexdigit);
    let plain = |(at, byte): (usize, u8)| match byte {
        b'%' => hex(at + 1) && hex(at + 2),
        _ => byte.is_ascii_alphanumeric() || b"-/._~!$&'()*+,;=:@".contains(&byte),
    };
    provider == IngressProvider::Gateway && !path.bytes().enumerate().all(plain)
}

/// A rule of an HTTPRoute that takes a prefix away may have only that one.
fn path_groups(paths: &[Spanned<String>], strip_prefix: bool) -> Vec<Vec<String>> {
    let all: Vec<String> = paths.iter().map(|path| path.value.clone()).collect();
    if strip_prefix { all.into_iter().map(|path| vec![path]).collect() } else { vec![all] }
}

fn any_path(paths: &[Spanned<String>]) -> bool {
    paths.iter().any(|path| !path.trim_end_matches('/').is_empty())
}

/// The middlewares that exist. Only Traefik knows any.
fn route_middlewares(
    resolver: &mut Resolver<'_>,
    ingress: &Ingress,
    wanted: &Wanted<'_>,
) -> Vec<Spanned<String>> {
    let names: Vec<Spanned<String>> = wanted.middlewares.iter().map(|text| resolver.text(text)).collect();
    if let Some(first) = names.first().filter(|_| ingress.provider != IngressProvider::Traefik) {
        let message = format!(
            "{} has middlewares, and `ingress.provider` is `{}`",
            wanted.owner,
            ingress.provider.word()
        );
        resolver.found.push(
            BAD_VALUE
                .at(first.span, "only Traefik has them", message)
                .about(&wanted.subject)
                .help("set `ingress.provider = \"traefik\"`, or write `ingress.annotations` for the router that there is"),
        );
        return Vec::new();
    }
    known_only(
        resolver,
        names,
        "middleware",
        |name| position(&ingress.middlewares, name).is_some(),
        || ingress.middlewares.iter().map(|middleware| middleware.name.as_str()).collect(),
    )
}

/// Where the certificate comes from: as the route says, else as the whole inventory does.
fn route_tls(
    resolver: &mut Resolver<'_>,
    ingress: &Ingress,
    wanted: &Wanted<'_>,
    on: bool,
) -> Option<RouteTls> {
    let own_secret = || Some(format!("{}-tls", wanted.name));
    let Some(Tls::From(table)) = wanted.tls else {
        let issuer = ingress.issuer.clone();
        return on.then(|| RouteTls {
            secret: issuer.as_ref().and_then(|_| own_secret()),
            issuer_kind: issuer.as_ref().map(|_| IssuerKind::ClusterIssuer),
            issuer,
            cert_resolver: None,
        });
    };
    check_tls(resolver, ingress, wanted, table);
    let text = |resolver: &mut Resolver<'_>, text: &Option<Text>| {
        text.as_ref().map(|text| resolver.text(text).value)
    };
    let issuer = text(resolver, &table.issuer);
    Some(RouteTls {
        secret: optional_name(resolver, table.secret.as_ref(), "a Secret", NameKind::Subdomain)
            .or_else(|| issuer.as_ref().and_then(|_| own_secret())),
        issuer_kind: issuer.as_ref().map(|_| table.kind.map_or(IssuerKind::ClusterIssuer, |kind| kind.value)),
        issuer,
        cert_resolver: text(resolver, &table.cert_resolver),
    })
}

fn check_tls(
    resolver: &mut Resolver<'_>,
    ingress: &Ingress,
    wanted: &Wanted<'_>,
    table: &crate::inventory::ingress::TlsTable,
) {
    let about = |finding: crate::diagnostic::Diagnostic| finding.about(&wanted.subject);
    if ingress.provider == IngressProvider::Gateway {
        let message = format!(
            "`tls` of {} says where its certificate comes from; a Gateway's listeners do",
            wanted.owner
        );
        let finding = BAD_VALUE.at(table.span, "the listeners have the certificates", message);
        resolver.found.push(about(finding.help("give the certificate to a listener of `ingress.gateway`")));
        return;
    }
    let given = [&table.secret, &table.issuer, &table.cert_resolver];
    let keys = ["secret", "issuer", "cert-resolver"];
    let mut there = keys.iter().zip(given).filter_map(|(key, text)| Some((key, text.as_ref()?.span)));
    if let (Some((first, place)), Some((second, span))) = (there.next(), there.next()) {
        let message = format!("`tls` of {} has both `{first}` and `{second}`", wanted.owner);
        let finding = CONFLICTING_KEYS.at(span, "and this", message).because(place, "this");
        resolver.found.push(about(finding.help("keep one of them")));
    }
    if let Some(resolver_name) =
        table.cert_resolver.as_ref().filter(|_| ingress.provider != IngressProvider::Traefik)
    {
        let message = format!("`tls` of {} names a resolver of Traefik", wanted.owner);
        let finding = BAD_VALUE.at(resolver_name.span, "only Traefik has them", message);
        resolver.found.push(about(finding.help("name an `issuer` or a `secret`")));
    }
}

/// The entry points of a route, and those that send clients on.
fn entry_points(
    ingress: &Ingress,
    own: Option<&Tls>,
    tls: bool,
    redirect: bool,
) -> (Vec<String>, Vec<String>) {
    let (secure, plain): (Vec<String>, Vec<String>) =
        ingress.entry_points.iter().cloned().partition(|point| point.contains("secure"));
    let or = |points: Vec<String>, default: &str| {
        if points.is_empty() { vec![default.to_owned()] } else { points }
    };
    match (own, tls) {
        (None, _) if !redirect => (ingress.entry_points.clone(), Vec::new()),
        (_, true) => (or(secure, "websecure"), if redirect { or(plain, "web") } else { Vec::new() }),
        (_, false) => (or(plain, "web"), Vec::new()),
    }
}

/// The listeners of a route, and those that send clients on. Those of a Gateway that the inventory only names are
/// its own affair.
fn listeners(
    ingress: &Ingress,
    hosts: &[Spanned<String>],
    own: Option<&Tls>,
    tls: bool,
) -> (Vec<Option<String>>, Vec<String>) {
    let Some(gateway) = &ingress.written_gateway else {
        let named = ingress.gateway.as_ref().and_then(|gateway| gateway.listener.clone());
        return match (own, tls) {
            (Some(_), false) => (vec![Some("http".to_owned())], Vec::new()),
            _ => (vec![named], vec!["http".to_owned()]),
        };
    };
    // Where none serves its hosts, a rule says so for each environment; the base may hold names without a domain.
    let serving = |protocol: ListenerProtocol| -> Vec<String> {
        let speaking: Vec<&Listener> =
            gateway.listeners.iter().filter(|listener| listener.protocol == protocol).collect();
        let serves = |listener: &&&Listener| hosts.iter().any(|host| serves(listener, host));
        let chosen: Vec<&&Listener> = speaking.iter().filter(serves).collect();
        let chosen = if chosen.is_empty() { speaking.iter().collect() } else { chosen };
        chosen.into_iter().map(|listener| listener.name.clone()).collect()
    };
    (serving(spoken(tls)).into_iter().map(Some).collect(), serving(ListenerProtocol::Http))
}

fn spoken(tls: bool) -> ListenerProtocol {
    if tls { ListenerProtocol::Https } else { ListenerProtocol::Http }
}

fn serves(listener: &Listener, host: &str) -> bool {
    listener.hostname.as_deref().is_none_or(|pattern| matches(pattern, host))
}

/// A host that no listener of the Gateway serves.
fn unserved(ingress: &Ingress, hosts: &[Spanned<String>], tls: bool) -> Option<Spanned<String>> {
    let gateway = ingress.written_gateway.as_ref()?;
    let served = |host: &str| {
        host.contains("${")
            || gateway
                .listeners
                .iter()
                .any(|listener| listener.protocol == spoken(tls) && serves(listener, host))
    };
    hosts.iter().find(|host| !served(host)).cloned()
}

/// Whether a listener's host name and a route's have names in common.
pub fn matches(pattern: &str, host: &str) -> bool {
    let under = |domain: &str, name: &str| {
        name.strip_suffix(domain).is_some_and(|left| left.ends_with('.') && left.len() > 1)
    };
    pattern.eq_ignore_ascii_case(host)
        || pattern.strip_prefix("*.").is_some_and(|domain| under(domain, host))
        || host.strip_prefix("*.").is_some_and(|domain| under(domain, pattern))
}

/// What an Ingress says by annotations.
fn own_annotations(ingress: &Ingress, tls: Option<&RouteTls>, strip_prefix: bool, redirect: bool) -> Texts {
    let mut annotations = ingress.class_annotation();
    if ingress.provider != IngressProvider::Ingress {
        return annotations;
    }
    let mut add = |key: &str, value: &str| annotations.insert(key.to_owned(), value.to_owned());
    if let Some((issuer, kind)) = tls.and_then(|tls| Some((tls.issuer.as_ref()?, tls.issuer_kind?))) {
        match kind {
            IssuerKind::Issuer => add("cert-manager.io/issuer", issuer),
            IssuerKind::ClusterIssuer => add("cert-manager.io/cluster-issuer", issuer),
        };
    }
    if strip_prefix {
        add("nginx.ingress.kubernetes.io/rewrite-target", "/$2");
        add("nginx.ingress.kubernetes.io/use-regex", "true");
    }
    if redirect {
        add("nginx.ingress.kubernetes.io/force-ssl-redirect", "true");
    }
    annotations
}

/// ingress-nginx takes a prefix away by what its path matches.
fn ingress_path(path: &str, strip_prefix: bool) -> String {
    match (strip_prefix, path.trim_end_matches('/')) {
        (true, "") => "/()(.*)".to_owned(),
        (true, prefix) => format!("{prefix}(/|$)(.*)"),
        (false, _) => path.to_owned(),
    }
}

/// ``Host(`a`) || Host(`b`)``, with the paths if they are not the root. A wildcard stands for one label.
pub fn rule(hosts: &[Spanned<String>], paths: &[Spanned<String>]) -> String {
    let host = |host: &Spanned<String>| match host.strip_prefix("*.") {
        Some(domain) => format!("HostRegexp(`^[^.]+\\.{}$`)", domain.replace('.', "\\.")),
        None => format!("Host(`{host}`)"),
    };
    let hosts: Vec<String> = hosts.iter().map(host).collect();
    if paths.iter().any(|path| path.value == "/") || paths.is_empty() {
        return hosts.join(" || ");
    }
    // Quoted, because a path may hold a backtick.
    let paths: Vec<String> = paths.iter().map(|path| format!("PathPrefix({:?})", path.value)).collect();
    format!("{} && {}", any_of(&hosts), any_of(&paths))
}

fn any_of(terms: &[String]) -> String {
    if terms.len() > 1 { format!("({})", terms.join(" || ")) } else { terms.join("") }
}

#[cfg(test)]
mod tests {
    use super::{is_escaped, matches, path_fault, rule};
    use crate::inventory::ingress::IngressProvider;
    use crate::source::{FileId, Span, Spanned};

    fn spanned(texts: &[&str]) -> Vec<Spanned<String>> {
        let span = Span::new(FileId(0), 0..0);
        texts.iter().map(|text| Spanned::new((*text).to_owned(), span)).collect()
    }

    #[test]
    fn hosts_and_paths_are_one_rule() {
        let rule = |hosts: &[&str], paths: &[&str]| rule(&spanned(hosts), &spanned(paths));
        assert_eq!(rule(&["a.lab"], &["/"]), "Host(`a.lab`)");
        assert_eq!(rule(&["a.lab"], &["/x"]), "Host(`a.lab`) && PathPrefix(\"/x\")");
        assert_eq!(
            rule(&["a.lab", "*.b.lab"], &["/`\""]),
            "(Host(`a.lab`) || HostRegexp(`^[^.]+\\.b\\.lab$`)) && PathPrefix(\"/`\\\"\")"
        );
        assert_eq!(
            rule(&["a.lab"], &["/x", "/y"]),
            "Host(`a.lab`) && (PathPrefix(\"/x\") || PathPrefix(\"/y\"))"
        );
    }

    #[test]
    fn paths_are_as_a_request_has_them() {
        for good in ["/", "/a", "/a/", "/a.b/..c", "/~me/@x:y", "/a%20b"] {
            assert!(path_fault(good).is_none() && !is_escaped(IngressProvider::Gateway, good), "{good}");
        }
        for bad in ["", "a", "/a//b", "/a/../b", "/a/..", "/.", "/a%2Fb", "/a#b"] {
            assert!(path_fault(bad).is_some(), "{bad}");
        }
        for bad in ["/a b", "/\u{e4}", "/{a}", "/a?b", "/a%", "/a%2"] {
            assert!(is_escaped(IngressProvider::Gateway, bad), "{bad}");
            assert!(!is_escaped(IngressProvider::Traefik, bad), "{bad}");
        }
    }

    #[test]
    fn listeners_serve_names_under_their_wildcard() {
        assert!(matches("*.b.lab", "a.b.lab") && matches("a.lab", "A.lab") && matches("x.b.lab", "*.b.lab"));
        assert!(!matches("*.b.lab", "b.lab") && !matches("a.lab", "b.lab") && !matches("*.b.lab", "ab.lab"));
    }
}
