//! The program killed, starved of space and of rights, and run twice at once: every file stays whole.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How often the program is killed, over all threads.
const KILLS: u64 = 1_000;
const THREADS: u64 = 4;
/// Who may do nothing: the user `nobody`.
const NOBODY: u32 = 65_534;

/// What people keep beside our files.
const HAND_WRITTEN: &[(&str, &str)] = &[
    ("out/apps/home/overlays/default/extra.yaml", EXTRA),
    ("out/apps/home/base/notes.md", "# Notes\nnothing of bayplan's\n"),
    ("out/notes.txt", "mine\n"),
];
const EXTRA: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: extra\n";

type Files = BTreeMap<String, Vec<u8>>;

/// A cluster of a few services. Nearly every file says its name or its time zone.
fn inventory(name: &str, services: usize) -> String {
    let cluster = name.to_lowercase();
    let mut text = format!(
        "[cluster]\nname = \"{cluster}\"\ntimezone = \"Europe/{name}\"\n\
         [gitops]\nrepository = \"https://example.com/{name}.git\"\napps = \"flux\"\n\
         [stacks.home]\ndescription = \"In {name}\"\nenv = {{ TZ = \"${{cluster.timezone}}\" }}\nlabels = {{ city = \"{name}\" }}\n"
    );
    for n in 0..services {
        let line = format!(
            "[services.{}-{n}]\nstack = \"home\"\nimage = \"example/web:1\"\nports.http = 80\n",
            name.to_lowercase()
        );
        text.push_str(&line);
    }
    for n in 0..services {
        let line =
            format!("[services.web-{n}]\nstack = \"home\"\nimage = \"example/web:1\"\nports.http = 80\n");
        text.push_str(&line);
    }
    text
}

/// The tree of one inventory, made in a quiet place.
fn rendered(inventory: &str) -> Files {
    let desk = desk(inventory);
    let status = render(desk.path()).status().unwrap();
    assert!(status.success());
    files(desk.path())
}

fn desk(inventory: &str) -> TempDir {
    let desk = tempfile::tempdir().unwrap();
    fs::write(desk.path().join("inventory.toml"), inventory).unwrap();
    for (path, text) in HAND_WRITTEN {
        let path = desk.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    desk
}

fn render(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bayplan"));
    command.args(["render", "-q"]).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Every file of the output folder, but what a killed run may have staged.
fn files(folder: &Path) -> Files {
    let mut found = Files::new();
    collect(folder, &folder.join("out"), &mut found);
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Files) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
        } else if !is_staged(&path) {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.insert(name, fs::read(&path).unwrap());
        }
    }
}

fn is_staged(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.starts_with(".bayplan-") && name.ends_with(".tmp")
}

/// Each file is that of one of the two trees, and what people wrote is there, byte by byte.
fn expect_whole(now: &Files, old: &Files, new: &Files) {
    for (path, bytes) in now {
        let known = [old, new].iter().any(|tree| tree.get(path) == Some(bytes));
        assert!(known, "{path} is neither old nor new:\n{}", String::from_utf8_lossy(bytes));
    }
    for (path, text) in HAND_WRITTEN {
        assert_eq!(now.get(*path).map(Vec::as_slice), Some(text.as_bytes()), "{path}");
    }
    for (path, bytes) in old {
        let stays = new.contains_key(path);
        assert!(
            !stays || now.contains_key(path),
            "{path} is gone, and both trees have it: {} bytes",
            bytes.len()
        );
    }
}

fn expect_same(now: &Files, wanted: &Files) {
    assert_eq!(now.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    for (path, bytes) in wanted {
        assert!(now[path] == *bytes, "{path} is not as it should be");
    }
}

#[test]
fn a_killed_run_leaves_every_file_old_or_new() {
    let inventories = [inventory("Oslo", 6), inventory("Rome", 6)];
    let trees = [rendered(&inventories[0]), rendered(&inventories[1])];
    std::thread::scope(|scope| {
        let (inventories, trees) = (&inventories, &trees);
        for seed in 0..THREADS {
            scope.spawn(move || kill_many(seed, inventories, trees));
        }
    });
}

fn kill_many(seed: u64, inventories: &[String; 2], trees: &[Files; 2]) {
    let desk = desk(&inventories[0]);
    let folder = desk.path();
    assert!(render(folder).status().unwrap().success());
    let mut dice = seed;
    let mut longest = Duration::from_millis(20);
    let mut interrupted = 0;
    for n in 1..=KILLS / THREADS {
        fs::write(folder.join("inventory.toml"), &inventories[(n % 2) as usize]).unwrap();
        let begun = Instant::now();
        let mut run = render(folder).spawn().unwrap();
        let finished = killed_after(&mut run, longest * moment(&mut dice) / 900);
        interrupted += u64::from(!finished);
        expect_whole(&files(folder), &trees[0], &trees[1]);
        // Now and then a run may finish: then the tree is the one that was asked for, and it is known how long one takes.
        if n % 10 == 0 {
            let begun = if finished { begun } else { Instant::now() };
            assert!(finished || render(folder).status().unwrap().success());
            longest = begun.elapsed();
            let now = files(folder);
            expect_same(&now, &trees[(n % 2) as usize]);
            assert_eq!(staged(&folder.join("out")), 0, "what a killed run staged is gone");
        }
    }
    assert!(interrupted > KILLS / THREADS / 4, "only {interrupted} runs were killed before their end");
}

/// A thousandth, by chance, though always the same (Knuth's constants).
fn moment(dice: &mut u64) -> u32 {
    *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    ((*dice >> 33) % 1_000) as u32
}

/// Whether the run was faster than the murderer.
fn killed_after(run: &mut Child, delay: Duration) -> bool {
    std::thread::sleep(delay);
    if let Some(status) = run.try_wait().unwrap() {
        assert!(status.success(), "nobody killed it: {status}");
        return true;
    }
    run.kill().unwrap();
    run.wait().unwrap().success()
}

fn staged(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { staged(&path) } else { usize::from(is_staged(&path)) }).sum()
}

