//! Typed reading: one declaration gives a table its type, its keys, their descriptions and its JSON Schema.
//!
//! A table is declared once with [`record!`], a closed set of words with [`choice!`]. Reading never stops at
//! the first fault: what cannot be read is reported and left out.

mod decode;
mod faults;
mod reader;
mod schemas;

use serde_json::Value as Json;

pub use decode::{Decode, Field, List, Map, Named};
pub use faults::{check_key, check_text, report_missing, report_unknown, report_word};
pub use reader::Reader;
pub use schemas::{Schemas, words_schema};

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

/// `snake_case` as the inventory spells it.
pub fn kebab(field: &str) -> String {
    field.trim_start_matches("r#").replace('_', "-")
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
                use $crate::inventory::record::{kebab, report_missing, report_unknown};
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
                        let doc = concat!($($fdoc, "\n"),+);
                        if $crate::record!(@required $($required)?) && !table.contains_key(key) {
                            report_missing(node, key, doc, $crate::record!(@merges $mode), reader);
                        }
                        reader.key::<$ty>(table, key, doc)
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
