//! bayplan: one typed inventory of a Kubernetes cluster, checked and rendered into a Git tree.
//!
//! The stages, in order: [`inventory`] (what the file says), [`model`] (what it means), [`check`] (what is wrong
//! with it), [`render`] (the objects of every environment), [`tree`] (the files, and how they differ from those on
//! disk). The library computes: it reads no file, prints nothing and knows no clock.

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod address;
pub mod catalog;
pub mod check;
pub mod cron;
pub mod diagnostic;
pub mod duration;
pub mod export;
pub mod inventory;
pub mod ip;
pub mod model;
pub mod object;
pub mod pattern;
pub mod progress;
pub mod quantity;
pub mod render;
pub mod report;
pub mod secret;
pub mod source;
pub mod spelling;
pub mod template;
pub mod tree;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::check::manifests::{HandWritten, Manifest, Unread, image_updates, manifests, report_unread};
use crate::check::settings::Levels;
use crate::check::{Checked, secret_files};
use crate::diagnostic::{Diagnostics, Level, Outcome};
use crate::inventory::Inventory;
use crate::inventory::files::{self, Files};
use crate::model::{Model, undeclared, values_file};
use crate::object::emit::emit;
use crate::progress::Progress;
use crate::render::Templates;
use crate::source::{BUILT_IN, FileId, Source, Sources};
use crate::template::{Engine, TemplateFile, TemplateSet};
use crate::tree::{Tree, TreePath};

/// Everything that a run depends on.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The texts that were read.
    pub sources: Sources,
    /// Which of them is the inventory.
    pub inventory: FileId,
    /// The user's own templates: path in the template folder, and file.
    pub templates: Vec<(TreePath, FileId)>,
    /// What people put into the output folder by hand.
    pub hand_written: Vec<HandWritten>,
    /// The output folder as messages show it, if it holds a tree already: before, there is no place to put a secret's
    /// file.
    pub rendered: Option<String>,
    /// Files of people in the output folder whose text is not known.
    pub unread: Vec<Unread>,
    /// The files that the inventory names: [`wanted_files`], [`Inputs::add_file`].
    pub files: Files,
    /// The file of the tree that Flux writes new images to, as it stands.
    pub image_updates: Option<FileId>,
    /// How rules count, whatever the inventory says of them.
    pub levels: Levels,
    /// Where the run counts how far it has come.
    pub progress: Arc<Progress>,
    /// The inventory, if [`Inputs::parse_ahead`] has parsed it.
    pub ahead: Option<Outcome<Inventory>>,
    /// What [`compile`] has made and nobody needs any more.
    pub kept: Kept,
}

/// What is large and of no more use. To free it takes a while: a program that ends soon may forget it.
#[derive(Clone, Default)]
pub struct Kept(Vec<Arc<dyn Any + Send + Sync>>);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({})", self.0.len())
    }
}

impl Inputs {
    /// A run on one inventory and the built-in templates. `path` is how messages name it.
    pub fn new(path: &str, text: &str) -> Self {
        let mut inputs = Self::default();
        inputs.inventory = inputs.sources.add(Source::new(path, text));
        inputs
    }

    /// Adds a file that the inventory names by this path, or why it cannot be read.
    pub fn add_file(&mut self, path: &str, read: Result<Source, String>) {
        let file = read.map(|source| (self.sources.add(source.clone()), source));
        self.files.add(path, file);
    }

    /// Parses the inventory before the run, for instance while the output folder is being read.
    pub fn parse_ahead(&mut self) {
        self.ahead = Some(self.parse());
    }

    fn parse(&self) -> Outcome<Inventory> {
        inventory::parse(self.sources.get(self.inventory), self.inventory)
    }

    fn hand_written(&self) -> impl Iterator<Item = (&HandWritten, &Source)> {
        self.hand_written.iter().map(|file| (file, self.sources.get(file.file)))
    }

