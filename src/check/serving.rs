//! Whom a pool serves: by namespace, by name, and by what a service asks for.

use crate::inventory::load_balancer::Provider;
use crate::model::Model;
use crate::model::claims::AddressClaim;
use crate::model::load_balancer::Pool;
use crate::model::service::Service;

/// Whether a pool decides who may ask for one of its addresses by name. kube-vip's only give out.
pub fn gates_addresses(model: &Model) -> bool {
    model.load_balancer.provider != Provider::KubeVip
}

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
    own.into_iter().chain(model.charts.iter().map(|chart| chart.namespace.value.as_str())).collect()
}

/// Whether the load balancer of a claim may be given an address of this pool.
pub fn may_take(model: &Model, pool: &Pool, claim: &AddressClaim) -> bool {
    if let Some(place) = claim.service {
        let service = model.service_at(place);
        let asked = service.load_balancer.as_ref().and_then(|balancer| balancer.pool.as_ref());
        let suffix = &model.environments[place.environment].namespace_suffix;
        return asked.is_none_or(|asked| asked.value == pool.name) && serves(model, pool, service, suffix);
    }
    if !gates_addresses(model) {
        return true;
    }
    let chart = claim.subject.strip_prefix("charts.");
    match chart.and_then(|name| model.charts.iter().find(|chart| chart.name == name)) {
        Some(chart) => serves_another(pool, &[&chart.namespace.value]),
        None => serves_another(pool, &namespaces_of_gateway(model)),
    }
}
