//! `${table.name.key}`: a fact elsewhere in the inventory, or one derived from it.
//!
//! References are looked up in the plain tree of the file, with the environment's own tables laid over it,
//! and never run code. `${NAME}` without a dot belongs to Flux and stays; `$${` writes a plain `${`. Where Flux
//! replaces variables, it makes one `$` of two: what is to arrive as `$$` or `${` is written so that it does.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value as Json;

use crate::address::{BadAddress, Range, parse_host};
use crate::diagnostic::{Code, Diagnostics, nearest};
use crate::inventory::Inventory;
use crate::inventory::environment::Environment;
use crate::inventory::node::{Node, Value};
use crate::inventory::record::{Decode, Map, Record};
use crate::inventory::service::Service;
use crate::inventory::stack::Stack;
use crate::inventory::value::{AddressText, OrOff, Passthrough, QuantityText, Text};
use crate::model::host::first_host;
use crate::model::port::{main_number, scheme, url};
use crate::model::{
    BAD_ADDRESS, BAD_QUANTITY, REFERENCE_CYCLE, REFERENCE_TO_ABSENT_SERVICE, UNKNOWN_REFERENCE,
};
use crate::quantity::Quantity;
use crate::source::{Span, Spanned};

/// A string grows to at most this many bytes when its references are replaced.
pub const LENGTH_LIMIT: usize = 1 << 20;
/// All strings together grow to at most this many bytes, counted where references are replaced.
pub const TOTAL_LIMIT: usize = 64 << 20;
/// At most this many names are compared to find what was meant by unknown ones.
pub const GUESS_LIMIT: usize = 2_000_000;
/// One string leads to at most this many others.
pub const LOOKUP_LIMIT: usize = 1_000;
/// A reference to a reference to a reference … is followed so far.
const LONGEST_WAY: usize = 64;

/// Words that `${…}` may begin with beside the inventory's tables.
const EXTRA_WORDS: &[&str] = &["addresses", "environment"];

/// Replaces references, and carries what was found.
#[derive(Debug)]
pub struct Resolver<'a> {
    /// The inventory.
    pub inventory: &'a Inventory,
    /// What was found.
    pub found: Diagnostics,
    /// Whether Flux replaces `${NAME}` in what is being resolved: each plain `$` that it would take for the
    /// beginning of something is written twice.
    pub escaping: bool,
    environment: Option<(&'a str, &'a Environment)>,
    /// Whether what is resolved is only the common ground of environments, and never deployed as such.
    is_stand_in: bool,
    chart: Option<&'a str>,
    services: Arc<BTreeMap<&'a str, Service>>,
    stacks: Arc<BTreeMap<&'a str, Stack>>,
    tables: Arc<[String]>,
    /// Of the places of addresses that are nothing but a reference, the way that it leads.
    ways: BTreeMap<Span, Vec<String>>,
    /// How many bytes strings with references may still grow to.
    room: Arc<AtomicUsize>,
    /// How many names may still be compared with unknown ones.
    guesses: Cell<usize>,
    /// Whether a text says which environment it stands in.
    names_environment: Cell<bool>,
}

/// Where a lookup is: what it is on the way to, and how much it has cost.
struct Trail {
    path: Vec<String>,
    lookups: usize,
}

/// What a reference stands for.
struct Fact {
    /// Within a text.
    text: String,
    /// Where it stands alone, if it is a number or a truth value.
    own: Option<Json>,
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
enum Failure {
    Unknown { what: String, help: Option<String> },
    Cycle(Vec<String>),
    TooLong,
}

impl<'a> Resolver<'a> {
    /// A resolver for the defaults.
    pub fn new(inventory: &'a Inventory) -> Self {
        let tables = crate::inventory::Tables::keys().into_iter().map(|key| key.name);
        Self {
            inventory,
            found: Diagnostics::default(),
            escaping: false,
            environment: None,
            is_stand_in: false,
            chart: None,
            services: Arc::default(),
            stacks: Arc::default(),
            ways: BTreeMap::new(),
            room: Arc::new(AtomicUsize::new(TOTAL_LIMIT)),
            guesses: Cell::new(GUESS_LIMIT),
            names_environment: Cell::new(false),
            tables: tables.chain(EXTRA_WORDS.iter().map(|word| (*word).to_owned())).collect(),
        }
    }

