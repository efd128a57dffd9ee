//! Ways to values: as a walk goes them, as findings name them, and packed.

use std::fmt;

/// The way to a value: `spec.ports[0].name`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<Step>);

/// One step of a way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// To the member of a map.
    Key(String),
    /// To the element of a list.
    Index(usize),
}

impl Path {
    /// The keys on the way, from the outside.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }
}

/// A way as one text, in which thousands of them are kept of whom few are ever told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedPath(Box<str>);

impl PackedPath {
    fn of<'s>(steps: impl Iterator<Item = (&'s str, Option<usize>)>) -> Self {
        let mut text = String::with_capacity(96);
        for (key, index) in steps {
            match index {
                // No key has a tilde before anything but these digits.
                Some(index) => text.push_str(&format!("/~[{index}")),
                None if key.contains(['~', '/']) => {
                    text.push('/');
                    text.push_str(&key.replace('~', "~0").replace('/', "~1"));
                }
                None => {
                    text.push('/');
                    text.push_str(key);
                }
            }
        }
        Self(text.into_boxed_str())
    }

    /// The way.
    pub fn path(&self) -> Path {
        let step = |part: &str| match part.strip_prefix("~[").and_then(|index| index.parse().ok()) {
            Some(index) => Step::Index(index),
            None => Step::Key(part.replace("~1", "/").replace("~0", "~")),
        };
        Path(self.0.split('/').skip(1).map(step).collect())
    }
}

impl From<&Path> for PackedPath {
    fn from(path: &Path) -> Self {
        Self::of(path.0.iter().map(|step| match step {
            Step::Key(key) => (key.as_str(), None),
            Step::Index(index) => ("", Some(*index)),
        }))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if key.contains(['.', '/']) => write!(f, "[\"{key}\"]")?,
                Step::Key(key) if at == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

/// Where a walk stands: a list on the stack, so that only faults cost memory.
#[derive(Clone, Copy)]
pub(super) struct Here<'a> {
    parent: Option<&'a Here<'a>>,
    key: &'a str,
    index: Option<usize>,
}

impl Here<'_> {
    pub(super) const ROOT: Here<'static> = Here { parent: None, key: "", index: None };

    pub(super) fn packed(&self) -> PackedPath {
        let here: Vec<&Here<'_>> = std::iter::successors(Some(self), |here| here.parent).collect();
        PackedPath::of(here.iter().rev().skip(1).map(|here| (here.key, here.index)))
    }

    pub(super) fn path(&self) -> Path {
        let length = std::iter::successors(Some(self), |here| here.parent).count() - 1;
        let mut steps = Vec::with_capacity(length);
        let mut here = self;
        while let Some(parent) = here.parent {
            steps.push(match here.index {
                Some(index) => Step::Index(index),
                None => Step::Key(here.key.to_owned()),
            });
            here = parent;
        }
        steps.reverse();
        Path(steps)
    }
}

impl<'a> Here<'a> {
    pub(super) fn key(&'a self, key: &'a str) -> Here<'a> {
        Here { parent: Some(self), key, index: None }
    }

    pub(super) fn index(&'a self, index: usize) -> Here<'a> {
        Here { parent: Some(self), key: "", index: Some(index) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Here, PackedPath, Path, Step};

    #[test]
    fn packed_ways_are_what_they_were() {
        let key = |key: &str| Step::Key(key.to_owned());
        for steps in [
            vec![],
            vec![key("spec"), Step::Index(12), key("name")],
            vec![key("metadata"), key("annotations"), key("a.b/c~d~1[0]")],
            vec![key(""), key("~"), key("/"), key("[3"), key("~[3"), Step::Index(0)],
        ] {
            let path = Path(steps);
            assert_eq!(PackedPath::from(&path).path(), path);
        }
        let here = Here::ROOT;
        let (spec, name) = (here.key("spec"), "a/b");
        let at = spec.index(3);
        assert_eq!(at.key(name).packed().path(), at.key(name).path());
    }
}
