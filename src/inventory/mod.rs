//! The inventory as written: every table typed, every value with its place.
//!
//! Nothing here looks from one table into another, fills a default or replaces a reference: `model` does.

pub mod argocd;
pub mod backup;
pub mod chart;
pub mod cilium_bgp;
pub mod container;
pub mod environment;
pub mod files;
pub mod flux;
pub mod gitops;
pub mod images;
pub mod ingress;
pub mod load_balancer;
pub mod monitoring;
pub mod network;
pub mod node;
mod places;
pub mod policy;
pub mod record;
pub mod reread;
pub mod schema;
pub mod secret;
pub mod service;
pub mod sources;
pub mod stack;
pub mod storage;
pub mod unread;
pub mod value;
pub mod weight;
pub mod workload;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::{Outcome, codes};
use crate::inventory::backup::{BackupTable, Velero};
use crate::inventory::chart::Chart;
use crate::inventory::environment::Environment;
use crate::inventory::files::Files;
use crate::inventory::gitops::{Allow, Gitops, Setting};
use crate::inventory::ingress::Ingress;
use crate::inventory::load_balancer::{Cilium, KubeVip, LoadBalancer, Metallb};
use crate::inventory::monitoring::Monitoring;
use crate::inventory::network::{Cluster, Network, Node};
use crate::inventory::node::{from_toml, from_yaml};
use crate::inventory::record::{Decode, List, Map, Reader};
use crate::inventory::secret::{Secret, SecretStore, Sops};
use crate::inventory::service::Service;
use crate::inventory::stack::Stack;
use crate::inventory::storage::{Nfs, StorageClass};
use crate::inventory::unread::Unread;
use crate::inventory::value::Text;
use crate::inventory::workload::PriorityClass;
use crate::record;
use crate::source::{FileId, Source, Spanned};

codes! {
    /// The file is no TOML or YAML.
    SYNTAX = ("syntax", Inventory, Error, "the inventory is not valid TOML or YAML");
    /// A limit was passed.
    TOO_MUCH = ("too-much", Inventory, Error, "the inventory is larger or deeper than bayplan reads");
    /// A key that no table has.
    UNKNOWN_KEY = ("unknown-key", Inventory, Error, "a key that means nothing here, often a typing error");
    /// A value of the wrong type.
    WRONG_TYPE = ("wrong-type", Inventory, Error, "a value of the wrong type, or outside the words that a key allows");
    /// A key that must be there is not.
    MISSING_KEY = ("missing-key", Inventory, Error, "a key that must be given is missing");
    /// Characters that cannot be carried.
    BAD_TEXT = ("bad-text", Inventory, Error, "a character or key that no YAML writer can carry through kustomize");
}

record! {
    /// Every fact of a cluster, once. `bayplan check` compares them, `bayplan render` writes the manifests.
    pub struct Tables {
        /// Objects that are made elsewhere and named by the tree, as `Kind/namespace/name`; `*` stands for any part of a name: `Secret/media*/registry`.
        external: List<Text>,
        /// What is true of the whole cluster.
        cluster: Option<Cluster>,
        /// The network that the nodes stand in.
        network: Option<Network>,
        /// The machines of the cluster, by name.
        nodes: Map<Node>,
        /// Which load balancer the cluster has.
        load_balancer: Option<LoadBalancer>,
        /// MetalLB: pools and how they are announced.
        metallb: Option<Metallb>,
        /// Cilium as a load balancer: pools and how they are announced.
        cilium: Option<Cilium>,
        /// kube-vip as a load balancer: pools.
        kube_vip: Option<KubeVip>,
        /// NFS servers, by name.
        nfs: Map<Nfs>,
        /// Storage classes, by name.
        storage_classes: Map<StorageClass>,
        /// How important pods are, by name: PriorityClasses that `priority-class` of services can name.
        priority_classes: Map<PriorityClass>,
        /// How host names are routed.
        ingress: Option<Ingress>,
        /// Prometheus and Grafana of the cluster.
        monitoring: Option<Monitoring>,
        /// Namespaces of services, by name.
        stacks: Map<Stack>,
        /// What runs, by name.
        services: Map<Box<Service>>,
        /// Helm charts, by name.
        charts: Map<Chart>,
        /// Secrets that services read from, by name.
        secrets: Map<Secret>,
        /// Where the External Secrets operator finds secrets, by name.
        secret_stores: Map<SecretStore>,
        /// Who can read what SOPS encrypts.
        sops: Option<Sops>,
        /// What backups of claims have in common.
        backup: Option<BackupTable>,
        /// Velero: where backups of whole namespaces go, and when they are made.
        velero: Option<Velero>,
        /// Deployments of the stacks, by name. Without any, there is one named `default`.
        environments: Map<Environment>,
        /// Where the tree is committed, and who applies it.
        gitops: Option<Gitops>,
        /// How rules count, by name: `floating-image-tag = "error"`. Faults that leave nothing to render stay errors.
        checks: Map<Spanned<Setting>>,
        /// Findings that are known and accepted.
        allow: List<Allow>,
    }
}

/// What an inventory file says.
#[derive(Clone, Debug)]
pub struct Inventory {
    /// Its tables, typed.
    pub tables: Tables,
    /// Which keys could not be read.
    pub unread: Arc<Unread>,
    /// The same, as a plain tree: what `${…}` looks into.
    pub root: Arc<node::Node>,
    /// What Flux wrote last: the image of each service that leaves it to Flux.
    pub image_updates: BTreeMap<String, Spanned<String>>,
    /// The file.
    pub file: FileId,
    /// What the file says, while that is all that `root` holds.
    pub text: Option<Source>,
    /// What the files say that it names; empty until somebody has read them.
    pub files: Files,
    /// Whether the rest can be judged: syntax errors may have put keys into the wrong tables, or left all out.
    pub sound: bool,
}

/// How an inventory file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
}

impl Form {
    /// By the file's name: `.yaml` and `.yml` are YAML, all else TOML.
    pub fn of(path: &str) -> Self {
        match path.rsplit_once('.') {
            Some((_, "yaml" | "yml")) => Self::Yaml,
            _ => Self::Toml,
        }
    }
}

/// Reads an inventory. Whatever can be read is returned, whatever cannot be is reported, all in one go; of a file
/// that is not sound only the syntax errors.
pub fn parse(source: &Source, file: FileId) -> Outcome<Inventory> {
    let mut reader = Reader::default();
    let (root, sound) = match Form::of(&source.path) {
        Form::Toml => from_toml(source, file, &mut reader.found),
        Form::Yaml => from_yaml(source, file, &mut reader.found),
    };
    let root = Arc::new(root);
    reader.root = Some(Arc::clone(&root));
    let fits = weight::check(&root, &mut reader.found);
    let sound = sound && fits;
    let syntax = reader.found.clone();
    // What is too large is not even looked at.
    let tables = if fits { Tables::decode(&root, &mut reader) } else { None }.unwrap_or_default();
    let diagnostics = if sound { reader.found } else { syntax };
    let value = Inventory {
        tables,
        unread: Arc::new(reader.unread),
        root,
        image_updates: BTreeMap::new(),
        file,
        text: Some(source.clone()),
        files: Files::default(),
        sound,
    };
    Outcome { value, diagnostics }
}
