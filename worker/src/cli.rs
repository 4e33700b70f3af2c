//! The command line.

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use bisonflow_annotation::{CORE_COLUMNS, Columns};
use bisonflow_cloud::reference::{self, Pushed};
use bisonflow_cloud::region_list::{RegionQuery, Status};
use bisonflow_cloud::runtime::{self, Logs};
use bisonflow_cloud::species_match::Settings;
use bisonflow_cloud::{RunStore, Store};
use bisonflow_contract::input::Options;
use bisonflow_contract::{Checklist, RunId, S3Uri, StepError};
use bisonflow_riis::resolve::{Api, Rules};
use clap::{Args, Parser, Subcommand, ValueEnum};
use tokio::runtime::{Handle, Runtime};

use crate::land::{LandRequest, PART_BYTES, land};
use crate::list::{Format, list};
use crate::location::Location;
use crate::one_pass::{OnePassRequest, one_pass};
use crate::publish::{Place, approve};
use crate::regions::{self, LayersFrom};
use crate::stop::Stop;
use crate::{annotate, control, report, resolve, run, sample};

/// Turns GBIF occurrence downloads into a catalogued, annotated and counted data set.
///
/// `bisonflow run` does all of it in one process, on one machine, without any service. The other commands are
/// the steps of it, as the workflow on AWS calls them.
#[derive(Debug, Parser)]
#[command(name = "bisonflow", version, max_term_width = 110)]
#[command(
    after_help = "Exit status: 0 done, 64 wrong usage or input, 65 bad data, 70 our fault, 75 temporary: try \
                        again.\nLogs: set RUST_LOG (such as RUST_LOG=info) to see more or less of what is done."
)]
pub enum Command {
    /// The whole pipeline in one process: land, count, annotate, summarize.
    ///
    /// Example: bisonflow run --source occurrences.zip --layers layers.toml --riis US-RIIS_MasterList.csv --out DIR
    Run(RunArguments),
    /// Make a synthetic download to try things with: a Darwin Core archive and a small register.
    Sample(SampleArguments),
    /// Land a download as Parquet.
    Land(LandArguments),
    /// Annotate one file in one pass, or one subset of a run that is landed and counted.
    ///
    /// Example: bisonflow annotate --source occurrences.zip --layers layers.toml --riis US-RIIS_MasterList.csv --out DIR
    ///
    /// Writes DIR/annotated.parquet (the records that pass the filters, their regions and status) and
    /// DIR/counts/<summary>.parquet. A Parquet file of which every record passes is copied, not encoded again.
    Annotate(Box<AnnotateArguments>),
    /// Merge the partial counts of a run into its summary tables and close its ledger.
    Summarize(SummarizeArguments),
    /// List the species of one region in a finished run: with their counts, status, first and last year.
    ///
    /// Example: bisonflow list --root DIR --run RUN --region "KS Douglas County" --status invasive --format csv
    List(ListArguments),
    /// Publish a finished run: show it as the latest.
    ///
    /// In a bucket the tables <table>_latest are moved to it; runs/latest.json says which run it is, and which ones
    /// were. Doing it again finishes what was interrupted.
    Publish(PublishArguments),
    /// Approve of a run that the drift guard holds, or reject it: its execution waits for the answer.
    ///
    /// Example: bisonflow approve RUN --root s3://BUCKET
    Approve(ApproveArguments),
    /// Go back to a run that was published before; what was published after it is withdrawn.
    ///
    /// Example: bisonflow rollback RUN --root s3://BUCKET
    Rollback(PublishArguments),
    /// What concerns the US Register of Introduced and Invasive Species.
    #[command(subcommand)]
    Riis(RiisCommand),
    /// The layers' index: build it as one file, look what it is made of, ask where a place lies.
    #[command(subcommand)]
    Regions(RegionsCommand),
    /// The reference data of the workflow: layers.toml, the layers' sources and index, the register.
    #[command(subcommand)]
    Reference(ReferenceCommand),
}

