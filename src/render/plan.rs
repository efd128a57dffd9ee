//! Which template is rendered for what: each route of the folder, for each thing that its path loops over.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Diagnostics, nearest};
use crate::model::service::Service;
use crate::model::stack::Stack;
use crate::model::{Environment, Model};
use crate::source::{FileId, Span};
use crate::template::{Route, TEMPLATE_LIMIT, TEMPLATE_PATH, TemplateSet};
use crate::tree::TreePath;

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
    /// The environment; `None` is the defaults.
    pub environment: Option<usize>,
    /// Whether an environment, or the defaults, are meant at all.
    pub scoped: bool,
    /// Index of the stack in the environment.
    pub stack: Option<usize>,
    /// Index of the service in the stack.
    pub service: Option<usize>,
    /// Index of the secret in the stack.
    pub secret: Option<usize>,
    /// Index of the claim in the stack.
    pub claim: Option<usize>,
    /// Index of the chart.
    pub chart: Option<usize>,
    /// Index of the node.
    pub node: Option<usize>,
}

/// Where the output of a job goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// To one file.
    Plain(TreePath),
    /// To a base, and what differs to an overlay.
    Layered {
        /// The folder above `base` and `overlays`.
        folder: String,
        /// The file's name.
        file: String,
        /// The environment; `None` is the base itself.
        environment: Option<usize>,
    },
}

impl Job<'_> {
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
        Some(&self.stack(model)?.services[self.service?])
    }

    /// Whether its objects go where an overlay's kustomization sets the namespace.
    pub fn in_overlay(&self) -> bool {
        matches!(self.place, Place::Layered { .. })
            || self.stack.is_some() && matches!(layer_of(self.template), Some((_, "overlays")))
    }

    /// What it is rendered for, in words for messages.
    pub fn what_for(&self, model: &Model) -> String {
        let environment = match self.environment {
            Some(at) => format!(" in environment `{}`", model.environments[at].name),
            None => String::new(),
        };
        if let Some(service) = self.service(model) {
            return format!("service `{}`{environment}", service.key);
        }
        if let Some(stack) = self.stack(model) {
            return format!("stack `{}`{environment}", stack.name);
        }
        match (self.chart, self.node) {
            (Some(chart), _) => format!("chart `{}`", model.charts[chart].name),
            (_, Some(node)) => format!("node `{}`", model.nodes[node].name),
            _ if self.environment.is_some() => environment.trim_start().to_owned(),
            _ => "the cluster".to_owned(),
        }
    }
}

/// The folder of a stack that a template stands in, and whether that is `base` or `overlays`.
fn layer_of(template: &str) -> Option<(&str, &str)> {
    let mut parts = template.strip_prefix("apps/")?.split('/');
    let (stack, layer) = (parts.next()?, parts.next()?);
    parts.next()?;
    ["base", "overlays"].contains(&layer).then_some((stack, layer))
}

