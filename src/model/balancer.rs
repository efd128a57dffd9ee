//! A service's load balancer: the addresses it asks for, and how it asks.

use std::net::IpAddr;

use serde::Serialize;

use crate::address::Family;
use crate::inventory;
use crate::inventory::load_balancer::Provider;
use crate::inventory::service::TrafficPolicy;
use crate::inventory::value::OneOrMany;
use crate::model::environment::Around;
use crate::model::naming::report_unknown;
use crate::model::references::Resolver;
use crate::model::texts::Texts;
use crate::model::{BAD_VALUE, Model};
use crate::source::{Span, Spanned};

/// `ip = "auto"`: any address of a pool.
pub const AUTO: &str = "auto";

/// A load balancer's request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoadBalancer {
    /// The addresses asked for; none for any of a pool.
    pub addresses: Vec<Spanned<IpAddr>>,
    /// The way that each came by, if it is a reference: see [`Resolver::way_of`].
    #[serde(skip)]
    pub ways: Vec<Vec<String>>,
    /// Addresses were asked for, and none of them could be read: reported.
    #[serde(skip)]
    pub unread: bool,
    /// The place of `ip`.
    #[serde(skip)]
    pub place: Span,
    /// The pool asked for.
    pub pool: Option<Spanned<String>>,
    /// The sharing key.
    pub share_key: Option<Spanned<String>>,
    /// Traffic goes only to nodes that run a pod.
    pub local: bool,
    /// The annotations that ask for all that.
    pub annotations: Texts,
    /// `RequireDualStack` or `SingleStack`, where the cluster's default would not do.
    pub ip_family_policy: Option<&'static str>,
    /// `IPv4`, `IPv6`, where the cluster's default would not do.
    pub ip_families: Vec<&'static str>,
}

/// Lowers `ip` and what belongs to it.
pub fn lower_load_balancer(
    resolver: &mut Resolver<'_>,
    around: &Around<'_>,
    table: &inventory::service::Service,
) -> Option<LoadBalancer> {
    let OneOrMany(written) = table.ip.as_ref()?.on()?;
    let first = written.first()?;
    let place = first.0.span;
    let fixed: Vec<_> = written.iter().filter(|text| text.0.value != AUTO).collect();
    if fixed.len() != written.len() && written.len() > 1 {
        resolver.found.push(
            BAD_VALUE
                .at(place, "`auto` beside addresses", "`ip` lists `auto` beside addresses")
                .help("give `ip = \"auto\"`, or the addresses"),
        );
    }
    let unread = !fixed.is_empty();
    let mut addresses = Vec::new();
    let mut ways = Vec::new();
    for text in fixed {
        if let Some(address) = resolver.address(text) {
            addresses.push(address);
            ways.push(resolver.way_of(&text.0));
        }
    }
    let provider = around.model.load_balancer.provider;
    check_keys(resolver, provider, table, unread);
    let pool = table.pool.as_ref().map(|text| resolver.text(text)).and_then(|pool| {
        let pools = around.model.pools();
        if pools.iter().any(|known| known.name == pool.value) {
            return Some(pool);
        }
        let known = resolver.known(pools.iter().map(|pool| pool.name.as_str()));
        report_unknown(resolver, &pool, "pool", &known);
        None
    });
    let share_key = table.share_ip.as_ref().map(|text| resolver.text(text));
    let (ip_family_policy, ip_families) = families(&addresses, &around.model.cluster.service_families());
    Some(LoadBalancer {
        annotations: annotations(around.model, &addresses, pool.as_ref(), share_key.as_ref()),
        unread: unread && addresses.is_empty(),
        addresses,
        ways,
        place,
        pool,
        share_key,
        local: table.external_traffic_policy.is_some_and(|policy| policy.value == TrafficPolicy::Local),
        ip_family_policy,
        ip_families,
    })
}

