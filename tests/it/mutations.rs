//! Single faults in templates and in files that people wrote: how many are reported, and at the right line. Every
//! fault is one line of one file. `MUTATIONS=all cargo test --test it mutations -- --nocapture` makes all of them;
//! otherwise it is every so manieth.

use std::collections::{BTreeMap, BTreeSet};

use bayplan::Inputs;
use bayplan::check::manifests::HandWritten;
use bayplan::diagnostic::Diagnostics;
use bayplan::object::emit::emit;
use bayplan::object::read::read_documents;
use bayplan::object::{Id, Value};
use bayplan::source::{FileId, Source};
use bayplan::template::builtin::BUILTIN;
use bayplan::tree::{Tree, TreePath};
use rayon::prelude::{IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};

use crate::inventories::{Sample, all, report};

/// One fault.
#[derive(Clone, Debug)]
struct Mutation {
    /// What sort of fault.
    sort: &'static str,
    /// The line that it is in, from 0.
    line: usize,
    /// The lines where it may be told, from 1: its own, or those of what lacks it.
    lines: (usize, usize),
    /// The key of the line.
    key: String,
    /// The whole text with the fault.
    text: String,
}

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Nothing is made of that line in any inventory.
    NotRendered,
    /// Nobody said a word.
    Missed,
    /// It was reported, at another place.
    Elsewhere,
    /// It was reported where it is.
    Right,
}

/// A line `key: value` of a YAML text or a template.
struct Line<'t> {
    number: usize,
    /// The column of its key.
    column: usize,
    /// What stands before the key: spaces, and a dash if it begins an element.
    head: &'t str,
    key: &'t str,
    value: &'t str,
    /// The keys above it, the nearest first.
    above: Vec<&'t str>,
    /// The line of the nearest, and of the one above that.
    parent: usize,
    grandparent: usize,
    /// The kind of the object, if the text says it.
    kind: &'t str,
}

/// Maps whose keys are free.
const FREE: &[&str] = &[
    "annotations",
    "capacity",
    "config",
    "data",
    "default",
    "defaultRequest",
    "encryptedData",
    "eventMetadata",
    "exclude",
    "generators",
    "goTemplateOptions",
    "hard",
    "labels",
    "limits",
    "matchLabels",
    "nodeSelector",
    "parameters",
    "provider",
    "requests",
    "spec.selector",
    "stringData",
    "substitute",
    "template.data",
    "values",
    "valuesObject",
    "headers",
    "customRequestHeaders",
    "customResponseHeaders",
    "config.yaml",
    "matchers",
    "rateLimits",
];

/// What an object or an element cannot be without: the key above, and the key.
const REQUIRED: &[(&str, &str)] = &[
    ("containers", "name"),
    ("containers", "image"),
    ("initContainers", "name"),
    ("ports", "containerPort"),
    ("paths", "pathType"),
    ("volumeMounts", "mountPath"),
    ("volumeMounts", "name"),
    ("env", "name"),
    ("volumes", "name"),
    ("persistentVolumeClaim", "claimName"),
    ("nfs", "server"),
    ("nfs", "path"),
    ("hostPath", "path"),
    ("sourceRef", "kind"),
    ("sourceRef", "name"),
    ("issuerRef", "name"),
    ("parentRefs", "name"),
    ("roleRef", "name"),
    ("secretKeyRef", "key"),
    ("configMapKeyRef", "key"),
    ("imageRepositoryRef", "name"),
    ("providerRef", "name"),
    ("httpGet", "port"),
    ("tcpSocket", "port"),
    ("scaleTargetRef", "kind"),
    ("scaleTargetRef", "name"),
    ("csi", "driver"),
    ("storage", "accessModes"),
];

/// What a whole kind cannot be without, in its `spec`.
const REQUIRED_OF_KIND: &[(&str, &str)] = &[
    ("Certificate", "secretName"),
    ("Kustomization", "interval"),
    ("Kustomization", "prune"),
    ("HelmRelease", "interval"),
    ("GitRepository", "url"),
    ("GitRepository", "interval"),
    ("CronJob", "schedule"),
    ("HorizontalPodAutoscaler", "maxReplicas"),
    ("Application", "project"),
    ("Alert", "eventSources"),
    ("Provider", "type"),
    ("Gateway", "gatewayClassName"),
    ("IPAddressPool", "addresses"),
    ("Receiver", "type"),
    ("BGPPeer", "myASN"),
    ("StatefulSet", "selector"),
    ("Deployment", "selector"),
];

