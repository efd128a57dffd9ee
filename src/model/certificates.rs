//! Certificates and issuers of cert-manager that are no single service's.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::inventory;
use crate::inventory::ingress::IssuerKind;
use crate::inventory::value::Text;
use crate::model::Model;
use crate::model::naming::{NameKind, check_host, check_name, one_of, optional_name, report_unknown};
use crate::model::references::Resolver;
use crate::model::texts::optional;
use crate::source::Spanned;

impl Model {
    /// Where cert-manager looks for what ClusterIssuers name, if the inventory tells of Secrets there.
    pub fn secrets_of_issuers(&self) -> Option<&str> {
        let mut charts = self.charts.iter().filter(|chart| chart.chart == "cert-manager");
        let chart = charts.next().filter(|_| charts.next().is_none())?;
        let said = chart.values.get("clusterResourceNamespace").and_then(Json::as_str);
        let namespace = said.filter(|name| !name.is_empty()).unwrap_or(&chart.namespace.value);
        self.chart_secrets.iter().any(|secret| secret.namespace == namespace).then_some(namespace)
    }
}

/// Let's Encrypt.
const ACME_SERVER: &str = "https://acme-v02.api.letsencrypt.org/directory";

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

/// Lowers `ingress.certificates`.
pub fn lower_certificates(
    resolver: &mut Resolver<'_>,
    table: &inventory::ingress::Ingress,
) -> Vec<Certificate> {
    let mut certificates = Vec::new();
    for (name, entry) in &table.certificates {
        check_name(resolver, name, entry.key, "a certificate", NameKind::Subdomain);
        let issuer = entry.issuer.as_ref().or(table.issuer.as_ref());
        if entry.kind.is_none_or(|kind| kind.value == IssuerKind::ClusterIssuer) {
            check_issuer(resolver, table, entry.issuer.as_ref());
        }
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
        hosts.iter().for_each(|host| check_host(resolver, host, true));
        if hosts.is_empty() {
            let message = format!("`ingress.certificates.{name}` is for no host");
            let finding = inventory::MISSING_KEY.at(entry.span, "`hosts` is empty", message);
            resolver.found.push(finding.help("name the hosts that it is for"));
        }
        let namespace = entry.namespace.as_ref().map(|text| resolver.text(text)).unwrap_or_default();
        if !namespace.is_empty() {
            check_name(resolver, &namespace, namespace.span, "a namespace", NameKind::Label);
        }
        certificates.push(Certificate {
            namespace,
            secret: optional_name(resolver, entry.secret.as_ref(), "a Secret", NameKind::Subdomain)
                .unwrap_or_else(|| name.clone()),
            hosts: hosts.into_iter().map(|host| host.value).collect(),
            issuer: optional(resolver, issuer).unwrap_or_default(),
            kind: entry.kind.map_or(IssuerKind::ClusterIssuer, |kind| kind.value),
            default: entry.default.is_some_and(|flag| flag.value),
            name: name.clone(),
        });
    }
    certificates
}

/// An issuer that nobody declares may be there all the same; one that is nearly a declared one is a slip.
pub fn check_issuer(resolver: &mut Resolver<'_>, table: &inventory::ingress::Ingress, name: Option<&Text>) {
    let Some(name) = name.map(|name| resolver.text(name)) else { return };
    let known: Vec<&str> = table.issuers.keys().map(String::as_str).collect();
    if !known.contains(&name.value.as_str()) && resolver.guess(&name, known.iter().copied()).is_some() {
        report_unknown(resolver, &name, "issuer", &known);
    }
}

/// Lowers `ingress.issuers`.
pub fn lower_issuers(resolver: &mut Resolver<'_>, table: &inventory::ingress::Ingress) -> Vec<Issuer> {
    let mut issuers = Vec::new();
    for (name, entry) in &table.issuers {
        check_name(resolver, name, entry.key, "an issuer", NameKind::Subdomain);
        let given = [
            ("acme", entry.acme.as_ref().map(|acme| acme.span)),
            ("ca", entry.ca.as_ref().map(|ca| ca.span)),
            ("self-signed", entry.self_signed.filter(|flag| flag.value).map(|flag| flag.span)),
        ];
        one_of(resolver, &given, &format!("issuer `{name}`"), entry.span, None);
        let spec = match (&entry.acme, &entry.ca) {
            (Some(acme), _) => acme_spec(resolver, name, acme),
            (None, Some(ca)) => {
                json!({ "ca": { "secretName": optional_name(resolver, ca.secret.as_ref(), "a Secret", NameKind::Subdomain) } })
            }
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
    let account = optional_name(resolver, acme.account_secret.as_ref(), "a Secret", NameKind::Subdomain);
    json!({ "acme": {
        "server": optional(resolver, acme.server.as_ref()).unwrap_or_else(|| ACME_SERVER.to_owned()),
        "email": optional(resolver, acme.email.as_ref()),
        "privateKeySecretRef": { "name": account.unwrap_or_else(|| format!("{name}-account")) },
        "solvers": solvers,
    } })
}
