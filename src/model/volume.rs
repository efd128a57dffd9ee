//! What a service mounts, and where it comes from.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value as Json, json};

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
    /// Where it comes from, in Kubernetes' spelling.
    pub source: Json,
    /// Where it comes from, for rules.
    #[serde(skip)]
    pub from: Source,
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

/// Where a volume comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A claim of the stack, and what keeps its data.
    Claim {
        /// Its name.
        name: String,
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
    EmptyDir,
    /// A path on the node.
    HostPath(String),
    /// A ConfigMap.
    ConfigMap(String),
    /// A Secret.
    Secret(String),
    /// Unknown: what the inventory names does not exist.
    Unknown,
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
        let (from, source) = lower_source(resolver, around, stack, name, written);
        let mount = written.mount.as_ref().map(|text| resolver.text(text));
        let mount = mount.unwrap_or_else(|| Spanned::new(String::new(), written.span));
        check_mount_path(resolver, &mount);
        let sub_path = written.sub_path.as_ref().map(|text| resolver.text(text));
        check_sub_path(resolver, sub_path.as_ref());
        let other = if source.is_null() { name } else { *first.entry(source.to_string()).or_insert(name) };
        volumes.push(Volume {
            again: other != name,
            key: name.clone(),
            name: other.to_owned(),
            mount,
            sub_path: sub_path.map(|path| path.value),
            read_only: written.read_only.is_some_and(|flag| flag.value),
            source,
            from,
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
) -> (Source, Json) {
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
        return (Source::Unknown, Json::Null);
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
    source_of(resolver, around, stack, name, written).unwrap_or((Source::Unknown, Json::Null))
}

fn source_of(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    stack: Option<&Stack>,
    name: &str,
    written: &inventory::service::Volume,
) -> Option<(Source, Json)> {
    if let Some(table) = &written.claim_template {
        let template = lower_claim_template(resolver, around, name, table);
        return Some((Source::ClaimTemplate(Box::new(template)), Json::Null));
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
        let json = json!({ "persistentVolumeClaim": { "claimName": known.mounted } });
        let node = match known.copies.as_slice() {
            [only] => only.node.clone(),
            _ => None,
        };
        return Some((Source::Claim { name: claim.value, backend: known.backend, node }, json));
    }
    if let Some(nfs) = &written.nfs {
        let named = resolver.text(nfs);
        let path = nfs_path(resolver, &around.model.nfs, &named)?;
        let json = json!({ "nfs": { "server": path.server, "path": path.path } });
        return Some((Source::Nfs(path), json));
    }
    if let Some(table) = &written.empty_dir {
        return Some((Source::EmptyDir, empty_dir(resolver, &table.0)));
    }
    if let Some(table) = &written.host_path {
        let path = table.0.path.as_ref().map(|text| resolver.text(text)).unwrap_or_default();
        check_host_path(resolver, &path);
        let path = path.value;
        let mut source = json!({ "path": path });
        if let Some(kind) = &table.0.r#type {
            source["type"] = json!(kind.value.word());
        }
        return Some((Source::HostPath(path), json!({ "hostPath": source })));
    }
    if let Some(name) = &written.config_map {
        let name =
            optional_name(resolver, Some(name), "a ConfigMap", NameKind::Subdomain).unwrap_or_default();
        let mut json = json!({ "configMap": { "name": name } });
        show_files(resolver, written, &mut json["configMap"]);
        return Some((Source::ConfigMap(name), json));
    }
    let secret = resolver.text(written.secret.as_ref()?);
    let known = known_secret(resolver, stack, &secret)?;
    let mut json = json!({ "secret": { "secretName": known.name } });
    check_items(resolver, known, written);
    show_files(resolver, written, &mut json["secret"]);
    Some((Source::Secret(known.name.clone()), json))
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
fn show_files(resolver: &mut Resolver<'_>, written: &inventory::service::Volume, json: &mut Json) {
    let items: Vec<Json> = written
        .items
        .iter()
        .map(|(key, entry)| {
            let path = resolver.text(&entry.value);
            check_sub_path(resolver, Some(&path));
            json!({ "key": key, "path": path.value })
        })
        .collect();
    if !items.is_empty() {
        json["items"] = json!(items);
    }
    let Some(mode) = written.default_mode.as_ref().map(|text| resolver.text(text)) else { return };
    match i64::from_str_radix(&mode, 8).ok().filter(|mode| (0..=0o777).contains(mode)) {
        Some(number) => json["defaultMode"] = json!(number),
        None => resolver.found.push(
            BAD_VALUE
                .at(mode.span, "not a mode", format!("`{mode}` is not the mode of a file"))
                .help("write it in octal, such as \"0400\""),
        ),
    }
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

fn empty_dir(resolver: &mut Resolver<'_>, table: &EmptyDirTable) -> Json {
    let mut options = serde_json::Map::new();
    if table.memory.is_some_and(|flag| flag.value) {
        options.insert("medium".to_owned(), json!("Memory"));
    }
    if let Some(size) = table.size.as_ref().and_then(|size| resolver.quantity(size)) {
        options.insert("sizeLimit".to_owned(), json!(size.value.text));
    }
    json!({ "emptyDir": options })
}
