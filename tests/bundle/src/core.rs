//! The built-in kinds, from the source of k8s-openapi: each type says its JSON schema in a macro's tokens.

use std::collections::BTreeMap;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::schema::{Field, Kind, Node, Schemas, Type};

/// The versions of Kubernetes that the crate knows.
const MINORS: [u32; 5] = [33, 34, 35, 36, 37];

/// Types that are no objects.
fn special(name: &str) -> Option<Node> {
    Some(match name.rsplit_once('.').map_or(name, |(_, last)| last) {
        "IntOrString" => Node::IntOrText,
        "Quantity" => Node::Quantity,
        "Time" | "MicroTime" => Node::Format("time".to_owned()),
        "JSON"
        | "FieldsV1"
        | "RawExtension"
        | "JSONSchemaPropsOrBool"
        | "JSONSchemaPropsOrArray"
        | "JSONSchemaPropsOrStringArray"
        | "JSONSchemaProps" => Node::Any,
        _ => return None,
    })
}

/// All versions laid over each other: the newest says what a field is, the oldest since when it is there.
pub fn read(krate: &Path, schemas: &mut Schemas) {
    let mut types: BTreeMap<String, Type> = BTreeMap::new();
    for minor in MINORS {
        let root = krate.join(format!("src/v1_{minor}"));
        for file in crate::files(&root) {
            let Some((name, of)) = read_file(&root, &file, minor, &mut schemas.kinds) else { continue };
            let old = types.remove(&name);
            types.insert(name, later(old, of, minor));
        }
    }
    schemas.types.extend(types);
}

fn later(old: Option<Type>, mut new: Type, minor: u32) -> Type {
    let since = if minor == MINORS[0] { 0 } else { minor };
    let known = old.is_some();
    let old = old.unwrap_or_default();
    for (name, field) in &mut new.fields {
        field.since = match old.fields.get(name) {
            Some(old) => old.since,
            None if known => since,
            None => 0,
        };
    }
    // A field that is gone was never more than alpha, or is still taken.
    for (name, field) in old.fields {
        new.fields.entry(name).or_insert(field);
    }
    new
}

fn read_file(
    root: &Path,
    file: &Path,
    minor: u32,
    kinds: &mut BTreeMap<(String, String), Kind>,
) -> Option<(String, Type)> {
    let text = std::fs::read_to_string(file).ok()?;
    if !text.contains("JsonSchema for") {
        return None;
    }
    let parsed = syn::parse_file(&text).ok()?;
    let module = file.parent()?.strip_prefix(root).ok()?.to_str()?.replace('/', ".");
    let own = parsed.items.iter().find_map(|item| match item {
        syn::Item::Struct(item) => Some(item.ident.to_string()),
        _ => None,
    })?;
    let name = format!("{module}.{own}");
    if special(&name).is_some() {
        return None;
    }
    kind(&text, &name, minor, kinds);
    let tokens = macro_tokens(&text)?;
    let Node2::Object(entries) = Parser::one(tokens) else { return None };
    let mut of = Type::default();
    let required = required(&entries);
    if let Some(Node2::Object(properties)) = entries.get("properties") {
        for (field, schema) in properties {
            let node = node(schema);
            of.fields.insert(field.clone(), Field { node, required: required.contains(field), since: 0 });
        }
    }
    of.open = of.fields.is_empty();
    Some((name, of))
}

