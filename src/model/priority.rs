//! Which pods go first where there is not room for all.

use serde::Serialize;

use crate::inventory::workload::PriorityClass as Written;
use crate::model::naming::{NameKind, check_name};
use crate::model::references::Resolver;
use crate::model::texts::optional;
use crate::model::{BAD_NAME, BAD_VALUE, CONFLICTING_KEYS};
use crate::source::Span;

/// A PriorityClass that the tree brings along.
#[derive(Clone, Debug, Serialize)]
pub struct PriorityClass {
    /// Its name.
    pub name: String,
    /// The higher, the more important.
    pub value: i64,
    /// Whether pods without a class get it.
    pub default: bool,
    /// What it is for.
    pub description: Option<String>,
    /// `Never` if its pods wait rather than push others out.
    pub preemption: Option<&'static str>,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// What is above belongs to Kubernetes.
const HIGHEST: i64 = 1_000_000_000;
const LOWEST: i64 = -2_147_483_648;

/// Lowers `[priority-classes]`.
pub fn lower_priority_classes(resolver: &mut Resolver<'_>) -> Vec<PriorityClass> {
    let tables = &resolver.inventory.tables.priority_classes;
    let mut classes = Vec::new();
    let mut default: Option<Span> = None;
    for (name, entry) in tables {
        let written: &Written = &entry.value;
        check_name(resolver, name, entry.key, "a PriorityClass", NameKind::Subdomain);
        if name.starts_with("system-") {
            let message = format!(
                "`{name}` cannot name a PriorityClass: what begins with `system-` is Kubernetes' own"
            );
            resolver.found.push(BAD_NAME.at(entry.key, "taken", message).help("choose another name"));
        }
        let Some(value) = written.value else { continue };
        if !(LOWEST..=HIGHEST).contains(&value.value) {
            resolver.found.push(
                BAD_VALUE
                    .at(value.span, "out of range", format!("{value} is no priority: {LOWEST} to {HIGHEST}"))
                    .help("give a number such as 1000"),
            );
        }
        let flag = written.default.filter(|flag| flag.value);
        if let (Some(first), Some(second)) = (default, flag) {
            resolver.found.push(
                CONFLICTING_KEYS
                    .at(second.span, "and this", "two PriorityClasses are the default")
                    .because(first, "this")
                    .help("keep one of them"),
            );
        }
        default = default.or(flag.map(|flag| flag.span));
        classes.push(PriorityClass {
            name: name.clone(),
            value: value.value,
            default: flag.is_some(),
            description: optional(resolver, written.description.as_ref()),
            preemption: written.preempt.filter(|flag| !flag.value).map(|_| "Never"),
            place: entry.key,
        });
    }
    classes
}
