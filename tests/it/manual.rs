//! Writes `docs/inventory.md` from the schema and a page of prose, and reads what pages of Markdown claim.
//!
//! In the prose, `<!-- keys: Record -->` becomes the keys of that table, and
//! `<!-- example: FILE [table] [table] -->` those tables as they stand in an inventory. `<!-- tables -->` becomes
//! links to the sections of top-level tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::Value;

/// The page. Every table of the schema has its place in the prose exactly once.
pub fn inventory(prose: &str, schema: &Value, read: impl Fn(&str) -> String) -> String {
    let mut page = String::from(
        "<!-- Made from the schema and tests/it/docs/inventory.md by a test; do not edit. -->\n\n",
    );
    let mut placed = Vec::new();
    let sections = sections(prose);
    for line in prose.lines() {
        if let Some(record) = directive(line, "keys") {
            placed.push(record);
            page.push_str(&keys(&schema["definitions"][record], &sections));
        } else if let Some(example) = directive(line, "example") {
            let (file, headers) = example.split_once(' ').expect("a file and its tables");
            let tables = tables(&read(file), headers);
            write!(page, "```toml\n{tables}\n```\n").unwrap();
        } else if line == "<!-- tables -->" {
            page.push_str(&tables_of_contents(prose));
        } else {
            page.push_str(line);
            page.push('\n');
        }
    }
    let known: BTreeSet<&str> =
        schema["definitions"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(placed.len(), known.len(), "a table twice, or missing");
    assert_eq!(placed.into_iter().collect::<BTreeSet<_>>(), known);
    page
}

/// A link to each section that is named as a table is.
fn tables_of_contents(prose: &str) -> String {
    let headings = with_anchors(prose).into_iter();
    let tables = headings.filter_map(|(line, anchor)| Some((line.strip_prefix("## ")?, anchor)));
    let tables = tables.filter(|(name, _)| name.starts_with(char::is_lowercase));
    let links: Vec<String> = tables.map(|(name, anchor)| format!("[{name}](#{anchor})")).collect();
    let lines: Vec<String> = links.chunks(6).map(|line| line.join(" · ")).collect();
    format!("{}\n", lines.join(" ·\n"))
}

fn directive<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.strip_prefix("<!-- ")?.strip_suffix(" -->")?.strip_prefix(name)?.strip_prefix(": ")
}

/// The anchor of the section that each table of the schema is told in.
fn sections(prose: &str) -> BTreeMap<&str, String> {
    let mut anchors = ordered_headings(prose).into_iter();
    let (mut current, mut in_code) = (String::new(), false);
    let mut sections = BTreeMap::new();
    for line in prose.lines() {
        in_code ^= line.starts_with("```");
        if line.starts_with('#') && !in_code {
            current = anchors.next().unwrap_or_default();
        } else if let Some(record) = directive(line, "keys") {
            sections.insert(record, current.clone());
        }
    }
    sections
}

