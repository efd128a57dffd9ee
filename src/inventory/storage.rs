//! NFS servers and storage classes.

use crate::inventory::record::{List, Map};
use crate::inventory::value::{AddressText, Flag, Scalar, Text};
use crate::source::Spanned;
use crate::{choice, record};

record! {
    /// An NFS server and what it exports.
    pub struct Nfs {
        /// Its address, or a name that the nodes' own DNS knows (the cluster's DNS is not asked).
        #[required]
        server: Option<AddressText>,
        /// The exported folders, by name: absolute paths on the server.
        exports: Map<Text>,
        /// Mount options such as `nfsvers=4.1`, for every volume from this server.
        mount_options: List<Text>,
    }
}

choice! {
    /// What keeps the data of a storage class.
    pub enum Backend {
        /// An NFS export: several pods on several nodes may share a claim.
        Nfs = "nfs",
        /// A disk of the node that the pod runs on.
        Local = "local",
        /// A network block device (Longhorn, Ceph RBD, iSCSI …): one node at a time.
        Block = "block",
    }
}

choice! {
    /// What happens to a volume when its claim is deleted.
    pub enum ReclaimPolicy {
        /// It is deleted.
        Delete = "Delete",
        /// It is kept.
        Retain = "Retain",
    }
}

choice! {
    /// When a volume is made for a claim.
    pub enum BindingMode {
        /// At once.
        Immediate = "Immediate",
        /// When the first pod that uses it is placed.
        WaitForFirstConsumer = "WaitForFirstConsumer",
    }
}

record! {
    /// A storage class that claims can name. A chart usually brings the object along; with `provisioner` it is written into the tree.
    pub struct StorageClass {
        /// What keeps the data: decides which claims and mounts are sound.
        #[required]
        backend: Option<Spanned<Backend>>,
        /// The NFS export behind it, as `server/export`.
        nfs: Option<Text>,
        /// Whether claims without a class get this one. Default false.
        default: Option<Flag>,
        /// The provisioner's name. Given it, the StorageClass object is written.
        provisioner: Option<Text>,
        /// The provisioner's parameters.
        parameters: Map<Scalar>,
        /// What happens to a volume when its claim goes. Default `Delete`.
        reclaim_policy: Option<Spanned<ReclaimPolicy>>,
        /// When a volume is made. Default: `WaitForFirstConsumer` for local disks, else `Immediate`.
        volume_binding_mode: Option<Spanned<BindingMode>>,
        /// Whether claims may grow. Default false.
        allow_volume_expansion: Option<Flag>,
        /// Mount options of its volumes.
        mount_options: List<Text>,
    }
}
