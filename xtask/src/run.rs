//! `cargo xtask run`: the whole workflow on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};

use crate::command::{Done, cargo, step, target};
use crate::local_cloud::LocalCloud;
use crate::venv::Venv;

/// What a run leaves in the bucket.
const RESULTS: [&str; 6] = ["runs/", "occurrences/", "annotated/", "summaries/", "statistics/", "csv/"];

/// Arguments of `cargo xtask run`.
#[derive(Args)]
pub(crate) struct RunArguments {
    /// The download. Default: a synthetic one, made here.
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,
    /// The layers, as a TOML file beside its sources. Default: US counties at 1:10 million.
    #[arg(long, value_name = "LAYERS.TOML")]
    layers: Option<PathBuf>,
    /// The register as CSV, or "none". Default: the synthetic download's; with --source it has to be said.
    #[arg(long, value_name = "FILE|none")]
    riis: Option<String>,
    /// Options of the run as JSON, as in the workflow's input.
    #[arg(long, value_name = "JSON")]
    options: Option<String>,
    /// The folder for the results; what an earlier run left there is kept beside them.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Records of the synthetic download.
    #[arg(long, default_value_t = 10_000, conflicts_with = "source")]
    records: u64,
}

/// Runs the workflow.
pub(crate) fn run(arguments: &RunArguments) -> Done {
    let begun = Instant::now();
    if arguments.source.is_some() && arguments.riis.is_none() {
        return Err("with --source, say --riis FILE or --riis none".into());
    }
    let mut options: Value = serde_json::from_str(arguments.options.as_deref().unwrap_or("{}"))
        .map_err(|error| format!("--options: {error}"))?;
    let venv = Venv::ready()?;
    step("programs", cargo().args(["build", "--workspace", "--bins", "--locked"]))?;
    let target = target()?;
    let binaries = target.join("debug");
    let sample = target.join("sample");

    let source = match &arguments.source {
        Some(source) => {
            source.canonicalize().map_err(|error| format!("--source {}: {error}", source.display()))?
        }
        None => {
            let mut make = Command::new(binaries.join("bisonflow"));
            make.args(["sample", "--records", &arguments.records.to_string(), "--out"]).arg(&sample);
            step("synthetic download", &mut make)?;
            sample.join(format!("sample-{}.zip", arguments.records))
        }
    };
    let riis = match arguments.riis.as_deref() {
        Some("none") => None,
        Some(file) => Some(PathBuf::from(file)),
        None => Some(sample.join("sample-riis.csv")),
    };

    eprintln!("== local cloud");
    let cloud = LocalCloud::start(&venv, &binaries, target.join("local-cloud"))?;
    if arguments.layers.is_some() || riis.is_some() {
        eprintln!("== reference data");
        cloud.push_reference(&binaries, arguments.layers.as_deref(), riis.as_deref())?;
    }
    if riis.is_none() {
        options["riis"] = json!("none");
    }
    let name = source.file_name().and_then(|name| name.to_str()).ok_or("--source: not a file name")?;
    let plain = options.as_object().is_some_and(serde_json::Map::is_empty);
    let succeeded = if plain {
        // The stack's own rule starts the execution.
        let key = format!("uploads/{name}");
        eprintln!("== upload to {}", cloud.uri(&key));
        cloud.upload(&source, &key)?;
        cloud.wait_for_upload(&key)?
    } else {
        let key = format!("sources/{name}");
        cloud.upload(&source, &key)?;
        cloud.wait(&cloud.start_execution(&json!({"source": cloud.uri(&key), "options": options}))?)?
    };

    let out = arguments.out.clone().unwrap_or_else(|| target.join("results"));
    for prefix in RESULTS {
        cloud.download(prefix, &out)?;
    }
    if !succeeded {
        return Err(format!(
            "the run failed; its logs are in {}, what it left is in {}",
            cloud.state.display(),
            out.display()
        )
        .into());
    }
    print_results(&out, &cloud.tables()?)?;
    println!("results   {}", out.display());
    println!("minutes   {:.1}", begun.elapsed().as_secs_f64() / 60.0);
    Ok(())
}

/// Prints the ledger of the run that was finished last, and the tables.
fn print_results(out: &Path, catalogue: &Value) -> Done {
    let mut newest: Option<(String, PathBuf)> = None;
    for entry in std::fs::read_dir(out.join("runs"))? {
        let folder = entry?.path();
        if let Ok(manifest) = read_json(&folder.join("manifest.json")) {
            let finished = manifest["finished_at"].as_str().unwrap_or_default().to_owned();
            if newest.as_ref().is_none_or(|(moment, _)| *moment < finished) {
                newest = Some((finished, folder));
            }
        }
    }
    let (_, folder) = newest.ok_or("no finished run among the results")?;
    let (ledger, manifest) =
        (read_json(&folder.join("ledger.json"))?, read_json(&folder.join("manifest.json"))?);
    println!();
    println!("run       {}", manifest["run_id"].as_str().unwrap_or_default());
    for (name, value) in ledger["records"].as_object().into_iter().flatten() {
        println!("records   {name:18} {value}");
    }
    for (name, value) in ledger["layers"].as_object().into_iter().flatten() {
        println!("layer     {name:18} inside {}, outside {}", value["inside"], value["outside"]);
    }
    for (name, value) in ledger["riis"].as_object().into_iter().flatten() {
        println!("riis      {name:18} {value}");
    }
    for (name, table) in manifest["tables"].as_object().into_iter().flatten() {
        println!("table     {name:24} {:>8} rows", table["rows"]);
    }
    let registered =
        catalogue.as_array().map_or_else(|| catalogue.as_object().map_or(0, |map| map.len()), Vec::len);
    println!("catalogue {registered} tables");
    Ok(())
}

fn read_json(path: &Path) -> Done<Value> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}
