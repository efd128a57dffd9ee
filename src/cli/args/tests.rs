use clap::error::ErrorKind;
use clap::{Command as ClapCommand, CommandFactory, Parser};

use bayplan::inventory::gitops::Setting;
use bayplan::report::Format;

use super::{Cli, Command, Input, When};

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
            assert!(short.contains(&shown) && long.contains(&shown), "{name}: {shown} is missing\n{long}");
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
    for default in ["[default: inventory.toml,", "inventory.yaml", "[default: out,", "[default: templates,"] {
        assert!(help.contains(default), "{default}\n{help}");
    }
}

#[test]
fn options_arrive() {
    let cli =
        parse("bayplan check --inventory a.toml --format sarif --deny warnings -q --color never").unwrap();
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
