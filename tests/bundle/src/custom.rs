//! The kinds of operators and controllers, from crates that kopium made of their definitions.

use std::collections::BTreeMap;
use std::path::Path;

use syn::{Attribute, Fields, GenericArgument, Item, ItemEnum, ItemStruct, PathArguments};

use crate::schema::{Field, Kind, Node, Schemas, Type};

/// Kinds that no tree of ours holds, and that are large.
const LEFT_OUT: &[&str] = &["ArgoCD", "ArgoCDExport", "MetalLB"];

/// Every kind of a crate.
pub fn read(krate: &Path, schemas: &mut Schemas) {
    for file in crate::files(&krate.join("src")) {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let Ok(parsed) = syn::parse_file(&text) else { continue };
        read_file(&parsed, schemas);
    }
}

fn read_file(parsed: &syn::File, schemas: &mut Schemas) {
    let Some((root, attributes)) = parsed.items.iter().find_map(|item| match item {
        Item::Struct(item) => Some((item, kube(&item.attrs)?)),
        _ => None,
    }) else {
        return;
    };
    let get = |key: &str| attributes.get(key).cloned().unwrap_or_default();
    let (group, version, kind) = (get("group"), get("version"), get("kind"));
    if LEFT_OUT.contains(&kind.as_str()) {
        return;
    }
    let api = format!("{group}/{version}");
    let enums: BTreeMap<String, Node> = parsed.items.iter().filter_map(|item| words(item)).collect();
    for item in &parsed.items {
        if let Item::Struct(item) = item {
            schemas.types.insert(format!("{api}/{}", item.ident), fields(item, &api, &enums));
        }
    }
    let of = root_type(&api, &root.ident.to_string(), schemas);
    let name = format!("{api}/{kind}");
    schemas.types.insert(name.clone(), of);
    let namespaced = attributes.contains_key("namespaced");
    schemas.kinds.insert((api, kind), Kind { of: name, namespaced, served: (0, 0) });
}

/// The object itself: the crates have the type of its spec only.
fn root_type(api: &str, spec: &str, schemas: &Schemas) -> Type {
    let spec_name = format!("{api}/{spec}");
    let needs = schemas.types[&spec_name].fields.values().any(|field| field.required);
    let mut of = Type::default();
    let mut add = |name: &str, node: Node, required: bool| {
        of.fields.insert(name.to_owned(), Field { node, required, since: 0 });
    };
    add("apiVersion", Node::Text, true);
    add("kind", Node::Text, true);
    add("metadata", Node::Object(crate::METADATA.to_owned()), true);
    add("spec", Node::Object(spec_name), needs);
    add("status", Node::Any, false);
    of
}

/// What `#[kube(…)]` says.
fn kube(attributes: &[Attribute]) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("kube")) {
        let _ = attribute.parse_nested_meta(|meta| {
            let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            let value = match meta.value() {
                Ok(value) => value.parse::<syn::LitStr>().map(|text| text.value()).unwrap_or_default(),
                Err(_) => String::new(),
            };
            found.insert(key, value);
            Ok(())
        });
    }
    found.contains_key("kind").then_some(found)
}

fn renamed(attributes: &[Attribute]) -> Option<String> {
    let mut found = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let _ = attribute.parse_nested_meta(|meta| {
            if let Ok(value) = meta.value() {
                let text = value.parse::<syn::LitStr>()?;
                if meta.path.is_ident("rename") {
                    found = Some(text.value());
                }
            }
            Ok(())
        });
    }
    found
}

fn words(item: &Item) -> Option<(String, Node)> {
    let Item::Enum(ItemEnum { ident, variants, .. }) = item else { return None };
    let words: Vec<String> = variants
        .iter()
        .map(|variant| {
            renamed(&variant.attrs)
                .unwrap_or_else(|| variant.ident.to_string().trim_start_matches("r#").to_owned())
        })
        .collect();
    // Whole numbers with few allowed values come as words, too.
    let number = words.iter().all(|word| word.parse::<i64>().is_ok());
    Some((ident.to_string(), if number { Node::Integer } else { Node::Enum(words) }))
}

fn fields(item: &ItemStruct, api: &str, enums: &BTreeMap<String, Node>) -> Type {
    let mut of = Type::default();
    if let Fields::Named(named) = &item.fields {
        for field in &named.named {
            let own = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
            let name = renamed(&field.attrs).unwrap_or_else(|| own.trim_start_matches("r#").to_owned());
            let (mut node, required) = node(&field.ty, api, enums);
            if is_amount(&name, &node) {
                node = if node == Node::IntOrText {
                    Node::Quantity
                } else {
                    Node::Map(Box::new(Node::Quantity))
                };
            }
            of.fields.insert(name, Field { node, required, since: 0 });
        }
    }
    of.open = of.fields.is_empty();
    of
}

/// Definitions say the same of amounts and of ports: maps of such are requests and limits, the rest tell their names.
fn is_amount(name: &str, node: &Node) -> bool {
    let name = name.to_ascii_lowercase();
    let telling =
        ["capacity", "size", "sizelimit", "divisor", "storage"].iter().any(|end| name.ends_with(end));
    *node == Node::Map(Box::new(Node::IntOrText)) || telling && *node == Node::IntOrText
}

/// What a Rust type says of a value, and whether it must be there.
fn node(of: &syn::Type, api: &str, enums: &BTreeMap<String, Node>) -> (Node, bool) {
    let syn::Type::Path(path) = of else { return (Node::Any, false) };
    let Some(last) = path.path.segments.last() else { return (Node::Any, false) };
    let inner: Vec<&syn::Type> = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => arguments
            .args
            .iter()
            .filter_map(
                |argument| if let GenericArgument::Type(inner) = argument { Some(inner) } else { None },
            )
            .collect(),
        _ => Vec::new(),
    };
    let of = |at: usize| inner.get(at).map_or(Node::Any, |inner| node(inner, api, enums).0);
    let node = match last.ident.to_string().as_str() {
        "Option" | "Box" => return (of(0), false),
        "Vec" => Node::List(Box::new(of(0)), Vec::new()),
        "BTreeMap" | "HashMap" => Node::Map(Box::new(of(1))),
        "String" => Node::Text,
        "bool" => Node::Bool,
        "i32" | "i64" | "u32" | "u64" => Node::Integer,
        "f32" | "f64" => Node::Number,
        "IntOrString" => Node::IntOrText,
        "Value" | "Condition" => Node::Any,
        "ObjectReference" => Node::Object("api.core.v1.ObjectReference".to_owned()),
        other => enums.get(other).cloned().unwrap_or_else(|| Node::Object(format!("{api}/{other}"))),
    };
    (node, true)
}