/// Keys that allow a few words only.
const WORDS: &[(&str, &str)] = &[
    ("ports", "protocol"),
    ("paths", "pathType"),
    ("strategy", "type"),
    ("updateStrategy", "type"),
    ("tolerations", "operator"),
    ("tolerations", "effect"),
    ("sourceRef", "kind"),
    ("spec", "concurrencyPolicy"),
    ("spec", "externalTrafficPolicy"),
    ("spec", "ipFamilyPolicy"),
    ("spec", "restartPolicy"),
    ("spec", "dnsPolicy"),
    ("containers", "imagePullPolicy"),
    ("spec", "persistentVolumeReclaimPolicy"),
    ("seccompProfile", "type"),
    ("provider", "type"),
    ("decryption", "provider"),
    ("spec", "copyMethod"),
    ("restic", "copyMethod"),
    ("rclone", "copyMethod"),
    ("reclaimPolicy", ""),
    ("volumeBindingMode", ""),
    ("spec", "deletionPolicy"),
    ("metric", "type"),
    ("httpGet", "scheme"),
    ("emptyDir", "medium"),
    ("namespaces", "from"),
    ("target", "creationPolicy"),
    ("spec", "eventSeverity"),
    ("privateKey", "algorithm"),
    ("privateKey", "rotationPolicy"),
    ("spec", "type"),
];

/// Keys that name another object.
const NAMES: &[(&str, &str)] = &[
    ("configMap", "name"),
    ("secret", "secretName"),
    ("persistentVolumeClaim", "claimName"),
    ("configMapKeyRef", "name"),
    ("secretKeyRef", "name"),
    ("secretKeyRef", "key"),
    ("configMapRef", "name"),
    ("secretRef", "name"),
    ("spec", "serviceAccountName"),
    ("imagePullSecrets", "name"),
    ("ports", "targetPort"),
    ("service", "name"),
    ("services", "name"),
    ("services", "port"),
    ("backendRefs", "name"),
    ("backendRefs", "port"),
    ("middlewares", "name"),
    ("sourceRef", "name"),
    ("dependsOn", "name"),
    ("providerRef", "name"),
    ("imageRepositoryRef", "name"),
    ("spec", "sourcePVC"),
    ("spec", "serviceName"),
    ("scaleTargetRef", "name"),
    ("selector", ""),
    ("endpoints", "port"),
    ("httpGet", "port"),
    ("tcpSocket", "port"),
    ("tls", "secretName"),
    ("issuerRef", "name"),
    ("parentRefs", "name"),
    ("secretStoreRef", "name"),
    ("spec", "bfdProfile"),
    ("spec", "path"),
    ("source", "path"),
    ("spec", "project"),
    ("roleRef", "name"),
    ("subjects", "name"),
    ("number", ""),
];

/// The lines `key: value` of a text, those of block texts and of the template language left out.
fn lines(text: &str) -> Vec<Line<'_>> {
    let mut found: Vec<Line<'_>> = Vec::new();
    let mut open: Vec<(usize, &str, usize)> = Vec::new();
    let (mut block, mut kind, mut comment) = (None, "", false);
    for (number, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        comment = comment || bare.starts_with("{#");
        if comment {
            comment = !bare.contains("#}");
            continue;
        }
        if bare.is_empty() || bare.starts_with("{%") || bare.starts_with('#') {
            continue;
        }
        if block.is_some_and(|column| indent > column) {
            continue;
        }
        block = None;
        if bare.starts_with("---") {
            (kind, open) = ("", Vec::new());
            continue;
        }
        let dash = if bare.starts_with("- ") { 2 } else { 0 };
        let column = indent + dash;
        let Some((key, value)) = bare[dash..].split_once(':') else { continue };
        if !key.chars().all(|letter| letter.is_ascii_alphanumeric() || "./-_".contains(letter))
            || !(value.is_empty() || value.starts_with(' '))
            || key.is_empty()
        {
            continue;
        }
        let value = value.trim();
        if column == 0 && key == "apiVersion" {
            kind = "";
        }
        if column == 0 && key == "kind" {
            kind = value;
        }
        open.retain(|(other, _, _)| *other < column);
        let above: Vec<&str> = open.iter().rev().map(|(_, key, _)| *key).collect();
        let upwards = |steps: usize| open.iter().rev().nth(steps).map_or(0, |(_, _, at)| *at);
        let (parent, grandparent) = (upwards(0), upwards(1));
        if value.starts_with('|') || value.starts_with('>') {
            block = Some(indent);
        }
        found.push(Line {
            number,
            column,
            head: &line[..column],
            key,
            value,
            above,
            parent,
            grandparent,
            kind,
        });
        open.push((column, key, number));
    }
    found
}

