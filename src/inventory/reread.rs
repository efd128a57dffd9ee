//! The tree of an inventory that need not stay in memory.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use crate::diagnostic::Diagnostics;
use crate::inventory::Form;
use crate::inventory::node::{Node, from_whole_toml, from_yaml};
use crate::source::{FileId, Source};

/// The tree of an inventory, which takes ten times the room of its text. Once the rules have run, only places of
/// findings are looked for in it: it can be let go, and is read anew for whoever asks.
#[derive(Clone, Debug)]
pub enum Reread {
    /// As it was read, with the text that says all of it, if one does.
    Kept(Arc<Node>, Option<(Source, FileId)>),
    /// As it is read anew.
    Gone(OnceLock<Node>, Source, FileId),
}

impl Reread {
    /// What is not kept any more, to be freed; none if nothing is, or if it cannot be read again.
    pub fn let_go(&mut self) -> Option<Arc<Node>> {
        let Self::Kept(tree, text) = self else { return None };
        let (source, file) = text.take()?;
        let tree = Arc::clone(tree);
        *self = Self::Gone(OnceLock::new(), source, file);
        Some(tree)
    }
}

impl Deref for Reread {
    type Target = Node;
    fn deref(&self) -> &Node {
        match self {
            Self::Kept(tree, _) => tree,
            Self::Gone(tree, source, file) => tree.get_or_init(|| read(source, *file)),
        }
    }
}

/// On this thread alone: others that ask wait for it, and while it waited for others it might be given their work.
fn read(source: &Source, file: FileId) -> Node {
    let mut found = Diagnostics::default();
    match Form::of(&source.path) {
        Form::Toml => from_whole_toml(source, file, &mut found).0,
        Form::Yaml => from_yaml(source, file, &mut found).0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Reread;
    use crate::inventory::parse;
    use crate::source::{FileId, Source};

    #[test]
    fn what_was_let_go_is_read_as_it_was() {
        let service = |at: usize| format!("[services.s{at}]\nimage = \"a/b:{at}\"\nports.http = 80\n\n");
        let toml: String = (0..500).map(service).collect();
        for (path, text) in
            [("inventory.toml", toml.as_str()), ("inventory.yaml", "cluster:\n  name: \"a\"\n")]
        {
            let (source, file) = (Source::new(path, text), FileId(7));
            let read = parse(&source, file).value.root;
            let mut tree = Reread::Kept(Arc::clone(&read), Some((source, file)));
            assert!(tree.let_go().is_some_and(|gone| Arc::ptr_eq(&gone, &read)));
            assert_eq!(*tree, *read);
        }
    }

    #[test]
    fn what_holds_more_than_its_text_stays() {
        let source = Source::new("inventory.toml", "[cluster]\nname = \"a\"\n");
        let read = parse(&source, FileId(0)).value.root;
        let mut tree = Reread::Kept(Arc::clone(&read), None);
        assert!(tree.let_go().is_none());
        assert_eq!(*tree, *read);
    }
}
