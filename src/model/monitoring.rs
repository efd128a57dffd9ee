//! Monitoring: where Prometheus finds metrics, and by what its operator and Grafana choose what is theirs.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::inventory;
use crate::inventory::monitoring::{BasicAuth, Endpoint, MonitorKind};
use crate::inventory::service::{MonitorTable, SecretKey};
use crate::inventory::value::{Duration, PassthroughTable, Text};
use crate::model::BAD_VALUE;
use crate::model::alerts::own_rules;
use crate::model::environment::Around;
use crate::model::naming::{NameKind, check_name};
use crate::model::port::{Port, listed, named, speaks_https};
use crate::model::references::Resolver;
use crate::model::secret::Keys;
use crate::model::stack::{Stack, known_secret};
use crate::model::texts::{Texts, optional, texts};
use crate::source::Spanned;

/// How often metrics are read, if nobody says.
const DEFAULT_INTERVAL: &str = "30s";

/// Prometheus and Grafana, as the stacks' objects are written for them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Monitoring {
    /// The namespace that Prometheus runs in.
    pub namespace: Option<String>,
    /// Labels of its pods.
    pub pod_labels: Texts,
    /// Labels by which it chooses monitors and rules.
    pub labels: Texts,
    /// How often metrics are read.
    pub interval: String,
    /// Labels by which Grafana finds dashboards.
    pub dashboard_labels: Texts,
    /// The annotation that says a dashboard's folder.
    pub folder_annotation: String,
}

/// Lowers `[monitoring]`. What it leaves out is taken from the charts.
pub fn lower_monitoring(resolver: &mut Resolver<'_>, charts: &[crate::model::chart::Chart]) -> Monitoring {
    let absent = inventory::monitoring::Monitoring::default();
    let table = resolver.inventory.tables.monitoring.as_ref().unwrap_or(&absent);
    let named = |names: &[&str]| charts.iter().find(|chart| names.contains(&chart.chart.as_str()));
    let chart = named(&["kube-prometheus-stack", "prometheus"]);
    let namespace = table.namespace.as_ref().map(|text| resolver.text(text));
    if let Some(namespace) = &namespace {
        check_name(resolver, namespace, namespace.span, "a namespace", NameKind::Label);
    }
    let mut labels: Texts = texts(resolver, &table.labels);
    if labels.is_empty() {
        // The operator of that chart reads only what carries its own release's label.
        let release = named(&["kube-prometheus-stack"]).map(|chart| chart.release.clone());
        labels.extend(release.map(|release| ("release".to_owned(), release)));
    }
    let mut dashboard_labels: Texts = texts(resolver, &table.dashboard_labels);
    if dashboard_labels.is_empty() {
        dashboard_labels.insert("grafana_dashboard", "1");
    }
    let folder = optional(resolver, table.folder_annotation.as_ref());
    Monitoring {
        namespace: namespace
            .map(|namespace| namespace.value)
            .or_else(|| chart.map(|chart| chart.namespace.value.clone())),
        pod_labels: texts(resolver, &table.pod_labels),
        labels,
        interval: written(table.interval.as_ref()).unwrap_or_else(|| DEFAULT_INTERVAL.to_owned()),
        dashboard_labels,
        folder_annotation: folder.unwrap_or_else(|| "grafana_folder".to_owned()),
    }
}

/// A length of time, as written.
pub fn written(time: Option<&Duration>) -> Option<String> {
    time.map(|time| prometheus_time(&time.0.value, time.seconds()))
}

/// Prometheus reads hours, minutes and seconds in this order, each once and without a fraction.
fn prometheus_time(text: &str, seconds: f64) -> String {
    let units: String = text.replace("ms", "u").chars().filter(|c| c.is_ascii_alphabetic()).collect();
    let ordered =
        ["h", "m", "s", "u"].concat().chars().filter(|unit| units.contains(*unit)).collect::<String>();
    if units == ordered && !text.contains('.') {
        return text.to_owned();
    }
    let mut left = (seconds * 1000.0).round().max(1.0) as u64;
    let mut spelled = String::new();
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
        if left >= size {
            spelled.push_str(&format!("{}{unit}", left / size));
            left %= size;
        }
    }
    spelled
}