    fn manifests(&self, found: &mut Diagnostics) -> Vec<Manifest> {
        report_unread(&self.unread, found);
        manifests(self.hand_written(), found)
    }

    /// The inventory's own file name.
    fn origin(&self) -> &str {
        let path = &self.sources.get(self.inventory).path;
        path.rsplit(['/', '\\']).next().unwrap_or(path)
    }
}

/// The files that the inventory names, by their paths below its folder: to be read and added.
pub fn wanted_files(inputs: &Inputs) -> Vec<String> {
    let source = inputs.sources.get(inputs.inventory);
    // Most inventories name none, and need not be read twice. An escape, or a tag of YAML, may hide the name of a key.
    if !["dashboards", "values-file", "\\", "!"].iter().any(|sign| source.text.contains(sign)) {
        return Vec::new();
    }
    let parsed = inventory::parse(source, inputs.inventory);
    inventory::files::wanted(&parsed.value.tables)
}

/// The model whatever is wrong with it, and how many errors `check` finds; none if the file is not sound.
pub fn resolved(inputs: &Inputs) -> Option<(Model, usize)> {
    let model = model(inputs).value?;
    Some((model, check(inputs).diagnostics.count(Level::Error)))
}

/// Reads the inventory, resolves it and runs every rule, those about hand-written files included. A syntax error
/// that puts the rest in doubt is all that is said.
pub fn check(inputs: &Inputs) -> Outcome<Option<Checked>> {
    let mut found = Diagnostics::default();
    let written = inputs.manifests(&mut found);
    judge(inputs, inputs.parse(), &written, found)
}

/// `found` is what hand-written files have shown.
fn judge(
    inputs: &Inputs,
    parsed: Outcome<Inventory>,
    written: &[Manifest],
    mut found: Diagnostics,
) -> Outcome<Option<Checked>> {
    let Some(model) = resolve(inputs, parsed, &mut found) else {
        return Outcome { value: None, diagnostics: found };
    };
    check::objects::hand_written(written, &model, &mut found);
    secret_files::check(&model, inputs.hand_written(), inputs.rendered.as_deref(), &mut found);
    check::check(model, found, catalog::codes(), &inputs.levels)
}

/// What the inventory means, whatever is wrong with it; none if it cannot be read at all.
pub fn model(inputs: &Inputs) -> Outcome<Option<Model>> {
    let mut diagnostics = Diagnostics::default();
    let value = resolve(inputs, inputs.parse(), &mut diagnostics);
    Outcome { value, diagnostics }
}

/// The inventory with the files that it names, as one model; none if the inventory is not sound.
fn resolve(inputs: &Inputs, parsed: Outcome<Inventory>, found: &mut Diagnostics) -> Option<Model> {
    let Outcome { value: mut inventory, diagnostics } = parsed;
    found.absorb(diagnostics);
    check::hidden::hide(&inventory.root, found);
    if !inventory.sound {
        return None;
    }
    inventory.files = inputs.files.clone();
    if !files::check(&inventory, found) || !values_file::graft(&mut inventory, found) {
        return None;
    }
    if let Some(file) = inputs.image_updates {
        inventory.image_updates = image_updates(inputs.sources.get(file), file, found);
    }
    let resolved = model::resolve(&inventory);
    drop_aside(inventory);
    found.absorb(resolved.diagnostics);
    resolved.value
}

/// What the rules say, and which manifests people have put into the output folder.
fn judged(inputs: &Inputs, ahead: Option<Outcome<Inventory>>) -> Judged {
    let mut found = Diagnostics::default();
    let manifests = inputs.manifests(&mut found);
    let parsed = ahead.unwrap_or_else(|| inputs.parse());
    (judge(inputs, parsed, &manifests, found), manifests)
}

type Judged = (Outcome<Option<Checked>>, Vec<Manifest>);

