//! A folder as a stranger's pull request brings it: what is no plain file, and what leads out of it.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

const INVENTORY: &str = "\
[stacks.a]
dashboards.d.file = \"d.json\"
[services.web]
stack = \"a\"
image = \"x:1\"
[charts.c]
repository = \"https://charts.example.com\"
chart = \"c\"
version = \"1.0.0\"
namespace = \"n\"
values-file = \"v.yaml\"
[gitops]
repository = \"https://github.com/example/lab.git\"
apps = \"flux\"
";

/// The places of a folder that a run reads.
const PLACES: &[&str] =
    &["inventory.toml", "d.json", "v.yaml", "templates/x.md.j2", "out/apps/mine.yaml", "out/README.md"];

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("inventory.toml", INVENTORY),
        ("d.json", "{\"title\": \"x\"}"),
        ("v.yaml", "a: 1\n"),
        ("templates/x.md.j2", "x\n"),
        ("out/apps/mine.yaml", "a: 1\n"),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn run(folder: &Path, command: &str) -> (Option<i32>, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_bayplan"));
    let arguments = [command, "--inventory", "inventory.toml"];
    let output = program.current_dir(folder).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn a_folder_of_plain_files_is_rendered() {
    let folder = folder();
    let (code, text) = run(folder.path(), "render");
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn pipes_and_devices_are_not_waited_for() {
    for place in PLACES {
        for device in [false, true] {
            let folder = folder();
            let path = folder.path().join(place);
            let _ = fs::remove_file(&path);
            if device {
                symlink("/dev/zero", &path).unwrap();
            } else {
                assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
            }
            // Somebody else's file in the tree is passed over, anything else is said.
            let (code, text) = run(folder.path(), "render");
            let passed_over = *place == "out/apps/mine.yaml";
            assert!(matches!(code, Some(1 | 2)) != passed_over, "{place}: {code:?} {text}");
        }
    }
}

#[test]
fn links_lead_nowhere() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "hunter2: [\n").unwrap();
    for place in PLACES.iter().filter(|place| **place != "inventory.toml") {
        let folder = folder();
        let path = folder.path().join(place);
        let _ = fs::remove_file(&path);
        symlink(outside.path().join("secret"), &path).unwrap();
        let (_, text) = run(folder.path(), "render");
        assert!(!text.contains("hunter2"), "{place}: {text}");
    }
    for place in ["out", "templates", "out/apps", "out/apps/a", "out/flux", "out/infrastructure"] {
        let folder = folder();
        let path = folder.path().join(place);
        let _ = fs::remove_dir_all(&path);
        symlink(outside.path(), &path).unwrap();
        let (code, text) = run(folder.path(), "render");
        assert!(matches!(code, Some(1 | 2)), "{place}: {code:?} {text}");
        assert_eq!(
            fs::read_dir(outside.path()).unwrap().count(),
            1,
            "{place}: something was written outside"
        );
    }
}

#[test]
fn an_export_goes_through_no_link() {
    let inventory =
        "[network]\nlan = \"10.0.0.0/24\"\n[nodes]\nn = { ip = \"10.0.0.2\", role = \"control-plane\" }\n";
    let outside = tempfile::tempdir().unwrap();
    for (link, out) in [("talos", "talos"), ("talos", "talos/patches"), ("talos/patches", "talos/patches/")] {
        let folder = folder();
        fs::write(folder.path().join("inventory.toml"), inventory).unwrap();
        let link = folder.path().join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(outside.path(), &link).unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_bayplan"));
        let output =
            program.current_dir(folder.path()).args(["export", "k3s", "--out", out]).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && text.contains("is a symbolic link"), "{out}: {text}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "{out}");
    }
}

