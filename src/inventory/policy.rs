//! What a namespace lets happen: pod security, network isolation, and the flows that are let through.

use serde_json::{Value as Json, json};

use crate::inventory::node::{Node, Value};
use crate::inventory::record::{Decode, List, Map, Reader, Schemas, check_text};
use crate::inventory::service::{Protocol, short_form};
use crate::inventory::value::{PodSecurity, QuantityText, Text, Whole};
use crate::source::Spanned;
use crate::{choice, record};

record! {
    /// Pod Security Standards by what becomes of a pod that does not fit, in full.
    pub struct PodSecurityTable {
        /// Pods that do not fit are refused.
        enforce: Option<Spanned<PodSecurity>>,
        /// Pods that do not fit are noted in the API server's audit log. Default: as `enforce`.
        audit: Option<Spanned<PodSecurity>>,
        /// Whoever applies pods that do not fit is warned. Default: as `enforce`.
        warn: Option<Spanned<PodSecurity>>,
        /// The Kubernetes version whose standard is meant: `v1.34`, or `latest`. Default: that of the cluster as it runs.
        version: Option<Text>,
    }
}

short_form!(
    /// The Pod Security Standard of a namespace: a word for all of `enforce`, `audit` and `warn`, or a table.
    PodSecuritySetting(PodSecurityTable),
    "one of privileged, baseline, restricted, or a table { enforce, audit, warn, version }",
    |node, reader| {
        node.text()?;
        let level = Spanned::<PodSecurity>::decode(node, reader);
        Some(PodSecurityTable { span: node.span, enforce: level, ..PodSecurityTable::default() })
    },
    json!({ "type": "string", "enum": PodSecurity::WORDS })
);

/// Which directions of a stack's network are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolate {
    /// Neither.
    None,
    /// What comes in.
    Ingress,
    /// What goes out.
    Egress,
    /// Both.
    Both,
}

impl Decode for Spanned<Isolate> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let isolate = match &node.value {
            Value::Boolean(true) => Isolate::Both,
            Value::Boolean(false) => Isolate::None,
            Value::String(word) if **word == *"ingress" => Isolate::Ingress,
            Value::String(word) if **word == *"egress" => Isolate::Egress,
            _ => {
                reader.wrong_type(node, "true, false, \"ingress\" or \"egress\"");
                return None;
            }
        };
        Some(Self::new(isolate, node.span))
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({ "anyOf": [{ "type": "boolean" }, { "enum": ["ingress", "egress"] }] })
    }
}

record! {
    /// What a service connects to outside, in full.
    pub struct EgressTable {
        /// Where to: `internet`, `lan`, `nodes`, `api-server`, an address, a network, or with Cilium a host name, where `*.` stands for one label.
        #[required]
        to: Option<Text>,
        /// The ports there. Default: all.
        ports: List<Whole>,
        /// Their protocol. Default `TCP`.
        protocol: Option<Spanned<Protocol>>,
    }
}

short_form!(
    /// What a service connects to outside: a word, an address or a network, also with a port, or a table.
    EgressRule(EgressTable),
    "`internet`, `lan`, an address, a network or a host name, or a table { to, ports, protocol }",
    |node, reader| {
        let text = node.text()?;
        check_text(text, node.span, reader);
        let (to, port) = with_port(text);
        let mut table = EgressTable { span: node.span, ..EgressTable::default() };
        table.to = Some(Text::new(to.to_owned(), node.span));
        if let Some(port) = port {
            table.ports = List::from(vec![Whole::new(port, node.span)]);
        }
        Some(table)
    },
    json!({ "type": "string", "examples": ["internet", "lan", "api-server", "10.0.0.5:8086", "10.0.0.0/24", "api.example.org:443"] })
);

/// `10.0.0.5:8086`, `[fd00::5]:8086` and `lan:53` as a place and a port. An IPv6 address without brackets has none.
fn with_port(text: &str) -> (&str, Option<i64>) {
    let split = text.rsplit_once(':').and_then(|(to, port)| Some((to, port.parse::<i64>().ok()?)));
    match split {
        Some((to, port)) if !to.contains(':') => (to, Some(port)),
        Some((to, port)) => match to.strip_prefix('[').and_then(|to| to.strip_suffix(']')) {
            Some(to) => (to, Some(port)),
            None => (text, None),
        },
        None => (text, None),
    }
}

record! {
    /// Who may reach a service, in full.
    pub struct AllowFromTable {
        /// From where: `anywhere`, `lan`, `nodes`, an address, a network, `namespaces.NAME`, `stacks.NAME` or `charts.NAME`.
        #[required]
        from: Option<Text>,
        /// The ports that are open to it, by name. Default: all of the service.
        ports: List<Text>,
    }
}

short_form!(
    /// Who may reach a service: a word, an address or a network, a namespace, or a table.
    AllowFrom(AllowFromTable),
    "`lan`, an address or a network, `namespaces.NAME`, or a table { from, ports }",
    |node, reader| {
        let text = node.text()?;
        check_text(text, node.span, reader);
        let from = Some(Text::new(text.to_owned(), node.span));
        Some(AllowFromTable { span: node.span, from, ..AllowFromTable::default() })
    },
    json!({ "type": "string", "examples": ["lan", "10.0.0.0/24", "namespaces.backup", "charts.grafana"] })
);

choice! {
    /// Which pods a ResourceQuota counts.
    pub enum QuotaScope {
        /// Those with a deadline: jobs.
        Terminating = "Terminating",
        /// Those without a deadline.
        NotTerminating = "NotTerminating",
        /// Those that ask for nothing and are limited by nothing.
        BestEffort = "BestEffort",
        /// Those that ask for something or are limited.
        NotBestEffort = "NotBestEffort",
    }
}

record! {
    /// How large a claim of the namespace may be.
    pub struct ClaimLimits {
        /// The smallest.
        min: Option<QuantityText>,
        /// The largest.
        max: Option<QuantityText>,
    }
}

record! {
    /// How much one pod of the namespace, all its containers together, may ask for.
    pub struct PodLimits {
        /// The most that one pod may ask for.
        max: Map<QuantityText>,
        /// The least that one pod may ask for.
        min: Map<QuantityText>,
    }
}
