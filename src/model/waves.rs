//! The order of things: what must be ready before what, and circles that can never be.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::diagnostic::Diagnostics;
use crate::inventory::stack::Layer;
use crate::model::{DEPENDENCY_CYCLE, Environment, Model, UNORDERABLE_DEPENDENCY};
use crate::source::{Span, Spanned};

/// Numbers charts by what they wait for, and reports circles.
pub fn order_charts(model: &mut Model, found: &mut Diagnostics) {
    let charts: Vec<Item> =
        model.charts.iter().map(|chart| Item::new(&chart.name, "charts", chart.depends_on.clone())).collect();
    let waves = number(&charts, found);
    for (chart, wave) in model.charts.iter_mut().zip(waves) {
        chart.wave = wave;
    }
}

/// Numbers the stacks and services of an environment by what they wait for, and reports circles.
pub fn order_environment(environment: &mut Environment) -> Diagnostics {
    let mut diagnostics = Diagnostics::default();
    let found = &mut diagnostics;
    let circles = report_circles_of_services(environment, found);
    link_stacks(environment, &circles);
    report_layers(environment, found);
    let stacks: Vec<Item> = environment
        .stacks
        .iter()
        .map(|stack| Item::new(&stack.name, "stacks", stack.after_stacks.clone()))
        .collect();
    let waves = number(&stacks, found);
    for (stack, wave) in environment.stacks.iter_mut().zip(waves) {
        stack.wave = wave;
        let services: Vec<Item> = stack
            .services
            .iter()
            .map(|service| {
                let names = service.depends_on.iter().filter(|dependency| !dependency.chart);
                Item::new(&service.key, "services", names.map(|dependency| dependency.name.clone()).collect())
            })
            .collect();
        let waves = number(&services, &mut Diagnostics::default());
        for (service, wave) in stack.services.iter_mut().zip(waves) {
            Arc::make_mut(service).wave = wave;
        }
    }
    diagnostics
}

/// A circle of services is reported once, whatever stacks it runs through. Returns the places of its dependencies.
fn report_circles_of_services(environment: &Environment, found: &mut Diagnostics) -> BTreeSet<Span> {
    let services = environment.services().map(|service| {
        let names = service.depends_on.iter().filter(|dependency| !dependency.chart);
        Item::new(&service.key, "services", names.map(|dependency| dependency.name.clone()).collect())
    });
    let mut circles = Diagnostics::default();
    number(&services.collect::<Vec<_>>(), &mut circles);
    let places = circles.iter().flat_map(|circle| &circle.labels).map(|label| label.span).collect();
    found.absorb(circles);
    places
}

/// A service that waits for one of another stack makes its stack wait for that stack, for a chart makes it
/// wait for that chart. A circle of services has been reported: it must not come up again among the stacks.
fn link_stacks(environment: &mut Environment, circles: &BTreeSet<Span>) {
    let stack_of: BTreeMap<String, String> =
        environment.services().map(|service| (service.key.clone(), service.stack.clone())).collect();
    for stack in &mut environment.stacks {
        let dependencies = stack.services.iter().flat_map(|service| &service.depends_on);
        for dependency in dependencies.filter(|dependency| !circles.contains(&dependency.name.span)) {
            let (names, target) = match stack_of.get(&dependency.name.value) {
                _ if dependency.chart => (&mut stack.after_charts, dependency.name.value.clone()),
                Some(other) if *other != stack.name && !other.is_empty() => {
                    (&mut stack.after_stacks, other.clone())
                }
                _ => continue,
            };
            if !names.iter().any(|name| name.value == target) {
                names.push(Spanned::new(target, dependency.name.span));
            }
        }
        stack.after_stacks.sort();
        stack.after_charts.sort();
    }
}

/// The infrastructure layer is applied first: nothing in it can wait for the stacks.
fn report_layers(environment: &mut Environment, found: &mut Diagnostics) {
    let layers: BTreeMap<String, Layer> =
        environment.stacks.iter().map(|stack| (stack.name.clone(), stack.layer)).collect();
    for stack in environment.stacks.iter_mut().filter(|stack| stack.layer == Layer::Infrastructure) {
        let subject = stack.subject();
        stack.after_stacks.retain(|name| {
            let later = layers.get(&name.value) == Some(&Layer::Apps);
            if later {
                let message = format!(
                    "stack `{}` belongs to the infrastructure, which is applied before stack `{name}`",
                    stack.name
                );
                found.push(
                    UNORDERABLE_DEPENDENCY
                        .at(name.span, "applied later", message)
                        .help(format!(
                            "give stack `{name}` `layer = \"infrastructure\"` too, or drop the dependency"
                        ))
                        .about(subject.clone()),
                );
            }
            !later
        });
    }
}

