//! How pods are reached, from within and from outside, and by whom.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{BAD_LABEL, BAD_NAME, Sense, TWICE, field, has, items, said, text};
use crate::object::Value;
use crate::object::naming::{is_dns_label, is_dns_name, is_label_key, is_port_name, is_service_name};
use crate::object::path::Here;
use crate::object::schema::cut;

const BAD_SERVICE: &str =
    "is no name of a Service: at most 63 lower-case letters, digits and `-`, a letter first";

impl Sense<'_> {
    pub(super) fn service(&mut self, spec: &Value, here: &Here<'_>) {
        let ports = items(spec, "ports");
        let at = here.key("ports");
        let kind = said(spec, "type").unwrap_or("ClusterIP");
        if kind == "ExternalName" {
            if !has(spec, "externalName") {
                self.fault(here, "`externalName` is missing");
            }
            self.full(spec, "externalName", here);
            let name = said(spec, "externalName").map(|name| name.strip_suffix('.').unwrap_or(name));
            if let Some(bad) = name.filter(|name| !is_dns_name(name)) {
                self.fault(&here.key("externalName"), format!("`{}` {BAD_NAME}", cut(bad)));
            }
        } else if ports.is_empty() && text(spec, "clusterIP") != Some("None") {
            self.fault(here, "`ports` is missing");
        }
        for (index, port) in ports.iter().enumerate() {
            let here = at.index(index);
            if ports.len() > 1 && (!has(port, "name") || field(port, "name") == "") {
                self.fault(&here, "`name` is missing: a Service of several ports needs one for each");
            }
            if kind == "ClusterIP" && port.get("nodePort").is_some_and(|port| port.as_u64() > Some(0)) {
                self.fault(&here.key("nodePort"), "cannot be given where `type` is `ClusterIP`");
            }
        }
        self.port_names(ports, &at);
        self.each(spec, "ports", here, |sense, port, here| {
            sense.fits(port, "appProtocol", is_label_key, super::BAD_KEY, here);
        });
        self.node_ports(spec, here);
        self.label_map(spec, "selector", here);
        self.reach(spec, kind, here);
    }

    /// A node has each of its ports once.
    fn node_ports(&mut self, spec: &Value, here: &Here<'_>) {
        let key = |port: &Value| {
            let number = port.get("nodePort").and_then(Value::as_u64).filter(|port| *port > 0);
            number.map(|number| (number, said(port, "protocol") != Some("UDP")))
        };
        self.once((spec, "ports", Some("nodePort")), key, TWICE, here);
    }

    /// Addresses of the Service itself.
    fn addresses(&mut self, spec: &Value, here: &Here<'_>) {
        let first = items(spec, "clusterIPs").first();
        if first.is_some_and(|first| field(spec, "clusterIP") != first) {
            self.fault(&here.key("clusterIPs"), "the first of them must be `clusterIP`");
        }
        self.each(spec, "externalIPs", here, |sense, one, here| {
            let address = one.as_str().and_then(|text| text.parse::<IpAddr>().ok());
            if address.is_some_and(is_special) {
                sense.fault(here, "must be an address that others can reach");
            }
        });
        let families = items(spec, "ipFamilies");
        if families.len() == 2 && families[0] == families[1] {
            self.fault(&here.key("ipFamilies"), "names one family twice");
        } else if families.len() > 1 && matches!(said(spec, "ipFamilyPolicy"), None | Some("SingleStack")) {
            self.fault(
                &here.key("ipFamilies"),
                "two of them need `ipFamilyPolicy: PreferDualStack` or `RequireDualStack`",
            );
        }
    }

    /// What only Services of some types have.
    fn reach(&mut self, spec: &Value, kind: &str, here: &Here<'_>) {
        let headless = text(spec, "clusterIP") == Some("None");
        if headless && matches!(kind, "LoadBalancer" | "NodePort") {
            self.fault(&here.key("clusterIP"), format!("cannot be `None` where `type` is `{kind}`"));
        }
        if kind != "LoadBalancer" {
            let keys = ["allocateLoadBalancerNodePorts", "loadBalancerClass"];
            for key in keys.into_iter().filter(|key| has(spec, key)) {
                self.fault(&here.key(key), "needs `type: LoadBalancer`");
            }
            if !items(spec, "loadBalancerSourceRanges").is_empty() {
                self.fault(&here.key("loadBalancerSourceRanges"), "needs `type: LoadBalancer`");
            }
        }
        let outside = matches!(kind, "LoadBalancer" | "NodePort") || !items(spec, "externalIPs").is_empty();
        if said(spec, "externalTrafficPolicy").is_some() && !outside {
            self.fault(&here.key("externalTrafficPolicy"), "needs `type: LoadBalancer` or `NodePort`");
        }
        if text(spec, "sessionAffinity") == Some("ClientIP") {
            let seconds = field(field(spec, "sessionAffinityConfig"), "clientIP");
            let config = here.key("sessionAffinityConfig");
            self.bounds(seconds, "timeoutSeconds", 1, 86_400, &config.key("clientIP"));
        }
        if kind == "ExternalName" && headless {
            self.fault(&here.key("clusterIP"), "cannot be given where `type` is `ExternalName`");
        }
        let local = kind == "LoadBalancer" && said(spec, "externalTrafficPolicy") == Some("Local");
        if spec.get("healthCheckNodePort").and_then(Value::as_u64) > Some(0) && !local {
            self.fault(
                &here.key("healthCheckNodePort"),
                "needs `type: LoadBalancer` and `externalTrafficPolicy: Local`",
            );
        }
        self.fits(spec, "loadBalancerClass", is_label_key, super::BAD_KEY, here);
        const NEAR: [&str; 3] = ["PreferClose", "PreferSameNode", "PreferSameZone"];
        if said(spec, "trafficDistribution").is_some_and(|word| !NEAR.contains(&word)) {
            self.fault(
                &here.key("trafficDistribution"),
                "must be `PreferClose`, `PreferSameZone` or `PreferSameNode`",
            );
        }
        self.addresses(spec, here);
    }

    pub(super) fn ingress(&mut self, spec: &Value, here: &Here<'_>) {
        self.named(spec, "ingressClassName", here);
        if let Some(backend) = spec.get("defaultBackend") {
            self.backend(backend, &here.key("defaultBackend"));
        } else if items(spec, "rules").is_empty() {
            self.fault(here, "`rules` is missing, and so is `defaultBackend`");
        }
        self.each(spec, "rules", here, |sense, rule, here| {
            sense.fits(
                rule,
                "host",
                is_ingress_host,
                "is no host: a name of a domain, `*.` before it at most",
                here,
            );
            sense.within(rule, "http", here, |sense, http, here| {
                sense.filled(http, "paths", here);
                sense.each(http, "paths", here, Self::path);
            });
        });
        self.each(spec, "tls", here, |sense, tls, here| {
            sense.fits(tls, "secretName", is_dns_name, BAD_NAME, here);
            sense.each(tls, "hosts", here, |sense, host, here| {
                let bad = host.as_str().filter(|host| !super::is_open(host) && !is_domain(host));
                if let Some(bad) = bad {
                    sense.fault(here, format!("`{}` is no host", cut(bad)));
                }
            });
        });
    }

    fn path(&mut self, path: &Value, here: &Here<'_>) {
        if let Some(backend) = path.get("backend") {
            self.backend(backend, &here.key("backend"));
        }
        if matches!(text(path, "pathType"), Some("Exact" | "Prefix")) {
            let way = field(path, "path").as_str().unwrap_or_default();
            let low = way.to_ascii_lowercase();
            let bad = ["//", "/./", "/../", "%2f"].into_iter().find(|part| low.contains(part));
            let end = ["/..", "/."].into_iter().find(|part| low.ends_with(part));
            if way.is_empty() {
                self.fault(here, "`path` is missing: this `pathType` needs it");
            } else if let Some(bad) = bad.or(end).filter(|_| !super::is_open(way)) {
                self.fault(&here.key("path"), format!("must not have `{bad}` in it"));
            }
        }
    }

    fn backend(&mut self, backend: &Value, here: &Here<'_>) {
        self.either(backend, &["service", "resource"], true, here);
        self.within(backend, "service", here, |sense, service, here| {
            sense.full(service, "name", here);
            sense.fits(service, "name", is_service_name, BAD_SERVICE, here);
            match service.get("port") {
                Some(port) => {
                    let here = here.key("port");
                    sense.either(port, &["name", "number"], true, &here);
                    sense.fits(port, "name", is_port_name, "is no name of a port", &here);
                }
                None => sense.fault(here, "`port` is missing"),
            }
        });
    }

    /// The class of an Ingress stands in its field; what the annotation says must be the same.
    pub(super) fn ingress_class(&mut self, ingress: &Value) {
        let noted = field(field(ingress, "metadata"), "annotations");
        let (noted, class) =
            (said(noted, "kubernetes.io/ingress.class"), said(field(ingress, "spec"), "ingressClassName"));
        if noted.is_some() && class.is_some() && noted != class {
            let spec = Here::ROOT.key("spec");
            self.fault(
                &spec.key("ingressClassName"),
                "is another than the annotation `kubernetes.io/ingress.class` says",
            );
        }
    }

    /// Addresses that stand behind a Service without pods.
    pub(super) fn endpoints(&mut self, slice: &Value) {
        let root = Here::ROOT;
        let six = said(slice, "addressType") == Some("IPv6");
        let of_names = said(slice, "addressType") == Some("FQDN");
        if said(slice, "addressType").is_some_and(|kind| !matches!(kind, "IPv4" | "IPv6" | "FQDN")) {
            self.fault(&root.key("addressType"), "must be `IPv4`, `IPv6` or `FQDN`");
            return;
        }
        self.each(slice, "endpoints", &root, |sense, one, here| {
            sense.filled(one, "addresses", here);
            sense.each(one, "addresses", here, |sense, one, here| {
                let Some(text) = one.as_str().filter(|text| !super::is_open(text)) else { return };
                let fits = match text.parse::<IpAddr>() {
                    Ok(address) => !of_names && address.is_ipv6() == six && !is_special(address),
                    Err(_) => of_names && is_dns_name(text),
                };
                if !fits {
                    sense.fault(
                        here,
                        format!("`{}` is no address of this `addressType` that others can reach", cut(text)),
                    );
                }
            });
        });
        self.each(slice, "ports", &root, |sense, port, here| {
            sense.fits(port, "name", is_dns_label, BAD_LABEL, here);
        });
        // Only one may have none.
        let twice = "has the name of another port of this list";
        self.once((slice, "ports", None), |port| Some(said(port, "name")), twice, &root);
    }

    pub(super) fn network_policy(&mut self, spec: &Value, here: &Here<'_>) {
        if items(spec, "policyTypes").len() > 2 {
            self.fault(&here.key("policyTypes"), "there are two of them only");
        }
        self.label_selector(spec, "podSelector", here);
        for (list, side) in [("ingress", "from"), ("egress", "to")] {
            self.each(spec, list, here, |sense, rule, here| {
                sense.each(rule, "ports", here, Self::policy_port);
                sense.each(rule, side, here, Self::peer);
            });
        }
    }

    /// What Cilium allows.
    pub(super) fn cilium_policy(&mut self, spec: &Value, here: &Here<'_>) {
        for key in ["endpointSelector", "nodeSelector"] {
            self.within(spec, key, here, |sense, selector, here| {
                sense.label_map(selector, "matchLabels", here);
            });
        }
        for list in ["egress", "egressDeny", "ingress", "ingressDeny"] {
            self.each(spec, list, here, |sense, rule, here| {
                for key in ["toCIDR", "fromCIDR"] {
                    sense.each(rule, key, here, |sense, net, here| {
                        let is_net =
                            |text: &str| text.parse::<IpNet>().is_ok() || text.parse::<IpAddr>().is_ok();
                        if net.as_str().is_some_and(|text| !super::is_open(text) && !is_net(text)) {
                            sense.fault(here, "is no network in CIDR form");
                        }
                    });
                }
                sense.each(rule, "toFQDNs", here, |sense, name, here| {
                    let plain = |text: &str, more: &[u8]| {
                        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
                    };
                    if said(name, "matchName").is_some_and(|text| !plain(text, b"-_.")) {
                        sense.fault(&here.key("matchName"), "is no domain: one with `*` is a `matchPattern`");
                    }
                    if said(name, "matchPattern").is_some_and(|text| !plain(text, b"-_.*")) {
                        sense.fault(&here.key("matchPattern"), "is no domain, nor one with `*` in it");
                    }
                });
            });
        }
    }

    fn policy_port(&mut self, port: &Value, here: &Here<'_>) {
        let Some(end) = port.get("endPort").and_then(Value::as_i64) else { return };
        match field(port, "port") {
            Value::Number(first) if first.as_i64().is_some_and(|first| first > end) => {
                self.fault(&here.key("endPort"), format!("is under `port`, {first}"));
            }
            Value::Number(_) => self.bounds(port, "endPort", 1, 65535, here),
            _ => self.fault(&here.key("endPort"), "needs a `port` that is a number"),
        }
    }

    fn peer(&mut self, peer: &Value, here: &Here<'_>) {
        self.label_selector(peer, "podSelector", here);
        self.label_selector(peer, "namespaceSelector", here);
        let selectors = ["podSelector", "namespaceSelector"].into_iter().find(|key| has(peer, key));
        match (has(peer, "ipBlock"), selectors) {
            (true, Some(other)) => {
                self.fault(&here.key("ipBlock"), format!("`ipBlock` and `{other}` exclude each other"));
            }
            (false, None) if peer.is_object() => {
                self.fault(here, "one of `podSelector`, `namespaceSelector`, `ipBlock` is needed");
            }
            _ => {}
        }
        self.within(peer, "ipBlock", here, |sense, block, here| {
            let net = |value: &Value| value.as_str()?.parse::<IpNet>().ok();
            let Some(whole) = net(field(block, "cidr")) else { return };
            sense.each(block, "except", here, |sense, part, here| {
                let outside = net(part)
                    .is_some_and(|part| !whole.contains(&part) || whole.prefix_len() >= part.prefix_len());
                if outside {
                    sense.fault(here, format!("must be a smaller network within {whole}"));
                }
            });
        });
    }
}

/// A domain, or all below one.
pub(super) fn is_domain(host: &str) -> bool {
    is_dns_name(host.strip_prefix("*.").unwrap_or(host))
}

/// A host of an Ingress.
fn is_ingress_host(host: &str) -> bool {
    is_domain(host) && host.parse::<IpAddr>().is_err()
}

/// An address that means a machine or its own network only.
fn is_special(address: IpAddr) -> bool {
    let local = match address {
        IpAddr::V4(four) => four.is_link_local(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    };
    let all_near = match address {
        IpAddr::V4(four) => four.octets()[..3] == [224, 0, 0],
        IpAddr::V6(six) => six.segments()[0] == 0xff02,
    };
    local || all_near || address.is_loopback() || address.is_unspecified()
}
