//! What a service mounts, and where it comes from.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::inventory;
use crate::inventory::service::EmptyDirTable;
use crate::inventory::stack::AccessMode;
use crate::inventory::storage::Backend;
use crate::model::environment::Around;
use crate::model::naming::{NameKind, check_name, one_of, optional_name, report_undeclared};
use crate::model::nfs::{NfsPath, nfs_path};
use crate::model::references::{QuantityValue, Resolver};
use crate::model::secret::{Keys, Secret};
use crate::model::stack::{Stack, known_secret};
use crate::model::storage::{check_modes, default_class, known_class, lower_size};
use crate::model::{BAD_VALUE, CONFLICTING_KEYS};
use crate::source::{Span, Spanned};

/// Something mounted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Volume {
    /// Its name in the inventory.
    pub key: String,
    /// Its name: mounts of one claim share the name of the first.
    pub name: String,
    /// Whether an earlier mount has already brought its source along.
    pub again: bool,
    /// Where it appears in the service's own container; empty if only other containers mount it.
    pub mount: Spanned<String>,
    /// A part of it.
    pub sub_path: Option<String>,
    /// Read-only.
    pub read_only: bool,
    /// Where it comes from.
    pub source: Source,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
    /// The place of its table.
    #[serde(skip)]
    pub written: Span,
}

/// A claim that each pod of a stateful set gets for itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClaimTemplate {
    /// The volume's name.
    pub name: String,
    /// Its size.
    pub size: Option<Spanned<QuantityValue>>,
    /// The storage class; the inventory's default class if it names none.
    pub class: Option<String>,
    /// How it may be mounted.
    pub access_modes: Vec<AccessMode>,
    /// What keeps the data, if known.
    #[serde(skip)]
    pub backend: Option<Backend>,
    /// The place of the volume's name.
    #[serde(skip)]
    pub place: Span,
}

/// Where a volume comes from. Written out as Kubernetes spells it: nothing for what is no volume of the pod's own.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A claim of the stack, and what keeps its data.
    Claim {
        /// Its name.
        name: String,
        /// Which claim pods mount for it, by its name in Kubernetes.
        mounted: String,
        /// What keeps the data, if known.
        backend: Option<Backend>,
        /// The only node that has the data, whoever else moves.
        node: Option<String>,
    },
    /// A claim of each pod's own.
    ClaimTemplate(Box<ClaimTemplate>),
    /// An NFS export.
    Nfs(NfsPath),
    /// A folder that lives as long as the pod.
    EmptyDir(EmptyDir),
    /// A path on the node.
    HostPath(HostPath),
    /// A ConfigMap.
    ConfigMap(Shown),
    /// A Secret.
    Secret(Shown),
    /// Unknown: what the inventory names does not exist.
    Unknown,
}

/// A folder that lives as long as the pod.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EmptyDir {
    /// `Memory`, if it is kept there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<&'static str>,
    /// Its largest size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_limit: Option<String>,
}

/// A path on the node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HostPath {
    /// The path.
    pub path: String,
    /// What must be there.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
}

/// A ConfigMap or Secret, and which of its keys appear as files.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Its name in Kubernetes.
    pub name: String,
    /// The keys that appear; all, if there are none.
    pub items: Vec<Item>,
    /// The mode of the files.
    pub mode: Option<i64>,
}

/// A key of a ConfigMap or Secret that appears as a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Item {
    /// The key.
    pub key: String,
    /// The path inside the volume.
    pub path: String,
}

impl Source {
    /// Whether it stands among the pod's volumes.
    pub fn is_of_pod(&self) -> bool {
        !matches!(self, Self::ClaimTemplate(_) | Self::Unknown)
    }

    /// The ConfigMap or Secret that it shows.
    pub fn shown(&self) -> Option<&Shown> {
        match self {
            Self::ConfigMap(shown) | Self::Secret(shown) => Some(shown),
            _ => None,
        }
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.is_of_pod() {
            return serializer.serialize_none();
        }
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Claim { mounted, .. } => {
                map.serialize_entry("persistentVolumeClaim", &One("claimName", mounted))?;
            }
            Self::Nfs(NfsPath { server, path, .. }) => {
                map.serialize_entry("nfs", &Export { server, path })?;
            }
            Self::EmptyDir(folder) => map.serialize_entry("emptyDir", folder)?,
            Self::HostPath(path) => map.serialize_entry("hostPath", path)?,
            Self::ConfigMap(shown) => map.serialize_entry("configMap", &Named("name", shown))?,
            Self::Secret(shown) => map.serialize_entry("secret", &Named("secretName", shown))?,
            Self::ClaimTemplate(_) | Self::Unknown => {}
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Export<'s> {
    server: &'s str,
    path: &'s str,
}

/// A map with one text.
struct One<'s>(&'static str, &'s str);

impl Serialize for One<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.0, self.1)?;
        map.end()
    }
}

