//! Every file under `tests/cases/check/RULE/` is an inventory with its findings marked in comments; a file without
//! markers must be silent. `BLESS=1 cargo test --test it cases` rewrites the markers of what differs: read the
//! difference before you commit it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bayplan::Inputs;
use bayplan::catalog;
use bayplan::diagnostic::Diagnostics;
use bayplan::report::{Format, Style, render};
use bayplan::source::{Source, Sources};

use crate::markers::{Case, bless};

/// Rules that no inventory alone can break: they need a template, or a tree on disk.
const NEED_MORE_THAN_AN_INVENTORY: &[&str] = &[
    "circular-wait",
    "duplicate-object",
    "duplicate-output",
    "hand-edited-file",
    "misplaced-object",
    "secret-in-clear-text",
    "missing-secret-file",
    "bad-secret-file",
    "missing-secret-key",
    "undeclared-secret-key",
    "misnamed-secret",
    "stale-file",
    "stale-image-update",
    "unreadable-manifest",
    "path-taken",
    "paths-differ-in-case-only",
    "symlink-in-tree",
    "template-error",
    "template-limit",
    "template-path",
    "template-syntax",
    "template-undefined",
    "template-yaml",
    "unknown-field",
    "unknown-kind",
    "unserved-version",
    "unused-template",
];

/// Folders of cases that are about no single rule.
const MIXED: &[&str] = &["clean", "several"];

#[test]
fn every_finding_is_marked_and_every_marker_is_met() {
    let (mut report, mut failures, mut count) = (String::new(), 0, 0);
    for (path, text) in files() {
        count += 1;
        let case = Case::read(&text);
        let (source, found) = check(&path, &case.text);
        let difference = case.compare(&source, &found);
        if difference.is_empty() {
            continue;
        }
        failures += 1;
        if std::env::var_os("BLESS").is_some() {
            fs::write(folder().join(&path), bless(&source, &found)).unwrap();
        }
        report.push_str(&format!("\n{}\n{difference}", path.display()));
    }
    assert!(failures == 0, "{failures} of {count} cases differ:\n{report}");
}

#[test]
fn every_rule_has_a_case_where_it_fires_and_its_folder_one_where_it_is_silent() {
    let mut fires: BTreeMap<String, usize> = BTreeMap::new();
    let mut silent: BTreeMap<String, usize> = BTreeMap::new();
    for (path, text) in files() {
        let rule = path.parent().unwrap().display().to_string();
        let case = Case::read(&text);
        *silent.entry(rule.clone()).or_default() += usize::from(case.is_silent());
        let fired = case.rules().any(|fired| fired == rule);
        *fires.entry(rule).or_default() += usize::from(fired);
    }
    let codes: Vec<&str> = catalog::codes().iter().map(|code| code.name).collect();
    let mut faults: Vec<String> = Vec::new();
    for code in &codes {
        let excepted = NEED_MORE_THAN_AN_INVENTORY.contains(code);
        let fires = fires.get(*code).copied().unwrap_or_default() > 0;
        if !fires && !excepted {
            faults.push(format!("no case in {code}/ where it fires"));
        }
        if fires && excepted {
            faults.push(format!("{code} has a case: take it off the list"));
        }
    }
    for (folder, silent) in &silent {
        if MIXED.contains(&folder.as_str()) {
            continue;
        }
        if !codes.contains(&folder.as_str()) {
            faults.push(format!("{folder}/ is no rule"));
        } else if *silent == 0 {
            faults.push(format!("no case in {folder}/ that is silent"));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn no_report_shows_a_secret() {
    let mut secrets = 0;
    for (path, text) in files().into_iter().filter(|(path, _)| path.starts_with("plaintext-secret")) {
        let case = Case::read(&text);
        let (source, found) = check(&path, &case.text);
        let mut sources = Sources::default();
        sources.add(source.clone());
        let reports = Format::ALL.map(|format| render(format, &found, &sources, &[], Style::default()));
        for secret in found.hidden().iter().map(|span| source.slice(*span).trim_matches('"')) {
            assert!(reports.iter().all(|report| !report.contains(secret)), "{}: {secret}", path.display());
            secrets += 1;
        }
        assert_eq!(found.is_empty(), found.hidden().is_empty(), "{}", path.display());
    }
    assert!(secrets > 10);
}

/// Rules about what is rendered, of which an inventory alone can break one.
const OF_OBJECTS: &[&str] = &["dangling-reference", "patch-without-object"];

/// What `bayplan check` finds in an inventory of this name and text. Nothing is rendered but for rules that need it.
pub fn check(path: &Path, text: &str) -> (Source, Diagnostics) {
    let source = Source::new(path.display().to_string(), text);
    let mut sources = Sources::default();
    let inventory = sources.add(source.clone());
    let mut inputs = Inputs { sources, inventory, ..Inputs::default() };
    let rendered = OF_OBJECTS.iter().any(|rule| path.starts_with(rule));
    let mut found =
        if rendered { bayplan::findings(&mut inputs) } else { bayplan::check(&inputs).diagnostics };
    // Only places of the inventory can be marked in it, and not those of templates.
    found.retain(|finding| {
        finding.labels.retain(|label| label.primary || label.span.file == inventory);
        true
    });
    (source, found)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/check")
}

/// Every case: its path below the folder, and its text; sorted.
pub fn files() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for rule in fs::read_dir(folder()).unwrap() {
        for file in fs::read_dir(rule.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            files.push((path.strip_prefix(folder()).unwrap().to_owned(), text));
        }
    }
    files.sort();
    files
}
