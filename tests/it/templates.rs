//! Templates of somebody's own: where they lead, what they may not make twice, and what patches do to them.

use std::collections::BTreeSet;

use bayplan::check::names::{OF_INFRASTRUCTURE, OF_STACKS};
use bayplan::source::Source;
use bayplan::template::builtin::BUILTIN;
use bayplan::tree::{Tree, TreePath};
use bayplan::{Inputs, compile};

const INVENTORY: &str = r#"
[cluster]
name = "home"

[stacks.media]

[stacks.tools]

[services.plex]
stack = "media"
image = "example/plex:1.0"
ports.http = 80

[services.echo]
stack = "tools"
image = "example/echo:1.0"
ports.http = 80

[environments.prod]

[environments.test]
namespace-suffix = "-test"
services.plex.env.MODE = "test"
"#;

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  a: b\n";

/// The tree, and each finding: its rule, its place, what it says and what it offers.
fn run(inventory: &str, templates: &[(&str, &str)]) -> (Option<Tree>, Vec<String>) {
    let mut inputs = Inputs::new("inventory.toml", inventory);
    for (path, text) in templates {
        let file = inputs.sources.add(Source::new(*path, *text));
        inputs.templates.push((TreePath::parse(path).unwrap(), file));
    }
    let outcome = compile(&mut inputs);
    let told = outcome.diagnostics.iter().map(|found| {
        let source = inputs.sources.get(found.primary().file);
        let line = source.position(found.primary().start).line;
        let help = found.help.iter().map(|help| format!(" [{help}]")).collect::<String>();
        format!("{} {}:{line}: {}{help}", found.code.name, source.path, found.message)
    });
    (outcome.value, told.collect())
}

fn found(templates: &[(&str, &str)]) -> Vec<String> {
    run(INVENTORY, templates).1
}

fn tree(inventory: &str, templates: &[(&str, &str)]) -> Tree {
    let (tree, found) = run(inventory, templates);
    tree.unwrap_or_else(|| panic!("{found:#?}"))
}

fn text<'t>(tree: &'t Tree, path: &str) -> &'t str {
    tree.get(&TreePath::parse(path).unwrap()).unwrap_or_else(|| panic!("no {path}"))
}

fn object(kind: &str, name: &str) -> String {
    let version = if kind == "ConfigMap" { "v1" } else { "apps/v1" };
    format!("apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\n")
}

fn deployment(name: &str) -> String {
    let spec = "spec:\n  replicas: 1\n  selector:\n    matchLabels:\n      app: x\n  template:\n    metadata:\n      \
                labels:\n        app: x\n    spec:\n      containers:\n        - name: x\n          image: x:1\n";
    object("Deployment", name) + spec
}

#[test]
fn a_patch_fits_the_object_of_its_service_in_whatever_file_it_is() {
    let inventory = format!("{INVENTORY}[services.echo.patch.Deployment.spec]\nreplicas = 3\n");
    let added = [
        ("apps/{stack}/base/{service}-extra.yaml.j2", object("ConfigMap", "{{ service.name }}-x")),
        ("apps/{stack}/base/{service}-canary.yaml.j2", deployment("{{ service.name }}-canary")),
        (
            "apps/{stack}/overlays/{environment}/{service}-o.yaml.j2",
            object("ConfigMap", "{{ service.name }}-o"),
        ),
        ("infrastructure/configs/{service}-i.yaml.j2", object("ConfigMap", "{{ service.name }}-i")),
    ];
    let added: Vec<(&str, &str)> = added.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let tree = tree(&inventory, &added);
    assert!(text(&tree, "apps/tools/base/echo.yaml").contains("replicas: 3"));
    assert!(text(&tree, "apps/tools/base/echo-canary.yaml").contains("replicas: 1"));
}

#[test]
fn a_patch_may_fit_an_added_object_only() {
    let inventory = format!("{INVENTORY}[services.echo.patch.ConfigMap.data]\nmore = \"c\"\n");
    let map = object("ConfigMap", "{{ service.name }}-x") + "data:\n  a: b\n";
    let tree = tree(&inventory, &[("apps/{stack}/base/{service}-x.yaml.j2", &map)]);
    assert!(text(&tree, "apps/tools/base/echo-x.yaml").contains("more: c"));
    assert!(!text(&tree, "apps/media/base/plex-x.yaml").contains("more: c"));
}

