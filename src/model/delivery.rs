//! What the engines apply: each kustomization of the tree, by whom, in which order.

use serde::Serialize;

use crate::inventory::load_balancer::Provider;
use crate::inventory::stack::Layer;
use crate::inventory::value::Engine;
use crate::model::Model;
use crate::model::argocd::{APPLICATION_HEALTH, Sync};
use crate::model::flux::apply::{Apply, apply};
use crate::model::gitops::{ClusterKind, Gitops};
use crate::model::sources::Source;
use crate::model::stack::Stack;

/// The kustomization of the charts.
pub const CONTROLLERS: &str = "infrastructure-controllers";
/// The kustomization of pools, storage classes and the like.
pub const CONFIGS: &str = "infrastructure-configs";
/// The kustomization of Argo CD's own objects, where Flux applies them.
pub const ARGOCD: &str = "argocd";

/// A kustomization of the tree that an engine applies.
#[derive(Clone, Debug, Serialize)]
pub struct Delivery {
    /// The name of the Flux Kustomization or Argo CD Application.
    pub name: String,
    /// Who applies it.
    pub engine: Engine,
    /// Its folder, from the root of the repository.
    pub path: String,
    /// The deliveries that must be ready before it and that the same engine applies.
    pub after: Vec<String>,
    /// How many deliveries must be ready before it, one after the other.
    pub wave: usize,
    /// The namespace that its objects go to by default.
    pub namespace: String,
    /// Where people reach its services, for the engine's user interface.
    pub links: Vec<String>,
    /// How Argo CD syncs it.
    pub sync: Sync,
    /// What Argo CD applies along with it.
    pub sources: Vec<Source>,
    /// How Flux applies it.
    pub apply: Apply,
}

/// Adds to gitops and to every stack what the engines apply.
pub fn plan(model: &mut Model) {
    let Some(gitops) = model.gitops.clone() else { return };
    let has_charts = !model.charts.is_empty();
    let infrastructure = infrastructure(&gitops, has_charts);
    let base_wave = infrastructure.iter().map(|delivery| delivery.wave + 1).max().unwrap_or(0);
    let own_stacks = model.environments.iter().flat_map(|environment| &environment.stacks);
    let infra_waves =
        own_stacks.filter(|stack| stack.layer == Layer::Infrastructure).map(|stack| stack.wave + 1);
    let apps_wave = base_wave + infra_waves.max().unwrap_or(0);
    for environment in &mut model.environments {
        let (name, stacks) = (&environment.name, &mut environment.stacks);
        let layers: Vec<(String, Layer)> =
            stacks.iter().map(|stack| (stack.name.clone(), stack.layer)).collect();
        for stack in stacks {
            let start = if stack.layer == Layer::Apps { apps_wave } else { base_wave };
            stack.delivery = Some(deliver_stack(&gitops, stack, name, &layers, start));
        }
    }
    if let Some(gitops) = &mut model.gitops {
        gitops.deliveries = infrastructure;
        let by_a_chart = model.charts.iter().any(|chart| chart.chart == "argo-cd");
        let extras = &mut gitops.argocd.extras;
        extras.health_script = (extras.health_customization && !by_a_chart).then_some(APPLICATION_HEALTH);
    }
    permit(model);
}

/// What the AppProject has to allow: no more than what Argo CD applies.
fn permit(model: &mut Model) {
    let Some(gitops) = model.gitops.as_ref().filter(|gitops| gitops.uses_argocd()) else { return };
    let whole = gitops.infrastructure == Engine::Argocd;
    let stacks = model.environments.iter().flat_map(|environment| &environment.stacks);
    let stacks: Vec<&Stack> = stacks
        .filter(|stack| stack.delivery.as_ref().is_some_and(|delivery| delivery.engine == Engine::Argocd))
        .collect();
    let mut repositories = vec![gitops.repository.clone()];
    let from_elsewhere: Vec<&Source> = stacks.iter().flat_map(|stack| &stack.argocd.sources).collect();
    repositories.extend(from_elsewhere.iter().map(|source| source.repository.clone()));
    let several_sources = gitops.argocd.extras.application_set && !from_elsewhere.is_empty();
    let mut destinations = vec![gitops.argocd.namespace.clone()];
    destinations.extend(stacks.iter().map(|stack| stack.namespace.value.clone()));
    if whole {
        // Argo CD writes an OCI registry without its scheme.
        let charts = model.charts.iter();
        repositories.extend(
            charts
                .map(|chart| chart.repository.trim_start_matches("oci://").trim_end_matches('/').to_owned()),
        );
        let of_charts = model.charts.iter().flat_map(|chart| &chart.argocd.sources);
        repositories.extend(of_charts.map(|source| source.repository.clone()));
        destinations.extend(model.charts.iter().map(|chart| chart.namespace.value.clone()));
        destinations.extend(model.velero.iter().map(|velero| velero.namespace.clone()));
        if model.load_balancer.provider == Provider::Metallb {
            destinations.push(model.metallb.namespace.clone());
        }
        destinations.extend(model.ingress.iter().flat_map(|ingress| ingress.namespaces.clone()));
        // Charts put leases and metrics Services there.
        destinations.push("kube-system".to_owned());
    }
    for names in [&mut repositories, &mut destinations] {
        names.sort();
        names.dedup();
    }
    let mut cluster_kinds = Vec::new();
    if whole && !model.charts.is_empty() || !from_elsewhere.is_empty() {
        // Charts bring kinds, roles and webhooks of their own, and so may what comes from elsewhere.
        cluster_kinds.push(ClusterKind { group: "*", kind: "*" });
    }
    if let Some(gitops) = &mut model.gitops {
        gitops.argocd.repositories = repositories;
        gitops.argocd.destinations = destinations;
        gitops.argocd.cluster_kinds = cluster_kinds;
        if several_sources {
            gitops.argocd.extras.list_sources();
        }
    }
}

