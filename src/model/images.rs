//! Images that Flux keeps up to date: its policies, and what it wrote last.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::inventory::gitops::Flux as Table;
use crate::inventory::images::{self as written, DigestPolicy};
use crate::inventory::service::Service as WrittenService;
use crate::model::Model;
use crate::model::naming::{NameKind, one_of, optional_name};
use crate::model::patterns;
use crate::model::references::Resolver;
use crate::model::texts::optional;
use crate::source::{Span, Spanned};

/// Where in the tree Flux writes, and the next render reads back.
pub const FILE: &str = "flux/images.yaml";

/// Which tags are newer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImagePolicy {
    /// The rule, as Flux has it.
    pub policy: BTreeMap<&'static str, BTreeMap<&'static str, String>>,
    /// The tags that are looked at.
    pub filter_tags: Option<BTreeMap<&'static str, String>>,
    /// When it is pinned to a digest.
    pub digest: Option<&'static str>,
    /// How often the registry is asked.
    pub interval: String,
    /// The Secret that opens the registry.
    pub secret: Option<String>,
    /// Whether versions are compared.
    #[serde(skip)]
    pub semver: bool,
    /// The place of the table.
    #[serde(skip)]
    pub place: Span,
}

/// An image that Flux keeps up to date.
#[derive(Clone, Debug, Serialize)]
pub struct ImageUpdate {
    /// The service.
    pub name: String,
    /// The image without tag and digest.
    pub repository: String,
    /// The image.
    pub image: String,
    /// Which tags are newer.
    pub rule: ImagePolicy,
}

/// How Flux commits.
#[derive(Clone, Debug, Serialize)]
pub struct ImageUpdates {
    /// How often.
    pub interval: String,
    /// The branch it pushes to.
    pub branch: Option<String>,
    /// Who.
    pub author_name: String,
    /// Who, by address.
    pub author_email: String,
}

/// Lowers `[gitops.flux.image-updates]`.
pub fn lower_updates(resolver: &mut Resolver<'_>, table: &Table) -> ImageUpdates {
    let absent = written::ImageUpdates::default();
    let table = table.image_updates.as_ref().unwrap_or(&absent);
    ImageUpdates {
        interval: table.interval.as_ref().map_or_else(|| "30m".to_owned(), |time| time.0.value.clone()),
        branch: optional(resolver, table.branch.as_ref()),
        author_name: optional(resolver, table.author_name.as_ref()).unwrap_or_else(|| "flux".to_owned()),
        author_email: optional(resolver, table.author_email.as_ref())
            .unwrap_or_else(|| "flux@localhost".to_owned()),
    }
}

/// Lowers a service's `image-policy`. It stands among Flux's own objects, in which Flux looks for no variables.
pub fn lower_policy(resolver: &mut Resolver<'_>, table: &written::ImagePolicy) -> ImagePolicy {
    resolver.unescaped(|resolver| policy(resolver, table))
}

fn policy(resolver: &mut Resolver<'_>, table: &written::ImagePolicy) -> ImagePolicy {
    let semver = patterns::versions(resolver, table.semver.as_ref());
    let given = [
        ("semver", semver.as_ref().map(|text| text.span)),
        ("alphabetical", table.alphabetical.as_ref().map(|word| word.span)),
        ("numerical", table.numerical.as_ref().map(|word| word.span)),
    ];
    one_of(resolver, &given, "`image-policy`", table.span, None);
    let order = |word: &Spanned<written::Order>| BTreeMap::from([("order", word.value.word().to_owned())]);
    let rules = [
        ("semver", semver.map(|range| BTreeMap::from([("range", range.value)]))),
        ("alphabetical", table.alphabetical.as_ref().map(order)),
        ("numerical", table.numerical.as_ref().map(order)),
    ];
    let policy = rules.into_iter().find_map(|(name, rule)| Some(BTreeMap::from([(name, rule?)])));
    let filter = table.filter_tags.as_ref().map(|filter| {
        let pattern = patterns::regex(resolver, filter.pattern.as_ref()).unwrap_or_default().value;
        let extract = patterns::template(resolver, filter.extract.as_ref(), &pattern);
        let extract = extract.map(|extract| ("extract", extract.value));
        std::iter::once(("pattern", pattern)).chain(extract).collect()
    });
    ImagePolicy {
        semver: table.semver.is_some(),
        policy: policy.unwrap_or_default(),
        filter_tags: filter,
        digest: table.digest.as_ref().map(|word| match word.value {
            DigestPolicy::Always => "Always",
            DigestPolicy::IfNotPresent => "IfNotPresent",
            DigestPolicy::Never => "Never",
        }),
        interval: table.interval.as_ref().map_or_else(|| "1h".to_owned(), |time| time.0.value.clone()),
        secret: optional_name(resolver, table.secret.as_ref(), "a Secret", NameKind::Subdomain),
        place: table.span,
    }
}

