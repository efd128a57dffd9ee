//! The command line: one file for each command, and here what they share.
//!
//! Results go to standard output, messages to standard error. What a reader closes early
//! (`bayplan diff | head`) is no failure.

pub mod args;
pub mod check;
pub mod completions;
pub mod explain;
pub mod export;
pub mod init;
pub mod inputs;
pub mod ip;
pub mod paths;
pub mod progress;
pub mod render;
pub mod rules;
pub mod schema;
pub mod secret;
pub mod templates;

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use anyhow::{Context, Result};
use bayplan::catalog;
use bayplan::diagnostic::{Diagnostics, Level};
use bayplan::report::{Format, Style, visible};
use bayplan::source::Sources;

use clap::Parser;

use self::args::{Cli, Command, SecretCommand, TemplatesCommand, When};

/// Reads the command line and runs the command.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let color = cli.color;
    finish(run(cli), color)
}

/// Has this thread take part in the work that is divided, instead of waiting for it: each thread that allocates has
/// some five megabytes to itself.
fn take_part() {
    // On Windows the first thread has half the stack of the others, less than a deeply nested inventory needs.
    if cfg!(unix) {
        // Fails only where there are threads already.
        let _ = rayon::ThreadPoolBuilder::new().use_current_thread().build_global();
    }
}

fn run(cli: Cli) -> Result<Exit> {
    match cli.command {
        Command::Check { input, output, findings, quiet } => {
            check::run(&input, &output, &findings, quiet.quiet, cli.color)
        }
        Command::Render { input, output, findings, quiet, check, force } => {
            let mode = match (check, force) {
                (true, _) => render::Mode::Check,
                (false, true) => render::Mode::Force,
                (false, false) => render::Mode::Write,
            };
            render::run(&input, &output, &findings, mode, quiet.quiet, cli.color)
        }
        Command::Diff { input, output, quiet } => render::diff(&input, &output, quiet.quiet, cli.color),
        Command::Ip { command } => ip::run(&command),
        Command::Export { target, input, out, quiet } => {
            export::run(target, &input, out.as_deref(), quiet.quiet, cli.color)
        }
        Command::Init { dir, quiet } => init::run(&dir, quiet.quiet),
        Command::Explain { rule } => explain::run(&rule, cli.color),
        Command::Rules { format } => rules::run(format, cli.color),
        Command::Schema => schema::run(),
        Command::Templates { command: TemplatesCommand::List { input } } => templates::list(&input),
        Command::Templates { command: TemplatesCommand::Eject { path, input, quiet } } => {
            templates::eject(&path, &input, quiet.quiet)
        }
        Command::Secret { command: SecretCommand::List { input, output, format } } => {
            secret::list(&input, &output, format)
        }
        Command::Secret { command: SecretCommand::Template { name, environment, input, output } } => {
            secret::template(&name, environment.as_deref(), &input, &output)
        }
        Command::Completions { shell } => completions::run(shell),
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: nothing to report.
    Clean,
    /// 1: findings, or a stale tree.
    Findings,
    /// 2: wrong usage, or a file that could not be read or written.
    Failure,
}

impl Exit {
    /// What findings lead to: errors always to 1, warnings when they are denied.
    pub fn of(found: &Diagnostics, deny_warnings: bool) -> Self {
        let denied = deny_warnings && found.count(Level::Warning) > 0;
        if found.has_errors() || denied { Self::Findings } else { Self::Clean }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Clean => Self::SUCCESS,
            Exit::Findings => Self::from(1),
            Exit::Failure => Self::from(2),
        }
    }
}

/// The exit code of a command. A failure is told on standard error, with its causes.
pub fn finish(outcome: Result<Exit>, color: When) -> ExitCode {
    let exit = outcome.unwrap_or_else(|error| {
        complain(&error, color);
        Exit::Failure
    });
    exit.into()
}

fn complain(error: &anyhow::Error, color: When) {
    let ansi = anstyle::AnsiColor::BrightRed.on_default().bold();
    let word = if stderr_style(color).color { format!("{ansi}error{ansi:#}") } else { "error".to_owned() };
    let causes: Vec<String> = error.chain().map(|cause| visible(&cause.to_string()).into_owned()).collect();
    tell(&format!("{word}: {}\n", causes.join(": ")));
}

