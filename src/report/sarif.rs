//! SARIF 2.1.0, as code scanning services read it.

use std::collections::BTreeMap;
use std::fmt::Write;

use indexmap::IndexMap;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::escape::visible_json;
use super::{main_label, other_labels, positions};
use crate::diagnostic::{Code, Diagnostic, Label};
use crate::source::Sources;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// One run with all `rules`, and those of `found` that are not among them.
pub(super) fn render(found: &[&Diagnostic], sources: &Sources, rules: &[&'static Code]) -> String {
    let mut known: IndexMap<&str, &Code> = IndexMap::new();
    for code in rules.iter().copied().chain(found.iter().map(|diagnostic| diagnostic.code)) {
        known.entry(code.name).or_insert(code);
    }
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "bayplan",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": known.values().map(|code| rule(code)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results(found, sources, &known),
        }],
    });
    visible_json(&format!("{document:#}\n"))
}

fn rule(code: &Code) -> Value {
    json!({
        "id": code.name,
        "shortDescription": { "text": code.summary },
        "fullDescription": { "text": first_paragraph(code) },
        "help": {
            "text": format!("{}\n\n`bayplan explain {}` says more.", code.summary, code.name),
            "markdown": code.explain,
        },
        "defaultConfiguration": { "level": code.level },
        "properties": { "tags": [code.family] },
    })
}

/// What the page of a rule begins with, below its title; its summary where it has no page.
fn first_paragraph(code: &Code) -> String {
    let mut paragraphs = code.explain.split("\n\n").map(str::trim);
    let first = paragraphs.find(|text| !text.is_empty() && !text.starts_with('#'));
    let text = first.unwrap_or(code.summary).replace('`', "");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn results(found: &[&Diagnostic], sources: &Sources, known: &IndexMap<&str, &Code>) -> Vec<Value> {
    let mut seen = BTreeMap::new();
    found.iter().map(|diagnostic| result(diagnostic, sources, known, &mut seen)).collect()
}

fn result(
    diagnostic: &Diagnostic,
    sources: &Sources,
    known: &IndexMap<&str, &Code>,
    seen: &mut BTreeMap<String, usize>,
) -> Value {
    let text = match &diagnostic.help {
        Some(help) => format!("{}\n\n{help}", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    let main = main_label(diagnostic);
    let mut result = json!({
        "ruleId": diagnostic.code.name,
        "ruleIndex": known.get_index_of(diagnostic.code.name),
        "level": diagnostic.level,
        "message": { "text": plain(&text) },
        "locations": main.map(|label| location(label, sources)).into_iter().collect::<Vec<_>>(),
        "partialFingerprints": { "bayplan/v1": fingerprint(diagnostic, sources, seen) },
    });
    let related: Vec<Value> = other_labels(diagnostic).map(|label| location(label, sources)).collect();
    if !related.is_empty() {
        result["relatedLocations"] = Value::Array(related);
    }
    result
}

fn location(label: &Label, sources: &Sources) -> Value {
    let (start, end) = positions(label, sources);
    let mut location = json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(&sources.get(label.span.file).path) },
        "region": {
            "startLine": start.line,
            "startColumn": start.column,
            "endLine": end.line,
            "endColumn": end.column,
        },
    } });
    if !label.text.is_empty() {
        location["message"] = json!({ "text": plain(&label.text) });
    }
    location
}

/// SARIF reads `[text](target)` in a message as a link: a name must not make one.
fn plain(text: &str) -> String {
    text.replace("](", "] (")
}

/// The same finding has the same fingerprint though lines move: made of rule, file, message and
/// subjects. The second of equal findings gets another.
fn fingerprint(diagnostic: &Diagnostic, sources: &Sources, seen: &mut BTreeMap<String, usize>) -> String {
    let path = main_label(diagnostic).map_or("", |label| &sources.get(label.span.file).path);
    let mut digest = Sha256::new();
    for part in [diagnostic.code.name, path, &diagnostic.message] {
        digest.update(part);
        digest.update([0]);
    }
    for subject in &diagnostic.subjects {
        digest.update(subject);
        digest.update([0]);
    }
    let mut print = String::new();
    for byte in &digest.finalize()[..16] {
        let _ = write!(print, "{byte:02x}");
    }
    let nth = seen.entry(print.clone()).or_insert(0);
    *nth += 1;
    format!("{print}:{nth}")
}

/// A path as a URI reference: slashes, percent-encoded; relative unless the path is absolute.
fn uri(path: &str) -> String {
    let path = if cfg!(windows) { path.replace('\\', "/") } else { path.to_owned() };
    let path = path.strip_prefix("./").unwrap_or(&path);
    let root = if path.starts_with('/') { "file://" } else { "" };
    let mut uri = root.to_owned();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn uris_are_relative_and_encoded() {
        assert_eq!(uri("./home lab/ä#?%.toml"), "home%20lab/%C3%A4%23%3F%25.toml");
        assert_eq!(uri("c:x"), "c%3Ax");
        assert_eq!(uri("/srv/inventory.toml"), "file:///srv/inventory.toml");
    }
}
