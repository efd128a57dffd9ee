//! Which template is rendered for what: each route of the folder, for each thing that its path loops over.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::{Environment, Model};
use crate::render::counted;
use crate::source::{FileId, Span};
use crate::template::{BadPath, Route, TEMPLATE_LIMIT, TEMPLATE_PATH, TemplateSet};
use crate::tree::{TreePath, can_be_signed};

/// The most renders of a run: so many templates as there may be, for so many services, would fill any memory.
const JOB_LIMIT: usize = 1_000_000;

/// One template, to be rendered once.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// The template's path.
    pub template: &'a str,
    /// Its file, for findings.
    pub file: FileId,
    /// Where its output goes.
    pub place: Place,
    /// What it is for.
    pub aim: Aim,
}

impl Deref for Job<'_> {
    type Target = Aim;
    fn deref(&self) -> &Aim {
        &self.aim
    }
}

impl Job<'_> {
    /// Whether its objects go where an overlay's kustomization sets the namespace.
    pub fn in_overlay(&self) -> bool {
        matches!(self.place, Place::Layered(_))
            || self.stack.is_some() && matches!(layer_of(self.template), Some((_, "overlays")))
    }
}

/// What a template is rendered for.
#[derive(Clone, Copy, Debug)]
pub struct Aim {
    /// The environment; `None` is the defaults.
    pub environment: Option<usize>,
    /// Whether an environment, or the defaults, are meant at all.
    pub scoped: bool,
    /// Index of the stack in the environment.
    pub stack: Option<usize>,
    /// What else the path names.
    pub thing: Option<Thing>,
}

/// One of those that a template is rendered for, each in turn: by its index in the stack, or among charts or nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    Service(usize),
    Secret(usize),
    Claim(usize),
    Chart(usize),
    Node(usize),
}

/// Where the output of a job goes. There are thousands, so it is one text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// To one file.
    Plain(TreePath),
    /// To this file of a base, and what an environment has otherwise to its overlay.
    Layered(TreePath),
}

impl Place {
    /// The folder above `base` and `overlays`, and the file's name in them.
    pub fn layer(&self) -> Option<(&str, &str)> {
        match self {
            Self::Plain(_) => None,
            Self::Layered(path) => in_base(path.as_str()),
        }
    }
}

impl Aim {
    /// The environment, or the defaults.
    pub fn environment<'m>(&self, model: &'m Model) -> &'m Environment {
        self.environment.map_or(&model.base, |at| &model.environments[at])
    }

    /// The stack, if the path names one.
    pub fn stack<'m>(&self, model: &'m Model) -> Option<&'m Stack> {
        self.stack.map(|at| &self.environment(model).stacks[at])
    }

    /// The service, if the path names one.
    pub fn service<'m>(&self, model: &'m Model) -> Option<&'m Service> {
        Some(&self.stack(model)?.services[self.service_at()?])
    }

    /// The index of the service in its stack, if the path names one.
    pub fn service_at(&self) -> Option<usize> {
        match self.thing {
            Some(Thing::Service(at)) => Some(at),
            _ => None,
        }
    }

    /// What it is rendered for, in words for messages.
    pub fn what_for(&self, model: &Model) -> String {
        let environment = match self.environment {
            Some(at) => format!("environment `{}`", model.environments[at].name),
            None => String::new(),
        };
        if let Some(service) = self.service(model) {
            return format!("service `{}`{}", service.key, within(&environment));
        }
        if let Some(stack) = self.stack(model) {
            return format!("stack `{}`{}", stack.name, within(&environment));
        }
        match self.thing {
            Some(Thing::Chart(chart)) => format!("chart `{}`", model.charts[chart].name),
            Some(Thing::Node(node)) => format!("node `{}`", model.nodes[node].name),
            _ if self.environment.is_some() => environment,
            _ => "the cluster".to_owned(),
        }
    }
}

fn within(environment: &str) -> String {
    if environment.is_empty() { String::new() } else { format!(" in {environment}") }
}

/// The folder of a stack that a template stands in, and whether that is `base` or `overlays`.
fn layer_of(template: &str) -> Option<(&str, &str)> {
    let mut parts = template.strip_prefix("apps/")?.split('/');
    let (stack, layer) = (parts.next()?, parts.next()?);
    parts.next()?;
    ["base", "overlays"].contains(&layer).then_some((stack, layer))
}

/// What stands for the environment in the path of a template under `overlays`.
fn overlay_of(template: &str) -> Option<&str> {
    let mut parts = template.strip_prefix("apps/")?.split('/');
    let (layer, environment) = (parts.nth(1)?, parts.next()?);
    parts.next()?;
    (layer == "overlays").then_some(environment)
}

/// The service's name in a file that is named for one.
fn service_in(template: &str) -> Option<&str> {
    template.rsplit('/').next()?.split('.').next()
}

