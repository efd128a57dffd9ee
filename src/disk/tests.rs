use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use tempfile::{TempDir, tempdir};

use bayplan::tree::{Entry, Medium, Plan, Tree, TreePath, Trouble, sign};

use super::{
    Lock, MAX_INVENTORY, MAX_OURS, Report, apply, read_again, read_existing, read_templates, read_text,
};

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

fn compare(out: &Path, wanted: &Tree) -> Plan {
    compare_forcing(wanted, out, false)
}

fn compare_forcing(wanted: &Tree, out: &Path, force: bool) -> Plan {
    let read = |path: &TreePath| read_again(out, path).unwrap();
    Plan::compare(wanted, &read_existing(out).unwrap(), force, &read)
}

fn render(out: &Path, wanted: &Tree) -> anyhow::Result<Report> {
    let lock = Lock::take(out)?;
    let plan = compare(out, wanted);
    assert!(plan.conflicts.is_empty(), "{:?}", plan.conflicts);
    apply(&lock, &plan)
}

fn put(out: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let target = out.join(name);
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::write(&target, text).unwrap();
    target
}

/// Every path below a folder with its content; folders end in a slash.
fn snapshot(out: &Path) -> Vec<(String, Vec<u8>)> {
    fn walk(at: &Path, root: &Path, found: &mut Vec<(String, Vec<u8>)>) {
        for entry in fs::read_dir(at).unwrap() {
            let entry = entry.unwrap();
            let name = entry.path().strip_prefix(root).unwrap().display().to_string();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                found.push((format!("{name}/"), Vec::new()));
                walk(&entry.path(), root, found);
            } else if kind.is_file() {
                found.push((name, fs::read(entry.path()).unwrap()));
            } else {
                found.push((format!("{name}@"), Vec::new()));
            }
        }
    }
    let mut found = Vec::new();
    walk(out, out, &mut found);
    found.sort();
    found
}

fn names(out: &Path) -> Vec<String> {
    snapshot(out).into_iter().map(|(name, _)| name).collect()
}

/// The output folder of a fresh temporary folder.
fn fresh() -> (TempDir, PathBuf) {
    let dir = tempdir().unwrap();
    let out = dir.path().join("out");
    (dir, out)
}

#[test]
fn a_tree_is_written_changed_and_pruned() {
    let (_dir, out) = fresh();
    let first = tree(&[("README.md", "# Hi\n"), ("apps/a/x.yaml", "x: 1\n"), ("apps/b/y.yaml", "y: 1\n")]);
    let report = render(&out, &first).unwrap();
    assert_eq!(report, Report { created: 3, ..Report::default() });
    assert_eq!(fs::read_to_string(out.join("apps/a/x.yaml")).unwrap(), signed("apps/a/x.yaml", "x: 1\n"));

    put(&out, "apps/a/sealed.yaml", "mine: 1\n");
    let second = tree(&[("README.md", "# Ho\n"), ("apps/c/z.yaml", "z: 1\n")]);
    let report = render(&out, &second).unwrap();
    // `apps/b` held nothing else; `apps/a` still holds what a person put there.
    assert_eq!(report, Report { created: 1, changed: 1, removed: 2, unchanged: 0, folders_removed: 1 });
    assert_eq!(
        names(&out),
        ["README.md", "apps/", "apps/a/", "apps/a/sealed.yaml", "apps/c/", "apps/c/z.yaml"]
    );
    let report = render(&out, &tree(&[])).unwrap();
    assert_eq!((report.removed, report.folders_removed), (2, 1));
    assert_eq!(names(&out), ["apps/", "apps/a/", "apps/a/sealed.yaml"]);
}

#[test]
fn folders_emptied_one_in_another_all_go() {
    let (_dir, out) = fresh();
    render(&out, &tree(&[("a/b/c/1.yaml", ""), ("a/b/2.yaml", ""), ("a/d/3.yaml", "")])).unwrap();
    let report = render(&out, &tree(&[])).unwrap();
    assert_eq!((report.removed, report.folders_removed), (3, 4));
    assert!(names(&out).is_empty());
}

