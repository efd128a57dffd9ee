//! The ways out: a stack's own patch, and templates for one stack or service only.

use std::fs;
use std::path::Path;
use std::process::Command;

use bayplan::diagnostic::Diagnostics;
use bayplan::source::Source;
use bayplan::tree::{Tree, TreePath};
use bayplan::{Inputs, compile};

const INVENTORY: &str = r#"
[stacks.media]
patch."ConfigMap/nothing-here".metadata.annotations.kept = "yes"
patch.Deployment.spec.template.spec.dnsPolicy = "Default"

[stacks.site]

[services.plex]
stack = "media"
image = "example/plex:1.0"
ports.http = 80
patch.Deployment.spec.template.spec.priorityClassName = "high"

[services.web]
stack = "site"
image = "example/web:1.0"
ports.http = 80

[environments.prod]

[environments.test]
namespace-suffix = "-test"
stacks.media.patch.Deployment.spec.template.spec.dnsPolicy = "ClusterFirstWithHostNet"
"#;

fn run(text: &str, templates: &[(&str, &str)]) -> (Option<Tree>, Diagnostics) {
    let mut inputs = Inputs::new("inventory.toml", text);
    for (path, text) in templates {
        let file = inputs.sources.add(Source::new(format!("templates/{path}"), *text));
        inputs.templates.push((TreePath::parse(path).unwrap(), file));
    }
    let outcome = compile(&mut inputs);
    (outcome.value, outcome.diagnostics)
}

fn text<'t>(tree: &'t Tree, path: &str) -> &'t str {
    tree.iter().find(|(own, _)| own.as_str() == path).map(|(_, text)| text).unwrap_or_default()
}

fn tree(text: &str, templates: &[(&str, &str)]) -> Tree {
    let (tree, found) = run(text, templates);
    tree.unwrap_or_else(|| panic!("{found:?}"))
}

#[test]
fn a_stack_patches_its_objects() {
    let text_of =
        INVENTORY.replace("patch.\"ConfigMap/nothing-here\".metadata.annotations.kept = \"yes\"\n", "");
    let tree = tree(&text_of, &[]);
    let plex = text(&tree, "apps/media/base/plex.yaml");
    assert!(plex.contains("dnsPolicy: Default") && plex.contains("priorityClassName: high"), "{plex}");
    assert!(!text(&tree, "apps/site/base/web.yaml").contains("dnsPolicy"));
    let patch = text(&tree, "apps/media/overlays/test/plex.patch.yaml");
    assert!(patch.contains("dnsPolicy: ClusterFirstWithHostNet"), "{patch}");
}

#[test]
fn a_patch_of_nothing_is_found() {
    let mut inputs = Inputs::new("inventory.toml", INVENTORY);
    let found = bayplan::findings(&mut inputs);
    let messages: Vec<&str> = found.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(messages, ["stack `media` has no ConfigMap/nothing-here to patch"]);
}

#[test]
fn a_template_can_be_for_one_stack() {
    let inventory = INVENTORY.replace("patch.\"ConfigMap/nothing-here\"", "patch.\"ConfigMap/notes\"");
    let notes = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: notes\n  namespace: {{ stack.namespace }}\ndata:\n  of: {{ environment.name }}\n";
    let tree = tree(&inventory, &[("apps/media/base/notes.yaml.j2", notes)]);
    let base = text(&tree, "apps/media/base/notes.yaml");
    assert!(base.contains("kept: \"yes\""), "{base}");
    assert!(text(&tree, "apps/media/base/kustomization.yaml").contains("notes.yaml"));
    assert!(text(&tree, "apps/media/overlays/test/notes.patch.yaml").contains("of: test"));
    assert!(text(&tree, "apps/site/base/notes.yaml").is_empty());
}

#[test]
fn a_template_can_be_for_one_service() {
    let inventory =
        INVENTORY.replace("patch.\"ConfigMap/nothing-here\".metadata.annotations.kept = \"yes\"\n", "");
    let own = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ service.name }}\n  namespace: {{ stack.namespace }}\nspec:\n  replicas: 7\n  selector:\n    matchLabels:\n      own: plex\n  template:\n    metadata:\n      labels:\n        own: plex\n    spec:\n      containers:\n        - name: plex\n          image: plex:1\n";
    let tree = tree(&inventory, &[("apps/media/base/plex.yaml.j2", own)]);
    let plex = text(&tree, "apps/media/base/plex.yaml");
    assert!(plex.contains("replicas: 7") && !plex.contains("kind: Service"), "{plex}");
    assert!(!text(&tree, "apps/site/base/web.yaml").contains("replicas: 7"));
}

