//! Secrets: what they are called, which keys they have and how they get into the cluster. Never their values.

use serde_json::{Value as Json, json};

use crate::inventory::node::{Node, Value};
use crate::inventory::record::{Decode, List, Map, Reader, Schemas, check_text};
use crate::inventory::value::{Duration, PassthroughTable, Text};
use crate::source::Spanned;
use crate::{choice, record};

choice! {
    /// How a secret gets into the cluster.
    pub enum SecretProvider {
        /// A SealedSecret that people make with kubeseal.
        SealedSecrets = "sealed-secrets",
        /// A SOPS-encrypted Secret that Flux decrypts.
        Sops = "sops",
        /// The External Secrets operator.
        ExternalSecrets = "external-secrets",
        /// By hand, outside Git.
        Manual = "manual",
    }
}

record! {
    /// A Secret that services or a chart read from: its keys, never its values. It lives in the namespace of `stack` or of `chart`.
    pub struct Secret {
        /// The stack whose namespace it lives in.
        stack: Option<Text>,
        /// The chart whose namespace it lives in, instead of a stack.
        chart: Option<Text>,
        /// How it gets into the cluster. Default `manual`.
        provider: Option<Spanned<SecretProvider>>,
        /// The keys that it has and services may read. Their values never stand here.
        keys: List<Text>,
        /// The Secret's name in Kubernetes. Default: its name in this inventory.
        name: Option<Text>,
        /// Its type, in Kubernetes' spelling: `kubernetes.io/tls`, `kubernetes.io/dockerconfigjson` … Default `Opaque`.
        r#type: Option<Text>,
        /// The secret store that `external-secrets` reads it from, by its name in this inventory: writes an ExternalSecret.
        store: Option<Text>,
        /// Where it stands in the store: one entry with a property for each key, or an entry for each key by name. Default: its name in Kubernetes.
        remote: Option<Remote>,
        /// How often the store is asked. Default `1h`.
        refresh: Option<Duration>,
        /// What it is for.
        description: Option<Text>,
    }
}

record! {
    /// Where one key of a secret stands in its store.
    pub struct RemoteKey {
        /// The entry of the store.
        #[required]
        key: Option<Text>,
        /// The property of that entry. Default: the entry as a whole.
        property: Option<Text>,
        /// The version of that entry. Default: the latest.
        version: Option<Text>,
    }
}

/// Where a secret stands in its store: one entry for all keys, or one for each.
#[derive(Clone, Debug, PartialEq)]
pub enum Remote {
    /// One entry, with a property for each key.
    Entry(Text),
    /// An entry for each key.
    Keys(Map<RemoteKey>),
}

impl Decode for Remote {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::String(text) => {
                check_text(text, node.span, reader);
                Some(Self::Entry(Text::new(text.to_string(), node.span)))
            }
            Value::Table(_) => Decode::decode(node, reader).map(Self::Keys),
            _ => {
                reader.wrong_type(node, "an entry of the store, or a table { KEY = { key, property } }");
                None
            }
        }
    }
    fn schema(schemas: &mut Schemas) -> Json {
        let keys = <Map<RemoteKey> as Decode>::schema(schemas);
        json!({ "anyOf": [{ "type": "string", "examples": ["media/plex"] }, keys] })
    }
}

record! {
    /// Where the External Secrets operator finds secrets. One of a stack is a SecretStore in its namespace, else it is a ClusterSecretStore that every namespace may use.
    pub struct SecretStore {
        /// The stack that alone may use it. Default: all may.
        stack: Option<Text>,
        /// How the store is reached: `vault`, `onepassword`, `kubernetes` … in the operator's own spelling.
        #[required]
        provider: Option<PassthroughTable>,
    }
}

record! {
    /// Who can read what SOPS encrypts: writes `sops.config` into the tree, for `sops --config`.
    pub struct Sops {
        /// The age recipients: public keys, `age1…`.
        age: List<Text>,
        /// The PGP fingerprints.
        pgp: List<Text>,
    }
}
