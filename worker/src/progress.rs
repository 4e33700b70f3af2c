//! How the worker says what it is doing: a bar on a terminal, structured log lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

/// How often a log line says how far the work is, where there is no terminal.
const LOG_EVERY: Duration = Duration::from_secs(15);

/// The progress of one piece of work.
pub struct Progress {
    bar: ProgressBar,
    what: &'static str,
    unit: &'static str,
    total: Option<u64>,
    done: u64,
    logged: Instant,
}

impl Progress {
    /// Begins `what`; `total` records are expected, where that is known.
    pub fn records(what: &'static str, total: Option<u64>) -> Progress {
        Progress::of(what, "records", total)
    }

    /// Begins `what`, counted in `unit`; `total` of them are expected, where that is known.
    pub fn of(what: &'static str, unit: &'static str, total: Option<u64>) -> Progress {
        let bar = if std::io::stderr().is_terminal() {
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            let template = if total.is_some() {
                "{msg:10} {wide_bar} {human_pos}/{human_len} {prefix} {per_sec} {eta}"
            } else {
                "{msg:10} {spinner} {human_pos} {prefix} {per_sec} {elapsed}"
            };
            bar.set_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.set_prefix(unit);
            bar.set_message(what);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        } else {
            ProgressBar::hidden()
        };
        tracing::info!(total, "{what}: started");
        Progress { bar, what, unit, total, done: 0, logged: Instant::now() }
    }

    /// So many more are done.
    pub fn add(&mut self, count: u64) {
        self.done += count;
        self.bar.inc(count);
        if self.bar.is_hidden() && self.logged.elapsed() >= LOG_EVERY {
            self.logged = Instant::now();
            tracing::info!(done = self.done, unit = self.unit, total = self.total, "{}", self.what);
        }
    }

    /// The work is done.
    pub fn finish(self) {
        self.bar.finish_and_clear();
        tracing::info!(done = self.done, "{}: {} {} done", self.what, HumanCount(self.done), self.unit);
    }
}
