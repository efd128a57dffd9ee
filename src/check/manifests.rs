//! What people put into the tree by hand: read, so that kustomize does not fail on it and no secret stands in it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::de::IgnoredAny;

use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::model::images::is_image;
use crate::object::path::{Path, Step};
use crate::object::read::read_documents;
use crate::object::{Id, Value};
use crate::source::{FileId, Source, Span, Spanned};
use crate::tree::TreePath;

codes! { Security:
    /// Whoever reads the repository reads the secret.
    SECRET_IN_CLEAR_TEXT = ("secret-in-clear-text", Error, "a Secret stands in the tree in clear text");
    /// kustomize would fail on it.
    UNREADABLE_MANIFEST = ("unreadable-manifest", Warning, "a YAML or JSON file beside the rendered ones cannot be read, and is left out");
}

/// How many values all manifests of people may hold together: each takes some 200 bytes while a run goes on.
const MOST_VALUES: usize = 2_000_000;

/// A file that a person put into the tree.
#[derive(Clone, Debug)]
pub struct HandWritten {
    /// Its path below the output folder.
    pub path: TreePath,
    /// Its text.
    pub file: FileId,
}

/// A file in the tree that a person put there, and whose text is not known.
#[derive(Clone, Debug)]
pub struct Unread {
    /// Where it is, as a text without content.
    pub file: FileId,
    /// Its path below the output folder; one of a folder ends in a slash.
    pub path: String,
    /// Why, in words that follow its name.
    pub reason: &'static str,
}

/// A hand-written file that was read.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its path below the output folder.
    pub path: TreePath,
    /// The file.
    pub file: FileId,
    /// Its text.
    pub text: Arc<str>,
    /// What it holds: its documents, and of a List what is in it.
    pub documents: Vec<Value>,
    /// Where each of them stands: in which document of the file, and the way to it there.
    pub places: Vec<(usize, Path)>,
}

impl Manifest {
    /// Whether a kustomization can list it.
    pub fn is_listed(&self) -> bool {
        !is_kustomization(self.path.name())
            && !self.documents.is_empty()
            && self.documents.iter().all(|document| Id::of(document).is_some())
    }
}

/// The names that kustomize looks for.
pub fn is_kustomization(name: &str) -> bool {
    ["kustomization.yaml", "kustomization.yml", "Kustomization"].contains(&name)
}

/// The YAML and JSON among hand-written files. Reports Secrets in clear text (a
/// SOPS-encrypted one is none, and a SealedSecret is no Secret) and YAML that cannot be read. No report shows what
/// stands in the file of a Secret.
pub fn manifests<'f>(
    files: impl Iterator<Item = (&'f HandWritten, &'f Source)>,
    found: &mut Diagnostics,
) -> Vec<Manifest> {
    let mut read = Vec::new();
    let mut count = 0;
    for (file, source) in files.filter(|(file, _)| is_manifest(file.path.name())) {
        match read_documents(&source.text) {
            // JSON may be anything; what is no manifest is nobody's business.
            Ok(documents)
                if is_json(file.path.name()) && documents.iter().all(|one| Id::of(one).is_none()) => {}
            Ok(documents) => {
                count += documents.iter().map(values).sum::<usize>();
                if count > MOST_VALUES {
                    found.push(too_many(file));
                    break;
                }
                let (documents, places) = without_lists(documents);
                report_secrets(file, source, &documents, found);
                read.push(Manifest {
                    path: file.path.clone(),
                    file: file.file,
                    text: Arc::clone(&source.text),
                    documents,
                    places,
                });
            }
            Err(_) if is_json(file.path.name()) && is_data(&source.text) => {}
            Err(error) => {
                let line = source.line_start(error.line);
                let form = if is_json(file.path.name()) { "JSON" } else { "YAML" };
                let message =
                    format!("`{}` is not {form} that Kubernetes takes: {}", file.path, error.message);
                found.push(
                    UNREADABLE_MANIFEST
                        .at(Span::new(file.file, line..line), "", message)
                        .help("mend it, or move it out of the tree; no kustomization lists it as it is"),
                );
                found.hide(Span::new(file.file, 0..source.text.len()));
            }
        }
    }
    read
}

