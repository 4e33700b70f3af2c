//! What both benches have in common: what they are told, and the processes that measure.
//!
//! Each measurement is a process of its own, so that its peak memory is its own, and bound to as many processors as
//! it may use, so that each library sees just these.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bisonflow_occurrence::schema::{self, CORE_COLUMNS};
use clap::Args;
use serde::Serialize;

use crate::measure::Measured;

/// Arguments of a bench.
#[derive(Args, Debug)]
pub struct BenchArguments {
    /// The Python with the packages of bench/requirements.txt.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// The folder for data.
    #[arg(long, value_name = "DIR")]
    pub(crate) work: PathBuf,
    /// Small data: minutes instead of an hour. The figures are then no measure.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only these pieces, with commas between; any other name tells which there are. Default: all.
    #[arg(long, value_delimiter = ',', value_name = "PIECES")]
    only: Vec<String>,
    /// Runs of each measurement; the median is told.
    #[arg(long, default_value_t = 3)]
    pub(crate) runs: usize,
    /// Numbers of threads, one after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    pub(crate) threads: Vec<usize>,
    /// Where the tables are written, besides the terminal; what was not measured now is kept there as it is. Default:
    /// docs/performance.md, and nowhere with --quick.
    #[arg(long, value_name = "FILE.md")]
    pub(crate) report: Option<PathBuf>,
}

impl BenchArguments {
    /// Which of the pieces are wanted, in the order in which they are asked for.
    pub(crate) fn pieces<'a>(&'a self, all: &[&'a str]) -> Result<Vec<&'a str>, Box<dyn Error>> {
        if let Some(found) = self.only.iter().find(|piece| !all.contains(&piece.as_str())) {
            return Err(format!("--only: expected some of {}, found {found:?}", all.join(", ")).into());
        }
        Ok(if self.only.is_empty() { all.to_vec() } else { self.only.iter().map(String::as_str).collect() })
    }

    /// The amount of data.
    pub(crate) fn pick(&self, full: u64, quick: u64) -> u64 {
        if self.quick { quick } else { full }
    }

    /// The most threads that are asked for.
    pub(crate) fn most_threads(&self) -> usize {
        self.threads.iter().copied().max().unwrap_or(1)
    }

    /// The peers that Python runs, and their versions, as JSON.
    pub(crate) fn peer_versions(&self) -> Result<String, Box<dyn Error>> {
        let mut command = Command::new(&self.python);
        let output = command.arg(script()).arg("versions").stderr(Stdio::inherit()).output()?;
        Ok(String::from_utf8(output.stdout)?)
    }

    /// What a peer that Python runs measures; the plan says on what.
    pub(crate) fn peer(
        &self,
        threads: usize,
        what: &str,
        peer: &str,
        plan: &impl Serialize,
    ) -> Result<Measured, Box<dyn Error>> {
        let mut command = on_processors(threads)?;
        command.arg(&self.python).arg(script()).args([what, peer]).arg(self.plan(plan)?);
        eprintln!("{peer} {what}, {threads} threads");
        measured(&mut command)
    }

    /// What a program of this package measures; the plan says on what.
    pub(crate) fn of_this_package(
        &self,
        threads: usize,
        program: &str,
        arguments: &[&str],
        plan: &impl Serialize,
    ) -> Result<Measured, Box<dyn Error>> {
        let mut command = on_processors(threads)?;
        command.arg(beside_this(program)?).args(arguments).arg(self.plan(plan)?);
        eprintln!("{program} {}, {threads} threads", arguments.join(" "));
        measured(&mut command)
    }

    fn plan(&self, plan: &impl Serialize) -> Result<PathBuf, Box<dyn Error>> {
        let file = self.work.join("plan.json");
        std::fs::write(&file, serde_json::to_vec_pretty(plan)?)?;
        Ok(file)
    }
}

/// The program of this name that was built beside this one.
pub(crate) fn beside_this(program: &str) -> std::io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(program))
}

/// A command bound to so many processors, the last ones: the first one has the most interrupts.
pub(crate) fn on_processors(threads: usize) -> Result<Command, Box<dyn Error>> {
    let processors = std::thread::available_parallelism()?.get();
    let mut command = Command::new("taskset");
    command.args(["-c", &format!("{}-{}", processors.saturating_sub(threads), processors - 1)]);
    Ok(command)
}

/// Runs a command that prints a [`Measured`].
///
/// # Errors
/// How it ended and the last line that it said, if not well.
pub(crate) fn measured(command: &mut Command) -> Result<Measured, Box<dyn Error>> {
    let output = command.stderr(Stdio::piped()).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        return Err(format!("{}: {last}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The columns of a table that is made: those of the core, or all.
pub(crate) fn columns(core: bool) -> Vec<String> {
    if core {
        CORE_COLUMNS.map(str::to_owned).to_vec()
    } else {
        schema::columns().iter().map(|column| column.name.to_owned()).collect()
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python/peers.py")
}
