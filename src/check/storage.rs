//! Storage: claims, storage classes and NFS servers.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostics, codes};
use crate::inventory::node::Node;
use crate::inventory::stack::AccessMode;
use crate::inventory::storage::Backend;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::storage::Claim;
use crate::model::volume::Source;
use crate::model::{Environment, Model};

codes! { Storage:
    /// An export that is no absolute path.
    BAD_EXPORT_PATH = ("bad-export-path", Error, "an NFS export that is not an absolute path");
    /// A claim that nobody mounts.
    UNMOUNTED_CLAIM = ("unmounted-claim", Warning, "a claim that no service mounts");
    /// An access mode that the storage cannot give.
    UNSUPPORTED_ACCESS_MODE = ("unsupported-access-mode", Error, "an access mode that the storage behind the claim cannot give");
    /// Two claims of one volume.
    VOLUME_CLAIMED_TWICE = ("volume-claimed-twice", Error, "two claims are bound to one volume, which binds one only");
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
        for stack in &environment.stacks {
            for service in &stack.services {
                template_modes(model, service, found);
            }
            access_modes(model, environment, stack, found);
        }
    }
    unmounted(model, found);
    claimed_twice(model, found);
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

/// A volume is the cluster's, and is bound to one claim of one namespace. The claims of other environments are others.
fn claimed_twice(model: &Model, found: &mut Diagnostics) {
    let mut taken: BTreeMap<&str, (&Environment, &Stack, &Claim)> = BTreeMap::new();
    for environment in &model.environments {
        for stack in &environment.stacks {
            for claim in stack.claims.iter().filter(|claim| !claim.writes_volume && !claim.existing) {
                let Some(volume) = &claim.volume else { continue };
                let Some((there, other, first)) = taken.get(volume.as_str()) else {
                    taken.insert(volume, (environment, stack, claim));
                    continue;
                };
                if other.namespace.value == stack.namespace.value && first.name == claim.name {
                    continue;
                }
                let place = |environment: &Environment, stack: &Stack, claim: &Claim| {
                    let path = ["stacks", &stack.name, "claims", &claim.name, "volume"];
                    model.place_of(&environment.name, &path).unwrap_or(claim.place)
                };
                let (here, before) = (place(environment, stack, claim), place(there, other, first));
                let whose = if here == before {
                    format!("claim `{}` in `{}` and in `{}`", claim.name, there.name, environment.name)
                } else {
                    format!("claims `{}` and `{}`", first.name, claim.name)
                };
                let message = format!("volume `{volume}` is bound to one claim, and wanted by {whose}");
                let diagnostic = VOLUME_CLAIMED_TWICE.at(here, "wanted here", message);
                let diagnostic =
                    if here == before { diagnostic } else { diagnostic.because(before, "wanted here, too") };
                found.push(diagnostic.about(stack.claim_subject(&claim.name)).help(
                    "give each its own volume, in an environment by `environments.NAME.stacks`, or let one claim do for both",
                ));
            }
        }
    }
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

/// A claim that no environment's services mount. A stack without services keeps claims for others.
fn unmounted(model: &Model, found: &mut Diagnostics) {
    let mut claims: BTreeMap<(&str, &str), (&Stack, &Claim, bool)> = BTreeMap::new();
    for stack in model.environments.iter().flat_map(|environment| &environment.stacks) {
        let volumes = stack.services.iter().flat_map(|service| &service.volumes);
        let mounted: BTreeSet<&str> = volumes
            .filter_map(|volume| match &volume.source {
                Source::Claim { name, .. } => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let patches = stack.services.iter().flat_map(|service| service.patches.iter());
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
