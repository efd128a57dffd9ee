//! Secrets, and keys of theirs, that nobody reads.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostics, codes};
use crate::model::Model;
use crate::model::route::Route;
use crate::model::secret::Secret;
use crate::model::stack::Stack;
use crate::model::volume::Source;

codes! { Security:
    /// A secret that nobody reads.
    UNUSED_SECRET = ("unused-secret", Warning, "a secret that no service reads");
    /// A key of a secret that nobody reads.
    UNUSED_SECRET_KEY = ("unused-secret-key", Warning, "a key of a secret that no service reads");
}

/// A secret of a stack, and the keys that services read; `None` stands for all of them.
struct Reading<'m> {
    stack: &'m Stack,
    secret: &'m Secret,
    keys: Option<BTreeSet<&'m str>>,
}

/// Runs both rules.
pub fn check(model: &Model, found: &mut Diagnostics) {
    let values: String = model.charts.iter().map(|chart| chart.values.to_string()).collect();
    let mut readings: BTreeMap<&str, Reading<'_>> = BTreeMap::new();
    for stack in model.environments.iter().flat_map(|environment| &environment.stacks) {
        let patches = stack.services.iter().flat_map(|service| service.patches.iter());
        let patches: String = patches.chain(&stack.patches).map(|(_, patch)| patch.to_string()).collect();
        let stores: String = stack.secret_stores.iter().map(|store| store.provider.to_string()).collect();
        let copied = stack.backups.iter().map(|backup| &backup.secret_key.value);
        let copied: BTreeSet<&String> =
            copied.chain(stack.failover.iter().map(|failover| &failover.secret_key.value)).collect();
        let routes = stack.services.iter().flat_map(|service| &service.routes);
        let routes: BTreeSet<&str> = routes.flat_map(read_by_route).collect();
        for secret in &stack.secrets {
            let reading = readings.entry(&secret.key).or_insert_with(|| Reading {
                stack,
                secret,
                keys: Some(BTreeSet::new()),
            });
            let named = [&values, &patches, &stores].iter().any(|text| text.contains(&secret.name))
                || routes.contains(secret.name.as_str());
            if stack.services.is_empty() || named || copied.contains(&secret.key) {
                reading.keys = None;
            }
        }
        for service in &stack.services {
            let monitored = service.monitor.iter().flat_map(|monitor| &monitor.endpoints);
            let monitored = monitored.flat_map(|endpoint| &endpoint.secrets).map(|(name, key)| (name, key));
            let variables = service.containers().flat_map(|part| part.secret_env);
            let variables = variables.map(|variable| (&variable.secret, &variable.key));
            for (name, key) in variables.chain(monitored) {
                let secret = stack.secrets.iter().find(|secret| secret.name == *name);
                let reading = secret.and_then(|secret| readings.get_mut(secret.key.as_str()));
                if let Some(keys) = reading.and_then(|reading| reading.keys.as_mut()) {
                    keys.insert(key);
                }
            }
            let mounted = service.volumes.iter().filter_map(|volume| match &volume.source {
                Source::Secret(shown) => Some(&shown.name),
                _ => None,
            });
            for name in mounted.chain(service.whole_secrets()) {
                let secret = stack.secrets.iter().find(|secret| secret.name == *name);
                if let Some(reading) = secret.and_then(|secret| readings.get_mut(secret.key.as_str())) {
                    reading.keys = None;
                }
            }
        }
    }
    for reading in readings.values() {
        report_unused(model, reading, found);
    }
}

/// The Secrets that a route reads: its certificate's, and those of its middlewares.
fn read_by_route(route: &Route) -> impl Iterator<Item = &str> {
    let certificate = route.tls.iter().filter_map(|tls| tls.secret.as_deref());
    let specs = route.copies.iter().map(|copy| &copy.spec);
    let users = specs.flat_map(|spec| ["basicAuth", "digestAuth"].map(|kind| spec[kind]["secret"].as_str()));
    certificate.chain(users.flatten())
}

fn report_unused(model: &Model, reading: &Reading<'_>, found: &mut Diagnostics) {
    let Some(keys) = &reading.keys else { return };
    let secret = reading.secret;
    let about = format!("secrets.{}", secret.key);
    if keys.is_empty() {
        let message = format!("no service reads secret `{}`", secret.key);
        let diagnostic = UNUSED_SECRET.at(secret.place, "nobody reads it", message).about(about);
        found.push(diagnostic.help("read it with `secret-env` or a volume, or drop it"));
        return;
    }
    // A key that is named for a service of the stack is kept there for it, though its program has it from elsewhere.
    let services = || {
        model
            .environments
            .iter()
            .flat_map(|environment| &environment.stacks)
            .filter(|stack| stack.name == reading.stack.name)
            .flat_map(|stack| &stack.services)
    };
    for key in secret.keys.iter().filter(|key| !keys.contains(key.value.as_str())) {
        let owned = services().any(|service| {
            key.strip_prefix(service.key.as_str()).is_some_and(|rest| rest.starts_with(['-', '_', '.']))
        });
        if owned {
            continue;
        }
        let message = format!("no service reads key `{key}` of secret `{}`", secret.key);
        let diagnostic = UNUSED_SECRET_KEY.at(key.span, "nobody reads it", message);
        found.push(diagnostic.about(about.clone()).help("read it with `secret-env`, or drop it"));
    }
}
