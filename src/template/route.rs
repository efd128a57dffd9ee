//! The template folder as routes: a path with names in braces is a loop over what it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::unused::{is_passed_over, unused};
use super::{TEMPLATE_PATH, TEMPLATE_SYNTAX};
use crate::diagnostic::{Diagnostic, Diagnostics, Outcome, nearest};
use crate::source::{FileId, Span};

/// The names a path may hold in braces.
pub const VARIABLES: &[&str] = &["stack", "service", "environment", "chart", "secret", "node", "claim"];

/// What makes a file a template.
pub(super) const SUFFIX: &str = ".j2";

/// What kustomize looks for in a folder, and bayplan writes there.
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Names of which a path can hold one: each loops over something else.
const LOOPS: [&str; 5] = ["service", "claim", "secret", "chart", "node"];

/// A template larger than this is refused: limits on what it renders are measured against its text.
const TEXT_LIMIT: usize = 1024 * 1024;

/// Where a template's output goes: literal text and variables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    template: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Literal(String),
    Variable(&'static str),
}

/// A path that is no route, or a name that is no file name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPath {
    /// What is wrong, lower case, names in backticks.
    pub message: String,
    /// What was probably meant.
    pub help: Option<String>,
}

impl fmt::Display for BadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BadPath {}

impl Route {
    /// Reads a template path such as `apps/{stack}/base/{service}.yaml.j2`.
    ///
    /// # Errors
    /// If the path is absolute, climbs out, has an empty component, is a partial (`_name`), does not end
    /// in `.j2`, has a brace that does not hold one of [`VARIABLES`], or two that do not go together, or leads to
    /// a kustomization.
    pub fn parse(path: &str) -> Result<Route, BadPath> {
        check_path(path)?;
        let output = path.strip_suffix(SUFFIX).filter(|output| !output.is_empty() && !output.ends_with('/'));
        let output = output.ok_or_else(|| bad(format!("`{}` does not end in `.j2`", shown(path))))?;
        if is_partial(path) {
            return Err(bad(format!("`{}` is a partial: it makes no file of its own", shown(path))));
        }
        check_name(output)?;
        let route = Route { template: path.to_owned(), pieces: pieces(output)? };
        route.check_loops()?;
        Ok(route)
    }

    fn check_loops(&self) -> Result<(), BadPath> {
        let variables = self.variables();
        let loops: Vec<&str> = LOOPS.into_iter().filter(|name| variables.contains(name)).collect();
        let of_cluster = |name: &&str| ["chart", "node"].contains(name);
        let (one, other) = match *loops.as_slice() {
            [one, other, ..] => (one, other),
            [one] if of_cluster(&one) && variables.contains("stack") => ("stack", one),
            _ => return Ok(()),
        };
        Err(BadPath {
            message: format!("a path cannot loop over `{{{one}}}` and `{{{other}}}` at once"),
            help: Some(
                "one of `{service}`, `{claim}` and `{secret}` goes with `{stack}`, `{chart}` or `{node}` without; \
                 `{environment}` with any"
                    .to_owned(),
            ),
        })
    }

    /// The template's own path.
    pub fn template(&self) -> &str {
        &self.template
    }

    /// What the path loops over.
    pub fn variables(&self) -> BTreeSet<&'static str> {
        let variable = |piece: &Piece| match piece {
            Piece::Variable(name) => Some(*name),
            Piece::Literal(_) => None,
        };
        self.pieces.iter().filter_map(variable).collect()
    }

    /// The output path for these values.
    ///
    /// # Errors
    /// If a variable has no value, or a value cannot be part of a file name: it is empty, `.` or `..`,
    /// or holds a slash, a backslash or a control character.
    pub fn expand(&self, values: &BTreeMap<&str, &str>) -> Result<String, BadPath> {
        let mut path = String::with_capacity(self.template.len() + 32);
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => path.push_str(text),
                Piece::Variable(name) => path.push_str(file_name(name, values.get(name).copied())?),
            }
        }
        check_path(&path)?;
        check_name(&path)?;
        Ok(path)
    }
}

