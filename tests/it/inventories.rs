//! The whole inventories that most tests run on: the repository's own and those of `tests/inventories/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bayplan::Inputs;
use bayplan::diagnostic::Diagnostics;
use bayplan::object::Value;
use bayplan::object::emit::emit;
use bayplan::render::{Templates, deployed};
use bayplan::report::{Format, Style, render};
use bayplan::source::Source;
use bayplan::template::Engine;
use bayplan::tree::{Tree, TreePath, sign};

/// An inventory: a short name, its file name and text.
#[derive(Clone, Debug)]
pub struct Sample {
    pub name: String,
    pub file: String,
    pub text: String,
}

impl Sample {
    pub fn new(name: &str, file: &str, text: String) -> Self {
        Self { name: name.to_owned(), file: file.to_owned(), text }
    }

    /// With the files that it names, which stand in `tests/inventories/`.
    pub fn inputs(&self) -> Inputs {
        let mut inputs = Inputs::new(&self.file, &self.text);
        for path in bayplan::wanted_files(&inputs) {
            let text = fs::read_to_string(folder().join(&path)).map_err(|error| error.to_string());
            inputs.add_file(&path, text.map(|text| Source::new(&path, text)));
        }
        inputs
    }

    /// The tree. Fails, with the report, if there is anything to object to.
    pub fn tree(&self) -> Tree {
        let mut inputs = self.inputs();
        let outcome = bayplan::compile(&mut inputs);
        let report = report(&inputs, &outcome.diagnostics);
        assert!(outcome.diagnostics.is_empty(), "{}:\n{report}", self.name);
        outcome.value.expect("no finding, so a tree")
    }

    /// The tree, whatever warnings there are.
    pub fn tree_despite_warnings(&self) -> Tree {
        let mut inputs = self.inputs();
        let outcome = bayplan::compile(&mut inputs);
        let report = report(&inputs, &outcome.diagnostics);
        outcome.value.unwrap_or_else(|| panic!("{}:\n{report}", self.name))
    }

    /// What building each folder must give.
    pub fn deployed(&self) -> BTreeMap<TreePath, Vec<Value>> {
        let mut inputs = self.inputs();
        let checked = bayplan::check(&inputs).value.expect("a clean inventory");
        let set = bayplan::templates(&mut inputs).value;
        let mut engine = Engine::new(&set, emit).value;
        engine.expect(checked.model().services().count());
        deployed(&checked, Templates { set: &set, engine: &engine }).value
    }

    /// The inventory as a tree of values.
    pub fn value(&self) -> Value {
        serde_json::to_value(toml::from_str::<toml::Table>(&self.text).unwrap()).unwrap()
    }
}

/// Findings, for a person.
pub fn report(inputs: &Inputs, found: &Diagnostics) -> String {
    render(Format::Text, found, &inputs.sources, bayplan::catalog::codes(), Style::default())
}

/// Where the inventories are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inventories")
}

/// Every inventory, sorted by name.
pub fn all() -> Vec<Sample> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventory.toml");
    let mut samples = vec![Sample::new("reference", "inventory.toml", fs::read_to_string(own).unwrap())];
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|end| end == "toml")) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        samples.push(Sample::new(name, "inventory.toml", fs::read_to_string(path).unwrap()));
    }
    samples
}

/// One inventory.
pub fn named(name: &str) -> Sample {
    all().into_iter().find(|sample| sample.name == name).expect("an inventory of this name")
}

/// Writes a tree as `render` does.
pub fn write(tree: &Tree, folder: &Path) {
    for (path, content) in tree.iter() {
        let target = folder.join(path.as_str());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, sign(path, tree.origin(), content)).unwrap();
    }
}
