//! Services: what runs, how it is reached, what it needs.

use serde_json::{Value as Json, json};

use crate::inventory::backup::Backup;
use crate::inventory::container::{InitContainer, Sidecar};
use crate::inventory::images::ImagePolicy;
use crate::inventory::ingress::{ServiceRoute, Tls};
use crate::inventory::monitoring::{BasicAuth, Endpoint, MonitorKind};
use crate::inventory::network::Gpu;
use crate::inventory::node::{Node, Value};
use crate::inventory::policy::{AllowFrom, EgressRule};
use crate::inventory::record::{Decode, List, Map, Reader, Record, Schemas};
use crate::inventory::value::{
    AddressText, Duration, Flag, OneOrMany, OrOff, Passthrough, PassthroughTable, QuantityText, Scalar, Text,
    Whole,
};
use crate::inventory::workload::{
    Autoscale, ClaimRetention, ClaimTemplate, DisruptionBudget, Dns, Job, Lifecycle, PodManagement,
    PullPolicy, Rbac, Rollout, Spread,
};
use crate::source::{Span, Spanned};
use crate::{choice, record};

choice! {
    /// The kind of workload.
    pub enum Kind {
        /// Interchangeable pods.
        Deployment = "deployment",
        /// Pods with a name and a disk each.
        StatefulSet = "stateful-set",
        /// One pod on every node.
        DaemonSet = "daemon-set",
        /// Pods that end: it runs once, and again when it changes.
        Job = "job",
        /// A job by the clock: it needs `schedule`.
        CronJob = "cron-job",
    }
}

impl Kind {
    /// The `kind` that Kubernetes knows it by.
    pub fn object_kind(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
        }
    }

    /// The `apiVersion` that every supported Kubernetes serves it in.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Deployment | Self::StatefulSet | Self::DaemonSet => "apps/v1",
            Self::Job | Self::CronJob => "batch/v1",
        }
    }
}

choice! {
    /// How traffic from outside reaches pods on other nodes.
    pub enum TrafficPolicy {
        /// By any node; the client's address is lost.
        Cluster = "Cluster",
        /// Only by nodes that run a pod; the client's address is kept.
        Local = "Local",
    }
}

choice! {
    /// How pods are replaced.
    pub enum Strategy {
        /// Old pods stop before new ones start.
        Recreate = "recreate",
        /// New pods start before old ones stop.
        RollingUpdate = "rolling-update",
    }
}

