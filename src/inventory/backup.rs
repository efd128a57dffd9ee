//! Backup and failover: copies of claims by VolSync, of namespaces by Velero.

use crate::inventory::node::{Node, Value};
use crate::inventory::record::{Decode, List, Map, Reader, Schemas};
use crate::inventory::value::{Duration, Flag, PassthroughTable, QuantityText, Scalar, Text, Whole};
use crate::source::Spanned;
use crate::{choice, record, short_form};
use serde_json::{Value as Json, json};

choice! {
    /// What carries a claim's data away.
    pub enum Mover {
        /// restic: encrypted, deduplicated, with versions to go back to.
        Restic = "restic",
        /// rclone: one copy of the files, on whatever rclone knows.
        Rclone = "rclone",
        /// rsync over TLS: one copy of the files, in a volume of another cluster whose VolSync listens.
        RsyncTls = "rsync-tls",
    }
}

choice! {
    /// What is read while the service goes on writing.
    pub enum CopyMethod {
        /// A volume snapshot: the storage must be able to make one.
        Snapshot = "Snapshot",
        /// A clone of the volume: the storage must be able to make one.
        Clone = "Clone",
        /// The volume itself: what local disks and NFS leave to do.
        Direct = "Direct",
    }
}

choice! {
    /// What keeps the two copies of a claim alike.
    pub enum Replication {
        /// rsync over TLS: from the active node to the other, by schedule.
        RsyncTls = "rsync-tls",
        /// Syncthing: both ways, all the time.
        Syncthing = "syncthing",
    }
}

record! {
    /// How a claim is backed up. What `[backup]` says counts where this says nothing.
    pub struct BackupTable {
        /// What carries the data away. Default `restic`.
        mover: Option<Spanned<Mover>>,
        /// The secret that tells where to and opens it, by its name in this inventory. restic: RESTIC_REPOSITORY and RESTIC_PASSWORD; rclone: rclone.conf; rsync-tls: psk.txt.
        secret: Option<Text>,
        /// When, as a cron schedule in UTC: `30 3 * * *`. Default: every night, at a minute of its own.
        schedule: Option<Text>,
        /// How many versions restic keeps. Default: 7 daily, 4 weekly, 6 monthly.
        retain: Option<Retain>,
        /// What is read meanwhile. Default: `Snapshot` on block storage, else `Direct`.
        copy_method: Option<Spanned<CopyMethod>>,
        /// The storage class of the copy that is read.
        class: Option<Text>,
        /// The class of the snapshot.
        snapshot_class: Option<Text>,
        /// The size of restic's cache. Default: VolSync's own, `1Gi`.
        cache: Option<QuantityText>,
        /// The storage class of restic's cache.
        cache_class: Option<Text>,
        /// After how many days restic clears out what no version needs. Default 14.
        prune_interval_days: Option<Whole>,
        /// Under which name rclone.conf has the destination (`rclone`).
        rclone_section: Option<Text>,
        /// The bucket or folder there (`rclone`). Default: `NAMESPACE/CLAIM`.
        rclone_path: Option<Text>,
        /// The address or name where the other cluster's ReplicationDestination listens (`rsync-tls`).
        address: Option<Text>,
        /// The port there (`rsync-tls`). Default 8000.
        port: Option<Whole>,
        /// The mover's pod security context, in Kubernetes' spelling: whose files it must be able to read.
        mover_security_context: Option<PassthroughTable>,
        /// Whether it rests. Default false.
        paused: Option<Flag>,
        /// A word of your choice: whenever it changes, the claim's data is fetched back once. Only for one claim, and with its services stopped.
        restore: Option<Text>,
        /// The point in time that is fetched back, such as `2026-01-31T03:00:00Z`. Default: the latest version.
        restore_as_of: Option<Text>,
    }
}

short_form!(
    /// How a claim is backed up: `true` for what `[backup]` says, or a table.
    Backup(BackupTable),
    "true, or a table { secret, schedule, retain }",
    |node, _| match node.value {
        Value::Boolean(true) => Some(BackupTable { span: node.span, ..BackupTable::default() }),
        _ => None,
    },
    json!({ "const": true })
);

