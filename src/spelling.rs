//! Which word was meant.

/// For so many wrong names of one file or object it is guessed what was meant: a stranger's may be long.
pub const MOST_GUESSES: usize = 100;

/// Nobody mistypes longer names, in bytes.
const LONGEST: usize = 256;

/// The name of `known` nearest to `name`, if one is near enough to be meant.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match name.chars().count() {
        0..=3 => 1,
        4..=7 => 2,
        _ => 3,
    };
    if name.len() > LONGEST {
        return None;
    }
    // A character has four bytes at most.
    let is_near = |candidate: &&str| candidate.len().abs_diff(name.len()) <= 4 * limit;
    known
        .into_iter()
        .filter(is_near)
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// At most so many names are listed.
const MOST_LISTED: usize = 12;

/// Names for a message, the first of them if they are many.
pub fn listed<'a>(known: impl IntoIterator<Item = &'a str>) -> String {
    let mut known = known.into_iter();
    let mut names: Vec<&str> = known.by_ref().take(MOST_LISTED).collect();
    names.extend(known.next().map(|_| "…"));
    names.join(", ")
}
