//! What objects carry beside their spec: labels, annotations, and the wave they are applied in.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::inventory::stack::Layer;
use crate::inventory::value::{Engine, PodSecurity};
use crate::model::gitops::Gitops;
use crate::model::service::{Service, Source};
use crate::model::stack::{Claim, Stack};
use crate::model::{Environment, Model};

/// Labels or annotations.
pub type Texts = BTreeMap<String, String>;

/// The recommended labels of Kubernetes.
const NAME: &str = "app.kubernetes.io/name";
const PART_OF: &str = "app.kubernetes.io/part-of";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Argo CD applies objects wave by wave; without it the wave is 0.
const SYNC_WAVE: &str = "argocd.argoproj.io/sync-wave";

/// The annotations of a service's objects.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Annotations {
    /// Of the Deployment, StatefulSet or DaemonSet.
    pub workload: Texts,
    /// Of its pods: the service's own, and what restarts them when a shared variable changes.
    pub pod: Texts,
    /// Of the Service: the request to the load balancer.
    pub service: Texts,
    /// Of the Ingress, IngressRoute or HTTPRoute.
    pub route: Texts,
    /// Of the other objects.
    pub other: Texts,
}

/// Labels and annotates charts, stacks and services.
pub fn mark(model: &mut Model) {
    for chart in &mut model.charts {
        chart.namespace_labels = BTreeMap::from([(MANAGED_BY.to_owned(), "bayplan".to_owned())]);
        secure(&mut chart.namespace_labels, chart.pod_security);
    }
    let (gitops, route) = (model.gitops.as_ref(), model.ingress.as_ref().map(|ingress| &ingress.annotations));
    mark_environment(&mut model.base, gitops, route);
    for environment in &mut model.environments {
        mark_environment(environment, gitops, route);
    }
    let release = prometheus(model);
    let environments = std::iter::once(&mut model.base).chain(&mut model.environments);
    for service in
        environments.flat_map(|environment| &mut environment.stacks).flat_map(|stack| &mut stack.services)
    {
        if let Some(monitor) = &mut service.monitor {
            monitor.labels = service.labels.clone();
            // The operator of that chart reads only monitors with its own release's label.
            monitor.labels.extend(release.clone().map(|release| ("release".to_owned(), release)));
        }
    }
}

fn mark_environment(environment: &mut Environment, gitops: Option<&Gitops>, route: Option<&Texts>) {
    let waits = environment.services().any(|service| !service.depends_on.is_empty());
    environment.has_dependencies = waits;
    for stack in &mut environment.stacks {
        let engine = gitops.map(|gitops| engine_of(gitops, stack.layer));
        let waves = engine == Some(Engine::Argocd);
        add(&mut stack.labels, PART_OF, &stack.part_of);
        add(&mut stack.labels, MANAGED_BY, "bayplan");
        stack.namespace_labels = stack.labels.clone();
        secure(&mut stack.namespace_labels, stack.pod_security);
        if let Some(description) = &stack.description {
            add(&mut stack.annotations, "kubernetes.io/description", description);
        }
        for service in &mut stack.services {
            for (key, value) in &stack.labels {
                add(&mut service.labels, key, value);
            }
            // Selectors choose by it.
            service.labels.insert(NAME.to_owned(), service.name.clone());
            service.annotated = annotate(service, stack.env_digest.as_deref(), waves, route);
        }
        let services = &stack.services;
        for claim in &mut stack.claims {
            if let Some(wave) = wave_of(claim, services).filter(|_| waves) {
                claim.annotations.entry(SYNC_WAVE.to_owned()).or_insert(wave.to_string());
            }
        }
        keep_data(stack, engine);
    }
}

fn engine_of(gitops: &Gitops, layer: Layer) -> Engine {
    if layer == Layer::Apps { gitops.apps } else { gitops.infrastructure }
}

/// What the inventory says itself wins.
fn add(texts: &mut Texts, key: &str, value: &str) {
    texts.entry(key.to_owned()).or_insert_with(|| value.to_owned());
}

fn secure(labels: &mut Texts, level: Option<PodSecurity>) {
    for mode in ["enforce", "audit", "warn"].into_iter().filter(|_| level.is_some()) {
        add(labels, &format!("pod-security.kubernetes.io/{mode}"), level.map_or("", |level| level.word()));
    }
}

fn annotate(service: &Service, env: Option<&str>, waves: bool, route: Option<&Texts>) -> Annotations {
    let mut other = Texts::new();
    if waves && service.wave > 0 {
        other.insert(SYNC_WAVE.to_owned(), service.wave.to_string());
    }
    let (mut workload, mut pod) = (other.clone(), service.annotations.clone());
    if let Some(description) = &service.description {
        add(&mut workload, "kubernetes.io/description", description);
    }
    if service.external {
        add(&mut workload, "link.argocd.argoproj.io/external-link", &service.url);
    }
    if let Some(digest) = env {
        add(&mut pod, "checksum/env", digest);
    }
    let mut with_route = other.clone();
    with_route.extend(route.cloned().unwrap_or_default());
    let mut service_own = other.clone();
    let request = service.load_balancer.as_ref().map(|balancer| balancer.annotations.clone());
    service_own.extend(request.unwrap_or_default());
    Annotations { workload, pod, service: service_own, route: with_route, other }
}

/// A claim goes with the first service that mounts it, or with the last of all. Some classes bind a claim only
/// when a pod wants it: in an earlier wave it would never be ready, and Argo CD wait for it for ever.
fn wave_of(claim: &Claim, services: &[Service]) -> Option<usize> {
    let mounts = |service: &&Service| {
        let names = |from: &Source| matches!(from, Source::Claim { name, .. } if *name == claim.name);
        service.volumes.iter().any(|volume| names(&volume.from))
    };
    let first = services.iter().filter(mounts).map(|service| service.wave).min();
    first.or_else(|| services.iter().map(|service| service.wave).max()).filter(|wave| *wave > 0)
}

/// Taking a claim out of the inventory must not delete what people stored: the engine leaves behind a claim
/// whose volume would go with it, and the namespace around it.
fn keep_data(stack: &mut Stack, engine: Option<Engine>) {
    let (key, value) = match engine {
        Some(Engine::Argocd) => ("argocd.argoproj.io/sync-options", "Prune=false,Delete=false"),
        Some(Engine::Flux) => ("kustomize.toolkit.fluxcd.io/prune", "disabled"),
        None => return,
    };
    let loses = |claim: &&mut Claim| claim.volume.is_none();
    let mut any = false;
    for claim in stack.claims.iter_mut().filter(loses) {
        add(&mut claim.annotations, key, value);
        any = true;
    }
    if any {
        add(&mut stack.annotations, key, value);
    }
}

/// The release of the chart whose operator reads ServiceMonitors.
fn prometheus(model: &Model) -> Option<String> {
    let chart = model.charts.iter().find(|chart| chart.chart == "kube-prometheus-stack");
    chart.map(|chart| chart.release.clone())
}
