//! Objects and what a real API server said of them: `tests/objects` has them, `tests/objects.sh` asks a server again.
//!
//! A file has, for each object, changes that the server refuses, changes that it takes, and some that it takes and
//! that are told all the same, since no pod comes of them. A key of a change is a
//! way into the object, below `at` if it does not begin with `/`; nothing takes a field away. `OBJECTS=FOLDER` writes
//! every object there.

use std::path::{Path, PathBuf};

use serde_json::json;

use bayplan::object::Value;
use bayplan::object::read::read_documents;
use bayplan::object::schema::{Verdict, judge};

/// The minor version of the server that was asked.
const MINOR: u32 = 34;

/// One object, and what the server says.
struct Case {
    /// Its file, and which of that.
    name: String,
    /// What is changed.
    change: String,
    object: Value,
    /// `refused`, `taken` or `broken`.
    verdict: &'static str,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/objects")
}

fn cases() -> Vec<Case> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let documents = read_documents(&std::fs::read_to_string(&file).unwrap()).unwrap();
        for document in &documents {
            let at = document.get("at").and_then(Value::as_str).unwrap_or_default();
            let mut add = |object: Value, change: String, verdict: &'static str| {
                cases.push(Case {
                    name: format!("{verdict}-{stem}-{}", cases.len()),
                    change,
                    object,
                    verdict,
                });
            };
            add(document["object"].clone(), String::new(), "taken");
            for verdict in ["refused", "taken", "broken"] {
                for change in document.get(verdict).and_then(Value::as_array).into_iter().flatten() {
                    add(changed(&document["object"], at, change), change.to_string(), verdict);
                }
            }
        }
    }
    for (object, verdict) in big() {
        let name = format!("{verdict}-big-{}", cases.len());
        cases.push(Case { name, change: String::new(), object, verdict });
    }
    cases
}

/// Objects that are too big to be written down, and the biggest that are taken.
fn big() -> Vec<(Value, &'static str)> {
    let long = |length: usize| "x".repeat(length);
    let map = |length: usize| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "big"}, "data": {"a": long(length)}});
    let secret = |length: usize| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "big"}, "data": {"a": format!("{}==", "A".repeat(length))}});
    let noted = |length: usize| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "big", "annotations": {"a": long(length)}}});
    let provider = |length: usize| json!({"apiVersion": "notification.toolkit.fluxcd.io/v1beta3", "kind": "Provider", "metadata": {"name": "big"}, "spec": {"type": "slack", "channel": long(length)}});
    let pod = |count: usize, length: usize| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "big"}, "spec": {"containers": [{"name": "a", "image": "b"}], "dnsConfig": {"searches": vec![long(length); count]}}});
    let mebibyte = 1 << 20;
    vec![
        (map(mebibyte), "taken"),
        (map(mebibyte + 1), "refused"),
        // A byte of base64 is four letters, the last two of them a filling; three bytes are four letters.
        (secret((mebibyte - 1) / 3 * 4 + 2), "taken"),
        (secret((mebibyte - 1) / 3 * 4 + 6), "refused"),
        (noted((256 << 10) - 1), "taken"),
        (noted(256 << 10), "refused"),
        (provider(2048), "taken"),
        (provider(2049), "refused"),
        (pod(32, 63), "taken"),
        (pod(33, 10), "refused"),
        (pod(32, 64), "refused"),
    ]
}

fn changed(object: &Value, at: &str, change: &Value) -> Value {
    let mut object = object.clone();
    for (way, value) in change.as_object().unwrap() {
        let whole = if way.starts_with('/') { way.clone() } else { format!("{at}/{way}") };
        let (parents, last) = whole.trim_start_matches('/').rsplit_once('/').unwrap_or(("", &whole));
        let mut here = &mut object;
        for step in parents.split('/').filter(|step| !step.is_empty()) {
            here = match here {
                Value::Array(items) => &mut items[step.parse::<usize>().unwrap()],
                map => {
                    if map.get(step).is_none() {
                        map[step] = Value::Object(serde_json::Map::new());
                    }
                    &mut map[step]
                }
            };
        }
        let last = last.trim_start_matches('/');
        match here {
            Value::Array(items) => items[last.parse::<usize>().unwrap()] = value.clone(),
            Value::Object(members) if value.is_null() => {
                members.remove(last);
            }
            other => other[last] = value.clone(),
        }
    }
    object
}

/// What is said of an object.
fn told(object: &Value) -> Vec<String> {
    match judge(object, Some(MINOR)) {
        Verdict::Checked(faults) => faults
            .iter()
            .filter(|fault| !fault.unsure)
            .map(|fault| format!("{}: {}", fault.path, fault.message))
            .collect(),
        Verdict::Unserved { reason, .. } => vec![reason],
        Verdict::Unknown => Vec::new(),
    }
}

#[test]
fn what_the_server_refuses_is_told_and_nothing_else() {
    let cases = cases();
    if let Some(folder) = std::env::var_os("OBJECTS").map(PathBuf::from) {
        std::fs::create_dir_all(&folder).unwrap();
        for case in &cases {
            std::fs::write(folder.join(format!("{}.json", case.name)), case.object.to_string()).unwrap();
        }
    }
    let (mut untold, mut told_wrongly) = (String::new(), String::new());
    for case in &cases {
        let told = told(&case.object);
        if std::env::var_os("SHOW").is_some() {
            println!("{} {}: {told:?}", case.name, case.change);
        }
        if case.verdict == "taken" && !told.is_empty() {
            told_wrongly.push_str(&format!("{} {}: {told:?}\n", case.name, case.change));
        } else if case.verdict != "taken" && told.is_empty() {
            untold.push_str(&format!("{} {}\n", case.name, case.change));
        }
    }
    assert!(
        untold.is_empty() && told_wrongly.is_empty(),
        "untold:\n{untold}\ntold, and taken:\n{told_wrongly}"
    );
    assert!(cases.len() > 300, "only {} cases", cases.len());
}
