//! Which new images Flux takes.

use crate::inventory::value::{Duration, Text};
use crate::source::Spanned;
use crate::{choice, record};

choice! {
    /// Which of a sorted list is the newest.
    pub enum Order {
        /// The last one.
        Asc = "asc",
        /// The first one.
        Desc = "desc",
    }
}

choice! {
    /// When an image is pinned to the digest of its tag.
    pub enum DigestPolicy {
        /// Whenever the tag points to something new.
        Always = "always",
        /// When the tag changes.
        IfNotPresent = "if-not-present",
        /// Not at all.
        Never = "never",
    }
}

record! {
    /// The tags that are looked at.
    pub struct FilterTags {
        /// Those that match this regular expression.
        #[required]
        pattern: Option<Text>,
        /// What of them is compared: a group of the pattern, `$1` or `$name`. Default: the whole tag.
        extract: Option<Text>,
    }
}

record! {
    /// Which tags of a service's image are newer: one of `semver`, `alphabetical` and `numerical`.
    pub struct ImagePolicy {
        /// The highest version in this range: `>=1.0.0`, `~4.1`.
        semver: Option<Text>,
        /// The last by the alphabet, or with `desc` the first.
        alphabetical: Option<Spanned<Order>>,
        /// The highest number, or with `desc` the lowest.
        numerical: Option<Spanned<Order>>,
        /// The tags that are looked at. Default: all.
        filter_tags: Option<FilterTags>,
        /// When the image is pinned to a digest, too. Default `never`.
        digest: Option<Spanned<DigestPolicy>>,
        /// How often the registry is asked. Default `1h`.
        interval: Option<Duration>,
        /// The Secret in Flux's namespace that opens the registry, if it is not public.
        secret: Option<Text>,
    }
}

record! {
    /// How Flux commits new images: to one file of the tree, which the next render reads back.
    pub struct ImageUpdates {
        /// How often. Default `30m`.
        interval: Option<Duration>,
        /// The branch it pushes to, if that is not the one that is applied: for a pull request.
        branch: Option<Text>,
        /// Who commits. Default `flux`.
        author_name: Option<Text>,
        /// The address of who commits. Default `flux@localhost`.
        author_email: Option<Text>,
    }
}
