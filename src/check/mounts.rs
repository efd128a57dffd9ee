//! Mounts: what containers see where.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostics, codes};
use crate::inventory::stack::AccessMode;
use crate::inventory::storage::Backend;
use crate::model::Model;
use crate::model::container::Part;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::volume::{Source, Volume};
use crate::source::{Span, Spanned};

codes! { Storage:
    /// One NFS volume mounted many times.
    REPEATED_CLAIM_MOUNT = ("repeated-claim-mount", Warning, "a service mounts one NFS volume five times or more, or downloads apart from where they go, by sub-paths");
    /// One mount path twice.
    DUPLICATE_MOUNT_PATH = ("duplicate-mount-path", Error, "a service mounts two things at one path");
    /// Nothing can be mounted there.
    UNMAKEABLE_MOUNT = ("unmakeable-mount", Error, "a mount below a file, or in a ConfigMap or Secret that has no such folder");
    /// It must be there already.
    MOUNT_IN_READ_ONLY_VOLUME = ("mount-in-read-only-volume", Warning, "a mount within a volume that is mounted read-only, so that its folder must be there already");
    /// A volume over the image's own programs.
    MOUNT_HIDES_SYSTEM = ("mount-hides-system", Warning, "a mount that hides the image's own system folders");
    /// A claim that is read-only, mounted to be written.
    WRITABLE_MOUNT_OF_READ_ONLY_CLAIM = ("writable-mount-of-read-only-claim", Warning, "a mount to be written of a claim that is read-only");
}

/// Runs every rule about mounts.
pub fn check(model: &Model, found: &mut Diagnostics) {
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
                    mount_points(stack, service, &part, found);
                }
                nested_items(service, found);
                read_only_claims(stack, service, found);
            }
        }
    }
}

/// A volume as one container sees it.
pub(super) struct Seen<'s> {
    pub(super) path: &'s Spanned<String>,
    pub(super) volume: &'s Volume,
    sub_path: Option<&'s str>,
    writable: bool,
    pub(super) place: Span,
}

/// What a container of a service mounts.
pub(super) fn mounts<'s>(service: &'s Service, part: &Part<'s>) -> Vec<Seen<'s>> {
    let Some(mounts) = part.mounts else {
        let own = service.volumes.iter().filter(|volume| !volume.mount.is_empty());
        return own
            .map(|volume| Seen {
                path: &volume.mount,
                volume,
                sub_path: volume.sub_path.as_deref(),
                writable: !volume.read_only,
                place: volume.place,
            })
            .collect();
    };
    let seen = mounts.iter().filter_map(|mount| {
        let volume = service.volumes.iter().find(|volume| volume.key == mount.volume)?;
        let sub_path = mount.sub_path.as_deref();
        Some(Seen { path: &mount.path, volume, sub_path, writable: !mount.read_only, place: mount.path.span })
    });
    seen.filter(|seen| !seen.path.is_empty()).collect()
}

pub(super) fn on_nfs(volume: &Volume) -> bool {
    match &volume.source {
        Source::Nfs(_) => true,
        Source::Claim { backend, .. } => *backend == Some(Backend::Nfs),
        Source::ClaimTemplate(template) => template.backend == Some(Backend::Nfs),
        _ => false,
    }
}

/// A mount path without slashes at its end.
pub(super) fn trimmed(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" if path.starts_with('/') => "/",
        trimmed => trimmed,
    }
}

