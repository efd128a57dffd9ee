//! How a service's pods run: jobs, scaling, scheduling, permissions, and what the pod is told of the network.

use serde_json::{Value as Json, json};

use crate::inventory::node::{Node, Value};
use crate::inventory::record::{Decode, List, Map, Reader, Schemas};
use crate::inventory::service::short_form;
use crate::inventory::stack::AccessMode;
use crate::inventory::value::{
    AddressText, Duration, Flag, PassthroughTable, QuantityText, Scalar, Text, Whole,
};
use crate::source::Spanned;
use crate::{choice, record};

choice! {
    /// What happens when a cron job is due and its last run still goes on.
    pub enum Concurrency {
        /// Both run.
        Allow = "allow",
        /// The new run is left out.
        Forbid = "forbid",
        /// The old run is stopped.
        Replace = "replace",
    }
}

choice! {
    /// What happens to a job's container that fails.
    pub enum Restart {
        /// A new pod is made.
        Never = "never",
        /// The container starts again in its pod.
        OnFailure = "on-failure",
    }
}

record! {
    /// How a `job` or `cron-job` runs.
    pub struct Job {
        /// The time zone that `schedule` is meant in: `Europe/Berlin`. For a cron-job. Default: the cluster's `timezone`, else that of the control plane.
        time_zone: Option<Text>,
        /// What happens when the last run still goes on. For a cron-job. Default `forbid`.
        concurrency: Option<Spanned<Concurrency>>,
        /// Whether no runs are started. Default false.
        suspend: Option<Flag>,
        /// How many failures are tried again. Default 6.
        backoff_limit: Option<Whole>,
        /// How long a run may take until it is stopped.
        deadline: Option<Duration>,
        /// How late a run may start before it is left out. For a cron-job.
        starting_deadline: Option<Duration>,
        /// How many successful runs are kept to look at. For a cron-job. Default 3.
        keep_successful: Option<Whole>,
        /// How many failed runs are kept to look at. For a cron-job. Default 1.
        keep_failed: Option<Whole>,
        /// How long a finished run is kept before Kubernetes deletes it.
        ttl: Option<Duration>,
        /// How many pods must end with success. Default 1.
        completions: Option<Whole>,
        /// How many pods run at a time. Default 1.
        parallelism: Option<Whole>,
        /// What happens when the container fails. Default `on-failure`.
        restart: Option<Spanned<Restart>>,
    }
}

record! {
    /// How the number of pods follows the load: a HorizontalPodAutoscaler.
    pub struct Autoscale {
        /// The least pods. Default 1.
        min: Option<Whole>,
        /// The most pods.
        #[required]
        max: Option<Whole>,
        /// How much of the requested CPU is to be used, in percent. Default: 80 if nothing else is given.
        cpu: Option<Whole>,
        /// How much of the requested memory is to be used, in percent.
        memory: Option<Whole>,
        /// What else it follows, in Kubernetes' spelling: `{ type = "Pods", pods = … }` …
        metrics: List<PassthroughTable>,
        /// How fast it scales, in Kubernetes' spelling.
        behavior: Option<PassthroughTable>,
    }
}

/// A number, or a share in percent.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// As it is written.
    pub text: Text,
    /// The number, of pods or of percent. Its bounds depend on what it is a share of.
    pub number: i64,
    /// Whether it counts percent.
    pub percent: bool,
}

impl Share {
    /// As Kubernetes takes it: a number, or a text with `%`.
    pub fn json(&self) -> Json {
        if self.percent { json!(format!("{}%", self.number)) } else { json!(self.number) }
    }
}

impl Decode for Share {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let read = match &node.value {
            Value::Integer(number) => Some((number.to_string(), *number, false)),
            Value::String(text) => {
                let (bare, percent) = text.strip_suffix('%').map_or((&**text, false), |bare| (bare, true));
                let plain = bare.len() <= 9 && bare.bytes().all(|byte| byte.is_ascii_digit());
                bare.parse().ok().filter(|_| plain).map(|number| (text.to_string(), number, percent))
            }
            _ => None,
        };
        let Some((text, number, percent)) = read else {
            reader.wrong_type(node, "a number of pods, or a share such as \"50%\"");
            return None;
        };
        Some(Self { text: Text::new(text, node.span), number, percent })
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({ "title": "number or percentage", "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": i32::MAX },
            { "type": "string", "pattern": "^[0-9]{1,9}%?$", "examples": ["50%"] },
        ] })
    }
}

choice! {
    /// Whether pods that are not ready may be evicted.
    pub enum UnhealthyPodEviction {
        /// Only as long as the others are enough.
        IfHealthyBudget = "if-healthy-budget",
        /// Always.
        AlwaysAllow = "always-allow",
    }
}

record! {
    /// How many pods must stay while nodes are drained: a PodDisruptionBudget. Exactly one of the first two says it.
    pub struct DisruptionBudget replaced {
        /// How many pods stay at least: a number, or a share of them.
        min_available: Option<Share>,
        /// How many pods may go at once: a number, or a share of them.
        max_unavailable: Option<Share>,
        /// Whether pods that are not ready may be evicted. Default `if-healthy-budget`.
        unhealthy_pod_eviction: Option<Spanned<UnhealthyPodEviction>>,
    }
}

choice! {
    /// What happens to a pod that would be too many where it can run.
    pub enum WhenUneven {
        /// It runs there all the same.
        ScheduleAnyway = "schedule-anyway",
        /// It waits. Nodes that do not take the service's pods for a taint are not counted, since Kubernetes 1.26.
        DoNotSchedule = "do-not-schedule",
    }
}