/// Arguments of `bisonflow publish` and `bisonflow rollback`.
#[derive(Args, Debug)]
pub struct PublishArguments {
    /// The run; it has to be finished.
    #[arg(value_name = "RUN")]
    run: RunId,
    /// The folder or s3://BUCKET that holds the run: what --out of `bisonflow run` names.
    #[arg(long, value_name = "DIR|s3://")]
    root: String,
    /// The Glue database with the tables of a bucket.
    #[arg(long, value_name = "NAME", default_value = "bisonflow")]
    database: String,
}

/// Arguments of `bisonflow approve`.
#[derive(Args, Debug)]
pub struct ApproveArguments {
    /// The run that waits.
    #[arg(value_name = "RUN")]
    run: RunId,
    /// The s3://BUCKET that holds the run; of a folder, a held run is published.
    #[arg(long, value_name = "DIR|s3://")]
    root: String,
    /// Do not publish it.
    #[arg(long)]
    reject: bool,
}

/// Commands of `bisonflow reference`.
#[derive(Debug, Subcommand)]
pub enum ReferenceCommand {
    /// Check reference data, build the index of the layers, and bring all of it into a bucket's reference/.
    ///
    /// What is there already is not sent again; what is not named here stays as it is.
    ///
    /// Example: bisonflow reference push --layers layers.toml --riis US-RIIS_MasterList.csv --to s3://BUCKET
    Push {
        /// The layers, as a TOML file beside its sources.
        #[arg(long, value_name = "LAYERS.TOML", required_unless_present = "riis")]
        layers: Option<PathBuf>,
        /// The register as CSV.
        #[arg(long, value_name = "FILE")]
        riis: Option<PathBuf>,
        /// The workflow's bucket.
        #[arg(long, value_name = "s3://BUCKET")]
        to: String,
    },
}

/// Commands of `bisonflow regions`.
#[derive(Debug, Subcommand)]
pub enum RegionsCommand {
    /// Build the index of the layers as one file.
    ///
    /// Example: bisonflow regions build --layers layers.toml --out regions.index
    Build {
        /// Which layers.
        #[command(flatten)]
        layers: LayersArguments,
        /// The file to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Tell what the layers are made of: regions, vertices, bounds, and what was left out or holds no place.
    Check {
        /// Which layers.
        #[command(flatten)]
        layers: LayersArguments,
        /// An index that was built of them; it is compared with them.
        #[arg(long, value_name = "FILE")]
        index: Option<PathBuf>,
    },
    /// Tell which regions one place lies in.
    ///
    /// Example: bisonflow regions locate -95.24 38.97
    #[command(allow_negative_numbers = true)]
    Locate {
        /// Degrees east; west is negative.
        #[arg(value_name = "LON")]
        lon: f64,
        /// Degrees north.
        #[arg(value_name = "LAT")]
        lat: f64,
        /// Which layers.
        #[command(flatten)]
        layers: LayersArguments,
        /// An index that was built of the layers.
        #[arg(long, value_name = "FILE")]
        index: Option<PathBuf>,
    },
}

/// Which layers.
#[derive(Args, Debug)]
pub struct LayersArguments {
    /// The layers, as a TOML file beside its sources. Default: US counties at 1:10 million.
    #[arg(long, value_name = "LAYERS.TOML")]
    layers: Option<PathBuf>,
}

/// Commands of `bisonflow riis`.
#[derive(Debug, Subcommand)]
pub enum RiisCommand {
    /// Look up the register's names in a checklist of GBIF, so that its keys are those of the records.
    ///
    /// Writes <register>_annotated_YYYY_MM_DD.csv, to be used as the register, and
    /// <register>_unresolved_YYYY_MM_DD.csv, the rows that need a person's eye and why. What the service answers
    /// is kept: run the same again to go on after an interruption.
    ///
    /// Example: bisonflow riis resolve US-RIIS_MasterList.csv --checklist col --out DIR
    Resolve(ResolveArguments),
}

/// Arguments of `bisonflow riis resolve`.
#[derive(Args, Debug)]
pub struct ResolveArguments {
    /// The register as CSV, version 1 or 2, as published or resolved before.
    #[arg(value_name = "RIIS.CSV")]
    register: PathBuf,
    /// The checklist of the records: backbone, col (Catalogue of Life), or a GBIF checklist key.
    #[arg(long, value_name = "backbone|col|KEY")]
    checklist: String,
    /// The folder for the results; made if absent.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The version of GBIF's species match service; v1 knows the Backbone only.
    #[arg(long, value_enum, default_value_t = ApiVersion::V2)]
    api: ApiVersion,
    /// The server.
    #[arg(long, value_name = "URL", default_value = "https://api.gbif.org")]
    server: String,
    /// At most so many requests a second.
    #[arg(long, value_name = "N", default_value_t = 30.0)]
    rate: f64,
    /// At most so many requests at once.
    #[arg(long, value_name = "N", default_value_t = 4)]
    concurrency: usize,
    /// How many seconds the service may answer nothing before we give up.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    patience: u64,
    /// Take a spelling variant only if the service is more confident than this, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = Rules::default().variant_confidence)]
    variant_confidence: u8,
    /// The file that keeps what the service answers. Default: species-match-answers in --out.
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Ask again for answers older than so many days: checklists change.
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    max_age_days: u64,
    /// How GBIF can reach you (an e-mail address or URL): sent with every request.
    #[arg(long, value_name = "TEXT")]
    contact: Option<String>,
}

/// A version of GBIF's species match service.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ApiVersion {
    /// Any checklist.
    V2,
    /// The Backbone only.
    V1,
}

