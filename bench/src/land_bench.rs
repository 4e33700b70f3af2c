//! `bench land`: the landing beside other software, on the same files, columns and number of threads.
//!
//! Ours is the product's own command, `bisonflow land`, from start to end: what it hashes, counts and keeps is in the
//! time. The others only convert.

use std::error::Error;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::land_stages::Stage;
use crate::measure::Measured;
use crate::process::{BenchArguments, beside_this, columns, measured, on_processors};
use crate::report::{Report, Row};
use crate::text_data::{self, Form};

/// Arguments of the bench.
#[derive(Args, Debug)]
pub struct LandArguments {
    #[command(flatten)]
    bench: BenchArguments,
    /// Without the other software.
    #[arg(long)]
    alone: bool,
}

/// The pieces of the bench.
const PIECES: [&str; 5] = ["dwca", "simple-csv", "text", "memory", "stages"];
/// How often it is looked how much memory a process has held.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Runs the pieces and writes the tables.
///
/// # Errors
/// Data cannot be made, or our own software fails; a peer that fails is told in the table.
pub fn run(LandArguments { bench: arguments, alone }: &LandArguments) -> Result<(), Box<dyn Error>> {
    let pieces = arguments.pieces(&PIECES)?;
    std::fs::create_dir_all(&arguments.work)?;
    let on = "the 600 real rows of 257 columns again and again, with other numbers, places, dates and keys";
    let report = Report::new("land", on, arguments.quick, arguments.runs);
    let mut report = report.beside_others(&format!(
        "by `cargo xtask bench land`: {on}; rates are medians of {} runs, memory is of one; files in the page cache",
        arguments.runs
    ));
    if !alone {
        report.versions(&arguments.peer_versions()?, "");
    }
    let mut bench = Bench { arguments, alone: *alone, report };
    for piece in pieces {
        match piece {
            "dwca" => bench.land(Form::Dwca)?,
            "simple-csv" => bench.land(Form::SimpleCsv)?,
            "text" => bench.land(Form::Text)?,
            "memory" => bench.memory()?,
            _ => bench.stages()?,
        }
    }
    bench.report.write(arguments.report.as_deref(), arguments.quick)
}

/// The bench as it goes on.
struct Bench<'a> {
    arguments: &'a BenchArguments,
    alone: bool,
    report: Report,
}

