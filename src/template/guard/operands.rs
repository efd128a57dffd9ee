//! What operators work on is put through functions that weigh it: the engine counts one instruction for `a == b` and
//! `a in b`, however long the two are. Texts and numbers that stand in a short tag weigh nothing worth it.

use super::tags::{Tag, Token};
use super::{WEIGH_ALL, WEIGH_JOINED, WEIGH_LIST, WEIGH_TEXT};

/// In a tag as short as this, what is written out need not be weighed.
const SHORT: usize = 4096;

/// Something to put in, where, and in which order at one place: filters bind tightest, then what is open is closed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Addition {
    pub(super) at: usize,
    rank: Rank,
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Filter,
    Close,
    Open,
    OpenInside,
}

/// All that the operators of a tag need, in order.
pub(super) fn operands(tag: &Tag<'_>) -> Vec<Addition> {
    let mut additions = Additions(Vec::new());
    let head = head(tag);
    for (at, token) in tag.tokens.iter().enumerate() {
        match token {
            Token::Word("in", start) if head != Some(at) && !is_member(tag, at) => {
                additions.around(WEIGH_LIST, start + "in".len(), operand(tag, at + 1).1);
            }
            Token::Word("changed", _) if is_member(tag, at) => arguments(tag, at + 1, &mut additions),
            Token::Sign('=' | '!' | '<' | '>', _) => compared(tag, at, &mut additions),
            Token::Sign('~', _) => joined(tag, at, WEIGH_JOINED, &mut additions),
            Token::Sign('+', _) => joined(tag, at, WEIGH_TEXT, &mut additions),
            Token::Sign('[', _) => subscript(tag, at, &mut additions),
            _ => {}
        }
    }
    additions.0.sort();
    additions.0.dedup_by(|one, other| one.rank == Rank::Filter && one == other);
    additions.0
}

struct Additions(Vec<Addition>);

impl Additions {
    fn add(&mut self, at: usize, rank: Rank, text: String) {
        self.0.push(Addition { at, rank, text });
    }

    fn around(&mut self, function: &str, from: usize, to: usize) {
        self.add(from, Rank::Open, format!(" {function}("));
        self.add(to, Rank::Close, ")".to_owned());
    }
}

/// The first `in` of a loop's head, which looks for nothing.
fn head(tag: &Tag<'_>) -> Option<usize> {
    let is_in = |token: &Token<'_>| matches!(token, Token::Word("in", _));
    tag.tokens.iter().position(is_in).filter(|_| tag.block && tag.word(0) == Some("for"))
}

fn is_member(tag: &Tag<'_>, at: usize) -> bool {
    at > 0 && matches!(tag.tokens[at - 1], Token::Sign('.', _))
}

/// A comparison takes no longer than its right side is long.
fn compared(tag: &Tag<'_>, at: usize, additions: &mut Additions) {
    let Token::Sign(sign, start) = tag.tokens[at] else { return };
    let is_equals = |at: usize, start: usize| tag.tokens.get(at) == Some(&Token::Sign('=', start));
    let doubled = is_equals(at + 1, start + 1);
    // The second sign of `==`, or what gives an argument its value.
    if matches!(sign, '=' | '!') && !doubled {
        return;
    }
    let width = 1 + usize::from(doubled);
    let (last, end) = operand(tag, at + width);
    if !is_written_out(tag, at + width, last) {
        additions.around(WEIGH_ALL, start + width, end);
    }
}

/// Both sides of `~` and `+`: a filter behind them, as it binds tighter than these do.
fn joined(tag: &Tag<'_>, at: usize, filter: &str, additions: &mut Additions) {
    let ends = |token: &Token<'_>| matches!(token, Token::Sign('~' | '+' | '-', _));
    let (last, end) = operand_until(tag, at + 1, ends);
    // Nothing stands before it, or it is the sign of an exponent: `1e+3`.
    let exponent = |word: &str| is_number(word) && word.ends_with(['e', 'E']);
    if at == 0 || matches!(tag.tokens[at - 1], Token::Word(word, _) if exponent(word)) {
        return;
    }
    let mut put = |written: bool, end: usize| {
        if !written {
            additions.add(end, Rank::Filter, format!("|{filter} "));
        }
    };
    put(is_written_out(tag, at - 1, at), tag.tokens[at].at());
    put(is_written_out(tag, at + 1, last), end);
}

