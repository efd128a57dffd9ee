//! Values of every kind with their references replaced.

use std::net::IpAddr;

use serde_json::Value as Json;

use super::Resolver;
use super::lookup::Trail;
use super::parts::only_reference;
use crate::address::{BadAddress, Range, parse_host};
use crate::inventory::node::{Entry, Node, Value};
use crate::inventory::value::{AddressText, Passthrough, QuantityText, Text};
use crate::model::{BAD_ADDRESS, BAD_QUANTITY};
use crate::quantity::Quantity;
use crate::source::{Span, Spanned};

/// A quantity as written and as a number.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantityValue {
    /// As the inventory writes it.
    pub text: Box<str>,
    /// As a number.
    pub amount: Quantity,
}

impl serde::Serialize for QuantityValue {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl Resolver<'_> {
    /// An address with references replaced; reported and `None` if it cannot be read.
    pub fn address(&mut self, address: &AddressText) -> Option<Spanned<IpAddr>> {
        self.parsed(&address.0, parse_host)
    }

    /// A range of addresses, by the reader that fits its kind; reported and `None` if it cannot be read.
    pub fn range(
        &mut self,
        text: &Text,
        read: impl FnOnce(&str) -> Result<Range, BadAddress>,
    ) -> Option<Spanned<Range>> {
        self.parsed(text, read)
    }

    fn parsed<T>(
        &mut self,
        text: &Text,
        read: impl FnOnce(&str) -> Result<T, BadAddress>,
    ) -> Option<Spanned<T>> {
        let expanded = self.resolved(text)?;
        self.note_way(text.span, text);
        match read(&expanded) {
            Ok(value) => Some(Spanned::new(value, text.span)),
            Err(bad) => {
                let help = bad.help();
                let mut diagnostic = BAD_ADDRESS.at(text.span, "cannot be read", bad.reason);
                if let Some(help) = help {
                    diagnostic = diagnostic.help(help);
                }
                self.found.push(diagnostic);
                None
            }
        }
    }

    /// A string with its references replaced, or `None` after reporting that one leads nowhere.
    pub fn resolved(&mut self, text: &Text) -> Option<Spanned<String>> {
        if self.is_plain(text) {
            return Some(text.clone());
        }
        let mut trail = Trail { path: Vec::new(), lookups: 0 };
        match self.expand(&text.value, &mut trail) {
            Ok(expanded) => Some(Spanned::new(expanded, text.span)),
            Err(_) => {
                self.text(text);
                None
            }
        }
    }

    /// A quantity with references replaced; reported and `None` if it cannot be read.
    pub fn quantity(&mut self, quantity: &QuantityText) -> Option<Spanned<QuantityValue>> {
        let text = self.resolved(&quantity.0)?;
        match Quantity::parse(&text) {
            Ok(amount) if amount.is_negative() => {
                let message = format!("`{}` is less than nothing", text.value);
                self.found.push(BAD_QUANTITY.at(text.span, "less than nothing", message));
                None
            }
            Ok(amount) => Some(Spanned::new(QuantityValue { text: text.value.into(), amount }, text.span)),
            Err(bad) => {
                let help = bad.help();
                let mut diagnostic = BAD_QUANTITY.at(text.span, "not a quantity", bad.reason);
                if let Some(help) = help {
                    diagnostic = diagnostic.help(help);
                }
                self.found.push(diagnostic);
                None
            }
        }
    }

    /// A value in Kubernetes' own spelling, references replaced, keys sorted so that the file's order changes
    /// nothing. A string that is one reference to a number or a truth value becomes one.
    pub fn value(&mut self, value: &Passthrough) -> Json {
        self.json(&value.0)
    }

    fn json(&mut self, node: &Node) -> Json {
        match &node.value {
            Value::String(text) => match only_reference(text) {
                Some(path) => self.fact(path, node.span),
                None => Json::String(self.text(&Text::new(text.to_string(), node.span)).value),
            },
            Value::Integer(number) => Json::from(*number),
            Value::Float(number) => serde_json::Number::from_f64(*number).map_or(Json::Null, Json::Number),
            Value::Boolean(flag) => Json::Bool(*flag),
            Value::Datetime(text) => Json::String(text.to_string()),
            Value::Array(items) => Json::Array(items.iter().map(|item| self.json(item)).collect()),
            Value::Table(table) => {
                let mut entries: Vec<(&str, &Entry)> = table.iter().collect();
                entries.sort_by_key(|(key, _)| *key);
                let json = |(key, entry): (&str, &Entry)| (key.to_owned(), self.json(&entry.node));
                Json::Object(entries.into_iter().map(json).collect())
            }
            Value::Null => Json::Object(serde_json::Map::new()),
        }
    }

    /// What a reference that stands alone stands for.
    pub(super) fn fact(&mut self, path: &str, span: Span) -> Json {
        let mut trail = Trail { path: Vec::new(), lookups: 0 };
        match self.look_up(path, &mut trail) {
            Ok(Some(fact)) => {
                self.report_off(path, span);
                fact.own.unwrap_or(Json::String(fact.text))
            }
            Ok(None) => Json::String(format!("${{{path}}}")),
            Err(failure) => {
                self.report(path, failure, span);
                Json::String(String::new())
            }
        }
    }
}
