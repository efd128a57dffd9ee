//! Storage classes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::inventory::storage::{Backend, BindingMode, ReclaimPolicy};
use crate::model::naming::{NameKind, check_name};
use crate::model::nfs::{Nfs, NfsPath, nfs_path};
use crate::model::references::Resolver;
use crate::model::texts::{list, optional, texts};
use crate::source::Span;

/// A storage class.
#[derive(Clone, Debug, Serialize)]
pub struct StorageClass {
    /// Its name.
    pub name: String,
    /// What keeps the data.
    pub backend: Backend,
    /// The export behind it.
    pub nfs: Option<NfsPath>,
    /// Whether claims without a class get it.
    pub default: bool,
    /// Given one, the object is written.
    pub provisioner: Option<String>,
    /// The provisioner's parameters.
    pub parameters: BTreeMap<String, String>,
    /// What happens to a volume when its claim goes.
    pub reclaim_policy: ReclaimPolicy,
    /// When a volume is made.
    pub volume_binding_mode: BindingMode,
    /// Whether claims may grow.
    pub allow_volume_expansion: bool,
    /// Mount options.
    pub mount_options: Vec<String>,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// Lowers `[storage-classes]`.
pub fn lower_storage_classes(resolver: &mut Resolver<'_>, servers: &[Nfs]) -> Vec<StorageClass> {
    let tables = &resolver.inventory.tables.storage_classes;
    tables
        .iter()
        .map(|(name, entry)| {
            let table = &entry.value;
            check_name(resolver, name, entry.key, "a storage class", NameKind::Subdomain);
            let backend = table.backend.as_ref().map_or(Backend::Block, |backend| backend.value);
            let nfs = table.nfs.as_ref().map(|text| resolver.text(text));
            let late = match backend {
                Backend::Local => BindingMode::WaitForFirstConsumer,
                _ => BindingMode::Immediate,
            };
            StorageClass {
                nfs: nfs.and_then(|written| nfs_path(resolver, servers, &written)),
                default: table.default.as_ref().is_some_and(|flag| flag.value),
                provisioner: optional(resolver, table.provisioner.as_ref()),
                parameters: texts(resolver, &table.parameters),
                reclaim_policy: table
                    .reclaim_policy
                    .as_ref()
                    .map_or(ReclaimPolicy::Delete, |policy| policy.value),
                volume_binding_mode: table.volume_binding_mode.as_ref().map_or(late, |mode| mode.value),
                allow_volume_expansion: table.allow_volume_expansion.as_ref().is_some_and(|flag| flag.value),
                mount_options: list(resolver, &table.mount_options),
                backend,
                name: name.clone(),
                place: entry.key,
            }
        })
        .collect()
}
