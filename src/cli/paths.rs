//! Paths as Git and what shows its repositories name them.

use std::path::{Component, Path, PathBuf};

/// A path from the top of the repository that it lies in, with slashes and without dots; as it was typed where there
/// is none.
pub fn from_top(path: &Path) -> String {
    let typed = || shown(&without_dots(path));
    let Ok(whole) = std::path::absolute(path).map(|path| without_dots(&path)) else { return typed() };
    let top = whole.ancestors().skip(1).find(|folder| folder.join(".git").exists());
    top.and_then(|top| whole.strip_prefix(top).ok()).map_or_else(typed, shown)
}

/// The same path without `.`, and without `..` where something stands before it. What bayplan reads and writes lies
/// behind no symbolic link.
fn without_dots(path: &Path) -> PathBuf {
    let mut bare = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => match bare.components().next_back() {
                Some(Component::Normal(_)) => {
                    bare.pop();
                }
                Some(Component::RootDir) => {}
                _ => bare.push(part),
            },
            part => bare.push(part),
        }
    }
    bare
}

fn shown(path: &Path) -> String {
    let path = path.display().to_string();
    if cfg!(windows) { path.replace('\\', "/") } else { path }
}

#[cfg(test)]
mod tests {
    use super::{from_top, without_dots};
    use std::path::Path;

    #[test]
    fn dots_go_where_they_lead_nowhere_else() {
        let bare = |path| without_dots(Path::new(path)).display().to_string();
        assert_eq!(bare("./a/./b/../c.toml"), "a/c.toml");
        assert_eq!(bare("../a.toml"), "../a.toml");
        assert_eq!(bare("/a/../../b"), "/b");
        assert_eq!(bare("../../a"), "../../a");
    }

    #[test]
    fn a_repository_has_its_own_top() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("clusters/home");
        std::fs::create_dir_all(&inner).unwrap();
        let named = || from_top(&inner.join("../home/inventory.toml"));
        assert!(named().ends_with("clusters/home/inventory.toml"), "{}", named());
        std::fs::create_dir(dir.path().join(".git")).unwrap();
        assert_eq!(named(), "clusters/home/inventory.toml");
    }
}