impl Bench<'_> {
    fn land(&mut self, form: Form) -> Result<(), Box<dyn Error>> {
        self.report.section(&format!("Landing: {}", form.said()), "records/s");
        let records = self.arguments.pick(1_750_000, 20_000);
        let source = text_data::download(&self.arguments.work, records, form)?;
        for threads in self.arguments.threads.clone() {
            for (set, core) in [("core columns", true), ("full table", false)] {
                let only: &[&str] = if core { &["--only", "core"] } else { &[] };
                let ours = self.ours(&source, records, threads, only, self.arguments.runs)?;
                self.report.row(Row::rate("bisonflow land", threads, set, &ours));
                // What the others do, and no more.
                let only = [only, &["--no-sha256"]].concat();
                let converting = self.ours(&source, records, threads, &only, self.arguments.runs)?;
                self.report.row(Row::rate("bisonflow land --no-sha256", threads, set, &converting));
                if self.alone {
                    continue;
                }
                for peer in ["polars", "duckdb"] {
                    let measured = self.peer(peer, &source, form, records, threads, core);
                    self.report.row(Row::peer(peer, threads, set, measured, &[&ours, &converting]));
                }
            }
        }
        Ok(())
    }

    /// The peak memory for archives of texts of about 100 MB, 1 GB and 10 GB.
    fn memory(&mut self) -> Result<(), Box<dyn Error>> {
        self.report.section("Peak memory of a landing from a Darwin Core archive, full table", "MB");
        let first = self.arguments.pick(85_000, 1_000);
        let about =
            if self.arguments.quick { ["1 MB", "12 MB", "120 MB"] } else { ["100 MB", "1 GB", "10 GB"] };
        let threads = self.arguments.most_threads();
        for (records, text) in [first, first * 10, first * 100].into_iter().zip(about) {
            let source = text_data::download(&self.arguments.work, records, Form::Dwca)?;
            let ours = self.ours(&source, records, threads, &[], 1)?;
            self.report.row(Row::memory("bisonflow land", threads, &format!("{text} of text"), &ours));
        }
        Ok(())
    }

    /// What each stage does by itself on one processor. Download and upload depend on the network and are not measured.
    fn stages(&mut self) -> Result<(), Box<dyn Error>> {
        self.report.section("Landing: each stage by itself, on one processor", "bytes of text/s");
        let records = self.arguments.pick(85_000, 1_000);
        let archive = text_data::download(&self.arguments.work, records, Form::Dwca)?;
        for stage in Stage::ALL {
            let name = stage.to_possible_value().ok_or("a stage without a name")?;
            let mut command = on_processors(1)?;
            command.arg(std::env::current_exe()?).args(["stage", name.get_name()]).arg(&archive);
            let measured = measured(command.arg(self.arguments.runs.to_string()))?;
            self.report.row(Row::rate("bisonflow", 1, stage.said(), &measured));
        }
        Ok(())
    }

    /// The product's own command with these options, each run into a folder that is not there yet.
    fn ours(
        &self,
        source: &Path,
        records: u64,
        threads: usize,
        options: &[&str],
        runs: usize,
    ) -> Result<Measured, Box<dyn Error>> {
        let out = self.arguments.work.join("landed");
        let mut measured =
            Measured { seconds: Vec::new(), amount: records, found: 0, peak_bytes: 0, made_bytes: 0 };
        let shown = options.join(" ");
        eprintln!("ours, {threads} threads, {records} records of {} {shown}", source.display());
        for _ in 0..runs.max(1) {
            remove(&out)?;
            let mut command = on_processors(threads)?;
            command
                .arg(beside_this("bisonflow")?)
                .arg("land")
                .arg("--source")
                .arg(source)
                .arg("--out")
                .arg(&out)
                .args(options);
            command.env("RUST_LOG", "error");
            let begun = Instant::now();
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
            let peak = peak_until_end(&mut child)?;
            let output = child.wait_with_output()?;
            let seconds = begun.elapsed().as_secs_f64();
            if !output.status.success() {
                return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into());
            }
            measured.seconds.push(seconds);
            measured.peak_bytes = measured.peak_bytes.max(peak);
            measured.found = landed(&out)?;
        }
        remove(&out)?;
        if measured.found != records {
            return Err(format!("{} records landed of {records}", measured.found).into());
        }
        Ok(measured)
    }

    fn peer(
        &self,
        peer: &str,
        source: &Path,
        form: Form,
        records: u64,
        threads: usize,
        core: bool,
    ) -> Result<Measured, Box<dyn Error>> {
        let out = self.arguments.work.join("converted.parquet");
        let plan = json!({
            "runs": self.arguments.runs, "amount": records, "source": source, "entry": form.entry(),
            "out": out, "columns": columns(core),
        });
        let measured = self.arguments.peer(threads, "text", peer, &plan);
        remove(&out)?;
        measured
    }
}

/// Waits for the end of a process; the most memory that it held, bytes, as Linux says (VmHWM).
fn peak_until_end(child: &mut Child) -> Result<u64, Box<dyn Error>> {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        peak = crate::measure::peak_bytes_in(&std::fs::read_to_string(&status).unwrap_or_default()).max(peak);
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(peak)
}

/// How many records landed, as the landing's own document says.
fn landed(out: &Path) -> Result<u64, Box<dyn Error>> {
    let run = std::fs::read_dir(out.join("runs"))?.next().ok_or("no run below runs/")??;
    let landing: serde_json::Value =
        serde_json::from_slice(&std::fs::read(run.path().join("landing.json"))?)?;
    Ok(landing["records"]["landed"].as_u64().ok_or("no count of records in landing.json")?)
}

/// Removes a file or folder, if there is one.
fn remove(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        std::fs::remove_dir_all(path)
    } else if path.exists() {
        std::fs::remove_file(path)
    } else {
        Ok(())
    }
}
