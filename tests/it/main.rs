//! Tests through the library, as its users call it; most of them are data under `tests/cases/`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cases;
mod explain;
mod init;
mod markers;
