//! The `bayplan` command.

// The commands that use the rest come with the stages they run.
#[allow(dead_code, reason = "nothing dispatches to the commands yet")]
mod cli;
// Nothing calls it yet: the commands will.
#[allow(dead_code)]
mod disk;

fn main() {}
