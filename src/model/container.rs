//! The containers of a service's pods: its own, those that prepare, and those beside it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value as Json;

use crate::inventory::container::{ContainerMount, InitContainer, Sidecar};
use crate::inventory::record::Map;
use crate::inventory::service::Probe as WrittenProbe;
use crate::inventory::value::{OrOff, PassthroughTable, Text};
use crate::inventory::workload::Lifecycle;
use crate::inventory::{self, MISSING_KEY};
use crate::model::BAD_VALUE;
use crate::model::env::{
    EnvVar, SecretEnv, SourcedEnv, lower_env, lower_env_from, lower_secret_env, lower_sourced_env,
};
use crate::model::environment::Around;
use crate::model::naming::{NameKind, check_name, report_unknown};
use crate::model::pod::{hooks, read_files};
use crate::model::port::{Port, lower_ports};
use crate::model::probe::{Asked, Probe, lower_probes};
use crate::model::references::Resolver;
use crate::model::service::{Resources, Service, lower_resources};
use crate::model::stack::Stack;
use crate::model::texts::{list, passthrough};
use crate::model::volume::{Volume, check_mount_path, check_sub_path};
use crate::source::{Span, Spanned};

/// A container beside a service's own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Container {
    /// Its name in the pod.
    pub name: String,
    /// Its image.
    pub image: Spanned<String>,
    /// When it runs.
    pub role: Role,
    /// The command.
    pub command: Vec<String>,
    /// Its arguments.
    pub args: Vec<String>,
    /// The folder that it starts in.
    pub working_dir: Option<String>,
    /// Its variables.
    pub env: Vec<EnvVar>,
    /// Variables that come from secrets.
    pub secret_env: Vec<SecretEnv>,
    /// Variables whose values stand elsewhere.
    pub sourced_env: Vec<SourcedEnv>,
    /// Whole sets of variables.
    pub env_from: Vec<Json>,
    /// Secrets that are read whole.
    #[serde(skip)]
    pub whole_secrets: BTreeSet<String>,
    /// What runs when it starts and before it stops.
    pub lifecycle: Json,
    /// The ports it listens on.
    pub ports: Vec<Port>,
    /// Requests and limits.
    pub resources: Resources,
    /// Its security context.
    pub security_context: Option<Spanned<Json>>,
    /// How its health is told.
    pub probe: Option<Box<Probe>>,
    /// What is mounted.
    pub mounts: Vec<Mount>,
    /// Its files, until they have become mounts.
    #[serde(skip)]
    pub files: Vec<(Spanned<String>, String)>,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// When a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// To its end, before the others.
    Init,
    /// From before the service's own container until after it.
    Native,
    /// Beside the service's own container, or as it.
    Beside,
}

/// Where a container sees a volume of the service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mount {
    /// The volume's name in the pod.
    pub name: String,
    /// Where it appears.
    pub path: Spanned<String>,
    /// A part of it.
    pub sub_path: Option<String>,
    /// Read-only.
    pub read_only: bool,
    /// The volume's name in the inventory.
    #[serde(skip)]
    pub volume: String,
}

/// One container of a service's pods, as rules look at all of them.
#[derive(Clone, Copy, Debug)]
pub struct Part<'s> {
    /// Its table in the service and its name there; `None` for the service's own.
    pub table: Option<(&'static str, &'s str)>,
    /// When it runs.
    pub role: Role,
    /// Its image.
    pub image: &'s Spanned<String>,
    /// Its variables.
    pub env: &'s [EnvVar],
    /// Variables that come from secrets.
    pub secret_env: &'s [SecretEnv],
    /// Variables whose values stand elsewhere.
    pub sourced_env: &'s [SourcedEnv],
    /// Requests and limits.
    pub resources: &'s Resources,
    /// Its security context.
    pub security_context: Option<&'s Spanned<Json>>,
    /// What it mounts, if it is not the service's own, whose mounts stand at the volumes.
    pub mounts: Option<&'s [Mount]>,
    /// The place of its name.
    pub place: Span,
}

impl Part<'_> {
    /// What messages call it.
    pub fn named(&self, service: &str) -> String {
        match self.table {
            None => format!("service `{service}`"),
            Some(("init-containers", name)) => format!("init container `{name}` of service `{service}`"),
            Some((_, name)) => format!("sidecar `{name}` of service `{service}`"),
        }
    }
}

impl Service {
    /// The Secrets that its containers read whole as variables, and those that open registries.
    pub fn whole_secrets(&self) -> impl Iterator<Item = &String> {
        let beside = self.init_containers.iter().chain(&self.sidecars);
        self.pod.whole_secrets.iter().chain(beside.flat_map(|container| &container.whole_secrets))
    }

