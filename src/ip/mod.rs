//! Who has which address, and what is free: answers to `bayplan ip`, as text and as JSON.
//!
//! Reads the model's claims, as the rules do, so it answers for an inventory that has errors, too.

mod map;

pub use map::map;

use std::borrow::Cow;
use std::net::IpAddr;

use serde_json::{Value as Json, json};

use crate::address::{Family, RangeSet, parse_host};
use crate::diagnostic::nearest;
use crate::model::Model;
use crate::model::claims::{AddressClaim, ClaimKind};
use crate::model::load_balancer::Pool;
use crate::report::visible;
use crate::source::{Sources, Span, Spanned};

/// An answer in both forms.
#[derive(Clone, Debug)]
pub struct Answer {
    /// For people.
    pub text: String,
    /// For programs.
    pub json: Json,
}

/// What a claim is for, in a word.
fn word(kind: ClaimKind) -> &'static str {
    match kind {
        ClaimKind::Lan => "lan",
        ClaimKind::Pods => "pods",
        ClaimKind::Services => "services",
        ClaimKind::Dhcp => "dhcp",
        ClaimKind::Pool => "pool",
        ClaimKind::Host => "host",
        ClaimKind::LoadBalancer => "load-balancer",
    }
}

fn is_single(claim: &AddressClaim) -> bool {
    matches!(claim.kind, ClaimKind::Host | ClaimKind::LoadBalancer)
}

fn environment<'m>(model: &'m Model, claim: &AddressClaim) -> Option<&'m str> {
    let place = claim.service?;
    Some(model.environments[place.environment].name.as_str())
}

/// By whom, without the environment.
fn owner(model: &Model, claim: &AddressClaim) -> String {
    match claim.service {
        Some(place) => format!("service `{}`", model.service_at(place).key),
        None => claim.owner.clone(),
    }
}

/// The name of the pool that an address lies in.
fn pool_of(model: &Model, address: IpAddr) -> Option<&str> {
    model.pool_of(address).map(|pool| pool.name.as_str())
}

fn place(sources: &Sources, span: Span) -> (String, usize, usize) {
    let source = sources.get(span.file);
    let position = source.position(span.start);
    (source.path.clone(), position.line, position.column)
}

fn described(model: &Model, sources: &Sources, claim: &AddressClaim) -> Json {
    let (file, line, column) = place(sources, claim.span);
    let single = is_single(claim);
    json!({
        "address": claim.range.to_string(),
        "kind": word(claim.kind),
        "owner": owner(model, claim),
        "subject": claim.subject,
        "environment": environment(model, claim),
        "pool": single.then(|| pool_of(model, claim.range.first())).flatten(),
        "place": { "file": file, "line": line, "column": column },
    })
}

