//! What only a whole tree shows: two objects of one identity, circles of waiting, folders that are not there.

use bayplan::Inputs;
use bayplan::check::manifests::HandWritten;
use bayplan::object::emit::emit;
use bayplan::object::read::read_documents;
use bayplan::object::{Id, Value};
use bayplan::source::Source;
use bayplan::tree::TreePath;
use serde_json::json;

use crate::inventories::named;

/// What is said of hand-written files beside the tree of an inventory: rule, file and line.
fn said(inputs: Inputs, files: &[(&str, String)]) -> Vec<String> {
    let mut inputs = inputs;
    for (path, text) in files {
        let file = inputs.sources.add(Source::new(format!("out/{path}"), text.clone()));
        inputs.hand_written.push(HandWritten { path: TreePath::parse(path).unwrap(), file });
    }
    let found = bayplan::compile(&mut inputs).diagnostics;
    let place = |one: &bayplan::diagnostic::Diagnostic| {
        let source = inputs.sources.get(one.primary().file);
        format!("{} {}:{}", one.code.name, source.path, source.position(one.primary().start).line)
    };
    found.iter().map(place).collect()
}

/// A Kustomization of the tree, under another name.
fn kustomization(name: &str, change: impl Fn(&mut Value)) -> String {
    let tree = named("flux-full").tree();
    let documents = tree.iter().flat_map(|(_, text)| read_documents(text).unwrap_or_default());
    let of_flux = |object: &Value| {
        Id::of(object).is_some_and(|id| id.kind == "Kustomization" && id.group.ends_with("toolkit.fluxcd.io"))
    };
    let mut object = documents.into_iter().find(of_flux).unwrap();
    object["metadata"]["name"] = name.into();
    object["spec"].as_object_mut().unwrap().shift_remove("dependsOn");
    change(&mut object);
    emit(&object)
}

fn waiting(name: &str, other: &str) -> String {
    kustomization(name, |object| object["spec"]["dependsOn"] = json!([{ "name": other }]))
}

fn line_of(text: &str, key: &str) -> usize {
    text.lines().position(|line| line.trim_start().starts_with(key)).unwrap() + 1
}

#[test]
fn a_circle_of_waiting_is_told_once() {
    let files = [
        ("flux/a.yaml", waiting("a", "b")),
        ("flux/b.yaml", waiting("b", "c")),
        ("flux/c.yaml", waiting("c", "a")),
    ];
    let line = line_of(&files[2].1, "- name: a");
    assert_eq!(said(named("flux-full").inputs(), &files), [format!("circular-wait out/flux/c.yaml:{line}")]);
    let files = [("flux/a.yaml", waiting("a", "a"))];
    assert_eq!(said(named("flux-full").inputs(), &files).len(), 1);
    let files = [("flux/a.yaml", waiting("a", "b")), ("flux/b.yaml", kustomization("b", |_| {}))];
    assert_eq!(said(named("flux-full").inputs(), &files), Vec::<String>::new());
}

#[test]
fn many_circles_of_the_same_objects_are_one() {
    let one = kustomization("own", |object| {
        object["spec"]["dependsOn"] = json!([{ "name": "next" }, { "name": "k0" }]);
    });
    let others = (0..4_000).map(|at| {
        let next = format!("name: k{}\n", at + 1);
        one.replace("name: own\n", &format!("name: k{at}\n")).replace("name: next\n", &next)
    });
    let text = others.collect::<Vec<_>>().join("---\n");
    let found = said(named("flux-full").inputs(), &[("flux/k.yaml", text)]);
    assert_eq!(found.iter().filter(|one| one.starts_with("circular-wait")).count(), 1, "{found:?}");
}

