//! Keeps a template's memory and time bounded.
//!
//! The engine counts instructions, not bytes: `{% set a = a ~ a %}` forty times over is a terabyte. So each
//! place where a template gives a value a name (`set`, `for`, `macro`, `call`, `with`) gets a call behind it
//! that weighs the value, and `*`, which repeats texts without a name, is refused. The calls are written
//! into the text that the engine reads, never with a line break; so are those around what operators work on; `Guarded` maps
//! places back. Filters and tests weigh what they are given and what they make, for the same reason.

mod blocks;
mod calls;
mod meter;
mod operands;
mod tags;

use std::ops::Range;

use calls::calls;
use operands::operands;
use tags::{Tag, Token, tags};

pub(super) use blocks::unclosed;
pub(super) use tags::texts_of_imports;

pub(super) use meter::{
    LENGTH_LIMIT, STRING_LIMIT, check_size, fault, finish, is_captured, limit, listed, meter, weigh,
    weigh_all, weigh_joined, weigh_list, weigh_text, weight, whole_weight,
};

/// The function that the calls name. Templates may not use the name themselves.
pub(super) const WEIGH: &str = "__bayplan_weigh";
/// The function that a list is put through before something is looked for in it. The name holds [`WEIGH`].
pub(super) const WEIGH_LIST: &str = "__bayplan_weigh_list";

/// The function that the right side of a comparison is put through, to its last member.
pub(super) const WEIGH_ALL: &str = "__bayplan_weigh_all";
/// The function and filter that texts are put through where they are taken apart or added.
pub(super) const WEIGH_TEXT: &str = "__bayplan_weigh_text";
/// The filter that both sides of `~` are put through.
pub(super) const WEIGH_JOINED: &str = "__bayplan_weigh_joined";

/// The most `~` and `+` in one tag.
const JOIN_LIMIT: usize = 16;
/// The most words, signs and texts in one tag. The engine's parser takes a stack frame for each of a chain
/// (`x|a|b`, `not not x`) and stops at no depth: some 4,000 fill a thread's 2 MiB.
const TOKEN_LIMIT: usize = 1500;
/// The most `elif` that may be open at one place, for the same reason: some 1,000 fill the stack.
const ELIF_LIMIT: usize = 200;

/// A template with its guards, ready for the engine.
#[derive(Debug)]
pub(super) struct Guarded {
    /// What the engine reads.
    pub(super) text: String,
    /// Where (in the original) how many bytes were put in. Ascending.
    insertions: Vec<(usize, usize)>,
}

impl Guarded {
    /// A range of the guarded text as a range of the original.
    pub(super) fn original(&self, range: Range<usize>) -> Range<usize> {
        let start = self.offset(range.start);
        start..self.offset(range.end).max(start)
    }

    fn offset(&self, guarded: usize) -> usize {
        let mut added = 0;
        for (at, length) in &self.insertions {
            let begins = at + added;
            if guarded < begins {
                break;
            }
            if guarded < begins + length {
                return *at;
            }
            added += length;
        }
        guarded - added
    }
}

/// Puts the guards in.
///
/// # Errors
/// The place and the reason, if the template does what no template may.
pub(super) fn guard(source: &str) -> Result<Guarded, (Range<usize>, String)> {
    if let Some(at) = source.find(['\u{F8F0}', '\u{F8F1}']) {
        return Err((at..at + 3, "a template may not hold the characters U+F8F0 and U+F8F1".to_owned()));
    }
    if let Some(at) = source.find(WEIGH) {
        return Err((at..at + WEIGH.len(), format!("the name `{WEIGH}` is taken")));
    }
    let tags = tags(source);
    for tag in &tags {
        check(tag)?;
    }
    check_elif(&tags)?;
    let calls = calls(source, &tags).into_iter().map(|call| (call.at, call.text()));
    let operands = tags.iter().flat_map(operands).map(|addition| (addition.at, addition.text));
    let mut additions: Vec<(usize, String)> = calls.chain(operands).collect();
    additions.sort_by_key(|(at, _)| *at);
    Ok(insert(source, &additions))
}

