//! `${table.name.key}`: a fact elsewhere in the inventory, or one derived from it.
//!
//! References are looked up in the plain tree of the file, with the environment's own tables laid over it,
//! and never run code. `${NAME}` without a dot belongs to Flux and stays; `$${` writes a plain `${`. Where Flux
//! replaces variables, it makes one `$` of two: what is to arrive as `$$` or `${` is written so that it does.

mod facts;
mod lookup;
mod parts;
mod values;
mod ways;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};

use crate::diagnostic::{Diagnostics, nearest};
use crate::inventory::environment::Environment;
use crate::inventory::record::{Decode, Map, Record};
use crate::inventory::service::Service;
use crate::inventory::stack::Stack;
use crate::inventory::value::Text;
use crate::inventory::{Inventory, TOO_MUCH};
use crate::model::references::lookup::Trail;
use crate::source::{Span, Spanned};

pub use parts::{reference, referred};
pub use values::QuantityValue;

/// A string grows to at most this many bytes when its references are replaced.
pub const LENGTH_LIMIT: usize = 1 << 20;
/// All strings together grow to at most this many bytes, counted where references are replaced.
pub const TOTAL_LIMIT: u64 = 64 << 20;
/// At most this many names are compared to find what was meant by unknown ones.
pub const GUESS_LIMIT: usize = 2_000_000;
/// One string leads to at most this many others.
pub const LOOKUP_LIMIT: usize = 1_000;
/// A reference to a reference to a reference … is followed so far.
const LONGEST_WAY: usize = 64;

/// Words that `${…}` may begin with beside the inventory's tables.
const EXTRA_WORDS: &[&str] = &["addresses", "environment"];

/// Whether `${…}` with this path is a reference of ours, wherever it leads: it begins with a table.
pub fn is_ours(path: &str) -> bool {
    static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| first_words().collect());
    let mut keys = path.split('.');
    let first = keys.next().unwrap_or_default();
    keys.next().is_some() && WORDS.iter().any(|word| word == first)
}

/// The words that a reference may begin with.
fn first_words() -> impl Iterator<Item = String> {
    let tables = crate::inventory::Tables::keys().into_iter().map(|key| key.name);
    tables.chain(EXTRA_WORDS.iter().map(|word| (*word).to_owned()))
}

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
    services: Arc<BTreeMap<&'a str, Box<Service>>>,
    stacks: Arc<BTreeMap<&'a str, Stack>>,
    tables: Arc<[String]>,
    /// Of the places of addresses that are nothing but a reference, the way that it leads.
    ways: BTreeMap<Span, Vec<String>>,
    /// How many bytes strings with references have grown to.
    grown: Arc<AtomicU64>,
    /// Whether those of another environment have grown to more than they may.
    others_outgrown: bool,
    /// How many names may still be compared with unknown ones.
    guesses: Cell<usize>,
    /// Whether a text says which environment it stands in.
    names_environment: Cell<bool>,
}

impl<'a> Resolver<'a> {
    /// A resolver for the defaults.
    pub fn new(inventory: &'a Inventory) -> Self {
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
            grown: Arc::default(),
            others_outgrown: false,
            guesses: Cell::new(GUESS_LIMIT),
            names_environment: Cell::new(false),
            tables: first_words().collect(),
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
            grown: Arc::clone(&self.grown),
            others_outgrown: false,
            guesses: Cell::new(guesses),
            names_environment: Cell::new(false),
        };
        std::iter::repeat_with(part).take(parts).collect()
    }

    /// Takes over what another resolver of the same inventory has found.
    pub fn absorb(&mut self, other: Self) {
        self.others_outgrown |= other.others_outgrown || other.has_outgrown();
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
        let own = || Some(&self.inventory.tables.services.get(name)?.value);
        self.services.get(name).or_else(own).map(|service| &**service)
    }

    /// The services that this environment changes, references still in place.
    pub fn changed_services(&self) -> Arc<BTreeMap<&'a str, Box<Service>>> {
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

    /// That all strings of an environment together have grown to more than they may: then what else was found depends
    /// on who was first, and is not told.
    pub fn outgrown(&self) -> Option<Diagnostics> {
        if !self.others_outgrown && !self.has_outgrown() {
            return None;
        }
        let mebibytes = TOTAL_LIMIT >> 20;
        let message = format!(
            "all `${{…}}` of one environment together lead to more than the limit of {mebibytes} MiB"
        );
        let help = "name long texts less often, or split the inventory in two";
        let mut found = Diagnostics::default();
        found.push(TOO_MUCH.at(Span::new(self.inventory.file, 0..0), "", message).help(help));
        Some(found)
    }

    /// Whether there is more than there may be does not depend on who is first.
    fn has_outgrown(&self) -> bool {
        self.grown.load(Relaxed) > TOTAL_LIMIT
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

    /// Whether a text stands in the tree as it stands here.
    fn is_plain(&self, text: &str) -> bool {
        !(text.contains("${") || self.escaping && text.contains("$$"))
    }
}

/// The tables that an environment changes, its changes laid over them.
fn merged<'a, T: Decode>(base: &Map<T>, own: &'a Map<T>) -> BTreeMap<&'a str, T> {
    let both = own.iter().filter_map(|(name, over)| Some((name, base.get(name)?, over)));
    both.map(|(name, base, over)| (name.as_str(), base.value.merged(&over.value))).collect()
}
