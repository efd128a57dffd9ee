//! Values to YAML that every reader takes the same way.
//!
//! YAML 1.1 and 1.2 readers disagree on what `yes`, `0o14`, `12:30` or `1_000` are, so a text is
//! written plain only where nobody could take it for anything else. The bytes are part of what the
//! user commits: no dependency decides them.

use crate::object::{Map, Value};

/// `value` as one YAML document, in block style, with a line end after the last line.
///
/// Recursion follows the depth of `value`; readers bound that (see [`crate::object::read`]).
pub fn emit(value: &Value) -> String {
    let mut out = String::new();
    emit_into(&mut out, value);
    out
}

/// Appends `value` to `out` as [`emit`] writes it.
pub fn emit_into(out: &mut String, value: &Value) {
    match block(value) {
        Block::Map(map) => write_map(out, map, 0, false),
        Block::List(list) => write_list(out, list, 0, false),
        Block::Scalar => {
            write_scalar(out, value, 0);
            out.push('\n');
        }
    }
}

/// Several documents in one text, with `---` between them.
pub fn emit_documents(values: &[&Value]) -> String {
    let mut out = String::with_capacity(MOST_FILES);
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push_str("---\n");
        }
        emit_into(&mut out, value);
    }
    // A tree holds thousands of them: none keeps more memory than it needs.
    out.as_str().to_owned()
}

/// Most files are no longer than this, in bytes.
const MOST_FILES: usize = 4096;

/// The first character of `text` that does not come through kustomize, however it is escaped.
///
/// Those are the C1 controls with U+007F and U+0085, and the non-characters U+FFFE and U+FFFF:
/// kustomize 5.5 and 5.8 turn U+0085 into a space and fail on the others.
pub fn unsafe_text(text: &str) -> Option<char> {
    text.chars().find(|c| matches!(c, '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}'))
}

/// Why `key` cannot be the key of a map, in a few words.
///
/// `<<` is lost in kustomize (a YAML 1.1 merge), and readers give up on keys over 1,024 bytes.
pub fn unsafe_key(key: &str) -> Option<String> {
    if let Some(c) = unsafe_text(key) {
        return Some(format!("U+{:04X} cannot be written to YAML", u32::from(c)));
    }
    if key == "<<" {
        return Some("`<<` means a merge in YAML".to_owned());
    }
    let mut written = String::new();
    write_key(&mut written, key);
    (written.len() > LONGEST_KEY).then(|| format!("longer than {LONGEST_KEY} bytes as YAML"))
}

/// Readers look ahead 1,024 bytes for the colon; a little is left for it and for the indent.
const LONGEST_KEY: usize = 1000;

/// Beyond this a plain text may exceed what readers accept as a key, and nobody reads it anyway.
const LONGEST_PLAIN: usize = 256;

enum Block<'a> {
    Map(&'a Map),
    List(&'a [Value]),
    Scalar,
}

fn block(value: &Value) -> Block<'_> {
    match value {
        Value::Object(map) if !map.is_empty() => Block::Map(map),
        Value::Array(list) if !list.is_empty() => Block::List(list),
        _ => Block::Scalar,
    }
}

/// `inline`: the first key follows a `- ` on the same line.
fn write_map(out: &mut String, map: &Map, indent: usize, inline: bool) {
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 || !inline {
            push_indent(out, indent);
        }
        write_key(out, key);
        out.push(':');
        match block(value) {
            Block::Map(map) => {
                out.push('\n');
                write_map(out, map, indent + 2, false);
            }
            Block::List(list) => {
                out.push('\n');
                write_list(out, list, indent + 2, false);
            }
            Block::Scalar => write_scalar_line(out, value, indent),
        }
    }
}

fn write_list(out: &mut String, list: &[Value], indent: usize, inline: bool) {
    for (index, value) in list.iter().enumerate() {
        if index > 0 || !inline {
            push_indent(out, indent);
        }
        out.push('-');
        match block(value) {
            Block::Map(map) => {
                out.push(' ');
                write_map(out, map, indent + 2, true);
            }
            Block::List(list) => {
                out.push(' ');
                write_list(out, list, indent + 2, true);
            }
            Block::Scalar => write_scalar_line(out, value, indent),
        }
    }
}

fn write_scalar_line(out: &mut String, value: &Value, indent: usize) {
    out.push(' ');
    write_scalar(out, value, indent);
    out.push('\n');
}

