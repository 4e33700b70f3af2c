//! `bench annotate`: ours beside other software, on the same data and the same number of threads.

use std::error::Error;
use std::path::PathBuf;

use bisonflow_region::ZoneId;
use clap::Args;
use serde_json::json;

use crate::layers::{self, BenchLayer, real_file};
use crate::measure::{Measured, repeat};
use crate::ours::{Annotating, Ours};
use crate::points::{self, Spread};
use crate::process::{BenchArguments, columns};
use crate::protected_areas::ProtectedAreas;
use crate::report::{Report, Row};
use crate::text_data;

/// The pieces of the bench.
const PIECES: [&str; 5] = ["build", "lookup", "text", "parquet", "memory"];

/// One measurement, as the process that makes it is told; it prints a [`Measured`].
#[derive(Args, Debug)]
pub struct MeasureArguments {
    /// What is measured: build, lookup, annotate.
    what: String,
    /// A JSON file with what it is measured on.
    plan: PathBuf,
}

/// What is measured.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Plan {
    runs: usize,
    amount: u64,
    layers: Vec<BenchLayer>,
    points: PathBuf,
    source: PathBuf,
    out: Option<PathBuf>,
    columns: Vec<String>,
    register: Option<PathBuf>,
}

/// Makes one measurement in this process.
///
/// # Errors
/// Whatever keeps it from being made.
pub fn measure(arguments: &MeasureArguments) -> Result<Measured, Box<dyn Error>> {
    let plan: Plan = serde_json::from_slice(&std::fs::read(&arguments.plan)?)?;
    match arguments.what.as_str() {
        "build" => {
            let mut bytes = 0;
            let built = repeat(plan.runs, 1, || {
                Ours::build(&plan.layers, false).map(|ours| {
                    bytes = ours.bytes();
                    0
                })
            });
            Ok(Measured { made_bytes: bytes, ..built? })
        }
        "lookup" => {
            let ours = Ours::build(&plan.layers, true)?;
            let (lon, lat) = points_of(&plan)?;
            let mut zones = vec![ZoneId::NONE; lon.len()];
            let threads = std::thread::available_parallelism()?.get();
            let mut measured = repeat(plan.runs, plan.amount, || {
                ours.zones_on(threads, &lon, &lat, &mut zones);
                Ok::<u64, Box<dyn Error>>(0)
            })?;
            measured.found = ours.pairs(&ours.sets_of(&zones));
            Ok(measured)
        }
        "annotate" => {
            let annotating = Annotating::new(&plan.layers, plan.register.as_deref())?;
            let columns: Vec<&str> = plan.columns.iter().map(String::as_str).collect();
            repeat(plan.runs, plan.amount, || {
                let passed = annotating.pass(&plan.source, plan.out.as_deref(), &columns)?;
                Ok(passed.annotated)
            })
        }
        other => Err(format!("no measurement is called {other}").into()),
    }
}

fn points_of(plan: &Plan) -> Result<(Vec<f64>, Vec<f64>), Box<dyn Error>> {
    let axis = |axis: &str| crate::oracle::read_f64(&plan.points.with_extension(axis));
    let (mut lon, mut lat) = (axis("lon")?, axis("lat")?);
    lon.truncate(plan.amount as usize);
    lat.truncate(plan.amount as usize);
    Ok((lon, lat))
}

/// Some layers, and what they are called in the table.
type LayerSet = (&'static str, Vec<BenchLayer>);

/// The bench as it goes on.
struct Bench<'a> {
    arguments: &'a BenchArguments,
    layers: Vec<BenchLayer>,
    report: Report,
}

