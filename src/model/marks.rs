//! What objects carry beside their spec: labels, annotations, and the wave they are applied in.

use std::collections::BTreeSet;
use std::sync::Arc;

use rayon::prelude::{IntoParallelRefMutIterator, ParallelIterator};
use serde::Serialize;

use crate::inventory::service::Kind;
use crate::inventory::value::Engine;
use crate::model::gitops::Gitops;
use crate::model::idle::first_mounts;
use crate::model::policy::PodSecurityLevels;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::storage::Claim;
use crate::model::texts::Texts;
use crate::model::volume::Source;
use crate::model::{Environment, Model, facts, monitoring};

/// The recommended labels of Kubernetes.
const NAME: &str = "app.kubernetes.io/name";
const PART_OF: &str = "app.kubernetes.io/part-of";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Argo CD applies objects wave by wave; without it the wave is 0.
const SYNC_WAVE: &str = "argocd.argoproj.io/sync-wave";

/// The annotations of a service's objects.
#[derive(Clone, Debug, PartialEq, Default, Serialize)]
pub struct Annotations {
    /// Of the Deployment, StatefulSet, DaemonSet, Job or CronJob.
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

/// Labels the namespaces of charts.
pub fn mark_charts(model: &mut Model) {
    for chart in &mut model.charts {
        chart.namespace_labels = Texts::from([(MANAGED_BY.to_owned(), "bayplan".to_owned())]);
        secure(&mut chart.namespace_labels, &chart.pod_security_levels);
    }
}

/// Has the engines leave every namespace behind in which a stack keeps data, whichever of the stacks that share it
/// writes it: claims go with their namespace, whatever they say of themselves (argo-cd#22607, flux2#1366).
pub fn keep_namespaces(stacks: &mut [&mut Stack], gitops: Option<&Gitops>) {
    let Some(gitops) = gitops else { return };
    let holding = stacks.iter().filter(|stack| keeps_data(stack));
    let holding: BTreeSet<String> = holding.map(|stack| stack.namespace.value.clone()).collect();
    for stack in stacks.iter_mut().filter(|stack| holding.contains(&stack.namespace.value)) {
        stack.annotations.add_all(&kept_by(gitops.engine_of(stack.layer)));
    }
}

/// Whether something in a stack's namespace goes with it that nothing can bring back.
fn keeps_data(stack: &Stack) -> bool {
    let templates = || stack.services.iter().flat_map(|service| &service.volumes);
    stack.claims.iter().any(loses_data)
        || templates().any(|volume| matches!(volume.from, Source::ClaimTemplate(_)))
}

/// Whether a claim's volume goes with it.
fn loses_data(claim: &Claim) -> bool {
    claim.volume.is_none()
}

/// What tells an engine to leave an object behind that has left the tree. Argo CD would go on trying to be in step with
/// what it does not delete, so it is told not to compare it either.
pub fn kept_by(engine: Engine) -> Texts {
    let texts: &[(&str, &str)] = match engine {
        Engine::Argocd => &[
            ("argocd.argoproj.io/compare-options", "IgnoreExtraneous"),
            ("argocd.argoproj.io/sync-options", "Prune=false,Delete=false"),
        ],
        Engine::Flux => &[("kustomize.toolkit.fluxcd.io/prune", "disabled")],
    };
    texts.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Labels and annotates stacks and services.
pub fn mark_environment(environment: &mut Environment, model: &Model) {
    let gitops = model.gitops.as_ref();
    let route = model.ingress.as_ref().map(|ingress| ingress.annotations.clone()).unwrap_or_default();
    let waits = environment.services().any(|service| !service.depends_on.is_empty());
    environment.has_dependencies = waits;
    environment.stacks.par_iter_mut().for_each(|stack| {
        let engine = gitops.map(|gitops| gitops.engine_of(stack.layer));
        let waves = engine == Some(Engine::Argocd);
        stack.labels.add(PART_OF, &stack.part_of);
        stack.labels.add(MANAGED_BY, "bayplan");
        if let Some(description) = &stack.description {
            stack.annotations.add("kubernetes.io/description", description);
        }
        for service in stack.services.iter_mut().map(Arc::make_mut) {
            service.labels.add_all(&stack.labels);
            // Selectors choose by it.
            service.labels.insert(NAME.to_owned(), service.name.clone());
            service.annotated = annotate(service, stack.env_digest.as_deref(), waves, &route);
            if service.kind == Kind::Job {
                renew(&mut service.annotated.workload, engine);
            }
            if let Some(own) = &mut service.route {
                own.labels = service.labels.clone();
                own.annotations = service.annotated.route.clone();
                own.other_annotations = service.annotated.other.clone();
            }
        }
        if waves {
            order_claims(stack);
        }
        if let Some(engine) = engine {
            keep_claims(stack, engine);
        }
        monitoring::mark(stack, &model.monitoring.labels);
        stack.network = facts::of_stack(stack, &model.nfs);
    });
}

/// Adds the labels of the Pod Security Standards.
pub fn secure(labels: &mut Texts, levels: &PodSecurityLevels) {
    for (key, value) in levels.labels() {
        labels.add(&key, &value);
    }
}

fn annotate(service: &Service, env: Option<&str>, waves: bool, route: &Texts) -> Annotations {
    let mut other = Texts::new();
    if waves && service.wave > 0 {
        other.insert(SYNC_WAVE.to_owned(), service.wave.to_string());
    }
    let (mut workload, mut pod) = (other.clone(), service.annotations.clone());
    if let Some(description) = &service.description {
        workload.add("kubernetes.io/description", description);
    }
    if service.external {
        workload.add("link.argocd.argoproj.io/external-link", &service.url);
    }
    if let Some(digest) = env {
        pod.add("checksum/env", digest);
    }
    if let Some(digest) = &service.files.digest {
        pod.add("checksum/files", digest);
    }
    let mut with_route = other.clone();
    with_route.extend(service.route.iter().flat_map(|own| own.annotations.clone()));
    with_route.extend(route.clone());
    let mut service_own = other.clone();
    let request = service.load_balancer.as_ref().map(|balancer| balancer.annotations.clone());
    service_own.extend(request.unwrap_or_default());
    Annotations { workload, pod, service: service_own, route: with_route, other }
}

/// Nobody may change a job, so one that differs has to be made anew: then, and only then, it runs again. `Replace=true`
/// beside `Force=true` would run it with every sync (argoproj/argo-cd#22952), and server-side apply knows no force.
fn renew(annotations: &mut Texts, engine: Option<Engine>) {
    let (key, value) = match engine {
        Some(Engine::Argocd) => ("argocd.argoproj.io/sync-options", "Force=true,ServerSideApply=false"),
        Some(Engine::Flux) => ("kustomize.toolkit.fluxcd.io/force", "enabled"),
        None => return,
    };
    annotations.add(key, value);
}

/// A claim goes with the first service whose pods mount it, or with the last of all. Some classes bind a claim only
/// when a pod wants it: in an earlier wave it would never be ready, and Argo CD wait for it for ever.
fn order_claims(stack: &mut Stack) {
    let last = stack.services.iter().map(|service| service.wave).max().unwrap_or(0);
    let first = first_mounts(stack);
    let waves: Vec<usize> =
        stack.claims.iter().map(|claim| first.get(claim.name.as_str()).copied().unwrap_or(last)).collect();
    for (claim, wave) in stack.claims.iter_mut().zip(waves) {
        if wave > 0 {
            claim.annotations.add(SYNC_WAVE, &wave.to_string());
        }
    }
}

/// Taking a claim out of the inventory must not delete what people stored: the engine leaves behind a claim
/// whose volume would go with it.
fn keep_claims(stack: &mut Stack, engine: Engine) {
    let kept = kept_by(engine);
    for claim in stack.claims.iter_mut().filter(|claim| loses_data(claim)) {
        claim.annotations.add_all(&kept);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::model::{Model, resolve};
    use crate::source::{FileId, Source};

    fn model(text: &str) -> Model {
        let inventory = crate::inventory::parse(&Source::new("inventory.toml", text), FileId(0));
        let resolved = resolve(&inventory.value);
        for found in [inventory.diagnostics, resolved.diagnostics] {
            let messages: Vec<_> = found.iter().map(|found| found.message.clone()).collect();
            assert!(messages.is_empty(), "{messages:?}");
        }
        resolved.value
    }

    const TEXT: &str = r#"
        [gitops]
        repository = "https://example.org/r.git"
        apps = "argocd"
        [charts.monitoring]
        repository = "https://example.org/charts"
        chart = "kube-prometheus-stack"
        version = "1.0.0"
        namespace = "monitoring"
        [nfs.nas]
        server = "192.168.1.5"
        exports.media = "/media"
        [stacks.b]
        namespace = "shared"
        pod-security = "baseline"
        labels = { team = "x" }
        claims = { early = { size = "1Gi" }, late = { size = "1Gi" }, idle = { size = "1Gi" }, nas = { size = "1Gi", nfs = "nas/media" } }
        [stacks.c]
        namespace = "shared"
        depends-on = ["b"]
        pod-security = "restricted"
        [stacks.a]
        namespace = "shared"
        depends-on = ["c"]
        [services.db]
        stack = "b"
        image = "db:1"
        volumes = { d = { claim = "early", mount = "/d" }, n = { claim = "nas", mount = "/n" } }
        [services.web]
        stack = "b"
        image = "web:1"
        depends-on = ["db"]
        ports.http = 80
        gpu = 2
        resources.limits.cpu = "1"
        labels = { "app.kubernetes.io/name" = "other", team = "y" }
        annotations = { a = "1" }
        monitor = { port = "http" }
        volumes = { d = { claim = "early", mount = "/d" }, l = { claim = "late", mount = "/l" } }
    "#;

    #[test]
    fn the_first_stack_writes_a_shared_namespace() {
        let model = model(TEXT);
        let stacks = &model.environments[0].stacks;
        let writers: Vec<_> =
            stacks.iter().map(|stack| (stack.name.as_str(), stack.writes_namespace)).collect();
        assert_eq!(writers, [("a", false), ("b", true), ("c", false)]);
        let labels = &stacks[1].namespace_labels;
        assert_eq!(labels.get("pod-security.kubernetes.io/enforce").map(String::as_str), Some("restricted"));
        assert_eq!(labels.get("team").map(String::as_str), Some("x"));
        assert_eq!(labels.get("app.kubernetes.io/part-of").map(String::as_str), Some("b"));
    }

    #[test]
    fn claims_go_with_the_first_service_and_keep_their_data() {
        let model = model(TEXT);
        let claims = &model.environments[0].stacks[1].claims;
        let annotations: Json =
            claims.iter().map(|claim| (claim.name.clone(), json!(claim.annotations))).collect();
        let keep = "argocd.argoproj.io/sync-options";
        let ignore = "argocd.argoproj.io/compare-options";
        let ignored = "IgnoreExtraneous";
        let (wave, kept) = ("argocd.argoproj.io/sync-wave", "Prune=false,Delete=false");
        assert_eq!(
            annotations,
            json!({
                "early": { keep: kept, ignore: ignored }, "late": { keep: kept, ignore: ignored, wave: "1" },
                "idle": { keep: kept, ignore: ignored, wave: "1" }, "nas": {},
            })
        );
    }

    #[test]
    fn a_namespace_with_data_stays_whoever_writes_it() {
        let text = r#"
            [gitops]
            repository = "https://example.org/r.git"
            apps = "flux"
            [stacks.a]
            namespace = "shared"
            [stacks.b]
            namespace = "shared"
            [stacks.c]
            [services.web]
            stack = "a"
            image = "web:1"
            ports.http = 80
            [services.db]
            stack = "b"
            kind = "stateful-set"
            image = "db:1"
            ports.sql = 1
            volumes.d = { claim-template = { size = "1Gi" }, mount = "/d" }
            [services.other]
            stack = "c"
            image = "web:1"
            ports.http = 80
        "#;
        let model = model(text);
        let kept = |stack: usize| {
            let annotations = &model.environments[0].stacks[stack].annotations;
            annotations.get("kustomize.toolkit.fluxcd.io/prune").map(String::as_str)
        };
        assert!(model.environments[0].stacks[0].writes_namespace);
        assert_eq!([kept(0), kept(2)], [Some("disabled"), None]);
    }

    #[test]
    fn claims_of_cron_jobs_go_last_and_nothing_waits_for_them() {
        let text = r#"
            [gitops]
            repository = "https://example.org/r.git"
            ENGINE
            [stacks.b]
            claims = { dumps = { size = "1Gi" }, data = { size = "1Gi" } }
            [services.db]
            stack = "b"
            image = "db:1"
            ports.sql = 1
            volumes.d = { claim = "data", mount = "/d" }
            [services.web]
            stack = "b"
            image = "web:1"
            depends-on = ["db"]
            [services.dump]
            stack = "b"
            kind = "cron-job"
            schedule = "0 3 * * *"
            image = "db:1"
            volumes.d = { claim = "dumps", mount = "/d" }
        "#;
        let by = |engine: &str| model(&text.replace("ENGINE", &format!("apps = \"{engine}\"")));
        let argocd = by("argocd");
        let wave = |claim: usize| {
            let annotations = &argocd.environments[0].stacks[0].claims[claim].annotations;
            annotations.get("argocd.argoproj.io/sync-wave").cloned()
        };
        assert_eq!([wave(0), wave(1)], [None, Some("1".to_owned())]);
        let flux = by("flux");
        let apply = &flux.environments[0].stacks[0].delivery.as_ref().unwrap().apply;
        let awaited: Vec<&str> = apply.health_checks.iter().map(|check| check.name.as_str()).collect();
        assert_eq!((apply.wait, awaited), (false, vec!["db", "web"]));
    }

    #[test]
    fn services_carry_what_selectors_and_readers_look_for() {
        let model = model(TEXT);
        let web = &model.environments[0].stacks[1].services[1];
        assert_eq!(web.labels.get("app.kubernetes.io/name").map(String::as_str), Some("web"));
        assert_eq!(web.labels.get("team").map(String::as_str), Some("y"));
        assert_eq!(
            web.monitor.as_ref().unwrap().labels.get("release").map(String::as_str),
            Some("monitoring")
        );
        assert_eq!(json!(web.annotated.pod), json!({ "a": "1" }));
        assert_eq!(json!(web.annotated.service), json!({ "argocd.argoproj.io/sync-wave": "1" }));
        let resources = json!({ "limits": { "cpu": "1", "nvidia.com/gpu": "2" } });
        assert_eq!(json!(web.container_resources), resources);
    }
}
