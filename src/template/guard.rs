//! Keeps a template's memory and time bounded.
//!
//! The engine counts instructions, not bytes: `{% set a = a ~ a %}` forty times over is a terabyte. So each
//! place where a template gives a value a name (`set`, `for`, `macro`, `call`, `with`) gets a call behind it
//! that weighs the value, and `*`, which repeats texts without a name, is refused. The calls are written
//! into the text that the engine reads, never with a line break; so are those around what `in` looks through; `Guarded` maps places back. Filters weigh
//! what they are given and what they make, for the same reason.

use std::ops::Range;

use minijinja::value::{Rest, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

use super::given::is_given;
use super::holes::{DEPTH_LIMIT, Fault, FaultKind, has_marker, set_marker};

/// The function that the calls name. Templates may not use the name themselves.
pub(super) const WEIGH: &str = "__bayplan_weigh";

/// The function that a list is put through before something is looked for in it. The name holds [`WEIGH`].
pub(super) const WEIGH_LIST: &str = "__bayplan_weigh_list";

/// The largest text that a template may make and keep, in bytes.
pub(super) const STRING_LIMIT: usize = 1024 * 1024;
/// The most entries of a list or map that a template may keep or give to a filter.
pub(super) const LENGTH_LIMIT: usize = 1_000_000;
/// The most that one value may weigh which a template names or gives to a filter: a byte of text is 1, a node
/// [`NODE_WEIGHT`].
const VALUE_LIMIT: usize = 32 * 1024 * 1024;
/// A node takes about as long to visit, and as much text to write, as this many bytes.
const NODE_WEIGHT: usize = 16;
/// The most bytes that one render may write, captured output included.
const WRITE_LIMIT: usize = 64 * 1024 * 1024;
/// The most that may be weighed in one render: about half a second.
const WORK_LIMIT: usize = 256 * 1024 * 1024;
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
    let mut additions: Vec<(usize, String)> = calls.chain(tags.iter().flat_map(searched)).collect();
    additions.sort_by_key(|(at, _)| *at);
    Ok(insert(source, &additions))
}

#[derive(Debug)]
struct Tag<'a> {
    /// From `{` to behind `}`.
    range: Range<usize>,
    /// `{% … %}` rather than `{{ … }}`.
    block: bool,
    /// As the tag ends: `-%}`, `+%}` or `%}`.
    closer: &'a str,
    tokens: Vec<Token<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    Word(&'a str, usize),
    Text,
    Sign(char, usize),
}

impl Tag<'_> {
    fn word(&self, index: usize) -> Option<&str> {
        match self.tokens.get(index) {
            Some(Token::Word(word, _)) => Some(word),
            _ => None,
        }
    }
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

