//! What is said twice is held together here: the schema, the manual, the README and the program.
//! `UPDATE=1 cargo test --test it docs` writes the generated files anew: read the difference before you commit it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use bayplan::diagnostic::{Diagnostic, Diagnostics};
use bayplan::inventory::parse;
use bayplan::inventory::schema::{inventory_schema, tables_schema};
use bayplan::source::Source;
use bayplan::tree::TreePath;
use bayplan::{Inputs, catalog, compile};
use serde_json::Value;

use crate::cases;
use crate::layers::FLOORS;
use crate::manual;
use crate::validate::violations;

/// The files for people, whose paths, commands and examples must be true.
const PAGES: &[&str] = &[
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/ci.md",
    "docs/cli.md",
    "docs/export.md",
    "docs/image-updates.md",
    "docs/inventory.md",
    "docs/limits.md",
    "docs/secrets.md",
    "docs/storage.md",
    "docs/templates.md",
];

/// Paths that the pages speak of and that are in the user's repository, not here.
const NOT_OURS: &[&str] = &[
    "/etc/rancher/k3s/config.yaml",
    "apps/media/base/plex.yaml.j2",
    "flux/images.yaml",
    "inventory.yaml",
    ".github/workflows/render.yml",
    "renovate.json5",
    "kustomization.yaml",
    "out/sops.config",
    "templates/apps/{stack}/base/{service}-backup.yaml.j2",
    "values.yaml",
];

/// What the schema alone can tell.
const SHAPE: &[&str] = &["unknown-key", "wrong-type", "missing-key"];

/// What the schema may refuse, too, as it knows the bounds of numbers.
const BOUNDS: &[&str] = &["bad-port", "bad-value"];

fn read(path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Holds a committed file to what it is made from.
fn is_fresh(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, text).unwrap();
    }
    let stands = fs::read_to_string(&file).unwrap_or_default();
    assert!(stands == text, "{path} is stale: UPDATE=1 cargo test --test it docs");
}

#[test]
fn the_schema_is_fresh() {
    is_fresh("inventory.schema.json", &format!("{:#}\n", inventory_schema()));
}

#[test]
fn the_manual_of_the_inventory_is_fresh() {
    let page = manual::inventory(&read("tests/it/docs/inventory.md"), &tables_schema(), read);
    is_fresh("docs/inventory.md", &page);
}

#[test]
fn the_manual_of_the_command_line_is_fresh() {
    let help = |words: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_bayplan"));
        let output = program.args(words).arg("--help").env_remove("COLUMNS").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    is_fresh("docs/cli.md", &manual::command_line(help));
}

#[test]
fn schema_and_reader_agree() {
    let schema = inventory_schema();
    let mut files = cases::files();
    for path in ["inventory.toml", "tests/inventories/dual-gitops.toml"] {
        files.push((path.into(), read(path)));
    }
    let mut refused = 0;
    for (path, text) in files {
        let Ok(value) = toml::from_str::<Value>(&text) else { continue };
        // JSON has no infinite numbers.
        if value.to_string().contains("null") {
            continue;
        }
        let inputs = Inputs::new("inventory.toml", &text);
        let read = parse(inputs.sources.get(inputs.inventory), inputs.inventory).diagnostics;
        let checked = bayplan::check(&inputs).diagnostics;
        // What an environment may leave out depends on the defaults, which no schema compares.
        let beyond_schema =
            |one: &Diagnostic| one.code.name == "missing-key" && one.message.starts_with("`environments.");
        let misshapen = read.iter().any(|one| SHAPE.contains(&one.code.name) && !beyond_schema(one));
        let out_of_bounds = names(&checked).any(|rule| BOUNDS.contains(&rule));
        let violations = violations(&schema, &value);
        refused += usize::from(!violations.is_empty());
        let agree = if violations.is_empty() { !misshapen } else { misshapen || out_of_bounds };
        assert!(agree, "{}: the schema says {violations:?}", path.display());
    }
    assert!(refused > 0, "no case that the schema refuses");
}

fn names(found: &Diagnostics) -> impl Iterator<Item = &str> {
    found.iter().map(|finding| finding.code.name)
}

#[test]
fn every_path_that_is_named_exists() {
    let mut faults = Vec::new();
    for page in PAGES {
        for path in manual::paths(&read(page)) {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let folder = root.join(page).parent().unwrap().to_owned();
            let exists = [folder, root.to_owned(), root.join("templates")]
                .iter()
                .any(|from| from.join(&path).exists());
            let rendered = path.starts_with("out/") && !root.join("out").exists();
            if !exists && !rendered && !NOT_OURS.contains(&path.as_str()) {
                faults.push(format!("{page}: {path}"));
            }
        }
    }
    assert!(faults.is_empty(), "no such files:\n{}", faults.join("\n"));
}

#[test]
fn every_link_leads_to_a_heading() {
    for page in PAGES {
        let folder = Path::new(page).parent().unwrap();
        for (file, anchor) in manual::anchors(&read(page)) {
            let target =
                if file.is_empty() { (*page).to_owned() } else { folder.join(&file).display().to_string() };
            let headings = manual::headings(&read(&target));
            assert!(headings.contains(&anchor), "{page}: {target} has no heading #{anchor}");
        }
    }
}

