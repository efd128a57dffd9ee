//! Where in a YAML text a value of one of its objects stands. Only findings ask.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_saphyr::Spanned;

use crate::object::Value;
use crate::object::path::{Path, Step};
use crate::object::read::options;
use crate::object::yaml::Raw;

/// A place in a text, as near to what was asked for as the text goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The bytes.
    pub range: Range<usize>,
    /// How many steps of the way the text has.
    pub steps: usize,
    /// The text of the value there, if it is a scalar.
    pub scalar: Option<String>,
}

/// The documents of a text with the places of all that is in them, empty ones left out.
pub struct Documents(Vec<Spot>);

/// A value and the bytes where it stands.
struct Spot {
    range: Range<usize>,
    value: Held,
}

enum Held {
    Nothing,
    Scalar(String),
    List(Vec<Spot>),
    /// Each with the place of its key.
    Map(BTreeMap<String, (Range<usize>, Spot)>),
}

impl Documents {
    /// Reads a text; none if it is no YAML. `name` is what a key of the text stands for.
    pub fn read(text: &str, name: &dyn Fn(String) -> String) -> Option<Self> {
        let documents: Vec<Spanned<Raw>> =
            serde_saphyr::from_multiple_with_options(text, options(text.len())).ok()?;
        let documents = documents.into_iter().filter(|raw| !matches!(raw.value, Raw::Scalar(Value::Null)));
        Some(Self(documents.map(|raw| spot(raw, text, name)).collect()))
    }

    /// Finds a value of the document with this number, in the text that was read.
    pub fn find(&self, text: &str, document: usize, path: &Path) -> Option<Place> {
        let mut here = self.0.get(document)?;
        let mut place = Place { range: here.range.clone(), steps: 0, scalar: None };
        for step in &path.0 {
            let (at, next) = match (&here.value, step) {
                (Held::Map(entries), Step::Key(key)) => {
                    let Some((at, value)) = entries.get(key) else { break };
                    (at, value)
                }
                (Held::List(items), Step::Index(index)) => {
                    let Some(item) = items.get(*index) else { break };
                    (&item.range, item)
                }
                _ => break,
            };
            place = Place { range: at.clone(), steps: place.steps + 1, scalar: None };
            here = next;
        }
        if let Held::Scalar(scalar) = &here.value {
            place.scalar = Some(scalar.clone());
            let end = here.range.end;
            let one_line = text.get(place.range.start..end).is_some_and(|piece| !piece.contains('\n'));
            if one_line {
                place.range.end = end;
            }
        }
        place.range.end = first_line(text, &place.range);
        Some(place)
    }
}

fn spot(raw: Spanned<Raw>, text: &str, name: &dyn Fn(String) -> String) -> Spot {
    let range = range(&raw, text);
    let value = match raw.value {
        Raw::Scalar(Value::Null) => Held::Nothing,
        Raw::Scalar(Value::String(scalar)) => Held::Scalar(scalar),
        Raw::Scalar(scalar) => Held::Scalar(scalar.to_string()),
        Raw::List(items) => Held::List(items.into_iter().map(|item| spot(item, text, name)).collect()),
        Raw::Map(entries) => {
            let mut spots = BTreeMap::new();
            for (key, value) in entries {
                let at = self::range(&key, text);
                // Of twins the first one counts.
                spots.entry(name(key.value)).or_insert_with(|| (at, spot(value, text, name)));
            }
            Held::Map(spots)
        }
    };
    Spot { range, value }
}

/// A range never goes over its first line.
fn first_line(text: &str, range: &Range<usize>) -> usize {
    let piece = text.get(range.clone()).unwrap_or_default();
    range.start + piece.lines().next().unwrap_or_default().trim_end().len()
}

fn range<T>(at: &Spanned<T>, text: &str) -> Range<usize> {
    let span = at.defined.span();
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(text.len());
    let start = span.byte_offset().map_or(0, number);
    let end = start.saturating_add(span.byte_len().map_or(0, number)).min(text.len());
    text.floor_char_boundary(start)..text.floor_char_boundary(end)
}

#[cfg(test)]
mod tests {
    use super::{Documents, Place};
    use crate::object::path::{Path, Step};

    fn find(text: &str, document: usize, path: &Path) -> Option<Place> {
        Documents::read(text, &|key| key)?.find(text, document, path)
    }

    const TEXT: &str = "# x\n---\n---\na: 1\n---\nkind: Pod\nspec:\n  list:\n    - name: ä\n      deep: {x: y}\n    - {name: b, more: [1, 2]}\n";

    fn at(document: usize, steps: &[&str]) -> (String, usize) {
        let step = |text: &&str| text.parse().map_or_else(|_| Step::Key((*text).to_owned()), Step::Index);
        let path = Path(steps.iter().map(step).collect());
        let place = find(TEXT, document, &path).unwrap();
        (TEXT[place.range].to_owned(), place.steps)
    }

    #[test]
    fn values_are_found() {
        assert_eq!(at(0, &["a"]), ("a: 1".to_owned(), 1));
        assert_eq!(at(1, &["spec", "list", "0", "name"]), ("name: ä".to_owned(), 4));
        assert_eq!(at(1, &["spec", "list", "0", "deep", "x"]), ("x: y".to_owned(), 5));
        assert_eq!(at(1, &["spec", "list", "1", "more", "1"]), ("2".to_owned(), 5));
        assert_eq!(at(1, &["spec", "list"]).0, "list");
    }

    #[test]
    fn what_is_not_there_is_found_as_near_as_it_goes() {
        assert_eq!(at(1, &["spec", "list", "0", "image"]).1, 3);
        assert_eq!(at(1, &["spec", "none", "x"]), ("spec".to_owned(), 1));
        assert!(find(TEXT, 7, &Path::default()).is_none());
        assert!(find("a: [", 0, &Path::default()).is_none());
    }
}
