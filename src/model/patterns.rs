//! Patterns that programs read: what they cannot read is reported.

use crate::inventory::value::Text;
use crate::model::BAD_VALUE;
use crate::model::references::Resolver;
use crate::pattern;
use crate::source::Spanned;

/// A regular expression with its references replaced; reported if Go cannot compile it.
pub fn regex(resolver: &mut Resolver<'_>, text: Option<&Text>) -> Option<Spanned<String>> {
    let text = resolver.text(text?);
    if let Err(why) = pattern::regex(&text) {
        let message = format!("`{text}` is no regular expression: {why}");
        let diagnostic = BAD_VALUE.at(text.span, "cannot be compiled", message);
        resolver
            .found
            .push(diagnostic.help("write it as Go reads it: https://github.com/google/re2/wiki/Syntax"));
    }
    Some(text)
}

/// What is taken out of a match; reported if it names a group that the expression has not.
pub fn template(resolver: &mut Resolver<'_>, text: Option<&Text>, regex: &str) -> Option<Spanned<String>> {
    let text = resolver.text(text?);
    if let Err(why) = pattern::template(&text, regex) {
        let message = format!("`{text}` takes nothing out of a tag: {why}");
        let diagnostic = BAD_VALUE.at(text.span, "always empty", message);
        resolver.found.push(diagnostic.help("name a group of the pattern: `(?P<ts>[0-9]+)` is `$ts`"));
    }
    Some(text)
}

/// A range of versions; reported if nothing can be in it.
pub fn versions(resolver: &mut Resolver<'_>, text: Option<&Text>) -> Option<Spanned<String>> {
    let text = resolver.text(text?);
    if let Err(why) = pattern::versions(&text) {
        let message = format!("`{text}` is no range of versions: {why}");
        let diagnostic = BAD_VALUE.at(text.span, "cannot be read", message);
        resolver.found.push(diagnostic.help("write it as in `>=1.2.0 <2.0.0`, `1.x` or `^1.4`"));
    }
    Some(text)
}