record! {
    /// Something that runs: a workload and the ways to reach it.
    pub struct Service {
        /// Whether it is deployed. Default true. An environment switches it off with `false`.
        enabled: Option<Flag>,
        /// The stack it belongs to, by name. Every service has one.
        stack: Option<Text>,
        /// Its name in Kubernetes. Default: its name in this inventory.
        name: Option<Text>,
        /// What it is, in a few words: an annotation, and a line in the tree's README.
        description: Option<Text>,
        /// The container image with its tag: `lscr.io/linuxserver/plex:1.42.1`. Every service has one.
        image: Option<Text>,
        /// Which newer images Flux takes by itself: it writes them to a file of the tree, which wins over the tag in `image`.
        image_policy: Option<Box<ImagePolicy>>,
        /// The kind of workload. Default `deployment`.
        kind: Option<Spanned<Kind>>,
        /// How many pods. Default 1. Not for a daemon-set or a job, nor beside `autoscale`.
        replicas: Option<Whole>,
        /// How the number of pods follows the load, instead of `replicas`. An environment takes it away with `false`.
        autoscale: Option<OrOff<Autoscale>>,
        /// How many pods must stay while nodes are drained. An environment takes it away with `false`.
        disruption_budget: Option<OrOff<DisruptionBudget>>,
        /// When a cron-job runs, as cron writes it: `0 3 * * *`, `@daily`. Every cron-job has it.
        schedule: Option<OrOff<Text>>,
        /// How a job or cron-job runs. An environment takes it away with `false`.
        job: Option<OrOff<Job>>,
        /// Containers that must end with success before the others start, in this order.
        init_containers: List<InitContainer>,
        /// Containers beside its own, by name. An environment takes one away with `false`.
        sidecars: Map<OrOff<Sidecar>>,
        /// The command, instead of the image's own.
        command: List<Text>,
        /// The command's arguments, instead of the image's own.
        args: List<Text>,
        /// The folder that its container starts in, instead of the image's own.
        working_dir: Option<Text>,
        /// Environment variables, over those of the stack and the environment.
        env: Map<Scalar>,
        /// Environment variables that come from a secret: `secret/key`, the secret by its name in this inventory.
        secret_env: Map<SecretKey>,
        /// Environment variables that Kubernetes fills in: `status.podIP`, `spec.nodeName`, `metadata.name`, `limits.memory` …
        field_env: Map<Text>,
        /// Environment variables that come from a ConfigMap: `NAME/KEY`, by its name in Kubernetes.
        config_map_env: Map<Text>,
        /// Whole sets of environment variables, later ones over earlier: `config-map/NAME` by its name in Kubernetes, `secret/NAME` by its name in this inventory. `env` and `secret-env` win over them.
        env_from: List<Text>,
        /// Small files of its container: the path of each, and its text. They stand in a ConfigMap, and pods restart when one changes. An environment takes one away with `false`.
        files: Map<OrOff<Text>>,
        /// The ports it listens on, by name. The one named `http`, `https` or `web`, else the lowest, of TCP rather than UDP, is where its URL points.
        ports: Map<Port>,
        /// Its load balancer address: an address, one of each family in a list, `"auto"` for any of a pool, or `false` for none. Default: reachable inside the cluster only.
        ip: Option<OrOff<OneOrMany<AddressText>>>,
        /// The MetalLB pool that its address comes from, by name. Default: any that holds it.
        pool: Option<Text>,
        /// A key: services with the same one may share an address, as long as their ports differ.
        share_ip: Option<Text>,
        /// How traffic from outside is routed. Default `Cluster`.
        external_traffic_policy: Option<Spanned<TrafficPolicy>>,
        /// What the container asks for (`requests`) and may use (`limits`), in Kubernetes' spelling: `cpu`, `memory` …
        resources: Option<Box<Resources>>,
        /// What is mounted into the container, by a name of your choice. An environment takes one away with `false`.
        volumes: Map<OrOff<Volume>>,
        /// What becomes of the claims that a stateful-set's pods have got from `claim-template`.
        claim_retention: Option<OrOff<ClaimRetention>>,
        /// How the claims that it mounts are backed up, by VolSync, all in the same way: as a claim's own `backup`, which counts more, key by key. A claim stays out with `backup = false`.
        backup: Option<OrOff<Backup>>,
        /// How its health is told: for readiness, liveness and start-up alike. An environment takes it away with `false`.
        probe: Option<OrOff<Probe>>,
        /// When it gets traffic, if not told by `probe`; `false` for always.
        readiness_probe: Option<OrOff<Probe>>,
        /// When its container is started anew, if not told by `probe`; `false` for never.
        liveness_probe: Option<OrOff<Probe>>,
        /// When the other probes begin, if not told by `probe`; `false` for at once.
        startup_probe: Option<OrOff<Probe>>,
        /// What runs in the container when it starts and before it stops. An environment takes it away with `false`.
        lifecycle: Option<OrOff<Lifecycle>>,
        /// The host names it is routed by. A name without a dot gets the environment's `domain`.
        host: Option<OrOff<OneOrMany<Text>>>,
        /// The path it is routed by, or several. Default `/`.
        path: Option<OneOrMany<Text>>,
        /// Whether `path` is taken away before the service sees it. Default false.
        strip_prefix: Option<Flag>,
        /// Traefik's middlewares before it, by their names in `ingress.middlewares`, the first one first.
        middlewares: List<Text>,
        /// TLS of its hosts: `true`, `false`, or a table that says where the certificate comes from. Default: as `ingress` says.
        tls: Option<Box<Tls>>,
        /// More routes to it, by a name of your choice: by another host or path, to another port, or through other middlewares. An environment takes one away with `false`.
        routes: Map<OrOff<ServiceRoute>>,
        /// Services and charts that must be ready before it, as far as the engine keeps an order.
        depends_on: List<Text>,
        /// Services and charts that it connects to, and `stacks.NAME` and `namespaces.NAME` as a whole: let through where a stack is isolated.
        talks_to: List<Text>,
        /// What else it connects to, where its stack is isolated: `internet`, `lan`, `nodes`, `api-server`, an address, a network or (with Cilium) a host name, also with a port (`"10.0.0.5:8086"`), or a table.
        egress: List<EgressRule>,
        /// Who else may reach it, where its stack is isolated: `lan`, an address or a network, `namespaces.NAME`, `stacks.NAME`, `charts.NAME`, or a table. With an `ip`, only these and who `talks-to` it.
        allow_from: List<AllowFrom>,
        /// Where Prometheus finds its metrics: writes a ServiceMonitor or PodMonitor of the Prometheus operator.
        monitor: Option<OrOff<Monitor>>,
        /// The node it must run on, by name.
        node: Option<Text>,
        /// Labels that a node must have for it to run there.
        node_selector: Map<Scalar>,
        /// Taints that it tolerates, in Kubernetes' spelling.
        tolerations: List<PassthroughTable>,
        /// Rules about nodes and other pods, in Kubernetes' spelling. An environment takes them away with `false`.
        affinity: Option<OrOff<PassthroughTable>>,
        /// Over what its pods are spread: labels of nodes, such as `kubernetes.io/hostname`.
        spread: List<Spread>,
        /// The PriorityClass of its pods, by its name in Kubernetes.
        priority_class: Option<Text>,
        /// The RuntimeClass of its pods, by its name in Kubernetes: `nvidia` where GPUs need it.
        runtime_class: Option<Text>,
        /// Secrets that open the images' registries, by their names in this inventory.
        image_pull_secrets: List<Text>,
        /// When images are pulled. Default: always for the tag `latest`, else if the node has it not.
        image_pull_policy: Option<Spanned<PullPolicy>>,
        /// GPUs it needs: a number of `nvidia.com/gpu`, or a table of resource names and numbers.
        gpu: Option<Gpu>,
        /// Whether it shares its node's network. Default false.
        host_network: Option<Flag>,
        /// Whether it sees its node's processes. Default false.
        host_pid: Option<Flag>,
        /// Whether it shares memory with its node's processes. Default false.
        host_ipc: Option<Flag>,
        /// Whether the containers of a pod see each other's processes. Default false.
        share_process_namespace: Option<Flag>,
        /// The name that its pods take themselves for. Default: the pod's own.
        hostname: Option<Text>,
        /// How its pods look up names. An environment takes it away with `false`.
        dns: Option<OrOff<Dns>>,
        /// Names for addresses, in its pods alone: the address, and one name or several.
        host_aliases: Map<OneOrMany<Text>>,
        /// The container's security context, in Kubernetes' spelling.
        security_context: Option<PassthroughTable>,
        /// The pod's security context, in Kubernetes' spelling.
        pod_security_context: Option<PassthroughTable>,
        /// The service account it runs as. Default: the namespace's own, with `rbac` one of the service's name.
        service_account: Option<Text>,
        /// What it may do with the Kubernetes API: writes its service account. An environment takes it away with `false`.
        rbac: Option<OrOff<Rbac>>,
        /// Whether it may talk to the API server with its service account's token. Default: false, with `rbac` true.
        automount_token: Option<Flag>,
        /// How its pods are replaced. Default: `recreate` where a claim can be mounted only once, else `rolling-update`.
        strategy: Option<Spanned<Strategy>>,
        /// How its pods are replaced, in detail. An environment takes it away with `false`.
        rollout: Option<OrOff<Rollout>>,
        /// In which order a stateful-set starts and stops its pods. Default `ordered`.
        pod_management: Option<Spanned<PodManagement>>,
        /// How long it may take to stop, in seconds. Default 30.
        termination_grace_period: Option<Whole>,
        /// Labels for its objects and pods.
        labels: Map<Scalar>,
        /// Annotations for its pods.
        annotations: Map<Scalar>,
        /// Changes to its objects that no key above can say, by kind (`Deployment`, `Service` …): a strategic merge patch in Kubernetes' spelling. Of several of a kind it changes the one of the service's name; a stack's patch reaches the others.
        patch: Map<PassthroughTable>,
    }
}

