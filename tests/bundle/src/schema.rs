//! What a schema says of a value, and the types that it is made of.

use std::collections::{BTreeMap, BTreeSet};

/// What may stand in a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// Anything.
    Any,
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// A whole number or a text.
    IntOrText,
    /// An amount: `500m`, `1Gi`, or a number.
    Quantity,
    /// A text of a kind that has a name: `duration`.
    Format(String),
    /// One of some words.
    Enum(Vec<String>),
    /// A whole number between two others.
    Range(i64, i64),
    /// A list; no two elements may have the same values of these keys.
    List(Box<Node>, Vec<String>),
    /// A map of anything to this.
    Map(Box<Node>),
    /// An object of a type.
    Object(String),
}

/// The fields of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Type {
    /// Whether it may have fields beside these.
    pub open: bool,
    /// Its fields.
    pub fields: BTreeMap<String, Field>,
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// What stands in it.
    pub node: Node,
    /// Whether it must be given.
    pub required: bool,
    /// The minor version of Kubernetes that brought it; 0 if it was always there.
    pub since: u32,
}

/// A kind of object that a cluster serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its type.
    pub of: String,
    /// Whether its objects stand in a namespace.
    pub namespaced: bool,
    /// First and last minor version of Kubernetes that serve it, as far as the sources know; 0 is no bound.
    pub served: (u32, u32),
}

/// All types by name, all kinds by API version and name.
#[derive(Clone, Debug, Default)]
pub struct Schemas {
    /// Types.
    pub types: BTreeMap<String, Type>,
    /// Kinds.
    pub kinds: BTreeMap<(String, String), Kind>,
}

impl Node {
    /// The type that is named in it, through lists and maps.
    pub fn object(&self) -> Option<&str> {
        match self {
            Self::List(inner, _) | Self::Map(inner) => inner.object(),
            Self::Object(name) => Some(name),
            _ => None,
        }
    }

    fn rename(&mut self, names: &BTreeMap<String, String>) {
        match self {
            Self::List(inner, _) | Self::Map(inner) => inner.rename(names),
            Self::Object(name) => {
                if let Some(other) = names.get(name) {
                    name.clone_from(other);
                }
            }
            _ => {}
        }
    }
}

impl Schemas {
    /// Leaves out types that no kind needs, and merges those that are alike.
    pub fn shrink(&mut self, exported: &[&str]) {
        self.prune(exported);
        let classes = self.classes();
        let mut first: BTreeMap<usize, String> = BTreeMap::new();
        for name in exported {
            first.entry(classes[*name]).or_insert_with(|| (*name).to_owned());
        }
        for (name, class) in &classes {
            first.entry(*class).or_insert_with(|| name.clone());
        }
        let names: BTreeMap<String, String> =
            classes.iter().map(|(name, class)| (name.clone(), first[class].clone())).collect();
        for field in self.types.values_mut().flat_map(|of| of.fields.values_mut()) {
            field.node.rename(&names);
        }
        for kind in self.kinds.values_mut() {
            kind.of.clone_from(&names[&kind.of]);
        }
        self.prune(exported);
    }

    fn prune(&mut self, exported: &[&str]) {
        let mut left: Vec<String> = self.kinds.values().map(|kind| kind.of.clone()).collect();
        left.extend(exported.iter().map(|name| (*name).to_owned()));
        let mut seen = BTreeSet::new();
        while let Some(name) = left.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let of = self.types.get(&name).unwrap_or_else(|| panic!("no type {name}"));
            left.extend(of.fields.values().filter_map(|field| field.node.object().map(str::to_owned)));
        }
        self.types.retain(|name, _| seen.contains(name));
    }

    /// Types of one class are alike, down to the types of their fields.
    fn classes(&self) -> BTreeMap<String, usize> {
        let mut classes: BTreeMap<String, usize> = self.types.keys().map(|name| (name.clone(), 0)).collect();
        let mut count = 1;
        loop {
            let numbers: BTreeMap<String, String> =
                classes.iter().map(|(name, class)| (name.clone(), class.to_string())).collect();
            let mut known: BTreeMap<String, usize> = BTreeMap::new();
            let mut next = BTreeMap::new();
            for (name, of) in &self.types {
                let mut of = of.clone();
                of.fields.values_mut().for_each(|field| field.node.rename(&numbers));
                let fresh = known.len();
                let class = *known.entry(format!("{of:?}")).or_insert(fresh);
                next.insert(name.clone(), class);
            }
            let now = known.len();
            classes = next;
            if now == count {
                return classes;
            }
            count = now;
        }
    }
}
