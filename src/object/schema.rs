//! Whether Kubernetes would take an object: its fields, their types, their values.

use crate::object::bundle::{Bundle, Field, Kind, Node, Type};
use crate::object::formats;
use crate::object::path::{Here, Path};
use crate::object::served::{self, unserved};
use crate::object::{Map, Value, api_version, sense};
use crate::quantity::Quantity;
use crate::spelling::{MOST_GUESSES, nearest};

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where in the object.
    pub path: Path,
    /// What is wrong there.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    /// Whether a newer definition of a custom kind may well allow it.
    pub unsure: bool,
}

/// What is to be said of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was checked, and this was found.
    Checked(Vec<Fault>),
    /// No cluster of that version serves such an object.
    Unserved {
        /// The field that is wrong: `apiVersion` or `kind`.
        field: &'static str,
        /// Why, in words.
        reason: String,
        /// What to write instead.
        help: Option<String>,
    },
    /// Nothing is known of its kind: it was not checked.
    Unknown,
}

/// Judges a whole object, for a cluster of this minor version of Kubernetes.
pub fn judge(object: &Value, minor: Option<u32>) -> Verdict {
    let bundle = Bundle::get();
    let (Some(version), Some(kind)) = (api_version(object), object.get("kind").and_then(Value::as_str))
    else {
        return Verdict::Checked(Vec::new());
    };
    let known = bundle.kind(version, kind);
    if let Some(found) = unserved(version, kind, known.map_or((0, 0), |kind| kind.served), minor) {
        let help = (!found.instead.is_empty()).then(|| format!("write `apiVersion: {}`", found.instead));
        let now = minor.map_or(String::new(), |minor| format!(", and the cluster runs 1.{minor}"));
        return Verdict::Unserved { field: "apiVersion", reason: format!("{}{now}", found.reason), help };
    }
    let Some(known) = known else { return stranger(bundle, version, kind) };
    let mut walk =
        Walk { bundle, minor, secret: kind == "Secret", custom: is_custom(known), faults: Vec::new() };
    walk.object(object, known.of, &Here::ROOT);
    sense::judge(object, known, minor, &mut walk.faults);
    Verdict::Checked(walk.faults)
}

/// Judges a value against a type by name, such as `api.core.v1.SecurityContext` or
/// `autoscaling/v2 HorizontalPodAutoscaler spec.behavior`.
pub fn judge_value(value: &Value, name: &str, minor: Option<u32>) -> Vec<Fault> {
    let bundle = Bundle::get();
    let mut words = name.split(' ');
    let kind = words.next().zip(words.next()).and_then(|(version, kind)| bundle.kind(version, kind));
    let custom = kind.is_some_and(is_custom);
    let mut walk = Walk { bundle, minor, secret: false, custom, faults: Vec::new() };
    if let Some(of) = bundle.named(name) {
        walk.object(value, of, &Here::ROOT);
    }
    sense::judge_value(value, name, minor, &mut walk.faults);
    walk.faults
}

