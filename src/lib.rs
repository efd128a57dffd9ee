//! bayplan: one typed inventory of a Kubernetes cluster, checked and rendered into a Git tree.

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod address;
pub mod diagnostic;
pub mod inventory;
pub mod model;
pub mod object;
pub mod quantity;
pub mod report;
pub mod source;
pub mod template;
pub mod tree;
