//! What kustomize's schema, that of Kubernetes 1.21, says of lists with merge keys.

use crate::object::Value;

/// What the merge needs to know of a Kubernetes type: the fields that lead to a list with merge keys.
/// Fields that are not named hold nothing of the sort.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Type {
    fields: &'static [Field],
}

#[derive(Debug, PartialEq, Eq)]
struct Field {
    name: &'static str,
    kind: Kind,
}

/// The shape of a field, or of the value that a walk has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A map of this type.
    Map(&'static Type),
    /// A list whose elements are told apart by these keys, with elements of this type.
    Keyed(&'static [&'static str], &'static Type),
    /// A list of scalars that is merged as a set.
    Set,
}

impl Type {
    pub(crate) fn field(&self, name: &str) -> Option<Kind> {
        self.fields.iter().find(|field| field.name == name).map(|field| field.kind)
    }
}

const fn map(name: &'static str, of: &'static Type) -> Field {
    Field { name, kind: Kind::Map(of) }
}

const fn keyed(name: &'static str, keys: &'static [&'static str], of: &'static Type) -> Field {
    Field { name, kind: Kind::Keyed(keys, of) }
}

const fn set(name: &'static str) -> Field {
    Field { name, kind: Kind::Set }
}

static NOTHING: Type = Type { fields: &[] };

static METADATA: Type = Type { fields: &[set("finalizers"), keyed("ownerReferences", &["uid"], &NOTHING)] };

static OBJECT: Type = Type { fields: &[map("metadata", &METADATA)] };

static CONTAINER: Type = Type {
    fields: &[
        keyed("env", &["name"], &NOTHING),
        keyed("ports", &["containerPort", "protocol"], &NOTHING),
        keyed("volumeDevices", &["devicePath"], &NOTHING),
        keyed("volumeMounts", &["mountPath"], &NOTHING),
    ],
};

static EPHEMERAL_CONTAINER: Type = Type {
    fields: &[
        keyed("env", &["name"], &NOTHING),
        keyed("volumeDevices", &["devicePath"], &NOTHING),
        keyed("volumeMounts", &["mountPath"], &NOTHING),
    ],
};

static VOLUME: Type = Type { fields: &[map("ephemeral", &EPHEMERAL_VOLUME)] };

static EPHEMERAL_VOLUME: Type = Type { fields: &[map("volumeClaimTemplate", &OBJECT)] };

static POD_SPEC: Type = Type {
    fields: &[
        keyed("containers", &["name"], &CONTAINER),
        keyed("ephemeralContainers", &["name"], &EPHEMERAL_CONTAINER),
        keyed("hostAliases", &["ip"], &NOTHING),
        keyed("imagePullSecrets", &["name"], &NOTHING),
        keyed("initContainers", &["name"], &CONTAINER),
        keyed("topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"], &NOTHING),
        keyed("volumes", &["name"], &VOLUME),
    ],
};

/// A Pod, a pod template.
static POD: Type = Type { fields: &[map("metadata", &METADATA), map("spec", &POD_SPEC)] };

static WITH_TEMPLATE: Type = Type { fields: &[map("template", &POD)] };

static POD_TEMPLATE: Type = Type { fields: &[map("metadata", &METADATA), map("template", &POD)] };

/// Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, a job template.
static WORKLOAD: Type = Type { fields: &[map("metadata", &METADATA), map("spec", &WITH_TEMPLATE)] };

static CRON_JOB_SPEC: Type = Type { fields: &[map("jobTemplate", &WORKLOAD)] };

static CRON_JOB: Type = Type { fields: &[map("metadata", &METADATA), map("spec", &CRON_JOB_SPEC)] };

static SERVICE_SPEC: Type = Type { fields: &[keyed("ports", &["port", "protocol"], &NOTHING)] };

static SERVICE: Type = Type { fields: &[map("metadata", &METADATA), map("spec", &SERVICE_SPEC)] };

static SERVICE_ACCOUNT: Type =
    Type { fields: &[map("metadata", &METADATA), keyed("secrets", &["name"], &NOTHING)] };

static WEBHOOKS: Type =
    Type { fields: &[map("metadata", &METADATA), keyed("webhooks", &["name"], &NOTHING)] };

static NODE_SPEC: Type = Type { fields: &[set("podCIDRs")] };

static NODE: Type = Type { fields: &[map("metadata", &METADATA), map("spec", &NODE_SPEC)] };

