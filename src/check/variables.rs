//! `${NAME}` in what the engines apply: names that Flux has no value for, and names that nobody replaces.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Diagnostics, codes, nearest};
use crate::inventory::stack::Layer;
use crate::inventory::value::Engine;
use crate::model::Model;
use crate::model::flux::apply::apply;
use crate::model::gitops::Gitops;
use crate::model::references::{is_ours, reference};
use crate::model::stack::Stack;
use crate::source::Span;

codes! { Gitops:
    /// `${NAME}` that Flux refuses.
    UNDEFINED_VARIABLE = ("undefined-variable", Error, "`${NAME}` that Flux has no value for: strict substitution fails");
    /// `${NAME}` that nobody replaces.
    UNSUBSTITUTED_VARIABLE = ("unsubstituted-variable", Warning, "`${NAME}` in what nobody substitutes: it arrives as it stands");
}

/// Flux replaces `${NAME}` in all it applies once it has values to choose from, and fails for one it does not know
/// (strict since kustomize-controller 1.9). What it applies otherwise, and what Argo CD applies, arrives as it stands.
pub fn check(model: &Model, found: &mut Diagnostics) {
    let Some(gitops) = &model.gitops else { return };
    let all = apply(&gitops.flux);
    let stacks = model.environments.iter().flat_map(|environment| &environment.stacks);
    let layers = Layers {
        services: model
            .environments
            .iter()
            .flat_map(|environment| &environment.stacks)
            .flat_map(|stack| stack.services.iter().map(move |service| (service.key.as_str(), stack)))
            .collect(),
        stacks: stacks.map(|stack| (stack.name.as_str(), stack)).collect(),
    };
    let mut reports = Vec::new();
    model.each_text(|written| {
        let named = names(written.text);
        let open = unclosed(written.text);
        let odd = unreadable(written.text);
        if named.is_empty() && open.is_none() && odd.is_none() {
            return;
        }
        let Some((owner, stack)) = owner(&layers, written.path) else { return };
        let layer = stack.map_or(Layer::Infrastructure, |stack| stack.layer);
        let flux = stack.map_or(&all, |stack| &stack.flux);
        let substitutes = !flux.substitute.is_empty() || !flux.substitute_from.is_empty();
        let engine = gitops.engine_of(layer);
        let replaced = engine == Engine::Flux && substitutes;
        if let Some(open) = open.filter(|_| replaced) {
            reports.push(never_closed(open, written.span, &owner));
        } else if let Some(odd) = odd.filter(|_| replaced) {
            reports.push(not_read(odd, written.span, &owner));
        } else if !replaced && whole_variable(written.text) && takes_no_shell(written.path) {
            reports.push(unsubstituted(written.text, written.span, &owner, engine, gitops));
        } else if replaced && flux.substitute_from.is_empty() {
            let unknown = named.into_iter().find(|name| !flux.substitute.contains_key(*name));
            if let Some(name) = unknown {
                reports.push(undefined(name, written.span, &owner, &flux.substitute));
            }
        }
    });
    found.extend(reports);
}

/// The stack of everything that is deployed anywhere.
struct Layers<'m> {
    services: BTreeMap<&'m str, &'m Stack>,
    stacks: BTreeMap<&'m str, &'m Stack>,
}

/// Whose text it is, and with which stack it arrives. Only texts that go into objects.
fn owner<'m>(layers: &Layers<'m>, path: &[&str]) -> Option<(String, Option<&'m Stack>)> {
    match path {
        ["charts", name, key, ..] if !ORDERS.contains(key) => Some((format!("charts.{name}"), None)),
        ["ingress", ..] => Some(("ingress".to_owned(), None)),
        ["services", name, key, ..] | ["environments", _, "services", name, key, ..]
            if !ORDERS.contains(key) =>
        {
            Some((format!("services.{name}"), Some(*layers.services.get(name)?)))
        }
        ["stacks", name, key, ..] | ["environments", _, "stacks", name, key, ..] if !ORDERS.contains(key) => {
            Some((format!("stacks.{name}"), Some(*layers.stacks.get(name)?)))
        }
        _ => None,
    }
}

/// Keys whose texts are names of this inventory, and stand in no object.
const ORDERS: &[&str] = &["stack", "depends-on", "talks-to", "argocd"];

/// Arguments and commands may be scripts, whose `${NAME}` is the shell's.
fn takes_no_shell(path: &[&str]) -> bool {
    path.iter().any(|key| ["env", "values"].contains(key))
}

fn whole_variable(text: &str) -> bool {
    text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).is_some_and(is_name)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The first `${…}` that is no reference of ours, and that Flux fails on (fluxcd/pkg, `envsubst`): a name or `#` and a
/// name, then `}` or a function, which `-`, `+` and `?` without a colon are not.
fn unreadable(text: &str) -> Option<&str> {
    let starts = text.match_indices("${").filter(|(at, _)| !text[..*at].ends_with('$'));
    starts.map(|(at, _)| &text[at..]).find(|rest| !is_read(rest)).map(|rest| {
        let end = rest.find(['}', '\n']).map_or(rest.len(), |end| end + 1);
        let end = rest.char_indices().nth(MOST_SHOWN).map_or(end, |(most, _)| end.min(most));
        rest[..end].trim_end()
    })
}