/// A kind that is not known: another version of it may be, or one of nearly the same name.
fn stranger(bundle: &Bundle, version: &str, kind: &str) -> Verdict {
    if served::known(version, kind) {
        return Verdict::Unknown;
    }
    let group = |version: &'static str| version.rsplit_once('/').map_or("", |(group, _)| group);
    let own = version.rsplit_once('/').map_or("", |(group, _)| group);
    let of_group: Vec<&Kind> = bundle.kinds().iter().filter(|known| group(known.version) == own).collect();
    let mut others: Vec<&Kind> = of_group.iter().copied().filter(|known| known.name == kind).collect();
    if !others.is_empty() {
        // Version 1 before its drafts.
        others.sort_by_key(|known| (known.version.contains("alpha"), known.version.contains("beta")));
        let help = format!("write `apiVersion: {}`", others[0].version);
        return Verdict::Unserved {
            field: "apiVersion",
            reason: format!("`{kind}` has no version `{version}`"),
            help: Some(help),
        };
    }
    if let Some(near) = nearest(kind, of_group.iter().map(|known| known.name)) {
        let help = format!("did you mean `{near}`?");
        return Verdict::Unserved {
            field: "kind",
            reason: format!("there is no kind `{kind}`"),
            help: Some(help),
        };
    }
    let elsewhere = bundle.kinds().iter().find(|known| known.name == kind);
    match elsewhere {
        Some(known) if of_core(own) => {
            let help = format!("write `apiVersion: {}`", known.version);
            let reason = format!("`{version}` has no kind `{kind}`");
            Verdict::Unserved { field: "apiVersion", reason, help: Some(help) }
        }
        None if of_core(own) && !of_group.is_empty() => Verdict::Unserved {
            field: "kind",
            reason: format!("`{version}` has no kind `{kind}`"),
            help: None,
        },
        Some(known) if nearest(version, [known.version]).is_some() => {
            let help = format!("did you mean `{}`?", known.version);
            let reason = format!("`{version}` has no kind `{kind}`");
            Verdict::Unserved { field: "apiVersion", reason, help: Some(help) }
        }
        _ => Verdict::Unknown,
    }
}

fn is_custom(kind: &Kind) -> bool {
    let group = kind.version.rsplit_once('/').map_or("", |(group, _)| group);
    group.contains('.') && (!group.ends_with(".k8s.io") || group == "gateway.networking.k8s.io")
}

/// Groups that only Kubernetes itself has.
fn of_core(group: &str) -> bool {
    !group.contains('.')
}

struct Walk {
    bundle: &'static Bundle,
    minor: Option<u32>,
    /// Whether no value may be shown.
    secret: bool,
    /// Whether the kind is no built-in one: then the cluster may have a newer definition.
    custom: bool,
    faults: Vec<Fault>,
}

impl Walk {
    fn fault(&mut self, here: &Here<'_>, message: impl Into<String>, help: Option<String>) {
        self.faults.push(Fault { path: here.path(), message: message.into(), help, unsure: false });
    }

    fn wrong(&mut self, here: &Here<'_>, wanted: &str, value: &Value) {
        let is = if self.secret { "something else".to_owned() } else { shown(value) };
        self.fault(here, format!("must be {wanted}, and is {is}"), None);
    }

