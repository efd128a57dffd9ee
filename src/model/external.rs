//! Objects that are made elsewhere.

use crate::model::BAD_VALUE;
use crate::model::references::Resolver;
use crate::source::{Span, Spanned};

/// An object that is made elsewhere, or several of them: each part may hold `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    kind: String,
    namespace: String,
    name: String,
}

impl External {
    /// Whether this is meant.
    pub fn is(&self, kind: &str, namespace: &str, name: &str) -> bool {
        fits(&self.kind, kind) && fits(&self.namespace, namespace) && fits(&self.name, name)
    }
}

/// Lowers `external`. Errors: an entry that is not `Kind/namespace/name`.
pub fn lower(resolver: &mut Resolver<'_>) -> Vec<Spanned<External>> {
    let entries = &resolver.inventory.tables.external;
    let read = entries.iter().filter_map(|entry| {
        let text = resolver.text(entry);
        let parts: Vec<&str> = text.value.split('/').collect();
        match parts.as_slice() {
            [kind, namespace, name] if parts.iter().all(|part| !part.is_empty()) => {
                let text = |part: &&str| (*part).to_owned();
                let external = External { kind: text(kind), namespace: text(namespace), name: text(name) };
                Some(Spanned::new(external, entry.span))
            }
            _ => {
                report(resolver, &text.value, entry.span);
                None
            }
        }
    });
    read.collect()
}

fn report(resolver: &mut Resolver<'_>, text: &str, span: Span) {
    resolver.found.push(
        BAD_VALUE
            .at(
                span,
                "not `Kind/namespace/name`",
                format!("`external` names an object as `Kind/namespace/name`, not `{text}`"),
            )
            .help("such as `Secret/media/registry`; `*` stands for any part of a name"),
    );
}

/// Whether a text is a pattern in which `*` stands for anything. Takes the product of the lengths at most.
fn fits(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, is) in [
            ("media", "media", true),
            ("media", "medias", false),
            ("media*", "media-staging", true),
            ("*", "", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxc", false),
            ("a*a", "a", false),
            ("*ab", "aab", true),
        ] {
            assert_eq!(fits(pattern, text), is, "{pattern} {text}");
        }
    }
}