fn check(tag: &Tag<'_>) -> Result<(), (Range<usize>, String)> {
    let mut joins = 0;
    for token in &tag.tokens {
        match token {
            Token::Sign('*', at) => {
                let message = "`*` is not for templates: use the filter `times`, as in `{{ 2|times(3) }}`";
                return Err((*at..at + 1, message.to_owned()));
            }
            Token::Sign('~' | '+', _) => joins += 1,
            _ => {}
        }
    }
    if tag.tokens.len() > TOKEN_LIMIT {
        return Err((tag.range.clone(), format!("more than {TOKEN_LIMIT} words and signs in one tag")));
    }
    if let Some(range) = run_together(&tag.tokens) {
        return Err((range, "a number and what follows it want a space between them".to_owned()));
    }
    if joins > JOIN_LIMIT {
        return Err((tag.range.clone(), format!("more than {JOIN_LIMIT} `~` and `+` in one tag")));
    }
    if let Some(at) = tests_in(&tag.tokens) {
        return Err((at..at + "is".len(), "`is in` is not for templates: write `in`".to_owned()));
    }
    if tag.block && tag.word(0) == Some("autoescape") {
        return Err((
            tag.range.clone(),
            "`autoescape` is not for templates: values are always safe".to_owned(),
        ));
    }
    if tag.block && tag.word(0) == Some("import") && !imports_as_name(&tag.tokens) {
        return Err((tag.range.clone(), "`import` wants one name behind its `as`".to_owned()));
    }
    Ok(())
}

/// A number that runs into a word, as in `1in list`, or into nothing, as in `1. in list`: the engine reads two words
/// there, and these guards one.
fn run_together(tokens: &[Token<'_>]) -> Option<Range<usize>> {
    tokens.iter().enumerate().find_map(|(at, token)| match token {
        Token::Word(word, start) if word.starts_with(|c: char| c.is_ascii_digit()) => {
            let end = start + word.len();
            let dot = matches!(tokens.get(at + 1), Some(Token::Sign('.', at)) if *at == end);
            let fraction = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
            let goes_on =
                matches!(tokens.get(at + 2), Some(Token::Word(word, at)) if *at == end + 1 && fraction(word));
            let part = at > 0 && matches!(tokens[at - 1], Token::Sign('.', dot) if dot + 1 == *start);
            let cut = dot && !part && !goes_on;
            (cut || !is_plain_number(word, part)).then_some(*start..end)
        }
        _ => None,
    })
}

/// Digits, with an exponent's `e` at most, or behind `0x`, `0o` and `0b` those of that base, unless they are a part of a
/// number.
fn is_plain_number(word: &str, part: bool) -> bool {
    let digits = |text: &str, is_one: fn(char) -> bool| text.chars().all(|c| c == '_' || is_one(c));
    match word.get(..2).filter(|_| !part) {
        Some("0x" | "0X") => digits(&word[2..], |c| c.is_ascii_hexdigit()),
        Some("0o" | "0O" | "0b" | "0B") => digits(&word[2..], |c| c.is_ascii_digit()),
        _ => {
            let (whole, exponent) = word.split_once(['e', 'E']).unwrap_or((word, ""));
            digits(whole, |c| c.is_ascii_digit()) && digits(exponent, |c| c.is_ascii_digit())
        }
    }
}

/// Where `is in` or `is not in` stands, which looks through a list that nobody has weighed.
fn tests_in(tokens: &[Token<'_>]) -> Option<usize> {
    tokens.windows(3).find_map(|three| match three {
        [Token::Word("is", at), Token::Word("in", _), _]
        | [Token::Word("is", at), Token::Word("not", _), Token::Word("in", _)] => Some(*at),
        _ => None,
    })
}

/// The engine takes any expression for the name that an import is given, and panics on all but a name.
fn imports_as_name(tokens: &[Token<'_>]) -> bool {
    let is_as = |token: &Token<'_>| matches!(token, Token::Word("as", _));
    let Some(at) = tokens.iter().rposition(is_as) else { return true };
    let constant = |name: &str| ["true", "false", "none"].contains(&name.to_ascii_lowercase().as_str());
    match &tokens[at + 1..] {
        [Token::Word(name, _)]
        | [Token::Word(name, _), Token::Word("with" | "without", _), Token::Word("context", _)] => {
            !name.starts_with(|c: char| c.is_ascii_digit()) && !constant(name)
        }
        _ => false,
    }
}

fn check_elif(tags: &[Tag<'_>]) -> Result<(), (Range<usize>, String)> {
    let mut open = Vec::new();
    let mut depth = 0;
    for tag in tags.iter().filter(|tag| tag.block) {
        match tag.word(0) {
            Some("if") => open.push(depth),
            Some("endif") => depth = open.pop().unwrap_or(0),
            Some("elif") => depth += 1,
            _ => {}
        }
        if depth > ELIF_LIMIT {
            return Err((tag.range.clone(), format!("more than {ELIF_LIMIT} `elif` in one another")));
        }
    }
    Ok(())
}

fn insert(source: &str, additions: &[(usize, String)]) -> Guarded {
    let mut text = String::with_capacity(source.len() + additions.len() * 48);
    let mut insertions = Vec::with_capacity(additions.len());
    let mut from = 0;
    for (at, addition) in additions {
        text.push_str(&source[from..*at]);
        from = *at;
        text.push_str(addition);
        insertions.push((*at, addition.len()));
    }
    text.push_str(&source[from..]);
    Guarded { text, insertions }
}
