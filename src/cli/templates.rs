//! `bayplan templates`: what there is, and how to make it your own.

use anyhow::{Context, Result, bail};
use bayplan::report::visible;
use bayplan::template::{Origin, builtin::BUILTIN};
use bayplan::tree::TreePath;
use bayplan::{diagnostic::nearest, templates};

use super::args::Input;
use super::inputs;
use super::{Exit, print, say};
use crate::disk::write_new;

/// Lists every template and where it comes from.
pub fn list(input: &Input) -> Result<Exit> {
    let mut inputs = match inputs::find(input) {
        Ok(found) => inputs::read(&found, input)?,
        // Without an inventory there are still the built-in ones.
        Err(_) if input.inventory.is_none() => bayplan::Inputs::new("inventory.toml", ""),
        Err(error) => return Err(error),
    };
    let set = templates(&mut inputs).value;
    let width = set.list().map(|template| template.path.len()).max().unwrap_or(0);
    let mut lines = String::new();
    for template in set.list() {
        let origin = match template.origin {
            Origin::BuiltIn if ejected(&inputs, template.path) => "yours, as built in",
            Origin::BuiltIn => "built in",
            Origin::Replaced => "replaced by yours",
            Origin::Own => "yours",
        };
        let partial = if template.partial { ", for others to include" } else { "" };
        lines.push_str(&format!("{:<width$}  {origin}{partial}\n", visible(template.path)));
    }
    print(&lines)?;
    Ok(Exit::Clean)
}

/// Whether there is a file of the user's that says what the built-in one says.
fn ejected(inputs: &bayplan::Inputs, path: &str) -> bool {
    inputs.templates.iter().any(|(own, _)| own.as_str() == path)
}

/// Copies a built-in template into the user's folder.
pub fn eject(path: &str, input: &Input, quiet: bool) -> Result<Exit> {
    let Some((path, text)) = BUILTIN.iter().find(|(known, _)| *known == path) else {
        let near = nearest(path, BUILTIN.iter().map(|(known, _)| *known));
        match near {
            Some(near) => bail!("there is no built-in template `{path}`; did you mean `{near}`?"),
            None => bail!("there is no built-in template `{path}`; `bayplan templates list` shows them"),
        }
    };
    let folder = match (&input.templates, inputs::find(input)) {
        (Some(folder), _) => folder.clone(),
        (None, found) => found?.folder.join("templates"),
    };
    let target = TreePath::parse(path).with_context(|| format!("cannot write `{path}`"))?;
    if !write_new(&folder, &target, text)? {
        bail!("`{}/{path}` is already there, and is kept", folder.display());
    }
    say(quiet, &format!("{}/{path}: yours from now on", folder.display()));
    Ok(Exit::Clean)
}
