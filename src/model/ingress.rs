//! How host names are routed: by what, through which Gateway, with whose certificates, and the routes that belong
//! to no service.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::inventory;
use crate::inventory::ingress::{IngressProvider, IssuerKind, ListenerProtocol};
use crate::inventory::value::{OneOrMany, Text};
use crate::model::certificates::{Certificate, Issuer, check_issuer, lower_certificates, lower_issuers};
use crate::model::chart::Chart;
use crate::model::gateway::{Gateway, GatewayName, gateway_name, listener_protocol, lower_gateway};
use crate::model::gitops::{Gitops, brings_along};
use crate::model::load_balancer::version_of;
use crate::model::middleware::{Middleware, any_guards, asked, lower_middlewares};
use crate::model::naming::{NameKind, check_host, check_name, optional_name, report_unknown};
use crate::model::port::check_port;
use crate::model::references::Resolver;
use crate::model::route::{Route, Wanted, lower_route};
use crate::model::texts::{Texts, list, optional, texts};
use crate::model::{BAD_VALUE, CONFLICTING_KEYS};
use crate::source::{Span, Spanned};

/// How host names are routed.
#[derive(Clone, Debug, Serialize)]
pub struct Ingress {
    /// By what.
    pub provider: IngressProvider,
    /// The ingress class.
    pub class: Option<String>,
    /// The same where routes have a field for it; else an annotation says it.
    pub class_field: Option<String>,
    /// Traefik's entry points.
    pub entry_points: Vec<String>,
    /// The chart that serves the hosts, as it is named.
    #[serde(skip)]
    pub chart: Option<String>,
    /// cert-manager's ClusterIssuer.
    pub issuer: Option<String>,
    /// Whether hosts are reached over TLS.
    pub tls: bool,
    /// The namespace of the router's pods.
    pub namespace: Option<String>,
    /// Labels of the router's pods.
    pub pod_labels: Texts,
    /// Whether Cilium itself is the router: its connections come from no pod.
    #[serde(skip)]
    pub by_cilium: bool,
    /// Whether the router's pods share their nodes' network, as its chart is told.
    #[serde(skip)]
    pub on_host: bool,
    /// The Gateway's namespace, name and listener.
    pub gateway: Option<GatewayName>,
    /// Annotations for every route.
    pub annotations: Texts,
    /// Whether hosts with TLS answer plain HTTP with a redirect.
    pub redirect_http: bool,
    /// The middlewares, by name.
    pub middlewares: Vec<Middleware>,
    /// The hosts that middlewares ask who is there, and at which ports.
    #[serde(skip)]
    pub asked: BTreeMap<String, BTreeSet<i64>>,
    /// Certificates that are no single service's, by name.
    pub certificates: Vec<Certificate>,
    /// ClusterIssuers, by name.
    pub issuers: Vec<Issuer>,
    /// The Gateway, if it is written here.
    pub written_gateway: Option<Gateway>,
    /// Namespaces of the Gateway and certificates that nothing else brings along.
    pub namespaces: Vec<String>,
    /// Routes to what charts bring, and to the dashboard.
    pub routes: Vec<Route>,
    /// Whether the dashboard's route asks who is there; none without one.
    #[serde(skip)]
    pub dashboard: Option<Spanned<bool>>,
}

