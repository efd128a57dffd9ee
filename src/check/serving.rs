//! Whom a pool serves: by namespace, by name, and by what a service asks for.

use crate::inventory::load_balancer::Provider;
use crate::model::Model;
use crate::model::claims::AddressClaim;
use crate::model::gateway::NAMESPACE_OF_ENVOY;
use crate::model::load_balancer::Pool;
use crate::model::service::Service;

/// Whether a pool's service allocation lets a service in: its namespace, with or without the environment's suffix,
/// and its name.
pub fn serves(model: &Model, pool: &Pool, service: &Service, suffix: &str) -> bool {
    if model.load_balancer.provider == Provider::KubeVip {
        let own = pool.namespaces.iter().any(|name| name.value == service.namespace);
        return own || (pool.namespaces.is_empty() && !model.kube_vip.serves_apart(&service.namespace));
    }
    let plain = service.namespace.strip_suffix(suffix).unwrap_or(&service.namespace);
    let namespace = pool.namespaces.is_empty()
        || pool.namespaces.iter().any(|name| name.value == service.namespace || name.value == plain);
    let named = pool.services.is_empty() || pool.services.iter().any(|name| name.value == service.key);
    namespace && named
}

/// Whether a service may ask for one of a pool's addresses by name. A pool of kube-vip for every namespace gives none to
/// one with pools of its own, but keeps away from what services there have.
pub fn lets_have(model: &Model, pool: &Pool, service: &Service, suffix: &str) -> bool {
    let for_all = model.load_balancer.provider == Provider::KubeVip && pool.namespaces.is_empty();
    for_all || serves(model, pool, service, suffix)
}

/// The same for a load balancer that is no service of the inventory. Where its Service stands may be known as one of
/// several namespaces.
pub fn serves_another(pool: &Pool, namespaces: &[&str]) -> bool {
    let let_in = |name: &str| namespaces.contains(&name);
    pool.services.is_empty()
        && (pool.namespaces.is_empty() || pool.namespaces.iter().any(|name| let_in(&name.value)))
}

/// Where the Service of the Gateway may stand: beside the Gateway, or beside the controller that some chart installs.
pub fn namespaces_of_gateway(model: &Model) -> Vec<&str> {
    let gateway = model.ingress.as_ref().and_then(|ingress| ingress.written_gateway.as_ref());
    let own = gateway.map(|gateway| gateway.namespace.value.as_str());
    let envoys = gateway.filter(|gateway| gateway.is_envoys()).map(|_| NAMESPACE_OF_ENVOY);
    own.into_iter()
        .chain(envoys)
        .chain(model.charts.iter().map(|chart| chart.namespace.value.as_str()))
        .collect()
}

/// Whether the load balancer of a claim may be given an address of this pool.
pub fn may_take(model: &Model, pool: &Pool, claim: &AddressClaim) -> bool {
    if let Some(place) = claim.service {
        let service = model.service_at(place);
        let asked = service.load_balancer.as_ref().and_then(|balancer| balancer.pool.as_ref());
        let suffix = &model.environments[place.environment].namespace_suffix;
        return asked.is_none_or(|asked| asked.value == pool.name) && serves(model, pool, service, suffix);
    }
    let chart = claim.subject.strip_prefix("charts.");
    match chart.and_then(|name| model.charts.iter().find(|chart| chart.name == name)) {
        Some(chart) => serves_another(pool, &[&chart.namespace.value]),
        None => serves_another(pool, &namespaces_of_gateway(model)),
    }
}