record! {
    /// How many versions are kept.
    pub struct Retain replaced {
        /// How many of the last hours.
        hourly: Option<Whole>,
        /// How many of the last days.
        daily: Option<Whole>,
        /// How many of the last weeks.
        weekly: Option<Whole>,
        /// How many of the last months.
        monthly: Option<Whole>,
        /// How many of the last years.
        yearly: Option<Whole>,
    }
}

record! {
    /// Two nodes that can both run a stack: the pods run on the active one, and the data of every claim on a `local` disk is copied to the other.
    pub struct Failover {
        /// The node that usually runs the stack.
        #[required]
        primary: Option<Text>,
        /// The node that can take over.
        #[required]
        standby: Option<Text>,
        /// Which of the two runs the stack. Change this one key to fail over: pods and the direction of copying turn round. Default: the primary.
        active: Option<Text>,
        /// What copies: rsync from the active node to the other, or Syncthing both ways. Default `rsync-tls`.
        mover: Option<Spanned<Replication>>,
        /// When data is copied, as a cron schedule in UTC (`rsync-tls`). Default `*/15 * * * *`.
        schedule: Option<Text>,
        /// The secret with the key `psk.txt` that both ends share, by its name in this inventory: `name:` and 64 hexadecimal digits or more (`rsync-tls`, which needs it).
        secret: Option<Text>,
        /// The storage class of the volumes in which Syncthing keeps its keys and settings (`syncthing`). Default: the inventory's default class.
        config_class: Option<Text>,
        /// The size of those volumes (`syncthing`). Default: VolSync's own, `1Gi`.
        config_size: Option<QuantityText>,
        /// By claim and by node, the ID that Syncthing has there (`syncthing`): it makes one up when it first runs, and `kubectl get replicationsource CLAIM-NODE -o jsonpath='{.status.syncthing.ID}'` shows it.
        ids: Map<Map<Text>>,
        /// Whether copying rests: while a node is down, or until its data has been looked at. Default false.
        paused: Option<Flag>,
        /// The movers' pod security context, in Kubernetes' spelling: whose files they must be able to read and write.
        mover_security_context: Option<PassthroughTable>,
    }
}

record! {
    /// Velero: where backups of whole namespaces go, and when they are made.
    pub struct Velero {
        /// Its namespace. Default: that of the chart `velero`, else `velero`.
        namespace: Option<Text>,
        /// Where backups go, by name.
        locations: Map<BackupLocation>,
        /// When backups are made, by name.
        schedules: Map<BackupSchedule>,
    }
}

record! {
    /// Where Velero's backups go: an object store.
    pub struct BackupLocation {
        /// Velero's plugin for it: `aws` for everything that speaks S3, `azure`, `gcp`.
        #[required]
        provider: Option<Text>,
        /// The bucket.
        #[required]
        bucket: Option<Text>,
        /// The folder in the bucket.
        prefix: Option<Text>,
        /// What the plugin wants to know, as it spells it: `region`, `s3Url`, `s3ForcePathStyle` …
        config: Map<Scalar>,
        /// The key of a secret with its credentials: `secret/key`, the secret by its name in this inventory. It must live in Velero's namespace.
        credential: Option<crate::inventory::service::SecretKey>,
        /// Whether schedules without a location go there. Default: whether it is the only one.
        default: Option<Flag>,
    }
}

record! {
    /// When Velero makes a backup, and of what.
    pub struct BackupSchedule {
        /// When, as a cron schedule in UTC.
        #[required]
        schedule: Option<Text>,
        /// The stacks whose namespaces are backed up, in every environment. Without these and `namespaces`: the whole cluster.
        stacks: List<Text>,
        /// More namespaces, by name.
        namespaces: List<Text>,
        /// The location, by name. Default: the default one.
        location: Option<Text>,
        /// How long a backup is kept. Default `720h`, thirty days.
        ttl: Option<Duration>,
        /// Whether volumes are snapshotted along, where the storage can. Default: as Velero is set.
        snapshot_volumes: Option<Flag>,
        /// Whether the files of volumes are copied along. Default: as Velero is set.
        file_system_volumes: Option<Flag>,
        /// Whether it rests. Default false.
        paused: Option<Flag>,
    }
}
