//! Tests through the library and the program, as their users call them; most of them are data under `tests/cases/`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod across;
mod bayplan;
mod beside;
mod cli;
mod export;
mod golden;
mod inventories;
mod ip;
#[path = "../support/kustomize.rs"]
mod kustomize;
mod overlays;
mod perturb;
mod programs;
mod whole;

mod cases;
mod controllers;
mod docs;
mod escape;
mod explain;
mod failover;
mod hostile;
mod images;
mod init;
mod invariants;
mod layers;
mod limits;
mod load_balancers;
mod manual;
mod markers;
mod mutations;
mod objects;
mod render;
mod renovate;
mod secrecy;
mod strangers;
mod templates;
mod validate;
