//! What cert-manager proves itself with to others: tokens and keys in Secrets.

use super::{Needed, Reader, Within};
use crate::object::Value;
use crate::object::path::Here;

impl Reader {
    /// What an issuer reads. The key of its account cert-manager makes itself.
    pub(super) fn issuer(&mut self, spec: &Value, cluster: bool, here: &Here<'_>) {
        let own = Within::of(self.namespace.clone());
        let within = if cluster { Within::ClusterResources } else { own };
        self.secrets_below(spec, &within, here, 0);
    }

    fn secrets_below(&mut self, value: &Value, within: &Within, here: &Here<'_>, depth: usize) {
        match value {
            _ if depth > 12 => {}
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.secrets_below(item, within, &here.index(at), depth + 1);
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
                            self.need_within(&here.key("name"), within.clone(), what);
                        }
                        None => self.secrets_below(value, within, &here, depth + 1),
                    }
                }
            }
            _ => {}
        }
    }
}
