//! The filters and functions that templates have.
//!
//! Of the engine's own, those stay that are a function of their input and cannot grow it without bound; each
//! is wrapped so that it sees the text of captured output (what a macro or `set` block wrote) rather than
//! its markers, and so that what goes in and what comes out is weighed. `indent`, `trim`, `default` and `safe` pass captured
//! output on, because they lay out YAML. Gone are `debug`, `pprint`, `format`, `batch`, `slice`, `escape`, `e`.
//!
//! Ours: `json` (and `tojson`), `yaml`, `string`, `join`, `times`, `digest`, `b64encode`, `slug`, `prose`.

use std::fmt::Write as _;
use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs, from_args};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters, functions, tests as looks};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::guard::{
    LENGTH_LIMIT, STRING_LIMIT, WEIGH, WEIGH_ALL, WEIGH_JOINED, WEIGH_LIST, WEIGH_TEXT, check_size, fault,
    is_captured, limit, listed, meter, weigh, weigh_all, weigh_joined, weigh_list, weigh_text, weight,
    whole_weight,
};
use super::holes::{Fault, FaultKind, Filler, has_marker};
use super::total::Total;

/// Filters of the engine that only rearrange what they are given.
fn kept() -> [(&'static str, Value); 34] {
    [
        ("abs", Value::from_function(filters::abs)),
        ("attr", Value::from_function(filters::attr)),
        ("bool", Value::from_function(filters::bool)),
        ("capitalize", Value::from_function(filters::capitalize)),
        ("chain", Value::from_function(filters::chain)),
        ("count", Value::from_function(filters::length)),
        ("dictsort", Value::from_function(filters::dictsort)),
        ("first", Value::from_function(filters::first)),
        ("float", Value::from_function(filters::float)),
        ("groupby", Value::from_function(filters::groupby)),
        ("int", Value::from_function(filters::int)),
        ("items", Value::from_function(filters::items)),
        ("last", Value::from_function(filters::last)),
        ("length", Value::from_function(filters::length)),
        ("lines", Value::from_function(filters::lines)),
        ("list", Value::from_function(filters::list)),
        ("lower", Value::from_function(filters::lower)),
        ("map", Value::from_function(filters::map)),
        ("max", Value::from_function(filters::max)),
        ("min", Value::from_function(filters::min)),
        ("reject", Value::from_function(filters::reject)),
        ("rejectattr", Value::from_function(filters::rejectattr)),
        ("replace", Value::from_function(filters::replace)),
        ("reverse", Value::from_function(filters::reverse)),
        ("round", Value::from_function(filters::round)),
        ("select", Value::from_function(filters::select)),
        ("selectattr", Value::from_function(filters::selectattr)),
        ("sort", Value::from_function(filters::sort)),
        ("split", Value::from_function(filters::split)),
        ("sum", Value::from_function(filters::sum)),
        ("title", Value::from_function(filters::title)),
        ("unique", Value::from_function(filters::unique)),
        ("upper", Value::from_function(filters::upper)),
        ("zip", Value::from_function(filters::zip)),
    ]
}

/// Filters of the engine that lay out captured output, and must not change what is in it.
fn layout() -> [(&'static str, Value); 4] {
    [
        ("d", Value::from_function(filters::default)),
        ("default", Value::from_function(filters::default)),
        ("indent", Value::from_function(filters::indent)),
        ("trim", Value::from_function(filters::trim)),
    ]
}

/// Tests of the engine that look at more than the outside of what they are given.
fn looking() -> [(&'static str, Value); 22] {
    let [eq, ne] = [Value::from_function(looks::is_eq), Value::from_function(looks::is_ne)];
    let [lt, le] = [Value::from_function(looks::is_lt), Value::from_function(looks::is_le)];
    let [gt, ge] = [Value::from_function(looks::is_gt), Value::from_function(looks::is_ge)];
    [
        ("eq", eq.clone()),
        ("equalto", eq.clone()),
        ("==", eq),
        ("ne", ne.clone()),
        ("!=", ne),
        ("lt", lt.clone()),
        ("lessthan", lt.clone()),
        ("<", lt),
        ("le", le.clone()),
        ("<=", le),
        ("gt", gt.clone()),
        ("greaterthan", gt.clone()),
        (">", gt),
        ("ge", ge.clone()),
        (">=", ge),
        ("in", Value::from_function(looks::is_in)),
        ("startingwith", Value::from_function(looks::is_startingwith)),
        ("endingwith", Value::from_function(looks::is_endingwith)),
        ("lower", Value::from_function(looks::is_lower)),
        ("upper", Value::from_function(looks::is_upper)),
        ("sameas", Value::from_function(looks::is_sameas)),
        ("divisibleby", Value::from_function(looks::is_divisibleby)),
    ]
}

/// Filters of ours, for suggestions.
const OURS: [&str; 11] =
    ["b64encode", "digest", "join", "json", "prose", "safe", "slug", "string", "times", "tojson", "yaml"];

/// Filters of the engine that templates do not have.
const REMOVED: [&str; 7] = ["batch", "e", "escape", "format", "pprint", "slice", "urlencode"];

/// How a value is written as YAML text, for payloads that are YAML inside a text.
pub type YamlText = fn(&Json) -> String;

/// Gives an environment the filters and functions of this file. Its renders count in `total`.
pub(super) fn register(environment: &mut Environment<'static>, yaml: YamlText, total: Arc<Total>) {
    for name in REMOVED {
        environment.remove_filter(name);
    }
    environment.remove_global("debug");
    for (name, original) in kept() {
        environment.add_filter(name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
            measured(state, name, &original, args, true)
        });
    }
    for (name, original) in looking() {
        environment.add_test(name, move |state: &mut State<'_, '_>, args: Rest<Value>| {
            for value in args.iter() {
                meter(state).work(whole_weight(value)?)?;
            }
            original.call(state, &args)
        });
    }
    for (name, original) in layout() {
        environment.add_filter(name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
            measured(state, name, &original, args, false)
        });
    }
    environment.add_filter("json", json);
    environment.add_filter("tojson", json);
    environment.add_filter("yaml", move |state: &mut State<'_, '_>, value: &Value| {
        checked(yaml(&as_json(state, value)?))
    });
    environment
        .add_filter("string", |state: &mut State<'_, '_>, value: &Value| checked(as_text(state, value)?));
    environment.add_filter("join", join);
    environment.add_filter("safe", safe);
    environment.add_filter("times", times);
    environment.add_filter("digest", |state: &mut State<'_, '_>, value: &Value| {
        Ok::<_, Error>(digest(&as_text(state, value)?))
    });
    environment.add_filter("b64encode", |state: &mut State<'_, '_>, value: &Value| {
        checked(base64(as_text(state, value)?.as_bytes()))
    });
    environment.add_filter("slug", |state: &mut State<'_, '_>, value: &Value| {
        Ok::<_, Error>(slug(&as_text(state, value)?))
    });
    environment.add_filter("prose", |state: &mut State<'_, '_>, value: &Value| match value.is_none() {
        true => Ok(String::new()),
        false => Ok::<_, Error>(prose(&as_text(state, value)?)),
    });
    environment.add_function("range", range);
    environment.add_function(WEIGH, move |state: &mut State<'_, '_>, bytes: usize, values: Rest<Value>| {
        weigh(state, &total, bytes, &values)
    });
    environment.add_function(WEIGH_LIST, weigh_list);
    environment.add_function(WEIGH_ALL, weigh_all);
    environment.add_function(WEIGH_TEXT, weigh_text);
    environment.add_filter(WEIGH_TEXT, weigh_text);
    environment.add_filter(WEIGH_JOINED, weigh_joined);
}

/// The names of all filters, for suggestions.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    kept().into_iter().chain(layout()).map(|(name, _)| name).chain(OURS)
}

