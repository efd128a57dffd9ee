//! Stacks: a namespace of services, its claims, quota and secrets.

use crate::inventory::argocd::StackArgocd;
use crate::inventory::flux::StackFlux;
use crate::inventory::record::{List, Map};
use crate::inventory::value::{Flag, PassthroughTable, PodSecurity, QuantityText, Scalar, Text};
use crate::source::Spanned;
use crate::{choice, record};

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
        pod_security: Option<Spanned<PodSecurity>>,
        /// Environment variables that every service of it gets. Pods restart when one changes.
        env: Map<Scalar>,
        /// Storage that its services mount, by name: a PersistentVolumeClaim each.
        claims: Map<Claim>,
        /// The most that the whole namespace may use: a ResourceQuota, in Kubernetes' spelling (`requests.cpu`, `persistentvolumeclaims` …).
        quota: Map<QuantityText>,
        /// What containers get that ask for nothing: a LimitRange.
        limits: Option<Limits>,
        /// Whether the network is closed: only flows that services name are let through. Default false.
        isolate: Option<Flag>,
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
    /// Storage that services mount: a PersistentVolumeClaim.
    pub struct Claim {
        /// Its size, as a quantity: `50Gi`.
        #[required]
        size: Option<QuantityText>,
        /// How it may be mounted. Default `ReadWriteOnce`.
        access_modes: List<Spanned<AccessMode>>,
        /// The storage class. Default: the inventory's default class.
        class: Option<Text>,
        /// An NFS export as `server/export`: a PersistentVolume of its own is written, and the data kept when the claim goes. Instead of `class`.
        nfs: Option<Text>,
        /// Annotations for the claim.
        annotations: Map<Scalar>,
    }
}

record! {
    /// What containers get that ask for nothing: a LimitRange.
    pub struct Limits {
        /// Limits of containers that give none.
        default: Map<QuantityText>,
        /// Requests of containers that give none.
        default_request: Map<QuantityText>,
        /// The most that one container may ask for.
        max: Map<QuantityText>,
        /// The least that one container may ask for.
        min: Map<QuantityText>,
    }
}

choice! {
    /// How a secret gets into the cluster.
    pub enum SecretProvider {
        /// A SealedSecret that people make with kubeseal.
        SealedSecrets = "sealed-secrets",
        /// A SOPS-encrypted Secret that Flux decrypts.
        Sops = "sops",
        /// The External Secrets operator.
        ExternalSecrets = "external-secrets",
        /// By hand, outside Git.
        Manual = "manual",
    }
}

record! {
    /// A Secret that services read from: its keys, never its values.
    pub struct Secret {
        /// The stack whose namespace it lives in.
        #[required]
        stack: Option<Text>,
        /// How it gets into the cluster. Default `manual`.
        provider: Option<Spanned<SecretProvider>>,
        /// The keys that services may read. Their values never stand here.
        keys: List<Text>,
        /// The Secret's name in Kubernetes. Default: its name in this inventory.
        name: Option<Text>,
        /// What it is for.
        description: Option<Text>,
    }
}
