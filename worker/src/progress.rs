//! How the worker says what it is doing: a bar on a terminal, structured log lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

/// How often a log line says how far the work is, where there is no terminal.
const LOG_EVERY: Duration = Duration::from_secs(15);

/// The progress of one piece of work, counted in records.
pub struct Progress {
    bar: ProgressBar,
    what: &'static str,
    total: Option<u64>,
    done: u64,
    logged: Instant,
}

impl Progress {
    /// Begins `what`; `total` records are expected, where that is known.
    pub fn records(what: &'static str, total: Option<u64>) -> Progress {
        let bar = if std::io::stderr().is_terminal() {
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            let template = if total.is_some() {
                "{msg:10} {wide_bar} {human_pos}/{human_len} records {per_sec} {eta}"
            } else {
                "{msg:10} {spinner} {human_pos} records {per_sec} {elapsed}"
            };
            bar.set_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.set_message(what);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        } else {
            ProgressBar::hidden()
        };
        tracing::info!(total, "{what}: started");
        Progress { bar, what, total, done: 0, logged: Instant::now() }
    }

    /// `records` more are done.
    pub fn add(&mut self, records: u64) {
        self.done += records;
        self.bar.inc(records);
        if self.bar.is_hidden() && self.logged.elapsed() >= LOG_EVERY {
            self.logged = Instant::now();
            tracing::info!(records = self.done, total = self.total, "{}", self.what);
        }
    }

    /// The work is done.
    pub fn finish(self) {
        self.bar.finish_and_clear();
        tracing::info!(records = self.done, "{}: {} records done", self.what, HumanCount(self.done));
    }
}