fn measured(
    state: &mut State<'_, '_>,
    name: &str,
    original: &Value,
    args: Rest<ValueOrKwargs>,
    fill: bool,
) -> Result<Value, Error> {
    let mut values = Vec::with_capacity(args.len());
    for arg in args.0 {
        let value = argument(state, arg.into_value(), fill)?;
        meter(state).work(weight(&value)?)?;
        values.push(value);
    }
    check_growth(name, &values)?;
    if matches!(name, "dictsort" | "groupby" | "max" | "min" | "sort" | "unique") {
        weigh_order(state, name, &values)?;
    }
    let result = original.call(state, &values)?;
    let result = if name == "chain" { collected(&result)? } else { result };
    meter(state).work(weight(&result)?)?;
    Ok(result)
}

/// What `chain` joins, as a map or list of its own: the engine's looks into each of its parts anew, and they may be
/// made of parts, too.
fn collected(joined: &Value) -> Result<Value, Error> {
    let items = joined.try_iter()?.take(LENGTH_LIMIT + 1);
    let collected = match joined.kind() {
        ValueKind::Map => {
            let entries = items.map(|key| joined.get_item(&key).map(|value| (key, value)));
            Value::from_object(entries.collect::<Result<IndexMap<Value, Value>, Error>>()?)
        }
        _ => Value::from(items.collect::<Vec<Value>>()),
    };
    check_size(&collected)?;
    Ok(collected)
}