    /// Every container of its pods, its own first.
    pub fn containers(&self) -> impl Iterator<Item = Part<'_>> {
        let own = Part {
            table: None,
            role: Role::Beside,
            image: &self.image,
            env: &self.env,
            secret_env: &self.secret_env,
            sourced_env: &self.sourced_env,
            resources: &self.container_resources,
            security_context: self.security_context.as_deref(),
            mounts: None,
            place: self.place,
        };
        std::iter::once(own).chain(self.init_containers.iter().chain(&self.sidecars).map(part))
    }
}

fn part(container: &Container) -> Part<'_> {
    let table = if container.role == Role::Init { "init-containers" } else { "sidecars" };
    Part {
        table: Some((table, &container.name)),
        role: container.role,
        image: &container.image,
        env: &container.env,
        secret_env: &container.secret_env,
        sourced_env: &container.sourced_env,
        resources: &container.resources,
        security_context: container.security_context.as_ref(),
        mounts: Some(&container.mounts),
        place: container.place,
    }
}

/// What containers of both kinds have in common, as written.
struct Written<'t> {
    name: String,
    image: Option<&'t Text>,
    role: Role,
    command: &'t [Text],
    args: &'t [Text],
    working_dir: Option<&'t Text>,
    field_env: &'t Map<Text>,
    config_map_env: &'t Map<Text>,
    env_from: &'t [Text],
    files: &'t Map<OrOff<Text>>,
    lifecycle: Option<&'t Lifecycle>,
    env: &'t Map<inventory::value::Scalar>,
    secret_env: &'t Map<inventory::service::SecretKey>,
    resources: Option<&'t inventory::service::Resources>,
    security_context: Option<&'t PassthroughTable>,
    mounts: &'t Map<OrOff<ContainerMount>>,
    place: Span,
}

/// The containers beside a service's own: those that Kubernetes starts before it, in order, and those it starts with it.
pub fn lower_containers(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    stack: Option<&Stack>,
    table: &inventory::service::Service,
    volumes: &[Volume],
) -> (Vec<Container>, Vec<Container>) {
    let mut first: Vec<Container> = table
        .init_containers
        .iter()
        .map(|step| {
            let mut container = lower(resolver, around, stack, of_step(step), table, volumes);
            if step.image.is_none()
                && let Some(image) = &table.image
            {
                container.image = resolver.text(image);
            }
            container
        })
        .collect();
    let mut beside = Vec::new();
    for (name, entry) in &table.sidecars {
        let Some(sidecar) = entry.value.on() else { continue };
        let written = of_sidecar(name, entry.key, sidecar);
        let mut container = lower(resolver, around, stack, written, table, volumes);
        container.ports = lower_ports(resolver, &sidecar.ports);
        for port in &mut container.ports {
            port.container = Some(name.clone());
        }
        if container.role == Role::Native {
            check_native(resolver, around, sidecar);
            first.push(container);
        } else {
            beside.push(container);
        }
    }
    (first, beside)
}

/// Lowers the probes of sidecars, once all ports of the pod are known.
pub fn lower_sidecar_probes(
    resolver: &mut Resolver<'_>,
    table: &inventory::service::Service,
    ports: &[Port],
    containers: &mut [Container],
) {
    let written: BTreeMap<&str, &OrOff<WrittenProbe>> = table
        .sidecars
        .iter()
        .filter_map(|(name, entry)| Some((name.as_str(), entry.value.on()?.probe.as_ref()?)))
        .collect();
    for container in containers.iter_mut().filter(|container| container.role != Role::Init) {
        let probe = written.get(container.name.as_str()).copied();
        let own = container.ports.iter().map(|port| (port.port.value, port.name.as_str())).min();
        let asked = Asked { probe, ..Asked::default() };
        let main = own.map(|(_, name)| name.to_owned());
        container.probe = lower_probes(resolver, &asked, ports, Some(&container.name), main.as_deref());
    }
}

fn check_native(resolver: &mut Resolver<'_>, around: &Around<'_>, sidecar: &Sidecar) {
    let cluster = &around.model.cluster;
    let Some(flag) = sidecar.native.filter(|_| cluster.version < (1, 29)) else { return };
    resolver.found.push(
        BAD_VALUE
            .at(
                flag.span,
                "since Kubernetes 1.29",
                format!("Kubernetes {} has no native sidecars", cluster.kubernetes),
            )
            .help("drop `native`, or raise `cluster.kubernetes`"),
    );
}

fn of_step(step: &InitContainer) -> Written<'_> {
    Written {
        name: step.name.as_ref().map(|name| name.value.clone()).unwrap_or_default(),
        image: step.image.as_ref(),
        role: Role::Init,
        command: &step.command,
        args: &step.args,
        working_dir: step.working_dir.as_ref(),
        field_env: &step.field_env,
        config_map_env: &step.config_map_env,
        env_from: &step.env_from,
        files: &step.files,
        lifecycle: None,
        env: &step.env,
        secret_env: &step.secret_env,
        resources: step.resources.as_ref(),
        security_context: step.security_context.as_ref(),
        mounts: &step.mounts,
        place: step.name.as_ref().map_or(step.span, |name| name.span),
    }
}

