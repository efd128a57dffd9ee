//! What stands in the way of wanted files, as findings.

use crate::diagnostic::{Code, Diagnostic, Diagnostics, codes};
use crate::source::{Source, Sources, Span};
use crate::tree::{Plan, TreePath, Trouble, looks_signed};

codes! {
    /// A file that carries our signature was changed by a person.
    HAND_EDITED_FILE = ("hand-edited-file", Tree, Error, "a rendered file was changed by hand, so rendering would lose the change");
    /// Something that bayplan did not write stands where a file is wanted.
    PATH_TAKEN = ("path-taken", Tree, Error, "something that bayplan did not write stands where a file is to be rendered");
    /// A symbolic link stands at a wanted path or on the way to it.
    SYMLINK_IN_TREE = ("symlink-in-tree", Tree, Error, "a symbolic link stands where a file or folder is to be rendered");
    /// What is committed is not what would be rendered.
    STALE_FILE = ("stale-file", Tree, Error, "a file of the tree is not what the inventory and the templates make of it");
    /// Two wanted paths are one on a file system that ignores case.
    PATHS_DIFFER_IN_CASE_ONLY = ("paths-differ-in-case-only", Tree, Error, "two rendered paths differ only in upper and lower case: on macOS and Windows they are one");
}

impl Plan {
    /// The conflicts as findings. Adds one source for each, shown as `folder/path`: for a hand-edited file its
    /// text, with the label at the first line that differs; for anything else an empty text and an empty span,
    /// since only the path matters. Control characters in the text are for the reporter to escape.
    pub fn report(&self, folder: &str, sources: &mut Sources) -> Diagnostics {
        let mut found = Diagnostics::default();
        for (path, trouble) in &self.conflicts {
            found.push(trouble.report(path, folder, sources));
        }
        found
    }

    /// What is missing, stale or left over, each with its path.
    pub fn stale(&self) -> impl Iterator<Item = (&'static str, &TreePath)> {
        let missing = self.create.keys().map(|path| ("missing", path));
        let stale = self.change.keys().map(|path| ("stale", path));
        let left = self.remove.keys().map(|path| ("left over", path));
        missing.chain(stale).chain(left)
    }

    /// The same as findings. Adds one source for each, without text.
    pub fn report_stale(&self, folder: &str, sources: &mut Sources) -> Diagnostics {
        let mut found = Diagnostics::default();
        for (what, path) in self.stale() {
            let file = sources.add(Source::new(below(folder, path), ""));
            let finding = STALE_FILE.at(Span::new(file, 0..0), "", format!("`{path}` is {what}"));
            found.push(finding.help("run `bayplan render`, and commit what it writes"));
        }
        found
    }
}

impl Trouble {
    fn report(&self, path: &TreePath, folder: &str, sources: &mut Sources) -> Diagnostic {
        let text = if let Self::Edited { before, .. } = self { before.as_str() } else { "" };
        let file = sources.add(Source::new(below(folder, path), text));
        let span = Span::new(file, self.first_difference());
        let (code, label, message) = self.words(path);
        let finding = code.at(span, label, message).help(self.help());
        match self {
            Self::CaseTwin(other) => {
                let file = sources.add(Source::new(below(folder, other), ""));
                finding.because(Span::new(file, 0..0), "the other one")
            }
            _ => finding,
        }
    }

    fn first_difference(&self) -> std::ops::Range<usize> {
        let Self::Edited { before, after } = self else { return 0..0 };
        // The signature always differs, and says nothing: it is shown only when the file is to go.
        let is_signature = |line: &str| looks_signed(line.as_bytes());
        let wanted = after.as_deref().map(|text| text.lines().filter(|line| !is_signature(line)));
        let Some(mut wanted) = wanted else { return 0..before.lines().next().map_or(0, str::len) };
        let mut at = 0;
        for line in before.split_inclusive('\n') {
            let bare = line.trim_end_matches(['\r', '\n']);
            if !is_signature(bare) && wanted.next() != Some(bare) {
                return at..at + bare.len();
            }
            at += line.len();
        }
        at..at
    }

    fn words(&self, path: &TreePath) -> (&'static Code, &'static str, String) {
        let taken = |label, what: &str| {
            (&PATH_TAKEN, label, format!("`{path}` is to be rendered, but {what} stands there"))
        };
        match self {
            Self::Edited { after: Some(_), .. } => (
                &HAND_EDITED_FILE,
                "differs from what the inventory says from here on",
                format!("`{path}` was changed by hand since it was rendered"),
            ),
            Self::Edited { after: None, .. } => (
                &HAND_EDITED_FILE,
                "this signature no longer fits the file",
                format!("`{path}` is no longer wanted, but was changed by hand since it was rendered"),
            ),
            Self::Foreign => taken("has no bayplan signature", "a file that bayplan did not write"),
            Self::NotText => taken("not UTF-8, or too large", "a file that bayplan did not write"),
            Self::Folder => taken("a folder", "a folder"),
            Self::Special => taken("neither file nor folder", "a pipe, socket or device"),
            Self::FileOnTheWay => taken("a file", "a file where a folder is needed"),
            Self::WantedTwice => taken("wanted as a file and as a folder", "another rendered file"),
            Self::SecondKustomization => (
                &PATH_TAKEN,
                "a second kustomization",
                format!(
                    "`{path}` stands beside `kustomization.yaml`, and kustomize builds no folder with both"
                ),
            ),
            Self::Symlink => (
                &SYMLINK_IN_TREE,
                "a symbolic link",
                format!("`{path}` is a symbolic link, and bayplan writes through none"),
            ),
            Self::CaseTwin(other) => (
                &PATHS_DIFFER_IN_CASE_ONLY,
                "one of the two",
                format!("`{path}` and `{other}` differ only in upper and lower case"),
            ),
        }
    }

    fn help(&self) -> &'static str {
        match self {
            Self::Edited { after: Some(_), .. } => {
                "move the change into the inventory or a template; `--force` drops it"
            }
            Self::Edited { after: None, .. } => {
                "remove the file, or delete its first line to keep it as your own; `--force` removes it"
            }
            Self::SecondKustomization => {
                "delete it: bayplan lists the manifests of the folder itself; what else it says belongs into a folder of its own"
            }
            Self::Foreign | Self::NotText | Self::Folder | Self::Special | Self::FileOnTheWay => {
                "move it elsewhere, or delete it"
            }
            Self::Symlink => "replace the link by a real file or folder",
            Self::WantedTwice | Self::CaseTwin(_) => {
                "rename one of the two in the inventory or the templates"
            }
        }
    }
}

pub(super) fn below(folder: &str, path: &TreePath) -> String {
    match folder.trim_end_matches('/') {
        "" if folder.is_empty() => path.to_string(),
        folder => format!("{folder}/{path}"),
    }
}
