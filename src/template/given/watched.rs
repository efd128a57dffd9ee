//! What one render has read of the things that it is made for.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectExt, ObjectRepr};

use super::record::GivenRecord;
use super::{GivenMap, Keys, same};

/// A map of the caller's that remembers which of its members one render has read.
#[derive(Debug)]
pub struct Watched {
    members: Members,
    /// Each member, once it was read.
    read: Box<[OnceLock<Value>]>,
    /// Whether something was read that concerns them all.
    all_read: AtomicBool,
}

#[derive(Debug)]
enum Members {
    Map(Arc<GivenMap>),
    Record(Arc<GivenRecord>),
}

impl Members {
    fn of(value: &Value) -> Option<Self> {
        let map = || value.downcast_object::<GivenMap>().map(Self::Map);
        value.downcast_object::<GivenRecord>().map(Self::Record).or_else(map)
    }

    /// Whether it is the very same, and not only like it.
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Map(one), Self::Map(other)) => Arc::ptr_eq(one, other),
            (Self::Record(one), Self::Record(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    fn keys(&self) -> &Arc<Keys> {
        match self {
            Self::Map(map) => &map.keys,
            Self::Record(record) => &record.keys,
        }
    }

    /// The member at a place. Of a record it is not kept for others: they have things of their own.
    fn member(&self, at: usize) -> Value {
        match self {
            Self::Map(map) => map.values[at].clone(),
            Self::Record(record) => record.member(at),
        }
    }
}

impl Watched {
    /// Watches `map`; none if that is no map of the caller's.
    pub fn new(map: &Value) -> Option<Arc<Self>> {
        let members = Members::of(map)?;
        let read = members.keys().names.iter().map(|_| OnceLock::new()).collect();
        Some(Arc::new(Self { members, read, all_read: AtomicBool::new(false) }))
    }

    /// Whether all that was read is the same in `other`, so that the same would be made of it.
    pub fn reads_same(&self, other: &Value) -> bool {
        let Some(other) = Members::of(other) else { return false };
        if self.members.is(&other) {
            return true;
        }
        if self.all_read.load(Relaxed) || self.members.keys() != other.keys() {
            return false;
        }
        let read = self.read.iter().enumerate().filter_map(|(at, value)| Some((at, value.get()?)));
        read.into_iter().all(|(at, value)| same(value, &other.member(at)))
    }

    fn at(&self, at: usize) -> Value {
        self.read[at].get_or_init(|| self.members.member(at)).clone()
    }

    fn get(&self, key: &str) -> Option<Value> {
        let at = self.members.keys().place(key);
        if at.is_none() {
            self.all_read.store(true, Relaxed);
        }
        at.map(|at| self.at(at))
    }
}

impl Object for Watched {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.get(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.all_read.store(true, Relaxed);
        self.mapped_key_value_enumerator(|this| {
            let names = this.members.keys().names.iter().enumerate();
            Box::new(names.map(|(at, name)| (name.clone(), this.at(at))))
        })
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.read.len())
    }
}