/// A filter's argument: of bounded size, and as text where it was captured.
fn argument(state: &mut State<'_, '_>, value: Value, fill: bool) -> Result<Value, Error> {
    check_size(&value)?;
    if fill && is_captured(&value) {
        return as_text(state, &value).map(Value::from);
    }
    listed(value)
}

/// Charges what it takes to compare the members of a list with each other, the caller's to their ends.
fn weigh_order(state: &mut State<'_, '_>, name: &str, values: &[Value]) -> Result<(), Error> {
    let (values, named): (&[Value], Kwargs) = from_args(values)?;
    let Some((list, others)) = values.split_first() else { return Ok(()) };
    let by = named.peek::<String>(if name == "dictsort" { "by" } else { "attribute" }).ok();
    let by = by.or_else(|| others.iter().find_map(|other| other.as_str().map(str::to_owned)));
    let rounds = list.len().unwrap_or_default().checked_ilog2().unwrap_or_default() as usize + 1;
    let meter = meter(state);
    let mut charge = |value: Option<Value>| match value {
        Some(value) => meter.work(whole_weight(&value)?.saturating_mul(rounds)),
        None => Ok(()),
    };
    for item in list.try_iter().into_iter().flatten() {
        match by.as_deref() {
            Some("value") if name == "dictsort" => charge(list.get_item(&item).ok())?,
            Some(by) if name != "dictsort" => {
                by.split(',').try_for_each(|path| charge(member(item.clone(), path)))?;
            }
            _ => charge(Some(item))?,
        }
    }
    Ok(())
}

/// What `attribute="pod.ports.0"` leads to.
fn member(item: Value, path: &str) -> Option<Value> {
    path.trim().split('.').try_fold(item, |item, part| match part.parse::<usize>() {
        Ok(index) => item.get_item_by_index(index).ok(),
        Err(_) => item.get_attr(part).ok(),
    })
}

