//! What is kept out of every report: what the rules hide, in messages as in the source, and what is a token by its shape.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use crate::check::secrets::shown_by_none;
use crate::diagnostic::Diagnostic;
use crate::source::{Sources, Span};

/// A hidden text shorter than this is too common a word to be looked for in messages.
const SHORTEST: usize = 6;
/// So much of a hidden text is enough to know it by: messages cut what is long.
const KNOWN_BY: usize = 12;
/// How many hidden texts near one finding are looked for in what it says.
const MOST: usize = 64;

/// Stands for a secret in a message.
const STARS: &str = "***";

/// What is hidden in the sources: in order, each once.
pub(super) fn places(found: &[&Diagnostic], hidden: &[Span], sources: &Sources) -> Vec<Span> {
    let mut all: BTreeSet<Span> = hidden.iter().copied().collect();
    let mut seen = BTreeSet::new();
    for label in found.iter().flat_map(|diagnostic| &diagnostic.labels) {
        let source = sources.get(label.span.file);
        for at in [source.range(label.span).start, source.range(label.span).end] {
            let line = source.line_around(at);
            if seen.insert((label.span.file, line.start)) {
                let tokens = shown_by_none(&source.text[line.clone()]).into_iter();
                let place = |token: Range<usize>| {
                    Span::new(label.span.file, line.start + token.start..line.start + token.end)
                };
                all.extend(tokens.map(place));
            }
        }
    }
    all.into_iter().collect()
}

/// A finding that says nothing of what is hidden. Of `hidden`, which is in order, what stands in its lines counts.
pub(super) fn discreet<'d>(
    diagnostic: &'d Diagnostic,
    hidden: &[Span],
    sources: &Sources,
) -> Cow<'d, Diagnostic> {
    let secrets = near(diagnostic, hidden, sources);
    let said = |text: &str| masked(text, &secrets);
    let labels = diagnostic.labels.iter().map(|label| said(&label.text)).collect::<Vec<_>>();
    let (message, help) = (said(&diagnostic.message), diagnostic.help.as_deref().and_then(said));
    if message.is_none() && help.is_none() && labels.iter().all(Option::is_none) {
        return Cow::Borrowed(diagnostic);
    }
    let mut discreet = diagnostic.clone();
    discreet.message = message.unwrap_or(discreet.message);
    discreet.help = help.or(discreet.help);
    for (label, text) in discreet.labels.iter_mut().zip(labels) {
        label.text = text.unwrap_or(std::mem::take(&mut label.text));
    }
    Cow::Owned(discreet)
}

/// The hidden texts of the lines that a finding points at.
fn near<'s>(diagnostic: &Diagnostic, hidden: &[Span], sources: &'s Sources) -> Vec<&'s str> {
    let mut secrets: Vec<&str> = Vec::new();
    for label in &diagnostic.labels {
        let source = sources.get(label.span.file);
        let range = source.range(label.span);
        let (first, last) = (source.line_around(range.start).start, source.line_around(range.end).end);
        let lines = Span::new(label.span.file, first..last);
        let from = hidden.partition_point(|span| (span.file, span.start) < (lines.file, lines.start));
        let within =
            hidden[from..].iter().take_while(|span| span.file == lines.file && span.start < lines.end);
        for span in within.take(MOST) {
            let text = source.slice(*span).trim_matches(['"', '\'']);
            if text.len() >= SHORTEST && !text.contains('\n') {
                secrets.push(text);
            }
        }
    }
    secrets
}

/// The text with stars for what it gives away; none if that is nothing.
fn masked(text: &str, secrets: &[&str]) -> Option<String> {
    let mut ranges = shown_by_none(text);
    for secret in secrets {
        let start = &secret[..secret.floor_char_boundary(KNOWN_BY)];
        for (at, _) in text.match_indices(start) {
            let alike = text[at..].chars().zip(secret.chars()).take_while(|(one, other)| one == other);
            ranges.push(at..at + alike.map(|(c, _)| c.len_utf8()).sum::<usize>());
        }
    }
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut masked = String::new();
    let mut end = 0;
    for range in &ranges {
        if range.start >= end {
            masked.push_str(&text[end..range.start]);
            masked.push_str(STARS);
        }
        end = end.max(range.end);
    }
    masked.push_str(&text[end..]);
    (!ranges.is_empty()).then_some(masked)
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn a_message_keeps_what_is_hidden_to_itself() {
        let secrets = ["Hunter2longpassw0rdX"];
        let said = "there is no secret `Hunter2longpassw0rdX`, and `Hunter2longpass` is cut";
        let kept = "there is no secret `***`, and `***` is cut";
        assert_eq!(masked(said, &secrets).as_deref(), Some(kept));
        assert_eq!(masked("there is no secret `Hunter`", &secrets), None);
    }
}
