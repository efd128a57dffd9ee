//! What programs are told: formats, paths as a repository names them, and the log of a workflow.

use std::fs;

use serde_json::Value;

use crate::bayplan::{Desk, Said};

const HOME: &str =
    "[stacks.home]\n[services.web]\nstack = \"home\"\nimage = \"example/web:1.0\"\nports.http = 80\n";
const WRONG: &str =
    "[stacks.home]\n[services.web]\nstack = \"hoem\"\nimage = \"example/web:1.0\"\nports.http = 80\n";

fn stale() -> Desk {
    let desk = Desk::with(HOME);
    desk.ok("render");
    desk.edit("inventory.toml", "web:1.0", "web:2.0");
    desk
}

/// Runs a command line in a folder below.
fn within(desk: &Desk, folder: &str, arguments: &[&str]) -> Said {
    Said::from(desk.command(arguments).current_dir(desk.path(folder)).output().unwrap())
}

#[test]
fn a_stale_tree_is_one_document() {
    let desk = stale();
    let json: Value = serde_json::from_str(&desk.run("render --check --format json").out).unwrap();
    let stale = json["diagnostics"].as_array().unwrap().iter().filter(|one| one["rule"] == "stale-file");
    let messages: Vec<&str> = stale.map(|one| one["message"].as_str().unwrap()).collect();
    assert!(messages.contains(&"`apps/home/base/web.yaml` is stale"), "{messages:?}");
    let sarif: Value = serde_json::from_str(&desk.run("render --check --format sarif").out).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "stale-file");
    let said = desk.run("render --check --format github");
    assert_eq!(said.code, Some(1));
    assert!(said.out.lines().all(|line| line.starts_with("::error file=out/")), "{}", said.out);
}

#[test]
fn every_rule_of_sarif_has_a_full_description() {
    let sarif: Value = serde_json::from_str(&Desk::with(HOME).ok("check --format sarif").out).unwrap();
    for rule in sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap() {
        let text = rule["fullDescription"]["text"].as_str().unwrap();
        assert!((20..=1024).contains(&text.len()) && !text.contains('`'), "{rule}");
    }
}

#[test]
fn paths_are_told_from_the_top_of_the_repository() {
    let desk = Desk::empty();
    fs::create_dir(desk.path(".git")).unwrap();
    desk.write("clusters/home/inventory.toml", WRONG);
    fs::create_dir(desk.path("clusters/home/below")).unwrap();
    let prints: Vec<Value> = ["clusters/home", "clusters/home/below"]
        .map(|folder| {
            let said = within(&desk, folder, &["check", "--format", "github"]);
            assert!(said.out.starts_with("::error file=clusters/home/inventory.toml,"), "{}", said.out);
            let said = within(&desk, folder, &["check", "--format", "sarif"]);
            let sarif: Value = serde_json::from_str(&said.out).unwrap();
            let result = &sarif["runs"][0]["results"][0];
            let place = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
            assert_eq!(place, "clusters/home/inventory.toml");
            result["partialFingerprints"].clone()
        })
        .into();
    assert_eq!(prints[0], prints[1]);
    desk.write("clusters/home/inventory.toml", HOME);
    let diff = within(&desk, "clusters/home/below", &["diff"]).out;
    assert!(diff.contains("+++ b/clusters/home/out/README.md\n"), "{diff}");
}

/// The runner trims blanks before `::`, and obeys `##[` wherever it stands.
#[test]
fn a_diff_in_the_log_of_a_workflow_commands_nothing() {
    let desk = Desk::with(&format!("{HOME}files.\"/etc/x\" = \"::error::forged\\n##[error]b\\nplain\\n\"\n"));
    desk.ok("render");
    desk.edit("inventory.toml", "plain", "other");
    let said = |name: Option<&str>| {
        let mut command = desk.command(&["diff"]);
        Said::from(command.envs(name.map(|name| (name, "true"))).output().unwrap()).out
    };
    assert!(said(None).contains("::error::forged\n"));
    for runner in ["GITHUB_ACTIONS", "TF_BUILD"] {
        let log = said(Some(runner));
        let obeyed =
            |line: &str| line.trim_start_matches([' ', '+', '-']).starts_with("::") || line.contains("##[");
        assert!(log.contains("forged") && !log.lines().any(obeyed), "{log}");
    }
}

#[test]
fn names_forge_nothing_among_addresses() {
    let desk = Desk::with(
        "[network]\nlan = \"10.0.0.0/24\"\nreserved.\"p\\n::error::forged\\u001b[31m\" = \"10.0.0.5\"\n",
    );
    for line in ["ip list", "ip map", "ip find 10.0.0.5", "ip list --format json"] {
        let said = desk.ok(line);
        assert!(said.out.contains("forged") && !said.out.contains('\u{1b}'), "{line}: {}", said.out);
        assert!(!said.out.lines().any(|line| line.trim_start().starts_with("::")), "{line}: {}", said.out);
    }
}
