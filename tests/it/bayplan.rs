//! The program in a folder of its own, for tests that tell a short story.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;

use tempfile::TempDir;

/// A folder to work in.
pub struct Desk {
    folder: TempDir,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Desk {
    /// An empty folder.
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A folder with an inventory in it.
    pub fn with(inventory: &str) -> Self {
        let desk = Self::empty();
        desk.write("inventory.toml", inventory);
        desk
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    pub fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
    }

    pub fn exists(&self, relative: &str) -> bool {
        self.path(relative).symlink_metadata().is_ok()
    }

    /// Replaces text that must be there.
    pub fn edit(&self, relative: &str, old: &str, new: &str) {
        let text = self.read(relative);
        assert!(text.contains(old), "{relative} has no `{old}`");
        self.write(relative, &text.replace(old, new));
    }

    /// The program, to be run in this folder without the caller's environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bayplan"));
        command.args(arguments).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command
    }

    /// Runs a command line.
    pub fn run(&self, line: &str) -> Said {
        Said::from(self.command(&line.split_whitespace().collect::<Vec<_>>()).output().unwrap())
    }

    /// Runs a command line that must succeed.
    pub fn ok(&self, line: &str) -> Said {
        let said = self.run(line);
        assert_eq!(said.code, Some(0), "bayplan {line}\n{}{}", said.out, said.err);
        said
    }

    /// Every file under a folder, with its content and the time of its last change.
    pub fn files(&self, relative: &str) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
        let root = self.path(relative);
        let mut found = BTreeMap::new();
        collect(&root, &root, &mut found);
        found
    }

    /// The names of every file under a folder.
    pub fn names(&self, relative: &str) -> Vec<String> {
        self.files(relative).into_keys().collect()
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Said {
    /// All of it, for messages.
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<String, (Vec<u8>, SystemTime)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.insert(name, (fs::read(&path).unwrap(), path.metadata().unwrap().modified().unwrap()));
        }
    }
}