impl Line<'_> {
    fn is_free(&self) -> bool {
        let above = &self.above;
        let selector =
            above.first() == Some(&"selector") && self.key != "matchLabels" && self.key != "matchExpressions";
        selector || above.iter().any(|key| FREE.contains(key))
    }

    fn is(&self, list: &[(&str, &str)]) -> bool {
        let parent = self.above.first().copied().unwrap_or_default();
        list.iter().any(|(above, key)| {
            (*above == parent && (key.is_empty() || *key == self.key))
                || (key.is_empty() && *above == self.key)
        })
    }

    fn is_scalar(&self) -> bool {
        let value = self.value;
        !value.is_empty() && !value.starts_with(['|', '>', '{', '[', '&', '*']) || value.starts_with("{{")
    }
}

/// Every fault that can be made in a text.
fn mutations(text: &str) -> Vec<Mutation> {
    let all: Vec<&str> = text.lines().collect();
    let mut made = Vec::new();
    for line in lines(text) {
        let mut add = |sort: &'static str, with: String, missing: bool| {
            let mut changed = all.clone();
            changed[line.number] = &with;
            let last = (line.number + 1..all.len())
                .find(|at| {
                    let bare = all[*at].trim_start();
                    !bare.is_empty()
                        && !bare.starts_with("{%")
                        && all[*at].len() - bare.len() + 2 <= line.column
                })
                .unwrap_or(all.len());
            // What a selector does not choose is told of the selector.
            let first =
                if ["matchLabels", "selector"].contains(&line.above.first().copied().unwrap_or_default()) {
                    line.parent + 1
                } else {
                    line.number + 1
                };
            // A map without members is none.
            let is_only = |at: &usize| all[*at].trim_start().starts_with("{%") || *at == line.parent;
            let alone = (line.parent..line.number).all(|at| is_only(&at))
                && all.get(line.number + 1).is_none_or(|next| {
                    next.len() - next.trim_start().len() < line.column || next.trim_start().starts_with("{%")
                });
            let above = if alone { line.grandparent } else { line.parent };
            let lines = if missing { (above + 1, last) } else { (first, line.number + 1) };
            let text = changed.join("\n") + "\n";
            made.push(Mutation { sort, line: line.number, lines, key: line.key.to_owned(), text });
        };
        let Line { head, key, value, .. } = line;
        match (line.column, key) {
            (0, "apiVersion") if !value.contains('{') => {
                let group = value.rsplit_once('/').map_or(String::new(), |(group, _)| format!("{group}/"));
                add("wrong apiVersion", format!("apiVersion: {group}v9"), false);
                if ["policy/v1", "batch/v1", "networking.k8s.io/v1", "apps/v1"].contains(&value) {
                    add("apiVersion of old", format!("apiVersion: {value}beta1"), false);
                }
                continue;
            }
            (0, "kind") if !value.contains('{') && value.len() > 5 => {
                add("wrong kind", format!("kind: {}{}", &value[..3], &value[4..]), false);
                continue;
            }
            (0, _) => continue,
            _ => {}
        }
        let of_pods =
            line.above.starts_with(&["matchLabels", "selector", "spec"]) && !line.kind.contains("Policy");
        let named = line.is(NAMES) && (key != "serviceAccountName" || line.above.contains(&"template"));
        let of_selector = line.above.len() > 1 && line.above[0] == "selector";
        if (named || of_pods) && line.is_scalar() && (!of_selector || line.kind == "Service") {
            let number = value.parse::<u32>().is_ok();
            let with = match key {
                "path" => format!("{head}{key}: {}/of-nothing", value.trim_matches('"')),
                _ if number => format!("{head}{key}: 64999"),
                _ => format!("{head}{key}: name-of-nothing"),
            };
            if key != "path" || line.kind == "Kustomization" || line.kind == "Application" {
                add("dangling reference", with, false);
            }
        }
        if line.is_free() {
            continue;
        }
        if key.len() > 4 && key.chars().all(|letter| letter.is_ascii_alphabetic()) {
            let middle = key.len() / 2;
            add("typo in a field", format!("{head}{}{}: {value}", &key[..middle], &key[middle + 1..]), false);
        }
        if line.is_scalar() {
            add("wrong type", format!("{head}{key}: {{wrong: [type]}}"), false);
        }
        let own = line.above == ["spec"] && REQUIRED_OF_KIND.contains(&(line.kind, key));
        let has_default = line.kind == "ImageUpdateAutomation" && key == "kind";
        if line.is_scalar() && (own || line.is(REQUIRED)) && !has_default {
            add("missing field", head.trim_end().to_owned(), true);
        }
        let of_argocd = line.kind == "ApplicationSet";
        if line.is_scalar() && line.is(WORDS) && !of_argocd {
            add("bad word", format!("{head}{key}: Wrongly"), false);
        }
    }
    made
}

