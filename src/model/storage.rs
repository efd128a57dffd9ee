//! Claims of a stack: what they ask for, what keeps the data, and which volumes are written for them.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::inventory;
use crate::inventory::MISSING_KEY;
use crate::inventory::backup::Replication;
use crate::inventory::stack::AccessMode;
use crate::inventory::storage::Backend;
use crate::inventory::value::QuantityText;
use crate::model::backup::Failover;
use crate::model::environment::Around;
use crate::model::naming::{NameKind, check_name, optional_name, report_unknown};
use crate::model::nfs::{NfsPath, nfs_path};
use crate::model::references::{QuantityValue, Resolver};
use crate::model::texts::{Texts, list, texts};
use crate::model::{BAD_NAME, BAD_QUANTITY, BAD_VALUE, CONFLICTING_KEYS, Model};
use crate::quantity::Quantity;
use crate::source::{Span, Spanned};

/// Storage that services mount.
#[derive(Clone, Debug, Serialize)]
pub struct Claim {
    /// Its name.
    pub name: String,
    /// Its size.
    pub size: Option<Spanned<QuantityValue>>,
    /// How it may be mounted.
    pub access_modes: Vec<AccessMode>,
    /// The storage class; the inventory's default class if it names none. An empty one asks for no provisioning.
    pub class: Option<String>,
    /// The export behind it, if it has a volume of its own.
    pub nfs: Option<NfsPath>,
    /// The volume it is bound to. One of its own is named for the namespace because volumes are the cluster's.
    pub volume: Option<String>,
    /// Whether the tree writes that volume.
    pub writes_volume: bool,
    /// Whether somebody else makes it.
    pub existing: bool,
    /// The claims that are written for it: one, or one on each node of a failover.
    pub copies: Vec<Copy>,
    /// The claim that pods mount: the copy on the active node.
    pub mounted: String,
    /// Mount options of its own volume.
    pub mount_options: Vec<String>,
    /// Annotations.
    pub annotations: Texts,
    /// Whether its data is on both nodes of the stack's failover.
    pub on_both: bool,
    /// What keeps the data, if the inventory knows.
    #[serde(skip)]
    pub backend: Option<Backend>,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// A claim as it is written.
#[derive(Clone, Debug, Serialize)]
pub struct Copy {
    /// Its name.
    pub name: String,
    /// The volume it is bound to.
    pub volume: Option<String>,
    /// What the volume of its own is, in Kubernetes' spelling: `nfs`, `local` or `csi`.
    pub source: Option<Json>,
    /// The only node that can mount it.
    pub node: Option<String>,
}

impl Claim {
    /// Whether pods on two nodes cannot have it mounted at once.
    pub fn one_node(&self) -> bool {
        self.access_modes
            .iter()
            .all(|mode| matches!(mode, AccessMode::ReadWriteOnce | AccessMode::ReadWriteOncePod))
    }
}

/// What a stack's claims need to know of it.
#[derive(Clone, Copy, Debug)]
pub struct Home<'s> {
    /// The stack.
    pub stack: &'s str,
    /// Its namespace.
    pub namespace: &'s str,
    /// The nodes that it can run on.
    pub failover: Option<&'s Failover>,
}

/// Lowers the claims of a stack.
pub fn lower_claims(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    tables: &inventory::record::Map<inventory::stack::Claim>,
    home: Home<'_>,
) -> Vec<Claim> {
    tables
        .iter()
        .map(|(name, entry)| {
            check_name(resolver, name, entry.key, "a claim", NameKind::Subdomain);
            let existing = entry.existing.is_some_and(|flag| flag.value);
            if entry.size.is_none() && !existing && around.complete {
                report_size(resolver, name, entry, home);
            }
            let mut claim = lower_claim(resolver, around.model, name, &entry.value, home);
            claim.place = entry.key;
            claim
        })
        .collect()
}

fn report_size(
    resolver: &mut Resolver<'_>,
    name: &str,
    entry: &inventory::record::Named<inventory::stack::Claim>,
    home: Home<'_>,
) {
    let about = format!("stacks.{}.claims.{name}", home.stack);
    resolver.found.push(
        MISSING_KEY
            .at(entry.value.span, "`size` is missing here", format!("`{about}` needs `size`"))
            .about(about)
            .help("add `size`: its size, as a quantity: `50Gi`; or `existing = true` if somebody else makes the claim"),
    );
}

/// What keeps the data: at most one key says so.
fn backings(table: &inventory::stack::Claim) -> Vec<(&'static str, Span)> {
    let given = [
        ("class", table.class.as_ref().map(|text| text.span)),
        ("nfs", table.nfs.as_ref().map(|text| text.span)),
        ("local", table.local.as_ref().map(|disk| disk.0.span)),
        ("csi", table.csi.as_ref().map(inventory::service::place)),
        ("volume", table.volume.as_ref().map(|text| text.span)),
    ];
    given.into_iter().filter_map(|(key, span)| Some((key, span?))).collect()
}

