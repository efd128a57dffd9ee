//! Typed reading: one declaration gives a table its type, its keys, their descriptions and its JSON Schema.
//!
//! A table is declared once with [`record!`], a closed set of words with [`choice!`]. Reading never stops at
//! the first fault: what cannot be read is reported and left out.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use litemap::LiteMap;
use rayon::prelude::{ParallelIterator, ParallelSlice};
use serde_json::{Value as Json, json};

use crate::diagnostic::{Diagnostics, nearest};
use crate::inventory::node::{Entry, Node, Value};
use crate::inventory::places::elsewhere;
use crate::inventory::unread::Unread;
use crate::inventory::{BAD_TEXT, MISSING_KEY, UNKNOWN_KEY, WRONG_TYPE};
use crate::object::emit::{unsafe_key, unsafe_text};
use crate::source::{Span, Spanned};

/// What reading carries along: where it is, and what it found.
#[derive(Debug, Default)]
pub struct Reader {
    /// What was found so far.
    pub found: Diagnostics,
    /// Which keys could not be read.
    pub unread: Unread,
    /// The whole inventory: what an environment's tables are laid over.
    pub root: Option<Arc<Node>>,
    path: Vec<String>,
    /// What the key that is being read means.
    doc: &'static str,
}

impl Reader {
    /// The dotted path of the table that is being read.
    pub fn path(&self) -> String {
        self.path.join(".")
    }

    /// Reads one level deeper, under `key`.
    pub fn within<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(key.to_owned());
        let value = read(self);
        self.path.pop();
        value
    }

    /// Reads the value of a key that means `doc`.
    pub fn meaning<T>(&mut self, doc: &'static str, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.doc, doc);
        let value = read(self);
        self.doc = outer;
        value
    }

    /// Reads at the same place, with findings of its own.
    fn apart<T>(&self, read: impl FnOnce(&mut Self) -> T) -> (T, Diagnostics, Unread) {
        let mut own =
            Self { root: self.root.clone(), path: self.path.clone(), doc: self.doc, ..Self::default() };
        let value = read(&mut own);
        (value, own.found, own.unread)
    }

    /// Notes which keys of the table that has been read could not be.
    pub fn note_table(&mut self, place: Span, keys: &[String]) {
        if !self.unread.is_empty() {
            self.unread.add_table(place, &self.path.join("."), keys);
        }
    }

    /// Notes that the value that is being read cannot be.
    fn note_unread(&mut self) {
        let path = self.path();
        self.unread.add(&path);
    }

    /// Whether an environment's table of this path is laid over one of the defaults, which has what it leaves out.
    fn has_default(&self) -> bool {
        let ["environments", _, path @ ..] = &self.path.iter().map(String::as_str).collect::<Vec<_>>()[..]
        else {
            return false;
        };
        let Some(mut node) = self.root.as_deref() else { return false };
        for key in path {
            match node.table().and_then(|table| table.get(*key)) {
                Some(entry) => node = &entry.node,
                None => return false,
            }
        }
        !path.is_empty() && !matches!(node.value, Value::Boolean(false))
    }

    /// Reports a value of the wrong type or outside its closed set of words.
    pub fn wrong_type(&mut self, node: &Node, wanted: &str) {
        let (label, not) = match &node.value {
            Value::Null => ("has no value".to_owned(), "and has no value".to_owned()),
            // A text where texts of another form are wanted. Whoever writes a secret itself is not quoted.
            Value::String(text) if takes_texts(wanted) && text.len() <= 80 && !self.is_secret() => {
                ("none of these".to_owned(), format!("not `{text}`"))
            }
            Value::String(_) if takes_texts(wanted) => {
                ("none of these".to_owned(), "not another text".to_owned())
            }
            _ => (format!("this is {}", node.kind()), format!("not {}", node.kind())),
        };
        let mended = || mended(node, wanted).map(|mended| format!("write {mended}"));
        let help = self.port_by_name(node, wanted).or_else(mended);
        self.refuse(node, label, &format!("must be {wanted}, {not}"), help);
    }

    /// Reports a value that cannot be read: `message` says why, after the name of its key.
    pub fn refuse(&mut self, node: &Node, label: String, message: &str, help: Option<String>) {
        self.note_unread();
        let what =
            if self.path.is_empty() { "the inventory".to_owned() } else { format!("`{}`", self.path()) };
        let diagnostic = WRONG_TYPE.at(node.span, label, format!("{what} {message}"));
        self.found.push(match help {
            Some(help) => diagnostic.help(help),
            None if self.doc.is_empty() => diagnostic,
            None => diagnostic.help(lower_first(self.doc.trim().trim_end_matches('.'))),
        });
    }

    fn is_secret(&self) -> bool {
        self.path.iter().any(|key| key == "secret-env")
    }

    /// The name of the port of this number, where a port goes by its name.
    fn port_by_name(&self, node: &Node, wanted: &str) -> Option<String> {
        let Value::Integer(number) = node.value else { return None };
        let of_ports =
            self.doc.split(|c: char| !c.is_alphabetic()).any(|word| ["port", "ports"].contains(&word));
        if wanted != "a string" || !of_ports || !self.doc.contains(", by name") {
            return None;
        }
        let at = self.path.iter().rposition(|key| key == "services")?;
        let service = self.path.get(at + 1)?;
        let ports = self.root.as_deref()?.find(["services", service, "ports"]).and_then(Node::table);
        let is_it = |node: &Node| node.find(["port"]).unwrap_or(node).value == Value::Integer(number);
        let named = ports.into_iter().flatten().find(|(_, entry)| is_it(&entry.node));
        Some(match named {
            Some((name, _)) => format!("name it as in `ports`: \"{name}\""),
            None => format!("name it as in `ports`: with `ports.http = {number}`, \"http\""),
        })
    }

    fn unknown_key(&mut self, key: &str, span: Span, known: &[String]) {
        let place =
            if self.path.is_empty() { "the inventory".to_owned() } else { format!("`{}`", self.path()) };
        let near = nearest(key, known.iter().map(String::as_str));
        self.within(near.unwrap_or(key), Self::note_unread);
        let here = known.join(", ");
        let help = match (near, elsewhere(key)) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, Some(places)) => format!("it is a key of {places}; known here: {here}"),
            (None, None) => format!("known here: {here}"),
        };
        self.found.push(
            UNKNOWN_KEY.at(span, "not a known key", format!("unknown key `{key}` in {place}")).help(help),
        );
    }
}