/// Reports manifests whose text is not known: nobody could tell what is in them.
pub fn report_unread(files: &[Unread], found: &mut Diagnostics) {
    let matters = |file: &&Unread| {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        // In a folder there may be any.
        name.is_empty() || is_manifest(name)
    };
    for Unread { file, path, reason } in files.iter().filter(matters) {
        let message = format!("`{path}` {reason}, so nothing in it is checked and no kustomization lists it");
        found.push(
            UNREADABLE_MANIFEST
                .at(Span::new(*file, 0..0), "", message)
                .help("mend or split it, or move it out of the tree"),
        );
    }
}

/// JSON that is sound, and no manifest: nobody reads it as one.
fn is_data(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok() && !text.contains("\"apiVersion\"")
}

/// Objects with what is in Lists in place of the Lists, as kustomize reads them, and where each stands.
fn without_lists(documents: Vec<Value>) -> (Vec<Value>, Vec<(usize, Path)>) {
    let mut objects = Vec::with_capacity(documents.len());
    for (number, document) in documents.into_iter().enumerate() {
        unpack(document, (number, Path::default()), &mut objects);
    }
    objects.into_iter().unzip()
}

/// A List may hold Lists; nesting is bounded by the reader.
fn unpack(mut object: Value, (document, path): (usize, Path), objects: &mut Vec<(Value, (usize, Path))>) {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    // What SOPS has encrypted as a whole says so beside its items.
    let is_list =
        kind.ends_with("List") && object.get("apiVersion").is_some() && object.get("sops").is_none();
    let items = object.get_mut("items").filter(|_| is_list).and_then(Value::as_array_mut).map(std::mem::take);
    let Some(items) = items else { return objects.push((object, (document, path))) };
    for (index, item) in items.into_iter().enumerate() {
        let mut way = path.clone();
        way.0.extend([Step::Key("items".to_owned()), Step::Index(index)]);
        unpack(item, (document, way), objects);
    }
}

fn too_many(file: &HandWritten) -> Diagnostic {
    let message = format!(
        "the limit of {MOST_VALUES} values in all manifests of people is exceeded with `{}`: it and what follows are not read",
        file.path
    );
    UNREADABLE_MANIFEST
        .at(Span::new(file.file, 0..0), "", message)
        .help("move what is so large out of the tree")
}

/// How many scalars, lists and maps a value is made of.
fn values(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(values).sum::<usize>(),
        Value::Object(entries) => entries.values().map(values).sum(),
        _ => 0,
    }
}

/// What Flux wrote last: the image of each service. Nothing of a file that cannot be read, which is reported.
pub fn image_updates(
    source: &Source,
    file: FileId,
    found: &mut Diagnostics,
) -> BTreeMap<String, Spanned<String>> {
    let documents = match read_documents(&source.text) {
        Ok(documents) => documents,
        Err(error) => {
            let message = format!("`{}` is not YAML that Kubernetes takes: {}", source.path, error.message);
            found.push(
                UNREADABLE_MANIFEST.at(Span::new(file, 0..0), "", message).help("mend it, or delete it"),
            );
            return BTreeMap::new();
        }
    };
    let data = documents.first().and_then(|document| document.get("data")).and_then(Value::as_object);
    let lines = entries(&source.text);
    let images = data.into_iter().flatten().filter_map(|(name, image)| {
        let image = image.as_str().filter(|image| is_image(image))?;
        let line = lines.get(name.as_str()).cloned().unwrap_or_default();
        Some((name.clone(), Spanned::new(image.to_owned(), Span::new(file, line))))
    });
    images.collect()
}

