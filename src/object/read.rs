//! YAML to values, typed as kubectl types it.

use std::fmt;

use serde_saphyr::options::{AliasLimits, DuplicateKeyPolicy, NonFiniteFloatPolicy};

use crate::object::Value;

/// Why a text is not YAML that Kubernetes would take, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// What is wrong, in the parser's words.
    pub message: String,
    /// Line, from 1; 0 if unknown.
    pub line: usize,
    /// Column in characters, from 1; 0 if unknown.
    pub column: usize,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ReadError {}

/// The deepest nesting that is read. Bounds the recursion of everything that walks a value.
pub const DEEPEST: usize = 100;

/// All documents of `text`; empty ones are left out.
///
/// Legacy octals (`0644`), YAML 1.1 booleans and merge keys are read as kubectl reads them.
/// Errors: broken YAML, a key given twice, nesting beyond [`DEEPEST`], and texts that would grow
/// beyond all measure (aliases of aliases).
pub fn read_documents(text: &str) -> Result<Vec<Value>, ReadError> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple_with_options(text, options(text.len())).map_err(|e| read_error(&e))?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// Every node takes at least a byte, so a text without aliases never meets the limits that grow with it.
pub(super) fn options(length: usize) -> serde_saphyr::Options {
    let nodes = length.saturating_mul(2).max(100_000);
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEEPEST,
            max_nodes: nodes,
            max_events: nodes.saturating_mul(2),
            max_documents: length.max(1_000),
            max_total_scalar_bytes: length.saturating_mul(2).max(1_000_000),
            max_total_comment_bytes: usize::MAX,
        },
        alias_limits: alias_limits(),
        duplicate_keys: DuplicateKeyPolicy::Error,
        legacy_octal_numbers: true,
        non_finite_float_policy: NonFiniteFloatPolicy::default(),
        with_snippet: false,
    }
}

fn alias_limits() -> AliasLimits {
    serde_saphyr::alias_limits! { max_total_replayed_events: 1_000_000, max_replay_stack_depth: 32 }
}

fn read_error(error: &serde_saphyr::Error) -> ReadError {
    let place = error.location();
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    ReadError {
        message: error.without_snippet().to_string(),
        line: place.map_or(0, |place| number(place.line())),
        column: place.map_or(0, |place| number(place.column())),
    }
}

#[cfg(test)]
mod tests {
    use super::read_documents;
    use proptest::prelude::{any, proptest};
    use serde_json::{Value, json};

    fn one(text: &str) -> Value {
        let mut documents = read_documents(text).unwrap();
        assert_eq!(documents.len(), 1, "{text}");
        documents.remove(0)
    }

    #[test]
    fn scalars_are_typed_as_kubectl_types_them() {
        let text = "a: 0644\nb: yes\nc: 0o14\nd: '0644'\ne: 1Gi\nf: 12:30\ng: 2024-01-01\nh: ~\n8080: x\n";
        let expected = json!({"a": 420, "b": true, "c": 12, "d": "0644", "e": "1Gi", "f": "12:30",
            "g": "2024-01-01", "h": null, "8080": "x"});
        assert_eq!(one(text), expected);
    }

    #[test]
    fn merge_keys_and_aliases_work() {
        assert_eq!(one("a: &a {x: 1}\nb: {<<: *a, y: 2}\n")["b"], json!({"x": 1, "y": 2}));
    }

    #[test]
    fn empty_documents_are_left_out() {
        assert_eq!(read_documents("# nothing\n").unwrap(), Vec::<Value>::new());
        assert_eq!(read_documents("").unwrap(), Vec::<Value>::new());
        assert_eq!(
            read_documents("---\na: 1\n---\n# x\n---\nb: 2\n...\n").unwrap(),
            [json!({"a": 1}), json!({"b": 2})]
        );
    }

    #[test]
    fn a_key_given_twice_is_refused_with_its_line() {
        let error = read_documents("a: 1\nb:\n  c: 1\n  c: 2\n").unwrap_err();
        assert_eq!((error.line, error.column), (4, 3), "{error}");
        assert!(error.message.contains("duplicate"), "{error}");
        assert!(!error.message.contains('\n'), "{error}");
    }

    #[test]
    fn faults_of_later_documents_have_lines_of_the_whole_text() {
        let error = read_documents("a: 1\n---\nb: [1\n").unwrap_err();
        assert!(error.line >= 3, "{error}");
    }

    #[test]
    fn bombs_are_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let below = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert!(read_documents(&bomb).is_err());
        assert!(read_documents(&"[".repeat(100_000)).is_err());
        assert!(read_documents(&"- ".repeat(100_000)).is_err());
        assert!(
            read_documents(&(0..5_000).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>())
                .is_err()
        );
        assert!(read_documents("a: &a [*a]\n").is_err());
    }

    #[test]
    fn long_texts_are_read() {
        let text = (0..50_000).map(|n| format!("---\nkey{n}: [1, a, {{b: c}}]\n")).collect::<String>();
        assert_eq!(read_documents(&text).unwrap().len(), 50_000);
        let list = "- 1\n".repeat(300_000);
        assert_eq!(one(&list).as_array().unwrap().len(), 300_000);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), yaml in "[-a-z:\\[\\]{}&*!|>'\"#\n ]{0,80}") {
            let _ = read_documents(&text);
            let _ = read_documents(&yaml);
        }
    }
}
