//! A Kubernetes object as a value: how it is read, ordered, written, merged and compared.
//!
//! Knows nothing of an inventory, of templates or of files.

use std::fmt;

pub mod bundle;
pub mod emit;
pub mod formats;
pub mod image;
pub mod links;
pub mod merge;
pub mod names;
pub mod naming;
pub mod order;
pub mod patch;
pub mod path;
pub mod place;
pub mod pod_security;
pub mod read;
pub mod schema;
pub mod sense;
pub mod served;
pub mod yaml;
pub mod zones;

/// A YAML or JSON value. Maps keep the order in which their keys were written.
pub type Value = serde_json::Value;

/// A map of values, in the order in which its keys were written.
pub type Map = serde_json::Map<String, Value>;

/// What makes two objects the same object for Kubernetes: everything but the API version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind, as in `Deployment`.
    pub kind: String,
    /// Namespace, where the object names one.
    pub namespace: Option<String>,
    /// `metadata.name`.
    pub name: String,
}

impl Id {
    /// The identity of `object`; `None` if `apiVersion`, `kind` or `metadata.name` is missing or empty.
    pub fn of(object: &Value) -> Option<Self> {
        let metadata = object.get("metadata")?;
        let group = api_version(object)?.rsplit_once('/').map_or("", |(group, _)| group);
        Some(Self {
            group: group.to_owned(),
            kind: text(object, "kind")?.to_owned(),
            namespace: text(metadata, "namespace").map(str::to_owned),
            name: text(metadata, "name")?.to_owned(),
        })
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, kind, namespace, name } = self;
        let dot = if group.is_empty() { "" } else { "." };
        match namespace {
            Some(namespace) => write!(f, "{kind}{dot}{group} {namespace}/{name}"),
            None => write!(f, "{kind}{dot}{group} {name}"),
        }
    }
}

/// The `apiVersion` of an object, such as `apps/v1`.
pub fn api_version(object: &Value) -> Option<&str> {
    text(object, "apiVersion")
}

/// A member of a map, if it is a text and not empty.
fn text<'a>(map: &'a Value, key: &str) -> Option<&'a str> {
    map.get(key)?.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::Id;
    use serde_json::json;

    #[test]
    fn an_identity_leaves_the_version_out() {
        let metadata = json!({"name": "plex", "namespace": "media"});
        let one = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata});
        let two = json!({"apiVersion": "apps/v2", "kind": "Deployment", "metadata": metadata});
        assert_eq!(Id::of(&one), Id::of(&two));
        assert_eq!(Id::of(&one).unwrap().to_string(), "Deployment.apps media/plex");
    }

    #[test]
    fn core_objects_have_an_empty_group() {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "media"}});
        assert_eq!(Id::of(&namespace).unwrap().to_string(), "Namespace media");
    }

    #[test]
    fn what_lacks_a_name_has_no_identity() {
        assert_eq!(Id::of(&json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": ""}})), None);
        assert_eq!(Id::of(&json!({"apiVersion": "v1", "kind": "Service"})), None);
        assert_eq!(Id::of(&json!(["v1"])), None);
    }
}
