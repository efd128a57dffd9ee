//! Monitoring: where Prometheus finds metrics, what it warns of, and dashboards.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::inventory;
use crate::inventory::monitoring::{Alerts as AlertsSetting, AlertsTable, BasicAuth, Endpoint, MonitorKind};
use crate::inventory::service::{MonitorTable, SecretKey};
use crate::inventory::stack::Layer;
use crate::inventory::value::{Duration, Engine, Flag, OrOff, PassthroughTable, Text};
use crate::model::cluster::{NameKind, check_name, optional, report_unknown, texts};
use crate::model::marks::engine_of;
use crate::model::references::Resolver;
use crate::model::stack::{Around, Stack, known_secret};
use crate::model::{BAD_VALUE, Environment, Model, UNREADABLE_FILE};
use crate::object::emit::unsafe_text;
use crate::source::Spanned;

/// How often metrics are read, if nobody says.
const DEFAULT_INTERVAL: &str = "30s";

/// Prometheus and Grafana, as the stacks' objects are written for them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Monitoring {
    /// The namespace that Prometheus runs in.
    pub namespace: Option<String>,
    /// Labels of its pods.
    pub pod_labels: BTreeMap<String, String>,
    /// Labels by which it chooses monitors and rules.
    pub labels: BTreeMap<String, String>,
    /// How often metrics are read.
    pub interval: String,
    /// Labels by which Grafana finds dashboards.
    pub dashboard_labels: BTreeMap<String, String>,
    /// The annotation that says a dashboard's folder.
    pub folder_annotation: String,
}

