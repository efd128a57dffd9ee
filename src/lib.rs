//! bayplan: one typed inventory of a Kubernetes cluster, checked and rendered into a Git tree.

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod diagnostic;
pub mod object;
pub mod source;