#[test]
fn a_patch_that_fits_in_no_file_is_told_once() {
    let inventory = format!("{INVENTORY}[services.echo.patch.Ingress.spec]\nx = 1\n");
    let map = object("ConfigMap", "{{ service.name }}-x");
    assert_eq!(
        run(&inventory, &[("apps/{stack}/base/{service}-x.yaml.j2", &map)]).1,
        [
            "patch-without-object inventory.toml:24: service `echo` has no Ingress to patch [it has ConfigMap, Deployment, \
          Service]"
        ]
    );
}

#[test]
fn an_object_of_the_base_is_not_made_again_by_an_overlay() {
    let twice = found(&[
        ("apps/{stack}/base/extra.yaml.j2", MAP),
        ("apps/{stack}/overlays/{environment}/o.yaml.j2", MAP),
    ]);
    let help =
        "an overlay has what its base has: let the template under `base/` say what an environment changes";
    let message = "the build of `apps/media/overlays/prod` gets ConfigMap a 2 times, and 3 more times";
    assert_eq!(twice, [format!("duplicate-output apps/{{stack}}/base/extra.yaml.j2:1: {message} [{help}]")]);
    let other = MAP.replace("name: a", "name: b");
    let apart = [
        ("apps/{stack}/base/extra.yaml.j2", MAP),
        ("apps/{stack}/overlays/{environment}/o.yaml.j2", other.as_str()),
    ];
    tree(INVENTORY, &apart);
}

#[test]
fn one_identity_twice_in_an_environment_is_told_though_the_base_has_it_once() {
    let again = format!("{MAP}{{% if environment.name == 'test' %}}\n---\n{MAP}{{% endif %}}\n");
    let twice = found(&[("apps/media/base/extra.yaml.j2", &again)]);
    assert!(
        twice[0].contains("the build of `apps/media/overlays/test` gets ConfigMap a 2 times ["),
        "{twice:?}"
    );
}

#[test]
fn a_kustomization_is_no_template() {
    for path in [
        "apps/{stack}/base/kustomization.yaml.j2",
        "apps/{stack}/overlays/{environment}/kustomization.yml.j2",
        "infrastructure/configs/Kustomization.j2",
    ] {
        let name = path.rsplit('/').next().unwrap().trim_end_matches(".j2");
        let message = format!(
            "`{name}` cannot be a template: bayplan writes it, and lists in it what is rendered beside it \
             [give what it makes a file of another name]"
        );
        assert_eq!(found(&[(path, MAP)]), [format!("template-path {path}:1: {message}")]);
    }
}

#[test]
fn the_files_beside_those_of_services_and_charts_are_known() {
    let beside = |folders: &[&str]| -> BTreeSet<&str> {
        let files = BUILTIN.iter().filter_map(|(path, _)| {
            let (folder, name) = path.rsplit_once('/')?;
            let name = name.strip_suffix(".yaml.j2")?;
            (folders.contains(&folder) && !name.contains('{')).then_some(name)
        });
        files.chain(["kustomization"]).collect()
    };
    assert_eq!(beside(&["apps/{stack}/base"]), BTreeSet::from(OF_STACKS));
    let folders = ["infrastructure/controllers", "infrastructure/releases", "infrastructure/charts"];
    assert_eq!(beside(&folders), BTreeSet::from(OF_INFRASTRUCTURE));
}

#[test]
fn a_file_named_for_another_stacks_service_is_refused() {
    for path in ["apps/media/base/echo.yaml.j2", "apps/media/overlays/{environment}/echo.yaml.j2"] {
        let message = format!(
            "template `{path}` lies with stack `media` and is named for service `echo`, which is of stack `tools` \
             [put it under `apps/tools/`, or give the file another name]"
        );
        assert_eq!(found(&[(path, MAP)]), [format!("template-path {path}:1: {message}")]);
    }
}

