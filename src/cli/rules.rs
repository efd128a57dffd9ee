//! `bayplan rules`: what there is to find.

use anyhow::Result;
use bayplan::catalog;
use bayplan::diagnostic::Code;
use serde_json::{Value as Json, json};

use super::args::{Listing, When};
use super::{Exit, print, stdout_style};

/// Lists every rule by name.
///
/// # Errors
///
/// If the list cannot be written.
pub fn run(format: Listing, color: When) -> Result<Exit> {
    print(&match format {
        Listing::Text => table(catalog::codes(), stdout_style(color).color),
        Listing::Json => format!("{:#}\n", json!({ "version": 1, "rules": objects(catalog::codes()) })),
    })?;
    Ok(Exit::Clean)
}

fn objects(codes: &[&Code]) -> Vec<Json> {
    let object = |code: &&Code| {
        json!({
            "name": code.name,
            "level": code.level.word(),
            "family": code.family.word(),
            "summary": code.summary,
            "explain": code.explain,
        })
    };
    codes.iter().map(object).collect()
}

fn table(codes: &[&Code], color: bool) -> String {
    let bold = if color { anstyle::Style::new().bold() } else { anstyle::Style::new() };
    let width =
        |word: fn(&Code) -> &'static str| codes.iter().map(|code| word(code).len()).max().unwrap_or(0);
    let (names, families) = (width(|code| code.name), width(|code| code.family.word()));
    let line = |name: &str, level: &str, family: &str, summary: &str| {
        format!("{bold}{name:<names$}{bold:#}  {level:<7}  {family:<families$}  {summary}\n")
    };
    let rows = codes.iter().map(|code| line(code.name, code.level.word(), code.family.word(), code.summary));
    std::iter::once(line("RULE", "LEVEL", "FAMILY", "WHAT IT FINDS")).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use bayplan::catalog;

    use super::table;

    #[test]
    fn the_table_has_a_line_for_every_rule_and_straight_columns() {
        let table = table(catalog::codes(), false);
        assert_eq!(table.lines().count(), catalog::codes().len() + 1);
        let column = table.find("LEVEL").unwrap();
        for line in table.lines().skip(1) {
            assert!(line[column..].starts_with("error") || line[column..].starts_with("warning"), "{line}");
        }
    }
}
