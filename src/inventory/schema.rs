//! The JSON Schema of the inventory, made from the same declarations that read it.

use serde_json::{Value, json};

use crate::inventory::Tables;
use crate::inventory::record::{Record, Schemas};

/// The schema (draft 7, which TOML and YAML editors understand), with a description for every key.
pub fn inventory_schema() -> Value {
    let mut schemas = Schemas::default();
    schemas.of::<Tables>();
    let mut root = schemas.0.remove(Tables::NAME).unwrap_or_default();
    root["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    root["title"] = json!("bayplan inventory");
    // A YAML inventory names its schema in a comment, a JSON editor in this key: both are let through.
    root["definitions"] = json!(schemas.0);
    root
}