/// Whether texts of some form are wanted, as the examples before a table show.
fn takes_texts(wanted: &str) -> bool {
    wanted.split('{').next().is_some_and(|words| words.contains(['"', '`']))
}

/// A value of the wrong type as it was probably meant.
fn mended(node: &Node, wanted: &str) -> Option<String> {
    let text = node.scalar().filter(|text| text.len() <= 40 && !text.contains(['"', '\\']))?;
    let is_text = node.text().is_some();
    match wanted {
        "a string" => match text.strip_prefix("0o") {
            Some(octal) if !is_text => Some(format!("\"0{octal}\"")),
            _ => Some(format!("\"{text}\"")),
        },
        "a list" if is_text => Some(format!("[\"{text}\"]")),
        "a whole number" if node.has_leading_zero() => {
            Some(text.trim_start_matches('0').to_owned()).filter(|digits| !digits.is_empty())
        }
        _ if wanted.starts_with("true") => match text.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some("true".to_owned()),
            "false" | "no" | "off" | "0" => Some("false".to_owned()),
            _ => None,
        },
        _ if is_text && (wanted == "a whole number" || wanted.starts_with("a port number")) => {
            text.parse::<i64>().ok().map(|number| format!("{number} without quotes"))
        }
        _ => None,
    }
}

/// A type that a node can be read as.
pub trait Decode: Sized + Clone + Send {
    /// Reads a value. `None` after reporting why it cannot be.
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self>;

    /// The JSON Schema of the values that [`Decode::decode`] accepts.
    fn schema(schemas: &mut Schemas) -> Json;

    /// This value with an environment's own laid over it. Tables merge key by key, all else is replaced.
    fn merged(&self, over: &Self) -> Self {
        over.clone()
    }
}

