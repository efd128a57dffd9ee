//! Objects that are made elsewhere.

use std::collections::BTreeSet;

use crate::inventory::TOO_MUCH;
use crate::model::BAD_VALUE;
use crate::model::references::Resolver;
use crate::source::Span;

/// The most entries with a `*`: each is tried on each name that leads nowhere.
const PATTERN_LIMIT: usize = 1000;

/// Objects that are made elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Externals {
    /// Those named in full: kind, namespace and name.
    named: BTreeSet<[String; 3]>,
    /// Several each: a part may hold `*`.
    several: Vec<[Pattern; 3]>,
}

impl Externals {
    /// Whether this is meant.
    pub fn is(&self, kind: &str, namespace: &str, name: &str) -> bool {
        let parts = [kind, namespace, name];
        self.named.contains(&parts.map(str::to_owned))
            || self.several.iter().any(|patterns| {
                let mut pairs = patterns.iter().zip(parts);
                pairs.all(|(pattern, part)| pattern.fits(part))
            })
    }
}

/// Lowers `external`. Errors: an entry that is not `Kind/namespace/name`, or too many with a `*`.
pub fn lower(resolver: &mut Resolver<'_>) -> Externals {
    let mut externals = Externals::default();
    for entry in &resolver.inventory.tables.external {
        let text = resolver.text(entry);
        let parts: Vec<&str> = text.value.split('/').collect();
        match parts.as_slice() {
            [kind, namespace, name] if parts.iter().all(|part| !part.is_empty()) => {
                let parts = [*kind, *namespace, *name];
                match text.value.contains('*') {
                    true => externals.several.push(parts.map(Pattern::new)),
                    false => drop(externals.named.insert(parts.map(str::to_owned))),
                }
            }
            _ => report(resolver, &text.value, entry.span),
        }
        if externals.several.len() > PATTERN_LIMIT {
            let message = format!("`external` has more than the limit of {PATTERN_LIMIT} entries with `*`");
            let help = "name the objects in full, or all of a namespace with one `*`";
            resolver.found.push(TOO_MUCH.at(entry.span, "one too many", message).help(help));
            externals.several.clear();
            break;
        }
    }
    externals
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

/// A text in which `*` stands for anything.
#[derive(Clone, Debug)]
struct Pattern {
    first: String,
    /// What follows each `*`. Of those between the first and the last none is empty.
    others: Vec<String>,
    /// How long a text is at least that fits.
    least: usize,
}

impl Pattern {
    fn new(text: &str) -> Self {
        let mut pieces = text.split('*');
        let first = pieces.next().unwrap_or_default().to_owned();
        let last = pieces.next_back();
        let between = pieces.filter(|piece| !piece.is_empty());
        let others = between.chain(last).map(str::to_owned).collect();
        Self { first, others, least: text.len() - text.matches('*').count() }
    }

    fn fits(&self, text: &str) -> bool {
        let Some(mut rest) = text.strip_prefix(&self.first).filter(|_| text.len() >= self.least) else {
            return false;
        };
        let Some((last, between)) = self.others.split_last() else { return rest.is_empty() };
        for piece in between {
            let Some(at) = rest.find(piece) else { return false };
            rest = &rest[at + piece.len()..];
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

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
            ("a**", "ab", true),
            ("**a", "ba", true),
            ("a**b**", "acbd", true),
        ] {
            assert_eq!(Pattern::new(pattern).fits(text), is, "{pattern} {text}");
        }
    }
}
