//! The files that people keep for their secrets beside the rendered ones: is there one for each, is it encrypted,
//! and does it hold what the inventory says?

use std::collections::{BTreeMap, BTreeSet};

use crate::check::manifests::HandWritten;
use crate::diagnostic::{Diagnostic, Diagnostics, codes, nearest};
use crate::inventory::secret::SecretProvider;
use crate::model::Model;
use crate::model::secret::Secret;
use crate::model::texts::Texts;
use crate::object::path::{Path, Step};
use crate::object::place::Documents;
use crate::object::read::read_documents;
use crate::object::{Id, Value};
use crate::source::{FileId, Source, Span};

codes! { Security:
    /// A secret that nobody has sealed yet.
    MISSING_SECRET_FILE = ("missing-secret-file", Warning, "a sealed or encrypted secret whose file is not in the tree");
    /// A file that its provider cannot read.
    BAD_SECRET_FILE = ("bad-secret-file", Error, "a secret's file is not what its provider reads");
    /// A key that the file does not have.
    MISSING_SECRET_KEY = ("missing-secret-key", Warning, "a key of a secret is not in its file");
    /// A key that the inventory does not know.
    UNDECLARED_SECRET_KEY = ("undeclared-secret-key", Warning, "a secret's file has a key that the inventory does not declare");
    /// A secret under another name, or for another namespace.
    MISNAMED_SECRET = ("misnamed-secret", Error, "a secret's file has another name, namespace or type than the inventory says");
    /// A type without its keys.
    MISSING_TYPE_KEY = ("missing-type-key", Error, "a secret lacks a key that Kubernetes asks of its type");
}

/// A path or name as a shell takes it: as it stands where nothing in it means anything to one.
pub fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+=:@%,".contains(c);
    match !path.is_empty() && path.chars().all(is_plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

/// A place where a secret is needed.
#[derive(Clone, Debug)]
pub struct Wanted<'m> {
    /// The secret.
    pub secret: &'m Secret,
    /// The stack or chart that it belongs to, in words.
    pub owner: String,
    /// The environment; none for a chart's.
    pub environment: Option<&'m str>,
    /// The namespace.
    pub namespace: &'m str,
    /// Labels that its owner's objects carry.
    pub labels: Option<&'m Texts>,
    /// The folder that its file belongs in.
    pub folder: String,
    /// Another folder where it is found.
    pub other: String,
}

impl Wanted<'_> {
    /// The path of its file below the output folder; none if people keep none.
    pub fn path(&self) -> Option<String> {
        Some(format!("{}/{}", self.folder, self.secret.file()?))
    }

    /// The commands that make its file, in words.
    pub fn command(&self, out: &str) -> Option<String> {
        let path = quoted(&format!("{out}/{}", self.path()?));
        let config = quoted(&format!("{out}/sops.config"));
        let template = self.template();
        // The .gitignore of `bayplan init` keeps such names out of Git.
        let clear = quoted(&format!("{}.secret.yaml", self.secret.name));
        Some(match self.secret.provider {
            SecretProvider::SealedSecrets => format!(
                "`{template} > {clear}`, fill in the values, `kubeseal --format yaml < {clear} > {path}`, delete {clear}, and `bayplan render`"
            ),
            _ => format!(
                "`{template} > {path}`, fill in the values, `sops --config {config} encrypt --in-place {path}`, and `bayplan render`"
            ),
        })
    }

    /// The command that prints it in clear text, with values to fill in.
    pub fn template(&self) -> String {
        let environment =
            self.environment.map(|name| format!(" --environment {}", quoted(name))).unwrap_or_default();
        format!("bayplan secret template {}{environment}", quoted(&self.secret.key))
    }
}

