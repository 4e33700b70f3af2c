//! The commands of the README and of CI: `cargo xtask run`, `test`, `reference make`, `generate`, `oracle`, `bench`.

#![expect(clippy::print_stdout, reason = "a tool that people run; its results go to standard output")]

mod bench;
mod command;
mod local_cloud;
mod reference;
mod run;
mod test;
mod venv;

use std::process::ExitCode;

use clap::Parser;

/// The commands of the project.
#[derive(Parser)]
#[command(name = "cargo xtask", max_term_width = 110)]
enum Xtask {
    /// Run the whole workflow on this machine: the real state machine, functions and worker on a local cloud.
    ///
    /// Without --source it makes a synthetic download and runs that. Needs Rust, Python 3.11 or later and a C
    /// compiler; no AWS account and no Docker.
    Run(run::RunArguments),
    /// Run every check: formatting, lints, unit and property tests, templates, conformance, end to end.
    Test(test::TestArguments),
    /// Make the reference data that the repository carries.
    #[command(subcommand)]
    Reference(ReferenceCommand),
    /// Make synthetic data, such as a layer of the size of PAD-US: `cargo xtask generate protected-areas --out FILE.zip`.
    #[command(disable_help_flag = true)]
    Generate(bench::BenchArguments),
    /// Compare the region index with GEOS and with an exact computation; exits with 1 if they differ.
    ///
    /// `--quick` takes a minute.
    #[command(disable_help_flag = true)]
    Oracle(bench::BenchArguments),
    /// Time our software beside other software: `cargo xtask bench annotate` writes docs/performance.md.
    ///
    /// `bench land` times the landing and puts its tables there, too. `--quick` takes small data, `--only` some pieces.
    #[command(disable_help_flag = true)]
    Bench(bench::BenchArguments),
}

#[derive(clap::Subcommand)]
enum ReferenceCommand {
    /// Make the county layer anew from its registry packages.
    Make,
}

fn main() -> ExitCode {
    let done = match Xtask::parse() {
        Xtask::Run(arguments) => run::run(&arguments),
        Xtask::Test(arguments) => test::test(&arguments),
        Xtask::Reference(ReferenceCommand::Make) => reference::run(),
        Xtask::Generate(arguments) => bench::generate(&arguments),
        Xtask::Oracle(arguments) => bench::oracle(&arguments),
        Xtask::Bench(arguments) => bench::bench(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