#[test]
fn text_that_differs_between_environments_has_no_place_in_a_base() {
    let path = "apps/{stack}/base/{service}.txt.j2";
    let message = format!(
        "template `{path}` makes text that differs between the defaults and service `plex` in environment `test`: \
         text has no overlays [put it under `apps/{{stack}}/overlays/{{environment}}/`]"
    );
    let told = |text| found(&[(path, text)]);
    assert_eq!(told("{{ service.env }}\n"), [format!("template-path {path}:1: {message}")]);
    assert_eq!(told("{% if environment.name == 'test' and service.name == 'plex' %}x{% endif %}\n").len(), 1);
    let same = tree(INVENTORY, &[(path, "{{ service.name }}\n")]);
    assert_eq!(text(&same, "apps/media/base/plex.txt"), "plex\n");
    let beside = "apps/{stack}/overlays/{environment}/note.txt.j2";
    let apart = tree(INVENTORY, &[(beside, "{{ environment.name }}\n")]);
    assert_eq!(text(&apart, "apps/media/overlays/test/note.txt"), "test\n");
}

#[test]
fn an_environment_may_be_written_out() {
    let map = object("ConfigMap", "a")
        + "  namespace: {{ stack.namespace }}\ndata:\n  e: {{ environment.name }}\n  n: {{ stack.namespace }}\n";
    for path in ["apps/{stack}/overlays/test/x.yaml.j2", "apps/media/overlays/test/x.yaml.j2"] {
        let tree = tree(INVENTORY, &[(path, &map)]);
        let made = text(&tree, "apps/media/overlays/test/x.yaml");
        assert!(made.contains("e: test") && made.contains("\"n\": media-test"), "{made}");
        assert!(tree.get(&TreePath::parse("apps/media/overlays/prod/x.yaml").unwrap()).is_none());
    }
    let path = "apps/{stack}/overlays/tset/x.yaml.j2";
    let message = "is for environment `tset`, which there is not [did you mean `test`?]";
    assert_eq!(found(&[(path, &map)]), [format!("template-path {path}:1: template `{path}` {message}")]);
    let path = "apps/{stack}/overlays/x-{environment}/x.yaml.j2";
    assert!(found(&[(path, &map)])[0].contains("`x-{environment}`, which there is not"));
}

