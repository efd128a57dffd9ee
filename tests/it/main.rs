//! Tests through the library, as its users call it; most of them are data under `tests/cases/`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bayplan;
mod cli;
mod golden;
mod inventories;
#[path = "../support/kustomize.rs"]
mod kustomize;
mod overlays;
mod perturb;
mod whole;

mod cases;
mod markers;