/// How a service's metrics are read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Monitor {
    /// By the Service, or pod by pod.
    pub kind: MonitorKind,
    /// Where: at least one place.
    pub endpoints: Vec<MonitorEndpoint>,
    /// Labels of the monitor: the service's, its own, and those that its reader looks for.
    pub labels: Texts,
    /// Its own labels.
    #[serde(skip)]
    pub own_labels: Texts,
}

/// A place where metrics are read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MonitorEndpoint {
    /// The port's name.
    pub port: Spanned<String>,
    /// The path.
    pub path: String,
    /// How often.
    pub interval: String,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// A user name and a password, in the operator's spelling.
    pub basic_auth: Option<Json>,
    /// A bearer token, in the operator's spelling.
    pub authorization: Option<Json>,
    /// Changes to the labels of targets.
    pub relabelings: Vec<Json>,
    /// Changes to metrics.
    pub metric_relabelings: Vec<Json>,
    /// What it reads of secrets: their names in Kubernetes, and the keys.
    #[serde(skip)]
    pub secrets: Vec<(String, String)>,
}

impl Monitor {
    /// The names of the ports that are read.
    pub fn ports(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.endpoints.iter().map(|endpoint| &endpoint.port)
    }
}

/// The ports of a service, and the one that is read where none is named.
#[derive(Clone, Copy, Debug)]
pub struct Ports<'p> {
    /// All of them.
    pub all: &'p [Port],
    /// The main one.
    pub main: Option<&'p str>,
}

/// Lowers `monitor` of a service.
pub fn lower_monitor(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    stack: Option<&Stack>,
    table: &inventory::service::Service,
    ports: Ports<'_>,
) -> Option<Monitor> {
    let monitor = &table.monitor.as_ref()?.on()?.0;
    let whole = as_endpoint(monitor);
    let each: Vec<Endpoint> = match &*monitor.endpoints {
        [] => vec![whole],
        endpoints => endpoints.iter().map(|endpoint| filled(endpoint, &whole)).collect(),
    };
    let mut endpoints = Vec::new();
    for endpoint in &each {
        endpoints.push(lower_endpoint(resolver, around, stack, endpoint, ports)?);
    }
    let kind = monitor.kind.map_or(MonitorKind::Service, |kind| kind.value);
    if kind == MonitorKind::Pod {
        // A pod's ports are known by the names that its containers list.
        for endpoint in &mut endpoints {
            if let Some(port) = named(ports.all, &endpoint.port) {
                endpoint.port.value.clone_from(&listed(port, ports.all).name);
            }
        }
    }
    Some(Monitor { kind, endpoints, own_labels: texts(resolver, &monitor.labels), labels: Texts::new() })
}

fn as_endpoint(monitor: &MonitorTable) -> Endpoint {
    Endpoint {
        span: monitor.span,
        port: monitor.port.clone(),
        path: monitor.path.clone(),
        interval: monitor.interval.clone(),
        tls: monitor.tls,
        basic_auth: monitor.basic_auth.clone(),
        bearer: monitor.bearer.clone(),
        relabelings: monitor.relabelings.clone(),
        metric_relabelings: monitor.metric_relabelings.clone(),
    }
}

/// What one of several leaves out is as in `monitor` itself.
fn filled(endpoint: &Endpoint, whole: &Endpoint) -> Endpoint {
    use crate::inventory::record::Decode;
    let mut filled = whole.merged(endpoint);
    filled.span = endpoint.span;
    // One kind of credentials takes the place of the other.
    if endpoint.bearer.is_some() && endpoint.basic_auth.is_none() {
        filled.basic_auth = None;
    }
    if endpoint.basic_auth.is_some() && endpoint.bearer.is_none() {
        filled.bearer = None;
    }
    filled
}

