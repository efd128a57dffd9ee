//! What leads to pods, and to Services.

use super::{NAMED, Needed, Reader, each, items, labels, scalar};
use crate::object::Value;
use crate::object::path::Here;

impl Reader {
    pub(super) fn service(&mut self, spec: &Value, here: &Here<'_>) {
        let labels = labels(spec.get("selector"));
        if labels.is_empty() {
            return;
        }
        self.need(&here.key("selector"), None, Needed::Pods(labels.clone(), None));
        each(spec, "ports", here, &mut |port, here| {
            if let Some(name) = port.get("targetPort").and_then(Value::as_str) {
                let what = Needed::Pods(labels.clone(), Some(name.to_owned()));
                self.need(&here.key("targetPort"), None, what);
            }
        });
    }

    pub(super) fn selector(&mut self, spec: &Value, here: &Here<'_>) {
        let selector = spec.get("selector");
        let labels = labels(selector.and_then(|selector| selector.get("matchLabels")));
        if !labels.is_empty() {
            let at = here.key("selector");
            self.need(&at.key("matchLabels"), None, Needed::Pods(labels, None));
        }
    }

    /// What Prometheus asks: Services or pods of one namespace, and a port of theirs.
    pub(super) fn monitor(&mut self, spec: &Value, here: &Here<'_>) {
        let selector = spec.get("selector");
        let labels = labels(selector.and_then(|selector| selector.get("matchLabels")));
        let namespaces = spec.get("namespaceSelector");
        let names = namespaces.map_or(&[][..], |namespaces| items(namespaces, &["matchNames"]));
        let any = namespaces.is_some_and(|namespaces| namespaces.get("any").is_some());
        if labels.is_empty() || any || names.len() > 1 {
            return;
        }
        let namespace = names.first().and_then(Value::as_str);
        let of_pods = spec.get("podMetricsEndpoints").is_some();
        let all = if of_pods { Needed::Pods } else { Needed::Services };
        let at = here.key("selector");
        self.need(&at.key("matchLabels"), namespace, all(labels.clone(), None));
        for list in ["endpoints", "podMetricsEndpoints"] {
            each(spec, list, here, &mut |endpoint, here| {
                if let Some(port) = endpoint.get("port").and_then(Value::as_str) {
                    let what = match list {
                        "endpoints" => Needed::Services(labels.clone(), Some(port.to_owned())),
                        _ => Needed::Pods(labels.clone(), Some(port.to_owned())),
                    };
                    self.need(&here.key("port"), namespace, what);
                }
            });
        }
    }

    pub(super) fn scaled(&mut self, target: &Value, here: &Here<'_>) {
        let kind = target.get("kind").and_then(Value::as_str).unwrap_or_default();
        if let Some((_, known)) = NAMED.iter().find(|(group, known)| *group == "apps" && *known == kind) {
            self.named(known, target, "name", here);
        }
    }

    /// A Service, and its port.
    pub(super) fn backend(
        &mut self,
        service: Option<&str>,
        port: Option<&Value>,
        namespace: Option<&str>,
        here: &Here<'_>,
    ) {
        let Some(service) = service else { return };
        self.need(&here.key("name"), namespace, Needed::Name("Service", service.to_owned(), None));
        if let Some(port) = port {
            let what = Needed::Port(service.to_owned(), scalar(port));
            self.need(&here.key("port"), namespace, what);
        }
    }

    pub(super) fn ingress(&mut self, spec: &Value, here: &Here<'_>) {
        let backend = |reader: &mut Self, holder: &Value, key: &'static str, here: &Here<'_>| {
            let Some(service) = holder.get(key).and_then(|backend| backend.get("service")) else { return };
            let port = service.get("port").and_then(|port| port.get("number").or_else(|| port.get("name")));
            let at = here.key(key);
            reader.backend(service.get("name").and_then(Value::as_str), port, None, &at.key("service"));
        };
        backend(self, spec, "defaultBackend", here);
        each(spec, "rules", here, &mut |rule, here| {
            if let Some(http) = rule.get("http") {
                each(http, "paths", &here.key("http"), &mut |path, here| {
                    backend(self, path, "backend", here);
                });
            }
        });
    }

    pub(super) fn traefik(&mut self, spec: &Value, here: &Here<'_>) {
        each(spec, "routes", here, &mut |route, here| {
            each(route, "services", here, &mut |service, here| {
                let text = |key: &str| service.get(key).and_then(Value::as_str);
                if matches!(text("kind"), None | Some("Service")) {
                    self.backend(text("name"), service.get("port"), text("namespace"), here);
                }
            });
            each(route, "middlewares", here, &mut |middleware, here| {
                let text = |key: &str| middleware.get(key).and_then(Value::as_str);
                // `name@provider` is none of Kubernetes'.
                if let Some(name) = text("name").filter(|name| !name.contains('@')) {
                    let what = Needed::Name("Middleware", name.to_owned(), None);
                    self.need(&here.key("name"), text("namespace"), what);
                }
            });
        });
    }

    /// Who may pass: without the Secret Traefik drops every router that the middleware is on.
    pub(super) fn middleware(&mut self, spec: &Value, here: &Here<'_>) {
        for kind in ["basicAuth", "digestAuth"] {
            if let Some(auth) = spec.get(kind) {
                self.named("Secret", auth, "secret", &here.key(kind));
            }
        }
    }

    pub(super) fn gateway(&mut self, spec: &Value, here: &Here<'_>) {
        each(spec, "rules", here, &mut |rule, here| {
            each(rule, "backendRefs", here, &mut |backend, here| {
                let text = |key: &str| backend.get(key).and_then(Value::as_str);
                if matches!(text("kind"), None | Some("Service")) {
                    self.backend(text("name"), backend.get("port"), text("namespace"), here);
                }
            });
        });
    }
}
