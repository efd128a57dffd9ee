//! How far a long run has come, for whoever watches a terminal.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use bayplan::progress::Progress;

use super::tell;

/// A shorter run has nothing to say.
const SILENCE: Duration = Duration::from_secs(1);
/// How long a line stands.
const PAUSE: Duration = Duration::from_millis(200);

/// Does `work` and shows what it counts, unless `quiet` or standard error is no terminal.
pub fn watched<T>(progress: &Progress, quiet: bool, work: impl FnOnce() -> T) -> T {
    if quiet || !io::stderr().is_terminal() {
        return work();
    }
    let (end, ended) = channel();
    thread::scope(|scope| {
        scope.spawn(move || show(progress, &ended));
        let result = work();
        drop(end);
        result
    })
}

/// Until the other end of `ended` is gone.
fn show(progress: &Progress, ended: &Receiver<()>) {
    let start = Instant::now();
    let mut wait = SILENCE;
    let mut shown = false;
    while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
        wait = PAUSE;
        let (done, total) = progress.count();
        if done > 0 {
            shown = true;
            tell(&format!("\r\u{1b}[K{}", line(done, total, start.elapsed())));
        }
    }
    if shown {
        tell("\r\u{1b}[K");
    }
}

fn line(done: usize, total: usize, elapsed: Duration) -> String {
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    format!("rendered {done} of {total}, {rate:.0} a second")
}

#[cfg(test)]
mod tests {
    use super::line;
    use std::time::Duration;

    #[test]
    fn a_line_has_count_and_rate() {
        assert_eq!(line(3000, 9000, Duration::from_millis(1500)), "rendered 3000 of 9000, 2000 a second");
        assert!(line(0, 1, Duration::ZERO).starts_with("rendered 0 of 1"));
    }
}
