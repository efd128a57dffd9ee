//! What Kubernetes would say to the objects that were rendered, each fault once and at its place in a template.

use std::collections::BTreeMap;

use rayon::prelude::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use crate::check::objects::{Finding, findings, minor, written_place};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::Model;
use crate::object::Value;
use crate::render::context::Contexts;
use crate::render::plan::{Job, Place};
use crate::render::{Rendered, Templates};
use crate::source::Span;

/// How many findings have their places looked for: each takes a render of its own.
const PLACES: usize = 500;

/// What is found in one object of one job.
struct Found<'m, 'j> {
    job: &'m Job<'j>,
    number: usize,
    object: &'m Value,
    finding: Finding,
}

/// Judges every object that is deployed. A fault that a second environment has, too, is the same fault.
pub(super) fn judge(
    model: &Model,
    contexts: &Contexts,
    templates: Templates<'_>,
    made: &[(Job<'_>, Rendered)],
) -> Diagnostics {
    let minor = minor(model);
    let found: Vec<Found<'_, '_>> = made
        .par_iter()
        .with_min_len(8)
        .flat_map_iter(|(job, rendered)| {
            let objects = if is_deployed(job) { rendered.objects() } else { &[] };
            objects.iter().enumerate().flat_map(move |(number, object)| {
                let found = findings(object, minor).into_iter();
                found.map(move |finding| Found { job, number, object, finding })
            })
        })
        .collect();
    placed(model, contexts, templates, found)
}

/// A base is never applied by itself.
pub(super) fn is_deployed(job: &Job<'_>) -> bool {
    !matches!(job.place, Place::Layered { environment: None, .. })
}

fn placed(
    model: &Model,
    contexts: &Contexts,
    templates: Templates<'_>,
    found: Vec<Found<'_, '_>>,
) -> Diagnostics {
    let mut first: BTreeMap<(&str, String, &Finding), usize> = BTreeMap::new();
    for (at, one) in found.iter().enumerate() {
        first.entry((one.job.template, subject(one.job, model), &one.finding)).or_insert(at);
    }
    let mut kept: Vec<usize> = first.into_values().collect();
    kept.sort_unstable();
    let mut merged: BTreeMap<(Span, &'static str, String), (Diagnostic, usize)> = BTreeMap::new();
    for (count, at) in kept.into_iter().enumerate() {
        let one = &found[at];
        let locator = Locator { model, contexts, templates, look: count < PLACES };
        let diagnostic = locator.place(one);
        // One line of a template is at fault for every service in the same way.
        let what = format!("{} {}", one.finding.path, one.finding.help.as_deref().unwrap_or_default());
        let key = (diagnostic.primary(), one.finding.code.name, what);
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
        return format!("services.{}", service.key);
    }
    if let Some(stack) = job.stack(model) {
        return format!("stacks.{}", stack.name);
    }
    match (job.chart, job.node) {
        (Some(chart), _) => format!("charts.{}", model.charts[chart].name),
        (_, Some(node)) => format!("nodes.{}", model.nodes[node].name),
        _ => "cluster".to_owned(),
    }
}

/// Looks for the places of findings.
pub(super) struct Locator<'m> {
    pub(super) model: &'m Model,
    pub(super) contexts: &'m Contexts,
    pub(super) templates: Templates<'m>,
    pub(super) look: bool,
}

impl Locator<'_> {
    fn place(&self, found: &Found<'_, '_>) -> Diagnostic {
        self.diagnostic(found.job, found.number, found.object, &found.finding)
    }

    /// A finding with its place: in the template, or in the inventory if the value comes from there.
    pub(super) fn diagnostic(
        &self,
        job: &Job<'_>,
        number: usize,
        object: &Value,
        finding: &Finding,
    ) -> Diagnostic {
        let what_for = job.what_for(self.model);
        let subject = subject(job, self.model);
        let context = self.contexts.of(job);
        let located = self
            .look
            .then(|| self.templates.engine.locate(job.template, &context, number, &finding.path))
            .flatten();
        let span = located.as_ref().map_or(Span::new(job.file, 0..0), |located| located.span);
        let outside =
            located.as_ref().is_none_or(|located| located.given || located.steps < finding.path.0.len());
        let patched = self.patched(job, object, finding);
        let written = if outside { patched.or_else(|| self.written(job, finding)) } else { None };
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
    fn patched(&self, job: &Job<'_>, object: &Value, finding: &Finding) -> Option<Span> {
        let kind = object.get("kind")?.as_str()?;
        let service = job.service(self.model)?;
        let environment = &job.environment(self.model).name;
        let own = ["environments", environment, "services", &service.key, "patch", kind];
        written_place(self.model, &own, &finding.path)
            .or_else(|| written_place(self.model, &["services", &service.key, "patch", kind], &finding.path))
    }

    /// The place in what the job is for.
    fn written(&self, job: &Job<'_>, finding: &Finding) -> Option<Span> {
        let environment = job.environment(self.model).name.as_str();
        let subject = subject(job, self.model);
        let (table, name) = subject.split_once('.')?;
        written_place(self.model, &["environments", environment, table, name], &finding.path)
            .or_else(|| written_place(self.model, &[table, name], &finding.path))
    }
}

impl Rendered {
    pub(super) fn objects(&self) -> &[Value] {
        match self {
            Self::Objects(objects) => objects,
            Self::Text(_) => &[],
        }
    }
}
