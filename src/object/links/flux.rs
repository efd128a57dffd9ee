//! What Flux reads, and what waits for what.

use super::{NAMED, Needed, Reader, each};
use crate::object::Value;
use crate::object::path::Here;

impl Reader {
    pub(super) fn waits(&mut self, kind: &'static str, spec: &Value, here: &Here<'_>) {
        each(spec, "dependsOn", here, &mut |other, here| {
            let text = |key: &str| other.get(key).and_then(Value::as_str);
            if let Some(name) = text("name") {
                self.need(&here.key("name"), text("namespace"), Needed::Name(kind, name.to_owned(), None));
            }
        });
    }

    pub(super) fn source(&mut self, spec: &Value, here: &Here<'_>) {
        if let Some(source) = spec.get("sourceRef") {
            self.flux(source, &here.key("sourceRef"));
        }
    }

    /// An object of Flux, by kind and name.
    pub(super) fn flux(&mut self, reference: &Value, here: &Here<'_>) {
        let text = |key: &str| reference.get(key).and_then(Value::as_str);
        let kind = text("kind").unwrap_or_default();
        let known = NAMED.iter().find(|(group, known)| group.starts_with("source.") && *known == kind);
        if let (Some((_, kind)), Some(name)) = (known, text("name")) {
            self.need(&here.key("name"), text("namespace"), Needed::Name(kind, name.to_owned(), None));
        }
    }
}
