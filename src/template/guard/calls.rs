//! Calls that are put into a template to weigh what gets a name.

use super::WEIGH;
use super::tags::{Tag, Token};

/// A call to put in, and the tag behind which it goes.
pub(super) struct Call<'a> {
    pub(super) at: usize,
    closer: &'a str,
    charge: usize,
    names: String,
}

/// Which calls go where. A call is charged with the text that its tag lets the engine write once more.
pub(super) fn calls<'a>(source: &'a str, tags: &[Tag<'a>]) -> Vec<Call<'a>> {
    let mut calls = Vec::new();
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut written = 0;
    let mut from = 0;
    for tag in tags {
        written += tag.range.start - from;
        from = tag.range.end;
        let word = if tag.block { tag.word(0).unwrap_or_default() } else { "" };
        match word {
            "endfor" | "endmacro" | "endcall" | "endblock" => {
                if let Some((index, before)) = open.pop() {
                    let call: &mut Call<'_> = &mut calls[index];
                    call.charge = written - before;
                }
            }
            _ => {}
        }
        if let Some(names) = names(source, tag, word) {
            if matches!(word, "for" | "macro" | "call" | "block") {
                open.push((calls.len(), written));
            }
            calls.push(Call { at: tag.range.end, closer: tag.closer, charge: 0, names });
        }
    }
    if !tags.is_empty() {
        // A whole template can be included in a loop. `+` keeps a line break that follows.
        let charge = written + (source.len() - from);
        calls.insert(0, Call { at: 0, closer: "+%}", charge, names: String::new() });
    }
    calls
}

impl Call<'_> {
    pub(super) fn text(&self) -> String {
        format!("{{% do {WEIGH}({}{}) {}", self.charge, self.names, self.closer)
    }
}

/// The names that a tag gives values to, as further arguments. `None` if it gives none and repeats nothing.
fn names(source: &str, tag: &Tag<'_>, word: &str) -> Option<String> {
    match word {
        "set" => {
            let end = assignment(&tag.tokens)?;
            Some(targets(source, &tag.tokens[1..end]))
        }
        "for" => {
            let end = tag.tokens.iter().position(|token| matches!(token, Token::Word("in", _)))?;
            Some(targets(source, &tag.tokens[1..end]))
        }
        "macro" => Some(parameters(tag.tokens.get(2..)?)),
        "call" => Some(match tag.tokens.get(1) {
            Some(Token::Sign('(', _)) => parameters(&tag.tokens[1..]),
            _ => String::new(),
        }),
        "with" => Some(assigned(&tag.tokens[1..])),
        "block" => Some(String::new()),
        _ => None,
    }
}

/// Where the `=` of a `set` stands. A block `set` has none, but may have a filter with named arguments.
fn assignment(tokens: &[Token<'_>]) -> Option<usize> {
    let end = tokens.iter().position(|token| matches!(token, Token::Sign('=' | '|', _)))?;
    matches!(tokens[end], Token::Sign('=', _)).then_some(end)
}

fn targets(source: &str, tokens: &[Token<'_>]) -> String {
    let end = |token: &Token<'_>| match token {
        Token::Word(word, at) => at + word.len(),
        Token::Sign(_, at) => at + 1,
        Token::Text(_) => 0,
    };
    let start = tokens.iter().find_map(|token| match token {
        Token::Word(_, at) | Token::Sign(_, at) => Some(*at),
        Token::Text(_) => None,
    });
    let text =
        start.and_then(|start| source.get(start..tokens.last().map_or(start, end))).unwrap_or_default();
    let plain = text.replace(['(', ')', '\n', '\r'], " ");
    let names = plain.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| format!(", {name}")).collect()
}

/// The parameters of a macro or call block: the words behind `(` and `,` at the first level.
fn parameters(tokens: &[Token<'_>]) -> String {
    let mut names = String::new();
    let mut depth = 0usize;
    for pair in tokens.windows(2) {
        match pair[0] {
            Token::Sign('(' | '[' | '{', _) => depth += 1,
            Token::Sign(')' | ']' | '}', _) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if let (Token::Sign('(' | ',', _), Token::Word(name, _), 1) = (pair[0], pair[1], depth) {
            names.push_str(", ");
            names.push_str(name);
        }
    }
    names
}

/// What a `with` gives values to: the words from a comma to the `=` behind it, of `(a, (b, c))` all of them.
fn assigned(tokens: &[Token<'_>]) -> String {
    let mut names = String::new();
    let mut depth = 0usize;
    let mut target = true;
    for token in tokens {
        match token {
            Token::Sign('(' | '[' | '{', _) => depth += 1,
            Token::Sign(')' | ']' | '}', _) => depth = depth.saturating_sub(1),
            Token::Sign('=', _) if depth == 0 => target = false,
            Token::Sign(',', _) if depth == 0 => target = true,
            Token::Word(name, _) if target => {
                names.push_str(", ");
                names.push_str(name);
            }
            _ => {}
        }
    }
    names
}