fn write_scalar(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_text(out, text, indent),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

/// YAML 1.1 wants a dot before the exponent and a sign after the `e`, or `1e21` is a text.
fn write_number(out: &mut String, number: &serde_json::Number) {
    let text = number.to_string();
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return out.push_str(&text);
    };
    out.push_str(mantissa);
    if !mantissa.contains('.') {
        out.push_str(".0");
    }
    out.push('e');
    if !exponent.starts_with(['+', '-']) {
        out.push('+');
    }
    out.push_str(exponent);
}

/// `$patch` is safe, and people know it without quotes.
fn write_key(out: &mut String, key: &str) {
    if is_plain(key) || key == "$patch" { out.push_str(key) } else { write_quoted(out, key) }
}

fn write_text(out: &mut String, text: &str, indent: usize) {
    if is_plain(text) {
        out.push_str(text);
    } else if is_literal(text) {
        write_literal(out, text, indent + 2);
    } else {
        write_quoted(out, text);
    }
}

/// Whether `text` is written without quotes, on one line.
pub(crate) fn is_plain(text: &str) -> bool {
    text.len() <= LONGEST_PLAIN && (is_word(text) || is_path(text) || is_quantity(text) || is_ipv4(text))
}

/// Starts with a letter or a slash, holds nothing that YAML could read otherwise, is no keyword.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' | b':' | b'@' | b' '))
        && !text.as_bytes().windows(2).any(|pair| pair == b": ")
        && !text.ends_with([':', ' '])
        && !KEYWORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// `../../base`: a relative path as people write it.
fn is_path(text: &str) -> bool {
    let rest = text.strip_prefix("../").or_else(|| text.strip_prefix("./"));
    rest.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b)))
}

const KEYWORDS: [&str; 11] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];

/// `512Mi`, `1.5Gi`, `100m`, `30s`: no reader has numbers that end like this.
fn is_quantity(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    ["m", "s", "h", "Ki", "Mi", "Gi", "Ti", "Pi"].contains(&unit)
        && digits.split('.').count() <= 2
        && digits.split('.').all(is_digits)
}

/// `10.0.0.1` and `10.0.0.0/24`: no reader has numbers with three dots.
fn is_ipv4(text: &str) -> bool {
    let (address, length) = text.split_once('/').map_or((text, "0"), |(address, length)| (address, length));
    address.split('.').count() == 4 && address.split('.').all(is_digits) && is_digits(length)
}

fn is_digits(text: &str) -> bool {
    (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a block scalar brings `text` back in every reader: several lines, no blanks where they
/// would decide about indentation or get lost, and nothing that needs an escape.
fn is_literal(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\t', '\n'])
        && !text.ends_with("\n\n")
        && !text.lines().any(|line| line.ends_with([' ', '\t']))
        && !text.chars().any(|c| c != '\n' && c != '\t' && needs_escape(c))
}

/// `|` keeps the one line end at the end of `text`, `|-` says that there is none.
fn write_literal(out: &mut String, text: &str, indent: usize) {
    out.push_str(if text.ends_with('\n') { "|" } else { "|-" });
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            push_indent(out, indent);
            out.push_str(line);
        }
    }
}

fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if needs_escape(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Controls, the line ends of YAML 1.1, byte order marks, non-characters, and the marks that make a
/// line look different from what it says. All are below U+10000, so four digits suffice.
fn needs_escape(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn push_indent(out: &mut String, indent: usize) {
    const SPACES: &str = "                                ";
    let mut left = indent;
    while left > 0 {
        let some = left.min(SPACES.len());
        out.push_str(&SPACES[..some]);
        left -= some;
    }
}

#[cfg(test)]
mod tests {
    use super::{emit, emit_documents, unsafe_key, unsafe_text};
    use crate::object::Value;
    use crate::object::read::read_documents;
    use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
    use serde_json::json;

    fn hazards() -> Vec<String> {
        serde_json::from_str(include_str!("../../tests/data/yaml-hazards.json")).unwrap()
    }

    /// What both readers make of `value` after it was written.
    fn assert_comes_back(value: &Value) {
        let text = emit(value);
        let ours = read_documents(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(ours, std::slice::from_ref(value), "serde-saphyr read\n{text}");
        let other: Value = serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(other, *value, "libyaml read\n{text}");
    }

    #[test]
    fn hazards_come_back_as_values_keys_and_deep_inside() {
        let hazards = hazards();
        assert_eq!(hazards.len(), 378);
        for text in &hazards {
            assert_comes_back(&json!({ "key": text }));
            assert_comes_back(&json!([text]));
            assert_comes_back(&json!({"a": {"b": [[{"c": text, "d": 1}], text], "e": text}, "f": text}));
            if unsafe_key(text).is_none() {
                assert_comes_back(&json!({ text: 1, "other": { text: { text: [text] } } }));
            }
        }
    }

    #[test]
    fn objects_look_as_people_write_them() {
        let object = json!({
            "kind": "Deployment",
            "metadata": {"annotations": {"metallb.io/loadBalancerIPs": "10.69.1.165"}, "labels": {}},
            "spec": {"replicas": 1, "paused": false, "containers": [
                {"image": "nginx:1.27", "args": ["--port=80", "yes"], "resources": {"cpu": "100m"}},
                {"env": [], "command": [["a", "b"], []]},
            ]},
            "data": {"run.sh": "#!/bin/sh\n\necho ${HOME}\n", "tail": "a\nb", "home": "${HOME}", "port": "8080"},
        });
        let expected = r#"kind: Deployment
metadata:
  annotations:
    metallb.io/loadBalancerIPs: 10.69.1.165
  labels: {}
spec:
  replicas: 1
  paused: false
  containers:
    - image: nginx:1.27
      args:
        - "--port=80"
        - "yes"
      resources:
        cpu: 100m
    - env: []
      command:
        - - a
          - b
        - []
data:
  run.sh: |
    #!/bin/sh

    echo ${HOME}
  tail: |-
    a
    b
  home: "${HOME}"
  port: "8080"
"#;
        assert_eq!(emit(&object), expected);
        assert_comes_back(&object);
    }

    #[test]
    fn scalars_stand_alone_too() {
        for value in [json!(null), json!(true), json!("a\nb\n"), json!(""), json!({}), json!([]), json!(1.5)]
        {
            assert_eq!(serde_yaml::from_str::<Value>(&emit(&value)).unwrap(), value);
        }
    }

    #[test]
    fn numbers_stay_numbers_in_yaml_1_1() {
        assert_eq!(emit(&json!(1e21)), "1.0e+21\n");
        assert_eq!(emit(&json!(1.5e-9)), "1.5e-9\n");
        assert_eq!(
            emit(&json!([u64::MAX, i64::MIN, 0.1])),
            "- 18446744073709551615\n- -9223372036854775808\n- 0.1\n"
        );
        assert_comes_back(&json!([1e21, 1.5e-9, u64::MAX, i64::MIN, 1.0]));
    }

    #[test]
    fn documents_are_divided() {
        assert_eq!(emit_documents(&[&json!({"a": 1}), &json!({"b": 2})]), "a: 1\n---\nb: 2\n");
        assert_eq!(emit_documents(&[]), "");
    }

    #[test]
    fn what_kustomize_loses_is_named() {
        let lost: Vec<String> = hazards().into_iter().filter(|text| unsafe_text(text).is_some()).collect();
        assert_eq!(lost, ["a\u{85}b", "\u{85}", "a\u{7f}b", "a\u{80}b", "a\u{9f}b", "\u{fffe}"]);
        assert!(unsafe_key("<<").is_some());
        assert!(unsafe_key(&"x".repeat(1001)).is_some());
        assert!(unsafe_key(&"\"".repeat(600)).is_some(), "escapes count");
        assert_eq!(unsafe_key("metallb.io/loadBalancerIPs"), None);
        assert_comes_back(&json!({ "x".repeat(1000): 1 }));
        assert_comes_back(&json!([[[{ "\"".repeat(499): {"a": 1} }]]]));
    }

    fn texts() -> impl Strategy<Value = String> {
        let hazards: Vec<String> = hazards().into_iter().filter(|text| unsafe_key(text).is_none()).collect();
        prop_oneof![
            4 => prop::sample::select(hazards.clone()),
            2 => "[a-z0-9.:_/ -]{0,12}",
            1 => (prop::sample::select(hazards.clone()), prop::sample::select(hazards))
                .prop_map(|(a, b)| format!("{a}\n{b}"))
                .prop_filter("a safe key", |text| unsafe_key(text).is_none()),
            1 => any::<String>().prop_filter("safe text", |text| unsafe_key(text).is_none()),
        ]
    }

    fn trees() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            1 => Just(Value::Null),
            1 => any::<bool>().prop_map(Value::from),
            1 => any::<i64>().prop_map(Value::from),
            1 => any::<f64>().prop_map(Value::from),
            6 => texts().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((texts(), inner), 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn trees_come_back(tree in trees()) {
            assert_comes_back(&serde_json::json!({ "tree": tree }));
        }
    }
}
