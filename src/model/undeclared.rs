//! Names of objects that the inventory does not declare: whether the tree has them shows only when it is rendered.

use serde_json::Value as Json;

use crate::model::Model;
use crate::model::env::SourcedEnv;
use crate::model::middleware::Middleware;
use crate::model::service::Service;
use crate::model::volume::Source;

/// Whether a service or chart names a ConfigMap, a service account or a Secret that the inventory does not declare.
pub fn any(model: &Model) -> bool {
    let values_from = model.charts.iter().any(|chart| !chart.flux.values_from.is_empty());
    values_from || of_ingress(model) || model.services().any(of_service)
}

/// Secrets that middlewares and issuers name.
fn of_ingress(model: &Model) -> bool {
    model.ingress.as_ref().is_some_and(|ingress| {
        let guarded =
            |one: &Middleware| ["basicAuth", "digestAuth"].iter().any(|kind| one.spec.get(kind).is_some());
        ingress.middlewares.iter().any(guarded) || !ingress.issuers.is_empty()
    })
}

fn of_service(service: &Service) -> bool {
    let beside = || service.init_containers.iter().chain(&service.sidecars);
    let config_map = |variable: &SourcedEnv| variable.from.get("configMapKeyRef").is_some();
    let set = |set: &Json| set.get("configMapRef").is_some();
    (service.service_account.is_some() && service.rbac.is_none())
        || service.volumes.iter().any(|volume| matches!(volume.source, Source::ConfigMap(_)))
        || service.sourced_env.iter().chain(beside().flat_map(|one| &one.sourced_env)).any(config_map)
        || service.pod.env_from.iter().chain(beside().flat_map(|one| &one.env_from)).any(set)
}
