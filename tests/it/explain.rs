//! The pages of the rules: their examples do what they say, and `docs/rules.md` is made of them.
//! `UPDATE=1 cargo test --test it explain` writes the manual anew.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use bayplan::Inputs;
use bayplan::catalog::codes;
use bayplan::diagnostic::{Code, Diagnostics, Family, Level};
use bayplan::inventory::gitops::Setting;
use bayplan::source::Source;

/// Rules that no inventory of a few lines can break: they need a template, a tree on disk, or a great deal of text.
const WITHOUT_INVENTORY: &[&str] = &[
    "circular-wait",
    "duplicate-object",
    "duplicate-output",
    "hand-edited-file",
    "misplaced-object",
    "path-taken",
    "secret-in-clear-text",
    "missing-secret-file",
    "bad-secret-file",
    "missing-secret-key",
    "undeclared-secret-key",
    "misnamed-secret",
    "stale-file",
    "stale-image-update",
    "paths-differ-in-case-only",
    "symlink-in-tree",
    "template-error",
    "template-limit",
    "template-path",
    "template-syntax",
    "template-undefined",
    "template-yaml",
    "too-much",
    "unknown-field",
    "unknown-kind",
    "unreadable-manifest",
    "unserved-version",
    "unused-template",
];

/// The fenced inventory below a heading of a page.
fn example<'p>(code: &'p Code, heading: &str) -> Option<&'p str> {
    let (_, rest) = code.explain.split_once(&format!("\n**{heading}**\n\n```toml\n"))?;
    rest.split_once("```").map(|(inventory, _)| inventory)
}

fn found(inventory: &str) -> Diagnostics {
    let mut inputs = Inputs::new("inventory.toml", inventory);
    // Files that an example names are there.
    for path in bayplan::wanted_files(&inputs) {
        inputs.add_file(&path, Ok(Source::new(&path, "{}")));
    }
    bayplan::findings(&mut inputs)
}

#[test]
fn every_rule_has_a_page_with_its_reason() {
    for code in codes() {
        let page = code.explain;
        assert!(page.contains("\n\n**Why**\n\n"), "{}", code.name);
        assert!(page.ends_with('\n') && !page.ends_with("\n\n"), "{}", code.name);
        assert!(page.lines().all(|line| line.chars().count() <= 140), "{}", code.name);
        let fences = page.lines().filter(|line| line.starts_with("```")).count();
        assert!(fences % 2 == 0, "{}", code.name);
    }
}

