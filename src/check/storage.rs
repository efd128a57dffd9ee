//! Storage: claims, mounts and NFS, and what the programs in known images ask of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::placement::{allowed, meet, nodes, patched, pods};
use crate::diagnostic::{Diagnostics, codes};
use crate::inventory::node::Node;
use crate::inventory::service::Kind;
use crate::inventory::stack::AccessMode;
use crate::inventory::storage::Backend;
use crate::model::container::Part;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::storage::Claim;
use crate::model::volume::{Source, Volume};
use crate::model::{Environment, Model};
use crate::source::{Span, Spanned};

codes! { Storage:
    /// A program that keeps SQLite on NFS.
    SQLITE_ON_NETWORK_STORAGE = ("sqlite-on-network-storage", Warning, "an image that keeps an SQLite database has it on NFS");
    /// One NFS volume mounted more than once.
    REPEATED_CLAIM_MOUNT = ("repeated-claim-mount", Warning, "a service mounts one NFS volume more than once, with different sub-paths");
    /// One mount path twice.
    DUPLICATE_MOUNT_PATH = ("duplicate-mount-path", Error, "a service mounts two things at one path");
    /// A volume over the image's own programs.
    MOUNT_HIDES_SYSTEM = ("mount-hides-system", Warning, "a mount that hides the image's own system folders");
    /// An export that is no absolute path.
    BAD_EXPORT_PATH = ("bad-export-path", Error, "an NFS export that is not an absolute path");
    /// A claim that nobody mounts.
    UNMOUNTED_CLAIM = ("unmounted-claim", Warning, "a claim that no service mounts");
    /// Several pods of one service on a claim for one node.
    SINGLE_NODE_CLAIM_REPLICAS = ("single-node-claim-replicas", Error, "several pods of a service mount a claim that only one node can mount");
    /// Pods of two services on a claim for one node.
    SINGLE_NODE_CLAIM_SHARED = ("single-node-claim-shared", Error, "services on different nodes mount a claim that only one node can mount");
    /// An access mode that the storage cannot give.
    UNSUPPORTED_ACCESS_MODE = ("unsupported-access-mode", Error, "an access mode that the storage behind the claim cannot give");
    /// A claim that is read-only, mounted to be written.
    WRITABLE_MOUNT_OF_READ_ONLY_CLAIM = ("writable-mount-of-read-only-claim", Warning, "a mount to be written of a claim that is read-only");
    /// Two storage classes for claims without one.
    TWO_DEFAULT_CLASSES = ("two-default-classes", Warning, "two storage classes are the default");
    /// A storage class that is on NFS and is not.
    CONTRADICTING_BACKEND = ("contradicting-backend", Error, "a storage class with an NFS export and another backend");
    /// An NFS server that nodes cannot find.
    NFS_SERVER_IN_CLUSTER_DNS = ("nfs-server-in-cluster-dns", Warning, "an NFS server named by the cluster's DNS, which nodes do not ask");
}

/// Runs every rule about storage.
pub fn check(model: &Model, found: &mut Diagnostics) {
    servers(model, found);
    classes(model, found);
    for environment in &model.environments {
        for service in environment.services() {
            for part in service.containers() {
                mount_paths(service, &part, found);
            }
            repeated_mounts(service, found);
        }
        for stack in &environment.stacks {
            for service in &stack.services {
                for part in service.containers() {
                    sqlite(stack, service, &part, found);
                }
                replicas(model, stack, service, found);
                read_only_claims(stack, service, found);
                template_modes(model, service, found);
            }
            shared_claims(model, stack, found);
            access_modes(model, environment, stack, found);
        }
    }
    unmounted(model, found);
}

