//! How long bayplan takes for inventories of growing size: `cargo bench`.
//!
//! Each size is checked, rendered, and rendered again without a change. Beside it stand a bare prototype (read the
//! TOML, render one template per service and environment, write; no check, no overlay, no signature, one thread)
//! and the floor (the same bytes into the same files). They run in turn, so that all of them see the same machine,
//! and the best of several runs counts, process start included. Set BAYPLAN_BENCH_DIR to a memory file system to
//! leave the disk out.

mod prototype;

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bayplan::address::{Claim, Pairs, Range, sweep};

/// Services of one stack.
const STACK: usize = 20;
/// Rounds; the best of each counts.
const ROUNDS: usize = 7;
/// Claims of the sweep.
const CLAIMS: u32 = 1_000_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // The prototype is a process of its own, as bayplan is.
    if let [_, word, root] = arguments.as_slice()
        && word == "prototype"
    {
        return prototype::render(Path::new(root));
    }
    let base = std::env::var_os("BAYPLAN_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = base.join(format!("bayplan-bench-{}", std::process::id()));
    println!(
        "| services | files | MB | floor | prototype | check | render | × prototype | nothing to do | memory | × tree |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for services in [100, 1_000, 5_000] {
        let root = folder.join(services.to_string());
        std::fs::create_dir_all(&root).expect("the bench folder can be made");
        std::fs::write(root.join("inventory.toml"), inventory(services))
            .expect("the inventory can be written");
        println!("{}", measure(&root, services));
    }
    std::fs::remove_dir_all(&folder).expect("the bench folder can be removed");
    println!("\n{}", reference(&base));
    println!("A sweep of a million claims: {}.", shown(best_sweep()));
}

fn measure(root: &Path, services: usize) -> String {
    let (out, copy, rough) = (root.join("out"), root.join("copy"), root.join("prototype"));
    run(root, &["render", "-q"]);
    let files = files_below(&out);
    let bytes: usize = files.iter().map(|(_, content)| content.len()).sum();
    let mut best = [Duration::MAX; 5];
    for _ in 0..ROUNDS {
        [&out, &copy, &rough].into_iter().for_each(|folder| remove(folder));
        let times = [
            timed(|| write_all(&copy, &files)),
            timed(|| run_prototype(root)),
            timed(|| run(root, &["check", "-q"])),
            timed(|| run(root, &["render", "-q"])),
            timed(|| run(root, &["render", "-q"])),
        ];
        best = std::array::from_fn(|at| best[at].min(times[at]));
    }
    let [floor, prototype, check, render, again] = best;
    let peak = peak_memory(root);
    format!(
        "| {services} | {} | {:.1} | {} | {} | {} | {} | {:.1} | {} | {} | {} |",
        files.len(),
        bytes as f64 / 1e6,
        shown(floor),
        shown(prototype),
        shown(check),
        shown(render),
        render.as_secs_f64() / prototype.as_secs_f64(),
        shown(again),
        peak.map_or_else(|| "?".to_owned(), |kib| format!("{} MB", kib / 1024)),
        peak.map_or_else(|| "?".to_owned(), |kib| format!("{:.1}", kib as f64 * 1024.0 / bytes as f64)),
    )
}

/// The repository's own inventory, in a folder of its own.
fn reference(base: &Path) -> String {
    let root = base.join(format!("bayplan-bench-reference-{}", std::process::id()));
    std::fs::create_dir_all(&root).expect("the bench folder can be made");
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventory.toml");
    std::fs::copy(own, root.join("inventory.toml")).expect("the inventory can be copied");
    let best = |work: &dyn Fn()| (0..20).map(|_| timed(work)).min().unwrap_or_default();
    let check = best(&|| run(&root, &["check", "-q"]));
    let render = (0..20).map(|_| {
        remove(&root.join("out"));
        timed(|| run(&root, &["render", "-q"]))
    });
    let render = render.min().unwrap_or_default();
    let again = best(&|| run(&root, &["render", "-q"]));
    remove(&root);
    format!(
        "The reference inventory: checked in {}, rendered in {}, nothing to do in {}.",
        shown(check),
        shown(render),
        shown(again)
    )
}

/// Claims in no order, of which one in a hundred stands twice.
fn best_sweep() -> Duration {
    let address = |n: u32| Ipv4Addr::from_bits((10 << 24) + n.wrapping_mul(7_919) % (1 << 24));
    let claim = |n: u32| Claim {
        range: Range::single(address(if n.is_multiple_of(100) { n + 1 } else { n }).into()),
        class: u8::try_from(n % 8).unwrap_or_default(),
    };
    let claims: Vec<Claim> = (0..CLAIMS).map(claim).collect();
    let once = || {
        let mut pairs = 0;
        let time = timed(|| sweep(&claims, &Pairs::ALL, 3, &mut |_, _| pairs += 1));
        assert!(pairs > 0, "the sweep finds what stands twice");
        time
    };
    (0..ROUNDS).map(|_| once()).min().unwrap_or_default()
}

fn shown(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1e3)
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn run(root: &Path, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bayplan"));
    let status =
        command.args(arguments).current_dir(root).stdout(Stdio::null()).status().expect("bayplan runs");
    assert!(status.success(), "{arguments:?} failed");
}

fn run_prototype(root: &Path) {
    let own = std::env::current_exe().expect("the path of this program");
    let status = Command::new(own).arg("prototype").arg(root).status().expect("the prototype runs");
    assert!(status.success(), "the prototype failed");
}

/// Peak resident memory in KiB of a render or of the next one, whichever takes more, by GNU time where it is installed.
fn peak_memory(root: &Path) -> Option<u64> {
    let render = || -> Option<u64> {
        let mut command = Command::new("/usr/bin/time");
        let command =
            command.args(["-f", "%M", env!("CARGO_BIN_EXE_bayplan"), "render", "-q"]).current_dir(root);
        let output = command.output().ok()?;
        String::from_utf8_lossy(&output.stderr).lines().last()?.trim().parse().ok()
    };
    remove(&root.join("out"));
    let first = render()?;
    Some(first.max(render()?))
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
/// fixed addresses, dependencies, and two environments of which one changes every fourth service, and is in other
/// namespaces, so that what those are told of another service differs, too.
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
             env.LOG_LEVEL = \"info\"\n\
             resources = {{ requests = {{ cpu = \"10m\", memory = \"32Mi\" }}, limits = {{ cpu = \"1\", memory = \"256Mi\" }} }}\n\
             volumes.config = {{ claim = \"config\", sub-path = \"service-{service}\", mount = \"/config\" }}\n"
        );
        if service % 4 == 0 {
            let first = stack * STACK;
            let _ = writeln!(
                text,
                "ip = \"{}\"\nenv.FIRST = \"${{services.service-{first}.internal-url}}\"",
                address(service)
            );
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