/// As many of each sort as there is time for, spread over all; `MUTATIONS=all` leaves none out.
fn some<T>(all: Vec<T>, sort: impl Fn(&T) -> &'static str) -> Vec<T> {
    let mut sorts: BTreeMap<&str, Vec<T>> = BTreeMap::new();
    for one in all {
        sorts.entry(sort(&one)).or_default().push(one);
    }
    let step = |number: usize| if std::env::var_os("MUTATIONS").is_some() { 1 } else { number.div_ceil(50) };
    sorts
        .into_values()
        .flat_map(|list| {
            let step = step(list.len());
            list.into_iter().step_by(step)
        })
        .collect()
}

/// An inventory and the tree it makes.
struct Clean {
    sample: Sample,
    tree: Tree,
    text: String,
}

fn clean() -> Vec<Clean> {
    let samples: Vec<Sample> =
        all().into_iter().filter(|sample| sample.name != "many-environments").collect();
    let render = |sample: Sample| {
        // Nothing is reported for what has no fault.
        let tree = sample.tree();
        let text = tree.iter().map(|(_, content)| content.to_string()).collect();
        Clean { sample, tree, text }
    };
    let mut clean: Vec<Clean> = samples.into_par_iter().map(render).collect();
    clean.sort_by_key(|one| one.text.len());
    clean
}

/// What is said of a run, and whether its tree is still the same.
fn outcome(one: &Clean, mut inputs: Inputs, file: FileId, mutation: &Mutation) -> Outcome {
    let show = std::env::var_os("SHOW").is_some();
    let run = bayplan::compile(&mut inputs);
    if run.diagnostics.is_empty() {
        let same = run.value.is_some_and(|tree| tree.iter().eq(one.tree.iter()));
        return if same { Outcome::NotRendered } else { Outcome::Missed };
    }
    match is_at(&inputs, &run.diagnostics, file, mutation) {
        true => Outcome::Right,
        false => {
            if show {
                println!("{} {:?}\n{}", mutation.sort, mutation.lines, report(&inputs, &run.diagnostics));
            }
            Outcome::Elsewhere
        }
    }
}

fn is_at(inputs: &Inputs, found: &Diagnostics, file: FileId, mutation: &Mutation) -> bool {
    let source = inputs.sources.get(file);
    let (first, last) = mutation.lines;
    found.iter().flat_map(|one| &one.labels).filter(|label| label.span.file == file).any(|label| {
        let line = source.position(label.span.start).line;
        (first..=last).contains(&line)
    })
}

/// The best that any inventory has to say of a faulty template: the first in which its line makes anything.
fn of_template(clean: &[Clean], path: &str, mutation: &Mutation) -> (Outcome, String) {
    let key = format!("{}:", mutation.key);
    let fitting = clean.iter().filter(|one| one.text.contains(&key));
    for one in fitting {
        let mut inputs = one.sample.inputs();
        let file = inputs.sources.add(Source::new(format!("templates/{path}"), mutation.text.clone()));
        inputs.templates.push((TreePath::parse(path).unwrap(), file));
        let outcome = outcome(one, inputs, file, mutation);
        if outcome != Outcome::NotRendered {
            return (outcome, one.sample.name.clone());
        }
    }
    (Outcome::NotRendered, String::new())
}

