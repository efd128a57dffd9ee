//! The tables of an inventory.

use std::iter::Map;
use std::slice::Iter;

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use super::Node;
use crate::source::Span;

/// So many entries are looked through one by one.
const FEW: usize = 16;

/// The entries of a table in the order of the file: each name, where the name stands, and its value. An inventory has
/// ten tables for each service, mostly of one or two entries: a hash table would take as much room again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table(Box<[(Box<str>, Entry)]>);

/// One entry of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The place of the key.
    pub key: Span,
    /// Where the entry stands whose name is the nth of all, where this entry is the nth: in tables of many.
    nth: u32,
    /// The value.
    pub node: Node,
}

impl Entry {
    /// A value, and the place of its name.
    pub fn new(key: Span, node: Node) -> Self {
        Self { key, nth: 0, node }
    }
}

impl Table {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entry of a name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        Some(&self.0[self.position(name)?].1)
    }

    /// The entry of a name, with the name as it is kept here.
    pub fn get_key_value(&self, name: &str) -> Option<(&str, &Entry)> {
        let (name, entry) = &self.0[self.position(name)?];
        Some((name, entry))
    }

    /// The entry of a name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Entry> {
        Some(&mut self.0[self.position(name)?].1)
    }

    /// Whether there is an entry of this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// Every entry with its name.
    pub fn iter(&self) -> Entries<'_> {
        self.0.iter().map(|(name, entry)| (name, entry))
    }

    /// Every name.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.iter().map(|(name, _)| name)
    }

    /// Every entry.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Entry> + Clone {
        self.iter().map(|(_, entry)| entry)
    }

    /// Adds an entry, or puts it in the place of the one of that name.
    pub fn insert(&mut self, name: &str, entry: Entry) {
        *self = std::mem::take(self).into_iter().chain([(name.into(), entry)]).collect();
    }

    /// Adds entries. Whether no two of all have one name.
    pub fn append(&mut self, more: Vec<(Box<str>, Entry)>) -> bool {
        let count = self.len() + more.len();
        *self = std::mem::take(self).into_iter().chain(more).collect();
        self.len() == count
    }

    fn position(&self, name: &str) -> Option<usize> {
        if self.len() <= FEW {
            return self.0.iter().position(|(known, _)| **known == *name);
        }
        let found = self.0.binary_search_by(|(_, entry)| (*self.0[entry.nth as usize].0).cmp(name));
        found.ok().map(|at| self.0[at].1.nth as usize)
    }
}

/// The entries of a table, in its order.
pub type Entries<'t> = Map<Iter<'t, (Box<str>, Entry)>, fn(&(Box<str>, Entry)) -> (&str, &Entry)>;

impl<'t> IntoIterator for &'t Table {
    type Item = (&'t str, &'t Entry);
    type IntoIter = Entries<'t>;
    fn into_iter(self) -> Entries<'t> {
        self.iter()
    }
}

impl IntoIterator for Table {
    type Item = (Box<str>, Entry);
    type IntoIter = std::vec::IntoIter<Self::Item>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_vec().into_iter()
    }
}

/// Of one name the last entry counts, in the place of the first.
impl FromIterator<(Box<str>, Entry)> for Table {
    fn from_iter<I: IntoIterator<Item = (Box<str>, Entry)>>(entries: I) -> Self {
        let mut all: Box<[(Box<str>, Entry)]> = entries.into_iter().collect();
        let has_twins = if all.len() <= FEW {
            // Some may have been in a longer table.
            all.iter_mut().for_each(|(_, entry)| entry.nth = 0);
            all.iter().enumerate().any(|(at, (name, _))| all[..at].iter().any(|(known, _)| known == name))
        } else {
            let mut order: Vec<u32> = (0..).take(all.len()).collect();
            order.sort_unstable_by(|one, other| all[*one as usize].0.cmp(&all[*other as usize].0));
            let twins = order.windows(2).any(|two| all[two[0] as usize].0 == all[two[1] as usize].0);
            all.iter_mut().zip(order).for_each(|((_, entry), nth)| entry.nth = nth);
            twins
        };
        match has_twins {
            true => all.into_iter().collect::<IndexMap<_, _, RandomState>>().into_iter().collect(),
            false => Self(all),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop};
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::{Entry, FEW, Table};
    use crate::inventory::node::{Node, Value};
    use crate::source::{FileId, Span};

    fn entry(number: usize) -> Entry {
        let place = Span::new(FileId(0), number..number + 1);
        Entry::new(place, Node::new(place, Value::Integer(number as i64)))
    }

    fn table(names: &[u8]) -> Table {
        names.iter().enumerate().map(|(at, name)| (name.to_string().into(), entry(at))).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn a_table_is_a_list_in_which_the_last_of_a_name_counts(
            names in prop::collection::vec(0..40u8, 0..3 * FEW),
        ) {
            let table = table(&names);
            let mut firsts: Vec<u8> = Vec::new();
            for name in &names {
                if !firsts.contains(name) {
                    firsts.push(*name);
                }
            }
            let order: Vec<String> = firsts.iter().map(u8::to_string).collect();
            prop_assert!(table.keys().eq(order.iter().map(String::as_str)));
            for name in 0..50u8 {
                let last = names.iter().rposition(|known| *known == name).map(entry);
                let found = table.get(&name.to_string()).cloned();
                prop_assert_eq!(found.map(|found| found.node), last.map(|last| last.node));
            }
        }

        #[test]
        fn what_is_added_is_found_with_all_that_was_there(
            names in prop::collection::vec(0..40u8, 0..2 * FEW),
            more in prop::collection::vec(0..40u8, 0..2 * FEW),
        ) {
            let mut appended = table(&names);
            let count = appended.len();
            let list: Vec<_> = table(&more).into_iter().collect();
            let apart = list.iter().all(|(name, _)| !appended.contains_key(name));
            prop_assert_eq!(appended.append(list.clone()), apart);
            let mut inserted = table(&names);
            list.iter().for_each(|(name, entry)| inserted.insert(name, entry.clone()));
            prop_assert_eq!(&appended, &inserted);
            prop_assert!(appended.len() >= count);
        }
    }
}