/// Columns as wide as what stands in them. Names may be anything that TOML takes.
fn table(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<Cow<'_, str>>> =
        rows.iter().map(|row| row.iter().map(|cell| visible(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Every address that somebody has, in order.
pub fn list(model: &Model, sources: &Sources) -> Answer {
    let mut claims: Vec<&AddressClaim> = model.claims.iter().filter(|claim| is_single(claim)).collect();
    claims.sort_by_key(|claim| (claim.range, claim.span, claim.service));
    let head = ["ADDRESS", "OWNER", "KIND", "ENVIRONMENT", "POOL", "PLACE"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for claim in &claims {
        let (file, line, column) = place(sources, claim.span);
        rows.push(vec![
            claim.range.to_string(),
            owner(model, claim),
            word(claim.kind).to_owned(),
            environment(model, claim).unwrap_or("-").to_owned(),
            pool_of(model, claim.range.first()).unwrap_or("-").to_owned(),
            format!("{file}:{line}:{column}"),
        ]);
    }
    let rows_of_json: Vec<Json> = claims.iter().map(|claim| described(model, sources, claim)).collect();
    Answer { text: table(&rows), json: json!({ "version": 1, "addresses": rows_of_json }) }
}

/// Where a free address is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From<'a> {
    /// In the pools that give out addresses by themselves, or in all if none does: first in those that serve everyone.
    Pools,
    /// In one pool.
    Pool(&'a str),
    /// In the LAN, for a machine: outside pools and DHCP ranges.
    Lan,
}

/// The next free addresses, of one family if that is asked for, at most `count`. Fewer if no more are free.
///
/// # Errors
///
/// If there is no such pool, or none at all, or no LAN of that family.
pub fn next(model: &Model, from: From<'_>, family: Option<Family>, count: usize) -> Result<Answer, String> {
    let mut free = match from {
        From::Pools => of_pools(model)?,
        From::Pool(name) => vec![(Some(name), of_pool(model, name)?)],
        From::Lan if model.network.lan.is_empty() => {
            return Err("the inventory gives no `network.lan`".to_owned());
        }
        From::Lan => vec![(None, free_in_lan(model))],
    };
    if let Some(family) = family {
        if from == From::Lan && !model.network.lan.iter().any(|lan| lan.value.family() == family) {
            return Err(format!("`network.lan` has no {family} network"));
        }
        free.iter_mut().for_each(|(_, set)| *set = set.of_family(family));
    }
    let each = free.iter().flat_map(|(pool, set)| set.addresses().map(move |address| (*pool, address)));
    let found: Vec<(Option<&str>, IpAddr)> = each.take(count).collect();
    let text = found.iter().map(|(_, address)| format!("{address}\n")).collect();
    let json: Vec<Json> =
        found.iter().map(|(pool, address)| json!({ "address": address.to_string(), "pool": pool })).collect();
    Ok(Answer { text, json: json!({ "version": 1, "addresses": json }) })
}

fn of_pools(model: &Model) -> Result<Vec<(Option<&str>, RangeSet)>, String> {
    let pools = model.pools();
    if pools.is_empty() {
        return Err("the inventory has no pool; `--lan` looks for an address for a machine".to_owned());
    }
    let any = pools.iter().any(|pool| pool.auto_assign);
    let named = pools.iter().zip(model.free_in_pools()).filter(|(pool, _)| pool.auto_assign || !any);
    let (for_all, for_some): (Vec<_>, Vec<_>) = named.partition(|(pool, _)| for_all(pool));
    let named = for_all.into_iter().chain(for_some);
    Ok(named.map(|(pool, free)| (Some(pool.name.as_str()), free)).collect())
}

fn of_pool(model: &Model, name: &str) -> Result<RangeSet, String> {
    let pools = model.pools();
    match pools.iter().position(|pool| pool.name == name) {
        Some(at) => Ok(model.free_in_pools().into_iter().nth(at).unwrap_or_default()),
        None => Err(match nearest(name, pools.iter().map(|pool| pool.name.as_str())) {
            Some(near) => format!("there is no pool `{name}`; did you mean `{near}`?"),
            None => format!("there is no pool `{name}`"),
        }),
    }
}

fn free_in_lan(model: &Model) -> RangeSet {
    let lan: RangeSet = model.network.lan.iter().map(|lan| lan.value).collect();
    let pools = model.pools().iter().flat_map(|pool| &pool.addresses);
    let pools: RangeSet = pools.map(|range| range.value).collect();
    lan.minus(&model.taken()).minus(&pools)
}

/// How many services, with the Gateway, ask for any address: one of them may have got a free one at run time.
pub fn asking_for_any(model: &Model) -> usize {
    let balancers = model.services().filter_map(|service| service.load_balancer.as_ref());
    let services = balancers.filter(|balancer| balancer.addresses.is_empty() && !balancer.unread).count();
    services + usize::from(model.gateway_for_any_address().is_some())
}

/// Which of the pools that the next free addresses were found in serve only some, in words.
pub fn limited(model: &Model, answer: &Answer) -> Vec<String> {
    let found = answer.json["addresses"].as_array().into_iter().flatten();
    let found: Vec<&str> = found.filter_map(|row| row["pool"].as_str()).collect();
    let pools = model.pools().iter().filter(|pool| found.contains(&pool.name.as_str()) && !for_all(pool));
    let told = pools.map(|pool| {
        let served = |what: &str, names: &[Spanned<String>]| {
            let names: Vec<&str> = names.iter().map(|name| name.value.as_str()).collect();
            (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")))
        };
        let limits = [served("namespace", &pool.namespaces), served("service", &pool.services)];
        let limits: Vec<String> = limits.into_iter().flatten().collect();
        visible(&format!("pool `{}` serves only {}", pool.name, limits.join(" and "))).into_owned()
    });
    told.collect()
}

/// Whether a pool serves every namespace and service.
fn for_all(pool: &Pool) -> bool {
    pool.namespaces.is_empty() && pool.services.is_empty()
}

/// What is at an address: who has it, and which ranges it lies in.
///
/// # Errors
///
/// If it is no address.
pub fn find(model: &Model, sources: &Sources, address: &str) -> Result<Answer, String> {
    let address = parse_host(address).map_err(|bad| match bad.help() {
        Some(help) => format!("{bad}; {help}"),
        None => bad.to_string(),
    })?;
    let mut claims: Vec<&AddressClaim> =
        model.claims.iter().filter(|claim| claim.range.contains(address)).collect();
    claims.sort_by_key(|claim| (!is_single(claim), claim.range.len(), claim.span, claim.service));
    let (held, within): (Vec<&AddressClaim>, Vec<&AddressClaim>) =
        claims.into_iter().partition(|claim| is_single(claim));
    let mut rows: Vec<Vec<String>> = Vec::new();
    for claim in held.iter().chain(&within) {
        let (file, line, column) = place(sources, claim.span);
        let what = match is_single(claim) {
            true => claim.owner.clone(),
            false => format!("in {} {}", claim.owner, claim.range),
        };
        rows.push(vec![format!("  {what}"), format!("{file}:{line}:{column}")]);
    }
    let state = match (held.is_empty(), within.is_empty()) {
        (false, _) => "",
        (true, false) => ": nobody has it",
        (true, true) => ": unknown to the inventory",
    };
    let text = format!("{address}{state}\n{}", table(&rows));
    let describe = |claims: &[&AddressClaim]| -> Vec<Json> {
        claims.iter().map(|claim| described(model, sources, claim)).collect()
    };
    let json = json!({
        "version": 1,
        "address": address.to_string(),
        "held": describe(&held),
        "within": describe(&within),
    });
    Ok(Answer { text, json })
}