/// What is shown, with the key that its name has.
struct Named<'s>(&'static str, &'s Shown);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(key, shown) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(key, &shown.name)?;
        if !shown.items.is_empty() {
            map.serialize_entry("items", &shown.items)?;
        }
        if let Some(mode) = shown.mode {
            map.serialize_entry("defaultMode", &mode)?;
        }
        map.end()
    }
}

/// Lowers the volumes of a service. What does not exist is reported and left unknown.
pub fn lower_volumes(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    stack: Option<&Stack>,
    table: &inventory::service::Service,
) -> Vec<Volume> {
    let mut volumes: Vec<Volume> = Vec::with_capacity(table.volumes.len());
    let mut first: BTreeMap<String, &str> = BTreeMap::new();
    for (name, entry) in &table.volumes {
        let Some(written) = entry.value.on() else { continue };
        check_name(resolver, name, entry.key, "a volume", NameKind::Label);
        let source = lower_source(resolver, around, stack, name, written);
        let mount = written.mount.as_ref().map(|text| resolver.text(text));
        let mount = mount.unwrap_or_else(|| Spanned::new(String::new(), written.span));
        check_mount_path(resolver, &mount);
        let sub_path = written.sub_path.as_ref().map(|text| resolver.text(text));
        check_sub_path(resolver, sub_path.as_ref());
        let spelled = source.is_of_pod().then(|| serde_json::to_string(&source).unwrap_or_default());
        let other = spelled.map_or(name.as_str(), |spelled| first.entry(spelled).or_insert(name));
        volumes.push(Volume {
            again: other != name,
            key: name.clone(),
            name: other.to_owned(),
            mount,
            sub_path: sub_path.map(|path| path.value),
            read_only: written.read_only.is_some_and(|flag| flag.value),
            source,
            place: entry.key,
            written: written.span,
        });
    }
    volumes
}

/// Reports a path that nothing can be mounted at. An empty one has been reported, or is not meant.
pub fn check_mount_path(resolver: &mut Resolver<'_>, mount: &Spanned<String>) {
    if !mount.value.is_empty() && (!mount.starts_with('/') || mount.contains(':')) {
        resolver.found.push(
            BAD_VALUE
                .at(mount.span, "not an absolute path", format!("`{mount}` is not a path to mount at"))
                .help("write an absolute path without `:`, such as /config"),
        );
    }
}

/// Reports a path that leads out of its volume.
pub fn check_sub_path(resolver: &mut Resolver<'_>, path: Option<&Spanned<String>>) {
    let leads_out =
        |path: &&Spanned<String>| path.starts_with('/') || path.split('/').any(|part| part == "..");
    if let Some(path) = path.filter(leads_out) {
        resolver.found.push(
            BAD_VALUE
                .at(path.span, "not inside the volume", format!("`{path}` is not a path inside the volume"))
                .help("write a relative path without `..`"),
        );
    }
}

fn lower_source(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    stack: Option<&Stack>,
    name: &str,
    written: &inventory::service::Volume,
) -> Source {
    let given = [
        ("claim", written.claim.as_ref().map(|text| text.span)),
        ("claim-template", written.claim_template.as_ref().map(|table| table.span)),
        ("nfs", written.nfs.as_ref().map(|text| text.span)),
        ("empty-dir", written.empty_dir.as_ref().map(|table| table.0.span)),
        ("host-path", written.host_path.as_ref().map(|table| table.0.span)),
        ("config-map", written.config_map.as_ref().map(|text| text.span)),
        ("secret", written.secret.as_ref().map(|text| text.span)),
    ];
    let named = one_of(resolver, &given, &format!("volume `{name}`"), written.span, None);
    if !named && given.iter().all(|(_, span)| span.is_none()) {
        return Source::Unknown;
    }
    let shown = [
        ("items", written.items.values().next().map(|entry| entry.key)),
        ("default-mode", written.default_mode.as_ref().map(|text| text.span)),
    ];
    if written.config_map.is_none() && written.secret.is_none() {
        for (key, span) in shown.into_iter().filter_map(|(key, span)| Some((key, span?))) {
            resolver.found.push(
                CONFLICTING_KEYS
                    .at(
                        span,
                        "of no use here",
                        format!("volume `{name}` has `{key}`, and is no ConfigMap or secret"),
                    )
                    .help(format!("drop `{key}`")),
            );
        }
    }
    source_of(resolver, around, stack, name, written).unwrap_or(Source::Unknown)
}