#[test]
fn every_command_that_is_shown_exists() {
    let mut tried = BTreeSet::new();
    for page in PAGES.iter().chain(&[".pre-commit-hooks.yaml"]) {
        let text = read(page).replace("  entry: ", "```\n").replace("  language: ", "```\n");
        for command in manual::commands(&text) {
            let output =
                Command::new(env!("CARGO_BIN_EXE_bayplan")).args(&command).arg("--help").output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{page}: bayplan {}\n{errors}", command.join(" "));
            tried.insert(command);
        }
    }
    assert!(tried.len() > 5, "{tried:?}");
}

#[test]
fn every_rule_that_is_named_exists() {
    let names: Vec<&str> = catalog::codes().iter().map(|code| code.name).collect();
    let page = read("docs/inventory.md");
    let addresses = page.split("\n## Addresses\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let table = addresses.lines().filter(|line| line.starts_with('|')).collect::<String>();
    let named: Vec<&str> = table.split('`').skip(1).step_by(2).collect();
    assert!(named.len() > 8, "{named:?}");
    for rule in named {
        assert!(names.contains(&rule), "there is no rule `{rule}`");
    }
}

#[test]
fn every_example_reads() {
    for page in PAGES {
        for example in manual::fences(&read(page), "toml") {
            let inputs = Inputs::new("inventory.toml", &example);
            let found = parse(inputs.sources.get(inputs.inventory), inputs.inventory).diagnostics;
            let wrong: Vec<&str> = found
                .iter()
                .filter(|finding| SHAPE.contains(&finding.code.name) || finding.code.name == "syntax")
                .map(|finding| finding.message.as_str())
                .collect();
            assert!(wrong.is_empty(), "{page}: {wrong:?} in\n{example}");
        }
    }
}

/// The excerpt at the head of the README is what the program prints.
#[test]
fn the_conflict_in_the_readme_is_real() {
    let page = read("README.md");
    let shown = manual::fences(&page, "text");
    let conflict = shown.iter().find(|text| text.starts_with("error[")).expect("an excerpt");
    let output = Command::new(env!("CARGO_BIN_EXE_bayplan"))
        .args(["check", "--inventory", "tests/data/as-found.toml"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let printed = printed.replace("tests/data/as-found.toml", "inventory.toml");
    for finding in conflict.trim().split("\n\n") {
        assert!(printed.contains(finding), "check prints\n{printed}\nand not\n{finding}");
    }
}

/// The template that the manual shows is a whole one: it adds objects to a real inventory.
#[test]
fn the_example_of_a_template_renders() {
    let shown = manual::fences(&read("docs/templates.md"), "yaml+jinja");
    let mut inputs = Inputs::new("inventory.toml", &read("tests/inventories/dual-gitops.toml"));
    let path = "apps/{stack}/base/{service}-backup.yaml.j2";
    let file = inputs.sources.add(Source::new(path, shown[0].as_str()));
    inputs.templates.push((TreePath::parse(path).unwrap(), file));
    let outcome = compile(&mut inputs);
    let found: Vec<&str> = outcome.diagnostics.iter().map(|finding| finding.message.as_str()).collect();
    let tree = outcome.value.unwrap_or_else(|| panic!("{found:#?}"));
    let added = TreePath::parse("apps/arr/base/plex-backup.yaml").unwrap();
    assert!(tree.contains(&added), "{found:#?}");
}

/// The inputs of the GitHub Action, as the manual lists them.
#[test]
fn the_inputs_of_the_action_are_told() {
    let action: Value = serde_yaml::from_str(&read("action.yml")).unwrap();
    let inputs: Vec<&str> = action["inputs"].as_object().unwrap().keys().map(String::as_str).collect();
    let page = read("docs/ci.md");
    let table = page.split("| input |").nth(1).unwrap().split("\n\n").next().unwrap();
    let told: Vec<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(inputs, told);
}

/// The floors of the house, as CONTRIBUTING draws them.
#[test]
fn the_floors_are_drawn() {
    let page = read("CONTRIBUTING.md");
    let section = page.split("\n## Floors\n").nth(1).unwrap();
    let drawing = manual::fences(section, "text").remove(0);
    let drawn: Vec<Vec<&str>> = drawing
        .lines()
        .rev()
        .map(|line| line.split("  ").next().unwrap_or_default().split(" · ").map(str::trim).collect())
        .collect();
    let floors: Vec<Vec<&str>> = FLOORS
        .iter()
        .map(|rooms| {
            let mut rooms = rooms.to_vec();
            rooms.sort_unstable();
            rooms
        })
        .collect();
    let sorted = drawn.into_iter().map(|mut rooms: Vec<&str>| {
        rooms.sort_unstable();
        rooms
    });
    assert_eq!(sorted.collect::<Vec<_>>(), floors);
}

/// The inventory that the README begins with has nothing wrong with it.
#[test]
fn the_first_inventory_is_sound() {
    let page = read("README.md");
    let inputs = &mut Inputs::new("inventory.toml", &manual::fences(&page, "toml")[0]);
    let found = compile(inputs);
    let messages: Vec<&str> = found.diagnostics.iter().map(|finding| finding.message.as_str()).collect();
    assert!(messages.is_empty() && found.value.is_some(), "{messages:#?}");
}

/// What CI runs is what the README tells people to run.
#[test]
fn the_readme_names_its_tests() {
    let page = read("README.md");
    let command = page.split("<!-- the tests -->").nth(1).unwrap().split("<!-- so far -->").next().unwrap();
    assert_eq!(manual::fences(command, "sh").len(), 1, "{command}");
}
