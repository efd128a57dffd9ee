//! How large an inventory becomes: every service and stack is there once for each environment, so that a small file
//! can stand for more than any memory holds.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::inventory::TOO_MUCH;
use crate::inventory::node::{Node, Table, Value};

/// What all services and stacks of all environments may come to, in bytes.
pub const WEIGHT_LIMIT: usize = 512 << 20;
/// What a service or stack weighs at least.
pub const LEAST: usize = 4 << 10;
/// What a value weighs beside its text.
const NODE: usize = 64;

/// Reports an inventory that becomes too large. Whether it does not.
pub fn check(root: &Node, found: &mut Diagnostics) -> bool {
    let fits = of_all(root) <= WEIGHT_LIMIT;
    if !fits {
        found.push(too_large(root));
    }
    fits
}

fn too_large(root: &Node) -> Diagnostic {
    let counts = ["services", "stacks", "environments"].map(|key| members(root, key).map_or(0, Table::len));
    let place = root.table().and_then(|root| root.get("services").or_else(|| root.get("stacks")));
    let [services, stacks, environments] = counts;
    let (limit, plain) = (WEIGHT_LIMIT >> 20, WEIGHT_LIMIT / LEAST);
    let message = format!(
        "{services} services and {stacks} stacks in {environments} environments are more than the limit of {limit} MiB, which is {plain} of them without much in them"
    );
    TOO_MUCH
        .at(place.map_or(root.span, |entry| entry.key), "", message)
        .help("split the inventory in two, each with an output folder of its own")
}

fn of_all(root: &Node) -> usize {
    let stacks = members(root, "stacks");
    let own = |table: Option<&Table>| {
        let weights = table.into_iter().flatten().map(|(_, entry)| LEAST.saturating_add(of(&entry.node)));
        weights.fold(0, usize::saturating_add)
    };
    let services = members(root, "services");
    let shared = services.into_iter().flatten().map(|(_, entry)| of_stack(stacks, &entry.node));
    let once = [own(stacks), own(services), shared.fold(0, usize::saturating_add)];
    let once = once.into_iter().fold(0, usize::saturating_add);
    let environments = members(root, "environments");
    // How many services each stack has.
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    let names = services.into_iter().flatten().filter_map(|(_, entry)| entry.node.find(["stack"])?.text());
    names.for_each(|name| *sizes.entry(name).or_default() += 1);
    let changes = environments.into_iter().flatten().map(|(_, entry)| {
        let env = entry.node.find(["env"]).map_or(0, of);
        let patches = members(&entry.node, "stacks").into_iter().flatten().map(|(stack, entry)| {
            let sharing = sizes.get(stack).copied().unwrap_or(0);
            entry.node.find(["patch"]).map_or(0, of).saturating_mul(sharing)
        });
        let patches = patches.fold(0, usize::saturating_add);
        let env = env.saturating_mul(services.map_or(0, Table::len));
        of(&entry.node).saturating_add(env).saturating_add(patches)
    });
    let times = environments.map_or(0, Table::len).saturating_add(1);
    changes.fold(once.saturating_mul(times), usize::saturating_add)
}

fn members<'n>(node: &'n Node, key: &'n str) -> Option<&'n Table> {
    node.find([key])?.table()
}

/// Each service takes over the variables of its stack, and its objects the patches.
fn of_stack(stacks: Option<&Table>, service: &Node) -> usize {
    let stack = service.find(["stack"]).and_then(Node::text);
    let stack = stack.and_then(|name| stacks?.get(name));
    let part = |key| stack.and_then(|entry| entry.node.find([key])).map_or(0, of);
    part("env").saturating_add(part("patch"))
}

/// What a value weighs, with all that is in it.
pub fn of(node: &Node) -> usize {
    let below = match &node.value {
        Value::String(text) | Value::Datetime(text) => text.len(),
        Value::Array(items) => items.iter().map(of).fold(0, usize::saturating_add),
        Value::Table(table) => {
            let members = table.iter().map(|(key, entry)| key.len().saturating_add(of(&entry.node)));
            members.fold(0, usize::saturating_add)
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Null => 0,
    };
    below.saturating_add(NODE)
}