#[cfg(unix)]
#[test]
fn a_second_run_touches_nothing() {
    use std::os::unix::fs::MetadataExt;
    let (_dir, out) = fresh();
    let wanted = tree(&[("a.yaml", "a: 1\n"), ("b/c.yaml", "c: 1\n"), ("b/d.yaml", "d: 1\n")]);
    render(&out, &wanted).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for name in ["a.yaml", "b/c.yaml", "b/d.yaml"] {
        fs::File::options().write(true).open(out.join(name)).unwrap().set_modified(long_ago).unwrap();
    }
    // As Git checks out on Windows: the same file.
    let crlf = signed("b/d.yaml", "d: 1\n").replace('\n', "\r\n");
    put(&out, "b/d.yaml", &crlf);
    let facts = |name: &str| {
        let found = fs::metadata(out.join(name)).unwrap();
        (found.ino(), found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec())
    };
    let all = ["a.yaml", "b/c.yaml", "b/d.yaml", "b", "."];
    let before = all.map(facts);
    assert_eq!(render(&out, &wanted).unwrap(), Report { unchanged: 3, ..Report::default() });
    assert_eq!(all.map(facts), before);
    // One file changes, the others stay.
    render(&out, &tree(&[("a.yaml", "a: 2\n"), ("b/c.yaml", "c: 1\n"), ("b/d.yaml", "d: 1\n")])).unwrap();
    assert_ne!(facts("a.yaml").0, before[0].0);
    assert_eq!([facts("b/c.yaml"), facts("b/d.yaml")], [before[1], before[2]]);
}

#[cfg(unix)]
#[test]
fn files_are_readable_as_the_umask_has_it() {
    use std::os::unix::fs::PermissionsExt;
    let (_dir, out) = fresh();
    render(&out, &tree(&[("a/b.yaml", "")])).unwrap();
    let plain = put(&out, "a/plain", "");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&out.join("a/b.yaml")), mode(&plain));
}

#[test]
fn hand_edited_and_foreign_files_stay_as_they_are() {
    let (_dir, out) = fresh();
    render(&out, &tree(&[("a.yaml", "a: 1\n")])).unwrap();
    let by_hand = signed("a.yaml", "a: 1\n") + "b: by hand\n";
    put(&out, "a.yaml", &by_hand);
    put(&out, "b.yaml", "mine: 1\n");
    put(&out, "c.yaml", b"\xff\xfe");
    let wanted =
        tree(&[("a.yaml", "a: 2\n"), ("b.yaml", "b: 1\n"), ("c.yaml", "c: 1\n"), ("d.yaml", "d: 1\n")]);
    let plan = compare(&out, &wanted);
    let troubles: Vec<_> = plan.conflicts.keys().map(TreePath::as_str).collect();
    assert_eq!(troubles, ["a.yaml", "b.yaml", "c.yaml"]);
    let lock = Lock::take(&out).unwrap();
    apply(&lock, &plan).unwrap();
    assert_eq!(names(&out), ["a.yaml", "b.yaml", "c.yaml", "d.yaml"]);
    assert_eq!(fs::read_to_string(out.join("a.yaml")).unwrap(), by_hand);
    assert_eq!(fs::read_to_string(out.join("b.yaml")).unwrap(), "mine: 1\n");

    let forced = compare_forcing(&wanted, &out, true);
    assert_eq!(apply(&lock, &forced).unwrap(), Report { changed: 1, unchanged: 1, ..Report::default() });
    let troubles: Vec<_> = forced.conflicts.keys().map(TreePath::as_str).collect();
    assert_eq!(troubles, ["b.yaml", "c.yaml"]);
    assert_eq!(fs::read_to_string(out.join("b.yaml")).unwrap(), "mine: 1\n");
}

