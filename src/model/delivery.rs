//! What the engines apply: each kustomization of the tree, by whom, in which order.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::inventory::load_balancer::Provider;
use crate::inventory::stack::Layer;
use crate::inventory::value::Engine;
use crate::model::argocd::{HEALTH_SCRIPTS, Sync};
use crate::model::chart::Chart;
use crate::model::flux::apply::{Apply, HealthCheck, apply};
use crate::model::gitops::{ClusterKind, Flux, Gitops};
use crate::model::idle::{has_idle_claim, starts};
use crate::model::sources::Source;
use crate::model::stack::Stack;
use crate::model::{Environment, Model};
use crate::source::Spanned;

/// What comes first: namespaces of charts, classes, and the charts themselves where Flux applies them.
pub const CONTROLLERS: &str = "infrastructure-controllers";
/// The charts where Argo CD applies them: their Applications are in its own cluster, whatever that of the rest.
pub const CHARTS: &str = "infrastructure-charts";
/// Pools, issuers, secrets of charts and the like.
pub const CONFIGS: &str = "infrastructure-configs";
/// The charts that need those. They are applied at the same time, because some of them bring along the kinds that the
/// others are of.
pub const RELEASES: &str = "infrastructure-releases";
/// Argo CD's own objects, where Flux applies them.
pub const ARGOCD: &str = "argocd";
/// Those that Argo CD applies itself. There may be a chart `argocd`, whose Application is called so.
pub const PROJECT: &str = "infrastructure-argocd";
/// Flux's own objects: who else would apply a new stack's, and remove an old one's?
pub const FLUX: &str = "flux";

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
    /// The cluster that its objects go to, as Argo CD knows it.
    pub server: String,
    /// The only file of its folder that Argo CD applies.
    pub include: Option<&'static str>,
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
    let Some(mut gitops) = model.gitops.clone() else { return };
    gitops.deliveries = infrastructure(model, &gitops);
    let infrastructure = &gitops.deliveries;
    let base_wave = infrastructure.iter().map(|delivery| delivery.wave + 1).max().unwrap_or(0);
    let own_stacks = model.environments.iter().flat_map(|environment| &environment.stacks);
    let infra_waves =
        own_stacks.filter(|stack| stack.layer == Layer::Infrastructure).map(|stack| stack.wave + 1);
    let apps_wave = base_wave + infra_waves.max().unwrap_or(0);
    let idle = with_idle_claims(model);
    for environment in &mut model.environments {
        let (name, stacks) = (&environment.name, &mut environment.stacks);
        // Flux waits for a Kustomization until that has applied the newest commit, which a suspended one never does.
        let suspended = |stack: &Stack| stack.flux.suspend && gitops.engine_of(stack.layer) == Engine::Flux;
        let awaited: Vec<(String, Layer)> = stacks
            .iter()
            .filter(|stack| !suspended(stack))
            .map(|stack| (stack.name.clone(), stack.layer))
            .collect();
        for stack in stacks {
            let start = if stack.layer == Layer::Apps { apps_wave } else { base_wave };
            let mut delivery = deliver_stack(&gitops, stack, name, &awaited, start);
            if idle.contains(&(name.clone(), stack.name.clone())) {
                wait_for_pods(&mut delivery.apply, stack);
            }
            stack.delivery = Some(delivery);
        }
    }
    let deliveries = gitops.deliveries;
    if let Some(gitops) = &mut model.gitops {
        gitops.deliveries = deliveries;
        gitops.argocd.set_wave = base_wave;
        let by_a_chart = model.charts.iter().any(|chart| chart.chart == "argo-cd");
        let extras = &mut gitops.argocd.extras;
        if extras.health_customization && !by_a_chart {
            extras.health_scripts = HEALTH_SCRIPTS.iter().copied().collect();
        }
    }
    permit(model);
}

/// The environments and stacks of which Flux must not wait for everything: a claim that no pod wants is never ready.
fn with_idle_claims(model: &Model) -> BTreeSet<(String, String)> {
    let stacks = |environment: &'_ Environment| -> Vec<(String, String)> {
        let idle =
            environment.stacks.iter().filter(|stack| !stack.flux.says_wait && has_idle_claim(stack, model));
        idle.map(|stack| (environment.name.clone(), stack.name.clone())).collect()
    };
    model.environments.iter().flat_map(stacks).collect()
}

/// Waits for what runs, instead of for everything.
fn wait_for_pods(apply: &mut Apply, stack: &Stack) {
    apply.wait = false;
    let running = stack.services.iter().filter(|service| starts(service));
    apply.health_checks = running
        .map(|service| HealthCheck {
            api_version: service.kind.api_version().to_owned(),
            kind: service.kind.object_kind().to_owned(),
            name: Spanned::new(service.name.clone(), service.place),
            namespace: stack.namespace.value.clone(),
        })
        .collect();
}

