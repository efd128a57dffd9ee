//! Inputs that nobody would write, by the thousand in a test run and by the million when asked: `docs/fuzzing.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod dice;
mod mutate;
mod runner;
mod targets;
mod trail;

use std::collections::BTreeSet;

use runner::fuzz;
use targets::{objects, scalars, templates, texts};

#[test]
fn addresses() {
    fuzz(&scalars::ADDRESSES);
}

#[test]
fn quantities() {
    fuzz(&scalars::QUANTITIES);
}

#[test]
fn durations() {
    fuzz(&scalars::DURATIONS);
}

#[test]
fn schedules() {
    fuzz(&scalars::SCHEDULES);
}

#[test]
fn paths() {
    fuzz(&scalars::PATHS);
}

#[test]
fn signatures() {
    fuzz(&scalars::SIGNATURES);
}

#[test]
fn references() {
    fuzz(&texts::REFERENCES);
}

#[test]
fn inventory_toml() {
    fuzz(&texts::INVENTORY_TOML);
}

#[test]
fn inventory_yaml() {
    fuzz(&texts::INVENTORY_YAML);
}

#[test]
fn whole_runs() {
    fuzz(&texts::WHOLE_RUNS);
}

#[test]
fn manifests() {
    fuzz(&texts::MANIFESTS);
}

#[test]
fn image_updates() {
    fuzz(&texts::IMAGE_UPDATES);
}

#[test]
fn values_files() {
    fuzz(&texts::VALUES_FILES);
}

#[test]
fn templates_of_objects() {
    fuzz(&templates::OBJECTS);
}

#[test]
fn templates_of_text() {
    fuzz(&templates::TEXT);
}

#[test]
fn emitted_values() {
    fuzz(&objects::EMITTER);
}

#[test]
fn differences() {
    fuzz(&objects::DIFFERENCES);
}

#[test]
fn reports() {
    fuzz(&texts::REPORTS);
}

#[test]
fn every_target_has_a_name_of_its_own_and_every_corpus_a_target() {
    let names: BTreeSet<&str> = targets::ALL.iter().map(|target| target.name).collect();
    assert_eq!(names.len(), targets::ALL.len());
    for folder in std::fs::read_dir(runner::corpus()).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(name.as_str()), "there is no target {name}");
    }
}