#[test]
fn a_template_for_no_stack_is_found() {
    let (_, found) = run(
        &INVENTORY.replace("ConfigMap/nothing-here", "Deployment/plex"),
        &[("apps/medai/base/x.yaml.j2", "")],
    );
    let found: Vec<&str> = found.iter().map(|one| one.help.as_deref().unwrap_or_default()).collect();
    assert_eq!(found, ["did you mean `media`?"]);
}

const WITH_VALUES: &str = r#"
[charts.metallb]
repository = "https://metallb.github.io/metallb"
chart = "metallb"
version = "0.15.2"
namespace = "metallb-system"
values-file = "values/metallb.yaml"
values.speaker.frr.enabled = false
"#;

fn bayplan(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_bayplan")).current_dir(folder).args(arguments).output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn values_may_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let inventory = format!(
        "{WITH_VALUES}\n[gitops]\nrepository = \"https://github.com/example/lab.git\"\napps = \"flux\"\n"
    );
    fs::write(folder.join("inventory.toml"), &inventory).unwrap();
    let (code, text) = bayplan(folder, &["check"]);
    assert!(
        code == Some(1) && text.contains("file `values/metallb.yaml` cannot be used: it is not there"),
        "{text}"
    );

    fs::create_dir(folder.join("values")).unwrap();
    let values =
        "speaker:\n  frr:\n    enabled: true\n  image: ${cluster.domain}\n  password: hunter2hunter2\n";
    fs::write(folder.join("values/metallb.yaml"), values).unwrap();
    // Rules see what is in it, where it stands.
    let (_, text) = bayplan(folder, &["check"]);
    assert!(text.contains("plaintext-secret") && text.contains("metallb.yaml:5"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");

    fs::write(folder.join("values/metallb.yaml"), values.replace("  password: hunter2hunter2\n", ""))
        .unwrap();
    assert_eq!(bayplan(folder, &["render"]).0, Some(0));
    let chart = fs::read_to_string(folder.join("out/infrastructure/controllers/metallb.yaml")).unwrap();
    assert!(chart.contains("enabled: false") && chart.contains("image: cluster.local"), "{chart}");

    fs::write(folder.join("values/metallb.yaml"), "- 1\n").unwrap();
    assert!(bayplan(folder, &["check"]).1.contains("wrong-type"));
    fs::write(folder.join("values/metallb.yaml"), "a: [\n").unwrap();
    assert!(bayplan(folder, &["check"]).1.contains("error[syntax]"));
}

#[cfg(unix)]
#[test]
fn values_stay_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (outside, inside) = (folder.path().join("secret.yaml"), folder.path().join("lab"));
    fs::create_dir_all(inside.join("values")).unwrap();
    fs::write(&outside, "stolen: true\n").unwrap();
    for (path, words) in [
        ("../secret.yaml", "must not lead out"),
        ("/etc/passwd.yaml", "must be relative"),
        ("values/../../secret.yaml", "must not lead out"),
        ("values/x.toml", "does not end in `.yaml`"),
    ] {
        fs::write(inside.join("inventory.toml"), WITH_VALUES.replace("values/metallb.yaml", path)).unwrap();
        let (code, text) = bayplan(&inside, &["check"]);
        assert!(code == Some(1) && text.contains(words) && !text.contains("stolen"), "{path}: {text}");
    }
    fs::write(inside.join("inventory.toml"), WITH_VALUES).unwrap();
    std::os::unix::fs::symlink(&outside, inside.join("values/metallb.yaml")).unwrap();
    let (code, text) = bayplan(&inside, &["check"]);
    assert!(code == Some(1) && text.contains("links are not followed"), "{text}");
    fs::remove_dir_all(inside.join("values")).unwrap();
    std::os::unix::fs::symlink(folder.path(), inside.join("values")).unwrap();
    let (code, text) = bayplan(&inside, &["check"]);
    assert!(code == Some(1) && text.contains("links are not followed"), "{text}");
}
