//! Backups of whole namespaces by Velero.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::inventory;
use crate::model::naming::{NameKind, check_name, optional_name, report_unknown};
use crate::model::references::Resolver;
use crate::model::secret::Keys;
use crate::model::texts::{list, optional, texts};
use crate::model::{Model, UNKNOWN_REFERENCE};
use crate::source::{Span, Spanned};

/// Where backups of namespaces go, and when they are made.
#[derive(Clone, Debug, Serialize)]
pub struct Velero {
    /// Its namespace.
    pub namespace: String,
    /// Where backups go.
    pub locations: Vec<Location>,
    /// When they are made.
    pub schedules: Vec<Schedule>,
}

/// An object store that backups go to.
#[derive(Clone, Debug, Serialize)]
pub struct Location {
    /// Its name.
    pub name: String,
    /// The plugin.
    pub provider: String,
    /// The bucket.
    pub bucket: String,
    /// The folder in it.
    pub prefix: Option<String>,
    /// What the plugin wants to know.
    pub config: BTreeMap<String, String>,
    /// The Secret with the credentials, and its key.
    pub credential: Option<Credential>,
    /// Whether schedules without a location go there.
    pub default: bool,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// A key of a Secret.
#[derive(Clone, Debug, Serialize)]
pub struct Credential {
    /// The Secret.
    pub name: String,
    /// The key.
    pub key: String,
}

/// When a backup is made, and of what.
#[derive(Clone, Debug, Serialize)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// When.
    pub schedule: Spanned<String>,
    /// The namespaces; none is all of them.
    pub namespaces: Vec<String>,
    /// Where to.
    pub location: Option<String>,
    /// How long it is kept.
    pub ttl: String,
    /// Whether volumes are snapshotted.
    pub snapshot_volumes: Option<bool>,
    /// Whether the files of volumes are copied.
    pub file_system_volumes: Option<bool>,
    /// Whether it rests.
    pub paused: bool,
}

/// Lowers `[velero]`. The model has its environments by now, and so the namespaces of stacks.
pub fn lower(resolver: &mut Resolver<'_>, model: &Model) -> Option<Velero> {
    let table = resolver.inventory.tables.velero.as_ref()?;
    let chart = model.charts.iter().find(|chart| chart.chart == "velero");
    let namespace = optional_name(resolver, table.namespace.as_ref(), "a namespace", NameKind::Label)
        .unwrap_or_else(|| chart.map_or_else(|| "velero".to_owned(), |chart| chart.namespace.value.clone()));
    for (name, key) in table.locations.iter().map(|(name, entry)| (name, entry.key)) {
        check_name(resolver, name, key, "a backup location", NameKind::Subdomain);
    }
    for (name, key) in table.schedules.iter().map(|(name, entry)| (name, entry.key)) {
        check_name(resolver, name, key, "a schedule", NameKind::Subdomain);
    }
    let only = table.locations.len() == 1;
    let locations = table.locations.iter().map(|(name, entry)| Location {
        name: name.clone(),
        provider: optional(resolver, entry.provider.as_ref()).unwrap_or_default(),
        bucket: optional(resolver, entry.bucket.as_ref()).unwrap_or_default(),
        prefix: optional(resolver, entry.prefix.as_ref()),
        config: texts(resolver, &entry.config),
        credential: entry.credential.as_ref().and_then(|key| credential(resolver, model, &namespace, &key.0)),
        default: entry.default.map_or(only, |flag| flag.value),
        place: entry.key,
    });
    let locations: Vec<Location> = locations.collect();
    let schedules =
        table.schedules.iter().map(|(name, entry)| lower_schedule(resolver, model, &locations, name, entry));
    let schedules = schedules.collect();
    Some(Velero { namespace, locations, schedules })
}

fn credential(
    resolver: &mut Resolver<'_>,
    model: &Model,
    namespace: &str,
    table: &inventory::service::SecretKeyTable,
) -> Option<Credential> {
    let (secret, key) = (resolver.text(table.secret.as_ref()?), resolver.text(table.key.as_ref()?));
    let known: Vec<&str> = model.chart_secrets.iter().map(|known| known.secret.key.as_str()).collect();
    let Some(found) = model.chart_secrets.iter().find(|known| known.secret.key == secret.value) else {
        report_unknown(resolver, &secret, "secret of a chart", &known);
        return None;
    };
    if found.namespace != namespace {
        let message = format!(
            "secret `{secret}` lives in namespace `{}`, and Velero in `{namespace}`",
            found.namespace
        );
        resolver.found.push(
            UNKNOWN_REFERENCE
                .at(secret.span, "another namespace's secret", message)
                .because(found.secret.place, "declared here")
                .help("declare a secret with `chart`: the chart that installs Velero"),
        );
    } else {
        Keys::of(&found.secret).has(resolver, &key);
    }
    Some(Credential { name: found.secret.name.clone(), key: key.value })
}

fn lower_schedule(
    resolver: &mut Resolver<'_>,
    model: &Model,
    locations: &[Location],
    name: &str,
    table: &inventory::backup::BackupSchedule,
) -> Schedule {
    let stacks: Vec<&str> = resolver.inventory.tables.stacks.keys().map(String::as_str).collect();
    let mut namespaces: BTreeSet<String> = list(resolver, &table.namespaces).into_iter().collect();
    for stack in &table.stacks {
        let stack = resolver.text(stack);
        if !stacks.contains(&stack.as_str()) {
            report_unknown(resolver, &stack, "stack", &stacks);
        }
        let own = model.environments.iter().flat_map(|environment| &environment.stacks);
        let own = own.filter(|own| own.name == stack.value);
        namespaces.extend(own.map(|own| own.namespace.value.clone()));
    }
    let location = table.location.as_ref().map(|text| resolver.text(text));
    if let Some(location) =
        location.as_ref().filter(|name| !locations.iter().any(|known| known.name == name.value))
    {
        let known: Vec<&str> = locations.iter().map(|location| location.name.as_str()).collect();
        report_unknown(resolver, location, "backup location", &known);
    }
    Schedule {
        name: name.to_owned(),
        schedule: table.schedule.as_ref().map(|text| resolver.text(text)).unwrap_or_default(),
        namespaces: namespaces.into_iter().collect(),
        location: location.map(|location| location.value),
        ttl: table.ttl.as_ref().map_or_else(|| "720h".to_owned(), |time| time.0.value.clone()),
        snapshot_volumes: table.snapshot_volumes.map(|flag| flag.value),
        file_system_volumes: table.file_system_volumes.map(|flag| flag.value),
        paused: table.paused.is_some_and(|flag| flag.value),
    }
}
