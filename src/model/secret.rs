//! Secrets and the stores that they come from.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value as Json;

use crate::inventory;
use crate::inventory::MISSING_KEY;
use crate::inventory::record::Map;
use crate::inventory::secret::{Remote, SecretProvider};
use crate::model::chart::Chart;
use crate::model::naming::{NameKind, check_name, report_unknown};
use crate::model::references::Resolver;
use crate::model::texts::optional;
use crate::model::{BAD_NAME, BAD_VALUE, CONFLICTING_KEYS, UNKNOWN_REFERENCE};
use crate::object::naming::is_data_key;
use crate::source::{Span, Spanned};

/// A Secret that services or a chart read from.
#[derive(Clone, Debug, Serialize)]
pub struct Secret {
    /// Its name in the inventory.
    pub key: String,
    /// Its name in Kubernetes.
    pub name: String,
    /// How it gets there.
    pub provider: SecretProvider,
    /// Its keys.
    pub keys: Vec<Spanned<String>>,
    /// Its type, if it is not the usual one.
    #[serde(rename = "type")]
    pub kind: Option<Spanned<String>>,
    /// How the External Secrets operator makes it, if the inventory says.
    pub external: Option<External>,
    /// What it is for.
    pub description: Option<String>,
    /// The place of its name.
    #[serde(skip)]
    pub place: Span,
}

/// How the External Secrets operator makes a Secret.
#[derive(Clone, Debug, Serialize)]
pub struct External {
    /// The store.
    pub store: String,
    /// Its kind.
    pub store_kind: &'static str,
    /// How often it is asked.
    pub refresh: String,
    /// The entry that all keys come from, if the inventory names no keys.
    pub extract: Option<String>,
    /// Where each key comes from.
    pub data: Vec<ExternalKey>,
}

/// Where a key of a Secret comes from.
#[derive(Clone, Debug, Serialize)]
pub struct ExternalKey {
    /// The key.
    pub key: String,
    /// The entry of the store.
    pub remote: String,
    /// The property of the entry.
    pub property: Option<String>,
    /// The version of the entry.
    pub version: Option<String>,
}

/// A Secret in a chart's namespace.
#[derive(Clone, Debug, Serialize)]
pub struct ChartSecret {
    /// The Secret.
    #[serde(flatten)]
    pub secret: Secret,
    /// The chart.
    pub chart: String,
    /// The namespace.
    pub namespace: String,
}

/// A place that the External Secrets operator reads.
#[derive(Clone, Debug, Serialize)]
pub struct SecretStore {
    /// Its name.
    pub name: String,
    /// How it is reached.
    pub provider: Json,
}

impl Secret {
    /// What the file that people keep for it ends with; none if they keep none.
    pub fn ending(&self) -> Option<&'static str> {
        match self.provider {
            SecretProvider::SealedSecrets => Some("sealed"),
            SecretProvider::Sops => Some("sops"),
            SecretProvider::ExternalSecrets | SecretProvider::Manual => None,
        }
    }

    /// The name of that file.
    pub fn file(&self) -> Option<String> {
        self.ending().map(|ending| format!("{}.{ending}.yaml", self.name))
    }
}

/// The secrets of one stack, by their names in the inventory.
pub fn lower_secrets(resolver: &mut Resolver<'_>, keys: &[&str], stack: &str) -> Vec<Secret> {
    let tables = &resolver.inventory.tables.secrets;
    let own = keys.iter().filter_map(|key| Some((*key, tables.get(*key)?)));
    own.map(|(key, entry)| lower_secret(resolver, key, entry, Some(stack))).collect()
}

/// The names of secrets that live in stacks, by stack.
pub fn secrets_of_stacks(tables: &Map<inventory::secret::Secret>) -> BTreeMap<&str, Vec<&str>> {
    let mut keys: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, entry) in tables.iter().filter(|(_, entry)| entry.chart.is_none()) {
        if let Some(stack) = &entry.stack {
            keys.entry(&stack.value).or_default().push(key);
        }
    }
    keys
}

/// The secrets that live in the namespaces of charts.
pub fn lower_chart_secrets(resolver: &mut Resolver<'_>, charts: &[Chart]) -> Vec<ChartSecret> {
    let tables = &resolver.inventory.tables.secrets;
    let mut secrets = Vec::new();
    for (key, entry) in tables {
        let Some(name) = &entry.chart else { continue };
        let name = resolver.text(name);
        let Some(chart) = charts.iter().find(|chart| chart.name == name.value) else {
            let known = resolver.known(charts.iter().map(|chart| chart.name.as_str()));
            report_unknown(resolver, &name, "chart", &known);
            continue;
        };
        secrets.push(ChartSecret {
            secret: lower_secret(resolver, key, entry, None),
            chart: chart.name.clone(),
            namespace: chart.namespace.value.clone(),
        });
    }
    secrets
}

