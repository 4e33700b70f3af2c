//! The binary `bisonflow`: the heavy work of the workflow, and all of it in one process.

use std::process::ExitCode;

use bisonflow::cli;
use clap::Parser;

fn main() -> ExitCode {
    let command = match cli::Command::try_parse() {
        Ok(command) => command,
        Err(error) => {
            // Nothing is left to do if even the usage cannot be printed.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    cli::telemetry();
    match cli::execute(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %error.name(), "{error}");
            ExitCode::from(error.exit_code())
        }
    }
}
