//! What objects offer others: names with keys, Services with ports, pods with labels.

use super::pods::containers_of;
use super::{NAMED, Offer, Offered, Reader, items, kind_and_group, scalar, sorted};
use crate::object::names::{self, OF_CLUSTER};
use crate::object::sense::pod_template;
use crate::object::{Map, Value};

impl Reader {
    pub(super) fn name(&mut self, kind: &'static str, name: Option<&str>, keys: Option<Vec<String>>) {
        let Some(name) = name else { return };
        let what = Offered::Name(kind, name.to_owned(), keys);
        match OF_CLUSTER.contains(&kind) {
            true => self.links.offers.push(Offer { namespace: Some(String::new()), what }),
            false => self.offer(what),
        }
    }

    pub(super) fn offers(&mut self, object: &Value) {
        let (kind, group) = kind_and_group(object);
        let name = object.pointer("/metadata/name").and_then(Value::as_str);
        let at = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        match (group, kind) {
            ("", "ConfigMap") => self.name("ConfigMap", name, Some(keys(object, &["data", "binaryData"]))),
            ("", "Secret") => {
                let clear = !object.as_object().is_some_and(|members| members.contains_key("sops"));
                self.name("Secret", name, clear.then(|| keys(object, &["data", "stringData"])));
            }
            ("bitnami.com", "SealedSecret") => {
                self.name("Secret", at("/spec/template/metadata/name").or(name), sealed_keys(object));
            }
            ("external-secrets.io", "ExternalSecret") => {
                self.name("Secret", at("/spec/target/name").or(name), external_keys(object));
            }
            ("cert-manager.io", "Certificate") => self.name("Secret", at("/spec/secretName"), None),
            ("", "Service") => {
                let ports = items(object, &["spec", "ports"]).iter();
                let ports = ports.flat_map(|port| [port.get("name"), port.get("port")]).flatten();
                let ports = sorted(ports.map(scalar));
                let labels = self.labels(object.pointer("/metadata/labels"));
                self.offer(Offered::Service(name.unwrap_or_default().to_owned(), ports, labels));
            }
            _ => {
                if let Some(known) = NAMED.iter().find(|known| **known == (group, kind)) {
                    self.name(known.1, name, None);
                }
            }
        }
        let notes = object.pointer("/metadata/annotations");
        let issuers = ["cert-manager.io/cluster-issuer", "cert-manager.io/issuer"];
        if notes.is_some_and(|notes| issuers.iter().any(|issuer| notes.get(issuer).is_some())) {
            for name in names::of(object, group, kind).iter().filter(|name| name.kind == "Secret") {
                self.name("Secret", Some(&name.name), None);
            }
        }
        if kind == "StatefulSet" {
            self.claims_of_template(object, name.unwrap_or_default());
        }
        if let Some((template, _)) = pod_template(object) {
            let ports = containers(template).flat_map(|(_, _, container)| items(container, &["ports"]));
            let ports = sorted(ports.filter_map(|port| port.get("name")?.as_str()).map(str::to_owned));
            let labels = self.labels(template.pointer("/metadata/labels"));
            self.offer(Offered::Pods(labels, ports));
        }
    }

    pub(super) fn claims_of_template(&mut self, set: &Value, name: &str) {
        let replicas = set.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1).min(100);
        for claim in items(set, &["spec", "volumeClaimTemplates"]) {
            let of = claim.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            for replica in 0..replicas {
                self.name("PersistentVolumeClaim", Some(&format!("{of}-{name}-{replica}")), None);
            }
        }
    }
}

fn keys(object: &Value, members: &[&str]) -> Vec<String> {
    let maps = members.iter().filter_map(|member| object.get(*member)?.as_object());
    sorted(maps.flat_map(Map::keys).cloned())
}

/// The keys of the Secret that a SealedSecret becomes; unknown if it adds to one.
fn sealed_keys(object: &Value) -> Option<Vec<String>> {
    let notes = object.pointer("/spec/template/metadata/annotations");
    let adds = notes.is_some_and(|notes| notes.get("sealedsecrets.bitnami.com/patch").is_some());
    let spec = object.get("spec").filter(|_| !adds)?;
    let mut all = keys(spec, &["encryptedData"]);
    all.extend(spec.get("template").map(|template| keys(template, &["data"])).unwrap_or_default());
    (!all.is_empty()).then(|| sorted(all))
}

/// The keys of the Secret that an ExternalSecret makes, if it names each of them.
fn external_keys(object: &Value) -> Option<Vec<String>> {
    let spec = object.get("spec")?;
    let at = |pointer: &str| spec.pointer(pointer).is_some_and(|value| !value.is_null());
    let shared =
        spec.pointer("/target/creationPolicy").and_then(Value::as_str).is_some_and(|word| word != "Owner");
    if shared || at("/dataFrom") || at("/target/template") {
        return None;
    }
    let data = spec.get("data").and_then(Value::as_array)?;
    let keys: Option<Vec<String>> =
        data.iter().map(|one| one.get("secretKey")?.as_str().map(str::to_owned)).collect();
    keys.map(sorted)
}

fn containers(template: &Value) -> impl Iterator<Item = (&'static str, usize, &Value)> {
    template.get("spec").into_iter().flat_map(containers_of)
}