fn kind(text: &str, name: &str, minor: u32, kinds: &mut BTreeMap<(String, String), Kind>) {
    let constant = |id: &str| {
        let (_, rest) = text.split_once(&format!("const {id}: &'static str = \""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let (Some(version), Some(kind)) = (constant("API_VERSION"), constant("KIND")) else { return };
    if kind.ends_with("List") || !text.contains("v1::ObjectMeta") {
        return;
    }
    let namespaced = text.contains("type Scope = crate::NamespaceResourceScope");
    let since = if minor == MINORS[0] { 0 } else { minor };
    let entry = kinds.entry((version, kind)).or_insert(Kind {
        of: name.to_owned(),
        namespaced,
        served: (since, minor),
    });
    entry.served.1 = if minor == MINORS[MINORS.len() - 1] { 0 } else { minor };
}

/// What stands inside `json_schema!( … )`.
fn macro_tokens(text: &str) -> Option<TokenStream> {
    let at = text.find("json_schema!(")? + "json_schema!(".len();
    let rest = &text[at..];
    // The macro's end is that of the file but for three closing braces.
    let end = rest.rfind(')')?;
    rest[..end].parse().ok()
}

/// The tokens of a schema, as JSON with references.
#[derive(Debug)]
enum Node2 {
    Object(BTreeMap<String, Node2>),
    List(Vec<Node2>),
    Text(String),
    Reference(String),
    Other,
}

struct Parser {
    tokens: Vec<TokenTree>,
    at: usize,
}

impl Parser {
    fn one(tokens: TokenStream) -> Node2 {
        Self { tokens: tokens.into_iter().collect(), at: 0 }.value()
    }

    fn value(&mut self) -> Node2 {
        let rest = &self.tokens[self.at..];
        let plain = rest.first().is_some_and(|token| matches!(token, TokenTree::Ident(id) if *id == "__gen"));
        let Some(token) = self.tokens.get(self.at).cloned() else { return Node2::Other };
        if plain {
            // `__gen.subschema_for::<…>()` to the next comma.
            let end = rest.iter().position(|token| is(token, ',')).unwrap_or(rest.len());
            let text: TokenStream = rest[..end].iter().cloned().collect();
            self.at += end;
            return reference(&text);
        }
        self.at += 1;
        match token {
            TokenTree::Group(group) => match group.delimiter() {
                Delimiter::Brace => Node2::Object(Self::entries(group.stream())),
                Delimiter::Bracket => Node2::List(Self::items(group.stream())),
                _ => reference(&group.stream()),
            },
            TokenTree::Literal(literal) => match syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                Ok(text) => Node2::Text(text.value()),
                Err(_) => Node2::Other,
            },
            _ => Node2::Other,
        }
    }

    fn items(tokens: TokenStream) -> Vec<Node2> {
        let mut parser = Self { tokens: tokens.into_iter().collect(), at: 0 };
        let mut items = Vec::new();
        while parser.at < parser.tokens.len() {
            items.push(parser.value());
            parser.skip();
        }
        items
    }

    fn entries(tokens: TokenStream) -> BTreeMap<String, Node2> {
        let mut parser = Self { tokens: tokens.into_iter().collect(), at: 0 };
        let mut entries = BTreeMap::new();
        while parser.at < parser.tokens.len() {
            let Node2::Text(key) = parser.value() else { break };
            parser.at += 1;
            let value = parser.value();
            entries.insert(key, value);
            parser.skip();
        }
        entries
    }

    /// To behind the next comma.
    fn skip(&mut self) {
        while self.at < self.tokens.len() {
            self.at += 1;
            if is(&self.tokens[self.at - 1], ',') {
                break;
            }
        }
    }
}

fn is(token: &TokenTree, c: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == c)
}

/// The path between the angles of `subschema_for::<…>`.
fn reference(tokens: &TokenStream) -> Node2 {
    let text: String = tokens.to_string().split_whitespace().collect();
    let path = text.split_once("subschema_for::<").and_then(|(_, rest)| rest.split_once('>'));
    match path {
        Some((path, _)) => Node2::Reference(path.trim_start_matches("crate::").replace("::", ".")),
        None => Node2::Other,
    }
}

fn required(entries: &BTreeMap<String, Node2>) -> Vec<String> {
    match entries.get("required") {
        Some(Node2::List(names)) => names
            .iter()
            .filter_map(|name| if let Node2::Text(name) = name { Some(name.clone()) } else { None })
            .collect(),
        _ => Vec::new(),
    }
}

fn node(schema: &Node2) -> Node {
    match schema {
        Node2::Reference(name) => special(name).unwrap_or_else(|| Node::Object(name.clone())),
        Node2::Object(entries) => {
            let text = |key: &str| match entries.get(key) {
                Some(Node2::Text(text)) => text.as_str(),
                _ => "",
            };
            match (text("type"), text("format")) {
                ("string", "byte") => Node::Format("base64".to_owned()),
                ("string", "date-time") => Node::Format("time".to_owned()),
                ("string", _) => Node::Text,
                ("integer", _) => Node::Integer,
                ("number", _) => Node::Number,
                ("boolean", _) => Node::Bool,
                ("array", _) => {
                    Node::List(Box::new(entries.get("items").map_or(Node::Any, node)), Vec::new())
                }
                ("object", _) => match entries.get("additionalProperties") {
                    Some(inner) => Node::Map(Box::new(node(inner))),
                    None => Node::Map(Box::new(Node::Any)),
                },
                _ => Node::Any,
            }
        }
        _ => Node::Any,
    }
}
