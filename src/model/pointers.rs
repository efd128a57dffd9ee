//! Paths to fields of objects, as engines read them: JSON pointers and jq expressions.

use crate::inventory::value::Text;
use crate::model::BAD_VALUE;
use crate::model::references::Resolver;

/// Reports texts that are no JSON pointers (RFC 6901). What holds a `${` is not known.
pub fn check_pointers(resolver: &mut Resolver<'_>, written: &[Text], about: &str) {
    for pointer in written.iter().filter(|text| !text.starts_with('/') && !text.contains("${")) {
        let message = format!("`{pointer}` is no JSON pointer");
        let diagnostic = BAD_VALUE.at(pointer.span, "does not begin with `/`", message).about(about);
        let path = pointer.trim_start_matches('.').replace('.', "/");
        resolver.found.push(diagnostic.help(format!("write `/{path}`")));
    }
}

/// Reports jq expressions that do not compile, as far as that is plain: Argo CD then compares nothing.
pub fn check_expressions(resolver: &mut Resolver<'_>, written: &[Text], about: &str) {
    for expression in written.iter().filter(|text| !text.contains("${")) {
        if let Some((label, help)) = expression_fault(expression) {
            let message = format!("`{expression}` is no jq expression");
            let diagnostic = BAD_VALUE.at(expression.span, label, message).about(about);
            resolver.found.push(diagnostic.help(help));
        }
    }
}

/// Functions of jq without arguments that give paths.
const FUNCTIONS: &[&str] = &[
    "arrays",
    "booleans",
    "empty",
    "first",
    "input",
    "iterables",
    "last",
    "nulls",
    "numbers",
    "objects",
    "recurse",
    "scalars",
    "strings",
    "values",
];

fn expression_fault(expression: &str) -> Option<(&'static str, String)> {
    let text = expression.trim();
    if text.is_empty() {
        return Some(("empty", "write a path such as `.spec.replicas`".to_owned()));
    }
    let word = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    let rest = &text[word.len()..];
    let is_field =
        !word.is_empty() && !FUNCTIONS.contains(&word) && !word.starts_with(|c: char| c.is_ascii_digit());
    if is_field && (rest.is_empty() || rest.starts_with(['.', '['])) {
        return Some(("a field begins with `.`", format!("write `.{text}`")));
    }
    (!is_balanced(text)).then(|| ("a bracket or a text is not closed", "close what is opened".to_owned()))
}

/// Whether brackets and quotes are closed in order. Of a text with an expression inside nothing is said.
fn is_balanced(text: &str) -> bool {
    let mut open = Vec::new();
    let mut characters = text.chars();
    let mut quoted = false;
    while let Some(character) = characters.next() {
        match character {
            // What follows it is skipped, whatever it is.
            '\\' if quoted && characters.next() == Some('(') => return true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '#' => return true,
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' if open.pop() != Some(character) => return false,
            _ => {}
        }
    }
    open.is_empty() && !quoted
}

#[cfg(test)]
mod tests {
    use super::expression_fault;

    #[test]
    fn expressions_that_cannot_compile_are_found() {
        for fine in [
            ".spec.replicas",
            ".webhooks[]?.clientConfig.caBundle",
            ".metadata.annotations[\"a]b\"]",
            "(.a, .b)",
            "first(.a[])",
            "recurse",
            ".. | .image?",
            ".a | select(.b == \"\\(.c)[\")",
            "$__loc__",
        ] {
            assert_eq!(expression_fault(fine), None, "{fine}");
        }
        for broken in ["spec.replicas", "spec", ".[", "", " ", ".a[\"b]", ".a)"] {
            assert!(expression_fault(broken).is_some(), "{broken}");
        }
    }
}