/// Arguments of `bisonflow run`.
#[derive(Args, Debug)]
pub struct RunArguments {
    /// The download: a file or a folder of Parquet files, s3://BUCKET/KEY, or https://…
    #[arg(long, value_name = "FILE|URL|s3://")]
    source: String,
    /// The layers, as a TOML file beside its sources. Default: US counties at 1:10 million.
    #[arg(long, value_name = "LAYERS.TOML")]
    layers: Option<PathBuf>,
    /// The index that `bisonflow regions build` made of these layers. Default: it is built.
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,
    /// The US Register of Introduced and Invasive Species as CSV, or "none" to do without.
    #[arg(long, value_name = "FILE|none")]
    riis: String,
    /// The folder (or s3://BUCKET) for the results; made if absent.
    #[arg(long, value_name = "DIR")]
    out: String,
    /// Worker threads. Default: the machine's cores.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Options of the run as JSON, the same as in the workflow's input:
    /// subset_records, layers, filters, checklist, columns.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    options: String,
    /// Do a finished run again.
    #[arg(long)]
    force: bool,
}

/// Arguments of `bisonflow sample`.
#[derive(Args, Debug)]
pub struct SampleArguments {
    /// How many records.
    #[arg(long, default_value_t = 10_000)]
    records: u64,
    /// Another seed gives another download; the same one gives the same bytes on any machine.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The folder for the files; made if absent.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Arguments of `bisonflow land`.
#[derive(Args, Debug)]
pub struct LandArguments {
    /// The download: a file or a folder of Parquet files, s3://BUCKET/KEY, or https://…
    #[arg(long, value_name = "FILE|URL|s3://", required_unless_present = "control")]
    source: Option<String>,
    /// The folder or s3://BUCKET below which it lands.
    #[arg(long, value_name = "DIR|s3://", required_unless_present = "control")]
    out: Option<String>,
    /// Further columns of the source to keep, by name, or "all".
    #[arg(long, value_delimiter = ',')]
    columns: Vec<String>,
    /// Only these columns of the table: core (18 of them), or their names with commas between. To look at a download;
    /// a run needs all columns.
    #[arg(long, value_name = "core|a,b,c")]
    only: Option<String>,
    /// Most records in a row group.
    #[arg(long, default_value_t = bisonflow_contract::input::MAX_ROW_GROUP_RECORDS,
          value_parser = clap::value_parser!(u64).range(1..))]
    row_group_records: u64,
    /// A part ends with the first row group beyond so many bytes.
    #[arg(long, value_name = "BYTES", default_value_t = PART_BYTES)]
    part_bytes: usize,
    /// The checklist of the taxon keys, where the download does not say: backbone, col, or a GBIF checklist key.
    #[arg(long)]
    checklist: Option<String>,
    /// What the workflow asks of an instance: the control document of a run.
    #[arg(long, value_name = "s3://", conflicts_with_all = ["source", "out", "columns", "only", "checklist"])]
    control: Option<S3Uri>,
    /// Worker threads. Default: the machine's cores.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

