//! Findings for people: rustc's look, cut down so that hundreds stay readable.

use std::collections::BTreeMap;
use std::fmt::Write;

use annotate_snippets::renderer::{
    DEFAULT_EMPHASIS_STYLE, DEFAULT_ERROR_STYLE, DEFAULT_WARNING_STYLE, DecorStyle,
};
use annotate_snippets::{Annotation, AnnotationKind, Group, Level as Title, Renderer, Snippet};

use super::escape::{visible, visible_lines};
use super::excerpt::{Excerpt, excerpts};
use super::{main_label, other_labels, positions};
use crate::diagnostic::{Diagnostic, Family, Label, Level};
use crate::source::Sources;

/// A rule with more findings than this is abridged …
const MANY: usize = 20;
/// … to this many in full, the others on one line each.
const IN_FULL: usize = 10;
/// In full over all rules.
const IN_FULL_OVERALL: usize = 100;
/// One line each over all rules; what is beyond is only counted.
const LINES_OVERALL: usize = 500;
/// From this many findings on, the summary counts each rule.
const COUNTED: usize = 11;
/// A finding shows this many places; the others are counted.
const PLACES: usize = 12;
/// For a report that goes to no terminal.
const WIDTH: usize = 140;
const NARROWEST: usize = 40;

/// What the reader's screen can show. The default is plain ASCII without colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours.
    pub color: bool,
    /// Box-drawing characters instead of ASCII ones.
    pub unicode: bool,
    /// Columns of the screen; `None` when there is none.
    pub width: Option<usize>,
}

/// Every finding in its turn and a summary; empty if there is none. Ends with a line end.
pub(super) fn render(found: &[&Diagnostic], sources: &Sources, style: Style) -> String {
    if found.is_empty() {
        return String::new();
    }
    let counts = count_by_rule(found);
    let renderer = renderer(style);
    let mut shown = Shown::default();
    let mut report = String::new();
    for diagnostic in found {
        match shown.next(diagnostic.code.name, &counts) {
            Detail::Full => {
                separate(&mut report);
                report.push_str(&in_full(diagnostic, sources, &renderer));
                report.push_str("\n\n");
            }
            Detail::Line => report.push_str(&on_one_line(diagnostic, sources, style)),
            Detail::None => {}
        }
    }
    separate(&mut report);
    report.push_str(&summary(found, &counts, shown.hidden, style));
    report
}

/// Ends a run of one-line findings with an empty line.
fn separate(report: &mut String) {
    if !report.is_empty() && !report.ends_with("\n\n") {
        report.push('\n');
    }
}

fn count_by_rule(found: &[&Diagnostic]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for diagnostic in found {
        *counts.entry(diagnostic.code.name).or_insert(0) += 1;
    }
    counts
}

/// How much of a finding is shown.
enum Detail {
    Full,
    Line,
    None,
}

/// What has been shown so far.
#[derive(Default)]
struct Shown {
    by_rule: BTreeMap<&'static str, usize>,
    in_full: usize,
    lines: usize,
    hidden: usize,
}

impl Shown {
    fn next(&mut self, rule: &'static str, counts: &BTreeMap<&str, usize>) -> Detail {
        let nth = self.by_rule.entry(rule).or_insert(0);
        *nth += 1;
        let few = counts.get(rule).is_none_or(|count| *count <= MANY);
        if (few || *nth <= IN_FULL) && self.in_full < IN_FULL_OVERALL {
            self.in_full += 1;
            Detail::Full
        } else if self.lines < LINES_OVERALL {
            self.lines += 1;
            Detail::Line
        } else {
            self.hidden += 1;
            Detail::None
        }
    }
}

fn renderer(style: Style) -> Renderer {
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    let decor = if style.unicode { DecorStyle::Unicode } else { DecorStyle::Ascii };
    renderer.decor_style(decor).term_width(style.width.unwrap_or(WIDTH).max(NARROWEST)).hyperlink(false)
}

fn in_full(diagnostic: &Diagnostic, sources: &Sources, renderer: &Renderer) -> String {
    let labels: Vec<&Label> = main_label(diagnostic).into_iter().chain(other_labels(diagnostic)).collect();
    let excerpts = excerpts(&labels[..labels.len().min(PLACES)], sources);
    let title = title(diagnostic.level).primary_title(visible(&diagnostic.message)).id(diagnostic.code.name);
    let snippets = excerpts.iter().enumerate().map(|(nth, excerpt)| snippet(nth, excerpt));
    let mut group = Group::with_title(title).elements(snippets);
    if labels.len() > PLACES {
        group = group.element(Title::NOTE.message(format!("and {} more places", labels.len() - PLACES)));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Title::HELP.message(visible_lines(help)));
    }
    let drawn = renderer.render(&[group]);
    excerpts.iter().enumerate().fold(drawn, |drawn, (nth, excerpt)| put_place(&drawn, nth, &excerpt.place))
}

