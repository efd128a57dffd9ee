//! The `bayplan` command.

mod cli;
mod disk;

fn main() -> std::process::ExitCode {
    cli::main()
}