/// Images whose program keeps an SQLite database, and in which folder of the container. Images of all publishers:
/// the last part of the name counts. From the projects' own documentation.
const SQLITE_IMAGES: &[(&str, &[&str])] = &[
    ("audiobookshelf", &["/config"]),
    ("bazarr", &["/config"]),
    ("calibre-web", &["/config"]),
    ("emby", &["/config"]),
    ("embyserver", &["/config"]),
    ("forgejo", &["/data", "/var/lib/gitea"]),
    ("gitea", &["/data", "/var/lib/gitea"]),
    ("grafana", &["/var/lib/grafana"]),
    ("headscale", &["/var/lib/headscale"]),
    ("home-assistant", &["/config"]),
    ("homeassistant", &["/config"]),
    ("jellyfin", &["/config"]),
    ("jellyseerr", &["/app/config", "/config"]),
    ("kavita", &["/config", "/kavita/config"]),
    ("lidarr", &["/config"]),
    ("linkding", &["/etc/linkding/data"]),
    ("maintainerr", &["/opt/data"]),
    ("mealie", &["/app/data"]),
    ("mylar3", &["/config"]),
    ("n8n", &["/home/node/.n8n"]),
    ("navidrome", &["/data"]),
    ("ombi", &["/config"]),
    ("overseerr", &["/app/config", "/config"]),
    ("paperless-ngx", &["/usr/src/paperless/data"]),
    ("pihole", &["/etc/pihole"]),
    ("plex", &["/config"]),
    ("plex-media-server", &["/config"]),
    ("pms-docker", &["/config"]),
    ("prowlarr", &["/config"]),
    ("radarr", &["/config"]),
    ("readarr", &["/config"]),
    ("seerr", &["/app/config", "/config"]),
    ("sonarr", &["/config"]),
    ("tautulli", &["/config"]),
    ("uptime-kuma", &["/app/data"]),
    ("vaultwarden", &["/data"]),
    ("vikunja", &["/app/vikunja/files", "/db"]),
    ("whisparr", &["/config"]),
];

/// Variables with one of these words point the program at a database server instead.
const DATABASE_WORDS: &[&str] = &["POSTGRES", "MYSQL", "MARIADB", "DATABASE", "DB_HOST", "DBHOST", "DB_TYPE"];

fn sqlite_folders(image: &str) -> Option<&'static [&'static str]> {
    let path = image.split('@').next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    let name = last.split(':').next().unwrap_or_default();
    let name = name.trim_end_matches("-develop").trim_end_matches("-nightly");
    SQLITE_IMAGES.iter().find(|(known, _)| *known == name).map(|(_, folders)| *folders)
}

/// A volume as one container sees it.
struct Seen<'s> {
    path: &'s Spanned<String>,
    volume: &'s Volume,
    writable: bool,
    place: Span,
}

/// What a container of a service mounts.
fn mounts<'s>(service: &'s Service, part: &Part<'s>) -> Vec<Seen<'s>> {
    let Some(mounts) = part.mounts else {
        let own = service.volumes.iter().filter(|volume| !volume.mount.is_empty());
        return own
            .map(|volume| Seen {
                path: &volume.mount,
                volume,
                writable: !volume.read_only,
                place: volume.place,
            })
            .collect();
    };
    let seen = mounts.iter().filter_map(|mount| {
        let volume = service.volumes.iter().find(|volume| volume.key == mount.volume)?;
        Some(Seen { path: &mount.path, volume, writable: !mount.read_only, place: mount.path.span })
    });
    seen.filter(|seen| !seen.path.is_empty()).collect()
}

/// SQLite locks its file, and NFS loses locks: the database is corrupted sooner or later
/// (sqlite.org/faq.html#q5, the *arr wikis and Plex say so).
fn sqlite(stack: &Stack, service: &Service, part: &Part<'_>, found: &mut Diagnostics) {
    let Some(folders) = sqlite_folders(part.image) else { return };
    let own = part.env.iter().map(|variable| &variable.name);
    let own = own.chain(part.secret_env.iter().map(|variable| &variable.name));
    let names = own.chain(stack.env.keys().filter(|_| part.table.is_none()));
    let elsewhere = |name: &String| DATABASE_WORDS.iter().any(|word| name.to_uppercase().contains(word));
    if names.into_iter().any(elsewhere) {
        return;
    }
    let mounts = mounts(service, part);
    let Some(seen) = folders.iter().find_map(|folder| holder(&mounts, folder)) else { return };
    if !on_nfs(seen.volume) {
        return;
    }
    let message = format!(
        "{} keeps an SQLite database in `{}`, which is on NFS",
        part.named(&service.key),
        seen.path.value
    );
    let mut diagnostic = SQLITE_ON_NETWORK_STORAGE.at(seen.place, "on NFS", message).about(service.subject());
    if let Source::Claim { name, .. } = &seen.volume.from
        && let Some(claim) = stack.claim(name)
    {
        diagnostic = diagnostic.because(claim.place, "this claim");
    }
    found.push(diagnostic.because(part.image.span, "this program").help(
        "locks on NFS are lost sooner or later, and the database with them: mount a claim on a local disk or block storage there",
    ));
}