/// Refuses what would come out far larger than it went in, before it does.
fn check_growth(name: &str, values: &[Value]) -> Result<(), Error> {
    if !matches!(name, "replace" | "indent" | "sum") {
        return Ok(());
    }
    let (values, named): (&[Value], Kwargs) = from_args(values)?;
    let named = |name: &str| named.peek::<Value>(name).ok();
    let text = |index: usize| values.get(index).and_then(Value::as_str).unwrap_or_default();
    let size = match name {
        "sum" => {
            // Texts would be joined one by one, each time anew.
            let start = values.get(2).cloned().or_else(|| named("start"));
            return match start.is_some_and(|start| start.kind() == ValueKind::String) {
                true => Err(fault(Fault::new(FaultKind::Value, "`sum` adds numbers; use `join` for texts"))),
                false => Ok(()),
            };
        }
        _ if values.first().is_some_and(|value| value.len().is_some() && value.as_str().is_none()) => {
            let message = format!("`{name}` is for texts, and this is a list or map");
            return Err(fault(Fault::new(FaultKind::Value, message)));
        }
        "replace" => {
            let found = match text(1) {
                "" => text(0).len() + 1,
                from => text(0).matches(from).count(),
            };
            found.saturating_mul(text(2).len())
        }
        _ => {
            let width = values.get(1).cloned().or_else(|| named("width"));
            let width = width.and_then(|width| usize::try_from(width).ok()).unwrap_or_default();
            (text(0).matches('\n').count() + 1).saturating_mul(width)
        }
    };
    match size > STRING_LIMIT {
        true => Err(limit("the limit of 1 MiB for one text is exceeded")),
        false => Ok(()),
    }
}

fn checked(text: String) -> Result<Value, Error> {
    let value = Value::from(text);
    check_size(&value)?;
    Ok(value)
}

fn as_json(state: &mut State<'_, '_>, value: &Value) -> Result<Json, Error> {
    if value.is_undefined() {
        // Only the engine can say what was undefined: it does when it wants a text and gets none.
        Value::from_function(|_: String| ()).call(state, std::slice::from_ref(value))?;
        return Ok(Json::Null);
    }
    let meter = meter(state);
    let mut filler = Filler::new(&meter.holes);
    let json = filler.json(value, 0).map_err(fault)?;
    let spent = filler.spent();
    meter.work(spent)?;
    Ok(json)
}

/// A value as text: scalars as they are, lists and maps as JSON.
fn as_text(state: &mut State<'_, '_>, value: &Value) -> Result<String, Error> {
    match as_json(state, value)? {
        Json::String(text) => Ok(text),
        Json::Null => Err(fault(Fault::new(FaultKind::Value, "nothing (`none`) has no text"))),
        other => Ok(other.to_string()),
    }
}

/// `{{ value|json }}`: compact JSON as a text; `json(pretty=true)`: over several lines.
#[expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over")]
fn json(state: &mut State<'_, '_>, value: &Value, options: Kwargs) -> Result<Value, Error> {
    let pretty = options.get::<Option<bool>>("pretty")?.unwrap_or(false);
    options.assert_all_used()?;
    let json = as_json(state, value)?;
    match pretty {
        true => checked(format!("{json:#}")),
        false => checked(json.to_string()),
    }
}

/// `{{ list|join(", ") }}`: scalars only.
fn join(state: &mut State<'_, '_>, values: &Value, between: Option<String>) -> Result<Value, Error> {
    let between = between.unwrap_or_default();
    if has_marker(&between) {
        return Err(fault(Fault::new(
            FaultKind::Value,
            "captured output cannot stand between joined values",
        )));
    }
    let mut joined = String::new();
    let meter = meter(state);
    let mut filler = Filler::new(&meter.holes);
    for (index, value) in values.try_iter()?.enumerate() {
        if index > 0 {
            joined.push_str(&between);
        }
        joined.push_str(&filler.scalar(&value, 0).map_err(fault)?);
        if joined.len() > STRING_LIMIT || index > LENGTH_LIMIT {
            return Err(limit("the limit of 1 MiB for one text is exceeded"));
        }
    }
    let spent = filler.spent();
    meter.work(spent)?;
    Ok(Value::from(joined))
}

/// `{{ text|safe }}`: YAML text, parsed with the rest. It cannot bring holes of its own.
fn safe(value: Value) -> Result<Value, Error> {
    match value.as_str() {
        _ if value.is_safe() => Ok(value),
        Some(text) if !has_marker(text) => Ok(Value::from_safe_string(text.to_owned())),
        Some(_) => Err(fault(Fault::new(FaultKind::Value, "a text with U+F8F0 or U+F8F1 cannot be YAML"))),
        None => Err(fault(Fault::new(FaultKind::Value, "only a text can be `safe`"))),
    }
}

