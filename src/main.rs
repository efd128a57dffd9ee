//! The `bayplan` command.

// The commands that use the rest come with the stages they run.
#[allow(dead_code, reason = "nothing dispatches to the commands yet")]
mod cli;

fn main() {}