fn lower_secret(
    resolver: &mut Resolver<'_>,
    key: &str,
    entry: &inventory::record::Named<inventory::secret::Secret>,
    stack: Option<&str>,
) -> Secret {
    let name = optional(resolver, entry.name.as_ref()).unwrap_or_else(|| key.to_owned());
    check_name(resolver, &name, entry.key, "a Secret", NameKind::Subdomain);
    let keys: Vec<Spanned<String>> = entry.keys.iter().map(|text| resolver.text(text)).collect();
    for written in keys.iter().filter(|written| !is_data_key(written)) {
        resolver.found.push(
            BAD_NAME
                .at(written.span, "not a key", format!("`{written}` cannot be a key of a Secret"))
                .about(format!("secrets.{key}"))
                .help("write letters, digits, `-`, `_` and `.` only"),
        );
    }
    Secret {
        provider: entry.provider.as_ref().map_or(SecretProvider::Manual, |provider| provider.value),
        kind: entry.r#type.as_ref().map(|text| resolver.text(text)),
        external: lower_external(resolver, key, &name, entry, &keys, stack),
        description: optional(resolver, entry.description.as_ref()),
        keys,
        name,
        key: key.to_owned(),
        place: entry.key,
    }
}

/// The keys of a secret, to look some up: none are known of a secret that names none.
#[derive(Debug)]
pub struct Keys<'s> {
    secret: &'s Secret,
    names: BTreeSet<&'s str>,
}

impl<'s> Keys<'s> {
    /// The keys of this secret.
    pub fn of(secret: &'s Secret) -> Self {
        Self { secret, names: secret.keys.iter().map(|key| key.value.as_str()).collect() }
    }

    /// Whether there is this one; reported if there is not.
    pub fn has(&self, resolver: &mut Resolver<'_>, key: &Spanned<String>) -> bool {
        if self.names.is_empty() || self.names.contains(key.value.as_str()) {
            return true;
        }
        let known = resolver.known(self.secret.keys.iter().map(|key| key.value.as_str()));
        report_unknown(resolver, key, &format!("key of secret `{}`", self.secret.key), &known);
        false
    }
}

fn lower_external(
    resolver: &mut Resolver<'_>,
    key: &str,
    name: &str,
    table: &inventory::secret::Secret,
    keys: &[Spanned<String>],
    stack: Option<&str>,
) -> Option<External> {
    let store = resolver.text(table.store.as_ref()?);
    let stores = &resolver.inventory.tables.secret_stores;
    let Some(known) = stores.get(&store.value) else {
        let known = resolver.known(stores.keys().map(String::as_str));
        report_unknown(resolver, &store, "secret store", &known);
        return None;
    };
    let owner = known.stack.as_ref().map(|owner| resolver.text(owner));
    if let Some(owner) = owner.as_ref().filter(|owner| Some(owner.as_str()) != stack) {
        let message =
            format!("secret store `{store}` belongs to stack `{owner}`, out of reach of secret `{key}`");
        resolver.found.push(
            UNKNOWN_REFERENCE
                .at(store.span, "another namespace's store", message)
                .because(owner.span, "for this stack alone")
                .help("drop `stack` of the store, so that every namespace may use it"),
        );
    }
    let (extract, data) = match &table.remote {
        Some(Remote::Keys(map)) => (None, keys_of(resolver, key, map, keys, table.span)),
        entry => {
            let entry = match entry {
                Some(Remote::Entry(text)) => resolver.text(text).value,
                _ => name.to_owned(),
            };
            let data = keys.iter().map(|key| ExternalKey {
                key: key.value.clone(),
                remote: entry.clone(),
                property: Some(key.value.clone()),
                version: None,
            });
            let data = data.collect();
            (keys.is_empty().then_some(entry), data)
        }
    };
    Some(External {
        store: store.value,
        store_kind: if owner.is_some() { "SecretStore" } else { "ClusterSecretStore" },
        refresh: table.refresh.as_ref().map_or_else(|| "1h".to_owned(), |time| time.0.value.clone()),
        extract,
        data,
    })
}

fn keys_of(
    resolver: &mut Resolver<'_>,
    secret: &str,
    map: &inventory::record::Map<inventory::secret::RemoteKey>,
    keys: &[Spanned<String>],
    place: Span,
) -> Vec<ExternalKey> {
    let known: Vec<&str> = keys.iter().map(|key| key.value.as_str()).collect();
    for (name, entry) in map.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
        let name = Spanned::new(name.clone(), entry.key);
        report_unknown(resolver, &name, &format!("key of secret `{secret}`"), &known);
    }
    for key in keys.iter().filter(|key| !map.contains_key(&key.value)) {
        let message = format!("`remote` of secret `{secret}` does not say where key `{key}` comes from");
        resolver.found.push(
            MISSING_KEY
                .at(key.span, "nowhere in `remote`", message)
                .because(place, "the secret")
                .about(format!("secrets.{secret}"))
                .help(format!("add `remote.{key} = {{ key = \"ENTRY\", property = \"{key}\" }}`")),
        );
    }
    let there = keys.iter().filter_map(|key| Some((key, map.get(&key.value)?)));
    there
        .map(|(key, entry)| ExternalKey {
            key: key.value.clone(),
            remote: optional(resolver, entry.value.key.as_ref()).unwrap_or_default(),
            property: optional(resolver, entry.property.as_ref()),
            version: optional(resolver, entry.version.as_ref()),
        })
        .collect()
}

