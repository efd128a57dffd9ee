//! What Kubernetes would say to the objects that were rendered, each fault once and at its place in a template.

use std::collections::BTreeMap;

use minijinja::Value as Named;

use crate::check::objects::{Finding, findings, minor, said_place, written_place};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::Model;
use crate::object::Value;
use crate::object::path::Path;
use crate::render::MOST_PLACES;
use crate::render::Templates;
use crate::render::context::Contexts;
use crate::render::plan::{Job, Thing};
use crate::source::Span;
use crate::template::Rendition;

/// What is found in one object of one job.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The job, by number.
    pub job: usize,
    /// Which of its objects.
    pub object: usize,
    /// The object's kind.
    pub kind: String,
    /// What it is.
    pub finding: Finding,
}

/// What makes two findings the same fault: line, rule, way and help.
type Fault<'f> = (Span, &'static str, &'f Path, Option<&'f str>);

/// Judges what a job has made.
pub(super) fn judge(model: &Model, job: usize, objects: &[Value]) -> Vec<Found> {
    let minor = minor(model);
    let all = objects.iter().enumerate().flat_map(|(number, object)| {
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        let found = findings(object, minor).into_iter();
        found.map(move |finding| Found { job, object: number, kind: kind.to_owned(), finding })
    });
    all.collect()
}

/// The findings with their places. A fault that a second environment has, too, is the same fault.
pub(super) fn placed<'m>(locator: &Locator<'m>, jobs: &[Job<'m>], mut found: Vec<Found>) -> Diagnostics {
    found.sort_by_key(|one| (one.job, one.object));
    let mut first = BTreeMap::new();
    for (at, one) in found.iter().enumerate() {
        let (job, finding) = (&jobs[one.job], &one.finding);
        // What leads nowhere is told once, whatever the namespace.
        let what = finding.name.as_ref().unwrap_or(&finding.message);
        let key = (job.template, subject(job, locator.model), finding.code.name, &finding.path, what);
        first.entry(key).or_insert(at);
    }
    let mut kept: Vec<usize> = first.into_values().collect();
    kept.sort_unstable();
    let mut merged: BTreeMap<Fault<'_>, (Diagnostic, usize)> = BTreeMap::new();
    // The findings of a job follow one another.
    let mut rendition: Option<(usize, Option<Rendition<'_>>)> = None;
    for (count, at) in kept.into_iter().enumerate() {
        let one = &found[at];
        if count < MOST_PLACES && rendition.as_ref().is_none_or(|(job, _)| *job != one.job) {
            rendition = Some((one.job, locator.rendition(&jobs[one.job])));
        }
        let look = rendition.as_ref().filter(|_| count < MOST_PLACES);
        let diagnostic = locator.diagnostic(&jobs[one.job], one, look.and_then(|(_, one)| one.as_ref()));
        // One line of a template is at fault for every service in the same way.
        let finding = &one.finding;
        let key = (diagnostic.primary(), finding.code.name, &finding.path, finding.help.as_deref());
        merged
            .entry(key)
            .and_modify(|(first, more)| {
                first.subjects.extend(diagnostic.subjects.iter().cloned());
                *more += 1;
            })
            .or_insert((diagnostic, 0));
    }
    let mut diagnostics = Diagnostics::default();
    diagnostics.extend(merged.into_values().map(|(diagnostic, more)| super::with_count(diagnostic, more)));
    diagnostics
}

/// The inventory path of what a job is for, whatever the environment.
pub(super) fn subject(job: &Job<'_>, model: &Model) -> String {
    if let Some(service) = job.service(model) {
        return service.subject();
    }
    if let Some(stack) = job.stack(model) {
        return stack.subject();
    }
    match job.thing {
        Some(Thing::Chart(chart)) => format!("charts.{}", model.charts[chart].name),
        Some(Thing::Node(node)) => format!("nodes.{}", model.nodes[node].name),
        _ => "cluster".to_owned(),
    }
}

/// Looks for the places of findings.
#[derive(Clone, Copy)]
pub(super) struct Locator<'m> {
    pub(super) model: &'m Model,
    pub(super) contexts: &'m Contexts,
    pub(super) templates: Templates<'m>,
}

impl<'m> Locator<'m> {
    fn rendition(&self, job: &Job<'m>) -> Option<Rendition<'m>> {
        let context = Named::from_dyn_object(self.contexts.of(job));
        self.templates.engine.rendition(job.template, &context)
    }

    /// A finding with its place: in the template, or in the inventory if the value comes from there.
    fn diagnostic(&self, job: &Job<'_>, found: &Found, rendition: Option<&Rendition<'_>>) -> Diagnostic {
        let finding = &found.finding;
        let what_for = job.what_for(self.model);
        let subject = subject(job, self.model);
        let located = rendition.and_then(|rendition| rendition.locate(found.object, &finding.path));
        let span = located.as_ref().map_or(Span::new(job.file, 0..0), |located| located.span);
        let outside =
            located.as_ref().is_none_or(|located| located.given || located.steps < finding.path.0.len());
        let patched = self.patched(job, found);
        let written = || patched.or_else(|| self.written(job, finding)).or_else(|| self.of_middleware(found));
        let written = if outside { written() } else { None };
        let rendered = format!("rendered for {what_for}");
        let diagnostic = match written {
            Some(place) => finding.at(place, "given here").because(span, rendered),
            None => finding.at(span, rendered),
        };
        let template = located.map_or_else(|| job.template.to_owned(), |located| located.template);
        let mut diagnostic = diagnostic.about(subject).about(format!("templates/{template}"));
        diagnostic.message = format!("{}, in template `{template}`", diagnostic.message);
        diagnostic
    }

    /// The place in a service's own patch for such an object.
    fn patched(&self, job: &Job<'_>, found: &Found) -> Option<Span> {
        let (kind, finding) = (found.kind.as_str(), &found.finding);
        let service = job.service(self.model)?;
        let environment = &job.environment(self.model).name;
        let own = ["environments", environment, "services", &service.key, "patch", kind];
        written_place(self.model, &own, &finding.path)
            .or_else(|| written_place(self.model, &["services", &service.key, "patch", kind], &finding.path))
    }

    /// The place in the middleware of which each service has a copy.
    fn of_middleware(&self, found: &Found) -> Option<Span> {
        let name = found.finding.name.as_deref().filter(|_| found.kind == "Middleware")?;
        said_place(self.model, &["ingress", "middlewares"], name)
    }

    /// The place in what the job is for.
    fn written(&self, job: &Job<'_>, finding: &Finding) -> Option<Span> {
        let environment = job.environment(self.model).name.as_str();
        let subject = subject(job, self.model);
        let (table, name) = subject.split_once('.')?;
        let roots = [&["environments", environment, table, name][..], &[table, name]];
        roots.into_iter().find_map(|root| match &finding.name {
            // A table of the same name says it rather than another.
            Some(said) => {
                let mut below = finding.path.keys().map(|key| [root, [key].as_slice()].concat());
                below
                    .find_map(|root: Vec<&str>| said_place(self.model, &root, said))
                    .or_else(|| said_place(self.model, root, said))
            }
            None => written_place(self.model, root, &finding.path),
        })
    }
}