/// Refuses what bayplan writes itself.
fn check_name(path: &str) -> Result<(), BadPath> {
    let name = path.rsplit('/').next().unwrap_or(path);
    match KUSTOMIZATIONS.contains(&name) {
        true => Err(BadPath {
            message: format!(
                "`{name}` cannot be a template: bayplan writes it, and lists in it what is rendered beside it"
            ),
            help: Some("give what it makes a file of another name".to_owned()),
        }),
        false => Ok(()),
    }
}

fn file_name<'a>(name: &str, value: Option<&'a str>) -> Result<&'a str, BadPath> {
    let value = value.ok_or_else(|| bad(format!("`{{{name}}}` has no value here")))?;
    let fits =
        !matches!(value, "" | "." | "..") && !value.chars().any(|c| "/\\".contains(c) || c.is_control());
    match fits {
        true => Ok(value),
        false => Err(bad(format!("the {name} `{}` cannot be part of a file name", shown(value)))),
    }
}

fn pieces(output: &str) -> Result<Vec<Piece>, BadPath> {
    let mut found = Vec::new();
    let mut rest = output;
    while let Some(at) = rest.find(['{', '}']) {
        let (literal, brace) = rest.split_at(at);
        let (name, after) = brace
            .strip_prefix('{')
            .and_then(|inside| inside.split_once('}'))
            .ok_or_else(|| bad(format!("`{}` has a brace without its partner", shown(output))))?;
        if !literal.is_empty() {
            found.push(Piece::Literal(literal.to_owned()));
        }
        found.push(Piece::Variable(variable(name)?));
        rest = after;
    }
    if !rest.is_empty() {
        found.push(Piece::Literal(rest.to_owned()));
    }
    Ok(found)
}

fn variable(name: &str) -> Result<&'static str, BadPath> {
    let known = VARIABLES.iter().copied().find(|known| *known == name);
    known.ok_or_else(|| BadPath {
        message: format!("`{{{}}}` is nothing that a path can loop over", shown(name)),
        help: Some(match nearest(name, VARIABLES.iter().copied()) {
            Some(meant) => format!("did you mean `{{{meant}}}`?"),
            None => format!("a path can hold {}", in_braces(VARIABLES)),
        }),
    })
}

