//! Stacks: a namespace of services, its claims and quota.

use serde_json::{Value as Json, json};

use crate::inventory::argocd::StackArgocd;
use crate::inventory::backup::{Backup, Failover};
use crate::inventory::flux::StackFlux;
use crate::inventory::monitoring::{Alerts, Dashboard};
use crate::inventory::node::Node;
use crate::inventory::policy::{ClaimLimits, Isolate, PodLimits, PodSecuritySetting, QuotaScope};
use crate::inventory::record::{Decode, List, Map, Reader, Schemas};
use crate::inventory::value::{Flag, OrOff, PassthroughTable, QuantityText, Scalar, Text};
use crate::source::Spanned;
use crate::{choice, record, short_form};

choice! {
    /// Which layer of the tree a stack belongs to.
    pub enum Layer {
        /// Applied first, by whoever applies the infrastructure.
        Infrastructure = "infrastructure",
        /// Applied after the infrastructure, by whoever applies the stacks.
        Apps = "apps",
    }
}

record! {
    /// One namespace of services that are deployed together.
    pub struct Stack {
        /// Whether it is deployed. Default true.
        enabled: Option<Flag>,
        /// Its namespace, to which an environment adds its suffix. Default: the stack's name.
        namespace: Option<Text>,
        /// What it is for.
        description: Option<Text>,
        /// The application it is part of: the `app.kubernetes.io/part-of` label. Default: the stack's name.
        part_of: Option<Text>,
        /// The layer it belongs to. Default `apps`.
        layer: Option<Spanned<Layer>>,
        /// The Pod Security Standard that its namespace enforces, by a label.
        pod_security: Option<PodSecuritySetting>,
        /// Environment variables that every service of it gets. Pods restart when one changes.
        env: Map<Scalar>,
        /// Storage that its services mount, by name: a PersistentVolumeClaim each.
        claims: Map<Claim>,
        /// Two nodes that can both run it, one at a time. An environment does without by `false`.
        failover: Option<OrOff<Failover>>,
        /// The most that the whole namespace may use: a ResourceQuota, in Kubernetes' spelling (`requests.cpu`, `persistentvolumeclaims` …).
        quota: Map<QuantityText>,
        /// Which pods `quota` counts. Default: all. One with scopes may name only pods, CPU and memory, with `BestEffort` only pods.
        quota_scopes: List<Spanned<QuotaScope>>,
        /// What containers get that ask for nothing, and how much one container, pod or claim may ask for: a LimitRange.
        limits: Option<Limits>,
        /// Whether the network is closed: only flows that services name are let through. `"ingress"` closes what comes in, `"egress"` what goes out, `true` both. Default false.
        isolate: Option<Spanned<Isolate>>,
        /// What Prometheus warns of: `true` for rules about restarting, unready and failed pods, full claims and silent targets, or a table. An environment takes them away with `false`.
        alerts: Option<OrOff<Alerts>>,
        /// Dashboards of Grafana, by name.
        dashboards: Map<OrOff<Dashboard>>,
        /// Stacks or charts that must be ready before it.
        depends_on: List<Text>,
        /// How Argo CD applies it, where that differs from the others.
        argocd: Option<StackArgocd>,
        /// How Flux applies it, where that differs from the others.
        flux: Option<StackFlux>,
        /// Changes to its objects that no key can say, by kind (`Deployment`: all of them) or by kind and name (`ConfigMap/site-env`): a strategic merge patch in Kubernetes' spelling. A service's own `patch` wins.
        patch: Map<PassthroughTable>,
        /// Labels for every object of it.
        labels: Map<Scalar>,
        /// Annotations for its namespace.
        annotations: Map<Scalar>,
    }
}

choice! {
    /// How pods may mount a claim.
    pub enum AccessMode {
        /// Read and written by the pods of one node.
        ReadWriteOnce = "ReadWriteOnce",
        /// Read by many nodes.
        ReadOnlyMany = "ReadOnlyMany",
        /// Read and written by many nodes.
        ReadWriteMany = "ReadWriteMany",
        /// Read and written by one pod.
        ReadWriteOncePod = "ReadWriteOncePod",
    }
}

record! {
    /// Storage that services mount: a PersistentVolumeClaim. At most one of `class`, `nfs`, `local`, `csi` and `volume` says what keeps the data.
    pub struct Claim {
        /// Its size, as a quantity: `50Gi`. Every claim has one that is not `existing`.
        size: Option<QuantityText>,
        /// How it may be mounted. Default `ReadWriteOnce`.
        access_modes: List<Spanned<AccessMode>>,
        /// The storage class. Default: the inventory's default class.
        class: Option<Text>,
        /// An NFS export as `server/export`: a PersistentVolume of its own is written, and the data kept when the claim goes. Instead of `class`.
        nfs: Option<Text>,
        /// A folder or disk of one node: a PersistentVolume of its own is written that only that node can mount, and the data kept when the claim goes. A path such as `/srv/plex` where the stack has a `failover`, else a table with the node.
        local: Option<LocalDisk>,
        /// A volume of a CSI driver that exists already (`driver`, `volumeHandle` …), in Kubernetes' spelling: a PersistentVolume of its own is written.
        csi: Option<PassthroughTable>,
        /// A PersistentVolume that exists already, by its name in Kubernetes: the claim is bound to it.
        volume: Option<Text>,
        /// Whether somebody else makes the claim: services mount it, and none is written. Default false.
        existing: Option<Flag>,
        /// Mount options of the volume that is written for `nfs` or `csi`. Default: those of the NFS server.
        mount_options: List<Text>,
        /// Whether the volume that is written for `nfs` or `csi` is mounted read-only. Default false.
        read_only: Option<Flag>,
        /// How it is backed up, by VolSync: `true` for what `[backup]` says, or a table. An environment switches it off with `false`.
        backup: Option<OrOff<Backup>>,
        /// Annotations for the claim.
        annotations: Map<Scalar>,
    }
}

record! {
    /// A folder or disk of one node, in full.
    pub struct LocalDiskTable {
        /// The folder, which must exist on the node.
        #[required]
        path: Option<Text>,
        /// The node, by name. Default: the nodes of the stack's `failover`.
        node: Option<Text>,
    }
}

short_form!(
    /// A folder or disk of one node: its path, or a table.
    LocalDisk(LocalDiskTable),
    "a path such as \"/srv/plex\", or a table { path, node }",
    |node, reader| {
        let path = Text::decode(node, reader).filter(|_| node.text().is_some())?;
        Some(LocalDiskTable { span: node.span, path: Some(path), node: None })
    },
    json!({ "type": "string", "examples": ["/srv/plex"] })
);

record! {
    /// What containers get that ask for nothing, and how much one container, pod or claim may ask for: a LimitRange.
    pub struct Limits {
        /// Limits of containers that give none.
        default: Map<QuantityText>,
        /// Requests of containers that give none.
        default_request: Map<QuantityText>,
        /// The most that one container may ask for.
        max: Map<QuantityText>,
        /// The least that one container may ask for.
        min: Map<QuantityText>,
        /// How much one pod, all its containers together, may ask for.
        pod: Option<PodLimits>,
        /// How large one claim may be.
        pvc: Option<ClaimLimits>,
    }
}
