//! The rules. Each is a function from the model to findings; none prints, none stops the others.

pub mod addresses;
mod affinity;
pub mod allow;
pub mod backup;
pub mod bgp;
pub mod capacity;
mod commands;
pub mod connections;
pub mod demands;
mod devices;
pub mod engines;
pub mod entry_points;
pub mod exhaustion;
pub mod gitops;
pub mod hidden;
mod holders;
pub mod host_ports;
pub mod images;
pub mod inner_addresses;
pub mod listeners;
pub mod logins;
pub mod manifests;
mod matching;
pub mod mounts;
pub mod movers;
pub mod names;
pub mod namespaces;
pub mod objects;
pub mod one_node;
pub mod orders;
pub mod owners;
pub mod placement;
pub mod pod_security;
pub mod pods;
pub mod policies;
pub mod pools;
pub mod ports;
pub mod quotas;
pub mod requests;
pub mod resources;
pub mod rollouts;
mod router_ports;
pub mod routes;
pub mod secret_files;
pub mod secrets;
pub mod security;
pub mod serving;
pub mod settings;
pub mod sharing;
pub mod spelling;
pub mod spreads;
pub mod sqlite;
pub mod storage;
pub mod unused_keys;
pub mod unused_secrets;
pub mod variables;
pub mod workloads;
mod zones;

use rayon::prelude::{ParallelBridge, ParallelIterator};
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::check::settings::Levels;
use crate::diagnostic::{Code, Diagnostics, Outcome};
use crate::inventory::node::Node;
use crate::model::Model;
use crate::source::Span;

/// A model that no rule objects to. Only [`check`] makes one, and only it can be rendered.
#[derive(Clone, Debug)]
pub struct Checked {
    model: Model,
    /// How rules count for whoever asked.
    asked: Levels,
    /// Every rule there is.
    known: Vec<&'static Code>,
    /// The places of `[[allow]]` entries that were needed.
    accepted: BTreeSet<Span>,
}

impl Checked {
    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What only places of findings are still looked for in, to be freed: it is read anew for the first of them.
    pub fn let_go(&mut self) -> Option<Arc<Node>> {
        self.model.written.let_go()
    }

    /// What was found in the objects that the model makes: less what the inventory accepts, each with the level
    /// that is asked for. Entries of `[[allow]]` for these rules that accept nothing are reported here, as only now
    /// all of their findings are known.
    pub fn accept(&self, found: &mut Diagnostics) {
        let known = &self.known;
        found.sort();
        allow::apply(&self.model, found, known, objects::is_of_objects, &mut self.accepted.clone());
        settings::set_levels(&self.model, found, known, &self.asked);
    }
}

/// A family of rules.
type Rules = fn(&Model, &mut Diagnostics);

/// Every family, in the order of the manual, and what it reports.
const FAMILIES: &[(Rules, &[&Code])] = &[
    (addresses::check, addresses::CODES),
    (pools::check, pools::CODES),
    (bgp::check, bgp::CODES),
    (ports::check, ports::CODES),
    (names::check, names::CODES),
    (namespaces::check, namespaces::CODES),
    (connections::check, connections::CODES),
    (inner_addresses::check, inner_addresses::CODES),
    (routes::check, routes::CODES),
    (logins::check, logins::CODES),
    (listeners::check, listeners::CODES),
    (entry_points::check, entry_points::CODES),
    (resources::check, resources::CODES),
    (quotas::check, quotas::CODES),
    (capacity::check, capacity::CODES),
    (spreads::check, spreads::CODES),
    (devices::check, devices::CODES),
    (rollouts::check, rollouts::CODES),
    (storage::check, storage::CODES),
    (sqlite::check, sqlite::CODES),
    (mounts::check, mounts::CODES),
    (one_node::check, one_node::CODES),
    (workloads::check, workloads::CODES),
    (commands::check, commands::CODES),
    (backup::check, backup::CODES),
    (policies::check, policies::CODES),
    (security::check, security::CODES),
    (pod_security::check, pod_security::CODES),
    (movers::check, &[]),
    (unused_secrets::check, unused_secrets::CODES),
    (secret_files::check_types, secret_files::CODES),
    (gitops::check, gitops::CODES),
    (variables::check, variables::CODES),
    (orders::check, orders::CODES),
    (owners::check, owners::CODES),
    (engines::check, engines::CODES),
    (images::check, images::CODES),
    (spelling::check, &[]),
    (unused_keys::check, unused_keys::CODES),
    (zones::check, &[]),
    (pods::check, &[]),
    (objects::check, objects::CODES),
];
/// What is judged while the files of people are read.
const OF_FILES: &[&[&Code]] = &[manifests::CODES];
/// What rules report: a judgement on a whole model, which settings may change.
fn codes_of_rules() -> impl Iterator<Item = &'static Code> {
    FAMILIES.iter().map(|(_, codes)| *codes).chain(OF_FILES.iter().copied()).flatten().copied()
}

/// Every code of this floor.
pub fn codes() -> impl Iterator<Item = &'static Code> {
    codes_of_rules().chain([allow::CODES, settings::CODES].into_iter().flatten().copied())
}

/// Runs every rule. `found` is what reading and resolving have found: it counts, too, and findings that the
/// inventory allows are taken out of all of it. `asked` is how rules count for whoever asks, whatever the inventory
/// says of them.
pub fn check(
    model: Model,
    found: Diagnostics,
    known: &[&'static Code],
    asked: &Levels,
) -> Outcome<Option<Checked>> {
    let mut diagnostics = found;
    let judge = |(at, (rules, _)): (usize, &(Rules, &[&Code]))| {
        let mut found = Diagnostics::default();
        rules(&model, &mut found);
        (at, found)
    };
    // One after the other to whoever is free: some take a hundred times as long as others.
    let mut judged: Vec<(usize, Diagnostics)> = FAMILIES.iter().enumerate().par_bridge().map(judge).collect();
    judged.sort_by_key(|(at, _)| *at);
    judged.into_iter().for_each(|(_, found)| diagnostics.absorb(found));
    diagnostics.sort();
    let mut accepted = BTreeSet::new();
    allow::apply(&model, &mut diagnostics, known, |code| !objects::is_of_objects(code), &mut accepted);
    settings::apply(&model, &mut diagnostics, known, asked);
    let value = (!diagnostics.has_errors()).then(|| Checked {
        model,
        asked: asked.clone(),
        known: known.to_vec(),
        accepted,
    });
    Outcome { value, diagnostics }
}