fn source_of(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    stack: Option<&Stack>,
    name: &str,
    written: &inventory::service::Volume,
) -> Option<Source> {
    if let Some(table) = &written.claim_template {
        let template = lower_claim_template(resolver, around, name, table);
        return Some(Source::ClaimTemplate(Box::new(template)));
    }
    if let Some(claim) = &written.claim {
        let claim = resolver.text(claim);
        let stack = stack?;
        let Some(known) = stack.claim(&claim.value) else {
            let known = resolver.known(stack.claims.iter().map(|claim| claim.name.as_str()));
            let what = format!("claim of stack `{}`", stack.name);
            let none = format!("declare it: `stacks.{}.claims.{claim} = {{ size = \"1Gi\" }}`", stack.name);
            report_undeclared(resolver, &claim, &what, &known, &none);
            return None;
        };
        let node = match known.copies.as_slice() {
            [only] => only.node.clone(),
            _ => None,
        };
        let mounted = known.mounted.clone();
        return Some(Source::Claim { name: claim.value, mounted, backend: known.backend, node });
    }
    if let Some(nfs) = &written.nfs {
        let named = resolver.text(nfs);
        return nfs_path(resolver, &around.model.nfs, &named).map(Source::Nfs);
    }
    if let Some(table) = &written.empty_dir {
        return Some(Source::EmptyDir(empty_dir(resolver, &table.0)));
    }
    if let Some(table) = &written.host_path {
        let path = table.0.path.as_ref().map(|text| resolver.text(text)).unwrap_or_default();
        check_host_path(resolver, &path);
        let kind = table.0.r#type.as_ref().map(|kind| kind.value.word());
        return Some(Source::HostPath(HostPath { path: path.value, kind }));
    }
    if let Some(name) = &written.config_map {
        let name =
            optional_name(resolver, Some(name), "a ConfigMap", NameKind::Subdomain).unwrap_or_default();
        return Some(Source::ConfigMap(lower_shown(resolver, written, name)));
    }
    let secret = resolver.text(written.secret.as_ref()?);
    let known = known_secret(resolver, stack, &secret)?;
    check_items(resolver, known, written);
    Some(Source::Secret(lower_shown(resolver, written, known.name.clone())))
}

/// The keys of a secret that the inventory declares are all it has.
fn check_items(resolver: &mut Resolver<'_>, secret: &Secret, written: &inventory::service::Volume) {
    let keys = Keys::of(secret);
    for (name, entry) in &written.items {
        keys.has(resolver, &Spanned::new(name.clone(), entry.key));
    }
    // Of what the volume shows, one file is mounted.
    let Some(part) = written.sub_path.as_ref().map(|text| resolver.text(text)) else { return };
    if written.items.is_empty() && !part.contains("${") {
        keys.has(resolver, &Spanned::new(part.trim_end_matches('/').to_owned(), part.span));
    }
}

/// Which keys of a ConfigMap or Secret appear as files, and their mode.
fn lower_shown(resolver: &mut Resolver<'_>, written: &inventory::service::Volume, name: String) -> Shown {
    let mut items = Vec::with_capacity(written.items.len());
    for (key, entry) in &written.items {
        let path = resolver.text(&entry.value);
        check_sub_path(resolver, Some(&path));
        items.push(Item { key: key.clone(), path: path.value });
    }
    let mode = written.default_mode.as_ref().map(|text| resolver.text(text));
    let number = mode.as_ref().and_then(|mode| i64::from_str_radix(mode, 8).ok());
    let number = number.filter(|mode| (0..=0o777).contains(mode));
    if let Some(mode) = mode.filter(|_| number.is_none()) {
        resolver.found.push(
            BAD_VALUE
                .at(mode.span, "not a mode", format!("`{mode}` is not the mode of a file"))
                .help("write it in octal, such as \"0400\""),
        );
    }
    Shown { name, items, mode: number }
}

fn lower_claim_template(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    name: &str,
    table: &inventory::workload::ClaimTemplate,
) -> ClaimTemplate {
    let model = around.model;
    let class = table.class.as_ref().map(|text| resolver.text(text));
    let class = class.and_then(|class| known_class(resolver, model, class));
    let class = class.or_else(|| default_class(model));
    let modes: Vec<AccessMode> = table.access_modes.iter().map(|mode| mode.value).collect();
    check_modes(resolver, &table.access_modes);
    ClaimTemplate {
        name: name.to_owned(),
        size: lower_size(resolver, table.size.as_ref()),
        backend: class.as_ref().and_then(|class| model.storage_class(class)).map(|class| class.backend),
        class,
        access_modes: if modes.is_empty() { vec![AccessMode::ReadWriteOnce] } else { modes },
        place: table.span,
    }
}

/// Kubernetes takes no way up, and a node has no folder that a path could begin in.
fn check_host_path(resolver: &mut Resolver<'_>, path: &Spanned<String>) {
    let open = path.is_empty() || path.starts_with("${");
    if !open && (!path.starts_with('/') || path.split('/').any(|part| part == "..")) {
        resolver.found.push(
            BAD_VALUE
                .at(path.span, "not an absolute path", format!("`{path}` is not a path on a node"))
                .help("write an absolute path without `..`, such as /srv/media"),
        );
    }
}

fn empty_dir(resolver: &mut Resolver<'_>, table: &EmptyDirTable) -> EmptyDir {
    EmptyDir {
        medium: table.memory.is_some_and(|flag| flag.value).then_some("Memory"),
        size_limit: table
            .size
            .as_ref()
            .and_then(|size| resolver.quantity(size))
            .map(|size| size.value.text.into()),
    }
}
