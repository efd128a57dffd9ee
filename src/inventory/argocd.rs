//! What Argo CD is told beside the order: windows, differences to leave alone, notifications.

use crate::inventory::record::{List, Map};
use crate::inventory::sources::Source;
use crate::inventory::value::{Duration, Flag, OneOrMany, Scalar, Text};
use crate::source::Spanned;
use crate::{choice, record};

choice! {
    /// How Argo CD gets one Application for each stack and environment.
    pub enum ArgocdStyle {
        /// The root Application applies a folder of Applications, in the order of their waves.
        AppOfApps = "app-of-apps",
        /// One ApplicationSet makes them from a list. All start at once unless `rolling-sync` is on.
        ApplicationSet = "applicationset",
    }
}

choice! {
    /// What a sync window does.
    pub enum WindowKind {
        /// Syncs happen only while it is open.
        Allow = "allow",
        /// No syncs happen while it is open.
        Deny = "deny",
    }
}

record! {
    /// A time in which Argo CD may, or may not, sync.
    pub struct SyncWindow {
        /// Whether it lets syncs happen or keeps them away.
        #[required]
        kind: Option<Spanned<WindowKind>>,
        /// When it opens, as cron writes it: `0 2 * * *`.
        #[required]
        schedule: Option<Text>,
        /// How long it stays open.
        #[required]
        duration: Option<Duration>,
        /// The Applications it is about, `*` for any part of a name. Without these and `namespaces`: all.
        applications: List<Text>,
        /// The namespaces it is about.
        namespaces: List<Text>,
        /// Whether people may sync by hand against it. Default false.
        manual_sync: Option<Flag>,
        /// The time zone of `schedule`. Default: the cluster's, else UTC.
        time_zone: Option<Text>,
    }
}

record! {
    /// Fields that something in the cluster writes, and that Argo CD leaves as they are.
    pub struct IgnoreDifference {
        /// The kind of object, `*` for all.
        #[required]
        kind: Option<Text>,
        /// Its API group; empty for the core group. Default: empty.
        group: Option<Text>,
        /// The object's name. Default: all.
        name: Option<Text>,
        /// The fields, as JSON pointers: `/spec/replicas`.
        json_pointers: List<Text>,
        /// The fields, as jq expressions: `.webhooks[]?.clientConfig.caBundle`.
        jq_paths: List<Text>,
        /// Field managers, all whose fields are left alone.
        managers: List<Text>,
        /// The stacks whose Applications it is about. Without these, `services` and `charts`: all.
        stacks: List<Text>,
        /// The services whose objects it is about, by name, in their stacks' Applications.
        services: List<Text>,
        /// The charts whose Applications it is about.
        charts: List<Text>,
    }
}

record! {
    /// Who is told what of Applications.
    pub struct Notifications {
        /// By trigger (`on-sync-failed`), by service (`slack`, `email` …), whom: channels or addresses.
        subscribe: Map<Map<OneOrMany<Text>>>,
        /// The ConfigMap `argocd-notifications-cm`, key by key (`service.slack`, `trigger.on-sync-failed`, `template.…`), in Argo CD's spelling. Not with the chart `argo-cd`, which writes it.
        config: Map<Scalar>,
    }
}

record! {
    /// How Argo CD applies one stack.
    pub struct StackArgocd {
        /// Whether it is synced without being asked. Default true.
        automated: Option<Flag>,
        /// Sync options of its Application, as `Name=value`: they add to, or replace, those of `gitops.argocd`.
        sync_options: List<Text>,
        /// What its Application applies along with the tree, into the same namespace.
        sources: List<Source>,
    }
}