record! {
    /// What a container asks for and may use, in Kubernetes' spelling.
    pub struct Resources {
        /// What is set aside for it.
        requests: Map<QuantityText>,
        /// What it may use at most.
        limits: Map<QuantityText>,
    }
}

choice! {
    /// A transport protocol.
    pub enum Protocol {
        /// TCP.
        Tcp = "TCP",
        /// UDP.
        Udp = "UDP",
        /// SCTP.
        Sctp = "SCTP",
    }
}

/// Declares a table with a short form: a value that stands for the one key that matters.
#[macro_export]
macro_rules! short_form {
    ($(#[doc = $doc:literal])+ $name:ident($table:ident), $words:literal, $from:expr, $schema:expr) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name(pub $table);

        impl Decode for $name {
            fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
                if node.table().is_some() {
                    return $table::decode(node, reader).map(Self);
                }
                let from: fn(&Node, &mut Reader) -> Option<$table> = $from;
                let table = from(node, reader);
                if table.is_none() {
                    reader.wrong_type(node, $words);
                }
                table.map(Self)
            }
            fn schema(schemas: &mut Schemas) -> Json {
                json!({ "anyOf": [$schema, schemas.of::<$table>()] })
            }
            fn merged(&self, over: &Self) -> Self {
                Self(self.0.merged(&over.0))
            }
        }
    };
}