fn in_braces(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{{{name}}}`")).collect::<Vec<_>>().join(", ")
}

/// Refuses what is not a plain relative path with `/` between its parts.
fn check_path(path: &str) -> Result<(), BadPath> {
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    if path.starts_with('/') || path.contains(['\\', ':']) || path.chars().any(char::is_control) {
        return Err(bad(format!("`{}` is not a plain relative path", shown(path))));
    }
    match path.split('/').all(plain) {
        true => Ok(()),
        false => Err(bad(format!("`{}` has an empty part, `.` or `..`", shown(path)))),
    }
}

/// A file or folder whose name begins with `_` is there for other templates to include.
pub(super) fn is_partial(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('_'))
}

fn bad(message: String) -> BadPath {
    BadPath { message, help: None }
}

fn shown(text: &str) -> String {
    text.escape_debug().take(120).collect()
}

/// One template as it was read. `file` is its [`Source`](crate::source::Source), for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFile {
    /// Its path inside the template tree, with `/` between the parts.
    pub path: String,
    /// The name that spans use for it.
    pub file: FileId,
    /// What it says.
    pub text: Arc<str>,
}

/// Whose a template is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Built into the program.
    BuiltIn,
    /// The user's, in place of a built-in one.
    Replaced,
    /// The user's, in addition.
    Own,
}

/// A template as a list shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// Its path inside the template tree.
    pub path: &'a str,
    /// Whose it is.
    pub origin: Origin,
    /// Whether it exists only for others to include.
    pub partial: bool,
}

/// The templates of a run: the built-in ones with the user's laid over them, by path.
#[derive(Clone, Debug, Default)]
pub struct TemplateSet {
    files: BTreeMap<String, (Origin, TemplateFile)>,
    routes: Vec<Route>,
    /// The user's files that are no templates.
    passed_over: Vec<TemplateFile>,
}

impl TemplateSet {
    /// Lays `user` over `builtin`: the same path replaces, a new path adds. Files that do not end in `.j2`,
    /// or are hidden, are no templates and are passed over: [`TemplateSet::unused`]. A path that is no route is reported and left out.
    pub fn new(builtin: Vec<TemplateFile>, user: Vec<TemplateFile>) -> Outcome<TemplateSet> {
        let mut diagnostics = Diagnostics::default();
        let mut files = BTreeMap::new();
        for template in builtin {
            files.insert(template.path.clone(), (Origin::BuiltIn, template));
        }
        let (passed_over, user): (Vec<_>, Vec<_>) =
            user.into_iter().partition(|template| is_passed_over(&template.path));
        for template in user {
            let replaces = matches!(files.get(&template.path), Some((Origin::BuiltIn | Origin::Replaced, _)));
            let origin = if replaces { Origin::Replaced } else { Origin::Own };
            files.insert(template.path.clone(), (origin, template));
        }
        let mut routes = Vec::new();
        files.retain(|_, (_, template)| accept(template, &mut routes, &mut diagnostics));
        Outcome { value: TemplateSet { files, routes, passed_over }, diagnostics }
    }

    /// Where each template's output goes, by template path. Partials have no route.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Every template, by path.
    pub fn list(&self) -> impl Iterator<Item = Listed<'_>> {
        self.files.values().map(|(origin, template)| Listed {
            path: &template.path,
            origin: *origin,
            partial: is_partial(&template.path),
        })
    }

    /// The template at `path`.
    pub fn get(&self, path: &str) -> Option<&TemplateFile> {
        self.files.get(path).map(|(_, template)| template)
    }

    /// A finding for each of the user's files that has no effect.
    pub fn unused(&self) -> Vec<Diagnostic> {
        unused(self, &self.passed_over)
    }

    /// The template of this file.
    pub fn by_file(&self, file: FileId) -> Option<Listed<'_>> {
        self.list().find(|listed| self.get(listed.path).is_some_and(|template| template.file == file))
    }

    /// Every template's text, by path.
    pub(super) fn files(&self) -> impl Iterator<Item = &TemplateFile> {
        self.files.values().map(|(_, template)| template)
    }
}

fn accept(template: &TemplateFile, routes: &mut Vec<Route>, diagnostics: &mut Diagnostics) -> bool {
    let span = Span::new(template.file, 0..0);
    if template.text.len() > TEXT_LIMIT {
        let message = format!("template `{}` is larger than 1 MiB", shown(&template.path));
        diagnostics.push(TEMPLATE_SYNTAX.at(span, "", message));
        return false;
    }
    let parsed = match is_partial(&template.path) {
        true => check_path(&template.path).map(|()| None),
        false => Route::parse(&template.path).map(Some),
    };
    match parsed {
        Ok(route) => routes.extend(route),
        Err(fault) => {
            let mut diagnostic = TEMPLATE_PATH.at(span, "this template", fault.message);
            diagnostic.help = fault.help;
            diagnostics.push(diagnostic);
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::{any, proptest};

    use super::{Origin, Route, TemplateFile, TemplateSet};
    use crate::source::FileId;

    fn file(path: &str, id: u32) -> TemplateFile {
        TemplateFile { path: path.to_owned(), file: FileId(id), text: format!("x: {id}\n").into() }
    }

    #[test]
    fn a_path_in_braces_is_a_loop() {
        let route = Route::parse("apps/{stack}/base/{service}.yaml.j2").unwrap();
        assert_eq!(route.variables(), BTreeSet::from(["service", "stack"]));
        let values = BTreeMap::from([("stack", "media"), ("service", "plex"), ("chart", "unused")]);
        assert_eq!(route.expand(&values).unwrap(), "apps/media/base/plex.yaml");

        let route = Route::parse("argocd/applications/{stack}-{environment}.yaml.j2").unwrap();
        let values = BTreeMap::from([("stack", "media"), ("environment", "staging")]);
        assert_eq!(route.expand(&values).unwrap(), "argocd/applications/media-staging.yaml");

        let route = Route::parse("README.md.j2").unwrap();
        assert!(route.variables().is_empty());
        assert_eq!(route.expand(&BTreeMap::new()).unwrap(), "README.md");
    }

    #[test]
    fn paths_that_are_no_routes_are_refused() {
        for path in [
            "",
            "/a.j2",
            "a//b.j2",
            "../a.j2",
            "a/../b.j2",
            "./a.j2",
            "a/",
            "a\\b.j2",
            "C:/a.j2",
            "a\nb.j2",
            "a.yaml",
            ".j2",
            "a/.j2",
            "_x.j2",
            "_lib/x.yaml.j2",
            "{stack.j2",
            "stack}.j2",
            "{{stack}}.j2",
            "{}.j2",
            "{ stack }.j2",
            "{stack/x}.j2",
        ] {
            assert!(Route::parse(path).is_err(), "{path:?} was accepted");
        }
        let fault = Route::parse("{servise}.yaml.j2").unwrap_err();
        assert_eq!(fault.help.as_deref(), Some("did you mean `{service}`?"));
        let fault = Route::parse("{planet}.yaml.j2").unwrap_err();
        assert!(fault.help.unwrap().contains("`{claim}`"));
    }

    #[test]
    fn values_cannot_climb_out() {
        let route = Route::parse("a/{stack}.j2").unwrap();
        for value in ["", ".", "..", "a/b", "../x", "a\\b", "a\nb", "a\0"] {
            assert!(route.expand(&BTreeMap::from([("stack", value)])).is_err(), "{value:?}");
        }
        assert_eq!(route.expand(&BTreeMap::new()).unwrap_err().message, "`{stack}` has no value here");
        let joined = Route::parse("a/.{stack}.j2").unwrap();
        assert_eq!(joined.expand(&BTreeMap::from([("stack", "x")])).unwrap(), "a/.x");
    }

    #[test]
    fn user_templates_replace_and_add() {
        let builtin = vec![file("a.yaml.j2", 0), file("_lib/m.j2", 1), file("b.yaml.j2", 2)];
        let user = vec![file("b.yaml.j2", 3), file("{chart}.yaml.j2", 4), file("notes.txt", 5)];
        let set = TemplateSet::new(builtin, user);
        assert!(set.diagnostics.is_empty());
        let listed: Vec<_> = set.value.list().map(|t| (t.path, t.origin, t.partial)).collect();
        assert_eq!(
            listed,
            [
                ("_lib/m.j2", Origin::BuiltIn, true),
                ("a.yaml.j2", Origin::BuiltIn, false),
                ("b.yaml.j2", Origin::Replaced, false),
                ("{chart}.yaml.j2", Origin::Own, false),
            ]
        );
        assert_eq!(set.value.get("b.yaml.j2").unwrap().file, FileId(3));
        let routes: Vec<_> = set.value.routes().iter().map(Route::template).collect();
        assert_eq!(routes, ["a.yaml.j2", "b.yaml.j2", "{chart}.yaml.j2"]);
    }

    #[test]
    fn a_bad_path_is_reported_and_left_out() {
        let set = TemplateSet::new(Vec::new(), vec![file("{servce}.j2", 7), file("x.j2", 8)]);
        let found: Vec<_> = set.diagnostics.iter().collect();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].code.name, found[0].primary().file), ("template-path", FileId(7)));
        assert_eq!(found[0].help.as_deref(), Some("did you mean `{service}`?"));
        assert_eq!(set.value.list().count(), 1);
    }

    proptest! {
        #[test]
        fn an_expanded_path_stays_inside(path in "[a-z{}/._]{0,20}(\\{stack\\})?[a-z/.]{0,4}\\.j2", value in any::<String>()) {
            if let Ok(route) = Route::parse(&path)
                && let Ok(out) = route.expand(&BTreeMap::from([("stack", value.as_str())]))
            {
                assert!(!out.starts_with('/') && !out.contains('\\'));
                assert!(out.split('/').all(|part| !part.is_empty() && part != "." && part != ".."));
            }
        }
    }
}