    fn node(&mut self, value: &Value, node: &Node, here: &Here<'_>) {
        // Flux puts it in later; nothing can be said of it before.
        if value.as_str().is_some_and(|text| text.contains("${"))
            && !matches!(node, Node::List(..) | Node::Map(_))
        {
            return;
        }
        match (node, value) {
            (_, Value::Null)
            | (Node::Any, _)
            | (Node::Text, Value::String(_))
            | (Node::Bool, Value::Bool(_))
            | (Node::Number, Value::Number(_))
            | (Node::IntOrText, Value::String(_)) => {}
            (Node::Integer | Node::IntOrText, Value::Number(number)) if is_whole(number) => {}
            (Node::Quantity, Value::Number(_)) => {}
            (Node::Quantity, Value::String(text)) => self.quantity(text, here),
            (Node::Object(of), Value::Object(_)) => self.object(value, *of, here),
            (Node::Map(inner), Value::Object(members)) => {
                for (key, member) in members {
                    self.member(member, inner, &here.key(key));
                }
            }
            (Node::List(inner, keys), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.node(item, inner, &here.index(index));
                }
                self.twins(items, keys, here);
            }
            (Node::Enum(words), Value::String(text)) => self.word(text, words, here),
            (Node::Range(low, high), Value::Number(number)) if is_whole(number) => {
                if !whole(number).is_some_and(|number| (*low..=*high).contains(&number)) {
                    self.fault(here, format!("must be from {low} to {high}, and is {number}"), None);
                }
            }
            (Node::Format(name), _) => {
                if let Some(wanted) = formats::fault(name, value) {
                    self.wrong(here, wanted, value);
                }
            }
            _ => self.wrong(here, name_of(node), value),
        }
    }

    /// In a map of texts a null is no absence.
    fn member(&mut self, value: &Value, node: &Node, here: &Here<'_>) {
        self.node(value, node, here);
        if let (Node::Text, Value::Number(_) | Value::Bool(_)) = (node, value)
            && !self.secret
            && let Some(fault) = self.faults.last_mut()
        {
            // As it is written, which may be `yes` or a hole of a template.
            fault.help = Some("put it in quotes".to_owned());
        }
    }

    fn quantity(&mut self, text: &str, here: &Here<'_>) {
        if let Err(bad) = Quantity::parse(text) {
            let help = bad.help();
            self.fault(here, format!("is no quantity: {}", bad.reason), help);
        }
    }

    fn word(&mut self, text: &str, words: &[&'static str], here: &Here<'_>) {
        if words.contains(&text) {
            return;
        }
        let near = words.iter().copied().find(|word| word.eq_ignore_ascii_case(text));
        let near = near.or_else(|| nearest(text, words.iter().copied()));
        let list: Vec<String> = words.iter().take(12).map(|word| format!("`{word}`")).collect();
        let message = format!("cannot be `{}`: it is one of {}", cut(text), list.join(", "));
        self.fault(here, message, near.map(|near| format!("did you mean `{near}`?")));
    }

    fn object(&mut self, value: &Value, of: usize, here: &Here<'_>) {
        let of = self.bundle.type_of(of);
        let Some(members) = value.as_object() else { return self.wrong(here, "a map", value) };
        for (key, member) in members {
            match of.field(key) {
                Some(field) => self.field(member, field, &here.key(key)),
                None if of.open => {}
                None => self.unknown(key, of, members, &here.key(key)),
            }
        }
        for field in of.fields.iter().filter(|field| field.required) {
            if members.get(field.name).is_none_or(Value::is_null) {
                self.fault(here, format!("`{}` is missing", field.name), None);
            }
        }
    }

    fn field(&mut self, value: &Value, field: &Field, here: &Here<'_>) {
        if let Some(minor) = self.minor.filter(|minor| *minor < field.since) {
            let message =
                format!("Kubernetes 1.{minor} has no such field: it is there from 1.{} on", field.since);
            self.fault(here, message, None);
        }
        // To Kubernetes an empty text mostly is none.
        let may_be_empty = match &field.node {
            Node::Enum(_) => true,
            Node::Format(name) => formats::may_be_empty(name),
            _ => false,
        };
        if may_be_empty && !field.required && !self.custom && value == "" {
            return;
        }
        self.node(value, &field.node, here);
    }

    fn unknown(&mut self, key: &str, of: &Type, members: &Map, here: &Here<'_>) {
        let free = || of.fields.iter().map(|field| field.name).filter(|name| !members.contains_key(*name));
        let guess = || free().find(|name| name.eq_ignore_ascii_case(key)).or_else(|| nearest(key, free()));
        let near = if self.faults.len() < MOST_GUESSES { guess() } else { None };
        let unsure = self.custom && near.is_none();
        let help = near.map(|near| format!("did you mean `{near}`?"));
        self.faults.push(Fault { path: here.path(), message: "unknown field".to_owned(), help, unsure });
    }

    /// Elements with the same keys.
    fn twins(&mut self, items: &[Value], keys: &[&'static str], here: &Here<'_>) {
        if keys.is_empty() {
            return;
        }
        let key_of = |item: &Value| -> Option<Vec<String>> {
            item.get(keys[0])?;
            Some(keys.iter().map(|key| key_value(item, key)).collect())
        };
        let mut seen: Vec<(Vec<String>, usize)> =
            items.iter().enumerate().filter_map(|(at, item)| Some((key_of(item)?, at))).collect();
        seen.sort();
        for pair in seen.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            let what: Vec<&str> =
                pair[1].0.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
            let message = format!("`{}` `{}` stands twice in this list", keys[0], cut(&what.join("/")));
            self.fault(&here.index(pair[1].1), message, None);
        }
    }
}