/// A key of a table: optional, a list, or a map; absent ones are empty.
pub trait Field: Sized {
    /// Reads the value of the key, if it is there.
    fn read(node: Option<&Node>, reader: &mut Reader) -> Self;
    /// The JSON Schema of the value.
    fn schema(schemas: &mut Schemas) -> Json;
    /// This value with an environment's own laid over it.
    fn merged(&self, over: &Self) -> Self;
}

impl<T: Decode> Field for Option<T> {
    fn read(node: Option<&Node>, reader: &mut Reader) -> Self {
        node.and_then(|node| T::decode(node, reader))
    }
    fn schema(schemas: &mut Schemas) -> Json {
        T::schema(schemas)
    }
    fn merged(&self, over: &Self) -> Self {
        match (self, over) {
            (Some(base), Some(over)) => Some(base.merged(over)),
            (base, None) => base.clone(),
            (None, over) => over.clone(),
        }
    }
}

/// A list that a table may hold. An environment that gives an empty one takes the default's items away.
#[derive(Clone, Debug, PartialEq)]
pub struct List<T> {
    items: Vec<T>,
    given: bool,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { items: Vec::new(), given: false }
    }
}

impl<T> Deref for List<T> {
    type Target = Vec<T>;
    fn deref(&self) -> &Vec<T> {
        &self.items
    }
}

impl<T> From<Vec<T>> for List<T> {
    fn from(items: Vec<T>) -> Self {
        Self { items, given: true }
    }
}

impl<'l, T> IntoIterator for &'l List<T> {
    type Item = &'l T;
    type IntoIter = std::slice::Iter<'l, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

impl<T: Decode> Field for List<T> {
    fn read(node: Option<&Node>, reader: &mut Reader) -> Self {
        match node.and_then(|node| Vec::decode(node, reader)) {
            Some(items) => Self { items, given: true },
            None => Self::default(),
        }
    }
    fn schema(schemas: &mut Schemas) -> Json {
        Vec::<T>::schema(schemas)
    }
    fn merged(&self, over: &Self) -> Self {
        if over.given { over.clone() } else { self.clone() }
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::Array(items) = &node.value else {
            reader.wrong_type(node, "a list");
            return None;
        };
        let items = items.iter().enumerate();
        let read =
            items.filter_map(|(at, item)| reader.within(&at.to_string(), |reader| T::decode(item, reader)));
        Some(read.collect())
    }
    fn schema(schemas: &mut Schemas) -> Json {
        json!({ "type": "array", "items": T::schema(schemas) })
    }
}

/// An entry of a [`Map`]: the value and the place of its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<T> {
    /// Where the name stands.
    pub key: Span,
    /// The value.
    pub value: T,
}

impl<T> Deref for Named<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// A table whose keys the user chooses. Sorted, so that the order of the file changes nothing; most have one entry or
/// two, for which a tree would set aside room for eleven.
pub type Map<T> = LiteMap<String, Named<T>>;

impl<T: Decode> Field for Map<T> {
    fn read(node: Option<&Node>, reader: &mut Reader) -> Self {
        node.and_then(|node| Self::decode(node, reader)).unwrap_or_default()
    }
    fn schema(schemas: &mut Schemas) -> Json {
        <Self as Decode>::schema(schemas)
    }
    fn merged(&self, over: &Self) -> Self {
        Decode::merged(self, over)
    }
}

type Entries<T> = Vec<(String, Named<T>)>;

/// Long tables are read in parts of so many entries, at the same time.
const PART: usize = 128;

fn decode_entries<T: Decode>(entries: &[(&String, &Entry)], reader: &mut Reader) -> Entries<T> {
    let mut read = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        check_key(name, entry.key, reader);
        let value = reader.within(name, |reader| T::decode(&entry.node, reader));
        read.extend(value.map(|value| ((*name).clone(), Named { key: entry.key, value })));
    }
    read
}

