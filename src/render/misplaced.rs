//! Objects that cannot stand where their template leads.

use crate::diagnostic::Diagnostic;
use crate::model::Model;
use crate::object::path::{Path, Step};
use crate::object::{Id, Value};
use crate::render::MISPLACED_OBJECT;
use crate::render::plan::Job;
use crate::source::Span;
use crate::template::Rendition;

/// An object that cannot stand where its template leads.
pub struct Misplaced {
    /// Which object, and which of its keys says so.
    object: usize,
    path: &'static [&'static str],
    message: String,
    help: Option<&'static str>,
}

impl Misplaced {
    /// The finding, at its line if there is a rendition to look in.
    pub fn diagnostic(self, job: &Job<'_>, rendition: Option<&Rendition<'_>>) -> Diagnostic {
        let steps = self.path.iter().map(|key| Step::Key((*key).to_owned()));
        let path = Path(steps.collect());
        let located = rendition.and_then(|rendition| rendition.locate(self.object, &path));
        let span = located.map_or(Span::new(job.file, 0..0), |located| located.span);
        let message = format!("template `{}` {}", job.template, self.message);
        let mut diagnostic = MISPLACED_OBJECT.at(span, "", message);
        diagnostic.help = self.help.map(str::to_owned);
        diagnostic
    }
}

/// Objects without an identity, or in a namespace that their folder does not lead to.
pub fn misplaced(model: &Model, job: &Job<'_>, what_for: &str, objects: &[Value]) -> Vec<Misplaced> {
    let stack = job.stack(model).filter(|_| job.in_overlay());
    let namespace = stack.map(|stack| stack.namespace.value.as_str());
    let mut found = Vec::new();
    for (object, value) in objects.iter().enumerate() {
        let Some(id) = Id::of(value) else {
            let (path, help) = lacking(value);
            let message = format!("makes an object without {} for {what_for}", path.join("."));
            found.push(Misplaced { object, path, message, help });
            continue;
        };
        if let (Some(own), Some(other)) = (namespace, &id.namespace)
            && own != other
        {
            let message = format!("puts {id} outside namespace `{own}` of its stack, for {what_for}");
            let help =
                "a stack's overlay sets one namespace for all its objects; put others elsewhere in the tree";
            found.push(Misplaced { object, path: &["metadata", "namespace"], message, help: Some(help) });
        }
        if let Some(own) = namespace {
            found.extend(renamed(object, value, &id, own, what_for));
        }
    }
    found
}

/// What kustomize would rename with the namespace of an overlay: a second Namespace, and accounts called `default`.
fn renamed(object: usize, value: &Value, id: &Id, own: &str, what_for: &str) -> Option<Misplaced> {
    if id.kind == "Namespace" && id.group.is_empty() && id.name != own {
        let message = format!("makes {id} beside the stack's own `{own}`, for {what_for}");
        let help = "kustomize gives every Namespace of a stack the stack's name: put it under `infrastructure/configs/`";
        return Some(Misplaced { object, path: &["metadata", "name"], message, help: Some(help) });
    }
    let subjects =
        value.get("subjects").and_then(Value::as_array).filter(|_| id.kind.ends_with("RoleBinding"))?;
    let text = |subject: &Value, key: &str| subject.get(key).and_then(Value::as_str).map(str::to_owned);
    let foreign = subjects.iter().find_map(|subject| {
        let is_default = text(subject, "kind")? == "ServiceAccount" && text(subject, "name")? == "default";
        text(subject, "namespace").filter(|namespace| is_default && namespace != own)
    })?;
    let message = format!("binds the account `default` of namespace `{foreign}` by {id}, for {what_for}");
    let help = "kustomize puts accounts called `default` into the stack's namespace: name another account, or put the binding elsewhere in the tree";
    Some(Misplaced { object, path: &["subjects"], message, help: Some(help) })
}

/// What an object lacks to be one, and what to write instead.
fn lacking(value: &Value) -> (&'static [&'static str], Option<&'static str>) {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let metadata = value.get("metadata");
    if !text(value.get("apiVersion")) {
        return (&["apiVersion"], None);
    }
    if !text(value.get("kind")) {
        return (&["kind"], None);
    }
    let help = if value.get("items").is_some() {
        Some("write the items of a list as objects of their own, with `---` between them")
    } else if metadata.is_some_and(|metadata| metadata.get("generateName").is_some()) {
        Some("`generateName` gives a new object with every build: write `name`")
    } else {
        None
    };
    (&["metadata", "name"], help)
}
