//! How host names are routed: by what, through which Gateway, with whose certificates, and the routes that belong
//! to no service.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::inventory;
use crate::inventory::ingress::{GatewayTable, IngressProvider, IssuerKind, ListenerProtocol};
use crate::inventory::value::{OneOrMany, Text};
use crate::model::balancer::annotations;
use crate::model::cluster::{
    Chart, NameKind, addresses, check_name, list, name_fault, one_of, optional, report_unknown, texts,
};
use crate::model::gitops::{Gitops, brings_along};
use crate::model::middleware::{Middleware, lower_middlewares};
use crate::model::references::Resolver;
use crate::model::route::{Route, Wanted, lower_route};
use crate::model::{BAD_NAME, BAD_PORT, BAD_VALUE, Model};
use crate::source::{Span, Spanned};

/// Let's Encrypt.
const ACME_SERVER: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// How host names are routed.
#[derive(Clone, Debug, Serialize)]
pub struct Ingress {
    /// By what.
    pub provider: IngressProvider,
    /// The ingress class.
    pub class: Option<String>,
    /// Traefik's entry points.
    pub entry_points: Vec<String>,
    /// cert-manager's ClusterIssuer.
    pub issuer: Option<String>,
    /// Whether hosts are reached over TLS.
    pub tls: bool,
    /// The namespace of the chart that serves the hosts.
    pub namespace: Option<String>,
    /// The Gateway's namespace, name and listener.
    pub gateway: Option<GatewayName>,
    /// Annotations for every route.
    pub annotations: BTreeMap<String, String>,
    /// Whether hosts with TLS answer plain HTTP with a redirect.
    pub redirect_http: bool,
    /// The middlewares, by name.
    pub middlewares: Vec<Middleware>,
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

/// A certificate of cert-manager.
#[derive(Clone, Debug, Serialize)]
pub struct Certificate {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: Spanned<String>,
    /// The Secret it is kept in.
    pub secret: String,
    /// The host names it is for.
    pub hosts: Vec<String>,
    /// Who issues it.
    pub issuer: String,
    /// What kind of issuer that is.
    pub kind: IssuerKind,
    /// Whether Traefik shows it for every host without another.
    pub default: bool,
}

/// A ClusterIssuer of cert-manager.
#[derive(Clone, Debug, Serialize)]
pub struct Issuer {
    /// Its name.
    pub name: String,
    /// Its spec.
    pub spec: Json,
}

/// A Gateway that is written.
#[derive(Clone, Debug, Serialize)]
pub struct Gateway {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: Spanned<String>,
    /// Its class.
    pub class: String,
    /// The addresses that it asks the load balancer for.
    pub addresses: Vec<Spanned<IpAddr>>,
    /// Annotations of its load balancer's Service.
    pub service_annotations: BTreeMap<String, String>,
    /// Its listeners, by name.
    pub listeners: Vec<Listener>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// A listener of the Gateway.
#[derive(Clone, Debug, Serialize)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// Its port.
    pub port: i64,
    /// What it speaks.
    pub protocol: ListenerProtocol,
    /// The host names it serves.
    pub hostname: Option<String>,
    /// The Secrets with its certificates.
    pub secrets: Vec<String>,
}

/// A Gateway that routes attach to.
#[derive(Clone, Debug, Serialize)]
pub struct GatewayName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// One of its listeners.
    pub listener: Option<String>,
}