/// Every place where a secret is needed, in the order of environments.
pub fn wanted(model: &Model) -> Vec<Wanted<'_>> {
    let mut all = Vec::new();
    for environment in &model.environments {
        for stack in &environment.stacks {
            all.extend(stack.secrets.iter().map(|secret| Wanted {
                secret,
                owner: format!("stack {}", stack.name),
                environment: Some(environment.name.as_str()),
                namespace: &stack.namespace.value,
                labels: Some(&stack.labels),
                folder: format!("apps/{}/overlays/{}", stack.name, environment.name),
                other: format!("apps/{}/base", stack.name),
            }));
        }
    }
    // What needs a controller's own kinds comes after the controllers; a plain Secret may come with them.
    let [controllers, configs] = ["infrastructure/controllers", "infrastructure/configs"];
    all.extend(model.chart_secrets.iter().map(|chart| {
        let first = chart.secret.provider == SecretProvider::Sops;
        Wanted {
            secret: &chart.secret,
            owner: format!("chart {}", chart.chart),
            environment: None,
            namespace: &chart.namespace,
            labels: None,
            folder: if first { controllers } else { configs }.to_owned(),
            other: if first { configs } else { controllers }.to_owned(),
        }
    }));
    all
}

/// A manifest that a person keeps, and where.
struct Kept<'f> {
    path: &'f str,
    file: FileId,
    source: &'f Source,
    documents: Vec<Value>,
}

impl<'f> Kept<'f> {
    /// The output folder as messages show it, up to its slash.
    fn out(&self) -> &'f str {
        self.source.path.strip_suffix(self.path).unwrap_or_default()
    }
}

/// Checks the file of every secret in the output folder, as messages show it. Before anything was rendered there is no
/// such folder, and no place to put one.
pub fn check<'f>(
    model: &Model,
    files: impl Iterator<Item = (&'f HandWritten, &'f Source)>,
    out: Option<&'f str>,
    found: &mut Diagnostics,
) {
    let mut folders: BTreeMap<String, Vec<Kept<'f>>> = BTreeMap::new();
    let wanted = wanted(model);
    if wanted.iter().all(|wanted| wanted.secret.ending().is_none()) {
        return;
    }
    let asked: BTreeSet<&String> = wanted.iter().flat_map(|one| [&one.folder, &one.other]).collect();
    for (file, source) in files.filter(|(file, _)| file.path.name().ends_with(".yaml")) {
        let Some(folder) = file.path.parent().filter(|folder| asked.contains(&folder.to_string())) else {
            continue;
        };
        let Ok(documents) = read_documents(&source.text) else { continue };
        let kept = Kept { path: file.path.as_str(), file: file.file, source, documents };
        folders.entry(folder.to_string()).or_default().push(kept);
    }
    for one in wanted.iter().filter(|wanted| wanted.secret.ending().is_some()) {
        let beside = [&one.folder, &one.other].into_iter().filter_map(|folder| folders.get(folder)).flatten();
        let by_name =
            |kept: &&Kept<'_>| one.secret.file().is_some_and(|name| kept.path.ends_with(&format!("/{name}")));
        let kept =
            beside.clone().find(by_name).or_else(|| beside.clone().find(|kept| holds(kept, one.secret)));
        match kept {
            Some(kept) => judge(one, kept, found),
            None => found.extend(out.map(|out| missing(one, out))),
        }
    }
}

fn missing(one: &Wanted<'_>, out: &str) -> Diagnostic {
    let place = one.environment.map(|name| format!(" in environment `{name}`")).unwrap_or_default();
    let path = one.path().unwrap_or_default();
    let message = format!("secret `{}` has no file{place}: `{out}/{path}` is not there", one.secret.key);
    let diagnostic = MISSING_SECRET_FILE.at(one.secret.place, "nobody has made it yet", message);
    diagnostic.about(about(one)).help(one.command(out).unwrap_or_default())
}

fn about(one: &Wanted<'_>) -> String {
    format!("secrets.{}", one.secret.key)
}

fn kind_of(document: &Value) -> &str {
    document.get("kind").and_then(Value::as_str).unwrap_or_default()
}

/// Whether one of the documents is the secret, as its provider reads it.
fn holds(kept: &Kept<'_>, secret: &Secret) -> bool {
    kept.documents.iter().any(|document| {
        let named = Id::of(document).is_some_and(|id| id.name == secret.name);
        named && is_of(document, secret.provider)
    })
}

