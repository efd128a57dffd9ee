//! Regular expressions of Go (RE2) and ranges of versions, as Flux and Traefik read them: only what neither can read
//! is told, for a fault that is none would be worse than one that is missed.

use std::collections::BTreeSet;

/// What Go cannot compile of a regular expression (`regexp/syntax`).
///
/// # Errors
///
/// What is wrong with it, as the end of a sentence.
pub fn regex(text: &str) -> Result<(), String> {
    groups(text).map(drop)
}

/// The capturing groups of a regular expression: how many, and their names.
struct Groups<'t> {
    count: usize,
    names: BTreeSet<&'t str>,
}

/// What may follow a backslash, of letters: Go refuses all others.
const ESCAPES: &str = "aAbBdDEfnpPQrsStvwWxz";

/// What Perl has and RE2 has not: it would not be read in linear time.
const UNKNOWN_GROUPS: &[&str] = &["=", "!", "<=", "<!", ">"];

fn groups(text: &str) -> Result<Groups<'_>, String> {
    let mut groups = Groups { count: 0, names: BTreeSet::new() };
    let mut open: usize = 0;
    // Whether there is nothing to repeat yet, and whether it is repeated already.
    let (mut bare, mut repeated) = (true, false);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        let was_repeated = std::mem::take(&mut repeated);
        let was_bare = std::mem::take(&mut bare);
        rest = match first {
            // What it quotes may be anything.
            '\\' if after.starts_with('Q') => return Ok(groups),
            '\\' => past_escape(after)?,
            '[' => past_class(after)?,
            '(' => {
                open += 1;
                bare = true;
                past_group(after, &mut groups)?
            }
            ')' => {
                open = open.checked_sub(1).ok_or("a `)` closes no group")?;
                after
            }
            '|' => {
                bare = true;
                after
            }
            '*' | '+' | '?' => {
                if was_bare {
                    return Err(format!("`{first}` repeats nothing"));
                }
                if was_repeated {
                    return Err(format!("`{first}` repeats what is repeated already"));
                }
                repeated = true;
                after.strip_prefix('?').unwrap_or(after)
            }
            _ => after,
        };
    }
    if open > 0 { Err("a group has no `)`".to_owned()) } else { Ok(groups) }
}

fn past_escape(after: &str) -> Result<&str, String> {
    let Some(escaped) = after.chars().next() else { return Err("it ends with a backslash".to_owned()) };
    let rest = &after[escaped.len_utf8()..];
    let octal = matches!(escaped, '1'..='7') && rest.starts_with(|next| matches!(next, '0'..='7'));
    if matches!(escaped, '1'..='9') && !octal {
        return Err(format!("Go has no `\\{escaped}`, which refers back"));
    }
    if escaped.is_ascii_alphabetic() && !ESCAPES.contains(escaped) {
        return Err(format!("Go has no `\\{escaped}`"));
    }
    Ok(rest)
}

fn past_class(after: &str) -> Result<&str, String> {
    let mut rest = after.strip_prefix('^').unwrap_or(after);
    rest = rest.strip_prefix(']').unwrap_or(rest);
    while let Some(first) = rest.chars().next() {
        let more = &rest[first.len_utf8()..];
        rest = match first {
            ']' => return Ok(more),
            '\\' => more.chars().next().map_or(more, |escaped| &more[escaped.len_utf8()..]),
            '[' if more.starts_with(':') => past_named_class(more),
            _ => more,
        };
    }
    Err("a `[` has no `]`".to_owned())
}

/// Behind `:alpha:]` and its like; elsewhere the bracket stands for itself. No name is longer than `^xdigit`.
fn past_named_class(more: &str) -> &str {
    const LONGEST: usize = 16;
    let near = &more[1..more.floor_char_boundary(LONGEST)];
    near.find(":]").map_or(more, |at| &more[1 + at + 2..])
}

fn past_group<'t>(after: &'t str, groups: &mut Groups<'t>) -> Result<&'t str, String> {
    let Some(kind) = after.strip_prefix('?') else {
        groups.count += 1;
        return Ok(after);
    };
    if let Some(unknown) = UNKNOWN_GROUPS.iter().find(|unknown| kind.starts_with(**unknown)) {
        return Err(format!("Go has no `(?{unknown}`"));
    }
    let named = kind.strip_prefix("P<").or_else(|| kind.strip_prefix('<'));
    if let Some(named) = named {
        let (name, rest) = named.split_once('>').ok_or("the name of a group has no `>`")?;
        groups.count += 1;
        groups.names.insert(name);
        return Ok(rest);
    }
    // Flags, and a colon if they hold for a group of their own.
    let end = kind.find([':', ')']).ok_or("a group has no `)`")?;
    Ok(kind.get(end..).map_or("", |rest| rest.strip_prefix(':').unwrap_or(rest)))
}

