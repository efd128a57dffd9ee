//! The small values that tables are made of.

use std::borrow::Cow;

use serde_json::{Value as Json, json};

use crate::choice;
use crate::duration::{meant, seconds, unknown_unit};
use crate::inventory::node::{Entry, Node, Value};
use crate::inventory::record::{Decode, Reader, Schemas, check_key, check_text};
use crate::source::{Span, Spanned};

/// A string in which `${table.name.key}` stands for a fact elsewhere.
pub type Text = Spanned<String>;
/// `true` or `false`.
pub type Flag = Spanned<bool>;
/// A whole number.
pub type Whole = Spanned<i64>;

/// Declares a string with a syntax of its own, which is read once references are replaced.
macro_rules! written {
    ($(#[doc = $doc:literal])+ $name:ident, $schema:expr) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name(pub Text);

        impl Decode for $name {
            fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
                Text::decode(node, reader).map(Self)
            }
            fn schema(_: &mut Schemas) -> Json {
                $schema
            }
        }
    };
}

written!(
    /// One IPv4 or IPv6 address.
    AddressText,
    json!({ "title": "address", "type": "string", "examples": ["192.168.1.10", "fd00::10", "${nodes.w1.ip}"] })
);
written!(
    /// A network: `192.168.1.0/24`.
    CidrText,
    json!({ "title": "network", "type": "string", "examples": ["192.168.1.0/24", "fd00::/64"] })
);
written!(
    /// A range of addresses: a network or `first-last`.
    RangeText,
    json!({ "title": "range", "type": "string", "examples": ["192.168.1.60-192.168.1.69", "192.168.1.64/28"] })
);

/// A Kubernetes quantity: `500m`, `2Gi`, or a plain number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuantityText(pub Text);

impl Decode for QuantityText {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let wanted = "a quantity such as \"500m\" or \"2Gi\"";
        if let Value::Boolean(_) = node.value {
            reader.wrong_type(node, wanted);
            return None;
        }
        let text = node.text().map(Cow::Borrowed).or_else(|| node.number_text().map(Cow::Owned));
        scalar(text, node, wanted, reader).map(Self)
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({ "title": "quantity", "type": ["string", "number"], "examples": ["500m", "2Gi", 4] })
    }
}

/// A string; numbers and booleans are taken as the text they are written as.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scalar(pub Text);

impl Decode for Scalar {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        scalar(node.scalar(), node, "a string, a number, or true or false", reader).map(Self)
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({ "type": ["string", "number", "boolean"] })
    }
}

fn scalar(text: Option<Cow<'_, str>>, node: &Node, wanted: &str, reader: &mut Reader) -> Option<Text> {
    let Some(text) = text else {
        reader.wrong_type(node, wanted);
        return None;
    };
    check_text(&text, node.span, reader);
    Some(Text::new(text.into_owned(), node.span))
}

const DURATION: &str = "a length of time such as \"30s\", \"5m\" or \"1h30m\"";

/// A length of time: `30s`, `5m`, `1h30m`, as Go writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Duration(pub Text);

impl Decode for Duration {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = match &node.value {
            Value::String(text) => text.to_string(),
            Value::Integer(number) => number.to_string(),
            _ => {
                reader.wrong_type(node, DURATION);
                return None;
            }
        };
        let is_text = node.text().is_some();
        if is_text && seconds(&text).is_some() {
            check_text(&text, node.span, reader);
            return Some(Self(Text::new(text, node.span)));
        }
        let short = Some(&text).filter(|text| text.len() <= 40);
        let help = short.and_then(|text| meant(text)).map(|meant| format!("write \"{meant}\""));
        let unit = short.and_then(|text| unknown_unit(text));
        let label = match &unit {
            Some(unit) => format!("`{unit}` is no unit: `ms`, `s`, `m` and `h` are"),
            None if is_text => "cannot be read".to_owned(),
            None => "a number without a unit".to_owned(),
        };
        let not: String = text.chars().take(80).collect();
        reader.refuse(node, label, &format!("must be {DURATION}, not `{not}`"), help);
        None
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({
            "title": "duration",
            "type": "string",
            "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$",
            "examples": ["30s", "5m"],
        })
    }
}

impl Duration {
    /// How long it is, in seconds.
    pub fn seconds(&self) -> f64 {
        seconds(&self.0).unwrap_or_default()
    }
}

