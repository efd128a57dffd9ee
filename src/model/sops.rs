//! Who can read what SOPS encrypts.

use serde::Serialize;

use crate::model::BAD_VALUE;
use crate::model::references::Resolver;
use crate::source::Spanned;

/// Who can read what SOPS encrypts.
#[derive(Clone, Debug, Serialize)]
pub struct Sops {
    /// The age recipients.
    pub age: Vec<String>,
    /// The PGP fingerprints.
    pub pgp: Vec<String>,
}

/// Lowers `[sops]`. What is no public key is reported and left out: the file is no place for surprises.
pub fn lower(resolver: &mut Resolver<'_>) -> Option<Sops> {
    let table = resolver.inventory.tables.sops.as_ref()?;
    let age: Vec<Spanned<String>> = table.age.iter().map(|text| resolver.text(text)).collect();
    let pgp: Vec<Spanned<String>> = table.pgp.iter().map(|text| resolver.text(text)).collect();
    if age.is_empty() && pgp.is_empty() {
        resolver.found.push(
            BAD_VALUE
                .at(table.span, "nobody can read", "`[sops]` names no recipient".to_owned())
                .help("add `age = [\"age1…\"]`: the public key that `age-keygen` prints"),
        );
    }
    let age = keep(resolver, age, is_age, "an age recipient: `age1…`, as `age-keygen` prints it");
    let pgp = keep(resolver, pgp, is_fingerprint, "a PGP fingerprint: 40 hexadecimal digits");
    Some(Sops { age, pgp })
}

fn keep(
    resolver: &mut Resolver<'_>,
    keys: Vec<Spanned<String>>,
    fits: fn(&str) -> bool,
    wanted: &str,
) -> Vec<String> {
    let (fit, unfit): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| fits(key));
    for key in unfit {
        // A private key must not be shown again.
        let private = key.to_ascii_uppercase().contains("SECRET-KEY");
        let message = if private {
            "a private key, where a public one belongs".to_owned()
        } else {
            format!("`{key}` is not {wanted}")
        };
        resolver.found.push(BAD_VALUE.at(key.span, "no public key", message).help(format!("write {wanted}")));
    }
    fit.into_iter().map(|key| key.value).collect()
}

fn is_age(key: &str) -> bool {
    key.starts_with("age1")
        && key.len() >= 60
        && key.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
}

fn is_fingerprint(key: &str) -> bool {
    key.len() == 40 && key.bytes().all(|byte| byte.is_ascii_hexdigit())
}
