//! Stories of files that an inventory names: they are read from its folder and below, and from nowhere else.

use crate::bayplan::Desk;

const INVENTORY: &str = "[stacks.media]\ndashboards.plex = { file = \"boards/plex.json\" }\n";

#[test]
fn a_dashboard_is_read_from_beside_the_inventory_and_a_change_makes_the_tree_stale() {
    let desk = Desk::with(INVENTORY);
    desk.write("boards/plex.json", "{ \"title\": \"Plex\" }\n");
    desk.ok("render");
    assert!(desk.read("out/apps/media/base/dashboards.yaml").contains("\"title\": \"Plex\""));
    desk.ok("render --check");
    desk.write("boards/plex.json", "{ \"title\": \"Films\" }\n");
    assert_eq!(desk.run("render --check").code, Some(1));
}

#[test]
fn a_key_may_be_spelt_with_escapes() {
    let chart = |form: &str, key: &str| {
        let rest =
            "repository: \"https://charts.example.com\", chart: \"c\", version: \"1.0.0\", namespace: \"ns\"";
        let rest = if form == "toml" { rest.replace(": \"", " = \"") } else { rest.to_owned() };
        format!("{{ {rest}, {key} \"v.yaml\" }}")
    };
    for (name, text) in [
        ("inventory.toml", format!("[charts]\nc = {}\n", chart("toml", "\"values\\u002Dfile\" ="))),
        ("inventory.yaml", format!("charts:\n  c: {}\n", chart("yaml", "\"values\\x2Dfile\":"))),
        ("inventory.yaml", format!("charts:\n  c: {}\n", chart("yaml", "? !!binary dmFsdWVzLWZpbGU= :"))),
    ] {
        let desk = Desk::empty();
        desk.write(name, &text);
        desk.write("v.yaml", "a: 1\n");
        desk.ok("check");
    }
}

#[test]
fn what_is_no_dashboard_is_told_at_its_line() {
    let desk = Desk::with(INVENTORY);
    for (text, reason) in [("", "it is no JSON"), ("[1]", "not a JSON object")] {
        desk.write("boards/plex.json", text);
        let said = desk.run("check");
        assert!(said.out.contains("unreadable-file") && said.out.contains(reason), "{}", said.out);
        assert!(said.out.contains("inventory.toml:2:28"), "{}", said.out);
    }
    desk.write("boards/plex.json", &format!("{{\"a\": \"{}\"}}", "x".repeat(1 << 20)));
    assert!(desk.run("check").out.contains("unreadable-file"));
}

#[test]
fn one_file_that_many_name_is_counted_each_time() {
    let stacks = |count: usize| -> String {
        (0..count).map(|at| format!("[stacks.s{at}]\ndashboards.d = {{ file = \"d.json\" }}\n")).collect()
    };
    let desk = Desk::with(&stacks(70));
    desk.write("d.json", &format!("{{ \"a\": \"{}\" }}", "x".repeat(1_000_000)));
    let said = desk.run("check").out;
    assert!(said.contains("too-much") && said.contains("dashboards of all stacks"), "{said}");
    let charts = (0..9).map(|at| {
        format!(
            "[charts.c{at}]\nrepository = \"https://charts.example.com\"\nchart = \"c\"\nversion = \"1.0.0\"\n\
             namespace = \"c{at}\"\nvalues-file = \"v.yaml\"\n"
        )
    });
    let desk = Desk::with(&charts.collect::<String>());
    desk.write("v.yaml", &format!("a:\n{}", "- b\n".repeat(150_000)));
    let said = desk.run("check").out;
    assert!(said.contains("too-much") && said.contains("values files of all charts"), "{said}");
}

#[cfg(unix)]
#[test]
fn no_symbolic_link_leads_out() {
    let desk = Desk::with(INVENTORY);
    let elsewhere = Desk::empty();
    elsewhere.write("plex.json", "{ \"secret\": 1 }\n");
    std::os::unix::fs::symlink(elsewhere.path(""), desk.path("boards")).unwrap();
    let said = desk.run("check");
    assert!(said.out.contains("links are not followed"), "{}", said.out);
    assert!(!said.out.contains("secret"), "{}", said.out);
}
