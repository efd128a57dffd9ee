//! What people make the files of their secrets from: a Secret with values to fill in, and a list of all there are.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::check::secret_files::{Wanted, quoted};
use crate::diagnostic::nearest;
use crate::inventory::secret::SecretProvider;
use crate::object::emit::emit;
use crate::object::naming::{is_data_key, label_fault, subdomain_fault};

/// What stands where a value belongs.
pub const PLACEHOLDER: &str = "REPLACE-ME";

/// Chooses the secret of a name, in the environment of a name or the only one.
///
/// # Errors
///
/// Why there is none, or which there are.
pub fn choose<'w, 'm>(
    all: &'w [Wanted<'m>],
    name: &str,
    environment: Option<&str>,
) -> Result<&'w Wanted<'m>, String> {
    let named: Vec<&Wanted<'_>> = all.iter().filter(|one| one.secret.key == name).collect();
    if named.is_empty() {
        let near = nearest(name, all.iter().map(|one| one.secret.key.as_str()));
        let near = near.map_or_else(
            || ": `bayplan secret list` lists them".to_owned(),
            |near| format!(": did you mean `{near}`?"),
        );
        return Err(format!("there is no secret `{name}`{near}"));
    }
    let fits = |one: &&&Wanted<'_>| {
        environment.is_none() || one.environment.is_none() || one.environment == environment
    };
    let fitting: Vec<&&Wanted<'_>> = named.iter().filter(fits).collect();
    let environments: Vec<&str> = named.iter().filter_map(|one| one.environment).collect();
    match (fitting[..].first(), fitting.len(), environment) {
        (Some(_), 2.., _) => Err(format!(
            "secret `{name}` is in several environments: add --environment {}",
            environments.join(" or --environment ")
        )),
        (Some(one), ..) => Ok(one),
        (None, _, wanted) => Err(format!(
            "secret `{name}` is not in environment `{}`: it is in {}",
            wanted.unwrap_or_default(),
            environments.join(", ")
        )),
    }
}

/// The Secret in clear text, with values to fill in. `out` is how the output folder is called.
pub fn template(one: &Wanted<'_>, out: &str) -> String {
    let secret = one.secret;
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": secret.name, "namespace": one.namespace },
    });
    if let Some(labels) = one.labels.filter(|labels| !labels.is_empty()) {
        object["metadata"]["labels"] = json!(labels);
    }
    if let Some(description) = &secret.description {
        object["metadata"]["annotations"] = json!({ "kubernetes.io/description": description });
    }
    if let Some(kind) = &secret.kind {
        object["type"] = json!(kind.value);
    }
    let mut values: BTreeMap<&str, &str> =
        secret.keys.iter().map(|key| (key.value.as_str(), PLACEHOLDER)).collect();
    if values.is_empty() {
        values.insert("KEY", PLACEHOLDER);
    }
    object["stringData"] = json!(values);
    format!("{}{}", head(one, out), emit(&object))
}

/// Why nothing is to be made of a secret: a name of it that Kubernetes refuses, which the commands would carry.
pub fn refused(one: &Wanted<'_>) -> Option<String> {
    let secret = one.secret;
    let fault = |what: &str, name: &str, why: &str| format!("`{}` cannot name {what}: {why}", plain(name));
    let named = subdomain_fault(&secret.name).map(|why| fault("a Secret", &secret.name, why));
    let housed = || label_fault(one.namespace).map(|why| fault("a namespace", one.namespace, why));
    let keyed = || {
        let bad = secret.keys.iter().find(|key| !is_data_key(key))?;
        Some(fault("a key of a Secret", bad, "letters, digits, `-`, `_` and `.` only"))
    };
    named.or_else(housed).or_else(keyed)
}

/// A name as one line can show it. Names that Kubernetes refuses are reported elsewhere, and printed all the same.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// What to do with it, as comments.
fn head(one: &Wanted<'_>, out: &str) -> String {
    let path = one.path().map(|path| quoted(&plain(&format!("{out}/{path}")))).unwrap_or_default();
    let next = match one.secret.provider {
        SecretProvider::SealedSecrets => {
            format!(
                "# then: kubeseal --format yaml < THIS-FILE > {path}\n# delete this file, and: bayplan render\n"
            )
        }
        SecretProvider::Sops => {
            let config = quoted(&plain(&format!("{out}/sops.config")));
            format!(
                "# then, as {path}:\n# sops --config {config} encrypt --in-place {path}\n# bayplan render\n"
            )
        }
        SecretProvider::ExternalSecrets => {
            "# The External Secrets operator makes this one; applied by hand it is replaced.\n".to_owned()
        }
        SecretProvider::Manual => "# then: kubectl apply -f THIS-FILE\n# and delete this file.\n".to_owned(),
    };
    format!("# Fill in the values where it says {PLACEHOLDER}; do not commit them.\n{next}")
}

/// Every secret as a table for people. `there` tells whether a file is in the tree.
pub fn table(all: &[Wanted<'_>], there: impl Fn(&str) -> bool) -> String {
    let head = ["SECRET", "PROVIDER", "OWNER", "ENVIRONMENT", "KEYS", "FILE"].map(str::to_owned);
    let rows = all.iter().map(|one| {
        let keys = one.secret.keys.iter().map(|key| key.value.as_str()).collect::<Vec<_>>().join(",");
        let file = found(one, &there)
            .unwrap_or_else(|| one.path().map_or_else(|| "-".to_owned(), |path| format!("missing: {path}")));
        [
            one.secret.key.clone(),
            one.secret.provider.word().to_owned(),
            one.owner.clone(),
            one.environment.unwrap_or("-").to_owned(),
            if keys.is_empty() { "-".to_owned() } else { keys },
            file,
        ]
        .map(|cell| plain(&cell))
    });
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(rows).collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// The file of a secret, if it is there: where it belongs, or in the other folder where it is found.
fn found(one: &Wanted<'_>, there: &impl Fn(&str) -> bool) -> Option<String> {
    let name = one.secret.file()?;
    let paths = [&one.folder, &one.other].map(|folder| format!("{folder}/{name}"));
    paths.into_iter().find(|path| there(path))
}

/// Every secret as objects for programs.
pub fn objects(all: &[Wanted<'_>], there: impl Fn(&str) -> bool) -> Vec<Json> {
    let object = |one: &Wanted<'_>| {
        let file = found(one, &there);
        json!({
            "secret": one.secret.key,
            "name": one.secret.name,
            "namespace": one.namespace,
            "provider": one.secret.provider.word(),
            "owner": one.owner,
            "environment": one.environment,
            "keys": one.secret.keys.iter().map(|key| &key.value).collect::<Vec<_>>(),
            "there": one.path().map(|_| file.is_some()),
            "file": file.or_else(|| one.path()),
        })
    };
    all.iter().map(object).collect()
}
