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
            // `{#}` is no comment yet: the engine goes on behind the sign.
            let signed = rest.get(2..).is_some_and(|rest| rest.starts_with(['-', '+']));
            let inside = open + 2 + usize::from(signed);
            let Some(end) = source[inside..].find("#}") else { return (tags, Some(open)) };
            inside + end + 2
        } else if rest.starts_with("{%") || rest.starts_with("{{") {
            let Some(tag) = tag(source, open) else { return (tags, Some(open)) };
            let end = tag.range.end;
            let raw = tag.block && is_alone(&rest[2..], "raw");
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
        if is_alone(&source[open + 2..], "endraw") {
            return open;
        }
        at = open + 2;
    }
    source.len()
}

/// Whether a tag that begins here says one word and nothing else, exactly as the engine tells `raw` and `endraw` from
/// other tags: what it takes for neither is read.
fn is_alone(inside: &str, word: &str) -> bool {
    let blank = |c: char| c.is_ascii_whitespace();
    let inside = inside.strip_prefix(['-', '+']).unwrap_or(inside).trim_start_matches(blank);
    let Some(behind) = inside.strip_prefix(word) else { return false };
    let behind = behind.trim_start_matches(blank);
    behind.strip_prefix(['-', '+']).unwrap_or(behind).starts_with("%}")
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

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use minijinja::machinery::{Token as EngineToken, tokenize};
    use minijinja::syntax::SyntaxConfig;
    use proptest::collection::vec;
    use proptest::prelude::{ProptestConfig, proptest};
    use proptest::sample::select;

    use super::{Token, is_alone, tags};
    use crate::template::guard::run_together;

    /// What guards look at: words, texts and the signs that matter, each with its place.
    type Seen = Vec<(String, usize)>;

    const SIGNS: &str = "()[]{},~|*.";

    /// The tags, what is in them, and the numbers among that.
    type Read = (Vec<Range<usize>>, Seen, Vec<Range<usize>>);

    fn of_engine(source: &str) -> Option<Read> {
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
        let (mut ranges, mut seen, mut numbers, mut open) = (Vec::new(), Vec::new(), Vec::new(), None);
        let mut brackets = Vec::new();
        for token in tokenize(source, false, syntax.build().ok()?) {
            let (token, span) = token.ok()?;
            let range = span.start_offset as usize..span.end_offset as usize;
            // No parser takes brackets that do not fit.
            match (&token, &source[range.clone()]) {
                (EngineToken::ParenOpen | EngineToken::BracketOpen | EngineToken::BraceOpen, sign) => {
                    brackets.push(sign);
                }
                // Nothing is there to divide by.
                (EngineToken::BraceClose, _) if source[..range.start].ends_with('%') => return None,
                (EngineToken::ParenClose | EngineToken::BracketClose | EngineToken::BraceClose, sign) => {
                    let fits = brackets
                        .pop()
                        .is_some_and(|open| ["()", "[]", "{}"].contains(&&*format!("{open}{sign}")));
                    fits.then_some(())?;
                }
                (EngineToken::BlockEnd | EngineToken::VariableEnd, _) if !brackets.is_empty() => return None,
                _ => {}
            }
            match token {
                EngineToken::BlockStart | EngineToken::VariableStart => open = Some(range.start),
                EngineToken::BlockEnd | EngineToken::VariableEnd => ranges.push(open.take()?..range.end),
                EngineToken::Ident(word) => seen.push((word.to_owned(), range.start)),
                EngineToken::Str(_) | EngineToken::String(_) => seen.push(("text".to_owned(), range.start)),
                EngineToken::Int(_) | EngineToken::Int128(_) | EngineToken::Float(_) => numbers.push(range),
                EngineToken::TemplateData(_) => {}
                _ if SIGNS.contains(&source[range.clone()]) => {
                    seen.push((source[range.clone()].to_owned(), range.start));
                }
                // `**` is two of ours.
                EngineToken::Pow => {
                    seen.extend([range.start, range.start + 1].map(|at| ("*".to_owned(), at)));
                }
                _ => {}
            }
        }
        // What nothing ends is refused.
        open.is_none().then_some((ranges, seen, numbers))
    }

    /// Holds the tags of a text against those that the engine reads, if it reads the text at all.
    fn compare(source: &str) {
        let Some((ranges, seen, numbers)) = of_engine(source) else { return };
        let all = tags(source);
        // `raw` and its end are no tags to the engine.
        let mut raw = false;
        let own: Vec<_> = all
            .iter()
            .filter(|tag| {
                let ends = std::mem::take(&mut raw);
                raw = !ends && tag.block && is_alone(&source[tag.range.start + 2..], "raw");
                !raw && !ends
            })
            .collect();
        if own.iter().any(|tag| run_together(&tag.tokens).is_some()) {
            return;
        }
        let found: Vec<Range<usize>> = own.iter().map(|tag| tag.range.clone()).collect();
        assert_eq!(found, ranges, "{source:?}");
        let in_number = |at: usize| numbers.iter().any(|range| range.contains(&at));
        let tokens = own.iter().flat_map(|tag| &tag.tokens).filter(|token| !in_number(token.at()));
        let mine: Seen = tokens
            .filter_map(|token| match token {
                Token::Word(word, at) => Some(((*word).to_owned(), *at)),
                Token::Text(at) => Some(("text".to_owned(), *at)),
                Token::Sign(sign, at) if SIGNS.contains(*sign) => Some((sign.to_string(), *at)),
                Token::Sign(..) => None,
            })
            .collect();
        assert_eq!(mine, seen, "{source:?}");
    }

    #[test]
    fn the_engine_and_the_guards_read_the_same_tags() {
        for source in [
            "{#} {% raw %} #}{{ a }}{# {% endraw %} #}",
            "{% raw %}{% endrawx %}{# {% endraw %}{{ a }}{# #}",
            "{%- raw -%}{{ a }}{%+endraw%}{{ b }}",
            "{#- {{ a }} -#}{{ b -}} {%+ if c +%}",
            "{{ {'a': {'b': 1}} }}{{ \"}}\" }}{% set x = '%}' %}",
            "{{ 1.5 ~ 1e+3 ~ 0xff.x ~ a.0.1 }}",
        ] {
            assert!(of_engine(source).is_some(), "{source}");
            compare(source);
        }
        for source in ["{{ 1in a }}", "{{ 0b1or a }}", "{{ 2. in a }}", "{{ 1_x }}"] {
            assert!(tags(source).iter().any(|tag| run_together(&tag.tokens).is_some()), "{source}");
        }
    }

    /// Pieces out of which everything is made that one of the two could take for something else.
    const PIECES: [&str; 44] = [
        "{#", "#}", "{%", "%}", "{{", "}}", "{", "}", "#", "%", "-", "+", " ", "\n", "\t", "\u{b}", "\u{a0}",
        "raw", "endraw", "x", "in", "is", "set", "with", "=", "==", "(", ")", "[", "]", ",", ".", "~", "*",
        "|", "'", "\"", "\\", "1", "0x", "e", "_", "ä", "1.",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn any_text_has_the_tags_that_the_engine_reads(pieces in vec(select(&PIECES[..]), 0..24)) {
            compare(&pieces.concat());
        }

        #[test]
        fn any_tags_have_the_words_that_the_engine_reads(pieces in vec(select(&PIECES[10..]), 0..16), more in vec(select(&PIECES[10..]), 0..16)) {
            compare(&format!("{{% {} %}}{{{{ {} }}}}", pieces.concat(), more.concat()));
        }
    }
}
