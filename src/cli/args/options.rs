//! Options that several commands share.

use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::{Result, bail};
use bayplan::catalog;
use bayplan::check::settings::{Levels, unchangeable};
use bayplan::diagnostic::nearest;
use bayplan::inventory::gitops::Setting;
use bayplan::report::{Format, visible};
use clap::builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser};
use clap::{Args, ValueEnum, ValueHint};

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
                bail!("`{name}` stays an error: what it finds leaves nothing right to render, or to commit");
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
pub(super) struct RuleName {
    pub(super) word: Option<&'static str>,
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
    /// An object with `version` and what is listed, for programs.
    Json,
}

/// How much is said.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quiet {
    /// Say nothing but results, findings and failures
    #[arg(short, long)]
    pub quiet: bool,
}
