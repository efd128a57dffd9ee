//! The LAN drawn as ranges, in order: what is held, by whom, and what is free between.

use serde_json::{Value as Json, json};

use crate::address::{Range, RangeSet};
use crate::ip::{Answer, is_single, owner, word};
use crate::model::Model;
use crate::model::claims::{AddressClaim, ClaimKind};
use crate::report::visible;

/// A line of the map.
struct Line {
    range: Range,
    depth: usize,
    kind: &'static str,
    what: String,
}

/// Of many that share an address, this much is told.
const LONGEST: usize = 200;

impl Line {
    /// Adds another holder of the same address, once.
    fn more(&mut self, what: &str) {
        if self.what.ends_with(", …") || self.what.split(", ").any(|known| known == what) {
            return;
        }
        self.what.push_str(", ");
        self.what.push_str(if self.what.len() < LONGEST { what } else { "…" });
    }
}

/// Every network of the LAN, and what lies outside all of them.
pub fn map(model: &Model) -> Answer {
    let mut text = String::new();
    let mut networks = Vec::new();
    for lan in &model.network.lan {
        let lines = lines(model, lan.value);
        text.push_str(&drawn(&lan.value.to_string(), &lines));
        networks.push(described(&lan.value.to_string(), &lines));
    }
    let outside = outside(model);
    if !outside.is_empty() {
        text.push_str(&drawn("elsewhere", &outside));
        networks.push(described("elsewhere", &outside));
    }
    if text.is_empty() {
        text.push_str("the inventory names no address\n");
    }
    Answer { text, json: json!({ "version": 1, "networks": networks }) }
}

/// What is held in a network, with what is free between.
fn lines(model: &Model, lan: Range) -> Vec<Line> {
    let inside: Vec<&AddressClaim> = model
        .claims
        .iter()
        .filter(|claim| claim.kind != ClaimKind::Lan && lan.overlaps(claim.range))
        .collect();
    let mut lines = drawn_claims(model, &inside);
    let held: RangeSet = inside.iter().map(|claim| claim.range).collect();
    let whole: RangeSet = [lan].into_iter().collect();
    let free = whole.minus(&held).minus(&model.lan_ends());
    lines.extend(free.iter().map(|range| Line {
        range,
        depth: 0,
        kind: "free",
        what: format!("free: {}", range.len()),
    }));
    lines.sort_by_key(|line| (line.range.first(), line.depth, line.range));
    lines
}

/// Claims as lines: single addresses stand below the pool or DHCP range that they lie in.
fn drawn_claims(model: &Model, claims: &[&AddressClaim]) -> Vec<Line> {
    let free = model.free_in_pools();
    let ranges: RangeSet = claims.iter().filter(|claim| !is_single(claim)).map(|claim| claim.range).collect();
    let mut lines: Vec<Line> = Vec::new();
    let mut sorted: Vec<&&AddressClaim> = claims.iter().collect();
    sorted.sort_by_key(|claim| (claim.range, claim.kind, claim.span, claim.service));
    for claim in sorted {
        let depth = usize::from(is_single(claim) && ranges.contains(claim.range.first()));
        let what = what(model, claim, &free);
        match lines.last_mut() {
            // Of an address that several share, the line is one.
            Some(last) if is_single(claim) && last.range == claim.range => {
                last.more(&what);
            }
            _ => lines.push(Line { range: claim.range, depth, kind: word(claim.kind), what }),
        }
    }
    lines
}

fn what(model: &Model, claim: &AddressClaim, free: &[RangeSet]) -> String {
    match claim.kind {
        ClaimKind::Pool => {
            let pool = claim.pool.map(|at| &model.pools()[at]);
            let whole: RangeSet = [claim.range].into_iter().collect();
            let left = claim.pool.map_or(0, |at| free[at].intersect(&whole).len());
            let name = pool.map(|pool| pool.name.as_str()).unwrap_or_default();
            format!("pool `{name}`: {left} of {} free", claim.range.len())
        }
        ClaimKind::Dhcp => format!("DHCP: {}", claim.range.len()),
        ClaimKind::Pods | ClaimKind::Services => claim.owner.clone(),
        _ if claim.service.is_some() && model.environments.len() > 1 => claim.owner.clone(),
        _ => owner(model, claim),
    }
}

/// What lies in no network of the LAN.
fn outside(model: &Model) -> Vec<Line> {
    let in_lan = |claim: &AddressClaim| model.network.lan.iter().any(|lan| lan.value.overlaps(claim.range));
    let claims: Vec<&AddressClaim> =
        model.claims.iter().filter(|claim| claim.kind != ClaimKind::Lan && !in_lan(claim)).collect();
    drawn_claims(model, &claims)
}

fn span(range: Range) -> String {
    match range.is_single() {
        true => range.first().to_string(),
        false => format!("{} - {}", range.first(), range.last()),
    }
}

fn drawn(title: &str, lines: &[Line]) -> String {
    let indented = |line: &Line| format!("{}{}", "  ".repeat(line.depth + 1), span(line.range));
    let width = lines.iter().map(|line| indented(line).len()).max().unwrap_or(0);
    let row = |line: &Line| format!("{:<width$}  {}\n", indented(line), visible(&line.what));
    format!("{title}\n{}", lines.iter().map(row).collect::<String>())
}

fn described(title: &str, lines: &[Line]) -> Json {
    let line = |line: &Line| {
        json!({
            "first": line.range.first().to_string(),
            "last": line.range.last().to_string(),
            "kind": line.kind,
            "what": line.what,
        })
    };
    json!({ "network": title, "ranges": lines.iter().map(line).collect::<Vec<_>>() })
}
