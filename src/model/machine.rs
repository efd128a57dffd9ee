//! What a machine is told of itself: its network interface, its disk.

use crate::inventory::value::Text;
use crate::model::BAD_VALUE;
use crate::model::references::Resolver;
use crate::source::Spanned;

/// The longest name of a network interface that Linux takes.
const LONGEST_INTERFACE: usize = 15;

/// Its network interface.
pub fn interface(resolver: &mut Resolver<'_>, text: Option<&Text>) -> Option<String> {
    let name = resolver.text(text?);
    let strange = |c: char| c.is_whitespace() || c == '/' || c == ':' || !c.is_ascii();
    if name.is_empty() || name.len() > LONGEST_INTERFACE || name.contains(strange) {
        report(resolver, &name, "no network interface", "write it as `ip link` does, such as \"enp1s0\"");
    }
    Some(name.value)
}

/// The disk to install on.
pub fn disk(resolver: &mut Resolver<'_>, text: Option<&Text>) -> Option<String> {
    let path = resolver.text(text?);
    if !path.starts_with("/dev/") || path.contains(char::is_whitespace) || path.contains("/../") {
        report(resolver, &path, "no disk", "write its path, such as \"/dev/sda\" or one of /dev/disk/by-id");
    }
    Some(path.value)
}

fn report(resolver: &mut Resolver<'_>, written: &Spanned<String>, what: &str, help: &str) {
    let message = format!("`{written}` is {what}");
    resolver.found.push(BAD_VALUE.at(written.span, what, message).help(help));
}