fn on_nfs(volume: &Volume) -> bool {
    match &volume.from {
        Source::Nfs(_) => true,
        Source::Claim { backend, .. } => *backend == Some(Backend::Nfs),
        Source::ClaimTemplate(template) => template.backend == Some(Backend::Nfs),
        _ => false,
    }
}

/// A mount path without slashes at its end.
fn trimmed(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" if path.starts_with('/') => "/",
        trimmed => trimmed,
    }
}

/// Whether `folder` is `path` or below it.
fn within(folder: &str, path: &str) -> bool {
    let path = trimmed(path);
    path == "/" || folder.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The volume that holds a folder of the container: the deepest mount above it.
fn holder<'m, 's>(mounts: &'m [Seen<'s>], folder: &str) -> Option<&'m Seen<'s>> {
    let above = mounts.iter().filter(|seen| within(folder, seen.path));
    above.max_by_key(|seen| trimmed(seen.path).len())
}

/// The kubelet mounts each sub-path of an NFS volume by itself, and waits for all of them.
fn repeated_mounts(service: &Service, found: &mut Diagnostics) {
    for first in service.volumes.iter().filter(|volume| !volume.again && on_nfs(volume)) {
        let same = service.volumes.iter().filter(|volume| volume.again && volume.name == first.name);
        let mut others: Vec<&Volume> = same.filter(|volume| volume.sub_path != first.sub_path).collect();
        if others.is_empty() {
            continue;
        }
        others.push(first);
        others.sort_by_key(|volume| volume.place);
        let what = match &first.from {
            Source::Claim { name, .. } => format!("claim `{name}`"),
            _ => "one NFS export".to_owned(),
        };
        let message = format!(
            "service `{}` mounts {what} {} times, with different sub-paths",
            service.key,
            others.len()
        );
        let mut diagnostic = REPEATED_CLAIM_MOUNT.at(others[1].place, "the same again", message);
        for other in others.iter().enumerate().filter(|(at, _)| *at != 1).map(|(_, other)| other) {
            diagnostic = diagnostic.because(other.place, "mounted here");
        }
        found.push(diagnostic.about(service.subject()).help(
            "mount it once, without a sub-path, and let the program use folders below: pods with several NFS sub-paths can hang when they start",
        ));
    }
}

/// Folders that an image cannot do without.
const SYSTEM_FOLDERS: &[&str] = &[
    "/", "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr", "/usr/bin",
    "/usr/lib",
];

fn mount_paths(service: &Service, part: &Part<'_>, found: &mut Diagnostics) {
    let mut seen: BTreeMap<&str, &Seen<'_>> = BTreeMap::new();
    let mut mounts = mounts(service, part);
    mounts.sort_by_key(|seen| seen.place);
    for mount in &mounts {
        let path = trimmed(mount.path);
        if let Some(first) = seen.get(path) {
            let message = format!("{} mounts two things at `{path}`", part.named(&service.key));
            found.push(
                DUPLICATE_MOUNT_PATH
                    .at(mount.path.span, "mounted over it", message)
                    .because(first.path.span, "one is mounted here")
                    .about(service.subject())
                    .help("mount one of them elsewhere"),
            );
            continue;
        }
        seen.insert(path, mount);
        let from_host = matches!(mount.volume.from, Source::HostPath(_));
        if SYSTEM_FOLDERS.contains(&path) && mount.path.starts_with('/') && !from_host {
            let message = format!("{} mounts a volume over its image's `{path}`", part.named(&service.key));
            found.push(
                MOUNT_HIDES_SYSTEM
                    .at(mount.path.span, "hides what the image has there", message)
                    .about(service.subject())
                    .help("mount it at a folder of its own, or only one file with `sub-path`"),
            );
        }
    }
}