fn key_value(item: &Value, key: &str) -> String {
    match (item.get(key), key) {
        (Some(Value::String(text)), _) => text.clone(),
        (Some(value), _) => value.to_string(),
        (None, "protocol") => "TCP".to_owned(),
        (None, _) => String::new(),
    }
}

fn is_whole(number: &serde_json::Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
}

/// A whole number, though it may be written `1.0`.
pub(super) fn whole(number: &serde_json::Number) -> Option<i64> {
    let written = || number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 1e15);
    number.as_i64().or_else(|| written().map(|number| number as i64))
}

fn name_of(node: &Node) -> &'static str {
    match node {
        Node::Any => "anything",
        Node::Text | Node::Format(_) | Node::Enum(_) => "a text",
        Node::Integer | Node::Range(..) => "a whole number",
        Node::Number => "a number",
        Node::Bool => "`true` or `false`",
        Node::IntOrText => "a whole number or a text",
        Node::Quantity => "a quantity",
        Node::List(..) => "a list",
        Node::Map(_) | Node::Object(_) => "a map",
    }
}

/// A value in a few words; the contents of lists and maps are never shown.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(_) | Value::Number(_) => format!("`{value}`"),
        Value::String(text) if text.is_empty() => "an empty text".to_owned(),
        Value::String(text) => format!("the text `{}`", cut(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
    }
}

