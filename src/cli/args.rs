//! What the command line takes. Each command accepts only the options that do something there.

use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::{Result, bail};
use bayplan::catalog;
use bayplan::check::settings::{Levels, unchangeable};
use bayplan::diagnostic::nearest;
use bayplan::inventory::gitops::Setting;
use bayplan::report::{Format, visible};
use clap::builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

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
            reports every finding at once, in file order, each with the lines it is about. Writes \
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
  bayplan ip next --lan                          for a new node"
    )]
    Next {
        /// The pool to look in
        #[arg(long, value_name = "NAME")]
        pool: Option<String>,
        /// Look in the LAN, for a machine
        #[arg(long, conflicts_with = "pool")]
        lan: bool,
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

/// Where the facts and the templates are.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// The inventory [default: inventory.toml, here or in a folder above]
    ///
    /// Without this option, inventory.toml (or inventory.yaml) of the current folder is read, or
    /// else that of the nearest folder above.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub inventory: Option<PathBuf>,

    /// Your own templates [default: templates, beside the inventory]
    ///
    /// A file there replaces the built-in template of the same path; a new path adds one. The
    /// default folder need not exist.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub templates: Option<PathBuf>,
}

/// Where the tree is.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The tree of manifests [default: out, beside the inventory]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
}

/// How findings are reported and what they lead to.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// How findings are written
    ///
    /// `text` is for people, `json` for programs (its shape is stable), `sarif` for code scanning,
    /// `github` for annotations in a pull request.
    #[arg(long, default_value = "text", value_parser = format_parser())]
    pub format: Format,

    /// Count a rule's findings as errors, or with `warnings` exit 1 on any warning
    ///
    /// Like --warn and --allow it can be given several times and overrules `[checks]` of the
    /// inventory. Of several for one rule the strictest counts.
    #[arg(long, value_name = "RULE|warnings", value_parser = RuleName { word: Some(WARNINGS) })]
    #[arg(hide_possible_values = true)]
    pub deny: Vec<String>,

    /// Count a rule's findings as warnings
    #[arg(long, value_name = "RULE", value_parser = RuleName { word: None }, hide_possible_values = true)]
    pub warn: Vec<String>,

    /// Do not report a rule's findings
    ///
    /// To accept one finding for good, write an `[[allow]]` entry with its reason instead.
    #[arg(long, value_name = "RULE", value_parser = RuleName { word: None }, hide_possible_values = true)]
    pub allow: Vec<String>,
}

impl Findings {
    /// Whether a warning is enough for exit 1.
    pub fn deny_warnings(&self) -> bool {
        self.deny.iter().any(|word| word == WARNINGS)
    }

    /// How rules count for this run; the strictest of several settings.
    ///
    /// # Errors
    ///
    /// If a rule is to count for less that must stay an error.
    pub fn levels(&self) -> Result<Levels> {
        for name in self.warn.iter().chain(&self.allow) {
            if catalog::codes().iter().any(|code| code.name == name && unchangeable(code)) {
                bail!("`{name}` stays an error: nothing could be rendered without it");
            }
        }
        let mut levels = Levels::new();
        for (names, setting) in
            [(&self.allow, Setting::Off), (&self.warn, Setting::Warning), (&self.deny, Setting::Error)]
        {
            levels.extend(names.iter().filter(|name| *name != WARNINGS).map(|name| (name.clone(), setting)));
        }
        Ok(levels)
    }
}

/// What `--deny` takes beside the names of rules.
const WARNINGS: &str = "warnings";

/// The name of a rule, or one more word. A wrong one is answered with the nearest.
#[derive(Clone)]
struct RuleName {
    word: Option<&'static str>,
}

impl RuleName {
    fn known(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.word.into_iter().chain(catalog::codes().iter().map(|code| code.name))
    }
}

impl TypedValueParser for RuleName {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        let names = self.clone();
        let known = move |name: String| match names.known().find(|known| *known == name) {
            Some(_) => Ok(name),
            None => Err(no_such_rule(&name, nearest(&name, names.known()))),
        };
        StringValueParser::new().try_map(known).parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.known().map(PossibleValue::new)))
    }
}

fn no_such_rule(name: &str, near: Option<&str>) -> String {
    match near {
        Some(near) => format!("there is no rule `{}`; did you mean `{near}`?", visible(name)),
        None => format!("there is no rule `{}`; `bayplan rules` lists them", visible(name)),
    }
}

fn format_parser() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name)).try_map(|name| name.parse::<Format>())
}

/// How a list is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Listing {
    /// A table for people.
    #[default]
    Text,
    /// A list of objects for programs.
    Json,
}