    /// So many resolvers for parts of the same environment, which may be resolved at the same time.
    pub fn divided(&self, parts: usize) -> Vec<Self> {
        let guesses = self.guesses.get() / parts.max(1);
        let part = || Self {
            inventory: self.inventory,
            found: Diagnostics::default(),
            escaping: self.escaping,
            environment: self.environment,
            is_stand_in: self.is_stand_in,
            chart: self.chart,
            services: Arc::clone(&self.services),
            stacks: Arc::clone(&self.stacks),
            tables: Arc::clone(&self.tables),
            ways: BTreeMap::new(),
            room: Arc::clone(&self.room),
            guesses: Cell::new(guesses),
            names_environment: Cell::new(false),
        };
        std::iter::repeat_with(part).take(parts).collect()
    }

    /// Takes over what another resolver of the same inventory has found.
    pub fn absorb(&mut self, other: Self) {
        self.found.absorb(other.found);
        self.ways.extend(other.ways);
        self.names_environment.set(self.names_environment.get() || other.names_environment.get());
    }

    /// From now on `${…}` means what it means in this environment; `None` is the defaults.
    pub fn enter(&mut self, name: Option<&'a str>) {
        let tables = &self.inventory.tables;
        self.environment = name.and_then(|name| Some((name, &tables.environments.get(name)?.value)));
        self.is_stand_in = self.environment.is_none() && !tables.environments.is_empty();
        self.services = Arc::default();
        self.stacks = Arc::default();
        if let Some((_, environment)) = self.environment {
            self.services = Arc::new(merged(&tables.services, &environment.services));
            self.stacks = Arc::new(merged(&tables.stacks, &environment.stacks));
        }
    }

    /// `${addresses.NAME}` means this chart's addresses while `read` runs.
    pub fn within_chart<T>(&mut self, chart: &'a str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.chart = Some(chart);
        let value = read(self);
        self.chart = None;
        value
    }

    /// A service as this environment has it, references still in place.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.get(name).or_else(|| Some(&self.inventory.tables.services.get(name)?.value))
    }