#[test]
fn two_runs_at_once_do_not_mix() {
    let inventories = [inventory("Oslo", 6), inventory("Rome", 6)];
    let trees = [rendered(&inventories[0]), rendered(&inventories[1])];
    let desk = desk(&inventories[0]);
    let folder = desk.path();
    assert!(render(folder).status().unwrap().success());
    for n in 1..=40_usize {
        fs::write(folder.join("inventory.toml"), &inventories[n % 2]).unwrap();
        let mut runs = [render(folder).spawn().unwrap(), render(folder).spawn().unwrap()];
        let codes: Vec<Option<i32>> = runs.iter_mut().map(|run| run.wait().unwrap().code()).collect();
        assert!(codes.contains(&Some(0)), "{codes:?}: one of two gets its way");
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 2))), "{codes:?}: the other is told to wait");
        expect_same(&files(folder), &trees[n % 2]);
    }
}

#[test]
fn a_full_disk_changes_nothing() {
    let (old, new) = (inventory("Oslo", 2), inventory("Rome", 40));
    let script = r#"
        mount -t tmpfs -o size="$SIZE" tmpfs "$DESK" || exit 77
        cd "$DESK" && cp -r "$FROM"/. . && "$BAYPLAN" render -q || exit 78
        cp -r out "$RESULT/before" && cp "$NEW" inventory.toml || exit 79
        "$BAYPLAN" render -q 2>"$RESULT/said"
        echo $? >"$RESULT/code"
        cp -r out "$RESULT/after"
    "#;
    let from = desk(&old);
    let wanted = rendered(&new);
    let mut refused = 0;
    for kib in [200, 260, 320, 400, 480] {
        let result = tempfile::tempdir().unwrap();
        let mount = tempfile::tempdir().unwrap();
        let next = result.path().join("next.toml");
        fs::write(&next, &new).unwrap();
        let status = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
            .env("SIZE", format!("{kib}k"))
            .env("DESK", mount.path())
            .env("FROM", from.path())
            .env("NEW", &next)
            .env("RESULT", result.path())
            .env("BAYPLAN", env!("CARGO_BIN_EXE_bayplan"))
            .status();
        match status.as_ref().map(|status| status.code()) {
            Ok(Some(0)) => {}
            // The kernel may forbid it (containers, macOS): then there is no disk to fill.
            Ok(Some(1 | 77)) | Err(_) => {
                eprintln!("NOT RUN: mounting a small disk needs `unshare` and user namespaces");
                return;
            }
            other => panic!("{other:?}"),
        }
        let (before, after) = (plain(result.path(), "before"), plain(result.path(), "after"));
        match fs::read_to_string(result.path().join("code")).unwrap().trim() {
            "0" => expect_same(&after, &wanted),
            "2" => {
                let said = fs::read_to_string(result.path().join("said")).unwrap();
                assert!(said.contains("No space left"), "{said}");
                assert!(said.contains("nothing was changed"), "{said}");
                expect_same(&after, &before);
                refused += 1;
            }
            code => panic!("exit {code}"),
        }
    }
    assert!(refused > 0, "no disk was too small");
}

/// A copied output folder, by the names that its files had.
fn plain(folder: &Path, name: &str) -> Files {
    let mut found = Files::new();
    collect(&folder.join(name), &folder.join(name), &mut found);
    found.into_iter().map(|(path, bytes)| (format!("out/{path}"), bytes)).collect()
}

#[test]
fn without_rights_nothing_changes() {
    let desk = desk(&inventory("Oslo", 2));
    let folder = desk.path();
    assert!(render(folder).status().unwrap().success());
    let before = files(folder);
    fs::write(folder.join("inventory.toml"), inventory("Rome", 2)).unwrap();
    for locked in ["out", "out/apps/home/base", "out/flux"] {
        let path = folder.join(locked);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o555)).unwrap();
        let said = as_nobody(folder);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(said.0, Some(2), "{locked}: {}", said.1);
        assert!(said.1.contains("ermission denied"), "{locked}: {}", said.1);
        expect_same(&files(folder), &before);
        assert_eq!(staged(&folder.join("out")), 0, "{locked}");
    }
    let said = as_nobody(folder);
    assert_eq!(said.0, Some(0), "with its rights back, it completes: {}", said.1);
}

/// Root may do everything, so it runs as somebody else.
fn as_nobody(folder: &Path) -> (Option<i32>, String) {
    let mut command = render(folder);
    if fs::metadata("/proc/self").is_ok_and(|found| std::os::unix::fs::MetadataExt::uid(&found) == 0) {
        give(folder);
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.stderr(Stdio::piped()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn give(path: &Path) {
    std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path());
        }
    }
}