#[test]
fn other_peoples_files_are_told_apart() {
    let (_dir, out) = fresh();
    for name in ["mine.yaml", "sub/blob.bin", ".git/config", "odd:name.yaml", "CON"] {
        put(&out, name, "x".repeat(100));
    }
    put(&out, ".git/ours.yaml", signed("x.yaml", ""));
    put(&out, "huge.yaml", "x".repeat((8 << 20) + 1));
    let existing = read_existing(&out).unwrap();
    let unread: Vec<&str> = existing.unread().map(|(path, _)| path).collect();
    assert_eq!(unread, ["huge.yaml", "CON", "odd:name.yaml"]);
    let hand_written: Vec<&str> = existing.hand_written().map(|(path, _)| path.as_str()).collect();
    assert_eq!(hand_written, ["mine.yaml", "sub/blob.bin"]);
    assert_eq!(existing.get(&path("huge.yaml")), Some(&Entry::TooLarge));
    assert_eq!(existing.iter().count(), 4, "{existing:?}");
}

#[test]
fn an_absurdly_large_file_is_not_read() {
    let (_dir, out) = fresh();
    for name in ["a.yaml", "b.yaml"] {
        let target = put(&out, name, signed("a.yaml", ""));
        fs::File::options().write(true).open(target).unwrap().set_len(MAX_OURS + 1).unwrap();
    }
    let existing = read_existing(&out).unwrap();
    assert_eq!(existing.get(&path("a.yaml")), Some(&Entry::TooLarge));
    assert_eq!(existing.get(&path("b.yaml")), Some(&Entry::TooLarge));
}

#[cfg(unix)]
mod links {
    use super::{
        Lock, Path, Trouble, apply, compare, compare_forcing, fresh, fs, names, put, read_existing, render,
        signed, tree,
    };
    use std::os::unix::fs::symlink;

    #[test]
    fn no_link_in_the_tree_is_followed() {
        let (dir, out) = fresh();
        let outside = dir.path().join("outside");
        put(&outside, "victim.yaml", signed("victim.yaml", "old: 1\n"));
        fs::create_dir_all(&out).unwrap();
        symlink(&outside, out.join("apps")).unwrap();
        symlink(outside.join("victim.yaml"), out.join("top.yaml")).unwrap();
        symlink(outside.join("new.yaml"), out.join("dangling.yaml")).unwrap();
        let wanted =
            tree(&[("apps/victim.yaml", "a: 1\n"), ("top.yaml", "t: 1\n"), ("dangling.yaml", "d: 1\n")]);
        for force in [false, true] {
            let plan = compare_forcing(&wanted, &out, force);
            assert_eq!(plan.conflicts.values().collect::<Vec<_>>(), [&Trouble::Symlink; 3]);
            assert!(plan.create.is_empty() && plan.change.is_empty() && plan.remove.is_empty());
        }
        assert_eq!(names(&outside), ["victim.yaml"]);
    }

    /// The link comes after the comparison: only the descriptors stand in its way now.
    #[test]
    fn a_link_put_in_the_way_later_leads_nowhere() {
        let (dir, out) = fresh();
        let outside = dir.path().join("outside");
        let victim = put(&outside, "x.yaml", signed("x.yaml", "x: 1\n"));
        render(&out, &tree(&[("apps/x.yaml", "x: 1\n"), ("keep.yaml", "")])).unwrap();
        for wanted in [
            tree(&[("apps/x.yaml", "x: 2\n")]),
            tree(&[("apps/x.yaml", "x: 1\n"), ("apps/new.yaml", "")]),
            tree(&[("apps/sub/new.yaml", "")]),
            tree(&[]),
        ] {
            let lock = Lock::take(&out).unwrap();
            let plan = compare(&out, &wanted);
            fs::rename(out.join("apps"), out.join("moved")).unwrap();
            symlink(&outside, out.join("apps")).unwrap();
            let error = apply(&lock, &plan).unwrap_err();
            assert!(format!("{error:#}").starts_with("nothing was changed in `"), "{error:#}");
            assert_eq!(names(&outside), ["x.yaml"]);
            assert_eq!(fs::read_to_string(&victim).unwrap(), signed("x.yaml", "x: 1\n"));
            assert_eq!(names(&out), ["apps@", "keep.yaml", "moved/", "moved/x.yaml"]);
            fs::remove_file(out.join("apps")).unwrap();
            fs::rename(out.join("moved"), out.join("apps")).unwrap();
        }
    }

