//! Keys that stand in the file and could not be read: what is told of one is not told again of its absence.

use std::collections::BTreeSet;

use crate::source::Span;

/// Dotted paths of keys that are unknown or have values of another type; of a misspelt key, the one that was meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unread {
    paths: BTreeSet<String>,
    /// The same, by the place of the table they stand in.
    keys: BTreeSet<(Span, String)>,
}

impl Unread {
    /// Notes a key. What an environment changes counts as the default's, too.
    pub fn add(&mut self, path: &str) {
        let mut keys = path.splitn(3, '.');
        if let (Some("environments"), Some(_), Some(rest)) = (keys.next(), keys.next(), keys.next()) {
            self.paths.insert(rest.to_owned());
        }
        self.paths.insert(path.to_owned());
    }

    /// Whether everything could be read.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Takes over what others have noted.
    pub fn absorb(&mut self, other: Self) {
        self.paths.extend(other.paths);
        self.keys.extend(other.keys);
    }

    /// Whether a key or anything below it could not be read.
    pub fn at(&self, path: &[&str]) -> bool {
        let path = path.join(".");
        let below = format!("{path}.");
        let after = self.paths.range(below.clone()..).next();
        self.paths.contains(&path) || after.is_some_and(|next| next.starts_with(&below))
    }

    /// Whether a key itself could not be read.
    pub fn is(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    /// Notes which of its keys a table has without their values: it stands at `place`, and `path` leads to it.
    pub fn add_table(&mut self, place: Span, path: &str, keys: &[String]) {
        let start = if path.is_empty() { String::new() } else { format!("{path}.") };
        let unread = keys.iter().filter(|key| self.paths.contains(&format!("{start}{key}")));
        self.keys.extend(unread.map(|key| (place, key.clone())));
    }

    /// Whether the table at a place has one of these keys, and it could not be read.
    pub fn in_table<'k>(&self, place: Span, mut keys: impl Iterator<Item = &'k str>) -> bool {
        keys.any(|key| self.keys.contains(&(place, key.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::Unread;

    #[test]
    fn what_is_below_counts_as_well() {
        let mut unread = Unread::default();
        unread.add("environments.prod.services.web.ports.http");
        unread.add("stacks.a-b.isolate");
        assert!(unread.at(&["services", "web", "ports"]) && unread.at(&["stacks", "a-b"]));
        assert!(unread.at(&["environments", "prod", "services", "web", "ports", "http"]));
        assert!(!unread.at(&["services", "web", "port"]) && !unread.at(&["stacks", "a"]));
    }
}