/// What has a subscript, and what that is: texts are walked through, and keys hashed.
fn subscript(tag: &Tag<'_>, at: usize, additions: &mut Additions) {
    let Some(first) = start_of_base(tag, at) else { return };
    let is_key = |token: &Token<'_>| matches!(token, Token::Text(_));
    let last = closer(tag, at);
    if last == at + 2 && is_written_out(tag, at + 1, last) && is_key(&tag.tokens[at + 1]) {
        return;
    }
    let bracket = tag.tokens[at].at();
    additions.add(tag.tokens[first].at(), Rank::OpenInside, format!(" {WEIGH_TEXT}("));
    additions.add(bracket, Rank::Close, ")".to_owned());
    let mut depth = 0usize;
    let is_slice = tag.tokens[at + 1..last].iter().any(|token| {
        match token {
            Token::Sign('(' | '[' | '{', _) => depth += 1,
            Token::Sign(')' | ']' | '}', _) => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && matches!(token, Token::Sign(':', _))
    });
    if let (false, Some(end)) = (is_slice || is_written_out(tag, at + 1, last), tag.tokens.get(last)) {
        additions.around(WEIGH_TEXT, bracket + 1, end.at());
    }
}

/// The arguments of a call that compares them: `loop.changed`.
fn arguments(tag: &Tag<'_>, open: usize, additions: &mut Additions) {
    if !matches!(tag.tokens.get(open), Some(Token::Sign('(', _))) {
        return;
    }
    let last = closer(tag, open);
    let mut depth = 0usize;
    let mut first = open + 1;
    for at in open + 1..=last.min(tag.tokens.len().saturating_sub(1)) {
        match tag.tokens[at] {
            Token::Sign(',' | ')', end) if depth == 0 => {
                let named = matches!(tag.tokens.get(first + 1), Some(Token::Sign('=', start))
                    if tag.tokens.get(first + 2) != Some(&Token::Sign('=', start + 1)));
                if first < at && !named {
                    additions.around(WEIGH_ALL, tag.tokens[first].at(), end);
                }
                first = at + 1;
            }
            Token::Sign('(' | '[' | '{', _) => depth += 1,
            Token::Sign(')' | ']' | '}', _) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
}

/// Where the operand ends that begins with a token, as a token and as a place: before a comparison, a word that joins
/// conditions, or what closes or divides what it stands in.
fn operand(tag: &Tag<'_>, first: usize) -> (usize, usize) {
    operand_until(tag, first, |_| false)
}

fn operand_until(tag: &Tag<'_>, first: usize, ends: impl Fn(&Token<'_>) -> bool) -> (usize, usize) {
    let mut depth = 0usize;
    for (index, token) in tag.tokens.iter().enumerate().skip(first) {
        match token {
            Token::Sign('(' | '[' | '{', _) => depth += 1,
            Token::Sign(')' | ']' | '}', _) if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            Token::Sign(')' | ']' | '}' | ',' | ':' | '=' | '!' | '<' | '>', at) => return (index, *at),
            // A sign of its own may stand before a number.
            _ if index > first && ends(token) => return (index, token.at()),
            Token::Word(
                "and" | "or" | "in" | "if" | "else" | "recursive" | "ignore" | "with" | "without",
                at,
            ) if !is_member(tag, index) => return (index, *at),
            Token::Word("not", at)
                if !is_member(tag, index)
                    && matches!(tag.tokens.get(index + 1), Some(Token::Word("in", _))) =>
            {
                return (index, *at);
            }
            _ => {}
        }
    }
    (tag.tokens.len(), tag.end())
}

/// Whether these tokens are one number, one word of the engine's or one text, and no long one.
fn is_written_out(tag: &Tag<'_>, first: usize, last: usize) -> bool {
    if tag.range.len() > SHORT {
        return false;
    }
    match tag.tokens.get(first..last) {
        Some([Token::Text(_)]) => true,
        Some([Token::Word(word, _)]) => {
            !is_member(tag, first) && (is_number(word) || ["true", "false", "none"].contains(word))
        }
        _ => false,
    }
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

/// The token that closes what a token opens, or the end.
fn closer(tag: &Tag<'_>, open: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in tag.tokens.iter().enumerate().skip(open) {
        match token {
            Token::Sign('(' | '[' | '{', _) => depth += 1,
            Token::Sign(')' | ']' | '}', _) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tag.tokens.len()
}

/// The token that opens what a token closes.
fn opener(tag: &Tag<'_>, close: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (at, token) in tag.tokens.iter().enumerate().take(close + 1).rev() {
        match token {
            Token::Sign(')' | ']' | '}', _) => depth += 1,
            Token::Sign('(' | '[' | '{', _) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// The first token of what a `[` is the subscript of; none if the bracket opens a list.
fn start_of_base(tag: &Tag<'_>, bracket: usize) -> Option<usize> {
    let mut first = base_before(tag, bracket)?;
    loop {
        let next = match tag.tokens[first] {
            _ if is_member(tag, first) => base_before(tag, first - 1),
            Token::Sign('(' | '[', _) => base_before(tag, first),
            _ => None,
        };
        match next {
            Some(next) => first = next,
            None => return Some(first),
        }
    }
}

/// The first token of the name, text or bracket that ends before a token; none if an operator or tag's word does.
fn base_before(tag: &Tag<'_>, at: usize) -> Option<usize> {
    let before = at.checked_sub(1)?;
    match tag.tokens[before] {
        Token::Sign(')' | ']' | '}', _) => opener(tag, before),
        Token::Text(_) => Some(before),
        Token::Word(..) if is_member(tag, before) => Some(before),
        Token::Word("and" | "or" | "not" | "in" | "if" | "else" | "is", _) => None,
        Token::Word(..) if tag.block && before == 0 || is_test(tag, before) => None,
        Token::Word(..) => Some(before),
        Token::Sign(..) => None,
    }
}

/// Whether a word names a test, which takes what follows as its argument.
fn is_test(tag: &Tag<'_>, at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map(|at| tag.tokens[at]);
    matches!(before(1), Some(Token::Word("is", _)))
        || matches!((before(1), before(2)), (Some(Token::Word("not", _)), Some(Token::Word("is", _))))
}
