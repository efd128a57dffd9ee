//! A long file, read in parts at the same time.
//!
//! The parser lists all tokens and all events before the first table is there. The lists of a short part fit where those
//! of the last one were; those of a long file are the most memory that reading it touches.

use ::toml::de::DeTable;
use foldhash::fast::RandomState;
use indexmap::IndexMap;
use indexmap::map::Entry as Slot;
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use super::{Place, toml_table};
use crate::diagnostic::Diagnostics;
use crate::inventory::node::{Entry, Node, Table, Value};
use crate::source::{FileId, Span};

/// A part has at least so many bytes.
const LENGTH: usize = 16 << 10;

/// Reads a file in parts; none if it is short, at fault, or not certain to be the sum of its parts: whoever reads it as
/// a whole then will say what is wrong with it.
pub(super) fn read(text: &str, file: FileId) -> Option<Node> {
    sum(text, file, LENGTH)
}

fn sum(text: &str, file: FileId, length: usize) -> Option<Node> {
    let parts = parts(text, file, length);
    if parts.len() < 2 {
        return None;
    }
    let tables: Option<Vec<Table>> = parts.par_iter().map(table).collect();
    // As the parser has it.
    Some(Node::new(Span::new(file, 0..0), Value::Table(joined(tables?, text)?)))
}

/// Cuts a text before headers of two plain names, such as `[services.plex]`. Within a text or a list of several lines
/// such a line is none: then the part before it has no end, which is a fault.
fn parts(text: &str, file: FileId, length: usize) -> Vec<Place<'_>> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while let Some(line) = text.get(at..).and_then(|rest| rest.find("\n[")).map(|found| at + found + 1) {
        at = line;
        if line - start >= length && is_item(&text[line..]) {
            parts.push(Place { text: &text[start..line], file, start });
            start = line;
        }
    }
    parts.push(Place { text: &text[start..], file, start });
    parts
}

/// Whether a text begins with a header of two plain names.
fn is_item(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default();
    let names = line.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(names, _)| names);
    let plain = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    names.and_then(|names| names.split_once('.')).is_some_and(|(one, other)| plain(one) && plain(other))
}

/// A part, if nothing is to be said of it.
fn table(place: &Place<'_>) -> Option<Table> {
    let (root, errors) = DeTable::parse_recoverable(place.text);
    let mut found = Diagnostics::default();
    let table = errors.is_empty().then(|| toml_table(root.into_inner(), *place, 0, &mut found))?;
    found.is_empty().then_some(table)
}

/// What later parts have of a table.
type Members = Vec<(Box<str>, Entry)>;

/// All that stands in the parts. What two of them have must be tables that only headers of their members speak of, and
/// have no member in common.
fn joined(parts: Vec<Table>, text: &str) -> Option<Table> {
    let mut whole: IndexMap<Box<str>, (Entry, Members), RandomState> = IndexMap::default();
    for (name, entry) in parts.into_iter().flatten() {
        match whole.entry(name) {
            Slot::Vacant(slot) => drop(slot.insert((entry, Vec::new()))),
            Slot::Occupied(mut slot) => {
                let (first, more) = slot.get_mut();
                let both_open = is_open(first, text) && is_open(&entry, text);
                let Value::Table(members) = entry.node.value else { return None };
                if !both_open {
                    return None;
                }
                more.extend(members);
            }
        }
    }
    let complete = |(name, (mut entry, more)): (Box<str>, (Entry, Members))| {
        let apart = more.is_empty()
            || match &mut entry.node.value {
                Value::Table(own) => own.append(more),
                _ => false,
            };
        apart.then_some((name, entry))
    };
    whole.into_iter().map(complete).collect()
}

