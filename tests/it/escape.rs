//! The ways out: a stack's own patch, and templates for one stack or service only.

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
stacks.media.patch.Deployment.spec.template.spec.dnsPolicy = "None"
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
    assert!(patch.contains("dnsPolicy: None"), "{patch}");
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
    let own = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ service.name }}\n  namespace: {{ stack.namespace }}\nspec:\n  replicas: 7\n";
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