/// One value, or a list of them.
#[derive(Clone, Debug, PartialEq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Decode> Decode for OneOrMany<T> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.value {
            Value::Array(_) => Vec::decode(node, reader).map(Self),
            _ => T::decode(node, reader).map(|one| Self(vec![one])),
        }
    }
    fn schema(schemas: &mut Schemas) -> Json {
        let one = T::schema(schemas);
        json!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

/// A value, or `false` to do without: how an environment takes away what the default has.
#[derive(Clone, Debug, PartialEq)]
pub enum OrOff<T> {
    /// `false`.
    Off(Span),
    /// The value, apart: most services do without most of what can be switched off.
    On(Box<T>),
}

impl<T> OrOff<T> {
    /// The value, unless it is switched off.
    pub fn on(&self) -> Option<&T> {
        match self {
            Self::Off(_) => None,
            Self::On(value) => Some(value),
        }
    }
}

impl<T: Decode> Decode for OrOff<T> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.value {
            Value::Boolean(false) => Some(Self::Off(node.span)),
            Value::Boolean(true) => {
                let (value, ..) = reader.apart(|own| T::decode(node, own));
                if value.is_none() {
                    reader.refuse(
                        node,
                        "says nothing".to_owned(),
                        "takes a value, or `false`, not `true`",
                        None,
                    );
                }
                value.map(|value| Self::On(Box::new(value)))
            }
            _ => T::decode(node, reader).map(|value| Self::On(Box::new(value))),
        }
    }
    fn schema(schemas: &mut Schemas) -> Json {
        json!({ "anyOf": [{ "const": false }, T::schema(schemas)] })
    }
    fn merged(&self, over: &Self) -> Self {
        match (self, over) {
            (Self::On(base), Self::On(over)) => Self::On(base.merged(over)),
            _ => over.clone(),
        }
    }
}

/// A value that goes to Kubernetes as it is, in Kubernetes' own spelling.
#[derive(Clone, Debug, PartialEq)]
pub struct Passthrough(pub Node);

impl Decode for Passthrough {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        check_texts(node, reader);
        Some(Self(node.clone()))
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({})
    }
    fn merged(&self, over: &Self) -> Self {
        Self(merged_nodes(&self.0, &over.0))
    }
}

fn check_texts(node: &Node, reader: &mut Reader) {
    match &node.value {
        Value::String(text) => check_text(text, node.span, reader),
        Value::Array(items) => items.iter().for_each(|item| check_texts(item, reader)),
        Value::Table(table) => {
            for (key, entry) in table.iter() {
                check_key(key, entry.key, reader);
                reader.within(key, |reader| check_texts(&entry.node, reader));
            }
        }
        _ => {}
    }
}

/// Tables merge key by key, all else is replaced.
fn merged_nodes(base: &Node, over: &Node) -> Node {
    let (Some(base), Some(changes)) = (base.table(), over.table()) else {
        return over.clone();
    };
    let own = base.iter().map(|(key, entry)| (key, entry.clone()));
    let changed = changes.iter().map(|(key, entry)| match base.get(key) {
        Some(under) => (key, Entry::new(entry.key, merged_nodes(&under.node, &entry.node))),
        None => (key, entry.clone()),
    });
    let table = own.chain(changed).map(|(key, entry)| (key.into(), entry)).collect();
    Node::new(over.span, Value::Table(table))
}

/// A table in Kubernetes' own spelling.
#[derive(Clone, Debug, PartialEq)]
pub struct PassthroughTable(pub Passthrough);

impl Decode for PassthroughTable {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        if node.table().is_none() {
            reader.wrong_type(node, "a table");
            return None;
        }
        Passthrough::decode(node, reader).map(Self)
    }
    fn schema(_: &mut Schemas) -> Json {
        // Said outright: Tombi takes silence for a no.
        json!({ "type": "object", "additionalProperties": true })
    }
    fn merged(&self, over: &Self) -> Self {
        Self(self.0.merged(&over.0))
    }
}

choice! {
    /// A Pod Security Standard, enforced on a namespace.
    pub enum PodSecurity {
        /// Anything goes.
        Privileged = "privileged",
        /// Known privilege escalations are refused.
        Baseline = "baseline",
        /// Hardened pods only.
        Restricted = "restricted",
    }
}

choice! {
    /// Who applies a layer of the tree.
    pub enum Engine {
        /// Argo CD, by Applications.
        Argocd = "argocd",
        /// Flux, by Kustomizations and HelmReleases.
        Flux = "flux",
    }
}

#[cfg(test)]
mod tests {
    use crate::inventory::parse;
    use crate::source::{FileId, Source};

    /// The variables of stack `a` as they are read from a file.
    fn env(file: &str, text: &str) -> Vec<(String, String)> {
        let read = parse(&Source::new(file, text), FileId(0));
        assert!(read.diagnostics.is_empty(), "{:?}", read.diagnostics);
        let env = &read.value.tables.stacks.get("a").unwrap().value.env;
        env.iter().map(|(name, text)| (name.clone(), text.value.0.value.clone())).collect()
    }

    #[test]
    fn texts_are_spelt_as_in_the_file() {
        let toml = "[stacks.a.env]\nA = 8.20\nB = 0x1F\nC = 0o755\nD = 1_000\nE = -1\nF = true\nG = 1e3\n";
        let yaml = "stacks:\n  a:\n    env:\n      A: 8.20\n      B: 0x1F # hex\n      C: &c 0o755\n      D: 022\n      E: *c\n      F: yes\n      G: !!str 033\n";
        let texts = |file: &str, text: &str| -> Vec<String> {
            env(file, text).into_iter().map(|(_, text)| text).collect()
        };
        assert_eq!(texts("i.toml", toml), ["8.20", "0x1F", "0o755", "1000", "-1", "true", "1e3"]);
        assert_eq!(texts("i.yaml", yaml), ["8.20", "0x1F", "0o755", "022", "0o755", "yes", "033"]);
        let flow = "stacks: { a: { env: { A: 022, B: 1.10 } } }";
        assert_eq!(texts("i.yaml", flow), ["022", "1.10"]);
    }
}
