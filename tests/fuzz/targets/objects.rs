//! Values and objects: what is written is read as it was meant, and a patch makes of its base what it should.

use std::sync::LazyLock;

use bayplan::object::Value;
use bayplan::object::emit::{emit, unsafe_key};
use bayplan::object::merge::apply;
use bayplan::object::order::tidy;
use bayplan::object::patch::{Patch, deletion, difference};
use bayplan::object::read::read_documents;
use serde_json::{Map, Number, json};

use super::{Target, lines, yaml11};
use crate::dice::Decisions;
use crate::trail::Trail;

#[path = "../../support/objects.rs"]
mod homelab;

static HAZARDS: LazyLock<Vec<String>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../data/yaml-hazards.json")).unwrap());

/// Any bytes are decisions, so these are only a beginning.
fn decisions() -> Vec<Vec<u8>> {
    let mut seeds =
        lines(&["", "a", "yes\nno", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]);
    seeds.extend((0..40u8).map(|seed| {
        (0..200u8).map(|at| at.wrapping_mul(seed.wrapping_add(7)).rotate_left(3) ^ seed).collect()
    }));
    seeds
}

pub const EMITTER: Target = Target {
    name: "emitter",
    short: 500,
    longest: 4000,
    seeds: decisions,
    words: &[
        "yes",
        "0x1",
        "12:30",
        ": ",
        " #",
        "- ",
        "\n",
        "\t",
        "|",
        ">",
        "'",
        "\"",
        "\\",
        "1e3",
        "2024-01-01",
        "<<",
        "~",
        "null",
    ],
    run: emitter,
};

fn emitter(input: &[u8], trail: &mut Trail) {
    let mut from = Decisions(input);
    let value = tree(&mut from, 0, &texts);
    let written = emit(&value);
    let ours = read_documents(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
    let expected: Vec<&Value> = Some(&value).filter(|value| !value.is_null()).into_iter().collect();
    assert_eq!(
        ours.iter().collect::<Vec<_>>(),
        expected,
        "a reader of YAML 1.2 with kubectl's typing reads\n{written}"
    );
    let other: Value = serde_yaml::from_str(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
    assert_eq!(other, value, "libyaml reads\n{written}");
    each_scalar(&value, trail);
}

/// How a scalar is written does not depend on where it stands, but for a block's indentation.
fn each_scalar(value: &Value, trail: &mut Trail) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| each_scalar(value, trail)),
        Value::Object(map) => {
            for (key, value) in map {
                let written = emit(&json!({ key: 1 }));
                let written = written.strip_suffix(": 1\n").unwrap_or_else(|| panic!("{written}"));
                assert!(written.starts_with('"') || yaml11::is_text(written), "the key {written}");
                each_scalar(value, trail);
            }
        }
        Value::String(text) => {
            let written = emit(&json!({ "k": text }));
            let written = written
                .strip_prefix("k: ")
                .and_then(|rest| rest.strip_suffix('\n'))
                .unwrap_or_else(|| panic!("{written}"));
            let style = written.chars().next().filter(|first| matches!(first, '"' | '|'));
            trail.note("style", &format!("{style:?}"));
            assert!(style.is_some() || yaml11::is_text(written), "the text {written}");
        }
        Value::Number(number) => {
            let written = emit(value);
            assert!(yaml11::is_number(written.trim_end()), "the number {number} is written {written}");
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// Texts that readers disagree on, and texts of the input's own.
fn texts(from: &mut Decisions<'_>) -> String {
    match from.below(4) {
        0 => from.pick(&HAZARDS).clone(),
        1 => from.text(),
        2 => format!("{}{}", from.pick(&HAZARDS), from.text()),
        _ => format!("{}\n{}", from.text(), from.text()),
    }
}

fn number(from: &mut Decisions<'_>) -> Value {
    match from.below(4) {
        0 => json!(from.byte()),
        1 => json!(from.number() as i64),
        2 => json!(from.number()),
        _ => Number::from_f64(f64::from_bits(from.number())).map_or(Value::Null, Value::Number),
    }
}

fn tree(from: &mut Decisions<'_>, depth: usize, texts: &dyn Fn(&mut Decisions<'_>) -> String) -> Value {
    let deepest = if from.below(64) == 1 { 60 } else { 5 };
    match from.below(12) {
        0 => Value::Null,
        1 => json!(from.below(2) == 0),
        2 => number(from),
        3..6 if depth < deepest => {
            Value::Array((0..from.below(5)).map(|_| tree(from, depth + 1, texts)).collect())
        }
        6..10 if depth < deepest => {
            let entry = |from: &mut Decisions<'_>| {
                let key = texts(from);
                let key = if unsafe_key(&key).is_some() { "safe".to_owned() } else { key };
                (key, tree(from, depth + 1, texts))
            };
            Value::Object((0..from.below(6)).map(|_| entry(from)).collect())
        }
        _ => json!(texts(from)),
    }
}