fn title(level: Level) -> Title<'static> {
    match level {
        Level::Error => Title::ERROR,
        Level::Warning => Title::WARNING,
    }
}

fn snippet<'a>(nth: usize, excerpt: &'a Excerpt<'a>) -> Snippet<'a, Annotation<'a>> {
    let marks = excerpt.marks.iter().map(|(range, label)| {
        let kind = if label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
        let text = (!label.text.is_empty()).then(|| visible(&label.text));
        kind.span(range.clone()).label(text)
    });
    Snippet::source(&excerpt.text).path(stand_in(nth)).line_start(excerpt.first_line).annotations(marks)
}

/// The drawing crate counts columns in the excerpt it is given, which is escaped and cut. So it
/// gets a path that no text can hold (`visible` spells these characters), and the true place is put
/// there afterwards.
fn stand_in(nth: usize) -> String {
    format!("\u{fdd0}{nth}\u{fdd1}")
}

fn put_place(drawn: &str, nth: usize, place: &str) -> String {
    match drawn.split_once(&stand_in(nth)) {
        Some((before, after)) => {
            let after = after.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit());
            format!("{before}{place}{after}")
        }
        None => drawn.to_owned(),
    }
}

fn on_one_line(diagnostic: &Diagnostic, sources: &Sources, style: Style) -> String {
    let level =
        paint(&format!("{}[{}]", diagnostic.level.word(), diagnostic.code.name), diagnostic.level, style);
    let message = visible(&diagnostic.message);
    match main_label(diagnostic) {
        None => format!("{level} {message}\n"),
        Some(label) => {
            let (start, _) = positions(label, sources);
            let path = visible(&sources.get(label.span.file).path);
            format!("{level} {path}:{}:{}: {message}\n", start.line, start.column)
        }
    }
}

fn paint(text: &str, level: Level, style: Style) -> String {
    let ansi = match level {
        Level::Error => DEFAULT_ERROR_STYLE,
        Level::Warning => DEFAULT_WARNING_STYLE,
    };
    if style.color { format!("{ansi}{text}{ansi:#}") } else { text.to_owned() }
}

fn summary(found: &[&Diagnostic], counts: &BTreeMap<&str, usize>, hidden: usize, style: Style) -> String {
    let mut summary = totals(found, style);
    if found.len() >= COUNTED {
        let mut counts: Vec<_> = counts.iter().map(|(rule, count)| (*count, *rule)).collect();
        counts.sort_by_key(|(count, rule)| (std::cmp::Reverse(*count), *rule));
        for (count, rule) in counts {
            let _ = writeln!(summary, "{count:>5} {rule}");
        }
    }
    if hidden > 0 {
        let _ = writeln!(summary, "{hidden} of them are not shown here; `--format json` lists all");
    }
    summary
}

/// `2 errors, 3 warnings`; what there is none of is left out.
fn totals(found: &[&Diagnostic], style: Style) -> String {
    let parts: Vec<String> = [Level::Error, Level::Warning]
        .into_iter()
        .map(|level| (level, found.iter().filter(|diagnostic| diagnostic.level == level).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(level, count)| format!("{count} {}{}", level.word(), if count == 1 { "" } else { "s" }))
        .collect();
    let bold = DEFAULT_EMPHASIS_STYLE;
    let line = parts.join(", ");
    let line = if style.color { format!("{bold}{line}{bold:#}") } else { line };
    match worth_explaining(found) {
        Some(rule) => format!("{line}; `bayplan explain {rule}` says more\n"),
        None => format!("{line}\n"),
    }
}

/// The first rule of those that weigh most. What is wrong with the file itself is said by its message alone.
fn worth_explaining(found: &[&Diagnostic]) -> Option<&'static str> {
    let worst = found.iter().map(|diagnostic| diagnostic.level).max()?;
    let mut explained = found.iter().filter(|diagnostic| diagnostic.code.family != Family::Inventory);
    explained.find(|diagnostic| diagnostic.level == worst).map(|first| first.code.name)
}