/// Whether what is taken out of a match names groups that the expression has (Go's `Regexp.Expand`): a name that there
/// is not becomes nothing.
///
/// # Errors
///
/// What is wrong with it, as the end of a sentence.
pub fn template(template: &str, regex: &str) -> Result<(), String> {
    let Ok(groups) = groups(regex) else { return Ok(()) };
    // A literal by `\Q` hides what follows it.
    if regex.contains("\\Q") {
        return Ok(());
    }
    for (at, _) in template.match_indices('$').filter(|(at, _)| !template[..*at].ends_with('$')) {
        let after = &template[at + 1..];
        // In braces or not, a name ends with its letters; a brace without its other half stands for itself.
        let name = after.strip_prefix('{').unwrap_or(after);
        let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
        if name.len() < after.len() && !name[end..].starts_with('}') {
            continue;
        }
        let name = &name[..end];
        let known = match name.parse::<usize>() {
            Ok(number) => number <= groups.count,
            Err(_) => groups.names.contains(name),
        };
        if !known && !name.is_empty() {
            return Err(format!("the pattern has no group `{name}`"));
        }
    }
    Ok(())
}

/// Whether a range of versions can be read (Masterminds/semver).
///
/// # Errors
///
/// What is wrong with it, as the end of a sentence.
pub fn versions(range: &str) -> Result<(), String> {
    // Between two versions there is a dash, and what else may stand there is nobody's business.
    if range.contains(" - ") || range.contains("${") {
        return Ok(());
    }
    let parts = range.split(|c: char| c.is_whitespace() || c == ',' || c == '|');
    for part in parts {
        let version = part.trim_start_matches(['=', '!', '<', '>', '~', '^']);
        let number = version.strip_prefix('v').unwrap_or(version);
        let end = number.find(['.', '-', '+']).unwrap_or(number.len());
        let read = number[..end].chars().all(|c| c.is_ascii_digit() || matches!(c, 'x' | 'X' | '*'));
        if !read || (number.is_empty() && !version.is_empty()) {
            return Err(format!("`{version}` is no version"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{regex, template, versions};

    #[test]
    fn what_go_compiles_passes() {
        for text in [
            "",
            "^main-(?P<ts>[0-9]+)$",
            "(?<a>x)|(?:y)*?",
            "[]a]",
            "[^]]+",
            "[[:alpha:]_]*",
            r"\[\(\)\]",
            "a{2,3}?",
            "(?i)x",
            "(?i:x|)",
            r"\Q(((\E",
            r"^*",
            r"[\]]",
            "[[:]",
            "[[:^xdigit:]]",
            r"\pL\p{Greek}\x{10FFFF}\012",
            "()",
            "a||b",
            "x*|y+",
            r"\.\-\/",
            "é+",
            "a{,2}*",
        ] {
            assert_eq!(regex(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_go_refuses_is_told() {
        for (text, why) in [
            ("^main-(?P<ts>[0-9+$", "a `[` has no `]`"),
            ("(unclosed", "a group has no `)`"),
            ("^(foo", "a group has no `)`"),
            ("foo)", "a `)` closes no group"),
            ("*.example.org", "`*` repeats nothing"),
            ("a|+", "`+` repeats nothing"),
            ("a**", "`*` repeats what is repeated already"),
            ("a??+", "`+` repeats what is repeated already"),
            ("^(?!main)", "Go has no `(?!`"),
            (r"(a)\1", "Go has no `\\1`, which refers back"),
            (r"a\Z", "Go has no `\\Z`"),
            ("a\\", "it ends with a backslash"),
            ("(?P<a", "the name of a group has no `>`"),
        ] {
            assert_eq!(regex(text), Err(why.to_owned()), "{text}");
        }
    }

    #[test]
    fn brackets_in_brackets_are_read_once() {
        let text = format!("[{}x]", "[:".repeat(100_000));
        assert_eq!(regex(&text), Ok(()));
    }

    #[test]
    fn groups_are_known_by_name_and_number() {
        let pattern = "^v(?P<a>[0-9]+)-(x)$";
        for text in ["$a", "${a}", "$2", "$0", "$1-${2}", "$$", "$", "plain", "$a-$2"] {
            assert_eq!(template(text, pattern), Ok(()), "{text}");
        }
        // What no brace closes is no name, and a long row of such costs no more than its length.
        assert_eq!(template(&"${".repeat(100_000), pattern), Ok(()));
        for text in ["$nope", "${b}", "$3", "$ax"] {
            assert!(template(text, pattern).is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_of_versions() {
        for range in [
            "",
            "*",
            "1",
            "1.x",
            ">=1.2.3 <2",
            "^1.2.3-0",
            "~ 1.4",
            "1.2 - 2",
            ">= 1, < 2 || 3.x",
            "v1.2",
            "=>1",
        ] {
            assert_eq!(versions(range), Ok(()), "{range}");
        }
        for range in ["banana", "latest", ">= new", "main.1", "1.2 || stable", "v"] {
            assert!(versions(range).is_err(), "{range}");
        }
    }
}