fn of_sidecar<'t>(name: &str, place: Span, sidecar: &'t Sidecar) -> Written<'t> {
    let native = sidecar.native.is_some_and(|flag| flag.value);
    Written {
        name: name.to_owned(),
        image: sidecar.image.as_ref(),
        role: if native { Role::Native } else { Role::Beside },
        command: &sidecar.command,
        args: &sidecar.args,
        working_dir: sidecar.working_dir.as_ref(),
        field_env: &sidecar.field_env,
        config_map_env: &sidecar.config_map_env,
        env_from: &sidecar.env_from,
        files: &sidecar.files,
        lifecycle: sidecar.lifecycle.as_ref().and_then(OrOff::on),
        env: &sidecar.env,
        secret_env: &sidecar.secret_env,
        resources: sidecar.resources.as_ref(),
        security_context: sidecar.security_context.as_ref(),
        mounts: &sidecar.mounts,
        place,
    }
}

fn lower(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    stack: Option<&Stack>,
    written: Written<'_>,
    table: &inventory::service::Service,
    volumes: &[Volume],
) -> Container {
    if !written.name.is_empty() {
        check_name(resolver, &written.name, written.place, "a container", NameKind::Label);
    }
    let sets = lower_env_from(resolver, stack, written.env_from);
    Container {
        working_dir: written.working_dir.map(|text| resolver.text(text).value),
        sourced_env: lower_sourced_env(resolver, written.field_env, written.config_map_env),
        env_from: sets.env_from,
        whole_secrets: sets.secrets,
        lifecycle: written
            .lifecycle
            .map_or(Json::Null, |own| hooks(resolver, around, own, table.termination_grace_period.as_ref())),
        files: read_files(resolver, written.files),
        image: written.image.map(|text| resolver.text(text)).unwrap_or_default(),
        role: written.role,
        command: list(resolver, written.command),
        args: list(resolver, written.args),
        env: lower_env(resolver, written.env),
        secret_env: lower_secret_env(resolver, stack, written.secret_env),
        ports: Vec::new(),
        resources: lower_resources(resolver, written.resources),
        security_context: passthrough(resolver, written.security_context),
        probe: None,
        mounts: lower_mounts(resolver, written.mounts, table, volumes),
        name: written.name,
        place: written.place,
    }
}

/// A mount of a volume that is switched off goes with it.
fn lower_mounts(
    resolver: &mut Resolver<'_>,
    mounts: &Map<OrOff<ContainerMount>>,
    table: &inventory::service::Service,
    volumes: &[Volume],
) -> Vec<Mount> {
    let mut lowered = Vec::new();
    for (name, entry) in mounts {
        let Some(ContainerMount(mount)) = entry.value.on() else { continue };
        let Some(volume) = volumes.iter().find(|volume| volume.key == *name) else {
            if !table.volumes.contains_key(name) {
                let known: Vec<&str> = volumes.iter().map(|volume| volume.key.as_str()).collect();
                let named = Spanned::new(name.clone(), entry.key);
                report_unknown(resolver, &named, "volume of the service", &known);
            }
            continue;
        };
        let path = mount.path.as_ref().map(|text| resolver.text(text)).unwrap_or_default();
        check_mount_path(resolver, &path);
        let sub_path = mount.sub_path.as_ref().map(|text| resolver.text(text));
        check_sub_path(resolver, sub_path.as_ref());
        lowered.push(Mount {
            name: volume.name.clone(),
            path,
            sub_path: sub_path.map(|path| path.value),
            read_only: mount.read_only.is_some_and(|flag| flag.value),
            volume: name.clone(),
        });
    }
    lowered
}

/// Reports volumes that appear in no container.
pub fn report_unmounted(
    resolver: &mut Resolver<'_>,
    service: &str,
    volumes: &[Volume],
    containers: &[&[Container]],
) {
    let mounts = || containers.iter().copied().flatten().flat_map(|container| &container.mounts);
    for volume in volumes.iter().filter(|volume| volume.mount.is_empty()) {
        if volume.mount.span == volume.written && !mounts().any(|mount| mount.volume == volume.key) {
            let path = format!("services.{service}.volumes.{}", volume.key);
            resolver.found.push(
                MISSING_KEY
                    .at(volume.written, "`mount` is missing here", format!("`{path}` needs `mount`"))
                    .help("add `mount`: where it appears in the service's container")
                    .about(format!("services.{service}")),
            );
        }
    }
}