/// Lowers `[ingress]`.
pub fn lower_ingress(
    resolver: &mut Resolver<'_>,
    charts: &[Chart],
    gitops: Option<&Gitops>,
) -> Option<Ingress> {
    let table = resolver.inventory.tables.ingress.as_ref()?;
    let provider = table.provider.as_ref().map_or(IngressProvider::Ingress, |provider| provider.value);
    let namespace = router_namespace(resolver, table, charts);
    if provider == IngressProvider::Gateway && table.gateway.is_none() {
        resolver.found.push(
            inventory::MISSING_KEY
                .at(table.span, "`gateway` is missing here", "`ingress` needs `gateway`")
                .help("add `gateway`: the Gateway that routes attach to, as `namespace/name`"),
        );
    }
    let entry_points = list(resolver, &table.entry_points);
    let tls = ingress_scheme(table) == "https";
    let default_entry = if tls { "websecure" } else { "web" };
    let issuer = optional(resolver, table.issuer.as_ref());
    check_issuer(resolver, table, table.issuer.as_ref());
    let mut certificates = lower_certificates(resolver, table);
    let named = table.gateway.as_ref().and_then(|gateway| gateway.named()).map(|text| resolver.text(text));
    let written = table.gateway.as_ref().and_then(|gateway| gateway.written());
    let written =
        written.map(|gateway| lower_gateway(resolver, gateway, &mut certificates, issuer.as_deref()));
    let gateway = match &written {
        Some(gateway) => Some(GatewayName {
            namespace: gateway.namespace.value.clone(),
            name: gateway.name.clone(),
            listener: None,
        }),
        None => named.and_then(|written| gateway_name(resolver, &written)),
    };
    let middlewares = lower_middlewares(resolver, table);
    let mut ingress = Ingress {
        provider,
        class: optional_name(resolver, table.class.as_ref(), "an ingress class", NameKind::Subdomain),
        class_field: None,
        entry_points: if entry_points.is_empty() { vec![default_entry.to_owned()] } else { entry_points },
        chart: table.chart.as_ref().map(|name| resolver.quiet_text(name)),
        issuer,
        tls,
        namespace,
        pod_labels: texts(resolver, &table.pod_labels),
        by_cilium: false,
        on_host: false,
        gateway,
        annotations: texts(resolver, &table.annotations),
        redirect_http: table.redirect_http.is_some_and(|flag| flag.value),
        asked: asked(&middlewares),
        middlewares,
        issuers: lower_issuers(resolver, table),
        namespaces: namespaces(&certificates, written.as_ref(), charts, gitops),
        certificates,
        written_gateway: written,
        routes: Vec::new(),
        dashboard: None,
    };
    ingress.by_cilium = ingress.is_cilium(charts);
    let served_by = charts.iter().find(|chart| ingress.chart.as_ref() == Some(&chart.name));
    ingress.on_host = served_by.is_some_and(shares_network);
    if provider != IngressProvider::Traefik || served_by.is_some_and(knows_classes) {
        ingress.class_field.clone_from(&ingress.class);
    }
    check_provider(resolver, table, &ingress);
    ingress.routes = chart_routes(resolver, &ingress, charts);
    lower_dashboard(resolver, table, &mut ingress);
    Some(ingress)
}

impl Ingress {
    /// Cilium's chart is named as what serves the hosts, or the class is Cilium's own (its operator knows no other).
    fn is_cilium(&self, charts: &[Chart]) -> bool {
        let class = match &self.written_gateway {
            Some(gateway) => Some(gateway.class.as_str()),
            None => self.class.as_deref().filter(|_| self.provider == IngressProvider::Ingress),
        };
        let served =
            charts.iter().any(|chart| chart.chart == "cilium" && self.chart.as_ref() == Some(&chart.name));
        self.provider != IngressProvider::Traefik && (class == Some("cilium") || served)
    }

    /// Whether it reads the annotations of ingress-nginx.
    pub fn is_nginx(&self) -> bool {
        self.provider == IngressProvider::Ingress
            && self.class.as_deref().unwrap_or("nginx").contains("nginx")
    }

    /// Traefik's class where its routes have no field for it.
    pub fn class_annotation(&self) -> Texts {
        let class = self.class.as_ref().filter(|_| self.class_field.is_none());
        class.map(|class| ("kubernetes.io/ingress.class".to_owned(), class.clone())).into_iter().collect()
    }

    /// Whether a ClusterIssuer that is written here proves a name by answering to it.
    pub fn answers(&self, issuer: &str, kind: IssuerKind) -> bool {
        self.solvers(issuer, kind).iter().any(|solver| !solver["http01"].is_null())
    }

