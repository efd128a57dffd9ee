//! What an input brought to light: the runner keeps inputs that show something new and goes on from them.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use bayplan::diagnostic::Diagnostics;

/// The marks that one input has left.
#[derive(Default)]
pub struct Trail(pub BTreeSet<u64>);

impl Trail {
    /// Notes a message by its shape: names in backticks and digits do not count.
    pub fn note(&mut self, place: &str, message: &str) {
        let mut hash = DefaultHasher::new();
        place.hash(&mut hash);
        for (index, piece) in message.split('`').enumerate().filter(|(index, _)| index % 2 == 0) {
            index.min(4).hash(&mut hash);
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
