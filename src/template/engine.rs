//! The engine's settings, all of them, and what comes out of it: objects, text, diagnostics.
//!
//! Undefined names are errors when printed, iterated or looked into; `{% if service.port %}` is allowed. Block
//! tags take their line's indentation and line break with them. Limits of one render: [`FUEL`] instructions,
//! [`OUTPUT_LIMIT`] bytes of text, [`RECURSION_LIMIT`], and those of `guard` and `holes`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error as _;
use std::io;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};
use serde_json::Value as Json;

use super::filters::{self, YamlText};
use super::guard::{Guarded, fault, finish, guard, meter, unclosed};
use super::holes::{Fault, FaultKind, Filler, OBJECT_LIMIT, Skeleton, has_marker, readable};
use super::total::Total;
use super::{
    TEMPLATE_ERROR, TEMPLATE_LIMIT, TEMPLATE_SYNTAX, TEMPLATE_UNDEFINED, TEMPLATE_YAML, TemplateFile,
    TemplateSet, VARIABLES,
};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Outcome, nearest};
use crate::source::{FileId, Span, is_deceptive};

/// Instructions that one render may take. A template of a hundred lines takes about a thousand.
pub const FUEL: u64 = 2_000_000;
/// What each service of the inventory adds to [`FUEL`], so that a template may list them all.
pub const FUEL_PER_SERVICE: u64 = 5_000;
/// Bytes of text that one render may put out.
pub const OUTPUT_LIMIT: usize = 8 * 1024 * 1024;
/// Nested calls: a macro counts 4, an include 10. Kept well inside a thread's 2 MiB of stack.
pub const RECURSION_LIMIT: usize = 200;
/// Skeletons that are kept parsed, and the longest text that is worth keeping.
pub(super) const CACHE_ENTRIES: usize = 512;
const CACHE_TEXT: usize = 64 * 1024;

/// What a template renders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// YAML objects: `.yaml.j2`, `.yml.j2`.
    Objects,
    /// Markdown: `.md.j2`. In values, `|`, `<`, `\` and line breaks are made harmless.
    Markdown,
    /// Any other text. Values are written as they are.
    Text,
}

impl Kind {
    /// By file name.
    pub fn of(path: &str) -> Kind {
        match path.strip_suffix(".j2").unwrap_or(path).rsplit_once('.') {
            Some((_, "yaml" | "yml")) => Kind::Objects,
            Some((_, "md")) => Kind::Markdown,
            _ => Kind::Text,
        }
    }
}

/// Templates, compiled. Renders from several threads at once.
#[derive(Debug)]
pub struct Engine {
    objects: Environment<'static>,
    markdown: Environment<'static>,
    text: Environment<'static>,
    templates: BTreeMap<String, Compiled>,
    fuel: u64,
    total: Arc<Total>,
    pub(super) skeletons: RwLock<BTreeMap<Box<str>, Arc<Skeleton>>>,
}

#[derive(Debug)]
pub(super) struct Compiled {
    file: FileId,
    source: Arc<str>,
    guarded: Guarded,
}

impl Engine {
    /// Compiles a set. Templates that cannot be read are reported and left out. `yaml` is what the filter
    /// of that name writes.
    pub fn new(set: &TemplateSet, yaml: YamlText) -> Outcome<Engine> {
        let mut diagnostics = Diagnostics::default();
        let mut base = environment();
        let total = Arc::new(Total::default());
        filters::register(&mut base, yaml, Arc::clone(&total));
        let mut templates = BTreeMap::new();
        for template in set.files() {
            match compile(&mut base, template) {
                Ok(compiled) => {
                    templates.insert(template.path.clone(), compiled);
                }
                Err(diagnostic) => diagnostics.push(*diagnostic),
            }
        }
        let with = |formatter: fn(&mut Output<'_>, &mut State<'_, '_>, &Value) -> Result<(), Error>| {
            let mut environment = base.clone();
            environment.set_formatter(formatter);
            environment
        };
        let mut value = Engine {
            objects: with(write_hole),
            markdown: with(write_markdown),
            text: with(write_text),
            templates,
            fuel: FUEL,
            total,
            skeletons: RwLock::default(),
        };
        value.expect(0);
        Outcome { value, diagnostics }
    }