    /// Whether it proves names in no other way.
    pub fn only_answers(&self, issuer: &str, kind: IssuerKind) -> bool {
        let solvers = self.solvers(issuer, kind);
        !solvers.is_empty() && solvers.iter().all(|solver| solver["dns01"].is_null())
    }

    fn solvers(&self, issuer: &str, kind: IssuerKind) -> &[Json] {
        let known = self.issuers.iter().find(|known| known.name == issuer);
        let known = known.filter(|_| kind == IssuerKind::ClusterIssuer);
        known.and_then(|known| known.spec["acme"]["solvers"].as_array()).map_or(&[], Vec::as_slice)
    }
}

/// Traefik's routes have a class since 3.7, which its chart has since 40. Older definitions refuse the field
/// (traefik/traefik#12313, #13245); all of them know the annotation.
fn knows_classes(chart: &Chart) -> bool {
    let since = |text: &str, first: [u32; 3]| version_of(text).is_some_and(|version| version >= first);
    let own_tag = chart.values["image"]["tag"].as_str();
    chart.chart == "traefik"
        && since(&chart.version, [40, 0, 0])
        && own_tag.is_none_or(|tag| since(tag, [3, 7, 0]))
}

/// As the charts of Traefik and of ingress-nginx are told.
fn shares_network(chart: &Chart) -> bool {
    [&chart.values["hostNetwork"], &chart.values["controller"]["hostNetwork"]].contains(&&json!(true))
}

/// Hosts are reached over TLS if certificates are issued for them, if every entry point is a secure one (a route
/// with TLS answers on no other), or if the Gateway's listener is called so or has a certificate.
pub fn ingress_scheme(ingress: &inventory::ingress::Ingress) -> &'static str {
    let points = &ingress.entry_points;
    let secure = !points.is_empty() && points.iter().all(|point| point.value.contains("secure"));
    let gateway = ingress.gateway.as_ref();
    let listener = gateway.and_then(|gateway| gateway.named()).and_then(|name| name.split('/').nth(2));
    let named = listener.is_some_and(|name| name.contains("https"));
    let written = gateway.and_then(|gateway| gateway.written());
    let written = written.map(|table| {
        let mut listeners = table.listeners.values();
        match table.listeners.is_empty() {
            true => ingress
                .certificates
                .values()
                .any(|one| same_text(one.namespace.as_ref(), table.namespace.as_ref())),
            false => listeners.any(|one| listener_protocol(one) == ListenerProtocol::Https),
        }
    });
    let issued = ingress.issuer.is_some() || secure || named;
    if written.unwrap_or(issued) { "https" } else { "http" }
}

fn same_text(one: Option<&Text>, other: Option<&Text>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one.value == other.value)
}

/// `https` if a route has TLS: as it says itself, else as the whole inventory does.
pub fn route_scheme(
    own: Option<&inventory::ingress::Tls>,
    ingress: &inventory::ingress::Ingress,
) -> &'static str {
    match own.map(inventory::ingress::Tls::on) {
        Some(true) => "https",
        Some(false) => "http",
        None => ingress_scheme(ingress),
    }
}

/// The chart's, unless the inventory says it.
fn router_namespace(
    resolver: &mut Resolver<'_>,
    table: &inventory::ingress::Ingress,
    charts: &[Chart],
) -> Option<String> {
    let of_chart = chart_namespace(resolver, table, charts);
    let own = table.namespace.as_ref().map(|text| resolver.text(text));
    if let Some(own) = &own {
        check_name(resolver, own, own.span, "a namespace", NameKind::Label);
    }
    own.map(|own| own.value).or(of_chart)
}

fn chart_namespace(
    resolver: &mut Resolver<'_>,
    table: &inventory::ingress::Ingress,
    charts: &[Chart],
) -> Option<String> {
    let name = resolver.text(table.chart.as_ref()?);
    let chart = charts.iter().find(|chart| chart.name == name.value);
    if chart.is_none() {
        let known = resolver.known(charts.iter().map(|chart| chart.name.as_str()));
        report_unknown(resolver, &name, "chart", &known);
    }
    chart.map(|chart| chart.namespace.value.clone())
}

