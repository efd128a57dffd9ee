//! What Flux is told beside the order: where it reads, whom it tells, how it installs charts.

use crate::inventory::gitops::SubstituteKind;
use crate::inventory::record::{List, Map};
use crate::inventory::value::{Duration, Flag, OneOrMany, Scalar, Text, Whole};
use crate::source::Spanned;
use crate::{choice, record};

choice! {
    /// What becomes of objects when the Kustomization that applied them goes.
    pub enum DeletionPolicy {
        /// What `prune` says of objects that left the tree.
        MirrorPrune = "mirror-prune",
        /// They are deleted.
        Delete = "delete",
        /// They are deleted, and the Kustomization waits until they are gone.
        WaitForTermination = "wait-for-termination",
        /// They stay.
        Orphan = "orphan",
    }
}

record! {
    /// What Flux reads of the Git repository.
    pub struct FluxSource {
        /// How often it looks for commits. Default: Flux's interval.
        interval: Option<Duration>,
        /// A range of versions instead of a branch: the newest tag in it is applied (`>=1.0.0`).
        semver: Option<Text>,
        /// A commit, by its 40 digits: nothing newer is applied.
        commit: Option<Text>,
        /// What of the repository is left out, as `.gitignore` writes it.
        ignore: Option<Text>,
        /// The folders that are fetched, instead of all. The tree's own must be among them.
        sparse: List<Text>,
        /// Whether submodules are fetched. Default false.
        submodules: Option<Flag>,
    }
}

choice! {
    /// From where on events are told.
    pub enum Severity {
        /// Everything.
        Info = "info",
        /// Failures.
        Error = "error",
    }
}

record! {
    /// Whom Flux tells what happened: a Provider and an Alert.
    pub struct FluxNotification {
        /// The kind of service, as Flux's Provider names it: `slack`, `discord`, `telegram`, `github`, `generic` …
        #[required]
        r#type: Option<Text>,
        /// The channel or chat.
        channel: Option<Text>,
        /// The address events are sent to, if it is no secret.
        address: Option<Text>,
        /// The Secret in Flux's namespace with the `token` or `address`.
        secret: Option<Text>,
        /// From where on events are told. Default `info`.
        severity: Option<Spanned<Severity>>,
        /// What is listened to, as `Kind`, `Kind/name` or `Kind/namespace/name`: `Kustomization`, `HelmRelease/traefik`. Without a namespace a HelmRelease and its source are those of a chart, anything else is in Flux's. Default: all Kustomizations and HelmReleases.
        sources: List<Text>,
        /// Events whose message matches one of these regular expressions are not told.
        exclude: List<Text>,
        /// What is put before each event.
        summary: Option<Text>,
        /// Whether nothing is told for now. Default false.
        suspend: Option<Flag>,
    }
}

record! {
    /// A webhook that makes Flux look at once: a Receiver.
    pub struct FluxReceiver {
        /// Who calls, as Flux's Receiver names it: `github`, `gitlab`, `generic`, `generic-hmac` …
        #[required]
        r#type: Option<Text>,
        /// The events it is about, as the caller names them. Default: `ping` and `push` for GitHub.
        events: List<Text>,
        /// The Secret in Flux's namespace whose `token` guards it.
        #[required]
        secret: Option<Text>,
        /// What is made to look, as `sources` of notifications names it. Default: the tree's own GitRepository.
        resources: List<Text>,
    }
}

record! {
    /// Objects whose health a stack's Kustomization waits for.
    pub struct HealthCheck {
        /// The kind.
        #[required]
        kind: Option<Text>,
        /// The name.
        #[required]
        name: Option<Text>,
        /// The API version. Default `apps/v1`.
        api_version: Option<Text>,
    }
}

