//! Tests through the library and the program, as their users call them; most of them are data under `tests/cases/`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cases;
mod docs;
mod hostile;
mod invariants;
mod layers;
mod manual;
mod markers;
mod render;
mod validate;
