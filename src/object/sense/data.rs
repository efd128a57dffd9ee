//! ConfigMaps and Secrets: their keys, how much they hold, and what a Secret of a type must have.

use super::{BAD_DATA_KEY, Sense, field, has, is_data_key, is_open, members, text};
use crate::object::Value;
use crate::object::path::Here;
use crate::object::schema::cut;

/// What one ConfigMap or Secret may hold.
const MOST: usize = 1 << 20;

impl Sense<'_> {
    pub(super) fn data(&mut self, object: &Value, secret: bool) {
        let root = Here::ROOT;
        let mut size = 0;
        for field in ["data", "stringData", "binaryData"] {
            let list = root.key(field);
            let packed = secret && field == "data" || field == "binaryData";
            for (key, value) in members(object, field) {
                let text = value.as_str().unwrap_or_default();
                size += if packed { unpacked(text) } else { text.len() };
                if !is_open(key) && !is_data_key(key) {
                    self.fault(&list.key(key), BAD_DATA_KEY);
                }
            }
        }
        if size > MOST {
            self.fault(&root.key("data"), format!("is {size} bytes, and none may hold more than 1 MiB"));
        }
        if secret {
            self.secret_type(object);
        } else {
            let binary = root.key("binaryData");
            let data = field(object, "data");
            for (key, _) in members(object, "binaryData").filter(|(key, _)| has(data, key)) {
                self.fault(&binary.key(key), "is in `data`, too");
            }
        }
    }

    /// A Secret of a type of Kubernetes' own has the keys that are its purpose.
    fn secret_type(&mut self, secret: &Value) {
        let given = |key: &str| has(field(secret, "data"), key) || has(field(secret, "stringData"), key);
        let root = Here::ROOT;
        let Some(kind) = text(secret, "type") else { return };
        let missing = match kind {
            "kubernetes.io/tls" => ["tls.crt", "tls.key"].into_iter().find(|key| !given(key)),
            "kubernetes.io/dockerconfigjson" => Some(".dockerconfigjson").filter(|key| !given(key)),
            "kubernetes.io/dockercfg" => Some(".dockercfg").filter(|key| !given(key)),
            "kubernetes.io/ssh-auth" => Some("ssh-privatekey").filter(|key| !given(key)),
            "kubernetes.io/basic-auth" => {
                Some("username` or `password").filter(|_| !given("username") && !given("password"))
            }
            _ => None,
        };
        if let Some(key) = missing {
            self.fault(&root.key("type"), format!("`{}` needs the key `{key}`", cut(kind)));
        }
        let account =
            field(field(field(secret, "metadata"), "annotations"), "kubernetes.io/service-account.name");
        if kind == "kubernetes.io/service-account-token" && account.as_str().unwrap_or_default().is_empty() {
            let message = "needs the annotation `kubernetes.io/service-account.name`";
            self.fault(&root.key("type"), message);
        }
        let strings = root.key("stringData");
        for key in [".dockerconfigjson", ".dockercfg"] {
            let json = text(field(secret, "stringData"), key);
            let is_json = |json: &str| serde_json::from_str::<Value>(json).is_ok();
            if kind == format!("kubernetes.io/{}", &key[1..]) && json.is_some_and(|json| !is_json(json)) {
                self.fault(&strings.key(key), "is no JSON");
            }
        }
    }

    /// How strict a namespace is with its pods.
    pub(super) fn pod_security(&mut self, namespace: &Value) {
        let (root, metadata) = (Here::ROOT, field(namespace, "metadata"));
        let at = root.key("metadata");
        let labels = at.key("labels");
        for (key, value) in members(metadata, "labels") {
            let Some(mode) = key.strip_prefix("pod-security.kubernetes.io/") else { continue };
            let Some(word) = value.as_str().filter(|word| !is_open(word)) else { continue };
            match mode {
                "enforce" | "audit" | "warn" if !["privileged", "baseline", "restricted"].contains(&word) => {
                    let message = format!(
                        "cannot be `{}`: it is one of `privileged`, `baseline`, `restricted`",
                        cut(word)
                    );
                    self.fault(&labels.key(key), message);
                }
                "enforce-version" | "audit-version" | "warn-version" if !is_minor(word) => {
                    self.fault(&labels.key(key), "must be `latest` or a version such as `v1.34`");
                }
                _ => {}
            }
        }
    }
}

/// How much a text of base64 is.
fn unpacked(text: &str) -> usize {
    let filling = text.bytes().rev().take(2).filter(|byte| *byte == b'=').count();
    (text.len() / 4 * 3).saturating_sub(filling)
}

fn is_minor(word: &str) -> bool {
    let minor = word.strip_prefix("v1.");
    word == "latest"
        || minor.is_some_and(|minor| minor == "0" || !minor.starts_with('0') && minor.parse::<u16>().is_ok())
}