/// Every job, in the order of the template folder.
pub fn jobs<'a>(model: &Model, set: &'a TemplateSet, diagnostics: &mut Diagnostics) -> Vec<Job<'a>> {
    let (mut jobs, mut found) = (Vec::new(), Vec::new());
    for route in set.routes() {
        let Some(template) = set.get(route.template()) else { continue };
        let mut expansion = Expansion {
            model,
            route,
            file: template.file,
            variables: route.variables(),
            jobs: &mut jobs,
            found: &mut found,
        };
        expansion.expand();
    }
    if jobs.len() >= JOB_LIMIT {
        // The last one is of the template that was too many.
        let file = jobs.pop().map(|job| job.file).unwrap_or_default();
        jobs.clear();
        let message = format!("the templates are to be rendered more than the limit of {JOB_LIMIT} times");
        let help = "have fewer templates for each service, or split the inventory in two";
        diagnostics.push(TEMPLATE_LIMIT.at(Span::new(file, 0..0), "", message).help(help));
    }
    diagnostics.extend(counted(found));
    // What is written for one stack or service stands for it in place of what is written for all.
    let own = |job: &Job<'_>| layer_of(job.template).is_some_and(|(stack, _)| !stack.contains('{'));
    let goal = |job: &Job<'_>| (job.place.clone(), job.environment);
    let taken: BTreeSet<(Place, Option<usize>)> = jobs.iter().filter(|job| own(job)).map(goal).collect();
    if !taken.is_empty() {
        jobs.retain(|job| own(job) || !taken.contains(&goal(job)));
    }
    jobs.shrink_to_fit();
    jobs
}

struct Expansion<'x, 'a> {
    model: &'x Model,
    route: &'a Route,
    file: FileId,
    variables: BTreeSet<&'static str>,
    jobs: &'x mut Vec<Job<'a>>,
    found: &'x mut Vec<Diagnostic>,
}

impl<'a> Expansion<'_, 'a> {
    fn expand(&mut self) {
        let named = self.named();
        let layer = layer_of(self.route.template());
        let layered =
            layer.is_some_and(|(stack, layer)| layer == "base" && (stack == "{stack}" || named.is_some()));
        let of_stacks = named.is_some()
            || ["stack", "service", "secret", "claim"].iter().any(|name| self.variables.contains(name));
        if named.is_some_and(|name| !(self.knows_stack(name) && self.may_be_in(name))) {
            return;
        }
        for environment in self.environments(layered) {
            let scoped = layered || of_stacks || environment.is_some();
            let aim = Aim { environment, scoped, stack: None, thing: None };
            if of_stacks { self.stacks(aim, layered) } else { self.clusters(aim) }
        }
    }

    /// The environments that the template is rendered for, `None` for the defaults.
    fn environments(&mut self, layered: bool) -> Vec<Option<usize>> {
        let all = (0..self.model.environments.len()).map(Some);
        match overlay_of(self.route.template()) {
            Some(name) if name != "{environment}" => {
                self.environment_named(name).into_iter().map(Some).collect()
            }
            _ if self.variables.contains("environment") => all.collect(),
            _ if layered => std::iter::once(None).chain(all).collect(),
            _ => vec![None],
        }
    }

    /// The environment of this name; reported if there is none.
    fn environment_named(&mut self, name: &str) -> Option<usize> {
        let mut names = self.model.environments.iter().map(|environment| environment.name.as_str());
        let found = names.clone().position(|known| known == name);
        if found.is_none() {
            let help = match nearest(name, &mut names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write `{environment}` for each of them".to_owned(),
            };
            self.report(&format!("is for environment `{name}`, which there is not"), help);
        }
        found
    }

    fn report(&mut self, what: &str, help: String) {
        let message = format!("template `{}` {what}", self.route.template());
        self.found.push(TEMPLATE_PATH.at(Span::new(self.file, 0..0), "", message).help(help));
    }

    /// The one stack whose folder the template lies in.
    fn named(&self) -> Option<&'a str> {
        let (stack, _) = layer_of(self.route.template())?;
        (!stack.contains('{')).then_some(stack)
    }

    /// Whether any environment has a stack of this name; reported if none has.
    fn knows_stack(&mut self, name: &str) -> bool {
        let model = self.model;
        let names = || stacks(model).map(|stack| stack.name.as_str());
        if names().any(|known| known == name) {
            return true;
        }
        let help = match nearest(name, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "write `{stack}` for each of them".to_owned(),
        };
        self.report(&format!("is for stack `{name}`, which there is not"), help);
        false
    }

    /// Whether a file of this name may lie in a stack's own folder; reported if it is named for another stack's
    /// service.
    fn may_be_in(&mut self, stack: &str) -> bool {
        let (template, model) = (self.route.template(), self.model);
        let Some(name) = service_in(template).filter(|name| !is_service(model, Some(stack), name)) else {
            return true;
        };
        let Some(home) = stacks(model).find(|home| has_service(home, name)) else { return true };
        let what = format!(
            "lies with stack `{stack}` and is named for service `{name}`, which is of stack `{}`",
            home.name
        );
        self.report(&what, format!("put it under `apps/{}/`, or give the file another name", home.name));
        false
    }

    fn stacks(&mut self, aim: Aim, layered: bool) {
        let (named, template) = (self.named(), self.route.template());
        // In a stack's own folder, a file named for a service is about that one.
        let model = self.model;
        let service = named.and(service_in(template)).filter(|name| is_service(model, named, name));
        for (at, stack) in aim.environment(model).stacks.iter().enumerate() {
            if named.is_some_and(|name| name != stack.name) {
                continue;
            }
            let aim = Aim { stack: Some(at), ..aim };
            if let Some(name) = service {
                let at = stack.services.iter().position(|service| service.key == name);
                self.each(aim, at, Thing::Service, layered);
            } else if self.variables.contains("service") {
                self.each(aim, 0..stack.services.len(), Thing::Service, layered);
            } else if self.variables.contains("secret") {
                self.each(aim, 0..stack.secrets.len(), Thing::Secret, layered);
            } else if self.variables.contains("claim") {
                self.each(aim, 0..stack.claims.len(), Thing::Claim, layered);
            } else {
                self.push(aim, layered);
            }
        }
    }

    fn clusters(&mut self, aim: Aim) {
        if self.variables.contains("chart") {
            self.each(aim, 0..self.model.charts.len(), Thing::Chart, false);
        } else if self.variables.contains("node") {
            self.each(aim, 0..self.model.nodes.len(), Thing::Node, false);
        } else {
            self.push(aim, false);
        }
    }

    fn each(
        &mut self,
        aim: Aim,
        all: impl IntoIterator<Item = usize>,
        thing: fn(usize) -> Thing,
        layered: bool,
    ) {
        for at in all {
            self.push(Aim { thing: Some(thing(at)), ..aim }, layered);
        }
    }

    fn push(&mut self, aim: Aim, layered: bool) {
        if self.jobs.len() >= JOB_LIMIT {
            return;
        }
        let template = self.route.template();
        let path = self.route.expand(&values(aim, self.model));
        let path = match path.and_then(|path| tree_path(&path)) {
            Ok(path) => path,
            Err(bad) => {
                let what_for = aim.what_for(self.model);
                let message = format!("template `{template}` leads to no file for {what_for}: {bad}");
                let mut diagnostic = TEMPLATE_PATH.at(Span::new(self.file, 0..0), "", message);
                diagnostic.help = bad.help;
                return self.found.push(diagnostic);
            }
        };
        let place = match layered && in_base(path.as_str()).is_some() {
            true => Place::Layered(path),
            false => Place::Plain(path),
        };
        self.jobs.push(Job { template, file: self.file, place, aim });
    }
}

