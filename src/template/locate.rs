//! From a value of a rendered object back to the line of a template.

use std::ops::Range;

use minijinja::Value;

use super::engine::{Compiled, Engine, in_order};
use super::holes::{Filler, has_marker, literals};
use super::route::is_partial;
use crate::object::path::Path;
use crate::object::place::Documents;
use crate::source::Span;

/// Where a value of a rendered object comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The template that says it: the one that was rendered, or a partial.
    pub template: String,
    /// The place there.
    pub span: Span,
    /// The line there, from 1.
    pub line: usize,
    /// Whether it is a value that the template was given, or lies in one.
    pub given: bool,
    /// How many steps of the way the template's text has.
    pub steps: usize,
}

/// How many lines before and after a line tell which of several like ones it is.
const AROUND: usize = 12;

/// What a template has rendered, to look for places in it.
pub struct Rendition<'e> {
    engine: &'e Engine,
    template: &'e str,
    text: String,
    documents: Documents,
}

impl Rendition<'_> {
    /// The template line of a value of the object with this number.
    pub fn locate(&self, object: usize, path: &Path) -> Option<Located> {
        let found = self.documents.find(&self.text, object, path)?;
        let lines: Vec<&str> = self.text.lines().collect();
        let number = self.text[..found.range.start].matches('\n').count();
        let given = found.scalar.is_some_and(|scalar| has_marker(&scalar));
        let (template, span, line) = self.engine.origin_of(self.template, &lines, number)?;
        Some(Located { template, span, line, given, steps: found.steps })
    }
}

/// How far a line is looked for that others lie in.
const MOST_LINES: usize = 10_000;

impl Engine {
    /// Renders once more, to look for places: only findings ask.
    pub fn rendition<'e>(&'e self, template: &'e str, context: &Value) -> Option<Rendition<'e>> {
        let (text, holes) = self.rendered(template, context)?;
        let name = |key: String| match has_marker(&key) {
            true => Filler::new(&holes).key(&key).unwrap_or_default(),
            false => key,
        };
        let documents = Documents::read(&text, &name)?;
        Some(Rendition { engine: self, template, text, documents })
    }

    /// The template line that made a rendered one.
    fn origin_of(&self, template: &str, lines: &[&str], number: usize) -> Option<(String, Span, usize)> {
        // A line that is one value says nothing of itself: the one above it does.
        let number =
            (0..=number).rev().find(|at| literals(lines.get(*at).unwrap_or(&"")).next().is_some())?;
        let own = self.templates().get_key_value(template);
        let partials = self.templates().iter().filter(|(path, _)| is_partial(path) && *path != template);
        let mut best: Option<(usize, &String, &Compiled, usize)> = None;
        for (path, compiled) in own.into_iter().chain(partials) {
            let source: Vec<&str> = compiled.source().lines().collect();
            for at in 0..source.len() {
                let score = score(&source, at, lines, number);
                if score > 0 && best.is_none_or(|(most, ..)| score > most) {
                    best = Some((score, path, compiled, at));
                }
            }
        }
        let (_, path, compiled, at) = best?;
        Some((path.clone(), Span::new(compiled.file(), line_range(compiled.source(), at)), at + 1))
    }
}

/// How well a template's line fits a rendered one; 0 if not at all.
fn score(source: &[&str], at: usize, lines: &[&str], number: usize) -> usize {
    let fit = likeness(source[at], lines[number]);
    if fit == 0 {
        return 0;
    }
    let before = neighbours(source[..at].iter().rev(), lines[..number].iter().rev());
    let after = neighbours(source[at + 1..].iter(), lines[number + 1..].iter());
    // What stands above a line tells most, and what stands before it more than what follows.
    fit * 8 + alike_above(source, at, lines, number) * 12 + before * 2 + after
}

/// How many of the lines that a rendered one lies in, the nearest first, have their like above the template's line.
fn alike_above(source: &[&str], at: usize, lines: &[&str], number: usize) -> usize {
    let pairs = above(source, at).zip(above(lines, number)).take(AROUND);
    pairs.take_while(|(own, line)| likeness(own, line) > 1).count()
}

/// The lines that a line lies in, the nearest first.
fn above<'l>(lines: &'l [&'l str], at: usize) -> impl Iterator<Item = &'l str> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut depth = indent(lines[at]);
    let before = lines[..at].iter().rev().take(MOST_LINES).copied().take_while(|line| !is_mark(line));
    before.filter(move |line| {
        let text = line.trim_start();
        let is_above = !text.is_empty() && !text.starts_with(['{', '#']) && indent(line) < depth;
        if is_above {
            depth = indent(line);
        }
        is_above
    })
}

/// The mark between two documents.
fn is_mark(line: &str) -> bool {
    line.starts_with("---")
}

/// How many of the nearest rendered lines have their like near the template's line, in order.
fn neighbours<'l>(
    source: impl Iterator<Item = &'l &'l str>,
    lines: impl Iterator<Item = &'l &'l str>,
) -> usize {
    let source: Vec<&str> = source.take(2 * AROUND).copied().take_while(|line| !is_mark(line)).collect();
    let (mut at, mut count) = (0, 0);
    for line in lines.take(AROUND).take_while(|line| !is_mark(line)) {
        if let Some(found) = source[at..].iter().take(AROUND).position(|own| likeness(own, line) > 1) {
            at += found + 1;
            count += 1;
        }
    }
    count
}

/// 0 if a rendered line cannot be made by a template's line, 3 if it must be but for the values.
fn likeness(source: &str, line: &str) -> usize {
    let wanted: Vec<&str> = literals(line).collect();
    if wanted.is_empty() || !in_order(source, &wanted) {
        return 0;
    }
    let indent = |text: &str| text.len() - text.trim_start().len();
    let alike = usize::from(indent(source) == indent(line));
    let own: Vec<&str> = literal_parts(source).collect();
    1 + alike + usize::from(own == wanted)
}

/// The text of a template's line outside of expressions and tags.
fn literal_parts(source: &str) -> impl Iterator<Item = &str> {
    let pieces = source.split("{{").enumerate().map(|(index, piece)| match index {
        0 => piece,
        _ => piece.split_once("}}").map_or("", |(_, after)| after),
    });
    pieces.map(str::trim).filter(|piece| !piece.is_empty())
}

fn line_range(source: &str, number: usize) -> Range<usize> {
    let mut start = 0;
    for (index, line) in source.split_inclusive('\n').enumerate() {
        if index == number {
            let text = line.trim();
            let start = start + line.len() - line.trim_start().len();
            return start..start + text.len();
        }
        start += line.len();
    }
    source.len()..source.len()
}

#[cfg(test)]
mod tests {
    use super::{likeness, score};
    use crate::template::holes::{CLOSE, OPEN};

    #[test]
    fn the_nearest_like_line_is_meant() {
        let source = ["a:", "  name: {{ x }}", "b:", "  name: {{ y }}", "  port: 1"];
        let hole = format!("{OPEN}0{CLOSE}");
        let name = format!("  name: {hole}");
        let lines = ["a:", name.as_str(), "b:", name.as_str(), "  port: 1"];
        let best = |number: usize| {
            (0..source.len()).max_by_key(|at| (score(&source, *at, &lines, number), usize::MAX - at)).unwrap()
        };
        assert_eq!((best(1), best(3), best(4)), (1, 3, 4));
        assert_eq!(likeness("  name: {{ x }}", &name), 3);
        assert_eq!(likeness("name: {{ x }}-config", &name), 1);
        assert_eq!(likeness("port", &name), 0);
    }
}