pub const DIFFERENCES: Target =
    Target { name: "differences", short: 300, longest: 4000, seeds: decisions, words: &[], run: differences };

/// Words that mean something to a merge, so that lists get merge keys, and keys directives.
const KEYS: &[&str] = &[
    "containers",
    "initContainers",
    "name",
    "image",
    "env",
    "value",
    "valueFrom",
    "ports",
    "containerPort",
    "port",
    "protocol",
    "hostPort",
    "volumeMounts",
    "mountPath",
    "volumes",
    "volumeDevices",
    "devicePath",
    "template",
    "spec",
    "metadata",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "uid",
    "tolerations",
    "imagePullSecrets",
    "hostAliases",
    "ip",
    "topologySpreadConstraints",
    "topologyKey",
    "subsets",
    "addresses",
    "data",
    "rules",
    "args",
    "command",
    "$patch",
    "$retainKeys",
    "$setElementOrder/ports",
    "$deleteFromPrimitiveList/finalizers",
    "strategy",
    "rollingUpdate",
    "type",
    "status",
    "conditions",
    "values",
    "",
    "a/b",
    "a~b",
    "resources",
    "claims",
    "secrets",
    "schedulingGates",
    "resourceClaims",
    "clusterIPs",
    "ephemeralContainers",
];

const WORDS: &[&str] =
    &["a", "b", "TCP", "UDP", "delete", "replace", "merge", "keep", "web", "", "80", "null", "~"];