    #[test]
    fn an_output_folder_that_is_a_link_is_refused() {
        let (dir, out) = fresh();
        fs::create_dir(dir.path().join("real")).unwrap();
        symlink("real", &out).unwrap();
        symlink("nowhere", dir.path().join("dangling")).unwrap();
        let slash = Path::new(&format!("{}/", out.display())).to_owned();
        for root in [&out, &slash, &dir.path().join("dangling")] {
            assert!(format!("{:#}", Lock::take(root).err().unwrap()).contains("is a symbolic link"));
            assert!(read_existing(root).is_err());
        }
        assert!(names(&dir.path().join("real")).is_empty());
    }

    #[test]
    fn a_planted_link_with_the_name_of_a_staged_file_is_not_written_through() {
        let (dir, out) = fresh();
        fs::create_dir_all(&out).unwrap();
        symlink(dir.path().join("victim"), out.join(super::super::apply::staged_name(0))).unwrap();
        assert!(render(&out, &tree(&[("a.yaml", "a: 1\n")])).is_err());
        assert!(!dir.path().join("victim").exists() && !out.join("a.yaml").exists());
    }

    #[test]
    fn a_template_that_is_a_link_is_an_error() {
        let (dir, _) = fresh();
        symlink("/etc/hostname", dir.path().join("a.yaml.j2")).unwrap();
        let error = super::read_templates(dir.path()).unwrap_err();
        assert!(format!("{error:#}").contains("a.yaml.j2` is a symbolic link"), "{error:#}");
    }
}

#[test]
fn what_a_killed_run_staged_is_removed_by_the_next() {
    let (_dir, out) = fresh();
    let wanted = tree(&[("a/b.yaml", "b: 1\n")]);
    render(&out, &wanted).unwrap();
    put(&out, "a/.bayplan-123-0.tmp", "half");
    put(&out, "z/.bayplan-123-1.tmp", "");
    put(&out, "a/.bayplan-notes.tmp", "a person's");
    assert!(!compare(&out, &wanted).is_stale());
    render(&out, &wanted).unwrap();
    assert_eq!(names(&out), ["a/", "a/.bayplan-notes.tmp", "a/b.yaml", "z/"]);
}

/// A kill between two renames: some files new, the rest staged. The next run ends where this one would have.
#[test]
fn a_run_killed_between_renames_is_healed_by_the_next() {
    let (_dir, out) = fresh();
    let old = tree(&[("a.yaml", "1\n"), ("b.yaml", "1\n"), ("gone.yaml", "1\n")]);
    let new = tree(&[("a.yaml", "2\n"), ("b.yaml", "2\n"), ("c.yaml", "2\n")]);
    for renamed in 0..=3 {
        let _ = fs::remove_dir_all(&out);
        render(&out, &old).unwrap();
        for (n, (path, content)) in new.iter().enumerate() {
            let name = if n < renamed { path.to_string() } else { format!(".bayplan-77-{n}.tmp") };
            put(&out, &name, signed(path.as_str(), content));
        }
        render(&out, &new).unwrap();
        assert_eq!(names(&out), ["a.yaml", "b.yaml", "c.yaml"]);
        assert!(!compare(&out, &new).is_stale());
    }
}

