//! `bisonflow-bench`: what `cargo xtask generate`, `oracle` and `bench` run.

#![expect(clippy::print_stdout, reason = "a tool that people run; its results go to standard output")]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use bisonflow_bench::annotate_bench::{self, MeasureArguments};
use bisonflow_bench::land_bench::{self, LandArguments};
use bisonflow_bench::land_stages::{self, StageArguments};
use bisonflow_bench::oracle::{self, OracleArguments};
use bisonflow_bench::process::BenchArguments;
use bisonflow_bench::protected_areas::ProtectedAreas;
use clap::{Args, Parser};

/// Oracles and benches of bisonflow.
#[derive(Parser)]
#[command(max_term_width = 110)]
enum Command {
    /// Make synthetic data.
    #[command(subcommand)]
    Generate(Generate),
    /// Compare the region index with GEOS and with an exact computation.
    Oracle(OracleArguments),
    /// Time our software beside other software.
    #[command(subcommand)]
    Bench(Bench),
    /// One measurement of a bench, in a process of its own.
    #[command(hide = true)]
    Measure(MeasureArguments),
    /// One measurement of a stage of the landing, in a process of its own.
    #[command(hide = true)]
    Stage(StageArguments),
}

#[derive(clap::Subcommand)]
enum Bench {
    /// The annotation: index, lookup, text and Parquet to annotated Parquet, memory.
    Annotate(BenchArguments),
    /// The landing: archives and texts to finished Parquet, memory.
    Land(LandArguments),
}

#[derive(clap::Subcommand)]
enum Generate {
    /// A layer like PAD-US, as a zipped shapefile: overlaps, duplicates, shared borders, invalid outlines.
    ProtectedAreas(ProtectedAreasArguments),
}

#[derive(Args)]
struct ProtectedAreasArguments {
    /// The file to write.
    #[arg(long, value_name = "FILE.zip")]
    out: PathBuf,
    /// How many units.
    #[arg(long, default_value_t = 250_000)]
    polygons: u64,
    /// How many vertices at least, all units together.
    #[arg(long, default_value_t = 40_000_000)]
    vertices: u64,
    /// Another seed makes another layer.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Generate(Generate::ProtectedAreas(arguments)) => protected_areas(&arguments),
        Command::Oracle(arguments) => oracle::run(&arguments),
        Command::Bench(Bench::Annotate(arguments)) => annotate_bench::run(&arguments),
        Command::Bench(Bench::Land(arguments)) => land_bench::run(&arguments),
        Command::Stage(arguments) => land_stages::measure(&arguments).map(|measured| {
            println!("{}", annotate_bench::line(&measured));
        }),
        Command::Measure(arguments) => annotate_bench::measure(&arguments).map(|measured| {
            println!("{}", annotate_bench::line(&measured));
        }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bisonflow-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn protected_areas(arguments: &ProtectedAreasArguments) -> Result<(), Box<dyn Error>> {
    let &ProtectedAreasArguments { ref out, polygons, vertices, seed } = arguments;
    let made = ProtectedAreas { polygons, vertices, seed }.write(out)?;
    println!(
        "{}: {} units ({} duplicates, {} with a spoiled outline), {} rings, {} vertices, {} MB",
        out.display(),
        made.polygons,
        made.duplicates,
        made.spoiled,
        made.rings,
        made.vertices,
        std::fs::metadata(out)?.len() / 1_000_000
    );
    Ok(())
}