const KINDS: &[(&str, &str)] = &[
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("v1", "Service"),
    ("v1", "Pod"),
    ("v1", "ConfigMap"),
    ("batch/v1", "CronJob"),
    ("v1", "Namespace"),
    ("v1", "ServiceAccount"),
    ("networking.k8s.io/v1", "Ingress"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("helm.toolkit.fluxcd.io/v2", "HelmRelease"),
    ("traefik.io/v1alpha1", "IngressRoute"),
    ("example.com/v1", "Thing"),
    ("v1", "PersistentVolume"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
];

fn differences(input: &[u8], trail: &mut Trail) {
    let mut from = Decisions(input);
    let (base, target) = match from.below(3) {
        0 => edited(&mut from),
        1 => {
            let (version, kind) = *from.pick(KINDS);
            (object(version, kind, &mut from), object(version, kind, &mut from))
        }
        _ => {
            let (version, kind) = *from.pick(KINDS);
            let base = object(version, kind, &mut from);
            let mut target = base.clone();
            for _ in 0..=from.below(4) {
                edit(&mut target, &mut from, 0);
            }
            (base, target)
        }
    };
    let (base, target) = (tidy(base), tidy(target));
    assert_eq!(apply(&base, &deletion(&base)), Ok(None));
    match difference(&base, &target) {
        None => assert_eq!(base, target),
        Some(Patch::Strategic(patch)) => {
            trail.note(
                "patch",
                &emit(&patch).chars().filter(|c| !c.is_ascii_digit()).take(60).collect::<String>(),
            );
            assert_eq!(apply(&base, &patch), Ok(Some(target)), "of {base}\nby {patch}");
        }
        Some(Patch::Json6902(operations)) => {
            trail.note("operations", &"x".repeat(operations.len().min(20)));
            assert_eq!(operated(base.clone(), &operations), target, "of {base}\nby {operations:?}");
        }
    }
}

/// An object as people have them, and what random edits make of it.
fn edited(from: &mut Decisions<'_>) -> (Value, Value) {
    let objects = homelab::objects("web");
    let base = from.pick(&objects).clone();
    let target = homelab::edited(&base, &mut homelab::Dice::new(from.number()));
    (base, target)
}

fn object(version: &str, kind: &str, from: &mut Decisions<'_>) -> Value {
    let mut object =
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": "web", "namespace": "media"}});
    let key = *from.pick(&["spec", "spec", "spec", "data", "subjects", "template"]);
    object[key] = tree(from, 0, &words);
    // What lists with merge keys are in, often enough.
    let pod = tree(from, 1, &words);
    match from.below(4) {
        0 => object["spec"] = pod,
        1 => object["spec"] = json!({"template": {"spec": pod}}),
        2 => {
            object["spec"] =
                json!({"template": {"spec": {"containers": named(from), "volumes": named(from)}}});
        }
        _ => {}
    }
    object
}

/// A list whose elements may have merge keys: some of them, or one twice.
fn named(from: &mut Decisions<'_>) -> Value {
    let list = (0..from.below(5)).map(|_| {
        let mut element = tree(from, 3, &words);
        if let (Some(map), true) = (element.as_object_mut(), from.below(5) > 0) {
            map.insert(
                (*from.pick(&["name", "containerPort", "mountPath", "port"])).to_owned(),
                json!(from.pick(WORDS)),
            );
        }
        element
    });
    Value::Array(list.collect())
}

fn words(from: &mut Decisions<'_>) -> String {
    match from.below(3) {
        0 => (*from.pick(WORDS)).to_owned(),
        _ => (*from.pick(KEYS)).to_owned(),
    }
}

fn edit(value: &mut Value, from: &mut Decisions<'_>, depth: usize) {
    match value {
        Value::Object(map) => edit_map(map, from, depth),
        Value::Array(list) => {
            let at = from.below(list.len());
            match from.below(6) {
                0 if !list.is_empty() => drop(list.remove(at)),
                1 => list.insert(at, tree(from, 3, &words)),
                2 => list.reverse(),
                3 if !list.is_empty() => list.push(list[at].clone()),
                _ if !list.is_empty() => edit(&mut list[at], from, depth + 1),
                _ => {}
            }
        }
        other => *other = tree(from, 3, &words),
    }
}

fn edit_map(map: &mut Map<String, Value>, from: &mut Decisions<'_>, depth: usize) {
    let keys: Vec<String> = map
        .keys()
        .filter(|key| depth > 0 || !["apiVersion", "kind", "metadata"].contains(&key.as_str()))
        .cloned()
        .collect();
    match from.below(6) {
        0 => drop(map.insert(words(from), tree(from, 3, &words))),
        1 if !keys.is_empty() && depth > 0 => drop(map.shift_remove(from.pick(&keys))),
        _ if !keys.is_empty() => edit(&mut map[from.pick(&keys)], from, depth + 1),
        _ => {}
    }
}

/// RFC 6902, as far as patches use it.
fn operated(mut object: Value, operations: &[Value]) -> Value {
    for operation in operations {
        let path = operation["path"].as_str().unwrap();
        let (above, last) = path.rsplit_once('/').unwrap();
        let last = last.replace("~1", "/").replace("~0", "~");
        let place = object.pointer_mut(above).unwrap();
        let value = operation.get("value").cloned();
        match (operation["op"].as_str().unwrap(), place) {
            ("add", Value::Object(map)) => assert!(map.insert(last, value.unwrap()).is_none()),
            ("replace", Value::Object(map)) => assert!(map.insert(last, value.unwrap()).is_some()),
            ("remove", Value::Object(map)) => assert!(map.shift_remove(&last).is_some()),
            ("replace", Value::Array(list)) => list[last.parse::<usize>().unwrap()] = value.unwrap(),
            (other, place) => panic!("{other} at {path} in {place}"),
        }
    }
    object
}
