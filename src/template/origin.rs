//! From a rendered line that cannot be read back to the line of a template.

use std::collections::BTreeSet;
use std::ops::Range;

use super::engine::{Compiled, Engine, in_order};
use super::holes::literals;
use super::route::is_partial;

impl Engine {
    /// The template line that made a rendered one, of this template or of a partial: it has all of its literal
    /// text, or else most of its words.
    pub(super) fn origin<'e>(&'e self, template: &'e str, line: &str) -> (&'e str, Range<usize>) {
        let literals: Vec<&str> = literals(line).collect();
        let own = self.templates().get_key_value(template);
        let partials = self.templates().iter().filter(|(path, _)| is_partial(path) && *path != template);
        let all: Vec<(&String, &Compiled)> = own.into_iter().chain(partials).collect();
        let whole = all.iter().filter(|_| !literals.is_empty()).find_map(|(path, compiled)| {
            let found = lines(compiled).find(|(line, _)| in_order(line, &literals));
            found.map(|(_, range)| (path.as_str(), range))
        });
        let near = || closest(&all, &literals);
        whole.or_else(near).unwrap_or_else(|| {
            let first = own.and_then(|(_, compiled)| lines(compiled).next());
            (template, first.map_or(0..0, |(_, range)| range))
        })
    }
}

/// Fewer letters than this may stand anywhere.
const FEW: usize = 3;

/// The line with most of these words: white space that a tag took away, a filter or a macro may have joined several
/// lines, or changed one.
fn closest<'e>(all: &[(&'e String, &'e Compiled)], literals: &[&str]) -> Option<(&'e str, Range<usize>)> {
    let wanted: BTreeSet<String> = literals.iter().copied().flat_map(words).collect();
    let mut best = (FEW - 1, None);
    for (path, compiled) in all {
        for (line, range) in lines(compiled) {
            let own: BTreeSet<String> = words(line).collect();
            let shared = own.intersection(&wanted).map(String::len).sum();
            if shared > best.0 {
                best = (shared, Some((path.as_str(), range)));
            }
        }
    }
    best.1
}

/// The words of a line, tags and quotes apart.
fn words(line: &str) -> impl Iterator<Item = String> {
    let ends = |c: char| c.is_whitespace() || "{}%|\"'".contains(c);
    line.split(ends).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// The lines of a template, each with its place without the blanks around it.
fn lines(compiled: &Compiled) -> impl Iterator<Item = (&str, Range<usize>)> {
    let mut start = 0;
    compiled.source().split_inclusive('\n').map(move |line| {
        let at = start + line.len() - line.trim_start().len();
        start += line.len();
        (line, at..at + line.trim().len())
    })
}
