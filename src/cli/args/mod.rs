//! What the command line takes. Each command accepts only the options that do something there.

mod nested;
mod options;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

pub use nested::{IpCommand, IpFamily, SecretCommand, Target, TemplatesCommand};
pub use options::{Findings, Input, Listing, Output, Quiet};

use options::RuleName;

/// Checks one inventory of a Kubernetes cluster and renders it into a Git tree
#[derive(Debug, Parser)]
#[command(
    name = "bayplan",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    subcommand_required = true,
    long_about = "One typed file, inventory.toml, holds every fact of a cluster once: addresses, \
        nodes, storage, services, charts. bayplan checks it, above all for addresses that collide, \
        and renders it into a tree of manifests that Kustomize, Argo CD and Flux apply. Edit the \
        inventory, run `bayplan render`, commit both.",
    after_help = "Exit codes:
  0  clean
  1  findings (errors, or warnings with --deny warnings), or the tree is stale
  2  wrong usage, or a file could not be read or written

Examples:
  bayplan init                    a starter inventory, to begin with
  bayplan check                   is the inventory sound?
  bayplan explain over-quota      why is that wrong?
  bayplan diff                    what would render change?
  bayplan render                  write the tree

`bayplan help COMMAND` says more of each."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Colour the output
    ///
    /// `auto` colours what goes to a terminal, unless NO_COLOR is set or TERM is `dumb`;
    /// CLICOLOR_FORCE=1 colours what goes elsewhere, too.
    #[arg(long, global = true, display_order = 900, value_name = "WHEN", value_enum, default_value_t = When::Auto)]
    pub color: When,
}

