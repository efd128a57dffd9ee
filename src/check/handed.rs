//! What the inventory hands to Kubernetes in its own spelling: fields that are right each for itself and that the API
//! server refuses together.

use crate::check::spelling::{Place, everywhere};
use crate::diagnostic::Diagnostics;
use crate::inventory::node::{Entry, Node, Table, Value};
use crate::model::{BAD_VALUE, Model};
use crate::object::naming::qualified_fault;
use crate::source::Span;

/// Security contexts, of containers and of pods.
const CONTEXTS: &[&str] = &[
    "services.*.security-context",
    "services.*.sidecars.*.security-context",
    "services.*.init-containers.[].security-context",
    "services.*.pod-security-context",
    "stacks.*.claims.*.backup.mover-security-context",
    "stacks.*.failover.mover-security-context",
    "backup.mover-security-context",
];

/// What a finding says: where, and why.
pub type Fault = (Span, String);

/// Runs every rule about what is handed on.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for pattern in CONTEXTS {
        judge(model, pattern, context, found);
    }
    judge(model, "services.*.tolerations.[]", toleration, found);
    for place in everywhere(model, "services.*") {
        host_sysctls(&place, found);
    }
}

/// Reports what is wrong with each table at a pattern.
pub fn judge(model: &Model, pattern: &str, faults: fn(&Table) -> Vec<Fault>, found: &mut Diagnostics) {
    for place in everywhere(model, pattern) {
        let faults = place.node.table().map(faults).unwrap_or_default();
        faults.into_iter().for_each(|fault| report(&place, fault, found));
    }
}

fn report(place: &Place<'_>, (span, message): Fault, found: &mut Diagnostics) {
    found.push(BAD_VALUE.at(span, "refused by Kubernetes", message).about(place.subject()));
}

fn text<'m>(table: &'m Table, key: &str) -> Option<(&'m str, Span)> {
    let entry = table.get(key)?;
    let text = entry.node.text().filter(|text| !text.contains("${"))?;
    Some((text, entry.node.span))
}

fn flag(table: &Table, key: &str) -> Option<bool> {
    match &table.get(key)?.node.value {
        Value::Boolean(flag) => Some(*flag),
        _ => None,
    }
}

/// The elements of a list, if there is one.
pub fn items<'m>(table: &'m Table, key: &str) -> &'m [Node] {
    match table.get(key).map(|entry| &entry.node.value) {
        Some(Value::Array(items)) => items,
        _ => &[],
    }
}

fn context(table: &Table) -> Vec<Fault> {
    let mut faults = Vec::new();
    let rises = table
        .get("allowPrivilegeEscalation")
        .filter(|_| flag(table, "allowPrivilegeEscalation") == Some(false));
    if let Some(entry) = rises {
        let added = table.get("capabilities").and_then(|entry| entry.node.table());
        let admin = added
            .is_some_and(|added| items(added, "add").iter().any(|item| item.text() == Some("CAP_SYS_ADMIN")));
        let why = match flag(table, "privileged") {
            Some(true) => Some("`privileged`"),
            _ if admin => Some("the capability `CAP_SYS_ADMIN`"),
            _ => None,
        };
        let message =
            |why| format!("`allowPrivilegeEscalation = false` is no use with {why}, which allows it");
        faults.extend(why.map(|why| (entry.node.span, message(why))));
    }
    for key in ["seccompProfile", "appArmorProfile"] {
        faults.extend(table.get(key).and_then(|entry| profile(key, entry)));
    }
    if let Some((_, span)) = text(table, "procMount").filter(|(word, _)| *word == "Unmasked") {
        let message = "`procMount = \"Unmasked\"` needs a pod with users of its own: `hostUsers: false`";
        faults.push((span, message.to_owned()));
    }
    faults.extend(sysctls(table));
    faults
}

/// A profile of one's own has a name, and no other has.
fn profile(key: &str, entry: &Entry) -> Option<Fault> {
    let table = entry.node.table()?;
    let (kind, span) = text(table, "type")?;
    let named = table.contains_key("localhostProfile");
    let message = match kind {
        "Localhost" if !named => format!("`{key}` of type `Localhost` names no `localhostProfile`"),
        "RuntimeDefault" | "Unconfined" if named => {
            format!("`{key}` of type `{kind}` has no `localhostProfile`")
        }
        _ => return None,
    };
    Some((span, message))
}

fn sysctls(table: &Table) -> Vec<Fault> {
    let names: Vec<(&str, Span)> =
        items(table, "sysctls").iter().filter_map(|item| text(item.table()?, "name")).collect();
    let mut seen = std::collections::BTreeSet::new();
    let again = names.into_iter().filter(|(name, _)| !seen.insert(*name));
    again.map(|(name, span)| (span, format!("`{name}` is set twice"))).collect()
}

/// What a pod shares with its node it cannot change.
fn host_sysctls(place: &Place<'_>, found: &mut Diagnostics) {
    const OF_PROCESSES: &[&str] = &["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."];
    let Some(table) = place.node.table() else { return };
    let Some(context) = table.get("pod-security-context").and_then(|entry| entry.node.table()) else {
        return;
    };
    for item in items(context, "sysctls") {
        let Some((name, span)) = item.table().and_then(|item| text(item, "name")) else { continue };
        let shares = |key: &str| flag(table, key) == Some(true);
        let why = if name.starts_with("net.") && shares("host-network") {
            "host-network"
        } else if OF_PROCESSES.iter().any(|prefix| name.starts_with(prefix)) && shares("host-ipc") {
            "host-ipc"
        } else {
            continue;
        };
        report(place, (span, format!("`{name}` is its node's, with `{why} = true`")), found);
    }
}

fn toleration(table: &Table) -> Vec<Fault> {
    let operator = text(table, "operator");
    let exists = operator.is_some_and(|(operator, _)| operator == "Exists");
    let place = |key: &str| table.get(key).map(|entry| entry.node.span);
    let first = || table.values().next().map(|entry| entry.node.span);
    let mut faults = Vec::new();
    let mut add =
        |span: Option<Span>, message: &str| faults.extend(span.map(|span| (span, message.to_owned())));
    if let Some((key, span)) = text(table, "key").filter(|(key, _)| !key.is_empty())
        && let Some(reason) = qualified_fault(key)
    {
        add(Some(span), &format!("`{key}` cannot be a taint's key: {reason}"));
    }
    if exists && text(table, "value").is_some_and(|(value, _)| !value.is_empty()) {
        add(place("value"), "a toleration with `operator = \"Exists\"` has no `value`");
    } else if !exists && !table.contains_key("key") {
        add(first(), "a toleration without `key` is for all taints, and needs `operator = \"Exists\"`");
    }
    if table.contains_key("tolerationSeconds")
        && text(table, "effect").is_none_or(|(effect, _)| effect != "NoExecute")
    {
        add(place("tolerationSeconds"), "`tolerationSeconds` is for `effect = \"NoExecute\"` alone");
    }
    faults
}