impl<T: Decode> Decode for Map<T> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Some(table) = node.table() else {
            reader.wrong_type(node, "a table");
            return None;
        };
        let mut entries: Vec<(&String, &Entry)> = table.iter().collect();
        entries.sort_unstable_by_key(|(name, _)| *name);
        let parts: Vec<(Entries<T>, Diagnostics, Unread)> = match entries.len() {
            0..PART => {
                vec![(decode_entries(&entries, reader), Diagnostics::default(), Unread::default())]
            }
            _ => entries.par_chunks(PART).map(|part| reader.apart(|own| decode_entries(part, own))).collect(),
        };
        let mut map = Self::with_capacity(entries.len());
        for (part, found, unread) in parts {
            reader.found.absorb(found);
            reader.unread.absorb(unread);
            map.extend(part);
        }
        Some(map)
    }
    fn schema(schemas: &mut Schemas) -> Json {
        json!({ "type": "object", "additionalProperties": T::schema(schemas) })
    }
    fn merged(&self, over: &Self) -> Self {
        let mut merged = self.clone();
        for (name, entry) in over {
            let value = match self.get(name) {
                Some(base) => base.value.merged(&entry.value),
                None => entry.value.clone(),
            };
            merged.insert(name.clone(), Named { key: entry.key, value });
        }
        merged
    }
}

impl Decode for Spanned<bool> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.value {
            Value::Boolean(flag) => Some(Self::new(flag, node.span)),
            _ => {
                reader.wrong_type(node, "true or false");
                None
            }
        }
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({ "type": "boolean" })
    }
}

impl Decode for Spanned<i64> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.value {
            Value::Integer(number) => Some(Self::new(number, node.span)),
            _ => {
                reader.wrong_type(node, "a whole number");
                None
            }
        }
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({ "type": "integer" })
    }
}

impl Decode for Spanned<String> {
    fn decode(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::String(text) = &node.value else {
            reader.wrong_type(node, "a string");
            return None;
        };
        check_text(text, node.span, reader);
        Some(Self::new(text.clone(), node.span))
    }
    fn schema(_: &mut Schemas) -> Json {
        json!({ "type": "string" })
    }
}

/// Refuses characters that no YAML writer can carry through kustomize.
pub fn check_text(text: &str, span: Span, reader: &mut Reader) {
    if let Some(c) = unsafe_text(text) {
        let path = reader.path();
        let what = format!("the character U+{:04X}", u32::from(c));
        let message = format!("`{path}` holds {what}, which kustomize cannot carry");
        reader.found.push(BAD_TEXT.at(span, what, message).help("write it without"));
    }
}

/// Refuses keys that no YAML writer can carry through kustomize.
pub fn check_key(key: &str, span: Span, reader: &mut Reader) {
    if let Some(what) = unsafe_key(key) {
        let path = reader.path();
        let place = if path.is_empty() { "the inventory".to_owned() } else { format!("`{path}`") };
        reader.found.push(BAD_TEXT.at(
            span,
            what.clone(),
            format!("a key of {place} cannot be carried: {what}"),
        ));
    }
}

/// A table declared by [`record!`].
pub trait Record {
    /// The type's name, for the schema.
    const NAME: &'static str;
    /// What the table is for.
    const DOC: &'static str;
    /// Its keys.
    fn keys() -> Vec<Key>;
}

/// One key of a table.
#[derive(Debug)]
pub struct Key {
    /// As the inventory spells it.
    pub name: String,
    /// What it means: the declaration's own doc comment.
    pub doc: &'static str,
    /// Whether the table is wrong without it.
    pub required: bool,
    /// The JSON Schema of its values.
    pub schema: fn(&mut Schemas) -> Json,
}

