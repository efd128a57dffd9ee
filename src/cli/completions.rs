//! `bayplan completions`: a script that teaches a shell.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Cli;
use super::{Exit, print};

/// Prints the script for `shell`.
pub fn run(shell: Shell) -> Result<Exit> {
    print(&script(shell))?;
    Ok(Exit::Clean)
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "bayplan", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::{Shell, script};

    #[test]
    fn every_shell_learns_every_command() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for word in [
                "init",
                "check",
                "render",
                "diff",
                "explain",
                "rules",
                "schema",
                "templates",
                "eject",
                "completions",
                "inventory",
            ] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }

    #[test]
    fn shells_that_complete_values_learn_the_rules() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            assert!(script(shell).contains("duplicate-address"), "{shell}");
        }
    }
}
