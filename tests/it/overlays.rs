//! What is deployed is what was rendered: building an overlay gives the objects of its environment, one by one,
//! lists in their order. On the real kustomize for every inventory and for random environments, and on our own
//! model of it for many more of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bayplan::object::merge::apply;
use bayplan::object::read::read_documents;
use bayplan::object::{Id, Value};
use bayplan::tree::{Tree, TreePath};
use serde_json::{Map, json};

use crate::inventories::{Sample, all, named, write};
use crate::kustomize::{build, wanted_tools};
use crate::perturb::{Dice, environment};

type Objects = BTreeMap<Id, Value>;

fn by_id(objects: impl IntoIterator<Item = Value>) -> Objects {
    let mut found = Objects::new();
    for object in objects {
        let id = Id::of(&object).unwrap();
        assert!(found.insert(id.clone(), object).is_none(), "{id} twice");
    }
    found
}

fn assert_same(built: &Objects, expected: &Objects, what: &str) {
    for (id, object) in expected {
        let found = built.get(id).unwrap_or_else(|| panic!("{what}: {id} is not built"));
        if found != object {
            let (found, object) = (pretty(found), pretty(object));
            let diff = similar::TextDiff::from_lines(&object, &found).unified_diff().to_string();
            panic!("{what}: {id} is not what was rendered (-), but (+)\n{diff}");
        }
    }
    let more: Vec<String> = built.keys().filter(|id| !expected.contains_key(id)).map(Id::to_string).collect();
    assert!(more.is_empty(), "{what}: nobody rendered {more:?}");
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Every folder with a kustomization.
fn kustomizations(tree: &Tree) -> Vec<TreePath> {
    let files = tree.iter().filter(|(path, _)| path.name() == "kustomization.yaml");
    files.filter_map(|(path, _)| path.parent()).collect()
}

#[test]
fn kustomize_builds_what_was_rendered() {
    let tools = wanted_tools();
    for sample in all() {
        let tree = sample.tree();
        let deployed = sample.deployed();
        let out = tempfile::tempdir().unwrap();
        write(&tree, out.path());
        let folders = kustomizations(&tree);
        for folder in deployed.keys() {
            assert!(folders.contains(folder), "{}: {folder} has no kustomization", sample.name);
        }
        for folder in &folders {
            let what = format!("{}: {folder}", sample.name);
            for tool in &tools {
                let built = by_id(build(tool, &out.path().join(folder.as_str())));
                match deployed.get(folder) {
                    Some(expected) => assert_same(&built, &by_id(expected.clone()), &what),
                    None => assert!(folder.name() == "base" || folder.as_str() == "argocd", "{what}"),
                }
            }
        }
    }
}

#[test]
fn the_model_of_kustomize_builds_what_was_rendered() {
    for sample in all() {
        assert_model_builds(&sample, &sample.name);
    }
}

fn assert_model_builds(sample: &Sample, what: &str) {
    let tree = sample.tree();
    let mut overlays = 0;
    for (folder, expected) in sample.deployed() {
        if folder.as_str().contains("/overlays/") {
            let built = by_id(model_build(&tree, &folder));
            assert_same(&built, &by_id(expected), &format!("{what}: {folder}"));
            overlays += 1;
        }
    }
    assert!(overlays > 0, "{what} has no overlay");
}

/// An inventory whose environments are random. Those with findings are left out.
fn random_environments(base: &Sample, count: usize, dice: &mut Dice) -> (Value, usize) {
    let mut inventory = base.value();
    inventory["allow"] = json!([{ "rule": "sqlite-on-network-storage", "on": "*", "reason": "made up" }]);
    inventory["environments"] = json!({});
    let (mut kept, mut tried) = (Map::new(), 0);
    while kept.len() < count && tried < 12 * count {
        tried += 1;
        let name = format!("r{}", kept.len());
        let environment = environment(&inventory, &format!("-{name}"), dice);
        inventory["environments"] = json!({ (name.as_str()): environment });
        if sound(&inventory) {
            kept.insert(name, environment);
        }
    }
    inventory["environments"] = Value::Object(kept);
    (inventory, tried)
}

fn sound(inventory: &Value) -> bool {
    !bayplan::check(&as_yaml("random", inventory).inputs()).diagnostics.has_errors()
}

/// JSON is YAML.
pub fn as_yaml(name: &str, inventory: &Value) -> Sample {
    Sample::new(name, "inventory.yaml", format!("{inventory:#}\n"))
}

const RANDOM_BASES: [&str; 4] = ["many-environments", "reference", "dual-gitops", "workloads"];

#[test]
fn random_environments_are_built_as_rendered() {
    let tools = wanted_tools();
    let mut dice = Dice(20_260_203);
    for base in RANDOM_BASES {
        let (inventory, _) = random_environments(&named(base), 10, &mut dice);
        let sample = as_yaml(base, &inventory);
        let tree = sample.tree_despite_warnings();
        let out = tempfile::tempdir().unwrap();
        write(&tree, out.path());
        let deployed: Vec<(TreePath, Vec<Value>)> = sample
            .deployed()
            .into_iter()
            .filter(|(folder, _)| folder.as_str().contains("/overlays/"))
            .collect();
        assert!(deployed.len() >= 8, "{base}: {} overlays", deployed.len());
        let folders: Vec<String> = deployed.iter().map(|(folder, _)| folder.to_string()).collect();
        let all = json!({ "resources": folders });
        std::fs::write(out.path().join("kustomization.yaml"), all.to_string()).unwrap();
        let expected = by_id(deployed.into_iter().flat_map(|(_, objects)| objects));
        for tool in &tools {
            assert_same(&by_id(build(tool, out.path())), &expected, base);
        }
    }
}

#[test]
fn many_random_environments_are_modelled_as_rendered() {
    let mut dice = Dice(20_260_204);
    for base in RANDOM_BASES {
        let (inventory, tried) = random_environments(&named(base), 40, &mut dice);
        let kept = inventory["environments"].as_object().unwrap().len();
        assert!(kept == 40, "{base}: only {kept} of {tried} random environments are sound");
        let sample = as_yaml(base, &inventory);
        let tree = sample.tree_despite_warnings();
        for (folder, expected) in sample.deployed() {
            if folder.as_str().contains("/overlays/") {
                let built = by_id(model_build(&tree, &folder));
                assert_same(&built, &by_id(expected), &format!("{base}: {folder}"));
            }
        }
    }
}

/// What kustomize makes of a folder, as far as our trees use it.
fn model_build(tree: &Tree, folder: &TreePath) -> Vec<Value> {
    let kustomization = &read(tree, folder, "kustomization.yaml")[0];
    let mut objects = Vec::new();
    for resource in kustomization["resources"].as_array().unwrap() {
        let resource = resource.as_str().unwrap();
        match resource.ends_with(".yaml") {
            true => objects.extend(read(tree, folder, resource)),
            false => objects.extend(model_build(tree, &resolved(folder, resource))),
        }
    }
    for patch in kustomization.get("patches").and_then(Value::as_array).into_iter().flatten() {
        apply_entry(tree, folder, patch, &mut objects);
    }
    if let Some(namespace) = kustomization.get("namespace") {
        objects.iter_mut().for_each(|object| put_into(object, namespace));
    }
    objects
}

fn read(tree: &Tree, folder: &TreePath, name: &str) -> Vec<Value> {
    let path = folder.join(name).unwrap();
    read_documents(tree.get(&path).unwrap_or_else(|| panic!("no {path}"))).unwrap()
}

fn resolved(folder: &TreePath, relative: &str) -> TreePath {
    let mut path = PathBuf::from(folder.as_str());
    for step in Path::new(relative) {
        match step == ".." {
            true => path = path.parent().unwrap().to_owned(),
            false => path.push(step),
        }
    }
    TreePath::parse(path.to_str().unwrap()).unwrap()
}

fn put_into(object: &mut Value, namespace: &Value) {
    match object["kind"].as_str() {
        Some("Namespace") => object["metadata"]["name"] = namespace.clone(),
        Some("PersistentVolume" | "ClusterRole" | "ClusterRoleBinding") => {}
        _ => object["metadata"]["namespace"] = namespace.clone(),
    }
}

/// One entry of `patches`.
fn apply_entry(tree: &Tree, folder: &TreePath, entry: &Value, objects: &mut Vec<Value>) {
    let documents = match (&entry["path"], &entry["patch"]) {
        (Value::String(path), _) => read(tree, folder, path),
        (_, Value::String(text)) => read_documents(text).unwrap(),
        _ => panic!("a patch without content: {entry}"),
    };
    for document in documents {
        let target = entry.get("target").unwrap_or(&document);
        let at = objects.iter().position(|object| is_target(target, object));
        let at = at.unwrap_or_else(|| panic!("{folder}: nothing to patch with {entry}"));
        match &document {
            Value::Array(operations) => operations.iter().for_each(|one| operate(&mut objects[at], one)),
            patch => match apply(&objects[at], patch).unwrap() {
                Some(patched) => objects[at] = patched,
                None => drop(objects.remove(at)),
            },
        }
    }
}

/// A patch's own identity, or the group, kind and name of a `target`.
fn is_target(target: &Value, object: &Value) -> bool {
    let id = Id::of(object).unwrap();
    match Id::of(target) {
        Some(wanted) => wanted == id,
        None => {
            let name = target["name"].as_str().unwrap().replace("\\.", ".");
            target["kind"] == id.kind
                && name == id.name
                && target.get("group").is_none_or(|group| *group == id.group)
        }
    }
}

/// One operation of RFC 6902.
fn operate(object: &mut Value, operation: &Value) {
    let path = operation["path"].as_str().unwrap();
    let (parent, last) = path.rsplit_once('/').unwrap();
    let last = last.replace("~1", "/").replace("~0", "~");
    let value = operation.get("value").cloned();
    match (object.pointer_mut(parent).unwrap(), operation["op"].as_str().unwrap(), value) {
        (Value::Object(map), "add" | "replace", Some(value)) => drop(map.insert(last, value)),
        (Value::Object(map), "remove", None) => drop(map.shift_remove(&last).unwrap()),
        (Value::Array(list), "replace", Some(value)) => list[last.parse::<usize>().unwrap()] = value,
        (Value::Array(list), "add", Some(value)) if last == "-" => list.push(value),
        (Value::Array(list), "add", Some(value)) => list.insert(last.parse().unwrap(), value),
        (Value::Array(list), "remove", None) => drop(list.remove(last.parse().unwrap())),
        _ => panic!("cannot do {operation}"),
    }
}

/// What an environment says of a table is laid over the defaults, key by key; a volume or a probe is replaced.
#[test]
fn an_environment_says_only_what_differs() {
    let deployed = named("many-environments").deployed();
    let find = |folder: &str, kind: &str, name: &str| {
        let objects = &deployed[&TreePath::parse(folder).unwrap()];
        objects.iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == name).unwrap().clone()
    };
    let staging = find("apps/app/overlays/staging", "Deployment", "web");
    let resources = &staging["spec"]["template"]["spec"]["containers"][0]["resources"];
    let expected = json!({
        "requests": { "cpu": "500m", "memory": "256Mi" },
        "limits": { "cpu": "1", "memory": "512Mi" },
    });
    assert_eq!(resources, &expected);
    let resolver = find("apps/app/overlays/staging", "Service", "resolver");
    let udp = &resolver["spec"]["ports"][2];
    let expected = json!({ "name": "dns-udp", "port": 53, "targetPort": 5354, "protocol": "UDP" });
    assert_eq!(udp, &expected);
    let files = find("apps/app/overlays/anna", "PersistentVolume", "app-anna-files");
    assert_eq!(
        (&files["spec"]["capacity"]["storage"], &files["spec"]["nfs"]["path"]),
        (&json!("1Ti"), &json!("/tests"))
    );
    let web = find("apps/app/overlays/anna", "Deployment", "web");
    let probe = &web["spec"]["template"]["spec"]["containers"][0]["readinessProbe"];
    assert_eq!((&probe["tcpSocket"]["port"], probe.get("httpGet")), (&json!("http"), None));
}