/// What the AppProject has to allow. What has left the tree must stay allowed until it is pruned: Argo CD does not see,
/// let alone delete, what its project does not permit (`getPermittedAppLiveObjects`), and the project is applied first.
/// So any namespace is, unless people want the list as narrow as can be.
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
    if whole {
        // Argo CD writes an OCI registry without its scheme.
        let charts = model.charts.iter();
        repositories.extend(
            charts
                .map(|chart| chart.repository.trim_start_matches("oci://").trim_end_matches('/').to_owned()),
        );
        let of_charts = model.charts.iter().flat_map(|chart| &chart.argocd.sources);
        repositories.extend(of_charts.map(|source| source.repository.clone()));
    }
    repositories.sort();
    repositories.dedup();
    let destinations = match gitops.argocd.extras.strict_kinds {
        true => destinations(model, gitops, &stacks),
        false => vec!["*".to_owned()],
    };
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

/// The namespaces that Argo CD deploys to, without charts.
fn destinations(model: &Model, gitops: &Gitops, stacks: &[&Stack]) -> Vec<String> {
    let mut namespaces = BTreeSet::from([gitops.argocd.namespace.clone()]);
    namespaces.extend(stacks.iter().map(|stack| stack.namespace.value.clone()));
    if gitops.infrastructure == Engine::Argocd {
        namespaces.extend(model.velero.iter().map(|velero| velero.namespace.clone()));
        if model.load_balancer.provider == Provider::Metallb {
            namespaces.insert(model.metallb.namespace.clone());
        }
        namespaces.extend(model.ingress.iter().flat_map(|ingress| ingress.namespaces.clone()));
        // kube-vip and the network's facts have ConfigMaps there.
        namespaces.insert("kube-system".to_owned());
    }
    namespaces.into_iter().collect()
}

/// `folder` of the tree, from the root of the repository.
fn path(gitops: &Gitops, folder: &str) -> String {
    if gitops.path.is_empty() { folder.to_owned() } else { format!("{}/{folder}", gitops.path) }
}

fn infrastructure(model: &Model, gitops: &Gitops) -> Vec<Delivery> {
    let delivery = |name: &str, folder: &str, after: &[&str]| Delivery {
        name: name.to_owned(),
        engine: gitops.infrastructure,
        path: path(gitops, folder),
        wave: 0,
        after: after.iter().map(|name| (*name).to_owned()).collect(),
        namespace: gitops.engine_namespace().to_owned(),
        server: gitops.argocd.server.clone(),
        include: None,
        links: Vec::new(),
        sync: gitops.argocd.extras.of_folder(),
        sources: Vec::new(),
        apply: apply(&gitops.flux),
    };
    let charts = &model.charts;
    let by_flux = gitops.infrastructure == Engine::Flux;
    let has_classes = !model.priority_classes.is_empty()
        || model.storage_classes.iter().any(|class| class.provisioner.is_some());
    let has_first =
        has_classes || charts.iter().any(|chart| chart.writes_namespace || by_flux && !chart.late);
    let mut deliveries = Vec::new();
    if gitops.uses_flux() {
        let apply = apply_itself(&gitops.flux);
        deliveries.push(Delivery { engine: Engine::Flux, apply, ..delivery(FLUX, "flux", &[]) });
    }
    if !by_flux {
        let (server, include) = (gitops.argocd.own_server.to_owned(), Some("project.yaml"));
        deliveries.push(Delivery { server, include, ..delivery(PROJECT, "argocd", &[]) });
    }
    let [early, late] = [false, true].map(|late| charts.iter().filter(move |chart| chart.late == late));
    let in_own = |delivery: Delivery| Delivery { server: gitops.argocd.own_server.to_owned(), ..delivery };
    let mut last = Vec::new();
    let mut wave = 0;
    if has_first {
        let apply = apply_charts(&gitops.flux, early.clone());
        deliveries.push(Delivery { apply, ..delivery(CONTROLLERS, "infrastructure/controllers", &[]) });
        (last, wave) = (vec![CONTROLLERS], 1);
    }
    if !by_flux && early.count() > 0 {
        deliveries.push(in_own(Delivery { wave, ..delivery(CHARTS, "infrastructure/charts", &last) }));
        (last, wave) = (vec![CHARTS], wave + 1);
    }
    deliveries.push(Delivery { wave, ..delivery(CONFIGS, "infrastructure/configs", &last) });
    if late.clone().count() > 0 {
        let apply = apply_charts(&gitops.flux, late);
        let folder = "infrastructure/releases";
        deliveries.push(in_own(Delivery { wave, apply, ..delivery(RELEASES, folder, &last) }));
        last.push(RELEASES);
    }
    // Flux brings Argo CD up, then hands the stacks over to it.
    if by_flux && gitops.uses_argocd() {
        let after = if last.is_empty() { vec![CONFIGS] } else { last };
        let namespace = gitops.argocd.namespace.clone();
        deliveries.push(Delivery { namespace, ..delivery(ARGOCD, "argocd", &after) });
    }
    deliveries
}