fn is_of(document: &Value, provider: SecretProvider) -> bool {
    match provider {
        SecretProvider::SealedSecrets => kind_of(document) == "SealedSecret",
        _ => kind_of(document) == "Secret" && document.get("sops").is_some(),
    }
}

fn judge(one: &Wanted<'_>, kept: &Kept<'_>, found: &mut Diagnostics) {
    let provider = one.secret.provider;
    let fitting = || kept.documents.iter().filter(|document| is_of(document, provider));
    let named = |document: &&Value| Id::of(document).is_some_and(|id| id.name == one.secret.name);
    let Some(document) = fitting().find(named).or_else(|| fitting().next()) else {
        return wrong_kind(one, kept, found);
    };
    let members = |pointer: &str| document.pointer(pointer).and_then(Value::as_object);
    let pointers: &[&str] =
        if provider == SecretProvider::Sops { &["/data", "/stringData"] } else { &["/spec/encryptedData"] };
    let entries: BTreeMap<&str, &Value> = pointers
        .iter()
        .filter_map(|at| members(at))
        .flatten()
        .map(|(key, value)| (key.as_str(), value))
        .collect();
    if provider == SecretProvider::Sops {
        clear_values(one, kept, &entries, found);
    }
    names(one, kept, document, found);
    keys(one, kept, &entries, found);
}

/// The place of a value of one of a file's documents; the file's beginning if it is not there.
fn value_place(kept: &Kept<'_>, document: &Value, keys: &[&str]) -> Span {
    let number = kept.documents.iter().position(|one| std::ptr::eq(one, document)).unwrap_or_default();
    let text = &kept.source.text;
    let path = Path(keys.iter().map(|key| Step::Key((*key).to_owned())).collect());
    let place = Documents::read(text, &|key| key).and_then(|documents| documents.find(text, number, &path));
    Span::new(kept.file, place.map_or(0..0, |place| place.range))
}

/// The place of a word in a file; its beginning if it is not there.
fn place(kept: &Kept<'_>, word: &str) -> Span {
    let text = &kept.source.text;
    match text.find(word) {
        Some(at) if !word.is_empty() => Span::new(kept.file, at..at + word.len()),
        _ => Span::new(kept.file, 0..0),
    }
}

fn key_place(kept: &Kept<'_>, key: &str) -> Span {
    let mut at = 0;
    for line in kept.source.text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        let name = trimmed.trim_start_matches(['"', '\'']);
        if name.strip_prefix(key).is_some_and(|rest| rest.trim_start_matches(['"', '\'']).starts_with(':')) {
            let start = at + line.len() - name.len();
            return Span::new(kept.file, start..start + key.len());
        }
        at += line.len();
    }
    Span::new(kept.file, 0..0)
}

/// No report shows what else stands in a file that may hold clear text.
fn hide_around(kept: &Kept<'_>, span: Span, found: &mut Diagnostics) {
    found.hide(Span { start: 0, end: span.start, ..span });
    found.hide(Span { start: span.end, ..Span::new(kept.file, 0..kept.source.text.len()) });
}

fn wrong_kind(one: &Wanted<'_>, kept: &Kept<'_>, found: &mut Diagnostics) {
    let whole = kept.documents.iter().any(|document| kind_of(document).starts_with("ENC["));
    let first = kept.documents.first().map(kind_of).unwrap_or_default();
    let span = place(kept, if whole { "ENC[" } else { first });
    let (what, help) = match (one.secret.provider, whole) {
        (SecretProvider::Sops, true) => (
            "is encrypted as a whole, and kustomize reads no kind in it".to_owned(),
            "encrypt only the values: `encrypted_regex: ^(data|stringData)$`, as `[sops]` writes it into sops.config".to_owned(),
        ),
        (SecretProvider::Sops, false) => (
            "is not encrypted with SOPS".to_owned(),
            format!(
                "`sops --config {} encrypt --in-place {}`",
                quoted(&format!("{}sops.config", kept.out())),
                quoted(&kept.source.path)
            ),
        ),
        _ => (
            "holds no SealedSecret".to_owned(),
            "seal it: `kubeseal --format yaml < secret.yaml`, and change what has been in clear text".to_owned(),
        ),
    };
    hide_around(kept, span, found);
    found.push(
        BAD_SECRET_FILE
            .at(span, "not encrypted so", format!("`{}` {what}", kept.source.path))
            .because(one.secret.place, format!("declared with `{}`", one.secret.provider.word()))
            .about(about(one))
            .help(help),
    );
}

