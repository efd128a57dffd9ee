//! What an input brought to light: the runner keeps inputs that show something new and goes on from them.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use bayplan::diagnostic::Diagnostics;

/// The marks that one input has left.
#[derive(Default)]
pub struct Trail(pub BTreeSet<u64>);

impl Trail {
    /// Notes a message by its shape: what stands between the first backtick and the last, and digits, do not count.
    pub fn note(&mut self, place: &str, message: &str) {
        let before = message.split('`').next().unwrap_or_default();
        let after = message.rsplit_once('`').map_or("", |(_, after)| after);
        let mut hash = DefaultHasher::new();
        place.hash(&mut hash);
        for piece in [before, after] {
            piece.chars().filter(|c| !c.is_ascii_digit()).take(80).for_each(|c| c.hash(&mut hash));
        }
        self.0.insert(hash.finish());
    }

    pub fn note_all(&mut self, found: &Diagnostics) {
        for diagnostic in found.iter() {
            self.note(diagnostic.code.name, &diagnostic.message);
        }
    }
}
