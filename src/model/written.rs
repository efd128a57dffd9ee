//! The inventory as it is written: where a key stands, and every text with the keys that lead to it.
//!
//! For rules about the file itself: what the model means by a value is in the other types.

use crate::inventory::node::{Entry, Value};
use crate::model::Model;
use crate::source::Span;

/// A text of the inventory, references still in place.
#[derive(Clone, Debug)]
pub struct Written<'m> {
    /// The keys that lead to it; items of a list have none of their own.
    pub path: &'m [&'m str],
    /// The place of the last key, or of the text itself in a list.
    pub key: Span,
    /// The text.
    pub text: &'m str,
    /// Its place.
    pub span: Span,
}

impl Written<'_> {
    /// What findings about it are about: the table that it is of, and the environment that changes that.
    pub fn subjects(&self) -> Vec<String> {
        match self.path {
            ["environments", environment, table @ ("services" | "stacks"), owner, ..] => {
                vec![format!("{table}.{owner}"), format!("environments.{environment}")]
            }
            // Tables of which there is one.
            ["ingress", ..] => vec!["ingress".to_owned()],
            [table, owner, ..] => vec![format!("{table}.{owner}")],
            [table] => vec![(*table).to_owned()],
            [] => Vec::new(),
        }
    }
}

impl Model {
    /// The place of a value: as the environment writes it, else as the defaults do.
    pub fn place_of(&self, environment: &str, path: &[&str]) -> Option<Span> {
        self.entry_of(environment, path).map(|entry| entry.node.span)
    }

    /// The place of a key: as the environment writes it, else as the defaults do.
    pub fn key_of(&self, environment: &str, path: &[&str]) -> Option<Span> {
        self.entry_of(environment, path).map(|entry| entry.key)
    }

    /// Which item of a list of several stands at a place.
    pub fn item_of(&self, path: &[&str], place: Span) -> Option<usize> {
        match &self.entry_of("", path)?.node.value {
            Value::Array(items) if items.len() > 1 => items.iter().position(|item| item.span == place),
            _ => None,
        }
    }

    fn entry_of(&self, environment: &str, path: &[&str]) -> Option<&Entry> {
        let (last, above) = path.split_last()?;
        let own = ["environments", environment];
        let places = [own.iter().chain(above).copied().collect::<Vec<_>>(), above.to_vec()];
        places.into_iter().find_map(|above| self.written.find(above)?.table()?.get(last))
    }

    /// Calls `read` with every text of the inventory, in no order that matters.
    pub fn each_text(&self, mut read: impl FnMut(Written<'_>)) {
        self.written.each_scalar(&mut |path, key, node| {
            if let Some(text) = node.text() {
                read(Written { path, key, text, span: node.span });
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::Written;
    use crate::source::{FileId, Span};

    #[test]
    fn a_text_is_its_tables() {
        let subjects = |path: &[&str]| {
            let span = Span::new(FileId::default(), 0..0);
            Written { path, key: span, text: "", span }.subjects()
        };
        assert_eq!(subjects(&["services", "web", "env", "TZ"]), ["services.web"]);
        assert_eq!(subjects(&["environments", "p", "env", "TZ"]), ["environments.p"]);
        let of_both = subjects(&["environments", "p", "services", "web", "env", "TZ"]);
        assert_eq!(of_both, ["services.web", "environments.p"]);
        assert_eq!(subjects(&["ingress", "entry-points"]), ["ingress"]);
    }
}
