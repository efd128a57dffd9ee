//! The house: a file imports from lower floors only, and rooms on one floor do not import one another.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, floor by floor, from the bottom. A room is a file or folder directly under `src/`.
pub const FLOORS: &[&[&str]] = &[
    &["source", "address", "duration", "quantity", "progress", "spelling"],
    &["cron", "pattern", "diagnostic"],
    &["object"],
    &["tree", "inventory"],
    &["model"],
    &["check", "template"],
    &["render", "secret"],
    &["catalog", "report"],
    &["export", "ip"],
    &["lib"],
    &["disk"],
    &["cli"],
    &["main"],
];

#[test]
fn every_room_has_its_floor() {
    let rooms: Vec<String> = files().into_iter().map(|file| room(&file)).collect();
    for room in &rooms {
        assert!(floor(room).is_some(), "src/{room} is on no floor: add it to FLOORS");
    }
    for room in FLOORS.iter().copied().flatten() {
        assert!(rooms.iter().any(|found| found == room), "there is no room {room}");
    }
}

#[test]
fn imports_go_down() {
    let mut faults: BTreeMap<String, usize> = BTreeMap::new();
    let mut count = 0;
    for file in files() {
        let from = room(&file);
        for import in imports(&fs::read_to_string(&file).unwrap()) {
            count += 1;
            if import != from && floor(&import) >= floor(&from) {
                *faults.entry(format!("src/{} imports {import}", shown(&file))).or_default() += 1;
            }
        }
    }
    assert!(count > 100, "only {count} imports were found");
    assert!(faults.is_empty(), "imports that go up or sideways: {faults:#?}");
}

fn shown(file: &Path) -> String {
    file.strip_prefix(source_folder()).unwrap().display().to_string()
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Every Rust file under `src/`.
fn files() -> Vec<PathBuf> {
    let mut folders = vec![source_folder()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The first part of a path under `src/`, without its ending.
fn room(file: &Path) -> String {
    let path = file.strip_prefix(source_folder()).unwrap();
    let first = path.iter().next().unwrap().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The rooms that a file names after `crate::` or, in the program, `bayplan::`; macros are taken by their room.
fn imports(text: &str) -> Vec<String> {
    let code: String = text
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//"))
        .flat_map(|line| [line, " "])
        .collect();
    let mut rooms = Vec::new();
    for start in ["crate::", "bayplan::"] {
        for rest in code.split(start).skip(1) {
            rooms.extend(names(rest).into_iter().map(|name| place(&name)));
        }
    }
    rooms
}

/// The first names of a path, or of each path in braces.
fn names(rest: &str) -> Vec<String> {
    let first = |path: &str| -> String {
        path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(group) = rest.strip_prefix('{') else { return vec![first(rest)] };
    let (mut depth, mut paths) = (0, vec![String::new()]);
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => paths.push(String::new()),
            '{' => depth += 1,
            '}' => depth -= 1,
            c if depth == 0 => paths.last_mut().unwrap().push(c),
            _ => {}
        }
    }
    paths.iter().map(|path| first(path)).filter(|name| !name.is_empty()).collect()
}

/// The room that a name at the crate's root lives in.
fn place(name: &str) -> String {
    match name {
        "record" | "choice" | "short_form" => "inventory".to_owned(),
        name if floor(name).is_some() => name.to_owned(),
        _ => "lib".to_owned(),
    }
}

#[test]
fn imports_are_read() {
    let text = "use crate::{check, model::{self, Model}, record};\nuse crate::tree::Tree;\n// crate::cli\nlet x = crate::compile();";
    assert_eq!(imports(text), ["check", "model", "inventory", "tree", "lib"]);
}
