//! What pods need: configuration, secrets, claims, accounts.

use super::{Needed, Reader, each, items};
use crate::object::Value;
use crate::object::path::Here;

impl Reader {
    pub(super) fn pod(&mut self, pod: &Value, here: &Here<'_>) {
        if let Some(account) = pod.get("serviceAccountName").and_then(Value::as_str)
            && !["", "default"].contains(&account)
        {
            let what = Needed::Name("ServiceAccount", account.to_owned(), None);
            self.need(&here.key("serviceAccountName"), None, what);
        }
        each(pod, "imagePullSecrets", here, &mut |item, here| self.named("Secret", item, "name", here));
        each(pod, "volumes", here, &mut |volume, here| self.volume(volume, here));
        for (list, number, container) in containers_of(pod) {
            let list_at = here.key(list);
            self.container(container, &list_at.index(number));
        }
    }

    pub(super) fn volume(&mut self, volume: &Value, here: &Here<'_>) {
        if let Some(map) = volume.get("configMap") {
            self.named("ConfigMap", map, "name", &here.key("configMap"));
        }
        if let Some(secret) = volume.get("secret") {
            self.named("Secret", secret, "secretName", &here.key("secret"));
        }
        if let Some(claim) = volume.get("persistentVolumeClaim") {
            self.named("PersistentVolumeClaim", claim, "claimName", &here.key("persistentVolumeClaim"));
        }
        if let Some(projected) = volume.get("projected") {
            each(projected, "sources", &here.key("projected"), &mut |source, here| {
                for (member, kind) in [("configMap", "ConfigMap"), ("secret", "Secret")] {
                    if let Some(named) = source.get(member) {
                        self.named(kind, named, "name", &here.key(member));
                    }
                }
            });
        }
    }

    pub(super) fn container(&mut self, container: &Value, here: &Here<'_>) {
        each(container, "env", here, &mut |variable, here| {
            let from_at = here.key("valueFrom");
            for (member, kind) in [("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")] {
                if let Some(named) = variable.get("valueFrom").and_then(|from| from.get(member)) {
                    self.named(kind, named, "name", &from_at.key(member));
                }
            }
        });
        each(container, "envFrom", here, &mut |from, here| {
            for (member, kind) in [("configMapRef", "ConfigMap"), ("secretRef", "Secret")] {
                if let Some(named) = from.get(member) {
                    self.named(kind, named, "name", &here.key(member));
                }
            }
        });
    }
}

pub(super) fn containers_of(pod: &Value) -> impl Iterator<Item = (&'static str, usize, &Value)> {
    let lists = ["initContainers", "containers", "ephemeralContainers"].into_iter();
    lists.flat_map(move |list| {
        items(pod, &[list]).iter().enumerate().map(move |(number, container)| (list, number, container))
    })
}
