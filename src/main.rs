//! The `bayplan` command.

// Nothing calls it yet: the commands will.
#[allow(dead_code)]
mod disk;

fn main() {}
