//! How long bayplan takes for inventories of growing size: `cargo bench`.
//!
//! Each size is checked, rendered, rendered again without a change, and copied file by file as the floor. Every
//! number is the best of several runs of the release binary, process start included. Set BAYPLAN_BENCH_DIR to a
//! memory file system to leave the disk out.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Services of one stack.
const STACK: usize = 20;
/// Runs of each command; the best counts.
const RUNS: usize = 5;

fn main() {
    let base = std::env::var_os("BAYPLAN_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = base.join(format!("bayplan-bench-{}", std::process::id()));
    println!("| services | files | MB | copy | check | render | nothing to do | peak memory |");
    println!("|---|---|---|---|---|---|---|---|");
    for services in [100, 1_000, 5_000] {
        let root = folder.join(services.to_string());
        std::fs::create_dir_all(&root).expect("the bench folder can be made");
        std::fs::write(root.join("inventory.toml"), inventory(services))
            .expect("the inventory can be written");
        println!("{}", measure(&root, services));
    }
    std::fs::remove_dir_all(&folder).expect("the bench folder can be removed");
}

fn measure(root: &Path, services: usize) -> String {
    let out = root.join("out");
    let check = best(RUNS, || {}, || run(root, &["check", "-q"]));
    let render = best(RUNS, || remove(&out), || run(root, &["render", "-q"]));
    let again = best(RUNS, || {}, || run(root, &["render", "-q"]));
    let files = files_below(&out);
    let bytes: usize = files.iter().map(|(_, content)| content.len()).sum();
    let copy = root.join("copy");
    let floor = best(RUNS, || remove(&copy), || write_all(&copy, &files));
    remove(&copy);
    let peak = peak_memory(root);
    format!(
        "| {services} | {} | {:.1} | {} | {} | {} | {} | {} |",
        files.len(),
        bytes as f64 / 1e6,
        shown(floor),
        shown(check),
        shown(render),
        shown(again),
        peak.map_or_else(|| "?".to_owned(), |kib| format!("{} MB", kib / 1024)),
    )
}

fn shown(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1e3)
}

fn best(runs: usize, mut prepare: impl FnMut(), mut work: impl FnMut()) -> Duration {
    let once = |_| {
        prepare();
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..runs).map(once).min().unwrap_or_default()
}

fn run(root: &Path, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bayplan"));
    let status =
        command.args(arguments).current_dir(root).stdout(Stdio::null()).status().expect("bayplan runs");
    assert!(status.success(), "{arguments:?} failed");
}

/// Peak resident memory of a render in KiB, by GNU time where it is installed.
fn peak_memory(root: &Path) -> Option<u64> {
    remove(&root.join("out"));
    let mut command = Command::new("/usr/bin/time");
    let command = command.args(["-f", "%M", env!("CARGO_BIN_EXE_bayplan"), "render", "-q"]).current_dir(root);
    let output = command.output().ok()?;
    String::from_utf8_lossy(&output.stderr).lines().last()?.trim().parse().ok()
}

fn remove(folder: &Path) {
    if folder.exists() {
        std::fs::remove_dir_all(folder).expect("a folder can be removed");
    }
}

fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).expect("a folder can be read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                left.push(path);
            } else {
                let content = std::fs::read(&path).expect("a file can be read");
                files.push((path.strip_prefix(folder).expect("below").to_owned(), content));
            }
        }
    }
    files
}

/// The floor: the same bytes in the same files, and nothing else done.
fn write_all(folder: &Path, files: &[(PathBuf, Vec<u8>)]) {
    for (path, content) in files {
        let target = folder.join(path);
        std::fs::create_dir_all(target.parent().expect("below")).expect("a folder can be made");
        std::fs::write(target, content).expect("a file can be written");
    }
}

/// An inventory as people write them, only longer: stacks of twenty services, claims, probes, resources, variables,
/// fixed addresses, dependencies, and two environments of which one changes every fourth service.
fn inventory(services: usize) -> String {
    let mut text = String::from(HEAD);
    for stack in 0..services.div_ceil(STACK) {
        let _ = write!(
            text,
            "[stacks.stack-{stack}]\npod-security = \"baseline\"\nenv = {{ TZ = \"${{cluster.timezone}}\", STACK = \"{stack}\" }}\n\
             claims.config = {{ size = \"10Gi\", access-modes = [\"ReadWriteMany\"], class = \"shared\" }}\n\n"
        );
    }
    for service in 0..services {
        let stack = service / STACK;
        let _ = write!(
            text,
            "[services.service-{service}]\nstack = \"stack-{stack}\"\ndescription = \"Service number {service}\"\n\
             image = \"registry.example.com/team/service-{service}:1.{service}.0\"\nports.http = 8080\n\
             probe = {{ http = \"/healthz\" }}\n\
             env = {{ LOG_LEVEL = \"info\", SELF = \"${{services.service-{service}.internal-url}}\" }}\n\
             resources = {{ requests = {{ cpu = \"10m\", memory = \"32Mi\" }}, limits = {{ cpu = \"1\", memory = \"256Mi\" }} }}\n\
             volumes.config = {{ claim = \"config\", sub-path = \"service-{service}\", mount = \"/config\" }}\n"
        );
        if service % 4 == 0 {
            let _ = writeln!(text, "ip = \"{}\"", address(service));
        }
        if service % STACK != 0 {
            let _ = writeln!(text, "depends-on = [\"service-{}\"]", service - 1);
        }
        text.push('\n');
    }
    text.push_str("[environments.production]\n\n[environments.staging]\nnamespace-suffix = \"-staging\"\n");
    for service in (0..services).step_by(4) {
        let _ = writeln!(
            text,
            "services.service-{service} = {{ ip = false, resources = {{ limits = {{ memory = \"128Mi\" }} }} }}"
        );
    }
    text
}

fn address(service: usize) -> String {
    format!("10.1.{}.{}", service / 4 / 200, 10 + service / 4 % 200)
}

const HEAD: &str = r#"[cluster]
name = "bench"
kubernetes = "1.34"
pod-cidr = "10.244.0.0/16"
service-cidr = "10.96.0.0/12"
timezone = "Europe/Berlin"

[network]
lan = "10.1.0.0/16"
gateway = "10.1.255.1"

[nodes]
one = { ip = "10.1.255.11", role = "control-plane" }
two = { ip = "10.1.255.12" }

[metallb.pools.default]
addresses = ["10.1.0.0/18"]

[storage-classes.shared]
backend = "nfs"
default = true

[gitops]
repository = "https://git.example.com/bench.git"
apps = "flux"

"#;