/// The stores of one stack; without one, those of the cluster.
pub fn lower_stores(resolver: &mut Resolver<'_>, stack: Option<&str>) -> Vec<SecretStore> {
    let tables = &resolver.inventory.tables.secret_stores;
    let own = |table: &inventory::secret::SecretStore| {
        table.stack.as_ref().map(|name| name.value.as_str()) == stack
    };
    let own = tables.iter().filter(|(_, entry)| own(entry));
    own.map(|(name, entry)| {
        check_name(resolver, name, entry.key, "a secret store", NameKind::Subdomain);
        let provider = entry.provider.as_ref().map(|table| resolver.value(&table.0)).unwrap_or_default();
        if provider.as_object().is_some_and(|provider| provider.len() != 1) {
            let span = entry.provider.as_ref().map_or(entry.key, inventory::service::place);
            let message = format!("secret store `{name}` has not exactly one provider");
            resolver.found.push(BAD_VALUE.at(span, "one provider is wanted", message).help(
                "write one table in it, such as `provider.vault = { server = …, path = …, auth = … }`",
            ));
        }
        SecretStore { name: name.clone(), provider }
    })
    .collect()
}

/// Reports what no environment's secrets would show: a secret of nothing, of two, of what nobody declares.
pub fn report_homeless(resolver: &mut Resolver<'_>) {
    let tables = &resolver.inventory.tables;
    let stacks: Vec<&str> = tables.stacks.keys().map(String::as_str).collect();
    for (name, table) in &tables.secrets {
        let about = format!("secrets.{name}");
        match (&table.stack, &table.chart) {
            (None, None) => resolver.found.push(
                MISSING_KEY
                    .at(table.span, "`stack` is missing here", format!("`{about}` needs `stack`"))
                    .help("add `stack`: the stack whose namespace it lives in; or `chart`, for a chart's namespace")
                    .about(about.clone()),
            ),
            (Some(stack), Some(chart)) => resolver.found.push(
                CONFLICTING_KEYS
                    .at(chart.span, "a chart", format!("secret `{name}` has both `stack` and `chart`"))
                    .because(stack.span, "a stack")
                    .help("a Secret lives in one namespace: keep one of them")
                    .about(about.clone()),
            ),
            _ => {}
        }
        if let Some(stack) = table.stack.as_ref().filter(|stack| !tables.stacks.contains_key(&stack.value)) {
            report_unknown(resolver, stack, "stack", &stacks);
        }
        report_idle_store(resolver, name, table);
    }
    for store in tables.secret_stores.values() {
        if let Some(stack) = store.stack.as_ref().filter(|stack| !tables.stacks.contains_key(&stack.value)) {
            report_unknown(resolver, stack, "stack", &stacks);
        }
    }
}

/// Keys of the External Secrets operator on a secret that comes from elsewhere, or that names no store.
fn report_idle_store(resolver: &mut Resolver<'_>, name: &str, table: &inventory::secret::Secret) {
    let remote = match &table.remote {
        Some(Remote::Entry(text)) => Some(text.span),
        Some(Remote::Keys(keys)) => Some(keys.values().next().map_or(table.span, |entry| entry.key)),
        None => None,
    };
    let given = [
        ("store", table.store.as_ref().map(|text| text.span)),
        ("remote", remote),
        ("refresh", table.refresh.as_ref().map(|time| time.0.span)),
    ];
    let Some((key, Some(span))) = given.into_iter().find(|(_, span)| span.is_some()) else { return };
    let provider = table.provider.as_ref();
    let external = provider.is_some_and(|provider| provider.value == SecretProvider::ExternalSecrets);
    let (message, help) = match (external, &table.store) {
        (true, Some(_)) => return,
        (true, None) => (
            format!("secret `{name}` has `{key}` and no `store`"),
            "add `store`: the secret store by its name",
        ),
        (false, _) => (
            format!("secret `{name}` has `{key}` and does not come from the External Secrets operator"),
            "write `provider = \"external-secrets\"`, or drop the key",
        ),
    };
    let mut diagnostic = CONFLICTING_KEYS.at(span, "means nothing here", message);
    if let Some(provider) = provider {
        diagnostic = diagnostic.because(provider.span, "its provider");
    }
    resolver.found.push(diagnostic.about(format!("secrets.{name}")).help(help));
}