    /// The services that this environment changes, references still in place.
    pub fn changed_services(&self) -> Arc<BTreeMap<&'a str, Service>> {
        Arc::clone(&self.services)
    }

    /// A stack as this environment has it, references still in place.
    pub fn stack(&self, name: &str) -> Option<&Stack> {
        self.stacks.get(name).or_else(|| Some(&self.inventory.tables.stacks.get(name)?.value))
    }

    /// Whether anything that was resolved would be different in an environment of another name.
    pub fn names_environment(&self) -> bool {
        self.names_environment.get()
    }

    /// The environment that is being resolved.
    pub fn environment(&self) -> Option<(&'a str, &'a Environment)> {
        self.environment
    }

    /// Resolves something that Flux replaces nothing in, though it stands among what it does.
    pub fn unescaped<T>(&mut self, resolve: impl FnOnce(&mut Self) -> T) -> T {
        let escaping = std::mem::replace(&mut self.escaping, false);
        let resolved = resolve(self);
        self.escaping = escaping;
        resolved
    }

    /// A string with its references replaced.
    pub fn text(&mut self, text: &Text) -> Spanned<String> {
        if self.is_plain(text) {
            return text.clone();
        }
        let mut trail = Trail { path: Vec::new(), lookups: 0 };
        Spanned::new(self.expand_reporting(&text.value, text.span, &mut trail), text.span)
    }

    /// A string with its references replaced, those that lead nowhere silently by nothing: for facts that are
    /// derived rather than written.
    pub fn quiet_text(&self, text: &Text) -> String {
        let mut trail = Trail { path: Vec::new(), lookups: 0 };
        self.expand(&text.value, &mut trail).unwrap_or_default()
    }

    /// The way of the address that was read at a place: see [`Resolver::way_of`].
    pub fn way_at(&self, span: Span) -> &[String] {
        self.ways.get(&span).map(Vec::as_slice).unwrap_or_default()
    }

    /// Where a string leads that is one reference and nothing else: the path that it names, the path that stands
    /// there if that is one reference again, and so on. Empty for a text of its own, even one that is put together
    /// with references: that is a fact of its own.
    pub fn way_of(&self, text: &str) -> Vec<String> {
        let mut way: Vec<String> = Vec::new();
        let mut next = only_reference(text);
        while let Some(path) = next.filter(|_| way.len() < LONGEST_WAY) {
            way.push(path.to_owned());
            next = self.text_at(path).and_then(only_reference);
        }
        way
    }

    /// Remembers the way of an address whose text is read piece by piece.
    pub fn note_way(&mut self, span: Span, text: &str) {
        let way = self.way_of(text);
        if !way.is_empty() {
            self.ways.insert(span, way);
        }
    }

    /// The string at a path, its own references still in place.
    fn text_at(&self, path: &str) -> Option<&str> {
        let keys: Vec<&str> = path.split('.').collect();
        let first = match keys.as_slice() {
            ["services", name, "ip"] => {
                return Some(&self.service(name)?.ip.as_ref()?.on()?.0.first()?.0.value);
            }
            ["nodes", name, "ip"] => self.node(&["nodes", name, "ips", "0"]),
            _ => None,
        };
        match &self.node(&keys).or(first)?.value {
            Value::String(text) => Some(text),
            Value::Array(items) => match items.as_slice() {
                [Node { value: Value::String(text), .. }] => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// The name nearest to an unknown one, as long as looking for it does not take for ever.
    pub fn guess<'k>(&self, name: &str, known: impl Iterator<Item = &'k str> + Clone) -> Option<&'k str> {
        let left = self.guesses.get().checked_sub(known.clone().count());
        self.guesses.set(left.unwrap_or_default());
        left.and_then(|_| nearest(name, known))
    }

    /// The names that something could have meant; a few, once nobody guesses any more.
    pub fn known<'k>(&self, names: impl Iterator<Item = &'k str>) -> Vec<&'k str> {
        let most = if self.guesses.get() == 0 { 12 } else { usize::MAX };
        names.take(most).collect()
    }

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
            Ok(amount) => Some(Spanned::new(QuantityValue { text: text.value, amount }, text.span)),
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
                None => Json::String(self.text(&Text::new(text.clone(), node.span)).value),
            },
            Value::Integer(number) => Json::from(*number),
            Value::Float(number) => serde_json::Number::from_f64(*number).map_or(Json::Null, Json::Number),
            Value::Boolean(flag) => Json::Bool(*flag),
            Value::Datetime(text) => Json::String(text.clone()),
            Value::Array(items) => Json::Array(items.iter().map(|item| self.json(item)).collect()),
            Value::Table(table) => {
                let mut keys: Vec<&String> = table.keys().collect();
                keys.sort();
                Json::Object(keys.into_iter().map(|key| (key.clone(), self.json(&table[key].node))).collect())
            }
            Value::Null => Json::Object(serde_json::Map::new()),
        }
    }

    /// What a reference that stands alone stands for.
    fn fact(&mut self, path: &str, span: Span) -> Json {
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

    /// Whether a text stands in the tree as it stands here.
    fn is_plain(&self, text: &str) -> bool {
        !(text.contains("${") || self.escaping && text.contains("$$"))
    }

    /// Replaces what can be replaced and reports each reference that cannot.
    fn expand_reporting(&mut self, text: &str, span: Span, trail: &mut Trail) -> String {
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

    fn expand(&self, text: &str, trail: &mut Trail) -> Result<String, Failure> {
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
        let expanded = expanded.text;
        let take = |room: usize| Some(room.saturating_sub(expanded.len()));
        let room = self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        let fits = room.is_ok_and(|room| room >= expanded.len());
        if fits { Ok(expanded) } else { Err(Failure::TooLong) }
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
    fn report_off(&mut self, path: &str, span: Span) {
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

    fn report(&mut self, path: &str, failure: Failure, span: Span) {
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
                format!(
                    "`${{{path}}}` leads to over {LOOKUP_LIMIT} others, or to over {LENGTH_LIMIT} bytes ({TOTAL_LIMIT} in all)"
                ),
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
    fn look_up(&self, path: &str, trail: &mut Trail) -> Result<Option<Fact>, Failure> {
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
        if trail.lookups > LOOKUP_LIMIT || trail.path.len() > 64 || self.room.load(Ordering::Relaxed) == 0 {
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

    fn scalar(&self, node: &Node, keys: &[&str], trail: &mut Trail) -> Result<Fact, Failure> {
        let text = || node.scalar().unwrap_or_default().into_owned();
        match &node.value {
            Value::String(text) => self.expand(text, trail).map(Fact::from),
            Value::Integer(number) => Ok(Fact { text: text(), own: Some(Json::from(*number)) }),
            Value::Boolean(flag) => Ok(Fact { text: text(), own: Some(Json::from(*flag)) }),
            Value::Float(_) => Ok(Fact::from(text())),
            Value::Datetime(text) => Ok(Fact::from(text.clone())),
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
    fn node(&self, keys: &[&str]) -> Option<&Node> {
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

    /// Facts that stand nowhere in the file but follow from it.
    fn derived(&self, keys: &[&str], trail: &mut Trail) -> Option<Result<Fact, Failure>> {
        match keys {
            ["cluster", "name"] => self.or_default(keys, crate::model::cluster::DEFAULT_NAME),
            ["cluster", "domain"] => self.or_default(keys, crate::model::cluster::DEFAULT_DOMAIN),
            ["cluster", "kubernetes"] => self.or_default(keys, crate::model::cluster::DEFAULT_KUBERNETES),
            ["environment", "name"] => {
                self.names_environment.set(true);
                let name = self.environment.map_or(crate::model::ONLY_ENVIRONMENT, |(name, _)| name);
                Some(Ok(name.to_owned().into()))
            }
            ["environment", "domain" | "namespace-suffix"] if self.node(keys).is_none() => {
                Some(Ok(String::new().into()))
            }
            ["nodes", name, "ip"] if self.node(keys).is_none() => {
                let first = self.node(&["nodes", name, "ips", "0"])?;
                Some(self.scalar(first, keys, trail))
            }
            ["stacks", name, "namespace"] => {
                let stack = self.stack(name)?;
                Some(self.namespace(name, stack, trail).map(Fact::from))
            }
            ["services", name, fact @ ("ip" | "host")] => self.place(name, fact, 0, trail),
            ["services", name, fact @ ("ip" | "host"), at] => self.place(name, fact, at.parse().ok()?, trail),
            ["services", name, fact] => {
                let service = self.service(name)?;
                self.service_fact(name, service, fact, trail)
            }
            ["services", _, "ports", _] => {
                let node = self.node(keys)?;
                let port = node.find(["port"]).unwrap_or(node);
                Some(match port.value {
                    Value::Integer(number) => Ok(number.into()),
                    _ => self.scalar(port, keys, trail),
                })
            }
            _ => None,
        }
    }

    fn or_default(&self, keys: &[&str], default: &str) -> Option<Result<Fact, Failure>> {
        self.node(keys).is_none().then(|| Ok(default.to_owned().into()))
    }

    fn namespace(&self, name: &str, stack: &Stack, trail: &mut Trail) -> Result<String, Failure> {
        let namespace = stack.namespace.as_ref().map_or(name, |text| text.value.as_str());
        let suffix = self.environment.and_then(|(_, environment)| environment.namespace_suffix.as_ref());
        Ok(self.expand(namespace, trail)? + &self.expand(suffix.map_or("", |text| &text.value), trail)?)
    }

    /// An address or a host name of a service: not every environment has one.
    fn place(&self, key: &str, fact: &str, at: usize, trail: &mut Trail) -> Option<Result<Fact, Failure>> {
        let service = self.service(key)?;
        let missing = |what: String| {
            // What no environment is made of needs no address.
            if self.is_stand_in {
                return Some(Ok(String::new().into()));
            }
            let help = Some(format!("use `${{services.{key}.internal-host}}`"));
            Some(Err(Failure::Unknown { what, help }))
        };
        let none = || missing(format!("service `{key}` has no {fact} here"));
        if fact == "host" {
            return match service.host.as_ref()? {
                OrOff::Off(_) => none(),
                OrOff::On(hosts) => Some(self.full_host(hosts.0.get(at)?, trail).map(Fact::from)),
            };
        }
        match service.ip.as_ref()? {
            OrOff::Off(_) => none(),
            OrOff::On(addresses) => {
                let address = &addresses.0.get(at)?.0;
                if address.value == crate::model::balancer::AUTO {
                    return missing(format!("the address of service `{key}` is chosen when it runs"));
                }
                Some(self.expand(address, trail).map(Fact::from))
            }
        }
    }

    fn service_fact(
        &self,
        key: &str,
        service: &Service,
        fact: &str,
        trail: &mut Trail,
    ) -> Option<Result<Fact, Failure>> {
        let text = match fact {
            "port" => return main_number(service).map(|port| Ok(port.into())),
            "name" => self.expand(service.name.as_ref().map_or(key, |name| &name.value), trail),
            "namespace" => {
                let stack = service.stack.as_ref()?;
                self.namespace(&stack.value, self.stack(&stack.value)?, trail)
            }
            "internal-host" => self.internal_host(key, service, trail),
            "internal-url" => self
                .internal_host(key, service, trail)
                .map(|host| url(scheme(service), &host, main_number(service))),
            "url" => self.url(key, service, trail),
            _ => return None,
        };
        Some(text.map(Fact::from))
    }

    fn internal_host(&self, key: &str, service: &Service, trail: &mut Trail) -> Result<String, Failure> {
        let name = self.expand(service.name.as_ref().map_or(key, |name| &name.value), trail)?;
        let Some(stack) =
            service.stack.as_ref().and_then(|stack| Some((&stack.value, self.stack(&stack.value)?)))
        else {
            return Ok(name);
        };
        let namespace = self.namespace(stack.0, stack.1, trail)?;
        let domain = match self.node(&["cluster", "domain"]) {
            Some(node) => self.scalar(node, &["cluster", "domain"], trail)?.text,
            None => crate::model::cluster::DEFAULT_DOMAIN.to_owned(),
        };
        Ok(format!("{name}.{namespace}.svc.{domain}"))
    }

    /// A host name with the environment's domain behind it, if it has no dot of its own.
    fn full_host(&self, host: &str, trail: &mut Trail) -> Result<String, Failure> {
        let host = self.expand(host, trail)?;
        let domain = self.environment.and_then(|(_, environment)| environment.domain.as_ref());
        match domain {
            Some(domain) if !host.contains('.') => {
                Ok(format!("{host}.{}", self.expand(&domain.value, trail)?))
            }
            _ => Ok(host),
        }
    }

    /// Where people reach a service: by its host, else by its address, else inside the cluster.
    fn url(&self, key: &str, service: &Service, trail: &mut Trail) -> Result<String, Failure> {
        let ingress = self.inventory.tables.ingress.as_ref();
        if let (Some(host), Some(ingress)) = (first_host(service), ingress) {
            let host = self.full_host(host, trail)?;
            let path = service.path.as_ref().and_then(|paths| paths.0.first());
            let path = path.map_or("", |path| path.value.trim_end_matches('/'));
            let scheme = crate::model::ingress::route_scheme(service.tls.as_ref(), ingress);
            return Ok(format!("{scheme}://{host}{path}"));
        }
        let address = service.ip.as_ref().and_then(|ip| ip.on()?.0.first());
        match address {
            Some(address) if address.0.value != crate::model::balancer::AUTO => {
                let address = self.expand(&address.0.value, trail)?;
                Ok(url(scheme(service), &address, main_number(service)))
            }
            _ => {
                let host = self.internal_host(key, service, trail)?;
                Ok(url(scheme(service), &host, main_number(service)))
            }
        }
    }

    fn unknown(&self, keys: &[&str]) -> Failure {
        if keys[0] == "addresses" && self.chart.is_none() {
            let what = "`addresses` belongs to a chart, and this is none".to_owned();
            return Failure::Unknown { what, help: Some("write `${charts.NAME.addresses.…}`".to_owned()) };
        }
        let depth = (1..keys.len()).rev().find(|depth| self.node(&keys[..*depth]).is_some()).unwrap_or(0);
        let parent = keys[..depth].join(".");
        let missing = keys.get(depth).copied().unwrap_or_default();
        let own = self.node(&keys[..depth]).and_then(Node::table);
        let facts: &[&str] = if depth == 2 && keys[0] == "services" { SERVICE_FACTS } else { &[] };
        let known =
            own.into_iter().flat_map(|table| table.keys().map(String::as_str)).chain(facts.iter().copied());
        let near = self.guess(missing, known.clone());
        let help = match near {
            Some(near) => {
                let path = [&keys[..depth], &[near], &keys[depth + 1..]].concat().join(".");
                Some(format!("did you mean `${{{path}}}`?"))
            }
            None => {
                let names: Vec<&str> = known.take(12).collect();
                (!names.is_empty()).then(|| format!("`{parent}` has {}", names.join(", ")))
            }
        };
        let parent = if depth == 0 { "the inventory".to_owned() } else { format!("`{parent}`") };
        Failure::Unknown { what: format!("{parent} has no `{missing}`"), help }
    }
}

/// What `${services.NAME.…}` knows beside the keys in the file.
const SERVICE_FACTS: &[&str] = &["url", "internal-url", "internal-host", "host", "port", "name", "namespace"];

/// Follows keys; a number names an item of a list.
fn walk<'n>(root: &'n Node, keys: &[&str]) -> Option<&'n Node> {
    keys.iter().try_fold(root, |node, key| match &node.value {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => node.find([*key]),
    })
}

/// A quantity as written and as a number.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantityValue {
    /// As the inventory writes it.
    pub text: String,
    /// As a number.
    pub amount: Quantity,
}

impl serde::Serialize for QuantityValue {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

enum Part<'t> {
    Plain(&'t str),
    /// So many plain `$`, which are no part of a variable of Flux.
    Dollars(usize),
    /// `$${`: a plain `${`, with so many plain `$`, of which the last is its own.
    Escaped(usize),
    Reference(&'t str),
    /// `${a.b`, and no `}` behind it.
    Unclosed(&'t str),
}

/// The tables that an environment changes, its changes laid over them.
fn merged<'a, T: Decode>(base: &Map<T>, own: &'a Map<T>) -> BTreeMap<&'a str, T> {
    let both = own.iter().filter_map(|(name, over)| Some((name, base.get(name)?, over)));
    both.map(|(name, base, over)| (name.as_str(), base.value.merged(&over.value))).collect()
}

/// A string as plain text and references, in order.
struct Parts<'t> {
    rest: &'t str,
    /// In how many of Flux's own `${…}` it stands: those arrive as they are written.
    within: usize,
}

impl<'t> Parts<'t> {
    fn of(text: &'t str) -> Self {
        Self { rest: text, within: 0 }
    }

    /// The first so many bytes.
    fn take(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }
}

impl<'t> Iterator for Parts<'t> {
    type Item = Part<'t>;

    fn next(&mut self) -> Option<Part<'t>> {
        if self.rest.is_empty() {
            return None;
        }
        let dollars = self.rest.len() - self.rest.trim_start_matches('$').len();
        let opens = self.rest[dollars..].starts_with('{');
        if dollars == 1
            && opens
            && let Some((path, rest)) = reference(self.rest)
        {
            self.rest = rest;
            return Some(Part::Reference(path));
        }
        if let Some((path, rest)) = unclosed(self.rest) {
            self.rest = rest;
            return Some(Part::Unclosed(path));
        }
        let part = match dollars {
            0 => {
                let ends = |c: char| c == '$' || c == '}' && self.within > 0;
                let end = self.rest.find(ends).unwrap_or(self.rest.len());
                let closes = usize::from(self.rest[end..].starts_with('}'));
                self.within -= closes;
                Part::Plain(self.take(end + closes))
            }
            1 if opens => {
                self.within += 1;
                Part::Plain(self.take("${".len()))
            }
            _ if opens => {
                self.take(dollars + 1);
                Part::Escaped(dollars - 1)
            }
            _ if self.within > 0 => Part::Plain(self.take(dollars)),
            _ => {
                self.take(dollars);
                Part::Dollars(dollars)
            }
        };
        Some(part)
    }
}

/// A string in the making. Flux makes one `$` of two, and takes `${` for a variable (fluxcd/pkg, `envsubst`): a single
/// `$` before anything else may stand as it is.
struct Expanded {
    text: String,
    escaping: bool,
}

impl Expanded {
    fn new(length: usize, escaping: bool) -> Self {
        Self { text: String::with_capacity(length), escaping }
    }

    fn push(&mut self, part: &Part<'_>) {
        let written = |dollars: usize, alone: bool| {
            let times = if self.escaping && !alone { 2 } else { 1 };
            "$".repeat(dollars * times)
        };
        match part {
            Part::Plain(plain) => self.join(plain),
            Part::Dollars(dollars) => self.join(&written(*dollars, *dollars == 1)),
            Part::Escaped(dollars) => self.join(&(written(*dollars, false) + "{")),
            Part::Reference(path) => self.join(&format!("${{{path}}}")),
            Part::Unclosed(path) => self.join(&format!("${{{path}")),
        }
    }

    /// What a reference leads to, or the reference if it is none of ours.
    fn push_found(&mut self, path: &str, value: Option<&str>) {
        match value {
            Some(value) => self.join(value),
            None => self.push(&Part::Reference(path)),
        }
    }

    /// A single `$` at the end of what is there must not make something of what follows.
    fn join(&mut self, more: &str) {
        let single = self.text.ends_with('$') && !self.text.ends_with("$$");
        if self.escaping && single && more.starts_with(['$', '{']) {
            self.text.push('$');
        }
        self.text.push_str(more);
    }
}

/// The path of a reference of ours that a string begins with, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix("${")?;
    let end = inner.find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)))?;
    let (path, rest) = (&inner[..end], inner[end..].strip_prefix('}')?);
    (path.contains('.') && path.split('.').all(|key| !key.is_empty())).then_some((path, rest))
}

/// The same of one without its `}`.
fn unclosed(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix("${")?;
    let end = inner.find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c))).unwrap_or(inner.len());
    let (path, rest) = inner.split_at(end);
    (path.contains('.') && !rest.contains('}')).then_some((path, rest))
}

