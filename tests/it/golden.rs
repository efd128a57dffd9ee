//! Whole trees as they were when somebody last looked at them. `UPDATE=1 cargo test --test it golden` writes them
//! anew: read the difference before you commit it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bayplan::tree::sign;

use crate::inventories::{all, write};

/// The repository's own tree stands in `out/`; those of many environments would be read by nobody.
const ELSEWHERE: [&str; 2] = ["reference", "many-environments"];

#[test]
fn golden_trees_are_as_they_were() {
    let mut report = String::new();
    for sample in all().iter().filter(|sample| !ELSEWHERE.contains(&sample.name.as_str())) {
        let name = &sample.name;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        let tree = sample.tree();
        if std::env::var_os("UPDATE").is_some() {
            let _ = fs::remove_dir_all(&folder);
            write(&tree, &folder);
        }
        let mut standing: BTreeSet<String> = files(&folder, &folder).into_iter().collect();
        for (path, content) in tree.iter() {
            standing.remove(path.as_str());
            let wanted =
                fs::read_to_string(folder.join(path.as_str())).unwrap_or_default().replace("\r\n", "\n");
            let now = sign(path, tree.origin(), content);
            if wanted != now {
                let diff = similar::TextDiff::from_lines(&wanted, &now);
                report.push_str(&format!("\n{name}/{path}\n{}", diff.unified_diff()));
            }
        }
        standing.iter().for_each(|path| report.push_str(&format!("\n{name}/{path} is no longer rendered")));
    }
    assert!(report.is_empty(), "{report}\nif that is meant: UPDATE=1 cargo test --test it golden");
}

fn files(root: &Path, folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let of = |path: &PathBuf| match path.is_dir() {
        true => files(root, path),
        false => vec![path.strip_prefix(root).unwrap().to_str().unwrap().to_owned()],
    };
    paths.iter().flat_map(of).collect()
}