/// Lowers `[ingress]`.
pub fn lower_ingress(
    resolver: &mut Resolver<'_>,
    charts: &[Chart],
    gitops: Option<&Gitops>,
) -> Option<Ingress> {
    let table = resolver.inventory.tables.ingress.as_ref()?;
    let provider = table.provider.as_ref().map_or(IngressProvider::Ingress, |provider| provider.value);
    let namespace = chart_namespace(resolver, table, charts);
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
    let certificates = lower_certificates(resolver, table);
    let named = table.gateway.as_ref().and_then(|gateway| gateway.named()).map(|text| resolver.text(text));
    let written = table.gateway.as_ref().and_then(|gateway| gateway.written());
    let written = written.map(|gateway| lower_gateway(resolver, gateway, &certificates, issuer.as_deref()));
    let gateway = match &written {
        Some(gateway) => Some(GatewayName {
            namespace: gateway.namespace.value.clone(),
            name: gateway.name.clone(),
            listener: None,
        }),
        None => named.and_then(|written| gateway_name(resolver, &written)),
    };
    let mut ingress = Ingress {
        provider,
        class: optional(resolver, table.class.as_ref()),
        entry_points: if entry_points.is_empty() { vec![default_entry.to_owned()] } else { entry_points },
        issuer,
        tls,
        namespace,
        gateway,
        annotations: texts(resolver, &table.annotations),
        redirect_http: table.redirect_http.is_some_and(|flag| flag.value),
        middlewares: lower_middlewares(resolver, table),
        issuers: lower_issuers(resolver, table),
        namespaces: namespaces(&certificates, written.as_ref(), charts, gitops),
        certificates,
        written_gateway: written,
        routes: Vec::new(),
        dashboard: None,
    };
    check_provider(resolver, table, &ingress);
    ingress.routes = chart_routes(resolver, &ingress, charts);
    lower_dashboard(resolver, table, &mut ingress);
    Some(ingress)
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

fn listener_protocol(listener: &inventory::ingress::Listener) -> ListenerProtocol {
    let certified = listener.certificate.is_some() || listener.secret.is_some();
    let default = if certified { ListenerProtocol::Https } else { ListenerProtocol::Http };
    listener.protocol.map_or(default, |protocol| protocol.value)
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

fn gateway_name(resolver: &mut Resolver<'_>, written: &Spanned<String>) -> Option<GatewayName> {
    let parts: Vec<&str> = written.split('/').collect();
    let (namespace, name, listener) = match parts.as_slice() {
        [namespace, name] => (namespace, name, None),
        [namespace, name, listener] => (namespace, name, Some((*listener).to_owned())),
        _ => {
            resolver.found.push(
                BAD_VALUE
                    .at(written.span, "not a Gateway's name", format!("`{written}` does not name a Gateway"))
                    .help("write `namespace/name` or `namespace/name/listener`"),
            );
            return None;
        }
    };
    Some(GatewayName { namespace: (*namespace).to_owned(), name: (*name).to_owned(), listener })
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
    // What ingress-nginx does not read would be written for nobody.
    let class = ingress.class.as_deref().unwrap_or("nginx");
    let other = ingress.provider == IngressProvider::Ingress && !class.contains("nginx");
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

fn lower_certificates(resolver: &mut Resolver<'_>, table: &inventory::ingress::Ingress) -> Vec<Certificate> {
    let mut certificates = Vec::new();
    for (name, entry) in &table.certificates {
        check_name(resolver, name, entry.key, "a certificate", NameKind::Subdomain);
        let issuer = entry.issuer.as_ref().or(table.issuer.as_ref());
        if issuer.is_none() {
            resolver.found.push(
                inventory::MISSING_KEY
                    .at(
                        entry.span,
                        "issued by nobody",
                        format!("`ingress.certificates.{name}` needs `issuer`"),
                    )
                    .help("add `issuer`, or `ingress.issuer` for all"),
            );
        }
        let hosts: Vec<Spanned<String>> = entry.hosts.iter().map(|text| resolver.text(text)).collect();
        hosts.iter().for_each(|host| check_host(resolver, host));
        certificates.push(Certificate {
            namespace: entry.namespace.as_ref().map(|text| resolver.text(text)).unwrap_or_default(),
            secret: optional(resolver, entry.secret.as_ref()).unwrap_or_else(|| name.clone()),
            hosts: hosts.into_iter().map(|host| host.value).collect(),
            issuer: optional(resolver, issuer).unwrap_or_default(),
            kind: entry.kind.map_or(IssuerKind::ClusterIssuer, |kind| kind.value),
            default: entry.default.is_some_and(|flag| flag.value),
            name: name.clone(),
        });
    }
    certificates
}

/// Reports what is no host name; a wildcard is one.
pub fn check_host(resolver: &mut Resolver<'_>, host: &Spanned<String>) {
    let name = host.strip_prefix("*.").unwrap_or(host);
    if let Some(reason) = name_fault(name, NameKind::Subdomain) {
        resolver.found.push(BAD_NAME.at(
            host.span,
            "not a host name",
            format!("`{host}` is not a host name: {reason}"),
        ));
    }
}

fn lower_issuers(resolver: &mut Resolver<'_>, table: &inventory::ingress::Ingress) -> Vec<Issuer> {
    let mut issuers = Vec::new();
    for (name, entry) in &table.issuers {
        check_name(resolver, name, entry.key, "an issuer", NameKind::Subdomain);
        let given = [
            ("acme", entry.acme.as_ref().map(|acme| acme.span)),
            ("ca", entry.ca.as_ref().map(|ca| ca.span)),
            ("self-signed", entry.self_signed.filter(|flag| flag.value).map(|flag| flag.span)),
        ];
        if let Err(finding) = one_of(&given, &format!("issuer `{name}`"), entry.span) {
            resolver.found.push(finding);
        }
        let spec = match (&entry.acme, &entry.ca) {
            (Some(acme), _) => acme_spec(resolver, name, acme),
            (None, Some(ca)) => json!({ "ca": { "secretName": optional(resolver, ca.secret.as_ref()) } }),
            (None, None) => json!({ "selfSigned": {} }),
        };
        issuers.push(Issuer { name: name.clone(), spec });
    }
    issuers
}

fn acme_spec(resolver: &mut Resolver<'_>, name: &str, acme: &inventory::ingress::Acme) -> Json {
    if acme.dns01.is_none() && acme.http01.is_none() {
        resolver.found.push(
            inventory::MISSING_KEY
                .at(
                    acme.span,
                    "proves nothing",
                    format!("issuer `{name}` does not say how it proves whose a name is"),
                )
                .help("add `dns01` or `http01`, in cert-manager's spelling"),
        );
    }
    let mut solvers = Vec::new();
    for (key, solver) in [("dns01", &acme.dns01), ("http01", &acme.http01)] {
        if let Some(solver) = solver {
            solvers.push(json!({ key: resolver.value(&solver.0) }));
        }
    }
    let account = optional(resolver, acme.account_secret.as_ref());
    json!({ "acme": {
        "server": optional(resolver, acme.server.as_ref()).unwrap_or_else(|| ACME_SERVER.to_owned()),
        "email": optional(resolver, acme.email.as_ref()),
        "privateKeySecretRef": { "name": account.unwrap_or_else(|| format!("{name}-account")) },
        "solvers": solvers,
    } })
}

fn lower_gateway(
    resolver: &mut Resolver<'_>,
    table: &GatewayTable,
    certificates: &[Certificate],
    issuer: Option<&str>,
) -> Gateway {
    let name = table.name.as_ref().map(|text| resolver.text(text)).unwrap_or_default();
    let namespace = table.namespace.as_ref().map(|text| resolver.text(text)).unwrap_or_default();
    for (text, what, kind) in
        [(&name, "a Gateway", NameKind::Subdomain), (&namespace, "a namespace", NameKind::Label)]
    {
        if !text.is_empty() {
            check_name(resolver, text, text.span, what, kind);
        }
    }
    let mut listeners = Vec::new();
    for (key, entry) in &table.listeners {
        check_name(resolver, key, entry.key, "a listener", NameKind::Subdomain);
        listeners.push(lower_listener(
            resolver,
            (&name, &namespace),
            (key, &entry.value),
            certificates,
            issuer,
        ));
    }
    if listeners.is_empty() {
        listeners = default_listeners(&namespace, certificates);
    }
    let mut annotations = texts(resolver, &table.annotations);
    let issued =
        listeners.iter().any(|listener| listener.secrets == [listener_secret(&name, &listener.name)]);
    if let Some(issuer) = issuer.filter(|_| issued) {
        annotations.entry("cert-manager.io/cluster-issuer".to_owned()).or_insert_with(|| issuer.to_owned());
    }
    Gateway {
        class: optional(resolver, table.class.as_ref()).unwrap_or_default(),
        addresses: addresses(resolver, table.ip.as_ref()),
        service_annotations: BTreeMap::new(),
        listeners,
        annotations,
        name: name.value,
        namespace,
    }
}

/// The Secret that cert-manager keeps a listener's certificate in.
fn listener_secret(gateway: &str, listener: &str) -> String {
    format!("{gateway}-{listener}-tls")
}

/// Plain HTTP, and HTTPS with the certificates of the Gateway's namespace.
fn default_listeners(namespace: &str, certificates: &[Certificate]) -> Vec<Listener> {
    let own = certificates.iter().filter(|certificate| certificate.namespace.value == namespace);
    let secrets: Vec<String> = own.map(|certificate| certificate.secret.clone()).collect();
    let listener = |name: &str, port, protocol, secrets| Listener {
        name: name.to_owned(),
        port,
        protocol,
        hostname: None,
        secrets,
    };
    let mut listeners = vec![listener("http", 80, ListenerProtocol::Http, Vec::new())];
    if !secrets.is_empty() {
        listeners.push(listener("https", 443, ListenerProtocol::Https, secrets));
    }
    listeners
}

fn lower_listener(
    resolver: &mut Resolver<'_>,
    (gateway, namespace): (&str, &str),
    (name, table): (&str, &inventory::ingress::Listener),
    certificates: &[Certificate],
    issuer: Option<&str>,
) -> Listener {
    let protocol = listener_protocol(table);
    let hostname = table.hostname.as_ref().map(|text| resolver.text(text));
    hostname.iter().for_each(|host| check_host(resolver, host));
    let own: Vec<&Certificate> =
        certificates.iter().filter(|certificate| certificate.namespace.value == namespace).collect();
    let mut secrets: Vec<String> = optional(resolver, table.secret.as_ref()).into_iter().collect();
    if let Some(wanted) = table.certificate.as_ref().map(|text| resolver.text(text)) {
        match own.iter().find(|certificate| certificate.name == wanted.value) {
            Some(certificate) => secrets.push(certificate.secret.clone()),
            None => {
                let known = own.iter().map(|certificate| certificate.name.as_str()).collect::<Vec<_>>();
                report_unknown(resolver, &wanted, "certificate of the Gateway's namespace", &known);
            }
        }
    }
    let given = table.certificate.is_some() || table.secret.is_some();
    if protocol == ListenerProtocol::Https && !given {
        match (issuer, &hostname) {
            (Some(_), Some(_)) => secrets.push(listener_secret(gateway, name)),
            _ => resolver.found.push(
                inventory::MISSING_KEY
                    .at(
                        table.span,
                        "no certificate",
                        format!("listener `{name}` speaks HTTPS without a certificate"),
                    )
                    .help("add `certificate` or `secret`; with `ingress.issuer` a `hostname` is enough"),
            ),
        }
    }
    if let Some(port) = table.port.filter(|port| !(1..=65535).contains(&port.value)) {
        resolver.found.push(
            BAD_PORT
                .at(port.span, "not a port", format!("{port} is not a port: 1 to 65535"))
                .help("give a number from 1 to 65535"),
        );
    }
    let default = if protocol == ListenerProtocol::Https { 443 } else { 80 };
    Listener {
        name: name.to_owned(),
        port: table.port.map_or(default, |port| port.value),
        protocol,
        hostname: hostname.map(|host| host.value),
        secrets,
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
            place: table.span,
            subject: format!("charts.{}", chart.name),
        };
        if let Some(port) = table.port.filter(|port| !(1..=65535).contains(&port.value)) {
            resolver.found.push(
                BAD_PORT
                    .at(port.span, "not a port", format!("{port} is not a port: 1 to 65535"))
                    .help("give a number from 1 to 65535"),
            );
        }
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
    hosts.iter().for_each(|host| check_host(resolver, host));
    hosts
}

/// Paths, `/` if there are none. Each begins with a slash.
pub fn lower_paths(resolver: &mut Resolver<'_>, paths: &[Text], place: Span) -> Vec<Spanned<String>> {
    let paths: Vec<Spanned<String>> = paths.iter().map(|text| resolver.text(text)).collect();
    if paths.is_empty() { vec![Spanned::new("/".to_owned(), place)] } else { paths }
}

/// What a route outside the stacks has beside its rule.
fn finish(route: &mut Route, ingress: &Ingress, namespace: &str, service: &str) {
    namespace.clone_into(&mut route.namespace);
    service.clone_into(&mut route.service);
    route.labels = BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), "bayplan".to_owned())]);
    let mut annotations = std::mem::take(&mut route.annotations);
    annotations.extend(ingress.annotations.clone());
    route.annotations = annotations;
}

