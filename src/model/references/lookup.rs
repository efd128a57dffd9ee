//! Looking up what references lead to, and telling of those that lead nowhere.

use std::sync::atomic::Ordering::Relaxed;

use serde_json::Value as Json;

use super::facts::SERVICE_FACTS;
use super::parts::{Expanded, Part, Parts};
use super::{LENGTH_LIMIT, LOOKUP_LIMIT, Resolver};
use crate::diagnostic::{Code, nearest};
use crate::inventory::node::{Node, Table, Value};
use crate::model::{REFERENCE_CYCLE, REFERENCE_TO_ABSENT_SERVICE, UNKNOWN_REFERENCE};
use crate::source::{Span, Spanned};
use crate::spelling::listed;

/// Where a lookup is: what it is on the way to, and how much it has cost.
pub(super) struct Trail {
    pub(super) path: Vec<String>,
    pub(super) lookups: usize,
}

/// What a reference stands for.
pub(super) struct Fact {
    /// Within a text.
    pub(super) text: String,
    /// Where it stands alone, if it is a number or a truth value.
    pub(super) own: Option<Json>,
}

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self { text, own: None }
    }
}

impl From<i64> for Fact {
    fn from(number: i64) -> Self {
        Self { text: number.to_string(), own: Some(Json::from(number)) }
    }
}

/// Why a reference has no value.
pub(super) enum Failure {
    Unknown { what: String, help: Option<String> },
    Cycle(Vec<String>),
    TooLong,
}