pub(crate) use short_form;

record! {
    /// A port, in full.
    pub struct PortTable {
        /// The port that the Service listens on.
        #[required]
        port: Option<Whole>,
        /// The port that the container listens on. Default: the same.
        target_port: Option<Whole>,
        /// The protocol. Default `TCP`.
        protocol: Option<Spanned<Protocol>>,
        /// The port on every node's own address: 30000 to 32767.
        node_port: Option<Whole>,
        /// The port on the address of the node that the pod runs on.
        host_port: Option<Whole>,
        /// Whether only the cluster reaches it, routers included, though the service has an `ip` or another port a `node-port`. Those that are not internal get a Service of their own, `NAME-external`. Default false.
        internal: Option<Flag>,
        /// What is spoken on it, for routers: `https`, `grpc`, `kubernetes.io/h2c` … Default: what its name says.
        app_protocol: Option<Text>,
        /// Traefik's entry point that leads to it, whatever is spoken: writes an IngressRouteTCP or IngressRouteUDP.
        entry_point: Option<Text>,
        /// The Gateway's listener that leads to it, by name: writes a TCPRoute, UDPRoute or TLSRoute.
        listener: Option<Text>,
        /// The host names by which a listener for TLS knows its connections, which reach the service as they are. A name without a dot gets the environment's `domain`. Default: the service's hosts.
        sni: Option<OneOrMany<Text>>,
    }
}

short_form!(
    /// A port: its number, or a table.
    Port(PortTable),
    "a port number, or a table such as { port = 53, protocol = \"UDP\" }",
    |node, _| match node.value {
        Value::Integer(number) => Some(PortTable {
            span: node.span,
            port: Some(Whole::new(number, node.span)),
            ..PortTable::default()
        }),
        _ => None,
    },
    json!({ "type": "integer", "minimum": 1, "maximum": 65535 })
);

record! {
    /// A key of a secret, in full.
    pub struct SecretKeyTable {
        /// The secret, by its name in this inventory.
        #[required]
        secret: Option<Text>,
        /// The key.
        #[required]
        key: Option<Text>,
        /// Whether the service starts without it. Default false.
        optional: Option<Flag>,
    }
}

