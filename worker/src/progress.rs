//! How the worker says what it is doing: a bar on a terminal, structured log lines elsewhere.

use std::io::{self, IsTerminal, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

/// How often a log line says how far the work is, where there is no terminal.
const LOG_EVERY: Duration = Duration::from_secs(15);

/// How much of a source has been read, bytes; clones count together.
#[derive(Clone, Debug)]
pub struct ReadBytes {
    done: Arc<AtomicU64>,
    total: u64,
}

impl ReadBytes {
    /// Nothing yet of so many bytes.
    pub fn of(total: u64) -> ReadBytes {
        ReadBytes { done: Arc::default(), total }
    }

    /// A reader whose bytes are counted.
    pub fn count<R>(&self, inner: R) -> Counted<R> {
        Counted { inner, read: self.clone() }
    }

    fn told(&self) -> String {
        // Directories are read besides, so that it could be more than all.
        let done = self.done.load(Ordering::Relaxed).min(self.total);
        let percent = done * 100 / self.total.max(1);
        format!("{percent} % of {}", HumanBytes(self.total))
    }
}

/// A reader whose bytes are counted.
pub struct Counted<R> {
    inner: R,
    read: ReadBytes,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read.done.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl<R: Seek> Seek for Counted<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// The progress of one piece of work.
pub struct Progress {
    bar: ProgressBar,
    what: &'static str,
    unit: &'static str,
    total: Option<u64>,
    done: u64,
    source: Option<ReadBytes>,
    logged: Instant,
}

impl Progress {
    /// Begins `what`; `total` records are expected, where that is known.
    pub fn records(what: &'static str, total: Option<u64>) -> Progress {
        Progress::of(what, "records", total)
    }

    /// Begins `what`, which reads records of a source.
    pub fn reading(what: &'static str, source: &ReadBytes) -> Progress {
        Progress { source: Some(source.clone()), ..Progress::records(what, None) }
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
        Progress { bar, what, unit, total, done: 0, source: None, logged: Instant::now() }
    }

    /// So many more are done.
    pub fn add(&mut self, count: u64) {
        self.done += count;
        self.bar.inc(count);
        let read = self.source.as_ref().map(ReadBytes::told);
        if let Some(read) = &read {
            self.bar.set_prefix(format!("{}, {read},", self.unit));
        }
        if self.bar.is_hidden() && self.logged.elapsed() >= LOG_EVERY {
            self.logged = Instant::now();
            tracing::info!(done = self.done, unit = self.unit, total = self.total, read, "{}", self.what);
        }
    }

    /// The work is done.
    pub fn finish(self) {
        self.bar.finish_and_clear();
        tracing::info!(done = self.done, "{}: {} {} done", self.what, HumanCount(self.done), self.unit);
    }
}
