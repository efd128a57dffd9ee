//! Commands of commands: `ip`, `secret`, `templates`.

use clap::{Subcommand, ValueEnum};

use super::options::{Input, Listing, Output, Quiet};

/// What can be done with secrets.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// List every secret, and whether its file is there
    #[command(
        long_about = "Lists every secret in every environment: its provider, the stack or chart it belongs to, \
            its keys, and the file that people keep for it in the tree, or that it is missing.",
        after_help = "Examples:
  bayplan secret list
  bayplan secret list --format json"
    )]
    List {
        #[command(flatten)]
        input: Input,
        #[command(flatten)]
        output: Output,
        /// How the list is written
        #[arg(long, value_enum, default_value_t = Listing::Text)]
        format: Listing,
    },

    /// Print a secret in clear text, with values to fill in
    #[command(
        long_about = "Prints the Secret that a service reads: its name, namespace, type and keys, each with \
            the value REPLACE-ME. Fill in the values and hand it to kubeseal or sops; never commit \
            it as it is. How to go on stands in its first lines.",
        after_help = "Examples:
  bayplan secret template media-secrets > media.secret.yaml
  bayplan secret template media-secrets --environment staging > media.secret.yaml"
    )]
    Template {
        /// The secret, by its name in the inventory
        name: String,
        /// The environment, if there is more than one
        #[arg(long, value_name = "NAME")]
        environment: Option<String>,
        #[command(flatten)]
        input: Input,
        #[command(flatten)]
        output: Output,
    },
}

/// What machines run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// Talos Linux.
    Talos,
    /// k3s.
    K3s,
}

/// Questions about addresses.
#[derive(Debug, Subcommand)]
pub enum IpCommand {
    /// List every address that somebody has
    #[command(
        long_about = "Lists every single address in order: whose it is, in which environment, from which \
            pool, and where the inventory says so.",
        after_help = "Examples:
  bayplan ip list
  bayplan ip list --format json"
    )]
    List {
        #[command(flatten)]
        input: Input,
        /// How the answer is written
        #[arg(long, value_enum, default_value_t = Listing::Text)]
        format: Listing,
    },

    /// Name the next free addresses
    #[command(
        long_about = "Names the next free addresses of a pool, or of the pools that give out addresses by \
            themselves; with --lan one for a machine, outside of pools and DHCP ranges. Exits 1 if \
            fewer are free than asked for.",
        after_help = "Examples:
  bayplan ip next
  bayplan ip next --pool default --count 3
  bayplan ip next --lan                          for a new node
  bayplan ip next --lan --family ipv6            and its other address"
    )]
    Next {
        /// The pool to look in
        #[arg(long, value_name = "NAME")]
        pool: Option<String>,
        /// Look in the LAN, for a machine
        #[arg(long, conflicts_with = "pool")]
        lan: bool,
        /// Of this family only [default: IPv4 before IPv6]
        #[arg(long, value_enum)]
        family: Option<IpFamily>,
        /// How many
        #[arg(long, short = 'n', value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
        count: u16,
        #[command(flatten)]
        input: Input,
        /// How the answer is written
        #[arg(long, value_enum, default_value_t = Listing::Text)]
        format: Listing,
        #[command(flatten)]
        quiet: Quiet,
    },

    /// Tell what is at an address
    #[command(
        long_about = "Tells who has an address, and which pools, DHCP ranges and networks it lies in, with \
            the places in the inventory.",
        after_help = "Examples:
  bayplan ip find 192.168.1.61
  bayplan ip find fd00::61 --format json"
    )]
    Find {
        /// The address
        address: String,
        #[command(flatten)]
        input: Input,
        /// How the answer is written
        #[arg(long, value_enum, default_value_t = Listing::Text)]
        format: Listing,
    },

    /// Draw the LAN as ranges
    #[command(
        long_about = "Draws every network of the LAN as ranges in order: machines, pools with their load \
            balancers, DHCP ranges, and what is free between them.",
        after_help = "Examples:
  bayplan ip map
  bayplan ip map --format json"
    )]
    Map {
        #[command(flatten)]
        input: Input,
        /// How the answer is written
        #[arg(long, value_enum, default_value_t = Listing::Text)]
        format: Listing,
    },
}

/// What can be done with templates.
#[derive(Debug, Subcommand)]
pub enum TemplatesCommand {
    /// List every template and where it comes from
    #[command(
        long_about = "Lists every template that render would use, one path on a line, and says whether it \
            is built in, replaced by a file of yours, or yours alone.",
        after_help = "Examples:
  bayplan templates list
  bayplan templates list --templates ./templates"
    )]
    List {
        #[command(flatten)]
        input: Input,
    },

    /// Copy a built-in template into your templates folder
    #[command(
        long_about = "Copies a built-in template to the same path under your templates folder, where it \
            replaces the built-in one from then on. A file that is already there is kept.",
        after_help = "Examples:
  bayplan templates eject 'apps/{stack}/base/{service}.yaml.j2'
  bayplan templates eject README.md.j2 --templates ./templates"
    )]
    Eject {
        /// The template, as `bayplan templates list` names it
        path: String,
        #[command(flatten)]
        input: Input,
        #[command(flatten)]
        quiet: Quiet,
    },
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IpFamily {
    /// 32-bit addresses.
    Ipv4,
    /// 128-bit addresses.
    Ipv6,
}
