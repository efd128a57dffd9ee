//! Entry points of Traefik: those that its chart opens, where the inventory has the chart.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::diagnostic::{Diagnostic, Diagnostics, codes, nearest};
use crate::inventory::ingress::IngressProvider;
use crate::model::Model;
use crate::model::chart::Chart;
use crate::model::written::Written;

codes! { PortsAndNames:
    /// Traefik leaves such a route alone.
    UNKNOWN_ENTRY_POINT = ("unknown-entry-point", Warning, "an entry point that the values of Traefik's chart do not open");
}

/// The entry points that the chart has without any values.
const OF_CHART: [&str; 4] = ["metrics", "traefik", "web", "websecure"];

/// Runs the rule about entry points. Values that come from elsewhere may open any.
pub fn check(model: &Model, found: &mut Diagnostics) {
    let traefik = model.ingress.as_ref().filter(|ingress| ingress.provider == IngressProvider::Traefik);
    let chart = traefik.and_then(|ingress| model.chart(ingress.chart.as_ref()?));
    let known = |chart: &&Chart| chart.chart == "traefik" && chart.flux.values_from.is_empty();
    let Some(chart) = chart.filter(known) else { return };
    if model.unread.at(&["charts", &chart.name]) {
        return;
    }
    let opened = opened(chart);
    let values = chart.values.to_string().to_ascii_lowercase();
    let mut reports = Vec::new();
    model.each_text(|written| {
        if !names_entry_point(&written) {
            return;
        }
        let name = written.text.to_ascii_lowercase();
        // Arguments and variables open some, too.
        let by_flags =
            || ["entrypoints.", "entrypoints_"].iter().any(|flag| values.contains(&format!("{flag}{name}")));
        if name.contains("${") || opened.contains(&name) || by_flags() {
            return;
        }
        let message = format!("entry point `{}` is none that chart `{}` opens", written.text, chart.name);
        let finding = UNKNOWN_ENTRY_POINT.at(written.span, "not opened", message);
        let finding = written.subjects().into_iter().fold(finding, Diagnostic::about);
        reports.push(finding.help(match nearest(&name, opened.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("open it: `charts.{}.values.ports.{}`", chart.name, written.text),
        }));
    });
    found.extend(reports);
}

fn names_entry_point(written: &Written<'_>) -> bool {
    matches!(
        written.path,
        ["ingress", "entry-points"]
            | ["services", _, "ports", _, "entry-point"]
            | ["environments", _, "services", _, "ports", _, "entry-point"]
    )
}

/// The chart's own, less those that are taken away by a null, and those of the values.
fn opened(chart: &Chart) -> BTreeSet<String> {
    let mut opened: BTreeSet<String> = OF_CHART.iter().map(|name| (*name).to_owned()).collect();
    for (name, port) in chart.values.get("ports").and_then(Json::as_object).into_iter().flatten() {
        match port.is_null() {
            true => opened.remove(&name.to_ascii_lowercase()),
            false => opened.insert(name.to_ascii_lowercase()),
        };
    }
    opened
}