#[test]
fn a_failure_while_staging_leaves_everything_as_it_was() {
    let (_dir, out) = fresh();
    render(&out, &tree(&[("a.yaml", "1\n"), ("gone.yaml", "1\n")])).unwrap();
    let lock = Lock::take(&out).unwrap();
    let plan = compare(&out, &tree(&[("a.yaml", "2\n"), ("new/sub/b.yaml", "1\n"), ("z/c.yaml", "1\n")]));
    // A file where the plan counts on making a folder: fails even for root, whom no mode stops.
    put(&out, "z", "in the way");
    let before = snapshot(&out);
    let error = apply(&lock, &plan).unwrap_err();
    assert!(format!("{error:#}").contains("z/c.yaml"), "{error:#}");
    assert_eq!(snapshot(&out), before);
}

#[test]
fn a_file_saved_after_the_comparison_is_not_overwritten() {
    let (_dir, out) = fresh();
    let old = tree(&[("a.yaml", "1\n"), ("gone.yaml", "1\n")]);
    for meddle in ["a.yaml", "gone.yaml", "new.yaml"] {
        let _ = fs::remove_dir_all(&out);
        render(&out, &old).unwrap();
        let lock = Lock::take(&out).unwrap();
        let plan = compare(&out, &tree(&[("a.yaml", "2\n"), ("new.yaml", "1\n")]));
        put(&out, meddle, "saved meanwhile\n");
        let before = snapshot(&out);
        let error = apply(&lock, &plan).unwrap_err();
        assert!(format!("{error:#}").contains(&format!("{meddle}` was changed by somebody")), "{error:#}");
        assert_eq!(snapshot(&out), before);
    }
}

/// Modes stop nobody who is root: there, this test can only see that the run succeeds.
#[cfg(unix)]
#[test]
fn a_folder_without_permission_leaves_everything_as_it_was() {
    use std::os::unix::fs::PermissionsExt;
    let (_dir, out) = fresh();
    render(&out, &tree(&[("a.yaml", "1\n"), ("z/b.yaml", "1\n"), ("y/gone.yaml", "1\n")])).unwrap();
    for (closed, wanted) in [
        ("z", tree(&[("a.yaml", "2\n"), ("z/b.yaml", "2\n"), ("y/gone.yaml", "1\n")])),
        ("y", tree(&[("a.yaml", "2\n"), ("z/b.yaml", "1\n")])),
    ] {
        let before = snapshot(&out);
        let mode = |mode| fs::set_permissions(out.join(closed), fs::Permissions::from_mode(mode)).unwrap();
        mode(0o555);
        let is_root = fs::write(out.join(closed).join("probe"), "").is_ok();
        let _ = fs::remove_file(out.join(closed).join("probe"));
        let result = if is_root { Ok(Report::default()) } else { render(&out, &wanted) };
        mode(0o755);
        if !is_root {
            assert!(format!("{:#}", result.unwrap_err()).starts_with("nothing was changed"));
        }
        assert_eq!(snapshot(&out), before);
    }
}

#[test]
fn one_run_at_a_time_and_nothing_lies_about() {
    let (_dir, out) = fresh();
    let lock = Lock::take(&out).unwrap();
    let error = Lock::take(&out).err().unwrap();
    assert!(format!("{error:#}").contains("another bayplan is writing to"), "{error:#}");
    assert!(names(&out).is_empty());
    drop(lock);
    // Nothing came into the folder, so it is gone again.
    assert!(!out.exists());
    render(&out, &tree(&[("a.yaml", "")])).unwrap();
    assert_eq!(names(&out), ["a.yaml"]);
    Lock::take(&out).unwrap();
}

#[test]
fn a_file_in_place_of_the_output_folder_is_an_error() {
    let (_dir, out) = fresh();
    fs::write(&out, "").unwrap();
    let error = Lock::take(&out).err().unwrap();
    assert!(format!("{error:#}").ends_with("is not a folder"), "{error:#}");
}