/// One line, not too long.
pub(super) fn cut(text: &str) -> String {
    let shown: String = text.escape_debug().take(60).collect();
    if text.chars().count() > 60 { format!("{shown}…") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::{Verdict, judge, judge_value};
    use crate::object::Value;
    use crate::object::read::read_documents;
    use serde_json::json;

    const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  \
        selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      \
        containers:\n        - name: web\n          image: web:1\n          ports: [{containerPort: 80, name: http}]\n";

    fn deployment() -> Value {
        read_documents(DEPLOYMENT).unwrap().remove(0)
    }

    /// The faults of an object after a change, as text.
    fn after(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut object = deployment();
        change(&mut object);
        found(&object)
    }

    fn found(object: &Value) -> Vec<String> {
        match judge(object, Some(34)) {
            Verdict::Checked(faults) => faults
                .iter()
                .map(|fault| {
                    format!("{}: {} {}", fault.path, fault.message, fault.help.clone().unwrap_or_default())
                        .trim()
                        .to_owned()
                })
                .collect(),
            Verdict::Unserved { reason, help, .. } => vec![format!("{reason} {}", help.unwrap_or_default())],
            Verdict::Unknown => vec!["unknown".to_owned()],
        }
    }

    const POD: &str = "/spec/template/spec";

    #[test]
    fn what_is_right_is_taken() {
        assert_eq!(found(&deployment()), Vec::<String>::new());
    }

    #[test]
    fn unknown_fields_have_a_suggestion() {
        let found = after(|object| {
            object.pointer_mut(&format!("{POD}/containers/0/ports/0")).unwrap()["hostport"] = json!(1);
        });
        assert_eq!(
            found,
            ["spec.template.spec.containers[0].ports[0].hostport: unknown field did you mean `hostPort`?"]
        );
        let found = after(|object| object["spec"]["replica"] = json!(1));
        assert_eq!(found, ["spec.replica: unknown field did you mean `replicas`?"]);
    }

    #[test]
    fn types_values_and_what_is_missing() {
        for (pointer, value, expected) in [
            ("/spec/replicas", json!("2"), "spec.replicas: must be a whole number, and is the text `2`"),
            ("/spec/replicas", json!(-1), "spec.replicas: must be from 0 to 2147483647, and is -1"),
            (
                "/metadata/labels",
                json!({"a": true}),
                "metadata.labels.a: must be a text, and is `true` put it in quotes",
            ),
            (
                "/metadata/name",
                json!("Web"),
                "metadata.name: `Web` is no name: lower-case letters, digits, `-` and `.`",
            ),
            (
                "/spec/template/spec/containers/0/image",
                Value::Null,
                "spec.template.spec.containers[0]: `image` is missing",
            ),
            (
                "/spec/template/spec/containers/0/imagePullPolicy",
                json!("always"),
                "spec.template.spec.containers[0].imagePullPolicy: cannot be `always`: it is one of `Always`, `IfNotPresent`, `Never` did you mean `Always`?",
            ),
            (
                "/spec/template/spec/containers/0/resources",
                json!({"limits": {"memory": "1Gb"}}),
                "spec.template.spec.containers[0].resources.limits.memory: is no quantity",
            ),
            (
                "/spec/selector/matchLabels/app",
                json!("other"),
                "spec.selector.matchLabels: does not select the pods of its own template",
            ),
        ] {
            let found = after(|object| set(object, pointer, value.clone()));
            assert!(found.len() == 1 && found[0].starts_with(expected), "{pointer}: {found:?}");
        }
    }

    fn set(object: &mut Value, pointer: &str, value: Value) {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[key] = value;
    }

    #[test]
    fn elements_with_one_key_are_found() {
        let found = after(|object| {
            let container = object.pointer_mut(&format!("{POD}/containers/0")).unwrap();
            container["env"] = json!([{"name": "A", "value": "1"}, {"name": "B"}, {"name": "A"}]);
            container["ports"] = json!([{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}, {"containerPort": 80, "protocol": "TCP"}]);
        });
        assert_eq!(
            found,
            [
                "spec.template.spec.containers[0].ports[2]: `containerPort` `80/TCP` stands twice in this list",
                "spec.template.spec.containers[0].env[2]: `name` `A` stands twice in this list",
            ]
        );
    }

    #[test]
    fn versions_and_kinds() {
        let judge = |version: &str, kind: &str| {
            found(&json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}}))
        };
        assert_eq!(
            judge("policy/v1beta1", "PodDisruptionBudget"),
            ["Kubernetes serves it up to 1.24 only, and the cluster runs 1.34 write `apiVersion: policy/v1`"]
        );
        assert_eq!(
            judge("apps/v2", "Deployment"),
            ["`Deployment` has no version `apps/v2` write `apiVersion: apps/v1`"]
        );
        assert_eq!(
            judge("apps/v1", "Deploymnt"),
            ["there is no kind `Deploymnt` did you mean `Deployment`?"]
        );
        assert_eq!(judge("v1", "Deployment"), ["`v1` has no kind `Deployment` write `apiVersion: apps/v1`"]);
        assert_eq!(
            judge("metallb.io/v1", "IPAddressPool"),
            ["`IPAddressPool` has no version `metallb.io/v1` write `apiVersion: metallb.io/v1beta1`"]
        );
        assert_eq!(judge("example.com/v1", "Thing"), ["unknown"]);
    }

    #[test]
    fn what_flux_puts_in_later_is_not_judged() {
        assert_eq!(after(|object| object["spec"]["replicas"] = json!("${REPLICAS}")), Vec::<String>::new());
    }

    #[test]
    fn no_value_of_a_secret_is_shown() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": {"a": "hunter2"}, "stringData": {"b": 12345}});
        let found = found(&secret);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|text| !text.contains("hunter2") && !text.contains("12345")), "{found:?}");
    }

    #[test]
    fn a_value_of_its_own() {
        let found = judge_value(&json!({"runAsUsr": 1}), "api.core.v1.SecurityContext", None);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path.to_string(), "runAsUsr");
    }
}