/// Objects of the trees under names of their own, as people might put them beside: one of each kind, the smallest
/// tree that has one first, and the longest of that tree.
fn hand_written(clean: &[Clean]) -> Vec<(&Clean, String, String)> {
    let mut known = BTreeSet::new();
    let mut files = Vec::new();
    for one in clean {
        let mut here: BTreeMap<(String, String), (String, Value)> = BTreeMap::new();
        for (path, content) in one.tree.iter().filter(|(path, _)| is_plain(path.as_str())) {
            for object in read_documents(content).unwrap_or_default() {
                let Some(id) = Id::of(&object).filter(|id| id.kind != "Namespace") else { continue };
                let folder = path.parent().map_or(String::new(), |folder| folder.to_string());
                let longest =
                    here.entry((id.group, id.kind)).or_insert_with(|| (folder.clone(), object.clone()));
                if longest.1.to_string().len() < object.to_string().len() {
                    *longest = (folder, object);
                }
            }
        }
        for (kind, (folder, mut object)) in here {
            if !known.contains(&kind) {
                let name = format!("{}-mine", object["metadata"]["name"].as_str().unwrap());
                object["metadata"]["name"] = name.into();
                let (path, text) = (format!("{folder}/mine.yaml"), emit(&object));
                // A base is for every environment, and one may be without what the object names.
                let (mut inputs, _) = beside(one, &path, &text);
                if bayplan::compile(&mut inputs).diagnostics.is_empty() {
                    known.insert(kind);
                    files.push((one, path, text));
                }
            }
        }
    }
    files
}

/// Whether a file holds whole objects and nothing else.
fn is_plain(path: &str) -> bool {
    path.ends_with(".yaml") && !path.ends_with("kustomization.yaml") && !path.ends_with(".patch.yaml")
}

fn beside(one: &Clean, path: &str, text: &str) -> (Inputs, FileId) {
    let mut inputs = one.sample.inputs();
    let file = inputs.sources.add(Source::new(format!("out/{path}"), text.to_owned()));
    inputs.hand_written.push(HandWritten { path: TreePath::parse(path).unwrap(), file });
    (inputs, file)
}

/// How many of each sort were told where they are; fails if they are too few.
fn counted(what: &str, least: usize, outcomes: &[(Outcome, &Mutation, String)]) {
    let mut sorts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut wrong = String::new();
    for (outcome, mutation, place) in outcomes.iter().filter(|one| one.0 != Outcome::NotRendered) {
        let (right, all) = sorts.entry(mutation.sort).or_default();
        *all += 1;
        *right += usize::from(*outcome == Outcome::Right);
        if *outcome != Outcome::Right {
            let line = mutation.text.lines().nth(mutation.line).unwrap_or_default().trim();
            wrong.push_str(&format!(
                "{outcome:?}: {} at {place}:{}: {line}\n",
                mutation.sort,
                mutation.line + 1
            ));
        }
    }
    let right: usize = sorts.values().map(|(right, _)| right).sum();
    let all: usize = sorts.values().map(|(_, all)| all).sum();
    println!("{what}: {right} of {all} faults reported where they are\n{sorts:#?}\n{wrong}");
    assert!(all >= least, "{what}: only {all} faults are made");
    assert!(right * 100 >= all * 95, "{what}: {right} of {all}\n{sorts:#?}\n{wrong}");
}

#[test]
fn faults_in_templates_are_reported_at_their_line() {
    let clean = clean();
    let all: Vec<(&str, Mutation)> = BUILTIN
        .iter()
        .filter(|(path, _)| {
            path.contains(".yaml.") || path.rsplit('/').next().is_some_and(|name| name.starts_with('_'))
        })
        .flat_map(|(path, text)| mutations(text).into_iter().map(move |mutation| (*path, mutation)))
        .collect();
    let chosen = some(all, |(_, mutation)| mutation.sort);
    let outcomes: Vec<(Outcome, &Mutation, String)> = chosen
        .par_iter()
        .map(|(path, mutation)| {
            let (outcome, inventory) = of_template(&clean, path, mutation);
            (outcome, mutation, format!("{path} ({inventory})"))
        })
        .collect();
    counted("templates", 150, &outcomes);
}

#[test]
fn faults_in_hand_written_files_are_reported_at_their_line() {
    let clean = clean();
    let files = hand_written(&clean);
    assert!(files.len() >= 40, "{} kinds", files.len());
    let all: Vec<(&(&Clean, String, String), Mutation)> = files
        .iter()
        .flat_map(|file| mutations(&file.2).into_iter().map(move |mutation| (file, mutation)))
        .collect();
    let chosen = some(all, |(_, mutation)| mutation.sort);
    let outcomes: Vec<(Outcome, &Mutation, String)> = chosen
        .par_iter()
        .map(|((one, path, _), mutation)| {
            let (inputs, file) = beside(one, path, &mutation.text);
            (outcome(one, inputs, file, mutation), mutation, format!("{path} ({})", one.sample.name))
        })
        .collect();
    counted("hand-written files", 150, &outcomes);
}
