//! What no report shows of the inventory, wherever a finding points: values where only names of secrets belong, and
//! what stands under a name that announces a secret, in tables that take none, too.

use crate::check::secrets::{Telling, is_no_secret, looks_chosen, looks_random, telling};
use crate::diagnostic::Diagnostics;
use crate::inventory::node::Node;
use crate::object::naming::is_data_key;

/// Keys of a secret that hold no secret.
const PLAIN: &[&str] =
    &["stack", "chart", "provider", "name", "type", "store", "remote", "refresh", "description"];

/// Names of headers and settings that hold one, besides those that [`telling`] knows.
const HOLDERS: &[&str] = &["authorization", "basic-auth", "basicauth", "cookie", "bearer"];

/// Hides all of it.
pub fn hide(root: &Node, found: &mut Diagnostics) {
    let declared = |name: &str| root.find(["secrets", name]).is_some();
    root.each_scalar(&mut |path, _, node| {
        if is_hidden(path, &node.scalar().unwrap_or_default(), &declared) {
            found.hide(node.span);
        }
    });
}

fn is_hidden(path: &[&str], text: &str, declared: &impl Fn(&str) -> bool) -> bool {
    match path {
        ["secrets", _, "keys"] => !is_data_key(text),
        ["secrets", _, key, rest @ ..] => {
            !(PLAIN.contains(key) && (rest.is_empty() || *key == "remote")) && !is_no_secret(text)
        }
        _ => is_told_of(path, text) && !declared(text) && !is_pointer(text),
    }
}

/// Whether its keys say that a text is a secret, and it looks like one.
fn is_told_of(path: &[&str], text: &str) -> bool {
    match path {
        [.., "secret-env", _] => looks_chosen(text) || looks_random(text),
        // `password` of a monitor's `basic-auth` is the name of a key.
        [.., above, _] if holds(above) => looks_random(text),
        [.., last] => announced(last, text),
        [] => false,
    }
}

/// `SECRET/KEY`, as `secret-env` and its like take it.
fn is_pointer(text: &str) -> bool {
    text.split_once('/').is_some_and(|(secret, key)| is_data_key(secret) && is_data_key(key))
}

fn holds(name: &str) -> bool {
    HOLDERS.iter().any(|holder| name.eq_ignore_ascii_case(holder))
}

fn announced(name: &str, text: &str) -> bool {
    let looks_it = match telling(name) {
        _ if holds(name) => looks_random(text) || text.contains(' '),
        Some(Telling::Password) => true,
        Some(Telling::Key) => looks_random(text),
        None => false,
    };
    looks_it && !is_no_secret(text)
}