/// `{{ 2|times(3) }}`: numbers only; stands in for `*`, which would repeat texts and lists.
fn times(left: &Value, right: &Value) -> Result<Value, Error> {
    let whole =
        || left.as_i64().filter(|_| left.is_integer()).zip(right.as_i64().filter(|_| right.is_integer()));
    if let Some((left, right)) = whole() {
        let product = left.checked_mul(right);
        return product
            .map(Value::from)
            .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "the product is too large"));
    }
    let number = |value: &Value| f64::try_from(value.clone()).ok().filter(|_| value.is_number());
    match number(left).zip(number(right)) {
        Some((left, right)) => Ok(Value::from(left * right)),
        None => Err(Error::new(ErrorKind::InvalidOperation, "`times` multiplies numbers")),
    }
}

/// The engine's own, but no longer than a list may be.
fn range(lower: isize, upper: Option<isize>, step: Option<isize>) -> Result<Value, Error> {
    // The engine computes with plain arithmetic: keep it from overflowing.
    let far = |n: isize| n.unsigned_abs() > i32::MAX as usize;
    if far(lower) || upper.is_some_and(far) || step.is_some_and(far) {
        return Err(limit("the limit of 100000 numbers in one `range` is exceeded"));
    }
    functions::range(lower, upper, step).map_err(|error| match error.detail() {
        Some("range has too many elements") => {
            limit("the limit of 100000 numbers in one `range` is exceeded")
        }
        _ => error,
    })
}

/// The first ten hexadecimal digits of the text's SHA-256.
fn digest(text: &str) -> String {
    let mut digits = String::with_capacity(10);
    for byte in Sha256::digest(text.as_bytes()).iter().take(5) {
        // Writing into a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// A DNS label (RFC 1123) near the text: lower case, hyphens, at most 63 characters.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        if slug.len() >= 63 {
            break;
        }
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

/// A sentence in Markdown that stays one: no heading, list, code, link or picture begins in it.
fn prose(text: &str) -> String {
    let text = text.trim_start();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let mut prose = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let begins_block = at == 0 && matches!(c, '#' | '>' | '-' | '+' | '*' | '=' | '~');
        let numbers_list = at == digits && digits > 0 && matches!(c, '.' | ')');
        match begins_block || numbers_list || matches!(c, '[' | ']' | '`') {
            // Writing into a String cannot fail.
            true => drop(write!(prose, "&#{};", u32::from(c))),
            false => prose.push(c),
        }
    }
    prose
}

/// Standard base64 with padding (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            match index <= chunk.len() {
                true => text.push(char::from(ALPHABET[(bits >> (18 - 6 * index)) as usize & 63])),
                false => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{base64, digest, prose, slug};

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ];
        for (text, encoded) in cases {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xFF, 0xFE, 0xFD]), "//79");
    }

    #[test]
    fn a_digest_is_short_and_of_sha_256() {
        assert_eq!(digest("abc"), "ba7816bf8f");
    }

    #[test]
    fn prose_begins_nothing() {
        for text in ["Photos, *all* of them (2 TB)", "3 discs", "C#", ""] {
            assert_eq!(prose(text), text);
        }
        assert_eq!(prose("  ## Addresses"), "&#35;# Addresses");
        assert_eq!(prose("12. x"), "12&#46; x");
        assert_eq!(prose("```\nx"), "&#96;&#96;&#96;\nx");
        assert_eq!(prose("![x](https://a.example/t.png)"), "!&#91;x&#93;(https://a.example/t.png)");
    }

    #[test]
    fn a_slug_is_a_dns_label() {
        assert_eq!(slug("Home Assistant (dev)"), "home-assistant-dev");
        assert_eq!(slug("--A__b--"), "a-b");
        assert_eq!(slug("ÄÖ"), "");
        let long = slug(&"ab ".repeat(40));
        assert!(long.len() <= 63 && !long.ends_with('-'));
    }
}