/// Lowers `[monitoring]`. What it leaves out is taken from the charts.
pub fn lower_monitoring(resolver: &mut Resolver<'_>, charts: &[crate::model::cluster::Chart]) -> Monitoring {
    let absent = inventory::monitoring::Monitoring::default();
    let table = resolver.inventory.tables.monitoring.as_ref().unwrap_or(&absent);
    let named = |names: &[&str]| charts.iter().find(|chart| names.contains(&chart.chart.as_str()));
    let chart = named(&["kube-prometheus-stack", "prometheus"]);
    let namespace = table.namespace.as_ref().map(|text| resolver.text(text));
    if let Some(namespace) = &namespace {
        check_name(resolver, namespace, namespace.span, "a namespace", NameKind::Label);
    }
    let mut labels = texts(resolver, &table.labels);
    if labels.is_empty() {
        // The operator of that chart reads only what carries its own release's label.
        let release = named(&["kube-prometheus-stack"]).map(|chart| chart.release.clone());
        labels.extend(release.map(|release| ("release".to_owned(), release)));
    }
    let mut dashboard_labels = texts(resolver, &table.dashboard_labels);
    if dashboard_labels.is_empty() {
        dashboard_labels.insert("grafana_dashboard".to_owned(), "1".to_owned());
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

fn written(time: Option<&Duration>) -> Option<String> {
    time.map(|time| time.0.value.clone())
}

/// How a service's metrics are read.
#[derive(Clone, Debug, Serialize)]
pub struct Monitor {
    /// By the Service, or pod by pod.
    pub kind: MonitorKind,
    /// Where: at least one place.
    pub endpoints: Vec<MonitorEndpoint>,
    /// Labels of the monitor: the service's, its own, and those that its reader looks for.
    pub labels: BTreeMap<String, String>,
    /// Its own labels.
    #[serde(skip)]
    pub own_labels: BTreeMap<String, String>,
}

/// A place where metrics are read.
#[derive(Clone, Debug, Serialize)]
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

/// Lowers `monitor` of a service.
pub fn lower_monitor(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    stack: Option<&Stack>,
    table: &inventory::service::Service,
    main_port: Option<&str>,
) -> Option<Monitor> {
    let monitor = &table.monitor.as_ref()?.on()?.0;
    let whole = as_endpoint(monitor);
    let each: Vec<Endpoint> = match monitor.endpoints.as_slice() {
        [] => vec![whole],
        endpoints => endpoints.iter().map(|endpoint| filled(endpoint, &whole)).collect(),
    };
    let mut endpoints = Vec::new();
    for endpoint in &each {
        endpoints.push(lower_endpoint(resolver, around, stack, endpoint, main_port)?);
    }
    Some(Monitor {
        kind: monitor.kind.map_or(MonitorKind::Service, |kind| kind.value),
        endpoints,
        own_labels: texts(resolver, &monitor.labels),
        labels: BTreeMap::new(),
    })
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
    main_port: Option<&str>,
) -> Option<MonitorEndpoint> {
    let port = endpoint.port.as_ref().map(|text| resolver.text(text));
    let port = port.or_else(|| Some(Spanned::new(main_port?.to_owned(), endpoint.span)));
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
    Some(MonitorEndpoint {
        port,
        path: optional(resolver, endpoint.path.as_ref()).unwrap_or_else(|| "/metrics".to_owned()),
        interval: written(endpoint.interval.as_ref())
            .unwrap_or_else(|| around.model.monitoring.interval.clone()),
        scheme: if endpoint.tls.is_some_and(|flag| flag.value) { "https" } else { "http" },
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
    if !known.keys.is_empty() && !known.keys.iter().any(|declared| declared.value == key.value) {
        let keys: Vec<&str> = known.keys.iter().map(|key| key.value.as_str()).collect();
        report_unknown(resolver, &key, &format!("key of secret `{}`", known.key), &keys);
        return None;
    }
    secrets.push((known.name.clone(), key.value.clone()));
    Some(json!({ "name": known.name, "key": key.value }))
}

/// What Prometheus warns of in a stack.
#[derive(Clone, Debug, Serialize)]
pub struct Alerts {
    /// Labels of the PrometheusRule.
    pub labels: BTreeMap<String, String>,
    /// The rules, those of bayplan's own first.
    pub rules: Vec<Alert>,
    #[serde(skip)]
    severity: String,
    #[serde(skip)]
    rule_labels: BTreeMap<String, String>,
    #[serde(skip)]
    own: Own,
}

/// Which of bayplan's own rules are wanted.
#[derive(Clone, Copy, Debug)]
struct Own {
    crash_looping: bool,
    not_ready: bool,
    claim_almost_full: bool,
    job_failed: bool,
    target_down: bool,
}

/// A rule of Prometheus.
#[derive(Clone, Debug, Serialize)]
pub struct Alert {
    /// The alert's name.
    pub name: String,
    /// When it fires.
    pub expr: String,
    /// For how long that must hold.
    pub lasting: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What it says.
    pub annotations: BTreeMap<String, String>,
}

/// Lowers `alerts` of a stack.
pub fn lower_alerts(resolver: &mut Resolver<'_>, alerts: Option<&OrOff<AlertsSetting>>) -> Option<Alerts> {
    let AlertsSetting(table) = alerts?.on()?;
    let severity = optional(resolver, table.severity.as_ref()).unwrap_or_else(|| "warning".to_owned());
    let rule_labels = texts(resolver, &table.labels);
    let rules = lower_rules(resolver, table, &severity, &rule_labels);
    let on = |flag: Option<Flag>| flag.is_none_or(|flag| flag.value);
    let own = Own {
        crash_looping: on(table.crash_looping),
        not_ready: on(table.not_ready),
        claim_almost_full: on(table.claim_almost_full),
        job_failed: on(table.job_failed),
        target_down: on(table.target_down),
    };
    Some(Alerts { labels: BTreeMap::new(), rules, severity, rule_labels, own })
}

fn lower_rules(
    resolver: &mut Resolver<'_>,
    table: &AlertsTable,
    severity: &str,
    common: &BTreeMap<String, String>,
) -> Vec<Alert> {
    let mut rules = Vec::new();
    for (name, entry) in &table.rules {
        let rule = &entry.value;
        let Some(expr) = rule.expr.as_ref().map(|text| resolver.text(text)) else { continue };
        check_expression(resolver, &expr);
        let mut labels = common.clone();
        let own = optional(resolver, rule.severity.as_ref());
        labels.insert("severity".to_owned(), own.unwrap_or_else(|| severity.to_owned()));
        labels.extend(texts(resolver, &rule.labels));
        let said = [("summary", &rule.summary), ("description", &rule.description)];
        let said = said
            .into_iter()
            .filter_map(|(key, text)| Some((key.to_owned(), optional(resolver, text.as_ref())?)));
        rules.push(Alert {
            name: name.clone(),
            annotations: said.collect(),
            expr: expr.value,
            lasting: written(rule.r#for.as_ref()),
            labels,
        });
    }
    rules
}

/// What an expression opens it must close; a file with one that does not is refused by Prometheus as a whole.
fn check_expression(resolver: &mut Resolver<'_>, expr: &Spanned<String>) {
    if let Some(fault) = expression_fault(expr) {
        resolver.found.push(
            BAD_VALUE
                .at(expr.span, fault.clone(), format!("the expression of an alert is not complete: {fault}"))
                .help("try it in Prometheus' own query page first"),
        );
    }
}

fn expression_fault(expr: &str) -> Option<String> {
    let mut open: Vec<char> = Vec::new();
    let mut letters = expr.chars();
    while let Some(c) = letters.next() {
        match c {
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' if open.pop() != Some(c) => return Some(format!("`{c}` closes nothing")),
            '"' | '\'' | '`' => loop {
                match letters.next() {
                    Some('\\') if c != '`' => drop(letters.next()),
                    Some(end) if end == c => break,
                    Some(_) => {}
                    None => return Some(format!("a {c} is never closed")),
                }
            },
            _ => {}
        }
    }
    match open.pop() {
        Some(missing) => Some(format!("`{missing}` is missing")),
        None if expr.trim().is_empty() => Some("it is empty".to_owned()),
        None => None,
    }
}

/// The rules of bayplan's own, once services and claims of the stack are known.
fn own_rules(stack: &Stack, alerts: &Alerts) -> Vec<Alert> {
    let namespace = format!("namespace={:?}", stack.namespace.value);
    let mut rules = Vec::new();
    let mut add = |name: &str, lasting: Option<&str>, expr: String, summary: &str| {
        let mut labels = alerts.rule_labels.clone();
        labels.entry("severity".to_owned()).or_insert_with(|| alerts.severity.clone());
        rules.push(Alert {
            name: name.to_owned(),
            expr,
            lasting: lasting.map(str::to_owned),
            labels,
            annotations: BTreeMap::from([("summary".to_owned(), summary.to_owned())]),
        });
    };
    if alerts.own.crash_looping {
        let expr = format!(
            "max_over_time(kube_pod_container_status_waiting_reason{{{namespace},reason=\"CrashLoopBackOff\"}}[5m]) >= 1"
        );
        let summary = "Container {{ $labels.container }} of pod {{ $labels.pod }} restarts again and again";
        add("PodCrashLooping", Some("15m"), expr, summary);
    }
    if alerts.own.not_ready {
        let expr = format!(
            "kube_pod_status_ready{{{namespace},condition=\"true\"}} == 0 unless on (namespace, pod) kube_pod_status_phase{{{namespace},phase=~\"Succeeded|Failed\"}} == 1"
        );
        let summary = "Pod {{ $labels.pod }} has not been ready for 15 minutes";
        add("PodNotReady", Some("15m"), expr, summary);
    }
    if alerts.own.claim_almost_full && !stack.claims.is_empty() {
        let expr = format!(
            "kubelet_volume_stats_available_bytes{{{namespace}}} / kubelet_volume_stats_capacity_bytes{{{namespace}}} < 0.1"
        );
        let summary = "Claim {{ $labels.persistentvolumeclaim }} has {{ $value | humanizePercentage }} left";
        add("ClaimAlmostFull", Some("5m"), expr, summary);
    }
    if alerts.own.job_failed {
        let expr = format!("kube_job_failed{{{namespace},condition=\"true\"}} > 0");
        add("JobFailed", None, expr, "Job {{ $labels.job_name }} failed");
    }
    if alerts.own.target_down && stack.services.iter().any(|service| service.monitor.is_some()) {
        let expr = format!("up{{{namespace}}} == 0");
        add("TargetDown", Some("10m"), expr, "Prometheus cannot read {{ $labels.pod }} ({{ $labels.job }})");
    }
    rules
}

/// A dashboard of Grafana.
#[derive(Clone, Debug, Serialize)]
pub struct Dashboard {
    /// Its name in the inventory.
    pub name: String,
    /// Its file's name in the ConfigMap.
    pub key: String,
    /// The dashboard, as its file says it.
    pub json: String,
    /// Labels of the ConfigMap.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the ConfigMap.
    pub annotations: BTreeMap<String, String>,
}

/// A ConfigMap holds a mebibyte in all; its key and the rest need some of it.
const LARGEST_DASHBOARD: usize = (1 << 20) - 4096;

/// Lowers the dashboards of a stack. A file that cannot be read or is no JSON is reported.
pub fn lower_dashboards(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    table: &inventory::stack::Stack,
) -> Vec<Dashboard> {
    let layer = table.layer.as_ref().map_or(Layer::Apps, |layer| layer.value);
    let engine = around.model.gitops.as_ref().map(|gitops| engine_of(gitops, layer));
    let monitoring = &around.model.monitoring;
    let mut dashboards = Vec::new();
    for (name, entry) in &table.dashboards {
        let Some(table) = entry.value.on() else { continue };
        check_name(resolver, name, entry.key, "a dashboard", NameKind::Label);
        let Some(file) = &table.file else { continue };
        let Some(json) = dashboard_of(resolver, file) else { continue };
        let folder = optional(resolver, table.folder.as_ref());
        // Grafana's own variables look like Flux's.
        let mut annotations =
            BTreeMap::from([("kustomize.toolkit.fluxcd.io/substitute".to_owned(), "disabled".to_owned())]);
        annotations.retain(|_, _| engine == Some(Engine::Flux));
        annotations.extend(folder.map(|folder| (monitoring.folder_annotation.clone(), folder)));
        dashboards.push(Dashboard {
            key: format!("{name}.json"),
            name: name.clone(),
            json,
            labels: monitoring.dashboard_labels.clone(),
            annotations,
        });
    }
    dashboards
}

fn dashboard_of(resolver: &mut Resolver<'_>, file: &Text) -> Option<String> {
    match resolver.inventory.files.text(file).and_then(dashboard_text) {
        Ok(json) => Some(json),
        Err(reason) => {
            resolver.found.push(
                UNREADABLE_FILE
                    .at(file.span, reason.clone(), format!("file `{file}` cannot be used: {reason}"))
                    .help("name a JSON file below the inventory's folder, as Grafana exports it"),
            );
            None
        }
    }
}

fn dashboard_text(text: &str) -> Result<String, String> {
    if text.len() > LARGEST_DASHBOARD {
        return Err("it is larger than a ConfigMap may be (1 MiB)".to_owned());
    }
    match serde_json::from_str::<Json>(text) {
        Ok(Json::Object(_)) => {}
        Ok(_) => return Err("it is no dashboard: not a JSON object".to_owned()),
        Err(error) => return Err(format!("it is no JSON: {error}")),
    }
    let text = text.replace("\r\n", "\n");
    match unsafe_text(&text) {
        Some(c) => {
            Err(format!("it holds the character U+{:04X}, which kustomize cannot carry", u32::from(c)))
        }
        None => Ok(text),
    }
}

/// Gives monitors, alerts and dashboards their labels, and stacks bayplan's own rules.
pub fn mark(model: &mut Model) {
    let chosen_by = &model.monitoring.labels;
    let environments = std::iter::once(&mut model.base).chain(&mut model.environments);
    for stack in environments.flat_map(|environment: &mut Environment| &mut environment.stacks) {
        let own = stack.alerts.as_ref().map(|alerts| own_rules(stack, alerts));
        if let (Some(alerts), Some(mut rules)) = (&mut stack.alerts, own) {
            rules.append(&mut alerts.rules);
            alerts.rules = rules;
            alerts.labels = stack.labels.clone();
            alerts.labels.extend(chosen_by.clone());
        }
        stack.alerts = stack.alerts.take().filter(|alerts| !alerts.rules.is_empty());
        for dashboard in &mut stack.dashboards {
            let mut labels = stack.labels.clone();
            labels.append(&mut dashboard.labels);
            dashboard.labels = labels;
        }
        for service in &mut stack.services {
            if let Some(monitor) = &mut service.monitor {
                monitor.labels = service.labels.clone();
                monitor.labels.append(&mut monitor.own_labels);
                monitor.labels.extend(chosen_by.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{dashboard_text, expression_fault};

    #[test]
    fn expressions_close_what_they_open() {
        for fine in ["up == 0", "rate(x{a=\"}\"}[5m]) > 1", "x{a='\\''}", "x{a=`\\`}"] {
            assert_eq!(expression_fault(fine), None, "{fine}");
        }
        for bad in ["", " ", "sum(x", "x}", "(x]", "x{a=\"b}", "'"] {
            assert!(expression_fault(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn dashboards_are_json_objects() {
        assert_eq!(dashboard_text("{\r\n}").unwrap(), "{\n}");
        for bad in ["", "[]", "1", "{", "{\"a\": \"\u{fffe}\"}"] {
            assert!(dashboard_text(bad).is_err(), "{bad}");
        }
    }
}
