//! What is opened and never closed: a tag, a comment, a block.

use std::ops::Range;

use super::tags::{Tag, Token, read};

/// A tag or comment without an end, else the first tag whose block is not closed, or closed by the end of another.
pub(in crate::template) fn unclosed(source: &str) -> Option<(Range<usize>, String)> {
    let (tags, endless) = read(source);
    if let Some(open) = endless {
        return Some((open..open + 2, source[open..open + 2].to_owned()));
    }
    let mut open: Vec<(&Tag<'_>, &str)> = Vec::new();
    for tag in tags.iter().filter(|tag| tag.block) {
        match tag.word(0)? {
            name if opens(name, tag) => open.push((tag, name)),
            name => {
                let Some(ended) = name.strip_prefix("end") else { continue };
                match open.pop() {
                    Some((_, name)) if name == ended => {}
                    Some(other) => return Some(told(other)),
                    None => return None,
                }
            }
        }
    }
    open.pop().map(told)
}

fn told((tag, name): (&Tag<'_>, &str)) -> (Range<usize>, String) {
    (tag.range.clone(), format!("{{% {name} %}}"))
}

fn opens(name: &str, tag: &Tag<'_>) -> bool {
    match name {
        "if" | "for" | "macro" | "call" | "filter" | "block" | "with" | "raw" => true,
        "set" => !tag.tokens.iter().any(|token| matches!(token, Token::Sign('=', _))),
        _ => false,
    }
}