/// Whether `folder` is `path` or below it.
pub(super) fn within(folder: &str, path: &str) -> bool {
    let path = trimmed(path);
    path == "/" || folder.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// So many sub-paths of one NFS volume in a pod are many: a few are the ordinary way.
const MANY_SUB_PATHS: usize = 5;
/// Folders whose files are moved elsewhere when they are complete.
const DOWNLOADS: &[&str] = &["download", "downloads", "torrents", "usenet"];

/// Whether a volume is where downloads arrive.
fn has_downloads(volume: &Volume) -> bool {
    let paths = [volume.sub_path.as_deref().unwrap_or_default(), volume.mount.as_str()];
    paths.iter().any(|path| path.split('/').any(|part| DOWNLOADS.contains(&part)))
}

/// The kubelet mounts each sub-path of an NFS volume by itself, and waits for all of them; and to a program each is a
/// file system of its own.
fn repeated_mounts(service: &Service, found: &mut Diagnostics) {
    for first in service.volumes.iter().filter(|volume| !volume.again && on_nfs(volume)) {
        let same = service.volumes.iter().filter(|volume| volume.again && volume.name == first.name);
        let mut others: Vec<&Volume> = same.filter(|volume| volume.sub_path != first.sub_path).collect();
        others.push(first);
        let arriving = others.iter().filter(|volume| has_downloads(volume)).count();
        let moved = (1..others.len()).contains(&arriving);
        if others.len() < MANY_SUB_PATHS && !moved {
            continue;
        }
        others.sort_by_key(|volume| volume.place);
        let what = match &first.source {
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
            "mount it once, without a sub-path, and let the program use folders below: the pod waits for each mount by itself, and a file is copied from one to another, not moved or linked",
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
        let from_host = matches!(mount.volume.source, Source::HostPath(_));
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

/// The runtime makes what it mounts on, which it cannot below a file, nor in a volume that is always read-only.
fn mount_points(stack: &Stack, service: &Service, part: &Part<'_>, found: &mut Diagnostics) {
    let mut mounts = mounts(service, part);
    mounts.sort_by(|a, b| trimmed(a.path).split('/').cmp(trimmed(b.path).split('/')));
    let mut shown: BTreeMap<*const Volume, Items<'_>> = BTreeMap::new();
    // The mounts that hold the one before, each within the last.
    let mut above: Vec<&Seen<'_>> = Vec::new();
    for mount in &mounts {
        let path = trimmed(mount.path);
        while above.last().is_some_and(|last| !within(path, last.path)) {
            above.pop();
        }
        let parent = above.last().copied();
        above.push(mount);
        let Some(parent) = parent.filter(|parent| trimmed(parent.path) != path) else { continue };
        let whole = trimmed(parent.path);
        let below = path.strip_prefix(whole).unwrap_or_default().trim_start_matches('/');
        let (finding, label) = if let Some((label, why)) = obstacle(stack, parent, below, &mut shown) {
            let message =
                format!("{} mounts `{path}` below `{whole}`, which {why}", part.named(&service.key));
            let finding = UNMAKEABLE_MOUNT.at(mount.path.span, "cannot be made", message);
            (finding.help("mount it elsewhere, or each file of the other by itself with `sub-path`"), label)
        } else if keeps_data(parent) && !parent.writable && parent.volume.name != mount.volume.name {
            let message = format!(
                "{} mounts `{path}` within `{whole}`, which is read-only: it starts only if `{below}` is there",
                part.named(&service.key)
            );
            let finding = MOUNT_IN_READ_ONLY_VOLUME.at(mount.path.span, "cannot be made here", message);
            (finding.help("mount it elsewhere, or the other to be written"), "read-only")
        } else {
            continue;
        };
        found.push(finding.because(parent.path.span, label).about(service.subject()));
    }
}

/// Whether a volume has the folders that somebody has made there. A node mostly has those that are meant.
fn keeps_data(seen: &Seen<'_>) -> bool {
    let from = &seen.volume.source;
    matches!(from, Source::Claim { .. } | Source::ClaimTemplate(_) | Source::Nfs(_) | Source::EmptyDir(_))
}

/// Why nothing can be mounted at a path below a mount, as far as the inventory tells.
fn obstacle<'s>(
    stack: &'s Stack,
    parent: &Seen<'s>,
    below: &str,
    known: &mut BTreeMap<*const Volume, Items<'s>>,
) -> Option<(&'static str, &'static str)> {
    let volume = parent.volume;
    if !matches!(volume.source, Source::ConfigMap(_) | Source::Secret(_)) {
        return None;
    }
    let items = known.entry(std::ptr::from_ref(volume)).or_insert_with(|| Items::of(stack, volume));
    if let Some(part) = parent.sub_path {
        return (!items.has_folder(part)).then_some(("a file", "is a file"));
    }
    let there = match items.told {
        true => items.has(below),
        // A key may be mounted over; what its keys are is not always known.
        false if below.contains('/') => false,
        false => items.keys.is_empty() || items.keys.contains(below),
    };
    (!there).then_some(("always read-only", "is read-only and has no such file or folder"))
}

/// The files that the `items` of a volume show, and the folders above them.
struct Items<'s> {
    /// Whether there are `items`: all else is shown by its key.
    told: bool,
    files: BTreeSet<&'s str>,
    folders: BTreeSet<&'s str>,
    /// The keys of its Secret, as far as they are known.
    keys: BTreeSet<&'s str>,
}

impl<'s> Items<'s> {
    fn of(stack: &'s Stack, volume: &'s Volume) -> Self {
        let items = volume.source.shown().map(|shown| shown.items.as_slice()).unwrap_or_default();
        let files: BTreeSet<&str> = items.iter().map(|item| item.path.as_str()).collect();
        let mut folders = BTreeSet::new();
        for file in &files {
            // Whoever has noted a folder has noted those above it.
            let ends = file.rmatch_indices('/').map(|(end, _)| &file[..end]);
            ends.take_while(|folder| folders.insert(*folder)).for_each(drop);
        }
        let secret = match &volume.source {
            Source::Secret(shown) => stack.secrets.iter().find(|secret| secret.name == shown.name),
            _ => None,
        };
        let keys = secret.into_iter().flat_map(|secret| &secret.keys).map(|key| key.value.as_str()).collect();
        Self { told: !items.is_empty(), files, folders, keys }
    }

    fn has_folder(&self, path: &str) -> bool {
        self.has(path) && !self.files.contains(trimmed(path))
    }

    fn has(&self, path: &str) -> bool {
        let path = trimmed(path);
        path == "/" && !self.files.is_empty() || self.files.contains(path) || self.folders.contains(path)
    }
}

/// No file of a volume is another's folder.
fn nested_items(service: &Service, found: &mut Diagnostics) {
    for volume in service.volumes.iter().filter(|volume| !volume.again) {
        let items = volume.source.shown().into_iter().flat_map(|shown| &shown.items);
        let mut paths: Vec<&str> = items.map(|item| item.path.as_str()).collect();
        paths.sort_by(|a, b| a.split('/').cmp(b.split('/')));
        let nested = paths.windows(2).find(|pair| pair[0] != pair[1] && within(pair[1], pair[0]));
        let Some([file, below]) = nested else { continue };
        let message = format!(
            "volume `{}` of service `{}` has a file `{file}` and a file `{below}` below it",
            volume.key, service.key
        );
        found.push(
            UNMAKEABLE_MOUNT
                .at(volume.place, "cannot be made", message)
                .about(service.subject())
                .help("give one of them another path in `items`"),
        );
    }
}

fn read_only_claims(stack: &Stack, service: &Service, found: &mut Diagnostics) {
    let seen = service
        .containers()
        .flat_map(|part| mounts(service, &part).into_iter().map(move |seen| (part, seen)));
    for (part, seen) in seen.filter(|(_, seen)| seen.writable) {
        let Source::Claim { name, .. } = &seen.volume.source else { continue };
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

#[cfg(test)]
mod tests {
    use super::{trimmed, within};

    #[test]
    fn a_mount_holds_what_is_below_it() {
        assert!(within("/config", "/config/") && within("/config/db", "/config") && within("/x", "/"));
        assert!(!within("/configs", "/config") && !within("/", "/config"));
        assert_eq!((trimmed("//"), trimmed("/a//"), trimmed("")), ("/", "/a", ""));
    }
}
