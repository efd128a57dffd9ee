//! What turns one object into another: the patches of an overlay.
//!
//! A patch is small where kustomize lets it be. It is tried on [`crate::object::merge`]'s model of
//! kustomize before it is handed out; what does not come out exactly, order of lists included, is
//! said in a form that does.

use serde_json::json;

use crate::object::merge::{Kind, LONGEST_LIST, Type, apply_at, element_keys, makes, type_of};
use crate::object::{Map, Value, api_version};

/// How an overlay changes one object.
#[derive(Clone, Debug, PartialEq)]
pub enum Patch {
    /// A partial object, with the identity of the one it changes. Needs no `target`.
    Strategic(Value),
    /// Operations of RFC 6902, for what a strategic merge cannot say: a map that becomes a list, a
    /// null, keyed lists with one key twice. The kustomization has to name the `target`.
    Json6902(Vec<Value>),
}

/// The patch that makes `kustomize build` turn `base` into `target`; `None` if they are equal.
///
/// Both must be the same object: `apiVersion`, `kind`, name and namespace are not compared. They
/// should have been tidied ([`crate::object::order::tidy`]) and hold no null outside chart values.
pub fn difference(base: &Value, target: &Value) -> Option<Patch> {
    if base == target {
        return None;
    }
    // Nearly every patch is right at once, and the proof of the whole is the proof of its parts.
    let patch = strategic(base, target, Lists::Trusted).or_else(|| strategic(base, target, Lists::Proved));
    Some(match patch {
        Some(patch) => Patch::Strategic(patch),
        None => Patch::Json6902(operations(base, target)),
    })
}

/// Whether a list's patch is tried on its own before the object's is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lists {
    Trusted,
    Proved,
}

/// The patch that removes `base` in an overlay.
///
/// One document for each entry of `patches`: kustomize 5.5 crashes when a patch file goes on after
/// a document that deletes.
pub fn deletion(base: &Value) -> Value {
    let mut patch = identity(base);
    patch.insert("$patch".to_owned(), json!("delete"));
    Value::Object(patch)
}

