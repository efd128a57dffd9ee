//! Files among the templates that have no effect: they are no templates, or partials that nothing includes.

use std::collections::BTreeSet;

use super::guard::texts_of_imports;
use super::route::SUFFIX;
use super::{Listed, Origin, TemplateFile, TemplateSet, UNUSED_TEMPLATE};
use crate::diagnostic::{Diagnostic, nearest};
use crate::source::Span;

/// Endings that a template has elsewhere, or that its output has.
const MEANT: [&str; 6] = [".yaml", ".yml", ".jinja", ".jinja2", ".tmpl", ".tpl"];

/// Whether a file of this name is no template, and was probably meant as one. Editors and systems leave files of
/// their own, such as `.#x.j2`.
pub fn looks_meant(name: &str) -> bool {
    let small = name.to_ascii_lowercase();
    if name.starts_with('.') {
        return name.ends_with(SUFFIX) && !name.starts_with(".#") && !name.starts_with("._");
    }
    !name.ends_with(SUFFIX) && (small.ends_with(SUFFIX) || MEANT.iter().any(|end| small.ends_with(end)))
}

/// Whether a path is none of a template: it does not end like one, or is hidden.
pub(super) fn is_passed_over(path: &str) -> bool {
    let is_hidden = |part: &str| part.starts_with('.') && ![".", ".."].contains(&part);
    !path.ends_with(SUFFIX) || path.split('/').any(is_hidden)
}

/// A finding for each file without effect.
pub(super) fn unused(set: &TemplateSet, passed_over: &[TemplateFile]) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = passed_over.iter().map(no_template).collect();
    let mut included = BTreeSet::new();
    for template in set.files() {
        match texts_of_imports(&template.text) {
            Some(names) => included.extend(names),
            // A name that is only known while it renders may be any.
            None => return found,
        }
    }
    let own = set.list().filter(|listed| listed.partial && listed.origin != Origin::BuiltIn);
    for Listed { path, .. } in own.filter(|listed| !included.contains(listed.path)) {
        let Some(template) = set.get(path) else { continue };
        found.push(not_included(template, included.iter().copied()));
    }
    found
}

fn no_template(file: &TemplateFile) -> Diagnostic {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let at = Span::new(file.file, 0..0);
    let subject = format!("templates/{}", file.path);
    if name.starts_with('.') {
        let message = format!("`{}` makes nothing: names that begin with a dot are passed over", file.path);
        return UNUSED_TEMPLATE.at(at, "", message).about(subject);
    }
    let stem = name
        .rsplit_once('.')
        .filter(|(_, ending)| ending.starts_with(['j', 'J', 't']))
        .map_or(name, |(stem, _)| stem);
    UNUSED_TEMPLATE
        .at(at, "", format!("`{}` is no template: its name does not end in `{SUFFIX}`", file.path))
        .help(format!("name it `{stem}{SUFFIX}`, or move it out of the templates"))
        .about(subject)
}

fn not_included<'n>(template: &TemplateFile, included: impl Iterator<Item = &'n str>) -> Diagnostic {
    let path = &template.path;
    let help = match nearest(path, included) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "write `{{% include \"{path}\" %}}` where it is wanted: names count from the templates' folder"
        ),
    };
    let message =
        format!("nothing includes `{path}`, and a file whose name begins with `_` makes nothing by itself");
    UNUSED_TEMPLATE
        .at(Span::new(template.file, 0..0), "", message)
        .help(help)
        .about(format!("templates/{path}"))
}

#[cfg(test)]
mod tests {
    use super::looks_meant;
    use crate::source::FileId;
    use crate::template::{TemplateFile, TemplateSet};

    fn told(files: &[(&str, &str)]) -> Vec<String> {
        let file = |(at, (path, text)): (usize, &(&str, &str))| TemplateFile {
            path: (*path).to_owned(),
            file: FileId(u32::try_from(at).unwrap()),
            text: (*text).into(),
        };
        let set = TemplateSet::new(Vec::new(), files.iter().enumerate().map(file).collect());
        assert!(set.diagnostics.is_empty());
        let told = set.value.unused().into_iter();
        told.map(|one| format!("{} [{}]", one.message, one.help.unwrap_or_default())).collect()
    }

    #[test]
    fn names_that_were_meant_as_templates_are_known() {
        for name in ["x.yaml", "x.yaml.jinja", "x.yaml.J2", "x.YML", ".env.j2"] {
            assert!(looks_meant(name), "{name}");
        }
        for name in ["x.yaml.j2", "README.md", ".gitkeep", ".#x.yaml.j2", "._x.yaml.j2", "x.j2~", ".x.j2.swp"]
        {
            assert!(!looks_meant(name), "{name}");
        }
    }

    #[test]
    fn what_has_no_effect_is_told() {
        let told = told(&[
            ("a/x.yaml", ""),
            ("a/y.yaml.jinja", ""),
            ("a/.env.j2", ""),
            ("a/_used.j2", "{% import 'a/_deep.j2' as d %}"),
            ("a/_deep.j2", ""),
            ("a/_usde.j2", ""),
            ("b/z.md.j2", "{% include \"a/_used.j2\" ignore missing %}"),
        ]);
        assert_eq!(
            told,
            [
                "`a/x.yaml` is no template: its name does not end in `.j2` [name it `x.yaml.j2`, or move it out of the templates]",
                "`a/y.yaml.jinja` is no template: its name does not end in `.j2` [name it `y.yaml.j2`, or move it out of the templates]",
                "`a/.env.j2` makes nothing: names that begin with a dot are passed over []",
                "nothing includes `a/_usde.j2`, and a file whose name begins with `_` makes nothing by itself [did you mean `a/_used.j2`?]",
            ]
        );
    }

    #[test]
    fn names_that_are_not_written_out_may_be_any() {
        assert!(told(&[("_a.j2", ""), ("b.md.j2", "{% include '_' ~ 'a.j2' %}")]).is_empty());
        assert!(told(&[("_a.j2", ""), ("b.md.j2", "{% include [x, '_b.j2'] %}")]).is_empty());
        assert!(told(&[("_a.j2", ""), ("b.md.j2", "{% include ['_a.j2', '_b.j2'] %}")]).is_empty());
    }
}