/// When to colour the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal that can.
    #[default]
    Auto,
    /// Wherever it goes.
    Always,
    /// Nowhere.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the inventory against every rule
    #[command(
        long_about = "Reads the inventory, the templates and what people put into the tree by hand, and \
            reports every finding at once, in file order, each with the lines it is about; but for what stands in the \
            way of rendered files, which `render` and `render --check` tell. Writes \
            nothing. Errors stand in the way of rendering; warnings do not, unless --deny warnings \
            says so. `[checks]` in the inventory and --deny, --warn and --allow here say how a rule \
            counts.",
        after_help = "Examples:
  bayplan check
  bayplan check --deny floating-image-tag            not in this cluster
  bayplan check --deny warnings --format github      in a pull request
  bayplan check --format sarif > findings.sarif      for code scanning"
    )]
    Check {
        #[command(flatten)]
        input: Input,
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        findings: Findings,
        #[command(flatten)]
        quiet: Quiet,
    },

    /// Write the tree of manifests
    #[command(
        long_about = "Checks the inventory, renders it, and makes the tree fit: writes what is new or \
            changed, removes what left the plan, and touches nothing else. Only files that carry \
            bayplan's own signature are rewritten or removed; one that a person edited is reported \
            and kept, and so is a file of somebody else's in the way. While there is an error, \
            nothing is written.",
        after_help = "Examples:
  bayplan render
  bayplan render --check                 in CI: does the committed tree fit the inventory?
  bayplan render --out /tmp/preview      somewhere else, to have a look"
    )]
    Render {
        #[command(flatten)]
        input: Input,
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        findings: Findings,
        #[command(flatten)]
        quiet: Quiet,

        /// Write nothing: exit 1 if the tree is stale, and show how
        #[arg(long)]
        check: bool,

        /// Overwrite generated files that a person has edited
        ///
        /// What was edited is lost. Files that bayplan never wrote are kept all the same.
        #[arg(long, conflicts_with = "check")]
        force: bool,
    },

    /// Show what render would change
    #[command(
        long_about = "Renders in memory and prints a unified diff from the tree on disk to the tree as \
            the inventory has it. Writes nothing. Exits 1 if there is a difference.",
        after_help = "Examples:
  bayplan diff
  bayplan diff | less -R
  bayplan diff --inventory draft.toml --out out      what a draft would change"
    )]
    Diff {
        #[command(flatten)]
        input: Input,
        #[command(flatten)]
        output: Output,
        #[command(flatten)]
        quiet: Quiet,
    },

    /// Tell who has which address, and what is free
    #[command(
        arg_required_else_help = true,
        subcommand_required = true,
        long_about = "Answers questions about addresses from the same claims that `check` compares: nodes, \
            pools, DHCP ranges, load balancers, virtual addresses. An inventory with errors is \
            answered for as far as it can be read.",
        after_help = "Examples:
  bayplan ip list
  bayplan ip next --pool default
  bayplan ip find 192.168.1.61
  bayplan ip map"
    )]
    Ip {
        /// The question.
        #[command(subcommand)]
        command: IpCommand,
    },

    /// Write what the machines themselves are told
    #[command(
        long_about = "Writes machine configuration from the inventory's nodes and network, one file for \
            each node: patches for Talos (`talosctl machineconfig patch`), or config.yaml for k3s. \
            Without --out everything goes to standard output. No secret is among it.",
        after_help = "Examples:
  bayplan export talos
  bayplan export talos --out talos/patches
  bayplan export k3s --out k3s"
    )]
    Export {
        /// What the machines run
        #[arg(value_enum)]
        target: Target,
        #[command(flatten)]
        input: Input,

        /// The folder to write to; made if it is missing
        ///
        /// Files of an earlier export are written anew; others that are in the way are kept, and
        /// that is a failure.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        out: Option<PathBuf>,
        #[command(flatten)]
        quiet: Quiet,
    },

    /// Write a starter inventory and the files that go with it
    #[command(
        long_about = "Writes a commented inventory that checks clean and renders, its JSON Schema for \
            editors, a .gitignore that keeps keys and plain secrets out of Git, a pre-commit hook, a \
            workflow for GitHub Actions, and settings for yamllint and Renovate. Files that are already there are kept.",
        after_help = "Examples:
  bayplan init                  here
  bayplan init my-cluster       in a folder of its own"
    )]
    Init {
        /// The folder to write to; made if it is missing
        #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        #[command(flatten)]
        quiet: Quiet,
    },

    /// Explain a rule: why it is one, and how to do it right
    #[command(
        long_about = "Prints the page of a rule: what it means, why it is a fault, with the behaviour of \
            Kubernetes or of the controller behind it, a wrong example and a right one.",
        after_help = "Examples:
  bayplan explain duplicate-address
  bayplan explain sqlite-on-network-storage"
    )]
    Explain {
        /// The rule, as findings name it
        #[arg(value_parser = RuleName { word: None }, hide_possible_values = true)]
        rule: String,
    },

    /// List every rule
    #[command(
        long_about = "Lists every rule with its level, its family and a line on what it finds. `[checks]` in \
            the inventory and --deny, --warn and --allow change how a rule counts.",
        after_help = "Examples:
  bayplan rules
  bayplan rules --format json"
    )]
    Rules {
        /// How the list is written
        #[arg(long, value_enum, default_value_t = Listing::Text)]
        format: Listing,
    },

    /// Print the JSON Schema of the inventory
    #[command(
        long_about = "Prints the JSON Schema of the inventory. Editors complete and check with it: \
            for TOML through Taplo (Even Better TOML), for YAML through yaml-language-server.",
        after_help = "Examples:
  bayplan schema > inventory.schema.json
  Then, as the first line of inventory.toml:
  #:schema ./inventory.schema.json"
    )]
    Schema,

    /// List the templates, or copy one out to change it
    #[command(
        arg_required_else_help = true,
        subcommand_required = true,
        long_about = "The templates decide which files the tree has: their folder mirrors the tree, and \
            a name in braces stands for one file each. The built-in ones need no files; a file of \
            the same path under your templates folder replaces one, and a new path adds one.",
        after_help = "Examples:
  bayplan templates list
  bayplan templates eject 'apps/{stack}/base/{service}.yaml.j2'"
    )]
    Templates {
        /// What to do with them.
        #[command(subcommand)]
        command: TemplatesCommand,
    },

    /// Print a secret to fill in, or list what secrets there are
    #[command(
        arg_required_else_help = true,
        subcommand_required = true,
        long_about = "The inventory has the names and keys of secrets, never their values. These commands help \
            to make what holds the values: a file for kubeseal or SOPS for each secret in each \
            environment.",
        after_help = "Examples:
  bayplan secret list
  bayplan secret template media-secrets --environment production > media.secret.yaml"
    )]
    Secret {
        /// What to do with them.
        #[command(subcommand)]
        command: SecretCommand,
    },

    /// Print a completion script for a shell
    #[command(
        long_about = "Prints a script that teaches your shell to complete bayplan's commands and \
            options. Load it from the shell's start-up file, or put it where the shell looks for \
            completions.",
        after_help = "Examples:
  bayplan completions bash > ~/.local/share/bash-completion/completions/bayplan
  bayplan completions zsh > ~/.zfunc/_bayplan
  bayplan completions fish > ~/.config/fish/completions/bayplan.fish"
    )]
    Completions {
        /// The shell to write for
        #[arg(value_enum)]
        shell: Shell,
    },
}

#[cfg(test)]
mod tests;
