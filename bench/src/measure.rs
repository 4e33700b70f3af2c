//! Timing, and what it is told in.

use std::time::Instant;

use serde::{Deserialize, Serialize};

/// What one process measured; it prints this as a line of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Seconds of each run.
    pub seconds: Vec<f64>,
    /// How many points or records a run is of.
    pub amount: u64,
    /// A count that every software has to agree on: pairs of point and region, or records.
    pub found: u64,
    /// The most memory that the process held, bytes.
    pub peak_bytes: u64,
    /// Bytes of what was made, where that is of interest.
    #[serde(default)]
    pub made_bytes: u64,
}

impl Measured {
    /// The median of the runs, seconds.
    pub fn median(&self) -> f64 {
        let mut seconds = self.seconds.clone();
        seconds.sort_unstable_by(f64::total_cmp);
        seconds[seconds.len() / 2]
    }

    /// Points or records per second, by the median.
    pub fn rate(&self) -> f64 {
        self.amount as f64 / self.median()
    }
}

/// Runs a task several times. It returns a count that is the same each time.
///
/// # Errors
/// What the task returns.
pub fn repeat<E>(runs: usize, amount: u64, mut task: impl FnMut() -> Result<u64, E>) -> Result<Measured, E> {
    let mut seconds = Vec::with_capacity(runs);
    let mut found = 0;
    for _ in 0..runs.max(1) {
        let begun = Instant::now();
        found = task()?;
        seconds.push(begun.elapsed().as_secs_f64());
    }
    Ok(Measured { seconds, amount, found, peak_bytes: peak_bytes(), made_bytes: 0 })
}

/// The most memory that this process held, as Linux says (VmHWM); 0 elsewhere.
pub fn peak_bytes() -> u64 {
    peak_bytes_in(&std::fs::read_to_string("/proc/self/status").unwrap_or_default())
}

/// The most memory that the process of this `/proc/<pid>/status` held (VmHWM), bytes.
pub(crate) fn peak_bytes_in(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