/// Every job, in the order of the template folder.
pub fn jobs<'a>(model: &Model, set: &'a TemplateSet, diagnostics: &mut Diagnostics) -> Vec<Job<'a>> {
    let mut jobs = Vec::new();
    for route in set.routes() {
        let Some(template) = set.get(route.template()) else { continue };
        let mut expansion = Expansion {
            model,
            route,
            file: template.file,
            variables: route.variables(),
            jobs: &mut jobs,
            found: diagnostics,
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
    // What is written for one stack or service stands for it in place of what is written for all.
    let own = |job: &Job<'_>| layer_of(job.template).is_some_and(|(stack, _)| !stack.contains('{'));
    let taken: BTreeSet<Place> = jobs.iter().filter(|job| own(job)).map(|job| job.place.clone()).collect();
    if !taken.is_empty() {
        jobs.retain(|job| own(job) || !taken.contains(&job.place));
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
    found: &'x mut Diagnostics,
}

impl<'a> Expansion<'_, 'a> {
    fn expand(&mut self) {
        let named = self.named();
        let layer = layer_of(self.route.template());
        let layered =
            layer.is_some_and(|(stack, layer)| layer == "base" && (stack == "{stack}" || named.is_some()));
        let of_stacks = named.is_some()
            || ["stack", "service", "secret", "claim"].iter().any(|name| self.variables.contains(name));
        if named.is_some_and(|name| !self.knows_stack(name)) {
            return;
        }
        let environments: Vec<Option<usize>> = match self.variables.contains("environment") {
            true => (0..self.model.environments.len()).map(Some).collect(),
            false if layered => {
                std::iter::once(None).chain((0..self.model.environments.len()).map(Some)).collect()
            }
            false => vec![None],
        };
        for environment in environments {
            let scoped = layered || of_stacks || environment.is_some();
            let job = Job {
                template: self.route.template(),
                file: self.file,
                place: Place::Layered { folder: String::new(), file: String::new(), environment },
                environment,
                scoped,
                stack: None,
                service: None,
                secret: None,
                claim: None,
                chart: None,
                node: None,
            };
            if of_stacks { self.stacks(&job, layered) } else { self.clusters(job) }
        }
    }

    /// The one stack whose folder the template lies in.
    fn named(&self) -> Option<&'a str> {
        let (stack, _) = layer_of(self.route.template())?;
        (!stack.contains('{')).then_some(stack)
    }

    /// Whether any environment has a stack of this name; reported if none has.
    fn knows_stack(&mut self, name: &str) -> bool {
        let environments = || std::iter::once(&self.model.base).chain(&self.model.environments);
        let names =
            || environments().flat_map(|environment| &environment.stacks).map(|stack| stack.name.as_str());
        if names().any(|known| known == name) {
            return true;
        }
        let message =
            format!("template `{}` is for stack `{name}`, which there is not", self.route.template());
        let diagnostic = TEMPLATE_PATH.at(Span::new(self.file, 0..0), "", message);
        let near = nearest(name, names());
        self.found.push(match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help("write `{stack}` for each of them"),
        });
        false
    }

    fn stacks(&mut self, job: &Job<'a>, layered: bool) {
        let named = self.named();
        // In a stack's own folder, a file named for a service is about that one.
        let file = job.template.rsplit('/').next().and_then(|file| file.split('.').next());
        let service = named.and(file).filter(|name| self.is_service(name));
        let model = self.model;
        for (at, stack) in job.environment(model).stacks.iter().enumerate() {
            if named.is_some_and(|name| name != stack.name) {
                continue;
            }
            let job = Job { stack: Some(at), ..job.clone() };
            if let Some(name) = service {
                let at = stack.services.iter().position(|service| service.key == name);
                at.into_iter().for_each(|at| self.push(Job { service: Some(at), ..job.clone() }, layered));
            } else if self.variables.contains("service") {
                let all = 0..stack.services.len();
                all.for_each(|at| self.push(Job { service: Some(at), ..job.clone() }, layered));
            } else if self.variables.contains("secret") {
                let all = 0..stack.secrets.len();
                all.for_each(|at| self.push(Job { secret: Some(at), ..job.clone() }, layered));
            } else if self.variables.contains("claim") {
                let all = 0..stack.claims.len();
                all.for_each(|at| self.push(Job { claim: Some(at), ..job.clone() }, layered));
            } else {
                self.push(job, layered);
            }
        }
    }

    fn is_service(&self, name: &str) -> bool {
        self.model.base.services().any(|service| service.key == name)
            || self
                .model
                .environments
                .iter()
                .any(|environment| environment.services().any(|own| own.key == name))
    }

    fn clusters(&mut self, job: Job<'a>) {
        if self.variables.contains("chart") {
            let all = 0..self.model.charts.len();
            all.for_each(|at| self.push(Job { chart: Some(at), ..job.clone() }, false));
        } else if self.variables.contains("node") {
            let all = 0..self.model.nodes.len();
            all.for_each(|at| self.push(Job { node: Some(at), ..job.clone() }, false));
        } else {
            self.push(job, false);
        }
    }

    fn push(&mut self, mut job: Job<'a>, layered: bool) {
        if self.jobs.len() >= JOB_LIMIT {
            return;
        }
        let path = self.route.expand(&values(&job, self.model)).map_err(|bad| bad.message);
        let path = path.and_then(|path| TreePath::parse(&path).map_err(|bad| bad.to_string()));
        let path = match path {
            Ok(path) => path,
            Err(reason) => {
                let what_for = job.what_for(self.model);
                let message =
                    format!("template `{}` leads to no file for {what_for}: {reason}", job.template);
                return self.found.push(TEMPLATE_PATH.at(Span::new(self.file, 0..0), "", message));
            }
        };
        job.place = match path.as_str().split_once("/base/").filter(|_| layered) {
            Some((folder, file)) => Place::Layered {
                folder: folder.to_owned(),
                file: file.to_owned(),
                environment: job.environment,
            },
            None => Place::Plain(path),
        };
        self.jobs.push(job);
    }
}

/// What the names in braces stand for.
fn values<'m>(job: &Job<'_>, model: &'m Model) -> BTreeMap<&'static str, &'m str> {
    let mut values = BTreeMap::new();
    let environment = job.environment(model);
    if job.environment.is_some() {
        values.insert("environment", environment.name.as_str());
    }
    if let Some(stack) = job.stack(model) {
        values.insert("stack", stack.name.as_str());
        if let Some(secret) = job.secret {
            values.insert("secret", stack.secrets[secret].key.as_str());
        }
        if let Some(claim) = job.claim {
            values.insert("claim", stack.claims[claim].name.as_str());
        }
    }
    if let Some(service) = job.service(model) {
        values.insert("service", service.key.as_str());
    }
    if let Some(chart) = job.chart {
        values.insert("chart", model.charts[chart].name.as_str());
    }
    if let Some(node) = job.node {
        values.insert("node", model.nodes[node].name.as_str());
    }
    values
}
