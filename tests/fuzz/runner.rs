//! Runs a target: first all that is kept for it, then what chance makes of that.
//!
//! A short run is the same each time. `FUZZ_RUNS` (executions of each target), `FUZZ_SECONDS` (for each target) and
//! `FUZZ_SEED` make it longer and another one. What fails is written to `target/fuzz/TARGET/`; a copy of it under
//! `tests/fuzz/corpus/TARGET/` is run in every test run from then on.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::mutate::mutated;
use crate::targets::Target;
use crate::trail::Trail;

/// No input may take longer, on a busy machine and without optimisation.
const SLOW: Duration = Duration::from_secs(15);

/// What reads no more than this has no stack to fill: its inputs need not be written down before they are tried.
const SHORT: usize = 2000;

/// A short run tries this many seeds as they are: other tests know them, too.
const FEW: usize = 12;

/// Inputs that are gone on from.
const POOL: usize = 4000;

/// Inputs that were kept because something was wrong once.
pub fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus")
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn is_short() -> bool {
    setting("FUZZ_RUNS").is_none() && setting("FUZZ_SECONDS").is_none()
}

/// When a run is over.
struct End {
    runs: u64,
    time: Option<Instant>,
}

impl End {
    fn of(target: &Target) -> Self {
        let seconds = setting("FUZZ_SECONDS").map(Duration::from_secs);
        let default = if seconds.is_some() { u64::MAX } else { target.short };
        let time = seconds.map(|seconds| Instant::now() + seconds);
        Self { runs: setting("FUZZ_RUNS").unwrap_or(default), time }
    }

    fn is_here(&self, runs: u64) -> bool {
        runs >= self.runs || self.is_over()
    }

    fn is_over(&self) -> bool {
        self.time.is_some_and(|time| Instant::now() >= time)
    }
}

/// Runs one target.
pub fn fuzz(target: &Target) {
    let mut pool: Vec<Vec<u8>> = (target.seeds)();
    assert!(!pool.is_empty(), "{} has no seeds", target.name);
    let mut bench = Bench::new(target);
    let step = if is_short() { pool.len().div_ceil(FEW) } else { 1 };
    let kept = kept(target.name);
    let end = End::of(target);
    let seeds = pool.iter().step_by(step).take_while(|_| !end.is_over());
    for input in kept.iter().chain(seeds) {
        bench.try_on(input);
    }
    pool.extend(kept);
    let mut dice = Dice(setting("FUZZ_SEED").unwrap_or_default());
    let seeds = pool.len();
    let mut runs = 0;
    while !end.is_here(runs) {
        let parent = dice.pick(&pool);
        let input = mutated(parent, &pool, target.words, target.longest, &mut dice);
        if bench.try_on(&input) {
            // Seeds stay; what chance found makes room for what it finds next.
            match pool.len() < POOL.max(seeds * 2) {
                true => pool.push(input),
                false => {
                    let at = seeds + dice.below(pool.len() - seeds);
                    pool[at] = input;
                }
            }
        }
        runs += 1;
    }
    bench.report(runs, pool.len() - seeds);
}

fn kept(name: &str) -> Vec<Vec<u8>> {
    let Ok(files) = fs::read_dir(corpus().join(name)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

struct Bench<'t> {
    target: &'t Target,
    folder: PathBuf,
    /// The input that is being tried: there to be read if it ends the process.
    current: File,
    seen: BTreeSet<u64>,
    begun: Instant,
    slowest: Duration,
}

impl<'t> Bench<'t> {
    fn new(target: &'t Target) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("fuzz").join(target.name);
        fs::create_dir_all(&folder).unwrap();
        let current = File::create(folder.join("current")).unwrap();
        let (begun, slowest) = (Instant::now(), Duration::ZERO);
        Self { target, folder, current, seen: BTreeSet::new(), begun, slowest }
    }

    /// Whether the input showed something new.
    fn try_on(&mut self, input: &[u8]) -> bool {
        if self.target.longest > SHORT {
            self.current.seek(SeekFrom::Start(0)).unwrap();
            self.current.write_all(input).unwrap();
            self.current.set_len(input.len() as u64).unwrap();
        }
        let begun = Instant::now();
        let mut trail = Trail::default();
        let ended = catch_unwind(AssertUnwindSafe(|| (self.target.run)(input, &mut trail)));
        let taken = begun.elapsed();
        if let Err(panic) = ended {
            self.keep("failed", input);
            resume_unwind(panic);
        }
        if taken > SLOW {
            self.keep("slow", input);
            panic!("{}: an input took {taken:?}", self.target.name);
        }
        self.slowest = self.slowest.max(taken);
        let before = self.seen.len();
        self.seen.extend(trail.0);
        self.seen.len() > before
    }

    fn keep(&self, what: &str, input: &[u8]) {
        let path = self.folder.join(format!("{what}-{}-{}", std::process::id(), input.len()));
        fs::write(&path, input).unwrap();
        eprintln!("{}: the input is kept in {}", self.target.name, path.display());
    }

    fn report(&self, runs: u64, found: usize) {
        eprintln!(
            "{}: {runs} executions in {:.0?}, the slowest in {:.0?}; {} marks, {found} inputs kept for more",
            self.target.name,
            self.begun.elapsed(),
            self.slowest,
            self.seen.len(),
        );
    }
}
