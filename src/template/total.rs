//! What all renders of a run use together: each has limits of its own, and there may be very many.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::holes::{Fault, FaultKind};

/// Steps of all renders together. One takes some 50 nanoseconds.
pub(super) const STEPS_LIMIT: u64 = 1_000_000_000;
/// Bytes of text and of objects that all renders together may make.
pub(super) const OUTPUT_LIMIT: u64 = 1 << 30;
/// What a render counts as at least: what it sees has to be gathered, and what it makes to be put away.
const LEAST: u64 = 1000;
/// To work on so many bytes takes as long as one step.
pub(super) const BYTES_PER_STEP: usize = 32;

/// The steps and bytes so far. Whether they come to more than the limits does not depend on who renders first.
#[derive(Debug, Default)]
pub(super) struct Total {
    steps: AtomicU64,
    output: AtomicU64,
}

impl Total {
    /// Counts a render that begins.
    pub(super) fn begin(&self) -> Result<(), Fault> {
        self.work(LEAST)
    }

    /// Counts steps.
    pub(super) fn work(&self, steps: u64) -> Result<(), Fault> {
        self.steps.fetch_add(steps, Relaxed);
        self.check()
    }

    /// Counts bytes of text, or bytes and nodes of objects.
    pub(super) fn make(&self, bytes: usize) -> Result<(), Fault> {
        self.output.fetch_add(bytes as u64, Relaxed);
        self.check()
    }

    /// A fault if there is more than there may be.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let limit = |message: String| Err(Fault::new(FaultKind::Limit, message));
        if self.steps.load(Relaxed) > STEPS_LIMIT {
            return limit(format!("the limit of {STEPS_LIMIT} steps of all templates together is exceeded"));
        }
        if self.output.load(Relaxed) > OUTPUT_LIMIT {
            let mebibytes = OUTPUT_LIMIT >> 20;
            return limit(format!(
                "the limit of {mebibytes} MiB that all templates together may make is exceeded"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{OUTPUT_LIMIT, STEPS_LIMIT, Total};

    #[test]
    fn what_all_use_is_added_up() {
        let steps = Total::default();
        assert!(steps.work(STEPS_LIMIT - 1000).is_ok() && steps.begin().is_ok());
        let fault = steps.work(1).unwrap_err();
        assert!(fault.message.contains("steps of all templates together"), "{fault}");
        let output = Total::default();
        assert!((0..4).all(|_| output.make(OUTPUT_LIMIT as usize / 4).is_ok()));
        assert!(output.make(1).is_err() && output.begin().is_err());
    }
}