/// Keys that only one router understands.
fn check_provider(resolver: &mut Resolver<'_>, table: &inventory::ingress::Ingress, ingress: &Ingress) {
    let word = ingress.provider.word();
    let mut only = |span: Option<Span>, key: &str, provider: IngressProvider| {
        if let Some(span) = span.filter(|_| ingress.provider != provider) {
            let message =
                format!("`ingress.{key}` is for `{}`, and `ingress.provider` is `{word}`", provider.word());
            let finding = BAD_VALUE.at(span, "not used", message);
            resolver
                .found
                .push(finding.help(format!("set `provider = \"{}\"`, or drop the key", provider.word())));
        }
    };
    let first = table.middlewares.values().next().map(|entry| entry.key);
    only(first, "middlewares", IngressProvider::Traefik);
    only(table.dashboard.as_ref().map(|table| table.span), "dashboard", IngressProvider::Traefik);
    let written = table.gateway.as_ref().and_then(|gateway| gateway.written()).map(|table| table.span);
    only(written, "gateway", IngressProvider::Gateway);
    for entry in table.certificates.values().filter(|entry| entry.default.is_some_and(|flag| flag.value)) {
        only(entry.default.map(|flag| flag.span), "certificates.….default", IngressProvider::Traefik);
    }
    let defaults = table.certificates.values().filter_map(|entry| entry.default.filter(|flag| flag.value));
    if let [first, second, ..] = defaults.collect::<Vec<_>>().as_slice() {
        let finding =
            CONFLICTING_KEYS.at(second.span, "and this", "two certificates are both the default one");
        resolver.found.push(finding.because(first.span, "this").help("keep one of them"));
    }
    // What ingress-nginx does not read would be written for nobody.
    let class = ingress.class.as_deref().unwrap_or("nginx");
    let other = ingress.provider == IngressProvider::Ingress && !ingress.is_nginx();
    if let Some(flag) = table.redirect_http.filter(|flag| flag.value && other) {
        resolver.found.push(
            BAD_VALUE
                .at(
                    flag.span,
                    "said by an annotation of nginx",
                    format!("`redirect-http` does not know how class `{class}` is told"),
                )
                .help("drop it, and write the router's own annotation under `ingress.annotations`"),
        );
    }
}

/// Namespaces that nothing else brings along.
fn namespaces(
    certificates: &[Certificate],
    gateway: Option<&Gateway>,
    charts: &[Chart],
    gitops: Option<&Gitops>,
) -> Vec<String> {
    let all = certificates.iter().map(|certificate| &certificate.namespace);
    let all = all.chain(gateway.map(|gateway| &gateway.namespace)).map(|name| name.value.clone());
    let mut own: Vec<String> = all
        .filter(|name| !name.is_empty() && !brings_along(gitops, name))
        .filter(|name| charts.iter().all(|chart| chart.namespace.value != *name))
        .collect();
    own.sort();
    own.dedup();
    own
}

fn chart_routes(resolver: &mut Resolver<'_>, ingress: &Ingress, charts: &[Chart]) -> Vec<Route> {
    let tables = &resolver.inventory.tables.charts;
    let mut routes = Vec::new();
    for chart in charts {
        let Some(table) = tables.get(&chart.name).and_then(|entry| entry.route.as_ref()) else { continue };
        let paths = table.path.as_ref().map(|OneOrMany(paths)| paths.as_slice()).unwrap_or_default();
        let wanted = Wanted {
            name: &chart.name,
            owner: format!("chart `{}`", chart.name),
            hosts: full_hosts(resolver, table.host.as_ref()),
            paths: lower_paths(resolver, paths, table.span),
            middlewares: &table.middlewares,
            strip_prefix: table.strip_prefix,
            tls: table.tls.as_ref(),
            beside: None,
            place: table.span,
            subject: format!("charts.{}", chart.name),
        };
        check_port(resolver, table.port.as_ref());
        let mut route = lower_route(resolver, ingress, wanted);
        let service = table.service.as_ref().map(|text| resolver.text(text)).unwrap_or_default();
        finish(&mut route, ingress, &chart.namespace.value, &service);
        route.port = json!(table.port.map(|port| port.value));
        route.port_number = table.port.map(|port| port.value);
        routes.push(route);
    }
    routes
}