/// The schemas of all tables met so far, by name.
#[derive(Debug, Default)]
pub struct Schemas(pub BTreeMap<&'static str, Json>);

impl Schemas {
    /// A pointer to the table's schema, which is added when it is new.
    pub fn of<T: Record>(&mut self) -> Json {
        if !self.0.contains_key(T::NAME) {
            self.0.insert(T::NAME, Json::Null);
            let mut properties = serde_json::Map::new();
            let keys = T::keys();
            for key in &keys {
                let schema = describe((key.schema)(self), key.doc);
                properties.insert(key.name.clone(), schema);
            }
            let required: Vec<&str> =
                keys.iter().filter(|key| key.required).map(|key| key.name.as_str()).collect();
            let mut schema = json!({
                "description": T::DOC.trim(),
                "type": "object",
                "additionalProperties": false,
                "properties": properties,
            });
            if !required.is_empty() {
                schema["required"] = json!(required);
            }
            self.0.insert(T::NAME, schema);
        }
        json!({ "$ref": format!("#/definitions/{}", T::NAME) })
    }
}

/// Puts a description beside a schema. Draft 7 ignores what stands beside `$ref`, hence `allOf`.
fn describe(schema: Json, doc: &str) -> Json {
    let mut described = match schema {
        Json::Object(map) if map.contains_key("$ref") => json!({ "allOf": [map] }),
        other => other,
    };
    described["description"] = Json::String(doc.trim().to_owned());
    described
}

/// `snake_case` as the inventory spells it.
pub fn kebab(field: &str) -> String {
    field.trim_start_matches("r#").replace('_', "-")
}

/// Reports the keys of a table that its record does not know.
pub fn report_unknown(node: &Node, known: &[String], reader: &mut Reader) {
    let Some(table) = node.table() else { return };
    for (key, entry) in table {
        if !known.iter().any(|name| name == key) {
            reader.unknown_key(key, entry.key, known);
        }
    }
}

/// Reports a key that must be there. A table that `merges` need not repeat what the defaults say.
pub fn report_missing(node: &Node, key: &str, doc: &str, merges: bool, reader: &mut Reader) {
    if merges && reader.has_default() {
        return;
    }
    let path = reader.path();
    if reader.unread.at(&[&path, key]) {
        return;
    }
    let first = doc.trim().split(". ").next().unwrap_or_default().trim_end_matches('.');
    reader.found.push(
        MISSING_KEY
            .at(node.span, format!("`{key}` is missing here"), format!("`{path}` needs `{key}`"))
            .help(format!("add `{key}`: {}", lower_first(first))),
    );
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    let next_is_upper = text.chars().nth(1).is_some_and(char::is_uppercase);
    match letters.next() {
        Some(first) if !next_is_upper => first.to_lowercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

/// Declares a table of the inventory: a struct with a `span`, its keys and their descriptions.
///
/// `#[required]` before a field makes a table without it a finding. `replaced` after the name makes an
/// environment's table replace the whole of the default one instead of merging with it.
#[macro_export]
macro_rules! record {
    ($(#[doc = $doc:literal])+ pub struct $name:ident { $($body:tt)* }) => {
        $crate::record!(@define [merge] [$($doc)+] $name { $($body)* });
    };
    ($(#[doc = $doc:literal])+ pub struct $name:ident replaced { $($body:tt)* }) => {
        $crate::record!(@define [replace] [$($doc)+] $name { $($body)* });
    };
    (@define [$mode:ident] [$($doc:literal)+] $name:ident {
        $($(#[doc = $fdoc:literal])+ $(#[$required:ident])? $field:ident : $ty:ty),* $(,)?
    }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            /// The place of the table.
            pub span: $crate::source::Span,
            $($(#[doc = $fdoc])+ pub $field: $ty,)*
        }

        impl $crate::inventory::record::Record for $name {
            const NAME: &'static str = stringify!($name);
            const DOC: &'static str = concat!($($doc, "\n"),+);
            fn keys() -> Vec<$crate::inventory::record::Key> {
                vec![$($crate::inventory::record::Key {
                    name: $crate::inventory::record::kebab(stringify!($field)),
                    doc: concat!($($fdoc, "\n"),+),
                    required: $crate::record!(@required $($required)?),
                    schema: <$ty as $crate::inventory::record::Field>::schema,
                }),*]
            }
        }

        impl $crate::inventory::record::Decode for $name {
            fn decode(
                node: &$crate::inventory::node::Node,
                reader: &mut $crate::inventory::record::Reader,
            ) -> Option<Self> {
                use $crate::inventory::record::{Field, kebab, report_missing, report_unknown};
                static KNOWN: std::sync::LazyLock<Vec<String>> =
                    std::sync::LazyLock::new(|| vec![$(kebab(stringify!($field))),*]);
                let Some(table) = node.table() else {
                    reader.wrong_type(node, "a table");
                    return None;
                };
                report_unknown(node, &KNOWN, reader);
                let mut known = KNOWN.iter();
                $(
                    let $field = {
                        let key = known.next().map_or("", String::as_str);
                        let entry = table.get(key);
                        if entry.is_none() && $crate::record!(@required $($required)?) {
                            let merges = $crate::record!(@merges $mode);
                            report_missing(node, key, concat!($($fdoc, "\n"),+), merges, reader);
                        }
                        match entry {
                            Some(entry) => reader.meaning(concat!($($fdoc, "\n"),+), |reader| {
                                reader.within(key, |reader| Field::read(Some(&entry.node), reader))
                            }),
                            None => Field::read(None, reader),
                        }
                    };
                )*
                reader.note_table(node.span, &KNOWN);
                Some(Self { span: node.span, $($field),* })
            }
            fn schema(schemas: &mut $crate::inventory::record::Schemas) -> serde_json::Value {
                schemas.of::<Self>()
            }
            $crate::record!(@merged [$mode] $($field)*);
        }
    };
    (@merged [replace] $($field:ident)*) => {};
    (@merged [merge] $($field:ident)*) => {
        fn merged(&self, over: &Self) -> Self {
            use $crate::inventory::record::Field;
            Self { span: self.span, $($field: Field::merged(&self.$field, &over.$field)),* }
        }
    };
    (@merges merge) => { true };
    (@merges replace) => { false };
    (@required) => { false };
    (@required required) => { true };
}

/// Declares a closed set of words.
#[macro_export]
macro_rules! choice {
    ($(#[doc = $doc:literal])+ pub enum $name:ident { $($(#[doc = $vdoc:literal])+ $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
        pub enum $name {
            $($(#[doc = $vdoc])+ #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// Every word, as the inventory spells it.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word, as the inventory spells it.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl $crate::inventory::record::Decode for $crate::source::Spanned<$name> {
            fn decode(
                node: &$crate::inventory::node::Node,
                reader: &mut $crate::inventory::record::Reader,
            ) -> Option<Self> {
                match node.text() {
                    $(Some($word) => Some($crate::source::Spanned::new($name::$variant, node.span)),)+
                    _ => {
                        let meanings = &[$(concat!($($vdoc),+)),+];
                        $crate::inventory::record::report_word(node, $name::WORDS, meanings, reader);
                        None
                    }
                }
            }
            fn schema(_: &mut $crate::inventory::record::Schemas) -> serde_json::Value {
                $crate::inventory::record::words_schema($name::WORDS, &[$(concat!($($vdoc),+).trim()),+])
            }
        }
    };
}

/// The schema of a closed set. What each word means is said twice: to Taplo, and to editors of YAML and JSON.
pub fn words_schema(words: &[&str], meanings: &[&str]) -> Json {
    json!({
        "type": "string",
        "enum": words,
        "enumDescriptions": meanings,
        "x-taplo": { "docs": { "enumValues": meanings } },
    })
}

/// Reports a word outside a closed set.
pub fn report_word(node: &Node, words: &[&str], meanings: &[&str], reader: &mut Reader) {
    let Some(word) = node.text() else {
        return reader.wrong_type(node, &format!("one of {}", words.join(", ")));
    };
    let path = reader.path();
    reader.note_unread();
    let folded = word.to_lowercase().replace(['_', ' '], "-");
    let near = words.iter().find(|known| known.replace('-', "") == folded.replace('-', "")).copied();
    let near = near.or_else(|| nearest(&folded, words.iter().copied()));
    let diagnostic = WRONG_TYPE.at(
        node.span,
        format!("none of {}", words.join(", ")),
        format!("`{path}` must be one of {}, not `{word}`", words.join(", ")),
    );
    let meant = words
        .iter()
        .zip(meanings)
        .map(|(word, meaning)| format!("`{word}`: {}", lower_first(meaning.trim().trim_end_matches('.'))));
    let diagnostic = diagnostic.help(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => meant.collect::<Vec<_>>().join("; "),
    });
    reader.found.push(diagnostic);
}
