//! What one render may keep, write and work on.

use std::sync::Arc;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};

use crate::template::given::is_given;
use crate::template::holes::{DEPTH_LIMIT, Fault, FaultKind, has_marker, set_marker};
use crate::template::total::{BYTES_PER_STEP, Total};

/// The largest text that a template may make and keep, in bytes.
pub(in crate::template) const STRING_LIMIT: usize = 1024 * 1024;
/// The most entries of a list or map that a template may keep or give to a filter.
pub(in crate::template) const LENGTH_LIMIT: usize = 1_000_000;
/// The most that one value may weigh which a template names or gives to a filter: a byte of text is 1, a node
/// [`NODE_WEIGHT`].
const VALUE_LIMIT: usize = 32 * 1024 * 1024;
/// A node takes about as long to visit, and as much text to write, as this many bytes.
const NODE_WEIGHT: usize = 16;
/// The most bytes that one render may write, captured output included.
const WRITE_LIMIT: usize = 64 * 1024 * 1024;
/// The most that may be weighed in one render: about half a second.
const WORK_LIMIT: usize = 256 * 1024 * 1024;

/// What one render has used up, and its holes.
#[derive(Debug, Default)]
pub(in crate::template) struct Meter {
    written: usize,
    weighed: usize,
    /// The values whose markers stand in the output, by number.
    pub(in crate::template) holes: Vec<Value>,
    /// The marker written last.
    marker: String,
    /// What all renders use, and how much of it is this one's so far.
    total: Option<Arc<Total>>,
    charged: u64,
    /// The instructions so far, as far as anybody has looked.
    fuel: u64,
}

/// So many steps are counted together: all renders share one counter.
const STEPS_AT_ONCE: u64 = 1024;

impl Meter {
    /// Counts bytes that were or will be written.
    pub(in crate::template) fn write(&mut self, bytes: usize) -> Result<(), Error> {
        self.written = self.written.saturating_add(bytes);
        if self.written > WRITE_LIMIT {
            return Err(limit("the limit of 64 MiB of text written by one template is exceeded"));
        }
        Ok(())
    }

    /// Counts work on so many bytes.
    pub(in crate::template) fn work(&mut self, bytes: usize) -> Result<(), Error> {
        self.weighed = self.weighed.saturating_add(bytes);
        match self.weighed > WORK_LIMIT {
            true => Err(limit(
                "the limit of 256 MiB of values that one template works on is exceeded: it handles very large ones very often",
            )),
            false => Ok(()),
        }
    }

    /// Counts what was used since the last time as used by all renders together.
    fn charge(&mut self, at_least: u64) -> Result<(), Fault> {
        let work = self.weighed.saturating_add(self.written) / BYTES_PER_STEP;
        let steps = self.fuel.saturating_add(work as u64).saturating_sub(self.charged);
        match &self.total {
            Some(total) if steps >= at_least => {
                self.charged += steps;
                total.work(steps)
            }
            _ => Ok(()),
        }
    }

    /// Keeps a value, and says what stands for it in the output.
    pub(in crate::template) fn keep(&mut self, value: &Value) -> Result<&str, Error> {
        self.work(match value.as_str() {
            Some(text) => NODE_WEIGHT + text.len(),
            None => weight(value)?,
        })?;
        set_marker(&mut self.marker, self.holes.len());
        self.write(self.marker.len())?;
        self.holes.push(value.clone());
        Ok(&self.marker)
    }
}

/// A render that fails has worked, too.
impl Drop for Meter {
    fn drop(&mut self) {
        // Whoever renders next is told.
        let _ = self.charge(1);
    }
}

/// The values of a render that is done, once it is counted.
pub(in crate::template) fn finish(state: &mut State<'_, '_>) -> Result<Vec<Value>, Fault> {
    let fuel = state.fuel_levels().map_or(0, |(consumed, _)| consumed);
    let meter = meter(state);
    meter.fuel = fuel;
    meter.charge(1)?;
    Ok(std::mem::take(&mut meter.holes))
}

/// The meter of the render that `state` belongs to.
pub(in crate::template) fn meter<'a>(state: &'a mut State<'_, '_>) -> &'a mut Meter {
    state.get_or_insert_extension_with(Meter::default)
}

/// What the calls call: charges `bytes` of text, and weighs the values.
pub(in crate::template) fn weigh(
    state: &mut State<'_, '_>,
    total: &Arc<Total>,
    bytes: usize,
    values: &[Value],
) -> Result<Value, Error> {
    let fuel = state.fuel_levels().map_or(0, |(consumed, _)| consumed);
    let meter = meter(state);
    meter.total.get_or_insert_with(|| Arc::clone(total));
    meter.fuel = fuel;
    meter.write(bytes)?;
    for value in values {
        meter.work(weight(value)?)?;
    }
    meter.charge(STEPS_AT_ONCE).map_err(fault)?;
    Ok(Value::from(()))
}

