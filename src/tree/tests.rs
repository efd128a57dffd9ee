//! The tree as a whole: paths, signatures, plans and their differences.

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::diff::escape;
use super::signature::DIGEST;
use super::{
    Change, Entry, Existing, Medium, Plan, Seal, Signed, Tree, TreePath, Trouble, can_be_signed, sign,
    signature,
};
use crate::source::Sources;

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::new("inventory.toml");
    for (name, content) in files {
        tree.insert(path(name), *content);
    }
    tree
}

fn signed(name: &str, content: &str) -> String {
    sign(&path(name), "inventory.toml", content)
}

fn standing(files: &[(&str, Entry)]) -> Existing {
    files.iter().map(|(name, entry)| (path(name), entry.clone())).collect()
}

/// Where all texts are known.
fn compare(wanted: &Tree, existing: &Existing, force: bool) -> Plan {
    Plan::compare(wanted, existing, force, &|_| None)
}

fn text(content: impl Into<String>) -> Entry {
    Entry::File(content.into())
}

fn names<T>(map: &std::collections::BTreeMap<TreePath, T>) -> Vec<&str> {
    map.keys().map(TreePath::as_str).collect()
}

#[test]
fn paths_that_some_system_reads_differently_are_refused() {
    let long = "a".repeat(256);
    let deep = "a/".repeat(600) + "a";
    for bad in [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "./a",
        "a\\b",
        "a\0",
        "a\nb",
        "a\u{1b}[0m",
        "a\u{85}",
        "C:/a",
        "a:b",
        "a?",
        "a*",
        "a|b",
        "a\"b",
        "a<b",
        "a.",
        "a ",
        "con",
        "CON.yaml",
        "a/Nul",
        "com1.yaml",
        "LPT9",
        "COM¹",
        "aux .yaml",
        ".git",
        "a/.GIT/hooks",
        "GIT~1",
        ".bayplan-1-2.tmp",
        ".bayplan.lock",
        "a\u{202e}b",
        "a\u{200b}",
        "\u{feff}a",
        &long,
        &deep,
    ] {
        assert!(TreePath::parse(bad).is_err(), "{bad:?}");
    }
    for good in
        ["a", "apps/web/base/web.yaml", "{stack}.yaml", ".github/x", "com10", "console", "ü/é", "a b", "…"]
    {
        assert_eq!(path(good).as_str(), good);
    }
}