/// Arguments of `bisonflow annotate`.
#[derive(Args, Debug)]
pub struct AnnotateArguments {
    /// A file to annotate in one pass: a Darwin Core archive, simple CSV, text or Parquet.
    #[arg(long, value_name = "FILE", requires_all = ["riis", "out"], conflicts_with_all = ["root", "run_id", "generation"],
          required_unless_present_all = ["root", "run_id", "generation"])]
    source: Option<PathBuf>,
    /// With --source: the layers, as a TOML file beside its sources. Default: US counties at 1:10 million.
    #[arg(long, value_name = "LAYERS.TOML", requires = "source")]
    layers: Option<PathBuf>,
    /// With --source: the index that `bisonflow regions build` made of these layers. Default: it is built.
    #[arg(long, value_name = "FILE", requires = "source")]
    index: Option<PathBuf>,
    /// With --source: the register as CSV, or "none" to do without.
    #[arg(long, value_name = "FILE|none", requires = "source")]
    riis: Option<String>,
    /// With --source: the folder for the results; made if absent.
    #[arg(long, value_name = "DIR", requires = "source")]
    out: Option<PathBuf>,
    /// With --source: which columns of the file to keep beside the new ones: core (18 of them), full, or their names
    /// with commas between; "none" to count only. Filters see all that is kept: leave countrycode,
    /// occurrencestatus, taxonrank, basisofrecord and issue in, or what they say counts as blank.
    #[arg(long, value_name = "core|full|none|a,b,c", default_value = "full")]
    columns: String,
    /// The folder or s3://BUCKET that holds the run.
    #[arg(long, value_name = "DIR|s3://", requires_all = ["run_id", "generation"])]
    root: Option<String>,
    /// The run.
    #[arg(long, requires = "root")]
    run_id: Option<RunId>,
    /// The generation of the run that the subset belongs to.
    #[arg(long, requires = "root")]
    generation: Option<u32>,
    /// Which subset, from 0. In an AWS Batch array the index of the child says it.
    #[arg(long, env = "AWS_BATCH_JOB_ARRAY_INDEX", default_value_t = 0)]
    subset: usize,
    /// Worker threads. Default: the machine's cores.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

/// Arguments of `bisonflow summarize`.
#[derive(Args, Debug)]
pub struct SummarizeArguments {
    /// The folder or s3://BUCKET that holds the run.
    #[arg(long, value_name = "DIR|s3://")]
    root: String,
    /// The run.
    #[arg(long)]
    run_id: RunId,
}