short_form!(
    /// A key of a secret: `secret/key`, or a table.
    SecretKey(SecretKeyTable),
    "`secret/key`, or a table { secret, key, optional }",
    |node, reader| {
        let text = node.text()?;
        let (secret, key) = text.split_once('/')?;
        crate::inventory::record::check_text(text, node.span, reader);
        Some(SecretKeyTable {
            span: node.span,
            secret: Some(Text::new(secret.to_owned(), node.span)),
            key: Some(Text::new(key.to_owned(), node.span)),
            optional: None,
        })
    },
    json!({ "type": "string", "pattern": "^[^/]+/.+$", "examples": ["media-secrets/api-key"] })
);

record! {
    /// Something mounted into the container. Exactly one of `claim`, `claim-template`, `nfs`, `empty-dir`, `host-path`, `config-map`, `secret` says what.
    pub struct Volume replaced {
        /// Where it appears in the service's container. Needed unless a sidecar or an init container mounts it.
        mount: Option<Text>,
        /// A claim of the stack.
        claim: Option<Text>,
        /// A claim that each pod of a stateful-set gets for itself. Kubernetes lets nobody change it later.
        claim_template: Option<ClaimTemplate>,
        /// An NFS export as `server/export`, mounted without a claim.
        nfs: Option<Text>,
        /// A folder that lives as long as the pod: its largest size (`"20Gi"`), `true` for no limit, or a table.
        empty_dir: Option<EmptyDir>,
        /// A path on the node, or a table with what must be there.
        host_path: Option<HostPath>,
        /// A ConfigMap, by its name in Kubernetes.
        config_map: Option<Text>,
        /// A secret, by its name in this inventory.
        secret: Option<Text>,
        /// Which keys of the ConfigMap or secret appear, and under which path: `"tls.crt" = "cert.pem"`. Default: all, under their own names.
        items: Map<Text>,
        /// The mode of the files of a ConfigMap or secret, in octal: `"0400"`. Default `"0644"`.
        default_mode: Option<Text>,
        /// A folder or file inside it, instead of the whole.
        sub_path: Option<Text>,
        /// Whether it is mounted read-only. Default false.
        read_only: Option<Flag>,
    }
}

record! {
    /// A folder that lives as long as the pod, in full.
    pub struct EmptyDirTable {
        /// Its largest size.
        size: Option<QuantityText>,
        /// Whether it is kept in memory. Default false.
        memory: Option<Flag>,
    }
}

short_form!(
    /// A folder that lives as long as the pod.
    EmptyDir(EmptyDirTable),
    "a size such as \"20Gi\", true, or a table { size, memory }",
    |node, reader| {
        let table = EmptyDirTable { span: node.span, ..EmptyDirTable::default() };
        match &node.value {
            Value::Boolean(true) => Some(table),
            Value::String(_) => Some(EmptyDirTable { size: QuantityText::decode(node, reader), ..table }),
            _ => None,
        }
    },
    json!({ "anyOf": [{ "type": "string", "examples": ["20Gi"] }, { "const": true }] })
);

choice! {
    /// What must be at a path of the node.
    pub enum HostPathType {
        /// A folder.
        Directory = "Directory",
        /// A folder, which is made if it is missing.
        DirectoryOrCreate = "DirectoryOrCreate",
        /// A file.
        File = "File",
        /// A file, which is made if it is missing.
        FileOrCreate = "FileOrCreate",
        /// A socket.
        Socket = "Socket",
        /// A character device.
        CharDevice = "CharDevice",
        /// A block device.
        BlockDevice = "BlockDevice",
    }
}

record! {
    /// A path on the node, in full.
    pub struct HostPathTable {
        /// The path.
        #[required]
        path: Option<Text>,
        /// What must be there before the pod starts. Default: nothing is looked for.
        r#type: Option<Spanned<HostPathType>>,
    }
}