fn report_conflicts(resolver: &mut Resolver<'_>, name: &str, table: &inventory::stack::Claim) {
    let given = backings(table);
    if let [(first, one), (second, other), ..] = given[..] {
        let what = |key: &str| match key {
            "class" => "a storage class",
            "nfs" => "an export of its own",
            "local" => "a disk of one node",
            "csi" => "a volume of a driver",
            _ => "a volume that exists",
        };
        let help = match (first, second) {
            ("class", "nfs") => "keep `class` to have a volume made, `nfs` to use an existing export",
            _ => "keep the one that says where the data is",
        };
        resolver.found.push(
            CONFLICTING_KEYS
                .at(other, what(second), format!("claim `{name}` has both `{first}` and `{second}`"))
                .because(one, what(first))
                .help(help),
        );
    }
    let existing = table.existing.as_ref().filter(|flag| flag.value);
    if let (Some(existing), Some((key, span))) = (existing, given.iter().find(|(key, _)| *key != "class")) {
        resolver.found.push(
            CONFLICTING_KEYS
                .at(*span, "written for nobody", format!("claim `{name}` exists already, and has `{key}`"))
                .because(existing.span, "somebody else makes it")
                .help(format!("drop `existing`, or `{key}`")),
        );
    }
    let own = given.iter().any(|(key, _)| ["nfs", "csi"].contains(key));
    let options = [
        ("read-only", table.read_only.as_ref().map(|flag| flag.span)),
        ("mount-options", table.mount_options.first().map(|text| text.span)),
    ];
    if let Some((key, Some(span))) = options.into_iter().find(|(_, span)| !own && span.is_some()) {
        resolver.found.push(
            CONFLICTING_KEYS
                .at(span, "no volume to mount so", format!("claim `{name}` has `{key}` and no volume of its own"))
                .help("those of a storage class stand in `storage-classes`; a mount is read-only by its own `read-only`"),
        );
    }
}

fn lower_claim(
    resolver: &mut Resolver<'_>,
    model: &Model,
    name: &str,
    table: &inventory::stack::Claim,
    home: Home<'_>,
) -> Claim {
    report_conflicts(resolver, name, table);
    let written = table.nfs.as_ref().map(|text| resolver.text(text));
    let has_export = written.is_some();
    let nfs = written.and_then(|written| nfs_path(resolver, &model.nfs, &written));
    let read_only = table.read_only.is_some_and(|flag| flag.value);
    let own = has_export || table.local.is_some() || table.csi.is_some();
    let given_volume = optional_name(resolver, table.volume.as_ref(), "a volume", NameKind::Subdomain);
    let class = table.class.as_ref().map(|text| resolver.text(text));
    let class = class.and_then(|class| known_class(resolver, model, class));
    let bound = own || given_volume.is_some();
    let class = if bound { Some(String::new()) } else { class.or_else(|| default_class(model)) };
    let backend = match (&nfs, &table.local, &class) {
        (Some(_), ..) => Some(Backend::Nfs),
        (None, Some(_), _) => Some(Backend::Local),
        (None, None, Some(class)) => model.storage_class(class).map(|class| class.backend),
        (None, None, None) => None,
    };
    let modes: Vec<AccessMode> = table.access_modes.iter().map(|mode| mode.value).collect();
    check_modes(resolver, &table.access_modes);
    let mount_options = match (&table.mount_options[..], &nfs) {
        ([], Some(nfs)) => nfs.mount_options.clone(),
        (own, _) => list(resolver, own),
    };
    let plain = Copy {
        name: name.to_owned(),
        volume: given_volume.or_else(|| own.then(|| format!("{}-{name}", home.namespace))),
        source: volume_source(resolver, table, nfs.as_ref(), read_only),
        node: None,
    };
    let volume = plain.volume.clone();
    let copies = match &table.local {
        Some(disk) => local_copies(resolver, model, name, &disk.0, plain, home),
        None => vec![plain],
    };
    let active = home.failover.and_then(|failover| {
        copies.iter().find(|copy| copies.len() == 2 && copy.node.as_deref() == Some(failover.active.as_str()))
    });
    Claim {
        size: lower_size(resolver, table.size.as_ref()),
        access_modes: if modes.is_empty() { vec![AccessMode::ReadWriteOnce] } else { modes },
        class,
        nfs,
        volume,
        writes_volume: own,
        existing: table.existing.is_some_and(|flag| flag.value),
        mounted: active.map_or_else(|| name.to_owned(), |copy| copy.name.clone()),
        on_both: copies.len() == 2,
        copies,
        mount_options,
        annotations: texts(resolver, &table.annotations),
        backend,
        name: name.to_owned(),
        place: table.span,
    }
}

/// A claim holds something.
pub fn lower_size(
    resolver: &mut Resolver<'_>,
    size: Option<&QuantityText>,
) -> Option<Spanned<QuantityValue>> {
    let size = resolver.quantity(size?)?;
    if size.value.amount == Quantity::ZERO {
        let finding = BAD_QUANTITY.at(size.span, "nothing", "a claim of nothing");
        resolver.found.push(finding.help("give a size such as `10Gi`"));
    }
    Some(size)
}

