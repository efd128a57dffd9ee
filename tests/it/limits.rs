//! `docs/limits.md` says what the code says, and leaves no limit out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Limits that the page tells of in words: what lies beyond is done otherwise, not refused.
const IN_WORDS: &[&str] = &["GUESS_LIMIT"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_page_says_what_the_code_says() {
    let page = fs::read_to_string(root().join("docs/limits.md")).unwrap();
    let mut told = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| ") && line.contains(".rs`")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let place: Vec<&str> = cells[3].split('`').filter(|part| !part.trim().is_empty()).collect();
        let (file, name) = (place[0], place[1]);
        let limits = limits(&root().join(file));
        let value = limits.get(name).unwrap_or_else(|| panic!("{file} has no limit {name}"));
        assert_eq!(amount(cells[2]), *value, "{row}");
        told.insert((file.to_owned(), name.to_owned()));
    }
    let named = |name: &str| name.ends_with("_LIMIT") || name.starts_with("MAX_") || name == "FUEL";
    for file in sources(&root().join("src")) {
        let shown = file.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
        for name in limits(&file).into_keys().filter(|name| named(name) && !IN_WORDS.contains(&name.as_str()))
        {
            assert!(
                told.contains(&(shown.clone(), name.clone())),
                "docs/limits.md leaves out {name} of {shown}"
            );
        }
    }
}

/// `64 MiB` in bytes, `10000 files` as it stands.
fn amount(cell: &str) -> u64 {
    let (number, unit) = cell.split_once(' ').unwrap();
    number.parse::<u64>().unwrap() * if unit == "MiB" { 1 << 20 } else { 1 }
}

/// The constants of a file whose values are plain arithmetic.
fn limits(file: &Path) -> BTreeMap<String, u64> {
    let text = fs::read_to_string(file).unwrap();
    let constants = text.lines().filter_map(|line| {
        let (_, rest) =
            line.split_once("const ").filter(|(before, _)| before.is_empty() || before.starts_with("pub"))?;
        let (name, rest) = rest.split_once(": ")?;
        let (_, value) = rest.trim_end_matches(';').split_once(" = ")?;
        Some((name.to_owned(), value_of(value)?))
    });
    constants.collect()
}

/// `64`, `10_000`, `1 << 20`, `8 * 1024 * 1024`.
fn value_of(text: &str) -> Option<u64> {
    if let Some((base, shift)) = text.split_once(" << ") {
        return Some(value_of(base)? << value_of(shift)?);
    }
    text.split(" * ").map(|factor| factor.replace('_', "").parse::<u64>().ok()).product()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}