#[test]
fn git_applies_the_diff_and_gets_what_render_writes() {
    let (dir, out) = fresh();
    let git = |args: &[&str]| Command::new("git").args(args).current_dir(dir.path()).status();
    if git(&["init", "-q"]).is_err() {
        return; // Without Git there is nothing to hold this against.
    }
    render(
        &out,
        &tree(&[("a.yaml", "1\n2\n3\n4\n5\n6\n7\n8\n9\n"), ("sub/b.yaml", "b\n"), ("c d.yaml", "c\n")]),
    )
    .unwrap();
    let wanted =
        tree(&[("a.yaml", "1\n2\nthree\n4\n5\n6\n7\n8\n9"), ("c d.yaml", "d\n"), ("new/é.yaml", "n\n")]);
    let diff = compare(&out, &wanted).diff("out", Medium::Pipe);
    fs::write(dir.path().join("patch"), &diff).unwrap();
    assert!(git(&["apply", "patch"]).unwrap().success(), "{diff}");
    assert!(!compare(&out, &wanted).is_stale());
    assert_eq!(names(&out), ["a.yaml", "c d.yaml", "new/", "new/é.yaml"]);
}

#[test]
fn text_is_read_or_the_error_says_why_not() {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let fails = |name: &str, limit| format!("{:#}", read_text(&at(name), limit).unwrap_err());
    put(dir.path(), "good", "\u{feff}a = 1\n");
    assert_eq!(read_text(&at("good"), MAX_INVENTORY).unwrap(), "a = 1\n");
    put(dir.path(), "latin", b"name = \"Gr\xfc\xdf\"");
    assert!(fails("latin", 1 << 20).ends_with("is not UTF-8: see byte 10, counted from 0"));
    put(dir.path(), "large", "x".repeat((1 << 20) + 1));
    assert!(fails("large", 1 << 20).ends_with("is larger than 1 MiB"));
    assert!(fails("missing", 1).starts_with("there is no file"));
    assert!(fails("", 1).ends_with("is a folder, not a file"));
}

#[cfg(unix)]
#[test]
fn a_pipe_does_not_hang_anything() {
    let (_dir, out) = fresh();
    fs::create_dir(&out).unwrap();
    let pipe = out.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(format!("{:#}", read_text(&pipe, 1).unwrap_err()).contains("no regular file"));
    let wanted = tree(&[("pipe", "")]);
    assert_eq!(compare(&out, &wanted).conflicts[&path("pipe")], Trouble::Special);
    fs::rename(&pipe, out.join("x.j2")).unwrap();
    assert!(format!("{:#}", read_templates(&out).unwrap_err()).ends_with("x.j2` is no regular file"));
}

#[test]
fn lines_of_templates_end_in_one_way() {
    let dir = tempdir().unwrap();
    put(dir.path(), "a.sh.j2", "a\r\nb\r\n\rc");
    assert_eq!(read_templates(dir.path()).unwrap().unwrap(), [(path("a.sh.j2"), "a\nb\n\rc".to_owned())]);
}

#[test]
fn templates_are_found_by_their_ending_in_order() {
    let dir = tempdir().unwrap();
    assert!(read_templates(&dir.path().join("none")).unwrap().is_none());
    for name in
        ["apps/{stack}/base/{service}.yaml.j2", "apps-b.yaml.j2", "README.md", "a.j2~", ".git/x.j2", ".x.j2"]
    {
        put(dir.path(), name, name);
    }
    let found = read_templates(dir.path()).unwrap().unwrap();
    let names: Vec<_> = found.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let (one, two) = ("apps/{stack}/base/{service}.yaml.j2", "apps-b.yaml.j2");
    // Of what may be meant as a template the path is there.
    assert_eq!(names, [(".x.j2", ""), (one, one), (two, two)]);
    put(dir.path(), "a:b.j2", "");
    assert!(format!("{:#}", read_templates(dir.path()).unwrap_err()).contains("which Windows forbids"));
}