fn servers(model: &Model, found: &mut Diagnostics) {
    let domain = format!(".{}", model.cluster.domain);
    for nfs in &model.nfs {
        let name = nfs.server.trim_end_matches('.').to_lowercase();
        if name.ends_with(".svc")
            || name.ends_with(".cluster.local")
            || (domain.len() > 1 && name.ends_with(&format!(".svc{domain}")))
        {
            let message =
                format!("NFS server `{}` is named by the cluster's DNS, and nodes ask their own", nfs.name);
            found.push(
                NFS_SERVER_IN_CLUSTER_DNS
                    .at(nfs.server.span, "no node finds it", message)
                    .about(format!("nfs.{}", nfs.name))
                    .help("the kubelet mounts: give the server's address, or a name of the LAN's DNS"),
            );
        }
        for (export, path) in &nfs.exports {
            let reason = match path.value.as_str() {
                "" => "it is empty",
                path if path.contains("${") => continue,
                path if !path.starts_with('/') => "it does not begin with `/`",
                path if path.split('/').any(|part| part == "..") => "it climbs out with `..`",
                _ => continue,
            };
            let message =
                format!("export `{export}` of NFS server `{}` is not an absolute path: {reason}", nfs.name);
            found.push(
                BAD_EXPORT_PATH
                    .at(path.span, "not an absolute path", message)
                    .about(format!("nfs.{}", nfs.name))
                    .help("write the path as the server exports it, such as /volume1/media"),
            );
        }
    }
}

fn classes(model: &Model, found: &mut Diagnostics) {
    let mut defaults: Vec<_> = model.storage_classes.iter().filter(|class| class.default).collect();
    defaults.sort_by_key(|class| class.place);
    for second in defaults.iter().skip(1) {
        let first = defaults[0];
        let place = |name: &str| model.place_of("", &["storage-classes", name, "default"]);
        let message = format!("storage classes `{}` and `{}` are both the default", first.name, second.name);
        found.push(
            TWO_DEFAULT_CLASSES
                .at(place(&second.name).unwrap_or(second.place), "the default, too", message)
                .because(place(&first.name).unwrap_or(first.place), "the default")
                .about(format!("storage-classes.{}", second.name))
                .about(format!("storage-classes.{}", first.name))
                .help("keep one: which of them a claim gets depends on which was made last"),
        );
    }
    for class in &model.storage_classes {
        let export = model.place_of("", &["storage-classes", &class.name, "nfs"]);
        if let Some(export) = export.filter(|_| class.backend != Backend::Nfs) {
            let place =
                model.place_of("", &["storage-classes", &class.name, "backend"]).unwrap_or(class.place);
            let message = format!(
                "storage class `{}` has an NFS export, and its backend is {}",
                class.name,
                class.backend.word()
            );
            found.push(
                CONTRADICTING_BACKEND
                    .at(place, "not nfs", message)
                    .because(export, "an export")
                    .about(format!("storage-classes.{}", class.name))
                    .help("write `backend = \"nfs\"`, or drop `nfs`"),
            );
        }
    }
}

/// The claims of its stack that a service mounts, each once, with the mount.
fn mounted<'s>(stack: &'s Stack, service: &'s Service) -> impl Iterator<Item = (&'s Claim, &'s Volume)> {
    service.volumes.iter().filter(|volume| !volume.again).filter_map(|volume| match &volume.from {
        Source::Claim { name, .. } => Some((stack.claim(name)?, volume)),
        _ => None,
    })
}

