//! `cargo xtask generate`, `oracle` and `bench`: they build the package `bisonflow-bench` and run it.

use std::ffi::OsString;
use std::process::Command;

use clap::Args;

use crate::command::{Done, cargo, step, target};
use crate::venv::Venv;

/// What is handed on to `bisonflow-bench`; `--help` says what there is.
#[derive(Args)]
pub(crate) struct BenchArguments {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

/// Makes synthetic data.
pub(crate) fn generate(arguments: &BenchArguments) -> Done {
    step("synthetic data", program()?.arg("generate").args(&arguments.arguments))
}

/// Compares the region index with other software.
pub(crate) fn oracle(arguments: &BenchArguments) -> Done {
    with_peers("oracle", arguments)
}

/// Times our software beside other software.
pub(crate) fn bench(arguments: &BenchArguments) -> Done {
    match arguments.arguments.first() {
        Some(what) if what == "land" => build("bisonflow")?,
        _ => build("bisonflow-bench-peer")?,
    }
    with_peers("bench", arguments)
}

/// Runs a command that needs the other software and a folder for its data.
fn with_peers(command: &str, arguments: &BenchArguments) -> Done {
    let mut program = program()?;
    let python = Venv::of("bench/requirements.txt")?.python();
    program.arg(command).args(&arguments.arguments);
    program.arg("--python").arg(python.get_program()).arg("--work").arg(target()?.join("bench"));
    step(command, &mut program)
}

/// The program, built with optimization as its timings and its patience need it.
fn program() -> Done<Command> {
    build("bisonflow-bench")?;
    Ok(Command::new(target()?.join("release/bisonflow-bench")))
}

fn build(package: &str) -> Done {
    step(package, cargo().args(["build", "--release", "--locked", "--quiet", "--package", package]))
}
