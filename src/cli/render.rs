//! `bayplan render` and `bayplan diff`: the tree, as it should be and as it is.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use bayplan::check::settings::Levels;
use bayplan::diagnostic::Diagnostics;
use bayplan::report::{Format, Style, visible};
use bayplan::source::Sources;
use bayplan::tree::{Medium, Plan, Tree, TreePath};
use bayplan::{Inputs, catalog, compile};

use super::args::{Findings, Input, Output, When};
use super::inputs::{self, Found};
use super::paths::from_top;
use super::progress::watched;
use super::{Exit, print, report, say, stdout_style, take_part, tell};
use crate::disk::{Lock, Report, apply, read_again, read_existing};

/// What `render` may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Write what differs.
    Write,
    /// Write what differs, and replace what people changed.
    Force,
    /// Only tell whether anything differs.
    Check,
}

/// The tree on both sides: as rendered and as it stands.
struct Compared {
    /// What would have to be done; none if the inventory or a template is at fault.
    plan: Option<Plan>,
    diagnostics: Diagnostics,
    sources: Sources,
    out: PathBuf,
}

fn compare(input: &Input, output: &Output, quiet: bool) -> Result<Compared> {
    let found = inputs::find(input)?;
    let out = output.out.clone().unwrap_or_else(|| found.folder.join("out"));
    compare_with(&found, input, Levels::new(), &out, false, quiet)
}

fn compare_with(
    found: &Found,
    input: &Input,
    levels: Levels,
    out: &Path,
    force: bool,
    quiet: bool,
) -> Result<Compared> {
    let mut inputs: Inputs = inputs::read(found, input)?;
    inputs.levels = levels;
    take_part();
    let (existing, ()) = rayon::join(|| read_existing(out), || inputs.parse_ahead());
    let existing = existing?;
    inputs::add_hand_written(&mut inputs, &existing, out)?;
    let progress = Arc::clone(&inputs.progress);
    let outcome = watched(&progress, quiet, || compile(&mut inputs));
    let mut diagnostics = outcome.diagnostics;
    // The process ends as soon as all is written, and both processors have enough to do until then.
    std::mem::forget(inputs.kept);
    let mut sources = inputs.sources;
    let unread = Mutex::new(None);
    let read = |path: &TreePath| {
        read_again(out, path).unwrap_or_else(|error| {
            *unread.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            None
        })
    };
    let plan = outcome.value.map(|tree: Tree| Plan::compare(&tree, &existing, force, &read));
    if let Some(error) = unread.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    if let Some(plan) = &plan {
        diagnostics.absorb(plan.report(&out.display().to_string(), &mut sources));
    }
    Ok(Compared { plan, diagnostics, sources, out: out.to_owned() })
}

/// Renders, and writes or compares.
pub fn run(
    input: &Input,
    output: &Output,
    findings: &Findings,
    mode: Mode,
    quiet: bool,
    color: When,
) -> Result<Exit> {
    let found = inputs::find(input)?;
    let out = output.out.clone().unwrap_or_else(|| found.folder.join("out"));
    let levels = findings.levels()?;
    let lock = if mode == Mode::Check { None } else { Some(Lock::take(&out)?) };
    let mut compared = compare_with(&found, input, levels, &out, mode == Mode::Force, quiet)?;
    let style = stdout_style(color);
    // Programs get one document, so what is stale is among the findings; people get a list.
    if let (Some(plan), Mode::Check, false) = (&compared.plan, mode, findings.format == Format::Text) {
        let stale = plan.report_stale(&out.display().to_string(), &mut compared.sources);
        compared.diagnostics.absorb(stale);
    }
    report(findings.format, &compared.diagnostics, compared.sources, style)?;
    if let (Some(plan), Format::Text) = (&compared.plan, findings.format) {
        print(&shown(&plan.diff_of_edits(&from_top(&out), Medium::Terminal), style))?;
    }
    let exit = Exit::of(&compared.diagnostics, findings.deny_warnings());
    let Some(plan) = compared.plan.filter(|_| mode == Mode::Check || exit == Exit::Clean) else {
        tell("nothing was written\n");
        return Ok(Exit::Findings);
    };
    match lock {
        Some(lock) => {
            let report = apply(&lock, &plan)?;
            say(quiet, &summary(&report, &out));
            Ok(Exit::Clean)
        }
        None => tell_stale(&plan, &out, exit, findings.format, quiet),
    }
}

fn summary(report: &Report, out: &Path) -> String {
    let Report { created, changed, removed, unchanged, .. } = *report;
    if created + changed + removed == 0 {
        return format!("{}: {unchanged} files, all up to date", out.display());
    }
    format!(
        "{}: {created} created, {changed} changed, {removed} removed, {unchanged} unchanged",
        out.display()
    )
}

/// The list of what is stale, missing or left over.
fn tell_stale(plan: &Plan, out: &Path, exit: Exit, format: Format, quiet: bool) -> Result<Exit> {
    if !plan.is_stale() {
        say(quiet, &format!("{}: up to date", out.display()));
        return Ok(exit);
    }
    if format == Format::Text {
        let line = |(what, path)| format!("{what:<10}{}\n", visible(&format!("{}/{path}", out.display())));
        print(&plan.stale().map(line).collect::<String>())?;
    }
    let next = match plan.conflicts.is_empty() {
        true => "run `bayplan render` and commit what it writes",
        false => "mend the errors above, then run `bayplan render` and commit what it writes",
    };
    say(quiet, &format!("the tree is not what the inventory says: {next}"));
    Ok(Exit::Findings)
}

/// Shows what render would change.
pub fn diff(input: &Input, output: &Output, quiet: bool, color: When) -> Result<Exit> {
    let compared = compare(input, output, quiet)?;
    if !compared.diagnostics.is_empty() {
        let style = super::stderr_style(color);
        tell(&bayplan::report::render(
            Format::Text,
            &compared.diagnostics,
            &compared.sources,
            catalog::codes(),
            style,
        ));
    }
    let Some(plan) = compared.plan else { return Ok(Exit::Findings) };
    let style = stdout_style(color);
    print(&shown(&plan.diff(&from_top(&compared.out), medium(style)), style))?;
    if !plan.is_stale() {
        say(quiet, &format!("{}: up to date", compared.out.display()));
    }
    Ok(if plan.is_stale() || compared.diagnostics.has_errors() { Exit::Findings } else { Exit::Clean })
}

/// The runner of a workflow reads its log, and obeys what looks like a command.
fn medium(style: Style) -> Medium {
    let logged = ["GITHUB_ACTIONS", "TF_BUILD"].iter().any(|name| std::env::var_os(name).is_some());
    if style.width.is_some() || logged { Medium::Terminal } else { Medium::Pipe }
}

fn shown(diff: &str, style: Style) -> String {
    if style.color { painted(diff) } else { diff.to_owned() }
}

/// A diff in the colours that git gives it.
fn painted(diff: &str) -> String {
    use anstyle::{AnsiColor, Style};
    let mut text = String::with_capacity(diff.len() + diff.len() / 4);
    for line in diff.split_inclusive('\n') {
        let (content, end) = line.strip_suffix('\n').map_or((line, ""), |content| (content, "\n"));
        let style = match content.as_bytes().first() {
            _ if content.starts_with("---") || content.starts_with("+++") => Style::new().bold(),
            Some(b'@') => AnsiColor::Cyan.on_default(),
            Some(b'+') => AnsiColor::Green.on_default(),
            Some(b'-') => AnsiColor::Red.on_default(),
            _ => Style::new(),
        };
        text.push_str(&format!("{style}{content}{style:#}{end}"));
    }
    text
}
