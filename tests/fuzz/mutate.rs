//! New inputs from old ones.

use crate::dice::Dice;

/// Signs that mean something to one of the readers.
const SIGNS: &[&str] = &[
    "\n",
    " ",
    "\t",
    "\r\n",
    "\"",
    "'",
    "`",
    "\\",
    "/",
    "..",
    "../",
    ".",
    ",",
    ":",
    ": ",
    "- ",
    "---\n",
    "#",
    "=",
    " = ",
    "{",
    "}",
    "[",
    "]",
    "[[",
    "]]",
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "|",
    "|-\n",
    ">\n",
    "&a ",
    "*a",
    "<<: *a",
    "!!str ",
    "~",
    "$",
    "${",
    "$${",
    "$(",
    "%",
    "%0A",
    "::error::",
    "\u{0}",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "\u{202e}",
    "\u{200b}",
    "\u{feff}",
    "\u{2028}",
    "\u{fffe}",
    "\u{f8f0}",
    "\u{f8f1}",
    "ü",
    "字",
    "🏠",
    "e\u{301}",
    "null",
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "nan",
    ".inf",
    "0",
    "1",
    "-1",
    "65535",
    "65536",
    "2147483648",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "1e400",
    "0x10",
    "0o17",
    "1_000",
    "12:30",
    "2024-01-01",
];

/// One to eight changes.
pub fn mutated(
    parent: &[u8],
    others: &[Vec<u8>],
    words: &[&str],
    longest: usize,
    dice: &mut Dice,
) -> Vec<u8> {
    let mut input = parent.to_vec();
    for _ in 0..=dice.below(8).min(dice.below(8)) {
        change(&mut input, others, words, dice);
        input.truncate(longest);
    }
    input
}

fn change(input: &mut Vec<u8>, others: &[Vec<u8>], words: &[&str], dice: &mut Dice) {
    let at = dice.below(input.len() + 1);
    match dice.below(16) {
        0 if at < input.len() => input[at] ^= 1 << dice.below(8),
        1 if at < input.len() => input[at] = dice.roll() as u8,
        2 => drop(input.drain(at..(at + 1 + dice.below(16)).min(input.len()))),
        3 => insert(input, at, dice.pick(SIGNS).as_bytes()),
        4 | 5 if !words.is_empty() => insert(input, at, dice.pick(words).as_bytes()),
        6 => repeat(input, at, dice),
        7 => input.truncate(at),
        8 => {
            let other = dice.below(others.len());
            splice(input, &others[other], dice);
        }
        9 => replace_word(input, words, dice),
        10 => replace_word(input, SIGNS, dice),
        _ => change_line(input, others, dice),
    }
}

fn insert(input: &mut Vec<u8>, at: usize, piece: &[u8]) {
    input.splice(at..at, piece.iter().copied());
}

fn repeat(input: &mut Vec<u8>, at: usize, dice: &mut Dice) {
    let piece = input[at..(at + 1 + dice.below(24)).min(input.len())].to_vec();
    let most = if dice.below(8) == 0 { 400 } else { 4 };
    let copies = piece.repeat(1 + dice.below(most));
    insert(input, at, &copies);
}

/// The beginning of this and the end of another.
fn splice(input: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    input.truncate(dice.below(input.len() + 1));
    input.extend_from_slice(&other[dice.below(other.len() + 1)..]);
}

/// Another word where one stands.
fn replace_word(input: &mut Vec<u8>, words: &[&str], dice: &mut Dice) {
    if words.is_empty() {
        return;
    }
    let at = dice.below(input.len() + 1);
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let start = input[..at].iter().rposition(|byte| !is_part(byte)).map_or(0, |found| found + 1);
    let end = input[at..].iter().position(|byte| !is_part(byte)).map_or(input.len(), |found| at + found);
    input.splice(start..end, dice.pick(words).bytes());
}

fn change_line(input: &mut Vec<u8>, others: &[Vec<u8>], dice: &mut Dice) {
    let mut lines: Vec<&[u8]> = input.split_inclusive(|byte| *byte == b'\n').collect();
    let at = dice.below(lines.len());
    let other = dice.pick(others);
    match dice.below(6) {
        0 if !lines.is_empty() => drop(lines.remove(at)),
        1 if !lines.is_empty() => {
            let to = dice.below(lines.len());
            lines.swap(at, to);
        }
        2 if !lines.is_empty() => {
            let to = dice.below(lines.len());
            lines.insert(to, lines[at]);
        }
        3 if !lines.is_empty() => {
            let to = (at + 1 + dice.below(8)).min(lines.len());
            let block = lines[at..to].to_vec();
            lines.splice(at..at, block);
        }
        _ => {
            let strange: Vec<&[u8]> = other.split_inclusive(|byte| *byte == b'\n').collect();
            let from = dice.below(strange.len());
            let to = (from + 1 + dice.below(6)).min(strange.len());
            lines.splice(at..at, strange[from..to].iter().copied());
        }
    }
    *input = lines.concat();
}
