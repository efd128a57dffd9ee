//! Which API versions a cluster serves: Kubernetes takes old ones away, and brings new ones.

/// What is known of one kind in one API version.
struct Entry {
    version: &'static str,
    kinds: &'static [&'static str],
    /// The first minor version of Kubernetes that serves it; 0 is no bound.
    from: u32,
    /// The last one; 0 is no bound.
    until: u32,
    /// The API version to write instead.
    instead: &'static str,
}

const fn gone(
    version: &'static str,
    kinds: &'static [&'static str],
    until: u32,
    instead: &'static str,
) -> Entry {
    Entry { version, kinds, from: 0, until, instead }
}

const fn new(
    version: &'static str,
    kinds: &'static [&'static str],
    from: u32,
    instead: &'static str,
) -> Entry {
    Entry { version, kinds, from, until: 0, instead }
}

/// By the "Deprecated API Migration Guide" of Kubernetes and its release notes. What changed within the versions
/// that the bundle was made from stands in the bundle.
const TABLE: &[Entry] = &[
    gone("extensions/v1beta1", &["Ingress"], 21, "networking.k8s.io/v1"),
    gone("extensions/v1beta1", &["Deployment", "DaemonSet", "ReplicaSet"], 15, "apps/v1"),
    gone("extensions/v1beta1", &["NetworkPolicy"], 15, "networking.k8s.io/v1"),
    gone("extensions/v1beta1", &["PodSecurityPolicy"], 15, ""),
    gone("apps/v1beta1", &["Deployment", "StatefulSet"], 15, "apps/v1"),
    gone("apps/v1beta2", &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"], 15, "apps/v1"),
    gone("networking.k8s.io/v1beta1", &["Ingress", "IngressClass"], 21, "networking.k8s.io/v1"),
    gone(
        "rbac.authorization.k8s.io/v1beta1",
        &["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"],
        21,
        "rbac.authorization.k8s.io/v1",
    ),
    gone(
        "rbac.authorization.k8s.io/v1alpha1",
        &["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"],
        21,
        "rbac.authorization.k8s.io/v1",
    ),
    gone(
        "admissionregistration.k8s.io/v1beta1",
        &["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"],
        21,
        "admissionregistration.k8s.io/v1",
    ),
    gone("apiextensions.k8s.io/v1beta1", &["CustomResourceDefinition"], 21, "apiextensions.k8s.io/v1"),
    gone("apiregistration.k8s.io/v1beta1", &["APIService"], 21, "apiregistration.k8s.io/v1"),
    gone("certificates.k8s.io/v1beta1", &["CertificateSigningRequest"], 21, "certificates.k8s.io/v1"),
    gone("coordination.k8s.io/v1beta1", &["Lease"], 21, "coordination.k8s.io/v1"),
    gone("scheduling.k8s.io/v1beta1", &["PriorityClass"], 21, "scheduling.k8s.io/v1"),
    gone("scheduling.k8s.io/v1alpha1", &["PriorityClass"], 21, "scheduling.k8s.io/v1"),
    gone(
        "storage.k8s.io/v1beta1",
        &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"],
        21,
        "storage.k8s.io/v1",
    ),
    gone("storage.k8s.io/v1beta1", &["CSIStorageCapacity"], 26, "storage.k8s.io/v1"),
    gone("batch/v2alpha1", &["CronJob"], 20, "batch/v1"),
    gone("batch/v1beta1", &["CronJob"], 24, "batch/v1"),
    gone("discovery.k8s.io/v1beta1", &["EndpointSlice"], 24, "discovery.k8s.io/v1"),
    gone("events.k8s.io/v1beta1", &["Event"], 24, "events.k8s.io/v1"),
    gone("autoscaling/v2beta1", &["HorizontalPodAutoscaler"], 24, "autoscaling/v2"),
    gone("autoscaling/v2beta2", &["HorizontalPodAutoscaler"], 25, "autoscaling/v2"),
    gone("policy/v1beta1", &["PodDisruptionBudget"], 24, "policy/v1"),
    gone("policy/v1beta1", &["PodSecurityPolicy"], 24, ""),
    gone("node.k8s.io/v1beta1", &["RuntimeClass"], 24, "node.k8s.io/v1"),
    gone(
        "flowcontrol.apiserver.k8s.io/v1beta1",
        &["FlowSchema", "PriorityLevelConfiguration"],
        25,
        "flowcontrol.apiserver.k8s.io/v1",
    ),
    gone(
        "flowcontrol.apiserver.k8s.io/v1beta2",
        &["FlowSchema", "PriorityLevelConfiguration"],
        28,
        "flowcontrol.apiserver.k8s.io/v1",
    ),
    gone(
        "flowcontrol.apiserver.k8s.io/v1beta3",
        &["FlowSchema", "PriorityLevelConfiguration"],
        31,
        "flowcontrol.apiserver.k8s.io/v1",
    ),
    new(
        "flowcontrol.apiserver.k8s.io/v1",
        &["FlowSchema", "PriorityLevelConfiguration"],
        29,
        "flowcontrol.apiserver.k8s.io/v1beta3",
    ),
    new(
        "admissionregistration.k8s.io/v1",
        &["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"],
        30,
        "admissionregistration.k8s.io/v1beta1",
    ),
    new("networking.k8s.io/v1", &["ServiceCIDR", "IPAddress"], 33, "networking.k8s.io/v1beta1"),
    new(
        "resource.k8s.io/v1beta1",
        &["DeviceClass", "ResourceClaim", "ResourceClaimTemplate", "ResourceSlice"],
        32,
        "",
    ),
    new(
        "resource.k8s.io/v1beta2",
        &["DeviceClass", "ResourceClaim", "ResourceClaimTemplate", "ResourceSlice"],
        33,
        "",
    ),
];

/// Why a cluster of a minor version does not serve a kind in an API version, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved {
    /// In words: `Kubernetes serves it until 1.24`.
    pub reason: String,
    /// The API version to write instead; empty if there is none.
    pub instead: &'static str,
}