fn clear_values(
    one: &Wanted<'_>,
    kept: &Kept<'_>,
    entries: &BTreeMap<&str, &Value>,
    found: &mut Diagnostics,
) {
    let encrypted = |text: &str| text.starts_with("ENC[") && text.ends_with(']');
    let clear = |value: &Value| value.as_str().is_none_or(|text| !(text.is_empty() || encrypted(text)));
    for (key, _) in entries.iter().filter(|(_, value)| clear(value)) {
        let span = key_place(kept, key);
        hide_around(kept, span, found);
        let message =
            format!("key `{key}` of `{}` stands in clear text beside encrypted ones", kept.source.path);
        found.push(
            BAD_SECRET_FILE
                .at(span, "not encrypted", message)
                .because(one.secret.place, "declared here")
                .about(about(one))
                .help("change it with `sops edit`, which encrypts what is added; and change what has been in clear text"),
        );
    }
}

/// How widely a SealedSecret may be used: by default it opens under its own name in its own namespace only.
fn scope(document: &Value) -> &'static str {
    let is = |scope: &str| {
        let annotation = document.pointer("/metadata/annotations").and_then(|all| all.get(scope));
        annotation.is_some_and(|value| value.as_str() == Some("true"))
    };
    if is("sealedsecrets.bitnami.com/cluster-wide") {
        "cluster-wide"
    } else if is("sealedsecrets.bitnami.com/namespace-wide") {
        "namespace-wide"
    } else {
        "strict"
    }
}

fn names(one: &Wanted<'_>, kept: &Kept<'_>, document: &Value, found: &mut Diagnostics) {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    let sealed = one.secret.provider == SecretProvider::SealedSecrets;
    let scope = if sealed { scope(document) } else { "" };
    let mut report = |keys: &[&str], message: String, help: &str| {
        let span = value_place(kept, document, keys);
        let diagnostic = MISNAMED_SECRET.at(span, "not what the inventory says", message);
        found.push(diagnostic.because(one.secret.place, "declared here").about(about(one)).help(help));
    };
    let name = text("/metadata/name").unwrap_or_default();
    if name != one.secret.name {
        let message = format!(
            "`{}` holds secret `{name}`, and services look for `{}`",
            kept.source.path, one.secret.name
        );
        let help = match scope {
            "strict" => {
                "seal it again under the right name: changed in the file it could not be opened (strict scope)"
            }
            _ => "change its name",
        };
        report(&["metadata", "name"], message, help);
    }
    // An overlay sets the namespace of all that it builds; sealed values open in their own one only.
    let in_overlay = one.environment.is_some();
    let given = text("/metadata/namespace");
    let free = in_overlay && (!sealed || scope == "cluster-wide");
    let wrong = match given {
        Some(given) => given != one.namespace,
        None => !in_overlay,
    };
    if wrong && !free {
        let given = given.unwrap_or_default();
        let message = match given {
            "" => {
                format!("`{}` names no namespace, and its chart is in `{}`", kept.source.path, one.namespace)
            }
            _ => format!(
                "`{}` is for namespace `{given}`, and the secret lives in `{}`",
                kept.source.path, one.namespace
            ),
        };
        let help = match scope {
            "strict" | "namespace-wide" => {
                "seal it again for the right namespace: changed in the file it could not be opened"
            }
            _ => "write the right namespace",
        };
        report(&["metadata", "namespace"], message, help);
    }
    let kind = if sealed { text("/spec/template/type") } else { text("/type") }.unwrap_or("Opaque");
    let declared = one.secret.kind.as_ref().map_or("Opaque", |kind| kind.value.as_str());
    if kind != declared {
        let message = format!("`{}` is of type {kind}, and the inventory says {declared}", kept.source.path);
        let keys: &[&str] = if sealed { &["spec", "template", "type"] } else { &["type"] };
        report(keys, message, "make them agree: a Secret's type cannot be changed once it is in the cluster");
    }
}

