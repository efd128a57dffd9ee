//! Tests through the library and the program, as their users call them; most of them are data under `tests/cases/`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cases;
mod hostile;
mod invariants;
mod docs;
mod layers;
mod manual;
mod markers;
mod render;
mod validate;