fn only_one_pod(claim: &Claim) -> bool {
    claim.access_modes.iter().all(|mode| *mode == AccessMode::ReadWriteOncePod)
}

fn replicas(model: &Model, stack: &Stack, service: &Service, found: &mut Diagnostics) {
    let count = pods(model, service);
    if count < 2 && service.kind != Kind::DaemonSet {
        return;
    }
    let daemons = service.kind == Kind::DaemonSet;
    let open = if daemons { allowed(model, service) } else { nodes(model, service) };
    let several = if daemons { open.as_ref().is_none_or(|open| open.len() > 1) } else { count > 1 };
    if !several || patched(service, &["volumes", "volumeClaimTemplates", "replicas"]) {
        return;
    }
    for (claim, volume) in mounted(stack, service).filter(|(claim, _)| claim.one_node()) {
        // All pods on one node: they can share what one node mounts.
        if open.as_ref().is_some_and(|open| open.len() == 1) && !only_one_pod(claim) {
            continue;
        }
        let who = if daemons { "a pod on every node".to_owned() } else { format!("{count} pods") };
        let can = if only_one_pod(claim) { "pod" } else { "node" };
        let said = service.autoscale.as_ref().map(|autoscale| autoscale.max).or(service.replicas);
        let span = said.filter(|_| !daemons).map_or(service.place, |count| count.span);
        let message = format!(
            "{who} of service `{}` mount claim `{}`, which only one {can} can mount",
            service.key, claim.name
        );
        found.push(
            SINGLE_NODE_CLAIM_REPLICAS
                .at(span, who, message)
                .because(volume.place, "mounted here")
                .because(claim.place, format!("for one {can}: {}", words(claim)))
                .about(service.subject())
                .help(
                    "run one pod, or give the claim `access-modes = [\"ReadWriteMany\"]` on storage that can",
                ),
        );
    }
}

fn words(claim: &Claim) -> String {
    claim.access_modes.iter().map(|mode| mode.word()).collect::<Vec<_>>().join(", ")
}

/// Services that can never meet on one node, or that may not meet in one pod. Whether those that are free to meet do
/// so is the scheduler's matter.
fn shared_claims(model: &Model, stack: &Stack, found: &mut Diagnostics) {
    let mut users: BTreeMap<&str, Vec<(&Service, &Claim, &Volume)>> = BTreeMap::new();
    for service in stack.services.iter().filter(|service| pods(model, service) > 0) {
        for (claim, volume) in mounted(stack, service).filter(|(claim, _)| claim.one_node()) {
            users.entry(&claim.name).or_default().push((service, claim, volume));
        }
    }
    for mut users in users.into_values() {
        users.sort_by_key(|(_, _, volume)| volume.place);
        for (at, (service, claim, volume)) in users.iter().enumerate().skip(1) {
            let apart = users[..at]
                .iter()
                .take(16)
                .find(|(other, ..)| only_one_pod(claim) || apart(model, other, service));
            let Some((other, _, first)) = apart else { continue };
            let can = if only_one_pod(claim) { "pod" } else { "node" };
            let why = if only_one_pod(claim) { "" } else { " and they run on different nodes" };
            let message = format!(
                "services `{}` and `{}` mount claim `{}`, which only one {can} can mount{why}",
                other.key, service.key, claim.name
            );
            found.push(
                SINGLE_NODE_CLAIM_SHARED
                    .at(volume.place, format!("mounted by `{}`", service.key), message)
                    .because(first.place, format!("mounted by `{}`", other.key))
                    .because(claim.place, format!("for one {can}: {}", words(claim)))
                    .about(service.subject())
                    .about(other.subject())
                    .help("run both on one node, or give the claim `access-modes = [\"ReadWriteMany\"]` on storage that can"),
            );
        }
    }
}

fn apart(model: &Model, one: &Service, other: &Service) -> bool {
    let (Some(a), Some(b)) = (nodes(model, one), nodes(model, other)) else { return false };
    !a.is_empty() && !b.is_empty() && !meet(&a, &b)
}