/// So many characters of an expression are shown.
const MOST_SHOWN: usize = 40;

fn is_read(expression: &str) -> bool {
    if reference(expression).is_some_and(|(path, _)| is_ours(path)) {
        return true;
    }
    let length = expression[2..].strip_prefix('#');
    let inner = length.unwrap_or(&expression[2..]);
    let end = inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(inner.len());
    let behind = inner[end..].chars().next();
    // What has no end is told otherwise.
    end > 0 && behind.is_none_or(|c| c == '}' || length.is_none() && ":=,^/#%".contains(c))
}

/// The names that Flux would look up: `${NAME}` without a default. `$${` is a plain `${`, whoever applies the tree.
fn names(text: &str) -> Vec<&str> {
    text.match_indices("${")
        .filter(|(at, _)| !text[..*at].ends_with('$'))
        .filter_map(|(at, open)| closed(&text[at + open.len()..]))
        .filter(|name| !name.is_empty())
        .collect()
}

/// The word that a text begins with, if a `}` follows it at once.
fn closed(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
    text[end..].starts_with('}').then(|| &text[..end])
}

/// What follows a `${` without a `}` behind it. With a dot it is no variable.
fn unclosed(text: &str) -> Option<&str> {
    let (before, open) = text.rsplit_once("${")?;
    let end = open.find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c))).unwrap_or(open.len());
    let ours = open[..end].contains('.');
    (!before.ends_with('$') && !open.contains('}') && !ours).then(|| &open[..end])
}

fn never_closed(name: &str, span: Span, owner: &str) -> Diagnostic {
    let message = format!("`${{{name}` of `{owner}` is not closed, and Flux replaces variables");
    let help = format!("write `${{{name}}}`, or `$${{{name}` for a plain `${{{name}`");
    UNDEFINED_VARIABLE.at(span, "the whole kustomization fails", message).about(owner).help(help)
}

fn not_read(expression: &str, span: Span, owner: &str) -> Diagnostic {
    let message = format!("Flux cannot read `{expression}` of `{owner}` as a variable");
    let help = format!("write `${expression}` for a plain `{expression}`");
    UNDEFINED_VARIABLE.at(span, "the whole kustomization fails", message).about(owner).help(help)
}

fn undefined(name: &str, span: Span, owner: &str, known: &BTreeMap<String, String>) -> Diagnostic {
    let message = format!("Flux has no value for `${{{name}}}` of `{owner}`");
    let near = nearest(name, known.keys().map(String::as_str));
    let help = match near {
        Some(near) => format!("did you mean `${{{near}}}`?"),
        None => {
            format!("add `gitops.flux.substitute.{name}`, or write `$${{{name}}}` for a plain `${{{name}}}`")
        }
    };
    UNDEFINED_VARIABLE.at(span, "the whole kustomization fails", message).about(owner).help(help)
}

fn unsubstituted(text: &str, span: Span, owner: &str, engine: Engine, gitops: &Gitops) -> Diagnostic {
    let (message, help) = match engine {
        Engine::Argocd => (
            format!("nothing replaces `{text}` of `{owner}`: Argo CD applies it as it stands"),
            match owner.starts_with("charts.") {
                true => {
                    "write the value, name a Secret as the chart's values take one, or `$${…}` if it is meant so"
                }
                false => {
                    "give it by a Secret (`secret-env`), write the value, or `$${…}` if the program is to see it so"
                }
            },
        ),
        Engine::Flux => (
            format!("nothing replaces `{text}` of `{owner}`: Flux has no values to choose from"),
            "say where values come from: `gitops.flux.substitute-from`",
        ),
    };
    let diagnostic = UNSUBSTITUTED_VARIABLE.at(span, "arrives as it stands", message);
    diagnostic.because(gitops.place, "who applies it").about(owner).help(help)
}

#[cfg(test)]
mod tests {
    use super::{names, unclosed, unreadable, whole_variable};

    #[test]
    fn variables_are_found_as_flux_finds_them() {
        assert_eq!(names("a ${A} ${B_2} ${c.d} ${E:-x} $F ${ G }"), ["A", "B_2"]);
        assert!(names("$${A}").is_empty());
        assert!(names("$$${A}").is_empty() && names("${A").is_empty());
        assert_eq!(unclosed("a ${B} ${A"), Some("A"));
        assert!(["${A}", "$${A", "${a.b", "${A:-x} }"].iter().all(|text| unclosed(text).is_none()));
        for text in [
            "${A}",
            "${#A}",
            "${A:-x y}",
            "${A^^}",
            "$${ }",
            "${services.web.url}",
            "${cluster.name}",
            "${A/x/y}",
        ] {
            assert_eq!(unreadable(text), None, "{text}");
        }
        for text in [
            "${}",
            "${ X }",
            "${foo.bar}",
            "${a-b}",
            "${A-x}",
            "${.x}",
            "${!X}",
            "${@}",
            "${{ a }",
            "${#A:1}",
        ] {
            assert_eq!(unreadable(&format!("a {text} b")), Some(text));
        }
        assert!(
            whole_variable("${A}")
                && !whole_variable("x${A}")
                && !whole_variable("$${A}")
                && !whole_variable("${a.b}")
        );
    }
}