/// The keys of one table, as a table of Markdown.
fn keys(record: &Value, sections: &BTreeMap<&str, String>) -> String {
    let required: Vec<&str> =
        record["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = record["properties"].as_object().expect("a table of the schema");
    let mut text = String::from("| key | type | default | meaning |\n| --- | --- | --- | --- |\n");
    for (key, schema) in properties {
        let (meaning, default) = without_default(schema["description"].as_str().unwrap());
        let default = if required.contains(&key.as_str()) { "**required**".to_owned() } else { default };
        let row = [format!("`{key}`"), linked(&kind(schema), sections), default, meaning];
        writeln!(text, "| {} |", row.map(|cell| cell.replace('|', "\\|")).join(" | ")).unwrap();
    }
    text
}

/// A description without its sentence `Default …`, and what that says.
fn without_default(description: &str) -> (String, String) {
    let Some(at) = description.find("Default") else { return (description.to_owned(), String::new()) };
    let (before, sentence) = description.split_at(at);
    let end = sentence.find(". ").map_or(sentence.len(), |end| end + 2);
    let (sentence, after) = sentence.split_at(end);
    let said = sentence.trim_start_matches("Default").trim_start_matches(':').trim().trim_end_matches('.');
    let is_word = said.chars().all(|c| c.is_ascii_alphanumeric()) && said != "all" && said != "empty";
    let said = if is_word { format!("`{said}`") } else { said.to_owned() };
    (format!("{before}{after}").trim().to_owned(), said)
}

/// A type in words.
fn kind(schema: &Value) -> String {
    if let Some(title) = schema["title"].as_str() {
        return title.to_owned();
    }
    if let Some(words) = schema["enum"].as_array() {
        return one_of(words.iter().map(|word| format!("`{}`", word.as_str().unwrap())).collect());
    }
    if let Some(fixed) = schema.get("const") {
        return format!("`{fixed}`");
    }
    if let Some(record) = schema["$ref"].as_str() {
        return format!("<{}>table", record.rsplit('/').next().unwrap_or_default());
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        if choices[1]["items"] == choices[0] {
            return format!("{} or a list", kind(&choices[0]));
        }
        return one_of(choices.iter().map(kind).collect());
    }
    if let Some(all) = schema["allOf"].as_array() {
        return kind(&all[0]);
    }
    match &schema["type"] {
        Value::String(name) => match name.as_str() {
            "string" => "text".to_owned(),
            "integer" => "whole number".to_owned(),
            "boolean" => "`true` or `false`".to_owned(),
            "array" => format!("list of {}", plural(&kind(&schema["items"]))),
            _ => match schema.get("additionalProperties") {
                Some(values) if values.is_object() => format!("table of {}", plural(&kind(values))),
                _ => "Kubernetes value".to_owned(),
            },
        },
        Value::Array(_) => "scalar".to_owned(),
        _ => "Kubernetes value".to_owned(),
    }
}

/// Turns `<Record>tables` into a link to where that table is told.
fn linked(kind: &str, sections: &BTreeMap<&str, String>) -> String {
    let Some((before, rest)) = kind.split_once('<') else { return kind.to_owned() };
    let (record, rest) = rest.split_once('>').unwrap();
    let end = rest.find(' ').unwrap_or(rest.len());
    format!("{before}[{}](#{}){}", &rest[..end], sections[record], &rest[end..])
}

fn one_of(mut choices: Vec<String>) -> String {
    let last = choices.pop().unwrap_or_default();
    if choices.is_empty() { last } else { format!("{} or {last}", choices.join(", ")) }
}

fn plural(kind: &str) -> String {
    let (noun, rest) =
        kind.split_once(' ').map_or((kind, String::new()), |(noun, rest)| (noun, format!(" {rest}")));
    match noun {
        "address" => format!("addresses{rest}"),
        "quantity" => format!("quantities{rest}"),
        "whole" => kind.replacen("number", "numbers", 1),
        "Kubernetes" => "Kubernetes values".to_owned(),
        noun if noun.starts_with('`') => kind.to_owned(),
        noun if noun.ends_with(',') => format!("{}s,{rest}", noun.trim_end_matches(',')),
        noun => format!("{noun}s{rest}"),
    }
}

/// Tables of an inventory as they stand there, each from its header to the next empty line or header.
fn tables(text: &str, headers: &str) -> String {
    let blocks = headers.replace("] [", "]\n[");
    let found = blocks.lines().map(|header| {
        let at = text.find(&format!("\n{header}\n")).unwrap_or_else(|| panic!("no table {header}")) + 1;
        let mut lines = text[at..].lines();
        let first = lines.next().unwrap_or_default();
        let body = lines.take_while(|line| !line.is_empty() && (!line.starts_with('[')));
        std::iter::once(first).chain(body).collect::<Vec<_>>().join("\n")
    });
    found.collect::<Vec<_>>().join("\n\n")
}

/// The blocks of code of one language.
pub fn fences(page: &str, language: &str) -> Vec<String> {
    let parts: Vec<&str> = page.split("```").collect();
    let code = parts.iter().skip(1).step_by(2);
    let code = code.filter_map(|block| block.split_once('\n'));
    code.filter(|(first, _)| *first == language).map(|(_, text)| text.to_owned()).collect()
}

/// What stands between backticks, outside of blocks of code.
fn spans(page: &str) -> Vec<&str> {
    let prose = page.split("```").step_by(2);
    prose.flat_map(|text| text.split('`').skip(1).step_by(2)).collect()
}

/// The targets of links, as `(file, anchor)`.
fn links(page: &str) -> Vec<(String, String)> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let ours = targets.filter(|target| !target.contains("://"));
    ours.map(|target| target.split_once('#').unwrap_or((target, "")))
        .map(|(file, anchor)| (file.to_owned(), anchor.to_owned()))
        .collect()
}

