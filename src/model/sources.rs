//! Applications of several sources: what Argo CD takes along from elsewhere.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::inventory::MISSING_KEY;
use crate::inventory::sources::{ChartArgocd, Source as Table, ValuesIn};
use crate::model::gitops::Gitops;
use crate::model::naming::one_of;
use crate::model::references::Resolver;
use crate::model::texts::optional;
use crate::model::{BAD_VALUE, CONFLICTING_KEYS};
use crate::source::{Span, Spanned};

/// One more source of an Application.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Source {
    /// As Argo CD reads it.
    pub spec: Json,
    /// The repository, as the AppProject has to allow it.
    pub repository: String,
    /// Where the inventory names it.
    #[serde(skip)]
    pub written: Spanned<String>,
    /// Whether it is a chart of a chart repository.
    #[serde(skip)]
    pub is_chart: bool,
}

/// How Argo CD installs a chart.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OfChart {
    /// The file of the tree that has its values, from the root of the repository.
    pub values_file: Option<String>,
    /// What its Application applies along with it.
    pub sources: Vec<Source>,
}

/// Lowers `charts.NAME.argocd`. A chart without values needs no file.
pub fn lower_of_chart(
    resolver: &mut Resolver<'_>,
    gitops: Option<&Gitops>,
    chart: &str,
    table: Option<&ChartArgocd>,
    values: &Json,
) -> OfChart {
    let Some(table) = table else { return OfChart::default() };
    let in_file = table.values.is_some_and(|values| values.value == ValuesIn::File);
    let some = values.as_object().is_some_and(|values| !values.is_empty());
    let file = |gitops: &Gitops| format!("{}infrastructure/values/{chart}.values", gitops.prefix);
    OfChart {
        values_file: gitops.filter(|_| in_file && some).map(file),
        sources: lower_sources(resolver, &table.sources, &format!("charts.{chart}.argocd")),
    }
}

/// Lowers the sources of one Application.
pub fn lower_sources(resolver: &mut Resolver<'_>, tables: &[Table], subject: &str) -> Vec<Source> {
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    let mut sources = Vec::new();
    for table in tables {
        let Some(source) = lower_source(resolver, table, subject) else { continue };
        let key = json!([
            &source.repository,
            &source.spec["path"],
            &source.spec["chart"],
            &source.spec["helm"]["releaseName"]
        ])
        .to_string();
        if let Some(first) = seen.insert(key, table.span) {
            let message = "the same source is given twice, and its objects would be, too";
            resolver.found.push(
                CONFLICTING_KEYS
                    .at(table.span, "and this", message)
                    .because(first, "this")
                    .about(subject)
                    .help("keep one of them"),
            );
            continue;
        }
        sources.push(source);
    }
    sources
}

fn lower_source(resolver: &mut Resolver<'_>, table: &Table, subject: &str) -> Option<Source> {
    let written = table.repository.as_ref().map(|text| resolver.text(text))?;
    let place = [
        ("path", table.path.as_ref().map(|text| text.span)),
        ("chart", table.chart.as_ref().map(|text| text.span)),
    ];
    one_of(resolver, &place, "a source", table.span, Some(subject)).then_some(())?;
    let is_chart = table.chart.is_some();
    check_keys(resolver, table, subject);
    let path = table.path.as_ref().map(|text| resolver.text(text));
    if let Some(path) = path.as_ref().filter(|path| leads_out(path)) {
        resolver.found.push(
            BAD_VALUE
                .at(
                    path.span,
                    "not a folder of the repository",
                    format!("`{path}` leads out of its repository"),
                )
                .about(subject)
                .help("write the folder from the root of the repository, such as \"deploy/base\""),
        );
    }
    let repository = match is_chart {
        // Argo CD writes an OCI registry without its scheme.
        true => written.trim_start_matches("oci://").trim_end_matches('/').to_owned(),
        false => written.value.clone(),
    };
    let revision = optional(resolver, table.revision.as_ref()).unwrap_or_else(|| "HEAD".to_owned());
    let mut spec = Map::new();
    spec.insert("repoURL".to_owned(), json!(repository));
    spec.insert("targetRevision".to_owned(), json!(revision));
    if let Some(path) = path {
        spec.insert("path".to_owned(), json!(path.value));
    }
    if let Some(chart) = optional(resolver, table.chart.as_ref()) {
        spec.insert("chart".to_owned(), json!(chart));
    }
    let parts = [("helm", helm(resolver, table)), ("directory", directory(resolver, table))];
    for (key, part) in parts.into_iter().filter(|(_, part)| !part.is_empty()) {
        spec.insert(key.to_owned(), Json::Object(part));
    }
    Some(Source { spec: Json::Object(spec), repository, written, is_chart })
}

fn helm(resolver: &mut Resolver<'_>, table: &Table) -> Map<String, Json> {
    let mut helm = Map::new();
    if let Some(release) = optional(resolver, table.release.as_ref()) {
        helm.insert("releaseName".to_owned(), json!(release));
    }
    if let Some(values) = table.values.as_ref().map(|values| resolver.value(&values.0)) {
        helm.insert("valuesObject".to_owned(), values);
    }
    helm
}

fn directory(resolver: &mut Resolver<'_>, table: &Table) -> Map<String, Json> {
    let mut directory = Map::new();
    if table.recurse.is_some_and(|flag| flag.value) {
        directory.insert("recurse".to_owned(), json!(true));
    }
    for (key, text) in [("include", &table.include), ("exclude", &table.exclude)] {
        if let Some(pattern) = optional(resolver, text.as_ref()) {
            directory.insert(key.to_owned(), json!(pattern));
        }
    }
    directory
}

/// A chart has a version and no folders; a folder of plain manifests is no chart.
fn check_keys(resolver: &mut Resolver<'_>, table: &Table, subject: &str) {
    if table.chart.is_some() && table.revision.is_none() {
        resolver.found.push(
            MISSING_KEY
                .at(table.span, "`revision` is missing here", "a chart as a source needs its version")
                .about(subject)
                .help("add `revision`: the chart's version, exactly"),
        );
    }
    let plain = [
        ("recurse", table.recurse.map(|flag| flag.span)),
        ("include", table.include.as_ref().map(|text| text.span)),
        ("exclude", table.exclude.as_ref().map(|text| text.span)),
    ];
    let of_chart = [
        ("chart", table.chart.as_ref().map(|text| text.span)),
        ("release", table.release.as_ref().map(|text| text.span)),
        ("values", table.values.as_ref().map(|values| values.0.0.span)),
    ];
    let first =
        |keys: &[(&'static str, Option<Span>)]| keys.iter().find_map(|(key, span)| Some((*key, (*span)?)));
    if let (Some((key, span)), Some((other, because))) = (first(&plain), first(&of_chart)) {
        let message = format!("`{key}` is for a folder of plain manifests, `{other}` for a chart");
        resolver.found.push(
            CONFLICTING_KEYS
                .at(span, "and this", message)
                .because(because, "this")
                .about(subject)
                .help("keep one of them"),
        );
    }
}

fn leads_out(path: &str) -> bool {
    path.starts_with('/') || path.split('/').any(|part| part == "..")
}
