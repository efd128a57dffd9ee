//! What cert-manager proves itself with to others: tokens and keys in Secrets.

use super::{CLUSTER_RESOURCES, Needed, Reader};
use crate::object::Value;
use crate::object::schema::Here;

impl Reader {
    /// What an issuer reads. The key of its account cert-manager makes itself.
    pub(super) fn issuer(&mut self, spec: &Value, cluster: bool, here: &Here<'_>) {
        let namespace = cluster.then_some(CLUSTER_RESOURCES);
        self.secrets_below(spec, namespace, here, 0);
    }

    fn secrets_below(&mut self, value: &Value, namespace: Option<&str>, here: &Here<'_>, depth: usize) {
        match value {
            _ if depth > 12 => {}
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.secrets_below(item, namespace, &here.index(at), depth + 1);
                }
            }
            Value::Object(map) => {
                for (key, value) in map {
                    let here = here.key(key);
                    let name = value.get("name").and_then(Value::as_str);
                    match name.filter(|_| key.ends_with("SecretRef")) {
                        Some(_) if key == "privateKeySecretRef" => {}
                        Some(name) => {
                            let key = value.get("key").and_then(Value::as_str).map(str::to_owned);
                            let what = Needed::Name("Secret", name.to_owned(), key);
                            self.need(&here.key("name"), namespace, what);
                        }
                        None => self.secrets_below(value, namespace, &here, depth + 1),
                    }
                }
            }
            _ => {}
        }
    }
}