/// Whether a table is only there because of headers such as `[services.plex]`: no header or key of its own speaks of it.
fn is_open(entry: &Entry, text: &str) -> bool {
    let before = text.get(..entry.key.start as usize).unwrap_or_default();
    entry.key == entry.node.span && before.trim_end_matches([' ', '\t']).ends_with('[')
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::Diagnostics;
    use crate::inventory::node::{Value, from_toml};
    use crate::source::{FileId, Source};

    /// The file as the sum of very short parts, or as nothing.
    fn in_parts(text: &str) -> Option<Value> {
        super::sum(text, FileId::default(), 1).map(|node| node.value)
    }

    fn whole(text: &str) -> Option<Value> {
        let mut found = Diagnostics::default();
        let (root, _) = from_toml(&Source::new("inventory.toml", text), FileId::default(), &mut found);
        found.is_empty().then_some(root.value)
    }

    #[test]
    fn the_parts_are_the_whole() {
        for text in [
            "q = 1\n[a.b]\nx = 1\n[a.c]\ny = 2\n",
            "[cluster]\nname = 'x'\n\n[a.b]\nx = 1 # one\n[l.m]\nz = 0x1F\n[a.c]\ny = [\n 1,\n 2]\n[d]\ne.f = 1\n",
            "# nothing\n\n[a.b]\nx.y = 1\n[[a.b.z]]\nk = 1\n[[a.b.z]]\nk = 2\n[a.d.e]\n[b.c] # last\r\nx = 8.20\n",
        ] {
            assert!(in_parts(text).is_some(), "{text}");
            assert_eq!(in_parts(text), whole(text), "{text}");
        }
    }

    #[test]
    fn real_inventories_are_the_sum_of_their_parts() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inventories");
        let (mut summed, mut all) = (0, 0);
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|end| end == "toml") {
                let text = std::fs::read_to_string(path).unwrap();
                let sum = in_parts(&text);
                assert!(sum.is_none() || sum == whole(&text));
                summed += usize::from(sum.is_some());
                all += 1;
            }
        }
        assert!(summed * 4 > all && all > 20, "{summed} of {all}");
    }

    #[test]
    fn what_only_the_whole_shows_is_left_to_it() {
        for (text, is_toml) in [
            // Given twice.
            ("[a.b]\nx = 1\n[c.d]\n[a.b]\ny = 1\n", false),
            ("[a.b]\nx = 1\n[a.c]\n[a.b.d]\ny = 1\n[a.e]\n", true),
            ("[a]\nb.c = 1\n[a.d]\n[a.b]\n", false),
            ("[a]\n[a.b]\nx = 1\n[a]\n", false),
            ("[a]\n[a.b]\nx = 1\n", true),
            ("[a.b]\nx = 1\n[c.d]\n[a]\ny = 1\n", true),
            ("a.b = 1\n[a.c]\n", true),
            ("a = { b = 1 }\n[a.c]\n", false),
            ("[[a]]\nb = 1\n[a.c]\nd = 1\n", true),
            // No headers at all.
            ("x = '''\n[a.b]\n'''\n", true),
            ("x = [\n[a.b]\n]\n", false),
            ("x = \"\"\"\n[a.b]\nz = 1\n[c.d]\n\"\"\"\n", true),
            // Faults.
            ("[a.b]\nx = \n[c.d]\n", false),
            ("[a.b]\nx = 99999999999999999999\n[c.d]\n", false),
        ] {
            assert_eq!(in_parts(text), None, "{text}");
            assert_eq!(whole(text).is_some(), is_toml, "{text}");
        }
    }

    #[test]
    fn a_long_file_is_read_as_its_parts_are() {
        let service =
            |n: usize| format!("[services.service-{n}]\nports.http = 80\nenv = {{ N = \"{n}\" }}\n\n");
        let text: String = (0..4000).map(service).collect();
        assert!(text.len() > 3 * super::LENGTH);
        assert_eq!(super::read(&text, FileId::default()).map(|node| node.value), in_parts(&text));
        let again = text + "[services.service-0]\n";
        assert!(super::read(&again, FileId::default()).is_none() && whole(&again).is_none());
    }
}
