//! The program from an empty folder to a tree, and what the command line says of rules.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs bayplan in a folder.
fn bayplan(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bayplan")).current_dir(folder).args(arguments).output().unwrap()
}

fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let output = bayplan(folder, arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn a_new_repository_checks_and_renders() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("lab");
    succeeds(folder.path(), &["init", "lab"]);
    assert_eq!(succeeds(&here, &["check", "--deny", "warnings"]), "");
    succeeds(&here, &["render"]);
    succeeds(&here, &["render", "--check"]);
    assert!(here.join("out/apps/hello/base/podinfo.yaml").is_file());
    assert_eq!(fs::read_to_string(here.join("inventory.schema.json")).unwrap(), succeeds(&here, &["schema"]));
    let again = succeeds(&here, &["init"]);
    assert!(again.lines().count() == 7 && again.lines().all(|line| line.starts_with("kept")), "{again}");
}

#[test]
fn the_command_line_beats_the_inventory() {
    let folder = tempfile::tempdir().unwrap();
    let inventory = "[checks]\nfloating-image-tag = \"error\"\n\n[stacks.site]\n\n[services.web]\n\
        stack = \"site\"\nimage = \"nginx:latest\"\nports.http = 80\n";
    fs::write(folder.path().join("inventory.toml"), inventory).unwrap();
    let exit = |arguments: &[&str]| bayplan(folder.path(), arguments).status.code();
    let tag = "floating-image-tag";
    assert_eq!(exit(&["check"]), Some(1));
    assert_eq!(exit(&["check", "--warn", tag]), Some(0));
    assert_eq!(exit(&["check", "--warn", tag, "--deny", "warnings"]), Some(1));
    assert_eq!(exit(&["check", "--allow", tag, "--deny", "warnings"]), Some(0));
    assert_eq!(exit(&["render"]), Some(1));
    assert_eq!(exit(&["render", "--allow", tag]), Some(0));
    assert_eq!(exit(&["check", "--warn", "floating-image-tags"]), Some(2));
    assert_eq!(exit(&["check", "--warn", "bad-address"]), Some(2));
    assert_eq!(exit(&["explain", "floating-image-tags"]), Some(2));
}

#[test]
fn rules_are_listed_for_programs() {
    let list: serde_json::Value =
        serde_json::from_str(&succeeds(Path::new("."), &["rules", "--format", "json"])).unwrap();
    let rules = list["rules"].as_array().unwrap();
    assert_eq!(rules.len(), bayplan::catalog::codes().len());
    for key in ["name", "level", "family", "summary", "explain"] {
        assert!(rules.iter().all(|rule| rule[key].as_str().is_some_and(|text| !text.is_empty())), "{key}");
    }
    let page = succeeds(Path::new("."), &["explain", "duplicate-address"]);
    assert!(
        page.starts_with("error[duplicate-address] ") && !page.contains('\u{1b}') && !page.contains("```")
    );
}