    /// Says how many services there are: a template may have to list them all.
    pub fn expect(&mut self, services: usize) {
        self.fuel = FUEL + FUEL_PER_SERVICE.saturating_mul(services as u64);
        for environment in [&mut self.objects, &mut self.markdown, &mut self.text] {
            environment.set_fuel(Some(self.fuel));
        }
    }

    /// The objects that `template` renders with these names. None at all is allowed: then there is no file.
    /// `what_for` is what messages say it was for: "service `plex` in environment `staging`".
    ///
    /// # Errors
    /// One diagnostic, in a template, with a code of this room.
    pub fn objects(&self, template: &str, context: &Value, what_for: &str) -> Result<Vec<Json>, Diagnostic> {
        let render = Render { engine: self, template, context, what_for };
        let (text, holes) = render.run(&self.objects)?;
        let skeleton = self.skeleton(&text).map_err(|fault| render.in_output(&fault, &text))?;
        let filled = skeleton.fill(&holes);
        let made = filled.as_ref().map_or(OBJECT_LIMIT, |(_, size)| *size);
        self.total.make(made).map_err(|fault| render.too_much(&fault))?;
        filled.map(|(objects, _)| objects).map_err(|fault| render.in_output(&fault, &text))
    }

    /// The text that `template` renders with these names: Markdown or plain, by its file name.
    ///
    /// # Errors
    /// One diagnostic, in a template, with a code of this room.
    pub fn text(&self, template: &str, context: &Value, what_for: &str) -> Result<String, Diagnostic> {
        let environment = match Kind::of(template) {
            Kind::Markdown => &self.markdown,
            Kind::Objects | Kind::Text => &self.text,
        };
        let render = Render { engine: self, template, context, what_for };
        let (text, _) = render.run(environment)?;
        self.total.make(text.len()).map_err(|fault| render.too_much(&fault))?;
        Ok(text)
    }

    /// That all renders together were more than they may be: then what else was found depends on who was first.
    /// It is told of `file`.
    pub fn exhausted(&self, file: FileId) -> Option<Diagnostic> {
        let fault = self.total.check().err()?;
        let help = "let your own templates do and write less, or split the inventory in two";
        Some(TEMPLATE_LIMIT.at(Span::new(file, 0..0), "", fault.message).help(help))
    }

    /// The text of a template with markers, and their values.
    pub(super) fn rendered(&self, template: &str, context: &Value) -> Option<(String, Vec<Value>)> {
        Render { engine: self, template, context, what_for: "" }.run(&self.objects).ok()
    }

    /// Every template, by path.
    pub(super) fn templates(&self) -> &BTreeMap<String, Compiled> {
        &self.templates
    }