/// Runs the pieces and writes the table.
///
/// # Errors
/// Data cannot be made, or our own software fails; a peer that fails is told in the table.
pub fn run(arguments: &BenchArguments) -> Result<(), Box<dyn Error>> {
    let pieces = arguments.pieces(&PIECES)?;
    std::fs::create_dir_all(&arguments.work)?;
    let (layers, said) = layers::census_layers();
    let mut report = Report::new("annotate", &said, arguments.quick, arguments.runs);
    report.versions(&arguments.peer_versions()?, "; geo 0.33, rstar 0.13");
    let mut bench = Bench { arguments, layers, report };
    for piece in pieces {
        match piece {
            "build" => bench.build()?,
            "lookup" => bench.lookup()?,
            "text" => bench.text()?,
            "parquet" => bench.parquet()?,
            _ => bench.memory()?,
        }
    }
    bench.report.write(arguments.report.as_deref(), arguments.quick)
}

impl Bench<'_> {
    fn protected_areas(&self) -> Result<BenchLayer, Box<dyn Error>> {
        let (polygons, vertices) =
            (self.arguments.pick(250_000, 5_000), self.arguments.pick(40_000_000, 500_000));
        layers::protected_areas(&self.arguments.work, ProtectedAreas { polygons, vertices, seed: 1 })
    }

    /// The layers without and with the one like PAD-US.
    fn layer_sets(&self) -> Result<[LayerSet; 2], Box<dyn Error>> {
        let mut all = self.layers.clone();
        all.push(self.protected_areas()?);
        Ok([("census layers", self.layers.clone()), ("census + PAD-like", all)])
    }

    fn measured(&self, threads: usize, what: &str, plan: &Plan) -> Result<Measured, Box<dyn Error>> {
        self.arguments.of_this_package(threads, "bisonflow-bench", &["measure", what], plan)
    }

    fn peer(&self, threads: usize, what: &str, peer: &str, plan: &Plan) -> Result<Measured, Box<dyn Error>> {
        match peer {
            // A program of its own.
            "rstar" => self.arguments.of_this_package(threads, "bisonflow-bench-peer", &[], plan),
            peer => self.arguments.peer(threads, what, peer, plan),
        }
    }

    fn build(&mut self) -> Result<(), Box<dyn Error>> {
        self.report.section("Building the index", "seconds");
        for threads in self.arguments.threads.clone() {
            for (name, layers) in self.layer_sets()? {
                let large = layers.len() > self.layers.len();
                let plan =
                    Plan { runs: if large { 1 } else { self.arguments.runs }, layers, ..Plan::default() };
                let measured = self.measured(threads, "build", &plan)?;
                self.report.row(Row::seconds("bisonflow", threads, name, &measured));
            }
        }
        Ok(())
    }

    fn lookup(&mut self) -> Result<(), Box<dyn Error>> {
        self.report.section("Looking up points", "points/s");
        let most = self.arguments.pick(5_000_000, 200_000);
        for threads in self.arguments.threads.clone() {
            for (name, layers) in self.layer_sets()? {
                let large = layers.len() > self.layers.len();
                for spread in [Spread::Uniform, Spread::Clustered] {
                    let points = points::write(&self.arguments.work, spread, most as usize)?;
                    let plan = |amount, runs| Plan {
                        runs,
                        amount,
                        layers: layers.clone(),
                        points: points.clone(),
                        ..Plan::default()
                    };
                    let on = format!("{name}, {} points", spread.name());
                    let ours = self.measured(threads, "lookup", &plan(most, self.arguments.runs))?;
                    self.report.row(Row::rate("bisonflow", threads, &on, &ours));
                    if spread == Spread::Clustered && !large {
                        // Peers are compared on random points; clustered ones show the spread of our own.
                        continue;
                    }
                    for (peer, amount) in PEERS {
                        let amount = self.arguments.pick(if large { amount / 2 } else { amount }, 20_000);
                        let runs = if large { 1 } else { self.arguments.runs };
                        // geo answers on one thread; on more it would be our loop that is measured.
                        if peer == "rstar" && threads > 1 {
                            continue;
                        }
                        let measured = self.peer(threads, "lookup", peer, &plan(amount, runs));
                        self.report.row(Row::peer(peer, threads, &on, measured, &[&ours]));
                    }
                }
            }
        }
        Ok(())
    }

    fn annotate_plan(&self, source: PathBuf, amount: u64, core: bool, write: bool) -> Plan {
        let out = write.then(|| self.arguments.work.join("annotated.parquet"));
        Plan {
            runs: self.arguments.runs,
            amount,
            layers: self.layers.clone(),
            source,
            out,
            columns: columns(core),
            register: real_file("riis/US-RIIS_MasterList.csv"),
            ..Plan::default()
        }
    }

    fn text(&mut self) -> Result<(), Box<dyn Error>> {
        self.report.section("Text (257 columns) to Parquet", "records/s");
        let records = self.arguments.pick(1_750_000, 50_000);
        let source = text_data::text(&self.arguments.work, records, false)?;
        for threads in self.arguments.threads.clone() {
            for (set, core) in [("core columns", true), ("full table", false)] {
                let plan = self.annotate_plan(source.clone(), records, core, true);
                let ours = self.measured(threads, "annotate", &plan)?;
                self.report.row(Row::rate("bisonflow, annotating and counting", threads, set, &ours));
                for peer in ["polars", "duckdb"] {
                    let on = format!("{set}, no annotation");
                    let measured = self.peer(threads, "text", peer, &plan);
                    self.report.row(Row::peer(peer, threads, &on, measured, &[&ours]));
                }
            }
            let plan = self.annotate_plan(source.clone(), records, true, false);
            let ours = self.measured(threads, "annotate", &plan)?;
            self.report.row(Row::rate("bisonflow, counts only", threads, "core columns", &ours));
        }
        Ok(())
    }

    fn parquet(&mut self) -> Result<(), Box<dyn Error>> {
        self.report.section("Parquet (snapshot schema) to Parquet", "records/s");
        let records = self.arguments.pick(1_750_000, 50_000);
        for threads in self.arguments.threads.clone() {
            for (name, absent) in [("nothing filtered", false), ("a third filtered", true)] {
                let text = text_data::text(&self.arguments.work, records, absent)?;
                let source = text_data::snapshot(&text)?;
                for (set, core) in [("core columns", true), ("full table", false)] {
                    let plan = self.annotate_plan(source.clone(), records, core, true);
                    let measured = self.measured(threads, "annotate", &plan)?;
                    let on = format!("{set}, {name}");
                    self.report.row(Row::rate("bisonflow, annotating and counting", threads, &on, &measured));
                }
                let plan = self.annotate_plan(source.clone(), records, true, false);
                let measured = self.measured(threads, "annotate", &plan)?;
                self.report.row(Row::rate("bisonflow, counts only", threads, name, &measured));
            }
        }
        Ok(())
    }

    fn memory(&mut self) -> Result<(), Box<dyn Error>> {
        self.report.section("Peak memory of a pass, the index included", "MB");
        let records = self.arguments.pick(1_000_000, 50_000);
        let text = text_data::text(&self.arguments.work, records, false)?;
        let source = text_data::snapshot(&text)?;
        let threads = self.arguments.most_threads();
        for times in [1, 50] {
            let source = if times == 1 { source.clone() } else { text_data::repeated(&source, times)? };
            let amount = records * times as u64;
            let plan = Plan { runs: 1, ..self.annotate_plan(source, amount, true, true) };
            let measured = self.measured(threads, "annotate", &plan)?;
            self.report.row(Row::memory("bisonflow", threads, &format!("{amount} records"), &measured));
        }
        Ok(())
    }
}

/// The peers of the lookup, and how many points each is given: the slower ones fewer, as their time does not
/// depend on it but for what they prepare.
const PEERS: [(&str, u64); 5] = [
    ("rstar", 2_000_000),
    ("sedonadb", 1_000_000),
    ("shapely", 1_000_000),
    ("geopandas", 200_000),
    ("duckdb", 200_000),
];

/// What a measurement says, as a line of JSON.
pub fn line(measured: &Measured) -> String {
    json!(measured).to_string()
}
