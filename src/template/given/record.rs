//! Large structs of the caller's: a member becomes a value when a template asks for it, and not before.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectExt, ObjectRepr};
use serde::Serialize;

use super::serializer::Given;
use super::{GivenMap, Keys, part, same};

/// A text of so many bytes is made anew each time that it is read.
const SHORT: usize = 256;

/// A struct of the caller's.
#[derive(Debug)]
pub(super) struct GivenRecord {
    source: Arc<dyn Source>,
    pub keys: Arc<Keys>,
    /// What was read, by its place, unless it is made anew in no time: a template that loops makes it once.
    read: Mutex<Vec<(usize, Value)>>,
}

/// What members are made from.
trait Source: Debug + Send + Sync {
    fn part(&self, wanted: Given) -> Value;
}

impl<T: Serialize + Debug + Send + Sync> Source for T {
    fn part(&self, wanted: Given) -> Value {
        part(self, wanted)
    }
}

/// A struct of the caller's, of which only those members are made that are read.
pub fn given_record<T: Serialize + Debug + Send + Sync + 'static>(source: Arc<T>) -> Value {
    let keys = part(source.as_ref(), Given::Keys);
    match keys.downcast_object::<GivenMap>() {
        Some(map) => {
            let keys = Arc::clone(&map.keys);
            Value::from_object(GivenRecord { source, keys, read: Mutex::default() })
        }
        None => keys,
    }
}

impl GivenRecord {
    /// The member at a place, made anew.
    pub fn member(&self, at: usize) -> Value {
        self.source.part(Given::Member(at))
    }

    /// Whether all that a template can see is the same.
    pub fn is_same(&self, other: &Self) -> bool {
        let mut all = 0..self.keys.names.len();
        std::ptr::addr_eq(Arc::as_ptr(&self.source), Arc::as_ptr(&other.source))
            || self.keys == other.keys && all.all(|at| same(&self.member(at), &other.member(at)))
    }

    fn read(&self, at: usize) -> Value {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, value)) = read.iter().find(|(known, _)| *known == at) {
            return value.clone();
        }
        let value = self.member(at);
        if value.as_object().is_some() || value.as_str().is_some_and(|text| text.len() > SHORT) {
            read.push((at, value.clone()));
        }
        value
    }
}

impl Object for GivenRecord {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.keys.place(key).map(|at| self.read(at))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.mapped_key_value_enumerator(|this| {
            let names = this.keys.names.iter().enumerate();
            Box::new(names.map(|(at, name)| (name.clone(), this.read(at))))
        })
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.keys.names.len())
    }
}