/// Whether anything is known of a kind in an API version beside what the bundle knows.
pub fn known(version: &str, kind: &str) -> bool {
    entry(version, kind).is_some()
}

/// Whether a cluster does not serve a kind, with the bounds that the bundle knows. Without a version only what
/// every supported one has taken away is told.
pub fn unserved(version: &str, kind: &str, bounds: (u32, u32), minor: Option<u32>) -> Option<Unserved> {
    let (from, until, instead) = match entry(version, kind) {
        Some(entry) => (entry.from, entry.until, entry.instead),
        None => (bounds.0, bounds.1, ""),
    };
    let minor = minor.unwrap_or(NEWEST);
    if until > 0 && minor > until {
        return Some(Unserved { reason: format!("Kubernetes serves it up to 1.{until} only"), instead });
    }
    (from > minor).then(|| Unserved { reason: format!("Kubernetes serves it from 1.{from} on"), instead })
}

/// What an inventory that names no version is taken to mean.
const NEWEST: u32 = 37;

fn entry(version: &str, kind: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.version == version && entry.kinds.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::unserved;

    #[test]
    fn a_version_decides() {
        let judge =
            |version, kind, minor| unserved(version, kind, (0, 0), Some(minor)).map(|found| found.instead);
        assert_eq!(judge("policy/v1beta1", "PodDisruptionBudget", 25), Some("policy/v1"));
        assert_eq!(judge("policy/v1beta1", "PodDisruptionBudget", 24), None);
        assert_eq!(judge("autoscaling/v2beta2", "HorizontalPodAutoscaler", 25), None);
        assert_eq!(judge("autoscaling/v2beta2", "HorizontalPodAutoscaler", 26), Some("autoscaling/v2"));
        assert_eq!(
            judge("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", 28),
            Some("flowcontrol.apiserver.k8s.io/v1beta3")
        );
        assert_eq!(judge("apps/v1", "Deployment", 30), None);
        assert!(unserved("x/v1", "X", (35, 0), Some(34)).is_some());
        assert!(unserved("x/v1", "X", (0, 34), Some(35)).is_some());
        assert!(unserved("batch/v1beta1", "CronJob", (0, 0), None).is_some());
    }
}