/// Checks the inventory and renders it. There is a tree only if nothing is wrong.
pub fn compile(inputs: &mut Inputs) -> Outcome<Option<Tree>> {
    let set = templates(inputs);
    let ahead = inputs.ahead.take();
    let (judged, engine) = rayon::join(|| judged(inputs, ahead), || Engine::new(&set.value, emit));
    render_checked(inputs, judged, set, engine)
}

fn render_checked(
    inputs: &mut Inputs,
    (checked, manifests): Judged,
    set: Outcome<TemplateSet>,
    engine: Outcome<Engine>,
) -> Outcome<Option<Tree>> {
    let Outcome { value: checked, mut diagnostics } = checked;
    let Outcome { value: set, diagnostics: found } = set;
    diagnostics.absorb(found);
    let Outcome { value: mut engine, diagnostics: found } = engine;
    diagnostics.absorb(found);
    engine.expect(checked.as_ref().map_or(0, |checked| checked.model().services().count()));
    let Some(mut checked) = checked.filter(|_| !diagnostics.has_errors()) else {
        return Outcome { value: None, diagnostics };
    };
    drop_aside(checked.let_go());
    let templates = Templates { set: &set, engine: &engine };
    let Outcome { value, diagnostics: found } =
        render::render(&checked, templates, &manifests, inputs.origin(), &inputs.progress);
    diagnostics.absorb(found);
    inputs.kept.0.push(Arc::new((checked, engine)));
    Outcome { value, diagnostics }
}

/// Frees what is large while the run goes on: nobody waits for it.
fn drop_aside(value: impl Send + 'static) {
    rayon::spawn(|| drop(value));
}

/// The built-in templates with the user's laid over them. Built-in ones become sources, too, so that findings can
/// point into them.
pub fn templates(inputs: &mut Inputs) -> Outcome<TemplateSet> {
    let mut builtin = Vec::with_capacity(template::builtin::BUILTIN.len());
    for (path, text) in template::builtin::BUILTIN {
        let source = Source::new(format!("{BUILT_IN}{path}"), *text);
        let text = Arc::clone(&source.text);
        builtin.push(TemplateFile { path: (*path).to_owned(), file: inputs.sources.add(source), text });
    }
    let own = own_templates(inputs).map(|(path, file)| TemplateFile {
        path: path.to_string(),
        file,
        text: Arc::clone(&inputs.sources.get(file).text),
    });
    let own = own.collect();
    TemplateSet::new(builtin, own)
}

/// The user's own templates. An ejected one that nobody has changed yet is still the built-in one.
fn own_templates(inputs: &Inputs) -> impl Iterator<Item = (&TreePath, FileId)> {
    let ejected = |path: &TreePath, file| {
        template::builtin::BUILTIN.contains(&(path.as_str(), &*inputs.sources.get(file).text))
    };
    let own = inputs.templates.iter().filter(move |(path, file)| !ejected(path, *file));
    own.map(|(path, file)| (path, *file))
}

/// Everything that is wrong. Renders only where rendering can find something: the built-in templates are known to
/// fit whatever the rules let pass, so that leaves the user's own templates, patches and manifests, and names of
/// objects that only the whole tree shows.
pub fn findings(inputs: &mut Inputs) -> Diagnostics {
    let ahead = inputs.ahead.take();
    let (checked, manifests) = judged(inputs, ahead);
    let shows = |checked: &Checked| undeclared::any(checked.model()) || patched(checked.model());
    let own = own_templates(inputs).next().is_some() || !manifests.is_empty();
    if !own && !checked.value.as_ref().is_some_and(shows) {
        drop_aside(checked.value);
        return checked.diagnostics;
    }
    let set = templates(inputs);
    let engine = Engine::new(&set.value, emit);
    render_checked(inputs, (checked, manifests), set, engine).diagnostics
}

fn patched(model: &Model) -> bool {
    let mut stacks = model.environments.iter().flat_map(|environment| &environment.stacks);
    model.services().any(|service| !service.patches.is_empty())
        || stacks.any(|stack| !stack.patches.is_empty())
}
