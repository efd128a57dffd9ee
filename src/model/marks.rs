//! What objects carry beside their spec: labels, annotations, and the wave they are applied in.

use std::sync::Arc;

use rayon::prelude::{IntoParallelRefMutIterator, ParallelIterator};
use serde::Serialize;

use crate::inventory::service::Kind;
use crate::inventory::value::Engine;
use crate::model::argocd::merged;
use crate::model::idle::first_mounts;
use crate::model::ingress::Ingress;
use crate::model::policy::PodSecurityLevels;
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::texts::Texts;
use crate::model::{Environment, Model, facts, monitoring};

/// The recommended labels of Kubernetes.
const NAME: &str = "app.kubernetes.io/name";
const PART_OF: &str = "app.kubernetes.io/part-of";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Argo CD applies objects wave by wave; without it the wave is 0.
const SYNC_WAVE: &str = "argocd.argoproj.io/sync-wave";
/// What Argo CD is told of one object, with commas in between.
const SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";

/// The annotations of a service's objects.
#[derive(Clone, Debug, PartialEq, Default, Serialize)]
pub struct Annotations {
    /// Of the Deployment, StatefulSet, DaemonSet, Job or CronJob.
    pub workload: Texts,
    /// Of its pods: the service's own, and what restarts them when a shared variable changes.
    pub pod: Texts,
    /// Of the Service: the request to the load balancer, unless another one has that.
    pub service: Texts,
    /// Of the Service beside it for what is reached from outside.
    pub external: Texts,
    /// Of the IngressRouteTCP or IngressRouteUDP.
    pub entry: Texts,
    /// Of the other objects.
    pub other: Texts,
}

/// Labels the namespaces of charts.
pub fn mark_charts(model: &mut Model) {
    for chart in &mut model.charts {
        chart.namespace_labels = Texts::from([(MANAGED_BY, "bayplan")]);
        secure(&mut chart.namespace_labels, &chart.pod_security_levels);
    }
}

/// What tells an engine to leave an object behind that has left the tree. Each engine's own mark, whoever applies it
/// now: when an inventory goes from one engine to the other, the old one applies the new tree once more before it lets
/// go, and would take its mark off with its own hand. Argo CD would go on trying to be in step with what it does not
/// delete, so it is told not to compare it either.
pub fn kept_by(engine: Engine) -> Texts {
    let mut marks = Texts::new();
    marks.add(SYNC_OPTIONS, "Prune=false,Delete=false");
    marks.add("kustomize.toolkit.fluxcd.io/prune", "disabled");
    if engine == Engine::Argocd {
        marks.add("argocd.argoproj.io/compare-options", "IgnoreExtraneous");
    }
    marks
}