/// The folder of a stack and a file of its base: `apps/STACK` and what stands behind `base/`. A stack may be called
/// `base`, too.
fn in_base(path: &str) -> Option<(&str, &str)> {
    let stack = path.find('/')? + 1;
    let end = stack + path[stack..].find('/')?;
    Some((&path[..end], path[end..].strip_prefix("/base/")?))
}

/// A place in the tree for a file that bayplan knows again.
fn tree_path(path: &str) -> Result<TreePath, BadPath> {
    let path = TreePath::parse(path).map_err(|bad| BadPath { message: bad.to_string(), help: None })?;
    if can_be_signed(&path) {
        return Ok(path);
    }
    let message = format!("`{}` can hold no comment, and bayplan knows its own files by one", path.name());
    let help = "put it into a ConfigMap, or write a format that has comments, such as YAML".to_owned();
    Err(BadPath { message, help: Some(help) })
}

/// The stacks of the defaults and of all environments.
fn stacks(model: &Model) -> impl Iterator<Item = &Stack> {
    std::iter::once(&model.base).chain(&model.environments).flat_map(|environment| &environment.stacks)
}

fn has_service(stack: &Stack, name: &str) -> bool {
    stack.services.iter().any(|service| service.key == name)
}

/// Whether a stack has a service of this name in any environment.
fn is_service(model: &Model, stack: Option<&str>, name: &str) -> bool {
    stacks(model).any(|own| Some(own.name.as_str()) == stack && has_service(own, name))
}

/// What the names in braces stand for.
fn values(aim: Aim, model: &Model) -> BTreeMap<&'static str, &str> {
    let mut values = BTreeMap::new();
    if let Some(environment) = aim.environment {
        values.insert("environment", model.environments[environment].name.as_str());
    }
    let stack = aim.stack(model);
    if let Some(stack) = stack {
        values.insert("stack", stack.name.as_str());
    }
    let named = match (aim.thing, stack) {
        (Some(Thing::Service(at)), Some(stack)) => Some(("service", &stack.services[at].key)),
        (Some(Thing::Secret(at)), Some(stack)) => Some(("secret", &stack.secrets[at].key)),
        (Some(Thing::Claim(at)), Some(stack)) => Some(("claim", &stack.claims[at].name)),
        (Some(Thing::Chart(at)), _) => Some(("chart", &model.charts[at].name)),
        (Some(Thing::Node(at)), _) => Some(("node", &model.nodes[at].name)),
        _ => None,
    };
    values.extend(named.map(|(name, value)| (name, value.as_str())));
    values
}
