//! Monitoring: what Prometheus reads, what it warns of, and the dashboards that Grafana shows.

use serde_json::{Value as Json, json};

use crate::inventory::node::{Node, Value};
use crate::inventory::record::{Decode, List, Map, Reader, Schemas, check_text};
use crate::inventory::service::{SecretKey, short_form};
use crate::inventory::value::{Duration, Flag, PassthroughTable, Scalar, Text};
use crate::{choice, record};

record! {
    /// Prometheus and Grafana of the cluster: what the stacks' monitors, rules and dashboards are written for.
    pub struct Monitoring {
        /// The namespace that Prometheus runs in: isolated stacks let it in. Default: that of the chart `kube-prometheus-stack` or `prometheus`.
        namespace: Option<Text>,
        /// Labels of Prometheus' pods, to let in nothing else of its namespace.
        pod_labels: Map<Scalar>,
        /// The labels by which the Prometheus operator chooses monitors and rules. Default: `release`, with the release of the chart `kube-prometheus-stack`.
        labels: Map<Scalar>,
        /// How often metrics are read where a service does not say. Default `30s`.
        interval: Option<Duration>,
        /// The labels by which Grafana's sidecar finds dashboards. Default `grafana_dashboard = "1"`.
        dashboard_labels: Map<Scalar>,
        /// The annotation in which Grafana's sidecar looks for a dashboard's folder. Default `grafana_folder`.
        folder_annotation: Option<Text>,
    }
}

choice! {
    /// How the pods of a service are found.
    pub enum MonitorKind {
        /// By the Service: a ServiceMonitor.
        Service = "service",
        /// One by one, whether a Service leads to them or not: a PodMonitor.
        Pod = "pod",
    }
}

record! {
    /// A user name and a password, in full.
    pub struct BasicAuthTable {
        /// The secret, by its name in this inventory.
        #[required]
        secret: Option<Text>,
        /// The key that holds the user name. Default `username`.
        username: Option<Text>,
        /// The key that holds the password. Default `password`.
        password: Option<Text>,
    }
}

short_form!(
    /// A user name and a password: a secret with the keys `username` and `password`, or a table.
    BasicAuth(BasicAuthTable),
    "a secret's name, or a table { secret, username, password }",
    |node, reader| {
        let text = node.text()?;
        check_text(text, node.span, reader);
        let secret = Some(Text::new(text.to_owned(), node.span));
        Some(BasicAuthTable { span: node.span, secret, ..BasicAuthTable::default() })
    },
    json!({ "type": "string" })
);

record! {
    /// One place where Prometheus finds metrics. What it leaves out is as in `monitor` itself.
    pub struct Endpoint {
        /// The port, by name.
        port: Option<Text>,
        /// The path.
        path: Option<Text>,
        /// How often it is read.
        interval: Option<Duration>,
        /// Whether it is read over TLS.
        tls: Option<Flag>,
        /// A user name and a password from a secret of the stack.
        basic_auth: Option<BasicAuth>,
        /// A bearer token from a secret of the stack: `secret/key`.
        bearer: Option<SecretKey>,
        /// Changes to the labels of targets, as the Prometheus operator spells them.
        relabelings: List<PassthroughTable>,
        /// Changes to metrics before they are kept, as the Prometheus operator spells them.
        metric_relabelings: List<PassthroughTable>,
    }
}

record! {
    /// What Prometheus warns of: a PrometheusRule. The rules of bayplan's own need kube-state-metrics and the kubelet's metrics, which `kube-prometheus-stack` brings along.
    pub struct AlertsTable {
        /// How grave the rules of bayplan's own are: the label `severity`. Default `warning`.
        severity: Option<Text>,
        /// Whether containers that restart again and again are reported. Default true.
        crash_looping: Option<Flag>,
        /// Whether pods that are not ready for a quarter of an hour are reported. Default true.
        not_ready: Option<Flag>,
        /// Whether claims with less than a tenth left are reported. Default true.
        claim_almost_full: Option<Flag>,
        /// Whether jobs that failed are reported. Default true.
        job_failed: Option<Flag>,
        /// Whether targets that Prometheus cannot read are reported. Default true, where a service has `monitor`.
        target_down: Option<Flag>,
        /// Labels for every rule.
        labels: Map<Scalar>,
        /// Rules of your own, by the name of the alert.
        rules: Map<AlertRule>,
    }
}

short_form!(
    /// What Prometheus warns of: `true`, or a table.
    Alerts(AlertsTable),
    "true, or a table such as { severity = \"critical\", rules = … }",
    |node, _| match node.value {
        Value::Boolean(true) => Some(AlertsTable { span: node.span, ..AlertsTable::default() }),
        _ => None,
    },
    json!({ "const": true })
);

record! {
    /// A rule of your own.
    pub struct AlertRule {
        /// When it fires: an expression of PromQL. `${stacks.NAME.namespace}` is the stack's namespace.
        #[required]
        expr: Option<Text>,
        /// How long that must hold. Default: at once.
        r#for: Option<Duration>,
        /// How grave it is: the label `severity`. Default: that of the stack's own rules.
        severity: Option<Text>,
        /// What is wrong, in a line.
        summary: Option<Text>,
        /// What is wrong, at length, and what to do.
        description: Option<Text>,
        /// Labels for the alert.
        labels: Map<Scalar>,
    }
}

record! {
    /// A dashboard of Grafana: a ConfigMap that its sidecar finds by a label.
    pub struct Dashboard {
        /// The dashboard as Grafana exports it: a JSON file in the inventory's folder or below, by its path from there.
        #[required]
        file: Option<Text>,
        /// The folder in Grafana.
        folder: Option<Text>,
    }
}