/// Charges what it takes to look for something in a value. In a map nothing is looked through.
pub(in crate::template) fn weigh_list(state: &mut State<'_, '_>, value: Value) -> Result<Value, Error> {
    let work = match value.kind() {
        ValueKind::Map => NODE_WEIGHT,
        _ if is_given(&value) => NODE_WEIGHT + value.len().unwrap_or(0),
        _ => weight(&value)?,
    };
    meter(state).work(work)?;
    Ok(value)
}

/// Charges what it takes to compare with a value: all that is in it, the caller's, too.
pub(in crate::template) fn weigh_all(state: &mut State<'_, '_>, value: Value) -> Result<Value, Error> {
    meter(state).work(whole_weight(&value)?)?;
    Ok(value)
}

/// Charges what it takes to take a text apart or to add to it. Of lists the engine makes no copies for that.
pub(in crate::template) fn weigh_text(state: &mut State<'_, '_>, value: Value) -> Result<Value, Error> {
    let value = listed(value)?;
    meter(state).work(NODE_WEIGHT + value.as_str().map_or(0, str::len))?;
    Ok(value)
}

/// What the engine would make anew each time that it is looked into, as a list: a part of a part of a list would be
/// looked for through all of them.
pub(in crate::template) fn listed(value: Value) -> Result<Value, Error> {
    if value.kind() != ValueKind::Iterable {
        return Ok(value);
    }
    let items: Vec<Value> = value.try_iter()?.take(LENGTH_LIMIT + 1).collect();
    let listed = Value::from(items);
    check_size(&listed)?;
    Ok(listed)
}

/// Charges what it takes to write a value out as one side of `~`.
pub(in crate::template) fn weigh_joined(state: &mut State<'_, '_>, value: Value) -> Result<Value, Error> {
    let work = match value.as_str() {
        Some(text) => NODE_WEIGHT + text.len(),
        None => whole_weight(&value)?,
    };
    if value.as_str().is_none() && work > STRING_LIMIT {
        return Err(limit("the limit of 1 MiB for one text is exceeded by a list or map beside `~`"));
    }
    meter(state).work(work)?;
    Ok(value)
}

/// What a value weighs. What the caller gives weighs nothing in itself: it is there anyway.
pub(in crate::template) fn weight(value: &Value) -> Result<usize, Error> {
    let mut left = VALUE_LIMIT;
    weigh_value(value, false, &mut left, 0)?;
    Ok(VALUE_LIMIT - left)
}

/// What a value weighs with all that the caller has put into it.
pub(in crate::template) fn whole_weight(value: &Value) -> Result<usize, Error> {
    let mut left = VALUE_LIMIT;
    weigh_value(value, true, &mut left, 0)?;
    Ok(VALUE_LIMIT - left)
}

fn weigh_value(value: &Value, whole: bool, left: &mut usize, depth: usize) -> Result<(), Error> {
    if depth > DEPTH_LIMIT {
        return Err(limit(format!("the depth limit of {DEPTH_LIMIT} levels is exceeded")));
    }
    check_size(value)?;
    spend(left, NODE_WEIGHT + value.as_str().map_or(0, str::len))?;
    if !whole && is_given(value) {
        return Ok(());
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            for item in value.try_iter().into_iter().flatten() {
                weigh_value(&item, whole, left, depth + 1)?;
            }
        }
        ValueKind::Map => {
            let pairs = value.as_object().and_then(|object| object.try_iter_pairs());
            for (key, item) in pairs.into_iter().flatten() {
                weigh_value(&key, whole, left, depth + 1)?;
                weigh_value(&item, whole, left, depth + 1)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn spend(left: &mut usize, weight: usize) -> Result<(), Error> {
    *left = left.checked_sub(weight).ok_or_else(|| limit("the limit of 32 MiB for one value is exceeded"))?;
    Ok(())
}

/// Refuses a text or list that is larger than a template may have. Looks at the outside only.
pub(in crate::template) fn check_size(value: &Value) -> Result<(), Error> {
    if value.as_str().is_some_and(|text| text.len() > STRING_LIMIT) {
        return Err(limit("the limit of 1 MiB for one text is exceeded"));
    }
    if value.kind() != ValueKind::String && value.len().is_some_and(|length| length > LENGTH_LIMIT) {
        return Err(limit("the limit of 1000000 entries for one list is exceeded"));
    }
    Ok(())
}

/// An error of the engine that names an exceeded limit.
pub(in crate::template) fn limit(message: impl Into<String>) -> Error {
    fault(Fault::new(FaultKind::Limit, message))
}

/// An error of the engine that carries one of ours.
pub(in crate::template) fn fault(fault: Fault) -> Error {
    Error::new(ErrorKind::InvalidOperation, fault.message.clone()).with_source(fault)
}

/// Whether a value is captured output with holes in it.
pub(in crate::template) fn is_captured(value: &Value) -> bool {
    value.is_safe() && value.as_str().is_some_and(has_marker)
}
