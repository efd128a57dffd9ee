//! Tests through the library and the program, as their users call them; most of them are data under `tests/cases/`.
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
mod docs;
mod escape;
mod explain;
mod hostile;
mod images;
mod init;
mod invariants;
mod layers;
mod manual;
mod markers;
mod render;
mod renovate;
mod validate;