#[test]
fn a_folder_of_the_tree_has_to_be_there() {
    let text = kustomization("a", |object| {
        let path = object["spec"]["path"].as_str().unwrap().to_owned();
        object["spec"]["path"] = format!("{path}/nothing").into();
    });
    let line = line_of(&text, "path:");
    assert_eq!(
        said(named("flux-full").inputs(), &[("flux/a.yaml", text)]),
        [format!("dangling-reference out/flux/a.yaml:{line}")]
    );
    // What else is in the repository, nobody knows.
    let text = kustomization("a", |object| object["spec"]["path"] = "./elsewhere".into());
    assert_eq!(said(named("flux-full").inputs(), &[("flux/a.yaml", text)]), Vec::<String>::new());
}

#[test]
fn two_files_make_no_object_of_one_identity() {
    let role =
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: reader\nrules: []\n";
    let files = [
        ("infrastructure/configs/one.yaml", role.to_owned()),
        ("infrastructure/configs/two.yaml", role.to_owned()),
    ];
    assert_eq!(
        said(named("flux-full").inputs(), &files),
        ["duplicate-object out/infrastructure/configs/two.yaml:4".to_owned()]
    );
}

#[test]
fn check_tells_of_names_that_lead_nowhere_although_it_renders_nothing_else() {
    let text = r#"
[cluster]
name = "home"
[stacks.media]
[services.web]
stack = "media"
image = "nginx:1.27"
ports.http = 80
service-account = "nobody" # 9
files."/etc/own.conf" = "x"
config-map-env.GREETING = "words/hello" # 11
env-from = ["config-map/more"] # 12
volumes.conf = { config-map = "nothing", mount = "/etc/x" } # 13
"#;
    let places = |text: &str| {
        let mut inputs = Inputs::new("inventory.toml", text);
        let found = bayplan::findings(&mut inputs);
        let line = |one: &bayplan::diagnostic::Diagnostic| {
            let source = inputs.sources.get(one.primary().file);
            format!("{} {}:{}", one.code.name, source.path, source.position(one.primary().start).line)
        };
        found.iter().map(line).collect::<Vec<String>>()
    };
    let told = [9, 11, 12, 13].map(|line| format!("dangling-reference inventory.toml:{line}"));
    assert_eq!(places(text), told);
    let names =
        ["ServiceAccount/media/nobody", "ConfigMap/media/*"].map(|name| format!("{name:?}")).join(", ");
    assert_eq!(places(&format!("external = [{names}]\n{text}")), Vec::<String>::new());
}

#[test]
fn what_one_environment_lacks_is_told_though_it_has_the_objects_of_the_base() {
    const INVENTORY: &str = "[stacks.apps]\n[services.web]\nstack = \"apps\"\nimage = \"a:1\"\nports.http = 80\n\
        volumes.site = { config-map = \"site\", mount = \"/site\" }\n\
        [environments.prod]\n[environments.staging]\nnamespace-suffix = \"-staging\"\n";
    let site = || "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: site\ndata:\n  a: b\n".to_owned();
    let of = |environment: &str| format!("apps/apps/overlays/{environment}/site.yaml");
    let said = |environments: &[&str]| {
        let paths: Vec<String> = environments.iter().map(|name| of(name)).collect();
        let files: Vec<(&str, String)> = paths.iter().map(|path| (path.as_str(), site())).collect();
        let mut inputs = Inputs::new("inventory.toml", INVENTORY);
        for (path, text) in &files {
            let file = inputs.sources.add(Source::new(format!("out/{path}"), text.clone()));
            inputs.hand_written.push(HandWritten { path: TreePath::parse(path).unwrap(), file });
        }
        let found = bayplan::compile(&mut inputs).diagnostics;
        found.iter().map(|one| one.message.clone()).collect::<Vec<_>>()
    };
    assert!(said(&["prod", "staging"]).is_empty());
    for (has, lacks) in [("prod", "apps-staging"), ("staging", "apps")] {
        let told = said(&[has]);
        assert!(told.len() == 1 && told[0].contains(&format!("in namespace `{lacks}`")), "{told:?}");
    }
}