#[test]
fn names_do_not_climb() {
    for name in ["../x", "..", "/etc", "a/../../x", "a\\\\b", "C:x"] {
        for text in [
            format!("[stacks.\"{name}\"]\n"),
            format!("[stacks.a]\nnamespace = \"{name}\"\n"),
            format!("[stacks.a]\n[services.\"{name}\"]\nstack = \"a\"\nimage = \"x:1\"\n"),
            format!("[stacks.a]\n[services.w]\nname = \"{name}\"\nstack = \"a\"\nimage = \"x:1\"\n"),
            format!("[stacks.a]\n[environments.\"{name}\"]\n"),
            format!(
                "[charts.\"{name}\"]\nrepository = \"https://x.example.com\"\nchart = \"c\"\nversion = \"1.0.0\"\nnamespace = \"n\"\n"
            ),
            format!(
                "[stacks.a]\n[secrets.\"{name}\"]\nstack = \"a\"\nprovider = \"manual\"\nkeys = [\"k\"]\n"
            ),
            INVENTORY.replace("d.json", name),
            INVENTORY.replace("v.yaml", name),
        ] {
            let folder = folder();
            fs::write(folder.path().join("inventory.toml"), &text).unwrap();
            let (code, said) = run(folder.path(), "render");
            assert_eq!(code, Some(1), "{text}: {said}");
            assert_eq!(
                fs::read_dir(folder.path().join("out")).unwrap().count(),
                1,
                "{text}: something was written"
            );
        }
    }
}

/// Lists as long as a stranger likes. Each element held against all others would take minutes.
#[test]
fn long_lists_of_an_object_are_judged() {
    const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: default}\nspec:\n";
    const POD: &str =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: x, namespace: default}\nspec:\n  containers:\n";
    const ROUTE: &str =
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: x}\nspec:\n";
    for (head, element, expected) in [
        (format!("{SERVICE}  ports:\n"), "    - {name: p, port: 80}", "the name `p` stands twice"),
        (SERVICE.to_owned(), "  key{{ i }}: 1", "unknown field"),
        (
            format!("{POD}    - name: a\n      image: a:1\n      volumeMounts:\n"),
            "        - {name: \"v{{ i }}\", mountPath: \"/{{ i }}\"}",
            "the pod has no volume",
        ),
        (POD.to_owned(), "    - {name: \"a{{ i % 9999 }}\", image: \"a:1\"}", "stands twice in this list"),
        (
            format!("{ROUTE}  parentRefs:\n"),
            "    - {name: a, sectionName: \"{{ i % 9999 }}\"}",
            "names one Gateway again",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("templates/infrastructure/configs/x.yaml.j2");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let template = format!("{head}{{% for i in range(30000) %}}\n{element}\n{{% endfor %}}\n");
        fs::write(path, template).unwrap();
        fs::write(folder.path().join("inventory.toml"), "cluster.name = \"x\"\n").unwrap();
        let (code, text) = run(folder.path(), "render");
        assert!(code == Some(1) && text.contains(expected), "{element}: {code:?} {text:.2000}");
    }
}

/// Ten bytes of a file take a thousand of memory.
#[test]
fn a_heap_of_values_is_not_held() {
    let folder = folder();
    let list = "a,".repeat(250_000);
    let text = format!("apiVersion: example.com/v1\nkind: Foo\nmetadata: {{name: x}}\nspec: [{list}]\n");
    for number in 0..9 {
        fs::write(folder.path().join(format!("out/apps/mine{number}.yaml")), &text).unwrap();
    }
    let (_, text) = run(folder.path(), "check");
    assert!(text.contains("the limit of 2000000 values"), "{text:.2000}");
}

/// The same in a file that a stranger has put into the tree.
#[test]
fn long_files_of_people_are_judged() {
    let folder = folder();
    let keys: String = (0..30_000).map(|key| format!("  key{key}: 1\n")).collect();
    let text = format!("apiVersion: v1\nkind: Service\nmetadata: {{name: x, namespace: a}}\nspec:\n{keys}");
    fs::write(folder.path().join("out/apps/mine.yaml"), text).unwrap();
    let (code, text) = run(folder.path(), "check");
    assert!(code == Some(1) && text.contains("out/apps/mine.yaml:5:3"), "{text:.2000}");
}