/// Host names that belong to no environment, so that no domain can be added to them.
fn full_hosts(resolver: &mut Resolver<'_>, hosts: Option<&OneOrMany<Text>>) -> Vec<Spanned<String>> {
    let hosts = hosts.map(|OneOrMany(hosts)| hosts.as_slice()).unwrap_or_default();
    let hosts: Vec<Spanned<String>> = hosts.iter().map(|text| resolver.text(text)).collect();
    hosts.iter().for_each(|host| check_host(resolver, host, true));
    hosts
}

/// A route has at most this many paths.
const MOST_PATHS: usize = 32;
/// Paths, `/` if there are none.
pub fn lower_paths(resolver: &mut Resolver<'_>, paths: &[Text], place: Span) -> Vec<Spanned<String>> {
    too_many(resolver, paths.get(MOST_PATHS).map(|text| text.span), MOST_PATHS, "paths of one route");
    let paths: Vec<Spanned<String>> = paths.iter().take(MOST_PATHS).map(|text| resolver.text(text)).collect();
    if paths.is_empty() { vec![Spanned::new("/".to_owned(), place)] } else { paths }
}

/// Reports the first thing over a limit.
pub fn too_many(resolver: &mut Resolver<'_>, first: Option<Span>, most: usize, what: &str) {
    if let Some(span) = first {
        let message = format!("there are more than {most} {what}");
        resolver.found.push(BAD_VALUE.at(span, "one too many", message).help("share them out among several"));
    }
}

/// What a route outside the stacks has beside its rule.
fn finish(route: &mut Route, ingress: &Ingress, namespace: &str, service: &str) {
    namespace.clone_into(&mut route.namespace);
    service.clone_into(&mut route.service);
    route.labels = Texts::from([("app.kubernetes.io/managed-by", "bayplan")]);
    let mut annotations = std::mem::take(&mut route.annotations);
    annotations.extend(ingress.annotations.clone());
    route.annotations = annotations;
}

fn lower_dashboard(resolver: &mut Resolver<'_>, table: &inventory::ingress::Ingress, ingress: &mut Ingress) {
    let Some(dashboard) = &table.dashboard else { return };
    let Some(namespace) = ingress.namespace.clone() else {
        resolver.found.push(
            inventory::MISSING_KEY
                .at(table.span, "`chart` is missing here", "`ingress.dashboard` needs `ingress.chart` or `ingress.namespace`")
                .help("add `chart`: Traefik's, in whose namespace the route is written; or `namespace`, if Traefik is no chart of yours"),
        );
        return;
    };
    let names: Vec<Spanned<String>> = dashboard.middlewares.iter().map(|text| resolver.text(text)).collect();
    let guarded = any_guards(&ingress.middlewares, &names);
    let wanted = Wanted {
        name: "traefik-dashboard",
        owner: "the dashboard".to_owned(),
        hosts: full_hosts(resolver, dashboard.host.as_ref()),
        paths: lower_paths(resolver, &[], dashboard.span),
        middlewares: &dashboard.middlewares,
        strip_prefix: None,
        tls: dashboard.tls.as_ref(),
        beside: None,
        place: dashboard.span,
        subject: "ingress.dashboard".to_owned(),
    };
    let mut route = lower_route(resolver, ingress, wanted);
    finish(&mut route, ingress, &namespace, "api@internal");
    route.service_kind = Some("TraefikService");
    ingress.dashboard = Some(Spanned::new(guarded, dashboard.span));
    ingress.routes.push(route);
}