fn strategic(base: &Value, target: &Value, lists: Lists) -> Option<Value> {
    let of = type_of(api_version(base)?, base.get("kind")?.as_str()?);
    if of.is_some() && base.get("status") != target.get("status") {
        // Conditions and the like have merge keys that the model leaves out.
        return None;
    }
    let mut patch = identity(base);
    for (key, value) in map_difference(base.as_object()?, target.as_object()?, of, lists)? {
        match (patch.get_mut(&key), value) {
            (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
            (_, value) => drop(patch.insert(key, value)),
        }
    }
    let patch = Value::Object(patch);
    makes(base, &patch, target).then_some(patch)
}

/// What kustomize needs to find the object.
fn identity(base: &Value) -> Map {
    let pick = |from: &Value, keys: &[&str]| -> Map {
        let member = |key: &&str| Some(((*key).to_owned(), from.get(key)?.clone()));
        keys.iter().filter_map(member).collect()
    };
    let mut identity = pick(base, &["apiVersion", "kind"]);
    let metadata = base.get("metadata").map(|metadata| pick(metadata, &["name", "namespace"]));
    identity.insert("metadata".to_owned(), Value::Object(metadata.unwrap_or_default()));
    identity
}

/// The members that change, those that go as nulls. `None` if a merge cannot say it.
fn map_difference(base: &Map, target: &Map, of: Option<&'static Type>, lists: Lists) -> Option<Map> {
    let mut patch = Map::new();
    for (key, value) in target {
        let kind = of.and_then(|of| of.field(key));
        match base.get(key) {
            Some(old) if old == value => {}
            Some(old) => drop(patch.insert(key.clone(), member_difference(old, value, kind, lists)?)),
            None => drop(patch.insert(key.clone(), value.clone())),
        }
    }
    let gone = base.keys().filter(|key| !target.contains_key(*key));
    patch.extend(gone.map(|key| (key.clone(), Value::Null)));
    Some(patch)
}

fn member_difference(base: &Value, target: &Value, kind: Option<Kind>, lists: Lists) -> Option<Value> {
    match (base, target) {
        (Value::Object(base), Value::Object(target)) => {
            let of = match kind {
                Some(Kind::Map(of)) => Some(of),
                _ => None,
            };
            map_difference(base, target, of, lists).map(Value::Object)
        }
        (Value::Array(base), Value::Array(target)) => list_difference(base, target, kind, lists),
        (Value::Object(_) | Value::Array(_), _) | (_, Value::Object(_) | Value::Array(_)) => {
            base.is_null().then(|| target.clone())
        }
        (_, Value::Null) => None,
        (_, scalar) => Some(scalar.clone()),
    }
}

/// Lists without merge keys are replaced. Of the others only what changes is said, as long as the
/// order comes out right; failing that, the new list stands whole behind `$patch: replace`.
fn list_difference(base: &[Value], target: &[Value], kind: Option<Kind>, lists: Lists) -> Option<Value> {
    let Some(kind @ (Kind::Keyed(..) | Kind::Set)) = kind else {
        return Some(Value::from(target));
    };
    if base.len().max(target.len()) > LONGEST_LIST {
        return None;
    }
    let exact = |patch: &Value| {
        let made = apply_at(&Value::from(base), patch, kind);
        made.is_ok_and(|made| made.as_ref().and_then(Value::as_array).is_some_and(|made| made == target))
    };
    let merged = match kind {
        Kind::Keyed(keys, of) => keyed_difference(base, target, keys, of, lists),
        _ => None,
    };
    if lists == Lists::Trusted && merged.is_some() {
        return merged;
    }
    merged.filter(|patch| exact(patch)).or_else(|| Some(replacement(target)).filter(|patch| exact(patch)))
}

fn replacement(target: &[Value]) -> Value {
    let directive = json!({"$patch": "replace"});
    std::iter::once(directive).chain(target.iter().cloned()).collect()
}

/// The elements that change, then those that go. Kustomize puts patched elements first, so those
/// before the last change are named, too, by their keys alone.
fn keyed_difference(
    base: &[Value],
    target: &[Value],
    keys: &[&str],
    of: &'static Type,
    lists: Lists,
) -> Option<Value> {
    let old = element_keys(base, keys);
    let new = element_keys(target, keys);
    let find = |key: &Vec<String>| old.iter().position(|old| old == key);
    let stay = unchanged_tail(base, target, &new.iter().map(find).collect::<Vec<_>>());
    let in_place = keys.len() > 1;
    let mut patch = Vec::new();
    for (element, key) in target.iter().zip(&new).take(target.len() - stay) {
        match find(key).map(|at| &base[at]) {
            Some(old) if in_place && old == element => {}
            Some(old) => patch.push(element_difference(old, element, keys, of, lists)?),
            None => patch.push(element.clone()),
        }
    }
    for (element, key) in base.iter().zip(&old).filter(|(_, key)| !new.contains(key)) {
        // A key that the element lacks would be missing in the patch, which then means another one.
        let mut gone = merge_key(element, keys).filter(|_| key.iter().any(|value| !value.is_empty()))?;
        gone.insert("$patch".to_owned(), json!("delete"));
        patch.push(Value::Object(gone));
    }
    Some(Value::Array(patch))
}

/// How many elements at the end of `target` are as in `base`, in the order of `base`.
fn unchanged_tail(base: &[Value], target: &[Value], places: &[Option<usize>]) -> usize {
    let mut bound = base.len();
    let stays = |(element, place): &(&Value, &Option<usize>)| match place {
        Some(at) if *at < bound && base[*at] == **element => {
            bound = *at;
            true
        }
        _ => false,
    };
    target.iter().zip(places).rev().take_while(stays).count()
}

fn element_difference(
    base: &Value,
    target: &Value,
    keys: &[&str],
    of: &'static Type,
    lists: Lists,
) -> Option<Value> {
    let mut patch = merge_key(target, keys)?;
    patch.extend(map_difference(base.as_object()?, target.as_object()?, Some(of), lists)?);
    Some(Value::Object(patch))
}

fn merge_key(element: &Value, keys: &[&str]) -> Option<Map> {
    let element = element.as_object()?;
    Some(keys.iter().filter_map(|key| Some(((*key).to_owned(), element.get(*key)?.clone()))).collect())
}

/// RFC 6902 operations that turn `base` into `target`.
fn operations(base: &Value, target: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    add_operations(&mut found, &mut String::new(), base, target);
    found
}

fn add_operations(found: &mut Vec<Value>, path: &mut String, base: &Value, target: &Value) {
    match (base, target) {
        _ if base == target => {}
        (Value::Object(base), Value::Object(target)) => {
            for key in base.keys().filter(|key| !target.contains_key(*key)) {
                within(path, key, |path| found.push(json!({"op": "remove", "path": path})));
            }
            for (key, value) in target {
                within(path, key, |path| match base.get(key) {
                    Some(old) => add_operations(found, path, old, value),
                    None => found.push(json!({"op": "add", "path": path, "value": value})),
                });
            }
        }
        (Value::Array(base), Value::Array(target)) if base.len() == target.len() => {
            for (index, (old, value)) in base.iter().zip(target).enumerate() {
                within(path, &index.to_string(), |path| add_operations(found, path, old, value));
            }
        }
        _ => found.push(json!({"op": "replace", "path": path, "value": target})),
    }
}

/// Runs `then` with one more step on the path, escaped as RFC 6901 asks.
fn within(path: &mut String, step: &str, then: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push('/');
    path.push_str(&step.replace('~', "~0").replace('/', "~1"));
    then(path);
    path.truncate(length);
}

#[cfg(test)]
#[path = "../../tests/support/objects.rs"]
mod objects;

#[cfg(test)]
mod tests {
    use super::objects::{Dice, edited, objects};
    use super::{Patch, deletion, difference};
    use crate::object::Value;
    use crate::object::emit::emit;
    use crate::object::merge::{apply, makes};
    use crate::object::order::tidy;
    use proptest::prelude::{any, proptest};
    use serde_json::json;

    fn edit(kind: &str, change: impl FnOnce(&mut Value)) -> (Value, Value) {
        let base = objects("web").into_iter().find(|object| object["kind"] == kind).unwrap();
        let mut target = base.clone();
        change(&mut target);
        (base, target)
    }

    fn strategic(kind: &str, change: impl FnOnce(&mut Value)) -> String {
        let (base, target) = edit(kind, change);
        match difference(&base, &target) {
            Some(Patch::Strategic(patch)) => {
                assert_eq!(apply(&base, &patch).unwrap().unwrap(), target);
                emit(&patch)
            }
            other => panic!("{other:?}"),
        }
    }

    const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n";

    #[test]
    fn equal_objects_have_no_difference() {
        let (base, target) = edit("Deployment", |_| ());
        assert_eq!(difference(&base, &target), None);
    }

    #[test]
    fn ordinary_changes_are_small() {
        let replicas = strategic("Deployment", |web| web["spec"]["replicas"] = json!(3));
        assert_eq!(replicas, format!("{DEPLOYMENT}spec:\n  replicas: 3\n"));
        let pod = "spec:\n  template:\n    spec:\n      containers:\n        - name: web\n          ";
        let image = strategic("Deployment", |web| {
            web["spec"]["template"]["spec"]["containers"][0]["image"] = json!("nginx:1.28");
        });
        assert_eq!(image, format!("{DEPLOYMENT}{pod}image: nginx:1.28\n"));
        let env = strategic("Deployment", |web| {
            web["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = json!("UTC");
        });
        assert_eq!(env, format!("{DEPLOYMENT}{pod}env:\n            - name: TZ\n              value: UTC\n"));
        let address = strategic("Service", |web| {
            web["metadata"]["annotations"]["metallb.io/loadBalancerIPs"] = json!("10.69.1.205");
        });
        let expected = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  annotations:\n    metallb.io/loadBalancerIPs: 10.69.1.205\n";
        assert_eq!(address, expected);
    }

    #[test]
    fn elements_before_a_change_are_named_to_keep_their_places() {
        let env = strategic("Deployment", |web| {
            web["spec"]["template"]["spec"]["containers"][0]["env"][1]["value"] = json!("0");
        });
        assert!(
            env.ends_with(
                "env:\n            - name: TZ\n            - name: PUID\n              value: \"0\"\n"
            ),
            "{env}"
        );
    }

    #[test]
    fn ports_of_two_protocols_change_in_place() {
        let udp = strategic("Service", |web| web["spec"]["ports"][2]["nodePort"] = json!(30000));
        assert!(
            udp.ends_with("spec:\n  ports:\n    - port: 6881\n      protocol: UDP\n      nodePort: 30000\n"),
            "{udp}"
        );
    }

    #[test]
    fn what_goes_is_said_to_go() {
        let strategy = strategic("Deployment", |web| web["spec"]["strategy"] = json!({"type": "Recreate"}));
        assert_eq!(
            strategy,
            format!("{DEPLOYMENT}spec:\n  strategy:\n    type: Recreate\n    rollingUpdate: null\n")
        );
        let volume = strategic("Deployment", |web| {
            web["spec"]["template"]["spec"]["volumes"][0] = json!({"name": "data", "emptyDir": {}});
        });
        assert!(
            volume.ends_with("- name: data\n          emptyDir: {}\n          persistentVolumeClaim: null\n"),
            "{volume}"
        );
        let token = strategic("Deployment", |web| {
            web["spec"]["template"]["spec"]["containers"][0]["env"].as_array_mut().unwrap().pop();
        });
        assert!(
            token.ends_with("env:\n            - name: TOKEN\n              $patch: delete\n"),
            "{token}"
        );
    }

    #[test]
    fn what_a_merge_cannot_say_becomes_operations() {
        let (base, target) = edit("IngressRoute", |route| route["spec"]["tls"] = json!(["a/b"]));
        let expected = json!({"op": "replace", "path": "/spec/tls", "value": ["a/b"]});
        assert_eq!(difference(&base, &target), Some(Patch::Json6902(vec![expected])));
        let (base, target) = edit("HelmRelease", |release| {
            release["spec"]["values"]["a~/b"] = json!(null);
            release["spec"]["values"]["list"][1] = json!(2);
        });
        let expected = vec![
            json!({"op": "replace", "path": "/spec/values/list/1", "value": 2}),
            json!({"op": "add", "path": "/spec/values/a~0~1b", "value": null}),
        ];
        assert_eq!(difference(&base, &target), Some(Patch::Json6902(expected)));
    }

    #[test]
    fn a_deletion_names_the_object() {
        let mut service = edit("Service", |_| ()).0;
        service["metadata"]["namespace"] = json!("media");
        let expected =
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: media\n$patch: delete\n";
        assert_eq!(emit(&deletion(&service)), expected);
        assert_eq!(apply(&service, &deletion(&service)), Ok(None));
    }

    proptest! {
        #[test]
        fn a_proof_says_what_a_merge_makes(seed in any::<u64>()) {
            let mut dice = Dice::new(seed);
            for base in objects("web") {
                let (patch, other) = (edited(&base, &mut dice), edited(&base, &mut dice));
                for target in [apply(&base, &patch).ok().flatten(), Some(other)].into_iter().flatten() {
                    let made = apply(&base, &patch);
                    assert_eq!(makes(&base, &patch, &target), made == Ok(Some(target)), "{base} {patch}");
                }
            }
        }

        #[test]
        fn a_difference_turns_one_into_the_other(seed in any::<u64>()) {
            let mut dice = Dice::new(seed);
            for base in objects("web") {
                let target = tidy(edited(&base, &mut dice));
                match difference(&tidy(base.clone()), &target) {
                    Some(Patch::Strategic(patch)) => assert_eq!(apply(&base, &patch).unwrap().unwrap(), target),
                    Some(Patch::Json6902(operations)) => assert!(!operations.is_empty()),
                    None => assert_eq!(base, target),
                }
            }
        }

        #[test]
        fn any_two_values_have_a_difference(one in any::<u64>(), other in any::<u64>()) {
            let (mut one, mut other) = (Dice::new(one), Dice::new(other));
            for (base, target) in objects("a").iter().zip(objects("b").iter().rev()) {
                let (base, target) = (edited(base, &mut one), edited(target, &mut other));
                assert!(difference(&base, &target).is_some());
            }
        }
    }
}