#[test]
fn a_path_knows_its_parts_and_cannot_climb() {
    let p = path("a/b/c.yaml");
    assert_eq!((p.name(), p.parent()), ("c.yaml", Some(path("a/b"))));
    assert_eq!(p.folders().collect::<Vec<_>>(), [path("a"), path("a/b")]);
    assert_eq!(path("a").parent(), None);
    assert_eq!(path("a").join("b/c"), Ok(path("a/b/c")));
    for bad in ["", "..", "/etc", "b/../../c"] {
        assert!(path("a").join(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn paths_order_by_component() {
    // By bytes, `a-b` would stand between `a` and what is in it.
    assert!(path("a/z") < path("a-b"));
    assert!(path("a") < path("a/b"));
}

#[test]
fn a_signature_is_one_plain_line_with_the_digest_of_the_rest() {
    let file = signed("a.yaml", "a: 1\n");
    // printf 'a: 1\n' | sha256sum
    let expected = "# Made by bayplan from inventory.toml: edit that, not this file. \
                    sha256:37b128c59f1f5097f73f82691cb519f1\na: 1\n";
    assert_eq!(file, expected);
    let markdown = signed("README.MD", "# Hi\n");
    let line = markdown.lines().next().unwrap();
    assert!(
        line.starts_with("<!-- Made by bayplan ") && line.ends_with(" -->") && line.len() < 120,
        "{line}"
    );
    assert_eq!(signature(&file), Signed::Ours);
    assert_eq!(signature(&markdown), Signed::Ours);
    assert!(!can_be_signed(&path("a.JSON")) && can_be_signed(&path("a.yaml")));
}

#[test]
fn a_first_line_that_has_to_stay_the_first_does() {
    for (name, content, wanted) in [
        ("run.sh", "#!/bin/sh\nls\n", "#!/bin/sh\n# Made by bayplan "),
        ("a.xml", "<?xml version=\"1.0\"?>\n<a/>\n", "<?xml version=\"1.0\"?>\n<!-- Made by bayplan "),
        ("a.xml", "<a/>\n", "<!-- Made by bayplan "),
        ("a.md", "---\ntitle: x\n---\n", "---\n# Made by bayplan "),
        ("a.txt", "---\nx\n", "# Made by bayplan "),
        ("a.js", "x\n", "// Made by bayplan "),
        ("a.css", "x\n", "/* Made by bayplan "),
        ("a.sql", "x\n", "-- Made by bayplan "),
        ("a.ini", "x\n", "; Made by bayplan "),
        ("a.bat", "x\n", "rem Made by bayplan "),
        ("a.rst", "x\n", ".. Made by bayplan "),
    ] {
        let file = signed(name, content);
        assert!(file.starts_with(wanted), "{file}");
        assert_eq!(
            file.lines().filter(|line| !line.contains("Made by")).collect::<Vec<_>>(),
            content.lines().collect::<Vec<_>>()
        );
        for same in
            [file.clone(), file.replace('\n', "\r\n"), format!("\u{feff}{file}"), file.trim_end().to_owned()]
        {
            assert_eq!(signature(&same), Signed::Ours, "{same:?}");
        }
        let last = content.lines().last().unwrap();
        let mut edited = vec![format!("{file}x\n"), file.replacen(&format!("\n{last}\n"), "\ny\n", 1)];
        if wanted.contains('\n') && !wanted.starts_with("---") {
            edited.push(file.replacen("in/sh", "in/bash", 1).replacen("1.0", "1.1", 1));
        }
        for edited in edited {
            assert_eq!(signature(&edited), Signed::Edited, "{edited:?}");
        }
        let wanted = tree(&[(name, content)]);
        let plan = compare(&wanted, &standing(&[(name, text(file.clone()))]), false);
        assert_eq!((names(&plan.change), plan.unchanged.len()), (vec![], 1), "{name}");
        let plan = compare(&tree(&[]), &standing(&[(name, text(file))]), false);
        assert_eq!(plan.remove.len(), 1, "{name}");
    }
}

#[test]
fn an_edit_below_a_line_that_stays_the_first_is_shown() {
    let file = signed("run.sh", "#!/bin/sh\nls\n").replace("ls", "cd");
    let plan = compare(&tree(&[("run.sh", "#!/bin/sh\nls\n")]), &standing(&[("run.sh", text(file))]), false);
    let mut sources = Sources::default();
    let found = plan.report("out", &mut sources);
    let span = found.iter().next().unwrap().primary();
    assert_eq!(sources.get(span.file).position(span.start).line, 3);
}

#[test]
fn the_origin_is_a_bare_tame_name() {
    assert_eq!(Tree::new("/home/me/x/lab.yaml").origin(), "lab.yaml");
    assert_eq!(Tree::new("C:\\x\\lab.toml").origin(), "lab.toml");
    assert_eq!(Tree::new("a\n--> sha256:b").origin(), "a-----sha256-b");
    assert!(signed("a.yaml", "").lines().next().unwrap().len() < 120);
    assert!(sign(&path("a.md"), Tree::new(&"x".repeat(999)).origin(), "").len() < 150);
}

#[test]
fn line_endings_a_mark_and_the_last_newline_do_not_count() {
    let file = signed("a.yaml", "a: 1\nb: 2\n");
    for same in [
        file.replace('\n', "\r\n"),
        format!("\u{feff}{file}"),
        file.trim_end().to_owned(),
        file.replace('\n', "\r\n").trim_end().to_owned(),
    ] {
        assert_eq!(signature(&same), Signed::Ours, "{same:?}");
    }
    assert_eq!(signature(&signed("a.yaml", "")), Signed::Ours);
    assert_eq!(signature(signed("a.yaml", "").trim_end()), Signed::Ours);
}

#[test]
fn whatever_a_person_does_to_a_file_shows() {
    let file = signed("a.yaml", "a: 1\nb: 2\n");
    for edited in [
        file.replace("b: 2", "b: 3"),
        format!("{file}\n"),
        format!("{file}c: 3\n"),
        file.replace("a: 1\n", ""),
        file.replace("a: 1\n", "a: 1\r\r\n"),
        file.replace("a: 1", "a: 1 "),
        file.replacen("sha256:", "sha256:0", 1),
        file.replacen("sha256:", "sha255:", 1),
        file.lines().next().unwrap().to_owned(),
    ] {
        assert_eq!(signature(&edited), Signed::Edited, "{edited:?}");
    }
    for foreign in ["", "\n", "a: 1\n", "# Made by hand\n", &format!("a\n{file}"), &format!(" {file}")] {
        assert_eq!(signature(foreign), Signed::Foreign, "{foreign:?}");
    }
}

#[test]
fn a_signature_cut_short_is_never_ours() {
    let file = signed("a.md", "");
    for end in 0..file.trim_end().len() {
        assert_ne!(signature(&file[..end]), Signed::Ours, "{:?}", &file[..end]);
    }
}

#[test]
fn a_plan_sorts_files_by_what_is_to_be_done() {
    let wanted =
        tree(&[("new.yaml", "n\n"), ("old.yaml", "2\n"), ("same.yaml", "s\n"), ("crlf.yaml", "a\nb\n")]);
    let existing = standing(&[
        ("old.yaml", text(signed("old.yaml", "1\n"))),
        ("same.yaml", text(signed("same.yaml", "s\n"))),
        ("crlf.yaml", text(signed("crlf.yaml", "a\nb\n").replace('\n', "\r\n"))),
        ("gone/gone.yaml", text(signed("gone/gone.yaml", "g\n"))),
        ("gone", Entry::Folder),
        ("hand.yaml", text("mine\n")),
        ("link.yaml", Entry::Symlink),
        ("pipe", Entry::Special),
        ("blob", Entry::NotUtf8),
    ]);
    for force in [false, true] {
        let plan = compare(&wanted, &existing, force);
        assert_eq!(names(&plan.create), ["new.yaml"]);
        assert_eq!(names(&plan.change), ["old.yaml"]);
        assert_eq!(names(&plan.remove), ["gone/gone.yaml"]);
        assert_eq!(
            plan.unchanged.iter().map(TreePath::as_str).collect::<Vec<_>>(),
            ["crlf.yaml", "same.yaml"]
        );
        assert!(plan.conflicts.is_empty() && plan.is_stale());
    }
}

#[test]
fn what_stands_as_wanted_is_not_stale() {
    let wanted = tree(&[("a.yaml", "a\n")]);
    let existing = standing(&[("a.yaml", text(signed("a.yaml", "a\n"))), ("b.yaml", text("mine"))]);
    let plan = compare(&wanted, &existing, false);
    assert!(!plan.is_stale());
    assert_eq!(plan.diff("out", Medium::Pipe), "");
    assert!(!compare(&Tree::new("x"), &Existing::default(), false).is_stale());
}

#[test]
fn hand_edits_are_kept_unless_forced() {
    let edited = |name| text(signed(name, "old\n").replace("old\n", "by hand\n"));
    let existing = standing(&[("a.yaml", edited("a.yaml")), ("gone.yaml", edited("gone.yaml"))]);
    let wanted = tree(&[("a.yaml", "2\n")]);
    let plan = compare(&wanted, &existing, false);
    assert_eq!(names(&plan.conflicts), ["a.yaml", "gone.yaml"]);
    assert!(plan.change.is_empty() && plan.remove.is_empty() && plan.is_stale());
    assert_eq!(plan.diff("", Medium::Pipe), "");
    let edits = plan.diff_of_edits("", Medium::Pipe);
    assert!(edits.contains("-by hand\n") && edits.contains("+2\n"), "{edits}");

    let forced = compare(&wanted, &existing, true);
    assert!(forced.conflicts.is_empty());
    assert_eq!((names(&forced.change), names(&forced.remove)), (vec!["a.yaml"], vec!["gone.yaml"]));
}

#[test]
fn only_a_stale_signature_over_the_wanted_body_is_mended() {
    let stale = signed("a.yaml", "old\n").replace("old\n", "2\n");
    let plan = compare(&tree(&[("a.yaml", "2\n")]), &standing(&[("a.yaml", text(stale))]), false);
    assert_eq!((names(&plan.change), plan.conflicts.len()), (vec!["a.yaml"], 0));
}

#[test]
fn a_file_of_somebody_else_is_never_replaced() {
    let wanted = tree(&[("a.yaml", "1\n"), ("b.yaml", "1\n")]);
    let existing = standing(&[("a.yaml", text("mine\n")), ("b.yaml", Entry::NotUtf8)]);
    for force in [false, true] {
        let plan = compare(&wanted, &existing, force);
        assert_eq!(plan.conflicts[&path("a.yaml")], Trouble::Foreign);
        assert_eq!(plan.conflicts[&path("b.yaml")], Trouble::NotText);
        assert!(plan.change.is_empty());
    }
}

#[test]
fn no_force_goes_through_links_folders_and_pipes() {
    let wanted = tree(&[
        ("dir/a.yaml", "1\n"),
        ("dir/sub/b.yaml", "1\n"),
        ("file/a.yaml", "1\n"),
        ("folder", "1\n"),
        ("link.yaml", "1\n"),
        ("pipe", "1\n"),
        ("x", "1\n"),
        ("x/y", "1\n"),
    ]);
    let existing = standing(&[
        ("dir", Entry::Symlink),
        ("file", text("f")),
        ("folder", Entry::Folder),
        ("link.yaml", Entry::Symlink),
        ("pipe", Entry::Special),
    ]);
    let plan = compare(&wanted, &existing, true);
    let expected = [
        ("dir", Trouble::Symlink),
        ("file", Trouble::FileOnTheWay),
        ("folder", Trouble::Folder),
        ("link.yaml", Trouble::Symlink),
        ("pipe", Trouble::Special),
        ("x", Trouble::WantedTwice),
    ];
    let found: Vec<_> =
        plan.conflicts.iter().map(|(path, trouble)| (path.as_str(), trouble.clone())).collect();
    assert_eq!(found, expected);
    assert_eq!((names(&plan.create), plan.change.len()), (vec!["x"], 0));
}

#[test]
fn paths_that_differ_in_case_only_are_found_in_folders_too() {
    let wanted = tree(&[("Apps/a.yaml", ""), ("apps/b.yaml", ""), ("c.yaml", ""), ("C.yaml", "")]);
    let plan = compare(&wanted, &Existing::default(), false);
    assert_eq!(plan.conflicts[&path("apps")], Trouble::CaseTwin(path("Apps")));
    assert_eq!(plan.conflicts[&path("c.yaml")], Trouble::CaseTwin(path("C.yaml")));
    assert_eq!(plan.conflicts.len(), 2);
}

#[test]
fn a_second_kustomization_is_in_the_way() {
    let wanted = tree(&[("a/kustomization.yaml", "x\n"), ("b/x.yaml", "x\n")]);
    let mut existing = Existing::default();
    for name in ["a/kustomization.yml", "a/Kustomization", "b/kustomization.yml", "kustomization.yml"] {
        existing.insert(path(name), Entry::File("resources: []\n".to_owned()));
    }
    let plan = compare(&wanted, &existing, true);
    let found: Vec<_> = plan.conflicts.iter().map(|(path, trouble)| (path.as_str(), trouble)).collect();
    let second = &Trouble::SecondKustomization;
    assert_eq!(found, [("a/Kustomization", second), ("a/kustomization.yml", second)]);
}

#[test]
fn a_finding_points_at_the_first_line_that_differs() {
    let edited = signed("a.yaml", "a: 1\nb: 2\nc: 3\n").replace("b: 2", "b: by hand");
    let wanted = tree(&[("a.yaml", "a: 1\nb: 2\nc: 4\n"), ("l.yaml", ""), ("T", ""), ("t", "")]);
    let existing = standing(&[("a.yaml", text(edited)), ("l.yaml", Entry::Symlink)]);
    let mut sources = Sources::default();
    let found = compare(&wanted, &existing, false).report("out/", &mut sources);
    let places: Vec<_> = found
        .iter()
        .map(|finding| {
            let source = sources.get(finding.primary().file);
            (finding.code.name, source.path.as_str(), source.slice(finding.primary()))
        })
        .collect();
    assert_eq!(
        places,
        [
            ("hand-edited-file", "out/a.yaml", "b: by hand"),
            ("symlink-in-tree", "out/l.yaml", ""),
            ("paths-differ-in-case-only", "out/t", ""),
        ]
    );
    assert_eq!(found.iter().map(|f| f.labels.len()).collect::<Vec<_>>(), [1, 1, 2]);
}

#[test]
fn a_diff_is_what_git_would_write() {
    let plan = Plan {
        create: [(path("a b.yaml"), "x\n".to_owned())].into(),
        change: [(
            path("c.yaml"),
            Change { before: "1\n2\n3\n4\n5\n6".into(), after: "1\n2\n3\n4\n5\n7\n".into() },
        )]
        .into(),
        remove: [(path("b.yaml"), "y\r\nz\n".to_owned())].into(),
        ..Plan::default()
    };
    let expected = "--- /dev/null\n+++ b/out/a b.yaml\t\n@@ -0,0 +1 @@\n+x\n\
                    --- a/out/b.yaml\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-y\r\n-z\n\
                    --- a/out/c.yaml\n+++ b/out/c.yaml\n@@ -3,4 +3,4 @@\n 3\n 4\n 5\n\
                    -6\n\\ No newline at end of file\n+7\n";
    assert_eq!(plan.diff("out", Medium::Pipe), expected);
    assert_eq!(plan.diff("out", Medium::Terminal), expected.replace('\r', ""));
}

#[test]
fn a_terminal_sees_no_control_characters() {
    assert_eq!(escape("a\u{1b}[31m\tb\n\r\u{7f}\u{202e}é"), "a\\u{1b}[31m\tb\n\\u{d}\\u{7f}\\u{202e}é");
}

/// Checks a diff by applying it, hunk by hunk.
fn patched(before: &str, diff: &str) -> String {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let (mut out, mut at) = (String::new(), 0);
    let mut lines = diff.split_inclusive('\n').skip(2).peekable();
    while let Some(line) = lines.next() {
        if let Some(head) = line.strip_prefix("@@ -") {
            let range = head.split(' ').next().unwrap();
            let (start, len) = range.split_once(',').unwrap_or((range, "1"));
            let start: usize = start.parse().unwrap();
            let start = if len == "0" { start } else { start - 1 };
            out.extend(old[at..start].iter().copied());
            at = start;
            continue;
        }
        let bare = lines.next_if(|next| next.starts_with('\\')).is_some();
        let body = if bare { line[1..].trim_end_matches('\n') } else { &line[1..] };
        if !line.starts_with('+') {
            assert_eq!(old[at], body);
            at += 1;
        }
        if !line.starts_with('-') {
            out.push_str(body);
        }
    }
    out.extend(old[at..].iter().copied());
    out
}

fn diff_of(before: &str, after: &str) -> String {
    let change = Change { before: before.to_owned(), after: after.to_owned() };
    Plan { change: [(path("x"), change)].into(), ..Plan::default() }.diff("", Medium::Pipe)
}

#[test]
fn a_diff_of_huge_files_is_coarse_but_right() {
    let line = |n: usize, what: &str| format!("{what} {n}\n");
    let head: String = (0..9_000).map(|n| line(n, "same")).collect();
    let one: String = (0..11_000).map(|n| line(n, "old")).collect();
    let two: String = (0..10_500).map(|n| line(n, "new")).collect();
    for (before, after) in [
        (format!("{head}{one}{head}"), format!("{head}{two}{head}")),
        (format!("{head}a\n{head}"), format!("{head}b\nc\n{head}")),
        (one.clone(), format!("{one}more\n")),
    ] {
        assert_eq!(patched(&before, &diff_of(&before, &after)), after);
    }
    assert!(diff_of(&format!("{head}a\n{head}"), &format!("{head}b\n{head}")).lines().count() < 12);
}

proptest! {
    #[test]
    fn any_text_makes_a_path_or_an_error(text in any::<String>()) {
        if let Ok(path) = TreePath::parse(&text) {
            prop_assert!(path.components().all(|c| !c.is_empty() && c != "." && c != ".." && !c.contains('\0')));
            prop_assert_eq!(TreePath::parse(path.as_str()), Ok(path));
        }
    }

    #[test]
    fn what_is_signed_is_ours_and_stays_so_with_crlf(content in "([a-z:é ]{0,6}\n){0,6}[a-z]{0,3}") {
        let file = signed("a.yaml", &content);
        prop_assert_eq!(signature(&file), Signed::Ours);
        prop_assert_eq!(signature(&file.replace('\n', "\r\n")), Signed::Ours);
    }

    #[test]
    fn any_text_has_a_signature_or_none(text in any::<String>(), cut in 0usize..200) {
        prop_assert_eq!(signature(&text), Signed::Foreign);
        let file = signed("a.yaml", &text);
        let start = &file[..file.floor_char_boundary(cut)];
        prop_assert!(start.contains(DIGEST) || signature(start) != Signed::Ours);
    }

    #[test]
    fn a_diff_patches_one_text_into_the_other(
        before in "([ab]\r?\n){0,12}[ab]?", after in "([ab]\r?\n){0,12}[ab]?",
    ) {
        if before != after {
            prop_assert_eq!(patched(&before, &diff_of(&before, &after)), after);
        }
    }

    #[test]
    fn what_is_known_by_its_seal_is_compared_as_all_of_its_text_would_be(
        wanted in proptest::collection::btree_map("[ab](/[ab])?", "[xy\r\n]{0,3}", 0..5),
        stands in proptest::collection::btree_map("[ab](/[ab])?", ("[xy\r\n]{0,3}", 0..7usize), 0..5),
        force: bool,
    ) {
        let pairs: Vec<(&str, &str)> = wanted.iter().map(|(p, c)| (p.as_str(), c.as_str())).collect();
        let tree = tree(&pairs);
        let as_it_stands = |(name, (content, change)): (&String, &(String, usize))| {
            let ours = signed(name, content);
            let file = match change {
                0 => ours.replace('\n', "\r\n"),
                1 => format!("\u{feff}{ours}"),
                2 => ours.trim_end_matches('\n').to_owned(),
                3 => ours + "z\n",
                4 => sign(&path(name), "other.toml", content),
                5 => content.clone(),
                _ => ours,
            };
            (path(name), file)
        };
        let texts: std::collections::BTreeMap<TreePath, String> = stands.iter().map(as_it_stands).collect();
        let whole: Existing = texts.iter().map(|(path, file)| (path.clone(), text(file))).collect();
        let sealed: Existing = texts.iter().map(|(path, file)| {
            (path.clone(), Seal::of(file).map_or_else(|| text(file), Entry::Ours))
        }).collect();
        let read = |path: &TreePath| texts.get(path).cloned();
        prop_assert_eq!(
            Plan::compare(&tree, &sealed, force, &read),
            compare(&tree, &whole, force)
        );
    }

    #[test]
    fn a_plan_done_is_a_plan_with_nothing_to_do(
        wanted in proptest::collection::btree_map("[ab](/[ab]){0,2}", "[xy\n]{0,4}", 0..5),
        stands in proptest::collection::btree_map("[ab](/[ab]){0,2}", "[xy\n]{0,4}", 0..5),
    ) {
        let pairs: Vec<(&str, &str)> = wanted.iter().map(|(p, c)| (p.as_str(), c.as_str())).collect();
        let tree = tree(&pairs);
        let mut existing: Existing =
            stands.iter().map(|(name, content)| (path(name), text(signed(name, content)))).collect();
        let plan = compare(&tree, &existing, false);
        if plan.conflicts.is_empty() {
            existing = existing.iter().filter(|(p, _)| !plan.remove.contains_key(*p))
                .map(|(p, e)| (p.clone(), e.clone())).collect();
            for (path, after) in &plan.create { existing.insert(path.clone(), Entry::File(after.clone())); }
            for (path, change) in &plan.change { existing.insert(path.clone(), Entry::File(change.after.clone())); }
            prop_assert!(!compare(&tree, &existing, false).is_stale());
        }
    }
}