/// Where the lines stand that give a key a value, by the key: one look at the text for all of them.
fn entries(text: &str) -> BTreeMap<&str, Range<usize>> {
    let mut found = BTreeMap::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if let Some((key, _)) = line.strip_prefix("  ").and_then(|entry| entry.split_once(':')) {
            found.entry(key).or_insert(start + 2..start + line.trim_end_matches('\n').len());
        }
        start += line.len();
    }
    found
}

fn is_manifest(name: &str) -> bool {
    is_yaml(name) || is_json(name)
}

/// Files that begin with a dot are somebody's settings.
fn is_yaml(name: &str) -> bool {
    let yaml = name.ends_with(".yaml") || name.ends_with(".yml") || is_kustomization(name);
    yaml && !name.starts_with('.')
}

/// kustomize takes JSON for what it is, YAML; `kubeseal` writes it unless it is told otherwise.
fn is_json(name: &str) -> bool {
    name.ends_with(".json") && !name.starts_with('.')
}

fn report_secrets(file: &HandWritten, source: &Source, documents: &[Value], found: &mut Diagnostics) {
    let generates = is_kustomization(file.path.name());
    let secret = match generates {
        true => documents.iter().find_map(clear_generator),
        false => documents.iter().find(|document| is_clear_secret(document)),
    };
    let Some(secret) = secret else { return };
    let name = secret.pointer(if generates { "/name" } else { "/metadata/name" });
    let name = name.and_then(Value::as_str).unwrap_or_default();
    let word = if generates { "secretGenerator" } else { "Secret" };
    let at = source.text.find(word).unwrap_or(0);
    let word = at..at + word.len().min(source.text.len() - at);
    found.hide(Span::new(file.file, 0..word.start));
    found.hide(Span::new(file.file, word.end..source.text.len()));
    found.push(
        SECRET_IN_CLEAR_TEXT
            .at(Span::new(file.file, word), "in clear text", format!("Secret `{name}` stands in `{}` for all to read", file.path))
            .about(format!("out/{}", file.path))
            .help("change what it holds, then seal it with kubeseal, encrypt it with sops, or keep it out of the repository"),
    );
}

/// What a kustomization makes a Secret from, if the values stand in it themselves.
fn clear_generator(kustomization: &Value) -> Option<&Value> {
    let clear = |literal: &Value| {
        literal.as_str().and_then(|text| text.split_once('=')).is_some_and(|(_, value)| !value.is_empty())
    };
    kustomization.get("secretGenerator")?.as_array()?.iter().find(|one| {
        one.get("literals").and_then(Value::as_array).is_some_and(|literals| literals.iter().any(clear))
    })
}

/// A Secret with values, and without the mark that SOPS leaves.
fn is_clear_secret(document: &Value) -> bool {
    let holds = |key: &str| {
        let values = document.get(key).and_then(Value::as_object);
        values.is_some_and(|values| {
            values.values().any(|value| value.as_str().is_some_and(|text| !text.is_empty()))
        })
    };
    let is_secret = document.get("kind").and_then(Value::as_str) == Some("Secret")
        && document.get("apiVersion").and_then(Value::as_str) == Some("v1");
    is_secret && document.get("sops").is_none() && (holds("data") || holds("stringData"))
}

#[cfg(test)]
mod tests {
    use super::{HandWritten, manifests};
    use crate::diagnostic::Diagnostics;
    use crate::source::{FileId, Source};
    use crate::tree::TreePath;

    fn judge(text: &str) -> (usize, Vec<&'static str>) {
        judge_as("mine.yaml", text)
    }

    fn judge_as(name: &str, text: &str) -> (usize, Vec<&'static str>) {
        let path = TreePath::parse(&format!("apps/web/overlays/prod/{name}")).unwrap();
        let file = HandWritten { path, file: FileId(0) };
        let source = Source::new("out/mine.yaml", text);
        let mut found = Diagnostics::default();
        let read = manifests([(&file, &source)].into_iter(), &mut found);
        (
            read.iter().filter(|manifest| manifest.is_listed()).count(),
            found.iter().map(|one| one.code.name).collect(),
        )
    }

