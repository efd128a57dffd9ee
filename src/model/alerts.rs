//! What Prometheus warns of in a stack: rules of bayplan's own, and those of the inventory.

use serde::Serialize;

use crate::inventory::monitoring::{Alerts as AlertsSetting, AlertsTable};
use crate::inventory::value::{Flag, OrOff};
use crate::model::BAD_VALUE;
use crate::model::monitoring::written;
use crate::model::references::Resolver;
use crate::model::stack::Stack;
use crate::model::texts::{Texts, optional, texts};
use crate::source::Spanned;

/// What Prometheus warns of in a stack.
#[derive(Clone, Debug, Serialize)]
pub struct Alerts {
    /// Labels of the PrometheusRule.
    pub labels: Texts,
    /// The rules, those of bayplan's own first.
    pub rules: Vec<Alert>,
    #[serde(skip)]
    severity: String,
    #[serde(skip)]
    rule_labels: Texts,
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
    pub labels: Texts,
    /// What it says.
    pub annotations: Texts,
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
    Some(Alerts { labels: Texts::new(), rules, severity, rule_labels, own })
}

fn lower_rules(
    resolver: &mut Resolver<'_>,
    table: &AlertsTable,
    severity: &str,
    common: &Texts,
) -> Vec<Alert> {
    let mut rules = Vec::new();
    for (name, entry) in &table.rules {
        let rule = &entry.value;
        let Some(expr) = rule.expr.as_ref().map(|text| resolver.text(text)) else { continue };
        check_expression(resolver, &expr);
        let mut labels = common.clone();
        let own = optional(resolver, rule.severity.as_ref());
        labels.insert("severity", own.unwrap_or_else(|| severity.to_owned()));
        labels.extend(texts::<Texts>(resolver, &rule.labels));
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
pub fn own_rules(stack: &Stack, alerts: &Alerts) -> Vec<Alert> {
    let namespace = format!("namespace={:?}", stack.namespace.value);
    let mut rules = Vec::new();
    let mut add = |name: &str, lasting: Option<&str>, expr: String, summary: &str| {
        let mut labels = alerts.rule_labels.clone();
        labels.add("severity", &alerts.severity);
        rules.push(Alert {
            name: name.to_owned(),
            expr,
            lasting: lasting.map(str::to_owned),
            labels,
            annotations: Texts::from([("summary", summary)]),
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

#[cfg(test)]
mod tests {
    use super::expression_fault;

    #[test]
    fn expressions_close_what_they_open() {
        for fine in ["up == 0", "rate(x{a=\"}\"}[5m]) > 1", "x{a='\\''}", "x{a=`\\`}"] {
            assert_eq!(expression_fault(fine), None, "{fine}");
        }
        for bad in ["", " ", "sum(x", "x}", "(x]", "x{a=\"b}", "'"] {
            assert!(expression_fault(bad).is_some(), "{bad}");
        }
    }
}
