//! Patches against the real kustomize: what it builds must be what was meant.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bayplan::object::emit::{emit, emit_documents};
use bayplan::object::order::tidy;
use bayplan::object::patch::{Patch, deletion, difference};
use bayplan::object::read::read_documents;
use bayplan::object::{Id, Value};
use serde_json::json;

#[path = "support/objects.rs"]
mod objects;

use objects::{Dice, edited, objects};

/// Each makes about twenty objects.
const ROUNDS: u64 = 25;

/// The commands that build a folder, as far as they are there.
fn tools() -> Vec<Vec<PathBuf>> {
    let variable = std::env::var_os("KUSTOMIZE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join("go/bin/kustomize"));
    let kustomize = [variable, Some("kustomize".into()), home];
    let builds =
        kustomize.into_iter().flatten().find(|tool| runs(tool)).map(|tool| vec![tool, "build".into()]);
    let kubectl = runs(Path::new("kubectl")).then(|| vec!["kubectl".into(), "kustomize".into()]);
    builds.into_iter().chain(kubectl).collect()
}

fn runs(tool: &Path) -> bool {
    Command::new(tool).arg("help").output().is_ok_and(|output| output.status.success())
}

/// The tools; none, and a word about it, if the user asked to do without.
fn wanted_tools() -> Vec<Vec<PathBuf>> {
    let tools = tools();
    if tools.is_empty() {
        let skip = std::env::var_os("BAYPLAN_SKIP_KUSTOMIZE").is_some();
        assert!(
            skip,
            "neither kustomize nor kubectl found: install one (`go install sigs.k8s.io/kustomize/kustomize/v5@latest`), \
             name it in $KUSTOMIZE, or set BAYPLAN_SKIP_KUSTOMIZE=1"
        );
        println!("skipped: neither kustomize nor kubectl found");
    }
    tools
}

fn build(tool: &[PathBuf], folder: &Path) -> BTreeMap<Id, Value> {
    let output = Command::new(&tool[0]).args(&tool[1..]).arg(folder).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool:?}: {errors}");
    assert_eq!(errors, "", "{tool:?} has something to say");
    let documents = read_documents(&String::from_utf8(output.stdout).unwrap()).unwrap();
    documents.into_iter().map(|object| (Id::of(&object).unwrap(), object)).collect()
}

/// A base and an overlay in namespace `dev` that turns each first object into the second, or into none.
fn write(folder: &Path, pairs: &[(Value, Option<Value>)]) {
    let bases: Vec<&Value> = pairs.iter().map(|(base, _)| base).collect();
    let mut merges = Vec::new();
    let mut patches = Vec::new();
    for (base, target) in pairs {
        match target.as_ref().map(|target| difference(base, target)) {
            None => patches.push(json!({"patch": emit(&deletion(base))})),
            Some(None) => {}
            Some(Some(Patch::Strategic(patch))) => merges.push(patch),
            Some(Some(Patch::Json6902(operations))) => {
                let id = Id::of(base).unwrap();
                let target = json!({"group": id.group, "kind": id.kind, "name": id.name});
                patches.push(json!({"target": target, "patch": emit(&Value::from(operations))}));
            }
        }
    }
    if !merges.is_empty() {
        patches.insert(0, json!({"path": "merges.yaml"}));
    }
    let (base, overlay) = (folder.join("base"), folder.join("overlay"));
    fs::create_dir_all(&base).unwrap();
    fs::create_dir_all(&overlay).unwrap();
    fs::write(base.join("objects.yaml"), emit_documents(&bases)).unwrap();
    fs::write(base.join("kustomization.yaml"), emit(&json!({"resources": ["objects.yaml"]}))).unwrap();
    fs::write(overlay.join("merges.yaml"), emit_documents(&merges.iter().collect::<Vec<_>>())).unwrap();
    let kustomization = json!({"namespace": "dev", "resources": ["../base"], "patches": patches});
    fs::write(overlay.join("kustomization.yaml"), emit(&kustomization)).unwrap();
}

fn assert_builds(pairs: &[(Value, Option<Value>)]) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), pairs);
    for tool in wanted_tools() {
        let built = build(&tool, &folder.path().join("overlay"));
        let mut expected = 0;
        for (base, target) in pairs {
            let Some(target) = target else { continue };
            let mut target = target.clone();
            target["metadata"]["namespace"] = json!("dev");
            let id = Id::of(&target).unwrap();
            let patch = difference(base, &tidy(target.clone()));
            assert_eq!(built.get(&id), Some(&target), "{tool:?}, {id}: {patch:#?}");
            expected += 1;
        }
        assert_eq!(built.len(), expected, "{tool:?} built objects that should be gone");
    }
}

#[test]
fn kustomize_builds_what_was_meant() {
    let mut dice = Dice::new(20_260_101);
    let mut pairs = Vec::new();
    for round in 0..ROUNDS {
        for base in objects(&format!("o{round}")) {
            let base = tidy(base);
            let target = tidy(edited(&base, &mut dice));
            let deleted = pairs.len() % 23 == 7;
            pairs.push((base, (!deleted).then_some(target)));
        }
    }
    assert_builds(&pairs);
}