fn keys(one: &Wanted<'_>, kept: &Kept<'_>, entries: &BTreeMap<&str, &Value>, found: &mut Diagnostics) {
    let secret = one.secret;
    let declared: Vec<&str> = secret.keys.iter().map(|key| key.value.as_str()).collect();
    for key in secret.keys.iter().filter(|key| !entries.contains_key(key.value.as_str())) {
        let message = format!("`{}` has no key `{key}`", kept.source.path);
        let help = match (
            nearest(key, entries.keys().copied().filter(|key| !declared.contains(key))),
            secret.provider,
        ) {
            (Some(near), _) => format!("its key `{near}` may be meant"),
            (None, SecretProvider::Sops) => format!("add it: `sops edit {}`", quoted(&kept.source.path)),
            (None, _) => {
                let namespace = one.namespace;
                format!(
                    "add it: printf %s VALUE | kubectl create secret generic {} --namespace {namespace} --dry-run=client --from-file={key}=/dev/stdin -o yaml | kubeseal --format yaml --merge-into {}",
                    secret.name,
                    quoted(&kept.source.path)
                )
            }
        };
        found.push(
            MISSING_SECRET_KEY
                .at(key.span, "not in its file", message)
                .because(Span::new(kept.file, 0..0), "the file")
                .about(about(one))
                .help(help),
        );
    }
    if declared.is_empty() {
        return;
    }
    for key in entries.keys().filter(|key| !declared.contains(key)) {
        let message =
            format!("`{}` has key `{key}`, which secret `{}` does not declare", kept.source.path, secret.key);
        found.push(
            UNDECLARED_SECRET_KEY
                .at(key_place(kept, key), "not declared", message)
                .because(secret.place, "declared here")
                .about(about(one))
                .help("add it to the secret's `keys`, or take it out of the file"),
        );
    }
}

/// Types of Kubernetes' own, and the keys that it asks for; of `basic-auth` one is enough.
const TYPES: &[(&str, &[&str])] = &[
    ("Opaque", &[]),
    ("kubernetes.io/basic-auth", &["username", "password"]),
    ("kubernetes.io/dockercfg", &[".dockercfg"]),
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    ("kubernetes.io/service-account-token", &[]),
    ("kubernetes.io/ssh-auth", &["ssh-privatekey"]),
    ("kubernetes.io/tls", &["tls.crt", "tls.key"]),
    ("bootstrap.kubernetes.io/token", &["token-id", "token-secret"]),
];

/// Checks the types of secrets: what Kubernetes asks of each.
pub fn check_types(model: &Model, found: &mut Diagnostics) {
    let mut seen: BTreeMap<&str, &Secret> = BTreeMap::new();
    for one in wanted(model) {
        seen.entry(&one.secret.key).or_insert(one.secret);
    }
    for secret in seen.into_values() {
        let Some(kind) = &secret.kind else { continue };
        let Some((_, keys)) = TYPES.iter().find(|(known, _)| *known == kind.value) else { continue };
        let lacks: Vec<&str> =
            keys.iter().copied().filter(|key| !secret.keys.iter().any(|known| known.value == *key)).collect();
        let enough = kind.value == "kubernetes.io/basic-auth" && lacks.len() < keys.len();
        let whole = secret.external.as_ref().is_some_and(|external| external.extract.is_some());
        if lacks.is_empty() || enough || whole {
            continue;
        }
        let message = format!(
            "secret `{}` is of type {kind} and has no key {}",
            secret.key,
            lacks.join(" and no key ")
        );
        found.push(
            MISSING_TYPE_KEY
                .at(kind.span, format!("wants {}", keys.join(" and ")), message)
                .because(secret.place, "this secret")
                .about(format!("secrets.{}", secret.key))
                .help("add it to `keys`: Kubernetes refuses the Secret without"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_takes_a_path_as_one_word() {
        assert_eq!(quoted("out/apps/web/base/a.sealed.yaml"), "out/apps/web/base/a.sealed.yaml");
        assert_eq!(quoted("my out/x; y #"), "'my out/x; y #'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
