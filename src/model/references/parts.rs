//! A string, taken apart at its references and put together again.

pub(super) enum Part<'t> {
    Plain(&'t str),
    /// So many plain `$`, which are no part of a variable of Flux.
    Dollars(usize),
    /// `$${`: a plain `${`, with so many plain `$`, of which the last is its own.
    Escaped(usize),
    Reference(&'t str),
    /// `${a.b`, and no `}` behind it.
    Unclosed(&'t str),
}

/// The paths that a text refers to.
pub fn referred(text: &str) -> impl Iterator<Item = &str> {
    Parts::of(text).filter_map(|part| match part {
        Part::Reference(path) => Some(path),
        _ => None,
    })
}

/// A string as plain text and references, in order.
pub(super) struct Parts<'t> {
    rest: &'t str,
    /// In how many of Flux's own `${…}` it stands: those arrive as they are written.
    within: usize,
    /// How many bytes follow the last `}` of all: what is no longer has none.
    tail: usize,
}

impl<'t> Parts<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let tail = text.rfind('}').map_or(text.len(), |last| text.len() - last - 1);
        Self { rest: text, within: 0, tail }
    }

    /// The first so many bytes.
    fn take(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }
}

impl<'t> Iterator for Parts<'t> {
    type Item = Part<'t>;

    fn next(&mut self) -> Option<Part<'t>> {
        if self.rest.is_empty() {
            return None;
        }
        let dollars = self.rest.len() - self.rest.trim_start_matches('$').len();
        let opens = self.rest[dollars..].starts_with('{');
        if dollars == 1
            && opens
            && let Some((path, rest)) = reference(self.rest)
        {
            self.rest = rest;
            return Some(Part::Reference(path));
        }
        if self.rest.len() <= self.tail
            && let Some((path, rest)) = unclosed(self.rest)
        {
            self.rest = rest;
            return Some(Part::Unclosed(path));
        }
        let part = match dollars {
            0 => {
                let ends = |c: char| c == '$' || c == '}' && self.within > 0;
                let end = self.rest.find(ends).unwrap_or(self.rest.len());
                let closes = usize::from(self.rest[end..].starts_with('}'));
                self.within -= closes;
                Part::Plain(self.take(end + closes))
            }
            1 if opens => {
                self.within += 1;
                Part::Plain(self.take("${".len()))
            }
            _ if opens => {
                self.take(dollars + 1);
                Part::Escaped(dollars - 1)
            }
            _ if self.within > 0 => Part::Plain(self.take(dollars)),
            _ => {
                self.take(dollars);
                Part::Dollars(dollars)
            }
        };
        Some(part)
    }
}

/// A string in the making. Flux makes one `$` of two, and takes `${` for a variable (fluxcd/pkg, `envsubst`): a single
/// `$` before anything else may stand as it is.
pub(super) struct Expanded {
    pub(super) text: String,
    escaping: bool,
}

impl Expanded {
    pub(super) fn new(length: usize, escaping: bool) -> Self {
        Self { text: String::with_capacity(length), escaping }
    }

    pub(super) fn push(&mut self, part: &Part<'_>) {
        let written = |dollars: usize, alone: bool| {
            let times = if self.escaping && !alone { 2 } else { 1 };
            "$".repeat(dollars * times)
        };
        match part {
            Part::Plain(plain) => self.join(plain),
            Part::Dollars(dollars) => self.join(&written(*dollars, *dollars == 1)),
            Part::Escaped(dollars) => self.join(&(written(*dollars, false) + "{")),
            Part::Reference(path) => self.join(&format!("${{{path}}}")),
            Part::Unclosed(path) => self.join(&format!("${{{path}")),
        }
    }

    /// What a reference leads to, or the reference if it is none of ours.
    pub(super) fn push_found(&mut self, path: &str, value: Option<&str>) {
        match value {
            Some(value) => self.join(value),
            None => self.push(&Part::Reference(path)),
        }
    }