fn lower_dashboard(resolver: &mut Resolver<'_>, table: &inventory::ingress::Ingress, ingress: &mut Ingress) {
    let Some(dashboard) = &table.dashboard else { return };
    let Some(namespace) = ingress.namespace.clone() else {
        resolver.found.push(
            inventory::MISSING_KEY
                .at(table.span, "`chart` is missing here", "`ingress.dashboard` needs `ingress.chart`")
                .help("add `chart`: Traefik's, in whose namespace the route is written"),
        );
        return;
    };
    let names: Vec<Spanned<String>> = dashboard.middlewares.iter().map(|text| resolver.text(text)).collect();
    let guarded = crate::model::middleware::any_guards(&ingress.middlewares, &names, 0);
    let wanted = Wanted {
        name: "traefik-dashboard",
        owner: "the dashboard".to_owned(),
        hosts: full_hosts(resolver, dashboard.host.as_ref()),
        paths: lower_paths(resolver, &[], dashboard.span),
        middlewares: &dashboard.middlewares,
        strip_prefix: None,
        tls: dashboard.tls.as_ref(),
        place: dashboard.span,
        subject: "ingress.dashboard".to_owned(),
    };
    let mut route = lower_route(resolver, ingress, wanted);
    finish(&mut route, ingress, &namespace, "api@internal");
    route.service_kind = Some("TraefikService");
    ingress.dashboard = Some(Spanned::new(guarded, dashboard.span));
    ingress.routes.push(route);
}

/// Has the Gateway's Service ask the load balancer for its addresses.
pub fn ask_for_addresses(model: &mut Model) {
    let gateway = model.ingress.as_ref().and_then(|ingress| ingress.written_gateway.as_ref());
    let asked = gateway.map(|gateway| annotations(model, &gateway.addresses, None, None)).unwrap_or_default();
    let ingress = model.ingress.as_mut();
    if let Some(gateway) = ingress.and_then(|ingress| ingress.written_gateway.as_mut()) {
        gateway.service_annotations = asked;
    }
}
