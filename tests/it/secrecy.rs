//! What no report shows, in whatever format, however wrong the place is where somebody has written it.

use bayplan::report::{Format, Style, render};
use bayplan::{Inputs, catalog};

const HIDDEN: &str = "Hunter2longpassw0rdX";

/// Every format's report of an inventory.
fn reports(inventory: &str) -> String {
    let mut inputs = Inputs::new("inventory.toml", inventory);
    let found = bayplan::findings(&mut inputs);
    assert!(!found.is_empty(), "{inventory}");
    let all = Format::ALL.iter();
    all.map(|format| render(*format, &found, &inputs.sources, catalog::codes(), Style::default())).collect()
}

#[test]
fn a_password_is_shown_nowhere() {
    let service = "[stacks.s]\n[services.a]\nstack = \"s\"\nimage = \"a:1.0\"\n";
    for line in [
        "secret-env.DB_PASSWORD = \"HIDDEN\"",
        "env = { PGPASSWORD = \"HIDDEN\", DB_PASSWORD = \"HIDDEN\" }",
        "password = \"HIDDEN\"",
        "env = [{ name = \"DB_PASSWORD\", value = \"HIDDEN\" }]",
        "monitor = { basic-auth = \"HIDDEN\" }",
        "probe = { http = \"/x\", headers = { Authorization = \"Bearer HIDDEN\" } }\nnode = \"x\"",
        "probe = { http = \"/x\", hedaers = { Authorization = \"Bearer HIDDEN\" } }",
        "[secrets.x]\nstack = \"s\"\nkeys = { password = \"HIDDEN\" }",
        "[secrets.x]\nstack = \"s\"\nkeys = [\"password=HIDDEN\"]",
        "[secrets.x]\nstack = \"s\"\nstringData = { password = \"HIDDEN\" }",
        "[secrets.x]\nstack = \"s\"\nvalue = \"HIDDEN\"",
        "[charts.c]\nrepository = \"https://me:HIDDEN@h/x\"\nchart = \"c\"\nversion = \"1\"\nnamespace = \"n\"",
    ] {
        let text = reports(&format!("{service}{}\n", line.replace("HIDDEN", HIDDEN)));
        assert!(!text.contains("Hunter2"), "{line}: {text}");
    }
}

#[test]
fn a_token_is_shown_nowhere() {
    // Put together here, so that no scanner of this repository takes it for real.
    let token = format!("ghp_{}", "16C7e42F292c6912E7710c838347Ae178B4a");
    for line in [
        "node = \"TOKEN\"",
        "stack = \"TOKEN\" # TOKEN",
        "ports.http = \"TOKEN\"",
        "secret-env.X = \"TOKEN/TOKEN\"",
        "TOKEN = 1",
        "env.X = \"${services.TOKEN.url}\"",
    ] {
        let text = reports(&format!("[services.a]\nimage = \"a:1.0\"\n{}\n", line.replace("TOKEN", &token)));
        assert!(!text.contains(&token), "{line}: {text}");
    }
}

#[test]
fn names_that_lead_nowhere_are_shown() {
    let service = "[stacks.s]\n[services.a]\nstack = \"s\"\nimage = \"a:1.0\"\n";
    for line in ["secret-env.DB_PASSWORD = \"web-keys/password\"", "secret-env.DB_PASSWORD = \"web-keys\""] {
        let text = reports(&format!("{service}{line}\n"));
        assert!(text.contains("web-keys"), "{text}");
    }
}