/// The files that a page names: the targets of its links, and what looks like a path between backticks.
pub fn paths(page: &str) -> BTreeSet<String> {
    let looks_like_a_path = |text: &&str| {
        let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "./_-{}".contains(c));
        let folder = ["src/", "tests/", "docs/", "templates/"];
        let ending = [".rs", ".md", ".toml", ".json", ".yml", ".yaml", ".j2"];
        let named = ending.iter().any(|ending| text.ends_with(ending));
        let placeholder = text.split('/').any(|part| part == "RULE");
        plain
            && !placeholder
            && !text.starts_with('.')
            && (folder.iter().any(|start| text.starts_with(start)) || named)
    };
    let links = links(page).into_iter().map(|(file, _)| file).filter(|file| !file.is_empty());
    spans(page).into_iter().filter(looks_like_a_path).map(str::to_owned).chain(links).collect()
}

/// The links into pages: file (empty for the page itself) and heading.
pub fn anchors(page: &str) -> Vec<(String, String)> {
    links(page).into_iter().filter(|(_, anchor)| !anchor.is_empty()).collect()
}

/// The anchors of a page's headings, as GitHub makes them.
pub fn headings(page: &str) -> BTreeSet<String> {
    ordered_headings(page).into_iter().collect()
}

fn ordered_headings(page: &str) -> Vec<String> {
    with_anchors(page).into_iter().map(|(_, anchor)| anchor).collect()
}

/// The headings of a page, each with its anchor.
fn with_anchors(page: &str) -> Vec<(&str, String)> {
    let mut headings: Vec<(&str, String)> = Vec::new();
    let mut in_code = false;
    for line in page.lines() {
        in_code ^= line.starts_with("```");
        if in_code || !line.starts_with('#') {
            continue;
        }
        let text = line.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let numbered = (1..).map(|number| format!("{anchor}-{number}"));
        let taken = |anchor: &String| headings.iter().any(|(_, known)| known == anchor);
        let free = std::iter::once(anchor.clone()).chain(numbered).find(|anchor| !taken(anchor));
        headings.extend(free.map(|free| (line, free)));
    }
    headings
}

/// The `bayplan` commands that a page shows, in code and between backticks, as words after `bayplan`.
pub fn commands(page: &str) -> Vec<Vec<String>> {
    let blocks = page.split("```").skip(1).step_by(2);
    let lines = blocks.flat_map(str::lines).chain(spans(page));
    lines.filter_map(command).collect()
}

fn command(line: &str) -> Option<Vec<String>> {
    let line = line.trim().trim_start_matches("- ").trim_start_matches("run: ").trim_start_matches("$ ");
    let rest = line.strip_prefix("bayplan ").or_else(|| line.strip_prefix("cargo run --release -- "))?;
    let rest = rest.split(" # ").next()?.split(" | ").next()?.split(" > ").next()?.split("   ").next()?;
    let words: Vec<String> = rest.replace('\'', "").split_whitespace().map(str::to_owned).collect();
    // Prose about a command, or a placeholder, is no command.
    let is_placeholder = |word: &String| word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase());
    let is_command = |word: &String| word.chars().all(|c| c.is_ascii_lowercase());
    (words.first().is_some_and(is_command) && !words.iter().any(is_placeholder)).then_some(words)
}

/// The help of the program and of each command, as a page.
pub fn command_line(help: impl Fn(&[&str]) -> String) -> String {
    let mut page = String::from(
        "<!-- Made from the program's own help by a test; do not edit. -->\n\n# The command line\n",
    );
    let mut waiting: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(command) = waiting.pop() {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let text = help(&words);
        let name = [&["bayplan"], &words[..]].concat().join(" ");
        let lines: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
        write!(page, "\n## {name}\n\n```text\n{}\n```\n", lines.join("\n")).unwrap();
        let inner = text.split("Commands:\n").nth(1).unwrap_or_default();
        let inner = inner.lines().take_while(|line| line.starts_with("  "));
        let names = inner.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
        let inner: Vec<Vec<String>> = names.map(|name| [&command[..], &[name.to_owned()]].concat()).collect();
        waiting.extend(inner.into_iter().rev());
    }
    page
}