record! {
    /// Over what pods are spread, in full.
    pub struct SpreadTable {
        /// The label of nodes whose values tell the places apart: `kubernetes.io/hostname` …
        #[required]
        key: Option<Text>,
        /// How many pods one place may have more than another. Default 1.
        max_skew: Option<Whole>,
        /// What happens to a pod that would be too many. Default `schedule-anyway`.
        when: Option<Spanned<WhenUneven>>,
    }
}

short_form!(
    /// Over what pods are spread: a label of nodes, or a table.
    Spread(SpreadTable),
    "a label of nodes such as \"kubernetes.io/hostname\", or a table { key, max-skew, when }",
    |node, reader| match &node.value {
        Value::String(_) => Some(SpreadTable {
            span: node.span,
            key: Text::decode(node, reader),
            ..SpreadTable::default()
        }),
        _ => None,
    },
    json!({ "type": "string", "examples": ["kubernetes.io/hostname", "topology.kubernetes.io/zone"] })
);

choice! {
    /// When an image is pulled.
    pub enum PullPolicy {
        /// At each start, if its digest has changed.
        Always = "always",
        /// If the node has it not.
        IfNotPresent = "if-not-present",
        /// Never: it must be there.
        Never = "never",
    }
}

record! {
    /// What the pods may do with the Kubernetes API: a service account with roles.
    pub struct Rbac {
        /// Rules that hold in its own namespace, in Kubernetes' spelling: a Role and a RoleBinding.
        rules: List<PassthroughTable>,
        /// Rules that hold in the whole cluster, in Kubernetes' spelling: a ClusterRole and a ClusterRoleBinding, named `NAMESPACE-NAME`.
        cluster_rules: List<PassthroughTable>,
    }
}

record! {
    /// What runs in the container when it starts and before it stops.
    pub struct Lifecycle {
        /// A command that runs when the container has started.
        post_start: List<Text>,
        /// A command that runs before the container is told to stop.
        pre_stop: List<Text>,
        /// How long it goes on before it is told to stop, so that nobody is sent to it any more: for images without a `sleep`. Kubernetes has it since 1.30.
        pre_stop_sleep: Option<Duration>,
    }
}

choice! {
    /// Whom pods ask for names.
    pub enum DnsPolicy {
        /// The cluster's DNS.
        ClusterFirst = "cluster-first",
        /// The cluster's DNS, also on the node's network.
        ClusterFirstWithHostNet = "cluster-first-with-host-net",
        /// Whom the node asks.
        Default = "default",
        /// Only `nameservers`.
        None = "none",
    }
}

record! {
    /// How pods look up names.
    pub struct Dns {
        /// Whom they ask. Default `cluster-first`, on the node's network `cluster-first-with-host-net`.
        policy: Option<Spanned<DnsPolicy>>,
        /// Addresses of DNS servers that are asked, too; three at most.
        nameservers: List<AddressText>,
        /// Domains that are tried for short names.
        searches: List<Text>,
        /// Options of the resolver: `ndots = 2`; `true` for one without a value.
        options: Map<Scalar>,
    }
}

record! {
    /// A claim that each pod of a stateful-set gets for itself.
    pub struct ClaimTemplate {
        /// Its size, as a quantity: `50Gi`.
        #[required]
        size: Option<QuantityText>,
        /// The storage class. Default: the inventory's default class.
        class: Option<Text>,
        /// How it may be mounted. Default `ReadWriteOnce`.
        access_modes: List<Spanned<AccessMode>>,
    }
}

choice! {
    /// What becomes of a pod's claims.
    pub enum Retention {
        /// They stay, with their data.
        Retain = "retain",
        /// They go, and their data with them.
        Delete = "delete",
    }
}

record! {
    /// What becomes of claims that were made from a `claim-template`. Kubernetes has it since 1.27.
    pub struct ClaimRetention {
        /// When the stateful-set is deleted. Default `retain`.
        when_deleted: Option<Spanned<Retention>>,
        /// When it has fewer pods than before. Default `retain`.
        when_scaled: Option<Spanned<Retention>>,
    }
}

record! {
    /// How pods are replaced, in detail.
    pub struct Rollout {
        /// How many pods there may be more than wanted meanwhile: a number, or a share of them. For a deployment, default 25%, or a daemon-set, default 0.
        max_surge: Option<Share>,
        /// How many pods may be missing meanwhile: a number, or a share of them. For a deployment, default 25%, or a daemon-set, default 1.
        max_unavailable: Option<Share>,
        /// The number of the first pod that is replaced; those before it stay as they are. For a stateful-set. Default 0.
        partition: Option<Whole>,
        /// How long a new pod must be ready until the next one is replaced.
        min_ready: Option<Duration>,
        /// How long it may make no progress until it counts as failed. For a deployment. Default `10m`.
        progress_deadline: Option<Duration>,
        /// How many old revisions are kept to go back to. Default 3.
        history: Option<Whole>,
    }
}

choice! {
    /// In which order a stateful-set starts and stops its pods.
    pub enum PodManagement {
        /// One after the other, each when the one before is ready.
        Ordered = "ordered",
        /// All at once.
        Parallel = "parallel",
    }
}

record! {
    /// How important pods are: a PriorityClass.
    pub struct PriorityClass {
        /// The higher, the more important: pods of 0 give way to those of 1000.
        #[required]
        value: Option<Whole>,
        /// Whether pods without a class get this one. Default false.
        default: Option<Flag>,
        /// What it is for.
        description: Option<Text>,
        /// Whether its pods push out less important ones where there is no room; `false` lets them wait. Default true.
        preempt: Option<Flag>,
    }
}
