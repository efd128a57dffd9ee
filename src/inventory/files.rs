//! Files beside the inventory that it names: which they are, and what they say. Reading them is not done here.

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostics;
use crate::inventory::value::Text;
use crate::inventory::{Inventory, TOO_MUCH, Tables};
use crate::source::{FileId, Source};

/// What the files of all dashboards may come to: those of a stack are there once for the defaults and once for each
/// environment.
pub const DASHBOARDS_LIMIT: usize = 64 << 20;

/// What was read of the files that an inventory names; what could not be read has a reason.
#[derive(Clone, Debug, Default)]
pub struct Files(BTreeMap<String, Result<(FileId, Source), String>>);

impl Files {
    /// Adds a file by the path that the inventory gives, or why it cannot be read.
    pub fn add(&mut self, path: &str, file: Result<(FileId, Source), String>) {
        self.0.insert(path.to_owned(), file);
    }

    /// A file, with its number among all that were read.
    ///
    /// # Errors
    ///
    /// If its path leads out of the inventory's folder, or it could not be read.
    pub fn get(&self, path: &str) -> Result<(FileId, &Source), String> {
        if let Some(fault) = path_fault(path) {
            return Err(fault.to_owned());
        }
        match self.0.get(path) {
            Some(Ok((file, source))) => Ok((*file, source)),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err("it is not there".to_owned()),
        }
    }
}

/// Reports dashboards that are too much, taken together. Whether they are not.
pub fn check(inventory: &Inventory, found: &mut Diagnostics) -> bool {
    let tables = &inventory.tables;
    let everywhere = tables.environments.len() + 1;
    let of_stacks = tables.stacks.values().map(|entry| (everywhere, &entry.value));
    let changed = tables.environments.values().flat_map(|environment| environment.stacks.values());
    let stacks = of_stacks.chain(changed.map(|entry| (1, &entry.value)));
    let dashboards = stacks.flat_map(|(times, stack)| {
        let files = stack.dashboards.values().filter_map(|dashboard| dashboard.value.on()?.file.as_ref());
        files.map(move |file| (times, file))
    });
    let mut taken = 0usize;
    for (times, path) in dashboards {
        let size = inventory.files.get(path).map_or(0, |(_, source)| source.text.len());
        taken = taken.saturating_add(size.saturating_mul(times));
        if taken > DASHBOARDS_LIMIT {
            let limit = DASHBOARDS_LIMIT >> 20;
            let message = format!(
                "the dashboards of all stacks and environments are more than the limit of {limit} MiB"
            );
            let help =
                "leave dashboards out, or split the inventory in two, each with an output folder of its own";
            found.push(TOO_MUCH.at(path.span, "more than the limit with this one", message).help(help));
            return false;
        }
    }
    true
}

/// The paths that an inventory names, each once, as far as they stay below its folder.
pub fn wanted(tables: &Tables) -> Vec<String> {
    let of_stacks = tables.stacks.values().map(|entry| &entry.value);
    let changed = tables.environments.values().flat_map(|environment| environment.stacks.values());
    let stacks = of_stacks.chain(changed.map(|entry| &entry.value));
    let dashboards = stacks.flat_map(|stack| stack.dashboards.values());
    let dashboards = dashboards.filter_map(|dashboard| dashboard.value.on()?.file.as_ref());
    let values = tables.charts.values().filter_map(|chart| chart.value.values_file.as_ref());
    let files = dashboards.chain(values).map(|file: &Text| file.value.clone());
    let mut paths: Vec<String> = files.filter(|path| path_fault(path).is_none()).collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Why a path cannot name a file beside the inventory.
fn path_fault(path: &str) -> Option<&'static str> {
    let strange = |part: &str| part.is_empty() || part == "." || part == "..";
    if path.contains(['\\', ':', '\0', '$']) {
        Some("only plain names and `/` make a path")
    } else if path.starts_with('/') {
        Some("it must be relative to the inventory's folder")
    } else if path.split('/').any(strange) {
        Some("it must not lead out of the inventory's folder, and has no empty part")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::path_fault;

    #[test]
    fn paths_stay_below_the_folder() {
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a\\b", "C:x", "${a.b}"] {
            assert!(path_fault(bad).is_some(), "{bad}");
        }
        assert_eq!(path_fault("dashboards/plex.json"), None);
    }
}
