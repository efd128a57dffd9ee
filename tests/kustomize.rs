//! Patches against the real kustomize: what it builds must be what was meant.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bayplan::object::emit::{emit, emit_documents, unsafe_text};
use bayplan::object::merge::apply;
use bayplan::object::order::tidy;
use bayplan::object::patch::{Patch, deletion, difference};
use bayplan::object::{Id, Value};
use serde_json::json;

#[path = "support/kustomize.rs"]
mod kustomize;
#[path = "support/objects.rs"]
mod objects;

use kustomize::{build, wanted_tools};
use objects::{Dice, edited, objects};

/// Each makes about twenty objects.
const ROUNDS: u64 = 15;

/// One object of the base, how the overlay changes it, and what it should be then.
struct Case {
    base: Value,
    patch: Change,
    expected: Option<Value>,
}

enum Change {
    Nothing,
    Patch(Patch),
    Deletion,
}

/// A base, and an overlay in namespace `dev` with the patches.
fn write(folder: &Path, cases: &[Case]) {
    let mut merges = Vec::new();
    let mut patches = Vec::new();
    for Case { base, patch, .. } in cases {
        match patch {
            Change::Nothing => {}
            Change::Deletion => patches.push(json!({"patch": emit(&deletion(base))})),
            Change::Patch(Patch::Strategic(patch)) => merges.push(patch),
            Change::Patch(Patch::Json6902(operations)) => {
                let id = Id::of(base).unwrap();
                let target = json!({"group": id.group, "kind": id.kind, "name": id.name});
                patches.push(json!({"target": target, "patch": emit(&Value::from(operations.clone()))}));
            }
        }
    }
    patches.insert(0, json!({"path": "merges.yaml"}));
    let (base, overlay) = (folder.join("base"), folder.join("overlay"));
    fs::create_dir_all(&base).unwrap();
    fs::create_dir_all(&overlay).unwrap();
    let bases: Vec<&Value> = cases.iter().map(|case| &case.base).collect();
    fs::write(base.join("objects.yaml"), emit_documents(&bases)).unwrap();
    fs::write(base.join("kustomization.yaml"), emit(&json!({"resources": ["objects.yaml"]}))).unwrap();
    fs::write(overlay.join("merges.yaml"), emit_documents(&merges)).unwrap();
    let kustomization = json!({"namespace": "dev", "resources": ["../base"], "patches": patches});
    fs::write(overlay.join("kustomization.yaml"), emit(&kustomization)).unwrap();
}

fn assert_builds(cases: &[Case]) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), cases);
    for tool in wanted_tools() {
        let built: BTreeMap<Id, Value> = build(&tool, &folder.path().join("overlay"))
            .into_iter()
            .map(|object| (Id::of(&object).unwrap(), object))
            .collect();
        let mut expected = 0;
        for Case { base, patch, expected: target } in cases {
            let Some(target) = target else { continue };
            let mut target = target.clone();
            target["metadata"]["namespace"] = json!("dev");
            let found = Id::of(&target).and_then(|id| built.get(&id));
            let patch = match patch {
                Change::Patch(Patch::Strategic(patch)) => emit(patch),
                _ => String::new(),
            };
            assert_eq!(found, Some(&target), "{tool:?}:\n{}---\n{patch}", emit(base));
            expected += 1;
        }
        assert_eq!(built.len(), expected, "{tool:?} built objects that should be gone");
    }
}

#[test]
fn kustomize_builds_what_was_meant() {
    let mut dice = Dice::new(20_260_101);
    let mut cases = Vec::new();
    for round in 0..ROUNDS {
        for base in objects(&format!("o{round}")) {
            let base = tidy(base);
            let target = tidy(edited(&base, &mut dice));
            let deleted = cases.len() % 23 == 7;
            let patch = match difference(&base, &target) {
                _ if deleted => Change::Deletion,
                None => Change::Nothing,
                Some(patch) => Change::Patch(patch),
            };
            cases.push(Case { base, patch, expected: (!deleted).then_some(target) });
        }
    }
    assert_builds(&cases);
}

/// Every text that the inventory lets through. Kustomize writes some of them plain, which Kubernetes
/// takes for the text that was meant, but our reader does not: those are left out.
#[test]
fn hazards_come_through_kustomize() {
    const EXOTIC: [&str; 7] = ["1e400", "nULL", "tRUE", "yEs", "oN", "a\u{2028}b", "a\u{2029}b"];
    let hazards: Vec<String> = serde_json::from_str(include_str!("data/yaml-hazards.json")).unwrap();
    let safe = |text: &&String| unsafe_text(text).is_none() && !EXOTIC.contains(&text.as_str());
    let texts: BTreeMap<String, &String> =
        hazards.iter().filter(safe).enumerate().map(|(index, text)| (format!("k{index}"), text)).collect();
    let map = |name: &str, data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data});
    let base = map("plain", json!(texts));
    let (before, after) = (map("patched", json!({"x": "1"})), map("patched", json!(texts)));
    let patch = Change::Patch(difference(&before, &after).unwrap());
    assert_builds(&[
        Case { expected: Some(base.clone()), base, patch: Change::Nothing },
        Case { base: before, patch, expected: Some(after) },
    ]);
}

/// Patches on objects that they were not made for, such as a person's.
#[test]
fn the_model_of_kustomize_is_true() {
    let mut dice = Dice::new(20_260_102);
    let mut cases = Vec::new();
    for round in 0..ROUNDS {
        for object in objects(&format!("o{round}")) {
            let object = tidy(object);
            let base = tidy(edited(&object, &mut dice));
            let Some(patch @ Patch::Strategic(_)) = difference(&object, &tidy(edited(&object, &mut dice)))
            else {
                continue;
            };
            let Patch::Strategic(merge) = &patch else { continue };
            let Ok(expected) = apply(&base, merge) else { continue };
            cases.push(Case { base, patch: Change::Patch(patch), expected });
        }
    }
    assert_builds(&cases);
}