/// Templates have the same limits as claims.
fn template_modes(model: &Model, service: &Service, found: &mut Diagnostics) {
    for template in &service.claim_templates {
        let Some((mode, backend)) =
            refused_mode(model, template.backend, template.class.as_deref(), &template.access_modes)
        else {
            continue;
        };
        let message = format!(
            "claims of service `{}` are {}, and {backend} is mounted by one node at a time",
            service.key,
            mode.word()
        );
        found.push(
            UNSUPPORTED_ACCESS_MODE
                .at(template.place, "more than one node", message)
                .about(service.subject())
                .help("use `ReadWriteOnce`, or a storage class on NFS"),
        );
    }
}

/// The mode that storage cannot give, and what the storage is.
fn refused_mode(
    model: &Model,
    backend: Option<Backend>,
    class: Option<&str>,
    modes: &[AccessMode],
) -> Option<(AccessMode, &'static str)> {
    let what = match backend {
        Some(Backend::Local) => "a local disk",
        Some(Backend::Block) => "a block device",
        _ => return None,
    };
    let several = [AccessMode::ReadWriteMany, AccessMode::ReadOnlyMany];
    let mode = *modes.iter().find(|mode| several.contains(mode))?;
    let shares = class.and_then(|class| model.storage_class(class)).is_some_and(|class| {
        let provisioner = class.provisioner.as_deref().unwrap_or_default();
        class.name.contains("longhorn") || provisioner.contains("longhorn")
    });
    // A block device may well be read on many nodes.
    let read = backend == Some(Backend::Block) && mode == AccessMode::ReadOnlyMany;
    (!shares && !read).then_some((mode, what))
}

/// Local disks and block devices serve one node. Longhorn's share manager makes NFS of its own.
fn access_modes(model: &Model, environment: &Environment, stack: &Stack, found: &mut Diagnostics) {
    for claim in &stack.claims {
        let class = claim.class.as_deref();
        let Some((mode, backend)) = refused_mode(model, claim.backend, class, &claim.access_modes) else {
            continue;
        };
        let class = class.and_then(|class| model.storage_class(class));
        let path = ["stacks", &stack.name, "claims", &claim.name, "access-modes"];
        let span = model.place_of(&environment.name, &path).unwrap_or(claim.place);
        let message = format!(
            "claim `{}` is {}, and {backend} is mounted by one node at a time",
            claim.name,
            mode.word()
        );
        let mut diagnostic = UNSUPPORTED_ACCESS_MODE
            .at(span, "more than one node", message)
            .about(stack.claim_subject(&claim.name));
        if let Some(class) = class {
            diagnostic = diagnostic.because(class.place, format!("its storage class: {backend}"));
        }
        found.push(diagnostic.help("use `ReadWriteOnce`, or a storage class on NFS"));
    }
}

fn read_only_claims(stack: &Stack, service: &Service, found: &mut Diagnostics) {
    let seen = service
        .containers()
        .flat_map(|part| mounts(service, &part).into_iter().map(move |seen| (part, seen)));
    for (part, seen) in seen.filter(|(_, seen)| seen.writable) {
        let Source::Claim { name, .. } = &seen.volume.from else { continue };
        let Some(claim) = stack.claim(name) else { continue };
        if !claim.access_modes.iter().all(|mode| *mode == AccessMode::ReadOnlyMany) {
            continue;
        }
        let message =
            format!("{} mounts claim `{name}` to write, and it is ReadOnlyMany", part.named(&service.key));
        found.push(
            WRITABLE_MOUNT_OF_READ_ONLY_CLAIM
                .at(seen.place, "not read-only", message)
                .because(claim.place, "ReadOnlyMany")
                .about(service.subject())
                .help("add `read-only = true`, or give the claim another access mode"),
        );
    }
}