fn only_reference(text: &str) -> Option<&str> {
    reference(text).filter(|(_, rest)| rest.is_empty()).map(|(path, _)| path)
}

#[cfg(test)]
mod tests {
    use super::{Expanded, Parts};

    fn expanded(text: &str, escaping: bool) -> String {
        let mut expanded = Expanded::new(text.len(), escaping);
        Parts::of(text).for_each(|part| expanded.push(&part));
        expanded.text
    }

    /// What Flux makes of a text that has no variables: one `$` of two; `None` if it sees a variable.
    fn as_flux_reads(text: &str) -> Option<String> {
        let (mut read, mut rest) = (String::new(), text);
        while let Some(at) = rest.find('$') {
            let (before, after) = rest.split_at(at);
            if after.starts_with("${") {
                return None;
            }
            read += before;
            read.push('$');
            rest = &after[after.len().min(if after.starts_with("$$") { 2 } else { 1 })..];
        }
        Some(read + rest)
    }

    #[test]
    fn dollars_arrive_as_they_are_meant() {
        for (text, meant) in [
            ("no dollar, a } and a {", "no dollar, a } and a {"),
            ("$", "$"),
            ("kill $$", "kill $$"),
            ("a $$ b $$$ c $$$$ $HOME", "a $$ b $$$ c $$$$ $HOME"),
            ("x$$(foo) $(bar) $$$(baz)", "x$$(foo) $(bar) $$$(baz)"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("$$$${A}$", "$$${A}$"),
            ("^a$$|^${b}$".replace("${", "$${").as_str(), "^a$$|^${b}$"),
            ("ends with $${", "ends with ${"),
        ] {
            assert_eq!(expanded(text, false), meant);
            let written = expanded(text, true);
            assert_eq!(as_flux_reads(&written).as_deref(), Some(meant), "{written}");
        }
        assert_eq!(expanded("one $HOME, two $$", true), "one $HOME, two $$$$");
    }

    #[test]
    fn variables_of_flux_stay() {
        for text in ["${A}", "a ${A} $B ${C:-x$$y} ${D:-${E:-}}$(F)", "${A:0:3}-${A//a/b}"] {
            assert_eq!(expanded(text, true), text);
        }
        assert_eq!(expanded("${A:-x$$y}$$", true), "${A:-x$$y}$$$$");
        assert_eq!(expanded("$$ ${A} $$", true), "$$$$ ${A} $$$$");
    }

    #[test]
    fn what_is_joined_makes_nothing_new() {
        for pieces in [["a$", "{b}"], ["a$", "$$b"], ["$", "$"], ["$$$$", "{"], ["a", "$"]] {
            let mut expanded = Expanded::new(0, true);
            pieces.iter().for_each(|piece| expanded.join(piece));
            let meant: Option<String> = pieces.iter().map(|piece| as_flux_reads(piece)).collect();
            assert_eq!(as_flux_reads(&expanded.text), meant, "{pieces:?}");
        }
    }
}
