//! `cargo xtask test`: every check there is, in the order in which they fail fastest.

use clap::Args;

use crate::command::{Done, cargo, step, target, workspace};
use crate::venv::Venv;

/// The functions that are built for Lambda.
const FUNCTIONS: [&str; 8] = [
    "plan-run",
    "launch-spot-downloader",
    "start-crawler",
    "add-annotation-fields",
    "count-subsets",
    "submit-batch-job",
    "resolve-riis",
    "summarize-run",
];

/// Arguments of `cargo xtask test`.
#[derive(Args)]
pub(crate) struct TestArguments {
    /// Leave out what takes longest: the end-to-end tests and the build for Lambda.
    #[arg(long)]
    quick: bool,
    /// Only what is too large for every day: a landing of 5 GB of text over a bad line. Takes minutes and 3 GB of disk.
    #[arg(long, conflicts_with = "quick")]
    large: bool,
}

/// Runs the checks.
pub(crate) fn test(arguments: &TestArguments) -> Done {
    if arguments.large {
        return large();
    }
    step("formatting", cargo().args(["fmt", "--all", "--check"]))?;
    step(
        "lints",
        cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
    )?;
    step("unit, property, golden and conformance tests", cargo().args(["test", "--workspace", "--locked"]))?;

    let venv = Venv::ready()?;
    step(
        "sam validate",
        venv.tool("sam").args(["validate", "--lint", "--region", "us-east-1", "--template", "template.yaml"]),
    )?;
    step("cfn-lint", venv.tool("cfn-lint").arg("template.yaml"))?;
    let local_cloud = workspace().join("local-cloud");
    step("lints of the local cloud", venv.tool("ruff").args(["check", "."]).current_dir(&local_cloud))?;
    step(
        "types of the local cloud",
        venv.tool("mypy").args(["--strict", "local_cloud"]).current_dir(&local_cloud),
    )?;
    step("tests of the local cloud", venv.python().args(["-m", "pytest", "-q"]).current_dir(&local_cloud))?;
    if arguments.quick {
        return Ok(());
    }

    step("programs", cargo().args(["build", "--workspace", "--bins", "--locked"]))?;
    let mut end_to_end = venv.python();
    end_to_end.args(["-m", "pytest", "-q", "-rs", "tests/end_to_end"]); // -rs tells what was not run
    end_to_end.env("BISONFLOW_BINARIES", target()?.join("debug"));
    step("end-to-end tests", &mut end_to_end)?;
    arm64(&venv)
}

/// The tests that are too large for every day, with the program as it is used.
fn large() -> Done {
    let venv = Venv::ready()?;
    step("program", cargo().args(["build", "--release", "--locked", "--package", "bisonflow"]))?;
    let mut tests = venv.python();
    tests.args(["-m", "pytest", "-q", "-s", "tests/large"]); // -s shows what was measured
    tests.args(["-o", "tmp_path_retention_policy=failed"]); // gigabytes
    tests.env("BISONFLOW_BINARIES", target()?.join("release"));
    step("large tests", &mut tests)
}

/// Builds the functions as `sam build` does. Without the compiler's arm64 libraries this says so and goes on.
fn arm64(venv: &Venv) -> Done {
    let target = "aarch64-unknown-linux-gnu";
    let mut add = std::process::Command::new("rustup");
    if !add
        .args(["target", "add", target])
        .current_dir(workspace())
        .status()
        .is_ok_and(|status| status.success())
    {
        eprintln!("== arm64 build: NOT RUN, as rustup could not add {target}");
        return Ok(());
    }
    let mut build = cargo();
    venv.activate(&mut build);
    build.args(["lambda", "build", "--arm64", "--release", "--locked"]);
    for function in FUNCTIONS {
        build.args(["--package", function]);
    }
    step("arm64 build of the functions", &mut build)
}