    fn skeleton(&self, text: &str) -> Result<Arc<Skeleton>, Fault> {
        let kept = self.skeletons.read().unwrap_or_else(PoisonError::into_inner).get(text).cloned();
        if let Some(skeleton) = kept {
            return Ok(skeleton);
        }
        let skeleton = Arc::new(Skeleton::parse(text)?);
        if text.len() <= CACHE_TEXT {
            let mut skeletons = self.skeletons.write().unwrap_or_else(PoisonError::into_inner);
            if skeletons.len() >= CACHE_ENTRIES {
                skeletons.clear();
            }
            skeletons.insert(text.into(), Arc::clone(&skeleton));
        }
        Ok(skeleton)
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    if let Ok(syntax) = syntax.build() {
        environment.set_syntax(syntax);
    }
    // Captured output is a safe string only where auto-escaping is on; the kind is ours.
    environment.set_auto_escape_callback(|_| AutoEscape::Custom(Cow::Borrowed("bayplan")));
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_recursion_limit(RECURSION_LIMIT);
    // Places and names of undefined values in errors need this. What else it collects is never shown.
    environment.set_debug(true);
    environment
}

fn compile(
    environment: &mut Environment<'static>,
    template: &TemplateFile,
) -> Result<Compiled, Box<Diagnostic>> {
    let syntax = |range: Range<usize>, why: &str| {
        let message = format!("template `{}` cannot be read: {why}", template.path);
        Box::new(TEMPLATE_SYNTAX.at(Span::new(template.file, range), "here", message))
    };
    let guarded = guard(&template.text).map_err(|(range, why)| syntax(range, &why))?;
    let mut compiled = Compiled { file: template.file, source: Arc::clone(&template.text), guarded };
    let text = std::mem::take(&mut compiled.guarded.text);
    let added = environment.add_template_owned(template.path.clone(), text);
    match added {
        Ok(()) => Ok(compiled),
        Err(error) => {
            let why = detail(&error);
            // Where it ends says little, and what is closed instead says less.
            let is_open = ["unexpected end of ", "unknown statement end"].iter().any(|one| why.contains(one));
            match unclosed(&compiled.source).filter(|_| is_open) {
                Some((range, name)) => Err(syntax(range, &format!("this `{name}` is never closed"))),
                None => Err(syntax(compiled.place(&error), &why)),
            }
        }
    }
}

/// Leaves a hole for each value. What is captured is text of the template's own and passes unchanged.
fn write_hole(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let meter = meter(state);
    if value.is_safe() {
        let text = value.as_str().unwrap_or_default();
        meter.write(text.len())?;
        return Ok(out.write_str(text)?);
    }
    Ok(out.write_str(meter.keep(value)?)?)
}

fn write_text(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = plain_text(state, value)?;
    Ok(out.write_str(&text)?)
}

fn write_markdown(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = plain_text(state, value)?;
    match value.is_safe() {
        true => Ok(out.write_str(&text)?),
        false => Ok(out.write_str(&markdown(&text))?),
    }
}

/// A value outside YAML: nothing for `none`, JSON for lists and maps.
fn plain_text(state: &mut State<'_, '_>, value: &Value) -> Result<String, Error> {
    let meter = meter(state);
    let text = match value.as_str() {
        Some(text) if !has_marker(text) => text.to_owned(),
        _ if value.is_undefined() || value.is_none() => String::new(),
        _ => match Filler::new(&meter.holes).json(value, 0).map_err(fault)? {
            Json::String(text) => text,
            other => other.to_string(),
        },
    };
    meter.write(text.len())?;
    Ok(text)
}

/// Text that stays in its table cell and its line, is no HTML, and hides nothing.
fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' => safe.push_str("\\|"),
            // A backslash before a bar would free the bar again.
            '\\' => safe.push_str("&#92;"),
            '<' => safe.push_str("&lt;"),
            '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => safe.push(' '),
            c if is_deceptive(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

/// Takes text up to a limit.
struct Limited {
    bytes: Vec<u8>,
    full: bool,
}

impl io::Write for &mut Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > OUTPUT_LIMIT {
            self.full = true;
            return Err(io::Error::other("full"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One template rendered once: what its messages need.
struct Render<'a> {
    engine: &'a Engine,
    template: &'a str,
    context: &'a Value,
    what_for: &'a str,
}

impl Render<'_> {
    /// The text, and the values of its holes.
    fn run(&self, environment: &Environment<'static>) -> Result<(String, Vec<Value>), Diagnostic> {
        self.engine.total.begin().map_err(|fault| self.too_much(&fault))?;
        let template = environment.get_template(self.template).map_err(|error| self.failed(&error))?;
        let mut out = Limited { bytes: Vec::with_capacity(4096), full: false };
        let captured = template.render_captured_to(self.context.clone(), &mut out);
        let mut captured = match captured {
            Ok(captured) => captured,
            Err(_) if out.full => {
                let why = "the limit of 8 MiB of output is exceeded";
                return Err(self.report(&TEMPLATE_LIMIT, self.template, 0..0, "", why));
            }
            Err(error) => return Err(self.failed(&error)),
        };
        let holes = captured.with_state_mut(finish).map_err(|fault| self.too_much(&fault))?;
        // Only whole strings were written.
        Ok((String::from_utf8(out.bytes).unwrap_or_default(), holes))
    }

    /// More than all renders together may use.
    fn too_much(&self, fault: &Fault) -> Diagnostic {
        self.report(&TEMPLATE_LIMIT, self.template, 0..0, "", &fault.message)
    }

    fn report(
        &self,
        code: &'static Code,
        template: &str,
        range: Range<usize>,
        label: &str,
        what: &str,
    ) -> Diagnostic {
        let compiled = self.engine.templates.get(template);
        let place = compiled.map(|compiled| (compiled.file, compiled.line_of(range.start)));
        let (file, line) = place.unwrap_or_default();
        let message =
            format!("{what}, in template `{template}`, line {}, rendered for {}", line.max(1), self.what_for);
        code.at(Span::new(file, range), label, message)
    }

    /// An error of the engine. The innermost one says most; those around it say how it came there.
    fn failed(&self, error: &Error) -> Diagnostic {
        let chain = chain(error);
        let inner = chain.iter().rev().find(|error| error.name().is_some()).copied().unwrap_or(error);
        let name = inner.name().unwrap_or(self.template);
        let range = self.engine.templates.get(name).map(|compiled| compiled.place(inner)).unwrap_or_default();
        let (code, label, what, help) = self.explain(chain.last().copied().unwrap_or(error));
        let mut diagnostic = self.report(code, name, range, label, &what);
        diagnostic.help = help;
        for outer in chain.iter().filter(|outer| outer.name().is_some_and(|outer| outer != name)) {
            let compiled = outer.name().and_then(|name| self.engine.templates.get(name));
            if let Some(compiled) = compiled {
                let span = Span::new(compiled.file, compiled.place(outer));
                diagnostic = diagnostic.because(span, "used here");
            }
        }
        diagnostic
    }

    fn explain(&self, error: &Error) -> (&'static Code, &'static str, String, Option<String>) {
        let ours = error.source().and_then(|source| source.downcast_ref::<Fault>());
        let text = detail(error);
        match (error.kind(), ours) {
            (_, Some(fault)) => (fault_code(fault.kind), "here", fault.message.clone(), None),
            (ErrorKind::UndefinedError, _) => {
                (&TEMPLATE_UNDEFINED, "undefined", text.clone(), self.meant(&text))
            }
            (ErrorKind::OutOfFuel, _) => {
                let what = format!("the limit of {} instructions is exceeded", self.engine.fuel);
                (&TEMPLATE_LIMIT, "stopped here", what, None)
            }
            (_, _) if text.contains("recursion limit") => {
                let what = format!("the recursion limit of {RECURSION_LIMIT} is exceeded");
                (&TEMPLATE_LIMIT, "stopped here", what, None)
            }
            // The engine's text shows the name that was asked for, which may have come from a value.
            (ErrorKind::TemplateNotFound, _) => {
                let help =
                    "names count from the templates' folder, as in `apps/{stack}/base/_pod.j2`".to_owned();
                (&TEMPLATE_ERROR, "asked for here", "no template of that name exists".to_owned(), Some(help))
            }
            (ErrorKind::UnknownFilter, _) => {
                (&TEMPLATE_ERROR, "here", text.clone(), near(&text, filters::names()))
            }
            (ErrorKind::UnknownMethod, _) => (&TEMPLATE_ERROR, "here", text.clone(), filter_for(&text)),
            (_, _) => (&TEMPLATE_ERROR, "here", text, None),
        }
    }

    /// The name that was probably meant for the first undefined part of "`a.b.c` is undefined".
    fn meant(&self, text: &str) -> Option<String> {
        let path = text.split('`').nth(1)?;
        let mut here = self.context.clone();
        for (depth, part) in path.split('.').enumerate() {
            let next = here.get_attr(part).ok()?;
            if next.is_undefined() && depth == 0 && VARIABLES.contains(&part) {
                return Some(format!("a template whose path holds `{{{part}}}` sees it"));
            }
            if next.is_undefined() {
                let names: Vec<String> =
                    here.try_iter().ok()?.filter_map(|name| name.as_str().map(str::to_owned)).collect();
                let meant = nearest(part, names.iter().map(String::as_str))?;
                return Some(format!("did you mean `{meant}`?"));
            }
            here = next;
        }
        None
    }

    /// A fault in what was rendered, shown at the template's line that says the same.
    fn in_output(&self, fault: &Fault, text: &str) -> Diagnostic {
        let line = fault.line.and_then(|line| text.lines().nth(line.saturating_sub(1))).unwrap_or_default();
        let (name, range) = self.engine.origin(self.template, line);
        let shown = readable(line);
        let what = match shown.is_empty() {
            true => fault.message.clone(),
            false => format!("{}, where it rendered `{shown}`", fault.message),
        };
        self.report(fault_code(fault.kind), name, range, "from about here", &what)
    }
}

impl Compiled {
    /// The template's text.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Its file.
    pub(super) fn file(&self) -> FileId {
        self.file
    }

    /// Where in the template's own text an error is.
    fn place(&self, error: &Error) -> Range<usize> {
        match (error.range(), error.line()) {
            (Some(range), _) if !range.is_empty() => {
                let range = self.guarded.original(range);
                range.start.min(self.source.len())..range.end.min(self.source.len())
            }
            (_, Some(line)) => self.line(line),
            _ => 0..0,
        }
    }

    fn line(&self, number: usize) -> Range<usize> {
        let mut start = 0;
        for (index, line) in self.source.split_inclusive('\n').enumerate() {
            if index + 1 == number {
                return start..start + line.trim_end().len();
            }
            start += line.len();
        }
        self.source.len()..self.source.len()
    }

    fn line_of(&self, offset: usize) -> usize {
        self.source.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
    }
}

pub(super) fn in_order(line: &str, literals: &[&str]) -> bool {
    let mut rest = line;
    literals.iter().all(|literal| match rest.find(literal) {
        Some(at) => {
            rest = &rest[at + literal.len()..];
            true
        }
        None => false,
    })
}

/// The engine's errors from the outermost to the innermost.
fn chain(error: &Error) -> Vec<&Error> {
    let mut chain = vec![error];
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(inner) = inner.downcast_ref::<Error>() {
            chain.push(inner);
        }
        source = inner.source();
    }
    chain
}

/// What the engine says, without place or variables, cut and escaped.
fn detail(error: &Error) -> String {
    let text = match error.detail() {
        Some(detail) if error.kind() == ErrorKind::UndefinedError => detail.to_owned(),
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    let text: String = text
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_debug().collect() } else { vec![c] })
        .take(240)
        .collect();
    text
}

fn fault_code(kind: FaultKind) -> &'static Code {
    match kind {
        FaultKind::Yaml => &TEMPLATE_YAML,
        FaultKind::Value => &TEMPLATE_ERROR,
        FaultKind::Undefined => &TEMPLATE_UNDEFINED,
        FaultKind::Limit => &TEMPLATE_LIMIT,
    }
}

/// A suggestion for the name in "filter NAME is unknown".
fn near(text: &str, known: impl Iterator<Item = &'static str>) -> Option<String> {
    let name = text.strip_suffix(" is unknown")?.rsplit(' ').next()?;
    nearest(name, known).map(|meant| format!("did you mean `{meant}`?"))
}

/// The filter that does what a method does in Python: "… has no method named NAME".
fn filter_for(text: &str) -> Option<String> {
    let name = text.rsplit(' ').next()?;
    match name {
        "startswith" => Some("write `is startingwith(…)`".to_owned()),
        "endswith" => Some("write `is endingwith(…)`".to_owned()),
        "keys" | "values" => Some("write `|items`: it gives keys with their values".to_owned()),
        name => filters::names().find(|filter| *filter == name).map(|filter| format!("write `|{filter}`")),
    }
}
