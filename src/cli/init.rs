//! `bayplan init`: what a repository needs to begin with.

use std::path::Path;

use anyhow::{Context, Result};
use bayplan::inventory::schema::inventory_schema;
use bayplan::tree::TreePath;

use super::inputs::NAMES;
use super::{Exit, print, say};
use crate::disk::write_new;

const INVENTORY: &str = "inventory.toml";

/// Writes the files that are not there yet, and says of each what became of it.
///
/// # Errors
///
/// If a file cannot be written, or a symbolic link is on the way.
pub fn run(folder: &Path, quiet: bool) -> Result<Exit> {
    let first = NAMES.iter().find(|name| folder.join(name).exists());
    let other = first.filter(|name| **name != INVENTORY);
    let mut lines = String::new();
    let mut line = |name: &str, what: &str| {
        lines.push_str(&format!("{what:<6}{}\n", folder.join(name).display()));
    };
    for (name, text) in files(other.copied()) {
        // A second inventory would hide the one that is there.
        if let Some(other) = other.filter(|_| name == INVENTORY) {
            line(other, "kept");
            continue;
        }
        let path = TreePath::parse(name).with_context(|| format!("cannot write `{name}`"))?;
        line(name, if write_new(folder, &path, &text)? { "wrote" } else { "kept" });
    }
    print(&lines)?;
    say(quiet, "put your own cluster into the inventory, then: bayplan check, bayplan render");
    Ok(Exit::Clean)
}

/// Every file, by its path in the folder. `inventory` is the one that is there, if it has another name than ours.
fn files(inventory: Option<&str>) -> [(&'static str, String); 7] {
    let mut workflow =
        include_str!("init/workflow.yml").replace("vVERSION", concat!("v", env!("CARGO_PKG_VERSION")));
    if let Some(name) = inventory {
        workflow.push_str(&format!("        with:\n          inventory: {name}\n"));
    }
    [
        (INVENTORY, include_str!("init/inventory.toml").to_owned()),
        ("inventory.schema.json", format!("{:#}\n", inventory_schema())),
        (".gitignore", include_str!("init/gitignore").to_owned()),
        (".yamllint", include_str!("init/yamllint").to_owned()),
        (".pre-commit-config.yaml", include_str!("init/pre-commit.yaml").to_owned()),
        (".github/workflows/bayplan.yml", workflow),
        ("renovate.json5", include_str!("init/renovate.json5").to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use bayplan::{Inputs, compile};

    use super::{INVENTORY, files, run};
    use crate::cli::Exit;

    #[test]
    fn the_starter_is_clean_and_renders() {
        let (_, text) = files(None).into_iter().find(|(name, _)| *name == INVENTORY).unwrap();
        let outcome = compile(&mut Inputs::new(INVENTORY, &text));
        assert!(outcome.diagnostics.is_empty(), "{:?}", outcome.diagnostics);
        assert!(outcome.value.is_some());
    }

    /// What is commented out is as good as what is not.
    #[test]
    fn the_starters_suggestions_parse() {
        let (_, text) = files(None).into_iter().find(|(name, _)| *name == INVENTORY).unwrap();
        let keys = |line: &str| {
            line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
        };
        let suggested: Vec<&str> = text
            .lines()
            .map(|line| line.strip_prefix("# ").filter(|rest| keys(rest)).unwrap_or(line))
            .collect();
        let found = bayplan::check(&Inputs::new(INVENTORY, &suggested.join("\n"))).diagnostics;
        let rules: Vec<&str> = found.iter().map(|found| found.code.name).collect();
        assert_eq!(rules, ["unused-allow"], "{found:?}");
    }

    #[test]
    fn what_is_there_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".gitignore"), "mine").unwrap();
        fs::write(folder.path().join("inventory.yaml"), "{}").unwrap();
        assert_eq!(run(folder.path(), true).unwrap(), Exit::Clean);
        assert_eq!(run(folder.path(), true).unwrap(), Exit::Clean);
        assert_eq!(fs::read_to_string(folder.path().join(".gitignore")).unwrap(), "mine");
        assert!(!folder.path().join(INVENTORY).exists());
        let workflow = fs::read_to_string(folder.path().join(".github/workflows/bayplan.yml")).unwrap();
        assert!(workflow.ends_with("        with:\n          inventory: inventory.yaml\n"), "{workflow}");
    }

    #[cfg(unix)]
    #[test]
    fn no_link_leads_out_of_the_folder() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(elsewhere.path(), folder.path().join(".github")).unwrap();
        let target = elsewhere.path().join("inventory.toml");
        std::os::unix::fs::symlink(&target, folder.path().join(INVENTORY)).unwrap();
        assert!(run(folder.path(), true).is_err());
        assert!(!target.exists() && fs::read_dir(elsewhere.path()).unwrap().next().is_none());
    }
}
