//! The inventory as it is written: where a key stands, and every text with the keys that lead to it.
//!
//! For rules about the file itself: what the model means by a value is in the other types.

use crate::inventory::node::{Entry, Node, Value};
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

/// A value of the inventory, with the keys that lead to it.
#[derive(Clone, Debug)]
pub struct Place<'m> {
    /// The keys that lead to it; items of a list have none of their own.
    pub path: Vec<&'m str>,
    /// The place of the last key, or of the value itself in a list.
    pub key: Span,
    /// The value.
    pub node: &'m Node,
}

impl<'m> Place<'m> {
    /// The first keys that lead to it, without the environment that changes it.
    pub fn owner(&self, length: usize) -> &[&'m str] {
        let path = match self.path.as_slice() {
            ["environments", _, rest @ ..] => rest,
            path => path,
        };
        &path[..length.min(path.len())]
    }

    /// What a finding is about: the service, stack or table.
    pub fn subject(&self) -> String {
        let named = ["services", "stacks", "nodes", "storage-classes"];
        let length = if self.owner(1).first().is_some_and(|table| named.contains(table)) { 2 } else { 1 };
        self.owner(length).join(".")
    }
}

impl Model {
    /// What stands at a path, in the defaults and in every environment. `*` is any key, `[]` any item of a list.
    pub fn everywhere(&self, pattern: &str) -> Vec<Place<'_>> {
        let steps: Vec<&str> = pattern.split('.').collect();
        let (mut found, mut path) = (Vec::new(), Vec::new());
        descend(&self.written, self.written.span, &steps, &mut path, &mut found);
        if steps.first().is_some_and(|table| ["services", "stacks"].contains(table)) {
            let below: Vec<&str> = ["environments", "*"].into_iter().chain(steps).collect();
            descend(&self.written, self.written.span, &below, &mut path, &mut found);
        }
        found
    }

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

/// Adds what stands where `steps` lead from a node. `path` are the keys that lead to it, `key` is the last of them.
fn descend<'m>(
    node: &'m Node,
    key: Span,
    steps: &[&str],
    path: &mut Vec<&'m str>,
    found: &mut Vec<Place<'m>>,
) {
    let Some((step, rest)) = steps.split_first() else {
        return found.push(Place { path: path.clone(), key, node });
    };
    match (&node.value, *step) {
        (Value::Array(items), "[]") => {
            items.iter().for_each(|item| descend(item, item.span, rest, path, found));
        }
        (Value::Table(table), step) => {
            let follow = |(key, entry): (&'m str, &'m Entry)| {
                path.push(key);
                descend(&entry.node, entry.key, rest, path, found);
                path.pop();
            };
            match step {
                "*" => table.iter().for_each(follow),
                _ => table.get_key_value(step).into_iter().for_each(follow),
            }
        }
        _ => {}
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