    const HEAD: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: web\n";

    #[test]
    fn clear_secrets_are_found() {
        let found = vec!["secret-in-clear-text"];
        assert_eq!(judge(&format!("{HEAD}stringData:\n  password: hunter2\n")), (1, found.clone()));
        assert_eq!(judge(&format!("{HEAD}data:\n  password: aHVudGVyMg==\n")), (1, found));
    }

    #[test]
    fn encrypted_sealed_and_empty_ones_are_not() {
        assert_eq!(
            judge(&format!("{HEAD}data:\n  a: ENC[AES256_GCM,data:x]\nsops:\n  version: 3.9.0\n")),
            (1, vec![])
        );
        let sealed = HEAD.replace("v1\nkind: Secret", "bitnami.com/v1alpha1\nkind: SealedSecret");
        assert_eq!(judge(&format!("{sealed}spec:\n  encryptedData:\n    a: AgB\n")), (1, vec![]));
        assert_eq!(judge(HEAD), (1, vec![]));
    }

    #[test]
    fn json_is_read_as_kustomize_reads_it() {
        let sealed = r#"{ "kind": "SealedSecret", "apiVersion": "bitnami.com/v1alpha1",
            "metadata": { "name": "web" }, "spec": { "encryptedData": { "a": "AgB" } } }"#;
        assert_eq!(judge_as("mine.json", sealed), (1, vec![]));
        let clear =
            r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"web"},"data":{"a":"aHVudGVyMg=="}}"#;
        assert_eq!(judge_as("mine.json", clear), (1, vec!["secret-in-clear-text"]));
        for other in [r#"{"title":"Dashboard"}"#, r#"{"a":1,"a":2}"#, "[1, 2]"] {
            assert_eq!(judge_as("mine.json", other), (0, vec![]), "{other}");
        }
        for broken in [r#"{"a":"#, r#"{"apiVersion":"v1","kind":"Service","kind":"Service"}"#] {
            assert_eq!(judge_as("mine.json", broken), (0, vec!["unreadable-manifest"]), "{broken}");
        }
    }

    #[test]
    fn a_list_is_what_is_in_it() {
        let item = |kind: &str, data: &str| {
            format!("- {{apiVersion: v1, kind: {kind}, metadata: {{name: a}}, {data}: {{a: b}}}}\n")
        };
        let list = |items: &str| format!("apiVersion: v1\nkind: List\nitems:\n{items}");
        assert_eq!(judge(&list(&item("ConfigMap", "data"))), (1, vec![]));
        let both = [item("ConfigMap", "data"), item("Secret", "stringData")].concat();
        assert_eq!(judge(&list(&both)), (1, vec!["secret-in-clear-text"]));
        assert_eq!(judge(&format!("{}sops: {{version: '3.9.0'}}\n", list(&both))), (0, vec![]));
        assert_eq!(judge(&list("- replicas: 3\n")), (0, vec![]));
    }

    #[test]
    fn a_kustomization_may_make_secrets_of_what_is_no_clear_text() {
        let judge = |source: &str| {
            judge_as("kustomization.yaml", &format!("secretGenerator:\n- name: web\n  {source}\n")).1
        };
        assert_eq!(judge("literals: [user=me, password=hunter2]"), ["secret-in-clear-text"]);
        assert_eq!(judge("literals: [password=]"), Vec::<&str>::new());
        assert_eq!(judge("files: [password=secret.enc.txt]"), Vec::<&str>::new());
    }

    #[test]
    fn what_is_no_manifest_is_not_listed() {
        assert_eq!(judge("replicas: 3\n"), (0, vec![]));
        assert_eq!(judge("a: [\n"), (0, vec!["unreadable-manifest"]));
    }
}
