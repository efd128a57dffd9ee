//! Images: whether they are any, and what Flux wrote last of those that it keeps up to date.

use std::cmp::Ordering;

use crate::check::engines::IGNORED_SETTINGS;
use crate::diagnostic::{Diagnostics, codes};
use crate::model::container::Part;
use crate::model::images::{repository, tag};
use crate::model::service::Service;
use crate::model::{BAD_VALUE, Model};
use crate::object::image;
use crate::source::Span;

codes! { Gitops:
    /// What Flux wrote last is not what the inventory means.
    STALE_IMAGE_UPDATE = ("stale-image-update", Warning, "an image that Flux wrote last is older than the inventory's, or another one");
}

/// Runs these rules.
pub fn check(model: &Model, found: &mut Diagnostics) {
    for environment in &model.environments {
        environment.services().for_each(|service| readable(service, found));
    }
    updates(model, found);
}

/// Whether the images of a service are references at all. What Flux fills in is not known yet.
fn readable(service: &Service, found: &mut Diagnostics) {
    let written = |part: &Part<'_>| part.table.is_none() || part.image != &service.image;
    for part in service.containers().filter(written) {
        let text = part.image.value.as_str();
        let given = part.image.span != Span::default() && !text.contains("${");
        let Some(bad) = image::check(text).err().filter(|_| given) else { continue };
        let shown: String = text.chars().take(160).collect();
        let message =
            format!("`{shown}` cannot be the image of {}: {}", part.named(&service.key), bad.reason);
        let diagnostic = BAD_VALUE.at(part.image.span, "not an image", message).about(service.subject());
        found.push(match bad.meant {
            Some(meant) => diagnostic.help(format!("write `{meant}`")),
            None => diagnostic.help("write it as in \"docker.io/library/nginx:1.29.1\""),
        });
    }
}

fn updates(model: &Model, found: &mut Diagnostics) {
    for service in model.base.services().filter(|service| service.image_policy.is_some()) {
        let path = ["services", &service.key, "image"];
        let about = service.subject();
        let Some(span) = model.key_of("", &["services", &service.key, "image-policy"]) else { continue };
        if !model.gitops.as_ref().is_some_and(|gitops| gitops.uses_flux()) {
            let message = format!(
                "nothing of the tree is applied by Flux, which `image-policy` of `{}` is for",
                service.key
            );
            let diagnostic = IGNORED_SETTINGS.at(span, "has no effect", message).about(about);
            found.push(
                diagnostic
                    .help("drop it, or let Renovate propose new images: `bayplan init` writes its settings"),
            );
            continue;
        }
        let written = model.written.find(path).and_then(|node| Some((node.text()?, node.span)));
        let (Some(update), Some((image, span))) = (model.image_updates.get(&service.key), written) else {
            continue;
        };
        if image.contains("${") {
            continue;
        }
        let (label, message) = if repository(image) != repository(update) {
            (
                "this one is used",
                format!("Flux wrote `{}` for `{}`, whose image is another one", update.value, service.key),
            )
        } else if newer(tag(image), tag(update)) {
            (
                "newer, and not used",
                format!("Flux wrote `{}` for `{}`, older than the inventory's", update.value, service.key),
            )
        } else {
            continue;
        };
        let diagnostic = STALE_IMAGE_UPDATE.at(span, label, message).because(update.span, "what Flux wrote");
        found.push(diagnostic.about(about).help(
            "Flux writes the image that its policy chooses with its next run; or change the line there",
        ));
    }
}

/// Whether one tag is a higher version than another, as far as both are versions.
fn newer(one: Option<&str>, other: Option<&str>) -> bool {
    let parts = |tag: &str| -> Option<Vec<u64>> {
        let plain = tag.strip_prefix('v').unwrap_or(tag);
        let plain = plain.split(['-', '+']).next().unwrap_or(plain);
        plain.split('.').map(|part| part.parse().ok()).collect()
    };
    let (Some(one), Some(other)) = (one.and_then(parts), other.and_then(parts)) else { return false };
    one.cmp(&other) == Ordering::Greater
}

#[cfg(test)]
mod tests {
    use super::newer;

    #[test]
    fn versions_are_compared() {
        assert!(newer(Some("1.10"), Some("1.9")) && newer(Some("v2"), Some("1.9.3-alpine")));
        assert!(
            !newer(Some("1.9"), Some("1.9")) && !newer(Some("latest"), Some("1")) && !newer(None, Some("1"))
        );
    }
}
