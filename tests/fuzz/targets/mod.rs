//! What is fuzzed: each target reads bytes, and fails if a promise is broken.

pub mod objects;
pub mod scalars;
pub mod templates;
pub mod texts;
mod yaml11;

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use crate::trail::Trail;

/// One thing to be fuzzed.
pub struct Target {
    pub name: &'static str,
    /// Executions in a short run.
    pub short: u64,
    /// The longest input.
    pub longest: usize,
    /// What to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// What is worth writing into an input.
    pub words: &'static [&'static str],
    /// Fails by panicking.
    pub run: fn(&[u8], &mut Trail),
}

/// All of them.
pub const ALL: &[&Target] = &[
    &scalars::ADDRESSES,
    &scalars::QUANTITIES,
    &scalars::DURATIONS,
    &scalars::SCHEDULES,
    &scalars::PATHS,
    &scalars::SIGNATURES,
    &texts::REFERENCES,
    &texts::INVENTORY_TOML,
    &texts::INVENTORY_YAML,
    &texts::WHOLE_RUNS,
    &texts::MANIFESTS,
    &texts::IMAGE_UPDATES,
    &texts::VALUES_FILES,
    &texts::REPORTS,
    &templates::OBJECTS,
    &templates::TEXT,
    &objects::EMITTER,
    &objects::DIFFERENCES,
];

fn text(input: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(input)
}

fn lines(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Every file below a folder of the repository whose name ends so, if it is not too large to be a good seed.
fn files(folder: &str, end: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut paths = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.to_string_lossy().ends_with(end) => paths.push(path),
                false => {}
            }
        }
    }
    paths.sort();
    for path in paths {
        let text = fs::read(path).unwrap();
        if text.len() < 64 * 1024 {
            found.push(text);
        }
    }
    found
}