#[test]
fn wrong_examples_break_their_rule_and_only_theirs() {
    let mut faults = String::new();
    for code in codes() {
        let excepted = WITHOUT_INVENTORY.contains(&code.name);
        let Some(inventory) = example(code, "Wrong") else {
            assert!(excepted, "{} has no wrong example", code.name);
            continue;
        };
        assert!(!excepted, "{} has an example: take it off the list", code.name);
        let rules: Vec<&str> = found(inventory).iter().map(|found| found.code.name).collect();
        if rules.is_empty() || rules.iter().any(|rule| *rule != code.name) {
            let _ = writeln!(faults, "{}: {rules:?}", code.name);
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn right_examples_are_silent() {
    let mut faults = String::new();
    for code in codes().iter().filter(|code| !WITHOUT_INVENTORY.contains(&code.name)) {
        let inventory =
            example(code, "Right").unwrap_or_else(|| panic!("{} has no right example", code.name));
        for found in found(inventory).iter() {
            let _ = writeln!(faults, "{}: {}: {}", code.name, found.code.name, found.message);
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn the_manual_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    let manual = manual();
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &manual).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert!(written == manual, "docs/rules.md is stale: UPDATE=1 cargo test --test it explain");
}

/// All pages as one: a table of contents by family, then each rule.
fn manual() -> String {
    let mut manual = String::from(INTRODUCTION);
    for family in Family::ALL {
        let _ = writeln!(manual, "\n## {}\n\n| rule | level | what it finds |\n|---|---|---|", title(family));
        for code in of(family) {
            let _ = writeln!(
                manual,
                "| [`{0}`](#{0}) | {1} | {2} |",
                code.name,
                code.level.word(),
                code.summary.replace('|', "\\|")
            );
        }
    }
    for family in Family::ALL {
        for code in of(family) {
            let level = if code.level == Level::Error { "An error" } else { "A warning" };
            let _ = write!(
                manual,
                "\n## {}\n\n{level}, of the family {}: {}.\n\n{}",
                code.name,
                family.word(),
                code.summary,
                code.explain
            );
        }
    }
    manual
}

fn of(family: Family) -> impl Iterator<Item = &'static &'static Code> {
    codes().iter().filter(move |code| code.family == family)
}

fn title(family: Family) -> &'static str {
    match family {
        Family::Addresses => "Addresses",
        Family::PortsAndNames => "Ports and names",
        Family::References => "References",
        Family::Storage => "Storage",
        Family::Resources => "Resources",
        Family::Security => "Security",
        Family::Gitops => "GitOps",
        Family::Inventory => "The inventory",
        Family::Templates => "Templates",
        Family::Tree => "The tree",
    }
}

const INTRODUCTION: &str = "<!-- Written by tests/it/explain.rs from src/explain/; UPDATE=1 cargo test --test it explain -->

# Rules

What `bayplan check` finds, and why. `bayplan explain RULE` shows one of these pages, `bayplan rules` lists them.

Each rule has a level. Errors stand in the way of rendering, warnings do not. The inventory can set a rule's level, or
switch the rule off; `--deny`, `--warn` and `--allow` overrule it for one run, and `--deny warnings` makes any warning
count for the exit code:

```toml
[checks]
floating-image-tag = \"error\"
unused-secret-key = \"off\"
```

One finding is accepted where it is, with its reason; the entry is reported when nothing needs it any more:

```toml
[[allow]]
rule = \"sqlite-on-network-storage\"
on = [\"services.plex\"]
reason = \"moves to local-path in the next maintenance window\"
```

What leaves a hole in the model, in a template or in the tree (an address that cannot be read, a name that leads
nowhere) stays an error and cannot be accepted: nothing right could be rendered over it.
";

#[test]
fn settings_overrule_levels() {
    let inventory = "[checks]\nfloating-image-tag = \"error\"\n\n[stacks.media]\n\n[services.plex]\n\
        stack = \"media\"\nimage = \"plex:latest\"\nports.http = 32400\n";
    let levels = |inventory: &str, asked: &[(&str, Setting)]| -> Vec<Level> {
        let mut inputs = Inputs::new("inventory.toml", inventory);
        inputs.levels = asked.iter().map(|(rule, setting)| ((*rule).to_owned(), *setting)).collect();
        bayplan::check(&inputs).diagnostics.iter().map(|found| found.level).collect()
    };
    let tag = "floating-image-tag";
    assert_eq!(levels(inventory, &[]), [Level::Error]);
    assert_eq!(levels(inventory, &[(tag, Setting::Warning)]), [Level::Warning]);
    assert_eq!(levels(inventory, &[(tag, Setting::Off)]), []);
    assert_eq!(levels(&inventory.replace("\"error\"", "\"off\""), &[]), []);
    assert_eq!(levels(&inventory.replace("\"error\"", "\"off\""), &[(tag, Setting::Error)]), [Level::Error]);
}

#[test]
fn an_error_that_is_switched_off_lets_the_rest_be_rendered() {
    let inventory = example(codes().iter().find(|code| code.name == "over-quota").unwrap(), "Wrong").unwrap();
    assert!(bayplan::compile(&mut Inputs::new("inventory.toml", inventory)).value.is_none());
    let set = format!("[checks]\nover-quota = \"warning\"\n\n{inventory}");
    assert!(bayplan::compile(&mut Inputs::new("inventory.toml", &set)).value.is_some());
}

#[test]
fn what_leaves_a_hole_stays_an_error_whatever_is_asked() {
    let inventory = "[checks]\nbad-address = \"off\"\n\n[nodes.w1]\nip = \"10.0.0.300\"\n";
    let rules = |inputs: &Inputs| -> Vec<(&str, Level)> {
        bayplan::check(inputs).diagnostics.iter().map(|found| (found.code.name, found.level)).collect()
    };
    let mut inputs = Inputs::new("inventory.toml", inventory);
    let expected = [("unchangeable-level", Level::Warning), ("bad-address", Level::Error)];
    assert_eq!(rules(&inputs), expected);
    inputs.levels = [("bad-address".to_owned(), Setting::Off)].into();
    assert_eq!(rules(&inputs), expected);
}