/// A claim of one pod alone has no other mode.
pub fn check_modes(resolver: &mut Resolver<'_>, modes: &[Spanned<AccessMode>]) {
    let alone = modes.iter().find(|mode| mode.value == AccessMode::ReadWriteOncePod);
    let other = modes.iter().find(|mode| mode.value != AccessMode::ReadWriteOncePod);
    if let (Some(alone), Some(other)) = (alone, other) {
        resolver.found.push(
            CONFLICTING_KEYS
                .at(alone.span, "stands alone", "`ReadWriteOncePod` excludes every other access mode")
                .because(other.span, "another")
                .help("keep one of them"),
        );
    }
}

fn volume_source(
    resolver: &mut Resolver<'_>,
    table: &inventory::stack::Claim,
    nfs: Option<&NfsPath>,
    read_only: bool,
) -> Option<Json> {
    let mut source = match (nfs, &table.csi) {
        (Some(nfs), _) => json!({ "nfs": { "server": nfs.server, "path": nfs.path } }),
        (None, Some(csi)) => json!({ "csi": resolver.value(&csi.0) }),
        (None, None) => return None,
    };
    let kind = if nfs.is_some() { "nfs" } else { "csi" };
    if read_only {
        source[kind]["readOnly"] = json!(true);
    }
    let complete = ["driver", "volumeHandle"].iter().all(|key| source[kind][key].is_string());
    if let Some(csi) = table.csi.as_ref().filter(|_| kind == "csi" && !complete) {
        let span = inventory::service::place(csi);
        resolver.found.push(
            BAD_VALUE
                .at(span, "no driver, or no volume", "`csi` needs `driver` and `volumeHandle`".to_owned())
                .help("write them as the driver's documentation has them"),
        );
    }
    Some(source)
}

/// What VolSync calls the Service of a destination, before the destination's own name.
const VOLSYNC_SERVICE: &str = "volsync-rsync-tls-dst-";

/// The claims on a node's disk: on the node that the claim names, or on both of the stack's failover.
fn local_copies(
    resolver: &mut Resolver<'_>,
    model: &Model,
    name: &str,
    disk: &inventory::stack::LocalDiskTable,
    plain: Copy,
    home: Home<'_>,
) -> Vec<Copy> {
    let path = disk.path.as_ref().map(|text| resolver.text(text)).unwrap_or_default();
    if !path.is_empty() && (!path.starts_with('/') || path.split('/').any(|part| part == "..")) {
        resolver.found.push(
            BAD_VALUE
                .at(path.span, "not an absolute path", format!("`{path}` is no folder of a node"))
                .help("write an absolute path without `..`, such as /srv/plex"),
        );
    }
    let source = Some(json!({ "local": { "path": path.value } }));
    if let Some(node) = &disk.node {
        let node = resolver.text(node);
        if !model.nodes.is_empty() && model.node(&node).is_none() {
            let known = resolver.known(model.nodes.iter().map(|node| node.name.as_str()));
            report_unknown(resolver, &node, "node", &known);
        }
        return vec![Copy { source, node: Some(node.value), ..plain }];
    }
    let Some(failover) = home.failover else {
        resolver.found.push(
            MISSING_KEY
                .at(disk.span, "which node's?", format!("claim `{name}` is on the disk of no node"))
                .about(format!("stacks.{}.claims.{name}", home.stack))
                .help("write `local = { path = …, node = … }`, or give the stack a `failover`"),
        );
        return vec![Copy { source, ..plain }];
    };
    let longest = failover.primary.len().max(failover.standby.len());
    let around = match failover.mover {
        Replication::RsyncTls => VOLSYNC_SERVICE.len() + "-to-".len(),
        Replication::Syncthing => "volsync---data".len(),
    };
    if around + name.len() + longest > 63 {
        let message =
            format!("claim `{name}` and its node make a name of over 63 characters for VolSync's Service");
        resolver.found.push(
            BAD_NAME
                .at(disk.span, "too long to be copied", message)
                .about(format!("stacks.{}.claims.{name}", home.stack))
                .help("give the claim a shorter name"),
        );
    }
    let on = |node: &str| Copy {
        name: format!("{name}-{node}"),
        volume: Some(format!("{}-{name}-{node}", home.namespace)),
        source: source.clone(),
        node: Some(node.to_owned()),
    };
    vec![on(&failover.primary), on(&failover.standby)]
}

/// The class of claims that name none.
pub fn default_class(model: &Model) -> Option<String> {
    model.storage_classes.iter().find(|class| class.default).map(|class| class.name.clone())
}

/// A storage class that exists; reported if it does not.
pub fn known_class(resolver: &mut Resolver<'_>, model: &Model, class: Spanned<String>) -> Option<String> {
    // An inventory that declares no class at all leaves them to the cluster.
    if model.storage_classes.is_empty() || model.storage_class(&class).is_some() {
        return Some(class.value);
    }
    let known = resolver.known(model.storage_classes.iter().map(|class| class.name.as_str()));
    report_unknown(resolver, &class, "storage class", &known);
    None
}
