//! The JSON Schema of tables.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::Record;

/// The schemas of all tables met so far, by name.
#[derive(Debug, Default)]
pub struct Schemas(pub BTreeMap<&'static str, Json>);

impl Schemas {
    /// A pointer to the table's schema, which is added when it is new.
    pub fn of<T: Record>(&mut self) -> Json {
        if !self.0.contains_key(T::NAME) {
            self.0.insert(T::NAME, Json::Null);
            let mut properties = serde_json::Map::new();
            let keys = T::keys();
            for key in &keys {
                let schema = describe((key.schema)(self), key.doc);
                properties.insert(key.name.clone(), schema);
            }
            let required: Vec<&str> =
                keys.iter().filter(|key| key.required).map(|key| key.name.as_str()).collect();
            let mut schema = json!({
                "description": T::DOC.trim(),
                "type": "object",
                "additionalProperties": false,
                "properties": properties,
            });
            if !required.is_empty() {
                schema["required"] = json!(required);
            }
            self.0.insert(T::NAME, schema);
        }
        json!({ "$ref": format!("#/definitions/{}", T::NAME) })
    }
}

/// Puts a description beside a schema. Draft 7 ignores what stands beside `$ref`, hence `allOf`.
fn describe(schema: Json, doc: &str) -> Json {
    let mut described = match schema {
        Json::Object(map) if map.contains_key("$ref") => json!({ "allOf": [map] }),
        other => other,
    };
    described["description"] = Json::String(doc.trim().to_owned());
    described
}

/// The schema of a closed set. What each word means is said twice: to Taplo, and to editors of YAML and JSON.
pub fn words_schema(words: &[&str], meanings: &[&str]) -> Json {
    json!({
        "type": "string",
        "enum": words,
        "enumDescriptions": meanings,
        "x-taplo": { "docs": { "enumValues": meanings } },
    })
}
