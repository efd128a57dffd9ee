//! The tags of a template, as far as guards need to read them.

use std::ops::Range;

#[derive(Debug)]
pub(super) struct Tag<'a> {
    /// From `{` to behind `}`.
    pub(super) range: Range<usize>,
    /// `{% … %}` rather than `{{ … }}`.
    pub(super) block: bool,
    /// As the tag ends: `-%}`, `+%}` or `%}`.
    pub(super) closer: &'a str,
    pub(super) tokens: Vec<Token<'a>>,
    /// The places of its texts, without quotes.
    pub(super) texts: Vec<Range<usize>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Word(&'a str, usize),
    Text(usize),
    Sign(char, usize),
}

impl Tag<'_> {
    /// Where what it says ends.
    pub(super) fn end(&self) -> usize {
        self.range.end - self.closer.len()
    }

    pub(super) fn word(&self, index: usize) -> Option<&str> {
        match self.tokens.get(index) {
            Some(Token::Word(word, _)) => Some(word),
            _ => None,
        }
    }
}

impl Token<'_> {
    pub(super) fn at(&self) -> usize {
        match self {
            Token::Word(_, at) | Token::Text(at) | Token::Sign(_, at) => *at,
        }
    }
}

/// The tags of a template, comments and raw blocks left out. What cannot be read ends the list: the engine
/// will say why.
pub(super) fn tags(source: &str) -> Vec<Tag<'_>> {
    read(source).0
}

/// The tags, and where the tag or comment begins that nothing ends.
pub(super) fn read(source: &str) -> (Vec<Tag<'_>>, Option<usize>) {
    let mut tags = Vec::new();
    let mut at = 0;
    while let Some(open) = source[at..].find('{').map(|found| at + found) {
        let rest = &source[open..];
        at = if rest.starts_with("{#") {
            let Some(end) = rest.find("#}") else { return (tags, Some(open)) };
            open + end + 2
        } else if rest.starts_with("{%") || rest.starts_with("{{") {
            let Some(tag) = tag(source, open) else { return (tags, Some(open)) };
            let end = tag.range.end;
            let raw = tag.block && tag.word(0) == Some("raw");
            tags.push(tag);
            if raw { end_of_raw(source, end) } else { end }
        } else {
            open + 1
        };
    }
    (tags, None)
}

fn end_of_raw(source: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(open) = source[at..].find("{%").map(|found| at + found) {
        let inside = source[open + 2..].trim_start_matches(['-', '+']).trim_start();
        if inside.starts_with("endraw") {
            return open;
        }
        at = open + 2;
    }
    source.len()
}

fn tag(source: &str, open: usize) -> Option<Tag<'_>> {
    let block = source[open..].starts_with("{%");
    let closer = if block { "%}" } else { "}}" };
    let (mut tokens, mut texts) = (Vec::new(), Vec::new());
    let mut depth = 0usize;
    let mut at = open + 2;
    loop {
        let rest = &source[at..];
        let first = rest.chars().next()?;
        // `}}` may close two map literals.
        if rest.starts_with(closer) && (block || depth == 0) {
            let range = open..at + 2;
            let signed = matches!(tokens.last(), Some(Token::Sign('-' | '+', sign)) if sign + 1 == at);
            if signed {
                tokens.pop();
            }
            if matches!(tokens.first(), Some(Token::Sign('-' | '+', sign)) if *sign == open + 2) {
                tokens.remove(0);
            }
            let closer = &source[at - usize::from(signed)..at + 2];
            return Some(Tag { range, block, closer, tokens, texts });
        }
        at += match first {
            '"' | '\'' => {
                let length = text_length(rest, first)?;
                tokens.push(Token::Text(at));
                texts.push(at + 1..at + length - 1);
                length
            }
            c if c.is_alphanumeric() || c == '_' => {
                let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                tokens.push(Token::Word(&rest[..length], at));
                length
            }
            c => {
                match c {
                    '{' | '(' | '[' => depth += 1,
                    '}' | ')' | ']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                if !c.is_whitespace() {
                    tokens.push(Token::Sign(c, at));
                }
                c.len_utf8()
            }
        };
    }
}

/// The bytes of a quoted text, quotes included.
fn text_length(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The names of templates that this one includes, imports or extends; none if one of them is only known while it
/// renders.
pub(in crate::template) fn texts_of_imports(source: &str) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    let takes =
        |tag: &Tag<'_>| tag.block && matches!(tag.word(0), Some("include" | "import" | "from" | "extends"));
    for tag in tags(source).iter().filter(|tag| takes(tag)) {
        let mut texts = tag.texts.iter().map(|range| &source[range.clone()]);
        match tag.tokens.get(1..)? {
            [Token::Sign('[', _), list @ ..] => {
                let end = list.iter().position(|token| matches!(token, Token::Sign(']', _)))?;
                let plain = |token: &Token<'_>| matches!(token, Token::Text(_) | Token::Sign(',', _));
                list[..end].iter().all(plain).then_some(())?;
                names.extend(texts);
            }
            [Token::Text(_)] | [Token::Text(_), Token::Word(..), ..] => names.extend(texts.next()),
            _ => return None,
        }
    }
    Some(names)
}
