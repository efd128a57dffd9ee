//! Every code of every floor, for `allow`, the manual and the reports.

use std::sync::LazyLock;

use crate::diagnostic::Code;
use crate::{check, inventory, model, render, template, tree};

/// All codes, by name.
pub fn codes() -> &'static [&'static Code] {
    static CODES: LazyLock<Vec<&'static Code>> = LazyLock::new(|| {
        let mut codes: Vec<&'static Code> =
            [inventory::CODES, model::CODES, render::CODES, template::CODES, tree::CODES].concat();
        codes.extend(check::codes());
        codes.sort_by_key(|code| code.name);
        codes
    });
    &CODES
}

#[cfg(test)]
mod tests {
    use super::codes;

    #[test]
    fn names_are_unique_and_kebab_case() {
        let names: Vec<&str> = codes().iter().map(|code| code.name).collect();
        let mut unique = names.clone();
        unique.dedup();
        assert_eq!(names, unique);
        for name in names {
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{name}");
        }
    }
}