/// A claim that no environment's services mount. A stack without services keeps claims for others.
fn unmounted(model: &Model, found: &mut Diagnostics) {
    let mut claims: BTreeMap<(&str, &str), (&Stack, &Claim, bool)> = BTreeMap::new();
    for stack in model.environments.iter().flat_map(|environment| &environment.stacks) {
        let volumes = stack.services.iter().flat_map(|service| &service.volumes);
        let mounted: BTreeSet<&str> = volumes
            .filter_map(|volume| match &volume.from {
                Source::Claim { name, .. } => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let patches = stack.services.iter().flat_map(|service| &service.patches);
        let patches: String = patches.chain(&stack.patches).map(|(_, patch)| patch.to_string()).collect();
        for claim in &stack.claims {
            let used = stack.services.is_empty()
                || mounted.contains(claim.name.as_str())
                || patches.contains(&claim.name);
            let entry = claims.entry((&stack.name, &claim.name)).or_insert((stack, claim, false));
            entry.2 |= used;
        }
    }
    let unclear = Unclear::of(model);
    for (stack, claim, used) in claims.into_values() {
        if !used && !unclear.may_mount(stack, &claim.name) {
            let message = format!("no service mounts claim `{}` of stack `{}`", claim.name, stack.name);
            found.push(
                UNMOUNTED_CLAIM
                    .at(claim.place, "nobody mounts it", message)
                    .about(stack.claim_subject(&claim.name))
                    .help("mount it with `volumes.NAME = { claim = …, mount = … }`, or drop it"),
            );
        }
    }
}

/// Services of which it is not known what they mount: something about that has been reported already.
struct Unclear<'m> {
    /// All of them.
    all: bool,
    /// Stacks that have one.
    stacks: BTreeSet<&'m str>,
    /// Claims that are named by services of no stack.
    claims: BTreeSet<&'m str>,
}

impl<'m> Unclear<'m> {
    fn of(model: &'m Model) -> Self {
        let services = model.written.find(["services"]).and_then(Node::table);
        let mut unclear =
            Self { all: model.unread.is("services"), stacks: BTreeSet::new(), claims: BTreeSet::new() };
        let stacks: BTreeMap<&str, &Stack> =
            model.base.stacks.iter().map(|stack| (stack.name.as_str(), stack)).collect();
        for (name, entry) in services.into_iter().flatten() {
            let text = |key: &str| entry.node.find([key]).and_then(Node::text);
            let stack = text("stack").and_then(|stack| stacks.get_key_value(stack));
            let volumes = entry.node.find(["volumes"]).and_then(Node::table);
            let named =
                volumes.into_iter().flatten().filter_map(|(_, volume)| volume.node.find(["claim"])?.text());
            match stack {
                None => unclear.claims.extend(named),
                Some((key, stack)) => {
                    let missing = |claim: &str| stack.claim(claim).is_none();
                    let unread = ["volumes", "sidecars", "init-containers"]
                        .iter()
                        .any(|key| model.unread.at(&["services", name, key]));
                    if unread || named.into_iter().any(missing) {
                        unclear.stacks.insert(*key);
                    }
                }
            }
        }
        unclear
    }

    fn may_mount(&self, stack: &Stack, claim: &str) -> bool {
        self.all || self.stacks.contains(stack.name.as_str()) || self.claims.contains(claim)
    }
}

#[cfg(test)]
mod tests {
    use super::{sqlite_folders, trimmed, within};

    #[test]
    fn images_are_known_by_the_last_part_of_their_name() {
        let config: &[&str] = &["/config"];
        for image in [
            "radarr",
            "radarr:5",
            "lscr.io/linuxserver/radarr:5.2",
            "host:5000/radarr@sha256:00",
            "x/radarr-develop",
        ] {
            assert_eq!(sqlite_folders(image), Some(config), "{image}");
        }
        for image in ["qbittorrent", "radarr/exporter:1", "", "my-radarr"] {
            assert_eq!(sqlite_folders(image), None, "{image}");
        }
    }

    #[test]
    fn a_mount_holds_what_is_below_it() {
        assert!(within("/config", "/config/") && within("/config/db", "/config") && within("/x", "/"));
        assert!(!within("/configs", "/config") && !within("/", "/config"));
        assert_eq!((trimmed("//"), trimmed("/a//"), trimmed("")), ("/", "/a", ""));
    }
}