static CSI_NODE_SPEC: Type = Type { fields: &[keyed("drivers", &["name"], &NOTHING)] };

static CSI_NODE: Type = Type { fields: &[map("metadata", &METADATA), map("spec", &CSI_NODE_SPEC)] };

/// The type of an object. `None` for custom resources and for whatever is newer than Kubernetes
/// 1.21, the schema in every kustomize so far: their lists are replaced whole.
pub(crate) fn type_of(api_version: &str, kind: &str) -> Option<&'static Type> {
    let of = match (api_version, kind) {
        ("apps/v1", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") => &WORKLOAD,
        ("batch/v1", "Job") | ("v1", "ReplicationController") => &WORKLOAD,
        ("batch/v1" | "batch/v1beta1", "CronJob") => &CRON_JOB,
        ("v1", "Pod") => &POD,
        ("v1", "PodTemplate") => &POD_TEMPLATE,
        ("v1", "Service") => &SERVICE,
        ("v1", "ServiceAccount") => &SERVICE_ACCOUNT,
        ("v1", "Node") => &NODE,
        ("storage.k8s.io/v1" | "storage.k8s.io/v1beta1", "CSINode") => &CSI_NODE,
        (
            "admissionregistration.k8s.io/v1" | "admissionregistration.k8s.io/v1beta1",
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration",
        ) => &WEBHOOKS,
        _ if is_plain_kind(api_version, kind) => &OBJECT,
        _ => return None,
    };
    Some(of)
}

/// Kinds that have merge keys in `metadata` alone.
fn is_plain_kind(api_version: &str, kind: &str) -> bool {
    PLAIN_KINDS.iter().any(|(versions, kinds)| versions.contains(&api_version) && kinds.contains(&kind))
}

type Kinds = (&'static [&'static str], &'static [&'static str]);

static PLAIN_KINDS: [Kinds; 20] = [
    (
        &["v1"],
        &[
            "Binding",
            "ConfigMap",
            "Endpoints",
            "Event",
            "LimitRange",
            "Namespace",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "ResourceQuota",
            "Secret",
        ],
    ),
    (&["apiextensions.k8s.io/v1", "apiextensions.k8s.io/v1beta1"], &["CustomResourceDefinition"]),
    (&["apiregistration.k8s.io/v1", "apiregistration.k8s.io/v1beta1"], &["APIService"]),
    (&["apps/v1"], &["ControllerRevision"]),
    (&["autoscaling/v1", "autoscaling/v2beta1", "autoscaling/v2beta2"], &["HorizontalPodAutoscaler"]),
    (&["autoscaling/v1"], &["Scale"]),
    (&["certificates.k8s.io/v1", "certificates.k8s.io/v1beta1"], &["CertificateSigningRequest"]),
    (&["coordination.k8s.io/v1", "coordination.k8s.io/v1beta1"], &["Lease"]),
    (&["discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"], &["EndpointSlice"]),
    (&["events.k8s.io/v1", "events.k8s.io/v1beta1"], &["Event"]),
    (&["extensions/v1beta1"], &["Ingress"]),
    (&["flowcontrol.apiserver.k8s.io/v1beta1"], &["FlowSchema", "PriorityLevelConfiguration"]),
    (&["networking.k8s.io/v1", "networking.k8s.io/v1beta1"], &["Ingress", "IngressClass"]),
    (&["networking.k8s.io/v1"], &["NetworkPolicy"]),
    (&["node.k8s.io/v1", "node.k8s.io/v1beta1"], &["RuntimeClass"]),
    (&["policy/v1", "policy/v1beta1"], &["PodDisruptionBudget"]),
    (&["policy/v1beta1"], &["Eviction", "PodSecurityPolicy"]),
    (
        &["rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io/v1beta1"],
        &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
    ),
    (&["scheduling.k8s.io/v1", "scheduling.k8s.io/v1beta1"], &["PriorityClass"]),
    (
        &["storage.k8s.io/v1", "storage.k8s.io/v1beta1"],
        &["CSIDriver", "CSIStorageCapacity", "StorageClass", "VolumeAttachment"],
    ),
];

/// The type of a map that looks like an object, wherever it stands: kustomize takes an object inside
/// a custom resource for one, too.
pub(super) fn type_of_map(value: &Value) -> Option<&'static Type> {
    type_of(value.get("apiVersion")?.as_str()?, value.get("kind")?.as_str()?)
}
