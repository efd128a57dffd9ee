//! Keys that say more of what another key asks for, where that is not there.

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::inventory::backup::Mover;
use crate::inventory::node::Value;
use crate::inventory::service::Kind;
use crate::model::{Environment, Model};
use crate::source::Span;

codes! { Inventory:
    /// A key that changes nothing.
    UNUSED_KEY = ("unused-key", Warning, "a key that has no effect without another one, or beside it");
}

/// A key, where it stands, and the keys beside it of which it needs one: `*` is any key.
struct Needs {
    table: &'static str,
    key: &'static str,
    any_of: &'static [&'static str],
    /// What that is, in words.
    help: &'static str,
}

const NEEDS: &[Needs] = &[
    Needs { table: "services.*", key: "share-ip", any_of: &["ip"], help: "add the `ip` that is shared" },
    Needs {
        table: "services.*",
        key: "pool",
        any_of: &["ip"],
        help: "add `ip`, an address of the pool or \"auto\"",
    },
    Needs {
        table: "services.*",
        key: "external-traffic-policy",
        any_of: &["ip", "ports.*.node-port"],
        help: "add `ip`, or the `node-port` of a port",
    },
    Needs {
        table: "services.*.ports.*",
        key: "sni",
        any_of: &["listener"],
        help: "add the `listener` that tells connections by these names",
    },
    Needs {
        table: "stacks.*",
        key: "quota-scopes",
        any_of: &["quota"],
        help: "add the `quota` that they narrow",
    },
    Needs {
        table: "stacks.*.pod-security",
        key: "version",
        any_of: &["enforce", "audit", "warn"],
        help: "add the standard: `enforce = \"baseline\"`",
    },
    Needs {
        table: "charts.*.flux",
        key: "drift-ignore",
        any_of: &["drift-detection"],
        help: "add `drift-detection`: without it nothing is compared",
    },
];

/// Runs the rule.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for one in NEEDS {
        needs(model, one, found);
    }
    for environment in &model.environments {
        movers(model, environment, found);
        strategies(model, environment, found);
    }
}

/// What counts is whether the other key stands anywhere: in the defaults or in one of the environments.
fn needs(model: &Model, rule: &Needs, found: &mut Diagnostics) {
    let key = format!("{}.{}", rule.table, rule.key);
    let asked = model.everywhere(&key);
    if asked.is_empty() {
        return;
    }
    let length = rule.table.split('.').count();
    let mut met: BTreeSet<Vec<&str>> = BTreeSet::new();
    for other in rule.any_of {
        let pattern = format!("{}.{other}", rule.table);
        let there = model.everywhere(&pattern);
        let there = there.iter().filter(|place| !matches!(place.node.value, Value::Boolean(false)));
        met.extend(there.map(|place| place.owner(length).to_vec()));
    }
    for place in asked.iter().filter(|place| !met.contains(place.owner(length))) {
        let table = place.owner(length);
        let wanted: Vec<String> =
            rule.any_of.iter().filter_map(|key| Some(format!("`{}`", key.rsplit('.').next()?))).collect();
        let message = format!("`{}` has `{}` and no {}", table.join("."), rule.key, wanted.join(" or "));
        let finding = UNUSED_KEY.at(place.key, "has no effect", message);
        found.push(finding.about(table[..2].join(".")).help(format!("{}, or drop the key", rule.help)));
    }
}

/// Keys of a backup that its mover does not know.
fn movers(model: &Model, environment: &Environment, found: &mut Diagnostics) {
    const OF: [(Mover, &[&str]); 3] = [
        (Mover::Restic, &["retain", "cache", "cache-class", "prune-interval-days"]),
        (Mover::Rclone, &["rclone-section", "rclone-path"]),
        (Mover::RsyncTls, &["address", "port"]),
    ];
    for stack in &environment.stacks {
        for backup in &stack.backups {
            for (mover, key) in OF.iter().flat_map(|(mover, keys)| keys.iter().map(move |key| (mover, *key)))
            {
                let path = ["stacks", &stack.name, "claims", &backup.claim, "backup", key];
                let Some(span) = model.key_of(&environment.name, &path).filter(|_| *mover != backup.mover)
                else {
                    continue;
                };
                let message = format!(
                    "claim `{}` of stack `{}` is backed up with {}, and `{key}` is for {}",
                    backup.claim,
                    stack.name,
                    backup.mover.word(),
                    mover.word()
                );
                found.push(
                    nothing(span, message).about(stack.subject()).help("drop it, or set another `mover`"),
                );
            }
        }
    }
}

/// Only a Deployment is told by a word how its pods are replaced.
fn strategies(model: &Model, environment: &Environment, found: &mut Diagnostics) {
    let others =
        environment.services().filter(|service| matches!(service.kind, Kind::StatefulSet | Kind::DaemonSet));
    for service in others {
        let path = ["services", &service.key, "strategy"];
        let Some(span) = model.key_of(&environment.name, &path) else { continue };
        let (what, help) = match service.kind {
            Kind::StatefulSet => ("a stateful set, which replaces one pod after the other", "drop it"),
            _ => (
                "a daemon set, which replaces the pods of some nodes at a time",
                "drop it, or say in `rollout` how many at a time",
            ),
        };
        let message = format!("service `{}` is {what}", service.key);
        found.push(nothing(span, message).about(service.subject()).help(help));
    }
}

fn nothing(span: Span, message: String) -> Diagnostic {
    UNUSED_KEY.at(span, "has no effect", message)
}
