//! Facts that stand nowhere in the file but follow from it.

use super::Resolver;
use super::lookup::{Fact, Failure, Trail};
use crate::inventory::node::Value;
use crate::inventory::service::Service;
use crate::inventory::stack::Stack;
use crate::inventory::value::OrOff;
use crate::model::host::first_host;
use crate::model::port::{main_port, number_of, opens_ports, outside_port, scheme, url};

/// What `${services.NAME.…}` knows beside the keys in the file.
pub(super) const SERVICE_FACTS: &[&str] =
    &["url", "internal-url", "internal-host", "host", "port", "name", "namespace"];

impl Resolver<'_> {
    /// Where people and where pods reach a service. Silently nothing where that leads nowhere: it is derived, not
    /// written.
    pub fn urls(&self, key: &str, service: &Service) -> [String; 2] {
        let trail = || Trail { path: Vec::new(), lookups: 0 };
        let internal = self.internal_url(key, service, &mut trail()).unwrap_or_default();
        match self.outside_url(service, &mut trail()) {
            Some(outside) => [outside.unwrap_or_default(), internal],
            None => [internal.clone(), internal],
        }
    }

    /// Facts that stand nowhere in the file but follow from it.
    pub(super) fn derived(&self, keys: &[&str], trail: &mut Trail) -> Option<Result<Fact, Failure>> {
        match keys {
            ["cluster", "name"] => self.or_default(keys, crate::model::cluster::DEFAULT_NAME),
            ["cluster", "domain"] => self.or_default(keys, crate::model::cluster::DEFAULT_DOMAIN),
            ["cluster", "kubernetes"] => self.or_default(keys, crate::model::cluster::DEFAULT_KUBERNETES),
            ["environment", "name"] => {
                self.names_environment.set(true);
                let name = self.environment.map_or(crate::model::ONLY_ENVIRONMENT, |(name, _)| name);
                Some(Ok(name.to_owned().into()))
            }
            ["environment", "domain" | "namespace-suffix"] if self.node(keys).is_none() => {
                Some(Ok(String::new().into()))
            }
            ["nodes", name, "ip"] if self.node(keys).is_none() => {
                let first = self.node(&["nodes", name, "ips", "0"])?;
                Some(self.scalar(first, keys, trail))
            }
            ["stacks", name, "namespace"] => {
                let stack = self.stack(name)?;
                Some(self.namespace(name, stack, trail).map(Fact::from))
            }
            ["services", name, fact @ ("ip" | "host")] => self.place(name, fact, 0, trail),
            ["services", name, fact @ ("ip" | "host"), at] => self.place(name, fact, at.parse().ok()?, trail),
            ["services", name, fact] => {
                let service = self.service(name)?;
                self.service_fact(name, service, fact, trail)
            }
            ["services", _, "ports", _] => {
                let node = self.node(keys)?;
                let port = node.find(["port"]).unwrap_or(node);
                Some(match port.value {
                    Value::Integer(number) => Ok(number.into()),
                    _ => self.scalar(port, keys, trail),
                })
            }
            _ => None,
        }
    }

    fn or_default(&self, keys: &[&str], default: &str) -> Option<Result<Fact, Failure>> {
        self.node(keys).is_none().then(|| Ok(default.to_owned().into()))
    }

    fn namespace(&self, name: &str, stack: &Stack, trail: &mut Trail) -> Result<String, Failure> {
        let namespace = stack.namespace.as_ref().map_or(name, |text| text.value.as_str());
        let suffix = self.environment.and_then(|(_, environment)| environment.namespace_suffix.as_ref());
        Ok(self.expand(namespace, trail)? + &self.expand(suffix.map_or("", |text| &text.value), trail)?)
    }

    /// An address or a host name of a service: not every environment has one.
    pub(super) fn place(
        &self,
        key: &str,
        fact: &str,
        at: usize,
        trail: &mut Trail,
    ) -> Option<Result<Fact, Failure>> {
        let service = self.service(key)?;
        let missing = |what: String| {
            let inside = opens_ports(service).then(|| format!("use `${{services.{key}.internal-host}}`"));
            Some(self.lacking(what, inside.unwrap_or_else(|| format!("give `{key}` a `{fact}`"))))
        };
        let none = || missing(format!("service `{key}` has no {fact} here"));
        if fact == "host" {
            return match &service.host {
                Some(OrOff::On(hosts)) => Some(self.full_host(hosts.0.get(at)?, trail).map(Fact::from)),
                Some(OrOff::Off(_)) | None => none(),
            };
        }
        match &service.ip {
            Some(OrOff::On(addresses)) => {
                let address = &addresses.0.get(at)?.0;
                if address.value == crate::model::balancer::AUTO {
                    return missing(format!("the address of service `{key}` is chosen when it runs"));
                }
                Some(self.expand(address, trail).map(Fact::from))
            }
            Some(OrOff::Off(_)) | None => none(),
        }
    }

    /// What no environment is made of needs none of it.
    fn lacking(&self, what: String, help: String) -> Result<Fact, Failure> {
        match self.is_stand_in {
            true => Ok(String::new().into()),
            false => Err(Failure::Unknown { what, help: Some(help) }),
        }
    }

    fn service_fact(
        &self,
        key: &str,
        service: &Service,
        fact: &str,
        trail: &mut Trail,
    ) -> Option<Result<Fact, Failure>> {
        // Without a port there is no Service, and so no name in the cluster.
        let closed = || {
            let what = format!("service `{key}` opens no port, so that nobody can reach it");
            Some(self.lacking(what, format!("give it one: `ports.http = 80` in `services.{key}`")))
        };
        let text = match fact {
            "internal-host" | "internal-url" if !opens_ports(service) => return closed(),
            "port" if !opens_ports(service) => return closed(),
            "port" => return number_of(main_port(service)).map(|port| Ok(port.into())),
            "url" if !opens_ports(service) && self.outside_url(service, trail).is_none() => return closed(),
            "name" => self.expand(service.name.as_ref().map_or(key, |name| &name.value), trail),
            "namespace" => {
                let stack = service.stack.as_ref()?;
                self.namespace(&stack.value, self.stack(&stack.value)?, trail)
            }
            "internal-host" => self.internal_host(key, service, trail),
            "internal-url" => self.internal_url(key, service, trail),
            "url" => self.url(key, service, trail),
            _ => return None,
        };
        Some(text.map(Fact::from))
    }

    fn internal_host(&self, key: &str, service: &Service, trail: &mut Trail) -> Result<String, Failure> {
        let name = self.expand(service.name.as_ref().map_or(key, |name| &name.value), trail)?;
        let Some(stack) =
            service.stack.as_ref().and_then(|stack| Some((&stack.value, self.stack(&stack.value)?)))
        else {
            return Ok(name);
        };
        let namespace = self.namespace(stack.0, stack.1, trail)?;
        let domain = match self.node(&["cluster", "domain"]) {
            Some(node) => self.scalar(node, &["cluster", "domain"], trail)?.text,
            None => crate::model::cluster::DEFAULT_DOMAIN.to_owned(),
        };
        Ok(format!("{name}.{namespace}.svc.{domain}"))
    }

    fn internal_url(&self, key: &str, service: &Service, trail: &mut Trail) -> Result<String, Failure> {
        let host = self.internal_host(key, service, trail)?;
        let port = main_port(service);
        Ok(url(scheme(port), &host, number_of(port)))
    }

    /// A host name with the environment's domain behind it, if it has no dot of its own.
    fn full_host(&self, host: &str, trail: &mut Trail) -> Result<String, Failure> {
        let host = self.expand(host, trail)?;
        let domain = self.environment.and_then(|(_, environment)| environment.domain.as_ref());
        match domain {
            Some(domain) if !host.contains('.') => {
                Ok(format!("{host}.{}", self.expand(&domain.value, trail)?))
            }
            _ => Ok(host),
        }
    }

    /// Where people reach a service: by its host, else by its address, else inside the cluster.
    pub(super) fn url(&self, key: &str, service: &Service, trail: &mut Trail) -> Result<String, Failure> {
        let outside = self.outside_url(service, trail);
        outside.unwrap_or_else(|| self.internal_url(key, service, trail))
    }

    fn outside_url(&self, service: &Service, trail: &mut Trail) -> Option<Result<String, Failure>> {
        let ingress = self.inventory.tables.ingress.as_ref();
        if let (Some(host), Some(ingress)) = (first_host(service), ingress) {
            let path = service.path.as_ref().and_then(|paths| paths.0.first());
            let path = path.map_or("", |path| path.value.trim_end_matches('/'));
            let scheme = crate::model::ingress::route_scheme(service.tls.as_deref(), ingress);
            return Some(self.full_host(host, trail).map(|host| format!("{scheme}://{host}{path}")));
        }
        let address = service.ip.as_ref().and_then(|ip| ip.on()?.0.first())?;
        let fixed = Some(&address.0.value).filter(|address| *address != crate::model::balancer::AUTO)?;
        let port = outside_port(service);
        Some(self.expand(fixed, trail).map(|address| url(scheme(port), &address, number_of(port))))
    }
}