#[test]
fn the_account_of_each_namespace_is_there() {
    let binding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata:\n  name: rb\nroleRef: \
        {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\nsubjects:\n  - kind: ServiceAccount\n    \
        name: default\n    namespace: {{ stack.namespace }}\n";
    let path = "apps/{stack}/base/extra.yaml.j2";
    assert_eq!(found(&[(path, binding)]), [""; 0]);
    let other = found(&[(path, &binding.replace("name: default", "name: defautl"))]);
    assert!(other[0].contains("no ServiceAccount `defautl`") && other[0].contains("did you mean `default`?"));
}

#[test]
fn both_templates_of_one_file_are_named_a_persons_own_first() {
    let one = found(&[("apps/{stack}/base/echo.yaml.j2", MAP)]);
    let built_in = "apps/{stack}/base/{service}.yaml.j2";
    assert_eq!(
        one,
        [format!(
            "duplicate-output apps/{{stack}}/base/echo.yaml.j2:1: two templates make `apps/tools/base/echo.yaml`: \
             `apps/{{stack}}/base/echo.yaml.j2` and `{built_in}`"
        )]
    );
    let plain = found(&[("x/{service}.txt.j2", "a"), ("x/plex.txt.j2", "b")]);
    assert_eq!(plain.len(), 1);
    assert!(plain[0].contains("`x/plex.txt`: `x/plex.txt.j2` and `x/{service}.txt.j2`"), "{plain:?}");
    let patch = "{% if environment.name == 'test' %}\n".to_owned() + MAP + "{% endif %}\n";
    let apart = found(&[
        ("apps/{stack}/base/extra.yaml.j2", &patch),
        ("apps/{stack}/overlays/{environment}/extra.yaml.j2", &MAP.replace("name: a", "name: b")),
    ]);
    assert_eq!(apart.len(), 1, "{apart:?}");
    assert!(apart[0].contains("and 1 more time"), "{apart:?}");
}

#[test]
fn names_that_do_not_go_together_are_told_once_for_a_template() {
    for (path, names) in [
        ("apps/{stack}/base/{service}-{claim}.yaml.j2", "`{service}` and `{claim}`"),
        ("apps/{stack}/base/{chart}.yaml.j2", "`{stack}` and `{chart}`"),
        ("x/{chart}-{node}.yaml.j2", "`{chart}` and `{node}`"),
    ] {
        let told = found(&[(path, MAP)]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(&format!("a path cannot loop over {names} at once [one of")), "{told:?}");
    }
    let (_, told) = run(
        &format!(
            "{INVENTORY}[charts.c]\nrepository = \"https://c.example\"\nchart = \"c\"\nversion = \"1.0.0\"\nnamespace = \"c\"\n"
        ),
        &[("apps/media/base/{chart}.yaml.j2", MAP)],
    );
    let told: Vec<&String> = told.iter().filter(|one| one.starts_with("template-path")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn what_a_template_of_an_environment_is_rendered_for_is_said() {
    let told = found(&[("x/{environment}.txt.j2", "{{ nope }}")]);
    assert!(told[0].contains("rendered for environment `prod`, and 1 more time"), "{told:?}");
}

#[test]
fn an_empty_stack_has_no_overlay_in_any_environment() {
    let built_in =
        ["{service}", "namespace", "network"].map(|name| format!("apps/{{stack}}/base/{name}.yaml.j2"));
    let none: Vec<(&str, &str)> = built_in.iter().map(|path| (path.as_str(), "")).collect();
    let tree = tree(INVENTORY, &none);
    let overlays: Vec<String> = tree.iter().map(|(path, _)| path.to_string()).collect();
    assert!(!overlays.iter().any(|path| path.contains("/overlays/")), "{overlays:?}");
}

#[test]
fn a_file_without_effect_is_told() {
    let told = found(&[("apps/{stack}/base/x.yaml", MAP), ("apps/{stack}/base/_pdo.j2", "")]);
    assert_eq!(
        told,
        [
            "unused-template apps/{stack}/base/x.yaml:1: `apps/{stack}/base/x.yaml` is no template: its name does not end \
             in `.j2` [name it `x.yaml.j2`, or move it out of the templates]",
            "unused-template apps/{stack}/base/_pdo.j2:1: nothing includes `apps/{stack}/base/_pdo.j2`, and a file whose \
             name begins with `_` makes nothing by itself [did you mean `apps/{stack}/base/_pod.j2`?]",
        ]
    );
    let off = format!("{INVENTORY}[checks]\nunused-template = \"off\"\n");
    assert_eq!(run(&off, &[("x.yaml", "")]).1, [""; 0]);
}

#[test]
fn a_file_that_can_hold_no_comment_is_refused() {
    let message = "template `x/{stack}.json.j2` leads to no file for stack `media`: `media.json` can hold no comment, and \
                   bayplan knows its own files by one, and 1 more time [put it into a ConfigMap, or write a format that \
                   has comments, such as YAML]";
    let told = found(&[("x/{stack}.json.j2", "{{ stack.name|json }}")]);
    assert_eq!(told, [format!("template-path x/{{stack}}.json.j2:1: {message}")]);
}

#[test]
fn a_fault_is_shown_at_its_line_though_lines_were_joined() {
    let path = "apps/media/base/extra.yaml.j2";
    let at = |text: &str| {
        let told = found(&[(path, text)]);
        let line = told[0]
            .split_once(&format!("{path}:"))
            .map(|(_, rest)| rest.split_once(':').unwrap().0.to_owned());
        line.unwrap_or_else(|| panic!("{told:?}"))
    };
    let comments = "{# x #}\n".repeat(9);
    let head = format!("{comments}apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n");
    assert_eq!(at(&format!("{head}  a: b\n  {{%- if true %}}\n  c: d\n  {{%- endif %}}\n")), "15");
    assert_eq!(at(&format!("{head}  e: f\n  d: {{{{ \"xyz: y\"|safe }}}}\n")), "16");
}

#[test]
fn what_is_never_closed_is_shown_where_it_opens() {
    let path = "x/a.txt.j2";
    for (text, line, name) in [
        ("a\n{% if true %}\nb\n", 2, "{% if %}"),
        ("{% for n in nodes %}\n{% if n %}\nb\n{% endfor %}\n", 2, "{% if %}"),
        ("a\n{% set x %}\nb\n", 2, "{% set %}"),
        ("a\n{# b\nc\nd\n", 2, "{#"),
        ("a\nb\n{{ \"c }}\nd\n", 3, "{{"),
        ("{% if true %}\n{{ a\n", 2, "{{"),
    ] {
        let message = format!("template `{path}` cannot be read: this `{name}` is never closed");
        assert_eq!(found(&[(path, text)]), [format!("template-syntax {path}:{line}: {message}")]);
    }
}

#[test]
fn what_an_object_lacks_is_named_at_its_place() {
    let path = "infrastructure/configs/x.yaml.j2";
    let told = |text: &str| found(&[(path, text)]).remove(0);
    let lacks = |what: &str| format!("template `{path}` makes an object without {what} for the cluster");
    assert!(told("apiVersion: v1\nmetadata:\n  name: x\n").ends_with(&lacks("kind")));
    assert!(told("kind: ConfigMap\nmetadata:\n  name: x\n").ends_with(&lacks("apiVersion")));
    let generated = told("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  generateName: x-\n");
    assert!(
        generated.contains(&lacks("metadata.name")) && generated.contains("write `name`]"),
        "{generated}"
    );
    let list = told("apiVersion: v1\nkind: List\nitems: []\n");
    assert!(list.contains("objects of their own, with `---`"), "{list}");
}

#[test]
fn what_other_languages_have_is_offered_by_its_name_here() {
    let told = |text: &str| found(&[("x/a.txt.j2", text)]).remove(0);
    assert!(told("{{ cluster.items() }}").ends_with("[write `|items`]"), "{}", told("{{ cluster.items() }}"));
    assert!(told("{{ cluster.name.upper() }}").ends_with("[write `|upper`]"));
    assert!(told("{{ service.name }}").ends_with("[a template whose path holds `{service}` sees it]"));
}

#[test]
fn what_is_included_is_named_from_the_folder_of_the_templates_on() {
    let told = found(&[("x/_near.j2", ""), ("x/a.txt.j2", "{% include '_near.j2' %}")]);
    assert!(told.iter().any(|one| one.contains("[names count from the templates' folder")), "{told:?}");
}

#[test]
fn stacks_may_be_called_as_folders_are() {
    for name in ["base", "overlays"] {
        let inventory = INVENTORY.replace("media", name);
        let tree = tree(&inventory, &[]);
        text(&tree, &format!("apps/{name}/base/plex.yaml"));
        text(&tree, &format!("apps/{name}/overlays/test/plex.patch.yaml"));
    }
}

#[test]
fn a_deletion_says_itself_which_object_it_is_for() {
    let service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: echo-x\nspec:\n  ports: [{port: 80}]\n";
    let text_of = format!("{{% if environment.name != 'test' %}}\n{service}{{% endif %}}\n");
    let tree = tree(INVENTORY, &[("apps/tools/base/extra.yaml.j2", &text_of)]);
    let overlay = text(&tree, "apps/tools/overlays/test/kustomization.yaml");
    assert!(overlay.contains("$patch: delete") && overlay.contains("apiVersion: v1"), "{overlay}");
    assert!(!overlay.contains("target"), "{overlay}");
}

#[test]
fn an_overlay_changes_no_version() {
    let version = "{{ 'v1' if environment.name == 'test' else 'v2' }}";
    let scaler = format!(
        "apiVersion: autoscaling/{version}\nkind: HorizontalPodAutoscaler\nmetadata:\n  name: echo\nspec:\n  \
         maxReplicas: 3\n  scaleTargetRef:\n    apiVersion: apps/v1\n    kind: Deployment\n    name: echo\n"
    );
    let found = found(&[("apps/tools/base/scaler.yaml.j2", &scaler)]);
    let says = "makes HorizontalPodAutoscaler.autoscaling echo in another version for stack `tools` in environment `test`";
    assert!(found.iter().any(|one| one.starts_with("template-path") && one.contains(says)), "{found:#?}");
}

#[test]
fn what_kustomize_would_rename_with_the_namespace_is_told() {
    let second = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: second\n";
    let bound = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata:\n  name: x\nroleRef:\n  \
                 apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: view\nsubjects:\n  \
                 - {kind: ServiceAccount, name: default, namespace: monitoring}\n";
    let literal = MAP.replace("  name: a", "  name: a\n  namespace: tools");
    for (template, says) in [
        (second, "makes Namespace second beside the stack's own `tools`"),
        (bound, "binds the account `default` of namespace `monitoring`"),
        // In the test environment the stack has another namespace, though the template reads nothing that differs.
        (literal.as_str(), "puts ConfigMap tools/a outside namespace `tools-test`"),
    ] {
        let found = found(&[("apps/tools/base/extra.yaml.j2", template)]);
        assert!(
            found.iter().any(|one| one.starts_with("misplaced-object") && one.contains(says)),
            "{found:#?}"
        );
    }
}