/// The annotations that ask whatever gives services their addresses. servicelb is not asked: it takes the nodes'.
pub fn annotations(
    model: &Model,
    addresses: &[Spanned<IpAddr>],
    pool: Option<&Spanned<String>>,
    share_key: Option<&Spanned<String>>,
) -> Texts {
    let written: Vec<String> = addresses.iter().map(|address| address.to_string()).collect();
    let metallb = model.metallb.annotation_prefix;
    let (address_key, pool_key, sharing_key) = match model.load_balancer.provider {
        Provider::Metallb => (
            Some(format!("{metallb}/loadBalancerIPs")),
            Some(format!("{metallb}/address-pool")),
            Some(format!("{metallb}/allow-shared-ip")),
        ),
        Provider::Cilium => {
            (Some("lbipam.cilium.io/ips".to_owned()), None, Some("lbipam.cilium.io/sharing-key".to_owned()))
        }
        Provider::KubeVip => (Some("kube-vip.io/loadbalancerIPs".to_owned()), None, None),
        Provider::Servicelb => (None, None, None),
    };
    let given = (!written.is_empty()).then(|| written.join(","));
    let pool = pool.map(|pool| pool.value.clone());
    let share_key = share_key.map(|key| key.value.clone());
    let mut annotations: Texts = [(address_key, given), (pool_key, pool), (sharing_key, share_key.clone())]
        .into_iter()
        .filter_map(|(key, value)| Some((key?, value?)))
        .collect();
    // MetalLB's keys hold in every namespace; Cilium wants that said.
    if model.load_balancer.provider == Provider::Cilium && share_key.is_some_and(|key| !key.is_empty()) {
        annotations.insert("lbipam.cilium.io/sharing-cross-namespace", "*");
    }
    annotations
}

/// Keys that the load balancer of the cluster cannot be told.
fn check_keys(
    resolver: &mut Resolver<'_>,
    provider: Provider,
    table: &inventory::service::Service,
    fixed: bool,
) {
    let mut refuse = |span: Span, label: &str, message: String, help: &str| {
        resolver.found.push(BAD_VALUE.at(span, label, message).help(help));
    };
    let word = provider.word();
    if let Some(pool) = table.pool.as_ref().filter(|_| provider != Provider::Metallb) {
        let message = format!("`pool` asks for a pool by name, and {word} takes no such wish");
        let help = match provider {
            Provider::Cilium => "give an address, or name the service in the pool's `services`",
            Provider::KubeVip => "give an address, or the pool its `namespace`",
            _ => "drop it: services have the addresses of the nodes",
        };
        refuse(pool.span, "asked of nobody", message, help);
    }
    let Some(key) = &table.share_ip else { return };
    if provider == Provider::Servicelb {
        let message =
            "`share-ip` has no effect with servicelb: all services share the nodes' addresses".to_owned();
        refuse(key.span, "has no effect", message, "drop it; ports have to differ");
    } else if provider == Provider::KubeVip && !fixed {
        let message = "`share-ip` has no effect on `ip = \"auto\"` with kube-vip".to_owned();
        refuse(
            key.span,
            "has no effect",
            message,
            "set `allow-share = true` on the pool, or give an address",
        );
    }
}

/// MetalLB gives addresses only if their families are those of the Service's ClusterIPs, so a request that
/// differs from the cluster's first family has to say so.
fn families(addresses: &[Spanned<IpAddr>], cluster: &[Family]) -> (Option<&'static str>, Vec<&'static str>) {
    let word = |family: Family| if family == Family::V4 { "IPv4" } else { "IPv6" };
    let mut wanted: Vec<Family> = Vec::new();
    for family in addresses.iter().map(|address| Family::of(address.value)) {
        if !wanted.contains(&family) {
            wanted.push(family);
        }
    }
    match wanted.as_slice() {
        [first, second] => (Some("RequireDualStack"), vec![word(*first), word(*second)]),
        [only] if cluster.first().is_some_and(|first| first != only) => {
            (Some("SingleStack"), vec![word(*only)])
        }
        _ => (None, Vec::new()),
    }
}