/// How much is said.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quiet {
    /// Say nothing but results, findings and failures
    #[arg(short, long)]
    pub quiet: bool,
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;
    use clap::{Command as ClapCommand, CommandFactory, Parser};

    use bayplan::inventory::gitops::Setting;

    use super::{Cli, Command, Format, Input, When};

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    /// Every command with its whole name, `bayplan` first.
    fn all_commands() -> Vec<(String, ClapCommand)> {
        let mut root = Cli::command();
        root.build();
        let mut found = vec![("bayplan".to_owned(), root)];
        let mut next = 0;
        while let Some((name, command)) = found.get(next).cloned() {
            let inner = command.get_subcommands().filter(|inner| inner.get_name() != "help");
            found.extend(inner.map(|inner| (format!("{name} {}", inner.get_name()), inner.clone())));
            next += 1;
        }
        found
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_names_and_explains_every_option() {
        for (name, mut command) in all_commands() {
            let short = command.render_help().to_string();
            let long = command.render_long_help().to_string();
            for argument in command.get_arguments() {
                let shown = argument
                    .get_long()
                    .map_or(argument.get_id().to_string().to_uppercase(), |long| format!("--{long}"));
                assert!(
                    short.contains(&shown) && long.contains(&shown),
                    "{name}: {shown} is missing\n{long}"
                );
                assert!(argument.get_help().is_some(), "{name}: {shown} is not explained");
            }
        }
    }

    #[test]
    fn every_command_teaches() {
        let commands = all_commands();
        assert_eq!(commands.len(), 21);
        for (name, command) in commands {
            let about = command.get_about().unwrap().to_string();
            assert!(!about.contains('\n') && about.len() < 80, "{name}: {about}");
            let long = command.get_long_about().unwrap().to_string();
            assert!(long.len() > about.len() && !long.contains("  "), "{name}: {long}");
            let examples = command.get_after_help().unwrap().to_string();
            assert!(examples.contains("Examples:\n  bayplan"), "{name}: {examples}");
        }
    }

    /// Examples cannot name an option that does not exist.
    #[test]
    fn examples_parse() {
        let mut tried = 0;
        for (_, command) in all_commands() {
            let help = command.get_after_help().unwrap().to_string();
            for example in help.lines().filter_map(|line| line.strip_prefix("  bayplan ")) {
                let example = example.split("      ").next().unwrap().split(" > ").next().unwrap();
                let words = example.split(" | ").next().unwrap().replace('\'', "");
                let parsed = Cli::try_parse_from(["bayplan"].into_iter().chain(words.split_whitespace()));
                assert!(parsed.is_ok(), "{example}: {parsed:?}");
                tried += 1;
            }
        }
        assert!(tried > 15, "{tried}");
    }

    #[test]
    fn main_help_documents_exit_codes_and_defaults() {
        let help = Cli::command().render_long_help().to_string();
        for line in ["0  clean", "1  findings", "2  wrong usage"] {
            assert!(help.contains(line), "{help}");
        }
        let (_, mut render) = all_commands().into_iter().find(|(name, _)| name == "bayplan render").unwrap();
        let help = render.render_long_help().to_string();
        for default in
            ["[default: inventory.toml,", "inventory.yaml", "[default: out,", "[default: templates,"]
        {
            assert!(help.contains(default), "{default}\n{help}");
        }
    }

    #[test]
    fn options_arrive() {
        let cli = parse("bayplan check --inventory a.toml --format sarif --deny warnings -q --color never")
            .unwrap();
        assert_eq!(cli.color, When::Never);
        let Command::Check { input, findings, quiet, .. } = cli.command else { unreachable!() };
        assert_eq!(input, Input { inventory: Some("a.toml".into()), templates: None });
        assert_eq!((findings.format, quiet.quiet), (Format::Sarif, true));
        assert!(findings.deny_warnings());
    }

    #[test]
    fn the_strictest_setting_of_a_rule_counts() {
        let line = "bayplan check --allow floating-image-tag --deny floating-image-tag --warn over-quota";
        let Command::Check { findings, .. } = parse(line).unwrap().command else { unreachable!() };
        let levels: Vec<_> = findings.levels().unwrap().into_iter().collect();
        let expected = [("floating-image-tag", Setting::Error), ("over-quota", Setting::Warning)];
        assert_eq!(levels, expected.map(|(rule, setting)| (rule.to_owned(), setting)));
    }

    #[test]
    fn what_must_stay_an_error_cannot_be_lowered() {
        let levels = |line: &str| {
            let Command::Check { findings, .. } = parse(line).unwrap().command else { unreachable!() };
            findings.levels()
        };
        assert!(levels("bayplan check --warn unknown-key").is_err());
        assert!(levels("bayplan check --allow bad-address").is_err());
        assert!(levels("bayplan check --deny unknown-key").is_ok());
    }

    #[test]
    fn a_wrong_rule_is_answered_with_the_nearest() {
        for line in ["bayplan explain duplicate-adress", "bayplan check --warn duplicate-adress"] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains("did you mean `duplicate-address`?"), "{error}");
        }
        assert!(parse("bayplan explain nonsense").unwrap_err().to_string().contains("`bayplan rules`"));
    }

    #[test]
    fn wrong_usage_exits_2() {
        for line in [
            "bayplan",
            "bayplan templates",
            "bayplan paint",
            "bayplan check --format yaml",
            "bayplan check --deny everything",
            "bayplan render --check --force",
            "bayplan diff --format json",
            "bayplan schema --inventory inventory.toml",
            "bayplan templates eject",
            "bayplan secret",
            "bayplan secret template",
            "bayplan completions",
            "bayplan explain",
            "bayplan explain nonsense",
            "bayplan explain warnings",
            "bayplan check --warn warnings",
            "bayplan rules --format sarif",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn no_arguments_print_help() {
        let error = parse("bayplan").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
        assert!(error.to_string().contains("Exit codes:"));
    }
}