/// Writes a result to standard output.
///
/// # Errors
///
/// If it cannot be written, for instance to a full disk. A reader that went away is none.
pub fn print(text: &str) -> Result<()> {
    let mut out = AutoStream::always(io::stdout()).lock();
    unless_closed(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
        .context("cannot write to standard output")
}

/// Writes findings to standard output.
///
/// # Errors
///
/// If they cannot be written.
pub fn report(format: Format, found: &Diagnostics, mut sources: Sources, style: Style) -> Result<()> {
    // What services show beside the lines of a repository they look for from its top.
    if matches!(format, Format::Github | Format::Sarif) {
        sources.rename(|path| paths::from_top(Path::new(path)));
    }
    print(&bayplan::report::render(format, found, &sources, catalog::codes(), style))
}

/// Writes a message to standard error as a line of its own, unless `quiet`.
pub fn say(quiet: bool, message: &str) {
    if !quiet {
        tell(&format!("{message}\n"));
    }
}

/// Writes to standard error. If even that fails there is nobody to tell.
pub fn tell(text: &str) {
    let mut err = AutoStream::always(io::stderr()).lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// What standard output can show.
pub fn stdout_style(color: When) -> Style {
    let out = io::stdout();
    style(color, AutoStream::choice(&out), out.is_terminal())
}

/// What standard error can show.
pub fn stderr_style(color: When) -> Style {
    let err = io::stderr();
    style(color, AutoStream::choice(&err), err.is_terminal())
}

/// `auto` is what the stream and NO_COLOR, CLICOLOR_FORCE and TERM ask for.
fn style(color: When, auto: ColorChoice, terminal: bool) -> Style {
    let color = match color {
        When::Auto => auto != ColorChoice::Never,
        When::Always => true,
        When::Never => false,
    };
    let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let unicode = terminal && draws_boxes(|name| std::env::var(name).ok());
    Style { color, unicode, width: width.filter(|_| terminal) }
}

/// Whether a terminal with this environment shows box-drawing characters.
fn draws_boxes(variable: impl Fn(&str) -> Option<String>) -> bool {
    if variable("TERM").is_some_and(|term| term == "dumb" || term == "linux") {
        return false;
    }
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8") || variable("WT_SESSION").is_some()
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use anstream::ColorChoice;
    use bayplan::diagnostic::{Code, Diagnostics, Family, Level};
    use bayplan::source::Span;

    use super::args::When;
    use super::{Exit, draws_boxes, style, unless_closed};

    static FAULT: Code =
        Code { name: "fault", family: Family::Tree, level: Level::Error, summary: "", explain: "" };
    static DOUBT: Code =
        Code { name: "doubt", family: Family::Tree, level: Level::Warning, summary: "", explain: "" };

    fn found(codes: &[&'static Code]) -> Diagnostics {
        let mut found = Diagnostics::default();
        found.extend(codes.iter().map(|code| code.at(Span::default(), "", "")));
        found
    }

    #[test]
    fn findings_decide_the_exit() {
        assert_eq!(Exit::of(&found(&[]), true), Exit::Clean);
        assert_eq!(Exit::of(&found(&[&DOUBT]), false), Exit::Clean);
        assert_eq!(Exit::of(&found(&[&DOUBT]), true), Exit::Findings);
        assert_eq!(Exit::of(&found(&[&DOUBT, &FAULT]), false), Exit::Findings);
    }

    #[test]
    fn only_a_closed_pipe_is_forgiven() {
        assert!(unless_closed(Err(Error::from(ErrorKind::BrokenPipe))).is_ok());
        assert!(unless_closed(Err(Error::from(ErrorKind::StorageFull))).is_err());
    }

    #[test]
    fn the_option_overrules_what_the_stream_asks_for() {
        assert!(style(When::Always, ColorChoice::Never, false).color);
        assert!(!style(When::Never, ColorChoice::Always, true).color);
        assert!(style(When::Auto, ColorChoice::Always, false).color);
        assert!(!style(When::Auto, ColorChoice::Never, true).color);
        assert_eq!(style(When::Always, ColorChoice::Never, false).width, None);
    }

    #[test]
    fn boxes_need_a_utf8_locale_and_a_terminal_that_can() {
        let with = |pairs: &'static [(&str, &str)]| {
            draws_boxes(|name| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(with(&[("LANG", "en_US.UTF-8")]));
        assert!(with(&[("LC_ALL", ""), ("LANG", "C.utf8"), ("TERM", "xterm")]));
        assert!(!with(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
        assert!(!with(&[("LANG", "en_US.UTF-8"), ("TERM", "dumb")]));
        assert!(!with(&[]));
    }
}