record! {
    /// How Flux applies one stack, where it differs from `gitops.flux`.
    pub struct StackFlux {
        /// How often the cluster is compared with the tree.
        interval: Option<Duration>,
        /// How soon a failure is tried again.
        retry_interval: Option<Duration>,
        /// How long health is waited for; must be below the interval.
        timeout: Option<Duration>,
        /// Whether all objects must be healthy before what waits for the stack. Default true, unless `health-checks` are given.
        wait: Option<Flag>,
        /// The objects that must be healthy, instead of all.
        health_checks: List<HealthCheck>,
        /// Whether objects that left the tree are deleted. Default true.
        prune: Option<Flag>,
        /// Whether objects that cannot be changed are made anew. Default false.
        force: Option<Flag>,
        /// Whether it is left alone for now. Nothing waits for it meanwhile. Default false.
        suspend: Option<Flag>,
        /// What becomes of its objects when the Kustomization goes. Default `mirror-prune`.
        deletion_policy: Option<Spanned<DeletionPolicy>>,
        /// The ServiceAccount that it is applied as.
        service_account: Option<Text>,
        /// Values of `${NAME}` of its own, or false: nothing is replaced in it.
        substitute: Option<crate::inventory::value::OrOff<Map<Scalar>>>,
    }
}

record! {
    /// An object that Flux reads values of a chart from.
    pub struct ValuesFrom {
        /// Its kind.
        #[required]
        kind: Option<Spanned<SubstituteKind>>,
        /// Its name, in the namespace of the HelmRelease.
        #[required]
        name: Option<Text>,
        /// The key that holds the values. Default `values.yaml`.
        key: Option<Text>,
        /// The one value that it holds, as a dotted path. Default: it holds a whole `values.yaml`.
        target_path: Option<Text>,
        /// Whether it may be missing. Default false.
        optional: Option<Flag>,
    }
}

choice! {
    /// What becomes of a chart's custom resource definitions.
    pub enum Crds {
        /// New ones are made.
        Create = "create",
        /// New ones are made, and known ones replaced.
        CreateReplace = "create-replace",
        /// They are left to somebody else.
        Skip = "skip",
    }
}

choice! {
    /// What follows a failed install or upgrade.
    pub enum ReleaseStrategy {
        /// It is tried again, and what is there stays.
        Retry = "retry",
        /// It is undone, and tried again a few times: an upgrade is rolled back, an install taken away.
        Remediate = "remediate",
    }
}

record! {
    /// How Flux installs or upgrades a chart.
    pub struct ReleaseStep {
        /// What becomes of custom resource definitions. Default `create-replace`.
        crds: Option<Spanned<Crds>>,
        /// What follows a failure. Default `retry`.
        strategy: Option<Spanned<ReleaseStrategy>>,
        /// How often it is tried again after being undone (`remediate`); below 0 without end. Default 3.
        retries: Option<Whole>,
        /// How soon it is tried again (`retry`). Default: Flux's own, 5 minutes.
        retry_interval: Option<Duration>,
        /// How long it may take.
        timeout: Option<Duration>,
        /// Whether Helm does not wait until what it installed is ready. Default false.
        disable_wait: Option<Flag>,
    }
}

choice! {
    /// What Flux does about changes made by hand to what a chart installed.
    pub enum DriftDetection {
        /// It undoes them.
        Enabled = "enabled",
        /// It tells.
        Warn = "warn",
        /// Nothing.
        Disabled = "disabled",
    }
}

record! {
    /// Fields of a chart's objects that may drift.
    pub struct DriftIgnore {
        /// The fields, as JSON pointers: `/spec/replicas`.
        #[required]
        paths: Option<OneOrMany<Text>>,
        /// The kind of object. Default: all.
        kind: Option<Text>,
        /// The object's name. Default: all.
        name: Option<Text>,
    }
}

record! {
    /// How Flux releases one chart.
    pub struct ChartFlux {
        /// How often it is compared. Default: Flux's interval.
        interval: Option<Duration>,
        /// How long each step may take. Default: Flux's timeout.
        timeout: Option<Duration>,
        /// How often the repository is asked for the chart. Default `24h`.
        source_interval: Option<Duration>,
        /// The Secret beside the HelmRelease that opens the repository.
        source_secret: Option<Text>,
        /// Whether it is left alone for now. Default false.
        suspend: Option<Flag>,
        /// How it is installed.
        install: Option<ReleaseStep>,
        /// How it is upgraded.
        upgrade: Option<ReleaseStep>,
        /// What is done about changes made by hand. Default `disabled`.
        drift_detection: Option<Spanned<DriftDetection>>,
        /// What may drift.
        drift_ignore: List<DriftIgnore>,
        /// Objects that more values are read from, in this order; `values` wins over them.
        values_from: List<ValuesFrom>,
        /// The ServiceAccount that it is installed as.
        service_account: Option<Text>,
    }
}
