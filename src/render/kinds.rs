//! The kinds of objects that Argo CD applies, as they were rendered: what its AppProject has to allow.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::inventory::value::Engine;
use crate::model::Model;
use crate::object::{Id, Value};
use crate::render::plan::Job;

/// Kinds that belong to the whole cluster. Others are taken to live in a namespace, as almost all do; a kind that is
/// missing here shows as an Application that its AppProject does not permit.
const CLUSTER_SCOPED: &[(&str, &[&str])] = &[
    ("", &["Namespace", "Node", "PersistentVolume"]),
    ("admissionregistration.k8s.io", &["*"]),
    ("apiextensions.k8s.io", &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io", &["APIService"]),
    ("cert-manager.io", &["ClusterIssuer"]),
    (
        "cilium.io",
        &[
            "CiliumBGPAdvertisement",
            "CiliumBGPClusterConfig",
            "CiliumBGPPeerConfig",
            "CiliumClusterwideNetworkPolicy",
            "CiliumL2AnnouncementPolicy",
            "CiliumLoadBalancerIPPool",
        ],
    ),
    ("external-secrets.io", &["ClusterExternalSecret", "ClusterSecretStore"]),
    ("gateway.networking.k8s.io", &["GatewayClass"]),
    ("kyverno.io", &["ClusterPolicy"]),
    ("networking.k8s.io", &["IngressClass"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    ("snapshot.storage.k8s.io", &["VolumeSnapshotClass", "VolumeSnapshotContent"]),
    ("storage.k8s.io", &["CSIDriver", "StorageClass", "VolumeAttachment"]),
];

/// What bayplan writes for the whole cluster. It stays allowed when the last of it has left the tree: what an AppProject
/// does not permit, Argo CD does not see, and so never prunes.
const WRITTEN: &[(&str, &str)] = &[
    ("", "Namespace"),
    ("", "PersistentVolume"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
];

/// The same with the infrastructure.
const WRITTEN_FIRST: &[(&str, &str)] = &[
    ("cert-manager.io", "ClusterIssuer"),
    ("cilium.io", "CiliumBGPAdvertisement"),
    ("cilium.io", "CiliumBGPClusterConfig"),
    ("cilium.io", "CiliumBGPPeerConfig"),
    ("cilium.io", "CiliumL2AnnouncementPolicy"),
    ("cilium.io", "CiliumLoadBalancerIPPool"),
    ("external-secrets.io", "ClusterSecretStore"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("storage.k8s.io", "StorageClass"),
];

/// What controllers make of workloads: without leave for it, Argo CD does not show it.
const OFFSPRING: &[(&str, &str)] = &[
    ("", "Endpoints"),
    ("", "Pod"),
    ("apps", "ControllerRevision"),
    ("apps", "ReplicaSet"),
    ("batch", "Job"),
    ("discovery.k8s.io", "EndpointSlice"),
];

/// A group and a kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct GroupKind {
    group: String,
    kind: String,
}

impl GroupKind {
    fn of((group, kind): &(&str, &str)) -> Self {
        Self { group: (*group).to_owned(), kind: (*kind).to_owned() }
    }
}

/// The kinds that Argo CD applies.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Applied {
    /// Those of the whole cluster.
    cluster_kinds: BTreeSet<GroupKind>,
    /// Those inside namespaces, and what comes of them.
    namespace_kinds: BTreeSet<GroupKind>,
}

impl Applied {
    /// Adds the kinds of what a job made.
    pub fn note(&mut self, model: &Model, job: &Job<'_>, objects: &[Value]) {
        if !by_argocd(model, job) {
            return;
        }
        for id in objects.iter().filter_map(Id::of) {
            let kinds = match is_cluster_scoped(&id.group, &id.kind) {
                true => &mut self.cluster_kinds,
                false => &mut self.namespace_kinds,
            };
            kinds.insert(GroupKind { group: id.group, kind: id.kind });
        }
        let Some(gitops) = &model.gitops else { return };
        let itself = gitops.infrastructure == Engine::Argocd;
        if itself {
            // Its own project, which is written when all is noted.
            self.namespace_kinds.insert(GroupKind::of(&("argoproj.io", "AppProject")));
        }
        if !gitops.argocd.extras.strict_kinds {
            let first = WRITTEN_FIRST.iter().filter(|_| itself);
            self.cluster_kinds.extend(WRITTEN.iter().chain(first).map(GroupKind::of));
        }
        self.namespace_kinds.extend(OFFSPRING.iter().map(GroupKind::of));
    }

    /// Adds what others have noted.
    pub fn absorb(&mut self, other: Self) {
        self.cluster_kinds.extend(other.cluster_kinds);
        self.namespace_kinds.extend(other.namespace_kinds);
    }
}

pub fn is_cluster_scoped(group: &str, kind: &str) -> bool {
    let named = |kinds: &[&str]| kinds.iter().any(|own| *own == "*" || *own == kind);
    CLUSTER_SCOPED.iter().any(|(known, kinds)| *known == group && named(kinds))
}

/// Whether Argo CD applies what a job makes: an environment of a stack, the infrastructure, its own Applications.
fn by_argocd(model: &Model, job: &Job<'_>) -> bool {
    let Some(gitops) = &model.gitops else { return false };
    match job.stack(model) {
        _ if job.template.starts_with("argocd/applications/") => true,
        Some(stack) => {
            let delivery = stack.delivery.as_ref();
            job.environment.is_some() && delivery.is_some_and(|delivery| delivery.engine == Engine::Argocd)
        }
        None => job.template.starts_with("infrastructure/") && gitops.infrastructure == Engine::Argocd,
    }
}
