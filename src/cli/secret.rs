//! `bayplan secret`: what secrets there are, and a form to fill in.

use anyhow::{Result, anyhow, bail};
use bayplan::check::secret_files::wanted;
use bayplan::model::Model;
use bayplan::secret::{choose, objects, refused, table, template as form};
use bayplan::tree::{Entry, TreePath};
use bayplan::{Inputs, catalog, model, report};
use serde_json::json;

use super::args::{Input, Listing, Output};
use super::{Exit, inputs, print, tell};
use crate::disk::read_existing;

/// The model, whatever is wrong with it elsewhere. Findings are told only if there is none.
fn read(inputs: &Inputs) -> Result<Model> {
    let outcome = model(inputs);
    outcome.value.ok_or_else(|| {
        let style = report::Style::default();
        let text = report::render(
            report::Format::Text,
            &outcome.diagnostics,
            &inputs.sources,
            catalog::codes(),
            style,
        );
        tell(&text);
        anyhow!("the inventory cannot be read")
    })
}

/// Lists every secret in every environment.
///
/// # Errors
///
/// If the inventory or the tree cannot be read.
pub fn list(input: &Input, output: &Output, format: Listing) -> Result<Exit> {
    let place = inputs::find(input)?;
    let model = read(&inputs::read(&place, input)?)?;
    let existing = read_existing(&output.out.clone().unwrap_or_else(|| place.folder.join("out")))?;
    let there = |path: &str| {
        let path = TreePath::parse(path);
        path.is_ok_and(|path| matches!(existing.get(&path), Some(Entry::File(_) | Entry::Ours(_))))
    };
    let all = wanted(&model);
    print(&match format {
        Listing::Text => table(&all, there),
        Listing::Json => format!("{:#}\n", json!({ "version": 1, "secrets": objects(&all, there) })),
    })?;
    Ok(Exit::Clean)
}

/// Prints a secret in clear text, with values to fill in.
///
/// # Errors
///
/// If there is no such secret, or several.
pub fn template(name: &str, environment: Option<&str>, input: &Input, output: &Output) -> Result<Exit> {
    let place = inputs::find(input)?;
    let model = read(&inputs::read(&place, input)?)?;
    let out = output.out.clone().unwrap_or_else(|| place.folder.join("out"));
    let all = wanted(&model);
    match choose(&all, name, environment) {
        Ok(one) => {
            if let Some(why) = refused(one) {
                bail!("{why}");
            }
            print(&form(one, &out.display().to_string()))?;
        }
        Err(why) => bail!("{why}"),
    }
    Ok(Exit::Clean)
}
