//! Addresses that a chart is to have, and that nothing tells it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value as Json;

use crate::check::addresses::UNUSED_ADDRESS;
use crate::diagnostic::Diagnostics;
use crate::inventory::load_balancer::Provider;
use crate::model::Model;
use crate::model::chart::Chart;
use crate::model::references::referred;
use crate::source::Spanned;

/// An entry of `addresses` only reserves: the chart asks for it by its values. Of a chart without any here, or with more
/// of them elsewhere, nobody knows; and servicelb gives every load balancer the addresses of the nodes.
pub fn unused_addresses(model: &Model, found: &mut Diagnostics) {
    let has_values = |chart: &&Chart| {
        let some = chart.values.as_object().is_some_and(|values| !values.is_empty());
        some && chart.flux.values_from.is_empty() && !model.unread.at(&["charts", &chart.name])
    };
    let charts: Vec<&Chart> =
        model.charts.iter().filter(|chart| !chart.addresses.is_empty()).filter(has_values).collect();
    if charts.is_empty() || model.load_balancer.provider == Provider::Servicelb {
        return;
    }
    let named = named(model);
    for chart in charts {
        for (name, addresses) in &chart.addresses {
            let is_named = named.contains(&(chart.name.clone(), name.clone()));
            let told = addresses.iter().any(|address| says(&chart.values, address));
            let Some(first) = addresses.first().filter(|_| !is_named && !told) else { continue };
            let message = format!(
                "`{name}` of chart `{}` is {first}, and nothing tells the chart to ask for it",
                chart.name
            );
            found.push(
                UNUSED_ADDRESS
                    .at(first.span, "named nowhere", message)
                    .about(format!("charts.{}", chart.name))
                    .help(format!(
                        "write `${{addresses.{name}}}` where its values ask for an address, or drop it here"
                    )),
            );
        }
    }
}

/// The entries that a reference names, each by its chart.
fn named(model: &Model) -> BTreeSet<(String, String)> {
    let mut named = BTreeSet::new();
    model.each_text(|written| {
        for path in referred(written.text) {
            let path: Vec<&str> = path.split('.').collect();
            match (path.as_slice(), written.path) {
                (["addresses", name, ..], ["charts", chart, ..])
                | (["charts", chart, "addresses", name, ..], _) => {
                    named.insert(((*chart).to_owned(), (*name).to_owned()));
                }
                _ => {}
            }
        }
    });
    named
}

/// Whether values have an address, by itself or within a text.
fn says(values: &Json, address: &Spanned<IpAddr>) -> bool {
    match values {
        Json::String(text) => {
            let mut parts = text.split(|c: char| !c.is_ascii_hexdigit() && !".:".contains(c));
            parts.any(|part| part.parse() == Ok(address.value)) || text.contains(&address.value.to_string())
        }
        Json::Array(items) => items.iter().any(|item| says(item, address)),
        Json::Object(map) => map.values().any(|value| says(value, address)),
        _ => false,
    }
}