/// Labels and annotates stacks and services.
pub fn mark_environment(environment: &mut Environment, model: &Model) {
    let gitops = model.gitops.as_ref();
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
            // Selectors choose by it.
            service.labels.insert(NAME, service.name.as_str());
            service.labels.add_all(&stack.labels);
            if let Some(external) = &mut service.external_service {
                external.labels = service.labels.clone();
                external.labels.insert(NAME, external.name.clone());
            }
            service.annotated = annotate(service, stack.env_digest.as_deref(), waves, model.ingress.as_ref());
            if service.kind == Kind::Job {
                renew(&mut service.annotated.workload, engine);
            }
            for route in &mut service.routes {
                route.labels = service.labels.clone();
                let own = std::mem::replace(&mut route.annotations, service.annotated.other.clone());
                route.annotations.extend(own);
                route
                    .annotations
                    .extend(model.ingress.iter().flat_map(|ingress| ingress.annotations.clone()));
                route.other_annotations = service.annotated.other.clone();
            }
        }
        if waves {
            order_claims(stack);
        }
        if let Some(engine) = engine {
            keep(stack, engine);
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

fn annotate(service: &Service, env: Option<&str>, waves: bool, ingress: Option<&Ingress>) -> Annotations {
    let mut other = Texts::new();
    if waves && service.wave > 0 {
        other.insert(SYNC_WAVE, service.wave.to_string());
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
    let mut entry = other.clone();
    entry.extend(ingress.map(Ingress::class_annotation).unwrap_or_default());
    let mut service_own = other.clone();
    let request = service.load_balancer.as_ref().map(|balancer| balancer.annotations.clone());
    let mut external = Texts::new();
    if service.external_service.is_some() {
        external.extend(other.clone());
        external.extend(request.unwrap_or_default());
    } else if service.service_type == "LoadBalancer" {
        service_own.extend(request.unwrap_or_default());
    }
    Annotations { workload, pod, service: service_own, external, entry, other }
}

/// Nobody may change a job, so one that differs has to be made anew: then, and only then, it runs again. `Replace=true`
/// beside `Force=true` would run it with every sync (argoproj/argo-cd#22952), and server-side apply knows no force.
fn renew(annotations: &mut Texts, engine: Option<Engine>) {
    let (key, value) = match engine {
        Some(Engine::Argocd) => (SYNC_OPTIONS, "Force=true,ServerSideApply=false"),
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

/// Taking a stack out of the inventory must not delete what people stored or made by hand. Everything goes with its
/// namespace, whatever it says of itself (argo-cd#22607, flux2#1366), and a claim's volume may go with the claim, but for
/// one that the tree writes.
fn keep(stack: &mut Stack, engine: Engine) {
    let kept = kept_by(engine);
    let claims = stack.claims.iter_mut().filter(|claim| !claim.writes_volume);
    for annotations in claims.map(|claim| &mut claim.annotations).chain([&mut stack.annotations]) {
        let options = |texts: &Texts| -> Vec<String> {
            let text = texts.get(SYNC_OPTIONS).unwrap_or_default();
            text.split(',')
                .filter(|option| !option.is_empty())
                .map(|option| option.trim().to_owned())
                .collect()
        };
        // What people write themselves counts more, and does not take the marks away.
        let all = merged(options(&kept), &options(annotations)).join(",");
        annotations.add_all(&kept);
        annotations.insert(SYNC_OPTIONS, all);
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
        resolved.value.unwrap()
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
        [stacks.b.claims]
        early = { size = "1Gi" }
        late = { size = "1Gi", annotations = { "argocd.argoproj.io/sync-options" = "Validate=false" } }
        idle = { size = "1Gi", volume = "archive" }
        nas = { size = "1Gi", nfs = "nas/media" }
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
        assert_eq!(labels.get("pod-security.kubernetes.io/enforce"), Some("restricted"));
        assert_eq!(labels.get("team"), Some("x"));
        assert_eq!(labels.get("app.kubernetes.io/part-of"), Some("b"));
    }

    #[test]
    fn claims_go_with_the_first_service_and_keep_their_data() {
        let model = model(TEXT);
        let claims = &model.environments[0].stacks[1].claims;
        let annotations: Json =
            claims.iter().map(|claim| (claim.name.clone(), json!(claim.annotations))).collect();
        let kept = |options: &str, wave: Option<&str>| {
            let mut kept = json!({
                "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
                "argocd.argoproj.io/sync-options": options,
                "kustomize.toolkit.fluxcd.io/prune": "disabled",
            });
            if let Some(wave) = wave {
                kept["argocd.argoproj.io/sync-wave"] = wave.into();
            }
            kept
        };
        let both = "Prune=false,Delete=false";
        assert_eq!(
            annotations,
            json!({
                "early": kept(both, None), "late": kept("Prune=false,Delete=false,Validate=false", Some("1")),
                "idle": kept(both, Some("1")), "nas": {},
            })
        );
    }

    #[test]
    fn namespaces_stay_with_either_engine() {
        let text = r#"
            [gitops]
            repository = "https://example.org/r.git"
            apps = "flux"
            [stacks.a]
            [services.web]
            stack = "a"
            image = "web:1"
            ports.http = 80
        "#;
        let annotations = json!(model(text).environments[0].stacks[0].annotations);
        assert_eq!(
            annotations,
            json!({
                "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
                "kustomize.toolkit.fluxcd.io/prune": "disabled",
            })
        );
        let alone = text.replace("apps = \"flux\"", "").replace("[gitops]", "").replace("repository", "#");
        assert!(model(&alone).environments[0].stacks[0].annotations.is_empty());
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
            annotations.get("argocd.argoproj.io/sync-wave").map(str::to_owned)
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
        assert_eq!(web.labels.get("app.kubernetes.io/name"), Some("web"));
        assert_eq!(web.labels.get("team"), Some("y"));
        assert_eq!(web.monitor.as_ref().unwrap().labels.get("release"), Some("monitoring"));
        assert_eq!(json!(web.annotated.pod), json!({ "a": "1" }));
        assert_eq!(json!(web.annotated.service), json!({ "argocd.argoproj.io/sync-wave": "1" }));
        let resources = json!({ "limits": { "cpu": "1", "nvidia.com/gpu": "2" } });
        assert_eq!(json!(web.container_resources), resources);
    }
}