impl Resolver<'_> {
    /// Replaces what can be replaced and reports each reference that cannot.
    pub(super) fn expand_reporting(&mut self, text: &str, span: Span, trail: &mut Trail) -> String {
        let mut expanded = Expanded::new(text.len(), self.escaping);
        for part in Parts::of(text) {
            match part {
                Part::Unclosed(path) => {
                    self.report_unclosed(path, span);
                    expanded.push(&part);
                }
                Part::Reference(path) => match self.look_up(path, trail) {
                    Ok(fact) => {
                        if fact.is_some() {
                            self.report_off(path, span);
                        }
                        expanded.push_found(path, fact.as_ref().map(|fact| fact.text.as_str()));
                    }
                    Err(failure) => self.report(path, failure, span),
                },
                part => expanded.push(&part),
            }
        }
        expanded.text
    }

    pub(super) fn expand(&self, text: &str, trail: &mut Trail) -> Result<String, Failure> {
        let expanded = if self.is_plain(text) { text.to_owned() } else { self.replace(text, trail)? };
        self.grown.fetch_add(expanded.len() as u64, Relaxed);
        if expanded.len() > LENGTH_LIMIT || self.has_outgrown() {
            return Err(Failure::TooLong);
        }
        Ok(expanded)
    }

    fn replace(&self, text: &str, trail: &mut Trail) -> Result<String, Failure> {
        let mut expanded = Expanded::new(text.len(), self.escaping);
        for part in Parts::of(text) {
            match part {
                Part::Reference(path) => {
                    let fact = self.look_up(path, trail)?;
                    expanded.push_found(path, fact.as_ref().map(|fact| fact.text.as_str()));
                }
                part => expanded.push(&part),
            }
            if expanded.text.len() > LENGTH_LIMIT {
                return Err(Failure::TooLong);
            }
        }
        Ok(expanded.text)
    }

    fn report_unclosed(&mut self, path: &str, span: Span) {
        let first = path.split('.').next().unwrap_or_default();
        if self.tables.iter().any(|table| table == first) {
            let message = format!("`${{{path}` is not closed");
            let diagnostic = UNKNOWN_REFERENCE.at(span, "a `}` is missing", message);
            self.found
                .push(diagnostic.help(format!("write `${{{path}}}`, or `$${{{path}` if it is no reference")));
        }
    }

    /// Where a service is off, nobody answers at its address.
    pub(super) fn report_off(&mut self, path: &str, span: Span) {
        let mut keys = path.split('.');
        let (Some("services"), Some(name), Some(fact)) = (keys.next(), keys.next(), keys.next()) else {
            return;
        };
        let leads_there = ["url", "internal-url", "internal-host", "host", "ip"].contains(&fact);
        if self.is_stand_in || !leads_there || self.is_on(name) {
            return;
        }
        let place = self.environment.map_or(String::new(), |(name, _)| format!(" in environment `{name}`"));
        let message = format!("`${{{path}}}` leads to service `{name}`, which is off{place}");
        self.found.push(
            REFERENCE_TO_ABSENT_SERVICE
                .at(span, "nobody answers there", message)
                .help("switch the service on, or give what is meant without it"),
        );
    }

    fn is_on(&self, name: &str) -> bool {
        let on = |flag: Option<&Spanned<bool>>| flag.is_none_or(|flag| flag.value);
        self.service(name).is_none_or(|service| {
            let stack = service.stack.as_ref().and_then(|stack| self.stack(&stack.value));
            on(service.enabled.as_ref()) && on(stack.and_then(|stack| stack.enabled.as_ref()))
        })
    }

    pub(super) fn report(&mut self, path: &str, failure: Failure, span: Span) {
        let (code, label, message, help): (&'static Code, _, _, _) = match failure {
            Failure::Unknown { what, help } => {
                (&UNKNOWN_REFERENCE, "leads nowhere", format!("`${{{path}}}` leads nowhere: {what}"), help)
            }
            Failure::Cycle(mut trail) => {
                trail.push(trail.first().cloned().unwrap_or_default());
                let circle = trail.join(" → ");
                (
                    &REFERENCE_CYCLE,
                    "leads back here",
                    format!("`${{{path}}}` leads back to itself: {circle}"),
                    None,
                )
            }
            Failure::TooLong => (
                &crate::inventory::TOO_MUCH,
                "grows without bound",
                format!("`${{{path}}}` leads to over {LOOKUP_LIMIT} others, or to over {LENGTH_LIMIT} bytes"),
                None,
            ),
        };
        let mut diagnostic = code.at(span, label, message);
        if let Some(help) = help {
            diagnostic = diagnostic.help(help);
        }
        self.found.push(diagnostic);
    }

    /// The value at a path; `Ok(None)` if the path does not begin with one of our words.
    pub(super) fn look_up(&self, path: &str, trail: &mut Trail) -> Result<Option<Fact>, Failure> {
        let keys: Vec<&str> = path.split('.').collect();
        if !self.tables.iter().any(|table| table == keys[0]) {
            return match nearest(keys[0], self.tables.iter().map(String::as_str)) {
                Some(near) => Err(Failure::Unknown {
                    what: format!("there is no table `{}`", keys[0]),
                    help: Some(format!("did you mean `${{{near}.{}}}`?", keys[1..].join("."))),
                }),
                None => Ok(None),
            };
        }
        if let Some(start) = trail.path.iter().position(|seen| seen == path) {
            return Err(Failure::Cycle(trail.path[start..].to_vec()));
        }
        trail.lookups += 1;
        if trail.lookups > LOOKUP_LIMIT || trail.path.len() > 64 || self.has_outgrown() {
            return Err(Failure::TooLong);
        }
        trail.path.push(path.to_owned());
        let value = self.value_at(&keys, trail);
        trail.path.pop();
        value.map(Some)
    }

    fn value_at(&self, keys: &[&str], trail: &mut Trail) -> Result<Fact, Failure> {
        if let Some(derived) = self.derived(keys, trail) {
            return derived;
        }
        match self.node(keys) {
            Some(node) => self.scalar(node, keys, trail),
            None => Err(self.unknown(keys)),
        }
    }

    pub(super) fn scalar(&self, node: &Node, keys: &[&str], trail: &mut Trail) -> Result<Fact, Failure> {
        let text = || node.scalar().unwrap_or_default().into_owned();
        match &node.value {
            Value::String(text) => self.expand(text, trail).map(Fact::from),
            Value::Integer(number) => Ok(Fact { text: text(), own: Some(Json::from(*number)) }),
            Value::Boolean(flag) => Ok(Fact { text: text(), own: Some(Json::from(*flag)) }),
            Value::Float(_) => Ok(Fact::from(text())),
            Value::Datetime(text) => Ok(Fact::from(text.to_string())),
            Value::Array(items) if items.len() == 1 => self.scalar(&items[0], keys, trail),
            Value::Array(items) => Err(Failure::Unknown {
                what: format!("it is a list of {} values", items.len()),
                help: Some(format!("name one of them: `${{{}.0}}`", keys.join("."))),
            }),
            Value::Table(table) => Err(Failure::Unknown {
                what: "it is a table, not a value".to_owned(),
                help: table
                    .keys()
                    .next()
                    .map(|key| format!("name a key in it, such as `${{{}.{key}}}`", keys.join("."))),
            }),
            Value::Null => Err(Failure::Unknown { what: "it has no value".to_owned(), help: None }),
        }
    }

    /// The node at a path: the environment's own if it has one, else the default one.
    pub(super) fn node(&self, keys: &[&str]) -> Option<&Node> {
        let root = &self.inventory.root;
        let (first, rest) = keys.split_first()?;
        if *first == "addresses" {
            return walk(root.find(["charts", self.chart?, "addresses"])?, rest);
        }
        if *first == "environment" {
            self.names_environment.set(true);
            return walk(root.find(["environments", self.environment?.0])?, rest);
        }
        let own = self.environment.and_then(|(name, _)| walk(root.find(["environments", name])?, keys));
        if own.is_some() {
            self.names_environment.set(true);
        }
        own.or_else(|| walk(root, keys))
    }

    pub(super) fn unknown(&self, keys: &[&str]) -> Failure {
        if keys[0] == "addresses" && self.chart.is_none() {
            let what = "`addresses` belongs to a chart, and this is none".to_owned();
            return Failure::Unknown { what, help: Some("write `${charts.NAME.addresses.…}`".to_owned()) };
        }
        let depth = (1..keys.len()).rev().find(|depth| self.node(&keys[..*depth]).is_some()).unwrap_or(0);
        let parent = keys[..depth].join(".");
        let missing = keys.get(depth).copied().unwrap_or_default();
        let own = self.node(&keys[..depth]).and_then(Node::table);
        let facts: &[&str] = if depth == 2 && keys[0] == "services" { SERVICE_FACTS } else { &[] };
        let known = own.into_iter().flat_map(Table::keys).chain(facts.iter().copied());
        let near = self.guess(missing, known.clone());
        let help = match near {
            Some(near) => {
                let path = [&keys[..depth], &[near], &keys[depth + 1..]].concat().join(".");
                Some(format!("did you mean `${{{path}}}`?"))
            }
            None => known.clone().next().map(|_| format!("`{parent}` has {}", listed(known))),
        };
        let parent = if depth == 0 { "the inventory".to_owned() } else { format!("`{parent}`") };
        Failure::Unknown { what: format!("{parent} has no `{missing}`"), help }
    }
}

/// Follows keys; a number names an item of a list.
fn walk<'n>(root: &'n Node, keys: &[&str]) -> Option<&'n Node> {
    keys.iter().try_fold(root, |node, key| match &node.value {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => node.find([*key]),
    })
}
