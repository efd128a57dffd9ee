//! Host names of a service.

use crate::inventory;
use crate::inventory::value::{OneOrMany, Text};
use crate::model::naming::check_host;
use crate::model::references::Resolver;
use crate::source::Spanned;

/// The first host name, as written.
pub fn first_host(service: &inventory::service::Service) -> Option<&str> {
    service.host.as_ref()?.on()?.0.first().map(|host| host.value.as_str())
}

/// The host names of a service, each with the environment's domain.
pub fn lower_hosts(resolver: &mut Resolver<'_>, table: &inventory::service::Service) -> Vec<Spanned<String>> {
    let written: &[Text] = table
        .host
        .as_ref()
        .and_then(|host| host.on())
        .map(|OneOrMany(hosts)| hosts.as_slice())
        .unwrap_or_default();
    full_hosts(resolver, written)
}

/// Host names with the environment's domain.
pub fn full_hosts(resolver: &mut Resolver<'_>, written: &[Text]) -> Vec<Spanned<String>> {
    let domain = resolver.environment().and_then(|(_, environment)| environment.domain.as_ref());
    let domain = domain.map(|domain| resolver.text(domain).value);
    let mut hosts = Vec::new();
    for host in written {
        let mut host = resolver.text(host);
        if let Some(domain) = domain.as_ref().filter(|_| !host.contains('.')) {
            host = host.map(|host| format!("{host}.{domain}"));
        }
        check_host(resolver, &host, true);
        hosts.push(host);
    }
    hosts
}