/// `folder` of the tree, from the root of the repository.
fn path(gitops: &Gitops, folder: &str) -> String {
    if gitops.path.is_empty() { folder.to_owned() } else { format!("{}/{folder}", gitops.path) }
}

fn infrastructure(gitops: &Gitops, has_charts: bool) -> Vec<Delivery> {
    let delivery = |name: &str, folder: &str, after: Vec<String>, namespace: &str| Delivery {
        name: name.to_owned(),
        engine: gitops.infrastructure,
        path: path(gitops, folder),
        wave: after.len(),
        after,
        namespace: namespace.to_owned(),
        links: Vec::new(),
        sync: gitops.argocd.extras.of_folder(),
        sources: Vec::new(),
        apply: apply(&gitops.flux),
    };
    let engine_namespace = gitops.engine_namespace();
    let mut deliveries = Vec::new();
    if has_charts {
        deliveries.push(delivery(CONTROLLERS, "infrastructure/controllers", Vec::new(), engine_namespace));
    }
    let controllers: Vec<String> = deliveries.iter().map(|delivery| delivery.name.clone()).collect();
    deliveries.push(delivery(CONFIGS, "infrastructure/configs", controllers.clone(), engine_namespace));
    // Flux brings Argo CD up, then hands the stacks over to it.
    if gitops.infrastructure == Engine::Flux && gitops.uses_argocd() {
        let after = if has_charts { controllers } else { vec![CONFIGS.to_owned()] };
        deliveries.push(delivery(ARGOCD, "argocd", after, &gitops.argocd.namespace));
    }
    deliveries
}

fn deliver_stack(
    gitops: &Gitops,
    stack: &Stack,
    environment: &str,
    layers: &[(String, Layer)],
    start: usize,
) -> Delivery {
    let engine = gitops.engine_of(stack.layer);
    let mut after: Vec<String> = stack
        .after_stacks
        .iter()
        .filter(|name| {
            layers.iter().any(|(other, layer)| *other == name.value && gitops.engine_of(*layer) == engine)
        })
        .map(|name| format!("{name}-{environment}"))
        .collect();
    if engine == gitops.infrastructure {
        after.push(CONFIGS.to_owned());
        // The whole layer before is waited for, not only what is named.
        if stack.layer == Layer::Apps {
            let before = layers.iter().filter(|(_, layer)| *layer == Layer::Infrastructure);
            after.extend(before.map(|(name, _)| format!("{name}-{environment}")));
        }
    }
    after.sort();
    after.dedup();
    let services: Vec<(&str, &str)> =
        stack.services.iter().map(|service| (service.key.as_str(), service.name.as_str())).collect();
    let extras = &gitops.argocd.extras;
    Delivery {
        sync: extras.of_stack(&stack.argocd, &stack.name, &services, !stack.writes_namespace),
        sources: stack.argocd.sources.clone(),
        apply: stack.flux.clone(),
        name: format!("{}-{environment}", stack.name),
        engine,
        path: path(gitops, &format!("apps/{}/overlays/{environment}", stack.name)),
        after,
        wave: start + stack.wave,
        namespace: stack.namespace.value.clone(),
        links: stack
            .services
            .iter()
            .filter(|service| service.external)
            .map(|service| service.url.clone())
            .collect(),
    }
}