/// A thing and what it waits for.
struct Item<'a> {
    name: &'a str,
    table: &'static str,
    after: Vec<Spanned<String>>,
}

impl<'a> Item<'a> {
    fn new(name: &'a str, table: &'static str, after: Vec<Spanned<String>>) -> Self {
        Self { name, table, after }
    }
}

/// How many others each item has before it in its longest line, in n log n. Items of a circle get 0.
fn number(items: &[Item<'_>], found: &mut Diagnostics) -> Vec<usize> {
    let index: BTreeMap<&str, usize> = items.iter().enumerate().map(|(at, item)| (item.name, at)).collect();
    let mut before: Vec<usize> = vec![0; items.len()];
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); items.len()];
    for (at, item) in items.iter().enumerate() {
        for target in item.after.iter().filter_map(|name| index.get(name.value.as_str())) {
            after[*target].push(at);
            before[at] += 1;
        }
    }
    let mut waves = vec![0; items.len()];
    let mut ready: VecDeque<usize> = (0..items.len()).filter(|at| before[*at] == 0).collect();
    let mut done = vec![false; items.len()];
    while let Some(at) = ready.pop_front() {
        done[at] = true;
        for next in &after[at] {
            waves[*next] = waves[*next].max(waves[at] + 1);
            before[*next] -= 1;
            if before[*next] == 0 {
                ready.push_back(*next);
            }
        }
    }
    report_circles(items, &index, &done, found);
    waves.iter().zip(&done).map(|(wave, done)| if *done { *wave } else { 0 }).collect()
}

/// Every item that is not done leads into a circle: follow each once and report each circle once.
fn report_circles(items: &[Item<'_>], index: &BTreeMap<&str, usize>, done: &[bool], found: &mut Diagnostics) {
    let mut seen = vec![false; items.len()];
    // Where in its walk an item was met, and in the walk from which item.
    let mut position: Vec<(usize, Option<usize>)> = vec![(0, None); items.len()];
    for start in (0..items.len()).filter(|at| !done[*at]) {
        let mut path: Vec<(usize, Span)> = Vec::new();
        let mut at = start;
        while !seen[at] {
            seen[at] = true;
            position[at] = (path.len(), Some(start));
            let next = items[at].after.iter().find_map(|name| {
                let target = *index.get(name.value.as_str())?;
                (!done[target]).then_some((target, name.span))
            });
            let Some((target, span)) = next else { break };
            path.push((at, span));
            at = target;
        }
        let (first, walk) = position[at];
        if let Some(circle) = path.get(first..).filter(|circle| walk == Some(start) && !circle.is_empty()) {
            let latest = (0..circle.len()).max_by_key(|at| circle[*at].1).unwrap_or_default();
            let (before, after) = circle.split_at(latest + 1);
            report_circle(items, &[after, before].concat(), found);
        }
    }
}

/// The circle is told so that what stands last in the file closes it.
fn report_circle(items: &[Item<'_>], circle: &[(usize, Span)], found: &mut Diagnostics) {
    let names: Vec<&str> = circle.iter().map(|(at, _)| items[*at].name).collect();
    let shown = if names.len() > 12 {
        [&names[..6], &["…"], &names[names.len() - 5..]].concat()
    } else {
        names.clone()
    };
    let way = format!("{} → {}", shown.join(" → "), names[0]);
    let (last, rest) = match circle.split_last() {
        Some((last, rest)) => (last, rest),
        None => return,
    };
    let mut diagnostic = DEPENDENCY_CYCLE.at(
        last.1,
        format!("`{}` waits for `{}`", items[last.0].name, names[0]),
        format!("`{}` waits for itself: {way}", names[0]),
    );
    for (position, (at, span)) in rest.iter().enumerate().take(8) {
        diagnostic =
            diagnostic.because(*span, format!("`{}` waits for `{}`", items[*at].name, names[position + 1]));
    }
    for (at, _) in circle.iter().take(32) {
        diagnostic = diagnostic.about(format!("{}.{}", items[*at].table, items[*at].name));
    }
    found.push(diagnostic.help("drop one of these dependencies"));
}