    /// A single `$` at the end of what is there must not make something of what follows.
    fn join(&mut self, more: &str) {
        let single = self.text.ends_with('$') && !self.text.ends_with("$$");
        if self.escaping && single && more.starts_with(['$', '{']) {
            self.text.push('$');
        }
        self.text.push_str(more);
    }
}

/// The path of a reference of ours that a string begins with, and what follows it.
pub fn reference(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix("${")?;
    let end = inner.find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)))?;
    let (path, rest) = (&inner[..end], inner[end..].strip_prefix('}')?);
    (path.contains('.') && path.split('.').all(|key| !key.is_empty())).then_some((path, rest))
}

/// The same of one in a text without any `}`.
fn unclosed(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix("${")?;
    let end = inner.find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c))).unwrap_or(inner.len());
    let (path, rest) = inner.split_at(end);
    path.contains('.').then_some((path, rest))
}

pub(super) fn only_reference(text: &str) -> Option<&str> {
    reference(text).filter(|(_, rest)| rest.is_empty()).map(|(path, _)| path)
}

#[cfg(test)]
mod tests {
    use super::{Expanded, Parts};

    fn expanded(text: &str, escaping: bool) -> String {
        let mut expanded = Expanded::new(text.len(), escaping);
        Parts::of(text).for_each(|part| expanded.push(&part));
        expanded.text
    }

    /// What Flux makes of a text that has no variables: one `$` of two; `None` if it sees a variable.
    fn as_flux_reads(text: &str) -> Option<String> {
        let (mut read, mut rest) = (String::new(), text);
        while let Some(at) = rest.find('$') {
            let (before, after) = rest.split_at(at);
            if after.starts_with("${") {
                return None;
            }
            read += before;
            read.push('$');
            rest = &after[after.len().min(if after.starts_with("$$") { 2 } else { 1 })..];
        }
        Some(read + rest)
    }

    #[test]
    fn dollars_arrive_as_they_are_meant() {
        for (text, meant) in [
            ("no dollar, a } and a {", "no dollar, a } and a {"),
            ("$", "$"),
            ("kill $$", "kill $$"),
            ("a $$ b $$$ c $$$$ $HOME", "a $$ b $$$ c $$$$ $HOME"),
            ("x$$(foo) $(bar) $$$(baz)", "x$$(foo) $(bar) $$$(baz)"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("$$$${A}$", "$$${A}$"),
            ("^a$$|^${b}$".replace("${", "$${").as_str(), "^a$$|^${b}$"),
            ("ends with $${", "ends with ${"),
        ] {
            assert_eq!(expanded(text, false), meant);
            let written = expanded(text, true);
            assert_eq!(as_flux_reads(&written).as_deref(), Some(meant), "{written}");
        }
        assert_eq!(expanded("one $HOME, two $$", true), "one $HOME, two $$$$");
    }

    #[test]
    fn variables_of_flux_stay() {
        for text in ["${A}", "a ${A} $B ${C:-x$$y} ${D:-${E:-}}$(F)", "${A:0:3}-${A//a/b}"] {
            assert_eq!(expanded(text, true), text);
        }
        assert_eq!(expanded("${A:-x$$y}$$", true), "${A:-x$$y}$$$$");
        assert_eq!(expanded("$$ ${A} $$", true), "$$$$ ${A} $$$$");
    }

    #[test]
    fn what_is_joined_makes_nothing_new() {
        for pieces in [["a$", "{b}"], ["a$", "$$b"], ["$", "$"], ["$$$$", "{"], ["a", "$"]] {
            let mut expanded = Expanded::new(0, true);
            pieces.iter().for_each(|piece| expanded.join(piece));
            let meant: Option<String> = pieces.iter().map(|piece| as_flux_reads(piece)).collect();
            assert_eq!(as_flux_reads(&expanded.text), meant, "{pieces:?}");
        }
    }
}