/// The tags of a template, comments and raw blocks left out. What cannot be read ends the list: the engine
/// will say why.
fn tags(source: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let mut at = 0;
    while let Some(open) = source[at..].find('{').map(|found| at + found) {
        let rest = &source[open..];
        at = if rest.starts_with("{#") {
            rest.find("#}").map_or(source.len(), |end| open + end + 2)
        } else if rest.starts_with("{%") || rest.starts_with("{{") {
            let Some(tag) = tag(source, open) else { break };
            let end = tag.range.end;
            let raw = tag.block && tag.word(0) == Some("raw");
            tags.push(tag);
            if raw { end_of_raw(source, end) } else { end }
        } else {
            open + 1
        };
    }
    tags
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
    let mut tokens = Vec::new();
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
            return Some(Tag { range, block, closer, tokens });
        }
        at += match first {
            '"' | '\'' => {
                tokens.push(Token::Text);
                text_length(rest, first)?
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

/// A call to put in, and the tag behind which it goes.
struct Call<'a> {
    at: usize,
    closer: &'a str,
    charge: usize,
    names: String,
}

/// Which calls go where. A call is charged with the text that its tag lets the engine write once more.
fn calls<'a>(source: &'a str, tags: &[Tag<'a>]) -> Vec<Call<'a>> {
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
    fn text(&self) -> String {
        format!("{{% do {WEIGH}({}{}) {}", self.charge, self.names, self.closer)
    }
}

/// What the right side of each `in` is put into: the engine counts one instruction however long the list is that it
/// looks through. That side ends with what binds no tighter than `in` does.
fn searched(tag: &Tag<'_>) -> Vec<(usize, String)> {
    let tokens = tag.tokens.as_slice();
    // The first `in` of a loop's head is none of these.
    let is_in = |token: &Token<'_>| matches!(token, Token::Word("in", _));
    let head = tokens.iter().position(is_in).filter(|_| tag.block && tag.word(0) == Some("for"));
    let member = |at: usize| at > 0 && matches!(tokens[at - 1], Token::Sign('.', _));
    let mut additions = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Token::Word("in", start) = token else { continue };
        if head == Some(at) || member(at) {
            continue;
        }
        let end = end_of_operand(tag, at + 1);
        additions.push((start + "in".len(), format!(" {WEIGH_LIST}(")));
        additions.push((end, ")".to_owned()));
    }
    additions
}

/// Where the operand ends that begins with a token: before a comparison, a word that joins conditions, or what closes
/// or divides what it stands in.
fn end_of_operand(tag: &Tag<'_>, first: usize) -> usize {
    let mut depth = 0usize;
    for (index, token) in tag.tokens.iter().enumerate().skip(first) {
        let member = matches!(tag.tokens.get(index - 1), Some(Token::Sign('.', _)));
        match token {
            Token::Sign('(' | '[' | '{', _) => depth += 1,
            Token::Sign(')' | ']' | '}', _) if depth > 0 => depth -= 1,
            Token::Sign(')' | ']' | '}' | ',' | ':' | '=' | '!' | '<' | '>', at) if depth == 0 => return *at,
            Token::Word(
                "and" | "or" | "in" | "if" | "else" | "recursive" | "ignore" | "with" | "without",
                at,
            ) if depth == 0 && !member => {
                return *at;
            }
            Token::Word("not", at)
                if depth == 0
                    && !member
                    && matches!(tag.tokens.get(index + 1), Some(Token::Word("in", _))) =>
            {
                return *at;
            }
            _ => {}
        }
    }
    tag.range.end - tag.closer.len()
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
        Token::Text => 0,
    };
    let start = tokens.iter().find_map(|token| match token {
        Token::Word(_, at) | Token::Sign(_, at) => Some(*at),
        Token::Text => None,
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

/// The words before a `=` at the top level: what a `with` gives values to.
fn assigned(tokens: &[Token<'_>]) -> String {
    let mut names = String::new();
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('(' | '[' | '{', _) => depth += 1,
            Token::Sign(')' | ']' | '}', _) => depth = depth.saturating_sub(1),
            Token::Word(name, _)
                if depth == 0
                    && matches!(tokens.get(index + 1), Some(Token::Sign('=', _)))
                    && !matches!(tokens.get(index + 2), Some(Token::Sign('=', _))) =>
            {
                names.push_str(", ");
                names.push_str(name);
            }
            _ => {}
        }
    }
    names
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

/// What one render has used up, and its holes.
#[derive(Debug, Default)]
pub(super) struct Meter {
    written: usize,
    weighed: usize,
    /// The values whose markers stand in the output, by number.
    pub(super) holes: Vec<Value>,
    /// The marker written last.
    marker: String,
}

impl Meter {
    /// Counts bytes that were or will be written.
    pub(super) fn write(&mut self, bytes: usize) -> Result<(), Error> {
        self.written = self.written.saturating_add(bytes);
        if self.written > WRITE_LIMIT {
            return Err(limit("the limit of 64 MiB of text written by one template is exceeded"));
        }
        Ok(())
    }

    /// Counts work on so many bytes.
    pub(super) fn work(&mut self, bytes: usize) -> Result<(), Error> {
        self.weighed = self.weighed.saturating_add(bytes);
        match self.weighed > WORK_LIMIT {
            true => Err(limit(
                "the limit of 256 MiB of values that one template works on is exceeded: it handles very large ones very often",
            )),
            false => Ok(()),
        }
    }

    /// Keeps a value, and says what stands for it in the output.
    pub(super) fn keep(&mut self, value: &Value) -> Result<&str, Error> {
        self.work(match value.as_str() {
            Some(text) => NODE_WEIGHT + text.len(),
            None => weight(value)?,
        })?;
        set_marker(&mut self.marker, self.holes.len());
        self.write(self.marker.len())?;
        self.holes.push(value.clone());
        Ok(&self.marker)
    }
}

/// The meter of the render that `state` belongs to.
pub(super) fn meter<'a>(state: &'a mut State<'_, '_>) -> &'a mut Meter {
    state.get_or_insert_extension_with(Meter::default)
}

/// What the calls call: charges `bytes` of text, and weighs the values.
#[expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over")]
pub(super) fn weigh(state: &mut State<'_, '_>, bytes: usize, values: Rest<Value>) -> Result<Value, Error> {
    let meter = meter(state);
    meter.write(bytes)?;
    for value in values.iter() {
        meter.work(weight(value)?)?;
    }
    Ok(Value::from(()))
}

/// Charges what it takes to look for something in a value. In a map nothing is looked through.
pub(super) fn weigh_list(state: &mut State<'_, '_>, value: Value) -> Result<Value, Error> {
    let work = match value.kind() {
        ValueKind::Map => NODE_WEIGHT,
        _ if is_given(&value) => NODE_WEIGHT + value.len().unwrap_or(0),
        _ => weight(&value)?,
    };
    meter(state).work(work)?;
    Ok(value)
}

/// What a value weighs. What the caller gives weighs nothing in itself: it is there anyway.
pub(super) fn weight(value: &Value) -> Result<usize, Error> {
    let mut left = VALUE_LIMIT;
    weigh_value(value, &mut left, 0)?;
    Ok(VALUE_LIMIT - left)
}

fn weigh_value(value: &Value, left: &mut usize, depth: usize) -> Result<(), Error> {
    if depth > DEPTH_LIMIT {
        return Err(limit(format!("the depth limit of {DEPTH_LIMIT} levels is exceeded")));
    }
    check_size(value)?;
    spend(left, NODE_WEIGHT + value.as_str().map_or(0, str::len))?;
    if is_given(value) {
        return Ok(());
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            for item in value.try_iter().into_iter().flatten() {
                weigh_value(&item, left, depth + 1)?;
            }
        }
        ValueKind::Map => {
            let pairs = value.as_object().and_then(|object| object.try_iter_pairs());
            for (key, item) in pairs.into_iter().flatten() {
                weigh_value(&key, left, depth + 1)?;
                weigh_value(&item, left, depth + 1)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn spend(left: &mut usize, weight: usize) -> Result<(), Error> {
    *left = left.checked_sub(weight).ok_or_else(|| limit("the limit of 32 MiB for one value is exceeded"))?;
    Ok(())
}

/// Refuses a text or list that is larger than a template may have. Looks at the outside only.
pub(super) fn check_size(value: &Value) -> Result<(), Error> {
    if value.as_str().is_some_and(|text| text.len() > STRING_LIMIT) {
        return Err(limit("the limit of 1 MiB for one text is exceeded"));
    }
    if value.kind() != ValueKind::String && value.len().is_some_and(|length| length > LENGTH_LIMIT) {
        return Err(limit("the limit of 1000000 entries for one list is exceeded"));
    }
    Ok(())
}

/// An error of the engine that names an exceeded limit.
pub(super) fn limit(message: impl Into<String>) -> Error {
    fault(Fault::new(FaultKind::Limit, message))
}

/// An error of the engine that carries one of ours.
pub(super) fn fault(fault: Fault) -> Error {
    Error::new(ErrorKind::InvalidOperation, fault.message.clone()).with_source(fault)
}

/// Whether a value is captured output with holes in it.
pub(super) fn is_captured(value: &Value) -> bool {
    value.is_safe() && value.as_str().is_some_and(has_marker)
}