/// A service's image: what Flux wrote last, where the service leaves that to Flux and the image is the same one. An
/// environment that names an image of its own has it.
pub fn image(resolver: &mut Resolver<'_>, key: &str, table: &WrittenService) -> Spanned<String> {
    let image = table.image.as_ref().map(|text| resolver.text(text)).unwrap_or_default();
    let own = resolver.environment().and_then(|(_, environment)| environment.services.get(key));
    if table.image_policy.is_none() || own.is_some_and(|own| own.image.is_some()) {
        return image;
    }
    match resolver.inventory.image_updates.get(key) {
        Some(update) if repository(update) == repository(&image) => {
            Spanned::new(update.value.clone(), image.span)
        }
        _ => image,
    }
}

/// An image without tag and digest.
pub fn repository(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    }
}

/// What can stand in a file without being quoted or escaped.
pub fn is_image(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "./:@_-".contains(c);
    !text.is_empty() && text.len() <= 512 && text.chars().all(plain)
}

/// The tag of an image.
pub fn tag(image: &str) -> Option<&str> {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    name.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/'))
}

/// Every image that Flux keeps up to date, once, by the service's name.
pub fn gather(model: &Model) -> Vec<ImageUpdate> {
    let environments = std::iter::once(&model.base).chain(&model.environments);
    let mut updates: BTreeMap<&str, ImageUpdate> = BTreeMap::new();
    for service in environments.flat_map(|environment| &environment.stacks).flat_map(|stack| &stack.services)
    {
        let Some(rule) = service.image_policy.as_ref().filter(|_| is_image(&service.image)) else { continue };
        updates.entry(&service.key).or_insert_with(|| ImageUpdate {
            name: service.key.clone(),
            repository: repository(&service.image).to_owned(),
            image: service.image.value.clone(),
            rule: (**rule).clone(),
        });
    }
    updates.into_values().collect()
}

/// The file that Flux writes to. An object that kustomize leaves out of every build.
pub fn file(updates: &[ImageUpdate], namespace: &str) -> String {
    let mut text = "\
# Flux changes the images below, and the next `bayplan render` takes them over.
apiVersion: v1
kind: ConfigMap
metadata:
  name: images
  namespace: \"$NAMESPACE\"
  annotations:
    config.kubernetes.io/local-config: \"true\"
data:
"
    .replace("$NAMESPACE", namespace);
    for update in updates {
        let (name, image) = (&update.name, &update.image);
        let _ = writeln!(text, "  {name}: \"{image}\" # {{\"$imagepolicy\": \"{namespace}:{name}\"}}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{repository, tag};

    #[test]
    fn images_are_taken_apart() {
        for (image, name, version) in [
            ("nginx", "nginx", None),
            ("nginx:1.2", "nginx", Some("1.2")),
            ("r.lan:5000/a/b", "r.lan:5000/a/b", None),
            ("r.lan:5000/a/b:1@sha256:00", "r.lan:5000/a/b", Some("1")),
        ] {
            assert_eq!((repository(image), tag(image)), (name, version), "{image}");
        }
    }
}