/// Arguments of `bisonflow list`.
#[derive(Args, Debug)]
pub struct ListArguments {
    /// The folder or s3://BUCKET that holds the run: what --out of `bisonflow run` names.
    #[arg(long, value_name = "DIR|s3://")]
    root: String,
    /// The run; it has to be finished.
    #[arg(long, value_name = "RUN")]
    run: RunId,
    /// The region: its key or one of its labels in the tables, such as 20045 or "KS Douglas County".
    #[arg(long)]
    region: String,
    /// The summary of layers.toml that the region belongs to. Default: the only one that knows it.
    #[arg(long, value_name = "NAME")]
    summary: Option<String>,
    /// Only species of this status in the region: introduced (with established), established, invasive (with
    /// widespread_invasive), widespread_invasive, nonnative (all of these), not_listed, not_assessed.
    #[arg(long)]
    status: Option<Status>,
    /// How to write it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// Sets up logging: one JSON object a line where nobody watches, short lines on a terminal.
pub fn telemetry() {
    runtime::telemetry(if std::io::stderr().is_terminal() { Logs::Text } else { Logs::Json });
}

/// Does what a command asks.
///
/// # Errors
/// What the command's own work raises.
pub fn execute(command: Command) -> Result<(), StepError> {
    let runtime =
        Runtime::new().map_err(|error| StepError::Internal(format!("cannot start the runtime: {error}")))?;
    let handle = runtime.handle();
    match command {
        Command::Run(arguments) => {
            let options = options(&arguments)?;
            let request = run::RunRequest {
                location: Location::parse(&arguments.source)?,
                layers: arguments.layers,
                index: arguments.index,
                riis: (arguments.riis != "none").then(|| arguments.riis.into()),
                store: Store::open(&arguments.out)?,
                options,
                threads: arguments.threads,
            };
            let result = run::run(&request, handle)?;
            report::print(&result)
        }
        Command::Sample(arguments) => {
            let files = sample::write(&arguments.out, arguments.records, arguments.seed)?;
            report::print_lines(&[
                format!("download  {}", files.zip.display()),
                format!("register  {}", files.riis.display()),
            ])
        }
        Command::Land(LandArguments { control: Some(uri), .. }) => control::land(&uri, handle),
        Command::Land(arguments) => {
            let (Some(source), Some(out)) = (&arguments.source, &arguments.out) else {
                return Err(StepError::invalid(
                    "land",
                    "found neither --control nor both of --source and --out",
                ));
            };
            let location = Location::parse(source)?;
            let store = Store::open(out)?;
            let identity = location.identity(&location.files(handle)?)?;
            let run_id = RunId::of_file(location.name(), &[&identity]);
            let request = LandRequest {
                run: &RunStore::new(&store, &run_id),
                run_id,
                generation: 1,
                location: &location,
                source_identity: Some(identity),
                columns: arguments.columns,
                only: arguments.only.as_deref().map(only),
                row_group_records: arguments.row_group_records,
                part_bytes: arguments.part_bytes,
                checklist: arguments.checklist.map(Checklist::from),
                gbif: None,
                threads: arguments.threads,
                stop: Stop::default(),
            };
            let landing = land(&request, handle)?;
            report::print_landing(&store, &landing)
        }
        Command::Annotate(arguments) => annotate(*arguments, handle),
        Command::Summarize(arguments) => {
            let run = RunStore::new(&Store::open(&arguments.root)?, &arguments.run_id);
            report::print(&run::summarize(&run, handle)?)
        }
        Command::List(arguments) => {
            let ListArguments { root, run, region, summary, status, format } = arguments;
            let query = RegionQuery { region, summary, status };
            report::print_lines(&[list(&Store::open_existing(&root)?, &run, &query, format, handle)?])
        }
        Command::Publish(PublishArguments { run, root, database }) => {
            report::print_lines(&Place::open(&root, &database, handle)?.publish(&run, handle)?)
        }
        Command::Rollback(PublishArguments { run, root, database }) => {
            report::print_lines(&Place::open(&root, &database, handle)?.roll_back(&run, handle)?)
        }
        Command::Approve(ApproveArguments { run, root, reject }) => {
            report::print_lines(&approve(&root, &run, !reject, handle)?)
        }
        Command::Regions(command) => {
            let lines = match command {
                RegionsCommand::Build { layers, out } => {
                    regions::build(&LayersFrom { layers: layers.layers, index: None }, &out, handle)?
                }
                RegionsCommand::Check { layers, index } => {
                    regions::check(&LayersFrom { layers: layers.layers, index }, handle)?
                }
                RegionsCommand::Locate { lon, lat, layers, index } => {
                    regions::locate(&LayersFrom { layers: layers.layers, index }, lon, lat, handle)?
                }
            };
            report::print_lines(&lines)
        }
        Command::Reference(ReferenceCommand::Push { layers, riis, to }) => {
            if !to.starts_with("s3://") {
                return Err(StepError::invalid("--to", format_args!("found {to:?}, expected s3://BUCKET")));
            }
            let store = Store::open(&to)?;
            let pushed = handle.block_on(reference::push(&store, layers.as_deref(), riis.as_deref()))?;
            report::print_lines(&pushed.iter().map(reference_line).collect::<Vec<_>>())
        }
        Command::Riis(RiisCommand::Resolve(arguments)) => {
            report::print_lines(&resolve::resolve(&resolve_request(arguments), handle)?.lines())
        }
    }
}

/// The columns that `--only` names.
fn only(names: &str) -> Vec<String> {
    match names {
        "core" => CORE_COLUMNS.map(str::to_owned).to_vec(),
        names => names.split(',').map(|name| name.trim().to_lowercase()).collect(),
    }
}

fn reference_line(pushed: &Pushed) -> String {
    let what = if pushed.was_there { "unchanged" } else { "sent" };
    format!("{what:<9} {} ({} bytes)", pushed.uri, pushed.bytes)
}

fn resolve_request(arguments: ResolveArguments) -> resolve::ResolveRequest {
    let mut settings = Settings {
        server: arguments.server,
        api: match arguments.api {
            ApiVersion::V2 => Api::V2,
            ApiVersion::V1 => Api::V1,
        },
        requests_per_second: arguments.rate,
        concurrency: arguments.concurrency,
        patience: Duration::from_secs(arguments.patience),
        ..Settings::gbif(Checklist::from(arguments.checklist))
    };
    if let Some(contact) = arguments.contact {
        settings.user_agent += &format!(" {contact}");
    }
    resolve::ResolveRequest {
        register: arguments.register,
        out: arguments.out,
        answers: arguments.answers,
        max_age: Duration::from_secs(arguments.max_age_days.saturating_mul(24 * 60 * 60)),
        settings,
        rules: Rules { variant_confidence: arguments.variant_confidence },
    }
}

fn annotate(arguments: AnnotateArguments, handle: &Handle) -> Result<(), StepError> {
    let AnnotateArguments {
        source,
        layers,
        index,
        riis,
        out,
        columns,
        root,
        run_id,
        generation,
        subset,
        threads,
    } = arguments;
    if let (Some(root), Some(run_id), Some(generation)) = (root, run_id, generation) {
        let run = RunStore::new(&Store::open(&root)?, &run_id);
        return annotate::annotate(&run, generation, subset, threads, handle).map(|_| ());
    }
    let (Some(source), Some(riis), Some(out)) = (source, riis, out) else {
        return Err(StepError::invalid(
            "annotate",
            "found neither --source, --riis and --out nor --root, --run-id and --generation",
        ));
    };
    let columns = match &*columns {
        "none" => None,
        "core" => Some(Columns::Core),
        "full" => Some(Columns::Full),
        names => Some(Columns::These(names.split(',').map(|name| name.trim().to_lowercase()).collect())),
    };
    let riis = (riis != "none").then(|| riis.into());
    let request = OnePassRequest { source, layers, index, riis, out, columns, threads };
    report::print_one_pass(&one_pass(&request, handle)?)
}

fn options(arguments: &RunArguments) -> Result<Options, StepError> {
    let json: serde_json::Value =
        serde_json::from_str(&arguments.options).map_err(|error| StepError::invalid("--options", error))?;
    let mut options: Options = bisonflow_contract::parse("--options", json)?;
    options.check()?;
    if options.riis.is_some() {
        return Err(StepError::invalid("--options", "found riis: name the register with --riis"));
    }
    options.force |= arguments.force;
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Command::command().debug_assert();
    }

    #[test]
    fn annotate_takes_a_file_or_a_subset_of_a_run() {
        for (arguments, is_right) in [
            ("--source a.zip --riis none --out d", true),
            ("--source a.zip --riis none --out d --columns core --threads 2", true),
            ("--root d --run-id r --generation 1 --subset 3", true),
            ("--source a.zip --out d", false),
            ("--root d --run-id r", false),
            ("--source a.zip --riis none --out d --root d --run-id r --generation 1", false),
            ("", false),
        ] {
            let words = ["bisonflow", "annotate"].into_iter().chain(arguments.split_whitespace());
            assert_eq!(Command::try_parse_from(words).is_ok(), is_right, "{arguments}");
        }
    }
}