fn lower_endpoint(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    stack: Option<&Stack>,
    endpoint: &Endpoint,
    ports: Ports<'_>,
) -> Option<MonitorEndpoint> {
    let port = endpoint.port.as_ref().map(|text| resolver.text(text));
    let port = port.or_else(|| Some(Spanned::new(ports.main?.to_owned(), endpoint.span)));
    let Some(port) = port else {
        resolver.found.push(
            BAD_VALUE
                .at(endpoint.span, "no port", "`monitor` needs a port, and the service has none")
                .help("add the port to `ports`"),
        );
        return None;
    };
    if let (Some(basic), Some(bearer)) = (&endpoint.basic_auth, &endpoint.bearer) {
        resolver.found.push(
            crate::model::CONFLICTING_KEYS
                .at(bearer.0.span, "a token", "`monitor` has both `basic-auth` and `bearer`")
                .because(basic.0.span, "a user name and a password")
                .help("keep the one that the service asks for"),
        );
    }
    let mut secrets = Vec::new();
    let basic_auth = endpoint.basic_auth.as_ref().and_then(|BasicAuth(table)| {
        let secret = table.secret.as_ref()?;
        let mut key = |key: &Option<Text>, default: &str| {
            let key = key.clone().unwrap_or_else(|| Text::new(default.to_owned(), secret.span));
            secret_key(resolver, stack, secret, &key, &mut secrets)
        };
        let username = key(&table.username, "username")?;
        Some(json!({ "username": username, "password": key(&table.password, "password")? }))
    });
    let authorization = endpoint.bearer.as_ref().and_then(|SecretKey(table)| {
        let credentials =
            secret_key(resolver, stack, table.secret.as_ref()?, table.key.as_ref()?, &mut secrets)?;
        Some(json!({ "type": "Bearer", "credentials": credentials }))
    });
    let values = |resolver: &mut Resolver<'_>, tables: &[PassthroughTable]| -> Vec<Json> {
        tables.iter().map(|table| resolver.value(&table.0)).collect()
    };
    let tls =
        endpoint.tls.map_or_else(|| named(ports.all, &port).is_some_and(speaks_https), |flag| flag.value);
    Some(MonitorEndpoint {
        port,
        path: optional(resolver, endpoint.path.as_ref()).unwrap_or_else(|| "/metrics".to_owned()),
        interval: written(endpoint.interval.as_ref())
            .unwrap_or_else(|| around.model.monitoring.interval.clone()),
        scheme: if tls { "https" } else { "http" },
        basic_auth,
        authorization,
        relabelings: values(resolver, &endpoint.relabelings),
        metric_relabelings: values(resolver, &endpoint.metric_relabelings),
        secrets,
    })
}

/// A key of a secret of the stack as the operator refers to it; reported if there is none.
fn secret_key(
    resolver: &mut Resolver<'_>,
    stack: Option<&Stack>,
    secret: &Text,
    key: &Text,
    secrets: &mut Vec<(String, String)>,
) -> Option<Json> {
    let (secret, key) = (resolver.text(secret), resolver.text(key));
    let known = known_secret(resolver, stack, &secret)?;
    if !Keys::of(known).has(resolver, &key) {
        return None;
    }
    secrets.push((known.name.clone(), key.value.clone()));
    Some(json!({ "name": known.name, "key": key.value }))
}

/// Gives monitors, alerts and dashboards their labels, and stacks bayplan's own rules.
pub fn mark(stack: &mut Stack, chosen_by: &Texts) {
    let own = stack.alerts.as_ref().map(|alerts| own_rules(stack, alerts));
    if let (Some(alerts), Some(mut rules)) = (&mut stack.alerts, own) {
        rules.append(&mut alerts.rules);
        alerts.rules = rules;
        alerts.labels = stack.labels.clone();
        alerts.labels.extend(chosen_by.clone());
    }
    stack.alerts = stack.alerts.take().filter(|alerts| !alerts.rules.is_empty());
    for dashboard in &mut stack.dashboards {
        dashboard.labels.add_all(&stack.labels);
    }
    for service in stack.services.iter_mut().filter(|service| service.monitor.is_some()) {
        let service = Arc::make_mut(service);
        if let Some(monitor) = &mut service.monitor {
            monitor.labels = service.labels.clone();
            monitor.labels.extend(std::mem::take(&mut monitor.own_labels));
            monitor.labels.extend(chosen_by.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::prometheus_time;
    use crate::duration::seconds;

    #[test]
    fn times_as_prometheus_reads_them() {
        for (text, spelled) in [
            ("30s", "30s"),
            ("1h30m", "1h30m"),
            ("90m", "90m"),
            ("500ms", "500ms"),
            ("1.5h", "1h30m"),
            ("1m1h", "1h1m"),
            ("30s30s", "1m"),
            ("0.0001s", "1ms"),
            ("2h0.5s", "2h500ms"),
        ] {
            assert_eq!(prometheus_time(text, seconds(text).unwrap_or_default()), spelled, "{text}");
        }
    }
}