/// How Flux applies releases: it waits for all that it finds, unless one of them will never be ready.
fn apply_charts<'c>(flux: &Flux, charts: impl Iterator<Item = &'c Chart> + Clone) -> Apply {
    let mut apply = apply(flux);
    if charts.clone().any(|chart| chart.stuck) {
        apply.wait = false;
        apply.health_checks = charts.filter(|chart| !chart.stuck).map(release).collect();
    }
    apply
}

fn release(chart: &Chart) -> HealthCheck {
    HealthCheck {
        api_version: "helm.toolkit.fluxcd.io/v2".to_owned(),
        kind: "HelmRelease".to_owned(),
        name: Spanned::new(chart.name.clone(), chart.place),
        namespace: chart.release_namespace.clone(),
    }
}

/// How Flux applies its own objects: it cannot wait for what waits for others, itself among them, and when this goes,
/// everything else must not go along. Values of `${NAME}` are for what they apply, not for them.
fn apply_itself(flux: &Flux) -> Apply {
    Apply {
        wait: false,
        deletion_policy: Some("Orphan"),
        substitute: BTreeMap::new(),
        substitute_from: Vec::new(),
        ..apply(flux)
    }
}

/// How a stack is applied. `awaited` are the stacks of its environment that others can wait for.
fn deliver_stack(
    gitops: &Gitops,
    stack: &Stack,
    environment: &str,
    awaited: &[(String, Layer)],
    start: usize,
) -> Delivery {
    let engine = gitops.engine_of(stack.layer);
    let mut after: Vec<String> = stack
        .after_stacks
        .iter()
        .filter(|name| {
            awaited.iter().any(|(other, layer)| *other == name.value && gitops.engine_of(*layer) == engine)
        })
        .map(|name| format!("{name}-{environment}"))
        .collect();
    if engine == gitops.infrastructure {
        let infrastructure = gitops.deliveries.iter().map(|delivery| &delivery.name);
        after.extend(infrastructure.filter(|name| [CONFIGS, RELEASES].contains(&name.as_str())).cloned());
        // The whole layer before is waited for, not only what is named.
        if stack.layer == Layer::Apps {
            let before = awaited.iter().filter(|(_, layer)| *layer == Layer::Infrastructure);
            after.extend(before.map(|(name, _)| format!("{name}-{environment}")));
        }
    }
    after.sort();
    after.dedup();
    Delivery {
        sync: gitops.argocd.extras.of_stack(stack),
        sources: stack.argocd.sources.clone(),
        apply: stack.flux.clone(),
        name: format!("{}-{environment}", stack.name),
        engine,
        path: path(gitops, &format!("apps/{}/overlays/{environment}", stack.name)),
        after,
        wave: start + stack.wave,
        namespace: stack.namespace.value.clone(),
        server: gitops.argocd.server.clone(),
        include: None,
        links: stack
            .services
            .iter()
            .filter(|service| service.external)
            .map(|service| service.url.clone())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use crate::model::resolve;
    use crate::source::{FileId, Source};

    #[test]
    fn nothing_waits_for_a_suspended_stack() {
        let text = r#"
            [gitops]
            repository = "https://example.org/r.git"
            apps = "flux"
            [stacks.base]
            layer = "infrastructure"
            flux.suspend = true
            [stacks.store]
            layer = "infrastructure"
            [stacks.db]
            flux.suspend = true
            [stacks.site]
            depends-on = ["db", "cache"]
            [stacks.cache]
            depends-on = ["db"]
        "#;
        let inventory = crate::inventory::parse(&Source::new("inventory.toml", text), FileId(0));
        let model = resolve(&inventory.value).value.unwrap();
        let after = |name: &str| {
            let stack = model.environments[0].stacks.iter().find(|stack| stack.name == name);
            stack.and_then(|stack| stack.delivery.as_ref()).map(|delivery| delivery.after.clone()).unwrap()
        };
        assert_eq!(after("site"), ["cache-default", "infrastructure-configs", "store-default"]);
        assert_eq!(after("cache"), ["infrastructure-configs", "store-default"]);
        assert_eq!(after("db"), ["infrastructure-configs", "store-default"]);
    }
}
