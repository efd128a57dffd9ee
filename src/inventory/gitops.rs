//! Where the tree is committed, and who applies it.

use crate::inventory::argocd::{ArgocdStyle, IgnoreDifference, Notifications, SyncWindow};
use crate::inventory::flux::{DeletionPolicy, FluxNotification, FluxReceiver, FluxSource};
use crate::inventory::images::ImageUpdates;
use crate::inventory::record::{List, Map};
use crate::inventory::value::{Duration, Engine, Flag, Scalar, Text, Whole};
use crate::source::Spanned;
use crate::{choice, record};

record! {
    /// Where the tree is committed, and who applies which layer of it.
    pub struct Gitops {
        /// The URL of the Git repository that the tree is committed to.
        #[required]
        repository: Option<Text>,
        /// The branch or tag that is applied. Default `main`.
        revision: Option<Text>,
        /// The folder of that repository that the tree stands in. Default `out`.
        path: Option<Text>,
        /// Who applies the infrastructure layer (charts, pools, storage classes). Default: whoever applies the stacks.
        infrastructure: Option<Spanned<Engine>>,
        /// Who applies the stacks. Default: whoever applies the infrastructure.
        apps: Option<Spanned<Engine>>,
        /// Settings of Argo CD.
        argocd: Option<Argocd>,
        /// Settings of Flux.
        flux: Option<Flux>,
    }
}

record! {
    /// How Argo CD applies the tree.
    pub struct Argocd {
        /// Its namespace. Default `argocd`.
        namespace: Option<Text>,
        /// How it gets one Application for each stack and environment. Default `app-of-apps`.
        style: Option<Spanned<ArgocdStyle>>,
        /// Whether the ApplicationSet goes wave by wave (`applicationset`): a beta feature that Argo CD must be told to enable, which syncs by itself and leaves `self-heal` aside. Default false.
        rolling_sync: Option<Flag>,
        /// The AppProject that is written and used. Default: the cluster's name.
        project: Option<Text>,
        /// Whether objects that left the tree are deleted. Default true.
        prune: Option<Flag>,
        /// Whether changes made by hand in the cluster are undone. Default true.
        self_heal: Option<Flag>,
        /// How a failed sync is tried again.
        retry: Option<Retry>,
        /// The API server of the cluster that is deployed to, as Argo CD knows it: a URL. Default `https://kubernetes.default.svc`, Argo CD's own.
        server: Option<Text>,
        /// Whether deleting an Application deletes what it deployed. Default true.
        cascade: Option<Flag>,
        /// Sync options of every Application, as `Name=value`: they add to, or replace, the ones that bayplan writes.
        sync_options: List<Text>,
        /// Whether the AppProject allows only the namespaces and kinds that the tree has, and what comes of those. Manifests of other kinds that you add are refused then, and the last object of a kind or in a namespace that leaves the tree is out of Argo CD's sight before it is pruned: delete it by hand. Not where Argo CD applies charts. Default false.
        strict_kinds: Option<Flag>,
        /// When syncs may happen, and when not.
        sync_windows: List<SyncWindow>,
        /// What Argo CD leaves as it finds it.
        ignore_differences: List<IgnoreDifference>,
        /// Who is told what.
        notifications: Option<Notifications>,
        /// Whether Applications have a health of their own, so that waves wait for it, and claims that wait for their first pod are taken for well: in the values of the chart `argo-cd`, if that is one of `charts`, else as a command in a README beside the root Application. Default false.
        health_customization: Option<Flag>,
    }
}

record! {
    /// How a failed sync is tried again.
    pub struct Retry {
        /// How often; below 0 means without end, and that no later commit is tried before. Default 10, which is about a quarter of an hour.
        limit: Option<Whole>,
        /// How long is waited in between.
        backoff: Option<Backoff>,
    }
}

record! {
    /// How long is waited between tries.
    pub struct Backoff {
        /// Before the first. Default `5s`.
        duration: Option<Duration>,
        /// By what it grows each time. Default 2.
        factor: Option<Whole>,
        /// The longest wait. Default `3m`.
        max_duration: Option<Duration>,
    }
}

record! {
    /// How Flux applies the tree.
    pub struct Flux {
        /// Its namespace. Default `flux-system`.
        namespace: Option<Text>,
        /// How often the cluster is compared with the tree. Default `10m`.
        interval: Option<Duration>,
        /// How soon a failure is tried again. Default `1m`.
        retry_interval: Option<Duration>,
        /// How long health is waited for; must be below the interval. Default `5m`.
        timeout: Option<Duration>,
        /// How encrypted files of the tree are read.
        decryption: Option<Decryption>,
        /// Where the values of `${NAME}` come from when Flux applies the tree.
        substitute_from: List<SubstituteFrom>,
        /// Values of `${NAME}`, given here.
        substitute: Map<Scalar>,
        /// The Secret in Flux's namespace that opens the Git repository, if it is not public.
        secret: Option<Text>,
        /// What Flux reads of the Git repository.
        source: Option<FluxSource>,
        /// The ServiceAccount in Flux's namespace that everything is applied as. Default: Flux's own.
        service_account: Option<Text>,
        /// What becomes of objects when the Kustomization that applied them goes. Default `mirror-prune`.
        deletion_policy: Option<Spanned<DeletionPolicy>>,
        /// Whom Flux tells what happened, by name.
        notifications: Map<FluxNotification>,
        /// How Flux commits new images of services with an `image-policy`.
        image_updates: Option<ImageUpdates>,
        /// Webhooks that make Flux look at once, by name.
        receivers: Map<FluxReceiver>,
    }
}

choice! {
    /// What decrypts.
    pub enum DecryptionProvider {
        /// SOPS, with age or PGP keys.
        Sops = "sops",
    }
}

record! {
    /// How encrypted files of the tree are read.
    pub struct Decryption {
        /// What decrypts. Default `sops`.
        provider: Option<Spanned<DecryptionProvider>>,
        /// The Secret in Flux's namespace that holds the key.
        #[required]
        secret: Option<Text>,
    }
}

choice! {
    /// A kind of object that values come from.
    pub enum SubstituteKind {
        /// A ConfigMap.
        ConfigMap = "ConfigMap",
        /// A Secret.
        Secret = "Secret",
    }
}

record! {
    /// An object in Flux's namespace whose keys are the values of `${NAME}`.
    pub struct SubstituteFrom {
        /// Its kind.
        #[required]
        kind: Option<Spanned<SubstituteKind>>,
        /// Its name.
        #[required]
        name: Option<Text>,
        /// Whether it may be missing. Default false.
        optional: Option<Flag>,
    }
}

choice! {
    /// How a rule's findings count.
    pub enum Setting {
        /// As errors: nothing is rendered while there is one.
        Error = "error",
        /// As warnings.
        Warning = "warning",
        /// Not at all: they are not reported.
        Off = "off",
    }
}

record! {
    /// A finding that is known and accepted.
    pub struct Allow {
        /// The rule, by name: what stands in brackets in its findings.
        #[required]
        rule: Option<Text>,
        /// What it is accepted on: paths such as `services.plex`; a trailing `*` stands for anything.
        #[required]
        on: Option<crate::inventory::value::OneOrMany<Text>>,
        /// Why it is accepted.
        #[required]
        reason: Option<Text>,
    }
}