short_form!(
    /// A path on the node.
    HostPath(HostPathTable),
    "a path such as \"/dev/dri\", or a table { path, type }",
    |node, reader| {
        let path = Text::decode(node, reader).filter(|_| node.text().is_some())?;
        Some(HostPathTable { span: node.span, path: Some(path), r#type: None })
    },
    json!({ "type": "string", "examples": ["/dev/dri"] })
);

record! {
    /// How a container's health is told. Exactly one of `http`, `tcp`, `grpc`, `exec` says how.
    pub struct Probe replaced {
        /// A path that answers with success over HTTP.
        http: Option<Text>,
        /// A port, by name, that takes a TCP connection.
        tcp: Option<Text>,
        /// A port, by name, that speaks gRPC's health protocol.
        grpc: Option<Text>,
        /// A command in the container that ends with success.
        exec: List<Text>,
        /// What `grpc` is asked for: the name of a service in the health protocol.
        grpc_service: Option<Text>,
        /// The port of `http`, by name. Default: the service's main port.
        port: Option<Text>,
        /// Whether `http` is asked over TLS. Default: whether the port speaks HTTPS, by its name, `app-protocol` or number 443.
        tls: Option<Flag>,
        /// Headers of `http`, by name.
        headers: Map<Scalar>,
        /// How long it is not asked at all after the start. Seldom needed: `startup` waits as long as it takes.
        delay: Option<Duration>,
        /// How often it is asked. Default `10s`.
        period: Option<Duration>,
        /// How long an answer may take. Default `5s`.
        timeout: Option<Duration>,
        /// How many failures in a row count. Default 3.
        failures: Option<Whole>,
        /// How many successes in a row make it ready again. Default 1.
        successes: Option<Whole>,
        /// How long the container may take to start. A Deployment gets more time where its usual ten minutes are too short. Default `5m`.
        startup: Option<Duration>,
    }
}

record! {
    /// Where Prometheus finds metrics, in full.
    pub struct MonitorTable {
        /// The port, by name. Default: the service's main port.
        port: Option<Text>,
        /// The path. Default `/metrics`.
        path: Option<Text>,
        /// How often it is read. Default: `interval` of `[monitoring]`, else `30s`.
        interval: Option<Duration>,
        /// Whether it is read over TLS. Default: whether the port speaks HTTPS, by its name, `app-protocol` or number 443.
        tls: Option<Flag>,
        /// How the pods are found: `service` writes a ServiceMonitor, `pod` a PodMonitor, which reads each pod whether a Service leads to it or not. Default `service`.
        kind: Option<Spanned<MonitorKind>>,
        /// Labels for the monitor.
        labels: Map<Scalar>,
        /// A user name and a password: a secret of the stack with the keys `username` and `password`, or a table.
        basic_auth: Option<BasicAuth>,
        /// A bearer token from a secret of the stack: `secret/key`.
        bearer: Option<SecretKey>,
        /// Changes to the labels of targets, as the Prometheus operator spells them.
        relabelings: List<PassthroughTable>,
        /// Changes to metrics before they are kept, as the Prometheus operator spells them.
        metric_relabelings: List<PassthroughTable>,
        /// Several places to read, where one is not enough. What one leaves out is as above.
        endpoints: List<Endpoint>,
    }
}

short_form!(
    /// Where Prometheus finds metrics: `true`, or a table.
    Monitor(MonitorTable),
    "true, or a table { port, path, interval }",
    |node, _| match node.value {
        Value::Boolean(true) => Some(MonitorTable { span: node.span, ..MonitorTable::default() }),
        _ => None,
    },
    json!({ "const": true })
);

/// A value in Kubernetes' own spelling, and the place of its table.
pub fn place(value: &PassthroughTable) -> Span {
    let PassthroughTable(Passthrough(node)) = value;
    node.span
}

/// The names of all keys of a service, for messages.
pub fn keys() -> Vec<String> {
    Service::keys().into_iter().map(|key| key.name).collect()
}
