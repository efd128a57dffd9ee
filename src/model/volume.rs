//! What a service mounts, and where it comes from.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::inventory;
use crate::inventory::service::EmptyDirTable;
use crate::inventory::storage::Backend;
use crate::model::BAD_VALUE;
use crate::model::cluster::{NameKind, NfsPath, check_name, nfs_path, one_of, optional_name, report_unknown};
use crate::model::references::Resolver;
use crate::model::stack::{Around, Stack, known_secret};
use crate::source::{Span, Spanned};

/// Something mounted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Volume {
    /// Its name: mounts of one claim share the name of the first.
    pub name: String,
    /// Whether an earlier mount has already brought its source along.
    pub again: bool,
    /// Where it appears.
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
    },
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
    let mut volumes: Vec<Volume> = Vec::new();
    for (name, entry) in &table.volumes {
        let Some(written) = entry.value.on() else { continue };
        check_name(resolver, name, entry.key, "a volume", NameKind::Label);
        let (from, source) = lower_source(resolver, around, stack, name, written);
        let mount = written.mount.as_ref().map(|text| resolver.text(text)).unwrap_or_default();
        if !mount.value.is_empty() && (!mount.starts_with('/') || mount.contains(':')) {
            resolver.found.push(
                BAD_VALUE
                    .at(mount.span, "not an absolute path", format!("`{mount}` is not a path to mount at"))
                    .help("write an absolute path without `:`, such as /config"),
            );
        }
        let sub_path = written.sub_path.as_ref().map(|text| resolver.text(text));
        if let Some(path) =
            sub_path.as_ref().filter(|path| path.starts_with('/') || path.split('/').any(|part| part == ".."))
        {
            resolver.found.push(
                BAD_VALUE
                    .at(
                        path.span,
                        "not inside the volume",
                        format!("`{path}` is not a path inside the volume"),
                    )
                    .help("write a relative path without `..`"),
            );
        }
        let same = volumes.iter().find(|volume| !volume.again && volume.source == source);
        volumes.push(Volume {
            again: same.is_some(),
            name: same.map_or_else(|| name.clone(), |volume| volume.name.clone()),
            mount,
            sub_path: sub_path.map(|path| path.value),
            read_only: written.read_only.is_some_and(|flag| flag.value),
            source,
            from,
            place: entry.key,
        });
    }
    volumes
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
        ("nfs", written.nfs.as_ref().map(|text| text.span)),
        ("empty-dir", written.empty_dir.as_ref().map(|table| table.0.span)),
        ("host-path", written.host_path.as_ref().map(|table| table.0.span)),
        ("config-map", written.config_map.as_ref().map(|text| text.span)),
        ("secret", written.secret.as_ref().map(|text| text.span)),
    ];
    if let Err(fault) = one_of(&given, &format!("volume `{name}`"), written.span) {
        resolver.found.push(fault);
        if given.iter().all(|(_, span)| span.is_none()) {
            return (Source::Unknown, Json::Null);
        }
    }
    source_of(resolver, around, stack, written).unwrap_or((Source::Unknown, Json::Null))
}

fn source_of(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    stack: Option<&Stack>,
    written: &inventory::service::Volume,
) -> Option<(Source, Json)> {
    if let Some(claim) = &written.claim {
        let claim = resolver.text(claim);
        let stack = stack?;
        let Some(known) = stack.claims.iter().find(|known| known.name == claim.value) else {
            let known = resolver.known(stack.claims.iter().map(|claim| claim.name.as_str()));
            report_unknown(resolver, &claim, &format!("claim of stack `{}`", stack.name), &known);
            return None;
        };
        let json = json!({ "persistentVolumeClaim": { "claimName": known.mounted } });
        return Some((Source::Claim { name: claim.value, backend: known.backend }, json));
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
        return Some((Source::ConfigMap(name.clone()), json!({ "configMap": { "name": name } })));
    }
    let secret = resolver.text(written.secret.as_ref()?);
    let known = known_secret(resolver, stack, &secret)?;
    Some((Source::Secret(known.name.clone()), json!({ "secret": { "secretName": known.name } })))
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
