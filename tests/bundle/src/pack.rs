//! The compact form: texts once, then words, types and kinds that name them by number.
//!
//! Numbers are little-endian base 128. `src/object/bundle.rs` reads it.

use std::collections::BTreeMap;

use crate::schema::{Node, Schemas};

#[derive(Default)]
struct Texts {
    numbers: BTreeMap<String, usize>,
    list: Vec<String>,
}

impl Texts {
    fn number(&mut self, text: &str) -> usize {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        self.list.push(text.to_owned());
        self.numbers.insert(text.to_owned(), self.list.len() - 1);
        self.list.len() - 1
    }
}

/// All of it as bytes.
pub fn pack(schemas: &Schemas, exported: &[&str]) -> Vec<u8> {
    let mut texts = Texts::default();
    // Names in order: neighbours have much in common.
    let mut names: Vec<&str> =
        schemas.types.values().flat_map(|of| of.fields.keys().map(String::as_str)).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        texts.number(name);
    }
    let numbers: BTreeMap<&str, usize> =
        schemas.types.keys().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let mut enums = Vec::<Vec<usize>>::new();
    let mut types = Vec::new();
    for of in schemas.types.values() {
        let mut body = Vec::new();
        body.push(u8::from(of.open));
        put(&mut body, of.fields.len());
        for (name, field) in &of.fields {
            put(&mut body, texts.number(name));
            body.push(u8::from(field.required) | u8::try_from(field.since << 1).expect("minor"));
            put_node(&mut body, &field.node, &numbers, &mut texts, &mut enums);
        }
        put(&mut types, body.len());
        types.extend(body);
    }
    let mut kinds = Vec::new();
    for ((version, kind), of) in &schemas.kinds {
        put(&mut kinds, texts.number(version));
        put(&mut kinds, texts.number(kind));
        put(&mut kinds, numbers[of.of.as_str()]);
        kinds.push(u8::from(of.namespaced));
        kinds.push(u8::try_from(of.served.0).expect("minor"));
        kinds.push(u8::try_from(of.served.1).expect("minor"));
    }
    let mut out = Vec::new();
    let named: Vec<(usize, usize)> =
        exported.iter().map(|name| (texts.number(name), numbers[*name])).collect();
    put(&mut out, texts.list.len());
    for text in &texts.list {
        put(&mut out, text.len());
    }
    texts.list.iter().for_each(|text| out.extend(text.as_bytes()));
    put(&mut out, enums.len());
    for words in &enums {
        put(&mut out, words.len());
        words.iter().for_each(|word| put(&mut out, *word));
    }
    put(&mut out, schemas.types.len());
    out.extend(types);
    put(&mut out, schemas.kinds.len());
    out.extend(kinds);
    put(&mut out, named.len());
    for (name, of) in named {
        put(&mut out, name);
        put(&mut out, of);
    }
    out
}

fn put(out: &mut Vec<u8>, mut number: usize) {
    while number >= 128 {
        out.push(u8::try_from(number & 127).expect("seven bits") | 128);
        number >>= 7;
    }
    out.push(u8::try_from(number).expect("seven bits"));
}

fn put_node(
    out: &mut Vec<u8>,
    node: &Node,
    types: &BTreeMap<&str, usize>,
    texts: &mut Texts,
    enums: &mut Vec<Vec<usize>>,
) {
    match node {
        Node::Any => out.push(0),
        Node::Text => out.push(1),
        Node::Integer => out.push(2),
        Node::Number => out.push(3),
        Node::Bool => out.push(4),
        Node::IntOrText => out.push(5),
        Node::Quantity => out.push(6),
        Node::Format(name) => {
            out.push(7);
            put(out, texts.number(name));
        }
        Node::Enum(words) => {
            let words: Vec<usize> = words.iter().map(|word| texts.number(word)).collect();
            let at = enums.iter().position(|known| *known == words).unwrap_or_else(|| {
                enums.push(words);
                enums.len() - 1
            });
            out.push(8);
            put(out, at);
        }
        Node::Range(low, high) => {
            out.push(9);
            // Shifted, so that none is negative.
            put(out, usize::try_from(low + (1 << 33)).expect("range"));
            put(out, usize::try_from(high + (1 << 33)).expect("range"));
        }
        Node::List(inner, keys) => {
            out.push(10);
            put(out, keys.len());
            keys.iter().for_each(|key| put(out, texts.number(key)));
            put_node(out, inner, types, texts, enums);
        }
        Node::Map(inner) => {
            out.push(11);
            put_node(out, inner, types, texts, enums);
        }
        Node::Object(name) => {
            out.push(12);
            put(out, types[name.as_str()]);
        }
    }
}
